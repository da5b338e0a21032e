/*
 * m0k_conv_forward(const m0k_conv_t *p): convolution by lanes (conv_lanes.S), or as im2col of each output position and
 * the core of dense.S on it, which is what stands here.
 * m0k_im2col(const m0k_im2col_t *p): the patch of one output position.
 *
 *   y[oy][ox][o] = sat(round_shift(first[o] + sum over ky, kx, c of w[o][ky][kx][c] * a[oy*stride - pad_h + ky]
 *   [ox*stride - pad_w + kx][c], shift)), and max(y, 0) with relu; a is 0 outside, first is 0 without one. With
 *   acc_out the sums are stored there as int32 instead.
 *
 * Shapes    any height, width, channels, n_out, kernel, stride >= 1 and pads >= 0 that give at least one output, with
 *           n_in = kernel_h * kernel_w * channels <= 65,535.
 * Layout    in, out, acc_out: HWC. weights: edge array (m0k.h). With a provider, provider(context, g) is called once for
 *           each group g = 0, 1, .. and returns that group's 4 * P bytes; not at all where in is zero.
 * Scratch   P bytes and, with a provider, 4 * P for each of the groups whose rows fit 4,096 bytes, if that is more than
 *           one; where lanes are possible at least what conv_lanes.S says. conv_scratch in m0sim/study/learn/layout.py.
 *           m0k_im2col writes P bytes, zero behind n_in.
 * Alignment in, weights, scratch, acc_out, first: 4. out: 1. Writes exactly out_h * out_w * n_out outputs.
 * Ranges    as in dense.S; first + the sum fits int32.
 * Stack     m0k_conv_forward 272 bytes, and the provider's; m0k_im2col 40 bytes (included).
 * Needs     m0k_core, m0k_core_prepare, m0k_core_sum of dense.S; conv_lanes.S.
 *
 * Lanes are for channels that are a multiple of 4, P <= 576 (their scratch is 16 P and more) and 8 positions or more;
 * and if more words of in than channels / 2 and an eighth of all are not zero. What they cost before the first product,
 * 15 cycles a weight for a group's and 3.3 + 4 channels / 16 a pixel and output, pays from about there on.
 * Else: positions whose window lies inside the image are copied by words when channels is a multiple of 4, by nine
 * straight loads when it is 1 and the kernel 3 wide and high, else by bytes; the others go through m0k_im2col. In the
 * unsigned path a patch that sums to zero has zero outputs, which are stored at once.
 *
 * Cycles, Cortex-M0+ with single-cycle multiplier, kernel 3x3, all positions inside, not by lanes (G: the dense kernel's
 * group, with its remarks; C channels):
 *   221 + 51 out_h + out_h out_w (position + ceil(n_out / 4) * G), exact to 4 cycles, where position is
 *   C = 4, 8, 12, .. : 130 + 16.5 C unsigned, 114 + 8.25 C signed;  C = 1: 121 unsigned, 131 signed.
 *   Asking for lanes takes 34 where P and channels allow them, 8 a word of in where too few are not zero. A position at
 *   the border takes up to 190 + 8 W more (and fewer in the core, for its zero words); one whose patch is zero takes
 *   position - 24 + 5 ceil(n_out / 4) in all. Other shapes: a tap copied by bytes takes 7. block.first takes 32 a group
 *   and position, a provider its own cycles and 3 a word of rows. An image of zeros takes 8 a word of in and 1.5 an
 *   output in all, where lanes are possible.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "core.inc"
    #include "m0k.inc"

@ m0k_conv_lanes is for channels in fours; P up to WIDEST, for the scratch's sake; LEAST_POSITIONS or more, and inputs of
@ which more than an eighth of the words and channels / 2 are not zero: less does not pay for the lanes of weights.
    .equ WIDEST, 576
    .equ LOG2_LEAST_POSITIONS, 3
    .equ LEAST_POSITIONS, 1 << LOG2_LEAST_POSITIONS
@ Weights of a provider that are kept for one pass over the image
    .equ PASS_BYTES, 4096

@ m0k_conv_forward's own words, behind the core's
    .equ C_BLOCK, F_SIZE
    .equ C_COPY, F_SIZE + 4         @ code address: how an inner position is copied
    .equ C_SOURCE, F_SIZE + 8       @ first tap of the position, an address; meaningful when it is inside
    .equ C_LEFT, F_SIZE + 12        @ its column in the image
    .equ C_TOP, F_SIZE + 16         @ its row in the image
    .equ C_INNER, F_SIZE + 20       @ a position is inside when its column, unsigned, is below this
    .equ C_LAST, F_SIZE + 24        @ largest column of a position
    .equ C_STEP, F_SIZE + 28        @ bytes from a position's source to the next one's
    .equ C_ROW, F_SIZE + 32         @ bytes of a window's row; in words when copying words
    .equ C_SKIP, F_SIZE + 36        @ bytes from the end of a window's row to the next
    .equ C_FIRST, F_SIZE + 40       @ F_INIT before the correction
    .equ C_OUT_STEP, F_SIZE + 44    @ bytes from one position's outputs to the next one's
    .equ C_OUT, F_SIZE + 48         @ the position's outputs of this pass,
    .equ C_OUT_BYTES, F_SIZE + 52   @ their bytes,
    .equ C_PASS_OUT, F_SIZE + 56    @ where the pass begins with them,
    .equ C_GROUP, F_SIZE + 60       @ their first group of four,
    .equ C_GROUPS, F_SIZE + 64      @ the groups of a pass,
    .equ C_WEIGHTS, F_SIZE + 68     @ and their weights
    .equ C_UNIT, F_SIZE + 72        @ log2 of the bytes of an output
    .equ C_STORE, F_SIZE + 76       @ F_STORE without block.first
    .equ C_ADDS, F_SIZE + 80        @ block.first
    .equ C_IM2COL, F_SIZE + 84      @ m0k_im2col_t
    .equ C_SIZE, C_IM2COL + IM2COL_BYTES + 4 @ sp is a multiple of 8 where others are called

@ Entries of .Lcopies, the ways to copy a patch; by words is the first
    .equ COPIES_BYTES, 4
    .equ COPIES_NINE, 8             @ one channel, 3x3
    .equ COPIES_SUM, 12             @ by words, with their sum

@ COPY_THREE at: the next row of three bytes from r0 + r7 to byte at of the patch r1; r3 += their sum. r0 moves to the
@ row. Spoils r4, r5, r6. 16 cycles.
    .macro COPY_THREE at
    adds r0, r0, r7
    ldrb r4, [r0]
    strb r4, [r1, #\at]
    ldrb r5, [r0, #1]
    strb r5, [r1, #\at + 1]
    ldrb r6, [r0, #2]
    strb r6, [r1, #\at + 2]
    adds r3, r3, r4
    adds r3, r3, r5
    adds r3, r3, r6
    .endm

    FUNCTION m0k_conv_forward, align=1
    SAVE_ALL
    sub sp, #C_SIZE
    str r0, [sp, #C_BLOCK]

@ The block of m0k_im2col: {in, patch, height, width, channels, kernel_h, kernel_w, stride, pad_h, pad_w, y, x}
    mov r7, r0
    add r1, sp, #C_IM2COL
    ldr r2, [r7, #CONV_IN]
    ldr r3, [r7, #CONV_SCRATCH]
    ldr r4, [r7, #CONV_HEIGHT]
    ldr r5, [r7, #CONV_WIDTH]
    ldr r6, [r7, #CONV_CHANNELS]
    stm r1!, {r2, r3, r4, r5, r6}
    str r3, [sp, #F_IN]
    adds r7, #CONV_KERNEL_H
    ldm r7!, {r2, r3, r4, r5, r6}
    stm r1!, {r2, r3, r4, r5, r6}

@ Sizes of window and image. r0 block, r2 kernel_h, r3 kernel_w, r4 stride, r5 pad_h, r6 pad_w
    ldr r1, [r0, #CONV_CHANNELS]
    muls r4, r1, r4
    str r4, [sp, #C_STEP]
    ldr r4, [r0, #CONV_WIDTH]
    adds r6, r6, r4
    subs r6, r6, r3
    str r6, [sp, #C_LAST]
    movs r7, r3
    muls r7, r1, r7                 @ bytes of a window's row
    str r7, [sp, #C_ROW]
    muls r4, r1, r4
    subs r4, r4, r7
    str r4, [sp, #C_SKIP]
    muls r2, r7, r2                 @ n_in
    WORDS r2
    ldr r6, [sp, #F_IN]
    lsls r4, r2, #2
    adds r4, r4, r6
    str r4, [sp, #F_STOP]
    subs r4, #4
    movs r6, #0
    str r6, [r4]                    @ what lies behind n_in stays zero

@ How to copy a patch. r1 channels, r2 words, r3 kernel_w, r5 pad_h, r6 address of the entry in .Lcopies, r7 bytes of a
@ row
    adr r6, .Lcopies                @ by words
    lsls r4, r1, #30                @ channels % 4
    bne .Lodd_channels
    cmp r2, #WIDEST / 4
    bhi .Lno_lanes
    bl m0k_lanes_if_they_pay
.Lno_lanes:
    lsrs r7, r7, #2
    str r7, [sp, #C_ROW]
    ldr r4, [r0, #CONV_SIGNED_IN]
    cmp r4, #0
    bne .Lcopy_known
    lsrs r4, r2, #8                 @ up to 255 words, whose sum fits lanes, it is taken on the way
    bne .Lcopy_known
    adds r6, #COPIES_SUM
    b .Lcopy_known
.Lodd_channels:
    adds r6, #COPIES_BYTES
    cmp r1, #1
    bne .Lcopy_known
    cmp r3, #3
    bne .Lcopy_known
    ldr r4, [r0, #CONV_KERNEL_H]
    cmp r4, #3
    bne .Lcopy_known
    bl m0k_one_if_it_can
    adds r6, #COPIES_NINE - COPIES_BYTES
.Lcopy_known:
    ldr r6, [r6]
    str r6, [sp, #C_COPY]

@ The outputs: bytes, or words with acc_out. r1 words
    movs r1, r2
    ldr r4, [r0, #CONV_OUT]
    ldr r5, [r0, #CONV_N_OUT]
    movs r6, #0
    ldr r2, [r0, #CONV_ACC_OUT]
    cmp r2, #0
    beq .Loutputs_known
    movs r4, r2
    movs r6, #2
.Loutputs_known:
    str r4, [sp, #C_PASS_OUT]
    str r6, [sp, #C_UNIT]
    lsls r5, r6
    str r5, [sp, #C_OUT_STEP]
    adds r0, #CONV_SHIFT
    bl m0k_core_prepare
    ldr r0, [sp, #F_INIT]
    str r0, [sp, #C_FIRST]
    ldr r0, [sp, #C_BLOCK]
    ldr r1, [r0, #CONV_FIRST]
    str r1, [sp, #C_ADDS]
    cmp r1, #0
    beq .Lstore_known
    ldr r1, [sp, #F_STORE]          @ added before outputs are stored
    str r1, [sp, #C_STORE]
    ldr r1, .Laddress_add_first
    str r1, [sp, #F_STORE]
.Lstore_known:
    movs r1, #0
    str r1, [sp, #C_GROUP]

@ A pass over the image, for all outputs or, with a provider, for some groups of them. r0 block
.Lpass:
    ldr r1, [r0, #CONV_PROVIDER]
    cmp r1, #0
    beq .Lno_provider
    bl m0k_patches_pass
    b .Lpass_known
.Lno_provider:
    ldr r1, [r0, #CONV_WEIGHTS]
    ldr r2, [sp, #C_OUT_STEP]
.Lpass_known:
    str r1, [sp, #C_WEIGHTS]
    str r2, [sp, #C_OUT_BYTES]
    ldr r1, [sp, #C_PASS_OUT]
    str r1, [sp, #C_OUT]
    ldr r1, [r0, #CONV_PAD_H]
    rsbs r1, r1, #0
    str r1, [sp, #C_TOP]
    movs r1, #0
    str r1, [sp, #C_IM2COL + IM2COL_Y]

@ A row of positions. All registers are free; what goes on from row to row is in the frame.
@ r0 block, r1 top, r2 width, r3 channels, r4 left: source = in + (top * width + left) * channels
.Lrow:
    ldr r0, [sp, #C_BLOCK]
    ldr r1, [sp, #C_TOP]
    ldr r2, [r0, #CONV_WIDTH]
    ldr r3, [r0, #CONV_CHANNELS]
    ldr r4, [r0, #CONV_PAD_W]
    rsbs r4, r4, #0
    str r4, [sp, #C_LEFT]
    movs r5, #0
    str r5, [sp, #C_IM2COL + IM2COL_X]
    movs r6, r2
    muls r6, r1, r6
    adds r6, r6, r4
    muls r6, r3, r6
    ldr r7, [r0, #CONV_IN]
    adds r6, r6, r7
    str r6, [sp, #C_SOURCE]

@ r5 = columns inside: none unless the row is, 0 <= top <= height - kernel_h
    ldr r6, [r0, #CONV_HEIGHT]
    ldr r7, [r0, #CONV_KERNEL_H]
    subs r6, r6, r7
    cmp r1, #0
    blt .Linner_known
    cmp r1, r6
    bgt .Linner_known
    ldr r7, [r0, #CONV_KERNEL_W]
    subs r5, r2, r7
    adds r5, #1
    bpl .Linner_known
    movs r5, #0
.Linner_known:
    str r5, [sp, #C_INNER]

@ One position: its patch, by one of the four copies with r0 = source, r1 = patch, or by m0k_im2col.
.Lposition:
    ldr r0, [sp, #C_SOURCE]
    ldr r1, [sp, #C_LEFT]
    ldr r2, [sp, #C_INNER]
    cmp r1, r2
    bhs .Lborder
    ldr r1, [sp, #F_IN]
    ldr r2, [sp, #C_COPY]
    mov pc, r2

.Lborder:
    add r0, sp, #C_IM2COL
    bl m0k_im2col
    b .Lsum

@ One channel, 3x3: nine straight loads. r0 source, r1 patch, r3 sum, r4-r6 bytes, r7 from row to row
.Lcopy_nine:
    ldr r7, [sp, #C_SKIP]
    adds r7, #3
    ldrb r3, [r0]
    strb r3, [r1]
    ldrb r4, [r0, #1]
    strb r4, [r1, #1]
    ldrb r5, [r0, #2]
    strb r5, [r1, #2]
    adds r3, r3, r4
    adds r3, r3, r5
    COPY_THREE 3
    COPY_THREE 6
    ldr r0, [sp, #C_BLOCK]
    ldr r1, [r0, #CONV_SIGNED_IN]
    cmp r1, #0
    beq .Lsummed
    b .Lsigned

@ Byte by byte. r0 source and r1 patch, both behind the row, r2 counts up to 0, r3 byte, r4 rows left, r5 skip, r6 row
.Lcopy_bytes:
    ldr r5, [sp, #C_SKIP]
    ldr r6, [sp, #C_ROW]
    ldr r7, [sp, #F_STOP]           @ not used
    ldr r4, [sp, #C_IM2COL + IM2COL_KERNEL_H]
.Lbytes_row:
    adds r0, r0, r6
    adds r1, r1, r6
    rsbs r2, r6, #0
.Lbytes_next:
    ldrb r3, [r0, r2]
    strb r3, [r1, r2]
    adds r2, #1
    bne .Lbytes_next
    adds r0, r0, r5
    subs r4, #1
    bne .Lbytes_row
    b .Lsum

@ By words, and their sum: r0 source, r1 patch, r2-r4 words, r5 EVEN_BYTES, r6 words left in the row (- 3), r7 sum in
@ two lanes, r8 rows left, r9 skip
.Lcopy_and_sum:
    ldr r2, [sp, #C_SKIP]
    mov r9, r2
    ldr r2, [sp, #C_IM2COL + IM2COL_KERNEL_H]
    ldr r5, .Leven_bytes
    movs r7, #0
.Lsum_row:
    mov r8, r2
    ldr r6, [sp, #C_ROW]
    subs r6, #3
    bmi .Lsum_rest
.Lsum_three:
    ldm r0!, {r2, r3, r4}
    stm r1!, {r2, r3, r4}
    adds r2, r2, r3                 @ no carry: bytes are below 128
    ADD_BYTES r7, r2, r5, r3
    ADD_BYTES r7, r4, r5, r3
    subs r6, #3
    bpl .Lsum_three
.Lsum_rest:
    adds r6, #3
    beq .Lsum_row_done
.Lsum_one:
    ldm r0!, {r2}
    stm r1!, {r2}
    ADD_BYTES r7, r2, r5, r3
    subs r6, #1
    bne .Lsum_one
.Lsum_row_done:
    add r0, r9
    mov r2, r8
    subs r2, #1
    bne .Lsum_row
    uxth r3, r7
    lsrs r7, r7, #16
    adds r3, r3, r7
    b .Lsummed

    .p2align 2
.Leven_bytes:
    .word EVEN_BYTES
.Lcopies:
    .word .Lcopy_words, .Lcopy_bytes, .Lcopy_nine, .Lcopy_and_sum

@ By words. r0 source, r1 patch, r2-r4 words, r5 skip, r6 words left in the row (- 3), r7 rows left
.Lcopy_words:
    ldr r5, [sp, #C_SKIP]
    ldr r7, [sp, #C_IM2COL + IM2COL_KERNEL_H]
.Lwords_row:
    ldr r6, [sp, #C_ROW]
    subs r6, #3
    bmi .Lwords_rest
.Lwords_three:
    ldm r0!, {r2, r3, r4}
    stm r1!, {r2, r3, r4}
    subs r6, #3
    bpl .Lwords_three
.Lwords_rest:
    adds r6, #3
    beq .Lwords_row_done
.Lwords_one:
    ldm r0!, {r2}
    stm r1!, {r2}
    subs r6, #1
    bne .Lwords_one
.Lwords_row_done:
    adds r0, r0, r5
    subs r7, #1
    bne .Lwords_row

@ The correction by the patch's sum, which r3 holds from .Lsummed on.
.Lsum:
    ldr r0, [sp, #C_BLOCK]
    ldr r1, [r0, #CONV_SIGNED_IN]
    cmp r1, #0
    bne .Lsigned
    bl m0k_core_sum
.Lsummed:
    cmp r3, #0
    beq .Lzero
.Lnot_zero:
    lsls r3, r3, #7                 @ 128 * sum(a)
    ldr r0, [sp, #C_FIRST]
    subs r0, r0, r3
    str r0, [sp, #F_INIT]

@ The position's outputs.
.Lsigned:
    ldr r4, [sp, #C_OUT]
    ldr r3, [sp, #C_OUT_BYTES]
    adds r3, r3, r4
    str r3, [sp, #F_END]
    ldr r3, [sp, #C_OUT_STEP]
    adds r3, r3, r4
    str r3, [sp, #C_OUT]
    ldr r1, [sp, #C_WEIGHTS]
    bl m0k_core

@ The next position, in this row or in the next: r0 what moves, r1 stride.
.Lnext:
    ldr r0, [sp, #C_LEFT]
    ldr r1, [sp, #C_IM2COL + IM2COL_STRIDE]
    adds r0, r0, r1
    ldr r2, [sp, #C_LAST]
    cmp r0, r2
    bgt .Lnext_row
    str r0, [sp, #C_LEFT]
    ldr r0, [sp, #C_SOURCE]
    ldr r1, [sp, #C_STEP]
    adds r0, r0, r1
    str r0, [sp, #C_SOURCE]
    ldr r0, [sp, #C_IM2COL + IM2COL_X]
    adds r0, #1
    str r0, [sp, #C_IM2COL + IM2COL_X]
    b .Lposition
.Lnext_row:
    ldr r0, [sp, #C_TOP]
    adds r0, r0, r1
    ldr r2, [sp, #C_IM2COL + IM2COL_HEIGHT]
    ldr r3, [sp, #C_IM2COL + IM2COL_PAD_H]
    adds r2, r2, r3
    ldr r3, [sp, #C_IM2COL + IM2COL_KERNEL_H]
    subs r2, r2, r3
    cmp r0, r2
    bgt .Lnext_pass
    str r0, [sp, #C_TOP]
    ldr r0, [sp, #C_IM2COL + IM2COL_Y]
    adds r0, #1
    str r0, [sp, #C_IM2COL + IM2COL_Y]
    b .Lrow
.Lnext_pass:
    ldr r0, [sp, #C_BLOCK]
    ldr r1, [r0, #CONV_PROVIDER]
    cmp r1, #0
    beq .Ldone
    ldr r1, [sp, #C_PASS_OUT]
    ldr r2, [sp, #C_OUT_BYTES]
    adds r1, r1, r2
    str r1, [sp, #C_PASS_OUT]
    ldr r1, [sp, #C_GROUP]
    ldr r2, [sp, #C_GROUPS]
    adds r1, r1, r2
    str r1, [sp, #C_GROUP]
    lsls r1, r1, #2
    ldr r2, [r0, #CONV_N_OUT]
    cmp r1, r2
    bhs .Ldone
    b .Lpass
.Ldone:
    add sp, #C_SIZE
    RETURN_ALL

@ The core's way to its stores with block.first: r8-r11 sums of four outputs, lr the first of them; r1, r2, r6, r12 stay.
@ r0 outputs left, r3 values, r4, r5, r7 free; C_OUT is the next position's already
.Ladd_first:
    ldr r3, [sp, #C_BLOCK]
    ldr r3, [r3, #CONV_FIRST]
    ldr r7, [sp, #C_UNIT]
    ldr r0, [sp, #F_END]
    mov r4, lr
    subs r0, r0, r4
    lsrs r0, r7
    ldr r5, [sp, #C_OUT]
    subs r4, r4, r5
    ldr r5, [sp, #C_OUT_STEP]
    adds r4, r4, r5
    lsrs r4, r7                     @ the output's number in the pass
    ldr r5, [sp, #C_GROUP]
    lsls r5, r5, #2
    adds r4, r4, r5
    lsls r4, r4, #2
    adds r3, r3, r4
    cmp r0, #4
    blo .Ladd_some
    ldm r3!, {r4, r5}
    add r8, r4
    add r9, r5
    ldm r3!, {r4, r5}
    add r10, r4
    add r11, r5
.Ladded:
    ldr r3, [sp, #C_STORE]
    mov pc, r3
.Ladd_some:
    ldm r3!, {r4}
    add r8, r4
    cmp r0, #2
    blo .Ladded
    ldm r3!, {r4}
    add r9, r4
    beq .Ladded
    ldm r3!, {r4}
    add r10, r4
    b .Ladded

@ A patch of zeros: so are the outputs, without block.first. r0 output, r2 its end, r3 = 0; by words if both ends are
@ multiples of four.
.Lzero:
    ldr r0, [sp, #C_ADDS]
    cmp r0, #0
    bne .Lnot_zero
    ldr r0, [sp, #C_OUT]
    ldr r1, [sp, #C_OUT_STEP]
    adds r1, r1, r0
    str r1, [sp, #C_OUT]
    ldr r1, [sp, #C_OUT_BYTES]
    adds r2, r0, r1
    orrs r1, r0
    lsls r1, r1, #30
    bne .Lzero_bytes
.Lzero_words:
    stm r0!, {r3}
    cmp r0, r2
    bne .Lzero_words
    b .Lnext
.Lzero_bytes:
    strb r3, [r0]
    adds r0, #1
    cmp r0, r2
    bne .Lzero_bytes
    b .Lnext
    .p2align 2
.Laddress_add_first:
    .word .Ladd_first
    END_FUNCTION m0k_conv_forward

@ ------------------------------------------------------------------------------------- m0k_one_if_it_can (local)
@ One channel, 3x3: on to m0k_conv_one for stride 1, pads 1, unsigned, eights of outputs; else back. In: registers and the
@ frame of m0k_conv_forward where it asks. Spoils r4. No stack.
    LOCAL_FUNCTION m0k_one_if_it_can
    cmp r5, #1                      @ pad_h
    bne .Lnot_one
    ldr r4, [r0, #CONV_PAD_W]
    cmp r4, #1
    bne .Lnot_one
    ldr r4, [r0, #CONV_STRIDE]
    cmp r4, #1
    bne .Lnot_one
    ldr r4, [r0, #CONV_SIGNED_IN]
    cmp r4, #0
    bne .Lnot_one
    ldr r4, [r0, #CONV_N_OUT]
    lsls r4, r4, #29
    bne .Lnot_one
    ldr r1, .Laddress_one
    add sp, #C_SIZE
    bx r1
.Lnot_one:
    bx lr
    .p2align 2
.Laddress_one:
    .word m0k_conv_one
    END_FUNCTION m0k_one_if_it_can

@ --------------------------------------------------------------------------------- m0k_lanes_if_they_pay (local)
@ On to m0k_conv_lanes, or to the end, or back with nothing changed but r4, r5, r8-r10, r12. In: registers and the frame
@ of m0k_conv_forward where it asks. No stack.
    LOCAL_FUNCTION m0k_lanes_if_they_pay

@ Lanes, if there are as many positions, by their number across times that down, times stride^2: at least three strides
@ in both directions together, in tiny maps there are less. r0 block, r2 words of a patch, r4 across, r5 pad_h, then down,
@ r1, r3, r6, r7 stay
    mov r12, r2
    mov r8, r1
    mov r9, r3
    ldr r1, [r0, #CONV_STRIDE]
    ldr r4, [sp, #C_LAST]
    ldr r3, [r0, #CONV_PAD_W]
    adds r4, r4, r3
    lsls r5, r5, #1
    ldr r3, [r0, #CONV_HEIGHT]
    adds r5, r5, r3
    ldr r3, [r0, #CONV_KERNEL_H]
    subs r5, r5, r3
    lsls r3, r1, #1
    adds r3, r3, r1
    adds r2, r4, r5
    cmp r2, r3
    blo .Lnot_lanes
    adds r4, r4, r1
    adds r5, r5, r1
    muls r4, r5, r4
    muls r1, r1, r1
    lsls r1, r1, #LOG2_LEAST_POSITIONS
    cmp r4, r1
    blo .Lnot_lanes

@ And if they pay: are as many words of in not zero? r1 in, r2 its end, r3 how many still must be, r4 a word, r5 words
    ldr r5, [r0, #CONV_HEIGHT]
    ldr r4, [r0, #CONV_WIDTH]
    muls r5, r4, r5
    mov r3, r8
    muls r5, r3, r5
    lsrs r3, r3, #1
    lsrs r4, r5, #5
    adds r3, r3, r4
    ldr r1, [r0, #CONV_IN]
    adds r2, r1, r5
    mov r10, r3
.Lscan:
    ldm r1!, {r4}
    cmp r4, #0
    beq .Lscan_next
    subs r3, #1
    beq .Llanes
.Lscan_next:
    cmp r1, r2
    bne .Lscan
    cmp r3, r10
    beq .Lall_zero
.Lnot_lanes:
    mov r2, r12
    mov r1, r8
    mov r3, r9
    bx lr

@ Without block.first an image of zeros has zero outputs. r0 block, r1 stride, r2-r6 for positions, r3 = 0 then
.Lall_zero:
    ldr r1, [r0, #CONV_FIRST]
    cmp r1, #0
    bne .Lnot_lanes
    ldr r1, [r0, #CONV_STRIDE]
    ldr r4, [sp, #C_LAST]
    ldr r5, [r0, #CONV_PAD_W]
    adds r4, r4, r5
    ldr r5, [r0, #CONV_PAD_H]
    lsls r5, r5, #1
    ldr r3, [r0, #CONV_HEIGHT]
    adds r5, r5, r3
    ldr r3, [r0, #CONV_KERNEL_H]
    subs r5, r5, r3
    movs r2, #0                     @ positions across,
.Lacross:
    adds r2, #1
    subs r4, r4, r1
    bpl .Lacross
    ldr r3, [r0, #CONV_N_OUT]
    muls r2, r3, r2
    movs r3, #0                     @ and outputs of all rows
.Ldown:
    adds r3, r3, r2
    subs r5, r5, r1
    bpl .Ldown
    movs r2, r3
    ldr r1, [r0, #CONV_OUT]
    ldr r3, [r0, #CONV_ACC_OUT]
    cmp r3, #0
    beq .Lzero_outputs
    movs r1, r3
    lsls r2, r2, #2

@ r1 outputs, r2 bytes, first single ones up to a multiple of 4
.Lzero_outputs:
    movs r3, #0
    movs r4, #0
    adds r2, r2, r1
.Lzero_single:
    cmp r1, r2
    beq .Lzeros_done
    lsls r5, r1, #30
    beq .Lzero_fours
    strb r3, [r1]
    adds r1, #1
    b .Lzero_single
.Lzero_fours:
    subs r5, r2, r1
    beq .Lzeros_done
    cmp r5, #8
    blo .Lzero_last
    stm r1!, {r3, r4}
    b .Lzero_fours
.Lzero_last:
    strb r3, [r1]
    adds r1, #1
    subs r5, #1
    bne .Lzero_last
    .Lzeros_done:
    add sp, #C_SIZE
    RETURN_ALL

@ All in m0k_conv_lanes's hands: its frame instead.
.Llanes:
    ldr r1, .Laddress_lanes
    add sp, #C_SIZE
    bx r1
    .p2align 2
.Laddress_lanes:
    .word m0k_conv_lanes
    END_FUNCTION m0k_lanes_if_they_pay

@ -------------------------------------------------------------------------------------- m0k_patches_pass (local)
@ A pass with a provider: as many groups as fit PASS_BYTES, at least one. Out: r0 block, r1 weights of all: the
@ provider's where it is one group, else copies behind the patch; r2 bytes of a position's outputs. In: r0 block,
@ C_GROUP, the frame. Spoils what a call may. Stack 24 bytes and the provider's: offsets in the frame are 24 more.
    LOCAL_FUNCTION m0k_patches_pass
    push {r3-r7, lr}
    movs r7, r0

@ r3 groups, r4 end of the patch, r5 bytes of a group, r6 of one more than there are
    ldr r4, [sp, #F_STOP + 24]
    ldr r5, [sp, #F_IN + 24]
    subs r5, r4, r5
    lsls r5, r5, #2
    movs r6, r5
    ldr r1, .Lpass_bytes
    movs r3, #0
.Lfits:
    adds r3, #1
    adds r6, r6, r5
    cmp r6, r1
    bls .Lfits
    ldr r1, [r7, #CONV_N_OUT]       @ and no more than there are
    adds r1, #3
    lsrs r1, r1, #2
    cmp r3, r1
    bls .Lgroups_known
    movs r3, r1
.Lgroups_known:
    str r3, [sp, #C_GROUPS + 24]

@ Ask for them: r4 where copies go, r5 bytes of a group, r6 group, r7 block
    ldr r6, [sp, #C_GROUP + 24]
.Lask:
    ldr r0, [r7, #CONV_CONTEXT]
    movs r1, r6
    ldr r2, [r7, #CONV_PROVIDER]
    blx r2
    movs r1, r0
    ldr r3, [sp, #C_GROUPS + 24]
    cmp r3, #1
    beq .Lasked
    lsrs r1, r5, #2
.Lcopy_group:
    ldm r0!, {r2}
    stm r4!, {r2}
    subs r1, #1
    bne .Lcopy_group
    ldr r1, [sp, #F_STOP + 24]
    adds r6, #1
    ldr r2, [sp, #C_GROUP + 24]
    adds r2, r2, r3
    cmp r6, r2
    beq .Lasked
    lsls r2, r6, #2
    ldr r3, [r7, #CONV_N_OUT]
    cmp r2, r3
    blo .Lask
.Lasked:
    ldr r2, [sp, #C_GROUPS + 24]
    lsls r2, r2, #2
    ldr r3, [sp, #C_GROUP + 24]
    lsls r3, r3, #2
    ldr r4, [r7, #CONV_N_OUT]
    subs r4, r4, r3
    cmp r2, r4
    bls .Lpass_outputs_known
    movs r2, r4
.Lpass_outputs_known:
    ldr r3, [sp, #C_UNIT + 24]
    lsls r2, r3
    movs r0, r7
    pop {r3-r7, pc}
    .p2align 2
.Lpass_bytes:
    .word PASS_BYTES
    END_FUNCTION m0k_patches_pass

@ ------------------------------------------------------------------------------------------------- m0k_im2col
@ Columns of the window: `left` of them before the image, then `inside` ones, the rest behind it.
    FUNCTION m0k_im2col, align=1
    SAVE_ALL r3                     @ [sp]: the image's height
    movs r7, r0
    ldr r1, [r7, #IM2COL_PATCH]
    ldr r2, [r7, #IM2COL_KERNEL_H]
    ldr r3, [r7, #IM2COL_KERNEL_W]
    ldr r4, [r7, #IM2COL_CHANNELS]

@ Zero the last word: what lies behind n_in.
    movs r5, r2
    muls r5, r3, r5
    muls r5, r4, r5
    subs r5, #1
    lsrs r5, r5, #2
    lsls r5, r5, #2
    movs r6, #0
    str r6, [r1, r5]

@ r5 = left, the column of the first tap; r0 = taps before the image: min(max(-left, 0), kernel_w)
    ldr r5, [r7, #IM2COL_X]
    ldr r6, [r7, #IM2COL_STRIDE]
    muls r5, r6, r5
    ldr r6, [r7, #IM2COL_PAD_W]
    subs r5, r5, r6
    movs r0, #0
    cmp r5, #0
    bge .Lbefore_known
    rsbs r0, r5, #0
    cmp r0, r3
    ble .Lbefore_known
    movs r0, r3

@ r6 = taps in or before it: min(max(width - left, r0), kernel_w)
.Lbefore_known:
    ldr r6, [r7, #IM2COL_WIDTH]
    subs r6, r6, r5
    cmp r6, r0
    bge .Lnot_less
    movs r6, r0
.Lnot_less:
    cmp r6, r3
    ble .Linside_known
    movs r6, r3

@ The three parts of a row in bytes, and r8 = column of the first tap that is read.
.Linside_known:
    adds r5, r5, r0
    mov r8, r5
    subs r3, r3, r6                 @ taps behind it
    subs r6, r6, r0
    muls r0, r4, r0
    mov r9, r0                      @ bytes before,
    muls r6, r4, r6
    mov r10, r6                     @ inside,
    muls r3, r4, r3
    mov r11, r3                     @ behind

@ r3 = row of the first tap, r0 = address of the first tap that is read in it
    ldr r0, [r7, #IM2COL_Y]
    ldr r3, [r7, #IM2COL_STRIDE]
    muls r0, r3, r0
    ldr r3, [r7, #IM2COL_PAD_H]
    subs r3, r0, r3
    ldr r5, [r7, #IM2COL_WIDTH]
    movs r0, r5
    muls r0, r3, r0
    add r0, r8
    muls r0, r4, r0
    ldr r6, [r7, #IM2COL_IN]
    adds r0, r0, r6
    muls r5, r4, r5
    mov r12, r5                     @ bytes of an image row
    ldr r7, [r7, #IM2COL_HEIGHT]
    str r7, [sp]

@ One row of the window: r0 source, r1 patch, r2 rows left, r3 row; r9, r10, r11 bytes of its parts, which r4, r5, r6
@ count down; r7 = 0 in the copies, r12 bytes of an image row, lr the row's source, r8 free.
.Lim2col_row:
    mov lr, r0
    mov r4, r9
    mov r5, r10
    mov r6, r11
    ldr r7, [sp]
    cmp r3, r7
    blo .Lrow_inside
    adds r4, r4, r5                 @ the row is not in the image
    adds r4, r4, r6
    movs r5, #0
    movs r6, #0
.Lrow_inside:
    movs r7, r4                     @ by words when everything is a multiple of four
    orrs r7, r5
    orrs r7, r6
    orrs r7, r1
    orrs r7, r0
    lsls r7, r7, #30
    bne .Lrow_bytes
    cmp r4, #0
    beq .Lwords_inside
.Lwords_before:
    stm r1!, {r7}
    subs r4, #4
    bne .Lwords_before
.Lwords_inside:
    cmp r5, #0
    beq .Lwords_behind
.Lwords_inside_next:
    ldm r0!, {r4}
    stm r1!, {r4}
    subs r5, #4
    bne .Lwords_inside_next
.Lwords_behind:
    cmp r6, #0
    beq .Lim2col_next
.Lwords_behind_next:
    stm r1!, {r7}
    subs r6, #4
    bne .Lwords_behind_next
    b .Lim2col_next

.Lrow_bytes:
    movs r7, #0
    cmp r4, #0
    beq .Lbytes_inside
.Lbytes_before:
    strb r7, [r1]
    adds r1, #1
    subs r4, #1
    bne .Lbytes_before
.Lbytes_inside:
    cmp r5, #0
    beq .Lbytes_behind
.Lbytes_inside_next:
    ldrb r4, [r0]
    adds r0, #1
    strb r4, [r1]
    adds r1, #1
    subs r5, #1
    bne .Lbytes_inside_next
.Lbytes_behind:
    cmp r6, #0
    beq .Lim2col_next
.Lbytes_behind_next:
    strb r7, [r1]
    adds r1, #1
    subs r6, #1
    bne .Lbytes_behind_next

.Lim2col_next:
    mov r0, lr
    add r0, r12
    adds r3, #1
    subs r2, #1
    bne .Lim2col_row
    RETURN_ALL r3
    END_FUNCTION m0k_im2col
