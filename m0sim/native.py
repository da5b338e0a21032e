"""The counting hooks: machine code that Unicorn calls for every block and, at level ``memory``, every access.

Numba compiles the functions below once and caches the result. They see no Python objects. All they know is one int64
array, the *state*, whose slots (`Slot`) hold counters and the host addresses of the other arrays; everything is
int64, because Numba turns a mixture with uint64 into float64.

A block is decoded when it is first executed, into one row of the record table (`Record`); after that an execution
adds one row's figures. What a block ended up doing (taken or not, call, return) is known when the next one begins, so
the newest block is *pending* until then.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from llvmlite import ir
from numba import cfunc, njit, types
from numba.extending import intrinsic

from m0sim import isa
from m0sim.isa import Flow, Kind, Wide


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


# Numba takes IntEnum members as constants, but not in arithmetic with a size; these are plain integers.
_RECORD = int(Record.SIZE_OF)
_FUNCTION = int(Function.SIZE_OF)
_FRAME = int(Frame.SIZE_OF)
_EDGE = int(Edge.SIZE_OF)
_CONTEXT = int(Context.SIZE_OF)
_TRAFFIC = int(Traffic.SIZE_OF)
_COLUMNS = isa.COLUMNS
_R0, _SP, _PSP, _CPSR, _APSR = 66, 12, 116, 3, 1  # UC_ARM_REG_*: the binding's constants module costs start-up time
_MEM_WRITE = 17  # UC_MEM_WRITE

#: Rows that the table of contexts can grow to: 16 MiB.
CONTEXT_LIMIT = 1 << 18


def _pointer_load(width: int, signed: bool) -> Any:
    @intrinsic
    def load(typingctx: Any, base: Any, index: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind = ir.IntType(width)
            pointer = builder.inttoptr(args[0], kind.as_pointer())
            value = builder.load(builder.gep(pointer, [args[1]]))
            if width == 64:
                return value
            return (builder.sext if signed else builder.zext)(value, ir.IntType(64))

        return types.int64(types.int64, types.int64), codegen

    return load


def _pointer_store(width: int) -> Any:
    @intrinsic
    def store(typingctx: Any, base: Any, index: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind = ir.IntType(width)
            pointer = builder.inttoptr(args[0], kind.as_pointer())
            value = args[2] if width == 64 else builder.trunc(args[2], kind)
            builder.store(value, builder.gep(pointer, [args[1]]))
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, types.int64), codegen

    return store


load64 = _pointer_load(64, True)
load32 = _pointer_load(32, True)
load16u = _pointer_load(16, False)
load8u = _pointer_load(8, False)
store64 = _pointer_store(64)
store32 = _pointer_store(32)
store8 = _pointer_store(8)


@intrinsic
def _call_emu_stop(typingctx: Any, function: Any, uc: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(32), [ir.IntType(64)])
        return builder.call(builder.inttoptr(args[0], kind.as_pointer()), [args[1]])

    return types.int32(types.int64, types.int64), codegen


@intrinsic
def _call_reg_read(typingctx: Any, function: Any, uc: Any, register: Any, result: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(32), [ir.IntType(64), ir.IntType(32), ir.IntType(64)])
        arguments = [args[1], builder.trunc(args[2], ir.IntType(32)), args[3]]
        return builder.call(builder.inttoptr(args[0], kind.as_pointer()), arguments)

    return types.int32(types.int64, types.int64, types.int64, types.int64), codegen


@njit(cache=True)
def _stop(state, uc, reason, address):
    store64(state, Slot.STOP, reason)
    store64(state, Slot.STOP_ADDRESS, address)
    _call_emu_stop(load64(state, Slot.EMU_STOP), uc)


@njit(cache=True, forceinline=True)
def _read_register(state, uc, register):
    scratch = load64(state, Slot.SCRATCH)
    store64(scratch, 0, 0)
    _call_reg_read(load64(state, Slot.REG_READ), uc, register, scratch)
    return load64(scratch, 0) & 0xFFFFFFFF


@njit(cache=True, forceinline=True)
def _code_index(state, address):
    """Index of a halfword in the tables by code index; page slot 0 stands for everything that is not mapped."""
    slot = load32(load64(state, Slot.PAGES), address >> 12)
    return slot * 2048 + ((address & 0xFFF) >> 1)


@njit(cache=True, forceinline=True)
def _halfword(state, address):
    slot = load32(load64(state, Slot.PAGES), address >> 12)
    if slot == 0:
        return 0
    return load16u(load64(load64(state, Slot.HOSTS), slot), (address & 0xFFF) >> 1)


@njit(cache=True)
def _condition_holds(condition, cpsr):
    """DDI 0419, A6.3: the condition field of a branch against N, Z, C and V in bits 31..28."""
    n, z, c, v = cpsr >> 31 & 1, cpsr >> 30 & 1, cpsr >> 29 & 1, cpsr >> 28 & 1
    pair = condition >> 1
    if pair == 0:
        holds = z
    elif pair == 1:
        holds = c
    elif pair == 2:
        holds = n
    elif pair == 3:
        holds = v
    elif pair == 4:
        holds = c & (1 - z)
    elif pair == 5:
        holds = 1 - (n ^ v)
    else:
        holds = (1 - z) & (1 - (n ^ v))
    return holds ^ (condition & 1)


@njit(cache=True, forceinline=True)
def _verified(state, row):
    """True where the block's bytes in writable memory are still those that were decoded."""
    words = load64(row, Record.VERIFY)
    host = load64(row, Record.HOST)
    pool = load64(state, Slot.POOL) + 8 * load64(row, Record.POOL)
    difference = (load64(host, 0) ^ load64(pool, 0)) & load64(row, Record.FIRST_MASK)
    if words == 1:
        return difference & load64(row, Record.LAST_MASK) == 0
    for i in range(1, words - 1):
        difference |= load64(host, i) ^ load64(pool, i)
    last = words - 1
    difference |= (load64(host, last) ^ load64(pool, last)) & load64(row, Record.LAST_MASK)
    return difference == 0


@njit(cache=True)
def _copy_code(state, row, address, size):
    """Keep the decoded bytes, in whole aligned words with masks for the bytes that are not the block's own."""
    slot = load32(load64(state, Slot.PAGES), address >> 12)
    begin = load64(load64(state, Slot.HOSTS), slot) + (address & 0xFFF)
    first = begin & ~7
    words = (begin + size - first + 7) >> 3
    used = load64(state, Slot.POOL_COUNT)
    pool = load64(state, Slot.POOL)
    for i in range(words):
        store64(pool, used + i, load64(first, i))
    store64(state, Slot.POOL_COUNT, used + words)
    store64(row, Record.POOL, used)
    store64(row, Record.HOST, first)
    store64(row, Record.FIRST_MASK, -1 << (8 * (begin - first)))
    spare = first + 8 * words - (begin + size)
    last_mask = -1
    if spare > 0:
        last_mask = (1 << (8 * (8 - spare))) - 1
    store64(row, Record.LAST_MASK, last_mask)
    if load8u(load64(state, Slot.WRITABLE), slot) != 0:
        store64(row, Record.VERIFY, words)


@njit(cache=True)
def _decode_one(state, address):
    """Kind and bytes of the instruction at `address`, as ``kind << 8 | bytes``; kind INVALID where there is none."""
    first = _halfword(state, address)
    kind = load32(load64(state, Slot.FIRST), first * _COLUMNS + isa.KIND)
    if kind != Kind.WIDE:
        return kind << 8 | 2
    second = _halfword(state, address + 2)
    wide = load32(load64(state, Slot.FIRST), first * _COLUMNS + isa.WIDE) & load32(load64(state, Slot.SECOND), second)
    if wide == Wide.BRANCH_LINK:
        return Kind.BRANCH_LINK << 8 | 4
    if wide != 0:
        return Kind.SYSTEM << 8 | 4
    return Kind.INVALID << 8 | 4


@njit(cache=True)
def _cycles_of(state, kind, first):
    if kind == Kind.BRANCH_LINK:
        return load64(state, Slot.WIDE_CYCLES) & 0xFFFF
    if kind == Kind.SYSTEM:
        return load64(state, Slot.WIDE_CYCLES) >> 16
    return load32(load64(state, Slot.FIRST_CYCLES), first)


@njit(cache=True)
def _writes_sp(state, address, kind):
    first = _halfword(state, address)
    if kind == Kind.SYSTEM:
        return (first & 0xFFF0) == 0xF380  # MSR
    return load32(load64(state, Slot.FIRST), first * _COLUMNS + isa.SP_WRITE) != 0


@njit(cache=True)
def _refuse(state, uc, reason, address):
    _stop(state, uc, reason, address)
    return 0


@njit(cache=True)
def decode_block(state, uc, address, size):
    """Make the record of a block. Returns its index, or 0 after a stop."""
    index = load64(state, Slot.RECORD_COUNT)
    if _code_index(state, address) < 2048:  # page slot 0: no memory that holds code
        return _refuse(state, uc, Stop.DATA, address)
    if index >= load64(state, Slot.RECORD_CAPACITY):
        return _refuse(state, uc, Stop.GROW, address)
    if load64(state, Slot.POOL_COUNT) + size // 8 + 2 > load64(state, Slot.POOL_CAPACITY):
        return _refuse(state, uc, Stop.GROW, address)
    row = load64(state, Slot.RECORDS) + 8 * _RECORD * index
    cycles = sp = low = writes = flow = branch_next = 0
    at = address
    while at < address + size:
        if load8u(load64(state, Slot.DATA_AT), _code_index(state, at)) != 0:
            return _refuse(state, uc, Stop.DATA, at)
        decoded = _decode_one(state, at)
        kind, length = decoded >> 8, decoded & 0xFF
        if kind == Kind.INVALID:
            return _refuse(state, uc, Stop.INVALID, at)
        first = _halfword(state, at)
        cycles += _cycles_of(state, kind, first)
        flow = load32(load64(state, Slot.FLOW), kind)
        if length == 2:
            sp += load32(load64(state, Slot.FIRST), first * _COLUMNS + isa.SP_CHANGE)
        if _writes_sp(state, at, kind):
            writes = 1
        if writes == 0 and sp < low:
            low = sp
        if kind == Kind.BRANCH_CONDITIONAL and first & 0xFF == 0xFF:
            branch_next = 1 + (first >> 8 & 15)
        at += length
    store64(row, Record.ADDRESS, address)
    store64(row, Record.SIZE, size)
    store64(row, Record.CYCLES, cycles)
    store64(row, Record.FLOW, flow)
    store64(row, Record.SP_CHANGE, sp)
    store64(row, Record.SP_LOW, low)
    store64(row, Record.SPECIAL, writes | branch_next)
    store64(row, Record.BRANCH_NEXT, branch_next)
    store64(row, Record.SP_WRITES, writes)
    _begin_record(state, row, index)
    return index


@njit(cache=True)
def _begin_record(state, row, index):
    """What a new record holds besides what its instructions say."""
    for field in (Record.COUNT, Record.TAKEN, Record.LOOPS, Record.EDGE, Record.VERIFY, Record.CALL_EDGE):
        store64(row, field, 0)
    store64(row, Record.CALL_TARGET, -1)
    address = load64(row, Record.ADDRESS)
    _copy_code(state, row, address, load64(row, Record.SIZE))
    code = _code_index(state, address)
    store64(row, Record.FUNCTION, load32(load64(state, Slot.FUNCTION_AT), code))
    blocks = load64(state, Slot.BLOCKS)
    store64(row, Record.NEXT, load32(blocks, code))
    store32(blocks, code, index)
    store64(state, Slot.RECORD_COUNT, index + 1)
    flow = load64(row, Record.FLOW)
    simple = load64(row, Record.SP_CHANGE) | load64(row, Record.SPECIAL) | load64(row, Record.VERIFY) == 0
    taken_extra = load64(state, Slot.TAKEN_EXTRA) if flow == Flow.CONDITIONAL else 0
    key = address << 16 | load64(row, Record.SIZE)
    store64(row, Record.KEY, key if load64(row, Record.VERIFY) == 0 else -1)
    store64(row, Record.LOOP_KEY, key if simple and flow < Flow.CALL else -1)
    store64(row, Record.LOOP_CYCLES, load64(row, Record.CYCLES) + taken_extra)


@njit(cache=True)
def find_block(state, uc, address, size):
    """The record of a block, decoded now if this is its first execution. Returns 0 after a stop."""
    records = load64(state, Slot.RECORDS)
    index = load32(load64(state, Slot.BLOCKS), _code_index(state, address))
    while index != 0:
        row = records + 8 * _RECORD * index
        if (
            load64(row, Record.SIZE) == size
            and load64(row, Record.ADDRESS) == address
            and (load64(row, Record.VERIFY) == 0 or _verified(state, row))
        ):
            return index
        index = load64(row, Record.NEXT)
    return decode_block(state, uc, address, size)


@njit(cache=True)
def _edge(state, row, callee):
    """The call edge (an index) from a block to a function, made if it is new."""
    edges = load64(state, Slot.EDGES)
    index = load64(row, Record.EDGE)
    while index != 0:
        if load64(edges + 8 * _EDGE * index, Edge.CALLEE) == callee:
            return index
        index = load64(edges + 8 * _EDGE * index, Edge.NEXT)
    index = load64(state, Slot.EDGE_COUNT)
    edge = edges + 8 * _EDGE * index
    store64(edge, Edge.CALLEE, callee)
    store64(edge, Edge.CALLS, 0)
    store64(edge, Edge.INCLUSIVE, 0)
    store64(edge, Edge.NEXT, load64(row, Record.EDGE))
    store64(edge, Edge.CALL_AT, load64(row, Record.ADDRESS) + load64(row, Record.SIZE))
    store64(edge, Edge.FROM, -1)
    store64(row, Record.EDGE, index)
    store64(state, Slot.EDGE_COUNT, index + 1)
    if index + 2 >= load64(state, Slot.EDGE_CAPACITY):
        store64(state, Slot.LIMIT, -1)  # _refuse_start stops the run
    return index


@njit(cache=True)
def _wants_contexts(state):
    """True where the table of contexts is nearly full and may grow."""
    count = load64(state, Slot.CONTEXT_COUNT) + 1
    return count >= load64(state, Slot.CONTEXT_CAPACITY) and count < CONTEXT_LIMIT


@njit(cache=True)
def _innermost(state, node, function):
    """The node of a function among a node and its ancestors, 0 if it is not there."""
    contexts, edges = load64(state, Slot.CONTEXTS), load64(state, Slot.EDGES)
    while node != 0:
        row = contexts + 8 * _CONTEXT * node
        if load64(edges + 8 * _EDGE * load64(row, Context.EDGE), Edge.CALLEE) == function:
            return node
        node = load64(row, Context.PARENT)
    return 0


@njit(cache=True)
def _new_context(state, edge_index, parent, below):
    """Make the row of an edge in a context where it is new. Returns its index, or 0 where the table is full."""
    index = load64(state, Slot.CONTEXT_COUNT)
    if index >= load64(state, Slot.CONTEXT_CAPACITY):
        return 0
    above = load64(state, Slot.CONTEXTS) + 8 * _CONTEXT * parent
    row = load64(state, Slot.CONTEXTS) + 8 * _CONTEXT * index
    callee = load64(load64(state, Slot.EDGES) + 8 * _EDGE * edge_index, Edge.CALLEE)
    ancestor = _innermost(state, parent, callee)
    store64(row, Context.PARENT, parent)
    store64(row, Context.EDGE, edge_index)
    store64(row, Context.TARGET, ancestor if ancestor != 0 else index)
    store64(row, Context.BELOW, below)
    for field in (Context.CALLS, Context.INCLUSIVE, Context.CHILD):
        store64(row, field, 0)
    store64(row, Context.NEXT, load64(above, Context.CHILD))
    store64(above, Context.CHILD, index)
    store64(state, Slot.CONTEXT_COUNT, index + 1)
    if _wants_contexts(state):
        store64(state, Slot.LIMIT, -1)  # _refuse_start stops the run
    return index


@njit(cache=True)
def _context(state, edge_index, caller, below):
    """The context of a call along an edge: `caller` is the context of the code that calls, `below` the frame's below.

    What is called from a context without a row has none either.
    """
    contexts = load64(state, Slot.CONTEXTS)
    parent = load64(contexts + 8 * _CONTEXT * caller, Context.TARGET)
    under = load64(contexts + 8 * _CONTEXT * below, Context.TARGET)
    index = 0
    if parent != 0:
        index = load64(contexts + 8 * _CONTEXT * parent, Context.CHILD)
        while index != 0:
            row = contexts + 8 * _CONTEXT * index
            if load64(row, Context.EDGE) == edge_index and load64(row, Context.BELOW) == under:
                return index
            index = load64(row, Context.NEXT)
        index = _new_context(state, edge_index, parent, under)
    if index == 0:
        store64(state, Slot.CONTEXTS_REFUSED, load64(state, Slot.CONTEXTS_REFUSED) + 1)
    return index


@njit(cache=True)
def _context_from(state, edge_index, caller):
    """The context of a call from another context than the newest one along this edge, which it becomes."""
    index = _context(state, edge_index, caller, caller)
    if index != 0:
        edge = load64(state, Slot.EDGES) + 8 * _EDGE * edge_index
        store64(edge, Edge.FROM, caller)
        store64(edge, Edge.TO, index)
    return index


@njit(cache=True, forceinline=True)
def _push(state, edge_index, return_address, is_tail, context):
    depth = load64(state, Slot.DEPTH)
    frame = load64(state, Slot.FRAMES) + 8 * _FRAME * depth
    edge = load64(state, Slot.EDGES) + 8 * _EDGE * edge_index
    callee = load64(edge, Edge.CALLEE)
    store64(frame, Frame.RETURN, return_address)
    store64(frame, Frame.ENTERED, load64(state, Slot.CYCLES))
    store64(frame, Frame.EDGE, edge_index)
    store64(frame, Frame.IS_TAIL, is_tail)
    store64(frame, Frame.CONTEXT, context)
    function = load64(state, Slot.FUNCTIONS) + 8 * _FUNCTION * callee
    store64(function, Function.ACTIVE, load64(function, Function.ACTIVE) + 1)
    store64(state, Slot.DEPTH, depth + 1)
    if depth + 2 >= load64(state, Slot.FRAME_CAPACITY):
        store64(state, Slot.LIMIT, -1)  # _refuse_start stops the run


@njit(cache=True, forceinline=True)
def _call(state, edge_index, return_address):
    """Open the frame of a call. Mostly it comes from the same context as the one before along this edge."""
    frame = load64(state, Slot.FRAMES) + 8 * _FRAME * (load64(state, Slot.DEPTH) - 1)
    edge = load64(state, Slot.EDGES) + 8 * _EDGE * edge_index
    caller = load64(frame, Frame.CONTEXT)
    context = load64(edge, Edge.TO)
    if load64(edge, Edge.FROM) != caller:
        context = _context_from(state, edge_index, caller)
    _push(state, edge_index, return_address, 0, context)


@njit(cache=True, forceinline=True)
def _pop(state, depth):
    """Close the newest frame, which makes the depth `depth`; recursion is inclusive at its outermost frame only."""
    frame = load64(state, Slot.FRAMES) + 8 * _FRAME * depth
    spent = load64(state, Slot.CYCLES) - load64(frame, Frame.ENTERED)
    edge = load64(state, Slot.EDGES) + 8 * _EDGE * load64(frame, Frame.EDGE)
    context = load64(frame, Frame.CONTEXT)
    if context != 0:
        row = load64(state, Slot.CONTEXTS) + 8 * _CONTEXT * context
        store64(row, Context.CALLS, load64(row, Context.CALLS) + 1)
        store64(row, Context.INCLUSIVE, load64(row, Context.INCLUSIVE) + spent)
    else:
        store64(edge, Edge.CALLS, load64(edge, Edge.CALLS) + 1)
        store64(edge, Edge.INCLUSIVE, load64(edge, Edge.INCLUSIVE) + spent)
    function = load64(state, Slot.FUNCTIONS) + 8 * _FUNCTION * load64(edge, Edge.CALLEE)
    active = load64(function, Function.ACTIVE) - 1
    store64(function, Function.ACTIVE, active)
    if active == 0:
        store64(function, Function.INCLUSIVE, load64(function, Function.INCLUSIVE) + spent)
    store64(state, Slot.DEPTH, depth)


@njit(cache=True)
def pop_to(state, depth):
    """Close the frames above the first `depth`."""
    top = load64(state, Slot.DEPTH)
    while top > depth:
        top -= 1
        _pop(state, top)


@njit(cache=True)
def _first_call(state, row, address):
    """Look up the edge of a call that goes elsewhere than the last one from this block."""
    callee = load32(load64(state, Slot.FUNCTION_AT), _code_index(state, address))
    entry = load64(load64(state, Slot.FUNCTIONS) + 8 * _FUNCTION * callee, Function.ENTRY)
    # BL inside one function is a far jump, or calls a subroutine that has no symbol: no edge.
    is_call = callee != load64(row, Record.FUNCTION) or address == entry
    store64(row, Record.CALL_TARGET, address)
    store64(row, Record.CALL_EDGE, _edge(state, row, callee) if is_call else 0)


@njit(cache=True)
def _jump(state, row, address):
    """Control went to another function without a link: a tail call, or back into a function that is open."""
    callee = load32(load64(state, Slot.FUNCTION_AT), _code_index(state, address))
    if callee == load64(row, Record.FUNCTION):
        return
    frames = load64(state, Slot.FRAMES)
    depth = load64(state, Slot.DEPTH)
    is_entry = address == load64(load64(state, Slot.FUNCTIONS) + 8 * _FUNCTION * callee, Function.ENTRY)
    caller = load64(frames + 8 * _FRAME * (depth - 1), Frame.CONTEXT)
    at = depth - 1
    while at >= 0:
        frame = frames + 8 * _FRAME * at
        edge = load64(state, Slot.EDGES) + 8 * _EDGE * load64(frame, Frame.EDGE)
        if load64(edge, Edge.CALLEE) == callee:
            if not is_entry:  # back into a caller that is still open
                pop_to(state, at + 1)
                return
            if load64(frame, Frame.IS_TAIL) != 0:  # round a cycle of tail calls: keep the stack flat
                pop_to(state, at)
                break
        if is_entry and load64(frame, Frame.IS_TAIL) == 0:
            break
        at -= 1
    edge_index = _edge(state, row, callee)
    below = load64(frames + 8 * _FRAME * (load64(state, Slot.DEPTH) - 1), Frame.CONTEXT)
    return_address = load64(frames + 8 * _FRAME * (depth - 1), Frame.RETURN)
    _push(state, edge_index, return_address, 1, _context(state, edge_index, caller, below))


@njit(cache=True, forceinline=True)
def _leave(state, row, address, function):
    """BX, POP {PC}, MOV PC: a return where the address is the one that the newest frame waits for."""
    frames = load64(state, Slot.FRAMES)
    top = load64(state, Slot.DEPTH) - 1
    frame = frames + 8 * _FRAME * top
    if load64(frame, Frame.RETURN) != address:
        if load64(row, Record.FUNCTION) != function:
            _jump(state, row, address)
        return
    _pop(state, top)
    while load64(frame, Frame.IS_TAIL) != 0 and top > 0:
        top -= 1
        frame -= 8 * _FRAME
        _pop(state, top)


@njit(cache=True)
def _settle_special(state, uc, row):
    """What only registers tell: a branch to the next instruction, and a stack pointer that was assigned."""
    branch_next = load64(row, Record.BRANCH_NEXT)
    if branch_next != 0 and _condition_holds(branch_next - 1, _read_register(state, uc, _CPSR)) != 0:
        store64(row, Record.TAKEN, load64(row, Record.TAKEN) + 1)
        store64(state, Slot.CYCLES, load64(state, Slot.CYCLES) + load64(state, Slot.TAKEN_EXTRA))
    if load64(row, Record.SP_WRITES) != 0:
        store64(state, Slot.SP, _read_register(state, uc, _SP) & ~3)


@njit(cache=True, forceinline=True)
def _settle(state, uc, row, address, function):
    cycles = load64(state, Slot.CYCLES) + load64(row, Record.CYCLES)
    flow = load64(row, Record.FLOW)
    end = load64(row, Record.ADDRESS) + load64(row, Record.SIZE)
    if flow == Flow.CONDITIONAL and address != end:
        store64(row, Record.TAKEN, load64(row, Record.TAKEN) + 1)
        cycles += load64(state, Slot.TAKEN_EXTRA)
    store64(state, Slot.CYCLES, cycles)
    store64(state, Slot.SP, load64(state, Slot.SP) + load64(row, Record.SP_CHANGE))
    if load64(row, Record.SPECIAL) != 0:
        _settle_special(state, uc, row)
    if flow < Flow.CALL:
        if load64(row, Record.FUNCTION) != function:
            _jump(state, row, address)
    elif flow == Flow.CALL:
        if load64(row, Record.CALL_TARGET) != address:
            _first_call(state, row, address)
        if load64(row, Record.CALL_EDGE) != 0:
            _call(state, load64(row, Record.CALL_EDGE), end)
    elif flow == Flow.INDIRECT:
        _leave(state, row, address, function)


@njit(cache=True)
def settle(state, uc, address):
    """Count the pending block, which ran to its end and was followed by the instruction at `address`."""
    row = load64(state, Slot.PENDING)
    if load64(row, Record.SIZE) != 0:
        function = load32(load64(state, Slot.FUNCTION_AT), _code_index(state, address))
        _settle(state, uc, row, address, function)
        store64(state, Slot.PENDING, load64(state, Slot.RECORDS))


@njit(cache=True)
def _first_below(state, address, size, sp):
    """The instruction of a block that moves SP below the limit."""
    at = address
    limit = load64(state, Slot.SP_LIMIT)
    while at < address + size:
        decoded = _decode_one(state, at)
        if decoded & 0xFF == 2:
            sp += load32(load64(state, Slot.FIRST), _halfword(state, at) * _COLUMNS + isa.SP_CHANGE)
        if sp < limit:
            return at
        at += decoded & 0xFF
    return address


@njit(cache=True)
def _refuse_start(state, uc, row, lowest):
    """True after a stop: a block that must not begin, because a limit is reached or its stack needs looking after."""
    address = load64(row, Record.ADDRESS)
    if load64(state, Slot.CYCLES) >= load64(state, Slot.LIMIT):
        reason = Stop.LIMIT
        if load64(state, Slot.DEPTH) + 1 >= load64(state, Slot.FRAME_CAPACITY):
            reason = Stop.DEPTH
        elif load64(state, Slot.EDGE_COUNT) + 1 >= load64(state, Slot.EDGE_CAPACITY) or _wants_contexts(state):
            reason = Stop.GROW
        _stop(state, uc, reason, address)
        return True
    if lowest < load64(state, Slot.SP_LIMIT):
        size = load64(row, Record.SIZE)
        _stop(state, uc, Stop.STACK, _first_below(state, address, size, load64(state, Slot.SP)))
        return True
    if load64(row, Record.SP_WRITES) == 1:
        _stop(state, uc, Stop.SP_WRITE, address)
        return True
    return False


@njit(cache=True)
def _begin_block(state, uc, row):
    """Make a block pending, with all checks. `_next_block` does the same for one that needs none of them."""
    store64(state, Slot.PENDING, load64(state, Slot.RECORDS))
    lowest = load64(state, Slot.SP) + load64(row, Record.SP_LOW)
    if _refuse_start(state, uc, row, lowest):
        return
    store64(row, Record.COUNT, load64(row, Record.COUNT) + 1)
    store64(state, Slot.PENDING, row)
    if lowest < load64(state, Slot.SP_MIN):
        store64(state, Slot.SP_MIN_BEFORE, load64(state, Slot.SP_MIN))
        store64(state, Slot.SP_MOVED_BY, row)
        store64(state, Slot.SP_MOVED_AT, load64(row, Record.COUNT))
        store64(state, Slot.SP_MIN, lowest)


@njit(cache=True, forceinline=True)
def _row_at(state, address, key):
    """Row of the newest record at an address if it fits and needs no verification, else that of record 0."""
    index = load32(load64(state, Slot.BLOCKS), _code_index(state, address))
    records = load64(state, Slot.RECORDS)
    row = records + 8 * _RECORD * index
    return row if load64(row, Record.KEY) == key else records


@njit(cache=True, forceinline=True)
def _next_block(state, uc, address, size):
    old = load64(state, Slot.PENDING)
    row = _row_at(state, address, address << 16 | size)
    if load64(row, Record.SIZE) == 0:
        index = find_block(state, uc, address, size)
        if index == 0:
            return
        row = load64(state, Slot.RECORDS) + 8 * _RECORD * index
    if load64(old, Record.SIZE) != 0:
        _settle(state, uc, old, address, load64(row, Record.FUNCTION))
    lowest = load64(state, Slot.SP) + load64(row, Record.SP_LOW)
    if (
        lowest < load64(state, Slot.SP_MIN)
        or load64(row, Record.SPECIAL) != 0
        or load64(state, Slot.CYCLES) >= load64(state, Slot.LIMIT)
    ):
        _begin_block(state, uc, row)
        return
    store64(row, Record.COUNT, load64(row, Record.COUNT) + 1)
    store64(state, Slot.PENDING, row)


@cfunc("void(int64, int64, int32, int64)", cache=True, forceinline=True)
def on_block(uc, address, size, state):
    """UC_HOOK_BLOCK: settle the previous block and make this one pending."""
    row = load64(state, Slot.PENDING)
    if load64(row, Record.LOOP_KEY) == address << 16 | size:
        cycles = load64(state, Slot.CYCLES) + load64(row, Record.LOOP_CYCLES)
        if cycles < load64(state, Slot.LIMIT):
            store64(state, Slot.CYCLES, cycles)
            store64(row, Record.LOOPS, load64(row, Record.LOOPS) + 1)
            return
    _next_block(state, uc, address, size)


@njit(cache=True)
def _write_register(state, uc, register, value):
    scratch = load64(state, Slot.SCRATCH)
    store64(scratch, 0, value)
    _call_reg_read(load64(state, Slot.REG_WRITE), uc, register, scratch)


@njit(cache=True)
def _clear_bits(state, uc, register, bits):
    value = _read_register(state, uc, register)
    if value & bits != 0:
        _write_register(state, uc, register, value & ~bits)
    return value & ~bits


@njit(cache=True)
def _lowest_ahead(state, address):
    """The lowest SP, relative to now, of the straight-line code from `address` to the next branch or SP write."""
    sp = low = 0
    while True:
        decoded = _decode_one(state, address)
        kind, length = decoded >> 8, decoded & 0xFF
        if length == 2:
            sp += load32(load64(state, Slot.FIRST), _halfword(state, address) * _COLUMNS + isa.SP_CHANGE)
        low = min(low, sp)
        ends = kind == Kind.INVALID or load32(load64(state, Slot.FLOW), kind) != Flow.NONE
        if ends or _writes_sp(state, address, kind) or _code_index(state, address) < 2048:
            return low
        address += length


@cfunc("void(int64, int64, int32, int64)", cache=True)
def on_sp_written(uc, address, size, state):
    """UC_HOOK_CODE behind MOV SP, ADD SP and MSR: the stack mark, and the bits that ARMv6-M has but as zeros.

    Those are the low two of both stack pointers, and all of APSR but N, Z, C and V (DDI 0419, B1.4.1 and B1.4.2).
    """
    _clear_bits(state, uc, _PSP, 3)
    _clear_bits(state, uc, _APSR, 0x0FFFFFFF)
    lowest = _clear_bits(state, uc, _SP, 3) + _lowest_ahead(state, address)
    if load64(state, Slot.SP_MIN) > lowest >= load64(state, Slot.SP_LIMIT):
        store64(state, Slot.SP_MIN, lowest)
    elif lowest < load64(state, Slot.SP_LIMIT):
        _stop(state, uc, Stop.STACK, address)


@njit(cache=True)
def settle_part(state, uc, pc):
    """Count the pending block up to `pc`, where a fault cut it short."""
    row = load64(state, Slot.PENDING)
    if load64(row, Record.SIZE) == 0:
        return
    address = load64(row, Record.ADDRESS)
    execution = load64(row, Record.COUNT)
    if load64(state, Slot.SP_MOVED_BY) == row and load64(state, Slot.SP_MOVED_AT) == execution:
        store64(state, Slot.SP_MIN, load64(state, Slot.SP_MIN_BEFORE))
    store64(row, Record.COUNT, execution - 1)
    store64(state, Slot.PENDING, load64(state, Slot.RECORDS))
    if pc > address:
        part = find_block(state, uc, address, pc - address)
        if part != 0:
            row = load64(state, Slot.RECORDS) + 8 * _RECORD * part
            store64(row, Record.COUNT, load64(row, Record.COUNT) + 1)
            store64(state, Slot.CYCLES, load64(state, Slot.CYCLES) + load64(row, Record.CYCLES))
            lowest = load64(state, Slot.SP) + load64(row, Record.SP_LOW)
            store64(state, Slot.SP_MIN, min(load64(state, Slot.SP_MIN), lowest))
            store64(state, Slot.SP, load64(state, Slot.SP) + load64(row, Record.SP_CHANGE))


@njit(cache=True)
def _misses(state, address):
    """1 if the cache has to fetch the line at `address`, which then is its set's most recently used one, else 0."""
    line = address >> load64(state, Slot.XIP_SHIFT)
    ways = load64(state, Slot.XIP_WAYS)
    first = load64(state, Slot.XIP_LINES) + 8 * ways * (line % load64(state, Slot.XIP_SETS))
    moved = line
    for way in range(ways):
        there = load64(first, way)
        store64(first, way, moved)
        if there == line:
            return 0
        moved = there
    return 1


@cfunc("void(int64, int64, int32, int64)", cache=True)
def on_fetch(uc, address, size, state):
    """UC_HOOK_BLOCK at level ``memory``: the lines of flash that a block's instructions lie in."""
    if address < load64(state, Slot.XIP_BASE) or address >= load64(state, Slot.XIP_END):
        return
    bytes_per_line = 1 << load64(state, Slot.XIP_SHIFT)
    at = address & ~(bytes_per_line - 1)
    while at < address + size:
        store64(state, Slot.XIP_CODE_MISSES, load64(state, Slot.XIP_CODE_MISSES) + _misses(state, at))
        at += bytes_per_line


@cfunc("void(int64, int32, int64, int32, int64, int64)", cache=True)
def on_access(uc, kind, address, size, value, state):
    """UC_HOOK_MEM_READ and _WRITE at level ``memory``: which bytes were touched, and whose they are."""
    slot = load32(load64(state, Slot.OWNER_PAGES), address >> 12)
    index = slot * 4096 + (address & 0xFFF)
    is_store = kind == _MEM_WRITE
    if load64(state, Slot.XIP_BASE) <= address < load64(state, Slot.XIP_END):
        store64(state, Slot.XIP_DATA_MISSES, load64(state, Slot.XIP_DATA_MISSES) + _misses(state, address))
    touched = load64(state, Slot.TOUCHED)
    mark = 2 if is_store else 1
    for i in range(size):
        store8(touched, index + i, load8u(touched, index + i) | mark)
    owner = load16u(load64(state, Slot.OWNER_AT), index)
    if load64(state, Slot.STACK_LOW) <= address < load64(state, Slot.STACK_HIGH):
        owner = load64(state, Slot.STACK_OWNER)
    row = load64(state, Slot.TRAFFIC) + 8 * _TRAFFIC * owner
    column = 1 if is_store else 0
    store64(row, column, load64(row, column) + 1)
    store64(row, column + 2, load64(row, column + 2) + size)


@njit(cache=True)
def expand(state, records, count, rows):
    """Write (address, encoding, executions, taken) of every instruction of `count` records. Returns the row count."""
    written = 0
    for i in range(count):
        row = records + 8 * _RECORD * i
        address = load64(row, Record.ADDRESS)
        size = load64(row, Record.SIZE)
        offset = load64(row, Record.FIRST_MASK)
        skipped = 0
        while offset & 0xFF == 0:
            offset >>= 8
            skipped += 1
        code = load64(state, Slot.POOL) + 8 * load64(row, Record.POOL) + skipped
        at = 0
        while at < size:
            encoding = load16u(code, at >> 1)
            begin = at
            at += 2
            if encoding >= 0xE800:
                encoding |= load16u(code, at >> 1) << 16
                at += 2
            store64(rows, 4 * written, address + begin)
            store64(rows, 4 * written + 1, encoding)
            loops = load64(row, Record.LOOPS)
            store64(rows, 4 * written + 2, load64(row, Record.COUNT) + loops)
            if at >= size and load64(row, Record.FLOW) == Flow.CONDITIONAL:
                store64(rows, 4 * written + 3, load64(row, Record.TAKEN) + loops)
            written += 1
    return written
