"""Peripheral registers in Unicorn: pages of MMIO, and the instruction behind an access that nothing answers.

A callback of MMIO cannot refuse: the rest of its block runs, and it sees the program counter at the start of the block.
So the registers are noted at every access, and an access that is refused is looked for in its block afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from unicorn import Uc
from unicorn.arm_const import (
    UC_ARM_REG_APSR_NZCV,
    UC_ARM_REG_LR,
    UC_ARM_REG_R0,
    UC_ARM_REG_SP,
)

from m0sim.chip import isa, trap
from m0sim.chip.accounting import Counters
from m0sim.chip.isa import Kind
from m0sim.chip.peripherals import Peripherals

_PAGE = 1024  # the emulator's
_REGISTERS = [*(UC_ARM_REG_R0 + i for i in range(13)), UC_ARM_REG_SP, UC_ARM_REG_LR, UC_ARM_REG_APSR_NZCV]
_LOADS = (Kind.LOAD, Kind.LOAD_MULTIPLE, Kind.POP_PC)
_STORES = (Kind.STORE, Kind.STORE_MULTIPLE)


@dataclass(frozen=True, slots=True)
class _Access:
    """One access, with the processor's registers as they were."""

    address: int
    size: int
    is_store: bool
    registers: dict[int, int]

    def reg_read(self, register: int) -> int:
        return self.registers[register]

    def is_by(self, first: int) -> bool:
        """Whether the instruction with this first halfword makes this access."""
        kind = Kind(int(isa.FIRST[first, isa.KIND]))
        if kind not in (_STORES if self.is_store else _LOADS):
            return False
        begin = trap.effective_address(self, first)
        if begin is None:
            return False
        if kind in (Kind.LOAD, Kind.STORE):
            return (
                begin == self.address
                and int(isa.FIRST[first, isa.STORED if self.is_store else isa.LOADED]) == self.size
            )
        return begin <= self.address < begin + 4 * int(isa.FIRST[first, isa.REGISTERS])


class Windows:
    """The MMIO pages of one emulator. They stay once mapped; a register without an answer is refused in them."""

    def __init__(self, uc: Uc, peripherals: Peripherals, counters: Counters) -> None:
        self._uc = uc
        self._peripherals = peripherals
        self._counters = counters
        self._mapped: set[int] = set()
        self.clear()

    def clear(self) -> None:
        """Forget what stopped the last slice."""
        self.error: BaseException | None = None
        """What a function of the host raised, or returned that is no answer."""
        self.is_refused = False
        self._block: tuple[int, int, int] = (0, 0, 0)
        self._accesses: list[_Access] = []

    def map(self) -> None:
        """Map the pages of all registers that have an answer."""
        for base in sorted(self._peripherals.pages(_PAGE) - self._mapped):
            self._uc.mmio_map(base, _PAGE, self._load, base, self._store, base)
            self._mapped.add(base)

    def refusal(self, halfword: Callable[[int], int]) -> tuple[str, int]:
        """Why the last access was refused, and the instruction that made it; the registers are put back to it."""
        last = self._accesses[-1]
        for register, value in last.registers.items():
            self._uc.reg_write(register, value)
        return trap.unmapped(last.is_store, last.size, last.address), self._instruction(halfword)

    def _instruction(self, halfword: Callable[[int], int]) -> int:
        """Where the last access was made: the accesses of a block come in the order of its instructions."""
        at, size, _ = self._block
        end = at + size
        for access in self._accesses:
            while at < end and not access.is_by(halfword(at)):
                at += 4 if isa.is_wide(halfword(at)) else 2
            is_one = Kind(int(isa.FIRST[halfword(at), isa.KIND])) in (Kind.LOAD, Kind.STORE)
            behind = at + 2 if is_one else at  # a multiple access may go on
            at, found = behind, at
        return found

    def _load(self, uc: Uc, offset: int, size: int, base: int) -> int:
        if not self._begin(base + offset, size, is_store=False):
            return 0
        value = self._guarded(lambda: self._peripherals.load(base + offset, size))
        return value if isinstance(value, int) else 0

    def _store(self, uc: Uc, offset: int, size: int, value: int, base: int) -> None:
        if self._begin(base + offset, size, is_store=True):
            self._guarded(lambda: self._peripherals.store(base + offset, size, value) or None)

    def _begin(self, address: int, size: int, *, is_store: bool) -> bool:
        """Note an access; False in the rest of a block that was stopped."""
        if self.is_refused or self.error is not None:
            return False
        block = self._counters.pending_execution
        if block != self._block:
            self._block = block
            self._accesses.clear()
        values: tuple[Any, ...] = self._uc.reg_read_batch(_REGISTERS)
        self._accesses.append(_Access(address, size, is_store, dict(zip(_REGISTERS, values, strict=True))))
        return True

    def _guarded(self, answer: Callable[[], int | None]) -> int | None:
        """The answer. Where there is none, or the host's function fails, the run stops."""
        try:
            value = answer()
            self.is_refused = value is None
        except BaseException as error:  # whatever it is, it is raised again where the run was started
            self.error, value = error, None
        if value is None:
            self._uc.emu_stop()
        return value
