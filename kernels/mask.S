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

@ Bit 7 of each byte of \w: was it >= t? ip = addend in each byte; r6 = 0x80808080; \op as said above; other bits
@ garbage.
    .macro compare op, w, t
    movs \t, \w
    bics \t, r6
    add \t, ip
    \op \w, \t
    .endm

@ Two words r3, r4 of scores become masked weights at r2. r5 = 255, r6 = 0x80808080.
    .macro copy_8 op
    ldm r0!, {r3, r4}
    compare \op, r3, r7
    ands r3, r6
    lsrs r3, r3, #7
    muls r3, r5, r3                 @ 255 in each byte to keep
    compare \op, r4, r7
    ands r4, r6
    lsrs r4, r4, #7
    muls r4, r5, r4
    ldm r1!, {r7}
    eors r7, r6
    ands r3, r7
    eors r3, r6
    ldm r1!, {r7}
    eors r7, r6
    ands r4, r7
    eors r4, r6                     @ weight, or 128
    stm r2!, {r3, r4}
    .endm

@ Two words of scores become one byte of bits at r2 + \to. r5 = 0x204081, r6 = 0x80808080.
    .macro pack_8 op, to
    ldm r0!, {r3, r4}
    compare \op, r3, r7
    compare \op, r4, r7
    ands r3, r6
    ands r4, r6
    lsrs r3, r3, #4
    orrs r3, r4                     @ bit 3 of byte b: first word, bit 7: second word
    muls r3, r5, r3                 @ gathers them into bits 24 + b and 28 + b, nothing carries
    lsrs r3, r3, #24
    strb r3, [r2, #\to]
    .endm

@
@ The two span functions, for `masked` below: the blocks r0 .. r7 - 1 of scores with s >= r3.
@ In: r0 scores, r1 weights (copy), r2 out, r3 = t 1 .. 256, r7 end of scores, r0 <= r7. Out: r0 = end, r1, r2 moved on.
@ Changes r3-r7, ip, lr, flags.
@ /
    .macro span name, constant, body:vararg
    LOCAL_FUNCTION \name
    push {lr}
    cmp r0, r7
    beq .Lend_\name
    mov lr, r7
    ldr r6, =0x80808080
    lsrs r7, r6, #7                 @ 0x01010101
    \constant
    movs r4, #128
    cmp r3, r4
    bhi .Lhigh_\name
    subs r4, r4, r3
    muls r4, r7, r4
    mov ip, r4
    .endm

    span m0k_span_copy, "movs r5, #255"
.Llow_copy:
    copy_8 orrs
    copy_8 orrs
    cmp r0, lr
    bne .Llow_copy
    pop {pc}
.Lhigh_m0k_span_copy:
    lsls r4, r4, #1
    subs r4, r4, r3
    muls r4, r7, r4
    mov ip, r4
.Lhigh_copy:
    copy_8 ands
    copy_8 ands
    cmp r0, lr
    bne .Lhigh_copy
.Lend_m0k_span_copy:
    pop {pc}
    .p2align 2
    .ltorg
    END_FUNCTION m0k_span_copy

    span m0k_span_pack, "ldr r5, =0x204081"
.Llow_pack:
    pack_8 orrs, 0
    pack_8 orrs, 1
    adds r2, #2
    cmp r0, lr
    bne .Llow_pack
    pop {pc}
.Lhigh_m0k_span_pack:
    lsls r4, r4, #1
    subs r4, r4, r3
    muls r4, r7, r4
    mov ip, r4
.Lhigh_pack:
    pack_8 ands, 0
    pack_8 ands, 1
    adds r2, #2
    cmp r0, lr
    bne .Lhigh_pack
.Lend_m0k_span_pack:
    pop {pc}
    .p2align 2
    .ltorg
    END_FUNCTION m0k_span_pack

@
@ Scan for the block in which the ties run out. In: r0 scores, r7 end, r8 cut, r9 ties (not 0).
@ Out: r0 = that block and r9 = its ties to keep; or r0 = the block behind it (perhaps the end) and r9 = 0 when they ran
@ out exactly; or r0 = end and r9 = ties left. Changes r1-r6, ip, flags. Leaf, no stack.
@ /
    .macro zero_8 first             @ bit 7 in some byte of r5 when one of eight bytes equals cut
    ldm r0!, {r3, r4}
    eors r3, r1
    .if \first
    subs r5, r3, r2
    bics r5, r3
    .else
    subs r6, r3, r2
    bics r6, r3
    orrs r5, r6
    .endif
    eors r4, r1
    subs r6, r4, r2
    bics r6, r4
    orrs r5, r6
    .endm

    .macro unequal_4                @ adds to each byte of r5 whether the score is another than cut
    ldm r0!, {r3}
    eors r3, r1
    movs r4, r3
    bics r4, r6
    add r4, ip
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
    mov ip, r3                      @ 0x7F7F7F7F
.Lscan:
    zero_8 1
    zero_8 0
    lsls r6, r2, #7
    tst r5, r6
    bne .Lequal
.Lnext:
    cmp r0, r7
    bne .Lscan
.Lscanned:
    bx lr
.Lequal:
    subs r0, #16
    movs r5, #0
    unequal_4
    unequal_4
    unequal_4
    unequal_4
    muls r5, r2, r5
    lsrs r5, r5, #24
    mov r3, r9
    adds r5, r5, r3
    subs r5, #16                    @ ties - equal
    blo .Lrun_out
    mov r9, r5
    bne .Lnext
    bx lr
.Lrun_out:
    subs r0, #16
    bx lr
    .p2align 2
    .ltorg
    END_FUNCTION m0k_span_ties

@
@ One mask over blocks. In: r0 scores, r1 weights (copy), r2 out, r3 bytes, r4 the span function, r8 cut, r9 ties.
@ Out: r9 ties left. Changes r0-r7, r10, r11, ip. Stack 24 bytes and 4 of the span.
@ /
    LOCAL_FUNCTION m0k_masked
    push {lr}
    mov r11, r4
    adds r7, r0, r3
    mov r10, r7
    mov r3, r9
    cmp r3, #0
    beq .Lbehind
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
    beq .Ldone                      @ the ties go on behind the end
    bl m0k_span_last
.Lbehind:
    mov r7, r10
    mov r3, r8
    adds r3, #1
    blx r11
.Ldone:
    pop {pc}
    END_FUNCTION m0k_masked

@ The block r0 in which r9 (1 .. 15) ties are kept and the others not; r9 becomes 0. Registers as for a span.
    LOCAL_FUNCTION m0k_span_last
    push {r0, lr}
    sub sp, #16
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
    cmp r4, #16
    blo .Lfix
    movs r3, #0
    mov r9, r3
    mov r0, sp
    mov r7, sp
    adds r7, #16
    movs r3, #1
    blx r11
    add sp, #16
    pop {r0}
    adds r0, #16
    pop {pc}
    END_FUNCTION m0k_span_last

    FUNCTION m0k_mask_copy
    SAVE_ALL
    ldr r4, [r0, #MASK_COPY_SELECTION]
    ldm r4!, {r5, r6}
    mov r8, r5
    mov r9, r6
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
    ldr r4, [r0, #MASK_PACK_SELECTION]
    ldm r4!, {r5, r6}
    mov r8, r5
    mov r9, r6
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
    cmp r1, #0
    bne .Lresume
    ldr r0, [r4, #SELECTION_TIES]
    str r0, [r7]
.Lresume:
    ldr r0, [r7]
    mov r9, r0
    ldr r0, [r4, #SELECTION_CUT]
    mov r8, r0
    muls r1, r6, r1
    adds r0, r3, r1
    adds r1, r2, r1
    movs r2, r5
    movs r3, r6
    ldr r4, =m0k_span_copy
    bl m0k_masked
    pop {r0, r1}
    mov r2, r9
    str r2, [r1]
    RETURN_ALL
    .p2align 2
    .ltorg
    END_FUNCTION m0k_rows_scores

@ Four edges: bits \from .. \from + 3 of r3 choose a mask from the table at r4; r5 = 0x3C, r6 = 0x80808080.
    .macro expand_4 by, from
    \by r7, r3, #\from
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
    push {r2}
    muls r1, r7, r1
    lsrs r3, r1, #3
    adds r3, r5, r3
    mov ip, r3                      @ bits of the group
    adds r1, r4, r1
    adds r7, r2, r7
    mov lr, r7                      @ end of scratch
    adr r4, .Lnibbles
    movs r5, #0x3C
    ldr r6, =0x80808080
    cmp r2, lr
    beq .Lexpanded
.Lexpand:
    mov r7, ip
    ldrh r3, [r7]
    adds r7, #2
    mov ip, r7
    expand_4 lsls, 2
    expand_4 lsrs, 2
    expand_4 lsrs, 6
    expand_4 lsrs, 10
    cmp r2, lr
    bne .Lexpand
.Lexpanded:
    pop {r0}
    pop {r4-r7, pc}
    .p2align 2
.Lnibbles:
    .word 0x00000000, 0x000000FF, 0x0000FF00, 0x0000FFFF, 0x00FF0000, 0x00FF00FF, 0x00FFFF00, 0x00FFFFFF
    .word 0xFF000000, 0xFF0000FF, 0xFF00FF00, 0xFF00FFFF, 0xFFFF0000, 0xFFFF00FF, 0xFFFFFF00, 0xFFFFFFFF
    .ltorg
    END_FUNCTION m0k_rows_bits
