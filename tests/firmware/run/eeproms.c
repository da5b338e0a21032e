/*
 * An EEPROM on I2C0 at 0x50 gets five bytes, is asked until it has written them, and read; then one on SPI0 is read, whose
 * chip select is pin 17. Prints what came, and for how many microseconds the first one was busy.
 */
#include "board.h"

#define I2C0 0x40044000u /* 4.3.17 */
#define IC_CON REGISTER(I2C0 + 0x0)
#define IC_TAR REGISTER(I2C0 + 0x4)
#define IC_DATA_CMD REGISTER(I2C0 + 0x10)
#define IC_FS_SCL_HCNT REGISTER(I2C0 + 0x1C)
#define IC_FS_SCL_LCNT REGISTER(I2C0 + 0x20)
#define IC_RAW_INTR_STAT REGISTER(I2C0 + 0x34)
#define IC_CLR_TX_ABRT REGISTER(I2C0 + 0x54)
#define IC_CLR_STOP_DET REGISTER(I2C0 + 0x60)
#define IC_ENABLE REGISTER(I2C0 + 0x6C)
#define IC_RXFLR REGISTER(I2C0 + 0x78)
#define SPI0 0x4003C000u /* 4.4.4 */
#define SSPCR0 REGISTER(SPI0 + 0x0)
#define SSPCR1 REGISTER(SPI0 + 0x4)
#define SSPDR REGISTER(SPI0 + 0x8)
#define SSPSR REGISTER(SPI0 + 0xC)
#define SSPCPSR REGISTER(SPI0 + 0x10)
#define GPIO_OUT_SET REGISTER(0xD0000014u)
#define GPIO_OUT_CLR REGISTER(0xD0000018u)

enum { RESET_I2C0 = 3, RESET_SPI0 = 16, READ = 1 << 8, STOP = 1 << 9, RESTART = 1 << 10 };
enum { TX_ABRT = 1 << 6, STOP_DET = 1 << 9, SELECT = 17, F_SPI = 1, F_I2C = 3, F_SIO = 5 };

static bool send(const char *data, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        IC_DATA_CMD = (uint8_t)data[i] | (i + 1 == count ? STOP : 0);
    }
    while ((IC_RAW_INTR_STAT & STOP_DET) == 0) {
    }
    bool is_aborted = (IC_RAW_INTR_STAT & TX_ABRT) != 0;
    (void)IC_CLR_TX_ABRT;
    (void)IC_CLR_STOP_DET;
    return !is_aborted;
}

static void read_i2c(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        IC_DATA_CMD = READ | (i + 1 == count ? STOP : 0);
    }
    for (; count != 0; count--) {
        while (IC_RXFLR == 0) {
        }
        put((char)IC_DATA_CMD);
    }
    put('\n');
}

static uint8_t exchange(uint8_t value)
{
    SSPDR = value;
    while ((SSPSR & 4) == 0) {
    }
    return (uint8_t)SSPDR;
}

static void read_spi(uint32_t count)
{
    GPIO_OUT_SET = 1 << SELECT;
    GPIO_OE_SET = 1 << SELECT;
    GPIO_OUT_CLR = 1 << SELECT;
    exchange(3);
    exchange(0);
    exchange(0);
    for (; count != 0; count--) {
        put((char)exchange(0));
    }
    GPIO_OUT_SET = 1 << SELECT;
    put('\n');
}

int main(void)
{
    start_clocks();
    start_uart();
    release(RESET_TIMER);
    release(RESET_I2C0);
    release(RESET_SPI0);
    GPIO_CTRL(4) = GPIO_CTRL(5) = F_I2C;
    GPIO_CTRL(16) = GPIO_CTRL(18) = GPIO_CTRL(19) = F_SPI;
    GPIO_CTRL(SELECT) = F_SIO;
    IC_CON = 0x165;
    IC_FS_SCL_HCNT = 125; /* 400 kHz and somewhat less, of 125 MHz */
    IC_FS_SCL_LCNT = 180;
    IC_TAR = 0x50;
    IC_ENABLE = 1;
    send("\0\x20Hello", 7);
    uint32_t begin = TIMER_RAWL;
    while (!send("\0\x20", 2)) {
    }
    uint32_t busy = TIMER_RAWL - begin;
    read_i2c(5);
    print_unsigned(busy);
    put('\n');
    SSPCPSR = 2;
    SSPCR0 = 15 << 8 | 7;
    SSPCR1 = 2;
    read_spi(6);
    drain();
    return 0;
}
