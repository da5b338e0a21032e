/*
 * m0k_conv_one(const m0k_conv_t *p): m0k_conv_forward (conv.S) for images of one channel, 3x3, stride 1, pads 1, unsigned,
 * n_out a multiple of 8: what the first layer of a network for grey images is. m0k_conv_forward goes on here, with all
 * registers saved.
 *
 * Shapes    any height and width; else as conv.S, whose ranges and alignment hold, too.
 * Scratch   172 + 12 width bytes. All are written before they are read.
 * Stack     232 bytes with m0k_conv_forward, and the provider's.
 *
 * How it works. The nine taps of a position are five words of two activations 16 bits apart: the left and the right one
 * of each row, the upper and the lower one of the middle column, and the centre alone. One MULS by a word of two weights
 * gives two products, as in dense.S, of eight outputs at a time. Three rows are held as words {a[x - 1], a[x + 1]}, which
 * is all that a position reads: the middle column is the lower half of the next position's words. Words that are zero are
 * skipped; a position of which all are zero has zero outputs.
 *
 * Cycles, Cortex-M0+ with single-cycle multiplier: 150 and for each group of eight outputs
 *   620 + 45 height + height width (345 with relu, 396 without), exact to 1.5 %, where no word is zero; one that is takes
 *   8 instead of 39, 5 behind another; all words of the row above the image and of that below it are. A position of
 *   zeros takes 43 in all, 4 in a row of which all three rows are zeros, if n_out is 8.
 *   28x28, 8 outputs: 4.78 a MAC with relu, uniform.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "conv_lanes.inc"
    #include "m0k.inc"

@ m0k_conv_one's own words
    .equ O_WORDS, L_SHARED_BYTES            @ the position's: those of the rows, the middle column's,
    .equ O_SECOND, L_SHARED_BYTES + 16      @ (addresses of the next position's in the second
    .equ O_THIRD, L_SHARED_BYTES + 20       @ and third row,)
    .equ O_CENTRE, L_SHARED_BYTES + 24      @ and the centre
    .equ O_FIRST, L_SHARED_BYTES + 28       @ and in the first row
    .equ O_LEFT, L_SHARED_BYTES + 32        @ positions left in the row, this one included
    .equ O_SKIP, L_SHARED_BYTES + 36        @ bytes behind a position's outputs when zeros are stored as words, or -1
    .equ O_ROWS, L_SHARED_BYTES + 40        @ three addresses: the rows from the window's first on
    .equ O_IN, L_SHARED_BYTES + 52          @ the image's next row
    .equ O_ROWS_LEFT, L_SHARED_BYTES + 56   @ rows of positions left
    .equ O_STORE, L_SHARED_BYTES + 60       @ L_STORE without block.first
    .equ O_WEIGHTS, L_SHARED_BYTES + 64     @ five times eight words
    .equ O_BLANK, L_SHARED_BYTES + 68       @ rows of zeros, from the last one made upwards
    .equ O_BYTES, L_SHARED_BYTES + 72       @ with SAVE_ALL's a multiple of 8

    .equ WEIGHT_BYTES, 5 * 8 * 4

@ WORK_one: word r2 with the weights of eight outputs. 35 cycles.
    .macro WORK_one
    ldm r1!, {r4, r5, r6}
    UPPER r4, r8
    UPPER r5, r9
    UPPER r6, r10
    ldm r1!, {r4, r5, r6}
    UPPER r4, r11
    UPPER r5, r12
    UPPER r6, lr
    ldm r1!, {r4, r5}
    UPPER r4, r3
    UPPER r5, r7
    .endm

@ WHOLE w, acc: acc += activation r2 times weight w. Spoils w. 2 cycles.
    .macro WHOLE w, acc
    muls \w, r2, \w
    add \acc, \w
    .endm

@ STEP i, at: word i, at that place of the frame. 4 cycles and those of the work; goes on behind itself.
    .macro STEP i, at
.Lstep\i:
    ldr r2, [sp, #\at]
    cmp r2, #0
    beq .Lzero\i
.Lwork\i:
    WORK_one
    .endm

@ ZERO i, next, at: what step i branches to for a zero word; goes on with the next one at that place, in step next or in
@ its ZERO, which must be behind this one. 5 cycles then; 8 in all for one zero word.
    .macro ZERO i, next, at
.Lzero\i:
    adds r1, #32
    ldr r2, [sp, #\at]
    cmp r2, #0
    bne .Lwork\next
    .endm

    FUNCTION m0k_conv_one, align=1
    sub sp, #O_BYTES
    str r0, [sp, #L_BLOCK]
    ldr r1, [r0, #CONV_SCRATCH]
    str r1, [sp, #O_WEIGHTS]
    ldr r1, .Laddress_next
    str r1, [sp, #L_NEXT]
    movs r1, #0
    str r1, [sp, #L_OUTPUT]

@ ---- Eight outputs: how they end, and their weights.
.Lgroup:
    movs r0, #8
    bl m0k_lanes_ends
    ldr r7, [sp, #L_BLOCK]
    ldr r1, [r7, #CONV_RELU]
    ldr r2, [r7, #CONV_ACC_OUT]
    movs r3, #0
    mvns r3, r3                     @ L_ZEROS stores zeros
    cmp r2, #0
    bne .Lskip_known
    ldr r2, [sp, #L_OUT]
    ldr r4, [sp, #L_OUT_STEP]
    orrs r2, r4
    ldr r5, [sp, #L_ADDS]
    lsls r2, r2, #30
    orrs r2, r5
    bne .Laligned_known
    subs r3, r4, #0
    subs r3, #8
.Laligned_known:
    cmp r1, #0
    beq .Lskip_known
    ldr r1, .Laddress_relu
    str r1, [sp, #L_STORE]
.Lskip_known:
    str r3, [sp, #O_SKIP]
    ldr r1, [sp, #L_ADDS]
    cmp r1, #0
    beq .Lstore_known
    ldr r1, [sp, #L_STORE]
    str r1, [sp, #O_STORE]
    ldr r1, .Laddress_adds
    str r1, [sp, #L_STORE]
.Lstore_known:
    movs r0, #0
    bl m0k_lanes_weights
    ldr r1, [sp, #O_WEIGHTS]
    bl m0k_one_expand
    movs r0, #1
    bl m0k_lanes_weights
    ldr r1, [sp, #O_WEIGHTS]
    adds r1, #16
    bl m0k_one_expand

@ The rows: zeros above the image, its first row, and where the next one goes. r4 bytes of a row
    ldr r7, [sp, #L_BLOCK]
    ldr r4, [r7, #CONV_WIDTH]
    adds r4, #1
    lsls r4, r4, #2
    ldr r0, [sp, #O_WEIGHTS]
    adds r0, #WEIGHT_BYTES
    add r5, sp, #O_ROWS
    adds r1, r0, r4
    adds r2, r1, r4
    stm r5!, {r0, r1, r2}
    ldr r5, [r7, #CONV_IN]
    str r5, [sp, #O_IN]
    ldr r5, [r7, #CONV_HEIGHT]
    str r5, [sp, #O_ROWS_LEFT]
    bl m0k_lanes_clear              @ r0 to r1
    movs r0, #1
    str r0, [sp, #O_BLANK]
    ldr r1, [sp, #O_ROWS + 4]
    bl m0k_one_row
    b .Lrow

@ Zeros another way: with block.first they are no zeros.
.Lzeros:
    ldr r4, [sp, #L_ADDS]
    cmp r4, #0
    bne .Lsomething_first
    str r0, [sp, #O_FIRST]
    str r1, [sp, #O_SECOND]
    str r2, [sp, #O_THIRD]
    mov r4, r8
    str r4, [sp, #O_LEFT]
    movs r0, r3
    movs r3, #0
    ldr r2, [sp, #L_ZEROS]
    mov pc, r2
.Lsomething_first:
    movs r3, #0
    movs r4, #0
    b .Lsomething

@ A position of zeros. r7 = 0, r3, r4, r6 spare, the others as there
.Lnothing:
    ldr r3, [sp, #L_OUT]
    ldr r4, [sp, #O_SKIP]
    cmp r4, #0
    blt .Lzeros
    movs r6, #0
    stm r3!, {r6, r7}
    adds r3, r3, r4
    str r3, [sp, #L_OUT]
    mov r3, r8
    subs r3, #1
    mov r8, r3
    bne .Lposition
    b .Lnext_row

@ ---- A row of positions: the one below it, or zeros.
.Lrow:
    ldr r1, [sp, #O_ROWS + 8]
    ldr r0, [sp, #O_ROWS_LEFT]
    cmp r0, #1
    beq .Lbelow
    bl m0k_one_row
    b .Lrows_known
.Lbelow:
    movs r0, r1
    ldr r2, [sp, #L_BLOCK]
    ldr r2, [r2, #CONV_WIDTH]
    adds r2, #1
    lsls r2, r2, #2
    adds r1, r0, r2
    bl m0k_lanes_clear
    ldr r0, [sp, #O_BLANK]
    adds r0, #1
    str r0, [sp, #O_BLANK]

@ Three rows of zeros: so are the outputs, and those of a position are followed by the next one's: r0 first, r1 end
.Lrows_known:
    ldr r3, [sp, #L_BLOCK]
    ldr r3, [r3, #CONV_WIDTH]
    ldr r0, [sp, #O_BLANK]
    cmp r0, #3
    blo .Lnot_blank
    ldr r0, [sp, #O_SKIP]
    cmp r0, #0
    bne .Lnot_blank
    ldr r0, [sp, #L_OUT]
    lsls r1, r3, #3
    adds r1, r1, r0
    str r1, [sp, #L_OUT]
    bl m0k_lanes_clear
    b .Lnext_row
.Lnot_blank:
    mov r8, r3
    add r3, sp, #O_ROWS
    ldm r3!, {r0, r1, r2}

@ ---- A position: its five words, and their sum in two lanes. r0-r2 the rows, r3-r6 words, r7 the centre, then the sum,
@ r8 positions left, r9 the centre
.Lposition:
    ldm r0!, {r3}
    ldm r1!, {r4}
    ldm r2!, {r5}
    ldrh r6, [r0]
    ldrh r7, [r2]
    lsls r7, r7, #16
    orrs r6, r7
    ldrh r7, [r1]
    mov r9, r7
    adds r7, r7, r3
    adds r7, r7, r4
    adds r7, r7, r5
    adds r7, r7, r6
    beq .Lnothing
.Lsomething:
    str r0, [sp, #O_FIRST]
    add r0, sp, #O_WORDS
    stm r0!, {r3, r4, r5, r6}
    mov r3, r9
    stm r0!, {r1, r2, r3}
    mov r3, r8
    str r3, [sp, #O_LEFT]
    uxth r3, r7
    lsrs r7, r7, #16
    adds r7, r7, r3
    lsls r7, r7, #7                 @ 128 * sum(a)
    ldr r3, [sp, #L_BASE]
    subs r3, r3, r7
    mov r7, r3
    mov r8, r3
    mov r9, r3
    mov r10, r3
    mov r11, r3
    mov r12, r3
    mov lr, r3
    ldr r1, [sp, #O_WEIGHTS]
    STEP 0, O_WORDS
    STEP 1, O_WORDS + 4
    STEP 2, O_WORDS + 8
    b .Lstep3

    ZERO 0, 1, O_WORDS + 4
    ZERO 1, 2, O_WORDS + 8
    ZERO 2, 3, O_WORDS + 12
    ZERO 3, 4, O_CENTRE
    b .Lzero4
    STEP 3, O_WORDS + 12
    ldr r2, [sp, #O_CENTRE]
    cmp r2, #0
    beq .Lzero4
.Lwork4:
    ldm r1!, {r4, r5, r6}
    WHOLE r4, r8
    WHOLE r5, r9
    WHOLE r6, r10
    ldm r1!, {r4, r5, r6}
    WHOLE r4, r11
    WHOLE r5, r12
    WHOLE r6, lr
    ldm r1!, {r4, r5}
    WHOLE r4, r3
    WHOLE r5, r7
.Lzero4:
    ldr r2, [sp, #L_STORE]
    mov pc, r2

@ Block.first: added to the accumulators before they are stored. r2 values, r4, r5 free
.Ladds:
    add r2, sp, #L_FIRST
    ADD_FIRST_4 r8, r9, r10, r11
    ADD_FIRST_4 r12, lr, r3, r7
    ldr r2, [sp, #O_STORE]
    mov pc, r2

@ With ReLU: r0 output, r1 shift, r4, r6 spare; the other ways to store are m0k_lanes_ends's.
.Lrelu:
    ldr r0, [sp, #L_OUT]
    ldr r1, [sp, #L_SHIFT]
    RELU r8, 0, .Lsaturate0
    RELU r9, 1, .Lsaturate1
    RELU r10, 2, .Lsaturate2
    RELU r11, 3, .Lsaturate3
    RELU r12, 4, .Lsaturate4
    RELU lr, 5, .Lsaturate5
    RELU r3, 6, .Lsaturate6
    RELU r7, 7, .Lsaturate7

@ The next position, row, group.
.Lnext:
    ldr r0, [sp, #L_OUT]
    ldr r1, [sp, #L_OUT_STEP]
    adds r0, r0, r1
    str r0, [sp, #L_OUT]
    ldr r3, [sp, #O_LEFT]
    subs r3, #1
    beq .Lnext_row
    mov r8, r3
    ldr r0, [sp, #O_FIRST]
    ldr r1, [sp, #O_SECOND]
    ldr r2, [sp, #O_THIRD]
    b .Lposition
.Lnext_row:
    ldr r0, [sp, #O_ROWS_LEFT]
    subs r0, #1
    beq .Lnext_group
    str r0, [sp, #O_ROWS_LEFT]
    add r0, sp, #O_ROWS
    ldm r0!, {r1, r2, r3}
    movs r4, r1
    subs r0, #12
    stm r0!, {r2, r3, r4}
    b .Lrow
.Lnext_group:
    ldr r1, [sp, #L_OUTPUT]
    adds r1, #8
    str r1, [sp, #L_OUTPUT]
    ldr r0, [sp, #L_BLOCK]
    ldr r0, [r0, #CONV_N_OUT]
    cmp r0, r1
    beq .Ldone
    b .Lgroup
.Ldone:
    add sp, #O_BYTES
    RETURN_ALL
    RELU_SATURATED .Lsaturate0
    RELU_SATURATED .Lsaturate1
    RELU_SATURATED .Lsaturate2
    RELU_SATURATED .Lsaturate3
    RELU_SATURATED .Lsaturate4
    RELU_SATURATED .Lsaturate5
    RELU_SATURATED .Lsaturate6
    RELU_SATURATED .Lsaturate7
    .p2align 2
.Laddress_next:
    .word .Lnext
.Laddress_relu:
    .word .Lrelu
.Laddress_adds:
    .word .Ladds
    END_FUNCTION m0k_conv_one

@ --------------------------------------------------------------------------------------- m0k_one_expand (local)
@ The weights of four outputs: r0 edges of a group of four, P = 12; r1 the five words' weights of the first of them, those
@ of a word eight words from the next word's. Spoils r0-r7. No stack.
@ r3 255, r4-r6 edges: bytes {2, 3, 0, 1}, {6, 7, 4, 5}, {., ., 8, .}; r7 a word of weights, r2 spare
    LOCAL_FUNCTION m0k_one_expand
    movs r3, #255
    adds r2, r1, #0
    adds r2, #16
    mov r12, r2
.Lexpand:
    ldr r4, [r0]
    ldr r5, [r0, #16]
    ldr r6, [r0, #32]
    adds r0, #4
    lsrs r6, r6, #16
    ands r6, r3                     @ 8
    lsls r7, r4, #8
    lsrs r7, r7, #24
    lsls r7, r7, #16                @ 0
    uxtb r2, r4                     @ 2
    orrs r7, r2
    str r7, [r1]
    lsrs r7, r4, #8
    ands r7, r3
    lsls r7, r7, #16                @ 3
    lsrs r2, r5, #24                @ 5
    orrs r7, r2
    str r7, [r1, #32]
    uxtb r7, r5
    lsls r7, r7, #16                @ 6
    orrs r7, r6
    str r7, [r1, #64]
    lsrs r7, r4, #24
    lsls r7, r7, #16                @ 1
    lsrs r2, r5, #8
    ands r2, r3                     @ 7
    orrs r7, r2
    str r7, [r1, #96]
    lsrs r7, r5, #16
    ands r7, r3                     @ 4
    adds r1, #128
    str r7, [r1]
    subs r1, #124
    cmp r1, r12
    bne .Lexpand
    bx lr
    END_FUNCTION m0k_one_expand

@ ------------------------------------------------------------------------------------------ m0k_one_row (local)
@ The image's next row as words: with p = {0, a[0], a[1], .., 0, 0}, word k is p[k] | p[k + 2] << 16, for k up to width.
@ In: r1 where it goes, the frame. Spoils r0-r7. No stack.
@ r0 end of the row, r2 counts up to 0, r3 all of its pixels, r4, r5, r6 p[k], p[k + 1], p[k + 2], by turns
    LOCAL_FUNCTION m0k_one_row
    ldr r7, [sp, #L_BLOCK]
    ldr r2, [r7, #CONV_WIDTH]
    ldr r0, [sp, #O_IN]
    ldrb r5, [r0]
    adds r0, r0, r2
    str r0, [sp, #O_IN]
    movs r4, #0
    movs r3, r5
    rsbs r2, r2, #0
    adds r2, #1
    beq .Lrow_end
.Lrow_next:
    ldrb r6, [r0, r2]
    orrs r3, r6
    lsls r7, r6, #16
    orrs r4, r7
    stm r1!, {r4}
    mov r4, r5
    mov r5, r6
    adds r2, #1
    bne .Lrow_next
.Lrow_end:
    stm r1!, {r4, r5}
    ldr r7, [sp, #O_BLANK]
    adds r7, #1
    cmp r3, #0
    beq .Lblank_known
    movs r7, #0
.Lblank_known:
    str r7, [sp, #O_BLANK]
    bx lr
    END_FUNCTION m0k_one_row
