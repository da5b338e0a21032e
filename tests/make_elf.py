"""ELF files made without a linker, as one toolchain or another lays them out."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

CODE, RODATA, DATA = 6, 2, 3  # SHF_ALLOC with SHF_EXECINSTR, alone, with SHF_WRITE


@dataclass(frozen=True)
class Sec:
    """A section: `content` bytes in the file, or a number of bytes that it has no content for (NOBITS)."""

    name: str
    address: int
    content: bytes | int
    flags: int = DATA

    @property
    def data(self) -> bytes:
        return self.content if isinstance(self.content, bytes) else b""


@dataclass(frozen=True)
class Load:
    """A LOAD segment from the section `first` on, of `count` sections as they follow in the file."""

    address: int
    first: int
    count: int
    more: int = 0
    """Bytes in memory beyond those in the file."""
    load_address: int | None = None


@dataclass(frozen=True)
class Sym:
    name: str
    value: int
    size: int = 0
    kind: int = 2  # STT_FUNC
    section: int = 1


def elf(sections: Sequence[Sec], loads: Sequence[Load], symbols: Sequence[Sym] = (), *, machine_flags: int = 0x5000200,
        kind: int = 2) -> bytes:  # fmt: skip
    """An Arm ELF with these sections in this order, program headers, and a symbol table of globals."""
    at = 52 + 32 * len(loads)
    offsets, body = [], b""
    for section in sections:
        body += bytes(-len(body) % 4)
        offsets.append(at + len(body))
        body += section.data
    strings, names = b"\0", b"\0"
    table = bytes(16)
    for symbol in symbols:
        table += struct.pack("<IIIBBH", len(strings), symbol.value, symbol.size, 16 + symbol.kind, 0, symbol.section)
        strings += symbol.name.encode() + b"\0"
    rows = [bytes(40)]
    for section, offset in zip(sections, offsets, strict=True):
        stored = isinstance(section.content, bytes)
        size = len(section.data) if stored else section.content
        rows.append(struct.pack("<10I", len(names), 1 if stored else 8, section.flags, section.address, offset, size,
                                0, 0, 4, 0))  # fmt: skip
        names += section.name.encode() + b"\0"
    tail = at + len(body)
    link = len(rows) + 1
    for name, type_, content, linked, info, entry in (
        (".symtab", 2, table, link, 1, 16), (".strtab", 3, strings, 0, 0, 0), (".shstrtab", 3, b"", 0, 0, 0),
    ):  # fmt: skip
        names_at = len(names)
        names += name.encode() + b"\0"
        content = names if name == ".shstrtab" else content
        rows.append(struct.pack("<10I", names_at, type_, 0, 0, tail, len(content), linked, info, 4, entry))
        body += content
        tail += len(content)
    programs = b""
    for load in loads:
        first, last = offsets[load.first], load.first + load.count - 1
        size = offsets[last] + len(sections[last].data) - first if load.count else 0
        physical = load.address if load.load_address is None else load.load_address
        programs += struct.pack("<8I", 1, first, load.address, physical, size, size + load.more, 7, 4)
    identity = b"\x7fELF\1\1\1" + bytes(9)
    header = struct.pack("<16sHHIIIIIHHHHHH", identity, kind, 40, 1, sections[0].address | 1, 52, tail, machine_flags,
                         52, 32, len(loads), 40, len(rows), len(rows) - 1)  # fmt: skip
    return header + programs + body + b"".join(rows)


def reader(address: int) -> bytes:
    """A function of 12 bytes that returns the word at `address`."""
    return struct.pack("<HHHHI", 0x4801, 0x6800, 0x4770, 0x46C0, address)  # ldr r0, =address; ldr r0, [r0]; bx lr; nop
