/* Start-up code that takes memory from a heap with an _sbrk of the usual kind. */
#include "board.h"

extern uint8_t end[];
__asm(".global end\n.set end, __bss_end");
static uint8_t *next;
static uint32_t *first;

__attribute__((noinline)) void *_sbrk(int increment)
{
    uint8_t *given = next == 0 ? end : next;
    next = given + increment;
    return given;
}

__attribute__((noinline)) void before_main(void)
{
    first = _sbrk(2048);
    first[0] = 0x600D;
}

uint32_t take(uint32_t size)
{
    return (uint32_t)_sbrk((int)size) - (uint32_t)first;
}

uint32_t first_word(void)
{
    return first[0];
}

static void *const volatile kept[] = { /* or the linker drops what nobody calls */
    (void *)take, (void *)first_word,
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
