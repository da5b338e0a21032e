"""A check's result as workflow commands: GitHub shows them at the manifest's lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from m0sim.check.formats import text
from m0sim.check.result import Result
from m0sim.check.verdict import closing_line

_IN_MESSAGES = "%\r\n"
_IN_PROPERTIES = "%\r\n:,"


def commands(result: Result) -> str:
    """An error for each bench that failed, a warning for each warning, and a notice that sums up."""
    return "".join(f"{line}\n" for line in _commands(result))


def _commands(result: Result) -> Iterator[str]:
    for verdict in result.verdicts:
        if verdict.is_bad:
            told = [text.title(verdict), *text.below_title(verdict)]
            yield _command("error", result, verdict.name, "\n".join(told))
        else:
            yield from (_command("warning", result, verdict.name, warning) for warning in verdict.warnings)
    yield from (_command("warning", result, "", each.line) for each in result.growths if each.is_worse)
    yield _command("notice", result, "", closing_line(result.verdicts))


def _command(level: str, result: Result, name: str, message: str) -> str:
    properties = {"title": name or "m0sim check"}
    if result.manifest is not None and name:
        properties = {"file": _from_here(result.manifest), "line": str(result.places[name].line), **properties}
    listed = ",".join(f"{key}={_escaped(value, _IN_PROPERTIES)}" for key, value in properties.items())
    return f"::{level} {listed}::{_escaped(message, _IN_MESSAGES)}"


def _from_here(path: Path) -> str:
    """Paths are from the repository's folder on, which workflows run in."""
    here = Path.cwd()
    return (path.resolve().relative_to(here) if path.resolve().is_relative_to(here) else path).as_posix()


def _escaped(value: str, special: str) -> str:
    return "".join(f"%{ord(c):02X}" if c in special else c for c in value)
