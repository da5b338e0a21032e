/*
 * What Unicorn calls for every block, and the stops. The block hook counts the block that ran before (what it ended up
 * doing, taken or not, call, return, is known only now), begins the next, and stops where that must not begin.
 */
#include "calls.h"

const char m0_header_hash[] = M0_HEADER_HASH;

void m0_stop_run(struct m0_core *core, uc_engine *uc, enum m0_stop reason, uint32_t address)
{
    core->stop = (uint32_t)reason;
    core->stop_address = address;
    core->emu_stop(uc);
}

uint32_t m0_read_register(const struct m0_core *core, uc_engine *uc, int reg)
{
    uint32_t value = 0;
    core->reg_read(uc, reg, &value);
    return value;
}

static uint32_t clear_bits(const struct m0_core *core, uc_engine *uc, int reg, uint32_t bits)
{
    uint32_t value = m0_read_register(core, uc, reg);
    if ((value & bits) != 0) {
        value &= ~bits;
        core->reg_write(uc, reg, &value);
    }
    return value;
}

/* -- counting the pending block */

/* DDI 0419, A6.3: the condition field of a branch against N, Z, C and V in bits 31..28. */
static bool condition_holds(uint32_t condition, uint32_t cpsr)
{
    uint32_t n = cpsr >> 31 & 1, z = cpsr >> 30 & 1, c = cpsr >> 29 & 1, v = cpsr >> 28 & 1;
    uint32_t holds[] = {z, c, n, v, c & ~z, ~(n ^ v), ~z & ~(n ^ v)};
    return ((holds[condition >> 1] ^ condition) & 1) != 0;
}

/* SP after instructions that gave it a value. The stack mark follows: behind the last one of a run, no hook did it. */
static int64_t written_sp(struct m0_core *core, uc_engine *uc)
{
    int64_t sp = m0_read_register(core, uc, UC_ARM_REG_SP) & ~3u;
    if (sp >= core->sp_limit && sp < core->sp_min) {
        core->sp_min = sp;
    }
    return sp;
}

/* What only registers tell: a branch to the next instruction, and a stack pointer that was assigned. */
M0_RARE static bool settle_registers(struct m0_core *core, uc_engine *uc, const struct m0_block *from, bool taken)
{
    if (from->sp_writes != 0) { /* `sp_change` is added to it, but the register has that already */
        core->sp = written_sp(core, uc) - from->sp_change;
    }
    if (from->branch_next != 0) {
        return condition_holds(from->branch_next - 1u, m0_read_register(core, uc, UC_ARM_REG_CPSR));
    }
    return taken;
}

/* Open the frames of the functions that a block ran on into, each where it began. Returns the last one. */
M0_RARE static uint32_t cross(struct m0_core *core, const struct m0_block *block)
{
    int64_t begin = core->cycles;
    uint32_t from = block->function;
    for (uint32_t at = m0_address_of(block); at < block->site.end;) {
        struct m0_instruction instruction = m0_decode(core, at);
        uint32_t function = m0_function_at(core, at);
        if (function != from && m0_has_room_to_jump(core)) {
            m0_jump(core, at, at, function);
        }
        from = function;
        core->cycles += instruction.cycles;
        at += instruction.size;
    }
    core->cycles = begin;
    return from;
}

/* Count the pending block, which ran to its end and was followed by the instruction at `address` of `function`. */
static void settle(struct m0_core *core, uc_engine *uc, uint32_t address, uint32_t function)
{
    struct m0_block *from = core->pending;
    bool taken = from->flow == M0_FLOW_CONDITIONAL && address != from->site.end;
    if ((from->branch_next | from->sp_writes) != 0) {
        taken = settle_registers(core, uc, from, taken);
    }
    uint32_t last = from->route == M0_ROUTE_CROSSES ? cross(core, from) : from->function;
    from->taken += taken;
    core->cycles += from->cycles + (taken ? core->taken_extra : 0);
    core->sp += from->sp_change;
    if (from != core->blocks) {
        m0_go_on(core, &from->site, from->flow, last, address, function);
    }
}

void m0_settle(struct m0_core *core, uc_engine *uc, uint32_t address)
{
    settle(core, uc, address, m0_function_at(core, address));
    core->pending = core->blocks;
}

static void note_that_it_ran(struct m0_core *core, struct m0_block *block)
{
    if (block->next_ran == 0) {
        block->next_ran = core->last_ran + 1;
        core->last_ran = (uint32_t)(block - core->blocks);
    }
}

/* Count the pending block up to `pc`, where a fault cut it short. */
void m0_settle_part(struct m0_core *core, uc_engine *uc, uint32_t pc)
{
    struct m0_block *whole = core->pending;
    if (whole == core->blocks) {
        return;
    }
    core->pending = core->blocks;
    if (core->sp_mover == (uint32_t)(whole - core->blocks) && core->sp_moved_at == whole->entered) {
        core->sp_min = core->sp_min_before;
    }
    whole->entered--;
    uint32_t address = m0_address_of(whole);
    if (pc <= address) {
        return;
    }
    struct m0_block *part = m0_find_block(core, uc, address, pc - address);
    if (part != NULL) {
        note_that_it_ran(core, part);
        part->entered++;
        uint32_t last = part->route == M0_ROUTE_CROSSES ? cross(core, part) : part->function;
        core->cycles += part->cycles;
        if (m0_function_at(core, pc) != last && m0_has_room_to_jump(core)) {
            m0_jump(core, pc, pc, m0_function_at(core, pc)); /* it ran on to the entry of another function */
        }
        if (core->sp + part->sp_low < core->sp_min) {
            core->sp_min = core->sp + part->sp_low;
        }
        if (part->sp_writes != 0) {
            written_sp(core, uc);
        }
        core->sp += part->sp_change;
    }
}

/* -- beginning the next */

/* The instruction of a block that moves SP below the limit. */
static uint32_t first_below_limit(const struct m0_core *core, const struct m0_block *block)
{
    int64_t sp = core->sp;
    for (uint32_t at = m0_address_of(block); at < block->site.end;) {
        struct m0_instruction instruction = m0_decode(core, at);
        sp += instruction.sp_change;
        if (sp < core->sp_limit) {
            return at;
        }
        at += instruction.size;
    }
    return m0_address_of(block);
}

/* Begin a block, if nothing forbids it. False after a stop. */
static bool begin(struct m0_core *core, uc_engine *uc, struct m0_block *block)
{
    int64_t lowest = core->sp + block->sp_low;
    enum m0_stop why = M0_STOP_NONE;
    uint32_t at = m0_address_of(block);
    if (core->depth + 1 >= core->frame_capacity) {
        why = M0_STOP_DEPTH;
    } else if (core->cycles >= core->limit) {
        why = M0_STOP_LIMIT;
    } else if (lowest < core->sp_limit) {
        why = M0_STOP_STACK;
        at = first_below_limit(core, block);
    } else if (block->sp_writes == 1) {
        why = M0_STOP_SP_WRITE;
        core->stop_block = (uint32_t)(block - core->blocks);
    }
    if (why != M0_STOP_NONE) {
        core->pending = core->blocks;
        m0_stop_run(core, uc, why, at);
        return false;
    }
    core->pending = block;
    block->entered++;
    if (lowest < core->sp_min) {
        core->sp_mover = (uint32_t)(block - core->blocks);
        core->sp_moved_at = block->entered;
        core->sp_min_before = core->sp_min;
        core->sp_min = lowest;
    }
    return true;
}

/* -- the way from one to the other */

/* True where nothing happens on the way from a block to another but the adding of cycles. */
static bool is_plain(const struct m0_block *from, const struct m0_block *to)
{
    bool stays = from->flow < M0_FLOW_CALL ? from->function == to->function : from->flow == M0_FLOW_STOP;
    return stays && from->route != M0_ROUTE_CROSSES && (from->sp_change | to->sp_low | from->sp_writes | to->sp_writes | from->branch_next) == 0;
}

/* Let an arc lead to a block. If it led elsewhere, it gives its count to the blocks first. */
static void point(struct m0_core *core, struct m0_block *from, const struct m0_block *to)
{
    bool first_is_used = from->arc[0].key != M0_KEY_NONE && (from->arc[0].key & M0_EPOCH_MASK) == core->epoch;
    struct m0_arc *arc = &from->arc[first_is_used];
    core->blocks[arc->to].entered += arc->count;
    from->taken += m0_is_taken(from, arc) ? arc->count : 0;
    arc->key = (to->key & ~M0_KEY_WRITABLE) | core->epoch;
    arc->count = 0;
    arc->to = (uint32_t)(to - core->blocks);
    arc->cycles = from->cycles + (m0_is_taken(from, arc) ? core->taken_extra : 0);
}

/* Any way from the pending block to the next. */
M0_RARE static void go_any_way(uc_engine *uc, uint64_t address, uint32_t size, struct m0_core *core)
{
    uint64_t key = address << M0_KEY_SHIFT | size;
    struct m0_block *from = core->pending;
    struct m0_block *to = &core->blocks[*m0_ready_slot(core, key)];
    if (core->is_full != 0) {
        m0_stop_run(core, uc, M0_STOP_GROW, (uint32_t)address);
        return;
    }
    if (to->key != key && (to->key != (key | M0_KEY_WRITABLE) || !m0_is_unchanged(core, to))) {
        to = m0_find_block(core, uc, (uint32_t)address, size);
        if (to == NULL) {
            return;
        }
    }
    to->epoch = (uint32_t)(core->epoch >> 32);
    settle(core, uc, (uint32_t)address, to->function);
    if (begin(core, uc, to)) {
        *m0_ready_slot(core, key) = (uint32_t)(to - core->blocks);
        note_that_it_ran(core, to);
        if (from != core->blocks && is_plain(from, to)) {
            point(core, from, to);
        }
    }
}

/*
 * The same for the ways of a call, a return and a prologue, as long as nothing about them is new. It decides before it
 * changes anything and calls nothing, so the compiler saves no registers: this is what code with many calls costs.
 */
__attribute__((noinline)) static void go(uc_engine *uc, uint64_t address, uint32_t size, struct m0_core *core)
{
    uint64_t key = address << M0_KEY_SHIFT | size;
    struct m0_block *from = core->pending;
    struct m0_block *to = &core->blocks[*m0_ready_slot(core, key)];
    int64_t cycles = core->cycles + from->cycles, sp = core->sp + from->sp_change;
    if ((to->key != key && (to->key != (key | M0_KEY_WRITABLE) || to->epoch != core->epoch >> 32)) ||
        sp + to->sp_low < core->sp_min) {
        goto any;
    }
    if (from->route == M0_FLOW_CALL) {
        if (from->site.call_target != address || from->site.from_context != m0_top_frame(core)->context ||
            core->depth + 2 >= core->frame_capacity || cycles >= core->limit) {
            goto any;
        }
        core->cycles = cycles;
        m0_open_call(core, &from->site, to->function);
    } else if (from->route == M0_FLOW_INDIRECT) {
        const struct m0_frame *frame = m0_top_frame(core);
        if (frame->return_address != address || frame->base + 1 != core->depth || frame->context == 0 ||
            cycles >= core->limit) {
            goto any;
        }
        core->cycles = cycles;
        m0_pop(core);
    } else if (from->route == M0_FLOW_CONDITIONAL && from->function == to->function && from->sp_change != 0) {
        bool taken = address != from->site.end;
        cycles += taken ? core->taken_extra : 0;
        if (cycles >= core->limit) {
            goto any;
        }
        from->taken += taken;
        core->cycles = cycles;
    } else {
        goto any;
    }
    core->sp = sp;
    to->entered++;
    core->pending = to;
    return;
any:
    go_any_way(uc, address, size, core);
}

/* UC_HOOK_BLOCK. */
void m0_on_block(uc_engine *uc, uint64_t address, uint32_t size, struct m0_core *core)
{
    struct m0_block *from = core->pending;
    uint64_t key = address << M0_KEY_SHIFT | size | core->epoch;
    struct m0_arc *arc = &from->arc[0];
    if (arc->key != key) {
        arc++;
        if (arc->key != key) {
            go(uc, address, size, core);
            return;
        }
    }
    int64_t cycles = core->cycles + arc->cycles;
    if (cycles >= core->limit) {
        go_any_way(uc, address, size, core);
        return;
    }
    core->cycles = cycles;
    arc->count++;
    core->pending = core->blocks + arc->to;
}

/*
 * UC_HOOK_EDGE_GENERATED in SRAM: code was translated, maybe because it changed. When the epochs have all been used, no
 * block or arc may be of one that comes again.
 */
void m0_on_translation(uc_engine *uc, uc_tb *now, uc_tb *before, struct m0_core *core)
{
    (void)uc, (void)now, (void)before;
    core->epoch = (core->epoch + M0_EPOCH_ONE) & M0_EPOCH_MASK;
    if (core->epoch == 0) {
        m0_fold(core);
        core->epoch = M0_EPOCH_ONE;
        for (uint32_t i = 1; i < core->block_count; i++) {
            core->blocks[i].arc[0].key = core->blocks[i].arc[1].key = M0_KEY_NONE;
            core->blocks[i].epoch = 0;
        }
    }
}

/* -- other hooks */

/* The lowest SP, relative to now, of the straight-line code from `address` to the next branch or SP write. */
static int32_t lowest_ahead(const struct m0_core *core, uint32_t address)
{
    int32_t sp = 0, low = 0;
    for (;;) {
        struct m0_instruction instruction = m0_decode(core, address);
        sp += instruction.sp_change;
        low = sp < low ? sp : low;
        if (instruction.kind == M0_KIND_INVALID || core->flow[instruction.kind] != M0_FLOW_NONE ||
            instruction.writes_sp || m0_page_slot(core, address) == 0) {
            return low;
        }
        address += instruction.size;
    }
}

/*
 * UC_HOOK_CODE behind MOV SP, ADD SP and MSR: the stack mark, and the bits that ARMv6-M has but as zeros. Those are the
 * low two of both stack pointers, and all of APSR but N, Z, C and V (DDI 0419, B1.4.1 and B1.4.2).
 */
void m0_on_sp_written(uc_engine *uc, uint64_t address, uint32_t size, struct m0_core *core)
{
    (void)size;
    clear_bits(core, uc, UC_ARM_REG_PSP, 3);
    clear_bits(core, uc, UC_ARM_REG_APSR, 0x0FFFFFFF);
    int64_t lowest = (int64_t)clear_bits(core, uc, UC_ARM_REG_SP, 3) + lowest_ahead(core, (uint32_t)address);
    if (lowest < core->sp_limit) {
        m0_stop_run(core, uc, M0_STOP_STACK, (uint32_t)address);
    } else if (lowest < core->sp_min) {
        core->sp_min = lowest;
    }
}

/*
 * UC_HOOK_INSN_INVALID: the emulator leaves its code behind YIELD and WFE, which are no faults. True: go on there.
 * An instruction that is invalid has the program counter on it, and the end of the pending block is not yet reached.
 */
bool m0_on_invalid(uc_engine *uc, struct m0_core *core)
{
    const struct m0_block *block = core->pending;
    if (block == core->blocks || m0_read_register(core, uc, UC_ARM_REG_PC) != block->site.end) {
        return false;
    }
    uint32_t last = m0_decode(core, block->site.end - 2).first;
    return last == 0xBF10 || last == 0xBF20;
}

/*
 * UC_HOOK_TLB_FILL in SRAM and the I/O port. Physical addresses are the virtual ones.
 *
 * Unicorn sends every store to a page that may be executed through a slow path, which looks for translated code to
 * throw away: 30 to 40 ns a store, against 2 for a load. A page that its TLB has as data alone is written to directly.
 * So only what was ever fetched from may be executed. A KiB is the emulator's page. Marks stay: code that was translated
 * once may run again without a fetch, so stores to its page must be looked at for good.
 */
bool m0_on_tlb_fill(uc_engine *uc, uint64_t address, int type, uc_tlb_entry *entry, struct m0_core *core)
{
    (void)uc;
    uint8_t *executed = &core->executed[m0_page_slot(core, (uint32_t)address) * 4 + (address >> 10 & 3)];
    if (type == UC_MEM_FETCH) {
        *executed = 1;
    }
    entry->paddr = address;
    entry->perms = *executed != 0 ? UC_PROT_ALL : UC_PROT_READ | UC_PROT_WRITE;
    return true;
}
