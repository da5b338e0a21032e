/*
 * Exceptions where firmware runs: what is pending and taken, entry and return, sleep, and the loop around the interpreter
 * that does all this between two instructions.
 *
 * Time is exact. The core runs up to the cycle of the next event: SysTick's, or the one that Python asked for. An event
 * during an instruction is seen behind it, but LDM, STM, PUSH, POP and a multiplication of 32 cycles stop there: if the
 * event is an exception that is taken, they are abandoned and begin again when it has returned; else they go on. One
 * that a device of Python's has answered goes on in any case.
 *
 * Sources: Armv6-M Architecture Reference Manual (Arm DDI 0419), B1.5 (exceptions), with its pseudocode; Cortex-M0+
 * Technical Reference Manual (Arm DDI 0484C), 3.6.1: abandoned instructions, late arrival, and 15 cycles from an
 * interrupt to the first instruction of its handler. What the manuals leave open is UNPREDICTABLE there: a HardFault here.
 */
#include "pio.h"

enum { FRAME_BYTES = 32, XPSR_T = 1 << 24, XPSR_ALIGNED = 1 << 9, THREAD_PRIORITY = 4 };
enum { EXC_RETURN_HANDLER = 0xFFFFFFF1, EXC_RETURN_MAIN = 0xFFFFFFF9, EXC_RETURN_PROCESS = 0xFFFFFFFD };
enum { SCR_SLEEPONEXIT = 2, SCR_SEVONPEND = 16 };
enum { NOBODY = 0xF0000000 }; /* where calls of handlers and threads come from: no code is there */

static const uint64_t always_enabled = (1 << EXCEPTION_NMI) | (1 << EXCEPTION_HARD_FAULT) |
                                       (1 << EXCEPTION_SUPERVISOR) | (1 << EXCEPTION_PENDSV) | (1 << EXCEPTION_SYSTICK);

/* -- priorities: DDI 0419, B1.5.4 */

static int32_t priority_of(const struct m0_system *system, uint32_t number)
{
    return number == EXCEPTION_NMI ? -2 : number == EXCEPTION_HARD_FAULT ? -1
                                                                         : (int32_t)system->exceptions[number].priority;
}

/* That of the code that runs, PRIMASK left out. */
static int32_t active_priority(const struct m0_system *system)
{
    int32_t highest = THREAD_PRIORITY;
    for (uint64_t rest = system->active; rest != 0; rest &= rest - 1) {
        int32_t priority = priority_of(system, (uint32_t)__builtin_ctzll(rest));
        highest = priority < highest ? priority : highest;
    }
    return highest;
}

static int32_t execution_priority(const struct m0_core *core)
{
    int32_t priority = active_priority(&core->system);
    return core->timed.primask != 0 && priority > 0 ? 0 : priority;
}

/* The exception to be taken first of those that are pending and enabled; of one priority, the lowest number. */
uint32_t m0_first_pending(const struct m0_system *system)
{
    uint32_t first = 0;
    for (uint64_t rest = system->pending & system->enabled; rest != 0; rest &= rest - 1) {
        uint32_t number = (uint32_t)__builtin_ctzll(rest);
        if (first == 0 || priority_of(system, number) < priority_of(system, first)) {
            first = number;
        }
    }
    return first;
}

/* -- what pends */

void m0_pend(struct m0_core *core, uint32_t number, int64_t now)
{
    struct m0_system *system = &core->system;
    if ((system->pending & m0_bit(number)) != 0) {
        return;
    }
    system->pending |= m0_bit(number);
    system->is_idle = 0;
    system->exceptions[number].ready_at = now;
    system->exceptions[number].held = 0;
    if ((system->scr & SCR_SEVONPEND) != 0 && number >= EXCEPTION_INTERRUPT) {
        system->event = 1;
    }
}

void m0_unpend(struct m0_core *core, uint32_t number)
{
    core->system.pending &= ~m0_bit(number);
}

/* Interrupts are enabled: those that were pending are ready from now on. */
void m0_enable(struct m0_core *core, uint64_t numbers, int64_t now)
{
    struct m0_system *system = &core->system;
    for (uint64_t rest = numbers & system->pending & ~system->enabled; rest != 0; rest &= rest - 1) {
        system->exceptions[__builtin_ctzll(rest)].ready_at = now;
    }
    system->enabled |= numbers;
}

/* The cycle in which a device does what Python says now. */
static int64_t device_time(const struct m0_core *core)
{
    const struct m0_core *running = core->chip->running;
    return running->stop == M0_STOP_DUE ? running->system.due_at : running->cycles;
}

/* A request line of an interrupt goes high or low. */
void m0_set_line(struct m0_core *core, uint32_t interrupt, bool is_high)
{
    struct m0_system *system = &core->system;
    uint32_t line = 1u << interrupt;
    if (is_high && (system->lines & line) == 0) {
        m0_pend(core, EXCEPTION_INTERRUPT + interrupt, device_time(core));
    }
    system->lines = is_high ? system->lines | line : system->lines & ~line;
    system->attention = 1;
}

void m0_pend_exception(struct m0_core *core, uint32_t number)
{
    m0_pend(core, number, device_time(core));
    core->system.attention = 1;
}

/* SVC. False where its exception has not enough priority: a fault. */
bool m0_supervisor_call(struct m0_core *core, int64_t now)
{
    if (priority_of(&core->system, EXCEPTION_SUPERVISOR) >= execution_priority(core)) {
        core->system.cause = M0_CAUSE_SUPERVISOR;
        return false;
    }
    m0_pend(core, EXCEPTION_SUPERVISOR, now);
    core->system.attention = 1;
    return true;
}

/*
 * A HardFault of the instruction at `timed.pc`, which did not run; lockup where the code that runs has the priority of
 * HardFault or more.
 */
void m0_hard_fault(struct m0_core *core, uint32_t cause)
{
    struct m0_system *system = &core->system;
    const struct m0_access *access = &core->timed.access;
    bool is_access = cause == M0_CAUSE_UNALIGNED || cause == M0_CAUSE_BUS || cause == M0_CAUSE_UNPRIVILEGED;
    struct m0_hard_fault *fault = &system->fault;
    *fault = (struct m0_hard_fault){.cycle = core->cycles, .count = fault->count + 1, .cause = cause};
    fault->pc = core->timed.pc;
    fault->exception = system->ipsr;
    fault->address = is_access ? access->address : 0;
    fault->size = is_access ? access->size : 0;
    fault->is_store = is_access ? access->is_store : 0;
    fault->from = cause == M0_CAUSE_ARM_STATE || cause == M0_CAUSE_FETCH ? access->address : 0;
    for (uint32_t i = 0; i < 16; i++) {
        fault->r[i] = core->timed.r[i];
    }
    fault->r[15] = core->timed.pc;
    core->timed.access.answered = core->timed.access.stalls = 0;
    system->lacks_t = cause == M0_CAUSE_ARM_STATE;
    if (execution_priority(core) < 0) {
        system->is_locked_up = 1;
        return;
    }
    m0_pend(core, EXCEPTION_HARD_FAULT, core->cycles);
}

/* -- stacks */

/* Let the main or the process stack pointer be the one in use; each has its own mark. */
void m0_use_stack(struct m0_core *core, bool process)
{
    struct m0_timed *timed = &core->timed;
    struct m0_task *task = &core->system.tasks[core->system.task];
    if (((timed->control & 2) != 0) == process) {
        return;
    }
    uint32_t mine = timed->r[13];
    timed->r[13] = timed->other_sp;
    timed->other_sp = mine;
    timed->control ^= 2;
    *(process ? &core->system.msp_low : &task->psp_low) = core->sp_min;
    core->sp_min = process ? task->psp_low : core->system.msp_low;
    if (process && task->psp_high == M0_NEVER) {
        task->psp_high = timed->r[13];
    }
    core->sp_min = (int64_t)timed->r[13] < core->sp_min ? (int64_t)timed->r[13] : core->sp_min;
}

/* How low the main stack pointer came since this was last asked. What comes now is the next stretch of time. */
int64_t m0_take_stack_low(struct m0_core *core)
{
    struct m0_system *system = &core->system;
    bool is_process = (core->timed.control & 2) != 0;
    int64_t *low = is_process ? &system->msp_low : &core->sp_min, found = *low;
    system->msp_before = found < system->msp_before ? found : system->msp_before;
    *low = is_process ? core->timed.other_sp : core->timed.r[13];
    return found;
}

/* Host address of a word of the guest's; NULL where it may not be accessed so. */
static uint8_t *word_at(const struct m0_core *core, uint32_t address, bool writes)
{
    uint32_t slot = m0_page_slot(core, address);
    if (slot == 0 || (address & 3) != 0 || (writes && !core->writable[slot])) {
        return NULL;
    }
    return (uint8_t *)m0_pointer(core->hosts[slot]) + (address & 0xFFF);
}

static uint32_t xpsr(const struct m0_core *core)
{
    const struct m0_timed *timed = &core->timed;
    uint32_t flags = (timed->n & 0x80000000) | (timed->z == 0 ? 0x40000000u : 0) | timed->c << 29 | (timed->v >> 31) << 28;
    return flags | (core->system.lacks_t != 0 ? 0 : XPSR_T) | core->system.ipsr;
}

/* PushStack of DDI 0419, B1.5.6. The stack is eight bytes aligned; bit 9 of the xPSR there tells that it was not. */
static bool push_frame(struct m0_core *core)
{
    struct m0_timed *timed = &core->timed;
    const uint32_t *r = timed->r;
    uint32_t was_unaligned = r[13] >> 2 & 1, at = (r[13] - FRAME_BYTES) & ~4u;
    uint32_t words[8] = {r[0], r[1], r[2], r[3], r[12], r[14], timed->pc, xpsr(core) | was_unaligned << 9};
    bool is_written = true;
    timed->r[13] = at;
    core->sp_min = (int64_t)at < core->sp_min ? (int64_t)at : core->sp_min;
    for (uint32_t i = 0; i < 8; i++) {
        uint8_t *to = word_at(core, at + 4 * i, true);
        if (to == NULL) {
            is_written = false;
        } else {
            __builtin_memcpy(to, &words[i], 4);
        }
    }
    for (uint32_t i = 0; i < 8 && m0_code_is_hit(core, at, FRAME_BYTES); i++) {
        m0_code_changed(core, at + 4 * i, 4);
    }
    return is_written;
}

/* -- the calls of whoever is preempted. They are no callers of the handler's functions, and their time stands still. */

static void unlink_frames(struct m0_core *core, uint32_t from)
{
    for (uint32_t i = core->depth; i-- > from;) {
        struct m0_function *function = &core->functions[core->frames[i].function];
        function->newest = core->frames[i].outer;
        function->open--;
    }
}

static void link_frames(struct m0_core *core, uint32_t from, int64_t away)
{
    for (uint32_t i = from; i < core->depth; i++) {
        struct m0_frame *frame = &core->frames[i];
        struct m0_function *function = &core->functions[frame->function];
        frame->outer = function->newest;
        frame->entered += away;
        function->newest = i + 1;
        function->open++;
    }
}

/* Begin the call tree of a handler or a thread. */
static void open_root(struct m0_core *core, uint32_t number, uint32_t address)
{
    m0_open_root(core, NOBODY + number, m0_function_at(core, address));
    m0_note_frame(core, m0_top_frame(core));
}

/* -- threads */

/* Put aside the calls of the thread that was preempted, under where its frame was stacked. */
static void leave_task(struct m0_core *core, uint32_t key, int64_t left_at)
{
    struct m0_system *system = &core->system;
    struct m0_task *task = &system->tasks[system->task];
    task->key = key;
    task->left_at = left_at;
    task->depth = core->depth;
    if (m0_draws(core)) {
        m0_draw_thread(core);
    }
    if (core->depth > M0_TASK_FRAMES) {
        system->tasks_refused++;
        link_frames(core, 0, 0);
        m0_close_frames(core);
        task->depth = 0;
    }
    for (uint32_t i = 0; i < task->depth; i++) {
        system->aside[system->task * M0_TASK_FRAMES + i] = core->frames[i];
    }
    core->depth = 0;
}

static uint32_t find_task(const struct m0_system *system, uint32_t key)
{
    for (uint32_t i = 0; i < system->task_count; i++) {
        if (system->tasks[i].key == key) {
            return i;
        }
    }
    return system->task_count;
}

/* Let the thread whose frame was stacked there be the one that runs, or a new one. Its calls are not open yet. */
static void choose_task(struct m0_core *core, uint32_t key, uint32_t address)
{
    struct m0_system *system = &core->system;
    uint32_t number = find_task(system, key);
    if (number == system->task_count && number < M0_TASKS) {
        system->tasks[number] = (struct m0_task){.psp_low = M0_NEVER, .psp_high = M0_NEVER};
        system->tasks[number].function = m0_function_at(core, address);
        system->task_count++;
    } else if (number == system->task_count) {
        number = M0_TASKS - 1; /* the last row is everybody's */
        system->tasks[number].depth = 0;
        system->tasks_refused++;
    }
    system->task = number;
    system->tasks[number].key = 0;
    system->tasks[number].entries++;
}

/* Open the calls of the thread again that was chosen. */
static void enter_task(struct m0_core *core)
{
    struct m0_system *system = &core->system;
    const struct m0_task *task = &system->tasks[system->task];
    core->depth = task->depth;
    for (uint32_t i = 0; i < task->depth; i++) {
        core->frames[i] = system->aside[system->task * M0_TASK_FRAMES + i];
        m0_note_frame(core, &core->frames[i]);
    }
    if (m0_draws(core)) {
        m0_draw_resumed(core);
    }
    link_frames(core, 0, core->cycles - task->left_at);
    if (core->depth == 0) {
        open_root(core, 0, core->timed.pc);
    }
    system->thread_since = core->cycles;
    m0_end_handling(core);
}

/* -- entry: DDI 0419, B1.5.6 */

/* Time stands still for the code that runs. */
static void stand_still(struct m0_core *core)
{
    struct m0_system *system = &core->system;
    uint32_t floor = 0;
    if (system->depth > 0) {
        struct m0_activation *below = &system->activations[system->depth - 1];
        system->exceptions[below->number].cycles += core->cycles - below->counted;
        floor = below->floor;
    } else {
        system->tasks[system->task].cycles += core->cycles - system->thread_since;
        m0_begin_handling(core);
    }
    unlink_frames(core, floor);
}

/* It goes on, after what `activation` preempted it for. */
static void go_on(struct m0_core *core, const struct m0_activation *activation)
{
    struct m0_system *system = &core->system;
    uint32_t floor = 0;
    if (system->depth > 0) {
        struct m0_activation *below = &system->activations[system->depth - 1];
        below->counted = core->cycles;
        floor = below->floor;
    } else {
        system->thread_since = core->cycles;
        m0_end_handling(core);
    }
    link_frames(core, floor, core->cycles - activation->began);
}

/* Begin to stack for whatever is taken when that is done. */
static void begin_entry(struct m0_core *core)
{
    struct m0_system *system = &core->system;
    struct m0_activation *activation = &system->activations[system->depth];
    system->entry_began = core->cycles;
    system->is_entering = 1;
    if (m0_draws(core)) {
        m0_draw_wake(core, m0_first_pending(system));
    }
    system->asleep = M0_AWAKE;
    if (system->partial != 0) {
        system->abandoned++;
        system->abandoned_cycles += system->partial;
        system->partial = 0;
    }
    uint32_t process = system->ipsr == 0 && (core->timed.control & 2) != 0;
    bool is_pushed = push_frame(core);
    uint32_t link = system->ipsr != 0 ? EXC_RETURN_HANDLER : process ? EXC_RETURN_PROCESS : EXC_RETURN_MAIN;
    *activation = (struct m0_activation){.floor = core->depth, .stacked_at = core->timed.r[13] | process,
                                         .began = core->cycles};
    stand_still(core);
    if (process) {
        m0_use_stack(core, false);
    }
    if (!is_pushed) {
        m0_hard_fault(core, M0_CAUSE_STACKING);
    }
    core->timed.r[14] = link;
}

static void count_latency(struct m0_core *core, struct m0_exception *exception)
{
    int64_t latency = core->cycles - exception->ready_at;
    exception->latency_sum += latency;
    if (exception->entries == 1 || latency < exception->latency_min) {
        exception->latency_min = latency;
    }
    if (exception->entries == 1 || latency > exception->latency_max) {
        exception->latency_max = latency;
        exception->longest_at = core->cycles;
        exception->longest_held = exception->held;
    }
}

/* ExceptionTaken: the frame is there, control goes to the vector. `cycles` were spent since `since`. */
static void take(struct m0_core *core, uint32_t number, int64_t since, uint32_t cycles)
{
    struct m0_system *system = &core->system;
    struct m0_timed *timed = &core->timed;
    struct m0_exception *exception = &system->exceptions[number];
    struct m0_activation *activation = &system->activations[system->depth];
    const uint8_t *vector = word_at(core, system->vtor + 4 * number, false);
    uint32_t start = 0;
    if (vector != NULL) {
        __builtin_memcpy(&start, vector, 4);
        uint32_t stall = m0_read_stall(core, system->vtor + 4 * number);
        cycles += stall;
        system->vector_stalls += stall;
    }
    core->cycles = since + cycles;
    system->overhead_cycles += cycles;
    exception->overhead += cycles;
    exception->entries++;
    activation->number = number;
    activation->counted = since;
    if (m0_draws(core)) {
        m0_draw_entry(core, since, core->cycles - exception->ready_at);
    }
    system->depth++;
    system->pending &= ~m0_bit(number);
    system->active |= m0_bit(number);
    system->ipsr = number;
    system->event = 1;
    system->asleep = M0_AWAKE;
    system->lacks_t = 0;
    count_latency(core, exception);
    timed->pc = start & ~1u;
    timed->access.address = 0; /* nobody jumped there */
    timed->fetched = M0_NOTHING;
    open_root(core, number, timed->pc);
    if (vector == NULL) {
        m0_hard_fault(core, M0_CAUSE_VECTOR);
    } else if ((start & 1) == 0) {
        m0_hard_fault(core, M0_CAUSE_ARM_STATE);
    }
}

/* The exception that is to be taken now, 0 for none; notes what keeps others waiting. */
static uint32_t takeable(struct m0_core *core)
{
    struct m0_system *system = &core->system;
    uint64_t ready = system->pending & system->enabled;
    if (ready == 0) {
        return 0;
    }
    uint32_t first = m0_first_pending(system);
    int32_t active = active_priority(system), priority = priority_of(system, first);
    bool is_free = priority < active, is_masked = is_free && core->timed.primask != 0 && priority >= 0;
    uint32_t taken = is_free && !is_masked ? first : 0;
    for (uint64_t rest = ready; rest != 0; rest &= rest - 1) {
        uint32_t number = (uint32_t)__builtin_ctzll(rest);
        if (number != taken) {
            bool waits = priority_of(system, number) >= active || (taken != 0 && number != taken);
            system->exceptions[number].held |= waits ? M0_HELD_PRIORITY : M0_HELD_PRIMASK;
        }
    }
    return taken;
}

/* The cycle before which nothing happens but what code does, */
int64_t m0_next_event(struct m0_core *core)
{
    int64_t due = m0_systick_due(core), pio = core->chip->pio.is_running != 0 ? m0_pio_due(core) : M0_NEVER;
    due = pio < due ? pio : due;
    return core->system.wake_at < due ? core->system.wake_at : due;
}

/* or at which it is the other core's turn. */
static int64_t next_event(struct m0_core *core)
{
    int64_t due = m0_next_event(core);
    return core->system.until < due ? core->system.until : due;
}

/* Stacking goes on up to where nothing else can take over, or to the next event before that. */
static void go_on_entering(struct m0_core *core)
{
    struct m0_system *system = &core->system;
    int64_t saved = system->entry_began + system->saving_cycles, due = m0_next_event(core);
    if (due > core->cycles && due <= saved) {
        core->cycles = due;
        return;
    }
    uint32_t number = takeable(core);
    system->is_entering = 0;
    struct m0_exception *exception = &system->exceptions[number];
    if (exception->ready_at > system->entry_began) {
        exception->late++; /* the frame was begun for another */
    } else if (exception->ready_at < system->entry_began && exception->held == 0) {
        exception->held = M0_HELD_INSTRUCTION;
    }
    take(core, number, system->entry_began, system->entry_cycles);
}

/* -- return: DDI 0419, B1.5.8 */

/* True where BX or POP to that value returns from an exception. */
bool m0_returns(const struct m0_core *core, uint32_t target)
{
    return core->system.is_on && core->system.ipsr != 0 && target >> 28 == 15;
}

/* Whether a value fits what is active. */
static bool is_consistent(const struct m0_system *system, uint32_t value)
{
    uint32_t count = (uint32_t)__builtin_popcountll(system->active);
    if ((system->active & m0_bit(system->ipsr)) == 0) {
        return false;
    }
    return value == EXC_RETURN_HANDLER ? count > 1
                                       : count == 1 && (value == EXC_RETURN_MAIN || value == EXC_RETURN_PROCESS);
}

/* Its handler is through: its calls end, its cycles are counted. */
static void end_handler(struct m0_core *core)
{
    struct m0_system *system = &core->system;
    struct m0_activation *activation = &system->activations[system->depth - 1];
    uint32_t line = system->ipsr - EXCEPTION_INTERRUPT;
    if (m0_draws(core)) {
        m0_draw_closed(core, activation->floor);
    }
    while (core->depth > activation->floor) {
        m0_pop(core);
    }
    system->exceptions[activation->number].cycles += core->cycles - activation->counted;
    activation->counted = core->cycles;
    system->active &= ~m0_bit(system->ipsr);
    if (line < 32 && (system->lines >> line & 1) != 0) {
        m0_pend(core, system->ipsr, core->cycles); /* it is still requested */
    }
}

/* What is wrong with the frame at an address, M0_CAUSE_NONE if nothing is. */
static enum m0_cause check_frame(const struct m0_core *core, uint32_t at)
{
    const struct m0_system *system = &core->system;
    uint32_t status, expected = system->depth == 0 ? 0 : system->activations[system->depth - 1].number;
    for (uint32_t i = 0; i < 8; i++) {
        const uint8_t *word = word_at(core, at + 4 * i, false);
        if (word == NULL) {
            return M0_CAUSE_UNSTACKING;
        }
        __builtin_memcpy(&status, word, 4); /* the last one is the xPSR */
    }
    return (status & 63) == expected ? M0_CAUSE_NONE : M0_CAUSE_RETURN;
}

/* PopStack, from a frame that was checked. False where the T bit in it is clear. */
static bool pop_frame(struct m0_core *core)
{
    struct m0_timed *timed = &core->timed;
    uint32_t *r = timed->r, words[8], at = r[13];
    for (uint32_t i = 0; i < 8; i++) {
        __builtin_memcpy(&words[i], word_at(core, at + 4 * i, false), 4);
    }
    r[0] = words[0], r[1] = words[1], r[2] = words[2], r[3] = words[3], r[12] = words[4], r[14] = words[5];
    r[13] = (at + FRAME_BYTES) | (words[7] & XPSR_ALIGNED) >> 7;
    timed->pc = words[6] & ~1u;
    timed->n = words[7];
    timed->z = ~words[7] >> 30 & 1;
    timed->c = words[7] >> 29 & 1;
    timed->v = words[7] << 3;
    core->system.ipsr = words[7] & 63;
    return (words[7] & XPSR_T) != 0;
}

static uint32_t stacked_pc(const struct m0_core *core, uint32_t at)
{
    uint32_t pc;
    __builtin_memcpy(&pc, word_at(core, at + 24, false), 4);
    return pc & ~1u;
}

/* Go back to what was preempted, or to another thread; `key` is where its frame is, as in `stacked_at`. */
static void unstack(struct m0_core *core, uint32_t key, bool to_thread)
{
    struct m0_system *system = &core->system;
    const struct m0_activation *activation = &system->activations[system->depth];
    struct m0_exception *ended = &system->exceptions[activation->number];
    bool switches = to_thread && key != activation->stacked_at;
    ended->cycles += system->return_cycles;
    ended->overhead += system->return_cycles;
    system->overhead_cycles += system->return_cycles;
    core->cycles += system->return_cycles;
    if (m0_draws(core)) {
        m0_draw_exit(core);
    }
    if (switches) {
        leave_task(core, activation->stacked_at, activation->began);
        choose_task(core, key, stacked_pc(core, key & ~1u));
    }
    if ((key & 1) != 0) {
        m0_use_stack(core, true);
    }
    bool is_thumb = pop_frame(core);
    if ((key & 1) != 0 && core->timed.r[13] > system->tasks[system->task].psp_high) {
        system->tasks[system->task].psp_high = core->timed.r[13]; /* a new thread's frame was laid on its stack by hand */
    }
    if (switches) {
        enter_task(core);
    } else {
        go_on(core, activation);
    }
    system->event = 1;
    core->timed.access.address = 0;
    core->timed.fetched = M0_NOTHING;
    if (!is_thumb) {
        m0_hard_fault(core, M0_CAUSE_ARM_STATE);
    } else if (to_thread && (system->scr & SCR_SLEEPONEXIT) != 0) {
        system->asleep = M0_ASLEEP_FOR_INTERRUPT;
    }
}

/* BX or POP to `target`, an EXC_RETURN; core->cycles is where the instruction ended. */
static void return_from_exception(struct m0_core *core, uint32_t target)
{
    struct m0_system *system = &core->system;
    bool to_thread = target != EXC_RETURN_HANDLER;
    if (!is_consistent(system, target)) {
        m0_hard_fault(core, M0_CAUSE_RETURN);
        return;
    }
    uint32_t key = target == EXC_RETURN_PROCESS ? core->timed.other_sp | 1 : core->timed.r[13];
    m0_settle_systick(core, core->cycles);
    end_handler(core);
    system->depth--;
    uint32_t next = takeable(core);
    enum m0_cause cause = next == 0 ? check_frame(core, key & ~1u) : M0_CAUSE_NONE;
    if (cause != M0_CAUSE_NONE) {
        m0_hard_fault(core, cause);
        next = takeable(core);
    }
    if (next == 0 && !system->is_locked_up) {
        unstack(core, key, to_thread);
        return;
    }
    if (m0_draws(core)) {
        m0_draw_exit(core);
    }
    if (system->is_locked_up) {
        return;
    }
    core->timed.r[14] = target; /* tail-chaining: the frame stays where it is */
    system->exceptions[next].tail_chained++;
    take(core, next, core->cycles, system->tail_cycles);
}

/*
 * A reset that is not the first: whatever was called ends, and the marks of the main stack stay where they are, though
 * a boot loader begins above it again. Below them another stack begins.
 */
static void end_all(struct m0_core *core)
{
    struct m0_system *system = &core->system;
    int64_t sp = core->timed.r[13], low = (core->timed.control & 2) != 0 ? system->msp_low : core->sp_min;
    low = low < system->msp_before ? low : system->msp_before;
    system->msp_before = M0_NEVER;
    uint32_t depth = core->depth;
    if (m0_draws(core)) {
        m0_draw_all_closed(core);
    }
    core->depth = m0_preempted_frames(system);
    link_frames(core, 0, 0);
    core->depth = depth;
    m0_close_frames(core);
    open_root(core, 0, core->timed.pc);
    core->sp_min = sp < low ? sp : low;
    system->msp_high = sp < low ? sp : system->msp_high;
}

/* A reset, to `timed.pc`. What the part has, its interrupts' request lines and what was counted stays. */
void m0_reset_system(struct m0_core *core)
{
    struct m0_system *system = &core->system;
    if (system->is_on != 0) {
        end_all(core);
    } else {
        system->msp_high = core->timed.r[13];
        system->msp_before = M0_NEVER;
        m0_draw_opened(core);
    }
    system->is_on = 1;
    core->frames[0].return_address = M0_NOTHING;
    system->ipsr = system->depth = system->asleep = system->event = system->scr = system->vtor = 0;
    system->is_locked_up = system->is_entering = system->returns_to = system->lacks_t = system->cause = 0;
    system->pending = (uint64_t)system->lines << EXCEPTION_INTERRUPT;
    system->active = 0;
    system->enabled = always_enabled;
    system->partial = 0;
    system->wake_at = system->msp_low = system->until = system->alone_until = M0_NEVER;
    system->is_idle = 0;
    system->systick.control = system->systick.denominator == 0 ? 4 : 0;
    system->systick.reload = system->systick.value = system->systick.counted = 0;
    system->task = 0;
    system->task_count = 1;
    system->tasks[0] = (struct m0_task){.psp_low = M0_NEVER, .psp_high = M0_NEVER, .entries = 1};
    system->tasks[0].function = core->frames[0].function;
    system->thread_since = core->cycles;
    m0_end_handling(core);
    for (uint32_t i = 0; i < M0_EXCEPTIONS; i++) {
        system->exceptions[i].priority = 0;
    }
    core->timed.primask = core->timed.control = 0;
}

/* -- between two instructions */

/* True where something wakes the core: DDI 0419, B1.5.17 to B1.5.19. PRIMASK does not matter to WFI. */
static bool wakes(struct m0_core *core)
{
    struct m0_system *system = &core->system;
    uint32_t first = m0_first_pending(system);
    bool is_for_event = system->asleep == M0_ASLEEP_FOR_EVENT, comes = system->event != 0;
    if (is_for_event) {
        system->event = 0;
    } else {
        comes = first != 0 && priority_of(system, first) < active_priority(system);
    }
    if (comes && m0_draws(core)) {
        m0_draw_wake(core, is_for_event ? 0 : first);
    }
    return comes;
}

/* Let time pass until something is due. False after a stop. */
static bool sleep(struct m0_core *core)
{
    struct m0_system *system = &core->system;
    int64_t until = next_event(core);
    if (until == M0_NEVER) {
        m0_stop_timed(core, M0_STOP_ASLEEP, core->timed.pc);
        return false;
    }
    until = until < core->limit ? until : core->limit;
    system->is_idle = 1;
    m0_sleep_until(core, until);
    return true;
}

static bool stop_between(struct m0_core *core, enum m0_stop reason)
{
    m0_stop_timed(core, reason, core->timed.pc);
    return false;
}

/* Bring PIO to the present, where it may have an event; no further than to where a device is to do something first. */
static void settle_pio(struct m0_core *core)
{
    const struct m0_pio *pio = &core->chip->pio;
    int64_t until = core->system.wake_at < core->cycles ? core->system.wake_at : core->cycles;
    if (pio->is_running != 0 && pio->event_at <= core->cycles && pio->now < until && pio->news == 0) {
        m0_pio_advance(core, until, true);
    }
}

/* Do all that is to be done before the next instruction. False after a stop for Python. */
static bool settle(struct m0_core *core)
{
    struct m0_system *system = &core->system;
    for (;;) {
        system->attention = 0;
        m0_settle_systick(core, core->cycles);
        bool has_begun = m0_has_begun(&core->timed);
        if (!has_begun && core->cycles >= system->until) {
            if (system->asleep == M0_ASLEEP_FOR_EVENT && system->event != 0) {
                if (m0_draws(core)) {
                    m0_draw_wake(core, 0);
                }
                system->asleep = M0_AWAKE; /* WFE has found it; the other core may send another one */
                system->event = 0;
            }
            return stop_between(core, M0_STOP_TURN);
        }
        system->is_idle = 0;
        settle_pio(core);
        if (has_begun) {
            return true; /* Python has seen the instruction */
        }
        if (system->is_locked_up) {
            return stop_between(core, M0_STOP_LOCKUP);
        }
        if (system->asks_reset != 0) {
            system->asks_reset = 0;
            return stop_between(core, M0_STOP_RESET);
        }
        if ((m0_pins(core)->is_news | core->chip->pio.news) != 0) {
            return stop_between(core, M0_STOP_PINS);
        }
        if (system->wake_at <= core->cycles) {
            system->due_at = system->wake_at;
            return stop_between(core, M0_STOP_DUE);
        }
        if (system->returns_to != 0) {
            uint32_t target = system->returns_to;
            system->returns_to = 0;
            return_from_exception(core, target);
            continue;
        }
        if (system->is_entering) {
            go_on_entering(core);
            continue;
        }
        if (core->cycles >= core->limit || core->timed.is_due) {
            return stop_between(core, M0_STOP_LIMIT);
        }
        if (core->is_full || !m0_has_room_to_retire(core)) {
            return stop_between(core, M0_STOP_GROW);
        }
        if (core->depth + 3 >= core->frame_capacity) {
            return stop_between(core, M0_STOP_DEPTH);
        }
        if (system->stops_awake != 0 && (system->asleep == M0_AWAKE || takeable(core) != 0 || wakes(core))) {
            system->stops_awake = 0;
            system->asleep = M0_AWAKE;
            return stop_between(core, M0_STOP_LIMIT);
        }
        if (takeable(core) != 0) {
            begin_entry(core);
            continue;
        }
        if (system->asleep == M0_AWAKE || wakes(core)) {
            system->asleep = M0_AWAKE;
            return true;
        }
        if (!sleep(core)) {
            return false;
        }
    }
}

/* A fault of the code that runs, if that is what stopped it. False where Python is to see the stop. */
static bool is_handled(struct m0_core *core)
{
    static const uint8_t causes[M0_STOP_EVENT + 1] = {
        [M0_STOP_UNALIGNED] = M0_CAUSE_UNALIGNED, [M0_STOP_INVALID] = M0_CAUSE_UNDEFINED,
        [M0_STOP_BREAKPOINT] = M0_CAUSE_BREAKPOINT, [M0_STOP_JUMP] = M0_CAUSE_FETCH,
        [M0_STOP_RETURNED] = M0_CAUSE_FETCH, [M0_STOP_ARM_STATE] = M0_CAUSE_ARM_STATE};
    struct m0_system *system = &core->system;
    uint32_t stop = core->stop;
    if (stop == M0_STOP_BREAKPOINT && (system->halts_at_breakpoint != 0 ||
                                       m0_load16(m0_bytes_at(core, core->timed.pc)) == M0_SEMIHOSTING)) {
        return false;
    }
    if (stop == M0_STOP_EVENT && system->cause == M0_CAUSE_NONE) {
        core->stop = M0_STOP_NONE;
        return true;
    }
    uint32_t cause = stop == M0_STOP_EVENT ? system->cause : causes[stop];
    if (cause == M0_CAUSE_NONE) {
        return false;
    }
    system->cause = M0_CAUSE_NONE;
    m0_hard_fault(core, cause);
    if (cause == M0_CAUSE_SUPERVISOR && !system->is_locked_up) {
        core->timed.pc += 2; /* that is what the frame has: Zephyr finds the SVC in front of it */
    }
    core->stop = M0_STOP_NONE;
    if (system->stops_at_fault != 0 && !system->is_locked_up) {
        return stop_between(core, M0_STOP_FAULT);
    }
    return true;
}

/*
 * Run firmware from `timed.pc` until Python is needed: at `limit`, when `system.wake_at` is due, for an access that is
 * not answered here, and for what else stops the core.
 */
void m0_run_firmware(struct m0_core *core)
{
    core->stop = M0_STOP_NONE;
    while (settle(core)) {
        core->system.next_event = m0_next_event(core);
        m0_run_to_event(core);
        if (core->stop != M0_STOP_NONE && !is_handled(core)) {
            return;
        }
    }
}
