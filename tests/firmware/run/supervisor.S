@ Functions that take exceptions, and their handlers; `main` ends at once.
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    .macro function name
    .section .text.\name, "ax", %progbits
    .global \name
    .type \name, %function
    .thumb_func
\name:
    .endm
    .macro end_function name
    .ltorg
    .size \name, . - \name
    .endm

    function SVC_Handler        @ doubles the caller's r0: 2 + 1 + 2 + 2 cycles
    ldr r0, [sp]
    lsls r0, r0, #1
    str r0, [sp]
    bx lr
    end_function SVC_Handler

    function PendSV_Handler     @ 2 + 2 + 1 + 2 + 2
    ldr r0, =switches
    ldr r1, [r0]
    adds r1, #1
    str r1, [r0]
    bx lr
    end_function PendSV_Handler

    function ask                @ SVC, then 1 + 2
    svc #7
    adds r0, #1
    bx lr
    end_function ask

    function ask_often
    push {r4, r5, lr}
    movs r4, r0
    movs r5, #0
1:  movs r0, r4
    bl ask
    adds r5, r5, r0
    subs r4, #1
    bne 1b
    movs r0, r5
    pop {r4, r5, pc}
    end_function ask_often

    function switch             @ PendSV, then what its handler did
    ldr r0, =0xE000ED04         @ ICSR
    ldr r1, =1 << 28
    str r1, [r0]
    dsb
    isb
    ldr r0, =switches
    ldr r0, [r0]
    bx lr
    end_function switch

    function ask_masked         @ SVC with PRIMASK is a HardFault
    cpsid i
    svc #1
    cpsie i
    bx lr
    end_function ask_masked

    function number             @ of the exception: 0 in Thread mode
    mrs r0, ipsr
    bx lr
    end_function number

    function main
    ldr r0, =kept
    ldr r0, [r0, #16]
    lsrs r0, r0, #31
    bx lr
    end_function main

    .section .rodata.kept, "a"
    .p2align 2
kept:                           @ or the linker drops what nobody calls
    .word ask, ask_often, switch, ask_masked, number

    .section .bss.switches, "aw", %nobits
    .p2align 2
    .type switches, %object
switches:
    .space 4
    .size switches, 4
