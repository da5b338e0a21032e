/* STM32L0 at 32 MHz: HSI16 * 4 / 2, a wait state; RM0367, chapters 3 and 7. */
#define RCC 0x40021000u
#define TIMER 0x40010800u /* TIM21 */
#define GPIOA 0x50000000u
enum { TIMER_INTERRUPT = 20 };
#include "stm32_usart.h"

static inline void start_clock(void)
{
    REGISTER(0x40022000u) = 1; /* FLASH_ACR */
    wait_for(0x40022000u, 1, 1);
    REGISTER(RCC + 0x38) = 1 << 28;       /* PWR */
    REGISTER(0x40007000u) = 1 << 11;      /* PWR_CR: range 1 */
    wait_for(0x40007004u, 1 << 4, 0);     /* VOSF */
    REGISTER(RCC + 0x00) |= 1;            /* HSI16ON */
    wait_for(RCC + 0x00, 1 << 2, 1 << 2);
    REGISTER(RCC + 0x0C) = 1 << 18 | 1 << 22;
    REGISTER(RCC + 0x00) |= 1 << 24; /* PLLON */
    wait_for(RCC + 0x00, 1 << 25, 1 << 25);
    REGISTER(RCC + 0x0C) |= 3;
    wait_for(RCC + 0x0C, 3 << 2, 3 << 2);
    REGISTER(RCC + 0x2C) = 1;                /* GPIOA */
    REGISTER(RCC + 0x34) = 1 << 14 | 1 << 2; /* USART1, TIM21 */
}

static inline void start_uart(void) { start_usart1(32000000 / 115200); }
static inline void start_timer(void) { start_timer_of(32000000); }
