/* Each core toggles a pin of its own, some hundred times, at another pace. */
#include "cores.h"

static uint32_t stack[64];

static void toggle(uint32_t pin, uint32_t pace)
{
    for (uint32_t i = 0; i < 300; i++) {
        GPIO_OUT_XOR = 1u << pin;
        for (uint32_t k = 0; k < (i & pace); k++) {
            __asm volatile("");
        }
    }
}

void core1_main(void)
{
    toggle(3, 3);
    for (;;) {
        wait_for_event();
    }
}

int main(void)
{
    start_clocks();
    release(RESET_IO_BANK0);
    release(RESET_PADS_BANK0);
    GPIO_CTRL(2) = 5;
    GPIO_CTRL(3) = 5;
    GPIO_OE_SET = 3 << 2;
    launch(core1_main, stack + 64);
    toggle(2, 5);
    return 0;
}
