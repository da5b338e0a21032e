/*
 * m0k_loss(const m0k_loss_t *p): the error of integer cross-entropy at the last layer.
 *
 *   E = clamp(*exponent_address, -15, 7); z_j = (o_j * 47274) >> (15 - E) (47274 / 2^15 is log2 e);
 *   z_j = max(0, z_j - (max z - 10)); n_j = 2^z_j - 1; g_j = floor(n_j * 2048 / sum n); g_label -= sum g;
 *   error_j = sat(psto_shift(g_j, 4)).
 *
 * Shapes    classes 1 .. 65,535. error: classes bytes are written, one by one.
 * Ranges    logits -127 .. 127, *label < classes. Alignment 4 for what holds words, 1 for logits and error.
 * Stack     36 bytes.
 * Division  n_j <= 1,023 <= sum n, since the largest logit has n = 1,023: the quotient is 0 .. 2,048, one comparison
 *           and eleven steps of shift and subtract. It is skipped where n_j = 0.
 * Cycles    at most 100 + 120 classes; 62 fewer for each class with n_j = 0. Cortex-M0+.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "m0k.inc"


@ r4 = z of the logit r4: r8 = 47274, r9 = 15 - E. Clobbers r5.
    .macro LOG2
    mov r5, r8
    muls r4, r5, r4
    mov r5, r9
    asrs r4, r5
    .endm

@ r4 = n of logit r1 of r0, r3 = max z - 10. Clobbers r5.
    .macro NUMERATOR
    ldrsb r4, [r0, r1]
    LOG2
    subs r4, r4, r3
    asrs r5, r4, #31
    bics r4, r5
    movs r5, #1
    lsls r5, r4
    subs r4, r5, #1
    .endm

@ r5 = min(psto_shift(r4, 4), 127), r4 >= 0: quarters of the rest, q > u, decide. Clobbers r4, r6.
    .macro PSTO
    lsrs r5, r4, #4
    lsls r6, r4, #30
    lsrs r6, r6, #30
    lsls r4, r4, #28
    lsrs r4, r4, #30
    subs r6, r6, r4
    lsrs r6, r6, #31
    adds r5, r5, r6
    cmp r5, #127
    bls 9f
    movs r5, #127
9:
    .endm

    FUNCTION m0k_loss, align=1
    SAVE_ALL
    mov r12, r0
    ldr r4, .Llog2_e
    mov r8, r4
    ldr r1, [r0, #LOSS_EXPONENT_ADDRESS]
    ldr r1, [r1]
    cmp r1, #7
    ble 1f
    movs r1, #7
1:  movs r2, #15
    rsbs r3, r2, #0
    cmp r1, r3
    bge 2f
    movs r1, r3
2:  subs r2, r2, r1
    mov r9, r2
    ldr r2, [r0, #LOSS_CLASSES]
    ldr r0, [r0, #LOSS_LOGITS]

    subs r1, r2, #1
    ldrsb r4, [r0, r1]              @ the largest logit
    b 4f
3:  ldrsb r5, [r0, r1]
    cmp r5, r4
    ble 4f
    movs r4, r5
4:  subs r1, #1
    bpl 3b
    LOG2
    subs r4, #10
    movs r3, r4

    subs r1, r2, #1
    movs r2, #0                     @ sum n
5:  NUMERATOR
    adds r2, r2, r4
    subs r1, #1
    bpl 5b

    mov r4, r12
    ldr r5, [r4, #LOSS_ERROR]
    mov r10, r5
    ldr r5, [r4, #LOSS_LABEL]
    ldr r5, [r5]
    mov r11, r5
    ldr r1, [r4, #LOSS_CLASSES]
    movs r7, #0                     @ sum g
    movs r6, #0
    mov lr, r6                      @ g of the label
    b 8f
6:  NUMERATOR
    movs r5, r4
    beq 7f
    movs r4, #0                     @ r4 = quotient of r5 * 2048 by r2
    cmp r5, r2
    blo 1f
    subs r5, r5, r2
1:  adcs r4, r4
    .rept 11
    adds r5, r5, r5
    cmp r5, r2
    blo 1f
    subs r5, r5, r2
1:  adcs r4, r4
    .endr
    adds r7, r7, r4
    cmp r1, r11
    bne 2f
    mov lr, r4
2:  PSTO
7:  mov r6, r10
    strb r5, [r6, r1]
8:  subs r1, #1
    bpl 6b

    mov r4, lr                      @ the label's g is g - sum g <= 0
    subs r4, r7, r4
    PSTO
    rsbs r5, r5, #0
    mov r6, r10
    mov r1, r11
    strb r5, [r6, r1]

    RETURN_ALL
    .p2align 2
.Llog2_e:
    .word 47274
    END_FUNCTION m0k_loss
