/*
 * Exceptions and what belongs to them, between the files of the core: system.c has the registers of the private
 * peripheral bus and what Python published, exceptions.c what pends, enters, returns and sleeps.
 */
#ifndef M0_SYSTEM_H
#define M0_SYSTEM_H

#include "timed.h"

enum { EXCEPTION_NMI = 2, EXCEPTION_HARD_FAULT = 3, EXCEPTION_SUPERVISOR = 11, EXCEPTION_PENDSV = 14,
       EXCEPTION_SYSTICK = 15, EXCEPTION_INTERRUPT = 16 };

/* -- system.c */

enum m0_answer { M0_ANSWER_NONE, M0_ANSWER_DONE, M0_ANSWER_REFUSED };

enum m0_answer m0_access_system(struct m0_core *core, int64_t now, uint32_t address, uint32_t size, bool is_store,
                                uint32_t *value);
uint32_t m0_bus_extra(const struct m0_core *core, uint32_t address, bool is_store);
void m0_settle_systick(struct m0_core *core, int64_t now);
int64_t m0_systick_due(const struct m0_core *core);

/* -- exceptions.c */

void m0_pend(struct m0_core *core, uint32_t number, int64_t now);
void m0_unpend(struct m0_core *core, uint32_t number);
void m0_enable(struct m0_core *core, uint64_t numbers, int64_t now);
uint32_t m0_first_pending(const struct m0_system *system);
bool m0_supervisor_call(struct m0_core *core, int64_t now);
bool m0_returns(const struct m0_core *core, uint32_t target);
void m0_use_stack(struct m0_core *core, bool process);
int64_t m0_next_event(struct m0_core *core);

/* -- load.c */

void m0_begin_handling(struct m0_core *core);
void m0_end_handling(struct m0_core *core);

/* -- cores.c */

void m0_send_event(struct m0_core *core, int64_t now);
int64_t m0_seen_at(const struct m0_core *other, int64_t now);
void m0_involve(struct m0_core *core, struct m0_core *other, int64_t now);

/* -- fabric.c */

bool m0_ask(struct m0_core *core, uint32_t address, int64_t at, uint32_t waits, uint32_t pc);
void m0_ask_for_code(struct m0_core *core, uint32_t address, int64_t at, uint32_t pc);
int64_t m0_next_request(const struct m0_core *first);
void m0_arbitrate(struct m0_core *first, int64_t cycle);

M0_INLINE bool m0_has_asked(const struct m0_core *core)
{
    const struct m0_master *master = &core->chip->fabric.masters[core->number];
    return master->first != master->count;
}

/* The pins, which both cores see. */
M0_INLINE struct m0_pins *m0_pins(const struct m0_core *core)
{
    return &core->chip->port.pins;
}

/* True for GPIO_IN, where the level of a pin is not followed. */
M0_INLINE bool m0_asks_for_pins(const struct m0_core *core, uint32_t offset)
{
    return (offset & ~3u) == GPIO_IN && m0_pins(core)->unfollowed != 0;
}

/* -- step.c */

void m0_run_to_event(struct m0_core *core);

M0_INLINE bool m0_is_privileged(const struct m0_core *core)
{
    return (core->timed.control & 1) == 0 || core->system.ipsr != 0;
}

/* True where Python or a debugger has seen the instruction that a core stands at: nothing comes before it. */
M0_INLINE bool m0_has_begun(const struct m0_timed *timed)
{
    return (timed->access.answered | timed->passes_watch | timed->passes_guards) != 0;
}

/* How many of the open frames are of code that exceptions preempted. */
M0_INLINE uint32_t m0_preempted_frames(const struct m0_system *system)
{
    return system->depth > 0 ? system->activations[system->depth - 1].floor : 0;
}

M0_INLINE uint64_t m0_bit(uint32_t number)
{
    return (uint64_t)1 << number;
}

#endif
