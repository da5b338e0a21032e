/*
 * m0k_average(const m0k_average_t *p): means over windows.
 * m0k_average_back(const m0k_average_back_t *p): the error of such a pool, spread over the windows.
 *
 *   out[y][x][c] = min(round_shift(factor * (sum of in[y*window_h ..][x*window_w ..][c] over the window), 16), 127),
 *   factor being 2^16 / n to nearest, n = window_h * window_w: so the sum / n, exactly where n is a power of two.
 *   m0k_average_back: out at all places of the window = round_shift(factor * error[y][x][c], 8), factor being 2^(8+f) / n
 *   to nearest, f = floor(log2 n): the error / n, its exponent f less. To nearest, ties away from zero.
 *
 * Shapes    any height, width, channels >= 1, windows of 1 to 4,096 values; rows and columns that make no whole window
 *           are left out (m0k_average_back: 0). out of m0k_average may begin where in does: what is written was read
 *           before.
 * Ranges    in 0 .. 127 (it stands behind a ReLU); error -127 .. 127; factor of m0k_average 16 .. 65,536, of
 *           m0k_average_back 128 .. 256.
 * Alignment 4 for in, out and error when channels is a multiple of 4 (four channels at a time), else 1; of
 *           m0k_average_back's out 4, whose last word is written whole.
 * Stack     64 bytes each.
 * Needs     m0k_back_clear of dense_back.S.
 * Cycles    n = window_h * window_w, Cortex-M0+, where there is a window. m0k_average: 86 + 5 (out_h + out_w) + 13 out_h,
 *           and channels a multiple of 4 and n <= 512: 20 out_h out_w + for each four outputs 56 + 6 window_h + 11 n; else
 *           16 out_h out_w + for each output 26 + 4 window_h + 7 n: exact but for n > 512, at most 8 out_h out_w more.
 *           m0k_average_back: at most 126 + 13 / 32 height width channels + 5 (out_h + out_w) + 13 out_h, and channels a
 *           multiple of 4: 14 out_h out_w + for each four errors 16 or, if one is not 0, 58 (22 where n is a power of two)
 *           + 4 window_h + 6 n; else 16 out_h out_w + for each error 18 or, if it is not 0, 27 + 4 window_h + 6 n.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "window.inc"
    #include "m0k.inc"

@ Values up to 127 of which two sums fit a word
    .equ LOG2_LANE_VALUES, 9

    .equ S_FACTOR, W_BYTES
    .equ FRAME, W_BYTES + 4

@ MEAN x: x = min((x * r1 + r2) >> 16, 127). 6 cycles.
    .macro MEAN x
    muls \x, r1, \x
    adds \x, \x, r2
    lsrs \x, \x, #16
    cmp \x, #127
    bls .Lmean\@
    movs \x, #127
.Lmean\@:
    .endm

@ SPREAD x, spare: x = round_shift(x * r1, 8) as a byte, r2 = 128. Spoils spare. 6 cycles.
    .macro SPREAD x, spare
    muls \x, r1, \x
    asrs \spare, \x, #31
    adds \x, \x, \spare
    adds \x, \x, r2
    lsls \x, \x, #16
    lsrs \x, \x, #24
    .endm

    FUNCTION m0k_average
    SAVE_ALL
    sub sp, #FRAME

@ r10 first value of a window, r9 out
    ldr r1, [r0, #AVERAGE_IN]
    mov r10, r1
    ldr r1, [r0, #AVERAGE_OUT]
    mov r9, r1
    ldr r1, [r0, #AVERAGE_FACTOR]
    str r1, [sp, #S_FACTOR]
    movs r4, r0
    adds r4, #AVERAGE_HEIGHT
    WALK .Laveraged
.Lrow:
    ldr r0, [sp, #W_COLUMNS]
    str r0, [sp, #W_LEFT]

@ By words, or by bytes: of more values the lanes hold no sum. r7 channels
.Lpixel:
    lsls r0, r7, #30
    bne .Lbytes
    mov r0, r11
    mov r1, r12
    muls r0, r1, r0
    subs r0, #1
    lsrs r0, r0, #LOG2_LANE_VALUES
    bne .Lbytes
    lsrs r0, r7, #2
    str r0, [sp, #W_CHANNELS]

@ Four channels: r0 values, r1 columns left, r2 EVEN_BYTES, r3 a word, r4, r5 sums of its even and odd bytes, r6 free,
@ lr rows left
.Lword:
    mov r0, r10
    mov lr, r11
    ldr r2, .Leven_bytes
    movs r4, #0
    movs r5, #0
.Lword_row:
    mov r1, r12
.Lword_value:
    ldr r3, [r0]
    adds r0, r0, r7
    lsrs r6, r3, #8
    ands r3, r2
    ands r6, r2
    adds r4, r4, r3
    adds r5, r5, r6
    subs r1, #1
    bne .Lword_value
    add r0, r8
    mov r1, lr
    subs r1, #1
    mov lr, r1
    bne .Lword_row
    ldr r1, [sp, #S_FACTOR]
    movs r2, #1
    lsls r2, r2, #15
    lsrs r3, r5, #16
    MEAN r3
    lsls r0, r3, #8
    lsrs r3, r4, #16
    MEAN r3
    orrs r0, r3
    lsls r0, r0, #8
    uxth r3, r5
    MEAN r3
    orrs r0, r3
    lsls r0, r0, #8
    uxth r3, r4
    MEAN r3
    orrs r0, r3
    mov r3, r9
    stm r3!, {r0}
    mov r9, r3
    movs r3, #4
    add r10, r3
    ldr r3, [sp, #W_CHANNELS]
    subs r3, #1
    str r3, [sp, #W_CHANNELS]
    bne .Lword
.Lnext:
    NEXT_WINDOW .Lpixel, .Lrow
.Laveraged:
    add sp, #FRAME
    RETURN_ALL
    .p2align 2
.Leven_bytes:
    .word EVEN_BYTES

@ A channel: r0 values, r1 columns left, r3 rows left, r4 sum, r5 a value
.Lbytes:
    str r7, [sp, #W_CHANNELS]
.Lbyte:
    mov r0, r10
    mov r3, r11
    movs r4, #0
.Lbyte_row:
    mov r1, r12
.Lbyte_value:
    ldrb r5, [r0]
    adds r0, r0, r7
    adds r4, r4, r5
    subs r1, #1
    bne .Lbyte_value
    add r0, r8
    subs r3, #1
    bne .Lbyte_row
    ldr r1, [sp, #S_FACTOR]
    movs r2, #1
    lsls r2, r2, #15
    MEAN r4
    mov r3, r9
    strb r4, [r3]
    adds r3, #1
    mov r9, r3
    movs r3, #1
    add r10, r3
    ldr r3, [sp, #W_CHANNELS]
    subs r3, #1
    str r3, [sp, #W_CHANNELS]
    bne .Lbyte
    b .Lnext
    END_FUNCTION m0k_average

    FUNCTION m0k_average_back
    SAVE_ALL
    sub sp, #FRAME
    mov r7, r0
    ldr r1, [r7, #AVERAGE_BACK_HEIGHT]
    ldr r0, [r7, #AVERAGE_BACK_WIDTH]
    muls r1, r0, r1
    ldr r0, [r7, #AVERAGE_BACK_CHANNELS]
    muls r1, r0, r1
    WORDS r1
    ldr r0, [r7, #AVERAGE_BACK_OUT]
    mov r10, r0
    bl m0k_back_clear

@ r10 first value of a window, r9 error
    ldr r1, [r7, #AVERAGE_BACK_ERROR]
    mov r9, r1
    ldr r1, [r7, #AVERAGE_BACK_FACTOR]
    str r1, [sp, #S_FACTOR]
    movs r4, r7
    adds r4, #AVERAGE_BACK_HEIGHT
    WALK .Lspread
.Lback_row:
    ldr r0, [sp, #W_COLUMNS]
    str r0, [sp, #W_LEFT]
.Lback_pixel:
    lsls r0, r7, #30
    bne .Lback_bytes
    lsrs r0, r7, #2
    str r0, [sp, #W_CHANNELS]

@ Four channels: r0 place, r1 factor, then columns left, r2 128, r3 a byte, then rows left, r4 errors, r6 those to store
.Lback_word:
    mov r3, r9
    ldm r3!, {r4}
    mov r9, r3
    cmp r4, #0
    beq .Lback_word_done
    movs r6, r4
    ldr r1, [sp, #S_FACTOR]
    lsrs r3, r1, #8
    bne .Lback_word_known           @ 256: the errors themselves
    movs r2, #128
    asrs r6, r4, #24
    SPREAD r6, r5
    SIGNED_BYTE r3, r4, 2
    SPREAD r3, r5
    lsls r6, r6, #8
    orrs r6, r3
    SIGNED_BYTE r3, r4, 1
    SPREAD r3, r5
    lsls r6, r6, #8
    orrs r6, r3
    SIGNED_BYTE r3, r4, 0
    SPREAD r3, r5
    lsls r6, r6, #8
    orrs r6, r3
.Lback_word_known:
    mov r0, r10
    mov r3, r11
.Lback_word_row:
    mov r1, r12
.Lback_word_place:
    str r6, [r0]
    adds r0, r0, r7
    subs r1, #1
    bne .Lback_word_place
    add r0, r8
    subs r3, #1
    bne .Lback_word_row
.Lback_word_done:
    movs r3, #4
    add r10, r3
    ldr r3, [sp, #W_CHANNELS]
    subs r3, #1
    str r3, [sp, #W_CHANNELS]
    bne .Lback_word
.Lback_next:
    NEXT_WINDOW .Lback_pixel, .Lback_row
.Lspread:
    add sp, #FRAME
    RETURN_ALL

@ A channel, with the same registers
.Lback_bytes:
    str r7, [sp, #W_CHANNELS]
.Lback_byte:
    mov r3, r9
    movs r4, #0
    ldrsb r4, [r3, r4]
    adds r3, #1
    mov r9, r3
    cmp r4, #0
    beq .Lback_byte_done
    ldr r1, [sp, #S_FACTOR]
    movs r2, #128
    SPREAD r4, r5
    mov r0, r10
    mov r3, r11
.Lback_byte_row:
    mov r1, r12
.Lback_byte_place:
    strb r4, [r0]
    adds r0, r0, r7
    subs r1, #1
    bne .Lback_byte_place
    add r0, r8
    subs r3, #1
    bne .Lback_byte_row
.Lback_byte_done:
    movs r3, #1
    add r10, r3
    ldr r3, [sp, #W_CHANNELS]
    subs r3, #1
    str r3, [sp, #W_CHANNELS]
    bne .Lback_byte
    b .Lback_next
    END_FUNCTION m0k_average_back
