/* Which part of a convolution's kernel lies inside the image. */
#ifndef REF_WINDOW_H
#define REF_WINDOW_H

#include "ref.h"

/* A window's rows [ky0, ky1) and the bytes of each: `length` from `in` in the image and from `at` in the kernel. */
typedef struct {
    int32_t ky0, ky1, in, at, length;
} window_t;

static inline window_t window(const ref_shape_t *s, int32_t y, int32_t x)
{
    int32_t top = y * s->stride - s->pad_h, left = x * s->stride - s->pad_w;
    int32_t ky0 = top < 0 ? -top : 0, kx0 = left < 0 ? -left : 0;
    int32_t ky1 = s->height - top < s->kernel_h ? s->height - top : s->kernel_h;
    int32_t kx1 = s->width - left < s->kernel_w ? s->width - left : s->kernel_w;
    int32_t c = s->channels;
    int32_t length = kx1 > kx0 ? (kx1 - kx0) * c : 0;
    return (window_t){ky0, ky1, ((top + ky0) * s->width + left + kx0) * c, (ky0 * s->kernel_w + kx0) * c, length};
}

static inline int32_t out_height(const ref_shape_t *s)
{
    return (s->height + 2 * s->pad_h - s->kernel_h) / s->stride + 1;
}

static inline int32_t out_width(const ref_shape_t *s)
{
    return (s->width + 2 * s->pad_w - s->kernel_w) / s->stride + 1;
}

#endif
