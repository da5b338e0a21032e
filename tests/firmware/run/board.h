/*
 * The least that the test programs need of an RP2040: registers by the datasheet's names and sections, the clock at
 * 125 MHz, UART0 at 115,200 baud.
 */
#ifndef BOARD_H
#define BOARD_H

#include <stdbool.h>
#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

#define RESETS 0x4000C000u /* 2.14.3 */
#define RESETS_RESET REGISTER(RESETS + 0x0)
#define RESETS_RESET_CLR REGISTER(RESETS + 0x3000)
#define RESETS_RESET_DONE REGISTER(RESETS + 0x8)
enum { RESET_IO_BANK0 = 5, RESET_PADS_BANK0 = 8, RESET_PLL_SYS = 12, RESET_TIMER = 21, RESET_UART0 = 22 };

#define CLOCKS 0x40008000u /* 2.15.7 */
#define CLK_REF_CTRL REGISTER(CLOCKS + 0x30)
#define CLK_REF_SELECTED REGISTER(CLOCKS + 0x38)
#define CLK_SYS_CTRL REGISTER(CLOCKS + 0x3C)
#define CLK_SYS_SELECTED REGISTER(CLOCKS + 0x44)
#define CLK_PERI_CTRL REGISTER(CLOCKS + 0x48)

#define XOSC_CTRL REGISTER(0x40024000u) /* 2.16.7 */
#define XOSC_STATUS REGISTER(0x40024004u)
#define XOSC_STARTUP REGISTER(0x4002400Cu)

#define PLL_SYS 0x40028000u /* 2.18.4 */
#define PLL_CS REGISTER(PLL_SYS + 0x0)
#define PLL_PWR_CLR REGISTER(PLL_SYS + 0x3004)
#define PLL_FBDIV REGISTER(PLL_SYS + 0x8)
#define PLL_PRIM REGISTER(PLL_SYS + 0xC)

#define WATCHDOG_TICK REGISTER(0x4005802Cu) /* 4.7.6 */

#define TIMER 0x40054000u /* 4.6.5 */
#define TIMER_ALARM0 REGISTER(TIMER + 0x10)
#define TIMER_ALARM1 REGISTER(TIMER + 0x14)
#define TIMER_RAWL REGISTER(TIMER + 0x28)
#define TIMER_INTR REGISTER(TIMER + 0x34)
#define TIMER_INTE REGISTER(TIMER + 0x38)

#define UART0 0x40034000u /* 4.2.8 */
#define UART_DR REGISTER(UART0 + 0x0)
#define UART_FR REGISTER(UART0 + 0x18)
#define UART_IBRD REGISTER(UART0 + 0x24)
#define UART_FBRD REGISTER(UART0 + 0x28)
#define UART_LCR_H REGISTER(UART0 + 0x2C)
#define UART_CR REGISTER(UART0 + 0x30)
#define UART_IMSC REGISTER(UART0 + 0x38)
#define UART_ICR REGISTER(UART0 + 0x44)
enum { UART_FR_BUSY = 1 << 3, UART_FR_RXFE = 1 << 4, UART_FR_TXFF = 1 << 5 };

#define GPIO_CTRL(pin) REGISTER(0x40014004u + 8 * (pin)) /* 2.19.6.1 */
#define GPIO_OUT_XOR REGISTER(0xD000001Cu)               /* 2.3.1.7 */
#define GPIO_OE_SET REGISTER(0xD0000024u)

#define SYST_CSR REGISTER(0xE000E010u) /* 2.4.8 */
#define SYST_RVR REGISTER(0xE000E014u)
#define SYST_CVR REGISTER(0xE000E018u)
#define NVIC_ISER REGISTER(0xE000E100u)
#define ICSR REGISTER(0xE000ED04u)
#define SHPR3 REGISTER(0xE000ED20u)
enum { ICSR_PENDSVSET = 1 << 28 };

static inline void release(uint32_t block)
{
    RESETS_RESET_CLR = 1u << block;
    while ((RESETS_RESET_DONE >> block & 1) == 0) {
    }
}

/* XOSC of 12 MHz, PLL_SYS at 12 MHz * 125 / 6 / 2 = 125 MHz; a tick each microsecond. */
static inline void start_clocks(void)
{
    XOSC_STARTUP = 47; /* 1 ms: 2.16.3 */
    XOSC_CTRL = 0xFAB << 12 | 0xAA0;
    while ((XOSC_STATUS >> 31) == 0) {
    }
    CLK_REF_CTRL = 2;
    while (CLK_REF_SELECTED != 1 << 2) {
    }
    release(RESET_PLL_SYS);
    PLL_CS = 1;
    PLL_FBDIV = 125;
    PLL_PWR_CLR = 1 << 0 | 1 << 5; /* PD, VCOPD */
    while ((PLL_CS >> 31) == 0) {
    }
    PLL_PRIM = 6 << 16 | 2 << 12;
    PLL_PWR_CLR = 1 << 3; /* POSTDIVPD */
    CLK_SYS_CTRL = 1;     /* AUXSRC is the PLL after reset */
    while (CLK_SYS_SELECTED != 1 << 1) {
    }
    WATCHDOG_TICK = 1 << 9 | 12;
}

static inline void start_uart(void)
{
    CLK_PERI_CTRL = 1 << 11;
    release(RESET_UART0);
    release(RESET_IO_BANK0);
    release(RESET_PADS_BANK0);
    GPIO_CTRL(0) = 2;
    GPIO_CTRL(1) = 2;
    UART_IBRD = 67; /* 125 MHz / (16 * 115,200) = 67.816 */
    UART_FBRD = 52;
    UART_LCR_H = 3 << 5 | 1 << 4;
    UART_CR = 1 << 0 | 1 << 8 | 1 << 9;
}

static inline void put(char c)
{
    while ((UART_FR & UART_FR_TXFF) != 0) {
    }
    UART_DR = (uint8_t)c;
}

static inline void print(const char *text)
{
    while (*text != 0) {
        put(*text++);
    }
}

static inline void print_unsigned(uint32_t value)
{
    char digits[10];
    int count = 0;
    do {
        uint32_t rest = 0, quotient = 0;
        for (int i = 31; i >= 0; i--) { /* no division in the core, and no library here */
            rest = rest << 1 | (value >> i & 1);
            quotient <<= 1;
            if (rest >= 10) {
                rest -= 10;
                quotient |= 1;
            }
        }
        digits[count++] = (char)('0' + rest);
        value = quotient;
    } while (value != 0);
    while (count > 0) {
        put(digits[--count]);
    }
}

static inline void drain(void)
{
    while ((UART_FR & UART_FR_BUSY) != 0) {
    }
}

#endif
