/*
 * m0k_replay(const m0k_replay_t *p): one of some records of equal size, by a counter that goes round.
 *
 *   out[0 .. size-1] = records[*which]; *which += next, and is 0 again at count.
 *
 * Shapes    count 1 or more, size a multiple of 4, 4 or more: whole words are copied, padding and all.
 * Ranges    *which < count, next 0 or 1. Alignment 4. records may lie in flash.
 * Stack     20 bytes.
 * Cycles    39 + 13 for each 16 bytes + 7 for each word of what is left, 2 more where there is only one of the two:
 *           exact. Cortex-M0+.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "m0k.inc"

@ r0 out, r1 the record, r2 bytes left, less 16 in the first loop.
    FUNCTION m0k_replay
    push {r4-r7, lr}
    ldr r6, [r0, #REPLAY_WHICH]
    ldr r3, [r6]
    ldr r2, [r0, #REPLAY_SIZE]
    ldr r1, [r0, #REPLAY_RECORDS]
    movs r4, r2
    muls r4, r3, r4
    adds r1, r1, r4
    ldr r4, [r0, #REPLAY_NEXT]
    adds r3, r3, r4
    ldr r4, [r0, #REPLAY_COUNT]
    cmp r3, r4
    blo .Lnot_the_last
    movs r3, #0
.Lnot_the_last:
    str r3, [r6]
    ldr r0, [r0, #REPLAY_OUT]
    subs r2, #16
    blo .Lrest
.Lfour_words:
    ldm r1!, {r4-r7}
    stm r0!, {r4-r7}
    subs r2, #16
    bhs .Lfour_words
.Lrest:
    adds r2, #16
    beq .Ldone
.Lword:
    ldm r1!, {r3}
    stm r0!, {r3}
    subs r2, #4
    bne .Lword
.Ldone:
    pop {r4-r7, pc}
    END_FUNCTION m0k_replay
