/*
 * Forward passes with the hand-written kernels' own idea, in C: two products a multiplication, in lanes of 16 bits of a
 * word ("SIMD within a register"), and four outputs at once, so that an input's word is split once for four weights.
 * They read the edge array of m0k.h, since int8 rows would have to be put into that order first. What a kernel is
 * faster than these by is what assembly gives; the rest is the idea.
 *
 * Inputs 4j, 4j+2 are the lanes (a0, a2) of a word's even bytes, the weights' lanes are the other way round (w2, w0):
 *     (a0 + (a2 << 16)) * (w2 + (w0 << 16)) = a0 * w2 + ((a0 * w0 + a2 * w2) << 16)   (mod 2^32)
 * Unsigned: inputs 0 .. 127 with stored weights u = w + 128. a0 * u2 < 2^16 carries nothing, the upper half is the sum
 * of two products, and 128 * sum(a) is taken off at the start. Signed: |a0 * w2| < 2^15, so adding 2^15 before the
 * shift rounds the upper half to the sum. The functions in two forms: all words, and skipping words of zeros, which pays
 * where there are many.
 */
#include "window.h"

#define LANES 0x00ff00ffu
#define HALVES 0x00800080u

static inline uint32_t even(uint32_t x)
{
    return x & LANES;
}

static inline uint32_t odd(uint32_t x)
{
    return x >> 8 & LANES;
}

/* Two lanes as one number: each is a signed byte. */
static inline uint32_t signed_lanes(uint32_t lanes)
{
    return (lanes ^ HALVES) - HALVES;
}

static inline int32_t unsigned_pair(uint32_t a, uint32_t u)
{
    return (int32_t)(a * u >> 16);
}

/* `rounding` = 2^15 - a * HALVES, the same for all weights: u - HALVES are the signed weights' lanes. */
static inline int32_t signed_pair(uint32_t a, uint32_t u, uint32_t rounding)
{
    return (int32_t)(a * u + rounding) >> 16;
}

typedef struct {
    int32_t sum[4];
} ref_sums_t;

static inline __attribute__((always_inline)) ref_sums_t unsigned_sums(const uint32_t *restrict in, const uint32_t *restrict w, int32_t words,
                                       int32_t first, int32_t skip)
{
    int32_t s0 = first, s1 = first, s2 = first, s3 = first;
    for (const uint32_t *end = in + words; in != end; w += 4) {
        uint32_t x = *in++, a = even(x), b = odd(x);
        if (skip && x == 0)
            continue;
        s0 += unsigned_pair(a, even(w[0])) + unsigned_pair(b, odd(w[0]));
        s1 += unsigned_pair(a, even(w[1])) + unsigned_pair(b, odd(w[1]));
        s2 += unsigned_pair(a, even(w[2])) + unsigned_pair(b, odd(w[2]));
        s3 += unsigned_pair(a, even(w[3])) + unsigned_pair(b, odd(w[3]));
    }
    return (ref_sums_t){{s0, s1, s2, s3}};
}

static inline __attribute__((always_inline)) ref_sums_t signed_sums(const uint32_t *restrict in, const uint32_t *restrict w, int32_t words,
                                     int32_t skip)
{
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (const uint32_t *end = in + words; in != end; w += 4) {
        uint32_t x = *in++, a = signed_lanes(even(x)), b = signed_lanes(odd(x));
        uint32_t ra = 0x8000u - a * HALVES, rb = 0x8000u - b * HALVES;
        if (skip && x == 0)
            continue;
        s0 += signed_pair(a, even(w[0]), ra) + signed_pair(b, odd(w[0]), rb);
        s1 += signed_pair(a, even(w[1]), ra) + signed_pair(b, odd(w[1]), rb);
        s2 += signed_pair(a, even(w[2]), ra) + signed_pair(b, odd(w[2]), rb);
        s3 += signed_pair(a, even(w[3]), ra) + signed_pair(b, odd(w[3]), rb);
    }
    return (ref_sums_t){{s0, s1, s2, s3}};
}

/* -128 * the sum of all bytes, which are 0 .. 127. */
static inline int32_t correction(const uint32_t *restrict in, int32_t words)
{
    uint32_t sum = 0;
    for (const uint32_t *end = in + words; in != end; in++) {
        uint32_t pairs = even(*in) + odd(*in);
        sum += (pairs & 0xffff) + (pairs >> 16);
    }
    return -128 * (int32_t)sum;
}

/* All outputs of one row of inputs. */
static inline __attribute__((always_inline)) void row(const uint32_t *restrict in, const uint32_t *restrict weights, int8_t *restrict out,
                       int32_t words, int32_t n_out, int32_t shift, int32_t relu, int32_t signed_in, int32_t skip)
{
    int32_t first = signed_in ? 0 : correction(in, words);
    for (int32_t g = 0; g < n_out; g += 4, weights += 4 * words) {
        ref_sums_t s = signed_in ? signed_sums(in, weights, words, skip)
                                 : unsigned_sums(in, weights, words, first, skip);
        for (int32_t o = 0; o < 4 && g + o < n_out; o++) {
            int32_t y = sat(round_shift(s.sum[o], shift));
            *out++ = (int8_t)(relu && y < 0 ? 0 : y);
        }
    }
}

void ref_swar_dense_forward(const uint32_t *restrict in, const uint32_t *restrict weights, int8_t *restrict out,
                            int32_t n_in, int32_t n_out, int32_t shift, int32_t relu, int32_t signed_in)
{
    row(in, weights, out, (n_in + 3) >> 2, n_out, shift, relu, signed_in, 0);
}

void ref_swar_dense_forward_skipping(const uint32_t *restrict in, const uint32_t *restrict weights,
                                     int8_t *restrict out, int32_t n_in, int32_t n_out, int32_t shift, int32_t relu,
                                     int32_t signed_in)
{
    row(in, weights, out, (n_in + 3) >> 2, n_out, shift, relu, signed_in, 1);
}

/* Rows of whole words as such, others byte by byte. */
static inline void copy(int8_t *restrict to, const int8_t *restrict from, int32_t n, int32_t in_words)
{
    if (in_words)
        for (int32_t i = 0; i < n; i += 4)
            *(uint32_t *)(to + i) = *(const uint32_t *)(from + i);
    else
        for (int32_t i = 0; i < n; i++)
            to[i] = from[i];
}

/* The inputs of one output position; what lies outside of the image and behind the last one is zero. */
static inline void patch_at(const ref_shape_t *s, window_t v, const int8_t *restrict in, uint32_t *restrict patch,
                            int32_t words)
{
    int32_t row = s->kernel_w * s->channels, in_words = (s->channels & 3) == 0;
    if (v.length != row || v.ky1 - v.ky0 != s->kernel_h || !in_words)
        for (int32_t i = 0; i < words; i++)
            patch[i] = 0;
    for (int32_t ky = v.ky0; ky < v.ky1; ky++, v.in += s->width * s->channels, v.at += row)
        copy((int8_t *)patch + v.at, in + v.in, v.length, in_words);
}

static inline __attribute__((always_inline)) void conv(const ref_shape_t *s, const int8_t *restrict in, const uint32_t *restrict weights,
                        int8_t *restrict out, uint32_t *restrict patch, int32_t shift, int32_t relu,
                        int32_t signed_in, int32_t skip)
{
    int32_t words = (s->kernel_h * s->kernel_w * s->channels + 3) >> 2;
    int32_t out_h = out_height(s), out_w = out_width(s);
    for (int32_t y = 0; y < out_h; y++)
        for (int32_t x = 0; x < out_w; x++, out += s->n_out) {
            patch_at(s, window(s, y, x), in, patch, words);
            row(patch, weights, out, words, s->n_out, shift, relu, signed_in, skip);
        }
}

void ref_swar_conv_forward(const ref_shape_t *s, const int8_t *restrict in, const uint32_t *restrict weights,
                           int8_t *restrict out, uint32_t *restrict patch, int32_t shift, int32_t relu,
                           int32_t signed_in)
{
    conv(s, in, weights, out, patch, shift, relu, signed_in, 0);
}

void ref_swar_conv_forward_skipping(const ref_shape_t *s, const int8_t *restrict in, const uint32_t *restrict weights,
                                    int8_t *restrict out, uint32_t *restrict patch, int32_t shift, int32_t relu,
                                    int32_t signed_in)
{
    conv(s, in, weights, out, patch, shift, relu, signed_in, 1);
}
