/* nRF51 at 16 MHz; nRF51 Series Reference Manual, chapters CLOCK, UART, TIMER, GPIO. */
#define CLOCK 0x40000000u
#define UART 0x40002000u
#define TIMER 0x40008000u
#define GPIO 0x50000000u
enum { TIMER_INTERRUPT = 8 };

static uint8_t is_sending;

static inline void start_clock(void)
{
    REGISTER(CLOCK + 0x000) = 1; /* HFCLKSTART */
    wait_for(CLOCK + 0x100, 1, 1);
}

static inline void start_uart(void)
{
    REGISTER(UART + 0x50C) = 9;          /* PSELTXD */
    REGISTER(UART + 0x524) = 0x01D7E000; /* 115,200 baud */
    REGISTER(UART + 0x500) = 4;
    REGISTER(UART + 0x008) = 1; /* STARTTX */
}

static inline void drain(void)
{
    if (is_sending) {
        wait_for(UART + 0x11C, 1, 1); /* TXDRDY */
        REGISTER(UART + 0x11C) = 0;
        is_sending = 0;
    }
}

static inline void put(char c)
{
    drain();
    REGISTER(UART + 0x51C) = (uint8_t)c;
    is_sending = 1;
}

/* Each millisecond: 16 MHz / 16, cleared at CC[0]. */
static inline void start_timer(void)
{
    REGISTER(TIMER + 0x510) = 4;    /* PRESCALER */
    REGISTER(TIMER + 0x508) = 0;    /* BITMODE: 16 */
    REGISTER(TIMER + 0x540) = 1000; /* CC[0] */
    REGISTER(TIMER + 0x200) = 1;    /* SHORTS: COMPARE0_CLEAR */
    REGISTER(TIMER + 0x304) = 1 << 16;
    REGISTER(TIMER + 0x000) = 1;
}

static inline void acknowledge_timer(void) { REGISTER(TIMER + 0x140) = 0; }

static inline int toggle_pin(void)
{
    static uint8_t is_set;
    REGISTER(GPIO + 0x700 + 4 * 21) = 1; /* PIN_CNF: output, input connected */
    REGISTER(GPIO + (is_set ? 0x50C : 0x508)) = 1 << 21;
    is_set ^= 1;
    return (int)(REGISTER(GPIO + 0x510) >> 21 & 1);
}
