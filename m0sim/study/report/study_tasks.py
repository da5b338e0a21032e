"""The transfer tasks of a study's result: how its JSON, its tables and the names of its files tell them apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from m0sim.study.learn.transfer import Transfer, of_title, rotation


def to_json(what: Transfer) -> dict[str, Any]:
    """An entry's task: the angle of a rotation, the name of another one beside it."""
    return {"angle": what.angle} if what.angle is not None else {"angle": None, "task": what.title}


def task_of(entry: Mapping[str, Any]) -> Transfer:
    """The task of an entry of the result."""
    return of_title(entry["task"]) if entry["angle"] is None else rotation(entry["angle"])


def tasks_of(r: Mapping[str, Any]) -> list[Transfer]:
    """The tasks of a result, in their order."""
    names = r.get("tasks") or [rotation(angle).title for angle in r["angles"]]
    return [of_title(name) for name in names]


def data_words(r: Mapping[str, Any]) -> str:
    """The data, with what the study file says that a reader must know of it."""
    return f"{r['data']} ({r['note']})" if r.get("note") else str(r["data"])


def heads(r: Mapping[str, Any]) -> tuple[str, str]:
    """What tells the tasks of a result apart, and in which unit."""
    return ("task", "task") if r.get("tasks") else ("angle", "degrees")


def short(what: Transfer) -> str:
    """In a column: ``30`` or ``noise:8``."""
    return what.title if what.angle is None else f"{what.angle:g}"


def file_of(what: Transfer) -> str:
    """In the names of files."""
    return short(what).replace(":", "-")


def place(what: Transfer) -> str:
    """In a sentence."""
    return f"the task {what.title}" if what.angle is None else f"{what.angle:g} degrees"
