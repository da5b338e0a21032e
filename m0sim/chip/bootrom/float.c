/* Single precision: see soft.h. A float is its bits here. */
#include "soft.h"

#define SIGN 0x80000000u
#define INFINITE 0x7F800000u
#define HIDDEN 0x00800000u /* the bit that a significand has and its number does not store */
#define BIAS 127
#define POINT 30 /* the highest bit of a significand that is worked on; 7 more than stored are below its last one */

static inline int32_t exponent_of(uint32_t a)
{
    return (int32_t)(a << 1 >> 24);
}

static inline uint32_t significand_of(uint32_t a)
{
    return (a | HIDDEN) << 8 >> 1;
}

/* Shifted right, and the last bit set where any was lost. */
static inline uint32_t bootrom_float_jammed(uint32_t value, uint32_t by)
{
    if (by == 0) {
        return value;
    }
    return by > 31 ? value != 0 : value >> by | (value << (32 - by) != 0);
}

/* Rounded, from a biased exponent and a significand whose highest bit is POINT: infinite or zero outside of the range. */
uint32_t bootrom_f_packed(uint32_t sign, int32_t exponent, uint32_t significand)
{
    if (exponent >= 255) {
        return sign | INFINITE;
    }
    if (exponent < 0) {
        return sign;
    }
    uint32_t rounded = (significand + 0x3F + (significand >> 7 & 1)) >> 7;
    uint32_t packed = ((uint32_t)(exponent - 1) << 23) + rounded; /* the hidden bit adds 1 to the exponent */
    return packed < HIDDEN ? sign : sign | packed; /* from the largest number, rounding leads to the infinity */
}

/* The same of a significand that begins anywhere, and may be 0. */
static uint32_t bootrom_float_normalised(uint32_t sign, int32_t exponent, uint32_t significand)
{
    if (significand == 0) {
        return sign;
    }
    uint32_t zeros = bootrom_clz32(significand);
    if (zeros == 0) {
        return bootrom_f_packed(sign, exponent + 1, significand >> 1 | (significand & 1));
    }
    return bootrom_f_packed(sign, exponent - (int32_t)zeros + 1, significand << (zeros - 1));
}

uint32_t bootrom_fadd(uint32_t a, uint32_t b)
{
    if (a << 1 < b << 1) {
        uint32_t larger = b;
        b = a;
        a = larger;
    }
    int32_t exponent = exponent_of(a), apart = exponent - exponent_of(b);
    if (exponent == 255) {
        return a >> 23 << 23;
    }
    if (apart == exponent || apart > 25) { /* b is 0, or too small to count */
        return exponent != 0 ? a : a & b & SIGN;
    }
    uint32_t large = significand_of(a), small = bootrom_float_jammed(significand_of(b), (uint32_t)apart);
    if ((int32_t)(a ^ b) >= 0) {
        uint32_t sum = large + small;
        if ((int32_t)sum < 0) {
            return bootrom_f_packed(a & SIGN, exponent + 1, sum >> 1 | (sum & 1));
        }
        return bootrom_f_packed(a & SIGN, exponent, sum);
    }
    uint32_t difference = large - small;
    if (difference == 0) {
        return 0;
    }
    return bootrom_float_normalised(a & SIGN, exponent, difference);
}

uint32_t bootrom_fsub(uint32_t a, uint32_t b)
{
    return bootrom_fadd(a, b ^ SIGN);
}

uint32_t bootrom_fmul(uint32_t a, uint32_t b)
{
    uint32_t sign = (a ^ b) & SIGN;
    int32_t left = exponent_of(a), right = exponent_of(b);
    if (left == 255 || right == 255) {
        return sign | INFINITE;
    }
    if (left == 0 || right == 0) {
        return sign;
    }
    /* 24 bits by 24, in halves of 16 and 8. */
    uint32_t m = a & 0x7FFFFF, n = b & 0x7FFFFF;
    uint32_t m_low = m & 0xFFFF, m_high = (m | HIDDEN) >> 16, n_low = n & 0xFFFF, n_high = (n | HIDDEN) >> 16;
    uint32_t low = m_low * n_low, middle = m_low * n_high + m_high * n_low + (low >> 16);
    uint32_t high = m_high * n_high; /* in all: high << 32, middle << 16, the lower half of low */
    uint32_t product = (high << 15) + (middle >> 1);
    product |= ((middle & 1) | (low & 0xFFFF)) != 0;
    int32_t exponent = left + right - BIAS;
    if (product >> POINT != 0) {
        return bootrom_f_packed(sign, exponent + 1, product);
    }
    return bootrom_f_packed(sign, exponent, product << 1);
}

uint32_t bootrom_fdiv(uint32_t a, uint32_t b)
{
    uint32_t sign = (a ^ b) & SIGN;
    int32_t left = exponent_of(a), right = exponent_of(b);
    if (left == 255 || right == 0) {
        return sign | INFINITE;
    }
    if (left == 0 || right == 255) {
        return sign;
    }
    uint32_t m = (a & 0x7FFFFF) | HIDDEN, n = (b & 0x7FFFFF) | HIDDEN;
    int32_t exponent = left - right + BIAS;
    if (m < n) {
        m <<= 1;
        exponent--;
    }
    uint32_t rest, quotient = divided(m << 7, n, &rest); /* 8 bits, then 8 more twice */
    quotient = quotient << 8 | divided(rest << 8, n, &rest);
    quotient = quotient << 8 | divided(rest << 8, n, &rest);
    uint32_t below = rest << 1 >= n; /* never a tie: that would be a quotient of 25 bits, times one of 24 */
    return bootrom_f_packed(sign, exponent, quotient << 7 | below << 6 | (rest != 0));
}

/* Of the seven upper bits of a number of 32, from 32 on: the upper eight bits of the largest root. */
const uint8_t bootrom_roots[96] = {
    129, 131, 133, 135, 137, 139, 141, 143, 144, 146, 148, 150, 151, 153, 155, 156, 158, 159, 161, 163, 164, 166, 167, 169,
    170, 172, 173, 175, 176, 178, 179, 181, 182, 183, 185, 186, 187, 189, 190, 191, 193, 194, 195, 197, 198, 199, 201, 202,
    203, 204, 206, 207, 208, 209, 211, 212, 213, 214, 215, 217, 218, 219, 220, 221, 222, 223, 225, 226, 227, 228, 229, 230,
    231, 232, 234, 235, 236, 237, 238, 239, 240, 241, 242, 243, 244, 245, 246, 247, 248, 249, 250, 251, 252, 253, 254, 255,
};

uint32_t bootrom_fsqrt(uint32_t a)
{
    int32_t exponent = exponent_of(a);
    if (exponent == 0) {
        return a & SIGN;
    }
    if ((int32_t)a < 0) {
        return SIGN | INFINITE;
    }
    if (exponent == 255) {
        return INFINITE;
    }
    /* 27 bits, from 54 with the point where half of the exponent is. */
    uint32_t number = ((a & 0x7FFFFF) | HIDDEN) << ((exponent & 1) != 0 ? 7 : 8), rest, root = root_of(number, &rest);
    root = longer_root(root, &rest, 0);
    return bootrom_f_packed(0, (exponent + BIAS) >> 1, root << 4 | (rest != 0));
}

/* -1, 0 or 1. Zeros are equal, denormals are zeros, NaNs are infinities. */
static int32_t bootrom_float_ordered(uint32_t a)
{
    int32_t exponent = exponent_of(a), magnitude = (int32_t)(a & ~SIGN);
    if (exponent == 0) {
        return 0;
    }
    if (exponent == 255) {
        magnitude = (int32_t)INFINITE;
    }
    return (int32_t)a < 0 ? -magnitude : magnitude;
}

int32_t bootrom_fcmp(uint32_t a, uint32_t b)
{
    int32_t left = bootrom_float_ordered(a), right = bootrom_float_ordered(b);
    return (left > right) - (left < right);
}

/* -- integers and fixed point. `point` is how many bits are behind the point. */

static uint32_t bootrom_float_from_32(uint32_t sign, uint32_t magnitude, int32_t point)
{
    return bootrom_float_normalised(sign, BIAS + POINT - point, magnitude);
}

uint32_t bootrom_ufix2float(uint32_t value, int32_t point)
{
    return bootrom_float_from_32(0, value, point);
}

uint32_t bootrom_fix2float(int32_t value, int32_t point)
{
    return value < 0 ? bootrom_float_from_32(SIGN, 0u - (uint32_t)value, point) : bootrom_float_from_32(0, (uint32_t)value, point);
}

uint32_t bootrom_uint2float(uint32_t value)
{
    return bootrom_float_from_32(0, value, 0);
}

uint32_t bootrom_int2float(int32_t value)
{
    return bootrom_fix2float(value, 0);
}

static uint32_t bootrom_float_from_64(uint32_t sign, uint64_t magnitude, int32_t point)
{
    uint32_t high = (uint32_t)(magnitude >> 32), low = (uint32_t)magnitude;
    if (high == 0) {
        return bootrom_float_from_32(sign, low, point);
    }
    uint32_t zeros = bootrom_clz32(high);
    uint32_t top = zeros == 0 ? high : high << zeros | low >> (32 - zeros);
    return bootrom_float_from_32(sign, top | (low << zeros != 0), point - 32 + (int32_t)zeros);
}

uint32_t bootrom_ufix642float(uint64_t value, int32_t point)
{
    return bootrom_float_from_64(0, value, point);
}

uint32_t bootrom_fix642float(int64_t value, int32_t point)
{
    return value < 0 ? bootrom_float_from_64(SIGN, 0u - (uint64_t)value, point) : bootrom_float_from_64(0, (uint64_t)value, point);
}

uint32_t bootrom_uint642float(uint64_t value)
{
    return bootrom_float_from_64(0, value, 0);
}

uint32_t bootrom_int642float(int64_t value)
{
    return bootrom_fix642float(value, 0);
}

/* Towards minus infinity, and to the nearest value that the integer has. */
int32_t bootrom_float2fix(uint32_t a, int32_t point)
{
    int32_t exponent = exponent_of(a) - BIAS + point; /* of the highest bit in the integer */
    bool is_negative = (int32_t)a < 0;
    if (exponent_of(a) == 0) {
        return 0;
    }
    if (exponent > 30 || exponent_of(a) == 255) {
        return is_negative ? INT32_MIN : INT32_MAX;
    }
    if (exponent < 0) {
        return is_negative ? -1 : 0;
    }
    uint32_t significand = significand_of(a), down = (uint32_t)(POINT - exponent);
    int32_t whole = (int32_t)(significand >> down);
    if (!is_negative) {
        return whole;
    }
    return -whole - (significand != (uint32_t)whole << down);
}

uint32_t bootrom_float2ufix(uint32_t a, int32_t point)
{
    int32_t exponent = exponent_of(a) - BIAS + point;
    if (exponent_of(a) == 0 || (int32_t)a < 0) {
        return 0;
    }
    if (exponent > 31 || exponent_of(a) == 255) {
        return UINT32_MAX;
    }
    return exponent < 0 ? 0 : significand_of(a) << 1 >> (31 - exponent);
}

int32_t bootrom_float2int(uint32_t a)
{
    return bootrom_float2fix(a, 0);
}

uint32_t bootrom_float2uint(uint32_t a)
{
    return bootrom_float2ufix(a, 0);
}

int64_t bootrom_float2fix64(uint32_t a, int32_t point)
{
    int32_t exponent = exponent_of(a) - BIAS + point;
    bool is_negative = (int32_t)a < 0;
    if (exponent_of(a) == 0) {
        return 0;
    }
    if (exponent > 62 || exponent_of(a) == 255) {
        return is_negative ? INT64_MIN : INT64_MAX;
    }
    if (exponent <= POINT) {
        return bootrom_float2fix(a, point);
    }
    int64_t whole = (int64_t)((uint64_t)significand_of(a) << (exponent - POINT));
    return is_negative ? -whole : whole;
}

uint64_t bootrom_float2ufix64(uint32_t a, int32_t point)
{
    int32_t exponent = exponent_of(a) - BIAS + point;
    if (exponent_of(a) == 0 || (int32_t)a < 0) {
        return 0;
    }
    if (exponent > 63 || exponent_of(a) == 255) {
        return UINT64_MAX;
    }
    if (exponent <= POINT) {
        return bootrom_float2ufix(a, point);
    }
    return (uint64_t)significand_of(a) << (exponent - POINT);
}

int64_t bootrom_float2int64(uint32_t a)
{
    return bootrom_float2fix64(a, 0);
}

uint64_t bootrom_float2uint64(uint32_t a)
{
    return bootrom_float2ufix64(a, 0);
}

uint64_t bootrom_float2double(uint32_t a)
{
    int32_t exponent = exponent_of(a);
    uint64_t sign = (uint64_t)(a & SIGN) << 32;
    if (exponent == 0) {
        return sign;
    }
    if (exponent == 255) {
        return sign | 0x7FF0000000000000u;
    }
    return sign | ((uint64_t)(a & ~SIGN) << 29) + ((uint64_t)(1023 - BIAS) << 52);
}

AEABI(__aeabi_fadd, bootrom_fadd);
AEABI(__aeabi_fsub, bootrom_fsub);
AEABI(__aeabi_fmul, bootrom_fmul);
AEABI(__aeabi_fdiv, bootrom_fdiv);
