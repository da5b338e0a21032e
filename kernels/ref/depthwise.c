/*
 * Depthwise convolutions: `n_out` of the shape is not read. As in conv.c a window is cut to the image first; it is
 * counted in pixels here, of which a channel has every channels-th byte.
 */
#include "window.h"

static inline ref_shape_t of_pixels(const ref_shape_t *s)
{
    ref_shape_t one = *s;
    one.channels = 1;
    return one;
}

static inline int32_t dot(const ref_shape_t *s, window_t v, const int8_t *restrict in, const int8_t *restrict kernel)
{
    int32_t sum = 0;
    in += v.in * s->channels;
    kernel += v.at;
    for (int32_t ky = v.ky0; ky < v.ky1; ky++) {
        for (int32_t i = 0; i < v.length; i++)
            sum += in[i * s->channels] * kernel[i];
        in += s->width * s->channels;
        kernel += s->kernel_w;
    }
    return sum;
}

void ref_depthwise_forward(const ref_shape_t *s, const int8_t *restrict in, const int8_t *restrict weights,
                           int8_t *restrict out, int32_t shift, int32_t relu)
{
    int32_t taps = s->kernel_h * s->kernel_w, out_h = out_height(s), out_w = out_width(s);
    ref_shape_t pixels = of_pixels(s);
    for (int32_t y = 0; y < out_h; y++)
        for (int32_t x = 0; x < out_w; x++) {
            window_t v = window(&pixels, y, x);
            for (int32_t c = 0; c < s->channels; c++) {
                int32_t value = sat(round_shift(dot(s, v, in + c, weights + c * taps), shift));
                *out++ = (int8_t)(relu && value < 0 ? 0 : value);
            }
        }
}

void ref_depthwise_sums(const ref_shape_t *s, const int8_t *restrict in, const int8_t *restrict weights,
                        int32_t *restrict acc)
{
    int32_t taps = s->kernel_h * s->kernel_w, out_h = out_height(s), out_w = out_width(s);
    ref_shape_t pixels = of_pixels(s);
    for (int32_t y = 0; y < out_h; y++)
        for (int32_t x = 0; x < out_w; x++) {
            window_t v = window(&pixels, y, x);
            for (int32_t c = 0; c < s->channels; c++)
                *acc++ = dot(s, v, in + c, weights + c * taps);
        }
}

static inline void add_error(const ref_shape_t *s, window_t v, int32_t e, const int8_t *restrict kernel,
                             int32_t *restrict acc)
{
    acc += v.in * s->channels;
    kernel += v.at;
    for (int32_t ky = v.ky0; ky < v.ky1; ky++) {
        for (int32_t i = 0; i < v.length; i++)
            acc[i * s->channels] += e * kernel[i];
        acc += s->width * s->channels;
        kernel += s->kernel_w;
    }
}

static inline void add_grad(const ref_shape_t *s, window_t v, int32_t e, const int8_t *restrict in,
                            int32_t *restrict grad)
{
    in += v.in * s->channels;
    grad += v.at;
    for (int32_t ky = v.ky0; ky < v.ky1; ky++) {
        for (int32_t i = 0; i < v.length; i++)
            grad[i] += e * in[i * s->channels];
        in += s->width * s->channels;
        grad += s->kernel_w;
    }
}

/* With argmax, error and argmax are those of the 2x2 max-pool behind the convolution: the window of each. */
static inline window_t window_of(const ref_shape_t *pixels, const uint8_t *argmax, int32_t y, int32_t x, int32_t i)
{
    if (!argmax)
        return window(pixels, y, x);
    return window(pixels, 2 * y + (argmax[i] >> 1), 2 * x + (argmax[i] & 1));
}

void ref_depthwise_back_sums(const ref_shape_t *s, const int8_t *restrict error, const uint8_t *restrict argmax,
                             const int8_t *restrict weights, int32_t *restrict acc)
{
    int32_t taps = s->kernel_h * s->kernel_w, size = s->height * s->width * s->channels, n = 0;
    int32_t rows = out_height(s) >> (argmax != 0), columns = out_width(s) >> (argmax != 0);
    ref_shape_t pixels = of_pixels(s);
    for (int32_t i = 0; i < size; i++)
        acc[i] = 0;
    for (int32_t y = 0; y < rows; y++)
        for (int32_t x = 0; x < columns; x++)
            for (int32_t c = 0; c < s->channels; c++, n++)
                if (error[n])
                    add_error(s, window_of(&pixels, argmax, y, x, n), error[n], weights + c * taps, acc + c);
}

void ref_depthwise_back(const ref_shape_t *s, const int8_t *restrict error, const uint8_t *restrict argmax,
                        const int8_t *restrict weights, int32_t *restrict acc, int8_t *restrict out, int32_t shift,
                        const int8_t *restrict gate)
{
    int32_t size = s->height * s->width * s->channels;
    ref_depthwise_back_sums(s, error, argmax, weights, acc);
    for (int32_t i = 0; i < size; i++)
        out[i] = (int8_t)(gate && gate[i] <= 0 ? 0 : sat(round_shift(acc[i], shift)));
}

void ref_depthwise_grad(const ref_shape_t *s, const int8_t *restrict error, const uint8_t *restrict argmax,
                        const int8_t *restrict in, int32_t *restrict grad)
{
    int32_t taps = s->kernel_h * s->kernel_w, n = 0;
    int32_t rows = out_height(s) >> (argmax != 0), columns = out_width(s) >> (argmax != 0);
    ref_shape_t pixels = of_pixels(s);
    for (int32_t i = 0; i < s->channels * taps; i++)
        grad[i] = 0;
    for (int32_t y = 0; y < rows; y++)
        for (int32_t x = 0; x < columns; x++)
            for (int32_t c = 0; c < s->channels; c++, n++)
                if (error[n])
                    add_grad(s, window_of(&pixels, argmax, y, x, n), error[n], in + c, grad + c * taps);
}
