/* Code that is inlined: from another file, to each other, in several pieces, partly, and with calls in it. */
#include "inlines.h"

#define KEPT __attribute__((noinline, used))

volatile int sink;

INLINED int scaled(int x, int by) { return clamped(x * by, -100, 90); }

INLINED int dense(const signed char *a, const signed char *b, int n) {
    int sum = 0;
    for (int i = 0; i < n; i++)
        sum += scaled(a[i], b[i]) ^ sink;
    return sum;
}

KEPT int kept(int x);

INLINED int logged(int x) {
    sink = x;
    return x > 0 ? kept(x - 1) : 0;
}

KEPT int kept(int x) { return logged(x & 1) + 1; }

/* GCC inlines the test alone, at -O2, and calls the rest. */
static int guarded(int x) {
    if (x < 3)
        return 0;
    for (int i = 0; i < x; i++) {
        sink += i * x;
        sink ^= sink >> 3;
        sink += kept(sink & 3);
    }
    return sink * 5;
}

KEPT int first(int x) { return guarded(x) + clamped(x, 1, 5); }

KEPT int second(int x) { return guarded(x + 1) * 3 + clamped(x, sink, 7); }

KEPT int layer(const signed char *a, const signed char *b, int n) { return dense(a, b, n) + dense(b, a, n / 2); }

static const signed char A[] = {1, -2, 3, 40, 5, -6, 7, 8}, B[] = {-1, 2, 30, 4, -50, 6, 7, 8};

KEPT int once(int n) { return layer(A, B, n) + clamped(n, sink, 9); }

KEPT int work(int n) {
    int sum = logged(n) + layer(A, B, n);
    sum += once(n) + first(n) + second(n) + guarded(sum);
    return clamped(sum, -1000, 1000);
}
