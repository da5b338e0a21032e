/*
 * Convolutions. The part of the kernel that lies inside the image is found first: then each of its rows is one run of
 * floats in the image and in the weights, and no inner loop asks about borders.
 *
 * Backwards both kernels go through the errors that are not 0; with a pool these are at most a quarter of the positions.
 */
#include "fp32.h"

/* A window's number of rows and the floats of each: `length` from `in` in the image and from `at` in the kernel. */
typedef struct {
    int32_t rows, in, at, length;
} window_t;

static inline window_t window(const fp32_shape_t *s, int32_t y, int32_t x)
{
    int32_t top = y * s->stride - s->pad, left = x * s->stride - s->pad;
    int32_t ky0 = top < 0 ? -top : 0, kx0 = left < 0 ? -left : 0;
    int32_t ky1 = s->height - top < s->kernel_h ? s->height - top : s->kernel_h;
    int32_t kx1 = s->width - left < s->kernel_w ? s->width - left : s->kernel_w;
    int32_t c = s->channels;
    return (window_t){ky1 - ky0, ((top + ky0) * s->width + left + kx0) * c, (ky0 * s->kernel_w + kx0) * c,
                      (kx1 - kx0) * c};
}

static inline int32_t out_height(const fp32_shape_t *s)
{
    return (s->height + 2 * s->pad - s->kernel_h) / s->stride + 1;
}

static inline int32_t out_width(const fp32_shape_t *s)
{
    return (s->width + 2 * s->pad - s->kernel_w) / s->stride + 1;
}

static inline float dot(const fp32_shape_t *s, const window_t *v, const float *restrict in,
                        const float *restrict kernel)
{
    float sum = 0.0f;
    in += v->in;
    kernel += v->at;
    for (int32_t ky = 0; ky < v->rows; ky++) {
        for (int32_t i = 0; i < v->length; i++)
            if (!fp32_is_zero(in[i]))
                sum += in[i] * kernel[i];
        in += s->width * s->channels;
        kernel += s->kernel_w * s->channels;
    }
    return sum;
}

void fp32_conv_forward(const fp32_conv_forward_t *p)
{
    const fp32_shape_t *s = &p->shape;
    float *restrict out = p->out;
    int32_t row = s->kernel_h * s->kernel_w * s->channels, out_h = out_height(s), out_w = out_width(s);
    for (int32_t y = 0; y < out_h; y++)
        for (int32_t x = 0; x < out_w; x++) {
            window_t v = window(s, y, x);
            const float *restrict kernel = p->weights;
            for (int32_t o = 0; o < s->n_out; o++) {
                float sum = dot(s, &v, p->in, kernel);
                *out++ = p->relu ? fp32_relu(sum) : sum;
                kernel += row;
            }
        }
}

/* What is done with an error: its window, its channel, and the kernel's parameter block. */
typedef void visit_t(const fp32_shape_t *s, const window_t *v, float error, int32_t channel, const void *block);

static inline __attribute__((always_inline)) void each_error(const fp32_shape_t *s, const float *restrict error,
                                                             const uint8_t *restrict argmax, visit_t visit,
                                                             const void *block)
{
    int32_t pooled = argmax ? 1 : 0, rows = out_height(s) >> pooled, columns = out_width(s) >> pooled;
    for (int32_t y = 0; y < rows; y++)
        for (int32_t x = 0; x < columns; x++)
            for (int32_t o = 0; o < s->n_out; o++, error++) {
                int32_t place = pooled ? *argmax++ : 0;
                if (fp32_is_zero(*error))
                    continue;
                window_t v = window(s, (y << pooled) + (place >> 1), (x << pooled) + (place & 1));
                visit(s, &v, *error, o, block);
            }
}

static inline void add_error(const fp32_shape_t *s, const window_t *v, float error, int32_t channel, const void *block)
{
    const fp32_conv_back_t *p = block;
    int32_t kernel_row = s->kernel_w * s->channels, image_row = s->width * s->channels;
    const float *restrict kernel = p->weights + channel * s->kernel_h * kernel_row + v->at;
    const float *restrict gate = p->gate + v->in;
    float *restrict out = p->out + v->in;
    for (int32_t ky = 0; ky < v->rows; ky++) {
        for (int32_t i = 0; i < v->length; i++)
            if (!fp32_is_zero(gate[i]))
                out[i] += error * kernel[i];
        kernel += kernel_row;
        gate += image_row;
        out += image_row;
    }
}

/* The output is the accumulator: what is gated off stays 0. */
void fp32_conv_back(const fp32_conv_back_t *p)
{
    const fp32_shape_t *s = &p->shape;
    for (int32_t i = 0; i < s->height * s->width * s->channels; i++)
        p->out[i] = 0.0f;
    each_error(s, p->error, p->argmax, add_error, p);
}

static inline void update(const fp32_shape_t *s, const window_t *v, float error, int32_t channel, const void *block)
{
    const fp32_conv_grad_t *p = block;
    int32_t kernel_row = s->kernel_w * s->channels, image_row = s->width * s->channels;
    float *restrict kernel = p->weights + channel * s->kernel_h * kernel_row + v->at;
    const float *restrict in = p->in + v->in;
    float step = p->rate * error;
    for (int32_t ky = 0; ky < v->rows; ky++) {
        for (int32_t i = 0; i < v->length; i++)
            if (!fp32_is_zero(in[i]))
                kernel[i] -= step * in[i];
        kernel += kernel_row;
        in += image_row;
    }
}

void fp32_conv_grad(const fp32_conv_grad_t *p)
{
    each_error(&p->shape, p->error, p->argmax, update, p);
}
