/* Core 1 is launched, taken out of its work by PSM, answers its reset with a 0, and is launched for other work. */
#include "cores.h"

static uint32_t stack[64];
static volatile uint32_t count, other;

void counts(void)
{
    for (;;) {
        count++;
    }
}

void answers(void)
{
    other = 7;
    for (;;) {
        send(receive() + other);
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
    bool answered = FIFO_ST == (FIFO_VLD | FIFO_RDY) && FIFO_RD == 0 && FIFO_ST == FIFO_RDY; /* its first reset */
    launch(counts, stack + 64);
    uint32_t before = after_a_while();
    bool works = after_a_while() > before;
    PSM_FRCE_OFF_SET = PSM_PROC1;
    before = after_a_while();
    bool stands = after_a_while() == before && (PSM_FRCE_OFF & PSM_PROC1) != 0;
    PSM_FRCE_OFF_CLR = PSM_PROC1;
    bool is_reset = receive() == 0 && after_a_while() == before;
    launch(answers, stack + 64);
    send(5);
    uint32_t back = receive();
    print(answered ? "answered " : "silent ");
    print(works ? "works " : "idle ");
    print(stands ? "stands " : "goes on ");
    print(is_reset ? "is reset " : "is not ");
    print_unsigned(back);
    put('\n');
    drain();
    return 0;
}
