/* Follows a null pointer into nowhere; nobody has written a handler for that. */
#include "board.h"

__attribute__((noinline)) static uint32_t follow(volatile uint32_t *pointer)
{
    return *pointer;
}

int main(void)
{
    return (int)follow((uint32_t *)0x30000000);
}
