"""The files that a check reads, with the hashes of their bytes: with the same bytes, it finds the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from m0sim import files
from m0sim.check.bench import Bench, RunBench
from m0sim.check.result import SourceFile
from m0sim.chip import operands
from m0sim.chip.operands import Operand
from m0sim.image import Image

INPUT = "input"
"""The role of what benches read."""


def source(role: str, path: Path) -> list[SourceFile]:
    """A file; none where there is none, or where it gives what it has only once. Raises `UsageError`."""
    if not path.is_file():
        return []
    return [SourceFile(role, path, hashlib.sha256(files.read(path)).hexdigest())]


def of_images(role: str, images: Iterable[Image]) -> list[SourceFile]:
    """Images that were read."""
    return [SourceFile(role, image.path, image.sha256) for image in images]


def of_benches(benches: Iterable[Bench]) -> list[SourceFile]:
    """What benches read besides their images, once each: operands, what a UART receives, the names of images that have
    none, boot ROMs, and profiles that are files. Raises `UsageError`."""
    found = dict.fromkeys(path for bench in benches for path in _of(bench))
    return [file for path in found for file in source(INPUT, path)]


def _of(bench: Bench) -> Iterator[Path]:
    if bench.profile.endswith(".toml"):
        yield Path(bench.profile)
    yield from (path for path in (bench.symbols, bench.bootrom) if path is not None)
    if isinstance(bench, RunBench):
        yield from () if bench.stdin is None else (bench.stdin,)
        return
    for given in (bench.args, *(call.args for call in bench.before)):
        yield from _files(given)


def _files(given: Iterable[Operand]) -> Iterator[Path]:
    for operand in given:
        for part in operands.parts(operand):
            if isinstance(part, operands.File):
                yield part.path
