"""A block of registers: what the bus asks of one, and what most have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import NamedTuple, Protocol

from m0sim.chip.devices.clock import SystemClock
from m0sim.chip.devices.host import Host

WORD = 0xFFFF_FFFF
REPEAT = {1: 0x0101_0101, 2: 0x0001_0001}
"""By size: what a narrow value is multiplied by to be in all lanes."""


class Register(NamedTuple):
    """One 32-bit register, by the datasheet's name."""

    offset: int
    name: str
    reset: int = 0
    writable: int = WORD
    """Bits that a store changes and a load gives back. What else a store does, the block's `stores` says."""
    clears: int = 0
    """Bits that are cleared by storing 1."""
    effect: bool = True
    """False: it is stored and read back, and what it does on hardware is not modelled; the report names it, where
    anything but what it is from reset on was stored, or it was loaded."""


class Wiring(Protocol):
    """The bus as a block sees it."""

    host: Host
    clock: SystemClock

    def schedule(self, block: Device, cycle: int | None) -> None:
        """Call `block.at` at that cycle, instead of the one that it asked for before."""

    def changed(self, block: Device) -> None:
        """Registers of the block have other values than they had: those that the host answers are asked for again."""

    def unmodelled(self, block: Device, offset: int, value: int | None, what: str = "") -> None:
        """Note a load (no value) or store of what is not modelled."""

    def note(self, block: Device, offset: int, what: str, pc: int, count: int) -> None:
        """Note what was used so often in all, first by the instruction at `pc`, and is not modelled."""

    def read(self, address: int, size: int) -> int | None:
        """A load by a block that is a master of the bus, at `clock.now`; None for a bus error."""

    def write(self, address: int, value: int, size: int) -> bool:
        """Its store; False for a bus error."""

    def name_at(self, address: int) -> str:
        """The name of the block that an address belongs to; empty where there is none."""

    def follow(self, devices: Iterable[Device], look: Callable[[], None]) -> None:
        """Call `look` after accesses to these devices, and after their events, instead of those given before."""


class Device(ABC):
    """Registers at addresses from `base` on."""

    name: str
    """The datasheet's."""
    base: int
    size: int
    bus: Wiring
    """Set by the bus that it is put on."""
    due: int | None = None
    """The cycle that it asked for; None for none."""
    due_seconds: Fraction | None = None
    """Where it asked for a time instead: that. The cycle follows the processor's clock."""
    has_aliases = True
    """Whether 0x1000, 0x2000 and 0x3000 behind the registers, stores XOR, set and clear bits."""

    for_cores_alone = False
    """Whether other masters find nothing there, as where the cores have a port of their own."""

    alias_stall = 0
    """Cycles more that a store through an alias takes."""

    @abstractmethod
    def load(self, offset: int) -> int:
        """The register at `offset`, a multiple of 4. Loads may have effects."""

    @abstractmethod
    def store(self, offset: int, value: int) -> None:
        """Store to the register at `offset`."""

    def load_narrow(self, offset: int, size: int) -> int:
        """Load 1 or 2 bytes: their lanes of the register."""
        return self.load(offset & ~3) >> 8 * (offset & 3) & (1 << 8 * size) - 1

    def store_narrow(self, offset: int, value: int, size: int) -> None:
        """Store 1 or 2 bytes, which come in all lanes of the register."""
        self.store(offset & ~3, (value & (1 << 8 * size) - 1) * REPEAT[size])

    def modify(self, offset: int, clear: int, flip: int) -> None:
        """Store through an alias: clear bits of a register, then flip some."""
        self.store(offset, self.load(offset) & ~clear ^ flip)

    @abstractmethod
    def reset(self) -> None:
        """Go back to the state that a reset leaves."""

    def at(self) -> None:  # noqa: B027 - most have no events
        """The cycle that was asked for has come: `bus.clock.now` is that cycle."""

    def steady(self, offset: int) -> tuple[bool, int | None]:
        """Whether a register keeps its value until the block changes, and loads have no effect; until what cycle."""
        return False, None


class Block(Device):
    """A block that keeps its registers in a table, and has functions for those that do more than that."""

    size = 0x1000

    def __init__(self, name: str, base: int, registers: Iterable[Register]) -> None:
        self.name = name
        self.base = base
        self.registers = {register.offset: register for register in registers}
        self.words = {offset: register.reset for offset, register in self.registers.items()}
        self.loads: dict[int, Callable[[], int]] = {}
        """What gives the value of a register, where that is not the word stored."""
        self.stores: dict[int, Callable[[int], None]] = {}
        """Called with the value that is stored, after the writable bits have changed."""
        self.volatile: set[int] = set()
        """Registers whose loads have effects, or whose values change by themselves."""
        self.in_reset = False

    def load(self, offset: int) -> int:
        """The register at `offset`."""
        register = self.registers.get(offset)
        if register is None or not register.effect:
            self.bus.unmodelled(self, offset, None)
        if self.in_reset:
            return self.words.get(offset, 0)
        load = self.loads.get(offset)
        return self.words.get(offset, 0) if load is None else load()

    def store(self, offset: int, value: int) -> None:
        """Store to the register at `offset`."""
        register = self.registers.get(offset)
        if register is None:
            self.bus.unmodelled(self, offset, value)
            self.words[offset] = value
            return
        if not register.effect and not value == self.words[offset] == register.reset:
            self.bus.unmodelled(self, offset, value)
        if self.in_reset:
            self.bus.unmodelled(self, offset, value, "while the block is held in reset")
            return
        old, mask = self.words[offset], register.writable
        self.words[offset] = old & ~mask | value & mask
        store = self.stores.get(offset)
        if store is not None:
            store(value)

    def modify(self, offset: int, clear: int, flip: int) -> None:
        """Store through an alias. Bits that are cleared by storing 1 take those of the value itself."""
        register = self.registers.get(offset)
        clears = register.clears if register else 0
        kept = self.words.get(offset, 0) if register is None or register.writable else self.load(offset)
        self.store(offset, (kept & ~clear ^ flip) & ~clears | (clear | flip) & clears)

    def reset(self) -> None:
        """All words as a reset leaves them."""
        self.words = {offset: register.reset for offset, register in self.registers.items()}
        self.schedule(None)

    def hold(self, in_reset: bool) -> None:
        """Hold the block in reset, or let it go."""
        if in_reset and not self.in_reset:
            self.reset()
        self.in_reset = in_reset
        self.bus.changed(self)

    def schedule(self, cycle: int | None) -> None:
        """Ask for `at` at that cycle."""
        self.due_seconds = None
        if cycle != self.due:
            self.due = cycle
            self.bus.schedule(self, cycle)

    def schedule_in(self, seconds: Fraction) -> None:
        """Ask for `at` when that time has passed, however the processor's clock changes until then."""
        self.schedule(None)
        self.due_seconds = self.bus.clock.seconds() + seconds
        self.due = self.bus.clock.cycle_at(self.due_seconds)
        self.bus.schedule(self, self.due)

    def steady(self, offset: int) -> tuple[bool, int | None]:
        """Of a register that is not volatile: until the block's next event."""
        register = self.registers.get(offset)
        return register is not None and register.effect and offset not in self.volatile, self.due


class TimedBlock(Block):
    """A block that changes by itself: before each access it is brought to what it is by now."""

    def load(self, offset: int) -> int:
        """The register at `offset`, as of now."""
        self._settle()
        return super().load(offset)

    def store(self, offset: int, value: int) -> None:
        """Store to the register at `offset`."""
        self._settle()
        super().store(offset, value)
        self._plan()

    def at(self) -> None:
        """Something that time brings has come."""
        self._settle()
        self._plan()

    @abstractmethod
    def _settle(self) -> None:
        """Do what was due until now."""

    @abstractmethod
    def _plan(self) -> None:
        """Ask for the next cycle in which something happens that nobody has to ask for."""
