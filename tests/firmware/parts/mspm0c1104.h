/* MSPM0C1104 at 24 MHz, as after a reset. */
#include "mspm0.h"

static inline void start_clock(void) { wait_for(SYSCTL + 0x1204, 1 << 4, 0); }
static inline void start_uart(void) { start_uart_of(24000000); }
static inline void start_timer(void) { start_timer_of(24000000); }
