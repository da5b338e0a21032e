/*
 * Which channels learn: those with the largest sums of |error|. The errors of the others become 0.      ARMv6-M, AAPCS
 *
 * m0k_choose_channels { error, out, positions, channels, sums, loss_error, label, lo, hi }
 *     k = ceil(channels * (lo + (hi - lo) * |loss_error[*label]| / 127) / 100)
 *     sums[c] = the sum over the positions of |error[position][c]|
 *     out[position][c] = error[position][c] where sums[c] is one of the k largest, the first of equal ones, else 0;
 *     sums[c] = 0, too, where it is not
 *
 * error, out int8[positions][channels], -127 .. 127, 4-aligned; out is error, or apart from it. sums uint32[channels],
 * 4-aligned. loss_error int8, *label a uint32. lo and hi 0 .. 100. positions and channels 1 .. 65,535, and
 * positions * 127 < 2^31. Where k is channels and out is error, sums is filled with numbers that are not 0.
 *
 * The k-th largest sum is built from its highest bit down: a bit is set where k sums or more are as large as that. That
 * ends early where it is just k. Channels in fours are summed and masked by words: magnitudes in two lanes of 16 bits,
 * up to 512 of them.
 *
 * Stack     52 bytes.
 * Cycles    at most 330 + 6 * channels + (35 + 7 * channels) * the bit length of the largest sum
 *           + for each four channels 130 + 30 * positions, 21 of them to sum, 9 where the four errors are 0, and 9 to
 *             mask, which in place is not done where all four are chosen; + 50 for each 512 positions begun.
 *           channels % 4 != 0: instead, for each channel 45 + 19 * positions. Cortex-M0+.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "m0k.inc"

    .equ LARGEST, 127               @ magnitude of an error
    .equ LANE_BITS, 9               @ 2^9 of them fit a lane: 512 * 127 < 2^16

    .equ BLOCK, 0
    .equ COUNT, 4                   @ k
    .equ APART, 8                   @ out - error, 0 in place
    .equ TIES, 12
    .equ FRAME, 16

@ CHOSEN no, yes: to no unless the next sum, at r0, is one of the k largest; else on, or from there to yes. r12 = the
@ least of them, lr = how many that equal it are left; may become negative. Spoils r4, r6. 12 cycles at the most.
    .macro CHOSEN no
    ldm r0!, {r4}
    cmp r4, r12
    bhi .Lyes\@
    bne \no
    mov r6, lr
    subs r6, #1
    mov lr, r6
    bmi \no
.Lyes\@:
    .endm

@ MASK_BYTE j: go to .Lnot_chosenJ unless the next channel is chosen, from where it goes on. As CHOSEN. 12 cycles.
    .macro MASK_BYTE j
    CHOSEN .Lnot_chosen\j
.Lchosen\j:
    .endm

@ NOT_CHOSEN: the sum before r0 to 0. Spoils r4. 4 cycles.
    .macro NOT_CHOSEN
    movs r4, #0
    subs r0, #4
    stm r0!, {r4}
    .endm

@ NO_BYTE j: of a channel that is not chosen, byte j of the mask r5 to 0; on behind MASK_BYTE. Spoils r4, r7. 9 cycles.
    .macro NO_BYTE j
.Lnot_chosen\j:
    NOT_CHOSEN
    movs r7, #255
    .if \j
    lsls r7, r7, #(8 * \j)
    .endif
    bics r5, r7
    b .Lchosen\j
    .endm

@ ADD_LANE sum, lanes, half: sums[sum] of r4 += the lower (uxth) or upper (lsrs) half of lanes. Spoils r5, r6. 6 cycles.
    .macro ADD_LANE sum, lanes, half
    ldr r5, [r4, #(4 * \sum)]
    .ifc \half, uxth
    uxth r6, \lanes
    .else
    lsrs r6, \lanes, #16
    .endif
    adds r5, r5, r6
    str r5, [r4, #(4 * \sum)]
    .endm

    FUNCTION m0k_choose_channels
    SAVE_ALL
    sub sp, #FRAME
    str r0, [sp, #BLOCK]
    mov r7, r0

@ r0 = k, the quotient of r2 by r3, rounded up. r1 = channels.
    ldr r1, [r7, #CHOOSE_CHANNELS_LOSS_ERROR]
    ldr r2, [r7, #CHOOSE_CHANNELS_LABEL]
    ldr r2, [r2]
    ldrsb r1, [r1, r2]
    MAGNITUDE r1, r2
    ldr r2, [r7, #CHOOSE_CHANNELS_LO]
    ldr r3, [r7, #CHOOSE_CHANNELS_HI]
    subs r3, r3, r2
    muls r3, r1, r3
    movs r4, #LARGEST
    muls r2, r4, r2
    adds r2, r2, r3
    ldr r1, [r7, #CHOOSE_CHANNELS_CHANNELS]
    muls r2, r1, r2                 @ < 2^30
    ldr r3, .Lwhole
    movs r0, #0
    movs r4, #16
.Lquotient:
    lsrs r3, r3, #1
    cmp r2, r3
    blo .Lquotient_bit
    subs r2, r2, r3
.Lquotient_bit:
    adcs r0, r0                     @ the carry is that of CMP, or SUBS, which borrows nothing
    subs r4, #1
    bne .Lquotient
    cmp r2, #1
    adcs r0, r4
    str r0, [sp, #COUNT]

    ldr r2, [r7, #CHOOSE_CHANNELS_ERROR]
    ldr r3, [r7, #CHOOSE_CHANNELS_OUT]
    subs r3, r3, r2
    str r3, [sp, #APART]
    bne .Lsum
    cmp r0, r1
    blo .Lsum
    ldr r2, [r7, #CHOOSE_CHANNELS_SUMS]
.Lall:
    stm r2!, {r0}
    subs r1, #1
    bne .Lall
    b .Ldone
.Lsum:
    mov r9, r1
    mov lr, r2
    adds r2, r2, r1
    mov r12, r2
    ldr r6, [r7, #CHOOSE_CHANNELS_SUMS]
    ldr r2, [r7, #CHOOSE_CHANNELS_POSITIONS]
    mov r8, r2
    lsls r4, r1, #30
    beq .Lsum_words

@ Channel after channel: r0 error, r1 sum, r2 positions left, r3 channels, r4, r5 free, r6 sums, r7 0; r8 positions, r12
@ end of the first position, lr its channel.
    movs r3, r1
    movs r7, #0
.Lsum_channel:
    mov r0, lr
    movs r1, #0
    mov r2, r8
.Lsum_byte:
    ldrsb r4, [r0, r7]
    adds r0, r0, r3
    MAGNITUDE r4, r5
    adds r1, r1, r4
    subs r2, #1
    bne .Lsum_byte
    stm r6!, {r1}
    mov r4, lr
    adds r4, #1
    mov lr, r4
    cmp r4, r12
    blo .Lsum_channel
    b .Lselect

.Ldone:
    add sp, #FRAME
    RETURN_ALL

@ Four channels after four: r0 error, r1 lanes of channels 0 and 2, r2 those of 1 and 3, r3 EVEN_BYTES, r4 a word, r5, r6
@ free, r7 positions left of those that fit; r8 SIGN_BITS, r9 channels, r10 positions left after them, r11 sums, r12 end
@ of the first position, lr its word.
.Lsum_words:
    mov r11, r6
    ldr r3, .Llanes
    ldr r4, .Lsigns
    mov r8, r4
.Lsum_column:
    movs r1, #0
    movs r2, #0
    movs r5, #0
    movs r6, #0
    mov r4, r11
    stm r4!, {r1, r2, r5, r6}
    ldr r4, [sp, #BLOCK]
    ldr r7, [r4, #CHOOSE_CHANNELS_POSITIONS]
    mov r0, lr
.Lsum_some:
    movs r4, #1
    lsls r4, r4, #LANE_BITS
    subs r5, r7, r4
    bhs .Lsum_full
    movs r4, r7
    movs r5, #0
.Lsum_full:
    mov r10, r5
    movs r7, r4
    movs r1, #0
    movs r2, #0
.Lsum_word:
    ldr r4, [r0]
    add r0, r9
    cmp r4, #0
    beq .Lsum_next
    mov r5, r8
    ands r5, r4
    lsrs r6, r5, #7                 @ 1 in each byte that is negative,
    lsls r5, r6, #8
    subs r5, r5, r6                 @ and 255
    eors r4, r5
    adds r4, r4, r6
    movs r5, r4
    ands r5, r3
    adds r1, r1, r5
    lsrs r4, r4, #8
    ands r4, r3
    adds r2, r2, r4
.Lsum_next:
    subs r7, #1
    bne .Lsum_word
    mov r4, r11
    ADD_LANE 0, r1, uxth
    ADD_LANE 1, r2, uxth
    ADD_LANE 2, r1, lsrs
    ADD_LANE 3, r2, lsrs
    mov r7, r10
    cmp r7, #0
    bne .Lsum_some
    adds r4, #16
    mov r11, r4
    mov r4, lr
    adds r4, #4
    mov lr, r4
    cmp r4, r12
    blo .Lsum_column

@ r7 = the k-th largest sum. r0 sums, r1 how many are r3 or more, r2 their end, r4 a sum, r5 0, r6 a bit; r8 k, r9
@ channels, r10 sums, r11 how many are larger than r7.
.Lselect:
    ldr r7, [sp, #BLOCK]
    ldr r0, [r7, #CHOOSE_CHANNELS_SUMS]
    mov r10, r0
    mov r2, r9
    lsls r2, r2, #2
    adds r2, r0, r2
    ldr r3, [sp, #COUNT]
    mov r8, r3
    movs r1, #0
.Lselect_or:
    ldm r0!, {r4}
    orrs r1, r4
    cmp r0, r2
    blo .Lselect_or
    movs r6, #1
.Lselect_highest:
    lsrs r1, r1, #1
    beq .Lselect_begin
    lsls r6, r6, #1
    b .Lselect_highest
.Lselect_begin:
    movs r7, #0
    movs r5, #0
    mov r11, r5
.Lselect_bit:
    movs r3, r7
    orrs r3, r6
    mov r0, r10
    movs r1, #0
.Lselect_next:
    ldm r0!, {r4}
    cmp r4, r3
    adcs r1, r5                     @ the carry: no borrow
    cmp r0, r2
    blo .Lselect_next
    cmp r1, r8
    beq .Lselect_just
    bhi .Lselect_set
    mov r11, r1
    b .Lselect_lower
.Lselect_set:
    movs r7, r3
.Lselect_lower:
    lsrs r6, r6, #1
    bne .Lselect_bit
    mov r3, r8
    mov r4, r11
    subs r5, r3, r4
    b .Lselected
.Lselect_just:
    subs r7, r3, #1                 @ all that are larger than that, and r5 = 0 more
.Lselected:

@ In place, 0 as the least sum leaves all as it is.
    ldr r2, [sp, #APART]
    mov r4, r7
    orrs r4, r2
    beq .Ldone
    mov r12, r7
    mov lr, r5
    ldr r7, [sp, #BLOCK]
    ldr r1, [r7, #CHOOSE_CHANNELS_ERROR]
    mov r8, r1
    ldr r4, [r7, #CHOOSE_CHANNELS_POSITIONS]
    mov r11, r4
    mov r0, r10
    mov r3, r9
    adds r1, r1, r3
    mov r10, r1
    lsls r4, r3, #30
    beq .Lmask_column

@ Channel after channel: r0 sums, r1 error, r2 out - error, r3 channels, r4 an error, r5 mask, r6 positions left, r7 free;
@ r8 channel of the first position, r10 its end, r11 positions, r12, lr as CHOSEN has them.
.Lmask_channel:
    movs r5, #0
    CHOSEN .Lmask_none
    mvns r5, r5
    cmp r2, #0
    beq .Lmask_spared
    b .Lmask_known
.Lmask_none:
    NOT_CHOSEN
.Lmask_known:
    mov r1, r8
    mov r6, r11
.Lmask_byte:
    ldrb r4, [r1]
    ands r4, r5
    strb r4, [r1, r2]
    adds r1, r1, r3
    subs r6, #1
    bne .Lmask_byte
.Lmask_spared:
    mov r4, r8
    adds r4, #1
    mov r8, r4
    cmp r4, r10
    blo .Lmask_channel
.Lmasked:
    b .Ldone

@ Four channels after four: the same with words; r7 the bits of the mask that are cleared.
    NO_BYTE 0
    NO_BYTE 1
    NO_BYTE 2
.Lmask_column:
    movs r5, #0
    mvns r5, r5
    MASK_BYTE 0
    MASK_BYTE 1
    MASK_BYTE 2
    MASK_BYTE 3
    mov r4, r5
    adds r4, #1
    orrs r4, r2
    beq .Lmask_spared_word
    mov r1, r8
    mov r6, r11
.Lmask_word:
    ldr r4, [r1]
    ands r4, r5
    str r4, [r1, r2]
    adds r1, r1, r3
    subs r6, #1
    bne .Lmask_word
.Lmask_spared_word:
    mov r4, r8
    adds r4, #4
    mov r8, r4
    cmp r4, r10
    blo .Lmask_column
    b .Lmasked
    NO_BYTE 3
    .p2align 2
.Lwhole:
    .word (LARGEST * 100) << 16
.Llanes:
    .word EVEN_BYTES
.Lsigns:
    .word SIGN_BITS
    END_FUNCTION m0k_choose_channels
