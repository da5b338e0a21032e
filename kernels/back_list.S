/*
 * The list of errors that are not zero, and the sums over it: for m0k_dense_back, not for C.
 *
 * m0k_back_list makes the list of some groups of outputs, and says whether it pays. m0k_back_columns adds
 * sum of w * e over the list to the accumulators, 16 inputs a round: their 16 sums stay in registers, two a register,
 * over all the errors whose magnitudes add up to LANE_ERRORS at most, a chunk of the list. The layout of weights and
 * what two lanes hold is said in dense_back.S and back.inc.
 *
 * The list, two words an item: {error, address of the output's weights for the next 16 inputs}; each chunk ends with
 * {0, what the 128 of the stored weights adds to its lanes}. A chunk has at least two errors, but for the last one.
 *
 * Stack 4 bytes, m0k_back_columns 24.
 * Cycles for 16 inputs: 42 for each error, 120 for each chunk, 40 of its own; m0k_dense_back, which takes the errors of
 * a group at once or in pairs, 244, or 184 for each pair and 144 for one left over.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "back.inc"

@ Half cycles for one word of four inputs: what the list saves is known before it is used.
    .equ COST_ROUND, 20
    .equ COST_ERROR, 21
    .equ COST_CHUNK, 60
    .equ COST_QUAD, 122             @ a group's four errors at once
    .equ COST_PAIR_HALF, 46         @ two errors in a pair
    .equ COST_SINGLE_MORE, 26       @ one that is left over

    .equ COUNTED, 1 << 16           @ an error, above the magnitudes

@ CLOSE_CHUNK: ends the chunk at r3; r9 = the sum of its errors becomes 0, r8 = cycles saved. Spoils r2, r4. 13 cycles.
    .macro CLOSE_CHUNK
    mov r4, r9
    negs r4, r4
    lsls r4, r4, #7
    lsls r2, r4, #16
    adds r4, r4, r2                 @ -BIAS_LANES * sum
    movs r2, #0
    mov r9, r2
    stm r3!, {r2, r4}
    mov r2, r8
    subs r2, #COST_CHUNK
    mov r8, r2
    .endm

@ --------------------------------------------------------------------------------------- m0k_back_list (not for C)
@ In: r0 error words, r1 their end, not equal; r2 weights of the first group; r3 list; r4 bytes of a group.
@ Out: r3 end of the list, equal to its beginning where all errors are zero; r6 weights behind the last group; r8 half
@ cycles that the list saves for each word of inputs, signed. Spoils r0-r12. 4 bytes of stack.
@ 29 cycles, 9 a group of zeros, else 45 a group, 6 for an error of zero and 21 for another, 15 a chunk.
@ In the loops: r0 error words, r1 errors left of the group, r2, r4 free, r3 list, r5 the group's errors counted and
@ magnitudes, r6 weights of the output, r7 magnitudes that still fit the chunk, r8 savings, r9 sum of the chunk's
@ errors, r10 bytes of a group, r11 weights of the group, r12 end of the errors, lr COUNTED.
    FUNCTION m0k_back_list
    push {lr}
    mov r12, r1
    mov r11, r2
    mov r6, r2
    mov r10, r4
    movs r4, #1
    lsls r4, r4, #16
    mov lr, r4
    movs r7, #(LANE_ERRORS / 2)
    lsls r7, r7, #1
    movs r4, #0
    mov r9, r4
    subs r4, #COST_ROUND
    mov r8, r4
    b .Lgroup
.Lno_errors:
    add r11, r10
    mov r6, r11
    cmp r0, r12
    beq .Llisted
.Lgroup:
    ldm r0!, {r1}
    cmp r1, #0
    beq .Lno_errors
    movs r5, #0
.Lerror:
    sxtb r2, r1
    movs r4, r2
    beq .Lnext
    bpl .Lpositive
    negs r4, r4
.Lpositive:
    adds r5, r5, r4
    add r5, lr
    subs r7, r7, r4
    bmi .Lchunk_full
.Lfits:
    add r9, r2
    stm r3!, {r2, r6}
.Lnext:
    adds r6, #4
    lsrs r1, r1, #8
    bne .Lerror

@ What this group costs without a list, less what its errors cost in it.
    lsrs r4, r5, #16                @ errors
    uxth r5, r5
    movs r2, #COST_QUAD
    cmp r4, #3
    blo .Lfew
    subs r5, #(LANE_ERRORS / 2)
    cmp r5, #(LANE_ERRORS / 2)
    ble .Lcosted
.Lfew:
    movs r2, #COST_PAIR_HALF
    muls r2, r4, r2
    lsrs r5, r4, #1
    bcc .Lcosted
    adds r2, #COST_SINGLE_MORE
.Lcosted:
    movs r5, #COST_ERROR
    muls r4, r5, r4
    subs r2, r2, r4
    add r8, r2
    add r11, r10
    mov r6, r11
    cmp r0, r12
    bne .Lgroup
.Llisted:
    CLOSE_CHUNK
    pop {pc}

.Lchunk_full:
    movs r7, #(LANE_ERRORS / 2)
    lsls r7, r7, #1
    subs r7, r7, r4
    CLOSE_CHUNK
    sxtb r2, r1
    b .Lfits
    END_FUNCTION m0k_back_list

@ ------------------------------------------------------------------------------------ m0k_back_columns (not for C)
@ In: r0 list, r1 its end, not equal; r2 accumulators of the first input, r3 of the input behind the last: 16 inputs or
@     a multiple; r4 gate, 4-aligned, or 0: 16 inputs whose gates are all zero are left out.
@ The list's addresses move on with the inputs. Spoils r0-r12. 24 bytes of stack.
@ 13 cycles, and for each 16 inputs 40 + 120 a chunk + 42 an error; where gates are zero 34, and 12 for each item of
@ the list before the next ones that are not.
    .equ LIST, 0
    .equ LIST_END, 4
    .equ ACC, 8
    .equ ACC_END, 12
    .equ GATE, 16
    .equ ROUND_BYTES, 64            @ weights of 16 inputs, and their accumulators

@ WORD set, even, odd, at: the lanes of the word at r2 + at times the error r1: first, or added to, even and odd. r3 =
@ EVEN_BYTES. Spoils r4, r5. 8 cycles.
    .macro WORD set, even, odd, at
    ldr r4, [r2, #\at]
    lsrs r5, r4, #8
    ands r5, r3
    muls r4, r1, r4
    \set \even, r4
    muls r5, r1, r5
    \set \odd, r5
    .endm

@ ERROR set: the 16 sums of one error: r1 error, r0 behind it in the list, which moves to the next item. r3 =
@ EVEN_BYTES. Spoils r2, r4, r5. 37 cycles.
    .macro ERROR set
    ldr r2, [r0]
    WORD \set, r8, r9, 0
    WORD \set, r10, r11, 16
    WORD \set, r12, lr, 32
    WORD \set, r6, r7, 48
    adds r2, #ROUND_BYTES
    stm r0!, {r2}
    .endm

@ WIDEN: adds the lanes r6, r7 to the four accumulators at r3, which moves on. r1 = the chunk's bias. Spoils r2, r4-r7.
@ 25 cycles.
    .macro WIDEN
    lsls r2, r7, #8
    subs r6, r6, r2
    adds r6, r6, r1
    adds r7, r7, r1
    ldr r2, [r3, #0]
    asrs r4, r6, #16                @ carry: the low lane was negative and borrowed
    adcs r4, r2
    ldr r2, [r3, #4]
    asrs r5, r7, #16
    adcs r5, r2
    ldr r2, [r3, #8]
    sxth r6, r6
    adds r6, r6, r2
    ldr r2, [r3, #12]
    sxth r7, r7
    adds r7, r7, r2
    stm r3!, {r4-r7}
    .endm

    FUNCTION m0k_back_columns
    push {r0-r4, lr}
    movs r3, #0                     @ bytes that the list's addresses are behind
    b .Lround

.Lclosed:                           @ 16 gates of zero
    adds r3, #ROUND_BYTES
.Lround_done:
    ldr r0, [sp, #ACC]
    adds r0, #ROUND_BYTES
    str r0, [sp, #ACC]
    ldr r1, [sp, #ACC_END]
    cmp r0, r1
    bne .Lround
    pop {r0-r4, pc}
.Lround:
    ldr r0, [sp, #GATE]
    cmp r0, #0
    beq .Lopen
    ldm r0!, {r1, r2, r4, r5}
    str r0, [sp, #GATE]
    orrs r1, r2
    orrs r1, r4
    orrs r1, r5
    beq .Lclosed
.Lopen:
    ldr r0, [sp, #LIST]
    cmp r3, #0
    beq .Lchunk

@ Move the list's addresses on by r3: r1 error, r2 address, r4 end.
    ldr r4, [sp, #LIST_END]
.Lmove:
    ldm r0!, {r1}
    ldr r2, [r0]
    cmp r1, #0
    beq .Lmoved                     @ the end of a chunk has no address
    adds r2, r2, r3
.Lmoved:
    stm r0!, {r2}
    cmp r0, r4
    bne .Lmove
    ldr r0, [sp, #LIST]

@ A chunk: r0 list, r1 error, r2 weights, r3 EVEN_BYTES, r4, r5 free; sums of inputs 2, 3, 0, 1 of four words, even and
@ odd bytes: r8 and r9, r10 and r11, r12 and lr, r6 and r7.
.Lchunk:
    ldr r3, .Leven_bytes
    ldm r0!, {r1}
    ERROR mov
    ldm r0!, {r1}
    cmp r1, #0
    beq .Lchunk_end
.Lchunk_error:
    ERROR add
    ldm r0!, {r1}
    cmp r1, #0
    bne .Lchunk_error
.Lchunk_end:
    ldm r0!, {r1}
    ldr r3, [sp, #ACC]
    adds r3, #48
    WIDEN
    subs r3, #ROUND_BYTES
    mov r6, r8
    mov r7, r9
    WIDEN
    mov r6, r10
    mov r7, r11
    WIDEN
    mov r6, r12
    mov r7, lr
    WIDEN
    ldr r2, [sp, #LIST_END]
    cmp r0, r2
    bne .Lchunk_more
    movs r3, #0
    b .Lround_done
.Lchunk_more:
    b .Lchunk
    .p2align 2
.Leven_bytes:
    .word EVEN_BYTES
    END_FUNCTION m0k_back_columns
