    @ The RP2040's single-cycle I/O port. Cortex-M0+ cycles stand on the right, of loads and stores there 1.
    .include "macros.inc"
    .equ SIO, 0xd0000000
    .equ OUT, 0x10
    .equ SET, 0x14
    .equ CLR, 0x18
    .equ XOR, 0x1c
    .equ FIFO_ST, 0x50
    .equ DIVIDEND, 0x60
    .equ DIVISOR, 0x64
    .equ SIGNED, 8
    .equ QUOTIENT, 0x70
    .equ REMAINDER, 0x74
    .equ CSR, 0x78
    .equ LOCK, 0x100

    function gpio
    ldr r1, =SIO                @ 2
    movs r0, #5                 @ 1
    str r0, [r1, #OUT]          @ 1   5
    movs r0, #2                 @ 1
    str r0, [r1, #SET]          @ 1   7
    movs r0, #1                 @ 1
    str r0, [r1, #CLR]          @ 1   6
    movs r0, #15                @ 1
    str r0, [r1, #XOR]          @ 1   9
    ldr r0, [r1, #OUT]          @ 1
    bx lr                       @ 2
    end gpio

    @ A narrow write fills all lanes; a narrow read takes its own.
    function narrow
    ldr r1, =SIO                @ 2
    movs r0, #0xa5              @ 1
    strb r0, [r1, #OUT]         @ 1
    ldrh r0, [r1, #OUT + 2]     @ 1
    bx lr                       @ 2
    end narrow

    @ The same registers by LDM and STM: no cycle is saved.
    function multiple
    ldr r3, =SIO + OUT          @ 2
    movs r0, #12                @ 1
    movs r1, #3                 @ 1
    stm r3!, {r0, r1}           @ 3   out = 12, then set 3
    subs r3, #8                 @ 1
    ldm r3!, {r0}               @ 2
    bx lr                       @ 2
    end multiple

    @ In RAM the same loads and stores take 2.
    function both
    ldr r1, =SIO                @ 2
    sub sp, #8                  @ 1
    mov r2, sp                  @ 1
    str r0, [r2]                @ 2
    str r0, [r1, #OUT]          @ 1
    ldr r0, [r2]                @ 2
    ldr r3, [r1, #OUT]          @ 1
    adds r0, r0, r3             @ 1
    add sp, #8                  @ 1
    bx lr                       @ 2
    end both

    @ (times): one block that runs onto itself
    function toggles
    ldr r1, =SIO                @ 2
    movs r2, #1                 @ 1
1:  str r2, [r1, #XOR]          @ 1
    subs r0, #1                 @ 1
    bne 1b                      @ 2, the last one 1
    ldr r0, [r1, #OUT]          @ 1
    bx lr                       @ 2
    end toggles

    .macro divider name, operands, nops
    function \name
    ldr r2, =SIO                @ 2
    str r0, [r2, #DIVIDEND + \operands] @ 1
    str r1, [r2, #DIVISOR + \operands]  @ 1
    .rept \nops
    nop                         @ 1
    .endr
    ldr r1, [r2, #REMAINDER]    @ 1
    ldr r0, [r2, #QUOTIENT]     @ 1
    bx lr                       @ 2
    end \name
    .endm
    divider divide_unsigned, 0, 8
    divider divide_signed, SIGNED, 8
    divider divide_early, 0, 6

    @ As the SDK waits: four jumps to the next instruction
    function divide_sdk
    ldr r2, =SIO                @ 2
    str r0, [r2, #DIVIDEND]     @ 1
    str r1, [r2, #DIVISOR]      @ 1
    b 1f                        @ 2
1:  b 2f                        @ 2
2:  b 3f                        @ 2
3:  b 4f                        @ 2
4:  ldr r1, [r2, #REMAINDER]    @ 1
    ldr r0, [r2, #QUOTIENT]     @ 1
    bx lr                       @ 2
    end divide_sdk

    .macro poll nops
    function poll_\nops
    ldr r2, =SIO                @ 2
    movs r0, #0                 @ 1
    str r1, [r2, #DIVIDEND]     @ 1
    str r1, [r2, #DIVISOR]      @ 1
    .rept \nops
    nop                         @ 1
    .endr
1:  adds r0, #1                 @ 1
    ldr r3, [r2, #CSR]          @ 1
    lsrs r3, r3, #1             @ 1
    bcc 1b                      @ 2, the last one 1
    bx lr                       @ 2
    end poll_\nops
    .endm
    .irp nops, 0, 1, 2, 3, 4, 5, 6, 7, 8, 20
    poll \nops
    .endr

    function spinlock
    ldr r3, =SIO + LOCK         @ 2
    ldr r0, [r3, #12]           @ 1   lock 3 is free: 1 << 3
    ldr r1, [r3, #12]           @ 1   taken: 0
    str r1, [r3, #12]           @ 1   released
    ldr r2, [r3, #12]           @ 1   free: 8
    lsls r1, r1, #8             @ 1
    lsls r2, r2, #16            @ 1
    orrs r0, r1                 @ 1
    orrs r0, r2                 @ 1
    bx lr                       @ 2
    end spinlock

    function not_modelled
    ldr r1, =SIO                @ 2
    ldr r2, [r1, #OUT]          @ 1
    ldr r0, [r1, #FIFO_ST]      @ FAULT
    str r0, [r1, #XOR]
    bx lr
    end not_modelled

    function not_modelled_store
    ldr r1, =SIO                @ 2
    movs r0, #0                 @ 1
    str r0, [r1, #FIFO_ST + 4]  @ FAULT
    b 1f
1:  nop
    bx lr
    end not_modelled_store

    function not_modelled_ldm
    ldr r1, =SIO + FIFO_ST      @ 2
    ldm r1!, {r0, r2}           @ FAULT
    bx lr
    end not_modelled_ldm

    function unaligned_port
    ldr r1, =SIO + OUT + 1      @ 2
    ldr r0, [r1]                @ FAULT
    bx lr
    end unaligned_port

    @ The first store's base is the port by the time of the second.
    function same_register
    sub sp, #120                @ 1
    mov r2, sp                  @ 1
    str r1, [r2, #DIVISOR]      @ 2   SRAM
    nop                         @ 1
    ldr r2, =SIO                @ 2
    str r1, [r2, #DIVISOR]      @ 1
    add sp, #120                @ 1
    nop                         @ 1
    nop                         @ 1
    nop                         @ 1
    nop                         @ 1
    ldr r0, [r2, #QUOTIENT]     @ 1, too early
    bx lr                       @ 2
    end same_register
