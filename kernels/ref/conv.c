/*
 * Convolutions. The part of the kernel that lies inside the image is found first: then each of its rows is one run of
 * contiguous bytes in the image and in the weights, and no inner loop asks about borders.
 */
#include "window.h"

static inline int32_t dot(const ref_shape_t *s, window_t v, const int8_t *restrict in, const int8_t *restrict kernel)
{
    int32_t sum = 0;
    in += v.in;
    kernel += v.at;
    for (int32_t ky = v.ky0; ky < v.ky1; ky++) {
        for (int32_t i = 0; i < v.length; i++)
            sum += in[i] * kernel[i];
        in += s->width * s->channels;
        kernel += s->kernel_w * s->channels;
    }
    return sum;
}

void ref_conv_forward(const ref_shape_t *s, const int8_t *restrict in, const int8_t *restrict weights,
                      int8_t *restrict out, int32_t shift, int32_t relu)
{
    int32_t row = s->kernel_h * s->kernel_w * s->channels, out_h = out_height(s), out_w = out_width(s);
    for (int32_t y = 0; y < out_h; y++)
        for (int32_t x = 0; x < out_w; x++) {
            window_t v = window(s, y, x);
            for (int32_t o = 0; o < s->n_out; o++) {
                int32_t value = sat(round_shift(dot(s, v, in, weights + o * row), shift));
                *out++ = (int8_t)(relu && value < 0 ? 0 : value);
            }
        }
}

void ref_conv_sums(const ref_shape_t *s, const int8_t *restrict in, const int8_t *restrict weights,
                   int32_t *restrict acc)
{
    int32_t row = s->kernel_h * s->kernel_w * s->channels, out_h = out_height(s), out_w = out_width(s);
    for (int32_t y = 0; y < out_h; y++)
        for (int32_t x = 0; x < out_w; x++) {
            window_t v = window(s, y, x);
            for (int32_t o = 0; o < s->n_out; o++)
                *acc++ = dot(s, v, in, weights + o * row);
        }
}

static inline void add_error(const ref_shape_t *s, window_t v, int32_t e, const int8_t *restrict kernel,
                             int32_t *restrict acc)
{
    acc += v.in;
    kernel += v.at;
    for (int32_t ky = v.ky0; ky < v.ky1; ky++) {
        for (int32_t i = 0; i < v.length; i++)
            acc[i] += e * kernel[i];
        acc += s->width * s->channels;
        kernel += s->kernel_w * s->channels;
    }
}

/* With argmax, error and argmax are those of the 2x2 max-pool behind the convolution. */
void ref_conv_back_sums(const ref_shape_t *s, const int8_t *restrict error, const uint8_t *restrict argmax,
                        const int8_t *restrict weights, int32_t *restrict acc)
{
    int32_t row = s->kernel_h * s->kernel_w * s->channels, size = s->height * s->width * s->channels;
    int32_t out_h = out_height(s), out_w = out_width(s);
    for (int32_t i = 0; i < size; i++)
        acc[i] = 0;
    if (argmax) {
        for (int32_t y = 0; y < out_h / 2; y++)
            for (int32_t x = 0; x < out_w / 2; x++)
                for (int32_t o = 0; o < s->n_out; o++) {
                    int32_t e = *error++, place = *argmax++;
                    if (e)
                        add_error(s, window(s, 2 * y + (place >> 1), 2 * x + (place & 1)), e, weights + o * row, acc);
                }
        return;
    }
    for (int32_t y = 0; y < out_h; y++)
        for (int32_t x = 0; x < out_w; x++) {
            window_t v = window(s, y, x);
            for (int32_t o = 0; o < s->n_out; o++) {
                int32_t e = *error++;
                if (e)
                    add_error(s, v, e, weights + o * row, acc);
            }
        }
}

void ref_conv_back(const ref_shape_t *s, const int8_t *restrict error, const uint8_t *restrict argmax,
                   const int8_t *restrict weights, int32_t *restrict acc, int8_t *restrict out, int32_t shift,
                   const int8_t *restrict gate)
{
    int32_t size = s->height * s->width * s->channels;
    ref_conv_back_sums(s, error, argmax, weights, acc);
    for (int32_t i = 0; i < size; i++)
        out[i] = (int8_t)(gate && gate[i] <= 0 ? 0 : sat(round_shift(acc[i], shift)));
}

static inline void add_grad(const ref_shape_t *s, window_t v, int32_t e, const int8_t *restrict in,
                            int32_t *restrict grad)
{
    in += v.in;
    grad += v.at;
    for (int32_t ky = v.ky0; ky < v.ky1; ky++) {
        for (int32_t i = 0; i < v.length; i++)
            grad[i] += e * in[i];
        in += s->width * s->channels;
        grad += s->kernel_w * s->channels;
    }
}

void ref_conv_grad(const ref_shape_t *s, const int8_t *restrict error, const uint8_t *restrict argmax,
                   const int8_t *restrict in, int32_t *restrict grad)
{
    int32_t row = s->kernel_h * s->kernel_w * s->channels, out_h = out_height(s), out_w = out_width(s);
    for (int32_t i = 0; i < s->n_out * row; i++)
        grad[i] = 0;
    if (argmax) {
        for (int32_t y = 0; y < out_h / 2; y++)
            for (int32_t x = 0; x < out_w / 2; x++)
                for (int32_t o = 0; o < s->n_out; o++) {
                    int32_t e = *error++, place = *argmax++;
                    if (e)
                        add_grad(s, window(s, 2 * y + (place >> 1), 2 * x + (place & 1)), e, in, grad + o * row);
                }
        return;
    }
    for (int32_t y = 0; y < out_h; y++)
        for (int32_t x = 0; x < out_w; x++) {
            window_t v = window(s, y, x);
            for (int32_t o = 0; o < s->n_out; o++) {
                int32_t e = *error++;
                if (e)
                    add_grad(s, v, e, in, grad + o * row);
            }
        }
}
