"""The core's flash cache against one that was written a second time: hits, misses, stalls, evictions, settledness."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xip_oracle import BYPASS, FLASH_BYTES, NO_ALLOCATE, NO_LOOK, NORMAL, Oracle

from m0sim.chip import device
from m0sim.chip.device import Device
from m0sim.chip.native.flash_cache import FlashCache
from m0sim.chip.native.tables import Tables

RP2040 = device.load("rp2040")
FLASH = 0x10000000
WAY = 8192

Access = tuple[int, bool]


class Caches:
    """The core's cache and the oracle, side by side."""

    def __init__(self, chip: Device = RP2040) -> None:
        cache = chip.xip_cache
        assert cache is not None
        self.tables = Tables()
        self.core = FlashCache(self.tables, chip)
        self.oracle = Oracle(cache.size, cache.ways, cache.line_bytes, cache.miss_cycles_per_word)

    def run(self, stream: list[Access]) -> None:
        """Access all words in order; every stall is the same, and so is all that is counted."""
        addresses = np.array([address for address, _ in stream], np.uint32)
        stalls = self.core.access(addresses, np.array([is_code for _, is_code in stream], np.bool_))
        assert stalls.tolist() == [self.oracle.access(*access) for access in stream]
        core, oracle = self.core, self.oracle
        assert (core.hits, core.code_misses, core.data_misses) == (oracle.hits, oracle.code, oracle.data)
        rows = core.evictions
        found = {(4 * int(word) - 4, 4 * int(by) - 4): int(misses) for word, by, misses in rows.tolist()}
        assert len(found) == len(rows)
        assert found == oracle.evictions
        assert core.evictions_refused == 0

    def is_settled(self, begin: int, end: int) -> bool:
        settled = self.core.is_settled(begin, end)
        assert settled == self.oracle.is_settled(begin, end)
        return settled


# Offsets that meet: words of few sets, lines that are ways apart, halves of the same line.
OFFSETS = st.one_of(
    st.builds(lambda line, way, half: line * 8 + way * WAY + half * 4, *map(st.integers, (0, 0, 0), (3, 4, 1))),
    st.integers(0, FLASH_BYTES - 1),
)
SEGMENTS = st.sampled_from([NORMAL] * 6 + [NO_ALLOCATE, NO_LOOK, BYPASS])
ACCESSES = st.tuples(st.builds(lambda segment, offset: (segment << 24) + offset, SEGMENTS, OFFSETS), st.booleans())
STREAMS = st.lists(ACCESSES, max_size=200)


@st.composite
def crowds(draw: st.DrawFn, length: int = 1000, lines: int = 4) -> list[Access]:
    """Accesses to the words of a few lines, most through the cached addresses: hits, refills, evictions."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    ways, stride = draw(st.tuples(st.integers(1, 6), st.sampled_from([8, 64, WAY, 2 * WAY])))
    line, way = rng.integers(0, draw(st.integers(1, lines)), length), rng.integers(0, ways, length)
    aliased = rng.random(length) < draw(st.sampled_from([0, 0.02, 0.5]))
    segments = np.where(aliased, rng.integers(NORMAL, BYPASS + 1, length), NORMAL)
    addresses = (segments << 24) + line * 8 + way * stride + rng.integers(0, 8, length)
    return list(zip(addresses.tolist(), (rng.random(length) < 0.5).tolist(), strict=True))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.one_of(STREAMS, crowds()))
def test_streams(stream: list[Access]) -> None:
    Caches().run(stream)


def geometry(size: int, ways: int, line_bytes: int) -> Device:
    assert RP2040.xip_cache is not None
    return replace(RP2040, xip_cache=replace(RP2040.xip_cache, size=size, ways=ways, line_bytes=line_bytes))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.one_of(STREAMS, crowds()),
    st.sampled_from([(1, 4), (1, 64), (2, 4), (3, 8), (4, 16), (8, 32)]),
    st.sampled_from([1, 2, 64]),
)
def test_other_geometries(stream: list[Access], shape: tuple[int, int], sets: int) -> None:
    ways, line_bytes = shape
    Caches(geometry(sets * ways * line_bytes, ways, line_bytes)).run(stream)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.one_of(STREAMS, crowds()),
    st.lists(st.tuples(SEGMENTS, OFFSETS, st.integers(0, 24)), max_size=40),
    st.sampled_from([(16384, 2, 8), (64, 1, 64), (256, 4, 4)]),
)
def test_settled(stream: list[Access], ranges: list[tuple[int, int, int]], shape: tuple[int, int, int]) -> None:
    caches = Caches(geometry(*shape))
    caches.run(stream)
    touched = [(address >> 24, address % (1 << 24), 8) for address, _ in stream[-20:]]
    for segment, offset, size in [*ranges, *touched]:
        begin = (segment << 24) + offset
        caches.is_settled(begin, begin + size)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(crowds(length=100, lines=20), st.sampled_from([(512, 2, 8), (64, 1, 64), (512, 4, 16)]))
def test_generations(stream: list[Access], shape: tuple[int, int, int]) -> None:
    """That of one group changes where the state of one of its sets does; so what is settled stays so without it."""
    caches = Caches(geometry(*shape))
    pieces = sorted({address // 8 * 8 for address, _ in stream if address >> 24 == NORMAL})[:12]
    for access in stream:
        before, state = caches.core.generation, caches.oracle.state()
        known = {begin: caches.is_settled(begin, begin + 8) for begin in pieces}
        caches.run([access])
        after = caches.core.generation
        (different,) = np.nonzero(before != after)
        group = access[0] // 64 % len(after)
        if caches.oracle.state() != state:
            assert different.tolist() == [group]
        elif access[0] >> 24 != NO_LOOK:  # a fill of what was there
            assert different.tolist() == []
        for begin, was in known.items():
            if begin // 64 % len(after) not in different:
                assert caches.is_settled(begin, begin + 8) == was


def test_three_lines_in_one_set() -> None:
    caches = Caches()
    three = [FLASH, FLASH + WAY, FLASH + 2 * WAY]
    caches.run([(address, True) for _ in range(10) for address in three])
    assert caches.core.code_misses == 30  # each pushes out the one that comes next
    assert caches.core.evictions["misses"].tolist() == [9, 9, 9]
    two = Caches()
    two.run([(address, True) for _ in range(10) for address in three[:2]])
    assert two.core.code_misses == 2


def test_the_least_recently_used_line_goes() -> None:
    """Not the one that came first: it was used since."""
    caches = Caches()
    first, second, third = FLASH, FLASH + WAY, FLASH + 2 * WAY
    caches.run([(at, True) for at in (first, second, first, third, first, second)])
    assert caches.core.hits == 2
    assert caches.core.code_misses == 4


def test_halves_are_fetched_one_at_a_time() -> None:
    caches = Caches()
    caches.run([(FLASH + 8 * line + half, False) for half in (0, 4) for line in range(100)])
    assert (caches.core.hits, caches.core.data_misses) == (0, 200)
    assert len(caches.core.evictions) == 0


def test_aliases() -> None:
    caches = Caches()
    no_allocate, no_look, bypass = (FLASH + (n << 24) for n in (1, 2, 3))
    misses = lambda: caches.core.data_misses  # noqa: E731
    for address, missed in (
        *((no_allocate, 1), (no_allocate, 2)),  # a miss does not bring it in
        *((bypass, 3), (FLASH, 4), (bypass, 5), (no_allocate, 5)),  # a hit is a hit
        *((no_look + 4, 6), (no_look + 4, 7), (FLASH + 4, 7)),  # always fetched, and then there
    ):
        caches.run([(address, False)])
        assert misses() == missed, hex(address)


def test_outside_of_the_flash_nothing_stalls() -> None:
    caches = Caches()
    caches.run([(a, False) for a in (0x0FFFFFFC, FLASH + FLASH_BYTES, 0x14000000, 0x20000000, 0)])
    assert (caches.core.hits, caches.core.data_misses) == (0, 0)
    assert not caches.is_settled(0x20000000, 0x20000004)


def test_without_the_cache_every_word_is_fetched() -> None:
    caches = Caches()
    caches.run([(FLASH, True), (FLASH, True)])
    caches.core.disable()
    assert caches.core.access(np.full(3, FLASH, np.uint32), np.ones(3, np.bool_)).tolist() == [60] * 3
    assert not caches.core.is_settled(FLASH, FLASH + 4)
    assert len(caches.core.evictions) == 0


def test_empty_and_forget() -> None:
    caches = Caches()
    stream = [(FLASH + WAY * way, True) for way in (0, 1, 2, 0)]
    caches.run(stream)
    generation = caches.core.generation
    caches.core.forget_counts()
    assert (caches.core.hits, caches.core.code_misses, len(caches.core.evictions)) == (0, 0, 0)
    assert caches.core.is_settled(FLASH, FLASH + 4)  # what is there, stays
    assert caches.core.access(np.array([FLASH + WAY], np.uint32), np.ones(1, np.bool_)).tolist() == [60]
    assert caches.core.evictions.tolist() == [(1 + WAY // 4, 1, 1)]  # who pushed it out, too
    caches.core.empty()
    assert np.all(caches.core.generation != generation)
    assert not caches.core.is_settled(FLASH, FLASH + 4)
    caches.core.forget_counts()
    caches.oracle = Oracle()
    caches.run(stream)


@given(st.lists(st.tuples(STREAMS, ACCESSES), max_size=6))
@settings(max_examples=40, deadline=None)
def test_stores_delete_lines(parts: list[tuple[list[Access], Access]]) -> None:
    """Datasheet 2.6.3.2: a store to the 0x10 mirror deletes the matching entry; those to the others do not."""
    caches = Caches()
    for stream, (address, _) in parts:
        caches.run(stream)
        for stored in (address, stream[-1][0] if stream else address):
            caches.core.drop(stored)
            segment, offset = divmod(stored, 1 << 24)
            held = caches.oracle.sets[offset // 8 % len(caches.oracle.sets)]
            if segment == NORMAL and offset // 8 in held:
                for word in held.pop(offset // 8):  # another word of the line may have been pushed out before
                    caches.oracle.lost.pop(word, None)
        caches.run(stream[-5:])


def test_evictions_that_do_not_fit_are_counted() -> None:
    """More pairs than there are rows: what is in rows and what is not are all."""
    words = FLASH + 4 * np.arange(3 * WAY, dtype=np.uint32)  # six times the cache
    caches = Caches()
    for _ in range(3):
        caches.core.access(words, np.zeros(len(words), np.bool_))
    fit = caches.core.evictions["misses"].sum()
    assert caches.core.evictions_refused == 0
    assert fit == 2 * len(words)
    rng = np.random.default_rng(1)
    for _ in range(4):
        caches.core.access(rng.permutation(words), np.zeros(len(words), np.bool_))
    rows = caches.core.evictions
    assert len(rows) == 1 << 15
    assert caches.core.evictions_refused > 0
    again = caches.core.data_misses - len(words)  # every word was fetched once before
    assert rows["misses"].sum() + caches.core.evictions_refused == again


def test_a_device_without_a_cache() -> None:
    with pytest.raises(ValueError, match="stm32g0 has no cache"):
        FlashCache(Tables(), device.load("stm32g0"))
    tables: Any = Tables()
    assert tables.core.xip.size == 0
