/*
 * The functions of the native core. Those that Unicorn calls have the types of its callbacks, with the core as their
 * user data; those below them are called by Python, between runs; the rest is shared between the files of the core.
 */
#ifndef M0_FUNCTIONS_H
#define M0_FUNCTIONS_H

#include "core.h"

#if defined(_WIN32)
#define M0_EXPORT __declspec(dllexport)
#else
#define M0_EXPORT __attribute__((visibility("default")))
#endif
#define M0_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define M0_RARELY(condition) __builtin_expect(!!(condition), 0)
#define M0_RARE __attribute__((noinline, cold))
#define M0_INLINE static inline __attribute__((always_inline))

_Static_assert(sizeof(void *) == 8, "the layout in core.h is that of 64-bit hosts");
_Static_assert(sizeof(struct m0_arc) == 24 && sizeof(struct m0_block) == 128, "a block is two cache lines");

/* Numbers of Unicorn's own headers. */
enum { UC_ARM_REG_APSR = 1, UC_ARM_REG_PC = 11, UC_ARM_REG_SP = 12, UC_ARM_REG_CPSR = 3, UC_ARM_REG_PSP = 116 };
enum { UC_MEM_READ = 16, UC_MEM_WRITE = 17, UC_MEM_FETCH = 18, UC_MEM_WRITE_PROT = 22, UC_MEM_READ_PROT = 23 };
enum { UC_PROT_READ = 1, UC_PROT_WRITE = 2, UC_PROT_ALL = 7 };

typedef struct uc_tb uc_tb;
typedef struct {
    uint64_t paddr;
    int perms;
} uc_tlb_entry;

/* -- called by Unicorn */

M0_EXPORT void m0_on_block(uc_engine *uc, uint64_t address, uint32_t size, struct m0_core *core);
M0_EXPORT void m0_on_translation(uc_engine *uc, uc_tb *now, uc_tb *before, struct m0_core *core);
M0_EXPORT void m0_on_sp_written(uc_engine *uc, uint64_t address, uint32_t size, struct m0_core *core);
M0_EXPORT bool m0_on_invalid(uc_engine *uc, struct m0_core *core);
M0_EXPORT bool m0_on_tlb_fill(uc_engine *uc, uint64_t address, int type, uc_tlb_entry *entry, struct m0_core *core);
M0_EXPORT bool m0_on_port(uc_engine *uc, int type, uint64_t address, int size, int64_t value, struct m0_core *core);
M0_EXPORT uint64_t m0_port_read(uc_engine *uc, uint64_t offset, unsigned size, struct m0_core *core);
M0_EXPORT void m0_port_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, struct m0_core *core);

/* -- called by Python */

M0_EXPORT extern const char m0_header_hash[];
M0_EXPORT void m0_begin(struct m0_core *core, uint32_t root, uint32_t return_address);
M0_EXPORT void m0_settle(struct m0_core *core, uc_engine *uc, uint32_t address);
M0_EXPORT void m0_settle_part(struct m0_core *core, uc_engine *uc, uint32_t pc);
M0_EXPORT void m0_close_frames(struct m0_core *core);
M0_EXPORT uint64_t m0_fold(struct m0_core *core);
M0_EXPORT uint64_t m0_expand(const struct m0_core *core, struct m0_executed *rows);
M0_EXPORT void m0_rehash(struct m0_core *core);
M0_EXPORT void m0_wait_reset(struct m0_core *core);
M0_EXPORT void m0_wait_stream(struct m0_core *core, const uint32_t *addresses, const uint8_t *kinds, uint64_t count,
                              uint32_t *stalls);
M0_EXPORT void m0_update_pins(struct m0_core *core, int64_t now);
M0_EXPORT void m0_pio_settle(struct m0_core *core, int64_t now);
M0_EXPORT void m0_pio_settle_counts(struct m0_core *core, int64_t now);
M0_EXPORT void m0_pio_reset(struct m0_core *core, uint32_t number, bool is_held, int64_t now);
M0_EXPORT uint32_t m0_pio_load(struct m0_core *core, uint32_t pc, int64_t now, uint32_t number, uint32_t offset);
M0_EXPORT void m0_pio_store(struct m0_core *core, uint32_t pc, int64_t now, uint32_t number, uint32_t offset,
                            uint32_t alias, uint32_t value);
M0_EXPORT int64_t m0_pio_due(struct m0_core *core);
M0_EXPORT uint32_t m0_pio_dreqs(const struct m0_pio *pio);
M0_EXPORT void m0_xip_drop(struct m0_core *core, uint32_t address);
M0_EXPORT void m0_xip_empty(struct m0_core *core);
M0_EXPORT void m0_xip_stream(struct m0_core *core, const uint32_t *addresses, const uint8_t *is_code, uint64_t count,
                             uint32_t *stalls);
M0_EXPORT uint32_t m0_read_stall(struct m0_core *core, uint32_t address);
M0_EXPORT void m0_begin_timed(struct m0_core *core);
M0_EXPORT void m0_run_timed(struct m0_core *core);
M0_EXPORT void m0_forget_timed(struct m0_core *core);
M0_EXPORT void m0_reset_system(struct m0_core *core);
M0_EXPORT void m0_run_firmware(struct m0_core *core);
M0_EXPORT void m0_run_cores(struct m0_core *first);
M0_EXPORT int64_t m0_ask_as(struct m0_core *first, uint32_t number, uint32_t address, int64_t at, uint32_t hold);
M0_EXPORT void m0_request_mail(struct m0_core *core, int64_t now);
M0_EXPORT void m0_set_line(struct m0_core *core, uint32_t interrupt, bool is_high);
M0_EXPORT void m0_pend_exception(struct m0_core *core, uint32_t number);
M0_EXPORT void m0_hard_fault(struct m0_core *core, uint32_t cause);
M0_EXPORT void m0_set_reference_clock(struct m0_core *core, uint32_t numerator, uint32_t denominator);
M0_EXPORT void m0_sleep_until(struct m0_core *core, int64_t cycle);
M0_EXPORT void m0_settle_load(struct m0_core *core);
M0_EXPORT void m0_begin_load(struct m0_core *core);
M0_EXPORT bool m0_publish(struct m0_core *core, const struct m0_published *published);
M0_EXPORT uint32_t m0_access_for_debugger(struct m0_core *core, uint32_t address, uint32_t size, uint32_t is_store,
                                          uint32_t *value);
M0_EXPORT int64_t m0_take_stack_low(struct m0_core *core);
M0_EXPORT void m0_begin_drawing(struct m0_core *core);
M0_EXPORT void m0_end_drawing(struct m0_core *core);
M0_EXPORT uint64_t m0_count_timed(const struct m0_core *core);
M0_EXPORT uint64_t m0_expand_timed(struct m0_core *core, struct m0_executed *rows);

/* -- the guest's code and registers: hooks.c, blocks.c */

void m0_stop_run(struct m0_core *core, uc_engine *uc, enum m0_stop reason, uint32_t address);
uint32_t m0_read_register(const struct m0_core *core, uc_engine *uc, int reg);
struct m0_block *m0_find_block(struct m0_core *core, uc_engine *uc, uint32_t address, uint32_t size);
bool m0_is_unchanged(const struct m0_core *core, const struct m0_block *block);

/* An instruction as the tables know it. */
struct m0_instruction {
    uint32_t kind;  /* enum m0_kind; not WIDE */
    uint32_t size;  /* bytes */
    uint32_t first;  /* first halfword */
    uint32_t second; /* and the second of a 32-bit one */
    uint32_t cycles;
    int32_t sp_change;
    bool writes_sp;
};
struct m0_instruction m0_decode(const struct m0_core *core, uint32_t address);

M0_INLINE void *m0_pointer(uint64_t host)
{
    return (void *)(uintptr_t)host;
}

M0_INLINE uint32_t m0_page_slot(const struct m0_core *core, uint32_t address)
{
    return (uint32_t)core->pages[address >> 12];
}

/* Index of a halfword in the tables by code index; page slot 0 stands for everything that is not mapped. */
M0_INLINE uint32_t m0_code_index(const struct m0_core *core, uint32_t address)
{
    return m0_page_slot(core, address) * 2048 + ((address & 0xFFF) >> 1);
}

/* Where the host has the guest's bytes from `address`; not for slot 0. */
M0_INLINE const uint8_t *m0_bytes_at(const struct m0_core *core, uint32_t address)
{
    return (const uint8_t *)m0_pointer(core->hosts[m0_page_slot(core, address)]) + (address & 0xFFF);
}

M0_INLINE uint32_t m0_function_at(const struct m0_core *core, uint32_t address)
{
    return (uint32_t)core->function_at[m0_code_index(core, address)];
}

/* Host memory at any alignment. The compiler makes one instruction of it. */
M0_INLINE uint32_t m0_load16(const void *from)
{
    uint16_t value;
    __builtin_memcpy(&value, from, sizeof value);
    return value;
}

M0_INLINE uint32_t m0_mix(uint64_t value)
{
    value *= 0x9E3779B97F4A7C15; /* Fibonacci hashing: the high bits are the good ones */
    return (uint32_t)(value >> 32);
}

M0_INLINE uint32_t m0_address_of(const struct m0_block *block)
{
    return (uint32_t)(block->key >> M0_KEY_SHIFT);
}

/* True where passing an arc of a block means that its branch was taken. */
M0_INLINE bool m0_is_taken(const struct m0_block *block, const struct m0_arc *arc)
{
    return block->flow == M0_FLOW_CONDITIONAL && (uint32_t)(arc->key >> M0_KEY_SHIFT) != block->site.end;
}

/* Where a key is in the table `ready`. */
M0_INLINE uint32_t *m0_ready_slot(const struct m0_core *core, uint64_t key)
{
    return &core->ready[m0_mix(key) & core->hash_mask];
}

/* -- the single-cycle port for the interpreter: port.c */

bool m0_access_port(struct m0_core *core, uint32_t pc, int64_t now, uint32_t address, uint32_t size, bool is_store,
                    uint32_t *value);

/* -- what of the RP2040's SIO is not the divider: sio.c */

/* Offsets of its registers. */
enum { GPIO_IN = 0x04, GPIO_HI_IN = 0x08, GPIO_OUT = 0x10, GPIO_OE = 0x20, GPIO_HI_OUT = 0x30, GPIO_HI_OE_XOR = 0x4C };
enum { FIFO_ST = 0x50, FIFO_WR = 0x54, FIFO_RD = 0x58, SPINLOCK_ST = 0x5C };
enum { INTERP0_ACCUM0 = 0x80, INTERP1_BASE_1AND0 = 0xFC, SPINLOCK0 = 0x100, SPINLOCK31 = 0x17C };

M0_INLINE bool m0_has_sio(const struct m0_core *core, uint32_t offset, bool is_store)
{
    if (offset < GPIO_OUT) {
        return !is_store && offset <= GPIO_HI_IN;
    }
    if (offset >= FIFO_ST && offset <= FIFO_RD) {
        return core->system.is_on != 0; /* a function that is called has nobody to talk to */
    }
    return offset <= SPINLOCK31 && offset != 0x7C;
}

uint32_t m0_read_sio(struct m0_core *core, uint32_t offset);
void m0_write_sio(struct m0_core *core, uint32_t offset, uint32_t value);
void m0_drive_pins(const struct m0_core *core, const struct m0_pio *pio, struct m0_pins *pins, int64_t now);
void m0_move_inputs(struct m0_pins *pins, int64_t now);
void m0_begin_inputs(struct m0_pins *pins, int64_t now);

/* -- the cache in front of flash: xip.c */

uint32_t m0_xip(struct m0_core *core, uint32_t address, bool is_code);
bool m0_xip_has(const struct m0_core *core, uint32_t address);
M0_EXPORT bool m0_xip_is_settled(const struct m0_core *core, uint32_t begin, uint32_t end);

/* -- wait states of flash on the chip, of the timed engine: waits.c */

uint32_t m0_wait(struct m0_core *core, uint32_t address, bool is_code);

#endif
