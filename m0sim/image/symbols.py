"""Symbols: from the entries of a symbol table to functions and variables with the names that a person types.

Source: ELF for the Arm Architecture (IHI 0044) for Thumb addresses and mapping symbols.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from m0sim.image.cxx_names import demangled
from m0sim.image.ranges import Range, merged_ranges, within
from m0sim.image.rust_names import RustNames
from m0sim.names import printable

NAME_LIMIT = 16 << 10
"""Characters of a symbol or section name; more means that the string table is broken."""

STT_NOTYPE, STT_OBJECT, STT_FUNC, STT_FILE = 0, 1, 2, 4


@dataclass(frozen=True, slots=True)
class Symbol:
    """A named address."""

    name: str
    """What a person types, unique in the image: C++ demangled, Rust's path without its hash, ``file.c:name`` where
    statics share a name, ``path#1``, ``path#2`` by address where functions of Rust's do. Printable."""
    linkage_name: str
    """What the linker calls it. Printable, as all names of an image: control characters are escapes such as ``\\n``."""
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
    is_measured: bool = False
    """Whether the file gives the function no size: `size` is then up to the next function or the end of code."""


class RawSymbol(NamedTuple):
    """An entry of the symbol table, as it is in the file; `kind` is an ``STT_`` constant."""

    name: str
    value: int
    size: int
    kind: int
    is_global: bool
    file: str


class Origin(NamedTuple):
    """Code or data of a source file begins here."""

    address: int
    file: str
    """Its base name, or that of the object file where that has no other name; empty where the linker made it itself."""


def origins(symbols: Iterable[RawSymbol]) -> tuple[Origin, ...]:
    """Where the symbol table says what file something is of.

    Objects have a mapping symbol at the beginning of all code (IHI 0044, 5.5.5), and of most data; linkers name the
    file in front of an object's local symbols.
    """
    files: defaultdict[int, set[str]] = defaultdict(set)
    for symbol in symbols:
        if _is_mapping(symbol.name) and not symbol.is_global:
            files[symbol.value].add(symbol.file)
    return tuple(Origin(at, found.pop() if len(found) == 1 else "") for at, found in sorted(files.items()))


def code_and_data(
    executable: Sequence[Range], symbols: Iterable[RawSymbol]
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
    return merged_ranges(parts["t"]), merged_ranges(parts["d"])


def _is_mapping(name: str) -> bool:
    return name[:2] in ("$t", "$d", "$a") and name[2:3] in ("", ".")


def named_symbols(raw: Iterable[RawSymbol], code: Sequence[Range], executable: Sequence[Range]) -> tuple[Symbol, ...]:
    """The symbols that a person may mean, by address, the best name of an address first."""
    ranges = merged_ranges(executable)
    entries = [s for s in dict.fromkeys(raw) if not s.name.startswith(".L") and not _is_mapping(s.name)]
    bodies = merged_ranges([(s.value & ~1, (s.value & ~1) + s.size) for s in entries if s.kind == STT_FUNC and s.size])
    rust_names, rust_paths = RustNames(), set()
    found = []
    for s in entries:
        rust_path = rust_names.path(s.name)
        name = printable(rust_path or demangled(s.name) or s.name)
        if rust_path:
            rust_paths.add(name)
        thumb = bool(s.value & 1)
        # .thumb_func marks assembly's functions with bit 0 and no more; a label on an odd byte of a table is data.
        asm_function = s.kind == STT_NOTYPE and thumb and within(code, s.value & ~1) is not None
        if s.kind == STT_FUNC or asm_function:
            # IAR's linker writes the labels inside of a function as local functions without a size.
            label = not s.size and not s.is_global and not _starts_code(s.value & ~1, bodies, code)
            role: Literal["function", "label"] = "label" if label else "function"
            found.append(Symbol(name, s.name, s.value & ~1, s.size, role, thumb, s.is_global, s.file))
        else:
            # GNU as gives a local common symbol a size and no type.
            variable = s.kind == STT_OBJECT or (s.size and within(ranges, s.value) is None)
            kind: Literal["object", "label"] = "object" if variable else "label"
            found.append(Symbol(name, s.name, s.value, s.size, kind, False, s.is_global, s.file))
    found.sort(key=lambda s: (s.address, *_preference(s)))
    return tuple(_uniquely_named(_sized(found, code, ranges), rust_paths))


def _starts_code(address: int, bodies: Sequence[Range], code: Sequence[Range]) -> bool:
    """Whether a function could begin at `address`: code that lies in no function whose size is known."""
    return within(code, address) is not None and within(bodies, address) is None


def _preference(symbol: Symbol) -> tuple[bool, bool, int, str]:
    """Sorts the best of several names for one address to the front."""
    return not symbol.is_global, not symbol.size, len(symbol.name), symbol.name


def _sized(symbols: Sequence[Symbol], code: Sequence[Range], executable: Sequence[Range]) -> list[Symbol]:
    """`symbols`, where a function without a size reaches up to the next function or the last code before it."""
    starts = sorted({s.address for s in symbols if s.kind == "function"})
    code_starts = [start for start, _ in code]
    sized = []
    for s in symbols:
        section = within(executable, s.address)
        if s.kind == "function" and not s.size and section is not None:
            following = bisect_right(starts, s.address)
            end = min(section[1], starts[following] if following < len(starts) else section[1])
            last_code = code[max(bisect_right(code_starts, end - 1) - 1, 0)] if code else section
            s = replace(s, size=max(min(end, last_code[1]) - s.address, 0), is_measured=True)
        sized.append(s)
    return sized


def _uniquely_named(symbols: Sequence[Symbol], rust_paths: set[str]) -> list[Symbol]:
    """`symbols`, sorted by address, with the names of those that share one told apart as `Symbol.name` says."""
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for i, s in enumerate(symbols):
        groups[s.name].append(i)
    named = list(symbols)
    taken = {name for name, members in groups.items() if len(members) == 1}
    for name, members in groups.items():
        if len(members) == 1:
            continue
        places = {symbols[i].address: i for i in reversed(members)}  # of one address, the first
        rivals = {i: symbols[i] for i in sorted(places.values())}
        choices = _numbered(rivals) if name in rust_paths else _told_apart_by_file(rivals)
        for i in members:
            # Another name for one address, such as C++'s second constructor, is what the linker calls it.
            candidates = [*choices.get(i, ()), symbols[i].linkage_name]
            unique = next((c for c in candidates if c not in taken), "")
            number = i
            while not unique or unique in taken:
                unique, number = f"{symbols[i].linkage_name}#{number}", number + len(symbols)
            taken.add(unique)
            named[i] = replace(symbols[i], name=unique)
    return named


def _numbered(rivals: Mapping[int, Symbol]) -> dict[int, list[str]]:
    """Instances of one generic function of Rust's: neither their hashes nor their files' names outlive a build."""
    if len(rivals) == 1:
        return {i: [s.name] for i, s in rivals.items()}
    return {i: [f"{s.name}#{number}"] for number, (i, s) in enumerate(rivals.items(), start=1)}


def _told_apart_by_file(rivals: Mapping[int, Symbol]) -> dict[int, list[str]]:
    """Statics of C, overloads that the demangler does not tell apart: by index, the names to try in turn."""
    files = Counter(s.source_file for s in rivals.values())
    global_rivals = [i for i, s in rivals.items() if s.is_global]
    choices = {}
    for i, s in rivals.items():
        file = f"{s.source_file}:" if s.source_file else ""
        choices[i] = [s.name] if len(rivals) == 1 or global_rivals == [i] else []
        if file and files[s.source_file] == 1:
            choices[i].append(file + s.name)
        choices[i].append(f"{file}{s.name}@0x{s.address:x}")
    return choices


def without_number(name: str) -> str:
    """``core::ptr::drop`` of ``core::ptr::drop#2``; names without a number come back as they are."""
    path, mark, number = name.rpartition("#")
    return path if mark and number.isdecimal() else name
