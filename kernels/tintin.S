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
 * m0k_tintin_grad { grad, weights16, n_in, n_out, error_exponent, in_exponent, base, active }
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
 *     m0k_tintin_dense, for each output with an error: at most 45 + 77 * words (19.3 an edge) and 123 for each word
 *         that goes edge by edge; 36 a word that does not move, 9 where all inputs are zero. With s < 1: 45 + 137 *
 *         words. All outputs: 120 + 32 * n_out.
 *     m0k_tintin_grad at most 90 + n_out * (15 + 124 * words); s < 0: 90 + n_out * (15 + 164 * words).
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "update.inc"
    #include "m0k.inc"

@ Numbers of the storage: V - DECODE_BYTE is U + bit 15 of itself; U runs from U_LOWEST to U_HIGHEST.
    .equ DECODE_BYTE, 127
    .equ U_LOWEST, 256              @ W = -32512
    .equ U_HIGHEST, 65280           @ W = 32512, which is 255 << 8
    .equ U_RANGE, 65024             @ from one to the other, 254 << 8

@ ROUND_8: the edge bytes of the eight halfwords at r0 to r1, both move on; r7 = EVEN_BYTES. Spoils r3-r6. 16 cycles.
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

@ ROUND_16: a block of 16 edges. 32 cycles.
    .macro ROUND_16
    ROUND_8
    ROUND_8
    .endm

@ Both functions round two blocks a turn, entered in its middle where their number is odd: r0 halfwords, r1 bytes, r2
@ their end, r3-r6 words, r7 EVEN_BYTES; r12 scratch for the return.
    FUNCTION m0k_w16_copy
    push {r4-r7, lr}
    ldr r1, [r0, #W16_COPY_OUT]
    ldr r2, [r0, #W16_COPY_N]
    ldr r0, [r0, #W16_COPY_WEIGHTS16]
    ldr r7, =EVEN_BYTES
    lsls r3, r2, #27
    add r2, r1
    bmi .Lcopy_half
.Lcopy_round:
    ROUND_16
.Lcopy_half:
    ROUND_16
    cmp r1, r2
    bne .Lcopy_round
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
    ldr r7, =EVEN_BYTES
    lsls r3, r2, #27
    add r2, r1
    bmi .Lrows_half
.Lrows_round:
    ROUND_16
.Lrows_half:
    ROUND_16
    cmp r1, r2
    bne .Lrows_round
    mov r0, r12
    pop {r4-r7, pc}
    .p2align 2
    .ltorg
    END_FUNCTION m0k_rows_w16

@ W at r1 + r3 plus r5, |r5| < 2^30, clamped. Spoils r2, r4. 17 cycles, and 3 for the call.
    LOCAL_FUNCTION m0k_w16_move
    ldrh r4, [r1, r3]
    subs r4, #DECODE_BYTE
    lsrs r2, r4, #15
    subs r4, r4, r2                 @ U
    adds r4, r4, r5
    asrs r2, r4, #8
    ble .Lmove_low                  @ below U_LOWEST, or near it
    cmp r2, #(U_HIGHEST >> 8)
    bge .Lmove_high                 @ U_HIGHEST or more
.Lmove_store:
    lsrs r2, r4, #15
    adds r4, r4, r2
    adds r4, #DECODE_BYTE
    strh r4, [r1, r3]
    bx lr
.Lmove_low:
    movs r4, #(U_LOWEST >> 8)
    lsls r4, r4, #8
    b .Lmove_store
.Lmove_high:
    movs r4, #(U_HIGHEST >> 8)
    lsls r4, r4, #8
    b .Lmove_store
    END_FUNCTION m0k_w16_move

@ ALIGNMENT exponents: r3 = s from the block r7: exponents = offset of {error_exponent, in_exponent, base} in it. Spoils
@ r4. 12 cycles.
    .macro ALIGNMENT exponents
    ldr r3, [r7, #\exponents]
    ldr r3, [r3]
    ldr r4, [r7, #\exponents + 4]
    ldr r4, [r4]
    adds r4, r4, r3
    ldr r3, [r7, #\exponents + 8]
    subs r3, r3, r4
    .endm

@ TO_LEFT: r3 = min(-r3, 16) for r3 <= 0: 16 to the left is the whole range. 4 cycles.
    .macro TO_LEFT
    negs r3, r3
    cmp r3, #16
    bls .Lleft_known\@
    movs r3, #16
.Lleft_known\@:
    .endm

@ ------------------------------------------------------------------------------------------- m0k_tintin_dense
    .equ HALF, U_SIZE               @ k; where s < 1 how far to the left
    .equ ODD, U_SIZE + 4            @ s & 1; -1 where s < 1
    .equ FRAME, U_SIZE + 8

    .equ NOTHING_DENSE, 28          @ from this s on even 127 * 127 moves nothing
    .equ NOTHING_GRAD, 31           @ behind this s nor does anything below 2^30

    FUNCTION m0k_tintin_dense
    SAVE_ALL
    sub sp, #FRAME
    str r0, [sp, #U_BLOCK]
    mov r7, r0

@ r3 = s, then how far to the left, or k and the masks of PSTO_LANES.
    ALIGNMENT TINTIN_DENSE_ERROR_EXPONENT
    cmp r3, #NOTHING_DENSE
    bge .Ldense_done
    cmp r3, #0
    bgt .Ldense_lanes
    TO_LEFT
    movs r4, #0
    mvns r4, r4
    str r4, [sp, #ODD]
    b .Ldense_inputs
.Ldense_lanes:
    BIT_0 r2, r3
    str r2, [sp, #ODD]
    lsrs r2, r3, #1
    subs r3, r3, r2
    PSTO_MASKS
.Ldense_inputs:
    str r3, [sp, #HALF]
    WHOLE_WORDS TINTIN_DENSE_N_IN, TINTIN_DENSE_IN
    ldr r4, [r7, #TINTIN_DENSE_WEIGHTS16]
    str r4, [sp, #U_EDGES]
    ldr r4, .Llanes
    mov r10, r4
    ldr r4, .Lhalves
    mov lr, r4
    ldr r0, [r7, #TINTIN_DENSE_ERROR]
    ldr r1, [r7, #TINTIN_DENSE_N_OUT]
    b .Ldense_output

.Ldense_done:
    add sp, #FRAME
    RETURN_ALL
    .p2align 2
.Llanes:
    .word EVEN_BYTES
.Lhalves:
    .word BIAS_LANES
.Lsixteen_ones:
    .word 0xFFFF

@ An output: r0 error, r1 outputs left, r8-r11, lr as below; r2-r7, r12 free.
.Ldense_next:
    ldr r0, [sp, #U_ERROR]
    ldr r1, [sp, #U_LEFT]
    subs r1, #1
    beq .Ldense_done
    NEXT_EDGES left=r1, block=r7, n_out=TINTIN_DENSE_N_OUT, n_in=TINTIN_DENSE_N_IN, shift=3
.Ldense_output:
    READ_ERROR .Ldense_next
    ldr r1, [sp, #U_EDGES]
    ldr r3, [sp, #HALF]
    ldr r7, [sp, #U_BLOCK]
    ldr r0, [r7, #TINTIN_DENSE_IN]
    ldr r5, [sp, #ODD]
    cmp r5, #0
    bpl .Llanes_output
    b .Lleft
.Llanes_output:
    asrs r6, r2, #31
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
    beq .Lpositive
    b .Lup_more
.Lpositive:
    b .Ldown_more

@ LANES_TO_U x: the two halfwords V - 127 in x become U: bit 15 of each taken off. r2 = 0x00010001. Spoils r3. 3 cycles.
    .macro LANES_TO_U x
    lsrs r3, \x, #15
    ands r3, r2
    subs \x, \x, r3
    .endm

@ LANES_TO_V x: and back: U in x becomes V, r4 = 127 in both lanes. r2 = 0x00010001. Spoils r3. 4 cycles.
    .macro LANES_TO_V x
    lsrs r3, \x, #15
    ands r3, r2
    adds \x, \x, r3
    adds \x, \x, r4
    .endm

@ READ_LANES: r6, r7 = U of the four edges at r1, r2 = 0x00010001. lr = BIAS_LANES. Spoils r3. 15 cycles.
    .macro READ_LANES
    mov r3, lr
    lsrs r2, r3, #7
    subs r3, r3, r2                 @ DECODE_BYTE in both lanes
    ldr r6, [r1]
    ldr r7, [r1, #4]
    subs r6, r6, r3
    subs r7, r7, r3
    LANES_TO_U r6
    LANES_TO_U r7
    .endm

@ MOVE_LANES step, near, join: r6, r7 = U moved by r4, r5, step = subs or adds. near of U and 2 U tells in bit 15 of
@ both lanes whether U may clamp, join of both words that in r3, inverted for down. Spoils r4. 7 cycles.
    .macro MOVE_LANES step, near, join
    lsls r3, r6, #1
    \near r3, r6
    \step r6, r6, r4
    lsls r4, r7, #1
    \near r4, r7
    \step r7, r7, r5
    \join r3, r4
    .endm

@ WRITE_LANES: the four edges r6, r7, U, to r1. r2 = 0x00010001. Spoils r3, r4, r6, r7. 14 cycles.
    .macro WRITE_LANES
    lsls r4, r2, #7
    subs r4, r4, r2                 @ DECODE_BYTE in both lanes
    LANES_TO_V r6
    LANES_TO_V r7
    str r6, [r1]
    str r7, [r1, #4]
    .endm

@ STEPS_AGAIN: r6, r7 = what U became -> what it was moved by, since r1 still has the edges. r2 = 0x00010001. Spoils r3,
@ r4, r5. 16 cycles.
    .macro STEPS_AGAIN
    lsls r4, r2, #7
    subs r4, r4, r2
    ldr r5, [r1]
    subs r5, r5, r4
    LANES_TO_U r5
    subs r6, r6, r5
    ldr r5, [r1, #4]
    subs r5, r5, r4
    LANES_TO_U r5
    subs r7, r7, r5
    .endm

@ CLAMP_LANE name, offset, steps, half: one edge at r1[offset] by its step, the lower (uxth) or upper (lsrs) half of
@ steps. Spoils r2-r5, lr. 22 cycles, 1 more for down.
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

@ BIAS_TO_LR: lr = BIAS_LANES again, which calls lose. Spoils r4, r5. 4 cycles.
    .macro BIAS_TO_LR
    movs r4, #WEIGHT_BIAS
    lsls r5, r4, #16
    adds r4, r4, r5
    mov lr, r4
    .endm

@ Weights that go down, then those that go up: r0 in, r1 weights, r2 |e'|, r3 k, r4 inputs 2 and 0, then their steps, r5
@ those of inputs 3 and 1, r6, r7 weights, r2 and r3 then free; r8 C, r9 lanes without what k shifts in, r10 EVEN_BYTES,
@ r11 end of whole words, r12 |e'|, lr BIAS_LANES. 77 and 76 cycles a word that moves.
.Ldown_word:
    ldm r0!, {r4}
.Ldown_masked:
    cmp r4, #0
    beq .Ldown_next
    INPUT_LANES
    mov r6, r8
    mov r7, r6
    PSTO_LANES .Ldown_still
    READ_LANES
    MOVE_LANES subs, orrs, ands
    mvns r3, r3
    lsrs r3, r3, #15
    tst r3, r2
    bne .Ldown_clamp
    WRITE_LANES
.Ldown_stored:
    ldr r3, [sp, #HALF]
.Ldown_still:
    mov r2, r12
.Ldown_next:
    adds r1, #32
.Ldown_more:
    cmp r0, r11
    blo .Ldown_word
    LAST_WORD r4, mask=r7, masked=.Ldown_masked, n_in=TINTIN_DENSE_N_IN, done=.Ldense_next

.Ldown_clamp:                       @ edge by edge
    STEPS_AGAIN
    negs r6, r6
    negs r7, r7
    CLAMP_LANE down, 0, r6, uxth
    CLAMP_LANE down, 2, r6, lsrs
    CLAMP_LANE down, 4, r7, uxth
    CLAMP_LANE down, 6, r7, lsrs
    BIAS_TO_LR
    b .Ldown_stored

.Lup_word:
    ldm r0!, {r4}
.Lup_masked:
    cmp r4, #0
    beq .Lup_next
    INPUT_LANES
    mov r6, r8
    mov r7, r6
    PSTO_LANES .Lup_still
    READ_LANES
    MOVE_LANES adds, ands, orrs
    lsrs r3, r3, #15
    tst r3, r2
    bne .Lup_clamp
    WRITE_LANES
.Lup_stored:
    ldr r3, [sp, #HALF]
.Lup_still:
    mov r2, r12
.Lup_next:
    adds r1, #32
.Lup_more:
    cmp r0, r11
    blo .Lup_word
    LAST_WORD r4, mask=r7, masked=.Lup_masked, n_in=TINTIN_DENSE_N_IN, done=.Ldense_next

.Lup_clamp:                         @ edge by edge
    STEPS_AGAIN
    CLAMP_LANE up, 0, r6, uxth
    CLAMP_LANE up, 2, r6, lsrs
    CLAMP_LANE up, 4, r7, uxth
    CLAMP_LANE up, 6, r7, lsrs
    BIAS_TO_LR
    b .Lup_stored

@ LEFT_EDGE offset: the next input of r7 and the edge at r1[offset]. Registers as below. Spoils r2-r5, lr. 27 cycles.
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

@ s < 1, edge by edge: r0 in, r1 weights, r6 how far to the left, r7 four inputs, r11 as above, r12 e; others free.
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
    LAST_WORD r7, mask=r5, masked=.Lleft_masked, n_in=TINTIN_DENSE_N_IN, done=.Ldense_next
    END_FUNCTION m0k_tintin_dense

@ ---------------------------------------------------------------------------------------------- m0k_tintin_grad

@ DECODE offset: r6 = U of the edge at r1[offset]. Spoils r4. 5 cycles.
    .macro DECODE offset
    ldrh r6, [r1, #\offset]
    subs r6, #DECODE_BYTE
    lsrs r4, r6, #15
    subs r6, r6, r4
    .endm

@ GRAD_DOWN i, offset: the next gradient of r0 and the edge at r1[offset], where the weight goes down. Registers as
@ below. 26 cycles where it moves.
    .macro GRAD_DOWN i, offset
    ldm r0!, {r4}
    lsls r4, r2
    bmi .Lgrad_up\i
    PSTO .Lgrad_next\i
    DECODE \offset
    subs r6, r6, r5
    asrs r4, r6, #8
    bgt .Lgrad_store\i
    movs r6, #(U_LOWEST >> 8)
    lsls r6, r6, #8
.Lgrad_store\i:
    lsrs r4, r6, #15
    adds r6, r6, r4
    adds r6, #DECODE_BYTE
    strh r6, [r1, #\offset]
.Lgrad_next\i:
    .endm

@ GRAD_UP i, offset: where it goes up. 18 cycles to GRAD_DOWN's store.
    .macro GRAD_UP i, offset
.Lgrad_up\i:
    negs r4, r4
    PSTO .Lgrad_none\i
    DECODE \offset
    adds r6, r6, r5
    cmp r6, lr
    ble .Lgrad_store\i
    mov r6, lr
    b .Lgrad_store\i
.Lgrad_none\i:
    b .Lgrad_next\i
    .endm

    FUNCTION m0k_tintin_grad
    SKIP_INACTIVE TINTIN_GRAD_ACTIVE
    SAVE_ALL
    mov r7, r0
    ALIGNMENT TINTIN_GRAD_ERROR_EXPONENT
    cmp r3, #NOTHING_GRAD
    ble .Lgrad_moves
    b .Lgrad_done
.Lgrad_moves:
    ldr r0, [r7, #TINTIN_GRAD_N_IN]
    GROUP_BYTES r0
    mov r9, r0
    ldr r1, [r7, #TINTIN_GRAD_N_OUT]
    mov r12, r1
    movs r4, #0
    mov r11, r4
    ldr r0, [r7, #TINTIN_GRAD_GRAD]
    ldr r1, [r7, #TINTIN_GRAD_WEIGHTS16]
    mov r10, r1
    cmp r3, #0
    bge .Lgrad_right
    b .Lgrad_left

@ s >= 0: r0 grad, r1 weights, r2 s & 1, r3 k, r4 gradient, r5 step, r6 U, r7 C; r8 end of this output's gradient, r9
@ 4 * P, r10 weights of this output, r11 outputs done, r12 outputs, lr U_HIGHEST.
.Lgrad_right:
    SPLIT_SHIFT odd=r2, spare=r4
    LOW_BITS r7, r3
    movs r4, #(U_HIGHEST >> 8)
    lsls r4, r4, #8
    mov lr, r4
.Lgrad_output:
    mov r4, r9
    adds r4, r0, r4
    mov r8, r4
.Lgrad_word:
    GRAD_DOWN 0, 2
    GRAD_DOWN 1, 6
    GRAD_DOWN 2, 0
    GRAD_DOWN 3, 4
    adds r1, #32
    cmp r0, r8
    bne .Lgrad_word
    NEXT_GRAD_EDGES shift=3
    bne .Lgrad_output
.Lgrad_done:
    RETURN_ALL
    GRAD_UP 0, 2
    GRAD_UP 1, 6
    GRAD_UP 2, 0
    GRAD_UP 3, 4

@ GRAD_LEFT offset: the next gradient of r0 and the edge at r1[offset]. Registers as below. Spoils r2-r5, lr. 35 cycles.
    .macro GRAD_LEFT offset
    ldm r0!, {r4}
    MAGNITUDE r4, r5
    cmp r4, r6
    bls .Lfits\@
    mov r4, r6
.Lfits\@:
    lsls r4, r7
    cmp r4, r6
    bls .Lfits_shifted\@
    mov r4, r6
.Lfits_shifted\@:
    eors r4, r5
    subs r5, r5, r4                 @ minus the signed step
    movs r3, #\offset
    bl m0k_w16_move
    .endm

@ s < 0: r0 grad, r1 weights, r6 U_RANGE, r7 how far to the left; r8-r12 as above; r2-r5, lr free.
.Lgrad_left:
    TO_LEFT
    mov r7, r3
    movs r6, #(U_RANGE >> 8)
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
    NEXT_GRAD_EDGES shift=3
    bne .Lgrad_left_output
    b .Lgrad_done
    END_FUNCTION m0k_tintin_grad
