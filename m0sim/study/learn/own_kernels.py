"""Kernels that a method brings: assembled where they are used, and put behind m0sim's in flash.

They are built with the toolchain's zig and the include files of kernels/ (macros.inc, m0k.inc, m0k.h); `own.inc` is
made for them, with the offsets of their blocks' fields. They may call one another, and nothing of m0sim's.
"""

from __future__ import annotations

import hashlib
import inspect
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from m0sim import files, toolchain
from m0sim.errors import UsageError
from m0sim.image import Image, load_elf
from m0sim.study.learn.blocks import constants
from m0sim.study.learn.kernels import LINKED_AT

_PACKAGE = Path(__file__).resolve().parents[2]
_SCRIPT = "m0sim.ld"
_FLAGS = ("-O2", "-g")
_ALIGN = 16
_SOURCE_LIMIT = 4 << 20
_OFFSETS = "own.inc"
_ORIGIN = f"ORIGIN = 0x{LINKED_AT:08x}"


@dataclass(frozen=True, slots=True)
class Kernel:
    """A function ``void NAME(const block *)`` of a method's own."""

    fields: tuple[str, ...]
    """The words of its block in their order, each an address or a number. In assembly, field n_in of m0k_sign_dense is
    at the offset SIGN_DENSE_N_IN."""
    stack_bytes: int
    """What it and all that it calls push, at most. A step that takes more is an error."""


@dataclass(frozen=True)
class _Source:
    """What decides about the code."""

    files: tuple[tuple[Path, bytes], ...]
    offsets: str
    at: int


def source_files(owner: type, names: Sequence[str]) -> tuple[Path, ...]:
    """The files of these names, in the folder of the class that names them, `owner` or one below it."""
    if not names:
        return ()
    namer = next(base for base in owner.__mro__ if "sources" in vars(base))
    return tuple(Path(inspect.getfile(namer)).parent / name for name in names)


def version(sources: Sequence[Path], own: Mapping[str, Kernel]) -> str:
    """A hash of the sources, in words; nothing without any."""
    if not sources:
        return ""
    found = hashlib.sha256(_offsets(own).encode())
    for _, content in _read(sources):
        found.update(content)
    return f" and {found.hexdigest()[:16]}, {toolchain.find().version()}"


def beside(kernels: Image, sources: Sequence[Path], own: Mapping[str, Kernel]) -> Image:
    """m0sim's kernels with these behind them.

    Raises UsageError where they cannot be assembled, lack one that is declared, have a name that m0sim's have, or have
    variables: whatever a kernel keeps is a tensor.
    """
    if not sources:
        return kernels
    added = _assembled(_Source(_read(sources), _offsets(own), _end(kernels)))
    names = {symbol.linkage_name for symbol in added.symbols if symbol.kind == "function"}
    where = ", ".join(map(str, sources))
    if missing := [name for name in own if name not in names]:
        raise UsageError(f"{where}: has no function {', '.join(missing)}: begin it with FUNCTION NAME of macros.inc")
    if both := names & {symbol.linkage_name for symbol in kernels.symbols if symbol.kind == "function"}:
        raise UsageError(f"{where}: {', '.join(sorted(both))}: m0sim has a kernel of this name, take another")
    if any(segment.writable for segment in added.segments):
        raise UsageError(f"{where}: has variables (.data or .bss): keep them in tensors, whose addresses blocks have")
    return replace(
        kernels,
        segments=(*kernels.segments, *added.segments),
        sections=(*kernels.sections, *added.sections),
        symbols=(*kernels.symbols, *added.symbols),
        code_ranges=(*kernels.code_ranges, *added.code_ranges),
        data_ranges=(*kernels.data_ranges, *added.data_ranges),
        address_words=(*(kernels.address_words or ()), *(added.address_words or ())),
    )


def code_bytes(kernels: Image, sources: Sequence[Path], own: Mapping[str, Kernel]) -> int:
    """Flash that they take behind m0sim's."""
    return _end(beside(kernels, sources, own)) - _end(kernels) if sources else 0


def _end(kernels: Image) -> int:
    end = max(segment.end for segment in kernels.segments)
    return -(-end // _ALIGN) * _ALIGN


def _read(sources: Sequence[Path]) -> tuple[tuple[Path, bytes], ...]:
    return tuple((path, files.read(path, _SOURCE_LIMIT, "the kernels")) for path in sources)


def _offsets(own: Mapping[str, Kernel]) -> str:
    lines = [line for name, kernel in own.items() for line in constants(name, kernel.fields)]
    return "\n".join(["/* Byte offsets of the fields of these kernels' blocks. */", *lines]) + "\n"


@cache
def _assembled(source: _Source) -> Image:
    """Assembled once a process and content."""
    folder = next(f for f in (_PACKAGE / "kernels", _PACKAGE.parent / "kernels") if (f / _SCRIPT).is_file())
    with tempfile.TemporaryDirectory(prefix="m0sim-") as made:
        script, output = Path(made) / _SCRIPT, Path(made) / "own.elf"
        text = (folder / _SCRIPT).read_text(encoding="utf-8")
        assert _ORIGIN in text
        files.write(script, text.replace(_ORIGIN, f"ORIGIN = 0x{source.at:08x}"))
        files.write(Path(made) / _OFFSETS, source.offsets)
        flags = (*_FLAGS, f"-I{made}", f"-I{folder}")
        paths = [path for path, _ in source.files]
        toolchain.find().build(paths, output, flags=flags, linker_script=script, movable=True)
        return load_elf(output)
