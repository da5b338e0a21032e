/*
 * PIO between the files of the core: pio.c is its state machines, pio_registers.c what the bus sees of them.
 */
#ifndef M0_PIO_H
#define M0_PIO_H

#include "system.h"

enum { M0_PIO_BASE = 0x50200000, M0_PIO_STRIDE = 0x100000 };

/* Fields of SMx_EXECCTRL, SMx_SHIFTCTRL and SMx_PINCTRL that both files look at. */
#define M0_PIO_OUT_STICKY (1u << 17)
#define M0_PIO_AUTOPUSH (1u << 16)
#define M0_PIO_AUTOPULL (1u << 17)
#define M0_PIO_FJOIN_TX (1u << 30)
#define M0_PIO_FJOIN_RX (1u << 31)

/* -- pio.c */

void m0_pio_advance(struct m0_core *core, int64_t now, bool stops_at_news);
void m0_pio_disturb(struct m0_core *core, int64_t now);
void m0_pio_settle_machine(struct m0_pio_machine *machine, int64_t now);
void m0_pio_request(struct m0_core *core, int64_t now);
uint32_t m0_pio_interrupts(const struct m0_pio_block *block);
uint32_t m0_pio_requests(const struct m0_pio_block *block, uint32_t line);
void m0_pio_show(struct m0_pio *pio, int64_t now);
void m0_pio_look_at_dreqs(struct m0_pio *pio);
void m0_pio_put(struct m0_pio_fifo *fifo, uint32_t word);
uint32_t m0_pio_take(struct m0_pio_fifo *fifo);

/* Bring PIO to cycle `now`. Where nothing of it runs that costs a comparison. */
M0_INLINE void m0_settle_pio(struct m0_core *core, int64_t now)
{
    if (__builtin_expect(core->chip->pio.is_running != 0, 0) && core->chip->pio.now < now) {
        m0_pio_advance(core, now, false);
    }
}

/* -- pio_registers.c */

bool m0_access_pio(struct m0_core *core, uint32_t pc, int64_t now, uint32_t address, uint32_t size, bool is_store,
                   uint32_t *value);

M0_INLINE bool m0_is_pio(const struct m0_core *core, uint32_t address)
{
    return core->chip->pio.is_there != 0 && address - M0_PIO_BASE < 2 * M0_PIO_STRIDE;
}

#endif
