/*
 * m0k_loss(const m0k_loss_t *p): the error of integer cross-entropy at the last layer. Returns 0 or, where all errors
 *   are 0, `idle`: the phases with which m0k_step goes on then, since nothing can be learned (0: with the next ones).
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
 * Cycles    at most 110 + 127 classes; 62 fewer for each class with n_j = 0. Cortex-M0+.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "m0k.inc"

    .equ LOG2_E, 47274              @ log2(e) * 2^15
    .equ LOG2_E_BITS, 15
    .equ HIGHEST_EXPONENT, 7        @ beyond these two nothing would fit 32 bits (docs/arithmetic.md)
    .equ Z_RANGE, 10                @ z counts from this much below the largest

@ LOG2: r4 = z of the logit r4. r8 = LOG2_E, r9 = LOG2_E_BITS - E. Spoils r5. 4 cycles.
    .macro LOG2
    mov r5, r8
    muls r4, r5, r4
    mov r5, r9
    asrs r4, r5
    .endm

@ NUMERATOR: r4 = n of logit r1 of r0, r3 = max z - Z_RANGE, r8, r9 as for LOG2. Flags as of r4. Spoils r5. 12 cycles.
    .macro NUMERATOR
    ldrsb r4, [r0, r1]
    LOG2
    subs r4, r4, r3
    MAX_0 r4, spare=r5
    movs r5, #1
    lsls r5, r4
    subs r4, r5, #1
    .endm

@ QUOTIENT_BIT: one bit of the quotient r4 of r5 by r2, r5 < 2 * r2. 4 cycles.
    .macro QUOTIENT_BIT
    cmp r5, r2
    blo .Lbelow\@
    subs r5, r5, r2
.Lbelow\@:
    adcs r4, r4                     @ the carry is that of CMP, or SUBS, which borrows nothing
    .endm

@ PSTO: r5 = min(psto_shift(r4, 4), 127), r4 >= 0: quarters of the rest, q > u, decide. Spoils r4, r6. 11 cycles.
    .macro PSTO
    lsrs r5, r4, #4
    lsls r6, r4, #30
    lsrs r6, r6, #30                @ u, the two lower bits of the rest
    lsls r4, r4, #28
    lsrs r4, r4, #30                @ q, the two upper ones
    subs r6, r6, r4
    lsrs r6, r6, #31                @ q > u
    adds r5, r5, r6
    cmp r5, #127
    bls .Lpsto_done\@
    movs r5, #127
.Lpsto_done\@:
    .endm

    FUNCTION m0k_loss, align=1
    SAVE_ALL
    mov r12, r0

@ r8, r9 of LOG2: E clamped to -LOG2_E_BITS .. HIGHEST_EXPONENT.
    ldr r4, .Llog2_e
    mov r8, r4
    ldr r1, [r0, #LOSS_EXPONENT_ADDRESS]
    ldr r1, [r1]
    cmp r1, #HIGHEST_EXPONENT
    ble .Lnot_high
    movs r1, #HIGHEST_EXPONENT
.Lnot_high:
    movs r2, #LOG2_E_BITS
    rsbs r3, r2, #0
    cmp r1, r3
    bge .Lnot_low
    movs r1, r3
.Lnot_low:
    subs r2, r2, r1
    mov r9, r2
    ldr r2, [r0, #LOSS_CLASSES]
    ldr r0, [r0, #LOSS_LOGITS]

@ r3 = max z - Z_RANGE, from the largest logit r4. r0 logits, r1 class, r2 classes, r5 a logit.
    subs r1, r2, #1
    ldrsb r4, [r0, r1]
    b .Llargest_more
.Llargest_next:
    ldrsb r5, [r0, r1]
    cmp r5, r4
    ble .Llargest_more
    movs r4, r5
.Llargest_more:
    subs r1, #1
    bpl .Llargest_next
    LOG2
    subs r4, #Z_RANGE
    movs r3, r4

@ r2 = sum n. r0 logits, r1 class, r3 max z - Z_RANGE, r4, r5 free, r8, r9 as above.
    subs r1, r2, #1
    movs r2, #0
.Lsum_next:
    NUMERATOR
    adds r2, r2, r4
    subs r1, #1
    bpl .Lsum_next

@ error_j from g_j for all classes, that of the label still wrong. r0, r1, r2, r3, r8, r9 as above, r4-r6 free, r7 sum
@ g, r10 error, r11 label, r12 block, lr g of the label.
    mov r4, r12
    ldr r5, [r4, #LOSS_ERROR]
    mov r10, r5
    ldr r5, [r4, #LOSS_LABEL]
    ldr r5, [r5]
    mov r11, r5
    ldr r1, [r4, #LOSS_CLASSES]
    movs r7, #0
    movs r6, #0
    mov lr, r6
    b .Lerror_more
.Lerror_next:
    NUMERATOR
    movs r5, r4
    beq .Lerror_store
    movs r4, #0                     @ r4 = quotient of r5 * 2048 by r2
    QUOTIENT_BIT
    .rept 11
    adds r5, r5, r5
    QUOTIENT_BIT
    .endr
    adds r7, r7, r4
    cmp r1, r11
    bne .Lnot_label
    mov lr, r4
.Lnot_label:
    PSTO
.Lerror_store:
    mov r6, r10
    strb r5, [r6, r1]
.Lerror_more:
    subs r1, #1
    bpl .Lerror_next

@ The label's g is g - sum g <= 0.
    mov r4, lr
    subs r4, r7, r4
    PSTO
    rsbs r5, r5, #0
    mov r6, r10
    mov r1, r11
    strb r5, [r6, r1]

@ What to return. r0 result, r1 class, r5 an error, r6 error, r12 block.
    mov r4, r12
    ldr r1, [r4, #LOSS_CLASSES]
    ldr r0, [r4, #LOSS_IDLE]
.Lidle_next:
    subs r1, #1
    bmi .Lreturn
    ldrb r5, [r6, r1]
    cmp r5, #0
    beq .Lidle_next
    movs r0, #0
.Lreturn:
    RETURN_ALL
    .p2align 2
.Llog2_e:
    .word LOG2_E
    END_FUNCTION m0k_loss
