@ What bench_events.py runs: the loops of bench.S and dot_fast.S under SysTick. The word at PERIOD is its reload value, 0
@ for none, the one at SCALE says how long the loop is.

    .syntax unified
    .cpu cortex-m0plus
    .thumb
    .section .rodata.v, "a"
    .balign 256
    .macro V name
    .balign 256
    .global \name\()_vectors
\name\()_vectors:
    .word 0x20030000, \name, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, tick
    .endm
    V ticking_nine
    V ticking_calls
    V ticking_dot
    .text
    .macro GO name
    .thumb_func
    .global \name
    .type \name,%function
\name:
    ldr r0,=PERIOD
    ldr r0,[r0]
    ldr r1,=0xE000E010
    cmp r0,#0
    beq 1f
    str r0,[r1,#4]
    str r0,[r1,#8]
    movs r0,#7
    str r0,[r1]
1:
    .endm
    .equ PERIOD, 0x20020000
    GO ticking_nine
    ldr r0,=SCALE
    ldr r0,[r0]
    bl loop_of_nine
    bkpt 0xAB
    .ltorg
    .equ SCALE, 0x20020004
    GO ticking_calls
    ldr r0,=SCALE
    ldr r0,[r0]
    bl many_calls
    bkpt 0xAB
    .ltorg
    GO ticking_dot
    ldr r0,=0x20000000
    ldr r1,=0x20008000
    ldr r2,=20000
    ldr r3,=SCALE
    ldr r3,[r3]
    bl repeat_dot
    bkpt 0xAB
    .ltorg
    .thumb_func
    .global tick
    .type tick,%function
tick:
    ldr r0,=0x20020010
    ldr r1,[r0]
    adds r1,#1
    str r1,[r0]
    bx lr
    .ltorg
