@ Start-up of the programs: vectors, and first values of variables.
    .syntax unified
    .thumb

    .section .vectors, "a"
    .word __stack_top, Reset_Handler
    .rept 46                    @ exceptions 2 to 15, interrupts 0 to 31
    .word Interrupt_Handler
    .endr

    .text
    .global Reset_Handler
    .type Reset_Handler, %function
    .thumb_func
Reset_Handler:
    ldr r1, =__bss_begin
    ldr r2, =__bss_end
    movs r3, #0
1:  cmp r1, r2
    bhs 2f
    stmia r1!, {r3}
    b 1b
2:  bl main
    bl _exit
    .ltorg
    .size Reset_Handler, . - Reset_Handler

    .global _exit
    .type _exit, %function
    .thumb_func
_exit:                          @ m0sim ends a run here, with r0 as the exit code
    b _exit
    .size _exit, . - _exit
