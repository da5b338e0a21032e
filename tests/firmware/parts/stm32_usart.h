/* USART1, GPIOA and a timer with registers as STM32G0, L0 and F0 have them; RM0444, chapters 33, 7 and 22. */
#define USART1 0x40013800u
enum { TIMER_CR1 = 0x00, TIMER_DIER = 0x0C, TIMER_SR = 0x10, TIMER_EGR = 0x14, TIMER_PSC = 0x28, TIMER_ARR = 0x2C };
enum { TC = 1 << 6, TXE = 1 << 7, TEACK = 1 << 21 };

static inline void start_usart1(uint32_t divisor)
{
    REGISTER(USART1 + 0x0C) = divisor; /* BRR */
    REGISTER(USART1 + 0x00) = 1 << 3 | 1; /* CR1: TE, UE */
    wait_for(USART1 + 0x1C, TEACK, TEACK);
}

static inline void put(char c)
{
    wait_for(USART1 + 0x1C, TXE, TXE);
    REGISTER(USART1 + 0x28) = (uint8_t)c;
}

static inline void drain(void)
{
    wait_for(USART1 + 0x1C, TC, TC);
}

/* Each millisecond. */
static inline void start_timer_of(uint32_t hz)
{
    REGISTER(TIMER + TIMER_PSC) = hz / 1000000 - 1;
    REGISTER(TIMER + TIMER_ARR) = 999;
    REGISTER(TIMER + TIMER_EGR) = 1;
    REGISTER(TIMER + TIMER_SR) = 0;
    REGISTER(TIMER + TIMER_DIER) = 1;
    REGISTER(TIMER + TIMER_CR1) = 1;
}

static inline void acknowledge_timer(void)
{
    REGISTER(TIMER + TIMER_SR) = ~1u;
}

/* PA5 is an output; what IDR then has of it. */
static inline int toggle_pin(void)
{
    REGISTER(GPIOA) = (REGISTER(GPIOA) & ~(3u << 10)) | 1u << 10; /* MODER */
    REGISTER(GPIOA + 0x14) ^= 1u << 5; /* ODR */
    return (int)(REGISTER(GPIOA + 0x10) >> 5 & 1);
}
