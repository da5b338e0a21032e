/*
 * m0k_dense_forward's inputs as lanes, made once for all groups of outputs, and the loops over them. Not for C.
 *
 * Layout of the lanes, in the scratch of the block: for each run of words of the input that are not zero a header of
 * two words and then two words for each input word, its even and its odd lanes (signed ones for signed inputs). The
 * header is {end of the run's lanes; bytes of weights to skip before it << ENTRY_BITS | code offset of its entry}.
 * Behind the last run there is a header without lanes, whose entry leaves the loop. At most 2 * P + 16 bytes.
 * Stack     0 bytes; all is in the frame of m0k_dense_forward.
 *
 * Cycles    unsigned 45 an input word and group, signed 59; 1 a word for the loop of four; 13 a run.
 *           Splitting: 19 a word unsigned, 17 signed; 7 for a zero word; about 50 a run and 45 for each 128 words.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "core.inc"
    #include "dense.inc"
    #include "m0k.inc"

#define ENTRY_BITS 9

@ The inner loops. m0k_core enters them at their names, for four outputs: r0 lanes, r1 weights, r2 EVEN_BYTES, r3, r4
@ even and odd lanes, r5-r7 weights (signed: r6 BIAS_LANES), r8-r11 accumulators, r12 end of the run, lr next output.

@ NEXT_RUN exit: into the unrolled loop for the run of the header r0. exit is the label that all entries are counted
@ back from. Spoils r3, r4. 12 cycles.
    .macro NEXT_RUN exit
    ldm r0!, {r3, r4}
    mov r12, r3
    lsrs r3, r4, #ENTRY_BITS
    adds r1, r1, r3
    lsls r4, r4, #(32 - ENTRY_BITS)
    lsrs r4, r4, #(32 - ENTRY_BITS)
    adr r3, \exit
    subs r3, r3, r4
    mov pc, r3
    .endm

@ UNSIGNED_LANES: one word of inputs with all its products. 45 cycles.
    .macro UNSIGNED_LANES
    ldm r0!, {r3, r4}
    ldm r1!, {r5, r6}
    UNSIGNED_WORD r5, r8
    UNSIGNED_WORD r6, r9
    ldm r1!, {r5, r6}
    UNSIGNED_WORD r5, r10
    UNSIGNED_WORD r6, r11
    .endm

@ SIGNED_LANES_WORD: the same, signed. 59 cycles.
    .macro SIGNED_LANES_WORD
    ldm r0!, {r3, r4}
    SIGNED_WORD r8
    SIGNED_WORD r9
    SIGNED_WORD r10
    SIGNED_WORD r11
    .endm

    FUNCTION m0k_dense_lanes
.Lunsigned0:
    UNSIGNED_LANES
.Lunsigned1:
    UNSIGNED_LANES
.Lunsigned2:
    UNSIGNED_LANES
.Lunsigned3:
    UNSIGNED_LANES
    cmp r0, r12
    beq .Lunsigned_run
    b .Lunsigned0
.Lunsigned_run:
    NEXT_RUN .Lunsigned_exit
    .p2align 2
.Lunsigned_exit:
    ldr r3, [sp, #F_STORE]
    mov pc, r3

.Lsigned0:
    SIGNED_LANES_WORD
.Lsigned1:
    SIGNED_LANES_WORD
.Lsigned2:
    SIGNED_LANES_WORD
.Lsigned3:
    SIGNED_LANES_WORD
    cmp r0, r12
    beq .Lsigned_run
    b .Lsigned0
.Lsigned_run:
    NEXT_RUN .Lsigned_exit
    .p2align 2
.Lsigned_exit:
    ldr r3, [sp, #F_STORE]
    mov pc, r3

@ Where they are entered, and for the number of words of a run modulo 4, 1 more of them: its entry.
    .p2align 2
.Lunsigned_entries:
    .word .Lunsigned_run, .Lunsigned_exit - .Lunsigned1, .Lunsigned_exit - .Lunsigned0
    .word .Lunsigned_exit - .Lunsigned3, .Lunsigned_exit - .Lunsigned2
.Lsigned_entries:
    .word .Lsigned_run, .Lsigned_exit - .Lsigned1, .Lsigned_exit - .Lsigned0
    .word .Lsigned_exit - .Lsigned3, .Lsigned_exit - .Lsigned2
    END_FUNCTION m0k_dense_lanes

@ -------------------------------------------------------------- m0k_dense_split, m0k_dense_split_signed (not for C)
@ Makes the lanes of the inputs F_IN .. F_STOP in the scratch. Out: F_IN the lanes, F_LOOP, r1 the lanes' end; D_RUNS,
@ and for unsigned inputs D_SUM, D_COUNT, D_EVEN. Spoils all registers. No stack.
@
@ r0 inputs, r1 lanes, r2 EVEN_BYTES, r3 a word, then its even lanes, r4 odd lanes, r5 free, r11 header of the run, r12
@ where the last zeros began, r10 end of this part. Unsigned: r6 127 in each byte, r7 1 in each byte, r8 sum of all
@ lanes, r9 in each byte how many were not zero. Signed: r6 BIAS_LANES, r7, r8, r9 free.

@ OPEN_RUN: the header of the run that begins with the word before r0. Spoils r4, r5. 13 cycles.
    .macro OPEN_RUN
    mov r11, r1
    subs r4, r0, #4
    mov r5, r12
    subs r4, r4, r5
    lsls r4, r4, #(2 + ENTRY_BITS)  @ a word of inputs has four of weights
    str r4, [r1, #4]
    adds r1, #8
    ldr r4, [sp, #D_RUNS]
    adds r4, #1
    str r4, [sp, #D_RUNS]
    .endm

@ CLOSE_RUN entries: the header of the run that ends at r1. Spoils r3, r4, r5. 16 cycles.
    .macro CLOSE_RUN entries
    mov r3, r11
    str r1, [r3]
    subs r4, r1, r3                 @ 8 for each word, and 8
    lsls r4, r4, #(30 - 3)
    lsrs r4, r4, #(30 - 2)
    ldr r5, \entries
    adds r5, r5, r4
    ldr r5, [r5, #4]
    ldr r4, [r3, #4]
    adds r4, r4, r5
    str r4, [r3, #4]
    .endm

@ LAST_HEADER zero: behind the last word, which was zero or not, as zero is 1 or 0. Spoils r4. 5 cycles, or 3.
    .macro LAST_HEADER zero
    .if \zero
    mov r4, r12
    subs r4, r0, r4
    lsls r4, r4, #(2 + ENTRY_BITS)
    .else
    movs r4, #0
    .endif
    str r4, [r1, #4]
    .endm

@ SPLIT_UNSIGNED i: copy i of the loop over words that are not zero. 17 cycles; goes on behind itself.
    .macro SPLIT_UNSIGNED i
    cmp r0, r10
    beq .Lpart_done
.Lsplit\i:
    ldm r0!, {r3}
    adds r5, r3, r6                 @ bit 7 of each byte: not zero
    lsrs r5, r5, #7
    ands r5, r7
    beq .Lsplit_zero
.Lsplit_found\i:
    add r9, r5
    lsrs r4, r3, #8
    ands r4, r2
    ands r3, r2
    stm r1!, {r3, r4}
    add r8, r3
    add r8, r4
    .endm

@ SPLIT_BEGIN entries: r0, r1, r2 and r12 as they are said to be, r3 = 0, no runs yet, F_IN and F_LOOP; the core's loop
@ becomes D_CORE. Spoils r4. 24 cycles.
    .macro SPLIT_BEGIN entries
    ldr r0, [sp, #F_IN]
    ldr r1, [sp, #D_BLOCK]
    ldr r1, [r1, #DENSE_SCRATCH]
    str r1, [sp, #F_IN]
    ldr r2, =EVEN_BYTES
    mov r12, r0
    ldr r4, [sp, #F_LOOP]
    str r4, [sp, #D_CORE]
    ldr r4, \entries
    ldr r4, [r4]
    str r4, [sp, #F_LOOP]
    movs r3, #0
    str r3, [sp, #D_RUNS]
    .endm

    FUNCTION m0k_dense_split
    mov r3, lr
    str r3, [sp, #D_RETURN]
    SPLIT_BEGIN .Lunsigned_table
    str r3, [sp, #D_SUM]
    str r3, [sp, #D_COUNT]
    str r3, [sp, #D_EVEN]
    mov r8, r3
    mov r9, r3
    ldr r6, =0x7F7F7F7F
    ldr r7, =0x01010101
    bl .Lfold                       @ finds the first part's end
    b .Lzeros_more

@ Words that are zero
.Lsplit_zero:
    CLOSE_RUN .Lunsigned_table
    subs r3, r0, #4
    mov r12, r3
.Lzeros:
    cmp r0, r10
    beq .Lzeros_part_done
.Lzeros_more:
    ldm r0!, {r3}
    cmp r3, #0
    beq .Lzeros
    OPEN_RUN
    adds r5, r3, r6
    lsrs r5, r5, #7
    ands r5, r7
    b .Lsplit_found0
.Lzeros_part_done:
    bl .Lfold
    bne .Lzeros_more
    LAST_HEADER 1
    b .Lsplit_done

@ Words that are not
.Lsplit:
    SPLIT_UNSIGNED 0
    SPLIT_UNSIGNED 1
    SPLIT_UNSIGNED 2
    SPLIT_UNSIGNED 3
    b .Lsplit
.Lpart_done:
    bl .Lfold
    bne .Lsplit0
    CLOSE_RUN .Lunsigned_table
    LAST_HEADER 0
.Lsplit_done:
    ldr r3, [sp, #D_RETURN]
    bx r3
    .p2align 2
.Lunsigned_table:
    .word .Lunsigned_entries
    .ltorg

@ The end of a part, r0: 128 words add at most 32,512 to a lane, and 128 to a count. Out: r10 the next part's end; the Z
@ flag if there is none. Spoils r3, r4, r5.
.Lfold:
    mov r3, r8
    uxth r4, r3
    lsrs r3, r3, #16
    adds r4, r4, r3
    ldr r3, [sp, #D_SUM]
    adds r3, r3, r4
    str r3, [sp, #D_SUM]
    mov r3, r9
    lsrs r4, r3, #8
    ands r3, r2
    uxth r5, r3
    lsrs r3, r3, #16
    adds r5, r5, r3
    ldr r3, [sp, #D_EVEN]
    adds r3, r3, r5
    str r3, [sp, #D_EVEN]
    ands r4, r2
    uxth r3, r4
    adds r5, r5, r3
    lsrs r4, r4, #16
    adds r5, r5, r4
    ldr r3, [sp, #D_COUNT]
    adds r3, r3, r5
    str r3, [sp, #D_COUNT]
    movs r3, #0
    mov r8, r3
    mov r9, r3
    movs r3, #1
    lsls r3, r3, #9
    adds r3, r3, r0
    ldr r4, [sp, #F_STOP]
    cmp r3, r4
    bls .Lpart_known
    movs r3, r4
.Lpart_known:
    mov r10, r3
    cmp r0, r4
    bx lr

    END_FUNCTION m0k_dense_split

@ Signed inputs: the same, without sum and count.
    FUNCTION m0k_dense_split_signed
    SPLIT_BEGIN .Lsigned_table
    ldr r6, =BIAS_LANES
    ldr r3, [sp, #F_STOP]
    mov r10, r3
    b .Lsigned_zeros_more
.Lsigned_split_zero:
    CLOSE_RUN .Lsigned_table
    subs r3, r0, #4
    mov r12, r3
.Lsigned_zeros:
    cmp r0, r10
    beq .Lsigned_last_zero
.Lsigned_zeros_more:
    ldm r0!, {r3}
    cmp r3, #0
    beq .Lsigned_zeros
    OPEN_RUN
.Lsigned_found:
    lsrs r4, r3, #8
    SIGNED_LANES r4
    SIGNED_LANES r3
    stm r1!, {r3, r4}
    cmp r0, r10
    beq .Lsigned_last
    ldm r0!, {r3}
    cmp r3, #0
    bne .Lsigned_found
    b .Lsigned_split_zero
.Lsigned_last:
    CLOSE_RUN .Lsigned_table
    LAST_HEADER 0
    bx lr
.Lsigned_last_zero:
    LAST_HEADER 1
    bx lr
    .p2align 2
.Lsigned_table:
    .word .Lsigned_entries
    .ltorg
    END_FUNCTION m0k_dense_split_signed
