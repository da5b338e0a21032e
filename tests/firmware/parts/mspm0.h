/* UART0, GPIOA and a timer of an MSPM0, MCLK being MCLK_HZ; SLAU846, chapters 2, GPIO, UART, TIMx. */
#define SYSCTL 0x400AF000u
#define UART0 0x40108000u
#define GPIOA 0x400A0000u
#define TIMER 0x40084000u
enum { PWREN = 0x800, RSTCTL = 0x804, TIMER_INTERRUPT = 16 };

static inline void start(uint32_t block)
{
    REGISTER(block + RSTCTL) = 0xB1000003u;
    REGISTER(block + PWREN) = 0x26000001u;
}

static inline void start_uart_of(uint32_t hz)
{
    uint32_t divisor = (hz * 4 + 115200 / 2) / 115200; /* 64 / 16 */
    start(GPIOA);
    start(UART0);
    REGISTER(0x40428004u) = 1 << 18 | 1 << 7 | 1; /* IOMUX, PINCM1: PA0, input enabled */
    REGISTER(UART0 + 0x1008) = 1 << 3;            /* CLKSEL: BUSCLK */
    REGISTER(UART0 + 0x1100) = 1 << 17 | 1 << 4 | 1 << 3;
    REGISTER(UART0 + 0x1110) = divisor >> 6; /* IBRD */
    REGISTER(UART0 + 0x1114) = divisor & 63; /* FBRD */
    REGISTER(UART0 + 0x1104) = 3 << 4;       /* LCRH */
    REGISTER(UART0 + 0x1100) |= 1;
}

static inline void put(char c)
{
    wait_for(UART0 + 0x1108, 1 << 7, 0); /* TXFF */
    REGISTER(UART0 + 0x1120) = (uint8_t)c;
}

static inline void drain(void) { wait_for(UART0 + 0x1108, 1, 0); }

/* Each millisecond, down from LOAD. */
static inline void start_timer_of(uint32_t hz)
{
    start(TIMER);
    REGISTER(TIMER + 0x1008) = 1 << 3;
    REGISTER(TIMER + 0x1000) = 7; /* CLKDIV: 8 */
    REGISTER(TIMER + 0x1808) = hz / 8000 - 1;
    REGISTER(TIMER + 0x1028) = 1; /* zero */
    REGISTER(TIMER + 0x1108) = 1; /* CCLKCTL */
    REGISTER(TIMER + 0x1804) = 1 << 1 | 1;
}

static inline void acknowledge_timer(void)
{
    if (REGISTER(TIMER + 0x1020) != 1) { /* IIDX: zero */
        put('?');
    }
}

static inline int toggle_pin(void)
{
    REGISTER(GPIOA + 0x12D0) = 1;
    REGISTER(GPIOA + 0x12B0) = 1;
    return (int)(REGISTER(GPIOA + 0x1380) & 1);
}
