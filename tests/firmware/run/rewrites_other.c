/* Core 0 changes a function in SRAM that core 1 has run, and core 1 runs what is there then. */
#include "cores.h"

static uint32_t stack[64];
static volatile uint16_t function[2] __attribute__((aligned(4))) = {0x2001, 0x4770}; /* movs r0, #1; bx lr */

void core1_main(void)
{
    for (;;) {
        receive();
        uint32_t (*call)(void) = (uint32_t(*)(void))((uint32_t)function | 1);
        uint32_t value = 0;
        for (uint32_t i = 0; i < 5; i++) {
            value = call();
        }
        send(value);
    }
}

int main(void)
{
    start_clocks();
    start_uart();
    launch(core1_main, stack + 64);
    for (uint32_t i = 1; i <= 4; i++) {
        function[0] = (uint16_t)(0x2000 + i);
        send(0);
        print_unsigned(receive());
        put(i < 4 ? ' ' : '\n');
    }
    drain();
    return 0;
}
