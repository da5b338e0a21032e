"""What each ARMv6-M encoding is: the decode tables that everything else reads.

`FIRST` has one row for each of the 65,536 first halfwords and `SECOND` one for each second halfword of a 32-bit
instruction. An encoding that the ARMv6-M Architecture Reference Manual (Arm DDI 0419) leaves UNDEFINED or
UNPREDICTABLE has the kind `Kind.INVALID`, whatever an emulator or a bigger core would do with it.

The tables hold no cycle counts; those are in `timing`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

_TRAPS = 0xFE, 0xFF
"""Of UDF: what __builtin_trap() is, by Clang and by GCC."""


class Kind(IntEnum):
    """What an instruction is, as far as its cost and its effect on the flow of control go."""

    INVALID = 0
    DATA = 1  # data processing, moves, shifts, extends, ADR, CPS, and the hints that do not sleep
    MULTIPLY = 2
    LOAD = 3
    STORE = 4
    LOAD_MULTIPLE = 5  # LDM, and POP without PC
    STORE_MULTIPLE = 6  # STM and PUSH
    POP_PC = 7
    BRANCH_CONDITIONAL = 8
    BRANCH = 9
    BRANCH_EXCHANGE = 10
    BRANCH_LINK_EXCHANGE = 11
    WRITE_PC = 12  # MOV PC, Rm and ADD PC, Rm
    BRANCH_LINK = 13
    SYSTEM = 14  # MRS, MSR, DMB, DSB, ISB
    SLEEP = 15  # WFI and WFE
    SUPERVISOR_CALL = 16
    BREAKPOINT = 17
    WIDE = 18  # only in FIRST: the second halfword decides


class Flow(IntEnum):
    """How an instruction ends a basic block."""

    NONE = 0
    CONDITIONAL = 1
    JUMP = 2  # B: a loop, or a tail call
    CALL = 3  # BL, BLX
    INDIRECT = 4  # BX, POP {PC}, MOV PC, ADD PC: a return, a jump table, or a tail call
    STOP = 5  # WFI, WFE, SVC, BKPT: the emulator hands control back


class Wide(IntEnum):
    """Bits: which second halfwords complete the 32-bit instruction that a first halfword begins."""

    NOTHING = 0
    BRANCH_LINK = 1
    WRITE_SPECIAL = 2  # MSR
    READ_SPECIAL = 4  # MRS
    BARRIER = 8  # DMB, DSB, ISB


# Columns of FIRST.
KIND: Final = 0
REGISTERS: Final = 1  # how many registers a load, store or multiple transfer moves, PC included
LOADED: Final = 2  # bytes read from memory
STORED: Final = 3  # bytes written to memory
SP_CHANGE: Final = 4  # bytes that the instruction adds to SP, where that is static
SP_WRITE: Final = 5  # 1 where SP takes a value from a register: MOV SP, Rm and ADD SP, Rm
WIDE: Final = 6  # a Wide mask: what the second halfword may complete
COLUMNS: Final = 7

#: ``int32[65536, 7]``: a row for each first halfword, columns as above.
FIRST: npt.NDArray[np.int32]
#: ``int32[65536]``: a `Wide` mask for each second halfword.
SECOND: npt.NDArray[np.int32]

#: SYSm values that ARMv6-M defines (DDI 0419, B5.2.2): the xPSR views, MSP, PSP, PRIMASK and CONTROL.
SPECIAL_REGISTERS: Final = (0, 1, 2, 3, 5, 6, 7, 8, 9, 16, 20)

_FLOW = {
    Kind.BRANCH_CONDITIONAL: Flow.CONDITIONAL,
    Kind.BRANCH: Flow.JUMP,
    Kind.BRANCH_LINK: Flow.CALL,
    Kind.BRANCH_LINK_EXCHANGE: Flow.CALL,
    Kind.BRANCH_EXCHANGE: Flow.INDIRECT,
    Kind.POP_PC: Flow.INDIRECT,
    Kind.WRITE_PC: Flow.INDIRECT,
    Kind.SLEEP: Flow.STOP,
    Kind.SUPERVISOR_CALL: Flow.STOP,
    Kind.BREAKPOINT: Flow.STOP,
}

#: ``int32[19]``: the `Flow` of each `Kind`.
FLOW: npt.NDArray[np.int32] = np.array([_FLOW.get(kind, Flow.NONE) for kind in Kind], np.int32)


def _build_first() -> npt.NDArray[np.int32]:
    table = np.zeros((1 << 16, COLUMNS), np.int32)
    _mark_data_processing(table)
    _mark_high_registers(table)
    _mark_loads_and_stores(table)
    _mark_multiples(table)
    _mark_miscellaneous(table)
    _mark_branches(table)
    _mark_wide(table)
    return table


_Table = npt.NDArray[np.int32]


def _space(table: _Table, mask: int, value: int) -> tuple[_Table, _Table]:
    """The rows of the encodings that are `value` under a mask of leading ones, as a view, and those encodings."""
    end = value + (1 << 16) - mask
    return table[value:end], np.arange(value, end, dtype=np.int32)


def _mark_data_processing(table: _Table) -> None:
    """DDI 0419, A5.2.1 and A5.2.2, and ADR and ADD Rd, SP, #imm of A5.2."""
    table[:0x4400, KIND] = Kind.DATA
    _space(table, 0xFFC0, 0x4340)[0][:, KIND] = Kind.MULTIPLY
    _space(table, 0xF000, 0xA000)[0][:, KIND] = Kind.DATA


def _mark_high_registers(table: _Table) -> None:
    """Special data instructions and branch and exchange: DDI 0419, A5.2.3."""
    rows, hw = _space(table, 0xFC00, 0x4400)
    operation = hw >> 8 & 3
    rd = hw & 7 | hw >> 4 & 8
    rm = hw >> 3 & 15
    moves = (operation == 0) | (operation == 2)
    rows[moves, KIND] = Kind.DATA
    rows[moves & (rd == 15), KIND] = Kind.WRITE_PC
    rows[moves & (rd == 13), SP_WRITE] = 1
    rows[(operation == 0) & (rd == 15) & (rm == 15), KIND] = Kind.INVALID  # ADD PC, PC
    compares = (operation == 1) & ((rd > 7) | (rm > 7)) & (rd != 15) & (rm != 15)
    rows[compares, KIND] = Kind.DATA
    exchanges = (operation == 3) & (rm != 15) & ((hw & 7) == 0)
    rows[exchanges, KIND] = np.where(hw[exchanges] & 0x80, Kind.BRANCH_LINK_EXCHANGE, Kind.BRANCH_EXCHANGE)


def _mark_loads_and_stores(table: _Table) -> None:
    """Load/store single data item, literal loads included: DDI 0419, A5.2.4."""
    register_sizes = (4, 2, 1, 1, 4, 2, 1, 2)  # STR STRH STRB LDRSB LDR LDRH LDRB LDRSH
    groups = [(0xF800, 0x4800, 4, True)]  # LDR literal
    groups += [(0xFE00, 0x5000 + (op << 9), size, op >= 3) for op, size in enumerate(register_sizes)]
    for base, size in ((0x6000, 4), (0x7000, 1), (0x8000, 2), (0x9000, 4)):  # word, byte, half, SP-relative
        groups += [(0xF800, base, size, False), (0xF800, base + 0x800, size, True)]
    for mask, value, size, is_load in groups:
        rows, _ = _space(table, mask, value)
        rows[:, KIND] = Kind.LOAD if is_load else Kind.STORE
        rows[:, REGISTERS] = 1
        rows[:, LOADED if is_load else STORED] = size


def _mark_multiples(table: _Table) -> None:
    """STM, LDM, PUSH and POP. An empty register list is UNPREDICTABLE."""
    for mask, value, kind, moved in (
        (0xF800, 0xC000, Kind.STORE_MULTIPLE, STORED),
        (0xF800, 0xC800, Kind.LOAD_MULTIPLE, LOADED),
        (0xFE00, 0xB400, Kind.STORE_MULTIPLE, STORED),
        (0xFE00, 0xBC00, Kind.LOAD_MULTIPLE, LOADED),
    ):
        rows, hw = _space(table, mask, value)
        on_stack = mask == 0xFE00
        count = np.bitwise_count((hw & 0xFF).astype(np.uint16)).astype(np.int32)
        if on_stack:
            count += hw >> 8 & 1  # LR of PUSH, PC of POP
        rows[:, KIND] = np.where(count > 0, kind, Kind.INVALID)
        rows[:, REGISTERS] = count
        rows[:, moved] = 4 * count
        if on_stack:
            rows[:, SP_CHANGE] = 4 * count if kind is Kind.LOAD_MULTIPLE else -4 * count
    _space(table, 0xFF00, 0xBD00)[0][:, KIND] = Kind.POP_PC


def _mark_miscellaneous(table: _Table) -> None:
    """The 0xBxxx space of DDI 0419, A5.2.5, less PUSH and POP. CBZ, IT and SETEND are not in ARMv6-M."""
    adjust, hw = _space(table, 0xFF00, 0xB000)  # ADD/SUB SP, #imm
    adjust[:, KIND] = Kind.DATA
    amount = 4 * (hw & 0x7F)
    adjust[:, SP_CHANGE] = np.where(hw & 0x80, -amount, amount)
    _space(table, 0xFF00, 0xB200)[0][:, KIND] = Kind.DATA  # SXTH SXTB UXTH UXTB
    table[[0xB662, 0xB672], KIND] = Kind.DATA  # CPSIE i, CPSID i
    reverse, hw = _space(table, 0xFF00, 0xBA00)
    reverse[(hw & 0xC0) != 0x80, KIND] = Kind.DATA  # REV REV16 REVSH
    _space(table, 0xFF00, 0xBE00)[0][:, KIND] = Kind.BREAKPOINT
    table[0xBF00:0xC000:16, KIND] = Kind.DATA  # NOP, YIELD, SEV; unallocated hints execute as NOP
    table[[0xBF20, 0xBF30], KIND] = Kind.SLEEP  # WFE, WFI


def _mark_branches(table: _Table) -> None:
    """Conditional branch, SVC and B: DDI 0419, A5.2.6 and A6.7.10. 0xDExx is permanently undefined."""
    table[0xD000:0xDE00, KIND] = Kind.BRANCH_CONDITIONAL
    _space(table, 0xFF00, 0xDF00)[0][:, KIND] = Kind.SUPERVISOR_CALL
    _space(table, 0xF800, 0xE000)[0][:, KIND] = Kind.BRANCH


def _mark_wide(table: _Table) -> None:
    """First halfwords of BL, MSR, MRS and the barriers: DDI 0419, A5.3. Nothing else is 32 bits long in ARMv6-M."""
    table[0xE800:, KIND] = Kind.WIDE
    _space(table, 0xF800, 0xF000)[0][:, WIDE] = Wide.BRANCH_LINK
    writes, hw = _space(table, 0xFFF0, 0xF380)
    source = hw & 15
    writes[(source != 13) & (source != 15), WIDE] |= Wide.WRITE_SPECIAL
    table[0xF3EF, WIDE] |= Wide.READ_SPECIAL
    table[0xF3BF, WIDE] |= Wide.BARRIER


def _build_second() -> npt.NDArray[np.int32]:
    hw = np.arange(1 << 16, dtype=np.int32)
    table = np.zeros(1 << 16, np.int32)
    table[(hw & 0xD000) == 0xD000] |= Wide.BRANCH_LINK
    special = np.isin(hw & 0xFF, SPECIAL_REGISTERS)
    table[((hw & 0xFF00) == 0x8800) & special] |= Wide.WRITE_SPECIAL
    rd = hw >> 8 & 15
    table[((hw & 0xF000) == 0x8000) & special & (rd != 13) & (rd != 15)] |= Wide.READ_SPECIAL
    table[np.isin(hw & 0xFFF0, (0x8F40, 0x8F50, 0x8F60))] |= Wide.BARRIER  # DSB, DMB, ISB; any option acts as SY
    return table


FIRST = _build_first()
SECOND = _build_second()


def is_wide(first: int) -> bool:
    """True where `first` begins a 32-bit instruction (valid or not)."""
    return first >= 0xE800


def kind_of(first: int, second: int = 0) -> Kind:
    """The kind of one instruction; `second` matters only where `is_wide(first)`."""
    kind = Kind(FIRST[first, KIND])
    if kind is not Kind.WIDE:
        return kind
    match Wide(int(FIRST[first, WIDE]) & int(SECOND[second])):
        case Wide.BRANCH_LINK:
            return Kind.BRANCH_LINK
        case Wide.NOTHING:
            return Kind.INVALID
        case _:
            return Kind.SYSTEM


def writes_sp(first: int, second: int = 0) -> bool:
    """True where SP may take a value that is not known before the code runs: MOV SP, ADD SP, and any MSR."""
    if is_wide(first):
        return bool(int(FIRST[first, WIDE]) & int(SECOND[second]) & Wide.WRITE_SPECIAL)
    return bool(FIRST[first, SP_WRITE])


def describe_undefined(first: int, second: int) -> str:
    """A sentence about an encoding that ARMv6-M does not have, or has as UDF (DDI 0419, A5.2.6 and A5.3.1)."""
    if first >> 8 == 0xDE:
        trap = " (a compiler's trap: the program must not come here)" if first & 0xFF in _TRAPS else ""
        return f"UDF #{first & 0xFF}, a permanently undefined instruction{trap}"
    if first >> 4 == 0xF7F and second >> 12 == 0xA:
        return f"UDF.W #{(first & 15) << 12 | second & 0xFFF}, a permanently undefined instruction"
    if is_wide(first):
        return f"{first:04x} {second:04x} is not an ARMv6-M instruction"
    return f"{first:04x} is not an ARMv6-M instruction"


def branch_target(address: int, encoding: int) -> int | None:
    """Where B<cond>, B or BL at `address` goes (DDI 0419, A6.7.10 and A6.7.13); None for any other encoding.

    `encoding` has the first halfword in bits 0..15 and the second in bits 16..31.
    """
    first, second = encoding & 0xFFFF, encoding >> 16
    match kind_of(first, second):
        case Kind.BRANCH_CONDITIONAL:
            offset = _signed(first & 0xFF, 8) * 2
        case Kind.BRANCH:
            offset = _signed(first & 0x7FF, 11) * 2
        case Kind.BRANCH_LINK:
            sign = first >> 10 & 1
            high = (second >> 13 & 1 ^ sign ^ 1) << 1 | second >> 11 & 1 ^ sign ^ 1
            offset = _signed(sign << 23 | high << 21 | (first & 0x3FF) << 11 | second & 0x7FF, 24) * 2
        case _:
            return None
    return address + 4 + offset & 0xFFFFFFFF


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> bits - 1 else value
