"""The line number programs of DWARF 2 to 5: which source line each run of code comes from.

Sources: DWARF 5, section 6.2 (line numbers); DWARF 4 section 6.2.4 for older headers.
Lengths and counts in a file are never believed beyond its bytes, and what few bytes can ask for many times over (rows,
paths, attributes) has limits that no firmware of a Cortex-M0+ comes near.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from m0sim.image.dwarf_forms import IMPLICIT_CONST, TEXT_LIMIT, BadDwarf, Reader, form_value

ROW_LIMIT = 1 << 19
"""Rows of all line tables that are about code of the image: one for each 4 bytes of a full 2 MiB flash."""
PATH_LIMIT = 16 << 20
"""Characters of all paths of all units."""
NOTE_LIMIT = 50
"""Damaged units after which the rest is not looked at."""
VALUE_LIMIT = 1 << 19
"""Units, and attributes and file table entries in them, that are decoded."""


class SpentDwarf(BadDwarf):
    """A limit is reached: there is no use in going on."""


class LineRow(NamedTuple):
    """The code from `address` on comes from `line` of `file`; line 0 is code that no line stands for."""

    address: int
    file: str
    line: int


class Sequence(NamedTuple):
    """Rows of one contiguous run of code, by rising address, and the address behind it."""

    rows: list[LineRow]
    end: int


@dataclass(slots=True)
class _Budget:
    """What is left of the limits, for all units together."""

    rows: int = ROW_LIMIT
    characters: int = PATH_LIMIT
    values: int = VALUE_LIMIT

    def spend(self, value: int | str = 0) -> None:
        """Counts one value, and its characters where it is text."""
        self.values -= 1
        if isinstance(value, str):
            self.characters -= len(value)
        if self.values < 0 or self.characters < 0:
            raise SpentDwarf("there are more units, attributes or paths than any firmware has: the rest is left out")


def line_sequences(
    sections: Mapping[str, bytes], is_code: Callable[[int], bool] = lambda _: True
) -> tuple[list[Sequence], list[str]]:
    """The sequences of `sections` (``.debug_line`` and what it refers to), and a note on each unit left out.

    Only sequences that start where `is_code` says that the image has code: those of functions that the linker dropped
    start at 0 or so.
    """
    budget = _Budget()
    sequences: list[Sequence] = []
    notes: list[str] = []
    try:
        folders = _compilation_folders(sections, _Budget())
    except BadDwarf as bad:
        folders = {}
        notes.append(f"compilation folders are not known: {bad}")
    reader = Reader(sections.get(".debug_line", b""))
    while reader.at < reader.end:
        start = reader.at
        try:
            unit = reader.unit()
            budget.spend()
            sequences += _Program(unit, sections, folders.get(start, ""), budget).sequences(is_code)
        except SpentDwarf as spent:
            notes.append(f"source lines from unit 0x{start:x} on are left out: {spent}")
            break
        except BadDwarf as bad:
            notes.append(f"source lines of unit 0x{start:x} are left out: {bad}")
            if reader.at == start or len(notes) >= NOTE_LIMIT:
                break
    return sequences, notes


class FileNames:
    """The files that a unit's entries name by number: those of its line program's header."""

    def __init__(self, sections: Mapping[str, bytes]) -> None:
        self._sections = sections
        self._budget = _Budget()
        self._known: dict[int, list[str]] = {}

    def of(self, line_program: int, folder: str) -> list[str]:
        """By number, for the program at this offset of ``.debug_line``; empty where it cannot be read.

        `folder` is what paths are relative to before DWARF 5.
        """
        if line_program not in self._known:
            self._known[line_program] = []
            try:
                unit = Reader(self._sections.get(".debug_line", b""), max(line_program, 0)).unit()
                self._budget.spend()
                self._known[line_program] = _Program(unit, self._sections, folder, self._budget).files
            except BadDwarf:
                pass  # names of files only say where a function was written
        return self._known[line_program]


def _compilation_folders(sections: Mapping[str, bytes], budget: _Budget) -> dict[int, str]:
    """The folder that a unit's paths are relative to, by the offset of its line program.

    Only line programs before version 5 need it; GNU as writes those beside units of version 5, too.
    """
    folders: dict[int, str] = {}
    abbreviations = _Abbreviations(sections.get(".debug_abbrev", b""))
    units = Reader(sections.get(".debug_info", b""))
    while units.at < units.end:
        unit = units.unit()
        try:
            budget.spend()
            found = _unit_attributes(unit, abbreviations, sections, budget)
        except SpentDwarf:
            raise
        except BadDwarf:
            continue  # without its folder, a path stays relative
        line_program, folder = found.get(0x10), found.get(0x1B)
        if isinstance(line_program, int) and isinstance(folder, str):
            folders[line_program] = folder
    return folders


def _unit_attributes(
    unit: Reader, abbreviations: _Abbreviations, sections: Mapping[str, bytes], budget: _Budget
) -> dict[int, int | str]:
    """The attributes of a compilation unit's own entry."""
    version = unit.number(2)
    if version == 5:
        if unit.number(1) not in (1, 3):  # full and partial units
            return {}
        address_size = unit.number(1)
        at = unit.offset()
    elif 2 <= version <= 4:
        at = unit.offset()
        address_size = unit.number(1)
    else:
        return {}
    attributes = abbreviations.find(at, unit.uleb())
    found = {}
    for name, form in attributes:
        found[name] = form_value(unit, form, sections, address_size)
        budget.spend(found[name])
    return found


class _Abbreviations:
    """Abbreviation tables, searched once for each unit; tables that lead back into each other run out of budget."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.budget = 2 * len(data)
        self.known: dict[tuple[int, int], list[tuple[int, int]]] = {}

    def find(self, at: int, code: int) -> list[tuple[int, int]]:
        """Attributes and forms of the abbreviation `code` of the table at `at`."""
        key = (at, code)
        reader = Reader(self.data, at)
        while key not in self.known:
            start = reader.at
            found = reader.uleb()
            if not found:
                raise BadDwarf("a unit's abbreviation is not in its table")
            attributes = self._attributes(reader)
            self.budget -= reader.at - start
            if self.budget < 0:
                raise BadDwarf("its abbreviation tables overlap")
            if found == code:
                self.known[key] = attributes
        return self.known[key]

    def _attributes(self, reader: Reader) -> list[tuple[int, int]]:
        reader.uleb()  # tag
        reader.skip(1)  # has children
        attributes: list[tuple[int, int]] = []
        while (pair := (reader.uleb(), reader.uleb())) != (0, 0):
            attributes.append(pair)
            if pair[1] == IMPLICIT_CONST:
                reader.sleb()
        return attributes


class _Program:
    """One line number program: header, then opcodes."""

    def __init__(self, reader: Reader, sections: Mapping[str, bytes], folder: str, budget: _Budget) -> None:
        self.reader = reader
        self.budget = budget
        self.version = reader.number(2)
        if not 2 <= self.version <= 5:
            raise BadDwarf(f"its version is {self.version}, not 2 to 5")
        if self.version == 5:
            reader.skip(2)  # address and segment selector sizes
        header_size = reader.offset()
        start = reader.at + header_size
        self.instruction_size = reader.number(1)
        if self.version >= 4:
            reader.skip(1)  # operations of a VLIW instruction: Arm has none
        reader.skip(1)  # is_stmt: every row counts
        self.line_base = reader.number(1)
        self.line_base -= (self.line_base & 0x80) << 1
        self.line_range = reader.number(1)
        self.opcode_base = reader.number(1)
        if not self.line_range or not self.opcode_base:
            raise BadDwarf("its line range or opcode base is 0")
        at = reader.skip(self.opcode_base - 1)
        self.operand_counts = bytes(1) + reader.data[at : reader.at]
        self.files = self._files_v5(sections) if self.version == 5 else self._files(folder)
        if not reader.at <= start <= reader.end:
            raise BadDwarf("its header length is wrong")
        reader.at = start

    def _files(self, folder: str) -> list[str]:
        reader, folders = self.reader, [folder]
        while name := reader.text():
            folders.append(self._joined(folder, name))
        files = [""]  # counted from 1
        while name := reader.text():
            files.append(self._joined(_item(folders, reader.uleb()), name))
            reader.uleb()  # time
            reader.uleb()  # length
        return files

    def _files_v5(self, sections: Mapping[str, bytes]) -> list[str]:
        folders: list[str] = []
        for name, _ in self._entries(sections):
            folders.append(self._joined(folders[0], name) if folders else name)
        return [self._joined(_item(folders, folder), name) for name, folder in self._entries(sections)]

    def _joined(self, folder: str, name: str) -> str:
        path = _joined(folder, name)
        self.budget.spend(path)
        return path

    def _entries(self, sections: Mapping[str, bytes]) -> list[tuple[str, int]]:
        """Path and folder index of each entry of the folder or file table that starts here."""
        reader = self.reader
        formats = [(reader.uleb(), reader.uleb()) for _ in range(reader.number(1))]
        count = reader.uleb()
        if count > reader.end - reader.at or (count and not formats):
            raise BadDwarf("its file table is longer than itself")
        entries = []
        for _ in range(count):
            values = {}
            for content, form in formats:
                values[content] = form_value(reader, form, sections)
                self.budget.spend(values[content])
            name, folder = values.get(1, ""), values.get(2, 0)
            if not isinstance(name, str) or not isinstance(folder, int):
                raise BadDwarf("its file table has a path that is no string")
            entries.append((name, folder))
        return entries

    def sequences(self, is_code: Callable[[int], bool]) -> list[Sequence]:
        """Runs the program (DWARF 5, 6.2.5). A sequence whose addresses fall is damaged: it is left out."""
        reader, scale, base, span = self.reader, self.instruction_size, self.line_base, self.line_range
        first_special = self.opcode_base
        const_add = (255 - first_special) // span * scale
        done: list[Sequence] = []
        points: list[tuple[int, int, int]] = []
        address, file, line = 0, 1, 1
        while reader.at < reader.end:
            if len(points) > self.budget.rows:
                raise SpentDwarf(f"there are more than {ROW_LIMIT} rows of lines")
            opcode = reader.data[reader.skip(1)]
            if opcode >= first_special:
                advance, step = divmod(opcode - first_special, span)
                address += advance * scale
                line += base + step
                points.append((address, file, line))
            elif opcode == 0:
                size = reader.uleb()
                after = reader.skip(size) + size
                extended = reader.data[after - size] if size else 0
                if extended == 1:  # end_sequence
                    if points and is_code(points[0][0]):
                        self._finish(points, address, done)
                    points, address, file, line = [], 0, 1, 1
                elif extended == 2:  # set_address
                    address = int.from_bytes(reader.data[after - size + 1 : after][:8], "little")
            elif opcode == 1:  # copy
                points.append((address, file, line))
            elif opcode == 2:  # advance_pc
                address += reader.uleb() * scale
            elif opcode == 3:  # advance_line
                line += reader.sleb()
            elif opcode == 4:  # set_file
                file = reader.uleb()
            elif opcode == 8:  # const_add_pc
                address += const_add
            elif opcode == 9:  # fixed_advance_pc
                address += reader.number(2)
            else:  # set_column, flags, and whatever a producer added
                for _ in range(self.operand_counts[opcode]):
                    reader.uleb()
        return done

    def _finish(self, points: list[tuple[int, int, int]], end: int, done: list[Sequence]) -> None:
        """Adds the sequence of `points` to `done`: of several rows at one address, the last holds."""
        rows: list[LineRow] = []
        names = self.files
        for address, file, line in points:
            if rows and rows[-1].address >= address:
                if rows[-1].address > address:
                    return
                rows.pop()
            rows.append(LineRow(address, names[file] if file < len(names) else "", max(line, 0)))
        while rows and rows[-1].address >= end:
            rows.pop()
        self.budget.rows -= len(rows)
        if rows:
            done.append(Sequence(rows, end))


def _item(names: list[str], index: int) -> str:
    return names[index] if index < len(names) else ""


def _joined(folder: str, name: str) -> str:
    """`name` in `folder`, as the compiler's host would read it: it may have been a Windows machine."""
    if not name or name.startswith("/") or re.match(r"[A-Za-z]:[/\\]", name):
        return name or folder
    return posixpath.normpath(posixpath.join(folder, name))[:TEXT_LIMIT]
