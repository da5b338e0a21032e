/*
 * m0k_requant(const m0k_requant_t *p): dynamic requantisation of a tensor.
 *
 *   shift = max(0, bit length of max|acc| - 7); out[i] = sat(round_shift(acc[i], shift)), max(., 0) with relu, 0 where
 *   gate[i] == 0. Unless exponent is 0: *exponent = *exponent_in + exponent_w + shift.
 *
 * Shapes    n 1 or more. out: n bytes are written, behind what was read: it may begin where acc does. gate: n bytes are
 *           read.
 * Ranges    |acc| <= 2^30. Alignment 4 for acc and the exponents, 1 for out and gate.
 * Stack     28 bytes.
 *
 * The bit length is that of the OR of all |acc|. After the shift |y| <= 128, 128 only by rounding up.
 * Cycles    at most 90 + 5 shift, 50 more with relu, + n * (14.63 with relu, 20.13 without, 27.63 gated, of these 19.63
 *           where gate is 0; 24.63 with relu and gate) + 3 for each output that rounds to 128 without relu. 2.5 n more
 *           with relu where out is not 4-aligned. Cortex-M0+.
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

@ OR_FOUR: r2 |= magnitudes of the four sums at r0, which moves on. Spoils r3-r7. 21 cycles.
    .macro OR_FOUR
    ldm r0!, {r3, r4, r5, r6}
    OR_MAGNITUDE r3, r2, r7
    OR_MAGNITUDE r4, r2, r7
    OR_MAGNITUDE r5, r2, r7
    OR_MAGNITUDE r6, r2, r7
    .endm

@ RELU_FOUR: the four sums at r0, requantised with ReLU, as a word to r1; both move on. r3 = shift, r12 = rounding, r8 =
@ 0x01010101. Spoils r2, r4-r7. 33 cycles.
    .macro RELU_FOUR
    ldm r0!, {r4, r5, r6, r7}
    add r4, r12
    asrs r4, r3
    MAX_0 r4, spare=r2
    add r5, r12
    asrs r5, r3
    MAX_0 r5, spare=r2
    lsls r5, r5, #8
    orrs r4, r5
    add r6, r12
    asrs r6, r3
    MAX_0 r6, spare=r2
    lsls r6, r6, #16
    orrs r4, r6
    add r7, r12
    asrs r7, r3
    MAX_0 r7, spare=r2
    lsls r7, r7, #24
    orrs r4, r7
    mov r2, r8
    lsrs r5, r4, #7
    ands r5, r2
    subs r4, r4, r5                 @ 128 becomes 127
    stm r1!, {r4}
    .endm

    FUNCTION m0k_requant
    push {r4-r7, lr}
    mov r12, r0

@ r2 = OR of all |acc|: n % 4 of them one by one, then eight at a time, entered in their middle for an odd number of
@ fours. r0 acc, lr its end, r1 counts the first, then the fours, r3-r6 sums, r7 free, r12 block.
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
    mov r1, lr
    subs r1, r1, r0
    lsls r1, r1, #27
    bmi .Lmagnitude_four
.Lmagnitude_eight:
    OR_FOUR
.Lmagnitude_four:
    OR_FOUR
    cmp r0, lr
    bne .Lmagnitude_eight

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

@ ReLU to words, four a round, where out is aligned and there are four; r8 and the block are on the stack meanwhile. lr
@ end of the fours, r8 .Levery_byte, r12 rounding.
.Lrelu:
    lsls r4, r1, #30
    bne .Lrelu_bytes
    lsrs r7, r7, #2
    beq .Lrelu_few
    mov r5, r8
    mov r6, r12
    push {r5, r6}
    mov r12, r2
    ldr r4, .Levery_byte
    mov r8, r4
    lsls r7, r7, #4
    adds r7, r0, r7
    mov lr, r7
.Lrelu_four:
    RELU_FOUR
    cmp r0, lr
    bne .Lrelu_four
    mov r2, r12
    pop {r5, r6}
    mov r8, r5
    mov r12, r6

@ The last n % 4: lr end of all again, r7 = how many.
    ldr r7, [r6, #REQUANT_N]
    lsls r4, r7, #2
    ldr r5, [r6, #REQUANT_ACC]
    adds r4, r4, r5
    mov lr, r4
.Lrelu_few:
    mov r6, r12
    ldr r7, [r6, #REQUANT_N]
    lsls r7, r7, #30
    lsrs r7, r7, #30

@ ReLU to bytes, two a round as above. r4, r5 sums, r6 block, r7 sums, then free.
.Lrelu_bytes:
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
    .p2align 2
.Levery_byte:
    .word 0x01010101
    END_FUNCTION m0k_requant
