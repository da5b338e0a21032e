/*
 * PWM as others see it: pin 2 is an output, 21 of 70 cycles high, and a wire goes from there to pin 5, by which another
 * slice counts. Prints how often of 1,000 times the pin was high; then, counting levels, rises and falls, the count and
 * the cycles that it took; then 32 samples that PIO takes, of 3 cycles high and 7 low. RP2040 datasheet, 4.5, 3.5.4.1.
 */
#include "board.h"

#define PWM 0x40050000u /* 4.5.3 */
#define PWM_CSR(i) REGISTER(PWM + 0x14 * (i) + 0x0)
#define PWM_DIV(i) REGISTER(PWM + 0x14 * (i) + 0x4)
#define PWM_CTR(i) REGISTER(PWM + 0x14 * (i) + 0x8)
#define PWM_CC(i) REGISTER(PWM + 0x14 * (i) + 0xC)
#define PWM_TOP(i) REGISTER(PWM + 0x14 * (i) + 0x10)
#define PWM_EN REGISTER(PWM + 0xA0)
#define GPIO_IN REGISTER(0xD0000004u)
#define PIO0 0x50200000u

enum { RESET_PIO0 = 10, RESET_PWM = 14, FUNCTION_PWM = 4, OUTPUT = 1, COUNTER = 2, CLOCK = 3 };

static void show(uint32_t value, char end)
{
    print_unsigned(value);
    put(end);
}

static void count(uint32_t mode)
{
    PWM_CSR(COUNTER) = mode << 4;
    PWM_CTR(COUNTER) = PWM_CTR(CLOCK) = 0;
    PWM_EN = 1 << OUTPUT | 1 << COUNTER | 1 << CLOCK;
    for (volatile uint32_t i = 0; i < 500; i++) {
    }
    PWM_EN = 1 << OUTPUT;
    show(PWM_CTR(COUNTER), ' ');
    show(PWM_CTR(CLOCK), '\n');
}

int main(void)
{
    uint32_t high = 0;
    start_clocks();
    start_uart();
    release(RESET_PWM);
    release(RESET_PIO0);
    GPIO_CTRL(2) = GPIO_CTRL(5) = FUNCTION_PWM;
    PWM_DIV(OUTPUT) = 7 << 4;
    PWM_TOP(OUTPUT) = 9;
    PWM_CC(OUTPUT) = 3;
    PWM_CSR(OUTPUT) = 1;
    for (uint32_t i = 0; i < 1000; i++) {
        high += GPIO_IN >> 2 & 1;
    }
    show(high, '\n');
    for (uint32_t mode = 1; mode <= 3; mode++) {
        count(mode);
    }
    PWM_DIV(OUTPUT) = 1 << 4;
    REGISTER(PIO0 + 0x48) = 0x4001;                     /* in pins, 1 */
    REGISTER(PIO0 + 0xCC) = 0;                          /* SM0_EXECCTRL: over and over */
    REGISTER(PIO0 + 0xD0) = 1 << 18 | 1 << 16;          /* SM0_SHIFTCTRL: to the right, autopush */
    REGISTER(PIO0 + 0xDC) = 2 << 15;                    /* SM0_PINCTRL: from pin 2 on */
    REGISTER(PIO0) = 1;
    while ((REGISTER(PIO0 + 4) & 1 << 8) != 0) {        /* FSTAT.RXEMPTY */
    }
    uint32_t samples = REGISTER(PIO0 + 0x20);
    REGISTER(PIO0) = 0;
    show(samples, '\n');
    drain();
    return 0;
}
