"""Where the bytes of an ELF run: as its program headers say, or its section headers where the two disagree.

By the System V ABI (chapter 5) program headers alone say what is loaded where, and a section lies in its segment as it
does in the file. armlink does not keep to that: it writes one segment a load region, as it lies in flash, and the
addresses that variables have when the program runs stand in the section headers only. What start-up clears (ZI) is in
no segment, or in one at a wrong address (Arm Compiler armlink User Guide, "Image structure and generation").
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence

from m0sim.image.headers import (
    FILE_HEADER_SIZE,
    PF_R,
    PF_W,
    PF_X,
    PT_LOAD,
    SHF_EXEC,
    SHF_WRITE,
    ProgramHeader,
    SectionHeader,
)
from m0sim.image.ranges import Range, merged_ranges, within


def loads(headers: Sequence[ProgramHeader], sections: Sequence[SectionHeader]) -> list[ProgramHeader]:
    """Program headers that put every byte where it runs; those of `headers` where `sections` do not contradict.

    A segment with a section that runs elsewhere gives one header for each of its sections; cleared sections in no
    segment get one, too. The ELF's own headers are no firmware: a segment begins at its first section.
    """
    taking = [section for section in sections if section.takes_memory]
    segments = [h for h in headers if h.type == PT_LOAD and h.size]
    if not segments:
        return []
    moved = _moved(segments, [s for s in taking if s.is_stored])
    kept = [h for i, h in enumerate(segments) if i not in moved]
    found = [header for i, members in moved.items() for header in _of_sections(segments[i], members)]
    kept_memory = merged_ranges((h.address, h.address + h.size) for h in kept)
    cleared = [s for s in taking if not s.is_stored and within(kept_memory, s.address) is None]
    starts = sorted(s.address for s in taking)
    kept = [_without_file_header(h, starts) for h in kept]
    if cleared:
        kept = [_without_clearing(h, starts) for h in kept]
    found += [_header(s, s.offset, s.address, 0) for s in cleared]
    return [h for h in kept if h.size] + found


def _moved(segments: Sequence[ProgramHeader], stored: Iterable[SectionHeader]) -> dict[int, list[SectionHeader]]:
    """The segments, by index, in which a section runs elsewhere than they say, each with all sections stored in it.

    A segment that tells run and load address apart is believed: whoever wrote it knew where it runs.
    """
    file_ranges: defaultdict[int, list[Range]] = defaultdict(list)  # by the distance from file to memory
    for h in segments:
        file_ranges[h.address - h.offset].append((h.offset, h.offset + h.file_size))
    agreeing = {distance: merged_ranges(ranges) for distance, ranges in file_ranges.items()}
    order = sorted(range(len(segments)), key=lambda i: (segments[i].offset, segments[i].file_size))
    offsets = [segments[i].offset for i in order]
    members: defaultdict[int, list[SectionHeader]] = defaultdict(list)
    moved: set[int] = set()
    for section in stored:
        at = bisect_right(offsets, section.offset) - 1
        if at < 0 or section.offset >= offsets[at] + segments[order[at]].file_size:
            continue  # in no segment: nobody loads it
        members[order[at]].append(section)
        if within(agreeing.get(section.address - section.offset, ()), section.offset) is None:
            moved.add(order[at])
    return {i: members[i] for i in sorted(moved) if segments[i].address == segments[i].load_address}


def _of_sections(segment: ProgramHeader, sections: Iterable[SectionHeader]) -> Iterable[ProgramHeader]:
    for section in sections:
        load_address = segment.load_address + section.offset - segment.offset
        yield _header(section, section.offset, load_address, section.size)


def _header(section: SectionHeader, offset: int, load_address: int, file_size: int) -> ProgramHeader:
    flags = PF_R | (PF_W if section.flags & SHF_WRITE else 0) | (PF_X if section.flags & SHF_EXEC else 0)
    return ProgramHeader(PT_LOAD, offset, section.address, load_address, file_size, section.size, flags, section.align)


def _without_file_header(header: ProgramHeader, starts: Sequence[int]) -> ProgramHeader:
    """`header` from its first section on where it begins with the ELF's own headers; of size 0 where it has no more.

    Linkers that have no script pad a first segment down to a page boundary with these headers, or give them a segment
    of their own.
    """
    is_sound = 0 < header.file_size <= header.size
    if header.offset >= FILE_HEADER_SIZE or not is_sound or not starts:
        return header
    at = bisect_right(starts, header.address - 1)
    skip = min(starts[at] - header.address if at < len(starts) else header.size, header.size)
    return header._replace(
        offset=header.offset + skip,
        address=header.address + skip,
        load_address=header.load_address + skip,
        file_size=max(header.file_size - skip, 0),
        size=header.size - skip,
    )


def _without_clearing(header: ProgramHeader, starts: Sequence[int]) -> ProgramHeader:
    """`header` without zeros behind its bytes where no section is: armlink counts there what it clears elsewhere."""
    end = header.address + header.file_size
    at = bisect_right(starts, end - 1)
    if at < len(starts) and starts[at] < header.address + header.size:
        return header
    return header._replace(size=min(header.size, header.file_size)) if header.file_size else header
