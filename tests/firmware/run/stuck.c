/* Waits for a block that m0sim does not model: a DMA channel that was started is never done. */
#include "board.h"

int main(void)
{
    REGISTER(0x5000000C) = 1; /* CH0_CTRL_TRIG */
    while ((REGISTER(0x50000400) & 1) == 0) { /* INTR */
    }
    return 0;
}
