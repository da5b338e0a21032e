/* Double precision: see soft.h. A double is its bits here. */
#include "soft.h"

#define SIGN 0x8000000000000000u
#define INFINITE 0x7FF0000000000000u
#define HIDDEN 0x0010000000000000u
#define FRACTION (HIDDEN - 1)
#define BIAS 1023
#define POINT 62 /* as in float.c: 10 more bits than stored are below the last one */

static inline int32_t exponent_of(uint64_t a)
{
    return (int32_t)((uint32_t)(a >> 32) << 1 >> 21);
}

static inline uint64_t significand_of(uint64_t a)
{
    return (a | HIDDEN) << 11 >> 1;
}

static inline uint32_t sign_of(uint64_t a)
{
    return (uint32_t)(a >> 32) & 0x80000000u;
}

static inline uint64_t with_sign(uint32_t sign, uint64_t magnitude)
{
    return (uint64_t)sign << 32 | magnitude;
}

uint64_t bootrom_d_packed(uint32_t sign, int32_t exponent, uint64_t significand)
{
    if (exponent >= 2047) {
        return with_sign(sign, INFINITE);
    }
    if (exponent < 0) {
        return with_sign(sign, 0);
    }
    uint64_t rounded = (significand + 0x1FF + ((uint32_t)significand >> 10 & 1)) >> 10;
    uint32_t high = (uint32_t)(rounded >> 32) + ((uint32_t)(exponent - 1) << 20);
    if (high < 0x00100000u) {
        return with_sign(sign, 0);
    }
    return (uint64_t)(sign | high) << 32 | (uint32_t)rounded;
}

static uint64_t bootrom_double_normalised(uint32_t sign, int32_t exponent, uint64_t significand)
{
    uint32_t high = (uint32_t)(significand >> 32), low = (uint32_t)significand;
    if (high == 0) {
        if (low == 0) {
            return with_sign(sign, 0);
        }
        high = low;
        low = 0;
        exponent -= 32;
    }
    if ((int32_t)high < 0) {
        return bootrom_d_packed(sign, exponent + 1, (uint64_t)high << 31 | low >> 1 | (low & 1));
    }
    uint32_t by = bootrom_clz32(high) - 1;
    high = shifted_left(high, by) | shifted_right(low, 32 - by);
    return bootrom_d_packed(sign, exponent - (int32_t)by, (uint64_t)high << 32 | shifted_left(low, by));
}

uint64_t bootrom_dadd(uint64_t a, uint64_t b)
{
    uint32_t high = (uint32_t)(a >> 32), low = (uint32_t)a, other = (uint32_t)(b >> 32), other_low = (uint32_t)b;
    if (high << 1 < other << 1) {
        uint32_t larger = other, larger_low = other_low;
        other = high;
        other_low = low;
        high = larger;
        low = larger_low;
    }
    int32_t exponent = (int32_t)(high << 1 >> 21), apart = exponent - (int32_t)(other << 1 >> 21);
    uint32_t sign = high & 0x80000000u;
    bool is_sum = (int32_t)(high ^ other) >= 0;
    if (exponent == 2047) {
        return with_sign(sign, INFINITE);
    }
    if (apart == exponent || apart > 54) { /* the other is 0, or too small to count */
        return exponent != 0 ? (uint64_t)high << 32 | low : with_sign(is_sum ? sign : 0, 0);
    }
    high = (high << 11 | 0x80000000u) >> 1 | low >> 22;
    low <<= 10;
    other = (other << 11 | 0x80000000u) >> 1 | other_low >> 22;
    other_low <<= 10;
    if (apart != 0) {
        uint32_t lost, by = (uint32_t)apart;
        if (by < 32) {
            lost = shifted_left(other_low, 32 - by);
            other_low = shifted_right(other_low, by) | shifted_left(other, 32 - by);
            other = shifted_right(other, by);
        } else {
            lost = other_low | shifted_left(other, 64 - by);
            other_low = shifted_right(other, by - 32);
            other = 0;
        }
        other_low |= lost != 0;
    }
    if (is_sum) {
        uint64_t sum = ((uint64_t)high << 32 | low) + ((uint64_t)other << 32 | other_low);
        if ((int64_t)sum < 0) {
            return bootrom_d_packed(sign, exponent + 1, sum >> 1 | (sum & 1));
        }
        return bootrom_d_packed(sign, exponent, sum);
    }
    int64_t difference = (int64_t)(((uint64_t)high << 32 | low) - ((uint64_t)other << 32 | other_low));
    if (difference < 0) {
        difference = -difference;
        sign ^= 0x80000000u;
    }
    return difference == 0 ? 0 : bootrom_double_normalised(sign, exponent, (uint64_t)difference);
}

uint64_t bootrom_dsub(uint64_t a, uint64_t b)
{
    return bootrom_dadd(a, b ^ SIGN);
}

uint64_t bootrom_dmul(uint64_t a, uint64_t b)
{
    uint32_t sign = sign_of(a ^ b);
    int32_t left = exponent_of(a), right = exponent_of(b);
    if (left == 2047 || right == 2047) {
        return with_sign(sign, INFINITE);
    }
    if (left == 0 || right == 0) {
        return with_sign(sign, 0);
    }
    /* 63 bits by 53: the upper word of 126 bits, and whether anything is below it. */
    uint64_t m = (a & FRACTION) | HIDDEN, n = significand_of(b) << 1;
    uint32_t m_low = (uint32_t)m, m_high = (uint32_t)(m >> 32), n_low = (uint32_t)n, n_high = (uint32_t)(n >> 32);
    uint64_t low = product_of(m_low, n_low), first = product_of(m_low, n_high) + (low >> 32);
    uint64_t second = product_of(m_high, n_low) + (uint32_t)first;
    uint64_t high = product_of(m_high, n_high) + (first >> 32) + (second >> 32); /* of 53 or 52 bits */
    uint64_t significand = high << 10 | (uint32_t)second >> 22;
    significand |= ((uint32_t)second << 10 | (uint32_t)low) != 0;
    int32_t exponent = left + right - BIAS;
    if (significand >> POINT != 0) {
        return bootrom_d_packed(sign, exponent + 1, significand);
    }
    return bootrom_d_packed(sign, exponent, significand << 1);
}

/* 11 bits of a quotient: guessed from the upper 21 bits of the divisor and 1, so at most one too small. */
static uint32_t bootrom_digit(uint64_t *rest, uint32_t divisor, uint32_t divisor_low)
{
    uint32_t high = (uint32_t)(*rest >> 32) << 11 | (uint32_t)*rest >> 21, low = (uint32_t)*rest << 11, unused;
    uint32_t digit = divided(high, divisor + 1, &unused);
    uint32_t middle = digit * (divisor_low >> 16), least = digit * (uint16_t)divisor_low;
    uint64_t whole = (uint64_t)divisor << 32 | divisor_low;
    uint64_t over = ((uint64_t)(high - digit * divisor - (middle >> 16)) << 32 | low) - (middle << 16) - least;
    if (over >= whole) {
        over -= whole;
        digit++;
    }
    *rest = over;
    return digit;
}

uint64_t bootrom_ddiv(uint64_t a, uint64_t b)
{
    uint32_t sign = sign_of(a ^ b);
    int32_t left = exponent_of(a), right = exponent_of(b);
    if (left == 2047 || right == 0) {
        return with_sign(sign, INFINITE);
    }
    if (left == 0 || right == 2047) {
        return with_sign(sign, 0);
    }
    uint64_t rest = (a & FRACTION) | HIDDEN, n = (b & FRACTION) | HIDDEN;
    int32_t exponent = left - right + BIAS;
    if (rest < n) {
        rest <<= 1;
        exponent--;
    }
    rest -= n;
    uint32_t high = 1, low = (uint32_t)n, divisor = (uint32_t)(n >> 32);
    high = high << 11 | bootrom_digit(&rest, divisor, low);
    high = high << 11 | bootrom_digit(&rest, divisor, low);
    uint32_t middle = bootrom_digit(&rest, divisor, low) << 11;
    middle |= bootrom_digit(&rest, divisor, low);
    uint32_t last = bootrom_digit(&rest, divisor, low);
    /* 56 bits of quotient: 23, 22 and 11. */
    uint64_t quotient = (uint64_t)(high << 8 | middle >> 14) << 32 | (middle << 18 | last << 7);
    return bootrom_d_packed(sign, exponent, quotient | (rest != 0));
}

uint64_t bootrom_dsqrt(uint64_t a)
{
    int32_t exponent = exponent_of(a);
    if (exponent == 0) {
        return a & SIGN;
    }
    if ((int64_t)a < 0) {
        return SIGN | INFINITE;
    }
    if (exponent == 2047) {
        return INFINITE;
    }
    /* 27 bits as for floats, then 27 more by a long division, after Zimmermann. Below the number's 54 bits are zeros. */
    uint64_t number = ((a & FRACTION) | HIDDEN) << ((exponent & 1) != 0 ? 10 : 11);
    uint32_t rest, root = root_of((uint32_t)(number >> 32), &rest);
    root = longer_root(root, &rest, (uint32_t)number >> 10);
    uint32_t divisor = root << 1, digits = 0;
    for (int32_t i = 0; i < 27; i++) {
        rest <<= 1;
        digits <<= 1;
        if (rest >= divisor) {
            rest -= divisor;
            digits++;
        }
    }
    int64_t below = (int64_t)(((uint64_t)rest << 27) - product_of(digits, digits));
    uint64_t whole = ((uint64_t)root << 27) + digits;
    whole -= below < 0;
    return bootrom_d_packed(0, (exponent + BIAS) >> 1, whole << 9 | (below != 0));
}

static int64_t bootrom_double_ordered(uint64_t a)
{
    int32_t exponent = exponent_of(a);
    int64_t magnitude = (int64_t)(a & ~SIGN);
    if (exponent == 0) {
        return 0;
    }
    if (exponent == 2047) {
        magnitude = (int64_t)INFINITE;
    }
    return (int64_t)a < 0 ? -magnitude : magnitude;
}

int32_t bootrom_dcmp(uint64_t a, uint64_t b)
{
    int64_t left = bootrom_double_ordered(a), right = bootrom_double_ordered(b);
    return (left > right) - (left < right);
}

/* -- integers and fixed point: as in float.c */

uint64_t bootrom_ufix642double(uint64_t value, int32_t point)
{
    return bootrom_double_normalised(0, BIAS + POINT - point, value);
}

uint64_t bootrom_fix642double(int64_t value, int32_t point)
{
    return value < 0 ? bootrom_double_normalised(0x80000000u, BIAS + POINT - point, 0u - (uint64_t)value)
                     : bootrom_double_normalised(0, BIAS + POINT - point, (uint64_t)value);
}

uint64_t bootrom_uint642double(uint64_t value)
{
    return bootrom_ufix642double(value, 0);
}

uint64_t bootrom_int642double(int64_t value)
{
    return bootrom_fix642double(value, 0);
}

uint64_t bootrom_ufix2double(uint32_t value, int32_t point)
{
    return bootrom_ufix642double(value, point);
}

uint64_t bootrom_fix2double(int32_t value, int32_t point)
{
    return bootrom_fix642double(value, point);
}

uint64_t bootrom_uint2double(uint32_t value)
{
    return bootrom_ufix642double(value, 0);
}

uint64_t bootrom_int2double(int32_t value)
{
    return bootrom_fix642double(value, 0);
}

int64_t bootrom_double2fix64(uint64_t a, int32_t point)
{
    int32_t exponent = exponent_of(a) - BIAS + point;
    bool is_negative = (int64_t)a < 0;
    if (exponent_of(a) == 0) {
        return 0;
    }
    if (exponent > 62 || exponent_of(a) == 2047) {
        return is_negative ? INT64_MIN : INT64_MAX;
    }
    if (exponent < 0) {
        return is_negative ? -1 : 0;
    }
    uint64_t significand = significand_of(a);
    uint32_t down = (uint32_t)(POINT - exponent);
    int64_t whole = (int64_t)(significand >> down);
    if (!is_negative) {
        return whole;
    }
    return -whole - (significand != (uint64_t)whole << down);
}

uint64_t bootrom_double2ufix64(uint64_t a, int32_t point)
{
    int32_t exponent = exponent_of(a) - BIAS + point;
    if (exponent_of(a) == 0 || (int64_t)a < 0) {
        return 0;
    }
    if (exponent > 63 || exponent_of(a) == 2047) {
        return UINT64_MAX;
    }
    return exponent < 0 ? 0 : significand_of(a) << 1 >> (63 - exponent);
}

int64_t bootrom_double2int64(uint64_t a)
{
    return bootrom_double2fix64(a, 0);
}

uint64_t bootrom_double2uint64(uint64_t a)
{
    return bootrom_double2ufix64(a, 0);
}

int32_t bootrom_double2fix(uint64_t a, int32_t point)
{
    int64_t value = bootrom_double2fix64(a, point);
    return value < INT32_MIN ? INT32_MIN : value > INT32_MAX ? INT32_MAX : (int32_t)value;
}

uint32_t bootrom_double2ufix(uint64_t a, int32_t point)
{
    uint64_t value = bootrom_double2ufix64(a, point);
    return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

int32_t bootrom_double2int(uint64_t a)
{
    return bootrom_double2fix(a, 0);
}

uint32_t bootrom_double2uint(uint64_t a)
{
    return bootrom_double2ufix(a, 0);
}

uint32_t bootrom_double2float(uint64_t a)
{
    int32_t exponent = exponent_of(a);
    if (exponent == 0) {
        return sign_of(a);
    }
    uint64_t significand = significand_of(a);
    uint32_t top = (uint32_t)(significand >> 32) | ((uint32_t)significand != 0);
    return bootrom_f_packed(sign_of(a), exponent - BIAS + 127, top);
}

AEABI(__aeabi_dadd, bootrom_dadd);
AEABI(__aeabi_dsub, bootrom_dsub);
AEABI(__aeabi_dmul, bootrom_dmul);
AEABI(__aeabi_ddiv, bootrom_ddiv);
