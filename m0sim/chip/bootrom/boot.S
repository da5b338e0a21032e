// From reset to the second stage, and what is beside: RP2040 datasheet, 2.8.1, 2.8.2, 2.8.3.1.4 and 2.8.3.1.5.
#include "rom.inc"

    .equ    SIO, 0xd0000000
    .equ    FIFO_ST, 0x50
    .equ    FIFO_WR, 0x54
    .equ    FIFO_RD, 0x58
    .equ    WATCHDOG_SCRATCH4, 0x4005801c
    .equ    SCRATCH_MAGIC, 0xb007c0d3
    .equ    CPUID, 0xe000ed00
    .equ    VTOR, 0x08
    .equ    SCR, 0x10
    .equ    SECOND_STAGE, 0x20041f00

    // A run ends here: m0sim has words for each (EXITS in tables.py). A chip goes on as a USB device, or waits.
    .equ    EXIT_USB_BOOT, 0xb0
    .equ    EXIT_NO_SECOND_STAGE, 0xb1

// uint32_t table_lookup(const uint16_t *table, uint32_t code): the pointer beside a code, 0 where there is none.
function bootrom_table_lookup
1:  ldrh    r2, [r0]
    ldrh    r3, [r0, #2]
    adds    r0, #4
    cmp     r2, #0
    beq     2f
    cmp     r2, r1
    bne     1b
    movs    r2, r3
2:  movs    r0, r2
    bx      lr
end bootrom_table_lookup

// Before a program has made an interrupt one, there is none.
function bootrom_nmi
    bx      lr
end bootrom_nmi

// Before a program has vectors of its own.
function bootrom_hardfault
1:  b       1b
end bootrom_hardfault

// Both cores begin here. Nobody rescues the chip by a debugger, or holds its BOOTSEL button: neither is looked at.
function bootrom_reset
    ldr     r0, =SIO
    ldr     r0, [r0]                // CPUID
    cmp     r0, #0
    bne     bootrom_wait_for_vector
    bl      bootrom_prepare

    // Watchdog boot (2.8.1.1): of a program in SRAM, or of one that left word where to go on.
    ldr     r4, =WATCHDOG_SCRATCH4
    ldmia   r4!, {r0, r1, r2, r3}   // magic, entry ^ -magic, stack pointer, entry
    ldr     r5, =SCRATCH_MAGIC
    cmp     r0, r5
    bne     2f
    negs    r5, r5
    eors    r5, r3
    cmp     r1, r5
    bne     2f
    movs    r0, #0
    subs    r4, #16
    str     r0, [r4]                // once only
    msr     msp, r2
    blx     r3
2:  bl      bootrom_load_second_stage
    cmp     r0, #0
    beq     3f
    movs    r0, #0
    mov     lr, r0                  // it goes on to the program in flash by itself
    ldr     r0, =SECOND_STAGE + 1
    bx      r0
3:  bkpt    #EXIT_NO_SECOND_STAGE
    b       3b
end bootrom_reset

// Core 1 (2.8.2): sleeps until core 0 sends 0, 0, 1, vector table, stack pointer, entry, and sends each back.
function bootrom_wait_for_vector
    ldr     r4, =SIO
    ldr     r5, =CPUID
    movs    r0, #4                  // SLEEPDEEP
    str     r0, [r5, #SCR]
again:                              // the last word was no 1: what is in the FIFO is from before, or a 0
    ldr     r0, [r4, #FIFO_ST]
    lsrs    r0, #1
    bcc     1f
    ldr     r0, [r4, #FIFO_RD]
    b       again
1:  movs    r0, #0
    bl      answer
    cmp     r0, #1
    bne     again
    bl      answer
    movs    r6, r0                  // vector table
    bl      answer
    movs    r7, r0                  // stack pointer
    bl      answer
    mov     r8, r0                  // entry
    bl      send
    str     r6, [r5, #VTOR]
    msr     msp, r7
    movs    r0, #0
    str     r0, [r5, #SCR]
    blx     r8
1:  wfi
    b       1b

    // Sends r0, and gives the next word that is no 0; a 0 begins from the start.
answer:
    mov     r9, lr
    bl      send
1:  ldr     r0, [r4, #FIFO_ST]
    lsrs    r0, #1                  // VLD
    bcs     2f
    wfe
    b       1b
2:  ldr     r0, [r4, #FIFO_RD]
    cmp     r0, #0
    beq     again
    mov     pc, r9

send:
    ldr     r1, [r4, #FIFO_ST]
    lsrs    r1, #2                  // RDY
    bcs     1f
    wfe
    b       send
1:  str     r0, [r4, #FIFO_WR]
    sev
    bx      lr
end bootrom_wait_for_vector

// void debug_trampoline(...): calls the function in r7 with what is in r0 to r3, then stops.
function bootrom_debug_trampoline
    movs    r6, #1
    orrs    r7, r6
    blx     r7
    .global bootrom_debug_trampoline_end
    .thumb_func
bootrom_debug_trampoline_end:
    bkpt    #0
    b       bootrom_debug_trampoline
end bootrom_debug_trampoline

// void reset_to_usb_boot(uint32_t gpio_activity_pin_mask, uint32_t disable_interface_mask)
function bootrom_reset_to_usb_boot
    bkpt    #EXIT_USB_BOOT
    b       bootrom_reset_to_usb_boot
end bootrom_reset_to_usb_boot

    .section .rodata.tables, "a"
    .global bootrom_git_revision
    .type   bootrom_git_revision, %object
bootrom_git_revision:               // none of the vendor's
    .word   0
    .size   bootrom_git_revision, 4
    .global bootrom_copyright
    .type   bootrom_copyright, %object
bootrom_copyright:
    .asciz  "m0sim's own boot ROM, MIT licence"
    .size   bootrom_copyright, . - bootrom_copyright
