/* Level `memory`: traffic by owner, what is known of each byte, and reads that should not be. */
#include "timed.h"

/* -- reads that no correct code makes */

static void note_finding(struct m0_core *core, enum m0_finding_kind kind, uint32_t pc, uint32_t address, uint32_t size)
{
    uint32_t slot = m0_mix((uint64_t)pc << 2 | kind);
    for (;; slot++) {
        struct m0_finding *row = &core->findings[slot & core->finding_mask];
        if (row->pc == pc && row->kind == (uint32_t)kind) {
            row->count++;
            return;
        }
        if (row->kind == M0_FINDING_NONE) {
            if (core->finding_count > core->finding_mask / 2) { /* half of the rows are free: the search is short */
                core->findings_refused++;
                return;
            }
            core->finding_count++;
            *row = (struct m0_finding){(uint32_t)kind, pc, address, size, core->timed.r[13], 0, 1};
            return;
        }
    }
}

/* -- accesses */

/* A load or store of the instruction at `pc`: which bytes it touched, whose they are, and whether it may read them. */
void m0_track(struct m0_core *core, uint32_t pc, uint32_t address, uint32_t size, bool is_store)
{
    uint64_t index = (uint64_t)m0_page_slot(core, address) * 4096 + (address & 0xFFF);
    uint8_t *states = &core->touched[index], common = M0_BYTE_READABLE;
    struct m0_traffic *traffic = &core->traffic[core->owner_at[index]];
    if (index < 4096) { /* no memory */
        return;
    }
    for (uint32_t i = 0; i < size; i++) {
        common &= states[i];
        states[i] |= is_store ? M0_BYTE_WRITTEN | M0_BYTE_DEFINED : M0_BYTE_READ;
    }
    (is_store ? traffic->stores : traffic->loads)[size >> 1]++;
    if (!is_store && common != M0_BYTE_READABLE) {
        note_finding(core, common & M0_BYTE_INSIDE ? M0_FINDING_UNINITIALISED : M0_FINDING_OUTSIDE, pc, address, size);
    }
}

void m0_track_words(struct m0_core *core, uint32_t pc, uint32_t address, uint32_t count, bool is_store)
{
    for (uint32_t i = 0; i < count; i++) {
        m0_track(core, pc, address + 4 * i, 4, is_store);
    }
}

/* -- the stack */

static uint64_t stack_index(const struct m0_core *core, uint32_t address)
{
    return (uint64_t)m0_page_slot(core, core->stack_low) * 4096 + (core->stack_low & 0xFFF) + (address - core->stack_low);
}

/*
 * SP moved within the stack's memory. What it left behind is nobody's, and holds nothing: who finds a value there that
 * an earlier call left, finds it by chance.
 */
void m0_stack_moved(struct m0_core *core, uint32_t from, uint32_t to)
{
    uint32_t low = from < to ? from : to, high = from < to ? to : from;
    if (low < core->stack_low || high > core->stack_high) {
        return;
    }
    uint8_t *states = &core->touched[stack_index(core, low)];
    for (uint32_t i = 0; i < high - low; i++) {
        states[i] = (uint8_t)(to < from ? states[i] | M0_BYTE_INSIDE : states[i] & ~M0_BYTE_READABLE);
    }
}

/* The stack came down to `low` for the first time; a heap may have had what it came down to. */
void m0_own_stack(struct m0_core *core, int64_t low, int64_t high)
{
    if (low < core->stack_low || high > core->stack_high) {
        return;
    }
    uint16_t *owners = &core->owner_at[stack_index(core, (uint32_t)low)];
    for (int64_t i = 0; i < high - low; i++) {
        owners[i] = (uint16_t)core->stack_owner;
    }
}
