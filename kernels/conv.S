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
    #include "m0k.inc"

@ The core's frame, as in dense.S
    .equ F_IN, 0
    .equ F_STOP, 4
    .equ F_INIT, 8
    .equ F_END, 20
@ and this kernel's own
    .equ C_BLOCK, 36
    .equ C_COPY, 40                 @ code address: how an inner position is copied
    .equ C_SOURCE, 44               @ first tap of the position, an address; meaningful when it is inside
    .equ C_LEFT, 48                 @ its column in the image
    .equ C_TOP, 52                  @ its row in the image
    .equ C_INNER, 56                @ a position is inside when its column, unsigned, is below this
    .equ C_LAST, 60                 @ largest column of a position
    .equ C_STEP, 64                 @ bytes from a position's source to the next one's
    .equ C_ROW, 68                  @ bytes of a window's row; in words when copying words
    .equ C_SKIP, 72                 @ bytes from the end of a window's row to the next
    .equ C_FIRST, 76                @ F_INIT before the correction
    .equ C_OUT_STEP, 80             @ bytes of one position's outputs
    .equ C_OUT, 84                  @ the position's outputs
    .equ C_IM2COL, 88               @ m0k_im2col_t
    .equ C_SIZE, 132


@ m0k_im2col_t

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

@ r0 block, r2 kernel_h, r3 kernel_w, r4 stride, r5 pad
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
    adds r2, #3
    lsrs r2, r2, #2
    ldr r6, [sp, #F_IN]
    lsls r4, r2, #2
    adds r4, r4, r6
    str r4, [sp, #F_STOP]
    subs r4, #4
    movs r6, #0
    str r6, [r4]                    @ what lies behind n_in stays zero

    adr r6, .Lcopies
    lsls r4, r1, #30
    bne 1f
    lsrs r7, r7, #2
    str r7, [sp, #C_ROW]
    ldr r4, [r0, #CONV_SIGNED_IN]
    cmp r4, #0
    bne 3f
    lsrs r4, r2, #8                 @ words: up to 255 of them, the sum is taken on the way
    bne 3f
    adds r6, #12
    b 3f
1:  adds r6, #4
    cmp r1, #1
    bne 3f
    cmp r3, #3
    bne 3f
    ldr r4, [r0, #CONV_KERNEL_H]
    cmp r4, #3
    bne 3f
    adds r6, #4
3:  ldr r6, [r6]
    str r6, [sp, #C_COPY]

    ldr r4, [r0, #CONV_OUT]
    ldr r5, [r0, #CONV_N_OUT]
    movs r1, r2                     @ words
    ldr r2, [r0, #CONV_ACC_OUT]
    cmp r2, #0
    beq 4f
    movs r4, r2
    lsls r5, r5, #2
4:  str r4, [sp, #C_OUT]
    str r5, [sp, #C_OUT_STEP]
    adds r0, #CONV_SHIFT
    bl m0k_core_prepare
    ldr r0, [sp, #F_INIT]
    str r0, [sp, #C_FIRST]

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
    muls r6, r1, r6                 @ source = in + (top * width + left) * channels
    adds r6, r6, r4
    muls r6, r3, r6
    ldr r7, [r0, #CONV_IN]
    adds r6, r6, r7
    str r6, [sp, #C_SOURCE]
    ldr r6, [r0, #CONV_HEIGHT]      @ nothing is inside unless the row is: 0 <= top <= height - kernel_h
    ldr r7, [r0, #CONV_KERNEL_H]
    subs r6, r6, r7
    cmp r1, #0
    blt 1f
    cmp r1, r6
    bgt 1f
    ldr r7, [r0, #CONV_KERNEL_W]
    subs r5, r2, r7
    adds r5, #1
    bpl 1f
    movs r5, #0
1:  str r5, [sp, #C_INNER]

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

.Lcopy_nine:                        @ r0 source, r1 patch; the sum on the way
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
    adds r0, r0, r7
    ldrb r4, [r0]
    strb r4, [r1, #3]
    ldrb r5, [r0, #1]
    strb r5, [r1, #4]
    ldrb r6, [r0, #2]
    strb r6, [r1, #5]
    adds r3, r3, r4
    adds r3, r3, r5
    adds r3, r3, r6
    adds r0, r0, r7
    ldrb r4, [r0]
    strb r4, [r1, #6]
    ldrb r5, [r0, #1]
    strb r5, [r1, #7]
    ldrb r6, [r0, #2]
    strb r6, [r1, #8]
    adds r3, r3, r4
    adds r3, r3, r5
    adds r3, r3, r6
    ldr r0, [sp, #C_BLOCK]
    ldr r1, [r0, #CONV_SIGNED_IN]
    cmp r1, #0
    beq .Lsummed
    b .Lsigned

.Lcopy_bytes:
    ldr r5, [sp, #C_SKIP]
    ldr r6, [sp, #C_ROW]
    ldr r7, [sp, #F_STOP]
    ldr r4, [sp, #C_IM2COL + IM2COL_KERNEL_H]
1:  adds r0, r0, r6                 @ behind the row, and count up to 0
    adds r1, r1, r6
    rsbs r2, r6, #0
2:  ldrb r3, [r0, r2]
    strb r3, [r1, r2]
    adds r2, #1
    bne 2b
    adds r0, r0, r5
    subs r4, #1
    bne 1b
    b .Lsum

.Lcopy_and_sum:                     @ r5 even bytes, r7 sum of 16-bit lanes, r8 rows left, r9 skip
    ldr r2, [sp, #C_SKIP]
    mov r9, r2
    ldr r2, [sp, #C_IM2COL + IM2COL_KERNEL_H]
    ldr r5, .Leven_bytes
    movs r7, #0
1:  mov r8, r2
    ldr r6, [sp, #C_ROW]
    subs r6, #3
    bmi 3f
2:  ldm r0!, {r2, r3, r4}
    stm r1!, {r2, r3, r4}
    adds r2, r2, r3
    lsrs r3, r2, #8
    ands r2, r5
    ands r3, r5
    adds r7, r7, r2
    adds r7, r7, r3
    lsrs r3, r4, #8
    ands r4, r5
    ands r3, r5
    adds r7, r7, r4
    adds r7, r7, r3
    subs r6, #3
    bpl 2b
3:  adds r6, #3
    beq 5f
4:  ldm r0!, {r2}
    stm r1!, {r2}
    lsrs r3, r2, #8
    ands r2, r5
    ands r3, r5
    adds r7, r7, r2
    adds r7, r7, r3
    subs r6, #1
    bne 4b
5:  add r0, r9
    mov r2, r8
    subs r2, #1
    bne 1b
    uxth r3, r7
    lsrs r7, r7, #16
    adds r3, r3, r7
    b .Lsummed

    .p2align 2
.Leven_bytes:
    .word 0x00FF00FF
.Lcopies:
    .word .Lcopy_words, .Lcopy_bytes, .Lcopy_nine, .Lcopy_and_sum

.Lcopy_words:
    ldr r5, [sp, #C_SKIP]
    ldr r7, [sp, #C_IM2COL + IM2COL_KERNEL_H]
1:  ldr r6, [sp, #C_ROW]
    subs r6, #3
    bmi 3f
2:  ldm r0!, {r2, r3, r4}
    stm r1!, {r2, r3, r4}
    subs r6, #3
    bpl 2b
3:  adds r6, #3
    beq 5f
4:  ldm r0!, {r2}
    stm r1!, {r2}
    subs r6, #1
    bne 4b
5:  adds r0, r0, r5
    subs r7, #1
    bne 1b

.Lsum:
    ldr r0, [sp, #C_BLOCK]
    ldr r1, [r0, #CONV_SIGNED_IN]
    cmp r1, #0
    bne .Lsigned
    bl m0k_core_sum
.Lsummed:                           @ r3 = sum of the patch
    cmp r3, #0
    beq .Lzero
    lsls r3, r3, #7
    ldr r0, [sp, #C_FIRST]
    subs r0, r0, r3
    str r0, [sp, #F_INIT]
.Lsigned:
    ldr r4, [sp, #C_OUT]
    ldr r3, [sp, #C_OUT_STEP]
    adds r3, r3, r4
    str r3, [sp, #F_END]
    str r3, [sp, #C_OUT]
    ldr r0, [sp, #C_BLOCK]
    ldr r1, [r0, #CONV_WEIGHTS]
    bl m0k_core

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
    bgt 1f
    b .Lposition
1:  ldr r0, [sp, #C_IM2COL + IM2COL_Y]
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
    bgt 2f
    b .Lrow
2:  add sp, #C_SIZE
    RETURN_ALL

.Lzero:                             @ r3 = 0: so are the outputs
    ldr r0, [sp, #C_OUT]
    ldr r1, [sp, #C_OUT_STEP]
    adds r2, r0, r1
    str r2, [sp, #C_OUT]
    orrs r1, r0
    lsls r1, r1, #30
    bne 2f
1:  stm r0!, {r3}
    cmp r0, r2
    bne 1b
    b .Lnext
2:  strb r3, [r0]
    adds r0, #1
    cmp r0, r2
    bne 2b
    b .Lnext
    END_FUNCTION m0k_conv_forward

@
@ m0k_im2col. Columns of the window: `left` of them before the image, then `inside` ones, the rest behind it.
@ /
    FUNCTION m0k_im2col, align=1
    push {r4-r7, lr}
    mov r4, r8
    mov r5, r9
    mov r6, r10
    mov r7, r11
    push {r3-r7}
    movs r7, r0
    ldr r1, [r7, #IM2COL_PATCH]
    ldr r2, [r7, #IM2COL_KERNEL_H]
    ldr r3, [r7, #IM2COL_KERNEL_W]
    ldr r4, [r7, #IM2COL_CHANNELS]
    movs r5, r2                     @ zero the last word: what lies behind n_in
    muls r5, r3, r5
    muls r5, r4, r5
    subs r5, #1
    lsrs r5, r5, #2
    lsls r5, r5, #2
    movs r6, #0
    str r6, [r1, r5]

    ldr r5, [r7, #IM2COL_X]         @ left = column of the first tap
    ldr r6, [r7, #IM2COL_STRIDE]
    muls r5, r6, r5
    ldr r6, [r7, #IM2COL_PAD]
    subs r5, r5, r6
    movs r0, #0                     @ r0 = taps before the image: min(max(-left, 0), kernel_w)
    cmp r5, #0
    bge 1f
    rsbs r0, r5, #0
    cmp r0, r3
    ble 1f
    movs r0, r3
1:  ldr r6, [r7, #IM2COL_WIDTH]     @ r6 = taps in or before it: min(max(width - left, r0), kernel_w)
    subs r6, r6, r5
    cmp r6, r0
    bge 2f
    movs r6, r0
2:  cmp r6, r3
    ble 3f
    movs r6, r3
3:  adds r5, r5, r0                 @ column of the first tap that is read
    mov r8, r5
    subs r3, r3, r6                 @ taps behind it
    subs r6, r6, r0
    muls r0, r4, r0
    mov r9, r0                      @ bytes before,
    muls r6, r4, r6
    mov r10, r6                     @ inside,
    muls r3, r4, r3
    mov r11, r3                     @ behind

    ldr r0, [r7, #IM2COL_Y]
    ldr r3, [r7, #IM2COL_STRIDE]
    muls r0, r3, r0
    ldr r3, [r7, #IM2COL_PAD]
    subs r3, r0, r3                 @ r3 = row of the first tap
    ldr r5, [r7, #IM2COL_WIDTH]
    movs r0, r5
    muls r0, r3, r0
    add r0, r8
    muls r0, r4, r0
    ldr r6, [r7, #IM2COL_IN]
    adds r0, r0, r6                 @ r0 = address of the first tap that is read in row r3
    muls r5, r4, r5                 @ r5 = bytes of an image row
    mov r12, r5
    ldr r7, [r7, #IM2COL_HEIGHT]
    str r7, [sp]

.Lim2col_row:                       @ r0 source, r1 patch, r2 rows left, r3 row
    mov lr, r0
    mov r4, r9
    mov r5, r10
    mov r6, r11
    ldr r7, [sp]
    cmp r3, r7
    blo 1f
    adds r4, r4, r5                 @ the row is not in the image
    adds r4, r4, r6
    movs r5, #0
    movs r6, #0
1:  movs r7, r4                     @ by words when everything is a multiple of four
    orrs r7, r5
    orrs r7, r6
    orrs r7, r1
    orrs r7, r0
    lsls r7, r7, #30
    bne 5f
    cmp r4, #0                      @ r7 is 0
    beq 3f
2:  stm r1!, {r7}
    subs r4, #4
    bne 2b
3:  cmp r5, #0
    beq 4f
1:  ldm r0!, {r4}
    stm r1!, {r4}
    subs r5, #4
    bne 1b
4:  cmp r6, #0
    beq .Lim2col_next
1:  stm r1!, {r7}
    subs r6, #4
    bne 1b
    b .Lim2col_next

5:  movs r7, #0
    cmp r4, #0
    beq 7f
6:  strb r7, [r1]
    adds r1, #1
    subs r4, #1
    bne 6b
7:  cmp r5, #0
    beq 9f
8:  ldrb r4, [r0]
    adds r0, #1
    strb r4, [r1]
    adds r1, #1
    subs r5, #1
    bne 8b
9:  cmp r6, #0
    beq .Lim2col_next
1:  strb r7, [r1]
    adds r1, #1
    subs r6, #1
    bne 1b

.Lim2col_next:
    mov r0, lr
    add r0, r12
    adds r3, #1
    subs r2, #1
    bne .Lim2col_row
    pop {r3-r7}
    mov r8, r4
    mov r9, r5
    mov r10, r6
    mov r11, r7
    pop {r4-r7, pc}
    END_FUNCTION m0k_im2col
