/*
 * Error through a dense layer.                                     ARMv6-M, AAPCS, void f(const block *)
 *
 * m0k_dense_back { error, weights, acc, out, n_in, n_out, shift, gate, provider, context, dynamic, scratch, first, pick }
 *     acc[i] = sum over o of w[o][i] * error[o];  out[i] = gate[i] > 0 ? sat(round_shift(acc[i], shift)) : 0
 *
 * error int8[n_out] -127..127, 4-aligned, read as whole words (what lies behind n_out meets weights of 128 and counts
 * nothing); weights u8 = w + 128 as an edge array (groups of four outputs, 16 bytes an input word, bytes in the order
 * of inputs 2, 3, 0, 1), or provider != 0: provider(context, group) returns the 4 * P bytes of a group, 4-aligned;
 * with pick != 0 the provider is asked only where the word *pick is not 0.
 * P is n_in rounded up to 4. acc int32[P], 4-aligned, written by the kernel; with first != 0 it holds the sums' first
 * values, which must be zero where all errors are. out int8[n_in], gate int8[n_in] or 0, 4-aligned, gate is read as
 * whole words; shift 0..24, rounded to nearest, ties away from zero, clamped to -127..127; dynamic != 0: acc is the
 * result and out, shift and gate are not read, else acc means nothing afterwards. n_in, n_out 1..65535; |acc| below
 * 2^31 - 2^23, which holds for every n_out. scratch, 4-aligned: 12 bytes for each of the first 64 outputs, P of them
 * counted; 0: no list is made.
 *
 * A provider may carry state from group to group, so it is called for every group from 0 to the last with an error.
 * Without one, groups whose four errors are zero are skipped.
 *
 * Without a provider, with scratch and n_in >= 128, each 64 outputs are made a list of errors (back_list.S), and that
 * is used where it is the faster way: where, for 16 inputs, 42 an error + 120 a chunk + 40 is less than, for each group,
 * 244 if its errors go at once, else 184 for each pair of them and 144 for one left over. A chunk is what a lane can
 * sum: magnitudes that add up to 258 at most. So few or small errors go through the list, at about 2.6 cycles a MAC and
 * 7.5 an input and chunk, and 16 inputs whose gates are all zero (not with dynamic) cost next to nothing; many large
 * ones go by groups, and making the list in vain costs 1 % at 784 inputs and 5 % at 128.
 *
 * Stack: 112 bytes, or 88 and what the provider takes.
 * Cycles, words = P / 4: all errors zero, 140 + 8 * groups + n_in / 2 (2 * n_in with dynamic); else at most 165 +
 * 10 * words (unless first) + 130 * groups + (26 * n_in unless dynamic) + for each group:
 *     61 * words where three or four errors are not zero and their magnitudes add up to at most 258 (3.8 a MAC), else
 *     46 * words + 70 for each pair of errors (5.75 a MAC) and 36 * words + 40 for one left over (9 a MAC); and the
 *     provider's, for groups up to the last with an error;
 * and where lists are made, for each 64 outputs 110 + 55 a group + 36 an error; where one is used, instead of the sums
 * by groups of 16 inputs or a multiple, (words / 4) * (42 an error + 120 a chunk + 40).
 *
 * Two lanes a word: with p = (u2 + (u0 << 16)) and the bias taken off, p * e is (w2 * e) + (w0 * e << 16) as an
 * integer, and up to 258 in errors may be summed before a lane leaves 16 bits (127 * 258 = 32766). The even bytes are
 * not masked out before they are multiplied: U * e less 256 times the odd lanes is the same modulo 2^32.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "back.inc"
    #include "m0k.inc"

@ LANES_TO_ACC: adds the four lanes, r0 = sum of U * e, r1 = sum of the odd lanes * e, r11 = the bias, to the
@ accumulators at r7, which moves to the next four. Spoils r0-r4. 25 cycles.
    .macro LANES_TO_ACC
    lsls r2, r1, #8
    subs r0, r0, r2
    add r0, r11
    add r1, r11
    sxth r2, r0
    ldr r4, [r7, #8]
    adds r2, r2, r4
    sxth r3, r1
    ldr r4, [r7, #12]
    adds r3, r3, r4
    asrs r0, r0, #16                @ carry: the low lane was negative and borrowed
    ldr r4, [r7, #0]
    adcs r0, r4
    asrs r1, r1, #16
    ldr r4, [r7, #4]
    adcs r1, r4
    stm r7!, {r0-r3}
    .endm

@ ------------------------------------------------------------------- m0k_back_pair, m0k_back_one (not for C)
@ Two outputs, or one, into a row of accumulators. Also used by m0k_conv_back.
@ In: r5 EVEN_BYTES; r6 weight words of the first output, 16 bytes apart; r7 accumulators, r12 their end, not equal;
@     r8 error; r11 -(sum of errors) * BIAS_LANES; for a pair also r9 second error, r10 second weights - first.
@ Out: r6, r7 advanced by 16 a word; r0-r4 lost. No stack. 46 and 36 cycles a word, and 2.
    FUNCTION m0k_back_pair
    PAIR_PRODUCTS
    LANES_TO_ACC
    adds r6, #16
    cmp r7, r12
    bne m0k_back_pair
    bx lr
    END_FUNCTION m0k_back_pair

    FUNCTION m0k_back_one
    ldr r0, [r6]
    LANE_PRODUCTS r0, r1, r8
    LANES_TO_ACC
    adds r6, #16
    cmp r7, r12
    bne m0k_back_one
    bx lr
    END_FUNCTION m0k_back_one

@ ------------------------------------------------------------------------------------ m0k_back_clear (not for C)
@ r0 = int32 array, r1 = its elements > 0: zeroes it. 1.6 cycles each. r0-r5 lost, r2 = 0.
    FUNCTION m0k_back_clear
    movs r2, #0
    movs r3, #0
    movs r4, #0
    movs r5, #0
    b .Lclear_more
.Lclear_eight:                      @ r0 element, r1 elements left, r2-r5 = 0
    stm r0!, {r2-r5}
    stm r0!, {r2-r5}
.Lclear_more:
    subs r1, #8
    bhs .Lclear_eight
    lsls r1, r1, #30                @ bits 2, 1 and 0 of what is left: carry, N, and N of the next. STM keeps flags
    bcc .Lno_four
    stm r0!, {r2-r5}
.Lno_four:
    bpl .Lno_two
    stm r0!, {r2, r3}
.Lno_two:
    lsls r1, r1, #1
    bpl .Lcleared
    stm r0!, {r2}
.Lcleared:
    bx lr
    END_FUNCTION m0k_back_clear

@ ------------------------------------------------------------------------------------ m0k_back_store (not for C)
@ out[i] = gate[i] > 0 ? sat(round_shift(acc[i], shift)) : 0
@ r0 acc, r1 out, r2 n > 0, r3 shift, r4 gate or 0. r0-r8 and r12 lost. At most 26 cycles an element, 20 where nothing
@ saturates, 15 where the gate is closed. With out and gate 4-aligned and shift > 0, where four make a word: 17 and 11 a
@ word, 7 where the gate is closed, and 13 for a word of gates that are all zero.
@ In the loops: r0 acc, r1 out, r2 end of out, r3 shift, r4 gate - out, r5 the sum, r6, r7 free, r8 half.

@ ROUND_SUM: r5 = round_shift(r5, r3) for r3 > 0, r8 = half. Spoils r6. 4 cycles.
    .macro ROUND_SUM
    asrs r6, r5, #31
    adds r5, r5, r6
    add r5, r8
    asrs r5, r3
    .endm

@ CLAMP_SUM store: r5 = r5 clamped to -127 .. 127; goes on at store, or behind itself after clamping to 127. Spoils r7.
@ 7 cycles in each case.
    .macro CLAMP_SUM store
    movs r7, #127
    cmn r5, r7
    bge .Lnot_below\@
    negs r5, r7
.Lnot_below\@:
    cmp r5, r7
    ble \store
    movs r5, #127
    .endm

@ GATED at: the element r1 + at of a word whose gates are in r7, which moves down; it is zero already. Spoils r5, r6.
@ 7 cycles where the gate is closed, else 15 for the last and 16.
    .macro GATED at
    ldm r0!, {r5}
    sxtb r6, r7
    .if \at < 3
    lsrs r7, r7, #8
    .endif
    cmp r6, #0
    ble .Lclosed_\at
    ROUND_SUM
    mov r6, r5
    adds r6, #127
    cmp r6, #254
    bhi .Lsaturate_\at
.Lsaturated_\at:
    strb r5, [r1, #\at]
.Lclosed_\at:
    .endm

@ SATURATE at: what GATED leaves to it. 6 cycles.
    .macro SATURATE at
.Lsaturate_\at:
    asrs r6, r5, #31
    movs r5, #127
    eors r5, r6
    subs r5, r5, r6
    b .Lsaturated_\at
    .endm

    FUNCTION m0k_back_store
    ROUND_HALF r5, r3
    mov r8, r5                      @ 0 for shift 0, which takes no sign correction either
    adds r2, r1, r2
    cmp r4, #0
    beq .Lno_gate_far
    subs r4, r4, r1
    cmp r3, #0
    beq .Lgated_unshifted_far

@ Words of four: r12 their end.
    movs r5, r1
    orrs r5, r4
    lsls r5, r5, #30
    bne .Lgated
    lsrs r5, r2, #2
    lsls r5, r5, #2
    mov r12, r5
    b .Lgated_more
.Lgated_closed_word:
    adds r0, #16
    str r7, [r1]
    adds r1, #4
.Lgated_more:
    cmp r1, r12
    beq .Lgated_rest
.Lgated_word:
    ldr r7, [r1, r4]
    cmp r7, #0
    beq .Lgated_closed_word
    movs r6, #0
    str r6, [r1]
    GATED 0
    GATED 1
    GATED 2
    GATED 3
    adds r1, #4
    cmp r1, r12
    bne .Lgated_word
.Lgated_rest:
    cmp r1, r2
    bne .Lgated
    bx lr
    SATURATE 0
    SATURATE 1
    SATURATE 2
    SATURATE 3
.Lgated_unshifted_far:
    b .Lgated_unshifted
.Lno_gate_far:
    b .Lno_gate

.Lgated:
    ldm r0!, {r5}
    ldrsb r7, [r1, r4]
    cmp r7, #0
    ble .Lgated_closed
    ROUND_SUM
    mov r6, r5
    adds r6, #127
    cmp r6, #254
    bhi .Lgated_saturate
.Lgated_store:
    strb r5, [r1]
    adds r1, #1
    cmp r1, r2
    bne .Lgated
    bx lr
.Lgated_closed:
    movs r5, #0
    b .Lgated_store
.Lgated_saturate:
    cmp r5, #0
    blt .Lgated_low
    movs r5, #127
    b .Lgated_store
.Lgated_low:
    movs r5, #0
    subs r5, #127
    b .Lgated_store

.Lno_gate:
    movs r4, #0
.Lplain:
    ldm r0!, {r5}
    cmp r3, #0
    beq .Lplain_clamp
    ROUND_SUM
.Lplain_clamp:
    CLAMP_SUM .Lplain_store
.Lplain_store:
    strb r5, [r1]
    adds r1, #1
    cmp r1, r2
    bne .Lplain
    bx lr

.Lgated_unshifted:
    ldm r0!, {r5}
    ldrsb r7, [r1, r4]
    cmp r7, #0
    ble .Lunshifted_closed
    CLAMP_SUM .Lunshifted_store
    b .Lunshifted_store
.Lunshifted_closed:
    movs r5, #0
.Lunshifted_store:
    strb r5, [r1]
    adds r1, #1
    cmp r1, r2
    bne .Lgated_unshifted
    bx lr
    END_FUNCTION m0k_back_store

@ ------------------------------------------------------------------------------------------------ m0k_dense_back
    .equ BLOCK, 0
    .equ PROVIDER, 4                @ 0: none, or not picked
    .equ ERROR, 8                   @ address of the next group's errors
    .equ BATCH_END, 12              @ where they end: of what one list holds,
    .equ ERRORS_END, 16             @ and of all groups up to the last with an error
    .equ WEIGHTS, 20                @ of the group, of its first input at ACC
    .equ NEXT_WEIGHTS, 24           @ of the group behind the batch
    .equ ACC, 28                    @ accumulators of the inputs to do
    .equ ACC_END, 32
    .equ FOUR, 36                   @ this group's errors; those that are left where they go in pairs
    .equ PENDING, 40                @ weights of an output that waits for a second one, 0: none
    .equ PENDING_ERROR, 44
    .equ SECOND, 48                 @ weights of the second output of a pair
    .equ FRAME, 52

    .equ LIST_OUTPUTS, 64           @ outputs of one list: its size does not grow with the layer
    .equ LIST_INPUTS, 128           @ with fewer the list costs more than it can save

@ COUNT_ZERO x: x = |x|, and 1 more in r7 where it is 0. 3 cycles for x > 0, 6 for x < 0, 5 for 0.
    .macro COUNT_ZERO x
    cmp \x, #0
    bgt .Lcounted\@
    beq .Lzero\@
    negs \x, \x
    b .Lcounted\@
.Lzero\@:
    adds r7, #1
.Lcounted\@:
    .endm

    FUNCTION m0k_dense_back
    SAVE_ALL
    sub sp, #FRAME
    str r0, [sp, #BLOCK]
    mov r7, r0

@ From the end, the last group with an error: r2 errors, r3 behind it.
    ldr r2, [r7, #DENSE_BACK_ERROR]
    str r2, [sp, #ERROR]
    ldr r3, [r7, #DENSE_BACK_N_OUT]
    PADDED r3
    adds r3, r2, r3
.Llast_group:
    subs r3, #4
    cmp r3, r2
    blo .Lno_error
    ldr r1, [r3]
    cmp r1, #0
    beq .Llast_group
    adds r3, #4
    str r3, [sp, #ERRORS_END]
    str r3, [sp, #BATCH_END]

@ The accumulators' first values.
    ldr r1, [r7, #DENSE_BACK_N_IN]
    PADDED r1
    ldr r0, [r7, #DENSE_BACK_ACC]
    str r0, [sp, #ACC]
    lsls r2, r1, #2
    adds r2, r0, r2
    str r2, [sp, #ACC_END]
    ldr r2, [r7, #DENSE_BACK_FIRST]
    cmp r2, #0
    bne .Lacc_filled
    bl m0k_back_clear
.Lacc_filled:

@ Whose weights, and whether lists of errors may pay.
    ldr r0, [r7, #DENSE_BACK_WEIGHTS]
    str r0, [sp, #WEIGHTS]
    ldr r3, [r7, #DENSE_BACK_PROVIDER]
    cmp r3, #0
    beq .Lprovider_known
    ldr r2, [r7, #DENSE_BACK_PICK]
    cmp r2, #0
    beq .Lprovider_known
    ldr r3, [r2]
    cmp r3, #0
    beq .Lprovider_known
    ldr r3, [r7, #DENSE_BACK_PROVIDER]
.Lprovider_known:
    str r3, [sp, #PROVIDER]
    cmp r3, #0
    bne .Lno_lists
    ldr r0, [r7, #DENSE_BACK_SCRATCH]
    cmp r0, #0
    beq .Lno_lists
    ldr r0, [r7, #DENSE_BACK_N_IN]
    cmp r0, #LIST_INPUTS
    bhs .Lbatch
.Lno_lists:
    b .Lgroup

@ No error: zeros, in the accumulators or in out, whose last bytes may be no word.
.Lno_error:
    ldr r1, [r7, #DENSE_BACK_N_IN]
    ldr r0, [r7, #DENSE_BACK_DYNAMIC]
    cmp r0, #0
    bne .Lno_sums
    movs r6, #3
    ands r6, r1
    ldr r0, [r7, #DENSE_BACK_OUT]
    lsrs r1, r1, #2
    bl m0k_back_clear
    b .Lno_byte
.Lno_byte_next:
    strb r2, [r0]
    adds r0, #1
.Lno_byte:
    subs r6, #1
    bhs .Lno_byte_next
    b .Ldone
.Lno_sums:
    PADDED r1
    ldr r0, [r7, #DENSE_BACK_ACC]
    bl m0k_back_clear
    b .Ldone

@ A batch: the list of its errors.
.Lbatch:
    ldr r0, [sp, #ERROR]
    movs r1, r0
    adds r1, #LIST_OUTPUTS
    ldr r2, [sp, #ERRORS_END]
    cmp r1, r2
    bls .Lbatch_known
    movs r1, r2
.Lbatch_known:
    str r1, [sp, #BATCH_END]
    ldr r2, [sp, #WEIGHTS]
    ldr r7, [sp, #BLOCK]
    ldr r3, [r7, #DENSE_BACK_SCRATCH]
    ldr r4, [r7, #DENSE_BACK_N_IN]
    GROUP_BYTES r4
    bl m0k_back_list
    str r6, [sp, #NEXT_WEIGHTS]
    mov r0, r8
    cmp r0, #0
    ble .Lgroup

@ The list pays: 16 inputs at a time, then those that are left as without a list.
    movs r1, r3
    ldr r7, [sp, #BLOCK]
    ldr r0, [r7, #DENSE_BACK_SCRATCH]
    ldr r2, [sp, #ACC]
    ldr r3, [r7, #DENSE_BACK_N_IN]
    PADDED r3
    lsrs r3, r3, #4
    lsls r3, r3, #6
    adds r3, r2, r3
    movs r4, #0
    ldr r5, [r7, #DENSE_BACK_DYNAMIC]
    cmp r5, #0
    bne .Lgate_known
    ldr r4, [r7, #DENSE_BACK_GATE]
.Lgate_known:
    bl m0k_back_columns
    ldr r1, [sp, #ACC_END]
    cmp r3, r1
    bne .Linputs_left
    b .Lbatch_done
.Linputs_left:
    ldr r1, [sp, #ACC]
    str r3, [sp, #ACC]
    subs r3, r3, r1                 @ as many bytes of weights
    ldr r0, [sp, #WEIGHTS]
    adds r0, r0, r3
    str r0, [sp, #WEIGHTS]

@ A group. All registers are free.
.Lgroup:
    ldr r3, [sp, #PROVIDER]
    cmp r3, #0
    beq .Lweights_known
    ldr r7, [sp, #BLOCK]
    ldr r0, [r7, #DENSE_BACK_CONTEXT]
    ldr r1, [sp, #ERROR]
    ldr r2, [r7, #DENSE_BACK_ERROR]
    subs r1, r1, r2
    lsrs r1, r1, #2
    blx r3
    str r0, [sp, #WEIGHTS]
.Lweights_known:
    ldr r1, [sp, #ERROR]
    ldm r1!, {r0}
    str r1, [sp, #ERROR]
    cmp r0, #0
    beq .Lgroup_done
    str r0, [sp, #FOUR]

@ The four errors, for .Lquad in r8, r9, r10, lr, and the bias of their sum.
    ldr r5, .Llanes
    ldr r6, [sp, #ACC_END]
    mov r12, r6
    SIGNED_BYTE r1, r0, 0
    mov r8, r1
    SIGNED_BYTE r2, r0, 1
    mov r9, r2
    SIGNED_BYTE r3, r0, 2
    mov r10, r3
    SIGNED_BYTE r4, r0, 3
    mov lr, r4
    adds r6, r1, r2
    adds r6, r6, r3
    adds r6, r6, r4
    BIAS r6, r7

@ Three or four errors, magnitudes at most LANE_ERRORS in sum: all at once. r7 = how many are zero.
    movs r7, #0
    COUNT_ZERO r1
    COUNT_ZERO r2
    COUNT_ZERO r3
    COUNT_ZERO r4
    cmp r7, #1
    bhi .Lfew
    adds r1, r1, r2
    adds r3, r3, r4
    adds r1, r1, r3
    subs r1, #(LANE_ERRORS / 2)     @ all of it is no immediate
    cmp r1, #(LANE_ERRORS / 2)
    bgt .Lfew

@ The group's four outputs, one word of inputs a round: r5 EVEN_BYTES, r6 weights, r7 accumulators, r12 their end,
@ r8, r9, r10, lr errors, r11 bias; r0 and r2 the products of even and odd bytes, r1, r3, r4 free.
    ldr r6, [sp, #WEIGHTS]
    ldr r7, [sp, #ACC]
.Lquad:
    ldm r6!, {r0, r1}
    LANE_PRODUCTS r0, r2, r8
    LANE_PRODUCTS r1, r3, r9
    adds r0, r0, r1
    adds r2, r2, r3
    ldm r6!, {r1}
    LANE_PRODUCTS r1, r3, r10
    adds r0, r0, r1
    adds r2, r2, r3
    ldm r6!, {r3}
    LANE_PRODUCTS r3, r1, lr
    adds r0, r0, r3
    adds r1, r1, r2
    LANES_TO_ACC
    cmp r7, r12
    bne .Lquad

@ The next group: its weights are 4 * P bytes on.
.Lgroup_done:
    ldr r7, [sp, #BLOCK]
    ldr r1, [r7, #DENSE_BACK_N_IN]
    GROUP_BYTES r1
    ldr r0, [sp, #WEIGHTS]
    adds r0, r0, r1
    str r0, [sp, #WEIGHTS]
    ldr r0, [sp, #ERROR]
    ldr r1, [sp, #BATCH_END]
    cmp r0, r1
    beq .Lbatch_done
    b .Lgroup
.Lbatch_done:
    ldr r7, [sp, #BLOCK]
    ldr r0, [sp, #BATCH_END]
    str r0, [sp, #ERROR]
    ldr r1, [sp, #ERRORS_END]
    cmp r0, r1
    beq .Lgroups_done
    ldr r0, [sp, #NEXT_WEIGHTS]
    str r0, [sp, #WEIGHTS]
    ldr r0, [r7, #DENSE_BACK_ACC]
    str r0, [sp, #ACC]
    b .Lbatch

.Lgroups_done:
    ldr r0, [r7, #DENSE_BACK_DYNAMIC]
    cmp r0, #0
    bne .Ldone
    ldr r0, [r7, #DENSE_BACK_ACC]
    ldr r1, [r7, #DENSE_BACK_OUT]
    ldr r2, [r7, #DENSE_BACK_N_IN]
    ldr r3, [r7, #DENSE_BACK_SHIFT]
    ldr r4, [r7, #DENSE_BACK_GATE]
    bl m0k_back_store
.Ldone:
    add sp, #FRAME
    RETURN_ALL

@ One or two errors, or too large ones: those not zero in pairs, then the one that is left.
@ r0 errors left, the next in the low byte, r6 weights of its output; r5 EVEN_BYTES and r12 end of the accumulators as
@ the rows want them; r1-r4, r7-r11 free.
.Lfew:
    movs r0, #0
    str r0, [sp, #PENDING]
    ldr r6, [sp, #WEIGHTS]
    ldr r0, [sp, #FOUR]
.Lfew_next:
    SIGNED_BYTE r1, r0, 0
    cmp r1, #0
    beq .Lfew_on
    ldr r2, [sp, #PENDING]
    cmp r2, #0
    bne .Lfew_pair
    str r6, [sp, #PENDING]
    str r1, [sp, #PENDING_ERROR]
.Lfew_on:
    adds r6, #4
    lsrs r0, r0, #8
    bne .Lfew_next
    ldr r2, [sp, #PENDING]
    cmp r2, #0
    beq .Lgroup_done
    mov r6, r2
    ldr r1, [sp, #PENDING_ERROR]
    mov r8, r1
    BIAS r1, r4
    ldr r7, [sp, #ACC]
    bl m0k_back_one
    b .Lgroup_done

@ Two outputs: r2 weights of the one that waited, r6 and r1 weights and error of this one.
.Lfew_pair:
    lsrs r0, r0, #8
    str r0, [sp, #FOUR]
    subs r0, r6, r2
    mov r10, r0
    str r6, [sp, #SECOND]
    mov r6, r2
    ldr r3, [sp, #PENDING_ERROR]
    mov r8, r3
    mov r9, r1
    adds r1, r1, r3
    BIAS r1, r4
    movs r0, #0
    str r0, [sp, #PENDING]
    ldr r7, [sp, #ACC]
    bl m0k_back_pair
    ldr r6, [sp, #SECOND]
    adds r6, #4
    ldr r0, [sp, #FOUR]
    cmp r0, #0
    bne .Lfew_next
    b .Lgroup_done
    .p2align 2
.Llanes:
    .word EVEN_BYTES
.Lbias:
    .word -BIAS_LANES
    END_FUNCTION m0k_dense_back
