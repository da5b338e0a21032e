/*
 * Error through a dense layer.                                     ARMv6-M, AAPCS, void f(const block *)
 *
 * m0k_dense_back { error, weights, acc, out, n_in, n_out, shift, gate, provider, context, dynamic }
 *     acc[i] = sum over o of w[o][i] * error[o];  out[i] = gate[i] > 0 ? sat(round_shift(acc[i], shift)) : 0
 *
 * error int8[n_out] -127..127, 4-aligned, read as whole words (what lies behind n_out meets weights of 128 and counts
 * nothing); weights u8 = w + 128 as an edge array (groups of four outputs, 16 bytes an input word, bytes in the order
 * of inputs 2, 3, 0, 1), or provider != 0: provider(context, group) returns the 4 * P bytes of a group, 4-aligned.
 * P is n_in rounded up to 4. acc int32[P], 4-aligned, written by the kernel; out int8[n_in]; gate int8[n_in] or 0;
 * shift 0..24, rounded to nearest, ties away from zero, clamped to -127..127; dynamic != 0: acc is the result and out,
 * shift and gate are not read. n_in, n_out 1..65535; |acc| below 2^31 - 2^23, which holds for every n_out.
 *
 * A provider may carry state from group to group, so it is called for every group from 0 to the last with an error.
 * Without one, groups whose four errors are zero are skipped.
 *
 * Stack: 80 bytes, and what the provider takes.
 * Cycles, words = P / 4: at most 130 + 10 * words + 130 * groups + (26 * n_in unless dynamic) + for each group:
 *     61 * words where three or four errors are not zero and their magnitudes add up to at most 258 (3.8 a MAC), else
 *     46 * words + 70 for each pair of errors (5.75 a MAC) and 36 * words + 40 for one left over (9 a MAC); and the
 *     provider's, for groups up to the last with an error.
 *
 * Two lanes a word: with p = (u2 + (u0 << 16)) and the bias taken off, p * e is (w2 * e) + (w0 * e << 16) as an
 * integer, and up to 258 in errors may be summed before a lane leaves 16 bits (127 * 258 = 32766). The even bytes are
 * not masked out before they are multiplied: U * e less 256 times the odd lanes is the same modulo 2^32.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "m0k.inc"

@ r0 = sum of U * e, r1 = sum of the odd lanes * e; r11 = the bias. Adds the four lanes to the accumulators at r7.
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
@ In: r5 0x00FF00FF; r6 weight words of the first output, 16 bytes apart; r7 accumulators, r12 their end, not equal;
@     r8 error; r11 -(sum of errors) * 0x00800080; for a pair also r9 second error, r10 second weights - first.
@ Out: r6, r7 advanced by 16 a word; r0-r4 lost. No stack. 46 and 36 cycles a word, and 2.
    FUNCTION m0k_back_pair
    ldr r0, [r6]
    mov r4, r8
    lsrs r1, r0, #8
    ands r1, r5
    muls r1, r4, r1
    muls r0, r4, r0
    mov r2, r10
    ldr r2, [r6, r2]
    mov r4, r9
    lsrs r3, r2, #8
    ands r3, r5
    muls r3, r4, r3
    muls r2, r4, r2
    adds r0, r0, r2
    adds r1, r1, r3
    LANES_TO_ACC
    adds r6, #16
    cmp r7, r12
    bne m0k_back_pair
    bx lr
    END_FUNCTION m0k_back_pair

    FUNCTION m0k_back_one
    ldr r0, [r6]
    mov r4, r8
    lsrs r1, r0, #8
    ands r1, r5
    muls r1, r4, r1
    muls r0, r4, r0
    LANES_TO_ACC
    adds r6, #16
    cmp r7, r12
    bne m0k_back_one
    bx lr
    END_FUNCTION m0k_back_one

@ ------------------------------------------------------------------------------------ m0k_back_clear (not for C)
@ r0 = int32 array, r1 = its elements > 0: zeroes it. Words of four: 8 cycles each. r0-r5 lost.
    FUNCTION m0k_back_clear
    movs r2, #0
    movs r3, #0
    movs r4, #0
    movs r5, #0
    b 2f
1:  stm r0!, {r2-r5}
2:  subs r1, #4
    bhs 1b
    adds r1, #4
    beq 4f
3:  stm r0!, {r2}
    subs r1, #1
    bne 3b
4:  bx lr
    END_FUNCTION m0k_back_clear

@ ------------------------------------------------------------------------------------ m0k_back_store (not for C)
@ out[i] = gate[i] > 0 ? sat(round_shift(acc[i], shift)) : 0
@ r0 acc, r1 out, r2 n > 0, r3 shift, r4 gate or 0. r0-r7 and r8 lost. At most 26 cycles an element, 20 where
@ nothing saturates, 15 where the gate is closed.
    FUNCTION m0k_back_store
    movs r5, #1
    lsls r5, r3
    lsrs r5, r5, #1                 @ half: 0 for shift 0, which takes no sign correction either
    mov r8, r5
    adds r2, r1, r2                 @ end of out
    cmp r4, #0
    beq 4f
    subs r4, r4, r1                 @ gate - out
    cmp r3, #0
    beq 7f
1:  ldm r0!, {r5}
    ldrsb r7, [r1, r4]
    cmp r7, #0
    ble 3f
    asrs r6, r5, #31
    adds r5, r5, r6
    add r5, r8
    asrs r5, r3
    mov r6, r5
    adds r6, #127
    cmp r6, #254
    bhi 5f
2:  strb r5, [r1]
    adds r1, #1
    cmp r1, r2
    bne 1b
    bx lr
3:  movs r5, #0
    b 2b
5:  cmp r5, #0
    blt 6f
    movs r5, #127
    b 2b
6:  movs r5, #0
    subs r5, #127
    b 2b
4:  movs r4, #0                     @ no gate
9:  ldm r0!, {r5}
    cmp r3, #0
    beq 10f
    asrs r6, r5, #31
    adds r5, r5, r6
    add r5, r8
    asrs r5, r3
10: movs r7, #127
    cmn r5, r7
    bge 11f
    negs r5, r7
11: cmp r5, r7
    ble 12f
    movs r5, #127
12: strb r5, [r1]
    adds r1, #1
    cmp r1, r2
    bne 9b
    bx lr
7:  ldm r0!, {r5}                   @ shift 0, gated
    ldrsb r7, [r1, r4]
    cmp r7, #0
    ble 13f
    movs r7, #127
    cmn r5, r7
    bge 14f
    negs r5, r7
14: cmp r5, r7
    ble 15f
    movs r5, #127
    b 15f
13: movs r5, #0
15: strb r5, [r1]
    adds r1, #1
    cmp r1, r2
    bne 7b
    bx lr
    END_FUNCTION m0k_back_store

@ ------------------------------------------------------------------------------------------------ m0k_dense_back
@ Stack: 0 block, 4 group, 8 groups to do, 12 weights of this group, 16 error pointer, 20 four errors,
@        24 pending weights (0: none), 28 pending error, 32 end of acc.
    FUNCTION m0k_dense_back
    SAVE_ALL
    sub sp, #44
    str r0, [sp, #0]
    mov r7, r0
    ldr r1, [r7, #DENSE_BACK_N_IN]
    adds r1, #3
    lsrs r1, r1, #2
    lsls r1, r1, #2                 @ P
    ldr r0, [r7, #DENSE_BACK_ACC]
    lsls r2, r1, #2
    adds r2, r0, r2
    str r2, [sp, #32]
    bl m0k_back_clear
    ldr r1, [r7, #DENSE_BACK_WEIGHTS]
    str r1, [sp, #12]
    movs r1, #0
    str r1, [sp, #4]
    ldr r2, [r7, #DENSE_BACK_ERROR]
    str r2, [sp, #16]
    ldr r3, [r7, #DENSE_BACK_N_OUT]
    adds r3, #3
    lsrs r3, r3, #2
1:  subs r3, #1                     @ the last group with an error
    blo 2f
    lsls r1, r3, #2
    ldr r1, [r2, r1]
    cmp r1, #0
    beq 1b
2:  adds r3, #1
    str r3, [sp, #8]
    bne .Lgroup
    b .Lgroups_done

.Lgroup:
    ldr r7, [sp, #0]
    ldr r3, [r7, #DENSE_BACK_PROVIDER]
    cmp r3, #0
    beq 1f
    ldr r0, [r7, #DENSE_BACK_CONTEXT]
    ldr r1, [sp, #4]
    blx r3
    str r0, [sp, #12]
1:  ldr r1, [sp, #16]
    ldm r1!, {r0}
    str r1, [sp, #16]
    cmp r0, #0
    beq .Lgroup_done
    str r0, [sp, #20]
    ldr r5, .Llanes
    ldr r6, [sp, #32]
    mov r12, r6
    sxtb r1, r0
    mov r8, r1
    lsls r2, r0, #16
    asrs r2, r2, #24
    mov r9, r2
    lsls r3, r0, #8
    asrs r3, r3, #24
    mov r10, r3
    asrs r4, r0, #24
    mov lr, r4
    adds r6, r1, r2                 @ the sum of the errors, for the bias
    adds r6, r6, r3
    adds r6, r6, r4
    ldr r7, .Lbias
    muls r6, r7, r6
    mov r11, r6
    movs r7, #0                     @ how many are not zero, less 4, and the sum of their magnitudes
    cmp r1, #0
    bgt 3f
    beq 2f
    negs r1, r1
    b 3f
2:  adds r7, #1
3:  cmp r2, #0
    bgt 5f
    beq 4f
    negs r2, r2
    b 5f
4:  adds r7, #1
5:  cmp r3, #0
    bgt 7f
    beq 6f
    negs r3, r3
    b 7f
6:  adds r7, #1
7:  cmp r4, #0
    bgt 9f
    beq 8f
    negs r4, r4
    b 9f
8:  adds r7, #1
9:  cmp r7, #1
    bhi .Lfew
    adds r1, r1, r2
    adds r3, r3, r4
    adds r1, r1, r3
    subs r1, #129
    cmp r1, #129
    bgt .Lfew

    ldr r6, [sp, #12]
    ldr r7, [sp, #0]
    ldr r7, [r7, #DENSE_BACK_ACC]
.Lquad:
    ldm r6!, {r0, r1}
    mov r4, r8
    lsrs r2, r0, #8
    ands r2, r5
    muls r2, r4, r2
    muls r0, r4, r0
    mov r4, r9
    lsrs r3, r1, #8
    ands r3, r5
    muls r3, r4, r3
    muls r1, r4, r1
    adds r0, r0, r1
    adds r2, r2, r3
    ldm r6!, {r1}
    mov r4, r10
    lsrs r3, r1, #8
    ands r3, r5
    muls r3, r4, r3
    muls r1, r4, r1
    adds r0, r0, r1
    adds r2, r2, r3
    ldm r6!, {r3}
    mov r4, lr
    lsrs r1, r3, #8
    ands r1, r5
    muls r1, r4, r1
    muls r3, r4, r3
    adds r0, r0, r3
    adds r1, r1, r2
    LANES_TO_ACC
    cmp r7, r12
    bne .Lquad

.Lgroup_done:
    ldr r7, [sp, #0]
    ldr r1, [r7, #DENSE_BACK_N_IN]
    adds r1, #3
    lsrs r1, r1, #2
    lsls r1, r1, #4
    ldr r0, [sp, #12]
    adds r0, r0, r1
    str r0, [sp, #12]
    ldr r0, [sp, #4]
    adds r0, #1
    str r0, [sp, #4]
    ldr r1, [sp, #8]
    cmp r0, r1
    beq .Lgroups_done
    b .Lgroup

.Lgroups_done:
    ldr r7, [sp, #0]
    ldr r0, [r7, #DENSE_BACK_DYNAMIC]
    cmp r0, #0
    bne 1f
    ldr r0, [r7, #DENSE_BACK_ACC]
    ldr r1, [r7, #DENSE_BACK_OUT]
    ldr r2, [r7, #DENSE_BACK_N_IN]
    ldr r3, [r7, #DENSE_BACK_SHIFT]
    ldr r4, [r7, #DENSE_BACK_GATE]
    bl m0k_back_store
1:  add sp, #44
    RETURN_ALL

@ One or two errors, or too large ones: those not zero in pairs, then the one that is left.
.Lfew:
    movs r0, #0
    str r0, [sp, #24]
    ldr r6, [sp, #12]
    ldr r0, [sp, #20]
.Lfew_next:                         @ r6 weights of the output whose error is the low byte of r0
    sxtb r1, r0
    cmp r1, #0
    beq .Lfew_on
    ldr r2, [sp, #24]
    cmp r2, #0
    bne 1f
    str r6, [sp, #24]
    str r1, [sp, #28]
.Lfew_on:
    adds r6, #4
    lsrs r0, r0, #8
    bne .Lfew_next
    ldr r2, [sp, #24]
    cmp r2, #0
    beq .Lgroup_done
    mov r6, r2
    ldr r1, [sp, #28]
    mov r8, r1
    ldr r4, .Lbias
    muls r1, r4, r1
    mov r11, r1
    ldr r7, [sp, #0]
    ldr r7, [r7, #DENSE_BACK_ACC]
    bl m0k_back_one
    b .Lgroup_done
1:  lsrs r0, r0, #8
    str r0, [sp, #20]
    subs r0, r6, r2
    mov r10, r0
    str r6, [sp, #36]
    mov r6, r2
    ldr r3, [sp, #28]
    mov r8, r3
    mov r9, r1
    adds r1, r1, r3
    ldr r4, .Lbias
    muls r1, r4, r1
    mov r11, r1
    movs r0, #0
    str r0, [sp, #24]
    ldr r7, [sp, #0]
    ldr r7, [r7, #DENSE_BACK_ACC]
    bl m0k_back_pair
    ldr r6, [sp, #36]
    adds r6, #4
    ldr r0, [sp, #20]
    cmp r0, #0
    bne .Lfew_next
    b .Lgroup_done
    .p2align 2
.Llanes:
    .word 0x00FF00FF
.Lbias:
    .word -0x00800080
    END_FUNCTION m0k_dense_back
