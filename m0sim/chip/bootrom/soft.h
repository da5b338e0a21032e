/*
 * Floating point of the boot ROM: RP2040 datasheet, 2.8.3.2. IEEE formats, rounded to nearest, ties to even. As the
 * vendor's, it takes denormals for zeros and NaNs for infinities, and gives neither: what is too small is a zero, and
 * what has no value is an infinity.
 */
#ifndef SOFT_H
#define SOFT_H

#include <stdbool.h>
#include <stdint.h>

/* A function under the name by which the compiler calls it for an operator of C. */
#define AEABI(name, function) extern __typeof__(function) name __attribute__((alias(#function)))

uint32_t bootrom_clz32(uint32_t value);

static inline uint32_t clz64(uint64_t value)
{
    uint32_t high = (uint32_t)(value >> 32);
    return high != 0 ? bootrom_clz32(high) : 32 + bootrom_clz32((uint32_t)value);
}

/* The SIO divider (2.3.1.5): the quotient of 32-bit numbers, 8 cycles after the divisor was written. */
#define SIO_DIVIDER 0xD0000060u

static inline uint32_t divided(uint32_t dividend, uint32_t divisor, uint32_t *remainder)
{
    volatile uint32_t *divider = (volatile uint32_t *)SIO_DIVIDER;
    divider[0] = dividend;
    divider[1] = divisor;
    __asm__ volatile("b 1f\n1: b 1f\n1: b 1f\n1: b 1f\n1:");
    *remainder = divider[5];
    return divider[4];
}

uint32_t bootrom_f_packed(uint32_t sign, int32_t exponent, uint32_t significand);

#endif
