/*
 * Sleeps until pin 9 rises or falls, and says then when that was, in microseconds, and what channel 0 of the ADC reads.
 * Ends when pin 10 rises.
 */
#include "board.h"

#define ADC 0x4004C000u /* 4.9.6 */
#define ADC_CS REGISTER(ADC + 0x0)
#define ADC_RESULT REGISTER(ADC + 0x4)
#define CLK_ADC_CTRL REGISTER(CLOCKS + 0x60)
#define IO_BANK0 0x40014000u
#define IO_INTR1 REGISTER(IO_BANK0 + 0xF4)
#define IO_INTE1 REGISTER(IO_BANK0 + 0x104)
#define EDGES(pin) (0xCu << 4 * ((pin) - 8))

enum { RESET_ADC = 0, ADC_EN = 1, ADC_START_ONCE = 4, ADC_READY = 1 << 8 };

static volatile bool is_over;

void IRQ13_Handler(void)
{
    uint32_t now = TIMER_RAWL, edges = IO_INTR1;
    IO_INTR1 = edges;
    if ((edges & EDGES(10)) != 0) {
        is_over = true;
        return;
    }
    ADC_CS = ADC_EN | ADC_START_ONCE;
    while ((ADC_CS & ADC_READY) == 0) {
    }
    put((edges & EDGES(9)) == 0x80 ? '+' : '-');
    print_unsigned(now);
    put(' ');
    print_unsigned(ADC_RESULT);
    put('\n');
}

int main(void)
{
    start_clocks();
    start_uart();
    release(RESET_TIMER);
    release(RESET_ADC);
    CLK_ADC_CTRL = 1 << 11 | 3 << 5; /* XOSC */
    ADC_CS = ADC_EN;
    IO_INTE1 = EDGES(9) | EDGES(10);
    NVIC_ISER = 1 << 13;
    while (!is_over) {
        __asm volatile("wfi");
    }
    drain();
    return 0;
}
