"""What the cache in front of the flash added: its counts by kind, and who pushed whom out of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from m0sim.chip.cost import InstructionTable, Int64Array
from m0sim.chip.device import Device, XipCache
from m0sim.chip.flash_cost import Eviction, FlashCost, FlashRun, FlashWaits
from m0sim.chip.options import FlashModel
from m0sim.image import Image

_FLASH = "(flash)"
_WORD = 4


@dataclass(frozen=True, eq=False, slots=True)
class FlashOwners:
    """Whose the words of the flash are."""

    names: tuple[str, ...]
    """By number; 0 is what no symbol and no section has."""
    spans: tuple[tuple[int, int], ...]
    """By number: where it begins and how many bytes it has, from the begin of the flash."""
    at: npt.NDArray[np.int32]
    """By word of the flash: number."""


_NOBODY = FlashOwners((_FLASH,), ((0, 0),), np.zeros(0, np.int32))


@dataclass(frozen=True, eq=False, slots=True)
class FlashCounts:
    """What the core counted in one run."""

    model: FlashModel
    """With which it was counted: ``cold`` or ``warm``."""
    code_misses: int
    """Words."""
    data_misses: int
    evictions: npt.NDArray[Any]
    """Rows of `layout.EVICTION` that are in use."""
    evictions_refused: int
    """Words fetched again that are in no row."""
    vector_stalls: int = 0
    """Cycles that exceptions waited for their vectors: no instruction has them."""
    waited: int = 0
    """Cycles that flash on the chip kept the core waiting."""
    states: int = 0
    """Wait states of it, the most that were set in the run."""


def flash_owners(image: Image, device: Device) -> FlashOwners:
    """Whose each word is; of several, the most particular: object, function, section. For a device with a flash."""
    flash = device.flash
    assert flash is not None
    names, spans = [_FLASH], [(0, flash.size)]
    at = np.zeros(flash.size // _WORD, np.int32)
    for address, size, name in _claims(image):
        begin = device.resolve(address) - flash.base
        if begin >= 0 and begin + size <= flash.size:
            at[begin // _WORD : -(-(begin + size) // _WORD)] = len(names)
            names.append(name)
            spans.append((begin, size))
    return FlashOwners(tuple(names), tuple(spans), at)


def _claims(image: Image) -> Iterable[tuple[int, int, str]]:
    """Address, bytes and name; later ones are part of what earlier ones claim."""
    for section in image.sections:
        yield section.address, section.size, f"({section.name})"
        if section.stored_bytes and section.load_address is not None:
            yield section.load_address, section.stored_bytes, f"({section.name}, as stored)"
    for kind in ("function", "object"):
        yield from ((s.address, s.size, s.name) for s in image.symbols if s.kind == kind and s.size)


def flash_cost(counts: FlashCounts, table: InstructionTable, image: Image, device: Device) -> FlashCost:
    """What flash added to a run that executed these instructions."""
    timing, cache = device.flash_timing, device.xip_cache
    if cache is not None:
        has_evictions = len(counts.evictions) > 0
        owners = flash_owners(image, device) if has_evictions else _NOBODY
        run = flash_run(counts, owners, cache, _words(table, device) if has_evictions else None)
    else:
        run = FlashRun(counts.waited, counts.code_misses, counts.data_misses, evictions=())
    run = replace(run, bus_cycles=int(table.stalls.sum()) + counts.vector_stalls - run.cycles)
    if cache is not None or timing is None:
        cold = counts.model == "cold"
        return FlashCost(counts.model, run if cold else None, None if cold else run)
    waits = FlashWaits(counts.states, replace(timing, wait_states=counts.states).is_exact, timing.source)
    return FlashCost(counts.model, run, run, waits)


def _words(table: InstructionTable, device: Device) -> Int64Array:
    """The words of flash that these instructions are in, from the begin of the flash."""
    flash = device.flash
    assert flash is not None
    offsets = table.address.astype(np.int64) - flash.base
    for alias in device.aliases:
        if alias.of == flash.name:
            behind = table.address.astype(np.int64) - alias.base
            offsets = np.where((behind >= 0) & (behind < flash.size), behind, offsets)
    return np.unique(offsets[(offsets >= 0) & (offsets < flash.size)] // _WORD)


def flash_run(counts: FlashCounts, owners: FlashOwners, cache: XipCache, code: Int64Array | None = None) -> FlashRun:
    """What one run missed, with names. `code` are the words of flash that were executed: ``int64``."""
    return FlashRun(
        cycles=(counts.code_misses + counts.data_misses) * cache.miss_cycles_per_word,
        code_misses=counts.code_misses,
        data_misses=counts.data_misses,
        evictions=evictions(counts.evictions, owners, cache, np.zeros(0, np.int64) if code is None else code),
        evictions_left_out=counts.evictions_refused,
    )


def evictions(rows: npt.NDArray[Any], owners: FlashOwners, cache: XipCache, code: Int64Array) -> tuple[Eviction, ...]:
    """Rows of `layout.EVICTION` added up by the owners of both words, most misses first, then by name.

    A move is into sets that have a line free of what is in `code`, words as for `flash_run`.
    """
    victims, pushers = (owners.at[rows[column].astype(np.int64) - 1] for column in ("word", "by"))
    pairs, inverse = np.unique(np.stack([victims, pushers], axis=1), axis=0, return_inverse=True)
    sums = np.zeros(len(pairs), np.int64)
    np.add.at(sums, inverse.reshape(-1), rows["misses"])
    found = [
        Eviction(
            owners.names[victim],
            owners.names[pusher],
            misses,
            misses * cache.miss_cycles_per_word,
            _move_by(victim, pusher, owners, cache, code) if victim and pusher else None,
        )
        for (victim, pusher), misses in zip(pairs.tolist(), sums.tolist(), strict=True)
    ]
    return tuple(sorted(found, key=lambda eviction: (-eviction.misses, eviction.name, eviction.by)))


def _move_by(victim: int, pusher: int, owners: FlashOwners, cache: XipCache, code: Int64Array) -> int | None:
    """Bytes that take an owner on to sets behind those of another, and to none that other code has filled.

    None where there is no room for both, or no need. Where there is no place without other code, it is behind the
    other owner all the same.
    """
    line = cache.line_bytes
    sets = cache.size // cache.ways // line
    (begin, end), (first, last) = (_lines(owners.spans[owner], line) for owner in (victim, pusher))
    if victim == pusher or end - begin + last - first > sets:
        return None
    others = np.unique(code[owners.at[code] != victim] * _WORD // line)
    is_full = np.bincount(others % sets, minlength=sets) >= cache.ways
    is_pusher = np.zeros(sets, np.bool_)
    is_pusher[np.arange(first, last) % sets] = True
    if not is_pusher[np.arange(begin, end) % sets].any():
        return None
    for is_taken in (is_full | is_pusher, is_pusher):
        taken_before = np.concatenate([[0], np.cumsum(np.roll(np.tile(is_taken, 2), -(begin % sets)))])
        free = np.flatnonzero(taken_before[end - begin : end - begin + sets] == taken_before[:sets])
        if len(free):
            return int(free[0]) * line
    return None


def _lines(span: tuple[int, int], line_bytes: int) -> tuple[int, int]:
    """The first line that a span has a part of, and the one behind its last."""
    begin, size = span
    return begin // line_bytes, -(-(begin + size) // line_bytes)
