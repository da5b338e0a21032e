/* MSPM0G3507 at 80 MHz: SYSOSC / 2 * 10 * 2 / 4, two wait states, ULPCLK 40 MHz; SLAU846, 2.3. */
#include "mspm0.h"

static inline void start_clock(void)
{
    REGISTER(SYSCTL + 0x1124) = 9 << 8 | 1;                    /* SYSPLLCFG1 */
    REGISTER(SYSCTL + 0x1120) = 3 << 16 | 1 << 6 | 1 << 1;     /* SYSPLLCFG0: SYSPLLCLK2X */
    REGISTER(SYSCTL + 0x1108) = 1 << 8;                        /* SYSPLLEN */
    wait_for(SYSCTL + 0x1204, 1 << 9, 1 << 9);
    REGISTER(SYSCTL + 0x1104) = 2 << 8 | 1 << 4; /* MCLKCFG: FLASHWAIT, UDIV */
    REGISTER(SYSCTL + 0x110C) = 0;               /* HSCLK is the PLL */
    wait_for(SYSCTL + 0x1204, 1 << 21, 1 << 21);
    REGISTER(SYSCTL + 0x1104) |= 1 << 16;
    wait_for(SYSCTL + 0x1204, 1 << 4, 1 << 4);
}

static inline void start_uart(void) { start_uart_of(40000000); }
static inline void start_timer(void) { start_timer_of(40000000); }
