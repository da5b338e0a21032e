/*
 * A serial port on USB, by the controller's registers alone (RP2040 datasheet, 4.1): when it is opened it sends 128
 * letters by a pair of buffers, then sends back what it receives, letters as capitals. '.' ends it,
 * '!' stops its clock.
 */
#include "board.h"

#define USB 0x50110000u /* 4.1.4 */
#define ADDR_ENDP REGISTER(USB + 0x00)
#define MAIN_CTRL REGISTER(USB + 0x40)
#define SIE_CTRL REGISTER(USB + 0x4C)
#define SIE_STATUS REGISTER(USB + 0x50)
#define BUFF_STATUS REGISTER(USB + 0x58)
#define EP_STALL_ARM REGISTER(USB + 0x68)
#define USB_MUXING REGISTER(USB + 0x74)
#define USB_PWR REGISTER(USB + 0x78)
#define USB_INTE REGISTER(USB + 0x90)
#define USB_INTS REGISTER(USB + 0x98)
#define PLL_USB 0x4002C000u
#define CLK_USB_CTRL REGISTER(CLOCKS + 0x54)
enum { RESET_PLL_USB = 13, RESET_USBCTRL = 24 };
enum { INT_BUFF_STATUS = 1 << 4, INT_BUS_RESET = 1 << 12, INT_SETUP_REQ = 1 << 16 };

#define DPRAM 0x50100000u /* 4.1.2.5 */
#define SETUP ((volatile uint8_t *)DPRAM)
#define CONTROL_IN(ep) REGISTER(DPRAM + 8u * (ep))
#define CONTROL_OUT(ep) REGISTER(DPRAM + 8u * (ep) + 4)
#define BUFFERS_IN(ep) REGISTER(DPRAM + 0x80 + 8u * (ep))
#define BUFFERS_OUT(ep) REGISTER(DPRAM + 0x84 + 8u * (ep))
#define DATA(offset) ((volatile uint8_t *)(DPRAM + (offset)))
enum { FULL = 1 << 15, LAST = 1 << 14, DATA1 = 1 << 13, SELECT = 1 << 12, STALL = 1 << 11, AVAILABLE = 1 << 10 };
enum { EP0_DATA = 0x100, IN_DATA = 0x180, OUT_DATA = 0x200 };
#define ENABLE (1u << 31)
#define DOUBLE (1u << 30 | 1u << 28)
#define SINGLE (1u << 29)
#define BULK (2u << 26)

static const uint8_t device[] = {18, 1, 0x10, 0x01, 0xEF, 2, 1, 64, 0x8A, 0x2E, 0x0A, 0, 0, 1, 0, 0, 0, 1};
static const uint8_t configuration[] = {
    9, 2, 67, 0, 2, 1, 0, 0x80, 50,
    9, 4, 0, 0, 1, 2, 2, 0, 0,                            /* communications, abstract control model */
    5, 0x24, 0, 0x20, 1, 5, 0x24, 1, 0, 1, 4, 0x24, 2, 2, 5, 0x24, 6, 0, 1,
    7, 5, 0x81, 3, 8, 0, 16,
    9, 4, 1, 0, 2, 10, 0, 0, 0,                           /* data */
    7, 5, 0x02, 2, 64, 0, 0,
    7, 5, 0x82, 2, 64, 0, 0,
};

static const uint8_t *sending;
static uint32_t left, pid0, address;
static uint32_t pid_in, pid_out = 0;
static volatile bool is_open, is_over, is_idle, is_echo;

static void send_part(void)
{
    uint32_t size = left < 64 ? left : 64;
    for (uint32_t i = 0; i < size; i++) {
        DATA(EP0_DATA)[i] = sending[i];
    }
    sending += size;
    left -= size;
    BUFFERS_IN(0) = FULL | AVAILABLE | pid0 | size;
    pid0 ^= DATA1;
}

static void reply(const uint8_t *from, uint32_t size)
{
    uint32_t wanted = SETUP[6] | (uint32_t)SETUP[7] << 8;
    sending = from;
    left = size < wanted ? size : wanted;
    pid0 = DATA1;
    send_part();
    BUFFERS_OUT(0) = AVAILABLE | DATA1 | 64; /* the status stage */
}

static void listen(void)
{
    BUFFERS_OUT(2) = AVAILABLE | pid_out | 64;
    pid_out ^= DATA1;
}

static void configure(void)
{
    CONTROL_IN(2) = ENABLE | DOUBLE | 1u << 30 | BULK | IN_DATA;
    CONTROL_OUT(2) = ENABLE | SINGLE | BULK | OUT_DATA;
    pid_in = pid_out = 0;
    listen();
}

static void banner(void)
{
    for (uint32_t i = 0; i < 128; i++) {
        DATA(IN_DATA)[i] = (uint8_t)(i % 64 == 63 ? '\n' : 'a' + i % 26);
    }
    BUFFERS_IN(2) = (uint32_t)(FULL | AVAILABLE | LAST | DATA1 | 64) << 16 | SELECT | FULL | AVAILABLE | 64;
}

static void setup(void)
{
    pid0 = DATA1;
    if (SETUP[1] == 6 && SETUP[3] == 1) {
        reply(device, sizeof device);
    } else if (SETUP[1] == 6 && SETUP[3] == 2) {
        reply(configuration, sizeof configuration);
    } else if (SETUP[1] == 6) {
        EP_STALL_ARM = 1;
        BUFFERS_IN(0) = STALL;
    } else if (SETUP[6] != 0) { /* SET_LINE_CODING: seven bytes come */
        BUFFERS_OUT(0) = AVAILABLE | DATA1 | 64;
    } else {
        address = SETUP[1] == 5 ? SETUP[2] : address;
        if (SETUP[1] == 9) {
            configure();
        }
        is_open |= SETUP[1] == 0x22 && (SETUP[2] & 1) != 0;
        left = 0;
        BUFFERS_IN(0) = FULL | AVAILABLE | DATA1;
    }
}

static void received(void)
{
    uint32_t size = BUFFERS_OUT(2) & 0x3FF;
    for (uint32_t i = 0; i < size; i++) {
        uint8_t c = DATA(OUT_DATA)[i];
        DATA(IN_DATA)[i] = c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c;
        is_over |= c == '.';
        if (c == '!') {
            CLK_USB_CTRL = 0;
        }
    }
    is_echo = true;
    CONTROL_IN(2) = ENABLE | SINGLE | BULK | IN_DATA;
    BUFFERS_IN(2) = FULL | AVAILABLE | pid_in | size;
    pid_in ^= DATA1;
}

static void buffers(void)
{
    uint32_t done = BUFF_STATUS;
    BUFF_STATUS = done;
    if (done & 1 << 0) {
        ADDR_ENDP = address;
        if (left != 0) {
            send_part();
        }
    }
    if (done & 1 << 1 && SETUP[6] != 0 && SETUP[0] == 0x21) {
        BUFFERS_IN(0) = FULL | AVAILABLE | DATA1; /* the status stage of SET_LINE_CODING */
    }
    if (done & 1 << 4) {
        is_idle = true;
        if (is_echo && !is_over) {
            listen();
        }
        is_echo = false;
    }
    if (done & 1 << 5) {
        received();
    }
}

void IRQ5_Handler(void)
{
    uint32_t status = USB_INTS;
    if (status & INT_BUS_RESET) {
        SIE_STATUS = 1 << 19;
        address = 0;
        ADDR_ENDP = 0;
    }
    if (status & INT_SETUP_REQ) {
        SIE_STATUS = 1 << 17;
        setup();
    }
    if (status & INT_BUFF_STATUS) {
        buffers();
    }
}

static void start_usb(void)
{
    release(RESET_PLL_USB); /* 12 MHz * 100 / 5 / 5 = 48 MHz */
    REGISTER(PLL_USB + 0x0) = 1;
    REGISTER(PLL_USB + 0x8) = 100;
    REGISTER(PLL_USB + 0x3004) = 1 << 0 | 1 << 5;
    while ((REGISTER(PLL_USB) >> 31) == 0) {
    }
    REGISTER(PLL_USB + 0xC) = 5 << 16 | 5 << 12;
    REGISTER(PLL_USB + 0x3004) = 1 << 3;
#ifndef NO_USB_CLOCK
    CLK_USB_CTRL = 1 << 11;
#endif
    release(RESET_USBCTRL);
    for (uint32_t offset = 0; offset < 0x1000; offset += 4) {
        REGISTER(DPRAM + offset) = 0;
    }
    USB_MUXING = 1 << 0 | 1 << 3;
    USB_PWR = 1 << 2 | 1 << 3;
    MAIN_CTRL = 1;
    SIE_CTRL = 1 << 29; /* EP0_INT_1BUF */
    USB_INTE = INT_BUFF_STATUS | INT_BUS_RESET | INT_SETUP_REQ;
    NVIC_ISER = 1 << 5;
    SIE_CTRL = 1 << 29 | 1 << 16; /* PULLUP_EN */
}

int main(void)
{
    start_clocks();
#ifdef LISTENS
    start_uart(); /* and never reads it */
#endif
    start_usb();
    while (!is_open) {
        __asm volatile("wfi");
    }
    banner();
    is_idle = false;
    while (!is_idle) {
        __asm volatile("wfi");
    }
    while (!is_over) {
        __asm volatile("wfi");
    }
    is_idle = false;
    while (!is_idle) {
        __asm volatile("wfi");
    }
    return 0;
}
