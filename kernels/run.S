/*
 * m0k_run(const m0k_op_t *ops): calls kernel(block) for each {kernel, block} until kernel is 0.
 * m0k_step(const m0k_phase_t *phases): calls phase(ops) for each {phase, ops} until phase is 0.
 * m0k_forward, m0k_loss_phase, m0k_backward, m0k_update, m0k_prune: m0k_run under names of their own.
 *
 * Alignment 4. The tables may lie in flash; kernel addresses have bit 0 set, as function pointers have.
 * Stack     8 bytes, and the deepest kernel's; m0k_step the same and the deepest phase's.
 * Cycles    12 + 10 for each entry + the kernels' (Cortex-M0+); 14 for an empty list.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "m0k.inc"

@ WALKER name: a function that calls the first word of each entry of the list r0 with its second one; an operation and a
@ phase have the same places. r4 = entry; r0-r3, r12 are the callee's.
@ 12 cycles and 10 for each entry; 14 for an empty list.
    .macro WALKER name
    FUNCTION \name, align=1
    push {r4, lr}
    movs r4, r0
    ldr r1, [r0, #OP_KERNEL]
    cmp r1, #0
    beq .Ldone_\name
.Lcall_\name:
    ldr r0, [r4, #OP_BLOCK]
    adds r4, #OP_BYTES
    blx r1
    ldr r1, [r4, #OP_KERNEL]
    cmp r1, #0
    bne .Lcall_\name
.Ldone_\name:
    pop {r4, pc}
    END_FUNCTION \name
    .endm

    WALKER m0k_run
    WALKER m0k_step
    WALKER m0k_forward
    WALKER m0k_loss_phase
    WALKER m0k_backward
    WALKER m0k_update
    WALKER m0k_prune
