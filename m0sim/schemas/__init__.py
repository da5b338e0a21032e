"""JSON Schemas (draft 2020-12) of everything that ``--json`` prints, and of the files that m0sim reads and writes.

A file a name, beside this one. They are written by hand, closed (a name that they do not have is an error), and one
refers to another's parts by its file name, so that any tool that resolves such references takes them as they are.
docs/json.md says how a name is added.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from m0sim.errors import UsageError, did_you_mean

_FOLDER = Path(__file__).parent


def names() -> tuple[str, ...]:
    """All schemas, sorted: by verbs, such as ``call``, and by files: ``baseline``, ``manifest``."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.json")))


def load(name: str) -> dict[str, Any]:
    """The schema of that name, as its file has it. Raises `UsageError` for an unknown one."""
    if name not in names():
        raise UsageError(f"no schema {name!r}{did_you_mean(name, names())} (there are {', '.join(names())})")
    found: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def whole(name: str) -> dict[str, Any]:
    """The same with the schemas that it refers to inside of it, so that it needs no other file. Raises `UsageError`."""
    schema = load(name)
    needed = [f"{name}.json"]
    for file in needed:  # grows on the way: what is needed may need more
        needed += sorted(set(_referred(load(file.removesuffix(".json")))) - set(needed))
    inside = {file: load(file.removesuffix(".json")) for file in needed[1:]}
    return schema | {"$defs": schema.get("$defs", {}) | inside} if inside else schema


def _referred(value: Any) -> Iterator[str]:
    """The files that a schema's references name."""
    if isinstance(value, dict):
        reference = value.get("$ref", "")
        if isinstance(reference, str) and (file := reference.partition("#")[0]):
            yield file
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _referred(item)
