"""A sweep's file: a grid of configurations, and what they are run on.

data = "digits"              # or mnist, cifar10 (with data_dir), random: noise; the network's default if left out
steps = 5                    # training steps that a figure is the mean of
training = ["out/*/train.json"]   # results of m0sim train, for the accuracy

[grid]                       # every combination; all but network and method may be left out
network = ["tiny-cnn-8"]
method = ["niti-static", "priot-s"]
width = [0.5, 1.0]
trained = [0, 1]             # the last so many layers, 0 for all
fraction = [0.05, 0.1]
mask = ["fused", "copy"]
weights = ["flash", "sram"]
reuse = [true]
profile = ["rp2040"]
seed = [0]

[constraints]
sram = ["16K", "64K"]        # what needs more than the largest is not run; the summary has the best of each
cycles = 5_000_000           # a step: what takes more is not among the best
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from m0sim import device, toml
from m0sim.device import Device
from m0sim.errors import UsageError, did_you_mean
from m0sim.learn import data, float_step, methods, networks
from m0sim.learn.step import MASK_FORMS, WEIGHT_PLACES
from m0sim.toml import Table
from m0sim.whatif import sizes
from m0sim.whatif.configuration import DEFAULT_FRACTION, DEFAULT_MASK, WIDTH_MAX, Configuration, configure
from m0sim.whatif.measure import STEPS

_STEPS_MAX = 1000
_SEED_MAX = 2**31 - 1


@dataclass(frozen=True)
class Constraints:
    """Limits on what is run, and on what is best."""

    sram: tuple[int, ...] = ()
    """Budgets in bytes, ascending."""
    cycles: int | None = None


@dataclass(frozen=True)
class Point:
    """One combination: a configuration on a chip with a seed, or why there is none."""

    values: Mapping[str, Any]
    """As the file has them."""
    configuration: Configuration | None
    device: Device
    seed: int
    reason: str = ""


@dataclass(frozen=True)
class Sweep:
    """A file."""

    path: Path
    text: str
    points: tuple[Point, ...]
    constraints: Constraints
    data: str
    """Empty: digits or noise, as the network wants."""
    data_dir: Path | None
    steps: int
    training: tuple[Path, ...]


Check = Callable[[Any], str]
"""Says what is wrong with a value, nothing if all is well."""


def _one_of(known: tuple[str, ...]) -> Check:
    def check(value: Any) -> str:
        if isinstance(value, str) and value in known:
            return ""
        return f"must be one of {', '.join(known)}, not {value!r}{did_you_mean(str(value), known)}"

    return check


def _integer(low: int, high: int) -> Check:
    def check(value: Any) -> str:
        is_right = type(value) is int and low <= value <= high
        return "" if is_right else f"must be an integer from {low} to {high}, not {value!r}"

    return check


def _number(high: float) -> Check:
    def check(value: Any) -> str:
        is_right = type(value) in (int, float) and 0 < value <= high
        return "" if is_right else f"must be a number above 0 and at most {high:g}, not {value!r}"

    return check


def _flag(value: Any) -> str:
    return "" if isinstance(value, bool) else f"must be true or false, not {value!r}"


def _text(value: Any) -> str:
    return "" if isinstance(value, str) else f"must be a string, not {value!r}"


_AXES: dict[str, tuple[Check, Any]] = {
    "network": (_one_of(tuple(networks.NETWORKS)), None),
    "method": (_one_of((*methods.names(), float_step.METHOD)), None),
    "width": (_number(WIDTH_MAX), 1.0),
    "trained": (_integer(0, 64), 0),
    "fraction": (_number(1), DEFAULT_FRACTION),
    "mask": (_one_of(MASK_FORMS), DEFAULT_MASK),
    "weights": (_one_of(WEIGHT_PLACES), "flash"),
    "reuse": (_flag, True),
    "profile": (_text, device.DEFAULT),
    "seed": (_integer(0, _SEED_MAX), 0),
}
"""What each axis may hold, and its only value where it is left out; None: it may not be left out."""


def load(path: Path) -> Sweep:
    """Read a sweep. Raises UsageError, one line with file, line and key."""
    top = toml.read(path, "the sweep", ("data", "data_dir", "steps", "training", "grid", "constraints"))
    grid = top.table("grid", _AXES)
    if grid is None:
        top.fail("grid", "missing: a sweep needs a [grid] with network and method")
    name = top.choice("data", (*data.NAMES, "random"), "digits") if "data" in top.raw else ""
    folder = path.parent / top.text("data_dir", "")
    return Sweep(
        path,
        path.read_text(encoding="utf-8-sig"),
        tuple(_points(grid)),
        _constraints(top),
        name,
        folder if "data_dir" in top.raw else None,
        top.integer("steps", 1, _STEPS_MAX, default=STEPS),
        tuple(_training(top)),
    )


def _points(grid: Table) -> Iterator[Point]:
    """Every combination once: those that differ in nothing that their method has are one."""
    axes = {name: _axis(grid, name, *rule) for name, rule in _AXES.items()}
    chips = {name: _chip(grid, name) for name in axes["profile"]}
    seen = set()
    for values in (dict(zip(axes, combination, strict=True)) for combination in product(*axes.values())):
        point = _point(values, chips[values["profile"]])
        key = (point.configuration or tuple(values.items()), values["profile"], point.seed)
        if key not in seen:
            seen.add(key)
            yield point


def _point(values: dict[str, Any], chip: Device) -> Point:
    knobs = {name: value for name, value in values.items() if name not in ("network", "method", "profile", "seed")}
    try:
        configuration = configure(values["network"], values["method"], **knobs)
    except UsageError as error:  # each value is right, but not all of them together
        return Point(values, None, chip, values["seed"], str(error))
    return Point(values, configuration, chip, values["seed"])


def _axis(grid: Table, name: str, check: Check, default: Any) -> list[Any]:
    if name not in grid.raw:
        if default is None:
            grid.fail(name, "missing")
        return [default]
    found = grid.raw[name]
    values = found if isinstance(found, list) else [found]
    if not values:
        grid.fail(name, "must have a value")
    for value in values:
        if wrong := check(value):
            grid.fail(name, wrong)
    return list(dict.fromkeys(values))


def _chip(grid: Table, name: str) -> Device:
    is_path = name.endswith(".toml") or "/" in name
    try:
        return device.load(str(grid.path.parent / name) if is_path else name)
    except UsageError as error:
        grid.fail("profile", str(error))


def _constraints(top: Table) -> Constraints:
    table = top.table("constraints", ("sram", "cycles"))
    if table is None:
        return Constraints()
    found = table.raw.get("sram", [])
    budgets = [_size(table, value) for value in (found if isinstance(found, list) else [found])]
    cycles = table.integer("cycles", 1, 10**12) if "cycles" in table.raw else None
    return Constraints(tuple(sorted(set(budgets))), cycles)


def _size(table: Table, value: Any) -> int:
    try:
        return sizes.size(str(value), "a budget")
    except UsageError as error:
        table.fail("sram", str(error))


def _training(top: Table) -> Iterator[Path]:
    """Files by patterns, from the sweep's folder on."""
    for pattern in top.array("training"):
        if not isinstance(pattern, str):
            top.fail("training", f"must be an array of paths, not of {pattern!r}")
        found = sorted(top.path.parent.glob(pattern)) if not Path(pattern).is_absolute() else [Path(pattern)]
        if not found:
            top.fail("training", f"no file matches {pattern!r}")
        yield from found
