/*
 * Scientific functions, once for floats and once for doubles: whoever includes this says what a REAL is. Series are
 * Taylor's, on ranges that are small enough for the last term to be below half a unit in the last place. Operators
 * are the functions of the same tables; numbers are compared by their bits.
 *
 *     REAL, WORD               the type, and the integer of its size
 *     F(name)                  what a function is called
 *     STORED, BIAS, TOP        bits of a significand, bias of an exponent, and the exponent of infinities
 *     LITERAL(number)          a number as a constant
 *     HALF_PI_1, _2, _3        pi / 2 in parts; the first two have so few bits that their products with the number of
 *                              quarter turns are exact: up to 128 or 1024 radians
 *     LN2_1, LN2_2             the same of the logarithm of 2
 *     SINE_TERMS, COSINE_TERMS, EXP_TERMS, LN_TERMS, ATAN_TERMS
 */

union F(bits) {
    REAL real;
    WORD word;
};

static inline WORD F(word)(REAL x)
{
    return (union F(bits)){.real = x}.word;
}

static inline REAL F(real)(WORD word)
{
    return (union F(bits)){.word = word}.real;
}

static inline int32_t F(exponent)(REAL x)
{
    return (int32_t)(F(word)(x) << 1 >> (STORED + 1));
}

static inline bool F(is_negative)(REAL x)
{
    return F(word)(x) >> (8 * sizeof(WORD) - 1) != 0;
}

static inline REAL F(magnitude)(REAL x)
{
    return F(real)(F(word)(x) << 1 >> 1);
}

/* x times 2 to the power of n; 0 and infinities stay. */
static REAL F(scaled)(REAL x, int32_t n)
{
    int32_t exponent = F(exponent)(x);
    if (exponent == 0 || exponent == TOP) {
        return x;
    }
    if (exponent + n <= 0) {
        return 0;
    }
    return exponent + n >= TOP ? F(real)((WORD)TOP << STORED) : F(real)(F(word)(x) + ((WORD)(int64_t)n << STORED));
}

/* From the constant on: c[0] + c[1] x + c[2] x * x ... */
static REAL F(polynomial)(REAL x, const REAL *c, int32_t count)
{
    REAL sum = c[count - 1];
    for (int32_t i = count - 2; i >= 0; i--) {
        sum = sum * x + c[i];
    }
    return sum;
}

#define OVER(n) (LITERAL(1.0) / LITERAL(n))

/* -- sine and cosine */

static const REAL F(sine_terms)[] = {
    -OVER(6.0), OVER(120.0), -OVER(5040.0), OVER(362880.0), -OVER(39916800.0), OVER(6227020800.0),
    -OVER(1307674368000.0),
};
static const REAL F(cosine_terms)[] = {
    OVER(24.0), -OVER(720.0), OVER(40320.0), -OVER(3628800.0), OVER(479001600.0), -OVER(87178291200.0),
    OVER(20922789888000.0),
};

/* Up to an eighth of a turn. */
static REAL F(sine)(REAL x)
{
    REAL square = x * x;
    return x + x * (square * F(polynomial)(square, F(sine_terms), SINE_TERMS));
}

static REAL F(cosine)(REAL x)
{
    REAL square = x * x, half = square * LITERAL(0.5), first = LITERAL(1.0) - half;
    REAL lost = (LITERAL(1.0) - first) - half; /* that the subtraction rounded away */
    return first + (lost + square * square * F(polynomial)(square, F(cosine_terms), COSINE_TERMS));
}

/* How many quarter turns an angle is, to the nearest, and what it is more or less than those. */
static int32_t F(quarters)(REAL angle, REAL *rest)
{
    int32_t count = F(floor)(angle * LITERAL(0x1.45f306dc9c883p-1) + LITERAL(0.5));
    REAL turns = F(of_integer)(count);
    *rest = ((angle - turns * HALF_PI_1) - turns * HALF_PI_2) - turns * HALF_PI_3;
    return count;
}

static REAL F(sine_of)(REAL rest, int32_t quarter)
{
    REAL value = (quarter & 1) != 0 ? F(cosine)(rest) : F(sine)(rest);
    return (quarter & 2) != 0 ? -value : value;
}

REAL F(sin)(REAL angle)
{
    REAL rest;
    int32_t quarter = F(quarters)(angle, &rest);
    return F(sine_of)(rest, quarter);
}

REAL F(cos)(REAL angle)
{
    REAL rest;
    int32_t quarter = F(quarters)(angle, &rest);
    return F(sine_of)(rest, quarter + 1);
}

REAL F(tan)(REAL angle)
{
    REAL rest;
    int32_t quarter = F(quarters)(angle, &rest);
    REAL sine = F(sine)(rest), cosine = F(cosine)(rest);
    return (quarter & 1) != 0 ? -cosine / sine : sine / cosine;
}

/* -- exponential and logarithm */

static const REAL F(exp_terms)[] = {
    LITERAL(0.5), OVER(6.0), OVER(24.0), OVER(120.0), OVER(720.0), OVER(5040.0), OVER(40320.0), OVER(362880.0),
    OVER(3628800.0), OVER(39916800.0), OVER(479001600.0), OVER(6227020800.0),
};

REAL F(exp)(REAL x)
{
    if (F(exponent)(x) > BIAS + 10) { /* infinities, and what comes near */
        return F(is_negative)(x) ? 0 : F(real)((WORD)TOP << STORED);
    }
    int32_t power = F(floor)(x * LITERAL(0x1.71547652b82fep+0) + LITERAL(0.5));
    REAL twos = F(of_integer)(power), high = x - twos * LN2_1, low = twos * LN2_2, rest = high - low;
    REAL more = rest * rest * F(polynomial)(rest, F(exp_terms), EXP_TERMS);
    return F(scaled)(LITERAL(1.0) + (high + (more - low)), power);
}

static const REAL F(ln_terms)[] = {
    LITERAL(2.0) / LITERAL(3.0), LITERAL(2.0) / LITERAL(5.0), LITERAL(2.0) / LITERAL(7.0), LITERAL(2.0) / LITERAL(9.0),
    LITERAL(2.0) / LITERAL(11.0), LITERAL(2.0) / LITERAL(13.0), LITERAL(2.0) / LITERAL(15.0),
    LITERAL(2.0) / LITERAL(17.0), LITERAL(2.0) / LITERAL(19.0), LITERAL(2.0) / LITERAL(21.0),
};

/* ln(2^power (1 + f)), by the series of s = f / (2 + f): f - f f / 2 + s (f f / 2 + 2 s s / 3 + 2 s^4 / 5 ...) */
REAL F(ln)(REAL x)
{
    int32_t power = F(exponent)(x) - BIAS;
    if (F(is_negative)(x) || power == -BIAS) {
        return -F(real)((WORD)TOP << STORED);
    }
    if (power == TOP - BIAS) {
        return F(real)((WORD)TOP << STORED);
    }
    WORD fraction = F(word)(x) << (8 * sizeof(WORD) - STORED) >> (8 * sizeof(WORD) - STORED);
    int32_t is_upper = fraction >= (WORD)(LITERAL(0.41421356237309515) * (REAL)((WORD)1 << STORED));
    REAL f = F(real)(fraction | (WORD)(BIAS - is_upper) << STORED) - LITERAL(1.0); /* from root 1/2 to root 2, less 1 */
    REAL twos = F(of_integer)(power + is_upper);
    REAL s = f / (LITERAL(2.0) + f), square = s * s, half = LITERAL(0.5) * f * f;
    REAL series = square * F(polynomial)(square, F(ln_terms), LN_TERMS);
    return twos * LN2_1 - ((half - (s * (half + series) + twos * LN2_2)) - f);
}

/* -- arc tangent */

static const REAL F(atan_terms)[] = {
    -OVER(3.0), OVER(5.0), -OVER(7.0), OVER(9.0), -OVER(11.0), OVER(13.0),
};
static const REAL F(atan_of_eighths)[] = {
    LITERAL(0.0), LITERAL(0x1.fd5ba9aac2f6ep-4), LITERAL(0x1.f5b75f92c80ddp-3), LITERAL(0x1.6f61941e4def1p-2),
    LITERAL(0x1.dac670561bb4fp-2), LITERAL(0x1.1e00babdefeb4p-1), LITERAL(0x1.4978fa3269ee1p-1),
    LITERAL(0x1.700a7c5784634p-1), LITERAL(0x1.921fb54442d18p-1),
};

/* From 0 to 1: that of the nearest eighth, and of the angle between. */
static REAL F(atan_of)(REAL x)
{
    int32_t eighths = F(floor)(x * LITERAL(8.0) + LITERAL(0.5));
    REAL near = F(of_integer)(eighths) * LITERAL(0.125);
    REAL between = eighths == 0 ? x : (x - near) / (LITERAL(1.0) + x * near), square = between * between;
    REAL series = between * (square * F(polynomial)(square, F(atan_terms), ATAN_TERMS));
    return F(atan_of_eighths)[eighths] + (between + series);
}

REAL F(atan2)(REAL y, REAL x)
{
    REAL small = F(magnitude)(y), large = F(magnitude)(x), angle;
    bool is_steep = F(word)(small) > F(word)(large);
    if (is_steep) {
        large = F(magnitude)(y);
        small = F(magnitude)(x);
    }
    if (F(exponent)(large) == TOP) {
        angle = F(exponent)(small) == TOP ? F(atan_of_eighths)[8] : LITERAL(0.0);
    } else {
        angle = F(exponent)(small) == 0 ? LITERAL(0.0) : F(atan_of)(small / large);
    }
    if (is_steep) {
        angle = HALF_PI_HIGH - (angle - HALF_PI_LOW);
    }
    if (F(is_negative)(x)) {
        angle = LITERAL(2.0) * HALF_PI_HIGH - (angle - LITERAL(2.0) * HALF_PI_LOW);
    }
    return F(is_negative)(y) ? -angle : angle;
}
