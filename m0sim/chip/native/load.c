/*
 * What each core did over time: asleep, in exceptions, or, which is all the rest, in threads. Memory is bounded whatever
 * a run takes, and sums are exact: when the buckets are full, each two neighbours become one of twice the length.
 */
#include "system.h"

static void merge(struct m0_load *load)
{
    int64_t *columns[2] = {load->asleep, load->handlers};
    for (uint32_t column = 0; column < 2; column++) {
        int64_t *bucket = columns[column];
        for (uint32_t i = 0; i < M0_LOAD_BUCKETS; i++) {
            bucket[i] = i < M0_LOAD_BUCKETS / 2 ? bucket[2 * i] + bucket[2 * i + 1] : 0;
        }
    }
    load->shift++;
}

/* Have buckets up to before `to`, which is since `begin`. */
static void reach(struct m0_load *load, int64_t to)
{
    while ((to - 1) >> load->shift >= M0_LOAD_BUCKETS) {
        merge(load);
    }
}

/* Add the cycles from one to before another to a column, or take them out of it, which is a `sign` of -1. */
static void spread(struct m0_load *load, int64_t *column, int64_t from, int64_t to, int64_t sign)
{
    from -= load->begin;
    to -= load->begin;
    from = from < 0 ? 0 : from;
    if (from >= to) {
        return;
    }
    int64_t first = from >> load->shift;
    if (__builtin_expect(first == (to - 1) >> load->shift && first < M0_LOAD_BUCKETS, 1)) {
        column[first] += sign * (to - from);
        return;
    }
    reach(load, to);
    while (from < to) {
        int64_t bucket = from >> load->shift, end = (bucket + 1) << load->shift;
        end = end < to ? end : to;
        column[bucket] += sign * (end - from);
        from = end;
    }
}

/* A core sleeps until a cycle, in which it is then. */
void m0_sleep_until(struct m0_core *core, int64_t cycle)
{
    struct m0_system *system = &core->system;
    if (m0_draws(core)) {
        m0_draw_sleep(core, cycle);
    }
    spread(&system->load, system->load.asleep, core->cycles, cycle, 1);
    if (system->load.is_handling != 0) {
        spread(&system->load, system->load.handlers, core->cycles, cycle, -1);
    }
    system->sleep_cycles += cycle - core->cycles;
    core->cycles = cycle;
}

/* A thread is preempted now; or it goes on, or begins. */
void m0_begin_handling(struct m0_core *core)
{
    core->system.load.is_handling = 1;
    core->system.load.handled = core->cycles;
}

void m0_end_handling(struct m0_core *core)
{
    struct m0_load *load = &core->system.load;
    if (load->is_handling != 0) {
        spread(load, load->handlers, load->handled, core->cycles, 1);
        load->is_handling = 0;
    }
}

/* For Python: have all in the buckets up to now, */
void m0_settle_load(struct m0_core *core)
{
    struct m0_load *load = &core->system.load;
    reach(load, core->cycles - load->begin);
    if (load->is_handling != 0) {
        spread(load, load->handlers, load->handled, core->cycles, 1);
        load->handled = core->cycles;
    }
}

/* or begin them anew. */
void m0_begin_load(struct m0_core *core)
{
    uint32_t is_handling = core->system.load.is_handling;
    core->system.load = (struct m0_load){.begin = core->cycles, .handled = core->cycles, .is_handling = is_handling};
}
