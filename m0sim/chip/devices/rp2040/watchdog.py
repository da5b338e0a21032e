"""WATCHDOG: the tick that the timer counts, a countdown that resets the chip, and scratch registers.

RP2040 datasheet, section 4.7. Erratum RP2040-E1 is modelled: a tick counts twice.
"""

from __future__ import annotations

from collections.abc import Callable

from m0sim.chip.devices.block import Block, Register
from m0sim.chip.devices.clock import Source, SystemClock, Ticks

_TRIGGER, _ENABLE, _PAUSES = 1 << 31, 1 << 30, 7 << 24
_TICK_ENABLE, _TICK_RUNNING = 1 << 9, 1 << 10
_PER_TICK = 2
_REASON_TIMER, _REASON_FORCE = 1, 2


class Watchdog(Block):
    """The countdown and the tick. Only the RUN pin resets it (section 4.7.1): what it holds outlives its own resets.

    That ENABLE is off behind a reset which the countdown made is assumed: the datasheet does not say it, but boards
    that boot so, and never look at the watchdog again, are not reset again and again.
    """

    CTRL, LOAD, REASON, SCRATCH0, TICK = 0x00, 0x04, 0x08, 0x0C, 0x2C

    def __init__(self, clock: SystemClock, clk_ref: Source) -> None:
        scratch = [Register(self.SCRATCH0 + 4 * i, f"SCRATCH{i}") for i in range(8)]
        super().__init__(
            "WATCHDOG",
            0x4005_8000,
            (
                Register(self.CTRL, "CTRL", _PAUSES, writable=_ENABLE | _PAUSES),
                Register(self.LOAD, "LOAD", writable=0),
                Register(self.REASON, "REASON", writable=0),
                *scratch,
                Register(self.TICK, "TICK", _TICK_ENABLE, writable=0x3FF),
            ),
        )
        self.fired: Callable[[str], None] = lambda reason: self.bus.host.restart(reason)
        """Called when it resets the chip, with why it does: what that reaches, others know."""
        self.tick = Source("watchdog tick")
        self._countdown = Source("watchdog countdown")
        self._clk_ref = clk_ref
        self._reference = Ticks(clock, clk_ref)
        self._tick_from = 0
        self._ticks = Ticks(clock, self._countdown)
        self._end = 0
        clk_ref.watch(self._tune)
        self.tick.watch(self._run)
        for source in (clock, self._countdown):
            source.watch(self._plan)
        self.loads = {self.CTRL: self._control, self.LOAD: lambda: 0, self.TICK: self._tick_register}
        self.stores = {self.CTRL: self._set_control, self.LOAD: self._load, self.TICK: self._set_tick}
        self.volatile = {self.CTRL, self.TICK}

    def reset(self) -> None:
        """As a reset that it made, or another one of the chip, leaves it."""
        self.words[self.CTRL] &= ~_ENABLE
        self._begin()

    def power_on(self) -> None:
        """As power-up leaves it."""
        self.words = {offset: register.reset for offset, register in self.registers.items()}
        self._begin()

    def _begin(self) -> None:
        self.schedule(None)
        self._end = _PER_TICK * self._ticks.count()
        self._tune()
        self._run()

    def at(self) -> None:
        """It has counted down to 0."""
        self._fire(_REASON_TIMER, "the watchdog's countdown ran out")

    def _fire(self, reason: int, text: str) -> None:
        self.words[self.REASON] = reason
        self.fired(text)

    def _left(self) -> int:
        return max(0, self._end - _PER_TICK * self._ticks.count())

    def _control(self) -> int:
        return self.words[self.CTRL] | self._left()

    def _set_control(self, value: int) -> None:
        self._run()
        if value & _TRIGGER:
            self._fire(_REASON_FORCE, "the program asked the watchdog for it")

    def _load(self, value: int) -> None:
        self._end = _PER_TICK * self._ticks.count() + (value & 0xFF_FFFF)
        self._plan()

    def _run(self) -> None:
        self._countdown.set(self.tick.hz if self.words[self.CTRL] & _ENABLE else 0)

    def _plan(self) -> None:
        runs = self._countdown.hz and self._left()
        self.schedule(self._ticks.cycle_of(-(-self._end // _PER_TICK)) if runs else None)

    def _set_tick(self, _: int) -> None:
        self._tick_from = self._reference.count()
        self._tune()

    def _tune(self) -> None:
        tick = self.words[self.TICK]
        cycles = tick & 0x1FF
        self.tick.set(self._clk_ref.hz / cycles if tick & _TICK_ENABLE and cycles else 0)

    def _tick_register(self) -> int:
        tick = self.words[self.TICK]
        cycles = tick & 0x1FF
        if not self.tick.hz:
            return tick
        left = cycles - (self._reference.count() - self._tick_from) % cycles
        return tick | _TICK_RUNNING | left << 11
