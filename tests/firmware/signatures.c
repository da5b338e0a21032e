// Functions of every kind of parameter and result. The expected signatures are in test_signatures.py.
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

typedef int16_t sample;
enum colour { RED, GREEN = 300 };
enum sign { MINUS = -1, PLUS = 1 };
struct small { int8_t a; uint16_t b; };
struct point { int8_t x; int16_t y; int32_t z; };
struct wide { char tag; int64_t value; };
struct line { struct point from, to; const char *name; uint8_t rgb[3]; };
struct flags { unsigned a : 3, b : 5; };
union number { uint32_t u; int8_t bytes[4]; };
struct triple { int x, y, z; };
struct bytes { uint8_t at[3]; };
struct node { struct node *next; int value; };

void nothing(void) {}
int none_known() { return 7; }
int add(int a, int b) { return a + b; }
uint8_t narrow(uint8_t a, int8_t b, bool c, char d) { return a + b + c + d; }
int64_t long_sum(int a, long long b, unsigned long long c) { return a + b + (int64_t)c; }
float half(float x) { return x; }
double twice(int a, double x) { return x; }
unsigned all_ones(void) { return 0xFFFFFFFFu; }
bool is_odd(unsigned a) { return a & 1; }
const char *text_of(const char *const text, unsigned n) { return text + n; }
int first(const volatile sample *samples, sample **many, int (*callback)(int)) { return samples[0] + callback(1); }
int colours(enum colour c, enum sign s) { return c + s; }
int variadic(const char *format, ...) {
    va_list list;
    va_start(list, format);
    int x = va_arg(list, int);
    va_end(list);
    return x;
}
struct small make_small(int a, int b) { return (struct small){a, b}; }
struct point make_point(int x, int y, int z) { return (struct point){x, y, z}; }
int by_value(int before, struct point p, int behind) { return 1000 * before + p.x + 10 * p.y + 100 * p.z + behind; }
int wide_value(int before, struct wide w, int behind) { return 1000 * before + w.tag + (int)w.value + behind; }
int split_value(int a, int b, struct triple t, int d) {
    return 100000 * a + 10000 * b + 1000 * t.x + 100 * t.y + 10 * t.z + d;
}
int array_value(struct bytes b) { return 100 * b.at[0] + 10 * b.at[1] + b.at[2]; }
int small_value(struct small s, int behind) { return s.a + 10 * s.b + behind; }
int of_line(const struct line *l) {
    return l->from.x + 10 * l->from.y + 100 * l->to.z + 1000 * l->rgb[2] + l->name[0];
}
int of_points(const struct point *p) { return p->x + 10 * p->y + 100 * p->z; }
int of_flags(const struct flags *f) { return f->a; }
int of_union(union number u, const union number *v) { return (int)(u.u + v->u); }
int of_list(const struct node *n) { int sum = 0; for (; n; n = n->next) sum += n->value; return sum; }
unsigned string_length(const char *s) { unsigned n = 0; while (s[n]) n++; return n; }
static int state;
int initialise(int value, const uint8_t *extra) { state = value + (extra ? extra[0] : 0); return 0; }
int current(void) { return state; }
int table[4] = {1, 2, 3, 4};
int word_at(const int *p) { return *p; }
