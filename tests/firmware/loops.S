    @ Loops of every shape; test_annotate.py works their passes out by hand. Cortex-M0+ cycles stand on the right.
    .include "macros.inc"

    @ (n): the test at the end
    function bottom_tested
    movs r1, #0                 @ 1
1:  adds r1, #3                 @ 1   loop: n passes
    subs r0, #1                 @ 1
    bne 1b                      @ 2, the last one 1
    mov r0, r1                  @ 1
    bx lr                       @ 2
    end bottom_tested

    @ (n): the test at the top, B at the end
    function top_tested
1:  subs r0, #1                 @ 1   loop: n passes, and the test once more
    bmi 2f                      @ 1, the last one 2
    nop                         @ 1
    b 1b                        @ 2
2:  bx lr                       @ 2
    end top_tested

    @ (n): entered at its test, which is at the end
    function rotated
    b 2f                        @ 2
1:  nop                         @ 1   loop: n passes, and the test once more
2:  subs r0, #1                 @ 1
    bpl 1b                      @ 2, the last one 1
    bx lr                       @ 2
    end rotated

    @ (n): two branches to the top; the first is taken where n is odd
    function continues
1:  subs r0, #1                 @ 1   loop: n passes
    lsrs r1, r0, #1             @ 1
    bcs 1b                      @ 2 or 1
    cmp r0, #0                  @ 1
    bne 1b                      @ 2, the last one 1
    bx lr                       @ 2
    end continues

    @ (n): the inner loop is the hot one
    function nested
1:  movs r1, #10                @ 1   outer: n passes
2:  subs r1, #1                 @ 1   inner: 10 n passes
    bne 2b                      @ 2 or 1
    subs r0, #1                 @ 1
    bne 1b                      @ 2 or 1
    bx lr                       @ 2
    end nested

    @ (n): the outer loop is the hot one
    function outer_hot
1:  movs r1, #1                 @ 1   outer: n passes
    movs r2, #2                 @ 1
2:  subs r2, #1                 @ 1   inner: 2 n passes
    bne 2b                      @ 2 or 1
    muls r1, r1, r1             @ 1
    muls r1, r1, r1             @ 1
    muls r1, r1, r1             @ 1
    muls r1, r1, r1             @ 1
    subs r0, #1                 @ 1
    bne 1b                      @ 2 or 1
    bx lr                       @ 2
    end outer_hot

    @ (n)
    function calls_in_loop
    push {r4, lr}               @ 3
    mov r4, r0                  @ 1
1:  bl callee                   @ 3   loop: n passes, 6 cycles and 4 in calls
    subs r4, #1                 @ 1
    bne 1b                      @ 2 or 1
    pop {r4, pc}                @ 5
    end calls_in_loop

    function callee
    movs r0, r0                 @ 1
    nop                         @ 1
    bx lr                       @ 2
    end callee

    function jumps_over
    push {lr}                   @ 2
    ldr r0, =variable           @ 2
    ldr r1, =callee             @ 2
    ldr r2, =0x12345678         @ 2
    adr r3, table               @ 1
    b 1f                        @ 2
    .balign 4
table:
    .word callee
    .short 0xbf18
    .byte 7
    .balign 2
    .inst.n 0xb100              @ CBZ, which ARMv6-M does not have
1:  bl callee                   @ 3 + 4
    pop {pc}                    @ 4
    end jumps_over

    .section .bss.variable, "aw", %nobits
    .balign 4
    .global variable
    .type variable, %object
variable:
    .space 4
    .size variable, 4
