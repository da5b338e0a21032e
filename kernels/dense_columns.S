/*
 * m0k_dense_forward over a list of the inputs that are not zero, with the weights by inputs (m0k.h: columns), which
 * give sixteen outputs at once. Not for C. Inputs 0 .. 127.
 *
 * Sums of four outputs are in two registers: of a word w of four weights u0 .. u3 the odd bytes are o = u1 + u3 << 16,
 * the sum of a * o is in lanes of 16 bits, and (sum of a * w) - (sum of a * o) << 8 is that of the even bytes, modulo
 * 2^32. So that a lane holds its sum of a * (u - 128), the list is cut into chunks in which the sum of a * max|w| is at
 * most 32,767, max|w| being that of the input's row; behind each chunk its sums are added to 32-bit ones.
 *
 * Layout of the list, in the scratch of the block behind room for 16 sums: the same words as in dense_list.S, the first
 * distance from one row before the columns. A chunk ends with a zero and the word -128 * sum(a) in both lanes.
 * Stack     0 bytes; all is in the frame of m0k_dense_forward.
 *
 * Cycles    39 an item and 145 a chunk for sixteen outputs, and 100. Building: as dense_list.S and 7 an item.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "core.inc"
    #include "dense.inc"
    #include "m0k.inc"

    .equ COLUMNS_PADDING, 12        @ behind the rows, since sixteen outputs of the last one are read

@ ----------------------------------------------------------------------------------- m0k_dense_columns (not for C)
@ Builds the list; F_IN, F_LOOP, D_NEXT, D_LIST_END. Spoils all registers. No stack.
@ r0 inputs, r1 list, r2 distance << 8, r3 word, r4 item, r5 a * max|w|, r6 bytes of a row << 8, r7 max|w| of the next
@ four rows, r8 bound of the chunk's sums, r9 32,767, r10 sum of the chunk's inputs, r11 free, r12 end of the inputs.

@ ELEMENT n, place: byte n of r3, if it is not zero, as an item; its row is that at place of four. 16 cycles, 5 if it is
@ zero; 1 less for n = 3; 20 more at the end of a chunk.
    .macro ELEMENT n, place
    adds r2, r2, r6
    .if \n == 3
    lsrs r4, r3, #24
    .else
    lsls r4, r3, #(24 - 8 * \n)
    lsrs r4, r4, #24
    .endif
    beq .Lno_element\n
    ldrb r5, [r7, #\place]
    muls r5, r4, r5
    add r8, r5
    cmp r8, r9
    bls .Lbounded\n
    bl .Lchunk_end
.Lbounded\n:
    add r10, r4
    adds r4, r4, r2
    stm r1!, {r4}
    movs r2, #0
.Lno_element\n:
    .endm

    FUNCTION m0k_dense_columns
    mov r3, lr
    str r3, [sp, #D_RETURN]
    ldr r7, [sp, #D_BLOCK]
    ldr r0, [r7, #DENSE_IN]
    ldr r1, [r7, #DENSE_SCRATCH]
    adds r1, #SUMS_BYTES
    str r1, [sp, #F_IN]
    ldr r3, .Lsixteen_address
    str r3, [sp, #F_LOOP]
    ldr r3, [sp, #F_STOP]
    mov r12, r3
    subs r3, r3, r0                 @ rows
    ldr r6, [r7, #DENSE_N_OUT]
    PADDED r6                       @ bytes of one
    muls r3, r6, r3
    ldr r7, [r7, #DENSE_COLUMNS]
    subs r4, r7, r6
    str r4, [sp, #D_NEXT]
    adds r7, r7, r3
    adds r7, #COLUMNS_PADDING
    lsls r6, r6, #8
    ldr r3, =32767
    mov r9, r3
    movs r2, #0
    mov r8, r2
    mov r10, r2
.Lword:
    ldm r0!, {r3}
    cmp r3, #0
    beq .Lword_zero
    ELEMENT 2, 0
    ELEMENT 3, 1
    ELEMENT 0, 2
    ELEMENT 1, 3
    adds r7, #4
    cmp r0, r12
    bne .Lword
    b .Lbuilt
.Lword_zero:
    lsls r4, r6, #2
    adds r2, r2, r4
    adds r7, #4
    cmp r0, r12
    bne .Lword
.Lbuilt:
    bl .Lchunk_end
    str r1, [sp, #D_LIST_END]
    ldr r3, [sp, #D_RETURN]
    bx r3

@ The end of a chunk; r5 begins the next one's bound. Spoils r11.
.Lchunk_end:
    mov r8, r5
    mov r11, r4
    mov r5, r10
    lsls r5, r5, #7
    rsbs r5, r5, #0
    lsls r4, r5, #16
    adds r5, r5, r4
    movs r4, #0
    mov r10, r4
    stm r1!, {r4, r5}
    mov r4, r11
    bx lr
    .p2align 2
.Lsixteen_address:
    .word .Lsixteen
    .ltorg
    END_FUNCTION m0k_dense_columns

@ ------------------------------------------------------------------------------------ m0k_dense_sixteen (not for C)
@ The loop. m0k_core enters .Lsixteen for the first four of sixteen outputs and .Lfour for the others: r0 list, r8 first
@ value, lr next output.
@ r0 list, r1 input, r2 its row, r3 EVEN_BYTES, r4, r5 free; a word's even and odd sums: r6 and r7, r8 and r9, r10 and
@ r11, r12 and lr.

@ WORD at, even, odd: four outputs. 8 cycles.
    .macro WORD at, even, odd
    ldr r4, [r2, #\at]
    lsrs r5, r4, #8
    ands r5, r3
    muls r4, r1, r4
    add \even, r4
    muls r5, r1, r5
    add \odd, r5
    .endm

@ ITEM: an item for sixteen outputs. 38 cycles.
    .macro ITEM
    ldm r0!, {r1}
    lsrs r4, r1, #8
    beq .Lchunk_done
    adds r2, r2, r4
    uxtb r1, r1
    WORD 0, r6, r7
    WORD 4, r8, r9
    WORD 8, r10, r11
    WORD 12, r12, lr
    .endm

@ ADD_SUMS even, odd: a chunk's sums of four outputs to those at r0, which moves on. r1 = the chunk's correction. Spoils
@ r2-r6. 27 cycles.
    .macro ADD_SUMS even, odd
    mov r4, \even
    mov r5, \odd
    lsls r2, r5, #8
    subs r4, r4, r2
    adds r4, r4, r1
    adds r5, r5, r1
    sxth r2, r4
    ldr r6, [r0]
    adds r2, r2, r6
    sxth r3, r5
    ldr r6, [r0, #4]
    adds r3, r3, r6
    ldr r6, [r0, #8]
    asrs r4, r4, #16                @ carry: the low lane was negative and borrowed
    adcs r4, r6
    ldr r6, [r0, #12]
    asrs r5, r5, #16
    adcs r5, r6
    stm r0!, {r2, r3, r4, r5}
    .endm

    FUNCTION m0k_dense_sixteen
.Lsixteen:
    mov r3, lr
    str r3, [sp, #D_OUTPUT]
    mov r4, r8
    mov r5, r8
    mov r6, r8
    mov r7, r8
    ldr r0, [sp, #D_BLOCK]
    ldr r0, [r0, #DENSE_SCRATCH]
    stm r0!, {r4, r5, r6, r7}
    stm r0!, {r4, r5, r6, r7}
    stm r0!, {r4, r5, r6, r7}
    stm r0!, {r4, r5, r6, r7}       @ the list is behind them
    ldr r2, [sp, #D_NEXT]
    movs r3, #16
    adds r3, r3, r2
    str r3, [sp, #D_NEXT]
.Lchunk:
    ldr r3, =EVEN_BYTES
    movs r6, #0
    movs r7, #0
    mov r8, r6
    mov r9, r6
    mov r10, r6
    mov r11, r6
    mov r12, r6
    mov lr, r6
.Litems:
    ITEM
    ITEM
    ITEM
    b .Litems
.Lchunk_done:
    str r2, [sp, #D_ROW]
    ldm r0!, {r1}
    str r0, [sp, #D_AT]
    ldr r0, [sp, #D_BLOCK]
    ldr r0, [r0, #DENSE_SCRATCH]
    ADD_SUMS r6, r7
    ADD_SUMS r8, r9
    ADD_SUMS r10, r11
    ADD_SUMS r12, lr
    ldr r0, [sp, #D_AT]
    ldr r2, [sp, #D_ROW]
    ldr r4, [sp, #D_LIST_END]
    cmp r0, r4
    beq .Lsixteen_done
    b .Lchunk

@ Sixteen sums are there: give four of them now, and four when m0k_core asks the next time.
.Lsixteen_done:
    ldr r0, [sp, #D_BLOCK]
    ldr r0, [r0, #DENSE_SCRATCH]
    str r0, [sp, #D_AT]
    ldr r3, .Lfour_address
    str r3, [sp, #F_LOOP]
    ldr r3, [sp, #D_OUTPUT]
    mov lr, r3
.Lfour:
    ldr r0, [sp, #D_AT]
    ldm r0!, {r4, r5, r6, r7}
    str r0, [sp, #D_AT]
    mov r8, r4
    mov r9, r5
    mov r10, r6
    mov r11, r7
    ldr r3, [sp, #F_IN]
    cmp r0, r3
    bne .Lfour_stored
    ldr r3, .Lsixteen_again
    str r3, [sp, #F_LOOP]
.Lfour_stored:
    ldr r3, [sp, #F_STORE]
    mov pc, r3
    .p2align 2
.Lfour_address:
    .word .Lfour
.Lsixteen_again:
    .word .Lsixteen
    .ltorg
    END_FUNCTION m0k_dense_sixteen
