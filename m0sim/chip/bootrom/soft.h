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

/* Shifts by 32 and more give 0, as those of the core do and those of C do not. */
static inline uint32_t shifted_left(uint32_t value, uint32_t by)
{
    __asm__("lsls %0, %1" : "+l"(value) : "l"(by) : "cc");
    return value;
}

static inline uint32_t shifted_right(uint32_t value, uint32_t by)
{
    __asm__("lsrs %0, %1" : "+l"(value) : "l"(by) : "cc");
    return value;
}

/* All 64 bits, of halves: MULS keeps 32. */
static inline uint64_t product_of(uint32_t a, uint32_t b)
{
    uint32_t a_low = (uint16_t)a, a_high = a >> 16, b_low = (uint16_t)b, b_high = b >> 16;
    uint32_t low = a_low * b_low, middle = a_high * b_low + (low >> 16);
    uint32_t other = a_low * b_high + (uint16_t)middle;
    return (uint64_t)(a_high * b_high + (middle >> 16) + (other >> 16)) << 32 | (other << 16 | (uint16_t)low);
}

/*
 * The root of a number from 2^30 on, rounded down, and what is left. Newton's iteration, twice, from the root of the
 * upper seven bits, rounded up: it comes from above, and ends at the root or one beyond.
 */
extern const uint8_t bootrom_roots[96];

static inline uint32_t root_of(uint32_t number, uint32_t *rest)
{
    uint32_t unused, root = (bootrom_roots[(number >> 25) - 32] + 1u) << 8;
    root = (root + divided(number, root, &unused)) >> 1;
    root = (root + divided(number, root, &unused)) >> 1;
    root -= root > 0xFFFF || root * root > number;
    *rest = number - root * root;
    return root;
}

/* 11 more bits of a root, from 22 more of the number, after Zimmermann's recursion. What is left is of them, too. */
static inline uint32_t longer_root(uint32_t root, uint32_t *rest, uint32_t more)
{
    uint32_t over, digit = divided(*rest << 11 | more >> 11, root << 1, &over);
    int32_t below = (int32_t)((over << 11 | (more & 0x7FF)) - digit * digit);
    root = (root << 11) + digit;
    if (below < 0) {
        root--;
        below += (int32_t)(root << 1 | 1);
    }
    *rest = (uint32_t)below;
    return root;
}

/* From a sign in bit 31, a biased exponent, and a significand of 31 bits whose last says whether anything is below. */
uint32_t bootrom_f_packed(uint32_t sign, int32_t exponent, uint32_t significand);

#endif
