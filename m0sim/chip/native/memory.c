/*
 * Level `memory`: traffic by owner, bytes touched, and the cache in front of the flash.
 */
#include "timed.h"

/* True if the cache has to fetch the line at `address`, which then is its set's most recently used one. */
static bool misses(const struct m0_cache *cache, uint32_t address)
{
    int64_t line = address >> cache->line_shift;
    int64_t *set = (int64_t *)m0_pointer(cache->lines) + (uint64_t)line % cache->sets * cache->ways;
    int64_t moved = line;
    for (uint32_t way = 0; way < cache->ways; way++) {
        int64_t there = set[way];
        set[way] = moved;
        if (there == line) {
            return false;
        }
        moved = there;
    }
    return true;
}

static bool is_cached(const struct m0_cache *cache, uint64_t address)
{
    return address >= cache->base && address < cache->end;
}

/* The lines of flash that an instruction lies in. */
void m0_fetch(struct m0_core *core, uint32_t address, uint32_t size)
{
    struct m0_cache *cache = &core->cache;
    if (!is_cached(cache, address)) {
        return;
    }
    uint32_t line_bytes = 1u << cache->line_shift;
    for (uint32_t at = address & ~(line_bytes - 1); at < address + size; at += line_bytes) {
        cache->code_misses += misses(cache, at);
    }
}

/* A load or store of the instruction at `pc`: which bytes it touched, and whose they are. */
void m0_track(struct m0_core *core, uint32_t pc, uint32_t address, uint32_t size, bool is_store)
{
    (void)pc;
    uint64_t index = (uint64_t)m0_page_slot(core, address) * 4096 + (address & 0xFFF);
    if (is_cached(&core->cache, address)) {
        core->cache.data_misses += misses(&core->cache, address);
    }
    for (uint32_t i = 0; i < size; i++) {
        core->touched[index + i] |= is_store ? 2 : 1;
    }
    uint32_t owner = core->owner_at[index];
    if (address >= core->stack_low && address >= core->sp_min && address < core->stack_high) {
        owner = core->stack_owner; /* a heap may have what the stack has not come down to */
    }
    struct m0_traffic *traffic = &core->traffic[owner];
    if (is_store) {
        traffic->stores++;
        traffic->bytes_stored += size;
    } else {
        traffic->loads++;
        traffic->bytes_loaded += size;
    }
}
