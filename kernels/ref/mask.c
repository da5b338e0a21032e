/* Masked weights (pruned: 0) and masks as bits, from scores and a selection. */
#include "ref.h"

void ref_mask_copy(const int8_t *restrict weights, const int8_t *restrict scores,
                   const ref_selection_t *restrict selection, int8_t *restrict out, int32_t n)
{
    int32_t cut = selection->cut, ties = selection->ties;
    for (int32_t i = 0; i < n; i++) {
        int32_t s = scores[i];
        out[i] = s > cut || (s == cut && ties-- > 0) ? weights[i] : 0;
    }
}

void ref_mask_pack(const int8_t *restrict scores, const ref_selection_t *restrict selection, uint8_t *restrict bits,
                   int32_t n)
{
    int32_t cut = selection->cut, ties = selection->ties;
    for (int32_t i = 0; i < n; i += 8) {
        uint32_t byte = 0;
        for (int32_t b = 0; b < 8 && i + b < n; b++) {
            int32_t s = scores[i + b];
            if (s > cut || (s == cut && ties-- > 0))
                byte |= 1u << b;
        }
        *bits++ = (uint8_t)byte;
    }
}

void ref_mask_bits(const int8_t *restrict weights, const uint8_t *restrict bits, int8_t *restrict out, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        out[i] = bits[i >> 3] >> (i & 7) & 1 ? weights[i] : 0;
}

void ref_sparse_copy(const int8_t *restrict weights, const int8_t *restrict scores,
                     const ref_selection_t *restrict selection, const uint8_t *restrict gaps, int32_t count,
                     int8_t *restrict out, int32_t n)
{
    int32_t cut = selection->cut, ties = selection->ties, at = -1;
    for (int32_t i = 0; i < n; i++)
        out[i] = weights[i];
    for (int32_t j = 0; j < count; j++) {
        for (; *gaps == 0; gaps++)
            at += 255;
        at += *gaps++;
        int32_t s = scores[j];
        if (!(s > cut || (s == cut && ties-- > 0)))
            out[at] = 0;
    }
}
