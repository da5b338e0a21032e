@ Start-up of the test programs: boot2 without any set-up of the flash, vectors, first values of variables.
    .syntax unified
    .cpu cortex-m0plus
    .thumb

@ Entered by the boot ROM in SRAM. Tests put the checksum into its last four bytes.
    .section .boot2, "ax"
    ldr r0, =0x10000100
    ldr r1, =0xE000ED08         @ VTOR
    str r0, [r1]
    ldr r1, [r0]
    msr msp, r1
    ldr r1, [r0, #4]
    bx r1
    .ltorg
    .org 252, 0
    .word 0

    .section .entry, "ax"       @ the lowest address of an image in SRAM
    .global entry
    .type entry, %function
    .thumb_func
entry:
    ldr r0, =vectors
    ldr r1, =0xE000ED08
    str r0, [r1]
    ldr r1, [r0]
    msr msp, r1
    ldr r1, [r0, #4]
    bx r1
    .ltorg

    .section .vectors, "a"
    .global vectors
vectors:
    .word __stack_top, Reset_Handler, NMI_Handler, HardFault_Handler
    .word 0, 0, 0, 0, 0, 0, 0, SVC_Handler
    .word 0, 0, PendSV_Handler, SysTick_Handler
    .word IRQ0_Handler, IRQ1_Handler, IRQ2_Handler, IRQ3_Handler
    .word Default_Handler, IRQ5_Handler, Default_Handler
    .word IRQ7_Handler
    .rept 3                     @ 8 to 10
    .word Default_Handler
    .endr
    .word IRQ11_Handler, Default_Handler
    .word IRQ13_Handler
    .word Default_Handler       @ 14
    .word IRQ15_Handler, IRQ16_Handler
    .rept 3                     @ 17 to 19
    .word Default_Handler
    .endr
    .word IRQ20_Handler, IRQ21_Handler
    .rept 10                    @ 22 to 31
    .word Default_Handler
    .endr

    .macro function name
    .global \name
    .type \name, %function
    .thumb_func
\name:
    .endm
    .macro end_function name
    .size \name, . - \name
    .endm

    .text
    function Reset_Handler
    ldr r0, =__data_source
    ldr r1, =__data_begin
    ldr r2, =__data_end
    cmp r0, r1
    beq 2f
1:  cmp r1, r2
    bhs 2f
    ldmia r0!, {r3}
    stmia r1!, {r3}
    b 1b
2:  ldr r1, =__bss_begin
    ldr r2, =__bss_end
    movs r3, #0
3:  cmp r1, r2
    bhs 4f
    stmia r1!, {r3}
    b 3b
4:  bl begin
    bl _exit
    .ltorg
    end_function Reset_Handler

    function _exit              @ m0sim ends a run here, with r0 as the exit code
    b _exit
    end_function _exit

    function Default_Handler
    b Default_Handler
    end_function Default_Handler

    .macro weak name
    .weak \name
    .thumb_set \name, Default_Handler
    .endm
    weak NMI_Handler
    weak HardFault_Handler
    weak SVC_Handler
    weak PendSV_Handler
    weak SysTick_Handler
    weak IRQ0_Handler
    weak IRQ1_Handler
    weak IRQ2_Handler
    weak IRQ3_Handler
    weak IRQ5_Handler
    weak IRQ7_Handler
    weak IRQ11_Handler
    weak IRQ13_Handler
    weak IRQ15_Handler
    weak IRQ16_Handler
    weak IRQ20_Handler
    weak IRQ21_Handler
