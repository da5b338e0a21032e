"""The C references in kernels/ref give the numbers of the formulas, written here in NumPy and int64."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from conftest import examples, found_toolchain
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from kernel_case_lists import pruned_list

from m0sim import Buffer, Machine, toolchain
from m0sim.image import Image, load_elf
from m0sim.study.learn import layout

KERNELS = Path(__file__).parents[1] / "kernels"
SOURCES = sorted((KERNELS / "ref").glob("*.c"))
SOME = settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 20)
SHIFTS = st.integers(0, 24)

Int = npt.NDArray[np.int64]
Array = npt.NDArray[Any]


SMALL = [pytest.param((name, "-Os"), marks=pytest.mark.long) for name in toolchain.NAMES]


@pytest.fixture(scope="module", params=[*product(toolchain.NAMES, ("-O3",)), *SMALL], ids="".join)
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Image:
    name, level = request.param
    path = tmp_path_factory.mktemp("ref") / "ref.elf"
    found_toolchain(name).build(SOURCES, path, flags=(level, "-g"), linker_script=KERNELS / "m0sim.ld")
    return load_elf(path)


def run(image: Image, function: str, *arguments: Array | int | None) -> tuple[list[Array], int]:
    """The array arguments' contents after the call, and the result. None is a null pointer."""
    machine = Machine(image)
    given = [machine.alloc(a) if isinstance(a, np.ndarray) else a or 0 for a in arguments]
    cost = machine.call(function, *given)
    return [buffer.read() for buffer in given if isinstance(buffer, Buffer)], int(cost.result or 0)


# -------------------------------------------------------------------------------------------------------- the formulas


def sat(x: Int) -> Int:
    return np.clip(x, -127, 127)


def round_shift(x: Int, s: int) -> Int:
    rounded: Int = x if s <= 0 else np.sign(x) * ((np.abs(x) + (1 << s >> 1)) >> s)
    return rounded


def psto_shift(x: Int, s: int) -> Int:
    if s <= 0:
        return x
    t, r, half = np.abs(x) >> s, np.abs(x) % (1 << s), s >> 1
    q, u = r >> half, (r % (1 << half)) << (s % 2)
    rounded: Int = np.sign(x) * (t + (q > u))
    return rounded


def bit_length(x: Int) -> int:
    return int(np.abs(x).max(initial=0)).bit_length()


def stored(acc: Int, shift: int, keep: npt.NDArray[np.bool_] | bool = True) -> Array:
    return np.where(keep, sat(round_shift(acc, shift)), 0).astype(np.int8)


def signed(rng: np.random.Generator, *shape: int, zeros: float = 0.3) -> Int:
    """-127 .. 127 with zeros and extremes."""
    values = rng.choice([int(rng.integers(-127, 128)), -127, 127, 1], shape)
    values = np.where(rng.random(shape) < 0.6, rng.integers(-127, 128, shape), values)
    return np.where(rng.random(shape) < zeros, 0, values)


def int8(*arrays: Int) -> list[Array]:
    return [array.astype(np.int8) for array in arrays]


def whole_words(x: Int) -> Array:
    """int8, followed by bytes of 0 .. 127 up to a whole word."""
    flat = x.astype(np.int8).ravel()
    return np.concatenate([flat, np.full(-flat.size % 4, 99, np.int8)])


def patches(image: Int, kernel: tuple[int, int], stride: int, pads: tuple[int, int]) -> Int:
    """``[out_h, out_w, kernel_h, kernel_w, channels]``."""
    padded = np.pad(image, (*((n, n) for n in pads), (0, 0)))
    view = np.lib.stride_tricks.sliding_window_view(padded, kernel, (0, 1))
    return view[::stride, ::stride].transpose(0, 1, 3, 4, 2)


# --------------------------------------------------------------------------------------------------------------- dense


@SOME
@given(n_in=st.integers(1, 60), n_out=SIZES, shift=SHIFTS, relu=st.booleans(), seed=SEEDS)
def test_dense_forward(image: Image, n_in: int, n_out: int, shift: int, relu: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, w = signed(rng, n_in), signed(rng, n_out, n_in)
    y = stored(w @ a, shift)
    (*_, out), _ = run(image, "ref_dense_forward", *int8(a, w), np.zeros(n_out, np.int8), n_in, n_out, shift, relu)
    np.testing.assert_array_equal(out, np.maximum(y, 0) if relu else y)
    (*_, acc), _ = run(image, "ref_dense_sums", *int8(a, w), np.zeros(n_out, np.int32), n_in, n_out)
    np.testing.assert_array_equal(acc, w @ a)


@SOME
@given(n_in=st.integers(1, 60), n_out=SIZES, shift=SHIFTS, relu=st.booleans(), signed_in=st.booleans(), seed=SEEDS)
@example(n_in=60, n_out=4, shift=0, relu=False, signed_in=True, seed=0)
def test_dense_forward_in_lanes(
    image: Image, n_in: int, n_out: int, shift: int, relu: bool, signed_in: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    a, w = signed(rng, n_in), signed(rng, n_out, n_in)
    a = a if signed_in else np.abs(a)
    packed, out = layout.pack_weights(int8(w)[0]), np.zeros(n_out, np.int8)
    words = (whole_words(a), packed, out, n_in, n_out, shift, relu, int(signed_in))
    for function in ("ref_swar_dense_forward", "ref_swar_dense_forward_skipping"):
        results, _ = run(image, function, *words)
        np.testing.assert_array_equal(results[2], np.maximum(stored(w @ a, shift), -127 * (not relu)))


@SOME
@given(n_in=st.integers(1, 60), n_out=SIZES, shift=SHIFTS, gated=st.booleans(), seed=SEEDS)
def test_dense_back(image: Image, n_in: int, n_out: int, shift: int, gated: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    e, w, gate = signed(rng, n_out), signed(rng, n_out, n_in), np.abs(signed(rng, n_in))
    acc, out = np.full(n_in, 5, np.int32), np.zeros(n_in, np.int8)
    more = (n_in, n_out, shift, int8(gate)[0] if gated else None)
    results, _ = run(image, "ref_dense_back", *int8(e, w), acc, out, *more)
    np.testing.assert_array_equal(results[2], e @ w)
    np.testing.assert_array_equal(results[3], stored(e @ w, shift, (gate > 0) | (not gated)))


# --------------------------------------------------------------------------------------------------------- convolution

CONVS = st.tuples(
    st.integers(1, 9),  # height
    st.integers(1, 9),
    st.integers(1, 5),  # channels
    st.integers(1, 5),  # n_out
    st.integers(1, 5),  # kernel_h
    st.integers(1, 5),
    st.integers(1, 3),  # stride
    st.integers(0, 2),  # pad_h
    st.integers(0, 2),
).filter(lambda s: s[0] + 2 * s[7] >= s[4] and s[1] + 2 * s[8] >= s[5])


class Conv:
    """Operands of one convolution. `w` is ``[n_out, kernel_h, kernel_w, channels]``, errors have the output's shape."""

    def __init__(self, shape: tuple[int, ...], seed: int) -> None:
        rng = np.random.default_rng(seed)
        height, width, channels, n_out, kernel_h, kernel_w, self.stride, *pads = shape
        self.pads = pads[0], pads[1]
        self.block = np.array(shape, np.int32)
        self.kernel = (kernel_h, kernel_w)
        self.a = signed(rng, height, width, channels)
        self.w = signed(rng, n_out, kernel_h, kernel_w, channels)
        self.patches = patches(self.a, self.kernel, self.stride, self.pads)
        out_shape = self.patches.shape[:2]
        self.pooled_error = signed(rng, out_shape[0] // 2, out_shape[1] // 2, n_out)
        self.argmax = rng.integers(0, 4, self.pooled_error.shape)
        self.error = signed(rng, *out_shape, n_out)

    def unpooled(self) -> Int:
        error = np.zeros_like(self.error)
        for (y, x, o), e in np.ndenumerate(self.pooled_error):
            place = self.argmax[y, x, o]
            error[2 * y + place // 2, 2 * x + place % 2, o] = e
        return error

    def back(self, error: Int) -> Int:
        """The transposed convolution, as a scatter of ``[positions, kernel, channels]``."""
        height, width, channels = self.a.shape
        above, left_of = self.pads
        sums = np.zeros((height + 2 * above, width + 2 * left_of, channels), np.int64)
        for y, x in np.ndindex(error.shape[:2]):
            top, left = y * self.stride, x * self.stride
            sums[top : top + self.kernel[0], left : left + self.kernel[1]] += np.tensordot(error[y, x], self.w, 1)
        return sums[above : above + height, left_of : left_of + width]

    def grad(self, error: Int) -> Int:
        return np.tensordot(error, self.patches, ((0, 1), (0, 1)))


@SOME
@given(shape=CONVS, shift=SHIFTS, relu=st.booleans(), seed=SEEDS)
def test_conv_forward(image: Image, shape: tuple[int, ...], shift: int, relu: bool, seed: int) -> None:
    conv = Conv(shape, seed)
    wanted = np.tensordot(conv.patches, conv.w, ((2, 3, 4), (1, 2, 3)))
    operands = (conv.block, *int8(conv.a, conv.w))
    (*_, out), _ = run(image, "ref_conv_forward", *operands, np.zeros(wanted.shape, np.int8), shift, relu)
    np.testing.assert_array_equal(out, np.maximum(stored(wanted, shift), -127 * (not relu)))
    (*_, acc), _ = run(image, "ref_conv_sums", *operands, np.zeros(wanted.shape, np.int32))
    np.testing.assert_array_equal(acc, wanted)


@SOME
@given(shape=CONVS, shift=SHIFTS, relu=st.booleans(), signed_in=st.booleans(), seed=SEEDS)
@example(shape=(5, 5, 4, 5, 3, 3, 1, 1, 1), shift=3, relu=False, signed_in=False, seed=0)
def test_conv_forward_in_lanes(
    image: Image, shape: tuple[int, ...], shift: int, relu: bool, signed_in: bool, seed: int
) -> None:
    conv = Conv(shape, seed)
    values, inputs = (conv.a, conv.patches) if signed_in else (np.abs(conv.a), np.abs(conv.patches))
    wanted = np.tensordot(inputs, conv.w, ((2, 3, 4), (1, 2, 3)))
    patch = np.full(layout.row_bytes(conv.w[0].size), 77, np.uint8)
    operands = (conv.block, whole_words(values), layout.pack_weights(int8(conv.w)[0]))
    out = np.zeros(wanted.shape, np.int8)
    for function in ("ref_swar_conv_forward", "ref_swar_conv_forward_skipping"):
        results, _ = run(image, function, *operands, out, patch, shift, relu, int(signed_in))
        np.testing.assert_array_equal(results[3], np.maximum(stored(wanted, shift), -127 * (not relu)))


@SOME
@given(shape=CONVS, shift=SHIFTS, pooled=st.booleans(), gated=st.booleans(), seed=SEEDS)
def test_conv_back_and_grad(
    image: Image, shape: tuple[int, ...], shift: int, pooled: bool, gated: bool, seed: int
) -> None:
    conv = Conv(shape, seed)
    error = conv.unpooled() if pooled else conv.error
    given = int8(conv.pooled_error if pooled else conv.error)[0]
    argmax = conv.argmax.astype(np.uint8) if pooled else None
    gate = np.abs(conv.a) if gated else None
    acc, out = np.full(conv.a.shape, 5, np.int32), np.zeros(conv.a.shape, np.int8)
    more = (shift, None if gate is None else int8(gate)[0])
    results, _ = run(image, "ref_conv_back", conv.block, given, argmax, *int8(conv.w), acc, out, *more)
    results = results[-3:-1] if gated else results[-2:]
    np.testing.assert_array_equal(results[0], conv.back(error))
    np.testing.assert_array_equal(results[1], stored(conv.back(error), shift, True if gate is None else gate > 0))
    junk = np.full(conv.w.shape, 5, np.int32)
    (*_, grad), _ = run(image, "ref_conv_grad", conv.block, given, argmax, *int8(conv.a), junk)
    np.testing.assert_array_equal(grad, conv.grad(error))


@SOME
@given(shape=CONVS, shift=SHIFTS, pooled=st.booleans(), gated=st.booleans(), seed=SEEDS)
def test_depthwise(image: Image, shape: tuple[int, ...], shift: int, pooled: bool, gated: bool, seed: int) -> None:
    """Each channel as a convolution of its own, of one channel to one."""
    channels = shape[2]
    parts = [Conv((*shape[:2], 1, 1, *shape[4:]), seed + c) for c in range(channels)]
    a, w = (np.concatenate([getattr(part, name) for part in parts], -1) for name in ("a", "w"))
    w = np.moveaxis(w, -1, 0).reshape(channels, *shape[4:6])
    errors = [part.unpooled() if pooled else part.error for part in parts]
    given = np.concatenate([part.pooled_error if pooled else part.error for part in parts], -1)
    argmax = np.concatenate([part.argmax for part in parts], -1).astype(np.uint8) if pooled else None
    block, relu = np.array(shape, np.int32), seed % 2

    acc = np.concatenate([np.tensordot(part.patches, part.w, ((2, 3, 4), (1, 2, 3))) for part in parts], -1)
    out = np.zeros(acc.shape, np.int8)
    (*_, found), _ = run(image, "ref_depthwise_forward", block, *int8(a, w), out, shift, relu)
    np.testing.assert_array_equal(found, np.maximum(stored(acc, shift), -127 * (not relu)))
    (*_, sums), _ = run(image, "ref_depthwise_sums", block, *int8(a, w), np.zeros(acc.shape, np.int32))
    np.testing.assert_array_equal(sums, acc)

    back = np.concatenate([part.back(e) for part, e in zip(parts, errors, strict=True)], -1)
    gate = np.abs(a) if gated else None
    more = (shift, None if gate is None else int8(gate)[0])
    junk = np.full(a.shape, 5, np.int32), np.zeros(a.shape, np.int8)
    results, _ = run(image, "ref_depthwise_back", block, *int8(given), argmax, *int8(w), *junk, *more)
    results = results[-3:-1] if gated else results[-2:]
    np.testing.assert_array_equal(results[0], back)
    np.testing.assert_array_equal(results[1], stored(back, shift, True if gate is None else gate > 0))
    (*_, grad), _ = run(
        image, "ref_depthwise_grad", block, *int8(given), argmax, *int8(a), np.full(w.shape, 5, np.int32)
    )
    whole = [part.grad(e)[0, ..., 0] for part, e in zip(parts, errors, strict=True)]
    np.testing.assert_array_equal(grad, np.array(whole))


# ------------------------------------------------------------------------------------------------- pool, requant, loss


@SOME
@given(
    sides=st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5)),
    window=st.sampled_from([(1, 1), (1, 2), (2, 1), (2, 2), (3, 2), (1, 9)]),
    seed=SEEDS,
)
def test_pools_over_windows(image: Image, sides: tuple[int, ...], window: tuple[int, int], seed: int) -> None:
    rng, (h, w), n = np.random.default_rng(seed), window, window[0] * window[1]
    rows, columns, channels = sides[0] // h, sides[1] // w, sides[2]
    a, error = rng.integers(0, 128, sides), signed(rng, rows, columns, channels)
    windows = a[: h * rows, : w * columns].reshape(rows, h, columns, w, channels).transpose(0, 2, 4, 1, 3)
    windows, where = windows.reshape(rows, columns, channels, n), np.array([*sides, h, w], np.int32)
    empty = np.zeros(max(error.size, 1), np.uint8)
    (*_, out, argmax), _ = run(image, "ref_pool_window", where, *int8(a), empty, empty)
    places = windows.argmax(-1).astype(np.uint8)
    np.testing.assert_array_equal(out[: error.size], windows.max(-1).ravel())
    np.testing.assert_array_equal(argmax[: error.size], places.ravel())
    factor, spread = int(2**16 / n + 0.5), int(2 ** (7 + n.bit_length()) / n + 0.5)
    (*_, out), _ = run(image, "ref_average", where, *int8(a), empty, factor)
    np.testing.assert_array_equal(out[: error.size], sat(round_shift(windows.sum(-1) * factor, 16)).ravel())
    kept, everywhere = np.zeros(sides, np.int64), np.zeros(sides, np.int64)
    for (y, x, c), e in np.ndenumerate(error):
        kept[h * y + places[y, x, c] // w, w * x + places[y, x, c] % w, c] = e
        everywhere[h * y : h * y + h, w * x : w * x + w, c] = round_shift(np.array(e * spread), 8)
    errors, whole = int8(np.resize(error, empty.size))[0], np.full(sides, 5, np.int8)
    (*_, out), _ = run(image, "ref_unpool", where, errors, np.resize(places, empty.size), whole)
    np.testing.assert_array_equal(out, kept)
    (*_, out), _ = run(image, "ref_average_back", where, errors, whole, spread)
    np.testing.assert_array_equal(out, everywhere)


@SOME
@given(height=st.integers(2, 9), width=st.integers(2, 9), channels=st.integers(1, 5), seed=SEEDS)
def test_pool(image: Image, height: int, width: int, channels: int, seed: int) -> None:
    a = np.random.default_rng(seed).integers(0, 3, (height, width, channels))
    h, w = height // 2, width // 2
    windows = a[: 2 * h, : 2 * w].reshape(h, 2, w, 2, channels).transpose(0, 2, 4, 1, 3).reshape(h, w, channels, 4)
    empty = np.zeros((h, w, channels), np.uint8)
    (_, out, argmax), _ = run(image, "ref_pool", *int8(a), empty, empty, height, width, channels)
    np.testing.assert_array_equal(out, windows.max(-1))
    np.testing.assert_array_equal(argmax, windows.argmax(-1))


@SOME
@given(n=st.integers(1, 50), bits=st.integers(0, 30), relu=st.booleans(), gated=st.booleans(), seed=SEEDS)
def test_requant(image: Image, n: int, bits: int, relu: bool, gated: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    acc, gate = rng.integers(-(1 << bits), (1 << bits) + 1, n), np.abs(signed(rng, n))
    shift = max(0, bit_length(acc) - 7)
    y = stored(acc, shift, (gate > 0) | (not gated))
    more = (n, relu, int8(gate)[0] if gated else None)
    results, used = run(image, "ref_requant", acc.astype(np.int32), np.zeros(n, np.int8), *more)
    assert used == shift
    np.testing.assert_array_equal(results[1], np.maximum(y, 0) if relu else y)


@SOME
@given(n=st.integers(1, 50), difference=st.integers(-40, 40), gated=st.booleans(), seed=SEEDS)
def test_add(image: Image, n: int, difference: int, gated: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b, gate = signed(rng, n), signed(rng, n), np.abs(signed(rng, n))
    y = sat(round_shift(a, max(-difference, 0)) + round_shift(b, max(difference, 0)))
    where = (*int8(a, b), np.zeros(n, np.int8), n, difference, int8(gate)[0] if gated else None)
    results, _ = run(image, "ref_add", *where)
    np.testing.assert_array_equal(results[2], np.where(gate > 0, y, 0) if gated else np.maximum(y, 0))


def wanted_loss(logits: Int, label: int, exponent: int) -> Int:
    z = logits * 47274 >> 15 - int(np.clip(exponent, -15, 7))
    n = (1 << np.maximum(0, z - (z.max() - 10))) - 1
    g = n * 2048 // n.sum()
    g[label] -= g.sum()
    return sat(psto_shift(g, 4))


@SOME
@given(classes=st.integers(1, 70), exponent=st.integers(-20, 10), seed=SEEDS)
@example(classes=1, exponent=0, seed=0)
def test_loss(image: Image, classes: int, exponent: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits, label = signed(rng, classes), int(rng.integers(classes))
    error = np.zeros(classes, np.int8)
    results, _ = run(image, "ref_loss", *int8(logits), label, error, classes, exponent)
    np.testing.assert_array_equal(results[1], wanted_loss(logits, label, exponent))


# ------------------------------------------------------------------------------------------------------------- updates


@SOME
@given(n_in=st.integers(1, 60), n_out=SIZES, shift=SHIFTS, mu=st.integers(-7, 7), seed=SEEDS)
def test_dense_updates(image: Image, n_in: int, n_out: int, shift: int, mu: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    e, a, w, s = signed(rng, n_out), signed(rng, n_in), signed(rng, n_out, n_in), signed(rng, n_out, n_in)
    grad = np.outer(e, a)
    results, _ = run(image, "ref_niti_dense", *int8(e, a, w), n_in, n_out, shift)
    np.testing.assert_array_equal(results[2], sat(w - psto_shift(grad, shift)))
    _, dynamic = run(image, "ref_niti_dense_shift", *int8(e, a), n_in, n_out, mu)
    assert dynamic == bit_length(grad) - mu
    results, _ = run(image, "ref_score_dense", *int8(e, a, w, s), n_in, n_out, shift)
    np.testing.assert_array_equal(results[3], sat(s - round_shift(w * grad, shift)))


@SOME
@given(n=st.integers(1, 60), bits=st.integers(0, 24), shift=SHIFTS, mu=st.integers(-7, 7), seed=SEEDS)
def test_gradient_updates(image: Image, n: int, bits: int, shift: int, mu: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    grad, w, s = rng.integers(-(1 << bits), (1 << bits) + 1, n), signed(rng, n), signed(rng, n)
    results, _ = run(image, "ref_niti_grad", grad.astype(np.int32), *int8(w), n, shift)
    np.testing.assert_array_equal(results[1], sat(w - psto_shift(grad, shift)))
    sums = np.array([0, 7], np.uint32)
    results, _ = run(
        image, "ref_niti_rows", *[np.tile(x, 2) for x in (grad.astype(np.int32), *int8(w))], sums, n, 2, shift
    )
    np.testing.assert_array_equal(results[1], np.concatenate([w, sat(w - psto_shift(grad, shift))]))
    _, dynamic = run(image, "ref_niti_grad_shift", grad.astype(np.int32), n, mu)
    assert dynamic == bit_length(grad) - mu
    for begin, before in ((1, 0), (0, 1 << 29)):
        seen = np.array([1 << 29], np.uint32)
        results, _ = run(image, "ref_niti_measure", grad.astype(np.int32), n, seen, begin)
        assert results[1].tolist() == [before | int(np.bitwise_or.reduce(np.abs(grad)))]
    grad //= 2
    results, _ = run(image, "ref_score_grad", grad.astype(np.int32), *int8(w, s), n, shift)
    np.testing.assert_array_equal(results[2], sat(s - round_shift(w * grad, shift)))


@SOME
@given(
    positions=st.integers(1, 9),
    channels=st.integers(1, 20),
    wrong=st.integers(0, 127),
    shares=st.tuples(st.integers(0, 100), st.integers(0, 100)),
    few=st.booleans(),
    seed=SEEDS,
)
def test_chosen_channels(
    image: Image, positions: int, channels: int, wrong: int, shares: tuple[int, int], few: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    error = signed(rng, positions, channels) * (rng.random((positions, channels)) < 0.2 if few else 1)
    loss, sums = np.array([5, -wrong], np.int8), np.zeros(channels, np.uint32)
    words = [*int8(error, 0 * error), positions, channels, sums, loss, 1, *shares]
    results, _ = run(image, "ref_choose_channels", *words)
    count = np.ceil(np.longdouble(channels * (127 * shares[0] + (shares[1] - shares[0]) * wrong)) / 12700)
    best = np.lexsort((np.arange(channels), -np.abs(error).sum(axis=0)))[: int(count)]
    wanted = np.where(np.isin(np.arange(channels), best), error, 0)
    np.testing.assert_array_equal(results[1], wanted)
    np.testing.assert_array_equal(results[2], np.abs(wanted).sum(axis=0))


def gap_list(edges: Int) -> Array:
    """Rising indices as gaps: 1 .. 255 to the next, 0 for 255 further without an edge."""
    out: list[int] = []
    for gap in np.diff(edges, prepend=-1).tolist():
        out += [0] * ((gap - 1) // 255) + [(gap - 1) % 255 + 1]
    return np.array(out, np.uint8)


@SOME
@given(n_in=st.integers(1, 300), n_out=SIZES, shift=SHIFTS, share=st.floats(0, 1), seed=SEEDS)
@example(n_in=300, n_out=20, shift=10, share=0.003, seed=1)
def test_sparse_updates(image: Image, n_in: int, n_out: int, shift: int, share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    e, a, w = signed(rng, n_out), signed(rng, n_in), signed(rng, n_out, n_in)
    edges = np.flatnonzero(rng.random(w.size) < share**3)
    s, grad = signed(rng, edges.size), np.outer(e, a)
    wanted = sat(s - round_shift((w * grad).reshape(-1)[edges], shift))
    gaps = gap_list(edges)
    results, _ = run(image, "ref_sparse_dense", *int8(e, a, w, s), gaps, edges.size, n_in, shift)
    np.testing.assert_array_equal(results[3], wanted)
    results, _ = run(image, "ref_sparse_grad", grad.astype(np.int32), *int8(w, s), gaps, edges.size, shift)
    np.testing.assert_array_equal(results[2], wanted)


# ------------------------------------------------------------------------------------------------------------- pruning


@SOME
@given(n=st.integers(1, 90), few=st.booleans(), share=st.floats(0, 1.2), seed=SEEDS)
@example(n=7, few=False, share=0.0, seed=0)
@example(n=7, few=True, share=1.0, seed=0)
def test_pruning(image: Image, n: int, few: bool, share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    w, s = signed(rng, n), rng.choice([-127, 3, 127], n) if few else signed(rng, n)
    k = round(share * n)
    keep = np.zeros(n, bool)
    keep[np.argsort(-s, kind="stable")[:k]] = True
    (*_, selection, _), _ = run(image, "ref_select", *int8(s), n, k, np.zeros(2, np.int32), np.full(256, 9, np.uint32))
    (*_, out), _ = run(image, "ref_mask_copy", *int8(w, s), selection, np.zeros(n, np.int8), n)
    np.testing.assert_array_equal(out, w * keep)
    (*_, bits), _ = run(image, "ref_mask_pack", *int8(s), selection, np.zeros(-(-n // 8), np.uint8), n)
    np.testing.assert_array_equal(bits, np.packbits(keep, bitorder="little"))
    (*_, out), _ = run(image, "ref_mask_bits", *int8(w), bits, np.zeros(n, np.int8), n)
    np.testing.assert_array_equal(out, w * keep)
    edges = np.sort(rng.choice(20 * n, n, replace=False))
    more = signed(rng, 20 * n)
    wanted = more.copy()
    wanted[edges[~keep]] = 0
    results, _ = run(
        image, "ref_sparse_copy", *int8(more, s), selection, gap_list(edges), n, np.zeros(20 * n, np.int8), 20 * n
    )
    np.testing.assert_array_equal(results[-1], wanted)


# --------------------------------------------------------------------------------------------------------- corrections


def pruned_edges(stored: Array) -> Array:
    """The edges of a list: 1 .. 255 to the next, 0: 240 further."""
    steps = np.where(stored == 0, 240, stored).astype(np.int64)
    return (np.cumsum(steps) - 1)[stored != 0]


@SOME
@given(n=st.integers(1, 1500), share=st.floats(0, 1), room=st.integers(-3, 3), seed=SEEDS)
@example(n=1500, share=0.999, room=0, seed=3)
@example(n=241, share=1.0, room=0, seed=3)
def test_lists_of_pruned_edges(image: Image, n: int, share: float, room: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    s, k = signed(rng, n), round(share * n)
    keep = np.zeros(n, bool)
    keep[np.argsort(-s, kind="stable")[:k]] = True
    (*_, selection, _), _ = run(image, "ref_select", *int8(s), n, k, np.zeros(2, np.int32), np.zeros(256, np.uint32))
    edges = np.sort(rng.choice(20 * n, n, replace=False))
    check_list(image, "ref_prune_list", [*int8(s), selection], [n], np.flatnonzero(~keep), room)
    check_list(image, "ref_sparse_list", [*int8(s), selection, gap_list(edges), n], [], edges[~keep], room)


def check_list(
    image: Image, function: str, words: list[Array | int], more: list[int], wanted: Array, room: int
) -> None:
    """The edges are listed where they fit, and nothing is written behind a list that has `room` bytes more or less."""
    whole, state = np.full(wanted.size + wanted.max(initial=0) // 240 + 1, 7, np.uint8), np.full(2, 7, np.uint32)
    results, _ = run(image, function, *words, whole, whole.size, *more, state)
    is_full, used = results[-1].tolist()
    assert not is_full
    np.testing.assert_array_equal(pruned_edges(results[-2][:used]), wanted)
    assert (results[-2][used:] == 7).all()
    capacity = min(max(0, used + room), whole.size)
    results, _ = run(image, function, *words, whole, capacity, *more, state)
    assert results[-1].tolist() == ([0, used] if capacity >= used else [1, 0])
    assert (results[-2][capacity:] == 7).all()


@SOME
@given(n_in=st.integers(1, 300), n_out=SIZES, share=st.floats(0, 1), biased=st.booleans(), seed=SEEDS)
@example(n_in=300, n_out=20, share=0.1, biased=True, seed=1)
def test_corrections(image: Image, n_in: int, n_out: int, share: float, biased: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, e, w = signed(rng, n_in), signed(rng, n_out), signed(rng, n_out, n_in)
    pruned = rng.random(w.shape) < share**3
    stored_list = pruned_list(np.flatnonzero(pruned))
    given, bytes_used = np.append(stored_list, np.uint8(9)), stored_list.size
    bias = rng.integers(-1000, 1000, n_out)
    first = bias.astype(np.int32) if biased else None
    out, acc = np.full(n_out, 5, np.int32), np.full(n_in, 5, np.int32)
    results, _ = run(image, "ref_correct_forward", *int8(a, w), given, bytes_used, first, out, n_in, n_out)
    np.testing.assert_array_equal(results[-1], bias * biased - (w * pruned) @ a)
    results, _ = run(image, "ref_correct_back", *int8(e, w), given, bytes_used, acc, n_in)
    np.testing.assert_array_equal(results[-1], -(e @ (w * pruned)))


@SOME
@given(n=st.integers(1, 30), shift=st.integers(-40, 40), exponent=st.integers(-20, 20), seed=SEEDS)
@example(n=9, shift=31, exponent=0, seed=0)
@example(n=9, shift=-30, exponent=0, seed=0)
def test_first_values(image: Image, n: int, shift: int, exponent: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    largest = 2**29 - 1
    biases = rng.choice([0, 1, -1, largest, -largest, *rng.integers(-largest, largest, 5)], n)
    words = (biases.astype(np.int32), np.full(n, 5, np.int32), n, exponent + shift, exponent)
    results, _ = run(image, "ref_first_values", *words)
    left = np.clip(biases * 2.0 ** min(30, -shift), -largest, largest) if shift <= 0 else np.zeros(n)
    np.testing.assert_array_equal(results[1], round_shift(biases, shift) if shift > 0 else left)


@SOME
@given(n=st.integers(1, 40), channels=SIZES, right=st.integers(0, 31), left=st.integers(0, 30), seed=SEEDS)
@example(n=20, channels=3, right=0, left=30, seed=1)
def test_bias_update(image: Image, n: int, channels: int, right: int, left: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    limit = int(rng.choice([0, 100, 2**29 - 1]))
    error = rng.integers(-127, 128, (n, channels)).astype(np.int8)
    biases = rng.integers(-limit, limit + 1, channels).astype(np.int32)
    results, _ = run(image, "ref_bias_update", error, biases, n, channels, right, left, limit)
    step = np.clip(round_shift(error.sum(axis=0, dtype=np.int64), right) << left, -limit, limit)
    np.testing.assert_array_equal(results[1], np.clip(biases - step, -limit, limit))
