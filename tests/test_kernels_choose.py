"""m0k_choose_channels against a plain statement of what it chooses, m0k_niti_rows against NumPy; cycles and stack."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Build, examples
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from m0sim import Machine
from m0sim.image import Image, load_elf
from m0sim.study.learn import layout
from m0sim.study.learn.arithmetic import psto_shift
from m0sim.study.learn.kernels import STACK
from m0sim.study.learn.methods.niti_partial import chosen, how_many

KERNELS = Path(__file__).parents[1] / "kernels"
Array = NDArray[Any]


@pytest.fixture(scope="module", params=["zig", "gnu"])
def kernels(request: pytest.FixtureRequest, build: Build) -> Image:
    return loaded(build(KERNELS / "choose.S", toolchain=request.param, linker_script=KERNELS / "m0sim.ld"))


@pytest.fixture(scope="module", params=["zig", "gnu"])
def rows(request: pytest.FixtureRequest, build: Build) -> Image:
    return loaded(build(KERNELS / "niti.S", toolchain=request.param, linker_script=KERNELS / "m0sim.ld"))


@cache
def loaded(elf: Path) -> Image:
    return load_elf(elf)


def errors(kind: str, seed: int, shape: tuple[int, int]) -> Array:
    """int64 [positions, channels], -127..127."""
    rng = np.random.default_rng(seed)
    if kind == "extreme":
        return rng.choice([-127, 127], shape)
    if kind == "equal":  # ties among most channels
        return np.broadcast_to(rng.integers(-1, 2, shape[1]), shape) * rng.choice([-1, 1], shape)
    return rng.integers(-127, 128, shape) * (rng.random(shape) < {"dense": 1, "rare": 0.05, "zero": 0}[kind])


def share_of(channels: int, wrong: int, lo: int, hi: int) -> int:
    """The formula as it stands in docs/arithmetic.md, in fractions, with its clip."""
    share = Fraction(lo, 100) + Fraction(hi - lo, 100) * Fraction(wrong, 127)
    return ceil(channels * min(max(share, Fraction(0)), Fraction(1)))


def best(error: Array, count: int) -> set[int]:
    """The channels, looked for one after the other."""
    sums = {c: sum(abs(e) for e in error[:, c].tolist()) for c in range(error.shape[1])}
    found: set[int] = set()
    while len(found) < count:
        found.add(max(sums.keys() - found, key=lambda c: (sums[c], -c)))
    return found


KINDS = st.sampled_from(["extreme", "equal", "dense", "rare", "zero"])
PERCENT = st.sampled_from([0, 1, 10, 50, 99, 100])


@settings(max_examples=examples(80), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    positions=st.sampled_from([1, 2, 3, 9, 49]),
    channels=st.integers(1, 24),
    kind=KINDS,
    seed=st.integers(0, 2**32),
    wrong=st.integers(-127, 127),
    shares=st.tuples(PERCENT, PERCENT),
    in_place=st.booleans(),
)
@example(positions=512, channels=4, kind="extreme", seed=0, wrong=-64, shares=(0, 100), in_place=True)
@example(positions=1100, channels=8, kind="extreme", seed=0, wrong=127, shares=(0, 50), in_place=False)
@example(positions=1, channels=20, kind="zero", seed=0, wrong=0, shares=(0, 100), in_place=False)
def test_the_channels_with_the_largest_errors_stay(
    kernels: Image,
    positions: int,
    channels: int,
    kind: str,
    seed: int,
    wrong: int,
    shares: tuple[int, int],
    in_place: bool,
) -> None:
    error = errors(kind, seed, (positions, channels))
    count = share_of(channels, abs(wrong), *shares)
    stay = best(error, count)
    machine, size = Machine(kernels), error.size
    fill = np.full(-size % 4, 77, np.int8)  # of the buffers: it must stay
    given_error = machine.alloc(np.concatenate([error.reshape(-1).astype(np.int8), fill]))
    out = given_error if in_place else machine.alloc(np.full(size + len(fill), 77, np.int8))
    sums = machine.alloc(np.full(channels, 0xDEADBEEF, np.uint32))
    loss, label = machine.alloc(np.array([1, wrong, 2], np.int8)), machine.alloc(np.array([1], np.uint32))
    words = [given_error.address, out.address, positions, channels, sums.address, loss.address, label.address, *shares]
    cost = machine.call("m0k_choose_channels", machine.alloc(np.array(words, np.uint32)), result="void", keep=True)
    assert not cost.warnings
    wanted = np.where(np.isin(np.arange(channels), list(stay)), error, 0)
    np.testing.assert_array_equal(out.read()[:size].reshape(wanted.shape), wanted)
    assert (out.read()[size:] == 77).all()
    if not in_place:
        np.testing.assert_array_equal(given_error.read()[:size].reshape(error.shape), error)
    if in_place and count == channels:
        assert (sums.read() != 0).all()
        assert cost.cycles < 270 + 6 * channels
    else:
        np.testing.assert_array_equal(sums.read(), np.abs(wanted).sum(axis=0))
    assert cost.stack_bytes <= STACK["m0k_choose_channels"]
    assert cost.cycles <= bound(error)


def bound(error: Array) -> int:
    """Cycles by the contract."""
    positions, channels = error.shape
    cycles = 330 + 6 * channels + (35 + 7 * channels) * int(np.abs(error).sum(axis=0).max()).bit_length()
    if channels % 4:
        return cycles + channels * (45 + 19 * positions)
    return cycles + channels // 4 * (130 + 30 * positions + 50 * -(-positions // 512))


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    n_in=st.integers(1, 30),
    kept=st.lists(st.booleans(), min_size=1, max_size=4),
    shift=st.integers(0, 24),
    seed=st.integers(0, 2**32),
    active=st.sampled_from([None, 0, 1]),
)
def test_rows_with_a_sum_learn(
    rows: Image, n_in: int, kept: list[bool], shift: int, seed: int, active: int | None
) -> None:
    """The others' gradient is not read: there is anything in it."""
    rng, n_out = np.random.default_rng(seed), len(kept)
    grad, w = rng.integers(-(1 << 20), 1 << 20, (n_out, n_in)), rng.integers(-127, 128, (n_out, n_in)).astype(np.int8)
    padded = np.zeros((n_out, layout.row_bytes(n_in)), np.int32)
    padded[:, :n_in] = grad
    padded[[not keep for keep in kept]] = -1 << 30
    machine, packed = Machine(rows), layout.pack_weights(w)
    given_grad, weights = machine.alloc(padded.reshape(-1)), machine.alloc(packed)
    sums = machine.alloc(np.where(kept, rng.integers(1, 99, n_out), 0).astype(np.uint32))
    word = 0 if active is None else machine.alloc(np.array([active], np.uint32)).address
    words = [given_grad.address, weights.address, n_in, n_out, shift, 7, word, 0, sums.address]
    cost = machine.call("m0k_niti_rows", machine.alloc(np.array(words, np.uint32)), result="void", keep=True)
    assert not cost.warnings
    learn = np.array(kept)[:, None] & (active != 0)
    wanted = np.where(learn, np.clip(w - psto_shift(grad.astype(np.int32), shift), -127, 127), w)
    np.testing.assert_array_equal(weights.read(), layout.pack_weights(wanted.astype(np.int8)))
    assert cost.stack_bytes <= STACK["m0k_niti_rows"]
    assert cost.cycles <= 70 + 15 * n_out + sum(kept) * (80 + 16 + 104 * layout.row_bytes(n_in) // 4)


@given(st.integers(1, 70_000), st.integers(0, 127), st.integers(0, 100), st.integers(0, 100))
@example(65_535, 127, 100, 100)
@example(64, 1, 0, 100)
def test_how_many(channels: int, wrong: int, lo: int, hi: int) -> None:
    assert how_many(channels, wrong, lo, hi) == share_of(channels, wrong, lo, hi) <= channels


@given(kind=KINDS, seed=st.integers(0, 2**32), channels=st.integers(1, 20), positions=st.integers(1, 5))
def test_the_golden_choice(kind: str, seed: int, channels: int, positions: int) -> None:
    error = errors(kind, seed, (positions, channels))
    for count in range(channels + 1):
        assert set(chosen(error.astype(np.int8), count).tolist()) == best(error, count)
