/* Zeroth order: draws for the weights of a layer (row-major), steps by them, and a loss to compare. See zo.S. */
#include "ref.h"

#define STRIDE 0x9E3779B9u

static inline uint32_t mix(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x85EBCA6Bu;
    x ^= x >> 13;
    x *= 0xC2B2AE35u;
    return x ^ x >> 16;
}

static inline void add_draws(int8_t *restrict weights, int32_t n_in, int32_t n_out, uint32_t key, uint32_t first,
                             int32_t sparsity, uint32_t count, const int8_t *restrict steps)
{
    uint32_t x = key + first * STRIDE, block = 1u << sparsity;
    for (int32_t o = 0; o < n_out; o++, weights += n_in)
        for (uint32_t start = 0; start < (uint32_t)n_in; start += block, x += STRIDE) {
            uint32_t drawn = mix(x), i = start + (drawn & (block - 1));
            if (i < (uint32_t)n_in)
                weights[i] = (int8_t)sat(weights[i] + steps[(drawn >> 16) * count >> 16]);
        }
}

void ref_zo_next(const ref_draws_t *p)
{
    *p->key = mix(p->seed + ++*p->steps * STRIDE);
}

void ref_zo_rows(const int8_t *restrict weights, int8_t *restrict out, int32_t n_in, int32_t n_out,
                 const uint32_t *restrict key, uint32_t first, int32_t sparsity, uint32_t count,
                 const int8_t *restrict steps)
{
    for (int32_t i = 0; i < n_in * n_out; i++)
        out[i] = weights[i];
    add_draws(out, n_in, n_out, *key, first, sparsity, count, steps);
}

void ref_zo_move(int8_t *restrict weights, int32_t n_in, int32_t n_out, const uint32_t *restrict key, uint32_t first,
                 int32_t sparsity, uint32_t count, const int32_t *restrict losses, const int8_t *restrict down,
                 const int8_t *restrict up)
{
    if (losses[0] != losses[1])
        add_draws(weights, n_in, n_out, *key, first, sparsity, count, losses[0] > losses[1] ? down : up);
}

static inline int32_t scaled_log2(int32_t logit, int32_t exponent)
{
    return exponent > 3 ? logit * 47274 << (exponent - 3) : logit * 47274 >> (3 - exponent);
}

void ref_zo_loss(const int8_t *restrict logits, int32_t label, int32_t *restrict loss, int32_t classes,
                 int32_t exponent)
{
    int32_t e = exponent < -15 ? -15 : exponent > 7 ? 7 : exponent, top = logits[0];
    for (int32_t j = 1; j < classes; j++)
        top = logits[j] > top ? logits[j] : top;
    top = scaled_log2(top, e);
    uint32_t total = 0;
    for (int32_t j = 0; j < classes; j++) {
        int32_t z = scaled_log2(logits[j], e) - top, whole = -(z >> 12);
        if (whole < 32)
            total += (uint32_t)(4096 + (z & 4095)) << 4 >> whole;
    }
    int32_t bits = bit_length(total) - 1;
    *loss = (bits - 17) * 4096 + (int32_t)(total >> (bits - 12)) + top - scaled_log2(logits[label], e);
}
