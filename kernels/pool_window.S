/*
 * m0k_pool_window(const m0k_pool_window_t *p): maxima over windows of any shape, such as 1 x 2 of signals. 2 x 2 ones are
 * pool.S's, which is faster.
 * m0k_unpool(const m0k_unpool_t *p): the error of such a pool back to where the maxima were; all else is 0.
 *
 *   out[y][x][c] = max of in[y*window_h ..][x*window_w ..][c] over the window; argmax[y][x][c] = its place in the window,
 *   row-major, of the first maximum. m0k_unpool: out at that place = error[y][x][c].
 *
 * Shapes    any height, width, channels >= 1, windows of 1 to 256 values; rows and columns that make no whole window are
 *           left out (m0k_unpool: 0). Of m0k_pool_window argmax 0 is not stored, and out may begin where in does: what
 *           is written was read before.
 * Ranges    in 0 .. 127 (it stands behind a ReLU); error -127 .. 127; argmax below window_h * window_w.
 * Alignment 1; of m0k_unpool's out 4, whose last word is written whole.
 * Stack     60 bytes each.
 * Needs     m0k_back_clear of dense_back.S.
 * Cycles    n = window_h * window_w, outputs = out_h * out_w * channels, Cortex-M0+. m0k_pool_window: at most
 *           140 + 5 (out_h + out_w) + 35 out_h + 24 out_h out_w + outputs * (26 + 8 window_h + 10 n).
 *           m0k_unpool: at most 180 + 5 (out_h + out_w) + height width channels / 2 + 35 out_h + 24 out_h out_w + 13
 *           outputs + for each error that is not 0 13 + 6 window_h.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "window.inc"
    #include "m0k.inc"

    FUNCTION m0k_pool_window
    SAVE_ALL
    sub sp, #W_BYTES

@ r10 first value of a window, r9 out, lr argmax - out, or 0 without argmax: its places go to out, and maxima over them
    ldr r1, [r0, #POOL_WINDOW_IN]
    mov r10, r1
    ldr r1, [r0, #POOL_WINDOW_OUT]
    mov r9, r1
    ldr r2, [r0, #POOL_WINDOW_ARGMAX]
    cmp r2, #0
    bne .Lhas_argmax
    movs r2, r1
.Lhas_argmax:
    subs r2, r2, r1
    mov lr, r2
    movs r4, r0
    adds r4, #POOL_WINDOW_HEIGHT
    WALK .Lpooled
.Lrow:
    ldr r0, [sp, #W_COLUMNS]
    str r0, [sp, #W_LEFT]
.Lpixel:
    str r7, [sp, #W_CHANNELS]

@ A channel: r0 value, r1 columns left, r2 maximum, r3 a value, r4 the maximum's place, r5 place, r6 rows left
.Lchannel:
    mov r0, r10
    mov r6, r11
    movs r2, #0
    movs r4, #0
    movs r5, #0
.Lwindow_row:
    mov r1, r12
.Lvalue:
    ldrb r3, [r0]
    adds r0, r0, r7
    cmp r3, r2
    bls .Lnot_larger
    movs r2, r3
    movs r4, r5
.Lnot_larger:
    adds r5, #1
    subs r1, #1
    bne .Lvalue
    add r0, r8
    subs r6, #1
    bne .Lwindow_row
    mov r0, r9
    mov r1, lr
    strb r4, [r0, r1]
    strb r2, [r0]
    adds r0, #1
    mov r9, r0
    movs r0, #1
    add r10, r0
    ldr r0, [sp, #W_CHANNELS]
    subs r0, #1
    str r0, [sp, #W_CHANNELS]
    bne .Lchannel
    NEXT_WINDOW .Lpixel, .Lrow
.Lpooled:
    add sp, #W_BYTES
    RETURN_ALL
    END_FUNCTION m0k_pool_window

    FUNCTION m0k_unpool
    SAVE_ALL
    sub sp, #W_BYTES
    mov r7, r0
    ldr r1, [r7, #UNPOOL_HEIGHT]
    ldr r0, [r7, #UNPOOL_WIDTH]
    muls r1, r0, r1
    ldr r0, [r7, #UNPOOL_CHANNELS]
    muls r1, r0, r1
    WORDS r1
    ldr r0, [r7, #UNPOOL_OUT]
    mov r10, r0
    bl m0k_back_clear

@ r10 first value of a window, r9 error, lr argmax - error, r11 bytes of a row
    ldr r1, [r7, #UNPOOL_ERROR]
    mov r9, r1
    ldr r2, [r7, #UNPOOL_ARGMAX]
    subs r2, r2, r1
    mov lr, r2
    movs r4, r7
    adds r4, #UNPOOL_HEIGHT
    WALK .Lunpooled
    mov r11, r1
.Lerror_row:
    ldr r0, [sp, #W_COLUMNS]
    str r0, [sp, #W_LEFT]
.Lerror_pixel:
    str r7, [sp, #W_CHANNELS]
    mov r3, r9
.Lerror:
    ldrb r4, [r3]
    cmp r4, #0
    beq .Lerror_next
    mov r5, lr
    ldrb r5, [r3, r5]
    mov r0, r10
    mov r1, r12
.Ldown:
    subs r5, r5, r1
    blo .Lacross
    add r0, r11
    b .Ldown
.Lacross:
    adds r5, r5, r1
    muls r5, r7, r5
    strb r4, [r0, r5]
.Lerror_next:
    adds r3, #1
    movs r0, #1
    add r10, r0
    ldr r0, [sp, #W_CHANNELS]
    subs r0, #1
    str r0, [sp, #W_CHANNELS]
    bne .Lerror
    mov r9, r3
    NEXT_WINDOW .Lerror_pixel, .Lerror_row
.Lunpooled:
    add sp, #W_BYTES
    RETURN_ALL
    END_FUNCTION m0k_unpool
