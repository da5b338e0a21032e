/*
 * What a core did over time, where somebody draws it: slices, each written when it ends, since only then is it known
 * whether it is long enough to be drawn. Frames, exceptions and sleep are told of by whoever counts them, at the same
 * cycles: what is drawn adds up to what is counted.
 *
 * Calls are drawn by the simple form alone. So where nobody draws, the fast form knows nothing of it.
 */
#include "system.h"

/* An end. `is_full` has the run stop before there is no room left. */
static void draw(struct m0_core *core, struct m0_slice slice)
{
    struct m0_timeline *timeline = &core->timeline;
    if (slice.end <= slice.begin) {
        return;
    }
    if (slice.end - slice.begin < timeline->shortest || timeline->log_count >= timeline->log_capacity) {
        timeline->left_out++;
        return;
    }
    timeline->log[timeline->log_count++] = slice;
    core->is_full |= timeline->log_count + M0_DRAWN_AT_ONCE > timeline->log_capacity;
}

/* -- calls */

/* Slices around the one of a frame. */
static uint32_t level_of(const struct m0_core *core, uint32_t frame)
{
    const struct m0_system *system = &core->system;
    uint32_t depth = system->depth;
    while (depth > 0 && system->activations[depth - 1].floor > frame) {
        depth--;
    }
    return frame + depth;
}

/* All frames but the `depth` outermost are closed now. */
void m0_draw_closed(struct m0_core *core, uint32_t depth)
{
    for (uint32_t i = core->depth; i-- > depth;) {
        int64_t opened = core->timeline.opened[i];
        if (opened == M0_NEVER) {
            continue;
        }
        core->timeline.opened[i] = M0_NEVER;
        draw(core, (struct m0_slice){.begin = opened >> 1, .end = core->cycles, .kind = M0_SLICE_CALL,
                                     .number = core->frames[i].function, .level = level_of(core, i),
                                     .detail = (uint32_t)(opened & 1)});
    }
}

/* -- threads */

static void begin_thread(struct m0_core *core)
{
    core->timeline.thread_since = core->cycles;
    for (uint32_t i = 0; i < core->depth; i++) {
        core->timeline.opened[i] = 2 * core->cycles + 1;
    }
}

static void draw_thread(struct m0_core *core)
{
    const struct m0_system *system = &core->system;
    if (system->is_on != 0) {
        draw(core, (struct m0_slice){.begin = core->timeline.thread_since, .end = core->cycles, .kind = M0_SLICE_THREAD,
                                     .number = system->task, .detail = system->tasks[system->task].function});
    }
}

/* The thread that ran is switched out: its calls go on when it comes again. */
void m0_draw_thread(struct m0_core *core)
{
    draw_thread(core);
    m0_draw_closed(core, 0);
}

/* Another one goes on, with the calls that it had open. */
void m0_draw_resumed(struct m0_core *core)
{
    begin_thread(core);
}

/* -- exceptions: the newest of `activations` is begun, or is through */

void m0_draw_entry(struct m0_core *core, int64_t since, int64_t latency)
{
    uint32_t place = core->system.depth;
    core->timeline.entered[place] = since;
    core->timeline.latency[place] = (uint32_t)latency;
}

static void draw_exception(struct m0_core *core, uint32_t place)
{
    const struct m0_activation *activation = &core->system.activations[place];
    draw(core, (struct m0_slice){.begin = core->timeline.entered[place], .end = core->cycles,
                                 .kind = M0_SLICE_EXCEPTION, .number = activation->number,
                                 .level = activation->floor + place, .detail = core->timeline.latency[place]});
}

void m0_draw_exit(struct m0_core *core)
{
    draw_exception(core, core->system.depth);
}

/* -- sleep, which passes part by part */

static void draw_last_sleep(struct m0_core *core)
{
    struct m0_timeline *timeline = &core->timeline;
    draw(core, (struct m0_slice){.begin = timeline->sleep_begin, .end = timeline->sleep_end, .kind = M0_SLICE_SLEEP,
                                 .number = timeline->sleep_kind, .level = timeline->sleep_level,
                                 .detail = timeline->woken_by});
    timeline->sleep_begin = timeline->sleep_end = -1;
}

void m0_draw_sleep(struct m0_core *core, int64_t until)
{
    struct m0_timeline *timeline = &core->timeline;
    if (timeline->sleep_end != core->cycles || timeline->sleep_kind != core->system.asleep) {
        draw_last_sleep(core);
        timeline->sleep_begin = core->cycles;
        timeline->sleep_kind = core->system.asleep;
        timeline->sleep_level = core->depth + core->system.depth;
        timeline->woken_by = M0_NOTHING;
    }
    timeline->sleep_end = until;
}

void m0_draw_wake(struct m0_core *core, uint32_t by)
{
    if (core->timeline.sleep_end == core->cycles) {
        core->timeline.woken_by = by;
    }
}

/* -- all */

/* Everything ends here, as by a reset. */
void m0_draw_all_closed(struct m0_core *core)
{
    draw_last_sleep(core);
    m0_draw_closed(core, 0);
    for (uint32_t place = core->system.depth; place-- > 0;) {
        draw_exception(core, place);
    }
    draw_thread(core);
    core->timeline.thread_since = core->cycles;
}

/* Python gave a log: what is open is drawn from now on. */
void m0_begin_drawing(struct m0_core *core)
{
    struct m0_timeline *timeline = &core->timeline;
    timeline->log_count = 0;
    timeline->left_out = 0;
    timeline->sleep_begin = timeline->sleep_end = -1;
    begin_thread(core);
    for (uint32_t place = 0; place < core->system.depth; place++) {
        timeline->entered[place] = core->cycles;
        timeline->latency[place] = 0;
    }
}

void m0_end_drawing(struct m0_core *core)
{
    m0_draw_all_closed(core);
}
