"""Study files: TOML in, a `Study` out, and one line with file and line number for whatever is wrong in them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from m0sim import toml
from m0sim.chip import device
from m0sim.errors import UsageError
from m0sim.study.learn import data_keys, methods, network_files, sources, uses
from m0sim.study.learn.datasets import NAMES
from m0sim.study.learn.experiment import calibration, images
from m0sim.study.learn.experiment.calibration import Calibration
from m0sim.study.learn.experiment.setting import Setting
from m0sim.study.learn.experiment.study import Robustness, Study, StudyEntry
from m0sim.study.learn.network_files import Found
from m0sim.study.learn.sources import DataSource
from m0sim.study.learn.transfer import NONE, Transfer, rotation
from m0sim.toml import Table

_TOP = (
    *("network", "data", "angles", "seeds", "images", "epochs", "validation_images", "test_images"),
    *("profile", "note", "tuning", "robustness", "methods", "tasks", *data_keys.KEYS[1:]),
)
_TUNING = ("epochs", "seeds")
_ROBUSTNESS = ("seeds", "calibrations")
_WRONG = ("images:16", "upright", "off:-2", "off:-1", "off:+1", "off:+2")
"""The calibrations that a study tries when it does not say which."""
_ENTRY = ("method", "shifts", "untuned")
_MOST_EPOCHS = 10_000


def read(path: Path, data_dir: Path | None = None) -> Study:
    """The study that a file describes. Raises UsageError that names file, line and what would be right."""
    top = toml.read(path, "the study", _TOP)
    source = data_keys.source(top, path.parent, data_dir, NAMES, "digits")
    tasks = _tasks(top, source, path.parent)
    epochs = top.integer("epochs", 1, _MOST_EPOCHS, default=10)
    tuning = top.table("tuning", _TUNING)
    seeds = _numbers(top, "seeds", [0], (int,))
    return Study(
        network=_network(top, path.parent, source),
        data=source.name,
        entries=_entries(top, path.parent, unique=bool(seeds)),
        tasks=tasks,
        seeds=tuple(seeds),
        images=_count(top, "images", source, tasks, "transfer"),
        epochs=epochs,
        validation_images=_count(top, "validation_images", source, tasks, "validation"),
        test_images=_count(top, "test_images", source, tasks, "test"),
        tuning_epochs=epochs if tuning is None else tuning.integer("epochs", 1, _MOST_EPOCHS, default=epochs),
        tuning_seeds=(0,) if tuning is None else tuple(_numbers(tuning, "seeds", [0], (int,))),
        profile=device.load(top.text("profile", device.DEFAULT)),
        note=top.text("note", ""),
        data_dir=data_dir,
        data_options=source.options,
        robustness=_robustness(top, seeds, source, tasks),
    )


def _robustness(top: Table, seeds: list[int], source: DataSource, tasks: tuple[Transfer, ...]) -> Robustness | None:
    """The table, with the seeds of the final runs unless it has its own."""
    table = top.table("robustness", _ROBUSTNESS)
    if table is None:
        return None
    own = _numbers(table, "seeds", seeds, (int,))
    if not own:
        table.fail("seeds", "missing: such as [0, 1, 2]")
    typed = table.array("calibrations") if "calibrations" in table.raw else list(_WRONG)
    return Robustness(tuple(own), _calibrations(table, typed, [replace(source, place=task.file) for task in tasks]))


def _calibrations(table: Table, typed: list[Any], places: list[DataSource]) -> tuple[Calibration, ...]:
    try:
        found = tuple(calibration.parse(str(text)) for text in typed)
        for wrong in found:
            seen = [sources.without_place(place) if wrong.upright else place for place in places]
            least = 1 if wrong.images == images.CALIBRATION else wrong.images
            for place in seen:
                images.count_of(least, place, "transfer", f"the images of {wrong.title}")
    except UsageError as error:
        table.fail("calibrations", str(error))
    if calibration.RIGHT in found or len(set(found)) < len(found):
        table.fail("calibrations", f"must be different wrong ones, not {typed!r}")
    return found


def _network(top: Table, folder: Path, source: DataSource) -> Found:
    """A bundled name, or a backbone's file from `folder` on."""
    try:
        name = top.text("network") if "network" in top.raw else sources.starting_network(source)
        found = network_files.find_in(folder, name)
        return replace(found, backbone=found.start)
    except UsageError as error:
        top.fail("network", str(error))


def _tasks(top: Table, source: DataSource, folder: Path) -> tuple[Transfer, ...]:
    """`tasks`, or rotations by `angles`; without either 30 degrees, and a file as it is."""
    if "tasks" in top.raw:
        if "angles" in top.raw:
            top.fail("angles", "are tasks, too: write rotate:30 among the tasks")
        found = data_keys.tasks(top, folder)
        return found or top.fail("tasks", 'missing: such as ["rotate:30", "noise:8"]')
    if source.is_file and "angles" not in top.raw:
        return (NONE,)
    return tuple(rotation(float(angle)) for angle in _numbers(top, "angles", [30], (int, float)))


def _count(table: Table, key: str, source: DataSource, tasks: tuple[Transfer, ...], part: str) -> int:
    there = min(sources.count(replace(source, place=task.file, hashes=()), part) for task in tasks)
    return table.integer(key, 1, there, default=there)


def _entries(top: Table, folder: Path, unique: bool) -> tuple[StudyEntry, ...]:
    """The [[methods]]; with final runs no two may differ in tuned options alone."""
    entries: list[StudyEntry] = []
    for table in top.tables("methods", None, named_by="method"):
        entry = _entry(table, folder)
        if any(entry.setting.label == e.setting.label or (unique and entry.label == e.label) for e in entries):
            table.fail("method", f"{entry.label} is there twice")
        if entries and len(entry.shifts) != len(entries[0].shifts):
            table.fail("shifts", f"every method needs the same number of shifts, here {len(entries[0].shifts)}")
        entries.append(entry)
    if not entries:
        top.fail("methods", "missing: one [[methods]] table or more")
    return tuple(entries)


def _entry(table: Table, folder: Path) -> StudyEntry:
    method = _method(table, folder)
    table.check_keys((*_ENTRY, *uses.known_options()))
    options = {name: value for name, value in table.raw.items() if name not in _ENTRY}
    shifts = _numbers(table, "shifts", [], (int,))
    if not shifts:
        table.fail("shifts", "missing: the learning shifts to try, such as [-2, 0, 2]")
    try:
        settings = [Setting(method, shift, options) for shift in shifts]
    except UsageError as error:
        table.fail("method", str(error))
    return StudyEntry(Setting(settings[0].method, 0, options), tuple(shifts), table.flag("untuned", True))


def _method(table: Table, folder: Path) -> str:
    """The name of the method; that of a file is then known."""
    text = table.text("method")
    try:
        name = methods.add(text, folder)
        methods.get(name)
    except UsageError as error:
        table.fail("method", str(error))
    return name


def _numbers(table: Table, key: str, default: list[Any], kinds: tuple[type, ...]) -> list[Any]:
    found = table.array(key) if key in table.raw else default
    if any(type(value) not in kinds for value in found) or len(set(found)) < len(found):
        table.fail(key, f"must be a list of different numbers, not {found!r}")
    return found
