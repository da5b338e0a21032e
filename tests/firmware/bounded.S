// Machine code whose deepest stack and most cycles test_bounds_cycles.py has counted by hand.
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    .macro function name
    .text
    .balign 4
    .global \name
    .type \name, %function
    .thumb_func
\name:
    .endm

// Vectors: 8 KiB of stack, handlers, and two interrupts of one handler.
    .text
    .global __vectors
    .type __vectors, %object
__vectors:
    .word 0x20002000, reset, nmi, hard_fault
    .word 0, 0, 0, 0, 0, 0, 0
    .word supervisor, 0, 0, pend, tick
    .word interrupt, interrupt, big_interrupt, 0
    .size __vectors, . - __vectors

function reset              // sets SP, then calls
    ldr r0, =0x20002000
    mov sp, r0
    bl big_frame
    b .
function nmi
    bx lr
function hard_fault
    b .
function supervisor
    push {r4, lr}
    pop {r4, pc}
function pend
    push {lr}
    pop {pc}
function tick
    push {r4, r5, r6, lr}
    pop {r4, r5, r6, pc}
function interrupt
    sub sp, #40
    add sp, #40
    bx lr
function big_interrupt
    push {r4, lr}
    sub sp, #100
    add sp, #100
    ldr r0, =0xFFFFFFF9
    pop {r4}
    pop {r1}
    bx r0

function big_frame          // 4 + 4000: more than SUB SP takes
    push {lr}
    ldr r1, =-4000
    add sp, r1
    bl leaf
    ldr r1, =4000
    add sp, r1
    pop {pc}
function leaf               // 1 + 2
    movs r0, #1
    bx lr
function frame_pointer      // 8 + 24 + 12, taken back through r7
    push {r7, lr}
    sub sp, #24
    add r7, sp, #0
    sub sp, #12
    bl leaf
    mov sp, r7
    add sp, #24
    pop {r7, pc}
function veneer             // as linkers make them
    push {r0}
    ldr r0, =big_frame
    mov r12, r0
    pop {r0}
    bx r12
function by_literal         // a call whose target is a constant
    push {r4, lr}
    ldr r4, =big_frame
    blx r4
    pop {r4, pc}
function traps              // 4 before SVC, whose handler finds the core's registers above its own
    push {lr}
    svc #0
    pop {pc}
function unequal            // two ways meet with different SP
    cmp r0, #0
    beq 1f
    push {r0}
1:  nop
    bx lr
function leaves_some        // returns with another SP than it found
    sub sp, #8
    bx lr
function from_memory
    ldr r3, [r0]
    mov sp, r3
    bx lr
function calls_rom
    push {r4, lr}
    ldr r4, =0x2001
    blx r4
    pop {r4, pc}
function never
    push {lr}
1:  b 1b
function calls_never        // what follows is data, not code
    push {r4, lr}
    sub sp, #16
    bl never
    .word 0xFFFFFFFF

// Cycles
function straight           // 1 + 2 + 2 + 1 + 2
    movs r1, #3
    ldr r0, =7
    push {r1}               // 2
    pop {r1}                // 2
    adds r0, r0, r1
    bx lr
function either             // cmp 1, beq 1 or 2; then 1 + b 2, or 2 x 1; bx 2
    cmp r0, #0
    beq 1f
    movs r0, #1
    b 2f
1:  movs r0, #2
    movs r0, #3
2:  bx lr
function counts             // 1 + n (1 + 2) - 1 + 2
1:  subs r0, #1
    bne 1b
    bx lr
function tests_first        // 2 + (n + 1)(1 + 1) + n ... the loop begins at its test
    b 2f
1:  nop
2:  subs r0, #1
    bpl 1b
    bx lr
function nested             // the inner loop runs four times for each of the outer one
1:  movs r1, #4
2:  subs r1, #1
    bne 2b
    subs r0, #1
    bne 1b
    bx lr
function calls_counts       // r0 passes of a loop that another function has
    push {lr}
    bl counts
    pop {pc}
function jumps_to_counts
    b counts
function two_ways_in
    cmp r0, #0
    beq 2f
1:  subs r0, #1
2:  subs r0, #1
    bpl 1b
    bx lr
function skips              // some rounds do not come by the middle
1:  lsrs r1, r0, #1
    bcs 2f
    nop
2:  subs r0, #1
    bne 1b
    bx lr
function shares_its_head    // two loops that begin with one instruction: r0 rounds of r1 each
1:  subs r1, #1
    bne 1b
    movs r1, #4
    subs r0, #1
    bne 1b
    bx lr
function jumps_out          // to no code, with stack in use
    push {r4, lr}
    ldr r3, =0x2001
    bx r3
function switches           // through a helper as armcc's, by a table behind the call
    push {r4, lr}
    cmp r0, #3
    bhi 9f
    bl switch_helper
5:  .byte (6f - 5b) / 2, (7f - 5b) / 2, (8f - 5b) / 2, (9f - 5b) / 2
6:  bl leaf
    b 9f
7:  bl big_frame
    b 9f
8:  sub sp, #8
    add sp, #8
9:  pop {r4, pc}
function switch_helper      // LR has bit 0 set
    push {r4, r5}
    mov r4, lr
    subs r4, #1
    ldrb r5, [r4, r0]
    lsls r5, r5, #1
    adds r5, r5, r4
    adds r5, #1
    mov lr, r5
    pop {r4, r5}
    bx lr
function far_jumps          // BL as GCC's longest jump, which ends the function, and as the call of a part of it
    push {r4, lr}
    cmp r0, #0
    beq 1f
    bl 5f
1:  bl 7f
    pop {r4, pc}
5:  sub sp, #16
    add sp, #16
    pop {r4, pc}
7:  push {lr}
    bl 8f
    pop {pc}
8:  bx lr
function unrolled           // a jump to where only its data says
    push {r4, lr}
    ldr r1, [r1]
    mov pc, r1
    adds r0, #1
    adds r0, #2
    bl leaf
    adds r0, #3
    pop {r4, pc}
function known_on_one_way   // the index of a table is 0 on one way, anything on the other
    push {lr}
    cmp r0, #0
    beq 1f
    ldr r0, [r1]
    b 2f
1:  movs r0, #0
2:  cmp r0, #1
    bhi 9f
    lsls r0, r0, #2
    adr r2, 5f
    ldr r2, [r2, r0]
    mov pc, r2
    .balign 4
5:  .word 7f, 8f
7:  sub sp, #8
    add sp, #8
    .thumb_func
8:  bl leaf
9:  pop {pc}
function changed_by_callee   // a pointer to a function, in a variable that a callee has the address of
    push {r4, lr}
    sub sp, #8
    ldr r0, =leaf
    str r0, [sp]
    mov r0, sp
    bl leaf
    ldr r1, [sp]
    blx r1
    add sp, #8
    pop {r4, pc}
function changed_by_store    // the same, and a store that may go there
    push {r4, lr}
    sub sp, #8
    ldr r2, =leaf
    str r2, [sp, #4]
    str r1, [r0]
    ldr r1, [sp, #4]
    blx r1
    add sp, #8
    pop {r4, pc}
function changed_by_nobody
    push {r4, lr}
    sub sp, #8
    ldr r2, =leaf
    str r2, [sp, #4]
    str r1, [sp]
    ldr r1, [sp, #4]
    blx r1
    add sp, #8
    pop {r4, pc}
function recurses
    push {lr}
    subs r0, #1
    beq 1f
    bl recurses
1:  pop {pc}
function sleeps
    wfi
    bx lr
    .pool
