/*
 * Weight gradient of a convolution, summed over positions.               ARMv6-M, AAPCS, void f(const block *)
 *
 * m0k_conv_grad { error, argmax, in, grad, height, width, channels, n_out, kernel_h, kernel_w, stride, pad }
 *     grad[o][ky][kx][c] = sum over y, x of error(y, x, o) * in[y*stride + ky - pad][x*stride + kx - pad][c]
 *
 * error and argmax as for m0k_conv_back (argmax != 0: both have the shape of the pooled map). in int8 HWC, values
 * 0..127, 4-aligned where channels % 4 == 0. grad int32[n_out][P], P = kernel_h * kernel_w * channels rounded up to 4,
 * 4-aligned, written by the kernel, padding 0. int32 holds 133,144 positions of 127 * 127.
 *
 * Errors of zero are skipped. For one output after the other, positions whose window lies inside the input go in pairs,
 * two to a pass over the accumulators. Needs dense_back.S (m0k_back_clear).
 *
 * Stack: 120 bytes. Cycles, n = kernel_h * kernel_w * channels, error map rows x columns x n_out: at most
 *     300 + 2.5 * n_out * P + 2 * kernel_w * channels + n_out * (40 + 35 * rows + 10 * rows * columns)
 *     + for each error that is not zero 130 + 25 * kernel_h + n * (8 where channels % 4 == 0, else 12). In pairs n
 *     costs 5.75 each where channels % 4 == 0, else 6.3 where rows of the kernel are multiples of 3 and up to 9.5 where
 *     not.
 *
 * Two lanes a word, as in dense_back.S: two inputs times one error, summed over two positions, fit 16 bits each.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "back.inc"
    #include "m0k.inc"

    .equ BLOCK, 0
    .equ ERROR, 4                   @ address of the error behind this one: a column on
    .equ OUTPUT, 8
    .equ COLUMN, 12                 @ columns left
    .equ ROW, 16
    .equ COLUMNS, 20
    .equ ROWS, 24
    .equ GRAD, 28                   @ this output's gradient
    .equ LINE, 32                   @ input bytes a line
    .equ TAPS, 36                   @ input bytes, gradient words, of a kernel row
    .equ PENDING, 40                @ input of a window that waits, 0: none
    .equ PENDING_ERROR, 44
    .equ LEFT, 48                   @ rows left
    .equ SKIP_GRAD, 56              @ bytes of a row's gradient
    .equ THREES, 60                 @ TAPS / 3
    .equ REST, 64                   @ TAPS % 3
    .equ ARGMAX, 68                 @ argmax - error, 0: no pool
    .equ STEP, 72                   @ bytes of one output's gradient
    .equ FRAME, 84                  @ 52, 76 and 80 are not used

@ NEXT_ROW_ALONE loop: input r6 and gradient r7 to the next row of a window, by r10 and r11; to loop unless it was the
@ last. Spoils r0. 8 cycles, 9 to loop.
    .macro NEXT_ROW_ALONE loop
    add r6, r10
    add r7, r11
    ldr r0, [sp, #LEFT]
    subs r0, #1
    str r0, [sp, #LEFT]
    bne \loop
    .endm

@ ADD_PRODUCT x, at: x = x * r4 + the gradient at r7[at]. Spoils r5. 4 cycles.
    .macro ADD_PRODUCT x, at
    muls \x, r4, \x
    ldr r5, [r7, #\at]
    adds \x, \x, r5
    .endm

@ ADD_SECOND sum, at: sum += byte at of the second input r5 times its error r4. Spoils r3. 4 cycles.
    .macro ADD_SECOND sum, at
    ldrb r3, [r5, #\at]
    muls r3, r4, r3
    adds \sum, \sum, r3
    .endm

    FUNCTION m0k_conv_grad
    SAVE_ALL
    sub sp, #FRAME
    str r0, [sp, #BLOCK]

@ Sizes, and cleared gradients. r7 = block up to the first output.
    mov r7, r0
    ldr r1, [r7, #CONV_GRAD_CHANNELS]
    ldr r2, [r7, #CONV_GRAD_WIDTH]
    muls r2, r1, r2
    str r2, [sp, #LINE]
    ldr r2, [r7, #CONV_GRAD_KERNEL_W]
    muls r1, r2, r1
    str r1, [sp, #TAPS]
    ldr r2, [r7, #CONV_GRAD_KERNEL_H]
    muls r2, r1, r2
    GROUP_BYTES r2
    str r2, [sp, #STEP]
    movs r3, #0
.Lthrees:                           @ r3 = taps / 3, r1 = taps % 3
    subs r1, #3
    blo .Lthrees_known
    adds r3, #1
    b .Lthrees
.Lthrees_known:
    adds r1, #3
    str r1, [sp, #REST]
    str r3, [sp, #THREES]
    ldr r0, [r7, #CONV_GRAD_GRAD]
    str r0, [sp, #GRAD]
    ldr r1, [r7, #CONV_GRAD_N_OUT]
    muls r1, r2, r1
    lsrs r1, r1, #2
    bl m0k_back_clear

@ The error map's size, r6 rows and r2 columns: that of the convolution's output, halved by the pool.
    ldr r3, [r7, #CONV_GRAD_STRIDE]
    ldr r4, [r7, #CONV_GRAD_PAD]
    lsls r4, r4, #1
    ldr r0, [r7, #CONV_GRAD_HEIGHT]
    ldr r1, [r7, #CONV_GRAD_KERNEL_H]
    bl .Lsteps
    mov r6, r2
    ldr r0, [r7, #CONV_GRAD_WIDTH]
    ldr r1, [r7, #CONV_GRAD_KERNEL_W]
    bl .Lsteps
    ldr r0, [r7, #CONV_GRAD_ARGMAX]
    cmp r0, #0
    beq .Lmap_known
    lsrs r2, r2, #1
    lsrs r6, r6, #1
    ldr r1, [r7, #CONV_GRAD_ERROR]
    subs r0, r0, r1
.Lmap_known:
    str r0, [sp, #ARGMAX]
    str r2, [sp, #COLUMNS]
    str r6, [sp, #ROWS]
    cmp r2, #0
    beq .Ldone
    cmp r6, #0
    beq .Ldone
    movs r0, #0
    str r0, [sp, #PENDING]
    b .Loutput

@ An output's map is over: a window that still waits goes alone. Then the next output r0.
.Loutput_done:
    ldr r6, [sp, #PENDING]
    cmp r6, #0
    beq .Lnone_waits
    movs r0, #0
    str r0, [sp, #PENDING]
    ldr r5, [sp, #PENDING_ERROR]
    bl .Lalone_whole
.Lnone_waits:
    ldr r1, [sp, #GRAD]
    ldr r2, [sp, #STEP]
    adds r1, r1, r2
    str r1, [sp, #GRAD]
    ldr r0, [sp, #OUTPUT]
    adds r0, #1
    ldr r7, [sp, #BLOCK]
    ldr r1, [r7, #CONV_GRAD_N_OUT]
    cmp r0, r1
    bne .Loutput
.Ldone:
    add sp, #FRAME
    RETURN_ALL

@ The errors of one output: r0 error, r2 columns left, r3 outputs, r4 zero, r5 the error, r7 block; r1, r6, r8-r12 free.
.Loutput:
    str r0, [sp, #OUTPUT]
    ldr r7, [sp, #BLOCK]
    ldr r1, [r7, #CONV_GRAD_ERROR]
    adds r0, r0, r1
    movs r1, #0
    str r1, [sp, #ROW]
.Lline:
    ldr r2, [sp, #COLUMNS]
    ldr r3, [r7, #CONV_GRAD_N_OUT]
    movs r4, #0
.Lscan:
    ldrsb r5, [r0, r4]
    adds r0, r0, r3
    cmp r5, #0
    bne .Lapply
.Lscan_next:
    subs r2, #1
    bne .Lscan
    ldr r1, [sp, #ROW]
    adds r1, #1
    str r1, [sp, #ROW]
    ldr r2, [sp, #ROWS]
    cmp r1, r2
    bne .Lline
    b .Loutput_done

.Lapplied:
    ldr r7, [sp, #BLOCK]
    ldr r0, [sp, #ERROR]
    ldr r2, [sp, #COLUMN]
    ldr r3, [r7, #CONV_GRAD_N_OUT]
    movs r4, #0
    b .Lscan_next

@ The error r5, not 0: where its window begins, r0 row, r1 column; r6 argmax - error, then r2 argmax.
.Lapply:
    str r0, [sp, #ERROR]
    str r2, [sp, #COLUMN]
    ldr r1, [sp, #COLUMNS]
    subs r1, r1, r2
    ldr r6, [sp, #ARGMAX]
    subs r2, r0, r3
    ldr r0, [sp, #ROW]
    cmp r6, #0
    beq .Lunpooled
    ldrb r2, [r2, r6]
    UNPOOL r0, r1, r2, r3
.Lunpooled:
    WINDOW_START CONV_GRAD_STRIDE, CONV_GRAD_PAD
    bmi .Lclipped
    cmp r0, #0
    blt .Lclipped
    ldr r2, [r7, #CONV_GRAD_KERNEL_H]
    adds r2, r2, r0
    ldr r3, [r7, #CONV_GRAD_HEIGHT]
    cmp r2, r3
    bgt .Lclipped
    ldr r2, [r7, #CONV_GRAD_KERNEL_W]
    adds r2, r2, r1
    ldr r3, [r7, #CONV_GRAD_WIDTH]
    cmp r2, r3
    bgt .Lclipped

@ A window inside the input, r6 = its first tap: with the one that waits, or to wait.
    ldr r2, [sp, #LINE]
    muls r0, r2, r0
    ldr r2, [r7, #CONV_GRAD_CHANNELS]
    muls r1, r2, r1
    ldr r6, [r7, #CONV_GRAD_IN]
    adds r6, r6, r0
    adds r6, r6, r1
    ldr r1, [sp, #PENDING]
    cmp r1, #0
    bne .Lpair
    str r6, [sp, #PENDING]
    str r5, [sp, #PENDING_ERROR]
    b .Lapplied

@ A window that is partly outside goes alone. Clip the rows: r0 = the first, LEFT = how many, r4 = taps left out before.
.Lclipped:
    mov r8, r5
    ldr r2, [r7, #CONV_GRAD_KERNEL_H]
    ldr r3, [r7, #CONV_GRAD_HEIGHT]
    subs r3, r3, r0
    cmp r2, r3
    ble .Lnot_below
    mov r2, r3
.Lnot_below:
    movs r4, #0
    cmp r0, #0
    bge .Lnot_above
    adds r2, r2, r0
    ldr r4, [sp, #TAPS]
    muls r4, r0, r4
    negs r4, r4
    movs r0, #0
.Lnot_above:
    cmp r2, #0
    ble .Lapplied
    str r2, [sp, #LEFT]

@ Clip the columns: r1 = the first, r2 = how many, r0 = channels, r6 = bytes of the lines above.
    ldr r6, [sp, #LINE]
    muls r6, r0, r6
    ldr r0, [r7, #CONV_GRAD_CHANNELS]
    ldr r2, [r7, #CONV_GRAD_KERNEL_W]
    ldr r3, [r7, #CONV_GRAD_WIDTH]
    subs r3, r3, r1
    cmp r2, r3
    ble .Lnot_right
    mov r2, r3
.Lnot_right:
    cmp r1, #0
    bge .Lnot_left
    adds r2, r2, r1
    mov r3, r1
    muls r3, r0, r3
    subs r4, r4, r3
    movs r1, #0
.Lnot_left:
    cmp r2, #0
    ble .Lapplied
    muls r1, r0, r1
    adds r6, r6, r1
    ldr r1, [r7, #CONV_GRAD_IN]
    adds r6, r6, r1
    muls r2, r0, r2                 @ taps in a row
    lsls r4, r4, #2
    ldr r7, [sp, #GRAD]
    adds r7, r7, r4
    mov r5, r8
    bl .Lalone
    b .Lapplied

@ Two windows inside: r5, r6 error and input of this one, r1 input of the one that waited. r2 taps, r5 rows.
.Lpair:
    mov r8, r5
    ldr r2, [sp, #PENDING_ERROR]
    mov r9, r2
    movs r2, #0
    str r2, [sp, #PENDING]
    ldr r2, [sp, #TAPS]
    lsls r4, r2, #2
    ldr r3, [sp, #LINE]
    subs r3, r3, r2
    mov r11, r3
    ldr r5, [r7, #CONV_GRAD_KERNEL_H]
    ldr r0, [r7, #CONV_GRAD_CHANNELS]
    ldr r7, [sp, #GRAD]
    lsls r0, r0, #30
    bne .Lpair_bytes

@ By words: r5 EVEN_BYTES, r6 input, r7 gradient, r8, r9 errors, r10 second input - first, r11 from the end of an input
@ row to the next, r12 end of the row's gradient; r0 even and r1 odd lanes of products; r2, r3, r4 free.
    subs r1, r1, r6
    mov r10, r1
    str r5, [sp, #LEFT]
    ldr r5, .Llanes
.Lpair_row:
    str r4, [sp, #SKIP_GRAD]
    adds r4, r4, r7
    mov r12, r4
.Lpair_word:
    PAIR_PRODUCTS
    lsls r2, r1, #8
    subs r2, r0, r2                 @ lanes: r2 inputs 0 and 2, r1 inputs 1 and 3
    sxth r0, r2
    ldr r4, [r7, #0]
    adds r0, r0, r4
    sxth r3, r1
    ldr r4, [r7, #4]
    adds r3, r3, r4
    asrs r2, r2, #16                @ carry: the low lane was negative and borrowed
    ldr r4, [r7, #8]
    adcs r2, r4
    asrs r1, r1, #16
    ldr r4, [r7, #12]
    adcs r4, r1
    mov r1, r3
    mov r3, r4
    stm r7!, {r0-r3}
    adds r6, #4
    cmp r7, r12
    bne .Lpair_word
    add r6, r11
    ldr r4, [sp, #LEFT]
    subs r4, #1
    str r4, [sp, #LEFT]
    ldr r4, [sp, #SKIP_GRAD]
    bne .Lpair_row
    b .Lapplied

@ By bytes, three a round: r5, r6 the two inputs, r7 gradient, r8 error of r6, r9 of r5, r10 rounds left, r11 as above,
@ r12 rows left; r0, r1, r2 sums, r3, r4 free.
.Lpair_bytes:
    mov r12, r5
    mov r5, r1
.Lpair_byte_row:
    ldr r0, [sp, #THREES]
    mov r10, r0
    cmp r0, #0
    beq .Lpair_rest
.Lpair_three:
    mov r4, r8
    ldrb r0, [r6, #0]
    muls r0, r4, r0
    ldrb r1, [r6, #1]
    muls r1, r4, r1
    ldrb r2, [r6, #2]
    muls r2, r4, r2
    mov r4, r9
    ADD_SECOND r0, 0
    ADD_SECOND r1, 1
    ADD_SECOND r2, 2
    ldr r3, [r7, #0]
    adds r0, r0, r3
    ldr r3, [r7, #4]
    adds r1, r1, r3
    ldr r3, [r7, #8]
    adds r2, r2, r3
    stm r7!, {r0-r2}
    adds r6, #3
    adds r5, #3
    mov r0, r10
    subs r0, #1
    mov r10, r0
    bne .Lpair_three
.Lpair_rest:
    ldr r3, [sp, #REST]
    cmp r3, #0
    beq .Lpair_byte_row_done
.Lpair_one:                         @ r3 taps left
    ldrb r0, [r6]
    mov r4, r8
    muls r0, r4, r0
    ldrb r1, [r5]
    mov r4, r9
    muls r1, r4, r1
    adds r0, r0, r1
    ldr r1, [r7]
    adds r0, r0, r1
    stm r7!, {r0}
    adds r6, #1
    adds r5, #1
    subs r3, #1
    bne .Lpair_one
.Lpair_byte_row_done:
    add r6, r11
    add r5, r11
    mov r0, r12
    subs r0, #1
    mov r12, r0
    bne .Lpair_byte_row
    b .Lapplied

@ One window, error r5, input r6: whole, or clipped to LEFT rows of r2 taps from the gradient r7.
@ In the loops: r4 error, r6 input, r7 gradient, r9 bytes of a row's gradient, r10 and r11 from the end of a row to the
@ next, of input and gradient; by words r12 end of the row's gradient, r0-r3 inputs, r5 free; by bytes r2 that end, r0,
@ r1 free; r8 free.
.Lalone_whole:
    ldr r7, [sp, #BLOCK]
    ldr r2, [r7, #CONV_GRAD_KERNEL_H]
    str r2, [sp, #LEFT]
    ldr r2, [sp, #TAPS]
    ldr r7, [sp, #GRAD]
.Lalone:
    ldr r0, [sp, #LINE]
    subs r0, r0, r2
    mov r10, r0
    ldr r0, [sp, #TAPS]
    subs r0, r0, r2
    lsls r0, r0, #2
    mov r11, r0
    lsls r2, r2, #2
    mov r9, r2
    mov r4, r5
    ldr r0, [sp, #BLOCK]
    ldr r0, [r0, #CONV_GRAD_CHANNELS]
    lsls r0, r0, #30
    bne .Lalone_bytes
.Lalone_row:
    mov r2, r9
    adds r2, r7, r2
    mov r12, r2
.Lalone_word:
    ldm r6!, {r3}
    SIGNED_BYTE r0, r3, 0
    SIGNED_BYTE r1, r3, 1
    SIGNED_BYTE r2, r3, 2
    SIGNED_BYTE r3, r3, 3
    ADD_PRODUCT r0, 0
    ADD_PRODUCT r1, 4
    ADD_PRODUCT r2, 8
    ADD_PRODUCT r3, 12
    stm r7!, {r0-r3}
    cmp r7, r12
    bne .Lalone_word
    NEXT_ROW_ALONE .Lalone_row
    bx lr
.Lalone_bytes:
    mov r2, r9
    adds r2, r7, r2
.Lalone_byte:
    ldrb r0, [r6]
    adds r6, #1
    muls r0, r4, r0
    ldr r1, [r7]
    adds r0, r0, r1
    stm r7!, {r0}
    cmp r7, r2
    bne .Lalone_byte
    NEXT_ROW_ALONE .Lalone_bytes
    bx lr

@ r2 = (r0 + r4 - r1) / r3 + 1; r0 lost
.Lsteps:
    COUNT_STEPS
    bx lr
    .p2align 2
.Llanes:
    .word EVEN_BYTES
    END_FUNCTION m0k_conv_grad
