/* What core 1 answers in the boot ROM: each word by itself, and a 0 to one that it does not wait for. */
#include "cores.h"

static uint32_t stack[64];

void core1_main(void)
{
    send(42);
    for (;;) {
        wait_for_event();
    }
}

static void show(uint32_t value)
{
    print_unsigned(value);
    put(' ');
}

static uint32_t ask(uint32_t value)
{
    if (value == 0) {
        drain_fifo();
    }
    send(value);
    return receive();
}

int main(void)
{
    start_clocks();
    start_uart();
    show(ask(0));
    show(ask(5)); /* no 1: from the start again */
    ask(0);
    show(ask(1));
    show(ask(0)); /* instead of a vector table: from the start again */
    ask(0);
    show(ask(1));
    ask(VTOR);
    ask((uint32_t)(stack + 64));
    if (ask((uint32_t)core1_main) == (uint32_t)core1_main) {
        print_unsigned(receive());
    }
    put('\n');
    drain();
    return 0;
}
