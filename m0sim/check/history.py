"""A history of checks: a line of JSON for each, in a file that only grows."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from m0sim import __version__, files
from m0sim.check.limits import FIGURES
from m0sim.check.result import Result
from m0sim.check.verdict import Status, Verdict
from m0sim.errors import UsageError

SCHEMA = 1
"""Goes up when an older m0sim could misread a line."""
_LONGEST = 200
"""Letters of a commit that a person gives."""


@dataclass(frozen=True, slots=True)
class Commit:
    """What was checked."""

    id: str
    is_changed: bool = False
    """Whether files that git knows differed from it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One bench in one run."""

    status: Status
    waits: str
    """What its cycles wait for, such as ``cold flash``; empty for nothing. Other waits, other cycles."""
    cycles: int | None
    """None after a fault, as are the others."""
    stack: int | None
    sram: int | None
    code: int | None
    """None also where it is not known. All but cycles are bytes."""


@dataclass(frozen=True, slots=True)
class Run:
    """One check."""

    time: str
    """In UTC, such as ``2026-11-29T17:00:00Z``."""
    commit: Commit | None
    """None where there is no git, and nobody said it."""
    m0sim: str
    """The version that measured."""
    benches: Mapping[str, Entry]
    """By name, in the manifest's order."""


def commit_of(text: str) -> Commit:
    """A commit as a person gives it. Raises `UsageError` where it is no word."""
    if not text or not text.isprintable() or len(text) > _LONGEST:
        raise UsageError(f"--commit must be a name of at most {_LONGEST} letters, not {text[:_LONGEST]!r}")
    return Commit(text)


def commit_in(folder: Path, ignored: Collection[Path]) -> Commit | None:
    """What git has checked out in a folder, and whether files other than those `ignored` were changed since.

    None where there is no git, no repository or no commit yet.
    """
    head = _git(folder, "rev-parse", "--show-toplevel", "HEAD")
    top, _, commit = (head or "").strip().rpartition("\n")
    if not top or not commit:
        return None
    status = _git(Path(top), "status", "--porcelain", "--no-renames", "--untracked-files=no", "-z") or ""
    own = {path.resolve() for path in ignored}
    changed = [name for entry in status.split("\0") if (name := entry[3:]) and (Path(top) / name).resolve() not in own]
    return Commit(commit, bool(changed))


def _git(folder: Path, *words: str) -> str | None:
    """What git prints; None where it fails or is not there."""
    try:
        done = subprocess.run(
            ["git", *words], cwd=folder, capture_output=True, env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"}, check=False
        )
    except OSError:
        return None
    return done.stdout.decode("utf-8", "surrogateescape") if done.returncode == 0 else None


def run_of(result: Result, commit: Commit | None, time: datetime.datetime) -> Run:
    """What of a result is remembered."""
    benches = {verdict.name: _entry(verdict) for verdict in result.verdicts}
    return Run(time.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), commit, __version__, benches)


def _entry(verdict: Verdict) -> Entry:
    figures = verdict.figures
    values = {name: None if figures is None else figures.value(name) for name in FIGURES}
    return Entry(verdict.status, "" if figures is None else figures.waits, **values)


def run_object(run: Run) -> dict[str, Any]:
    """What JSON has of one run."""
    commit = run.commit
    return {
        "schema": SCHEMA,
        "time": run.time,
        "commit": None if commit is None else commit.id,
        "changed": commit is not None and commit.is_changed,
        "m0sim": run.m0sim,
        "benches": {name: asdict(entry) for name, entry in run.benches.items()},
    }


def verify(path: Path) -> None:
    """Raises `UsageError` where nothing can be appended to a file: better said before the work than after it."""
    files.check_folder(path)
    if path.exists() and not path.is_file():
        raise UsageError(f"{path}: a history is a regular file")


def append(path: Path, run: Run) -> None:
    """Add a line for a run, whole and in one write; nothing else in the file changes.

    Several processes may do so at once. Behind a line that was left unfinished, it begins a new one. Raises
    `UsageError`.
    """
    verify(path)
    line = json.dumps(run_object(run), ensure_ascii=True).encode() + b"\n"
    try:
        with files.locked(path), open(path, "a+b", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            if size:
                file.seek(size - 1)
                line = line if file.read(1) == b"\n" else b"\n" + line
            file.write(line)
            os.fsync(file.fileno())
    except OSError as error:
        raise UsageError(f"{path}: cannot write: {error.strerror or error}") from error


def read(path: Path) -> tuple[list[Run], list[str]]:
    """The runs of a history, oldest first, and a note for each line that is none, such as one left unfinished.

    Raises `UsageError` where it cannot be read, or has no line that is a run.
    """
    runs: list[Run] = []
    notes: list[str] = []
    content = files.read(path, what="the history")
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            runs.append(_run(json.loads(line.decode())))
        except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
            what = str(error) if isinstance(error, _NoRunError) else "is damaged"
            notes.append(f"{path}:{number}: {what}: left out")
    if not runs:
        wrong = f" ({notes[0]})" if notes else ""
        raise UsageError(f"{path}: has no run: `m0sim check --history {path}` adds one{wrong}")
    return runs, notes


class _NoRunError(ValueError):
    """What is wrong with a line, in words that follow its number."""


def _run(found: Any) -> Run:
    if not isinstance(found, dict) or type(found.get("schema")) is not int:
        raise _NoRunError("is no run of a check")
    if found["schema"] != SCHEMA:
        raise _NoRunError(f"has schema {found['schema']}, and this m0sim reads {SCHEMA}")
    commit, benches = found.get("commit"), found.get("benches")
    if not isinstance(benches, dict) or not (commit is None or isinstance(commit, str)):
        raise _NoRunError("is no run of a check")
    return Run(
        time=_text(found, "time"),
        commit=None if commit is None else Commit(commit, found.get("changed") is True),
        m0sim=_text(found, "m0sim"),
        benches={name: _read_entry(entry) for name, entry in benches.items()},
    )


def _read_entry(found: Any) -> Entry:
    if not isinstance(found, dict) or found.get("status") not in get_args(Status):
        raise _NoRunError("has a bench without a status")
    values = {name: found.get(name) for name in FIGURES}
    for name, value in values.items():
        if value is not None and (type(value) is not int or value < 0):
            raise _NoRunError(f"has {name} that are no count")
    return Entry(found["status"], _text(found, "waits"), **values)


def _text(table: dict[str, Any], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str):
        raise _NoRunError(f"has no {key}")
    return value
