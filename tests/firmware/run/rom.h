/* Functions of the boot ROM: RP2040 datasheet, 2.8.3. */
#ifndef ROM_H
#define ROM_H

#include <stdint.h>

#define ROM_CODE(a, b) ((uint32_t)(a) | (uint32_t)(b) << 8)
typedef void *(*rom_lookup_t)(const uint16_t *table, uint32_t code);

static inline void *rom_halfword(uint32_t address)
{
    uint32_t found;
    __asm("ldrh %0, [%1]" : "=r"(found) : "r"(address)); /* no null pointer, although the compiler would think so */
    return (void *)found;
}

static inline void *rom_function(uint32_t code)
{
    rom_lookup_t lookup = (rom_lookup_t)rom_halfword(0x18);
    return lookup((const uint16_t *)rom_halfword(0x14), code);
}

static inline void *rom_data(uint32_t code)
{
    rom_lookup_t lookup = (rom_lookup_t)rom_halfword(0x18);
    return lookup((const uint16_t *)rom_halfword(0x16), code);
}

#endif
