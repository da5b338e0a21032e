    .syntax unified
    .thumb

    .section .text.typed, "ax", %progbits
    .global typed
    .type typed, %function
    .thumb_func
typed:
    ldr r0, =0x12345678
    bx lr
    .pool
    .size typed, . - typed

    @ No .type and no .size: bit 0 of the symbol is all that says function.
    .section .text.bare, "ax", %progbits
    .global bare
    .thumb_func
bare:
    ldr r0, =0x87654321
    b 1f
    .pool
1:
    adds r0, #1
    bx lr
    .thumb_func
local_tail:
    nop
    bx lr
    .balign 4
odd_table:
    .byte 1
odd_label:
    .byte 2, 3, 4
