"""RTC: RP2040 datasheet, section 4.8. What is stored arrives at once; hardware takes two cycles of clk_rtc for that."""

from __future__ import annotations

from m0sim.chip.devices.block import Register, TimedBlock
from m0sim.chip.devices.clock import Source, SystemClock, Ticks
from m0sim.chip.devices.interrupts import Interrupts

_RTC_IRQ = 25
_ENABLE, _ACTIVE, _LOAD, _FORCE_NOTLEAPYEAR = 1, 2, 1 << 4, 1 << 8
_MATCH_ENA, _MATCH_ACTIVE = 1 << 28, 1 << 29
_START_TICKS = 2
"""Cycles of clk_rtc until it says that it runs."""
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_MATCHES = ((26, "year"), (25, "month"), (24, "day")), ((31, "dotw"), (30, "hour"), (29, "min"), (28, "sec"))
"""Enables of fields in IRQ_SETUP_0 and 1."""
_FIELDS = {
    "year": (0, 12, 0xFFF), "month": (0, 8, 0xF), "day": (0, 0, 0x1F),
    "dotw": (1, 24, 7), "hour": (1, 16, 0x1F), "min": (1, 8, 0x3F), "sec": (1, 0, 0x3F),
}  # fmt: skip
"""By name: the register of the two that it is in, its bit, and its mask."""


class Rtc(TimedBlock):
    """A calendar that counts seconds of clk_rtc / (CLKDIV_M1 + 1). A match is looked for when a second begins."""

    CLKDIV_M1, SETUP_0, SETUP_1, CTRL, IRQ_SETUP_0, IRQ_SETUP_1 = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14
    RTC_1, RTC_0, INTR, INTE, INTF, INTS = 0x18, 0x1C, 0x20, 0x24, 0x28, 0x2C

    def __init__(self, clock: SystemClock, clk_rtc: Source) -> None:
        super().__init__(
            "RTC",
            0x4005_C000,
            (
                Register(self.CLKDIV_M1, "CLKDIV_M1", writable=0xFFFF),
                Register(self.SETUP_0, "SETUP_0", writable=0xFF_FF1F),
                Register(self.SETUP_1, "SETUP_1", writable=0x71F_3F3F),
                Register(self.CTRL, "CTRL", writable=_ENABLE | _FORCE_NOTLEAPYEAR),
                Register(self.IRQ_SETUP_0, "IRQ_SETUP_0", writable=0x17FF_FF1F),
                Register(self.IRQ_SETUP_1, "IRQ_SETUP_1", writable=0xF71F_3F3F),
                Register(self.RTC_1, "RTC_1", writable=0),
                Register(self.RTC_0, "RTC_0", writable=0),
                Register(self.INTR, "INTR", writable=0),
                Register(self.INTE, "INTE", writable=1),
                Register(self.INTF, "INTF", writable=1),
                Register(self.INTS, "INTS", writable=0),
            ),
        )
        self._ticks = Ticks(clock, clk_rtc)
        self._time = dict.fromkeys(_FIELDS, 0)
        self._enabled_at: int | None = None
        self._second_at = 0
        """The tick in which the current second began."""
        for source in (clock, clk_rtc):
            source.watch(self._plan)
        self.loads = {self.CTRL: self._status, self.IRQ_SETUP_0: self._match_status, self.RTC_0: self._latch}
        self.stores = {
            self.CTRL: self._control,
            self.IRQ_SETUP_0: self._match,
            self.IRQ_SETUP_1: lambda _: self._plan(),
        }
        self.volatile = {self.CTRL, self.RTC_0, self.RTC_1}
        self._interrupts = Interrupts(self, (_RTC_IRQ,), (self.INTR, self.INTE, self.INTF, self.INTS))
        del self.stores[self.INTR]  # it cannot be cleared there

    def reset(self) -> None:
        """Off, all 0."""
        super().reset()
        self._time = dict.fromkeys(_FIELDS, 0)
        self._enabled_at = None
        self._interrupts.reset()

    def _settle(self) -> None:
        if self._enabled_at is None:
            return
        now, second = self._ticks.count(), self.words[self.CLKDIV_M1] + 1
        while self._second_at + second <= now:
            self._second_at += second
            self._step()
            if self.words[self.IRQ_SETUP_0] & _MATCH_ENA and self._is_match():
                self._interrupts.latch(1)

    def _plan(self) -> None:
        waits = self._enabled_at is not None and self.words[self.IRQ_SETUP_0] & _MATCH_ENA
        following = self._second_at + self.words[self.CLKDIV_M1] + 1
        self.schedule(self._ticks.cycle_of(following) if waits else None)

    def _step(self) -> None:
        """One second."""
        time = self._time
        for field, limit in (("sec", 60), ("min", 60), ("hour", 24)):
            time[field] = (time[field] + 1) % limit
            if time[field]:
                return
        time["dotw"] = (time["dotw"] + 1) % 7
        is_leap = time["year"] % 4 == 0 and not self.words[self.CTRL] & _FORCE_NOTLEAPYEAR
        days = 29 if time["month"] == 2 and is_leap else _DAYS[(time["month"] - 1) % 12]
        time["day"] += 1
        if time["day"] > days:
            time["day"] = 1
            time["month"] += 1
            if time["month"] > 12:
                time["month"] = 1
                time["year"] = (time["year"] + 1) & 0xFFF

    def _is_match(self) -> bool:
        for i, fields in enumerate(_MATCHES):
            setup = self.words[self.IRQ_SETUP_0 + 4 * i]
            for bit, name in fields:
                _, shift, mask = _FIELDS[name]
                if setup >> bit & 1 and setup >> shift & mask != self._time[name]:
                    return False
        return True

    # -- registers

    def _packed(self, which: int) -> int:
        return sum(self._time[name] << shift for name, (there, shift, _) in _FIELDS.items() if there == which)

    def _latch(self) -> int:
        self.words[self.RTC_1] = self._packed(0)
        return self._packed(1)

    def _status(self) -> int:
        is_active = self._enabled_at is not None and self._ticks.count() >= self._enabled_at + _START_TICKS
        return self.words[self.CTRL] | (_ACTIVE if is_active else 0)

    def _control(self, value: int) -> None:
        if value & _LOAD:
            for name, (which, shift, mask) in _FIELDS.items():
                self._time[name] = self.words[self.SETUP_0 + 4 * which] >> shift & mask
        if not value & _ENABLE:
            self._enabled_at = None
        elif self._enabled_at is None:
            self._enabled_at = self._second_at = self._ticks.count()

    def _match_status(self) -> int:
        word = self.words[self.IRQ_SETUP_0]
        return word | (_MATCH_ACTIVE if word & _MATCH_ENA else 0)

    def _match(self, value: int) -> None:
        if not value & _MATCH_ENA:
            self._interrupts.reset()
