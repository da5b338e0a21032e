@ What is hard on the counting of blocks and calls. test_native.py writes more of it.

    .syntax unified
    .cpu cortex-m0plus
    .thumb
    .text

    .macro func name
    .balign 4
    .global \name
    .type \name, %function
    .thumb_func
\name:
    .endm

    .macro end name
    .ltorg
    .size \name, . - \name
    .endm

@ r0 rounds of 1 + 1 + 2 cycles (WFE: 2 + 1 + 2), the last branch 1, and 2 for BX.
func yields
1:  yield
    subs    r0, #1
    bne     1b
    bx      lr
end yields

func waits
1:  wfe
    subs    r0, #1
    bne     1b
    bx      lr
end waits

@ r0 rounds, each with another version of the code of `victim`. The sum of what it returns, which is the round's number.
func rewrites
    push    {r4, r5, r6, r7, lr}
    movs    r4, r0
    ldr     r5, =victim
    subs    r5, #1
    movs    r6, #0
    movs    r7, #0
1:  strb    r6, [r5, #0]        @ MOVS
    lsrs    r1, r6, #8
    strb    r1, [r5, #2]        @ the first ADDS, of 256
    adds    r1, r5, #1
    blx     r1
    adds    r7, r7, r0
    adds    r6, #1
    cmp     r6, r4
    bne     1b
    movs    r0, r7
    pop     {r4, r5, r6, r7, pc}
end rewrites

    .data
func victim
    movs    r0, #0
    adds    r1, #0
    lsls    r1, r1, #24
    lsrs    r1, r1, #24
    bx      lr
end victim
    .text

@ Calls itself r0 deep, from one of 128 places a level. 3 + 1 + 1 + 5 cycles at the bottom, and above it
@ 3 + 1 + 2 + 1 + 1 + 1 + 1 + 2 + 3 + 2 + 5 = 22 a level.
func recurses
    push    {r4, lr}
    subs    r0, #1
    bcs     1f
    pop     {r4, pc}
1:  lsls    r1, r0, #25
    lsrs    r1, r1, #22
    add     r1, pc
    adds    r1, #5
    bx      r1
    nop
    .rept   128
    bl      recurses
    b       2f
    nop
    .endr
2:  pop     {r4, pc}
end recurses

@ r0 times 200 levels: 1 + 3 + 1 + 2 a round, the last branch 1, 3 + 1 before and 4 behind.
func recurses_often
    push    {r4, lr}
    movs    r4, r0
1:  movs    r0, #200
    bl      recurses
    subs    r4, #1
    bne     1b
    pop     {r4, pc}
end recurses_often
