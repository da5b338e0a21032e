@ Programs of test_exceptions.py, each with a vector table of its own. r7 is where the next word of the log goes, in
@ Thread mode and in handlers: nothing saves it. BKPT 0xAB ends a program.
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    .equ STACK, 0x20004000
    .equ PROCESS_STACK, 0x20006000
    .equ LOG_AT, 0x20010000
    .equ SCS, 0xE000E000

    .macro VECTORS name nmi=unexpected fault=unexpected svc=unexpected pendsv=unexpected systick=unexpected irq0=unexpected irq1=unexpected irq2=unexpected irq3=unexpected
    .section .rodata.\name, "a"
    .balign 256
    .global \name\()_vectors
\name\()_vectors:
    .word STACK, \name, \nmi, \fault, 0, 0, 0, 0, 0, 0, 0, \svc, 0, 0, \pendsv, \systick
    .word \irq0, \irq1, \irq2, \irq3
    .section .text.\name, "ax"
    .balign 64
    .thumb_func
    .global \name
    .type \name, %function
\name:
    .endm

    .macro FUNCTION name
    .thumb_func
    .global \name
    .type \name, %function
\name:
    .endm

    .macro END name
    .size \name, . - \name
    .endm

    .macro LOG value @ 4 cycles
    movs r0, #\value
    str r0, [r7]
    adds r7, #4
    .endm

    .macro BEGIN
    ldr r7, =LOG_AT
    ldr r6, =SCS
    .endm

    .macro STORE_SCS offset value @ 6 cycles
    ldr r0, =\value
    ldr r1, =SCS + \offset
    str r0, [r1]
    .endm

    .section .text.common, "ax"
    FUNCTION unexpected
    LOG 0xEE
    bkpt 0xAB
    END unexpected

@ -- one after the other

    FUNCTION log_svc
    LOG 11
    bx lr
    END log_svc
    FUNCTION log_pendsv
    LOG 14
    bx lr
    END log_pendsv
    FUNCTION log_systick
    LOG 15
    bx lr
    END log_systick
    FUNCTION log_0
    LOG 16
    bx lr
    END log_0
    FUNCTION log_1
    LOG 17
    bx lr
    END log_1
    FUNCTION log_nmi
    LOG 2
    bx lr
    END log_nmi
    FUNCTION log_fault
    LOG 3
    bx lr
    END log_fault

    VECTORS one_svc svc=log_svc
    BEGIN
    svc 1
    LOG 1
    bkpt 0xAB
    .ltorg
    END one_svc

    @ interrupt 1 pends both itself lower ones and a higher one
    VECTORS nested nmi=log_nmi svc=log_svc pendsv=log_pendsv systick=log_systick irq0=log_0 irq1=nested_1
    BEGIN
    STORE_SCS 0x400, 0x00004080 @ interrupt 0 has priority 2, 1 has priority 1
    STORE_SCS 0x100, 3
    LOG 1
    STORE_SCS 0x200, 2
    LOG 2
    bkpt 0xAB
    .ltorg
    END nested
    FUNCTION nested_1
    LOG 0x51
    STORE_SCS 0x200, 1 @ interrupt 0: later, tail-chained
    LOG 0x52
    STORE_SCS 0xD04, 0x14000000 @ PendSV and SysTick, of priority 0: SysTick waits for PendSV
    LOG 0x53
    STORE_SCS 0xD04, 0x80000000 @ NMI
    LOG 0x54
    bx lr
    .ltorg
    END nested_1

    @ what the stack holds, and where it is, with SP at 8n and 8n + 4
    VECTORS frames svc=frames_svc
    BEGIN
    ldr r0, =0x10101010
    ldr r1, =0x11111111
    ldr r2, =0x12121212
    ldr r3, =0x13131313
    ldr r4, =0x1C1C1C1C
    mov r12, r4
    ldr r4, =0x1E1E1E1E
    mov lr, r4
    movs r4, #1
    lsrs r4, r4, #1 @ Z and C
    svc 2
frames_behind:
    push {r5}
    svc 3
    bkpt 0xAB
    .ltorg
    END frames
    FUNCTION frames_svc
    mov r4, sp
    stm r7!, {r4}
    mov r4, lr
    stm r7!, {r4}
    mrs r4, ipsr
    stm r7!, {r4}
    mov r5, sp
    movs r3, #8
1:  ldm r5!, {r4}
    stm r7!, {r4}
    subs r3, #1
    bne 1b
    bx lr
    END frames_svc

    @ the process stack, and PendSV that switches it
    VECTORS processes svc=processes_svc pendsv=processes_pendsv
    BEGIN
    ldr r0, =PROCESS_STACK
    msr psp, r0
    movs r0, #2
    msr control, r0
    isb
    svc 4
    mrs r0, control
    stm r7!, {r0}
    mrs r0, psp
    stm r7!, {r0}
    mrs r0, msp
    stm r7!, {r0}
    bkpt 0xAB
    .ltorg
    END processes
    FUNCTION processes_svc
    mov r0, lr
    stm r7!, {r0}
    mrs r0, psp
    stm r7!, {r0}
    mov r0, sp
    stm r7!, {r0}
    mrs r0, control
    stm r7!, {r0}
    bx lr
    END processes_svc
    FUNCTION processes_pendsv
    bx lr
    END processes_pendsv

    @ SysTick every 100 cycles over code of all kinds
    VECTORS ticking systick=count_tick
    BEGIN
    STORE_SCS 0x014, 99
    STORE_SCS 0x018, 0
    STORE_SCS 0x010, 7
    movs r2, #0
    movs r4, #200
    ldr r5, =0x20008000
ticking_loop:
    adds r2, #1
    stm r5!, {r0, r1, r2, r3}
    subs r5, #16
    ldm r5!, {r0, r1, r2, r3}
    subs r5, #16
    ldr r0, [r5]
    push {r0, r1, r2, r3, r4}
    bl ticking_leaf
    pop {r0, r1, r2, r3, r4}
    subs r4, #1
    bne ticking_loop
    bkpt 0xAB
    .ltorg
    END ticking
    FUNCTION ticking_leaf
    push {r4, lr}
    muls r0, r2
    lsls r0, r0, #1
    pop {r4, pc}
    END ticking_leaf
    FUNCTION count_tick
    ldr r0, =SCS
    ldr r1, [r0, #0x18]
    str r1, [r7]
    adds r7, #4
    bx lr
    .ltorg
    END count_tick

    @ sleep until SysTick
    VECTORS sleeping systick=log_systick
    BEGIN
    STORE_SCS 0x014, 9999
    STORE_SCS 0x018, 0
    STORE_SCS 0x010, 7
    wfi
    LOG 1
    wfi
    LOG 2
    bkpt 0xAB
    .ltorg
    END sleeping

    @ a fault in Thread mode, and one in its handler
    VECTORS faulting fault=faulting_handler
    BEGIN
    ldr r1, =0x20000001
    ldr r2, [r1]
    bkpt 0xAB
    .ltorg
    END faulting
    FUNCTION faulting_handler
    LOG 3
    udf 1
    END faulting_handler

    @ waits for requests from outside
    VECTORS requested irq0=log_0 irq1=log_1 nmi=log_nmi
    BEGIN
    STORE_SCS 0x400, 0x00004080
    STORE_SCS 0x100, 3
    LOG 1
requested_loop:
    nop
    b requested_loop
    .ltorg
    END requested

    @ calls in Thread mode and in a handler, of the same function; ticks come if the word at TICKS says how often
    .equ TICKS, 0x20009000
    VECTORS calling systick=calling_tick
    BEGIN
    ldr r0, =TICKS
    ldr r0, [r0]
    cmp r0, #0
    beq 1f
    str r0, [r6, #0x14]
    str r0, [r6, #0x18]
    movs r0, #7
    str r0, [r6, #0x10]
1:  movs r4, #100
2:  bl work
    subs r4, #1
    bne 2b
    bkpt 0xAB
    .ltorg
    END calling
    FUNCTION work @ 15 cycles
    mov r5, lr
    bl shared
    bl shared
    bx r5
    END work
    FUNCTION shared @ 3 cycles
    adds r2, #1
    bx lr
    END shared
    FUNCTION calling_tick @ 9 cycles
    mov r1, lr
    bl shared
    bx r1
    END calling_tick

    @ two threads, each on a stack of its own, that PendSV switches between
    .equ OTHER, 0x20009000
    .equ SECOND_STACK, 0x20007000
    VECTORS switching pendsv=switch
    BEGIN
    ldr r0, =SECOND_STACK - 32
    ldr r1, =OTHER
    str r0, [r1]
    ldr r2, =second
    str r2, [r0, #24]
    ldr r2, =0x01000000
    str r2, [r0, #28]
    ldr r0, =PROCESS_STACK
    msr psp, r0
    movs r0, #2
    msr control, r0
    movs r4, #10
1:  bl first
    subs r4, #1
    bne 1b
    bkpt 0xAB
    .ltorg
    END switching
    FUNCTION first @ 14 cycles
    mov r5, lr
    bl yield
    bx r5
    END first
    FUNCTION yield @ 8 cycles
    ldr r0, =0x10000000
    ldr r1, =SCS + 0xD04
    str r0, [r1]
    bx lr
    .ltorg
    END yield
    FUNCTION second
    sub sp, #16
1:  bl yield
    b 1b
    END second
    FUNCTION switch @ 14 cycles
    mrs r0, psp
    ldr r1, =OTHER
    ldr r2, [r1]
    str r0, [r1]
    msr psp, r2
    bx lr
    .ltorg
    END switch

    @ sleep on exit: behind each handler, without an instruction of the thread
    VECTORS on_exit systick=on_exit_tick
    BEGIN
    STORE_SCS 0x014, 999
    STORE_SCS 0xD10, 2
    STORE_SCS 0x018, 0
    STORE_SCS 0x010, 7
    wfi
    LOG 1
    bkpt 0xAB
    .ltorg
    END on_exit
    FUNCTION on_exit_tick
    LOG 15
    ldr r0, =LOG_AT + 12
    cmp r0, r7
    bne 1f
    movs r0, #0
    str r0, [r6, #0x10]
    ldr r1, =SCS + 0xD10
    str r0, [r1]
1:  bx lr
    .ltorg
    END on_exit_tick

    @ WFE: the event that SEV, entry, return and, with SEVONPEND, a pending interrupt leave
    VECTORS events svc=events_svc irq0=log_0
    BEGIN
    sev
    wfe
    LOG 1
    svc 1
    wfe
    LOG 2
    STORE_SCS 0xD10, 16
    STORE_SCS 0x200, 1 @ not enabled
    wfe
    LOG 3
    wfe
    LOG 4
    bkpt 0xAB
    .ltorg
    END events
    FUNCTION events_svc
    wfe @ the event of its entry; its return leaves another
    LOG 11
    bx lr
    END events_svc

    @ unprivileged code cannot mask, nor write CONTROL, nor reach the registers of the core
    VECTORS unprivileged fault=unprivileged_fault
    BEGIN
    movs r0, #1
    msr control, r0
    isb
    cpsid i
    mrs r0, primask
    stm r7!, {r0}
    movs r0, #2
    msr control, r0
    mrs r0, control
    stm r7!, {r0}
    ldr r0, [r6, #0x10]
    bkpt 0xAB
    .ltorg
    END unprivileged
    FUNCTION unprivileged_fault
    mrs r0, ipsr
    stm r7!, {r0}
    ldr r0, =SCS
    ldr r0, [r0, #0x10]
    stm r7!, {r0}
    bkpt 0xAB
    .ltorg
    END unprivileged_fault

    @ SysTick without its exception: COUNTFLAG, and the counter over many periods
    VECTORS counting
    BEGIN
    STORE_SCS 0x014, 9
    STORE_SCS 0x018, 0
    movs r0, #5
    str r0, [r6, #0x10]
    movs r4, #100
1:  subs r4, #1
    bne 1b
    ldr r0, [r6, #0x18]
    ldr r1, [r6, #0x10]
    ldr r2, [r6, #0x10]
    stm r7!, {r0, r1, r2}
    bkpt 0xAB
    .ltorg
    END counting

    @ returns that do not fit: to a handler where none is, and to a frame with the number of an exception that is not active
    VECTORS bad_return svc=bad_return_svc fault=log_fault_stop
    BEGIN
    svc 1
    bkpt 0xAB
    .ltorg
    END bad_return
    FUNCTION bad_return_svc
    ldr r0, =0xFFFFFFF1
    bx r0
    .ltorg
    END bad_return_svc
    FUNCTION log_fault_stop
    LOG 3
    bkpt 0xAB
    END log_fault_stop
    VECTORS bad_frame svc=bad_frame_svc fault=log_fault_stop
    BEGIN
    svc 1
    bkpt 0xAB
    .ltorg
    END bad_frame
    FUNCTION bad_frame_svc
    ldr r0, =0x0100000F
    str r0, [sp, #28]
    bx lr
    .ltorg
    END bad_frame_svc
