"""Reading a firmware file: an ELF, Intel HEX, UF2, or a raw binary."""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import replace
from pathlib import Path

from m0sim.errors import UsageError
from m0sim.image import hex as hex_file
from m0sim.image import uf2
from m0sim.image.chunks import image_of
from m0sim.image.elf import Elf
from m0sim.image.headers import Broken
from m0sim.image.image import Image
from m0sim.image.segments import MEMORY_LIMIT, Section, Segment
from m0sim.image.symbol_file import with_symbols


def load_file(path: str | Path, *, base: int | None = None, symbols: str | Path | None = None) -> Image:
    """A firmware file of any kind: told by its content, or a raw binary where `base` is given.

    `symbols` is the ELF that a HEX, UF2 or raw file was made from: it gives names, source lines, and the addresses
    where initialised variables run. Raises `UsageError`, one line, for a file that cannot be read or is damaged, and
    where the code of `symbols` is another one.
    """
    path = Path(path)
    kind = _kind(path)
    if base is None and kind is None:
        kind = _KIND_BY_NAME.get(path.suffix.lower())
    if base is not None:
        if kind is not None:
            raise UsageError(f"{path}: is {kind}, which says itself where it runs: leave out the base address")
        image = load_raw(path, base)
    elif kind == _HEX:
        image = load_hex(path)
    elif kind == _UF2:
        image = load_uf2(path)
    else:
        image = load_elf(path)
        if symbols is not None:
            raise UsageError(f"{path}: is an ELF file, which has its own symbols: leave out the symbol file")
    if symbols is None:
        return image
    return with_symbols(image, load_elf(symbols))


_ELF, _HEX, _UF2 = "an ELF file", "Intel HEX", "a UF2 file"
_KIND_BY_NAME = {".uf2": _UF2, ".hex": _HEX, ".ihex": _HEX, ".ihx": _HEX}
_NO_VARIABLES = (
    "this file does not say where initialised variables run: they hold what SRAM is filled with until start-up code "
    "has run; give the ELF that it was made from as the symbol file (--symbols)"
)


def _kind(path: Path) -> str | None:
    """What kind of file it is, by its first bytes; None where they do not tell, or it cannot be read."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            start = file.read(64)
    except (OSError, ValueError):
        return None  # the loader says what is wrong
    if start[:4] == b"\x7fELF":
        return _ELF
    if start.startswith(uf2.MAGIC):
        return _UF2
    return _HEX if re.match(rb"\s*:[0-9A-Fa-f]{8}", start) else None


def load_hex(path: str | Path) -> Image:
    """An Intel HEX file: each run of bytes a section of code, no names.

    Raises `UsageError`, one line that names the line of a malformed record.
    """
    path = Path(path)
    data = _read_file(path)
    try:
        chunks, entry = hex_file.read(data)
    except Broken as broken:
        raise UsageError(f"{path} {broken}") from None
    return replace(image_of(path, "hex", chunks, entry, (_NO_VARIABLES,)), sha256=_digest(data))


def load_uf2(path: str | Path) -> Image:
    """A UF2 file for an RP2040: each run of bytes a section of code, no names.

    Raises `UsageError`, one line that names the malformed block, or the chip that the file is for.
    """
    path = Path(path)
    data = _read_file(path)
    try:
        chunks = uf2.read(data)
    except Broken as broken:
        raise UsageError(f"{path} {broken}") from None
    return replace(image_of(path, "uf2_", chunks, 0, (_NO_VARIABLES,)), sha256=_digest(data))


def load_raw(data: bytes | str | Path, base: int) -> Image:
    """A raw binary, given as bytes or as a file, at the address `base`: one segment, all of it code, no names.

    Raises `UsageError` when the file cannot be read, is empty, or does not fit behind `base`.
    """
    path = Path("<bytes>") if isinstance(data, bytes) else Path(data)
    content = data if isinstance(data, bytes) else _read_file(path)
    if not content:
        raise UsageError(f"{path} is empty: nothing to run")
    if not 0 <= base <= base + len(content) <= 1 << 32:
        raise UsageError(f"{path}: {len(content)} bytes at base 0x{base:x} are not within 32-bit addresses")
    segment = Segment(base, base, content, len(content), readable=True, writable=False, executable=True)
    section = Section("raw", base, len(content), "code", base)
    code = ((base, segment.end),)
    return Image(path, base, (segment,), (section,), (), code, (), sha256=_digest(content), base=base, is_flat=True)


def load_elf(path: str | Path) -> Image:
    """An executable ELF for 32-bit little-endian Arm.

    Raises `UsageError`, one line that says what is wrong and what to do, for a file that cannot be read, is no such
    ELF, is truncated or contradicts itself. Debug information is not read here; see `Image.lines`.
    """
    path = Path(path)
    data = _read_file(path)
    try:
        return replace(Elf(path, data).image(), sha256=_digest(data))
    except Broken as broken:
        raise UsageError(f"{path} {broken}") from None
    except (struct.error, ValueError, IndexError, KeyError, OverflowError, RecursionError, MemoryError) as error:
        # Every table is checked before use; should a check be missing, a person still gets a line.
        raise UsageError(f"{path} is a damaged ELF file ({error}): build it again") from error


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _read_file(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise UsageError(f"{path} is a directory: name the firmware file in it")
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is not a regular file")
        if path.stat().st_size > MEMORY_LIMIT:
            raise UsageError(
                f"{path} is larger than {MEMORY_LIMIT >> 20} MiB: no firmware of a Cortex-M0+ is; if objcopy -O binary "
                "filled the gap between flash and SRAM, give the ELF itself, or objcopy -O ihex"
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file") from None
    except PermissionError:
        raise UsageError(f"{path}: no permission to read it") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise UsageError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
