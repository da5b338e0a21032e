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
 * int8[n_out] and in int8[n_in] of -127..127; grad int32[n_out][P], P = n_in rounded up to 4, 4-aligned; weights
 * u8 = w + 128 as an edge array, 4-aligned (groups of four outputs, 16 bytes an input word, bytes in the order of
 * inputs 2, 3, 0, 1). n_out is not read. shift 0..24, to nearest, ties away from zero. |w * grad| + max(2^(shift-1),
 * 255) is below 2^31.
 *
 * Stack: 40 bytes (m0k_sparse_dense), 104 (m0k_sparse_grad).
 * Cycles, groups = groups of outputs passed: m0k_sparse_dense at most 90 + 9 * groups + 8 * (gaps of 0) + 48 * count,
 *     19 for an edge whose error is 0, 30 for one whose input is 0; m0k_sparse_grad at most 240 + 10 * groups
 *     + 8 * (gaps of 0) + 39 * count.
 *
 * An edge's output in its group is bits 2..3 of its index, its input 4 * (bits from 4 on) + (bits 0..1 + 2) % 4.
 */
        .syntax unified
        .cpu    cortex-m0plus
        .thumb

.macro  ENTER
        push    {r4-r7, lr}
        mov     r4, r8
        mov     r5, r9
        mov     r6, r10
        mov     r7, r11
        push    {r4-r7}
.endm

.macro  LEAVE
        pop     {r4-r7}
        mov     r8, r4
        mov     r9, r5
        mov     r10, r6
        mov     r11, r7
        pop     {r4-r7, pc}
.endm

/* r8 = 2^(shift-1) and r1 = that less 1, which sends ties of negative products away from zero; both 0 for shift 0. */
.macro  ROUNDING
        movs    r1, #1
        lsls    r1, r3
        lsrs    r1, r1, #1
        mov     r8, r1
        beq     1f
        subs    r1, #1
1:
.endm

/* S -= the product r5 rounded, flags are the product's; then the next edge, or the end. */
.macro  UPDATE  name
        bmi     2f
        add     r5, r8
        asrs    r5, r3
        beq     .L\name\()_same
        ldrb    r6, [r2]
        subs    r6, r6, r5
        ble     3f
1:      strb    r6, [r2]
        adds    r2, #1
        cmp     r2, lr
        bne     .L\name\()_next
        b       .L\name\()_done
2:      add     r5, r10
        asrs    r5, r3
        bpl     .L\name\()_same
        ldrb    r6, [r2]
        subs    r6, r6, r5
        cmp     r6, #255
        bhi     4f
5:      strb    r6, [r2]
        adds    r2, #1
        cmp     r2, lr
        bne     .L\name\()_next
        b       .L\name\()_done
3:      movs    r6, #1
        b       1b
4:      movs    r6, #255
        b       5b
.endm

/* r0 gaps, r1 index in the group, r2 score, r3 shift, r4 errors of the group; r8 half, r9 4 * P, r10 half - 1,
 * r11 weights of the group, r12 in, lr end of scores. */
        .section .text.m0k_sparse_dense, "ax", %progbits
        .balign 4
        .global m0k_sparse_dense
        .type   m0k_sparse_dense, %function
        .thumb_func
m0k_sparse_dense:
        ENTER
        sub     sp, #4
        mov     r7, r0
        ldr     r3, [r7, #32]
        ROUNDING
        mov     r10, r1
        ldr     r1, [r7, #24]
        adds    r1, #3
        lsrs    r1, r1, #2
        lsls    r1, r1, #4
        mov     r9, r1
        ldr     r4, [r7, #0]
        ldr     r1, [r7, #8]
        mov     r11, r1
        ldr     r1, [r7, #4]
        mov     r12, r1
        ldr     r0, [r7, #16]
        ldr     r2, [r7, #12]
        ldr     r5, [r7, #20]
        movs    r1, #0
        subs    r1, #1
        adds    r5, r2, r5
        mov     lr, r5
        cmp     r2, r5
        bne     .Ldense_next
.Ldense_done:
        add     sp, #4
        LEAVE
.Ldense_empty:
        adds    r1, #255
        b       .Ldense_next
.Ldense_group:
        mov     r5, r9
        subs    r1, r1, r5
        add     r11, r5
        adds    r4, #4
        cmp     r1, r9
        bhs     .Ldense_group
        b       .Ldense_edge

.Ldense_same:
        adds    r2, #1
        cmp     r2, lr
        beq     .Ldense_done
.Ldense_next:
        ldrb    r5, [r0]
        adds    r0, #1
        cmp     r5, #0
        beq     .Ldense_empty
        adds    r1, r1, r5
        cmp     r1, r9
        bhs     .Ldense_group
.Ldense_edge:
        lsls    r5, r1, #28
        lsrs    r5, r5, #30
        ldrsb   r5, [r4, r5]
        cmp     r5, #0
        beq     .Ldense_same
        adds    r6, r1, #2
        lsls    r6, r6, #30
        lsrs    r6, r6, #30
        lsrs    r7, r1, #4
        lsls    r7, r7, #2
        add     r7, r12
        ldrsb   r6, [r7, r6]
        muls    r5, r6, r5
        beq     .Ldense_same
        mov     r6, r11
        ldrb    r6, [r6, r1]
        subs    r6, #128
        muls    r5, r6, r5
        UPDATE  dense
        .size   m0k_sparse_dense, . - m0k_sparse_dense

/* r0 gaps, r1 weight, r2 score, r3 shift, r4 grad of the group + index in the group, r7 table: what to add to r4 for
 * each r1 % 16; r8 half, r9 4 * P, r10 half - 1, r11 end of the group's weights, r12 12 * P, lr end of scores. */
        .section .text.m0k_sparse_grad, "ax", %progbits
        .balign 4
        .global m0k_sparse_grad
        .type   m0k_sparse_grad, %function
        .thumb_func
m0k_sparse_grad:
        ENTER
        sub     sp, #68
        mov     r7, r0
        ldr     r3, [r7, #28]
        ROUNDING
        mov     r10, r1
        ldr     r1, [r7, #20]
        adds    r1, #3
        lsrs    r1, r1, #2
        lsls    r1, r1, #4
        mov     r9, r1
        lsls    r2, r1, #1
        adds    r2, r2, r1
        mov     r12, r2
        mov     r6, r7
        subs    r1, #4                  /* for a place in a group's 16 bytes: row + 4 * input, less the place itself */
        movs    r2, #8
        movs    r3, #11
        movs    r4, #2
        negs    r4, r4
        movs    r5, #1
        ldr     r0, [r6, #4]            /* rows begin where the address % 16 says */
        lsls    r0, r0, #28
        lsrs    r0, r0, #26
        add     r0, sp
        mov     r7, sp
        adds    r7, #64
        b       2f
1:      subs    r0, #64
        b       3f
2:      cmp     r0, r7
        beq     1b
3:      stm     r0!, {r2-r5}
        adds    r2, r2, r1
        adds    r3, r3, r1
        adds    r4, r4, r1
        adds    r5, r5, r1
        cmp     r2, r12                 /* 8 + 4 * (4 * P - 4) at the end */
        ble     2b
        mov     r7, r6
        ldr     r3, [r7, #28]
        ldr     r6, [r7, #4]
        mov     r1, r9
        adds    r1, r6, r1
        mov     r11, r1
        subs    r1, r6, #1
        ldr     r0, [r7, #12]
        ldr     r2, [r7, #8]
        ldr     r4, [r7, #16]
        adds    r4, r2, r4
        mov     lr, r4
        ldr     r4, [r7, #0]
        subs    r4, #1
        mov     r7, sp
        cmp     r2, lr
        bne     .Lgrad_next
.Lgrad_done:
        add     sp, #68
        LEAVE
.Lgrad_empty:
        adds    r1, #255
        adds    r4, #255
        b       .Lgrad_next
.Lgrad_group:
        add     r11, r9
        add     r4, r12                 /* four rows on, and back by the group's 4 * P */
        cmp     r1, r11
        bhs     .Lgrad_group
        b       .Lgrad_edge

.Lgrad_same:
        adds    r2, #1
        cmp     r2, lr
        beq     .Lgrad_done
.Lgrad_next:
        ldrb    r5, [r0]
        adds    r0, #1
        cmp     r5, #0
        beq     .Lgrad_empty
        adds    r1, r1, r5
        adds    r4, r4, r5
        cmp     r1, r11
        bhs     .Lgrad_group
.Lgrad_edge:
        lsls    r5, r1, #28
        lsrs    r5, r5, #26
        ldr     r5, [r7, r5]
        ldr     r5, [r4, r5]
        ldrb    r6, [r1]
        subs    r6, #128
        muls    r5, r6, r5
        UPDATE  grad
        .size   m0k_sparse_grad, . - m0k_sparse_grad
