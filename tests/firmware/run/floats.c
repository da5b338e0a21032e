/* Prints floats by the boot ROM's arithmetic: 2 / 3, its square root, and 1 / 2 + 1 / 3 + ... + 1 / 9. */
#include "board.h"
#include "rom.h"

typedef uint32_t bits; /* of a float: the program has no arithmetic of its own for them */

static bits (*add)(bits, bits), (*multiply)(bits, bits), (*divide)(bits, bits), (*root)(bits), (*of_int)(int32_t);
static int32_t (*to_int)(bits);

static void print_float(bits x)
{
    uint32_t millionths = (uint32_t)to_int(add(multiply(x, of_int(1000000)), divide(of_int(1), of_int(2))));
    uint32_t whole = 0;
    for (; millionths >= 1000000; millionths -= 1000000) {
        whole++;
    }
    print_unsigned(whole);
    put('.');
    for (uint32_t digit = 100000; digit > millionths && digit > 1;) {
        put('0');
        digit = digit == 100000 ? 10000 : digit == 10000 ? 1000 : digit == 1000 ? 100 : digit == 100 ? 10 : 1;
    }
    print_unsigned(millionths);
    put('\n');
}

int main(void)
{
    start_clocks();
    start_uart();
    void **table = rom_data(ROM_CODE('S', 'F'));
    add = (bits (*)(bits, bits))table[0];
    multiply = (bits (*)(bits, bits))table[2];
    divide = (bits (*)(bits, bits))table[3];
    root = (bits (*)(bits))table[6];
    to_int = (int32_t (*)(bits))table[7];
    of_int = (bits (*)(int32_t))table[11];
    bits third = divide(of_int(2), of_int(3)), sum = 0;
    print_float(third);
    print_float(root(third));
    for (int32_t i = 2; i < 10; i++) {
        sum = add(sum, divide(of_int(1), of_int(i)));
    }
    print_float(sum);
    drain();
    return 0;
}
