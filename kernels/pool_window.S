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
 * Alignment 4 for in, out and argmax of m0k_pool_window when channels is a multiple of 4 (four channels at a time), else
 *           1; 4 for m0k_unpool's out, whose last word is written whole, 1 for its error and argmax.
 * Stack     m0k_pool_window 76 bytes, m0k_unpool 60.
 * Needs     m0k_back_clear of dense_back.S.
 * Cycles    n = window_h * window_w, Cortex-M0+, where there is a window. m0k_pool_window: for a walk 110 + 5 (out_h +
 *           out_w) + 13 out_h + 13 out_h out_w, and for each four outputs, channels a multiple of 4, 25 + 11 window_h +
 *           21 n: exact. Else for each output at most 21 + 4 window_h + 11 n.
 *           m0k_unpool: at most 126 + 13 / 32 height width channels + 5 (out_h + out_w) + 13 out_h + 14 out_h out_w, and
 *           for each error 10 or, if it is not 0, 21 + 5 for each row of the window above its place.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "window.inc"
    #include "m0k.inc"

@ While four channels are compared at a time
    .equ S_OUT, W_BYTES             @ where the next maxima go,
    .equ S_PLACES, W_BYTES + 4      @ and from there to their places
    .equ S_ROW_BYTES, W_BYTES + 8   @ of a row of a window
    .equ S_ROWS, W_BYTES + 12       @ of the window that are left
    .equ FRAME, W_BYTES + 16

    FUNCTION m0k_pool_window
    SAVE_ALL
    sub sp, #FRAME

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
    lsls r0, r7, #30
    beq .Lby_words
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
    add sp, #FRAME
    RETURN_ALL

@ By words: r7 SIGN_BITS, r9 bytes of a pixel, lr 1 in each byte
.Lby_words:
    mov r0, r9
    str r0, [sp, #S_OUT]
    mov r0, lr
    str r0, [sp, #S_PLACES]
    mov r0, r12
    muls r0, r7, r0
    str r0, [sp, #S_ROW_BYTES]
    mov r9, r7
    ldr r7, .Lsigns
    ldr r0, .Lones
    mov lr, r0
.Lwords_row:
    ldr r0, [sp, #W_COLUMNS]
    str r0, [sp, #W_LEFT]
.Lwords_pixel:
    mov r0, r9
    lsrs r0, r0, #2
    str r0, [sp, #W_CHANNELS]

@ Four channels: r0 values, r2 maxima, r3 values of one place, r4 the maxima's places, r5 place, r6 127 in each byte where
@ r3 is larger: bit 7 of (r2 | 128) - r3 is clear there, and no byte borrows from the next. r1 free, r12 end of the row.
.Lword:
    mov r0, r10
    mov r1, r11
    str r1, [sp, #S_ROWS]
    movs r2, #0
    movs r4, #0
    movs r5, #0
.Lword_row:
    ldr r1, [sp, #S_ROW_BYTES]
    adds r1, r0, r1
    mov r12, r1
.Lword_value:
    ldr r3, [r0]
    add r0, r9
    movs r6, r2
    orrs r6, r7
    subs r6, r6, r3
    mvns r6, r6
    ands r6, r7
    lsrs r1, r6, #7
    subs r6, r6, r1
    eors r3, r2
    ands r3, r6
    eors r2, r3
    movs r1, r4
    eors r1, r5
    ands r1, r6
    eors r4, r1
    add r5, lr
    cmp r0, r12
    bne .Lword_value
    add r0, r8
    ldr r1, [sp, #S_ROWS]
    subs r1, #1
    str r1, [sp, #S_ROWS]
    bne .Lword_row
    ldr r0, [sp, #S_OUT]
    ldr r1, [sp, #S_PLACES]
    str r4, [r0, r1]
    stm r0!, {r2}
    str r0, [sp, #S_OUT]
    movs r0, #4
    add r10, r0
    ldr r0, [sp, #W_CHANNELS]
    subs r0, #1
    str r0, [sp, #W_CHANNELS]
    bne .Lword
    NEXT_WINDOW .Lwords_pixel, .Lwords_row
    b .Lpooled
    .p2align 2
.Lsigns:
    .word SIGN_BITS
.Lones:
    .word 0x01010101
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

@ Each error of a pixel: r0 row of its place, r1 window_w, r2 first value of its window, r3 error, r4 the error, r5 place,
@ r6 channels left
.Lerror_pixel:
    mov r3, r9
    mov r2, r10
    movs r6, r7
.Lerror:
    ldrb r4, [r3]
    cmp r4, #0
    beq .Lerror_next
    mov r5, lr
    ldrb r5, [r3, r5]
    movs r0, r2
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
    adds r2, #1
    subs r6, #1
    bne .Lerror
    mov r9, r3
    mov r10, r2
    NEXT_WINDOW .Lerror_pixel, .Lerror_row
.Lunpooled:
    add sp, #W_BYTES
    RETURN_ALL
    END_FUNCTION m0k_unpool
