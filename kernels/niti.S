/*
 * NITI: weight gradient, rounding and update.                            ARMv6-M, AAPCS, void f(const block *)
 *
 * m0k_niti_dense { error, in, weights, n_in, n_out, shift, mu, signed_in }
 *     W[o][i] = sat(W[o][i] - psto_shift(error[o] * in[i], s))
 * m0k_niti_grad { grad, weights, n_in, n_out, shift, mu, active, magnitudes }
 *     W[o][k] = sat(W[o][k] - psto_shift(grad[o][k], s))
 * m0k_niti_rows { grad, weights, n_in, n_out, shift, mu, active, magnitudes, sums }
 *     the same for n_out 1 .. 4 of the outputs o with sums[o] != 0; the others' grad is not read
 * m0k_niti_measure { grad, n_in, n_out, magnitudes, begin, active }
 *     *magnitudes = (begin ? 0 : *magnitudes) | the OR of all |grad[o][k]|
 *
 * s = shift, 0..24; or, with shift == 0xFFFFFFFF, s = max(0, bit length of max |gradient| - mu), mu signed, -24..31.
 * The gradient is the one given; or, with magnitudes != 0, a larger one of which that is a part, and which
 * m0k_niti_measure has measured part by part before. *magnitudes < 2^30 has the bit length of its largest.
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
 * Stack: 56 bytes (m0k_niti_dense), 36 (m0k_niti_grad), 88 (m0k_niti_rows), 20 (m0k_niti_measure).
 * Cycles of m0k_niti_dense, words = P / 4: at most 130 + 34 * n_out, and for each output with an error 70 + 59 * words
 *     (14.75 an edge) and 52 for each word with a weight that clamps; 40 a word that does not move, 22 where all m' <=
 *     C, 9 where all inputs are zero. With s < 6 or signed_in: 70 + 108 * words. Dynamic: 12 * (n_in + n_out) + 200
 *     more.
 * Cycles of m0k_niti_grad: at most 80 + 16 * n_out + 104 * words * n_out; dynamic: 24 * words * n_out + 110 more,
 *     but with magnitudes 110 more.
 * Cycles of m0k_niti_rows: at most 70 + 15 * n_out, and those of m0k_niti_grad for each output with a sum.
 * Cycles of m0k_niti_measure: at most 70 + 24 * words * n_out.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "update.inc"
    #include "m0k.inc"

@ m0k_niti_dense's own word
    .equ SHIFT, U_SIZE              @ s, and BYTES where edges go one by one, not in lanes
    .equ FRAME, U_SIZE + 4

    .equ BYTES, 128                 @ above every s
    .equ NOTHING_DENSE, 30          @ from this s on even 127 * 127 moves nothing
    .equ NOTHING_GRAD, 60           @ nor does anything below 2^30
    .equ LANES_FROM, 6              @ lanes from this s on: a step is below 256 then

@ CLAMP_LANES x: the lanes of x, low one signed, clamped to 1 .. 255 each. Spoils r6, r7. 17 cycles in each case.
    .macro CLAMP_LANES x
    sxth r6, \x
    asrs \x, \x, #16
    movs r7, #0
    adcs \x, r7                     @ carry: the low lane was negative and borrowed
    bgt .Lhigh_above\@
    movs \x, #1
.Lhigh_above\@:
    cmp \x, #255
    ble .Lhigh_below\@
    movs \x, #255
.Lhigh_below\@:
    cmp r6, #0
    bgt .Llow_above\@
    movs r6, #1
.Llow_above\@:
    cmp r6, #255
    ble .Llow_below\@
    movs r6, #255
.Llow_below\@:
    lsls \x, \x, #16
    orrs \x, r6
    .endm

@ LANE_DELTAS name: the steps r4, r5 of the next four inputs of r0, to .LNAME_next if they cannot move anything, to
@ .LNAME_still if they do not. Registers as below. 34 cycles.
    .macro LANE_DELTAS name
    ldm r0!, {r4}
.L\name\()_masked:
    cmp r4, #0
    beq .L\name\()_next
    INPUT_LANES
    mov r6, r4
    orrs r6, r5
    mov r7, r8
    bics r6, r7
    beq .L\name\()_next             @ all m' <= C
    mov r6, r7
    PSTO_LANES .L\name\()_still
    .endm

@ STORE_LANES: the four new weights r4, r5 to r1. Spoils r4, r5. 4 cycles.
    .macro STORE_LANES
    lsls r5, r5, #8
    adds r4, r4, r5
    str r4, [r1]
    .endm

    FUNCTION m0k_niti_dense
    SAVE_ALL
    sub sp, #FRAME
    str r0, [sp, #U_BLOCK]
    mov r7, r0
    ldr r3, [r7, #NITI_DENSE_SHIFT]
    adds r2, r3, #1
    bne .Ldense_shift

@ Dynamic: r3 = s = the bit length of max |error| * max |in|, less mu.
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
.Ldense_bit_length:
    cmp r4, #0
    beq .Ldense_bits_known
    adds r3, #1
    lsrs r4, r4, #1
    b .Ldense_bit_length
.Ldense_bits_known:
    cmp r3, #0
    bgt .Ldense_shift
    movs r3, #0

@ r3 = s, then k, r6 = s; the registers that stay for all outputs.
.Ldense_shift:
    cmp r3, #NOTHING_DENSE
    bge .Ldense_done
    movs r6, r3
    lsrs r2, r3, #1
    subs r3, r3, r2
    PSTO_MASKS
    WHOLE_WORDS NITI_DENSE_N_IN, NITI_DENSE_IN
    ldr r4, [r7, #NITI_DENSE_WEIGHTS]
    str r4, [sp, #U_EDGES]
    ldr r4, [r7, #NITI_DENSE_SIGNED_IN]
    cmp r6, #LANES_FROM
    blo .Ldense_bytes
    cmp r4, #0
    beq .Ldense_lanes
.Ldense_bytes:
    movs r5, #BYTES
    orrs r6, r5
.Ldense_lanes:
    str r6, [sp, #SHIFT]
    ldr r4, .Llanes
    mov r10, r4
    ldr r4, .Lminus_one
    mov lr, r4
    ldr r0, [r7, #NITI_DENSE_ERROR]
    ldr r1, [r7, #NITI_DENSE_N_OUT]
    b .Ldense_output

.Ldense_done:
    add sp, #FRAME
    RETURN_ALL
    .p2align 2
.Llanes:
    .word EVEN_BYTES
.Lminus_one:                        @ -1 in both lanes
    .word -0x00010001
.Lsixteen_ones:
    .word 0xFFFF

@ An output: r0 error, r1 outputs left, r3 k, r8 C twice, r9, r10, r11, lr as below; r2, r4-r7, r12 free.
.Ldense_next:
    ldr r0, [sp, #U_ERROR]
    ldr r1, [sp, #U_LEFT]
    subs r1, #1
    beq .Ldense_done
    NEXT_EDGES left=r1, block=r7, n_out=NITI_DENSE_N_OUT, n_in=NITI_DENSE_N_IN
.Ldense_output:
    READ_ERROR .Ldense_next
    asrs r6, r2, #31
    ldr r5, [sp, #SHIFT]
    BIT_0 r4, r5
    lsls r2, r4                     @ e' = e << (s & 1)
    adds r4, r2, r6
    eors r4, r6                     @ |e'|
    lsls r7, r4, #7
    subs r7, r7, r4
    mov r0, r8
    uxth r0, r0
    cmp r7, r0
    bls .Ldense_next                @ 127 * |e'| <= C
    ldr r7, [sp, #U_BLOCK]
    ldr r0, [r7, #NITI_DENSE_IN]
    ldr r1, [sp, #U_EDGES]
    cmp r5, #BYTES
    blo .Llanes_output
    b .Lbytes
.Llanes_output:
    mov r2, r4
    mov r12, r2
    cmp r6, #0
    beq .Lpositive
    b .Lup_more
.Lpositive:
    b .Ldown_more

@ Lanes, weights that go down, then those that go up: r0 in, r1 weights, r2 |e'|, r3 k, r4 inputs 2 and 0, then their
@ steps, then weights, r5 those of inputs 3 and 1, r6, r7 free; r8 C, r9 lanes without what k shifts in, r10 EVEN_BYTES,
@ r11 end of whole words, r12 |e'|, lr -0x00010001.
.Ldown:
    LANE_DELTAS down
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
    STORE_LANES
.Ldown_still:
    mov r2, r12
.Ldown_next:
    adds r1, #16
.Ldown_more:
    cmp r0, r11
    blo .Ldown
    LAST_WORD r4, mask=r7, masked=.Ldown_masked, n_in=NITI_DENSE_N_IN, done=.Ldense_next
.Ldown_clamp:
    CLAMP_LANES r4
    CLAMP_LANES r5
    b .Ldown_store

.Lup:
    LANE_DELTAS up
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
    bics r6, r2                     @ a lane above 255
    bne .Lup_clamp
.Lup_store:
    STORE_LANES
.Lup_still:
    mov r2, r12
.Lup_next:
    adds r1, #16
.Lup_more:
    cmp r0, r11
    blo .Lup
    LAST_WORD r4, mask=r7, masked=.Lup_masked, n_in=NITI_DENSE_N_IN, done=.Ldense_next
.Lup_clamp:
    CLAMP_LANES r4
    CLAMP_LANES r5
    b .Lup_store

@ WEIGHT_DOWN name, i, k, step: takes step off the weight at r1[k], to 1 at the least. Label .LNAME_storeI stores r6,
@ .LNAME_nextI is behind. Spoils r6. 7 cycles.
    .macro WEIGHT_DOWN name, i, k, step
    ldrb r6, [r1, #\k]
    subs r6, r6, \step
    bgt .L\name\()_store\i
    movs r6, #1
.L\name\()_store\i:
    strb r6, [r1, #\k]
.L\name\()_next\i:
    .endm

@ WEIGHT_UP name, i, k, step: adds step, to 255 at the most; stores in WEIGHT_DOWN. Label .LNAME_noneI: the step is 0.
@ Spoils r6. 6 cycles, 8 to clamp.
    .macro WEIGHT_UP name, i, k, step
    ldrb r6, [r1, #\k]
    adds r6, r6, \step
    cmp r6, #255
    bls .L\name\()_store\i
    movs r6, #255
    b .L\name\()_store\i
.L\name\()_none\i:
    b .L\name\()_next\i
    .endm

@ BYTE_PSTO none: r7 = psto_shift of m' = r5, to none when it is 0. r3 = k, r8 = C. Spoils r6. 9 cycles.
    .macro BYTE_PSTO none
    mov r7, r5
    lsrs r7, r3
    beq \none
    mov r6, r8
    uxth r6, r6
    bics r6, r5
    adds r7, r7, r6
    lsrs r7, r3
    beq \none
    .endm

@ BYTE_DOWN i, k: input i of r4, at byte k of the weights: where the weight goes down. Registers as below. 19 cycles
@ where it moves, 20 for input 1 or 2.
    .macro BYTE_DOWN i, k
    SIGNED_BYTE r5, r4, \i
    muls r5, r2, r5
    bmi .Lbyte_up\i
    BYTE_PSTO .Lbyte_next\i
    WEIGHT_DOWN byte, \i, \k, step=r7
    .endm

@ BYTE_UP i, k: where it goes up. 16 cycles to BYTE_DOWN's store.
    .macro BYTE_UP i, k
.Lbyte_up\i:
    negs r5, r5
    BYTE_PSTO .Lbyte_none\i
    WEIGHT_UP byte, \i, \k, step=r7
    .endm

@ Bytes: r0 in, r1 weights, r2 e' (signed), r3 k, r4 four inputs, r5 m', r6, r7 free; r8, r11 as above.
.Lbytes:
    b .Lbytes_more
.Lbytes_word:
    ldm r0!, {r4}
.Lbytes_masked:
    cmp r4, #0
    beq .Lbyte_next3
    BYTE_DOWN 0, 2
    BYTE_DOWN 1, 3
    BYTE_DOWN 2, 0
    BYTE_DOWN 3, 1
    adds r1, #16
.Lbytes_more:
    cmp r0, r11
    blo .Lbytes_word
    LAST_WORD r4, mask=r7, masked=.Lbytes_masked, n_in=NITI_DENSE_N_IN, done=.Ldense_next
    BYTE_UP 0, 2
    BYTE_UP 1, 3
    BYTE_UP 2, 0
    BYTE_UP 3, 1

@ r2 = largest magnitude of r1 > 0 int8 from r0; r0, r1, r3 lost
.Lmaximum:
    movs r2, #0
.Lmaximum_next:
    subs r1, #1
    bmi .Lmaximum_known
    ldrsb r3, [r0, r1]
    cmp r3, r2
    bgt .Lmaximum_new
    negs r3, r3
    cmp r3, r2
    ble .Lmaximum_next
.Lmaximum_new:
    mov r2, r3
    b .Lmaximum_next
.Lmaximum_known:
    bx lr
    END_FUNCTION m0k_niti_dense

@ ------------------------------------------------------------------------------------------------ m0k_niti_grad
@ GRAD_DOWN i, k: the next gradient of r0, at byte k of the weights: where the weight goes down. Registers as below.
@ 19 cycles where it moves.
    .macro GRAD_DOWN i, k
    ldm r0!, {r4}
    lsls r4, r2
    bmi .Lgrad_up\i
    PSTO .Lgrad_next\i
    WEIGHT_DOWN grad, \i, \k, step=r5
    .endm

@ GRAD_UP i, k: where it goes up. 15 cycles to GRAD_DOWN's store.
    .macro GRAD_UP i, k
.Lgrad_up\i:
    negs r4, r4
    PSTO .Lgrad_none\i
    WEIGHT_UP grad, \i, \k, step=r5
    .endm

@ OR_MAGNITUDES end: r5 |= the magnitudes of the gradients from r0, not empty, to end. Spoils r0-r4, r6. 24 cycles a word.
    .macro OR_MAGNITUDES end
.Lmagnitudes\@:
    ldm r0!, {r1-r4}
    OR_MAGNITUDE r1, r5, r6
    OR_MAGNITUDE r2, r5, r6
    OR_MAGNITUDE r3, r5, r6
    OR_MAGNITUDE r4, r5, r6
    cmp r0, \end
    bne .Lmagnitudes\@
    .endm

    FUNCTION m0k_niti_grad
    SKIP_INACTIVE NITI_GRAD_ACTIVE
    SAVE_ALL
    mov r7, r0
    ldr r0, [r7, #NITI_GRAD_N_IN]
    GROUP_BYTES r0
    mov r9, r0
    ldr r1, [r7, #NITI_GRAD_N_OUT]
    mov r12, r1
    ldr r3, [r7, #NITI_GRAD_SHIFT]
    adds r2, r3, #1
    bne .Lgrad_shift

@ Dynamic: r5 = OR of the magnitudes, r3 = s = its bit length, less mu.
    ldr r5, [r7, #NITI_GRAD_MAGNITUDES]
    cmp r5, #0
    beq .Lgrad_measure
    ldr r5, [r5]
    b .Lgrad_measured
.Lgrad_measure:
    muls r1, r0, r1
    ldr r0, [r7, #NITI_GRAD_GRAD]
    adds r1, r0, r1
    mov r8, r1
    movs r5, #0
    OR_MAGNITUDES end=r8
.Lgrad_measured:
    ldr r3, [r7, #NITI_GRAD_MU]
    negs r3, r3
    cmp r5, #0
    beq .Lgrad_bits_known
.Lgrad_bit_length:
    adds r3, #1
    lsrs r5, r5, #1
    bne .Lgrad_bit_length
.Lgrad_bits_known:
    cmp r3, #0
    bgt .Lgrad_shift
    movs r3, #0

.Lgrad_shift:
    cmp r3, #NOTHING_GRAD
    bge .Lgrad_done
    SPLIT_SHIFT odd=r2, spare=r1
    ldr r0, [r7, #NITI_GRAD_GRAD]
    ldr r1, [r7, #NITI_GRAD_WEIGHTS]
    mov r10, r1
    LOW_BITS r7, r3
    movs r4, #0
    mov r11, r4

@ r0 grad, r1 weights, r2 s & 1, r3 k, r4 gradient, r5 step, r6 free, r7 C; r8 end of this output's gradient, r9 4 * P,
@ r10 weights of this output, r11 outputs done, r12 outputs, lr free.
.Lgrad_output:
    mov r4, r9
    adds r4, r0, r4
    mov r8, r4
.Lgrad_word:
    GRAD_DOWN 0, 2
    GRAD_DOWN 1, 3
    GRAD_DOWN 2, 0
    GRAD_DOWN 3, 1
    adds r1, #16
    cmp r0, r8
    bne .Lgrad_word
    NEXT_GRAD_EDGES
    bne .Lgrad_output
.Lgrad_done:
    RETURN_ALL
    GRAD_UP 0, 2
    GRAD_UP 1, 3
    GRAD_UP 2, 0
    GRAD_UP 3, 1
    END_FUNCTION m0k_niti_grad

@ ------------------------------------------------------------------------------------------------ m0k_niti_rows
    .equ ROWS_SHARED, 32            @ bytes of m0k_niti_grad's block, with which this one's begins

@ The block of one output is on the stack. r4 sums, r5 bytes of an output's gradient, r6 outputs left.
    FUNCTION m0k_niti_rows
    SKIP_INACTIVE NITI_ROWS_ACTIVE
    push {r4-r7, lr}
    sub sp, #ROWS_SHARED
    ldr r4, [r0, #NITI_ROWS_SUMS]
    ldr r5, [r0, #NITI_ROWS_N_IN]
    GROUP_BYTES r5
    ldr r6, [r0, #NITI_ROWS_N_OUT]
    mov r7, sp
    ldm r0!, {r1, r2, r3}
    stm r7!, {r1, r2, r3}
    movs r3, #1
    str r3, [r7]                    @ n_out
    adds r0, #4
    adds r7, #4
    ldm r0!, {r1, r2}
    stm r7!, {r1, r2}
    movs r1, #0
    ldr r2, [r0, #4]
    stm r7!, {r1, r2}               @ active, magnitudes
.Lrows_next:
    ldm r4!, {r0}
    cmp r0, #0
    beq .Lrows_none
    mov r0, sp
    bl m0k_niti_grad
.Lrows_none:
    ldr r0, [sp, #NITI_GRAD_GRAD]
    adds r0, r0, r5
    str r0, [sp, #NITI_GRAD_GRAD]
    ldr r0, [sp, #NITI_GRAD_WEIGHTS]
    adds r0, #4
    str r0, [sp, #NITI_GRAD_WEIGHTS]
    subs r6, #1
    bne .Lrows_next
    add sp, #ROWS_SHARED
    pop {r4-r7, pc}
    END_FUNCTION m0k_niti_rows

@ --------------------------------------------------------------------------------------------- m0k_niti_measure
    FUNCTION m0k_niti_measure
    ldr r2, [r0, #NITI_MEASURE_MAGNITUDES]
    ldr r1, [r0, #NITI_MEASURE_BEGIN]
    cmp r1, #0
    beq .Lmeasure_more
    movs r1, #0
    str r1, [r2]
.Lmeasure_more:
    SKIP_INACTIVE NITI_MEASURE_ACTIVE
    push {r4-r7, lr}
    mov r12, r2
    ldr r5, [r2]
    ldr r1, [r0, #NITI_MEASURE_N_IN]
    GROUP_BYTES r1
    ldr r7, [r0, #NITI_MEASURE_N_OUT]
    muls r7, r1, r7
    ldr r0, [r0, #NITI_MEASURE_GRAD]
    adds r7, r0, r7
    OR_MAGNITUDES end=r7
    mov r2, r12
    str r5, [r2]
    pop {r4-r7, pc}
    END_FUNCTION m0k_niti_measure
