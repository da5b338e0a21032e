/* sin and its like: RP2040 datasheet, table 170. */
#include "soft.h"

#pragma clang attribute push(__attribute__((minsize)), apply_to = function) /* the operators take the time */

#define REAL double
#define WORD uint64_t
#define F(name) bootrom_d##name
#define STORED 52
#define BIAS 1023
#define TOP 2047
#define LITERAL(number) number
#define HALF_PI_1 0x1.921fb54442cp+0
#define HALF_PI_2 0x1.18469898cc4p-44
#define HALF_PI_3 0x1.1701b839a252p-88
#define HALF_PI_HIGH 0x1.921fb54442d18p+0
#define HALF_PI_LOW 0x1.1a62633145c07p-54
#define LN2_1 0x1.62e42fefa38p-1
#define LN2_2 0x1.ef35793c7673p-45
#define SINE_TERMS 7
#define COSINE_TERMS 7
#define EXP_TERMS 12
#define LN_TERMS 10
#define ATAN_TERMS 6

int32_t bootrom_double2int(double x);
double bootrom_int2double(int32_t value);

static inline int32_t bootrom_dfloor(double x)
{
    return bootrom_double2int(x);
}

static inline double bootrom_dof_integer(int32_t value)
{
    return bootrom_int2double(value);
}

#include "scientific.h"

/* For `bootrom_dsincos`, which puts both into registers. */
void bootrom_dsincos_pair(double angle, double pair[2])
{
    double rest;
    int32_t quarter = bootrom_dquarters(angle, &rest);
    pair[0] = bootrom_dsine_of(rest, quarter);
    pair[1] = bootrom_dsine_of(rest, quarter + 1);
}

#pragma clang attribute pop
