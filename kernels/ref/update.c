/* Updates: NITI's weights and PRIOT's scores, from a dense layer's error and input or from an int32 gradient. */
#include "ref.h"

void ref_niti_dense(const int8_t *restrict error, const int8_t *restrict in, int8_t *restrict weights, int32_t n_in,
                    int32_t n_out, int32_t shift)
{
    for (int32_t o = 0; o < n_out; o++) {
        int32_t e = error[o];
        int8_t *row = weights + o * n_in;
        if (e == 0)
            continue;
        for (int32_t i = 0; i < n_in; i++)
            row[i] = (int8_t)sat(row[i] - psto_shift(e * in[i], shift));
    }
}

static uint32_t largest(const int8_t *restrict x, int32_t n)
{
    uint32_t best = 0;
    for (int32_t i = 0; i < n; i++)
        best = magnitude(x[i]) > best ? magnitude(x[i]) : best;
    return best;
}

/* The dynamic shift: the bit length of the largest gradient, which is the product of both maxima, minus mu. */
int32_t ref_niti_dense_shift(const int8_t *restrict error, const int8_t *restrict in, int32_t n_in, int32_t n_out,
                             int32_t mu)
{
    return bit_length(largest(error, n_out) * largest(in, n_in)) - mu;
}

void ref_niti_grad(const int32_t *restrict grad, int8_t *restrict weights, int32_t n, int32_t shift)
{
    for (int32_t i = 0; i < n; i++)
        weights[i] = (int8_t)sat(weights[i] - psto_shift(grad[i], shift));
}

void ref_niti_rows(const int32_t *restrict grad, int8_t *restrict weights, const uint32_t *restrict sums, int32_t n_in,
                   int32_t n_out, int32_t shift)
{
    for (int32_t o = 0; o < n_out; o++)
        if (sums[o])
            ref_niti_grad(grad + o * n_in, weights + o * n_in, n_in, shift);
}

int32_t ref_niti_grad_shift(const int32_t *restrict grad, int32_t n, int32_t mu)
{
    uint32_t seen = 0;
    for (int32_t i = 0; i < n; i++)
        seen |= magnitude(grad[i]);
    return bit_length(seen) - mu;
}

void ref_niti_measure(const int32_t *restrict grad, int32_t n, uint32_t *restrict magnitudes, int32_t begin)
{
    uint32_t seen = begin ? 0 : *magnitudes;
    for (int32_t i = 0; i < n; i++)
        seen |= magnitude(grad[i]);
    *magnitudes = seen;
}

void ref_score_dense(const int8_t *restrict error, const int8_t *restrict in, const int8_t *restrict weights,
                     int8_t *restrict scores, int32_t n_in, int32_t n_out, int32_t shift)
{
    for (int32_t o = 0; o < n_out; o++) {
        int32_t e = error[o];
        const int8_t *w = weights + o * n_in;
        int8_t *s = scores + o * n_in;
        if (e == 0)
            continue;
        for (int32_t i = 0; i < n_in; i++)
            s[i] = (int8_t)sat(s[i] - round_shift(w[i] * e * in[i], shift));
    }
}

void ref_score_grad(const int32_t *restrict grad, const int8_t *restrict weights, int8_t *restrict scores, int32_t n,
                    int32_t shift)
{
    for (int32_t i = 0; i < n; i++)
        scores[i] = (int8_t)sat(scores[i] - round_shift(weights[i] * grad[i], shift));
}

/* gaps: 1 .. 255 to the next scored edge, the first from index -1; 0: 255 further, no edge. */
void ref_sparse_dense(const int8_t *restrict error, const int8_t *restrict in, const int8_t *restrict weights,
                      int8_t *restrict scores, const uint8_t *restrict gaps, int32_t count, int32_t n_in,
                      int32_t shift)
{
    int32_t i = -1;
    for (int32_t j = 0; j < count; j++) {
        for (; *gaps == 0; gaps++)
            i += 255;
        i += *gaps++;
        while (i >= n_in) {
            i -= n_in;
            weights += n_in;
            error++;
        }
        scores[j] = (int8_t)sat(scores[j] - round_shift(weights[i] * *error * in[i], shift));
    }
}

void ref_sparse_grad(const int32_t *restrict grad, const int8_t *restrict weights, int8_t *restrict scores,
                     const uint8_t *restrict gaps, int32_t count, int32_t shift)
{
    int32_t i = -1;
    for (int32_t j = 0; j < count; j++) {
        for (; *gaps == 0; gaps++)
            i += 255;
        i += *gaps++;
        scores[j] = (int8_t)sat(scores[j] - round_shift(weights[i] * grad[i], shift));
    }
}

static int32_t clamped(int64_t x, int32_t limit)
{
    return x > limit ? limit : x < -limit ? -limit : (int32_t)x;
}

void ref_bias_update(const int8_t *restrict error, int32_t *restrict biases, int32_t positions, int32_t channels,
                     int32_t right, int32_t left, int32_t limit)
{
    for (int32_t c = 0; c < channels; c++) {
        int32_t sum = 0;
        for (int32_t at = 0; at < positions; at++)
            sum += error[at * channels + c];
        int64_t step = (int64_t)round_shift(sum, right) * ((int64_t)1 << left);
        biases[c] = clamped(biases[c] - clamped(step, limit), limit);
    }
}

void ref_gates_pack(const uint8_t *restrict in, uint8_t *restrict out, int32_t n)
{
    for (int32_t i = 0; i < n; i += 8) {
        uint32_t bits = 0;
        for (int32_t k = 0; k < 8 && i + k < n; k++)
            bits |= (uint32_t)(in[i + k] != 0) << k;
        *out++ = (uint8_t)bits;
    }
}

void ref_gates_unpack(const uint8_t *restrict in, uint8_t *restrict out, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        out[i] = in[i >> 3] >> (i & 7) & 1;
}

void ref_places_pack(const uint8_t *restrict in, uint8_t *restrict out, int32_t n)
{
    for (int32_t i = 0; i < n; i += 4) {
        uint32_t bits = 0;
        for (int32_t k = 0; k < 4 && i + k < n; k++)
            bits |= (uint32_t)in[i + k] << 2 * k;
        *out++ = (uint8_t)bits;
    }
}

void ref_places_unpack(const uint8_t *restrict in, uint8_t *restrict out, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        out[i] = in[i >> 2] >> 2 * (i & 3) & 3;
}
