"""What a shared library is, exports and imports, read from its bytes: ELF, Mach-O and PE, 64 bits, little-endian."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass

from elftools.elf.elffile import ELFFile


@dataclass(frozen=True)
class SharedObject:
    format: str
    machine: str
    exports: frozenset[str]
    imports: frozenset[str]
    """Names of other libraries."""
    undefined: frozenset[str]
    """Names that one of those, or whoever is in the process, has to have."""


def read(content: bytes) -> SharedObject:
    if content[:4] == b"\x7fELF":
        return _elf(content)
    if content[:4] == b"\xcf\xfa\xed\xfe":
        return _mach(content)
    if content[:2] == b"MZ":
        return _pe(content)
    raise ValueError("no shared library")


def _elf(content: bytes) -> SharedObject:
    elf = ELFFile(io.BytesIO(content))
    dynamic = elf.get_section_by_name(".dynamic")
    symbols = list(elf.get_section_by_name(".dynsym").iter_symbols())[1:]
    defined = {s.name for s in symbols if s["st_shndx"] != "SHN_UNDEF"}
    return SharedObject(
        "ELF",
        elf["e_machine"],
        frozenset(defined),
        frozenset(tag.needed for tag in dynamic.iter_tags() if tag.entry.d_tag == "DT_NEEDED"),
        frozenset(s.name for s in symbols) - defined,
    )


def _text(content: bytes, at: int) -> str:
    return content[at : content.index(b"\0", at)].decode()


def _mach(content: bytes) -> SharedObject:
    machine, _, kind, count = struct.unpack_from("<4I", content, 4)
    assert kind == 6  # MH_DYLIB
    at, libraries, defined, undefined = 32, set[str](), set[str](), set[str]()
    for _ in range(count):
        command, size = struct.unpack_from("<2I", content, at)
        if command == 0xC:  # LC_LOAD_DYLIB
            libraries.add(_text(content, at + struct.unpack_from("<I", content, at + 8)[0]))
        if command == 2:  # LC_SYMTAB
            table, number, strings, _ = struct.unpack_from("<4I", content, at + 8)
            for i in range(number):
                name, kind, _, _, _ = struct.unpack_from("<IBBHQ", content, table + 16 * i)
                if kind & 1 and not kind & 0xE0:  # external, no debugging entry
                    (defined if kind & 0xE else undefined).add(_text(content, strings + name).removeprefix("_"))
        at += size
    names = {0x01000007: "x86-64", 0x0100000C: "arm64"}
    defined -= {"_mh_dylib_header", "__dso_handle"}  # the linker's
    return SharedObject("Mach-O", names[machine], frozenset(defined), frozenset(libraries), frozenset(undefined))


def _pe(content: bytes) -> SharedObject:
    header = struct.unpack_from("<I", content, 0x3C)[0] + 4
    machine, sections, _, _, _, optional, _ = struct.unpack_from("<HHIIIHH", content, header)
    tables = [
        struct.unpack_from("<4I", content, header + 20 + optional + 40 * i + 8) for i in range(sections)
    ]  # virtual size, address, size in the file, place in the file

    def place(address: int) -> int:
        return next(
            raw + address - begin for size, begin, held, raw in tables if begin <= address < begin + max(size, held)
        )

    exported, _, imported, imported_size = struct.unpack_from("<4I", content, header + 20 + 112)
    count, names = (struct.unpack_from("<I", content, place(exported) + offset)[0] for offset in (24, 32))
    exports = {_text(content, place(struct.unpack_from("<I", content, place(names) + 4 * i)[0])) for i in range(count)}
    libraries = set()
    for i in range(imported_size // 20):
        name = struct.unpack_from("<I", content, place(imported) + 20 * i + 12)[0]
        if name:
            libraries.add(_text(content, place(name)).lower())
    return SharedObject("PE", {0x8664: "x86-64"}[machine], frozenset(exports), frozenset(libraries), frozenset())
