/* STM32G0 at 64 MHz: HSI16 / 1 * 8 / 2, two wait states; RM0444, chapters 3 and 5. */
#define RCC 0x40021000u
#define TIMER 0x40002000u /* TIM14 */
#define GPIOA 0x50000000u
enum { TIMER_INTERRUPT = 19 };
#include "stm32_usart.h"

static inline void start_clock(void)
{
    REGISTER(0x40022000u) = 0x40602; /* FLASH_ACR */
    wait_for(0x40022000u, 7, 2);
    REGISTER(RCC + 0x0C) = 2 | 8 << 8 | 1u << 29; /* PLLCFGR */
    REGISTER(RCC + 0x00) |= 1 << 24;              /* PLLON */
    wait_for(RCC + 0x00, 1 << 25, 1 << 25);
    REGISTER(RCC + 0x0C) |= 1 << 28; /* PLLREN */
    REGISTER(RCC + 0x08) = 2;
    wait_for(RCC + 0x08, 7 << 3, 2 << 3);
    REGISTER(RCC + 0x34) = 1;                /* GPIOA */
    REGISTER(RCC + 0x40) = 1 << 14 | 1 << 15; /* USART1, TIM14 */
}

static inline void start_uart(void) { start_usart1(64000000 / 115200); }
static inline void start_timer(void) { start_timer_of(64000000); }
