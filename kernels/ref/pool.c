/* Max-pool 2x2, stride 2; argmax is 0 .. 3 row-major in the window, the first maximum. */
#include "ref.h"

void ref_pool(const int8_t *restrict in, int8_t *restrict out, uint8_t *restrict argmax, int32_t height, int32_t width,
              int32_t channels)
{
    for (int32_t y = 0; y < height / 2; y++)
        for (int32_t x = 0; x < width / 2; x++) {
            const int8_t *top = in + (2 * y * width + 2 * x) * channels;
            const int8_t *bottom = top + width * channels;
            for (int32_t c = 0; c < channels; c++) {
                int8_t best = top[c];
                uint8_t place = 0;
                if (top[c + channels] > best) {
                    best = top[c + channels];
                    place = 1;
                }
                if (bottom[c] > best) {
                    best = bottom[c];
                    place = 2;
                }
                if (bottom[c + channels] > best) {
                    best = bottom[c + channels];
                    place = 3;
                }
                *out++ = best;
                *argmax++ = place;
            }
        }
}
