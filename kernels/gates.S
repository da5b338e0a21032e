/*
 * What the way back needs of the forward pass, in few bits, where no gradient needs more:
 * void f(const m0k_bits_t *p), p = { in, out, n }.
 *
 * m0k_gates_pack      bit i mod 8 of byte i div 8 of out = in[i] != 0; in 0 .. 127
 * m0k_gates_unpack    back: out[i] = 1 or 0
 * m0k_places_pack     bits 2 (i mod 4) and 2 (i mod 4) + 1 of byte i div 4 of out = in[i], 0 .. 3
 * m0k_places_unpack   back
 *
 * Shapes    n 1 or more, values in buffers rounded up to 4 bytes, padding included. Gates take ceil(n / 8)
 *           bytes, places ceil(n / 4). When packing, out may be in: each byte is read before it is written.
 * Ranges    padding of gates 0 .. 127, of places any. Alignment 4.
 * Stack     20 bytes (m0k_gates_pack), 16 (m0k_gates_unpack), 12 (m0k_places_pack, m0k_places_unpack).
 * Cycles    with words = ceil(n / 4): gates 32 + 18 * (words div 2) when packing, 28 + 16 * (words div 2) when unpacking,
 *           7 and 5 more for a last odd word, 2 more for one word alone; places 19 + 13 * words: exact. Cortex-M0+.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "m0k.inc"

    .equ SEVENTHS, 0x204081         @ bits 0, 7, 14, 21: as a factor it brings bit 7 of each byte to 28 .. 31, or 0 .. 3
                                    @ to bit 0 of each byte

@ BEGIN: r0 = in, r1 = out, r2 = words, of the block r0. 8 cycles.
    .macro BEGIN
    ldr r1, [r0, #BITS_OUT]
    ldr r2, [r0, #BITS_N]
    ldr r0, [r0, #BITS_IN]
    WORDS r2
    .endm

@ GATES x: the four gates of the word x in bits 28 .. 31, the four below are 0. r5 = 0x7F7F7F7F, r6 = SIGN_BITS, r7 =
@ SEVENTHS. 3 cycles.
    .macro GATES x
    adds \x, \x, r5
    ands \x, r6
    muls \x, r7, \x
    .endm

    FUNCTION m0k_gates_pack
    push {r4-r7, lr}
    BEGIN
    ldr r5, .Lmost
    ldr r6, .Lsigns
    ldr r7, .Lfactor
    subs r2, #2
    blo .Lpack_last
.Lpack:
    ldm r0!, {r3, r4}
    GATES r3
    GATES r4
    lsrs r3, r3, #28
    lsrs r4, r4, #24
    orrs r3, r4
    strb r3, [r1]
    adds r1, #1
    subs r2, #2
    bhs .Lpack
.Lpack_last:
    adds r2, #2
    beq .Lpack_done
    ldr r3, [r0]
    GATES r3
    lsrs r3, r3, #28
    strb r3, [r1]
.Lpack_done:
    pop {r4-r7, pc}
    .p2align 2
.Lmost:
    .word 0x7F7F7F7F
.Lsigns:
    .word SIGN_BITS
.Lfactor:
    .word SEVENTHS
    END_FUNCTION m0k_gates_pack

@ OPEN x: four gates in bits 0 .. 3 to the word x. r6 = 1 in each byte, r7 = SEVENTHS. 2 cycles.
    .macro OPEN x
    muls \x, r7, \x
    ands \x, r6
    .endm

    FUNCTION m0k_gates_unpack
    push {r4, r6, r7, lr}
    BEGIN
    ldr r6, .Lones
    ldr r7, .Lback
    subs r2, #2
    blo .Lunpack_last
.Lunpack:
    ldrb r3, [r0]
    adds r0, #1
    lsrs r4, r3, #4
    OPEN r4
    lsls r3, r3, #28
    lsrs r3, r3, #28
    OPEN r3
    stm r1!, {r3, r4}
    subs r2, #2
    bhs .Lunpack
.Lunpack_last:
    adds r2, #2
    beq .Lunpack_done
    ldrb r3, [r0]
    OPEN r3
    str r3, [r1]
.Lunpack_done:
    pop {r4, r6, r7, pc}
    .p2align 2
.Lones:
    .word 0x01010101
.Lback:
    .word SEVENTHS
    END_FUNCTION m0k_gates_unpack

    FUNCTION m0k_places_pack
    push {r4, r5, lr}
    BEGIN
    ldr r4, .Lplaces
.Lplaces_pack:
    ldm r0!, {r3}
    ands r3, r4
    lsrs r5, r3, #6
    orrs r3, r5
    lsrs r5, r3, #12
    orrs r3, r5
    strb r3, [r1]                   @ what is above bit 7 stays out
    adds r1, #1
    subs r2, #1
    bne .Lplaces_pack
    pop {r4, r5, pc}
    .p2align 2
.Lplaces:
    .word 0x03030303
    END_FUNCTION m0k_places_pack

    FUNCTION m0k_places_unpack
    push {r4, r5, lr}
    BEGIN
    ldr r4, .Lplaces_back
.Lplaces_unpack:
    ldrb r3, [r0]
    adds r0, #1
    lsls r5, r3, #12
    orrs r3, r5
    lsls r5, r3, #6
    orrs r3, r5
    ands r3, r4
    stm r1!, {r3}
    subs r2, #1
    bne .Lplaces_unpack
    pop {r4, r5, pc}
    .p2align 2
.Lplaces_back:
    .word 0x03030303
    END_FUNCTION m0k_places_unpack
