/* Stores to where its code is, as if that were SRAM: nothing comes of it. */
#include "board.h"

int main(void)
{
    for (uint32_t i = 0; i < 3; i++) {
        REGISTER(0x10010000 + 4 * i) = i;
    }
    return REGISTER(0x10010000) == 0xFFFFFFFF ? 0 : 1;
}
