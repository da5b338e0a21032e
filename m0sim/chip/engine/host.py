"""What devices ask of the chip that they are in, and of the world around it: `m0sim.chip.devices.host.Host`."""

from __future__ import annotations

import ctypes
from bisect import bisect_right
from contextlib import suppress
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from m0sim.chip.devices.clock import SystemClock
from m0sim.chip.devices.host import EVERYTHING, PinState, Reach
from m0sim.chip.devices.memories import Memory
from m0sim.chip.engine.cores import Cores
from m0sim.chip.engine.emulator import Emulator
from m0sim.chip.engine.interpreter import Interpreter
from m0sim.chip.engine.memories import Memories
from m0sim.chip.engine.printed import Output
from m0sim.chip.engine.processor import Processor
from m0sim.chip.native import layout
from m0sim.chip.native.layout import Stop
from m0sim.chip.native.library import CORE
from m0sim.chip.run_cost import ClockRate, Exit
from m0sim.chip.timeline import TimeScale

PIN_LOG = 1 << 16
"""Changes of pins that there is room for between two slices."""
SLICE_WITH_PINS = PIN_LOG // 2
"""Cycles of one: in each PIO may change pins, and so may an instruction."""
_STEP_LOG = 8 * SLICE_WITH_PINS + PIN_LOG
"""Of eight state machines in each cycle, and of stores."""


class ChipHost:
    """The host of all devices of one run."""

    def __init__(self, chip: Emulator, interpreter: Interpreter, cores: Cores, output: Output) -> None:
        self._chip, self._interpreter, self._cores = chip, interpreter, cores
        self._output = output
        self._tables = chip.counters.tables
        self._pio: Any = self._tables.core.pio
        self.ended: Exit | None = None
        """Set by a device that ends the run."""
        self.restarts: tuple[str, Reach] | None = None
        """A reset that is due: why, and of what."""
        self.dropped_stores = 0
        """Stores to flash or ROM, which hardware drops."""
        self._rates: list[ClockRate] = []
        self._times: list[tuple[int, Fraction, Fraction]] = []  # of each rate: its cycle, seconds then, and hertz

    @cached_property
    def _memories(self) -> Memories:
        """As the run has them once it has begun."""
        return Memories(self._chip, self._interpreter, self._cores.forget_code)

    def follow(self, clock: SystemClock) -> None:
        """Note how fast the core's clock runs, from now on."""
        self._clock = clock
        self._note_rate()
        clock.watch(self._note_rate)

    def _note_rate(self) -> None:
        clock = self._clock
        if self._rates and self._rates[-1].cycle == clock.now:
            self._rates.pop()
            self._times.pop()
        self._rates.append(ClockRate(clock.now, float(clock.hz)))
        self._times.append((clock.now, clock.seconds(), clock.hz))

    def rates_since(self, cycle: int) -> tuple[ClockRate, ...]:
        """The clock's frequency at a cycle, and those after it."""
        at = bisect_right(self._rates, cycle, key=lambda rate: rate.cycle) - 1
        return tuple(self._rates[at:])

    def seconds_at(self, cycle: int) -> float:
        """Time from reset to a cycle."""
        at = bisect_right(self._times, cycle, key=lambda time: time[0]) - 1
        since, seconds, hz = self._times[at]
        return float(seconds + (cycle - since) / hz if hz else seconds)

    @property
    def scale(self) -> TimeScale:
        """When each cycle is, up to now."""
        return TimeScale(tuple(self._times))

    @property
    def _processor(self) -> Processor:
        return self._cores.running

    @property
    def now(self) -> int:
        running = self._cores.running
        if self._cores.contends and running.core.stop == Stop.DUE:
            return int(running.core.system.due_at)  # who gets the bus behind that, nobody knows yet
        return running.now

    @property
    def pc(self) -> int:
        return self._processor.pc

    def set_line(self, number: int, level: bool) -> None:
        self._cores.set_line(number, level)

    def set_line_of(self, core: int, number: int, level: bool) -> None:
        if core == 0:
            self._cores.first.set_line(number, level)
        else:
            self._cores.set_line_of_second(number, level)

    def hold_second_core(self, is_held: bool) -> None:
        self._cores.hold(is_held)

    def restart_second_core(self) -> None:
        self._cores.restart_second()

    def send_event(self) -> None:
        self._cores.send_event()

    def wake_at(self, cycle: int | None) -> None:
        self._cores.wake_at(cycle)

    def publish(self, address: int, value: int, until: int | None = None) -> None:
        with suppress(ValueError):  # no room: then every load comes here, which is as right
            self._cores.first.publish(address, value, until)

    def publish_counter(
        self, address: int, start: int, since: int, numerator: int, denominator: int, shift: int = 0
    ) -> None:
        with suppress(ValueError):
            self._cores.first.publish_counter(address, start, since, numerator, denominator, shift)

    def withdraw(self, address: int) -> None:
        with suppress(ValueError):
            self._cores.first.withdraw(address)

    def stall(self, cycles: int) -> None:
        self._processor.access.stalls += cycles

    def output(self, data: bytes, source: str) -> None:
        self._output.add(source, data, self.now)

    def note_dropped_store(self, address: int) -> None:
        """A store to memory that is not written so: hardware drops it. The line of the flash cache goes."""
        self.dropped_stores += 1
        if self._interpreter.cache is not None:
            self._interpreter.cache.drop(address)

    def set_bus_priority(self, masters: int) -> None:
        self._cores.fabric.priority = masters

    @property
    def contends(self) -> bool:
        return self._cores.contends

    def ask_for_bus(self, master: int, address: int, cycle: int, hold: int) -> int | None:
        number = int(CORE.m0_ask_as(self._tables.address, master, address, cycle, hold))
        return None if number < 0 else number

    def bus_granted_at(self, master: int, number: int) -> int | None:
        asking = self._cores.fabric.masters[master]
        return int(asking.granted_at[number & 15]) if asking.granted > number else None

    def withdraw_from_bus(self, master: int) -> None:
        self._cores.withdraw_from_fabric(master)

    def bus_accesses(self, port: int, *, contested: bool) -> int | None:
        fabric = self._cores.fabric
        if not fabric.is_on:
            return None
        return int(fabric.ports[port].contested if contested else fabric.ports[port].accesses)

    def memory_at(self, address: int) -> Memory | None:
        return self._memories.at(address)

    def memory_changed(self, begin: int, end: int) -> None:
        self._memories.changed(begin, end)

    @property
    def flash_word_cycles(self) -> int:
        cache = self._chip.device.xip_cache
        return cache.miss_cycles_per_word if cache is not None and self._interpreter.lets_flash_wait else 1

    def read_stall(self, address: int) -> int:
        return self._memories.read_stall(address)

    def restart(self, reason: str, reach: Reach = EVERYTHING) -> None:
        self.restarts = reason, reach

    def halt(self, reason: str) -> None:
        self.ended = Exit("fault", None, reason)

    def read_flash(self, offset: int, size: int) -> bytes:
        return bytes(self._flash[np.arange(offset, offset + size) % len(self._flash)])

    def write_flash(self, offset: int, data: bytes) -> None:
        self._flash[np.arange(offset, offset + len(data)) % len(self._flash)] = np.frombuffer(data, np.uint8)
        self._cores.forget_code()

    def flush_cache(self) -> None:
        if self._interpreter.cache is not None:
            self._interpreter.cache.empty()

    @property
    def _flash(self) -> npt.NDArray[np.uint8]:
        bank = next(bank for bank in self._chip.space.banks if bank.kind == "flash")
        return bank.data[: bank.size]

    def set_flash_waits(self, states: int) -> None:
        self._interpreter.set_flash_waits(states)

    def enable_cache(self, enabled: bool) -> None:
        if self._interpreter.cache is not None:
            self._interpreter.cache.disable(not enabled)

    @property
    def cache_counts(self) -> tuple[int, int]:
        hits, code, data = self._cores.cache_counts
        hits += self._memories.hits
        return hits, hits + code + data + self._memories.misses

    def reset_port(self) -> None:
        """The I/O port as a reset leaves it."""
        self._clock.now = self.now
        self._settle_pio()
        self._cores.reset_port()
        self.update_pins()

    @property
    def pins(self) -> PinState:
        self._settle_pio()
        shared: PinState = self._chip.counters.core.port.pins
        return shared

    def log_pins(self) -> None:
        """Make room for what the pins do until the next time."""
        shared = self._chip.counters.core.port.pins
        if not shared.log_capacity:
            self._chip.counters.tables.share("log", np.zeros(PIN_LOG, layout.PIN_CHANGE), shared)
            shared.log_capacity = PIN_LOG
            self._tables.share("log", np.zeros(_STEP_LOG, layout.PIO_STEP), self._pio)
            self._pio.log_capacity = _STEP_LOG
        shared.log_count = self._pio.log_count = 0

    def pin_changes(self) -> npt.NDArray[Any]:
        """What the pins did since `log_pins`: rows of `layout.PIN_CHANGE`, a copy."""
        CORE.m0_pio_settle(self._tables.address, self.now)
        shared = self._chip.counters.core.port.pins
        count = shared.log_count
        return self._tables.of("log", shared)[:count].copy()

    def machine_steps(self) -> npt.NDArray[Any]:
        """Where PIO's state machines went since `log_pins`, up to `pin_changes`: rows of `layout.PIO_STEP`, a copy."""
        return self._tables.of("log", self._pio)[: self._pio.log_count].copy()

    def update_pins(self) -> None:
        CORE.m0_update_pins(self._tables.address, self._clock.now)

    # -- PIO

    def _settle_pio(self) -> None:
        """Bring PIO to the cycle that devices act in, which may be before that of the processor."""
        if self._pio.is_running:
            CORE.m0_pio_settle(self._tables.address, self._clock.now)

    def load_pio(self, number: int, offset: int) -> int:
        return int(CORE.m0_pio_load(self._tables.address, self.pc, self._clock.now, number, offset))

    def store_pio(self, number: int, offset: int, alias: int, value: int) -> None:
        CORE.m0_pio_store(self._tables.address, self.pc, self._clock.now, number, offset, alias, value)

    def reset_pio(self, number: int, is_held: bool) -> None:
        CORE.m0_pio_reset(self._tables.address, number, is_held, self._clock.now)

    @property
    def pio_requests(self) -> int:
        self._settle_pio()
        return int(CORE.m0_pio_dreqs(ctypes.addressof(self._pio)))

    @property
    def pio_now(self) -> int:
        return int(self._pio.now)

    def watch_pio(self, numbers: int) -> None:
        self._settle_pio()
        self._pio.dreq_watched |= numbers
        self._pio.event_at = 0

    def take_pio_news(self, numbers: int) -> int:
        news = int(self._pio.news) & numbers
        self._pio.news &= ~numbers
        return news

    def pio_uses(self, number: int) -> list[tuple[int, int, int]]:
        return [(note.count, note.offset, note.pc) for note in self._pio.blocks[number].notes]

    def pio_counts(self) -> npt.NDArray[Any]:
        """What the state machines did since the first reset: `layout.PIO_COUNTS[8]`, a copy."""
        CORE.m0_pio_settle_counts(self._tables.address, self.now)
        return np.array(self._tables.core.pio_counts, layout.PIO_COUNTS)

    @property
    def outputs(self) -> tuple[int, int]:
        words = self._chip.counters.tables["words"]
        return int(words[0x10 // 4]), int(words[0x20 // 4])  # GPIO_OUT, GPIO_OE: RP2040 datasheet, 2.3.1.7
