/*
 * Blocks: decoding one, finding it again, and what all of them say when a run is over.
 */
#include "calls.h"

static uint32_t halfword(const struct m0_core *core, uint32_t address)
{
    return m0_page_slot(core, address) == 0 ? 0 : m0_load16(m0_bytes_at(core, address));
}

struct m0_instruction m0_decode(const struct m0_core *core, uint32_t address)
{
    uint32_t first = halfword(core, address);
    const struct m0_encoding *row = &core->first[first];
    struct m0_instruction decoded = {(uint32_t)row->kind, 2, first, 0, 0, row->sp_change, row->sp_write != 0};
    if (decoded.kind == M0_KIND_WIDE) {
        decoded.second = halfword(core, address + 2);
        decoded.size = 4;
        int32_t wide = row->wide & core->second[decoded.second];
        decoded.writes_sp = (wide & M0_WIDE_WRITE_SPECIAL) != 0; /* MSR: both stack pointers can be its target */
        decoded.kind = wide == M0_WIDE_BRANCH_LINK ? M0_KIND_BRANCH_LINK : wide != 0 ? M0_KIND_SYSTEM : M0_KIND_INVALID;
    }
    decoded.cycles = (uint32_t)core->kind_cycles[decoded.kind];
    if (decoded.kind == M0_KIND_LOAD_MULTIPLE || decoded.kind == M0_KIND_STORE_MULTIPLE ||
        decoded.kind == M0_KIND_POP_PC) {
        decoded.cycles += (uint32_t)row->registers;
    }
    return decoded;
}

/* -- the table */

M0_INLINE uint32_t size_of(const struct m0_block *block)
{
    return block->key & 0xFFFF;
}

M0_INLINE bool is_writable(const struct m0_block *block)
{
    return (block->key & M0_KEY_WRITABLE) != 0;
}

static const uint8_t *code_of(const struct m0_core *core, const struct m0_block *block)
{
    return is_writable(block) ? (const uint8_t *)&core->copies[block->copy] : m0_bytes_at(core, m0_address_of(block));
}

/* True where a block's bytes in writable memory are still those that were decoded. */
bool m0_is_unchanged(const struct m0_core *core, const struct m0_block *block)
{
    const uint8_t *now = m0_bytes_at(core, m0_address_of(block)), *then = code_of(core, block);
    uint32_t difference = 0;
    for (uint32_t at = 0; at < size_of(block); at += 2) {
        difference |= m0_load16(now + at) ^ m0_load16(then + at);
    }
    return difference == 0;
}

/* Versions of rewritten code differ in their bytes alone, so these are in the hash: none is found by searching. */
static uint32_t hash_of(uint64_t key, const uint8_t *code)
{
    uint32_t hash = m0_mix(key);
    for (uint32_t at = 0; (key & M0_KEY_WRITABLE) != 0 && at < (key & 0xFFFF); at += 2) {
        hash = m0_mix((uint64_t)hash << 16 | m0_load16(code + at));
    }
    return hash;
}

static void link(struct m0_core *core, uint32_t index)
{
    const struct m0_block *block = &core->blocks[index];
    uint32_t *slot = &core->block_slots[hash_of(block->key, code_of(core, block)) & core->hash_mask];
    core->block_next[index] = *slot;
    *slot = index;
}

static void copy_code(struct m0_core *core, struct m0_block *block, const uint8_t *code)
{
    uint8_t *copy = (uint8_t *)&core->copies[core->copy_count];
    for (uint32_t at = 0; at < size_of(block); at += 2) {
        copy[at] = code[at];
        copy[at + 1] = code[at + 1];
    }
    block->copy = core->copy_count;
    core->copy_count += (size_of(block) + 7) / 8;
}

/* Sum up the instructions of a block. Returns the address of one that cannot be, with its stop reason, else 0. */
static uint32_t sum_up(const struct m0_core *core, struct m0_block *block, bool *has_access, enum m0_stop *why)
{
    int32_t sp = 0;
    bool crosses = false;
    for (uint32_t at = m0_address_of(block); at < block->site.end;) {
        struct m0_instruction instruction = m0_decode(core, at);
        if (core->data_at[m0_code_index(core, at)] != 0 || instruction.kind == M0_KIND_INVALID) {
            *why = core->data_at[m0_code_index(core, at)] != 0 ? M0_STOP_DATA : M0_STOP_INVALID;
            return at;
        }
        crosses |= m0_function_at(core, at) != block->function;
        block->cycles += instruction.cycles;
        block->flow = (uint8_t)core->flow[instruction.kind];
        sp += instruction.sp_change;
        if (instruction.writes_sp) {
            block->sp_writes = 1;
        } else if (block->sp_writes == 0 && sp < block->sp_low) {
            block->sp_low = sp;
        }
        if (instruction.kind == M0_KIND_BRANCH_CONDITIONAL && (instruction.first & 0xFF) == 0xFF) {
            block->branch_next = (uint8_t)(1 + (instruction.first >> 8 & 15));
        }
        *has_access |= instruction.kind == M0_KIND_LOAD || instruction.kind == M0_KIND_STORE;
        at += instruction.size;
    }
    block->sp_change = sp;
    block->route = (block->branch_next | block->sp_writes) != 0 ? M0_ROUTE_SLOW : block->flow;
    block->route = crosses ? M0_ROUTE_CROSSES : block->route;
    return 0;
}

/* Make the block of code that runs for the first time. Returns NULL after a stop. */
M0_RARE static struct m0_block *new_block(struct m0_core *core, uc_engine *uc, uint64_t key)
{
    uint32_t index = core->block_count, address = (uint32_t)(key >> M0_KEY_SHIFT), size = key & 0xFFFF;
    struct m0_block block = {.key = key, .function = m0_function_at(core, address), .site = {.end = address + size, .call_target = M0_NOTHING}};
    block.arc[0].key = block.arc[1].key = M0_KEY_NONE;
    if (index >= core->block_capacity || core->copy_count + size / 8 + 1 > core->copy_capacity ||
        core->port_count_count + size / 2 + 1 > core->port_count_capacity) {
        m0_stop_run(core, uc, M0_STOP_GROW, address);
        return NULL;
    }
    bool has_access = false;
    enum m0_stop why = M0_STOP_NONE;
    uint32_t bad = sum_up(core, &block, &has_access, &why);
    if (why != M0_STOP_NONE) {
        m0_stop_run(core, uc, why, bad);
        return NULL;
    }
    if (is_writable(&block)) {
        copy_code(core, &block, m0_bytes_at(core, address));
    }
    if (has_access && core->port.words != 0) {
        block.port_counts = core->port_count_count;
        core->port_count_count += size / 2 + 1;
        for (uint32_t i = block.port_counts; i < core->port_count_count; i++) {
            core->port_counts[i] = 0; /* others may have been here before the code was forgotten */
        }
    }
    core->blocks[index] = block;
    core->block_count = index + 1;
    link(core, index);
    return &core->blocks[index];
}

/* The block of the code that is now at `address`. Returns NULL after a stop. */
struct m0_block *m0_find_block(struct m0_core *core, uc_engine *uc, uint32_t address, uint32_t size)
{
    uint32_t slot = m0_page_slot(core, address);
    if (slot == 0) {
        m0_stop_run(core, uc, M0_STOP_DATA, address);
        return NULL;
    }
    uint64_t key = (uint64_t)address << M0_KEY_SHIFT | size | (core->writable[slot] ? M0_KEY_WRITABLE : 0);
    uint32_t hash = hash_of(key, m0_bytes_at(core, address));
    for (uint32_t i = core->block_slots[hash & core->hash_mask]; i != 0; i = core->block_next[i]) {
        struct m0_block *block = &core->blocks[i];
        if (block->key == key && (!is_writable(block) || m0_is_unchanged(core, block))) {
            return block;
        }
    }
    return new_block(core, uc, key);
}

/* Fill the hash tables anew, after Python made them larger. */
void m0_rehash(struct m0_core *core)
{
    for (uint32_t i = 0; i <= core->hash_mask; i++) {
        core->block_slots[i] = core->ready[i] = 0;
    }
    for (uint32_t i = 1; i < core->block_count; i++) {
        link(core, i);
    }
    m0_rehash_calls(core);
}

/* -- one run */

/* What the port counted is forgotten. A division goes on, but no time passes between two runs. */
static void begin_port(struct m0_core *core)
{
    struct m0_divider *divider = &core->port.divider;
    for (uint32_t i = 0; i < core->port_count_count; i++) {
        core->port_counts[i] = 0;
    }
    divider->ready = divider->ready > core->cycles ? divider->ready - core->cycles : 0;
    divider->early = 0;
    core->port.block = 0;
}

/* Zero all counts, and open the frame of function `root`. */
void m0_begin(struct m0_core *core, uint32_t root, uint32_t return_address)
{
    for (uint32_t i = core->last_ran, next; i != 0; i = next) {
        struct m0_block *block = &core->blocks[i];
        next = block->next_ran - 1;
        block->arc[0].key = block->arc[1].key = M0_KEY_NONE;
        block->arc[0].count = block->arc[1].count = 0;
        block->entered = block->taken = 0;
        block->next_ran = 0;
        block->site.call_target = M0_NOTHING;
        *m0_ready_slot(core, block->key) = 0;
    }
    begin_port(core);
    m0_forget_calls(core);
    core->last_ran = 0;
    core->pending = core->blocks;
    core->cycles = 0;
    core->stop = M0_STOP_NONE;
    core->sp_mover = core->is_full = 0;
    core->functions[root].newest = 1;
    core->functions[root].recurs = 0;
    core->edges[1] = (struct m0_edge){.callee = root};
    core->edge_count = 2;
    core->contexts[1] = (struct m0_context){.edge = 1, .target = 1, .callee = root};
    core->functions[root].nodes = 1;
    core->context_count = 2;
    core->contexts_refused = 0;
    core->frames[0] = (struct m0_frame){
        .return_address = return_address, .context = 1, .edge = 1, .function = root};
    core->depth = 1;
}

/* Put the counts of all arcs into their blocks. Returns how many instructions m0_expand can write at most. */
uint64_t m0_fold(struct m0_core *core)
{
    uint64_t rows = 0;
    for (uint32_t i = core->last_ran; i != 0; i = core->blocks[i].next_ran - 1) {
        struct m0_block *block = &core->blocks[i];
        for (struct m0_arc *arc = block->arc; arc < block->arc + 2; arc++) {
            core->blocks[arc->to].entered += arc->count;
            block->taken += m0_is_taken(block, arc) ? arc->count : 0;
            arc->count = 0;
        }
        rows += size_of(block) / 2;
    }
    return rows;
}

/* Write a row for every instruction of the blocks that ran, after m0_fold. Returns the number of rows. */
uint64_t m0_expand(const struct m0_core *core, struct m0_executed *rows)
{
    uint64_t written = 0;
    for (uint32_t i = core->last_ran; i != 0; i = core->blocks[i].next_ran - 1) {
        const struct m0_block *block = &core->blocks[i];
        const uint8_t *code = code_of(core, block);
        uint32_t size = size_of(block);
        for (uint32_t at = 0; at < size;) {
            struct m0_executed row = {m0_address_of(block) + at, m0_load16(code + at), block->entered, 0, 0, 0};
            if (block->port_counts != 0) {
                row.port_accesses = core->port_counts[block->port_counts + at / 2];
            }
            at += 2;
            if (core->first[row.encoding].kind == M0_KIND_WIDE) {
                row.encoding |= m0_load16(code + at) << 16;
                at += 2;
            }
            if (at >= size) {
                row.taken = block->taken;
            }
            if (row.executions != 0 || row.port_accesses != 0) { /* a block that a fault cut short may have the latter */
                rows[written++] = row;
            }
        }
    }
    return written;
}
