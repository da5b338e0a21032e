/*
 * Both cores add to counters that nothing but a lock keeps right: a spinlock of the SIO, then Peterson's algorithm in
 * plain memory, whose stores each core has to see in the order that the other made them in.
 */
#include "cores.h"

enum { ROUNDS = 400, LOCK = 7 };
static uint32_t stack[64];
static volatile uint32_t counter, inside, broken, wants[2], turn, ready;

static void pause(uint32_t n)
{
    while (n-- > 0) {
        __asm volatile("");
    }
}

/* Loads, waits a time that is another each round, and stores: who comes between loses an increment. */
static void add_one(uint32_t round)
{
    if (inside++ != 0) {
        broken++;
    }
    uint32_t value = counter;
    pause(round & 3);
    counter = value + 1;
    inside--;
}

static void by_spinlock(uint32_t core)
{
    for (uint32_t i = 0; i < ROUNDS; i++) {
        lock(LOCK);
        add_one(i + core);
        unlock(LOCK);
        pause(i % (3 + core));
    }
}

static void by_memory(uint32_t core)
{
    for (uint32_t i = 0; i < ROUNDS; i++) {
        wants[core] = 1;
        turn = 1 - core;
        while (wants[1 - core] != 0 && turn == 1 - core) {
        }
        add_one(i + core);
        wants[core] = 0;
        pause(i % (2 + core));
    }
}

/* Neither core goes on before the other has come here. */
static void meet(uint32_t core, uint32_t number)
{
    lock(LOCK + 1);
    ready++;
    unlock(LOCK + 1);
    while (ready < 2 * number) {
    }
    (void)core;
}

static void both(uint32_t core)
{
    meet(core, 1);
    by_spinlock(core);
    meet(core, 2);
    by_memory(core);
    meet(core, 3);
}

void core1_main(void)
{
    both(SIO_CPUID);
    send(0xD0E);
    for (;;) {
        wait_for_event();
    }
}

int main(void)
{
    start_clocks();
    start_uart();
    uint32_t sent = launch(core1_main, stack + 64);
    both(SIO_CPUID);
    bool is_done = receive() == 0xD0E;
    print_unsigned(counter);
    print(broken != 0 ? " broken" : " whole");
    print(sent == 6 && is_done ? " 6\n" : " ?\n");
    drain();
    return 0;
}
