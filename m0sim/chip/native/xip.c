/*
 * The cache in front of flash: which words cost nothing, what the others cost, and who pushed whom out.
 *
 * Geometry and windows are those of the RP2040's datasheet, 2.6.3.1. It does not say how lines are replaced or filled,
 * nor what a fetch costs: docs/accuracy.md has where that comes from.
 */
#include "functions.h"

/* A word of flash, as the cache sees it. */
struct place {
    uint32_t line;
    uint32_t word;
    uint64_t bit; /* of the word among those of its line */
    uint32_t mode;
};

/* Where an address lies in flash; false if it is not there. */
static bool find(const struct m0_xip *xip, uint32_t address, struct place *place)
{
    for (uint32_t i = 0; i < xip->window_count; i++) {
        uint32_t offset = address - xip->windows[i].base;
        if (offset < xip->size) {
            uint32_t words_shift = xip->line_shift - 2;
            place->line = offset >> xip->line_shift;
            place->word = offset >> 2;
            place->bit = 1u << (place->word & ((1u << words_shift) - 1));
            place->mode = xip->is_disabled ? 0 : xip->windows[i].mode;
            return true;
        }
    }
    return false;
}

static uint64_t *set_of(const struct m0_xip *xip, uint32_t line)
{
    return &xip->ways[(uint64_t)(line & xip->set_mask) * xip->way_count];
}

/* The way of a set that holds a line; way_count if none does. */
static uint32_t way_of(const struct m0_xip *xip, const uint64_t *set, uint32_t line)
{
    uint32_t way = 0;
    while (way < xip->way_count && set[way] >> 32 != line) {
        way++;
    }
    return way;
}

static void changed(struct m0_xip *xip, uint32_t line)
{
    xip->generation[((line << xip->line_shift) >> 6) & xip->group_mask]++;
}

/* Make a way the most recently used one of its set. */
static void use(uint64_t *set, uint32_t way)
{
    uint64_t used = set[way];
    for (; way > 0; way--) {
        set[way] = set[way - 1];
    }
    set[0] = used;
}

/* Remember for each word of a line that it was in the cache until the fetch of `by` pushed it out. */
static void push_out(struct m0_xip *xip, uint64_t way, uint32_t by)
{
    uint32_t first = (uint32_t)(way >> 32) << (xip->line_shift - 2);
    for (uint32_t words = (uint32_t)way; words != 0; words &= words - 1) {
        xip->pushed_out_by[first + (uint32_t)__builtin_ctz(words)] = 1 + by;
    }
}

/* Bring a word into the cache, or there again. */
static void fill(struct m0_xip *xip, const struct place *place)
{
    uint64_t *set = set_of(xip, place->line);
    uint32_t way = way_of(xip, set, place->line);
    if (way == xip->way_count) {
        way--;
        push_out(xip, set[way], place->word);
        set[way] = (uint64_t)place->line << 32;
    }
    set[way] |= place->bit;
    use(set, way);
    changed(xip, place->line);
}

/* A word is fetched that would still be there if `by`, one more than a word's number, had not pushed it out. */
static void count_eviction(struct m0_xip *xip, uint32_t word, uint32_t by)
{
    uint32_t slot = m0_mix((uint64_t)word << 32 | by);
    for (;; slot++) {
        struct m0_eviction *row = &xip->evictions[slot & xip->eviction_mask];
        if (row->word == 1 + word && row->by == by) {
            row->misses++;
            return;
        }
        if (row->word == 0) {
            if (xip->eviction_count > xip->eviction_mask / 2) { /* half of the rows are free: the search is short */
                xip->evictions_refused++;
                return;
            }
            xip->eviction_count++;
            *row = (struct m0_eviction){1 + word, by, 1};
            return;
        }
    }
}

static uint32_t miss(struct m0_core *core, const struct place *place, bool is_code)
{
    struct m0_xip *xip = &core->chip->xip;
    if (place->mode & M0_XIP_LOOKED_UP && xip->pushed_out_by[place->word] != 0) {
        count_eviction(xip, place->word, xip->pushed_out_by[place->word]);
    }
    if (place->mode & M0_XIP_ALLOCATES) {
        fill(xip, place);
    }
    *(is_code ? &core->xip.code_misses : &core->xip.data_misses) += 1;
    return xip->miss_cycles;
}

/*
 * One access to the word of flash at `address`, a fetch of code or a read of data, in the order of the program: the
 * cycles that it stalls. None for an address outside of the flash.
 */
uint32_t m0_xip(struct m0_core *core, uint32_t address, bool is_code)
{
    struct m0_xip *xip = &core->chip->xip;
    struct place place;
    if (!find(xip, address, &place)) {
        return 0;
    }
    if (!(place.mode & M0_XIP_LOOKED_UP)) {
        return miss(core, &place, is_code);
    }
    uint64_t *set = set_of(xip, place.line);
    uint32_t way = way_of(xip, set, place.line);
    if (way == xip->way_count || !(set[way] & place.bit)) {
        return miss(core, &place, is_code);
    }
    if (way != 0) {
        use(set, way);
        changed(xip, place.line);
    }
    core->xip.hits++;
    return 0;
}

/*
 * True where an access to every word from `begin` to before `end` would hit and leave the cache as it is: then only
 * `hits` would be counted. That stays so until the generation of the group of one of them changes.
 */
bool m0_xip_is_settled(const struct m0_core *core, uint32_t begin, uint32_t end)
{
    const struct m0_xip *xip = &core->chip->xip;
    for (uint32_t address = begin & ~3u; address < end; address += 4) {
        struct place place;
        if (!find(xip, address, &place) || !(place.mode & M0_XIP_LOOKED_UP)) {
            return false;
        }
        uint64_t way = set_of(xip, place.line)[0];
        if (way >> 32 != place.line || !(way & place.bit)) {
            return false;
        }
    }
    return true;
}

/* True where a word would be in the cache. */
bool m0_xip_has(const struct m0_core *core, uint32_t address)
{
    const struct m0_xip *xip = &core->chip->xip;
    struct place place;
    if (!find(xip, address, &place) || !(place.mode & M0_XIP_LOOKED_UP)) {
        return false;
    }
    const uint64_t *set = set_of(xip, place.line);
    uint32_t way = way_of(xip, set, place.line);
    return way < xip->way_count && (set[way] & place.bit) != 0;
}

/* A store to flash deletes the line that it goes to, where it is looked up and allocates: RP2040 datasheet 2.6.3.2. */
void m0_xip_drop(struct m0_core *core, uint32_t address)
{
    struct m0_xip *xip = &core->chip->xip;
    struct place place;
    if (!find(xip, address, &place) || place.mode != (M0_XIP_LOOKED_UP | M0_XIP_ALLOCATES)) {
        return;
    }
    uint64_t *set = set_of(xip, place.line);
    uint32_t way = way_of(xip, set, place.line);
    if (way < xip->way_count) {
        push_out(xip, set[way], M0_NOTHING); /* nobody did */
        for (; way + 1 < xip->way_count; way++) {
            set[way] = set[way + 1];
        }
        set[way] = M0_XIP_EMPTY;
        changed(xip, place.line);
    }
}

/* Forget all lines, and who pushed whom out. Counts stay. */
void m0_xip_empty(struct m0_core *core)
{
    struct m0_xip *xip = &core->chip->xip;
    for (uint64_t i = 0; i < ((uint64_t)xip->set_mask + 1) * xip->way_count; i++) {
        xip->ways[i] = M0_XIP_EMPTY;
    }
    for (uint32_t word = 0; word < xip->size / 4; word++) {
        xip->pushed_out_by[word] = 0;
    }
    for (uint32_t group = 0; group <= xip->group_mask; group++) {
        xip->generation[group]++;
    }
}

/* Accesses in order, `is_code` 1 where code is fetched, and what each stalls: for tests. */
void m0_xip_stream(struct m0_core *core, const uint32_t *addresses, const uint8_t *is_code, uint64_t count,
                   uint32_t *stalls)
{
    for (uint64_t i = 0; i < count; i++) {
        stalls[i] = m0_xip(core, addresses[i], is_code[i] != 0);
    }
}
