/*
 * PRIOT: score gradient and update, fused.                        ARMv6-M, AAPCS, void f(const block *)
 *
 * m0k_score_dense { error, in, weights, scores, n_in, n_out, shift, signed_in }
 *     S[o][i] = sat(S[o][i] - round_shift(w[o][i] * error[o] * in[i], shift))
 * m0k_score_grad { grad, weights, scores, n_in, n_out, shift, active }
 *     S[o][k] = sat(S[o][k] - round_shift(w[o][k] * grad[o][k], shift))
 *
 * error int8[n_out], in int8[n_in] (read as whole words: room for P = n_in rounded up to 4), values -127..127 whatever
 * signed_in says; grad int32[n_out][P]; weights u8 = w + 128 and scores u8 = S + 128 as edge arrays (groups of four
 * outputs, 16 bytes an input word, bytes in the order of inputs 2, 3, 0, 1). in, grad, weights and scores are
 * 4-aligned. shift 0..24. The rounding is to nearest, ties away from zero; the sum is clamped to 1..255 (S to
 * -127..127). |w * grad| + max(2^(shift-1), 255) must stay below 2^31. Padding edges stay as they are: padding inputs
 * because their weight is 128, padding outputs because no loop reaches them. n_in, n_out 1..65535.
 *
 * Skipped without changing a result: an output whose error is 0, or so small that no product can round to 1; a word of
 * four zero activations; a zero activation; a rounded delta of zero.
 *
 * Stack: 52 bytes (m0k_score_dense), 44 (m0k_score_grad).
 * Cycles of m0k_score_dense, words = P / 4: at most 90 + 34 * n_out, and for each output with an error 12 + 85 * words
 *     and 4 for each score that clamps. A word is 13, or 8 with four zero activations; an edge 17 where its score
 *     moves, 1 more where the sign changes, 10 where its delta rounds to 0, 4.5 where its activation is 0.
 * Cycles of m0k_score_grad: at most 90 + 20 * n_out + 73 * words * n_out and 4 for each score that clamps.
 *
 * The inner loop exists twice, once for edges whose score rises and once for those whose score falls, each running on
 * from edge to edge and changing over where the sign does: each needs one bound only and no sign correction.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "update.inc"
    #include "m0k.inc"

@ ---------------------------------------------------------------------------------------------- m0k_score_dense
    .equ FRAME, U_SIZE

@ DENSE_WORD skip: r4 = the next four activations, r5 = their weights as signed bytes; to skip if all activations are 0.
@ Registers as below. Spoils r6. 9 cycles.
    .macro DENSE_WORD skip
    ldm r0!, {r4}
    cmp r4, #0
    beq \skip
    mov r5, r10
    ldr r5, [r1, r5]
    mov r6, r12
    eors r5, r6
    .endm

@ DENSE_PRODUCT a, k, next: r6 = activation a of r4 times -error times the weight at byte k, flags as of it; to next if
@ the activation is 0. Spoils r7. 5 cycles, 1 more for each byte that is 1 or 2.
    .macro DENSE_PRODUCT a, k, next
    SIGNED_BYTE r7, r4, \a
    muls r7, r2, r7
    beq \next
    SIGNED_BYTE r6, r5, \k
    muls r6, r7, r6
    .endm

@ DENSE_RISE k: the score at byte k rises by r6 > 0. Spoils r6, r7. 10 cycles.
    .macro DENSE_RISE k
    SCORE_RISE dense, \k, x=r6, score=r7, at=r1, op=adds, half=r8, none=beq
    .endm

@ DENSE_FALL k: the score at byte k falls by r6 < 0. Spoils r6, r7. 9 cycles.
    .macro DENSE_FALL k
    SCORE_FALL dense, \k, x=r6, score=r7, at=r1, op=adds, half=r9, none=bpl
    .endm

    FUNCTION m0k_score_dense
    SAVE_ALL
    sub sp, #FRAME
    str r0, [sp, #U_BLOCK]

@ The registers that stay for all outputs.
    ldr r3, [r0, #SCORE_DENSE_SHIFT]
    ROUND_HALVES r1, r3
    mov r9, r1
    ldr r1, [r0, #SCORE_DENSE_SCORES]
    str r1, [sp, #U_EDGES]
    ldr r2, [r0, #SCORE_DENSE_WEIGHTS]
    subs r2, r2, r1
    mov r10, r2
    ldr r1, [r0, #SCORE_DENSE_IN]
    ldr r2, [r0, #SCORE_DENSE_N_IN]
    PADDED r2
    adds r1, r1, r2
    mov r11, r1
    ldr r1, .Ldense_bias
    mov r12, r1
    ldr r1, [r0, #SCORE_DENSE_ERROR]
    ldr r2, [r0, #SCORE_DENSE_N_OUT]
    b .Ldense_output

@ The two chains: r0 in, r1 scores, r2 -error, r3 shift, r4 four activations, r5 four weights, r6 product, r7 score; r8
@ half, r9 half - 1, r10 weights - scores, r11 end of in, r12 SIGN_BITS, lr free.
@ Scores that rise, and a word of zeros first.
.Ldense_rise_skip:
    adds r1, #16
    cmp r0, r11
    beq .Ldense_output_done
.Ldense_rise_word:
    DENSE_WORD .Ldense_rise_skip
    DENSE_PRODUCT 0, 2, .Ldense_rise_next2
    bmi .Ldense_fall2
    DENSE_RISE 2
    DENSE_PRODUCT 1, 3, .Ldense_rise_next3
    bmi .Ldense_fall3
    DENSE_RISE 3
    DENSE_PRODUCT 2, 0, .Ldense_rise_next0
    bmi .Ldense_fall0
    DENSE_RISE 0
    DENSE_PRODUCT 3, 1, .Ldense_rise_next1
    bmi .Ldense_fall1
    DENSE_RISE 1
    adds r1, #16
    cmp r0, r11
    bne .Ldense_rise_word

@ The next output: r1 error, r2 outputs left; r3, r8-r12 stay, all others are free.
.Ldense_output_done:
    ldr r1, [sp, #U_ERROR]
    ldr r2, [sp, #U_LEFT]
    subs r2, #1
    beq .Ldense_done
    NEXT_EDGES left=r2, block=r6, n_out=SCORE_DENSE_N_OUT, n_in=SCORE_DENSE_N_IN
.Ldense_output:
    str r2, [sp, #U_LEFT]
    movs r4, #0
    ldrsb r2, [r1, r4]
    adds r1, #1
    str r1, [sp, #U_ERROR]
    negs r2, r2
    beq .Ldense_output_done
    asrs r4, r2, #31
    adds r5, r2, r4
    eors r5, r4
    ldr r4, .Ldense_largest
    muls r5, r4, r5
    cmp r5, r8
    blo .Ldense_output_done         @ |w * a * e| < half for every w and a
    ldr r4, [sp, #U_BLOCK]
    ldr r0, [r4, #SCORE_DENSE_IN]
    ldr r1, [sp, #U_EDGES]
    b .Ldense_rise_word

.Ldense_done:
    add sp, #FRAME
    RETURN_ALL

    SCORE_HIGH dense, 2, r7
    SCORE_HIGH dense, 3, r7
    SCORE_HIGH dense, 0, r7
    SCORE_HIGH dense, 1, r7

@ Scores that fall.
.Ldense_fall_skip:
    adds r1, #16
    cmp r0, r11
    beq .Ldense_output_done
.Ldense_fall_word:
    DENSE_WORD .Ldense_fall_skip
    DENSE_PRODUCT 0, 2, .Ldense_fall_next2
    bpl .Ldense_rise2
    DENSE_FALL 2
    DENSE_PRODUCT 1, 3, .Ldense_fall_next3
    bpl .Ldense_rise3
    DENSE_FALL 3
    DENSE_PRODUCT 2, 0, .Ldense_fall_next0
    bpl .Ldense_rise0
    DENSE_FALL 0
    DENSE_PRODUCT 3, 1, .Ldense_fall_next1
    bpl .Ldense_rise1
    DENSE_FALL 1
    adds r1, #16
    cmp r0, r11
    bne .Ldense_fall_word
    b .Ldense_output_done
    SCORE_LOW dense, 2, r7
    SCORE_LOW dense, 3, r7
    SCORE_LOW dense, 0, r7
    SCORE_LOW dense, 1, r7
    .p2align 2
.Ldense_bias:
    .word SIGN_BITS
.Ldense_largest:
    .word 127 * 127
    END_FUNCTION m0k_score_dense

@ ----------------------------------------------------------------------------------------------- m0k_score_grad
    .equ G_LEFT, 0                  @ outputs left
    .equ G_DONE, 4                  @ outputs done
    .equ G_FRAME, 8

@ GRAD_WORD: r5 = the next four weights as signed bytes. Registers as below. 3 cycles.
    .macro GRAD_WORD
    ldr r5, [r1, r2]
    eors r5, r4
    .endm

@ GRAD_PRODUCT k: r6 = the next gradient times the weight at byte k, flags as of it. Spoils r7. 4 cycles, 5 for k = 1,
@ 2.
    .macro GRAD_PRODUCT k
    ldm r0!, {r6}
    SIGNED_BYTE r7, r5, \k
    muls r6, r7, r6
    .endm

@ GRAD_RISE k: the score at byte k rises by r6 < 0. Spoils r6, r7. 10 cycles.
    .macro GRAD_RISE k
    SCORE_RISE grad, \k, x=r6, score=r7, at=r1, op=subs, half=r9, none=bpl
    .endm

@ GRAD_FALL k: the score at byte k falls by r6 >= 0. Spoils r6, r7. 9 cycles.
    .macro GRAD_FALL k
    SCORE_FALL grad, \k, x=r6, score=r7, at=r1, op=subs, half=r8, none=beq
    .endm

    FUNCTION m0k_score_grad
    SKIP_INACTIVE SCORE_GRAD_ACTIVE
    SAVE_ALL
    sub sp, #G_FRAME

@ The registers that stay for all outputs.
    ldr r3, [r0, #SCORE_GRAD_SHIFT]
    ROUND_HALVES r1, r3
    mov r9, r1
    ldr r1, [r0, #SCORE_GRAD_SCORES]
    mov r10, r1
    ldr r2, [r0, #SCORE_GRAD_WEIGHTS]
    subs r2, r2, r1
    ldr r4, [r0, #SCORE_GRAD_N_IN]
    GROUP_BYTES r4
    mov r12, r4
    ldr r4, [r0, #SCORE_GRAD_N_OUT]
    str r4, [sp, #G_LEFT]
    ldr r0, [r0, #SCORE_GRAD_GRAD]
    movs r4, #0
    str r4, [sp, #G_DONE]
    ldr r4, .Lgrad_bias

@ The two chains: r0 grad, r1 scores, r2 weights - scores, r3 shift, r4 SIGN_BITS, r5 four weights, r6 product, r7
@ score; r8 half, r9 half - 1, r10 scores of this output, r11 end of this output's gradient, r12 4 * P, lr free.
.Lgrad_output:
    mov r5, r12
    adds r5, r0, r5
    mov r11, r5

@ Scores that fall.
.Lgrad_fall_word:
    GRAD_WORD
    GRAD_PRODUCT 2
    bmi .Lgrad_rise2
    GRAD_FALL 2
    GRAD_PRODUCT 3
    bmi .Lgrad_rise3
    GRAD_FALL 3
    GRAD_PRODUCT 0
    bmi .Lgrad_rise0
    GRAD_FALL 0
    GRAD_PRODUCT 1
    bmi .Lgrad_rise1
    GRAD_FALL 1
    adds r1, #16
    cmp r0, r11
    bne .Lgrad_fall_word

@ The next output's scores: 4 on, or the next group's.
.Lgrad_output_done:
    ldr r5, [sp, #G_LEFT]
    subs r5, #1
    beq .Lgrad_done
    str r5, [sp, #G_LEFT]
    mov r1, r10
    adds r1, #4
    ldr r5, [sp, #G_DONE]
    adds r5, #1
    str r5, [sp, #G_DONE]
    lsls r5, r5, #30
    bne .Lgrad_same_group
    add r1, r12
    subs r1, #16
.Lgrad_same_group:
    mov r10, r1
    b .Lgrad_output
.Lgrad_done:
    add sp, #G_FRAME
    RETURN_ALL

    SCORE_LOW grad, 2, r7
    SCORE_LOW grad, 3, r7
    SCORE_LOW grad, 0, r7
    SCORE_LOW grad, 1, r7

@ Scores that rise.
.Lgrad_rise_word:
    GRAD_WORD
    GRAD_PRODUCT 2
    bpl .Lgrad_fall2
    GRAD_RISE 2
    GRAD_PRODUCT 3
    bpl .Lgrad_fall3
    GRAD_RISE 3
    GRAD_PRODUCT 0
    bpl .Lgrad_fall0
    GRAD_RISE 0
    GRAD_PRODUCT 1
    bpl .Lgrad_fall1
    GRAD_RISE 1
    adds r1, #16
    cmp r0, r11
    bne .Lgrad_rise_word
    b .Lgrad_output_done
    SCORE_HIGH grad, 2, r7
    SCORE_HIGH grad, 3, r7
    SCORE_HIGH grad, 0, r7
    SCORE_HIGH grad, 1, r7
    .p2align 2
.Lgrad_bias:
    .word SIGN_BITS
    END_FUNCTION m0k_score_grad
