"""Registers of peripherals that are not modelled: what a read of one gives, and who hears of a write."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from m0sim.chip.answers import Answers, Memory
from m0sim.chip.arguments import Words
from m0sim.chip.cost import RegisterUse
from m0sim.chip.device import Bus, Device
from m0sim.errors import UsageError


@dataclass(frozen=True, slots=True)
class RegisterAccess:
    """One load from a register or store to it, as the host's function sees it."""

    address: int
    """Of the bytes that are accessed: of a byte or halfword, it may lie inside the register's word."""
    size: int
    """1, 2 or 4 bytes."""
    value: int | None
    """What is stored, from 0 to 2**(8 * size) - 1; None for a load."""
    count: int
    """Which load, or which store, of this register it is, from 1."""
    _memory: Memory = field(repr=False)

    def read(self, address: int, size: int) -> npt.NDArray[np.uint8]:
        """A copy of `size` bytes of memory, ``uint8[size]``. Raises `UsageError` where there is none."""
        return self._memory.read(address, size)

    def write(self, address: int, data: npt.ArrayLike | bytes) -> None:
        """Write an array's bytes to SRAM. Raises `UsageError` where there is none, and for code."""
        self._memory.write(address, data)


T = TypeVar("T")
OnWrite = Callable[[RegisterAccess], object]


@dataclass(slots=True)
class _Register:
    answers: Answers | None = None
    on_write: OnWrite | None = None
    stores: int = 0
    """In the whole call; the three below are of one run."""
    run_loads: int = 0
    run_stores: int = 0
    last_stored: int | None = None


class Peripherals:
    """The registers that have answers. An engine asks `load` and `store` for all that lies in `pages`."""

    def __init__(self, device: Device, memory: Memory) -> None:
        self._device = device
        self._memory = memory
        self._readers: dict[int, object] = {}
        self._writers: dict[int, OnWrite] = {}
        self._registers: dict[int, _Register] = {}

    def on_read(self, address: int, given: object) -> None:
        """Answer loads from a register in all calls to come; with None no longer."""
        self._readers = _with(self._readers, check_address(self._device, address), given)

    def on_write(self, address: int, function: OnWrite | None) -> None:
        """Tell a function of stores to a register in all calls to come; with None no longer."""
        if function is not None and not callable(function):
            raise UsageError(f"on_write wants a function, not {function!r}")
        self._writers = _with(self._writers, check_address(self._device, address), function)

    def forget(self) -> None:
        """Drop what `on_read` and `on_write` said."""
        self._readers, self._writers = {}, {}

    def begin(self, registers: Mapping[int, object], convert: Callable[[object], Words]) -> None:
        """Make ready for one call; `registers` are those of this call alone, before those of `on_read`.

        Raises `UsageError` for an address that cannot be a register's, and for what is no answer.
        """
        readers = self._readers | {check_address(self._device, address): given for address, given in registers.items()}
        self._registers = {}
        for address in sorted(readers.keys() | self._writers.keys()):
            register = _Register(on_write=self._writers.get(address))
            if address in readers:
                who = f"register {address:#010x}"
                register.answers = Answers(who, readers[address], convert, words=1)
            self._registers[address] = register

    def end(self) -> None:
        """The call is over: nothing answers any more."""
        self._registers = {}

    def begin_run(self) -> None:
        """Count afresh: of a call's runs, the last one is what its cost is about."""
        for register in self._registers.values():
            register.run_loads = register.run_stores = 0
            register.last_stored = None

    def pages(self, size: int) -> set[int]:
        """Base addresses of the pages of `size` bytes that registers lie in."""
        return {address & ~(size - 1) for address in self._registers}

    def load(self, address: int, size: int) -> int | None:
        """What `size` bytes at `address` read as; None where nothing answers."""
        register = self._registers.get(address & ~3)
        if register is None or register.answers is None:
            return None
        register.run_loads += 1
        access = RegisterAccess(address, size, None, register.answers.count + 1, self._memory)
        (word,) = register.answers.next(access)
        return word >> 8 * (address & 3) & (1 << 8 * size) - 1

    def store(self, address: int, size: int, value: int) -> bool:
        """Take note of a store; False where there is no register."""
        register = self._registers.get(address & ~3)
        if register is None:
            return False
        register.stores += 1
        register.run_stores += 1
        register.last_stored = value
        if register.on_write is not None:
            register.on_write(RegisterAccess(address, size, value, register.stores, self._memory))
        return True

    def uses(self) -> tuple[RegisterUse, ...]:
        """What the run did with each register, by address."""
        return tuple(
            RegisterUse(address, register.run_loads, register.run_stores, register.last_stored)
            for address, register in self._registers.items()
        )

    def mark(self) -> Callable[[], None]:
        """What puts back how far the answers are now."""
        now = {address: replace(register) for address, register in self._registers.items()}
        counts = {address: r.answers.count for address, r in now.items() if r.answers is not None}

        def put_back() -> None:
            for address, register in now.items():
                self._registers[address] = replace(register)
                if register.answers is not None:
                    register.answers.count = counts[address]

        return put_back

    @property
    def has_registers(self) -> bool:
        """Whether anything answers in this call."""
        return bool(self._registers)

    def warnings(self, counted: Sequence[Bus] = ()) -> tuple[str, ...]:
        """What a reader of the cost should know, in which the cycles of some buses are counted."""
        found = [w for register in self._registers.values() if register.answers for w in register.answers.warnings()]
        uses = [use for use in self.uses() if not any(bus.base <= use.address < bus.end for bus in counted)]
        accesses = sum(use.loads + use.stores for use in uses)
        if accesses:
            what = "1 access" if accesses == 1 else f"{accesses:,} accesses"
            found.append(f"{what} to registers counted as of memory without wait states: a peripheral bus may add some")
        return tuple(found)


def check_address(device: Device, address: int) -> int:
    """The address. Raises `UsageError` where no peripheral of the device can have a register."""
    if not 0 <= address < 1 << 32 or address % 4:
        raise UsageError(f"{address:#x} is not the address of a 32-bit register: it is a multiple of 4")
    region, port = device.region_at(address), device.io_port
    if region is not None:
        raise UsageError(f"{address:#010x} is no register of a peripheral: {region.name} of {device.name}")
    if port is not None and port.contains(address):
        raise UsageError(f"{address:#010x} is in the single-cycle I/O port, which m0sim models itself")
    return address


def _with(table: dict[int, T], address: int, value: T | None) -> dict[int, T]:
    """The table with another value at an address; with None, without any."""
    others = {at: there for at, there in table.items() if at != address}
    return others if value is None else {**others, address: value}
