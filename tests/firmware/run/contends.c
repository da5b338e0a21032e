/*
 * The core and the DMA at one bank of SRAM: 64 loads of the core take how many cycles while nobody else is there, while
 * the DMA reads the bank all the time, and with priority to one of them. Then what BUSCTRL has counted.
 */
#include "board.h"

#define DMA 0x50000000u /* 2.5.7 */
#define READ_ADDR REGISTER(DMA + 0x0)
#define WRITE_ADDR REGISTER(DMA + 0x4)
#define TRANS_COUNT REGISTER(DMA + 0x8)
#define CTRL_TRIG REGISTER(DMA + 0xC)

#define BUSCTRL 0x40030000u /* 2.1.5 */
#define BUS_PRIORITY REGISTER(BUSCTRL + 0x0)
#define BUS_PRIORITY_ACK REGISTER(BUSCTRL + 0x4)
#define PERFCTR(n) REGISTER(BUSCTRL + 0x8 + 8 * (n))
#define PERFSEL(n) REGISTER(BUSCTRL + 0xC + 8 * (n))

enum { RESET_BUSCTRL = 1, RESET_DMA = 2, TRANSFERS = 1000, BUSY = 1 << 24, SRAM0_CONTESTED = 14, SRAM0 = 15 };
enum { PROC0 = 1 << 0, DMA_R = 1 << 8, DMA_W = 1 << 12 };

static uint32_t words[8] __attribute__((aligned(16))); /* by number: banks 0 to 3, and again */

__attribute__((noinline)) static uint32_t cycles_of_loads(void)
{
    uint32_t before = SYST_CVR, value;
    __asm volatile(".rept 64\n ldr %0, [%1]\n .endr" : "=&l"(value) : "l"(&words[4]));
    return before - SYST_CVR;
}

static void start(uint32_t priority)
{
    BUS_PRIORITY = priority;
    while (BUS_PRIORITY_ACK == 0) {
    }
    READ_ADDR = (uint32_t)&words[0];
    WRITE_ADDR = (uint32_t)&words[1];
    TRANS_COUNT = TRANSFERS;
    CTRL_TRIG = 2 << 2 | 0x3F << 15 | 1; /* words, always the same ones */
}

int main(void)
{
    static const uint16_t priorities[] = {0, PROC0, DMA_R | DMA_W};
    start_clocks();
    start_uart();
    release(RESET_DMA);
    release(RESET_BUSCTRL);
    SYST_RVR = 0xFFFFFF;
    SYST_CVR = 0;
    SYST_CSR = 5;
    print_unsigned(cycles_of_loads());
    for (uint32_t i = 0; i < 3; i++) {
        start(priorities[i]);
        PERFSEL(0) = SRAM0_CONTESTED;
        PERFSEL(1) = SRAM0;
        PERFCTR(0) = PERFCTR(1) = 0;
        uint32_t cycles = cycles_of_loads();
        while ((CTRL_TRIG & BUSY) != 0) {
        }
        uint32_t contested = PERFCTR(0), all = PERFCTR(1);
        put('\n');
        print_unsigned(cycles);
        put(' ');
        print_unsigned(contested);
        put(' ');
        print_unsigned(all);
    }
    put('\n');
    print_unsigned(BUS_PRIORITY);
    put('\n');
    drain();
    return 0;
}
