/* Two tasks with stacks of their own; SysTick asks PendSV to switch between them every 100 us. */
#include "board.h"

enum { STACK_WORDS = 128 };
static uint32_t stacks[2][STACK_WORDS] __attribute__((aligned(8)));
uint32_t *task_sp[2];
uint32_t current;
static volatile uint32_t work[2];
static volatile uint32_t ticks;

void SysTick_Handler(void)
{
    ticks++;
    ICSR = ICSR_PENDSVSET;
}

/* Saves r4 to r11 below what the exception stacked, and takes the other task's. */
__attribute__((naked)) void PendSV_Handler(void)
{
    __asm volatile(".syntax unified\n"
                   "mrs r0, psp\n"
                   "subs r0, #32\n"
                   "mov r1, r0\n"
                   "stmia r1!, {r4-r7}\n"
                   "mov r4, r8\n mov r5, r9\n mov r6, r10\n mov r7, r11\n"
                   "stmia r1!, {r4-r7}\n"
                   "ldr r2, =current\n"
                   "ldr r3, [r2]\n"
                   "ldr r1, =task_sp\n"
                   "lsls r4, r3, #2\n"
                   "str r0, [r1, r4]\n"
                   "movs r4, #1\n"
                   "eors r3, r4\n"
                   "str r3, [r2]\n"
                   "lsls r4, r3, #2\n"
                   "ldr r0, [r1, r4]\n"
                   "adds r0, #16\n"
                   "ldmia r0!, {r4-r7}\n"
                   "mov r8, r4\n mov r9, r5\n mov r10, r6\n mov r11, r7\n"
                   "msr psp, r0\n"
                   "subs r0, #32\n"
                   "ldmia r0!, {r4-r7}\n"
                   "bx lr\n"
                   ".ltorg\n");
}

__attribute__((noinline)) static void work_on(uint32_t task)
{
    work[task]++;
}

void first_task(void)
{
    for (;;) {
        work_on(0);
    }
}

void second_task(void)
{
    for (;;) {
        work_on(1);
        work_on(1);
    }
}

static void prepare(uint32_t task, void (*entry)(void))
{
    uint32_t *sp = &stacks[task][STACK_WORDS - 8];
    sp[5] = 0xFFFFFFFF; /* LR: a task never returns */
    sp[6] = (uint32_t)entry & ~1u;
    sp[7] = 1 << 24;
    task_sp[task] = sp - 8;
}

/* The first task begins as itself on its own stack; the main stack is left to handlers. */
__attribute__((naked)) static void begin_first(uint32_t *top)
{
    __asm volatile("msr psp, r0\n"
                   "movs r0, #2\n"
                   "msr control, r0\n"
                   "isb\n"
                   "bl supervise\n");
}

void supervise(void)
{
    while (ticks < 10) {
        work_on(0);
    }
    SYST_CSR = 0;
    print(work[0] > 100 && work[1] > 100 ? "both worked\n" : "not both worked\n");
    drain();
    __asm volatile("movs r0, #0\n bl _exit\n");
}

int main(void)
{
    start_clocks();
    start_uart();
    prepare(1, second_task);
    SHPR3 = 0xC0u << 24 >> 8; /* PendSV lowest, SysTick highest */
    SYST_RVR = 12500 - 1;
    SYST_CVR = 0;
    SYST_CSR = 7;
    begin_first(&stacks[0][STACK_WORDS]);
    return 1;
}
