"""What the world outside does at what time, as a run comes to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

from m0sim.chip.devices.board import Analog, Board, Pins, Receiver
from m0sim.chip.inputs import AnalogInput, AnalogSource, Outside, PinInput, PinWire
from m0sim.errors import UsageError, did_you_mean

NEVER = 1 << 62


@dataclass(frozen=True, slots=True)
class _Act:
    seconds: Fraction
    do: Callable[[], None]


class World:
    """Everything that is asked for, in the order of its times; of one time, in the order that it was given in."""

    def __init__(self, board: Board, outside: Outside, press: Callable[[], None]) -> None:
        """`press` presses the reset button. Raises `UsageError`."""
        acts = [*_on_wires(outside.wires, board), *_on_pins(outside.pins, board.pins)]
        if both := {wire.pin for wire in outside.wires} & {given.pin for given in outside.pins}:
            raise UsageError(f"pin {min(both)} is driven from outside and is the end of a wire: drive the other end")
        acts += _on_channels(outside.voltages, board.analog)
        acts += [_Act(seconds, press) for seconds in outside.presses]
        if outside.sent or outside.sent_to is not None:
            acts.append(_Act(Fraction(0), partial(_receiver(board, outside.sent_to).receive, outside.sent)))
        if any(act.seconds < 0 for act in acts):
            raise UsageError("the time of an input is 0 or later: it begins at the first reset")
        self._clock = board.clock
        self._clock.watch(self._retime)
        self.due = NEVER
        """The cycle in which something is next done, as the clock goes now."""
        self._acts = sorted(acts, key=lambda act: act.seconds, reverse=True)

        self._retime()

    def advance(self, now: int) -> None:
        """Do all that is due until now."""
        self._clock.now = now
        while self.due <= now:
            self._acts.pop().do()
            self._retime()

    def _retime(self) -> None:
        cycle = self._clock.cycle_at(self._acts[-1].seconds) if self._acts else None
        self.due = NEVER if cycle is None else cycle


def _receiver(board: Board, name: str | None) -> Receiver:
    """The port of that name, in capitals or not; the first where there is none."""
    if name is None:
        return next(iter(board.receivers.values()))
    if name.upper() not in board.receivers:
        known = list(board.receivers)
        raise UsageError(f"no port {name!r} that receives: {', '.join(known)}{did_you_mean(name.upper(), known)}")
    return board.receivers[name.upper()]


def _on_wires(wires: Sequence[PinWire], board: Board) -> Iterator[_Act]:
    ends = [wire.pin for wire in wires]
    for wire in wires:
        if board.wire is None or board.pins is None:
            raise UsageError("the pins of this part cannot be wired: only those of an RP2040 can")
        numbers = board.pins.numbers
        for pin in (wire.pin, wire.driver):
            if pin not in numbers:
                raise UsageError(f"a wire: there is no pin {pin}: pins are {min(numbers)} to {max(numbers)}")
        if wire.driver in ends:
            raise UsageError(f"pin {wire.driver} has a wire to another pin itself: name the pin that drives them all")
        if ends.count(wire.pin) > 1:
            raise UsageError(f"pin {wire.pin} has two wires: its level is that of one pin")
        yield _Act(Fraction(0), partial(board.wire, wire.pin, wire.driver))


def _on_pins(inputs: Sequence[PinInput], pins: Pins | None) -> Iterator[_Act]:
    for given in inputs:
        if pins is None:
            raise UsageError("the pins of this part cannot be driven: they are not modelled as inputs")
        if given.pin not in pins.numbers:
            raise UsageError(f"there is no pin {given.pin}: pins are {min(pins.numbers)} to {max(pins.numbers)}")
        yield _Act(given.seconds, partial(pins.drive, given.pin, given.level))


def _on_channels(inputs: Sequence[AnalogInput | AnalogSource], analog: Analog | None) -> Iterator[_Act]:
    for given in inputs:
        if analog is None:
            raise UsageError("this part has no ADC that is modelled")
        if given.channel >= analog.channels:
            raise UsageError(f"there is no channel {given.channel}: the ADC has 0 to {analog.channels - 1}")
        if isinstance(given, AnalogSource):
            yield _Act(Fraction(0), partial(analog.follow, given.channel, given.volts))
            continue
        if not 0 <= given.volts <= analog.reference:
            limit = float(analog.reference)
            raise UsageError(f"{float(given.volts):g} V at channel {given.channel}: the ADC takes 0 to {limit:g} V")
        yield _Act(given.seconds, partial(analog.apply, given.channel, given.volts))
