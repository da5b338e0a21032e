"""Study files: TOML in, a `Study` out, and one line with file and line number for whatever is wrong in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from m0sim import toml
from m0sim.chip import device
from m0sim.errors import UsageError
from m0sim.study.learn import datasets as data
from m0sim.study.learn.experiment.setting import OPTIONS, Setting
from m0sim.study.learn.experiment.study import Study, StudyEntry
from m0sim.study.learn.pretrain import BUNDLED
from m0sim.toml import Table

_TOP = (
    *("network", "data", "angles", "seeds", "images", "epochs", "validation_images", "test_images"),
    *("profile", "tuning", "methods"),
)
_TUNING = ("epochs", "seeds")
_ENTRY = ("method", "shifts", "untuned", *OPTIONS)
_MOST_EPOCHS = 10_000


def read(path: Path, data_dir: Path | None = None) -> Study:
    """The study that a file describes. Raises UsageError that names file, line and what would be right."""
    top = toml.read(path, "the study", _TOP)
    name = top.choice("data", data.NAMES, "digits")
    epochs = top.integer("epochs", 1, _MOST_EPOCHS, default=10)
    tuning = top.table("tuning", _TUNING)
    seeds = _numbers(top, "seeds", [0], (int,))
    return Study(
        network=top.choice("network", BUNDLED, "tiny-cnn-8" if name == "digits" else "tiny-cnn"),
        data=name,
        entries=_entries(top, unique=bool(seeds)),
        angles=tuple(float(angle) for angle in _numbers(top, "angles", [30], (int, float))),
        seeds=tuple(seeds),
        images=_count(top, "images", name, "transfer"),
        epochs=epochs,
        validation_images=_count(top, "validation_images", name, "validation"),
        test_images=_count(top, "test_images", name, "test"),
        tuning_epochs=epochs if tuning is None else tuning.integer("epochs", 1, _MOST_EPOCHS, default=epochs),
        tuning_seeds=(0,) if tuning is None else tuple(_numbers(tuning, "seeds", [0], (int,))),
        profile=device.load(top.text("profile", device.DEFAULT)),
        data_dir=data_dir,
    )


def _count(table: Table, key: str, name: str, part: str) -> int:
    there = len(data.SPLITS[name][part])
    return table.integer(key, 1, there, default=there)


def _entries(top: Table, unique: bool) -> tuple[StudyEntry, ...]:
    """The [[methods]]; with final runs no two may differ in tuned options alone."""
    entries: list[StudyEntry] = []
    for table in top.tables("methods", _ENTRY, named_by="method"):
        entry = _entry(table)
        if any(entry.setting.label == e.setting.label or (unique and entry.label == e.label) for e in entries):
            table.fail("method", f"{entry.label} is there twice")
        if entries and len(entry.shifts) != len(entries[0].shifts):
            table.fail("shifts", f"every method needs the same number of shifts, here {len(entries[0].shifts)}")
        entries.append(entry)
    if not entries:
        top.fail("methods", "missing: one [[methods]] table or more")
    return tuple(entries)


def _entry(table: Table) -> StudyEntry:
    options = {name: table.raw[name] for name in OPTIONS if name in table.raw}
    shifts = _numbers(table, "shifts", [], (int,))
    if not shifts:
        table.fail("shifts", "missing: the learning shifts to try, such as [-2, 0, 2]")
    try:
        settings = [Setting(table.text("method"), shift, options) for shift in shifts]
    except UsageError as error:
        if str(error).startswith(str(table.path)):
            raise
        table.fail("method", str(error))
    return StudyEntry(Setting(settings[0].method, 0, options), tuple(shifts), table.flag("untuned", True))


def _numbers(table: Table, key: str, default: list[Any], kinds: tuple[type, ...]) -> list[Any]:
    found = table.array(key) if key in table.raw else default
    if any(type(value) not in kinds for value in found) or len(set(found)) < len(found):
        table.fail(key, f"must be a list of different numbers, not {found!r}")
    return found
