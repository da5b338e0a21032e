/*
 * Masks from scores and a selection {cut, ties}: score s is kept when s > cut, or when s == cut and it is one of the
 * first `ties` such in storage order. Score 0 is padding: cut = 0 with ties != 0 is not allowed (m0k_select never
 * gives it). cut is 0 .. 255.
 *
 * void m0k_mask_copy(const m0k_mask_copy_t *p)       p = { weights, scores, selection, out, n }
 *     out[i] = kept ? weights[i] : 128. out may be weights (never scores).
 * void m0k_mask_pack(const m0k_mask_pack_t *p)       p = { scores, selection, bits, n }
 *     bit i mod 8 of byte i div 8 of bits = kept (least significant first; little-endian words read the same).
 *     bits has n / 8 bytes.
 * const uint8_t *m0k_rows_scores(const void *c, uint32_t group)
 *     c = { weights, scores, selection, scratch, row_bytes, state }; m0k_mask_copy of bytes group * row_bytes and up
 *     to scratch, which it returns. state: one word, the ties left; set at group 0, so groups are asked for in order,
 *     each once. (With ties = 0 in the selection any order works.)
 * const uint8_t *m0k_rows_bits(const void *c, uint32_t group)
 *     c = { weights, bits, scratch, row_bytes }; the same from packed bits. Any order of groups.
 *
 * All arrays uint8, 4-aligned (bits: 2-aligned); n and row_bytes are multiples of 16 from 0, as edge arrays and their
 * groups are. Saturation none.
 *
 * Four bytes are compared at once. For s >= t, 1 <= t <= 256: the low seven bits of each byte plus 128 - t (t <= 128)
 * or 256 - t carry into bit 7 when they reach t's; OR (AND for t > 128) with the byte's own bit 7 is the comparison.
 * Ties cost nothing in that loop: a scan finds the block of 16 in which they run out; before it the loop runs with
 * t = cut, behind it with cut + 1, and the block itself is replaced by a copy whose scores are 0 or 255.
 *
 * Stack: mask_copy, mask_pack 68 bytes (44 with ties = 0); rows_scores 76 (52); rows_bits 24.
 * Cycles, blocks = n / 16 (row_bytes / 16), not 0, with ties = 0, exact and tested; less 2 where cut < 128:
 *     mask_copy    90 + 63 * blocks      3.9 an edge
 *     mask_pack    89 + 42 * blocks      2.6
 *     rows_scores 106 + 63 * blocks      3.9, and 3 at group 0
 *     rows_bits    36 + 52 * blocks      3.3
 * With ties at most 450 + 26 * seen + 58 * met more, where `seen` counts the blocks up to the one in which the ties run
 * out (of this group) and `met` those of them that hold a score equal to cut.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "m0k.inc"

    .equ GATHER, 0x204081           @ bits 0, 7, 14, 21: brings one bit of each byte together
    .equ NIBBLE_OFFSET, 0x3C        @ four bits as the offset of a word in .Lnibbles

@ COMPARE op, w, spare: bit 7 of each byte of w: was it >= t? r12 = addend in each byte, r6 = SIGN_BITS, op as said
@ above; other bits are garbage. Spoils spare. 4 cycles.
    .macro COMPARE op, w, spare
    movs \spare, \w
    bics \spare, r6
    add \spare, r12
    \op \w, \spare
    .endm

@ KEEP_MASK op, w: w = 255 in each byte to keep. r5 = 255 and as for COMPARE. Spoils r7. 7 cycles.
    .macro KEEP_MASK op, w
    COMPARE \op, \w, r7
    ands \w, r6
    lsrs \w, \w, #7
    muls \w, r5, \w
    .endm

@ KEEP_WEIGHTS w: w = the weights at r1, which moves on, where w is 255, else 128. r6 = SIGN_BITS. Spoils r7. 5 cycles.
    .macro KEEP_WEIGHTS w
    ldm r1!, {r7}
    eors r7, r6
    ands \w, r7
    eors \w, r6
    .endm

@ COPY_8 op: two words of scores at r0 become masked weights at r2; r0, r1, r2 move on. r5 = 255, r6 = SIGN_BITS. Spoils
@ r3, r4, r7. 30 cycles.
    .macro COPY_8 op
    ldm r0!, {r3, r4}
    KEEP_MASK \op, r3
    KEEP_MASK \op, r4
    KEEP_WEIGHTS r3
    KEEP_WEIGHTS r4
    stm r2!, {r3, r4}
    .endm

@ PACK_8 op, to: two words of scores at r0, which moves on, become one byte of bits at r2[to]. r5 = GATHER, r6 =
@ SIGN_BITS. Spoils r3, r4, r7. 19 cycles.
    .macro PACK_8 op, to
    ldm r0!, {r3, r4}
    COMPARE \op, r3, r7
    COMPARE \op, r4, r7
    ands r3, r6
    ands r4, r6
    lsrs r3, r3, #4
    orrs r3, r4                     @ bit 3 of byte b: first word, bit 7: second word
    muls r3, r5, r3                 @ gathers them into bits 24 + b and 28 + b, nothing carries
    lsrs r3, r3, #24
    strb r3, [r2, #\to]
    .endm

@ --------------------------------------------------------------------------------- the two span functions (local)
@ For m0k_masked below: the blocks r0 .. r7 - 1 of scores with s >= r3.
@ In: r0 scores, r1 weights (copy), r2 out, r3 = t 1 .. 256, r7 end of scores, r0 <= r7. Out: r0 = end, r1, r2 moved on.
@ Spoils r3-r7, r12, lr. 4 bytes of stack.
@ In the loops: r0, r1, r2 as said, r3, r4 words, r5 a constant, r6 SIGN_BITS, r7 free, r12 addend, lr end.

@ SPAN_BEGIN end: to end if there is nothing to do; lr = r7, r6 = SIGN_BITS, r7 = 1 in each byte. 8 cycles.
    .macro SPAN_BEGIN end
    push {lr}
    cmp r0, r7
    beq \end
    mov lr, r7
    ldr r6, =SIGN_BITS
    lsrs r7, r6, #7
    .endm

@ SPAN_LOW high: r12 = 128 - t in each byte, or to high for t > 128, with r4 = 128. Spoils r4. 6 cycles.
    .macro SPAN_LOW high
    movs r4, #128
    cmp r3, r4
    bhi \high
    subs r4, r4, r3
    muls r4, r7, r4
    mov r12, r4
    .endm

@ SPAN_HIGH: r12 = 256 - t in each byte. r4 = 128. Spoils r4. 4 cycles.
    .macro SPAN_HIGH
    lsls r4, r4, #1
    subs r4, r4, r3
    muls r4, r7, r4
    mov r12, r4
    .endm

    LOCAL_FUNCTION m0k_span_copy
    SPAN_BEGIN .Lcopy_done
    movs r5, #255
    SPAN_LOW .Lcopy_high
.Lcopy_low_next:
    COPY_8 orrs
    COPY_8 orrs
    cmp r0, lr
    bne .Lcopy_low_next
    pop {pc}
.Lcopy_high:
    SPAN_HIGH
.Lcopy_high_next:
    COPY_8 ands
    COPY_8 ands
    cmp r0, lr
    bne .Lcopy_high_next
.Lcopy_done:
    pop {pc}
    .p2align 2
    .ltorg
    END_FUNCTION m0k_span_copy

    LOCAL_FUNCTION m0k_span_pack
    SPAN_BEGIN .Lpack_done
    ldr r5, =GATHER
    SPAN_LOW .Lpack_high
.Lpack_low_next:
    PACK_8 orrs, 0
    PACK_8 orrs, 1
    adds r2, #2
    cmp r0, lr
    bne .Lpack_low_next
    pop {pc}
.Lpack_high:
    SPAN_HIGH
.Lpack_high_next:
    PACK_8 ands, 0
    PACK_8 ands, 1
    adds r2, #2
    cmp r0, lr
    bne .Lpack_high_next
.Lpack_done:
    pop {pc}
    .p2align 2
    .ltorg
    END_FUNCTION m0k_span_pack

@ ----------------------------------------------------------------------------------------- m0k_span_ties (local)
@ Scan for the block in which the ties run out. In: r0 scores, r7 end, r8 cut, r9 ties (not 0).
@ Out: r0 = that block and r9 = its ties to keep; or r0 = the block behind it (perhaps the end) and r9 = 0 when they ran
@ out exactly; or r0 = end and r9 = ties left. Spoils r1-r6, r12. Leaf, no stack.
@ In the loop: r1 cut in each byte, r2 1 in each byte, r3, r4, r6 free, r5 what was found, r12 127 in each byte.

@ FIND_ZERO w, found: bit 7 in some byte of found when a byte of w is 0. r2 = 1 in each byte. 2 cycles.
    .macro FIND_ZERO w, found
    subs \found, \w, r2
    bics \found, \w
    .endm

@ FIND_CUT_4 w: ORs to r5 bit 7 of some byte when a byte of w equals cut. Spoils w, r6. 4 cycles.
    .macro FIND_CUT_4 w
    eors \w, r1
    FIND_ZERO \w, r6
    orrs r5, r6
    .endm

@ COUNT_OTHERS: adds to each byte of r5 whether the next score of r0 is another than cut. Registers as above; r6 =
@ SIGN_BITS. Spoils r3, r4. 10 cycles.
    .macro COUNT_OTHERS
    ldm r0!, {r3}
    eors r3, r1
    movs r4, r3
    bics r4, r6
    add r4, r12
    orrs r3, r4
    ands r3, r6
    lsrs r3, r3, #7
    adds r5, r5, r3
    .endm

    LOCAL_FUNCTION m0k_span_ties
    cmp r0, r7
    beq .Lscanned
    ldr r2, =0x01010101
    mov r1, r8
    muls r1, r2, r1
    lsls r3, r2, #7
    subs r3, r3, r2
    mov r12, r3
.Lscan:
    ldm r0!, {r3, r4}
    eors r3, r1
    FIND_ZERO r3, r5
    FIND_CUT_4 r4
    ldm r0!, {r3, r4}
    FIND_CUT_4 r3
    FIND_CUT_4 r4
    lsls r6, r2, #7
    tst r5, r6
    bne .Lequal
.Lscan_next:
    cmp r0, r7
    bne .Lscan
.Lscanned:
    bx lr

@ A block with scores equal to cut: r5 = ties - equal ones.
.Lequal:
    subs r0, #16
    movs r5, #0
    COUNT_OTHERS
    COUNT_OTHERS
    COUNT_OTHERS
    COUNT_OTHERS
    muls r5, r2, r5
    lsrs r5, r5, #24                @ the sum of the four bytes
    mov r3, r9
    adds r5, r5, r3
    subs r5, #16
    blo .Lrun_out
    mov r9, r5
    bne .Lscan_next
    bx lr
.Lrun_out:
    subs r0, #16
    bx lr
    .p2align 2
    .ltorg
    END_FUNCTION m0k_span_ties

@ -------------------------------------------------------------------------------------------- m0k_masked (local)
@ One mask over blocks. In: r0 scores, r1 weights (copy), r2 out, r3 bytes, r4 the span function, r8 cut, r9 ties.
@ Out: r9 ties left. Spoils r0-r7, r10 end of scores, r11 the span function, r12. Stack 24 bytes and 4 of the span.
    LOCAL_FUNCTION m0k_masked
    push {lr}
    mov r11, r4
    adds r7, r0, r3
    mov r10, r7
    mov r3, r9
    cmp r3, #0
    beq .Lbehind

@ Up to the block in which the ties run out: with t = cut.
    push {r0, r1, r2}
    bl m0k_span_ties
    movs r7, r0
    pop {r0, r1, r2}
    mov r3, r8
    blx r11                         @ r4 is not kept
    mov r4, r9
    cmp r4, #0
    beq .Lbehind
    cmp r0, r10
    beq .Lmasked                    @ the ties go on behind the end
    bl m0k_span_last

@ Behind it: with t = cut + 1.
.Lbehind:
    mov r7, r10
    mov r3, r8
    adds r3, #1
    blx r11
.Lmasked:
    pop {pc}
    END_FUNCTION m0k_masked

@ The block r0 in which r9 (1 .. 15) ties are kept and the others not; r9 becomes 0. Registers as for a span, r8 cut,
@ r11 the span function. Stack 24 bytes and 4 of the span.
    .equ BLOCK_BYTES, 16

    LOCAL_FUNCTION m0k_span_last
    push {r0, lr}
    sub sp, #BLOCK_BYTES

@ Its copy on the stack, scores 0 or 255: r0 scores, r3 a score, r4 index, r5 its copy, r6 ties left, r7 cut.
    movs r4, #0
    mov r6, r9
    mov r7, r8
.Lfix:
    ldrb r3, [r0, r4]
    movs r5, #0
    cmp r3, r7
    blo .Lfixed
    bhi .Lkeep
    cmp r6, #0
    beq .Lfixed
    subs r6, #1
.Lkeep:
    movs r5, #255
.Lfixed:
    mov r3, sp
    strb r5, [r3, r4]
    adds r4, #1
    cmp r4, #BLOCK_BYTES
    blo .Lfix

@ Mask that, with t = 1.
    movs r3, #0
    mov r9, r3
    mov r0, sp
    mov r7, sp
    adds r7, #BLOCK_BYTES
    movs r3, #1
    blx r11
    add sp, #BLOCK_BYTES
    pop {r0}
    adds r0, #BLOCK_BYTES
    pop {pc}
    END_FUNCTION m0k_span_last

@ ------------------------------------------------------------------- m0k_mask_copy, m0k_mask_pack, m0k_rows_scores

@ READ_SELECTION selection: r8 = cut, r9 = ties, of the block r0. Spoils r4, r5, r6. 7 cycles.
    .macro READ_SELECTION selection
    ldr r4, [r0, #\selection]
    ldm r4!, {r5, r6}               @ SELECTION_CUT, SELECTION_TIES
    mov r8, r5
    mov r9, r6
    .endm

    FUNCTION m0k_mask_copy
    SAVE_ALL
    READ_SELECTION MASK_COPY_SELECTION
    ldr r1, [r0, #MASK_COPY_WEIGHTS]
    ldr r2, [r0, #MASK_COPY_OUT]
    ldr r3, [r0, #MASK_COPY_N]
    ldr r0, [r0, #MASK_COPY_SCORES]
    ldr r4, =m0k_span_copy
    bl m0k_masked
    RETURN_ALL
    .p2align 2
    .ltorg
    END_FUNCTION m0k_mask_copy

    FUNCTION m0k_mask_pack
    SAVE_ALL
    READ_SELECTION MASK_PACK_SELECTION
    ldr r2, [r0, #MASK_PACK_BITS]
    ldr r3, [r0, #MASK_PACK_N]
    ldr r0, [r0, #MASK_PACK_SCORES]
    ldr r4, =m0k_span_pack
    bl m0k_masked
    RETURN_ALL
    .p2align 2
    .ltorg
    END_FUNCTION m0k_mask_pack

    FUNCTION m0k_rows_scores
    SAVE_ALL
    ldm r0!, {r2, r3, r4}           @ weights, scores, selection
    ldm r0!, {r5, r6, r7}           @ scratch, row_bytes, state
    push {r5, r7}

@ Ties left: of the state, which group 0 sets.
    cmp r1, #0
    bne .Lresume
    ldr r0, [r4, #SELECTION_TIES]
    str r0, [r7]
.Lresume:
    ldr r0, [r7]
    mov r9, r0
    ldr r0, [r4, #SELECTION_CUT]
    mov r8, r0
    muls r1, r6, r1                 @ the group's first byte
    adds r0, r3, r1
    adds r1, r2, r1
    movs r2, r5
    movs r3, r6
    ldr r4, =m0k_span_copy
    bl m0k_masked
    pop {r0, r1}                    @ scratch, state
    mov r2, r9
    str r2, [r1]
    RETURN_ALL
    .p2align 2
    .ltorg
    END_FUNCTION m0k_rows_scores

@ -------------------------------------------------------------------------------------------------- m0k_rows_bits

@ EXPAND_4 by, places: four edges: the bits of r3 that a shift by places brings to 2 .. 5 choose a mask. Registers as
@ below. Spoils r0, r7. 11 cycles.
    .macro EXPAND_4 by, places
    \by r7, r3, #\places
    ands r7, r5
    ldr r7, [r4, r7]
    ldm r1!, {r0}
    eors r0, r6
    ands r0, r7
    eors r0, r6
    stm r2!, {r0}
    .endm

    FUNCTION m0k_rows_bits
    push {r4-r7, lr}
    ldm r0!, {r4, r5, r6, r7}       @ weights, bits, scratch, row_bytes
    movs r2, r6
    push {r2}                       @ what is returned
    muls r1, r7, r1
    lsrs r3, r1, #3
    adds r3, r5, r3
    mov r12, r3
    adds r1, r4, r1
    adds r7, r2, r7
    mov lr, r7

@ A halfword of bits a round: r0, r7 free, r1 weights, r2 scratch, r3 bits, r4 .Lnibbles, r5 NIBBLE_OFFSET, r6
@ SIGN_BITS, r12 address of the bits, lr end of scratch.
    adr r4, .Lnibbles
    movs r5, #NIBBLE_OFFSET
    ldr r6, =SIGN_BITS
    cmp r2, lr
    beq .Lexpanded
.Lexpand:
    mov r7, r12
    ldrh r3, [r7]
    adds r7, #2
    mov r12, r7
    EXPAND_4 lsls, 2
    EXPAND_4 lsrs, 2
    EXPAND_4 lsrs, 6
    EXPAND_4 lsrs, 10
    cmp r2, lr
    bne .Lexpand
.Lexpanded:
    pop {r0}
    pop {r4-r7, pc}
    .p2align 2
.Lnibbles:                          @ 255 in each byte whose bit is set
    .word 0x00000000, 0x000000FF, 0x0000FF00, 0x0000FFFF, 0x00FF0000, 0x00FF00FF, 0x00FFFF00, 0x00FFFFFF
    .word 0xFF000000, 0xFF0000FF, 0xFF00FF00, 0xFF00FFFF, 0xFFFF0000, 0xFFFF00FF, 0xFFFFFF00, 0xFFFFFFFF
    .ltorg
    END_FUNCTION m0k_rows_bits
