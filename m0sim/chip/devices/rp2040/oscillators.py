"""XOSC and ROSC, the two oscillators: RP2040 datasheet, sections 2.16 and 2.17."""

from __future__ import annotations

from fractions import Fraction

from m0sim.chip.devices.block import WORD, Block, Register
from m0sim.chip.devices.clock import Source, SystemClock, Ticks

XOSC_HZ = 12_000_000
"""The crystal of the reference design and of every board of Raspberry Pi: section 2.16.1."""
ROSC_HZ = 6_500_000
"""Section 2.7: clk_sys and clk_ref start at typically 6.5 MHz, which is the ring oscillator divided by 16."""

_ENABLE, _DISABLE = 0xFAB, 0xD1E
_STABLE, _BADWRITE, _DIV_RUNNING, _ENABLED = 1 << 31, 1 << 24, 1 << 16, 1 << 12
_COMA, _WAKE = 0x636F_6D61, 0x7761_6B65
_DIV_PASS, _FREQ_PASS = 0xAA0, 0x9696
_RANGES = {0xFA4: Fraction(1), 0xFA5: Fraction(4, 3), 0xFA7: Fraction(2), 0xFA6: Fraction(4)}
"""FREQ_RANGE low, medium, high and too high, and how much faster section 2.17.3 says that each is."""


class _Countdown:
    """The COUNT register of an oscillator: 8 bits that count down to 0 with its ticks."""

    def __init__(self, clock: SystemClock, source: Source) -> None:
        self._ticks = Ticks(clock, source)
        self._end = 0

    def load(self) -> int:
        return min(max(0, self._end - self._ticks.count()), 0xFF)

    def store(self, value: int) -> None:
        self._end = self._ticks.count() + (value & 0xFF)


class Xosc(Block):
    """The crystal oscillator. It is stable STARTUP.DELAY * 256 of its cycles after it was enabled."""

    CTRL, STATUS, DORMANT, STARTUP, COUNT = 0x00, 0x04, 0x08, 0x0C, 0x1C

    def __init__(self, clock: SystemClock, hz: int = XOSC_HZ) -> None:
        super().__init__(
            "XOSC",
            0x4002_4000,
            (
                Register(self.CTRL, "CTRL", writable=0xFF_FFFF),
                Register(self.STATUS, "STATUS", writable=0, clears=_BADWRITE),
                Register(self.DORMANT, "DORMANT", _WAKE),
                Register(self.STARTUP, "STARTUP", 0x00C4, writable=0x10_3FFF),
                Register(self.COUNT, "COUNT", writable=0),
            ),
        )
        self.source = Source("xosc")
        self._hz = hz
        self._is_enabled = self._is_stable = self._bad_write = False
        self._count = _Countdown(clock, self.source)
        self.loads = {self.STATUS: self._status, self.COUNT: self._count.load}
        self.stores = {
            self.CTRL: self._control,
            self.STATUS: self._clear,
            self.DORMANT: self._sleep,
            self.COUNT: self._count.store,
        }
        self.volatile = {self.COUNT}

    def reset(self) -> None:
        """Off, as after power-up."""
        super().reset()
        self._is_enabled = self._is_stable = self._bad_write = False
        self.source.set(0)

    def at(self) -> None:
        """It has become stable."""
        self._is_stable = True
        self.source.set(self._hz)

    def _status(self) -> int:
        return self._is_stable * _STABLE | self._bad_write * _BADWRITE | self._is_enabled * _ENABLED

    def _control(self, value: int) -> None:
        enable = value >> 12 & 0xFFF
        if enable == _ENABLE and not self._is_enabled:
            self._is_enabled = True
            startup = self.words[self.STARTUP]
            cycles = (startup & 0x3FFF) * 256 * (4 if startup >> 20 & 1 else 1)
            self.schedule_in(Fraction(cycles, self._hz))
        elif enable == _DISABLE:
            self._is_enabled = self._is_stable = False
            self.schedule(None)
            self.source.set(0)
        elif enable != _ENABLE:
            self._bad_write = True

    def _clear(self, value: int) -> None:
        if value & _BADWRITE:
            self._bad_write = False

    def _sleep(self, value: int) -> None:
        if value == _COMA:
            self.bus.unmodelled(self, self.DORMANT, value, "dormant mode")
            self.bus.host.halt("the crystal oscillator was put to sleep (XOSC DORMANT): dormant mode is not modelled")


class Rosc(Block):
    """The ring oscillator, at its typical frequency always: real ones are off by up to 4 times (section 2.15.2.1)."""

    CTRL, FREQA, FREQB, DORMANT, DIV, PHASE, STATUS, RANDOMBIT, COUNT = range(0, 0x24, 4)

    def __init__(self, clock: SystemClock, hz: int = ROSC_HZ) -> None:
        super().__init__(
            "ROSC",
            0x4006_0000,
            (
                Register(self.CTRL, "CTRL", 0xAA0, writable=0xFF_FFFF),
                Register(self.FREQA, "FREQA", effect=False),
                Register(self.FREQB, "FREQB", effect=False),
                Register(self.DORMANT, "DORMANT", _WAKE),
                Register(self.DIV, "DIV", _DIV_PASS + 16, writable=0xFFF),
                Register(self.PHASE, "PHASE", 0x08, writable=0xFFF),
                Register(self.STATUS, "STATUS", writable=0, clears=_BADWRITE),
                Register(self.RANDOMBIT, "RANDOMBIT", 1, writable=0),
                Register(self.COUNT, "COUNT", writable=0),
            ),
        )
        self.source = Source("rosc", hz)
        self._undivided = Fraction(hz * 16)
        self._random = 1
        self._is_enabled, self._bad_write = True, False
        self._count = _Countdown(clock, self.source)
        self.loads = {self.STATUS: self._status, self.RANDOMBIT: self._random_bit, self.COUNT: self._count.load}
        self.stores = {
            self.CTRL: self._control,
            self.DIV: self._divide,
            self.STATUS: self._clear,
            self.DORMANT: self._sleep,
            self.COUNT: self._count.store,
        }
        self.volatile = {self.RANDOMBIT, self.COUNT}

    def reset(self) -> None:
        """Running, divided by 16."""
        super().reset()
        self._is_enabled, self._bad_write = True, False
        self._random = 1
        self._tune()

    def _status(self) -> int:
        running = _STABLE | _DIV_RUNNING | _ENABLED if self._is_enabled else 0
        return running | self._bad_write * _BADWRITE

    def _random_bit(self) -> int:
        """A bit of a fixed sequence (x^32 + x^22 + x^2 + x + 1), so that every run is the same."""
        bit = self._random & 1
        self._random = self._random >> 1 ^ (0x8020_0003 if bit else 0)
        return bit

    def _control(self, value: int) -> None:
        enable = value >> 12 & 0xFFF
        if enable in (_ENABLE, _DISABLE):
            self._is_enabled = enable == _ENABLE
        elif enable or value & 0xFFF not in _RANGES | {0xAA0: 1}:
            self._bad_write = True
        self._tune()

    def _divide(self, value: int) -> None:
        if not _DIV_PASS <= value & WORD < _DIV_PASS + 32:
            self._bad_write = True  # hardware then divides by 32: the register says so
        self._tune()

    def _tune(self) -> None:
        div = self.words[self.DIV]
        divisor = div - _DIV_PASS if _DIV_PASS < div < _DIV_PASS + 32 else 32
        faster = _RANGES.get(self.words[self.CTRL] & 0xFFF, Fraction(1))
        self.source.set(self._undivided * faster / divisor if self._is_enabled else 0)

    def _clear(self, value: int) -> None:
        if value & _BADWRITE:
            self._bad_write = False

    def _sleep(self, value: int) -> None:
        if value == _COMA:
            self.bus.unmodelled(self, self.DORMANT, value, "dormant mode")
            self.bus.host.halt("the ring oscillator was put to sleep (ROSC DORMANT): dormant mode is not modelled")
