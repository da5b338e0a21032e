/*
 * The bus fabric of the RP2040, where masters wait for each other: datasheet 2.1.1. A crossbar leads from four masters
 * to ten ports. A port takes one access a cycle; of several masters that want it in the same cycle, it takes one of
 * high priority before any of low, and among equals each in turn. Who was not taken asks again in the cycle after it.
 *
 * What the datasheet does not tell is assumed, and docs/accuracy.md lists it: the turn goes round by the number of the
 * masters, from the one that the port took last; an access that takes N cycles more than one keeps its port for those;
 * and a core makes its accesses in the cycles that m0_step gives them, all later ones as much later as it has waited.
 *
 * An instruction does what it does to memory where it begins, as without contention (cores.c), and then asks for its
 * accesses here, each in its cycle. Its core begins no other before all of them are granted, so whoever asks for a
 * cycle has asked when that is decided.
 */
#include "calls.h"
#include "system.h"

_Static_assert(M0_FABRIC_PORTS == 10 && M0_MASTERS == 4, "the arrays of struct m0_fabric are that long");

/* The port that an address is behind, M0_FABRIC_PORTS where it is behind none, as the I/O port and the core's own are. */
static uint32_t port_of(uint32_t address)
{
    switch (address >> 28) {
    case 0: return M0_FABRIC_ROM;
    case 1: return M0_FABRIC_XIP;
    case 4: return M0_FABRIC_APB;
    case 5: return M0_FABRIC_FASTPERI;
    case 2: break;
    default: return M0_FABRIC_PORTS;
    }
    if (address < 0x20040000) { /* striped by words: datasheet 2.6.2 */
        return M0_FABRIC_SRAM0 - (address >> 2 & 3);
    }
    if (address < 0x21000000) {
        return (address >> 12 & 1) != 0 ? M0_FABRIC_SRAM5 : M0_FABRIC_SRAM4;
    }
    return M0_FABRIC_SRAM0 - (address >> 16 & 3); /* the banks in a row */
}

/* A master asks for an access, behind those that it has asked for before. False where no port leads there. */
static bool ask(struct m0_fabric *fabric, uint32_t number, struct m0_request request, uint32_t address)
{
    struct m0_master *master = &fabric->masters[number];
    request.port = port_of(address);
    if (request.port == M0_FABRIC_PORTS) {
        return false;
    }
    if (master->count == sizeof master->queue / sizeof *master->queue) {
        for (uint32_t i = master->first; i < master->count; i++) {
            master->queue[i - master->first] = master->queue[i];
        }
        master->count -= master->first;
        master->first = 0;
    }
    int64_t earliest = master->first != master->count ? master->queue[master->count - 1].at + 1 : master->busy_until;
    request.at = request.at < earliest ? earliest : request.at;
    master->queue[master->count++] = request;
    return true;
}

/* An access of a core, which its port lets wait for so many cycles. False where it comes to no port. */
bool m0_ask(struct m0_core *core, uint32_t address, int64_t at, uint32_t waits, uint32_t pc)
{
    return ask(&core->chip->fabric, core->number, (struct m0_request){.at = at, .hold = 1 + waits, .pc = pc}, address);
}

/* A word of code. One that is not in the cache is asked for when it is known what that takes: see fetch in step.c. */
void m0_ask_for_code(struct m0_core *core, uint32_t address, int64_t at, uint32_t pc)
{
    uint32_t slot = m0_page_slot(core, address);
    bool may_miss = core->timed.flash_model == M0_FLASH_CACHE && core->timed.waits_at[slot] != 0;
    if (slot != 0 && (!may_miss || m0_xip_has(core, address))) {
        m0_ask(core, address, at, 0, pc);
    }
}

/* An access of another master, which Python works for: its number, by which it is granted. -1 where no port leads there. */
int64_t m0_ask_as(struct m0_core *first, uint32_t number, uint32_t address, int64_t at, uint32_t hold)
{
    const struct m0_master *master = &first->fabric.masters[number];
    int64_t ahead = master->granted + master->count - master->first;
    return ask(&first->fabric, number, (struct m0_request){.at = at, .hold = hold}, address) ? ahead : -1;
}

/* The cycle of the earliest request, M0_NEVER if there is none. */
int64_t m0_next_request(const struct m0_core *first)
{
    int64_t earliest = M0_NEVER;
    for (uint32_t i = 0; i < M0_MASTERS; i++) {
        const struct m0_master *master = &first->fabric.masters[i];
        if (master->first != master->count && master->queue[master->first].at < earliest) {
            earliest = master->queue[master->first].at;
        }
    }
    return earliest;
}

/* -- what waiting costs a core */

/* Count the cycles for an instruction: those that it waited for, where it ran or will run next. */
static void count_stalls(struct m0_core *core, uint32_t pc, uint32_t cycles)
{
    struct m0_timed *timed = &core->timed;
    uint64_t behind = (uint64_t)timed->chunk_at[pc >> 12] * M0_CHUNK_OPS + ((pc & 0xFFF) >> 1);
    if (behind >= M0_CHUNK_OPS && timed->details[behind - M0_CHUNK_OPS].operation != M0_OP_NONE) {
        timed->details[behind - M0_CHUNK_OPS].stalls += cycles;
        return;
    }
    struct m0_executed *newest = timed->retired_count == 0 ? NULL : &timed->retired[timed->retired_count - 1];
    if (newest != NULL && newest->address == pc && newest->executions == 0) {
        newest->stalls += cycles; /* a cycle more of what it waited for already */
        return;
    }
    uint32_t encoding = m0_load16(m0_bytes_at(core, pc)); /* it has not been decoded yet, or was overwritten since */
    if (encoding >> 11 >= 0x1D && m0_page_slot(core, pc + 2) != 0) {
        encoding |= m0_load16(m0_bytes_at(core, pc + 2)) << 16;
    }
    timed->retired[timed->retired_count++] = (struct m0_executed){.address = pc, .encoding = encoding, .stalls = cycles};
}

/* The calls that an instruction has ended or begun end or begin so much later. */
static void shift_calls(struct m0_core *core, uint32_t depth_before, int64_t cycles)
{
    for (uint32_t i = core->depth; i < depth_before; i++) { /* their frames are as they were closed */
        const struct m0_frame *frame = &core->frames[i];
        if (frame->context != 0) {
            core->contexts[frame->context].inclusive += cycles;
        } else {
            core->edges[frame->edge].inclusive += cycles;
        }
        if (frame->outer == 0) {
            core->functions[frame->function].inclusive += cycles;
        }
    }
    if (core->depth > depth_before) {
        core->frames[core->depth - 1].entered += cycles;
    }
}

/* -- arbitration */

static struct m0_core *core_of(struct m0_core *first, uint32_t master)
{
    return master == M0_MASTER_CORE0 ? first : master == M0_MASTER_CORE1 ? first->other : NULL;
}

static void delay(struct m0_master *master, int64_t cycles)
{
    for (uint32_t i = master->first; i < master->count; i++) {
        master->queue[i].at += cycles;
    }
}

/* A master waits for another one: all that it asks for is so much later, and of a core, its next instruction. */
static void wait_for(struct m0_core *first, uint32_t number, uint32_t against, int64_t cycles)
{
    struct m0_fabric *fabric = &first->fabric;
    struct m0_master *master = &fabric->masters[number];
    struct m0_core *core = core_of(first, number);
    struct m0_request *request = &master->queue[master->first];
    fabric->waits[(number * M0_FABRIC_PORTS + request->port) * M0_MASTERS + against] += cycles;
    request->has_waited = 1;
    delay(master, cycles);
    if (core != NULL) {
        core->cycles += cycles;
        count_stalls(core, request->pc, (uint32_t)cycles);
        if (request->pc != core->timed.pc) { /* else it is the next one that waits, for its code */
            shift_calls(core, master->depth, cycles);
        }
    }
}

static void take(struct m0_core *first, uint32_t number, int64_t cycle)
{
    struct m0_fabric *fabric = &first->fabric;
    struct m0_master *master = &fabric->masters[number];
    const struct m0_request *request = &master->queue[master->first];
    struct m0_fabric_port *port = &fabric->ports[request->port];
    port->busy_until = cycle + request->hold;
    port->last = number;
    port->accesses++;
    port->contested += request->has_waited;
    master->granted_at[master->granted++ & 15] = cycle;
    master->busy_until = cycle + request->hold; /* one access at a time */
    if (++master->first == master->count) {
        master->first = master->count = master->kept = 0;
    } else if (master->queue[master->first].at < master->busy_until) {
        delay(master, master->busy_until - master->queue[master->first].at);
    }
}

/* Whom a port takes of those that ask, a bit each. */
static uint32_t choose(const struct m0_fabric *fabric, const struct m0_fabric_port *port, uint32_t asking)
{
    uint32_t urgent = asking & fabric->priority, candidates = urgent != 0 ? urgent : asking;
    uint32_t number = port->last;
    do {
        number = (number + 1) % M0_MASTERS;
    } while ((candidates >> number & 1) == 0);
    return number;
}

/* Decide who of those gets its port that ask in a cycle; none has asked for one before it. */
void m0_arbitrate(struct m0_core *first, int64_t cycle)
{
    struct m0_fabric *fabric = &first->fabric;
    uint32_t asking[M0_FABRIC_PORTS] = {0};
    for (uint32_t i = 0; i < M0_MASTERS; i++) {
        const struct m0_master *master = &fabric->masters[i];
        if (master->first != master->count && master->queue[master->first].at == cycle) {
            asking[master->queue[master->first].port] |= 1u << i;
        }
    }
    for (uint32_t number = 0; number < M0_FABRIC_PORTS; number++) {
        if (asking[number] == 0) {
            continue;
        }
        const struct m0_fabric_port *port = &fabric->ports[number];
        bool is_busy = port->busy_until > cycle;
        uint32_t taken = is_busy ? port->last : choose(fabric, port, asking[number]);
        int64_t wait = is_busy ? port->busy_until - cycle : 1;
        for (uint32_t i = 0; i < M0_MASTERS; i++) {
            if ((asking[number] >> i & 1) != 0 && (is_busy || i != taken)) {
                wait_for(first, i, taken, wait);
            }
        }
        if (!is_busy) {
            take(first, taken, cycle);
        }
    }
}
