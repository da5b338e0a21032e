"""Lists of pruned edges and corrections by them (kernels/prune_list.S, correct.S) against NumPy, and their cycles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from conftest import examples, found_toolchain
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from m0sim import Machine, toolchain
from m0sim.chip.cost import Cost
from m0sim.image import Image, load_elf
from m0sim.study.learn import layout
from m0sim.study.learn.methods.pruning import kept_by, threshold, top_k
from m0sim.study.learn.state import Selection

KERNELS = Path(__file__).parents[1] / "kernels"
SOURCES = [KERNELS / f"{name}.S" for name in ("prune_list", "correct", "dense_back", "back_list")]
MANY = settings(max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FAR = 240
RED = 0xA5

Array = npt.NDArray[Any]


@pytest.fixture(scope="module", params=toolchain.NAMES)
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Image:
    path = tmp_path_factory.mktemp("list") / "list.elf"
    found_toolchain(request.param).build(SOURCES, path, linker_script=KERNELS / "m0sim.ld")
    return load_elf(path)


# -------------------------------------------------------------------------------------------------------- on the chip


def call(machine: Machine, kernel: str, *fields: Any) -> Cost:
    """Arrays are put into the machine, buffers and numbers are there."""
    words = [machine.alloc(f).address if isinstance(f, np.ndarray) else getattr(f, "address", f) for f in fields]
    return machine.call(kernel, machine.alloc(np.array(words, np.uint32)), result="void")


def listed(
    machine: Machine, scores: Array, selection: Selection, capacity: int, *gaps: Any, early: int = 0
) -> tuple[Any, Array, Cost]:
    """The storage indices that the kernel listed, or None where they are too many; the list itself, its cost.

    Around the list nothing may change, and the operands neither.
    """
    room, state = machine.alloc(np.full(capacity + 8, RED, np.uint8)), machine.alloc(np.full(2, 77, np.uint32))
    held = machine.alloc(scores)
    chosen = np.array(selection, np.uint32)
    if gaps:
        fields: tuple[Any, ...] = (held, chosen, *gaps, room.address + 4, capacity, state, early)
        cost = call(machine, "m0k_sparse_list", *fields)
    else:
        cost = call(machine, "m0k_prune_list", held, chosen, room.address + 4, capacity, scores.size, state, early)
    np.testing.assert_array_equal(held.read(), scores)
    around = room.read()
    assert (around[:4] == RED).all()
    assert (around[capacity + 4 :] == RED).all()
    too_many, size = state.read().tolist()
    if too_many:
        assert (too_many, size) == (1, 0)
        return None, around[:0], cost
    used = around[4 : 4 + size]
    return indices(used), used, cost


def indices(gaps: Array) -> Array:
    """The storage indices that a list names."""
    steps = np.where(gaps == 0, FAR, gaps).astype(np.int64)
    return (np.cumsum(steps) - 1)[gaps != 0]


def pruned(scores: Array, selection: Selection) -> Array:
    """The storage indices of an edge array that a selection prunes, by the golden model's rule."""
    values, every = scores.astype(np.int16) - 128, np.arange(scores.size)
    kept = kept_by(selection, values, every)  # type: ignore[arg-type]
    return np.flatnonzero(~kept & (scores > 0))


def draw_scores(rng: np.random.Generator, style: str, shape: tuple[int, ...]) -> Array:
    if style == "equal":
        return np.full(shape, rng.integers(-127, 128), np.int8)
    if style == "few":
        return rng.choice(rng.integers(-127, 128, 3), shape).astype(np.int8)
    if style == "near":
        return np.clip(rng.normal(rng.integers(-127, 128), 3, shape), -127, 127).astype(np.int8)
    return rng.integers(-127, 128, shape).astype(np.int8)


SEEDS = st.integers(0, 2**32 - 1)
STYLES = st.sampled_from(["uniform", "few", "equal", "near"])
SHAPES = st.tuples(st.integers(1, 13), st.integers(1, 90))
SHARES = st.one_of(st.sampled_from([0.0, 0.98, 1.0]), st.floats(0, 1))


# --------------------------------------------------------------------------------------------------------------- lists


@MANY
@given(shape=SHAPES, style=STYLES, seed=SEEDS, share=SHARES)
@example(shape=(13, 90), style="equal", seed=1, share=0.5)
@example(shape=(1, 1), style="equal", seed=1, share=1.0)
def test_the_list_names_the_pruned_edges(
    image: Image, shape: tuple[int, int], style: str, seed: int, share: float
) -> None:
    scores = draw_scores(np.random.default_rng(seed), style, shape)
    machine = Machine(image)
    packed, selection = layout.pack_scores(scores), top_k(scores, round(share * scores.size))
    wanted = pruned(packed, selection)
    assert len(wanted) == scores.size - round(share * scores.size)
    room = len(wanted) + packed.size // FAR
    found, used, cost = listed(machine, packed, selection, room)
    np.testing.assert_array_equal(found, wanted)
    assert cost.stack_bytes <= 56
    assert cost.cycles <= list_cycles(packed, selection, len(used))
    exact, again, _ = listed(machine, packed, selection, len(used))
    np.testing.assert_array_equal(exact, wanted)
    np.testing.assert_array_equal(again, used)
    if len(used):
        assert listed(machine, packed, selection, len(used) - 1)[0] is None


def list_cycles(scores: Array, selection: Selection, length: int) -> float:
    """The bound at the head of prune_list.S."""
    near, high = scores.reshape(-1, 16) <= selection.cut + 1, selection.cut > 126
    blocks, every = len(near) if high else near.any(1).sum(), 9 * scores.size if high else 0
    block = 70 if selection.ties > scores.size // 32 and selection.cut < 128 else 23
    return 190 + block * scores.size / 16 + 50 * blocks + 24 * near.sum() + 15 * length + every


@pytest.mark.parametrize("cut", [1, 64, 126, 127, 128])
def test_many_kept_ties(image: Image, cut: int) -> None:
    """Counted by the block until they run out: at each place in a block, beside what is pruned, kept and padding."""
    machine, rng = Machine(image), np.random.default_rng(cut)
    near = [0, cut - 1, cut, cut, cut, cut, cut, cut + 1, min(cut + 127, 255), min(cut + 128, 255), 255]
    scores = rng.choice(np.array(near, np.uint8), 480)
    scores[:160] = np.maximum(scores[:160], cut)  # blocks with nothing below the cut
    every = int((scores == cut).sum())
    for ties in (*range(16, 52, 2), every - 1, every, every + 40):
        selection = Selection(cut, ties)
        np.testing.assert_array_equal(listed(machine, scores, selection, 500)[0], pruned(scores, selection))


def test_kept_ties_cost_less_than_looking_at_them(image: Image) -> None:
    """4.1 cycles each as the head of prune_list.S says; none of them is in the list."""
    scores = np.full(16_000, 40, np.uint8)
    found, _, cost = listed(Machine(image), scores, Selection(40, 16_000), 0)
    assert found.size == 0
    assert cost.cycles <= 4.1 * scores.size + 300


@pytest.mark.parametrize("cut", [0, 1, 62, 125, 126, 127, 128, 254, 255])
def test_the_list_of_every_kind_of_cut(image: Image, cut: int) -> None:
    """Every score beside every other, with ties that run out in a word, between words and not at all."""
    machine, rng = Machine(image), np.random.default_rng(cut)
    scores = np.concatenate([np.arange(256), rng.permutation(256), [cut] * 16, np.zeros(16)]).astype(np.uint8)
    for ties in (0, 1, 2, 5, 30) if cut else (0,):
        selection = Selection(cut, ties)
        np.testing.assert_array_equal(listed(machine, scores, selection, 600)[0], pruned(scores, selection))


def test_a_long_way_to_the_next_pruned_edge(image: Image) -> None:
    """Further than 16 bits of gap, in and behind blocks at every distance; and a layer without any."""
    for first, second in ((0, 70_000), (15, 256), (0, 240), (0, 241), (3, 495), (1, 255)):
        scores, machine = np.full(70_016, 200, np.uint8), Machine(image)
        scores[[first, second]] = 5
        found, used, _ = listed(machine, scores, Selection(9, 0), 300)
        assert found.tolist() == [first, second]
        assert len(used) <= 2 + second // FAR
    machine = Machine(image)
    assert listed(machine, np.full(70_016, 200, np.uint8), Selection(9, 0), 0)[1].size == 0
    assert listed(machine, np.zeros(0, np.uint8), Selection(9, 3), 0)[1].size == 0


@MANY
@given(shape=SHAPES, style=STYLES, seed=SEEDS, share=SHARES, fraction=st.sampled_from([0.0, 0.002, 0.1, 1.0]))
def test_the_list_of_a_sparse_layer(
    image: Image, shape: tuple[int, int], style: str, seed: int, share: float, fraction: float
) -> None:
    machine, rng = Machine(image), np.random.default_rng(seed)
    storage = np.flatnonzero(rng.random(layout.array_bytes(*shape)) < fraction)
    values = draw_scores(rng, style, (storage.size,))
    selection = top_k(values, round(share * storage.size))
    kept = kept_by(selection, values, storage)
    gaps, scores = layout.pack_gaps(storage), (values.astype(np.int16) + 128).astype(np.uint8)
    room = storage.size + layout.array_bytes(*shape) // FAR
    found, used, cost = listed(machine, scores, selection, room, np.append(gaps, 0).astype(np.uint8), storage.size)
    np.testing.assert_array_equal(found, storage[~kept])
    assert cost.stack_bytes <= 36
    zeros = np.count_nonzero(gaps == 0) + np.count_nonzero(used == 0)
    assert (
        cost.cycles
        <= 130 + 16 * storage.size + 12 * np.count_nonzero(~kept) + 12 * zeros + 12 * (scores == selection.cut).sum()
    )
    if len(used):
        assert listed(machine, scores, selection, len(used) - 1, gaps, storage.size)[0] is None
        exact = listed(machine, scores, selection, len(used), gaps, storage.size)[0]
        np.testing.assert_array_equal(exact, storage[~kept])


@pytest.mark.parametrize("cut", [20, 200])
@pytest.mark.parametrize("of", [2, 16, 17, 32, 64, 1000])
def test_a_list_that_grows_too_fast_is_given_up_early(image: Image, cut: int, of: int) -> None:
    """One edge of so many is pruned and one of 32 fits; the list ends when its share is full."""
    machine, rng = Machine(image), np.random.default_rng(of)
    scores = rng.integers(cut + 2, 256, 16_000).astype(np.uint8)
    scores[::of] = cut
    room, selection = 500 + 66, Selection(cut, 0)
    whole = listed(machine, scores, selection, 20_000)[2].cycles
    found, _, cost = listed(machine, scores, selection, room, early=1)
    gaps = layout.pack_gaps(np.arange(16_000))
    found_sparse, _, _ = listed(machine, scores, selection, room, gaps, scores.size, early=1)
    if of >= 32:
        np.testing.assert_array_equal(found, np.arange(0, 16_000, of))
        np.testing.assert_array_equal(found_sparse, found)
    else:
        assert found is found_sparse is None
        filled = 3 * (room // 16 + 1) * of  # scores until three 16ths of the list and of its spare bytes are full
        assert cost.cycles < 1.05 * whole * filled / scores.size + 300
    crowded = np.sort(scores)  # all that are pruned come first
    assert (listed(machine, crowded, selection, room, early=1)[0] is None) == (of <= 200)
    assert (listed(machine, crowded, selection, room)[0] is None) == (of < 32)


# --------------------------------------------------------------------------------------------------------- corrections


def some_values(rng: np.random.Generator, shape: Any) -> Array:
    return np.asarray(rng.integers(-127, 128, shape) * (rng.random(shape) < rng.choice([0.0, 0.3, 1.0])), np.int8)


def padded(values: Array) -> Array:
    return np.pad(values, (0, -values.size % 4))


@MANY
@given(shape=SHAPES, seed=SEEDS, share=SHARES, biased=st.booleans(), too_many=st.booleans())
@example(shape=(13, 90), seed=1, share=0.0, biased=True, too_many=False)
def test_corrections_take_pruned_edges_off(
    image: Image, shape: tuple[int, int], seed: int, share: float, biased: bool, too_many: bool
) -> None:
    """Sums over all edges with the corrections are sums over those that are kept: forward and back."""
    machine, rng = Machine(image), np.random.default_rng(seed)
    n_out, n_in = shape
    scores, weights = draw_scores(rng, "uniform", shape), rng.integers(-127, 128, shape).astype(np.int8)
    packed, selection = layout.pack_scores(scores), top_k(scores, round(share * scores.size))
    _, used, _ = listed(machine, packed, selection, 2 * packed.size)
    gone = weights * ~(kept_by(selection, scores.reshape(-1), layout.storage_index(*shape)).reshape(shape))
    if too_many:
        gone = gone * 0
    held = machine.alloc(np.append(used, [1, 1, 1]).astype(np.uint8))  # behind the list nothing counts
    state = machine.alloc(np.array([1, 0] if too_many else [0, len(used)], np.uint32))
    edges = machine.alloc(layout.pack_weights(weights))
    bias = rng.integers(-(1 << 20), 1 << 20, n_out).astype(np.int32)
    x, e = some_values(rng, n_in), some_values(rng, n_out)

    out = machine.alloc(np.full(n_out + 1, 9, np.int32))
    operands = (padded(x), edges, held, state)
    cost = call(machine, "m0k_correct_forward", *operands, bias if biased else 0, out, n_in, n_out)
    wanted = bias * biased - gone.astype(np.int64) @ x.astype(np.int64)
    np.testing.assert_array_equal(out.read(), [*wanted, 9])
    far, count, groups = np.count_nonzero(used == 0), np.count_nonzero(used), -(-n_out // 4)
    assert cost.stack_bytes == 36
    assert cost.cycles <= 120 + 8 * n_out + 12 * groups + 34 * count + 9 * far

    acc = machine.alloc(np.full(layout.row_bytes(n_in) + 1, 9, np.int32))
    cost = call(machine, "m0k_correct_back", padded(e), edges, held, state, acc, n_in, n_out)
    found = acc.read()
    if e.any():
        np.testing.assert_array_equal(found[:n_in], -gone.astype(np.int64).T @ e.astype(np.int64))
        assert not found[n_in:-1].any()
        assert found[-1] == 9
    else:
        assert (found == 9).all()
    assert cost.stack_bytes == 40
    assert cost.cycles <= 140 + 3 * n_in + 19 * groups + 36 * count + 9 * far


def test_corrections_of_a_wide_layer(image: Image) -> None:
    """A group of more than 65,535 bytes, and pruned edges in a few of many groups."""
    for shape in ((5, 17_000), (900, 60)):
        rng = np.random.default_rng(3)
        scores = np.full(shape, 100, np.int8)
        scores[rng.integers(0, shape[0], 12), rng.integers(0, shape[1], 12)] = -90
        scores[-1, -1] = scores[0, 0] = -100
        weights = rng.integers(-127, 128, shape).astype(np.int8)
        x, e = rng.integers(0, 128, shape[1]).astype(np.int8), rng.integers(-127, 128, shape[0]).astype(np.int8)
        selection = threshold(-80)
        machine = Machine(image)
        used = listed(machine, layout.pack_scores(scores), selection, 900)[1]
        gone = weights * (scores < -80)
        state, held, edges = np.array([0, len(used)], np.uint32), machine.alloc(used), layout.pack_weights(weights)
        out, acc = machine.alloc(np.zeros(shape[0], np.int32)), machine.alloc(np.zeros(padded(x).size, np.int32))
        at = 0x10100000
        machine.write(at, edges)
        call(machine, "m0k_correct_forward", padded(x), at, held, state, 0, out, shape[1], shape[0])
        np.testing.assert_array_equal(out.read(), -gone.astype(np.int64) @ x.astype(np.int64))
        call(machine, "m0k_correct_back", padded(e), at, held, state, acc, shape[1], shape[0])
        np.testing.assert_array_equal(acc.read()[: shape[1]], -gone.astype(np.int64).T @ e.astype(np.int64))
