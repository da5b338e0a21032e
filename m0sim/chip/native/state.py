"""Where things are in the state array, and in the rows of the tables that it points to."""

from __future__ import annotations

from enum import IntEnum


class Slot(IntEnum):
    """Where things are in the state array."""

    PENDING = 0  # row (host address) of the newest block; that of record 0, which matches nothing, if none
    CYCLES = 1  # of all settled blocks
    LIMIT = 2  # stop before the block that starts at or after this many cycles
    STOP = 3  # why the hook stopped the run: a Stop
    STOP_ADDRESS = 4  # the instruction that it concerns
    SP = 5  # at the start of the pending block
    SP_MIN = 6
    SP_LIMIT = 7  # a lower SP is a stack overflow
    REG_WRITE = 8  # address of uc_reg_write
    RECORDS = 9
    RECORD_COUNT = 10
    RECORD_CAPACITY = 11
    POOL = 12  # copies of the decoded bytes
    POOL_COUNT = 13  # in 8-byte words
    POOL_CAPACITY = 14
    BLOCKS = 15  # int32 by code index: newest record that starts there
    FUNCTION_AT = 16  # int32 by code index: function id
    DATA_AT = 17  # uint8 by code index: 1 where an executable section holds data
    PAGES = 18  # int32 by address >> 12: page slot, 0 where nothing executable is mapped
    HOSTS = 19  # int64 by page slot: host address of the page
    WRITABLE = 20  # uint8 by page slot
    FIRST = 21
    FIRST_CYCLES = 22
    SECOND = 23
    WIDE_CYCLES = 24  # BL in bits 0..15, MRS/MSR/barriers in bits 16..31
    TAKEN_EXTRA = 25
    FUNCTIONS = 26  # rows of Function
    FRAMES = 27  # rows of Frame
    DEPTH = 28
    FRAME_CAPACITY = 29
    EDGES = 30  # rows of Edge
    EDGE_COUNT = 31
    EDGE_CAPACITY = 32
    EMU_STOP = 33  # address of uc_emu_stop
    REG_READ = 34  # address of uc_reg_read
    SCRATCH = 35  # address of 8 bytes that uc_reg_read writes to
    FLOW = 36  # isa.FLOW
    IO_RECORD = 37  # block execution that IO_OFFSET belongs to
    IO_EXECUTION = 38
    IO_OFFSET = 39  # behind the last access found in it
    IO_SAVED_LOAD = 40  # cycles saved by a load from the port
    IO_SAVED_STORE = 41
    IO_WORDS = 42  # the port's registers, int32
    IO_BASE = 43
    IO_IS_SIO = 44
    IO_PLACES = 45  # int32 by code index: accesses that this instruction made to the port
    IO_FAULT = 46  # offset + 1 of an access to a register that is not modelled
    IO_FAULT_AT = 47
    DIVIDER_READY = 48  # cycle from which the quotient can be read
    DIVIDER_EARLY = 49  # number of reads that came before
    DIVIDER_EARLY_AT = 50
    QUOTIENT = 51
    REMAINDER = 52
    OLD_QUOTIENT = 53
    OLD_REMAINDER = 54
    OWNER_PAGES = 55  # level memory: int32 by address >> 12: page slot
    OWNER_AT = 56  # int16 by byte: owner id
    TOUCHED = 57  # uint8 by byte: 1 read, 2 written
    TRAFFIC = 58  # rows of Traffic by owner
    STACK_LOW = 59  # accesses between these two addresses belong to the stack
    STACK_HIGH = 60
    STACK_OWNER = 61
    SP_MIN_BEFORE = 62  # the mark before the block that moved it last
    SP_MOVED_BY = 63  # that block's row
    SP_MOVED_AT = 64  # and its execution
    XIP_LINES = 65  # level memory: int64[sets * ways], line numbers, each set's most recently used first; 0 if no cache
    XIP_SETS = 66
    XIP_WAYS = 67
    XIP_SHIFT = 68  # log2 of the bytes of a line
    XIP_BASE = 69  # the flash behind the cache
    XIP_END = 70
    XIP_CODE_MISSES = 71
    XIP_DATA_MISSES = 72
    CONTEXTS = 73  # rows of Context
    CONTEXT_COUNT = 74
    CONTEXT_CAPACITY = 75
    CONTEXTS_REFUSED = 76  # calls for whose context the table had no room
    EXECUTED = 77  # uint8 by page slot and KiB: 1 where code of SRAM was fetched
    DIVIDER_DIRTY = 78  # 1 from a write to one of its registers until the quotient is read
    SIZE = 80


class Stop(IntEnum):
    NONE = 0
    LIMIT = 1
    GROW = 2  # a table is full
    INVALID = 3  # an encoding that ARMv6-M does not have
    DATA = 4  # executing what the image marks as data
    STACK = 5
    DEPTH = 6
    SP_WRITE = 7  # a block that gives SP a new value needs hooks of its own


class Record(IntEnum):
    """One decoded block. The first eight fields are all that a loop onto itself, the hottest case, reads."""

    LOOP_KEY = 0  # KEY if it may loop onto itself without any but the counting below, else -1
    SIZE = 1
    LOOP_CYCLES = 2  # of one execution, branch taken
    LOOPS = 3  # executions that such a loop went back for: COUNT and TAKEN without them
    ADDRESS = 4
    COUNT = 5  # executions
    TAKEN = 6  # how often its conditional branch was taken
    CYCLES = 7  # of one execution, branch not taken
    FLOW = 8
    SP_CHANGE = 9
    SP_LOW = 10  # lowest SP inside the block (before any SP write), relative to its start
    FUNCTION = 11
    SPECIAL = 12  # 1 where only registers tell what it did: see BRANCH_NEXT and SP_WRITES
    VERIFY = 13  # 8-byte words to compare with the pool before each execution; 0 for read-only memory
    CALL_TARGET = 14  # where its last call went
    CALL_EDGE = 15  # and the edge (an index) that counts it
    HOST = 16  # host address of the first word to verify
    POOL = 17  # index of the first of them in the pool
    FIRST_MASK = 18
    LAST_MASK = 19
    NEXT = 20  # older record at the same address
    EDGE = 21  # first call edge out of this block
    BRANCH_NEXT = 22  # 1 + condition of a branch to the very next instruction
    SP_WRITES = 23  # 0: none; 1: SP writes without hooks yet; 2: with their hooks
    KEY = 24  # address << 16 | size, if it needs no verification, else -1
    SIZE_OF = 32  # so that a row begins a cache line


class Function(IntEnum):
    ENTRY = 0
    ACTIVE = 1  # frames of it that are open: the outermost one counts inclusive cycles
    INCLUSIVE = 2
    SIZE_OF = 4


class Frame(IntEnum):
    RETURN = 0
    ENTERED = 1  # cycles at entry
    EDGE = 2  # whose callee is the frame's function; edge 0 is the call from outside
    IS_TAIL = 3  # reached by a jump: leaving it leaves the frame below too
    CONTEXT = 4  # that its calls and cycles are counted in; 0 if there was no room
    SIZE_OF = 8


class Edge(IntEnum):
    CALLEE = 0
    CALL_AT = 1  # address just behind the calling instruction
    NEXT = 2
    CALLS = 3  # those that no context counts
    INCLUSIVE = 4
    FROM = 5  # the newest caller's context
    TO = 6  # and the context that its call led to
    SIZE_OF = 8


class Context(IntEnum):
    """A call edge in one calling context. Row 0 is the outside, row 1 the call from there.

    A row is its own TARGET, a node of the call tree, unless an ancestor (or the parent) is of the same function: under
    recursion that one is the target, and the row tells its share.
    """

    PARENT = 0  # the caller's node
    EDGE = 1
    TARGET = 2
    CALLS = 3  # that have ended
    INCLUSIVE = 4  # cycles in them
    BELOW = 5  # node of the frame below, whose cycles these are not: PARENT, but for a cycle of tail calls
    CHILD = 6  # first row whose parent this is
    NEXT = 7  # next row of the same parent
    SIZE_OF = 8


class Traffic(IntEnum):
    LOADS = 0
    STORES = 1
    BYTES_LOADED = 2
    BYTES_STORED = 3
    SIZE_OF = 4


# Host bytes of a row. Numba takes IntEnum members as constants, but not in arithmetic: these are plain integers.
RECORD_BYTES = 8 * int(Record.SIZE_OF)
FUNCTION_BYTES = 8 * int(Function.SIZE_OF)
FRAME_BYTES = 8 * int(Frame.SIZE_OF)
EDGE_BYTES = 8 * int(Edge.SIZE_OF)
CONTEXT_BYTES = 8 * int(Context.SIZE_OF)
TRAFFIC_BYTES = 8 * int(Traffic.SIZE_OF)

#: Rows that the table of contexts can grow to: 16 MiB.
CONTEXT_LIMIT = 1 << 18
