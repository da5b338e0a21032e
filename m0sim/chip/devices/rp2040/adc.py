"""ADC: RP2040 datasheet, section 4.9. What it reads, the host says: volts do not exist here."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from fractions import Fraction

from m0sim.chip.devices.block import Register, TimedBlock
from m0sim.chip.devices.clock import Source, SystemClock, Ticks
from m0sim.chip.devices.interrupts import Interrupts
from m0sim.chip.devices.rp2040.dreq import Dreq

CONVERSION = 96
"""Cycles of clk_adc that a conversion takes: section 4.9.2.1."""
CHANNELS = 5
TEMPERATURE = 4
FIFO_DEPTH = 4
_STEPS = 4096
REFERENCE = Fraction(33, 10)
"""Volts at ADC_AVDD of the reference design."""
DEFAULTS = (0, 0, 0, 0, 876)
"""What channels read until somebody says otherwise: 0 V, and 27 degrees Celsius, 0.706 V of 3.3 V (section 4.9.5)."""

_ADC_IRQ_FIFO = 22
_EN, _TS_EN, _START_ONCE, _START_MANY, _READY = 1, 2, 4, 8, 1 << 8
_FCS_EN, _FCS_SHIFT, _FCS_DREQ_EN, _EMPTY, _FULL, _UNDER, _OVER = 1, 2, 8, 1 << 8, 1 << 9, 1 << 10, 1 << 11


class Adc(TimedBlock):
    """Conversions take their time, and never err."""

    CS, RESULT, FCS, FIFO, DIV = 0x00, 0x04, 0x08, 0x0C, 0x10
    INTR, INTE, INTF, INTS = 0x14, 0x18, 0x1C, 0x20

    def __init__(self, clock: SystemClock, clk_adc: Source) -> None:
        super().__init__(
            "ADC",
            0x4004_C000,
            (
                Register(self.CS, "CS", writable=0x1F_700B, clears=1 << 10),
                Register(self.RESULT, "RESULT", writable=0),
                Register(self.FCS, "FCS", writable=0xF00_000F, clears=_UNDER | _OVER),
                Register(self.FIFO, "FIFO", writable=0),
                Register(self.DIV, "DIV", writable=0xFF_FFFF),
                Register(self.INTR, "INTR", writable=0),
                Register(self.INTE, "INTE", writable=1),
                Register(self.INTF, "INTF", writable=1),
                Register(self.INTS, "INTS", writable=0),
            ),
        )
        self.values = list(DEFAULTS)
        """By channel, 0 to 4095: what conversions that end from now on give."""
        self._sources: dict[int, Callable[[Fraction], float]] = {}
        """Channels whose volts are a function of the time."""
        self._ticks = Ticks(clock, clk_adc)
        self._begin: Fraction | None = None
        """The tick in which the conversion under way, or the next one, begins."""
        self._samples: deque[int] = deque()
        self._errors = 0
        for source in (clock, clk_adc):
            source.watch(self._plan)
        self.loads = {self.CS: self._status, self.FCS: self._fifo_status, self.FIFO: self._read}
        self.stores = {self.CS: self._control, self.FCS: self._fifo_control, self.DIV: self._pace}
        self.volatile = {self.FIFO, self.FCS}
        offsets = (self.INTR, self.INTE, self.INTF, self.INTS)
        self._interrupts = Interrupts(self, (_ADC_IRQ_FIFO,), offsets, self._reached)

    def request(self) -> Dreq:
        """For samples, as many as there are, once there are as many as THRESH says: section 4.9.2.5."""
        return Dreq("ADC", self, self._to_be_read, self._sample_due)

    def _to_be_read(self) -> int:
        self._settle()
        self._plan()
        return len(self._samples) if self.words[self.FCS] & _FCS_DREQ_EN and self._reached() else 0

    def _sample_due(self) -> int | None:
        return None if self._begin is None else self._ticks.cycle_of(_ceil(self._begin + CONVERSION))

    channels, reference = CHANNELS, REFERENCE

    def apply(self, channel: int, volts: Fraction) -> None:
        """A channel is at so many volts: 0 to `REFERENCE` is 0 to 4095, to the nearest step."""
        self._settle()
        self._sources.pop(channel, None)
        self.values[channel] = self._step(volts)

    def follow(self, channel: int, volts: Callable[[Fraction], float]) -> None:
        """It is at what a function of the time says, asked where a conversion begins."""
        self._settle()
        self._sources[channel] = volts

    def _step(self, volts: Fraction) -> int:
        return min(max(0, int(volts * _STEPS / self.reference + Fraction(1, 2))), _STEPS - 1)

    def reset(self) -> None:
        """Off."""
        super().reset()
        self._begin, self._errors = None, 0
        self._samples.clear()
        self._interrupts.tell()

    def steady(self, offset: int) -> tuple[bool, int | None]:
        """READY and RESULT have their values until a conversion begins or ends."""
        is_steady, until = super().steady(offset)
        if self._begin is None:
            return is_steady, until
        tick = self._begin if self._begin > self._ticks.count() else self._begin + CONVERSION
        return is_steady, self._ticks.cycle_of(_ceil(tick))

    def _settle(self) -> None:
        """Carry out what conversions have ended."""
        now = self._ticks.count()
        while self._begin is not None and self._begin + CONVERSION <= now:
            many = self.words[self.CS] & _START_MANY
            if many and not self._is_heard():
                self._skip(now)
            self._convert()
            self._begin = self._begin + self._period() if many else None
        self._interrupts.tell()

    def _is_heard(self) -> bool:
        """Whether the FIFO takes the next sample."""
        return bool(self.words[self.FCS] & _FCS_EN) and len(self._samples) < FIFO_DEPTH

    def _skip(self, now: int) -> None:
        """Leave out conversions that nobody sees, all but the last."""
        assert self._begin is not None
        count = int((now - CONVERSION - self._begin) // self._period())
        if count > 0:
            if self.words[self.FCS] & _FCS_EN:
                self._errors |= _OVER
            self._begin += count * self._period()
            channels = self._rotation()
            for _ in range(count % len(channels) if channels else 0):
                self._next_channel()

    def _convert(self) -> None:
        channel = self.words[self.CS] >> 12 & 7
        if channel in self._sources:
            assert self._begin is not None
            began = self.bus.clock.seconds(self._ticks.cycle_of(_ceil(self._begin)))
            self.values[channel] = self._step(Fraction(self._sources[channel](began)))
        value = self.values[channel] if channel < CHANNELS else 0
        if channel == TEMPERATURE and not self.words[self.CS] & _TS_EN:
            value = 0
        self.words[self.RESULT] = value
        if self._is_heard():
            self._samples.append(value >> 4 if self.words[self.FCS] & _FCS_SHIFT else value)
        elif self.words[self.FCS] & _FCS_EN:
            self._errors |= _OVER
        self._next_channel()

    def _rotation(self) -> list[int]:
        return [channel for channel in range(CHANNELS) if self.words[self.CS] >> 16 + channel & 1]

    def _next_channel(self) -> None:
        channels = self._rotation()
        if channels:
            now = self.words[self.CS] >> 12 & 7
            following = next((channel for channel in channels if channel > now), channels[0])
            self.words[self.CS] = self.words[self.CS] & ~(7 << 12) | following << 12

    def _period(self) -> Fraction:
        """Ticks from the begin of a conversion to that of the next: of the pacing timer, as many as one takes."""
        div = self.words[self.DIV]
        if div == 0:
            return Fraction(CONVERSION)
        period = 1 + Fraction(div, 256)
        return period * _ceil(Fraction(CONVERSION) / period)

    def _plan(self) -> None:
        waits = self._begin is not None and (self._is_heard() or not self.words[self.CS] & _START_MANY)
        self.schedule(
            self._ticks.cycle_of(_ceil(self._begin + CONVERSION)) if waits and self._begin is not None else None
        )

    # -- registers

    def _status(self) -> int:
        converts = self._begin is not None and self._begin <= self._ticks.count()
        is_ready = self.words[self.CS] & _EN and not converts
        return self.words[self.CS] | (_READY if is_ready else 0)

    def _control(self, value: int) -> None:
        if not value & _EN:
            self._begin = None
        elif value & _START_MANY:
            self._begin = Fraction(self._ticks.count()) if self._begin is None else self._begin
        elif value & _START_ONCE:
            self._begin = Fraction(self._ticks.count())
        elif self._begin is not None and self._begin > self._ticks.count():
            self._begin = None

    def _pace(self, _: int) -> None:
        if self._begin is not None and self._begin > self._ticks.count():
            self._begin = Fraction(self._ticks.count())

    def _fifo_status(self) -> int:
        level = len(self._samples)
        flags = (_EMPTY if level == 0 else 0) | (_FULL if level == FIFO_DEPTH else 0) | self._errors
        return self.words[self.FCS] | level << 16 | flags

    def _fifo_control(self, value: int) -> None:
        self._errors &= ~value
        self._interrupts.tell()

    def _reached(self) -> int:
        level = len(self._samples)
        return int(level > 0 and level >= self.words[self.FCS] >> 24 & 0xF)

    def _read(self) -> int:
        if not self._samples:
            self._errors |= _UNDER
            return 0
        value = self._samples.popleft()
        self._interrupts.tell()
        self._plan()
        return value


def _ceil(value: Fraction) -> int:
    return -(-value.numerator // value.denominator)
