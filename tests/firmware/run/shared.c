/* Both cores work on what they share, until core 0 has had five answers of core 1: for a debugger to look at. */
#include "cores.h"

enum { LOCK = 7, ANSWERS = 5 };
static uint32_t stack[64];
static volatile uint32_t shared, by[2];

__attribute__((noinline)) static void add(uint32_t core, uint32_t value)
{
    lock(LOCK);
    shared += value;
    by[core]++;
    unlock(LOCK);
}

void IRQ16_Handler(void)
{
    while ((FIFO_ST & FIFO_VLD) != 0) {
        add(1, FIFO_RD);
    }
    FIFO_WR = shared;
    send_event();
}

void core1_main(void)
{
    drain_fifo();
    NVIC_ICPR = 1 << 16;
    NVIC_ISER = 1 << 16;
    for (;;) {
        __asm volatile("wfi");
    }
}

int main(void)
{
    start_clocks();
    start_uart();
    launch(core1_main, stack + 64);
    for (uint32_t i = 0; i < ANSWERS; i++) {
        add(0, 100);
        FIFO_WR = i;
        print_unsigned(receive());
        put(i + 1 < ANSWERS ? ' ' : '\n');
    }
    drain();
    return 0;
}
