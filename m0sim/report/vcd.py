"""Pins over time as a value change dump, for GTKWave, PulseView and the like: IEEE 1364-2005, 18."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from m0sim.chip.run_cost import PinChange

_FIRST = 33  # identifiers are of the characters from '!' on


def vcd(pins: Sequence[PinChange], *, name: str = "chip") -> str:
    """The dump: every pin that was ever driven, in nanoseconds, ``z`` while it is not driven."""
    used = 0
    for change in pins:
        used |= change.driven
    numbers = [n for n in range(32) if used >> n & 1]
    return "\n".join(_lines(pins, numbers, name)) + "\n"


def _lines(pins: Sequence[PinChange], numbers: list[int], name: str) -> Iterator[str]:
    yield "$timescale 1 ns $end"
    yield f"$scope module {name.replace(' ', '_')} $end"
    for n in numbers:
        yield f"$var wire 1 {chr(_FIRST + n)} gpio{n} $end"
    yield "$upscope $end"
    yield "$enddefinitions $end"
    yield "#0"
    yield "$dumpvars"
    levels = dict.fromkeys(numbers, "z")
    yield from (f"z{chr(_FIRST + n)}" for n in numbers)
    yield "$end"
    written = 0
    for change in pins:
        moved = [(n, level) for n in numbers if (level := _level(change, n)) != levels[n]]
        at = round(change.seconds * 1e9)
        if moved and at != written:
            yield f"#{at}"
            written = at
        for n, level in moved:
            levels[n] = level
            yield f"{level}{chr(_FIRST + n)}"


def _level(change: PinChange, number: int) -> str:
    return "z" if not change.driven >> number & 1 else str(change.out >> number & 1)
