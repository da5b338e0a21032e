/*
 * C++ names as people write them: LLVM's own demangler, which zig brings as source, with no C library below it.
 *
 * A name can make the demangler recurse, allocate and repeat itself as its author likes: 100 bytes can ask for gigabytes
 * of text. So the name's length bounds the recursion, the room and the number of steps are fixed, and what asks for more
 * is left as it is. There is one room, so this is for one thread at a time.
 */
#include <stddef.h>
#include <stdint.h>

enum {
    NAME_LIMIT = 4096,    /* bytes; the worst of these names takes half a MiB of stack */
    ROOM = 1 << 20,       /* bytes for all that is allocated, the text included */
    STEP_LIMIT = 1 << 20, /* pieces of text that are put together */
    HEADER = 16           /* bytes in front of each allocation, for its size */
};

#define INTERNAL __attribute__((visibility("hidden"), used)) /* the demangler asks for these by name */

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
int __stdcall DllMainCRTStartup(void *instance, uint32_t reason, void *reserved)
{
    (void)instance, (void)reason, (void)reserved;
    return 1;
}
#else
#define EXPORT __attribute__((visibility("default")))
#endif

#if defined(__aarch64__) /* where the compiler has none of its own */
#include <setjmp.h>
static jmp_buf way_out;
#define MARK_WAY_OUT() setjmp(way_out)
#define LEAVE() longjmp(way_out, 1)
#else
static void *way_out[5];
#define MARK_WAY_OUT() __builtin_setjmp(way_out)
#define LEAVE() __builtin_longjmp(way_out, 1)
#endif

static _Alignas(HEADER) uint8_t room[ROOM];
static size_t used_room, steps;

/* -- the parts of a C library that the demangler uses */

INTERNAL _Noreturn void abort(void)
{
    LEAVE();
}

INTERNAL void *malloc(size_t size)
{
    uint8_t *begin = room + used_room;
    if (size > ROOM - 2 * HEADER - used_room) {
        abort();
    }
    used_room += HEADER + ((size + HEADER - 1) & ~(size_t)(HEADER - 1));
    *(size_t *)(void *)begin = size;
    return begin + HEADER;
}

INTERNAL void free(void *memory)
{
    (void)memory; /* all of it is free again with the next name */
}

INTERNAL void *memmove(void *to, const void *from, size_t size)
{
    uint8_t *target = to;
    const uint8_t *source = from;
    if (++steps > STEP_LIMIT) {
        abort();
    }
    if (target < source) {
        for (size_t i = 0; i < size; i++) {
            target[i] = source[i];
        }
    } else {
        for (size_t i = size; i-- > 0;) {
            target[i] = source[i];
        }
    }
    return to;
}

INTERNAL void *memcpy(void *to, const void *from, size_t size)
{
    return memmove(to, from, size);
}

INTERNAL void *memset(void *to, int value, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        ((uint8_t *)to)[i] = (uint8_t)value;
    }
    return to;
}

INTERNAL void *realloc(void *memory, size_t size)
{
    void *larger = malloc(size);
    if (memory != NULL) {
        size_t old = *(size_t *)(void *)((uint8_t *)memory - HEADER);
        memmove(larger, memory, old < size ? old : size);
    }
    return larger;
}

INTERNAL size_t strlen(const char *text)
{
    size_t length = 0;
    while (text[length] != 0) {
        length++;
    }
    return length;
}

INTERNAL void *memchr(const void *from, int value, size_t size)
{
    const uint8_t *source = from;
    for (size_t i = 0; i < size; i++) {
        if (source[i] == (uint8_t)value) {
            return (void *)(uintptr_t)(source + i);
        }
    }
    return NULL;
}

INTERNAL int memcmp(const void *a, const void *b, size_t size)
{
    const uint8_t *one = a, *other = b;
    for (size_t i = 0; i < size; i++) {
        if (one[i] != other[i]) {
            return one[i] - other[i];
        }
    }
    return 0;
}

INTERNAL int isdigit(int letter)
{
    return letter >= '0' && letter <= '9';
}

INTERNAL int islower(int letter)
{
    return letter >= 'a' && letter <= 'z';
}

INTERNAL int isupper(int letter)
{
    return letter >= 'A' && letter <= 'Z';
}

/* Only for the values of floating-point template arguments, which stay as they are. */
INTERNAL int snprintf(char *text, size_t size, const char *format, ...)
{
    (void)text, (void)size, (void)format;
    abort();
}

/* std::terminate, and operator delete with and without a size. */
#if defined(__APPLE__)
#define CXX_NAME(name) __asm__("_" name)
#else
#define CXX_NAME(name) __asm__(name)
#endif
INTERNAL void terminate(void) CXX_NAME("_ZSt9terminatev");
INTERNAL void delete_sized(void *memory, size_t size) CXX_NAME("_ZdlPvm");
INTERNAL void delete_plain(void *memory) CXX_NAME("_ZdlPv");

void terminate(void)
{
    abort();
}

void delete_sized(void *memory, size_t size)
{
    (void)memory, (void)size;
}

void delete_plain(void *memory)
{
    (void)memory;
}

/* -- what is called from outside */

char *__cxa_demangle(const char *name, char *text, size_t *size, int *status);
EXPORT size_t m0_demangle(const char *name, char *text, size_t size);

/* Write what `name` means to `text` of `size` bytes. Returns its length; 0 where it is no C++ name, or too much of one. */
size_t m0_demangle(const char *name, char *text, size_t size)
{
    used_room = steps = 0;
    if (strlen(name) > NAME_LIMIT || MARK_WAY_OUT() != 0) {
        return 0;
    }
    const char *found = __cxa_demangle(name, NULL, NULL, NULL);
    if (found == NULL || strlen(found) >= size) {
        return 0;
    }
    memcpy(text, found, strlen(found) + 1);
    return strlen(found);
}
