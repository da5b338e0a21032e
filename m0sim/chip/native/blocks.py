"""The record table: decoding a block, finding it again, and what all records say when a run is over."""

from __future__ import annotations

from m0sim.chip import isa
from m0sim.chip.isa import Flow, Kind
from m0sim.chip.native.compiled import njit, njit_inline
from m0sim.chip.native.emulator import stop
from m0sim.chip.native.instructions import code_index, cycles_of, decode_one, halfword, writes_sp
from m0sim.chip.native.pointers import load8u, load16u, load32, load64, store32, store64
from m0sim.chip.native.state import RECORD_BYTES, Record, Slot, Stop


@njit_inline
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


@njit
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


@njit
def _refuse(state, uc, reason, address):
    stop(state, uc, reason, address)
    return 0


@njit
def decode_block(state, uc, address, size):
    """Make the record of a block. Returns its index, or 0 after a stop."""
    index = load64(state, Slot.RECORD_COUNT)
    if code_index(state, address) < 2048:  # page slot 0: no memory that holds code
        return _refuse(state, uc, Stop.DATA, address)
    if index >= load64(state, Slot.RECORD_CAPACITY):
        return _refuse(state, uc, Stop.GROW, address)
    if load64(state, Slot.POOL_COUNT) + size // 8 + 2 > load64(state, Slot.POOL_CAPACITY):
        return _refuse(state, uc, Stop.GROW, address)
    row = load64(state, Slot.RECORDS) + RECORD_BYTES * index
    cycles = sp = low = writes = flow = branch_next = 0
    at = address
    while at < address + size:
        if load8u(load64(state, Slot.DATA_AT), code_index(state, at)) != 0:
            return _refuse(state, uc, Stop.DATA, at)
        decoded = decode_one(state, at)
        kind, length = decoded >> 8, decoded & 0xFF
        if kind == Kind.INVALID:
            return _refuse(state, uc, Stop.INVALID, at)
        first = halfword(state, at)
        cycles += cycles_of(state, kind, first)
        flow = load32(load64(state, Slot.FLOW), kind)
        if length == 2:
            sp += load32(load64(state, Slot.FIRST), first * isa.COLUMNS + isa.SP_CHANGE)
        if writes_sp(state, at, kind):
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


@njit
def _begin_record(state, row, index):
    """What a new record holds besides what its instructions say."""
    for field in (Record.COUNT, Record.TAKEN, Record.LOOPS, Record.EDGE, Record.VERIFY, Record.CALL_EDGE):
        store64(row, field, 0)
    store64(row, Record.CALL_TARGET, -1)
    address = load64(row, Record.ADDRESS)
    _copy_code(state, row, address, load64(row, Record.SIZE))
    code = code_index(state, address)
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


@njit
def find_block(state, uc, address, size):
    """The record of a block, decoded now if this is its first execution. Returns 0 after a stop."""
    records = load64(state, Slot.RECORDS)
    index = load32(load64(state, Slot.BLOCKS), code_index(state, address))
    while index != 0:
        row = records + RECORD_BYTES * index
        if (
            load64(row, Record.SIZE) == size
            and load64(row, Record.ADDRESS) == address
            and (load64(row, Record.VERIFY) == 0 or _verified(state, row))
        ):
            return index
        index = load64(row, Record.NEXT)
    return decode_block(state, uc, address, size)


@njit_inline
def row_at(state, address, key):
    """Row of the newest record at an address if it fits and needs no verification, else that of record 0."""
    index = load32(load64(state, Slot.BLOCKS), code_index(state, address))
    records = load64(state, Slot.RECORDS)
    row = records + RECORD_BYTES * index
    return row if load64(row, Record.KEY) == key else records


@njit
def expand(state, records, count, rows):
    """Write (address, encoding, executions, taken) of every instruction of `count` records. Returns the row count."""
    written = 0
    for i in range(count):
        row = records + RECORD_BYTES * i
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
