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
 * Cycles of a row at most 160 + 43 * (n / 64) + 18 * edges + 6 * equal + 7 * far (tested), where edges counts the scored
 * edges in the row, equal those whose score is cut, and far the gaps of 0: 0.7 an edge for the copy, 16 to 18 a
 * scored edge.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "m0k.inc"

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
.Lcopy:
    mov r3, r8
    ldr r2, [r3, #ROWS_SPARSE_ROW_BYTES]@ row_bytes
    muls r1, r2, r1                 @ storage index of the row
    mov ip, r1
    ldr r0, [r3, #ROWS_SPARSE_WEIGHTS]
    adds r0, r0, r1
    ldr r1, [r3, #ROWS_SPARSE_SCRATCH]
    adds r7, r1, r2                 @ end of scratch
    lsrs r2, r2, #6
    beq .Lsingly
.Lfour:
    ldm r0!, {r3, r4, r5, r6}
    stm r1!, {r3, r4, r5, r6}
    ldm r0!, {r3, r4, r5, r6}
    stm r1!, {r3, r4, r5, r6}
    ldm r0!, {r3, r4, r5, r6}
    stm r1!, {r3, r4, r5, r6}
    ldm r0!, {r3, r4, r5, r6}
    stm r1!, {r3, r4, r5, r6}
    subs r2, #1
    bne .Lfour
.Lsingly:
    cmp r1, r7
    beq .Lcopied
    ldm r0!, {r3, r4, r5, r6}
    stm r1!, {r3, r4, r5, r6}
    b .Lsingly
.Lcopied:
    mov r0, r8
    mov r1, r9
    ldr r2, [r1, #0]                @ next edge
    mov r3, ip
    subs r2, r2, r3
    ldr r3, [r0, #ROWS_SPARSE_ROW_BYTES]
    cmp r2, r3
    bhs .Lreturn                    @ none in this row
    ldr r7, [r0, #ROWS_SPARSE_SCRATCH]
    mov lr, r7                      @ scratch
    adds r2, r7, r2                 @ the edge's place there
    adds r7, r7, r3                 @ end
    ldr r3, [r1, #4]                @ gaps
    ldr r4, [r1, #8]                @ scores
    ldr r5, [r0, #ROWS_SPARSE_SELECTION]
    ldr r5, [r5]                    @ cut
    ldr r6, [r1, #12]
    mov r8, r6                      @ ties left; the context comes back from the stack no more
    ldr r6, [r0, #ROWS_SPARSE_SCORES]
    ldr r1, [r0, #ROWS_SPARSE_COUNT]
    adds r6, r6, r1                 @ end of scores
    subs r4, r4, r6                 @ counts up to 0
    movs r1, #128
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
    add r2, ip
.Lstore:
    adds r4, r6, r4                 @ an address again
    mov r5, r8
    movs r0, r2
    mov r1, r9
    stm r1!, {r0, r3, r4, r5}
    mov r0, lr
    b .Lout
.Lfar:
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
.Lreturn:
    ldr r0, [r0, #ROWS_SPARSE_SCRATCH]
.Lout:
    pop {r4, r5}
    mov r8, r4
    mov r9, r5
    pop {r4-r7, pc}
    END_FUNCTION m0k_sparse_rows

@ The state in r2 before the first edge, for the context in r0. Changes r2-r7.
    LOCAL_FUNCTION m0k_sparse_reset
    movs r3, #0
    mvns r3, r3                     @ index -1, or none
    ldr r4, [r0, #ROWS_SPARSE_GAPS]
    ldr r5, [r0, #ROWS_SPARSE_SCORES]
    ldr r6, [r0, #ROWS_SPARSE_SELECTION]
    ldr r6, [r6, #4]
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
    stm r2!, {r3, r4, r5, r6}
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
    sub sp, #16                     @ the state
    mov r2, sp
    movs r1, #0
    bl m0k_sparse_rows              @ the block begins as a context does
    add sp, #16
    pop {r4, pc}
    END_FUNCTION m0k_sparse_copy
