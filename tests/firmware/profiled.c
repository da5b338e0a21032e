/* Several callers of one function, recursion, a tail call, an inlined function of another file, and code not run. */
#include "profiled.h"

#define KEPT __attribute__((noinline, used))

volatile int sink;

KEPT int shared(int x) {
    for (int i = 0; i < 4; i++)
        sink += x;
    return sink;
}

KEPT int first(int x) { return shared(x) + 1; }

KEPT int second(int x) { return shared(x + 1) + shared(x + 2); }

KEPT int depth(int n) {
    if (n == 0)
        return shared(1);
    return depth(n - 1) + doubled(n);
}

KEPT int is_odd(int n);

KEPT int is_even(int n) {
    sink = n;
    if (n == 0)
        return 1;
    return is_odd(n - 1) + sink;
}

KEPT int is_odd(int n) {
    sink = n;
    if (n == 0)
        return 0;
    return is_even(n - 1) + sink;
}

KEPT int tail(int x) {
    sink = x;
    return shared(x);
}

KEPT int never(int x) {
    if (x > 3)
        sink = 7;
    return shared(x);
}

KEPT int work(int n) {
    int sum = first(n) + second(n) + depth(n) + tail(n) + tail(n + 1) + is_even(n);
    if (sum == -12345)
        sum += never(n);
    return sum;
}

KEPT int faults(int n) {
    int sum = first(n);
    sink = *(volatile int *)0x60000000;
    return sum + second(n);
}
