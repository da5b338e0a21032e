"""What a running core draws: published currents, and the joules that some cycles take by them.

Clocks are in hertz, currents in amperes, voltages in volts. A current holds at its clock and for code from its memory.
Nothing is scaled; between two points of one figure it is interpolated where the profile says that it may be.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, get_args

from m0sim.toml import Table

CodeMemory = Literal["any", "flash", "sram"]

_ENERGY_KEYS = ("current_amperes", "voltage_volts", "clock_hz", "running_from", "source", "interpolate", "point")
_BOUND_KEYS = ("low_amperes", "low_source", "high_amperes", "high_source")
_POINT_KEYS = ("clock_hz", "current_amperes", "voltage_volts", "memory", "ran", *_BOUND_KEYS, "source")


@dataclass(frozen=True, slots=True)
class EnergyPoint:
    """One published supply current of the running core, and how far one of another chip or program may be from it."""

    clock_hz: int
    current_amperes: float
    voltage_volts: float
    memory: CodeMemory
    """Where the code was that ran; ``any`` where the source does not tell."""
    ran: str
    low_amperes: float | None
    low_source: str
    high_amperes: float | None
    high_source: str
    source: str


@dataclass(frozen=True, slots=True)
class EnergyUse:
    """Joules that some cycles take, and where the figures come from."""

    joules: float
    low_joules: float | None
    high_joules: float | None
    source: str
    """What ran at which current, and who published it, in one line."""
    bounds_source: str
    """Where the bounds are from; empty where there are none."""


@dataclass(frozen=True, slots=True)
class Energy:
    """All that is published of one part."""

    points: tuple[EnergyPoint, ...]
    """By memory, then by rising clock."""
    interpolate: bool
    """Whether a current may be taken from the straight line between two points of the same memory."""

    def at(self, clock_hz: int, memory: CodeMemory) -> EnergyPoint | None:
        """The current at a clock of code in `memory`: its own, else one that holds for any, else the other memory's.

        None where nobody published one at this clock.
        """
        order = (memory, *(m for m in get_args(CodeMemory) if m != memory))
        return next((p for m in order if (p := self._of(clock_hz, m)) is not None), None)

    def _of(self, clock_hz: int, memory: str) -> EnergyPoint | None:
        points = [p for p in self.points if p.memory == memory]
        for point in points:
            if point.clock_hz == clock_hz:
                return point
        if self.interpolate:
            for below, above in pairwise(points):
                if below.clock_hz < clock_hz < above.clock_hz:
                    return _between(below, above, clock_hz)
        return None


def _between(below: EnergyPoint, above: EnergyPoint, clock_hz: int) -> EnergyPoint:
    part = (clock_hz - below.clock_hz) / (above.clock_hz - below.clock_hz)

    def line(low: float | None, high: float | None) -> float | None:
        return None if low is None or high is None else low + part * (high - low)

    current = below.current_amperes + part * (above.current_amperes - below.current_amperes)
    return replace(
        below,
        clock_hz=clock_hz,
        current_amperes=current,
        low_amperes=line(below.low_amperes, above.low_amperes),
        high_amperes=line(below.high_amperes, above.high_amperes),
        source=f"{below.source}, interpolated between {below.clock_hz / 1e6:g} and {above.clock_hz / 1e6:g} MHz",
    )


def use_of(energy: Energy, clock_hz: int, flash_cycles: float, sram_cycles: float) -> EnergyUse | None:
    """What cycles of code in flash and of code in SRAM take at a clock; None where a current is not published."""
    asked: list[tuple[float, CodeMemory]] = [(flash_cycles, "flash"), (sram_cycles, "sram")]
    ran = [entry for entry in asked if entry[0]] or asked[:1]
    parts = [(cycles / clock_hz, energy.at(clock_hz, memory)) for cycles, memory in ran]
    points = [point for _, point in parts if point is not None]
    if len(points) != len(parts):
        return None

    def total(currents: list[float | None]) -> float | None:
        known = [c for c in currents if c is not None]
        if len(known) != len(parts):
            return None
        return sum(c * p.voltage_volts * s for c, p, (s, _) in zip(known, points, parts, strict=True))

    joules = total([p.current_amperes for p in points])
    assert joules is not None
    return EnergyUse(
        joules=joules,
        low_joules=total([p.low_amperes for p in points]),
        high_joules=total([p.high_amperes for p in points]),
        source="; ".join(dict.fromkeys(map(described, points))),
        bounds_source="; ".join(dict.fromkeys(filter(None, map(bounds, points)))),
    )


def described(point: EnergyPoint) -> str:
    """The current of a point in one line."""
    ran = f", {point.ran}" if point.ran else ""
    return f"{_milliamperes(point.current_amperes)} at {point.voltage_volts:g} V{ran} ({point.source})"


def bounds(point: EnergyPoint) -> str:
    """The bounds of a point in one line; empty where nobody published one."""
    known = (("low", point.low_amperes, point.low_source), ("high", point.high_amperes, point.high_source))
    return ", ".join(
        f"{word} {_milliamperes(amperes)}: {source}" for word, amperes, source in known if amperes is not None
    )


def _milliamperes(amperes: float) -> str:
    return f"{amperes * 1e3:.3g} mA"


def read_energy(top: Table, clock_hz: int) -> Energy | None:
    """The table [energy] of a profile: points of [[energy.point]], or one that is written into the table itself."""
    table = top.table("energy", _ENERGY_KEYS)
    if table is None:
        return None
    interpolate = table.flag("interpolate", False)
    tables = list(table.tables("point", _POINT_KEYS))
    if not tables:
        return Energy((_short(table, clock_hz),), interpolate)
    for key in ("current_amperes", "voltage_volts", "clock_hz"):
        if key in table.raw:
            table.fail(key, "belongs into an [[energy.point]], as there are some")
    table.text("running_from", "")
    points = sorted((_point(table, t) for t in tables), key=lambda p: (p.memory, p.clock_hz))
    for first, second in pairwise(points):
        if (first.memory, first.clock_hz) == (second.memory, second.clock_hz):
            table.fail("point", f"two of them are of {first.clock_hz} Hz and memory {first.memory!r}")
    return Energy(tuple(points), interpolate)


def _short(table: Table, clock_hz: int) -> EnergyPoint:
    measured_hz = table.integer("clock_hz", 1, 1_000_000_000, default=clock_hz)
    if measured_hz != clock_hz:
        # Current does not scale with the clock alone: a figure from another clock would be a guess.
        table.fail("clock_hz", f"the current is of {measured_hz} Hz, but the profile runs at {clock_hz} Hz")
    return EnergyPoint(
        clock_hz=clock_hz,
        # The bounds catch milliamperes and millivolts given as amperes and volts.
        current_amperes=table.positive("current_amperes", 1, "A"),
        voltage_volts=table.positive("voltage_volts", 10, "V"),
        memory="any",
        ran=table.text("running_from", ""),
        low_amperes=None,
        low_source="",
        high_amperes=None,
        high_source="",
        source=table.text("source"),
    )


def _point(table: Table, point: Table) -> EnergyPoint:
    current = point.positive("current_amperes", 1, "A")
    low, low_source = _bound(point, "low")
    high, high_source = _bound(point, "high")
    if low is not None and low > current:
        point.fail("low_amperes", f"{low:g} is above current_amperes, {current:g}")
    if high is not None and high < current:
        point.fail("high_amperes", f"{high:g} is below current_amperes, {current:g}")
    return EnergyPoint(
        clock_hz=point.integer("clock_hz", 1, 1_000_000_000),
        current_amperes=current,
        voltage_volts=point.positive("voltage_volts", 10, "V"),
        memory=point.choice("memory", get_args(CodeMemory), "any"),
        ran=point.text("ran", ""),
        low_amperes=low,
        low_source=low_source,
        high_amperes=high,
        high_source=high_source,
        source=point.text("source", table.text("source", "") or None),
    )


def _bound(point: Table, which: str) -> tuple[float | None, str]:
    if f"{which}_amperes" not in point.raw:
        return None, point.text(f"{which}_source", "")
    return point.positive(f"{which}_amperes", 1, "A"), point.text(f"{which}_source")
