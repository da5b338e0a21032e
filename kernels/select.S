/*
 * void m0k_select(const m0k_select_t *p): which scores survive a top-k pruning, exactly k of them.
 *
 * p           { scores, n, k, selection, histogram }, five words; the block is only read.
 * scores      uint8[n], 4-aligned, any n from 0. 1..255 are scores, 0 is padding: counted nowhere, never kept.
 * k           uint32; more than there are scores means all of them.
 * selection   out, two words {cut, ties}: score s is kept when s > cut, or when s == cut and it is one of the first
 *             `ties` such in storage order. With real = number of scores that are not 0 and k' = min(k, real): cut is
 *             the k'-th largest score (1..255), ties = k' - number of s > cut (1 or more). k' = 0: cut 255, ties 0.
 * histogram   scratch, uint32[256], 4-aligned, need not be cleared. 32 bits: a bin may hold all n.
 *
 * No sort: one pass counts, then the bins are taken off k from 255 downwards. Each bin's word offset is extracted from
 * four scores loaded at once; the seven cycles an edge are two for that and five for load, add, store of the bin.
 *
 * Saturation none. Stack 20 bytes.
 * Cycles = 432 + 121 * (n div 16) + 12 * (n mod 16) + 7 * (255 - cut), less 2 for each of the two quotients that is
 * not 0 (exact, tested): 7.6 an edge.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "m0k.inc"

    .equ BINS, 256
    .equ CLEARED, 16                @ bins cleared a round

@ COUNT by, bits, word: counts one score of word: its bin's offset, byte * 4, by a shift and the mask r5. r4 =
@ histogram. Spoils r2, r3. 7 cycles.
    .macro COUNT by, bits, word
    \by r2, \word, #\bits
    ands r2, r5
    ldr r3, [r4, r2]
    adds r3, #1
    str r3, [r4, r2]
    .endm

@ COUNT_WORD word: counts its four scores. Registers as for COUNT. 28 cycles.
    .macro COUNT_WORD word
    COUNT lsls, 2, \word
    COUNT lsrs, 6, \word
    COUNT lsrs, 14, \word
    COUNT lsrs, 22, \word
    .endm

    FUNCTION m0k_select
    push {r4-r7, lr}
    mov r12, r0

@ Clear the histogram: r0-r3 zeros, r4 bins, r5 rounds left.
    ldr r4, [r0, #SELECT_HISTOGRAM]
    movs r0, #0
    movs r1, #0
    movs r2, #0
    movs r3, #0
    movs r5, #(BINS / CLEARED)
.Lclear:
    stm r4!, {r0-r3}
    stm r4!, {r0-r3}
    stm r4!, {r0-r3}
    stm r4!, {r0-r3}
    subs r5, #1
    bne .Lclear

@ Count: blocks of 16, then byte by byte. r0, r1 words, r2, r3 free, r4 histogram, r5 mask of a bin's offset, 0x3FC, r6
@ scores, r7 end of the blocks, r12 block, lr end of all.
    mov r0, r12
    ldr r4, [r0, #SELECT_HISTOGRAM]
    ldr r6, [r0, #SELECT_SCORES]
    ldr r1, [r0, #SELECT_N]
    movs r5, #(BINS - 1)
    lsls r5, r5, #2
    lsrs r7, r1, #4
    lsls r7, r7, #4
    adds r7, r6, r7
    adds r1, r6, r1
    mov lr, r1
    cmp r6, r7
    beq .Ltail
.Lblock:
    ldm r6!, {r0, r1}
    COUNT_WORD r0
    COUNT_WORD r1
    ldm r6!, {r0, r1}
    COUNT_WORD r0
    COUNT_WORD r1
    cmp r6, r7
    bne .Lblock
.Ltail:
    cmp r6, lr
    beq .Lcounted
.Lbyte:
    ldrb r2, [r6]
    adds r6, #1
    lsls r2, r2, #2
    ldr r3, [r4, r2]
    adds r3, #1
    str r3, [r4, r2]
    cmp r6, lr
    bne .Lbyte

@ Take the bins off k from 255 downwards: r1 = still to be found, first min(k, scores that are no padding), r3 a bin, r4
@ histogram, r5 its offset; ends at bin 1 at the latest, where k' runs out.
.Lcounted:
    mov r0, r12
    ldr r1, [r0, #SELECT_K]
    ldr r2, [r0, #SELECT_N]
    ldr r3, [r4]
    subs r2, r2, r3
    cmp r1, r2
    bls .Lbins
    mov r1, r2
.Lbins:
    ldr r3, [r4, r5]
    subs r1, r1, r3
    bls .Lfound
    subs r5, #4
    b .Lbins
.Lfound:
    adds r2, r1, r3                 @ ties: what was to be found when this bin began
    lsrs r1, r5, #2                 @ cut
    ldr r0, [r0, #SELECT_SELECTION]
    stm r0!, {r1, r2}               @ SELECTION_CUT, SELECTION_TIES
    pop {r4-r7, pc}
    END_FUNCTION m0k_select
