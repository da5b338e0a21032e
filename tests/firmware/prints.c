/* Everything that prints, and how: semihosting, _write, and a function of one's own (test_output.py). */

#include <stdint.h>

static int semihosting(int operation, const void *parameter)
{
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = parameter;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

int write0(void)
{
    semihosting(0x04, "hello\n");
    return 1;
}

int writec(void)
{
    for (const char *c = "chars\n"; *c; c++)
        semihosting(0x03, c);
    return 2;
}

int console(void) /* as newlib's rdimon does: open, write, what is left; any other file is not there */
{
    uint32_t opened[] = {(uint32_t)":tt", 4, 3}, other[] = {(uint32_t)"a.txt", 4, 5};
    uint32_t block[] = {semihosting(0x01, opened), (uint32_t)"to the console\n", 15};
    int left = semihosting(0x05, block);
    block[0] = 9;
    return left * 1000 + semihosting(0x05, block) * 10 + (semihosting(0x01, other) == -1);
}

int ask(int operation)
{
    return semihosting(operation, 0);
}

/* As libnosys has it: it fails, and costs what it costs. */
__attribute__((noinline)) int _write(int fd, const char *data, int size)
{
    int failed = -1;
    __asm__ volatile("" : "+r"(failed) : "r"(fd), "r"(data), "r"(size) : "memory");
    return failed;
}

int through_write(int fd)
{
    return _write(fd, "by write\n", 9);
}

__attribute__((noinline)) void put(int c)
{
    *(volatile uint32_t *)0x40034000 = c;
}

__attribute__((noinline)) int puts_like(const char *text)
{
    while (*text)
        put(*text++);
    return 0;
}

int through_put(void)
{
    put('a');
    put('\033');
    put('[');
    put(0xff);
    put('\n');
    return 5;
}

int through_puts(void)
{
    return puts_like("a line\n") + 7;
}

void floods(int times)
{
    static char many[4096];
    for (int i = 0; i < 4096; i++)
        many[i] = 'x';
    while (times--)
        _write(1, many, sizeof many);
}

int prints_then_fails(void)
{
    semihosting(0x04, "so far so good");
    return *(volatile int *)0x30000000;
}

int quiet(void)
{
    return 3;
}
