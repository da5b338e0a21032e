/*
 * m0k_dense_forward over a list of the inputs that are not zero, with the weights of the edge array; and how it chooses
 * between lanes, this list, that of dense_columns.S and m0k_core's own loops. Not for C. Inputs 0 .. 127.
 *
 * Layout of the list, in the scratch of the block behind room for 16 sums: a word for each input that is not zero, in
 * the order in which bytes lie in a word of weights; distance << 8 | input, where the distance is that of its weights
 * from those of the item before, the first from one byte before the weights. Items are read in pairs; three zeros end
 * the list, so that it ends at the beginning of a pair.
 * Stack     0 bytes; all is in the frame of m0k_dense_forward.
 *
 * Cycles    38 an item for eight outputs (two groups), 21 for four; about 50 for each eight outputs.
 *           Building: 9 a word of zeros, about 27 + 3 for each item a word of others.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "core.inc"
    #include "dense.inc"
    #include "m0k.inc"

@ Estimates of m0k_dense_choose, in cycles
    .equ LANES_WORD, 46             @ lanes: a word that is not zero, for four outputs
    .equ LANES_RUN, 13
    .equ CORE_WORD, 28              @ the core's own loops, zeros being anywhere: a word, and
    .equ CORE_ITEM, 7               @ each of its inputs that is not zero;
    .equ CORE_ZERO, 12              @ a word of zeros,
    .equ CORE_EVEN, 21              @ what its even lanes add, where they are not zero,
    .equ CORE_ODD, 24               @ and its odd ones
    .equ LIST_ITEM, 39              @ list: an item for eight outputs
    .equ ROW_ITEM, 42               @ the same by four outputs at a time
    .equ LIST_WORD_LOG2, 5          @ building: 2^5 a word that is not zero
    .equ COLUMNS_ITEM, 39           @ columns: an item for sixteen outputs
    .equ COLUMNS_CHUNK, 125         @ a chunk for sixteen outputs
    .equ COLUMNS_BUILD_LOG2, 3      @ building: 2^3 more an item
    .equ MOST_GROUPS, 64            @ more are counted as so many: no estimate is above 32 bits

@ ------------------------------------------------------------------------------------ m0k_dense_choose (not for C)
@ Behind m0k_dense_split: r1 = end of the lanes. Takes what its estimate says is fastest, and corrects F_INIT.
@ r0 list, r1 words that are not zero, r2 columns, r3 lanes or core, r4 groups, r5 items, r6 words, r7 block.
    FUNCTION m0k_dense_choose
    ldr r7, [sp, #D_BLOCK]
    ldr r0, [sp, #F_IN]
    subs r1, r1, r0
    lsrs r1, r1, #3
    ldr r2, [sp, #D_RUNS]
    subs r1, r1, r2
    movs r3, #LANES_WORD
    muls r3, r1, r3
    movs r0, #LANES_RUN
    muls r2, r0, r2
    adds r3, r3, r2

@ The core's loops are entered with the lanes' place where these are faster.
    ldr r5, [sp, #D_COUNT]
    ldr r6, [r7, #DENSE_N_IN]
    WORDS r6
    ldr r4, [sp, #D_EVEN]
    subs r2, r5, r4
    cmp r4, r6
    bls .Leven_known
    movs r4, r6
.Leven_known:
    cmp r2, r6
    bls .Lodd_known
    movs r2, r6
.Lodd_known:
    movs r0, #CORE_EVEN
    muls r4, r0, r4
    movs r0, #CORE_ODD
    muls r2, r0, r2
    adds r4, r4, r2
    movs r0, #CORE_ZERO
    muls r0, r6, r0
    adds r4, r4, r0                 @ at most
    movs r0, #CORE_WORD
    muls r0, r6, r0
    movs r2, #CORE_ITEM
    muls r2, r5, r2
    adds r0, r0, r2                 @ about so many where zeros are anywhere
    cmp r0, r4
    bls .Lcore_known
    movs r0, r4
.Lcore_known:
    cmp r0, r3
    bhs .Llanes_kept
    movs r3, r0
    ldr r0, [r7, #DENSE_IN]
    str r0, [sp, #F_IN]
    ldr r0, [sp, #D_CORE]
    str r0, [sp, #F_LOOP]
.Llanes_kept:
    ldr r4, [r7, #DENSE_N_OUT]
    WORDS r4
    cmp r4, #MOST_GROUPS
    bls .Lgroups_known
    movs r4, #MOST_GROUPS
.Lgroups_known:
    muls r3, r4, r3
    movs r0, #5
    muls r0, r6, r0
    lsrs r0, r0, #1                 @ words of room for the list
    mov r12, r0
    subs r0, #3
    cmp r5, r0
    bgt .Lchosen                    @ more items than there is room for

@ The list
    ldr r2, [sp, #D_PROVIDER]
    movs r0, #LIST_ITEM
    cmp r2, #0
    beq .Litem_known
    movs r0, #ROW_ITEM
.Litem_known:
    muls r0, r5, r0
    muls r0, r4, r0
    lsrs r0, r0, #1
    lsls r1, r1, #LIST_WORD_LOG2
    adds r0, r0, r1
    cmp r2, #0
    bne .Lno_columns
    ldr r2, [r7, #DENSE_COLUMNS]
    cmp r2, #0
    beq .Lno_columns
    ldr r2, [r7, #DENSE_N_OUT]
    WORDS r2
    muls r2, r6, r2
    lsrs r2, r2, #20
    bne .Lno_columns                @ a distance has 24 bits: 16 MB of columns

@ The columns: r2 = the most chunks that there can be. Each but the last has two items or a sum above 16,638 / 127.
    ldr r2, [sp, #D_SUM]
    lsrs r2, r2, #7
    lsrs r7, r5, #1
    cmp r2, r7
    bls .Lchunks_known
    movs r2, r7
.Lchunks_known:
    lsls r7, r2, #1
    adds r7, r7, r5
    adds r7, #2                     @ words of the list
    cmp r7, r12
    bhi .Lno_columns
    adds r2, #3
    lsrs r2, r2, #1                 @ half of them are likely
    movs r7, #COLUMNS_CHUNK
    muls r2, r7, r2
    movs r7, #COLUMNS_ITEM
    muls r7, r5, r7
    adds r2, r2, r7
    adds r4, #3
    lsrs r4, r4, #2
    muls r2, r4, r2
    adds r2, r2, r1
    lsls r7, r5, #COLUMNS_BUILD_LOG2
    adds r2, r2, r7
    cmp r2, r0
    bhs .Lno_columns
    cmp r2, r3
    bhs .Lno_columns
    ldr r4, =m0k_dense_columns
    mov pc, r4
.Lno_columns:
    cmp r0, r3
    bhs .Lchosen
    mov r12, lr
    bl .Lcorrect
    ldr r4, =m0k_dense_list
    mov lr, r12
    mov pc, r4
.Lchosen:
.Lcorrect:
    ldr r0, [sp, #F_INIT]
    ldr r1, [sp, #D_SUM]
    lsls r1, r1, #7
    subs r0, r0, r1
    str r0, [sp, #F_INIT]
    bx lr
    .p2align 2
    .ltorg
    END_FUNCTION m0k_dense_choose

@ -------------------------------------------------------------------------------------- m0k_dense_list (not for C)
@ Builds the list; F_IN, F_LOOP, D_ROW. Spoils all registers but lr. No stack.
@ r0 inputs, r1 list, r2 distance << 8, r3 word, r4 item, r6 1 << 8, r8 from a word's last byte to before the next's
@ first, r9 from word to word, both << 8, r12 end of the inputs.

@ ELEMENT n: byte n of r3, if it is not zero, as an item. 8 cycles, 5 if it is zero; 1 less for n = 3.
    .macro ELEMENT n
    adds r2, r2, r6
    .if \n == 3
    lsrs r4, r3, #24
    .else
    lsls r4, r3, #(24 - 8 * \n)
    lsrs r4, r4, #24
    .endif
    beq .Lno_element\n
    adds r4, r4, r2
    stm r1!, {r4}
    movs r2, #0
.Lno_element\n:
    .endm

    FUNCTION m0k_dense_list
    ldr r7, [sp, #D_BLOCK]
    ldr r0, [r7, #DENSE_IN]
    ldr r1, [r7, #DENSE_SCRATCH]
    adds r1, #SUMS_BYTES
    str r1, [sp, #F_IN]
    ldr r3, .Llisted_address
    str r3, [sp, #F_LOOP]
    ldr r3, [sp, #F_STOP]
    mov r12, r3
    subs r3, r3, r0
    lsls r3, r3, #2
    str r3, [sp, #D_ROW]
    movs r3, #12
    lsls r3, r3, #8
    mov r8, r3
    movs r3, #16
    lsls r3, r3, #8
    mov r9, r3
    movs r6, #1
    lsls r6, r6, #8
    movs r2, #0
.Lword:
    ldm r0!, {r3}
    cmp r3, #0
    beq .Lword_zero
    ELEMENT 2
    ELEMENT 3
    ELEMENT 0
    ELEMENT 1
    add r2, r8
    cmp r0, r12
    bne .Lword
    b .Lbuilt
.Lword_zero:
    add r2, r9
    cmp r0, r12
    bne .Lword
.Lbuilt:
    movs r3, #0
    movs r4, #0
    movs r5, #0
    stm r1!, {r3, r4, r5}
    bx lr
    .p2align 2
.Llisted_address:
    .word .Llisted
    END_FUNCTION m0k_dense_list

@ ------------------------------------------------------------------------------------ m0k_dense_listed (not for C)
@ The loops. m0k_core enters .Llisted: r0 list, r1 weights, r8-r11 the first values, lr next output.
@ r0 list, r1 weights, r2 those of the second group, r3, r4 items, r5 free, accumulators r8-r11 and r12, lr, r6, r7.

@ PRODUCT a, weights, at, acc: 4 cycles. Spoils r5.
    .macro PRODUCT a, weights, at, acc
    ldrb r5, [\weights, #\at]
    muls r5, \a, r5
    add \acc, r5
    .endm

@ FOUR_PRODUCTS a: one item, a, for the group r1. 17 cycles.
    .macro FOUR_PRODUCTS a
    uxtb \a, \a
    PRODUCT \a, r1, 0, r8
    PRODUCT \a, r1, 4, r9
    PRODUCT \a, r1, 8, r10
    PRODUCT \a, r1, 12, r11
    .endm

@ EIGHT_PRODUCTS a: for both groups. 33 cycles.
    .macro EIGHT_PRODUCTS a
    FOUR_PRODUCTS \a
    PRODUCT \a, r2, 0, r12
    PRODUCT \a, r2, 4, lr
    PRODUCT \a, r2, 8, r6
    PRODUCT \a, r2, 12, r7
    .endm

    FUNCTION m0k_dense_listed
.Llisted:
    mov r2, lr
    ldr r3, [sp, #F_END]
    subs r3, r3, r2
    subs r1, #1
    ldr r4, [sp, #D_FOUR]
    cmp r3, r4
    bls .Lfour

@ Two groups
    str r2, [sp, #D_OUTPUT]
    ldr r3, [sp, #D_ROW]
    adds r2, r1, r3
    adds r4, r2, r3
    adds r4, #1
    str r4, [sp, #D_NEXT]
    mov r6, r8
    mov r7, r8
    mov r12, r6
    mov lr, r6
.Leight:
    ldm r0!, {r3, r4}
    lsrs r5, r3, #8
    beq .Leight_done
    adds r1, r1, r5
    adds r2, r2, r5
    EIGHT_PRODUCTS r3
    lsrs r5, r4, #8
    adds r1, r1, r5
    adds r2, r2, r5
    EIGHT_PRODUCTS r4
    b .Leight
.Leight_done:
    ldr r0, [sp, #D_BLOCK]
    ldr r0, [r0, #DENSE_SCRATCH]
    mov r4, r12
    mov r5, lr
    stm r0!, {r4, r5, r6, r7}
    ldr r3, .Lsecond_address
    str r3, [sp, #F_LOOP]
    ldr r3, [sp, #D_OUTPUT]
    mov lr, r3
    ldr r3, [sp, #F_STORE]
    mov pc, r3

@ The second of two groups, whose sums are there
.Lsecond:
    ldr r0, [sp, #D_BLOCK]
    ldr r0, [r0, #DENSE_SCRATCH]
    ldm r0!, {r4, r5, r6, r7}
    mov r8, r4
    mov r9, r5
    mov r10, r6
    mov r11, r7
    ldr r1, [sp, #D_NEXT]
    ldr r3, .Llisted_again
    str r3, [sp, #F_LOOP]
    ldr r3, [sp, #F_STORE]
    mov pc, r3

@ A single group: the last one, or that of a provider
.Lfour:
    ldm r0!, {r3, r4}
    lsrs r5, r3, #8
    beq .Lfour_done
    adds r1, r1, r5
    FOUR_PRODUCTS r3
    lsrs r5, r4, #8
    adds r1, r1, r5
    FOUR_PRODUCTS r4
    b .Lfour
.Lfour_done:
    ldr r3, [sp, #F_STORE]
    mov pc, r3
    .p2align 2
.Lsecond_address:
    .word .Lsecond
.Llisted_again:
    .word .Llisted
    END_FUNCTION m0k_dense_listed
