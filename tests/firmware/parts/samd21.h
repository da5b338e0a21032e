/* SAM D21 at 48 MHz: DFLL48M in open loop, a wait state, SERCOM0 as USART, TC3; DS40001882, chapters by block. */
#define PM 0x40000400u
#define SYSCTRL 0x40000800u
#define GCLK 0x40000C00u
#define NVMCTRL 0x41004000u
#define PORT 0x41004400u
#define SERCOM0 0x42000800u
#define TC3 0x42002C00u
enum { TIMER_INTERRUPT = 18 };

static inline void wait_for_gclk(void)
{
    while ((REGISTER8(GCLK + 0x01) & 0x80) != 0) {
    }
}

static inline void start_clock(void)
{
    REGISTER(NVMCTRL + 0x04) = 1 << 1; /* CTRLB: RWS */
    REGISTER16(SYSCTRL + 0x24) = 2;    /* DFLLCTRL: enabled, always on */
    wait_for(SYSCTRL + 0x0C, 1 << 4, 1 << 4);
    REGISTER(GCLK + 0x04) = 1 << 16 | 7 << 8 | 0; /* GENCTRL: generator 0 from DFLL48M */
    wait_for_gclk();
    REGISTER(PM + 0x20) |= 1 << 2 | 1 << 11; /* APBCMASK: SERCOM0, TC3 */
    REGISTER16(GCLK + 0x02) = 1 << 14 | 0x14; /* CLKCTRL: SERCOM0 core from generator 0 */
    wait_for_gclk();
    REGISTER16(GCLK + 0x02) = 1 << 14 | 0x1B; /* TC3 */
    wait_for_gclk();
}

static inline void start_uart(void)
{
    REGISTER(SERCOM0 + 0x00) = 1 << 30 | 1 << 20 | 1 << 2;                 /* CTRLA: LSB first, USART, internal clock */
    REGISTER16(SERCOM0 + 0x0C) = (uint16_t)(65536 - 65536ull * 16 * 115200 / 48000000); /* BAUD */
    REGISTER(SERCOM0 + 0x04) = 1 << 16;                                    /* CTRLB: TXEN */
    wait_for(SERCOM0 + 0x1C, 7, 0);
    REGISTER(SERCOM0 + 0x00) |= 1 << 1;
    wait_for(SERCOM0 + 0x1C, 7, 0);
}

static inline void put(char c)
{
    while ((REGISTER8(SERCOM0 + 0x18) & 1) == 0) { /* DRE */
    }
    REGISTER16(SERCOM0 + 0x28) = (uint8_t)c;
}

static inline void drain(void)
{
    while ((REGISTER8(SERCOM0 + 0x18) & 2) == 0) { /* TXC */
    }
}

/* Each millisecond: 48 MHz / 16, up to CC0. */
static inline void start_timer(void)
{
    REGISTER16(TC3 + 0x00) = 4 << 8 | 1 << 5; /* CTRLA: / 16, MFRQ */
    REGISTER16(TC3 + 0x18) = 2999;            /* CC0 */
    REGISTER8(TC3 + 0x0D) = 1;                /* INTENSET: OVF */
    REGISTER16(TC3 + 0x00) |= 1 << 1;
    while ((REGISTER8(TC3 + 0x0F) & 0x80) != 0) {
    }
}

static inline void acknowledge_timer(void) { REGISTER8(TC3 + 0x0E) = 1; }

static inline int toggle_pin(void)
{
    REGISTER8(PORT + 0x40 + 17) = 1 << 1; /* PINCFG17: INEN */
    REGISTER(PORT + 0x08) = 1 << 17;      /* DIRSET */
    REGISTER(0x6000001Cu) = 1 << 17;      /* OUTTGL, by the IOBUS */
    return (int)(REGISTER(PORT + 0x20) >> 17 & 1);
}
