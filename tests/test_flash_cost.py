"""What the flash's cache added, as data: misses by kind, and who pushes whom out, by name."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reference import encode
from rich.console import Console
from xip_oracle import Oracle

from m0sim import Machine
from m0sim.chip import device
from m0sim.chip.flash_cost import Eviction, FlashCost, FlashRun
from m0sim.chip.native.flash_cache import FlashCache
from m0sim.chip.native.tables import Tables
from m0sim.chip.options import flash_model_of
from m0sim.chip.results.flash import FlashCounts, FlashOwners, flash_owners, flash_run
from m0sim.errors import UsageError
from m0sim.image import Image, Symbol, load_raw
from m0sim.image.segments import Section
from m0sim.report import cost_json, flash, page, text

RP2040 = device.load("rp2040")
assert RP2040.xip_cache is not None
CACHE = RP2040.xip_cache
FLASH, WAY = 0x10000000, 8192


def symbol(name: str, address: int, size: int, kind: str = "function") -> Symbol:
    return Symbol(name, name, address, size, kind, is_thumb=True, is_global=True, source_file="")  # type: ignore[arg-type]


def image(*symbols: Symbol, sections: tuple[Section, ...] = ()) -> Image:
    return replace(load_raw(bytes(64), FLASH), symbols=symbols, sections=sections)


def ran(owners: FlashOwners, *accesses: tuple[int, bool], code: np.ndarray | None = None) -> FlashRun:
    """What the cache counts of accesses in order, and names."""
    cache = FlashCache(Tables(), RP2040)
    addresses, kinds = zip(*accesses, strict=True)
    cache.access(np.array(addresses, np.uint32), np.array(kinds, np.bool_))
    counts = FlashCounts("cold", cache.code_misses, cache.data_misses, cache.evictions, cache.evictions_refused)
    return flash_run(counts, owners, CACHE, code)


THREE = [symbol(name, FLASH + way * WAY + 16 * way, 64) for way, name in enumerate(("fft", "window", "filter"))]


def test_three_functions_that_collide() -> None:
    owners = flash_owners(image(*THREE), RP2040)
    loop = [(s.address + at, True) for _ in range(5) for s in THREE for at in range(0, 64, 4)]
    run = ran(owners, *loop)
    oracle = Oracle()
    assert run.cycles == sum(oracle.access(*access) for access in loop)
    assert (run.code_misses, run.data_misses) == (oracle.code, 0)
    # 32 bytes, eight words, are common to all three: each time all of them are fetched again.
    assert [(e.name, e.by, e.misses, e.cycles) for e in run.evictions] == [
        ("fft", "filter", 32, 32 * 60),  # fft is what was not used for longest when filter comes
        ("filter", "window", 32, 32 * 60),
        ("window", "fft", 32, 32 * 60),
    ]
    assert run.code_misses == 3 * 16 + 3 * 32


def test_move_by_takes_them_apart() -> None:
    """The advice is followed: then two of three share no set, and nothing is pushed out."""
    owners = flash_owners(image(*THREE), RP2040)
    loop = [(s.address + at, True) for _ in range(5) for s in THREE for at in range(0, 64, 4)]
    first = ran(owners, *loop).evictions[0]
    assert first.move_by == 96  # to behind filter, which begins 32 bytes into the sets of fft
    assert first.name == "fft"
    moved = [replace(THREE[0], address=FLASH + first.move_by), *THREE[1:]]
    loop = [(s.address + at, True) for _ in range(5) for s in moved for at in range(0, 64, 4)]
    run = ran(flash_owners(image(*moved), RP2040), *loop)
    assert run.evictions == ()
    assert run.code_misses == 3 * 16


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.tuples(st.integers(0, 1 << 15), st.integers(1, 9000)), st.tuples(st.integers(0, 1 << 15), st.integers(1, 9000))
)
def test_move_by(victim: tuple[int, int], pusher: tuple[int, int]) -> None:
    """It is there where two meet and have room beside each other, and then they do not meet any more."""
    spans = (0, 1 << 21), (victim[0], victim[1]), (pusher[0], pusher[1])
    at = np.array([1, 2], np.int32)
    rows = np.array([(1, 2, 1)], np.dtype([("word", "<u4"), ("by", "<u4"), ("misses", "<i8")]))
    (found,) = flash_run(FlashCounts("cold", 1, 0, rows, 0), FlashOwners(("", "v", "p"), spans, at), CACHE).evictions

    def sets(begin: int, size: int) -> set[int]:
        return {byte // 8 % 1024 for byte in range(begin, begin + size)}

    meet = bool(sets(*victim) & sets(*pusher))
    if found.move_by is None:
        assert victim == pusher or not meet or len(sets(*victim)) + len(sets(*pusher)) > 1022
    else:
        assert meet
        assert found.move_by % 8 == 0 or victim[0] % 8
        assert not sets(victim[0] + found.move_by, victim[1]) & sets(*pusher)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.integers(0, 1023),
    st.integers(1, 60),
    st.integers(0, 40),
    st.integers(1, 60),
    st.lists(st.tuples(st.integers(0, 4000), st.integers(1, 90)), max_size=12),
)
@example(0, 4, 0, 4, [(0, 4), (1024, 1024), (2048, 1024)])  # every set is full: beside the pusher all the same
@example(0, 4, 0, 4, [(0, 4), (1028, 2)])  # two sets that are full with the victim's own lines only where it lies now
@example(0, 4, 0, 2, [(0, 4), (1026, 2), (2050, 1)])  # the nearest place is full but for the victim's own line
def test_move_by_keeps_clear_of_code_that_ran(
    begin: int, lines: int, behind: int, others: int, more: list[tuple[int, int]]
) -> None:
    """By trying every distance: the nearest at which no set has three lines, else the nearest beside the pusher."""
    spans = (0, 1 << 21), (begin * 8, lines * 8), ((begin + behind % lines) * 8 + 3 * WAY, others * 8)
    at = np.zeros(1 << 14, np.int32)
    for owner in (1, 2):
        at[spans[owner][0] // 4 : sum(spans[owner]) // 4] = owner
    ran_lines = {line for first, count in more for line in range(first, first + count)}
    code = np.array(sorted(2 * line + line % 2 for line in ran_lines), np.int64)
    rows = np.array([(1 + spans[1][0] // 4, 1 + spans[2][0] // 4, 1)], np.dtype("<u4,<u4,<i8"))
    rows.dtype.names = ("word", "by", "misses")
    (found,) = flash_run(
        FlashCounts("cold", 1, 0, rows, 0), FlashOwners(("", "v", "p"), spans, at), CACHE, code
    ).evictions
    pusher = {line % 1024 for line in range(spans[2][0] // 8, sum(spans[2]) // 8)}
    filled = Counter(word // 2 % 1024 for word in code.tolist() if at[word] != 1)

    def fits(distance: int, crowd: bool) -> bool:
        sets = {(begin + distance + i) % 1024 for i in range(lines)}
        return not sets & pusher and not (crowd and any(filled[each] >= 2 for each in sets))

    expected = next((d for crowd in (True, False) for d in range(1024) if fits(d, crowd)), None)
    assert found.move_by == (None if expected is None else 8 * expected)


def test_a_move_into_sets_that_others_fill_is_none() -> None:
    """Behind `filter` lie two loops that are hot themselves: the advice is to move beyond them, and it holds."""
    hot = [symbol("first", FLASH + 3 * WAY + 96, 64), symbol("second", FLASH + 4 * WAY + 96, 64)]
    every = [*THREE, *hot]
    loop = [(s.address + at, True) for _ in range(5) for s in every for at in range(0, 64, 4)]
    code = np.unique([(address - FLASH) // 4 for address, _ in loop])
    before = ran(flash_owners(image(*every), RP2040), *loop, code=code)
    first = before.evictions[0]
    assert (first.name, first.move_by) == ("fft", 96 + 64)
    moved = [replace(every[0], address=FLASH + 96 + 64), *every[1:]]
    loop = [(s.address + at, True) for _ in range(5) for s in moved for at in range(0, 64, 4)]
    assert ran(flash_owners(image(*moved), RP2040), *loop).evictions == ()
    blind = [replace(every[0], address=FLASH + 96), *every[1:]]  # only clear of the one that pushed it out
    loop = [(s.address + at, True) for _ in range(5) for s in blind for at in range(0, 64, 4)]
    assert ran(flash_owners(image(*blind), RP2040), *loop).evictions != ()


def calls_of_five(first: int) -> Machine:
    """A loop that calls five functions of one BX lr each: the first where it is said, the next two in set 512 and the
    last two in set 513."""
    at = {name: 4096 + way * WAY + 8 * (way > 2) for way, name in enumerate("abcde")} | {"a": 4096 + first}
    memory = np.full(1 << 15, 0x4770, np.uint16)
    code = [encode.push([4, 14]), encode.imm8("movs", 4, 5)]
    code += [encode.branch_link(at[name] - 4 - 4 * i - 4) for i, name in enumerate("abcde")]
    code += [encode.imm8("subs", 4, 1), encode.branch_if("ne", -22 - 4), encode.pop([4, 15])]
    halfwords = [half for instruction in code for half in instruction]
    memory[: len(halfwords)] = halfwords
    symbols = (symbol("loop", FLASH, 32), *(symbol(name, FLASH + offset, 2) for name, offset in at.items()))
    return Machine(replace(load_raw(memory.tobytes(), FLASH), symbols=symbols))


def test_a_run_whose_advice_is_followed() -> None:
    cost = calls_of_five(0).call("loop", flash="warm")
    assert cost.flash is not None
    found = {e.name: (e.by, e.move_by) for e in cost.flash.evictions}
    assert found["a"] == ("c", 16)  # in the next set are d and e
    assert cost.stall_cycles > 0
    assert calls_of_five(8).call("loop", flash="warm").stall_cycles > 0
    assert calls_of_five(16).call("loop", flash="warm").stall_cycles == 0


def test_owners() -> None:
    """Objects before functions before sections; what runs elsewhere is stored here; an alias is the same flash."""
    sections = (
        Section(".text", FLASH, 0x100, "code", FLASH),
        Section(".data", 0x20000000, 0x40, "data", FLASH + 0x200),
        Section(".bss", 0x20000040, 0x40, "bss", None),
    )
    whole = image(
        symbol("main", FLASH + 0x10, 0x20),
        symbol("short", FLASH + 0x30, 2),
        symbol("odd", FLASH + 0x36, 2),
        symbol("table", FLASH + 0x20, 8, "object"),
        symbol("label", FLASH + 0x80, 0),
        symbol("seen_elsewhere", 0x13000000 + 0x300, 4),
        symbol("in_sram", 0x20000000, 16),
        sections=sections,
    )
    owners = flash_owners(whole, RP2040)

    def name(offset: int) -> str:
        return owners.names[owners.at[offset // 4]]

    assert [name(at) for at in (0, 0x10, 0x1C, 0x20, 0x24, 0x28, 0x30, 0x34, 0x38)] == [
        *("(.text)", "main", "main", "table", "table", "main", "short", "odd", "(.text)")
    ]
    assert [name(at) for at in (0x100, 0x200, 0x23C, 0x240, 0x300)] == [
        *("(flash)", "(.data, as stored)", "(.data, as stored)", "(flash)", "seen_elsewhere")
    ]


def test_weights_that_push_themselves_out() -> None:
    weights = symbol("weights", FLASH, 3 * WAY, "object")
    run = ran(flash_owners(image(weights), RP2040), *[(FLASH + at, False) for at in range(0, 3 * WAY, 4)] * 2)
    assert run.evictions == (Eviction("weights", "weights", 6144, 6144 * 60, None),)
    assert (run.code_misses, run.data_misses) == (0, 2 * 6144)


def test_no_misses_at_all() -> None:
    cache = FlashCache(Tables(), RP2040)
    counts = FlashCounts("cold", 0, 0, cache.evictions, 0)
    assert flash_run(counts, flash_owners(image(), RP2040), CACHE) == FlashRun(0, 0, 0, ())


def test_which_run_is_counted() -> None:
    cold, warm = FlashRun(600, 7, 3, (Eviction("a", "b", 1, 60),)), FlashRun(120, 2, 0, ())
    both = FlashCost("ideal", cold, warm)
    assert (both.cold_cycles, both.warm_cycles) == (600, 120)
    assert (both.code_misses, both.data_misses, both.evictions) == (7, 3, cold.evictions)
    as_warm = replace(both, model="warm")
    assert (as_warm.code_misses, as_warm.data_misses, as_warm.evictions) == (2, 0, ())
    neither = FlashCost("ideal", None, None)
    assert (neither.cold_cycles, neither.warm_cycles, neither.code_misses, neither.evictions) == (None, None, 0, ())


def test_model_names() -> None:
    assert [flash_model_of(name) for name in ("ideal", "cold", "warm")] == ["ideal", "cold", "warm"]
    with pytest.raises(UsageError, match="unknown flash model 'hot': one of ideal, cold, warm"):
        flash_model_of("hot")


PAIRS = tuple(Eviction(f"f{n}", "g", 9 - n, 60 * (9 - n), 8) for n in range(7))
FULL = FlashCost("ideal", FlashRun(600, 7, 3, (Eviction("w", "w", 12, 720), *PAIRS), 4), FlashRun(120, 2, 0, ()))


def test_in_words() -> None:
    assert flash.lines(FULL) == [
        "flash cache, a model with one fitted parameter; in none of the figures above",
        "  cold: 600 cycles more, 7 words of code and 3 of data missed",
        "  warm: 120 cycles more, 2 words of code and 0 of data missed",
        "  w pushes itself out: 12 words, 720 cycles; it is larger than one way of the cache: put a part into SRAM",
        *(
            f"  f{n} is pushed out by g, of the same sets: {9 - n} words, {60 * (9 - n)} cycles; "
            f"move f{n} on by 8 bytes, or put one of them into SRAM"
            for n in range(4)
        ),
        "  ... and 3 more pairs, 720 cycles (--json has them all)",
        "  ... and 4 words pushed out by too many to tell apart",
    ]
    assert flash.lines(replace(FULL, model="warm", cold=None)) == [
        "flash cache, a model with one fitted parameter; warm is in the cycles",
        "  warm: 120 cycles more, 2 words of code and 0 of data missed",
    ]
    said = flash.eviction(Eviction("a", "b", 1, 60, None))
    assert said == "a is pushed out by b, of the same sets: 1 word, 60 cycles; put one of them into SRAM"


def test_as_json() -> None:
    found = flash.as_object(FULL)
    assert (found["model"], found["cold_cycles"], found["warm_cycles"]) == ("ideal", 600, 120)
    assert found["misses"] == found["cold_misses"] == {"code": 7, "data": 3}
    assert found["warm_misses"] == {"code": 2, "data": 0}
    assert found["evictions"][0] == {"name": "w", "by": "w", "misses": 12, "cycles": 720, "move_by": None}
    assert (len(found["evictions"]), found["evictions_left_out"]) == (8, 4)
    assert flash.as_object(FlashCost("ideal", None, None))["cold_misses"] is None


def test_the_reports_have_it() -> None:
    machine = Machine.from_raw(bytes.fromhex("7047"), FLASH)  # BX lr
    cost = machine.call(FLASH)
    assert cost_json.call(cost)["flash"] is None
    cost = replace(cost, flash=FULL)
    assert cost_json.call(cost)["flash"] == flash.as_object(FULL)
    shown = io.StringIO()
    Console(file=shown, width=300).print(text.call(cost, machine.device))
    for line in flash.lines(FULL):
        assert line in shown.getvalue()
        assert line in page.page(cost, machine)
