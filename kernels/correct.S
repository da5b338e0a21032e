/*
 * A dense layer of which few edges are pruned: what these took part in is taken off sums over all edges.
 *
 * void m0k_correct_forward(const m0k_correct_forward_t *p)
 *     p = { in, weights, list, state, bias, out, n_in, n_out }
 *     out[o] = bias[o] - sum over the pruned edges of o of w * in[i]: `first` of m0k_dense_forward.
 * void m0k_correct_back(const m0k_correct_back_t *p)
 *     p = { error, weights, list, state, acc, n_in, n_out }
 *     acc[i] = - sum over the pruned edges of i of w * error[o]: m0k_dense_back goes on from it with `first` = 1. Where
 *     all errors are zero acc is left alone.
 *
 * list, state  as m0k_prune_list leaves them; where state begins with 1 nothing is taken off.
 * in           int8[n_in], -127 .. 127. error int8[n_out], 4-aligned, read as whole words.
 * weights      edge array, bytes w + 128.
 * bias         int32[n_out], 4-aligned, or 0: zeros.
 * out          int32[n_out], 4-aligned. acc int32[P], 4-aligned, P = n_in rounded up to 4.
 * n_in, n_out  1 .. 65535. Sums are modulo 2^32, as those of the kernels that go on from them.
 *
 * Saturation none. Stack: correct_forward 36 bytes, correct_back 40.
 * Cycles at most: m0k_correct_forward 110 + 7 * n_out + 9 a group of four outputs + 22 a pruned edge whose input is 0,
 * 33 another, 7 for each 240 bytes. m0k_correct_back 120 + 2 * P + 17 a group + 21 a pruned edge whose error is 0, 35
 * another, 7 for each 240 bytes.
 *
 * When it pays: masked rows cost 3.9 cycles an edge in either pass (m0k_rows_scores), and keep m0k_dense_forward from
 * weights by inputs; m0k_prune_list 1.4 an edge and some 60 a pruned one, once a step at most. With p of the edges pruned
 * (60 + 2 * 27) * p = 2 * 3.9 - 1.4 gives p = 5.6 % for the dense kernels' time alone, whole steps of tiny-cnn gain up to
 * about 10 %: lists are made up to one edge of 12. Of PRIOT-S's scored edges, whose rows cost 0.7 an edge and 18 a scored
 * one, up to half. The lowest layer that learns has one pass: one of 24 there, of scored ones a quarter (measured on mlp,
 * uniform inputs: break-even at 4 %, and 22 %). The chip chooses by the list's length: `pick`.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "m0k.inc"

    .equ FAR, 240                   @ how far a gap of 0 advances, as in prune_list.S

@ INPUT d, spare: d = the input (in its row of P) of the edge r2 bytes into its group. 6 cycles.
    .macro INPUT d, spare
    lsrs \d, r2, #4
    lsls \d, \d, #2
    adds \spare, r2, #2             @ bytes of a word are inputs 2, 3, 0, 1
    lsls \spare, \spare, #30
    lsrs \spare, \spare, #30
    adds \d, \d, \spare
    .endm

@ WEIGHT d: d = the edge's weight, r6 its group. 3 cycles.
    .macro WEIGHT d
    ldrb \d, [r6, r2]
    subs \d, #WEIGHT_BIAS
    .endm

@ NEXT_EDGE far, behind: r2 = the next edge, in bytes of the group r6, or to far or behind the group; r0 list, r8 bytes of
@ a group. Spoils r1. 8 cycles.
    .macro NEXT_EDGE far, behind
    ldrb r1, [r0]
    adds r0, #1
    cmp r1, #0
    beq \far
    adds r2, r2, r1
    cmp r2, r8
    bhs \behind
    .endm

@ LIST block: r0 = list, r9 its end, r2 = the edge in front of the first; to none where it is empty; r5 = block. Spoils
@ r1. 12 cycles.
    .macro LIST list, state, none
    ldr r0, [r5, #\list]
    ldr r1, [r5, #\state]
    ldr r1, [r1, #4]
    adds r1, r0, r1
    mov r9, r1
    movs r2, #0
    subs r2, #1
    cmp r0, r1
    beq \none
    .endm

    FUNCTION m0k_correct_forward
    SAVE_ALL
    movs r5, r0

@ The biases, or zeros: r1 bias, r2 a value, r3 end of out, r7 out.
    ldr r7, [r5, #CORRECT_FORWARD_OUT]
    ldr r3, [r5, #CORRECT_FORWARD_N_OUT]
    lsls r3, r3, #2
    adds r3, r7, r3
    movs r2, #0
    ldr r1, [r5, #CORRECT_FORWARD_BIAS]
    cmp r1, #0
    beq .Lzero
.Lbias:
    ldm r1!, {r2}
    stm r7!, {r2}
    cmp r7, r3
    bne .Lbias
    b .Lbiased
.Lzero:
    stm r7!, {r2}
    cmp r7, r3
    bne .Lzero
.Lbiased:
    LIST CORRECT_FORWARD_LIST, CORRECT_FORWARD_STATE, .Lcorrected
    ldr r3, [r5, #CORRECT_FORWARD_IN]
    ldr r6, [r5, #CORRECT_FORWARD_WEIGHTS]
    ldr r7, [r5, #CORRECT_FORWARD_OUT]
    ldr r1, [r5, #CORRECT_FORWARD_N_IN]
    GROUP_BYTES r1
    mov r8, r1

@ Pruned edges: r0 list, r1, r4, r5 free, r2 edge in its group, r3 in, r6 weights and r7 sums of the group, r8 bytes of a
@ group, r9 end of the list.
.Ledge:
    NEXT_EDGE .Lskip, .Lnext_group
.Lthis_group:
    INPUT r4, r5
    ldrsb r4, [r3, r4]
    cmp r4, #0
    beq .Lnext
    WEIGHT r5
    muls r4, r5, r4
    movs r5, #12                    @ a word for each output
    ands r5, r2
    ldr r1, [r7, r5]
    subs r1, r1, r4
    str r1, [r7, r5]
.Lnext:
    cmp r0, r9
    bne .Ledge
.Lcorrected:
    RETURN_ALL
.Lskip:
    adds r2, #FAR
    b .Lnext                        @ the last gap may be such a one
.Lnext_group:
    mov r1, r8
    adds r6, r6, r1
    adds r7, #16
    subs r2, r2, r1
    cmp r2, r1
    bhs .Lnext_group
    b .Lthis_group
    END_FUNCTION m0k_correct_forward

    FUNCTION m0k_correct_back
    SAVE_ALL r3
    movs r7, r0

@ Is there an error? r1 words, r2 their end.
    ldr r1, [r7, #CORRECT_BACK_ERROR]
    ldr r2, [r7, #CORRECT_BACK_N_OUT]
    PADDED r2
    adds r2, r1, r2
.Lany:
    ldm r1!, {r3}
    cmp r3, #0
    bne .Lsome
    cmp r1, r2
    bne .Lany
    b .Lback_done
.Lsome:
    ldr r1, [r7, #CORRECT_BACK_N_IN]
    PADDED r1
    ldr r0, [r7, #CORRECT_BACK_ACC]
    bl m0k_back_clear
    movs r5, r7
    LIST CORRECT_BACK_LIST, CORRECT_BACK_STATE, .Lback_done
    ldr r3, [r5, #CORRECT_BACK_ACC]
    ldr r6, [r5, #CORRECT_BACK_WEIGHTS]
    ldr r7, [r5, #CORRECT_BACK_ERROR]
    ldr r1, [r5, #CORRECT_BACK_N_IN]
    GROUP_BYTES r1
    mov r8, r1

@ As in m0k_correct_forward, with r3 accumulators of all inputs and r7 errors of the group.
.Lback_edge:
    NEXT_EDGE .Lback_skip, .Lback_next_group
.Lback_this_group:
    lsls r4, r2, #28
    lsrs r4, r4, #30
    ldrsb r4, [r7, r4]
    cmp r4, #0
    beq .Lback_next
    WEIGHT r5
    muls r4, r5, r4
    INPUT r5, r1
    lsls r5, r5, #2
    ldr r1, [r3, r5]
    subs r1, r1, r4
    str r1, [r3, r5]
.Lback_next:
    cmp r0, r9
    bne .Lback_edge
.Lback_done:
    RETURN_ALL r3
.Lback_skip:
    adds r2, #FAR
    b .Lback_next
.Lback_next_group:
    mov r1, r8
    adds r6, r6, r1
    adds r7, #4
    subs r2, r2, r1
    cmp r2, r1
    bhs .Lback_next_group
    b .Lback_this_group
    END_FUNCTION m0k_correct_back
