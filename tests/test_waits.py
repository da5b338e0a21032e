"""The core's wait states of flash against an oracle that was written a second time, and by hand."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wait_oracle import Oracle

from m0sim.chip import device, flash_timing
from m0sim.chip.engine.flash_timing import waits_of
from m0sim.chip.native import layout
from m0sim.chip.native.library import CORE

Access = tuple[int, bool]
CODE, DATA = True, False


def fields(waits: int, word_bytes: int, prefetch: str, lines: int, ways: int, holds: str) -> dict[str, int]:
    """Of `struct m0_waits`, written without `waits_of`."""
    shift = {4: 2, 8: 3, 16: 4}[word_bytes]
    sets, has_data = lines // ways, int(holds == "all")
    values = {"wait_states": waits, "word_shift": shift, "prefetches": int(prefetch == "next")}
    return values | {"sets": sets, "ways": ways, "holds_data": has_data}


def stalls(values: dict[str, int], stream: list[Access]) -> list[int]:
    core: Any = layout.Core()
    for name, value in values.items():
        setattr(core.waits, name, value)
    at = ctypes.addressof(core)
    CORE.m0_wait_reset(at)
    addresses = np.array([address for address, _ in stream], np.uint32)
    kinds = np.array([is_code for _, is_code in stream], np.uint8)
    out = np.full(len(stream), 99, np.uint32)
    CORE.m0_wait_stream(at, addresses.ctypes.data, kinds.ctypes.data, len(stream), out.ctypes.data)
    return [int(n) for n in out]


ORGANISATIONS = st.tuples(
    st.integers(0, 3),
    st.sampled_from([4, 8, 16]),
    st.sampled_from(["none", "next"]),
    *(st.just(0), st.just(1)),
    st.sampled_from(["code", "all"]),
) | st.tuples(
    st.integers(1, 3),
    st.sampled_from([4, 8, 16]),
    st.sampled_from(["none", "next"]),
    st.shared(st.sampled_from([(1, 1), (2, 2), (2, 1), (4, 4), (4, 2), (6, 2), (8, 1), (64, 64)]), key="cache").map(
        lambda c: c[0]
    ),
    st.shared(st.sampled_from([(1, 1), (2, 2), (2, 1), (4, 4), (4, 2), (6, 2), (8, 1), (64, 64)]), key="cache").map(
        lambda c: c[1]
    ),
    st.sampled_from(["code", "all"]),
)
# A few words that lie apart, so that they come back while a small cache still has some of them: the order in which
# they are replaced shows. Then words that follow each other, and now and then one from all over the space of addresses.
ADDRESSES = st.one_of(
    *[st.integers(0, 6).map(lambda n: 48 * n)] * 3, st.integers(0, 15).map(lambda n: 4 * n), st.integers(0, 2**32 - 1)
)
STREAMS = st.lists(st.tuples(ADDRESSES, st.booleans()), max_size=120)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(ORGANISATIONS, STREAMS)
def test_streams(shape: tuple[int, int, str, int, int, str], stream: list[Access]) -> None:
    oracle = Oracle(*shape)
    assert stalls(fields(*shape), stream) == [oracle.access(*access) for access in stream]


@pytest.mark.parametrize(
    "shape", [(1, 4, "next", 0, 1, "code"), (2, 8, "next", 2, 2, "code"), (1, 8, "none", 8, 1, "all")]
)
def test_programs(shape: tuple[int, int, str, int, int, str]) -> None:
    """Loops, calls and constants as code makes them: long runs of words, jumps back, a data read now and then."""
    random = np.random.default_rng(7)
    stream: list[Access] = []
    for _ in range(400):
        at = int(random.choice([0, 40, 96, 160, 200])) + 4 * int(random.integers(0, 3))
        loop = [(at + 4 * i, CODE) for i in range(int(random.integers(1, 12)))]
        loop.insert(int(random.integers(0, len(loop))), (int(random.integers(0, 96)) * 4, DATA))
        stream += loop * int(random.integers(1, 5))
    oracle = Oracle(*shape)
    expected = [oracle.access(*access) for access in stream]
    assert stalls(fields(*shape), stream) == expected
    assert 0 < sum(map(bool, expected)) < len(expected)


def at_clock(name: str, clock: str) -> dict[str, int]:
    return waits_of(device.load(name).at_clock(device.clock(clock)))


def test_stm32g0_by_hand() -> None:
    g0 = at_clock("stm32g0", "64M")
    straight = [(address, CODE) for address in range(0x08000000, 0x08000040, 4)]
    assert stalls(g0, straight) == [2] + [0] * 15  # 64 bits a read, the next ones prefetched
    loop = [(0x08000000, CODE), (0x08000100, CODE)]  # both words missed once, then the cache has them
    assert stalls(g0, loop * 3) == [2, 2, 0, 0, 0, 0]
    three = [*loop, (0x08000200, CODE)]  # a third one: two lines, least recently used
    assert stalls(g0, three * 3) == [2] * 9
    first, second, third = loop[0], loop[1], three[2]
    used = [
        first,
        second,
        first,
        third,
        first,
        second,
    ]  # not the oldest goes, but the one that was not used for longest
    assert stalls(g0, used) == [2, 2, 0, 2, 0, 2]
    assert stalls(g0, [(0x08000000, CODE), (0x08000000, DATA), (0x08000000, DATA)]) == [2, 2, 2]  # no data cache
    # What was prefetched is not put into the cache: jumping back to it misses.
    assert stalls(g0, [(0, CODE), (8, CODE), (0x100, CODE), (0x200, CODE), (8, CODE)]) == [2, 0, 2, 2, 2]


def test_samd21_by_hand() -> None:
    d21 = at_clock("samd21", "48M")
    assert stalls(d21, [(0, CODE), (4, CODE), (8, CODE), (0, DATA), (64, DATA), (0, DATA)]) == [1, 0, 1, 0, 1, 1]
    assert stalls(d21, [(0, CODE), (64, DATA), (4, CODE)]) == [1, 1, 1]  # the data took the line of the code


def test_stm32f0_by_hand() -> None:
    f0 = at_clock("stm32f0", "48M")
    assert stalls(f0, [(0, CODE), (4, CODE), (100, DATA), (8, CODE), (0, CODE)]) == [1, 0, 1, 0, 1]


@pytest.mark.parametrize("name", device.names())
def test_nothing_waits_where_the_manual_says_so(name: str) -> None:
    d = device.load(name)
    if d.flash_timing is None or d.flash_timing.wait_states == 0:
        assert stalls(waits_of(d), [(4 * i % 40, i % 3 != 0) for i in range(50)]) == [0] * 50


@pytest.mark.parametrize("name", [n for n in device.names() if device.load(n).flash_timing])
def test_the_fields_of_a_profile(name: str) -> None:
    d = device.load(name)
    timing = d.flash_timing
    assert timing is not None
    d = d.at_clock(timing.max_hz)
    timing = d.flash_timing
    assert timing is not None
    shape = (timing.wait_states, timing.word_bytes, timing.prefetch)
    assert waits_of(d) == fields(*shape, timing.cache_lines, timing.cache_ways, timing.cache_holds)


def test_the_header_has_room_for_the_largest_cache() -> None:
    assert len(layout.Core().waits.lines) == flash_timing.MAX_LINES
