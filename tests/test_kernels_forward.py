"""The forward kernels against a plain NumPy statement of each formula, for any shape and value, and their cycles."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from conftest import LINKER_SCRIPT, Build, examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from m0sim import Machine
from m0sim.chip.buffer import Buffer
from m0sim.chip.cost import Cost
from m0sim.image import load_elf
from m0sim.study.learn.layout import conv_scratch

KERNELS = Path(__file__).parents[1] / "kernels"
DENSE = ("dense", "dense_lanes", "dense_list", "dense_columns")
SOURCES = [
    KERNELS / f"{name}.S"
    for name in (*DENSE, "conv", "conv_lanes", "conv_one", "pool", "requant", "bias", "loss", "run")
]
IntArray = npt.NDArray[Any]

#: Bytes of stack that each kernel may take, as its contract says.
STACK = {
    "m0k_dense_forward": 116,
    "m0k_conv_forward": 272,
    "m0k_im2col": 40,
    "m0k_pool": 56,
    "m0k_requant": 28,
    "m0k_first_values": 16,
    "m0k_loss": 36,
    "m0k_run": 8,
    "m0k_loss_phase": 8,
    "m0k_step": 8 + 8 + 56,
}

# A provider whose context is {edge array, bytes of a group}; it spoils every register that a callee may.
PROVIDER = """
    .syntax unified
    .cpu cortex-m0plus
    .thumb
    .section .text.rows, "ax", %progbits
    .global rows
    .type rows, %function
    .thumb_func
rows:
    ldr r2, [r0, #4]
    muls r1, r2, r1
    ldr r0, [r0]
    adds r0, r0, r1
    movs r1, #99
    movs r2, #99
    movs r3, #99
    mov r12, r1
    bx lr
    .size rows, . - rows
"""


# ------------------------------------------------------------------------------------------------------ the formulas


def round_shift(x: IntArray, s: int) -> IntArray:
    x = x.astype(np.int64)
    return x if s <= 0 else (x + (1 << (s - 1)) + (x >> 31)) >> s


def psto_shift(x: int, s: int) -> int:
    if s <= 0:
        return x
    t, r, h = abs(x) >> s, abs(x) % (1 << s), s >> 1
    q, u = r >> h, r % (1 << h)
    u = 2 * u if s % 2 else u
    return (1 if x > 0 else -1) * (t + (q > u))


def requantised(acc: IntArray, shift: int, relu: int) -> IntArray:
    return np.clip(round_shift(acc, shift), 0 if relu else -127, 127)


Pads = int | tuple[int, int]


def sides(pad: Pads) -> tuple[int, int]:
    """Zeros above and below, left and right."""
    return pad if isinstance(pad, tuple) else (pad, pad)


def convolution(image: IntArray, weights: IntArray, stride: int, pad: Pads) -> IntArray:
    """int64[oh, ow, c_out] of an image [h, w, c] and weights [c_out, kh, kw, c]."""
    taps = windows(image, weights.shape[1:3], stride, pad)
    acc: IntArray = np.einsum("yxklc,oklc->yxo", taps, weights.astype(np.int64))
    return acc


def windows(image: IntArray, kernel: tuple[int, ...], stride: int, pad: Pads) -> IntArray:
    """The taps of each output position: int64[oh, ow, kh, kw, c]."""
    padded = np.pad(image.astype(np.int64), (*((n, n) for n in sides(pad)), (0, 0)))
    views = np.lib.stride_tricks.sliding_window_view(padded, kernel, (0, 1))[::stride, ::stride]
    return views.transpose(0, 1, 3, 4, 2)


def loss_error(logits: list[int], label: int, exponent: int) -> list[int]:
    shift = 15 - min(max(exponent, -15), 7)
    z = [(o * 47274) >> shift for o in logits]
    n = [(1 << max(0, v - (max(z) - 10))) - 1 for v in z]
    g = [v * 2048 // sum(n) for v in n]
    g[label] -= sum(g)
    return [min(max(psto_shift(v, 4), -127), 127) for v in g]


def pack(weights: IntArray) -> npt.NDArray[np.uint8]:
    """The edge array of weights [n_out, n_in], edge by edge from its definition."""
    n_out, n_in = weights.shape
    array = np.full((-(-n_out // 4), -(-n_in // 4), 4, 4), 128, np.uint8)
    for o in range(n_out):
        for i in range(n_in):
            array[o // 4, i // 4, o % 4, (i % 4 + 2) % 4] = int(weights[o, i]) + 128
    return array.reshape(-1)


# ------------------------------------------------------------------------------------------------------- the machine


@pytest.fixture(scope="module", params=["zig", "gnu"])
def elf(request: pytest.FixtureRequest, build: Build, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(build, tmp_path_factory, request.param)


@pytest.fixture(scope="module")
def both(build: Build, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return built(build, tmp_path_factory, "zig"), built(build, tmp_path_factory, "gnu")


def built(build: Build, folders: pytest.TempPathFactory, toolchain: str) -> Path:
    provider = folders.getbasetemp() / "rows.S"
    provider.write_text(PROVIDER)
    return build(*SOURCES, provider, toolchain=toolchain, linker_script=LINKER_SCRIPT)


@cache
def image(elf: Path) -> Any:
    return load_elf(elf)


class Chip:
    """A machine for one call: red zones around each buffer, and the block of words that the kernel is called with."""

    def __init__(self, elf: Path) -> None:
        self.machine = Machine(image(elf))

    def words(self, *values: int | Buffer) -> Buffer:
        numbers = [v.address if isinstance(v, Buffer) else int(v) & 0xFFFFFFFF for v in values]
        return self.machine.alloc(np.array(numbers, np.uint32))

    def activations(self, values: IntArray) -> Buffer:
        flat = values.reshape(-1).astype(np.int8)
        return self.machine.alloc(np.concatenate([flat, np.zeros(-len(flat) % 4, np.int8)]))

    def room(self, count: int, dtype: type, offset: int = 0) -> tuple[Buffer, int]:
        """Room for `count` items that ends exactly at the red zone, and the address where it begins."""
        buffer = self.machine.alloc(np.full(offset + count, 77, dtype))
        return buffer, buffer.address + offset

    def call(self, kernel: str, block: Buffer) -> Cost:
        cost = self.machine.call(kernel, block)
        assert not cost.warnings, cost.warnings
        assert cost.stack_bytes <= STACK[kernel]
        return cost


def run_dense(
    elf: Path,
    weights: IntArray,
    a: IntArray,
    shift: int = 0,
    relu: int = 0,
    signed: int = 0,
    *,
    provider: bool = False,
    acc: bool = False,
    offset: int = 0,
) -> tuple[IntArray, Cost]:
    chip = Chip(elf)
    n_out, n_in = weights.shape
    inputs, edges = chip.activations(a), chip.machine.alloc(pack(weights))
    out, address = chip.room(n_out, np.int32 if acc else np.int8, offset)
    source: tuple[int | Buffer, ...] = (0, 0)
    if provider:
        source = chip.machine.symbol("rows").address | 1, chip.words(edges, 16 * -(-n_in // 4))
    to_out, to_acc = (0, address) if acc else (address, 0)
    array = 0 if provider else edges.address
    block = chip.words(inputs, array, to_out, n_in, n_out, shift, relu, signed, *source, to_acc, 0, 0, 0, 0)
    cost = chip.call("m0k_dense_forward", block)
    assert (out.read()[:offset] == 77).all()
    return out.read()[offset:], cost


def run_conv(
    elf: Path,
    weights: IntArray,
    a: IntArray,
    stride: int,
    pad: Pads,
    shift: int = 0,
    relu: int = 0,
    signed: int = 0,
    *,
    acc: bool = False,
    offset: int = 0,
    provider: bool = False,
    first: IntArray | None = None,
) -> tuple[IntArray, Cost]:
    chip = Chip(elf)
    n_out, kernel_h, kernel_w, channels = weights.shape
    height, width, _ = a.shape
    pad_h, pad_w = pads = sides(pad)
    shape = (height + 2 * pad_h - kernel_h) // stride + 1, (width + 2 * pad_w - kernel_w) // stride + 1, n_out
    inputs, edges = chip.activations(a), chip.machine.alloc(pack(weights.reshape(n_out, -1)))
    kernel = kernel_h, kernel_w
    size = conv_scratch(a.shape, n_out, kernel, stride, pads, signed=bool(signed), provided=provider)
    scratch, _ = chip.room(size, np.uint8)
    out, address = chip.room(int(np.prod(shape)), np.int32 if acc else np.int8, offset)
    to_out, to_acc = (0, address) if acc else (address, 0)
    geometry = height, width, channels, n_out, kernel_h, kernel_w, stride, *pads
    array, source, to_first = (
        edges.address,
        (0, 0),
        chip.machine.alloc(first.astype(np.int32)) if first is not None else 0,
    )
    if provider:
        array, source = (
            0,
            (chip.machine.symbol("rows").address | 1, chip.words(edges, len(edges.read()) // -(-n_out // 4))),
        )
    block = chip.words(inputs, array, to_out, scratch, *geometry, shift, relu, signed, to_acc, to_first, *source)
    cost = chip.call("m0k_conv_forward", block)
    assert (out.read()[:offset] == 77).all()
    return out.read()[offset:].reshape(shape), cost


# --------------------------------------------------------------------------------------------------- values to try

seeds = st.integers(0, 2**32 - 1)
shifts = st.one_of(st.integers(0, 12), st.integers(0, 24))
flags = st.integers(0, 1)
sizes = st.one_of(st.integers(1, 24), st.sampled_from([31, 64, 72, 127, 200, 1023, 1024, 1025, 1028, 2051]))
#: How tensors are filled: anything, only extremes, mostly zeros, nearly all zeros, small.
kinds = st.sampled_from(["uniform", "extreme", "sparse", "rare", "small", "zero", "one-signed"])


def tensor(rng: np.random.Generator, kind: str, low: int, shape: tuple[int, ...]) -> IntArray:
    if kind == "extreme":
        return rng.choice([low, 0, 127], shape, p=[0.45, 0.1, 0.45])
    if kind == "one-signed":
        return np.full(shape, rng.choice([low, 127]))
    if kind == "zero":
        return np.zeros(shape, np.int64)
    values = rng.integers(max(low, -3), 4, shape) if kind == "small" else rng.integers(low, 128, shape)
    return values * (rng.random(shape) < {"sparse": 0.3, "rare": 0.02}.get(kind, 1))


def many(count: int) -> settings:
    return settings(
        max_examples=examples(count), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )


# ------------------------------------------------------------------------------------------------------------- tests


@many(30)
@given(sizes, st.integers(1, 9), shifts, flags, flags, kinds, kinds, st.booleans(), st.integers(0, 3), seeds)
def test_dense(
    elf: Path,
    n_in: int,
    n_out: int,
    shift: int,
    relu: int,
    signed: int,
    kind_a: str,
    kind_w: str,
    provider: bool,
    offset: int,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    weights = tensor(rng, kind_w, -127, (n_out, n_in))
    a = tensor(rng, kind_a, -127 if signed else 0, (n_in,))
    acc = weights @ a
    out, cost = run_dense(elf, weights, a, shift, relu, signed, provider=provider, offset=offset)
    np.testing.assert_array_equal(out, requantised(acc, shift, relu))
    if not provider:
        assert cost.cycles <= dense_bound(n_in, n_out, relu, signed)
    sums, _ = run_dense(elf, weights, a, shift, relu, signed, provider=provider, acc=True)
    np.testing.assert_array_equal(sums, acc)


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("a", [0, 1, 127, -127])
@pytest.mark.parametrize("w", [-127, 127])
def test_dense_is_exact_where_all_is_extreme(elf: Path, signed: int, a: int, w: int) -> None:
    a = abs(a) if not signed else a
    acc, _ = run_dense(elf, np.full((5, 3001), w), np.full(3001, a), signed=signed, acc=True)
    np.testing.assert_array_equal(acc, np.full(5, 3001 * w * a))


def test_every_pair_of_bytes_is_exact(elf: Path) -> None:
    """All 255 weights with all activations, in each of the four positions of a word."""
    weights = np.arange(-127, 128)
    for signed in (0, 1):
        for value in range(-127 if signed else 0, 128, 3):
            lanes = np.zeros((255, 4), int)
            lanes[:, value % 4] = weights
            acc, _ = run_dense(elf, lanes, np.full(4, value), signed=signed, acc=True)
            np.testing.assert_array_equal(acc, weights * value)


def test_dense_with_the_longest_input(elf: Path) -> None:
    flash = 0x10100000  # the edge array is as large as the SRAM
    for signed in (0, 1):
        chip = Chip(elf)
        chip.machine.write(flash, np.full(4 * 65536, 255, np.uint8))
        out, _ = chip.room(1, np.int32)
        inputs = chip.activations(np.full(65535, 127))
        chip.call("m0k_dense_forward", chip.words(inputs, flash, 0, 65535, 1, 0, 0, signed, 0, 0, out, 0, 0, 0, 0))
        assert out.read()[0] == 65535 * 127 * 127


@st.composite
def geometries(draw: st.DrawFn) -> tuple[int, ...]:
    """height, width, channels, n_out, kernel_h, kernel_w, stride, pad_h, pad_w."""
    pad_h, pad_w = draw(st.integers(0, 2)), draw(st.integers(0, 2))
    kernel_h, kernel_w = draw(st.sampled_from([(1, 1), (3, 3), (5, 5), (3, 3), (1, 3), (5, 3), (1, 7)]))
    height = draw(st.integers(max(1, kernel_h - 2 * pad_h), 9))
    width = draw(st.integers(max(1, kernel_w - 2 * pad_w), 9))
    channels = draw(st.sampled_from([1, 2, 3, 4, 8, 12, 20]))
    n_out = draw(st.one_of(st.integers(1, 9), st.sampled_from([12, 15, 16])))
    return height, width, channels, n_out, kernel_h, kernel_w, draw(st.integers(1, 2)), pad_h, pad_w


@many(50)
@given(geometries(), shifts, flags, flags, kinds, kinds, st.booleans(), st.booleans(), st.integers(0, 3), seeds)
def test_conv(
    elf: Path,
    geometry: tuple[int, ...],
    shift: int,
    relu: int,
    signed: int,
    kind_a: str,
    kind_w: str,
    provider: bool,
    biased: bool,
    offset: int,
    seed: int,
) -> None:
    height, width, channels, n_out, kernel_h, kernel_w, stride, *pads = geometry
    rng = np.random.default_rng(seed)
    weights = tensor(rng, kind_w, -127, (n_out, kernel_h, kernel_w, channels))
    a = tensor(rng, kind_a, -127 if signed else 0, (height, width, channels))
    first = rng.integers(-(2**20), 2**20, n_out) >> rng.integers(0, 21) if biased else None
    pad = pads[0], pads[1]
    acc = convolution(a, weights, stride, pad) + (0 if first is None else first)
    where = elf, weights, a, stride, pad
    out, _ = run_conv(*where, shift, relu, signed, offset=offset, provider=provider, first=first)
    np.testing.assert_array_equal(out, requantised(acc, shift, relu))
    sums, _ = run_conv(*where, shift, relu, signed, acc=True, provider=provider, first=first)
    np.testing.assert_array_equal(sums, acc)


@st.composite
def first_layers(draw: st.DrawFn) -> tuple[int, ...]:
    """height, width, n_out of what m0k_conv_one is for."""
    return draw(st.integers(1, 9)), draw(st.integers(1, 9)), draw(st.sampled_from([8, 16, 24]))


@many(35)
@given(first_layers(), shifts, flags, kinds, kinds, st.booleans(), st.booleans(), st.integers(0, 3), seeds)
def test_the_first_layer(
    elf: Path,
    layer: tuple[int, ...],
    shift: int,
    relu: int,
    kind_a: str,
    kind_w: str,
    provider: bool,
    biased: bool,
    offset: int,
    seed: int,
) -> None:
    height, width, n_out = layer
    rng = np.random.default_rng(seed)
    weights, a = tensor(rng, kind_w, -127, (n_out, 3, 3, 1)), tensor(rng, kind_a, 0, (height, width, 1))
    first = rng.integers(-(2**20), 2**20, n_out) >> rng.integers(0, 21) if biased else None
    acc = convolution(a, weights, 1, 1) + (0 if first is None else first)
    out, _ = run_conv(elf, weights, a, 1, 1, shift, relu, offset=offset, provider=provider, first=first)
    np.testing.assert_array_equal(out, requantised(acc, shift, relu))
    sums, _ = run_conv(elf, weights, a, 1, 1, acc=True, provider=provider, first=first)
    np.testing.assert_array_equal(sums, acc)


@pytest.mark.parametrize("row", range(6))
def test_the_first_layer_of_one_pixel(elf: Path, row: int) -> None:
    """Outputs are zeros without a look at the positions where all three rows are, and only there."""
    rng = np.random.default_rng(row)
    weights, a = tensor(rng, "uniform", -127, (8, 3, 3, 1)), np.zeros((6, 5, 1), int)
    a[row, rng.integers(5)] = 127
    out, _ = run_conv(elf, weights, a, 1, 1, 7, 1)
    np.testing.assert_array_equal(out, requantised(convolution(a, weights, 1, 1), 7, 1))


def test_conv_of_rows_that_a_provider_gives_in_several_passes(elf: Path) -> None:
    rng = np.random.default_rng(8)
    weights, a = tensor(rng, "uniform", -127, (9, 3, 3, 130)), tensor(rng, "uniform", 0, (3, 2, 130))
    first = rng.integers(-(2**20), 2**20, 9)
    acc = convolution(a, weights, 1, 1) + first
    out, _ = run_conv(elf, weights, a, 1, 1, 13, 1, provider=True, first=first)
    np.testing.assert_array_equal(out, requantised(acc, 13, 1))
    sums, _ = run_conv(elf, weights, a, 1, 1, acc=True, provider=True, first=first)
    np.testing.assert_array_equal(sums, acc)


@pytest.mark.parametrize("channels", [160, 129])
def test_conv_over_more_inputs_than_a_lane_can_sum(elf: Path, channels: int) -> None:
    weights, a = np.full((3, 3, 3, channels), 127), np.full((4, 3, channels), 127)
    acc, _ = run_conv(elf, weights, a, 1, 1, acc=True)
    np.testing.assert_array_equal(acc, convolution(a, weights, 1, 1))


@many(40)
@given(geometries(), st.data(), seeds)
def test_im2col(elf: Path, geometry: tuple[int, ...], data: st.DataObject, seed: int) -> None:
    height, width, channels, _, kernel_h, kernel_w, stride, pad_h, pad_w = geometry
    a = np.random.default_rng(seed).integers(-127, 128, (height, width, channels))
    taps = windows(a, (kernel_h, kernel_w), stride, (pad_h, pad_w))
    y, x = data.draw(st.integers(0, taps.shape[0] - 1)), data.draw(st.integers(0, taps.shape[1] - 1))
    chip = Chip(elf)
    patch, _ = chip.room(-(-kernel_h * kernel_w * channels // 4) * 4, np.int8)
    shape = height, width, channels, kernel_h, kernel_w, stride, pad_h, pad_w
    block = chip.words(chip.activations(a), patch, *shape, y, x)
    chip.call("m0k_im2col", block)
    expected = taps[y, x].reshape(-1)
    np.testing.assert_array_equal(patch.read(), np.pad(expected, (0, -len(expected) % 4)))


@many(60)
@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 2, 3, 4, 5, 8, 12]), kinds, seeds)
def test_pool(elf: Path, height: int, width: int, channels: int, kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a = tensor(rng, kind, 0, (height, width, channels))
    rows, columns = height // 2, width // 2
    corners = a[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2, channels)
    corners = corners.transpose(0, 2, 4, 1, 3).reshape(rows, columns, channels, 4)
    chip = Chip(elf)
    (out, to_out), (argmax, to_argmax) = (chip.room(rows * columns * channels, np.uint8) for _ in range(2))
    chip.call("m0k_pool", chip.words(chip.activations(a), to_out, to_argmax, height, width, channels))
    np.testing.assert_array_equal(out.read(), corners.max(-1).reshape(-1))
    np.testing.assert_array_equal(argmax.read(), corners.argmax(-1).reshape(-1))
    within = chip.activations(a)
    chip.call("m0k_pool", chip.words(within, within, to_argmax, height, width, channels))
    np.testing.assert_array_equal(within.read()[: out.size].view(np.uint8), out.read())
    np.testing.assert_array_equal(argmax.read(), corners.argmax(-1).reshape(-1))
    alone, to_alone = chip.room(rows * columns * channels, np.uint8)
    chip.call("m0k_pool", chip.words(chip.activations(a), to_alone, 0, height, width, channels))
    np.testing.assert_array_equal(alone.read(), out.read())


@many(100)
@given(st.lists(st.integers(-(2**29) + 1, 2**29 - 1) | st.integers(-200, 200), min_size=1, max_size=9), st.data())
def test_first_values(elf: Path, biases: list[int], data: st.DataObject) -> None:
    """Shifts far beyond what is clamped; each side of the clamp is an edge case of small biases."""
    shift, image = data.draw(st.integers(-40, 40) | st.sampled_from([-(2**20), 2**20])), data.draw(st.integers(-9, 9))
    wanted = [int(np.sign(b)) * (abs(b) + (1 << shift >> 1) >> shift) if shift > 0 else b << -shift for b in biases]
    wanted = [min(max(value, -(2**29) + 1), 2**29 - 1) for value in wanted]
    chip = Chip(elf)
    out, to_out = chip.room(len(biases), np.int32)
    block = chip.words(chip.words(*biases), to_out, len(biases), chip.words(shift + image), image)
    cost = chip.call("m0k_first_values", block)
    assert out.read().tolist() == wanted
    clamped = sum(abs(b) > 2**29 - 1 >> min(max(-shift, 0), 30) for b in biases)
    assert cost.cycles == (33 + 11 * len(biases) if shift > 0 else 35 + 15 * len(biases) + 4 * clamped)


@many(100)
@given(
    *(
        st.integers(1, 40),
        st.integers(0, 30),
        st.integers(-1, 1),
        flags,
        st.sampled_from([0, 1, 2]),
        st.booleans(),
        seeds,
    ),
    st.sampled_from([0, 3, 4]),
)
def test_requant(
    elf: Path, n: int, bits: int, beside: int, relu: int, gated: int, counted: bool, seed: int, offset: int
) -> None:
    """Sums up to 2^bits, with one beside that power of two: there the bit length changes. To words and to bytes."""
    rng = np.random.default_rng(seed)
    acc = rng.integers(-(2**bits), 2**bits + 1, n)
    acc[rng.integers(n)] = rng.choice([-1, 1]) * min(2**bits + beside, 2**30)
    gate = tensor(rng, "sparse", 0, (n,))
    shift = max(0, int(np.abs(acc).max()).bit_length() - 7)
    chip = Chip(elf)
    exponent, source = chip.words(5), chip.words(-3)
    out, to_out = chip.room(n, np.int8, offset)
    to_gate = chip.activations(gate) if gated else 0
    sums = chip.machine.alloc(acc.astype(np.int32))
    cost = chip.call("m0k_requant", chip.words(sums, to_out, n, exponent if counted else 0, source, -9, relu, to_gate))
    expected = requantised(acc, shift, relu)
    assert (out.read()[:offset] == 77).all()
    np.testing.assert_array_equal(out.read()[offset:], np.where(gate == 0, 0, expected) if gated else expected)
    each = (24.63 if gated else 14.63) + 2.5 * (offset == 3) if relu else 27.63 if gated else 20.13
    assert cost.cycles <= 90 + 50 * relu + 5 * shift + each * n + 3 * n * (1 - relu)
    assert exponent.read().view(np.int32)[0] == (shift - 12 if counted else 5)
    chip.call("m0k_requant", chip.words(sums, sums, n, 0, source, -9, relu, to_gate))
    np.testing.assert_array_equal(sums.read().view(np.int8)[:n], out.read()[offset:])


@many(100)
@given(st.lists(st.integers(-127, 127), min_size=1, max_size=70), st.data(), st.integers(-20, 10))
def test_loss(elf: Path, logits: list[int], data: st.DataObject, exponent: int) -> None:
    label = data.draw(st.integers(0, len(logits) - 1))
    chip = Chip(elf)
    error, to_error = chip.room(len(logits), np.int8, 1)
    where = chip.activations(np.array(logits)), chip.words(label), to_error, len(logits), chip.words(exponent)
    cost = chip.call("m0k_loss", chip.words(*where, 0x1234))
    expected = loss_error(logits, label, exponent)
    assert error.read()[1:].tolist() == expected
    assert cost.result == (0 if any(expected) else 0x1234)
    assert cost.cycles <= 110 + 127 * len(logits)


def test_the_dispatcher_walks_phases_and_kernels(elf: Path) -> None:
    chip = Chip(elf)
    address = {name: chip.machine.symbol(name).address | 1 for name in ("m0k_pool", "m0k_forward", "m0k_backward")}
    a = np.arange(64)
    first, second = chip.room(16, np.uint8)[0], chip.room(4, np.uint8)[0]
    places = chip.room(16, np.uint8)[0]
    blocks = [chip.words(chip.activations(a), first, places, 8, 8, 1), chip.words(first, second, places, 4, 4, 1)]
    forward = chip.words(address["m0k_pool"], blocks[0], 0, 0)
    backward = chip.words(address["m0k_pool"], blocks[1], 0, 0)
    phases = chip.words(address["m0k_forward"], forward, address["m0k_backward"], backward, 0, 0)
    cost = chip.machine.call("m0k_step", phases)
    assert not cost.warnings
    assert second.read().tolist() == a.reshape(8, 8)[3::4, 3::4].reshape(-1).tolist()
    parts = [cost.functions[name].inclusive_cycles for name in ("m0k_forward", "m0k_backward")]
    assert sum(parts) + 12 + 2 * 12 == cost.cycles
    assert [cost.functions[name].self_cycles for name in ("m0k_forward", "m0k_backward")] == [13 + 10] * 2


@pytest.mark.parametrize("is_idle", [False, True])
def test_a_step_goes_on_where_the_loss_says(elf: Path, is_idle: bool) -> None:
    """With no error all that follows is left out, but for what the loss names instead: here a pool to elsewhere."""
    chip = Chip(elf)
    names = ("m0k_loss", "m0k_pool", "m0k_loss_phase", "m0k_update", "m0k_prune")
    loss, pool, loss_phase, update, prune = (chip.machine.symbol(name).address | 1 for name in names)
    (after, places), instead = (chip.room(4, np.uint8)[0] for _ in range(2)), chip.room(4, np.uint8)[0]
    a = chip.activations(np.arange(16))
    idle = chip.words(prune, chip.words(pool, chip.words(a, instead, places, 4, 4, 1), 0, 0), 0, 0)
    logits = chip.activations(np.array([127, -127]))
    block = chip.words(logits, chip.words(int(not is_idle)), chip.room(2, np.int8)[0], 2, chip.words(0), idle)
    later = chip.words(pool, chip.words(a, after, places, 4, 4, 1), 0, 0)
    cost = chip.call("m0k_step", chip.words(loss_phase, chip.words(loss, block, 0, 0), update, later, 0, 0))
    done, left = (instead, after) if is_idle else (after, instead)
    assert done.read().tolist() == [5, 7, 13, 15]
    assert left.read().tolist() == [77] * 4
    phases = 16 + 2 * 12 if is_idle else 12 + 2 * 12
    named = ("m0k_loss_phase", "m0k_prune" if is_idle else "m0k_update")
    assert cost.cycles == phases + sum(cost.functions[name].inclusive_cycles for name in named)


def test_an_empty_list_goes_on_with_the_next(elf: Path) -> None:
    chip = Chip(elf)
    for name in ("m0k_run", "m0k_loss_phase", "m0k_step"):
        cost = chip.call(name, chip.words(0, 0))
        assert cost.cycles <= 15
        assert name != "m0k_loss_phase" or cost.result == 0


# ------------------------------------------------------------------------------------------------------------ cycles

# The formulas at the head of each .S file.


def group_cycles(n_in: int, relu: int, signed: int) -> int:
    words = -(-n_in // 4)
    return (59 if relu else 85) + (66 if signed else 49) * words + 4 * -(-words // 4)


def dense_cycles(n_in: int, n_out: int, relu: int, signed: int) -> int:
    """Exact to one cycle when no lane of the input is zero, nothing saturates and n_out is a multiple of 4."""
    words = -(-n_in // 4)
    summed = 0 if signed else 12 + 6 * words + 20 * -(-words // 256)
    return 157 + summed + -(-n_out // 4) * group_cycles(n_in, relu, signed)


def dense_bound(n_in: int, n_out: int, relu: int, signed: int) -> int:
    """For any values: a saturated output takes up to 7 more, a last group of 1 to 3 outputs up to 14."""
    lone = 4 * -(-n_in // 4) * -(-n_out // 4) if signed else 0
    return dense_cycles(n_in, n_out, relu, signed) + 7 * n_out + 14 + lone


def patch_cycles(shape: tuple[int, ...], channels: int, n_out: int, relu: int, signed: int) -> int:
    """3x3, every position inside, channels a multiple of 4; exact to 4 cycles as `dense_cycles` is."""
    position = 114 + 33 * channels // 4 if signed else 130 + 66 * channels // 4
    groups = -(-n_out // 4) * group_cycles(9 * channels, relu, signed)
    asked = 34 if channels <= 64 else 0
    return 221 + asked + 51 * shape[0] + shape[0] * shape[1] * (position + groups)


def lane_cycles(a: IntArray, shape: tuple[int, ...], kernel: int, n_out: int, relu: int, signed: int) -> float:
    """Every position inside, no zeros, n_out a multiple of 4; exact to 1.5 %."""
    height, width, channels = a.shape
    edges, words = kernel * kernel * channels // 4, kernel * kernel * channels // 2
    links = kernel * -(-kernel * channels // (12 if signed else 24))
    total = 0.0
    for outputs in [8] * (n_out // 8) + [4] * (n_out % 8 // 4):
        step = (45 if signed else 39) if outputs == 8 else (25 if signed else 21)
        ends = (126 if relu else 171) if outputs == 8 else (88 if relu else 113)
        pixels = (
            height * width * (33 + (19 if signed else 15) * channels / 4) + 10 * width * (channels + 2) / 8 * kernel / 3
        )
        total += 530 + 62 * edges * outputs / 4 + 14 * links + pixels + 10 * height
        total += shape[0] * 190 + shape[0] * shape[1] * (ends + 8 * links + step * words)
    return total


@pytest.mark.parametrize("relu", [0, 1])
@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize(("n_in", "n_out"), [(4, 4), (20, 8), (72, 16), (784, 28), (1024, 4), (1028, 8), (2048, 4)])
def test_dense_cycles_are_the_documented_formula(elf: Path, n_in: int, n_out: int, signed: int, relu: int) -> None:
    _, cost = run_dense(elf, np.ones((n_out, n_in), int), np.ones(n_in, int), 10, relu, signed)
    assert 0 <= dense_cycles(n_in, n_out, relu, signed) - cost.cycles <= 3


@pytest.mark.parametrize("relu", [0, 1])
@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize(
    ("height", "width", "channels", "n_out"), [(3, 3, 4, 4), (4, 5, 68, 8), (5, 4, 80, 4), (5, 9, 72, 4)]
)
def test_conv_by_patches_takes_the_documented_cycles(
    elf: Path, height: int, width: int, channels: int, n_out: int, signed: int, relu: int
) -> None:
    weights, a = np.ones((n_out, 3, 3, channels), int), np.ones((height, width, channels), int)
    out, cost = run_conv(elf, weights, a, 1, 0, 10, relu, signed)
    assert 0 <= patch_cycles(out.shape, channels, n_out, relu, signed) - cost.cycles <= 4


@pytest.mark.parametrize("relu", [0, 1])
@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize(
    ("height", "width", "channels", "n_out", "kernel"),
    [(6, 5, 8, 8, 3), (5, 9, 16, 4, 3), (14, 14, 8, 16, 3), (9, 9, 8, 12, 5), (8, 8, 32, 8, 3), (9, 7, 16, 8, 1)],
)
def test_conv_by_lanes_takes_the_documented_cycles(
    elf: Path, height: int, width: int, channels: int, n_out: int, kernel: int, signed: int, relu: int
) -> None:
    weights, a = np.ones((n_out, kernel, kernel, channels), int), np.ones((height, width, channels), int)
    out, cost = run_conv(elf, weights, a, 1, 0, 10, relu, signed)
    assert cost.cycles == pytest.approx(lane_cycles(a, out.shape, kernel, n_out, relu, signed), rel=0.015)


@pytest.mark.parametrize("relu", [0, 1])
@pytest.mark.parametrize(("height", "width", "n_out"), [(28, 28, 8), (3, 5, 8), (9, 2, 24)])
def test_the_first_layer_takes_the_documented_cycles(elf: Path, height: int, width: int, n_out: int, relu: int) -> None:
    weights, a = np.ones((n_out, 3, 3, 1), int), np.ones((height, width, 1), int)
    _, cost = run_conv(elf, weights, a, 1, 1, 10, relu)
    position = 345 if relu else 396
    expected = 150 + n_out // 8 * (620 + 45 * height + height * width * position - 62 * width)
    assert cost.cycles == pytest.approx(expected, rel=0.015)


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("channels", [68, 80])
def test_a_border_position_takes_the_documented_cycles_more(elf: Path, channels: int, signed: int) -> None:
    rng = np.random.default_rng(5)
    weights, a = rng.integers(-127, 128, (8, 3, 3, channels)), rng.integers(1, 128, (7, 7, channels))
    out, cost = run_conv(elf, weights, a, 1, 1, 24, 1, signed)
    words = 9 * channels // 4
    assert cost.cycles <= patch_cycles(out.shape, channels, 8, 1, signed) + 24 * (190 + 8 * words)


@pytest.mark.parametrize("shape", [(14, 14, 8, 16), (8, 8, 32, 8), (5, 5, 64, 4)])
@pytest.mark.parametrize("pixels", [0, 1])
def test_a_convolution_of_next_to_nothing_makes_no_lanes(elf: Path, shape: tuple[int, ...], pixels: int) -> None:
    height, width, channels, n_out = shape
    a, weights = np.zeros((height, width, channels), int), np.full((n_out, 3, 3, channels), 127)
    _, dense = run_conv(elf, weights, a + 1, 1, 1, 0, 1, 0)
    a[1, 1, :pixels] = 1
    out, cost = run_conv(elf, weights, a, 1, 1, 0, 1, 0)
    np.testing.assert_array_equal(out, requantised(convolution(a, weights, 1, 1), 0, 1))
    assert cost.cycles < (0.03 if not pixels else 0.5) * dense.cycles


@pytest.mark.parametrize("kind", ["uniform", "extreme", "one-signed"])
@pytest.mark.parametrize(("signed", "limit"), [(0, 3.7), (1, 4.6)])
@pytest.mark.parametrize("relu", [0, 1])
def test_the_flagship_shapes_are_fast(elf: Path, signed: int, limit: float, relu: int, kind: str) -> None:
    rng = np.random.default_rng(7)
    low = -127 if signed else 0
    a = np.where((dense := tensor(rng, kind, low, (784,))) == 0, 1, dense)
    _, cost = run_dense(elf, tensor(rng, kind, -127, (64, 784)), a, 9, relu, signed)
    assert cost.cycles <= limit * 784 * 64


@pytest.mark.parametrize("kind", ["uniform", "extreme", "one-signed"])
@pytest.mark.parametrize(("signed", "limit"), [(0, 2.8), (1, 3.2)])
@pytest.mark.parametrize("relu", [0, 1])
def test_the_flagship_convolution_is_fast(elf: Path, signed: int, limit: float, relu: int, kind: str) -> None:
    rng = np.random.default_rng(7)
    a = np.where((image := tensor(rng, kind, -127 if signed else 0, (14, 14, 8))) == 0, 1, image)
    weights = tensor(rng, kind, -127, (16, 3, 3, 8))
    out, cost = run_conv(elf, weights, a, 1, 1, 9, relu, signed)
    np.testing.assert_array_equal(out, requantised(convolution(a, weights, 1, 1), 9, relu))
    assert cost.cycles <= limit * 14 * 14 * 16 * 72


@pytest.mark.parametrize("channels", [4, 8, 3, 1])
def test_pool_cycles_are_the_documented_formula(elf: Path, channels: int) -> None:
    chip = Chip(elf)
    out, places = chip.room(15 * channels, np.uint8)[0], chip.room(15 * channels, np.uint8)[0]
    a = chip.activations(np.random.default_rng(1).integers(1, 128, (7, 10, channels)))
    cost = chip.call("m0k_pool", chip.words(a, out, places, 7, 10, channels))
    if channels % 4 == 0:
        assert cost.cycles == 64 + 16 * 3 + 15 * (19 + 69 * channels // 4)
    else:
        assert 0 <= 64 + 16 * 3 + 15 * (19 + 31 * channels) - cost.cycles <= 3 * 15 * channels


@pytest.mark.parametrize(
    ("relu", "gate", "each"), [(1, None, 14.63), (0, None, 20.13), (0, 1, 27.63), (0, 0, 19.63), (1, 1, 24.63)]
)
@pytest.mark.parametrize("n", [1, 3, 64, 1001])
def test_requant_cycles_are_below_the_documented_bound(
    elf: Path, n: int, relu: int, gate: int | None, each: float
) -> None:
    chip = Chip(elf)
    sums = np.random.default_rng(1).integers(-(2**18), 2**18, n)
    sums[0] = 2**18
    to_gate = 0 if gate is None else chip.activations(np.full(n, gate))
    acc, exponent, out = chip.machine.alloc(sums.astype(np.int32)), chip.words(0), chip.room(n, np.int8)[0]
    cost = chip.call("m0k_requant", chip.words(acc, out, n, exponent, exponent, 0, relu, to_gate))
    fixed = 90 + 5 * 12 + 50 * relu + 3 * (1 - relu) * (np.abs(sums) >= 127.5 * 2**12).sum()
    assert 0 <= fixed + each * n - cost.cycles <= 50 + 0.06 * each * n


def test_both_toolchains_give_the_same_results_and_cycles(both: tuple[Path, Path]) -> None:
    rng = np.random.default_rng(3)
    for signed in (0, 1):
        for relu in (0, 1):
            low = -127 if signed else 0
            weights, a = tensor(rng, "uniform", -127, (9, 3, 3, 5)), tensor(rng, "sparse", low, (6, 7, 5))
            flat = a.reshape(-1)
            matrix = rng.integers(-127, 128, (7, len(flat)))
            for one, two in (
                [run_conv(elf, weights, a, 1, 1, 7, relu, signed) for elf in both],
                [run_dense(elf, matrix, flat, 9, relu, signed, provider=True) for elf in both],
            ):
                np.testing.assert_array_equal(one[0], two[0])
                assert one[1].cycles == two[1].cycles
                assert one[1].instructions == two[1].instructions
