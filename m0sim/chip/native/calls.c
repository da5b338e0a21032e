/*
 * The shadow call stack, and the call tree that its frames are counted in: which frames a call, a jump or a return opens
 * and closes, call edges, and calling contexts. Nothing here takes longer the deeper the calls are or the more of them
 * there are: rows are found by hashing, and an open frame of a function through `newest` and `outer`.
 */
#include "calls.h"

static uint32_t *edge_slot(const struct m0_core *core, const struct m0_edge *edge)
{
    return &core->edge_slots[m0_mix((uint64_t)edge->call_end << 32 | edge->callee) & core->hash_mask];
}

static uint32_t *context_slot(const struct m0_core *core, const struct m0_context *row)
{
    uint64_t mixed = ((uint64_t)row->parent << 32 | row->edge) ^ (uint64_t)row->below << 20;
    return &core->context_slots[m0_mix(mixed) & core->hash_mask];
}

/* The edge from a place to a function, made if it is new. The block hook has seen to it that there is room. */
static uint32_t edge_of(struct m0_core *core, uint32_t call_end, uint32_t callee)
{
    struct m0_edge edge = {.callee = callee, .call_end = call_end};
    uint32_t *slot = edge_slot(core, &edge);
    for (uint32_t i = *slot; i != 0; i = core->edges[i].next) {
        if (core->edges[i].call_end == call_end && core->edges[i].callee == callee) {
            return i;
        }
    }
    uint32_t index = core->edge_count++;
    edge.next = *slot;
    core->edges[index] = edge;
    *slot = index;
    core->is_full |= core->edge_count >= core->edge_capacity;
    return index;
}

/* -- contexts */

/* The node of a function among a node and its ancestors, 0 if it is not there. */
static uint32_t innermost(const struct m0_core *core, uint32_t node, uint32_t function)
{
    if (core->functions[function].nodes == 0) {
        return 0;
    }
    while (node != 0 && core->contexts[node].callee != function) {
        node = core->contexts[node].parent;
    }
    return node;
}

/* The context of a call along an edge, made if it is new: `caller` is the context of the code that calls, `below` that
 * of the frame below, both 0 for a root. What is called from a context without a row has none either; nor is there one
 * without room. */
static uint32_t find_context(struct m0_core *core, uint32_t edge, uint32_t caller, uint32_t below, bool is_root)
{
    struct m0_context row = {.edge = edge, .callee = core->edges[edge].callee};
    row.parent = core->contexts[caller].target;
    row.below = core->contexts[below].target;
    uint32_t *slot = context_slot(core, &row);
    if (row.parent != 0 || is_root) {
        for (uint32_t i = *slot; i != 0; i = core->contexts[i].next) {
            const struct m0_context *other = &core->contexts[i];
            if (other->parent == row.parent && other->edge == edge && other->below == row.below) {
                return i;
            }
        }
    }
    uint32_t index = core->context_count;
    if ((row.parent == 0 && !is_root) || index >= core->context_capacity) {
        core->contexts_refused++;
        return 0;
    }
    row.target = innermost(core, row.parent, row.callee);
    if (row.target == 0) {
        row.target = index;
        core->functions[row.callee].nodes++;
    }
    row.next = *slot;
    core->contexts[index] = row;
    *slot = index;
    core->context_count = index + 1;
    core->is_full |= index + 1 >= core->context_capacity && core->context_capacity < core->context_limit;
    return index;
}

static uint32_t context_of(struct m0_core *core, uint32_t edge, uint32_t caller, uint32_t below)
{
    return find_context(core, edge, caller, below, false);
}

/* -- frames */

static void pop_to(struct m0_core *core, uint32_t depth)
{
    if (m0_draws(core)) {
        m0_draw_closed(core, depth);
    }
    while (core->depth > depth) {
        m0_pop(core);
    }
}

/* Count the calls that are still open. */
void m0_close_frames(struct m0_core *core)
{
    pop_to(core, 0);
}

/* Note the context that a call leads to from the newest frame's. */
void m0_enter_context(struct m0_core *core, struct m0_site *site)
{
    uint32_t caller = m0_top_frame(core)->context;
    site->to_context = context_of(core, site->edge, caller, caller);
    site->from_context = site->to_context != 0 ? caller : M0_NOTHING;
}

/* Find the edge of a call from function `from` that goes elsewhere than the newest one from this site. */
void m0_learn_call(struct m0_core *core, struct m0_site *site, uint32_t from, uint32_t address, uint32_t function)
{
    /* BL inside one function is a far jump, or calls a subroutine that has no symbol: no edge. */
    bool is_call = function != from || address == core->functions[function].entry;
    site->call_target = address;
    site->edge = is_call ? edge_of(core, site->end, function) : 0;
    site->from_context = M0_NOTHING;
}

/* Open the frame of a function that no code calls: a root of the call tree. `from_end` tells such places apart. */
void m0_open_root(struct m0_core *core, uint32_t from_end, uint32_t function)
{
    uint32_t edge = edge_of(core, from_end, function);
    uint32_t context = find_context(core, edge, 0, 0, true);
    struct m0_frame *frame = m0_push(core, function);
    frame->return_address = M0_NOTHING; /* odd: no return leads there */
    frame->base = core->depth - 1;
    frame->edge = edge;
    frame->context = context;
    m0_draw_opened(core);
}

/*
 * Control came to another function without a link, behind the instruction that ends at `from_end`: a tail call, or back
 * into a function that is open.
 */
void m0_jump(struct m0_core *core, uint32_t from_end, uint32_t address, uint32_t function)
{
    struct m0_frame top = *m0_top_frame(core); /* the new frame returns where this one does */
    uint32_t open = core->functions[function].newest;
    if (address != core->functions[function].entry) {
        if (open != 0) { /* back into a caller */
            pop_to(core, open);
            return;
        }
    } else if (open > top.base + 1) { /* round a cycle of tail calls: keep the stack flat */
        pop_to(core, open - 1);
    }
    uint32_t edge = edge_of(core, from_end, function);
    uint32_t context = context_of(core, edge, top.context, m0_top_frame(core)->context);
    struct m0_frame *frame = m0_push(core, function);
    frame->return_address = top.return_address;
    frame->base = top.base;
    frame->edge = edge;
    frame->context = context;
    m0_draw_opened(core);
}

/*
 * What an instruction did to the frames that ends at `site->end` in function `from` and has this `flow`, when control
 * came to `address` of `function`.
 */
void m0_go_on(struct m0_core *core, struct m0_site *site, uint32_t flow, uint32_t from, uint32_t address,
              uint32_t function)
{
    if (flow == M0_FLOW_CALL) {
        if (site->call_target != address) {
            m0_learn_call(core, site, from, address, function);
        }
        if (site->edge != 0) {
            if (site->from_context != m0_top_frame(core)->context) {
                m0_enter_context(core, site);
            }
            m0_open_call(core, site, function);
            m0_draw_opened(core);
        }
    } else if (flow == M0_FLOW_INDIRECT && m0_top_frame(core)->return_address == address) {
        pop_to(core, m0_top_frame(core)->base); /* and the tail calls in between */
    } else if (from != function && flow != M0_FLOW_STOP) {
        m0_jump(core, site->end, address, function);
    }
}

/* -- the tables */

/* Zero the counts of the last run. */
void m0_forget_calls(struct m0_core *core)
{
    for (uint32_t i = 1; i < core->edge_count; i++) {
        struct m0_function *function = &core->functions[core->edges[i].callee];
        function->newest = function->nodes = function->open = function->recurs = 0;
        function->inclusive = 0;
        *edge_slot(core, &core->edges[i]) = 0;
    }
    for (uint32_t i = 1; i < core->context_count; i++) {
        *context_slot(core, &core->contexts[i]) = 0;
    }
}

void m0_rehash_calls(struct m0_core *core)
{
    for (uint32_t i = 0; i <= core->hash_mask; i++) {
        core->edge_slots[i] = core->context_slots[i] = 0;
    }
    for (uint32_t i = 2; i < core->edge_count; i++) {
        uint32_t *slot = edge_slot(core, &core->edges[i]);
        core->edges[i].next = *slot;
        *slot = i;
    }
    for (uint32_t i = 2; i < core->context_count; i++) {
        uint32_t *slot = context_slot(core, &core->contexts[i]);
        core->contexts[i].next = *slot;
        *slot = i;
    }
}
