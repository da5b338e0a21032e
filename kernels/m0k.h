/*
 * m0k: hand-written Armv6-M kernels for integer training. One header for all of them.
 *
 * Every kernel is void f(const block *p). A block is made of 32-bit words only and may lie in flash. All kernels keep
 * to the AAPCS. The .S file of a kernel states its ranges, alignment, saturation, stack depth and cycles.
 *
 * Storage of weights and scores. Logical weights are [n_out][n_in]; for a convolution n_out = c_out and
 * n_in = kernel_h * kernel_w * c_in, in that order. P = n_in rounded up to a multiple of 4. The edge array has
 * ceil(n_out / 4) groups of 4 * P bytes, 4-aligned: for each word j of four inputs 4j .. 4j+3, four 32-bit words, one
 * for each output of the group; from the lowest address a word holds the inputs 4j+2, 4j+3, 4j, 4j+1. A weight is
 * stored as w + 128 (1 .. 255), a padding edge as 128; a score as S + 128 (1 .. 255), a padding edge as 0.
 *
 * Columns. Weights that never change may lie in flash once more, by inputs: P rows of R bytes, w + 128 of each output, R
 * being n_out rounded up to a multiple of 4; the rows are in the order of the bytes of a word above, 4j+2, 4j+3, 4j, 4j+1
 * for each j. Behind them 12 bytes of padding and P bytes: the largest |w| of each row, in the order of the rows. Padding
 * edges are 128 here, too.
 *
 * Activations, errors and images are int8 in -127 .. 127, HWC, 4-aligned, in buffers rounded up to 4 bytes whose
 * padding is 0 .. 127.
 */
#ifndef M0K_H
#define M0K_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Returns the 4 * P edge bytes of a group of four outputs. AAPCS. */
typedef const uint8_t *(*m0k_provider_t)(const void *context, uint32_t group);

/* A threshold in storage order: kept = s > cut, or s == cut and among the first `ties` such. */
typedef struct {
    uint32_t cut;
    uint32_t ties;
} m0k_selection_t;

/* ---------------- forward: dense.S, conv.S, pool.S, pool_window.S, average.S, requant.S, bias.S, loss.S */

typedef struct {
    const int8_t *in;
    uint8_t *patch; /* P bytes; bytes behind n_in are set to zero */
    uint32_t height, width, channels, kernel_h, kernel_w, stride, pad_h, pad_w;
    uint32_t y, x; /* output position */
} m0k_im2col_t;

typedef struct {
    const int8_t *in;
    const uint8_t *weights; /* edge array; not used with a provider */
    int8_t *out;
    uint32_t n_in, n_out;
    uint32_t shift; /* 0 .. 24 */
    uint32_t relu;
    uint32_t signed_in; /* 0: in is 0 .. 127, the faster path; 1: -127 .. 127 */
    m0k_provider_t provider; /* 0: none */
    const void *context;
    int32_t *acc_out; /* not 0: int32[n_out] is stored here instead of `out` */
    const int32_t *first; /* int32[n_out]: the accumulators' first values; 0: they are zeros */
    uint8_t *scratch; /* 2.5 * P + 64 bytes, 4-aligned, used during the call only; 0: slower for wide layers */
    const uint8_t *columns; /* 0, or the same weights once more by inputs, see above; not used with a provider */
    const uint32_t *pick; /* 0, or where a word says whether the provider is used: 0 for `weights` and `columns` */
} m0k_dense_t;

typedef struct {
    const int8_t *in; /* [height][width][channels] */
    const uint8_t *weights; /* edge array; not used with a provider */
    int8_t *out;            /* [out_h][out_w][n_out], out_h = (height + 2 * pad_h - kernel_h) / stride + 1 */
    uint8_t *scratch;       /* its size is in the contract of conv.S */
    uint32_t height, width, channels, n_out, kernel_h, kernel_w, stride, pad_h, pad_w;
    uint32_t shift, relu, signed_in;
    int32_t *acc_out;        /* not 0: int32[out_h][out_w][n_out] instead of `out` */
    const int32_t *first;    /* int32[n_out], the accumulators' first values; 0: none */
    m0k_provider_t provider; /* 0: none; asked for each group in turn */
    const void *context;
} m0k_conv_t;

typedef struct {
    const int8_t *in;
    int8_t *out;     /* [height / 2][width / 2][channels] */
    uint8_t *argmax; /* the same shape: 0 .. 3, row-major in the window, the first maximum; 0: not stored */
    uint32_t height, width, channels;
} m0k_pool_t;

typedef struct {
    const int8_t *in;
    int8_t *out;     /* [height / window_h][width / window_w][channels] */
    uint8_t *argmax; /* the same shape: 0 .. window_h * window_w - 1, row-major in the window, the first maximum; or 0 */
    uint32_t height, width, channels, window_h, window_w;
} m0k_pool_window_t;

typedef struct {
    const int8_t *in;
    int8_t *out; /* [height / window_h][width / window_w][channels] */
    uint32_t height, width, channels, window_h, window_w;
    uint32_t factor; /* 2^16 / (window_h * window_w), to nearest */
} m0k_average_t;

typedef struct {
    const int32_t *acc;
    int8_t *out;
    uint32_t n;
    int32_t *exponent;          /* 0: not stored; else *exponent = *exponent_in + exponent_w + shift */
    const int32_t *exponent_in; /* not read when exponent is 0 */
    int32_t exponent_w;
    uint32_t relu;
    const int8_t *gate; /* 0: none; else out[i] = 0 where gate[i] == 0 */
} m0k_requant_t;

typedef struct {
    const int32_t *biases;
    int32_t *out; /* int32[n]: the biases, shifted to the exponent of the accumulators that begin with them */
    uint32_t n;
    const int32_t *exponent_in;
    int32_t exponent_image; /* the inputs' exponent that they are written for */
} m0k_first_values_t;

typedef struct {
    const int8_t *a, *b; /* [n] */
    int8_t *out;         /* [n]; may be a or b */
    uint32_t n;
    int32_t shift;             /* a's exponent minus b's, or how much more than that of the two below */
    const int8_t *gate;        /* 0: out has a ReLU; else out[i] = 0 where gate[i] == 0 */
    const int32_t *exponent_a; /* 0, or where the exponents are */
    const int32_t *exponent_b;
    int32_t *exponent; /* of out, written where exponent_a is not 0 */
} m0k_addition_t;

typedef struct {
    const int8_t *logits;
    const uint32_t *label;
    int8_t *error;
    uint32_t classes;
    const int32_t *exponent_address;
    const void *idle; /* 0, or the phases with which m0k_step goes on where all errors are 0 */
} m0k_loss_t;

/* Weights [channels][kernel_h][kernel_w]: an edge array of channels outputs with kernel_h * kernel_w inputs each. The
 * three blocks of depthwise convolutions begin alike, those of back and grad have error and argmax at the same places:
 * depthwise.S reads what they share by the names of the first that has it. */
typedef struct {
    uint32_t height, width, channels, kernel_h, kernel_w, stride, pad_h, pad_w;
    uint8_t *scratch;  /* its size is in the contract of depthwise.S; 4-aligned */
    const int8_t *in; /* [height][width][channels], -127 .. 127 */
    const uint8_t *weights; /* edge array; not used with a provider */
    int8_t *out;            /* [out_h][out_w][channels], out_h = (height + 2 * pad_h - kernel_h) / stride + 1 */
    uint32_t shift, relu;
    int32_t *acc_out;        /* not 0: int32[out_h][out_w][channels] instead of `out` */
    const int32_t *first;    /* int32[channels], the accumulators' first values; 0: none */
    m0k_provider_t provider; /* 0: none; asked for each group in turn */
    const void *context;
} m0k_depthwise_t;

void m0k_im2col(const m0k_im2col_t *p);
void m0k_dense_forward(const m0k_dense_t *p);
void m0k_conv_forward(const m0k_conv_t *p);
void m0k_depthwise_forward(const m0k_depthwise_t *p);
void m0k_pool(const m0k_pool_t *p); /* 2 x 2 */
void m0k_pool_window(const m0k_pool_window_t *p);
void m0k_average(const m0k_average_t *p);
void m0k_requant(const m0k_requant_t *p);
void m0k_first_values(const m0k_first_values_t *p);
void m0k_add(const m0k_addition_t *p); /* forward and backward */
const void *m0k_loss(const m0k_loss_t *p); /* returns 0, or idle */

/* ---------------- backward: error and gradient */

typedef struct {
    const int8_t *error; /* [n_out] */
    const uint8_t *weights;
    int32_t *acc; /* int32[P], zeroed by the kernel unless `first` */
    int8_t *out;  /* [n_in] */
    uint32_t n_in, n_out, shift;
    const int8_t *gate; /* [n_in] or 0 */
    m0k_provider_t provider;
    const void *context;
    uint32_t dynamic;     /* 1: the sums are left in acc */
    void *scratch;        /* list of errors: 12 bytes for each of the first 64 outputs; 0: none */
    uint32_t first;       /* 1: acc holds the sums' first values */
    const uint32_t *pick; /* not 0: `provider` only where this word is not 0, else `weights` */
} m0k_dense_back_t;

typedef struct {
    const int8_t *error; /* [out_h / 2][out_w / 2][n_out] with argmax, else [out_h][out_w][n_out] */
    const uint8_t *argmax;
    const int8_t *pooled; /* 0 */
    const uint8_t *weights;
    int32_t *acc; /* int32[height * width * channels], zeroed by the kernel; not read with scratch */
    int8_t *out;
    uint32_t height, width, channels, n_out, kernel_h, kernel_w, stride, pad_h, pad_w;
    uint32_t shift;
    const int8_t *gate;
    uint32_t dynamic;
    m0k_provider_t provider;
    const void *context;
    void *scratch; /* not 0: the sums are never kept; its size is in conv_gather.S */
} m0k_conv_back_t;

typedef struct {
    const int8_t *error;
    const uint8_t *argmax;
    const int8_t *in;
    int32_t *grad; /* int32[count_out][P] */
    uint32_t height, width, channels, n_out, kernel_h, kernel_w, stride, pad_h, pad_w;
    uint32_t first_out, count_out; /* of these outputs */
    uint32_t *scratch; /* its size is in conv_grad.S; kept from the call with first_out = 0 to the last */
    uint32_t *active;  /* 1, or 0 where all errors are 0 */
} m0k_conv_grad_t;

typedef struct {
    uint32_t height, width, channels, kernel_h, kernel_w, stride, pad_h, pad_w;
    uint8_t *scratch; /* its size is in the contract of depthwise.S; 4-aligned */
    const int8_t *gate;
    const uint8_t *weights;
    const int8_t *error;   /* [out_h / 2][out_w / 2][channels] with argmax, else [out_h][out_w][channels] */
    const uint8_t *argmax; /* 0: none */
    int32_t *acc;          /* int32[height * width * channels], with dynamic only */
    int8_t *out;           /* without */
    uint32_t shift, dynamic;
    m0k_provider_t provider;
    const void *context;
} m0k_depthwise_back_t;

typedef struct {
    uint32_t height, width, channels, kernel_h, kernel_w, stride, pad_h, pad_w;
    uint8_t *scratch;
    const int8_t *in;
    int32_t *grad; /* int32[count_out][P] */
    const int8_t *error;
    const uint8_t *argmax;
    uint32_t first_out, count_out; /* of these channels */
    uint32_t *active;              /* 1, or 0 where all their errors are 0 */
} m0k_depthwise_grad_t;

/* Of the pools but 2 x 2 maxima, in front of the kernels above, which take their `out` as `error` then, and no argmax. */
typedef struct {
    const int8_t *error;
    const uint8_t *argmax; /* what m0k_pool_window stored */
    int8_t *out;           /* [height][width][channels]: the error at the place of each maximum, else 0 */
    uint32_t height, width, channels, window_h, window_w;
} m0k_unpool_t;

typedef struct {
    const int8_t *error;
    int8_t *out; /* [height][width][channels]: the error over the window's size, its exponent floor(log2 size) less */
    uint32_t height, width, channels, window_h, window_w;
    uint32_t factor; /* 2^(8 + floor(log2 size)) / size, to nearest: 128 .. 256 */
} m0k_average_back_t;

/* Gates and places of 2 x 2 maxima for the way back, packed: gates.S. */
typedef struct {
    const void *in;
    void *out;
    uint32_t n; /* values */
} m0k_bits_t;

void m0k_gates_pack(const m0k_bits_t *p);
void m0k_gates_unpack(const m0k_bits_t *p);
void m0k_places_pack(const m0k_bits_t *p);
void m0k_places_unpack(const m0k_bits_t *p);
void m0k_dense_back(const m0k_dense_back_t *p);
void m0k_conv_back(const m0k_conv_back_t *p);
void m0k_conv_grad(const m0k_conv_grad_t *p);
void m0k_depthwise_back(const m0k_depthwise_back_t *p);
void m0k_depthwise_grad(const m0k_depthwise_grad_t *p);
void m0k_unpool(const m0k_unpool_t *p);
void m0k_average_back(const m0k_average_back_t *p);

/* ---------------- update */

/* In front of an update: of the channels all but the ones with the largest sums of |error| get errors of 0. */
typedef struct {
    const int8_t *error; /* [positions][channels] */
    int8_t *out;         /* the same where the channel is chosen, else 0; it may be error itself, nothing else of it */
    uint32_t positions, channels;
    uint32_t *sums; /* uint32[channels]: of each channel that is chosen the sum of |error|, of the others 0 */
    const int8_t *loss_error;
    const uint32_t *label;
    uint32_t lo, hi; /* percent of the channels that are chosen where loss_error[*label] is 0, and where it is -127 */
} m0k_choose_channels_t;

#define M0K_DYNAMIC 0xFFFFFFFFu /* as shift: taken from the bit length of the gradient, minus mu */

typedef struct {
    const int8_t *error;
    const int8_t *in;
    uint8_t *weights;
    uint32_t n_in, n_out, shift;
    int32_t mu;
    uint32_t signed_in;
} m0k_niti_dense_t;

typedef struct {
    const int32_t *grad; /* int32[n_out][P] */
    uint8_t *weights;
    uint32_t n_in, n_out, shift;
    int32_t mu;
    const uint32_t *active; /* 0, or what m0k_conv_grad left: where it is 0 all of grad is, and nothing moves */
    const uint32_t *magnitudes; /* M0K_DYNAMIC: of the whole gradient, of which grad is a part; 0: grad is measured */
} m0k_niti_grad_t;

/* Begins as m0k_niti_grad_t. */
typedef struct {
    const int32_t *grad;
    uint8_t *weights;
    uint32_t n_in, n_out, shift; /* n_out: 1 .. 4, of a group */
    int32_t mu;
    const uint32_t *active;
    const uint32_t *magnitudes;
    const uint32_t *sums; /* m0k_choose_channels': outputs whose sum is 0 stay as they are */
} m0k_niti_rows_t;

typedef struct {
    const int32_t *grad; /* int32[n_out][P] */
    uint32_t n_in, n_out;
    uint32_t *magnitudes;   /* the OR of all |grad| is added to it: it has the bit length of the largest */
    uint32_t begin;         /* 1: it is 0 before */
    const uint32_t *active; /* as above: where it is 0 grad is not read */
} m0k_niti_measure_t;

typedef struct {
    const int8_t *error;
    const int8_t *in;
    const uint8_t *weights;
    uint8_t *scores;
    uint32_t n_in, n_out, shift, signed_in;
    uint16_t *histogram; /* 0, or m0k_select_kept's: it follows the scores, or is marked as out of date */
} m0k_score_dense_t;

typedef struct {
    const int32_t *grad;
    const uint8_t *weights;
    uint8_t *scores;
    uint32_t n_in, n_out, shift;
    const uint32_t *active; /* 0, or what m0k_conv_grad left: where it is 0 all of grad is, and nothing moves */
    uint16_t *histogram; /* as above */
} m0k_score_grad_t;

/*
 * PRIOT-S: scored edges are a list of gaps in storage order. A gap of 1 .. 255 is the distance from the last scored
 * edge (the first from index -1); 0 advances by 255 and names no edge. `scores` is dense, uint8[count].
 */
typedef struct {
    const int8_t *error;
    const int8_t *in;
    const uint8_t *weights;
    uint8_t *scores;
    const uint8_t *gaps;
    uint32_t count, n_in, n_out, shift;
    uint16_t *histogram; /* as above */
} m0k_sparse_dense_t;

typedef struct {
    const int32_t *grad;
    const uint8_t *weights;
    uint8_t *scores;
    const uint8_t *gaps;
    uint32_t count, n_in, n_out, shift;
    const uint32_t *active; /* 0, or what m0k_conv_grad left: where it is 0 all of grad is, and nothing moves */
    uint32_t passed; /* places between the last scored edge before these outputs and the first of them: 0 from the start */
} m0k_sparse_grad_t;

typedef struct {
    const int8_t *error; /* [positions][channels] */
    int32_t *biases;     /* [channels] */
    uint32_t positions, channels;
    uint32_t right, left, limit; /* of the sum's rounding shift; of the step to the left; of steps and biases */
} m0k_bias_update_t;

void m0k_choose_channels(const m0k_choose_channels_t *p);
void m0k_bias_update(const m0k_bias_update_t *p);
void m0k_niti_dense(const m0k_niti_dense_t *p);
void m0k_niti_grad(const m0k_niti_grad_t *p);
void m0k_niti_rows(const m0k_niti_rows_t *p);
void m0k_niti_measure(const m0k_niti_measure_t *p);
void m0k_score_dense(const m0k_score_dense_t *p);
void m0k_score_grad(const m0k_score_grad_t *p);
void m0k_sparse_dense(const m0k_sparse_dense_t *p);
void m0k_sparse_grad(const m0k_sparse_grad_t *p);

/* ---------------- pruning */

typedef struct {
    const uint8_t *scores;
    uint32_t n, k;
    m0k_selection_t *selection;
    void *histogram; /* 256 counters of scratch; their width is in the contract of the .S file */
} m0k_select_t;

typedef struct {
    const uint8_t *scores;
    uint32_t n, k; /* n: at most 65,535 */
    m0k_selection_t *selection;
    uint16_t *histogram; /* uint16[256]; [0] is 0 where it does not hold the scores: before the first call, or when they
                            were changed by other means than the update kernels that know it */
} m0k_select_kept_t;

typedef struct {
    const uint8_t *weights;
    const uint8_t *scores;
    const m0k_selection_t *selection;
    uint8_t *out; /* kept ? weights[i] : 128 */
    uint32_t n;
} m0k_mask_copy_t;

typedef struct {
    const uint8_t *scores;
    const m0k_selection_t *selection;
    uint8_t *bits;
    uint32_t n;
} m0k_mask_pack_t;

typedef struct {
    const uint8_t *weights;
    const uint8_t *scores;
    const m0k_selection_t *selection;
    const uint8_t *gaps;
    uint32_t count;
    uint8_t *out;
    uint32_t n;
} m0k_sparse_copy_t;

/* The pruned edges as gaps of a byte, for the corrections below; their contracts are in prune_list.S and correct.S. */
typedef struct {
    const uint8_t *scores;
    const m0k_selection_t *selection;
    uint8_t *list;
    uint32_t capacity, n;
    uint32_t *state; /* {0, bytes in the list}; {1, 0} where they are more than capacity: `pick` of the dense kernels */
    uint32_t early;  /* 1: gives up where the list grows faster than capacity allows */
} m0k_prune_list_t;

typedef struct {
    const uint8_t *scores;
    const m0k_selection_t *selection;
    const uint8_t *gaps;
    uint32_t count;
    uint8_t *list;
    uint32_t capacity;
    uint32_t *state;
    uint32_t early;
} m0k_sparse_list_t;

typedef struct {
    const int8_t *in;
    const uint8_t *weights;
    const uint8_t *list;
    const uint32_t *state;
    const int32_t *bias; /* [n_out] or 0 */
    int32_t *out;        /* [n_out]: bias - sum over pruned edges */
    uint32_t n_in, n_out;
} m0k_correct_forward_t;

typedef struct {
    const int8_t *error;
    const uint8_t *weights;
    const uint8_t *list;
    const uint32_t *state;
    int32_t *acc; /* [P]: - sum over pruned edges; left alone where all errors are zero */
    uint32_t n_in, n_out;
} m0k_correct_back_t;

void m0k_prune_list(const m0k_prune_list_t *p);
void m0k_sparse_list(const m0k_sparse_list_t *p);
void m0k_correct_forward(const m0k_correct_forward_t *p);
void m0k_correct_back(const m0k_correct_back_t *p);
void m0k_select(const m0k_select_t *p);
void m0k_select_kept(const m0k_select_kept_t *p);
void m0k_mask_copy(const m0k_mask_copy_t *p);
void m0k_mask_pack(const m0k_mask_pack_t *p);
void m0k_sparse_copy(const m0k_sparse_copy_t *p);

/* ---------------- providers: contexts and functions for the dense kernels' `provider` */

typedef struct {
    const uint8_t *weights;
    const uint8_t *bits;
    uint8_t *scratch;   /* row_bytes */
    uint32_t row_bytes; /* 4 * P */
} m0k_rows_bits_t;

typedef struct {
    const uint8_t *weights;
    const uint8_t *scores;
    const m0k_selection_t *selection;
    uint8_t *scratch;
    uint32_t row_bytes;
    uint32_t *state; /* ties left; reset when group == 0 */
} m0k_rows_scores_t;

typedef struct {
    const uint8_t *weights;
    const uint8_t *scores;
    const m0k_selection_t *selection;
    const uint8_t *gaps;
    uint32_t count;
    uint8_t *scratch;
    uint32_t row_bytes;
    uint32_t *state; /* four words: next index, gap address, score address, ties left; reset when group == 0 */
} m0k_rows_sparse_t;

const uint8_t *m0k_rows_bits(const void *context, uint32_t group);
const uint8_t *m0k_rows_scores(const void *context, uint32_t group);
const uint8_t *m0k_rows_sparse(const void *context, uint32_t group);

/* ---------------- Tin-Tin: tintin.S. weights16: uint16[edges], its order and bias are in tintin.S */

typedef struct {
    const uint16_t *weights16;
    uint8_t *scratch;   /* row_bytes */
    uint32_t row_bytes; /* 4 * P */
} m0k_rows_w16_t;

typedef struct {
    const uint16_t *weights16;
    uint8_t *out; /* edge array: the weights rounded to 8 bits */
    uint32_t n;   /* edges, padding included */
} m0k_w16_copy_t;

/* shift = base - *error_exponent - *in_exponent; base = exponent of the weights - 8 + log2(1 / learning rate) */
typedef struct {
    const int8_t *error;
    const int8_t *in; /* 0 .. 127 */
    uint16_t *weights16;
    uint32_t n_in, n_out;
    const int32_t *error_exponent;
    const int32_t *in_exponent;
    int32_t base;
} m0k_tintin_dense_t;

typedef struct {
    const int32_t *grad; /* int32[n_out][P] */
    uint16_t *weights16;
    uint32_t n_in, n_out;
    const int32_t *error_exponent;
    const int32_t *in_exponent;
    int32_t base;
    const uint32_t *active; /* 0, or what m0k_conv_grad left: where it is 0 all of grad is, and nothing moves */
} m0k_tintin_grad_t;

const uint8_t *m0k_rows_w16(const void *context, uint32_t group);
void m0k_w16_copy(const m0k_w16_copy_t *p);
void m0k_tintin_dense(const m0k_tintin_dense_t *p);
void m0k_tintin_grad(const m0k_tintin_grad_t *p);

/* ---------------- Zeroth order: zo.S. Layers draw a sparse step for their weights from *key, again wherever it is asked for */

typedef struct {
    uint32_t *steps; /* steps so far, this one included afterwards */
    uint32_t *key;   /* what all draws of this step begin with */
    uint32_t seed;
} m0k_zo_next_t;

/* The two blocks of draws begin alike: zo.S reads what they share by the names of the first. */
typedef struct {
    uint32_t n_in, n_out;
    const uint32_t *key;
    uint32_t first;    /* number of the layer's first draw */
    uint32_t sparsity; /* 2^sparsity inputs of an output have one draw, 0 .. 16 */
    uint32_t count;    /* of steps, equally probable */
    const uint8_t *weights;
    uint8_t *scratch;   /* row_bytes */
    uint32_t row_bytes; /* 4 * P */
    const int8_t *steps;
} m0k_rows_zo_t;

typedef struct {
    uint32_t n_in, n_out;
    const uint32_t *key;
    uint32_t first, sparsity, count;
    uint8_t *weights;
    const int32_t *loss_added, *loss_taken; /* with the draws added to the weights, and with them taken off */
    const int8_t *down, *up;                /* steps where the first is larger, and where it is smaller */
} m0k_zo_move_t;

typedef struct {
    const int8_t *logits;
    const uint32_t *label;
    uint32_t classes;
    const int32_t *exponent_address;
    int32_t *loss; /* cross-entropy in bits, times 2^12 */
} m0k_zo_loss_t;

void m0k_zo_next(const m0k_zo_next_t *p);
const uint8_t *m0k_rows_zo(const void *context, uint32_t group);
void m0k_zo_move(const m0k_zo_move_t *p);
const void *m0k_zo_loss(const m0k_zo_loss_t *p); /* returns 0 */

/* ---------------- old images: replay.S */

typedef struct {
    const void *records; /* [count][size] */
    void *out;
    uint32_t size; /* of a record in bytes, a multiple of 4 */
    uint32_t count;
    uint32_t *which; /* the record that is copied to `out` */
    uint32_t next;   /* 1: *which is the following one then, the first behind the last; 0: it stays */
} m0k_replay_t;

void m0k_replay(const m0k_replay_t *p);

/* ---------------- dispatcher: run.S */

typedef struct {
    void (*kernel)(const void *block); /* 0 ends the list */
    const void *block;
} m0k_op_t;

typedef struct {
    const void *(*phase)(const m0k_op_t *ops); /* 0 ends the list; returns 0, or the phases to go on with instead */
    const m0k_op_t *ops;
} m0k_phase_t;

void m0k_run(const m0k_op_t *ops);
void m0k_step(const m0k_phase_t *phases);

/* Phases: m0k_run, each under its own symbol, so that inclusive cycles by symbol are those of the phases. They return 0,
 * but m0k_loss_phase what its last kernel does. */
const void *m0k_forward(const m0k_op_t *ops);
const void *m0k_loss_phase(const m0k_op_t *ops);
const void *m0k_backward(const m0k_op_t *ops);
const void *m0k_update(const m0k_op_t *ops);
const void *m0k_prune(const m0k_op_t *ops);

#ifdef __cplusplus
}
#endif
#endif
