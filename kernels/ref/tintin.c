/* Tin-Tin: weights of 16 bits (256 w + fraction, row-major), rounded for the passes and updated at measured scales. */
#include "ref.h"

#define LARGEST (127 * 256)

void ref_w16_copy(const int16_t *restrict weights16, int8_t *restrict out, int32_t n);
void ref_tintin_dense(const int8_t *restrict error, const int8_t *restrict in, int16_t *restrict weights16,
                      int32_t n_in, int32_t n_out, int32_t shift);
void ref_tintin_grad(const int32_t *restrict grad, int16_t *restrict weights16, int32_t n, int32_t shift);

void ref_w16_copy(const int16_t *restrict weights16, int8_t *restrict out, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        out[i] = (int8_t)round_shift(weights16[i], 8);
}

static inline int32_t clamped(int32_t x)
{
    return x > LARGEST ? LARGEST : x < -LARGEST ? -LARGEST : x;
}

/* A shift to the left stops at twice the largest weight: that already crosses its whole range. */
static inline int32_t aligned(int32_t g, int32_t shift)
{
    if (shift > 31)
        return 0;
    if (shift >= 0)
        return psto_shift(g, shift);
    uint32_t most = 2 * LARGEST, left = shift < -16 ? 16 : (uint32_t)-shift;
    uint32_t size = magnitude(g) > most ? most : magnitude(g);
    size = size << left > most ? most : size << left;
    return g < 0 ? -(int32_t)size : (int32_t)size;
}

void ref_tintin_dense(const int8_t *restrict error, const int8_t *restrict in, int16_t *restrict weights16,
                      int32_t n_in, int32_t n_out, int32_t shift)
{
    for (int32_t o = 0; o < n_out; o++) {
        int32_t e = error[o];
        int16_t *row = weights16 + o * n_in;
        if (e == 0)
            continue;
        for (int32_t i = 0; i < n_in; i++)
            row[i] = (int16_t)clamped(row[i] - aligned(e * in[i], shift));
    }
}

void ref_tintin_grad(const int32_t *restrict grad, int16_t *restrict weights16, int32_t n, int32_t shift)
{
    for (int32_t i = 0; i < n; i++)
        weights16[i] = (int16_t)clamped(weights16[i] - aligned(grad[i], shift));
}
