/* From the image to the error of the last layer. */
#include "fp32.h"

void fp32_image(const fp32_image_t *p)
{
    const int8_t *restrict in = p->in;
    float *restrict out = p->out;
    for (int32_t i = 0; i < p->n; i++)
        out[i] = in[i] ? (float)in[i] * 0x1p-7f : 0.0f;
}

void fp32_dense_forward(const fp32_dense_forward_t *p)
{
    const float *restrict weights = p->weights;
    int32_t n_in = p->n_in;
    for (int32_t o = 0; o < p->n_out; o++) {
        const float *restrict in = p->in;
        float sum = 0.0f;
        for (int32_t i = 0; i < n_in; i++)
            if (!fp32_is_zero(in[i]))
                sum += in[i] * weights[i];
        p->out[o] = p->relu ? fp32_relu(sum) : sum;
        weights += n_in;
    }
}

/* The order of floats that are not negative is that of their bits. */
void fp32_pool(const fp32_pool_t *p)
{
    const float *restrict in = p->in;
    float *restrict out = p->out;
    uint8_t *restrict argmax = p->argmax;
    int32_t channels = p->channels, row = p->width * channels;
    for (int32_t y = 0; y < p->height / 2; y++) {
        const float *restrict window = in + 2 * y * row;
        for (int32_t x = 0; x < p->width / 2; x++) {
            for (int32_t c = 0; c < channels; c++) {
                uint32_t best = fp32_bits(window[0]), place = 0;
                uint32_t right = fp32_bits(window[channels]);
                uint32_t below = fp32_bits(window[row]), both = fp32_bits(window[row + channels]);
                if (right > best)
                    best = right, place = 1;
                if (below > best)
                    best = below, place = 2;
                if (both > best)
                    best = both, place = 3;
                *out++ = fp32_from_bits(best);
                *argmax++ = (uint8_t)place;
                window++;
            }
            window += channels;
        }
    }
}

/*
 * e**x for x <= 0; 0 below -87, where results would be denormal. x = n * ln 2 + r with |r| <= ln 2 / 2, ln 2 in two
 * parts (Cody and Waite), the first short enough for n * LN2_HIGH to be exact; e**r by Taylor to r**6: the relative
 * error is below 3e-7.
 */
static float expf_negative(float x)
{
    const float LN2_HIGH = 0x1.62e3p-1f, LN2_LOW = 0x1.2fefa2p-17f;
    if (x < -87.0f)
        return 0.0f;
    int32_t n = (int32_t)(x * 0x1.715476p0f - 0.5f);
    float r = x - (float)n * LN2_HIGH - (float)n * LN2_LOW;
    float sum = 1.0f / 720.0f;
    sum = sum * r + 1.0f / 120.0f;
    sum = sum * r + 1.0f / 24.0f;
    sum = sum * r + 1.0f / 6.0f;
    sum = sum * r + 0.5f;
    sum = sum * r + 1.0f;
    sum = sum * r + 1.0f;
    return fp32_from_bits(fp32_bits(sum) + ((uint32_t)n << 23));
}

const void *fp32_loss(const fp32_loss_t *p)
{
    const float *restrict logits = p->logits;
    float *restrict error = p->error;
    float most = logits[0], sum = 0.0f;
    for (int32_t i = 1; i < p->classes; i++)
        if (logits[i] > most)
            most = logits[i];
    for (int32_t i = 0; i < p->classes; i++) {
        error[i] = expf_negative(logits[i] - most);
        sum += error[i];
    }
    float scale = 1.0f / sum;
    for (int32_t i = 0; i < p->classes; i++)
        error[i] *= scale;
    error[*p->label] -= 1.0f;
    return 0;
}
