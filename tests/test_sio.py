"""The RP2040's SIO behind its registers: what the datasheet's examples print, and interpolators in Python's terms."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sio_registers import WORD, Sio

from m0sim.chip.native import layout

ACCUM0, ACCUM1, BASE0, BASE1, BASE2, POP0, PEEK0, PEEK1, PEEK2, CTRL0, CTRL1, ADD0, ADD1, BOTH = (
    0x00, 0x04, 0x08, 0x0C, 0x10, 0x14, 0x20, 0x24, 0x28, 0x2C, 0x30, 0x34, 0x38, 0x3C,
)  # fmt: skip
SIGNED, CROSS_INPUT, CROSS_RESULT, ADD_RAW, BLEND, CLAMP = 1 << 15, 1 << 16, 1 << 17, 1 << 18, 1 << 21, 1 << 22
ALL = 31 << 10
words = st.integers(0, WORD)


class Interp(Sio):
    """One interpolator of one."""

    def __init__(self, number: int = 0) -> None:
        super().__init__()
        self._base = 0x80 + 0x40 * number

    def __getitem__(self, offset: int) -> int:
        return self.load(self._base + offset)

    def __setitem__(self, offset: int, value: int) -> None:
        self.store(self._base + offset, value)


def signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value


# -- what section 2.3.1.6 prints


def test_nine_times_table() -> None:
    interp = Interp()
    interp[CTRL0], interp[BASE0] = ALL, 9
    assert [interp[POP0] for _ in range(10)] == [9 * i for i in range(1, 11)]


def test_moving_mask() -> None:
    interp = Interp()
    interp[ACCUM0] = 0x1234ABCD
    masks = [4 * i << 5 | (4 * i + 3) << 10 for i in range(8)]
    expected = [0xD, 0xC0, 0xB00, 0xA000, 0x40000, 0x300000, 0x2000000, 0x10000000]
    for mask, value in zip(masks, expected, strict=True):
        interp[CTRL0] = mask
        assert interp[ADD0] == value
    expected[:4] = [0xFFFFFFFD, 0xFFFFFFC0, 0xFFFFFB00, 0xFFFFA000]
    for mask, value in zip(masks, expected, strict=True):
        interp[CTRL0] = mask | SIGNED
        assert interp[ADD0] == value


def test_the_three_stages_of_a_lane() -> None:
    interp = Interp(1)
    interp[ACCUM0], interp[CTRL0] = 0xDEADBEEF, 8 | 4 << 5 | 7 << 10 | SIGNED
    assert interp[ADD0] == 0xFFFFFFB0


def test_cross_lanes() -> None:
    interp = Interp()
    interp[CTRL0] = interp[CTRL1] = ALL | CROSS_RESULT
    interp[ACCUM0], interp[ACCUM1], interp[BASE0], interp[BASE1] = 123, 456, 1, 0
    printed = [(interp[PEEK0], interp[POP0 + 4]) for _ in range(10)]
    assert printed == [
        (124, 456), (457, 124), (125, 457), (458, 125), (126, 458),
        (459, 126), (127, 459), (460, 127), (128, 460), (461, 128),
    ]  # fmt: skip


def test_blend() -> None:
    interp = Interp()
    interp[CTRL0], interp[CTRL1], interp[BASE0], interp[BASE1] = ALL | BLEND, ALL, 500, 1000
    printed = []
    for i in range(7):
        interp[ACCUM1] = 255 * i // 6
        printed.append(interp[PEEK1])
        assert interp[PEEK0] == 255 * i // 6
    assert printed == [500, 582, 666, 748, 832, 914, 998]


def test_blend_with_signs() -> None:
    interp = Interp()
    interp[CTRL0], interp[BASE0], interp[BASE1] = ALL | BLEND, -1000, 1000
    for ctrl, expected in (
        (ALL | SIGNED, [-1000 & WORD, -672 & WORD, -336 & WORD, -8 & WORD, 328, 656, 992]),
        (ALL, [0xFFFFFC18, 0xD5FFFD60, 0xAAFFFEB0, 0x80FFFFF8, 0x56000148, 0x2C000290, 0x010003E0]),
    ):
        interp[CTRL1] = ctrl
        for i, value in enumerate(expected):
            interp[ACCUM1] = 255 * i // 6
            assert interp[PEEK1] == value


def test_blend_of_two_halfwords() -> None:
    interp = Interp()
    interp[CTRL0], interp[CTRL1], interp[ACCUM1] = ALL | BLEND, ALL, 128
    interp[BOTH] = 0x30005000
    assert interp[PEEK1] == 0x4000
    interp[BOTH] = 0xE000F000
    assert interp[PEEK1] == 0xE800
    interp[CTRL1] = ALL | SIGNED
    interp[BOTH] = 0xE000F000
    assert interp[PEEK1] == 0xFFFFE800


def test_clamp() -> None:
    interp = Interp(1)
    interp[CTRL0], interp[BASE0], interp[BASE1] = 2 | 29 << 10 | SIGNED | CLAMP, 0, 255
    printed = []
    for i in range(-1024, 1025, 256):
        interp[ACCUM0] = i
        printed.append(interp[PEEK0])
    assert printed == [0, 0, 0, 0, 0, 64, 128, 192, 255]


# -- any configuration, in Python's terms


def shifted(value: int, ctrl: int) -> int:
    low, high = ctrl >> 5 & 31, ctrl >> 10 & 31
    kept = sum(1 << bit for bit in range(low, high + 1))
    result = value >> (ctrl & 31) & kept
    return result - (1 << high + 1) if ctrl & SIGNED and result >> high & 1 else result


@given(
    st.integers(0, 1), st.lists(words, min_size=5, max_size=5), st.integers(0, (1 << 21) - 1),
    st.integers(0, (1 << 21) - 1), st.booleans(), st.integers(0, 2),
)  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_any_lanes(number: int, values: list[int], ctrl0: int, ctrl1: int, is_special: bool, read: int) -> None:
    interp = Interp(number)
    for offset, value in zip((ACCUM0, ACCUM1, BASE0, BASE1, BASE2), values, strict=True):
        interp[offset] = value
    special = (CLAMP if number else BLEND) if is_special else 0
    interp[CTRL0], interp[CTRL1] = ctrl0 | special, ctrl1 | BLEND | CLAMP
    accum, base = values[:2], values[2:]
    inputs = [accum[i ^ bool(c & CROSS_INPUT)] for i, c in enumerate((ctrl0, ctrl1))]
    lanes = [shifted(value, c) for value, c in zip(inputs, (ctrl0, ctrl1), strict=True)]
    results = [b + (v if c & ADD_RAW else s) for b, v, s, c in zip(base, inputs, lanes, (ctrl0, ctrl1), strict=False)]
    results.append(base[2] + lanes[0] + lanes[1])
    if special == BLEND:
        ends = [signed(b) if ctrl1 & SIGNED else b for b in base[:2]]
        alpha = lanes[1] & 0xFF
        results = [alpha, ends[0] + (ends[1] - ends[0]) * alpha // 256, base[2] + lanes[0]]
    elif special == CLAMP:
        lane, *ends = (lanes[0], *map(signed, base[:2])) if ctrl0 & SIGNED else (lanes[0] & WORD, *base[:2])
        results[0] = ends[0] if lane < ends[0] else ends[1] if lane > ends[1] else lane
    forced = [ctrl0 >> 19 & 3, ctrl1 >> 19 & 3, 0]
    peeked = [value & WORD | force << 28 for value, force in zip(results, forced, strict=True)]
    assert [interp[PEEK0 + 4 * i] for i in range(3)] == peeked
    assert [interp[ADD0], interp[ADD1]] == [lane & WORD for lane in lanes]
    over = [bool(v >> (c & 31) >> (c >> 10 & 31) >> 1) for v, c in zip(inputs, (ctrl0, ctrl1), strict=True)]
    assert interp[CTRL0] == ctrl0 | special | over[0] << 23 | over[1] << 24 | any(over) << 25
    assert interp[CTRL1] == ctrl1
    assert interp[POP0 + 4 * read] == peeked[read]
    crossed = [results[i ^ bool(c & CROSS_RESULT)] & WORD for i, c in enumerate((ctrl0, ctrl1))]
    assert [interp[ACCUM0], interp[ACCUM1]] == crossed
    interp[ADD0] = 0xFF000005
    assert interp[ACCUM0] == crossed[0] + 5 & WORD
    interp[BOTH] = 0x8001_9002
    rule = ctrl1 if special == BLEND else ctrl0
    assert interp[BASE0] == (0xFFFF9002 if rule & SIGNED else 0x9002)
    assert interp[BASE1] == (0xFFFF8001 if ctrl1 & SIGNED else 0x8001)


# -- mailboxes, spinlocks and pins


def test_core_1_never_answers() -> None:
    sio = Sio()
    assert sio.load(0x50) == 2
    assert sio.load(0x58) == 0
    assert sio.load(0x50) == 2 | 8
    assert sio.core.system.lines == 1 << 15
    assert sio.core.system.pending == 1 << 16 + 15
    sio.store(0x50, 0)
    assert sio.core.system.lines == 0
    for i in range(8):
        assert sio.load(0x50) == 2
        sio.store(0x54, i)
    assert sio.load(0x50) == 0
    sio.store(0x54, 8)
    assert sio.load(0x50) == 4
    assert sio.port.sio.unread == 8


def test_the_state_of_all_spinlocks() -> None:
    sio = Sio()
    assert [sio.load(0x100 + 4 * i) for i in (0, 5, 31)] == [1, 1 << 5, 1 << 31]
    assert sio.load(0x100 + 4 * 5) == 0
    sio.store(0x100, 1)
    assert sio.load(0x5C) == 1 << 31 | 1 << 5


MASKS = (
    "port",
    "other_out",
    "other_oe",
    "out_and",
    "out_xor",
    "oe_and",
    "oe_xor",
    "in_and",
    "in_xor",
    "inputs",
    "outside",
)


@given(st.lists(words, min_size=len(MASKS), max_size=len(MASKS)), st.lists(st.tuples(st.booleans(), words), max_size=6))
@settings(max_examples=80, deadline=None)
def test_pins_bit_by_bit(masks: list[int], stores: list[tuple[bool, int]]) -> None:
    sio = Sio()
    log = np.zeros(16, layout.PIN_CHANGE)
    sio.port.pins.log, sio.port.pins.log_capacity = log.ctypes.data, len(log)
    at = dict(zip(MASKS, masks, strict=True))
    for name, mask in at.items():
        setattr(sio.port.pins, name, mask)
    sio.update_pins(7)
    sio.port.pins.rose = sio.port.pins.fell = 0
    out = oe = 0

    def pin(bit: int) -> tuple[int, int, int]:
        of = {name: mask >> bit & 1 for name, mask in at.items()}
        drive = ((oe >> bit & 1) if of["port"] else 0) | of["other_oe"]
        value = ((out >> bit & 1) if of["port"] else 0) | of["other_out"]
        drive, value = drive & of["oe_and"] ^ of["oe_xor"], value & of["out_and"] ^ of["out_xor"]
        level = value if drive else of["outside"]
        return level, drive, level & of["inputs"]

    rose = fell = 0
    seen = [pin(bit)[2] for bit in range(32)]
    for is_oe, value in stores:
        sio.store(0x20 if is_oe else 0x10, value)
        out, oe = (out, value) if is_oe else (value, oe)
        pins = [pin(bit) for bit in range(32)]
        rose |= sum(1 << b for b in range(32) if pins[b][2] > seen[b])
        fell |= sum(1 << b for b in range(32) if pins[b][2] < seen[b])
        seen = [s for *_, s in pins]
        assert sio.port.pins.level == sum(p[0] << b for b, p in enumerate(pins))
        assert sio.port.pins.driven == sum(p[1] << b for b, p in enumerate(pins))
        read = sum(((s & at["in_and"] >> b & 1) ^ at["in_xor"] >> b & 1) << b for b, s in enumerate(seen))
        assert sio.load(0x04) == read
    assert (sio.port.pins.rose, sio.port.pins.fell) == (rose, fell)
    states = [(row["level"], row["driven"]) for row in log[: sio.port.pins.log_count]]
    assert all(a != b for a, b in pairwise(states))
    assert not states or states[-1] == (sio.port.pins.level, sio.port.pins.driven)


@pytest.mark.parametrize("watched", [0, 1 << 25])
def test_news_of_a_watched_pin(watched: int) -> None:
    sio = Sio()
    pins = sio.port.pins
    pins.port = pins.out_and = pins.oe_and = pins.inputs = WORD
    pins.watched = watched
    sio.store(0x24, 1 << 25 | 1)
    sio.store(0x14, 1)
    assert pins.is_news == 0
    sio.store(0x14, 1 << 25)
    assert pins.is_news == (1 if watched else 0)


def test_the_chip_select_of_the_flash_reads_as_high() -> None:
    """Nobody holds BOOTSEL, which pulls it low; the other pins of the flash have no pulls up."""
    assert Sio().load(0x08) == 1 << 1
