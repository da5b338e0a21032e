// What programs do with the boot ROM of the RP2040: datasheet, 2.8.3.
    .syntax unified
    .text

.macro function name
    .balign 4
    .global \name
    .type \name, %function
    .thumb_func
\name:
.endm

.macro end name
    .pool
    .size \name, . - \name
.endm

    // void *look_up(uint32_t table, uint32_t code): table is 0x14 for functions, 0x16 for data
function look_up
    ldrh    r0, [r0]
    movs    r3, #0x18
    ldrh    r3, [r3]
    bx      r3
end look_up

    // void *copy(void *to, const void *from, uint32_t n), by the ROM's memcpy
function copy
    push    {r0, r1, r2, lr}
    movs    r0, #0x14
    ldr     r1, ='M' | 'C' << 8
    bl      look_up
    movs    r3, r0
    pop     {r0, r1, r2}
    blx     r3
    pop     {pc}
end copy

    // uint32_t magic(void)
function magic
    movs    r0, #0x10
    ldr     r0, [r0]
    bx      lr
end magic

    // uint32_t load(const uint32_t *p)
function load
    ldr     r0, [r0]
    bx      lr
end load
