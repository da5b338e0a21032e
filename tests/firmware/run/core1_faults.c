/* Core 1 comes to an instruction that Armv6-M does not have, while core 0 waits. */
#include "cores.h"

static uint32_t stack[64];

void core1_main(void)
{
    __asm volatile("udf #1");
}

int main(void)
{
    start_clocks();
    launch(core1_main, stack + 64);
    receive();
    return 0;
}
