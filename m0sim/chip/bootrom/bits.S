// Bit functions: RP2040 datasheet, 2.8.3.1.1. Each is a leaf that keeps all but r0 to r3.
#include "rom.inc"

// uint32_t popcount32(uint32_t value): sums of 2, 4 and 8 bits side by side, then of all four bytes.
function bootrom_popcount32
    ldr     r2, =0x55555555
    lsrs    r1, r0, #1
    ands    r1, r2
    subs    r0, r1
    ldr     r2, =0x33333333
    lsrs    r1, r0, #2
    ands    r1, r2
    ands    r0, r2
    adds    r0, r1
    lsrs    r1, r0, #4
    adds    r0, r1
    ldr     r2, =0x0f0f0f0f
    ands    r0, r2
    ldr     r2, =0x01010101
    muls    r0, r2
    lsrs    r0, #24
    bx      lr
end bootrom_popcount32

// uint32_t reverse32(uint32_t value): bytes first, then nibbles, pairs and bits within them.
function bootrom_reverse32
    rev     r0, r0
    ldr     r2, =0x0f0f0f0f
    lsrs    r1, r0, #4
    ands    r1, r2
    ands    r0, r2
    lsls    r0, #4
    orrs    r0, r1
    lsls    r1, r2, #2
    eors    r2, r1                  // 0x33333333
    lsrs    r1, r0, #2
    ands    r1, r2
    ands    r0, r2
    lsls    r0, #2
    orrs    r0, r1
    lsls    r1, r2, #1
    eors    r2, r1                  // 0x55555555
    lsrs    r1, r0, #1
    ands    r1, r2
    ands    r0, r2
    lsls    r0, #1
    orrs    r0, r1
    bx      lr
end bootrom_reverse32

// uint32_t clz32(uint32_t value): the highest byte that is not 0, and a table of bytes. 32 for 0.
function bootrom_clz32
    movs    r3, #0
    lsrs    r1, r0, #24
    bne     3f
    movs    r3, #8
    lsrs    r1, r0, #16
    bne     3f
    movs    r3, #16
    lsrs    r1, r0, #8
    bne     3f
    movs    r3, #24
    movs    r1, r0
3:  ldr     r2, =leading_zeros
    ldrb    r0, [r2, r1]
    adds    r0, r3
    bx      lr
end bootrom_clz32

// uint32_t ctz32(uint32_t value): the lowest bit that is set, as its place in a de Bruijn sequence. 32 for 0.
function bootrom_ctz32
    negs    r1, r0
    ands    r0, r1
    beq     1f
    ldr     r1, =0x077cb531
    muls    r0, r1
    lsrs    r0, #27
    adr     r1, places
    ldrb    r0, [r1, r0]
    bx      lr
1:  movs    r0, #32
    bx      lr
    .balign 4
places:
    .byte   0, 1, 28, 2, 29, 14, 24, 3, 30, 22, 20, 15, 25, 17, 4, 8
    .byte   31, 27, 13, 23, 21, 19, 16, 7, 26, 12, 18, 6, 11, 5, 10, 9
end bootrom_ctz32

    .section .rodata.leading_zeros, "a"
leading_zeros:                      // of a byte
    .byte   8, 7, 6, 6
    .fill   4, 1, 5
    .fill   8, 1, 4
    .fill   16, 1, 3
    .fill   32, 1, 2
    .fill   64, 1, 1
    .fill   128, 1, 0
