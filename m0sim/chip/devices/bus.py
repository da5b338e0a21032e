"""The bus: which device an address belongs to, how stores come to registers, and when devices are due."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from m0sim.chip.devices.block import REPEAT, Device
from m0sim.chip.devices.clock import SystemClock
from m0sim.chip.devices.host import Host, Resettable

_GRAIN = 10
"""Devices begin at multiples of 1 KiB."""
_MOST_PUBLISHED = 192


@dataclass(slots=True)
class Unmodelled:
    """A register, or a use of one, that is not modelled, and who was the first to touch it."""

    device: str
    offset: int
    what: str
    """The register's name, or what was done with it."""
    pc: int
    loads: int = 0
    stores: int = 0
    first_value: int | None = None
    """The first that was stored."""


class Bus:
    """Devices by address. Loads give None, and stores False, where there is no device: a bus fault.

    It keeps no time of its own: every call takes the host's cycle count as now.
    """

    def __init__(self, host: Host, clock: SystemClock, devices: Iterable[Device]) -> None:
        self.host = host
        self.clock = clock
        self.devices = tuple(devices)
        self.notes: dict[tuple[str, int, str], Unmodelled] = {}
        """What was touched and is not modelled."""
        self.watchers: list[Callable[[], None]] = []
        """Called whenever the host calls `advance`: it may have news of pins."""
        self._followed: frozenset[Device] = frozenset()
        self._look: Callable[[], None] = lambda: None
        self.tellers: list[Callable[[], None]] = []
        """Called before `notes` are read at the end: what the host alone has seen is noted then."""
        self._at: dict[int, Device] = {}
        self._due: dict[Device, int] = {}
        self._next: int | None = None
        self._is_busy = False
        self._seen: dict[Device, set[int]] = {device: set() for device in self.devices}
        self._ever: set[int] = set()
        """Addresses that were published once: the host has room for some."""
        self._published: dict[Device, set[int]] = {device: set() for device in self.devices}
        clock.watch(self._retime)
        for device in self.devices:
            device.bus = self
            span = 4 * device.size if device.has_aliases else device.size
            for grain in range(device.base >> _GRAIN, (device.base + span - 1 >> _GRAIN) + 1):
                self._at[grain] = device

    def load(self, address: int, size: int) -> int | None:
        """What a load of 1, 2 or 4 bytes gives: the bytes' lanes of the register."""
        device = self._at.get(address >> _GRAIN)
        self.clock.now = self.host.now
        if device is None:
            return None
        if self._next is not None and self._next <= self.clock.now:
            self.advance()
        offset = address - device.base & (0xFFF if device.has_aliases else ~0)
        if size != 4:
            value = device.load_narrow(offset, size)
        else:
            value = device.load(offset)
            if offset in self._seen[device]:
                self._publish(device, address, offset, value)
            else:
                self._seen[device].add(offset)
        if device in self._followed:
            self._look()
        return value

    def store(self, address: int, value: int, size: int) -> bool:
        """Store 1, 2 or 4 bytes."""
        device = self._at.get(address >> _GRAIN)
        self.clock.now = self.host.now
        if device is None:
            return False
        if self._next is not None and self._next <= self.clock.now:
            self.advance()
        if self._seen[device]:
            self.changed(device)
        if device.alias_stall and address >> 12 & 3:
            self.host.stall(device.alias_stall)
        self._put(device, address, value, size)
        if device in self._followed:
            self._look()
        return True

    def _put(self, device: Device, address: int, value: int, size: int) -> None:
        if not device.has_aliases:
            if size == 4:
                device.store(address - device.base, value)
            else:
                device.store_narrow(address - device.base, value, size)
            return
        if size != 4:
            value = (value & (1 << 8 * size) - 1) * REPEAT[size]
        offset, alias = address - device.base & 0xFFC, address >> 12 & 3
        if alias == 0:
            device.store(offset, value)
        elif alias == 1:
            device.modify(offset, 0, value)
        elif alias == 2:
            device.modify(offset, value, value)
        else:
            device.modify(offset, value, 0)

    # -- what another master asks, at `clock.now`

    def read(self, address: int, size: int) -> int | None:
        """A load by another master than the processor, such as a DMA."""
        device = self._at.get(address >> _GRAIN)
        if device is None or device.for_cores_alone:
            return None
        offset = address - device.base & (0xFFF if device.has_aliases else ~0)
        value = device.load(offset) if size == 4 else device.load_narrow(offset, size)
        self.changed(device)
        return value

    def name_at(self, address: int) -> str:
        """The name of the block that an address belongs to; empty where there is none."""
        device = self._at.get(address >> _GRAIN)
        return "" if device is None else device.name

    def write(self, address: int, value: int, size: int) -> bool:
        """A store by another master."""
        device = self._at.get(address >> _GRAIN)
        if device is None or device.for_cores_alone:
            return False
        self.changed(device)
        self._put(device, address, value, size)
        return True

    def follow(self, devices: Iterable[Device], look: Callable[[], None]) -> None:
        """Call `look` after each of the processor's accesses to one of these, and after each of their events."""
        self._followed, self._look = frozenset(devices), look

    def advance(self) -> None:
        """Do what devices have due until now, in the order that it is due in, each at its own cycle."""
        now = self.host.now
        self._is_busy = True
        for look in self.watchers:
            self.clock.now = min([now, *self._due.values()])
            look()
        while self._due:
            device = min(self._due, key=self._due.__getitem__)
            cycle = self._due[device]
            if cycle > now:
                break
            del self._due[device]
            device.due = device.due_seconds = None
            self.clock.now = cycle
            device.at()
            self.changed(device)
            if device in self._followed:
                self._look()
        self._is_busy = False
        self.clock.now = now
        self._next = min(self._due.values(), default=None)
        self.host.wake_at(self._next)

    def reset(self, devices: Iterable[Resettable] | None = None) -> None:
        """Devices, all of them if none are given, as a reset of the chip leaves them."""
        self.clock.now = self.host.now
        for device in self.devices if devices is None else devices:
            device.reset()
        for device in self.devices:
            self.changed(device)

    def ask_again(self) -> None:
        """The host has forgotten when it was asked to call."""
        self.host.wake_at(self._next)

    # -- what devices call

    def schedule(self, block: Device, cycle: int | None) -> None:
        """Call `block.at` at that cycle."""
        if cycle is None:
            self._due.pop(block, None)
        else:
            self._due[block] = cycle
        if not self._is_busy:
            self._ask()

    def changed(self, block: Device) -> None:
        """Have the host ask for the registers of the block again."""
        self._seen[block].clear()
        published = self._published[block]
        while published:
            self.host.withdraw(published.pop())

    def unmodelled(self, block: Device, offset: int, value: int | None, what: str = "") -> None:
        """Note a load or store of what is not modelled."""
        key = (block.name, offset, what)
        note = self.notes.get(key)
        if note is None:
            note = self.notes[key] = Unmodelled(block.name, offset, what, self.host.pc)
        if value is None:
            note.loads += 1
        else:
            note.stores += 1
            if note.first_value is None:
                note.first_value = value

    def note(self, block: Device, offset: int, what: str, pc: int, count: int) -> None:
        """Note what was used so often in all, first by the instruction at `pc`, and is not modelled."""
        self.notes[block.name, offset, what] = Unmodelled(block.name, offset, what, pc, stores=count)

    # -- private

    def _retime(self) -> None:
        """The processor's clock has changed: what is due at a time is due in another cycle."""
        for device in self.devices:
            if device.due_seconds is not None:
                device.due = self.clock.cycle_at(device.due_seconds)
                self.schedule(device, device.due)

    def _ask(self) -> None:
        earliest = min(self._due.values(), default=None)
        if earliest != self._next:
            self._next = earliest
            self.host.wake_at(earliest)

    def _publish(self, device: Device, address: int, offset: int, value: int) -> None:
        """A register is loaded again and again: the host answers as long as its value stays."""
        is_steady, until = device.steady(offset)
        if is_steady and (address in self._ever or len(self._ever) < _MOST_PUBLISHED):
            self._ever.add(address)
            self._published[device].add(address)
            self.host.publish(address, value, until)
