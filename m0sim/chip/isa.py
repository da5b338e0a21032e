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
    hw = np.arange(1 << 16, dtype=np.int32)
    table = np.zeros((1 << 16, COLUMNS), np.int32)
    _mark_data_processing(table, hw)
    _mark_high_registers(table, hw)
    _mark_loads_and_stores(table, hw)
    _mark_multiples(table, hw)
    _mark_miscellaneous(table, hw)
    _mark_branches(table, hw)
    _mark_wide(table, hw)
    return table


def _mark_data_processing(table: npt.NDArray[np.int32], hw: npt.NDArray[np.int32]) -> None:
    """DDI 0419, A5.2.1 and A5.2.2, and ADR and ADD Rd, SP, #imm of A5.2."""
    table[hw < 0x4400, KIND] = Kind.DATA
    table[(hw & 0xFFC0) == 0x4340, KIND] = Kind.MULTIPLY
    table[(hw & 0xF000) == 0xA000, KIND] = Kind.DATA


def _mark_high_registers(table: npt.NDArray[np.int32], hw: npt.NDArray[np.int32]) -> None:
    """Special data instructions and branch and exchange: DDI 0419, A5.2.3."""
    space = (hw & 0xFC00) == 0x4400
    operation = hw >> 8 & 3
    rd = hw & 7 | hw >> 4 & 8
    rm = hw >> 3 & 15
    moves = space & ((operation == 0) | (operation == 2))
    table[moves, KIND] = Kind.DATA
    table[moves & (rd == 15), KIND] = Kind.WRITE_PC
    table[moves & (rd == 13), SP_WRITE] = 1
    table[space & (operation == 0) & (rd == 15) & (rm == 15), KIND] = Kind.INVALID  # ADD PC, PC
    compares = space & (operation == 1) & ((rd > 7) | (rm > 7)) & (rd != 15) & (rm != 15)
    table[compares, KIND] = Kind.DATA
    exchanges = space & (operation == 3) & (rm != 15) & ((hw & 7) == 0)
    table[exchanges, KIND] = np.where(hw[exchanges] & 0x80, Kind.BRANCH_LINK_EXCHANGE, Kind.BRANCH_EXCHANGE)


def _mark_loads_and_stores(table: npt.NDArray[np.int32], hw: npt.NDArray[np.int32]) -> None:
    """Load/store single data item, literal loads included: DDI 0419, A5.2.4."""
    register_sizes = (4, 2, 1, 1, 4, 2, 1, 2)  # STR STRH STRB LDRSB LDR LDRH LDRB LDRSH
    groups = [(0xF800, 0x4800, 4, True)]  # LDR literal
    groups += [(0xFE00, 0x5000 + (op << 9), size, op >= 3) for op, size in enumerate(register_sizes)]
    for base, size in ((0x6000, 4), (0x7000, 1), (0x8000, 2), (0x9000, 4)):  # word, byte, half, SP-relative
        groups += [(0xF800, base, size, False), (0xF800, base + 0x800, size, True)]
    for mask, value, size, is_load in groups:
        rows = (hw & mask) == value
        table[rows, KIND] = Kind.LOAD if is_load else Kind.STORE
        table[rows, REGISTERS] = 1
        table[rows, LOADED if is_load else STORED] = size


def _mark_multiples(table: npt.NDArray[np.int32], hw: npt.NDArray[np.int32]) -> None:
    """STM, LDM, PUSH and POP. An empty register list is UNPREDICTABLE."""
    low = np.bitwise_count((hw & 0xFF).astype(np.uint16)).astype(np.int32)
    extra = hw >> 8 & 1  # LR of PUSH, PC of POP
    push, pop = (hw & 0xFE00) == 0xB400, (hw & 0xFE00) == 0xBC00
    store, load = (hw & 0xF800) == 0xC000, (hw & 0xF800) == 0xC800
    count = np.where(push | pop, low + extra, low)
    for rows, kind, moved in (
        (store | push, Kind.STORE_MULTIPLE, STORED),
        (load | pop, Kind.LOAD_MULTIPLE, LOADED),
    ):
        rows = rows & (count > 0)
        table[rows, KIND] = kind
        table[rows, REGISTERS] = count[rows]
        table[rows, moved] = 4 * count[rows]
    table[pop & (extra == 1), KIND] = Kind.POP_PC
    table[push, SP_CHANGE] = -4 * count[push]
    table[pop, SP_CHANGE] = 4 * count[pop]


def _mark_miscellaneous(table: npt.NDArray[np.int32], hw: npt.NDArray[np.int32]) -> None:
    """The 0xBxxx space of DDI 0419, A5.2.5, less PUSH and POP. CBZ, IT and SETEND are not in ARMv6-M."""
    table[(hw & 0xFF00) == 0xB000, KIND] = Kind.DATA  # ADD/SUB SP, #imm
    adjust = (hw & 0xFF00) == 0xB000
    amount = 4 * (hw & 0x7F)
    table[adjust, SP_CHANGE] = np.where(hw & 0x80, -amount, amount)[adjust]
    table[(hw & 0xFF00) == 0xB200, KIND] = Kind.DATA  # SXTH SXTB UXTH UXTB
    table[(hw == 0xB662) | (hw == 0xB672), KIND] = Kind.DATA  # CPSIE i, CPSID i
    table[((hw & 0xFF00) == 0xBA00) & ((hw & 0xC0) != 0x80), KIND] = Kind.DATA  # REV REV16 REVSH
    table[(hw & 0xFF00) == 0xBE00, KIND] = Kind.BREAKPOINT
    table[(hw & 0xFF0F) == 0xBF00, KIND] = Kind.DATA  # NOP, YIELD, SEV; unallocated hints execute as NOP
    table[(hw == 0xBF20) | (hw == 0xBF30), KIND] = Kind.SLEEP  # WFE, WFI


def _mark_branches(table: npt.NDArray[np.int32], hw: npt.NDArray[np.int32]) -> None:
    """Conditional branch, SVC and B: DDI 0419, A5.2.6 and A6.7.10. 0xDExx is permanently undefined."""
    table[((hw & 0xF000) == 0xD000) & ((hw & 0x0F00) < 0x0E00), KIND] = Kind.BRANCH_CONDITIONAL
    table[(hw & 0xFF00) == 0xDF00, KIND] = Kind.SUPERVISOR_CALL
    table[(hw & 0xF800) == 0xE000, KIND] = Kind.BRANCH


def _mark_wide(table: npt.NDArray[np.int32], hw: npt.NDArray[np.int32]) -> None:
    """First halfwords of BL, MSR, MRS and the barriers: DDI 0419, A5.3. Nothing else is 32 bits long in ARMv6-M."""
    table[hw >= 0xE800, WIDE] = Wide.NOTHING
    table[hw >= 0xE800, KIND] = Kind.WIDE
    table[(hw & 0xF800) == 0xF000, WIDE] = Wide.BRANCH_LINK
    source = hw & 15
    writes = ((hw & 0xFFF0) == 0xF380) & (source != 13) & (source != 15)
    table[writes, WIDE] |= Wide.WRITE_SPECIAL
    table[hw == 0xF3EF, WIDE] |= Wide.READ_SPECIAL
    table[hw == 0xF3BF, WIDE] |= Wide.BARRIER


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
