/* Two alarms of the timer, one every 100 us and one every 250 us, tell when they came; asleep in between. */
#include "board.h"

static volatile uint32_t times[2][4];
static volatile uint32_t counts[2];
static uint32_t begin;

static void note(uint32_t alarm)
{
    if (counts[alarm] < 4) {
        times[alarm][counts[alarm]] = TIMER_RAWL - begin;
        counts[alarm]++;
    }
}

void IRQ0_Handler(void)
{
    TIMER_INTR = 1 << 0;
    TIMER_ALARM0 = TIMER_ALARM0 + 100;
    note(0);
}

void IRQ1_Handler(void)
{
    TIMER_INTR = 1 << 1;
    TIMER_ALARM1 = TIMER_ALARM1 + 250;
    note(1);
}

int main(void)
{
    start_clocks();
    start_uart();
    release(RESET_TIMER);
    begin = TIMER_RAWL + 10;
    while ((int32_t)(TIMER_RAWL - begin) < 0) {
    }
    TIMER_INTE = 1 << 0 | 1 << 1;
    NVIC_ISER = 1 << 0 | 1 << 1;
    TIMER_ALARM0 = begin + 100;
    TIMER_ALARM1 = begin + 250;
    while (counts[1] < 4) {
        __asm volatile("wfi");
    }
    TIMER_INTE = 0;
    for (uint32_t alarm = 0; alarm < 2; alarm++) {
        for (uint32_t i = 0; i < 4; i++) {
            print_unsigned(times[alarm][i]);
            put(i == 3 ? '\n' : ' ');
        }
    }
    drain();
    return 0;
}
