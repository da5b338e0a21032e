// Measures the calls of a plan, and prints what came of them. Registers: RP2040 datasheet, sections named below.
#include <stdint.h>

// What `export` writes: m0sim/board/plan.py has the same structures.
struct fill {
    uint32_t to;
    const uint8_t *from; // 0: zeros
    uint32_t size;
};

struct call {
    uint32_t entry;
    uint32_t stack_words;
    const uint32_t *stack;
    uint32_t registers[4];
};

struct bench {
    const char *name;
    uint32_t fill_count;
    const struct fill *fills;
    uint32_t call_count; // the last one is measured
    const struct call *calls;
    uint32_t result_words;
    uint32_t first_cycles; // what m0sim says of the first repeat,
    uint32_t later_cycles; // and of all others
    uint32_t result[2];
    uint32_t memory;
};

struct plan {
    uint32_t own_stack_top;
    uint32_t stack_top; // of the functions that are measured
    const char *title;
    uint32_t flushes; // the flash cache, before the first repeat
    uint32_t repeats;
    uint32_t bench_count;
    const struct bench *benches;
};

extern const struct plan *const board_plan;
uint32_t board_measured(const struct call *call, uint32_t *result);
void board_empty(void);
void board_exit(void);
void board_main(void);
void board_fault(const uint32_t *frame);

#define REGISTER(address) (*(volatile uint32_t *)(address))
enum { SET = 0x2000, CLEAR = 0x3000 }; // the aliases of a register that set and clear bits: 2.1.2

enum { MHZ = 125, WRAP = 1 << 24 };

static uint32_t checked; // of what was printed
static uint32_t running; // number of the bench

// CRC-32 as zip and Ethernet have it, a nibble at a time.
static uint32_t with_byte(uint32_t crc, uint32_t byte) {
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    crc ^= byte;
    crc = crc >> 4 ^ table[crc & 15];
    return crc >> 4 ^ table[crc & 15];
}

// ---- UART0 on pins 0 and 1: 4.2

enum { UART = 0x40034000, DATA = 0x00, FLAGS = 0x18, EMPTY = 1 << 4, FULL = 1 << 5 };

static void put(char letter) {
    while (REGISTER(UART + FLAGS) & FULL) {
    }
    REGISTER(UART + DATA) = (uint8_t)letter;
}

static void text(const char *letters) {
    for (; *letters; letters++) {
        if (*letters == '\n')
            put('\r'); // not in the checksum: a terminal may drop it
        checked = with_byte(checked, (uint8_t)*letters);
        put(*letters);
    }
}

static void hex(uint32_t value) {
    char digits[9];
    for (int i = 0; i < 8; i++)
        digits[i] = "0123456789abcdef"[value >> (28 - 4 * i) & 15];
    digits[8] = 0;
    text(digits);
}

static void decimal(uint32_t value) {
    static const uint32_t powers[9] = {1000000000, 100000000, 10000000, 1000000, 100000, 10000, 1000, 100, 10};
    char digits[11];
    int count = 0;
    for (int i = 0; i < 9; i++) {
        char digit = '0';
        for (; value >= powers[i]; value -= powers[i])
            digit++;
        if (digit != '0' || count)
            digits[count++] = digit;
    }
    digits[count++] = (char)('0' + value);
    digits[count] = 0;
    text(digits);
}

// ---- clocks and pins

static void begin_block(uint32_t bits) { // RESETS: 2.14; what was before, such as the boot ROM's, is forgotten
    REGISTER(0x4000c000 + SET) = bits;
    REGISTER(0x4000c000 + CLEAR) = bits;
    while ((REGISTER(0x4000c008) & bits) != bits) {
    }
}

static void start_up(void) {
    REGISTER(0x40058000 + CLEAR) = 1u << 30; // WATCHDOG_CTRL.ENABLE: the boot ROM's reboot was by it
    REGISTER(0x4002400c) = 47;               // XOSC_STARTUP: 1 ms, 2.16.7
    REGISTER(0x40024000) = 0xfabaa0;         // XOSC_CTRL: on, 1 to 15 MHz
    while (!(REGISTER(0x40024004) >> 31)) {  // STATUS.STABLE
    }
    REGISTER(0x4000803c + CLEAR) = 1;        // CLK_SYS_CTRL.SRC: from clk_ref, 2.15.7
    while (REGISTER(0x40008044) != 1) {      // SELECTED
    }
    REGISTER(0x40008030) = 2;                // CLK_REF_CTRL: from the crystal
    while (REGISTER(0x40008038) != 1 << 2) {
    }
    begin_block(1 << 12 | 1 << 5 | 1 << 8);  // PLL_SYS, IO_BANK0, PADS_BANK0
    REGISTER(0x40028000) = 1;                // PLL_SYS: 12 MHz * 125 / 6 / 2, 2.18.2
    REGISTER(0x40028008) = 125;
    REGISTER(0x40028004 + CLEAR) = 1 << 5 | 1; // VCO and all of it on
    while (!(REGISTER(0x40028000) >> 31)) {  // CS.LOCK
    }
    REGISTER(0x4002800c) = 6 << 16 | 2 << 12;
    REGISTER(0x40028004 + CLEAR) = 1 << 3;   // post dividers on
    REGISTER(0x4000803c) = 0;                // CLK_SYS_CTRL.AUXSRC: PLL_SYS
    REGISTER(0x4000803c) = 1;
    while (REGISTER(0x40008044) != 1 << 1) {
    }
    REGISTER(0x40008048) = 1 << 11;          // CLK_PERI_CTRL: on, from clk_sys
    REGISTER(0x4005802c) = 1 << 9 | 12;      // WATCHDOG_TICK: a microsecond of the crystal, 4.7.2
    begin_block(1 << 21 | 1 << 22);          // TIMER, UART0
    REGISTER(0x40014004) = 2;                // GPIO0_CTRL, GPIO1_CTRL: UART0
    REGISTER(0x4001400c) = 2;
    REGISTER(UART + 0x24) = 67;              // 125 MHz / 16 / 115,200 = 67 + 52/64
    REGISTER(UART + 0x28) = 52;
    REGISTER(UART + 0x2c) = 0x70;            // 8 bits, FIFOs
    REGISTER(UART + 0x30) = 0x301;           // on
    REGISTER(0xe000e014) = WRAP - 1;         // SysTick, from the core's clock, without interrupt: DDI 0419, B3.3
    REGISTER(0xe000e018) = 0;
    REGISTER(0xe000e010) = 5;
}

// ---- measuring

static void fill(const struct fill *fill) {
    volatile uint8_t *to = (volatile uint8_t *)fill->to;
    for (uint32_t i = 0; i < fill->size; i++)
        to[i] = fill->from ? fill->from[i] : 0;
}

static uint32_t memory_of(const struct bench *bench) {
    uint32_t crc = ~0u;
    for (uint32_t i = 0; i < bench->fill_count; i++) {
        const uint8_t *at = (const uint8_t *)bench->fills[i].to;
        for (uint32_t size = bench->fills[i].size; size; size--)
            crc = with_byte(crc, *at++);
    }
    return ~crc;
}

// Cycles of one call, its return with them. SysTick has 24 bits: the microseconds say how often it went round.
static uint32_t cycles_of(const struct call *call, uint32_t *result) {
    const uint32_t before = REGISTER(0x40054028); // TIMERAWL: 4.6
    const uint32_t ticks = board_measured(call, result);
    const uint32_t microseconds = REGISTER(0x40054028) - before;
    return ticks + ((microseconds * MHZ - ticks + WRAP / 2) & ~(uint32_t)(WRAP - 1));
}

static void line(const char *what, uint32_t cycles, const uint32_t *result, uint32_t words, uint32_t memory) {
    text(what);
    decimal(running);
    text(" cycles ");
    decimal(cycles);
    text(" result ");
    if (words > 1)
        hex(result[1]);
    if (words)
        hex(result[0]);
    else
        text("-");
    text(" memory ");
    hex(memory);
    text("\n");
}

static void flush(void) { // XIP_CTRL: 2.6.3.4; a load waits until it is done
    REGISTER(0x14000004) = 1;
    (void)REGISTER(0x14000004);
}

static void measure(const struct plan *plan, const struct bench *bench, uint32_t around) {
    text("bench ");
    decimal(running);
    text(" ");
    text(bench->name);
    text("\n");
    line("m0sim ", bench->first_cycles, bench->result, bench->result_words, bench->memory);
    if (bench->later_cycles != bench->first_cycles)
        line("m0sim ", bench->later_cycles, bench->result, bench->result_words, bench->memory);
    for (uint32_t repeat = 0; repeat < plan->repeats; repeat++) {
        uint32_t result[2], cycles = 0;
        for (uint32_t i = 0; i < bench->fill_count; i++)
            fill(&bench->fills[i]);
        if (plan->flushes && repeat == 0)
            flush();
        for (uint32_t i = 0; i < bench->call_count; i++)
            cycles = cycles_of(&bench->calls[i], result);
        line("board ", cycles - around, result, bench->result_words, memory_of(bench));
    }
}

static void end(void) {
    const uint32_t crc = ~checked;
    text("end ");
    hex(crc);
    text("\n");
    text("any key runs it again\n");
    while (REGISTER(UART + FLAGS) & 1 << 3) { // BUSY: the last letters are on their way
    }
    board_exit();
    while (REGISTER(UART + FLAGS) & EMPTY) {
    }
    (void)REGISTER(UART + DATA);
}

static void report(const struct plan *plan) {
    static const struct call nothing = {(uint32_t)board_empty, 0, 0, {0, 0, 0, 0}};
    uint32_t result[2];
    text("\n");
    checked = ~0u;
    text(plan->title);
    // An empty function is one BX LR of two cycles, which are its own.
    const uint32_t around = board_measured(&nothing, result) - 2;
    text("\n");
    for (running = 0; running < plan->bench_count; running++)
        measure(plan, &plan->benches[running], around);
    end();
}

void board_main(void) {
    start_up();
    for (;;)
        report(board_plan);
}

void board_fault(const uint32_t *frame) {
    text("fault ");
    decimal(running);
    text(" pc ");
    hex(frame[6]);
    text("\n");
    end();
    for (;;) {
    }
}
