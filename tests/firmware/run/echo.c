/* Sends back what it receives, letters as capitals, by the UART's interrupt, asleep in between; '.' ends it. */
#include "board.h"

static volatile bool is_over;

void IRQ20_Handler(void)
{
    while ((UART_FR & UART_FR_RXFE) == 0) {
        char c = (char)UART_DR;
        put(c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c);
        is_over |= c == '.';
    }
    UART_ICR = 0x7FF;
}

int main(void)
{
    start_clocks();
    start_uart();
    UART_IMSC = 1 << 4 | 1 << 6; /* received, and time-out */
    NVIC_ISER = 1 << 20;
    print("ready\n");
    while (!is_over) {
        __asm volatile("wfi");
    }
    drain();
    return 0;
}
