// Functions whose deepest stack test_bounds.py compares with runs: every one is called with inputs that take each way.
#include <stdint.h>

#define OUT_OF_LINE __attribute__((noinline))

volatile int sink;

// Leaves, and straight calls: what a run takes is what the bound says.
OUT_OF_LINE int leaf(int a) { return 3 * a + 1; }
OUT_OF_LINE int leaf_with_array(int a) { volatile int x[10]; x[a & 7] = a; return x[a & 7]; }
OUT_OF_LINE int leaf_with_bytes(int a) { volatile uint8_t x[200]; x[a & 127] = a; return x[(a + 1) & 127]; }
OUT_OF_LINE int leaf_with_many(int a, int b, int c, int d, int e, int f) { return a * b + c * d + e * f + a * f; }
OUT_OF_LINE int leaf_with_much(int a) { volatile uint8_t x[2000]; x[a & 1023] = a; return x[(a + 1) & 1023]; }
OUT_OF_LINE int calls_leaf(int a) { return leaf(a) + leaf(a + 1); }
OUT_OF_LINE int calls_big(int a) { return leaf_with_much(a) + leaf_with_array(a); }
OUT_OF_LINE int calls_many(int a) { return leaf_with_many(a, 2, 3, 4, 5, a) + leaf_with_many(1, 2, 3, a, 5, 6); }
OUT_OF_LINE int calls_deep(int a) { return calls_big(a) + calls_many(a); }
OUT_OF_LINE int tail(int a) { sink = a; return calls_deep(a + 1); }

// Several ways: a run takes one of them.
OUT_OF_LINE int one_or_other(int a) { return a & 1 ? calls_big(a) : leaf(a); }
OUT_OF_LINE int early(int a) { if (a < 3) return a; sink = leaf_with_bytes(a); return calls_many(a); }
OUT_OF_LINE int loops(int a) { int s = 0; for (int i = 0; i < (a & 15); i++) s += calls_leaf(i); return s; }
OUT_OF_LINE int divides(int a) { return a ? 1000 / a + 1000 % a : 0; }
OUT_OF_LINE long long multiplies(long long a) { return a * a / 3; }
OUT_OF_LINE int chooses(int a)
{
    switch (a) {
    case 0: return leaf(4);
    case 1: return calls_leaf(5);
    case 2: return sink;
    case 3: return leaf(99);
    case 4: return 3 * calls_big(2);
    case 5: return loops(a);
    case 6: return 13;
    case 7: sink = 3; return calls_many(1);
    default: return 0;
    }
}
OUT_OF_LINE int chooses_more(unsigned a, int b)
{
    switch (a - 3) {
    case 0: sink += b; break;
    case 1: sink -= leaf(b); break;
    case 2: sink ^= calls_deep(b); break;
    case 3: return leaf_with_array(b);
    case 5: sink = leaf_with_bytes(1); break;
    case 6: return b;
    case 7: return b + sink;
    case 9: return chooses(b);
    }
    return leaf_with_bytes(b);
}

// Pointers that code tells.
typedef int (*function)(int);
OUT_OF_LINE int through(int a) { function f = a & 1 ? calls_big : leaf_with_bytes; return f(a) + 1; }
static const function constant_table[] = {leaf, calls_leaf, calls_big, leaf_with_bytes};
OUT_OF_LINE int by_constant_table(unsigned a) { return a < 4 ? constant_table[a](a) : 0; }

// What code does not tell.
function variable;
function table[4] = {leaf, calls_leaf, calls_big, leaf_with_bytes};
OUT_OF_LINE int by_variable_table(unsigned a) { return table[a & 3](a) + 1; }
OUT_OF_LINE int counts_down(int a) { volatile int x[3]; x[0] = a; return a > 0 ? counts_down(a - 1) + x[0] : x[0]; }
int odd(int a);
OUT_OF_LINE int even(int a) { volatile int x[2]; x[0] = a; return a > 0 ? odd(a - 1) + x[0] : 1; }
OUT_OF_LINE int odd(int a) { volatile int x[7]; x[0] = a; return a > 0 ? even(a - 1) + x[0] : calls_leaf(a); }
OUT_OF_LINE int takes_room(int a) { volatile uint8_t x[(a & 63) + 1]; x[0] = leaf(a); x[a & 63] = 1; return x[0]; }
