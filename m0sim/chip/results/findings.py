"""Reads that no correct code makes: where, of what, and what is nearest."""

from __future__ import annotations

from collections.abc import Iterator

from m0sim.chip.cost import Finding
from m0sim.chip.device import Device
from m0sim.chip.native import layout
from m0sim.chip.results.counts import Counts, Traffic
from m0sim.image import Image

_STACK, _HEAP = "(stack)", "(heap)"
_Place = tuple[int, int, str]
"""Address, end and name."""


def findings(counts: Counts, image: Image, device: Device) -> tuple[Finding, ...]:
    """Those of a run at level ``memory``, most counts first, then by the instruction's address."""
    traffic = counts.traffic
    if traffic is None:
        return ()
    known = list(_places(traffic, image, device))
    found = []
    for kind, pc, accessed, size, sp, _, count in traffic.findings.tolist():
        is_outside = kind == layout.FINDING_OUTSIDE
        function, entry = counts.functions.around(pc)
        places = [*known, (sp, max(traffic.stack_high, sp + 1), _STACK)]  # it may be empty
        nearest, distance = _nearest(places, device.resolve(accessed), size, is_outside=is_outside)
        found.append(
            Finding(
                kind="outside" if is_outside else "uninitialised",
                function=function,
                offset=pc - entry,
                address=pc,
                source=image.source_line(pc),
                accessed=accessed,
                size=size,
                nearest=nearest,
                distance=distance,
                count=count,
            )
        )
    return tuple(sorted(found, key=lambda finding: (-finding.count, finding.address, finding.kind)))


def _places(traffic: Traffic, image: Image, device: Device) -> Iterator[_Place]:
    """What code may read, but for the stack."""
    for section in image.sections:
        if section.kind != "reserved":
            yield _place(device, section.address, section.size, f"({section.name})")
    for symbol in image.symbols:
        if symbol.kind == "object" and symbol.size:
            yield _place(device, symbol.address, symbol.size, symbol.name)
    for address, size, name in traffic.buffers:
        yield _place(device, address, size, name)
    begin, end = traffic.handed_out
    if begin < end:
        yield _place(device, begin, end - begin, _HEAP)


def _place(device: Device, address: int, size: int, name: str) -> _Place:
    begin = device.resolve(address)
    return begin, begin + size, name


def _nearest(places: list[_Place], accessed: int, size: int, *, is_outside: bool) -> tuple[str, int]:
    """Name and distance; of several, the smallest. What is read outside is in none of them, whatever claims it."""
    ranked = []
    for begin, end, name in places:
        last = accessed + size - 1
        distance = last - begin if last < begin else max(0, accessed - end + 1)
        if begin < end and not (is_outside and distance == 0):
            is_section = name.startswith("(")  # an object or buffer that is all of it says more
            ranked.append((abs(distance), end - begin, is_section, name, distance))
    return min(ranked)[3:] if ranked else ("", 0)
