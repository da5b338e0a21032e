/*
 * The simple form of the interpreter: one instruction after the other, every figure by the tables, each access of code
 * and data in its order. The fast form leaves to it what is rare: accesses to anything but plain memory, code whose
 * fetches may wait, branches into other functions, special registers.
 */
#include "pio.h"

void m0_stop_timed(struct m0_core *core, enum m0_stop reason, uint32_t address)
{
    core->stop = (uint32_t)reason;
    core->stop_address = address;
}

/* -- waiting for flash */

/* The counter that tells whether code at an address may have left the flash cache. */
const uint32_t *m0_generation(const struct m0_core *core, uint32_t address, uint32_t slot)
{
    if (core->timed.waits_at[slot] == 0 || core->timed.flash_model == M0_FLASH_IDEAL) {
        return &core->timed.always;
    }
    const struct m0_xip *xip = &core->chip->xip;
    for (uint32_t i = 0; core->timed.flash_model == M0_FLASH_CACHE && i < xip->window_count; i++) {
        bool is_looked_up = (xip->windows[i].mode & M0_XIP_LOOKED_UP) != 0 && !xip->is_disabled;
        if (address - xip->windows[i].base < xip->size && is_looked_up) {
            return &xip->generation[address >> 6 & xip->group_mask];
        }
    }
    return &core->timed.never;
}

/* True where everything that is fetched from an operation to the end of its stretch comes without waiting. */
bool m0_is_settled(struct m0_core *core, struct m0_op *op)
{
    struct m0_detail *detail = m0_detail_of(core, op);
    const uint32_t *generation = m0_pointer(m0_line_of(core, op)->generation);
    if (detail->operation == M0_OP_NONE || generation == &core->timed.never) {
        return false;
    }
    if (detail->stamp == *generation) {
        return true;
    }
    uint32_t begin = m0_address_of_op(core, op), end = begin + 2 * (uint32_t)detail->reach;
    if (((begin ^ (end - 1)) & ~63u) != 0 || !m0_xip_is_settled(core, begin, end)) {
        return false; /* an instruction that runs over the end of its line has words of two groups */
    }
    detail->stamp = *generation;
    return true;
}

static uint32_t flash_stall(struct m0_core *core, uint32_t address, bool is_code)
{
    if (core->timed.flash_model == M0_FLASH_CACHE) {
        return m0_xip(core, address, is_code);
    }
    uint32_t page = m0_page_slot(core, address) - core->waits.first_slot; /* the flash's, whichever alias it is */
    return m0_wait(core, core->waits.base + (page << 12 | (address & 0xFFF)), is_code);
}

/* Cycles that a read of memory waits. */
uint32_t m0_read_stall(struct m0_core *core, uint32_t address)
{
    bool may_wait = core->timed.flash_model != M0_FLASH_IDEAL && core->timed.waits_at[m0_page_slot(core, address)];
    return may_wait ? flash_stall(core, address, false) : 0;
}

/* -- accesses */

/* What one instruction needs while it runs. */
struct now {
    struct m0_op *op;
    struct m0_detail *detail;
    uint32_t pc;
    int64_t cycle;    /* in which it begins */
    int64_t stalls;   /* that its accesses had so far, */
    int64_t bus_stalls; /* those on a slow bus among them: it begins again for each of those, and counts them at its end */
    bool is_unsettled; /* an access changed the flash cache where the code is */
    bool passes_guards; /* a debugger has seen what it accesses */
    bool is_single;   /* a load or store, which the port makes faster; multiples take as long as ever */
    uint32_t asked;   /* accesses that it has asked the fabric for */
};

static bool stop_access(struct m0_core *core, const struct now *now, enum m0_stop reason, uint32_t address,
                        uint32_t size, bool is_store)
{
    core->timed.access.address = address;
    core->timed.access.size = size;
    core->timed.access.is_store = is_store;
    m0_stop_timed(core, reason, now->pc);
    return false;
}

/* An access, which is to wait so many cycles by itself, may wait for other masters: it asks in the cycle of its turn. */
static void ask(struct m0_core *core, struct now *now, uint32_t address, uint32_t waits)
{
    if (M0_RARELY(core->contends != 0)) {
        now->asked += m0_ask(core, address, now->cycle + now->asked + now->stalls, waits, now->pc);
    }
}

/* What firmware finds where no memory is, besides the port. True where it was answered; false after a stop. */
static bool access_bus(struct m0_core *core, struct now *now, uint32_t address, uint32_t size, bool is_store,
                       uint32_t *value)
{
    struct m0_access *access = &core->timed.access;
    enum m0_answer answer = m0_access_system(core, now->cycle, address, size, is_store, value);
    if (answer == M0_ANSWER_REFUSED) {
        return stop_access(core, now, M0_STOP_EVENT, address, size, is_store);
    }
    if (answer == M0_ANSWER_NONE && access->used == access->answered) {
        access->value = *value;
        return stop_access(core, now, M0_STOP_ACCESS, address, size, is_store);
    }
    if (answer == M0_ANSWER_NONE) {
        *value = is_store ? *value : access->answers[access->used];
        access->used++;
    }
    uint32_t extra = m0_bus_extra(core, address, is_store);
    ask(core, now, address, extra + (access->used == access->answered ? access->stalls : 0));
    now->stalls += extra;
    now->bus_stalls += extra;
    return true;
}

/* The port of firmware's part is a device like others, but for the RP2040's, whose registers are here. */
static bool access_port(struct m0_core *core, struct now *now, uint32_t address, uint32_t size, bool is_store,
                        uint32_t *value)
{
    if (core->is_waited_for != 0 && is_store && (address & ~3u) - core->port.base == FIFO_WR) {
        return stop_access(core, now, M0_STOP_LAUNCH, address, size, is_store);
    }
    bool is_asked = !is_store && m0_asks_for_pins(core, address - core->port.base);
    if (core->system.is_on != 0 && (core->port.is_sio == 0 || is_asked)) {
        if (!access_bus(core, now, address, size, is_store, value)) {
            return false;
        }
    } else if (!m0_access_port(core, now->pc, now->cycle, address, size, is_store, value)) {
        m0_stop_timed(core, M0_STOP_PORT, now->pc);
        return false;
    }
    if (now->is_single) {
        now->stalls -= is_store ? core->port.saved_store : core->port.saved_load;
        now->detail->port++;
    }
    core->system.attention |= core->system.is_on & m0_pins(core)->is_news;
    return true;
}

/* A load or store where no memory is. Python is asked, and the instruction begins again with all its answers. */
static bool access_device(struct m0_core *core, struct now *now, uint32_t address, uint32_t size, bool is_store,
                          uint32_t *value)
{
    struct m0_access *access = &core->timed.access;
    bool is_private = address >> 28 == 14; /* each core has its own NVIC, SysTick and system control block */
    if (now->cycle >= core->system.alone_until && !is_private && access->answered == 0 && core->system.is_on != 0) {
        core->timed.passes_watch = core->timed.passes_guards = 1; /* it goes on when the other core has come here too */
        return stop_access(core, now, M0_STOP_TURN, address, size, is_store);
    }
    if (core->port.size != 0 && address - core->port.base < core->port.size) {
        return access_port(core, now, address, size, is_store, value);
    }
    if (core->system.is_on != 0) {
        if (m0_is_pio(core, address) &&
            m0_access_pio(core, now->pc, now->cycle, address, size, is_store, value)) {
            ask(core, now, address, 0);
            return true;
        }
        return access_bus(core, now, address, size, is_store, value);
    }
    if (access->used < access->answered) {
        *value = is_store ? *value : access->answers[access->used];
        access->used++;
        return true;
    }
    access->value = *value;
    return stop_access(core, now, M0_STOP_ACCESS, address, size, is_store);
}

/* The memory behind an address, for an access; the stalls of flash are added. NULL after a stop, or for a device. */
static uint8_t *memory_at(struct m0_core *core, struct now *now, uint32_t address, uint32_t slot)
{
    uint32_t stall = 0;
    if (core->timed.flash_model != M0_FLASH_IDEAL && core->timed.waits_at[slot]) {
        const uint32_t *generation = m0_pointer(m0_line_of(core, now->op)->generation);
        uint32_t before = *generation;
        stall = flash_stall(core, address, false);
        now->detail->stalls += stall;
        now->is_unsettled |= *generation != before;
    }
    ask(core, now, address, stall);
    now->stalls += stall;
    return (uint8_t *)m0_pointer(core->hosts[slot]) + (address & 0xFFF);
}

/* True where an instruction is about to come to bytes that a debugger watches: the run stops before it. */
static bool is_guarded(struct m0_core *core, const struct now *now, uint32_t address, uint32_t size, bool is_store)
{
    const struct m0_timed *timed = &core->timed;
    uint32_t kind = is_store ? M0_GUARDED_STORES : M0_GUARDED_LOADS;
    for (uint32_t i = 0; i < timed->guard_count && !now->passes_guards; i++) {
        const struct m0_guard *guard = &timed->guards[i];
        bool meets = address < (uint64_t)guard->base + guard->size && guard->base < (uint64_t)address + size;
        if (meets && (guard->kinds & kind) != 0) {
            core->timed.guard_hit = i + 1;
            stop_access(core, now, M0_STOP_GUARD, address, size, is_store);
            return true;
        }
    }
    return false;
}

static bool load(struct m0_core *core, struct now *now, uint32_t address, uint32_t size, uint32_t *value)
{
    uint32_t slot = m0_page_slot(core, address);
    *value = 0;
    if (M0_RARELY(core->timed.guard_count != 0) && now->is_single && is_guarded(core, now, address, size, false)) {
        return false;
    }
    if ((address & (size - 1)) != 0) {
        return stop_access(core, now, M0_STOP_UNALIGNED, address, size, false);
    }
    if (slot == 0 || (address < core->timed.hidden_end && core->timed.hidden[address / 4])) {
        return access_device(core, now, address, size, false, value);
    }
    const uint8_t *memory = memory_at(core, now, address, slot);
    for (uint32_t i = 0; i < size; i++) {
        *value |= (uint32_t)memory[i] << 8 * i;
    }
    if (core->timed.tracks != 0 && now->is_single) {
        m0_track(core, now->pc, address, size, false);
    }
    return true;
}

/* A store over code ends what is known of it: counts of the line are settled as if the instruction were its last. */
static void overwrite_code(struct m0_core *core, const struct now *now, uint32_t address, uint32_t size)
{
    struct m0_op *next = now->op + 1;
    bool runs_on = !m0_is_head(next) && (now->detail->flags & M0_DETAIL_CROSSES) == 0; /* else it is counted itself */
    next->in -= runs_on;
    m0_fill_frames(core);
    m0_code_changed(core, address, size);
    next->in += runs_on;
}

static bool store(struct m0_core *core, struct now *now, uint32_t address, uint32_t size, uint32_t value)
{
    uint32_t slot = m0_page_slot(core, address);
    if (M0_RARELY(core->timed.guard_count != 0) && now->is_single && is_guarded(core, now, address, size, true)) {
        return false;
    }
    if ((address & (size - 1)) != 0) {
        return stop_access(core, now, M0_STOP_UNALIGNED, address, size, true);
    }
    if (slot == 0) {
        return access_device(core, now, address, size, true, &value);
    }
    if (!core->writable[slot] && core->timed.access.used < core->timed.access.answered) {
        core->timed.access.used++; /* Python has seen it */
        return true;
    }
    if (!core->writable[slot]) {
        core->timed.access.value = value;
        return stop_access(core, now, M0_STOP_READ_ONLY, address, size, true);
    }
    bool hits_code = m0_code_is_hit(core, address, size);
    if (hits_code && !m0_has_room_to_retire(core)) {
        m0_stop_timed(core, M0_STOP_GROW, now->pc);
        return false;
    }
    uint8_t *memory = memory_at(core, now, address, slot);
    for (uint32_t i = 0; i < size; i++) {
        memory[i] = (uint8_t)(value >> 8 * i);
    }
    if (core->timed.tracks != 0 && now->is_single) {
        m0_track(core, now->pc, address, size, true);
    }
    if (hits_code) {
        overwrite_code(core, now, address, size);
    }
    return true;
}

/* -- the stack pointer */

/* Give SP a value; to `switches` to another stack leaves the one before as it is. False after a stop: it is too low. */
static bool give_sp(struct m0_core *core, const struct now *now, uint32_t sp, bool switches)
{
    if ((int64_t)sp < core->sp_limit) {
        m0_stop_timed(core, M0_STOP_STACK, now->pc);
        return false;
    }
    uint32_t before = core->timed.r[13];
    core->timed.r[13] = sp;
    if (core->timed.tracks != 0) {
        if (!switches || sp < before) {
            m0_stack_moved(core, before, sp);
        }
        m0_own_stack(core, sp, core->sp_min);
    }
    core->sp_min = (int64_t)sp < core->sp_min ? (int64_t)sp : core->sp_min;
    return true;
}

static bool move_sp(struct m0_core *core, const struct now *now, uint32_t sp)
{
    return give_sp(core, now, sp, false);
}

/* A multiple transfer was made: all of it counts, or, where it begins again, nothing. */
static void track_words(struct m0_core *core, const struct now *now, uint32_t address, uint32_t count, bool is_store)
{
    if (core->timed.tracks != 0) {
        m0_track_words(core, now->pc, address, count, is_store);
    }
}

/* -- multiples: DDI 0419, A6.7.25 (LDM), .49 (POP), .50 (PUSH), .58 (STM) */

/* Load the registers of a list in a row. Into the base it comes last: an instruction that begins again needs it. */
static bool load_list(struct m0_core *core, struct now *now, uint32_t address, uint32_t list, uint32_t base)
{
    uint32_t *r = core->timed.r, into_base = r[base];
    if (is_guarded(core, now, address, 4 * (uint32_t)__builtin_popcount(list), false)) {
        return false;
    }
    for (; list != 0; list &= list - 1, address += 4) {
        uint32_t number = (uint32_t)__builtin_ctz(list), value;
        if (!load(core, now, address, 4, &value)) {
            return false;
        }
        *(number == base ? &into_base : &r[number]) = value;
    }
    r[base] = into_base;
    return true;
}

static bool store_list(struct m0_core *core, struct now *now, uint32_t address, uint32_t list)
{
    if (is_guarded(core, now, address, 4 * (uint32_t)__builtin_popcount(list), true)) {
        return false;
    }
    for (; list != 0; list &= list - 1, address += 4) {
        if (!store(core, now, address, 4, core->timed.r[__builtin_ctz(list)])) {
            return false;
        }
    }
    return true;
}

static bool do_multiple(struct m0_core *core, struct now *now, uint32_t operation, uint32_t *target)
{
    uint32_t *r = core->timed.r, list = (uint32_t)now->op->imm, base = now->op->a;
    uint32_t count = (uint32_t)__builtin_popcount(list), sp = r[13];
    switch (operation) {
    case M0_OP_PUSH: {
        int64_t mark = core->sp_min;
        if (!move_sp(core, now, sp - 4 * count)) { /* first, so that what it stores is the stack's */
            return false;
        }
        if (!store_list(core, now, r[13], list)) {
            r[13] = sp; /* it begins again: nothing else stops it in the stack's memory */
            core->sp_min = mark;
            return false;
        }
        track_words(core, now, r[13], count, true);
        return true;
    }
    case M0_OP_STM: {
        uint32_t address = r[base];
        if (!store_list(core, now, address, list)) {
            return false;
        }
        track_words(core, now, address, count, true);
        r[base] = address + 4 * count;
        return true;
    }
    case M0_OP_LDM: {
        uint32_t address = r[base];
        if (!load_list(core, now, address, list, base)) {
            return false;
        }
        track_words(core, now, address, count, false);
        r[base] = (list >> base & 1) != 0 ? r[base] : address + 4 * count;
        return true;
    }
    default: {
        uint32_t has_pc = operation == M0_OP_POP_PC;
        if (!load_list(core, now, sp, list, 13) || (has_pc && !load(core, now, sp + 4 * count, 4, target))) {
            return false;
        }
        track_words(core, now, sp, count + has_pc, false);
        if (core->timed.tracks != 0) {
            m0_stack_moved(core, sp, sp + 4 * (count + has_pc));
        }
        r[13] = sp + 4 * (count + has_pc);
        return true;
    }
    }
}

/* -- special registers: DDI 0419, B5.2.2 and B5.2.3 */

enum { SYSM_MSP = 8, SYSM_PSP = 9, SYSM_PRIMASK = 16, SYSM_CONTROL = 20 };

static uint32_t flags_of(const struct m0_timed *timed)
{
    return (timed->n & 0x80000000) | (timed->z == 0 ? 0x40000000u : 0) | timed->c << 29 | (timed->v >> 31) << 28;
}

static uint32_t read_special(const struct m0_core *core, uint32_t sysm)
{
    const struct m0_timed *timed = &core->timed;
    bool uses_psp = (timed->control & 2) != 0, is_privileged = m0_is_privileged(core);
    switch (sysm) {
    case SYSM_MSP: return !is_privileged ? 0 : uses_psp ? timed->other_sp : timed->r[13];
    case SYSM_PSP: return !is_privileged ? 0 : uses_psp ? timed->r[13] : timed->other_sp;
    case SYSM_PRIMASK: return is_privileged ? timed->primask : 0;
    case SYSM_CONTROL: return timed->control;
    default: /* EPSR reads as 0 */
        return ((sysm & 4) == 0 ? flags_of(timed) : 0) | ((sysm & 1) != 0 && is_privileged ? core->system.ipsr : 0);
    }
}

/*
 * A main stack that begins above the one before, or below all that the one before ever reached, is another one: a boot
 * loader leaves its own for the program's. So is one elsewhere, where nothing was ever put on the one before.
 */
static void begin_main_stack(struct m0_core *core, uint32_t sp, bool uses_psp)
{
    struct m0_system *system = &core->system;
    int64_t *low = uses_psp ? &system->msp_low : &core->sp_min, lowest = *low < system->msp_before ? *low : system->msp_before;
    if ((int64_t)sp > system->msp_high || (int64_t)sp < lowest || lowest == system->msp_high) {
        system->msp_high = sp;
        *low = sp;
        system->msp_before = M0_NEVER;
    }
}

static bool write_special(struct m0_core *core, const struct now *now, uint32_t sysm, uint32_t value)
{
    struct m0_timed *timed = &core->timed;
    bool uses_psp = (timed->control & 2) != 0, is_privileged = m0_is_privileged(core);
    core->system.attention = core->system.is_on;
    if (sysm < 8) {
        if ((sysm & 4) == 0) {
            timed->n = value;
            timed->z = ~value >> 30 & 1;
            timed->c = value >> 29 & 1;
            timed->v = value << 3;
        }
        return true;
    }
    if (!is_privileged) {
        return true;
    }
    if (sysm == SYSM_PRIMASK) {
        timed->primask = value & 1;
        return true;
    }
    if (sysm == SYSM_CONTROL && core->system.is_on != 0) {
        if (core->system.ipsr == 0) {
            m0_use_stack(core, (value & 2) != 0);
        }
        timed->control = (timed->control & 2) | (core->system.has_unprivileged & value & 1);
        return true;
    }
    if (sysm == SYSM_CONTROL) {
        if (((value ^ timed->control) & 2) != 0) {
            uint32_t other = timed->other_sp, mine = timed->r[13];
            if (!give_sp(core, now, other, true)) {
                return false;
            }
            timed->other_sp = mine;
        }
        timed->control = value & 3;
        return true;
    }
    if (sysm == SYSM_MSP && core->system.is_on != 0) {
        begin_main_stack(core, value & ~3u, uses_psp);
    }
    if ((sysm == SYSM_PSP) == uses_psp) {
        return give_sp(core, now, value & ~3u, true);
    }
    timed->other_sp = value & ~3u;
    return true;
}

/* -- frames of the fast form */

/* A frame that is filled in, newest or not: what the fast form compares with. */
void m0_note_frame(struct m0_core *core, struct m0_frame *frame)
{
    frame->call = (uint64_t)(uintptr_t)core->timed.calls;
    frame->return_op = 0;
    frame->context_at = frame->context == 0 ? 0 : (uint64_t)(uintptr_t)&core->contexts[frame->context];
}

/* Fill in the frames that the fast form opened since. They are the newest ones. */
void m0_fill_frames(struct m0_core *core)
{
    const struct m0_call *none = core->timed.calls;
    uint32_t first = core->depth;
    while (first > 0 && m0_pointer(core->frames[first - 1].call) != none) {
        first--;
    }
    for (uint32_t i = first; i < core->depth; i++) {
        struct m0_frame *frame = &core->frames[i];
        const struct m0_call *call = m0_pointer(frame->call);
        uint32_t context = (uint32_t)((const struct m0_context *)m0_pointer(frame->context_at) - core->contexts);
        struct m0_function *function = &core->functions[core->contexts[context].callee];
        frame->entered = core->timed.horizon - (frame->left >> 5);
        frame->return_address = call->site.end;
        frame->context = context;
        frame->edge = core->contexts[context].edge;
        frame->function = core->contexts[context].callee;
        frame->outer = function->newest;
        frame->base = i;
        frame->call = (uint64_t)(uintptr_t)none;
        ((struct m0_op *)m0_pointer(frame->return_op))->in--; /* its return will be counted when it comes */
        frame->return_op = 0;
        function->newest = i + 1;
    }
}

/* The contexts were moved: forget where they were. */
static void note_contexts(struct m0_core *core)
{
    struct m0_timed *timed = &core->timed;
    uint64_t here = (uint64_t)(uintptr_t)core->contexts;
    if (timed->contexts_seen == here) {
        return;
    }
    timed->contexts_seen = here;
    for (uint32_t i = 1; i < timed->call_count; i++) {
        timed->calls[i].from_at = 1;
    }
    for (uint32_t i = 0; i < core->depth; i++) {
        m0_note_frame(core, &core->frames[i]);
    }
}

/* Cycles in the calls of a function that have ended, as long as it was never entered while it was open. */
static int64_t sum_calls(const struct m0_core *core, uint32_t function)
{
    int64_t sum = 0;
    for (uint32_t i = 1; i < core->context_count; i++) {
        sum += core->contexts[i].callee == function ? core->contexts[i].inclusive : 0;
    }
    for (uint32_t i = 1; i < core->edge_count; i++) {
        sum += core->edges[i].callee == function ? core->edges[i].inclusive : 0;
    }
    return sum;
}

/*
 * The fast form does not count which cycles of a function are inclusive: they are those of all its calls, unless it is
 * entered while it is open. The first time that happens comes here, since the context is new. From then on, frames of
 * the functions between the two entries are counted: they are those that can be open twice.
 */
static void note_recursion(struct m0_core *core)
{
    const struct m0_frame *top = m0_top_frame(core);
    uint32_t standing_still = m0_preempted_frames(&core->system);
    bool is_new = false;
    if (top->outer == 0) {
        return;
    }
    for (uint32_t i = top->outer - 1; i < core->depth; i++) {
        uint32_t number = core->frames[i].function;
        struct m0_function *function = &core->functions[number];
        if (function->recurs) {
            continue;
        }
        is_new = true;
        function->recurs = 1;
        function->inclusive = sum_calls(core, number);
        function->open = 0;
        for (uint32_t k = standing_still; k < core->depth; k++) { /* those of who was preempted are counted apart */
            function->open += core->frames[k].function == number;
        }
    }
    for (uint32_t i = 1; is_new && i < core->timed.call_count; i++) {
        core->timed.calls[i].from_at = 1;
    }
}

/* Inclusive cycles of the functions that never recurred. All frames are closed. */
void m0_sum_functions(struct m0_core *core)
{
    for (uint32_t i = 1; i < core->edge_count; i++) {
        struct m0_function *function = &core->functions[core->edges[i].callee];
        function->inclusive = function->recurs ? function->inclusive : 0;
    }
    for (uint32_t i = 1; i < core->edge_count; i++) {
        struct m0_function *function = &core->functions[core->edges[i].callee];
        function->inclusive += function->recurs ? 0 : core->edges[i].inclusive;
    }
    for (uint32_t i = 1; i < core->context_count; i++) {
        struct m0_function *function = &core->functions[core->contexts[i].callee];
        function->inclusive += function->recurs ? 0 : core->contexts[i].inclusive;
    }
}

/* Let the fast form know what a call led to. */
static void note_call(struct m0_core *core, struct m0_call *call, uint32_t target, struct m0_op *to)
{
    bool is_known = call->site.edge != 0 && call->site.to_context != 0 && to != NULL;
    call->from_at = is_known ? (uint64_t)(uintptr_t)&core->contexts[call->site.from_context] : 1;
    call->context_at = (uint64_t)(uintptr_t)&core->contexts[call->site.to_context];
    struct m0_function *function = &core->functions[core->contexts[call->site.to_context].callee];
    call->function_at = function->recurs ? (uint64_t)(uintptr_t)function : 0;
    call->target = target;
    call->target_op = (uint64_t)(uintptr_t)to;
}

/* -- branches */

static bool condition_holds(const struct m0_timed *timed, uint32_t condition)
{
    uint32_t n = timed->n >> 31, z = timed->z == 0, c = timed->c, v = timed->v >> 31;
    uint32_t holds[] = {z, c, n, v, c & ~z, ~(n ^ v), ~z & ~(n ^ v)};
    return ((holds[condition >> 1] ^ condition) & 1) != 0;
}

/*
 * Control leaves an instruction for `target`, at cycle `cycles`: frames are opened and closed. Returns the operation
 * there, NULL after a stop. Bit 0 of a target is the T bit where `flow` is one of BX, BLX and POP (`interworks`).
 */
static struct m0_op *leave(struct m0_core *core, const struct now *now, int64_t cycles, uint32_t target,
                           bool interworks)
{
    uint32_t operation = now->detail->operation, address = target & ~1u, behind = now->pc + now->detail->size;
    bool calls = operation == M0_OP_BRANCH_LINK || operation == M0_OP_BRANCH_LINK_EXCHANGE;
    uint32_t flow = calls ? M0_FLOW_CALL : operation < M0_OP_BRANCH_LINK ? M0_FLOW_JUMP : M0_FLOW_INDIRECT;
    struct m0_site jump = {.end = behind};
    core->cycles = cycles;
    m0_fill_frames(core);
    if (calls) {
        core->timed.r[14] = behind | 1;
    }
    if (interworks && (target & 1) == 0) {
        address = target;
    }
    m0_go_on(core, calls ? &m0_call_of(core, now->op)->site : &jump, flow, m0_function_at(core, now->pc), address,
             m0_function_at(core, address));
    if (core->depth != 0) {
        note_recursion(core);
        m0_note_frame(core, m0_top_frame(core));
    }
    core->timed.access.address = now->pc; /* who jumped, where no code is */
    if (interworks && (target & 1) == 0) {
        m0_stop_timed(core, M0_STOP_ARM_STATE, target);
        return NULL;
    }
    struct m0_op *to = m0_op_at(core, address);
    if (calls) {
        note_call(core, m0_call_of(core, now->op), target, to);
    }
    return to;
}

/* -- one instruction after the other */

/* Count that an operation is about to run. False after a stop: there is no cycle left, or no room for a call. */
static bool arrive(struct m0_core *core, struct m0_op *op, bool by_transfer)
{
    struct m0_timed *timed = &core->timed;
    if (m0_is_head(op)) {
        m0_line_of(core, op)->count++;
    } else if (by_transfer) {
        op->in++;
    } else if (core->system.is_on == 0) {
        return true; /* firmware stops exactly where it has to, calls where that costs nothing */
    }
    if ((int64_t)(timed->budget - timed->op) > 0 && !timed->is_due && core->is_full == 0 &&
        core->depth + 2 < core->frame_capacity && core->system.attention == 0) {
        return true;
    }
    if (core->system.attention != 0) {
        m0_stop_timed(core, M0_STOP_EVENT, m0_address_of_op(core, op));
        return false;
    }
    bool is_over = (int64_t)(timed->budget - timed->op) <= 0 || timed->is_due;
    m0_stop_timed(core, core->depth + 2 >= core->frame_capacity ? M0_STOP_DEPTH : is_over ? M0_STOP_LIMIT : M0_STOP_GROW,
                  m0_address_of_op(core, op));
    return false;
}

/* A run stopped before an operation that was counted as begun. */
static void take_back(struct m0_core *core, struct m0_op *op)
{
    if (m0_is_head(op)) {
        m0_line_of(core, op)->count--;
    } else {
        op->in--;
    }
}

/* The same of an instruction that stores several words, the first of them over its own line: it has been retired. */
static void take_back_retired(struct m0_core *core, const struct now *now)
{
    uint32_t encoding = m0_line_of(core, now->op)->copy[now->pc >> 1 & 31];
    core->timed.retired[core->timed.retired_count++] =
        (struct m0_executed){.address = now->pc, .encoding = encoding, .executions = -1};
}

/* The words of an instruction that have not been fetched. */
static void fetch(struct m0_core *core, struct now *now)
{
    uint32_t last = (now->pc + now->detail->size - 1) & ~3u;
    for (uint32_t word = now->pc & ~3u; word <= last; word += 4) {
        if (word != core->timed.fetched && core->timed.waits_at[m0_page_slot(core, word)]) {
            uint32_t stall = flash_stall(core, word, true);
            if (stall != 0 && core->contends != 0) {
                m0_ask(core, word, m0_cycles_at(core, now->op, core->timed.budget), stall - 1, now->pc);
            }
            core->timed.budget -= (uint64_t)stall * M0_CYCLE;
            now->detail->stalls += stall;
        }
        core->timed.fetched = word;
    }
}

enum done { WENT_ON, WENT_AWAY, STOPPED };

#define IMM ((uint32_t)op->imm)
#define R(x) timed->r[op->x]
#define SLOW return STOPPED;
#define LOAD(type, address, put) { \
    uint32_t loaded; \
    if (!load(core, now, (address), sizeof(type), &loaded)) { return STOPPED; } \
    type value = (type)loaded; \
    put; }
#define STORE(type, address, value) if (!store(core, now, (address), sizeof(type), (value))) { return STOPPED; }
#define OP(name, spent, ...) case M0_OP_##name: { __VA_ARGS__ } break;
#define FLAGGED(name, ...) case M0_OP_##name: { enum { F = 1 }; __VA_ARGS__ } break;

/* Execute an instruction that does not branch. */
static enum done execute(struct m0_core *core, struct now *now, uint32_t operation)
{
    struct m0_timed *timed = &core->timed;
    const struct m0_op *op = now->op;
    uint32_t n = timed->n, z = timed->z, c = timed->c, v = timed->v, unused;
    switch (operation) {
#include "operations.h"
    case M0_OP_PUSH: case M0_OP_POP: case M0_OP_LDM: case M0_OP_STM:
        return do_multiple(core, now, operation, &unused) ? WENT_ON : STOPPED;
    case M0_OP_SP_ADD: return move_sp(core, now, timed->r[13] + IMM) ? WENT_ON : STOPPED;
    case M0_OP_MOVE_SP: {
        uint32_t value = op->b == 15 ? IMM : R(b);
        return move_sp(core, now, value & ~3u) ? WENT_ON : STOPPED;
    }
    case M0_OP_ADD_SP: {
        uint32_t value = timed->r[13] + (op->b == 15 ? IMM : R(b));
        return move_sp(core, now, value & ~3u) ? WENT_ON : STOPPED;
    }
    case M0_OP_CPS:
        if (m0_is_privileged(core)) {
            timed->primask = IMM;
            core->system.attention = core->system.is_on;
        }
        return WENT_ON;
    case M0_OP_SEND_EVENT: m0_send_event(core, now->cycle); return WENT_ON;
    case M0_OP_WAIT_EVENT: case M0_OP_WAIT_INTERRUPT:
        if (core->system.is_on != 0) {
            core->system.asleep = operation == M0_OP_WAIT_EVENT ? M0_ASLEEP_FOR_EVENT : M0_ASLEEP_FOR_INTERRUPT;
            core->system.attention = 1;
        }
        return WENT_ON;
    case M0_OP_SUPERVISOR:
        if (!m0_supervisor_call(core, now->cycle)) {
            m0_stop_timed(core, M0_STOP_EVENT, now->pc);
            return STOPPED;
        }
        timed->budget += M0_CYCLE; /* entry is all that it takes */
        return WENT_ON;
    case M0_OP_MRS: R(a) = read_special(core, IMM); return WENT_ON;
    case M0_OP_MSR: return write_special(core, now, IMM, R(b)) ? WENT_ON : STOPPED;
    default: return WENT_ON; /* barriers */
    }
    timed->n = n, timed->z = z, timed->c = c, timed->v = v;
    return WENT_ON;
}

/* Why an operation cannot be executed at all, M0_STOP_NONE if it can. */
static enum m0_stop why_not(const struct m0_core *core, uint32_t operation)
{
    switch (operation) {
    case M0_OP_WAIT_INTERRUPT: return core->system.is_on != 0 ? M0_STOP_NONE : M0_STOP_SLEEP;
    case M0_OP_SUPERVISOR: return core->system.is_on != 0 ? M0_STOP_NONE : M0_STOP_SUPERVISOR;
    case M0_OP_BREAKPOINT: return M0_STOP_BREAKPOINT;
    case M0_OP_DATA: return M0_STOP_DATA;
    case M0_OP_INVALID: return M0_STOP_INVALID;
    default: return M0_STOP_NONE;
    }
}

/* Where a branch leads, and whether bit 0 of that is the T bit. False after a stop. */
static bool target_of(struct m0_core *core, struct now *now, uint32_t operation, uint32_t *target, bool *interworks)
{
    const uint32_t *r = core->timed.r;
    const struct m0_op *op = now->op;
    *interworks = false;
    switch (operation) {
    case M0_OP_POP_PC: *interworks = true; return do_multiple(core, now, operation, target);
    case M0_OP_BRANCH_EXCHANGE: case M0_OP_BRANCH_LINK_EXCHANGE: {
        uint32_t first = m0_load16(m0_bytes_at(core, now->pc)); /* the call's number is where its register was */
        *interworks = true;
        *target = r[first >> 3 & 15];
        return true;
    }
    case M0_OP_MOVE_PC: *target = (op->b == 15 ? now->pc + 4 : r[op->b]) & ~1u; return true;
    case M0_OP_ADD_PC: *target = (now->pc + 4 + r[op->b]) & ~1u; return true;
    default: *target = now->detail->target; return true;
    }
}

static bool is_branch(uint32_t operation)
{
    return operation >= M0_OP_BRANCH && operation <= M0_OP_ADD_PC;
}

/* Branch, if the condition holds. */
static enum done branch(struct m0_core *core, struct now *now, uint32_t operation)
{
    struct m0_timed *timed = &core->timed;
    uint32_t target = 0, extra = now->op->extra;
    bool interworks, is_conditional = operation >= M0_OP_BRANCH_IF && operation < M0_OP_BRANCH_IF + 14;
    if (is_conditional && !condition_holds(timed, operation - M0_OP_BRANCH_IF)) {
        return WENT_ON;
    }
    if (!target_of(core, now, operation, &target, &interworks)) {
        return STOPPED;
    }
    now->detail->taken += is_conditional;
    int64_t cycles = now->cycle + extra + now->stalls;
    if (interworks && operation != M0_OP_BRANCH_LINK_EXCHANGE && m0_returns(core, target)) {
        core->cycles = cycles;
        m0_fill_frames(core);
        m0_stop_timed(core, M0_STOP_EVENT, now->pc);
        core->system.returns_to = target;
        return WENT_AWAY;
    }
    struct m0_op *to = leave(core, now, cycles, target, interworks);
    timed->pc = target & ~1u;
    if (to == NULL) {
        core->cycles = cycles;
        return WENT_AWAY;
    }
    timed->budget = (uint64_t)(uintptr_t)to + (uint64_t)(timed->horizon - cycles) * M0_CYCLE;
    timed->op = (uint64_t)(uintptr_t)to;
    return WENT_AWAY;
}

/* Go on behind an instruction that did not branch. */
static struct m0_op *run_on(struct m0_core *core, const struct now *now, uint32_t extra, uint32_t size, uint32_t flags)
{
    struct m0_timed *timed = &core->timed;
    struct m0_op *next = now->op + size / 2;
    timed->budget -= (uint64_t)(extra + now->stalls) * M0_CYCLE;
    if (flags & M0_DETAIL_CROSSES) {
        uint32_t behind = now->pc + size;
        struct m0_site site = {.end = behind};
        core->cycles = m0_cycles_at(core, next, timed->budget);
        m0_fill_frames(core);
        m0_go_on(core, &site, M0_FLOW_JUMP, m0_function_at(core, now->pc), behind, m0_function_at(core, behind));
        note_recursion(core);
        m0_note_frame(core, m0_top_frame(core));
    }
    timed->op = (uint64_t)(uintptr_t)next;
    return next;
}

/* The operation of the next page, from the one behind the last of a page. NULL after a stop. */
static struct m0_op *turn_page(struct m0_core *core, struct m0_op *op)
{
    struct m0_timed *timed = &core->timed;
    uint32_t address = m0_address_of_op(core, op);
    int64_t cycles = m0_cycles_at(core, op, timed->budget);
    struct m0_op *next = m0_op_at(core, address);
    timed->pc = address;
    core->cycles = cycles;
    if (next != NULL) {
        timed->op = (uint64_t)(uintptr_t)next;
        timed->budget = timed->op + (uint64_t)(timed->horizon - cycles) * M0_CYCLE;
    }
    return next;
}

/* -- the fabric: what an instruction asks for beside its data. fabric.c */

/* It begins, maybe once more: then what it has asked for since its code was there is asked for again. */
static void begin_to_ask(struct m0_core *core)
{
    struct m0_master *master = &core->chip->fabric.masters[core->number];
    master->depth = core->depth;
    master->count = master->count != 0 ? master->kept : 0;
}

/* Its code is there. */
static void keep_asking(struct m0_core *core)
{
    struct m0_master *master = &core->chip->fabric.masters[core->number];
    master->kept = master->count;
}

/*
 * Code is fetched ahead, by words: when the first half of one begins to execute, the next one is asked for, in the first
 * cycle in which no data is (DDI 0484C, 2.2.1: at most 32 bits ahead). Control that goes elsewhere asks for the word
 * there in the last cycle but one of the instruction, and for the one behind it where it comes to a second half.
 */
static void ask_for_code(struct m0_core *core, const struct now *now, enum done done, int64_t end)
{
    uint32_t target = core->timed.pc, size = now->detail->size;
    if (done == WENT_AWAY) {
        if (core->system.returns_to == 0) {
            m0_ask_for_code(core, target & ~3u, end - 2, target);
        }
        if (core->system.returns_to == 0 && (target & 2) != 0) {
            m0_ask_for_code(core, (target & ~3u) + 4, end - 1, target);
        }
        return;
    }
    int64_t at = now->cycle + now->asked + now->stalls; /* of the I/O port, a cycle is taken off */
    if ((now->pc & 2) == 0 || size == 4) {
        m0_ask_for_code(core, ((now->pc + size - 2) & ~3u) + 4, at > now->cycle ? at : now->cycle, now->pc);
    }
}

/*
 * True where the next event comes while an instruction runs that an exception can end: it waits at that cycle, and
 * exceptions.c decides.
 */
static bool is_abandoned(struct m0_core *core, const struct now *now, uint32_t operation)
{
    struct m0_system *system = &core->system;
    bool is_multiple = (operation >= M0_OP_PUSH && operation <= M0_OP_STM) || operation == M0_OP_POP_PC;
    bool can_end = is_multiple || (operation == M0_OP_MULTIPLY && now->op->extra != 0);
    int64_t cycles = now->op->extra + (operation == M0_OP_POP_PC ? 0 : 1);
    if (!can_end || now->cycle + cycles <= system->next_event || now->cycle >= system->next_event ||
        core->timed.access.answered != 0) {
        return false;
    }
    system->partial = system->next_event - now->cycle;
    core->cycles = system->next_event;
    m0_stop_timed(core, M0_STOP_EVENT, now->pc);
    return true;
}

/*
 * Execute from `timed.op`, which is counted as begun: one instruction, or on to the end of a stretch whose next has all
 * it fetches. False after a stop, with `timed.pc` and `core.cycles` where that was.
 */
bool m0_step(struct m0_core *core, enum m0_stepping stepping)
{
    struct m0_timed *timed = &core->timed;
    bool stays = stepping == M0_STEP_STRETCH || timed->is_simple != 0;
    for (;;) {
        struct m0_op *op = m0_pointer(timed->op);
        struct now now = {.op = op, .detail = m0_detail_of(core, op)};
        uint32_t operation = now.detail->operation;
        if (operation == M0_OP_NEXT_PAGE) { /* nobody counts it */
            struct m0_op *next = turn_page(core, op);
            if (next == NULL) {
                return false;
            }
            if (!arrive(core, next, true)) {
                take_back(core, next);
                return false;
            }
            stays |= timed->flash_model != M0_FLASH_IDEAL && !m0_is_settled(core, next);
            continue;
        }
        if (operation == M0_OP_NONE && !m0_has_room_to_decode(core)) {
            timed->pc = m0_address_of_op(core, op);
            core->cycles = m0_cycles_at(core, op, timed->budget);
            m0_stop_timed(core, M0_STOP_GROW, timed->pc);
            take_back(core, op);
            return false;
        }
        if (operation == M0_OP_NONE) {
            m0_predecode(core, op);
            operation = now.detail->operation;
        }
        now.pc = timed->pc = m0_address_of_op(core, op);
        now.cycle = timed->began = m0_cycles_at(core, op, timed->budget);
        enum m0_stop why = why_not(core, operation);
        if ((now.detail->flags & M0_DETAIL_WATCHED) != 0 && timed->passes_watch == 0) {
            why = M0_STOP_WATCHED;
        }
        now.passes_guards = timed->passes_guards != 0 || timed->access.answered != 0;
        timed->passes_watch = timed->passes_guards = 0;
        if (why != M0_STOP_NONE) {
            m0_stop_timed(core, why, now.pc);
            core->cycles = now.cycle;
            take_back(core, op);
            return false;
        }
        if (M0_RARELY(core->contends != 0)) {
            begin_to_ask(core);
        }
        if (timed->flash_model != M0_FLASH_IDEAL) {
            fetch(core, &now);
            now.cycle = m0_cycles_at(core, op, timed->budget);
        }
        if (M0_RARELY(core->contends != 0)) {
            keep_asking(core);
        }
        if (core->system.is_on != 0 && is_abandoned(core, &now, operation)) {
            take_back(core, op);
            return false;
        }
        uint32_t extra = op->extra, size = now.detail->size, flags = now.detail->flags;
        now.is_single = operation >= M0_OP_LDR_LITERAL && operation <= M0_OP_STRB;
        bool branches = is_branch(operation);
        timed->access.used = 0;
        enum done done = branches ? branch(core, &now, operation) : execute(core, &now, operation);
        if (done == STOPPED) {
            core->cycles = now.cycle;
            if (now.detail->operation == M0_OP_NONE) {
                take_back_retired(core, &now);
            } else {
                take_back(core, op);
            }
            return false;
        }
        now.stalls += timed->access.stalls;
        now.detail->stalls += timed->access.stalls + now.bus_stalls;
        timed->access.answered = timed->access.stalls = 0;
        if (M0_RARELY(core->contends != 0)) {
            ask_for_code(core, &now, done, now.cycle + extra + now.stalls);
        }
        if (core->stop != M0_STOP_NONE) { /* a branch to where no code is */
            return false;
        }
        bool is_conditional = operation >= M0_OP_BRANCH_IF && operation < M0_OP_BRANCH_IF + 14;
        struct m0_op *next;
        if (done == WENT_AWAY) {
            next = m0_pointer(timed->op);
        } else {
            next = run_on(core, &now, is_conditional ? size / 2 - 1 : extra, size, flags);
        }
        bool by_transfer = done == WENT_AWAY || operation >= M0_OP_CPS || (flags & M0_DETAIL_CROSSES) != 0;
        if (m0_detail_of(core, next)->operation == M0_OP_NEXT_PAGE) {
            continue;
        }
        if (!arrive(core, next, by_transfer)) {
            timed->pc = m0_address_of_op(core, next);
            core->cycles = m0_cycles_at(core, next, timed->budget);
            take_back(core, next);
            return false;
        }
        bool ends_stretch = by_transfer || is_conditional || m0_is_head(next);
        if (timed->is_simple == 0) {
            bool may_wait = timed->flash_model != M0_FLASH_IDEAL;
            stays = ends_stretch ? may_wait && !m0_is_settled(core, next) : stays || now.is_unsettled;
        }
        if (!stays) {
            return true;
        }
    }
}

/* Begin at `timed.pc`, to stop at cycle `horizon`. False after a stop. */
static bool begin(struct m0_core *core, int64_t horizon)
{
    struct m0_timed *timed = &core->timed;
    timed->horizon = horizon;
    struct m0_op *op = m0_op_at(core, timed->pc);
    if (op == NULL) {
        return false;
    }
    note_contexts(core);
    timed->op = (uint64_t)(uintptr_t)op;
    timed->budget = timed->op + (uint64_t)(horizon - core->cycles) * M0_CYCLE;
    if (!arrive(core, op, true)) {
        take_back(core, op);
        return false;
    }
    return true;
}

/* Run from `timed.pc` until something stops it. */
void m0_run_timed(struct m0_core *core)
{
    if (!begin(core, core->limit > core->cycles ? core->limit : core->cycles)) {
        return;
    }
    if (core->timed.is_simple != 0) {
        m0_step(core, M0_STEP_STRETCH);
    } else {
        m0_run_threaded(core);
    }
    m0_fill_frames(core);
}

/* -- firmware, which stops at the exact cycle of an event */

/* The run came to an operation that was counted as begun: it waits before it. */
static void wait_before(struct m0_core *core)
{
    struct m0_timed *timed = &core->timed;
    struct m0_op *op = m0_pointer(timed->op);
    timed->pc = m0_address_of_op(core, op);
    core->cycles = m0_cycles_at(core, op, timed->budget);
    take_back(core, op);
}

/* Run to the end of a stretch, or to cycle `horizon`, whichever comes first. */
static void run_exactly(struct m0_core *core, bool is_resumed)
{
    struct m0_timed *timed = &core->timed;
    bool is_settled = timed->flash_model == M0_FLASH_IDEAL || m0_is_settled(core, m0_pointer(timed->op));
    if (timed->is_simple == 0 && !is_resumed && (timed->passes_watch | timed->passes_guards) == 0 && is_settled) {
        m0_run_careful(core);
    }
    if ((int64_t)(timed->budget - timed->op) <= 0 || m0_step(core, is_resumed ? M0_STEP_ONE : M0_STEP_STRETCH)) {
        wait_before(core);
    }
}

/*
 * Run up to `system.next_event`, `system.until` or `limit`, or to some place before it. The fast form stops early
 * enough, the simple one exactly.
 * A stop that means no more than that is taken back.
 */
void m0_run_to_event(struct m0_core *core)
{
    struct m0_system *system = &core->system;
    bool is_resumed = system->partial != 0;
    core->cycles -= system->partial;
    system->partial = 0;
    int64_t now = core->cycles, next = system->until < system->next_event ? system->until : system->next_event;
    int64_t event = next > now ? next : now + 1;
    bool has_begun = m0_has_begun(&core->timed); /* an exception may wait for it */
    int64_t limit = core->limit > now && !has_begun ? core->limit : now + 1;
    event = limit < event ? limit : event;
    int64_t fast_until = event - M0_SLACK;
    bool is_fast = core->timed.is_simple == 0 && !is_resumed;
    if (is_fast && fast_until <= now) {
        const struct m0_op *op = m0_op_at(core, core->timed.pc);
        is_fast = op != NULL && m0_may_go_on(core, op, event - now);
        fast_until = now + 1;
    }
    core->timed.slack = event - fast_until;
    if (!begin(core, is_fast ? fast_until : event)) {
        return;
    }
    if (is_fast) {
        m0_run_threaded(core);
    } else {
        run_exactly(core, is_resumed);
    }
    m0_fill_frames(core);
    if (core->stop == M0_STOP_LIMIT) {
        core->stop = M0_STOP_NONE; /* whoever called looks at the cycles */
    }
}
