"""Firmware images: ELF and raw binaries, their segments, sections, symbols and source lines.

The tables of an ELF are read with `struct`, each bounded by the length of the file before anything is allocated: this
is where files that others made enter m0sim, and a broken one must end in one line, not in a loop or an exhausted host.
Sources: System V ABI chapters 4 and 5; ELF for the Arm Architecture (IHI 0044) for Thumb addresses and mapping symbols.
"""

from __future__ import annotations

import re
import struct
import zlib
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from m0sim.errors import UsageError, did_you_mean

MEMORY_LIMIT = 256 << 20
"""Bytes of memory that all segments together, and bytes that a file, may have. A Cortex-M0+ device has far less."""

NAME_LIMIT = 16 << 10
"""Characters of a symbol or section name; more means that the string table is broken."""

Range = tuple[int, int]
"""Half-open address range: first address, address behind the last."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of bytes that is in memory when the program runs."""

    address: int
    """Where it is when the program runs (VMA)."""
    load_address: int
    """Where the programmer puts it (LMA); differs for initialised variables, which startup code copies from flash."""
    data: bytes = field(repr=False)
    """Its content in the file."""
    size: int
    """Bytes in memory; zeros follow `data`."""
    readable: bool
    writable: bool
    executable: bool

    @property
    def end(self) -> int:
        """The address behind its last byte."""
        return self.address + self.size


@dataclass(frozen=True, slots=True)
class Section:
    """A section that takes memory when the program runs (SHF_ALLOC)."""

    name: str
    address: int
    size: int
    """Bytes in memory."""
    kind: Literal["code", "rodata", "data", "bss"]
    load_address: int | None
    """Where its content is stored, in flash for a device; None when it has none (bss) or no segment holds it."""


@dataclass(frozen=True, slots=True)
class Symbol:
    """A named address."""

    name: str
    """What a person types: unique in the image, C++ demangled, ``file.c:name`` where statics share a name."""
    linkage_name: str
    """What the linker calls it."""
    address: int
    """Thumb bit cleared."""
    size: int
    """Bytes; up to the next function where assembly gives a function none; 0 when unknown."""
    kind: Literal["function", "object", "label"]
    is_thumb: bool
    is_global: bool
    """Global or weak, not local to its source file."""
    source_file: str
    """Base name of the file that a local symbol comes from; ELF does not tell it for global ones: empty."""


class SourceLine(NamedTuple):
    """The source line of the code from `address` up to the next one's address; `file` is empty where there is none."""

    address: int
    file: str
    line: int


@dataclass(frozen=True)
class Image:
    """A program as it is in memory, and the names in it. Made by `load_elf` or `load_raw`."""

    path: Path
    entry: int
    """Entry point, Thumb bit cleared; 0 when the program has none."""
    segments: tuple[Segment, ...]
    """By address. Two may overlap only where they hold the same bytes."""
    sections: tuple[Section, ...]
    """By address."""
    symbols: tuple[Symbol, ...]
    """By address; aliases of one address are all there."""
    code_ranges: tuple[Range, ...]
    """Thumb code, without the literal pools and tables in executable sections."""
    data_ranges: tuple[Range, ...]
    """Literal pools and tables in executable sections."""
    debug: Mapping[str, DebugSection] = field(default_factory=dict, repr=False)
    """The DWARF sections that source lines are made of, undecoded."""

    @cached_property
    def functions(self) -> tuple[Symbol, ...]:
        """One function an address, by address: global before local, sized before unsized, then the shortest name."""
        best: dict[int, Symbol] = {}
        for symbol in self.symbols:
            if symbol.kind == "function":
                other = best.setdefault(symbol.address, symbol)
                if _preference(symbol) < _preference(other):
                    best[symbol.address] = symbol
        return tuple(best.values())

    def function_at(self, address: int) -> Symbol | None:
        """The function whose bytes include `address`."""
        at = bisect_right(self._function_starts, address) - 1
        if at < 0:
            return None
        function = self.functions[at]
        return function if address < function.address + max(function.size, 2) else None

    def find(self, name: str) -> Symbol:
        """The symbol that a person means by `name`.

        A unique name, a linkage name, a C++ name without its parameters, or an address in code such as 0x10000100
        (either Thumb bit). Raises `UsageError` with the closest names when there is none, or when it is ambiguous.
        """
        by_name, by_other_name = self._names
        if name in by_name:
            return by_name[name]
        if re.fullmatch(r"0[xX][0-9a-fA-F]+", name):
            return self._at_address(name)
        found = by_other_name.get(name, [])
        if len({symbol.address for symbol in found}) == 1:
            return found[0]
        if found:
            raise UsageError(f"{name!r} is ambiguous in {self.path}: say " + " or ".join(repr(s.name) for s in found))
        if not self.symbols:
            raise UsageError(f"{self.path} has no symbols: give an address such as 0x{self._first_code:08x}")
        raise UsageError(f"no symbol {name!r} in {self.path}{did_you_mean(name, (*by_name, *by_other_name))}")

    def lines(self) -> tuple[SourceLine, ...]:
        """The source line of all code, by address; decoded from DWARF 2 to 5 at the first call, empty without it."""
        return self._source[0]

    def source_line(self, address: int) -> tuple[str, int] | None:
        """File and line that the instruction at `address` was compiled from; None when the image does not tell."""
        lines = self.lines()
        at = bisect_right(lines, address, key=lambda row: row.address) - 1
        if at < 0 or not lines[at].file or not lines[at].line:
            return None
        return lines[at].file, lines[at].line

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be read of the debug information, one line each."""
        return self._source[1]

    @cached_property
    def _function_starts(self) -> list[int]:
        return [function.address for function in self.functions]

    @cached_property
    def _names(self) -> tuple[dict[str, Symbol], dict[str, list[Symbol]]]:
        """Symbols by their unique name, and by the other names that may be ambiguous."""
        other: defaultdict[str, list[Symbol]] = defaultdict(list)
        for symbol in self.symbols:
            for name in {symbol.linkage_name, _without_parameters(symbol.name)} - {symbol.name}:
                other[name].append(symbol)
        return {symbol.name: symbol for symbol in self.symbols}, dict(other)

    @cached_property
    def _source(self) -> tuple[tuple[SourceLine, ...], tuple[str, ...]]:
        return _source_lines(self.debug, self.code_ranges)

    @property
    def _first_code(self) -> int:
        return self.code_ranges[0][0] if self.code_ranges else 0

    def _at_address(self, text: str) -> Symbol:
        address = int(text, 16) & ~1
        end = next((end for start, end in self.code_ranges if start <= address < end), None)
        if end is None:
            raise UsageError(f"{text} is not in the code of {self.path}")
        inside = self.function_at(address)
        if inside is not None:
            if inside.address == address:
                return inside
            end = inside.address + inside.size
        name = f"0x{address:08x}"
        return Symbol(name, name, address, end - address, "function", True, False, "")


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
        return _Elf(path, data).image()
    except _Broken as broken:
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


# ------------------------------------------------------------------------------------------------------- ELF


class _Broken(Exception):
    """What is wrong with a file, to be said behind its path."""


class _ProgramHeader(NamedTuple):
    type: int
    offset: int
    address: int
    load_address: int
    file_size: int
    size: int
    flags: int
    align: int


class _SectionHeader(NamedTuple):
    name: int
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entry_size: int


class DebugSection(NamedTuple):
    """A DWARF section as it is in the file."""

    data: memoryview
    compressed: bool


_FILE_HEADER = struct.Struct("<16sHHIIIIIHHHHHH")
_ARM = 40
_MACHINES = {3: "x86", 8: "MIPS", 20: "PowerPC", 62: "x86-64", 83: "AVR", 94: "Xtensa", 105: "MSP430",
             183: "AArch64", 243: "RISC-V"}  # fmt: skip
_NOT_EXECUTABLE = {
    1: "is a relocatable object: link it into an executable first",
    3: "is position-independent (a shared object): link it with -static -no-pie",
    4: "is a core dump, not a program",
}
_PT_LOAD, _PF_X, _PF_W, _PF_R = 1, 1, 2, 4
_SHT_SYMTAB, _SHT_STRTAB, _SHT_NOBITS = 2, 3, 8
_SHF_WRITE, _SHF_ALLOC, _SHF_EXEC, _SHF_TLS, _SHF_COMPRESSED = 1, 2, 4, 0x400, 0x800
_SHN_UNDEF, _SHN_ABS, _SHN_LORESERVE = 0, 0xFFF1, 0xFF00
_STT_NOTYPE, _STT_OBJECT, _STT_FUNC, _STT_FILE = 0, 1, 2, 4
_DEBUG_SECTIONS = (".debug_line", ".debug_line_str", ".debug_str", ".debug_info", ".debug_abbrev")


class _Elf:
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
        self.allocated = sorted(h.address for h in self.headers if h.flags & _SHF_ALLOC and h.size)

    def image(self) -> Image:
        segments = self._segments()
        sections = self._sections(segments)
        raw_symbols = self._raw_symbols()
        executable = [(s.address, s.address + s.size) for s in sections if s.kind == "code"]
        code, pools = _code_and_data(executable, raw_symbols)
        symbols = _symbols(raw_symbols, code, executable)
        named = ((self._section_name(header), header) for header in self.headers)
        debug = {name: self._debug_section(header) for name, header in named if name in _DEBUG_SECTIONS}
        return Image(self.path, self.entry & ~1, segments, sections, symbols, code, pools, debug)

    def _check_identity(self) -> None:
        data = self.data
        if not data:
            raise _Broken("is empty")
        if data[:4] != b"\x7fELF":
            raise _Broken("is not an ELF file: for a raw binary, give its base address as well")
        if len(data) < _FILE_HEADER.size:
            raise _Broken(f"is truncated: {len(data)} bytes do not hold an ELF header")
        big_endian = data[5] == 2
        kind, machine = struct.unpack_from(">HH" if big_endian else "<HH", data, 16)
        if machine != _ARM:
            raise _Broken(f"is for {_MACHINES.get(machine, f'machine {machine}')}, not Arm: compile for cortex-m0plus")
        if data[4] != 1:
            raise _Broken("is not a 32-bit ELF: compile for cortex-m0plus")
        if big_endian:
            raise _Broken("is big-endian: compile with -mlittle-endian")
        if kind != 2:
            raise _Broken(_NOT_EXECUTABLE.get(kind, f"is no executable (ELF type {kind})"))

    def _take(self, offset: int, size: int, what: str) -> memoryview:
        if offset + size > len(self.data):
            raise _Broken(f"is truncated: {what} needs {offset + size} bytes, the file has {len(self.data)}")
        return memoryview(self.data)[offset : offset + size]

    def _program_headers(self) -> list[_ProgramHeader]:
        if not self.program_count:
            return []
        if self.program_entry_size != 32:
            raise _Broken(f"is damaged: program headers of {self.program_entry_size} bytes instead of 32")
        table = self._take(self.program_offset, 32 * self.program_count, "the program header table")
        return [_ProgramHeader(*fields) for fields in struct.iter_unpack("<8I", table)]

    def _section_headers(self) -> list[_SectionHeader]:
        if not self.section_offset:
            return []
        if self.section_entry_size != 40:
            raise _Broken(f"is damaged: section headers of {self.section_entry_size} bytes instead of 40")
        count = self.section_count
        if not count:  # more than 0xff00 sections: the count is the size field of the first header
            count = _SectionHeader(*struct.unpack("<10I", self._take(self.section_offset, 40, "a section header"))).size
        table = self._take(self.section_offset, 40 * count, "the section header table")
        return [_SectionHeader(*fields) for fields in struct.iter_unpack("<10I", table)]

    def _segments(self) -> tuple[Segment, ...]:
        loaded = [h for h in self.program_headers if h.type == _PT_LOAD and h.size]
        if not loaded:
            raise _Broken("has nothing to load (no PT_LOAD segment): link it into an executable")
        if sum(h.size for h in loaded) > MEMORY_LIMIT:
            raise _Broken(f"asks for more than {MEMORY_LIMIT >> 20} MiB of memory: no Cortex-M0+ device has that")
        segments = sorted((self._segment(h) for h in loaded), key=lambda s: (s.address, s.size))
        _check_overlap(segments)
        return tuple(segments)

    def _segment(self, header: _ProgramHeader) -> Segment:
        if header.file_size > header.size:
            raise _Broken(f"is damaged: the segment at 0x{header.address:08x} is larger in the file than in memory")
        if header.address + header.size > 1 << 32:
            raise _Broken(f"is damaged: the segment at 0x{header.address:08x} ends above 32-bit addresses")
        header = self._without_file_header(header)
        data = bytes(self._take(header.offset, header.file_size, f"the segment at 0x{header.address:08x}"))
        flags = (bool(header.flags & bit) for bit in (_PF_R, _PF_W, _PF_X))
        return Segment(header.address, header.load_address, data, header.size, *flags)

    def _without_file_header(self, header: _ProgramHeader) -> _ProgramHeader:
        """GNU ld pads a first segment down to a page boundary with the ELF header itself: that is not firmware."""
        if header.offset >= _FILE_HEADER.size or not header.file_size:
            return header
        at = bisect_left(self.allocated, header.address)
        first = self.allocated[at] if at < len(self.allocated) else header.address
        skip = first - header.address if first - header.address < header.file_size else 0
        return header._replace(
            offset=header.offset + skip,
            address=header.address + skip,
            load_address=header.load_address + skip,
            file_size=header.file_size - skip,
            size=header.size - skip,
        )

    def _sections(self, segments: Sequence[Segment]) -> tuple[Section, ...]:
        found = []
        for header in self.headers:
            if not header.flags & _SHF_ALLOC or not header.size or header.flags & _SHF_TLS:
                continue
            name = self._section_name(header)
            if header.address + header.size > 1 << 32 or header.size > MEMORY_LIMIT:
                raise _Broken(f"is damaged: section {name!r} of {header.size} bytes at 0x{header.address:08x}")
            kind = _section_kind(header)
            load_address = None if kind == "bss" else _load_address(segments, header.address)
            found.append(Section(name, header.address, header.size, kind, load_address))
        return tuple(sorted(found or _sections_of_segments(segments), key=lambda s: (s.address, s.size)))

    def _section_name(self, header: _SectionHeader) -> str:
        if not 0 < self.name_section < len(self.headers):
            return ""
        return self._name(self.headers[self.name_section], header.name)

    def _name(self, table: _SectionHeader, at: int) -> str:
        """The name at offset `at` of a string table."""
        key = (table.offset, at)
        if key not in self.names:
            self._take(table.offset, table.size, "a string table")
            start = table.offset + at
            stop = min(table.offset + table.size, start + NAME_LIMIT)
            end = self.data.find(b"\0", start, stop) if start < stop else -1
            self.name_budget -= end - start
            if end < 0 or self.name_budget < 0:
                raise _Broken("is damaged: a name lies outside its string table")
            self.names[key] = self.data[start:end].decode("utf-8", "replace")
        return self.names[key]

    def _raw_symbols(self) -> list[_RawSymbol]:
        """Every symbol with a name and a place, in the table's order (STT_FILE before the locals of its file)."""
        table = next((h for h in self.headers if h.type == _SHT_SYMTAB), None)
        if table is None:
            return []
        if table.entry_size != 16 or table.size % 16:
            raise _Broken(f"is damaged: a symbol table of {table.size} bytes with entries of {table.entry_size}")
        if not table.link < len(self.headers) or self.headers[table.link].type != _SHT_STRTAB:
            raise _Broken("is damaged: its symbol table has no string table")
        strings = self.headers[table.link]
        found: list[_RawSymbol] = []
        file = ""
        for name_at, value, size, info, _, section in struct.iter_unpack(
            "<IIIBBH", self._take(table.offset, table.size, "the symbol table")
        ):
            kind, binding = info & 15, info >> 4
            if kind == _STT_FILE:
                file = re.split(r"[/\\]", self._name(strings, name_at))[-1]
            elif section != _SHN_UNDEF and (section < _SHN_LORESERVE or section == _SHN_ABS) and kind <= _STT_FUNC:
                name = self._name(strings, name_at)
                if name:
                    found.append(_RawSymbol(name, value, size, kind, binding != 0, "" if binding else file))
        return found

    def _debug_section(self, header: _SectionHeader) -> DebugSection:
        data = self._take(header.offset, header.size, "a debug section")
        return DebugSection(data, bool(header.flags & _SHF_COMPRESSED))


def _check_overlap(segments: Sequence[Segment]) -> None:
    """Raises _Broken when two segments, sorted by address, want different bytes at the same address."""
    highest = segments[0]
    for segment in segments[1:]:
        start, end = segment.address, min(segment.end, highest.end)
        if start < end and _content(highest, start, end) != _content(segment, start, end):
            raise _Broken(f"is damaged: its segments at 0x{highest.address:08x} and 0x{start:08x} overlap")
        highest = max(highest, segment, key=lambda s: s.end)


def _content(segment: Segment, start: int, end: int) -> bytes:
    """The bytes of `segment` in memory from `start` to `end`, which lie in it."""
    return segment.data[start - segment.address : end - segment.address].ljust(end - start, b"\0")


def _section_kind(header: _SectionHeader) -> Literal["code", "rodata", "data", "bss"]:
    if header.type == _SHT_NOBITS:
        return "bss"
    if header.flags & _SHF_EXEC:
        return "code"
    return "data" if header.flags & _SHF_WRITE else "rodata"


def _load_address(segments: Sequence[Segment], address: int) -> int | None:
    at = bisect_right(segments, address, key=lambda s: s.address) - 1
    if at < 0 or address >= segments[at].end:
        return None
    return address - segments[at].address + segments[at].load_address


def _sections_of_segments(segments: Sequence[Segment]) -> Iterator[Section]:
    """What stands in for the sections of an ELF that was stripped of them."""
    for i, s in enumerate(segments):
        kind: Literal["code", "data", "rodata"] = "code" if s.executable else "data" if s.writable else "rodata"
        if s.data:
            yield Section(f"segment{i}", s.address, len(s.data), kind, s.load_address)
        if s.size > len(s.data):
            yield Section(f"segment{i}.bss", s.address + len(s.data), s.size - len(s.data), "bss", None)


# --------------------------------------------------------------------------------------------------- symbols


class _RawSymbol(NamedTuple):
    name: str
    value: int
    size: int
    kind: int
    is_global: bool
    file: str


def _code_and_data(
    executable: Sequence[Range], symbols: Iterable[_RawSymbol]
) -> tuple[tuple[Range, ...], tuple[Range, ...]]:
    """Thumb code and embedded data in the executable ranges, told apart by the mapping symbols (IHI 0044, 5.5.5).

    ``$t`` starts Thumb code, ``$d`` data, ``$a`` Arm code, which a Cortex-M0+ cannot run: it counts as neither. What
    stands before the first mapping symbol of a range is code, as is a range without any.
    """
    marks = sorted(
        ((s.value, s.name[1]) for s in symbols if _is_mapping(s.name) and not s.is_global), key=lambda m: m[0]
    )
    places = [address for address, _ in marks]
    parts: dict[str, list[Range]] = {"t": [], "d": [], "a": []}
    for start, end in executable:
        state, since = "t", start
        for address, mark in marks[bisect_right(places, start - 1) : bisect_right(places, end - 1)]:
            parts[state].append((since, address))
            state, since = mark, address
        parts[state].append((since, end))
    return _merged(parts["t"]), _merged(parts["d"])


def _is_mapping(name: str) -> bool:
    return name[:2] in ("$t", "$d", "$a") and name[2:3] in ("", ".")


def _merged(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Sorted, without empty ranges, adjacent and overlapping ones joined."""
    merged: list[Range] = []
    for start, end in sorted(r for r in ranges if r[0] < r[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def _within(ranges: Sequence[Range], address: int) -> Range | None:
    """The one of sorted, disjoint `ranges` that holds `address`."""
    at = bisect_right(ranges, (address, 1 << 33)) - 1
    return ranges[at] if at >= 0 and address < ranges[at][1] else None


def _symbols(raw: Iterable[_RawSymbol], code: Sequence[Range], executable: Sequence[Range]) -> tuple[Symbol, ...]:
    ranges = _merged(executable)
    found = []
    for s in dict.fromkeys(raw):
        if s.name.startswith(".L") or _is_mapping(s.name):
            continue
        name = _demangled(s.name) if s.name.startswith("_Z") else s.name
        thumb = bool(s.value & 1)
        # .thumb_func marks assembly's functions with bit 0 and no more; a label on an odd byte of a table is data.
        asm_function = s.kind == _STT_NOTYPE and thumb and _within(code, s.value & ~1) is not None
        if s.kind == _STT_FUNC or asm_function:
            found.append(Symbol(name, s.name, s.value & ~1, s.size, "function", thumb, s.is_global, s.file))
        else:
            # GNU as gives a local common symbol a size and no type.
            variable = s.kind == _STT_OBJECT or (s.size and _within(ranges, s.value) is None)
            kind: Literal["object", "label"] = "object" if variable else "label"
            found.append(Symbol(name, s.name, s.value, s.size, kind, False, s.is_global, s.file))
    found.sort(key=lambda s: (s.address, *_preference(s)))
    return tuple(_uniquely_named(_sized(found, code, ranges)))


def _preference(symbol: Symbol) -> tuple[bool, bool, int, str]:
    """Sorts the best of several names for one address to the front."""
    return not symbol.is_global, not symbol.size, len(symbol.name), symbol.name


def _sized(symbols: Sequence[Symbol], code: Sequence[Range], executable: Sequence[Range]) -> list[Symbol]:
    """`symbols`, where a function without a size reaches up to the next function or the last code before it."""
    starts = sorted({s.address for s in symbols if s.kind == "function"})
    code_starts = [start for start, _ in code]
    sized = []
    for s in symbols:
        section = _within(executable, s.address)
        if s.kind == "function" and not s.size and section is not None:
            following = bisect_right(starts, s.address)
            end = min(section[1], starts[following] if following < len(starts) else section[1])
            last_code = code[max(bisect_right(code_starts, end - 1) - 1, 0)] if code else section
            s = replace(s, size=max(min(end, last_code[1]) - s.address, 0))
        sized.append(s)
    return sized


def _uniquely_named(symbols: Sequence[Symbol]) -> list[Symbol]:
    """`symbols`, sorted by address, with the names of those that share one told apart as `Symbol.name` says."""
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for i, s in enumerate(symbols):
        groups[s.name].append(i)
    named = list(symbols)
    taken = {name for name, members in groups.items() if len(members) == 1}
    for members in groups.values():
        if len(members) == 1:
            continue
        rivals = {symbols[i].address: i for i in reversed(members)}  # of one address, the first
        global_rivals = [i for i in rivals.values() if symbols[i].is_global]
        files = Counter(symbols[i].source_file for i in rivals.values())
        for i in members:
            s = symbols[i]
            choices = []
            if rivals[s.address] != i:  # the other constructor of C++, an alias
                choices.append(s.linkage_name)
            elif len(rivals) == 1 or global_rivals == [i]:
                choices.append(s.name)
            file = f"{s.source_file}:" if s.source_file else ""
            if file and files[s.source_file] == 1:
                choices.append(file + s.name)
            choices += [f"{file}{s.name}@0x{s.address:x}", s.linkage_name, f"{s.linkage_name}#{i}"]
            unique = next((c for c in choices if c not in taken), choices[-1])
            taken.add(unique)
            named[i] = replace(s, name=unique)
    return named


def _demangled(linkage_name: str) -> str:
    """A C++ name as a person writes it, without return type; `linkage_name` itself where that cannot be had."""
    import itanium_demangler

    mangled, dot, clone = linkage_name.partition(".")  # GCC's .isra.0 and the like stay
    # References back into a name can double it each time: those of real names are few.
    if len(mangled) > NAME_LIMIT or len(re.findall(r"[ST][0-9A-Z]*_", mangled)) > 24:
        return linkage_name
    try:
        tree = itanium_demangler.parse(mangled)
        if tree is None:
            return linkage_name
        text = _cxx_function(tree) if tree.kind == "func" else str(tree)
    except Exception:  # the package raises whatever it meets in names that it does not know
        return linkage_name
    return text + dot + clone


def _cxx_function(tree: Any) -> str:
    name = str(tree.name)
    parameters = ", ".join(str(t) for t in tree.arg_tys)
    qualifier = re.search(r"(?: (?:const|volatile|restrict))+$", name)
    if qualifier:
        name = name[: qualifier.start()]
    if name.endswith("tor}"):  # Counter::{base ctor}, which C++ calls Counter::Counter
        name = re.sub(r"([^:<> ]+)(<.*>)?::\{(?:\w+ )?ctor\}$", r"\1\2::\1", name)
        name = re.sub(r"([^:<> ]+)(<.*>)?::\{(?:\w+ )?dtor\}$", r"\1\2::~\1", name)
    return f"{name}({'' if parameters == 'void' else parameters}){qualifier.group() if qualifier else ''}"


def _without_parameters(name: str) -> str:
    """``ns::f`` of ``ns::f(int)``; names without parameters come back as they are."""
    if not name.rstrip(" constvlaire").endswith(")"):
        return name
    depth = 0
    for at in range(name.rindex(")"), -1, -1):
        depth += (name[at] == ")") - (name[at] == "(")
        if not depth:
            return name[:at] or name
    return name


# ---------------------------------------------------------------------------------------------- source lines


def _source_lines(
    debug: Mapping[str, DebugSection], code: Sequence[Range]
) -> tuple[tuple[SourceLine, ...], tuple[str, ...]]:
    """Rows by address, each gap between sequences marked by a row without a file; and notes on what is left out."""
    if not debug:
        return (), ()
    from m0sim.dwarf import line_sequences

    contents: dict[str, bytes] = {}
    notes = []
    for name, section in debug.items():
        try:
            contents[name] = _decompressed(section.data) if section.compressed else bytes(section.data)
        except (zlib.error, struct.error, ValueError) as error:
            notes.append(f"{name} cannot be decompressed: {error}")
    sequences, more = line_sequences(contents)
    rows: list[SourceLine] = []
    end = 0
    # Functions that the linker dropped leave sequences at address 0 or so; of two for one address the first holds.
    for sequence in sorted(sequences, key=lambda s: s.rows[0].address):
        start = sequence.rows[0].address
        if start < end or _within(code, start) is None:
            continue
        if rows and start > end:
            rows.append(SourceLine(end, "", 0))
        rows += [SourceLine(*row) for row in sequence.rows]
        end = sequence.end
    if rows:
        rows.append(SourceLine(end, "", 0))
    return tuple(rows), (*notes, *more)


def _decompressed(data: memoryview) -> bytes:
    """Content of a SHF_COMPRESSED section."""
    kind, size, _ = struct.unpack_from("<III", data)
    if kind != 1:
        raise ValueError("its compression is not zlib: link with --compress-debug-sections=none")
    if size > MEMORY_LIMIT:
        raise ValueError(f"{size} bytes are too many")
    return zlib.decompressobj().decompress(data[12:], max(size, 1))
