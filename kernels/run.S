/*
 * m0k_run(const m0k_op_t *ops): calls kernel(block) for each {kernel, block} until kernel is 0.
 * m0k_step(const m0k_phase_t *phases): calls phase(ops) for each {phase, ops} until phase is 0. Where a phase returns
 *     anything but 0, it goes on with the phases there instead.
 * m0k_forward, m0k_loss_phase, m0k_backward, m0k_update, m0k_prune: phases, m0k_run under names of their own. They
 *     return 0, but m0k_loss_phase what its last kernel returned: m0k_loss ends a step that has no error.
 *
 * Alignment 4. The tables may lie in flash; kernel addresses have bit 0 set, as function pointers have.
 * Stack     8 bytes, and the deepest kernel's; m0k_step the same and the deepest phase's.
 * Cycles    12 + 10 for each entry + the kernels' (Cortex-M0+), phases 1 more; m0k_step 12 + 12 for each phase, 4 more
 *           where it goes on elsewhere. 2 more for an empty list.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "m0k.inc"

@ WALKER name, result: a function that calls the first word of each entry of the list r0 with its second one; an
@ operation and a phase have the same places. r4 = entry; r0-r3, r12 are the callee's. result = none, or zero, 0 is
@ returned, or last, what the last one returned, or next: it goes on where one of them says by what it returns.
@ 13 cycles and 10 for each entry, 12 with none, 12 and 12 with next; for an empty list 2 more.
    .macro WALKER name, result=zero
    FUNCTION \name, align=1
    push {r4, lr}
    movs r4, r0
    .ifc \result, last
    movs r0, #0
    .endif
    ldr r1, [r4, #OP_KERNEL]
    cmp r1, #0
    beq .Ldone_\name
.Lcall_\name:
    ldr r0, [r4, #OP_BLOCK]
    adds r4, #OP_BYTES
    blx r1
    .ifc \result, next
    cmp r0, #0
    bne .Lelsewhere_\name
    .endif
.Lnext_\name:
    ldr r1, [r4, #OP_KERNEL]
    cmp r1, #0
    bne .Lcall_\name
.Ldone_\name:
    .ifc \result, zero
    movs r0, #0
    .endif
    pop {r4, pc}
    .ifc \result, next
.Lelsewhere_\name:
    movs r4, r0
    b .Lnext_\name
    .endif
    END_FUNCTION \name
    .endm

    WALKER m0k_run, result=none
    WALKER m0k_step, result=next
    WALKER m0k_forward
    WALKER m0k_loss_phase, result=last
    WALKER m0k_backward
    WALKER m0k_update
    WALKER m0k_prune
