    @ Calling contexts whose cycles test_call_tree.py works out by hand. Cortex-M0+ cycles stand on the right.
    .include "macros.inc"

    function shared
    adds r0, #1                 @ 1
    bx lr                       @ 2
    end shared

    function twice
    push {lr}                   @ 2
    bl shared                   @ 3
    bl shared                   @ 3
    pop {pc}                    @ 4
    end twice

    function tails
    push {lr}                   @ 2
    bl shared                   @ 3
    pop {r1}                    @ 2
    mov lr, r1                  @ 1
    b shared                    @ 2
    end tails

    function several_callers
    push {lr}                   @ 2
    bl twice                    @ 3
    bl tails                    @ 3
    bl twice                    @ 3
    bl shared                   @ 3
    pop {pc}                    @ 4
    end several_callers

    @ Two functions that jump to each other: r0 counts the jumps down.
    function ping
    subs r0, #1                 @ 1
    bmi 1f                      @ 1 or 2
    b pong                      @ 2
1:  bx lr                       @ 2
    end ping

    function pong
    subs r0, #1                 @ 1
    bmi 1f                      @ 1 or 2
    b ping                      @ 2
1:  bx lr                       @ 2
    end pong

    function calls_ping
    push {lr}                   @ 2
    bl ping                     @ 3
    pop {pc}                    @ 4
    end calls_ping

    @ The same among three, behind a jump: no frame of the ring was called.
    function ring_a
    adds r0, #1                 @ 1
    b ring_b                    @ 2
    end ring_a

    function ring_b
    subs r0, #1                 @ 1
    bmi 1f                      @ 1 or 2
    b ring_c                    @ 2
1:  bx lr                       @ 2
    end ring_b

    function ring_c
    subs r0, #1                 @ 1
    bmi 1f                      @ 1 or 2
    b ring_b                    @ 2
1:  bx lr                       @ 2
    end ring_c

    function calls_ring
    push {lr}                   @ 2
    bl ring_a                   @ 3
    pop {pc}                    @ 4
    end calls_ring

    function faults_inside
    push {lr}                   @ 2
    bl shared                   @ 3
    bl undefined                @ 3
    pop {pc}
    end faults_inside

    function undefined
    adds r0, #1                 @ 1
    bl shared                   @ 3
    udf #0
    end undefined

    @ Runs on into the function behind it, in the middle of a basic block.
    function runs_on
    adds r0, #2                 @ 1
    .size runs_on, . - runs_on
    .global behind
    .type behind, %function
    .thumb_func
behind:
    adds r0, #1                 @ 1
    bx lr                       @ 2
    end behind

    @ Each level calls the next one from two places: as many contexts as calls.
    .macro level number, next
    function level_\number
    push {lr}                   @ 2
    bl level_\next              @ 3
    bl level_\next              @ 3
    pop {pc}                    @ 4
    end level_\number
    .endm

    level 0, 1
    level 1, 2
    level 2, 3
    level 3, 4
    level 4, 5
    level 5, 6
    level 6, 7
    level 7, 8
    level 8, 9
    level 9, 10
    level 10, 11
    level 11, 12
    level 12, 13
    level 13, 14
    level 14, 15
    level 15, 16
    level 16, 17
    level 17, 18

    function level_18
    bx lr                       @ 2
    end level_18
