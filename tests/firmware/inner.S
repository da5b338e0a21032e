    @ A table that is an object inside the function that reads it, and a literal of the function itself.
    .include "macros.inc"

    function reads_its_table
    ldr r3, 1f                  @ 2, a literal
    adr r2, inner_table         @ 1
    ldrb r0, [r2, r0]           @ 2
    adds r0, r3                 @ 1
    bx lr                       @ 2
    .balign 4
1:  .word 100
    .global inner_table
    .type inner_table, %object
    .size inner_table, 4
inner_table:
    .byte 1, 2, 3, 4
    end reads_its_table
