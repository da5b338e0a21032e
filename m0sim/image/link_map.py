"""The map that a linker writes: which bytes of each section are of which object file.

Read are those of GNU ld (``-Wl,-Map=FILE``) and of LLVM's ld.lld (``-Map FILE``). Nobody defined either format: what
is read here is what binutils 2.30 to 2.41 and LLVM 15 to 22 write.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from m0sim import files
from m0sim.errors import UsageError
from m0sim.image.segments import Section
from m0sim.names import printable

_LINE_LIMIT = 1 << 22
"""Lines of a map. That of large firmware has a hundred thousand."""
_NAME_LIMIT = 4096
_GNU_START = "Linker script and memory map"
_LLD_START = re.compile(r"\s*VMA\s+LMA\s+Size\s+Align\s+Out\s+In\s+Symbol\s*$")
_PLACE = r"0x([0-9a-f]{1,16})\s+0x([0-9a-f]{1,16})"
_GNU_SECTION = re.compile(rf"(\S+)\s+{_PLACE}(?:\s+load address 0x[0-9a-f]+)?\s*$")
_GNU_PIECE = re.compile(rf" (\S+)\s+{_PLACE}\s(\S.*?)\s*$")
_GNU_CONTINUED = re.compile(rf"\s+{_PLACE}(?:\s(\S.*?))?(?:\s+load address 0x[0-9a-f]+)?\s*$")
_GNU_NAME = re.compile(r"( ?)(\S+)\s*$")
_ASSIGNED = r"(?:PROVIDE(?:_HIDDEN)?\s*\(\s*)?([\w.$]+)\s*[-+*/]?="
_GNU_ASSIGNED = re.compile(rf"\s+(?:0x[0-9a-f]+|\[[^\]]*\])\s+{_ASSIGNED}")
_LLD_LINE = re.compile(r"\s*([0-9a-f]+)\s+([0-9a-f]+)\s+([0-9a-f]+)\s+[0-9]+ (.*)$")
_LLD_PIECE = re.compile(r"(.*):\((.*)\)$")
_LLD_ASSIGNED = re.compile(_ASSIGNED)


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of one object file in a section."""

    address: int
    size: int
    object: str
    """As the linker was given it: ``main.o``, ``lib/libc.a(memcpy.o)``."""

    @property
    def end(self) -> int:
        """The address behind its last byte."""
        return self.address + self.size


@dataclass(frozen=True, slots=True)
class LinkMap:
    """What a map says of the sections of an image."""

    path: Path
    pieces: tuple[Piece, ...]
    """By address, none over another."""
    script_symbols: frozenset[str]
    """Symbols that the linker script gave: they name no bytes."""

    @property
    def edges(self) -> Iterator[int]:
        """Where pieces begin and end."""
        for piece in self.pieces:
            yield piece.address
            yield piece.end


@dataclass(slots=True)
class _Found:
    """A map as far as it was read."""

    sections: dict[tuple[str, int], int] = field(default_factory=dict)
    """Sizes, by name and address."""
    pieces: list[tuple[tuple[str, int], Piece]] = field(default_factory=list)
    """With the key of their section."""
    script_symbols: set[str] = field(default_factory=set)
    section: tuple[str, int] | None = None
    """The key of the one that is being read."""

    def begin(self, name: str, address: int, size: int) -> None:
        """A section."""
        self.section = printable(name), address
        self.sections[self.section] = size

    def add(self, address: int, size: int, name: str) -> None:
        """A piece of it."""
        if self.section is not None and size:
            self.pieces.append((self.section, Piece(address, size, printable(name[:_NAME_LIMIT]))))


def read(path: Path, image_path: Path, sections: Iterable[Section]) -> LinkMap:
    """Read the map that was written when the image with these `sections` was linked.

    Raises `UsageError`, one line, where the file cannot be read, is no such map, or is that of another image.
    """
    lines = files.read(path).decode("utf-8", "replace").splitlines()
    if len(lines) > _LINE_LIMIT:
        raise UsageError(f"{path}: has more than {_LINE_LIMIT:,} lines: no map of a Cortex-M0+ device has")
    if any(line.startswith(_GNU_START) for line in lines):
        found = _gnu(lines)
    elif lines and _LLD_START.match(lines[0]):
        found = _lld(lines)
    else:
        raise UsageError(f"{path}: is no map of GNU ld or LLVM's ld.lld: link with -Wl,-Map=FILE, or leave out the map")
    wanted = {(section.name, section.address): section.size for section in sections}
    for (name, address), size in wanted.items():
        if found.sections.get((name, address)) != size:
            raise UsageError(
                f"{path}: is not the map of {image_path}: it has no section {name} of {size:,} bytes at "
                f"0x{address:08x}; link again, and give the map of that link"
            )
    pieces = [piece for section, piece in found.pieces if section in wanted]
    return LinkMap(path, tuple(_apart(pieces)), frozenset(found.script_symbols))


def _apart(pieces: list[Piece]) -> Iterator[Piece]:
    """`pieces` by address, what an earlier one has already taken away from a later one."""
    end = 0
    for piece in sorted(pieces, key=lambda p: (p.address, -p.size)):
        start = max(piece.address, end)
        end = max(end, piece.end)
        if start < piece.end:
            yield Piece(start, piece.end - start, piece.object)


def _gnu(lines: list[str]) -> _Found:
    found = _Found()
    start = next(i for i, line in enumerate(lines) if line.startswith(_GNU_START))
    pending = ("", "")  # indentation and name of a line too long for what belongs behind it
    for line in lines[start + 1 :]:
        indent, name = pending
        pending = ("", "")
        if name and (match := _GNU_CONTINUED.match(line)):
            address, size, rest = int(match[1], 16), int(match[2], 16), match[3]
            if not indent:
                found.begin(name, address, size)
            elif rest:
                found.add(address, size, rest)
        elif match := _GNU_NAME.fullmatch(line):
            pending = match[1], match[2]
            if not match[1]:
                found.section = None
        elif match := _GNU_SECTION.match(line):
            found.begin(match[1], int(match[2], 16), int(match[3], 16))
        elif match := _GNU_PIECE.match(line):
            if not match[1].startswith("*"):
                found.add(int(match[2], 16), int(match[3], 16), match[4])
        elif match := _GNU_ASSIGNED.match(line):
            found.script_symbols.add(match[1])
        elif line and not line[0].isspace():
            found.section = None
    return found


def _lld(lines: list[str]) -> _Found:
    found = _Found()
    for line in lines[1:]:
        match = _LLD_LINE.match(line)
        if match is None:
            continue
        address, size, text = int(match[1], 16), int(match[3], 16), match[4]
        name = text.strip()
        if assigned := _LLD_ASSIGNED.match(name):
            found.script_symbols.add(assigned[1])
        elif not text.startswith(" "):
            found.begin(name, address, size)
        elif piece := _LLD_PIECE.match(name):
            found.add(address, size, piece[1])
    return found
