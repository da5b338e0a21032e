/* Asks for memory three times, as malloc does, and gives some back. */
#include "board.h"

static uint8_t arena[4096] __attribute__((aligned(8)));
static uint32_t used;

__attribute__((noinline)) void *_sbrk(int32_t increment)
{
    void *begin = &arena[used];
    used += (uint32_t)increment;
    return begin;
}

int main(void)
{
    _sbrk(100);
    _sbrk(28);
    _sbrk(-28);
    _sbrk(1000);
    return 0;
}
