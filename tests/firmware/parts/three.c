/* Prints, gets three interrupts of a timer, asleep in between, and ends. What differs by part is in PART, its header. */
#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define REGISTER16(address) (*(volatile uint16_t *)(address))
#define REGISTER8(address) (*(volatile uint8_t *)(address))
#define NVIC_ISER REGISTER(0xE000E100u)

static inline void wait_for(uint32_t address, uint32_t mask, uint32_t value)
{
    while ((REGISTER(address) & mask) != value) {
    }
}

#include PART

static volatile uint32_t ticks;

static void print(const char *text)
{
    while (*text != 0) {
        put(*text++);
    }
}

/* All interrupts come here. */
void Interrupt_Handler(void)
{
    acknowledge_timer();
    put((char)('1' + ticks++));
}

int main(void)
{
    start_clock();
    start_uart();
    print("ready\n");
    int is_set = toggle_pin();
    start_timer();
    NVIC_ISER = 1u << TIMER_INTERRUPT;
    while (ticks < 3) {
        __asm volatile("wfi");
    }
    print(is_set == 1 && toggle_pin() == 0 ? "\npin\n" : "\nno pin\n");
    drain();
    return 0;
}
