@ grow(n): the same name with another growth: -DSQUARE has a second loop inside of the loop.
    .syntax unified
    .text
    .global grow
    .type grow, %function
    .thumb_func
grow:
1:
#ifdef SQUARE
    movs r1, r0
2:  subs r1, #1
    bne 2b
#endif
    subs r0, #1
    bne 1b
    bx lr
    .size grow, . - grow
