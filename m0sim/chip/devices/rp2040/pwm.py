"""PWM: eight slices that count. RP2040 datasheet, section 4.5.

A slice's outputs are followed only where somebody may look at pins that have them at any time: see `Pwm.follow`. Where
the core alone looks, GPIO_IN is asked for: see `Sio`.
"""

from __future__ import annotations

from functools import partial

from m0sim.chip.devices.block import Register, TimedBlock
from m0sim.chip.devices.interrupts import Interrupts
from m0sim.chip.devices.rp2040.dreq import Dreq
from m0sim.chip.devices.rp2040.gpio import F_PWM, PINS, IoBank0

SLICES = 8
_PWM_IRQ_WRAP = 4
_EN, _PH_CORRECT, _A_INV, _B_INV, _PH_RET, _PH_ADV = 1, 2, 4, 8, 1 << 6, 1 << 7
_FREE, _LEVEL, _RISE, _FALL = range(4)
"""DIVMODE, section 4.5.2.5: what counts, or rather what goes to the divider."""
_SIXTEENTHS = 16


class _Slice:
    """One counter, brought up to date when somebody asks. Positions are steps within a period, from its wrap on."""

    def __init__(self) -> None:
        self.is_enabled = self.is_phase_correct = False
        self.mode = _FREE
        self.input = 0
        """The level that the slice sees at its B pins, as an input."""
        self._edges = 0
        """Of the input: those that count, and have not gone to the divider yet."""
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
        events = (now - self._since) * self.runs if self.mode <= _LEVEL else self._edges
        self._edges = 0
        if not self.is_enabled:
            self._since = now
            self.top, self.compare = self.next_top, self.next_compare
            return False
        sixteenths = self._phase + _SIXTEENTHS * events
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

    def see(self, level: int) -> None:
        """The input has this level from now on, to which the slice was brought."""
        if level != self.input:
            self._edges += self.mode == (_RISE if level else _FALL)
            self.input = level

    @property
    def runs(self) -> bool:
        """Whether it counts in each cycle."""
        return self.is_enabled and (self.mode == _FREE or (self.mode == _LEVEL and bool(self.input)))

    def cycle_of(self, position: int) -> int | None:
        """The cycle in which the counter comes to a later position of this period, if it runs on until then."""
        if not self.runs:
            return None
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
    """The slices. What comes in at a B pin is there in the cycle in which the pin changes: flip-flops are left out."""

    CSR, DIV, CTR, CC, TOP = 0x00, 0x04, 0x08, 0x0C, 0x10
    STRIDE, EN = 0x14, 0xA0
    INTR, INTE, INTF, INTS = 0xA4, 0xA8, 0xAC, 0xB0

    def __init__(self, io_bank0: IoBank0) -> None:
        super().__init__("PWM", 0x4005_0000, _registers())
        self._io = io_bank0
        self._slices = [_Slice() for _ in range(SLICES)]
        self._followed: dict[int, list[int]] = {}
        """Pins whose levels are followed, by slice."""
        self._inputs: dict[int, list[int]] = {}
        """B pins that are read, by slice."""
        self._input_changed = [partial(self._on_input, i) for i in range(SLICES)]
        self._is_following = self._is_planning = self._has_news = False
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
        io_bank0.levels_wanted = self.put_levels

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
        return counter.cycle_of(counter.period)

    def follow(self) -> None:
        """Find out which pins show a slice to somebody: a log of changes, an interrupt of the pin, a wire, or PIO."""
        if self._is_following:
            return
        self._is_following = True
        pins, used = self.bus.host.pins, self._io.pins_of(F_PWM, range(PINS))
        inputs: dict[int, list[int]] = {}
        for pin in used:
            if pin & 1 and self._slices[pin >> 1 & 7].mode != _FREE:
                inputs.setdefault(pin >> 1 & 7, []).append(pin)
        self._listen(inputs)
        looked_at = pins.watched
        for pin in range(PINS):
            looked_at |= (pins.wired >> pin & 1) << pins.wires[pin]
        self._followed, pins.unfollowed = {}, 0
        for pin in used:
            if pins.log_capacity or pins.is_sampled or looked_at >> pin & 1:
                self._followed.setdefault(pin >> 1 & 7, []).append(pin)
            else:
                pins.unfollowed |= 1 << pin
        self._is_following = False
        self._settle()
        self._plan()

    def put_levels(self) -> None:
        """Somebody is about to look at the pins."""
        self._settle()
        for pin in self._io.pins_of(F_PWM, range(PINS)):
            self._put(pin)

    def _put(self, pin: int) -> None:
        counter = self._slices[pin >> 1 & 7]
        self._io.put(F_PWM, pin, None if pin & 1 and counter.mode != _FREE else counter.level(pin & 1))

    def _listen(self, inputs: dict[int, list[int]]) -> None:
        before, self._inputs = self._inputs, inputs
        for i in range(SLICES):
            for pin in set(before.get(i, ())) - set(inputs.get(i, ())):
                self._io.listen_no_more(pin, self._input_changed[i])
            for pin in set(inputs.get(i, ())) - set(before.get(i, ())):
                self._io.listen(pin, self._input_changed[i])
        for i in inputs:
            self._see(i)

    def _on_input(self, i: int) -> None:
        self._settle()
        self._see(i)
        if not self._is_planning:
            self._plan()

    def _see(self, i: int) -> None:
        """Section 4.5.2: of several B pins the OR."""
        pins = self.bus.host.pins
        levels = (pins.seen & pins.in_and) ^ pins.in_xor
        self._slices[i].see(int(any(levels >> pin & 1 for pin in self._inputs.get(i, ()))))
        self._settle()

    def _settle(self) -> None:
        now, wrapped = self.bus.clock.now, 0
        for i, counter in enumerate(self._slices):
            if counter.settle(now):
                wrapped |= 1 << i
        if wrapped:
            self._interrupts.latch(wrapped)
            self._has_news = True

    def _plan(self) -> None:
        self._is_planning = True
        for of_slice in self._followed.values():
            for pin in of_slice:
                self._put(pin)
        if self._inputs and self.bus.host.pins.is_news:
            self._io.look()  # a wire may go to another slice
        self._is_planning = False
        # where no cycle is known beforehand, the DMA is told by an event
        cycles = [self.bus.clock.now] if self._inputs and self._has_news else []
        self._has_news = False
        for i, counter in enumerate(self._slices):
            cycle = None
            if i in self._followed:
                cycle = counter.cycle_of(counter.next_edge())
            elif self.words[self.INTE] >> i & 1:
                cycle = counter.cycle_of(counter.period)
            if cycle is not None:
                cycles.append(cycle)
        self.schedule(min(cycles, default=None))

    # -- registers

    def _count(self, i: int) -> int:
        return self._slices[i].count

    def _set_count(self, i: int, value: int) -> None:
        self._slices[i].position = value & 0xFFFF

    def _control(self, i: int, value: int) -> None:
        counter, mode = self._slices[i], value >> 4 & 3
        is_enabled = bool(value & _EN)
        if is_enabled and not counter.is_enabled:
            counter.restart()
        counter.is_enabled = is_enabled
        counter.is_phase_correct = bool(value & _PH_CORRECT)
        counter.inverted = value >> 2 & 3
        if value & (_PH_ADV | _PH_RET) and is_enabled:
            counter.position = max(0, counter.position + (1 if value & _PH_ADV else -1))
        if mode != counter.mode:
            counter.mode = mode
            self.follow()

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
