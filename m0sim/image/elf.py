"""The tables of an ELF file, read with `struct`.

Each is bounded by the length of the file before anything is allocated: this is where files that others made enter
m0sim, and a broken one must end in one line, not in a loop or an exhausted host.
Sources: System V ABI chapters 4 and 5; ELF for the Arm Architecture (IHI 0044).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from m0sim.image.armlink import Compressed, compressed_regions, uninitialised
from m0sim.image.build_attributes import SHT_ARM_ATTRIBUTES, foreign_architecture
from m0sim.image.headers import (
    PF_R,
    PF_W,
    PF_X,
    SHF_COMPRESSED,
    SHF_EXEC,
    SHF_WRITE,
    SHT_REL,
    SHT_STRTAB,
    SHT_SYMTAB,
    Broken,
    ProgramHeader,
    SectionHeader,
)
from m0sim.image.image import Image
from m0sim.image.placement import loads
from m0sim.image.segments import (
    MEMORY_LIMIT,
    Kind,
    Section,
    Segment,
    is_reserved,
    load_address_of,
    sections_of_segments,
)
from m0sim.image.source_lines import Compression, DebugSection
from m0sim.image.symbols import NAME_LIMIT, STT_FILE, STT_FUNC, RawSymbol, code_and_data, named_symbols, origins
from m0sim.names import printable

_FILE_HEADER = struct.Struct("<16sHHIIIIIHHHHHH")
_ARM = 40
_MACHINES = {3: "x86", 8: "MIPS", 20: "PowerPC", 62: "x86-64", 83: "AVR", 94: "Xtensa", 105: "MSP430",
             183: "AArch64", 243: "RISC-V"}  # fmt: skip
_EXECUTABLE = 2
_NOT_EXECUTABLE = {
    1: "is a relocatable object: link it into an executable first, such as with "
    "arm-none-eabi-ld -e 0 -Ttext 0x10000000 -Tdata 0x20000000 FILE.o -o FILE.elf",
    3: "is position-independent (a shared object): link it with -static -no-pie",
    4: "is a core dump, not a program",
}
_FLASH_ALGORITHM = {"PrgCode", "DevDscr"}  # sections by which debuggers know one (CMSIS-Pack, "Flash Programming")
_OTHER_FILES = {
    b"!<arch>\n": "is a library of objects (.a): link it into an executable first",
    b":": "is Intel HEX, not an ELF file: Machine.from_file reads it",
    b"UF2\n": "is a UF2 file, not an ELF file: Machine.from_file reads it",
    b"S0": "is a file of S-records: make it Intel HEX with arm-none-eabi-objcopy -I srec -O ihex",
}
_ADDRESS_WORD = {2, 38}  # R_ARM_ABS32, R_ARM_TARGET1 (of .init_array): IHI 0044, table 4-10
_SHN_UNDEF, _SHN_ABS, _SHN_LORESERVE = 0, 0xFFF1, 0xFF00
_DEBUG_SECTIONS = (
    *(".debug_line", ".debug_line_str", ".debug_str", ".debug_info", ".debug_abbrev"),
    *(".debug_addr", ".debug_str_offsets", ".debug_ranges", ".debug_rnglists"),
)


class Elf:
    """The tables of one ELF file, each checked against the file's length before it is read."""

    def __init__(self, path: Path, data: bytes) -> None:
        self.path = path
        self.data = data
        self.names: dict[tuple[int, int], str] = {}
        self.name_budget = 4 * len(data)  # linkers let names share their ends, not more
        self._check_identity()
        fields = _FILE_HEADER.unpack_from(data)
        self.entry, self.program_offset, self.section_offset = fields[4:7]
        self.program_entry_size, self.program_count = fields[9:11]
        self.section_entry_size, self.section_count, self.name_section = fields[11:14]
        self.program_headers = self._program_headers()
        self.headers = self._section_headers()
        self._check_kind(fields[1])

    def image(self) -> Image:
        raw_symbols = self._raw_symbols()
        segments = self._segments()
        compressed = compressed_regions(segments, raw_symbols)
        sections = [_in_memory(s, compressed) for s in self._sections(segments)]
        segments = self._checked(uninitialised(segments, compressed)) if compressed else segments
        executable = [(s.address, s.address + s.size) for s in sections if s.kind == "code"]
        code, pools = code_and_data(executable, raw_symbols)
        symbols = named_symbols(raw_symbols, code, executable)
        named = ((self._section_name(header), header) for header in self.headers)
        debug = self._debug_sections(dict(named))
        warnings = tuple(_not_decompressed(s) for s in sections if s.load_size is not None)
        made = Image(self.path, self.entry & ~1, segments, tuple(sections), symbols, code, pools, debug, warnings)
        known = () if self._is_linked_by_llvm() else origins(raw_symbols)
        return replace(made, origins=known, address_words=self._address_words(), compiled_for=self._architecture())

    def _check_identity(self) -> None:
        data = self.data
        if not data:
            raise Broken("is empty")
        if data[:4] != b"\x7fELF":
            for start, what in _OTHER_FILES.items():
                if data.startswith(start):
                    raise Broken(what)
            raise Broken("is not an ELF file: for a raw binary, give its base address as well (--base)")
        if len(data) < _FILE_HEADER.size:
            raise Broken(f"is truncated: {len(data)} bytes do not hold an ELF header")
        big_endian = data[5] == 2
        (machine,) = struct.unpack_from(">H" if big_endian else "<H", data, 18)
        if machine != _ARM:
            raise Broken(f"is for {_MACHINES.get(machine, f'machine {machine}')}, not Arm: compile for cortex-m0plus")
        if data[4] != 1:
            raise Broken("is not a 32-bit ELF: compile for cortex-m0plus")
        if big_endian:
            raise Broken("is big-endian: compile with -mlittle-endian")

    def _check_kind(self, kind: int) -> None:
        names = {self._section_name(header) for header in self.headers}
        if names >= _FLASH_ALGORITHM:
            raise Broken(
                "is a flash algorithm (Keil FLM), which a debugger puts anywhere in SRAM: take its code out with "
                "arm-none-eabi-objcopy -O binary -j PrgCode, and call it by address with --base 0x20000000"
            )
        if kind != _EXECUTABLE:
            raise Broken(_NOT_EXECUTABLE.get(kind, f"is no executable (ELF type {kind})"))

    def _take(self, offset: int, size: int, what: str) -> memoryview:
        if offset + size > len(self.data):
            raise Broken(f"is truncated: {what} needs {offset + size} bytes, the file has {len(self.data)}")
        return memoryview(self.data)[offset : offset + size]

    def _program_headers(self) -> list[ProgramHeader]:
        if not self.program_count:
            return []
        if self.program_entry_size != 32:
            raise Broken(f"is damaged: program headers of {self.program_entry_size} bytes instead of 32")
        table = self._take(self.program_offset, 32 * self.program_count, "the program header table")
        return [ProgramHeader(*fields) for fields in struct.iter_unpack("<8I", table)]

    def _section_headers(self) -> list[SectionHeader]:
        if not self.section_offset:
            return []
        if self.section_entry_size != 40:
            raise Broken(f"is damaged: section headers of {self.section_entry_size} bytes instead of 40")
        count = self.section_count
        if not count:  # more than 0xff00 sections: the count is the size field of the first header
            count = SectionHeader(*struct.unpack("<10I", self._take(self.section_offset, 40, "a section header"))).size
        table = self._take(self.section_offset, 40 * count, "the section header table")
        return [SectionHeader(*fields) for fields in struct.iter_unpack("<10I", table)]

    def _segments(self) -> tuple[Segment, ...]:
        loaded = loads(self.program_headers, self.headers)
        if not loaded:
            raise Broken("has nothing to load (no PT_LOAD segment): link it into an executable")
        if sum(h.size for h in loaded) > MEMORY_LIMIT:
            raise Broken(f"asks for more than {MEMORY_LIMIT >> 20} MiB of memory: no Cortex-M0+ device has that")
        return self._checked(sorted((self._segment(h) for h in loaded), key=lambda s: (s.address, s.size)))

    def _checked(self, segments: Sequence[Segment]) -> tuple[Segment, ...]:
        _check_overlap(segments)
        return tuple(segments)

    def _segment(self, header: ProgramHeader) -> Segment:
        if header.file_size > header.size:
            raise Broken(f"is damaged: the segment at 0x{header.address:08x} is larger in the file than in memory")
        if header.address + header.size > 1 << 32:
            raise Broken(f"is damaged: the segment at 0x{header.address:08x} ends above 32-bit addresses")
        data = bytes(self._take(header.offset, header.file_size, f"the segment at 0x{header.address:08x}"))
        flags = (bool(header.flags & bit) for bit in (PF_R, PF_W, PF_X))
        return Segment(header.address, header.load_address, data, header.size, *flags)

    def _sections(self, segments: Sequence[Segment]) -> tuple[Section, ...]:
        found = []
        for header in self.headers:
            if not header.takes_memory:
                continue
            name = self._section_name(header)
            if header.address + header.size > 1 << 32 or header.size > MEMORY_LIMIT:
                raise Broken(f"is damaged: section {name!r} of {header.size} bytes at 0x{header.address:08x}")
            kind = _section_kind(header, name)
            load_address = load_address_of(segments, header.address) if header.is_stored else None
            found.append(Section(name, header.address, header.size, kind, load_address, align=max(header.align, 1)))
        return tuple(sorted(found or sections_of_segments(segments), key=lambda s: (s.address, s.size)))

    def _section_name(self, header: SectionHeader) -> str:
        if not 0 < self.name_section < len(self.headers):
            return ""
        return self._name(self.headers[self.name_section], header.name)

    def _name(self, table: SectionHeader, at: int) -> str:
        """The name at offset `at` of a string table, safe to print: every name of the file's tables comes from here."""
        key = (table.offset, at)
        if key not in self.names:
            self._take(table.offset, table.size, "a string table")
            start = table.offset + at
            stop = min(table.offset + table.size, start + NAME_LIMIT)
            end = self.data.find(b"\0", start, stop) if start < stop else -1
            self.name_budget -= end - start
            if end < 0 or self.name_budget < 0:
                raise Broken("is damaged: a name lies outside its string table")
            self.names[key] = printable(self.data[start:end].decode("utf-8", "replace"))
        return self.names[key]

    def _raw_symbols(self) -> list[RawSymbol]:
        """Every symbol with a name and a place, in the table's order (STT_FILE before the locals of its file)."""
        table = next((h for h in self.headers if h.type == SHT_SYMTAB), None)
        if table is None:
            return []
        if table.entry_size != 16 or table.size % 16:
            raise Broken(f"is damaged: a symbol table of {table.size} bytes with entries of {table.entry_size}")
        if not table.link < len(self.headers) or self.headers[table.link].type != SHT_STRTAB:
            raise Broken("is damaged: its symbol table has no string table")
        strings = self.headers[table.link]
        found: list[RawSymbol] = []
        file = ""
        for name_at, value, size, info, _, section in struct.iter_unpack(
            "<IIIBBH", self._take(table.offset, table.size, "the symbol table")
        ):
            kind, binding = info & 15, info >> 4
            if kind == STT_FILE:
                file = re.split(r"[/\\]", self._name(strings, name_at))[-1]
            elif section != _SHN_UNDEF and (section < _SHN_LORESERVE or section == _SHN_ABS) and kind <= STT_FUNC:
                name = self._name(strings, name_at)
                if name:
                    found.append(RawSymbol(name, value, size, kind, binding != 0, "" if binding else file))
        return found

    def _architecture(self) -> str:
        header = next((h for h in self.headers if h.type == SHT_ARM_ATTRIBUTES), None)
        if header is None:
            return ""
        return foreign_architecture(bytes(self._take(header.offset, header.size, "section .ARM.attributes")))

    def _is_linked_by_llvm(self) -> bool:
        """Whether ``.comment`` says so."""
        headers = [h for h in self.headers if h.is_stored and self._section_name(h) == ".comment"]
        return any(b"Linker: LLD" in bytes(self._take(h.offset, h.size, "section .comment")) for h in headers)

    def _address_words(self) -> tuple[int, ...] | None:
        """`Image.address_words`, from the relocations of what is loaded; those of debug information do not count."""
        tables = [h for h in self.headers if h.type == SHT_REL and self._is_loaded(h.info)]
        found = [at for table in tables for at in self._relocated(table)]
        return tuple(sorted(found)) if tables else None

    def _is_loaded(self, section: int) -> bool:
        return section < len(self.headers) and self.headers[section].takes_memory

    def _relocated(self, table: SectionHeader) -> Iterator[int]:
        symbols = self._section_of_symbols(table.link)
        if table.entry_size != 8 or table.size % 8:
            raise Broken(f"is damaged: relocations of {table.size} bytes with entries of {table.entry_size}")
        for at, info in struct.iter_unpack("<II", self._take(table.offset, table.size, "a relocation table")):
            kind, symbol = info & 0xFF, info >> 8
            if symbol >= len(symbols):
                raise Broken(f"is damaged: a relocation of symbol {symbol}, there are {len(symbols)}")
            if kind in _ADDRESS_WORD and _SHN_UNDEF < symbols[symbol] < _SHN_LORESERVE:
                yield at

    def _section_of_symbols(self, table: int) -> list[int]:
        """The section of every symbol of a table, by its number."""
        header = self.headers[table] if table < len(self.headers) else None
        if header is None or header.type != SHT_SYMTAB or header.size % 16:
            raise Broken("is damaged: its relocations have no symbol table")
        entries = self._take(header.offset, header.size, "the symbol table")
        return [fields[5] for fields in struct.iter_unpack("<IIIBBH", entries)]

    def _debug_sections(self, named: Mapping[str, SectionHeader]) -> dict[str, DebugSection]:
        found = {}
        for name in _DEBUG_SECTIONS:
            older = name.replace(".debug", ".zdebug")
            header = named.get(name) or named.get(older)
            if header is not None and header.is_stored:
                data = self._take(header.offset, header.size, "a debug section")
                compression: Compression = "header" if header.flags & SHF_COMPRESSED else ""
                found[name] = DebugSection(data, compression if name in named else "zdebug")
        return found


def _check_overlap(segments: Sequence[Segment]) -> None:
    """Raises Broken when two segments, sorted by address, want different bytes at the same address."""
    highest = segments[0]
    for segment in segments[1:]:
        start, end = segment.address, min(segment.end, highest.end)
        if start < end and _content(highest, start, end) != _content(segment, start, end):
            raise Broken(f"is damaged: its segments at 0x{highest.address:08x} and 0x{start:08x} overlap")
        highest = max(highest, segment, key=lambda s: s.end)


def _content(segment: Segment, start: int, end: int) -> bytes:
    """The bytes of `segment` in memory from `start` to `end`, which lie in it."""
    return segment.data[start - segment.address : end - segment.address].ljust(end - start, b"\0")


def _in_memory(section: Section, compressed: Sequence[Compressed]) -> Section:
    """The section with its size in memory, where the file has less of it."""
    for region in compressed:
        if section.address == region.address and section.load_address is not None:
            return replace(section, size=region.size, load_size=region.stored_bytes)
    return section


def _not_decompressed(section: Section) -> str:
    return (
        f"{section.name} ({section.size} bytes at 0x{section.address:08x}) is compressed by armlink: its variables are "
        "zero until start-up code has run: --startup runs it, or link with --datacompressor=off"
    )


def _section_kind(header: SectionHeader, name: str) -> Kind:
    if not header.is_stored:
        return "reserved" if is_reserved(name) else "bss"
    if header.flags & SHF_EXEC:
        return "code"
    return "data" if header.flags & SHF_WRITE else "rodata"
