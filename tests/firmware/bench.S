@ What bench_speed.py runs: each function takes the number of rounds as its last argument.

    .syntax unified
    .cpu cortex-m0plus
    .thumb
    .text

@ A loop of nine instructions, the inner loop of a plain int8 dot product.
    .global loop_of_nine
    .type loop_of_nine, %function
    .thumb_func
loop_of_nine:
    push    {r4, r5, r6, lr}
    mov     r4, sp
    movs    r1, #0
    movs    r2, #0
1:  ldrsb   r3, [r4, r1]
    ldrsb   r5, [r4, r2]
    muls    r3, r5, r3
    adds    r6, r6, r3
    movs    r5, #7
    adds    r2, r2, #1
    ands    r2, r5
    subs    r0, r0, #1
    bne     1b
    pop     {r4, r5, r6, pc}
    .size loop_of_nine, . - loop_of_nine

@ Seven instructions and two calls a round.
    .global many_calls
    .type many_calls, %function
    .thumb_func
many_calls:
    push    {r4, lr}
    movs    r4, r0
1:  bl      leaf
    bl      leaf2
    subs    r4, r4, #1
    bne     1b
    pop     {r4, pc}
    .size many_calls, . - many_calls

    .type leaf, %function
    .thumb_func
leaf:
    bx      lr
    .size leaf, . - leaf

    .type leaf2, %function
    .thumb_func
leaf2:
    adds    r0, r0, #1
    bx      lr
    .size leaf2, . - leaf2

@ repeat_dot(a, b, n, rounds): the kernel of examples/dot_fast.S.
    .global repeat_dot
    .type repeat_dot, %function
    .thumb_func
repeat_dot:
    push    {r4, r5, r6, r7, lr}
    movs    r4, r0
    movs    r5, r1
    movs    r6, r2
    movs    r7, r3
1:  movs    r0, r4
    movs    r1, r5
    movs    r2, r6
    bl      dot_s8_fast
    subs    r7, r7, #1
    bne     1b
    pop     {r4, r5, r6, r7, pc}
    .size repeat_dot, . - repeat_dot
