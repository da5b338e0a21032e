/*
 * The registers of the core on the private peripheral bus: SysTick, NVIC and the system control block, and registers of
 * devices that Python published.
 *
 * Sources: Armv6-M Architecture Reference Manual (Arm DDI 0419), B3.2 (system control space), B3.3 (SysTick), B3.4
 * (NVIC); Cortex-M0+ Technical Reference Manual (Arm DDI 0484C), chapters 4 and 5. An access is made in the cycle in
 * which its instruction begins; what a store pends is pending when the store has ended.
 */
#include "system.h"

enum { SYST_CSR = 0x010, SYST_RVR = 0x014, SYST_CVR = 0x018, SYST_CALIB = 0x01C };
enum { NVIC_ISER = 0x100, NVIC_ICER = 0x180, NVIC_ISPR = 0x200, NVIC_ICPR = 0x280, NVIC_IPR0 = 0x400, NVIC_IPR7 = 0x41C };
enum { CPUID = 0xD00, ICSR = 0xD04, VTOR = 0xD08, AIRCR = 0xD0C, SCR = 0xD10, CCR = 0xD14, SHPR2 = 0xD1C,
       SHPR3 = 0xD20, SHCSR = 0xD24 };
enum { STORE_CYCLES = 2 };
enum { SYSTEM_CONTROL_SPACE = 0xE000E000, PRIVATE_BUS = 0xE0000000, PRIVATE_BUS_BYTES = 0x100000 };

/* -- counters that run beside the core */

/* amount * numerator / denominator, rounded down; all of them below 2^31 but `amount`. */
static uint64_t scaled(uint64_t amount, uint32_t numerator, uint32_t denominator)
{
    return amount / denominator * numerator + amount % denominator * numerator / denominator;
}

/* Clocks that SysTick's clock has counted at a cycle, from when it does not matter. */
static int64_t systick_clock(const struct m0_systick *timer, int64_t now)
{
    if ((timer->control & 4) != 0) {
        return now;
    }
    if (timer->denominator == 0) {
        return timer->reference;
    }
    return timer->reference + (int64_t)scaled((uint64_t)(now - timer->since), timer->numerator, timer->denominator);
}

/* The cycle in which that clock comes to a count. */
static int64_t systick_cycle(const struct m0_systick *timer, int64_t count)
{
    if ((timer->control & 4) != 0) {
        return count;
    }
    if (timer->denominator == 0 || timer->numerator == 0) {
        return M0_NEVER;
    }
    uint64_t clocks = (uint64_t)(count - timer->reference), whole = clocks / timer->numerator;
    uint64_t rest = clocks % timer->numerator * timer->denominator;
    return timer->since + (int64_t)(whole * timer->denominator + (rest + timer->numerator - 1) / timer->numerator);
}

/* The count at which the counter next comes to zero; never with nothing to reload. */
static int64_t systick_zero(const struct m0_systick *timer)
{
    if (timer->value != 0) {
        return timer->at + timer->value;
    }
    return timer->reload != 0 ? timer->at + 1 + timer->reload : M0_NEVER;
}

/* Bring the counter up to a cycle; coming to zero, it sets COUNTFLAG and pends. */
void m0_settle_systick(struct m0_core *core, int64_t now)
{
    struct m0_systick *timer = &core->system.systick;
    int64_t clock = systick_clock(timer, now), zero = systick_zero(timer);
    if ((timer->control & 1) == 0) {
        timer->at = clock;
        return;
    }
    if (zero <= clock) {
        timer->counted = 1;
        if ((timer->control & 2) != 0) {
            m0_pend(core, EXCEPTION_SYSTICK, systick_cycle(timer, zero));
        }
        timer->value = 0;
        timer->at = zero;
        if (timer->reload != 0) {
            timer->at += (clock - zero) / (timer->reload + 1) * (timer->reload + 1);
        }
    }
    int64_t passed = clock - timer->at;
    if (timer->value == 0 && passed > 0) {
        timer->value = timer->reload;
        passed--;
    }
    timer->value -= timer->value != 0 ? (uint32_t)passed : 0;
    timer->at = clock;
}

/* The cycle in which SysTick pends next. */
int64_t m0_systick_due(const struct m0_core *core)
{
    const struct m0_systick *timer = &core->system.systick;
    int64_t zero = systick_zero(timer);
    return (timer->control & 3) != 3 || zero == M0_NEVER ? M0_NEVER : systick_cycle(timer, zero);
}

static uint32_t read_systick(struct m0_core *core, uint32_t offset)
{
    struct m0_systick *timer = &core->system.systick;
    switch (offset) {
    case SYST_CSR: {
        uint32_t value = timer->control | timer->counted << 16;
        timer->counted = 0;
        return value;
    }
    case SYST_RVR: return timer->reload;
    case SYST_CVR: return timer->value;
    default: return timer->calibration;
    }
}

static void write_systick(struct m0_core *core, uint32_t offset, uint32_t value, int64_t now)
{
    struct m0_systick *timer = &core->system.systick;
    switch (offset) {
    case SYST_CSR:
        timer->control = (value & 7) | (timer->denominator == 0 ? 4 : 0); /* no reference clock: it reads as one */
        timer->at = systick_clock(timer, now);
        break;
    case SYST_RVR: timer->reload = value & 0xFFFFFF; break;
    case SYST_CVR: timer->value = timer->counted = 0; break;
    default: break; /* CALIB is read-only */
    }
}

/* The reference clock of SysTick goes at numerator / denominator of the core's from now on. */
void m0_set_reference_clock(struct m0_core *core, uint32_t numerator, uint32_t denominator)
{
    struct m0_systick *timer = &core->system.systick;
    m0_settle_systick(core, core->cycles);
    timer->reference = (timer->control & 4) != 0 ? 0 : systick_clock(timer, core->cycles);
    timer->since = core->cycles;
    timer->numerator = numerator;
    timer->denominator = denominator;
    timer->control |= denominator == 0 ? 4 : 0;
    timer->at = systick_clock(timer, core->cycles);
}

/* -- NVIC */

/* Priorities of four exceptions from `first` on, in the two highest bits of each byte. */
static uint32_t read_priorities(const struct m0_system *system, uint32_t first)
{
    uint32_t value = 0;
    for (uint32_t i = 0; i < 4; i++) {
        value |= system->exceptions[first + i].priority << (8 * i + 6);
    }
    return value;
}

static void write_priorities(struct m0_system *system, uint32_t first, uint32_t value)
{
    for (uint32_t i = 0; i < 4; i++) {
        system->exceptions[first + i].priority = value >> (8 * i + 6) & 3;
    }
}

static uint32_t interrupts(uint64_t numbers)
{
    return (uint32_t)(numbers >> EXCEPTION_INTERRUPT);
}

static void write_nvic(struct m0_core *core, uint32_t offset, uint32_t value, int64_t now)
{
    struct m0_system *system = &core->system;
    uint64_t numbers = (uint64_t)value << EXCEPTION_INTERRUPT;
    switch (offset) {
    case NVIC_ISER: m0_enable(core, numbers, now); break;
    case NVIC_ICER: system->enabled &= ~numbers; break;
    case NVIC_ISPR:
        for (uint32_t rest = value; rest != 0; rest &= rest - 1) {
            m0_pend(core, EXCEPTION_INTERRUPT + (uint32_t)__builtin_ctz(rest), now);
        }
        break;
    default:
        for (uint32_t rest = value; rest != 0; rest &= rest - 1) {
            m0_unpend(core, EXCEPTION_INTERRUPT + (uint32_t)__builtin_ctz(rest));
        }
        for (uint32_t rest = value & system->lines & ~interrupts(system->active); rest != 0; rest &= rest - 1) {
            m0_pend(core, EXCEPTION_INTERRUPT + (uint32_t)__builtin_ctz(rest), now); /* it is still requested */
        }
        break;
    }
}

/* -- system control block */

static uint32_t read_icsr(const struct m0_system *system)
{
    uint32_t value = system->ipsr | m0_first_pending(system) << 12;
    value |= interrupts(system->pending) != 0 ? 1u << 22 : 0;
    value |= (uint32_t)(system->pending >> EXCEPTION_SYSTICK & 1) << 26;
    value |= (uint32_t)(system->pending >> EXCEPTION_PENDSV & 1) << 28;
    return value | (uint32_t)(system->pending >> EXCEPTION_NMI & 1) << 31;
}

static void write_icsr(struct m0_core *core, uint32_t value, int64_t now)
{
    if ((value >> 25 & 1) != 0) {
        m0_unpend(core, EXCEPTION_SYSTICK);
    }
    if ((value >> 27 & 1) != 0) {
        m0_unpend(core, EXCEPTION_PENDSV);
    }
    if ((value >> 26 & 1) != 0) {
        m0_pend(core, EXCEPTION_SYSTICK, now);
    }
    if ((value >> 28 & 1) != 0) {
        m0_pend(core, EXCEPTION_PENDSV, now);
    }
    if ((value >> 31) != 0) {
        m0_pend(core, EXCEPTION_NMI, now);
    }
}

enum { AIRCR_KEY = 0x05FA, AIRCR_KEY_READS_AS = 0xFA05, AIRCR_SYSRESETREQ = 4, CCR_READS_AS = 0x208,
       SHCSR_SVCALLPENDED = 1 << 15 };

static bool write_control(struct m0_core *core, uint32_t offset, uint32_t value, int64_t now)
{
    struct m0_system *system = &core->system;
    switch (offset) {
    case CPUID: case CCR: return true; /* read-only */
    case ICSR: write_icsr(core, value, now); return true;
    case VTOR: system->vtor = value & system->vtor_mask; return true;
    case AIRCR:
        if (value >> 16 == AIRCR_KEY && (value & AIRCR_SYSRESETREQ) != 0) {
            core->system.asks_reset = 1;
        }
        return true;
    case SCR: system->scr = value & 0x16; return true;
    case SHPR2: system->exceptions[EXCEPTION_SUPERVISOR].priority = value >> 30; return true;
    case SHPR3:
        system->exceptions[EXCEPTION_PENDSV].priority = value >> 22 & 3;
        system->exceptions[EXCEPTION_SYSTICK].priority = value >> 30;
        return true;
    case SHCSR:
        if ((value & SHCSR_SVCALLPENDED) != 0) {
            m0_pend(core, EXCEPTION_SUPERVISOR, now);
        } else {
            m0_unpend(core, EXCEPTION_SUPERVISOR);
        }
        return true;
    default: return false;
    }
}

static bool write_register(struct m0_core *core, uint32_t offset, uint32_t value, int64_t now)
{
    int64_t behind = now + STORE_CYCLES;
    if (offset >= SYST_CSR && offset <= SYST_CALIB) {
        write_systick(core, offset, value, now);
    } else if (offset == NVIC_ISER || offset == NVIC_ICER || offset == NVIC_ISPR || offset == NVIC_ICPR) {
        write_nvic(core, offset, value, behind);
    } else if (offset >= NVIC_IPR0 && offset <= NVIC_IPR7) {
        write_priorities(&core->system, EXCEPTION_INTERRUPT + offset - NVIC_IPR0, value);
    } else {
        return write_control(core, offset, value, behind);
    }
    return true;
}

static bool read_register(struct m0_core *core, uint32_t offset, uint32_t *value)
{
    const struct m0_system *system = &core->system;
    if (offset >= SYST_CSR && offset <= SYST_CALIB) {
        *value = read_systick(core, offset);
        return true;
    }
    if (offset >= NVIC_IPR0 && offset <= NVIC_IPR7) {
        *value = read_priorities(system, EXCEPTION_INTERRUPT + offset - NVIC_IPR0);
        return true;
    }
    switch (offset) {
    case NVIC_ISER: case NVIC_ICER: *value = interrupts(system->enabled); return true;
    case NVIC_ISPR: case NVIC_ICPR: *value = interrupts(system->pending); return true;
    case CPUID: *value = system->cpuid; return true;
    case ICSR: *value = read_icsr(system); return true;
    case VTOR: *value = system->vtor; return true;
    case AIRCR: *value = (uint32_t)AIRCR_KEY_READS_AS << 16; return true;
    case SCR: *value = system->scr; return true;
    case CCR: *value = CCR_READS_AS; return true;
    case SHPR2: *value = system->exceptions[EXCEPTION_SUPERVISOR].priority << 30; return true;
    case SHPR3:
        *value = system->exceptions[EXCEPTION_PENDSV].priority << 22 |
                 system->exceptions[EXCEPTION_SYSTICK].priority << 30;
        return true;
    case SHCSR: *value = (system->pending >> EXCEPTION_SUPERVISOR & 1) != 0 ? SHCSR_SVCALLPENDED : 0; return true;
    default: return false;
    }
}

/* -- what Python published */

static bool read_published(const struct m0_core *core, int64_t now, uint32_t address, uint32_t *value)
{
    const struct m0_published *rows = core->system.published;
    uint32_t slot = m0_mix(address);
    for (uint32_t i = 0; i < M0_PUBLISHED; i++, slot++) {
        const struct m0_published *row = &rows[slot % M0_PUBLISHED];
        if (row->address != address && row->address != 0) {
            continue;
        }
        if (row->address == 0 || row->kind == 0 || now >= row->until) {
            return false;
        }
        int64_t passed = now > row->since ? now - row->since : 0;
        uint64_t counted = row->kind == 1 ? 0 : scaled((uint64_t)passed, row->numerator, row->denominator);
        *value = row->kind == 1 ? row->value : (uint32_t)((row->start + counted) >> row->shift);
        return true;
    }
    return false;
}

/* Answer loads of a register until Python withdraws that or cycle `until` comes. False where the table is full. */
bool m0_publish(struct m0_core *core, const struct m0_published *published)
{
    uint32_t slot = m0_mix(published->address);
    for (uint32_t i = 0; i < M0_PUBLISHED; i++, slot++) {
        struct m0_published *row = &core->system.published[slot % M0_PUBLISHED];
        if (row->address == published->address || row->address == 0) {
            *row = *published;
            return true;
        }
    }
    return false;
}

/* -- accesses */

/* Cycles beyond two that a bus takes. */
uint32_t m0_bus_extra(const struct m0_core *core, uint32_t address, bool is_store)
{
    for (uint32_t i = 0; i < core->system.bus_count; i++) {
        const struct m0_bus *bus = &core->system.buses[i];
        if (address - bus->base < bus->size) {
            return is_store ? bus->store_extra : bus->load_extra;
        }
    }
    return 0;
}

/*
 * A load or store where no memory is, at cycle `now`. Refused, the fault's cause is in `system.cause`; with no answer,
 * Python is to be asked.
 */
enum m0_answer m0_access_system(struct m0_core *core, int64_t now, uint32_t address, uint32_t size, bool is_store,
                                uint32_t *value)
{
    uint32_t offset = address - SYSTEM_CONTROL_SPACE, word = 0, shift = 8 * (address & 3);
    if (address - PRIVATE_BUS < PRIVATE_BUS_BYTES && !m0_is_privileged(core)) {
        core->system.cause = M0_CAUSE_UNPRIVILEGED;
        return M0_ANSWER_REFUSED;
    }
    if (offset < 0x1000) {
        m0_settle_systick(core, now);
        if (is_store) {
            core->system.attention = 1;
            return size == 4 && write_register(core, offset, *value, now) ? M0_ANSWER_DONE : M0_ANSWER_NONE;
        }
        if (!read_register(core, offset & ~3u, &word)) {
            return M0_ANSWER_NONE;
        }
    } else if (is_store || !read_published(core, now, address & ~3u, &word)) {
        return M0_ANSWER_NONE;
    }
    *value = word >> shift & 0xFFFFFFFF >> (32 - 8 * size);
    return M0_ANSWER_DONE;
}

/*
 * A debugger's load or store of a register that the core answers itself: one of its own, of the port, or a published
 * one. The same as by privileged code, but that it takes no time.
 */
uint32_t m0_access_for_debugger(struct m0_core *core, uint32_t address, uint32_t size, uint32_t is_store,
                                uint32_t *value)
{
    const struct m0_port *port = &core->port;
    if (port->size != 0 && address - port->base < port->size && port->is_sio != 0) {
        bool is_there = m0_access_port(core, core->timed.pc, core->cycles, address, size, is_store != 0, value);
        return (uint32_t)(is_there ? M0_ANSWER_DONE : M0_ANSWER_REFUSED);
    }
    uint32_t control = core->timed.control;
    core->timed.control &= ~1u;
    enum m0_answer answer = m0_access_system(core, core->cycles, address, size, is_store != 0, value);
    core->timed.control = control;
    return (uint32_t)answer;
}
