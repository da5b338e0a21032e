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

/* A return to the address that the newest frame waits for, which ends the tail calls in between as well. */
M0_INLINE void m0_return(struct m0_core *core)
{
    uint32_t base = m0_top_frame(core)->base;
    do {
        m0_pop(core);
    } while (core->depth > base);
}

#endif
