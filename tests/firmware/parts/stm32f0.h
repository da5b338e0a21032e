/* STM32F0 at 48 MHz: HSI / 2 * 12, a wait state; RM0091, chapters 3 and 6. */
#define RCC 0x40021000u
#define TIMER 0x40002000u /* TIM14 */
#define GPIOA 0x48000000u
enum { TIMER_INTERRUPT = 19 };
#include "stm32_usart.h"

static inline void start_clock(void)
{
    REGISTER(0x40022000u) = 0x11; /* FLASH_ACR: prefetch, LATENCY */
    REGISTER(RCC + 0x04) = 10 << 18;
    REGISTER(RCC + 0x00) |= 1 << 24; /* PLLON */
    wait_for(RCC + 0x00, 1 << 25, 1 << 25);
    REGISTER(RCC + 0x04) |= 2;
    wait_for(RCC + 0x04, 3 << 2, 2 << 2);
    REGISTER(RCC + 0x14) |= 1 << 17; /* GPIOA */
    REGISTER(RCC + 0x18) = 1 << 14;  /* USART1 */
    REGISTER(RCC + 0x1C) = 1 << 8;   /* TIM14 */
}

static inline void start_uart(void) { start_usart1(48000000 / 115200); }
static inline void start_timer(void) { start_timer_of(48000000); }
