/* A function that does nothing: what a dispatcher can call so that only dispatching is counted. */
    .syntax unified
    .cpu cortex-m0plus
    .thumb
    .section .text.nothing, "ax", %progbits
    .global nothing
    .type nothing, %function
    .thumb_func
nothing:
    bx lr
    .size nothing, . - nothing
