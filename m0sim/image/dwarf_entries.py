"""The entries of DWARF 2 to 5 that tell what a function takes and returns, what was inlined to it, and which unit
something is of.

Only the unit that a question is about is read, and no entry twice. That takes some milliseconds of an import and of
reading where a whole library's import takes 60. Sources: DWARF 5, sections 2 and 7; DWARF 4 section 7 for older units.
Offsets and lengths in a file are not believed: what leads out of its section, or takes more than `ENTRY_LIMIT` entries
to read, is `BadDwarf`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from m0sim.image.dwarf_forms import FIXED_SIZE, BadDwarf, Reader, form_value
from m0sim.image.ranges import Range

ENTRY_LIMIT = 1_000_000
"""Entries that are read for all questions about one image: some seconds' worth."""


class Tag:
    """DW_TAG_ constants (DWARF 5, table 7.3)."""

    ARRAY, CLASS, ENUMERATION, PARAMETER, MEMBER, POINTER, REFERENCE = 0x01, 0x02, 0x04, 0x05, 0x0D, 0x0F, 0x10
    STRUCTURE, SUBROUTINE_TYPE, TYPEDEF, UNION, UNSPECIFIED_PARAMETERS = 0x13, 0x15, 0x16, 0x17, 0x18
    INHERITANCE, POINTER_TO_MEMBER, SUBRANGE, BASE, CONST, SUBPROGRAM = 0x1C, 0x1F, 0x21, 0x24, 0x26, 0x2E
    INLINED, VARIABLE = 0x1D, 0x34
    VARIANT_PART, VOLATILE, RESTRICT, UNSPECIFIED, RVALUE_REFERENCE, ATOMIC = 0x33, 0x35, 0x37, 0x3B, 0x42, 0x47


class At:
    """DW_AT_ constants (DWARF 5, table 7.5)."""

    NAME, BYTE_SIZE, BIT_SIZE, LOW_PC, LANGUAGE, PROTOTYPED, UPPER_BOUND = 0x03, 0x0B, 0x0D, 0x11, 0x13, 0x27, 0x2F
    ABSTRACT_ORIGIN, CALLING_CONVENTION, COUNT, MEMBER_LOCATION, ENCODING = 0x31, 0x36, 0x37, 0x38, 0x3E
    EXTERNAL, SPECIFICATION, TYPE, DATA_BIT_OFFSET = 0x3F, 0x47, 0x49, 0x6B
    HIGH_PC, LINE_PROGRAM, FOLDER, DECLARED_IN, RANGES, CALLED_IN, CALL_LINE = 0x12, 0x10, 0x1B, 0x3A, 0x55, 0x58, 0x59
    LINKAGE_NAME, STR_OFFSETS_BASE, ADDR_BASE, RANGES_BASE, MIPS_LINKAGE_NAME = 0x6E, 0x72, 0x73, 0x74, 0x2007
    LOCATION = 0x02


class _Abbreviation(NamedTuple):
    tag: int
    has_children: bool
    attributes: tuple[tuple[int, int, int], ...]
    """Attribute, form, and the value of an implicit constant."""
    size: int
    """Bytes of all values without `offsets`, or -1 where they are not the same in each entry."""
    offsets: int
    """Further offsets into other sections among them: each is as wide as the unit's."""
    has_code: bool
    """Whether it says where its code is."""
    has_location: bool
    """Of a variable: whether it tells where that is."""

    def form_of(self, attribute: int) -> int:
        """The form of an attribute that it has."""
        return next(form for name, form, _ in self.attributes if name == attribute)


@dataclass(slots=True)
class Unit:
    """What one source file, or all of them after link-time optimisation, was compiled to."""

    start: int
    """Offset of its header in .debug_info: references are relative to it."""
    entries: int
    """Offset of its first entry."""
    end: int
    wide: bool
    abbreviations: Mapping[int, _Abbreviation]
    version: int
    top: Entry | None = None
    """Its own entry."""
    language: int = 0
    addresses: int = -1
    """Offset of its part of .debug_addr."""
    strings: int = -1
    """Offset of its part of .debug_str_offsets."""
    ranges: int = -1
    """Offset of its part of .debug_rnglists."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One debugging information entry."""

    offset: int
    tag: int
    values: Mapping[int, int | str]
    """By attribute. References to other entries are offsets in .debug_info, and HIGH_PC is an address; what is not
    understood is 0 or -1."""
    has_children: bool
    after: int
    """Offset behind its values."""
    language: int
    """DW_LANG_ constant of its unit."""

    def number(self, attribute: int, default: int = 0) -> int:
        """A number; `default` where there is none."""
        value = self.values.get(attribute)
        return value if isinstance(value, int) else default

    @property
    def name(self) -> str:
        """DW_AT_name; empty without one."""
        value = self.values.get(At.NAME)
        return value if isinstance(value, str) else ""


_REFERENCES = (0x11, 0x12, 0x13, 0x14, 0x15)  # ref1, ref2, ref4, ref8, ref_udata: relative to the unit
_STRING_INDEXES = (0x1A, 0x25, 0x26, 0x27, 0x28)
_ADDRESS, _RANGE_INDEX = 0x01, 0x23
_ADDRESS_INDEXES = (0x1B, 0x29, 0x2A, 0x2B, 0x2C)
_ELSEWHERE = (0x1C, 0x20, 0x24)  # ref_sup4, ref_sig8, ref_sup8: in other files and sections
_BLOCKS = {0x0A: 1, 0x03: 2, 0x04: 4, 0x09: 0, 0x18: 0}  # bytes of the length, 0 for a ULEB128
_OFFSET_FORMS = (0x0E, 0x10, 0x17, 0x1F)  # strp, ref_addr, sec_offset, line_strp: as wide as the unit
_IMPLICIT = 0x21


class _Operation:
    """DW_OP_ constants (DWARF 5, table 7.9)."""

    ADDRESS, PLUS_CONSTANT, INDEXED_ADDRESS = 0x03, 0x23, 0xA1


class Entries:
    """The entries of one image."""

    def __init__(self, sections: Mapping[str, bytes]) -> None:
        self._sections = sections
        self._info = sections.get(".debug_info", b"")
        self._tables: dict[int, Mapping[int, _Abbreviation]] = {}
        self._table_budget = 2 * len(sections.get(".debug_abbrev", b""))
        self._work = ENTRY_LIMIT
        self.damaged: list[str] = []
        """Why units are left out, one line each."""
        self.units = list(self._read_units())
        self._starts = [unit.start for unit in self.units]

    # -- units

    def _read_units(self) -> Iterator[Unit]:
        reader = Reader(self._info)
        while reader.at < reader.end:
            start = reader.at
            unit = reader.unit()
            self._count(20)
            try:
                found = self._read_unit(unit, start)
            except BadDwarf as bad:
                self.damaged.append(f"unit 0x{start:x}: {bad}")
                continue
            if found is not None:
                yield found

    def _read_unit(self, reader: Reader, start: int) -> Unit | None:
        version = reader.number(2)
        if version == 5:
            kind, address_size = reader.number(1), reader.number(1)
            at = reader.offset()
            if kind not in (1, 3):  # full and partial units
                return None
        elif 2 <= version <= 4:
            at, address_size = reader.offset(), reader.number(1)
        else:
            return None
        if address_size != 4:
            return None
        unit = Unit(start, reader.at, reader.end, reader.wide, self._table(at), version)
        top = self._entry(unit, unit.entries)
        if top is not None:
            unit.language = top.number(At.LANGUAGE)
            unit.addresses = top.number(At.ADDR_BASE, -1)
            unit.strings = top.number(At.STR_OFFSETS_BASE, -1)
            unit.ranges = top.number(At.RANGES_BASE, -1)
            if max(unit.addresses, unit.strings, unit.ranges) >= 0:
                top = self._entry(unit, unit.entries)  # its own values may refer to these
        unit.top = top
        return unit

    def _table(self, at: int) -> Mapping[int, _Abbreviation]:
        if at not in self._tables:
            reader = Reader(self._sections.get(".debug_abbrev", b""), at)
            table: dict[int, _Abbreviation] = {}
            while code := reader.uleb():
                table[code] = _abbreviation(reader)
            self._table_budget -= reader.at - at
            if self._table_budget < 0:
                raise BadDwarf("its abbreviation tables overlap")
            self._tables[at] = table
        return self._tables[at]

    def unit_of(self, offset: int) -> Unit:
        """The unit that has an entry at this offset of .debug_info. Raises BadDwarf where none has."""
        at = bisect_right(self._starts, offset) - 1
        if at < 0 or not self.units[at].entries <= offset < self.units[at].end:
            raise BadDwarf("an entry refers to one that is not there")
        return self.units[at]

    # -- entries

    def at(self, offset: int) -> Entry:
        """The entry at an offset of .debug_info. Raises BadDwarf where none can be."""
        entry = self._entry(self.unit_of(offset), offset)
        if entry is None:
            raise BadDwarf("an entry refers to the end of a list")
        return entry

    def children(self, entry: Entry) -> Iterator[Entry]:
        """The entries directly below `entry`, in order."""
        if not entry.has_children:
            return
        unit = self.unit_of(entry.offset)
        at, depth = entry.after, 0
        while at < unit.end:
            child = self._entry(unit, at)
            if child is None:
                at, depth = at + 1, depth - 1
                if depth < 0:
                    return
                continue
            if depth == 0:
                yield child
            at, depth = child.after, depth + child.has_children

    def subprogram(self, address: int) -> Entry | None:
        """The function whose code begins at `address`."""
        for unit in self._candidates(address):
            for entry in self._subprograms(unit):
                if entry.values.get(At.LOW_PC) == address:
                    return entry
        return None

    def subprograms(self) -> Iterator[Entry]:
        """Every function that has code, of all units."""
        for unit in self.units:
            yield from self._subprograms(unit)

    def placed(self) -> Iterator[tuple[int, str]]:
        """Address, and name of the unit, of every function that has code and every variable with a fixed place."""
        for unit in self.units:
            name = "" if unit.top is None else unit.top.name
            for _, entry in self._walk(unit, lambda a: a.has_location or (a.has_code and a.tag == Tag.SUBPROGRAM)):
                address = entry.number(At.LOCATION if entry.tag == Tag.VARIABLE else At.LOW_PC, -1)
                if address >= 0:
                    yield address, name

    def _candidates(self, address: int) -> list[Unit]:
        """The units in which `address` is written: in themselves, or in their part of the table of addresses."""
        wanted = address.to_bytes(4, "little")
        found = {}
        for place in _places(self._info, wanted):
            at = bisect_right(self._starts, place) - 1
            if at >= 0 and place < self.units[at].end:
                found[self.units[at].start] = self.units[at]
        with_table = sorted((u for u in self.units if u.addresses >= 0), key=lambda u: u.addresses)
        if with_table:
            bases = [unit.addresses for unit in with_table]
            for place in _places(self._sections.get(".debug_addr", b""), wanted):
                at = bisect_right(bases, place) - 1
                while at >= 0 and bases[at] == bases[bisect_right(bases, place) - 1]:  # units may share a part
                    found[with_table[at].start] = with_table[at]
                    at -= 1
        return list(found.values())

    def _subprograms(self, unit: Unit) -> Iterator[Entry]:
        for _, entry in self.with_code(unit, (Tag.SUBPROGRAM,)):
            if At.LOW_PC in entry.values:
                yield entry

    def with_code(self, unit: Unit, tags: Sequence[int]) -> Iterator[tuple[int, Entry]]:
        """Every entry of a unit with one of `tags` and with code, those around others first, and in how many it lies.

        Raises BadDwarf.
        """
        return self._walk(unit, lambda abbreviation: abbreviation.has_code and abbreviation.tag in tags)

    def _walk(self, unit: Unit, is_wanted: Callable[[_Abbreviation], bool]) -> Iterator[tuple[int, Entry]]:
        """The entries of a unit, at any depth, whose abbreviation is wanted, and in how many of these each lies."""
        info, at, end, abbreviations = self._info, unit.entries, unit.end, unit.abbreviations
        reader = Reader(info, at, end, unit.wide)
        width, depth = 8 if unit.wide else 4, 0
        around: list[int] = []  # the depths of those whose children these are
        while at < end:
            start = at
            code = info[at]
            at += 1
            if code == 0:
                depth -= 1
                while around and around[-1] >= depth:
                    around.pop()
                continue
            if code >= 0x80:
                reader.at = start
                code = reader.uleb()
                at = reader.at
            abbreviation = abbreviations.get(code)
            if abbreviation is None:
                raise BadDwarf("an entry has no abbreviation")
            self._count()
            if is_wanted(abbreviation):
                entry = self._entry(unit, start)
                if entry is not None:
                    yield len(around), entry
                    at = entry.after
                    around += [depth] * entry.has_children
            elif abbreviation.size >= 0:
                at += abbreviation.size + width * abbreviation.offsets
            else:
                reader.at = at
                for _, form, _ in abbreviation.attributes:
                    self._skip(reader, form)
                at = reader.at
            depth += abbreviation.has_children

    def code_of(self, unit: Unit, entry: Entry) -> list[Range]:
        """Where the code of an entry of `unit` is, in the order of the file, without empty pieces. Raises BadDwarf."""
        if At.RANGES in entry.values:
            base = 0 if unit.top is None else unit.top.number(At.LOW_PC)
            pieces = self._rnglist if unit.version >= 5 else self._old_ranges
            found = list(pieces(unit, entry.number(At.RANGES), base))
        else:
            found = [(entry.number(At.LOW_PC, -1), entry.number(At.HIGH_PC, -1))]
        if any(not 0 <= begin <= end <= 1 << 32 for begin, end in found):
            raise BadDwarf("code ends before it begins")
        return [(begin, end) for begin, end in found if begin < end]

    def _old_ranges(self, unit: Unit, at: int, base: int) -> Iterator[Range]:
        """DWARF 4, section 2.17.3."""
        reader = Reader(self._sections.get(".debug_ranges", b""), max(at, 0))
        while (pair := (reader.number(4), reader.number(4))) != (0, 0):
            self._count()
            if pair[0] == 0xFFFFFFFF:
                base = pair[1]
            else:
                yield base + pair[0], base + pair[1]

    def _rnglist(self, unit: Unit, at: int, base: int) -> Iterator[Range]:
        """DWARF 5, section 2.17.3 and table 7.30."""
        reader = Reader(self._sections.get(".debug_rnglists", b""), max(at, 0))
        while kind := reader.number(1):
            self._count()
            if kind in (5, 1):  # a base for what follows
                base = reader.number(4) if kind == 5 else self._address(unit, reader.uleb())
                continue
            if kind == 4:
                begin, end = base + reader.uleb(), base + reader.uleb()
            elif kind == 2:
                begin, end = self._address(unit, reader.uleb()), self._address(unit, reader.uleb())
            elif kind == 6:
                begin, end = reader.number(4), reader.number(4)
            elif kind in (3, 7):
                begin = reader.number(4) if kind == 7 else self._address(unit, reader.uleb())
                end = begin + reader.uleb()
            else:
                raise BadDwarf(f"a list of ranges has an entry of kind {kind}")
            yield begin, end

    def _address(self, unit: Unit, index: int) -> int:
        if unit.addresses < 0:
            raise BadDwarf("an address is in a table that its unit does not name")
        return Reader(self._sections.get(".debug_addr", b""), unit.addresses + 4 * index).number(4)

    def _count(self, work: int = 1) -> None:
        self._work -= work
        if self._work < 0:
            raise BadDwarf(f"there are more than {ENTRY_LIMIT:,} entries to read")

    def _entry(self, unit: Unit, offset: int) -> Entry | None:
        """The entry there; None for the mark that ends a list of children."""
        self._count()
        reader = Reader(self._info, offset, unit.end, unit.wide)
        code = reader.uleb()
        if code == 0:
            return None
        abbreviation = unit.abbreviations.get(code)
        if abbreviation is None:
            raise BadDwarf("an entry has no abbreviation")
        values = {
            name: implicit if form == _IMPLICIT else self._value(unit, reader, form)
            for name, form, implicit in abbreviation.attributes
        }
        tag, has_children = abbreviation.tag, abbreviation.has_children
        if abbreviation.has_code and At.HIGH_PC in values and At.LOW_PC in values:
            low, high = values[At.LOW_PC], values[At.HIGH_PC]
            is_size = abbreviation.form_of(At.HIGH_PC) not in (_ADDRESS, *_ADDRESS_INDEXES)  # DWARF 5, section 2.17.2
            if is_size and isinstance(low, int) and isinstance(high, int):
                values[At.HIGH_PC] = low + high
        return Entry(offset, tag, values, has_children, reader.at, unit.language)

    def _value(self, unit: Unit, reader: Reader, form: int) -> int | str:
        if form in _BLOCKS:
            return self._constant_of(unit, reader, form)
        value = form_value(reader, form, self._sections)
        if form in _ELSEWHERE:
            return -1
        if not isinstance(value, int):
            return value
        if form in _REFERENCES:
            return unit.start + value
        if form in _ADDRESS_INDEXES and unit.addresses >= 0:
            return self._address(unit, value)
        if form == _RANGE_INDEX:
            return self._range_list(unit, value)
        if form in _STRING_INDEXES and unit.strings >= 0:
            width = 8 if unit.wide else 4
            table = Reader(self._sections.get(".debug_str_offsets", b""), unit.strings + width * value)
            return Reader(self._sections.get(".debug_str", b""), table.number(width)).text()
        return value

    def _constant_of(self, unit: Unit, reader: Reader, form: int) -> int:
        """What an expression of one operation gives: a fixed place, or what DWARF 2 and 3 add for a member's offset.

        Other expressions are -1.
        """
        size = reader.number(_BLOCKS[form]) if _BLOCKS[form] else reader.uleb()
        start = reader.skip(size)
        operand = Reader(reader.data, start + 1, reader.at)
        match reader.data[start] if size else 0:
            case _Operation.PLUS_CONSTANT:
                return operand.uleb()
            case _Operation.ADDRESS if size == 5:
                return operand.number(4)
            case _Operation.INDEXED_ADDRESS if unit.addresses >= 0:
                index = operand.uleb()
                return self._address(unit, index) if operand.at == operand.end else -1
        return -1

    def _range_list(self, unit: Unit, index: int) -> int:
        """Offset of a list of ranges: DWARF 5, section 7.28."""
        if unit.ranges < 0:
            return -1
        width = 8 if unit.wide else 4
        table = Reader(self._sections.get(".debug_rnglists", b""), unit.ranges + width * index)
        return unit.ranges + table.number(width)

    def _skip(self, reader: Reader, form: int) -> None:
        """Moves behind a value without looking into other sections."""
        if form in _OFFSET_FORMS:
            reader.offset()
        else:
            form_value(reader, form, {})


def _abbreviation(reader: Reader) -> _Abbreviation:
    tag, has_children = reader.uleb(), bool(reader.number(1))
    attributes: list[tuple[int, int, int]] = []
    size, offsets, names = 0, 0, set()
    while (pair := (reader.uleb(), reader.uleb())) != (0, 0):
        name, form = pair
        attributes.append((name, form, reader.sleb() if form == _IMPLICIT else 0))
        names.add(name)
        offsets += form in _OFFSET_FORMS
        fixed = 4 if form == _ADDRESS else 0 if form in _OFFSET_FORMS else FIXED_SIZE.get(form, -1)
        size = size + fixed if size >= 0 and fixed >= 0 else -1
    has_code = At.LOW_PC in names or At.RANGES in names
    has_location = tag == Tag.VARIABLE and At.LOCATION in names
    return _Abbreviation(tag, has_children, tuple(attributes), size, offsets, has_code, has_location)


def _places(data: bytes, wanted: bytes) -> Iterator[int]:
    at = data.find(wanted)
    while at >= 0:
        yield at
        at = data.find(wanted, at + 1)
