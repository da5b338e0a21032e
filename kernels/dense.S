/*
 * m0k_dense_forward(const m0k_dense_t *p): out = requantised in * weights, and the core that m0k_conv_forward shares.
 *
 *   y[o] = sat(round_shift(first[o] + sum over i of w[o][i] * a[i], shift)), and max(y, 0) with relu. With acc_out the
 *   sums themselves are stored there as int32[n_out]; shift, relu and out are not used then. acc_out may be first.
 *
 * Shapes    n_in, n_out 1 .. 65,535. in: P bytes are read. out: n_out bytes are written, one by one.
 * Layout    weights: edge array, bytes w + 128 (m0k.h). With a provider that is picked, provider(context, g) is called
 *           once for each group g = 0, 1, .. and returns that group's 4 * P bytes. scratch: 2.5 * P + 64 bytes, whose
 *           contents before and after the call do not matter. columns: as m0k.h has it.
 * Alignment in, weights, acc_out, first, scratch, columns: 4. out: 1.
 * Ranges    shift 0 .. 24. signed_in = 0: all P bytes of in are 0 .. 127. signed_in = 1: -127 .. 127. The sums, and
 *           with first, fit int32.
 * Stack     116 bytes, and the provider's.
 * Needs     dense_lanes.S, dense_list.S, dense_columns.S.
 *
 * Which way sums are made. Layers with scratch, 37 outputs or more, 93 inputs and P * n_out of 8,192 prepare their inputs
 * once for all groups (below that preparing costs what it saves), the others read them for every group:
 *   core     this file: words of inputs, one after the other; all small layers
 *   lanes    dense_lanes.S: the same, split before; signed inputs always
 *   list     dense_list.S: inputs that are not zero, one after the other
 *   columns  dense_columns.S: the same over `columns`, where there are any and no provider is picked
 * m0k_dense_choose estimates unsigned ones by what splitting counted. With random zeros, 784 to 64: lanes above 60 % of
 * inputs that are not zero, core 53 to 60 %, list below; columns, inputs up to 32, below 62 %, where the list ends.
 *
 * How it works. Two products in one MULS (unsigned path): with lanes 16 bits apart,
 *     (a0 + a2 << 16) * (u2 + u0 << 16) = a0*u2 + (a0*u0 + a2*u2) << 16   (mod 2^32)
 *   a0*u2 <= 127 * 255 < 2^16 carries nothing and a0*u0 + a2*u2 <= 64,770 < 2^16 loses nothing, so LSRS #16 leaves the
 *   sum of the two products. sum(w * a) = sum(u * a) - 128 * sum(a): the correction is the accumulators' first value.
 *   Signed path: both lanes signed, (a0 + a2 * 2^16) * (w2 + w0 * 2^16) with |a0*w0 + a2*w2| <= 32,258 < 2^15 and
 *   |a0*w2| <= 16,129 < 2^15: ASRS #16 leaves the sum, one too small exactly when a0*w2 < 0; that is bit 15, the bit
 *   that ASRS puts into the carry, and ADCS adds it back. The first ADCS of each word has nothing else to add; it adds
 *   the constant BIAS_LANES that is in a register anyway, and the accumulators start at -words * BIAS_LANES.
 *   Words of in that are zero (in the unsigned path: even or odd lanes that are zero) are skipped.
 *
 * Cycles, Cortex-M0+ with single-cycle multiplier, words W = P / 4, groups = ceil(n_out / 4), L = ceil(W / 4):
 * core:
 *   signed_in = 0: 169 + 6 W + 20 ceil(W / 256) + groups * (S + 49 W + 4 L)
 *   signed_in = 1: 157 + groups * (S + 66 W + 4 L),      S = 59 with relu, 85 without, 37 with acc_out
 *   exact to 3 cycles without zeros and saturation for n_out a multiple of 4. A saturated output takes 4 (relu) or 7
 *   more, a last group of 1 .. 3 outputs up to 14, a provider its own cycles and about 64 a group. Less with zeros: a
 *   zero word takes 11 (unsigned) or 14 (signed) instead of 49 or 66, even lanes or odd lanes only 32 or 35; in the
 *   signed path a word of which only the lowest byte is not zero takes 70.
 * lanes, exact to 1 as above, all words not zero:
 *   signed_in = 0: 412 + 17.5 W + 51 ceil(W / 128) + groups * (S + 24 + 45 W + 4 L)
 *   signed_in = 1: 300 + 17 W + groups * (S + 24 + 59 W + 4 L)
 *   a zero word takes 7 in all, not again for each group; another run of words 12 a group and 50.
 * list of n inputs, Z words being zero, about: 490 + 16 Z + 45 (W - Z) + 3 n + groups * (34 + S + 19.5 n)
 * columns, chunks being one, about: 530 + 18 Z + 45 (W - Z) + 11 n + groups * (68 + S + 9.7 n); another chunk 32 a group
 *   784 -> 64: core 3.17 a MAC unsigned, 4.21 signed; lanes 2.98 and 3.85. Recorded activations of tiny-cnn (31 % not
 *   zero, up to 32), means over 40 images: 2.08 with the core, 1.73 with the list, 1.02 with columns.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "core.inc"
    #include "dense.inc"
    #include "m0k.inc"

@ Smaller layers take the core's own loops: preparing lanes would take longer than they save.
    .equ WIDE_OUTPUTS_LOG2, 5       @ at least 2^5 outputs,
    .equ WIDE_OUTPUTS, 37           @ at least so many
    .equ WIDE_INPUTS, 96            @ at least so many inputs, so that estimates hold,
    .equ WIDE_EDGES_LOG2, 13        @ and P * n_out at least 2^13


    FUNCTION m0k_dense_forward, align=1
    SAVE_ALL
    sub sp, #D_SIZE
    str r0, [sp, #D_BLOCK]

@ The frame: where the inputs are, and how outputs are stored. Until it is known how sums are made, r8 holds the
@ weights, r9 out, r10 n_out, r11 not 0 if there are many outputs, r12 acc_out.
    ldm r0!, {r1, r2, r3, r4, r5}   @ in, weights, out, n_in, n_out
    mov r8, r2
    mov r9, r3
    mov r10, r5
    WORDS r4
    str r1, [sp, #F_IN]
    lsls r2, r4, #2
    adds r1, r1, r2
    str r1, [sp, #F_STOP]
    lsrs r5, r5, #WIDE_OUTPUTS_LOG2
    mov r11, r5
    movs r1, r4
    ldr r2, [r0, #DENSE_ACC_OUT - DENSE_SHIFT]
    mov r12, r2
    bl m0k_core_prepare

@ Most small layers have one array of weights, and nothing else.
    ldr r4, [sp, #D_BLOCK]
    ldr r0, [r4, #DENSE_PROVIDER]
    ldr r1, [r4, #DENSE_FIRST]
    mov r2, r11
    orrs r2, r0
    orrs r2, r1
    bne .Lmore

@ Of unsigned inputs the first value is a correction by their sum.
.Lnarrow:
    ldr r5, [r4, #DENSE_SIGNED_IN]
    cmp r5, #0
    bne .Loutputs
    bl m0k_core_sum
    ldr r0, [sp, #F_INIT]
    lsls r3, r3, #7                 @ 128 * sum(a)
    subs r0, r0, r3
    str r0, [sp, #F_INIT]

@ r4 = first output, r5 = end of the outputs: bytes, or words with acc_out. r11 = provider
.Loutputs:
    mov r4, r9
    mov r5, r10
    mov r0, r12
    cmp r0, #0
    beq .Loutputs_known
    movs r4, r0
    lsls r5, r5, #2
.Loutputs_known:
    adds r5, r5, r4
    mov r2, r11
    cmp r2, #0
    bne .Lprovided

@ Weights in one array: one call of the core for all groups.
    str r5, [sp, #F_END]
    mov r1, r8
    bl m0k_core
    b .Lforward_done

@ One call of the provider and of the core for each group. At its top: r1 = group, r4 = its first output; the core and
@ the provider keep nothing else, all is in the frame.
.Lprovided:
    str r2, [sp, #D_PROVIDER]
    str r5, [sp, #D_END]
    movs r1, #0
.Lprovided_group:
    str r4, [sp, #D_OUT]
    str r1, [sp, #D_GROUP]
    ldr r6, [sp, #D_BLOCK]
    ldr r0, [r6, #DENSE_CONTEXT]
    ldr r2, [sp, #D_PROVIDER]
    blx r2
    movs r1, r0                     @ the group's weights
    ldr r4, [sp, #D_OUT]
    ldr r0, [sp, #D_FOUR]
    adds r0, r0, r4
    ldr r2, [sp, #D_END]
    cmp r0, r2
    bls .Lgroup_end_known
    movs r0, r2                     @ the last group may have fewer
.Lgroup_end_known:
    str r0, [sp, #F_END]
    bl m0k_core
    ldr r4, [sp, #F_END]
    ldr r1, [sp, #D_GROUP]
    adds r1, #1
    ldr r2, [sp, #D_END]
    cmp r4, r2
    bne .Lprovided_group

.Lforward_done:
    add sp, #D_SIZE
    RETURN_ALL

@ Add the first values of the next four outputs, and store them. lr next output; r1, r6, r12 stay as they are.
.Lstore_first:
    ldr r0, [sp, #D_FIRST]
    ldr r4, [sp, #F_END]
    mov r3, lr
    subs r4, r4, r3
    ldr r5, [sp, #D_FOUR]
    cmp r4, r5
    blo .Lfirst_tail
    ldm r0!, {r3, r4, r5, r7}
    add r8, r3
    add r9, r4
    add r10, r5
    add r11, r7
    str r0, [sp, #D_FIRST]
.Lfirst_added:
    ldr r3, [sp, #D_STORE]
    mov pc, r3
.Lfirst_tail:                       @ 1 .. 3 outputs
    ldm r0!, {r3}
    add r8, r3
    lsrs r5, r5, #2                 @ bytes of an output
    subs r4, r4, r5
    beq .Lfirst_added
    ldm r0!, {r3}
    add r9, r3
    subs r4, r4, r5
    beq .Lfirst_added
    ldm r0!, {r3}
    add r10, r3
    b .Lfirst_added
@ r0 provider, r1 first, r2 not 0, r4 block
.Lmore:
    movs r3, #4
    mov r5, r12
    cmp r5, #0
    beq .Lfour_known
    lsls r3, r3, #2
.Lfour_known:
    str r3, [sp, #D_FOUR]
    cmp r1, #0
    beq .Lfirst_values_known
    str r1, [sp, #D_FIRST]
    ldr r1, [sp, #F_STORE]
    str r1, [sp, #D_STORE]
    ldr r1, .Laddress_first
    str r1, [sp, #F_STORE]
.Lfirst_values_known:
    cmp r0, #0
    beq .Lprovider_known
    ldr r1, [r4, #DENSE_PICK]
    cmp r1, #0
    beq .Lprovider_known
    ldr r1, [r1]
    cmp r1, #0
    bne .Lprovider_known
    movs r0, #0
.Lprovider_known:
    mov r11, r0
    mov r1, r10
    cmp r1, #WIDE_OUTPUTS
    blo .Lnarrow
    ldr r2, [sp, #F_STOP]
    ldr r3, [sp, #F_IN]
    subs r2, r2, r3
    cmp r2, #WIDE_INPUTS
    blo .Lnarrow
    muls r1, r2, r1
    lsrs r1, r1, #WIDE_EDGES_LOG2
    beq .Lnarrow
    ldr r1, [r4, #DENSE_SCRATCH]
    cmp r1, #0
    beq .Lnarrow
    str r0, [sp, #D_PROVIDER]

@ The inputs as lanes.
    ldr r1, [r4, #DENSE_SIGNED_IN]
    cmp r1, #0
    bne .Lsigned_lanes
    bl m0k_dense_split
    bl m0k_dense_choose
    b .Lprepared
.Lsigned_lanes:
    bl m0k_dense_split_signed
    ldr r0, [sp, #F_IN]
    subs r1, r1, r0
    lsrs r1, r1, #3
    ldr r0, [sp, #D_RUNS]
    subs r1, r1, r0                 @ words that are not zero
    ldr r0, [sp, #F_STOP]
    ldr r2, [sp, #D_BLOCK]
    ldr r2, [r2, #DENSE_IN]
    subs r0, r0, r2
    lsrs r0, r0, #2
    subs r0, r0, r1
    ldr r1, .Llanes_forward         @ the others do not add to the sums what these do
    muls r0, r1, r0
    ldr r1, [sp, #F_INIT]
    adds r0, r0, r1
    str r0, [sp, #F_INIT]
.Lprepared:
    ldr r0, [sp, #D_BLOCK]
    ldr r1, [r0, #DENSE_ACC_OUT]
    mov r12, r1
    adds r0, #DENSE_WEIGHTS
    ldm r0!, {r1, r2, r3, r4}       @ weights, out, n_in, n_out
    mov r8, r1
    mov r9, r2
    mov r10, r4
    ldr r0, [sp, #D_PROVIDER]
    mov r11, r0
    b .Loutputs
    .p2align 2
.Laddress_first:
    .word .Lstore_first
.Llanes_forward:
    .word BIAS_LANES
    END_FUNCTION m0k_dense_forward

@ ---------------------------------------------------------------------------------- m0k_core_prepare (not for C)
@ Fills F_SHIFT, F_ROUND, F_INIT (without the correction by sum(a)), F_LOOP, F_STORE.
@ In: r0 = address of {shift, relu, signed_in}, r1 = words, r2 = acc_out or 0. Spoils r0-r7. No stack.
    FUNCTION m0k_core_prepare, align=1
    ldm r0!, {r3, r4, r5}           @ shift, relu, signed_in
    str r3, [sp, #F_SHIFT]
    ROUND_HALF r6, r3
    str r6, [sp, #F_ROUND]

@ How outputs are stored. r6 becomes the part of F_INIT that this decides.
    ldr r0, .Laddress_relu
    cmp r4, #0
    bne .Lmaybe_acc
    ldr r0, .Laddress_plain
    movs r6, #0                     @ only the ReLU path has the rounding in its accumulators
.Lmaybe_acc:
    cmp r2, #0
    beq .Lstore_known
    ldr r0, .Laddress_acc
    movs r6, #0
.Lstore_known:
    str r0, [sp, #F_STORE]

@ Which of the two loops, r0 = the offset of its four entries, and what each word of its ADCS adds, off again.
    movs r0, #0
    cmp r5, #0
    beq .Lfirst_known
    ldr r0, .Llanes
    muls r0, r1, r0
    subs r6, r6, r0
    movs r0, #16
.Lfirst_known:
    str r6, [sp, #F_INIT]

@ Enter so that the last word is done by the last copy of the unrolled loop: words % 4.
    movs r3, #3
    ands r1, r3
    lsls r1, r1, #2
    adds r0, r0, r1
    adr r1, .Lentries
    ldr r0, [r1, r0]
    str r0, [sp, #F_LOOP]
    bx lr
    .p2align 2
.Laddress_relu:
    .word .Lstore_relu
.Laddress_plain:
    .word .Lstore_plain
.Laddress_acc:
    .word .Lstore_acc
.Llanes:
    .word BIAS_LANES
.Lentries:
    .word .Lunsigned0, .Lunsigned3, .Lunsigned2, .Lunsigned1, .Lsigned0, .Lsigned3, .Lsigned2, .Lsigned1
    END_FUNCTION m0k_core_prepare

@ -------------------------------------------------------------------------------------- m0k_core_sum (not for C)
@ r3 = sum of the bytes from F_IN to F_STOP, each 0 .. 127. Spoils r0, r1, r2, r4-r7. No stack.
@ In the loops: r0 inputs, r1 their end, r2 EVEN_BYTES, r3 the sum, r4 two lanes of it, r5, r6 words, r7 end of this
@ part.
    FUNCTION m0k_core_sum, align=1
    ldr r0, [sp, #F_IN]
    ldr r1, [sp, #F_STOP]
    ldr r2, .Leven_bytes_sum
    movs r3, #0

@ A word adds at most 254 to a lane of 16 bits: 256 words, 1024 bytes, at a time.
.Lsum_part:
    movs r7, #1
    lsls r7, r7, #10
    adds r7, r7, r0
    cmp r7, r1
    bls .Lsum_part_known
    movs r7, r1
.Lsum_part_known:
    movs r4, #0
    subs r5, r7, r0
    lsls r5, r5, #29                @ odd number of words: bit 2 of the bytes
    bpl .Lsum_more
    ldm r0!, {r4}
    lsrs r5, r4, #8
    ands r4, r2
    ands r5, r2
    adds r4, r4, r5
    cmp r0, r7
    beq .Lsum_part_done
    .p2align 2
.Lsum_two_words:                    @ their sum has no carry: bytes are below 128
    ldm r0!, {r5, r6}
    adds r5, r5, r6
    ADD_BYTES r4, r5, r2, r6
.Lsum_more:
    cmp r0, r7
    bne .Lsum_two_words
.Lsum_part_done:
    uxth r5, r4
    lsrs r4, r4, #16
    adds r3, r3, r5
    adds r3, r3, r4
    cmp r0, r1
    bne .Lsum_part
    bx lr
    .p2align 2
.Leven_bytes_sum:
    .word EVEN_BYTES
    END_FUNCTION m0k_core_sum

@ ------------------------------------------------------------------------------------------ m0k_core (not for C)
@ All outputs from r4 up to F_END on one input vector.
@ In: r1 = weights, r4 = first output, the frame. Spoils r0-r12, lr. No stack.
@
@ In the inner loops: r0 activations, r1 weights, r2 EVEN_BYTES, r3 and r4 even and odd activation lanes, r5-r7 weights,
@ (signed: r6 BIAS_LANES), r8-r11 accumulators, r12 end of the activations, lr next output.
@ Behind them, where outputs are stored: r1, r8-r12, lr as before; r2-r7 free, r0 free.

@ UNSIGNED_ODD w, acc: only the odd lanes. Spoils w. 5 cycles.
    .macro UNSIGNED_ODD w, acc
    lsrs \w, \w, #8
    ands \w, r2
    muls \w, r4, \w
    lsrs \w, \w, #16
    add \acc, \w
    .endm

@ UNSIGNED_STEP i: copy i of the loop: one word of activations with all its products. 49 cycles; goes on behind itself.
    .macro UNSIGNED_STEP i
.Lunsigned\i:
    ldm r0!, {r3}
    lsrs r4, r3, #8
    ands r4, r2
    beq .Lodd_zero\i
    ands r3, r2
    beq .Leven_zero\i
    ldm r1!, {r5, r6}
    UNSIGNED_WORD r5, r8
    UNSIGNED_WORD r6, r9
    ldm r1!, {r5, r6}
    UNSIGNED_WORD r5, r10
    UNSIGNED_WORD r6, r11
    .endm

@ UNSIGNED_ZEROS i, next: what UNSIGNED_STEP branches to when lanes are zero; goes on at next. A step takes 11 cycles in
@ all for a zero word, 32 with even lanes alone, 35 with odd ones.
    .macro UNSIGNED_ZEROS i, next
.Lodd_zero\i:
    ands r3, r2
    bne .Leven_only\i
    adds r1, #16
    b \next
.Leven_only\i:
    ldm r1!, {r4, r5, r6, r7}
    UNSIGNED_EVEN r4, r8
    UNSIGNED_EVEN r5, r9
    UNSIGNED_EVEN r6, r10
    UNSIGNED_EVEN r7, r11
    b \next
.Leven_zero\i:
    ldm r1!, {r3, r5, r6, r7}
    UNSIGNED_ODD r3, r8
    UNSIGNED_ODD r5, r9
    UNSIGNED_ODD r6, r10
    UNSIGNED_ODD r7, r11
    b \next
    .endm

@ SIGNED_STEP i: copy i of the loop, signed. 66 cycles; goes on behind itself.
    .macro SIGNED_STEP i
.Lsigned\i:
    ldm r0!, {r3}
    lsrs r4, r3, #8
    beq .Lsigned_zero\i
.Lsigned_not_zero\i:
    SIGNED_LANES r4
    SIGNED_LANES r3
    SIGNED_WORD r8
    SIGNED_WORD r9
    SIGNED_WORD r10
    SIGNED_WORD r11
    .endm

@ SIGNED_ZEROS i, next: what SIGNED_STEP branches to when bytes 1 to 3 are zero; goes on at next. A step takes 14 cycles
@ in all for a zero word, 4 more than a full one if its first byte is not zero.
    .macro SIGNED_ZEROS i, next
.Lsigned_zero\i:
    cmp r3, #0
    bne .Lsigned_not_zero\i
    adds r1, #16
    add r8, r6
    add r9, r6
    add r10, r6
    add r11, r6
    b \next
    .endm

@ RELU acc, saturate: r5 = the requantised output of acc, the rounding already in it, with ReLU; to saturate above 127.
@ r3 = shift. Spoils r7. 6 cycles.
    .macro RELU acc, saturate
    mov r5, \acc
    asrs r5, r3
    MAX_0 r5, r7
    cmp r5, #127
    bhi \saturate
    .endm

@ PLAIN acc, saturate: the same without ReLU; to saturate outside -127 .. 127. r2 = rounding, r3 = shift, r6 = -1, or 0
@ when nothing is shifted. Spoils r7. 10 cycles.
    .macro PLAIN acc, saturate
    mov r5, \acc
    ROUND_SHIFT r5, half=r2, shift=r3, mask=r6, spare=r7
    UNLESS_127 r5, \saturate, spare=r7
    .endm

@ SATURATE back: r5 = 127 or -127 by its sign; goes on at back. Spoils r7. 6 cycles.
    .macro SATURATE back
    asrs r7, r5, #31
    movs r5, #127
    eors r5, r7
    subs r5, r5, r7
    b \back
    .endm

@ SATURATE_127 back: r5 = 127; goes on at back. 3 cycles.
    .macro SATURATE_127 back
    movs r5, #127
    b \back
    .endm

@ NEXT_ACCUMULATOR: r8 = the next of a last group of 1 .. 3 outputs. 3 cycles.
    .macro NEXT_ACCUMULATOR
    mov r8, r9
    mov r9, r10
    mov r10, r11
    .endm

    FUNCTION m0k_core, align=1
    mov r3, lr
    str r3, [sp, #F_RETURN]
    mov lr, r4
    ldr r3, [sp, #F_STOP]
    mov r12, r3
    ldr r2, .Leven_bytes
    ldr r6, .Llanes_core
    b .Lgroup

@ Store the sums themselves: r0 output, r4 bytes left. r6 must be BIAS_LANES again for the next group.
.Lstore_acc:
    mov r0, lr
    ldr r4, [sp, #F_END]
    subs r4, r4, r0
    cmp r4, #16
    blo .Lacc_tail
    mov r3, r8
    mov r5, r9
    mov r6, r10
    mov r7, r11
    stm r0!, {r3, r5, r6, r7}
    mov lr, r0
    ldr r6, .Llanes_core
    subs r4, #16
    beq .Lacc_done
    b .Lgroup
.Lacc_tail:
    mov r5, r8
    stm r0!, {r5}
    NEXT_ACCUMULATOR
    subs r4, #4
    bne .Lacc_tail
.Lacc_done:
    b .Ldone

@ A last group of r4 = 1 .. 3 outputs, without ReLU.
.Lplain_tail:
    PLAIN r8, .Lplain_tail_saturate
.Lplain_tail_store:
    strb r5, [r0]
    adds r0, #1
    NEXT_ACCUMULATOR
    subs r4, #1
    bne .Lplain_tail
    b .Ldone
.Lplain_tail_saturate:
    SATURATE .Lplain_tail_store

@ Round, saturate and store four outputs. r0 output, r2 rounding, r3 shift, r4 outputs left, r6 mask of ROUND_SHIFT;
@ then r2 and r6 must be EVEN_BYTES and BIAS_LANES again.
.Lstore_plain:
    mov r0, lr
    ldr r3, [sp, #F_SHIFT]
    ldr r2, [sp, #F_ROUND]
    cmp r3, #1                      @ borrow, so -1 below, unless nothing is shifted
    sbcs r6, r6
    mvns r6, r6
    ldr r4, [sp, #F_END]
    subs r4, r4, r0
    cmp r4, #4
    blo .Lplain_tail
    PLAIN r8, .Lplain_saturate0
.Lplain_store0:
    strb r5, [r0]
    PLAIN r9, .Lplain_saturate1
.Lplain_store1:
    strb r5, [r0, #1]
    PLAIN r10, .Lplain_saturate2
.Lplain_store2:
    strb r5, [r0, #2]
    PLAIN r11, .Lplain_saturate3
.Lplain_store3:
    strb r5, [r0, #3]
    adds r0, #4
    mov lr, r0
    ldr r2, .Leven_bytes
    ldr r6, .Llanes_core
    subs r4, #4
    bne .Lgroup
    b .Ldone
.Lplain_saturate0:
    SATURATE .Lplain_store0
.Lplain_saturate1:
    SATURATE .Lplain_store1
.Lplain_saturate2:
    SATURATE .Lplain_store2
.Lplain_saturate3:
    SATURATE .Lplain_store3

@ A last group of r4 = 1 .. 3 outputs, with ReLU.
.Lrelu_tail:
    RELU r8, .Lrelu_tail_saturate
.Lrelu_tail_store:
    strb r5, [r0]
    adds r0, #1
    NEXT_ACCUMULATOR
    subs r4, #1
    bne .Lrelu_tail
    b .Ldone
.Lrelu_tail_saturate:
    SATURATE_127 .Lrelu_tail_store

@ The same with ReLU: r2 and r6 stay as the loops want them.
.Lrelu_saturate0:
    SATURATE_127 .Lrelu_store0
.Lrelu_saturate1:
    SATURATE_127 .Lrelu_store1
.Lrelu_saturate2:
    SATURATE_127 .Lrelu_store2
.Lrelu_saturate3:
    SATURATE_127 .Lrelu_store3
.Lstore_relu:
    mov r0, lr
    ldr r3, [sp, #F_SHIFT]
    ldr r4, [sp, #F_END]
    subs r4, r4, r0
    cmp r4, #4
    blo .Lrelu_tail
    RELU r8, .Lrelu_saturate0
.Lrelu_store0:
    strb r5, [r0]
    RELU r9, .Lrelu_saturate1
.Lrelu_store1:
    strb r5, [r0, #1]
    RELU r10, .Lrelu_saturate2
.Lrelu_store2:
    strb r5, [r0, #2]
    RELU r11, .Lrelu_saturate3
.Lrelu_store3:
    strb r5, [r0, #3]
    adds r0, #4
    mov lr, r0
    subs r4, #4
    beq .Ldone

@ Four outputs: first values, then into the unrolled loop. r1 = the group's weights, where the last group's end.
.Lgroup:
    ldr r3, [sp, #F_INIT]
    mov r8, r3
    mov r9, r3
    mov r10, r3
    mov r11, r3
    ldr r0, [sp, #F_IN]
    ldr r3, [sp, #F_LOOP]
    mov pc, r3

.Ldone:
    ldr r3, [sp, #F_RETURN]
    bx r3
    .p2align 2
.Leven_bytes:
    .word EVEN_BYTES
.Llanes_core:
    .word BIAS_LANES

@ The two inner loops, four words of activations a round; their zero cases lie on both sides, in reach of a branch.
    UNSIGNED_ZEROS 0, .Lunsigned1
    UNSIGNED_ZEROS 1, .Lunsigned2
    UNSIGNED_STEP 0
    UNSIGNED_STEP 1
    UNSIGNED_STEP 2
    UNSIGNED_STEP 3
.Lunsigned_next:
    cmp r0, r12
    beq .Lunsigned_done
    b .Lunsigned0
    UNSIGNED_ZEROS 2, .Lunsigned3
    UNSIGNED_ZEROS 3, .Lunsigned_next
.Lunsigned_done:
    ldr r3, [sp, #F_STORE]
    mov pc, r3

    SIGNED_ZEROS 0, .Lsigned1
    SIGNED_ZEROS 1, .Lsigned2
    SIGNED_STEP 0
    SIGNED_STEP 1
    SIGNED_STEP 2
    SIGNED_STEP 3
.Lsigned_next:
    cmp r0, r12
    beq .Lsigned_done
    b .Lsigned0
.Lsigned_done:
    ldr r3, [sp, #F_STORE]
    mov pc, r3
    SIGNED_ZEROS 2, .Lsigned3
    SIGNED_ZEROS 3, .Lsigned_next
    END_FUNCTION m0k_core
