/*
 * PRIOT-S: score gradient and update of the scored edges only.           ARMv6-M, AAPCS, void f(const block *)
 *
 * m0k_sparse_dense { error, in, weights, scores, gaps, count, n_in, n_out, shift, histogram }
 *     S[c] = sat(S[c] - round_shift(w * error[o] * in[i], shift)) for the c-th scored edge (o, i)
 * m0k_sparse_grad { grad, weights, scores, gaps, count, n_in, n_out, shift, active }
 *     S[c] = sat(S[c] - round_shift(w * grad[o][k], shift))
 *
 * gaps u8: distances in the edge array, in storage order, the first from index -1; 0 moves on by 255 and is no edge.
 * They may lie in flash. scores u8[count] = S + 128, clamped to 1..255, in the same order, count 0 included; error
 * int8[n_out] (read in fours: room for n_out rounded up to 4) and in int8[n_in] of -127..127; grad int32[n_out][P],
 * P = n_in rounded up to 4, 4-aligned; weights u8 = w + 128 as an edge array (groups of four outputs, 16 bytes an input
 * word, bytes in the order of inputs 2, 3, 0, 1). n_out is not read. shift 0..24, to nearest, ties away from zero.
 * |w * grad| + max(2^(shift-1), 255) is below 2^31.
 *
 * m0k_sparse_grad takes some outputs, from a multiple of four on, where weights, scores and gaps begin with theirs, count
 * is that of their scored edges, and passed the places that the first gap goes before the first output's weights.
 *
 * histogram: 0, or uint16[256] of the scores as m0k_select_kept leaves it; it follows them if bins[0] is not 0, 28 cycles
 * for each that moves or clamps instead of 7.6 for each to count anew. It is given up, bins[0] = 0, where more than 1/16
 * move.
 *
 * Stack: 112 bytes (m0k_sparse_dense), 100 (m0k_sparse_grad).
 * Cycles, groups = groups of outputs passed, the last one included: m0k_sparse_dense at most 110 + 80 * groups
 *     + 22 * (gaps of 0) + 41 * count + 28 * count / 16 where scores are counted, 14 for an edge whose error is 0, 21 for
 *     one whose input is 0; m0k_sparse_grad at
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
    #include "update.inc"
    #include "m0k.inc"

@ ------------------------------------------------------------------------------------------- the chains of edges
@ For both kernels: r0 gaps, r1 index in the group - 4 * P, r2 score, r3 shift, r8 half, r9 4 * P, lr end of scores.
@ Four edges at r0 and r2 before these move on; r5 is the product, r6 the score. Labels of edge K in the chain that
@ falls: .LNAME_fall_gapK, _fall_edgeK behind its gap, _fall_fixK where its index is put right, and those of SCORE_FALL.
@ The same with rise.

@ GAP k, fix: adds the gap at r0[k] to the index r1. A gap of 0 borrows, which adds -1 instead: carry, and to fix, as
@ past the group's end. Spoils r5. 5 cycles.
    .macro GAP k, fix
    ldrb r5, [r0, #\k]
    subs r5, #1
    adcs r1, r5
    bcs \fix
    .endm

@ FALL_EDGE name, k, product, away: edge k of the chain that falls; product makes r5 and its flags, or goes on to the next
@ edge if it is 0. Spoils r5, r6, and r4 where product does. 15 cycles and those of product.
    .macro FALL_EDGE name, k, product, away
.L\name\()_fall_gap\k:
    GAP \k, .L\name\()_fall_fix\k
.L\name\()_fall_edge\k:
    \product .L\name\()_fall_next\k
    bmi .L\name\()_rise\k
    SCORE_FALL \name, \k, x=r5, score=r6, at=r2, op=subs, half=r8, none=beq, away=\away
    .endm

@ RISE_EDGE name, k, product, half, away: the same in the chain that rises; half = r8 - 1. 16 cycles and those of product.
    .macro RISE_EDGE name, k, product, half, away
.L\name\()_rise_gap\k:
    GAP \k, .L\name\()_rise_fix\k
.L\name\()_rise_edge\k:
    \product .L\name\()_rise_next\k
    bpl .L\name\()_fall\k
    SCORE_RISE \name, \k, x=r5, score=r6, at=r2, op=subs, half=\half, none=bpl, away=\away
    .endm

@ FIX name, chain, k, kernel: has an index past the group put right by .LKERNEL_fix, which returns to r6: PC is read as
@ two instructions ahead, so to the edge; after a gap of 0 one further, for another gap. 3 cycles and 2.
    .macro FIX name, chain, k, kernel
.L\name\()_\chain\()_fix\k:
    mov r6, pc
    b .L\kernel\()_fix
    b .L\name\()_\chain\()_edge\k
    b .L\name\()_\chain\()_gap\k
    .endm

@ FIX_ZERO group: for a gap of 0: the index 255 on; to group if that leaves the group, or back for another gap.
@ 8 cycles.
    .macro FIX_ZERO group
    adds r6, #2
    adds r0, #1
    movs r5, #255
    adds r5, #1                     @ 255, and the 1 that was taken away
    adds r1, r1, r5
    bcs \group
    mov pc, r6
    .endm

@ NEXT name, chain, kernel: four edges on; the next four, or the end. 5 cycles, 6 to the end.
    .macro NEXT name, chain, kernel
    adds r0, #4
    adds r2, #4
    cmp r2, lr
    bne .L\name\()_\chain\()_gap0
    b .L\kernel\()_done
    .endm

@ START name: starts within four edges so that the last four end with the list: r5 = count, not 0; r0, r2 as many back
@ as edges are left out. 13 cycles at most.
    .macro START name
    negs r5, r5
    lsls r5, r5, #30
    lsrs r5, r5, #30                @ -count % 4
    subs r0, r0, r5
    subs r2, r2, r5
    subs r5, #2
    beq .Lfrom2\@
    bpl .Lfrom3\@
    adds r5, #1
    beq .Lfrom1\@
    b .L\name\()_fall_gap0
.Lfrom1\@:
    b .L\name\()_fall_gap1
.Lfrom2\@:
    b .L\name\()_fall_gap2
.Lfrom3\@:
    b .L\name\()_fall_gap3
    .endm

@ ---------------------------------------------------------------------------------------------- m0k_sparse_dense
@ r0 gaps, r1 index in the group - 4 * P, r2 score, r3 shift, r4 spare, r5 product, r6 score, r7 table; r8 half,
@ r9 4 * P, r10 half - 1, r11 end of the group's weights, r12 end of in - 3, lr end of scores.
    .equ TABLE, 0                   @ for each r1 % 16: error << 24 | place of the input + 3, less the index / 4
    .equ ERRORS, 64                 @ address of the group's errors
    .equ BINS, 68                   @ histogram, or 0: edges are not counted
    .equ LEFT, 72                   @ so many edges may still move until it is given up
    .equ DENSE_FRAME, 76

@ DENSE_PRODUCT next: r5 = weight * error * input of the edge r1, flags as of it; to next if error or input is 0. Spoils
@ r4, r6. 18 cycles.
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
    subs r6, #WEIGHT_BIAS
    muls r5, r6, r5
    .endm

@ DENSE_ROW o: the row of the table for output o of the group, r4 its errors: inputs 2, 3, 0, 1, + 3 - o. Spoils r5.
@ 15 cycles, 14 for o = 3.
    .macro DENSE_ROW o
    ldrb r5, [r4, #\o]
    lsls r5, r5, #24
    .if \o < 3
    adds r5, #(3 - \o)
    .endif
    str r5, [r7, #(TABLE + 16 * \o + 8)]
    adds r5, #1
    str r5, [r7, #(TABLE + 16 * \o + 12)]
    adds r5, #1
    str r5, [r7, #(TABLE + 16 * \o)]
    adds r5, #1
    str r5, [r7, #(TABLE + 16 * \o + 4)]
    .endm

@ MOVED name, chain, k: what SCORE_FALL or SCORE_RISE does away: the edge moves from bin to bin; after the last that
@ may, the histogram is given up and the chains that do not count go on. 28 cycles with the way there and back.
    .macro MOVED name, chain, k
.L\name\()_\chain\()_count\k:
    ldr r4, [r7, #LEFT]
    subs r4, #1
    bmi .Lgiven_up\@
    str r4, [r7, #LEFT]
    ldr r4, [r7, #BINS]
    MOVE_COUNT r5, r6, bins=r4, spare=r4
    b .L\name\()_\chain\()_next\k
.Lgiven_up\@:
    ldr r4, [r7, #BINS]
    movs r5, #0
    strh r5, [r4]
    b .Ldense_\chain\()_next\k
    .endm

@ DENSE_CHAINS name, away: both chains, and what is beside them within reach of their branches. At most 41 cycles an
@ edge, and what is done away.
    .macro DENSE_CHAINS name, away
    FIX \name, fall, 0, dense
    FIX \name, fall, 1, dense
    FIX \name, fall, 2, dense
    FIX \name, fall, 3, dense
    SCORE_LOW \name, 0, r5
    SCORE_LOW \name, 1, r5
    SCORE_LOW \name, 2, r5
    SCORE_LOW \name, 3, r5
    FALL_EDGE \name, 0, DENSE_PRODUCT, away=\away
    FALL_EDGE \name, 1, DENSE_PRODUCT, away=\away
    FALL_EDGE \name, 2, DENSE_PRODUCT, away=\away
    FALL_EDGE \name, 3, DENSE_PRODUCT, away=\away
    NEXT \name, fall, dense
    RISE_EDGE \name, 0, DENSE_PRODUCT, half=r10, away=\away
    RISE_EDGE \name, 1, DENSE_PRODUCT, half=r10, away=\away
    RISE_EDGE \name, 2, DENSE_PRODUCT, half=r10, away=\away
    RISE_EDGE \name, 3, DENSE_PRODUCT, half=r10, away=\away
    NEXT \name, rise, dense
    FIX \name, rise, 0, dense
    FIX \name, rise, 1, dense
    FIX \name, rise, 2, dense
    FIX \name, rise, 3, dense
    SCORE_HIGH \name, 0, r5
    SCORE_HIGH \name, 1, r5
    SCORE_HIGH \name, 2, r5
    SCORE_HIGH \name, 3, r5
    .endm

    FUNCTION m0k_sparse_dense
    SAVE_ALL
    sub sp, #DENSE_FRAME
    mov r7, sp

@ The registers of the chains, the index at -1 - 4 * P, before the first gap.
    ldr r3, [r0, #SPARSE_DENSE_SHIFT]
    ROUND_HALVES r1, r3
    mov r10, r1
    ldr r4, [r0, #SPARSE_DENSE_N_IN]
    WORDS r4
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
    lsrs r5, r5, #4
    str r5, [r7, #LEFT]
    ldr r4, [r0, #SPARSE_DENSE_HISTOGRAM]
    cmp r4, #0
    beq .Ldense_bins
    ldrh r5, [r4]
    cmp r5, #0
    bne .Ldense_bins
    movs r4, #0
.Ldense_bins:
    str r4, [r7, #BINS]
    ldr r4, [r0, #SPARSE_DENSE_ERROR]
    ldr r0, [r0, #SPARSE_DENSE_GAPS]
    mov r6, pc                      @ behind the branch
    b .Ldense_table
    mov r5, lr
    subs r5, r5, r2
    ldr r4, [r7, #BINS]
    cmp r4, #0
    bne .Ldense_counted
    START dense
.Ldense_counted:
    START counted
.Ldense_done:
    add sp, #DENSE_FRAME
    RETURN_ALL

@ The index r1 past its group, r5 = gap - 1: the group that it is in, and its table. r6 where to go then; r4, r5 free.
.Ldense_fix:
    adds r5, #1
    beq .Ldense_zero
.Ldense_group:
    ldr r4, [sp, #ERRORS]
    mov r5, r9
.Ldense_next_group:
    adds r4, #4
    add r11, r5
    subs r1, r1, r5
    bcs .Ldense_next_group
.Ldense_table:
    str r4, [sp, #ERRORS]
    DENSE_ROW 0
    DENSE_ROW 1
    DENSE_ROW 2
    DENSE_ROW 3
    mov pc, r6
.Ldense_zero:
    FIX_ZERO .Ldense_group

    DENSE_CHAINS dense
    DENSE_CHAINS counted, away=1
    MOVED counted, fall, 0
    MOVED counted, fall, 1
    MOVED counted, fall, 2
    MOVED counted, fall, 3
    MOVED counted, rise, 0
    MOVED counted, rise, 1
    MOVED counted, rise, 2
    MOVED counted, rise, 3
    END_FUNCTION m0k_sparse_dense

@ ----------------------------------------------------------------------------------------------- m0k_sparse_grad
@ r0 gaps, r1 index in the group - 4 * P, r2 score, r3 shift, r4 end of the group's weights, r5 product, r6 score, r7
@ table: place in the group's four rows of grad, less the index, for each r1 % 16; r8 half, r9 4 * P, r10 grad of the
@ group + 4 * P, r11 16 * P, r12 half - 1, lr end of scores.
    .equ GRAD_FRAME, 64             @ the table

@ GRAD_PRODUCT next: r5 = weight * gradient of the edge r1, flags as of it. Spoils r6. 11 cycles.
    .macro GRAD_PRODUCT next
    lsls r5, r1, #28
    lsrs r5, r5, #26
    ldr r5, [r7, r5]
    add r5, r10
    ldr r5, [r1, r5]
    ldrb r6, [r4, r1]
    subs r6, #WEIGHT_BIAS
    muls r5, r6, r5
    .endm

    FUNCTION m0k_sparse_grad
    SKIP_INACTIVE SPARSE_GRAD_ACTIVE
    SAVE_ALL
    sub sp, #GRAD_FRAME
    ldr r3, [r0, #SPARSE_GRAD_SHIFT]
    ROUND_HALVES r1, r3
    mov r12, r1
    ldr r4, [r0, #SPARSE_GRAD_N_IN]
    GROUP_BYTES r4
    mov r9, r4
    lsls r1, r4, #2
    mov r11, r1

@ The table: r1, r2, r5, r6 its row, for inputs 2, 3, 0, 1; r4 from row to row: a row of grad, less the row's part of
@ the index.
    subs r4, #4
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

@ The registers of the chains, the index at -1 - 4 * P, before the first gap.
    mov r7, sp
    ldr r1, [r0, #SPARSE_GRAD_GRAD]
    add r1, r9
    mov r10, r1
    ldr r4, [r0, #SPARSE_GRAD_WEIGHTS]
    add r4, r9
    mov r1, r9
    mvns r1, r1
    ldr r2, [r0, #SPARSE_GRAD_PASSED]
    subs r1, r1, r2
    ldr r2, [r0, #SPARSE_GRAD_SCORES]
    ldr r5, [r0, #SPARSE_GRAD_COUNT]
    ldr r0, [r0, #SPARSE_GRAD_GAPS]
    adds r6, r2, r5
    mov lr, r6
    cmp r5, #0
    beq .Lgrad_done
    START grad
.Lgrad_done:
    add sp, #GRAD_FRAME
    RETURN_ALL

@ The index r1 past its group, r5 = gap - 1: the group that it is in. r6 where to go then; r5 free.
.Lgrad_fix:
    adds r5, #1
    beq .Lgrad_zero
.Lgrad_group:
    mov r5, r9
    add r4, r5
    add r10, r11
    subs r1, r1, r5
    bcs .Lgrad_group
    mov pc, r6
.Lgrad_zero:
    FIX_ZERO .Lgrad_group

    FIX grad, fall, 0, grad
    FIX grad, fall, 1, grad
    FIX grad, fall, 2, grad
    FIX grad, fall, 3, grad
@ Scores that fall.
    FALL_EDGE grad, 0, GRAD_PRODUCT
    FALL_EDGE grad, 1, GRAD_PRODUCT
    FALL_EDGE grad, 2, GRAD_PRODUCT
    FALL_EDGE grad, 3, GRAD_PRODUCT
    NEXT grad, fall, grad
    SCORE_LOW grad, 0, r5
    SCORE_LOW grad, 1, r5
    SCORE_LOW grad, 2, r5
    SCORE_LOW grad, 3, r5
@ Scores that rise.
    RISE_EDGE grad, 0, GRAD_PRODUCT, half=r12
    RISE_EDGE grad, 1, GRAD_PRODUCT, half=r12
    RISE_EDGE grad, 2, GRAD_PRODUCT, half=r12
    RISE_EDGE grad, 3, GRAD_PRODUCT, half=r12
    NEXT grad, rise, grad
    SCORE_HIGH grad, 0, r5
    SCORE_HIGH grad, 1, r5
    SCORE_HIGH grad, 2, r5
    SCORE_HIGH grad, 3, r5
    FIX grad, rise, 0, grad
    FIX grad, rise, 1, grad
    FIX grad, rise, 2, grad
    FIX grad, rise, 3, grad
    END_FUNCTION m0k_sparse_grad
