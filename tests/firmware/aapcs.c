/* Arguments of all sizes: where they belong is the compiler's affair. */
typedef long long s64;
typedef unsigned long long u64;

s64 mixed(int a, s64 b, int c, s64 d, int e)
{
    return a + 10 * b + 100 * c + 1000 * d + 10000 * (s64)e;
}

int seven(int a, int b, int c, int d, int e, int f, int g)
{
    return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g;
}

int pair_first(s64 a, int b, s64 c)
{
    return (int)(a >> 32) + b + (int)(c >> 32);
}

u64 join(unsigned high, unsigned low) { return (u64)high << 32 | low; }
unsigned complement(unsigned a) { return ~a; }
float blend(float a, int b, float c, float d, float e, float f) { return a * b + c * d - e / f; }
double widen(float a, int b) { return (double)a + b; }
int last_of(const signed char *data, unsigned size) { return data[size - 1]; }

volatile int sink;
void nothing(int a) { sink = a; }

/* With -Os, GCC goes through __gnu_thumb1_case_uqi. */
int choose(int which, int value)
{
    switch (which) {
    case 0: return value + 7;
    case 1: return value * 11;
    case 2: return value - 5;
    case 3: return ~value;
    case 4: return value ^ 0x55;
    case 5: return value / 3;
    case 6: return value << 3;
    case 7: return -value;
    default: return 0;
    }
}

int choose_all(int n)
{
    int sum = 0;
    for (int i = 0; i < n; i++)
        sum += choose(i & 7, i);
    return sum;
}
