/*
 * The fast form of the interpreter: a function for each operation, which ends by jumping to the next one's. What makes
 * it fast, and right:
 *
 * State is in registers (`preserve_none`, `musttail`: Clang's). Cycles are counted by the budget: (budget - op) / 32 of
 * them are left, so an instruction of one cycle counts itself by moving op on. Whoever is come to by a branch counts
 * that; how often each instruction ran follows from these counts, since what runs on runs equally often. Flags that
 * nobody reads are not made. A compare and its branch are one handler. All that a decoder looked ahead for lies in one
 * line of 64 bytes, and a store over a line forgets it.
 *
 * Whether cycles are left is asked where control comes to by a branch, and at the head of a line. There, where flash
 * lets wait, it is also asked whether everything up to the next branch is in the cache: if it is, and no access changes
 * the cache meanwhile, the order of fetches and accesses does not matter. Otherwise the simple form executes it.
 *
 * Firmware must not pass the cycle of its next event. It stops for that M0_SLACK cycles early, and goes on as long as all
 * up to the next question comes before the event; the rest is executed by the careful form, which asks always.
 */
#include "timed.h"

#define IMM ((uint32_t)op->imm)
#define R(x) core->timed.r[op->x]
#define PARAMETERS struct m0_core *core, struct m0_op *op, uint64_t budget, struct m0_frame *top, uint8_t *sram, \
                   uint32_t n, uint32_t z, uint32_t c, uint32_t v
#define STATE core, op, budget, top, sram, n, z, c, v
#define M0_THREAD __attribute__((preserve_none, noinline)) static void
typedef __attribute__((preserve_none)) void (*m0_thread)(PARAMETERS);

#define JUMP(to) __attribute__((musttail)) return ((m0_thread)(uintptr_t)(to))(STATE)
#define SLOW __attribute__((musttail)) return slow(STATE);
#define SPEND(cycles) budget -= (uint64_t)(cycles) * M0_CYCLE
/* 32 for each cycle left behind a branch. */
#define LEFT_BEHIND ((int64_t)(budget - (uint64_t)(uintptr_t)op) - (int64_t)op->extra * M0_CYCLE)
#define IS_OVER ((int64_t)budget <= (int64_t)(uintptr_t)op)

M0_INLINE void save(PARAMETERS)
{
    struct m0_timed *timed = &core->timed;
    (void)sram;
    core->depth = (uint32_t)(top - core->frames) + 1;
    timed->op = (uint64_t)(uintptr_t)op;
    timed->budget = budget;
    timed->n = n, timed->z = z, timed->c = c, timed->v = v;
}

#define RESTORE \
    top = m0_top_frame(core), op = m0_pointer(core->timed.op), budget = core->timed.budget, n = core->timed.n, z = core->timed.z, \
    c = core->timed.c, v = core->timed.v

/* The handler of an operation that was counted as begun. */
M0_INLINE uint64_t begun(const struct m0_core *core, const struct m0_op *op)
{
    return M0_LIKELY(!m0_is_head(op)) ? op->handler : m0_line_of(core, op)->head;
}

/*
 * The fast form does not tell which word it fetched last. That word is in the cache and its set's newest, so that to
 * fetch it again changes nothing: m0_step may as well know of none.
 */
M0_THREAD slow(PARAMETERS)
{
    save(STATE);
    core->timed.fetched = M0_NOTHING;
    if (m0_step(core, M0_STEP_ONE)) {
        RESTORE;
        JUMP(begun(core, op));
    }
}

/* Go on with a stretch; what it fetches may not all be in the cache. */
M0_THREAD resume(PARAMETERS)
{
    if (m0_is_settled(core, op)) {
        JUMP(begun(core, op));
    }
    save(STATE);
    if (m0_step(core, M0_STEP_STRETCH)) {
        RESTORE;
        JUMP(begun(core, op));
    }
}

M0_THREAD unsettled(PARAMETERS)
{
    core->timed.fetched = M0_NOTHING;
    __attribute__((musttail)) return resume(STATE);
}

/* True where firmware may go on to the next question all the same: what is left of it is before the next event. */
M0_INLINE bool has_slack(struct m0_core *core, struct m0_op *op, uint64_t budget)
{
    int64_t left = ((int64_t)(budget - (uint64_t)(uintptr_t)op) >> 5) + core->timed.slack;
    return core->system.is_on != 0 && m0_may_go_on(core, op, left) && !core->timed.is_due &&
           (core->timed.flash_model == M0_FLASH_IDEAL || m0_is_settled(core, op));
}

/* No cycle is left before an operation, which was counted as begun. */
M0_THREAD over(PARAMETERS)
{
    if (has_slack(core, op, budget)) {
        JUMP(begun(core, op));
    }
    save(STATE);
    core->timed.fetched = M0_NOTHING;
    core->timed.pc = m0_address_of_op(core, op);
    core->cycles = m0_cycles_at(core, op, budget);
    if (m0_is_head(op)) {
        m0_line_of(core, op)->count--;
    } else {
        op->in--;
    }
    m0_stop_timed(core, core->depth + 2 >= core->frame_capacity ? M0_STOP_DEPTH : M0_STOP_LIMIT, core->timed.pc);
}

/* Over, before the head of a line counted. */
M0_THREAD over_before(PARAMETERS)
{
    if (m0_is_head(op)) {
        m0_line_of(core, op)->count++;
    }
    __attribute__((musttail)) return over(STATE);
}

/* The careful form ends before an operation that it came to and that is begun, */
M0_THREAD halt(PARAMETERS)
{
    save(STATE);
}

/* or behind the one before, which ran on to it. */
M0_THREAD halt_behind(PARAMETERS)
{
    if (m0_is_head(op)) {
        m0_line_of(core, op)->count++;
    }
    save(STATE);
}

/* Open the frame of a call with what a return needs: the rest of it is filled in when somebody asks. */
M0_INLINE struct m0_frame *open_call(const struct m0_call *call, struct m0_frame *top, struct m0_op *behind, int64_t left)
{
    struct m0_frame *frame = top + 1;
    frame->call = (uint64_t)(uintptr_t)call;
    frame->context_at = call->context_at;
    frame->return_op = (uint64_t)(uintptr_t)behind;
    frame->left = left;
    if (M0_RARELY(call->function_at != 0)) {
        ((struct m0_function *)m0_pointer(call->function_at))->open++;
    }
    return frame;
}

/* Close that of the newest call. */
M0_INLINE void close_call(const struct m0_call *call, const struct m0_frame *top, int64_t left)
{
    int64_t spent = (top->left - left) >> 5;
    struct m0_context *context = m0_pointer(top->context_at);
    struct m0_function *function = m0_pointer(call->function_at);
    context->calls++;
    context->inclusive += spent;
    if (M0_RARELY(function != NULL) && --function->open == 0) {
        function->inclusive += spent;
    }
}

M0_THREAD decode(PARAMETERS)
{
    if (M0_RARELY(!m0_has_room_to_decode(core))) { /* the simple form stops the run */
        if (m0_is_head(op)) {
            m0_line_of(core, op)->count++;
        }
        SLOW
    }
    m0_predecode(core, op);
    JUMP(op->handler);
}

M0_THREAD decode_head(PARAMETERS)
{
    if (M0_RARELY(!m0_has_room_to_decode(core))) {
        SLOW
    }
    m0_predecode(core, op);
    JUMP(m0_line_of(core, op)->head);
}

/* True where the flash cache did not change since the stretch from an operation was found in it. */
M0_INLINE bool is_still_settled(const struct m0_core *core, const struct m0_op *op)
{
    return m0_detail_of(core, op)->stamp == *(const uint32_t *)m0_pointer(m0_line_of(core, op)->generation);
}

/* The memory of a load or store in the first SRAM: its offset turned so that its low bits are the highest. */
#define TURNED(offset, size) ((size) == 1 ? (offset) : (size) == 2 ? (offset) >> 1 | (offset) << 31 \
                                                                   : (offset) >> 2 | (offset) << 30)
#define SHIFT(size) ((size) == 1 ? 0 : (size) == 2 ? 1 : 2)

/* Level `memory`: states of the bytes of an access, the same bits of each. */
#define STATES(size, bits) ((bits) * ((size) == 1 ? 1u : (size) == 2 ? 0x0101u : 0x01010101u))

M0_INLINE uint32_t words_in_common(const uint8_t *states, uint32_t count)
{
    uint32_t common = STATES(4, M0_BYTE_READABLE);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t word;
        __builtin_memcpy(&word, states + 4 * i, 4);
        common &= word;
    }
    return common;
}

M0_INLINE void mark_words(uint8_t *states, uint32_t count, uint32_t sets, uint32_t clears)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t word;
        __builtin_memcpy(&word, states + 4 * i, 4);
        word = (word | STATES(4, sets)) & ~STATES(4, clears);
        __builtin_memcpy(states + 4 * i, &word, 4);
    }
}

#define FLAGGED(name, ...) \
    OP(name, 0, enum { F = 1 }; __VA_ARGS__) \
    OP(name##_QUIET, 0, enum { F = 0 }; __VA_ARGS__)

#define WAITS 0
#define TRACKS 0
#define THREAD(name) ideal_##name
#include "handlers.h"
#undef WAITS
#undef THREAD
#define WAITS 1
#define THREAD(name) waits_##name
#include "handlers.h"
#undef TRACKS
#undef THREAD
#define TRACKS 1
#define THREAD(name) waits_tracks_##name
#include "handlers.h"
#undef WAITS
#undef THREAD
#define WAITS 0
#define THREAD(name) tracks_##name
#include "handlers.h"

/* -- the tables */

#undef OP
#define OP(name, spent, ...) [M0_OP_##name] = (spent),
static const int8_t spent_by[M0_HANDLER_COUNT] = {
#include "operations.h"
    [M0_OP_PUSH] = M0_VARIES,
    [M0_OP_POP] = M0_VARIES,
    [M0_OP_LDM] = M0_VARIES,
    [M0_OP_STM] = M0_VARIES,
    [M0_OP_BRANCH ... M0_OP_MOVE_PC] = M0_VARIES,
#define PAIR(first, second) [M0_HANDLER_##first##_##second] = SPENT_##first,
#include "pairs.h"
#undef PAIR
};

/* Cycles beyond one for each halfword that a handler takes, M0_VARIES where it takes what the operation says. */
int m0_spent_by(uint32_t handler)
{
    return spent_by[handler];
}

/* The handler of a pair, if there is one of this handler and that of the next operation; else the first. */
uint32_t m0_pair_of(const struct m0_core *core, uint32_t first, const struct m0_op *second)
{
#define PAIR(one, other) \
    if (first == M0_OP_##one && second->handler == m0_handler_of(core, M0_OP_##other)) { \
        return M0_HANDLER_##one##_##other; \
    }
#include "pairs.h"
#undef PAIR
    return first;
}

uint64_t m0_handler_of(const struct m0_core *core, uint32_t number)
{
    static const m0_thread *const handlers[2][2] = {{ideal_handlers, waits_handlers},
                                                    {tracks_handlers, waits_tracks_handlers}};
    return (uint64_t)(uintptr_t)handlers[core->timed.tracks != 0][core->timed.flash_model != M0_FLASH_IDEAL][number];
}

/* Run on from `timed.op`, which was counted as begun, to the first operation, begun too, that is not to be run so. */
void m0_run_careful(struct m0_core *core)
{
    static const m0_thread forms[2][2] = {{ideal_careful, waits_careful}, {tracks_careful, waits_tracks_careful}};
    uint8_t *sram = core->timed.sram;
    struct m0_frame *top;
    struct m0_op *op;
    uint64_t budget;
    uint32_t n, z, c, v;
    RESTORE;
    core->timed.fetched = M0_NOTHING;
    forms[core->timed.tracks != 0][core->timed.flash_model != M0_FLASH_IDEAL](STATE);
}

/* Run on from `timed.op`, which was counted as begun. */
void m0_run_threaded(struct m0_core *core)
{
    uint8_t *sram = core->timed.sram;
    struct m0_frame *top;
    struct m0_op *op;
    uint64_t budget;
    uint32_t n, z, c, v;
    if (core->timed.passes_guards != 0 && !m0_step(core, M0_STEP_ONE)) { /* it alone knows that it passes them */
        return;
    }
    RESTORE;
    if (core->timed.passes_watch != 0 || core->timed.flash_model != M0_FLASH_IDEAL) {
        resume(STATE);
    } else {
        ((m0_thread)(uintptr_t)begun(core, op))(STATE);
    }
}
