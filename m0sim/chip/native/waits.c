/*
 * What a read of the flash on the chip keeps the core waiting: docs/profiles.md, "How flash waits".
 *
 * No part's manual tells to the cycle how its prefetch, its cache and the core overlap, so time is not modelled: a word
 * is there, or it takes all wait states. Which words are there is what the manuals do describe.
 */
#include "functions.h"

_Static_assert(sizeof(((struct m0_waits *)0)->lines) == M0_WAIT_LINES * sizeof(uint32_t), "a line is one word");

/* Nothing was read yet, nothing counted. */
void m0_wait_reset(struct m0_core *core)
{
    struct m0_waits *waits = &core->waits;
    waits->newest = waits->ahead = M0_NOTHING;
    waits->code_waits = waits->data_waits = 0;
    for (uint32_t i = 0; i < M0_WAIT_LINES; i++) {
        waits->lines[i] = M0_NOTHING;
    }
}

/* Whether a word is in the cache; it is afterwards, as the most recently used one of its set. */
static bool is_cached(struct m0_waits *waits, uint32_t word)
{
    if (waits->sets == 0) {
        return false;
    }
    uint32_t *set = &waits->lines[word % waits->sets * waits->ways];
    uint32_t way = 0;
    while (way < waits->ways - 1 && set[way] != word) {
        way++;
    }
    bool found = set[way] == word;
    for (; way > 0; way--) {
        set[way] = set[way - 1];
    }
    set[0] = word;
    return found;
}

/*
 * Cycles that the core waits for the flash word at `address`, aliases resolved. To be called in program order, for each
 * new 32-bit word of code and for each data read.
 */
uint32_t m0_wait(struct m0_core *core, uint32_t address, bool is_code)
{
    struct m0_waits *waits = &core->waits;
    if (waits->wait_states == 0) {
        return 0;
    }
    uint32_t word = address >> waits->word_shift;
    bool is_there = false;
    if (is_code) {
        is_there = word == waits->ahead || (word == waits->newest && !waits->holds_data);
        waits->newest = word;
        waits->ahead = waits->prefetches ? word + 1 : M0_NOTHING;
    }
    if (!is_there && (is_code || waits->holds_data)) {
        is_there = is_cached(waits, word);
    }
    if (is_there) {
        return 0;
    }
    *(is_code ? &waits->code_waits : &waits->data_waits) += 1;
    return waits->wait_states;
}

/* For tests: one access after another; a kind that is not 0 is code. */
void m0_wait_stream(struct m0_core *core, const uint32_t *addresses, const uint8_t *kinds, uint64_t count,
                    uint32_t *stalls)
{
    for (uint64_t i = 0; i < count; i++) {
        stalls[i] = m0_wait(core, addresses[i], kinds[i] != 0);
    }
}
