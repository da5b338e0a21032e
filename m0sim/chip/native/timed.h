/*
 * The interpreter, between its files: predecode.c makes operations of code, step.c executes them one after the other
 * (the simple form, which is also asked whenever something is rare), threaded.c executes them fast.
 */
#ifndef M0_TIMED_H
#define M0_TIMED_H

#include "bodies.h"
#include "calls.h"

#define M0_VARIES (-1)

/* Operations, and handlers of the fast form: those with names of operations execute them, the others are combinations. */
enum m0_operation {
    M0_OP_NONE,
#define OP(name, spent, ...) M0_OP_##name,
#define FLAGGED(name, ...) M0_OP_##name, M0_OP_##name##_QUIET,
#include "operations.h"
#undef OP
#undef FLAGGED
    M0_OP_PUSH,
    M0_OP_POP,
    M0_OP_LDM,
    M0_OP_STM,
    M0_OP_SP_ADD,
    M0_OP_BRANCH,
    M0_OP_BRANCH_IF, /* 14 of them, by condition */
    M0_OP_BRANCH_LINK = M0_OP_BRANCH_IF + 14,
    M0_OP_BRANCH_EXCHANGE,
    M0_OP_BRANCH_LINK_EXCHANGE,
    M0_OP_POP_PC,
    M0_OP_MOVE_PC,
    M0_OP_STEPPED, /* here and below: only the simple form executes them */
    M0_OP_ADD_PC = M0_OP_STEPPED,
    M0_OP_MOVE_SP,
    M0_OP_ADD_SP,
    M0_OP_CPS,
    M0_OP_MRS,
    M0_OP_MSR,
    M0_OP_BARRIER,
    M0_OP_SEND_EVENT,
    M0_OP_WAIT_EVENT,
    M0_OP_WAIT_INTERRUPT,
    M0_OP_SUPERVISOR,
    M0_OP_BREAKPOINT,
    M0_OP_DATA,
    M0_OP_INVALID,
    M0_OP_NEXT_PAGE,
    M0_OP_COUNT
};

enum m0_handler {
    M0_HANDLER_STEP = M0_OP_COUNT, /* the simple form */
    M0_HANDLER_DECODE,
    M0_HANDLER_DECODE_HEAD, /* the same for the head of a line, which is counted as begun */
    M0_HANDLER_HEAD,
    M0_HANDLER_COMPARE_IF, /* CMP Rn, Rm and a branch, by condition */
    M0_HANDLER_COMPARE_I_IF = M0_HANDLER_COMPARE_IF + 14,
    M0_HANDLER_SUB_I_IF = M0_HANDLER_COMPARE_I_IF + 14, /* SUBS Rd, #imm and a branch */
    M0_HANDLER_PAIRS = M0_HANDLER_SUB_I_IF + 14, /* two of one kind, or often seen together, none of whose flags is read */
#define PAIR(first, second) M0_HANDLER_##first##_##second,
    M0_HANDLER_BEFORE_PAIRS = M0_HANDLER_PAIRS - 1,
#include "pairs.h"
#undef PAIR
    M0_HANDLER_COUNT
};

#define M0_SLACK 96 /* cycles that the fast form of firmware takes at most from one question for cycles to the next */
#define M0_CYCLE 32 /* of `budget`: bytes of an operation */

_Static_assert(sizeof(struct m0_op) == M0_CYCLE, "an operation of one cycle moves the budget by itself");
_Static_assert(M0_OP_COUNT < 256, "an operation's number is a byte");

/* -- predecode.c */

void m0_predecode(struct m0_core *core, struct m0_op *op);
struct m0_op *m0_op_at(struct m0_core *core, uint32_t address);
bool m0_code_is_hit(const struct m0_core *core, uint32_t address, uint32_t size);
bool m0_has_room_to_retire(const struct m0_core *core);
void m0_code_changed(struct m0_core *core, uint32_t address, uint32_t size);

/* -- step.c */

void m0_fill_frames(struct m0_core *core);
void m0_sum_functions(struct m0_core *core);
void m0_note_frame(struct m0_core *core, struct m0_frame *frame);
const uint32_t *m0_generation(const struct m0_core *core, uint32_t address, uint32_t slot);
enum m0_stepping { M0_STEP_ONE, M0_STEP_STRETCH };
bool m0_step(struct m0_core *core, enum m0_stepping stepping);
bool m0_is_settled(struct m0_core *core, struct m0_op *op);
void m0_stop_timed(struct m0_core *core, enum m0_stop reason, uint32_t address);

/* -- memory.c */

void m0_track(struct m0_core *core, uint32_t pc, uint32_t address, uint32_t size, bool is_store);
void m0_track_words(struct m0_core *core, uint32_t pc, uint32_t address, uint32_t count, bool is_store);
void m0_stack_moved(struct m0_core *core, uint32_t from, uint32_t to);
void m0_own_stack(struct m0_core *core, int64_t low, int64_t high);

/* -- threaded.c */

uint64_t m0_handler_of(const struct m0_core *core, uint32_t number);
int m0_spent_by(uint32_t handler);
uint32_t m0_pair_of(const struct m0_core *core, uint32_t first, const struct m0_op *second);
void m0_run_threaded(struct m0_core *core);
void m0_run_careful(struct m0_core *core);

M0_INLINE uint64_t m0_op_offset(const struct m0_core *core, const struct m0_op *op)
{
    return (uint64_t)((const char *)op - (const char *)core->timed.ops);
}

M0_INLINE struct m0_detail *m0_detail_of(const struct m0_core *core, const struct m0_op *op)
{
    return &core->timed.details[op - core->timed.ops];
}

M0_INLINE uint32_t m0_address_of_op(const struct m0_core *core, const struct m0_op *op)
{
    uint64_t index = (uint64_t)(op - core->timed.ops);
    return core->timed.chunks[index / M0_CHUNK_OPS].address + 2 * (uint32_t)(index % M0_CHUNK_OPS);
}

M0_INLINE struct m0_line *m0_line_of(const struct m0_core *core, const struct m0_op *op)
{
    return &core->timed.lines[m0_op_offset(core, op) >> 10];
}

/* The table begins at a multiple of 1 KiB, which is a line's operations. */
M0_INLINE bool m0_is_head(const struct m0_op *op)
{
    return ((uintptr_t)op & 1023) == 0;
}

M0_INLINE struct m0_op *m0_branch_target(const struct m0_op *op)
{
    return (struct m0_op *)((char *)(uintptr_t)op + op->imm);
}

M0_INLINE struct m0_call *m0_call_of(const struct m0_core *core, const struct m0_op *op)
{
    uint32_t number;
    __builtin_memcpy(&number, &op->a, sizeof number); /* little-endian, as all hosts are that it is built for */
    return &core->timed.calls[number & 0xFFFFFF];
}

/* True where there is a number for every call that a line may have. */
M0_INLINE bool m0_has_room_to_decode(const struct m0_core *core)
{
    return core->timed.call_count + M0_LINE_OPS < core->timed.call_capacity;
}

/* True where the fast form may execute what follows, with so many cycles left: none is asked for before its end. */
M0_INLINE bool m0_may_go_on(const struct m0_core *core, const struct m0_op *op, int64_t left)
{
    uint32_t tail = m0_detail_of(core, op)->tail;
    return tail != 0 && (int64_t)tail <= left;
}

M0_INLINE int64_t m0_cycles_at(const struct m0_core *core, const struct m0_op *op, uint64_t budget)
{
    return core->timed.horizon - ((int64_t)(budget - (uint64_t)(uintptr_t)op) >> 5);
}

#endif
