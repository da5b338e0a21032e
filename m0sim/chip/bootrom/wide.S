// 64-bit arithmetic that the ARM EABI has the compiler call (IHI 0043, 4.2). What is shifted is r1:r0, by r2 < 64.
#include "rom.inc"

function bootrom_shift_left
    .global __aeabi_llsl
    .thumb_set __aeabi_llsl, bootrom_shift_left
    lsls    r1, r2
    movs    r3, #32
    subs    r3, r2
    bmi     1f
    movs    r2, r0
    lsrs    r2, r3
    orrs    r1, r2
    movs    r2, #32
    subs    r2, r3
    lsls    r0, r2
    bx      lr
1:  negs    r3, r3
    movs    r1, r0
    lsls    r1, r3
    movs    r0, #0
    bx      lr
end bootrom_shift_left

function bootrom_shift_right
    .global __aeabi_llsr
    .thumb_set __aeabi_llsr, bootrom_shift_right
    lsrs    r0, r2
    movs    r3, #32
    subs    r3, r2
    bmi     1f
    mov     ip, r1
    lsrs    r1, r2
    mov     r2, ip
    lsls    r2, r3
    orrs    r0, r2
    bx      lr
1:  negs    r3, r3
    movs    r0, r1
    lsrs    r0, r3
    movs    r1, #0
    bx      lr
end bootrom_shift_right

// double dsincos(double angle): the sine in r1:r0, the cosine in r3:r2 (RP2040 datasheet, table 170, offset 0x48).
function bootrom_dsincos
    push    {r4, lr}
    sub     sp, #16
    mov     r2, sp
    bl      bootrom_dsincos_pair
    pop     {r0, r1, r2, r3}
    pop     {r4, pc}
end bootrom_dsincos
