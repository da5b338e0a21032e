"""The single-cycle I/O port as machine code: its registers, its timing, and the RP2040's SIO divider.

Unicorn calls these for every access to the port. They see the program counter at the start of the block only, so the
accessing instruction is found by walking the pending block to the first load or store of the right size whose
address, computed from the registers as they are now, is the one accessed.

Sources: RP2040 datasheet, section 2.3.1 (SIO), 2.3.1.5 (integer divider: 8 cycles), 2.1.4 (narrow IO register
writes), and the SIO register list in 2.3.1.7 (DIV_CSR: what sets and clears READY and DIRTY).
"""

from __future__ import annotations

from m0sim.chip import isa
from m0sim.chip.isa import Kind
from m0sim.chip.native.compiled import cfunc, njit
from m0sim.chip.native.emulator import R0, read_register, stop
from m0sim.chip.native.instructions import code_index, cycles_of, decode_one, halfword
from m0sim.chip.native.pointers import load32, load64, store32, store64
from m0sim.chip.native.state import Record, Slot, Stop

_COLUMNS = isa.COLUMNS
_DIVIDER_CYCLES = 8
_LAST_GPIO, _DIVIDER_FIRST, _DIVIDER_LAST = 0x4C, 0x60, 0x78
_INTERPOLATOR_FIRST, _SPINLOCK_FIRST, _SPINLOCK_LAST = 0x80, 0x100, 0x17C


@njit
def _low_register(state, uc, number):
    return read_register(state, uc, R0 + number)


@njit
def _reaches(state, uc, first, address, wanted):
    """True where the load or store `first` accesses `address`. Literals and the stack are never on the port."""
    top = first >> 12
    base = _low_register(state, uc, first >> 3 & 7)
    immediate = first >> 6 & 31
    if top == 0xC:
        begin = _low_register(state, uc, first >> 8 & 7)
        return begin <= address < begin + 4 * load32(load64(state, Slot.FIRST), first * _COLUMNS + isa.REGISTERS)
    if top == 5:
        return (base + _low_register(state, uc, first >> 6 & 7)) & 0xFFFFFFFF == address
    if top == 6:
        return (base + 4 * immediate) & 0xFFFFFFFF == address
    if top == 7:
        return (base + immediate) & 0xFFFFFFFF == address
    if top == 8:
        return (base + 2 * immediate) & 0xFFFFFFFF == address
    return False


@njit
def _is_candidate(state, kind, first, size, is_store):
    if is_store:
        moved = load32(load64(state, Slot.FIRST), first * _COLUMNS + isa.STORED)
        return kind == Kind.STORE_MULTIPLE or (kind == Kind.STORE and moved == size)
    moved = load32(load64(state, Slot.FIRST), first * _COLUMNS + isa.LOADED)
    return kind == Kind.LOAD_MULTIPLE or (kind == Kind.LOAD and moved == size)


@njit
def _count_access(state, address, is_store, times):
    """Give back the cycle that the port saves the instruction at `address`; with -1 `times`, take it again."""
    saved = load64(state, Slot.IO_SAVED_STORE if is_store else Slot.IO_SAVED_LOAD)
    store64(state, Slot.CYCLES, load64(state, Slot.CYCLES) - times * saved)
    places = load64(state, Slot.IO_PLACES)
    code = code_index(state, address)
    store32(places, code, load32(places, code) + times)


@njit
def _begin_access(state, uc, address, size, is_store):
    """Find the accessing instruction, give back the cycles that the port saves, and return the cycle it starts at."""
    pending = load64(state, Slot.PENDING)
    row = pending
    execution = load64(row, Record.COUNT) + load64(row, Record.LOOPS)
    begin = load64(row, Record.ADDRESS)
    resume = 0
    if load64(state, Slot.IO_RECORD) == pending and load64(state, Slot.IO_EXECUTION) == execution:
        resume = load64(state, Slot.IO_OFFSET)
    offset = 0
    cycle = load64(state, Slot.CYCLES)
    while offset < load64(row, Record.SIZE):
        decoded = decode_one(state, begin + offset)
        kind, length = decoded >> 8, decoded & 0xFF
        first = halfword(state, begin + offset)
        if (
            offset >= resume
            and _is_candidate(state, kind, first, size, is_store)
            and _reaches(state, uc, first, address, size)
        ):
            break
        cycle += cycles_of(state, kind, first)
        offset += length
    store64(state, Slot.IO_RECORD, pending)
    store64(state, Slot.IO_EXECUTION, execution)
    store64(state, Slot.IO_FAULT_AT, begin + offset)
    if kind == Kind.LOAD or kind == Kind.STORE:
        _count_access(state, begin + offset, is_store, 1)
        offset += length
    store64(state, Slot.IO_OFFSET, offset)
    return cycle


@njit
def _not_modelled(state, uc, offset, is_store):
    """Stop here. The instruction does not count, so it saves nothing either."""
    at = load64(state, Slot.IO_FAULT_AT)
    kind = decode_one(state, at) >> 8
    if kind == Kind.LOAD or kind == Kind.STORE:
        _count_access(state, at, is_store, -1)
    store64(state, Slot.IO_FAULT, offset + 1)
    stop(state, uc, Stop.LIMIT, at)


@njit
def _divide(state, is_signed):
    words = load64(state, Slot.IO_WORDS)
    dividend, divisor = load32(words, 0x60 >> 2), load32(words, 0x64 >> 2)
    if is_signed == 0:
        dividend &= 0xFFFFFFFF
        divisor &= 0xFFFFFFFF
    if divisor == 0:
        quotient = 1 if is_signed != 0 and dividend < 0 else -1
        remainder = dividend
    else:
        quotient = abs(dividend) // abs(divisor)
        if (dividend < 0) != (divisor < 0):
            quotient = -quotient
        remainder = dividend - quotient * divisor
    store64(state, Slot.OLD_QUOTIENT, load64(state, Slot.QUOTIENT))
    store64(state, Slot.OLD_REMAINDER, load64(state, Slot.REMAINDER))
    store64(state, Slot.QUOTIENT, quotient & 0xFFFFFFFF)
    store64(state, Slot.REMAINDER, remainder & 0xFFFFFFFF)


@njit
def _write_divider(state, offset, value, cycle):
    if offset < 0x70:
        is_signed = offset >> 3 & 1
        store32(load64(state, Slot.IO_WORDS), (0x60 >> 2) + (offset >> 2 & 1), value)
        _divide(state, is_signed)
        store64(state, Slot.DIVIDER_READY, cycle + 1 + _DIVIDER_CYCLES)
    elif offset == 0x70 or offset == 0x74:
        store64(state, Slot.QUOTIENT if offset == 0x70 else Slot.REMAINDER, value)
        store64(state, Slot.DIVIDER_READY, 0)  # this ends a calculation
    else:
        return  # DIV_CSR is read-only
    store64(state, Slot.DIVIDER_DIRTY, 1)


@njit
def _read_divider(state, offset, cycle):
    is_ready = cycle >= load64(state, Slot.DIVIDER_READY)
    if offset < 0x70:
        return load32(load64(state, Slot.IO_WORDS), (0x60 >> 2) + (offset >> 2 & 1)) & 0xFFFFFFFF
    if offset == 0x78:
        return (1 if is_ready else 0) | load64(state, Slot.DIVIDER_DIRTY) << 1
    if offset == 0x70:
        store64(state, Slot.DIVIDER_DIRTY, 0)
    if is_ready:
        return load64(state, Slot.QUOTIENT if offset == 0x70 else Slot.REMAINDER)
    store64(state, Slot.DIVIDER_EARLY, load64(state, Slot.DIVIDER_EARLY) + 1)
    if load64(state, Slot.DIVIDER_EARLY_AT) == 0:
        row = load64(state, Slot.PENDING)
        store64(state, Slot.DIVIDER_EARLY_AT, load64(row, Record.ADDRESS) + load64(state, Slot.IO_OFFSET) - 2)
    return load64(state, Slot.OLD_QUOTIENT if offset == 0x70 else Slot.OLD_REMAINDER)


@njit
def _write_gpio(words, offset, value):
    """OUT, OE, HI_OUT and HI_OE, each a group of four: the register, SET, CLR and XOR."""
    register = offset & ~0xF
    old = load32(words, register >> 2)
    operation = offset >> 2 & 3
    if operation == 0:
        new = value
    elif operation == 1:
        new = old | value
    elif operation == 2:
        new = old & ~value
    else:
        new = old ^ value
    store32(words, register >> 2, new)


@njit
def _write_sio(state, uc, offset, value, cycle):
    words = load64(state, Slot.IO_WORDS)
    if 0x10 <= offset <= _LAST_GPIO:
        _write_gpio(words, offset, value)
    elif _DIVIDER_FIRST <= offset <= _DIVIDER_LAST:
        _write_divider(state, offset, value, cycle)
    elif _SPINLOCK_FIRST <= offset <= _SPINLOCK_LAST:
        store32(words, offset >> 2, 0)
    else:
        _not_modelled(state, uc, offset, True)


@njit
def _read_sio(state, uc, offset, cycle):
    words = load64(state, Slot.IO_WORDS)
    if offset <= 0x08:
        return 0  # CPUID of core 0; no pin is driven from outside
    if offset <= _LAST_GPIO:
        return load32(words, (offset & ~0xF) >> 2) & 0xFFFFFFFF
    if _DIVIDER_FIRST <= offset <= _DIVIDER_LAST:
        return _read_divider(state, offset, cycle)
    if _SPINLOCK_FIRST <= offset <= _SPINLOCK_LAST:
        if load32(words, offset >> 2) != 0:
            return 0
        store32(words, offset >> 2, 1)
        return 1 << (offset - _SPINLOCK_FIRST >> 2)
    _not_modelled(state, uc, offset, False)
    return 0


@cfunc("int64(int64, int64, int32, int64)")
def on_port_read(uc, offset, size, state):
    """Read callback of uc_mmio_map: any register for most devices, the SIO block for an RP2040."""
    if load64(state, Slot.IO_FAULT) != 0:  # the rest of a block that was stopped
        return 0
    cycle = _begin_access(state, uc, load64(state, Slot.IO_BASE) + offset, size, False)
    if load64(state, Slot.IO_IS_SIO) != 0:
        word = _read_sio(state, uc, offset & ~3, cycle)
    else:
        word = load32(load64(state, Slot.IO_WORDS), offset >> 2) & 0xFFFFFFFF
    return (word >> (8 * (offset & 3))) & ((1 << (8 * size)) - 1)


@cfunc("void(int64, int64, int32, int64, int64)")
def on_port_write(uc, offset, size, value, state):
    """Write callback of uc_mmio_map. SIO registers are written whole, with a narrow value repeated in every lane."""
    if load64(state, Slot.IO_FAULT) != 0:
        return
    cycle = _begin_access(state, uc, load64(state, Slot.IO_BASE) + offset, size, True)
    if load64(state, Slot.IO_IS_SIO) != 0:
        if size == 1:
            value = (value & 0xFF) * 0x01010101
        elif size == 2:
            value = (value & 0xFFFF) * 0x00010001
        _write_sio(state, uc, offset & ~3, value, cycle)
        return
    words = load64(state, Slot.IO_WORDS)
    shift = 8 * (offset & 3)
    mask = ((1 << (8 * size)) - 1) << shift
    store32(words, offset >> 2, (load32(words, offset >> 2) & ~mask) | (value << shift & mask))
