    @ As IAR's linker leaves it: a variable without content in SRAM, its first value in flash, and functions of the
    @ start-up code that bring it there. UNPACK is the name of the one that does the work.
    .include "macros.inc"

    .bss
    .balign 4
    .global variable
    .type variable, %object
    .size variable, 4
variable:
    .space 4

    function get
    ldr r0, =variable
    ldr r0, [r0]
    bx lr
    end get

    function UNPACK
    ldr r0, =42
    ldr r1, =variable
    str r0, [r1]
    bx lr
    end UNPACK

    function __iar_data_init3
    push {r4, lr}
    bl UNPACK
    pop {r4, pc}
    end __iar_data_init3
