/*
 * The handlers of threaded.c, for memory that never waits and for flash that may (WAITS), without and with what level
 * `memory` counts (TRACKS); THREAD(name) for their names. A read that is a finding is left to the simple form.
 */
#if TRACKS
#define READ_OF(type, memory, offset) { \
    uint8_t *const place = core->timed.memory##_states + (offset); \
    uint32_t states = 0; \
    __builtin_memcpy(&states, place, sizeof(type)); \
    if (M0_RARELY((~states & STATES(sizeof(type), M0_BYTE_READABLE | M0_BYTE_READ)) != 0)) { \
        if ((~states & STATES(sizeof(type), M0_BYTE_READABLE)) != 0) { SLOW } \
        states |= STATES(sizeof(type), M0_BYTE_READ); \
        __builtin_memcpy(place, &states, sizeof(type)); \
    } \
    core->traffic[core->timed.memory##_owners[offset]].loads[SHIFT(sizeof(type))]++; }
#define WRITTEN_OF(type, offset) { \
    uint8_t *const place = core->timed.sram_states + (offset); \
    uint32_t states = 0; \
    __builtin_memcpy(&states, place, sizeof(type)); \
    if (M0_RARELY((~states & STATES(sizeof(type), M0_BYTE_WRITTEN | M0_BYTE_DEFINED)) != 0)) { \
        states |= STATES(sizeof(type), M0_BYTE_WRITTEN | M0_BYTE_DEFINED); \
        __builtin_memcpy(place, &states, sizeof(type)); \
    } \
    core->traffic[core->timed.sram_owners[offset]].stores[SHIFT(sizeof(type))]++; }
#else
#define READ_OF(type, memory, offset)
#define WRITTEN_OF(type, offset)
#endif

#if WAITS
#define LOAD_FLASH(type, at, put) SLOW
#define SETTLE(op) if (M0_RARELY(!is_still_settled(core, op))) { __attribute__((musttail)) return unsettled(STATE); }
#else
#define LOAD_FLASH(type, at, put) { \
    const uint32_t within = (at) - core->timed.flash_base; \
    if (M0_LIKELY(TURNED(within, sizeof(type)) < core->timed.flash_limit[SHIFT(sizeof(type))])) { \
        type value; \
        READ_OF(type, flash, within) \
        __builtin_memcpy(&value, core->timed.flash + within, sizeof value); \
        put; \
    } else { SLOW } }
#define SETTLE(op)
#endif

#define LOAD(type, address, put) { \
    const uint32_t at = (address), offset = at - core->timed.sram_base; \
    if (M0_LIKELY(TURNED(offset, sizeof(type)) < core->timed.sram_limit[SHIFT(sizeof(type))])) { \
        type value; \
        READ_OF(type, sram, offset) \
        __builtin_memcpy(&value, sram + offset, sizeof value); \
        put; \
    } else LOAD_FLASH(type, at, put) }

#define STORE(type, address, from) { \
    const uint32_t offset = (address) - core->timed.sram_base; \
    const type value = (type)(from); \
    if (M0_LIKELY(TURNED(offset, sizeof(type)) < core->timed.sram_limit[SHIFT(sizeof(type))] && \
                  core->timed.sram_code[offset >> 6] == 0)) { \
        __builtin_memcpy(sram + offset, &value, sizeof value); \
        WRITTEN_OF(type, offset) \
    } else { SLOW } }

#define NEXT op++; JUMP(op->handler)

#define OP(name, spent, ...) \
    M0_THREAD THREAD(name)(PARAMETERS) \
    { \
        { __VA_ARGS__ } \
        SPEND((spent) == M0_VARIES ? op->extra : (spent)); \
        NEXT; \
    }
#include "operations.h"
#undef OP

/* The careful form: the same with a question behind each operation. What it does not have is left to the simple form. */
static const m0_thread THREAD(careful_handlers)[M0_OP_COUNT];

M0_THREAD THREAD(careful)(PARAMETERS)
{
    const struct m0_detail *detail = m0_detail_of(core, op);
    JUMP(detail->flags != 0 || op->extra > 1 ? halt : THREAD(careful_handlers)[detail->operation]);
}

#define OP(name, spent, ...) \
    M0_THREAD THREAD(careful_##name)(PARAMETERS) \
    { \
        { __VA_ARGS__ } \
        SPEND(op->extra); \
        op++; \
        if (IS_OVER || m0_is_head(op)) { __attribute__((musttail)) return halt_behind(STATE); } \
        __attribute__((musttail)) return THREAD(careful)(STATE); \
    }
#undef SLOW
#define SLOW __attribute__((musttail)) return halt(STATE);
#include "operations.h"
#undef SLOW
#define SLOW __attribute__((musttail)) return slow(STATE);
#undef OP

#if WAITS
#define SETTLE_ENTRY if (M0_LIKELY(!m0_is_head(op))) { SETTLE(op) }
#else
#define SETTLE_ENTRY
#endif

M0_THREAD THREAD(head)(PARAMETERS)
{
    struct m0_line *line = m0_line_of(core, op);
    line->count++;
    if (M0_LIKELY(!IS_OVER)) {
        SETTLE(op)
        JUMP(line->head);
    }
    __attribute__((musttail)) return over(STATE);
}

#define HALF(name) { DO_##name } SPEND(SPENT_##name);
#define PAIR(first, second) \
    M0_THREAD THREAD(first##_##second)(PARAMETERS) \
    { \
        HALF(first) \
        op++; \
        HALF(second) \
        NEXT; \
    }
#include "pairs.h"
#undef PAIR
#undef HALF

/* -- branches. A branch's `extra` is all that it takes when it is taken; not taken, it takes a cycle. */

/* Go to an operation, behind whose branch `left` is what was left. */
#define GO(to, left) \
    op = (to); \
    budget = (uint64_t)(uintptr_t)op + (uint64_t)(left); \
    if (M0_LIKELY((left) > 0)) { \
        SETTLE_ENTRY \
        JUMP(op->handler); \
    } \
    __attribute__((musttail)) return over_before(STATE)
#define TAKE { \
    const int64_t left = LEFT_BEHIND; \
    op->out++; \
    GO(m0_branch_target(op), left); }

M0_THREAD THREAD(BRANCH)(PARAMETERS)
{
    TAKE
}

#define IF(condition, holds) \
    M0_THREAD THREAD(BRANCH_##condition)(PARAMETERS) \
    { \
        if (holds) { \
            TAKE \
        } \
        op++; \
        SETTLE_ENTRY \
        JUMP(op->handler); \
    }
#define COMPARE_IF(name, condition, holds, ...) \
    M0_THREAD THREAD(name##_##condition)(PARAMETERS) \
    { \
        __VA_ARGS__ \
        n = z = x - y, c = x >= y, v = (x ^ y) & (x ^ n); \
        op++; \
        if (holds) { \
            TAKE \
        } \
        op++; \
        SETTLE_ENTRY \
        JUMP(op->handler); \
    }
#define FUSED(condition, holds) \
    COMPARE_IF(COMPARE, condition, holds, uint32_t x = R(a), y = R(b);) \
    COMPARE_IF(COMPARE_I, condition, holds, uint32_t x = R(a), y = IMM;) \
    COMPARE_IF(SUB_I, condition, holds, uint32_t x = R(b), y = IMM; R(a) = x - y;)
/* DDI 0419, A6.3, in the order of the encoding: from flags, and from what was compared. */
IF(EQ, z == 0) IF(NE, z != 0) IF(CS, c != 0) IF(CC, c == 0) IF(MI, (int32_t)n < 0) IF(PL, (int32_t)n >= 0)
IF(VS, (int32_t)v < 0) IF(VC, (int32_t)v >= 0) IF(HI, c != 0 && z != 0) IF(LS, c == 0 || z == 0)
IF(GE, (int32_t)(n ^ v) >= 0) IF(LT, (int32_t)(n ^ v) < 0) IF(GT, z != 0 && (int32_t)(n ^ v) >= 0)
IF(LE, z == 0 || (int32_t)(n ^ v) < 0)
FUSED(EQ, x == y) FUSED(NE, x != y) FUSED(CS, x >= y) FUSED(CC, x < y) FUSED(MI, (int32_t)n < 0)
FUSED(PL, (int32_t)n >= 0) FUSED(VS, (int32_t)v < 0) FUSED(VC, (int32_t)v >= 0) FUSED(HI, x > y) FUSED(LS, x <= y)
FUSED(GE, (int32_t)x >= (int32_t)y) FUSED(LT, (int32_t)x < (int32_t)y) FUSED(GT, (int32_t)x > (int32_t)y)
FUSED(LE, (int32_t)x <= (int32_t)y)

/* A call that went to the same function from the same context before; anything new is left to the simple form. */
M0_THREAD THREAD(BRANCH_LINK)(PARAMETERS)
{
    const struct m0_call *call = m0_call_of(core, op);
    if (M0_RARELY(call->from_at != top->context_at || (uint64_t)(uintptr_t)top >= core->timed.last_frame)) {
        SLOW
    }
    const int64_t left = LEFT_BEHIND;
    core->timed.r[14] = call->link;
    top = open_call(call, top, op + 2, left);
    op->out++;
    GO(m0_branch_target(op), left);
}

M0_THREAD THREAD(BRANCH_LINK_EXCHANGE)(PARAMETERS)
{
    const struct m0_call *call = m0_call_of(core, op);
    uint32_t target = core->timed.r[m0_load16(m0_bytes_at(core, call->site.end - 2)) >> 3 & 15];
    if (M0_RARELY(call->from_at != top->context_at || call->target != target ||
                  (uint64_t)(uintptr_t)top >= core->timed.last_frame)) {
        SLOW
    }
    const int64_t left = LEFT_BEHIND;
    core->timed.r[14] = call->link;
    top = open_call(call, top, op + 1, left);
    op->out++;
    struct m0_op *to = m0_pointer(call->target_op);
    to->in++;
    GO(to, left);
}

/* A return to where the newest frame waits, if the fast form opened it; `thumb` is the target with bit 0 set. */
#define RETURN(thumb) \
    const struct m0_call *call = m0_pointer(top->call); \
    struct m0_op *to = m0_pointer(top->return_op); \
    if (M0_RARELY((thumb) != call->link)) { \
        SLOW \
    } \
    if (M0_RARELY(to == NULL)) { \
        SLOW \
    } \
    const int64_t left = LEFT_BEHIND; \
    close_call(call, top, left); \
    top--;

M0_THREAD THREAD(BRANCH_EXCHANGE)(PARAMETERS)
{
    RETURN(R(b))
    GO(to, left);
}

M0_THREAD THREAD(MOVE_PC)(PARAMETERS)
{
    if (op->b == 15) {
        SLOW
    }
    RETURN(R(b) | 1)
    GO(to, left);
}

/* -- multiples */

/* `count` words of the first SRAM from `address` on, none of them code if they are written; else NULL. */
M0_INLINE uint8_t *THREAD(words)(struct m0_core *core, uint8_t *sram, uint32_t address, uint32_t count, bool writes)
{
    uint32_t offset = address - core->timed.sram_base;
    if ((offset & 3) != 0 || offset >= core->timed.sram_limit[0] || core->timed.sram_limit[0] - offset < 4 * count) {
        return NULL;
    }
    if (writes && (core->timed.sram_code[offset >> 6] | core->timed.sram_code[(offset + 4 * count - 1) >> 6]) != 0) {
        return NULL;
    }
    return sram + offset;
}

M0_INLINE void THREAD(get)(struct m0_core *core, uint32_t list, const uint8_t *memory)
{
    for (; list != 0; list &= list - 1, memory += 4) {
        __builtin_memcpy(&core->timed.r[__builtin_ctz(list)], memory, 4);
    }
}

M0_INLINE void THREAD(put)(struct m0_core *core, uint32_t list, uint8_t *memory)
{
    for (; list != 0; list &= list - 1, memory += 4) {
        __builtin_memcpy(memory, &core->timed.r[__builtin_ctz(list)], 4);
    }
}

/* At level `memory`: true where all words may be read. */
M0_INLINE bool THREAD(may_read)(const struct m0_core *core, const uint8_t *sram, const uint8_t *words, uint32_t count)
{
    return !TRACKS || words_in_common(core->timed.sram_states + (words - sram), count) == STATES(4, M0_BYTE_READABLE);
}

M0_INLINE void THREAD(track)(struct m0_core *core, const uint8_t *sram, const uint8_t *words, uint32_t count, bool writes)
{
    if (!TRACKS) {
        return;
    }
    const uint16_t *owners = core->timed.sram_owners + (words - sram);
    mark_words(core->timed.sram_states + (words - sram), count,
               writes ? M0_BYTE_WRITTEN | M0_BYTE_DEFINED : M0_BYTE_READ, 0);
    for (uint32_t i = 0; i < count; i++) {
        struct m0_traffic *traffic = &core->traffic[owners[4 * i]];
        (writes ? traffic->stores : traffic->loads)[2]++;
    }
}

/* The stack moves by words that are pushed or popped. */
M0_INLINE void THREAD(track_stack)(struct m0_core *core, const uint8_t *sram, const uint8_t *words, uint32_t count,
                                   bool writes)
{
    if (!TRACKS) {
        return;
    }
    mark_words(core->timed.sram_states + (words - sram), count,
               writes ? M0_BYTE_WRITTEN | M0_BYTE_READABLE : M0_BYTE_READ, writes ? 0 : M0_BYTE_READABLE);
    (writes ? core->traffic[core->stack_owner].stores : core->traffic[core->stack_owner].loads)[2] += count;
}

/* True where words are of the stack, as far as it came down yet. */
M0_INLINE bool THREAD(is_stack)(const struct m0_core *core, uint32_t sp, uint32_t count)
{
    return !TRACKS || ((int64_t)sp >= core->sp_min && sp + 4 * count <= core->stack_high);
}

M0_THREAD THREAD(PUSH)(PARAMETERS)
{
    uint32_t count = op->extra, sp = core->timed.r[13] - 4 * count; /* a cycle for each register, and one */
    uint8_t *memory = THREAD(words)(core, sram, sp, count, true);
    if (memory == NULL || (int64_t)sp < core->sp_min || !THREAD(is_stack)(core, sp, count)) {
        SLOW
    }
    THREAD(put)(core, IMM, memory);
    THREAD(track_stack)(core, sram, memory, count, true);
    core->timed.r[13] = sp;
    SPEND(count);
    NEXT;
}

M0_THREAD THREAD(POP)(PARAMETERS)
{
    uint32_t count = op->extra, sp = core->timed.r[13];
    const uint8_t *memory = THREAD(words)(core, sram, sp, count, false);
    if (memory == NULL || !THREAD(is_stack)(core, sp, count) || !THREAD(may_read)(core, sram, memory, count)) {
        SLOW
    }
    THREAD(track_stack)(core, sram, memory, count, false);
    core->timed.r[13] = sp + 4 * count;
    THREAD(get)(core, IMM, memory);
    SPEND(count);
    NEXT;
}

M0_THREAD THREAD(STM)(PARAMETERS)
{
    uint32_t count = op->extra, base = R(a);
    uint8_t *memory = THREAD(words)(core, sram, base, count, true);
    if (memory == NULL) {
        SLOW
    }
    THREAD(put)(core, IMM, memory);
    THREAD(track)(core, sram, memory, count, true);
    R(a) = base + 4 * count;
    SPEND(count);
    NEXT;
}

M0_THREAD THREAD(LDM)(PARAMETERS)
{
    uint32_t count = op->extra, base = R(a);
    const uint8_t *memory = THREAD(words)(core, sram, base, count, false);
    if (memory == NULL || !THREAD(may_read)(core, sram, memory, count)) {
        SLOW
    }
    THREAD(track)(core, sram, memory, count, false);
    R(a) = base + 4 * count; /* where the base is in the list, it is loaded */
    THREAD(get)(core, IMM, memory);
    SPEND(count);
    NEXT;
}

M0_THREAD THREAD(POP_PC)(PARAMETERS)
{
    uint32_t list = IMM, count = (uint32_t)__builtin_popcount(list), sp = core->timed.r[13], target;
    const uint8_t *memory = THREAD(words)(core, sram, sp, count + 1, false);
    if (memory == NULL || !THREAD(is_stack)(core, sp, count + 1) || !THREAD(may_read)(core, sram, memory, count + 1)) {
        SLOW
    }
    __builtin_memcpy(&target, memory + 4 * count, 4);
    RETURN(target)
    THREAD(track_stack)(core, sram, memory, count + 1, false);
    core->timed.r[13] = sp + 4 * count + 4;
    THREAD(get)(core, list, memory);
    GO(to, left);
}

M0_THREAD THREAD(SP_ADD)(PARAMETERS)
{
    uint32_t sp = core->timed.r[13] + IMM;
    if ((int64_t)sp < core->sp_min) {
        SLOW
    }
    if (TRACKS) {
        m0_stack_moved(core, core->timed.r[13], sp);
    }
    core->timed.r[13] = sp;
    NEXT;
}

#define OP(name, spent, ...) [M0_OP_##name] = THREAD(name),
#define OF(first, name) \
    [first + 0] = THREAD(name##_EQ), [first + 1] = THREAD(name##_NE), [first + 2] = THREAD(name##_CS), \
    [first + 3] = THREAD(name##_CC), [first + 4] = THREAD(name##_MI), [first + 5] = THREAD(name##_PL), \
    [first + 6] = THREAD(name##_VS), [first + 7] = THREAD(name##_VC), [first + 8] = THREAD(name##_HI), \
    [first + 9] = THREAD(name##_LS), [first + 10] = THREAD(name##_GE), [first + 11] = THREAD(name##_LT), \
    [first + 12] = THREAD(name##_GT), [first + 13] = THREAD(name##_LE)
static const m0_thread THREAD(handlers)[M0_HANDLER_COUNT] = {
#include "operations.h"
    [M0_OP_PUSH] = THREAD(PUSH),
    [M0_OP_POP] = THREAD(POP),
    [M0_OP_LDM] = THREAD(LDM),
    [M0_OP_STM] = THREAD(STM),
    [M0_OP_SP_ADD] = THREAD(SP_ADD),
    [M0_OP_BRANCH] = THREAD(BRANCH),
    OF(M0_OP_BRANCH_IF, BRANCH),
    [M0_OP_BRANCH_LINK] = THREAD(BRANCH_LINK),
    [M0_OP_BRANCH_EXCHANGE] = THREAD(BRANCH_EXCHANGE),
    [M0_OP_BRANCH_LINK_EXCHANGE] = THREAD(BRANCH_LINK_EXCHANGE),
    [M0_OP_POP_PC] = THREAD(POP_PC),
    [M0_OP_MOVE_PC] = THREAD(MOVE_PC),
    [M0_HANDLER_STEP] = slow,
    [M0_HANDLER_DECODE] = decode,
    [M0_HANDLER_DECODE_HEAD] = decode_head,
    [M0_HANDLER_HEAD] = THREAD(head),
    OF(M0_HANDLER_COMPARE_IF, COMPARE),
    OF(M0_HANDLER_COMPARE_I_IF, COMPARE_I),
    OF(M0_HANDLER_SUB_I_IF, SUB_I),
#define PAIR(first, second) [M0_HANDLER_##first##_##second] = THREAD(first##_##second),
#include "pairs.h"
#undef PAIR
};

#undef OP
#define OP(name, spent, ...) [M0_OP_##name] = THREAD(careful_##name),
static const m0_thread THREAD(careful_handlers)[M0_OP_COUNT] = {
    [M0_OP_NONE] = halt,
#include "operations.h"
    [M0_OP_PUSH ... M0_OP_COUNT - 1] = halt,
};

#undef READ_OF
#undef WRITTEN_OF
#undef OP
#undef OF
#undef NEXT
#undef LOAD
#undef LOAD_FLASH
#undef STORE
#undef SETTLE
#undef SETTLE_ENTRY
#undef TAKE
#undef GO
#undef IF
#undef COMPARE_IF
#undef FUSED
#undef RETURN
