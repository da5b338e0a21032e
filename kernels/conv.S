/*
 * m0k_conv_forward(const m0k_conv_t *p): convolution as im2col of each output position and the core of dense.S on it.
 * m0k_im2col(const m0k_im2col_t *p): the patch of one output position.
 *
 *   y[oy][ox][o] = sat(round_shift(sum over ky, kx, c of w[o][ky][kx][c] * a[oy*stride - pad + ky][ox*stride - pad +
 *   kx][c], shift)), and max(y, 0) with relu; a is 0 outside. With acc_out the sums are stored there as int32 instead.
 *
 * Shapes    any height, width, channels, n_out, kernel, stride >= 1 and pad >= 0 that give at least one output, with
 *           n_in = kernel_h * kernel_w * channels <= 65,535.
 * Layout    in, out, acc_out: HWC. weights: edge array (m0k.h). patch: scratch of P bytes; m0k_im2col writes all of
 *           them, zero behind n_in.
 * Alignment in, weights, patch, acc_out: 4. out: 1. Writes exactly out_h * out_w * n_out outputs.
 * Ranges    as in dense.S.
 * Stack     m0k_conv_forward 208 bytes, m0k_im2col 40 bytes (included).
 * Needs     m0k_core, m0k_core_prepare, m0k_core_sum of dense.S.
 *
 * Positions whose window lies inside the image are copied by words when channels is a multiple of 4, by nine straight
 * loads when it is 1 and the kernel 3 wide and high, else by bytes; the others go through m0k_im2col. In the unsigned
 * path a patch that sums to zero has zero outputs, which are stored at once.
 *
 * Cycles, Cortex-M0+ with single-cycle multiplier, kernel 3x3, all positions inside (G: the dense kernel's group, with
 * its remarks; C channels):
 *   185 + 63 out_h + out_h out_w (position + ceil(n_out / 4) * G), exact to 4 cycles, where position is
 *   C = 4, 8, 12, .. : 129 + 16.5 C unsigned, 113 + 8.25 C signed;  C = 1: 120 unsigned, 130 signed.
 *   A position at the border takes up to 190 + 8 W more (and fewer in the core, for its zero words); one whose patch is
 *   zero takes position - 28 + 5 ceil(n_out / 4) in all. Other shapes: a tap copied by bytes takes 7.
 *   8 -> 16 channels at 14x14, pad 1: 3.41 a MAC unsigned, 4.31 signed with relu; 3.52 and 4.41 without.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "core.inc"
    #include "m0k.inc"

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
    .equ C_OUT_STEP, F_SIZE + 44    @ bytes of one position's outputs
    .equ C_OUT, F_SIZE + 48         @ the position's outputs
    .equ C_IM2COL, F_SIZE + 52      @ m0k_im2col_t
    .equ C_SIZE, C_IM2COL + IM2COL_BYTES

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

@ The block of m0k_im2col: {in, patch, height, width, channels, kernel_h, kernel_w, stride, pad, y, x}
    mov r7, r0
    add r1, sp, #C_IM2COL
    ldr r2, [r7, #CONV_IN]
    ldr r3, [r7, #CONV_PATCH]
    ldr r4, [r7, #CONV_HEIGHT]
    ldr r5, [r7, #CONV_WIDTH]
    ldr r6, [r7, #CONV_CHANNELS]
    stm r1!, {r2, r3, r4, r5, r6}
    str r3, [sp, #F_IN]
    adds r7, #CONV_KERNEL_H
    ldm r7!, {r2, r3, r4, r5}
    movs r6, #0
    stm r1!, {r2, r3, r4, r5, r6}   @ y = 0

@ Sizes of window and image. r0 block, r2 kernel_h, r3 kernel_w, r4 stride, r5 pad
    ldr r1, [r0, #CONV_CHANNELS]
    muls r4, r1, r4
    str r4, [sp, #C_STEP]
    ldr r6, [r0, #CONV_WIDTH]
    adds r7, r6, r5
    subs r7, r7, r3
    str r7, [sp, #C_LAST]
    rsbs r7, r5, #0
    str r7, [sp, #C_TOP]
    movs r7, r3
    muls r7, r1, r7                 @ bytes of a window's row
    str r7, [sp, #C_ROW]
    muls r6, r1, r6
    subs r6, r6, r7
    str r6, [sp, #C_SKIP]
    muls r2, r7, r2                 @ n_in
    WORDS r2
    ldr r6, [sp, #F_IN]
    lsls r4, r2, #2
    adds r4, r4, r6
    str r4, [sp, #F_STOP]
    subs r4, #4
    movs r6, #0
    str r6, [r4]                    @ what lies behind n_in stays zero

@ How to copy a patch. r1 channels, r2 words, r3 kernel_w, r6 address of the entry in .Lcopies, r7 bytes of a row
    adr r6, .Lcopies                @ by words
    lsls r4, r1, #30                @ channels % 4
    bne .Lodd_channels
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
    adds r6, #COPIES_NINE - COPIES_BYTES
.Lcopy_known:
    ldr r6, [r6]
    str r6, [sp, #C_COPY]

@ The outputs: bytes, or words with acc_out.
    ldr r4, [r0, #CONV_OUT]
    ldr r5, [r0, #CONV_N_OUT]
    movs r1, r2                     @ words
    ldr r2, [r0, #CONV_ACC_OUT]
    cmp r2, #0
    beq .Loutputs_known
    movs r4, r2
    lsls r5, r5, #2
.Loutputs_known:
    str r4, [sp, #C_OUT]
    str r5, [sp, #C_OUT_STEP]
    adds r0, #CONV_SHIFT
    bl m0k_core_prepare
    ldr r0, [sp, #F_INIT]
    str r0, [sp, #C_FIRST]

@ A row of positions. All registers are free; what goes on from row to row is in the frame.
@ r0 block, r1 top, r2 width, r3 channels, r4 left: source = in + (top * width + left) * channels
.Lrow:
    ldr r0, [sp, #C_BLOCK]
    ldr r1, [sp, #C_TOP]
    ldr r2, [r0, #CONV_WIDTH]
    ldr r3, [r0, #CONV_CHANNELS]
    ldr r4, [r0, #CONV_PAD]
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
    lsls r3, r3, #7                 @ 128 * sum(a)
    ldr r0, [sp, #C_FIRST]
    subs r0, r0, r3
    str r0, [sp, #F_INIT]

@ The position's outputs.
.Lsigned:
    ldr r4, [sp, #C_OUT]
    ldr r3, [sp, #C_OUT_STEP]
    adds r3, r3, r4
    str r3, [sp, #F_END]
    str r3, [sp, #C_OUT]
    ldr r0, [sp, #C_BLOCK]
    ldr r1, [r0, #CONV_WEIGHTS]
    bl m0k_core

@ The next position, in this row or in the next: r0 what moves, r1 stride.
.Lnext:
    ldr r0, [sp, #C_SOURCE]
    ldr r1, [sp, #C_STEP]
    adds r0, r0, r1
    str r0, [sp, #C_SOURCE]
    ldr r0, [sp, #C_IM2COL + IM2COL_X]
    adds r0, #1
    str r0, [sp, #C_IM2COL + IM2COL_X]
    ldr r0, [sp, #C_LEFT]
    ldr r1, [sp, #C_IM2COL + IM2COL_STRIDE]
    adds r0, r0, r1
    str r0, [sp, #C_LEFT]
    ldr r2, [sp, #C_LAST]
    cmp r0, r2
    bgt .Lnext_row
    b .Lposition
.Lnext_row:
    ldr r0, [sp, #C_IM2COL + IM2COL_Y]
    adds r0, #1
    str r0, [sp, #C_IM2COL + IM2COL_Y]
    ldr r0, [sp, #C_TOP]
    adds r0, r0, r1
    str r0, [sp, #C_TOP]
    ldr r2, [sp, #C_IM2COL + IM2COL_HEIGHT]
    ldr r3, [sp, #C_IM2COL + IM2COL_PAD]
    adds r2, r2, r3
    ldr r3, [sp, #C_IM2COL + IM2COL_KERNEL_H]
    subs r2, r2, r3
    cmp r0, r2
    bgt .Ldone
    b .Lrow
.Ldone:
    add sp, #C_SIZE
    RETURN_ALL

@ A patch of zeros: so are the outputs. r0 output, r2 its end, r3 = 0; by words if both ends are multiples of four.
.Lzero:
    ldr r0, [sp, #C_OUT]
    ldr r1, [sp, #C_OUT_STEP]
    adds r2, r0, r1
    str r2, [sp, #C_OUT]
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
    END_FUNCTION m0k_conv_forward

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
    ldr r6, [r7, #IM2COL_PAD]
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
    ldr r3, [r7, #IM2COL_PAD]
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
