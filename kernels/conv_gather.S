/*
 * Error through a convolution, gathered pixel by pixel: m0k_conv_back without sums of the whole map.     ARMv6-M
 *
 * m0k_back_gather (not for C): what m0k_conv_back does where scratch != 0; r0 = its block. channels % 4 == 0, dynamic == 0,
 * no provider; kernel_h * kernel_w * n_out <= 256, pooled (h / 2 + 1) * (kernel_w / 2 + 1) * n_out in place
 * of it. `scratch`, 4-aligned, with h = kernel_h, columns of the error map, and u = h units of rows, pooled h / 2 + 1:
 *     40 + 16 * h + (pooled ? 8 * n_out : 0) + u * 8 * (columns * n_out + (pooled ? 2 : 1) * (width + kernel_w)) bytes
 *
 * A row of the convolution's output is a list of its errors that are not zero, {error, place}, from left to right, and
 * a head for each input column x: where in the list the windows begin whose last column is x or more, and the sum of
 * (|error| << 16) + error in front of it. So the windows of kernel_w columns over an input are one piece of each row's
 * list, and its sum tells whether the products fit 16 bits; place + (y * kernel_w + x) * 4 * channels is the address
 * of the weights that belong to input (y, x). Rows are made when the input comes to them, and kept for kernel_h rows.
 *
 * The two rows under a pool's row are made together: the list of the second goes down from the end of the first one's
 * room, and errors of the pool's second column wait until those of the first are listed.
 *
 * Stack: 256 bytes, and 8 of m0k_conv_back's. Cycles, groups = n_out / 4 rounded up: at most
 *     800 + for each row of the error map 150 + 8 * (width + 9) (20 pooled) + columns * (50 + 9 * groups) (50 * groups
 *     where n_out % 4 != 0) + for each group with an error at a position 180 (270), and each error 50
 *     + for each input row 170 + 20 * kernel_h + for each input 70 + 3 * channels + 20 * kernel_h and, where a gate is
 *     not 0 and errors reach it, 150 + 32 * channels + 30 * kernel_h and for each of these 5 + 3 * channels or, where
 *     their magnitudes are more than 258 in sum, 8 + 5.25 * channels.
 *
 * Where magnitudes of an input's errors are at most 2^shift and (32767 - half) / 127 in sum, nothing can saturate, and
 * four channels are rounded and gated at once. Else they go one by one;
 * sums are wide where magnitudes are more than 258.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "back.inc"
    #include "m0k.inc"

    .equ ROW_BYTES, 8               @ of a row that lives: its last input row, its heads

    .equ BLOCK, 0
    .equ ERROR, 4                   @ errors of the next unit
    .equ ARGMAX, 8                  @ argmax - error, 0: no pool
    .equ COLUMNS, 12                @ the error map's
    .equ ROWS, 16                   @ its rows that are left
    .equ TAP, 20                    @ weight bytes of a tap,
    .equ TAPS, 24                   @ and of a kernel row
    .equ GROUP, 28                  @ and of four outputs
    .equ UNIT, 32                   @ where the next unit goes
    .equ FIRST_UNIT, 36
    .equ LAST_UNIT, 40              @ behind it
    .equ ENTRIES, 44                @ bytes of a unit's lists
    .equ HEADS, 48                  @ bytes of a row's heads
    .equ LIVE_END, 52               @ rows that live are at `scratch`
    .equ PIECES, 56                 @ pieces of lists over an input, ended by 0
    .equ Y, 60                      @ input row
    .equ NEXT_Y, 64                 @ input row of the next output row's window
    .equ BOTTOM, 68                 @ heads of a pool's second row, 0: no errors. Its list goes down
    .equ HAS_BOTTOM, 72
    .equ OUT, 76
    .equ GATE, 80                   @ gate - out
    .equ OFFSET, 84                 @ (y * kernel_w + x) * TAP
    .equ HEAD, 88                   @ 8 * x
    .equ PIXELS, 92                 @ left in the row
    .equ WINDOW, 96                 @ 8 * kernel_w
    .equ LIMIT, 100                 @ magnitudes in sum that cannot saturate, nor leave a lane
    .equ ONES, 104                  @ of the lanes, 0 for shift 0
    .equ HALF, 108                  @ half - 1 in both lanes, 0 for shift 0
    .equ KEEP, 112                  @ bits of a byte in a shifted lane
    .equ ADD, 116                   @ rounded byte -> + ADD ^ FLIP is the signed one
    .equ FLIP, 120
    .equ BIAS_SUM, 124
    .equ WORDS_LEFT, 128            @ of the input's channels
    .equ LARGE, 132                 @ SMALL, LANES or WIDE
    .equ RETURN, 136
    .equ COLUMN, 140                @ columns left
    .equ STASH_FROM, 148            @ errors of a pool's second column: up from here
    .equ HEAD_END, 152
    .equ FIRST_HEAD, 156
    .equ SUMS, 160                  @ of eight channels
    .equ CHANNEL, 192               @ offset of these channels' weights
    .equ SUM, 196                   @ of the errors
    .equ PIECE, 200
    .equ PIECE_END, 204
    .equ STEP_PLACE, 208            @ from column to column of the error map: weights,
    .equ STEP_HEAD, 212             @ and heads
    .equ FRAME, 220
@ While lists are made
    .equ STASH, 160                 @ end of those of the first row
    .equ HEAD_TO, 164               @ behind the heads of the column
    .equ HEAD_TO_2, 168
    .equ CELL_PLACE, 172
    .equ ROW_PLACE, 184             @ weights from a pool's first row to its second
    .equ SUM_2, 188                 @ of the second row's errors
    .equ ENTRY, 192

    .equ NO_GATE, 1                 @ as GATE
    .equ SMALL, 0                   @ magnitudes in sum up to LIMIT: nothing saturates
    .equ LANES, 1                   @ up to LANE_ERRORS
    .equ WIDE, 2

@ APPEND: the error r6 and its place r7 to the list r1, and to the sum r9. Spoils r3, r7. 10 cycles.
    .macro APPEND
    stm r1!, {r6, r7}
    asrs r3, r6, #31
    movs r7, r6
    eors r7, r3
    subs r7, r7, r3
    lsls r7, r7, #16
    adds r7, r7, r6
    add r9, r7
    .endm

@ APPEND_2: the same to the list of a pool's second row, lr down, and SUM_2; r7 the place of the first row. Spoils r3.
@ 21 cycles.
    .macro APPEND_2
    ldr r3, [sp, #ROW_PLACE]
    subs r7, r7, r3
    mov r3, lr
    subs r3, #8
    str r6, [r3]
    str r7, [r3, #4]
    mov lr, r3
    asrs r3, r6, #31
    movs r7, r6
    eors r7, r3
    subs r7, r7, r3
    lsls r7, r7, #16
    adds r7, r7, r6
    ldr r3, [sp, #SUM_2]
    adds r7, r7, r3
    str r7, [sp, #SUM_2]
    .endm

@ LIST j: error j of r4, if it is not 0; r5 argmax, r2 place of the first of the four. To its row's list, or to the
@ errors of the pool's second column: of the first row r0 up, of the second r10 down. Spoils r3, r6, r7. 34 cycles, 4 for 0.
    .macro LIST j
    lsls r6, r4, #(24 - 8 * \j)
    asrs r6, r6, #24
    beq .Lnot_listed\@
    movs r7, r2
    .if \j
    adds r7, #(4 * \j)
    .endif
    lsls r3, r5, #(24 - 8 * \j)
    lsrs r3, r3, #24
    beq .Lfirst\@
    cmp r3, #2
    beq .Lsecond_row\@
    bhi .Lboth\@
    stm r0!, {r6, r7}
    b .Lnot_listed\@
.Lboth\@:
    mov r3, r10
    subs r3, #8
    str r6, [r3]
    str r7, [r3, #4]
    mov r10, r3
    b .Lnot_listed\@
.Lsecond_row\@:
    APPEND_2
    b .Lnot_listed\@
.Lfirst\@:
    APPEND
.Lnot_listed\@:
    .endm

@ ADD_LANES even, odd, at: the word of weights at r2[at] times the error r1 to two registers of two lanes each; the even
@ one has 256 times the odd one in it. r3 = EVEN_BYTES. Spoils r4, r5. 8 cycles.
    .macro ADD_LANES even, odd, at
    ldr r4, [r2, #\at]
    lsrs r5, r4, #8
    ands r5, r3
    muls r4, r1, r4
    add \even, r4
    muls r5, r1, r5
    add \odd, r5
    .endm

@ ROUND_LANES x: the lanes of x, + 32768, rounded, shifted and cut to a byte. r3 ONES, r4 HALF, r5 shift, r6 KEEP.
@ Spoils r2. 6 cycles.
    .macro ROUND_LANES x
    lsrs r2, \x, #15
    ands r2, r3
    adds \x, \x, r2
    adds \x, \x, r4
    lsrs \x, r5
    ands \x, r6
    .endm

@ STORE_WORD even, odd: four channels, rounded and gated, to OUT, which moves on. lr = bias + 32768 in both lanes, r3-r6
@ as above. Spoils r0-r2, r7, even. 49 cycles, 36 without a gate.
    .macro STORE_WORD even, odd
    mov r0, \even
    mov r1, \odd
    lsls r2, r1, #8
    subs r0, r0, r2
    add r0, lr
    add r1, lr
    ROUND_LANES r0
    ROUND_LANES r1
    lsls r1, r1, #8
    orrs r0, r1
    ldr r1, [sp, #ADD]
    adds r0, r0, r1
    ldr r1, [sp, #FLIP]
    eors r0, r1
    movs r1, #16
    rors r0, r1
    ldr r7, [sp, #OUT]
    ldr r1, [sp, #GATE]
    cmp r1, #NO_GATE
    beq .Lstore_word\@
    ldr r1, [r7, r1]
    ldr r2, .Lsevens
    mov \even, r3
    movs r3, r1
    ands r3, r2
    adds r3, r3, r2
    bics r3, r1
    bics r3, r2                     @ bit 7 of each byte: gate > 0
    lsls r1, r3, #1
    lsrs r3, r3, #7
    subs r1, r1, r3
    ands r0, r1
    mov r3, \even
.Lstore_word\@:
    stm r7!, {r0}
    str r7, [sp, #OUT]
    .endm

@ SPREAD_WORD even, odd: four lanes as sums to r5, which moves on. r4 = 0, r6 bias. Spoils r0-r3. 17 cycles.
    .macro SPREAD_WORD even, odd
    mov r0, \even
    mov r1, \odd
    lsls r2, r1, #8
    subs r0, r0, r2
    adds r0, r0, r6
    adds r1, r1, r6
    sxth r2, r0
    sxth r3, r1
    asrs r0, r0, #16                @ carry: the low lane was negative and borrowed
    adcs r0, r4
    asrs r1, r1, #16
    adcs r1, r4
    stm r5!, {r0-r3}
    .endm

@ WIDE_WORD word, a, b, c, d: the bytes of word, from the lowest, times the error r1 to four sums. Spoils word, r4.
@ 14 cycles.
    .macro WIDE_WORD word, a, b, c, d
    uxtb r4, \word
    muls r4, r1, r4
    add \a, r4
    lsrs \word, \word, #8
    uxtb r4, \word
    muls r4, r1, r4
    add \b, r4
    lsrs \word, \word, #8
    uxtb r4, \word
    muls r4, r1, r4
    add \c, r4
    lsrs \word, \word, #8
    muls \word, r1, \word
    add \d, \word
    .endm

    FUNCTION m0k_back_gather
    SAVE_ALL
    sub sp, #FRAME
    str r0, [sp, #BLOCK]
    mov r7, r0

@ The error map's size, and the sizes of units.
    ldr r3, [r7, #CONV_BACK_STRIDE]
    ldr r4, [r7, #CONV_BACK_PAD_H]
    lsls r4, r4, #1
    ldr r0, [r7, #CONV_BACK_HEIGHT]
    ldr r1, [r7, #CONV_BACK_KERNEL_H]
    mov r5, r1                      @ units
    bl .Lsteps
    mov r6, r2
    ldr r4, [r7, #CONV_BACK_PAD_W]
    lsls r4, r4, #1
    ldr r0, [r7, #CONV_BACK_WIDTH]
    ldr r1, [r7, #CONV_BACK_KERNEL_W]
    bl .Lsteps
    ldr r1, [r7, #CONV_BACK_ERROR]
    str r1, [sp, #ERROR]
    ldr r0, [r7, #CONV_BACK_WIDTH]
    ldr r3, [r7, #CONV_BACK_KERNEL_W]
    adds r3, r0, r3
    lsls r3, r3, #3
    str r3, [sp, #HEADS]
    ldr r0, [r7, #CONV_BACK_ARGMAX]
    cmp r0, #0
    beq .Lmap_known
    subs r0, r0, r1
    lsrs r2, r2, #1
    lsrs r6, r6, #1
    lsrs r5, r5, #1
    adds r5, #1
    lsls r3, r3, #1
.Lmap_known:
    str r0, [sp, #ARGMAX]
    str r2, [sp, #COLUMNS]
    ldr r1, [r7, #CONV_BACK_N_OUT]
    muls r2, r1, r2
    bne .Lhas_columns
    movs r6, #0
.Lhas_columns:
    str r6, [sp, #ROWS]
    lsls r2, r2, #3
    str r2, [sp, #ENTRIES]
    adds r3, r3, r2
    muls r5, r3, r5
    ldr r0, [r7, #CONV_BACK_SCRATCH]
    str r0, [sp, #LIVE_END]
    ldr r1, [r7, #CONV_BACK_KERNEL_H]
    lsls r1, r1, #3
    adds r0, r0, r1
    adds r0, #16                    @ rows that live: kernel_h, one that is made early, one more while old ones go
    str r0, [sp, #PIECES]
    adds r0, r0, r1
    adds r0, #24
    str r0, [sp, #STASH_FROM]
    ldr r1, [sp, #ARGMAX]
    cmp r1, #0
    beq .Lno_stash
    ldr r1, [r7, #CONV_BACK_N_OUT]
    lsls r1, r1, #3
    adds r0, r0, r1
.Lno_stash:
    str r0, [sp, #FIRST_UNIT]
    str r0, [sp, #UNIT]
    adds r0, r0, r5
    str r0, [sp, #LAST_UNIT]

@ Weights, and where the input begins.
    ldr r1, [r7, #CONV_BACK_CHANNELS]
    lsls r1, r1, #2
    str r1, [sp, #TAP]
    ldr r2, [r7, #CONV_BACK_KERNEL_W]
    lsls r3, r2, #3
    str r3, [sp, #WINDOW]
    muls r1, r2, r1
    str r1, [sp, #TAPS]
    ldr r2, [r7, #CONV_BACK_KERNEL_H]
    muls r2, r1, r2
    str r2, [sp, #GROUP]            @ whole words: P is n_in
    ldr r1, [r7, #CONV_BACK_STRIDE]
    ldr r2, [sp, #ARGMAX]
    cmp r2, #0
    beq .Lone_column
    lsls r1, r1, #1
.Lone_column:
    lsls r2, r1, #3
    str r2, [sp, #STEP_HEAD]
    ldr r2, [sp, #TAP]
    muls r2, r1, r2
    str r2, [sp, #STEP_PLACE]
    ldr r1, [r7, #CONV_BACK_PAD_H]
    negs r1, r1
    str r1, [sp, #NEXT_Y]
    movs r0, #0
    str r0, [sp, #Y]
    str r0, [sp, #HAS_BOTTOM]
    ldr r1, [r7, #CONV_BACK_OUT]
    str r1, [sp, #OUT]
    ldr r2, [r7, #CONV_BACK_GATE]
    cmp r2, #0
    bne .Lgated
    adds r2, r1, #NO_GATE
.Lgated:
    subs r2, r2, r1
    str r2, [sp, #GATE]

@ What rounding takes, for a shift of r5: lanes are 16 bits wide, so that 16 and more go the other way.
    ldr r5, [r7, #CONV_BACK_SHIFT]
    movs r0, #0
    str r0, [sp, #LIMIT]
    str r0, [sp, #ONES]
    str r0, [sp, #HALF]
    str r0, [sp, #ADD]
    str r0, [sp, #FLIP]
    ldr r4, .Leven_bytes
    str r4, [sp, #KEEP]
    cmp r5, #15
    bhi .Lrounding_known
    movs r3, #1
    lsls r3, r5                     @ 2^shift
    lsrs r2, r3, #1                 @ half
    ldr r1, .Llane_most
    cmp r5, #8
    bls .Llimit_known
    subs r1, r1, r2
    lsrs r3, r1, #7                 @ at most a 127th
.Llimit_known:
    str r3, [sp, #LIMIT]
    cmp r5, #0
    beq .Lrounding_known
    ldr r1, .Lones
    str r1, [sp, #ONES]
    subs r2, #1
    muls r2, r1, r2
    str r2, [sp, #HALF]
    cmp r5, #8
    blo .Lrounding_known
    ldr r2, .Lsign_bits
    str r2, [sp, #FLIP]
    movs r3, #16
    subs r3, r3, r5
    LOW_BITS r2, r3
    muls r2, r1, r2
    ands r4, r2
    str r4, [sp, #KEEP]
    movs r2, #128
    lsls r2, r2, #8
    lsrs r2, r5                     @ 32768 >> shift
    movs r3, #128
    subs r3, r3, r2
    ldr r1, .Lbytes
    muls r3, r1, r3
    str r3, [sp, #ADD]
.Lrounding_known:

@ An input row: the rows of the output whose windows begin to reach it.
.Lrow:
    ldr r0, [sp, #NEXT_Y]
    ldr r1, [sp, #Y]
    cmp r0, r1
    bgt .Lrows_there
    ldr r2, [sp, #HAS_BOTTOM]
    cmp r2, #0
    bne .Lbottom
    ldr r2, [sp, #ROWS]
    cmp r2, #0
    beq .Lrows_there
    subs r2, #1
    str r2, [sp, #ROWS]
    bl .Lunit                       @ r0 = heads of its first row, 0: no errors
    b .Lnew_row
.Lbottom:
    ldr r0, [sp, #BOTTOM]
    movs r1, #0
    str r1, [sp, #HAS_BOTTOM]
.Lnew_row:
    ldr r7, [sp, #BLOCK]
    ldr r2, [sp, #NEXT_Y]
    cmp r0, #0
    beq .Lrow_empty
    ldr r1, [r7, #CONV_BACK_KERNEL_H]
    adds r1, r1, r2
    subs r1, #1
    ldr r3, [sp, #LIVE_END]
    str r1, [r3]
    str r0, [r3, #4]
    adds r3, #ROW_BYTES
    str r3, [sp, #LIVE_END]
.Lrow_empty:
    ldr r1, [r7, #CONV_BACK_STRIDE]
    adds r2, r2, r1
    str r2, [sp, #NEXT_Y]

@ A row may be over before it is asked for, with a pad as large as the kernel: those go at once.
    bl .Lold_rows
    b .Lrow
.Lrows_there:
    bl .Lold_rows
    ldr r7, [sp, #BLOCK]
    ldr r0, [r7, #CONV_BACK_WIDTH]
    str r0, [sp, #PIXELS]
    ldr r1, [r7, #CONV_BACK_SCRATCH]
    ldr r2, [sp, #LIVE_END]
    cmp r1, r2
    bne .Lerrors

@ No errors: zeros.
    ldr r1, [sp, #TAP]
    muls r0, r1, r0
    lsrs r1, r0, #4                 @ words of `out`
    ldr r0, [sp, #OUT]
    bl m0k_back_clear
    str r0, [sp, #OUT]
.Lrow_done:
    ldr r7, [sp, #BLOCK]
    ldr r0, [sp, #Y]
    adds r0, #1
    str r0, [sp, #Y]
    ldr r1, [r7, #CONV_BACK_HEIGHT]
    cmp r0, r1
    beq .Ldone
    b .Lrow
.Ldone:
    add sp, #FRAME
    RETURN_ALL

@ r2 = (r0 + r4 - r1) / r3 + 1; r0 lost
.Lsteps:
    COUNT_STEPS
    bx lr

@ Rows whose windows end above the input row leave the list of rows that live. Spoils r0-r6.
.Lold_rows:
    ldr r0, [sp, #BLOCK]
    ldr r0, [r0, #CONV_BACK_SCRATCH]
    mov r1, r0
    ldr r2, [sp, #LIVE_END]
    ldr r3, [sp, #Y]
    b .Lold_more
.Lold_next:
    ldm r0!, {r4, r5}
    cmp r4, r3
    blt .Lold_more
    stm r1!, {r4, r5}
.Lold_more:
    cmp r0, r2
    bne .Lold_next
    str r1, [sp, #LIVE_END]
    bx lr
    .p2align 2
.Leven_bytes:
    .word EVEN_BYTES
.Llane_most:
    .word 32767
.Lones:
    .word 0x00010001
.Lsign_bits:
    .word SIGN_BITS
.Lbytes:
    .word 0x01010101

@ ------------------------------------------------------------------------------------------------ a row of inputs
.Lerrors:
    movs r0, #0
    str r0, [sp, #HEAD]
    ldr r0, [sp, #Y]
    ldr r1, [sp, #TAPS]
    muls r0, r1, r0
    str r0, [sp, #OFFSET]

@ An input: if a gate is open, the pieces of the lists whose windows reach it. r0 row, r1 its end, r2 pieces, r3 head,
@ r4 sum; r5-r7 free.
.Lpixel:
    ldr r7, [sp, #BLOCK]
    ldr r6, [r7, #CONV_BACK_CHANNELS]
    ldr r5, [sp, #OUT]
    ldr r4, [sp, #GATE]
    cmp r4, #NO_GATE
    beq .Lopen
    adds r4, r4, r5
    adds r6, r4, r6
.Lgate:
    ldm r4!, {r5}
    cmp r5, #0
    bne .Lopen
    cmp r4, r6
    bne .Lgate
.Lnothing:
    ldr r0, [sp, #OUT]
    ldr r1, [sp, #TAP]
    lsrs r1, r1, #4
    movs r2, #0
.Lzeros:
    stm r0!, {r2}
    subs r1, #1
    bne .Lzeros
    str r0, [sp, #OUT]
.Lpixel_done:
    ldr r0, [sp, #HEAD]
    adds r0, #8
    str r0, [sp, #HEAD]
    ldr r0, [sp, #OFFSET]
    ldr r1, [sp, #TAP]
    adds r0, r0, r1
    str r0, [sp, #OFFSET]
    ldr r0, [sp, #PIXELS]
    subs r0, #1
    str r0, [sp, #PIXELS]
    bne .Lpixel
    b .Lrow_done

@ A list of a pool's second row goes down.
.Ldown:
    str r7, [r2]
    str r0, [r2, #4]
    adds r2, #8
    b .Lno_piece

.Lopen:
    ldr r0, [r7, #CONV_BACK_SCRATCH]
    ldr r1, [sp, #LIVE_END]
    ldr r2, [sp, #PIECES]
    ldr r3, [sp, #HEAD]
    ldr r6, [sp, #WINDOW]
    movs r4, #0
.Lrow_next:
    ldr r5, [r0, #4]
    adds r0, #ROW_BYTES
    adds r5, r5, r3
    mov r8, r0
    ldm r5!, {r0, r7}
    subs r4, r4, r7
    subs r5, #8
    adds r5, r5, r6
    ldr r7, [r5, #4]
    adds r4, r4, r7
    ldr r7, [r5]
    cmp r0, r7
    beq .Lno_piece
    bhi .Ldown
    stm r2!, {r0, r7}
.Lno_piece:
    mov r0, r8
    cmp r0, r1
    bne .Lrow_next
    ldr r0, [sp, #PIECES]
    cmp r0, r2
    beq .Lnothing
    movs r0, #0
    str r0, [r2]
    sxth r0, r4                     @ sum of the errors,
    str r0, [sp, #SUM]
    subs r4, r4, r0
    lsrs r4, r4, #16                @ and of their magnitudes
    ldr r1, .Lbias
    muls r0, r1, r0
    ldr r1, .Lsigns
    adds r0, r0, r1
    str r0, [sp, #BIAS_SUM]
    movs r0, #WIDE
    movs r1, #(LANE_ERRORS / 2)     @ all of it is no immediate
    lsls r1, r1, #1
    cmp r4, r1
    bhi .Lmagnitudes_known
    movs r0, #LANES
    ldr r1, [sp, #LIMIT]
    cmp r4, r1
    bhi .Lmagnitudes_known
    movs r0, #SMALL
.Lmagnitudes_known:
    str r0, [sp, #LARGE]
    ldr r0, [sp, #TAP]
    lsrs r0, r0, #4
    ldr r1, [sp, #OFFSET]
    mov r12, r1

@ Eight channels, or the last four: r0 words left, r12 offset of their weights.
.Lchannels:
    str r0, [sp, #WORDS_LEFT]
    movs r4, #0
    mov r8, r4
    mov r9, r4
    mov r10, r4
    mov r11, r4
    ldr r7, [sp, #PIECES]
    ldr r3, .Leven_lanes
    ldr r1, [sp, #LARGE]
    cmp r1, #WIDE
    beq .Lgo_wide
    cmp r0, #1
    bne .Ltwo_piece
    b .Lone_word

@ r0 errors, r1 error, r2 weights, r3 EVEN_BYTES, r4, r5 products, r6 end of the piece, r7 pieces, r8-r11 lanes.
.Ltwo_next:
    ldm r0!, {r1, r2}
    add r2, r12
    ADD_LANES r8, r9, 0
    ADD_LANES r10, r11, 16
    cmp r0, r6
    bne .Ltwo_next
.Ltwo_piece:
    ldm r7!, {r0, r6}
    cmp r0, #0
    bne .Ltwo_next
    ldr r1, [sp, #LARGE]
    cmp r1, #SMALL
    bne .Lgo_spread
    bl .Lround_registers
    STORE_WORD r8, r9
    STORE_WORD r10, r11
.Lchannels_done:
    ldr r0, [sp, #WORDS_LEFT]
    movs r1, #32
    add r12, r1
    subs r0, #2
    ble .Lchannels_over
    b .Lchannels
.Lchannels_over:
    b .Lpixel_done
.Lgo_wide:
    b .Lwide
.Lgo_spread:
    b .Lspread

.Lone_next:
    ldm r0!, {r1, r2}
    add r2, r12
    ADD_LANES r8, r9, 0
    cmp r0, r6
    bne .Lone_next
.Lone_word:
    ldm r7!, {r0, r6}
    cmp r0, #0
    bne .Lone_next
    ldr r1, [sp, #LARGE]
    cmp r1, #SMALL
    bne .Lgo_spread
    bl .Lround_registers
    STORE_WORD r8, r9
    b .Lpixel_done

.Lround_registers:
    mov r1, lr
    ldr r0, [sp, #BIAS_SUM]
    mov lr, r0
    ldr r0, [sp, #BLOCK]
    ldr r5, [r0, #CONV_BACK_SHIFT]
    ldr r3, [sp, #ONES]
    ldr r4, [sp, #HALF]
    ldr r6, [sp, #KEEP]
    mov pc, r1
    .p2align 2
.Lbias:
    .word -BIAS_LANES
.Lsigns:
    .word 0x80008000
.Leven_lanes:
    .word EVEN_BYTES
.Lsevens:
    .word 0x7F7F7F7F

@ ------------------------------------------------------------------ an input with sums that may have to be clamped
@ The lanes as sums.
.Lspread:
    ldr r6, [sp, #BIAS_SUM]
    movs r4, #1
    lsls r4, r4, #15
    lsls r5, r4, #16
    orrs r4, r5
    subs r6, r6, r4                 @ without what ROUND_LANES wants
    movs r4, #0
    add r5, sp, #SUMS
    mov r0, r12
    str r0, [sp, #CHANNEL]
    SPREAD_WORD r8, r9
    SPREAD_WORD r10, r11
    b .Llarge_store

@ More than lanes hold: r0 errors, r1 error, r2, r3 weights, r4 product, r5-r12 sums, lr offset of the weights.
.Lwide_one:
    ldm r0!, {r1, r2}
    add r2, lr
    ldr r3, [r2]
    WIDE_WORD r3, r7, r8, r5, r6
    ldr r3, [sp, #PIECE_END]
    cmp r0, r3
    bne .Lwide_one
    b .Lwide_piece
.Lwide:
    mov r1, r12
    str r1, [sp, #CHANNEL]
    mov lr, r1
    mov r12, r4
    str r7, [sp, #PIECE]
    movs r5, #0
    movs r6, #0
    movs r7, #0
    b .Lwide_piece
.Lwide_two:
    ldm r0!, {r1, r2}
    add r2, lr
    ldr r3, [r2]
    WIDE_WORD r3, r7, r8, r5, r6
    ldr r3, [r2, #16]
    WIDE_WORD r3, r11, r12, r9, r10
    ldr r3, [sp, #PIECE_END]
    cmp r0, r3
    bne .Lwide_two
.Lwide_piece:
    ldr r3, [sp, #PIECE]
    ldm r3!, {r0, r1}
    str r3, [sp, #PIECE]
    str r1, [sp, #PIECE_END]
    cmp r0, #0
    beq .Lwide_done
    ldr r3, [sp, #WORDS_LEFT]
    cmp r3, #1
    beq .Lwide_one
    b .Lwide_two
.Lwide_done:
    ldr r1, [sp, #SUM]
    lsls r1, r1, #7                 @ what the 128 of the stored weights adds
    add r0, sp, #SUMS
    mov r3, r8
    subs r2, r7, r1
    subs r3, r3, r1
    subs r5, r5, r1
    subs r6, r6, r1
    mov r4, r2
    mov r7, r3
    stm r0!, {r5, r6}
    stm r0!, {r4, r7}
    mov r2, r9
    mov r3, r10
    mov r4, r11
    mov r5, r12
    subs r2, r2, r1
    subs r3, r3, r1
    subs r4, r4, r1
    subs r5, r5, r1
    stm r0!, {r2-r5}
.Llarge_store:
    add r0, sp, #SUMS
    ldr r1, [sp, #OUT]
    ldr r2, [sp, #WORDS_LEFT]
    cmp r2, #2
    bls .Llarge_count
    movs r2, #2
.Llarge_count:
    lsls r2, r2, #2
    ldr r7, [sp, #BLOCK]
    ldr r3, [r7, #CONV_BACK_SHIFT]
    movs r4, #0
    ldr r5, [sp, #GATE]
    cmp r5, #NO_GATE
    beq .Llarge_gate
    adds r4, r1, r5
.Llarge_gate:
    bl m0k_back_store
    str r1, [sp, #OUT]
    ldr r1, [sp, #CHANNEL]
    mov r12, r1
    b .Lchannels_done

@ --------------------------------------------------------------------------------------- lists of the error map's rows
@ FILL to: the heads up to the address `to`, or their end, say that the list goes on at r1 behind the sum r9, and those
@ of a pool's second row the same of its list. r12 = the next head. Spoils r3, r5-r7. 10 cycles, or 30 and 12 a head.
    .macro FILL to
    ldr r3, [sp, #\to]
    ldr r6, [sp, #HEAD_END]
    cmp r3, r6
    ble .Lto_known\@
    movs r3, r6
.Lto_known\@:
    mov r6, r9
    mov r7, r12
    cmp r7, r3
    bge .Lfilled\@
.Lfill\@:
    stm r7!, {r1, r6}
    cmp r7, r3
    blt .Lfill\@
    mov r6, r12
    mov r12, r7
    ldr r5, [sp, #ARGMAX]
    cmp r5, #0
    beq .Lfilled\@
    ldr r5, [sp, #HEADS]
    adds r6, r6, r5
    adds r3, r3, r5
    mov r5, lr
    ldr r7, [sp, #SUM_2]
.Lfill_2\@:
    stm r6!, {r5, r7}
    cmp r6, r3
    blt .Lfill_2\@
.Lfilled\@:
    .endm

@ The next unit: a row of the convolution's output or, pooled, two. r0 = heads of the first, 0 where it has no errors;
@ BOTTOM the same of the second. All others are lost.
.Lunit:
    mov r0, lr
    str r0, [sp, #RETURN]

@ No errors at all? A row of them is looked at as words where it is whole ones.
    ldr r0, [sp, #ERROR]
    ldr r1, [sp, #ENTRIES]
    lsrs r1, r1, #3
    mov r2, r0
    orrs r2, r1
    lsls r2, r2, #30
    bne .Lunit_lists
    adds r1, r0, r1
.Lunit_word:
    ldm r0!, {r2}
    cmp r2, #0
    bne .Lunit_lists
    cmp r0, r1
    bne .Lunit_word
    str r0, [sp, #ERROR]
    movs r0, #0
    str r0, [sp, #BOTTOM]
    ldr r1, [sp, #ARGMAX]
    str r1, [sp, #HAS_BOTTOM]
    bx lr

@ In the loops: r0 error, r1 list, r2 place of its output's first tap, r4 errors, r5 outputs left or argmax, r8 outputs
@ left, r9 sum, r10 errors of the pool's second row and column, r11 GROUP, r12 next head, lr list of the second row,
@ HEAD_TO behind the heads of this column.
.Lunit_lists:
    ldr r7, [sp, #BLOCK]
    ldr r2, [r7, #CONV_BACK_WEIGHTS]
    ldr r1, [sp, #NEXT_Y]
    ldr r3, [sp, #TAPS]
    muls r1, r3, r1
    subs r2, r2, r1
    ldr r1, [r7, #CONV_BACK_STRIDE]
    muls r3, r1, r3
    str r3, [sp, #ROW_PLACE]
    ldr r4, [r7, #CONV_BACK_PAD_W]
    ldr r3, [sp, #TAP]
    muls r3, r4, r3
    adds r2, r2, r3
    str r2, [sp, #CELL_PLACE]
    ldr r1, [sp, #UNIT]
    ldr r5, [sp, #ENTRIES]
    adds r5, r1, r5                 @ heads
    mov lr, r5
    mov r12, r5
    str r5, [sp, #FIRST_HEAD]
    ldr r3, [sp, #HEADS]
    adds r3, r5, r3
    str r3, [sp, #HEAD_END]
    ldr r3, [r7, #CONV_BACK_KERNEL_W]
    subs r3, r3, r4
    lsls r3, r3, #3
    adds r3, r3, r5
    str r3, [sp, #HEAD_TO]
    movs r0, #0
    mov r9, r0
    str r0, [sp, #SUM_2]
    ldr r0, [sp, #GROUP]
    mov r11, r0
    ldr r0, [sp, #STASH_FROM]
    str r0, [sp, #STASH]
    ldr r0, [sp, #FIRST_UNIT]
    mov r10, r0
    ldr r0, [sp, #ERROR]
    ldr r3, [sp, #COLUMNS]
.Lcell:
    str r3, [sp, #COLUMN]
    ldr r5, [r7, #CONV_BACK_N_OUT]
    lsls r3, r5, #30
    bne .Lgo_cell_bytes
.Lcell_word:
    ldr r4, [r0]
    cmp r4, #0
    bne .Lgo_some
.Lword_done:
    adds r0, #4
    add r2, r11
    subs r5, #4
    bne .Lcell_word
    b .Lcell_done
.Lgo_some:
    b .Lsome
.Lgo_cell_bytes:
    b .Lcell_bytes
.Lgo_second_column:
    b .Lsecond_column
.Lcell_done:
    ldr r3, [sp, #STASH]
    ldr r4, [sp, #STASH_FROM]
    cmp r3, r4
    bne .Lgo_second_column
    ldr r3, [sp, #FIRST_UNIT]
    cmp r3, r10
    bne .Lgo_second_column
.Lnext_cell:
    ldr r2, [sp, #CELL_PLACE]
    ldr r3, [sp, #STEP_PLACE]
    subs r2, r2, r3
    str r2, [sp, #CELL_PLACE]
    ldr r3, [sp, #STEP_HEAD]
    ldr r4, [sp, #HEAD_TO]
    adds r3, r3, r4
    str r3, [sp, #HEAD_TO]
    ldr r3, [sp, #COLUMN]
    subs r3, #1
    bne .Lcell
    str r0, [sp, #ERROR]
    FILL HEAD_END

@ The unit's heads, 0 of a row without errors.
    ldr r0, [sp, #FIRST_HEAD]
    ldr r2, [sp, #HEAD_END]
    mov r4, r2
    cmp r0, lr
    bne .Lbottom_known
    movs r4, #0
.Lbottom_known:
    str r4, [sp, #BOTTOM]
    ldr r3, [sp, #UNIT]
    cmp r3, r1
    bne .Ltop_known
    movs r0, #0
.Ltop_known:
    ldr r3, [sp, #ARGMAX]
    str r3, [sp, #HAS_BOTTOM]
    cmp r3, #0
    beq .Lunit_known
    ldr r3, [sp, #HEADS]
    adds r2, r2, r3
.Lunit_known:
    ldr r3, [sp, #LAST_UNIT]
    cmp r2, r3
    bne .Lnext_unit
    ldr r2, [sp, #FIRST_UNIT]
.Lnext_unit:
    str r2, [sp, #UNIT]
    ldr r1, [sp, #RETURN]
    mov pc, r1

@ Errors of the second column: r4 end, r5 next, r2 from column to column.
.Lsecond_column:
    ldr r3, [sp, #HEAD_TO]
    ldr r4, [r7, #CONV_BACK_STRIDE]
    lsls r5, r4, #3
    adds r3, r3, r5
    str r3, [sp, #HEAD_TO_2]
    ldr r2, [sp, #TAP]
    muls r2, r4, r2
    mov r8, r7
    FILL HEAD_TO_2
    ldr r4, [sp, #STASH]
    ldr r5, [sp, #STASH_FROM]
    str r5, [sp, #STASH]
    b .Lstashed_more
.Lstashed:
    ldm r5!, {r6, r7}
    subs r7, r7, r2
    APPEND
.Lstashed_more:
    cmp r5, r4
    bne .Lstashed
    ldr r4, [sp, #FIRST_UNIT]
    mov r5, r10
    mov r10, r4
    b .Lstashed_2_more
.Lstashed_2:
    ldm r5!, {r6, r7}
    subs r7, r7, r2
    APPEND_2
.Lstashed_2_more:
    cmp r5, r4
    bne .Lstashed_2
    mov r7, r8
    b .Lnext_cell

.Lcell_bytes:
    mov r3, r5
    cmp r3, #4
    ble .Lbytes_known
    movs r3, #4
.Lbytes_known:
    GATHER r4, r0, r3, r6
    cmp r4, #0
    bne .Lsome
.Lbytes_done:
    adds r0, #4
    add r2, r11
    subs r5, #4
    bgt .Lcell_bytes
    adds r0, r0, r5                 @ back by what was none of this position's
    b .Lcell_done

.Largmax_bytes:
    adds r6, r0, r5
    mov r3, r8
    cmp r3, #4
    ble .Largmax_count
    movs r3, #4
.Largmax_count:
    GATHER r5, r6, r3, r7
    b .Largmax_known
.Lsome:
    mov r8, r5
    FILL HEAD_TO
    ldr r5, [sp, #ARGMAX]
    cmp r5, #0
    beq .Largmax_known
    ldr r7, [sp, #BLOCK]
    ldr r7, [r7, #CONV_BACK_N_OUT]
    lsls r7, r7, #30
    bne .Largmax_bytes
    ldr r5, [r0, r5]
.Largmax_known:
    str r0, [sp, #ENTRY]
    ldr r0, [sp, #STASH]
    LIST 0
    LIST 1
    LIST 2
    LIST 3
    str r0, [sp, #STASH]
    ldr r0, [sp, #ENTRY]
    mov r5, r8
    ldr r7, [sp, #BLOCK]
    ldr r3, [r7, #CONV_BACK_N_OUT]
    lsls r3, r3, #30
    beq .Lword_done_far
    b .Lbytes_done
.Lword_done_far:
    b .Lword_done
    END_FUNCTION m0k_back_gather
