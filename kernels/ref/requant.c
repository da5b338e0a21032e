/* Dynamic requantisation of a tensor: the shift that brings the largest sum to seven bits; and tensors added up. */
#include "ref.h"

/* Returns the shift, which the caller adds to the exponents. */
int32_t ref_requant(const int32_t *restrict acc, int8_t *restrict out, int32_t n, int32_t relu,
                    const int8_t *restrict gate)
{
    uint32_t seen = 0;
    for (int32_t i = 0; i < n; i++)
        seen |= magnitude(acc[i]);
    int32_t shift = bit_length(seen) - 7;
    if (shift < 0)
        shift = 0;
    for (int32_t i = 0; i < n; i++) {
        int32_t y = sat(round_shift(acc[i], shift));
        out[i] = (int8_t)((relu && y < 0) || (gate && gate[i] == 0) ? 0 : y);
    }
    return shift;
}

/* In the coarser of two scales: a's exponent is `difference` above b's. Without a gate there is a ReLU. */
void ref_add(const int8_t *restrict a, const int8_t *restrict b, int8_t *restrict out, int32_t n, int32_t difference,
             const int8_t *restrict gate)
{
    int32_t by_a = difference < -8 ? 8 : -difference, by_b = difference > 8 ? 8 : difference;
    for (int32_t i = 0; i < n; i++) {
        int32_t y = sat(round_shift(a[i], by_a) + round_shift(b[i], by_b));
        out[i] = (int8_t)((gate ? gate[i] == 0 : y < 0) ? 0 : y);
    }
}
