#include "signal.h"

int32_t energy(const int16_t *samples, uint32_t n)
{
    int32_t sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += samples[i] * samples[i];
    return sum;
}

int32_t peak(const int16_t *samples, uint32_t n)
{
    int32_t largest = INT16_MIN;
    for (uint32_t i = 0; i < n; i++)
        if (samples[i] > largest)
            largest = samples[i];
    return largest;
}
