#ifndef SIGNAL_H
#define SIGNAL_H

#include <stdint.h>

/* The sum of the squares of n samples, which must fit into 32 bits. */
int32_t energy(const int16_t *samples, uint32_t n);

/* The largest of n samples, INT16_MIN of none. */
int32_t peak(const int16_t *samples, uint32_t n);

#endif
