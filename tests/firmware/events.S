@ What bench_events.py runs, with the functions of bench.S: SysTick ticks while they do, unless its reload value is 0.

    .syntax unified
    .cpu cortex-m0plus
    .thumb
    .text

    .align  8
    .global events_vectors
events_vectors:
    .word   0x20040000, start
    .rept   13
    .word   stray
    .endr
    .word   tick

    .type start, %function
    .thumb_func
start:
    ldr     r4, =events_asked
    ldm     r4!, {r1, r2, r3}
    cmp     r1, #0
    beq     1f
    ldr     r0, =0xE000E010
    str     r1, [r0, #4]
    str     r1, [r0, #8]
    movs    r1, #7
    str     r1, [r0]
1:  movs    r0, r3
    blx     r2
    bkpt    0xAB
    .size start, . - start

    .type tick, %function
    .thumb_func
tick:
    ldr     r0, =events_ticks
    ldr     r1, [r0]
    adds    r1, r1, #1
    str     r1, [r0]
    bx      lr
    .size tick, . - tick

    .type stray, %function
    .thumb_func
stray:
    bkpt    1
    .size stray, . - stray

@ So many rounds: 5,200 of loop_of_nine, which are half a millisecond at 125 MHz, then asleep to the next tick.
    .global half_asleep
    .type half_asleep, %function
    .thumb_func
half_asleep:
    push    {r4, lr}
    movs    r4, r0
1:  ldr     r0, =5200
    bl      loop_of_nine
    wfi
    subs    r4, r4, #1
    bne     1b
    pop     {r4, pc}
    .size half_asleep, . - half_asleep

    .bss
    .align  2
    .global events_asked
events_asked:
    .space  12              @ reload value, function, its argument
    .global events_ticks
events_ticks:
    .space  4
