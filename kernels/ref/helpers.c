/* The helpers that have no formula of their own: the patch of one output position, a copy of a record, and the dispatchers. */
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
void ref_replay(const uint32_t *restrict records, uint32_t *restrict out, int32_t words, int32_t count,
                uint32_t *restrict which, int32_t next);
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

void ref_replay(const uint32_t *restrict records, uint32_t *restrict out, int32_t words, int32_t count,
                uint32_t *restrict which, int32_t next)
{
    const uint32_t *from = records + *which * (uint32_t)words;
    for (int32_t i = 0; i < words; i++)
        out[i] = from[i];
    *which += (uint32_t)next;
    if (*which == (uint32_t)count)
        *which = 0;
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
