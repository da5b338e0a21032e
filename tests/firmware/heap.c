/* Users of malloc: with newlib's, or with the one in bump.c. */
#include <stddef.h>

void *malloc(size_t size);
void *realloc(void *old, size_t size);
void free(void *block);

static int *kept;
static unsigned char **blocks;

void init(void) { kept = malloc(16); kept[0] = 42; }
int get(void) { return kept[0]; }
void set(int value) { kept[0] = value; }

/* A scratch copy that must not touch in[]. */
int sum(const unsigned char *in, int n) {
    volatile unsigned char *t = malloc(n);
    if (!t) return -1;
    for (int i = 0; i < n; i++) t[i] = 0;
    int s = 0;
    for (int i = 0; i < n; i++) s += in[i];
    free((void *)t);
    return s;
}

/* Takes n bytes and writes none of them. */
int take(int n) { return malloc(n) != NULL; }

/* Writes all of n bytes. */
int fill(int n) {
    volatile unsigned char *t = malloc(n);
    if (!t) return 0;
    for (int i = 0; i < n; i++) t[i] = 0x5a;
    return 1;
}

int grow(int n) {
    unsigned char *t = NULL;
    for (int i = 1; i <= n; i++) {
        t = realloc(t, 8 * i);
        if (!t) return -i;
        t[8 * i - 1] = i;
    }
    int s = 0;
    for (int i = 1; i <= n; i++) s += t[8 * i - 1];
    free(t);
    return s;
}

/* Recursion that holds n bytes of stack a level. */
int deep(int levels) {
    volatile int here[32];
    for (int i = 0; i < 32; i++) here[i] = levels;
    return levels ? deep(levels - 1) + here[31] : 0;
}

/* The heap first, then the stack on top of it. */
int heap_then_deep(int bytes, int levels) { return take(bytes) ? deep(levels) : -1; }

int fill_then_deep(int bytes, int levels) { return fill(bytes) ? deep(levels) : -1; }

/* And the other way round: the heap grows while the stack is deep. */
int deep_then_heap(int bytes, int levels) {
    volatile int here[32];
    for (int i = 0; i < 32; i++) here[i] = levels;
    return levels ? deep_then_heap(bytes, levels - 1) + here[31] : take(bytes);
}
