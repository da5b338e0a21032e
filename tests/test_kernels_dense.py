"""m0k_dense_forward as wide layers take it: lanes, the two lists, first values, providers that may not be picked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from test_kernels_forward import Chip, elf, flags, many, requantised, seeds  # noqa: F401

from m0sim.chip.cost import Cost
from m0sim.study.learn import layout

Array = NDArray[Any]

#: Where dense_lanes.S, dense_list.S and dense_columns.S sum, and the core's own loops.
LANES, LIST, COLUMNS, CORE = "m0k_dense_lanes", "m0k_dense_listed", "m0k_dense_sixteen", "m0k_core"


def columns(weights: Array) -> NDArray[np.uint8]:
    """The columns of weights [n_out, n_in], input by input from their definition in m0k.h."""
    n_out, n_in = weights.shape
    rows = np.full((-(-n_in // 4) * 4, -(-n_out // 4) * 4), 128, np.uint8)
    for i in range(n_in):
        rows[i // 4 * 4 + (i + 2) % 4, :n_out] = weights[:, i] + 128
    largest = np.abs(rows.astype(int) - 128).max(axis=1)
    return np.concatenate([rows.reshape(-1), np.full(12, 128), largest]).astype(np.uint8)


def run(
    elf: Path,  # noqa: F811
    weights: Array,
    a: Array,
    shift: int = 0,
    relu: int = 0,
    signed: int = 0,
    *,
    by_inputs: bool = False,
    first: Array | None = None,
    pick: int | None = None,
    provided: Array | None = None,
    acc: bool = False,
    level: Any = "cycles",
) -> tuple[Array, Cost]:
    """With red zones right behind scratch, outputs, first values and columns. `provided`: weights of a provider."""
    chip = Chip(elf)
    n_out, n_in = weights.shape
    row = -(-n_in // 4) * 4
    scratch, _ = chip.room(row * 5 // 2 + 64, np.uint8)
    out, address = chip.room(n_out, np.int32 if acc else np.int8)
    source: tuple[Any, ...] = (0, 0)
    if provided is not None:
        rows = chip.machine.alloc(layout.pack_weights(provided.astype(np.int8)))
        source = chip.machine.symbol("rows").address | 1, chip.words(rows, 4 * row)
    inputs, edges = chip.activations(a), chip.machine.alloc(layout.pack_weights(weights.astype(np.int8)))
    block = chip.words(
        *(inputs, edges, 0 if acc else address, n_in, n_out, shift, relu, signed),
        *(*source, address if acc else 0),
        0 if first is None else chip.machine.alloc(first.astype(np.int32)),
        scratch,
        chip.machine.alloc(columns(weights)) if by_inputs else 0,
        0 if pick is None else chip.words(pick),
    )
    cost = chip.call("m0k_dense_forward", block)
    return out.read(), cost


def ways(cost: Cost) -> set[str]:
    """Which loops summed."""
    return {name for name in (LANES, LIST, COLUMNS) if name in cost.functions and cost.functions[name].self_cycles}


def inputs(rng: np.random.Generator, n_in: int, share: float, low: int, high: int, by: int) -> Array:
    """`share` of them not zero, zeros in blocks of `by`."""
    there = np.repeat(rng.random(-(-n_in // by)) < share, by)[:n_in]
    return np.where(there, rng.integers(low, high + 1, n_in), 0)


shares = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.02, 0.3, 0.5, 0.6, 1.0]))
sizes = st.one_of(st.integers(1, 300), st.sampled_from([127, 200, 511, 512, 513, 515, 784, 1025, 1040, 2051]))
outputs = st.one_of(st.integers(37, 70), st.sampled_from([9, 31, 36, 64, 100]))


@many(60)
@given(
    sizes,
    outputs,
    shares,
    st.sampled_from([1, 3, 4, 8, 64]),
    st.sampled_from([1, 30, 127]),
    st.sampled_from([1, 20, 70, 127]),
    flags,
    st.booleans(),
    st.sampled_from([None, 0, 1]),
    st.booleans(),
    st.booleans(),
    st.integers(0, 12),
    flags,
    seeds,
)
def test_wide_layers(
    elf: Path,  # noqa: F811
    n_in: int,
    n_out: int,
    share: float,
    by: int,
    high: int,
    largest: int,
    signed: int,
    by_inputs: bool,
    pick: int | None,
    has_provider: bool,
    has_first: bool,
    shift: int,
    relu: int,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    n_in = min(n_in, 60_000 // n_out)
    a = inputs(rng, n_in, share, -high if signed else 0, high, by)
    weights, others = (rng.integers(-largest, largest + 1, (n_out, n_in)) for _ in range(2))
    first = rng.integers(-(1 << 20), 1 << 20, n_out) if has_first else None
    given_ = {"by_inputs": by_inputs, "first": first, "pick": pick, "provided": others if has_provider else None}
    used = others if has_provider and pick != 0 else weights
    sums = used @ a + (0 if first is None else first)
    out, _ = run(elf, weights, a, shift, relu, signed, **given_)
    np.testing.assert_array_equal(out, requantised(sums, shift, relu))
    found, _ = run(elf, weights, a, 0, 0, signed, acc=True, **given_)
    np.testing.assert_array_equal(found, sums)


@pytest.mark.parametrize("by_inputs", [False, True])
@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("w", [-127, 127, 1, 0])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.15, 0.5, 1.0])
def test_extremes(elf: Path, w: int, signed: int, share: float, by_inputs: bool) -> None:  # noqa: F811
    """All inputs are as large as they can be, and all weights are."""
    rng = np.random.default_rng(1)
    a = np.where(rng.random(1500) < share, 127, 0)
    a[700] = 127 if share else 0
    a = a * rng.choice([-1, 1], 1500) if signed else a
    weights = np.full((38, 1500), w)
    weights[3] = -w
    sums, _ = run(elf, weights, a, signed=signed, by_inputs=by_inputs, acc=True)
    np.testing.assert_array_equal(sums, weights @ a)


#: For each way: the share of inputs that are not zero, the largest, whether there are columns, whether they are signed.
WAYS = {
    LANES: (1.0, 127, False, 0),
    "signed": (0.7, 127, False, 1),
    LIST: (0.2, 127, False, 0),
    COLUMNS: (0.3, 30, True, 0),
}


@pytest.mark.parametrize("way", WAYS)
@many(12)
@given(st.integers(224, 400), st.integers(37, 50), st.sampled_from([1, 20, 127]), st.sampled_from([1, 4]), seeds)
def test_each_way(elf: Path, way: str, n_in: int, n_out: int, largest: int, by: int, seed: int) -> None:  # noqa: F811
    """Sums of both signs beside one another, with first values, and the way that is meant."""
    rng = np.random.default_rng(seed)
    share, high, by_inputs, signed = WAYS[way]
    there = np.repeat(rng.random(-(-n_in // by)) < share, by)[:n_in]
    a = np.where(there, rng.integers(1, high + 1, n_in), 0)
    a = a * rng.choice([-1, 1], n_in) if signed else a
    weights = rng.integers(-largest, largest + 1, (n_out, n_in)) // rng.choice([1, 8], (1, n_in))
    first = rng.integers(-(1 << 20), 1 << 20, n_out)
    sums, cost = run(elf, weights, a, signed=signed, by_inputs=by_inputs, first=first, acc=True)
    np.testing.assert_array_equal(sums, weights @ a + first)
    if by == 1:
        assert ways(cost) == {LANES if signed else way}


@pytest.mark.parametrize("a", range(1, 40))
def test_chunks_end_before_a_lane_is_too_small(elf: Path, a: int) -> None:  # noqa: F811
    """Sums of both signs as large as they can be, in every lane; a chunk ends at 32,767."""
    values = np.where(np.arange(400) % 4 == 1, a, 0)
    weights = np.where(np.arange(45)[:, None] % 3 < 2, 127, -127) * np.ones((1, 400), int)
    sums, cost = run(elf, weights, values, by_inputs=True, acc=True)
    np.testing.assert_array_equal(sums, weights @ values)
    assert ways(cost) == {COLUMNS}


@pytest.mark.parametrize("place", range(8))
@pytest.mark.parametrize("by_inputs", [False, True])
def test_one_input(elf: Path, place: int, by_inputs: bool) -> None:  # noqa: F811
    """The only input that is not zero, anywhere in a word, times every weight that there is."""
    weights = np.zeros((255, 200), int)
    for at in (place, 192 + place):
        weights[:, at] = np.arange(-127, 128)
        sums, _ = run(elf, weights, np.where(np.arange(200) == at, 113, 0), by_inputs=by_inputs, acc=True)
        np.testing.assert_array_equal(sums, 113 * np.arange(-127, 128))


@pytest.mark.parametrize(
    ("share", "high", "by_inputs", "way"),
    [
        (1.0, 127, False, LANES),
        (1.0, 127, True, LANES),
        (0.6, 127, False, None),
        (0.3, 127, False, LIST),
        (0.3, 30, True, COLUMNS),
        (0.0, 127, False, LANES),
    ],
)
def test_the_way_is_chosen_by_the_inputs(
    elf: Path,  # noqa: F811
    share: float,
    high: int,
    by_inputs: bool,
    way: str | None,
) -> None:
    rng = np.random.default_rng(3)
    a = np.where(rng.random(784) < share, rng.integers(1, high + 1, 784), 0)
    _, cost = run(elf, rng.integers(-127, 128, (64, 784)), a, 9, 1, by_inputs=by_inputs)
    assert ways(cost) == ({way} if way else set())


def lanes_cycles(n_in: int, n_out: int, relu: int, signed: int) -> float:
    """The formulas at the head of dense.S, for inputs that are not zero."""
    words, kind = -(-n_in // 4), 59 if relu else 85
    before = 300 + 17 * words if signed else 412 + 17.5 * words + 51 * -(-words // 128)
    return before + -(-n_out // 4) * (kind + 24 + (59 if signed else 45) * words + 4 * -(-words // 4))


@pytest.mark.parametrize("relu", [0, 1])
@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize(("n_in", "n_out"), [(784, 64), (512, 40), (1028, 48), (148, 100)])
def test_lanes_take_the_documented_cycles(elf: Path, n_in: int, n_out: int, signed: int, relu: int) -> None:  # noqa: F811
    _, cost = run(elf, np.ones((n_out, n_in), int), np.ones(n_in, int), 10, relu, signed)
    assert abs(lanes_cycles(n_in, n_out, relu, signed) - cost.cycles) <= 3


@pytest.mark.parametrize("by_inputs", [False, True])
@pytest.mark.parametrize(("n_in", "n_out", "count"), [(784, 64, 60), (784, 64, 196), (512, 48, 20), (1024, 56, 80)])
def test_lists_take_about_the_documented_cycles(
    elf: Path,  # noqa: F811
    n_in: int,
    n_out: int,
    count: int,
    by_inputs: bool,
) -> None:
    a = np.where(np.arange(n_in) % 4 == 0, np.arange(n_in) // 4 < count, 0).astype(int)
    _, cost = run(elf, np.ones((n_out, n_in), int), a, 10, 1, by_inputs=by_inputs)
    groups, zero = n_out // 4, n_in // 4 - count
    said = 490 + 16 * zero + 48 * count + groups * (34 + 59 + 19.5 * count)
    if by_inputs:
        said = 530 + 18 * zero + 56 * count + -(-groups // 4) * 4 * (68 + 59 + 9.7 * count)
    assert cost.cycles == pytest.approx(said, rel=0.03)


@pytest.mark.parametrize(("signed", "limit"), [(0, 3.0), (1, 4.0)])
def test_784_to_64_is_fast(elf: Path, signed: int, limit: float) -> None:  # noqa: F811
    rng = np.random.default_rng(7)
    a, weights = rng.integers(-127 if signed else 0, 128, 784), rng.integers(-127, 128, (64, 784))
    _, cost = run(elf, weights, a, 12, 0, signed)
    assert cost.cycles <= limit * 784 * 64


def test_the_host_packs_the_same_columns() -> None:
    rng = np.random.default_rng(4)
    for n_out, n_in in ((1, 1), (7, 5), (10, 64), (33, 18)):
        weights = rng.integers(-127, 128, (n_out, n_in))
        packed = layout.pack_columns(weights.astype(np.int8))
        np.testing.assert_array_equal(packed, columns(weights))
        assert len(packed) == layout.columns_bytes(n_out, n_in)


def test_the_host_gives_scratch_to_the_layers_that_use_it(elf: Path) -> None:  # noqa: F811
    rng = np.random.default_rng(5)
    for n_out, n_in in ((31, 784), (32, 784), (36, 784), (37, 784), (64, 124), (64, 125), (300, 92), (300, 93)):
        _, cost = run(elf, rng.integers(-127, 128, (n_out, n_in)), np.full(n_in, 5), 9, 1)
        assert bool(ways(cost)) == bool(layout.dense_scratch_bytes(n_out, n_in)), (n_out, n_in)
    assert layout.dense_scratch_bytes(64, 783) == 784 * 5 // 2 + 64
