"""What an image takes in flash and SRAM: by section, object file and symbol, and what grew since another one."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from m0sim.errors import UsageError
from m0sim.image import Image, Section
from m0sim.image import link_map as maps
from m0sim.image.extents import Extent, extents, layout
from m0sim.image.objects import Objects, by_image, by_map

By = Literal["section", "object", "symbol"]
ALL_BY: tuple[By, ...] = get_args(By)
_SRAM = (0x20000000, 0x40000000)
"""ARMv6-M's memory map has SRAM there (DDI 0419, B3.1)."""
PADDING, UNNAMED, UNKNOWN, COMPRESSED = "[padding]", "[unnamed]", "[unknown]", "[compressed]"


@dataclass(frozen=True, slots=True)
class Bytes:
    """What something takes of each memory."""

    flash: int
    sram: int

    def __add__(self, other: Bytes) -> Bytes:
        return Bytes(self.flash + other.flash, self.sram + other.sram)

    def __sub__(self, other: Bytes) -> Bytes:
        return Bytes(self.flash - other.flash, self.sram - other.sram)

    @property
    def both(self) -> int:
        """In flash and SRAM; of a difference, how much moved."""
        return abs(self.flash) + abs(self.sram)


NONE = Bytes(0, 0)


@dataclass(frozen=True, slots=True)
class Row:
    """A section, an object file or a symbol."""

    name: str
    size: Bytes
    before: Bytes | None = None
    """In the image that this one is compared with; zeros where it has no such thing, None where there is no image."""
    kind: str = ""
    """Of a section as `Section.kind`, of a symbol as `Extent.kind`; empty of an object."""
    section: str = ""
    """Of a symbol."""
    object: str = ""
    """Of a symbol; empty where nothing tells."""
    address: int | None = None
    """Of a section and of a symbol; None for the rows that are several places together, and for what is gone."""

    @property
    def change(self) -> Bytes:
        """What came since `before`; all of it where there is none."""
        return self.size - (self.before or NONE)


@dataclass(frozen=True, slots=True)
class Size:
    """What one image takes. The rows of each kind add up to `total`."""

    path: Path
    sha256: str
    total: Bytes
    reserved: int
    """Of the SRAM, room that the linker keeps for a heap or a stack."""
    sections: tuple[Row, ...]
    """By address."""
    objects: tuple[Row, ...]
    """Most bytes first; empty of a file without symbols, and where nobody asked for them."""
    symbols: tuple[Row, ...]
    """Most bytes first; empty of a file without symbols, and where nobody asked for them."""
    is_sram_known: bool
    """Whether the file tells what SRAM holds: HEX, UF2 and raw files do not."""
    has_symbols: bool
    objects_from: Literal["map", "image", ""]
    """What told the object files: a linker's map, or debug information and symbols; empty without objects."""
    notes: tuple[str, ...]
    """What could not be read, or is not known, one line each."""

    @property
    def shows_sram(self) -> bool:
        """Whether there is something to say of SRAM."""
        return self.is_sram_known or self.total.sram > 0

    def rows(self, by: By) -> tuple[Row, ...]:
        """The sections, objects or symbols."""
        rows: tuple[Row, ...] = getattr(self, f"{by}s")
        return rows


def size_of(image: Image, map_file: Path | None = None, wanted: Sequence[By] = ALL_BY) -> Size:
    """Measure an image, its objects by the linker's map in `map_file`, or else by what the image tells.

    Raises `UsageError` where the map is not that of the image, or where a map is given for an image without symbols.
    """
    has_symbols = bool(image.symbols)
    sections = tuple(Row(s.name, _bytes_of(s), kind=s.kind, address=s.address) for s in image.sections)
    symbols: tuple[Row, ...] = ()
    notes: list[str] = []
    needs_symbols = {"object", "symbol"} & set(wanted)
    if map_file is not None and not has_symbols:
        raise UsageError(f"{image.path}: has no symbols, so a map tells nothing of it: {_remedy(image)}")
    if has_symbols and needs_symbols:
        symbols, more = _symbols(image, map_file)
        notes += more
    if not has_symbols:
        notes.append(f"{image.path.name} has no symbols: its sections are all that is known; {_remedy(image)}")
    if image.is_flat:
        notes.append("a file of this kind does not say what start-up code copies to SRAM and clears there")
    return Size(
        path=image.path,
        sha256=image.sha256,
        total=sum((row.size for row in sections), NONE),
        reserved=sum(s.size for s in image.sections if s.kind == "reserved"),
        sections=sections,
        objects=_largest_first(_by_object(symbols)) if "object" in wanted else (),
        symbols=_largest_first(symbols) if "symbol" in wanted else (),
        is_sram_known=not image.is_flat,
        has_symbols=has_symbols,
        objects_from="" if not symbols else "image" if map_file is None else "map",
        notes=tuple(notes),
    )


def compared(new: Size, old: Size) -> Size:
    """`new`, its rows with what `old` had of the same, and rows of nothing for what is gone.

    Only sections, where one of the two has no symbols.
    """
    have_symbols = new.has_symbols and old.has_symbols
    return replace(
        new,
        sections=_compared(new.sections, old.sections),
        objects=_most_changed_first(_compared(new.objects, old.objects)) if have_symbols else (),
        symbols=_most_changed_first(_compared(new.symbols, old.symbols)) if have_symbols else (),
        has_symbols=have_symbols,
        notes=(*new.notes, *(f"{old.path}: {note}" for note in old.notes)),
    )


def require_symbols(image: Image, wanted: Sequence[By]) -> None:
    """Raises `UsageError` where objects or symbols are asked for by name, and the file has none."""
    asked = [by for by in wanted if by != "section"]
    if asked and not image.symbols:
        raise UsageError(f"{image.path}: has no symbols, so there is nothing to list by {asked[0]}: {_remedy(image)}")


def _remedy(image: Image) -> str:
    return f"give {'with --symbols the ELF it was made from' if image.is_flat else 'the ELF as it was before strip'}"


# ------------------------------------------------------------------------------------------------------ measuring


def _bytes_of(section: Section) -> Bytes:
    """What a section takes of flash and SRAM: what start-up code copies, of both."""
    run = _at(section.size, _runs_in_sram(section))
    if not section.stored_bytes:
        return run
    assert section.load_address is not None
    return run + _at(section.stored_bytes, _is_sram(section.load_address))


def _at(size: int, in_sram: bool) -> Bytes:
    return Bytes(0, size) if in_sram else Bytes(size, 0)


def _runs_in_sram(section: Section) -> bool:
    """By its address, or because it is copied or cleared there: some parts have SRAM elsewhere."""
    return bool(section.stored_bytes) or section.kind in ("bss", "reserved") or _is_sram(section.address)


def _is_sram(address: int) -> bool:
    return _SRAM[0] <= address < _SRAM[1]


def _symbols(image: Image, map_file: Path | None) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """A row for every symbol, and rows for the padding, the bytes without a name, and what is compressed."""
    if map_file is None:
        objects, notes = by_image(image)
        known = layout(image)
    else:
        link_map = maps.read(map_file, image.path, image.sections)
        objects, notes = by_map(link_map), ()
        known = layout(image, link_map.edges, link_map.script_symbols)
    rows = [row for s in image.sections for row in _of_section(s, extents(image, s, known), objects)]
    return tuple(_joined(rows)), notes


def _of_section(section: Section, found: Iterable[Extent], objects: Objects) -> Iterable[Row]:
    is_packed = section.load_size is not None  # no byte of flash is then one of a symbol
    for extent in found:
        run = _at(extent.size, _runs_in_sram(section))
        is_copied = section.stored_bytes and not is_packed
        stored = _at(extent.size, _is_sram(section.load_address or 0)) if is_copied else NONE
        name = extent.symbol.name if extent.symbol is not None else PADDING if extent.kind == "padding" else UNNAMED
        address = None if extent.symbol is None else extent.symbol.address
        yield Row(name, run + stored, None, extent.kind, section.name, objects(extent, section), address)
    if is_packed and section.load_address is not None:
        packed = _at(section.stored_bytes, _is_sram(section.load_address))
        yield Row(COMPRESSED, packed, None, "unnamed", section.name)


def _joined(rows: Iterable[Row]) -> Iterable[Row]:
    """One row for all parts of a symbol; of a section and object, for all of their padding and unnamed bytes."""
    found: dict[tuple[str, ...], Row] = {}
    for row in rows:
        key = (row.name, row.section, row.object)
        other = found.get(key)
        found[key] = row if other is None else replace(other, size=other.size + row.size)
    return found.values()


def _by_object(symbols: Iterable[Row]) -> Iterable[Row]:
    sizes: defaultdict[str, Bytes] = defaultdict(lambda: NONE)
    for row in symbols:
        sizes[row.object or (PADDING if row.kind == "padding" else UNKNOWN)] += row.size
    return (Row(name, size) for name, size in sizes.items())


def _largest_first(rows: Iterable[Row]) -> tuple[Row, ...]:
    return tuple(sorted(rows, key=lambda row: (-row.size.both, row.name, row.section)))


# ------------------------------------------------------------------------------------------------------ comparing


def _compared(new: Sequence[Row], old: Sequence[Row]) -> tuple[Row, ...]:
    olds = _keyed(old)
    rows = [replace(row, before=olds.pop(key).size if key in olds else NONE) for key, row in _keyed(new).items()]
    return (*rows, *(replace(row, size=NONE, before=row.size, address=None) for row in olds.values()))


def _keyed(rows: Sequence[Row]) -> dict[tuple[str, ...], Row]:
    """By what stays the same from build to build: not an address, which tells statics of one name apart."""
    seen: Counter[tuple[str, ...]] = Counter()
    found = {}
    for row in sorted(rows, key=lambda row: (row.address is None, row.address or 0)):
        is_named = row.name[:1] != "["
        key = (re.sub(r"@0x[0-9a-f]+$", "", row.name), *(() if is_named else (row.section, row.object)))
        seen[key] += 1
        found[(*key, str(seen[key]))] = row
    return found


def _most_changed_first(rows: Iterable[Row]) -> tuple[Row, ...]:
    return tuple(sorted(rows, key=lambda row: (-row.change.both, -row.change.flash, row.name, row.section)))
