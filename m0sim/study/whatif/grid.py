"""A sweep's file: a grid of configurations, and what they are run on.

folder = "."                 # of the paths below, itself from this file's folder on
data = "digits"              # mnist, cifar10 (with data_dir), random: noise, a file; the network's default if left out
steps = 5                    # training steps that a figure is the mean of
training = ["out/*/train.json"]   # results of m0sim train, for the accuracy

[grid]                       # every combination; all but network and method may be left out
network = ["tiny-cnn-8"]     # names, descriptions (.toml) or backbones (.npz): docs/networks.md
method = ["niti-static", "priot-s"]
width = [0.5, 1.0]
trained = [0, 1]             # the last so many layers, 0 for all
fraction = [0.05, 0.1]
mask = ["fused", "copy"]
weights = ["flash", "sram"]
reuse = [true]
scratch = ["full", "least"]
profile = ["rp2040"]
seed = [0]

[constraints]
sram = ["16K", "64K"]        # what needs more than the largest is not run; the summary has the best of each
cycles = 5_000_000           # a step: what takes more is not among the best
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from m0sim import toml
from m0sim.chip import device
from m0sim.chip.device import Device
from m0sim.errors import UsageError, did_you_mean
from m0sim.study.learn import data_keys, methods, network_files, sources, uses
from m0sim.study.learn import datasets as data
from m0sim.study.learn.network_files import Found
from m0sim.study.learn.networks import WIDTH_MAX
from m0sim.study.learn.sources import DataSource
from m0sim.study.learn.step import MASK_FORMS, SCRATCH_FORMS, WEIGHT_PLACES
from m0sim.study.whatif import sizes
from m0sim.study.whatif.configuration import (
    DEFAULT_FRACTION,
    DEFAULT_MASK,
    FRACTION_MIN,
    Configuration,
    configure,
)
from m0sim.study.whatif.measure import STEPS
from m0sim.toml import Table

_STEPS_MAX = 1000
_SEED_MAX = 2**31 - 1
_KEYS = ("folder", *data_keys.KEYS, "data_dir", "steps", "training", "grid", "constraints")


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
    network: str = ""
    """The name of its network, which `values` may name by a file."""


@dataclass(frozen=True)
class Sweep:
    """A file."""

    path: Path
    text: str
    folder: Path
    """What relative paths in it are from."""
    points: tuple[Point, ...]
    networks: Mapping[str, Found]
    """What the file calls them by."""
    constraints: Constraints
    source: DataSource
    """Of the images; without a name digits or noise, as the network wants."""
    steps: int
    training: tuple[Path, ...]


@dataclass(frozen=True)
class Outline:
    """What the summary of a sweep takes from its file."""

    constraints: Constraints
    points: int


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


def _share(value: Any) -> str:
    is_right = type(value) in (int, float) and FRACTION_MIN <= value <= 1
    return "" if is_right else f"must be a number from {FRACTION_MIN:f} to 1, not {value!r}"


def _flag(value: Any) -> str:
    return "" if isinstance(value, bool) else f"must be true or false, not {value!r}"


def _text(value: Any) -> str:
    return "" if isinstance(value, str) else f"must be a string, not {value!r}"


_AXES: dict[str, tuple[Check, Any]] = {
    "network": (_text, None),
    "method": (_text, None),
    "width": (_number(WIDTH_MAX), 1.0),
    "trained": (_integer(0, 64), 0),
    "fraction": (_share, DEFAULT_FRACTION),
    "mask": (_one_of(MASK_FORMS), DEFAULT_MASK),
    "weights": (_one_of(WEIGHT_PLACES), "flash"),
    "reuse": (_flag, True),
    "scratch": (_one_of(SCRATCH_FORMS), "full"),
    "profile": (_text, device.DEFAULT),
    "seed": (_integer(0, _SEED_MAX), 0),
}
"""What each axis may hold, and its only value where it is left out; None: it may not be left out."""


def load(path: Path) -> Sweep:
    """Read a sweep. Raises UsageError, one line with file, line and key."""
    top = _read(path)
    folder = path.parent / top.text("folder", "")
    found = _networks(_grid(top), folder)
    return Sweep(
        path,
        top.lines.text,
        folder,
        tuple(_points(_grid(top), folder, found)),
        found,
        _constraints(top),
        _source(top, folder),
        top.integer("steps", 1, _STEPS_MAX, default=STEPS),
        tuple(_training(top, folder)),
    )


def outline(path: Path) -> Outline:
    """The part of a sweep that its results do not have. Of other files only methods' and networks' are read, which
    decide which points are one. UsageError as `load`."""
    top = _read(path)
    folder = path.parent / top.text("folder", "")
    found = _networks(_grid(top), folder)
    return Outline(_constraints(top), sum(1 for _ in _combinations(_grid(top), folder, found)))


def copy_of(sweep: Sweep, folder: Path) -> str:
    """The text of a sweep's file for another folder: the key `folder` says there what relative paths are from."""
    if not _has_paths(sweep) or sweep.folder.resolve() == folder.resolve():
        return sweep.text
    lines = sweep.text.split("\n")
    at = toml.key_lines(sweep.text).get(("folder",))
    if at is not None:
        del lines[at - 1]
    base = json.dumps(os.path.relpath(sweep.folder.resolve(), folder.resolve()))
    return "\n".join([f"folder = {base}  # what the paths below are from; this is a copy", *lines])


def _has_paths(sweep: Sweep) -> bool:
    top = _read(sweep.path)
    profiles, named = (_axis(_grid(top), name, *_AXES[name]) for name in ("profile", "method"))
    is_path = any(key in top.raw for key in ("folder", "data_dir", "training")) or sweep.source.is_file
    has_files = any(map(methods.is_file, named)) or any(map(network_files.is_file, sweep.networks))
    return is_path or has_files or any(map(_is_path, profiles))


def _read(path: Path) -> Table:
    return toml.read(path, "the sweep", _KEYS)


def _grid(top: Table) -> Table:
    grid = top.table("grid", _AXES)
    if grid is None:
        top.fail("grid", "missing: a sweep needs a [grid] with network and method")
    return grid


def _source(top: Table, folder: Path) -> DataSource:
    """The data, if the file names any."""
    data_dir = _data_dir(top, folder)
    if "data" in top.raw:
        return data_keys.source(top, folder, data_dir, (*data.NAMES, sources.RANDOM), "")
    return DataSource("", data_dir)


def _data_dir(top: Table, folder: Path) -> Path | None:
    """The folder of images; it must be there where the data set is not in m0sim."""
    if "data_dir" in top.raw:
        return folder / top.text("data_dir")
    name = top.raw.get("data")
    if name in data.NAMES and name != "digits":
        raise UsageError(f"{top.path}:{top.line('data')}: data_dir: missing: the folder with the files of {name}")
    return None


def _networks(grid: Table, folder: Path) -> dict[str, Found]:
    """The networks by what the grid calls them: bundled names, and files from `folder` on."""
    found: dict[str, Found] = {}
    for name in _axis(grid, "network", *_AXES["network"]):
        try:
            found[name] = network_files.find_in(folder, name)
        except UsageError as error:
            grid.fail("network", str(error))
        same = [other for other in found if other != name and found[other].name == found[name].name]
        if same:
            grid.fail("network", f"{same[0]!r} and {name!r} are both called {found[name].name}: name one of them anew")
    return found


def _points(grid: Table, folder: Path, found: Mapping[str, Found]) -> Iterator[Point]:
    chips = {name: _chip(grid, name, folder) for name in _axis(grid, "profile", *_AXES["profile"])}
    for values, made in _combinations(grid, folder, found):
        configuration, reason = (made, "") if isinstance(made, Configuration) else (None, made)
        name = found[values["network"]].name
        yield Point(values, configuration, chips[values["profile"]], values["seed"], reason, name)


def _combinations(
    grid: Table, folder: Path, found: Mapping[str, Found]
) -> Iterator[tuple[dict[str, Any], Configuration | str]]:
    """Every combination once, and why there is none: those that differ in nothing that their method has are one."""
    axes = {name: _axis(grid, name, *rule) for name, rule in _AXES.items()}
    axes["method"] = _methods(grid, axes["method"], folder)
    _check_use(grid, axes)
    seen = set()
    for values in (dict(zip(axes, combination, strict=True)) for combination in product(*axes.values())):
        made = _configuration(values, found)
        decides = made if isinstance(made, Configuration) else tuple(values.items())
        key = (decides, values["profile"], values["seed"])
        if key not in seen:
            seen.add(key)
            yield values, made


def _methods(grid: Table, given: list[str], folder: Path) -> list[str]:
    """Their names; a file is known by its method's name from now on."""
    try:
        names = [methods.add(text, folder) for text in given]
        for name in names:
            methods.get(name)
    except UsageError as error:
        grid.fail("method", str(error))
    return list(dict.fromkeys(names))


def _check_use(grid: Table, axes: dict[str, list[Any]]) -> None:
    """Refuse an axis with a value that none of the methods has a use for."""
    names, is_part = axes["method"], any(axes["trained"])
    for name in ("fraction", "trained", "mask", "weights", "scratch"):
        for value in axes[name] if name in grid.raw else ():
            try:
                if name in ("fraction", "trained"):
                    uses.check_shares(names, **{name: bool(value)}, prefix="")
                else:
                    uses.check_memory(names, **{name: value}, is_part=is_part, prefix="")
            except UsageError as error:
                grid.fail(name, str(error))


def _configuration(values: dict[str, Any], found: Mapping[str, Found]) -> Configuration | str:
    knobs = {name: value for name, value in values.items() if name not in ("network", "method", "profile", "seed")}
    try:
        return configure(found[values["network"]], values["method"], **knobs)
    except UsageError as error:  # each value is right, but not all of them together
        return str(error)


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


def _is_path(profile: str) -> bool:
    return profile.endswith(".toml") or "/" in profile


def _chip(grid: Table, name: str, folder: Path) -> Device:
    try:
        return device.load(str(folder / name) if _is_path(name) else name)
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
        return sizes.size(str(value))
    except UsageError as error:
        table.fail("sram", str(error))


def _training(top: Table, folder: Path) -> Iterator[Path]:
    """Files by patterns, from the sweep's folder on."""
    for pattern in top.array("training"):
        if not isinstance(pattern, str) or not pattern.strip():
            top.fail("training", f"must be an array of paths, not of {pattern!r}")
        try:
            found = [Path(pattern)] if Path(pattern).is_absolute() else sorted(folder.glob(pattern))
        except (ValueError, IndexError) as error:  # what glob does not take, such as "."
            top.fail("training", f"not a pattern of files: {pattern!r} ({error})")
        if not found:
            top.fail("training", f"no file matches {pattern!r}")
        yield from found
