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
    M0_STOP_PORT      /* an access to a register of the I/O port that is not modelled, at `stop_address` */
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
    uint32_t spare[8];
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

/* Accesses to what one owner (a symbol, buffer or memory) has; level `memory`. */
struct m0_traffic {
    int64_t loads;
    int64_t stores;
    int64_t bytes_loaded;
    int64_t bytes_stored;
};

/* What m0_expand writes: one instruction of a block that ran. */
struct m0_executed {
    uint32_t address;
    uint32_t encoding;     /* first halfword in bits 0..15, second (of a 32-bit instruction) in bits 16..31 */
    int64_t executions;
    int64_t taken;         /* of a conditional branch */
    int64_t port_accesses; /* that the single-cycle port made one cycle faster each */
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

/* The single-cycle I/O port. */
struct m0_port {
    uint32_t base;         /* address */
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
};

/* A cache in front of flash, least recently used line replaced; level `memory`. */
struct m0_cache {
    uint64_t lines;      /* int64_t[sets * ways]: line numbers, each set's most recently used first; -1 if empty */
    uint32_t sets;
    uint32_t ways;
    uint32_t line_shift; /* log2 of the bytes of a line */
    uint32_t base;       /* the flash behind it */
    uint64_t end;
    int64_t code_misses;
    int64_t data_misses;
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
    int64_t hits;            /* words; those that an interpreter does not ask for, it adds itself */
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
    uint32_t newest;         /* word of code in the buffer, M0_NOTHING if none */
    uint32_t ahead;          /* word that was prefetched, M0_NOTHING if none */
    uint32_t lines[64];      /* words: each set's most recently used first; M0_NOTHING if empty */
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

    /* level `memory` */
    uint16_t *owner_at;          /* by page slot and byte: owner */
    uint8_t *touched;            /* by page slot and byte: 1 read, 2 written */
    struct m0_traffic *traffic;  /* by owner */
    uint32_t stack_low;          /* accesses from here */
    uint32_t stack_high;         /* up to before here are the stack's */
    uint32_t stack_owner;
    struct m0_cache cache;

    struct m0_xip xip;           /* of the timed engine */
    struct m0_waits waits;       /* the same */
};

#endif
