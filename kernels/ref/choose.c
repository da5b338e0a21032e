/* Which channels learn: those with the largest sums of |error|, more of them the larger the error of the label's logit. */
#include "ref.h"

static int32_t as_large(const uint32_t *restrict sums, int32_t channels, uint32_t least)
{
    int32_t found = 0;
    for (int32_t c = 0; c < channels; c++)
        found += sums[c] >= least;
    return found;
}

/* The largest number that count sums or more are as large as; count 1 or more. */
static uint32_t kth_largest(const uint32_t *restrict sums, int32_t channels, int32_t count)
{
    uint32_t all = 0, found = 0;
    for (int32_t c = 0; c < channels; c++)
        all |= sums[c];
    for (uint32_t bit = 1u << 30; bit; bit >>= 1)
        if (bit <= all && as_large(sums, channels, found | bit) >= count)
            found |= bit;
    return found;
}

void ref_choose_channels(const int8_t *restrict error, int8_t *restrict out, int32_t positions, int32_t channels,
                         uint32_t *restrict sums, const int8_t *restrict loss_error, int32_t label, int32_t lo,
                         int32_t hi)
{
    uint32_t share = 127 * (uint32_t)lo + (uint32_t)(hi - lo) * magnitude(loss_error[label]);
    int32_t count = (int32_t)(((uint32_t)channels * share + 127 * 100 - 1) / (127 * 100));
    for (int32_t c = 0; c < channels; c++)
        sums[c] = 0;
    for (int32_t p = 0; p < positions; p++)
        for (int32_t c = 0; c < channels; c++)
            sums[c] += magnitude(error[p * channels + c]);
    uint32_t least = count ? kth_largest(sums, channels, count) : UINT32_MAX;
    int32_t ties = count - (count ? as_large(sums, channels, least + 1) : 0);
    for (int32_t c = 0; c < channels; c++) {
        int32_t is_chosen = sums[c] > least || (sums[c] == least && ties-- > 0);
        for (int32_t p = 0; p < positions; p++)
            out[p * channels + c] = is_chosen ? error[p * channels + c] : 0;
        sums[c] = is_chosen ? sums[c] : 0;
    }
}
