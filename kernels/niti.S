/*
 * NITI: weight gradient, rounding and update.                            ARMv6-M, AAPCS, void f(const block *)
 *
 * m0k_niti_dense { error, in, weights, n_in, n_out, shift, mu, signed_in }
 *     W[o][i] = sat(W[o][i] - psto_shift(error[o] * in[i], s))
 * m0k_niti_grad { grad, weights, n_in, n_out, shift, mu }
 *     W[o][k] = sat(W[o][k] - psto_shift(grad[o][k], s))
 *
 * s = shift, 0..24; or, with shift == 0xFFFFFFFF, s = max(0, bit length of max |gradient| - mu), mu signed, -24..31.
 * error int8[n_out] -127..127; in int8[n_in], 0..127, or -127..127 with signed_in != 0, 4-aligned, read as words; grad
 * int32[n_out][P], |grad| < 2^30, 4-aligned, 0 in the padding (as m0k_conv_grad leaves it), P = n_in rounded up to 4;
 * weights u8 = w + 128 as an edge array (groups of four outputs, 16 bytes an input word, bytes in the order of inputs
 * 2, 3, 0, 1), updated in place and clamped to 1..255. Padding edges stay as they are. n_in, n_out 1..65535.
 *
 * psto_shift is t + (q > u) on the magnitude m. With h = s >> 1, k = s - h, C = 2^k - 1 and m' = m << (s & 1) it equals
 *     ((m' >> k) + (C & ~m')) >> k
 * for even and odd s, and is 0 where m' <= C. Where s >= 6 and inputs are not negative, two inputs go in one word, 16
 * bits each (127 * 127 * 2 = 32258), and the four weights of a word are updated together.
 *
 * Skipped: outputs whose error is 0 or too small to move anything; words of zero inputs, or with all m' <= C; words, or
 * edges, that do not move.
 *
 * Stack: 56 bytes (m0k_niti_dense), 36 (m0k_niti_grad).
 * Cycles of m0k_niti_dense, words = P / 4: at most 130 + 34 * n_out, and for each output with an error 70 + 59 * words
 *     (14.75 an edge) and 52 for each word with a weight that clamps; 40 a word that does not move, 22 where all m' <=
 *     C, 9 where all inputs are zero. With s < 6 or signed_in: 70 + 108 * words. Dynamic: 12 * (n_in + n_out) + 200 more.
 * Cycles of m0k_niti_grad: at most 70 + 16 * n_out + 104 * words * n_out; dynamic: 24 * words * n_out + 110 more.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "m0k.inc"

    .equ BLOCK, 0
    .equ ERROR, 4
    .equ LEFT, 8                    @ outputs left
    .equ WEIGHT, 12                 @ weights of this output
    .equ SHIFT, 16                  @ s, and 128 where bytes are taken, not lanes

@ r4 clamped from lanes of 16 bits, low one signed, to 1..255 each; r6, r7 lost
    .macro CLAMP_LANES x
    sxth r6, \x
    asrs \x, \x, #16
    movs r7, #0
    adcs \x, r7
    bgt 1f
    movs \x, #1
1:  cmp \x, #255
    ble 2f
    movs \x, #255
2:  cmp r6, #0
    bgt 3f
    movs r6, #1
3:  cmp r6, #255
    ble 4f
    movs r6, #255
4:  lsls \x, \x, #16
    orrs \x, r6
    .endm

    FUNCTION m0k_niti_dense
    SAVE_ALL
    sub sp, #20
    str r0, [sp, #BLOCK]
    mov r7, r0
    ldr r3, [r7, #NITI_DENSE_SHIFT]
    adds r2, r3, #1
    bne .Ldense_shift
    ldr r0, [r7, #NITI_DENSE_ERROR]
    ldr r1, [r7, #NITI_DENSE_N_OUT]
    bl .Lmaximum
    mov r4, r2
    ldr r0, [r7, #NITI_DENSE_IN]
    ldr r1, [r7, #NITI_DENSE_N_IN]
    bl .Lmaximum
    muls r4, r2, r4
    ldr r3, [r7, #NITI_DENSE_MU]
    negs r3, r3
1:  cmp r4, #0
    beq 2f
    adds r3, #1
    lsrs r4, r4, #1
    b 1b
2:  cmp r3, #0
    bgt .Ldense_shift
    movs r3, #0
.Ldense_shift:
    cmp r3, #30                     @ then even 127 * 127 moves nothing
    bge .Ldense_done
    movs r6, r3
    lsrs r2, r3, #1
    subs r3, r3, r2                 @ k
    movs r2, #1
    lsls r2, r3
    subs r2, #1                     @ C
    lsls r4, r2, #16
    adds r4, r4, r2
    mov r8, r4
    ldr r4, .Lsixteen_ones
    lsrs r4, r3
    lsls r5, r4, #16
    adds r4, r4, r5
    mov r9, r4
    ldr r4, [r7, #NITI_DENSE_N_IN]
    lsrs r4, r4, #2
    lsls r4, r4, #2
    ldr r5, [r7, #NITI_DENSE_IN]
    adds r4, r4, r5
    mov r11, r4
    ldr r4, [r7, #NITI_DENSE_WEIGHTS]
    str r4, [sp, #WEIGHT]
    ldr r4, [r7, #NITI_DENSE_SIGNED_IN]
    cmp r6, #6
    blo 2f
    cmp r4, #0
    beq 3f
2:  movs r5, #128                   @ bytes, not lanes
    orrs r6, r5
3:  str r6, [sp, #SHIFT]
    ldr r4, .Llanes
    mov r10, r4
    ldr r4, .Lminus_one
    mov lr, r4
    ldr r0, [r7, #NITI_DENSE_ERROR]
    ldr r1, [r7, #NITI_DENSE_N_OUT]
    b .Ldense_output

.Ldense_done:
    add sp, #20
    RETURN_ALL
    .p2align 2
.Llanes:
    .word 0x00FF00FF
.Lminus_one:
    .word -0x00010001
.Lsixteen_ones:
    .word 0xFFFF

.Ldense_next:
    ldr r0, [sp, #ERROR]
    ldr r1, [sp, #LEFT]
    subs r1, #1
    beq .Ldense_done
    ldr r4, [sp, #WEIGHT]           @ the next output's weights: 4 on, or the next group
    adds r4, #4
    ldr r7, [sp, #BLOCK]
    ldr r5, [r7, #NITI_DENSE_N_OUT]
    subs r5, r5, r1
    lsls r5, r5, #30
    bne 1f
    ldr r5, [r7, #NITI_DENSE_N_IN]
    adds r5, #3
    lsrs r5, r5, #2
    subs r5, #1
    lsls r5, r5, #4
    adds r4, r4, r5
1:  str r4, [sp, #WEIGHT]
.Ldense_output:                     @ r0 error pointer, r1 outputs left, r3 k, r8 C twice
    str r1, [sp, #LEFT]
    movs r4, #0
    ldrsb r2, [r0, r4]
    adds r0, #1
    str r0, [sp, #ERROR]
    cmp r2, #0
    beq .Ldense_next
    asrs r6, r2, #31
    ldr r5, [sp, #SHIFT]
    lsls r4, r5, #31
    lsrs r4, r4, #31
    lsls r2, r4                     @ e' = e << (s & 1)
    adds r4, r2, r6
    eors r4, r6                     @ |e'|
    lsls r7, r4, #7
    subs r7, r7, r4
    mov r0, r8
    uxth r0, r0
    cmp r7, r0
    bls .Ldense_next                @ 127 * |e'| <= C
    ldr r7, [sp, #BLOCK]
    ldr r0, [r7, #NITI_DENSE_IN]
    ldr r1, [sp, #WEIGHT]
    cmp r5, #128
    blo 1f
    b .Lbytes
1:  mov r2, r4
    mov r12, r2
    cmp r6, #0
    beq 2f
    b .Lup_more
2:  b .Ldown_more

@ Lanes. r0 in, r1 weights, r2 |e'|, r3 k, r4 inputs 2 and 0, r5 inputs 3 and 1; r8 C, r9 lanes without what k shifts
@ in, r10 0x00FF00FF, r11 end of whole words, r12 |e'|, lr -0x00010001.
    .macro DELTAS  next, still
    ldm r0!, {r4}
.L\next\()_masked:
    cmp r4, #0
    beq .L\next
    movs r6, #16
    rors r4, r6
    mov r7, r10
    lsrs r5, r4, #8
    ands r5, r7
    ands r4, r7
    muls r4, r2, r4
    muls r5, r2, r5
    mov r6, r4
    orrs r6, r5
    mov r7, r8
    bics r6, r7
    beq .L\next
    mov r6, r7
    bics r6, r4
    bics r7, r5
    mov r2, r9
    lsrs r4, r3
    lsrs r5, r3
    ands r4, r2
    ands r5, r2
    adds r4, r4, r6
    adds r5, r5, r7
    lsrs r4, r3
    lsrs r5, r3
    ands r4, r2
    ands r5, r2
    mov r6, r4
    orrs r6, r5
    beq .L\still
    .endm

@ After the whole words, flags of r0 against r11: a last one, its padding masked out.
    .macro LAST_WORD word
    bhi 1f
    ldr r7, [sp, #BLOCK]
    ldr r6, [r7, #NITI_DENSE_N_IN]
    lsls r6, r6, #30
    beq 1f
    lsrs r6, r6, #27                @ 8, 16, 24 bits
    movs r7, #1
    lsls r7, r6
    subs r7, #1
    ldm r0!, {r4}
    ands r4, r7
    b \word
1:  b .Ldense_next
    .endm

.Ldown:
    DELTAS down_next, down_still
    mov r2, r10
    ldr r6, [r1]
    mov r7, r6
    ands r7, r2
    subs r4, r7, r4
    lsrs r6, r6, #8
    ands r6, r2
    subs r5, r6, r5
    mov r6, r4
    add r6, lr                      @ a lane below 1 is negative then, its upper byte not zero
    mov r7, r5
    add r7, lr
    orrs r6, r7
    bics r6, r2
    bne .Ldown_clamp
.Ldown_store:
    lsls r5, r5, #8
    adds r4, r4, r5
    str r4, [r1]
.Ldown_still:
    mov r2, r12
.Ldown_next:
    adds r1, #16
.Ldown_more:
    cmp r0, r11
    blo .Ldown
    LAST_WORD .Ldown_next_masked
.Ldown_clamp:
    CLAMP_LANES r4
    CLAMP_LANES r5
    b .Ldown_store

.Lup:
    DELTAS up_next, up_still
    mov r2, r10
    ldr r6, [r1]
    mov r7, r6
    ands r7, r2
    adds r4, r4, r7
    lsrs r6, r6, #8
    ands r6, r2
    adds r5, r5, r6
    mov r6, r4
    orrs r6, r5
    bics r6, r2
    bne .Lup_clamp
.Lup_store:
    lsls r5, r5, #8
    adds r4, r4, r5
    str r4, [r1]
.Lup_still:
    mov r2, r12
.Lup_next:
    adds r1, #16
.Lup_more:
    cmp r0, r11
    blo .Lup
    LAST_WORD .Lup_next_masked
.Lup_clamp:
    CLAMP_LANES r4
    CLAMP_LANES r5
    b .Lup_store

@ Bytes. r2 e' (signed), r4 four inputs, r5 product, r6, r7
    .macro BYTE_EDGE i, k, next
    .if \i == 0
    sxtb r5, r4
    .elseif \i == 3
    asrs r5, r4, #24
    .else
    lsls r5, r4, #(24 - 8 * \i)
    asrs r5, r5, #24
    .endif
    muls r5, r2, r5
    bmi .Lbyte_negative\i
    mov r7, r5
    lsrs r7, r3
    beq \next
    mov r6, r8
    uxth r6, r6
    bics r6, r5
    adds r7, r7, r6
    lsrs r7, r3
    beq \next
    ldrb r6, [r1, #\k]
    subs r6, r6, r7
    bgt .Lbyte_store\i
    movs r6, #1
.Lbyte_store\i:
    strb r6, [r1, #\k]
    .endm

    .macro BYTE_NEGATIVE i, k, next
.Lbyte_negative\i:
    negs r5, r5
    mov r7, r5
    lsrs r7, r3
    beq 1f
    mov r6, r8
    uxth r6, r6
    bics r6, r5
    adds r7, r7, r6
    lsrs r7, r3
    beq 1f
    ldrb r6, [r1, #\k]
    adds r6, r6, r7
    cmp r6, #255
    bls .Lbyte_store\i
    movs r6, #255
    b .Lbyte_store\i
1:  b \next
    .endm

.Lbytes:
    b .Lbytes_more
.Lbytes_word:
    ldm r0!, {r4}
.Lbytes_masked:
    cmp r4, #0
    beq .Lbyte4
    BYTE_EDGE 0, 2, .Lbyte1
.Lbyte1:
    BYTE_EDGE 1, 3, .Lbyte2
.Lbyte2:
    BYTE_EDGE 2, 0, .Lbyte3
.Lbyte3:
    BYTE_EDGE 3, 1, .Lbyte4
.Lbyte4:
    adds r1, #16
.Lbytes_more:
    cmp r0, r11
    blo .Lbytes_word
    LAST_WORD .Lbytes_masked
    BYTE_NEGATIVE 0, 2, .Lbyte1
    BYTE_NEGATIVE 1, 3, .Lbyte2
    BYTE_NEGATIVE 2, 0, .Lbyte3
    BYTE_NEGATIVE 3, 1, .Lbyte4

@ r2 = largest magnitude of r1 > 0 int8 from r0; r0, r1, r3 lost
.Lmaximum:
    movs r2, #0
1:  subs r1, #1
    bmi 4f
    ldrsb r3, [r0, r1]
    cmp r3, r2
    bgt 3f
    negs r3, r3
    cmp r3, r2
    ble 1b
3:  mov r2, r3
    b 1b
4:  bx lr
    END_FUNCTION m0k_niti_dense

@ ------------------------------------------------------------------------------------------------ m0k_niti_grad
@ r0 grad, r1 weights, r2 s & 1, r3 k, r4 gradient, r5 delta, r6, r7 C
@ r8 end of this output's gradient, r9 4 * P, r10 weights of this output, r11 outputs done, r12 outputs.
    .macro GRAD_EDGE i, k, next
    ldm r0!, {r4}
    lsls r4, r2
    bmi .Lgrad_negative\i
    mov r5, r4
    lsrs r5, r3
    beq \next
    mov r6, r7
    bics r6, r4
    adds r5, r5, r6
    lsrs r5, r3
    beq \next
    ldrb r6, [r1, #\k]
    subs r6, r6, r5
    bgt .Lgrad_store\i
    movs r6, #1
.Lgrad_store\i:
    strb r6, [r1, #\k]
    .endm

    .macro GRAD_NEGATIVE i, k, next
.Lgrad_negative\i:
    negs r4, r4
    mov r5, r4
    lsrs r5, r3
    beq 1f
    mov r6, r7
    bics r6, r4
    adds r5, r5, r6
    lsrs r5, r3
    beq 1f
    ldrb r6, [r1, #\k]
    adds r6, r6, r5
    cmp r6, #255
    bls .Lgrad_store\i
    movs r6, #255
    b .Lgrad_store\i
1:  b \next
    .endm

    FUNCTION m0k_niti_grad
    SAVE_ALL
    mov r7, r0
    ldr r0, [r7, #NITI_GRAD_N_IN]
    adds r0, #3
    lsrs r0, r0, #2
    lsls r0, r0, #4
    mov r9, r0
    ldr r1, [r7, #NITI_GRAD_N_OUT]
    mov r12, r1
    ldr r3, [r7, #NITI_GRAD_SHIFT]
    adds r2, r3, #1
    bne 3f
    muls r1, r0, r1                 @ dynamic: OR of the magnitudes
    ldr r0, [r7, #NITI_GRAD_GRAD]
    adds r1, r0, r1
    mov r8, r1
    movs r5, #0
1:  ldm r0!, {r1-r4}
    asrs r6, r1, #31
    eors r1, r6
    subs r1, r1, r6
    orrs r5, r1
    asrs r6, r2, #31
    eors r2, r6
    subs r2, r2, r6
    orrs r5, r2
    asrs r6, r3, #31
    eors r3, r6
    subs r3, r3, r6
    orrs r5, r3
    asrs r6, r4, #31
    eors r4, r6
    subs r4, r4, r6
    orrs r5, r4
    cmp r0, r8
    bne 1b
    ldr r3, [r7, #NITI_GRAD_MU]
    negs r3, r3
    cmp r5, #0
    beq 2f
4:  adds r3, #1
    lsrs r5, r5, #1
    bne 4b
2:  cmp r3, #0
    bgt 3f
    movs r3, #0
3:  cmp r3, #60                     @ nothing below 2^30 moves
    bge .Lgrad_done
    lsls r2, r3, #31
    lsrs r2, r2, #31
    lsrs r1, r3, #1
    subs r3, r3, r1
    ldr r0, [r7, #NITI_GRAD_GRAD]
    ldr r1, [r7, #NITI_GRAD_WEIGHTS]
    mov r10, r1
    movs r7, #1
    lsls r7, r3
    subs r7, #1
    movs r4, #0
    mov r11, r4
.Lgrad_output:
    mov r4, r9
    adds r4, r0, r4
    mov r8, r4
.Lgrad_word:
    GRAD_EDGE 0, 2, .Lgrad1
.Lgrad1:
    GRAD_EDGE 1, 3, .Lgrad2
.Lgrad2:
    GRAD_EDGE 2, 0, .Lgrad3
.Lgrad3:
    GRAD_EDGE 3, 1, .Lgrad4
.Lgrad4:
    adds r1, #16
    cmp r0, r8
    bne .Lgrad_word
    mov r1, r10
    adds r1, #4
    mov r4, r11
    adds r4, #1
    mov r11, r4
    lsls r5, r4, #30
    bne 1f
    add r1, r9
    subs r1, #16
1:  mov r10, r1
    cmp r4, r12
    bne .Lgrad_output
.Lgrad_done:
    RETURN_ALL
    GRAD_NEGATIVE 0, 2, .Lgrad1
    GRAD_NEGATIVE 1, 3, .Lgrad2
    GRAD_NEGATIVE 2, 0, .Lgrad3
    GRAD_NEGATIVE 3, 1, .Lgrad4
    END_FUNCTION m0k_niti_grad
