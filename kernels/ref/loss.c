/* Integer cross-entropy: the error of the logits o * 2^exponent. */
#include "ref.h"

static int32_t score(int32_t logit, int32_t exponent)
{
    return (logit * 47274) >> (15 - exponent); /* 47274 / 2^15 is log2 e */
}

static int32_t power(int32_t z, int32_t best)
{
    z -= best - 10;
    return z < 0 ? 0 : (1 << z) - 1;
}

void ref_loss(const int8_t *restrict logits, int32_t label, int8_t *restrict error, int32_t classes, int32_t exponent)
{
    int32_t best = INT32_MIN, sum = 0, total = 0;
    exponent = exponent < -15 ? -15 : exponent > 7 ? 7 : exponent;
    for (int32_t j = 0; j < classes; j++) {
        int32_t z = score(logits[j], exponent);
        best = z > best ? z : best;
    }
    for (int32_t j = 0; j < classes; j++)
        sum += power(score(logits[j], exponent), best);
    for (int32_t j = 0; j < classes; j++) {
        int32_t g = (int32_t)((uint32_t)power(score(logits[j], exponent), best) * 2048 / (uint32_t)sum);
        error[j] = (int8_t)sat(psto_shift(g, 4));
        total += g;
    }
    int32_t own = (int32_t)((uint32_t)power(score(logits[label], exponent), best) * 2048 / (uint32_t)sum);
    error[label] = (int8_t)sat(psto_shift(own - total, 4));
}
