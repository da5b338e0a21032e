/*
 * m0k_dense_forward(const m0k_dense_t *p): out = requantised in * weights, and the core that m0k_conv_forward shares.
 *
 *   y[o] = sat(round_shift(sum over i of w[o][i] * a[i], shift)), and max(y, 0) with relu. With acc_out the sums
 *   themselves are stored there as int32[n_out]; shift, relu and out are not used then.
 *
 * Shapes    n_in, n_out 1 .. 65,535. in: P bytes are read. out: n_out bytes are written, one by one.
 * Layout    weights: edge array, bytes w + 128 (m0k.h). With a provider, provider(context, g) is called once for each
 *           group g = 0, 1, .. and returns that group's 4 * P bytes.
 * Alignment in, weights, acc_out: 4. out: 1.
 * Ranges    shift 0 .. 24. signed_in = 0: all P bytes of in are 0 .. 127. signed_in = 1: -127 .. 127.
 * Stack     88 bytes, and the provider's.
 * Code      2,060 bytes with the core, which m0k_conv_forward uses too.
 *
 * How it works. Two products in one MULS (unsigned path): with lanes 16 bits apart,
 *     (a0 + a2 << 16) * (u2 + u0 << 16) = a0*u2 + (a0*u0 + a2*u2) << 16   (mod 2^32)
 *   a0*u2 <= 127 * 255 < 2^16 carries nothing and a0*u0 + a2*u2 <= 64,770 < 2^16 loses nothing, so LSRS #16 leaves the
 *   sum of the two products. sum(w * a) = sum(u * a) - 128 * sum(a): the correction is the accumulators' first value.
 *   Signed path: both lanes signed, (a0 + a2 * 2^16) * (w2 + w0 * 2^16) with |a0*w0 + a2*w2| <= 32,258 < 2^15 and
 *   |a0*w2| <= 16,129 < 2^15: ASRS #16 leaves the sum, one too small exactly when a0*w2 < 0; that is bit 15, the bit
 *   that ASRS puts into the carry, and ADCS adds it back. The first ADCS of each word has nothing else to add; it adds
 *   the constant LANES that is in a register anyway, and the accumulators start at -words * LANES.
 *   Words of in that are zero (in the unsigned path: even or odd lanes that are zero) are skipped.
 *
 * Cycles, Cortex-M0+ with single-cycle multiplier, words W = P / 4, groups = ceil(n_out / 4), L = ceil(W / 4):
 *   signed_in = 0: 162 + 6 W + 20 ceil(W / 256) + groups * (S + 49 W + 4 L)
 *   signed_in = 1: 150 + groups * (S + 66 W + 4 L),      S = 59 with relu, 85 without, 37 with acc_out
 *   exact to 3 cycles without zeros and saturation for n_out a multiple of 4. A saturated output takes 4 (relu) or 7
 *   more, a last group of 1 .. 3 outputs up to 14, a provider its own cycles and about 64 a group. Less with zeros: a
 *   zero word takes 11 (unsigned) or 14 (signed) instead of 49 or 66, even lanes or odd lanes only 32 or 35; in the
 *   signed path a word of which only the lowest byte is not zero takes 70.
 *   784 -> 64: 3.17 a MAC unsigned, 4.21 signed.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "m0k.inc"

    .equ EVEN_BYTES, 0x00FF00FF
    .equ LANES, 0x00800080          @ 128 in both lanes

@ The core's frame: the caller's, at SP when it calls. conv.S repeats these.
    .equ F_IN, 0                    @ activations
    .equ F_STOP, 4                  @ their end
    .equ F_INIT, 8                  @ first value of the accumulators
    .equ F_SHIFT, 12
    .equ F_ROUND, 16                @ 2^(shift-1), 0 for no shift
    .equ F_END, 20                  @ end of the outputs
    .equ F_LOOP, 24                 @ code address: where the inner loop is entered
    .equ F_STORE, 28                @ code address: how outputs are stored
    .equ F_RETURN, 32
@ m0k_dense_forward's own
    .equ D_BLOCK, 36
    .equ D_GROUP, 40
    .equ D_OUT, 44
    .equ D_END, 48
    .equ D_SIZE, 52


    FUNCTION m0k_dense_forward, align=1
    SAVE_ALL
    sub sp, #D_SIZE
    str r0, [sp, #D_BLOCK]
    movs r4, r0
    ldr r1, [r4, #DENSE_N_IN]
    adds r1, #3
    lsrs r1, r1, #2                 @ words
    ldr r0, [r4, #DENSE_IN]
    str r0, [sp, #F_IN]
    lsls r2, r1, #2
    adds r2, r2, r0
    str r2, [sp, #F_STOP]
    ldr r2, [r4, #DENSE_ACC_OUT]
    movs r0, r4
    adds r0, #DENSE_SHIFT
    bl m0k_core_prepare
    ldr r4, [sp, #D_BLOCK]
    ldr r5, [r4, #DENSE_SIGNED_IN]
    cmp r5, #0
    bne 1f
    bl m0k_core_sum
    ldr r0, [sp, #F_INIT]
    lsls r3, r3, #7
    subs r0, r0, r3
    str r0, [sp, #F_INIT]
1:  ldr r6, [sp, #D_BLOCK]
    ldr r4, [r6, #DENSE_OUT]
    ldr r5, [r6, #DENSE_N_OUT]
    ldr r0, [r6, #DENSE_ACC_OUT]
    cmp r0, #0
    beq 2f
    movs r4, r0
    lsls r5, r5, #2
2:  adds r5, r5, r4
    ldr r0, [r6, #DENSE_PROVIDER]
    cmp r0, #0
    bne 3f
    str r5, [sp, #F_END]
    ldr r1, [r6, #DENSE_WEIGHTS]
    bl m0k_core
    b 6f

3:  str r5, [sp, #D_END]            @ one call of the core for each group
    movs r1, #0
4:  str r4, [sp, #D_OUT]
    str r1, [sp, #D_GROUP]
    ldr r6, [sp, #D_BLOCK]
    ldr r0, [r6, #DENSE_CONTEXT]
    ldr r2, [r6, #DENSE_PROVIDER]
    blx r2
    movs r1, r0
    ldr r4, [sp, #D_OUT]
    ldr r6, [sp, #D_BLOCK]
    ldr r2, [r6, #DENSE_ACC_OUT]
    movs r0, #4
    cmp r2, #0
    beq 5f
    movs r0, #16
5:  adds r0, r0, r4
    ldr r2, [sp, #D_END]
    cmp r0, r2
    bls 7f
    movs r0, r2
7:  str r0, [sp, #F_END]
    bl m0k_core
    ldr r4, [sp, #F_END]
    ldr r1, [sp, #D_GROUP]
    adds r1, #1
    ldr r2, [sp, #D_END]
    cmp r4, r2
    bne 4b

6:  add sp, #D_SIZE
    RETURN_ALL
    END_FUNCTION m0k_dense_forward

@
@ m0k_core_prepare: fills F_SHIFT, F_ROUND, F_INIT (without the correction by sum(a)), F_LOOP, F_STORE.
@ In: r0 = address of {shift, relu, signed_in}, r1 = words, r2 = acc_out or 0. Clobbers r0-r7. No stack.
@ /
    FUNCTION m0k_core_prepare, align=1
    ldm r0!, {r3, r4, r5}           @ shift, relu, signed_in
    str r3, [sp, #F_SHIFT]
    movs r6, #1
    lsls r6, r3
    lsrs r6, r6, #1
    str r6, [sp, #F_ROUND]
    ldr r0, .Laddress_relu
    cmp r4, #0
    bne 1f
    ldr r0, .Laddress_plain
    movs r6, #0                     @ only the ReLU path has the rounding in its accumulators
1:  cmp r2, #0
    beq 2f
    ldr r0, .Laddress_acc
    movs r6, #0
2:  str r0, [sp, #F_STORE]
    movs r0, #0
    cmp r5, #0
    beq 3f
    ldr r0, .Llanes
    muls r0, r1, r0
    subs r6, r6, r0
    movs r0, #16
3:  str r6, [sp, #F_INIT]
    movs r3, #3                     @ enter so that the last word is done by the last copy of the unrolled loop
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
    .word LANES
.Lentries:
    .word .Lu0, .Lu3, .Lu2, .Lu1, .Ls0, .Ls3, .Ls2, .Ls1
    END_FUNCTION m0k_core_prepare

@
@ m0k_core_sum: r3 = sum of the bytes from F_IN to F_STOP, each 0 .. 127. Clobbers r0, r1, r2, r4-r7. No stack.
@ /
    FUNCTION m0k_core_sum, align=1
    ldr r0, [sp, #F_IN]
    ldr r1, [sp, #F_STOP]
    ldr r2, .Leven_bytes_sum
    movs r3, #0
1:  movs r7, #1                     @ a word adds at most 254 to a lane of 16 bits: 256 words at a time
    lsls r7, r7, #10
    adds r7, r7, r0
    cmp r7, r1
    bls 2f
    movs r7, r1
2:  movs r4, #0
    subs r5, r7, r0
    lsls r5, r5, #29                @ odd number of words: bit 2
    bpl 4f
    ldm r0!, {r4}
    lsrs r5, r4, #8
    ands r4, r2
    ands r5, r2
    adds r4, r4, r5
    cmp r0, r7
    beq 5f
    .p2align 2
3:  ldm r0!, {r5, r6}
    adds r5, r5, r6
    lsrs r6, r5, #8
    ands r5, r2
    ands r6, r2
    adds r4, r4, r5
    adds r4, r4, r6
4:  cmp r0, r7
    bne 3b
5:  uxth r5, r4
    lsrs r4, r4, #16
    adds r3, r3, r5
    adds r3, r3, r4
    cmp r0, r1
    bne 1b
    bx lr
    .p2align 2
.Leven_bytes_sum:
    .word EVEN_BYTES
    END_FUNCTION m0k_core_sum

@
@ m0k_core: all outputs from r4 up to F_END on one input vector.
@ In: r1 = weights, r4 = first output, the frame. Clobbers r0-r12. No stack.
@
@ In the loops: r0 activations, r1 weights, r2 EVEN_BYTES, r3 and r4 even and odd activation lanes, r5-r7 weights,
@ (signed: r6 LANES), r8-r11 accumulators, r12 end of the activations, lr next output.
@ /

@ One weight word \w of accumulator \acc, unsigned. 9 cycles.
    .macro UNSIGNED_WORD w, acc
    lsrs r7, \w, #8
    ands r7, r2
    muls r7, r4, r7
    lsrs r7, r7, #16
    add \acc, r7
    ands \w, r2
    muls \w, r3, \w
    lsrs \w, \w, #16
    add \acc, \w
    .endm

@ Only even lanes, or only odd ones, of weight word \w.
    .macro UNSIGNED_EVEN w, acc
    ands \w, r2
    muls \w, r3, \w
    lsrs \w, \w, #16
    add \acc, \w
    .endm

    .macro UNSIGNED_ODD w, acc
    lsrs \w, \w, #8
    ands \w, r2
    muls \w, r4, \w
    lsrs \w, \w, #16
    add \acc, \w
    .endm

@ One word of activations with all its products. 49 cycles; continues behind itself.
    .macro UNSIGNED_STEP i
.Lu\i:
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

@ What UNSIGNED_STEP branches to when lanes are zero: 11 cycles in all for a zero word, 32 and 35 for half a word.
    .macro UNSIGNED_ZEROS i, next
.Lodd_zero\i:
    ands r3, r2
    bne 1f
    adds r1, #16
    b \next
1:  ldm r1!, {r4, r5, r6, r7}
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

@ One weight word of accumulator \acc, signed. 14 cycles; adds LANES too.
    .macro SIGNED_WORD acc
    ldm r1!, {r5}
    lsrs r7, r5, #8
    ands r7, r2
    subs r7, r7, r6
    muls r7, r4, r7
    asrs r7, r7, #16
    adcs r7, r6
    ands r5, r2
    subs r5, r5, r6
    muls r5, r3, r5
    asrs r5, r5, #16
    adcs r7, r5
    add \acc, r7
    .endm

@ 66 cycles; continues behind itself.
    .macro SIGNED_STEP i
.Ls\i:
    ldm r0!, {r3}
    lsrs r4, r3, #8
    beq .Ls_zero\i
.Ls_not_zero\i:
    ands r4, r2
    eors r4, r6                     @ a byte's sign: (x ^ 128) - 128
    subs r4, r4, r6
    ands r3, r2
    eors r3, r6
    subs r3, r3, r6
    SIGNED_WORD r8
    SIGNED_WORD r9
    SIGNED_WORD r10
    SIGNED_WORD r11
    .endm

@ 14 cycles in all for a zero word; 4 more than a full word for one whose first byte alone is not zero.
    .macro SIGNED_ZEROS i, next
.Ls_zero\i:
    cmp r3, #0
    bne .Ls_not_zero\i
    adds r1, #16
    add r8, r6
    add r9, r6
    add r10, r6
    add r11, r6
    b \next
    .endm

@ r5 = the requantised output of accumulator \acc (rounding already in it), ReLU. r3 = shift. Clobbers r7. 6 cycles.
    .macro RELU acc, saturate
    mov r5, \acc
    asrs r5, r3
    asrs r7, r5, #31
    bics r5, r7
    cmp r5, #127
    bhi \saturate
    .endm

@ The same without ReLU. r2 = rounding, r6 = -1, or 0 when nothing is shifted. 10 cycles.
    .macro PLAIN acc, saturate
    mov r5, \acc
    asrs r7, r5, #31
    ands r7, r6
    adds r5, r5, r7
    adds r5, r5, r2
    asrs r5, r3
    movs r7, r5
    adds r7, #127
    cmp r7, #254
    bhi \saturate
    .endm

@ r5 = 127 or -127 by its sign. Clobbers r7.
    .macro SATURATE
    asrs r7, r5, #31
    movs r5, #127
    eors r5, r7
    subs r5, r5, r7
    .endm

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

.Lstore_acc:
    mov r0, lr
    ldr r4, [sp, #F_END]
    subs r4, r4, r0
    cmp r4, #16
    blo 1f
    mov r3, r8
    mov r5, r9
    mov r6, r10
    mov r7, r11
    stm r0!, {r3, r5, r6, r7}
    mov lr, r0
    ldr r6, .Llanes_core
    subs r4, #16
    beq 2f
    b .Lgroup
1:  mov r5, r8
    stm r0!, {r5}
    NEXT_ACCUMULATOR
    subs r4, #4
    bne 1b
2:  b .Ldone

.Ltail_plain:
    PLAIN r8, 2f
1:  strb r5, [r0]
    adds r0, #1
    NEXT_ACCUMULATOR
    subs r4, #1
    bne .Ltail_plain
    b .Ldone
2:  SATURATE
    b 1b

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
    blo .Ltail_plain
    PLAIN r8, 5f
1:  strb r5, [r0]
    PLAIN r9, 6f
2:  strb r5, [r0, #1]
    PLAIN r10, 7f
3:  strb r5, [r0, #2]
    PLAIN r11, 8f
4:  strb r5, [r0, #3]
    adds r0, #4
    mov lr, r0
    ldr r2, .Leven_bytes
    ldr r6, .Llanes_core
    subs r4, #4
    bne .Lgroup
    b .Ldone
5:  SATURATE
    b 1b
6:  SATURATE
    b 2b
7:  SATURATE
    b 3b
8:  SATURATE
    b 4b

.Ltail_relu:                        @ r4 = 1 .. 3 outputs are left
    RELU r8, 2f
1:  strb r5, [r0]
    adds r0, #1
    NEXT_ACCUMULATOR
    subs r4, #1
    bne .Ltail_relu
    b .Ldone
2:  movs r5, #127
    b 1b

5:  movs r5, #127
    b 1f
6:  movs r5, #127
    b 2f
7:  movs r5, #127
    b 3f
8:  movs r5, #127
    b 4f
.Lstore_relu:
    mov r0, lr
    ldr r3, [sp, #F_SHIFT]
    ldr r4, [sp, #F_END]
    subs r4, r4, r0
    cmp r4, #4
    blo .Ltail_relu
    RELU r8, 5b
1:  strb r5, [r0]
    RELU r9, 6b
2:  strb r5, [r0, #1]
    RELU r10, 7b
3:  strb r5, [r0, #2]
    RELU r11, 8b
4:  strb r5, [r0, #3]
    adds r0, #4
    mov lr, r0
    subs r4, #4
    beq .Ldone

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
    .word LANES

    UNSIGNED_ZEROS 0, .Lu1
    UNSIGNED_ZEROS 1, .Lu2
    UNSIGNED_STEP 0
    UNSIGNED_STEP 1
    UNSIGNED_STEP 2
    UNSIGNED_STEP 3
.Lu_next:
    cmp r0, r12
    beq .Lstore
    b .Lu0
    UNSIGNED_ZEROS 2, .Lu3
    UNSIGNED_ZEROS 3, .Lu_next

.Lstore:
    ldr r3, [sp, #F_STORE]
    mov pc, r3

    SIGNED_ZEROS 0, .Ls1
    SIGNED_ZEROS 1, .Ls2
    SIGNED_STEP 0
    SIGNED_STEP 1
    SIGNED_STEP 2
    SIGNED_STEP 3
.Ls_next:
    cmp r0, r12
    beq 1f
    b .Ls0
1:  ldr r3, [sp, #F_STORE]
    mov pc, r3
    SIGNED_ZEROS 2, .Ls3
    SIGNED_ZEROS 3, .Ls_next
    END_FUNCTION m0k_core
