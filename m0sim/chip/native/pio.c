/*
 * The state machines of the RP2040's two PIO blocks, cycle by cycle.
 *
 * PIO runs beside the core, and nobody sees it until somebody looks: at its registers, at pins, at an interrupt. So it
 * is left behind, and brought to the present (m0_pio_advance) whenever the core or a device looks. Where something of
 * it would have to be seen at once, an interrupt or a watched pin, a copy runs ahead to find out when that will be
 * (m0_pio_due), and the core stops there. A store to PIO, or another level at a pin, makes that void.
 *
 * Time: state "at cycle n" is what cycle n begins with. What the core does in cycle n comes before what the machines do
 * in it, and what these do is there at n + 1: pins have their new levels, FIFOs their words, flags are set.
 *
 * Within a cycle the machines see what it began with, whatever the others do in it; only then are their writes put
 * together. A machine has something to do at the pulses of its divider. Cycles in which nobody has are skipped, and so
 * are pulses of a machine that waits, as long as nothing changes that it could wait for.
 *
 * Source: RP2040 datasheet, chapter 3; sections stand beside what they say. What it leaves open is in docs/firmware.md.
 */
#include "pio.h"

enum { PINS_MASK = 0x3FFFFFFF, FULL = 32 };

/* Instructions by their three highest bits: table 365. */
enum { JMP, WAIT, IN, OUT, PUSH_PULL, MOV, IRQ, SET };

/* The shortest and the longest time that a copy runs ahead. */
enum { AHEAD_LEAST = 64, AHEAD_MOST = 1 << 16 };

#define EXECCTRL_SIDE_EN (1u << 30)
#define EXECCTRL_SIDE_PINDIR (1u << 29)
#define EXECCTRL_INLINE_OUT_EN (1u << 18)
#define EXECCTRL_STATUS_RX (1u << 4)
#define SHIFTCTRL_IN_RIGHT (1u << 18)
#define SHIFTCTRL_OUT_RIGHT (1u << 19)

/* How an instruction ended. */
enum outcome { NEXT, JUMPED, STALLED };

/* Writes to the outputs or to the directions of pins. */
struct writes {
    uint32_t mask;
    uint32_t value;
};

/* One cycle of one block. */
struct cycle {
    struct m0_pio_block *block;
    uint32_t inputs;        /* of all pins, behind the synchronisers */
    struct writes out;      /* what all machines write together, */
    struct writes oe;
    uint32_t irq_set;
    uint32_t irq_cleared;
    /* and of the machine that executes: */
    struct m0_pio_machine *machine;
    uint32_t index;
    bool leaves_exec;       /* OUT EXEC or MOV EXEC: no delay */
    bool is_filled;         /* OUT that waits for no more than the next cycle */
    bool moves_words;       /* a FIFO has another level than it had */
    enum m0_pio_doing waits; /* for what, where it stalls */
};

static uint32_t field(uint32_t word, uint32_t low, uint32_t bits)
{
    return word >> low & ((1u << bits) - 1);
}

static uint32_t low_bits(uint32_t count)
{
    return count >= 32 ? 0xFFFFFFFF : (1u << count) - 1;
}

static uint32_t rotated_left(uint32_t value, uint32_t by)
{
    return value << (by & 31) | value >> (-by & 31);
}

/* -- FIFOs: 3.2.3.5, 3.5.3 */

void m0_pio_put(struct m0_pio_fifo *fifo, uint32_t word)
{
    fifo->words[(fifo->first + fifo->count++) & 7] = word;
}

uint32_t m0_pio_take(struct m0_pio_fifo *fifo)
{
    uint32_t word = fifo->words[fifo->first];
    fifo->first = (fifo->first + 1) & 7;
    fifo->count--;
    return word;
}

static enum outcome wait_for(struct cycle *cycle, enum m0_pio_doing what)
{
    cycle->waits = what;
    return STALLED;
}

/* Bits of FDEBUG: a machine found a FIFO empty, or full. */
static void note_stall(struct cycle *cycle, uint32_t shift)
{
    cycle->block->fdebug |= 1u << (shift + cycle->index);
}

enum { RXSTALL = 0, TXSTALL = 24 };

static enum outcome wait_for_room(struct cycle *cycle)
{
    note_stall(cycle, RXSTALL);
    return wait_for(cycle, M0_PIO_WAITS_RX);
}

static enum outcome wait_for_words(struct cycle *cycle)
{
    note_stall(cycle, TXSTALL);
    return wait_for(cycle, M0_PIO_WAITS_TX);
}

/* -- dividers: 3.5.5. A period has the integer's cycles, and one more where the sum of the fractions of those before
   has come over a whole when the last one ended */

static uint32_t whole_cycles(const struct m0_pio_machine *machine)
{
    uint32_t whole = machine->clkdiv >> 16;
    return whole == 0 ? 0x10000 : whole;
}

/* The cycle of the pulse that is `count` behind the next one. */
static int64_t pulse_after(const struct m0_pio_machine *machine, int64_t count)
{
    if (count == 0) {
        return machine->pulse;
    }
    int64_t fractions = machine->fraction + (count - 1) * field(machine->clkdiv, 8, 8);
    return machine->pulse + count * whole_cycles(machine) + machine->carry + (fractions >> 8);
}

static void pass_pulses(struct m0_pio_machine *machine, int64_t count)
{
    if (count == 0) {
        return;
    }
    int64_t each = field(machine->clkdiv, 8, 8);
    int64_t before = machine->fraction + (count - 1) * each, after = before + each;
    machine->pulse = pulse_after(machine, count);
    machine->carry = (uint32_t)((after >> 8) - (before >> 8));
    machine->fraction = (uint32_t)(after & 255);
}

/* How many pulses are before a cycle. */
static int64_t pulses_before(const struct m0_pio_machine *machine, int64_t cycle)
{
    if (machine->pulse >= cycle) {
        return 0;
    }
    if (machine->clkdiv == 0x10000 && machine->carry == 0) {
        return cycle - machine->pulse;
    }
    int64_t divisor = (int64_t)whole_cycles(machine) << 8 | field(machine->clkdiv, 8, 8);
    int64_t count = (cycle - machine->pulse) * 256 / divisor;
    while (count > 0 && pulse_after(machine, count - 1) >= cycle) {
        count--;
    }
    while (pulse_after(machine, count) < cycle) {
        count++;
    }
    return count;
}

/* Let the divider come to `now`. Pulses in which nothing happened were those of a delay, or of nothing at all. */
void m0_pio_settle_machine(struct m0_pio_machine *machine, int64_t now)
{
    int64_t passed = pulses_before(machine, now);
    if (machine->is_enabled != 0 && machine->is_stalled == 0) {
        uint32_t delayed = (int64_t)machine->delay < passed ? machine->delay : (uint32_t)passed;
        machine->delay -= delayed;
        machine->counts->steps[M0_PIO_DELAYS] += delayed;
    } else if (machine->is_enabled != 0) {
        machine->counts->steps[machine->is_stalled] += passed;
    }
    pass_pulses(machine, passed);
}

/* -- pins: 3.5.6 */

/* A write of the machine's to some pins; one that is behind it in the cycle is stronger. */
static void write_pins(struct cycle *cycle, bool is_oe, uint32_t mask, uint32_t value)
{
    struct writes *writes = is_oe ? &cycle->oe : &cycle->out;
    writes->mask |= mask;
    writes->value = (writes->value & ~mask) | (value & mask);
}

/* OUT, SET or MOV to pins: `count` of them from `base` on. */
static void set_pins(struct cycle *cycle, bool is_oe, uint32_t base, uint32_t count, uint32_t value, bool is_enabled)
{
    struct m0_pio_machine *machine = cycle->machine;
    uint32_t mask = is_enabled ? rotated_left(low_bits(count), base) & PINS_MASK : 0;
    value = rotated_left(value, base);
    if ((machine->execctrl & M0_PIO_OUT_STICKY) != 0) {
        machine->sticky_mask = mask;
        machine->sticky = value;
        machine->sticky_oe = is_oe;
    }
    write_pins(cycle, is_oe, mask, value);
}

/* With OUT_STICKY the newest OUT, SET or MOV to pins is written in each cycle. */
static void hold_pins(struct cycle *cycle)
{
    const struct m0_pio_machine *machine = cycle->machine;
    if (machine->sticky_mask != 0) {
        write_pins(cycle, machine->sticky_oe != 0, machine->sticky_mask, machine->sticky);
    }
}

/* OUT and MOV: with INLINE_OUT_EN a bit of the data says whether they write at all. */
static void out_pins(struct cycle *cycle, bool is_oe, uint32_t value)
{
    const struct m0_pio_machine *machine = cycle->machine;
    bool is_enabled = (machine->execctrl & EXECCTRL_INLINE_OUT_EN) == 0 ||
                      (value >> field(machine->execctrl, 19, 5) & 1) != 0;
    set_pins(cycle, is_oe, field(machine->pinctrl, 0, 5), field(machine->pinctrl, 20, 6), value, is_enabled);
}

static bool is_side_oe(const struct m0_pio_machine *machine)
{
    return (machine->execctrl & EXECCTRL_SIDE_PINDIR) != 0;
}

/* 3.5.1: find out what side-set writes. Returns the delay that the instruction has. */
static uint32_t side_set(struct cycle *cycle, uint32_t instruction)
{
    struct m0_pio_machine *machine = cycle->machine;
    uint32_t count = field(machine->pinctrl, 29, 3), bits = field(instruction, 8, 5);
    count = count > 5 ? 5 : count;
    uint32_t delay = bits & low_bits(5 - count), data = bits >> (5 - count);
    machine->side_mask = 0;
    if (count != 0 && (machine->execctrl & EXECCTRL_SIDE_EN) != 0) {
        count--;
        if ((data >> count & 1) == 0) {
            return delay;
        }
    }
    uint32_t base = field(machine->pinctrl, 10, 5);
    machine->side_mask = rotated_left(low_bits(count), base) & PINS_MASK;
    machine->side = rotated_left(data & low_bits(count), base);
    return delay;
}

/* Input pins, IN_BASE first: 3.5.6.2. */
static uint32_t mapped_inputs(const struct cycle *cycle)
{
    return rotated_left(cycle->inputs, 0 - field(cycle->machine->pinctrl, 15, 5));
}

/* -- shifting: 3.5.4 */

static uint32_t threshold(uint32_t shiftctrl, uint32_t low)
{
    uint32_t bits = field(shiftctrl, low, 5);
    return bits == 0 ? FULL : bits;
}

static bool is_osr_empty(const struct m0_pio_machine *machine)
{
    return machine->osr_count >= threshold(machine->shiftctrl, 25);
}

/* The OSR is to be filled again, and can be. */
static bool refills(const struct m0_pio_machine *machine)
{
    return (machine->shiftctrl & M0_PIO_AUTOPULL) != 0 && machine->tx.count != 0 && is_osr_empty(machine);
}

static void pull(struct cycle *cycle)
{
    struct m0_pio_machine *machine = cycle->machine;
    cycle->moves_words = true;
    machine->counts->pulled++;
    machine->osr = m0_pio_take(&machine->tx);
    machine->osr_count = 0;
}

static void push(struct cycle *cycle, uint32_t word)
{
    m0_pio_put(&cycle->machine->rx, word);
    cycle->machine->counts->pushed++;
    cycle->moves_words = true;
}

static uint32_t shifted_count(uint32_t count, uint32_t by)
{
    return count + by > FULL ? FULL : count + by;
}

static uint32_t shift_out(struct m0_pio_machine *machine, uint32_t count)
{
    uint64_t osr = machine->osr;
    machine->osr_count = shifted_count(machine->osr_count, count);
    if ((machine->shiftctrl & SHIFTCTRL_OUT_RIGHT) != 0) {
        machine->osr = (uint32_t)(osr >> count);
        return (uint32_t)osr & low_bits(count);
    }
    machine->osr = (uint32_t)(osr << count);
    return (uint32_t)(osr >> (32 - count));
}

static uint32_t shifted_in(const struct m0_pio_machine *machine, uint32_t value, uint32_t count)
{
    uint64_t isr = machine->isr, bits = value & low_bits(count);
    if ((machine->shiftctrl & SHIFTCTRL_IN_RIGHT) != 0) {
        return (uint32_t)(isr >> count | bits << (32 - count));
    }
    return (uint32_t)(isr << count | bits);
}

static uint32_t bit_count(uint32_t instruction)
{
    uint32_t count = field(instruction, 0, 5);
    return count == 0 ? 32 : count;
}

/* -- instructions: 3.4 */

static enum outcome jump(struct m0_pio_machine *machine, uint32_t target)
{
    machine->pc = target & 31;
    return JUMPED;
}

static enum outcome do_jmp(struct cycle *cycle, uint32_t instruction)
{
    struct m0_pio_machine *machine = cycle->machine;
    bool is_taken;
    switch (field(instruction, 5, 3)) {
    case 0: is_taken = true; break;
    case 1: is_taken = machine->x == 0; break;
    case 2: is_taken = machine->x-- != 0; break;
    case 3: is_taken = machine->y == 0; break;
    case 4: is_taken = machine->y-- != 0; break;
    case 5: is_taken = machine->x != machine->y; break;
    case 6: is_taken = (cycle->inputs >> field(machine->execctrl, 24, 5) & 1) != 0; break;
    default: is_taken = !is_osr_empty(machine);
    }
    return is_taken ? jump(machine, instruction) : NEXT;
}

/* The flag that IRQ and WAIT IRQ mean: with bit 4, one that depends on the machine. */
static uint32_t irq_flag(const struct cycle *cycle, uint32_t instruction)
{
    uint32_t low = instruction & 3;
    low = (instruction & 16) != 0 ? (low + cycle->index) & 3 : low;
    return 1u << ((instruction & 4) | low);
}

static enum outcome do_wait(struct cycle *cycle, uint32_t instruction)
{
    uint32_t index = field(instruction, 0, 5);
    bool wanted = (instruction & 0x80) != 0, found;
    switch (field(instruction, 5, 2)) {
    case 0: found = (cycle->inputs >> index & 1) != 0; break;
    case 1: found = (mapped_inputs(cycle) >> index & 1) != 0; break;
    case 2: found = (cycle->block->irq & irq_flag(cycle, instruction)) != 0; break;
    default: return NEXT; /* reserved */
    }
    if (found != wanted) {
        return wait_for(cycle, field(instruction, 5, 2) == 2 ? M0_PIO_WAITS_FLAG : M0_PIO_WAITS_PIN);
    }
    if (field(instruction, 5, 2) == 2 && wanted) {
        cycle->irq_cleared |= irq_flag(cycle, instruction);
    }
    return NEXT;
}

static enum outcome do_in(struct cycle *cycle, uint32_t instruction)
{
    struct m0_pio_machine *machine = cycle->machine;
    uint32_t count = bit_count(instruction), value = 0; /* NULL, and what is reserved */
    switch (field(instruction, 5, 3)) {
    case 0: value = mapped_inputs(cycle); break;
    case 1: value = machine->x; break;
    case 2: value = machine->y; break;
    case 6: value = machine->isr; break;
    case 7: value = machine->osr; break;
    default: break;
    }
    uint32_t isr = shifted_in(machine, value, count), shifted = shifted_count(machine->isr_count, count);
    if ((machine->shiftctrl & M0_PIO_AUTOPUSH) != 0 && shifted >= threshold(machine->shiftctrl, 20)) {
        if (machine->rx.count >= machine->rx.depth) {
            return wait_for_room(cycle);
        }
        push(cycle, isr);
        isr = shifted = 0;
    }
    machine->isr = isr;
    machine->isr_count = shifted;
    return NEXT;
}

static enum outcome leave_exec(struct cycle *cycle, uint32_t instruction)
{
    cycle->machine->latched = instruction & 0xFFFF;
    cycle->leaves_exec = true;
    return NEXT;
}

static enum outcome do_out(struct cycle *cycle, uint32_t instruction)
{
    struct m0_pio_machine *machine = cycle->machine;
    bool is_auto = (machine->shiftctrl & M0_PIO_AUTOPULL) != 0;
    if (is_auto && is_osr_empty(machine)) {
        if (machine->tx.count == 0) {
            return wait_for_words(cycle);
        }
        pull(cycle);
        cycle->is_filled = true;
        return wait_for(cycle, M0_PIO_FILLS);
    }
    enum outcome outcome = NEXT;
    uint32_t count = bit_count(instruction), value = shift_out(machine, count);
    switch (field(instruction, 5, 3)) {
    case 0: out_pins(cycle, false, value); break;
    case 1: machine->x = value; break;
    case 2: machine->y = value; break;
    case 3: break;
    case 4: out_pins(cycle, true, value); break;
    case 5: outcome = jump(machine, value); break;
    case 6:
        machine->isr = value;
        machine->isr_count = count;
        break;
    default: outcome = leave_exec(cycle, value);
    }
    if (refills(machine)) {
        pull(cycle);
    }
    return outcome;
}

static enum outcome do_push(struct cycle *cycle, uint32_t instruction)
{
    struct m0_pio_machine *machine = cycle->machine;
    bool if_full = (instruction & 0x40) != 0, blocks = (instruction & 0x20) != 0;
    if (if_full && machine->isr_count < threshold(machine->shiftctrl, 20)) {
        return NEXT;
    }
    if (machine->rx.count < machine->rx.depth) {
        push(cycle, machine->isr);
    } else if (blocks) {
        return wait_for_room(cycle);
    } else {
        note_stall(cycle, RXSTALL);
        machine->counts->pushed_full++;
    }
    machine->isr = machine->isr_count = 0;
    return NEXT;
}

static enum outcome do_pull(struct cycle *cycle, uint32_t instruction)
{
    struct m0_pio_machine *machine = cycle->machine;
    bool if_empty = (instruction & 0x40) != 0, blocks = (instruction & 0x20) != 0;
    bool is_full = (machine->shiftctrl & M0_PIO_AUTOPULL) != 0 && machine->osr_count == 0;
    if (is_full || (if_empty && !is_osr_empty(machine))) {
        return NEXT;
    }
    if (machine->tx.count != 0) {
        pull(cycle);
    } else if (blocks) {
        return wait_for_words(cycle);
    } else {
        machine->osr = machine->x;
        machine->osr_count = 0;
    }
    return NEXT;
}

static uint32_t reversed(uint32_t value)
{
    return __builtin_bitreverse32(value);
}

static uint32_t status(const struct m0_pio_machine *machine)
{
    uint32_t level = (machine->execctrl & EXECCTRL_STATUS_RX) != 0 ? machine->rx.count : machine->tx.count;
    return level < field(machine->execctrl, 0, 4) ? 0xFFFFFFFF : 0;
}

static enum outcome do_mov(struct cycle *cycle, uint32_t instruction)
{
    struct m0_pio_machine *machine = cycle->machine;
    uint32_t value = 0, operation = field(instruction, 3, 2);
    switch (field(instruction, 0, 3)) {
    case 0: value = mapped_inputs(cycle); break;
    case 1: value = machine->x; break;
    case 2: value = machine->y; break;
    case 5: value = status(machine); break;
    case 6: value = machine->isr; break;
    case 7: value = machine->osr; break;
    default: break;
    }
    value = operation == 1 ? ~value : operation == 2 ? reversed(value) : value;
    switch (field(instruction, 5, 3)) {
    case 0: out_pins(cycle, false, value); break;
    case 1: machine->x = value; break;
    case 2: machine->y = value; break;
    case 4: return leave_exec(cycle, value);
    case 5: return jump(machine, value);
    case 6:
        machine->isr = value;
        machine->isr_count = 0;
        break;
    case 7:
        machine->osr = value;
        machine->osr_count = 0;
        break;
    default: break;
    }
    return NEXT;
}

static enum outcome do_irq(struct cycle *cycle, uint32_t instruction)
{
    struct m0_pio_machine *machine = cycle->machine;
    uint32_t flag = irq_flag(cycle, instruction);
    if ((instruction & 0x40) != 0) {
        cycle->irq_cleared |= flag;
        return NEXT;
    }
    if ((instruction & 0x20) == 0) {
        cycle->irq_set |= flag;
        return NEXT;
    }
    if (machine->waits_irq == 0) {
        cycle->irq_set |= flag;
        machine->waits_irq = 1;
        return wait_for(cycle, M0_PIO_WAITS_CLEAR);
    }
    if ((cycle->block->irq & flag) != 0) {
        return wait_for(cycle, M0_PIO_WAITS_CLEAR);
    }
    machine->waits_irq = 0;
    return NEXT;
}

static enum outcome do_set(struct cycle *cycle, uint32_t instruction)
{
    struct m0_pio_machine *machine = cycle->machine;
    uint32_t data = field(instruction, 0, 5), destination = field(instruction, 5, 3);
    switch (destination) {
    case 0: case 4:
        set_pins(cycle, destination == 4, field(machine->pinctrl, 5, 5), field(machine->pinctrl, 26, 3), data, true);
        break;
    case 1: machine->x = data; break;
    case 2: machine->y = data; break;
    default: break;
    }
    return NEXT;
}

static enum outcome execute(struct cycle *cycle, uint32_t instruction)
{
    enum outcome outcome;
    switch (instruction >> 13) {
    case JMP: outcome = do_jmp(cycle, instruction); break;
    case WAIT: outcome = do_wait(cycle, instruction); break;
    case IN: outcome = do_in(cycle, instruction); break;
    case OUT: return do_out(cycle, instruction);
    case PUSH_PULL:
        outcome = (instruction & 0x80) != 0 ? do_pull(cycle, instruction) : do_push(cycle, instruction);
        break;
    case MOV: outcome = do_mov(cycle, instruction); break;
    case IRQ: outcome = do_irq(cycle, instruction); break;
    default: outcome = do_set(cycle, instruction);
    }
    if (refills(cycle->machine)) {
        pull(cycle); /* 3.5.4.2: whatever is no OUT */
    }
    return outcome;
}

/* -- a machine */

/* 3.5.2: where control goes from an instruction of the memory that does not jump. */
static void go_on(struct m0_pio_machine *machine)
{
    bool wraps = machine->pc == field(machine->execctrl, 12, 5);
    machine->pc = wraps ? field(machine->execctrl, 7, 5) : (machine->pc + 1) & 31;
}

/* Execute an instruction from wherever it came: 3.5.7. */
static void execute_next(struct cycle *cycle)
{
    struct m0_pio_machine *machine = cycle->machine;
    bool is_forced = machine->forced != M0_NOTHING, is_latched = !is_forced && machine->latched != M0_NOTHING;
    uint32_t instruction = is_forced    ? machine->forced
                           : is_latched ? machine->latched
                                        : cycle->block->memory[machine->pc];
    uint32_t delay = side_set(cycle, instruction), latched = machine->latched;
    cycle->leaves_exec = cycle->is_filled = false;
    enum outcome outcome = execute(cycle, instruction);
    hold_pins(cycle);
    write_pins(cycle, is_side_oe(machine), machine->side_mask, machine->side);
    machine->is_stalled = outcome == STALLED ? cycle->waits : 0;
    if (outcome == STALLED) {
        machine->latched = is_forced ? M0_NOTHING : latched; /* there is one place for both */
        return;
    }
    if (is_forced) {
        machine->forced = M0_NOTHING;
        return;
    }
    if (is_latched && !cycle->leaves_exec) {
        machine->latched = M0_NOTHING;
    }
    if (!is_latched && outcome == NEXT) {
        go_on(machine);
    }
    machine->delay = cycle->leaves_exec ? 0 : delay;
}

/* What a machine that has something to do in cycle `now` does. */
static void step(struct cycle *cycle, int64_t now)
{
    struct m0_pio_machine *machine = cycle->machine;
    bool idles = machine->forced == M0_NOTHING && machine->delay != 0;
    enum m0_pio_doing doing = M0_PIO_DELAYS;
    if (idles && machine->pulse == now) { /* in the midst of a delay, to fill the OSR: else nobody had come here */
        machine->delay--;
        hold_pins(cycle);
        if (refills(machine)) {
            pull(cycle);
        }
    } else {
        if (idles) {
            machine->counts->steps[M0_PIO_DELAYS] += machine->delay;
            pass_pulses(machine, machine->delay);
            machine->delay = 0;
        }
        execute_next(cycle);
        machine->tried = cycle->is_filled ? -1 : now;
        doing = machine->is_stalled;
    }
    if (machine->pulse == now) {
        machine->counts->steps[doing] += machine->is_enabled;
        pass_pulses(machine, 1);
    }
}

/* The cycle from `now` on in which a machine has something to do, as things are; M0_NEVER if there is none. */
static int64_t due_of(struct m0_pio_machine *machine, int64_t now, int64_t settled_at)
{
    if (machine->is_stalled != 0 && machine->tried >= settled_at) { /* as often as it tries, it finds the same */
        return M0_NEVER;
    }
    if (machine->pulse < now && machine->is_stalled != 0) {
        m0_pio_settle_machine(machine, now);
    }
    if (machine->forced != M0_NOTHING) {
        return now; /* it waits for no pulse */
    }
    if (machine->is_enabled == 0) {
        return M0_NEVER;
    }
    return refills(machine) ? machine->pulse : pulse_after(machine, machine->delay);
}

/* -- interrupts and requests: 3.7, INTR */

uint32_t m0_pio_interrupts(const struct m0_pio_block *block)
{
    uint32_t raw = (block->irq & 15) << 8;
    for (uint32_t i = 0; i < 4; i++) {
        const struct m0_pio_machine *machine = &block->machines[i];
        raw |= (uint32_t)(machine->rx.count != 0) << i | (uint32_t)(machine->tx.count < machine->tx.depth) << (4 + i);
    }
    return raw;
}

/* IRQ0_INTS or IRQ1_INTS. */
uint32_t m0_pio_requests(const struct m0_pio_block *block, uint32_t line)
{
    return (m0_pio_interrupts(block) & block->inte[line]) | block->intf[line];
}

/* Four request lines, the first block's first. */
static uint32_t lines_of(const struct m0_pio *pio)
{
    uint32_t lines = 0;
    for (uint32_t i = 0; i < 4; i++) {
        lines |= (uint32_t)(m0_pio_requests(&pio->blocks[i >> 1], i & 1) != 0) << i;
    }
    return lines;
}

/* By number, table 120: TX of the four machines and RX of the four, of both blocks. */
uint32_t m0_pio_dreqs(const struct m0_pio *pio)
{
    uint32_t dreqs = 0;
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t raw = m0_pio_interrupts(&pio->blocks[i]);
        dreqs |= ((raw >> 4 & 15) | (raw & 15) << 4) << 8 * i;
    }
    return dreqs;
}

/* Python hears once of each DREQ that it waits for. */
void m0_pio_look_at_dreqs(struct m0_pio *pio)
{
    if (pio->dreq_watched != 0) {
        uint32_t news = m0_pio_dreqs(pio) & pio->dreq_watched;
        pio->news |= news;
        pio->dreq_watched &= ~news;
    }
}

static void tell(struct m0_core *core, uint32_t lines, uint32_t changed, int64_t now)
{
    enum { PIO0_IRQ_0 = 7 };
    for (; changed != 0; changed &= changed - 1) {
        uint32_t i = (uint32_t)__builtin_ctz(changed), bit = 1u << (PIO0_IRQ_0 + i);
        if ((lines >> i & 1) != 0) {
            m0_pend(core, EXCEPTION_INTERRUPT + PIO0_IRQ_0 + i, now);
        }
        core->system.lines = (lines >> i & 1) != 0 ? core->system.lines | bit : core->system.lines & ~bit;
        core->system.attention = 1;
    }
}

/* Tell the NVIC of each core how the request lines are at `now`. */
void m0_pio_request(struct m0_core *core, int64_t now)
{
    struct m0_core *running = core->chip->running, *other = running->other;
    uint32_t lines = lines_of(&core->chip->pio), changed = lines ^ core->chip->pio.lines;
    core->chip->pio.lines = lines;
    tell(running, lines, changed, now);
    if (other != NULL && changed != 0) {
        m0_involve(running, other, now);
        tell(other, lines, changed, now);
    }
}

/* -- both blocks */

/* What is run: the machines, and the pins that they see and drive. */
struct world {
    struct m0_core *core;
    struct m0_pio *pio;
    struct m0_pins *pins;
    bool is_ahead; /* copies of both: nothing but them changes */
    bool is_heard;    /* requests may have to be told */
    bool stops_at_news;
    bool is_idle;     /* after `run`: nothing comes until somebody does something */
    uint32_t live;    /* machines that may have something to do, the first block's first */
};

/* What changed in a cycle. */
enum { CHANGED_PINS = 1, CHANGED_REQUESTS = 2 };

M0_INLINE struct m0_pio_machine *machine_at(const struct m0_pio *pio, uint32_t i)
{
    return (struct m0_pio_machine *)&pio->blocks[i >> 2].machines[i & 3];
}

static bool differs(const struct m0_pio_block *block, bool is_oe, uint32_t mask, uint32_t value)
{
    return (((is_oe ? block->oe : block->out) ^ value) & mask) != 0;
}

/* What is written to pins in each cycle, and was not stronger in this one, may be in the next. */
static void look_at_losers(struct m0_pio *pio, struct m0_pio_block *block, uint32_t live, int64_t now)
{
    for (; live != 0; live &= live - 1) {
        struct m0_pio_machine *machine = &block->machines[__builtin_ctz(live)];
        if (differs(block, machine->sticky_oe != 0, machine->sticky_mask, machine->sticky)) {
            pio->sticky_at = now + 1;
        }
        if (machine->is_stalled != 0 && differs(block, is_side_oe(machine), machine->side_mask, machine->side)) {
            machine->tried = -1;
        }
    }
}

/* True where a machine that waits, and that nobody had to ask for, writes its side-set again: others may write there. */
static bool asserts(struct m0_pio_machine *machine, int64_t now)
{
    if (machine->is_stalled == 0 || machine->side_mask == 0 || machine->due < M0_NEVER) {
        return false;
    }
    m0_pio_settle_machine(machine, now);
    return machine->forced != M0_NOTHING || (machine->pulse == now && machine->is_enabled != 0);
}

/* One cycle of a block. Returns what changed. */
static uint32_t run_block(const struct world *world, uint32_t number, int64_t now)
{
    struct m0_pio_block *block = &world->pio->blocks[number];
    uint32_t out = block->out, oe = block->oe, irq = block->irq, live = world->live >> 4 * number & 15;
    if (live == 0) {
        return 0;
    }
    struct cycle cycle = {.block = block};
    cycle.inputs = (world->pins->input2 & ~block->bypass) | (world->pins->input & block->bypass);
    for (uint32_t rest = live; rest != 0; rest &= rest - 1) {
        cycle.index = (uint32_t)__builtin_ctz(rest);
        cycle.machine = &block->machines[cycle.index];
        if (cycle.machine->due == now || asserts(cycle.machine, now)) {
            step(&cycle, now);
        } else {
            hold_pins(&cycle);
        }
    }
    block->irq = (irq & ~cycle.irq_cleared) | cycle.irq_set;
    block->out = (out & ~cycle.out.mask) | cycle.out.value;
    block->oe = (oe & ~cycle.oe.mask) | cycle.oe.value;
    bool is_changed = block->out != out || block->oe != oe;
    if (is_changed || block->irq != irq) {
        world->pio->settled_at = now + 1;
    }
    look_at_losers(world->pio, block, live, now);
    return (is_changed ? CHANGED_PINS : 0) | (cycle.moves_words || block->irq != irq ? CHANGED_REQUESTS : 0);
}

/* From when on a machine that waits sees nothing new: a pin's level takes two cycles through the synchroniser. */
static int64_t settled_at(const struct world *world)
{
    int64_t pins = world->pins->input_since + 2;
    return pins > world->pio->settled_at ? pins : world->pio->settled_at;
}

/* Find out when machines that were due before `now`, or wait, have something to do next; with `all`, each of them. */
static void plan(const struct world *world, int64_t now, bool all)
{
    int64_t settled = settled_at(world);
    for (uint32_t rest = world->live; rest != 0; rest &= rest - 1) {
        struct m0_pio_machine *machine = machine_at(world->pio, (uint32_t)__builtin_ctz(rest));
        if (all || machine->due < now || machine->is_stalled != 0) {
            machine->due = due_of(machine, now, settled);
        }
    }
}

static int64_t earliest(const struct world *world)
{
    int64_t earliest = world->pio->sticky_at;
    for (uint32_t rest = world->live; rest != 0; rest &= rest - 1) {
        int64_t due = machine_at(world->pio, (uint32_t)__builtin_ctz(rest))->due;
        earliest = due < earliest ? due : earliest;
    }
    return earliest;
}

/* Where machines are from cycle `now` on, as far as that is new. */
void m0_pio_show(struct m0_pio *pio, int64_t now)
{
    for (uint32_t i = 0; i < 8 && pio->log_capacity != 0; i++) {
        struct m0_pio_machine *machine = machine_at(pio, i);
        uint32_t shown = machine->is_enabled != 0 ? machine->pc + 1 : 0;
        if (shown != machine->shown && pio->log_count < pio->log_capacity) {
            pio->log[pio->log_count++] = (struct m0_pio_step){now, i, shown - 1};
        }
        machine->shown = shown;
    }
}

/* One cycle of both blocks. True where somebody is to be told. */
static bool run_cycle(const struct world *world, int64_t now)
{
    struct m0_pio *pio = world->pio;
    m0_move_inputs(world->pins, now);
    pio->sticky_at = M0_NEVER;
    uint32_t changed = run_block(world, 0, now);
    changed |= run_block(world, 1, now);
    if ((changed & CHANGED_PINS) != 0) {
        m0_drive_pins(world->core, pio, world->pins, now + 1);
    }
    plan(world, now + 1, false);
    if (pio->log_capacity != 0) {
        m0_pio_show(pio, now + 1);
    }
    if (!world->is_heard) {
        return false;
    }
    m0_pio_look_at_dreqs(pio);
    bool is_requested = (changed & CHANGED_REQUESTS) != 0 && lines_of(pio) != pio->lines;
    return is_requested || (pio->news | world->pins->is_news) != 0;
}

/* Run up to before a cycle, or ahead to where somebody is to be told. Returns the cycle that it came to. */
static int64_t run(struct world *world, int64_t until)
{
    struct m0_pio *pio = world->pio;
    for (uint32_t i = 0; i < 8; i++) {
        const struct m0_pio_machine *machine = machine_at(pio, i);
        bool is_live = machine->is_enabled != 0 || machine->forced != M0_NOTHING || machine->sticky_mask != 0;
        world->live |= (uint32_t)is_live << i;
    }
    if (pio->is_changed != 0) {
        plan(world, pio->now, true);
        pio->is_changed = 0;
    }
    for (;;) {
        int64_t now = earliest(world);
        if (now >= until) {
            pio->now = until;
            world->is_idle = now == M0_NEVER;
            return until;
        }
        pio->now = now + 1;
        if (run_cycle(world, now)) {
            if (world->is_ahead) {
                return pio->now;
            }
            m0_pio_request(world->core, pio->now);
            if (pio->news != 0 && world->stops_at_news) {
                return pio->now;
            }
        }
    }
}

static bool is_running(const struct m0_pio *pio)
{
    for (uint32_t i = 0; i < 8; i++) {
        const struct m0_pio_machine *machine = machine_at(pio, i);
        if (machine->is_enabled != 0 || machine->forced != M0_NOTHING) {
            return true;
        }
    }
    return pio->sticky_at != M0_NEVER;
}

/* True where somebody wants to be told of something that machines do. */
static bool is_heard(const struct m0_core *core)
{
    const struct m0_pio_block *blocks = core->chip->pio.blocks;
    const struct m0_pins *pins = &core->chip->port.pins;
    uint32_t enabled = blocks[0].inte[0] | blocks[0].inte[1] | blocks[1].inte[0] | blocks[1].inte[1];
    return (enabled | core->chip->pio.dreq_watched | (pins->watched & (pins->pio[0] | pins->pio[1]))) != 0;
}

/* Run what is due before cycle `now`; with `stops_at_news` no further than to where a DREQ is high that Python awaits. */
void m0_pio_advance(struct m0_core *core, int64_t now, bool stops_at_news)
{
    struct world world = {.core = core, .pio = &core->chip->pio, .pins = &core->chip->port.pins};
    world.is_heard = is_heard(core);
    world.stops_at_news = stops_at_news;
    run(&world, now);
    core->chip->pio.is_running = is_running(&core->chip->pio);
}

/* Something else than the machines changed something at `now`, to which they have come: a register, or a pin. */
void m0_pio_disturb(struct m0_core *core, int64_t now)
{
    struct m0_pio *pio = &core->chip->pio;
    pio->settled_at = pio->settled_at > now ? pio->settled_at : now;
    pio->is_changed = 1;
    pio->is_running = is_running(pio);
    pio->event_at = now;
    m0_pio_look_at_dreqs(pio);
    core->chip->running->system.attention |= core->system.is_on & (pio->is_running | (pio->news != 0));
}

/*
 * The cycle at which machines will do something that somebody is to be told, or at which to look again; M0_NEVER where
 * nothing of the kind can come. A copy runs ahead for twice the time for which the last prediction held.
 */
int64_t m0_pio_due(struct m0_core *core)
{
    struct m0_pio *pio = &core->chip->pio;
    int64_t now = core->cycles;
    if (pio->is_running == 0 || !is_heard(core)) {
        return M0_NEVER;
    }
    if (pio->event_at > now) {
        return pio->event_at;
    }
    m0_settle_pio(core, now);
    struct m0_pio copy = *pio;
    struct m0_pins pins = core->chip->port.pins;
    struct m0_pio_counts unread = {0};
    for (uint32_t i = 0; i < 8; i++) {
        machine_at(&copy, i)->counts = &unread;
    }
    struct world world = {.core = core, .pio = &copy, .pins = &pins, .is_ahead = true, .is_heard = true};
    int64_t span = 2 * (now - pio->predicted_at);
    span = span < AHEAD_LEAST ? AHEAD_LEAST : span > AHEAD_MOST ? AHEAD_MOST : span;
    pins.log_capacity = copy.log_capacity = 0;
    int64_t came_to = run(&world, now + span);
    pio->predicted_at = now;
    pio->event_at = world.is_idle ? M0_NEVER : came_to;
    return pio->event_at;
}
