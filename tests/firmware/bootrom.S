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

    // void apply(function, const uint32_t in[n][4], uint32_t out[n][4], uint32_t n): r0 to r3 before and after each call
function apply
    push    {r4, r5, r6, r7, lr}
    movs    r4, r1
    movs    r5, r2
    movs    r6, r3
    movs    r7, #1
    orrs    r7, r0
    cmp     r6, #0
    beq     2f
1:  ldmia   r4!, {r0, r1, r2, r3}
    blx     r7
    stmia   r5!, {r0, r1, r2, r3}
    subs    r6, #1
    bne     1b
2:  pop     {r4, r5, r6, r7, pc}
end apply

    // uint32_t on_stack(function, void *sp): calls it there; what is above its own stack may change
function on_stack
    mov     r8, lr
    mov     r9, sp
    movs    r2, #1
    orrs    r0, r2
    mov     sp, r1
    blx     r0
    mov     sp, r9
    mov     lr, r8
    bx      lr
end on_stack

    // void by_trampoline(uint32_t argument, function)
function by_trampoline
    mov     r7, r1
    movs    r0, r0
    push    {r0}
    movs    r0, #0x14
    ldr     r1, ='D' | 'T' << 8
    bl      look_up
    movs    r1, r0
    pop     {r0}
    bx      r1
end by_trampoline
