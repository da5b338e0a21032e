/*
 * m0k_bias_update(const m0k_bias_update_t *p): biases of a layer by the sum of the errors of each channel.
 *
 *   s = sum over positions of error[position][c];  t = round_shift(s, right)
 *   biases[c] = clamp(biases[c] - clamp(t << left)), both to -limit .. limit
 *
 * Shapes    error int8[positions][channels], biases int32[channels]; positions and channels 1 or more. A dense layer has
 *           one position. Errors behind a pool are the pool's: it passes on their sum.
 * Ranges    error -127 .. 127; positions up to 2^22; right 0 .. 31, left 0 .. 30, limit 0 .. 2^29 - 1, |biases| <= limit.
 *           Alignment 4.
 * Stack     60 bytes.
 *
 * Where channels are a multiple of 4, four of them are summed at a time, as e + 128 in lanes of 16 bits, which hold 256.
 * Cycles    59 + channels / 4 * (139 + 41 * ceil(positions / 256) + 11 * positions), or else 59 + channels * (63 + 5 *
 *           positions), 2 more a channel where positions are odd; 3 more for each step that is clamped, 2 for each bias
 *           above limit, 4 below: exact. Cortex-M0+.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "m0k.inc"

@ The frame: four sums, the errors of the next channel at position 0, the end of the biases.
    .equ S_ERROR, 16
    .equ S_END, 20
    .equ FRAME, 24

@ ADD_SUM x, at: the sum at [sp, at] += x. Spoils r4. 5 cycles.
    .macro ADD_SUM x, at
    ldr r4, [sp, #\at]
    adds r4, r4, \x
    str r4, [sp, #\at]
    .endm

@ lr = block, r8 = half of the last place of s, r9 = the largest t that is not clamped, r11 = next bias.
    FUNCTION m0k_bias_update
    SAVE_ALL
    sub sp, #FRAME
    mov lr, r0
    ldr r1, [r0, #BIAS_UPDATE_ERROR]
    str r1, [sp, #S_ERROR]
    ldr r1, [r0, #BIAS_UPDATE_BIASES]
    mov r11, r1
    ldr r2, [r0, #BIAS_UPDATE_CHANNELS]
    lsls r2, r2, #2
    adds r1, r1, r2
    str r1, [sp, #S_END]
    ldr r3, [r0, #BIAS_UPDATE_RIGHT]
    ROUND_HALF r2, r3
    mov r8, r2
    ldr r3, [r0, #BIAS_UPDATE_LIMIT]
    ldr r2, [r0, #BIAS_UPDATE_LEFT]
    lsrs r3, r2
    mov r9, r3

@ Channels: r0 error at position 0, r1 positions, r5 channels.
.Lgroup:
    mov r7, lr
    ldr r5, [r7, #BIAS_UPDATE_CHANNELS]
    ldr r1, [r7, #BIAS_UPDATE_POSITIONS]
    ldr r0, [sp, #S_ERROR]
    lsls r2, r5, #30
    bne .Lone

@ Four of them: their sums begin with what e + 128 is too much. r10 = end of the sums, r12 = positions left.
    adds r2, r0, #4
    str r2, [sp, #S_ERROR]
    mov r12, r1
    lsls r1, r1, #7
    rsbs r1, r1, #0
    movs r2, r1
    movs r3, r1
    movs r4, r1
    mov r6, sp
    stm r6!, {r1-r4}
    mov r10, r6
    ldr r6, .Lsigns
    ldr r7, .Llanes

@ At most 256 positions: r0 error, r1 all four bytes, which carry into one another, r2 the upper of each two, r4 end.
.Lsome:
    movs r4, #1
    lsls r4, r4, #8
    mov r3, r12
    cmp r3, r4
    bhi .Lcount_known
    movs r4, r3
.Lcount_known:
    subs r3, r3, r4
    mov r12, r3
    muls r4, r5, r4
    adds r4, r0, r4
    movs r1, #0
    movs r2, #0
.Lword:
    ldr r3, [r0]
    adds r0, r0, r5
    eors r3, r6
    adds r1, r1, r3
    lsrs r3, r3, #8
    ands r3, r7
    adds r2, r2, r3
    cmp r0, r4
    bne .Lword
    lsls r3, r2, #8
    subs r1, r1, r3                 @ what is left are the lower of each two
    uxth r3, r1
    ADD_SUM r3, 0
    uxth r3, r2
    ADD_SUM r3, 4
    lsrs r1, r1, #16
    ADD_SUM r1, 8
    lsrs r2, r2, #16
    ADD_SUM r2, 12
    mov r3, r12
    cmp r3, #0
    bne .Lsome

@ Sums to biases: r0 sums up to r10, r1 biases, r2 the sum, r3 its sign, then the bias, r4 right, r5 left, r6 limit, r7
@ -limit.
.Lsums_known:
    mov r7, lr
    ldr r4, [r7, #BIAS_UPDATE_RIGHT]
    ldr r5, [r7, #BIAS_UPDATE_LEFT]
    ldr r6, [r7, #BIAS_UPDATE_LIMIT]
    rsbs r7, r6, #0
    mov r0, sp
    mov r1, r11
.Lbias:
    ldm r0!, {r2}
    MAGNITUDE r2, r3
    add r2, r8
    lsrs r2, r4
    cmp r2, r9
    bhi .Lstep_clamped
    lsls r2, r5
.Lsigned:
    eors r2, r3
    subs r2, r2, r3
    ldr r3, [r1]
    subs r3, r3, r2
    cmp r3, r6
    bgt .Labove
    cmp r3, r7
    blt .Lbelow
.Lstore:
    stm r1!, {r3}
    cmp r0, r10
    bne .Lbias
    mov r11, r1
    ldr r2, [sp, #S_END]
    cmp r1, r2
    bne .Lgroup
    add sp, #FRAME
    RETURN_ALL

.Lstep_clamped:
    mov r2, r6
    b .Lsigned
.Labove:
    mov r3, r6
    b .Lstore
.Lbelow:
    mov r3, r7
    b .Lstore

@ One channel, from the last position to the first, two a round, entered in its middle for an odd number: r2 sum, r3
@ error, r4 its offset.
.Lone:
    adds r2, r0, #1
    str r2, [sp, #S_ERROR]
    subs r4, r1, #1
    muls r4, r5, r4
    movs r2, #0
    lsrs r1, r1, #1
    bcs .Lodd
.Ltwo:
    ldrsb r3, [r0, r4]
    adds r2, r2, r3
    subs r4, r4, r5
.Lodd:
    ldrsb r3, [r0, r4]
    adds r2, r2, r3
    subs r4, r4, r5
    bpl .Ltwo
    str r2, [sp]
    mov r2, sp
    adds r2, #4
    mov r10, r2
    b .Lsums_known
    .p2align 2
.Lsigns:
    .word SIGN_BITS
.Llanes:
    .word EVEN_BYTES
    END_FUNCTION m0k_bias_update
