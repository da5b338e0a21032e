    @ Calls, jumps and stacks whose cycles test_machine.py works out by hand. Cortex-M0+ cycles stand on the right.
    .include "macros.inc"

    function leaf
    adds r0, #1                 @ 1
    bx lr                       @ 2
    end leaf

    function recursive
    push {r4, lr}               @ 3
    movs r4, r0                 @ 1
    beq 1f                      @ 1 or 2
    subs r0, #1                 @ 1
    bl recursive                @ 3
1:  adds r0, r0, r4             @ 1
    pop {r4, pc}                @ 5
    end recursive

    function is_even
    push {lr}                   @ 2
    cmp r0, #0                  @ 1
    beq 1f                      @ 1 or 2
    subs r0, #1                 @ 1
    bl is_odd                   @ 3
    pop {pc}                    @ 4
1:  movs r0, #1                 @ 1
    pop {pc}                    @ 4
    end is_even

    function is_odd
    push {lr}
    cmp r0, #0
    beq 1f
    subs r0, #1
    bl is_even
    pop {pc}
1:  movs r0, #0
    pop {pc}
    end is_odd

    function tail_b
    adds r0, #1                 @ 1
    b leaf                      @ 2
    end tail_b

    function tail_bx
    ldr r3, =leaf               @ 2
    bx r3                       @ 2
    end tail_bx

    function calls_tails
    push {lr}                   @ 2
    bl tail_b                   @ 3
    bl tail_bx                  @ 3
    pop {pc}                    @ 4
    end calls_tails

    function through_register
    push {lr}                   @ 2
    ldr r3, =leaf               @ 2
    blx r3                      @ 2
    pop {pc}                    @ 4
    end through_register

    function falls
    adds r0, #2                 @ 1
    .size falls, . - falls
    .global falls_into
    .type falls_into, %function
    .thumb_func
falls_into:
    adds r0, #1                 @ 1
    bx lr                       @ 2
    end falls_into

    function far_jump
    push {lr}                   @ 2
    bl 1f                       @ 3, a jump: nothing returns here
    movs r0, #99
1:  pop {pc}                    @ 4
    end far_jump

    function calls_far
    push {lr}                   @ 2
    bl far_out                  @ 3
    adds r0, #1                 @ 1
    pop {pc}                    @ 4
    end calls_far

    function far_out
    push {lr}                   @ 2
    bl far_target               @ 3, a jump too: far_target pops what far_out pushed
    end far_out

    function far_target
    adds r0, #1                 @ 1
    pop {pc}                    @ 4
    end far_target

    function catcher
    push {r4, lr}               @ 3
    mov r4, sp                  @ 1
    adr r1, 1f                  @ 1
    bl thrower_caller           @ 3
    movs r0, #99
    .balign 4
1:  mov sp, r4                  @ 1
    adds r0, #1                 @ 1
    pop {r4, pc}                @ 5
    end catcher

    function thrower_caller
    push {lr}                   @ 2
    bl thrower                  @ 3
    pop {pc}
    end thrower_caller

    function thrower
    adds r1, #1                 @ 1
    bx r1                       @ 2
    end thrower

    function big_frame
    ldr r3, =-1024              @ 2
    add sp, r3                  @ 1
    str r0, [sp]                @ 2
    ldr r0, [sp]                @ 2
    ldr r3, =1024               @ 2
    add sp, r3                  @ 1
    bx lr                       @ 2
    end big_frame

    function moves_sp
    mov r2, sp                  @ 1
    subs r2, #64                @ 1
    mov r3, sp                  @ 1
    mov sp, r2                  @ 1
    push {r0, r1}               @ 3
    pop {r0, r1}                @ 3
    mov sp, r3                  @ 1
    bx lr                       @ 2
    end moves_sp

    function process_stack
    mov r2, sp                  @ 1
    subs r2, #128               @ 1
    msr psp, r2                 @ 3
    movs r1, #2                 @ 1
    msr control, r1             @ 3
    isb                         @ 3
    push {r0-r3}                @ 5
    pop {r0-r3}                 @ 5
    movs r1, #0                 @ 1
    msr control, r1             @ 3
    isb                         @ 3
    bx lr                       @ 2
    end process_stack

    function hints
    nop                         @ 1
    yield                       @ 1
    wfe                         @ 2
    sev                         @ 1
    cpsid i                     @ 1
    mrs r0, primask             @ 3
    cpsie i                     @ 1
    bx lr                       @ 2
    end hints

    function barriers
    mrs r0, apsr                @ 3
    msr apsr_nzcvq, r0          @ 3
    dsb                         @ 3
    dmb                         @ 3
    isb                         @ 3
    bx lr                       @ 2
    end barriers

    .macro countdown name, section
    function \name, \section
1:  subs r0, #1                 @ 1
    bne 1b                      @ 2, the last one 1
    bx lr                       @ 2
    end \name
    .endm
    countdown flash_loop, .text
    countdown ram_loop, .ramfunc

    function multiply
    muls r0, r1, r0             @ 1 or 32
    bx lr                       @ 2
    end multiply

    @ (destination, source, bytes) through a table in flash
    function translate
    push {r4, lr}               @ 3
    ldr r3, =letters            @ 2
1:  subs r2, #1                 @ 1
    ldrb r4, [r1, r2]           @ 2
    ldrb r4, [r3, r4]           @ 2
    strb r4, [r0, r2]           @ 2
    bne 1b                      @ 2, the last one 1: loads, stores leave the flags alone
    pop {r4, pc}                @ 5
    end translate

    .section .rodata.letters, "a", %progbits
    .global letters
    .type letters, %object
letters:
    .ascii "abcdefgh"
    .size letters, . - letters

    @ Counts in .data and .bss
    function bump
    ldr r1, =in_data            @ 2
    ldr r2, [r1]                @ 2
    adds r2, #1                 @ 1
    str r2, [r1]                @ 2
    ldr r1, =in_bss             @ 2
    ldr r0, [r1]                @ 2
    adds r0, #1                 @ 1
    str r0, [r1]                @ 2
    adds r0, r0, r2             @ 1
    bx lr                       @ 2
    end bump

    function stale_stack
    sub sp, #16                 @ 1
    ldr r1, [sp]                @ 2
    str r0, [sp]                @ 2
    add sp, #16                 @ 1
    movs r0, r1                 @ 1
    bx lr                       @ 2
    end stale_stack

    .section .data.in_data, "aw", %progbits
    .balign 4
    .global in_data
    .type in_data, %object
in_data:
    .word 100
    .size in_data, 4

    .section .bss.in_bss, "aw", %nobits
    .balign 4
    .global in_bss
    .type in_bss, %object
in_bss:
    .space 4
    .size in_bss, 4

    function calls_slow
    push {lr}                   @ 2
    bl slow                     @ 3
    bl slow                     @ 3
    pop {pc}                    @ 4
    end calls_slow

    function slow
    ldr r0, =0x40000000         @ 2
    ldr r0, [r0]                @ a peripheral that nobody simulates
    bx lr
    end slow
