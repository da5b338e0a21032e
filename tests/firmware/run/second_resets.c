/*
 * Core 1 alone is reset, twice while it works: by its own AIRCR, and by the watchdog with PSM.WDSEL at PROC1. Core 0
 * runs on each time, hears the 0 of core 1's boot ROM, and launches it again. Each letter is something that was right.
 */
#include "cores.h"

#define WATCHDOG 0x40058000u /* 4.7.6 */
#define WATCHDOG_CTRL REGISTER(WATCHDOG + 0x0)
#define WATCHDOG_REASON REGISTER(WATCHDOG + 0x8)
#define WATCHDOG_SCRATCH(i) REGISTER(WATCHDOG + 0xC + 4 * (i))
#define CHIP_RESET REGISTER(0x40064008u)
#define PSM_WDSEL REGISTER(0x40010008u) /* 2.13.5 */
#define AIRCR REGISTER(0xE000ED0Cu)
#define GPIO_OE REGISTER(0xD0000020u)
enum { TRIGGER = 1u << 31, HAD_POR = 1 << 8, PIN = 9 };

static uint32_t stack[96];
static volatile uint32_t count, primask_of_1;

static void say(char letter, bool is_right)
{
    put(is_right ? letter : '?');
}

void resets_itself(void)
{
    VTOR = 0x20000000u;
    NVIC_ISER = 1 << 3;
    __asm volatile("cpsid i");
    send(11);
    AIRCR = 0x05FA0004;
    for (;;) {
    }
}

void counts(void)
{
    uint32_t primask;
    __asm volatile("mrs %0, primask" : "=r"(primask));
    send(NVIC_ISER | primask << 8);
    for (;;) {
        count++;
    }
}

void answers(void)
{
    for (;;) {
        send(receive() + 7);
    }
}

static uint32_t after_a_while(void)
{
    for (uint32_t i = 0; i < 500; i++) {
        __asm volatile("");
    }
    return count;
}

int main(void)
{
    start_clocks();
    start_uart();
    GPIO_OE_SET = 1 << PIN;
    WATCHDOG_SCRATCH(2) = 0xCAFE;
    drain_fifo();
    launch(resets_itself, stack + 96);
    say('s', receive() == 11);
    say('r', receive() == 0); /* it is in the boot ROM again: 2.8.2 */
    launch(counts, stack + 96);
    say('n', receive() == 0); /* NVIC and PRIMASK as reset leaves them */
    uint32_t before = after_a_while();
    say('c', after_a_while() > before);
    PSM_WDSEL = PSM_PROC1;
    WATCHDOG_CTRL = TRIGGER;
    say('w', receive() == 0);
    before = after_a_while();
    say('t', after_a_while() == before);
    say('f', WATCHDOG_REASON == 2 && WATCHDOG_SCRATCH(2) == 0xCAFE && CHIP_RESET == HAD_POR);
    say('p', GPIO_OE == 1 << PIN && PSM_WDSEL == PSM_PROC1); /* SIO and PSM come before PROC1 */
    launch(answers, stack + 96);
    send(5);
    say('a', receive() == 12);
    put('\n');
    drain();
    return 0;
}
