"""A firmware image in memory, and what can be asked of it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from m0sim.errors import UsageError, did_you_mean
from m0sim.image.cxx_names import shorter_names
from m0sim.image.iar import initialiser_of
from m0sim.image.ranges import Range, owners
from m0sim.image.segments import Section, Segment
from m0sim.image.source_lines import DebugSection, SourceLine, section_contents, source_lines
from m0sim.image.symbols import Origin, Symbol, without_number

if TYPE_CHECKING:
    from m0sim.image.inlined import Inlines, InlineTable, Int64Array
    from m0sim.image.signatures import Signature, Signatures


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
    warnings: tuple[str, ...] = ()
    """What a call cannot get right with this file, one line each."""
    compiled_for: str = ""
    """The architecture that the file says its code is for, where that has more instructions than Armv6-M."""
    sha256: str = ""
    """Of the file's content, in hexadecimal."""
    base: int | None = None
    """Where a raw binary was said to run; None for files that say it themselves."""
    is_flat: bool = False
    """Whether the file is bytes at addresses and no more, as HEX, UF2 and raw ones: what SRAM holds it does not say."""
    symbol_file: Path | None = None
    """The ELF that gave a file without names its own; None where none did."""
    origins: tuple[Origin, ...] = ()
    """By address, where code or data of another source file begins, as the symbol table says. Empty where it does not
    say so of everything: LLVM's linker leaves out the names of assembled objects."""
    address_words: tuple[int, ...] | None = None
    """Where 32-bit words lie that hold the address of something in the program. None where the file does not say: it
    was linked without ``--emit-relocs``."""
    alone: Image | None = field(default=None, repr=False)
    """The program without what came with `beside`; None where nothing did."""

    @cached_property
    def functions(self) -> tuple[Symbol, ...]:
        """One function an address, by address: global before local, sized before unsized, then the shortest name."""
        best: dict[int, Symbol] = {}
        for symbol in self.symbols:  # of one address, they stand in this order
            if symbol.kind == "function":
                best.setdefault(symbol.address, symbol)
        return tuple(best.values())

    @cached_property
    def initialiser(self) -> Symbol | None:
        """The start-up function without which variables are blank that have a first value; None where there is none."""
        return initialiser_of(self.symbols)

    def beside(self, other: Image) -> Image:
        """This program with another one in the same memory, which it may call, such as a ROM's.

        Path, entry, sections, debug information and what else a file has are this one's, and are read once for both.
        No name of `other` may be one of this program's.
        """
        return replace(
            self,
            segments=tuple(sorted((*self.segments, *other.segments), key=lambda s: s.address)),
            symbols=tuple(sorted((*self.symbols, *other.symbols), key=lambda s: s.address)),
            code_ranges=tuple(sorted((*self.code_ranges, *other.code_ranges))),
            data_ranges=tuple(sorted((*self.data_ranges, *other.data_ranges))),
            alone=self,
        )

    def function_at(self, address: int) -> Symbol | None:
        """The function whose bytes include `address`; of several, the one that begins last."""
        at = bisect_right(self._owners, address, key=lambda owner: owner[0]) - 1
        return self._owners[at][1] if at >= 0 else None

    def find(self, name: str) -> Symbol:
        """The symbol that a person means by `name`.

        A unique name, a linkage name, a C++ name without its parameters, a Rust path, or an address in code such as
        0x10000100 (either Thumb bit). Raises `UsageError` with the closest names when there is none, or when it is
        ambiguous.
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
        if not (self.alone or self).symbols:
            raise UsageError(
                f"{self.path} has no symbols: give an address such as 0x{self._first_code:08x}, "
                "or with --symbols the ELF that a HEX, UF2 or raw file was made from"
            )
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

    def signature(self, function: Symbol) -> Signature | None:
        """What `function` takes and returns, from DWARF 2 to 5; None where that does not tell for certain."""
        return self._signatures.at(function.address, function.linkage_name) if self.debug else None

    def signatures(self) -> dict[str, Signature | None]:
        """The signatures of all functions, by name."""
        self._signatures.read_all({f.address: f.linkage_name for f in self.functions})
        return {f.name: self.signature(f) for f in self.functions}

    @property
    def signature_notes(self) -> tuple[str, ...]:
        """What could not be read of the signatures that were asked for, one line each."""
        return self._signatures.notes if self.debug else ()

    def inlined(self, addresses: Int64Array) -> InlineTable:
        """What functions were inlined to the code at `addresses`, from DWARF 2 to 5; nothing where that does not tell.

        The table is of at least these addresses. Each unit is read when it is first asked for.
        """
        return self._inlines.table(addresses)

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be read of the debug information, one line each."""
        return self._source[1]

    @property
    def notes_so_far(self) -> tuple[str, ...]:
        """What could not be read of lines, signatures and inlined code that somebody has asked for; nothing is decoded
        for this."""
        if self.alone is not None:
            return self.alone.notes_so_far
        of_lines = self.notes if "_source" in self.__dict__ else ()
        of_signatures = self.signature_notes if "_signatures" in self.__dict__ else ()
        return of_lines + of_signatures + (self._inlines.notes if "_inlines" in self.__dict__ else ())

    @cached_property
    def _owners(self) -> list[tuple[int, Symbol | None]]:
        """The function that the code belongs to, from each of these addresses on."""
        return owners((f.address, f.address + max(f.size, 2), f) for f in self.functions)

    @cached_property
    def _names(self) -> tuple[dict[str, Symbol], dict[str, list[Symbol]]]:
        """Symbols by their unique name, and by the other names that may be ambiguous."""
        other: defaultdict[str, list[Symbol]] = defaultdict(list)
        for symbol in self.symbols:
            others = {symbol.linkage_name, *shorter_names(symbol.name), without_number(symbol.name)}
            for name in others - {symbol.name}:
                other[name].append(symbol)
        return {symbol.name: symbol for symbol in self.symbols}, dict(other)

    @cached_property
    def _signatures(self) -> Signatures:
        if self.alone is not None:
            return self.alone._signatures
        from m0sim.image.signatures import Signatures

        return Signatures(*self._entry_sections())

    @cached_property
    def _inlines(self) -> Inlines:
        if self.alone is not None:
            return self.alone._inlines
        from m0sim.image.inlined import Inlines

        sections, unread = self._entry_sections()
        return Inlines(sections, {f.address: f.size for f in self.functions}, unread)

    def _entry_sections(self) -> tuple[dict[str, bytes], str]:
        """The debug sections that can be read, and why one that entries stand in is not among them."""
        contents, notes = section_contents(self.debug)
        unread = [note for note in notes if note.startswith((".debug_info ", ".debug_abbrev "))]
        return contents, unread[0] if unread else ""

    @cached_property
    def _source(self) -> tuple[tuple[SourceLine, ...], tuple[str, ...]]:
        return source_lines(self.debug, self.code_ranges) if self.alone is None else self.alone._source

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
