/*
 * Training in float32: the baseline that fixed-point methods start from, on a processor without an FPU. Compiled from C,
 * so that every operation on floats is a call of the compiler's library (compiler-rt, libgcc); what it costs depends on
 * the compiler, and a report names both.
 *
 * Called as the kernels of m0k.h are: `void fp32_xxx(const fp32_xxx_t *p)`, fields are 32-bit words, the blocks may lie
 * in flash, m0k_run and m0k_step (run.S) walk them. A multiply-accumulate costs some 300 cycles, a test for zero five:
 * whatever a zero activation, error or gate makes superfluous is skipped.
 *
 * Tensors are float32, HWC. Weights are in logical order: dense [n_out][n_in]; convolution [n_out][kernel_h][kernel_w]
 * [channels]. Nothing needs padding; all pointers are 4-aligned but `argmax` and the image, which are bytes. Numbers must
 * be finite. Sizes are at least 1. Arrays must not overlap.
 */
#ifndef FP32_H
#define FP32_H

#include <stdint.h>

/* Input [height][width][channels]; output [out_h][out_w][n_out], out_h = (height + 2 * pad - kernel_h) / stride + 1. */
typedef struct {
    int32_t height, width, channels, n_out, kernel_h, kernel_w, stride, pad;
} fp32_shape_t;

/* out = in / 128: pixels 0 .. 127 as 0 .. 1. */
typedef struct {
    const int8_t *in;
    float *out;
    int32_t n;
} fp32_image_t;

typedef struct {
    const float *in, *weights;
    float *out;
    fp32_shape_t shape;
    int32_t relu;
} fp32_conv_forward_t;

/* 2x2 maximum, stride 2, of values that are not negative; argmax 0 .. 3 (row-major) is the first maximum's place. */
typedef struct {
    const float *in;
    float *out;
    uint8_t *argmax;
    int32_t height, width, channels;
} fp32_pool_t;

typedef struct {
    const float *in, *weights;
    float *out;
    int32_t n_in, n_out, relu;
} fp32_dense_forward_t;

/* error = softmax(logits) - one-hot(label): the gradient of the cross entropy. */
typedef struct {
    const float *logits;
    const uint32_t *label;
    float *error;
    int32_t classes;
} fp32_loss_t;

/* out[i] = sum over o of weights[o][i] * error[o] where gate[i] is not 0, else 0. */
typedef struct {
    const float *error, *weights;
    float *out;
    int32_t n_in, n_out;
    const float *gate;
} fp32_dense_back_t;

/* weights -= rate * error (x) in */
typedef struct {
    const float *error, *in;
    float *weights;
    int32_t n_in, n_out;
    float rate;
} fp32_dense_update_t;

/* With argmax, error and argmax are those of the 2x2 max-pool behind the convolution ([out_h/2][out_w/2][n_out]). */
typedef struct {
    const float *error;
    const uint8_t *argmax;
    const float *weights;
    float *out;
    fp32_shape_t shape;
    const float *gate;
} fp32_conv_back_t;

/* weights -= rate * gradient, without a buffer for the gradient. */
typedef struct {
    const float *error;
    const uint8_t *argmax;
    const float *in;
    float *weights;
    fp32_shape_t shape;
    float rate;
} fp32_conv_grad_t;

void fp32_image(const fp32_image_t *p);
void fp32_conv_forward(const fp32_conv_forward_t *p);
void fp32_pool(const fp32_pool_t *p);
void fp32_dense_forward(const fp32_dense_forward_t *p);
const void *fp32_loss(const fp32_loss_t *p); /* 0: the step goes on, as m0k_loss would have it */
void fp32_dense_back(const fp32_dense_back_t *p);
void fp32_dense_update(const fp32_dense_update_t *p);
void fp32_conv_back(const fp32_conv_back_t *p);
void fp32_conv_grad(const fp32_conv_grad_t *p);

/* The bits of a float, to test it without calling the library. */
static inline uint32_t fp32_bits(float x)
{
    union {
        float value;
        uint32_t bits;
    } word = {x};
    return word.bits;
}

static inline float fp32_from_bits(uint32_t bits)
{
    union {
        uint32_t bits;
        float value;
    } word = {bits};
    return word.value;
}

static inline int fp32_is_zero(float x)
{
    return fp32_bits(x) << 1 == 0;
}

static inline float fp32_relu(float x)
{
    return fp32_bits(x) >> 31 ? 0.0f : x;
}

#endif
