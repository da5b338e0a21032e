"""A host of devices for tests: it keeps what devices ask for, and moves time as they want."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sio_registers import Sio

from m0sim.chip.devices.bus import Bus
from m0sim.chip.devices.host import EVERYTHING, Reach
from m0sim.chip.devices.memories import Memory


@dataclass
class FakeHost:
    """Answers published registers itself, as the native core does, and checks that they are not stale."""

    now: int = 0
    pc: int = 0x1000_0000
    lines: dict[int, bool] = field(default_factory=dict)
    wake: int | None = None
    published: dict[int, tuple[int, int | None]] = field(default_factory=dict)
    counters: dict[int, tuple[int, int, int, int, int]] = field(default_factory=dict)
    sent: list[tuple[int, str, bytes]] = field(default_factory=list)
    restarts: list[tuple[str, Reach]] = field(default_factory=list)
    halts: list[str] = field(default_factory=list)
    flash: bytearray = field(default_factory=lambda: bytearray(b"\xff" * 0x20_0000))
    asked: int = 0
    stalled: int = 0
    flushed: int = 0
    events: int = 0
    lines_of_second: dict[int, bool] = field(default_factory=dict)
    second_is_held: bool = False
    second_restarts: int = 0
    bus_priority: int = 0
    crossbar: Any = None
    """Where masters of the bus ask, if they hold each other up."""
    bus_counts: list[int] | None = None
    """By event of BUSCTRL, as far as it goes without a fabric."""
    sio: Sio = field(default_factory=Sio)
    cache_counts: tuple[int, int] = (0, 0)
    cache_enabled: bool = True
    flash_waits: int | None = None
    memories: list[Memory] = field(default_factory=list)
    changes: list[tuple[int, int]] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)
    stall_of_flash: int = 0

    def set_line(self, number: int, level: bool) -> None:
        self.lines[number] = level

    def set_bus_priority(self, masters: int) -> None:
        self.bus_priority = masters

    @property
    def contends(self) -> bool:
        return self.crossbar is not None

    def ask_for_bus(self, master: int, address: int, cycle: int, hold: int) -> int | None:
        assert self.crossbar is not None
        return self.crossbar.ask(master, address, cycle, hold)

    def bus_granted_at(self, master: int, number: int) -> int | None:
        assert self.crossbar is not None
        return self.crossbar.granted_at(master, number)

    def withdraw_from_bus(self, master: int) -> None:
        assert self.crossbar is not None
        self.crossbar.withdraw(master)

    def bus_accesses(self, port: int, *, contested: bool) -> int | None:
        return None if self.bus_counts is None else self.bus_counts[2 * port + (not contested)]

    def set_line_of(self, core: int, number: int, level: bool) -> None:
        (self.lines if core == 0 else self.lines_of_second)[number] = level

    def hold_second_core(self, is_held: bool) -> None:
        self.second_is_held = is_held

    def restart_second_core(self) -> None:
        self.second_restarts += 1

    def send_event(self) -> None:
        self.events += 1

    def wake_at(self, cycle: int | None) -> None:
        self.wake = cycle

    def publish(self, address: int, value: int, until: int | None = None) -> None:
        self.published[address] = value, until

    def publish_counter(
        self, address: int, start: int, since: int, numerator: int, denominator: int, shift: int = 0
    ) -> None:
        self.counters[address] = start, since, numerator, denominator, shift

    def withdraw(self, address: int) -> None:
        self.published.pop(address, None)
        self.counters.pop(address, None)

    def stall(self, cycles: int) -> None:
        self.stalled += cycles

    def output(self, data: bytes, source: str) -> None:
        self.sent.append((self.now, source, data))

    def restart(self, reason: str, reach: Reach = EVERYTHING) -> None:
        self.restarts.append((reason, reach))

    def halt(self, reason: str) -> None:
        self.halts.append(reason)

    def read_flash(self, offset: int, size: int) -> bytes:
        return bytes(self.flash[(offset + i) % len(self.flash)] for i in range(size))

    def write_flash(self, offset: int, data: bytes) -> None:
        self.flash[offset : offset + len(data)] = data

    def memory_at(self, address: int) -> Memory | None:
        return next((memory for memory in self.memories if memory.base <= address < memory.end), None)

    def memory_changed(self, begin: int, end: int) -> None:
        self.changes.append((begin, end))

    def read_stall(self, address: int) -> int:
        return self.stall_of_flash

    flash_word_cycles = 60

    def note_dropped_store(self, address: int) -> None:
        self.dropped.append(address)

    def flush_cache(self) -> None:
        self.flushed += 1

    def set_flash_waits(self, states: int) -> None:
        self.flash_waits = states

    def enable_cache(self, enabled: bool) -> None:
        self.cache_enabled = enabled

    @property
    def pins(self) -> Any:
        self.sio.settle_pio(self.now)
        return self.sio.port.pins

    def update_pins(self) -> None:
        self.sio.update_pins(self.now)

    @property
    def outputs(self) -> tuple[int, int]:
        return self.sio.load(0x10), self.sio.load(0x20)

    def load_pio(self, number: int, offset: int) -> int:
        return self.sio.load_pio(number, offset, self.now)

    def store_pio(self, number: int, offset: int, alias: int, value: int) -> None:
        self.sio.store_pio(number, offset, value, self.now, alias)

    def reset_pio(self, number: int, is_held: bool) -> None:
        self.sio.reset_pio(number, self.now, is_held)

    @property
    def pio_requests(self) -> int:
        self.sio.settle_pio(self.now)
        return self.sio.dreqs

    @property
    def pio_now(self) -> int:
        return int(self.sio.core.pio.now)

    def watch_pio(self, numbers: int) -> None:
        self.sio.settle_pio(self.now)
        self.sio.core.pio.dreq_watched |= numbers

    def take_pio_news(self, numbers: int) -> int:
        news = int(self.sio.core.pio.news) & numbers
        self.sio.core.pio.news &= ~numbers
        return news

    def pio_uses(self, number: int) -> list[tuple[int, int, int]]:
        return [(note.count, note.offset, note.pc) for note in self.sio.core.pio.blocks[number].notes]

    # -- what a program does

    def run(self, bus: Bus, cycles: int) -> None:
        """Let time pass, serving events at their cycles."""
        end = self.now + cycles
        while self.wake is not None and self.wake <= end:
            self.now = max(self.now, self.wake)
            bus.advance()
        self.now = end

    def store_sio(self, bus: Bus, offset: int, value: int) -> None:
        """A store to the I/O port, and what the core does where that is news to the devices."""
        self.sio.port.now = self.now
        self.sio.store(offset, value)
        if self.pins.is_news:
            bus.advance()

    def load(self, bus: Bus, address: int, size: int = 4) -> int:
        if size == 4 and address in self.counters:
            start, since, numerator, denominator, shift = self.counters[address]
            return (start + (self.now - since) * numerator // denominator) >> shift & 0xFFFF_FFFF
        value, until = self.published.get(address, (0, 0))
        if size == 4 and address in self.published and (until is None or self.now < until):
            return value
        self.asked += 1
        loaded = bus.load(address, size)
        assert loaded is not None, hex(address)
        return loaded

    def store(self, bus: Bus, address: int, value: int, size: int = 4) -> None:
        assert bus.store(address, value, size), hex(address)
