    @ One way each to go wrong. test_faults.py finds the faulting line by its remark "FAULT function".
    .include "macros.inc"

    function fine
    adds r0, #1
    bx lr
    end fine

    function unaligned_load
    movs r1, #1
    movs r2, #2
    ldr r0, [r1]                @ FAULT unaligned_load
    movs r3, #3
    bx lr
    end unaligned_load

    function unaligned_store
    mov r1, sp
    subs r1, #7
    strh r1, [r1]               @ FAULT unaligned_store
    bx lr
    end unaligned_store

    function unaligned_ldm
    movs r1, #2
    ldm r1!, {r2, r3}           @ FAULT unaligned_ldm
    bx lr
    end unaligned_ldm

    function unmapped_load
    ldr r1, =0x30000000
    movs r3, #5
    ldr r0, [r1, #8]            @ FAULT unmapped_load
    bx lr
    end unmapped_load

    function unmapped_store
    ldr r1, =0x20042000
    strb r1, [r1]               @ FAULT unmapped_store
    bx lr
    end unmapped_store

    @ Two of its four words are the end of the SRAM.
    function unmapped_stm
    ldr r1, =0x20041ff8
    stm r1!, {r2-r5}            @ FAULT unmapped_stm
    bx lr
    end unmapped_stm

    function null_pointer
    movs r1, #0
    ldr r0, [r1, #4]            @ FAULT null_pointer
    bx lr
    end null_pointer

    function read_only
    ldr r1, =0x10000000
    nop
    str r1, [r1]                @ FAULT read_only
    bx lr
    end read_only

    function permanently_undefined
    movs r0, #1
    .inst.n 0xde00              @ FAULT permanently_undefined
    bx lr
    end permanently_undefined

    function compare_and_branch
    movs r0, #1
    .inst.n 0xb108              @ FAULT compare_and_branch
    bx lr
    end compare_and_branch

    function divide
    movs r0, #1
    .inst.w 0xfbb0f0f1          @ FAULT divide
    bx lr
    end divide

    function after_loop
    movs r1, #3
1:  subs r1, #1
    bne 1b
    nop
    .inst.n 0xde00              @ FAULT after_loop
    bx lr
    end after_loop

    @ The load faults before the undefined instruction of the same block is reached.
    function first_of_two
    movs r1, #1
    ldr r0, [r1]                @ FAULT first_of_two
    .inst.n 0xde00
    end first_of_two

    function breakpoint
    movs r0, #1
    bkpt #3                     @ FAULT breakpoint
    bx lr
    end breakpoint

    function supervisor
    movs r0, #1
    svc #7                      @ FAULT supervisor
    bx lr
    end supervisor

    function sleeps
    movs r0, #1
    wfi                         @ FAULT sleeps
    bx lr
    end sleeps

    @ As Thumb code, what it jumps to would be fine.
    function arm_state
    adr r1, 1f
    bx r1
    .balign 4
1:  push {r4, lr}               @ FAULT arm_state
    pop {r4, pc}
    end arm_state

    @ As Thumb code, what it jumps to would set SP.
    function arm_state_sp
    adr r1, 1f
    bx r1
    .balign 4
1:  mov sp, r1                  @ FAULT arm_state_sp
    bx lr
    end arm_state_sp

    @ As Thumb code, what it jumps to would be undefined.
    function arm_state_undefined
    adr r1, 1f
    bx r1
    .balign 4
1:  .inst.n 0xde00              @ FAULT arm_state_undefined
    end arm_state_undefined

    function into_pool
    nop
    ldr r0, =0x12345678
    end into_pool

    function into_blank
    ldr r1, =0x10100001
    bx r1
    end into_blank

    function into_nowhere
    ldr r1, =0x30000001
    bx r1
    end into_nowhere

    function call_null
    push {lr}
    movs r1, #1
    blx r1
    pop {pc}
    end call_null

    @ The function that was asked for left by a jump: what it jumped to has no call to be found behind.
    function tail_call
    movs r0, #1
    b call_null_at_once
    end tail_call

    function tail_call_below
    push {lr}
    bl tail_call
    pop {pc}
    end tail_call_below

    function tail_call_by_register
    ldr r1, =call_null_at_once
    bx r1
    end tail_call_by_register

    function call_null_at_once
    movs r1, #0
    ldr r0, [r1]                @ FAULT call_null_at_once
    bx lr
    end call_null_at_once

    function into_port
    ldr r1, =0xd0000001
    bx r1
    end into_port

    @ Where the tool itself returns to there is neither data nor code.
    function beside_the_return
    mov r1, lr
    subs r1, #1
    ldr r0, [r1, #8]            @ FAULT beside_the_return
    bx lr
    end beside_the_return

    function behind_the_return
    mov r1, lr
    adds r1, #16
    bx r1
    end behind_the_return

    function endless_recursion
    push {r4-r7, lr}            @ FAULT endless_recursion
    bl endless_recursion
    pop {r4-r7, pc}
    end endless_recursion

    function endless_frames
    sub sp, #504
    sub sp, #504                @ FAULT endless_frames
    b endless_frames
    end endless_frames

    function add_sp
    movs r1, #1
    ldr r0, =-400000
    movs r2, #2
    add sp, r0                  @ FAULT add_sp
    movs r3, #3
    movs r4, #4
    bx lr
    end add_sp

    function mov_sp
    movs r1, #1
    lsls r1, r1, #29
    subs r1, #4
    mov sp, r1                  @ FAULT mov_sp
    movs r3, #3
    bx lr
    end mov_sp

    function push_behind_mov_sp
    ldr r1, =0x20000008
    mov sp, r1
    movs r2, #1
    push {r0-r3}                @ FAULT push_behind_mov_sp
    movs r3, #3
    bx lr
    end push_behind_mov_sp

    @ The push does not run: it does not belong to the stack mark.
    function push_behind_fault
    movs r1, #1
    ldr r0, [r1]                @ FAULT push_behind_fault
    push {r4-r7}
    pop {r4-r7}
    bx lr
    end push_behind_fault

    @ The stack is 64 bytes deep: 4 by the push, 60 by the write of SP, directly before the fault or one further up.
    function mov_sp_then_fault
    push {r4}
    mov r3, sp
    subs r3, #60
    mov sp, r3
    udf #0                      @ FAULT mov_sp_then_fault
    end mov_sp_then_fault

    function mov_sp_before_a_load
    push {r4}
    mov r3, sp
    subs r3, #60
    mov sp, r3
    movs r0, #1
    ldr r1, [r0]                @ FAULT mov_sp_before_a_load
    end mov_sp_before_a_load

    function add_sp_then_fault
    push {r4}
    movs r3, #60
    rsbs r3, r3, #0
    add sp, r3
    udf #0                      @ FAULT add_sp_then_fault
    end add_sp_then_fault

    @ Rounds of one block: the push of the first has run when the load of the sixth goes wrong.
    function push_in_an_earlier_round
    ldr r0, =0x20000000
    lsrs r1, r0, #13            @ 0x10000: the sixth round loads from 0x20050000
    b 1f
1:  ldr r2, [r0]                @ FAULT push_in_an_earlier_round
    push {r1-r3}
    pop {r1-r3}
    adds r0, r0, r1
    cmp r0, #9
    bne 1b
    bx lr
    end push_in_an_earlier_round

    function spins
    b .                         @ FAULT spins
    end spins

    function idles
1:  wfe
    b 1b
    end idles

    function counts_down
1:  subs r0, #1
    bne 1b
    bx lr
    end counts_down

    function endless_links
    bl endless_links
    end endless_links

    function outer
    push {lr}
    nop
    bl middle
    pop {pc}
    end outer

    function middle
    push {r4, lr}
    bl permanently_undefined
    pop {r4, pc}
    end middle

    @ (address, offset): a byte there
    function pokes
    strb r0, [r0, r1]
    bx lr
    end pokes

    function undefined_high
    movs r0, #1
    .inst.n 0xdede
    end undefined_high

    function undefined_wide
    movs r0, #1
    .inst.w 0xf7faabcd
    end undefined_wide

    function undefined_other
    movs r0, #1
    .inst.w 0xf7f0b000
    end undefined_other

    function rom_load
    movs r0, #0xa0
    ldr r0, [r0, r0]
    bx lr
    end rom_load

    function null_store
    movs r0, #0
    strh r0, [r0, #0x3e]
    bx lr
    end null_store

    function null_member
    movs r0, #0
    ldrb r0, [r0, #0x1f]
    bx lr
    end null_member

    function rom_store
    ldr r0, =0x3fff
    strb r0, [r0]
    bx lr
    end rom_store

    function above_the_stack
    nop
    ldr r0, [sp, #8]
    bx lr
    end above_the_stack

    function above_the_stack_store
    str r0, [sp, #1020]
    bx lr
    end above_the_stack_store

    function above_the_stack_pop
    nop
    pop {r0, pc}
    end above_the_stack_pop

    function jump_42
    ldr r0, =0x142
    bx r0
    end jump_42

    function jump_43
    ldr r0, =0x143
    bx r0
    end jump_43

    function call_null_even
    push {lr}
    movs r1, #0
    blx r1
    pop {pc}
    end call_null_even

    function into_nowhere_even
    ldr r1, =0x30000000
    push {r1}
    pop {pc}
    end into_nowhere_even

    .macro makes_sp_odd
    mov r3, sp
    subs r3, #45
    mov sp, r3
    .endm

    function odd_sp_undefined
    makes_sp_odd
    .inst.n 0xde00
    end odd_sp_undefined

    function odd_sp_load
    movs r0, #1
    makes_sp_odd
    ldr r0, [r0]
    bx lr
    end odd_sp_load

    function odd_sp_far
    makes_sp_odd
    nop
    b 1f
1:  nop
    bkpt #1
    end odd_sp_far

    function odd_sp_accesses
    mov r2, sp
    makes_sp_odd
    str r0, [sp, #4]
    push {r0}
    pop {r1}
    ldr r0, [sp, #4]
    mov sp, r2
    bx lr
    end odd_sp_accesses

    @ In one block with the fault; the load faults where r2 is odd.
    .macro flags name, value
    function \name
    ldr r0, =\value
    movs r2, #1
    msr apsr, r0
    ldr r0, [r2]
    end \name
    .endm
    flags flags_nzcv, 0xf0000000
    flags flags_msr, 0x5fffffff

    function flags_z
    movs r2, #1
    movs r1, #0
    ldr r0, [r2]
    end flags_z

    function flags_c
    movs r2, #1
    cmp r2, #0
    ldr r0, [r2]
    end flags_c

    function flags_n
    movs r2, #1
    cmn r2, r2
    mvns r1, r2
    ldr r0, [r2]
    end flags_n

    function flags_v
    movs r2, #1
    lsls r1, r2, #30
    adds r1, r1, r1
    .inst.n 0xde01
    end flags_v

    @ SP among the registers of a peripheral: the first load is answered, the other is not.
    .macro sp_in_a_peripheral name, answered, refused:vararg
    function \name
    movs r3, #1
    lsls r3, r3, #30
    mov sp, r3
    \answered
    \refused
    bx lr
    end \name
    .endm
    sp_in_a_peripheral sp_load, "ldr r0, [sp, #4]", ldr r0, [sp, #12]
    sp_in_a_peripheral sp_store, "ldr r0, [sp, #4]", str r0, [sp, #8]
    sp_in_a_peripheral sp_pop, "add sp, #4", pop {r0, r1}
