/*
 * PIO as firmware uses it: a WS2812 driver on pin 2 and a UART transmitter on pin 3, fed by polling, a square wave on
 * pin 4 out of the other block, and an interrupt every 1,000 cycles of a fourth machine, in which pin 5 changes.
 * Instruction words by hand, from table 365 of the RP2040 datasheet.
 */
#include "board.h"

#define PIO0 0x50200000u
#define PIO1 0x50300000u
#define PIO_CTRL(pio) REGISTER((pio) + 0x0)
#define PIO_CTRL_SET(pio) REGISTER((pio) + 0x2000)
#define PIO_FSTAT(pio) REGISTER((pio) + 0x4)
#define PIO_TXF(pio, i) REGISTER((pio) + 0x10 + 4 * (i))
#define PIO_IRQ(pio) REGISTER((pio) + 0x30)
#define PIO_MEMORY(pio, i) REGISTER((pio) + 0x48 + 4 * (i))
#define SM_CLKDIV(pio, i) REGISTER((pio) + 0xC8 + 0x18 * (i))
#define SM_EXECCTRL(pio, i) REGISTER((pio) + 0xCC + 0x18 * (i))
#define SM_SHIFTCTRL(pio, i) REGISTER((pio) + 0xD0 + 0x18 * (i))
#define SM_INSTR(pio, i) REGISTER((pio) + 0xD8 + 0x18 * (i))
#define SM_PINCTRL(pio, i) REGISTER((pio) + 0xDC + 0x18 * (i))
#define PIO_IRQ0_INTE(pio) REGISTER((pio) + 0x12C)

enum { LIGHTS = 2, SERIAL = 3, SQUARE = 4, ANSWER = 5, FUNCTION_PIO0 = 6, FUNCTION_PIO1 = 7, FUNCTION_SIO = 5 };
enum { SM_LIGHTS, SM_SERIAL, SM_TICKS };

#ifndef ANSWERS
#define ANSWERS 100
#endif

static const uint16_t program0[] = {
    /* lights: 10 cycles a bit, high for 7 or 3 of them; side-set 1 */
    0x6221, /* 0: out x, 1     side 0 [2] */
    0x1223, /* 1: jmp !x, 3    side 1 [2] */
    0x1300, /* 2: jmp 0        side 1 [3] */
    0xA342, /* 3: mov y, y     side 0 [3] */
    /* serial: 8 cycles a bit; side-set 1 with enable */
    0x9FA0, /* 4: pull         side 1 [7] */
    0xF727, /* 5: set x, 7     side 0 [7] */
    0x6001, /* 6: out pins, 1 */
    0x0646, /* 7: jmp x--, 6   [6] */
    /* ticks: IRQ 0 every 1,000 cycles */
    0xC000, /* 8: irq 0 */
    0xE03E, /* 9: set x, 30 */
    0x1F4A, /* 10: jmp x--, 10 [31] */
    0xA542, /* 11: mov y, y [5] */
};

volatile uint32_t answers;

void IRQ7_Handler(void)
{
    PIO_IRQ(PIO0) = 1;
    GPIO_OUT_XOR = 1 << ANSWER;
    answers++;
}

static void put_word(uint32_t machine, uint32_t word)
{
    while ((PIO_FSTAT(PIO0) >> (16 + machine) & 1) != 0) {
    }
    PIO_TXF(PIO0, machine) = word;
}

static void start_machine(uint32_t machine, uint32_t first, uint32_t last, uint32_t execctrl, uint32_t pinctrl)
{
    SM_EXECCTRL(PIO0, machine) = execctrl | last << 12 | first << 7;
    SM_PINCTRL(PIO0, machine) = pinctrl;
    SM_INSTR(PIO0, machine) = first; /* jmp */
}

int main(void)
{
    start_clocks();
    release(RESET_IO_BANK0);
    release(RESET_PADS_BANK0);
    release(10); /* PIO0 */
    release(11); /* PIO1 */
    for (uint32_t i = 0; i < sizeof program0 / sizeof *program0; i++) {
        PIO_MEMORY(PIO0, i) = program0[i];
    }
    SM_CLKDIV(PIO0, SM_LIGHTS) = 15u << 16 | 160 << 8;  /* 125 MHz / 8 MHz = 15.625 */
    SM_CLKDIV(PIO0, SM_SERIAL) = 5u << 16 | 53 << 8;    /* 125 MHz / 8 / 3 MBd = 5.2083..., eight cycles a bit */
    SM_SHIFTCTRL(PIO0, SM_LIGHTS) = 24u << 25 | 1 << 17; /* autopull of 24 bits, to the left */
    SM_SHIFTCTRL(PIO0, SM_SERIAL) = 1u << 30 | 1 << 19;  /* eight words, to the right */
    /* directions by SET, with one pin each */
    SM_PINCTRL(PIO0, 0) = 1u << 26 | LIGHTS << 5;
    SM_INSTR(PIO0, 0) = 0xE081;
    SM_PINCTRL(PIO0, 0) = 1u << 26 | SERIAL << 5;
    SM_INSTR(PIO0, 0) = 0xE001;
    SM_INSTR(PIO0, 0) = 0xE081;
    start_machine(SM_LIGHTS, 0, 3, 0, 1u << 29 | LIGHTS << 10);
    start_machine(SM_SERIAL, 4, 7, 1u << 30, 2u << 29 | SERIAL << 10 | 1u << 20 | SERIAL);
    start_machine(SM_TICKS, 8, 11, 0, 0);
    PIO_MEMORY(PIO1, 0) = 0xE101; /* set pins, 1 [1] */
    PIO_MEMORY(PIO1, 1) = 0xE100; /* set pins, 0 [1] */
    SM_EXECCTRL(PIO1, 3) = 1u << 12;
    SM_PINCTRL(PIO1, 3) = 1u << 26 | SQUARE << 5;
    SM_INSTR(PIO1, 3) = 0xE081;
    SM_CLKDIV(PIO1, 3) = 2u << 16 | 128 << 8; /* 2.5 */
    GPIO_CTRL(LIGHTS) = GPIO_CTRL(SERIAL) = FUNCTION_PIO0;
    GPIO_CTRL(SQUARE) = FUNCTION_PIO1;
    GPIO_CTRL(ANSWER) = FUNCTION_SIO;
    GPIO_OE_SET = 1 << ANSWER;
    PIO_IRQ0_INTE(PIO0) = 1 << 8;
    NVIC_ISER = 1 << 7;
    PIO_CTRL(PIO1) = 1 << (8 + 3) | 1 << 3;
    PIO_CTRL(PIO0) = 7 << 8 | 7;
    for (const char *text = "PIO says hello"; *text != 0; text++) {
        put_word(SM_SERIAL, (uint8_t)*text);
        put_word(SM_LIGHTS, (uint32_t)(uint8_t)*text * 0x01020400);
    }
    while (answers < ANSWERS) {
        __asm volatile("wfi");
    }
    return 0;
}
