/*
 * m0k_add(const m0k_addition_t *p): the sum of two int8 tensors whose last places differ, in the coarser of the two.
 *
 *   d = shift and, unless exponent_a is 0, *exponent_a - *exponent_b more; then *exponent = *exponent_a + max(0, -d).
 *   s = sat(round_shift(a, -d) + round_shift(b, d)) (a shift below 1 leaves a number as it is).
 *   out = max(s, 0) or, unless gate is 0, s where gate is not 0, else 0.
 *
 * Shapes    n any, 0 too. Words are read and written: a, b, out and gate have room for a multiple of 4 bytes; of out those
 *           behind n keep what they hold. out may be a or b; exponent may be exponent_a or exponent_b.
 * Ranges    a and b -127 .. 127, gate 0 .. 127, any d. Alignment 4.
 * Stack     44 bytes.
 * Cycles    at most 140 + ceil(n / 4) * (32, gated 47; 16 more where d is not 0; 13 more where one of the four saturates).
 *           Four of which the side that is shifted (b where d is 0) is 0 take 19, gated 25 or, where both are 0, 16.
 *           Cortex-M0+.
 *
 * Four bytes at a time. Two's complement bytes are added without their top bits, whose sum is an exclusive or; they
 * saturate where both signs are the same and that of the sum is another.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "m0k.inc"

    .equ S_BLOCK, 0
    .equ S_LAST, 4                  @ the last word of out before, where n is no multiple of 4
    .equ S_SIZE, 8

@ In all macros: r2 SIGN_BITS, r8 a 1 in each byte, r3 four of the side that is not shifted, r4 four of the other.

@ ROUND_BYTES: r4 = its bytes, shifted to the right by 1 .. 7 and rounded, ties away from zero. r9 = shift - 1, r10 =
@ 255 >> shift and r11 = 128 >> shift in each byte. r9 = 32, r11 = 0: r4 = 0. Spoils r5, r6. 16 cycles.
@ u = byte + 128, one less for negative ones, which makes rounding half up the rounding wanted; (u >> shift) - r11 plus
@ the last bit shifted out.
    .macro ROUND_BYTES
    mov r6, r8
    lsrs r5, r4, #7
    ands r5, r6
    eors r4, r2
    subs r4, r4, r5
    mov r5, r9
    lsrs r4, r5
    ands r6, r4                     @ the last bits shifted out
    lsrs r4, r4, #1
    mov r5, r10
    ands r4, r5
    orrs r4, r2                     @ 128 more: nothing is borrowed
    mov r5, r11
    subs r5, r5, r6
    subs r4, r4, r5
    eors r4, r2
    .endm

@ SUM_BYTES saturate: r6 = the sums of the bytes of r3 and r4, modulo 256; to saturate where one of them is out of
@ range: r4 = bit 7 of those. Spoils r5. 14 cycles.
    .macro SUM_BYTES saturate
    movs r5, r3
    eors r5, r4
    movs r6, r3
    bics r6, r2
    bics r4, r2
    adds r6, r6, r4
    movs r4, r5
    ands r4, r2
    eors r6, r4
    movs r4, r6
    eors r4, r3
    bics r4, r5
    ands r4, r2
    bne \saturate
    .endm

@ SATURATE_BYTES: r6 = 127 or -127, by the sign of r3, in the bytes that r4 has a 128 in. Spoils r3-r5. 10 cycles.
    .macro SATURATE_BYTES
    lsrs r5, r4, #7
    lsls r4, r4, #1
    subs r4, r4, r5                 @ 255 in each
    bics r6, r4
    bics r4, r2                     @ 127 in each
    lsrs r3, r3, #7
    ands r3, r5                     @ 1 where negative
    lsls r3, r3, #1
    adds r4, r4, r3                 @ 127, or 129: -127
    orrs r6, r4
    .endm

@ WITHOUT_128: bytes of r6 that are -128 become -127. Spoils r4, r5. 9 cycles.
    .macro WITHOUT_128
    movs r4, r6
    bics r4, r2
    mvns r5, r2
    adds r4, r4, r5                 @ bit 7 clear: the lower seven are 0
    movs r5, r6
    bics r5, r4
    ands r5, r2
    lsrs r5, r5, #7
    adds r6, r6, r5
    .endm

@ ALL_BITS d, spare: each byte of d, 0 or 128, becomes 0 or 255. 3 cycles.
    .macro ALL_BITS d, spare
    lsrs \spare, \d, #7
    lsls \d, \d, #1
    subs \d, \d, \spare
    .endm

@ ADDITION shifted, gated: the loop and what follows it. r0 and r1 the two sides, r7 out, lr its end, r12 gate - out.
@ 32 cycles a word, 47 gated; the contract has all cases.
    .macro ADDITION shifted, gated
.Lword\@:
    ldm r0!, {r3}
    ldm r1!, {r4}
    movs r6, r3
    cmp r4, #0
    beq .Lsum_known\@
    .if \shifted
    ROUND_BYTES
    .endif
    SUM_BYTES .Lsaturate\@
.Lsaturated\@:
    .if \gated
    WITHOUT_128
    .endif
.Lsum_known\@:
    .if \gated
    cmp r6, #0
    beq .Lstore\@
    mov r4, r12
    ldr r4, [r7, r4]
    mvns r5, r2
    adds r4, r4, r5                 @ bit 7 set where the gate is not 0
    ands r4, r2
    ALL_BITS r4, r5
    ands r6, r4
    .else
    movs r4, r6
    ands r4, r2
    ALL_BITS r4, r5
    bics r6, r4
    .endif
.Lstore\@:
    stm r7!, {r6}
    cmp r7, lr
    bne .Lword\@
    b .Lwritten
.Lsaturate\@:
    SATURATE_BYTES
    b .Lsaturated\@
    .endm

    FUNCTION m0k_add
    SAVE_ALL
    sub sp, #S_SIZE
    str r0, [sp, #S_BLOCK]
    movs r6, r0

@ r3 = d, and the exponent of the sum.
    ldr r3, [r6, #ADDITION_SHIFT]
    ldr r4, [r6, #ADDITION_EXPONENT_A]
    cmp r4, #0
    beq .Ldifference_known
    ldr r4, [r4]
    ldr r5, [r6, #ADDITION_EXPONENT_B]
    ldr r5, [r5]
    adds r3, r3, r4
    subs r3, r3, r5
    bpl .La_coarser
    subs r4, r4, r3
.La_coarser:
    ldr r5, [r6, #ADDITION_EXPONENT]
    str r4, [r5]

@ r0 the side that stays, r1 the one that is shifted, by r3.
.Ldifference_known:
    ldr r0, [r6, #ADDITION_A]
    ldr r1, [r6, #ADDITION_B]
    cmp r3, #0
    bge .Lsides_known
    movs r4, r0
    movs r0, r1
    movs r1, r4
    rsbs r3, r3, #0
.Lsides_known:
    ldr r7, [r6, #ADDITION_OUT]
    ldr r4, [r6, #ADDITION_N]
    lsls r5, r4, #30
    beq .Lwhole_words
    lsrs r5, r4, #2
    lsls r5, r5, #2
    ldr r5, [r7, r5]
    str r5, [sp, #S_LAST]
.Lwhole_words:
    PADDED r4
    bne .Lsome
    b .Ldone
.Lsome:
    adds r4, r4, r7
    mov lr, r4
    ldr r2, .Lsigns
    lsrs r5, r2, #7
    mov r8, r5
    ldr r6, [r6, #ADDITION_GATE]
    subs r4, r6, r7
    mov r12, r4
    cmp r3, #0
    bne .Lshifted
    cmp r6, #0
    bne .Lplain_gated
    ADDITION shifted=0, gated=0
    .p2align 2
.Lsigns:
    .word SIGN_BITS
.Lplain_gated:
    ADDITION shifted=0, gated=1

@ What ROUND_BYTES wants.
.Lshifted:
    cmp r3, #8
    blo .Lshift_known
    movs r3, #33                    @ all of it: r10, r11 and what LSRS by 32 leaves are 0
.Lshift_known:
    movs r4, #255
    lsrs r4, r3
    muls r4, r5, r4
    mov r10, r4
    movs r4, #128
    lsrs r4, r3
    muls r4, r5, r4
    mov r11, r4
    subs r3, #1
    mov r9, r3
    cmp r6, #0
    bne .Lshifted_gated
    ADDITION shifted=1, gated=0
.Lshifted_gated:
    ADDITION shifted=1, gated=1

@ The bytes behind n as they were.
.Lwritten:
    ldr r6, [sp, #S_BLOCK]
    ldr r4, [r6, #ADDITION_N]
    lsls r4, r4, #30
    beq .Ldone
    lsrs r4, r4, #27                @ 8 * (n % 4)
    LOW_BITS r5, r4
    subs r7, #4
    ldr r3, [r7]
    ands r3, r5
    ldr r4, [sp, #S_LAST]
    bics r4, r5
    orrs r3, r4
    str r3, [r7]
.Ldone:
    add sp, #S_SIZE
    RETURN_ALL
    END_FUNCTION m0k_add
