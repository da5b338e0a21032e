/* A malloc that has no sbrk: only what it writes shows how far it got. */
#include <stddef.h>

extern char end[];
static char *top = end;

void *malloc(size_t size) { char *old = top; top += (size + 7) & ~7; return old; }
void free(void *block) { (void)block; }
void *realloc(void *old, size_t size) {
    char *to = malloc(size);
    for (size_t i = 0; old && i < size - 8; i++) to[i] = ((char *)old)[i];
    return to;
}
