"""Cycles of every ARMv6-M instruction on Cortex-M0 and Cortex-M0+, with zero-wait-state memory.

Sources: Cortex-M0+ Technical Reference Manual (Arm DDI 0484C), table 3-1; Cortex-M0 Technical Reference Manual
(Arm DDI 0432C), table 3-1. In the M0+ table POP {.., PC} of N registers is 3 + N with PC counted in N.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from m0sim.chip import isa
from m0sim.chip.device import Device
from m0sim.chip.isa import Kind

Core = Literal["cortex-m0plus", "cortex-m0"]


@dataclass(frozen=True, slots=True)
class Timing:
    """One core's table. Every figure is in cycles; N is the number of registers moved, PC included."""

    data: int
    multiply: int
    load: int
    store: int
    load_on_io_port: int
    store_on_io_port: int
    load_multiple: int
    """LDM and POP without PC: this many, plus N."""
    store_multiple: int
    """STM and PUSH: this many, plus N."""
    pop_pc: int
    """POP {.., PC}: this many, plus N."""
    branch_not_taken: int
    branch_taken: int
    branch: int
    branch_exchange: int
    branch_link_exchange: int
    write_pc: int
    branch_link: int
    system: int
    sleep: int
    """WFI and WFE, without the time asleep."""
    exception_entry: int

    @property
    def taken_extra(self) -> int:
        """What a taken conditional branch costs beyond one that is not taken."""
        return self.branch_taken - self.branch_not_taken


def timing(core: Core, multiplier_cycles: int = 1) -> Timing:
    """The table of `core` with a multiplier of 1 or 32 cycles. Raises ValueError for any other core or multiplier."""
    if multiplier_cycles not in (1, 32):
        raise ValueError(f"the multiplier takes 1 or 32 cycles, not {multiplier_cycles}")
    if core == "cortex-m0plus":
        return Timing(
            data=1,
            multiply=multiplier_cycles,
            load=2,
            store=2,
            load_on_io_port=1,
            store_on_io_port=1,
            load_multiple=1,
            store_multiple=1,
            pop_pc=3,
            branch_not_taken=1,
            branch_taken=2,
            branch=2,
            branch_exchange=2,
            branch_link_exchange=2,
            write_pc=2,
            branch_link=3,
            system=3,
            sleep=2,
            exception_entry=15,
        )
    if core == "cortex-m0":
        return Timing(
            data=1,
            multiply=multiplier_cycles,
            load=2,
            store=2,
            load_on_io_port=2,  # the Cortex-M0 has no single-cycle I/O port
            store_on_io_port=2,
            load_multiple=1,
            store_multiple=1,
            pop_pc=4,
            branch_not_taken=1,
            branch_taken=3,
            branch=3,
            branch_exchange=3,
            branch_link_exchange=3,
            write_pc=3,
            branch_link=4,
            system=4,
            sleep=2,
            exception_entry=16,
        )
    raise ValueError(f"unknown core {core!r}: cortex-m0plus or cortex-m0")


@dataclass(frozen=True, slots=True)
class ExceptionTiming:
    """What exceptions take beyond the instructions of their handlers, in cycles."""

    entry: int
    """From where one is taken to the first instruction of its handler: DDI 0484C, 3.6.1, and DDI 0432C, 3.7.1."""
    saving: int
    """Of which these save the registers: one of higher priority that comes meanwhile takes over."""
    leaving: int
    """From behind the returning instruction to the one that goes on."""
    tail_chain: int
    """From behind the returning instruction to the first one of the handler that follows."""


def exception_timing(device: Device) -> ExceptionTiming:
    """Those of a part: what its profile says, or else those of its core.

    No manual tells any but the first, so they are assumed: eight words are saved in the nine cycles of an STM and
    restored in those of an LDM, behind which the pipeline is filled as it is behind a branch that is taken;
    tail-chaining takes the six cycles that Arm states for the Cortex-M3 (DDI 0337).
    """
    table = timing(device.core, device.multiplier_cycles)
    words = 8
    entry = table.exception_entry if device.exception_entry is None else device.exception_entry
    return ExceptionTiming(
        entry=entry,
        saving=min(table.store_multiple + words, entry - 1),
        leaving=table.load_multiple + words + table.branch
        if device.exception_return is None
        else device.exception_return,
        tail_chain=6 if device.tail_chain is None else device.tail_chain,
    )


def base_cycles(table: Timing) -> npt.NDArray[np.int32]:
    """Cycles of each `Kind` before its registers are counted: ``int32[len(Kind)]``.

    A conditional branch stands with its not-taken cost. Kinds that never complete (invalid, SVC, BKPT) cost nothing.
    """
    cycles = np.zeros(len(Kind), np.int32)
    cycles[Kind.DATA] = table.data
    cycles[Kind.MULTIPLY] = table.multiply
    cycles[Kind.LOAD] = table.load
    cycles[Kind.STORE] = table.store
    cycles[Kind.LOAD_MULTIPLE] = table.load_multiple
    cycles[Kind.STORE_MULTIPLE] = table.store_multiple
    cycles[Kind.POP_PC] = table.pop_pc
    cycles[Kind.BRANCH_CONDITIONAL] = table.branch_not_taken
    cycles[Kind.BRANCH] = table.branch
    cycles[Kind.BRANCH_EXCHANGE] = table.branch_exchange
    cycles[Kind.BRANCH_LINK_EXCHANGE] = table.branch_link_exchange
    cycles[Kind.WRITE_PC] = table.write_pc
    cycles[Kind.BRANCH_LINK] = table.branch_link
    cycles[Kind.SYSTEM] = table.system
    cycles[Kind.SLEEP] = table.sleep
    return cycles


def cycles_of_first(table: Timing, first: npt.NDArray[np.int64] | slice = slice(None)) -> npt.NDArray[np.int32]:
    """Cycles of 16-bit encodings, by default all 65,536, conditional branches as not taken; 0 where none completes."""
    kind = isa.FIRST[first, isa.KIND]
    moves_many = np.isin(kind, (Kind.LOAD_MULTIPLE, Kind.STORE_MULTIPLE, Kind.POP_PC))
    return base_cycles(table)[kind] + np.where(moves_many, isa.FIRST[first, isa.REGISTERS], 0).astype(np.int32)
