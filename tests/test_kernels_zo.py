"""Zeroth order on the device: its kernels against the scalar transcription, and what the head of zo.S says."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from m0sim import Machine, UsageError, toolchain
from m0sim.chip.cost import Cost
from m0sim.study.learn import layout
from m0sim.study.learn.methods import zo_int8
from m0sim.study.learn.networks import Conv, Dense, Network
from tests.reference import learning as scalar

KERNELS = Path(__file__).parents[1] / "kernels"
STRIDE = 0x9E3779B9

Array = npt.NDArray[Any]

many = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))


@cache
def elf(name: str) -> Path | None:
    """The kernels by the toolchain `name`; None where it is not installed."""
    try:
        tools = toolchain.find(name)
    except UsageError:
        return None
    return tools.build([KERNELS / "zo.S"], Path(mkdtemp(prefix="m0k-")) / "zo.elf", linker_script=KERNELS / "m0sim.ld")


def run(name: str, *fields: Any, changes: Sequence[int], group: int | None = None) -> tuple[Cost, list[Array]]:
    """Run `name` on a block of `fields`, arrays being buffers, by every toolchain, which must agree in all.

    Returns the cost, and the arrays at `changes` afterwards, the only ones that may change.
    """
    results = []
    for path in filter(None, map(elf, toolchain.NAMES)):
        machine = Machine.from_elf(path)
        buffers = [machine.alloc(f) if isinstance(f, np.ndarray) else f for f in fields]
        block = machine.alloc(np.array([b if isinstance(b, int) else b.address for b in buffers], np.uint32))
        cost = machine.call(name, block, *([] if group is None else [group]))
        if group is not None:
            assert cost.result == buffers[changes[0]].address
        for i, (before, after) in enumerate(zip(fields, buffers, strict=True)):
            if isinstance(before, np.ndarray) and i not in changes:
                np.testing.assert_array_equal(after.read(), before)
        results.append((cost, [buffers[i].read() for i in changes]))
    if not results:
        pytest.skip("no toolchain")
    for cost, after in results[1:]:
        assert cost.cycles == results[0][0].cycles
        for one, other in zip(after, results[0][1], strict=True):
            np.testing.assert_array_equal(one, other)
    return results[0]


def word(*values: int, dtype: type = np.int32) -> Array:
    return np.array(values, dtype)


seeds = st.integers(0, 2**32 - 1)
sizes = st.one_of(st.sampled_from([1, 2, 3, 4, 5, 7, 8, 9]), st.integers(1, 40))


def layer(rng: np.random.Generator, n_out: int, n_in: int) -> tuple[Array, Array]:
    """int8 weights, many at the ends, and their edge array with a padding of its own, which must stay."""
    w = np.clip(rng.integers(-200, 201, (n_out, n_in)), -127, 127).astype(np.int8)
    return w, layout.pack_weights(w)


def moved(w: Array, index: int, key: int, steps: list[int], sparsity: int) -> Array:
    """W after its draws of layer `index`, one at a time."""
    r = (len(steps) - 1) // 2
    z = scalar.draws(index, key, r, sparsity, w.tolist())
    return np.array(scalar.over(lambda a, b: scalar.sat(a + steps[b + r]), w.tolist(), z), np.int8)


def drawn_of(rng: np.random.Generator) -> tuple[int, int, int, Array]:
    """Layer, key, sparsity and steps of an odd number of draws; the draw of nothing is no step."""
    r = int(rng.choice([0, 1, 7, 127]))
    steps = rng.integers(-127, 128, 2 * r + 1).astype(np.int8)
    steps[r] = 0  # as the transcription cannot tell it from an edge without a draw
    return int(rng.integers(9)), int(rng.integers(2**32)), int(rng.choice([0, 1, 2, 3, 8, 16])), steps


def draw_cycles(outputs: int, n_in: int, sparsity: int) -> int:
    """At most, by the head of zo.S."""
    return outputs * (14 + 44 * -(-n_in >> sparsity)) + 2 * (outputs // 4)


@many
@given(seeds, sizes, sizes)
def test_rows(seed: int, n_in: int, n_out: int) -> None:
    rng = np.random.default_rng(seed)
    index, key, sparsity, steps = drawn_of(rng)
    w, packed = layer(rng, n_out, n_in)
    size, group = 4 * layout.row_bytes(n_in), int(rng.integers(-(-n_out // 4)))
    drawn = (n_in, n_out, word(key, dtype=np.uint32), index << 24, sparsity, len(steps))
    fields = (*drawn, packed, np.zeros(size, np.uint8), size, steps)
    cost, (rows,) = run("m0k_rows_zo", *fields, changes=[7], group=group)
    want = layout.pack_weights(moved(w, index, key, steps.tolist(), sparsity))
    np.testing.assert_array_equal(rows, want[group * size :][:size])
    assert cost.cycles <= 124 + 13 * size // 16 + draw_cycles(min(4, n_out - 4 * group), n_in, sparsity)
    assert cost.stack_bytes == 68


@many
@given(seeds, sizes, sizes, st.sampled_from([(-5, 3), (3, -5), (4, 4), (2**31 - 1, -(2**31))]))
def test_move(seed: int, n_in: int, n_out: int, losses: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    index, key, sparsity, down = drawn_of(rng)
    up = -down
    w, packed = layer(rng, n_out, n_in)
    fields = (n_in, n_out, word(key, dtype=np.uint32), index << 24, sparsity, len(down), packed)
    cost, (after,) = run("m0k_zo_move", *fields, *map(word, losses), down, up, changes=[6])
    used = down if losses[0] > losses[1] else up if losses[0] < losses[1] else 0 * down
    np.testing.assert_array_equal(after, layout.pack_weights(moved(w, index, key, used.tolist(), sparsity)))
    assert cost.cycles <= (21 if losses[0] == losses[1] else 112 + draw_cycles(n_out, n_in, sparsity))
    assert cost.stack_bytes <= 56


@many
@given(st.lists(st.integers(-127, 127), min_size=1, max_size=40), st.integers(-20, 12), seeds)
@example([127, -127], 7, 1)
@example([127, -127], 7, 0)
@example([127] * 40, -15, 0)
def test_loss(logits: list[int], exponent: int, which: int) -> None:
    label = which % len(logits)
    fields = (np.array(logits, np.int8), word(label), len(logits), word(exponent), word(77))
    cost, (found,) = run("m0k_zo_loss", *fields, changes=[4])
    want = scalar.loss_value(logits, exponent, label)
    assert found[0] == want == zo_int8.loss_value(np.array(logits, np.int8), exponent, label)
    assert cost.result == 0
    assert cost.cycles <= 110 + 27 * len(logits)
    assert cost.stack_bytes == 24


@many
@given(seeds, st.integers(0, 2**32 - 2))
@example(0, 0)
def test_next(seed: int, done: int) -> None:
    stream = scalar.mix(seed)
    fields = (word(done, dtype=np.uint32), word(0, dtype=np.uint32), stream)
    cost, (steps, key) = run("m0k_zo_next", *fields, changes=[0, 1])
    assert steps[0] == done + 1
    assert key[0] == scalar.mix((stream + (done + 1) * STRIDE) % 2**32) == zo_int8.key_of(seed, done + 1)
    assert cost.cycles == 31
    assert cost.stack_bytes == 0


@pytest.mark.parametrize("sparsity", [0, 3])
def test_draws_are_uniform_and_differ(sparsity: int) -> None:
    """Each value about as often as another, one in a block, none like another layer's, step's or seed's."""
    network = Network("two", (28, 28, 1), (Conv(4, (28, 28), pad=0), Dense(64), Dense(784)))
    first, second, large = network.stages
    z = zo_int8.draws(large, zo_int8.key_of(3, 5), 7, sparsity)
    counts = np.bincount(z[z != 0].astype(np.int64) + 7, minlength=15)
    expected = z.size / 15 / 2**sparsity
    assert counts[7] == 0
    assert np.abs(np.delete(counts, 7) - expected).max() < 6 * expected**0.5
    assert (np.count_nonzero(z.reshape(-1, 2**sparsity), axis=1) <= 1).all()
    keys = [zo_int8.key_of(seed, step) for seed in (0, 1) for step in (1, 2)]
    drawn = [zo_int8.draws(first, key, 7, sparsity).reshape(-1)[:256] for key in keys]
    drawn.append(zo_int8.draws(second, keys[0], 7, sparsity).reshape(-1)[:256])
    for i, one in enumerate(drawn):
        for other in drawn[:i]:
            assert np.mean((one == other)[(one != 0) | (other != 0)]) < 0.2


def test_the_loss_is_near_the_cross_entropy() -> None:
    """Within what straight lines between powers of two differ by: 0.0861 bits, up for powers, down for logarithms."""
    rng = np.random.default_rng(4)
    for exponent in (-6, -5, -3):
        logits = rng.integers(-127, 128, 10).astype(np.int8)
        real = logits * 2.0**exponent
        exact = (np.log(np.exp(real - real.max()).sum()) + real.max() - real[3]) / np.log(2)
        assert abs(zo_int8.loss_value(logits, exponent, 3) / 4096 - exact) < 0.0861 + 0.002
