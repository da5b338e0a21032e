/* Resets itself at once, again and again. */
#include "board.h"

int main(void)
{
    REGISTER(0xE000ED0Cu) = 0x05FA0004; /* AIRCR.SYSRESETREQ */
    for (;;) {
    }
}
