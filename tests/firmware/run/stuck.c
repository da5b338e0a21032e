/* Waits for what m0sim does not model: an edge at a pin of the flash. */
#include "board.h"

int main(void)
{
    REGISTER(0x40018034) = 1; /* IO_QSPI: PROC0_INTE */
    while ((REGISTER(0x40018030) & 1) == 0) { /* INTR */
    }
    return 0;
}
