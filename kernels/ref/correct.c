/* Lists of pruned edges, sums without these, and biases as first values. */
#include "ref.h"

/* Appends a distance: a byte of 1 .. 255, after zeros that stand for 240 each. Returns the bytes used so far. */
static inline int32_t put(uint8_t *restrict list, int32_t used, int32_t capacity, int32_t distance)
{
    for (; distance > 255; distance -= 240, used++)
        if (used < capacity)
            list[used] = 0;
    if (used < capacity)
        list[used] = (uint8_t)distance;
    return used + 1;
}

static inline void finish(uint32_t *restrict state, int32_t used, int32_t capacity)
{
    state[0] = used > capacity;
    state[1] = used > capacity ? 0 : (uint32_t)used;
}

void ref_prune_list(const int8_t *restrict scores, const ref_selection_t *restrict selection, uint8_t *restrict list,
                    int32_t capacity, int32_t n, uint32_t *restrict state)
{
    int32_t cut = selection->cut, ties = selection->ties, last = -1, used = 0;
    for (int32_t i = 0; i < n; i++) {
        int32_t s = scores[i];
        if (s > cut || (s == cut && ties-- > 0))
            continue;
        used = put(list, used, capacity, i - last);
        last = i;
    }
    finish(state, used, capacity);
}

/* gaps: 1 .. 255 to the next scored edge, the first from index -1; 0: 255 further, no edge. */
void ref_sparse_list(const int8_t *restrict scores, const ref_selection_t *restrict selection,
                     const uint8_t *restrict gaps, int32_t count, uint8_t *restrict list, int32_t capacity,
                     uint32_t *restrict state)
{
    int32_t cut = selection->cut, ties = selection->ties, at = -1, last = -1, used = 0;
    for (int32_t j = 0; j < count; j++) {
        for (; *gaps == 0; gaps++)
            at += 255;
        at += *gaps++;
        int32_t s = scores[j];
        if (s > cut || (s == cut && ties-- > 0))
            continue;
        used = put(list, used, capacity, at - last);
        last = at;
    }
    finish(state, used, capacity);
}

void ref_correct_forward(const int8_t *restrict in, const int8_t *restrict weights, const uint8_t *restrict list,
                         int32_t bytes, const int32_t *restrict bias, int32_t *restrict out, int32_t n_in,
                         int32_t n_out)
{
    int32_t i = -1;
    for (int32_t o = 0; o < n_out; o++)
        out[o] = bias ? bias[o] : 0;
    for (const uint8_t *end = list + bytes; list != end; list++) {
        i += *list ? *list : 240;
        for (; i >= n_in; i -= n_in) {
            weights += n_in;
            out++;
        }
        if (*list)
            *out -= weights[i] * in[i];
    }
}

void ref_correct_back(const int8_t *restrict error, const int8_t *restrict weights, const uint8_t *restrict list,
                      int32_t bytes, int32_t *restrict acc, int32_t n_in)
{
    int32_t at = -1;
    for (int32_t i = 0; i < n_in; i++)
        acc[i] = 0;
    for (const uint8_t *end = list + bytes; list != end; list++) {
        at += *list ? *list : 240;
        for (; at >= n_in; at -= n_in) {
            weights += n_in;
            error++;
        }
        if (*list)
            acc[at] -= weights[at] * *error;
    }
}

void ref_first_values(const int32_t *restrict biases, int32_t *restrict out, int32_t n, int32_t exponent_in,
                      int32_t exponent_image)
{
    const int32_t largest = 0x1fffffff;
    int32_t s = exponent_in - exponent_image;
    if (s > 0) {
        for (int32_t i = 0; i < n; i++)
            out[i] = s > 30 ? 0 : round_shift(biases[i], s);
        return;
    }
    for (int32_t i = 0; i < n; i++) {
        int64_t y = (int64_t)biases[i] * ((int64_t)1 << (s < -30 ? 30 : -s));
        out[i] = y > largest ? largest : y < -largest ? -largest : (int32_t)y;
    }
}
