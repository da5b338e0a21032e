/*
 * PRIOT-S: weights with the pruned ones of a sparse list of scored edges set to 128 (w = 0); the others always stay.
 *
 * const uint8_t *m0k_rows_sparse(const void *c, uint32_t group)
 *     c = { weights, scores, selection, gaps, count, scratch, row_bytes, state }. Copies the bytes group * row_bytes
 *     and up of weights to scratch, patches them, returns scratch. Groups are asked for in order, each once.
 * void m0k_sparse_copy(const m0k_sparse_copy_t *p)
 *     p = { weights, scores, selection, gaps, count, out, n }. The same for all n bytes at once.
 *
 * weights    uint8, 4-aligned; row_bytes and n multiples of 16 from 0.
 * gaps       uint8, any alignment. 1 .. 255: distance to the next scored edge, the first from index -1; 0: 255 further,
 *            no edge. The list is read only as far as its `count` edges need.
 * count      scored edges (gaps of 0 not counted), from 0.
 * scores     uint8[count], 1 .. 255, any alignment, in the order of the list.
 * selection  {cut, ties} over these scores, as m0k_select gives it.
 * state      FOUR words: {next scored edge's storage index, 0xFFFFFFFF behind the last; address of its successor's
 *            gap; address of its score; ties left}. Set at group 0.
 *
 * Saturation none. Stack: rows_sparse 36 bytes, sparse_copy 52.
 * Cycles of a row at most 160 + 43 * (n / 64) + 18 * edges + 6 * equal + 7 * far (tested), where edges counts the
 * scored edges in the row, equal those whose score is cut, and far the gaps of 0: 0.7 an edge for the copy, 16 to 18 a
 * scored edge.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "m0k.inc"

@ The state: four words, the last of them the ties left.
    .equ STATE_NEXT, 0              @ storage index of the next scored edge, 0xFFFFFFFF behind the last
    .equ STATE_GAP, 4               @ address of its successor's gap
    .equ STATE_SCORE, 8             @ address of its score
    .equ STATE_TIES, 12
    .equ STATE_BYTES, 16

@ COPY_16: 16 bytes from r0 to r1, both move on. Spoils r3-r6. 10 cycles.
    .macro COPY_16
    ldm r0!, {r3, r4, r5, r6}
    stm r1!, {r3, r4, r5, r6}
    .endm

@ r0 context, r1 group, r2 state; returns scratch.
    LOCAL_FUNCTION m0k_sparse_rows
    push {r4-r7, lr}
    mov r4, r8
    mov r5, r9
    push {r4, r5}
    mov r8, r0
    mov r9, r2
    cmp r1, #0
    bne .Lcopy
    bl m0k_sparse_reset

@ The row as it is: r0 weights, r1 scratch, r2 blocks of 64 left, r3-r6 words, r7 end of scratch, r8 context, r9 state,
@ r12 storage index of the row; lr free.
.Lcopy:
    mov r3, r8
    ldr r2, [r3, #ROWS_SPARSE_ROW_BYTES]
    muls r1, r2, r1
    mov r12, r1
    ldr r0, [r3, #ROWS_SPARSE_WEIGHTS]
    adds r0, r0, r1
    ldr r1, [r3, #ROWS_SPARSE_SCRATCH]
    adds r7, r1, r2
    lsrs r2, r2, #6
    beq .Lsingly
.Lfour:
    COPY_16
    COPY_16
    COPY_16
    COPY_16
    subs r2, #1
    bne .Lfour
.Lsingly:
    cmp r1, r7
    beq .Lcopied
    COPY_16
    b .Lsingly

@ Is there a scored edge in this row? r2 = the next one's place in it.
.Lcopied:
    mov r0, r8
    mov r1, r9
    ldr r2, [r1, #STATE_NEXT]
    mov r3, r12
    subs r2, r2, r3
    ldr r3, [r0, #ROWS_SPARSE_ROW_BYTES]
    cmp r2, r3
    bhs .Lnone

@ The row's scored edges: r0 score or gap, r1 WEIGHT_BIAS, r2 the edge in scratch, r3 gaps, r4 score's address - r6,
@ counting up to 0, r5 cut, r6 end of scores, r7 end of scratch, r8 ties left, r9 state, r12 as above, lr scratch.
    ldr r7, [r0, #ROWS_SPARSE_SCRATCH]
    mov lr, r7
    adds r2, r7, r2
    adds r7, r7, r3
    ldr r3, [r1, #STATE_GAP]
    ldr r4, [r1, #STATE_SCORE]
    ldr r5, [r0, #ROWS_SPARSE_SELECTION]
    ldr r5, [r5, #SELECTION_CUT]
    ldr r6, [r1, #STATE_TIES]
    mov r8, r6                      @ the context is not needed any more
    ldr r6, [r0, #ROWS_SPARSE_SCORES]
    ldr r1, [r0, #ROWS_SPARSE_COUNT]
    adds r6, r6, r1
    subs r4, r4, r6
    movs r1, #WEIGHT_BIAS           @ a weight of 0
.Ledge:
    ldrb r0, [r6, r4]
    cmp r0, r5
    bhi .Lkept
    beq .Ltie
.Lprune:
    strb r1, [r2]
.Lkept:
    adds r4, #1
    beq .Llast
.Lgap:
    ldrb r0, [r3]
    adds r3, #1
    cmp r0, #0
    beq .Lfar
    adds r2, r2, r0
    cmp r2, r7
    blo .Ledge
    mov r0, lr
    subs r2, r2, r0
    add r2, r12

@ The state for the next row, r2 = the next edge's storage index.
.Lstore:
    adds r4, r6, r4                 @ an address again
    mov r5, r8
    movs r0, r2
    mov r1, r9
    stm r1!, {r0, r3, r4, r5}       @ STATE_NEXT, _GAP, _SCORE, _TIES
    mov r0, lr
    b .Lout
.Lfar:                              @ a gap of 0: 255 further, no edge
    adds r2, #255
    b .Lgap
.Ltie:
    mov r0, r8
    subs r0, #1
    blo .Lprune
    mov r8, r0
    b .Lkept
.Llast:
    movs r2, #0
    mvns r2, r2
    b .Lstore
.Lnone:
    ldr r0, [r0, #ROWS_SPARSE_SCRATCH]
.Lout:
    pop {r4, r5}
    mov r8, r4
    mov r9, r5
    pop {r4-r7, pc}
    END_FUNCTION m0k_sparse_rows

@ The state in r2 before the first edge, for the context in r0: r3 index from -1, or -1 for none, r4 gaps, r5 scores, r6
@ ties, r7 a gap. Spoils r2-r7.
    LOCAL_FUNCTION m0k_sparse_reset
    movs r3, #0
    mvns r3, r3
    ldr r4, [r0, #ROWS_SPARSE_GAPS]
    ldr r5, [r0, #ROWS_SPARSE_SCORES]
    ldr r6, [r0, #ROWS_SPARSE_SELECTION]
    ldr r6, [r6, #SELECTION_TIES]
    ldr r7, [r0, #ROWS_SPARSE_COUNT]
    cmp r7, #0
    beq .Lreset
.Lfirst:
    ldrb r7, [r4]
    adds r4, #1
    adds r3, r3, r7
    cmp r7, #0
    bne .Lreset
    adds r3, #255
    b .Lfirst
.Lreset:
    stm r2!, {r3, r4, r5, r6}       @ STATE_NEXT, _GAP, _SCORE, _TIES
    bx lr
    END_FUNCTION m0k_sparse_reset

    FUNCTION m0k_rows_sparse
    push {r4, lr}
    ldr r2, [r0, #ROWS_SPARSE_STATE]
    bl m0k_sparse_rows
    pop {r4, pc}
    END_FUNCTION m0k_rows_sparse

    FUNCTION m0k_sparse_copy
    push {r4, lr}
    sub sp, #STATE_BYTES
    mov r2, sp
    movs r1, #0
    bl m0k_sparse_rows              @ the block begins as a context does
    add sp, #STATE_BYTES
    pop {r4, pc}
    END_FUNCTION m0k_sparse_copy
