    @ Code that is written while the program runs. Cortex-M0+ cycles stand on the right.
    .include "macros.inc"

    @ (room for code, times): writes two bodies there in turn and calls each
    function alternate
    push {r4-r7, lr}            @ 6
    mov r4, r0                  @ 1
    mov r5, r1                  @ 1
    movs r6, #0                 @ 1
1:  ldr r7, =0x47703001         @ 2
    str r7, [r4]                @ 2   adds r0, #1; bx lr
    mov r0, r6                  @ 1
    adds r3, r4, #1             @ 1
    blx r3                      @ 2 + 3
    mov r6, r0                  @ 1
    ldr r7, =0x30033002         @ 2
    str r7, [r4]                @ 2   adds r0, #2; adds r0, #3
    ldr r7, =0x47704770         @ 2
    str r7, [r4, #4]            @ 2   bx lr; bx lr
    mov r0, r6                  @ 1
    adds r3, r4, #1             @ 1
    blx r3                      @ 2 + 4
    mov r6, r0                  @ 1
    subs r5, #1                 @ 1
    bne 1b                      @ 2, the last one 1
    pop {r4-r7, pc}             @ 8
    end alternate

    @ (room for code): writes a body and calls it; loads from flash 24 times where the emulator keeps its TLB entry for
    @ the room, eight of them 256 KiB apart in each of three aliases; writes beside the body; writes another and calls it
    function rewrite_after_loads
    push {r4-r7, lr}
    mov r4, r0
    ldr r7, =0x47703001         @ adds r0, #1; bx lr
    str r7, [r4]
    movs r0, #0
    adds r3, r4, #1
    blx r3
    movs r5, #1
    lsls r5, r5, #28            @ 0x10000000, then 0x11000000 and 0x12000000
    lsls r1, r4, #14
    lsrs r1, r1, #14
2:  adds r2, r5, r1
    movs r6, #8
1:  ldr r3, [r2]
    movs r3, #1
    lsls r3, r3, #18
    adds r2, r2, r3
    subs r6, #1
    bne 1b
    lsls r3, r3, #6
    adds r5, r5, r3
    lsrs r3, r5, #24
    cmp r3, #0x13
    bne 2b
    str r3, [r4, #4]            @ beside the code: brings the page back
    ldr r7, =0x47703002         @ adds r0, #2; bx lr
    str r7, [r4]
    adds r3, r4, #1
    blx r3
    pop {r4-r7, pc}
    end rewrite_after_loads

    @ (room for code, argument): copies `template` there and calls it
    function copy_and_call
    push {r4, lr}               @ 3
    ldr r2, =template           @ 2
    ldm r2!, {r3, r4}           @ 3
    stm r0!, {r3, r4}           @ 3
    subs r0, #7                 @ 1
    mov r2, r0                  @ 1
    mov r0, r1                  @ 1
    blx r2                      @ 2
    pop {r4, pc}                @ 5
    end copy_and_call

    .section .rodata.template, "a", %progbits
    .balign 4
template:
    adds r0, #42                @ 1
    nop                         @ 1
    nop                         @ 1
    bx lr                       @ 2

    @ (code, argument): calls it
    function trampoline
    push {lr}                   @ 2
    adds r2, r0, #1             @ 1
    mov r0, r1                  @ 1
    blx r2                      @ 2
    pop {pc}                    @ 4
    end trampoline

    function in_ram, .ramfunc
    adds r0, #1                 @ 1
    bx lr                       @ 2
    end in_ram

    function patch
    ldr r1, =in_ram - 1         @ 2
    ldr r2, =0x3002             @ 2
    strh r2, [r1]               @ 2   adds r0, #2
    bx lr                       @ 2
    end patch

    function calls_patched
    push {lr}                   @ 2
    ldr r3, =in_ram             @ 2
    blx r3                      @ 2 + 3
    push {r0}                   @ 2
    bl patch                    @ 3
    pop {r0}                    @ 2
    ldr r3, =in_ram             @ 2
    blx r3                      @ 2 + 3
    pop {pc}                    @ 4
    end calls_patched
