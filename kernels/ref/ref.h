/*
 * The kernels of m0k.h as a C programmer would write them: plain `restrict` loops over row-major arrays. They are what
 * the hand-written ones are measured against, and a second statement of the same arithmetic. swar.c is less plain.
 *
 * Weights and scores are int8 in logical order: dense [n_out][n_in]; convolution [n_out][kernel_h][kernel_w][channels],
 * a row of which has n_in = kernel_h * kernel_w * channels entries. Images, activations and errors are int8 HWC. A
 * "storage index" is the index in these arrays. Static shifts are 0 .. 24, dynamic ones end up at 31 or less.
 */
#ifndef REF_H
#define REF_H

#include <stdint.h>

/* A selection {cut, ties}: kept = score > cut, or score == cut and one of the first `ties` such. Cut is in -128 .. 127. */
typedef struct {
    int32_t cut;
    int32_t ties;
} ref_selection_t;

/* Input [height][width][channels], output [out_h][out_w][n_out] with out_h = (height + 2 * pad_h - kernel_h) / stride + 1. */
typedef struct {
    int32_t height, width, channels, n_out, kernel_h, kernel_w, stride, pad_h, pad_w;
} ref_shape_t;

/* A map [height][width][channels] and windows that lie side by side in it; what makes no whole window is left out. */
typedef struct {
    int32_t height, width, channels, window_h, window_w;
} ref_pool_t;

static inline int32_t sat(int32_t x)
{
    return x > 127 ? 127 : x < -127 ? -127 : x;
}

static inline uint32_t magnitude(int32_t x)
{
    return x < 0 ? -(uint32_t)x : (uint32_t)x;
}

/* Nearest, ties away from zero. */
static inline int32_t round_shift(int32_t x, int32_t s)
{
    return s <= 0 ? x : (int32_t)((uint32_t)x + (1u << (s - 1)) + (uint32_t)(x >> 31)) >> s;
}

/* NITI's rounding: the upper half of the discarded bits is compared with the lower half instead of a random number. */
static inline int32_t psto_shift(int32_t x, int32_t s)
{
    if (s <= 0)
        return x;
    uint32_t size = magnitude(x);
    uint32_t rest = size & ((1u << s) - 1);
    int32_t half = s >> 1;
    uint32_t low = (rest & ((1u << half) - 1)) << (s & 1);
    int32_t t = (int32_t)((size >> s) + (rest >> half > low));
    return x < 0 ? -t : t;
}

static inline int32_t bit_length(uint32_t x)
{
    int32_t bits = 0;
    for (; x; x >>= 1)
        bits++;
    return bits;
}

/* dense.c */
void ref_dense_forward(const int8_t *restrict in, const int8_t *restrict weights, int8_t *restrict out, int32_t n_in,
                       int32_t n_out, int32_t shift, int32_t relu);
void ref_dense_sums(const int8_t *restrict in, const int8_t *restrict weights, int32_t *restrict acc, int32_t n_in,
                    int32_t n_out);
void ref_dense_back(const int8_t *restrict error, const int8_t *restrict weights, int32_t *restrict acc,
                    int8_t *restrict out, int32_t n_in, int32_t n_out, int32_t shift, const int8_t *restrict gate);
void ref_dense_back_sums(const int8_t *restrict error, const int8_t *restrict weights, int32_t *restrict acc,
                         int32_t n_in, int32_t n_out);

/* conv.c */
void ref_conv_forward(const ref_shape_t *s, const int8_t *restrict in, const int8_t *restrict weights,
                      int8_t *restrict out, int32_t shift, int32_t relu);
void ref_conv_sums(const ref_shape_t *s, const int8_t *restrict in, const int8_t *restrict weights,
                   int32_t *restrict acc);
void ref_conv_back(const ref_shape_t *s, const int8_t *restrict error, const uint8_t *restrict argmax,
                   const int8_t *restrict weights, int32_t *restrict acc, int8_t *restrict out, int32_t shift,
                   const int8_t *restrict gate);
void ref_conv_back_sums(const ref_shape_t *s, const int8_t *restrict error, const uint8_t *restrict argmax,
                        const int8_t *restrict weights, int32_t *restrict acc);
void ref_conv_grad(const ref_shape_t *s, const int8_t *restrict error, const uint8_t *restrict argmax,
                   const int8_t *restrict in, int32_t *restrict grad);

/* depthwise.c: weights [channels][kernel_h][kernel_w], the gradient likewise */
void ref_depthwise_forward(const ref_shape_t *s, const int8_t *restrict in, const int8_t *restrict weights,
                           int8_t *restrict out, int32_t shift, int32_t relu);
void ref_depthwise_sums(const ref_shape_t *s, const int8_t *restrict in, const int8_t *restrict weights,
                        int32_t *restrict acc);
void ref_depthwise_back(const ref_shape_t *s, const int8_t *restrict error, const uint8_t *restrict argmax,
                        const int8_t *restrict weights, int32_t *restrict acc, int8_t *restrict out, int32_t shift,
                        const int8_t *restrict gate);
void ref_depthwise_back_sums(const ref_shape_t *s, const int8_t *restrict error, const uint8_t *restrict argmax,
                             const int8_t *restrict weights, int32_t *restrict acc);
void ref_depthwise_grad(const ref_shape_t *s, const int8_t *restrict error, const uint8_t *restrict argmax,
                        const int8_t *restrict in, int32_t *restrict grad);

/* swar.c: weights are the edge array of m0k.h, `in` and `patch` are 4-aligned and rounded up to words, as there */
void ref_swar_dense_forward(const uint32_t *restrict in, const uint32_t *restrict weights, int8_t *restrict out,
                            int32_t n_in, int32_t n_out, int32_t shift, int32_t relu, int32_t signed_in);
void ref_swar_dense_forward_skipping(const uint32_t *restrict in, const uint32_t *restrict weights,
                                     int8_t *restrict out, int32_t n_in, int32_t n_out, int32_t shift, int32_t relu,
                                     int32_t signed_in);
void ref_swar_conv_forward(const ref_shape_t *s, const int8_t *restrict in, const uint32_t *restrict weights,
                           int8_t *restrict out, uint32_t *restrict patch, int32_t shift, int32_t relu,
                           int32_t signed_in);
void ref_swar_conv_forward_skipping(const ref_shape_t *s, const int8_t *restrict in, const uint32_t *restrict weights,
                                    int8_t *restrict out, uint32_t *restrict patch, int32_t shift, int32_t relu,
                                    int32_t signed_in);

/* pool_window.c: factors as in m0k.h */
void ref_pool_window(const ref_pool_t *p, const int8_t *restrict in, int8_t *restrict out, uint8_t *restrict argmax);
void ref_average(const ref_pool_t *p, const int8_t *restrict in, int8_t *restrict out, int32_t factor);
void ref_unpool(const ref_pool_t *p, const int8_t *restrict error, const uint8_t *restrict argmax,
                int8_t *restrict out);
void ref_average_back(const ref_pool_t *p, const int8_t *restrict error, int8_t *restrict out, int32_t factor);

/* pool.c, requant.c, loss.c */
void ref_pool(const int8_t *restrict in, int8_t *restrict out, uint8_t *restrict argmax, int32_t height, int32_t width,
              int32_t channels);
int32_t ref_requant(const int32_t *restrict acc, int8_t *restrict out, int32_t n, int32_t relu,
                    const int8_t *restrict gate);
void ref_add(const int8_t *restrict a, const int8_t *restrict b, int8_t *restrict out, int32_t n, int32_t difference,
             const int8_t *restrict gate);
void ref_loss(const int8_t *restrict logits, int32_t label, int8_t *restrict error, int32_t classes, int32_t exponent);

/* update.c */
void ref_choose_channels(const int8_t *restrict error, int8_t *restrict out, int32_t positions, int32_t channels,
                         uint32_t *restrict sums, const int8_t *restrict loss_error, int32_t label, int32_t lo,
                         int32_t hi);
void ref_niti_dense(const int8_t *restrict error, const int8_t *restrict in, int8_t *restrict weights, int32_t n_in,
                    int32_t n_out, int32_t shift);
int32_t ref_niti_dense_shift(const int8_t *restrict error, const int8_t *restrict in, int32_t n_in, int32_t n_out,
                             int32_t mu);
void ref_niti_grad(const int32_t *restrict grad, int8_t *restrict weights, int32_t n, int32_t shift);
void ref_niti_rows(const int32_t *restrict grad, int8_t *restrict weights, const uint32_t *restrict sums, int32_t n_in,
                   int32_t n_out, int32_t shift);
int32_t ref_niti_grad_shift(const int32_t *restrict grad, int32_t n, int32_t mu);
void ref_niti_measure(const int32_t *restrict grad, int32_t n, uint32_t *restrict magnitudes, int32_t begin);
void ref_gates_pack(const uint8_t *restrict in, uint8_t *restrict out, int32_t n);
void ref_gates_unpack(const uint8_t *restrict in, uint8_t *restrict out, int32_t n);
void ref_places_pack(const uint8_t *restrict in, uint8_t *restrict out, int32_t n);
void ref_places_unpack(const uint8_t *restrict in, uint8_t *restrict out, int32_t n);
void ref_bias_update(const int8_t *restrict error, int32_t *restrict biases, int32_t positions, int32_t channels,
                     int32_t right, int32_t left, int32_t limit);
void ref_score_dense(const int8_t *restrict error, const int8_t *restrict in, const int8_t *restrict weights,
                     int8_t *restrict scores, int32_t n_in, int32_t n_out, int32_t shift);
void ref_score_grad(const int32_t *restrict grad, const int8_t *restrict weights, int8_t *restrict scores, int32_t n,
                    int32_t shift);
void ref_sparse_dense(const int8_t *restrict error, const int8_t *restrict in, const int8_t *restrict weights,
                      int8_t *restrict scores, const uint8_t *restrict gaps, int32_t count, int32_t n_in,
                      int32_t shift);
void ref_sparse_grad(const int32_t *restrict grad, const int8_t *restrict weights, int8_t *restrict scores,
                     const uint8_t *restrict gaps, int32_t count, int32_t shift);

/* select.c, mask.c */
void ref_select(const int8_t *restrict scores, int32_t n, int32_t k, ref_selection_t *restrict selection,
                uint32_t *restrict histogram);
void ref_mask_copy(const int8_t *restrict weights, const int8_t *restrict scores,
                   const ref_selection_t *restrict selection, int8_t *restrict out, int32_t n);
void ref_mask_pack(const int8_t *restrict scores, const ref_selection_t *restrict selection, uint8_t *restrict bits,
                   int32_t n);
void ref_mask_bits(const int8_t *restrict weights, const uint8_t *restrict bits, int8_t *restrict out, int32_t n);
void ref_sparse_copy(const int8_t *restrict weights, const int8_t *restrict scores,
                     const ref_selection_t *restrict selection, const uint8_t *restrict gaps, int32_t count,
                     int8_t *restrict out, int32_t n);

/* correct.c. Lists of pruned edges: 1 .. 255 to the next one, the first from index -1; 0: 240 further, no edge. */
void ref_prune_list(const int8_t *restrict scores, const ref_selection_t *restrict selection, uint8_t *restrict list,
                    int32_t capacity, int32_t n, uint32_t *restrict state);
void ref_sparse_list(const int8_t *restrict scores, const ref_selection_t *restrict selection,
                     const uint8_t *restrict gaps, int32_t count, uint8_t *restrict list, int32_t capacity,
                     uint32_t *restrict state);
void ref_correct_forward(const int8_t *restrict in, const int8_t *restrict weights, const uint8_t *restrict list,
                         int32_t bytes, const int32_t *restrict bias, int32_t *restrict out, int32_t n_in,
                         int32_t n_out);
void ref_correct_back(const int8_t *restrict error, const int8_t *restrict weights, const uint8_t *restrict list,
                      int32_t bytes, int32_t *restrict acc, int32_t n_in);
void ref_first_values(const int32_t *restrict biases, int32_t *restrict out, int32_t n, int32_t exponent_in,
                      int32_t exponent_image);

/* zo.c. Steps are int8[count], losses those of W + z and W - z. */
typedef struct {
    uint32_t *steps, *key;
    uint32_t seed;
} ref_draws_t;

void ref_zo_next(const ref_draws_t *p);
void ref_zo_rows(const int8_t *restrict weights, int8_t *restrict out, int32_t n_in, int32_t n_out,
                 const uint32_t *restrict key, uint32_t first, int32_t sparsity, uint32_t count,
                 const int8_t *restrict steps);
void ref_zo_move(int8_t *restrict weights, int32_t n_in, int32_t n_out, const uint32_t *restrict key, uint32_t first,
                 int32_t sparsity, uint32_t count, const int32_t *restrict losses, const int8_t *restrict down,
                 const int8_t *restrict up);
void ref_zo_loss(const int8_t *restrict logits, int32_t label, int32_t *restrict loss, int32_t classes,
                 int32_t exponent);

#endif
