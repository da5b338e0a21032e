/* A dot product of int8 vectors, written to show calls: a good compiler would inline mul8. */
#include <stdint.h>

__attribute__((noinline)) int32_t mul8(int8_t a, int8_t b)
{
    return (int32_t)a * b;
}

int32_t dot_s8(const int8_t *restrict a, const int8_t *restrict b, uint32_t n)
{
    int32_t sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += mul8(a[i], b[i]);
    return sum;
}
