@ Functions whose cost a flag changes: -DSLOW adds an instruction to the inner loop of sum_to, -DOLD_NAME renames one.
    .syntax unified
    .text

    .macro function name
    .balign 4
    .global \name
    .type \name, %function
    .thumb_func
\name:
    .endm

@ sum_to(n): n + (n-1) + ... + 1, by way of a helper
    function sum_to
    push {r4, lr}
    movs r2, #0
1:  adds r2, r2, r0
#ifdef SLOW
    nop
#endif
    subs r0, #1
    bne 1b
#ifdef OLD_NAME
    bl old_helper
#else
    bl helper
#endif
    pop {r4, pc}
    .size sum_to, . - sum_to

#ifdef OLD_NAME
    function old_helper
#else
    function helper
#endif
    mov r0, r2
    bx lr

@ high(n): r0 = n, r1 = 1: 2^32 + n as a 64-bit integer
    function high
    movs r1, #1
    bx lr
    .size high, . - high

@ same(x): x
    function same
    bx lr
    .size same, . - same

@ crash(): a load of address 1
    function crash
    movs r0, #1
    ldr r0, [r0]
    bx lr
    .size crash, . - crash

@ down(n): calls itself n times
    function down
    push {lr}
    subs r0, #1
    bmi 1f
    bl down
1:  pop {pc}
    .size down, . - down

@ forever()
    function forever
    b forever
    .size forever, . - forever

@ third(p): the third word of a struct, plus what the first one points to
    function third
    ldr r1, [r0]
    ldrb r1, [r1]
    ldr r0, [r0, #8]
    adds r0, r0, r1
    bx lr
    .size third, . - third

@ deep(n): n words of stack
    function deep
    mov r3, sp
    lsls r0, r0, #2
    rsbs r1, r0, #0
    add sp, r1
    mov sp, r3
    bx lr
    .size deep, . - deep
