/* PY32F002B at 24 MHz from HSI; its USART has one data register. Reference manual, chapters RCC, USART, TIM14. */
#define RCC 0x40021000u
#define TIMER 0x40002000u /* TIM14 */
#define GPIOA 0x50000000u
enum { TIMER_INTERRUPT = 19 };
#define put put_new
#define drain drain_new
#include "stm32_usart.h"
#undef put
#undef drain

static inline void start_clock(void)
{
    REGISTER(RCC + 0x04) = REGISTER(0x1FFF0100u); /* ICSCR: trimmed */
    wait_for(RCC + 0x00, 1 << 10, 1 << 10);
    REGISTER(RCC + 0x34) = 1;                 /* GPIOA */
    REGISTER(RCC + 0x40) = 1 << 14 | 1 << 15; /* USART1, TIM14 */
}

static inline void start_uart(void)
{
    REGISTER(USART1 + 0x08) = 24000000 / 115200;
    REGISTER(USART1 + 0x0C) = 1 << 13 | 1 << 3;
}

static inline void put(char c)
{
    wait_for(USART1, TXE, TXE);
    REGISTER(USART1 + 0x04) = (uint8_t)c;
}

static inline void drain(void) { wait_for(USART1, TC, TC); }
static inline void start_timer(void) { start_timer_of(24000000); }
