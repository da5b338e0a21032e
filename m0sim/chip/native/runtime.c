/*
 * What compilers and linkers expect of a C library: the core has none.
 */
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);

void *memcpy(void *to, const void *from, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        ((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
    }
    return to;
}

void *memset(void *to, int value, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        ((uint8_t *)to)[i] = (uint8_t)value;
    }
    return to;
}

#if defined(__APPLE__) /* what LLVM calls to zero something large there: the one on x86-64, the other on Arm */
void __bzero(void *to, size_t size);
void bzero(void *to, size_t size);

void __bzero(void *to, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        ((uint8_t *)to)[i] = 0;
    }
}

void bzero(void *to, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        ((uint8_t *)to)[i] = 0;
    }
}
#endif

#if defined(_WIN32)
int __stdcall DllMainCRTStartup(void *instance, uint32_t reason, void *reserved)
{
    (void)instance, (void)reason, (void)reserved;
    return 1;
}
#endif
