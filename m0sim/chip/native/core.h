/*
 * What the native core and Python share: the only description of it.
 *
 * Python owns all memory. It allocates the tables as NumPy arrays, puts their addresses into one `struct m0_core`, and
 * reads the results from them; the core allocates nothing and calls nothing but the three functions of Unicorn whose
 * addresses it is given. Where a table is full, the core stops the run with M0_STOP_GROW, and Python makes it larger.
 * So links between rows are indices, not pointers: a table may move. Row 0 of every table means "none".
 *
 * layout.py reads this file when m0sim is imported and makes its ctypes structure, NumPy dtypes and numbers from it.
 * It knows what is used here and no more: enums, `#define NAME number`, and structs with one field a line, of the
 * <stdint.h> types with a width, structs and arrays of these, and pointers. Fields lie as C lays them on every 64-bit
 * host: each on a multiple of its size.
 *
 * A library that was built from another version of this file is refused: see m0_header_hash.
 */
#ifndef M0_CORE_H
#define M0_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Why the core ended a run. */
enum m0_stop {
    M0_STOP_NONE,
    M0_STOP_LIMIT,    /* the cycle count reached `limit` */
    M0_STOP_GROW,     /* a table is full; nothing has happened yet, so the run goes on at the same place */
    M0_STOP_INVALID,  /* an encoding that ARMv6-M does not have, at `stop_address` */
    M0_STOP_DATA,     /* execution reached what the image marks as data, or no memory */
    M0_STOP_STACK,    /* SP would go below `sp_limit` in the instruction at `stop_address` */
    M0_STOP_DEPTH,    /* the table of frames is full */
    M0_STOP_SP_WRITE, /* the block at `stop_address` gives SP a new value: its code hooks are not there yet */
    M0_STOP_PORT,     /* an access to a register of the I/O port that is not modelled, at `stop_address` */

    /* the interpreter's own; the instruction at `stop_address` has not run, but for the last three */
    M0_STOP_ACCESS,     /* a load or store where no memory is: `timed.access`; with an answer, the run can go on */
    M0_STOP_UNALIGNED,  /* a load or store at an address that is no multiple of its size: `timed.access` */
    M0_STOP_READ_ONLY,  /* a store to flash or ROM: `timed.access` */
    M0_STOP_SLEEP,      /* WFI */
    M0_STOP_SUPERVISOR, /* SVC */
    M0_STOP_BREAKPOINT, /* BKPT */
    M0_STOP_WATCHED,    /* an instruction that Python wants to see first: see `watched` */
    M0_STOP_GUARD,      /* one that comes to bytes which a debugger watches: `timed.access`, `timed.guard_hit` */
    M0_STOP_JUMP,       /* control came to `stop_address`, where no memory is, */
    M0_STOP_ARM_STATE,  /* or to that even address by BX, BLX or POP, */
    M0_STOP_RETURNED,   /* or to `timed.return_address` */

    /* firmware's: see m0_run_firmware */
    M0_STOP_DUE,    /* cycle `system.wake_at` was reached */
    M0_STOP_ASLEEP, /* asleep, and nothing that could wake the core is known to come */
    M0_STOP_LOCKUP, /* a fault in HardFault's handler or NMI's: `system.fault` */
    M0_STOP_RESET,  /* AIRCR.SYSRESETREQ was written */
    M0_STOP_FAULT,  /* HardFault is to be entered, and Python wants to see that: `system.fault` */
    M0_STOP_PINS,   /* a watched pin or DREQ has changed: `port.pins.is_news`, `pio.news`, which Python puts to 0 */
    M0_STOP_LAUNCH, /* core 0 is to store into the mailbox of a core 1 that has waited in the boot ROM so far */
    M0_STOP_TURN,   /* inside the core: it is the other core's turn */
    M0_STOP_EVENT   /* inside the core: something may have to be done before the next instruction */
};

/* What an instruction is: m0sim.chip.isa.Kind, where the names are explained. */
enum m0_kind {
    M0_KIND_INVALID, M0_KIND_DATA, M0_KIND_MULTIPLY, M0_KIND_LOAD, M0_KIND_STORE, M0_KIND_LOAD_MULTIPLE,
    M0_KIND_STORE_MULTIPLE, M0_KIND_POP_PC, M0_KIND_BRANCH_CONDITIONAL, M0_KIND_BRANCH, M0_KIND_BRANCH_EXCHANGE,
    M0_KIND_BRANCH_LINK_EXCHANGE, M0_KIND_WRITE_PC, M0_KIND_BRANCH_LINK, M0_KIND_SYSTEM, M0_KIND_SLEEP,
    M0_KIND_SUPERVISOR_CALL, M0_KIND_BREAKPOINT, M0_KIND_WIDE
};

/* How an instruction ends a block: m0sim.chip.isa.Flow. */
enum m0_flow { M0_FLOW_NONE, M0_FLOW_CONDITIONAL, M0_FLOW_JUMP, M0_FLOW_CALL, M0_FLOW_INDIRECT, M0_FLOW_STOP };

/* Bits: which second halfwords complete a 32-bit instruction: m0sim.chip.isa.Wide. */
enum m0_wide { M0_WIDE_BRANCH_LINK = 1, M0_WIDE_WRITE_SPECIAL = 2, M0_WIDE_READ_SPECIAL = 4, M0_WIDE_BARRIER = 8 };

/* One row of m0sim.chip.isa.FIRST: what is known of a first halfword. */
struct m0_encoding {
    int32_t kind;
    int32_t registers; /* that a load, store or multiple transfer moves, PC included */
    int32_t loaded;    /* bytes read from memory */
    int32_t stored;    /* bytes written */
    int32_t sp_change; /* bytes that it adds to SP, where that is static */
    int32_t sp_write;  /* 1 where SP takes a value from a register */
    int32_t wide;      /* enum m0_wide */
};

/*
 * A way from a block to one that ran next on which nothing happens but the adding of cycles: SP stays, and so does the
 * function. Executions of the block it leads to are counted here; m0_fold() gives them to that block.
 */
struct m0_arc {
    uint64_t key;    /* of the block that it leads to, in the epoch that it was made in */
    int64_t count;   /* times passed */
    uint32_t to;     /* that block */
    uint32_t cycles; /* of the block that it comes from, when left this way */
};

/*
 * A key is the address of a block in bits 16..47 and its size in bits 0..15 (Unicorn cuts blocks at the end of each
 * KiB). That of a block has bit 63 set where its code may change. That of an arc has the epoch in bits 48..62.
 *
 * Code in writable memory is compared with its copy once an epoch. An epoch ends when Unicorn translates code there,
 * which it does after every change: what runs is what it translated.
 */
#define M0_KEY_SHIFT 16
#define M0_KEY_WRITABLE 0x8000000000000000
#define M0_KEY_NONE 0xFFFFFFFFFFFFFFFF
#define M0_EPOCH_ONE 0x0001000000000000
#define M0_EPOCH_MASK 0x7FFF000000000000

/* A place that calls: what its newest call was. */
struct m0_site {
    uint32_t end;          /* address behind the calling instruction */
    uint32_t call_target;  /* where its newest call went, an address; M0_NOTHING if it made none, */
    uint32_t edge;         /* the edge of that, 0 if the call is none, */
    uint32_t from_context; /* the context that it came from, M0_NOTHING if that is not known, */
    uint32_t to_context;   /* and the one that it led to */
};

/*
 * One decoded block. Code that was overwritten has a block for each version that ran. The first 64 bytes, a cache line,
 * are all that passing an arc reads.
 */
struct m0_block {
    struct m0_arc arc[2];
    uint64_t key;
    uint32_t cycles;       /* of one execution, a conditional branch at its end not taken */
    uint8_t flow;          /* enum m0_flow of the last instruction */
    uint8_t branch_next;   /* 1 + condition of a conditional branch to the very next instruction, else 0 */
    uint8_t sp_writes;     /* 0: none; 1: SP is written, and the code hooks for that are not there yet; 2: they are */
    uint8_t route;         /* `flow`, or one of M0_ROUTE_ */
    struct m0_site site;   /* its end, and its calls */
    uint32_t function;     /* that its first instruction belongs to */
    int32_t sp_change;     /* bytes added to SP, before any SP write */
    int32_t sp_low;        /* lowest SP inside it before any SP write, relative to the start */
    int64_t entered;       /* executions that no arc counts */
    int64_t taken;         /* times its conditional branch was taken that no arc counts */
    uint32_t next_ran;     /* 1 + the next block that ran in this call; 0 in one that did not */
    uint32_t copy;         /* where its bytes are in `copies`, in 8-byte words, if they may change */
    uint32_t port_counts;  /* first of its counters in `port_counts`, one a halfword; 0 if it never accesses memory */
    uint32_t epoch;        /* in which its code was last compared, the epoch's bits from 32 on */
};

#define M0_NOTHING 0xFFFFFFFF
#define M0_ROUTE_SLOW 0xFF    /* only registers tell what it did */
#define M0_ROUTE_CROSSES 0xFE /* it runs on from one function into another; maybe the former as well */

struct m0_function {
    uint32_t entry;      /* address */
    uint32_t newest;     /* 1 + its innermost open frame, 0 if none is open */
    uint32_t nodes;      /* contexts of it that are nodes of the call tree */
    uint32_t open;       /* frames of it that are open, of a function that recurs */
    uint32_t recurs;     /* 1: it was entered while it was open, or another between two frames of one: of the interpreter */
    int64_t inclusive;   /* cycles; under recursion those of the outermost frame */
};

/* An open call: 64 bytes, a power of two. */
struct m0_frame {
    int64_t entered;         /* cycle count at entry */
    uint32_t return_address; /* without the Thumb bit */
    uint32_t context;        /* that its calls and cycles are counted in; 0 if there was no room */
    uint32_t edge;           /* counted instead then */
    uint32_t function;
    uint32_t outer;          /* 1 + the next open frame of the same function, 0 if there is none */
    uint32_t base;           /* the frame below that a call opened: itself, unless a tail call opened this one */

    /* of the interpreter's fast form, which fills in the others only when somebody asks: m0_fill_frames */
    uint64_t call;           /* host address of its call; of a frame that is filled in, of the first, which is none */
    uint64_t context_at;     /* host address of its context */
    int64_t left;            /* 32 for each cycle that was left at entry */
    uint64_t return_op;      /* of the operation at the return address; 0 in a frame that is filled in */
};

/* All calls from one place to one function. Edge 1 is the call from outside. */
struct m0_edge {
    uint32_t callee;
    uint32_t call_end;  /* address behind the calling instruction */
    int64_t calls;      /* those that no context counts */
    int64_t inclusive;  /* cycles in them */
    uint32_t next;      /* next edge with the same hash */
};

/*
 * A call edge in one calling context. Row 1 is the call from outside.
 *
 * A row is its own target, a node of the call tree, unless an ancestor (or the parent) is of the same function: under
 * recursion that one is the target, and the row tells its share.
 */
struct m0_context {
    uint32_t parent; /* the caller's node */
    uint32_t edge;
    uint32_t target;
    uint32_t below;    /* node of the frame below, whose cycles these are not: parent, but for a cycle of tail calls */
    int64_t calls;     /* that have ended */
    int64_t inclusive; /* cycles in them */
    uint32_t callee;
    uint32_t next;     /* next context with the same hash */
};

/* Accesses to what belongs to one owner, by the size: 1, 2 and 4 bytes. 64 bytes, so that a row is found by a shift. */
struct m0_traffic {
    int64_t loads[3];
    int64_t stores[3];
    int64_t spare[2];
};

/* What is known of a byte at level `memory`; bits. */
#define M0_BYTE_READ 1
#define M0_BYTE_WRITTEN 2
#define M0_BYTE_DEFINED 4 /* it holds what somebody put there: see byte_states.py */
#define M0_BYTE_INSIDE 8  /* it belongs to something that code may read */
#define M0_BYTE_READABLE 12

enum m0_finding_kind { M0_FINDING_NONE, M0_FINDING_OUTSIDE, M0_FINDING_UNINITIALISED };

/* Reads of one instruction that no correct code makes. */
struct m0_finding {
    uint32_t kind;    /* enum m0_finding_kind; none in a free row */
    uint32_t pc;
    uint32_t address; /* of the first such read, */
    uint32_t size;    /* in bytes, */
    uint32_t sp;      /* and SP then */
    uint32_t spare;
    int64_t count;
};

/* What m0_expand writes: one instruction of a block that ran. */
struct m0_executed {
    uint32_t address;
    uint32_t encoding;     /* first halfword in bits 0..15, second (of a 32-bit instruction) in bits 16..31 */
    int64_t executions;
    int64_t taken;         /* of a conditional branch */
    int64_t port_accesses; /* that the single-cycle port made one cycle faster each */
    int64_t stalls;        /* cycles that its fetches and accesses waited for memory */
};

/* The RP2040's integer divider: datasheet 2.3.1.5. */
struct m0_divider {
    int64_t ready;     /* cycle from which the results can be read */
    int64_t early;     /* reads that came before */
    uint32_t early_at; /* instruction that made the first of them */
    uint32_t dividend;
    uint32_t divisor;
    uint32_t quotient;
    uint32_t remainder;
    uint32_t old_quotient; /* what is read until `ready` */
    uint32_t old_remainder;
    uint32_t dirty;        /* 1 from a write to one of its registers until the quotient is read */
};

/* One of the SIO's interpolators: RP2040 datasheet 2.3.1.6. */
struct m0_interpolator {
    uint32_t accum[2];
    uint32_t base[3];
    uint32_t ctrl[2]; /* by lane */
};

/* The words on their way to one core. */
struct m0_mailbox {
    uint32_t words[8];
    uint32_t first; /* the oldest */
    uint32_t count;
};

/* What of the SIO is neither divider nor in `words`, of one core. */
struct m0_sio {
    struct m0_interpolator interpolators[2];
    struct m0_mailbox inbox;
    uint32_t fifo_flags; /* WOF and ROE of FIFO_ST */
    uint32_t unread;     /* words to another core that is not there */
};

struct m0_pin_change {
    int64_t cycle;
    uint32_t level;  /* of all pins after it */
    uint32_t driven; /* 1: the chip drives the pin */
};

/*
 * How the SIO's OUT and OE come to the pins and these to GPIO_IN, bit by pin. Of each, the output is
 * ((OUT & port) | other_out) & out_and ^ out_xor; whether it is enabled is the same with OE and oe; its level is the
 * output where that is enabled, else what is outside; GPIO_IN is (level & inputs) & in_and ^ in_xor. All 0 as long as
 * nobody says otherwise: then GPIO_IN is 0, and nothing is noted.
 */
struct m0_pins {
    uint32_t port;      /* 1: the SIO has the pin, */
    uint32_t pio[2];    /* or one of the PIO blocks: their outputs come to it as OUT and OE do */
    uint32_t other_out; /* what the others have are driven to, */
    uint32_t other_oe;  /* and whether they are */
    uint32_t out_and;
    uint32_t out_xor;
    uint32_t oe_and;
    uint32_t oe_xor;
    uint32_t in_and;
    uint32_t in_xor;
    uint32_t inputs;    /* 1: the pad's input is enabled */
    uint32_t outside;   /* level where nobody on the chip drives the pin, */
    uint32_t wired;     /* but for these, which a wire connects to another pin: */
    uint32_t wires[32]; /* by pin: that other one, whose level they have */
    uint32_t unfollowed; /* pins whose levels only Python knows: GPIO_IN is asked for there */
    uint32_t is_sampled; /* 1: PIO may look at any pin in any cycle */
    uint32_t watched;   /* pins whose changes Python wants to hear of at once */
    uint32_t level;     /* now */
    uint32_t driven;
    uint32_t seen;      /* level of those whose input is enabled */
    uint32_t rose;      /* of `seen`, since Python put these to 0 */
    uint32_t fell;
    uint32_t is_news;   /* 1: a watched pin has changed */
    uint32_t input;     /* what PIO sees of the pins, as GPIO_IN: since `input_since`; */
    uint32_t input1;    /* in the cycle before `input_at`, */
    uint32_t input2;    /* and in the one before that: two flip-flops keep them */
    int64_t input_at;
    int64_t input_since;
    int64_t changes;    /* of level or drive, all in all */
    struct m0_pin_change *log;
    uint32_t log_count; /* changes in it; those behind its capacity are only counted */
    uint32_t log_capacity;
};

/* One FIFO of a state machine of a PIO block: a ring. */
struct m0_pio_fifo {
    uint32_t words[8];
    uint32_t first; /* the oldest */
    uint32_t count;
    uint32_t depth; /* 4; 8 with the words of the other direction's, which has 0 then */
};

/* What a state machine that is enabled does at a pulse of its divider. */
enum m0_pio_doing {
    M0_PIO_EXECUTES,    /* an instruction, to its end */
    M0_PIO_WAITS_TX,    /* OUT with autopull, or PULL: the TX FIFO is empty */
    M0_PIO_WAITS_RX,    /* IN with autopush, or PUSH: the RX FIFO is full */
    M0_PIO_WAITS_PIN,   /* WAIT for a pin, */
    M0_PIO_WAITS_FLAG,  /* or for an IRQ flag */
    M0_PIO_WAITS_CLEAR, /* IRQ WAIT: its flag is to be cleared */
    M0_PIO_FILLS,       /* OUT with autopull takes a word from the FIFO, and shifts at the next pulse */
    M0_PIO_DELAYS,      /* the delay of an instruction */
    M0_PIO_DOINGS
};

/* What was counted of one, from the first reset on. */
struct m0_pio_counts {
    int64_t steps[8];    /* pulses, by enum m0_pio_doing */
    int64_t enabled;     /* cycles in which it was enabled, those since `since` apart */
    int64_t since;
    int64_t written;     /* words into the TX FIFO, */
    int64_t pulled;      /* and out of it; */
    int64_t pushed;      /* into the RX FIFO, */
    int64_t read;        /* and out of it; */
    int64_t written_full; /* that TX had no room for, */
    int64_t pushed_full; /* that a PUSH which does not wait found no room for in RX, */
    int64_t read_empty;  /* and loads from RX that found none */
};

/* A state machine: RP2040 datasheet, 3.2 to 3.5. */
struct m0_pio_machine {
    uint32_t clkdiv;     /* registers as they are stored */
    uint32_t execctrl;
    uint32_t shiftctrl;
    uint32_t pinctrl;
    uint32_t is_enabled;
    uint32_t pc;
    uint32_t x;
    uint32_t y;
    uint32_t isr;
    uint32_t osr;
    uint32_t isr_count;  /* bits shifted in, */
    uint32_t osr_count;  /* and out */
    uint32_t delay;      /* pulses from `pulse` on in which it idles */
    uint32_t is_stalled; /* what it executed last, in cycle `tried`, waits: enum m0_pio_doing, 0 where it does not */
    uint32_t waits_irq;  /* 1: IRQ WAIT has set its flag, and waits for it to be cleared */
    uint32_t forced;     /* instruction that was stored to INSTR and is not done, M0_NOTHING if there is none */
    uint32_t latched;    /* one that OUT EXEC or MOV EXEC left for the next cycle, M0_NOTHING if none */
    uint32_t sticky_mask; /* with OUT_STICKY, the newest OUT or SET to pins: which, */
    uint32_t sticky;     /* to what, */
    uint32_t sticky_oe;  /* and 1 where that is of their directions */
    uint32_t shown;      /* its newest row in the log has this `pc` and one more, 0 where it stands */
    uint32_t side_mask;  /* what side-set of an instruction that waits writes in each cycle: pins, */
    uint32_t side;       /* to what */
    uint32_t fraction;   /* of the divider, in 256ths: of the periods that have ended */
    uint32_t carry;      /* 1: the period after `pulse` has a cycle more */
    int64_t pulse;       /* the cycle of the divider's next pulse; where nothing was done since, of one before */
    int64_t tried;
    int64_t due;         /* the cycle in which it has something to do, as things are */
    struct m0_pio_fifo tx;
    struct m0_pio_fifo rx;
    struct m0_pio_counts *counts; /* its row; of a copy that runs ahead, one that nobody reads */
};

/* What is not modelled and was used: how often, the first register, and the first instruction of the core's. */
struct m0_pio_note {
    uint32_t count;
    uint32_t offset;
    uint32_t pc;
};

enum m0_pio_notes {
    M0_PIO_RESERVED, /* an instruction with a field that the datasheet reserves */
    M0_PIO_EMPTY,    /* a load from an empty FIFO, which is undefined */
    M0_PIO_DIVIDER,  /* a fraction where the integer is 0 */
    M0_PIO_NOTES
};

struct m0_pio_block {
    uint32_t is_on;      /* 1: not held in reset */
    uint32_t irq;        /* flags 0 to 7 */
    uint32_t fdebug;
    uint32_t bypass;     /* INPUT_SYNC_BYPASS */
    uint32_t out;        /* outputs and directions of 30 pins */
    uint32_t oe;
    uint32_t inte[2];    /* of IRQ0 and IRQ1 */
    uint32_t intf[2];
    uint32_t memory[32]; /* instructions */
    struct m0_pio_machine machines[4];
    struct m0_pio_note notes[3]; /* by enum m0_pio_notes */
};

/* Where a state machine goes: kept where somebody draws them. */
struct m0_pio_step {
    int64_t cycle;    /* from which on */
    uint32_t machine; /* it, 0 to 7, */
    uint32_t pc;      /* is at this instruction, or M0_NOTHING while it stands */
};

/* Both blocks, up to before cycle `now`. */
struct m0_pio {
    uint32_t is_there;     /* 1: the chip has them */
    uint32_t is_used;      /* 1: something was stored to them: inputs are followed since */
    uint32_t is_running;   /* 1: a machine is enabled, or has something to do */
    uint32_t is_changed;   /* 1: `due` of machines is to be worked out again */
    uint32_t lines;        /* requests: of block 0 IRQ0 and IRQ1, of block 1 */
    uint32_t dreq_watched; /* DREQs, 0 to 15, that Python waits for; */
    uint32_t news;         /* those that are high now, and that it waits for no more */
    int64_t now;
    int64_t sticky_at;     /* the cycle in which what OUT_STICKY holds is to be written once more, or M0_NEVER */
    int64_t settled_at;    /* the cycle from which on a machine that waits sees nothing new */
    int64_t predicted_at;  /* when it was found out that before cycle */
    int64_t event_at;      /* nothing happens that somebody wants to know */
    struct m0_pio_step *log;
    uint32_t log_count;
    uint32_t log_capacity; /* 0 where nobody draws */
    struct m0_pio_block blocks[2];
};

/* The single-cycle I/O port, as one core has it; `words` and `pins` are those of core 0 for both. */
struct m0_port {
    uint32_t base;         /* address */
    uint32_t size;         /* bytes; 0 where there is no port */
    uint32_t is_sio;       /* 1: the RP2040's SIO is behind it; 0: plain registers */
    uint32_t saved_load;   /* cycles that a load from the port is faster than one from memory */
    uint32_t saved_store;
    uint64_t words;        /* uint32_t[size / 4], the registers; 0 where there is no port */
    int64_t now;           /* cycle in which the newest access began, */
    uint32_t pc;           /* its instruction, */
    uint32_t block;        /* the block of that, */
    uint32_t offset;       /* the instruction's offset in the block, */
    uint32_t cycle;        /* and the cycles of the block before it */
    uint32_t fault_offset; /* register that was accessed and is not modelled */
    struct m0_divider divider;
    struct m0_sio sio;
    struct m0_pins pins;
};

/* What a window onto flash does with the cache; bits. RP2040 datasheet 2.6.3.1. */
enum m0_xip_mode {
    M0_XIP_LOOKED_UP = 1, /* a word that is in the cache costs nothing */
    M0_XIP_ALLOCATES = 2  /* a word that had to be fetched from flash is then in the cache */
};

/* One of the addresses that the same flash is seen at. */
struct m0_xip_window {
    uint32_t base;
    uint32_t mode; /* enum m0_xip_mode */
};

/* Words that had to be fetched again because the fetch of others had pushed them out of the cache. */
struct m0_eviction {
    uint32_t word;   /* 1 + number of the word of flash that was fetched again; 0 in a free row */
    uint32_t by;     /* 1 + number of the word whose fetch had pushed it out */
    int64_t misses;
};

/*
 * A cache in front of flash that the core executes from: lines of at most 64 bytes, filled word by word; of a set, the
 * least recently used line is replaced. Numbers of lines and words count from where the flash begins, whichever window
 * they were accessed through. The windows begin on a multiple of what one way holds, so that bits of an address give
 * the set.
 */
struct m0_xip {
    uint64_t *ways;          /* by set, each set's most recently used way first: the line that it holds in bits 32..63,
                                which of its words were fetched in bits 0..15 */
    uint32_t *generation;    /* by group of the sets that 64 bytes of flash lie in: changes of their state */
    uint32_t *pushed_out_by; /* by word: 1 + number of the word whose fetch last pushed it out, 0 if none did */
    struct m0_eviction *evictions; /* by hash of both words */
    struct m0_xip_window *windows; /* the one that is used most comes first */
    uint32_t window_count;
    uint32_t size;           /* bytes of the flash; 0 where there is no cache */
    uint32_t way_count;      /* ways of a set */
    uint32_t set_mask;       /* sets less one, a power of two */
    uint32_t line_shift;     /* log2 of the bytes of a line */
    uint32_t group_mask;     /* groups less one; that of an address is address >> 6 & group_mask */
    uint32_t miss_cycles;    /* that fetching a word from flash adds */
    uint32_t is_disabled;    /* 1: every access goes to flash, as while the cache's memory is used as SRAM */
    uint32_t eviction_mask;  /* rows of `evictions` less one, a power of two */
    uint32_t eviction_count; /* rows in use */
    int64_t evictions_refused; /* words fetched again that found no free row */
    int64_t hits;            /* words, of this core alone, as all below; those that an interpreter does not ask for, it adds itself */
    int64_t code_misses;     /* words */
    int64_t data_misses;
};

#define M0_XIP_EMPTY 0xFFFFFFFF00000000

/*
 * Wait states of flash on the chip, of the timed engine: docs/profiles.md has the model. A word is what one read of the
 * flash brings; words are numbered from address 0.
 */
#define M0_WAIT_LINES 64
struct m0_waits {
    uint32_t wait_states;    /* cycles that a word takes that has to be read; 0: nothing waits */
    uint32_t word_shift;     /* log2 of the bytes of a word */
    uint32_t prefetches;     /* 1: the word behind the newest word of code is there when code goes on in it */
    uint32_t sets;           /* of the cache; 0 where there is none */
    uint32_t ways;
    uint32_t holds_data;     /* 1: data reads look into the cache and fill it, and code has no buffer beside it */
    uint32_t first_slot;     /* of the flash's pages; aliases share them */
    uint32_t base;           /* of the flash */
    uint32_t newest;         /* word of code in the buffer, M0_NOTHING if none */
    uint32_t ahead;          /* word that was prefetched, M0_NOTHING if none */
    uint32_t lines[64];      /* words: each set's most recently used first; M0_NOTHING if empty */
    int64_t code_waits;      /* words of code that were waited for, */
    int64_t data_waits;      /* and reads of data */
};

/*
 * The interpreter's predecoded instruction, one for each halfword of a page that code ran in. 32 bytes, so that 1/32
 * cycle is a byte: see threaded.c.
 */
struct m0_op {
    uint64_t handler; /* host address of the function that executes it and goes on */
    int32_t imm;      /* immediate, register list, or distance to a branch's target in bytes of this table */
    uint8_t a;        /* registers, each at its place in the encoding; of BL and BLX, the number of its call site */
    uint8_t b;
    uint8_t c;
    uint8_t extra;    /* cycles beyond one for each halfword; of a branch, all that it takes when it is taken */
    int64_t in;       /* times that control came here other than from the instruction before */
    int64_t out;      /* times that the fast form left by it, of a direct branch and of BLX; `in` has not all of them */
};

/* What is rarely needed of an operation; same index. */
struct m0_detail {
    int64_t stalls;       /* cycles that its fetches and accesses waited for memory */
    int64_t taken;        /* times that the simple form took it, of a conditional branch */
    int64_t credited;     /* times `out` that its target has in its `in` */
    int32_t port;         /* accesses to the single-cycle port */
    uint32_t stamp;       /* generation of the flash cache in which the code from here on was in it */
    uint8_t operation;    /* enum m0_operation; 0 as long as it is not decoded */
    uint8_t flags;        /* M0_DETAIL_ */
    uint8_t reach;        /* halfwords from here to the end of the line or of the next branch, whichever is first */
    uint8_t size;         /* in bytes */
    uint32_t target;      /* of a direct branch, an address */
    uint32_t tail;        /* firmware: cycles from here to where it is asked next whether any are left, at most */
    uint32_t spare;
};
#define M0_DETAIL_CROSSES 1 /* behind it, another function begins */
#define M0_DETAIL_WATCHED 2 /* Python wants to see it first */

/* 64 bytes of code: 32 operations. What a decoder looks ahead for stays inside. */
struct m0_line {
    uint64_t head;       /* handler of its first operation, whose own is the head's: that looks for events, counts, */
    int64_t count;       /* how often the first operation ran, however it was come to, */
    uint64_t generation; /* and looks at this counter's address: see threaded.c */
    uint32_t next;       /* 1 + the next line that was decoded, 0 for none */
    uint32_t is_decoded;
    uint16_t copy[36];   /* its halfwords as they were decoded */
};

#define M0_LINE_OPS 32
#define M0_CHUNK_OPS 2080 /* of a page, and a line that leads to the next page */
#define M0_CHUNK_LINES 65
#define M0_CHUNK_BYTES 66560

/* A page of code. */
struct m0_chunk {
    uint32_t address;
    uint32_t slot; /* of the page */
};

/* A call instruction of the interpreter's, and what the fast form knows of its newest call: host addresses. */
struct m0_call {
    struct m0_site site;
    uint32_t link;        /* what LR is after it */
    uint32_t target;      /* that a BLX led to, with its bit 0 */
    uint32_t spare;
    uint64_t target_op;   /* the one that it led to */
    uint64_t from_at;     /* the context that it came from, 1 if that is not known */
    uint64_t context_at;  /* and the one that it led to */
    uint64_t function_at; /* the function that it led to, if that recurs, else 0 */
};

/* A load or store that the interpreter does not make itself, and the answers to those that one instruction makes. */
struct m0_access {
    uint32_t address;
    uint32_t size;
    uint32_t is_store;
    uint32_t value;    /* that is stored */
    uint32_t answered; /* how many of the instruction's accesses have been answered, */
    uint32_t used;     /* and how many of those it has made again */
    uint32_t stalls;   /* cycles that the answers took, beyond those of memory */
    uint32_t answers[16];
};

/* Bytes that a debugger watches. */
enum m0_guarded { M0_GUARDED_LOADS = 1, M0_GUARDED_STORES = 2 };
struct m0_guard {
    uint32_t base;
    uint32_t size;
    uint32_t kinds; /* enum m0_guarded, bits */
};

/* How long the flash lets the core wait. */
enum m0_flash_model { M0_FLASH_IDEAL, M0_FLASH_CACHE, M0_FLASH_WAITS };

/* The interpreter. */
struct m0_timed {
    uint32_t r[16];        /* r13 is the stack pointer in use */
    uint32_t n;            /* flags: bit 31, */
    uint32_t z;            /* zero where Z is set, */
    uint32_t c;            /* 0 or 1, */
    uint32_t v;            /* bit 31 */
    uint32_t primask;
    uint32_t control;
    uint32_t other_sp;     /* the stack pointer not in use */
    uint32_t pc;           /* where a run begins, and where it stopped */

    uint64_t op;           /* while it runs and is not in registers: the operation, counted as begun, */
    uint64_t budget;       /* and that address plus 32 for each cycle left until `horizon` */
    int64_t horizon;       /* cycle count at which the run stops */
    int64_t slack;         /* cycles from there to the event that it must not pass, where firmware runs */

    uint32_t sram_base;    /* the memory that handlers access themselves */
    uint32_t flash_base;   /* and the one they read themselves, if it does not let wait */
    uint32_t sram_limit[3]; /* its size, in bytes, halfwords and words */
    uint32_t flash_limit[3];
    uint8_t *sram;
    uint8_t *flash;
    uint8_t *sram_code;    /* by 64 bytes of that memory: a bit for each core that decoded code there */
    uint8_t *code_lines;   /* the same by page slot */
    uint8_t *sram_states;  /* `touched` and `owner_at` of both memories, at level `memory` */
    uint8_t *flash_states;
    uint16_t *sram_owners;
    uint16_t *flash_owners;
    uint8_t *waits_at;     /* by page slot: 1 where accesses may have to wait */
    uint8_t *hidden;       /* by word below `hidden_end`: 1 where a load is no memory's, but Python's to refuse */
    uint8_t *watched;      /* by code index: 1 where Python wants to see an instruction before it runs */
    struct m0_op *ops;     /* by chunk and halfword */
    struct m0_detail *details;
    struct m0_line *lines;
    struct m0_chunk *chunks;
    uint16_t *chunk_at;    /* by address >> 12: 1 + chunk, 0 for none */
    struct m0_call *calls; /* the first is not used */
    struct m0_executed *retired; /* counts of code that was overwritten */
    uint32_t chunk_count;
    uint32_t chunk_capacity;
    uint32_t call_count;
    uint32_t call_capacity;
    uint32_t retired_count;
    uint32_t retired_capacity;
    uint32_t last_line;    /* 1 + the newest decoded line, linked by `next` */
    uint64_t contexts_seen; /* where the contexts were when host addresses of them were noted */
    uint64_t last_frame;   /* host address of the last frame that a call may be made from */
    uint32_t return_address;
    uint32_t flash_model;  /* enum m0_flash_model */
    uint32_t is_simple;    /* 1: the simple form alone executes, one instruction after the other */
    uint32_t tracks;       /* 1: level `memory` */
    uint32_t fetched;      /* address of the word that was fetched last, M0_NOTHING if none */
    uint32_t passes_watch; /* 1: the first instruction is not to be shown to Python again */
    uint32_t hidden_end;
    uint32_t is_due;       /* 1: stop soon: the clock says so */
    uint32_t never;        /* a generation that no stamp has */
    uint32_t always;       /* and the one of memory without wait states */
    struct m0_access access;
    struct m0_guard guards[8]; /* seen by the simple form alone */
    uint32_t guard_count;
    uint32_t guard_hit;     /* 1 + the number of the guard of the newest M0_STOP_GUARD */
    uint32_t passes_guards; /* 1: the first instruction is not to be shown to the debugger again */
    int64_t began;          /* the cycle in which the newest instruction of the simple form began, fetched or not */
};

/* -- exceptions, where firmware runs: system.c has the registers of the core, exceptions.c entry and return */

#define M0_EXCEPTIONS 48 /* by number: 15 of the system, and 32 interrupts from 16 on */
#define M0_TASKS 64
#define M0_TASK_FRAMES 256
#define M0_PUBLISHED 256

/* Why a HardFault came. */
enum m0_cause {
    M0_CAUSE_NONE,
    M0_CAUSE_UNALIGNED,    /* a load or store at an address that is no multiple of its size */
    M0_CAUSE_BUS,          /* a load or store where nothing answers */
    M0_CAUSE_UNPRIVILEGED, /* one to the private peripheral bus by unprivileged code */
    M0_CAUSE_FETCH,        /* control came to where no memory is */
    M0_CAUSE_ARM_STATE,    /* control came to an even address by BX, BLX, POP, a vector or a stacked xPSR */
    M0_CAUSE_UNDEFINED,    /* an encoding that ARMv6-M does not have */
    M0_CAUSE_SUPERVISOR,   /* SVC where its exception has not enough priority */
    M0_CAUSE_BREAKPOINT,   /* BKPT, and no debugger is there */
    M0_CAUSE_STACKING,     /* exception entry could not write its frame, */
    M0_CAUSE_UNSTACKING,   /* exception return could not read it, */
    M0_CAUSE_VECTOR,       /* and a vector could not be read */
    M0_CAUSE_RETURN        /* exception return with a value that does not fit what is active */
};

/* What kept an exception waiting that was pending and enabled; bits. */
enum m0_held { M0_HELD_PRIMASK = 1, M0_HELD_PRIORITY = 2, M0_HELD_INSTRUCTION = 4 };

/* One exception: its priority, and what was counted of it. */
struct m0_exception {
    int64_t entries;
    int64_t tail_chained;  /* of them: without stacking, */
    int64_t late;          /* and those that arrived during the stacking for another */
    int64_t cycles;        /* from where entry began to where return ended, without what preempted it, */
    int64_t overhead;      /* and the part of that which entry, tail-chaining and return took */
    int64_t latency_sum;   /* cycles from pending and enabled to the first instruction */
    int64_t latency_min;
    int64_t latency_max;
    int64_t longest_at;    /* cycle in which the first instruction of the longest began */
    uint32_t longest_held; /* what that one waited for, enum m0_held */
    uint32_t held;         /* and the pending one, so far */
    int64_t ready_at;      /* since when it is pending and enabled */
    uint32_t priority;     /* 0 to 3 */
    uint32_t spare;
};

/* An active exception. */
struct m0_activation {
    uint32_t number;
    uint32_t floor;      /* frames below its own */
    uint32_t stacked_at; /* where its frame is; bit 0 set where that is on the process stack */
    uint32_t spare;
    int64_t began;       /* cycle in which entry began, for whoever was preempted; */
    int64_t counted;     /* since when its own cycles are not yet in `cycles` */
};

/* A thread that has a stack of its own, by what its stack pointer was when it was left. Row 0 is the first thread. */
struct m0_task {
    uint32_t key;        /* `stacked_at` when it was left; 0 while it runs */
    uint32_t function;   /* that it was entered in */
    uint32_t depth;      /* frames that are put aside, */
    uint32_t spare;
    int64_t left_at;     /* since that cycle */
    int64_t psp_low;     /* its stack pointer at its lowest, and at first; both beyond 32 bits where it never used PSP */
    int64_t psp_high;
    int64_t entries;     /* times that it was switched to */
    int64_t cycles;      /* that it ran for, exceptions not counted */
};

/* A register whose loads the core answers itself. */
struct m0_published {
    uint32_t address;  /* a multiple of 4 */
    uint32_t kind;     /* 0: not now; 1: a value; 2: a counter */
    uint32_t value;
    uint32_t shift;
    int64_t until;     /* cycle from which Python is asked again */
    int64_t since;     /* of a counter: start + (now - since) * numerator / denominator, shifted right */
    uint64_t start;
    uint32_t numerator;
    uint32_t denominator;
};

/* A range of addresses whose accesses take longer than two cycles. */
struct m0_bus {
    uint32_t base;
    uint32_t size;
    uint32_t load_extra;
    uint32_t store_extra;
};

/* SysTick. It counts clocks of the core, or of a reference that advances by numerator / denominator each cycle. */
struct m0_systick {
    uint32_t control;   /* ENABLE, TICKINT and CLKSOURCE */
    uint32_t counted;   /* COUNTFLAG */
    uint32_t reload;
    uint32_t value;     /* when its clock had counted */
    int64_t at;         /* so many */
    int64_t since;      /* cycle in which the reference clock had counted */
    int64_t reference;  /* so many */
    uint32_t numerator;
    uint32_t denominator; /* 0: there is no reference clock */
    uint32_t calibration; /* what CALIB reads as */
    uint32_t spare;
};

/* The newest HardFault. */
struct m0_hard_fault {
    int64_t cycle;
    int64_t count;      /* of all so far */
    uint32_t cause;     /* enum m0_cause */
    uint32_t pc;        /* of the instruction; where control came to no code, of that place */
    uint32_t address;   /* that was accessed */
    uint32_t size;      /* 0 where nothing was */
    uint32_t is_store;
    uint32_t exception; /* that was active, 0 for none */
    uint32_t r[16];     /* registers then */
    uint32_t from;      /* who jumped to where no code is, if that is known */
    uint32_t spare;
};

#define M0_LOAD_BUCKETS 256

/*
 * What a core did over time, where firmware runs: cycles by bucket, of equal length from `begin` on. A cycle that is in
 * neither column is one of a thread, awake. Where time goes beyond the last bucket, neighbours become one: load.c.
 */
struct m0_load {
    int64_t begin;
    int64_t handled;       /* from when on those of exceptions are not yet in `handlers`, while one is active */
    uint32_t is_handling;  /* 1: one is, or is being entered */
    uint32_t shift;        /* a bucket has 1 << shift cycles */
    int64_t asleep[256];
    int64_t handlers[256]; /* awake, from where entry began to where return ended; less what they slept */
};

struct m0_system {
    uint32_t is_on;        /* 1: exceptions are simulated, and firmware runs */
    uint32_t attention;    /* 1: stop behind the instruction that runs: something may have to be done */
    uint32_t ipsr;         /* number of the exception that is executing, 0 in thread mode */
    uint32_t depth;        /* of `activations` */
    uint64_t pending;      /* by exception number: bit */
    uint64_t active;
    uint64_t enabled;
    uint32_t lines;        /* interrupt requests that are high now, by interrupt */
    uint32_t asleep;       /* enum m0_sleep */
    uint32_t event;        /* the event register */
    uint32_t is_locked_up;
    uint32_t is_entering;  /* 1: stacking for an exception */
    uint32_t returns_to;   /* EXC_RETURN of a return that is made after all that is due up to its cycle, 0 for none */
    uint32_t lacks_t;      /* 1: the T bit is clear, and the HardFault of that has not been entered */
    uint32_t stops_at_fault; /* 1: Python wants M0_STOP_FAULT */
    uint32_t asks_reset;     /* 1: AIRCR.SYSRESETREQ was written */
    uint32_t halts_at_breakpoint; /* 1: a debugger is there: BKPT is M0_STOP_BREAKPOINT */
    uint32_t cause;        /* of the fault that stopped an instruction, enum m0_cause */
    uint32_t stops_awake;  /* 1: a debugger wants M0_STOP_LIMIT as soon as it does not sleep any more */
    uint32_t spare_stop;
    uint32_t vtor;
    uint32_t vtor_mask;    /* bits that VTOR has; 0 where there is none */
    uint32_t scr;
    uint32_t cpuid;
    uint32_t has_unprivileged; /* 1: CONTROL.nPRIV is there */
    uint32_t entry_cycles; /* from where an exception is taken to its first instruction, */
    uint32_t saving_cycles; /* of which these are the stacking, when one of higher priority takes over; */
    uint32_t return_cycles; /* from behind the returning instruction to the next one, */
    uint32_t tail_cycles;  /* or to the first one of a handler that follows */
    int64_t wake_at;       /* cycle at which Python wants M0_STOP_DUE */
    int64_t due_at;        /* after M0_STOP_DUE: the cycle that was asked for, in which devices do what they do */
    int64_t next_event;    /* while code runs: the cycle before which nothing happens */
    int64_t entry_began;
    int64_t partial;       /* cycles that the instruction at `pc` has run for, which can be abandoned */
    int64_t sleep_cycles;
    int64_t overhead_cycles; /* of entry, tail-chaining and return, */
    int64_t vector_stalls; /* and of these, waiting for vectors in flash */
    int64_t abandoned;     /* instructions that begin again after an exception, */
    int64_t abandoned_cycles; /* and what was lost by that */
    int64_t msp_low;       /* the main stack pointer at its lowest, while it is not in use, */
    int64_t msp_high;      /* and the highest value that it was set to */
    int64_t msp_before;    /* its lowest before m0_take_stack_low was last asked; of a stack that came after that, M0_NEVER */
    int64_t thread_since;  /* cycle from which on those of the thread that runs are not in its `cycles` */
    uint32_t task;         /* row of the thread that runs, or was preempted */
    uint32_t task_count;
    int64_t tasks_refused; /* threads that found no room: their calls were ended */
    uint32_t bus_count;
    uint32_t is_idle;      /* 1: asleep, and nothing has happened since that could wake it */
    int64_t until;         /* where the other core runs too: the cycle at which that one's turn comes, */
    int64_t alone_until;   /* and the one from which on it may do something to what both see */
    struct m0_bus buses[8];
    struct m0_systick systick;
    struct m0_hard_fault fault;
    struct m0_activation activations[48];
    struct m0_exception *exceptions; /* M0_EXCEPTIONS of them */
    struct m0_task *tasks;           /* M0_TASKS */
    struct m0_frame *aside;          /* M0_TASK_FRAMES for each task */
    struct m0_published *published;  /* M0_PUBLISHED, by hash of the address */
    struct m0_load load;
};

/* -- what a core did over time, where somebody draws it: timeline.c */

#define M0_DRAWN_AT_ONCE 66000 /* slices that end between two looks at `is_full`, at most: all open frames do */

enum m0_slice_kind {
    M0_SLICE_CALL,      /* of function `number`; `detail` is 1 in what goes on of a call that began before */
    M0_SLICE_EXCEPTION, /* `number`, from where its entry began to where its return ended; `detail`: its latency */
    M0_SLICE_SLEEP,     /* `number` is enum m0_sleep, M0_AWAKE where the core was held in reset; `detail`: what woke it,
                           an exception or 0, an event; M0_NOTHING where nothing did */
    M0_SLICE_THREAD     /* thread `number` was not switched out; `detail` is the function that it began in */
};

/* What a core did from one cycle to another. But for threads, slices of a core are inside of each other or apart. */
struct m0_slice {
    int64_t begin;
    int64_t end;     /* the cycle behind its last one */
    uint32_t kind;   /* enum m0_slice_kind */
    uint32_t number;
    uint32_t level;  /* slices around it: the order of those with the same cycles */
    uint32_t detail;
};

struct m0_timeline {
    struct m0_slice *log;
    int64_t *opened;       /* by open frame: twice the cycle in which it was, and 1 where its call began before; M0_NEVER
                              where that is drawn */
    uint32_t log_count;
    uint32_t log_capacity; /* 0 where nobody draws */
    int64_t shortest;      /* slices of fewer cycles are left out: */
    int64_t left_out;      /* so many */
    int64_t thread_since;
    int64_t sleep_begin;   /* the newest sleep, which may go on: it is not in the log yet */
    int64_t sleep_end;
    uint32_t sleep_kind;
    uint32_t sleep_level;
    uint32_t woken_by;
    uint32_t spare;
    int64_t entered[48];   /* by active exception: the cycle in which its entry began, */
    uint32_t latency[48];  /* and its latency */
};

enum m0_sleep { M0_AWAKE, M0_ASLEEP_FOR_INTERRUPT, M0_ASLEEP_FOR_EVENT };

#define M0_NEVER 0x4000000000000000
#define M0_SEMIHOSTING 0xBEAB /* BKPT 0xAB: Python's */

/*
 * The RP2040's bus fabric, where firmware's masters are to hold each other up: fabric.c. Its ports are in the order of
 * BUSCTRL's events: datasheet 2.1.1.2.
 */
enum m0_fabric_ports {
    M0_FABRIC_APB, M0_FABRIC_FASTPERI, M0_FABRIC_SRAM5, M0_FABRIC_SRAM4, M0_FABRIC_SRAM3, M0_FABRIC_SRAM2,
    M0_FABRIC_SRAM1, M0_FABRIC_SRAM0, M0_FABRIC_XIP, M0_FABRIC_ROM, M0_FABRIC_PORTS
};
enum m0_masters { M0_MASTER_CORE0, M0_MASTER_CORE1, M0_MASTER_DMA_READ, M0_MASTER_DMA_WRITE, M0_MASTERS };

/* An access that a master wants to make. */
struct m0_request {
    int64_t at;      /* the cycle from which on it wants the port, */
    uint32_t port;   /* enum m0_fabric_ports */
    uint32_t hold;   /* cycles for which it has it then: 1, and those that the port lets wait */
    uint32_t pc;     /* of a core, the instruction that the waiting is counted for */
    uint32_t has_waited;
};

/* Who makes accesses, one after the other. */
struct m0_master {
    struct m0_request queue[24];
    uint32_t first;  /* the oldest request, */
    uint32_t count;  /* and where the newest ends */
    uint32_t kept;   /* of a core: those before it stay when its instruction begins again */
    uint32_t depth;  /* of a core: frames that were open before the instruction */
    int64_t busy_until; /* the cycle from which on it can make another access */
    int64_t granted; /* requests so far, */
    int64_t granted_at[16]; /* and in which cycle the newest were, by their number */
};

struct m0_fabric_port {
    int64_t busy_until; /* the cycle from which on it takes another access, */
    int64_t accesses;   /* it took so many, */
    int64_t contested;  /* and so many of them had to wait for another master */
    uint32_t last;      /* master that it took the newest one from */
    uint32_t spare;
};

struct m0_fabric {
    uint32_t is_on;     /* 1: masters wait for each other */
    uint32_t priority;  /* bits by master: 1 is high */
    struct m0_fabric_port ports[10];
    struct m0_master masters[4];
    int64_t waits[160]; /* cycles by master, port, and the master that had it meanwhile */
};

typedef struct uc_struct uc_engine;
typedef int (*m0_emu_stop)(uc_engine *uc);
typedef int (*m0_reg_access)(uc_engine *uc, int reg, void *value); /* uc_reg_read, uc_reg_write */

struct m0_core {
    /* the block hook's own: what every execution touches */
    struct m0_block *pending;    /* the newest block, which is counted when the next begins; block 0 if none */
    struct m0_block *blocks;
    int64_t cycles;              /* of all blocks before the pending one */
    int64_t limit;               /* stop before a block that starts at or after this many cycles */
    int64_t sp;                  /* at the start of the pending block */
    int64_t sp_min;              /* the stack mark */
    uint64_t epoch;              /* see M0_KEY_SHIFT; in the bits that it has in a key */
    struct m0_frame *frames;
    uint32_t depth;              /* number of open frames */
    uint32_t frame_capacity;
    struct m0_context *contexts;
    struct m0_function *functions;
    int64_t sp_limit;            /* a lower SP is a stack overflow */
    int64_t sp_min_before;       /* the mark before it was last moved, */
    int64_t sp_moved_at;         /* by the execution with this number */
    uint32_t sp_mover;           /* of this block */

    /* why the run was stopped */
    uint32_t stop;               /* enum m0_stop */
    uint32_t stop_address;
    uint32_t stop_block;         /* M0_STOP_SP_WRITE: the block */
    uint32_t last_ran;           /* the newest of the blocks that ran in this call, linked by `next_ran` */

    /* tables that grow */
    uint32_t block_count;
    uint32_t block_capacity;
    uint32_t copy_count;         /* in 8-byte words, the first unused */
    uint32_t copy_capacity;
    uint64_t *copies;            /* bytes of writable code as they were decoded */
    uint32_t port_count_count;   /* the first of them is not used */
    uint32_t port_count_capacity;
    int32_t *port_counts;        /* accesses to the port by instruction */
    struct m0_edge *edges;
    uint32_t edge_count;
    uint32_t edge_capacity;
    uint32_t context_count;
    uint32_t context_capacity;
    uint32_t context_limit;      /* capacity that the contexts may grow to */
    uint32_t hash_mask;          /* slots of each hash table, less one; at least as many as any table has rows */
    uint32_t is_full;            /* 1: the next call may find no room for its edge or context */
    int64_t contexts_refused;    /* calls for whose context there was no room */
    uint32_t *ready;             /* by hash of a key: the newest block that ran in this call */
    uint32_t *block_slots;       /* hash tables: the first row in each slot */
    uint32_t *block_next;        /* by block: the next one in its slot */
    uint32_t *edge_slots;
    uint32_t *context_slots;

    /* the guest's memory as the core sees it */
    int32_t *pages;              /* by address >> 12: page slot, 0 where no memory is */
    uint64_t *hosts;             /* by page slot: host address of the page */
    uint8_t *writable;           /* by page slot */
    uint8_t *executed;           /* by page slot and KiB: 1 where code of SRAM was fetched */
    int32_t *function_at;        /* by code index (page slot and halfword): function */
    uint8_t *data_at;            /* by code index: 1 where an executable section holds data */

    /* decoding and timing */
    struct m0_encoding *first;   /* by first halfword */
    int32_t *second;             /* by second halfword: enum m0_wide */
    int32_t *flow;               /* by enum m0_kind: enum m0_flow */
    int32_t *kind_cycles;        /* by enum m0_kind; multiple transfers add one for each register */
    uint32_t taken_extra;        /* cycles of a taken conditional branch beyond one that is not taken */

    /* Unicorn */
    m0_emu_stop emu_stop;
    m0_reg_access reg_read;
    m0_reg_access reg_write;

    struct m0_port port;
    struct m0_timed timed;

    /* level `memory` */
    uint16_t *owner_at;          /* by page slot and byte: owner */
    uint8_t *touched;            /* by page slot and byte: M0_BYTE_ bits */
    struct m0_traffic *traffic;  /* by owner */
    uint32_t stack_low;          /* the memory that the stack may take, from here */
    uint32_t stack_high;         /* up to before here */
    uint32_t stack_owner;        /* of what the stack came down to; above, owner_at has it */
    uint32_t finding_mask;       /* rows of `findings` less one, a power of two */
    struct m0_finding *findings; /* by hash of instruction and kind */
    uint32_t finding_count;      /* rows in use */
    uint32_t spare;
    int64_t findings_refused;    /* reads that found no free row */

    struct m0_xip xip;           /* of the timed engine; of core 1, it has no more than what that counted */
    struct m0_waits waits;       /* the same */
    struct m0_system system;     /* the same, where firmware runs */
    struct m0_pio pio;           /* of an RP2040; that of core 0 for both */
    struct m0_pio_counts pio_counts[8]; /* of its machines; apart, so that a copy of `pio` is small */

    struct m0_timeline timeline;

    /* cores of one chip: cores.c */
    struct m0_core *chip;        /* core 0, which has what both share */
    struct m0_core *other;       /* the other one, while it runs; NULL where there is none */
    struct m0_core *running;     /* of core 0: the core that ran last */
    uint32_t number;             /* 0 or 1 */
    uint32_t quantum;            /* of core 0: cycles that a core may run ahead of the other, and one more */
    uint32_t is_waited_for;      /* of core 0: 1 while core 1 waits in the boot ROM, and so is not there */
    uint32_t goes_on;            /* of core 0: 1 where `running` stopped in its turn for nothing that it did */
    int64_t pause_at;            /* of core 0: the run stops for Python between two turns from this cycle on */
    uint32_t contends;           /* 1: what it accesses it asks the fabric for */
    uint32_t spare_number;
    int64_t event_sent;          /* the cycle of its newest SEV, while the other is not there */
    int64_t limit_of_second;     /* of core 0: what `limit` is to core 1; the same, or the cycle before */
    struct m0_fabric fabric;     /* of core 0, for both */
};

#endif
