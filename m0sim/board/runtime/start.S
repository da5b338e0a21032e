// Where the board begins, the measured call, and what a fault does.
    .syntax unified
    .cpu    cortex-m0plus
    .thumb

    .equ    SYST_CVR, 0xe000e018
    .equ    VTOR, 0xe000ed08

    .macro  function name
    .section .text.\name, "ax", %progbits
    .p2align 2
    .global \name
    .type   \name, %function
    .thumb_func
\name:
    .endm

    .macro  end name
    .ltorg
    .size   \name, . - \name
    .endm

// The boot ROM jumps to the lowest address of an image in SRAM as code, with SP at the end of SRAM: RP2040 datasheet,
// 2.8.4.2, and safe_reboot(lowest_addr, SRAM_END) of pico-bootrom. This is it, and `export` writes where its table is.
    .section .entry, "ax", %progbits
    .global board_entry
    .type   board_entry, %function
    .thumb_func
board_entry:
    b       start
    .p2align 2
    .global board_plan
    .type   board_plan, %object
board_plan:
    .word   0
    .size   board_plan, 4
start:
    cpsid   i
    ldr     r0, =VTOR
    ldr     r1, =board_vectors
    str     r1, [r0]
    ldr     r0, =board_plan
    ldr     r0, [r0]
    ldr     r1, [r0]                // where its own stack begins
    msr     msp, r1                 // by MSR: m0sim run then knows it for another stack
    cpsie   i                       // nothing interrupts: no line is enabled. An SVC is a fault that is told.
    bl      board_main
1:  b       1b
    .ltorg
    .size   board_entry, . - board_entry

// DDI 0419, B1.5.3: as many as an RP2040 has, at a multiple of 256.
    .section .vectors, "a", %progbits
    .p2align 8
board_vectors:
    .word   0, board_entry
    .rept   46
    .word   fault
    .endr

// uint32_t board_measured(const struct call *call, uint32_t *result): how far SysTick counted from right before the
// call to right after it, modulo 2^24. The same instructions stand around every call, so a call of an empty function
// has what they take. The function has the stack to itself, from where `m0sim call` has it, and may leave in every
// register what it likes, as there: what is needed behind it is in memory.
function board_measured
    push    {r1, r4, r5, r6, r7, lr}
    mov     r4, r8
    mov     r5, r9
    mov     r6, r10
    mov     r7, r11
    push    {r4, r5, r6, r7}
    ldr     r7, =board_kept
    mov     r1, sp
    str     r1, [r7, #4]
    mov     r4, r0
    ldmia   r4!, {r0, r1, r2}       // entry, words on the stack, and where they are
    mov     r5, r0
    lsls    r3, r1, #2
    ldr     r0, =board_plan
    ldr     r0, [r0]
    ldr     r0, [r0, #4]
    subs    r0, r0, r3
    msr     msp, r0
1:  subs    r3, #4
    bmi     2f
    ldr     r6, [r2, r3]
    str     r6, [r0, r3]
    b       1b
2:  ldr     r6, =SYST_CVR
    ldmia   r4!, {r0, r1, r2, r3}
    mov     r12, r5
    movs    r5, #0
    mov     r8, r5
    mov     r9, r5
    mov     r10, r5
    mov     r11, r5
    ldr     r4, [r6]
    str     r4, [r7]
    movs    r4, #0                  // what nobody passes is 0 as in `m0sim call`, but for r12, LR and flags
    movs    r6, #0
    movs    r7, #0
    blx     r12
    ldr     r2, =SYST_CVR
    ldr     r5, [r2]
    ldr     r7, =board_kept
    ldr     r2, [r7, #4]
    msr     msp, r2
    ldr     r4, [r7]
    subs    r4, r4, r5              // it counts down
    lsls    r4, r4, #8
    lsrs    r4, r4, #8
    mov     r12, r4
    pop     {r4, r5, r6, r7}
    mov     r8, r4
    mov     r9, r5
    mov     r10, r6
    mov     r11, r7
    pop     {r2, r4, r5, r6, r7}
    str     r0, [r2]
    str     r1, [r2, #4]
    mov     r0, r12
    pop     {r1}
    bx      r1
end board_measured

    .section .bss.board_kept, "aw", %nobits
    .p2align 2
    .type   board_kept, %object
board_kept:                         // SysTick before the call, and the stack pointer
    .space  8
    .size   board_kept, 8

function board_empty
    bx      lr
end board_empty

// A debugger, or m0sim, ends the program here: semihosting's SYS_EXIT. Without one, BKPT is a fault, which `fault` ends
// at once.
function board_exit
    movs    r0, #0x18
    ldr     r1, =0x20026            // ADP_Stopped_ApplicationExit
    bkpt    #0xab
    bx      lr
end board_exit

// Every exception comes here. What was stacked is at MSP, as nothing here uses PSP; code under test that does is told
// of with whatever is there.
function fault
    mov     r0, sp
    ldr     r1, [r0, #24]
    lsrs    r2, r1, #24
    cmp     r2, #0x20               // in SRAM, where a load is no second fault
    bne     1f
    ldrh    r2, [r1]
    ldr     r3, =0xbeab
    cmp     r2, r3
    bne     1f
    adds    r1, #2                  // a BKPT that nobody takes
    str     r1, [r0, #24]
    bx      lr
1:  ldr     r1, =board_plan
    ldr     r1, [r1]
    ldr     r1, [r1]
    msr     msp, r1                  // wherever it was
    bl      board_fault
2:  b       2b
end fault
