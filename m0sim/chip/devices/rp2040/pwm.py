"""PWM: eight slices that count. RP2040 datasheet, section 4.5.

A slice's outputs are followed only where somebody looks at pins that have them: see `Pwm.follow`.
"""

from __future__ import annotations

from functools import partial

from m0sim.chip.devices.block import Register, TimedBlock
from m0sim.chip.devices.interrupts import Interrupts
from m0sim.chip.devices.rp2040.dreq import Dreq
from m0sim.chip.devices.rp2040.gpio import F_PWM, PINS, IoBank0

SLICES = 8
_PWM_IRQ_WRAP = 4
_EN, _PH_CORRECT, _A_INV, _B_INV, _DIVMODE, _PH_RET, _PH_ADV = 1, 2, 4, 8, 3 << 4, 1 << 6, 1 << 7
_SIXTEENTHS = 16


class _Slice:
    """One counter, brought up to date when somebody asks. Positions are steps within a period, from its wrap on."""

    def __init__(self) -> None:
        self.is_enabled = self.is_phase_correct = False
        self.inverted = 0
        self.divider = _SIXTEENTHS
        self.top, self.compare = 0xFFFF, (0, 0)
        self.next_top, self.next_compare = 0xFFFF, (0, 0)
        """What the program stored; taken over when the counter wraps, or at once while it stands."""
        self.position = 0
        self.wraps = 0
        """All up to now."""
        self._since, self._phase = 0, 0

    @property
    def period(self) -> int:
        """Steps from wrap to wrap."""
        return (self.top + 1) * (2 if self.is_phase_correct else 1)

    def settle(self, now: int) -> bool:
        """Count to that cycle; whether the counter wrapped."""
        if not self.is_enabled:
            self._since = now
            self.top, self.compare = self.next_top, self.next_compare
            return False
        sixteenths = self._phase + _SIXTEENTHS * (now - self._since)
        steps, self._phase = divmod(sixteenths, self.divider)
        self._since = now
        self.position += steps
        if self.position < self.period:
            return False
        self.position -= self.period
        self.top, self.compare = self.next_top, self.next_compare
        more, self.position = divmod(self.position, self.period)
        self.wraps += 1 + more
        return True

    def restart(self) -> None:
        """The divider begins anew."""
        self._phase = 0

    def cycle_of(self, position: int) -> int:
        """The cycle in which the counter comes to a later position of this period."""
        sixteenths = (position - self.position) * self.divider - self._phase
        return self._since - (-sixteenths // _SIXTEENTHS)

    @property
    def count(self) -> int:
        """CTR."""
        return self.position if self.position <= self.top else max(0, 2 * self.top + 1 - self.position)

    def level(self, channel: int) -> int:
        """The output A or B."""
        return int(self.count < self.compare[channel]) ^ (self.inverted >> channel & 1)

    def next_edge(self) -> int:
        """The position at which an output may change next; the period's end at the latest."""
        edges = [self.period, *self.compare]
        if self.is_phase_correct:
            edges += [2 * self.top + 2 - compare for compare in self.compare]
        return min(edge for edge in edges if edge > self.position)


class Pwm(TimedBlock):
    """The slices. Counting what comes in at a B pin is not modelled: such a slice stands."""

    CSR, DIV, CTR, CC, TOP = 0x00, 0x04, 0x08, 0x0C, 0x10
    STRIDE, EN = 0x14, 0xA0
    INTR, INTE, INTF, INTS = 0xA4, 0xA8, 0xAC, 0xB0

    def __init__(self, io_bank0: IoBank0) -> None:
        super().__init__("PWM", 0x4005_0000, _registers())
        self._io = io_bank0
        self._slices = [_Slice() for _ in range(SLICES)]
        self._followed: dict[int, list[int]] = {}
        """Pins whose levels are followed, by slice."""
        self._interrupts = Interrupts(self, (_PWM_IRQ_WRAP,), (self.INTR, self.INTE, self.INTF, self.INTS))
        for i in range(SLICES):
            base = self.STRIDE * i
            self.loads[base + self.CTR] = partial(self._count, i)
            self.stores |= {
                base + self.CSR: partial(self._control, i),
                base + self.DIV: partial(self._divide, i),
                base + self.CTR: partial(self._set_count, i),
                base + self.CC: partial(self._compare, i),
                base + self.TOP: partial(self._top, i),
            }
            self.volatile |= {base + self.CTR, base + self.CSR}
        self.loads[self.EN] = lambda: sum(1 << i for i, s in enumerate(self._slices) if s.is_enabled)
        self.stores[self.EN] = self._enable
        self.volatile |= {self.EN, self.INTR, self.INTS}
        io_bank0.followers.append(self.follow)

    def reset(self) -> None:
        """All stand at 0."""
        super().reset()
        self._slices = [_Slice() for _ in range(SLICES)]
        self._interrupts.reset()
        self.follow()

    def request(self, i: int) -> Dreq:
        """A pulse each time that a slice wraps: section 4.5.2.4."""
        return Dreq(f"PWM_WRAP{i}", self, partial(self._wraps, i), partial(self._wrap_due, i), comes_in_pulses=True)

    def _wraps(self, i: int) -> int:
        self._settle()
        return self._slices[i].wraps

    def _wrap_due(self, i: int) -> int | None:
        counter = self._slices[i]
        return counter.cycle_of(counter.period) if counter.is_enabled else None

    def follow(self) -> None:
        """Find out which pins show a slice to somebody: to a log of changes, or to an interrupt of the pin."""
        pins = self.bus.host.pins
        self._followed = {}
        for pin in self._io.pins_of(F_PWM, range(PINS)):
            if pins.log_capacity or pins.watched >> pin & 1:
                self._followed.setdefault(pin >> 1 & 7, []).append(pin)
        self._plan()

    def _settle(self) -> None:
        now, wrapped = self.bus.clock.now, 0
        for i, counter in enumerate(self._slices):
            if counter.settle(now):
                wrapped |= 1 << i
        if wrapped:
            self._interrupts.latch(wrapped)

    def _plan(self) -> None:
        cycles = []
        for i, counter in enumerate(self._slices):
            for pin in self._followed.get(i, ()):
                self._io.put(F_PWM, pin, counter.level(pin & 1))
            if not counter.is_enabled:
                continue
            if i in self._followed:
                cycles.append(counter.cycle_of(counter.next_edge()))
            elif self.words[self.INTE] >> i & 1:
                cycles.append(counter.cycle_of(counter.period))
        self.schedule(min(cycles, default=None))

    # -- registers

    def _count(self, i: int) -> int:
        return self._slices[i].count

    def _set_count(self, i: int, value: int) -> None:
        self._slices[i].position = value & 0xFFFF

    def _control(self, i: int, value: int) -> None:
        counter = self._slices[i]
        if value & _DIVMODE:
            self.bus.unmodelled(self, self.STRIDE * i, value, "counting by the B pin")
        is_enabled = bool(value & _EN) and not value & _DIVMODE
        if is_enabled and not counter.is_enabled:
            counter.restart()
        counter.is_enabled = is_enabled
        counter.is_phase_correct = bool(value & _PH_CORRECT)
        counter.inverted = value >> 2 & 3
        if value & (_PH_ADV | _PH_RET) and is_enabled:
            counter.position = max(0, counter.position + (1 if value & _PH_ADV else -1))

    def _enable(self, value: int) -> None:
        for i in range(SLICES):
            register = self.STRIDE * i + self.CSR
            self.words[register] = self.words[register] & ~_EN | value >> i & 1
            self._control(i, self.words[register])

    def _divide(self, i: int, value: int) -> None:
        self._slices[i].divider = value & 0xFFF if value & 0xFF0 else 256 * _SIXTEENTHS | value & 0xF

    def _compare(self, i: int, value: int) -> None:
        self._slices[i].next_compare = (value & 0xFFFF, value >> 16)
        self._slices[i].settle(self.bus.clock.now)

    def _top(self, i: int, value: int) -> None:
        self._slices[i].next_top = value & 0xFFFF
        self._slices[i].settle(self.bus.clock.now)


def _registers() -> list[Register]:
    registers = []
    for i in range(SLICES):
        base = Pwm.STRIDE * i
        registers += [
            Register(base + Pwm.CSR, f"CH{i}_CSR", writable=0x3F),
            Register(base + Pwm.DIV, f"CH{i}_DIV", 0x10, writable=0xFFF),
            Register(base + Pwm.CTR, f"CH{i}_CTR", writable=0),
            Register(base + Pwm.CC, f"CH{i}_CC"),
            Register(base + Pwm.TOP, f"CH{i}_TOP", 0xFFFF, writable=0xFFFF),
        ]
    return [
        *registers,
        Register(Pwm.EN, "EN", writable=0),
        Register(Pwm.INTR, "INTR", writable=0, clears=0xFF),
        Register(Pwm.INTE, "INTE", writable=0xFF),
        Register(Pwm.INTF, "INTF", writable=0xFF),
        Register(Pwm.INTS, "INTS", writable=0),
    ]
