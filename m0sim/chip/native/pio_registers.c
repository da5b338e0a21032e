/*
 * The registers of the RP2040's two PIO blocks: datasheet, 3.7. The state machines are in pio.c.
 *
 * A load or store brings PIO to its cycle first; a store makes void what was predicted. Python asks for the same
 * functions where it is the one that accesses a register.
 */
#include "pio.h"

/* Offsets. */
enum { CTRL = 0x00, FSTAT = 0x04, FDEBUG = 0x08, FLEVEL = 0x0C, TXF0 = 0x10, RXF0 = 0x20, IRQ = 0x30, IRQ_FORCE = 0x34,
       INPUT_SYNC_BYPASS = 0x38, DBG_PADOUT = 0x3C, DBG_PADOE = 0x40, DBG_CFGINFO = 0x44, INSTR_MEM0 = 0x48,
       SM0_CLKDIV = 0xC8, INTR = 0x128, IRQ0_INTE = 0x12C, IRQ1_INTS = 0x140 };

/* Those of a state machine, from its CLKDIV on; each has six. */
enum { CLKDIV = 0x00, EXECCTRL = 0x04, SHIFTCTRL = 0x08, ADDR = 0x0C, INSTR = 0x10, PINCTRL = 0x14, MACHINE_BYTES = 0x18 };

/* Those of a request line, from its INTE on. */
enum { INTE = 0x00, INTF = 0x04, INTS = 0x08, LINE_BYTES = 0x0C };

/* Bits of FDEBUG; of each the first machine's. */
enum { RXUNDER = 8, TXOVER = 16 };

#define CFGINFO (32u << 16 | 4u << 8 | 4u) /* words of memory, machines, words of a FIFO */
#define INTERRUPTS 0xFFFu

static struct m0_pio_machine *machine_at(struct m0_pio_block *block, uint32_t offset)
{
    return &block->machines[(offset - SM0_CLKDIV) / MACHINE_BYTES];
}

static void note(struct m0_pio_block *block, enum m0_pio_notes what, uint32_t offset, uint32_t pc)
{
    struct m0_pio_note *noted = &block->notes[what];
    if (noted->count++ == 0) {
        noted->offset = offset;
        noted->pc = pc;
    }
}

/* True where a field of an instruction has a value that section 3.4 reserves. */
static bool is_reserved(uint32_t instruction)
{
    uint32_t low = instruction & 31, operation = low >> 3, source = low & 7, middle = instruction >> 5 & 7;
    bool is_flag_reserved = (low & 8) != 0;
    switch (instruction >> 13 & 7) {
    case 1: return (middle & 3) == 3 || ((middle & 3) == 2 && is_flag_reserved);
    case 2: return middle == 4 || middle == 5;
    case 4: return low != 0;
    case 5: return middle == 3 || operation == 3 || source == 4;
    case 6: return middle >= 4 || is_flag_reserved;
    case 7: return middle == 3 || middle > 4;
    default: return false;
    }
}

/* -- FIFOs */

static void join_fifos(struct m0_pio_machine *machine)
{
    bool joins_tx = (machine->shiftctrl & M0_PIO_FJOIN_TX) != 0, joins_rx = (machine->shiftctrl & M0_PIO_FJOIN_RX) != 0;
    machine->tx = (struct m0_pio_fifo){.depth = joins_rx ? 0 : joins_tx ? 8 : 4};
    machine->rx = (struct m0_pio_fifo){.depth = joins_tx ? 0 : joins_rx ? 8 : 4};
}

static uint32_t read_fstat(const struct m0_pio_block *block)
{
    uint32_t word = 0;
    for (uint32_t i = 0; i < 4; i++) {
        const struct m0_pio_fifo *tx = &block->machines[i].tx, *rx = &block->machines[i].rx;
        uint32_t tx_full = tx->count >= tx->depth, rx_full = rx->count >= rx->depth;
        word |= (rx_full | (uint32_t)(rx->count == 0) << 8 | tx_full << 16 | (uint32_t)(tx->count == 0) << 24) << i;
    }
    return word;
}

static uint32_t read_flevel(const struct m0_pio_block *block)
{
    uint32_t word = 0;
    for (uint32_t i = 0; i < 4; i++) {
        word |= (block->machines[i].tx.count | block->machines[i].rx.count << 4) << 8 * i;
    }
    return word;
}

static uint32_t read_rx(struct m0_core *core, uint32_t pc, int64_t now, struct m0_pio_block *block, uint32_t offset)
{
    uint32_t i = (offset - RXF0) / 4;
    struct m0_pio_fifo *rx = &block->machines[i].rx;
    if (rx->count == 0) {
        block->fdebug |= 1u << (RXUNDER + i);
        block->machines[i].counts->read_empty++;
        note(block, M0_PIO_EMPTY, offset, pc);
        return 0;
    }
    m0_pio_settle_machine(&block->machines[i], now);
    uint32_t word = m0_pio_take(rx);
    block->machines[i].counts->read++;
    m0_pio_request(core, now);
    m0_pio_disturb(core, now);
    return word;
}

/* -- loads */

static uint32_t read_machine(const struct m0_pio_block *block, const struct m0_pio_machine *machine, uint32_t which)
{
    switch (which) {
    case CLKDIV: return machine->clkdiv;
    case EXECCTRL: return machine->execctrl | (uint32_t)(machine->forced != M0_NOTHING && machine->is_stalled) << 31;
    case SHIFTCTRL: return machine->shiftctrl;
    case ADDR: return machine->pc;
    case INSTR: return block->memory[machine->pc];
    default: return machine->pinctrl;
    }
}

static uint32_t read_line(const struct m0_pio_block *block, uint32_t line, uint32_t which)
{
    return which == INTE ? block->inte[line] : which == INTF ? block->intf[line] : m0_pio_requests(block, line);
}

/* A register whose loads have no effect. */
static uint32_t peek(const struct m0_core *core, uint32_t number, uint32_t offset)
{
    const struct m0_pio_block *block = &core->chip->pio.blocks[number];
    uint32_t enabled = 0, since;
    if (offset >= SM0_CLKDIV && offset < INTR) {
        const struct m0_pio_machine *machine = &block->machines[(offset - SM0_CLKDIV) / MACHINE_BYTES];
        return read_machine(block, machine, (offset - SM0_CLKDIV) % MACHINE_BYTES);
    }
    if (offset >= IRQ0_INTE && offset <= IRQ1_INTS) {
        since = offset - IRQ0_INTE;
        return read_line(block, since / LINE_BYTES, since % LINE_BYTES);
    }
    switch (offset) {
    case CTRL:
        for (uint32_t i = 0; i < 4; i++) {
            enabled |= block->machines[i].is_enabled << i;
        }
        return enabled;
    case FSTAT: return read_fstat(block);
    case FDEBUG: return block->fdebug;
    case FLEVEL: return read_flevel(block);
    case IRQ: return block->irq;
    case INPUT_SYNC_BYPASS: return block->bypass;
    case DBG_PADOUT: return block->out;
    case DBG_PADOE: return block->oe;
    case DBG_CFGINFO: return CFGINFO;
    case INTR: return m0_pio_interrupts(block);
    default: return 0; /* what can only be written */
    }
}

/* A load of the core's or of a device's at `now`, by the instruction at `pc`. */
uint32_t m0_pio_load(struct m0_core *core, uint32_t pc, int64_t now, uint32_t number, uint32_t offset)
{
    m0_settle_pio(core, now);
    now = core->chip->pio.now > now ? core->chip->pio.now : now;
    if (offset >= RXF0 && offset < IRQ) {
        return read_rx(core, pc, now, &core->chip->pio.blocks[number], offset);
    }
    return peek(core, number, offset);
}

/* -- stores */

/* SM_RESTART: what it clears is listed in table 367. */
static void restart_machine(struct m0_pio_machine *machine)
{
    machine->isr = machine->isr_count = machine->delay = machine->waits_irq = machine->is_stalled = 0;
    machine->osr_count = 32;
    machine->forced = machine->latched = M0_NOTHING;
    machine->sticky_mask = 0;
}

static void restart_divider(struct m0_pio_machine *machine, int64_t now)
{
    machine->pulse = now;
    machine->fraction = machine->carry = 0;
}

static void enable(struct m0_pio_machine *machine, uint32_t is_enabled, int64_t now)
{
    machine->counts->enabled += machine->is_enabled != 0 ? now - machine->counts->since : 0;
    machine->counts->since = now;
    machine->is_enabled = is_enabled;
}

static void write_ctrl(struct m0_pio_block *block, uint32_t value, int64_t now)
{
    for (uint32_t i = 0; i < 4; i++) {
        struct m0_pio_machine *machine = &block->machines[i];
        if ((value >> (4 + i) & 1) != 0) {
            restart_machine(machine);
        }
        if ((value >> (8 + i) & 1) != 0) {
            restart_divider(machine, now);
        }
        enable(machine, value >> i & 1, now);
    }
}

static void note_instruction(struct m0_pio_block *block, uint32_t instruction, uint32_t offset, uint32_t pc)
{
    if (is_reserved(instruction)) {
        note(block, M0_PIO_RESERVED, offset, pc);
    }
}

static void write_machine(struct m0_pio_block *block, uint32_t offset, uint32_t value, uint32_t pc)
{
    struct m0_pio_machine *machine = machine_at(block, offset);
    uint32_t joined = machine->shiftctrl;
    switch ((offset - SM0_CLKDIV) % MACHINE_BYTES) {
    case CLKDIV:
        machine->clkdiv = value & 0xFFFFFF00; /* from the next pulse on */
        if (machine->clkdiv >> 16 == 0 && machine->clkdiv != 0) {
            note(block, M0_PIO_DIVIDER, offset, pc);
        }
        break;
    case EXECCTRL:
        machine->execctrl = value & 0x7FFFFF9F;
        machine->sticky_mask = (value & M0_PIO_OUT_STICKY) != 0 ? machine->sticky_mask : 0;
        break;
    case SHIFTCTRL:
        machine->shiftctrl = value & 0xFFFF0000;
        if (((machine->shiftctrl ^ joined) & (M0_PIO_FJOIN_TX | M0_PIO_FJOIN_RX)) != 0) {
            join_fifos(machine);
        }
        break;
    case INSTR:
        note_instruction(block, value & 0xFFFF, offset, pc);
        machine->forced = value & 0xFFFF; /* the machine executes it in this very cycle */
        machine->is_stalled = 0;
        break;
    case PINCTRL: machine->pinctrl = value; break;
    default: break; /* ADDR is read-only */
    }
}

static void write_tx(struct m0_pio_block *block, uint32_t i, uint32_t value)
{
    struct m0_pio_fifo *tx = &block->machines[i].tx;
    if (tx->count < tx->depth) {
        m0_pio_put(tx, value);
        block->machines[i].counts->written++;
    } else {
        block->fdebug |= 1u << (TXOVER + i);
        block->machines[i].counts->written_full++;
    }
}

static void write_line(struct m0_pio_block *block, uint32_t since, uint32_t value)
{
    uint32_t which = since % LINE_BYTES;
    if (which != INTS) {
        *(which == INTE ? &block->inte[since / LINE_BYTES] : &block->intf[since / LINE_BYTES]) = value & INTERRUPTS;
    }
}

static void write_register(struct m0_pio_block *block, uint32_t offset, uint32_t value, uint32_t pc, int64_t now)
{
    if (offset >= IRQ0_INTE && offset <= IRQ1_INTS) {
        write_line(block, offset - IRQ0_INTE, value);
    } else if (offset >= SM0_CLKDIV && offset < INTR) {
        write_machine(block, offset, value, pc);
    } else if (offset >= INSTR_MEM0 && offset < SM0_CLKDIV) {
        note_instruction(block, value & 0xFFFF, offset, pc);
        block->memory[(offset - INSTR_MEM0) / 4] = value & 0xFFFF;
    } else if (offset >= TXF0 && offset < RXF0) {
        write_tx(block, (offset - TXF0) / 4, value);
    } else if (offset == CTRL) {
        write_ctrl(block, value, now);
    } else if (offset == FDEBUG) {
        block->fdebug &= ~value;
    } else if (offset == IRQ) {
        block->irq &= ~value;
    } else if (offset == IRQ_FORCE) {
        block->irq |= value & 0xFF;
    } else if (offset == INPUT_SYNC_BYPASS) {
        block->bypass = value;
    }
}

static void settle_machines(struct m0_pio_block *block, int64_t now)
{
    for (uint32_t i = 0; i < 4; i++) {
        m0_pio_settle_machine(&block->machines[i], now);
    }
}

/* What holds for both blocks and follows from their registers. */
static void look_again(struct m0_core *core, int64_t now)
{
    struct m0_pio *pio = &core->chip->pio;
    pio->now = pio->now > now ? pio->now : now;
    m0_pio_show(pio, now);
    m0_pio_request(core, now);
    m0_pio_disturb(core, now);
}

/* A store to the register itself, alias 0, or to one of its aliases: 1 flips bits, 2 sets and 3 clears them. */
void m0_pio_store(struct m0_core *core, uint32_t pc, int64_t now, uint32_t number, uint32_t offset, uint32_t alias,
                  uint32_t value)
{
    struct m0_pio_block *block = &core->chip->pio.blocks[number];
    m0_settle_pio(core, now);
    now = core->chip->pio.now > now ? core->chip->pio.now : now; /* a device that is told late finds PIO in the present */
    if (core->chip->pio.is_used == 0) {
        core->chip->pio.is_used = 1;
        m0_pins(core)->is_sampled = m0_pins(core)->is_news = 1;
        core->system.attention |= core->system.is_on; /* Python is to know */
        m0_begin_inputs(m0_pins(core), now);
    }
    settle_machines(block, now);
    if (alias != 0 && offset != FDEBUG && offset != IRQ) { /* those clear the bits that are stored, by any alias */
        uint32_t old = peek(core, number, offset);
        value = alias == 1 ? old ^ value : alias == 2 ? old | value : old & ~value;
    }
    write_register(block, offset, value, pc, now);
    look_again(core, now);
}

/* True where an access was made; false where Python knows what to do: a block in reset, and where no register is. */
bool m0_access_pio(struct m0_core *core, uint32_t pc, int64_t now, uint32_t address, uint32_t size, bool is_store,
                   uint32_t *value)
{
    uint32_t since = address - M0_PIO_BASE, number = since / M0_PIO_STRIDE, at = since % M0_PIO_STRIDE;
    uint32_t offset = at & 0xFFC, alias = at >> 12;
    if (alias > 3 || offset > IRQ1_INTS || core->chip->pio.blocks[number].is_on == 0) {
        return false;
    }
    if (!is_store) {
        *value = m0_pio_load(core, pc, now, number, offset) >> 8 * (at & 3) & 0xFFFFFFFF >> (32 - 8 * size);
        return true;
    }
    uint32_t repeat = size == 1 ? 0x01010101 : size == 2 ? 0x00010001 : 1; /* 2.1.4: narrow stores in all lanes */
    uint32_t word = (*value & 0xFFFFFFFF >> (32 - 8 * size)) * repeat;
    m0_pio_store(core, pc, now, number, offset, alias, word);
    return true;
}

/* All that was counted is counted up to a cycle, to which the block has come. */
static void settle_counts(struct m0_pio_block *block, int64_t now)
{
    settle_machines(block, now);
    for (uint32_t i = 0; i < 4; i++) {
        enable(&block->machines[i], block->machines[i].is_enabled, now);
    }
}

/* A block as a reset leaves it, and whether it is held there. */
void m0_pio_reset(struct m0_core *core, uint32_t number, bool is_held, int64_t now)
{
    struct m0_pio *pio = &core->chip->pio;
    struct m0_pio_block *block = &pio->blocks[number];
    m0_settle_pio(core, now);
    if (pio->is_there != 0) {
        settle_counts(block, pio->now > now ? pio->now : now);
    }
    struct m0_pio_block fresh = {.is_on = !is_held};
    for (uint32_t i = 0; i < M0_PIO_NOTES; i++) {
        fresh.notes[i] = block->notes[i];
    }
    for (uint32_t i = 0; i < 4; i++) {
        struct m0_pio_machine *machine = &fresh.machines[i];
        machine->shown = block->machines[i].shown;
        machine->counts = &core->chip->pio_counts[4 * number + i];
        machine->clkdiv = 0x00010000;
        machine->execctrl = 0x0001F000;
        machine->shiftctrl = 0x000C0000;
        machine->pinctrl = 0x14000000;
        restart_machine(machine);
        restart_divider(machine, now);
        join_fifos(machine);
    }
    *block = fresh;
    if (pio->is_there == 0) {
        pio->is_there = 1;
        pio->sticky_at = M0_NEVER;
        for (uint32_t i = 0; i < 4; i++) {
            pio->blocks[1 - number].machines[i] = block->machines[i]; /* nothing of it is due, until it is reset too */
            pio->blocks[1 - number].machines[i].counts = &core->chip->pio_counts[4 * (1 - number) + i];
        }
    }
    m0_update_pins(core, now);
    look_again(core, now);
}

/* For Python: bring PIO to the present. */
void m0_pio_settle(struct m0_core *core, int64_t now)
{
    m0_settle_pio(core, now);
}

/* The same with all that is counted of its machines. */
void m0_pio_settle_counts(struct m0_core *core, int64_t now)
{
    struct m0_pio *pio = &core->chip->pio;
    m0_settle_pio(core, now);
    for (uint32_t i = 0; i < 2 && pio->is_there != 0; i++) {
        settle_counts(&pio->blocks[i], pio->now > now ? pio->now : now);
    }
}
