/*
 * Depthwise convolutions: each channel by itself.   ARMv6-M, AAPCS, void f(const block *)
 *
 * m0k_depthwise_forward(const m0k_depthwise_t *p)
 *     y[oy][ox][c] = sat(round_shift(first[c] + sum over ky, kx of w[c][ky][kx] * a[oy*stride - pad_h + ky][ox*stride -
 *     pad_w + kx][c], shift)), and max(y, 0) with relu; a is 0 outside, first is 0 without one. With acc_out the sums are
 *     stored there as int32 instead.
 * m0k_depthwise_back(const m0k_depthwise_back_t *p)
 *     acc[oy*stride + ky - pad_h][ox*stride + kx - pad_w][c] += w[c][ky][kx] * error[oy][ox][c]
 *     out[i] = gate[i] > 0 ? sat(round_shift(acc[i], shift)) : 0; with dynamic the sums are stored in acc instead.
 * m0k_depthwise_grad(const m0k_depthwise_grad_t *p)
 *     grad[c - first_out][ky][kx] = sum over oy, ox of error[oy][ox][c] * a[oy*stride - pad_h + ky][..][c], for count_out
 *     channels from first_out on; 0 in the padding of a row of P. *active = 1, or 0 where all their errors are 0.
 *
 * A channel's map is laid out with its padding, a plane: no window is cut off there, whatever stride and pads are. It
 * holds bytes a + 128, so that inputs may be negative and are loaded by LDRB; what that adds is a constant of a channel,
 * taken off the first sum. Back the plane holds sums. Errors of zero are skipped.
 *
 * Shapes    any height, width, channels, stride >= 1, pad_h and pad_w >= 0 that give at least one output, kernels up to
 *           15 x 15. n_in = kernel_h * kernel_w, P as in m0k.h. Output out_h x out_w, out_h = (height + 2 * pad_h -
 *           kernel_h) / stride + 1. With argmax the error is that of a 2x2 pool behind it, [out_h/2][out_w/2][channels].
 * Ranges    a, error, weights -127..127. shift 0..24. |first + the sum| < 2^31 - 2^23.
 * Layout    in, out, error, gate, acc: HWC. weights: edge array of channels * n_in. With a provider, provider(context, g)
 *           is called once for each group g = 0, 1, .. of four channels. gate is another array than out.
 * Scratch   area = (height + 2 * pad_h) * (width + 2 * pad_w), A = area rounded up to a multiple of 4:
 *           forward 4 * P + A bytes, back 4 * P + 4 * area, grad A.
 * Alignment weights, scratch, acc, acc_out, first, grad: 4. in, out, error, argmax, gate: 1.
 * Stack     m0k_depthwise_forward 120 bytes, m0k_depthwise_back 152, m0k_depthwise_grad 152; and the provider's.
 * Cycles    Cortex-M0+ with single-cycle multiplier, at most, of C channels in G = ceil(C / 4) groups:
 *   weights = C * (30 + 6.25 P) + 15 G, and a provider's own;  map = 30 + height * (14 + 7 width + 3 (width % 4));
 *   errors = C * (40 + 24 rows) + zero * elements + one * those that are not 0, rows and elements of the error map.
 *   forward 260 + 4 (out_h + out_w) + area / 2 + weights + C * (70 + map + out_h * (30 + out_w * window)), where window is
 *           69 for a kernel of 3 x 3, else 30 + 9 kernel_h + 6 n_in, and 14 more without relu where bytes are stored.
 *   back    260 + 4 (out_h + out_w) + weights + errors + C * (80 + 2 area + height * (14 + 27 width)), 8 for 27 with
 *           dynamic. zero = 9, one = 35 + 24 kernel_h with kernel_w = 3, else 35 + kernel_h * (13 + 8 kernel_w).
 *   grad    280 + 4 (out_h + out_w) + area / 2 + errors + count_out * (90 + 10 n_in + map) + 8 elements. zero = 13, one =
 *           65 for a kernel of 3 x 3, else 9 and 40 + kernel_h * (13 + 8 kernel_w). C is count_out here.
 *   An error takes 9 more with argmax. A channel without errors takes no map.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "back.inc"
    #include "m0k.inc"

    .equ LARGEST_KERNEL, 15         @ taps a row that are unrolled

@ The frame of all three
    .equ BLOCK, 0
    .equ PITCH, 4                   @ elements of a row of the plane
    .equ AREA, 8                    @ and of all of it
    .equ ROWS, 12                   @ size of the output, or of the error map
    .equ COLUMNS, 16
    .equ TAPS, 20                   @ 4 * P: bytes of a channel's weights or gradient as words
    .equ PLANE, 24
    .equ CHANNEL, 28
    .equ GROUP, 32                  @ weights of the group of four channels
    .equ ROW, 36                    @ where a row of windows begins in the plane
    .equ ROW_STEP, 40               @ from there to the next, bytes
    .equ LINE, 44                   @ bytes of a row of outputs or errors
    .equ LEFT, 48                   @ rows left
    .equ LOOP, 52                   @ code address: the loop for this kernel
    .equ ENTRY, 56                  @ code address: a row of taps
    .equ ROW_TAPS, 60               @ 4 * kernel_w

@ m0k_depthwise_forward
    .equ HALF, 64                   @ 2^(shift - 1), 0 for shift 0
    .equ SHIFT, 68
    .equ ADDED, 72                  @ to the first sum: HALF with relu
    .equ STORE, 76                  @ code address: how a sum of LOOP is stored
    .equ WEIGHTS_END, 80
    .equ FORWARD_FRAME, 84

@ m0k_depthwise_back and m0k_depthwise_grad
    .equ TO_ARGMAX, 64              @ argmax - error, 0 without a pool
    .equ PLACES, 68                 @ for each argmax, from the first window of its pool to the one that has the error
    .equ AT, 84                     @ the window of an error
    .equ ERROR_AT, 88
    .equ WALK, 92                   @ the channel's weights or gradient as words
    .equ SUM, 96                    @ of its errors
    .equ OUT_LINE, SUM              @ bytes of a row of m0k_depthwise_back's outputs
    .equ LAST, 100                  @ behind the last channel
    .equ SOME, GROUP                @ 1: there was an error
    .equ CHANNELS, 104
    .equ STEP, 108                  @ from a window to the next, bytes; of a pool's to those of the next
    .equ BACK_FRAME, 116            @ 152 with SAVE_ALL: a provider wants sp at a multiple of 8

@ GEOMETRY: the frame from PITCH to TAPS. r7 = block. Spoils r0-r6. 55 + 4 cycles a row and column of the output.
    .macro GEOMETRY
    ldr r0, [r7, #DEPTHWISE_KERNEL_H]
    ldr r1, [r7, #DEPTHWISE_KERNEL_W]
    muls r0, r1, r0
    GROUP_BYTES r0
    str r0, [sp, #TAPS]
    lsls r0, r1, #2
    str r0, [sp, #ROW_TAPS]
    ldr r3, [r7, #DEPTHWISE_STRIDE]
    ldr r4, [r7, #DEPTHWISE_PAD_W]
    lsls r4, r4, #1
    ldr r0, [r7, #DEPTHWISE_WIDTH]
    adds r5, r0, r4
    str r5, [sp, #PITCH]
    COUNT_STEPS
    str r2, [sp, #COLUMNS]
    ldr r1, [r7, #DEPTHWISE_KERNEL_H]
    ldr r4, [r7, #DEPTHWISE_PAD_H]
    lsls r4, r4, #1
    ldr r0, [r7, #DEPTHWISE_HEIGHT]
    adds r6, r0, r4
    muls r6, r5, r6
    str r6, [sp, #AREA]
    COUNT_STEPS
    str r2, [sp, #ROWS]
    .endm

@ FILL at, words: words = 1 or more words from at on, all r2. Spoils r3-r5. 8 + 2 cycles a word, 3 more for up to three.
    .macro FILL at, words
    movs r3, r2
    movs r4, r2
    movs r5, r2
    subs \words, #4
    bcc .Lfill_rest\@
.Lfill_fours\@:
    stm \at!, {r2, r3, r4, r5}
    subs \words, #4
    bcs .Lfill_fours\@
.Lfill_rest\@:
    adds \words, #4
    beq .Lfilled\@
.Lfill\@:
    stm \at!, {r2}
    subs \words, #1
    bne .Lfill\@
.Lfilled\@:
    .endm

@ COPY n: one input at r0 as byte n at r1. r2 = channels. Spoils r4. 6 cycles.
    .macro COPY n
    ldrb r4, [r0]
    adds r0, r0, r2
    adds r4, #128
    strb r4, [r1, #\n]
    .endm

@ MAP: the channel's map into the plane. r7 = block. Spoils r0-r6, r11. 27 + 12 cycles a row + 7 an input, and 3 more for
@ each of up to three in front of the fours.
    .macro MAP
    ldr r0, [r7, #DEPTHWISE_IN]
    ldr r4, [sp, #CHANNEL]
    adds r0, r0, r4
    ldr r1, [r7, #DEPTHWISE_PAD_H]
    ldr r2, [sp, #PITCH]
    muls r1, r2, r1
    ldr r3, [r7, #DEPTHWISE_PAD_W]
    adds r1, r1, r3
    ldr r3, [sp, #PLANE]
    adds r1, r1, r3
    ldr r3, [r7, #DEPTHWISE_WIDTH]
    subs r2, r2, r3
    mov r11, r2                     @ from the end of a row to the next
    ldr r2, [r7, #DEPTHWISE_CHANNELS]
    ldr r6, [r7, #DEPTHWISE_HEIGHT]
.Lmap_row\@:
    lsls r5, r3, #30
    beq .Lmap_fours\@
    lsrs r5, r5, #30
    adds r5, r5, r1
.Lmap_one\@:
    COPY 0
    adds r1, #1
    cmp r1, r5
    bne .Lmap_one\@
.Lmap_fours\@:
    lsrs r5, r3, #2
    beq .Lmap_next\@
    lsls r5, r5, #2
    adds r5, r5, r1
.Lmap_four\@:
    COPY 0
    COPY 1
    COPY 2
    COPY 3
    adds r1, #4
    cmp r1, r5
    bne .Lmap_four\@
.Lmap_next\@:
    add r1, r11
    subs r6, #1
    bne .Lmap_row\@
    .endm

@ WEIGHTS weights, provider, context: the channel's weights as words at scratch, r3 = their sum; asks the provider where a
@ group begins. r7 = block, and the offsets of its fields. Spoils r0-r2, r4-r6, r12, lr. 17 + 25 cycles for four taps,
@ 15 more for a group, or the provider's own and 9.
    .macro WEIGHTS weights, provider, context
    ldr r1, [sp, #CHANNEL]
    lsls r2, r1, #30
    bne .Lgroup_known\@
    ldr r3, [r7, #\provider]
    cmp r3, #0
    beq .Lplain\@
    ldr r0, [r7, #\context]
    lsrs r1, r1, #2
    blx r3
    b .Lgroup\@
.Lplain\@:
    ldr r0, [sp, #TAPS]
    lsrs r0, r0, #2                 @ P bytes for each channel before the group
    muls r0, r1, r0
    ldr r1, [r7, #\weights]
    adds r0, r0, r1
.Lgroup\@:
    str r0, [sp, #GROUP]
    movs r2, #0
.Lgroup_known\@:
    lsrs r2, r2, #28                @ 4 bytes for each channel in the group
    ldr r0, [sp, #GROUP]
    adds r0, r0, r2
    ldr r1, [r7, #DEPTHWISE_SCRATCH]
    ldr r2, [sp, #TAPS]
    adds r2, r1, r2
    movs r3, #0
.Lweights\@:
    ldrb r4, [r0, #2]
    ldrb r5, [r0, #3]
    ldrb r6, [r0, #0]
    ldrb r7, [r0, #1]
    subs r4, #WEIGHT_BIAS
    subs r5, #WEIGHT_BIAS
    subs r6, #WEIGHT_BIAS
    subs r7, #WEIGHT_BIAS
    adds r3, r3, r4
    adds r3, r3, r5
    adds r3, r3, r6
    adds r3, r3, r7
    stm r1!, {r4, r5, r6, r7}
    adds r0, #16
    cmp r1, r2
    bne .Lweights\@
    ldr r7, [sp, #BLOCK]
    .endm

@ ---- forward
@
@ A window: r0 = its first input, then the next window's but for r9; r3 = sum, r12 = first sum, lr = weights as words, r8
@ = pitch. r4 = output, r10 = from one to the next, r11 = end of the row of outputs. Spoils r1, r2, r5-r7.

@ NINE: 3 x 3 taps. 53 cycles.
    .macro NINE
    mov r2, lr
    mov r3, r12
    .rept 3
    ldm r2!, {r5, r6, r7}
    ldrb r1, [r0]
    muls r1, r5, r1
    adds r3, r3, r1
    ldrb r1, [r0, #1]
    muls r1, r6, r1
    adds r3, r3, r1
    ldrb r1, [r0, #2]
    muls r1, r7, r1
    adds r3, r3, r1
    add r0, r8
    .endr
    .endm

@ ANY: rows of up to LARGEST_KERNEL taps, entered in their middle. 8 + 9 cycles a row + 6 a tap.
    .macro ANY
    mov r2, lr
    mov r3, r12
    ldr r6, [sp, #ENTRY]
    ldr r7, [sp, #WEIGHTS_END]
.Lrow\@:
    mov pc, r6
    .p2align 2
.Lforward_taps:
    .set tap, LARGEST_KERNEL
    .rept LARGEST_KERNEL
    .set tap, tap - 1
    ldrb r1, [r0, #tap]
    ldr r5, [r2, #4 * tap]
    muls r1, r5, r1
    adds r3, r3, r1
    .endr
    add r0, r8
    ldr r5, [sp, #ROW_TAPS]
    adds r2, r2, r5
    cmp r2, r7
    bne .Lrow\@
    .endm
    .equ FORWARD_TAP, 8             @ bytes of code

@ SIGN_MASK mask, shift: what ROUND_SHIFT wants: -1, or 0 for shift 0. 2 cycles.
    .macro SIGN_MASK mask, shift
    rsbs \mask, \shift, #0
    asrs \mask, \mask, #31
    .endm

@ SATURATE x, spare: x within -127 .. 127. Spoils spare. 5 cycles where it is.
    .macro SATURATE x, spare
    movs \spare, \x
    adds \spare, #127
    cmp \spare, #254                @ as unsigned: one comparison for both ends
    bls .Lsaturated\@
    asrs \x, \x, #31
    movs \spare, #127
    eors \x, \spare                 @ 127 or -128
    lsrs \spare, \x, #31
    adds \x, \x, \spare
.Lsaturated\@:
    .endm

@ RELU: the sum r3, 2^(shift-1) in it, rounded, with ReLU, to the output r4. Spoils r5. 10 cycles.
    .macro RELU
    ldr r5, [sp, #SHIFT]
    asrs r3, r5
    MAX_0 r3, spare=r5
    cmp r3, #127
    bls .Lstore\@
    movs r3, #127
.Lstore\@:
    strb r3, [r4]
    .endm

@ PLAIN: the sum r3 rounded to the output r4. Spoils r1, r5, r6, r7. 21 cycles.
    .macro PLAIN
    ldr r5, [sp, #HALF]
    ldr r6, [sp, #SHIFT]
    SIGN_MASK r7, shift=r6
    ROUND_SHIFT r3, half=r5, shift=r6, mask=r7, spare=r1
    SATURATE r3, spare=r1
    strb r3, [r4]
    .endm

@ SUM_OUT: the sum r3 as it is to r4. 2 cycles.
    .macro SUM_OUT
    str r3, [r4]
    .endm

@ NEXT loop: to the next window, at loop; or behind the row. 5 cycles to loop.
    .macro NEXT loop
    add r4, r10
    add r0, r9
    cmp r4, r11
    bne \loop
    b .Lforward_row_done
    .endm

@ NEXT_ANY: the same to .Lany, which is far. 6 cycles.
    .macro NEXT_ANY
    add r4, r10
    add r0, r9
    cmp r4, r11
    beq .Lrow_done\@
    b .Lany
.Lrow_done\@:
    b .Lforward_row_done
    .endm

    FUNCTION m0k_depthwise_forward
    SAVE_ALL
    sub sp, #FORWARD_FRAME
    movs r7, r0
    str r0, [sp, #BLOCK]
    GEOMETRY
    ldr r0, [r7, #DEPTHWISE_SCRATCH]
    ldr r1, [sp, #TAPS]
    adds r0, r0, r1
    str r0, [sp, #PLANE]
    ldr r1, [sp, #AREA]
    WORDS r1
    ldr r2, .Lforward_zeros
    FILL r0, r1

@ The constants of all windows: r8 pitch, r9 from the end of a window to the next, r10 from one output to the next.
    ldr r0, [sp, #PITCH]
    mov r8, r0
    ldr r1, [r7, #DEPTHWISE_STRIDE]
    movs r2, r1
    muls r2, r0, r2
    str r2, [sp, #ROW_STEP]
    ldr r2, [r7, #DEPTHWISE_KERNEL_H]
    muls r0, r2, r0
    subs r1, r1, r0
    mov r9, r1
    ldr r0, [r7, #DEPTHWISE_SHIFT]
    str r0, [sp, #SHIFT]
    ROUND_HALF r1, shift=r0
    str r1, [sp, #HALF]

@ The loop: r3 for 3 x 3 taps, or else r4 for how a sum is stored; r6 = what is added to the first sum.
    ldr r2, [r7, #DEPTHWISE_CHANNELS]
    movs r6, #0
    ldr r0, [r7, #DEPTHWISE_ACC_OUT]
    cmp r0, #0
    bne .Lchoose_sums
    ldr r0, [r7, #DEPTHWISE_RELU]
    cmp r0, #0
    bne .Lchoose_relu
    adr r3, .Lnine_plain
    adr r4, .Lany_plain
    b .Lchosen
    .p2align 2
.Lforward_zeros:
    .word SIGN_BITS
.Lchoose_sums:
    lsls r2, r2, #2
    adr r3, .Lnine_sums
    adr r4, .Lany_sums
    b .Lchosen
.Lchoose_relu:
    movs r6, r1
    adr r3, .Lnine_relu
    adr r4, .Lany_relu
.Lchosen:
    mov r10, r2
    str r6, [sp, #ADDED]
    ldr r0, [sp, #COLUMNS]
    muls r0, r2, r0
    str r0, [sp, #LINE]
    str r4, [sp, #STORE]
    ldr r0, [r7, #DEPTHWISE_KERNEL_H]
    ldr r1, [r7, #DEPTHWISE_KERNEL_W]
    movs r2, #LARGEST_KERNEL
    subs r2, r2, r1
    lsls r2, r2, #3                 @ FORWARD_TAP
    adr r4, .Lforward_taps
    adds r2, r2, r4
    str r2, [sp, #ENTRY]
    movs r2, #3
    eors r0, r2
    eors r1, r2
    orrs r0, r1
    beq .Lloop_known
    adr r3, .Lany
.Lloop_known:
    str r3, [sp, #LOOP]

    movs r0, #0
.Lforward_channel:
    str r0, [sp, #CHANNEL]
    WEIGHTS DEPTHWISE_WEIGHTS, DEPTHWISE_PROVIDER, DEPTHWISE_CONTEXT
    ldr r0, [sp, #ADDED]
    lsls r3, r3, #7                 @ for the 128 of each input
    subs r0, r0, r3
    ldr r1, [r7, #DEPTHWISE_FIRST]
    cmp r1, #0
    beq .Lfirst_known
    ldr r2, [sp, #CHANNEL]
    lsls r2, r2, #2
    ldr r1, [r1, r2]
    adds r0, r0, r1
.Lfirst_known:
    mov r12, r0
    MAP
    ldr r0, [r7, #DEPTHWISE_SCRATCH]
    mov lr, r0
    ldr r1, [r7, #DEPTHWISE_KERNEL_H]
    ldr r2, [sp, #ROW_TAPS]
    muls r1, r2, r1
    adds r0, r0, r1
    str r0, [sp, #WEIGHTS_END]
    ldr r0, [sp, #CHANNEL]
    ldr r4, [r7, #DEPTHWISE_ACC_OUT]
    cmp r4, #0
    beq .Lto_bytes
    lsls r0, r0, #2
    b .Lto
.Lto_bytes:
    ldr r4, [r7, #DEPTHWISE_OUT]
.Lto:
    adds r4, r4, r0
    ldr r1, [sp, #ROWS]
    ldr r0, [sp, #PLANE]
.Lforward_row:
    str r0, [sp, #ROW]
    str r1, [sp, #LEFT]
    ldr r1, [sp, #LINE]
    adds r1, r1, r4
    mov r11, r1
    ldr r1, [sp, #LOOP]
    mov pc, r1
.Lforward_row_done:
    ldr r0, [sp, #ROW]
    ldr r1, [sp, #ROW_STEP]
    adds r0, r0, r1
    ldr r1, [sp, #LEFT]
    subs r1, #1
    bne .Lforward_row
    ldr r7, [sp, #BLOCK]
    ldr r0, [sp, #CHANNEL]
    adds r0, #1
    ldr r1, [r7, #DEPTHWISE_CHANNELS]
    cmp r0, r1
    beq .Lforward_done
    b .Lforward_channel
.Lforward_done:
    add sp, #FORWARD_FRAME
    RETURN_ALL

    .p2align 2
.Lnine_relu:
    NINE
    RELU
    NEXT .Lnine_relu

    .p2align 2
.Lnine_plain:
    NINE
    PLAIN
    NEXT .Lnine_plain

    .p2align 2
.Lnine_sums:
    NINE
    SUM_OUT
    NEXT .Lnine_sums

    .p2align 2
.Lany:
    ANY
    ldr r5, [sp, #STORE]
    mov pc, r5
    .p2align 2
.Lany_relu:
    RELU
    NEXT_ANY
    .p2align 2
.Lany_plain:
    PLAIN
    NEXT_ANY
    .p2align 2
.Lany_sums:
    SUM_OUT
    NEXT_ANY
    END_FUNCTION m0k_depthwise_forward

@ ---- back and gradient: from each error to its window
@
@ A window: r0 = its first element, r2 = weights or gradient as words, lr = their end, r6 = r12 = error, r11 = from the end
@ of a row to the next: of the plane, or with three sums behind which r0 then is.

@ ERRORS unit: the frame's words for a walk over the errors of a channel, r8 = channels, r9 = from a window to the next.
@ r7 = block, unit = log2 of the plane's bytes an element. Spoils r0-r3. 22 cycles, 20 more with a pool.
    .macro ERRORS unit
    ldr r0, [r7, #DEPTHWISE_STRIDE]
    lsls r0, r0, #\unit
    ldr r1, [sp, #PITCH]
    muls r1, r0, r1
    ldr r2, [r7, #DEPTHWISE_BACK_ARGMAX]
    cmp r2, #0
    beq .Lno_pool\@
    movs r3, #0
    str r3, [sp, #PLACES]
    str r0, [sp, #PLACES + 4]       @ on the right
    str r1, [sp, #PLACES + 8]       @ below
    adds r3, r0, r1
    str r3, [sp, #PLACES + 12]
    lsls r0, r0, #1
    lsls r1, r1, #1
    ldr r3, [sp, #ROWS]
    lsrs r3, r3, #1
    str r3, [sp, #ROWS]
    ldr r3, [sp, #COLUMNS]
    lsrs r3, r3, #1
    str r3, [sp, #COLUMNS]
    ldr r3, [r7, #DEPTHWISE_BACK_ERROR]
    subs r2, r2, r3
.Lno_pool\@:
    str r2, [sp, #TO_ARGMAX]
    mov r9, r0
    str r0, [sp, #STEP]
    str r1, [sp, #ROW_STEP]
    ldr r0, [r7, #DEPTHWISE_CHANNELS]
    str r0, [sp, #CHANNELS]
    mov r8, r0
    ldr r1, [sp, #COLUMNS]
    muls r1, r0, r1
    str r1, [sp, #LINE]
    .endm

@ POOLED: r0, a pool's first window, -> the one that has the error r7. r1 = argmax - error, spoilt. 7 cycles.
    .macro POOLED
    ldrb r1, [r7, r1]
    lsls r1, r1, #2
    add r1, sp
    ldr r1, [r1, #PLACES]
    adds r0, r0, r1
    .endm

@ EACH_ERROR name, summed: every error of the channel that is not 0 to the code at LOOP, which goes on at .Lnext_name;
@ behind the last to .Lover_name. summed: SUM gets their sum. r7 = block. Spoils r0-r7, r10, r12. 9 cycles for a zero, 28
@ and those of LOOP for another, 5 more summed, 7 more with a pool, 22 a row.
    .macro EACH_ERROR name, summed=0
    ldr r1, [sp, #ROWS]
    cmp r1, #0
    beq .Lout_\name
    ldr r0, [sp, #LINE]
    cmp r0, #0
    beq .Lout_\name
    ldr r7, [r7, #DEPTHWISE_BACK_ERROR]
    ldr r0, [sp, #CHANNEL]
    adds r7, r7, r0
    ldr r0, [sp, #PLANE]
.Lrow_\name:
    str r0, [sp, #ROW]
    str r1, [sp, #LEFT]
    ldr r1, [sp, #LINE]
    adds r1, r1, r7
    mov r10, r1
.Lscan_\name:
    ldrb r6, [r7]
    cmp r6, #0
    bne .Lerror_\name
.Lnext_\name:
    add r7, r8
    add r0, r9
    cmp r7, r10
    bne .Lscan_\name
    ldr r0, [sp, #ROW]
    ldr r1, [sp, #ROW_STEP]
    adds r0, r0, r1
    ldr r1, [sp, #LEFT]
    subs r1, #1
    bne .Lrow_\name
.Lout_\name:
    b .Lover_\name
.Lerror_\name:
    sxtb r6, r6
    mov r12, r6
    str r0, [sp, #AT]
    str r7, [sp, #ERROR_AT]
    .if \summed
    ldr r1, [sp, #SUM]
    adds r1, r1, r6
    str r1, [sp, #SUM]
    .endif
    ldr r1, [sp, #TO_ARGMAX]
    cmp r1, #0
    beq .Lplaced_\name
    POOLED
.Lplaced_\name:
    ldr r2, [sp, #WALK]
    ldr r1, [sp, #LOOP]
    mov pc, r1
    .endm

@ ROW_END loop, next: behind a row of a window: to the next one at loop, or to the next error at next. 5 cycles to loop.
    .macro ROW_END loop, next
    add r0, r11
    mov r6, r12
    cmp r2, lr
    bne \loop
    ldr r0, [sp, #AT]
    ldr r7, [sp, #ERROR_AT]
    b \next
    .endm

@ ENTER taps, any: LOOP = any, and ENTRY = where a row of the kernel begins in taps, ten bytes of code each. r7 = block.
@ Spoils r1-r3. 13 cycles.
    .macro ENTER taps, any
    ldr r1, [r7, #DEPTHWISE_KERNEL_W]
    movs r2, #LARGEST_KERNEL
    subs r2, r2, r1
    movs r3, #10
    muls r2, r3, r2
    adr r3, \taps
    adds r2, r2, r3
    str r2, [sp, #ENTRY]
    adr r3, \any
    str r3, [sp, #LOOP]
    .endm

    FUNCTION m0k_depthwise_back
    SAVE_ALL
    sub sp, #BACK_FRAME
    movs r7, r0
    str r0, [sp, #BLOCK]
    GEOMETRY
    ERRORS 2
    ldr r0, [r7, #DEPTHWISE_SCRATCH]
    str r0, [sp, #WALK]
    ldr r1, [sp, #TAPS]
    adds r0, r0, r1
    str r0, [sp, #PLANE]
    ldr r0, [sp, #PITCH]
    lsls r0, r0, #2
    ENTER .Lback_taps, .Lback_any
    cmp r1, #3
    bne .Lback_pitch
    adr r3, .Lback_three
    str r3, [sp, #LOOP]
    subs r0, #12                    @ the sums of a row of three are behind r0 then
.Lback_pitch:
    mov r11, r0
    movs r0, #0
.Lback_channel:
    str r0, [sp, #CHANNEL]
    WEIGHTS DEPTHWISE_BACK_WEIGHTS, DEPTHWISE_BACK_PROVIDER, DEPTHWISE_BACK_CONTEXT
    ldr r0, [r7, #DEPTHWISE_KERNEL_H]
    ldr r1, [sp, #ROW_TAPS]
    muls r0, r1, r0
    ldr r1, [sp, #WALK]
    adds r0, r0, r1
    mov lr, r0
    ldr r0, [sp, #PLANE]
    ldr r1, [sp, #AREA]
    movs r2, #0
    FILL r0, r1
    EACH_ERROR back

    .p2align 2
.Lback_three:
    ldm r2!, {r1, r3, r4}
    muls r1, r6, r1
    muls r3, r6, r3
    muls r4, r6, r4
    ldm r0!, {r5, r6, r7}
    subs r0, #12
    adds r5, r5, r1
    adds r6, r6, r3
    adds r7, r7, r4
    stm r0!, {r5, r6, r7}
    ROW_END .Lback_three, .Lnext_back

    .p2align 2
.Lback_any:
    ldr r3, [sp, #ENTRY]
    ldr r1, [sp, #ROW_TAPS]
    mov pc, r3
    .p2align 2
.Lback_taps:
    .set tap, LARGEST_KERNEL
    .rept LARGEST_KERNEL
    .set tap, tap - 1
    ldr r5, [r2, #4 * tap]
    muls r5, r6, r5
    ldr r4, [r0, #4 * tap]
    adds r4, r4, r5
    str r4, [r0, #4 * tap]
    .endr
    adds r2, r2, r1
    ROW_END .Lback_any, .Lnext_back

@ The channel's sums without their padding: r0 the next, r2 = output, r10 = end of its row, r12 = from one to the next, lr =
@ from the end of a row of sums to the next; r3 = gate - output, r5, r6, r7 for rounding.
.Lover_back:
    ldr r7, [sp, #BLOCK]
    ldr r0, [r7, #DEPTHWISE_PAD_H]
    ldr r1, [sp, #PITCH]
    muls r0, r1, r0
    ldr r2, [r7, #DEPTHWISE_PAD_W]
    adds r0, r0, r2
    lsls r0, r0, #2
    ldr r2, [sp, #PLANE]
    adds r0, r0, r2
    ldr r3, [r7, #DEPTHWISE_WIDTH]
    subs r1, r1, r3
    lsls r1, r1, #2
    mov lr, r1
    ldr r1, [r7, #DEPTHWISE_HEIGHT]
    str r1, [sp, #LEFT]
    ldr r1, [sp, #CHANNEL]
    mov r4, r8
    muls r3, r4, r3                 @ bytes of a row of outputs
    ldr r2, [r7, #DEPTHWISE_BACK_DYNAMIC]
    cmp r2, #0
    beq .Lrequantised
    lsls r4, r4, #2
    mov r12, r4
    lsls r3, r3, #2
    lsls r1, r1, #2
    ldr r2, [r7, #DEPTHWISE_BACK_ACC]
    adds r2, r2, r1
.Lsums_row:
    adds r4, r2, r3
    mov r10, r4
.Lsums:
    ldm r0!, {r1}
    str r1, [r2]
    add r2, r12
    cmp r2, r10
    bne .Lsums
    add r0, lr
    ldr r1, [sp, #LEFT]
    subs r1, #1
    str r1, [sp, #LEFT]
    bne .Lsums_row
    b .Lback_next

.Lrequantised:
    str r3, [sp, #OUT_LINE]
    ldr r2, [r7, #DEPTHWISE_BACK_OUT]
    ldr r3, [r7, #DEPTHWISE_BACK_GATE]
    cmp r3, #0
    beq .Lgate_known
    subs r3, r3, r2
.Lgate_known:
    adds r2, r2, r1
    ldr r6, [r7, #DEPTHWISE_BACK_SHIFT]
    ROUND_HALF r5, shift=r6
    SIGN_MASK r7, shift=r6
.Lbytes_row:
    ldr r4, [sp, #OUT_LINE]
    adds r4, r4, r2
    mov r10, r4
.Lbytes:
    ldm r0!, {r1}
    cmp r3, #0
    beq .Lopen
    ldrsb r4, [r2, r3]
    cmp r4, #0
    ble .Lshut
.Lopen:
    ROUND_SHIFT r1, half=r5, shift=r6, mask=r7, spare=r4
    SATURATE r1, spare=r4
.Lbyte:
    strb r1, [r2]
    add r2, r8
    cmp r2, r10
    bne .Lbytes
    add r0, lr
    ldr r1, [sp, #LEFT]
    subs r1, #1
    str r1, [sp, #LEFT]
    bne .Lbytes_row
    ldr r7, [sp, #BLOCK]
.Lback_next:
    ldr r0, [sp, #CHANNEL]
    adds r0, #1
    cmp r0, r8
    beq .Lback_done
    b .Lback_channel
.Lback_done:
    add sp, #BACK_FRAME
    RETURN_ALL
.Lshut:
    movs r1, #0
    b .Lbyte
    END_FUNCTION m0k_depthwise_back

@ TAP n: r1 = byte n of the window's row r0, times the error r6. 3 cycles.
    .macro TAP n
    ldrb r1, [r0, #\n]
    muls r1, r6, r1
    .endm

    FUNCTION m0k_depthwise_grad
    SAVE_ALL
    sub sp, #BACK_FRAME
    movs r7, r0
    str r0, [sp, #BLOCK]
    GEOMETRY
    ERRORS 0
    ldr r0, [r7, #DEPTHWISE_SCRATCH]
    str r0, [sp, #PLANE]
    ldr r1, [sp, #AREA]
    WORDS r1
    ldr r2, .Lgrad_zeros
    FILL r0, r1
    ldr r0, [sp, #PITCH]
    ENTER .Lgrad_taps, .Lgrad_any
    mov r11, r0
    movs r0, #0
    str r0, [sp, #SOME]
    ldr r0, [r7, #DEPTHWISE_GRAD_GRAD]
    str r0, [sp, #WALK]
    ldr r0, [r7, #DEPTHWISE_GRAD_FIRST_OUT]
    ldr r1, [r7, #DEPTHWISE_GRAD_COUNT_OUT]
    adds r1, r0, r1
    str r1, [sp, #LAST]
    b .Lgrad_channel
    .p2align 2
.Lgrad_zeros:
    .word SIGN_BITS

.Lgrad_channel:
    str r0, [sp, #CHANNEL]
    ldr r0, [sp, #CHANNELS]
    mov r8, r0
    ldr r0, [sp, #WALK]
    ldr r1, [sp, #TAPS]
    lsrs r1, r1, #2
    movs r2, #0
    str r2, [sp, #SUM]
    FILL r0, r1

@ Whether there is an error at all: r0 the next, r1 = end.
    ldr r2, [sp, #ROWS]
    ldr r1, [sp, #LINE]
    muls r1, r2, r1
    beq .Lno_error
    ldr r0, [r7, #DEPTHWISE_BACK_ERROR]
    ldr r2, [sp, #CHANNEL]
    adds r0, r0, r2
    adds r1, r1, r0
.Llook:
    ldrb r2, [r0]
    add r0, r8
    cmp r2, #0
    bne .Lfound
    cmp r0, r1
    bne .Llook
.Lno_error:
    b .Lgrad_next
.Lfound:
    movs r0, #1
    str r0, [sp, #SOME]
    mov r10, r11
    MAP
    ldr r0, [r7, #DEPTHWISE_KERNEL_H]
    ldr r1, [sp, #ROW_TAPS]
    cmp r0, #3
    bne .Lnot_nine
    cmp r1, #4 * 3
    bne .Lnot_nine
    b .Lnine
.Lnot_nine:
    mov r11, r10
    muls r0, r1, r0
    ldr r1, [sp, #WALK]
    adds r0, r0, r1
    mov lr, r0
    EACH_ERROR grad, summed=1

    .p2align 2
.Lgrad_any:
    ldr r3, [sp, #ENTRY]
    ldr r1, [sp, #ROW_TAPS]
    mov pc, r3
    .p2align 2
.Lgrad_taps:
    .set tap, LARGEST_KERNEL
    .rept LARGEST_KERNEL
    .set tap, tap - 1
    ldrb r5, [r0, #tap]
    muls r5, r6, r5
    ldr r4, [r2, #4 * tap]
    adds r4, r4, r5
    str r4, [r2, #4 * tap]
    .endr
    adds r2, r2, r1
    ROW_END .Lgrad_any, .Lnext_grad

@ Off what the 128 of each input has added to every tap.
.Lover_grad:
    ldr r7, [sp, #BLOCK]
    ldr r0, [sp, #WALK]
    ldr r2, [sp, #SUM]
    lsls r2, r2, #7
.Loff:
    ldr r1, [r0]
    subs r1, r1, r2
    stm r0!, {r1}
    cmp r0, lr
    bne .Loff
.Lgrad_next:
    ldr r0, [sp, #WALK]
    ldr r1, [sp, #TAPS]
    adds r0, r0, r1
    str r0, [sp, #WALK]
    ldr r0, [sp, #CHANNEL]
    adds r0, #1
    ldr r1, [sp, #LAST]
    cmp r0, r1
    beq .Lgrad_done
    b .Lgrad_channel
.Lgrad_done:
    ldr r0, [r7, #DEPTHWISE_GRAD_ACTIVE]
    ldr r1, [sp, #SOME]
    str r1, [r0]
    add sp, #BACK_FRAME
    RETURN_ALL

@ 3 x 3: r2-r5 and r8-r12 = the sums of the taps, r0 = window, r7 = error, lr = end of the row of errors.
.Lnine:
    movs r2, #0
    movs r3, #0
    movs r4, #0
    movs r5, #0
    mov r8, r2
    mov r9, r2
    mov r10, r2
    mov r11, r2
    mov r12, r2
    ldr r7, [r7, #DEPTHWISE_BACK_ERROR]
    ldr r0, [sp, #CHANNEL]
    adds r7, r7, r0
    ldr r0, [sp, #PLANE]
    ldr r1, [sp, #ROWS]
.Lnine_row:
    str r0, [sp, #ROW]
    str r1, [sp, #LEFT]
    ldr r1, [sp, #LINE]
    adds r1, r1, r7
    mov lr, r1
.Lnine_scan:
    ldrb r6, [r7]
    cmp r6, #0
    bne .Lnine_error
.Lnine_next:
    ldr r1, [sp, #STEP]
    adds r0, r0, r1
    ldr r1, [sp, #CHANNELS]
    adds r7, r7, r1
    cmp r7, lr
    bne .Lnine_scan
    ldr r0, [sp, #ROW]
    ldr r1, [sp, #ROW_STEP]
    adds r0, r0, r1
    ldr r1, [sp, #LEFT]
    subs r1, #1
    bne .Lnine_row
    b .Lnine_over
.Lnine_error:
    sxtb r6, r6
    ldr r1, [sp, #SUM]
    adds r1, r1, r6
    str r1, [sp, #SUM]
    str r0, [sp, #AT]
    ldr r1, [sp, #TO_ARGMAX]
    cmp r1, #0
    beq .Lnine_taps
    POOLED
.Lnine_taps:
    TAP 0
    adds r2, r2, r1
    TAP 1
    adds r3, r3, r1
    TAP 2
    adds r4, r4, r1
    ldr r1, [sp, #PITCH]
    adds r0, r0, r1
    TAP 0
    adds r5, r5, r1
    TAP 1
    add r8, r1
    TAP 2
    add r9, r1
    ldr r1, [sp, #PITCH]
    adds r0, r0, r1
    TAP 0
    add r10, r1
    TAP 1
    add r11, r1
    TAP 2
    add r12, r1
    ldr r0, [sp, #AT]
    b .Lnine_next

.Lnine_over:
    ldr r6, [sp, #WALK]
    ldr r1, [sp, #SUM]
    lsls r1, r1, #7                 @ what the 128 of each input has added
    subs r2, r2, r1
    subs r3, r3, r1
    subs r4, r4, r1
    subs r5, r5, r1
    stm r6!, {r2, r3, r4, r5}
    mov r2, r8
    mov r3, r9
    mov r4, r10
    mov r5, r11
    mov r7, r12
    subs r2, r2, r1
    subs r3, r3, r1
    subs r4, r4, r1
    subs r5, r5, r1
    subs r7, r7, r1
    stm r6!, {r2, r3, r4, r5, r7}
    ldr r7, [sp, #BLOCK]
    b .Lgrad_next
    END_FUNCTION m0k_depthwise_grad
