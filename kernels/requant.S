/*
 * m0k_requant(const m0k_requant_t *p): dynamic requantisation of a tensor.
 *
 *   shift = max(0, bit length of max|acc| - 7); out[i] = sat(round_shift(acc[i], shift)), max(., 0) with relu, 0 where
 *   gate[i] == 0. Unless exponent is 0: *exponent = *exponent_in + exponent_w + shift.
 *
 * Shapes    n 1 or more. out: n bytes are written, one by one; gate: n bytes are read.
 * Ranges    |acc| <= 2^30. Alignment 4 for acc and the exponents, 1 for out and gate.
 * Stack     20 bytes.
 *
 * The bit length is that of the OR of all |acc|. After the shift |y| <= 128, 128 only by rounding up.
 * Cycles    at most 90 + 5 shift + n * (17.5 with relu, 20.5 without, 28 gated, of these 20 where gate is 0; 27.5 with
 *           relu and gate) + 3 for each output that rounds to 128 without relu. Cortex-M0+.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "m0k.inc"


@ r2 |= |\x|. Clobbers r7. 4 cycles.
    .macro OR_MAGNITUDE x
    asrs r7, \x, #31
    eors \x, r7
    subs \x, \x, r7
    orrs r2, \x
    .endm

@ \x requantised with ReLU. r2 = rounding, r3 = shift. Clobbers r7. 6 cycles.
    .macro RELU x
    adds \x, \x, r2
    asrs \x, r3
    asrs r7, \x, #31
    bics \x, r7
    lsrs r7, \x, #7                 @ 128 becomes 127
    subs \x, \x, r7
    .endm

@ \x requantised. r2 = rounding, r3 = shift, r6 = -1, or 0 when nothing is shifted. Clobbers r7. 9 cycles.
    .macro PLAIN x, saturate
    asrs r7, \x, #31
    ands r7, r6
    adds \x, \x, r7
    adds \x, \x, r2
    asrs \x, r3
    movs r7, \x
    adds r7, #127
    cmp r7, #254
    bhi \saturate
    .endm

@ 128 to 127, -128 to -127.
    .macro TO_127 x
    asrs r7, \x, #7                 @ 1 or -1
    subs \x, \x, r7
    .endm

    FUNCTION m0k_requant, align=1
    push {r4-r7, lr}
    mov r12, r0
    ldr r1, [r0, #REQUANT_N]
    ldr r0, [r0, #REQUANT_ACC]
    lsls r3, r1, #2
    adds r3, r3, r0
    mov lr, r3                      @ end of acc
    movs r2, #0
    movs r3, #3
    ands r1, r3
    beq 2f
1:  ldm r0!, {r3}
    OR_MAGNITUDE r3
    subs r1, #1
    bne 1b
2:  cmp r0, lr
    beq 4f
3:  ldm r0!, {r3, r4, r5, r6}
    OR_MAGNITUDE r3
    OR_MAGNITUDE r4
    OR_MAGNITUDE r5
    OR_MAGNITUDE r6
    cmp r0, lr
    bne 3b
4:  movs r3, #0
    b 6f
5:  adds r3, #1
    lsrs r2, r2, #1
6:  cmp r2, #127
    bhi 5b

    mov r0, r12
    ldr r4, [r0, #REQUANT_EXPONENT]
    cmp r4, #0
    beq 7f
    ldr r5, [r0, #REQUANT_EXPONENT_IN]
    ldr r5, [r5]
    ldr r6, [r0, #REQUANT_EXPONENT_W]
    adds r5, r5, r6
    adds r5, r5, r3
    str r5, [r4]
7:  movs r2, #1
    lsls r2, r3
    lsrs r2, r2, #1                 @ rounding
    rsbs r6, r2, #0
    asrs r6, r6, #31                @ -1, or 0 when nothing is shifted
    ldr r1, [r0, #REQUANT_OUT]
    ldr r4, [r0, #REQUANT_RELU]
    ldr r5, [r0, #REQUANT_GATE]
    ldr r7, [r0, #REQUANT_N]
    ldr r0, [r0, #REQUANT_ACC]
    cmp r4, #0
    bne .Lrelu
    cmp r5, #0
    bne .Lgated

    lsrs r7, r7, #1                 @ n is odd?
    bcc 3f
    ldm r0!, {r5}
    subs r1, #1
    b 2f
1:  ldm r0!, {r4, r5}
    PLAIN r4, 5f
4:  strb r4, [r1]
2:  PLAIN r5, 6f
7:  strb r5, [r1, #1]
    adds r1, #2
3:  cmp r0, lr
    bne 1b
    pop {r4-r7, pc}
5:  TO_127 r4
    b 4b
6:  TO_127 r5
    b 7b

.Lgated:
1:  ldm r0!, {r4}
    ldrb r7, [r5]
    adds r5, #1
    cmp r7, #0
    beq 4f
    PLAIN r4, 3f
2:  strb r4, [r1]
    adds r1, #1
    cmp r0, lr
    bne 1b
    pop {r4-r7, pc}
3:  TO_127 r4
    b 2b
4:  strb r7, [r1]
    adds r1, #1
    cmp r0, lr
    bne 1b
    pop {r4-r7, pc}

.Lrelu:
    mov r6, r12                     @ free: the ReLU path needs no -1
    lsrs r7, r7, #1
    bcc 3f
    ldm r0!, {r5}
    subs r1, #1
    b 2f
1:  ldm r0!, {r4, r5}
    RELU r4
    strb r4, [r1]
2:  RELU r5
    strb r5, [r1, #1]
    adds r1, #2
3:  cmp r0, lr
    bne 1b
    ldr r5, [r6, #REQUANT_GATE]
    cmp r5, #0
    beq 6f
    ldr r1, [r6, #REQUANT_OUT]      @ a pass of its own: ReLU and gate together are rare
    ldr r2, [r6, #REQUANT_N]
4:  subs r2, #1
    ldrb r7, [r5, r2]
    cmp r7, #0
    bne 5f
    strb r7, [r1, r2]
5:  cmp r2, #0
    bne 4b
6:  pop {r4-r7, pc}
    END_FUNCTION m0k_requant
