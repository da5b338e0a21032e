/*
 * Two cores of one chip, which run by turns: the one that is behind runs on until it has caught up with the other. Each
 * is a `struct m0_core` with everything of its own but the memories, the flash cache, the pins and the words of the I/O
 * port. All is a function of the cycles, so that each run is the same.
 *
 * What both see at once comes in the order of its cycles: an instruction does nothing to the I/O port or a peripheral
 * before the other core has come to that cycle; in the same cycle, core 0 comes first, as it does where both want a
 * spinlock (RP2040 datasheet, 2.3.1.7). With a quantum of 1, all instructions come in the order of the cycles that they
 * begin in; with N, a core may be N - 1 cycles ahead, and see what the other stored to memory, or asked it for, so much
 * later or earlier. An instruction is a whole: what one of several words does, it does where it begins, and what the
 * other core asks for meanwhile is seen at its end.
 *
 * A core that sleeps is left behind, until something happens to it: then the time that it slept is added.
 */
#include "system.h"

/* A core whose WFE is over sleeps in this cycle already, if nothing else wakes it. */
static void begin_to_sleep(struct m0_core *core, int64_t now)
{
    struct m0_system *system = &core->system;
    if (system->is_idle == 0 && system->event == 0 && core->cycles <= now) {
        m0_settle_systick(core, core->cycles);
        system->is_idle = m0_first_pending(system) == 0;
    }
}

/* An event of SEV reaches both cores: RP2040 datasheet, 2.3.3. */
void m0_send_event(struct m0_core *core, int64_t now)
{
    struct m0_core *other = core->other;
    core->system.event = 1;
    core->event_sent = now;
    if (other != NULL) {
        if (other->system.asleep == M0_ASLEEP_FOR_EVENT) {
            begin_to_sleep(other, now);
            m0_involve(core, other, m0_seen_at(other, now));
        }
        other->system.event = 1;
    }
}

/* A core that sleeps does so up to a cycle. */
static void sleep_until(struct m0_core *core, int64_t cycle)
{
    if (core->system.is_idle != 0 && core->cycles < cycle) {
        m0_sleep_until(core, cycle);
    }
}

/* The cycle in which a core sees what the other does in one: asleep, in the cycle behind. */
int64_t m0_seen_at(const struct m0_core *other, int64_t now)
{
    return now + (other->system.is_idle != 0);
}

/* In a cycle, something happens to the other core, while this one runs. If it was asleep, its turn comes with that. */
void m0_involve(struct m0_core *core, struct m0_core *other, int64_t now)
{
    if (other->system.is_idle == 0) {
        return;
    }
    sleep_until(other, now);
    other->system.is_idle = 0;
    core->system.attention = 1;
    core->system.until = core->system.alone_until = now;
}

static int64_t earlier(int64_t one, int64_t other)
{
    return one < other ? one : other;
}

/* The cycle in which a core next does something. */
static int64_t turn_of(struct m0_core *core)
{
    int64_t event = core->system.is_idle != 0 ? m0_next_event(core) : core->cycles;
    return event > core->cycles ? event : core->cycles;
}

/* True where Python has answered what the instruction of a core asks for: that one goes on first. */
static bool is_answered(const struct m0_core *core)
{
    bool was_asked = core->stop == M0_STOP_ACCESS || core->stop == M0_STOP_READ_ONLY ||
                     core->stop == M0_STOP_WATCHED || core->stop == M0_STOP_LAUNCH || core->stop == M0_STOP_GUARD;
    return was_asked && m0_has_begun(&core->timed);
}

/* Both cores have come to a cycle, which Python is to hear of. */
static void stop_both(struct m0_core *first, int64_t cycle)
{
    struct m0_system *system = &first->system;
    first->running = first;
    if (cycle == M0_NEVER) {
        m0_stop_timed(first, M0_STOP_ASLEEP, first->timed.pc);
        return;
    }
    sleep_until(first, cycle);
    if (first->other != NULL) {
        sleep_until(first->other, cycle);
    }
    system->due_at = system->wake_at;
    m0_stop_timed(first, system->wake_at <= cycle ? M0_STOP_DUE : M0_STOP_LIMIT, first->timed.pc);
}

/*
 * Let a core run up to a cycle; up to `alone`, nobody else does something to what both see. True where it stopped for
 * Python before.
 */
static bool take_turn(struct m0_core *first, struct m0_core *core, int64_t alone, int64_t until)
{
    struct m0_system *system = &core->system;
    int64_t limit = core->limit;
    first->running = core;
    system->alone_until = alone;
    system->until = until;
    core->limit = M0_NEVER;
    system->wake_at = first->system.wake_at; /* where an instruction can end for what devices do then */
    m0_run_firmware(core);
    core->limit = limit;
    system->until = system->alone_until = M0_NEVER;
    return core->stop != M0_STOP_TURN;
}

/*
 * The same where masters hold each other up: the cores run an instruction each, and in between it is decided who of
 * those that ask for a cycle gets what. That comes behind all instructions that begin in the cycle.
 */
static void run_contending(struct m0_core *first)
{
    struct m0_core *second = first->other;
    struct m0_core *core = first->running != NULL && is_answered(first->running) ? first->running : NULL;
    int64_t last = earlier(first->limit, first->pause_at); /* where a run stops is no matter of who comes first */
    first->goes_on = 0;
    for (;;) {
        int64_t barrier = earlier(last, first->system.wake_at);
        if (core == NULL) {
            int64_t asked = m0_next_request(first);
            int64_t turns[2] = {m0_has_asked(first) ? M0_NEVER : turn_of(first),
                                second == NULL || m0_has_asked(second) ? M0_NEVER : turn_of(second)};
            int64_t next = earlier(turns[0], turns[1]);
            bool is_for_good = next >= M0_NEVER && asked >= M0_NEVER && first->system.wake_at >= M0_NEVER;
            if (earlier(next, asked) >= barrier || is_for_good) {
                stop_both(first, is_for_good ? M0_NEVER : barrier);
                return;
            }
            if (asked < next) {
                m0_arbitrate(first, asked);
                continue;
            }
            core = turns[1] < turns[0] ? second : first;
        }
        int64_t bound = turn_of(core) + 1; /* whoever is asked for something later is asked when it has come to that */
        int64_t alone = core->other == NULL ? M0_NEVER : turn_of(core->other) + (core == first);
        if (take_turn(first, core, earlier(alone, bound), bound)) {
            first->goes_on = core->stop == M0_STOP_LIMIT || core->stop == M0_STOP_GROW;
            if (core->other != NULL) {
                sleep_until(core->other, core->cycles);
            }
            return;
        }
        core = NULL;
    }
}

/*
 * Run firmware, both cores of it if the second is there, until Python is needed. `running` of core 0 is then the core
 * that stopped. `limit`, `limit_of_second` and `system.wake_at` of core 0 are for both: no core goes beyond them. With a
 * second limit that is the cycle before, what core 0 begins in that cycle is done, and what core 1 does is not. At
 * `pause_at` the run stops, too, but the core whose turn it is goes on behind it: so all comes in the same order as
 * without a pause.
 */
void m0_run_cores(struct m0_core *first)
{
    struct m0_core *second = first->other;
    if (first->fabric.is_on != 0) {
        run_contending(first);
        return;
    }
    if (second == NULL) {
        first->running = first;
        first->goes_on = 0;
        m0_run_firmware(first);
        return;
    }
    struct m0_core *core = is_answered(first->running) || first->goes_on != 0 ? first->running : NULL;
    first->goes_on = 0;
    for (;;) {
        int64_t barriers[2] = {earlier(first->limit, first->system.wake_at),
                               earlier(first->limit_of_second, first->system.wake_at)};
        int64_t pauses[2] = {earlier(barriers[0], first->pause_at), earlier(barriers[1], first->pause_at)};
        if (core == NULL) {
            int64_t turns[2] = {turn_of(first), turn_of(second)};
            core = turns[1] < turns[0] ? second : first;
            bool is_over = turns[core != first] >= pauses[core != first];
            bool is_for_good = turns[0] >= M0_NEVER && turns[1] >= M0_NEVER && first->system.wake_at >= M0_NEVER;
            if (is_over || is_for_good) {
                stop_both(first, is_for_good ? M0_NEVER : pauses[1]);
                return;
            }
        }
        int64_t alone = turn_of(core->other) + (core == first), bound = alone + (int64_t)first->quantum - 1;
        if (take_turn(first, core, alone, earlier(bound, pauses[core != first]))) {
            first->goes_on = core->stop == M0_STOP_LIMIT || core->stop == M0_STOP_GROW;
            sleep_until(core->other, core->cycles);
            return;
        }
        bound = turn_of(core->other) + (core == first) + (int64_t)first->quantum - 1;
        bool is_its_turn = core->cycles < bound; /* else the other one is to come to the pause first */
        if (is_its_turn && first->pause_at < barriers[core != first] && core->cycles >= first->pause_at) {
            first->goes_on = 1;
            sleep_until(core->other, first->pause_at);
            m0_stop_timed(core, M0_STOP_LIMIT, core->timed.pc);
            return;
        }
        core = NULL;
    }
}
