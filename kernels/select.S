/*
 * Which scores survive a top-k pruning, exactly k of them.
 * void m0k_select(const m0k_select_t *p): counts all scores.
 * void m0k_select_kept(const m0k_select_kept_t *p): counts them only if the histogram, which the update kernels keep
 *             current, is not. Any n up to 65,535.
 *
 * p           { scores, n, k, selection, histogram }, five words; the block is only read.
 * scores      uint8[n], 4-aligned, any n from 0. 1..255 are scores, 0 is padding: counted nowhere, never kept.
 * k           uint32; more than there are scores means all of them.
 * selection   out, two words {cut, ties}: score s is kept when s > cut, or when s == cut and it is one of the first
 *             `ties` such in storage order. With real = number of scores that are not 0 and k' = min(k, real): cut is
 *             the k'-th largest score (1..255), ties = k' - number of s > cut (1 or more). k' = 0: cut 255, ties 0.
 * histogram   m0k_select: scratch, uint32[256], 4-aligned, need not be cleared. 32 bits: a bin may hold all n.
 *             m0k_select_kept: uint16[256], 4-aligned. [s] = scores that are s, s = 1 .. 255, if [0] is not 0; otherwise
 *             they are counted here, and [0] is set to 1.
 *
 * No sort: one pass counts, then the bins are taken off k from 255 downwards. Each bin's word offset is extracted from
 * four scores loaded at once; the seven cycles an edge are two for that and five for load, add, store of the bin.
 *
 * Saturation none. Stack 20 bytes.
 * Cycles of m0k_select = 432 + 121 * (n div 16) + 12 * (n mod 16) + 7 * (255 - cut), less 2 for each of the two quotients
 * that is not 0 (exact, tested): 7.6 an edge.
 * Cycles of m0k_select_kept at most 50 + 7 * (255 - cut), 17 * cut more where k is more than there are scores; with
 * counting 260 + 121 * (n div 16) + 12 * (n mod 16) more.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "m0k.inc"

    .equ BINS, 256

@ COUNT by, bits, word, size: counts one score of word: its bin's offset, byte * 4 or 2, by a shift and the mask r5.
@ size: empty for words, h for halfwords. r4 = histogram. Spoils r2, r3. 7 cycles.
    .macro COUNT by, bits, word, size
    \by r2, \word, #\bits
    ands r2, r5
    ldr\size r3, [r4, r2]
    adds r3, #1
    str\size r3, [r4, r2]
    .endm

@ COUNT_WORD word: counts its four scores. Registers as for COUNT. 28 cycles.
    .macro COUNT_WORD word, size
    .ifb \size
    COUNT lsls, 2, \word
    COUNT lsrs, 6, \word
    COUNT lsrs, 14, \word
    COUNT lsrs, 22, \word
    .else
    COUNT lsls, 1, \word, \size
    COUNT lsrs, 7, \word, \size
    COUNT lsrs, 15, \word, \size
    COUNT lsrs, 23, \word, \size
    .endif
    .endm

@ COUNT_ALL size: counts r1 scores from r6 on: blocks of 16, then byte by byte. r4 histogram, r5 mask of a bin's offset.
@ Spoils r0-r3, r6, r7, lr. 14 cycles, 121 for each 16, 12 for each of the rest.
    .macro COUNT_ALL size
    lsrs r7, r1, #4
    lsls r7, r7, #4
    adds r7, r6, r7
    adds r1, r6, r1
    mov lr, r1
    cmp r6, r7
    beq .Ltail\@
.Lblock\@:
    ldm r6!, {r0, r1}
    COUNT_WORD r0, \size
    COUNT_WORD r1, \size
    ldm r6!, {r0, r1}
    COUNT_WORD r0, \size
    COUNT_WORD r1, \size
    cmp r6, r7
    bne .Lblock\@
.Ltail\@:
    cmp r6, lr
    beq .Lcounted\@
.Lbyte\@:
    ldrb r2, [r6]
    adds r6, #1
    .ifb \size
    lsls r2, r2, #2
    .else
    lsls r2, r2, #1
    .endif
    ldr\size r3, [r4, r2]
    adds r3, #1
    str\size r3, [r4, r2]
    cmp r6, lr
    bne .Lbyte\@
.Lcounted\@:
    .endm

@ CLEAR bytes: sets them from r4 on, a multiple of 64, to 0. Spoils r0-r5. 8 cycles and 23 for each 64.
    .macro CLEAR bytes
    movs r0, #0
    movs r1, #0
    movs r2, #0
    movs r3, #0
    movs r5, #(\bytes / 64)
.Lclear\@:
    stm r4!, {r0-r3}
    stm r4!, {r0-r3}
    stm r4!, {r0-r3}
    stm r4!, {r0-r3}
    subs r5, #1
    bne .Lclear\@
    .endm

    FUNCTION m0k_select
    push {r4-r7, lr}
    mov r12, r0

    ldr r4, [r0, #SELECT_HISTOGRAM]
    CLEAR 4 * BINS
    mov r0, r12
    ldr r4, [r0, #SELECT_HISTOGRAM]
    ldr r6, [r0, #SELECT_SCORES]
    ldr r1, [r0, #SELECT_N]
    movs r5, #(BINS - 1)
    lsls r5, r5, #2
    COUNT_ALL

@ Take the bins off k from 255 downwards: r1 = still to be found, first min(k, scores that are no padding), r3 a bin, r4
@ histogram, r5 its offset; ends at bin 1 at the latest, where k' runs out.
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

    FUNCTION m0k_select_kept
    push {r4-r7, lr}
    mov r12, r0
    movs r5, #(BINS - 1)
    lsls r5, r5, #1
    ldr r4, [r0, #SELECT_KEPT_HISTOGRAM]
    ldrh r3, [r4]
    cmp r3, #0
    bne .Lkept

    CLEAR 2 * BINS
    mov r0, r12
    ldr r4, [r0, #SELECT_KEPT_HISTOGRAM]
    ldr r6, [r0, #SELECT_KEPT_SCORES]
    ldr r1, [r0, #SELECT_KEPT_N]
    movs r5, #(BINS - 1)
    lsls r5, r5, #1
    COUNT_ALL h
    mov r0, r12
    movs r3, #1
    strh r3, [r4]

@ Take the bins off k from 255 downwards: r1 = still to be found, r3 a bin, r4 histogram, r5 its offset.
.Lkept:
    ldr r1, [r0, #SELECT_KEPT_K]
.Lkept_bins:
    ldrh r3, [r4, r5]
    subs r1, r1, r3
    bls .Lkept_found
    subs r5, #2
    bne .Lkept_bins

@ Fewer scores than k: the lowest that there is, with all its ties; 255, 0 if there is none.
    movs r1, #0
.Lkept_lowest:
    adds r5, #2
    ldrh r3, [r4, r5]
    cmp r3, #0
    bne .Lkept_found
    lsrs r2, r5, #1
    cmp r2, #(BINS - 1)
    bne .Lkept_lowest
.Lkept_found:
    adds r2, r1, r3                 @ ties: what was to be found when this bin began
    lsrs r1, r5, #1                 @ cut
    ldr r0, [r0, #SELECT_KEPT_SELECTION]
    stm r0!, {r1, r2}               @ SELECTION_CUT, SELECTION_TIES
    pop {r4-r7, pc}
    END_FUNCTION m0k_select_kept
