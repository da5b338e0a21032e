"""Reading a firmware file: an ELF or a raw binary."""

from __future__ import annotations

import struct
from pathlib import Path

from m0sim.errors import UsageError
from m0sim.image.elf import Elf
from m0sim.image.headers import Broken
from m0sim.image.image import Image
from m0sim.image.segments import MEMORY_LIMIT, Section, Segment


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
    return Image(path, base, (segment,), (section,), (), ((base, segment.end),), ())


def load_elf(path: str | Path) -> Image:
    """An executable ELF for 32-bit little-endian Arm.

    Raises `UsageError`, one line that says what is wrong and what to do, for a file that cannot be read, is no such
    ELF, is truncated or contradicts itself. Debug information is not read here; see `Image.lines`.
    """
    path = Path(path)
    data = _read_file(path)
    try:
        return Elf(path, data).image()
    except Broken as broken:
        raise UsageError(f"{path} {broken}") from None
    except (struct.error, ValueError, IndexError, KeyError, OverflowError, RecursionError, MemoryError) as error:
        # Every table is checked before use; should a check be missing, a person still gets a line.
        raise UsageError(f"{path} is a damaged ELF file ({error}): build it again") from error


def _read_file(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise UsageError(f"{path} is a directory: name the firmware file in it")
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is not a regular file")
        if path.stat().st_size > MEMORY_LIMIT:
            raise UsageError(f"{path} is larger than {MEMORY_LIMIT >> 20} MiB: no firmware of a Cortex-M0+ is")
        return path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file") from None
    except PermissionError:
        raise UsageError(f"{path}: no permission to read it") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise UsageError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
