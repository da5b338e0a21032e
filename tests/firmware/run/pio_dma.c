/*
 * PIO and DMA: a machine of PIO1 gives back what it takes, a word every 100 cycles; one channel brings it words, another
 * takes them away, each paced by the machine's requests. The core sleeps until the second is through.
 */
#include "board.h"

#define DMA 0x50000000u /* 2.5.7 */
#define READ_ADDR(n) REGISTER(DMA + 0x40 * (n) + 0x0)
#define WRITE_ADDR(n) REGISTER(DMA + 0x40 * (n) + 0x4)
#define TRANS_COUNT(n) REGISTER(DMA + 0x40 * (n) + 0x8)
#define CTRL_TRIG(n) REGISTER(DMA + 0x40 * (n) + 0xC)
#define INTE0 REGISTER(DMA + 0x404)
#define INTS0 REGISTER(DMA + 0x40C)
#define PIO1 0x50300000u /* 3.7 */
#define PIO(offset) REGISTER(PIO1 + (offset))

enum { RESET_DMA = 2, RESET_PIO1 = 11, WORDS = 500, PIO1_TX2 = 10, PIO1_RX2 = 14 };
enum { TXF2 = 0x18, RXF2 = 0x28, SM2 = 0xF8, CLKDIV = 0x0, EXECCTRL = 0x4, SHIFTCTRL = 0x8, MEMORY = 0x48 };
enum { ENABLE = 1, WORD = 2 << 2, INCR_READ = 1 << 4, INCR_WRITE = 1 << 5 };

static uint32_t from[WORDS], to[WORDS];
volatile uint32_t came;

void IRQ11_Handler(void)
{
    INTS0 = 2;
    came = 1;
}

int main(void)
{
    start_clocks();
    release(RESET_DMA);
    release(RESET_PIO1);
    for (uint32_t i = 0; i < WORDS; i++) {
        from[i] = i * 2654435761u;
    }
    PIO(MEMORY) = 0x6020;     /* out x, 32 */
    PIO(MEMORY + 4) = 0x4020; /* in x, 32 */
    PIO(SM2 + CLKDIV) = 50 << 16;
    PIO(SM2 + EXECCTRL) = 1 << 12;
    PIO(SM2 + SHIFTCTRL) = 3 << 16; /* autopull and autopush of 32 bits */
    PIO(0) = 1 << 10 | 1 << 2;
    INTE0 = 2;
    NVIC_ISER = 1 << 11;
    READ_ADDR(1) = PIO1 + RXF2;
    WRITE_ADDR(1) = (uint32_t)to;
    TRANS_COUNT(1) = WORDS;
    CTRL_TRIG(1) = PIO1_RX2 << 15 | 1 << 11 | INCR_WRITE | WORD | ENABLE;
    READ_ADDR(0) = (uint32_t)from;
    WRITE_ADDR(0) = PIO1 + TXF2;
    TRANS_COUNT(0) = WORDS;
    CTRL_TRIG(0) = PIO1_TX2 << 15 | 0 << 11 | INCR_READ | WORD | ENABLE;
    while (came == 0) {
        __asm volatile("wfi");
    }
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < WORDS; i++) {
        wrong += to[i] != from[i];
    }
    return (int)wrong;
}
