/* The helpers that have no formula of their own: the patch of one output position, and the dispatchers. */
#include "ref.h"

typedef struct {
    void (*kernel)(const void *block);
    const void *block;
} ref_op_t;

typedef struct {
    const void *(*phase)(const void *ops);
    const void *ops;
} ref_phase_t;

void ref_im2col(const ref_shape_t *s, const int8_t *restrict in, int8_t *restrict patch, int32_t y, int32_t x);
void ref_run(const ref_op_t *ops);
void ref_step(const ref_phase_t *phases);

void ref_im2col(const ref_shape_t *s, const int8_t *restrict in, int8_t *restrict patch, int32_t y, int32_t x)
{
    int32_t top = y * s->stride - s->pad_h, left = x * s->stride - s->pad_w;
    for (int32_t row = top; row < top + s->kernel_h; row++)
        for (int32_t column = left; column < left + s->kernel_w; column++) {
            int32_t inside = row >= 0 && row < s->height && column >= 0 && column < s->width;
            const int8_t *tap = in + (row * s->width + column) * s->channels;
            for (int32_t c = 0; c < s->channels; c++)
                *patch++ = inside ? tap[c] : 0;
        }
}

void ref_run(const ref_op_t *ops)
{
    for (; ops->kernel; ops++)
        ops->kernel(ops->block);
}

void ref_step(const ref_phase_t *phases)
{
    while (phases->phase) {
        const ref_phase_t *other = phases->phase(phases->ops);
        phases = other ? other : phases + 1;
    }
}
