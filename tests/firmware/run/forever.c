/* Prints for ever. */
#include "board.h"

int main(void)
{
    start_clocks();
    start_uart();
    for (;;) {
        print("again\n");
    }
}
