"""The kernels' parameter blocks, as kernels/m0k.h declares them: the words of each by name, and how to fill them.

The header is the only place where a block's fields stand. From it come the assembler's offsets (kernels/m0k.inc, by
`offsets`) and what the host packs. Every field is one 32-bit word: an address or a number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar

from m0sim.errors import did_you_mean

_PACKAGE = Path(__file__).resolve().parents[2]
_PLACES = (_PACKAGE / "kernels" / "m0k.h", _PACKAGE.parent / "kernels" / "m0k.h")

WORD = 4
"""Bytes of a field."""

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_STRUCT = re.compile(r"typedef struct \{(.*?)\}\s*(\w+)_t;", re.DOTALL)
_FUNCTION_POINTER = re.compile(r"\(\*(\w+)\)\([^)]*\)")
_PROTOTYPE = re.compile(r"\bvoid (\w+)\(const (\w+)_t \*")
_WORDS = re.compile(r"u?int32_t\b|\*|_provider_t\b")

T = TypeVar("T")


def parse(header: str) -> dict[str, tuple[str, ...]]:
    """Field names of every struct of a C header by its name without ``_t``; ValueError for a field that is no word."""
    return {name: _fields(name, body) for body, name in _STRUCT.findall(_COMMENT.sub("", header))}


def _fields(block: str, body: str) -> tuple[str, ...]:
    names: list[str] = []
    for declaration in filter(None, map(str.strip, body.split(";"))):
        pointer = _FUNCTION_POINTER.search(declaration)
        if pointer:
            names.append(pointer[1])
            continue
        if not _WORDS.search(declaration):
            raise ValueError(f"{block}_t: {declaration!r} is no 32-bit word")
        first, *others = declaration.split(",")
        names += [part.split()[-1].lstrip("*") for part in (first, *others)]
    return tuple(names)


@cache
def blocks() -> Mapping[str, tuple[str, ...]]:
    """The fields of the block that each function of kernels/m0k.h takes, in order; of a provider, of its context."""
    path = next(path for path in _PLACES if path.is_file())
    return of_functions(path.read_text(encoding="utf-8"))


@cache
def _types() -> Mapping[str, str]:
    path = next(path for path in _PLACES if path.is_file())
    return {function: f"{block}_t" for function, block in _PROTOTYPE.findall(path.read_text(encoding="utf-8"))}


def type_of(function: str) -> str:
    """The C type of the block that a function takes, such as ``m0k_dense_t``."""
    return _types()[function]


def of_functions(header: str) -> dict[str, tuple[str, ...]]:
    """As `parse`, and the same fields by the name of each function that takes such a block."""
    structs = parse(header)
    return structs | {function: structs[block] for function, block in _PROTOTYPE.findall(header)}


def pack(function: str, words: Mapping[str, T], fields: Sequence[str] = ()) -> tuple[T, ...]:
    """The words of a function's block in the order of its fields. ValueError where one is missing or is not a field.

    `fields` are those of a function that kernels/m0k.h does not have.
    """
    fields = fields or blocks().get(function, ())
    if not fields:
        raise ValueError(f"no kernel {function!r}{did_you_mean(function, blocks())}")
    for name in words:
        if name not in fields:
            raise ValueError(f"the block of {function} has no field {name!r}{did_you_mean(name, fields)}")
    missing = [name for name in fields if name not in words]
    if missing:
        raise ValueError(f"the block of {function} lacks {', '.join(missing)}")
    return tuple(words[name] for name in fields)


def offsets(header: str) -> str:
    """kernels/m0k.inc: an assembler constant for the byte offset of every field, such as DENSE_N_IN for n_in."""
    lines = ["/* Byte offsets of the fields of m0k.h's blocks. Made by `make kernels` from m0k.h: change it there. */"]
    for block, fields in parse(header).items():
        lines += ["", f"/* {block}_t */", *constants(block, fields)]
    return "\n".join(lines) + "\n"


def constants(block: str, fields: Sequence[str]) -> list[str]:
    """The assembler constants of one block, such as DENSE_N_IN of m0k_dense, and its size."""
    prefix = block.removeprefix("m0k_").upper()
    lines = [f"#define {prefix}_{name.upper()} {WORD * i}" for i, name in enumerate(fields)]
    return [*lines, f"#define {prefix}_BYTES {WORD * len(fields)}"]
