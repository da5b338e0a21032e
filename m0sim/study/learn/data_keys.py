"""Data in a study's or a sweep's file: its keys are called as the options are."""

from __future__ import annotations

from pathlib import Path

from m0sim.errors import UsageError
from m0sim.study.learn import data_files, sources, split, transfer
from m0sim.study.learn.sources import DataSource, FileOptions
from m0sim.toml import Table

KEYS = ("data", "split", "split_seed", "range", "window", "label")


def source(table: Table, folder: Path, data_dir: Path | None, known: tuple[str, ...], default: str) -> DataSource:
    """The data: one of `known`, or a file of one's own, from `folder` on. UsageError with file and line."""
    name = table.text("data", default)
    is_file = name not in known and (transfer.is_file(name) or (folder / name).is_dir())
    if is_file:
        name = str(folder / name)
    elif "data" in table.raw:
        table.choice("data", known)
    found = DataSource(name, data_dir, _options(table))
    try:
        return sources.known(found)
    except UsageError as error:
        table.fail("data", str(error))


def _options(table: Table) -> FileOptions:
    given = {key: table.text(key) if key in table.raw else None for key in ("split", "range", "window")}
    seed = table.integer("split_seed", 0, split.SEED_MAX, default=0)
    try:
        reading = data_files.reading(given["range"], given["window"], table.text("label", ""))
        return FileOptions(reading, None if given["split"] is None else split.fractions(given["split"]), seed)
    except UsageError as error:
        key = next((key for key in given if f"--{key}" in str(error)), "data")
        table.fail(key, str(error).removeprefix(f"--{key} "))


def tasks(table: Table, folder: Path) -> tuple[transfer.Transfer, ...]:
    """The transfer tasks of the key `tasks`; a file of data is from `folder` on."""
    found = []
    for text in table.array("tasks"):
        try:
            task = transfer.parse(str(folder / text) if _is_file(text, folder) else str(text))
        except UsageError as error:
            table.fail("tasks", str(error))
        if task in found:
            table.fail("tasks", f"{task.title} is there twice")
        found.append(task)
    return tuple(found)


def _is_file(text: object, folder: Path) -> bool:
    return isinstance(text, str) and text not in transfer.KINDS and (transfer.is_file(text) or (folder / text).is_dir())
