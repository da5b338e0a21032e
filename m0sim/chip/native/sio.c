/*
 * The RP2040's SIO: pins, mailboxes, spinlocks and interpolators. The divider is in port.c.
 *
 * Sources: RP2040 datasheet, sections 2.3.1.2 (GPIO control), 2.3.1.3 (spinlocks), 2.3.1.4 (mailboxes), 2.3.1.6
 * (interpolators) and the register list in 2.3.1.7; how pins come to the SIO is in section 2.19.2 and 2.19.5 (overrides).
 */
#include "pio.h"

enum { SIO_IRQ_PROC0 = 15, QSPI_SS = 1 << 1 };
enum { FIFO_WORDS = 8, FIFO_VLD = 1, FIFO_RDY = 2, FIFO_WOF = 4, FIFO_ROE = 8 };

static uint32_t *word_at(struct m0_core *core, uint32_t offset)
{
    uint32_t *words = m0_pointer(core->port.words);
    return &words[offset >> 2];
}

/* -- pins */

/* Let the two flip-flops behind each input come to cycle `now`. */
void m0_move_inputs(struct m0_pins *pins, int64_t now)
{
    if (now > pins->input_at) {
        pins->input2 = now == pins->input_at + 1 ? pins->input1 : pins->input;
        pins->input1 = pins->input;
        pins->input_at = now;
    }
}

/* What blocks of the chip see of the pins. */
static uint32_t input_of(const struct m0_pins *pins, uint32_t seen)
{
    return (seen & pins->in_and) ^ pins->in_xor;
}

/* From now on inputs are followed: they have been as they are for long. */
void m0_begin_inputs(struct m0_pins *pins, int64_t now)
{
    pins->input = pins->input1 = pins->input2 = input_of(pins, pins->seen);
    pins->input_at = now;
    pins->input_since = 0;
}

/* Pins that a wire connects to another one have its level, where the chip does not drive them itself. */
M0_RARE static uint32_t along_wires(const struct m0_pins *pins, uint32_t level, uint32_t enabled)
{
    uint32_t ends = pins->wired & ~enabled, high = 0;
    for (uint32_t left = ends, pin = 0; left != 0; left >>= 1, pin++) {
        high |= (left & level >> pins->wires[pin] & 1) << pin;
    }
    return (level & ~ends) | high;
}

/* Put the pins to what the SIO, PIO and others drive them to. What of them changed is noted: for the interrupts of pins,
   and for whoever draws them. */
M0_INLINE void drive_pins(const struct m0_core *core, const struct m0_pio *pio, struct m0_pins *pins, int64_t now)
{
    const uint32_t *words = m0_pointer(core->port.words);
    uint32_t out = (words[GPIO_OUT >> 2] & pins->port) | pins->other_out;
    uint32_t enabled = (words[GPIO_OE >> 2] & pins->port) | pins->other_oe;
    if ((pins->pio[0] | pins->pio[1]) != 0) {
        out |= (pio->blocks[0].out & pins->pio[0]) | (pio->blocks[1].out & pins->pio[1]);
        enabled |= (pio->blocks[0].oe & pins->pio[0]) | (pio->blocks[1].oe & pins->pio[1]);
    }
    out = (out & pins->out_and) ^ pins->out_xor;
    enabled = (enabled & pins->oe_and) ^ pins->oe_xor;
    uint32_t level = (out & enabled) | (pins->outside & ~enabled);
    if (pins->wired != 0) {
        level = along_wires(pins, level, enabled);
    }
    uint32_t seen = level & pins->inputs;
    if (pio->is_used != 0 && input_of(pins, seen) != pins->input) {
        m0_move_inputs(pins, now);
        pins->input = input_of(pins, seen);
        pins->input_since = now;
    }
    uint32_t moved = seen ^ pins->seen;
    if (moved != 0) {
        pins->rose |= moved & seen;
        pins->fell |= moved & ~seen;
        pins->is_news |= (moved & pins->watched) != 0;
        pins->seen = seen;
    }
    if (level == pins->level && enabled == pins->driven) {
        return;
    }
    pins->level = level;
    pins->driven = enabled;
    pins->changes++;
    if (pins->log_count < pins->log_capacity) {
        pins->log[pins->log_count++] = (struct m0_pin_change){now, level, enabled};
    }
}

void m0_drive_pins(const struct m0_core *core, const struct m0_pio *pio, struct m0_pins *pins, int64_t now)
{
    drive_pins(core, pio, pins, now);
}

/* Something else than PIO, which has come to `now`, changed what drives pins. */
void m0_update_pins(struct m0_core *core, int64_t now)
{
    drive_pins(core, &core->chip->pio, m0_pins(core), now);
    if (core->chip->pio.is_running != 0) {
        m0_pio_disturb(core, now);
    }
}

/* OUT, OE, HI_OUT and HI_OE, each a group of four: the register, SET, CLR and XOR. */
static void write_gpio(struct m0_core *core, uint32_t offset, uint32_t value)
{
    uint32_t *word = word_at(core, offset & ~0xFu);
    switch (offset >> 2 & 3) {
    case 0: *word = value; break;
    case 1: *word |= value; break;
    case 2: *word &= ~value; break;
    default: *word ^= value; break;
    }
    if (offset < GPIO_HI_OUT) {
        drive_pins(core, &core->chip->pio, m0_pins(core), core->port.now);
    }
}

/* -- mailboxes */

static void set_line(struct m0_core *core, uint32_t interrupt, bool is_high, int64_t now)
{
    uint32_t line = 1u << interrupt;
    if (is_high && (core->system.lines & line) == 0) {
        m0_pend(core, EXCEPTION_INTERRUPT + interrupt, now);
    }
    core->system.lines = is_high ? core->system.lines | line : core->system.lines & ~line;
    core->system.attention = 1;
}

/* The request of a core's mailbox: the OR of VLD, WOF and ROE of its FIFO_ST. Both cores get it, from a cycle on. */
void m0_request_mail(struct m0_core *core, int64_t now)
{
    const struct m0_sio *sio = &core->port.sio;
    bool is_high = sio->inbox.count != 0 || sio->fifo_flags != 0;
    set_line(core, SIO_IRQ_PROC0 + core->number, is_high, now);
    if (core->other != NULL) {
        set_line(core->other, SIO_IRQ_PROC0 + core->number, is_high, now);
    }
}

static void set_fifo_flags(struct m0_core *core, uint32_t flags)
{
    core->port.sio.fifo_flags = flags;
    if (core->other != NULL) {
        m0_involve(core, core->other, m0_seen_at(core->other, core->port.now));
    }
    m0_request_mail(core, core->port.now);
}

/* Words on their way to the other core. */
static uint32_t *sent_by(struct m0_core *core)
{
    return core->other != NULL ? &core->other->port.sio.inbox.count : &core->port.sio.unread;
}

static void send(struct m0_core *core, uint32_t value)
{
    struct m0_core *to = core->other;
    if (*sent_by(core) == FIFO_WORDS) {
        set_fifo_flags(core, core->port.sio.fifo_flags | FIFO_WOF);
        return;
    }
    if (to != NULL) {
        struct m0_mailbox *box = &to->port.sio.inbox;
        box->words[(box->first + box->count) % FIFO_WORDS] = value;
    }
    ++*sent_by(core);
    if (to != NULL) {
        int64_t seen = m0_seen_at(to, core->port.now);
        m0_involve(core, to, seen);
        m0_request_mail(to, seen);
    }
}

static uint32_t receive(struct m0_core *core)
{
    struct m0_mailbox *box = &core->port.sio.inbox;
    if (box->count == 0) {
        set_fifo_flags(core, core->port.sio.fifo_flags | FIFO_ROE);
        return 0;
    }
    uint32_t value = box->words[box->first];
    box->first = (box->first + 1) % FIFO_WORDS;
    box->count--;
    m0_request_mail(core, core->port.now);
    return value;
}

static void write_fifo(struct m0_core *core, uint32_t offset, uint32_t value)
{
    if (offset == FIFO_ST) {
        set_fifo_flags(core, 0);
    } else if (offset == FIFO_WR) {
        send(core, value);
    }
}

static uint32_t read_fifo(struct m0_core *core, uint32_t offset)
{
    const struct m0_sio *sio = &core->port.sio;
    if (offset == FIFO_ST) {
        uint32_t has_room = *sent_by(core) < FIFO_WORDS ? FIFO_RDY : 0;
        return (sio->inbox.count != 0 ? FIFO_VLD : 0) | has_room | sio->fifo_flags;
    }
    return offset == FIFO_RD ? receive(core) : 0;
}

/* -- spinlocks */

static uint32_t read_spinlock(struct m0_core *core, uint32_t offset)
{
    uint32_t *lock = word_at(core, offset);
    if (*lock != 0) {
        return 0;
    }
    *lock = 1;
    return 1u << ((offset - SPINLOCK0) >> 2);
}

static uint32_t read_spinlocks(struct m0_core *core)
{
    uint32_t taken = 0;
    for (uint32_t i = 0; i < 32; i++) {
        taken |= *word_at(core, SPINLOCK0 + 4 * i) << i;
    }
    return taken;
}

/* -- interpolators */

/* Registers of one, from its ACCUM0 on. */
enum { ACCUM1 = 0x04, BASE0 = 0x08, BASE2 = 0x10, POP_LANE0 = 0x14, POP_FULL = 0x1C, PEEK_LANE0 = 0x20, PEEK_FULL = 0x28,
       CTRL_LANE0 = 0x2C, CTRL_LANE1 = 0x30, ACCUM0_ADD = 0x34, ACCUM1_ADD = 0x38, BASE_1AND0 = 0x3C };

#define CTRL_SIGNED (1u << 15)
#define CTRL_CROSS_INPUT (1u << 16)
#define CTRL_CROSS_RESULT (1u << 17)
#define CTRL_ADD_RAW (1u << 18)
#define CTRL_BLEND (1u << 21)
#define CTRL_CLAMP (1u << 22)
#define CTRL_LANE 0x1FFFFFu

/* One lane's input, and what is left of it after shift, mask and sign extension. */
struct lane {
    uint32_t input;
    uint32_t masked;
    uint32_t beyond; /* bits above the mask that were not 0 */
};

static struct lane lane_of(const struct m0_interpolator *interpolator, uint32_t i)
{
    uint32_t ctrl = interpolator->ctrl[i], shift = ctrl & 31, lsb = ctrl >> 5 & 31, msb = ctrl >> 10 & 31;
    uint32_t input = interpolator->accum[(ctrl & CTRL_CROSS_INPUT) != 0 ? 1 - i : i];
    uint32_t shifted = input >> shift, below = 0xFFFFFFFF >> (31 - msb);
    uint32_t masked = shifted & below & 0xFFFFFFFF << lsb;
    if ((ctrl & CTRL_SIGNED) != 0 && (masked >> msb & 1) != 0) {
        masked |= ~below;
    }
    return (struct lane){input, masked, shifted & ~below};
}

static uint32_t clamp(uint32_t value, uint32_t low, uint32_t high, bool is_signed)
{
    uint32_t flip = is_signed ? 0x80000000 : 0;
    if ((value ^ flip) < (low ^ flip)) {
        return low;
    }
    return (value ^ flip) > (high ^ flip) ? high : value;
}

static uint32_t blend(uint32_t from, uint32_t to, uint32_t alpha, bool is_signed)
{
    int64_t a = is_signed ? (int32_t)from : (int64_t)from, b = is_signed ? (int32_t)to : (int64_t)to;
    return (uint32_t)(a + ((b - a) * (int64_t)alpha >> 8));
}

/* Results of lane 0, of lane 1, and of both. */
static void results_of(const struct m0_interpolator *interpolator, uint32_t *results)
{
    struct lane lanes[2] = {lane_of(interpolator, 0), lane_of(interpolator, 1)};
    const uint32_t *ctrl = interpolator->ctrl, *base = interpolator->base;
    for (uint32_t i = 0; i < 2; i++) {
        results[i] = base[i] + ((ctrl[i] & CTRL_ADD_RAW) != 0 ? lanes[i].input : lanes[i].masked);
    }
    results[2] = base[2] + lanes[0].masked + lanes[1].masked;
    if ((ctrl[0] & CTRL_BLEND) != 0) {
        results[0] = lanes[1].masked & 0xFF;
        results[1] = blend(base[0], base[1], results[0], (ctrl[1] & CTRL_SIGNED) != 0);
        results[2] = base[2] + lanes[0].masked;
    } else if ((ctrl[0] & CTRL_CLAMP) != 0) {
        results[0] = clamp(lanes[0].masked, base[0], base[1], (ctrl[0] & CTRL_SIGNED) != 0);
    }
}

/* A result as the bus has it: FORCE_MSB is seen there only. */
static uint32_t presented(const struct m0_interpolator *interpolator, const uint32_t *results, uint32_t i)
{
    return i == 2 ? results[2] : results[i] | (interpolator->ctrl[i] >> 19 & 3) << 28;
}

static uint32_t pop(struct m0_interpolator *interpolator, uint32_t i)
{
    uint32_t results[3];
    results_of(interpolator, results);
    for (uint32_t lane = 0; lane < 2; lane++) {
        interpolator->accum[lane] = results[(interpolator->ctrl[lane] & CTRL_CROSS_RESULT) != 0 ? 1 - lane : lane];
    }
    return presented(interpolator, results, i);
}

static uint32_t read_ctrl0(const struct m0_interpolator *interpolator)
{
    uint32_t over0 = lane_of(interpolator, 0).beyond != 0, over1 = lane_of(interpolator, 1).beyond != 0;
    return interpolator->ctrl[0] | over0 << 23 | over1 << 24 | (over0 | over1) << 25;
}

static uint32_t read_interpolator(struct m0_interpolator *interpolator, uint32_t offset)
{
    uint32_t results[3];
    if (offset <= ACCUM1) {
        return interpolator->accum[offset >> 2];
    }
    if (offset <= BASE2) {
        return interpolator->base[(offset - BASE0) >> 2];
    }
    if (offset <= POP_FULL) {
        return pop(interpolator, (offset - POP_LANE0) >> 2);
    }
    if (offset <= PEEK_FULL) {
        results_of(interpolator, results);
        return presented(interpolator, results, (offset - PEEK_LANE0) >> 2);
    }
    switch (offset) {
    case CTRL_LANE0: return read_ctrl0(interpolator);
    case CTRL_LANE1: return interpolator->ctrl[1];
    case ACCUM0_ADD: return lane_of(interpolator, 0).masked;
    case ACCUM1_ADD: return lane_of(interpolator, 1).masked;
    default: return 0; /* BASE_1AND0 is write-only */
    }
}

static uint32_t extended(uint32_t half, bool is_signed)
{
    return is_signed ? (uint32_t)(int32_t)(int16_t)half : half & 0xFFFF;
}

static void write_bases(struct m0_interpolator *interpolator, uint32_t value)
{
    uint32_t signs = (interpolator->ctrl[0] & CTRL_BLEND) != 0 ? 1 : 0; /* lane 1's rules for both then */
    interpolator->base[0] = extended(value, (interpolator->ctrl[signs] & CTRL_SIGNED) != 0);
    interpolator->base[1] = extended(value >> 16, (interpolator->ctrl[1] & CTRL_SIGNED) != 0);
}

static void write_interpolator(struct m0_interpolator *interpolator, uint32_t offset, uint32_t value, uint32_t mode)
{
    if (offset <= ACCUM1) {
        interpolator->accum[offset >> 2] = value;
    } else if (offset <= BASE2) {
        interpolator->base[(offset - BASE0) >> 2] = value;
    } else if (offset == CTRL_LANE0) {
        interpolator->ctrl[0] = value & (CTRL_LANE | mode);
    } else if (offset == CTRL_LANE1) {
        interpolator->ctrl[1] = value & CTRL_LANE;
    } else if (offset == ACCUM0_ADD || offset == ACCUM1_ADD) {
        interpolator->accum[offset == ACCUM1_ADD] += value & 0xFFFFFF;
    } else if (offset == BASE_1AND0) {
        write_bases(interpolator, value);
    }
}

/* -- by offset; the divider's registers are not here */

void m0_write_sio(struct m0_core *core, uint32_t offset, uint32_t value)
{
    if (offset <= GPIO_HI_OE_XOR) {
        write_gpio(core, offset, value);
    } else if (offset <= SPINLOCK_ST) {
        write_fifo(core, offset, value);
    } else if (offset <= INTERP1_BASE_1AND0) {
        uint32_t i = (offset - INTERP0_ACCUM0) >> 6;
        write_interpolator(&core->port.sio.interpolators[i], offset & 0x3F, value, i == 0 ? CTRL_BLEND : CTRL_CLAMP);
    } else {
        *word_at(core, offset) = 0; /* a spinlock is free again */
    }
}

uint32_t m0_read_sio(struct m0_core *core, uint32_t offset)
{
    if (offset < GPIO_OUT) {
        if (offset == GPIO_HI_IN) {
            return QSPI_SS; /* pulled up, and nobody holds BOOTSEL; the others are low */
        }
        return offset == GPIO_IN ? input_of(m0_pins(core), m0_pins(core)->seen) : core->number; /* CPUID */
    }
    if (offset <= GPIO_HI_OE_XOR) {
        return *word_at(core, offset & ~0xFu);
    }
    if (offset < SPINLOCK_ST) {
        return read_fifo(core, offset);
    }
    if (offset == SPINLOCK_ST) {
        return read_spinlocks(core);
    }
    if (offset <= INTERP1_BASE_1AND0) {
        return read_interpolator(&core->port.sio.interpolators[(offset - INTERP0_ACCUM0) >> 6], offset & 0x3F);
    }
    return read_spinlock(core, offset);
}
