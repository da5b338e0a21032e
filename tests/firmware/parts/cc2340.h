/* CC2340 at 48 MHz, as after its boot ROM; SWCU193, chapters CLKCTL, UART, LGPT, GPIO. */
#define CLKCTL 0x40020000u
#define GPIO 0x40023000u
#define UART0 0x40034000u
#define LGPT0 0x40060000u
enum { TIMER_INTERRUPT = 13 };

static inline void start_clock(void)
{
    REGISTER(CLKCTL + 0x14) = 1 << 27 | 1 << 2 | 1 << 0; /* CLKENSET0: LGPT0, UART0, GPIO */
    wait_for(CLKCTL + 0x0C, 1 << 2, 1 << 2);
}

static inline void start_uart(void)
{
    REGISTER(UART0 + 0x24) = 26; /* 48 MHz / 16 / 115,200 = 26 + 3/64 */
    REGISTER(UART0 + 0x28) = 3;
    REGISTER(UART0 + 0x2C) = 3 << 5 | 1 << 4;
    REGISTER(UART0 + 0x30) = 1 << 9 | 1 << 8 | 1;
}

static inline void put(char c)
{
    wait_for(UART0 + 0x18, 1 << 5, 0); /* TXFF */
    REGISTER(UART0 + 0x00) = (uint8_t)c;
}

static inline void drain(void) { wait_for(UART0 + 0x18, 1 << 3, 0); }

/* Each millisecond: 48 MHz / 48, up to TGT. */
static inline void start_timer(void)
{
    REGISTER(LGPT0 + 0x18) = 47 << 8;
    REGISTER(LGPT0 + 0x13C) = 999;
    REGISTER(LGPT0 + 0x7C) = 1; /* IMSET: TGT */
    REGISTER(LGPT0 + 0x0C) = 2;
}

static inline void acknowledge_timer(void) { REGISTER(LGPT0 + 0x78) = 1; }

static inline int toggle_pin(void)
{
    REGISTER(GPIO + 0x510) = 1 << 6;
    REGISTER(GPIO + 0x230) = 1 << 6;
    return (int)(REGISTER(GPIO + 0x700) >> 6 & 1);
}
