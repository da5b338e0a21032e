// Memory functions: RP2040 datasheet, 2.8.3.1.2. Each gives back its first argument, and keeps r4 on.
// memset4 and memcpy44, for what is on word boundaries, are the same functions: the check takes 3 cycles.
#include "rom.inc"

// void *memset(void *p, uint8_t value, uint32_t n)
function bootrom_memset
    mov     ip, r0
    cmp     r2, #8
    blo     5f
1:  lsls    r3, r0, #30             // bytes up to a word boundary
    beq     2f
    strb    r1, [r0]
    adds    r0, #1
    subs    r2, #1
    b       1b
2:  uxtb    r1, r1
    lsls    r3, r1, #8
    orrs    r1, r3
    lsls    r3, r1, #16
    orrs    r1, r3
    subs    r2, #16
    blo     3f
    push    {r4, r5}
    movs    r3, r1
    movs    r4, r1
    movs    r5, r1
1:  stmia   r0!, {r1, r3, r4, r5}
    subs    r2, #16
    bhs     1b
    pop     {r4, r5}
3:  adds    r2, #12                 // what is left, less 4
    bmi     4f
1:  stmia   r0!, {r1}
    subs    r2, #4
    bpl     1b
4:  adds    r2, #4
5:  cmp     r2, #0
    beq     6f
1:  strb    r1, [r0]
    adds    r0, #1
    subs    r2, #1
    bne     1b
6:  mov     r0, ip
    bx      lr
end bootrom_memset

// void *memcpy(void *to, const void *from, uint32_t n)
function bootrom_memcpy
    mov     ip, r0
    cmp     r2, #8
    blo     5f
    movs    r3, r0
    eors    r3, r1
    lsls    r3, #30
    bne     5f                      // the two are never on word boundaries at once
1:  lsls    r3, r0, #30
    beq     2f
    ldrb    r3, [r1]
    strb    r3, [r0]
    adds    r0, #1
    adds    r1, #1
    subs    r2, #1
    b       1b
2:  subs    r2, #16
    blo     3f
    push    {r4, r5, r6}
1:  ldmia   r1!, {r3, r4, r5, r6}
    stmia   r0!, {r3, r4, r5, r6}
    subs    r2, #16
    bhs     1b
    pop     {r4, r5, r6}
3:  adds    r2, #12                 // what is left, less 4
    bmi     4f
1:  ldmia   r1!, {r3}
    stmia   r0!, {r3}
    subs    r2, #4
    bpl     1b
4:  adds    r2, #4
5:  cmp     r2, #0
    beq     6f
    adds    r0, r2                  // from the ends, by a negative offset that counts up to 0
    adds    r1, r2
    negs    r2, r2
1:  ldrb    r3, [r1, r2]
    strb    r3, [r0, r2]
    adds    r2, #1
    bne     1b
6:  mov     r0, ip
    bx      lr
end bootrom_memcpy
