/*
 * Error through a convolution, and through the 2x2 max-pool behind it.   ARMv6-M, AAPCS, void f(const block *)
 *
 * m0k_conv_back { error, argmax, pooled, weights, acc, out, height, width, channels, n_out, kernel_h, kernel_w, stride,
 *                 pad_h, pad_w, shift, gate, dynamic, provider, context, scratch }
 *     acc[y*stride + ky - pad_h][x*stride + kx - pad_w][c] += w[o][ky][kx][c] * error at conv output (y, x, o)
 *     out[i] = gate[i] > 0 ? sat(round_shift(acc[i], shift)) : 0
 *
 * error int8 -127..127, HWC: [oh][ow][n_out] of the conv's output, oh = (height + 2 * pad_h - kernel_h) / stride + 1, or
 * with argmax != 0 [oh/2][ow/2][n_out] of the pool's output, argmax uint8 of the same shape telling which of the four
 * positions has the error; the unpooled map never exists. 4-aligned, read as words. pooled is not read.
 * weights u8 = w + 128 as an edge array, n_in = kernel_h * kernel_w * channels (groups of four outputs, 16 bytes an
 * input word, bytes in the order of inputs 2, 3, 0, 1), or with provider != 0: provider(context, group) returns
 * the 4 * P bytes of a group, 4-aligned; it is asked for every group from 0 to the last with an error.
 * acc int32[height][width][channels] is written by the kernel; out int8 and gate int8 (or 0) of the same shape. shift 0..24, to nearest, ties away from zero, clamped to -127..127.
 * dynamic != 0: acc is the result; out, shift and gate are not read. kernel_h <= height + 2 * pad_h, same for the width.
 *
 * scratch != 0: the sums are never kept, and acc is not read; conv_gather.S says what that wants and costs. Else:
 * Errors of zero are skipped. Errors at the same position go in pairs of outputs.
 *
 * Stack: 264 bytes. Cycles without scratch, map = error elements, size = height * width * channels: at most
 *     350 + 24 * map + 100 * map / n_out + 2 * size + (27 * size unless dynamic) + for each pair of errors at one
 *     position 46 * words + 24 * kernel_h + 170 and for one left over 36 * words + 24 * kernel_h + 170, where words =
 *     kernel_h * kernel_w * channels / 4; less at borders. channels % 4 != 0: instead of 24 a row 90, and 30 for each
 *     tap which is not in a whole word, at most 6 a row. With fewer than about six taps a row this is no faster than
 *     compiled code: only a first layer has such rows, and it needs no error.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "back.inc"
    #include "m0k.inc"

    .equ BLOCK, 0
    .equ ERROR, 4                   @ address of the next error
    .equ WEIGHT, 8                  @ weights of its output
    .equ OUTPUT, 12                 @ its output
    .equ COLUMN, 16                 @ position in the error map
    .equ ROW, 20
    .equ COLUMNS, 24                @ its size
    .equ ROWS, 28
    .equ PIXEL, 32                  @ 4 * channels: accumulator bytes a pixel, weight bytes a tap
    .equ LINE, 36                   @ accumulator bytes a line
    .equ TAPS, 40                   @ weight bytes a kernel row
    .equ GROUP, 44                  @ from the last output of a group to the first of the next
    .equ SLOTS, 48                  @ one for each argmax: an error that waits for another at its position
    .equ LENGTH, 80                 @ bytes of a clipped row
    .equ LEFT, 84                   @ rows left
    .equ SKIP_ACC, 88               @ from the end of a clipped row to the next: accumulators,
    .equ SKIP_WEIGHT, 92            @ and weights
    .equ SCAN, 96                   @ position being flushed
    .equ FIRST, 100                 @ weights of the first error's output
    .equ END, 104                   @ of a row's accumulators
    .equ OUTPUTS, 108               @ of a cell that are looked at: all, or with a provider those of a group
    .equ OTHERS, 112                @ and those that are not
    .equ WEIGHTS, 116
    .equ FIRST_OUTPUT, 120          @ of the group
    .equ LAST_OUTPUT, 124           @ 0, or behind the last output of the last group with an error
    .equ FRAME, 132

@ A slot
    .equ SLOT_WEIGHT, 0             @ weights of the output, 0: empty
    .equ SLOT_ERROR, 4
    .equ SLOT_BYTES, 8

@ READ_SLOT: r7 = slot of argmax r5, r3 = its weights. 5 cycles.
    .macro READ_SLOT
    lsls r7, r5, #3                 @ SLOT_BYTES
    add r7, sp
    adds r7, #SLOTS
    ldr r3, [r7, #SLOT_WEIGHT]
    .endm

@ SCAN_REGISTERS: r3 = outputs, r4 = argmax - error, or 0 without a pool. r7 = block. Spoils r5. 9 cycles.
    .macro SCAN_REGISTERS
    ldr r3, [sp, #OUTPUTS]
    ldr r4, [r7, #CONV_BACK_ARGMAX]
    cmp r4, #0
    beq .Lno_pool\@
    ldr r5, [r7, #CONV_BACK_ERROR]
    subs r4, r4, r5
.Lno_pool\@:
    .endm

@ NEXT_ROW loop: the weights r6 and accumulators r7 to the next row of the window, r12 = the row's end; to loop unless
@ it was the last. Spoils r0. 16 cycles, 17 to loop.
    .macro NEXT_ROW loop
    ldr r0, [sp, #SKIP_WEIGHT + PUSHED]
    adds r6, r6, r0
    ldr r0, [sp, #SKIP_ACC + PUSHED]
    adds r7, r7, r0
    ldr r0, [sp, #LENGTH + PUSHED]
    adds r0, r7, r0
    mov r12, r0
    ldr r0, [sp, #LEFT + PUSHED]
    subs r0, #1
    str r0, [sp, #LEFT + PUSHED]
    bne \loop
    .endm

@ TAP: one tap of one or two outputs: r3, r4 errors, r5 weights, r6 = 4 * k, r7 accumulator, r10 second weights - first.
@ Advances r6 and r7. Spoils r0, r1, r2. 23 cycles. The byte of input k is k % 4 + 2 (mod 4) of its word.
    .macro TAP
    lsrs r0, r6, #4
    lsls r0, r0, #4
    adds r0, r0, r5                 @ the word
    adds r6, #8
    lsls r1, r6, #28
    lsrs r1, r1, #30
    adds r0, r0, r1
    subs r6, #4
    ldrb r1, [r0]
    subs r1, #WEIGHT_BIAS
    muls r1, r3, r1
    mov r2, r10
    ldrb r0, [r0, r2]
    subs r0, #WEIGHT_BIAS
    muls r0, r4, r0
    adds r0, r0, r1
    ldr r1, [r7]
    adds r0, r0, r1
    stm r7!, {r0}
    .endm

    FUNCTION m0k_conv_back
    ldr r1, [r0, #CONV_BACK_SCRATCH]
    cmp r1, #0
    beq .Lsums
    push {r4, lr}
    bl m0k_back_gather
    pop {r4, pc}
.Lsums:
    SAVE_ALL
    sub sp, #FRAME
    str r0, [sp, #BLOCK]

@ Sizes in bytes, and cleared accumulators. r7 = block up to the first cell.
    mov r7, r0
    ldr r1, [r7, #CONV_BACK_HEIGHT]
    ldr r6, [r7, #CONV_BACK_WIDTH]
    ldr r2, [r7, #CONV_BACK_CHANNELS]
    muls r6, r2, r6
    muls r1, r6, r1
    lsls r6, r6, #2
    str r6, [sp, #LINE]
    lsls r2, r2, #2
    str r2, [sp, #PIXEL]
    ldr r0, [r7, #CONV_BACK_ACC]
    bl m0k_back_clear
    ldr r1, [sp, #PIXEL]
    ldr r2, [r7, #CONV_BACK_KERNEL_W]
    muls r1, r2, r1
    str r1, [sp, #TAPS]
    ldr r2, [r7, #CONV_BACK_KERNEL_H]
    muls r1, r2, r1
    adds r1, #12
    lsrs r1, r1, #4
    lsls r1, r1, #4                 @ 4 * P
    subs r1, #16
    str r1, [sp, #GROUP]

@ The error map's size: that of the convolution's output, halved by the pool.
    ldr r3, [r7, #CONV_BACK_STRIDE]
    ldr r4, [r7, #CONV_BACK_PAD_H]
    lsls r4, r4, #1
    ldr r0, [r7, #CONV_BACK_HEIGHT]
    ldr r1, [r7, #CONV_BACK_KERNEL_H]
    bl .Lsteps
    str r2, [sp, #ROWS]
    ldr r4, [r7, #CONV_BACK_PAD_W]
    lsls r4, r4, #1
    ldr r0, [r7, #CONV_BACK_WIDTH]
    ldr r1, [r7, #CONV_BACK_KERNEL_W]
    bl .Lsteps
    str r2, [sp, #COLUMNS]
    ldr r0, [r7, #CONV_BACK_ARGMAX]
    cmp r0, #0
    beq .Lmap_known
    lsrs r2, r2, #1
    str r2, [sp, #COLUMNS]
    ldr r3, [sp, #ROWS]
    lsrs r3, r3, #1
    str r3, [sp, #ROWS]
.Lmap_known:
    ldr r3, [sp, #ROWS]
    muls r3, r2, r3
    bne .Lhas_map
    b .Lstore
.Lhas_map:

    movs r1, #0
    str r1, [sp, #SLOTS]
    str r1, [sp, #SLOTS + SLOT_BYTES]
    str r1, [sp, #SLOTS + 2 * SLOT_BYTES]
    str r1, [sp, #SLOTS + 3 * SLOT_BYTES]
    str r1, [sp, #FIRST_OUTPUT]
    str r1, [sp, #LAST_OUTPUT]
    str r1, [sp, #OTHERS]
    ldr r0, [r7, #CONV_BACK_N_OUT]
    str r0, [sp, #OUTPUTS]
    ldr r1, [r7, #CONV_BACK_WEIGHTS]
    str r1, [sp, #WEIGHTS]
    ldr r1, [r7, #CONV_BACK_PROVIDER]
    cmp r1, #0
    beq .Lmap

@ With a provider, four outputs after the other: first the last ones with an error. r0 = behind them.
    subs r0, #1
    lsrs r0, r0, #2
    lsls r0, r0, #2
.Llast_group:
    ldr r1, [r7, #CONV_BACK_ERROR]
    adds r1, r1, r0
    ldr r2, [r7, #CONV_BACK_N_OUT]
    subs r3, r2, r0
    cmp r3, #4
    ble .Llast_outputs
    movs r3, #4
.Llast_outputs:
    ldr r4, [sp, #ROWS]
    ldr r5, [sp, #COLUMNS]
    muls r4, r5, r4
.Llast_cell:                        @ r1 errors, r3 how many, r4 cells left
    mov r5, r3
.Llast_error:
    subs r5, #1
    ldrb r6, [r1, r5]
    cmp r6, #0
    bne .Llast_known
    cmp r5, #0
    bne .Llast_error
    adds r1, r1, r2
    subs r4, #1
    bne .Llast_cell
    subs r0, #4
    bpl .Llast_group
    b .Lstore
.Llast_known:
    adds r0, #4
    str r0, [sp, #LAST_OUTPUT]

@ A group: its weights, and how many outputs it has.
.Lgroup:
    ldr r7, [sp, #BLOCK]
    ldr r0, [r7, #CONV_BACK_CONTEXT]
    ldr r1, [sp, #FIRST_OUTPUT]
    lsrs r1, r1, #2
    ldr r2, [r7, #CONV_BACK_PROVIDER]
    blx r2
    str r0, [sp, #WEIGHTS]
    ldr r0, [r7, #CONV_BACK_N_OUT]
    ldr r1, [sp, #FIRST_OUTPUT]
    subs r1, r0, r1
    cmp r1, #4
    ble .Loutputs_known
    movs r1, #4
.Loutputs_known:
    str r1, [sp, #OUTPUTS]
    subs r0, r0, r1
    str r0, [sp, #OTHERS]
.Lmap:
    movs r1, #0
    str r1, [sp, #ROW]
    str r1, [sp, #COLUMN]
    ldr r0, [r7, #CONV_BACK_ERROR]
    ldr r1, [sp, #FIRST_OUTPUT]
    adds r0, r0, r1

@ A cell of the error map: its errors one by one. r0 error, r1 weights, r2 output, r3 outputs, r4 argmax - error or 0;
@ r5, r6, r7 free.
.Lcell:
    ldr r7, [sp, #BLOCK]
    ldr r1, [sp, #WEIGHTS]
    movs r2, #0
    SCAN_REGISTERS
.Lscan:                             @ a whole word of zeros?
    lsls r5, r0, #30
    bne .Lscan_one
    lsls r5, r2, #30
    bne .Lscan_one
    ldr r5, [r0]
    cmp r5, #0
    bne .Lscan_one
    adds r0, #4
    adds r2, #4
    ldr r5, [sp, #GROUP]
    adds r1, r1, r5
    adds r1, #16
    subs r5, r3, r2
    bgt .Lscan
    adds r0, r0, r5                 @ back by what the word had of the next cell
    b .Lcell_done

@ One error r6: wait for another at the same position, or go with the one that waits there.
.Lscan_one:
    movs r5, #0
    ldrsb r6, [r0, r5]
    cmp r6, #0
    beq .Lscan_next
    cmp r4, #0
    beq .Lposition_known
    ldrb r5, [r0, r4]
.Lposition_known:
    READ_SLOT
    cmp r3, #0
    bne .Lpair
    str r1, [r7, #SLOT_WEIGHT]
    str r6, [r7, #SLOT_ERROR]
    ldr r3, [sp, #OUTPUTS]
.Lscan_next:
    adds r0, #1
    adds r1, #4
    adds r2, #1
    lsls r5, r2, #30
    bne .Lsame_group
    ldr r5, [sp, #GROUP]
    adds r1, r1, r5
.Lsame_group:
    cmp r2, r3
    bne .Lscan

@ The cell is over: errors that still wait go alone. r5 slot, r7 its address, r3 its weights; all others free.
.Lcell_done:
    str r0, [sp, #ERROR]
    movs r5, #3
.Lflush:
    READ_SLOT
    cmp r3, #0
    bne .Lflush_one
.Lflushed:
    subs r5, #1
    bpl .Lflush

@ The next cell.
    ldr r0, [sp, #ERROR]
    ldr r1, [sp, #OTHERS]
    adds r0, r0, r1
    ldr r1, [sp, #COLUMN]
    adds r1, #1
    str r1, [sp, #COLUMN]
    ldr r2, [sp, #COLUMNS]
    cmp r1, r2
    bne .Lcell
    movs r1, #0
    str r1, [sp, #COLUMN]
    ldr r1, [sp, #ROW]
    adds r1, #1
    str r1, [sp, #ROW]
    ldr r2, [sp, #ROWS]
    cmp r1, r2
    bne .Lcell
    ldr r1, [sp, #FIRST_OUTPUT]
    adds r1, #4
    str r1, [sp, #FIRST_OUTPUT]
    ldr r2, [sp, #LAST_OUTPUT]
    cmp r1, r2
    blt .Lgroup

@ The sums, rounded, to `out`.
.Lstore:
    ldr r7, [sp, #BLOCK]
    ldr r0, [r7, #CONV_BACK_DYNAMIC]
    cmp r0, #0
    bne .Ldone
    ldr r0, [r7, #CONV_BACK_ACC]
    ldr r1, [r7, #CONV_BACK_OUT]
    ldr r2, [r7, #CONV_BACK_HEIGHT]
    ldr r3, [r7, #CONV_BACK_WIDTH]
    muls r2, r3, r2
    ldr r3, [r7, #CONV_BACK_CHANNELS]
    muls r2, r3, r2
    ldr r3, [r7, #CONV_BACK_SHIFT]
    ldr r4, [r7, #CONV_BACK_GATE]
    bl m0k_back_store
.Ldone:
    add sp, #FRAME
    RETURN_ALL

@ One error alone: r5 argmax, r7 its slot, r3 weights.
.Lflush_one:
    str r5, [sp, #SCAN]
    ldr r6, [r7, #SLOT_ERROR]
    movs r2, #0
    str r2, [r7, #SLOT_WEIGHT]
    mov r8, r6
    mov r9, r2
    mov r10, r3
    bl .Lapply
    ldr r5, [sp, #SCAN]
    b .Lflushed

@ Two errors: r7 slot of the first, r3 its weights; r0 address of the second, r1 its weights, r2 output, r6 error.
.Lpair:
    str r0, [sp, #ERROR]
    str r1, [sp, #WEIGHT]
    str r2, [sp, #OUTPUT]
    movs r2, #0
    str r2, [r7, #SLOT_WEIGHT]
    ldr r7, [r7, #SLOT_ERROR]
    mov r8, r7
    mov r9, r6
    mov r10, r3                     @ first weights; the second ones are at WEIGHT
    bl .Lapply
    ldr r7, [sp, #BLOCK]
    ldr r0, [sp, #ERROR]
    ldr r1, [sp, #WEIGHT]
    ldr r2, [sp, #OUTPUT]
    SCAN_REGISTERS
    b .Lscan_next

@ r2 = (r0 + r4 - r1) / r3 + 1; r0 lost
.Lsteps:
    COUNT_STEPS
    bx lr

@ One error r8 (weights r10), or two (r9 != 0, weights at WEIGHT), at argmax r5 of the current cell. r0-r12 lost.
.Lapply:
    push {lr}
    .equ PUSHED, 4                  @ the frame is that much further away
    ldr r7, [sp, #BLOCK + PUSHED]
    ldr r0, [sp, #ROW + PUSHED]
    ldr r1, [sp, #COLUMN + PUSHED]
    ldr r2, [r7, #CONV_BACK_ARGMAX]
    cmp r2, #0
    beq .Lunpooled
    UNPOOL r0, r1, r5, r2
.Lunpooled:
    WINDOW_START CONV_BACK_STRIDE, CONV_BACK_PAD_H, CONV_BACK_PAD_W

@ Clip the rows: r0 = the first, r2 = how many, r4 = its accumulators, r6 = its weights.
    ldr r2, [r7, #CONV_BACK_KERNEL_H]
    ldr r3, [r7, #CONV_BACK_HEIGHT]
    subs r3, r3, r0
    cmp r2, r3
    ble .Lnot_below
    movs r2, r3
.Lnot_below:
    mov r6, r10
    ldr r4, [sp, #LINE + PUSHED]
    cmp r0, #0                      @ rows above the input: r2 fewer, the weights further on
    bge .Lnot_above
    adds r2, r2, r0
    ldr r3, [sp, #TAPS + PUSHED]
    muls r3, r0, r3
    subs r6, r6, r3
    movs r0, #0
.Lnot_above:
    muls r4, r0, r4
    ldr r3, [r7, #CONV_BACK_ACC]
    adds r4, r4, r3
    cmp r2, #0
    ble .Lapplied
    str r2, [sp, #LEFT + PUSHED]

@ Clip the columns: r1 = the first, r2 = how many, r6 = its weights.
    ldr r2, [r7, #CONV_BACK_KERNEL_W]
    ldr r3, [r7, #CONV_BACK_WIDTH]
    subs r3, r3, r1
    ldr r0, [sp, #PIXEL + PUSHED]
    cmp r2, r3
    ble .Lnot_right
    movs r2, r3
.Lnot_right:
    cmp r1, #0
    bge .Lnot_left
    adds r2, r2, r1
    muls r1, r0, r1
    subs r6, r6, r1
    movs r1, #0
.Lnot_left:
    cmp r2, #0
    ble .Lapplied
    muls r1, r0, r1
    adds r7, r4, r1
    muls r2, r0, r2                 @ bytes of a row, of accumulators or of weights
    str r2, [sp, #LENGTH + PUSHED]
    ldr r3, [sp, #LINE + PUSHED]
    subs r3, r3, r2
    str r3, [sp, #SKIP_ACC + PUSHED]
    ldr r3, [sp, #TAPS + PUSHED]
    subs r3, r3, r2
    str r3, [sp, #SKIP_WEIGHT + PUSHED]

@ The registers of m0k_back_pair and m0k_back_one; r3 = 0 if channels % 4 == 0, r5 = first weights.
    lsls r3, r0, #28
    mov r0, r8
    mov r1, r9
    adds r0, r0, r1
    BIAS r0, r4
    adds r2, r7, r2
    mov r12, r2
    mov r5, r10
    movs r0, #0
    cmp r1, #0
    beq .Lsecond_known
    ldr r0, [sp, #WEIGHT + PUSHED]
    subs r0, r0, r5
.Lsecond_known:
    mov r10, r0                     @ second weights - first
    cmp r3, #0
    bne .Lbytes

@ Row after row of whole words. r0-r4 free, the others as m0k_back_pair has them.
    ldr r5, .Llanes
    cmp r1, #0
    beq .Lone_row
.Lpair_row:
    bl m0k_back_pair
    NEXT_ROW .Lpair_row
    pop {pc}
.Lone_row:
    bl m0k_back_one
    NEXT_ROW .Lone_row
.Lapplied:
    pop {pc}

@ channels % 4 != 0: tap by tap up to a whole word, whole words, tap by tap what is left.
@ r3, r4 errors, r5 = weights, r6 = 4 * k of the row's tap, r7, r12 accumulators of the row, r8-r11 as above; r0-r2
@ free.
.Lbytes:
    str r5, [sp, #FIRST + PUSHED]
    subs r6, r6, r5
.Lbyte_row:
    mov r0, r12
    str r0, [sp, #END + PUSHED]
    mov r3, r8
    mov r4, r9
    lsls r0, r6, #28
    beq .Lbyte_words
.Lhead:
    TAP
    cmp r7, r12
    beq .Lbyte_row_done
    lsls r0, r6, #28
    bne .Lhead
.Lbyte_words:
    mov r2, r12
    subs r2, r2, r7
    lsrs r2, r2, #4
    beq .Ltail
    lsls r2, r2, #4
    adds r2, r7, r2
    mov r12, r2
    adds r6, r6, r5
    ldr r5, .Llanes
    cmp r4, #0
    beq .Lwords_alone
    bl m0k_back_pair
    b .Lwords_done
.Lwords_alone:
    bl m0k_back_one
.Lwords_done:
    ldr r5, [sp, #FIRST + PUSHED]
    subs r6, r6, r5
    mov r3, r8
    mov r4, r9
    ldr r0, [sp, #END + PUSHED]
    mov r12, r0
    cmp r7, r0
    beq .Lbyte_row_done
.Ltail:
    TAP
    cmp r7, r12
    bne .Ltail
.Lbyte_row_done:
    NEXT_ROW .Lbyte_row
    pop {pc}
    .p2align 2
.Llanes:
    .word EVEN_BYTES
.Lbias:
    .word -BIAS_LANES
    END_FUNCTION m0k_conv_back
