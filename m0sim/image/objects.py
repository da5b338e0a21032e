"""Which object file the bytes of an image came from: by a linker's map, or by what debug information and symbols tell.

Without a map, a source file stands for the object that was compiled from it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePosixPath

from m0sim.image.dwarf_forms import BadDwarf
from m0sim.image.extents import Extent
from m0sim.image.image import Image
from m0sim.image.link_map import LinkMap
from m0sim.image.segments import Section
from m0sim.image.source_lines import section_contents
from m0sim.image.symbols import Symbol

_ASSEMBLED = (".s", ".asm")
Objects = Callable[[Extent, Section], str]
"""The name of the object that an extent of a section came from; empty where nothing tells."""


def by_map(link_map: LinkMap) -> Objects:
    """What a map tells."""
    names = short_names(piece.object for piece in link_map.pieces)

    def of(extent: Extent, section: Section) -> str:
        at = bisect_right(link_map.pieces, extent.address, key=lambda piece: piece.address) - 1
        if extent.kind == "padding" or at < 0 or extent.address >= link_map.pieces[at].end:
            return ""
        return names[link_map.pieces[at].object]

    return of


def by_image(image: Image) -> tuple[Objects, tuple[str, ...]]:
    """What the image itself tells, and what could not be read of it, one line each.

    DWARF tells the unit of functions and variables, the symbol table the file of code, of local symbols and of most
    data. Bytes without a symbol that has a size are nobody's: they may be of several objects.
    """
    units, notes = _units(image)
    by_base: defaultdict[str, set[str]] = defaultdict(set)
    for unit in units.values():
        by_base[_parts(unit)[-1]].add(unit)
    paths = {base: next(iter(found)) for base, found in by_base.items() if len(found) == 1}
    names = short_names([*units.values(), *(paths.get(origin.file, origin.file) for origin in image.origins)])

    def of(extent: Extent, section: Section) -> str:
        symbol = extent.symbol
        if symbol is None or extent.kind == "label":
            return ""
        if symbol.address in units:
            return names[units[symbol.address]]
        file = _file(image, symbol, section)
        return names.get(paths.get(file, file), file)

    return of, notes


def _file(image: Image, symbol: Symbol, section: Section) -> str:
    """The source file of a symbol, as the symbol table tells it."""
    if image.origins and symbol.source_file:
        return symbol.source_file
    at = bisect_right(image.origins, symbol.address, key=lambda origin: origin.address) - 1
    if at < 0:
        return ""
    origin = image.origins[at]
    is_told = origin.address == symbol.address or (symbol.kind == "function" and origin.address >= section.address)
    return origin.file if is_told else ""


def _units(image: Image) -> tuple[dict[int, str], tuple[str, ...]]:
    """The source file of every function and variable that DWARF gives a place, by address."""
    if not image.debug:
        return {}, ()
    from m0sim.image.dwarf_entries import Entries

    contents, found_notes = section_contents(image.debug)
    notes = [note for note in found_notes if note.startswith((".debug_info ", ".debug_abbrev "))]
    taken = {symbol.address for symbol in image.symbols} - {0}  # what the linker dropped is at 0
    found: dict[int, str] = {}
    try:
        for address, unit in Entries(contents).placed():
            if unit and address in taken:
                found.setdefault(address, unit)
    except BadDwarf as bad:
        notes.append(f"debug information does not tell all objects: {bad}")
    for function in image.functions:  # assembled ones have lines only
        line = None if function.address in found else image.source_line(function.address)
        if line is not None and line[0].lower().endswith(_ASSEMBLED):
            found[function.address] = line[0]
    return found, tuple(notes)


def short_names(paths: Iterable[str]) -> dict[str, str]:
    """The end of each path that tells it from the others: its base name, where no other has the same."""
    parts = {path: _parts(path) for path in dict.fromkeys(paths)}
    names: dict[str, str] = {}
    todo, depth = list(parts), 1
    while todo:
        groups: defaultdict[str, list[str]] = defaultdict(list)
        for path in todo:
            groups["/".join(parts[path][-depth:])].append(path)
        todo = []
        for name, members in groups.items():
            is_whole = all(len(parts[path]) <= depth for path in members)
            if len(members) == 1 or is_whole:
                names |= dict.fromkeys(members, name)
            else:
                todo += members
        depth += 1
    return names


def _parts(path: str) -> Sequence[str]:
    return PurePosixPath(path.replace("\\", "/")).parts or (path,)
