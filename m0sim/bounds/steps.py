"""What one instruction does to what is known: every one that does not change the flow of control.

Encodings: DDI 0419, A5.2 and A6.7. Everything that is not said here about a register makes it unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from m0sim.bounds.code import CodeReader
from m0sim.bounds.values import (
    LR,
    MOST_NUMBERS,
    PC,
    SP,
    Copy,
    Knowledge,
    Stack,
    Value,
    Word,
    added,
    mapped,
    numbers,
    shifted_left,
    subtracted,
)

_MSP, _PSP, _CONTROL = 8, 9, 20
_SPSEL = 2
Step = Callable[[Knowledge, int, int, CodeReader], None]
"""Changes a state as the instruction with this first halfword does, at this address."""


def step(state: Knowledge, encoding: int, address: int, code: CodeReader) -> None:
    """Execute one instruction; of those that change the flow of control, what they do besides is not done here."""
    if encoding > 0xFFFF:
        _wide(state, encoding & 0xFFFF, encoding >> 16)
    else:
        _STEPS[encoding >> 8](state, encoding, address, code)


def operand(state: Knowledge, register: int, address: int) -> Value:
    """What an instruction at `address` reads of any register."""
    return address + 4 if register == PC else state.value(register)


def set_sp(state: Knowledge, value: Value) -> None:
    """SP takes a value; its two lowest bits are always 0, and none but a place of this stack is kept.

    A function that sets it to a number before it used any begins a stack there, as a reset handler does.
    """
    if isinstance(value, int) and state.registers[SP] == Stack(0):
        return
    if not isinstance(value, Stack):
        state.registers[SP] = None
        return
    offset = value.offset & ~3
    state.registers[SP] = Stack(offset)
    state.drop_below(offset)


def popped(state: Knowledge, encoding: int) -> Value:
    """Do what POP does, and return what it loads into PC, which is last in its list."""
    sp = state.registers[SP]
    loaded: Value = None
    for register in _listed(encoding, PC):
        value = state.words.get(sp.offset) if isinstance(sp, Stack) else None
        if register == PC:
            loaded = value
        else:
            state.registers[register] = value
        sp = Stack(sp.offset + 4) if isinstance(sp, Stack) else None
    set_sp(state, sp)
    return loaded


def _listed(encoding: int, ninth: int) -> list[int]:
    """Registers of PUSH and POP, the lowest address first; bit 8 is the register `ninth`."""
    found = [register for register in range(8) if encoding >> register & 1]
    return [*found, ninth] if encoding >> 8 & 1 else found


# ----------------------------------------------------------------------------------------------- data processing


def _nothing(state: Knowledge, encoding: int, address: int, code: CodeReader) -> None:
    pass


def _kills_low(state: Knowledge, encoding: int, address: int, code: CodeReader) -> None:
    state.registers[encoding & 7] = None


def _lsl(state: Knowledge, encoding: int, address: int, code: CodeReader) -> None:
    source, amount = encoding >> 3 & 7, encoding >> 6 & 31
    registers = state.registers
    registers[encoding & 7] = shifted_left(state.value(source), amount) if amount else registers[source]


def _lsr(state: Knowledge, encoding: int, address: int, code: CodeReader) -> None:
    amount = (encoding >> 6 & 31) or 32
    value = mapped(lambda n: n >> amount, state.value(encoding >> 3 & 7))
    if value is None and 1 << 32 - amount <= MOST_NUMBERS:
        value = range(1 << 32 - amount)
    state.registers[encoding & 7] = value


def _asr(state: Knowledge, encoding: int, address: int, code: CodeReader) -> None:
    amount = (encoding >> 6 & 31) or 32
    state.registers[encoding & 7] = mapped(lambda n: _extended(n, 32) >> amount, state.value(encoding >> 3 & 7))


def _add_register(state: Knowledge, encoding: int, address: int, code: CodeReader) -> None:
    state.registers[encoding & 7] = added(state.value(encoding >> 3 & 7), state.value(encoding >> 6 & 7))


def _subtract_register(state: Knowledge, encoding: int, address: int, code: CodeReader) -> None:
    state.registers[encoding & 7] = subtracted(state.value(encoding >> 3 & 7), state.value(encoding >> 6 & 7))


def _add_3(state: Knowledge, encoding: int, address: int, code: CodeReader) -> None:
    amount, source = encoding >> 6 & 7, encoding >> 3 & 7
    state.registers[encoding & 7] = added(state.value(source), amount) if amount else state.registers[source]


def _subtract_3(state: Knowledge, encoding: int, address: int, code: CodeReader) -> None:
    state.registers[encoding & 7] = subtracted(state.value(encoding >> 3 & 7), encoding >> 6 & 7)


def _move_8(state: Knowledge, encoding: int, address: int, code: CodeReader) -> None:
    state.registers[encoding >> 8 & 7] = encoding & 0xFF


def _breakpoint(state: Knowledge, encoding: int, address: int, code: CodeReader) -> None:
    state.registers[0] = None  # a debugger answers semihosting there


def _add_8(state: Knowledge, encoding: int, address: int, code: CodeReader) -> None:
    register = encoding >> 8 & 7
    state.registers[register] = added(state.value(register), encoding & 0xFF)


def _subtract_8(state: Knowledge, encoding: int, address: int, code: CodeReader) -> None:
    register = encoding >> 8 & 7
    state.registers[register] = subtracted(state.value(register), encoding & 0xFF)


_AND, _TST, _RSB, _CMP, _CMN, _MVN = 0, 8, 9, 10, 11, 15


def _data_processing(state: Knowledge, encoding: int, address: int, code: CodeReader) -> None:
    operation, rd = encoding >> 6 & 15, encoding & 7
    if operation in (_TST, _CMP, _CMN):
        return
    value = state.value(encoding >> 3 & 7)
    if operation == _AND:
        state.registers[rd] = _masked(state.value(rd), value)
    elif operation == _RSB:
        state.registers[rd] = mapped(lambda n: -n, value)
    elif operation == _MVN:
        state.registers[rd] = mapped(lambda n: ~n, value)
    else:
        state.registers[rd] = None


def _masked(a: Value, b: Value) -> Value:
    if isinstance(a, int):
        a, b = b, a
    if not isinstance(b, int):
        return None
    found = mapped(lambda n: n & b, a)
    return range(b + 1) if found is None and b < MOST_NUMBERS else found  # also numbers that the mask does not let be


def _add_high(state: Knowledge, encoding: int, address: int, code: CodeReader) -> None:
    rd = encoding & 7 | encoding >> 4 & 8
    value = added(operand(state, rd, address), operand(state, encoding >> 3 & 15, address))
    _set(state, rd, value)


def _move_high(state: Knowledge, encoding: int, address: int, code: CodeReader) -> None:
    rm = encoding >> 3 & 15
    value = address + 4 if rm == PC else state.registers[rm]
    _set(state, encoding & 7 | encoding >> 4 & 8, value)


def _set(state: Knowledge, register: int, value: Value) -> None:
    if register == SP:
        set_sp(state, value)
    elif register != PC:
        state.registers[register] = value


def _adr(state: Knowledge, encoding: int, address: int, code: CodeReader) -> None:
    state.registers[encoding >> 8 & 7] = (address + 4 & ~3) + 4 * (encoding & 0xFF)


def _add_sp_to(state: Knowledge, encoding: int, address: int, code: CodeReader) -> None:
    state.registers[encoding >> 8 & 7] = added(state.registers[SP], 4 * (encoding & 0xFF))


def _move_sp(state: Knowledge, encoding: int, address: int, code: CodeReader) -> None:
    amount = 4 * (encoding & 0x7F)
    sp = state.registers[SP]
    if isinstance(sp, Stack):
        set_sp(state, Stack(sp.offset - amount if encoding & 0x80 else sp.offset + amount))


def _extend(state: Knowledge, encoding: int, address: int, code: CodeReader) -> None:
    size, is_signed = 8 if encoding & 0x40 else 16, not encoding & 0x80
    value = state.value(encoding >> 3 & 7)
    found = mapped(lambda n: _extended(n, size) if is_signed else n & (1 << size) - 1, value)
    state.registers[encoding & 7] = range(256) if found is None and size == 8 and not is_signed else found


def _extended(number: int, bits: int) -> int:
    number &= (1 << bits) - 1
    return number - (1 << bits) if number >> bits - 1 else number


# ------------------------------------------------------------------------------------------------ loads and stores


def _load(state: Knowledge, rt: int, address: Value, size: int, code: CodeReader, *, is_signed: bool = False) -> None:
    if isinstance(address, Stack):
        state.registers[rt] = _loaded(state, address.offset, size, is_signed)
        return
    several = numbers(address)
    if several is None:
        state.registers[rt] = None
        return
    found = [code.constant(place, size) for place in several]
    if any(number is None for number in found):
        state.registers[rt] = None
        return
    values = {_extended(n, 8 * size) & 0xFFFFFFFF if is_signed else n for n in found if n is not None}
    state.registers[rt] = values.pop() if len(values) == 1 else tuple(sorted(values))


def _loaded(state: Knowledge, offset: int, size: int, is_signed: bool) -> Value:
    """What a load from the stack gives, which is its copy from then on."""
    if offset % size:
        return None
    word: Word = offset if size == 4 else (offset, size)
    value = state.words.setdefault(word, None)
    if is_signed:
        return mapped(lambda n: _extended(n, 8 * size), value)
    return Copy(word) if value is None else value


def _store(state: Knowledge, rt: int, address: Value, size: int) -> None:
    if isinstance(address, int):
        return  # an address that code has as a number is that of a variable or a register, not on the stack
    if not isinstance(address, Stack) or address.offset % size:
        state.forget_locals()
        return
    value = state.value(rt)
    if size < 4:
        state.set_word((address.offset, size), mapped(lambda n: n & (1 << 8 * size) - 1, value))
        return
    state.set_word(address.offset, value)
    if value is None:
        state.registers[rt] = Copy(address.offset)


_REGISTER_SIZES = (4, 2, 1, 1, 4, 2, 1, 2)  # STR STRH STRB LDRSB LDR LDRH LDRB LDRSH


def _register_offset(state: Knowledge, encoding: int, address: int, code: CodeReader) -> None:
    operation = encoding >> 9 & 7
    place = added(state.value(encoding >> 3 & 7), state.value(encoding >> 6 & 7))
    if operation < 3:
        _store(state, encoding & 7, place, _REGISTER_SIZES[operation])
    else:
        _load(state, encoding & 7, place, _REGISTER_SIZES[operation], code, is_signed=operation in (3, 7))


def _immediate_offset(state: Knowledge, encoding: int, address: int, code: CodeReader) -> None:
    size = {6: 4, 7: 1, 8: 2}[encoding >> 12]
    place = added(state.value(encoding >> 3 & 7), size * (encoding >> 6 & 31))
    if encoding & 0x800:
        _load(state, encoding & 7, place, size, code)
    else:
        _store(state, encoding & 7, place, size)


def _sp_relative(state: Knowledge, encoding: int, address: int, code: CodeReader) -> None:
    place = added(state.registers[SP], 4 * (encoding & 0xFF))
    if encoding & 0x800:
        _load(state, encoding >> 8 & 7, place, 4, code)
    else:
        _store(state, encoding >> 8 & 7, place, 4)


def _literal(state: Knowledge, encoding: int, address: int, code: CodeReader) -> None:
    state.registers[encoding >> 8 & 7] = code.constant((address + 4 & ~3) + 4 * (encoding & 0xFF), 4)


def _push(state: Knowledge, encoding: int, address: int, code: CodeReader) -> None:
    sp = state.registers[SP]
    registers = _listed(encoding, LR)
    if not isinstance(sp, Stack):
        state.forget_locals()
        return
    offset = sp.offset - 4 * len(registers)
    state.registers[SP] = Stack(offset)
    for place, register in enumerate(registers):
        state.set_word(offset + 4 * place, state.value(register))


def _pop(state: Knowledge, encoding: int, address: int, code: CodeReader) -> None:
    popped(state, encoding)


def _store_multiple(state: Knowledge, encoding: int, address: int, code: CodeReader) -> None:
    rn, registers = encoding >> 8 & 7, _listed(encoding & 0xFF, PC)
    place = state.value(rn)
    stored = [state.value(register) for register in registers]
    if isinstance(place, Stack) and place.offset % 4 == 0:
        for i, value in enumerate(stored):
            state.set_word(place.offset + 4 * i, value)
    elif not isinstance(place, int):
        state.forget_locals()
    state.registers[rn] = added(place, 4 * len(registers))


def _load_multiple(state: Knowledge, encoding: int, address: int, code: CodeReader) -> None:
    rn, registers = encoding >> 8 & 7, _listed(encoding & 0xFF, PC)
    place = state.value(rn)
    for i, register in enumerate(registers):
        _load(state, register, added(place, 4 * i), 4, code)
    if rn not in registers:
        state.registers[rn] = added(place, 4 * len(registers))


# -------------------------------------------------------------------------------------------------- 32-bit encodings


def _wide(state: Knowledge, first: int, second: int) -> None:
    """MRS and MSR: DDI 0419, B5.2.2 and B5.2.3. The code is taken to run on the main stack, as docs/stack.md says."""
    special = second & 0xFF
    if first == 0xF3EF:
        rd = second >> 8 & 15
        state.registers[rd] = state.registers[SP] if special == _MSP else None
    elif first & 0xFFF0 == 0xF380:
        value = state.value(first & 15)
        if special == _MSP:
            set_sp(state, value)
        elif special == _PSP or (special == _CONTROL and not (isinstance(value, int) and not value & _SPSEL)):
            state.registers[SP] = None


_GROUPS: Final[tuple[tuple[int, int, Step], ...]] = (
    (0x00, 0x08, _lsl),
    (0x08, 0x10, _lsr),
    (0x10, 0x18, _asr),
    (0x18, 0x1A, _add_register),
    (0x1A, 0x1C, _subtract_register),
    (0x1C, 0x1E, _add_3),
    (0x1E, 0x20, _subtract_3),
    (0x20, 0x28, _move_8),
    (0x30, 0x38, _add_8),
    (0x38, 0x40, _subtract_8),
    (0x40, 0x44, _data_processing),
    (0x44, 0x45, _add_high),
    (0x46, 0x47, _move_high),
    (0x48, 0x50, _literal),
    (0x50, 0x60, _register_offset),
    (0x60, 0x90, _immediate_offset),
    (0x90, 0xA0, _sp_relative),
    (0xA0, 0xA8, _adr),
    (0xA8, 0xB0, _add_sp_to),
    (0xB0, 0xB1, _move_sp),
    (0xB2, 0xB3, _extend),
    (0xB4, 0xB6, _push),
    (0xBA, 0xBB, _kills_low),
    (0xBC, 0xBD, _pop),
    (0xBE, 0xBF, _breakpoint),
    (0xC0, 0xC8, _store_multiple),
    (0xC8, 0xD0, _load_multiple),
)


def _steps() -> tuple[Step, ...]:
    """By the upper byte of an encoding; the others change no register."""
    table: list[Step] = [_nothing] * 256
    for begin, end, function in _GROUPS:
        table[begin:end] = [function] * (end - begin)
    return tuple(table)


_STEPS: Final = _steps()
