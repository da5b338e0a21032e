/*
 * m0k_conv_lanes(const m0k_conv_t *p): m0k_conv_forward (conv.S) for channels that are a multiple of 4, on activations
 * and weights that are split into 16-bit lanes once and multiplied many times. m0k_conv_forward goes on here, with all registers saved.
 *
 * Shapes    channels 4, 8, .. 1,024; else as conv.S, whose ranges and alignment hold, too.
 * Scratch   with columns = width + 2 * pad_w, G = 8 outputs a group (4 for n_out <= 4), and links = kernel_h *
 *           ceil(kernel_w * channels / 24) (/ 12 signed): 8 columns + kernel_h * columns * (2 channels + 4) + 2 G P + 8
 *           links bytes. All are written before they are read.
 * Stack     272 bytes with m0k_conv_forward, and the provider's.
 *
 * How it works. For each group of outputs: its weights become lanes (u2 | u0 << 16), (u3 | u1 << 16) for each word of
 * four inputs and each output, a lane word's outputs beside one another. Then for each row of outputs: the image's rows
 * that it needs as lanes (a0 | a2 << 16), (a1 | a3 << 16), in a ring of kernel_h rows with zeros for the padding; and
 * for each position one MULS for two products, as in dense.S, on one lane word and eight outputs at a time.
 *   Unsigned: sum(w * a) = sum(u * a) - 128 * sum(a). Each pixel's sum is kept beside the ring, the sum over a window
 *   slides, and is in the accumulators' first value.
 *   Signed: ASRS leaves the upper half one too small where the lower one is negative, and that is its carry. ADCS adds
 *   it back together with the activations' lane word, whose sum over the window is in the first value; zero words add
 *   nothing. (Two accumulators are in low registers: ADCS adds to them itself.)
 *   Zero lane words are skipped, in a chain of their own while more follow.
 *   The weights are a stream of chunks of at most 12 (signed 6) lane words. Behind each chunk are two words, a link:
 *   what is added to the activations' address (to the ring's next row), and where in the unrolled loop the next chunk
 *   begins, or what stores the outputs.
 *
 * Cycles, Cortex-M0+ with single-cycle multiplier, without zeros and saturation, all positions inside, for each group of
 * outputs (E = P / 4, L = P / 2 lane words of a window; out_h rows of out_w positions):
 *   530 + 62 E outputs / 4 + 14 links + height (10 + width (33 + 15 channels / 4)) + width (channels + 2) kernel_h / 2.4
 *     + out_h (190 + out_w (ends + 8 links + step L)), exact to 1.5 %; signed 19 channels / 4; where
 *   ends is 126 with relu and 171 without for a group of eight, 88 and 113 for one of four; step is 39 and 21, signed 45
 *   and 25. A zero lane word takes 8 instead, 5 behind another; a position whose window is zero 54 in all (unsigned).
 *   8 -> 16 channels at 14x14, pad 1: 2.69 a MAC unsigned, 2.99 signed with relu; 2.84 and 3.13 without.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "conv_lanes.inc"
    #include "m0k.inc"

@ m0k_conv_lanes's own words
    .equ L_PIXEL, L_SHARED_BYTES            @ bytes of a pixel's lanes
    .equ L_INNER, L_SHARED_BYTES + 4        @ bytes of a window's row of lanes
    .equ L_LINE, L_SHARED_BYTES + 8         @ bytes of a row of lanes, padding included; then come its pixels' sums
    .equ L_ROW, L_SHARED_BYTES + 12         @ bytes of a row in the ring, both together
    .equ L_RING, L_SHARED_BYTES + 16        @ address of the ring,
    .equ L_RING_BYTES, L_SHARED_BYTES + 20  @ its bytes
    .equ L_SUMS, L_SHARED_BYTES + 24        @ address of the columns' sums over the ring's rows
    .equ L_INITS, L_SHARED_BYTES + 28       @ address of a row's first values
    .equ L_STREAM, L_SHARED_BYTES + 32      @ address of the weights
    .equ L_STEP, L_SHARED_BYTES + 36        @ bytes of lanes from position to position
    .equ L_WIDTH, L_SHARED_BYTES + 40       @ positions in a row
    .equ L_ROW_PAIRS, L_SHARED_BYTES + 44   @ of a window's row: pairs of lane words, four inputs each,
    .equ L_HEAD_PAIRS, L_SHARED_BYTES + 48  @ those in its first chunk,
    .equ L_CHUNK_PAIRS, L_SHARED_BYTES + 52 @ and in every other one
    .equ L_CODE, L_SHARED_BYTES + 56        @ the group's code, address of its entry in .Lcodes
    .equ L_HEAD, L_SHARED_BYTES + 60        @ code address: where a row's first chunk is entered
    .equ L_ENTRY, L_SHARED_BYTES + 64       @ code address: L_HEAD, or what adds L_FIRST before
    .equ L_POSITION, L_SHARED_BYTES + 68    @ code address: a position of this group
    .equ L_OUTPUTS, L_SHARED_BYTES + 72     @ 4 or 8
    .equ L_TOP, L_SHARED_BYTES + 76         @ image row of the window's first
    .equ L_MADE, L_SHARED_BYTES + 80        @ image row that the ring gets next,
    .equ L_OLDEST, L_SHARED_BYTES + 84      @ in the place, as an offset, of its oldest
    .equ L_LANES, L_SHARED_BYTES + 88       @ the position's first lane word
    .equ L_LAST, L_SHARED_BYTES + 92        @ the last position's
    .equ L_INIT, L_SHARED_BYTES + 96        @ address of the next position's first value
    .equ L_REACH, L_SHARED_BYTES + 100      @ largest L_TOP
    .equ L_QUAD, L_SHARED_BYTES + 104       @ while expanding: 0, or 16 for outputs 4 to 7
    .equ L_BYTES, L_SHARED_BYTES + 112      @ with SAVE_ALL's a multiple of 8

@ An entry of .Lcodes: {position, adds first values, step 0, step 2, ..}
    .equ CODE_POSITION, 0
    .equ CODE_ADDS, 4
    .equ CODE_STEPS, 8
    .equ CODE_BYTES, 32
    .equ CODE_SIGNED, 2 * CODE_BYTES        @ from an unsigned entry to the signed one

@ ---------------------------------------------------------------------------------------- a step of the inner loop
@ r0 lane words, r1 weights, r2 a lane word, r4-r6 weights; accumulators of eight outputs r8-r12, lr, r3, r7; of four
@ r8-r11, and then r7 has a weight.

@ UPPER_SIGNED w, acc: acc += the sum of two signed products, and r2. Spoils w. 4 cycles.
    .macro UPPER_SIGNED w, acc
    muls \w, r2, \w
    asrs \w, \w, #16                @ carry: the lower half was negative and borrowed
    adcs \w, r2
    add \acc, \w
    .endm

@ UPPER_SIGNED_LOW w, acc: the same for a low register, without r2. 3 cycles.
    .macro UPPER_SIGNED_LOW w, acc
    muls \w, r2, \w
    asrs \w, \w, #16
    adcs \acc, \w
    .endm

@ WORK_unsigned8: the lane word with the weights of eight outputs. 35 cycles.
    .macro WORK_unsigned8
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

@ WORK_unsigned4: the same for four outputs. 17 cycles.
    .macro WORK_unsigned4
    ldm r1!, {r4, r5, r6, r7}
    UPPER r4, r8
    UPPER r5, r9
    UPPER r6, r10
    UPPER r7, r11
    .endm

@ WORK_signed8: the same for eight outputs, signed. 41 cycles.
    .macro WORK_signed8
    ldm r1!, {r4, r5, r6}
    UPPER_SIGNED r4, r8
    UPPER_SIGNED r5, r9
    UPPER_SIGNED r6, r10
    ldm r1!, {r4, r5, r6}
    UPPER_SIGNED r4, r11
    UPPER_SIGNED r5, r12
    UPPER_SIGNED r6, lr
    ldm r1!, {r4, r5}
    UPPER_SIGNED_LOW r4, r3
    UPPER_SIGNED_LOW r5, r7
    .endm

@ WORK_signed4: the same for four. 21 cycles.
    .macro WORK_signed4
    ldm r1!, {r4, r5, r6, r7}
    UPPER_SIGNED r4, r8
    UPPER_SIGNED r5, r9
    UPPER_SIGNED r6, r10
    UPPER_SIGNED r7, r11
    .endm

@ STEP kind, i: step i of the unrolled loop. 4 cycles and those of the work; goes on behind itself.
    .macro STEP kind, i
.L\kind\()_step\i:
    ldm r0!, {r2}
    cmp r2, #0
    beq .L\kind\()_zero\i
.L\kind\()_work\i:
    WORK_\kind
    .endm

@ ZERO kind, i, next, bytes: what step i branches to for a zero word: skip its weights, take the next lane word, and go
@ on behind itself, where step next's ZERO must be, if that is zero, too. 5 cycles then; 8 in all for one zero word.
    .macro ZERO kind, i, next, bytes
.L\kind\()_zero\i:
    adds r1, #\bytes
    ldm r0!, {r2}
    cmp r2, #0
    bne .L\kind\()_work\next
    .endm

@ LINK: from one chunk to the next. 6 cycles.
    .macro LINK
    ldm r1!, {r2, r4}
    adds r0, r0, r2
    mov pc, r4
    .endm

@ LAST_ZERO kind, i, bytes: the ZERO of a chunk's last step. 7 cycles.
    .macro LAST_ZERO kind, i, bytes
.L\kind\()_zero\i:
    adds r1, #\bytes
    LINK
    .endm

@ START: the position's lane words and weights, and into the loop. 8 cycles.
    .macro START
    ldr r0, [sp, #L_LANES]
    ldr r1, [sp, #L_STREAM]
    ldr r2, [sp, #L_ENTRY]
    mov pc, r2
    .endm

@ FIRST_VALUE: r3 = the position's. 6 cycles.
    .macro FIRST_VALUE
    ldr r0, [sp, #L_INIT]
    ldm r0!, {r3}
    str r0, [sp, #L_INIT]
    .endm

@ UNLESS_ZERO: to .Lzero_window where r3 says that the window is zero. 4 cycles.
    .macro UNLESS_ZERO
    ldr r1, [sp, #L_ZERO]
    cmp r3, r1
    beq .Lzero_window
    .endm

@ SIX_ACCUMULATORS: r8-r12, lr = r3. 6 cycles.
    .macro SIX_ACCUMULATORS
    mov r8, r3
    mov r9, r3
    mov r10, r3
    mov r11, r3
    mov r12, r3
    mov lr, r3
    .endm

    FUNCTION m0k_conv_lanes, align=1
    sub sp, #L_BYTES                @ registers are saved
    str r0, [sp, #L_BLOCK]

@ Sizes. r1 pixel, r2 window's row, r3 columns, r4 stride, r5 kernel_h, r7 block
    movs r7, r0
    ldr r1, [r7, #CONV_CHANNELS]
    lsls r1, r1, #1
    str r1, [sp, #L_PIXEL]
    ldr r2, [r7, #CONV_KERNEL_W]
    ldr r3, [r7, #CONV_WIDTH]
    ldr r4, [r7, #CONV_PAD_W]
    lsls r0, r4, #1
    adds r3, r3, r0
    subs r0, r3, r2                 @ last column of a position, and
    muls r2, r1, r2
    str r2, [sp, #L_INNER]
    ldr r5, [r7, #CONV_KERNEL_H]
    ldr r6, [r7, #CONV_HEIGHT]
    ldr r4, [r7, #CONV_PAD_H]
    adds r6, r6, r4
    subs r6, r6, r5
    str r6, [sp, #L_REACH]
    ldr r4, [r7, #CONV_STRIDE]
    movs r6, r4
    muls r6, r1, r6
    str r6, [sp, #L_STEP]
    movs r6, #0                     @ how many of them there are
.Lcount:
    adds r6, #1
    subs r0, r0, r4
    bpl .Lcount
    str r6, [sp, #L_WIDTH]
    muls r1, r3, r1
    str r1, [sp, #L_LINE]
    lsls r3, r3, #2
    adds r1, r1, r3
    str r1, [sp, #L_ROW]
    muls r5, r1, r5
    str r5, [sp, #L_RING_BYTES]

@ The scratch: columns' sums, first values, ring, weights.
    ldr r0, [r7, #CONV_SCRATCH]
    str r0, [sp, #L_SUMS]
    adds r0, r0, r3
    str r0, [sp, #L_INITS]
    adds r0, r0, r3
    str r0, [sp, #L_RING]
    adds r0, r0, r5
    str r0, [sp, #L_STREAM]

@ Chunks of a window's row. r0 pairs in each, r2 pairs in the row's first, so that all others are full
    lsrs r2, r2, #3
    str r2, [sp, #L_ROW_PAIRS]
    movs r0, #6
    ldr r1, [r7, #CONV_SIGNED_IN]
    cmp r1, #0
    beq .Lchunk_known
    movs r0, #3
.Lchunk_known:
    str r0, [sp, #L_CHUNK_PAIRS]
.Lhead:
    cmp r2, r0
    bls .Lhead_known
    subs r2, r2, r0
    b .Lhead
.Lhead_known:
    str r2, [sp, #L_HEAD_PAIRS]
    ldr r0, .Laddress_next
    str r0, [sp, #L_NEXT]
    movs r0, #0
    str r0, [sp, #L_OUTPUT]

@ ---- A group of outputs: eight while more than four are left. r0 outputs, r1 entry of .Lcodes
.Lgroup:
    ldr r7, [sp, #L_BLOCK]
    movs r0, #4
    ldr r1, .Laddress_codes
    ldr r2, [r7, #CONV_N_OUT]
    ldr r3, [sp, #L_OUTPUT]
    subs r2, r2, r3
    cmp r2, #4
    bls .Loutputs_known
    movs r0, #8
    adds r1, #CODE_BYTES
.Loutputs_known:
    str r0, [sp, #L_OUTPUTS]
    ldr r2, [r7, #CONV_SIGNED_IN]
    cmp r2, #0
    beq .Lcode_known
    adds r1, #CODE_SIGNED
.Lcode_known:
    str r1, [sp, #L_CODE]
    ldr r2, [r1, #CODE_POSITION]
    str r2, [sp, #L_POSITION]
    bl m0k_lanes_ends
    ldr r1, [sp, #L_CODE]
    ldr r2, [sp, #L_CHUNK_PAIRS]
    ldr r3, [sp, #L_HEAD_PAIRS]
    subs r2, r2, r3
    lsls r2, r2, #2
    adds r2, #CODE_STEPS
    ldr r2, [r1, r2]
    str r2, [sp, #L_HEAD]
    ldr r3, [sp, #L_ADDS]
    cmp r3, #0
    beq .Lentry_known
    ldr r2, [r1, #CODE_ADDS]
.Lentry_known:
    str r2, [sp, #L_ENTRY]

@ Its weights as a stream of lanes, four outputs at a time.
    movs r0, #0
.Lquad:
    str r0, [sp, #L_QUAD]
    lsrs r0, r0, #4
    bl m0k_lanes_weights
    bl m0k_lanes_expand
    ldr r0, [sp, #L_QUAD]
    adds r0, #16
    ldr r1, [sp, #L_OUTPUTS]
    lsls r1, r1, #2
    cmp r0, r1
    bne .Lquad

@ A ring of zeros, which is what lies above the image; so are all sums.
    ldr r0, [sp, #L_SUMS]
    ldr r1, [sp, #L_STREAM]
    bl m0k_lanes_clear
    movs r0, #0
    str r0, [sp, #L_MADE]
    str r0, [sp, #L_OLDEST]
    ldr r7, [sp, #L_BLOCK]
    ldr r1, [r7, #CONV_PAD_H]
    subs r0, r0, r1
    str r0, [sp, #L_TOP]

@ ---- A row of positions: the rows of the image that the ring lacks, from L_MADE, or from L_TOP, up to the window's end.
.Lrow:
    ldr r7, [sp, #L_BLOCK]
    ldr r0, [sp, #L_TOP]
    ldr r1, [sp, #L_MADE]
    cmp r1, r0
    bge .Lfrom_known
    movs r1, r0
.Lfrom_known:
    ldr r2, [r7, #CONV_KERNEL_H]
    adds r0, r0, r2
    cmp r1, r0
    bge .Lrows_made
    adds r0, r1, #1
    str r0, [sp, #L_MADE]
    bl m0k_lanes_row
    b .Lrow

@ The links between rows: on to the next row of the ring, or back to its first. r0 link, r1 bytes from link to link, r2
@ to the next row, r3 bytes of a row, r4 ring, r5 the row's offset, r6 links left
.Lrows_made:
    ldr r0, [sp, #L_INNER]
    ldr r1, [sp, #L_OUTPUTS]
    lsrs r3, r0, #2                 @ lane words
    lsls r1, r1, #2
    muls r1, r3, r1
    ldr r3, [sp, #L_ROW_PAIRS]
    ldr r4, [sp, #L_HEAD_PAIRS]
    ldr r5, [sp, #L_CHUNK_PAIRS]
.Lchunks:
    adds r1, #8
    adds r4, r4, r5
    cmp r4, r3
    bls .Lchunks
    ldr r3, [sp, #L_ROW]
    subs r2, r3, r0
    ldr r0, [sp, #L_STREAM]
    adds r0, r0, r1
    subs r0, #8
    ldr r4, [sp, #L_RING_BYTES]
    ldr r5, [sp, #L_OLDEST]
    ldr r6, [r7, #CONV_KERNEL_H]
.Llinks:
    str r2, [r0]
    adds r5, r5, r3
    cmp r5, r4
    bne .Llink_done
    subs r5, r2, r4
    str r5, [r0]
    movs r5, #0
.Llink_done:
    adds r0, r0, r1
    subs r6, #1
    bne .Llinks

@ First values: the sums over each window, off. r0 column, r1 bytes of a window's columns, r2 sum, r3 base, r4 spare, r5
@ first value, r6 positions left, r7 columns to slide, r12 stride
    ldr r4, [r7, #CONV_STRIDE]
    mov r12, r4
    ldr r0, [sp, #L_SUMS]
    ldr r1, [r7, #CONV_KERNEL_W]
    lsls r1, r1, #2
    ldr r3, [sp, #L_BASE]
    ldr r5, [sp, #L_INITS]
    str r5, [sp, #L_INIT]
    ldr r6, [sp, #L_WIDTH]
    movs r2, #0
    movs r7, r1
.Lfirst_window:
    subs r7, #4
    ldr r4, [r0, r7]
    adds r2, r2, r4
    cmp r7, #0
    bne .Lfirst_window
.Lwindow:
    subs r4, r3, r2
    stm r5!, {r4}
    subs r6, #1
    beq .Lwindows_done
    mov r7, r12
.Lslide:
    ldr r4, [r0, r1]
    adds r2, r2, r4
    ldm r0!, {r4}
    subs r2, r2, r4
    subs r7, #1
    bne .Lslide
    b .Lwindow
.Lwindows_done:

@ The positions: the first of them, and the last one's lanes.
    ldr r0, [sp, #L_RING]
    ldr r1, [sp, #L_OLDEST]
    adds r0, r0, r1
    str r0, [sp, #L_LANES]
    ldr r1, [sp, #L_WIDTH]
    subs r1, #1
    ldr r2, [sp, #L_STEP]
    muls r1, r2, r1
    adds r1, r1, r0
    str r1, [sp, #L_LAST]
    ldr r2, [sp, #L_POSITION]
    mov pc, r2

@ The next position, row, group.
.Lnext:
    ldr r0, [sp, #L_OUT]
    ldr r1, [sp, #L_OUT_STEP]
    adds r0, r0, r1
    str r0, [sp, #L_OUT]
    ldr r0, [sp, #L_LANES]
    ldr r1, [sp, #L_LAST]
    cmp r0, r1
    beq .Lnext_row
    ldr r1, [sp, #L_STEP]
    adds r0, r0, r1
    str r0, [sp, #L_LANES]
    ldr r2, [sp, #L_POSITION]
    mov pc, r2
.Lnext_row:
    ldr r7, [sp, #L_BLOCK]
    ldr r0, [sp, #L_TOP]
    ldr r1, [r7, #CONV_STRIDE]
    adds r0, r0, r1
    str r0, [sp, #L_TOP]
    ldr r1, [sp, #L_REACH]
    cmp r0, r1
    bgt .Lnext_group
    b .Lrow
.Lnext_group:
    ldr r0, [sp, #L_OUTPUT]
    ldr r1, [sp, #L_OUTPUTS]
    adds r0, r0, r1
    str r0, [sp, #L_OUTPUT]
    ldr r1, [r7, #CONV_N_OUT]
    cmp r0, r1
    bhs .Ldone
    b .Lgroup
.Ldone:
    add sp, #L_BYTES
    RETURN_ALL

    .p2align 2
.Laddress_next:
    .word .Lnext
.Laddress_codes:
    .word .Lcodes
.Lcodes:
    .word .Lposition_unsigned4, .Ladds4, .Lunsigned4_step0, .Lunsigned4_step2, .Lunsigned4_step4, .Lunsigned4_step6
    .word .Lunsigned4_step8, .Lunsigned4_step10
    .word .Lposition_unsigned8, .Ladds8, .Lunsigned8_step0, .Lunsigned8_step2, .Lunsigned8_step4, .Lunsigned8_step6
    .word .Lunsigned8_step8, .Lunsigned8_step10
    .word .Lposition_signed4, .Ladds4, .Lsigned4_step0, .Lsigned4_step2, .Lsigned4_step4, 0, 0, 0
    .word .Lposition_signed8, .Ladds8, .Lsigned8_step0, .Lsigned8_step2, .Lsigned8_step4, 0, 0, 0

@ Block.first: added to the accumulators, then into the loop. r2 values, r4, r5 free
.Ladds8:
    add r2, sp, #L_FIRST
    ADD_FIRST_4 r8, r9, r10, r11
    ADD_FIRST_4 r12, lr, r3, r7
    ldr r2, [sp, #L_HEAD]
    mov pc, r2
.Ladds4:
    add r2, sp, #L_FIRST
    ADD_FIRST_4 r8, r9, r10, r11
    ldr r2, [sp, #L_HEAD]
    mov pc, r2

@ ---- Eight outputs, unsigned
.Lposition_unsigned8:
    FIRST_VALUE
    UNLESS_ZERO
    SIX_ACCUMULATORS
    mov r7, r3
    START

@ A window of zeros.
.Lzero_window:
    ldr r0, [sp, #L_OUT]
    movs r3, #0
    ldr r2, [sp, #L_ZEROS]
    mov pc, r2

@ ---- Four outputs, unsigned
.Lposition_unsigned4:
    FIRST_VALUE
    UNLESS_ZERO
    mov r8, r3
    mov r9, r3
    mov r10, r3
    mov r11, r3
    START

@ ---- Eight outputs, signed: ADCS adds no lane words to r3 and r7
.Lposition_signed8:
    FIRST_VALUE
    SIX_ACCUMULATORS
    ldr r3, [sp, #L_BASE]
    mov r7, r3
    START

@ ---- Four outputs, signed
.Lposition_signed4:
    FIRST_VALUE
    mov r8, r3
    mov r9, r3
    mov r10, r3
    mov r11, r3
    START

@ The unrolled loops. Their zero cases lie near enough for a conditional branch.
    STEP unsigned8, 0
    STEP unsigned8, 1
    STEP unsigned8, 2
    STEP unsigned8, 3
    b .Lunsigned8_step4
    ZERO unsigned8, 0, 1, 32
    ZERO unsigned8, 1, 2, 32
    ZERO unsigned8, 2, 3, 32
    ZERO unsigned8, 3, 4, 32
    b .Lunsigned8_zero4
    STEP unsigned8, 4
    STEP unsigned8, 5
    STEP unsigned8, 6
    STEP unsigned8, 7
    b .Lunsigned8_step8
    ZERO unsigned8, 4, 5, 32
    ZERO unsigned8, 5, 6, 32
    ZERO unsigned8, 6, 7, 32
    ZERO unsigned8, 7, 8, 32
    b .Lunsigned8_zero8
    STEP unsigned8, 8
    STEP unsigned8, 9
    STEP unsigned8, 10
    STEP unsigned8, 11
    LINK
    ZERO unsigned8, 8, 9, 32
    ZERO unsigned8, 9, 10, 32
    ZERO unsigned8, 10, 11, 32
    LAST_ZERO unsigned8, 11, 32

    STEP unsigned4, 0
    STEP unsigned4, 1
    STEP unsigned4, 2
    STEP unsigned4, 3
    STEP unsigned4, 4
    STEP unsigned4, 5
    b .Lunsigned4_step6
    ZERO unsigned4, 0, 1, 16
    ZERO unsigned4, 1, 2, 16
    ZERO unsigned4, 2, 3, 16
    ZERO unsigned4, 3, 4, 16
    ZERO unsigned4, 4, 5, 16
    ZERO unsigned4, 5, 6, 16
    b .Lunsigned4_zero6
    STEP unsigned4, 6
    STEP unsigned4, 7
    STEP unsigned4, 8
    STEP unsigned4, 9
    STEP unsigned4, 10
    STEP unsigned4, 11
    LINK
    ZERO unsigned4, 6, 7, 16
    ZERO unsigned4, 7, 8, 16
    ZERO unsigned4, 8, 9, 16
    ZERO unsigned4, 9, 10, 16
    ZERO unsigned4, 10, 11, 16
    LAST_ZERO unsigned4, 11, 16

    STEP signed8, 0
    STEP signed8, 1
    STEP signed8, 2
    b .Lsigned8_step3
    ZERO signed8, 0, 1, 32
    ZERO signed8, 1, 2, 32
    ZERO signed8, 2, 3, 32
    b .Lsigned8_zero3
    STEP signed8, 3
    STEP signed8, 4
    STEP signed8, 5
    LINK
    ZERO signed8, 3, 4, 32
    ZERO signed8, 4, 5, 32
    LAST_ZERO signed8, 5, 32

    STEP signed4, 0
    STEP signed4, 1
    STEP signed4, 2
    STEP signed4, 3
    STEP signed4, 4
    STEP signed4, 5
    LINK
    ZERO signed4, 0, 1, 16
    ZERO signed4, 1, 2, 16
    ZERO signed4, 2, 3, 16
    ZERO signed4, 3, 4, 16
    ZERO signed4, 4, 5, 16
    LAST_ZERO signed4, 5, 16
    END_FUNCTION m0k_conv_lanes

@ ------------------------------------------------------------------------------------- m0k_lanes_expand (local)
@ The weights of four outputs as lanes, and the links behind each chunk, of which m0k_conv_lanes sets the distances
@ between rows. In: r0 = edges of a group of four, the frame. Spoils r0-r12. Stack 4 bytes: offsets in the frame are 4
@ more.
@
@ In the loops: r0 edges, r1 lanes, r2 BIAS_LANES where they are signed, r3 EVEN_BYTES, r4-r7 words; r8 bytes of a lane
@ word's outputs; r9 pairs left in the chunk, r10 in the row, r11 rows left, r12 pairs of the next chunk.

@ EXPAND_2: the lanes of two outputs, to r1 on and, for the odd inputs, to r4 on; both move. Spoils r5-r7.
@ 23 cycles.
    .macro EXPAND_2
    ldm r0!, {r5, r6}
    movs r7, r5
    ands r7, r3
    subs r7, r7, r2
    stm r1!, {r7}
    lsrs r5, r5, #8
    ands r5, r3
    subs r5, r5, r2
    stm r4!, {r5}
    movs r7, r6
    ands r7, r3
    subs r7, r7, r2
    stm r1!, {r7}
    lsrs r6, r6, #8
    ands r6, r3
    subs r6, r6, r2
    stm r4!, {r6}
    .endm

    LOCAL_FUNCTION m0k_lanes_expand
    push {lr}
    ldr r7, [sp, #L_BLOCK + 4]
    movs r2, #0
    ldr r3, [r7, #CONV_SIGNED_IN]
    cmp r3, #0
    beq .Lbias_known
    ldr r2, .Lexpand_bias
.Lbias_known:
    ldr r3, .Lexpand_even
    ldr r4, [r7, #CONV_KERNEL_H]
    mov r11, r4
    ldr r4, [sp, #L_OUTPUTS + 4]
    lsls r4, r4, #2
    mov r8, r4
    ldr r1, [sp, #L_STREAM + 4]
    ldr r4, [sp, #L_QUAD + 4]
    adds r1, r1, r4
.Lexpand_row:
    ldr r4, [sp, #L_ROW_PAIRS + 4]
    ldr r5, [sp, #L_HEAD_PAIRS + 4]
.Lexpand_chunk:
    mov r9, r5
    subs r4, r4, r5
    mov r10, r4
.Lexpand_pair:
    mov r4, r8
    adds r4, r1, r4
    EXPAND_2
    EXPAND_2
    movs r1, r4
    subs r1, #16
    add r1, r8
    mov r4, r9
    subs r4, #1
    mov r9, r4
    bne .Lexpand_pair

@ The link: distance 0 and the loop's first step in a row, or, to the next row, the step that this one began with.
    ldr r5, [sp, #L_QUAD + 4]
    subs r6, r1, r5
    mov r4, r10
    cmp r4, #0
    beq .Lexpand_row_done
    ldr r5, [sp, #L_CODE + 4]
    ldr r5, [r5, #CODE_STEPS]
    movs r7, #0
    stm r6!, {r7}
    stm r6!, {r5}
    adds r1, #8
    ldr r5, [sp, #L_CHUNK_PAIRS + 4]
    b .Lexpand_chunk
.Lexpand_row_done:
    ldr r5, [sp, #L_HEAD + 4]
    str r5, [r6, #4]
    adds r1, #8
    mov r4, r11
    subs r4, #1
    mov r11, r4
    bne .Lexpand_row
    ldr r5, [sp, #L_STORE + 4]      @ the last one leads to the outputs
    str r5, [r6, #4]
    pop {pc}
    .p2align 2
.Lexpand_even:
    .word EVEN_BYTES
.Lexpand_bias:
    .word BIAS_LANES
    END_FUNCTION m0k_lanes_expand

@ ---------------------------------------------------------------------------------------- m0k_lanes_row (local)
@ Row r1 of the image, or zeros behind it, in place of the ring's oldest row. The columns' sums follow.
@ In: r1 = row, r7 = block, the frame. Spoils r0-r12. Stack 4 bytes: offsets in the frame are 4 more.
@
@ In the loops: r0 image, r1 lanes, r2 EVEN_BYTES, r3 BIAS_LANES when signed, r4, r5 words, r6 sum of the pixel, r7
@ words left in it; r8 its column's sum, r9 bytes from there to the pixel's sum, r10 pixels left, r12 words of a pixel.

@ PIXEL_SUM: the pixel's sum r6 in place of the old one, in its column's, too. Spoils r4-r7. 13 cycles.
    .macro PIXEL_SUM
    mov r4, r8
    mov r5, r9
    ldr r7, [r4, r5]
    str r6, [r4, r5]
    subs r6, r6, r7
    ldr r7, [r4]
    adds r7, r7, r6
    stm r4!, {r7}
    mov r8, r4
    .endm

@ ONE_LESS n, spare: the high register n goes down by one, and the flags say whether it is 0. 3 cycles.
    .macro ONE_LESS n, spare
    mov \spare, \n
    subs \spare, #1
    mov \n, \spare
    .endm

    LOCAL_FUNCTION m0k_lanes_row
    push {lr}
    ldr r2, [sp, #L_RING + 4]
    ldr r3, [sp, #L_OLDEST + 4]
    adds r2, r2, r3                 @ the row's place
    ldr r4, [sp, #L_ROW + 4]
    adds r3, r3, r4
    ldr r4, [sp, #L_RING_BYTES + 4]
    cmp r3, r4
    bne .Loldest_known
    movs r3, #0
.Loldest_known:
    str r3, [sp, #L_OLDEST + 4]
    ldr r3, [sp, #L_LINE + 4]
    adds r3, r2, r3
    ldr r4, [sp, #L_SUMS + 4]
    subs r3, r3, r4
    mov r9, r3
    ldr r5, [r7, #CONV_PAD_W]
    lsls r3, r5, #2
    adds r4, r4, r3
    mov r8, r4
    ldr r4, [r7, #CONV_WIDTH]
    mov r10, r4
    ldr r3, [r7, #CONV_HEIGHT]
    cmp r1, r3
    bge .Lempty_row

@ r0 = in + row * width * channels, r1 = the place of the first pixel behind the padding
    ldr r3, [r7, #CONV_CHANNELS]
    lsrs r6, r3, #2
    mov r12, r6
    movs r0, r1
    muls r0, r4, r0
    muls r0, r3, r0
    ldr r6, [r7, #CONV_IN]
    adds r0, r0, r6
    muls r3, r5, r3
    lsls r3, r3, #1
    adds r1, r2, r3
    ldr r2, .Lrow_even
    ldr r3, [r7, #CONV_SIGNED_IN]
    cmp r3, #0
    bne .Lsigned_row
.Lpixel:
    movs r6, #0
    mov r7, r12
.Lpixel_word:
    ldm r0!, {r4}
    lsrs r5, r4, #8
    ands r5, r2
    ands r4, r2
    stm r1!, {r4, r5}
    adds r6, r6, r4
    adds r6, r6, r5
    subs r7, #1
    bne .Lpixel_word
    uxth r4, r6
    lsrs r6, r6, #16
    adds r6, r6, r4
    lsls r6, r6, #7
    PIXEL_SUM
    ONE_LESS r10, r4
    bne .Lpixel
    pop {pc}

.Lsigned_row:
    ldr r3, .Lrow_bias
.Lsigned_pixel:
    movs r6, #0
    mov r7, r12
.Lsigned_pixel_word:
    ldm r0!, {r4}
    lsrs r5, r4, #8
    ands r5, r2
    eors r5, r3
    subs r5, r5, r3
    ands r4, r2
    eors r4, r3
    subs r4, r4, r3
    stm r1!, {r4, r5}
    adds r6, r6, r4
    adds r6, r6, r5
    subs r7, #1
    bne .Lsigned_pixel_word
    PIXEL_SUM
    ONE_LESS r10, r4
    bne .Lsigned_pixel
    pop {pc}

@ Behind the image.
.Lempty_row:
    movs r0, r2
    ldr r1, [sp, #L_LINE + 4]
    adds r1, r0, r1
    bl m0k_lanes_clear
.Lempty_pixel:
    movs r6, #0
    PIXEL_SUM
    ONE_LESS r10, r4
    bne .Lempty_pixel
    pop {pc}
    .p2align 2
.Lrow_even:
    .word EVEN_BYTES
.Lrow_bias:
    .word BIAS_LANES
    END_FUNCTION m0k_lanes_row

@ ---------------------------------------------------------------------------------- m0k_lanes_clear (not for C)
@ Zeros from r0 to r1, both multiples of 4. Spoils r0-r5. No stack.
    FUNCTION m0k_lanes_clear, align=1
    movs r2, #0
    movs r3, #0
    movs r4, #0
    movs r5, #0
    subs r1, #16
    cmp r0, r1
    bhi .Lclear_rest
.Lclear_four:
    stm r0!, {r2, r3, r4, r5}
    cmp r0, r1
    bls .Lclear_four
.Lclear_rest:
    adds r1, #16
.Lclear_one:
    cmp r0, r1
    beq .Lcleared
    stm r0!, {r2}
    b .Lclear_one
.Lcleared:
    bx lr
    END_FUNCTION m0k_lanes_clear

@ -------------------------------------------------------------------------------- m0k_lanes_weights (not for C)
@ r0 = the edges of four outputs, those from L_OUTPUT + 4 * r0 on: the array's, or the provider's. In: the frame. Spoils
@ what a call may. Stack 8 bytes and the provider's.
    FUNCTION m0k_lanes_weights, align=1
    ldr r3, [sp, #L_BLOCK]
    ldr r1, [sp, #L_OUTPUT]
    lsrs r1, r1, #2
    adds r1, r1, r0
    ldr r2, [r3, #CONV_PROVIDER]
    cmp r2, #0
    bne .Lask
    ldr r0, [r3, #CONV_KERNEL_H]
    ldr r2, [r3, #CONV_KERNEL_W]
    muls r0, r2, r0
    ldr r2, [r3, #CONV_CHANNELS]
    muls r0, r2, r0
    GROUP_BYTES r0
    muls r0, r1, r0
    ldr r1, [r3, #CONV_WEIGHTS]
    adds r0, r0, r1
    bx lr
.Lask:
    push {r4, lr}
    ldr r0, [r3, #CONV_CONTEXT]
    blx r2
    pop {r4, pc}
    END_FUNCTION m0k_lanes_weights

@ ----------------------------------------------------------------------------------- m0k_lanes_ends (not for C)
@ What the outputs of the group end in: L_COUNT .. L_ZEROS, L_ADDS, L_FIRST. In: r0 = 4 or 8 outputs, the frame. Spoils
@ r0-r7. No stack.

@ Entries of .Lstores: five for groups of four, five for groups of eight
    .equ STORE_RELU, 0
    .equ STORE_PLAIN, 4
    .equ STORE_SUMS, 8              @ to acc_out
    .equ STORE_SOME, 12             @ the same for a group of which not all are stored
    .equ STORE_SOME_SUMS, 16
    .equ STORES_OF_8, 20

    FUNCTION m0k_lanes_ends
    ldr r7, [sp, #L_BLOCK]
    ldr r1, [sp, #L_OUTPUT]
    ldr r2, [r7, #CONV_N_OUT]
    subs r3, r2, r1
    cmp r3, r0
    bls .Lcount_known
    movs r3, r0
.Lcount_known:
    str r3, [sp, #L_COUNT]
    movs r4, #0
    cmp r0, #4
    beq .Lsize_known
    movs r4, #STORES_OF_8
.Lsize_known:
    ldr r5, [r7, #CONV_SHIFT]
    str r5, [sp, #L_SHIFT]
    ROUND_HALF r6, r5
    str r6, [sp, #L_HALF]

@ r4 = the entry of .Lstores, r6 = L_BASE. r0 outputs, r3 outputs stored, r5 acc_out
    ldr r5, [r7, #CONV_ACC_OUT]
    cmp r3, r0
    bne .Lsome
    cmp r5, #0
    bne .Lsums
    ldr r0, [r7, #CONV_RELU]
    cmp r0, #0
    bne .Lstore_known
    adds r4, #STORE_PLAIN
    b .Lno_rounding
.Lsome:
    adds r4, #STORE_SOME
    cmp r5, #0
    beq .Lno_rounding
.Lsums:
    adds r4, #STORE_SUMS            @ from _SOME to _SOME_SUMS it is half as far
    cmp r3, r0
    beq .Lno_rounding
    subs r4, #STORE_SUMS - (STORE_SOME_SUMS - STORE_SOME)
.Lno_rounding:
    movs r6, #0
.Lstore_known:
    str r6, [sp, #L_BASE]
    adr r0, .Lstores
    ldr r0, [r0, r4]
    str r0, [sp, #L_STORE]

@ r0 = the group's first output, r1 bytes to it, r2 bytes from position to position, r4 how zeros are stored
    lsls r3, r3, #1
    ldr r4, .Laddress_zero_bytes    @ entered so that L_COUNT bytes are stored
    subs r4, r4, r3
    ldr r0, [r7, #CONV_OUT]
    cmp r5, #0
    beq .Lends_known
    lsls r1, r1, #2
    lsls r2, r2, #2
    ldr r4, .Laddress_zero_words
    ldr r0, [sp, #L_COUNT]
    cmp r0, #8
    bne .Lzero_words_known
    ldr r4, .Laddress_zero_words8
.Lzero_words_known:
    movs r0, r5
.Lends_known:
    adds r0, r0, r1
    str r0, [sp, #L_OUT]
    str r2, [sp, #L_OUT_STEP]
    str r4, [sp, #L_ZEROS]

@ Block.first: r0 destination, r1 source, r2 words of it left, r3 words left, r4 a word. A window of zeros ends in zeros
@ when there is none; else no window's first value is L_BASE + 1.
    ldr r1, [r7, #CONV_FIRST]
    str r1, [sp, #L_ADDS]
    cmp r1, #0
    beq .Lzero_known
    adds r6, #1
    add r0, sp, #L_FIRST
    ldr r2, [sp, #L_OUTPUT]
    lsls r2, r2, #2
    adds r1, r1, r2
    ldr r2, [sp, #L_COUNT]
    movs r3, #8
.Lfirst:
    movs r4, #0
    cmp r2, #0
    beq .Lfirst_none
    ldm r1!, {r4}
    subs r2, #1
.Lfirst_none:
    stm r0!, {r4}
    subs r3, #1
    bne .Lfirst
.Lzero_known:
    str r6, [sp, #L_ZERO]
    bx lr
    .p2align 2
.Laddress_zero_bytes:
    .word .Lzero_bytes
.Laddress_zero_words:
    .word .Lzero_words
.Laddress_zero_words8:
    .word .Lzero_words8
.Lstores:
    .word .Lrelu4, .Lplain4, .Lsums4, .Lsome4, .Lsome_sums4
    .word .Lrelu8, .Lplain8, .Lsums8, .Lsome8, .Lsome_sums8

@ ---- The stores: accumulators r8-r11, and r12, lr, r3, r7 with eight. Each goes on at L_NEXT.

@ GO_ON. 4 cycles.
    .macro GO_ON
    ldr r2, [sp, #L_NEXT]
    mov pc, r2
    .endm

@ PLAIN acc, at: the same without ReLU. r1 = shift, r2 = rounding, r5 = -1, or 0 when nothing is shifted. Spoils r4, r6.
@ 13 cycles, 17 saturated.
    .macro PLAIN acc, at
    mov r4, \acc
    ROUND_SHIFT r4, half=r2, shift=r1, mask=r5, spare=r6
    movs r6, r4
    adds r6, #127
    cmp r6, #254
    bls .Lplain_\acc\()_\@
    SATURATED r4, r6
.Lplain_\acc\()_\@:
    strb r4, [r0, #\at]
    .endm

@ SATURATED x, spare: x = 127 or -127 by its sign. 4 cycles.
    .macro SATURATED x, spare
    asrs \spare, \x, #31
    movs \x, #127
    eors \x, \spare
    subs \x, \x, \spare
    .endm

@ PLAIN_NUMBERS: r0, r1, r2, r5 as PLAIN wants them. 9 cycles.
    .macro PLAIN_NUMBERS
    ldr r0, [sp, #L_OUT]
    ldr r1, [sp, #L_SHIFT]
    ldr r2, [sp, #L_HALF]
    cmp r1, #1                      @ borrow, so -1 below, unless nothing is shifted
    sbcs r5, r5
    mvns r5, r5
    .endm

.Lrelu8:
    ldr r0, [sp, #L_OUT]
    ldr r1, [sp, #L_SHIFT]
    RELU r12, 4, .Lrelu_saturate4
    RELU lr, 5, .Lrelu_saturate5
    RELU r3, 6, .Lrelu_saturate6
    RELU r7, 7, .Lrelu_saturate7
    b .Lrelu_four
.Lrelu4:
    ldr r0, [sp, #L_OUT]
    ldr r1, [sp, #L_SHIFT]
.Lrelu_four:
    RELU r8, 0, .Lrelu_saturate0
    RELU r9, 1, .Lrelu_saturate1
    RELU r10, 2, .Lrelu_saturate2
    RELU r11, 3, .Lrelu_saturate3
    GO_ON
    RELU_SATURATED .Lrelu_saturate0
    RELU_SATURATED .Lrelu_saturate1
    RELU_SATURATED .Lrelu_saturate2
    RELU_SATURATED .Lrelu_saturate3
    RELU_SATURATED .Lrelu_saturate4
    RELU_SATURATED .Lrelu_saturate5
    RELU_SATURATED .Lrelu_saturate6
    RELU_SATURATED .Lrelu_saturate7

.Lplain8:
    PLAIN_NUMBERS
    PLAIN r12, 4
    PLAIN lr, 5
    PLAIN r3, 6
    PLAIN r7, 7
    b .Lplain_four
.Lplain4:
    PLAIN_NUMBERS
.Lplain_four:
    PLAIN r8, 0
    PLAIN r9, 1
    PLAIN r10, 2
    PLAIN r11, 3
    GO_ON

.Lsums8:
    ldr r0, [sp, #L_OUT]
    adds r0, #16
    mov r4, r12
    mov r5, lr
    mov r6, r3
    stm r0!, {r4, r5, r6, r7}
.Lsums4:
    ldr r0, [sp, #L_OUT]
    mov r4, r8
    mov r5, r9
    mov r6, r10
    mov r7, r11
    stm r0!, {r4, r5, r6, r7}
    GO_ON

@ Not all of them: by way of the frame.

@ SPILL_4: r8-r11 to L_SPILL, whose address is in r0 then. Spoils r4-r7. 11 cycles.
    .macro SPILL_4
    add r0, sp, #L_SPILL
    mov r4, r8
    mov r5, r9
    mov r6, r10
    mov r7, r11
    stm r0!, {r4, r5, r6, r7}
    subs r0, #16
    .endm

@ SPILL_8: r12, lr, r3, r7 behind them. Spoils r0, r4-r6. 9 cycles.
    .macro SPILL_8
    add r0, sp, #L_SPILL + 16
    mov r4, r12
    mov r5, lr
    mov r6, r3
    stm r0!, {r4, r5, r6, r7}
    .endm

@ r0 output, r1 accumulators, r3 outputs left, r4 a sum
.Lsome_sums8:
    SPILL_8
.Lsome_sums4:
    SPILL_4
    movs r1, r0
    ldr r0, [sp, #L_OUT]
    ldr r3, [sp, #L_COUNT]
.Lsome_sums_next:
    ldm r1!, {r4}
    stm r0!, {r4}
    subs r3, #1
    bne .Lsome_sums_next
    GO_ON

@ r0 output, r1 shift, r2 rounding, r3 accumulators, r4 a sum, r5 mask of ROUND_SHIFT, r6 spare, r7 outputs left, r8 -1
@ with ReLU
.Lsome8:
    SPILL_8
.Lsome4:
    SPILL_4
    movs r3, r0
    ldr r4, [sp, #L_BLOCK]
    ldr r4, [r4, #CONV_RELU]
    cmp r4, #1
    sbcs r4, r4
    mvns r4, r4
    mov r8, r4
    PLAIN_NUMBERS
    ldr r7, [sp, #L_COUNT]
.Lsome_next:
    ldm r3!, {r4}
    ROUND_SHIFT r4, half=r2, shift=r1, mask=r5, spare=r6
    UNLESS_127 r4, .Lsome_saturate, spare=r6
.Lsome_saturated:
    mov r6, r8
    ands r6, r4
    asrs r6, r6, #31
    bics r4, r6
    strb r4, [r0]
    adds r0, #1
    subs r7, #1
    bne .Lsome_next
    GO_ON
.Lsome_saturate:
    SATURATED r4, r6
    b .Lsome_saturated

@ ---- Zeros: r0 output, r3 = 0.
.Lzero_words8:
    movs r4, #0
    movs r5, #0
    movs r6, #0
    stm r0!, {r3, r4, r5, r6}
    stm r0!, {r3, r4, r5, r6}
    GO_ON
.Lzero_words:
    ldr r4, [sp, #L_COUNT]
.Lzero_words_next:
    stm r0!, {r3}
    subs r4, #1
    bne .Lzero_words_next
    GO_ON
    strb r3, [r0, #7]
    strb r3, [r0, #6]
    strb r3, [r0, #5]
    strb r3, [r0, #4]
    strb r3, [r0, #3]
    strb r3, [r0, #2]
    strb r3, [r0, #1]
    strb r3, [r0]
.Lzero_bytes:
    GO_ON
    END_FUNCTION m0k_lanes_ends
