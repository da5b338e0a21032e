/*
 * PRIOT: score gradient and update, fused.                        ARMv6-M, AAPCS, void f(const block *)
 *
 * m0k_score_dense { error, in, weights, scores, n_in, n_out, shift, signed_in }
 *     S[o][i] = sat(S[o][i] - round_shift(w[o][i] * error[o] * in[i], shift))
 * m0k_score_grad { grad, weights, scores, n_in, n_out, shift }
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
 * Cycles of m0k_score_grad: at most 80 + 20 * n_out + 73 * words * n_out and 4 for each score that clamps.
 *
 * The inner loop exists twice, once for edges whose score rises and once for those whose score falls, each running on
 * from edge to edge and changing over where the sign does: each needs one bound only and no sign correction.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "m0k.inc"

@ S \op= r6 / 2^r3 at byte \k of the score word at r1, where r6 > 0 rises it and r6 < 0 lowers it (\op = adds), or the
@ other way round (subs). r8 = 2^(shift-1); r9 = 2^(shift-1) - 1 sends ties of a negative r6 away from zero. Goes on at
@ \next where the delta is 0.
    .macro RISE    k, next, high, store, op=adds, half=r8, zero=beq
    add r6, \half
    asrs r6, r6, r3
    \zero \next
    ldrb r7, [r1, #\k]
    \op r7, r7, r6
    cmp r7, #255
    bhi \high
\store:
    strb r7, [r1, #\k]
    .endm

    .macro FALL    k, next, low, store, op=adds, half=r9, zero=bpl
    add r6, \half
    asrs r6, r6, r3
    \zero \next
    ldrb r7, [r1, #\k]
    \op r7, r7, r6
    ble \low
\store:
    strb r7, [r1, #\k]
    .endm

    .macro CLAMP   value, store
    movs r7, #\value
    b \store
    .endm

@ Signed byte \n of \s into \d.
    .macro BYTE    d, s, n
    .if \n == 0
    sxtb \d, \s
    .elseif \n == 3
    asrs \d, \s, #24
    .else
    lsls \d, \s, #(24 - 8 * \n)
    asrs \d, \d, #24
    .endif
    .endm

@ ---------------------------------------------------------------------------------------------- m0k_score_dense
@ r0 in, r1 scores, r2 -error, r3 shift, r4 four activations, r5 four weights, r6 product, r7 score
@ r8 half, r9 half - 1, r10 weights - scores, r11 end of in, r12 0x80808080
@ Stack: 0 block, 4 error pointer, 8 outputs left, 12 scores of this output.

    .macro DENSE_FRONT a, u, next
    BYTE r7, r4, \a
    muls r7, r2, r7
    beq \next
    BYTE r6, r5, \u
    muls r6, r7, r6
    .endm

    .macro DENSE_WORD zero
    ldm r0!, {r4}
    cmp r4, #0
    beq \zero
    mov r5, r10
    ldr r5, [r1, r5]
    mov r6, r12
    eors r5, r6
    .endm

    FUNCTION m0k_score_dense
    SAVE_ALL
    sub sp, #16
    str r0, [sp, #0]
    ldr r3, [r0, #SCORE_DENSE_SHIFT]
    movs r1, #1
    lsls r1, r3
    lsrs r1, r1, #1                 @ half; 0 for shift 0
    mov r8, r1
    beq 1f
    subs r1, #1
1:  mov r9, r1
    ldr r1, [r0, #SCORE_DENSE_SCORES]
    str r1, [sp, #12]
    ldr r2, [r0, #SCORE_DENSE_WEIGHTS]
    subs r2, r2, r1
    mov r10, r2
    ldr r1, [r0, #SCORE_DENSE_IN]
    ldr r2, [r0, #SCORE_DENSE_N_IN]
    adds r2, #3
    lsrs r2, r2, #2
    lsls r2, r2, #2
    adds r1, r1, r2
    mov r11, r1
    ldr r1, .Ldense_bias
    mov r12, r1
    ldr r1, [r0, #SCORE_DENSE_ERROR]
    ldr r2, [r0, #SCORE_DENSE_N_OUT]
    b .Ldense_output

.Ldense_next_word:                  @ a word of zeros
    adds r1, #16
    cmp r0, r11
    beq .Ldense_output_done
.Ldense_word:
    DENSE_WORD .Ldense_next_word
.Lp0:
    DENSE_FRONT 0, 2, .Lp1
    bmi .Lfall0
.Lrise0:
    RISE 2, .Lp1, .Lhigh0, .Lhs0
.Lp1:
    DENSE_FRONT 1, 3, .Lp2
    bmi .Lfall1
.Lrise1:
    RISE 3, .Lp2, .Lhigh1, .Lhs1
.Lp2:
    DENSE_FRONT 2, 0, .Lp3
    bmi .Lfall2
.Lrise2:
    RISE 0, .Lp3, .Lhigh2, .Lhs2
.Lp3:
    DENSE_FRONT 3, 1, .Lp4
    bmi .Lfall3
.Lrise3:
    RISE 1, .Lp4, .Lhigh3, .Lhs3
.Lp4:
    adds r1, #16
    cmp r0, r11
    bne .Ldense_word

.Ldense_output_done:
    ldr r1, [sp, #4]
    ldr r2, [sp, #8]
    subs r2, #1
    beq .Ldense_done
    ldr r4, [sp, #12]               @ the next output's scores: 4 on, or the next group
    adds r4, #4
    ldr r6, [sp, #0]
    ldr r5, [r6, #SCORE_DENSE_N_OUT]
    subs r5, r5, r2
    lsls r5, r5, #30
    bne 1f
    ldr r5, [r6, #SCORE_DENSE_N_IN]
    adds r5, #3
    lsrs r5, r5, #2
    subs r5, #1
    lsls r5, r5, #4
    adds r4, r4, r5
1:  str r4, [sp, #12]
.Ldense_output:                     @ r1 error pointer, r2 outputs left
    str r2, [sp, #8]
    movs r4, #0
    ldrsb r2, [r1, r4]
    adds r1, #1
    str r1, [sp, #4]
    negs r2, r2
    beq .Ldense_output_done
    asrs r4, r2, #31
    adds r5, r2, r4
    eors r5, r4
    ldr r4, .Ldense_largest
    muls r5, r4, r5
    cmp r5, r8
    blo .Ldense_output_done         @ |w * a * e| < half for every w and a
    ldr r4, [sp, #0]
    ldr r0, [r4, #SCORE_DENSE_IN]
    ldr r1, [sp, #12]
    b .Ldense_word

.Ldense_done:
    add sp, #16
    RETURN_ALL

.Lhigh0:
    CLAMP 255, .Lhs0
.Lhigh1:
    CLAMP 255, .Lhs1
.Lhigh2:
    CLAMP 255, .Lhs2
.Lhigh3:
    CLAMP 255, .Lhs3

.Lfall_next_word:
    adds r1, #16
    cmp r0, r11
    beq .Ldense_output_done
.Lfall_word:
    DENSE_WORD .Lfall_next_word
.Ln0:
    DENSE_FRONT 0, 2, .Ln1
    bpl .Lrise0
.Lfall0:
    FALL 2, .Ln1, .Llow0, .Lls0
.Ln1:
    DENSE_FRONT 1, 3, .Ln2
    bpl .Lrise1
.Lfall1:
    FALL 3, .Ln2, .Llow1, .Lls1
.Ln2:
    DENSE_FRONT 2, 0, .Ln3
    bpl .Lrise2
.Lfall2:
    FALL 0, .Ln3, .Llow2, .Lls2
.Ln3:
    DENSE_FRONT 3, 1, .Ln4
    bpl .Lrise3
.Lfall3:
    FALL 1, .Ln4, .Llow3, .Lls3
.Ln4:
    adds r1, #16
    cmp r0, r11
    bne .Lfall_word
    b .Ldense_output_done
.Llow0:
    CLAMP 1, .Lls0
.Llow1:
    CLAMP 1, .Lls1
.Llow2:
    CLAMP 1, .Lls2
.Llow3:
    CLAMP 1, .Lls3
    .p2align 2
.Ldense_bias:
    .word 0x80808080
.Ldense_largest:
    .word 127 * 127
    END_FUNCTION m0k_score_dense

@ ----------------------------------------------------------------------------------------------- m0k_score_grad
@ r0 grad, r1 scores, r2 weights - scores, r3 shift, r4 0x80808080, r5 four weights, r6 product, r7 score
@ r8 half, r9 half - 1, r10 scores of this output, r11 end of this output's gradient, r12 P * 4
@ Stack: 0 outputs left, 4 outputs done.

    .macro GRAD_FRONT u
    ldm r0!, {r6}
    BYTE r7, r5, \u
    muls r6, r7, r6
    .endm

    .macro GRAD_WORD
    ldr r5, [r1, r2]
    eors r5, r4
    .endm

    FUNCTION m0k_score_grad
    SAVE_ALL
    sub sp, #8
    ldr r3, [r0, #SCORE_GRAD_SHIFT]
    movs r1, #1
    lsls r1, r3
    lsrs r1, r1, #1
    mov r8, r1
    beq 1f
    subs r1, #1
1:  mov r9, r1
    ldr r1, [r0, #SCORE_GRAD_SCORES]
    mov r10, r1
    ldr r2, [r0, #SCORE_GRAD_WEIGHTS]
    subs r2, r2, r1
    ldr r4, [r0, #SCORE_GRAD_N_IN]
    adds r4, #3
    lsrs r4, r4, #2
    lsls r4, r4, #4
    mov r12, r4
    ldr r4, [r0, #SCORE_GRAD_N_OUT]
    str r4, [sp, #0]
    ldr r0, [r0, #SCORE_GRAD_GRAD]
    movs r4, #0
    str r4, [sp, #4]
    ldr r4, .Lgrad_bias
.Lgrad_output:
    mov r5, r12
    adds r5, r0, r5
    mov r11, r5
.Lgrad_word:
    GRAD_WORD
    GRAD_FRONT 2
    bmi .Lgrise0
.Lgfall0:
    FALL 2, .Lgp1, .Lglow0, .Lgls0, subs, r8, beq
.Lgp1:
    GRAD_FRONT 3
    bmi .Lgrise1
.Lgfall1:
    FALL 3, .Lgp2, .Lglow1, .Lgls1, subs, r8, beq
.Lgp2:
    GRAD_FRONT 0
    bmi .Lgrise2
.Lgfall2:
    FALL 0, .Lgp3, .Lglow2, .Lgls2, subs, r8, beq
.Lgp3:
    GRAD_FRONT 1
    bmi .Lgrise3
.Lgfall3:
    FALL 1, .Lgp4, .Lglow3, .Lgls3, subs, r8, beq
.Lgp4:
    adds r1, #16
    cmp r0, r11
    bne .Lgrad_word

.Lgrad_output_done:
    ldr r5, [sp, #0]
    subs r5, #1
    beq .Lgrad_done
    str r5, [sp, #0]
    mov r1, r10
    adds r1, #4
    ldr r5, [sp, #4]
    adds r5, #1
    str r5, [sp, #4]
    lsls r5, r5, #30
    bne 1f
    add r1, r12
    subs r1, #16
1:  mov r10, r1
    b .Lgrad_output
.Lgrad_done:
    add sp, #8
    RETURN_ALL

.Lglow0:
    CLAMP 1, .Lgls0
.Lglow1:
    CLAMP 1, .Lgls1
.Lglow2:
    CLAMP 1, .Lgls2
.Lglow3:
    CLAMP 1, .Lgls3

.Lgrise_word:
    GRAD_WORD
    GRAD_FRONT 2
    bpl .Lgfall0
.Lgrise0:
    RISE 2, .Lgn1, .Lghigh0, .Lghs0, subs, r9, bpl
.Lgn1:
    GRAD_FRONT 3
    bpl .Lgfall1
.Lgrise1:
    RISE 3, .Lgn2, .Lghigh1, .Lghs1, subs, r9, bpl
.Lgn2:
    GRAD_FRONT 0
    bpl .Lgfall2
.Lgrise2:
    RISE 0, .Lgn3, .Lghigh2, .Lghs2, subs, r9, bpl
.Lgn3:
    GRAD_FRONT 1
    bpl .Lgfall3
.Lgrise3:
    RISE 1, .Lgn4, .Lghigh3, .Lghs3, subs, r9, bpl
.Lgn4:
    adds r1, #16
    cmp r0, r11
    bne .Lgrise_word
    b .Lgrad_output_done
.Lghigh0:
    CLAMP 255, .Lghs0
.Lghigh1:
    CLAMP 255, .Lghs1
.Lghigh2:
    CLAMP 255, .Lghs2
.Lghigh3:
    CLAMP 255, .Lghs3
    .p2align 2
.Lgrad_bias:
    .word 0x80808080
    END_FUNCTION m0k_score_grad
