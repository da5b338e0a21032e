/*
 * The single-cycle I/O port: its timing, its registers, and the divider of the RP2040's SIO; the rest of it is in sio.c.
 *
 * The port is mapped as MMIO without any right, so that Unicorn asks m0_on_port before each access: there, and in the
 * callbacks that follow, the program counter is that of the accessing instruction. (A plain MMIO callback sees the
 * start of the block.)
 *
 * Sources: RP2040 datasheet, section 2.3.1 (SIO), 2.3.1.5 (integer divider: 8 cycles), 2.1.4 (narrow IO register
 * writes), and the SIO register list in 2.3.1.7 (DIV_CSR: what sets and clears READY and DIRTY).
 */
#include "pio.h"

enum { DIVIDER_CYCLES = 8 };

/* Offsets of the divider's registers. */
enum { DIV_UDIVIDEND = 0x60, DIV_SDIVISOR = 0x6C, DIV_QUOTIENT = 0x70, DIV_CSR = 0x78 };

static uint32_t *words_of(const struct m0_port *port)
{
    return m0_pointer(port->words);
}

static bool is_modelled(const struct m0_core *core, uint32_t offset, bool is_store)
{
    return core->port.is_sio == 0 || m0_has_sio(core, offset, is_store);
}

static bool is_divider(uint32_t offset)
{
    return offset >= DIV_UDIVIDEND && offset <= DIV_CSR;
}

/* Find the cycle in which the instruction at `pc` of the pending block begins, and count its access. */
static void count_access(struct m0_core *core, uint32_t pc, bool is_store)
{
    struct m0_port *port = &core->port;
    struct m0_block *block = core->pending;
    uint32_t begin = m0_address_of(block), offset = pc - begin;
    uint32_t index = (uint32_t)(block - core->blocks);
    if (port->block != index || port->offset > offset) {
        port->block = index;
        port->offset = port->cycle = 0;
    }
    while (port->offset < offset) {
        struct m0_instruction instruction = m0_decode(core, begin + port->offset);
        port->cycle += instruction.cycles;
        port->offset += instruction.size;
    }
    uint32_t kind = m0_decode(core, pc).kind;
    port->now = core->cycles + port->cycle;
    if (kind == M0_KIND_LOAD || kind == M0_KIND_STORE) { /* LDM and STM take as long as ever */
        core->port_counts[block->port_counts + offset / 2]++;
        core->cycles -= is_store ? port->saved_store : port->saved_load;
    }
}

/* UC_HOOK_MEM_READ_PROT and _WRITE_PROT over the port. True: the access is to be made. */
bool m0_on_port(uc_engine *uc, int type, uint64_t address, int size, int64_t value, struct m0_core *core)
{
    (void)size, (void)value;
    bool is_store = type == UC_MEM_WRITE_PROT;
    uint32_t offset = (uint32_t)address - core->port.base;
    uint32_t pc = m0_read_register(core, uc, UC_ARM_REG_PC);
    if (core->stop == M0_STOP_PORT) { /* the emulator goes on to the end of a block whose store was refused */
        return true;
    }
    if (!is_modelled(core, offset & ~3u, is_store)) {
        core->port.fault_offset = offset & ~3u;
        m0_stop_run(core, uc, M0_STOP_PORT, pc);
        return false;
    }
    core->port.pc = pc;
    count_access(core, pc, is_store);
    return true;
}

/* -- the divider */

static void divide(struct m0_divider *divider, bool is_signed)
{
    uint32_t dividend = divider->dividend, divisor = divider->divisor;
    bool dividend_minus = is_signed && (dividend >> 31) != 0, divisor_minus = is_signed && (divisor >> 31) != 0;
    divider->old_quotient = divider->quotient;
    divider->old_remainder = divider->remainder;
    if (divisor == 0) {
        divider->quotient = dividend_minus ? 1 : 0xFFFFFFFF;
        divider->remainder = dividend;
        return;
    }
    uint32_t quotient = (dividend_minus ? 0 - dividend : dividend) / (divisor_minus ? 0 - divisor : divisor);
    divider->quotient = dividend_minus != divisor_minus ? 0 - quotient : quotient;
    divider->remainder = dividend - divider->quotient * divisor;
}

static void write_divider(struct m0_port *port, uint32_t offset, uint32_t value)
{
    struct m0_divider *divider = &port->divider;
    if (offset == DIV_CSR) {
        return; /* read-only */
    }
    divider->dirty = 1;
    if (offset <= DIV_SDIVISOR) {
        *((offset & 4) == 0 ? &divider->dividend : &divider->divisor) = value;
        divide(divider, (offset & 8) != 0);
        divider->ready = port->now + 1 + DIVIDER_CYCLES;
    } else {
        *(offset == DIV_QUOTIENT ? &divider->quotient : &divider->remainder) = value;
        divider->ready = 0; /* this ends a calculation */
    }
}

static uint32_t read_divider(struct m0_port *port, uint32_t offset)
{
    struct m0_divider *divider = &port->divider;
    bool is_ready = port->now >= divider->ready;
    if (offset <= DIV_SDIVISOR) {
        return (offset & 4) == 0 ? divider->dividend : divider->divisor;
    }
    if (offset == DIV_CSR) {
        return (is_ready ? 1 : 0) | divider->dirty << 1;
    }
    if (offset == DIV_QUOTIENT) {
        divider->dirty = 0;
    }
    if (is_ready) {
        return offset == DIV_QUOTIENT ? divider->quotient : divider->remainder;
    }
    if (divider->early++ == 0) {
        divider->early_at = port->pc;
    }
    return offset == DIV_QUOTIENT ? divider->old_quotient : divider->old_remainder;
}

/* Any register for most devices, the SIO for an RP2040. */
M0_INLINE uint32_t read_register(struct m0_core *core, uint32_t at, uint32_t size)
{
    uint32_t word = core->port.is_sio == 0  ? words_of(&core->port)[at >> 2]
                    : is_divider(at & ~3u) ? read_divider(&core->port, at & ~3u)
                                            : m0_read_sio(core, at & ~3u);
    return word >> 8 * (at & 3) & (0xFFFFFFFF >> (32 - 8 * size));
}

/* SIO registers are written whole, with a narrow value repeated in every lane. */
M0_INLINE void write_register(struct m0_core *core, uint32_t at, uint32_t size, uint32_t value)
{
    uint32_t mask = 0xFFFFFFFF >> (32 - 8 * size), narrow = value & mask;
    if (core->port.is_sio) {
        uint32_t repeat = size == 1 ? 0x01010101 : size == 2 ? 0x00010001 : 1;
        if (is_divider(at & ~3u)) {
            write_divider(&core->port, at & ~3u, narrow * repeat);
        } else {
            m0_write_sio(core, at & ~3u, narrow * repeat);
        }
        return;
    }
    uint32_t *word = &words_of(&core->port)[at >> 2];
    uint32_t shift = 8 * (at & 3);
    *word = (*word & ~(mask << shift)) | narrow << shift;
}

/* A load or store of the interpreter's, at cycle `now`. False where the register is not modelled. */
bool m0_access_port(struct m0_core *core, uint32_t pc, int64_t now, uint32_t address, uint32_t size, bool is_store,
                    uint32_t *value)
{
    uint32_t offset = address - core->port.base;
    if (!is_modelled(core, offset & ~3u, is_store)) {
        core->port.fault_offset = offset & ~3u;
        return false;
    }
    core->port.pc = pc;
    core->port.now = now;
    m0_settle_pio(core, now); /* pins are as of now */
    if (is_store) {
        write_register(core, offset, size, *value);
        if (__builtin_expect(core->chip->pio.is_running != 0, 0)) {
            m0_pio_disturb(core, now);
        }
    } else {
        *value = read_register(core, offset, size);
    }
    return true;
}

/* Read callback of uc_mmio_map. */
uint64_t m0_port_read(uc_engine *uc, uint64_t offset, unsigned size, struct m0_core *core)
{
    (void)uc;
    return core->stop == M0_STOP_PORT ? 0 : read_register(core, (uint32_t)offset, size);
}

/* Write callback of uc_mmio_map. */
void m0_port_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, struct m0_core *core)
{
    (void)uc;
    if (core->stop != M0_STOP_PORT) {
        write_register(core, (uint32_t)offset, size, (uint32_t)value);
    }
}
