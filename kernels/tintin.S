/*
 * Tin-Tin: weights of 16 bits, and their update at scales that the device measures.      ARMv6-M, AAPCS
 *
 * Storage. W = 256 w + fraction, -32512 .. 32512, is stored as the uint16 V = W + 32895 + (W >= 0): its upper byte is
 * then the u8 edge byte of W rounded to the nearest w, ties away from zero. The array is the edge array of m0k.h with
 * 8 bytes for its every 4 (one output, four inputs), the halves in the order of inputs 2, 0, 3, 1. Padding is 32896
 * (W = 0). 4-aligned. V is 383 .. 65408, never 32895.
 *
 * m0k_w16_copy { weights16, out, n }: out[i] = the edge byte, for n edges. The arrays must not overlap.
 * const uint8_t *m0k_rows_w16(const void *c, uint32_t group), c = { weights16, scratch, row_bytes }: the same for the
 *     edges group * row_bytes and up, to scratch, which it returns. Any order of groups.
 *     n, row_bytes: multiples of 16, from 16; out and scratch 4-aligned.
 * m0k_tintin_dense { error, in, weights16, n_in, n_out, error_exponent, in_exponent, base }
 *     W[o][i] = clamp(W[o][i] - psto_shift(error[o] * in[i], s))
 * m0k_tintin_grad { grad, weights16, n_in, n_out, error_exponent, in_exponent, base }
 *     W[o][k] = clamp(W[o][k] - psto_shift(grad[o][k], s))
 *     s = base - *error_exponent - *in_exponent, any int32; base = E_weight - 8 + rate. s < 0 shifts to the left by -s,
 *     at most 16 (that is the whole range); s > 31 moves nothing. Clamped to -32512 .. 32512.
 *     error int8[n_out] -127..127; in int8[n_in] 0..127, 4-aligned, read as words; grad int32[n_out][P], |grad| < 2^30,
 *     4-aligned, 0 in the padding; P = n_in rounded up to 4. Padding edges stay as they are. n_in, n_out 1..65535.
 *
 * psto_shift as in niti.S: with k = s - (s >> 1), C = 2^k - 1, m' = |x| << (s & 1) it is ((m' >> k) + (C & ~m')) >> k.
 * The dense kernel takes two inputs in a word, 16 bits each, where s >= 1. With U = W + 32768, V - 127 - U is bit 15 of
 * V - 127, and V - U - 127 is bit 15 of U. No lane can clamp where U is below 49152 (up) or from 16384 on (down), since
 * a step is at most 8065; other words, |w| >= 64 on the side that they move to, go edge by edge.
 *
 * Skipped: outputs whose error is 0 or too small to move anything; words of zero inputs; words, or edges, that do not
 * move.
 *
 * Stack: m0k_w16_copy 20, m0k_rows_w16 20, m0k_tintin_dense 60, m0k_tintin_grad 36 bytes.
 * Cycles, words = P / 4, pairs = half the blocks of 16 edges, rounded up (Cortex-M0+):
 *     m0k_w16_copy    exactly 24 + 2 * n + 3 * pairs (2.1 an edge), 1 more if the number of blocks is odd;
 *     m0k_rows_w16    the same and 5, of row_bytes.
 *     m0k_tintin_dense, for each output with an error: at most 45 + 77 * words (19.3 an edge) and 123 for each word that
 *         goes edge by edge; 36 a word that does not move, 9 where all inputs are zero. With s < 1: 45 + 137 * words.
 *         All outputs: 120 + 32 * n_out.
 *     m0k_tintin_grad at most 90 + n_out * (15 + 124 * words); s < 0: 90 + n_out * (15 + 164 * words).
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "m0k.inc"

@ Upper bytes of the words of eight edges at r0 to r1; r7 = 0x00FF00FF; r3-r6 lost
    .macro ROUND_8
    ldm r0!, {r3-r6}
    lsrs r3, r3, #8
    ands r3, r7
    bics r4, r7
    orrs r3, r4
    lsrs r5, r5, #8
    ands r5, r7
    bics r6, r7
    orrs r5, r6
    stm r1!, {r3, r5}
    .endm

@ r2 edges, not 0
    .macro ROUND
    ldr r7, =0x00FF00FF
    lsls r3, r2, #27
    add r2, r1
    bmi 2f                          @ an odd number of blocks of 16
1:  ROUND_8
    ROUND_8
2:  ROUND_8
    ROUND_8
    cmp r1, r2
    bne 1b
    .endm

    FUNCTION m0k_w16_copy
    push {r4-r7, lr}
    ldr r1, [r0, #W16_COPY_OUT]
    ldr r2, [r0, #W16_COPY_N]
    ldr r0, [r0, #W16_COPY_WEIGHTS16]
    ROUND
    pop {r4-r7, pc}
    .p2align 2
    .ltorg
    END_FUNCTION m0k_w16_copy

    FUNCTION m0k_rows_w16
    push {r4-r7, lr}
    ldr r2, [r0, #ROWS_W16_ROW_BYTES]
    muls r1, r2, r1
    lsls r3, r1, #1
    ldr r1, [r0, #ROWS_W16_SCRATCH]
    ldr r0, [r0, #ROWS_W16_WEIGHTS16]
    adds r0, r0, r3
    mov r12, r1
    ROUND
    mov r0, r12
    pop {r4-r7, pc}
    .p2align 2
    .ltorg
    END_FUNCTION m0k_rows_w16

@ W at r1 + r3 plus r5, |r5| < 2^30, clamped. r2, r4 lost. Local.
    LOCAL_FUNCTION m0k_w16_move
    ldrh r4, [r1, r3]
    subs r4, #127
    lsrs r2, r4, #15
    subs r4, r4, r2                 @ U
    adds r4, r4, r5
    asrs r2, r4, #8
    ble 2f                          @ below 256
    cmp r2, #255
    bge 3f                          @ 65280 or more
1:  lsrs r2, r4, #15
    adds r4, r4, r2
    adds r4, #127
    strh r4, [r1, r3]
    bx lr
2:  movs r4, #1
    lsls r4, r4, #8
    b 1b
3:  movs r4, #255
    lsls r4, r4, #8
    b 1b
    END_FUNCTION m0k_w16_move

@ r3 = s from the block r7, its exponents at \at; r4 lost
    .macro ALIGNMENT at
    ldr r3, [r7, #\at]
    ldr r3, [r3]
    ldr r4, [r7, #\at + 4]
    ldr r4, [r4]
    adds r4, r4, r3
    ldr r3, [r7, #\at + 8]
    subs r3, r3, r4
    .endm

@ r3 = min(-r3, 16) for r3 <= 0
    .macro TO_LEFT
    negs r3, r3
    cmp r3, #16
    bls 1f
    movs r3, #16
1:
    .endm

    .equ BLOCK, 0
    .equ ERROR, 4
    .equ LEFT, 8                    @ outputs left
    .equ WEIGHT, 12                 @ weights of this output
    .equ HALF, 16                   @ k; where s < 1 how far to the left
    .equ ODD, 20                    @ s & 1; -1 where s < 1

    FUNCTION m0k_tintin_dense
    SAVE_ALL
    sub sp, #24
    str r0, [sp, #BLOCK]
    mov r7, r0
    ALIGNMENT TINTIN_DENSE_ERROR_EXPONENT
    cmp r3, #28                     @ then even 127 * 127 moves nothing
    bge .Ldense_done
    cmp r3, #0
    bgt .Ldense_lanes
    TO_LEFT
    movs r4, #0
    mvns r4, r4
    str r4, [sp, #ODD]
    b .Ldense_inputs
.Ldense_lanes:
    lsls r2, r3, #31
    lsrs r2, r2, #31
    str r2, [sp, #ODD]
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
.Ldense_inputs:
    str r3, [sp, #HALF]
    ldr r4, [r7, #TINTIN_DENSE_N_IN]
    lsrs r4, r4, #2
    lsls r4, r4, #2
    ldr r5, [r7, #TINTIN_DENSE_IN]
    adds r4, r4, r5
    mov r11, r4
    ldr r4, [r7, #TINTIN_DENSE_WEIGHTS16]
    str r4, [sp, #WEIGHT]
    ldr r4, .Llanes
    mov r10, r4
    ldr r4, .Lhalves
    mov lr, r4
    ldr r0, [r7, #TINTIN_DENSE_ERROR]
    ldr r1, [r7, #TINTIN_DENSE_N_OUT]
    b .Ldense_output

.Ldense_done:
    add sp, #24
    RETURN_ALL
    .p2align 2
.Llanes:
    .word 0x00FF00FF
.Lhalves:
    .word 0x00800080
.Lsixteen_ones:
    .word 0xFFFF

.Ldense_next:
    ldr r0, [sp, #ERROR]
    ldr r1, [sp, #LEFT]
    subs r1, #1
    beq .Ldense_done
    ldr r4, [sp, #WEIGHT]           @ the next output's weights: 8 on, or the next group
    adds r4, #8
    ldr r7, [sp, #BLOCK]
    ldr r5, [r7, #TINTIN_DENSE_N_OUT]
    subs r5, r5, r1
    lsls r5, r5, #30
    bne 1f
    ldr r5, [r7, #TINTIN_DENSE_N_IN]
    adds r5, #3
    lsrs r5, r5, #2
    subs r5, #1
    lsls r5, r5, #5
    adds r4, r4, r5
1:  str r4, [sp, #WEIGHT]
.Ldense_output:                     @ r0 error pointer, r1 outputs left
    str r1, [sp, #LEFT]
    movs r4, #0
    ldrsb r2, [r0, r4]
    adds r0, #1
    str r0, [sp, #ERROR]
    cmp r2, #0
    beq .Ldense_next
    ldr r1, [sp, #WEIGHT]
    ldr r3, [sp, #HALF]
    ldr r7, [sp, #BLOCK]
    ldr r0, [r7, #TINTIN_DENSE_IN]
    ldr r5, [sp, #ODD]
    cmp r5, #0
    bpl 1f
    b .Lleft
1:  asrs r6, r2, #31
    lsls r2, r5                     @ e' = e << (s & 1)
    adds r2, r2, r6
    eors r2, r6                     @ |e'|
    lsls r4, r2, #7
    subs r4, r4, r2
    mov r5, r8
    uxth r5, r5
    cmp r4, r5
    bls .Ldense_next                @ 127 * |e'| <= C
    mov r12, r2
    cmp r6, #0
    beq 1f
    b .Lup_more
1:  b .Ldown_more

@ After the whole words, flags of r0 against r11: a last one, its padding masked out.
    .macro LAST_WORD into, masked
    bhi 1f
    ldr r7, [sp, #BLOCK]
    ldr r6, [r7, #TINTIN_DENSE_N_IN]
    lsls r6, r6, #30
    beq 1f
    lsrs r6, r6, #27                @ 8, 16, 24 bits
    movs r7, #1
    lsls r7, r6
    subs r7, #1
    ldm r0!, {\into}
    ands \into, r7
    b \masked
1:  b .Ldense_next
    .endm

@ All words of an output whose weights go \name: r0 in, r1 weights, r2 |e'|, r3 k, r4 inputs 2 and 0, then their steps,
@ r5 those of inputs 3 and 1; r8 C, r9 lanes without what k shifts in, r10 0x00FF00FF, r11 end of whole words, r12 |e'|,
@ lr 0x00800080. \near of U and 2 U tells in bit 15 whether U may clamp, inverted for down.
    .macro WORDS   name, step, near, join
.L\name\()_word:
    ldm r0!, {r4}
.L\name\()_masked:
    cmp r4, #0
    beq .L\name\()_next
    movs r6, #16
    rors r4, r6
    mov r7, r10
    lsrs r5, r4, #8
    ands r5, r7
    ands r4, r7
    muls r4, r2, r4
    muls r5, r2, r5
    mov r6, r8
    mov r7, r6
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
    beq .L\name\()_still
    mov r3, lr
    lsrs r2, r3, #7                 @ 0x00010001
    subs r3, r3, r2                 @ 0x007F007F
    ldr r6, [r1]
    ldr r7, [r1, #4]
    subs r6, r6, r3
    subs r7, r7, r3
    lsrs r3, r6, #15
    ands r3, r2
    subs r6, r6, r3                 @ U
    lsrs r3, r7, #15
    ands r3, r2
    subs r7, r7, r3
    lsls r3, r6, #1
    \near r3, r6
    \step r6, r6, r4
    lsls r4, r7, #1
    \near r4, r7
    \step r7, r7, r5
    \join r3, r4
    .ifc \name, down
    mvns r3, r3
    .endif
    lsrs r3, r3, #15
    tst r3, r2
    bne .L\name\()_clamp
    lsls r4, r2, #7
    subs r4, r4, r2
    lsrs r3, r6, #15
    ands r3, r2
    adds r6, r6, r3
    adds r6, r6, r4
    lsrs r3, r7, #15
    ands r3, r2
    adds r7, r7, r3
    adds r7, r7, r4
    str r6, [r1]
    str r7, [r1, #4]
.L\name\()_stored:
    ldr r3, [sp, #HALF]
.L\name\()_still:
    mov r2, r12
.L\name\()_next:
    adds r1, #32
.L\name\()_more:
    cmp r0, r11
    blo .L\name\()_word
    LAST_WORD r4, .L\name\()_masked

.L\name\()_clamp:                   @ r6, r7 are what U became; r2 0x00010001
    lsls r4, r2, #7
    subs r4, r4, r2
    ldr r5, [r1]
    subs r5, r5, r4
    lsrs r3, r5, #15
    ands r3, r2
    subs r5, r5, r3
    subs r6, r6, r5                 @ the steps again
    ldr r5, [r1, #4]
    subs r5, r5, r4
    lsrs r3, r5, #15
    ands r3, r2
    subs r5, r5, r3
    subs r7, r7, r5
    .ifc \name, down
    negs r6, r6
    negs r7, r7
    .endif
    CLAMP_LANE \name, 0, r6, uxth
    CLAMP_LANE \name, 2, r6, lsrs
    CLAMP_LANE \name, 4, r7, uxth
    CLAMP_LANE \name, 6, r7, lsrs
    movs r4, #128                   @ the calls lost lr
    lsls r5, r4, #16
    adds r4, r4, r5
    mov lr, r4
    b .L\name\()_stored
    .endm

    .macro CLAMP_LANE name, offset, steps, half
    .ifc \half, uxth
    uxth r5, \steps
    .else
    lsrs r5, \steps, #16
    .endif
    .ifc \name, down
    negs r5, r5
    .endif
    movs r3, #\offset
    bl m0k_w16_move
    .endm

    WORDS down, subs, orrs, ands
    WORDS up, adds, ands, orrs

@ s < 1, edge by edge: r0 in, r1 weights, r6 how far to the left, r7 four inputs, r12 e
    .macro LEFT_EDGE offset
    uxtb r5, r7
    lsrs r7, r7, #8
    mov r2, r12
    muls r5, r2, r5
    lsls r5, r6
    negs r5, r5
    movs r3, #\offset
    bl m0k_w16_move
    .endm

.Lleft:
    mov r12, r2
    b .Lleft_more
.Lleft_word:
    ldm r0!, {r7}
.Lleft_masked:
    mov r6, r3
    LEFT_EDGE 2
    LEFT_EDGE 6
    LEFT_EDGE 0
    LEFT_EDGE 4
    ldr r3, [sp, #HALF]
    adds r1, #32
.Lleft_more:
    cmp r0, r11
    blo .Lleft_word
    bhi 1f
    ldr r7, [sp, #BLOCK]
    ldr r6, [r7, #TINTIN_DENSE_N_IN]
    lsls r6, r6, #30
    beq 1f
    lsrs r6, r6, #27
    movs r5, #1
    lsls r5, r6
    subs r5, #1
    ldm r0!, {r7}
    ands r7, r5
    b .Lleft_masked
1:  b .Ldense_next
    END_FUNCTION m0k_tintin_dense

@ ---------------------------------------------------------------------------------------------- m0k_tintin_grad
@ r0 grad, r1 weights, r2 s & 1, r3 k, r4 gradient, r5 step, r6, r7 C
@ r8 end of this output's gradient, r9 4 * P, r10 weights of this output, r11 outputs done, r12 outputs, lr 65280.

@ r5 = psto of m' = r4, or to \none when it is 0; r6 lost
    .macro STEP    none
    mov r5, r4
    lsrs r5, r3
    beq \none
    mov r6, r7
    bics r6, r4
    adds r5, r5, r6
    lsrs r5, r3
    beq \none
    .endm

@ r6 = U at \offset; r4 lost
    .macro DECODE  offset
    ldrh r6, [r1, #\offset]
    subs r6, #127
    lsrs r4, r6, #15
    subs r6, r6, r4
    .endm

    .macro GRAD_EDGE i, offset, next
    ldm r0!, {r4}
    lsls r4, r2
    bmi .Lgrad_negative\i
    STEP \next
    DECODE \offset
    subs r6, r6, r5
    asrs r4, r6, #8
    bgt .Lgrad_store\i
    movs r6, #1
    lsls r6, r6, #8
.Lgrad_store\i:
    lsrs r4, r6, #15
    adds r6, r6, r4
    adds r6, #127
    strh r6, [r1, #\offset]
    .endm

    .macro GRAD_NEGATIVE i, offset, next
.Lgrad_negative\i:
    negs r4, r4
    STEP 1f
    DECODE \offset
    adds r6, r6, r5
    cmp r6, lr
    ble .Lgrad_store\i
    mov r6, lr
    b .Lgrad_store\i
1:  b \next
    .endm

@ r1, r10 to the next output's weights: 8 on, or the next group; flags of outputs done against all. r4, r5 lost
    .macro NEXT_OUTPUT
    mov r1, r10
    adds r1, #8
    mov r4, r11
    adds r4, #1
    mov r11, r4
    lsls r5, r4, #30
    bne 2f
    add r1, r9
    add r1, r9
    subs r1, #32
2:  mov r10, r1
    cmp r4, r12
    .endm

    FUNCTION m0k_tintin_grad
    SAVE_ALL
    mov r7, r0
    ALIGNMENT TINTIN_GRAD_ERROR_EXPONENT
    cmp r3, #31
    ble 1f
    b .Lgrad_done
1:  ldr r0, [r7, #TINTIN_GRAD_N_IN]
    adds r0, #3
    lsrs r0, r0, #2
    lsls r0, r0, #4
    mov r9, r0
    ldr r1, [r7, #TINTIN_GRAD_N_OUT]
    mov r12, r1
    movs r4, #0
    mov r11, r4
    ldr r0, [r7, #TINTIN_GRAD_GRAD]
    ldr r1, [r7, #TINTIN_GRAD_WEIGHTS16]
    mov r10, r1
    cmp r3, #0
    bge 1f
    b .Lgrad_left
1:  lsls r2, r3, #31
    lsrs r2, r2, #31
    lsrs r4, r3, #1
    subs r3, r3, r4
    movs r7, #1
    lsls r7, r3
    subs r7, #1
    movs r4, #255
    lsls r4, r4, #8
    mov lr, r4
.Lgrad_output:
    mov r4, r9
    adds r4, r0, r4
    mov r8, r4
.Lgrad_word:
    GRAD_EDGE 0, 2, .Lgrad1
.Lgrad1:
    GRAD_EDGE 1, 6, .Lgrad2
.Lgrad2:
    GRAD_EDGE 2, 0, .Lgrad3
.Lgrad3:
    GRAD_EDGE 3, 4, .Lgrad4
.Lgrad4:
    adds r1, #32
    cmp r0, r8
    bne .Lgrad_word
    NEXT_OUTPUT
    bne .Lgrad_output
.Lgrad_done:
    RETURN_ALL
    GRAD_NEGATIVE 0, 2, .Lgrad1
    GRAD_NEGATIVE 1, 6, .Lgrad2
    GRAD_NEGATIVE 2, 0, .Lgrad3
    GRAD_NEGATIVE 3, 4, .Lgrad4

@ s < 0: r7 how far to the left, r6 = 65024, the whole range of W
    .macro GRAD_LEFT offset
    ldm r0!, {r4}
    asrs r5, r4, #31
    eors r4, r5
    subs r4, r4, r5
    cmp r4, r6
    bls 1f
    mov r4, r6
1:  lsls r4, r7
    cmp r4, r6
    bls 1f
    mov r4, r6
1:  eors r4, r5
    subs r5, r5, r4                 @ minus the signed step
    movs r3, #\offset
    bl m0k_w16_move
    .endm

.Lgrad_left:
    TO_LEFT
    mov r7, r3
    movs r6, #254
    lsls r6, r6, #8
.Lgrad_left_output:
    mov r4, r9
    adds r4, r0, r4
    mov r8, r4
.Lgrad_left_word:
    GRAD_LEFT 2
    GRAD_LEFT 6
    GRAD_LEFT 0
    GRAD_LEFT 4
    adds r1, #32
    cmp r0, r8
    bne .Lgrad_left_word
    NEXT_OUTPUT
    bne .Lgrad_left_output
    b .Lgrad_done
    END_FUNCTION m0k_tintin_grad
