/*
 * Frames: the part of the call tree that every call and return runs, inline.
 */
#ifndef M0_CALLS_H
#define M0_CALLS_H

#include "functions.h"

void m0_enter_context(struct m0_core *core, struct m0_site *site);
void m0_learn_call(struct m0_core *core, struct m0_site *site, uint32_t from, uint32_t address, uint32_t function);
void m0_open_root(struct m0_core *core, uint32_t from_end, uint32_t function);
void m0_jump(struct m0_core *core, uint32_t from_end, uint32_t address, uint32_t function);
void m0_go_on(struct m0_core *core, struct m0_site *site, uint32_t flow, uint32_t from, uint32_t address,
              uint32_t function);
void m0_forget_calls(struct m0_core *core);
void m0_rehash_calls(struct m0_core *core);

/* -- timeline.c */

void m0_draw_closed(struct m0_core *core, uint32_t depth);
void m0_draw_all_closed(struct m0_core *core);
void m0_draw_entry(struct m0_core *core, int64_t since, int64_t latency);
void m0_draw_exit(struct m0_core *core);
void m0_draw_sleep(struct m0_core *core, int64_t until);
void m0_draw_wake(struct m0_core *core, uint32_t by);
void m0_draw_thread(struct m0_core *core);
void m0_draw_resumed(struct m0_core *core);

M0_INLINE bool m0_draws(const struct m0_core *core)
{
    return M0_RARELY(core->timeline.log_capacity != 0);
}

/* The newest frame was opened now. The fast form opens none where somebody draws: see m0_predecode. */
M0_INLINE void m0_draw_opened(struct m0_core *core)
{
    if (m0_draws(core)) {
        core->timeline.opened[core->depth - 1] = 2 * core->cycles;
    }
}

M0_INLINE struct m0_frame *m0_top_frame(const struct m0_core *core)
{
    return &core->frames[core->depth - 1];
}

/* True where a jump that no block begins with finds room for its frame, its edge and its context. */
M0_INLINE bool m0_has_room_to_jump(const struct m0_core *core)
{
    return core->depth + 1 < core->frame_capacity && core->edge_count + 1 < core->edge_capacity;
}

/* Open the frame of a function, and tell where it is to be described. */
M0_INLINE struct m0_frame *m0_push(struct m0_core *core, uint32_t function)
{
    struct m0_frame *frame = &core->frames[core->depth++];
    frame->entered = core->cycles;
    frame->function = function;
    frame->outer = core->functions[function].newest;
    core->functions[function].newest = core->depth;
    core->functions[function].open++;
    return frame;
}

/* Open the frame of a call along the edge, and into the context, that the calling block knows. */
M0_INLINE void m0_open_call(struct m0_core *core, const struct m0_site *site, uint32_t function)
{
    struct m0_frame *frame = m0_push(core, function);
    frame->return_address = site->end;
    frame->context = site->to_context;
    frame->edge = site->edge;
    frame->base = core->depth - 1;
}

/* Close the newest frame. Recursion is inclusive at its outermost frame only. */
M0_INLINE void m0_pop(struct m0_core *core)
{
    const struct m0_frame *frame = m0_top_frame(core);
    int64_t spent = core->cycles - frame->entered;
    if (M0_LIKELY(frame->context != 0)) {
        struct m0_context *context = &core->contexts[frame->context];
        context->calls++;
        context->inclusive += spent;
    } else {
        core->edges[frame->edge].calls++;
        core->edges[frame->edge].inclusive += spent;
    }
    struct m0_function *function = &core->functions[frame->function];
    function->newest = frame->outer;
    function->open--;
    if (frame->outer == 0) {
        function->inclusive += spent;
    }
    core->depth--;
}

#endif
