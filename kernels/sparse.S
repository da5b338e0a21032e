/*
 * PRIOT-S: score gradient and update of the scored edges only.           ARMv6-M, AAPCS, void f(const block *)
 *
 * m0k_sparse_dense { error, in, weights, scores, gaps, count, n_in, n_out, shift }
 *     S[c] = sat(S[c] - round_shift(w * error[o] * in[i], shift)) for the c-th scored edge (o, i)
 * m0k_sparse_grad { grad, weights, scores, gaps, count, n_in, n_out, shift }
 *     S[c] = sat(S[c] - round_shift(w * grad[o][k], shift))
 *
 * gaps u8: distances in the edge array, in storage order, the first from index -1; 0 moves on by 255 and is no edge.
 * They may lie in flash. scores u8[count] = S + 128, clamped to 1..255, in the same order, count 0 included; error
 * int8[n_out] (read in fours: room for n_out rounded up to 4) and in int8[n_in] of -127..127; grad int32[n_out][P],
 * P = n_in rounded up to 4, 4-aligned; weights u8 = w + 128 as an edge array (groups of four outputs, 16 bytes an input
 * word, bytes in the order of inputs 2, 3, 0, 1). n_out is not read. shift 0..24, to nearest, ties away from zero.
 * |w * grad| + max(2^(shift-1), 255) is below 2^31.
 *
 * Stack: 104 bytes (m0k_sparse_dense), 100 (m0k_sparse_grad).
 * Cycles, groups = groups of outputs passed, the last one included: m0k_sparse_dense at most 90 + 80 * groups
 *     + 22 * (gaps of 0) + 41 * count, 14 for an edge whose error is 0, 21 for one whose input is 0; m0k_sparse_grad at
 *     most 120 + 17 * groups + 22 * (gaps of 0) + 34 * count.
 *
 * An edge's output in its group is bits 2..3 of its index, its input 4 * (bits from 4 on) + (bits 0..1 + 2) % 4. Both
 * come from a table on the stack for the index % 16. The index runs from -4 * P to -1 in each group, so that a carry
 * says that the group is over; a gap of 0 is made to carry too. Four edges are unrolled, in two chains: one for scores
 * that fall and one for those that rise, each running on from edge to edge and changing over where the sign does.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "m0k.inc"

    .macro ENTER
    SAVE_ALL
    .endm

    .macro LEAVE
    RETURN_ALL
    .endm

@ r8 = 2^(shift-1) and r1 = that less 1, which sends ties of negative products away from zero; both 0 for shift 0.
    .macro ROUNDING
    movs r1, #1
    lsls r1, r3
    lsrs r1, r1, #1
    mov r8, r1
    beq 1f
    subs r1, #1
1:
    .endm

@ Adds the gap at r0[\k] to the index r1. A gap of 0 borrows, which adds -1 instead: carry, as past the group's end.
    .macro GAP     k, fix
    ldrb r5, [r0, #\k]
    subs r5, #1
    adcs r1, r5
    bcs \fix
    .endm

@ Score r2[\k] -= the product r5 > 0 rounded.
    .macro FALL    k, next, low, store
    add r5, r8
    asrs r5, r3
    beq \next
    ldrb r6, [r2, #\k]
    subs r6, r6, r5
    ble \low
\store:
    strb r6, [r2, #\k]
    .endm

@ The same for r5 < 0; \half is 2^(shift-1) - 1.
    .macro RISE    k, next, high, store, half
    add r5, \half
    asrs r5, r3
    bpl \next
    ldrb r6, [r2, #\k]
    subs r6, r6, r5
    cmp r6, #255
    bhi \high
\store:
    strb r6, [r2, #\k]
    .endm

    .macro CLAMP   value, store
    movs r6, #\value
    b \store
    .endm

@ Has an index past the group put right by \fix, which returns to r6; after a gap of 0 two bytes on, for another gap.
    .macro FIX     fix, edge, gap
    mov r6, pc
    b \fix
    b \edge
    b \gap
    .endm

@ Four edges on; the next four, or the end.
    .macro NEXT    loop, done
    adds r0, #4
    adds r2, #4
    cmp r2, lr
    bne \loop
    b \done
    .endm

@ Starts within four edges so that the last four end with the list: r5 = count, not 0.
    .macro START   name
    negs r5, r5
    lsls r5, r5, #30
    lsrs r5, r5, #30
    subs r0, r0, r5
    subs r2, r2, r5
    subs r5, #2
    beq 2f
    bpl 3f
    adds r5, #1
    beq 1f
    b .L\name\()_f0
1:  b .L\name\()_f1
2:  b .L\name\()_f2
3:  b .L\name\()_f3
    .endm

@ The chains: falling scores first.
    .macro CHAINS  name, product, done, half
    .irp k, 0, 1, 2, 3
.L\name\()_f\k:
    GAP \k, .L\name\()_ff\k
.L\name\()_fe\k:
    \product .L\name\()_fn\k
    bmi .L\name\()_rs\k
.L\name\()_fs\k:
    FALL \k, .L\name\()_fn\k, .L\name\()_fc\k, .L\name\()_fw\k
.L\name\()_fn\k:
    .endr
    NEXT .L\name\()_f0, \done
    .irp k, 0, 1, 2, 3
.L\name\()_fc\k:
    CLAMP 1, .L\name\()_fw\k
    .endr
    .irp k, 0, 1, 2, 3
.L\name\()_r\k:
    GAP \k, .L\name\()_rf\k
.L\name\()_re\k:
    \product .L\name\()_rn\k
    bpl .L\name\()_fs\k
.L\name\()_rs\k:
    RISE \k, .L\name\()_rn\k, .L\name\()_rc\k, .L\name\()_rw\k, \half
.L\name\()_rn\k:
    .endr
    NEXT .L\name\()_r0, \done
    .irp k, 0, 1, 2, 3
.L\name\()_rc\k:
    CLAMP 255, .L\name\()_rw\k
    .endr
    .irp k, 0, 1, 2, 3
.L\name\()_rf\k:
    FIX .L\name\()_fix, .L\name\()_re\k, .L\name\()_r\k
    .endr
    .endm

    .macro FALLING_FIXES name
    .irp k, 0, 1, 2, 3
.L\name\()_ff\k:
    FIX .L\name\()_fix, .L\name\()_fe\k, .L\name\()_f\k
    .endr
    .endm

@ ---------------------------------------------------------------------------------------------- m0k_sparse_dense
@ r0 gaps, r1 index in the group - 4 * P, r2 score, r3 shift, r7 table: error << 24 | place of the input + 3, less the
@ index / 4, for each r1 % 16; r8 half, r9 4 * P, r10 half - 1, r11 end of the group's weights, r12 end of in - 3, lr
@ end of scores. Stack: 0 table, 64 errors of the group.

    .macro DENSE_PRODUCT next
    lsls r5, r1, #28
    lsrs r5, r5, #26
    ldr r5, [r7, r5]
    asrs r6, r5, #24
    beq \next
    uxtb r5, r5
    add r5, r12
    asrs r4, r1, #2
    ldrsb r5, [r4, r5]
    muls r5, r6, r5
    beq \next
    mov r6, r11
    ldrb r6, [r6, r1]
    subs r6, #128
    muls r5, r6, r5
    .endm

@ The row of table for output \o: inputs 2, 3, 0, 1, + 3 - \o.
    .macro DENSE_ROW o
    ldrb r5, [r4, #\o]
    lsls r5, r5, #24
    .if \o < 3
    adds r5, #(3 - \o)
    .endif
    str r5, [r7, #(16 * \o + 8)]
    adds r5, #1
    str r5, [r7, #(16 * \o + 12)]
    adds r5, #1
    str r5, [r7, #(16 * \o)]
    adds r5, #1
    str r5, [r7, #(16 * \o + 4)]
    .endm

    FUNCTION m0k_sparse_dense
    ENTER
    sub sp, #68
    mov r7, sp
    ldr r3, [r0, #SPARSE_DENSE_SHIFT]
    ROUNDING
    mov r10, r1
    ldr r4, [r0, #SPARSE_DENSE_N_IN]
    adds r4, #3
    lsrs r4, r4, #2
    lsls r5, r4, #4
    mov r9, r5
    lsls r4, r4, #2
    subs r4, #3
    ldr r1, [r0, #SPARSE_DENSE_IN]
    adds r1, r1, r4
    mov r12, r1
    ldr r1, [r0, #SPARSE_DENSE_WEIGHTS]
    adds r1, r1, r5
    mov r11, r1
    mvns r1, r5
    ldr r2, [r0, #SPARSE_DENSE_SCORES]
    ldr r5, [r0, #SPARSE_DENSE_COUNT]
    adds r6, r2, r5
    mov lr, r6
    cmp r5, #0
    beq .Ldense_done
    ldr r4, [r0, #SPARSE_DENSE_ERROR]
    ldr r0, [r0, #SPARSE_DENSE_GAPS]
    mov r6, pc
    b .Ldense_table
    mov r5, lr
    subs r5, r5, r2
    START dense
.Ldense_done:
    add sp, #68
    LEAVE

.Ldense_fix:
    adds r5, #1
    beq 3f
1:  ldr r4, [sp, #64]
    mov r5, r9
2:  adds r4, #4
    add r11, r5
    subs r1, r1, r5
    bcs 2b
.Ldense_table:
    str r4, [sp, #64]
    DENSE_ROW 0
    DENSE_ROW 1
    DENSE_ROW 2
    DENSE_ROW 3
    mov pc, r6
3:  adds r6, #2
    adds r0, #1
    movs r5, #255
    adds r5, #1                     @ 255, and the 1 that was taken away
    adds r1, r1, r5
    bcs 1b
    mov pc, r6

    FALLING_FIXES dense
    CHAINS dense, DENSE_PRODUCT, .Ldense_done, r10
    END_FUNCTION m0k_sparse_dense

@ ----------------------------------------------------------------------------------------------- m0k_sparse_grad
@ r0 gaps, r1 index in the group - 4 * P, r2 score, r3 shift, r4 end of the group's weights, r7 table: place in the
@ group's four rows of grad, less the index, for each r1 % 16; r8 half, r9 4 * P, r10 grad of the group + 4 * P,
@ r11 16 * P, r12 half - 1, lr end of scores. Stack: table.

    .macro GRAD_PRODUCT next
    lsls r5, r1, #28
    lsrs r5, r5, #26
    ldr r5, [r7, r5]
    add r5, r10
    ldr r5, [r1, r5]
    ldrb r6, [r4, r1]
    subs r6, #128
    muls r5, r6, r5
    .endm

    FUNCTION m0k_sparse_grad
    ENTER
    sub sp, #64
    ldr r3, [r0, #SPARSE_GRAD_SHIFT]
    ROUNDING
    mov r12, r1
    ldr r4, [r0, #SPARSE_GRAD_N_IN]
    adds r4, #3
    lsrs r4, r4, #2
    lsls r4, r4, #4
    mov r9, r4
    lsls r1, r4, #2
    mov r11, r1
    subs r4, #4                     @ from row to row: a row of grad, less the row's part of the index
    movs r1, #8
    movs r2, #11
    movs r5, #2
    negs r5, r5
    movs r6, #1
    mov r7, sp
    stm r7!, {r1, r2, r5, r6}
    .rept 3
    adds r1, r1, r4
    adds r2, r2, r4
    adds r5, r5, r4
    adds r6, r6, r4
    stm r7!, {r1, r2, r5, r6}
    .endr
    mov r7, sp
    ldr r1, [r0, #SPARSE_GRAD_GRAD]
    add r1, r9
    mov r10, r1
    ldr r4, [r0, #SPARSE_GRAD_WEIGHTS]
    add r4, r9
    mov r1, r9
    mvns r1, r1
    ldr r2, [r0, #SPARSE_GRAD_SCORES]
    ldr r5, [r0, #SPARSE_GRAD_COUNT]
    ldr r0, [r0, #SPARSE_GRAD_GAPS]
    adds r6, r2, r5
    mov lr, r6
    cmp r5, #0
    beq .Lgrad_done
    START grad
.Lgrad_done:
    add sp, #64
    LEAVE

.Lgrad_fix:
    adds r5, #1
    beq 2f
1:  mov r5, r9
    add r4, r5
    add r10, r11
    subs r1, r1, r5
    bcs 1b
    mov pc, r6
2:  adds r6, #2
    adds r0, #1
    movs r5, #255
    adds r5, #1                     @ 255, and the 1 that was taken away
    adds r1, r1, r5
    bcs 1b
    mov pc, r6

    FALLING_FIXES grad
    CHAINS grad, GRAD_PRODUCT, .Lgrad_done, r12
    END_FUNCTION m0k_sparse_grad
