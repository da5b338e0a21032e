/* Dense layers: forward and error backward, static (stored as int8) and dynamic (sums for ref_requant). */
#include "ref.h"

static inline int32_t dot(const int8_t *restrict a, const int8_t *restrict w, int32_t n)
{
    int32_t sum = 0;
    for (int32_t i = 0; i < n; i++)
        sum += a[i] * w[i];
    return sum;
}

void ref_dense_forward(const int8_t *restrict in, const int8_t *restrict weights, int8_t *restrict out, int32_t n_in,
                       int32_t n_out, int32_t shift, int32_t relu)
{
    for (int32_t o = 0; o < n_out; o++) {
        int32_t y = sat(round_shift(dot(in, weights + o * n_in, n_in), shift));
        out[o] = (int8_t)(relu && y < 0 ? 0 : y);
    }
}

void ref_dense_sums(const int8_t *restrict in, const int8_t *restrict weights, int32_t *restrict acc, int32_t n_in,
                    int32_t n_out)
{
    for (int32_t o = 0; o < n_out; o++)
        acc[o] = dot(in, weights + o * n_in, n_in);
}

void ref_dense_back_sums(const int8_t *restrict error, const int8_t *restrict weights, int32_t *restrict acc,
                         int32_t n_in, int32_t n_out)
{
    for (int32_t i = 0; i < n_in; i++)
        acc[i] = 0;
    for (int32_t o = 0; o < n_out; o++) {
        int32_t e = error[o];
        if (e == 0)
            continue;
        const int8_t *row = weights + o * n_in;
        for (int32_t i = 0; i < n_in; i++)
            acc[i] += e * row[i];
    }
}

void ref_dense_back(const int8_t *restrict error, const int8_t *restrict weights, int32_t *restrict acc,
                    int8_t *restrict out, int32_t n_in, int32_t n_out, int32_t shift, const int8_t *restrict gate)
{
    ref_dense_back_sums(error, weights, acc, n_in, n_out);
    for (int32_t i = 0; i < n_in; i++)
        out[i] = (int8_t)(gate && gate[i] <= 0 ? 0 : sat(round_shift(acc[i], shift)));
}
