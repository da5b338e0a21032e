/*
 * m0k_first_values(const m0k_first_values_t *p): biases as the first values of accumulators whose exponent the device
 * measures.
 *
 *   s = *exponent_in - exponent_image, clamped to -30 .. 31; out[i] = round_shift(biases[i], s) for s > 0, else
 *   biases[i] << -s, clamped to -(2^29 - 1) .. 2^29 - 1.
 *
 * Shapes    n 1 or more, int32 each. biases and out may be the same array.
 * Ranges    |biases[i]| < 2^29, *exponent_in - exponent_image within int32. Alignment 4.
 * Stack     16 bytes.
 * Cycles    33 + 11 n with s > 0; else 35 + 15 n, and 4 for each that is clamped: exact. Cortex-M0+.
 */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    #include "macros.inc"
    #include "m0k.inc"

    .equ FIRST_LARGEST, 0x1FFFFFFF

@ r0 biases, r1 out, r2 end of biases, r3 the shift, r5 a bias, r6 its sign.
    FUNCTION m0k_first_values
    push {r4-r6, lr}
    ldr r1, [r0, #FIRST_VALUES_OUT]
    ldr r2, [r0, #FIRST_VALUES_N]
    ldr r3, [r0, #FIRST_VALUES_EXPONENT_IN]
    ldr r3, [r3]
    ldr r4, [r0, #FIRST_VALUES_EXPONENT_IMAGE]
    ldr r0, [r0, #FIRST_VALUES_BIASES]
    lsls r2, r2, #2
    adds r2, r2, r0
    subs r3, r3, r4
    ble .Lto_the_left
    cmp r3, #31
    ble .Lshift_known
    movs r3, #31                    @ 2^29 - 1 rounds to 0
.Lshift_known:
    movs r4, #1                     @ r4 = half of the last place
    lsls r4, r3
    lsrs r4, r4, #1
.Lright:
    ldm r0!, {r5}
    asrs r6, r5, #31
    adds r5, r5, r6
    adds r5, r5, r4
    asrs r5, r3
    stm r1!, {r5}
    cmp r0, r2
    bne .Lright
    pop {r4-r6, pc}

@ r4 = the largest magnitude that stays below 2^29.
.Lto_the_left:
    rsbs r3, r3, #0
    cmp r3, #30
    ble .Lleft_known
    movs r3, #30
.Lleft_known:
    ldr r4, =FIRST_LARGEST
    lsrs r4, r3
.Lleft:
    ldm r0!, {r5}
    asrs r6, r5, #31
    eors r5, r6
    subs r5, r5, r6
    cmp r5, r4
    bhi .Lclamped
    lsls r5, r3
.Lsigned:
    eors r5, r6
    subs r5, r5, r6
    stm r1!, {r5}
    cmp r0, r2
    bne .Lleft
    pop {r4-r6, pc}
.Lclamped:
    ldr r5, =FIRST_LARGEST
    b .Lsigned
    .p2align 2
    .ltorg
    END_FUNCTION m0k_first_values
