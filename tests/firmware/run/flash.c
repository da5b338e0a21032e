/* Erases a sector of the flash and programs a page of it, from SRAM meanwhile; then reads it back through the cache. */
#include "board.h"
#include "rom.h"

enum { OFFSET = 0x1F0000, SECTOR = 4096, PAGE = 256 };

static struct {
    void (*connect)(void);
    void (*exit_xip)(void);
    void (*erase)(uint32_t offset, uint32_t count, uint32_t block, uint8_t command);
    void (*program)(uint32_t offset, const uint8_t *data, uint32_t count);
    void (*flush)(void);
    void (*enter_xip)(void);
} rom;
static uint8_t page[PAGE];

__attribute__((section(".ramfunc"), noinline)) static void rewrite(void)
{
    rom.connect();
    rom.exit_xip();
    rom.erase(OFFSET, SECTOR, 1 << 16, 0xD8);
    rom.program(OFFSET, page, PAGE);
    rom.flush();
    rom.enter_xip();
}

static uint32_t sum(void)
{
    const volatile uint8_t *at = (const volatile uint8_t *)(0x10000000u + OFFSET);
    uint32_t total = 0;
    for (uint32_t i = 0; i < 2 * PAGE; i++) {
        total += at[i];
    }
    return total;
}

int main(void)
{
    start_clocks();
    start_uart();
    rom.connect = rom_function(ROM_CODE('I', 'F'));
    rom.exit_xip = rom_function(ROM_CODE('E', 'X'));
    rom.erase = rom_function(ROM_CODE('R', 'E'));
    rom.program = rom_function(ROM_CODE('R', 'P'));
    rom.flush = rom_function(ROM_CODE('F', 'C'));
    rom.enter_xip = rom_function(ROM_CODE('C', 'X'));
    print_unsigned(sum()); /* erased: 512 * 255 */
    put(' ');
    for (uint32_t i = 0; i < PAGE; i++) {
        page[i] = (uint8_t)i;
    }
    void (*volatile from_sram)(void) = rewrite;
    from_sram();
    print_unsigned(sum()); /* 0 + 1 + ... + 255, and 256 * 255 */
    put('\n');
    drain();
    return 0;
}
