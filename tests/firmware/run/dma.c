/*
 * The DMA beside the core: copies memory while the core sleeps, replaces code that has run, reads flash, and sends what
 * it has to say through the UART's request. Each line has what was counted.
 */
#include "board.h"

#define DMA 0x50000000u /* 2.5.7 */
#define READ_ADDR(n) REGISTER(DMA + 0x40 * (n) + 0x0)
#define WRITE_ADDR(n) REGISTER(DMA + 0x40 * (n) + 0x4)
#define TRANS_COUNT(n) REGISTER(DMA + 0x40 * (n) + 0x8)
#define CTRL_TRIG(n) REGISTER(DMA + 0x40 * (n) + 0xC)
#define INTE0 REGISTER(DMA + 0x404)
#define INTS0 REGISTER(DMA + 0x40C)
#define UART_DMACR REGISTER(UART0 + 0x48)

enum { RESET_DMA = 2, WORDS = 10000, UART0_TX = 20, UNPACED = 0x3F, BUSY = 1 << 24 };

static uint32_t from[WORDS], to[WORDS];
static volatile uint32_t interrupts, came_at;
static const uint32_t in_flash[64] = {[0] = 1, [63] = 64};
static const char text[] = "sent by the DMA, byte by byte, while the core waits\n";

void IRQ11_Handler(void)
{
    came_at = SYST_CVR;
    INTS0 = 1;
    interrupts++;
}

static void start(uint32_t channel, const volatile void *source, volatile void *target, uint32_t count, uint32_t control)
{
    READ_ADDR(channel) = (uint32_t)source;
    WRITE_ADDR(channel) = (uint32_t)target;
    TRANS_COUNT(channel) = count;
    CTRL_TRIG(channel) = control | channel << 11 | 1;
}

static void wait_for(uint32_t channel)
{
    while ((CTRL_TRIG(channel) & BUSY) != 0) {
    }
}

enum { WORD = 2 << 2, INCR_READ = 1 << 4, INCR_WRITE = 1 << 5, BOTH = INCR_READ | INCR_WRITE, ALWAYS = UNPACED << 15 };

/* movs r0, #1; bx lr; and what is put into its place */
static volatile uint32_t code[8] = {0x47702001}, other[8] = {0x47702002};

static uint32_t call_code(void)
{
    return ((uint32_t(*)(void))((uint32_t)code | 1))();
}

static uint32_t copy_asleep(void)
{
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < WORDS; i++) {
        from[i] = i * 2654435761u;
    }
    INTE0 = 1;
    NVIC_ISER = 1 << 11;
    SYST_RVR = 0xFFFFFF;
    SYST_CVR = 0;
    SYST_CSR = 5;
    uint32_t before = SYST_CVR;
    start(0, from, to, WORDS, WORD | BOTH | ALWAYS);
    while (interrupts == 0) {
        __asm volatile("wfi");
    }
    for (uint32_t i = 0; i < WORDS; i++) {
        wrong += to[i] != from[i];
    }
    print_unsigned(before - came_at);
    put(' ');
    return wrong;
}

int main(void)
{
    start_clocks();
    start_uart();
    release(RESET_DMA);
    print_unsigned(copy_asleep());
    put('\n');

    print_unsigned(call_code());
    start(1, other, code, 8, WORD | BOTH | ALWAYS);
    wait_for(1);
    print_unsigned(call_code());
    put('\n');

    start(2, in_flash, to, 64, WORD | BOTH | ALWAYS);
    wait_for(2);
    print_unsigned(to[0] + to[63] + to[1]);
    put('\n');

    UART_DMACR = 2;
    start(3, text, &UART_DR, sizeof text - 1, INCR_READ | UART0_TX << 15);
    wait_for(3);
    drain();
    return 0;
}
