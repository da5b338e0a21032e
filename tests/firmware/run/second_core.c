/*
 * Core 1 has everything of its own: number, vector table, NVIC, PRIMASK, SysTick, divider, interpolators, interrupts of
 * pins; and it gets the interrupts of devices that it enables. Each letter is something that was right.
 */
#include "cores.h"

#define DIV_UDIVIDEND REGISTER(0xD0000060u)
#define DIV_UDIVISOR REGISTER(0xD0000064u)
#define DIV_QUOTIENT REGISTER(0xD0000070u)
#define INTERP0_ACCUM0 REGISTER(0xD0000080u)
#define IO_BANK0_INTR1 REGISTER(0x400140F4u)
#define PROC0_INTE1 REGISTER(0x40014104u)
#define PROC1_INTE1 REGISTER(0x40014134u)
#define GPIO_OE_CLR REGISTER(0xD0000028u)
enum { PIN = 9, EDGE_HIGH = 8 };

static uint32_t stack[96];
static volatile uint32_t mails[2], mail_sum, ticks[2], pins[2], alarms[2], asked;
static volatile char said[16];
static volatile uint32_t saying;

static void say(char letter, bool is_right)
{
    said[saying++] = is_right ? letter : '?';
}

/* The mailbox of core 0, then that of core 1. */
void IRQ15_Handler(void)
{
    mails[SIO_CPUID] += 100;
    drain_fifo();
}

void IRQ16_Handler(void)
{
    mails[SIO_CPUID]++;
    while ((FIFO_ST & FIFO_VLD) != 0) {
        mail_sum += FIFO_RD;
    }
    asked++;
}

void SysTick_Handler(void)
{
    ticks[SIO_CPUID]++;
}

void IRQ13_Handler(void)
{
    pins[SIO_CPUID]++;
    IO_BANK0_INTR1 = EDGE_HIGH << 4 * (PIN - 8);
}

void IRQ0_Handler(void)
{
    alarms[SIO_CPUID]++;
    TIMER_INTR = 1;
}

static void wait_for(volatile uint32_t *what, uint32_t value)
{
    while (*what != value) {
    }
}

void core1_main(void)
{
    say('n', SIO_CPUID == 1);
    uint32_t primask;
    NVIC_ICPR = 0xFFFFFFFF;
    NVIC_ISER = 1 << 0 | 1 << 13 | 1 << 16;
    IO_BANK0_INTR1 = EDGE_HIGH << 4 * (PIN - 8);
    PROC1_INTE1 = EDGE_HIGH << 4 * (PIN - 8);
    SYST_RVR = 999;
    SYST_CVR = 0;
    SYST_CSR = 7;
    wait_for(&ticks[1], 3);
    SYST_CSR = 0;
    __asm volatile("mrs %0, primask" : "=r"(primask));
    say('p', primask == 0);
    DIV_UDIVIDEND = 1000;
    DIV_UDIVISOR = 7;
    INTERP0_ACCUM0 = 0x1111;
    send(1); /* core 0 does the same with other numbers */
    while (mail_sum < 2) {
    }
    say('d', DIV_QUOTIENT == 142);
    say('i', INTERP0_ACCUM0 == 0x1111);
    send(2);
    for (;;) {
        __asm volatile("wfi"); /* the rest is done by interrupts */
    }
}

int main(void)
{
    start_clocks();
    start_uart();
    release(RESET_TIMER);
    __asm volatile("cpsid i");
    launch(core1_main, stack + 96);
    receive();
    DIV_UDIVIDEND = 90;
    DIV_UDIVISOR = 9;
    INTERP0_ACCUM0 = 0x2222;
    send(2); /* by interrupt 16 to core 1 */
    receive();
    say('D', DIV_QUOTIENT == 10);
    say('I', INTERP0_ACCUM0 == 0x2222);
    say('m', mails[0] == 0 && mails[1] == 1 && mail_sum == 2);
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t before = asked;
        FIFO_WR = 10; /* no SEV: the interrupt wakes it */
        while (asked == before) {
        }
    }
    say('M', mails[1] == 4 && mail_sum == 32);
    say('t', ticks[1] == 3 && ticks[0] == 0);
    GPIO_CTRL(PIN) = 5;
    GPIO_OE_SET = 1 << PIN;
    for (uint32_t i = 0; i < 4; i++) {
        GPIO_OUT_XOR = 1 << PIN;
        for (uint32_t k = 0; k < 300; k++) {
            __asm volatile("");
        }
    }
    say('g', pins[1] == 2 && pins[0] == 0);
    REGISTER(TIMER + 0x38) = 1; /* INTE */
    TIMER_ALARM0 = TIMER_RAWL + 20;
    wait_for(&alarms[1], 1);
    say('a', alarms[0] == 0);
    __asm volatile("cpsie i"); /* alarm's request is gone, and core 0 enabled none of its own */
    say('c', alarms[0] == 0 && pins[0] == 0 && mails[0] == 0);
    for (uint32_t i = 0; i < saying; i++) {
        put(said[i]);
    }
    put('\n');
    drain();
    return 0;
}
