/*
 * m0k_pool(const m0k_pool_t *p): 2x2 max-pool of stride 2; an odd last row or column is left out.
 *
 *   out[y][x][c] = max of in[2y..2y+1][2x..2x+1][c]; argmax[y][x][c] = 0 .. 3, row-major, of the first maximum.
 *
 * Shapes    any; height or width below 2 writes nothing. Writes (height/2) * (width/2) * channels bytes to both; argmax
 *           0 is left out: its values go to out, where the maxima then overwrite them. out may begin where in does:
 *           what is written was read before.
 * Ranges    in 0 .. 127 (it stands behind a ReLU).
 * Alignment 4 for in, out and argmax when channels is a multiple of 4 (four channels at a time), else 1.
 * Stack     56 bytes.
 * Cycles    64 + 16 (height / 2) + pixels * (19 + 17.25 channels), channels a multiple of 4: exact without zeros; four
 *           channels that are zero in all four positions take 28 instead of 69. Else at most 19 + 31 channels a pixel.
 *           pixels = (height / 2) * (width / 2). Cortex-M0+.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "m0k.inc"

    .equ S_ROW, 0                   @ address of the upper row
    .equ S_BYTES, 4                 @ of a row
    .equ S_ROWS, 8                  @ outputs left
    .equ S_WIDTH, 12                @ outputs in a row
    .equ S_LEFT, 16                 @ outputs left in the row
    .equ S_SIZE, 20

@ KEEP_LARGER position: r2, r3 = the larger of r2 and r4, and which position it is at; the first of equal ones stays.
@ 4 cycles, or 3 where r2 stays.
    .macro KEEP_LARGER position
    cmp r4, r2
    bls .Lkept\@
    movs r2, r4
    movs r3, #\position
.Lkept\@:
    .endm

@ MAXIMUM x: r2 = the larger of r2 and x, r0 = 127 and r6 = 1 in each byte where that is x. r7 = SIGN_BITS. Spoils x.
@ Bytes a > b exactly where bit 7 of (b | 128) - a is clear: no byte borrows from the next. 10 cycles.
    .macro MAXIMUM x
    movs r6, r2
    orrs r6, r7
    subs r6, r6, \x
    movs r0, r7
    bics r0, r6
    lsrs r6, r0, #7
    subs r0, r0, r6
    eors \x, r2
    ands \x, r0
    eors r2, \x
    .endm

    FUNCTION m0k_pool, align=1
    SAVE_ALL
    sub sp, #S_SIZE

@ r5 channels, r6 out, r7 argmax - out, 0 where argmax is left out; r2 and r3 columns and rows of the output.
    ldr r1, [r0, #POOL_IN]
    str r1, [sp, #S_ROW]
    ldr r6, [r0, #POOL_OUT]
    ldr r7, [r0, #POOL_ARGMAX]
    cmp r7, #0
    bne .Largmax_known
    movs r7, r6
.Largmax_known:
    subs r7, r7, r6
    ldr r5, [r0, #POOL_CHANNELS]
    ldr r2, [r0, #POOL_WIDTH]
    ldr r3, [r0, #POOL_HEIGHT]
    movs r4, r2
    muls r4, r5, r4
    str r4, [sp, #S_BYTES]
    lsrs r2, r2, #1
    beq .Ldone
    str r2, [sp, #S_WIDTH]
    lsrs r3, r3, #1
    beq .Ldone
    mov r8, r5
    mov r9, r6
    mov lr, r7

@ A row of outputs: r3 rows left; r8 channels, r9 out, lr argmax - out.
.Lrow:
    str r3, [sp, #S_ROWS]
    ldr r0, [sp, #S_ROW]
    ldr r2, [sp, #S_BYTES]
    adds r1, r0, r2
    adds r3, r1, r2
    str r3, [sp, #S_ROW]
    ldr r2, [sp, #S_WIDTH]

@ An output pixel: r0 upper, r1 lower row, r12 = end of the left pixel above, r2 columns left; r3-r7, r10, r11 free.
.Lpixel:
    str r2, [sp, #S_LEFT]
    mov r5, r8
    adds r2, r0, r5
    mov r12, r2
    lsls r2, r5, #30
    bne .Lbytes
    ldr r7, .Lsigns
    b .Lwords
.Lpixel_done:
    add r0, r8                      @ over the right pixel
    add r1, r8
    ldr r2, [sp, #S_LEFT]
    subs r2, #1
    bne .Lpixel
    ldr r3, [sp, #S_ROWS]
    subs r3, #1
    bne .Lrow
.Ldone:
    add sp, #S_SIZE
    RETURN_ALL
    .p2align 2
.Lsigns:
    .word SIGN_BITS

@ Channel by channel: r2 maximum, r3 its position, r4 one of the four, r5 channels, r6 out, r7 argmax - out.
.Lbytes:
    mov r6, r9
    mov r7, lr
.Lbyte:
    ldrb r2, [r0]
    movs r3, #0
    ldrb r4, [r0, r5]
    KEEP_LARGER 1
    ldrb r4, [r1]
    KEEP_LARGER 2
    ldrb r4, [r1, r5]
    KEEP_LARGER 3
    strb r3, [r6, r7]
    strb r2, [r6]
    adds r0, #1
    adds r1, #1
    adds r6, #1
    cmp r0, r12
    bne .Lbyte
    mov r9, r6
    b .Lpixel_done

@ Four channels that are zero everywhere: r6 = 0.
.Lzero:
    mov r2, r9
    mov r3, lr
    str r6, [r2]
    str r6, [r2, r3]
    adds r2, #4
    mov r9, r2
    cmp r0, r12
    beq .Lpixel_done

@ Four channels at a time: r2-r5 the four positions, r2 then the maximum, r7 signs, r1 argmax while r10, r11 keep the
@ rows; r0, r6 the masks of MAXIMUM.
.Lwords:
    mov r6, r8
    ldr r2, [r0]
    ldr r3, [r0, r6]
    ldr r4, [r1]
    ldr r5, [r1, r6]
    adds r0, #4
    adds r1, #4
    movs r6, r2
    orrs r6, r3
    orrs r6, r4
    orrs r6, r5
    beq .Lzero
    mov r10, r0
    mov r11, r1
    MAXIMUM r3
    movs r1, r6                     @ 1 where the second is larger
    MAXIMUM r4
    bics r1, r0
    adds r6, r6, r6
    orrs r1, r6                     @ 2 where the third is
    MAXIMUM r5
    bics r1, r0
    orrs r1, r6
    adds r6, r6, r6
    orrs r1, r6                     @ 1 + 2 where the fourth is
    mov r6, r9
    mov r3, lr
    str r1, [r6, r3]
    str r2, [r6]
    adds r6, #4
    mov r9, r6
    mov r0, r10
    mov r1, r11
    cmp r0, r12
    bne .Lwords
    b .Lpixel_done
    END_FUNCTION m0k_pool
