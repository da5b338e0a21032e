/* sinf and its like: RP2040 datasheet, table 169. */
#include "soft.h"

#pragma clang attribute push(__attribute__((minsize)), apply_to = function) /* the operators take the time */

#define REAL float
#define WORD uint32_t
#define F(name) bootrom_f##name
#define STORED 23
#define BIAS 127
#define TOP 255
#define LITERAL(number) ((float)(number))
#define HALF_PI_1 0x1.922p+0f
#define HALF_PI_2 -0x1.2aefp-18f
#define HALF_PI_3 0x1.68c234p-39f
#define HALF_PI_HIGH 0x1.921fb6p+0f
#define HALF_PI_LOW -0x1.777a5cp-25f
#define LN2_1 0x1.62e4p-1f
#define LN2_2 0x1.7f7d1cp-20f
#define SINE_TERMS 4
#define COSINE_TERMS 4
#define EXP_TERMS 6
#define LN_TERMS 4
#define ATAN_TERMS 2

int32_t bootrom_float2int(float x);
float bootrom_int2float(int32_t value);

static inline int32_t bootrom_ffloor(float x)
{
    return bootrom_float2int(x);
}

static inline float bootrom_fof_integer(int32_t value)
{
    return bootrom_int2float(value);
}

#include "scientific.h"

/* The sine in the lower word, which is r0, the cosine in the other. */
uint64_t bootrom_fsincos(float angle)
{
    float rest;
    int32_t quarter = bootrom_fquarters(angle, &rest);
    float sine = bootrom_fsine_of(rest, quarter), cosine = bootrom_fsine_of(rest, quarter + 1);
    return (uint64_t)bootrom_fword(cosine) << 32 | bootrom_fword(sine);
}

#pragma clang attribute pop
