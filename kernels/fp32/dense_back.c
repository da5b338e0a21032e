/* Error and update of dense layers. */
#include "fp32.h"

/* By input, not by output: what is gated off costs nothing, and the sum needs no buffer. */
void fp32_dense_back(const fp32_dense_back_t *p)
{
    const float *restrict gate = p->gate;
    float *restrict out = p->out;
    int32_t n_in = p->n_in, n_out = p->n_out;
    for (int32_t i = 0; i < n_in; i++) {
        const float *restrict error = p->error, *restrict weight = p->weights + i;
        float sum = 0.0f;
        if (!fp32_is_zero(gate[i]))
            for (int32_t o = 0; o < n_out; o++) {
                if (!fp32_is_zero(error[o]))
                    sum += error[o] * *weight;
                weight += n_in;
            }
        out[i] = sum;
    }
}

void fp32_dense_update(const fp32_dense_update_t *p)
{
    const float *restrict error = p->error;
    float *restrict weights = p->weights;
    int32_t n_in = p->n_in;
    for (int32_t o = 0; o < p->n_out; o++) {
        const float *restrict in = p->in;
        if (!fp32_is_zero(error[o])) {
            float step = p->rate * error[o];
            for (int32_t i = 0; i < n_in; i++)
                if (!fp32_is_zero(in[i]))
                    weights[i] -= step * in[i];
        }
        weights += n_in;
    }
}
