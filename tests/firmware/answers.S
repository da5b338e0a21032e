    @ Code that waits for the outside world: stubs and registers of peripherals (test_answers.py).
    .include "macros.inc"

    function twice_adc          @ read_adc() + 2 * read_adc()
    push {r4, lr}
    bl read_adc
    mov r4, r0
    bl read_adc
    lsls r0, #1
    adds r0, r4
    pop {r4, pc}
    end twice_adc

    function thrice             @ the sum of three readings
    push {r4, lr}
    bl read_adc
    mov r4, r0
    bl read_adc
    adds r4, r0
    bl read_adc
    adds r0, r4
    pop {r4, pc}
    end thrice

    function read_adc
    ldr r0, =0x4004c004
    ldr r0, [r0]
    bx lr
    end read_adc

    function passes             @ returns what the stub returns in r0 and r1
    push {r4, lr}
    bl wide
    pop {r4, pc}
    end passes

    function wide
    movs r0, #0
    movs r1, #0
    bx lr
    end wide

    function by_literal         @ wide through a pointer that is a literal
    push {r4, lr}
    ldr r3, =wide
    blx r3
    pop {r4, pc}
    end by_literal

    function by_veneer          @ wide through a veneer as linkers make them, and by a tail call
    b veneer
    end by_veneer

    function veneer
    push {r0, r1}
    ldr r0, =wide
    str r0, [sp, #4]
    pop {r0, pc}
    end veneer

    function wait_ready         @ until bit 0 is set; returns how often it looked
    movs r1, #0
    movs r3, #1
1:  adds r1, #1
    ldr r2, [r0]
    tst r2, r3
    beq 1b
    mov r0, r1
    bx lr
    end wait_ready

    function parts              @ bytes 0 and 3, the high halfword, the low one with its sign
    ldrb r1, [r0]
    ldrb r2, [r0, #3]
    lsls r2, #8
    orrs r1, r2
    ldrh r2, [r0, #2]
    eors r1, r2
    movs r2, #0
    ldrsh r2, [r0, r2]
    mov r0, r1
    mov r1, r2
    bx lr
    end parts

    function two                @ LDM of two registers
    ldm r0!, {r2, r3}
    subs r0, r3, r2
    bx lr
    end two

    function stores             @ a word, a halfword, a byte
    str r1, [r0]
    strh r1, [r0, #2]
    strb r1, [r0, #1]
    bx lr
    end stores

    function beside             @ reads the register and then the word behind it
    movs r3, #7
    ldr r1, [r0]
    adds r0, #4
    movs r3, #8
    ldr r1, [r0]                @ FAULT beside
    movs r3, #9
    mov r0, r3
    bx lr
    end beside

    function beside_store
    movs r3, #7
    ldr r1, [r0]
    movs r3, #8
    strb r1, [r0, #5]           @ FAULT beside_store
    movs r3, #9
    b 1f
1:  bx lr
    end beside_store

    function jumps
    adds r0, #1
    bx r0
    end jumps

    function sums               @ r0 + r1 + r2 + r3 + the word at SP, by a stub of that name
    push {r4, lr}
    sub sp, #8
    movs r0, #5
    str r0, [sp]
    movs r0, #1
    movs r1, #2
    movs r2, #3
    movs r3, #4
    bl stubbed_sum
    add sp, #8
    pop {r4, pc}
    end sums

    function stubbed_sum
    udf #0
    end stubbed_sum

    function in_sram, .time_critical
    movs r0, #1
    bx lr
    end in_sram

    function copies_code        @ what start-up does: in_sram as it is in the image
    ldr r1, =in_sram
    subs r1, #1
    ldr r2, =0x47702001         @ MOVS r0, #1; BX LR
    str r2, [r1]
    bx lr
    end copies_code

    function copies_and_calls
    push {r4, lr}
    bl copies_code
    ldr r3, =in_sram
    blx r3
    pop {r4, pc}
    end copies_and_calls

    function calls_sram
    push {r4, lr}
    ldr r3, =in_sram
    blx r3
    pop {r4, pc}
    end calls_sram
