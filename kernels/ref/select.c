/* Exact top-k of int8 scores by a histogram of 256 bins. */
#include "ref.h"

void ref_select(const int8_t *restrict scores, int32_t n, int32_t k, ref_selection_t *restrict selection,
                uint32_t *restrict histogram)
{
    for (int32_t i = 0; i < 256; i++)
        histogram[i] = 0;
    for (int32_t i = 0; i < n; i++)
        histogram[scores[i] + 128]++;
    int32_t left = k < n ? k : n;
    int32_t bin = 255;
    for (; left > (int32_t)histogram[bin]; bin--)
        left -= (int32_t)histogram[bin];
    selection->cut = bin - 128;
    selection->ties = left;
}
