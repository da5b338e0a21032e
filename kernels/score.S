/*
 * PRIOT: score gradient and update, fused.                        ARMv6-M, AAPCS, void f(const block *)
 *
 * m0k_score_dense { error, in, weights, scores, n_in, n_out, shift, signed_in, histogram }
 *     S[o][i] = sat(S[o][i] - round_shift(w[o][i] * error[o] * in[i], shift))
 * m0k_score_grad { grad, weights, scores, n_in, n_out, shift, active, histogram }
 *     S[o][k] = sat(S[o][k] - round_shift(w[o][k] * grad[o][k], shift))
 *
 * error int8[n_out], in int8[n_in] (read as whole words: room for P = n_in rounded up to 4), values -127..127 whatever
 * signed_in says; grad int32[n_out][P]; weights u8 = w + 128 and scores u8 = S + 128 as edge arrays (groups of four
 * outputs, 16 bytes an input word, bytes in the order of inputs 2, 3, 0, 1). in, grad, weights and scores are
 * 4-aligned. shift 0..24. The rounding is to nearest, ties away from zero; the sum is clamped to 1..255 (S to
 * -127..127). |w * grad| + max(2^(shift-1), 255) must stay below 2^31. Padding edges stay as they are: padding inputs
 * because their weight is 128, padding outputs because no loop reaches them. n_in, n_out 1..65535.
 *
 * histogram: 0, or uint16[256] as m0k_select_kept leaves it: bins[s] edges have the score s, 1..255, if bins[0] is not 0.
 * It then follows the scores, so that selecting need not count them: 17 cycles for each that moves (15 in
 * m0k_score_grad), instead of 7.6 for each edge, so it pays while less than 44 % move. It is given up, bins[0] = 0, where
 * behind an output more have moved than 1/32 of all edges and 1/8 of those of the outputs until then, and where shift is
 * 0, which moves nearly all: where all move it has cost 4 % and one output by then.
 *
 * Skipped without changing a result: an output whose error is 0, or so small that no product can round to 1; a word of
 * four zero activations; a zero activation; a rounded delta of zero.
 *
 * Stack: 60 bytes (m0k_score_dense), 52 (m0k_score_grad).
 * Cycles of m0k_score_dense, words = P / 4: at most 115 + 38 * n_out, and for each output with an error 12 + 85 * words
 *     and 4 for each score that clamps. A word is 13, or 8 with four zero activations; an edge 17 where its score
 *     moves, 1 more where the sign changes, 10 where its delta rounds to 0, 4.5 where its activation is 0. Where scores
 *     are counted, 28 + 2 * words for each output with an error and 17 for each that moves or clamps more.
 * Cycles of m0k_score_grad: at most 70 + 34 * n_out + 71 * words * n_out and 4 for each score that clamps. Where scores
 *     are counted, 20 + 2 * words for each output and 15 for each that moves or clamps more.
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
@ Where edges are counted, the frame has more.
    .equ D_BINS, U_SIZE             @ histogram, or 0: edges are not, or no more, counted
    .equ D_RATE, U_SIZE + 4         @ -error
    .equ FRAME, U_SIZE + 8

@ ALLOWED outputs, done, inputs: outputs = what may have moved of their edges when so many are done, times shift. r3 =
@ shift. 5 cycles.
    .macro ALLOWED outputs, done, inputs
    lsls \done, \done, #2
    adds \outputs, \outputs, \done
    muls \outputs, \inputs, \outputs
    lsrs \outputs, \outputs, #5
    muls \outputs, r3, \outputs
    .endm

@ IS_COUNTED bins, not, spare: on where the histogram bins is there and current; to not, bins = 0, where it is not there,
@ not current, or shift is 0: then it is given up. r3 = shift. Spoils spare. 7 cycles, to not 10 at most.
    .macro IS_COUNTED bins, not, spare
    cmp \bins, #0
    beq \not
    ldrh \spare, [\bins]
    cmp \spare, #0
    beq .Lnot_current\@
    cmp r3, #0
    bne .Lis_counted\@
    strh r3, [\bins]
.Lnot_current\@:
    movs \bins, #0
    b \not
.Lis_counted\@:
    .endm

@ DENSE_WORD skip: r4 = the next four activations, r5 = their weights as signed bytes; to skip if all activations are 0.
@ Registers as below. Spoils r6. 9 cycles; 10 with signs = ldr, which reads SIGN_BITS.
    .macro DENSE_WORD skip, signs
    ldm r0!, {r4}
    cmp r4, #0
    beq \skip
    mov r5, r10
    ldr r5, [r1, r5]
    .ifc \signs, ldr
    ldr r6, .Lcounted_bias
    .else
    mov r6, r12
    .endif
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

@ DENSE_COUNT new, old: one edge moves from bin to bin, and lr counts it. Spoils new, old. 17 cycles.
    .macro DENSE_COUNT new, old
    MOVE_COUNT \new, \old, bins=r12, spare=r2
    add lr, r3
    ldr r2, [sp, #D_RATE]
    .endm

@ DENSE_RISE name, a, k, count: activation a and the score at byte k, in the chain that rises. Spoils r6, r7. 15 cycles
@ and those of count, 1 more for each byte that is 1 or 2.
    .macro DENSE_RISE name, a, k, count
    DENSE_PRODUCT \a, \k, .L\name\()_rise_next\k
    bmi .L\name\()_fall\k
    SCORE_RISE \name, \k, x=r6, score=r7, at=r1, op=adds, half=r8, none=beq, count=\count
    .endm

@ DENSE_FALL name, a, k, count: the same in the chain that falls. 14 cycles.
    .macro DENSE_FALL name, a, k, count
    DENSE_PRODUCT \a, \k, .L\name\()_fall_next\k
    bpl .L\name\()_rise\k
    SCORE_FALL \name, \k, x=r6, score=r7, at=r1, op=adds, half=r9, none=bpl, count=\count
    .endm

@ DENSE_CHAINS name, signs, count: both chains, scores that rise and those that fall, each with a word of zeros first;
@ .LNAME_rise_word begins an output, .LNAME_output_done follows it. With count every word begins in the chain that rises:
@ between the chains their branches reach no further. At most 85 cycles a word, and those of count. r0 in, r1 scores, r2 -error, r3 shift, r4 four activations, r5 four weights, r6 product, r7 score; r8
@ half, r9 half - 1, r10 weights - scores, r11 end of in; r12 SIGN_BITS, or bins with count, lr then what has moved.
    .macro DENSE_CHAINS name, signs, count
.L\name\()_rise_skip:
    adds r1, #16
    cmp r0, r11
    beq .L\name\()_output_done
.L\name\()_rise_word:
    DENSE_WORD .L\name\()_rise_skip, \signs
    DENSE_RISE \name, 0, 2, \count
    DENSE_RISE \name, 1, 3, \count
    DENSE_RISE \name, 2, 0, \count
    DENSE_RISE \name, 3, 1, \count
    adds r1, #16
    cmp r0, r11
    bne .L\name\()_rise_word
    b .L\name\()_output_done
    SCORE_HIGH \name, 2, r6
    SCORE_HIGH \name, 3, r6
    SCORE_HIGH \name, 0, r6
    SCORE_HIGH \name, 1, r6
    .ifb \count
.L\name\()_fall_skip:
    adds r1, #16
    cmp r0, r11
    bne .L\name\()_fall_word
    b .L\name\()_output_done
.L\name\()_fall_word:
    DENSE_WORD .L\name\()_fall_skip, \signs
    .endif
    DENSE_FALL \name, 0, 2, \count
    DENSE_FALL \name, 1, 3, \count
    DENSE_FALL \name, 2, 0, \count
    DENSE_FALL \name, 3, 1, \count
    adds r1, #16
    cmp r0, r11
    .ifb \count
    bne .L\name\()_fall_word
    .else
    beq .L\name\()_fall_done
    b .L\name\()_rise_word
.L\name\()_fall_done:
    .endif
    b .L\name\()_output_done
    SCORE_LOW \name, 2, r6
    SCORE_LOW \name, 3, r6
    SCORE_LOW \name, 0, r6
    SCORE_LOW \name, 1, r6
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

@ Whether edges are counted: r4 histogram.
    ldr r4, [r0, #SCORE_DENSE_HISTOGRAM]
    IS_COUNTED r4, not=.Ldense_not_counted, spare=r5
    mov r12, r4
    movs r5, #0
    mov lr, r5
.Ldense_not_counted:
    str r4, [sp, #D_BINS]
    ldr r1, [r0, #SCORE_DENSE_ERROR]
    ldr r2, [r0, #SCORE_DENSE_N_OUT]
    b .Ldense_output

@ The next output: r1 error, r2 outputs left; r3, r8-r12, lr stay, all others are free.
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
    ldr r4, [sp, #D_BINS]
    cmp r4, #0
    beq .Ldense_rise_word
    str r2, [sp, #D_RATE]
    b .Lcounted_rise_word

.Ldense_done:
    add sp, #FRAME
    RETURN_ALL
    .p2align 2
.Ldense_bias:
    .word SIGN_BITS
.Ldense_largest:
    .word 127 * 127

    DENSE_CHAINS dense, signs=mov

@ After an output with edges that are counted: if too many have moved, the others are not counted, nor what has been.
.Lcounted_output_done:
    ldr r6, [sp, #U_BLOCK]
    ldr r4, [r6, #SCORE_DENSE_N_OUT]
    ldr r5, [sp, #U_LEFT]
    subs r5, r4, r5
    adds r5, #1
    ldr r6, [r6, #SCORE_DENSE_N_IN]
    ALLOWED r4, done=r5, inputs=r6
    cmp lr, r4
    bls .Lcounted_next
    movs r5, #0
    str r5, [sp, #D_BINS]
    mov r4, r12
    strh r5, [r4]
    ldr r4, .Lcounted_bias
    mov r12, r4
.Lcounted_next:
    b .Ldense_output_done

    DENSE_CHAINS counted, signs=ldr, count=DENSE_COUNT
    .p2align 2
.Lcounted_bias:
    .word SIGN_BITS
    END_FUNCTION m0k_score_dense

@ ----------------------------------------------------------------------------------------------- m0k_score_grad
    .equ G_LEFT, 0                  @ outputs left
    .equ G_DONE, 4                  @ outputs done
    .equ G_EDGES, 8                 @ scores of this output
    .equ G_BINS, 12                 @ as D_BINS
    .equ G_FRAME, 16

@ GRAD_WORD signs: r5 = the next four weights as signed bytes. Registers as below. 3 cycles; 5 with signs = ldr, which
@ reads SIGN_BITS to r4.
    .macro GRAD_WORD signs
    ldr r5, [r1, r2]
    .ifc \signs, ldr
    ldr r4, .Lcounted_grad_bias
    .endif
    eors r5, r4
    .endm

@ GRAD_PRODUCT k: r6 = the next gradient times the weight at byte k, flags as of it. Spoils r7. 4 cycles, 5 for k = 1,
@ 2.
    .macro GRAD_PRODUCT k
    ldm r0!, {r6}
    SIGNED_BYTE r7, r5, \k
    muls r6, r7, r6
    .endm

@ GRAD_COUNT new, old: one edge moves from bin to bin, and r10 counts it. Spoils new, old, r4. 15 cycles.
    .macro GRAD_COUNT new, old
    MOVE_COUNT \new, \old, bins=lr, spare=r4
    add r10, r3
    .endm

@ GRAD_RISE name, k, count: the next gradient and the score at byte k, in the chain that rises. Spoils r6, r7. 15 cycles
@ and those of count, 1 more for k = 1, 2.
    .macro GRAD_RISE name, k, count
    GRAD_PRODUCT \k
    bpl .L\name\()_fall\k
    SCORE_RISE \name, \k, x=r6, score=r7, at=r1, op=subs, half=r9, none=bpl, count=\count
    .endm

@ GRAD_FALL name, k, count: the same in the chain that falls, and where the product is 0. 14 cycles.
    .macro GRAD_FALL name, k, count
    GRAD_PRODUCT \k
    bmi .L\name\()_rise\k
    SCORE_FALL \name, \k, x=r6, score=r7, at=r1, op=subs, half=r8, none=beq, count=\count
    .endm

@ GRAD_CHAINS name, signs, count: both chains; .LNAME_fall_word begins an output, .LNAME_output_done follows it. At most
@ 73 cycles a word, and those of count. r0 grad,
@ r1 scores, r2 weights - scores, r3 shift, r4 SIGN_BITS, r5 four weights, r6 product, r7 score; r8 half, r9 half - 1,
@ r11 end of this output's gradient, r12 4 * P; with count r10 what has moved, lr bins, and r4 is free.
    .macro GRAD_CHAINS name, signs, count
.L\name\()_fall_word:
    GRAD_WORD \signs
    GRAD_FALL \name, 2, \count
    GRAD_FALL \name, 3, \count
    GRAD_FALL \name, 0, \count
    GRAD_FALL \name, 1, \count
    adds r1, #16
    cmp r0, r11
    bne .L\name\()_fall_word
    b .L\name\()_output_done
    SCORE_LOW \name, 2, r6
    SCORE_LOW \name, 3, r6
    SCORE_LOW \name, 0, r6
    SCORE_LOW \name, 1, r6
.L\name\()_rise_word:
    GRAD_WORD \signs
    GRAD_RISE \name, 2, \count
    GRAD_RISE \name, 3, \count
    GRAD_RISE \name, 0, \count
    GRAD_RISE \name, 1, \count
    adds r1, #16
    cmp r0, r11
    bne .L\name\()_rise_word
    b .L\name\()_output_done
    SCORE_HIGH \name, 2, r6
    SCORE_HIGH \name, 3, r6
    SCORE_HIGH \name, 0, r6
    SCORE_HIGH \name, 1, r6
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
    str r1, [sp, #G_EDGES]
    ldr r2, [r0, #SCORE_GRAD_WEIGHTS]
    subs r2, r2, r1
    ldr r4, [r0, #SCORE_GRAD_N_IN]
    GROUP_BYTES r4
    mov r12, r4
    ldr r5, [r0, #SCORE_GRAD_N_OUT]
    str r5, [sp, #G_LEFT]

@ Whether edges are counted: r6 histogram.
    ldr r6, [r0, #SCORE_GRAD_HISTOGRAM]
    IS_COUNTED r6, not=.Lgrad_not_counted, spare=r7
    movs r5, #0
    mov r10, r5
    mov lr, r6
.Lgrad_not_counted:
    str r6, [sp, #G_BINS]
    ldr r0, [r0, #SCORE_GRAD_GRAD]
    movs r4, #0
    str r4, [sp, #G_DONE]

.Lgrad_output:
    mov r5, r12
    adds r5, r0, r5
    mov r11, r5
    ldr r4, [sp, #G_BINS]
    cmp r4, #0
    bne .Lgrad_counted
    ldr r4, .Lgrad_bias
    b .Lgrad_fall_word
.Lgrad_counted:
    b .Lcounted_grad_fall_word

@ After an output with edges that are counted, as in m0k_score_dense.
.Lcounted_grad_output_done:
    ldr r5, [sp, #G_DONE]
    ldr r4, [sp, #G_LEFT]
    adds r4, r4, r5
    adds r5, #1
    mov r6, r12
    lsrs r6, r6, #2
    ALLOWED r4, done=r5, inputs=r6
    cmp r10, r4
    bls .Lgrad_output_done
    movs r5, #0
    str r5, [sp, #G_BINS]
    mov r4, lr
    strh r5, [r4]

@ The next output's scores: 4 on, or the next group's.
.Lgrad_output_done:
    ldr r5, [sp, #G_LEFT]
    subs r5, #1
    beq .Lgrad_done
    str r5, [sp, #G_LEFT]
    ldr r1, [sp, #G_EDGES]
    adds r1, #4
    ldr r5, [sp, #G_DONE]
    adds r5, #1
    str r5, [sp, #G_DONE]
    lsls r5, r5, #30
    bne .Lgrad_same_group
    add r1, r12
    subs r1, #16
.Lgrad_same_group:
    str r1, [sp, #G_EDGES]
    b .Lgrad_output
.Lgrad_done:
    add sp, #G_FRAME
    RETURN_ALL
    .p2align 2
.Lgrad_bias:
    .word SIGN_BITS

    GRAD_CHAINS grad, signs=mov
    GRAD_CHAINS counted_grad, signs=ldr, count=GRAD_COUNT
    .p2align 2
.Lcounted_grad_bias:
    .word SIGN_BITS
    END_FUNCTION m0k_score_grad
