/*
 * The flash chip, by the serial interface in standard SPI: RP2040 datasheet, 2.8.1.2, 2.8.3.1.3 and 4.10. The commands
 * are those that every serial flash has.
 */
#include <stdbool.h>
#include <stdint.h>

#pragma clang attribute push(__attribute__((minsize)), apply_to = function) /* it waits for the chip anyway */

#define SET 0x2000 /* aliases of a register: 2.1.2 */
#define CLEAR 0x3000

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define RESETS_RESET 0x4000C000
#define RESETS_RESET_DONE 0x4000C008
#define IO_QSPI 0x40018000
#define IO_QSPI_SS_CTRL (IO_QSPI + 0x0C)
#define PADS_BANK0_GPIO26 0x4001C06C
#define PADS_QSPI_SD0 0x40020008
#define XIP_CTRL 0x14000000
#define XIP_FLUSH 0x14000004
#define SSI 0x18000000
#define SSI_CTRLR0 (SSI + 0x00)
#define SSI_CTRLR1 (SSI + 0x04)
#define SSI_SSIENR (SSI + 0x08)
#define SSI_SER (SSI + 0x10)
#define SSI_BAUDR (SSI + 0x14)
#define SSI_SR (SSI + 0x28)
#define SSI_DR0 (SSI + 0x60)
#define SSI_SPI_CTRLR0 (SSI + 0xF4)

enum { RESET_IO_QSPI = 1 << 6, RESET_PADS_BANK0 = 1 << 8, RESET_PADS_QSPI = 1 << 9, RESET_TIMER = 1 << 21 };
enum { SELECT_NORMAL = 0, SELECT_LOW = 2 << 8, SELECT_HIGH = 3 << 8 }; /* OUTOVER of the select line */
enum { PAD_PULL_DOWN = 1 << 2, PAD_PULL_UP = 1 << 3, PAD_INPUT = 1 << 6, PAD_NO_OUTPUT = 1 << 7 };
enum { RECEIVED = 1 << 3 }; /* RFNE */
enum { PROGRAM = 0x02, READ = 0x03, STATUS = 0x05, WRITE_ENABLE = 0x06, ERASE_SECTOR = 0x20 };
enum { PAGE = 256, SECTOR = 4096, CLOCK_DIVIDER = 6 };

#define SECOND_STAGE 0x20041F00
enum { SECOND_STAGE_SIZE = 256, ATTEMPTS = 4 };

static void bootrom_out_of_reset(uint32_t blocks)
{
    REGISTER(RESETS_RESET + CLEAR) = blocks;
    while ((REGISTER(RESETS_RESET_DONE) & blocks) != blocks) {
    }
}

static void bootrom_select(uint32_t how)
{
    REGISTER(IO_QSPI_SS_CTRL) = how;
    (void)REGISTER(IO_QSPI_SS_CTRL);
}

static uint32_t bootrom_exchange(uint32_t byte)
{
    REGISTER(SSI_DR0) = byte;
    while ((REGISTER(SSI_SR) & RECEIVED) == 0) {
    }
    return REGISTER(SSI_DR0);
}

/* Turns of three cycles between two looks at the status: a small part of 0.4 ms, and of 45. */
enum { PROGRAM_POLL = 128, ERASE_POLL = 4096 };

/* Selects the chip, and sends a command, with an address where it has one. */
static void bootrom_command(uint32_t command, bool has_address, uint32_t address)
{
    bootrom_select(SELECT_LOW);
    bootrom_exchange(command);
    if (has_address) {
        bootrom_exchange(address >> 16 & 0xFF);
        bootrom_exchange(address >> 8 & 0xFF);
        bootrom_exchange(address & 0xFF);
    }
}

static void bootrom_change(uint32_t command, uint32_t address, const uint8_t *data, uint32_t size)
{
    bootrom_command(WRITE_ENABLE, false, 0);
    bootrom_select(SELECT_HIGH);
    bootrom_command(command, true, address);
    for (uint32_t i = 0; i < size; i++) {
        bootrom_exchange(data[i]);
    }
    bootrom_select(SELECT_HIGH);
    bootrom_command(STATUS, false, 0);
    while ((bootrom_exchange(0) & 1) != 0) { /* the chip sends its status for as long as it is selected */
        for (uint32_t rest = size != 0 ? PROGRAM_POLL : ERASE_POLL; rest != 0; rest--) {
            __asm volatile(""); /* nobody need know to the microsecond, and a simulation of asking takes long */
        }
    }
    bootrom_select(SELECT_HIGH);
}

void bootrom_connect_internal_flash(void)
{
    REGISTER(RESETS_RESET + SET) = RESET_IO_QSPI | RESET_PADS_QSPI;
    bootrom_out_of_reset(RESET_IO_QSPI | RESET_PADS_QSPI);
    for (uint32_t pin = 0; pin < 6; pin++) {
        REGISTER(IO_QSPI + 8 * pin + 4) = 0; /* FUNCSEL: the XIP interface */
    }
}

static void bootrom_pull_data_lines(uint32_t pad)
{
    for (uint32_t line = 0; line < 4; line++) {
        REGISTER(PADS_QSPI_SD0 + 4 * line) = pad;
    }
}

static void bootrom_clocks(uint32_t bytes, uint32_t value)
{
    while (bytes-- != 0) {
        bootrom_exchange(value);
    }
}

/* Standard SPI, and the sequence of 2.8.1.2. The select line is left to the interface. */
void bootrom_flash_exit_xip(void)
{
    REGISTER(SSI_SSIENR) = 0;
    REGISTER(SSI_BAUDR) = CLOCK_DIVIDER;
    REGISTER(SSI_CTRLR0) = 7 << 16; /* frames of 8 bits, to send and receive */
    REGISTER(SSI_SER) = 1;
    REGISTER(SSI_SSIENR) = 1;

    uint32_t pad = REGISTER(PADS_QSPI_SD0), floating = (pad & ~(uint32_t)(PAD_PULL_UP | PAD_PULL_DOWN)) | PAD_NO_OUTPUT;
    bootrom_select(SELECT_HIGH);
    bootrom_pull_data_lines(floating | PAD_PULL_DOWN);
    bootrom_clocks(4, 0);
    bootrom_select(SELECT_LOW);
    bootrom_pull_data_lines(floating | PAD_PULL_UP);
    bootrom_clocks(4, 0);
    bootrom_select(SELECT_HIGH);
    REGISTER(PADS_QSPI_SD0) = REGISTER(PADS_QSPI_SD0 + 4) = pad;
    REGISTER(PADS_QSPI_SD0 + 8) = REGISTER(PADS_QSPI_SD0 + 12) = (pad & ~(uint32_t)PAD_PULL_DOWN) | PAD_PULL_UP;
    bootrom_select(SELECT_LOW);
    bootrom_clocks(2, 0xFF);
    bootrom_select(SELECT_HIGH);
    bootrom_select(SELECT_NORMAL);
}

/* By blocks where a whole one is to go, by sectors elsewhere. */
void bootrom_flash_range_erase(uint32_t address, uint32_t count, uint32_t block_size, uint8_t block_command)
{
    uint32_t end = address + count;
    while (address < end) {
        bool is_block = (address & (block_size - 1)) == 0 && end - address >= block_size;
        bootrom_change(is_block ? block_command : ERASE_SECTOR, address, 0, 0);
        address += is_block ? block_size : SECTOR;
    }
}

void bootrom_flash_range_program(uint32_t address, const uint8_t *data, uint32_t count)
{
    for (uint32_t done = 0; done < count; done += PAGE) {
        bootrom_change(PROGRAM, address + done, data + done, PAGE);
    }
}

void bootrom_flash_flush_cache(void)
{
    REGISTER(XIP_FLUSH) = 1;
    (void)REGISTER(XIP_FLUSH); /* waits until it is done */
    REGISTER(XIP_CTRL) |= 1;
    bootrom_select(SELECT_NORMAL);
}

void bootrom_flash_enter_cmd_xip(void)
{
    REGISTER(SSI_SSIENR) = 0;
    REGISTER(SSI_CTRLR0) = 31 << 16 | 3 << 8; /* frames of 32 bits; what is sent is command and address */
    REGISTER(SSI_CTRLR1) = 0;
    REGISTER(SSI_SPI_CTRLR0) = (uint32_t)READ << 24 | 2 << 8 | 6 << 2; /* 8 bits of command, 24 of address */
    REGISTER(SSI_SSIENR) = 1;
}

/* -- the way to the second stage */

/* What a program finds: the timer and the pads out of reset, and no input buffers at the pins of the ADC. */
void bootrom_prepare(void)
{
    bootrom_out_of_reset(RESET_PADS_BANK0);
    for (uint32_t pin = 0; pin < 4; pin++) {
        REGISTER(PADS_BANK0_GPIO26 + CLEAR + 4 * pin) = PAD_INPUT;
    }
}

static uint32_t bootrom_crc32(const uint8_t *data, uint32_t size)
{
    uint32_t sum = 0xFFFFFFFF;
    for (uint32_t i = 0; i < size; i++) {
        sum ^= (uint32_t)data[i] << 24;
        for (uint32_t bit = 0; bit < 8; bit++) {
            sum = sum << 1 ^ (sum >> 31 != 0 ? 0x04C11DB7 : 0);
        }
    }
    return sum;
}

/* The first 256 bytes of flash to where they run; whether their sum is right (2.8.1.3.1). */
bool bootrom_load_second_stage(void)
{
    uint8_t *stage = (uint8_t *)SECOND_STAGE;
    REGISTER(RESETS_RESET + SET) = RESET_TIMER;
    bootrom_out_of_reset(RESET_TIMER);
    bootrom_connect_internal_flash();
    bootrom_flash_exit_xip();
    for (uint32_t attempt = 0; attempt < ATTEMPTS; attempt++) {
        REGISTER(SSI_SSIENR) = 0;
        REGISTER(SSI_CTRLR0) = 7 << 16 | attempt << 6; /* clock phase and polarity: all four */
        REGISTER(SSI_SSIENR) = 1;
        bootrom_command(READ, true, 0);
        for (uint32_t i = 0; i < SECOND_STAGE_SIZE; i++) {
            stage[i] = (uint8_t)bootrom_exchange(0);
        }
        bootrom_select(SELECT_HIGH);
        if (bootrom_crc32(stage, SECOND_STAGE_SIZE - 4) == *(const uint32_t *)(stage + SECOND_STAGE_SIZE - 4)) {
            bootrom_flash_flush_cache();
            return true;
        }
    }
    return false;
}

#pragma clang attribute pop
