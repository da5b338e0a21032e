/*
 * Boots four times: by the watchdog's countdown, by its trigger, by the processor's own reset, and ends then. Each time
 * it says which boot it is, the watchdog's reason, and what is left of the time before: a word of SRAM, and GPIO_OE.
 */
#include "board.h"

#define WATCHDOG 0x40058000u /* 4.7.6 */
#define WATCHDOG_CTRL REGISTER(WATCHDOG + 0x0)
#define WATCHDOG_LOAD REGISTER(WATCHDOG + 0x4)
#define WATCHDOG_REASON REGISTER(WATCHDOG + 0x8)
#define WATCHDOG_SCRATCH0 REGISTER(WATCHDOG + 0xC)
#define PSM_WDSEL REGISTER(0x40010008u) /* 2.13.5 */
#define AIRCR REGISTER(0xE000ED0Cu)
#define GPIO_OE REGISTER(0xD0000020u)
#define KEPT REGISTER(0x20030000u) /* nobody writes there at start */

enum { ALL_BUT_OSCILLATORS = 0x1FFFC, ENABLE = 1 << 30, TRIGGER = 1u << 31, MICROSECONDS = 2 };

int main(void)
{
    uint32_t boot = WATCHDOG_SCRATCH0;
    start_clocks();
    start_uart();
    const uint32_t figures[] = {boot, WATCHDOG_REASON, KEPT, GPIO_OE};
    for (uint32_t i = 0; i < 4; i++) {
        print_unsigned(figures[i]);
        put(i == 3 ? '\n' : ' ');
    }
    drain();
    WATCHDOG_SCRATCH0 = boot + 1;
    KEPT = boot + 100;
    GPIO_OE_SET = 1 << 25;
    PSM_WDSEL = boot == 3 ? 0 : ALL_BUT_OSCILLATORS;
    switch (boot) {
    case 0:
        WATCHDOG_LOAD = 500 * MICROSECONDS;
        WATCHDOG_CTRL = ENABLE;
        break;
    case 1: WATCHDOG_CTRL = TRIGGER; break;
    case 2: AIRCR = 0x05FA0004; break;
    default: WATCHDOG_CTRL = TRIGGER; return 7; /* nothing is selected to be reset */
    }
    for (;;) {
        __asm volatile("wfi");
    }
}
