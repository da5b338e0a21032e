/* A function that is inlined from another file than its caller's. */
extern volatile int sink;

static inline __attribute__((always_inline)) int doubled(int x) {
    sink = 2 * x;
    return sink;
}
