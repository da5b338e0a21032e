/*
 * Zeroth order: draws that are made again instead of kept, weights with them, and a loss to compare.     ARMv6-M, AAPCS
 *
 * Draws. Output o of a layer has blocks = ceil(n_in / 2^sparsity) of them, number n = first + o * blocks + k of a layer
 * being for its inputs k * 2^sparsity and up:
 *     d = mix(*key + n * 0x9E3779B9) mod 2^32
 *     i = k * 2^sparsity + d mod 2^sparsity;  W[o][i] becomes sat(W[o][i] + steps[(d >> 16) * count >> 16]), i < n_in
 *     mix(x): x ^= x >> 16;  x *= 0x85EBCA6B;  x ^= x >> 13;  x *= 0xC2B2AE35;  x ^= x >> 16
 * mix is the finaliser of MurmurHash3 (Austin Appleby, public domain).
 *
 * m0k_zo_next { steps, key, seed }: *steps += 1;  *key = mix(seed + *steps * 0x9E3779B9)
 * const uint8_t *m0k_rows_zo(const void *c, uint32_t group), c = { n_in, n_out, key, first, sparsity, count, weights,
 *     scratch, row_bytes, steps }: the group's edges with their draws, in scratch, which it returns. Any order of groups.
 * m0k_zo_move { n_in, n_out, key, first, sparsity, count, weights, loss_added, loss_taken, down, up }: the weights in
 *     place, by the steps down where *loss_added > *loss_taken, by up where it is less; nothing where they are equal.
 * const void *m0k_zo_loss { logits, label, classes, exponent_address, loss }: *loss = 2^12 times the cross-entropy in
 *     bits. Returns 0. With E = clamp(*exponent_address, -15, 7), z_j = floor(o_j * 47274 * 2^(E - 3)), and between
 *     powers of two 2^f = 1 + f and log2(1 + f) = f:  loss = log2(sum 2^(z_j - max z)) + max z - z_label, each 2^x in
 *     16 bits behind the point.
 *
 * Ranges    n_in, n_out 1 .. 65535; sparsity 0 .. 16; count 1 .. 65535; steps int8; weights an edge array (m0k.h), 1 ..
 *           255; padding edges stay as they are. row_bytes = 4 * P, P being n_in rounded up to 4; scratch as many bytes.
 *           logits -127 .. 127, classes 1 .. 65535, *label < classes. Alignment 4 for what holds words and edges.
 * Stack     m0k_zo_next 0 bytes, m0k_rows_zo 68, m0k_zo_move 56, m0k_zo_loss 24.
 * Cycles    m0k_zo_next exactly 31 (Cortex-M0+); at most
 *     m0k_rows_zo   124 + 13 * row_bytes / 16, and as m0k_zo_move for each of its outputs
 *     m0k_zo_move   112 + n_out * (14 + 44 * blocks) + 2 * floor(n_out / 4); 21 where the losses are equal
 *     m0k_zo_loss   110 + 27 * classes.
 *   A draw that is no step takes 15 fewer, one for no input 23.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "m0k.inc"

    .equ STRIDE, 0x9E3779B9
    .equ MIX_1, 0x85EBCA6B
    .equ MIX_2, 0xC2B2AE35

@ MIX x, first, second, spare: x = mix(x), first = MIX_1. second: an instruction that makes spare MIX_2. 9 cycles and its.
    .macro MIX x, first, spare, second:vararg
    lsrs \spare, \x, #16
    eors \x, \spare
    muls \x, \first, \x
    lsrs \spare, \x, #13
    eors \x, \spare
    \second
    muls \x, \spare, \x
    lsrs \spare, \x, #16
    eors \x, \spare
    .endm

    FUNCTION m0k_zo_next
    ldr r1, [r0, #ZO_NEXT_STEPS]
    ldr r2, [r1]
    adds r2, #1
    str r2, [r1]
    ldr r3, .Lnext_stride
    muls r2, r3, r2
    ldr r3, [r0, #ZO_NEXT_SEED]
    adds r2, r2, r3
    ldr r1, .Lnext_mix_1
    MIX r2, r1, r3, ldr r3, .Lnext_mix_2
    ldr r1, [r0, #ZO_NEXT_KEY]
    str r2, [r1]
    bx lr
    .p2align 2
.Lnext_stride:
    .word STRIDE
.Lnext_mix_1:
    .word MIX_1
.Lnext_mix_2:
    .word MIX_2
    END_FUNCTION m0k_zo_next

@ The fields that both blocks begin with are read by the names of m0k_rows_zo.
    .equ DONE, 0                    @ outputs done
    .equ ALL, 4                     @ outputs
    .equ REST, 8                    @ from behind the fourth output's first word to the next group
    .equ FRAME, 12

@ Draws for r2 > 0 outputs from group r3 on, whose edges are at r1, by the steps at r4. r0 block. Spoils r0-r3, r12.
    LOCAL_FUNCTION m0k_zo_outputs
    push {r4-r7, lr}
    mov r5, r8
    mov r6, r9
    mov r7, r10
    push {r5-r7}
    mov r5, r11
    push {r5}
    sub sp, #FRAME
    str r2, [sp, #ALL]
    movs r5, #0
    str r5, [sp, #DONE]
    ldr r2, [r0, #ROWS_ZO_N_IN]
    mov lr, r2
    movs r5, r2
    GROUP_BYTES r5
    subs r5, #16
    str r5, [sp, #REST]
    ldr r6, [r0, #ROWS_ZO_SPARSITY]
    movs r5, #1
    lsls r5, r6
    mov r12, r5
    subs r5, #1
    mov r11, r5
    adds r2, r2, r5
    lsrs r2, r6                     @ blocks
    muls r2, r3, r2
    lsls r2, r2, #2
    ldr r3, [r0, #ROWS_ZO_FIRST]
    adds r2, r2, r3
    subs r2, #1
    ldr r5, .Lstride
    mov r9, r5
    muls r2, r5, r2
    ldr r5, .Lmix_2
    mov r10, r5
    ldr r5, [r0, #ROWS_ZO_COUNT]
    mov r8, r5
    ldr r0, [r0, #ROWS_ZO_KEY]
    ldr r0, [r0]
    adds r0, r0, r2
    ldr r3, .Lmix_1
    movs r7, r4

@ r0 *key + n * STRIDE, r1 the output's first word, r2 first input of a block, r3 MIX_1, r4-r6 free, r7 steps; r8 count,
@ r9 STRIDE, r10 MIX_2, r11 2^sparsity - 1, r12 2^sparsity, lr n_in.
.Loutput:
    movs r2, #0
.Ldraw:
    add r0, r9
    movs r4, r0
    MIX r4, r3, r5, mov r5, r10
    mov r5, r11
    ands r5, r4
    adds r5, r5, r2                 @ i
    cmp r5, lr
    bhs .Lnext
    lsrs r4, r4, #16
    mov r6, r8
    muls r4, r6, r4
    lsrs r4, r4, #16
    ldrsb r4, [r7, r4]
    cmp r4, #0
    beq .Lnext
    lsrs r6, r5, #2                 @ 16 bytes on for each four inputs, and there at byte (i + 2) mod 4
    lsls r6, r6, #4
    adds r5, #2
    lsls r5, r5, #30
    lsrs r5, r5, #30
    adds r5, r5, r6
    ldrb r6, [r1, r5]
    adds r6, r6, r4
    bgt .Labove
    movs r6, #1
.Labove:
    cmp r6, #255
    bls .Lstore
    movs r6, #255
.Lstore:
    strb r6, [r1, r5]
.Lnext:
    add r2, r12
    cmp r2, lr
    blo .Ldraw
    adds r1, #4
    ldr r4, [sp, #DONE]
    adds r4, #1
    str r4, [sp, #DONE]
    lsls r5, r4, #30
    bne .Lsame_group
    ldr r5, [sp, #REST]
    adds r1, r1, r5
.Lsame_group:
    ldr r5, [sp, #ALL]
    cmp r4, r5
    blo .Loutput
    add sp, #FRAME
    pop {r3-r6}
    mov r11, r3
    mov r8, r4
    mov r9, r5
    mov r10, r6
    pop {r4-r7, pc}
    .p2align 2
.Lstride:
    .word STRIDE
.Lmix_1:
    .word MIX_1
.Lmix_2:
    .word MIX_2
    END_FUNCTION m0k_zo_outputs

    FUNCTION m0k_rows_zo
    push {r4-r7, lr}
    mov r3, r0
    mov r12, r1
    ldr r2, [r3, #ROWS_ZO_ROW_BYTES]
    ldr r0, [r3, #ROWS_ZO_WEIGHTS]
    muls r1, r2, r1
    adds r0, r0, r1
    ldr r1, [r3, #ROWS_ZO_SCRATCH]
    adds r2, r0, r2
.Lcopy:
    ldm r0!, {r4-r7}
    stm r1!, {r4-r7}
    cmp r0, r2
    bne .Lcopy
    mov r0, r3
    mov r3, r12
    lsls r4, r3, #2
    ldr r2, [r0, #ROWS_ZO_N_OUT]
    subs r2, r2, r4
    cmp r2, #4
    bls .Lall_outputs
    movs r2, #4
.Lall_outputs:
    ldr r1, [r0, #ROWS_ZO_SCRATCH]
    ldr r4, [r0, #ROWS_ZO_STEPS]
    mov r5, r1
    bl m0k_zo_outputs
    mov r0, r5
    pop {r4-r7, pc}
    END_FUNCTION m0k_rows_zo

    FUNCTION m0k_zo_move
    push {r4, lr}
    ldr r1, [r0, #ZO_MOVE_LOSS_ADDED]
    ldr r1, [r1]
    ldr r2, [r0, #ZO_MOVE_LOSS_TAKEN]
    ldr r2, [r2]
    ldr r4, [r0, #ZO_MOVE_DOWN]
    cmp r1, r2
    beq .Lmoved
    bgt .Ldown
    ldr r4, [r0, #ZO_MOVE_UP]
.Ldown:
    ldr r1, [r0, #ZO_MOVE_WEIGHTS]
    ldr r2, [r0, #ZO_MOVE_N_OUT]
    movs r3, #0
    bl m0k_zo_outputs
.Lmoved:
    pop {r4, pc}
    END_FUNCTION m0k_zo_move

    .equ LOG2_E, 47274              @ log2(e) * 2^15
    .equ FRACTION, 12               @ bits behind the point of z and of the loss
    .equ TERM, 16                   @ and of 2^(z - max z)
    .equ LOWEST_EXPONENT, -15
    .equ HIGHEST_EXPONENT, 7        @ as in loss.S

@ SCALED_LOG2 x: x = z of the logit x: r7, r8 = what it is multiplied by and shifted to the right. Spoils r6. 3 cycles.
    .macro SCALED_LOG2 x
    muls \x, r7, \x
    mov r6, r8
    asrs \x, r6
    .endm

    FUNCTION m0k_zo_loss
    push {r4-r7, lr}
    mov r4, r8
    push {r4}
    mov r12, r0
    ldr r1, [r0, #ZO_LOSS_EXPONENT_ADDRESS]
    ldr r1, [r1]
    cmp r1, #HIGHEST_EXPONENT
    ble .Lnot_high
    movs r1, #HIGHEST_EXPONENT
.Lnot_high:
    movs r2, #(15 - FRACTION)
    subs r2, r2, r1                 @ to the right; to the left where negative
    cmp r2, #(15 - FRACTION - LOWEST_EXPONENT)
    ble .Lnot_low
    movs r2, #(15 - FRACTION - LOWEST_EXPONENT)
.Lnot_low:
    movs r3, r2
    MAX_0 r3, spare=r4
    mov r8, r3
    subs r3, r3, r2
    ldr r7, .Llog2_e
    lsls r7, r3

@ r3 = max z, from the largest logit. r0 logits, r1 class, r2 classes.
    ldr r2, [r0, #ZO_LOSS_CLASSES]
    ldr r0, [r0, #ZO_LOSS_LOGITS]
    subs r1, r2, #1
    ldrsb r3, [r0, r1]
    b .Llargest_more
.Llargest_next:
    ldrsb r4, [r0, r1]
    cmp r4, r3
    ble .Llargest_more
    movs r3, r4
.Llargest_more:
    subs r1, #1
    bpl .Llargest_next
    SCALED_LOG2 r3

@ r5 = sum of 2^(z - max z). r0, r3, r7, r8 as above, r1 = 1, r2 class, r4, r6 free.
    movs r1, #1
    lsls r1, r1, #TERM
    movs r5, #0
    b .Lterm_more
.Lterm:
    ldrsb r4, [r0, r2]
    SCALED_LOG2 r4
    subs r4, r4, r3
    asrs r6, r4, #FRACTION
    negs r6, r6                     @ 2^-r6
    cmp r6, #31
    bhi .Lterm_more                 @ nothing is left of it
    lsls r4, r4, #(32 - FRACTION)
    lsrs r4, r4, #(32 - TERM)       @ the fraction, in bits of the term
    adds r4, r4, r1
    lsrs r4, r6
    adds r5, r5, r4
.Lterm_more:
    subs r2, #1
    bpl .Lterm

@ r4 = log2 of it, less TERM: first its last bit, then those behind it.
    movs r4, #TERM
.Lbits:
    adds r1, r4, #1
    movs r6, r5
    lsrs r6, r1
    beq .Lbits_known
    movs r4, r1
    b .Lbits
.Lbits_known:
    movs r1, r4
    subs r1, #FRACTION
    lsrs r5, r1
    subs r4, #(TERM + 1)
    lsls r4, r4, #FRACTION
    adds r4, r4, r5
    adds r4, r4, r3
    mov r2, r12
    ldr r1, [r2, #ZO_LOSS_LABEL]
    ldr r1, [r1]
    ldrsb r5, [r0, r1]
    SCALED_LOG2 r5
    subs r4, r4, r5
    ldr r1, [r2, #ZO_LOSS_LOSS]
    str r4, [r1]
    movs r0, #0
    pop {r4}
    mov r8, r4
    pop {r4-r7, pc}
    .p2align 2
.Llog2_e:
    .word LOG2_E
    END_FUNCTION m0k_zo_loss
