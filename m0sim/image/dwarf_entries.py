"""The entries of DWARF 2 to 5 that tell what a function takes and returns, and which unit something is of.

Only the unit that a question is about is read, and no entry twice. That takes some milliseconds of an import and of
reading where a whole library's import takes 60. Sources: DWARF 5, sections 2 and 7; DWARF 4 section 7 for older units.
Offsets and lengths in a file are not believed: what leads out of its section, or takes more than `ENTRY_LIMIT` entries
to read, is `BadDwarf`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from m0sim.image.dwarf_forms import FIXED_SIZE, BadDwarf, Reader, form_value

ENTRY_LIMIT = 1_000_000
"""Entries that are read for all questions about one image: some seconds' worth."""


class Tag:
    """DW_TAG_ constants (DWARF 5, table 7.3)."""

    ARRAY, CLASS, ENUMERATION, PARAMETER, MEMBER, POINTER, REFERENCE = 0x01, 0x02, 0x04, 0x05, 0x0D, 0x0F, 0x10
    STRUCTURE, SUBROUTINE_TYPE, TYPEDEF, UNION, UNSPECIFIED_PARAMETERS = 0x13, 0x15, 0x16, 0x17, 0x18
    INHERITANCE, POINTER_TO_MEMBER, SUBRANGE, BASE, CONST, SUBPROGRAM = 0x1C, 0x1F, 0x21, 0x24, 0x26, 0x2E
    VARIANT_PART, VOLATILE, RESTRICT, UNSPECIFIED, RVALUE_REFERENCE, ATOMIC = 0x33, 0x35, 0x37, 0x3B, 0x42, 0x47
    VARIABLE = 0x34


class At:
    """DW_AT_ constants (DWARF 5, table 7.5)."""

    NAME, BYTE_SIZE, BIT_SIZE, LOW_PC, LANGUAGE, PROTOTYPED, UPPER_BOUND = 0x03, 0x0B, 0x0D, 0x11, 0x13, 0x27, 0x2F
    ABSTRACT_ORIGIN, CALLING_CONVENTION, COUNT, MEMBER_LOCATION, ENCODING = 0x31, 0x36, 0x37, 0x38, 0x3E
    EXTERNAL, SPECIFICATION, TYPE, DATA_BIT_OFFSET = 0x3F, 0x47, 0x49, 0x6B
    STR_OFFSETS_BASE, ADDR_BASE, LOCATION = 0x72, 0x73, 0x02


class _Abbreviation(NamedTuple):
    tag: int
    has_children: bool
    attributes: tuple[tuple[int, int, int], ...]
    """Attribute, form, and the value of an implicit constant."""
    size: int
    """Bytes of all values, or -1 where they are not the same in each entry."""
    is_function_with_code: bool
    has_location: bool
    """Of a variable: whether it tells where that is."""


@dataclass(slots=True)
class _Unit:
    start: int
    """Offset of its header in .debug_info: references are relative to it."""
    entries: int
    """Offset of its first entry."""
    end: int
    wide: bool
    abbreviations: Mapping[int, _Abbreviation]
    name: str = ""
    language: int = 0
    addresses: int = -1
    """Offset of its part of .debug_addr."""
    strings: int = -1
    """Offset of its part of .debug_str_offsets."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One debugging information entry."""

    offset: int
    tag: int
    values: Mapping[int, int | str]
    """By attribute. References to other entries are offsets in .debug_info; what is not understood is 0 or -1."""
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
        self._units = list(self._read_units())
        self._starts = [unit.start for unit in self._units]

    # -- units

    def _read_units(self) -> Iterator[_Unit]:
        reader = Reader(self._info)
        while reader.at < reader.end:
            start = reader.at
            unit = reader.unit()
            self._count(20)
            try:
                found = self._read_unit(unit, start)
            except BadDwarf:
                continue  # its functions have no signatures
            if found is not None:
                yield found

    def _read_unit(self, reader: Reader, start: int) -> _Unit | None:
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
        unit = _Unit(start, reader.at, reader.end, reader.wide, self._table(at))
        top = self._entry(unit, unit.entries)
        if top is not None:
            unit.language = top.number(At.LANGUAGE)
            unit.addresses = top.number(At.ADDR_BASE, -1)
            unit.strings = top.number(At.STR_OFFSETS_BASE, -1)
            named = self._entry(unit, unit.entries) if unit.strings >= 0 else top  # names may be in that table
            unit.name = "" if named is None else named.name
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

    def _unit_of(self, offset: int) -> _Unit:
        at = bisect_right(self._starts, offset) - 1
        if at < 0 or not self._units[at].entries <= offset < self._units[at].end:
            raise BadDwarf("an entry refers to one that is not there")
        return self._units[at]

    # -- entries

    def at(self, offset: int) -> Entry:
        """The entry at an offset of .debug_info. Raises BadDwarf where none can be."""
        entry = self._entry(self._unit_of(offset), offset)
        if entry is None:
            raise BadDwarf("an entry refers to the end of a list")
        return entry

    def children(self, entry: Entry) -> Iterator[Entry]:
        """The entries directly below `entry`, in order."""
        if not entry.has_children:
            return
        unit = self._unit_of(entry.offset)
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
        for unit in self._units:
            yield from self._subprograms(unit)

    def placed(self) -> Iterator[tuple[int, str]]:
        """Address, and name of the unit, of every function that has code and every variable with a fixed place."""
        for unit in self._units:
            for entry in self._listed(unit, lambda a: a.is_function_with_code or a.has_location):
                address = entry.number(At.LOCATION if entry.tag == Tag.VARIABLE else At.LOW_PC, -1)
                if address >= 0:
                    yield address, unit.name

    def _candidates(self, address: int) -> list[_Unit]:
        """The units in which `address` is written: in themselves, or in their part of the table of addresses."""
        wanted = address.to_bytes(4, "little")
        found = {}
        for place in _places(self._info, wanted):
            at = bisect_right(self._starts, place) - 1
            if at >= 0 and place < self._units[at].end:
                found[self._units[at].start] = self._units[at]
        with_table = sorted((u for u in self._units if u.addresses >= 0), key=lambda u: u.addresses)
        if with_table:
            bases = [unit.addresses for unit in with_table]
            for place in _places(self._sections.get(".debug_addr", b""), wanted):
                at = bisect_right(bases, place) - 1
                while at >= 0 and bases[at] == bases[bisect_right(bases, place) - 1]:  # units may share a part
                    found[with_table[at].start] = with_table[at]
                    at -= 1
        return list(found.values())

    def _subprograms(self, unit: _Unit) -> Iterator[Entry]:
        return self._listed(unit, lambda abbreviation: abbreviation.is_function_with_code)

    def _listed(self, unit: _Unit, is_wanted: Callable[[_Abbreviation], bool]) -> Iterator[Entry]:
        """The entries of a unit, at any depth, of which the abbreviation says that they are wanted."""
        info, at, end, abbreviations = self._info, unit.entries, unit.end, unit.abbreviations
        reader = Reader(info, at, end, unit.wide)
        while at < end:
            start = at
            code = info[at]
            at += 1
            if code == 0:
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
                    yield entry
                    at = entry.after
            elif abbreviation.size >= 0:
                at += abbreviation.size
            else:
                reader.at = at
                for _, form, _ in abbreviation.attributes:
                    self._skip(reader, form)
                at = reader.at

    def _count(self, work: int = 1) -> None:
        self._work -= work
        if self._work < 0:
            raise BadDwarf(f"there are more than {ENTRY_LIMIT:,} entries to read")

    def _entry(self, unit: _Unit, offset: int) -> Entry | None:
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
        return Entry(offset, tag, values, has_children, reader.at, unit.language)

    def _value(self, unit: _Unit, reader: Reader, form: int) -> int | str:
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
            return self._indexed_address(unit, value)
        if form in _STRING_INDEXES and unit.strings >= 0:
            width = 8 if unit.wide else 4
            table = Reader(self._sections.get(".debug_str_offsets", b""), unit.strings + width * value)
            return Reader(self._sections.get(".debug_str", b""), table.number(width)).text()
        return value

    def _indexed_address(self, unit: _Unit, index: int) -> int:
        return Reader(self._sections.get(".debug_addr", b""), unit.addresses + 4 * index).number(4)

    def _constant_of(self, unit: _Unit, reader: Reader, form: int) -> int:
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
                return self._indexed_address(unit, index) if operand.at == operand.end else -1
        return -1

    def _skip(self, reader: Reader, form: int) -> None:
        """Moves behind a value without looking into other sections."""
        if form in _OFFSET_FORMS:
            reader.offset()
        else:
            form_value(reader, form, {})


def _abbreviation(reader: Reader) -> _Abbreviation:
    tag, has_children = reader.uleb(), bool(reader.number(1))
    attributes: list[tuple[int, int, int]] = []
    size, names = 0, set()
    while (pair := (reader.uleb(), reader.uleb())) != (0, 0):
        name, form = pair
        attributes.append((name, form, reader.sleb() if form == _IMPLICIT else 0))
        names.add(name)
        fixed = 4 if form == 0x01 else FIXED_SIZE.get(form, -1)
        size = size + fixed if size >= 0 and fixed >= 0 else -1
    is_function = tag == Tag.SUBPROGRAM and At.LOW_PC in names
    has_location = tag == Tag.VARIABLE and At.LOCATION in names
    return _Abbreviation(tag, has_children, tuple(attributes), size, is_function, has_location)


def _places(data: bytes, wanted: bytes) -> Iterator[int]:
    at = data.find(wanted)
    while at >= 0:
        yield at
        at = data.find(wanted, at + 1)
