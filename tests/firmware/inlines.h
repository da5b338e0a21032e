#define INLINED static inline __attribute__((always_inline))

INLINED int clamped(int x, int low, int high) {
    if (x < low)
        return low;
    return x > high ? high : x;
}
