/*
 * What start-up code leaves that no loader knows: functions looked up in the boot ROM, a clock that it set, and a pool
 * behind the data that no symbol tells of. `main` ends at once: functions are called.
 */
#include "board.h"

enum { POOL_WORDS = 8 };

typedef void *(*lookup_function)(const uint16_t *table, uint32_t code);
typedef void *(*copy_function)(void *to, const void *from, uint32_t size);

extern uint32_t __bss_end[];
static copy_function rom_copy;
static uint32_t *volatile pool;
static uint32_t selected_clock;
uint32_t count = 5;

static uintptr_t rom_halfword(uintptr_t address)
{
    __asm volatile("" : "+r"(address)); /* or the compiler takes it for a null pointer's member */
    return *(const volatile uint16_t *)address;
}

__attribute__((noinline)) void before_main(void)
{
    lookup_function lookup = (lookup_function)rom_halfword(0x18); /* RP2040 datasheet, 2.8.3 */
    rom_copy = (copy_function)(uintptr_t)lookup((const uint16_t *)rom_halfword(0x14), 'M' | 'C' << 8);
    start_clocks();
    selected_clock = CLK_SYS_SELECTED;
    pool = __bss_end;
    for (uint32_t i = 0; i < POOL_WORDS; i++) {
        pool[i] = 3 * i + 1;
    }
}

uint32_t copy(uint32_t *to, const uint32_t *from, uint32_t words)
{
    rom_copy(to, from, 4 * words);
    return words;
}

uint32_t sum_of_pool(void)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < POOL_WORDS; i++) {
        sum += pool[i];
    }
    return sum;
}

uint32_t clock_source(void)
{
    return selected_clock;
}

uint32_t count_up(void)
{
    return ++count;
}

void nobody_calls_this(void)
{
    count = 0;
}

static void *const volatile kept[] = { /* or the linker drops what nobody calls */
    (void *)copy, (void *)sum_of_pool, (void *)clock_source, (void *)count_up, (void *)nobody_calls_this,
};

__attribute__((noinline)) int main(void)
{
    return kept[0] == 0;
}

int begin(void)
{
    before_main();
    return main();
}
