    @ What a call may leave behind: special registers, stack pointers, flags, and the RP2040's SIO.
    .include "macros.inc"
    .equ SIO, 0xd0000000
    .equ OPERANDS, 0xd0000060
    .equ CSR, 0x18              @ from OPERANDS, as the next two
    .equ QUOTIENT, 0x10
    .equ REMAINDER, 0x14

    .macro reads name, register
    function \name
    mrs r0, \register           @ 3
    bx lr                       @ 2
    end \name
    .endm

    reads get_primask, primask
    reads get_control, control
    reads get_msp, msp
    reads get_psp, psp
    reads get_flags, apsr
    reads get_xpsr, xpsr

    function interrupts_off
    cpsid i                     @ 1
    bx lr                       @ 2
    end interrupts_off

    @ A critical section: 8 cycles where interrupts are on, 9 where they are off.
    function critical
    mrs r0, primask             @ 3
    lsls r0, r0, #31            @ 1
    beq 1f                      @ 2
    nop
    nop
1:  bx lr                       @ 2
    end critical

    @ (address): PSP, and nothing else
    function set_psp
    msr psp, r0
    bx lr
    end set_psp

    @ Goes on with PSP as its stack pointer, and returns so.
    function to_psp
    mov r0, sp
    msr psp, r0
    movs r0, #2
    msr control, r0
    isb
    bx lr
    end to_psp

    function to_psp_and_fault
    mov r0, sp
    subs r0, #40
    msr psp, r0
    movs r0, #2
    msr control, r0
    isb
    cpsid i
    cmp r0, r0
    movs r1, #1
    ldr r0, [r1]
    bx lr
    end to_psp_and_fault

    function set_flags
    movs r0, #15
    lsls r0, r0, #28
    msr apsr, r0
    bx lr
    end set_flags

    @ r12 is the only high register that a function may change.
    function set_r12
    mov r12, lr
    bx lr
    end set_r12

    function get_r12
    mov r0, r12
    bx lr
    end get_r12

    function pushes
    push {r4, lr}
    pop {r4, pc}
    end pushes

    @ (offset, value)
    function sio_write
    ldr r2, =SIO
    str r1, [r2, r0]
    bx lr
    end sio_write

    @ (offset)
    function sio_read
    ldr r2, =SIO                @ 2
    ldr r0, [r2, r0]            @ 1
    bx lr                       @ 2
    end sio_read

    @ 3000 cycles before the division begins, 2 after
    function divide_late
    ldr r0, =1000
1:  subs r0, #1
    bne 1b
    ldr r1, =OPERANDS
    movs r0, #100
    str r0, [r1]
    movs r0, #7
    str r0, [r1, #4]
    bx lr
    end divide_late

    function csr
    ldr r1, =OPERANDS
    ldr r0, [r1, #CSR]
    bx lr
    end csr

    function quotient
    ldr r1, =OPERANDS
    .rept 10
    nop
    .endr
    ldr r0, [r1, #QUOTIENT]
    bx lr
    end quotient

    @ (offset, value, register read before, or 0): DIV_CSR after a write, eight cycles, and a read
    function csr_after
    ldr r3, =SIO
    str r1, [r3, r0]
    .rept 8
    nop
    .endr
    ldr r1, =OPERANDS
    cmp r2, #0
    beq 1f
    ldr r0, [r3, r2]
1:  ldr r0, [r1, #CSR]
    bx lr
    end csr_after

    @ (offset, value): DIV_CSR after a division was begun, and directly afterwards a register written
    function csr_while_dividing
    ldr r3, =SIO
    ldr r2, =OPERANDS
    str r1, [r2, #4]
    str r1, [r3, r0]
    ldr r0, [r2, #CSR]
    bx lr
    end csr_while_dividing

    @ Returns to the right address, with bit 0 clear.
    function returns_even_bx
    lsrs r0, r0, #1
    mov r1, lr
    lsrs r1, r1, #1
    lsls r1, r1, #1
    bx r1
    end returns_even_bx

    function returns_even_pop
    mov r1, lr
    subs r1, #1
    push {r1}
    pop {pc}
    end returns_even_pop

    @ MOV to PC ignores bit 0 (DDI 0419, BranchWritePC).
    function returns_by_mov
    mov r1, lr
    subs r1, #1
    mov pc, r1
    end returns_by_mov

    function callee_even
    mov r1, lr
    subs r1, #1
    bx r1
    end callee_even

    function calls_even
    push {lr}
    bl callee_even
    pop {pc}
    end calls_even

    function callee_even_pop
    push {r4, lr}
    ldr r1, [sp, #4]
    subs r1, #1
    str r1, [sp, #4]
    pop {r4, pc}
    end callee_even_pop

    function calls_even_pop
    push {lr}
    bl callee_even_pop
    pop {pc}
    end calls_even_pop

    @ BX to its own first instruction, as Arm code
    function even_to_itself
    mov r1, pc
    subs r1, #4
    bx r1
    end even_to_itself

    .macro dirties number
    function dirties_r\number
    movs r0, #1
    mov r\number, r0
    bx lr
    end dirties_r\number
    .endm
    .irp number, 4, 5, 6, 7, 8, 9, 10, 11
    dirties \number
    .endr

    function restores_all
    push {r4-r7, lr}
    mov r4, r8
    push {r4}
    movs r4, #1
    mov r8, r4
    mov r5, r4
    pop {r4}
    mov r8, r4
    pop {r4-r7, pc}
    end restores_all

    function dirties_two
    movs r6, #1
    mov r11, r6
    bx lr
    end dirties_two

    function returns_lower_sp
    sub sp, #8
    bx lr
    end returns_lower_sp

    function returns_higher_sp
    add sp, #4
    bx lr
    end returns_higher_sp
