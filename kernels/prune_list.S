/*
 * The pruned edges of a layer as a list, where they are few: for m0k_correct_forward and m0k_correct_back.
 *
 * void m0k_prune_list(const m0k_prune_list_t *p)     p = { scores, selection, list, capacity, n, state, early }
 *     of a layer whose edges all have a score
 * void m0k_sparse_list(const m0k_sparse_list_t *p)   p = { scores, selection, gaps, count, list, capacity, state,
 *     early }
 *     PRIOT-S: of the scored edges that gaps and scores name, as in m0k_rows_sparse
 *
 * scores     m0k_prune_list: an edge array, uint8[n], 4-aligned, n a multiple of 16 from 0; a score of 0 is padding,
 *            which is never in the list. m0k_sparse_list: uint8[count], 1 .. 255, any alignment.
 * selection  {cut, ties}, as in mask.S: an edge is pruned when its score s < cut, or s == cut and it is none of the
 *            first `ties` such in storage order. cut 0 .. 255, ties = 0 with cut = 0.
 * list       out, uint8[capacity], any alignment: the pruned edges by rising storage index, as gaps of one byte. 1 ..
 *            255 is the distance to the next pruned edge, the first from index -1; 0: 240 further, no edge.
 * capacity   bytes, from 0.
 * early      0: gives up where the list is full; 1: also where, up to the end of some 16th of the scores, it is longer
 *            than that many 16ths of capacity and another one: m0k_prune_list as soon as it is, m0k_sparse_list at that
 *            end. So what is twice capacity is known after an eighth; what is a little more may take all the cycles
 *            below in vain.
 * state      out, two words, 4-aligned: {0, bytes in the list}, or {1, 0} where they are more than capacity. The first
 *            is what the dense kernels read as `pick`: 1 means that the layer needs its masked weights.
 *
 * A list that takes (edges pruned) + n / 240 bytes holds them in any case.
 *
 * Sixteen scores are compared at once: with K = 126 - cut in each byte, bit 7 of w | (w + K) is set for a byte of cut +
 * 2 and more, for one of cut + 1 where a carry comes in from the byte below it, and for none of cut or less. So a block
 * whose 16 bits are all set has no pruned edge; in others each byte whose bit is not set is looked at. (cut > 126: each
 * block is looked at.)
 *
 * With more than n / 32 kept ties and a cut up to 127, until fewer than 16 of them are left, a block costs the same
 * whether it has ties or not: bit 7 of w | ((w & 127) + 128 - cut) says in each byte whether it is the cut or more, of w |
 * ((w & 127) + 127 - cut) whether it is more. Where all are the cut or more, those that are not more are taken from
 * `ties`; in other blocks only the bytes that are not more are looked at.
 *
 * Saturation none. Stack: prune_list 56 bytes, sparse_list 36.
 * Cycles at most (tested): m0k_prune_list 190 + 23 * n / 16 + 50 a block with a score of cut + 1 or less + 24 for each
 * such score + 15 a byte of the list; with a cut above 126 50 for each block and 9 for each score; with ties that are
 * counted 70 * n / 16 instead of 23 * n / 16, and no more than 4.1 an edge where none is less. With 2 % pruned 2.7 an edge.
 * m0k_sparse_list 130 + 16 * count + 12 for each pruned edge or one with a score of cut, and for each gap of 0.
 * With early 50 more for each 16th.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "m0k.inc"

    .equ FAR, 240                   @ how far a gap of 0 advances: less than 256 with the 16 bytes of a block
    .equ BLOCK_BYTES, 16

@ m0k_prune_list's frame
    .equ ADDEND, 0                  @ K in each byte; negative: ties are counted, or the cut is too high for it
    .equ EXACT, 4                   @ 128 - cut in each byte while ties are counted, else 0
    .equ TIES, 8                    @ left
    .equ P, 12                      @ the parameters
    .equ ALLOWED, 16                @ end of the list that is allowed at the end of this leg of the scores
    .equ FRAME, 20

@ LEG_BYTES end, capacity: end, of the list as it is allowed, moves on by a 16th of capacity and a byte. 3 cycles.
    .macro LEG_BYTES end, capacity
    lsrs \capacity, \capacity, #4
    adds \capacity, #1
    adds \end, \end, \capacity
    .endm

@ KEPT w: bit 7 of each byte of w becomes whether it is kept for certain. r1 = addend. Spoils r3. 2 cycles.
    .macro KEPT w
    adds r3, \w, r1
    orrs \w, r3
    .endm

@ AT_LEAST w: bit 7 of each byte of w becomes whether the byte is 128 - r1's or more. r2 = SIGN_BITS. Spoils r3. 4 cycles.
    .macro AT_LEAST w
    movs r3, \w
    bics r3, r2
    adds r3, r1
    orrs \w, r3
    .endm

@ COUNT first: the next word's part of a block with ties: bit 7 of r6 collects whether all scores are the cut or more, each
@ byte of r7 how many are more. lr = EXACT, r1 = 1 in each byte, r2 = SIGN_BITS. Spoils r3-r5. 12 cycles.
    .macro COUNT first=0
    ldm r0!, {r4}
    movs r3, r4
    bics r3, r2
    add r3, lr
    subs r5, r3, r1
    orrs r3, r4
    orrs r5, r4
    lsrs r5, r5, #7
    ands r5, r1
    .if \first
    movs r6, r3
    movs r7, r5
    .else
    ands r6, r3
    adds r7, r5
    .endif
    .endm

@ LOOK_AT w: goes to .Lword with the word's flags in r3 unless all its scores are kept, then r0 goes on by a word.
@ r2 = SIGN_BITS. 5 cycles where they are.
    .macro LOOK_AT w
    mvns r3, \w
    tst r3, r2
    beq .Lwhole\@
    bl .Lword
.Lwhole\@:
    adds r0, #4
    .endm

@ BYTE at: the score at r0 + at, which stays if bit 7 of r3, whose bytes move down, is not set: listed if it is pruned.
@ Registers as below; spoils r1, r2. 3 cycles where it stays for certain, 22 where it is listed.
    .macro BYTE at
    lsrs r3, r3, #8
    bcc .Lstays\@
    ldrb r1, [r0, #\at]
    subs r1, #1                     @ padding becomes more than any
    cmp r1, r12
    bhi .Lstays\@
    bne .Lpruned\@
    ldr r1, [sp, #TIES]
    subs r1, #1
    blo .Lpruned\@
    str r1, [sp, #TIES]
    b .Lstays\@
.Lpruned\@:
    adds r1, r0, #\at
    mov r2, r10
    mov r10, r1
    subs r1, r1, r2
    mov r2, r11
    cmp r2, r8
    beq .Lno_room
    strb r1, [r2]
    adds r2, #1
    mov r11, r2
.Lstays\@:
    .endm

    FUNCTION m0k_prune_list
    SAVE_ALL
    sub sp, #FRAME
    str r0, [sp, #P]
    ldr r1, [r0, #PRUNE_LIST_SELECTION]
    ldm r1!, {r3, r4}               @ SELECTION_CUT, SELECTION_TIES
    str r4, [sp, #TIES]
    ldr r1, [r0, #PRUNE_LIST_LIST]
    mov r11, r1
    ldr r2, [r0, #PRUNE_LIST_CAPACITY]
    LEG_BYTES r1, r2
    str r1, [sp, #ALLOWED]
    ldr r5, [r0, #PRUNE_LIST_N]
    ldr r0, [r0, #PRUNE_LIST_SCORES]
    mov r9, r0
    subs r1, r0, #1
    mov r10, r1
    ldr r2, .Lsign_bits
    subs r3, #1
    blo .Llisted                    @ cut 0 prunes nothing
    mov r12, r3
    movs r7, #127
    subs r7, r7, r3                 @ 128 - cut
    lsrs r6, r2, #7
    lsrs r5, r5, #5
    cmp r4, r5
    bls .Lfew                       @ kept ties
    cmp r7, #0
    bgt .Lcount
.Lfew:
    subs r1, r7, #2
    bmi .Lchosen
    muls r1, r6, r1
.Lchosen:
    movs r7, #0
    b .Lway
.Lcount:
    muls r7, r6, r7
    movs r1, r2                     @ negative
.Lway:
    str r1, [sp, #ADDEND]
    str r7, [sp, #EXACT]
    b .Lleg

@ The end: r1 bytes in the list.
.Llisted:
    ldr r0, [sp, #P]
    ldr r1, [r0, #PRUNE_LIST_LIST]
    mov r2, r11
    subs r1, r2, r1
    movs r2, #0
.Lstate:
    ldr r0, [r0, #PRUNE_LIST_STATE]
    str r2, [r0]
    str r1, [r0, #4]
    add sp, #FRAME
    RETURN_ALL
.Ltoo_many:
    ldr r0, [sp, #P]
    movs r1, #0
    movs r2, #1
    b .Lstate

@ The next leg of the scores, if there is one, with as much of the list as it may fill.
.Lleg:
    ldr r4, [sp, #P]
    ldr r5, [r4, #PRUNE_LIST_SCORES]
    ldr r3, [r4, #PRUNE_LIST_N]
    adds r5, r5, r3
    cmp r0, r5
    beq .Llisted
    ldr r6, [r4, #PRUNE_LIST_LIST]
    ldr r7, [r4, #PRUNE_LIST_CAPACITY]
    adds r6, r6, r7
    mov r8, r6
    ldr r4, [r4, #PRUNE_LIST_EARLY]
    cmp r4, #0
    beq .Llast_leg
    lsrs r3, r3, #8
    adds r3, #1
    lsls r3, r3, #4                 @ a 16th, in blocks
    adds r3, r0, r3
    cmp r3, r5
    bhs .Llast_leg
    movs r5, r3
    ldr r3, [sp, #ALLOWED]
    LEG_BYTES r3, r7
    str r3, [sp, #ALLOWED]
    cmp r3, r6
    bhs .Llast_leg
    mov r8, r3
.Llast_leg:
    mov r9, r5
    b .Lgo

@ Blocks: r0 scores, r1 addend, r2 SIGN_BITS, r3 free, r4-r7 words, r8 end of the list, r9 of the leg of scores, r10 the
@ score of the last edge listed, r11 list, r12 cut - 1.
.Lblock:
    ldm r0!, {r4-r7}
    KEPT r4
    KEPT r5
    KEPT r6
    KEPT r7
    movs r3, r4
    ands r3, r5
    ands r3, r6
    ands r3, r7
    mvns r3, r3
    tst r3, r2
    bne .Llook
.Lnext_block:
    cmp r0, r9
    bne .Lblock
    b .Lleg

@ A block with a score that may be pruned: a byte of the list reaches each of them from FAR or less in front of it.
.Llook:
    subs r0, #BLOCK_BYTES
.Lfar:
    mov r3, r10
    subs r3, r0, r3
    cmp r3, #FAR
    bhi .Lfar_next
    LOOK_AT r4
    LOOK_AT r5
    LOOK_AT r6
    LOOK_AT r7
.Lgo:
    ldr r1, [sp, #ADDEND]
    cmp r1, #0
    bge .Lnext_block
    ldr r3, [sp, #EXACT]
    cmp r3, #0
    beq .Lhigh_block
    b .Lties

@ A cut above 126: each score may be pruned.
.Lhigh_block:
    cmp r0, r9
    beq .Lleg
    adds r0, #BLOCK_BYTES
    movs r4, #0
    movs r5, #0
    movs r6, #0
    movs r7, #0
    b .Llook

.Lfar_next:
    mov r3, r11
    cmp r3, r8
    beq .Lno_room
    movs r1, #0
    strb r1, [r3]
    adds r3, #1
    mov r11, r3
    movs r1, #FAR
    add r10, r1
    b .Lfar

@ The word at r0: bit 7 of each byte of r3: may it be pruned?
.Lword:
    BYTE 0
    BYTE 1
    BYTE 2
    BYTE 3
    ldr r2, .Lsign_bits
    bx lr
.Lno_room:
    b .Ltoo_many

@ While more ties are kept than a block has scores: a block with no score below the cut is counted, no more.
.Lties:
    mov lr, r3
    ldr r1, [sp, #TIES]
    cmp r1, #BLOCK_BYTES
    blo .Lfew_left
    lsrs r1, r2, #7
    b .Ltied_next
.Ltied_block:
    COUNT first=1
    COUNT
    COUNT
    COUNT
    movs r3, r2
    bics r3, r6
    bne .Ltied_look
    muls r7, r1, r7
    lsrs r7, r7, #24
    ldr r3, [sp, #TIES]
    adds r3, r3, r7
    subs r3, #BLOCK_BYTES
    str r3, [sp, #TIES]
    cmp r3, #BLOCK_BYTES
    blo .Lfew_left
.Ltied_next:
    cmp r0, r9
    bne .Ltied_block
    b .Lleg
.Ltied_look:
    mov r3, lr
    subs r1, r3, r1
    subs r0, #BLOCK_BYTES
    ldm r0!, {r4-r7}
    AT_LEAST r4
    AT_LEAST r5
    AT_LEAST r6
    AT_LEAST r7
    b .Llook
.Lfew_left:
    mov r3, lr
    lsrs r1, r2, #6
    subs r1, r3, r1                 @ negative where the cut is 127
    str r1, [sp, #ADDEND]
    movs r3, #0
    str r3, [sp, #EXACT]
    b .Lgo
    .p2align 2
.Lsign_bits:
    .word SIGN_BITS
    END_FUNCTION m0k_prune_list

@ ------------------------------------------------------------------------------------------------ m0k_sparse_list

    FUNCTION m0k_sparse_list
    SAVE_ALL
    mov r12, r0
    ldr r1, [r0, #SPARSE_LIST_SELECTION]
    ldm r1!, {r5, r6}               @ SELECTION_CUT, SELECTION_TIES
    mov r8, r6
    ldr r3, [r0, #SPARSE_LIST_GAPS]
    ldr r4, [r0, #SPARSE_LIST_SCORES]
    mov r9, r4
    ldr r7, [r0, #SPARSE_LIST_LIST]
    ldr r1, [r0, #SPARSE_LIST_CAPACITY]
    adds r6, r7, r1
    mov r10, r6
    movs r6, r7
    LEG_BYTES r6, r1
    mov r11, r6
    movs r2, #0
    b .Lsparse_leg

@ Scored edges: r0 gap, r1 score, r2 distance from the last edge listed, r3 gaps, r4 scores, r5 cut, r6 free, r7 list,
@ r8 ties left, r9 end of the scores, r10 of the list, r12 the parameters.
.Lskip:                             @ a gap of 0: 255 further
    adds r2, #255
.Lscored:
    ldrb r0, [r3]
    adds r3, #1
    cmp r0, #0
    beq .Lskip
    adds r2, r2, r0
    ldrb r1, [r4]
    adds r4, #1
    cmp r1, r5
    bls .Lmaybe
.Lsparse_more:
    cmp r4, r9
    bne .Lscored

@ The end of a leg, or of all.
.Lsparse_leg:
    mov lr, r3
    mov r0, r12
    ldr r6, [r0, #SPARSE_LIST_SCORES]
    ldr r3, [r0, #SPARSE_LIST_COUNT]
    adds r6, r6, r3
    cmp r4, r6
    beq .Lsparse_listed
    ldr r1, [r0, #SPARSE_LIST_EARLY]
    cmp r1, #0
    beq .Lsparse_last_leg
    cmp r7, r11
    bhi .Lsparse_too_many
    mov r1, r11
    ldr r0, [r0, #SPARSE_LIST_CAPACITY]
    LEG_BYTES r1, r0
    mov r11, r1
    lsrs r3, r3, #4
    adds r3, #1
    adds r3, r4, r3
    cmp r3, r6
    bhs .Lsparse_last_leg
    movs r6, r3
.Lsparse_last_leg:
    mov r9, r6
    mov r3, lr
    b .Lscored
.Lsparse_listed:
    movs r2, #0
    ldr r1, [r0, #SPARSE_LIST_LIST]
    subs r1, r7, r1
.Lsparse_state:
    ldr r0, [r0, #SPARSE_LIST_STATE]
    str r2, [r0]
    str r1, [r0, #4]
    RETURN_ALL

.Lmaybe:
    bne .Lprune
    mov r0, r8
    subs r0, #1
    blo .Lprune
    mov r8, r0
    b .Lsparse_more
.Lprune:
    cmp r7, r10
    beq .Lsparse_too_many
    cmp r2, #255
    bhi .Lsparse_far
    strb r2, [r7]
    adds r7, #1
    movs r2, #0
    b .Lsparse_more
.Lsparse_far:
    movs r0, #0
    strb r0, [r7]
    adds r7, #1
    subs r2, #FAR
    b .Lprune
.Lsparse_too_many:
    mov r0, r12
    movs r1, #0
    movs r2, #1
    b .Lsparse_state
    END_FUNCTION m0k_sparse_list
