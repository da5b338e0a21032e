/*
 * m0k_requant(const m0k_requant_t *p): dynamic requantisation of a tensor.
 *
 *   shift = max(0, bit length of max|acc| - 7); out[i] = sat(round_shift(acc[i], shift)), max(., 0) with relu, 0 where
 *   gate[i] == 0. Unless exponent is 0: *exponent = *exponent_in + exponent_w + shift.
 *
 * Shapes    n 1 or more. out: n bytes are written, one by one, behind what was read: it may begin where acc does. gate:
 *           n bytes are read.
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

@ RELU x: x requantised, with ReLU. r2 = rounding, r3 = shift. Spoils r7. 6 cycles.
    .macro RELU x
    adds \x, \x, r2
    asrs \x, r3
    MAX_0 \x, spare=r7
    lsrs r7, \x, #7                 @ 128 becomes 127
    subs \x, \x, r7
    .endm

@ PLAIN x, saturate: x requantised, to saturate for 128 and -128. r2 = rounding, r3 = shift, r6 = -1, or 0 when nothing
@ is shifted. Spoils r7. 9 cycles.
    .macro PLAIN x, saturate
    ROUND_SHIFT \x, half=r2, shift=r3, mask=r6, spare=r7
    UNLESS_127 \x, \saturate, spare=r7
    .endm

@ TO_127 x, back: x = 127 for 128, -127 for -128; goes on at back. Spoils r7. 4 cycles.
    .macro TO_127 x, back
    asrs r7, \x, #7                 @ 1 or -1
    subs \x, \x, r7
    b \back
    .endm

    FUNCTION m0k_requant, align=1
    push {r4-r7, lr}
    mov r12, r0

@ r2 = OR of all |acc|: n % 4 of them one by one, then four at a time. r0 acc, lr its end, r1 counts the first, r3-r6
@ sums, r7 free, r12 block.
    ldr r1, [r0, #REQUANT_N]
    ldr r0, [r0, #REQUANT_ACC]
    lsls r3, r1, #2
    adds r3, r3, r0
    mov lr, r3
    movs r2, #0
    movs r3, #3
    ands r1, r3
    beq .Lmagnitude_fours
.Lmagnitude_one:
    ldm r0!, {r3}
    OR_MAGNITUDE r3, r2, r7
    subs r1, #1
    bne .Lmagnitude_one
.Lmagnitude_fours:
    cmp r0, lr
    beq .Lmagnitude_known
.Lmagnitude_four:
    ldm r0!, {r3, r4, r5, r6}
    OR_MAGNITUDE r3, r2, r7
    OR_MAGNITUDE r4, r2, r7
    OR_MAGNITUDE r5, r2, r7
    OR_MAGNITUDE r6, r2, r7
    cmp r0, lr
    bne .Lmagnitude_four

@ r3 = shift: what the bit length is above 7.
.Lmagnitude_known:
    movs r3, #0
    b .Lbit_length
.Lbit_more:
    adds r3, #1
    lsrs r2, r2, #1
.Lbit_length:
    cmp r2, #127
    bhi .Lbit_more

@ The exponent of what is written.
    mov r0, r12
    ldr r4, [r0, #REQUANT_EXPONENT]
    cmp r4, #0
    beq .Lexponent_done
    ldr r5, [r0, #REQUANT_EXPONENT_IN]
    ldr r5, [r5]
    ldr r6, [r0, #REQUANT_EXPONENT_W]
    adds r5, r5, r6
    adds r5, r5, r3
    str r5, [r4]

@ Which of the three loops. In all of them r0 acc, lr its end, r1 out, r2 rounding, r3 shift.
.Lexponent_done:
    ROUND_HALF r2, r3
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

@ Plain, two a round, entered in its middle for an odd n. r4, r5 sums, r6 mask of ROUND_SHIFT, r7 free.
    lsrs r7, r7, #1
    bcc .Lplain_more
    ldm r0!, {r5}
    subs r1, #1
    b .Lplain_second
.Lplain_two:
    ldm r0!, {r4, r5}
    PLAIN r4, .Lplain_saturate_first
.Lplain_store_first:
    strb r4, [r1]
.Lplain_second:
    PLAIN r5, .Lplain_saturate_second
.Lplain_store_second:
    strb r5, [r1, #1]
    adds r1, #2
.Lplain_more:
    cmp r0, lr
    bne .Lplain_two
    pop {r4-r7, pc}
.Lplain_saturate_first:
    TO_127 r4, .Lplain_store_first
.Lplain_saturate_second:
    TO_127 r5, .Lplain_store_second

@ Gated. r4 sum, r5 gate, r6 mask of ROUND_SHIFT, r7 the gate's value, then free.
.Lgated:
    ldm r0!, {r4}
    ldrb r7, [r5]
    adds r5, #1
    cmp r7, #0
    beq .Lgated_closed
    PLAIN r4, .Lgated_saturate
.Lgated_store:
    strb r4, [r1]
    adds r1, #1
    cmp r0, lr
    bne .Lgated
    pop {r4-r7, pc}
.Lgated_saturate:
    TO_127 r4, .Lgated_store
.Lgated_closed:                     @ r7 = 0
    strb r7, [r1]
    adds r1, #1
    cmp r0, lr
    bne .Lgated
    pop {r4-r7, pc}

@ ReLU, two a round as above. r4, r5 sums, r6 block, r7 free.
.Lrelu:
    mov r6, r12                     @ free: the ReLU path needs no mask
    lsrs r7, r7, #1
    bcc .Lrelu_more
    ldm r0!, {r5}
    subs r1, #1
    b .Lrelu_second
.Lrelu_two:
    ldm r0!, {r4, r5}
    RELU r4
    strb r4, [r1]
.Lrelu_second:
    RELU r5
    strb r5, [r1, #1]
    adds r1, #2
.Lrelu_more:
    cmp r0, lr
    bne .Lrelu_two

@ ReLU and gate together are rare: a pass of its own. r1 out, r2 elements left, r5 gate, r7 its value.
    ldr r5, [r6, #REQUANT_GATE]
    cmp r5, #0
    beq .Ldone
    ldr r1, [r6, #REQUANT_OUT]
    ldr r2, [r6, #REQUANT_N]
.Lclose:
    subs r2, #1
    ldrb r7, [r5, r2]
    cmp r7, #0
    bne .Lopen
    strb r7, [r1, r2]
.Lopen:
    cmp r2, #0
    bne .Lclose
.Ldone:
    pop {r4-r7, pc}
    END_FUNCTION m0k_requant
