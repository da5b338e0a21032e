/* Words there and back, one by one and eight at a time; a full mailbox, an empty one, and what FIFO_ST says of both. */
#include "cores.h"

enum { ROUNDS = 200 };
static uint32_t stack[64];
static volatile uint32_t wrong;

static uint32_t mixed(uint32_t value)
{
    return value * 1664525u + 1013904223u;
}

void core1_main(void)
{
    for (uint32_t i = 0; i < ROUNDS; i++) {
        send(mixed(receive()));
    }
    for (uint32_t i = 0; i < ROUNDS / 8; i++) {
        for (uint32_t k = 0; k < 8; k++) {
            send(mixed(i * 8 + k));
        }
        if (receive() != i) {
            wrong++;
        }
    }
    send(FIFO_ST); /* nothing was sent to this core, and there is room: no flag but RDY */
    (void)FIFO_RD;
    send(FIFO_ST); /* ROE */
    FIFO_ST = 0;
    send(FIFO_ST);
    receive();
    for (uint32_t k = 0; k < 8; k++) {
        FIFO_WR = k;
    }
    FIFO_WR = 99;
    uint32_t status = FIFO_ST; /* WOF */
    send_event();
    send(status); /* waits for room */
    for (;;) {
        wait_for_event();
    }
}

int main(void)
{
    start_clocks();
    start_uart();
    launch(core1_main, stack + 64);
    uint32_t value = 1;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        send(value);
        uint32_t back = receive();
        if (back != mixed(value)) {
            wrong++;
        }
        value = back;
    }
    for (uint32_t i = 0; i < ROUNDS / 8; i++) {
        for (uint32_t k = 0; k < 8; k++) {
            if (receive() != mixed(i * 8 + k)) {
                wrong++;
            }
        }
        send(i);
    }
    print_unsigned(wrong);
    for (uint32_t i = 0; i < 3; i++) {
        put(' ');
        print_unsigned(receive());
    }
    send(0);
    while ((FIFO_ST & FIFO_VLD) == 0) {
    }
    for (uint32_t i = 0; i < 1000; i++) {
        __asm volatile("");
    }
    for (uint32_t k = 0; k < 8; k++) {
        if (receive() != k) {
            wrong++;
        }
    }
    put(' ');
    print_unsigned(receive());
    put(' ');
    print_unsigned(wrong);
    put('\n');
    drain();
    return 0;
}
