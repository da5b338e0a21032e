/*
 * Weight gradient of a convolution, summed over positions.               ARMv6-M, AAPCS, void f(const block *)
 *
 * m0k_conv_grad { error, argmax, in, grad, height, width, channels, n_out, kernel_h, kernel_w, stride, pad_h, pad_w,
 *                 first_out, count_out, scratch, active }
 *     grad[o - first_out][ky][kx][c] =
 *         sum over y, x of error(y, x, o) * in[y*stride + ky - pad_h][x*stride + kx - pad_w][c]
 *     for the count_out outputs o from first_out on
 *
 * error and argmax as for m0k_conv_back (argmax != 0: both have the shape of the pooled map). in int8 HWC, values
 * 0..127, 4-aligned. grad int32[count_out][P], P = kernel_h * kernel_w * channels rounded up to 4, 4-aligned, written by
 * the kernel, padding 0. int32 holds 133,144 positions of 127 * 127. *active = 1, or 0 where all these errors are 0.
 *
 * scratch, 4-aligned: a word, where a pad is not 0 an image with zeros around it, and four lists. With L = pad_w *
 * channels rounded up to 4 and R = (width + pad_w) * channels rounded up to 4, its bytes are
 *     4 + (pad_h + pad_w > 0 ? L + (height + 2 * pad_h) * R : 0)
 *       + 32 * (min(error map's rows * columns, 48) + (channels % 4 == 0 ? 0 : 1))
 * The image is made by the first call that wants it, and stays for others: whoever asks for a few outputs at a time
 * begins with first_out = 0 and leaves scratch and in alone until the last. first_out = 0 begins anew.
 *
 * Four outputs at a time have their errors that are not zero listed, each with the address of its window; then one
 * list after the other is walked for each few gradients, whose sums stay in registers. Where there is no image yet, and
 * the errors are few (their gradients together no larger than it, 4 times that where it is made byte by byte) or no
 * window lies inside the input, each window is clipped instead and added to sums in memory. Needs dense_back.S
 * (m0k_back_clear).
 *
 * Stack: 200 bytes. Cycles, n = kernel_h * kernel_w * channels, of which blocks of 12 and what a row leaves (channels %
 *     4 != 0: of 9, 3 and 1, a kernel of 3 rows of 3 is one): at most 500
 *     + for each group of four outputs 250 + 8 * P + rows * (40 + 8 * columns) of the error map (60 * columns where
 *       n_out, first_out or count_out is no multiple of 4)
 *     + for each position of a group with an error 60 (110)
 *     + for each error 30 + 7 * blocks + 2 * n (channels % 4 != 0: 4 * n), for each walk along a list 130 + 50 * blocks +
 *       7 * n + 20 * kernel_h; or, of a group whose windows are clipped, for each error 170 + 30 * kernel_h + 8 * n
 *     + for the image 200 + its bytes / 2 + 40 * height + 2 * in's bytes (8 where width * channels % 4 != 0).
 * A list is walked at the latest when it has 48 errors; by words, once for as many as have 258 in magnitudes.
 *
 * Two lanes a word, as in dense_back.S: inputs times errors of 258 in magnitudes fit 16 bits each.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "back.inc"
    #include "m0k.inc"

    .equ ALL_WRITTEN, 15
    .equ MOST, 48                   @ errors that a list holds

    .equ BLOCK, 0
    .equ ERROR, 4                   @ errors of the group, or of the next position
    .equ ARGMAX, 8                  @ argmax - error, 0: no pool
    .equ COLUMNS, 12                @ the error map's
    .equ ROWS, 16
    .equ WINDOW, 20                 @ window of the map's first position
    .equ PITCH, 24                  @ from a row of a window to the next
    .equ TAPS, 28                   @ bytes of a row, or of inputs in it
    .equ PLACES, 32                 @ from a window to those of argmax 0 .. 3
    .equ STEP_X, 48                 @ from a window to that of the next column,
    .equ STEP_Y, 52                 @ and row, of the map
    .equ LISTS, 56
    .equ LIST_BYTES, 60             @ of each list
    .equ GRAD, 64                   @ of the group's first output
    .equ GRAD_BYTES, 68             @ of an output
    .equ LEFT, 72                   @ outputs left
    .equ ACTIVE, 76
    .equ WRITTEN, 80                @ bit j: the gradient of the group's output j has something
    .equ BYTES, 84                  @ 0: a position's errors are a word; else how many bytes
    .equ LINE, 88                   @ window of the map's row
    .equ LINES, 92                  @ rows left
    .equ COLUMN, 96                 @ columns left
    .equ CELLS, 100                 @ positions before the lists may be full
    .equ RETURN, 104
    .equ ENDS, 108                  @ of the four lists
@ While a list is walked
    .equ OUTPUT, 124                @ 0 .. 3
    .equ FROM, 128                  @ the errors of this walk
    .equ TO, 132
    .equ END, 136
    .equ SUMS, 140                  @ the next gradients
    .equ OFFSET, 144                @ of their inputs in a window
    .equ TAPS_LEFT, 148             @ in the row
    .equ ROWS_LEFT, 152
    .equ ADDING, 156                @ 0: the gradients are stored, else added
    .equ KEPT, 160                  @ error of the position that the lists were full at
    .equ FRAME, 164

@ LIST j, list: the error of the group's output j, byte j of r4, to its list, if it is not 0; r5 argmax, r1 places, r2
@ window. Spoils r3, r6, r7. 13 cycles, 4 for 0.
    .macro LIST j, list
    lsls r6, r4, #(24 - 8 * \j)
    asrs r6, r6, #24
    beq .Lnot_listed\@
    lsls r7, r5, #(24 - 8 * \j)
    lsrs r7, r7, #22                @ what is below argmax's two bits is 0
    ldr r7, [r1, r7]
    adds r7, r7, r2
    mov r3, \list
    stm r3!, {r6, r7}
    mov \list, r3
.Lnot_listed\@:
    .endm

@ ADD_LANES even, odd, at: the word of inputs at r2[at] times the error r1 to two registers of two lanes each; the even
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

@ STORE_LANES even, odd: four lanes to the gradients at r0, which moves on. r6 = 0. Spoils r2-r5. 15 cycles.
    .macro STORE_LANES even, odd
    mov r4, \even
    mov r5, \odd
    lsls r2, r5, #8
    subs r4, r4, r2
    sxth r2, r4
    sxth r3, r5
    asrs r4, r4, #16                @ carry: the low lane was negative and borrowed
    adcs r4, r6
    asrs r5, r5, #16
    adcs r5, r6
    stm r0!, {r2-r5}
    .endm

@ SUM_LANES even, odd: the same, added to the gradients. Spoils r2-r6. 25 cycles.
    .macro SUM_LANES even, odd
    mov r4, \even
    mov r5, \odd
    lsls r2, r5, #8
    subs r4, r4, r2
    sxth r2, r4
    ldr r6, [r0, #0]
    adds r2, r2, r6
    sxth r3, r5
    ldr r6, [r0, #4]
    adds r3, r3, r6
    asrs r4, r4, #16
    ldr r6, [r0, #8]
    adcs r4, r6
    asrs r5, r5, #16
    ldr r6, [r0, #12]
    adcs r5, r6
    stm r0!, {r2-r5}
    .endm

@ ADD_TAP sum, at: the input at r2[at] times the error r1 to a register. Spoils r3. 4 cycles.
    .macro ADD_TAP sum, at
    ldrb r3, [r2, #\at]
    muls r3, r1, r3
    add \sum, r3
    .endm

@ ADD_PRODUCT sum, at: sum += the input at r6[at] times the error r4. Spoils r5. 4 cycles.
    .macro ADD_PRODUCT sum, at
    ldrb r5, [r6, #\at]
    muls r5, r4, r5
    adds \sum, \sum, r5
    .endm

@ NEXT_ERROR end: r1, r2 = the next error and its window, at r0, which moves on; to end behind the last. 5 cycles.
    .macro NEXT_ERROR end
    ldm r0!, {r1, r2}
    cmp r1, #0
    beq \end
    .endm

@ TAKE n: so many inputs fewer in the row, so many bytes on in the window; r7 = OFFSET before. r1 = TAPS_LEFT.
@ Spoils r2. 9 cycles.
    .macro TAKE n
    subs r1, #\n
    str r1, [sp, #TAPS_LEFT]
    ldr r7, [sp, #OFFSET]
    movs r2, r7
    adds r2, #\n
    str r2, [sp, #OFFSET]
    .endm

@ ADD_OR other: r0 = the next gradients; on to other if they are added to. Spoils r1. 6 cycles.
    .macro ADD_OR other
    ldr r0, [sp, #SUMS]
    ldr r1, [sp, #ADDING]
    cmp r1, #0
    bne \other
    .endm

    FUNCTION m0k_conv_grad
    SAVE_ALL
    sub sp, #FRAME
    str r0, [sp, #BLOCK]
    mov r7, r0

@ The error map's size, r6 rows and r2 columns: that of the convolution's output, halved by the pool; r5 argmax - error.
    ldr r3, [r7, #CONV_GRAD_STRIDE]
    ldr r4, [r7, #CONV_GRAD_PAD_H]
    lsls r4, r4, #1
    ldr r0, [r7, #CONV_GRAD_HEIGHT]
    ldr r1, [r7, #CONV_GRAD_KERNEL_H]
    bl .Lsteps
    mov r6, r2
    ldr r4, [r7, #CONV_GRAD_PAD_W]
    lsls r4, r4, #1
    ldr r0, [r7, #CONV_GRAD_WIDTH]
    ldr r1, [r7, #CONV_GRAD_KERNEL_W]
    bl .Lsteps
    ldr r1, [r7, #CONV_GRAD_ERROR]
    ldr r0, [r7, #CONV_GRAD_FIRST_OUT]
    adds r0, r0, r1
    str r0, [sp, #ERROR]
    ldr r5, [r7, #CONV_GRAD_ARGMAX]
    cmp r5, #0
    beq .Lmap_known
    lsrs r2, r2, #1
    lsrs r6, r6, #1
    subs r5, r5, r1
.Lmap_known:
    str r5, [sp, #ARGMAX]
    str r2, [sp, #COLUMNS]
    str r6, [sp, #ROWS]
    muls r6, r2, r6
    cmp r6, #MOST
    bls .Lmost_known
    movs r6, #MOST
.Lmost_known:
    str r6, [sp, #CELLS]
    ldr r1, [r7, #CONV_GRAD_CHANNELS]
    lsls r1, r1, #30
    beq .Lno_mark
    adds r6, #1                     @ for the error of 0 that ends a list
.Lno_mark:
    lsls r6, r6, #3
    str r6, [sp, #LIST_BYTES]

@ Bytes: r1 a pixel, r4 a row of a window, r3 from row to row; r2 the window of the map's first position, r0 the lists.
    ldr r1, [r7, #CONV_GRAD_CHANNELS]
    ldr r4, [r7, #CONV_GRAD_KERNEL_W]
    muls r4, r1, r4
    str r4, [sp, #TAPS]
    ldr r2, [r7, #CONV_GRAD_KERNEL_H]
    muls r4, r2, r4
    GROUP_BYTES r4
    str r4, [sp, #GRAD_BYTES]
    ldr r3, [r7, #CONV_GRAD_WIDTH]
    muls r3, r1, r3
    ldr r0, [r7, #CONV_GRAD_SCRATCH]
    ldr r2, [r7, #CONV_GRAD_IN]
    ldr r4, [r7, #CONV_GRAD_PAD_H]
    ldr r5, [r7, #CONV_GRAD_PAD_W]
    orrs r4, r5
    ldr r5, [r7, #CONV_GRAD_FIRST_OUT]
    cmp r5, #0
    bne .Limage_kept
    str r5, [r0]
.Limage_kept:
    cmp r4, #0
    bne .Lpadded
    str r0, [r0]                    @ not 0: `in` is the image
.Lpadded:
    adds r0, #4
    cmp r4, #0
    beq .Lwindow_known
    ldr r5, [r7, #CONV_GRAD_PAD_W]
    muls r5, r1, r5                 @ zeros in front of a row
    adds r3, r3, r5
    PADDED r3
    mov r2, r5
    PADDED r2
    adds r2, r0, r2                 @ the image's first row
    ldr r4, [r7, #CONV_GRAD_PAD_H]
    lsls r4, r4, #1
    ldr r0, [r7, #CONV_GRAD_HEIGHT]
    adds r0, r0, r4
    muls r0, r3, r0
    adds r0, r2, r0
    subs r2, r2, r5
.Lwindow_known:
    str r0, [sp, #LISTS]
    str r2, [sp, #WINDOW]
    str r3, [sp, #PITCH]

@ From window to window.
    ldr r4, [r7, #CONV_GRAD_STRIDE]
    muls r1, r4, r1
    muls r3, r4, r3
    movs r0, #0
    str r0, [sp, #PLACES]
    str r1, [sp, #PLACES + 4]
    str r3, [sp, #PLACES + 8]
    adds r2, r1, r3
    str r2, [sp, #PLACES + 12]
    ldr r4, [sp, #ARGMAX]
    cmp r4, #0
    beq .Lsteps_known
    lsls r1, r1, #1
    lsls r3, r3, #1
.Lsteps_known:
    str r1, [sp, #STEP_X]
    str r3, [sp, #STEP_Y]
    str r0, [sp, #ACTIVE]
    ldr r0, [r7, #CONV_GRAD_GRAD]
    str r0, [sp, #GRAD]
    ldr r0, [r7, #CONV_GRAD_COUNT_OUT]
    str r0, [sp, #LEFT]

@ A group of outputs, r0 left. Its errors are read as words where these are whole and aligned.
.Lgroup:
    ldr r7, [sp, #BLOCK]
    ldr r3, [r7, #CONV_GRAD_N_OUT]
    ldr r1, [sp, #ERROR]
    mov r2, r1
    orrs r2, r3
    lsls r2, r2, #30
    bne .Lgroup_bytes
    cmp r0, #4
    bhs .Lgroup_known
.Lgroup_bytes:
    movs r2, #4
    cmp r0, r2
    bhs .Lgroup_known
    mov r2, r0
.Lgroup_known:
    str r2, [sp, #BYTES]
    movs r0, #0
    str r0, [sp, #WRITTEN]
    ldr r0, [sp, #ROWS]
    ldr r2, [sp, #COLUMNS]
    muls r2, r0, r2
    beq .Lgroup_done
    str r0, [sp, #LINES]
    ldr r0, [sp, #WINDOW]
    str r0, [sp, #LINE]
    mov r0, r1
    bl .Lempty_lists

@ The map: r0 error, r1 columns left, r3 outputs, r4 errors, r8-r11 ends of the lists, r12 positions before they may be
@ full; r2, r5, r6, r7, lr free.
.Lline:
    ldr r1, [sp, #COLUMNS]
    ldr r2, [sp, #BYTES]
    cmp r2, #0
    bne .Lposition_bytes
.Lposition:
    ldr r4, [r0]
    adds r0, r0, r3
    cmp r4, #0
    bne .Lsome
.Lposition_next:
    subs r1, #1
    bne .Lposition
.Lline_done:
    ldr r1, [sp, #LINE]
    ldr r2, [sp, #STEP_Y]
    adds r1, r1, r2
    str r1, [sp, #LINE]
    ldr r1, [sp, #LINES]
    subs r1, #1
    str r1, [sp, #LINES]
    bne .Lline

@ The map is over: the lists, then what is left without a gradient. The next group.
    ldr r0, [sp, #CELLS]
    cmp r0, r12
    beq .Lgroup_done
    bl .Lwalk_lists
.Lgroup_done:
    ldr r0, [sp, #LEFT]
    mov r2, r0
    cmp r2, #4
    bls .Loutputs_known
    movs r2, #4
.Loutputs_known:
    subs r0, r0, r2
    str r0, [sp, #LEFT]
    ldr r0, [sp, #GRAD]
    ldr r1, [sp, #GRAD_BYTES]
    muls r1, r2, r1
    adds r2, r0, r1
    str r2, [sp, #GRAD]
    ldr r7, [sp, #WRITTEN]
    cmp r7, #ALL_WRITTEN
    beq .Lcleared
    cmp r7, #0
    bne .Lclear_some
    lsrs r1, r1, #2
    bl m0k_back_clear
.Lcleared:
    ldr r0, [sp, #LEFT]
    cmp r0, #0
    beq .Lall_done
    ldr r1, [sp, #ERROR]
    adds r1, #4
    str r1, [sp, #ERROR]
    b .Lgroup

@ Some have a gradient: r7 their bits, r6 this one's.
.Lclear_some:
    mov r6, r0
.Lclear_next:
    lsrs r7, r7, #1
    bcs .Lhas_gradient
    mov r0, r6
    ldr r1, [sp, #GRAD_BYTES]
    lsrs r1, r1, #2
    bl m0k_back_clear
.Lhas_gradient:
    ldr r0, [sp, #GRAD_BYTES]
    adds r6, r6, r0
    ldr r0, [sp, #GRAD]
    cmp r6, r0
    bne .Lclear_next
    b .Lcleared
.Lall_done:
    ldr r7, [sp, #BLOCK]
    ldr r0, [r7, #CONV_GRAD_ACTIVE]
    ldr r1, [sp, #ACTIVE]
    str r1, [r0]
    add sp, #FRAME
    RETURN_ALL

@ The same with r2 bytes. Loads leave the flags alone.
.Lposition_bytes:
    ldrb r4, [r0]
    cmp r2, #2
    blo .Lone_there
    ldrb r5, [r0, #1]
    beq .Ltwo_there
    ldrb r6, [r0, #2]
    orrs r5, r6
    cmp r2, #3
    beq .Ltwo_there
    ldrb r6, [r0, #3]
    orrs r5, r6
.Ltwo_there:
    orrs r4, r5
.Lone_there:
    adds r0, r0, r3
    cmp r4, #0
    bne .Lsome_bytes
.Lposition_bytes_next:
    subs r1, #1
    bne .Lposition_bytes
    b .Lline_done

.Lsome_bytes:
    subs r6, r0, r3
    GATHER r4, r6, r2, r5

@ Errors r4, of which some are not 0: r5 argmax, r2 window, r1 its places. r0, r8-r12 as above.
.Lsome:
    str r1, [sp, #COLUMN]
    ldr r5, [sp, #COLUMNS]
    subs r5, r5, r1
    ldr r2, [sp, #STEP_X]
    muls r2, r5, r2
    ldr r5, [sp, #LINE]
    adds r2, r2, r5
    ldr r5, [sp, #ARGMAX]
    cmp r5, #0
    beq .Largmax_known
    subs r1, r0, r3
    adds r1, r1, r5
    ldr r6, [sp, #BYTES]
    cmp r6, #0
    bne .Largmax_bytes
    ldr r5, [r1]
.Largmax_known:
    add r1, sp, #PLACES
    LIST 0, r8
    LIST 1, r9
    LIST 2, r10
    LIST 3, r11
    mov r1, r12
    subs r1, #1
    mov r12, r1
    bne .Lnot_full
    bl .Lwalk_lists
    bl .Lempty_lists
.Lnot_full:
    ldr r1, [sp, #COLUMN]
    ldr r7, [sp, #BLOCK]
    ldr r3, [r7, #CONV_GRAD_N_OUT]
    ldr r2, [sp, #BYTES]
    cmp r2, #0
    bne .Lgo_on_bytes
    b .Lposition_next
.Lgo_on_bytes:
    b .Lposition_bytes_next
.Largmax_bytes:
    GATHER r5, r1, r6, r7
    b .Largmax_known

@ r2 = (r0 + r4 - r1) / r3 + 1; r0 lost
.Lsteps:
    COUNT_STEPS
    bx lr

@ r8-r11 = the four lists, empty; r12 = CELLS. Spoils r4, r5.
.Lempty_lists:
    ldr r4, [sp, #LISTS]
    ldr r5, [sp, #LIST_BYTES]
    mov r8, r4
    adds r4, r4, r5
    mov r9, r4
    adds r4, r4, r5
    mov r10, r4
    adds r4, r4, r5
    mov r11, r4
    ldr r4, [sp, #CELLS]
    mov r12, r4
    bx lr

@ ----------------------------------------------------------------------------------------------- walking the lists
@ The errors of the four lists to the gradients. r0 is kept; all others are lost.
.Lwalk_lists:
    str r0, [sp, #KEPT]
    mov r1, lr
    str r1, [sp, #RETURN]
    add r0, sp, #ENDS
    mov r4, r8
    mov r5, r9
    mov r6, r10
    mov r7, r11
    stm r0!, {r4-r7}
    adds r4, r4, r5
    adds r4, r4, r6
    adds r4, r4, r7
    ldr r7, [sp, #BLOCK]
    ldr r0, [r7, #CONV_GRAD_SCRATCH]
    ldr r2, [r0]
    cmp r2, #0
    bne .Lgo_image_there

@ No image with zeros around it yet. It is not worth its making for few errors, nor where no window is all inside.
    ldr r5, [sp, #LISTS]
    lsls r6, r5, #2
    subs r4, r4, r6
    ldr r6, [sp, #LIST_BYTES]
    movs r1, #6                     @ 0 + 1 + 2 + 3 lists in front of the four
    muls r6, r1, r6
    subs r4, r4, r6                 @ 8 times the errors
    ldr r1, [sp, #GRAD_BYTES]
    muls r4, r1, r4
    subs r5, r5, r0
    lsls r5, r5, #3                 @ 8 times the image's bytes
    ldr r1, [r7, #CONV_GRAD_WIDTH]
    ldr r2, [r7, #CONV_GRAD_CHANNELS]
    mov r6, r1
    muls r6, r2, r6
    lsls r6, r6, #30
    beq .Lmaking_known
    lsls r5, r5, #2                 @ made byte by byte
.Lmaking_known:
    cmp r4, r5
    bls .Lno_image
    ldr r2, [r7, #CONV_GRAD_KERNEL_W]
    cmp r1, r2
    bge .Lmake_image
    ldr r1, [r7, #CONV_GRAD_HEIGHT]
    ldr r2, [r7, #CONV_GRAD_KERNEL_H]
    cmp r1, r2
    bge .Lmake_image

@ Sums in memory, of all outputs of the group.
.Lno_image:
    ldr r0, [sp, #WRITTEN]
    cmp r0, #0
    bne .Lgo_image_there
    movs r0, #ALL_WRITTEN
    str r0, [sp, #WRITTEN]
    ldr r2, [sp, #LEFT]
    cmp r2, #4
    bls .Lsums_known
    movs r2, #4
.Lsums_known:
    ldr r1, [sp, #GRAD_BYTES]
    muls r1, r2, r1
    lsrs r1, r1, #2
    ldr r0, [sp, #GRAD]
    bl m0k_back_clear
.Lgo_image_there:
    b .Limage_there
.Lmake_image:
    movs r2, #1
    stm r0!, {r2}
    ldr r1, [sp, #LISTS]
    subs r1, r1, r0
    lsrs r1, r1, #2
    bl m0k_back_clear
    ldr r1, [r7, #CONV_GRAD_IN]
    ldr r4, [r7, #CONV_GRAD_WIDTH]
    ldr r2, [r7, #CONV_GRAD_CHANNELS]
    muls r4, r2, r4
    ldr r0, [r7, #CONV_GRAD_PAD_W]
    muls r2, r0, r2
    ldr r0, [r7, #CONV_GRAD_PAD_H]
    ldr r3, [sp, #PITCH]
    muls r0, r3, r0
    adds r0, r0, r2
    ldr r2, [sp, #WINDOW]
    adds r0, r0, r2                 @ the image's first pixel
    ldr r2, [r7, #CONV_GRAD_HEIGHT]
    subs r3, r3, r4
    mov r8, r3
    lsls r3, r4, #30
    bne .Lcopy_bytes

@ Row by row: r0 to, r1 from, r2 rows left, r4 bytes a row, r8 from the end of a row to the next; r3, r5-r7 free, r9 end
@ of the row.
.Lcopy_row:
    adds r3, r0, r4
    mov r9, r3
    subs r3, #16
    b .Lcopy_more
.Lcopy_four:
    ldm r1!, {r5-r7}
    stm r0!, {r5-r7}
    ldm r1!, {r5}
    stm r0!, {r5}
.Lcopy_more:
    cmp r0, r3
    bls .Lcopy_four
    b .Lcopy_rest
.Lcopy_word:
    ldm r1!, {r5}
    stm r0!, {r5}
.Lcopy_rest:
    cmp r0, r9
    bne .Lcopy_word
    add r0, r8
    subs r2, #1
    bne .Lcopy_row
    b .Limage_there
.Lcopy_bytes:
    mov r3, r4
.Lcopy_byte:
    subs r3, #1
    ldrb r5, [r1, r3]
    strb r5, [r0, r3]
    bne .Lcopy_byte
    adds r1, r1, r4
    adds r0, r0, r4
    add r0, r8
    subs r2, #1
    bne .Lcopy_bytes

@ List by list.
.Limage_there:
    movs r0, #0
.Llist:
    str r0, [sp, #OUTPUT]
    lsls r1, r0, #2
    add r2, sp, #ENDS
    ldr r2, [r2, r1]
    ldr r1, [sp, #LIST_BYTES]
    muls r1, r0, r1
    ldr r3, [sp, #LISTS]
    adds r1, r1, r3
    cmp r1, r2
    beq .Llist_done
    str r1, [sp, #FROM]
    str r2, [sp, #END]
    movs r3, #1
    str r3, [sp, #ACTIVE]
    lsls r3, r0
    ldr r4, [sp, #WRITTEN]
    mov r5, r4
    ands r5, r3
    str r5, [sp, #ADDING]
    orrs r4, r3
    str r4, [sp, #WRITTEN]
    ldr r7, [sp, #BLOCK]
    ldr r4, [r7, #CONV_GRAD_SCRATCH]
    ldr r4, [r4]
    cmp r4, #0
    beq .Lwindows
    ldr r4, [r7, #CONV_GRAD_CHANNELS]
    lsls r4, r4, #30
    bne .Lby_bytes
    b .Lwalk
.Lby_bytes:
    movs r4, #0
    str r4, [r2]                    @ an error of 0 ends the list
    b .Lbytes
.Llist_done:
    ldr r0, [sp, #OUTPUT]
    adds r0, #1
    cmp r0, #4
    bne .Llist
    ldr r0, [sp, #KEPT]
    ldr r1, [sp, #RETURN]
    mov pc, r1

@ ------------------------------------------------------------------------------------- window by window, without image
@ r0 output, r5 ADDING. The sums are in memory.
.Lwindows:
    ldr r1, [sp, #GRAD_BYTES]
    muls r0, r1, r0
    ldr r2, [sp, #GRAD]
    adds r0, r0, r2
    str r0, [sp, #SUMS]
    cmp r5, #0
    bne .Lwindow
    lsrs r1, r1, #2
    bl m0k_back_clear

@ Where the window begins in the input, maybe outside: r0 row, r1 column in bytes.
.Lwindow:
    ldr r0, [sp, #FROM]
    ldm r0!, {r4, r5}
    str r0, [sp, #FROM]
    ldr r7, [sp, #BLOCK]
    ldr r3, [sp, #PITCH]
    ldr r1, [sp, #WINDOW]
    subs r1, r5, r1
    ldr r6, [r7, #CONV_GRAD_PAD_H]
    mvns r0, r6
.Lrow_of_window:
    adds r0, #1
    subs r1, r1, r3
    bhs .Lrow_of_window
    adds r1, r1, r3
    ldr r6, [r7, #CONV_GRAD_PAD_W]
    ldr r2, [r7, #CONV_GRAD_CHANNELS]
    muls r6, r2, r6
    subs r1, r1, r6

@ Clip the rows: r0 = the first, r11 = how many, r6 = gradients left out before.
    ldr r5, [r7, #CONV_GRAD_KERNEL_H]
    ldr r3, [r7, #CONV_GRAD_HEIGHT]
    subs r3, r3, r0
    cmp r5, r3
    ble .Lnot_below
    mov r5, r3
.Lnot_below:
    movs r6, #0
    cmp r0, #0
    bge .Lnot_above
    adds r5, r5, r0
    ldr r6, [sp, #TAPS]
    muls r6, r0, r6
    negs r6, r6
    movs r0, #0
.Lnot_above:
    cmp r5, #0
    ble .Lwindow_done
    mov r11, r5

@ Clip the columns: r1 = the first, r5 = how many, r3 = the input's in a row, all in bytes.
    ldr r3, [r7, #CONV_GRAD_WIDTH]
    muls r3, r2, r3
    muls r0, r3, r0
    ldr r5, [sp, #TAPS]
    subs r2, r3, r1
    cmp r5, r2
    ble .Lnot_right
    mov r5, r2
.Lnot_right:
    cmp r1, #0
    bge .Lnot_left
    adds r5, r5, r1
    subs r6, r6, r1
    movs r1, #0
.Lnot_left:
    cmp r5, #0
    ble .Lwindow_done
    adds r0, r0, r1
    ldr r1, [r7, #CONV_GRAD_IN]
    ldr r7, [sp, #SUMS]
    lsls r6, r6, #2
    adds r7, r7, r6
    adds r6, r0, r1
    subs r3, r3, r5
    mov r9, r3
    ldr r0, [sp, #TAPS]
    subs r0, r0, r5
    lsls r0, r0, #2
    mov r10, r0
    lsls r5, r5, #2
    mov r12, r5

@ Row by row: r0-r3 gradients, r4 error, r5 product, r6 input, r7 gradient, r8 end - 16, r9, r10 from the end of a row
@ to the next, of input and gradient, r11 rows left, r12 bytes of a row's gradients, lr their end.
.Lwindow_row:
    mov r5, r12
    adds r5, r7, r5
    mov lr, r5
    subs r5, #16
    mov r8, r5
    b .Lwindow_more
.Lwindow_four:
    ldm r7!, {r0-r3}
    subs r7, #16
    ADD_PRODUCT r0, 0
    ADD_PRODUCT r1, 1
    ADD_PRODUCT r2, 2
    ADD_PRODUCT r3, 3
    stm r7!, {r0-r3}
    adds r6, #4
.Lwindow_more:
    cmp r7, r8
    bls .Lwindow_four
.Lwindow_rest:
    cmp r7, lr
    bne .Lwindow_one
    add r6, r9
    add r7, r10
    mov r0, r11
    subs r0, #1
    mov r11, r0
    bne .Lwindow_row
.Lwindow_done:
    ldr r0, [sp, #FROM]
    ldr r1, [sp, #END]
    cmp r0, r1
    bne .Lwindow
    b .Llist_done
.Lwindow_one:
    ldr r0, [r7]
    ADD_PRODUCT r0, 0
    stm r7!, {r0}
    adds r6, #1
    b .Lwindow_rest

@ START_SUMS: the output's first gradients, and the first row of its windows. Spoils r0, r1, r7.
@ 19 cycles.
    .macro START_SUMS
    ldr r0, [sp, #OUTPUT]
    ldr r1, [sp, #GRAD_BYTES]
    muls r0, r1, r0
    ldr r1, [sp, #GRAD]
    adds r0, r0, r1
    str r0, [sp, #SUMS]
    movs r0, #0
    str r0, [sp, #OFFSET]
    ldr r7, [sp, #BLOCK]
    ldr r0, [r7, #CONV_GRAD_KERNEL_H]
    str r0, [sp, #ROWS_LEFT]
    .endm

@ NEXT_ROW loop: to the next row of the windows, if there is one. Spoils r0, r1. 16 cycles.
    .macro NEXT_ROW loop
    ldr r0, [sp, #OFFSET]
    ldr r1, [sp, #PITCH]
    adds r0, r0, r1
    ldr r1, [sp, #TAPS]
    subs r0, r0, r1
    str r0, [sp, #OFFSET]
    ldr r0, [sp, #ROWS_LEFT]
    subs r0, #1
    str r0, [sp, #ROWS_LEFT]
    bne \loop
    .endm

@ ------------------------------------------------------------------------------------------------------- by words
@ As many errors as lanes hold.
.Lwalk:
    ldr r0, [sp, #FROM]
    ldr r1, [sp, #END]
    movs r2, #(LANE_ERRORS / 2)     @ all of it is no immediate
    lsls r2, r2, #1
.Lmeasure:
    ldr r3, [r0]
    MAGNITUDE r3, r4
    subs r2, r2, r3
    blo .Lmeasured
    adds r0, #8
    cmp r0, r1
    bne .Lmeasure
.Lmeasured:
    str r0, [sp, #TO]
    START_SUMS
    ldr r0, [sp, #TO]
    ldr r1, [sp, #FROM]
    subs r0, r0, r1
    ldr r1, [sp, #ADDING]
    adds r0, r0, r1
    cmp r0, #8                      @ one error, and nothing there yet
    bne .Lwalk_row
    b .Lsingle
.Lwalk_row:
    ldr r1, [sp, #TAPS]

@ Twelve, eight or four gradients: r0 errors, r1 error, r2 window, r3 EVEN_BYTES, r4, r5 products, r6 end, r7 offset in
@ the window, r8-lr lanes.
.Lwalk_words:
    cmp r1, #8
    bhi .Lthree_words
    beq .Leight
    b .Lone_word
.Leight:
    b .Ltwo_words
.Lthree_words:
    TAKE 12
    movs r4, #0
    mov r8, r4
    mov r9, r4
    mov r10, r4
    mov r11, r4
    mov r12, r4
    mov lr, r4
    ldr r0, [sp, #FROM]
    ldr r6, [sp, #TO]
    ldr r3, .Leven_bytes
.Lthree_next:
    ldm r0!, {r1, r2}
    adds r2, r2, r7
    ADD_LANES r8, r9, 0
    ADD_LANES r10, r11, 4
    ADD_LANES r12, lr, 8
    cmp r0, r6
    bne .Lthree_next
    ADD_OR .Lthree_add
    movs r6, #0
    STORE_LANES r8, r9
    STORE_LANES r10, r11
    STORE_LANES r12, lr
.Lwalked:
    str r0, [sp, #SUMS]
    ldr r1, [sp, #TAPS_LEFT]
    cmp r1, #0
    bne .Lwalk_words
    NEXT_ROW .Lwalk_row

@ The next errors, if there are any left.
.Lwalk_over:
    ldr r0, [sp, #TO]
    str r0, [sp, #FROM]
    str r0, [sp, #ADDING]
    ldr r1, [sp, #END]
    cmp r0, r1
    beq .Lwalk_done
    b .Lwalk
.Lwalk_done:
    b .Llist_done
.Lthree_add:
    SUM_LANES r8, r9
    SUM_LANES r10, r11
    SUM_LANES r12, lr
    b .Lwalked
    .p2align 2
.Leven_bytes:
    .word EVEN_BYTES

.Ltwo_words:
    TAKE 8
    movs r4, #0
    mov r8, r4
    mov r9, r4
    mov r10, r4
    mov r11, r4
    ldr r0, [sp, #FROM]
    ldr r6, [sp, #TO]
    ldr r3, .Leven_bytes_2
.Ltwo_next:
    ldm r0!, {r1, r2}
    adds r2, r2, r7
    ADD_LANES r8, r9, 0
    ADD_LANES r10, r11, 4
    cmp r0, r6
    bne .Ltwo_next
    ADD_OR .Ltwo_add
    movs r6, #0
    STORE_LANES r8, r9
    STORE_LANES r10, r11
    b .Lwalked
.Ltwo_add:
    SUM_LANES r8, r9
    SUM_LANES r10, r11
    b .Lwalked

@ One error: its products are the gradients. r0 gradients, r1 error, r2 window, r3 EVEN_BYTES, r4-r7 lanes and
@ gradients, r8 from the end of a row to the next, r9 2^15, r10 rows left, r11 TAPS, r12 end of the row.
.Lsingle:
    ldr r0, [sp, #FROM]
    ldm r0!, {r1, r2}
    ldr r0, [sp, #SUMS]
    ldr r4, [sp, #TAPS]
    mov r11, r4
    ldr r5, [sp, #PITCH]
    subs r5, r5, r4
    mov r8, r5
    ldr r4, [sp, #ROWS_LEFT]
    mov r10, r4
    movs r4, #1
    lsls r4, r4, #15
    mov r9, r4
    ldr r3, .Leven_bytes_2
.Lsingle_row:
    mov r4, r11
    adds r4, r2, r4
    mov r12, r4
.Lsingle_word:
    ldm r2!, {r4}
    lsrs r5, r4, #8
    ands r5, r3
    muls r4, r1, r4
    muls r5, r1, r5
    lsls r6, r5, #8
    subs r6, r4, r6
    sxth r4, r6
    add r6, r9                      @ 1 more where the low lane is negative: it borrowed
    asrs r6, r6, #16
    mov r7, r9
    adds r7, r7, r5
    asrs r7, r7, #16
    sxth r5, r5
    stm r0!, {r4-r7}
    cmp r2, r12
    bne .Lsingle_word
    add r2, r8
    mov r4, r10
    subs r4, #1
    mov r10, r4
    bne .Lsingle_row
    b .Lwalk_over

.Lone_word:
    TAKE 4
    movs r4, #0
    mov r8, r4
    mov r9, r4
    ldr r0, [sp, #FROM]
    ldr r6, [sp, #TO]
    ldr r3, .Leven_bytes_2
.Lone_next:
    ldm r0!, {r1, r2}
    adds r2, r2, r7
    ADD_LANES r8, r9, 0
    cmp r0, r6
    bne .Lone_next
    ADD_OR .Lone_add
    movs r6, #0
    STORE_LANES r8, r9
    b .Lwalked
.Lone_add:
    SUM_LANES r8, r9
    b .Lwalked
    .p2align 2
.Leven_bytes_2:
    .word EVEN_BYTES

@ ------------------------------------------------------------------------------------------------------- by bytes

@ CLEAR_NINE: the sums of nine gradients. 9 cycles.
    .macro CLEAR_NINE
    movs r4, #0
    movs r5, #0
    movs r6, #0
    mov r8, r4
    mov r9, r4
    mov r10, r4
    mov r11, r4
    mov r12, r4
    mov lr, r4
    .endm

@ ADD_GRADIENTS: the three gradients at r0 to r4-r6. Spoils r1-r3. 8 cycles.
    .macro ADD_GRADIENTS
    ldm r0!, {r1-r3}
    subs r0, #12
    adds r4, r4, r1
    adds r5, r5, r2
    adds r6, r6, r3
    .endm

@ Nine, three or one gradient: r0 errors, r1 error, r2 window, r3 product, r7 offset in the window, r4-r6 and r8-lr sums.
.Lbytes:
    START_SUMS
    ldr r1, [sp, #TAPS]
    cmp r0, #3                      @ rows
    bne .Lbytes_row
    cmp r1, #3
    bne .Lbytes_row

@ Three rows of three, such as those of a first layer with one channel, at once: r7 from row to row.
    movs r1, #0
    str r1, [sp, #TAPS_LEFT]
    movs r1, #1
    str r1, [sp, #ROWS_LEFT]
    ldr r7, [sp, #PITCH]
    CLEAR_NINE
    ldr r0, [sp, #FROM]
.Lsquare_next:
    NEXT_ERROR .Lnine_done
    ADD_TAP r4, 0
    ADD_TAP r5, 1
    ADD_TAP r6, 2
    adds r2, r2, r7
    ADD_TAP r8, 0
    ADD_TAP r9, 1
    ADD_TAP r10, 2
    adds r2, r2, r7
    ADD_TAP r11, 0
    ADD_TAP r12, 1
    ADD_TAP lr, 2
    b .Lsquare_next

.Lbytes_row:
    ldr r1, [sp, #TAPS]
.Lbytes_taps:
    cmp r1, #9
    bhs .Lnine
    cmp r1, #3
    bhs .Lfew
    b .Lone
.Lfew:
    b .Lthree
.Lnine:
    TAKE 9
    CLEAR_NINE
    ldr r0, [sp, #FROM]
.Lnine_next:
    NEXT_ERROR .Lnine_done
    adds r2, r2, r7
    ADD_TAP r4, 0
    ADD_TAP r5, 1
    ADD_TAP r6, 2
    ADD_TAP r8, 3
    ADD_TAP r9, 4
    ADD_TAP r10, 5
    ADD_TAP r11, 6
    ADD_TAP r12, 7
    ADD_TAP lr, 8
    b .Lnine_next
.Lnine_done:
    ADD_OR .Lnine_add
    stm r0!, {r4-r6}
    mov r4, r8
    mov r5, r9
    mov r6, r10
    stm r0!, {r4-r6}
    mov r4, r11
    mov r5, r12
    mov r6, lr
    stm r0!, {r4-r6}
.Lbytes_walked:
    str r0, [sp, #SUMS]
    ldr r1, [sp, #TAPS_LEFT]
    cmp r1, #0
    bne .Lbytes_taps
    NEXT_ROW .Lbytes_row
    ldr r0, [sp, #SUMS]

@ The gradient's padding, r0 its address.
.Lpadding:
    ldr r1, [sp, #OUTPUT]
    adds r1, #1
    ldr r2, [sp, #GRAD_BYTES]
    muls r1, r2, r1
    ldr r2, [sp, #GRAD]
    adds r1, r1, r2
    movs r2, #0
    b .Lpadding_more
.Lpadding_next:
    stm r0!, {r2}
.Lpadding_more:
    cmp r0, r1
    bne .Lpadding_next
    b .Llist_done

.Lnine_add:
    ADD_GRADIENTS
    stm r0!, {r4-r6}
    mov r4, r8
    mov r5, r9
    mov r6, r10
    ADD_GRADIENTS
    stm r0!, {r4-r6}
    mov r4, r11
    mov r5, r12
    mov r6, lr
    ADD_GRADIENTS
    stm r0!, {r4-r6}
    b .Lbytes_walked

.Lthree:
    TAKE 3
    movs r4, #0
    movs r5, #0
    movs r6, #0
    ldr r0, [sp, #FROM]
.Lthree_taps_next:
    NEXT_ERROR .Lthree_taps_done
    adds r2, r2, r7
    ADD_TAP r4, 0
    ADD_TAP r5, 1
    ADD_TAP r6, 2
    b .Lthree_taps_next
.Lthree_taps_done:
    ADD_OR .Lthree_taps_add
.Lthree_taps_store:
    stm r0!, {r4-r6}
    b .Lbytes_walked
.Lthree_taps_add:
    ADD_GRADIENTS
    b .Lthree_taps_store

.Lone:
    TAKE 1
    movs r4, #0
    ldr r0, [sp, #FROM]
.Lone_tap_next:
    NEXT_ERROR .Lone_tap_done
    ldrb r3, [r2, r7]
    muls r3, r1, r3
    adds r4, r4, r3
    b .Lone_tap_next
.Lone_tap_done:
    ADD_OR .Lone_tap_add
.Lone_tap_store:
    stm r0!, {r4}
    b .Lbytes_walked
.Lone_tap_add:
    ldr r1, [r0]
    adds r4, r4, r1
    b .Lone_tap_store

    END_FUNCTION m0k_conv_grad
