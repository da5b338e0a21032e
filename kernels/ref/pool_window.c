/* Pools over windows of any shape: maxima, means, and the way back of their errors. */
#include "ref.h"

void ref_pool_window(const ref_pool_t *p, const int8_t *restrict in, int8_t *restrict out, uint8_t *restrict argmax)
{
    int32_t c = p->channels, line = p->width * c;
    for (int32_t y = 0; y + p->window_h <= p->height; y += p->window_h)
        for (int32_t x = 0; x + p->window_w <= p->width; x += p->window_w)
            for (int32_t i = 0; i < c; i++) {
                const int8_t *row = in + y * line + x * c + i;
                int32_t best = row[0], place = 0, n = 0;
                for (int32_t v = 0; v < p->window_h; v++, row += line)
                    for (int32_t u = 0; u < p->window_w; u++, n++)
                        if (row[u * c] > best) {
                            best = row[u * c];
                            place = n;
                        }
                *out++ = (int8_t)best;
                *argmax++ = (uint8_t)place;
            }
}

void ref_average(const ref_pool_t *p, const int8_t *restrict in, int8_t *restrict out, int32_t factor)
{
    int32_t c = p->channels, line = p->width * c;
    for (int32_t y = 0; y + p->window_h <= p->height; y += p->window_h)
        for (int32_t x = 0; x + p->window_w <= p->width; x += p->window_w)
            for (int32_t i = 0; i < c; i++) {
                const int8_t *row = in + y * line + x * c + i;
                int32_t sum = 0;
                for (int32_t v = 0; v < p->window_h; v++, row += line)
                    for (int32_t u = 0; u < p->window_w; u++)
                        sum += row[u * c];
                *out++ = (int8_t)sat(round_shift(sum * factor, 16));
            }
}

static inline void clear(const ref_pool_t *p, int8_t *restrict out)
{
    for (int32_t i = 0; i < p->height * p->width * p->channels; i++)
        out[i] = 0;
}

void ref_unpool(const ref_pool_t *p, const int8_t *restrict error, const uint8_t *restrict argmax, int8_t *restrict out)
{
    int32_t c = p->channels, line = p->width * c;
    clear(p, out);
    for (int32_t y = 0; y + p->window_h <= p->height; y += p->window_h)
        for (int32_t x = 0; x + p->window_w <= p->width; x += p->window_w)
            for (int32_t i = 0; i < c; i++) {
                int8_t e = *error++;
                int32_t place = *argmax++, v = 0;
                if (!e)
                    continue;
                for (; place >= p->window_w; place -= p->window_w) /* a division is a call */
                    v++;
                out[(y + v) * line + (x + place) * c + i] = e;
            }
}

void ref_average_back(const ref_pool_t *p, const int8_t *restrict error, int8_t *restrict out, int32_t factor)
{
    int32_t c = p->channels, line = p->width * c;
    clear(p, out);
    for (int32_t y = 0; y + p->window_h <= p->height; y += p->window_h)
        for (int32_t x = 0; x + p->window_w <= p->width; x += p->window_w)
            for (int32_t i = 0; i < c; i++) {
                int32_t e = round_shift(*error++ * factor, 8);
                int8_t *row = out + y * line + x * c + i;
                if (!e)
                    continue;
                for (int32_t v = 0; v < p->window_h; v++, row += line)
                    for (int32_t u = 0; u < p->window_w; u++)
                        row[u * c] = (int8_t)e;
            }
}
