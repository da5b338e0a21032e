// Reset, the lookup of tables, and what is beside them: RP2040 datasheet, 2.8.1, 2.8.2 and 2.8.3.
#include "rom.inc"

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

function bootrom_nmi
    bx      lr
end bootrom_nmi

function bootrom_hardfault
1:  wfi
    b       1b
end bootrom_hardfault

function bootrom_reset
1:  wfi
    b       1b
end bootrom_reset

    .section .rodata.tables, "a"
    .global bootrom_git_revision
    .type   bootrom_git_revision, %object
bootrom_git_revision:               // as a word that is no revision of the vendor's
    .word   0
    .size   bootrom_git_revision, 4
    .global bootrom_copyright
    .type   bootrom_copyright, %object
bootrom_copyright:
    .asciz  "m0sim's own boot ROM, MIT licence"
    .size   bootrom_copyright, . - bootrom_copyright
