"""What the world outside does to a chip while firmware runs: levels of pins, voltages, the reset button."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

from m0sim import files
from m0sim.chip.attached import Attached
from m0sim.chip.durations import seconds_of
from m0sim.errors import UsageError

_LEVELS: dict[str, Literal[0, 1] | None] = {"0": 0, "1": 1, "z": None}


@dataclass(frozen=True, slots=True)
class PinInput:
    """Somebody drives a pin, or lets go of it."""

    pin: int
    level: Literal[0, 1] | None
    """None: it is not driven any more, and its pulls decide."""
    seconds: Fraction = Fraction(0)
    """When, from the first reset on."""


@dataclass(frozen=True, slots=True)
class PinWire:
    """A wire between two pins: one has the level of the other, where the chip does not drive it itself."""

    pin: int
    driver: int
    """Whose level it has."""


@dataclass(frozen=True, slots=True)
class AnalogInput:
    """A channel of the ADC comes to a voltage."""

    channel: int
    volts: Fraction
    seconds: Fraction = Fraction(0)
    """When, from the first reset on."""


@dataclass(frozen=True, slots=True)
class AnalogSource:
    """A channel of the ADC is at what a function says, which is asked for each conversion."""

    channel: int
    volts: Callable[[Fraction], float]
    """Of simulated seconds since the first reset. What is beyond the supplies reads as they do."""


@dataclass(frozen=True, slots=True)
class Outside:
    """All that the world outside does during a run."""

    pins: tuple[PinInput, ...] = ()
    wires: tuple[PinWire, ...] = ()
    voltages: tuple[AnalogInput | AnalogSource, ...] = ()
    presses: tuple[Fraction, ...] = ()
    """Seconds at which the reset button is pressed."""
    sent: bytes = b""
    """To a serial port."""
    attached: tuple[Attached, ...] = ()
    """On buses of the chip."""
    sent_to: str | None = None
    """Which port, by the name that its output has; the first UART where None."""


def pin_inputs(text: str) -> tuple[PinInput, ...]:
    """Such as ``9=0@10ms,1@10.5ms,z@2s``: a pin, and the levels that it is driven to. Without a time, from the start.

    Raises `UsageError`.
    """
    pin, steps = _split(text, "PIN=LEVEL@TIME, such as 9=0@10ms; LEVEL is 0, 1, or z to let go of it")
    return tuple(PinInput(pin, _level(level, text), seconds) for level, seconds in steps)


def pin_wire(text: str) -> PinWire:
    """Such as ``5=2``: pin 5 has the level of pin 2. Raises `UsageError`."""
    pin, _, driver = (part.strip() for part in text.partition("="))
    if not (pin.isdecimal() and driver.isdecimal()):
        raise UsageError(f"{text!r} is not PIN=DRIVER, such as 5=2: pin 5 has the level of pin 2")
    return PinWire(int(pin), int(driver))


def analog_inputs(text: str) -> tuple[AnalogInput, ...]:
    """Such as ``0=1.5,2.5@10ms``: a channel of the ADC, and its volts. Raises `UsageError`.

    ``0=@FILE`` reads them from a file: lines of seconds and volts, with a comma in between; # begins a comment.
    """
    given, is_file, name = text.partition("=@")
    if is_file and given.strip().isdecimal():
        return tuple(_from_file(int(given), Path(name)))
    channel, steps = _split(text, "CHANNEL=VOLTS@TIME, such as 0=1.65, or CHANNEL=@FILE")
    return tuple(AnalogInput(channel, _volts(volts, text), seconds) for volts, seconds in steps)


def _from_file(channel: int, path: Path) -> Iterator[AnalogInput]:
    for number, line in enumerate(files.read(path).decode("utf-8", "replace").splitlines(), 1):
        said = line.partition("#")[0].strip()
        if not said:
            continue
        seconds, _, volts = said.partition(",")
        try:
            # by float: the exponent of a fraction may be as long as a file
            yield AnalogInput(channel, Fraction(str(float(volts))), Fraction(str(float(seconds))))
        except ValueError:
            raise UsageError(f"{path}:{number}: {said!r} is not SECONDS,VOLTS, such as 0.01,1.65") from None


def _split(text: str, form: str) -> tuple[int, list[tuple[str, Fraction]]]:
    number, is_given, steps = text.partition("=")
    if not is_given or not number.strip().isdecimal():
        raise UsageError(f"{text!r} is not {form}")
    found = []
    for step in steps.split(","):
        value, has_time, time = step.partition("@")
        found.append((value.strip().lower(), seconds_of(time) if has_time else Fraction(0)))
    return int(number), found


def _level(level: str, text: str) -> Literal[0, 1] | None:
    if level not in _LEVELS:
        raise UsageError(f"{text!r}: a level is 0, 1 or z, not {level!r}")
    return _LEVELS[level]


def _volts(volts: str, text: str) -> Fraction:
    try:
        return Fraction(volts.removesuffix("v"))
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"{text!r}: {volts!r} is not a number of volts") from None
