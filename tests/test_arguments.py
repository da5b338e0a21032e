"""Where arguments go, against the rules of AAPCS32 (IHI 0042, 6.5) applied by hand, and the ranges of their types."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from m0sim.chip import arguments
from m0sim.chip.arguments import Words
from m0sim.errors import UsageError

W, P = Words((0xA,)), Words((0xB, 0xC), alignment=8)
S = Words((0xB, 0xC))  # two words of four-byte alignment, as a struct of two ints has


@pytest.mark.parametrize(
    ("given", "registers", "stack"),
    [
        ([], [], []),
        ([W], [0xA], []),
        ([P], [0xB, 0xC], []),
        ([W, W, W, W], [0xA] * 4, []),
        ([W, P], [0xA, 0, 0xB, 0xC], []),  # C.3: an even register
        ([W, W, P], [0xA, 0xA, 0xB, 0xC], []),
        ([W, W, W, P], [0xA, 0xA, 0xA, 0], [0xB, 0xC]),
        ([W, W, W, P, W], [0xA, 0xA, 0xA, 0], [0xB, 0xC, 0xA]),  # C.6: no register once the stack is used
        ([W, P, W], [0xA, 0, 0xB, 0xC], [0xA]),
        ([P, P, W, W], [0xB, 0xC, 0xB, 0xC], [0xA, 0xA]),  # single words are not padded
        ([P, P, W, P], [0xB, 0xC, 0xB, 0xC], [0xA, 0, 0xB, 0xC]),  # C.7: 8 bytes aligned
        ([P, P, W, W, P], [0xB, 0xC, 0xB, 0xC], [0xA, 0xA, 0xB, 0xC]),
        ([W, S], [0xA, 0xB, 0xC], []),  # no pair of registers is asked for
        ([W, W, W, S], [0xA, 0xA, 0xA, 0xB], [0xC]),  # C.5: split between registers and stack
        ([P, P, W, S], [0xB, 0xC, 0xB, 0xC], [0xA, 0xB, 0xC]),
        ([P, P, P, W, W, W], [0xB, 0xC, 0xB, 0xC], [0xB, 0xC, 0xA, 0xA, 0xA]),
    ],
)
def test_place(given: list[Words], registers: list[int], stack: list[int]) -> None:
    assert arguments.place(given) == (registers, struct.pack(f"<{len(stack)}I", *stack))


@pytest.mark.parametrize(
    ("make", "least", "most", "words_of_least"),
    [
        (arguments.word, -(1 << 31), (1 << 32) - 1, (1 << 31,)),
        (arguments.i64, -(1 << 63), (1 << 63) - 1, (0, 1 << 31)),
        (arguments.u64, 0, (1 << 64) - 1, (0, 0)),
    ],
)
def test_ranges(make: Callable[[int], Words], least: int, most: int, words_of_least: tuple[int, ...]) -> None:
    assert make(least).words == words_of_least
    assert set(make(most).words) <= {0xFFFFFFFF, 0x7FFFFFFF}
    for value in (least - 1, most + 1):
        with pytest.raises(UsageError, match="does not fit"):
            make(value)
