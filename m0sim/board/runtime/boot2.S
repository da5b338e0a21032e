// The second stage of an image in flash: lets flash be read as memory, copies what runs in SRAM there, and goes there.
// The boot ROM copies these 256 bytes to SRAM and checks their CRC: RP2040 datasheet, 2.8.1.3.1. `export` writes the
// last two words.
//
// Flash is read as m0sim's profile rp2040 has it, and a program of the Pico's SDK does: command EBh, four lines, in
// continuous mode, at half the system clock. Registers: RP2040 datasheet, 4.10.13 (SSI), 2.19.6.4 (pads); commands:
// W25Q16JV datasheet, 8.1.2, of which 8.2.2 lets a status register be changed until power is off.
    .syntax unified
    .cpu    cortex-m0plus
    .thumb

    .equ    SSI, 0x18000000
    .equ    CTRLR0, 0x00
    .equ    CTRLR1, 0x04
    .equ    SSIENR, 0x08
    .equ    BAUDR, 0x14
    .equ    SR, 0x28
    .equ    DR0, 0x60
    .equ    RX_SAMPLE_DLY, 0xf0
    .equ    SPI_CTRLR0, 0xf4
    .equ    QE, 1 << 1
    .equ    CONTINUOUS, 0xa0

    .section .boot2, "ax", %progbits
    .p2align 2
    .global board_boot2
    .type   board_boot2, %object
board_boot2:
    ldr     r0, =0x40020000         // PADS_QSPI
    movs    r1, #0x67               // SCLK: 8 mA, fast
    str     r1, [r0, #0x04]
    movs    r1, #0x50               // SD0 to SD3: input without Schmitt trigger, which is later
    str     r1, [r0, #0x08]
    str     r1, [r0, #0x0c]
    str     r1, [r0, #0x10]
    str     r1, [r0, #0x14]
    ldr     r4, =SSI
    movs    r5, #0
    movs    r6, #1
    str     r5, [r4, #SSIENR]
    movs    r1, #2
    str     r1, [r4, #BAUDR]
    movs    r7, r4
    adds    r7, #RX_SAMPLE_DLY - 0x7c
    str     r6, [r7, #0x7c]
    ldr     r1, =7 << 16            // frames of 8 bits, sent and received on one line
    str     r1, [r4, #CTRLR0]
    str     r6, [r4, #SSIENR]

    movs    r0, #0x35               // read status register 2
    movs    r1, #0
    bl      exchange
    movs    r1, #QE
    tst     r0, r1
    bne     1f
    movs    r0, #0x50               // the next write holds until power is off
    str     r0, [r4, #DR0]
    bl      finish
    ldr     r1, [r4, #DR0]
    movs    r0, #0x31               // write status register 2
    movs    r1, #QE
    bl      exchange

1:  str     r5, [r4, #SSIENR]
    ldr     r1, =2 << 21 | 31 << 16 | 3 << 8        // four lines, 32 bits, command and address, then data
    str     r1, [r4, #CTRLR0]
    str     r5, [r4, #CTRLR1]
    adds    r7, #4                                  // SPI_CTRLR0
    ldr     r1, =4 << 11 | 2 << 8 | 8 << 2 | 1      // 4 clocks wait, 8 bits of command on one line, 32 of address
    str     r1, [r7, #0x7c]
    str     r6, [r4, #SSIENR]
    movs    r0, #0xeb
    str     r0, [r4, #DR0]
    movs    r0, #CONTINUOUS
    str     r0, [r4, #DR0]
    bl      finish
    str     r5, [r4, #SSIENR]
    ldr     r1, =CONTINUOUS << 24 | 4 << 11 | 8 << 2 | 2 // from now on without a command, all on four lines
    str     r1, [r7, #0x7c]
    str     r6, [r4, #SSIENR]

    ldr     r4, its_copies
1:  ldmia   r4!, {r0, r1, r2}       // to, from, bytes; or 0, entry, 0
    cmp     r2, #0
    beq     3f
2:  ldmia   r1!, {r3}
    stmia   r0!, {r3}
    subs    r2, #4
    bne     2b
    b       1b
3:  bx      r1

// Two bytes to the chip; the second that comes back in r0.
exchange:
    mov     r8, lr
    str     r0, [r4, #DR0]
    str     r1, [r4, #DR0]
    bl      finish
    ldr     r0, [r4, #DR0]
    ldr     r0, [r4, #DR0]
    bx      r8

// Until all is sent.
finish:
    ldr     r2, [r4, #SR]
    lsrs    r3, r2, #3              // TFE
    bcc     finish
    lsrs    r3, r2, #1              // BUSY
    bcs     finish
    bx      lr
    .ltorg
    .org    248
its_copies:
    .word   0                       // where in flash the list of copies is
    .word   0                       // checksum
    .size   board_boot2, . - board_boot2
