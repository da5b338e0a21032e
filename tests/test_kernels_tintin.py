"""Tin-Tin on the device: its kernels against each formula written out in NumPy, and a step against the golden model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from conftest import examples
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from m0sim import Machine, UsageError, image, toolchain
from m0sim.chip import device
from m0sim.chip.cost import Cost
from m0sim.study.learn import blocks, layout, methods, networks, onchip, pretrain
from m0sim.study.learn import datasets as data
from m0sim.study.learn.config import DeviceOptions
from m0sim.study.learn.methods import Config
from m0sim.study.learn.rotate import rotate

KERNELS = Path(__file__).parents[1] / "kernels"
LARGEST = 127 * 256

Array = npt.NDArray[Any]

many = settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))


# The formulas


def psto_shift(x: Array, s: int) -> Array:
    m, h = np.abs(x.astype(np.int64)), s >> 1
    r = m & ((1 << s) - 1)
    q, u = r >> h, r & ((1 << h) - 1)
    return np.sign(x) * ((m >> s) + (q > (2 * u if s & 1 else u)))


def updated(w: Array, grad: Array, s: int) -> Array:
    """int16: W16 after a step by `grad` at the shift s."""
    moved = psto_shift(grad, min(s, 62)) if s > 0 else grad.astype(np.int64) << min(-s, 16)
    return np.clip(w - (moved if s <= 31 else 0), -LARGEST, LARGEST).astype(np.int16)


def padded(n: int) -> int:
    return (n + 3) // 4 * 4


def words(values: Array, order: list[int]) -> Array:
    """`values` [n_out, n_in] as the device has them, zeros for padding, the four inputs of a word in `order`."""
    n_out, n_in = values.shape
    full = np.zeros((padded(n_out), padded(n_in)), np.int64)
    full[:n_out, :n_in] = values
    return full.reshape(-1, 4, padded(n_in) // 4, 4).transpose(0, 2, 1, 3)[..., order].reshape(-1)


def pack_wide(w: Array) -> Array:
    stored = words(w, [2, 0, 3, 1])
    return (stored + 32895 + (stored >= 0)).astype(np.uint16)


def pack_rounded(w: Array) -> Array:
    """The edge array of W16 / 256, ties away from zero."""
    w = w.astype(np.int64)
    return (words(np.sign(w) * ((np.abs(w) + 128) >> 8), [2, 3, 0, 1]) + 128).astype(np.uint8)


def pad_bytes(values: Array, fill: int) -> Array:
    """A copy whose size is a multiple of four."""
    return np.concatenate([values, np.full(-values.size % 4, fill)]).astype(np.int8)


# The machine


@cache
def elf(name: str) -> Path | None:
    """The kernels by the toolchain `name`; None where it is not installed."""
    import tempfile

    try:
        tools = toolchain.find(name)
    except UsageError:
        return None
    output = Path(tempfile.mkdtemp(prefix="m0k-")) / f"{name}.elf"
    return tools.build([KERNELS / "tintin.S"], output, linker_script=KERNELS / "m0sim.ld")


def run(name: str, *fields: Any, changes: int, arguments: Sequence[int] = ()) -> tuple[Cost, Array]:
    """Run `name` on a block of `fields`, arrays being buffers: with every toolchain, which must agree in all.

    Returns the cost, and the array `changes` afterwards, the only one that may change.
    """
    results = []
    for path in filter(None, map(elf, toolchain.NAMES)):
        machine = Machine.from_elf(path)
        fields += (0,) * (len(blocks.blocks()[name]) - len(fields))
        buffers = [machine.alloc(f) if isinstance(f, np.ndarray) else f for f in fields]
        block = machine.alloc(np.array([b if isinstance(b, int) else b.address for b in buffers], np.uint32))
        cost = machine.call(name, block, *arguments)
        if arguments:
            assert cost.result == buffers[changes].address
        for i, (before, after) in enumerate(zip(fields, buffers, strict=True)):
            if isinstance(before, np.ndarray) and i != changes:
                np.testing.assert_array_equal(after.read(), before)
        results.append((cost, buffers[changes].read()))
    for cost, after in results[1:]:
        assert cost.cycles == results[0][0].cycles
        np.testing.assert_array_equal(after, results[0][1])
    return results[0]


# Values: extremes, zeros and small ones are as likely as any


def values(rng: np.random.Generator, shape: Any, low: int, high: int) -> Array:
    kind = rng.integers(5)
    anything = rng.integers(low, high + 1, shape)
    if kind == 0:
        anything = rng.choice([low, high], shape)
    if kind == 1:
        anything = np.clip(rng.integers(-3, 4, shape), low, high)
    if kind >= 3:
        anything = anything * (rng.random(shape) < rng.choice([0.0, 0.1, 0.5, 0.9]))
    return anything


def wide(rng: np.random.Generator, n_out: int, n_in: int) -> Array:
    """int16 weights: anything, near the ends, near zero, or near where rounding turns."""
    shape, kind = (n_out, n_in), rng.integers(6)
    if kind == 0:
        near = rng.choice([-1, 1], shape) * (LARGEST - rng.integers(0, 300, shape))
    elif kind == 1:
        near = rng.integers(-300, 301, shape)
    elif kind == 2:
        near = np.clip(256 * rng.integers(-127, 128, shape) + 128 + rng.integers(-1, 2, shape), -LARGEST, LARGEST)
    elif kind == 3:
        near = rng.choice([-16385, -16384, -16383, 16383, 16384, 16385], shape)
    else:
        near = values(rng, shape, -LARGEST, LARGEST)
    return near.astype(np.int16)


seeds = st.integers(0, 2**32 - 1)
sizes = st.one_of(st.sampled_from([1, 2, 3, 4, 5, 7, 8, 9]), st.integers(1, 70))
shifts = st.one_of(st.integers(-3, 12), st.integers(-40, 70))


def exponents(rng: np.random.Generator, shift: int) -> tuple[Array, Array, int]:
    """Exponents of error and activation, and the base (as a word) that give `shift`."""
    error, source = (int(x) for x in rng.integers(-30, 31, 2))
    return np.array([error], np.int32), np.array([source], np.int32), (shift + error + source) & 0xFFFFFFFF


# The kernels, and what the head of tintin.S says about their cycles


def rounding_cycles(n: int) -> int:
    blocks = n // 16
    return 24 + 2 * n + 3 * ((blocks + 1) // 2) + blocks % 2


def test_every_weight_is_rounded_right() -> None:
    w = np.arange(-LARGEST, LARGEST + 1, dtype=np.int16)
    w = np.concatenate([w, np.zeros(-w.size % 16, np.int16)]).reshape(4, -1)
    stored = pack_wide(w)
    np.testing.assert_array_equal(np.sort(stored[stored != 32896]), np.setdiff1d(np.arange(383, 65409), [32895, 32896]))
    cost, out = run("m0k_w16_copy", stored, np.zeros(w.size, np.uint8), w.size, changes=1)
    np.testing.assert_array_equal(out, pack_rounded(w))
    assert cost.cycles == rounding_cycles(w.size)


@many
@given(seeds, sizes, sizes)
def test_w16_copy(seed: int, n_in: int, n_out: int) -> None:
    w = wide(np.random.default_rng(seed), n_out, n_in)
    n = padded(n_in) * padded(n_out)
    cost, out = run("m0k_w16_copy", pack_wide(w), np.zeros(n, np.uint8), n, changes=1)
    np.testing.assert_array_equal(out, pack_rounded(w))
    assert cost.cycles == rounding_cycles(n)
    assert cost.stack_bytes == 20


@many
@given(seeds, sizes, sizes)
def test_rows_w16(seed: int, n_in: int, n_out: int) -> None:
    rng = np.random.default_rng(seed)
    w, size = wide(rng, n_out, n_in), 4 * padded(n_in)
    group = int(rng.integers(padded(n_out) // 4))
    place = np.zeros(size, np.uint8)
    cost, out = run("m0k_rows_w16", pack_wide(w), place, size, changes=1, arguments=[group])
    np.testing.assert_array_equal(out, pack_rounded(w)[group * size :][:size])
    assert cost.cycles == rounding_cycles(size) + 5
    assert cost.stack_bytes == 20


@many
@given(seeds, sizes, sizes, shifts)
@example(0, 1, 1, 0)
def test_tintin_dense(seed: int, n_in: int, n_out: int, shift: int) -> None:
    rng = np.random.default_rng(seed)
    w, e, a = wide(rng, n_out, n_in), values(rng, n_out, -127, 127), values(rng, n_in, 0, 127)
    fields = (pad_bytes(e, 99), pad_bytes(a, 127), pack_wide(w), n_in, n_out, *exponents(rng, shift))
    cost, after = run("m0k_tintin_dense", *fields, changes=2)
    new = updated(w, np.outer(e, a), shift)
    np.testing.assert_array_equal(after, pack_wide(new))
    assert cost.cycles <= dense_cycles(w, e, shift)
    assert cost.stack_bytes <= 60


def dense_cycles(w: Array, e: Array, shift: int) -> int:
    n_out, count = w.shape[0], padded(w.shape[1]) // 4
    if shift < 1:
        return int(120 + 32 * n_out + np.count_nonzero(e) * (45 + 137 * count))
    far = np.zeros((n_out, 4 * count), bool)
    far[:, : w.shape[1]] = (w < -16384) & (e[:, None] > 0) | (w >= 16384) & (e[:, None] < 0)
    edge_by_edge = np.count_nonzero(far.reshape(n_out, count, 4).any(axis=-1))
    return int(120 + 32 * n_out + np.count_nonzero(e) * (45 + 77 * count) + 123 * edge_by_edge)


@many
@given(seeds, sizes, sizes, shifts, st.integers(0, 29))
def test_tintin_grad(seed: int, n_in: int, n_out: int, shift: int, bits: int) -> None:
    rng = np.random.default_rng(seed)
    w, limit = wide(rng, n_out, n_in), 2 ** (bits + 1) - 1
    grad = np.zeros((n_out, padded(n_in)), np.int32)
    grad[:, :n_in] = values(rng, (n_out, n_in), -limit, limit)
    cost, after = run("m0k_tintin_grad", grad, pack_wide(w), n_in, n_out, *exponents(rng, shift), changes=1)
    np.testing.assert_array_equal(after, pack_wide(updated(w, grad[:, :n_in], shift)))
    assert cost.cycles <= 90 + n_out * (15 + (164 if shift < 0 else 124) * padded(n_in) // 4)
    assert cost.stack_bytes <= 36


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("shift", [-40, -16, -1, 0, 1, 2, 5, 27, 28, 31, 32])
def test_dense_at_the_extremes(shift: int, sign: int) -> None:
    w = np.array([[-LARGEST, LARGEST, 0, -1, 1, 16383, 16384, -16384, -16385]] * 6, np.int16)
    e, a = np.array([127, -127, 1, -1, 0, 127]) * sign, np.array([127] * 8 + [0])
    fields = (pad_bytes(e, 99), pad_bytes(a, 127), pack_wide(w), 9, 6)
    _, after = run("m0k_tintin_dense", *fields, *exponents(np.random.default_rng(0), shift), changes=2)
    np.testing.assert_array_equal(after, pack_wide(updated(w, np.outer(e, a), shift)))


# The layout, and whole steps


@given(seeds, sizes, sizes)
def test_packing(seed: int, n_in: int, n_out: int) -> None:
    w = wide(np.random.default_rng(seed), n_out, n_in)
    packed = layout.pack_wide(w)
    np.testing.assert_array_equal(packed, pack_wide(w))
    np.testing.assert_array_equal(layout.unpack_wide(packed, w.shape), w)


@pytest.mark.parametrize("rate", [8, 4])
def test_ten_steps_on_the_device_equal_the_golden_model(rate: int, build: Any) -> None:
    kernels = image.load_elf(build(*sorted(KERNELS.glob("*.S")), flags=()))
    network, method = networks.get("tiny-cnn-8"), methods.get("tin-tin")
    backbone = pretrain.bundled(network.name)
    config = Config(weight_exponents=backbone.config.weight_exponents, rate=rate)
    frozen = method.freeze(network, backbone.weights, config)
    state = method.initial_state(network, frozen, config, seed=0)
    plan = onchip.plan(network, method.device, config, frozen, DeviceOptions())
    program = onchip.deploy(plan, config, frozen, state, kernels, device.load("rp2040"))
    digits = data.load("digits").part("transfer")
    images = data.network_input(rotate(digits.images[:10], 30.0))
    for picture, label in zip(images, digits.labels, strict=False):
        golden = method.step(network, frozen, state, picture, int(label), config)
        program.step(picture, int(label))
        found = [method.device.read(program.read, stage, frozen) for stage in network.stages]
        for before, after, on_chip in zip(state.learned, golden.state.learned, found, strict=True):
            assert (before != after).any()
            np.testing.assert_array_equal(on_chip, after)
        state = golden.state
