/* A heap in a variable of the program: _sbrk never leaves it. */
static char pool[16384];
static char *top = pool;

void *_sbrk(int n) {
    char *old = top;
    if (top + n > pool + sizeof pool) return (void *)-1;
    top += n;
    return old;
}
