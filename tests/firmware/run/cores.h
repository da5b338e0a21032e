/* Both cores of an RP2040: launch, mailboxes, spinlocks; sections are the datasheet's. */
#ifndef CORES_H
#define CORES_H

#include "board.h"

#define SIO_CPUID REGISTER(0xD0000000u) /* 2.3.1.7 */
#define FIFO_ST REGISTER(0xD0000050u)
#define FIFO_WR REGISTER(0xD0000054u)
#define FIFO_RD REGISTER(0xD0000058u)
#define SPINLOCK(n) REGISTER(0xD0000100u + 4 * (n))
#define NVIC_ICPR REGISTER(0xE000E280u)
#define VTOR REGISTER(0xE000ED08u)
#define PSM_FRCE_OFF REGISTER(0x40010004u) /* 2.13.5 */
#define PSM_FRCE_OFF_SET REGISTER(0x40012004u)
#define PSM_FRCE_OFF_CLR REGISTER(0x40013004u)
enum { FIFO_VLD = 1, FIFO_RDY = 2, FIFO_WOF = 4, FIFO_ROE = 8, PSM_PROC1 = 1 << 16 };

static inline void send_event(void)
{
    __asm volatile("sev" ::: "memory");
}

static inline void wait_for_event(void)
{
    __asm volatile("wfe" ::: "memory");
}

static inline void send(uint32_t value)
{
    while ((FIFO_ST & FIFO_RDY) == 0) {
    }
    FIFO_WR = value;
    send_event();
}

static inline uint32_t receive(void)
{
    while ((FIFO_ST & FIFO_VLD) == 0) {
        wait_for_event();
    }
    return FIFO_RD;
}

static inline void drain_fifo(void)
{
    while ((FIFO_ST & FIFO_VLD) != 0) {
        (void)FIFO_RD;
    }
}

/* 2.8.2: what the boot ROM of core 1 waits for, each word answered by itself. Returns the words that it took. */
static inline uint32_t launch(void (*entry)(void), uint32_t *stack_end)
{
    const uint32_t words[] = {0, 0, 1, VTOR, (uint32_t)stack_end, (uint32_t)entry};
    uint32_t i = 0, sent = 0;
    while (i < 6) {
        if (words[i] == 0) {
            drain_fifo();
            send_event();
        }
        send(words[i]);
        sent++;
        i = receive() == words[i] ? i + 1 : 0;
    }
    return sent;
}

static inline void lock(uint32_t number)
{
    while (SPINLOCK(number) == 0) {
    }
    __asm volatile("" ::: "memory");
}

static inline void unlock(uint32_t number)
{
    __asm volatile("" ::: "memory");
    SPINLOCK(number) = 0;
}

#endif
