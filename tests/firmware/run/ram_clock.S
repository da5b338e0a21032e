@ An image in SRAM that measures itself by SysTick: what it counts must be what m0sim counts.
    .syntax unified
    .cpu cortex-m0plus
    .thumb
    .text
    .global main
    .type main, %function
    .thumb_func
main:
    ldr r0, =0xE000E010
    ldr r1, =0x00FFFFFF
    str r1, [r0, #4]            @ RVR
    str r1, [r0, #8]            @ CVR: any write clears it
    movs r1, #5                 @ processor clock, no interrupt
    str r1, [r0]
    nop
    nop
    ldr r2, [r0, #8]
    ldr r3, [r0, #8]
    subs r5, r2, r3             @ what two reads in a row are apart: 2 cycles
    ldr r2, [r0, #8]
    movs r4, #100               @ 1
1:  subs r4, #1                 @ 1
    bne 1b                      @ 2, at last 1
    ldr r3, [r0, #8]
    subs r0, r2, r3             @ 2 + 1 + 100 * 3 - 1 = 302
    lsls r5, r5, #16
    orrs r0, r5                 @ 0x0002012E
    bx lr
    .ltorg
    .size main, . - main
