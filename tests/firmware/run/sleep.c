/* Works for half a millisecond, sleeps for the other half, by SysTick from the same clock; 1000 times. */
#include "board.h"

static volatile uint32_t ticks;

void SysTick_Handler(void)
{
    ticks++;
}

__attribute__((noinline)) static void work_for(uint32_t rounds)
{
    for (; rounds != 0; rounds--) {
        __asm volatile("");
    }
}

int main(void)
{
    start_clocks();
    start_uart();
    SYST_RVR = 125000 - 1;
    SYST_CVR = 0;
    SYST_CSR = 7;
    while (ticks < 1000) {
        work_for(20833);
        __asm volatile("wfi");
    }
    SYST_CSR = 0;
    print("slept\n");
    drain();
    return 0;
}
