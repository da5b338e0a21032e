"""The backward and update kernels against each formula written out in NumPy, byte for byte, and their cycle bounds.

Everything the kernels may touch is compared, padding included; a write elsewhere hits a red zone and faults.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from m0sim import Machine, UsageError, toolchain
from m0sim.cost import Cost

KERNELS = Path(__file__).parents[1] / "kernels"
SOURCES = ("dense_back", "conv_back", "conv_grad", "niti", "score", "sparse")
DYNAMIC = 0xFFFFFFFF

Array = npt.NDArray[Any]

many = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


# The formulas


def sat(x: Array) -> Array:
    return np.clip(x, -127, 127)


def round_shift(x: Array, s: int) -> Array:
    x = x.astype(np.int64)
    return x if s <= 0 else (x + (1 << (s - 1)) + (x >> 63)) >> s


def psto_shift(x: Array, s: int) -> Array:
    x = x.astype(np.int64)
    if s <= 0:
        return x
    m, h = np.abs(x), s >> 1
    r = m & ((1 << s) - 1)
    q, u = r >> h, r & ((1 << h) - 1)
    return np.sign(x) * ((m >> s) + (q > (2 * u if s & 1 else u)))


def padded(n: int) -> int:
    return (n + 3) // 4 * 4


def pack(values: Array, bias: int, fill: int) -> Array:
    """The edge array of `values` int8 [n_out, n_in]: uint8 [groups * 4 * P]."""
    n_out, n_in = values.shape
    full = np.full((padded(n_out), padded(n_in)), fill, np.int64)
    full[:n_out, :n_in] = values.astype(np.int64) + bias
    words = full.reshape(-1, 4, padded(n_in) // 4, 4).transpose(0, 2, 1, 3)
    return words[..., [2, 3, 0, 1]].astype(np.uint8).reshape(-1)


def pack_weights(w: Array) -> Array:
    return pack(w, 128, 128)


def pack_scores(s: Array) -> Array:
    return pack(s, 128, 0)


def pad_bytes(values: Array, fill: int = 0) -> Array:
    """A flat int8 copy whose size is a multiple of four."""
    flat = values.reshape(-1).astype(np.int8)
    return np.concatenate([flat, np.full(-flat.size % 4, fill, np.int8)])


# The machine


@cache
def elf(name: str) -> Path:
    import tempfile

    output = Path(tempfile.mkdtemp(prefix="m0k-")) / f"{name}.elf"
    paths = [KERNELS / f"{source}.S" for source in SOURCES]
    return toolchain.find(name).build(paths, output, linker_script=KERNELS / "m0sim.ld")


@dataclass
class Kernel:
    """Kernels in a fresh machine, and the buffers given to them."""

    machine: Machine

    def call(self, name: str, *fields: object) -> tuple[Cost, list[Any]]:
        """Run `name` on a block of `fields`; an array becomes a buffer. Returns the cost and the arrays afterwards."""
        buffers = [self.machine.alloc(f) if isinstance(f, np.ndarray) else f for f in fields]
        words = [b if isinstance(b, int) else b.address for b in buffers]
        block = self.machine.alloc(np.array(words, np.uint32))
        cost = self.machine.call(name, block, result="void")
        assert list(block.read()) == words
        return cost, [f if isinstance(f, int) else f.read() for f in buffers]


def run(name: str, *fields: object, compiler: str = "zig") -> tuple[Cost, list[Any]]:
    return Kernel(Machine.from_elf(elf(compiler))).call(name, *fields)


# Values: extremes, zeros and small ones are as likely as any


def values(rng: np.random.Generator, shape: Any, low: int = -127, high: int = 127) -> Array:
    kind = rng.integers(5)
    anything = rng.integers(low, high + 1, shape)
    if kind == 0:
        anything = rng.choice([low, high], shape)
    if kind == 1:
        anything = np.clip(rng.integers(-3, 4, shape), low, high)
    if kind >= 3:
        anything = anything * (rng.random(shape) < rng.choice([0.0, 0.1, 0.5, 0.9]))
    return anything.astype(np.int8)


seeds = st.integers(0, 2**32 - 1)
sizes = st.one_of(st.sampled_from([1, 2, 3, 4, 5, 7, 8, 9]), st.integers(1, 70))
shifts = st.one_of(st.sampled_from([0, 1, 2, 3, 24]), st.integers(0, 24))


@many
@given(seeds, sizes, sizes, shifts, st.booleans())
def test_score_dense(seed: int, n_in: int, n_out: int, shift: int, signed: bool) -> None:
    rng = np.random.default_rng(seed)
    w, s = values(rng, (n_out, n_in)), values(rng, (n_out, n_in))
    e, a = values(rng, n_out), values(rng, n_in, -127 if signed else 0)
    delta = round_shift(w * (e[:, None].astype(np.int64) * a[None].astype(np.int64)), shift)
    cost, after = run(
        "m0k_score_dense",
        *(pad_bytes(e, 9), pad_bytes(a, 127), pack_weights(w), pack_scores(s), n_in, n_out, shift, int(signed)),
    )
    np.testing.assert_array_equal(after[3], pack_scores(sat(s - delta)))
    np.testing.assert_array_equal(after[2], pack_weights(w))
    active = np.count_nonzero(e)
    assert cost.cycles <= 80 + 32 * n_out + 97 * (padded(n_in) // 4) * active
    assert cost.stack_bytes <= 56


@many
@given(seeds, sizes, sizes, shifts)
def test_score_grad(seed: int, n_in: int, n_out: int, shift: int) -> None:
    rng = np.random.default_rng(seed)
    w, s = values(rng, (n_out, n_in)), values(rng, (n_out, n_in))
    grad = gradients(rng, n_out, n_in, 127 * 127 * 784)
    delta = round_shift(w * grad[:, :n_in].astype(np.int64), shift)
    cost, after = run("m0k_score_grad", grad, pack_weights(w), pack_scores(s), n_in, n_out, shift)
    np.testing.assert_array_equal(after[2], pack_scores(sat(s - delta)))
    np.testing.assert_array_equal(after[1], pack_weights(w))
    assert cost.cycles <= 60 + 17 * n_out + 90 * (padded(n_in) // 4) * n_out
    assert cost.stack_bytes <= 48


def gradients(rng: np.random.Generator, n_out: int, n_in: int, largest: int) -> Array:
    """int32 [n_out][P] as m0k_conv_grad leaves it, the padding zero."""
    scale = int(rng.choice([1, 3, 200, 16129, largest]))
    grad = np.zeros((n_out, padded(n_in)), np.int32)
    grad[:, :n_in] = rng.integers(-scale, scale + 1, (n_out, n_in))
    if rng.integers(2):
        grad[rng.random(grad.shape) < 0.5] = 0
    return grad


@many
@given(seeds, sizes, sizes, shifts, st.booleans(), st.booleans())
def test_dense_back(seed: int, n_in: int, n_out: int, shift: int, gated: bool, dynamic: bool) -> None:
    rng = np.random.default_rng(seed)
    w, e, gate = values(rng, (n_out, n_in)), values(rng, n_out), values(rng, n_in, -127 if seed & 1 else 0)
    acc = w.astype(np.int64).T @ e.astype(np.int64)
    out = sat(round_shift(acc, shift))
    if gated:
        out[gate <= 0] = 0
    scratch = np.full(padded(n_in), 0x5A5A5A5A, np.int32)
    cost, after = run(
        "m0k_dense_back",
        *(pad_bytes(e, 77), pack_weights(w), scratch, np.full(n_in, 55, np.int8), n_in, n_out, shift),
        *(gate if gated else 0, 0, 0, int(dynamic)),
    )
    np.testing.assert_array_equal(after[3], np.full(n_in, 55) if dynamic else out)
    if dynamic:
        np.testing.assert_array_equal(after[2][:n_in], acc)
    assert cost.cycles <= dense_back_cycles(e, n_in, dynamic)
    assert cost.stack_bytes <= 80


def dense_back_cycles(e: Array, n_in: int, dynamic: bool) -> int:
    """The bound at the head of dense_back.S."""
    words = padded(n_in) // 4
    groups = pad_bytes(e, 77).reshape(-1, 4).astype(int)
    cycles = 130 + 10 * words + 130 * len(groups) + (0 if dynamic else 24 * n_in)
    for group in groups:
        count = np.count_nonzero(group)
        if count >= 3 and np.abs(group).sum() <= 258:
            cycles += 61 * words
        else:
            cycles += count // 2 * (46 * words + 70) + count % 2 * (36 * words + 40)
    return cycles


@dataclass
class Conv:
    """A convolution's shape, and the errors at its output (pooled or not)."""

    height: int
    width: int
    channels: int
    n_out: int
    kernel_h: int
    kernel_w: int
    stride: int
    pad: int

    @property
    def out_shape(self) -> tuple[int, int]:
        rows = (self.height + 2 * self.pad - self.kernel_h) // self.stride + 1
        return rows, (self.width + 2 * self.pad - self.kernel_w) // self.stride + 1

    @property
    def n_in(self) -> int:
        return self.kernel_h * self.kernel_w * self.channels

    @property
    def fields(self) -> tuple[int, ...]:
        return (
            *(self.height, self.width, self.channels, self.n_out),
            *(self.kernel_h, self.kernel_w, self.stride, self.pad),
        )

    def errors(self, rng: np.random.Generator, pooled: bool) -> tuple[Array, Array | None, Array]:
        """The error, its argmax or None, and the same error at the convolution's own output."""
        rows, columns = self.out_shape
        if not pooled:
            error = values(rng, (rows, columns, self.n_out))
            return error, None, error.astype(np.int64)
        error = values(rng, (rows // 2, columns // 2, self.n_out))
        argmax = rng.integers(0, 4, error.shape).astype(np.uint8)
        full = np.zeros((rows, columns, self.n_out), np.int64)
        y, x, o = np.indices(error.shape)
        full[2 * y + argmax // 2, 2 * x + argmax % 2, o] = error
        return error, argmax, full


@st.composite
def convs(draw: Any) -> Conv:
    kernel_h, kernel_w = draw(st.sampled_from([(3, 3), (1, 1), (5, 5), (2, 3), (3, 1)]))
    pad = draw(st.integers(0, 2))
    height = draw(st.integers(max(1, kernel_h - 2 * pad), 9))
    width = draw(st.integers(max(1, kernel_w - 2 * pad), 9))
    channels, n_out = draw(st.sampled_from([1, 2, 3, 4, 5, 8, 12])), draw(st.integers(1, 10))
    return Conv(height, width, channels, n_out, kernel_h, kernel_w, draw(st.integers(1, 3)), pad)


def spread(conv: Conv, w: Array, full: Array) -> Array:
    """int64 [height][width][channels]: every error times every weight, added where the weight's input was."""
    wide = np.zeros((conv.height + 2 * conv.pad, conv.width + 2 * conv.pad, conv.channels), np.int64)
    kernel = w.astype(np.int64).reshape(conv.n_out, conv.kernel_h, conv.kernel_w, conv.channels)
    for y, x in np.ndindex(full.shape[:2]):
        top, left = y * conv.stride, x * conv.stride
        wide[top : top + conv.kernel_h, left : left + conv.kernel_w] += np.tensordot(full[y, x], kernel, 1)
    return wide[conv.pad : conv.pad + conv.height, conv.pad : conv.pad + conv.width]


@many
@given(seeds, convs(), shifts, st.booleans(), st.booleans(), st.booleans())
def test_conv_back(seed: int, conv: Conv, shift: int, pooled: bool, gated: bool, dynamic: bool) -> None:
    rng = np.random.default_rng(seed)
    w, (error, argmax, full) = values(rng, (conv.n_out, conv.n_in)), conv.errors(rng, pooled)
    shape = (conv.height, conv.width, conv.channels)
    gate = values(rng, shape, -127 if seed & 1 else 0)
    acc = spread(conv, w, full)
    out = sat(round_shift(acc, shift))
    if gated:
        out[gate <= 0] = 0
    scratch, place = np.full(shape, 0x5A5A5A5A, np.int32), np.full(shape, 55, np.int8)
    cost, after = run(
        "m0k_conv_back",
        *(pad_bytes(error, 99), 0 if argmax is None else argmax, 0, pack_weights(w), scratch, place),
        *(*conv.fields, shift, gate if gated else 0, int(dynamic)),
    )
    np.testing.assert_array_equal(after[5], place if dynamic else out)
    np.testing.assert_array_equal(after[4], acc)
    assert cost.stack_bytes <= 140


def correlate(conv: Conv, image: Array, full: Array) -> Array:
    """int64 [n_out][n_in]: every error times the patch it came from, summed over positions."""
    wide = np.pad(image.astype(np.int64), [(conv.pad, conv.pad)] * 2 + [(0, 0)])
    grad = np.zeros((conv.n_out, conv.n_in), np.int64)
    for y, x in np.ndindex(full.shape[:2]):
        top, left = y * conv.stride, x * conv.stride
        patch = wide[top : top + conv.kernel_h, left : left + conv.kernel_w]
        grad += np.outer(full[y, x], patch)
    return grad


@many
@given(seeds, convs(), st.booleans())
def test_conv_grad(seed: int, conv: Conv, pooled: bool) -> None:
    rng = np.random.default_rng(seed)
    error, argmax, full = conv.errors(rng, pooled)
    image = values(rng, (conv.height, conv.width, conv.channels), 0)
    grad = np.zeros((conv.n_out, padded(conv.n_in)), np.int64)
    grad[:, : conv.n_in] = correlate(conv, image, full)
    place = np.full(grad.shape, 0x5A5A5A5A, np.int32)
    pool = 0 if argmax is None else argmax
    cost, after = run("m0k_conv_grad", pad_bytes(error), pool, pad_bytes(image), place, *conv.fields)
    np.testing.assert_array_equal(after[3], grad)
    assert cost.stack_bytes <= 120


def niti_shift(largest: int, shift: int, mu: int) -> int:
    return max(0, int(largest).bit_length() - mu) if shift == DYNAMIC else shift


def niti_shifts(draw: Any) -> tuple[int, int]:
    """(shift, mu): static, or dynamic."""
    if draw(st.booleans()):
        return draw(shifts), 0
    return DYNAMIC, draw(st.integers(-20, 16))


niti_rounding = st.composite(niti_shifts)()


@many
@given(seeds, sizes, sizes, niti_rounding, st.booleans())
def test_niti_dense(seed: int, n_in: int, n_out: int, rounding: tuple[int, int], signed: bool) -> None:
    rng = np.random.default_rng(seed)
    w, e, a = values(rng, (n_out, n_in)), values(rng, n_out), values(rng, n_in, -127 if signed else 0)
    grad = np.outer(e.astype(np.int64), a)
    shift = niti_shift(int(np.abs(grad).max()), *rounding)
    cost, after = run(
        "m0k_niti_dense",
        *(pad_bytes(e, 99), pad_bytes(a, 127), pack_weights(w)),
        *(n_in, n_out, rounding[0], rounding[1] & 0xFFFFFFFF, int(signed)),
    )
    np.testing.assert_array_equal(after[2], pack_weights(sat(w - psto_shift(grad, shift))))
    assert cost.stack_bytes <= 56


@many
@given(seeds, sizes, sizes, niti_rounding)
def test_niti_grad(seed: int, n_in: int, n_out: int, rounding: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    w, grad = values(rng, (n_out, n_in)), gradients(rng, n_out, n_in, 2**30 - 1)
    shift = niti_shift(int(np.abs(grad).max()), *rounding)
    cost, after = run("m0k_niti_grad", grad, pack_weights(w), n_in, n_out, rounding[0], rounding[1] & 0xFFFFFFFF)
    np.testing.assert_array_equal(after[1], pack_weights(sat(w - psto_shift(grad[:, :n_in], shift))))
    assert cost.stack_bytes <= 36


def scored(rng: np.random.Generator, n_out: int, n_in: int) -> tuple[Array, Array]:
    """A random set of real edges as storage indices, and their gap list."""
    real = np.flatnonzero(pack(np.ones((n_out, n_in), np.int8), 0, 0))
    chosen = real[rng.random(real.size) < rng.choice([0.01, 0.1, 0.5, 1.0])]
    gaps: list[int] = []
    for distance in np.diff(chosen, prepend=-1).tolist():
        empty, last = divmod(distance - 1, 255)
        gaps += [0] * empty + [last + 1]
    return chosen, np.array(gaps or [0], np.uint8)


@many
@given(seeds, sizes, sizes, shifts)
def test_sparse_dense(seed: int, n_in: int, n_out: int, shift: int) -> None:
    rng = np.random.default_rng(seed)
    w, s = values(rng, (n_out, n_in)), values(rng, (n_out, n_in))
    e, a = values(rng, n_out), values(rng, n_in, -127 if seed & 1 else 0)
    where, gaps = scored(rng, n_out, n_in)
    new = sat(s - round_shift(w * np.outer(e.astype(np.int64), a), shift))
    cost, after = run(
        "m0k_sparse_dense",
        *(pad_bytes(e), pad_bytes(a), pack_weights(w), pack_scores(s)[where], gaps, where.size, n_in, n_out, shift),
    )
    np.testing.assert_array_equal(after[3], pack_scores(new)[where])
    zeros = np.count_nonzero(gaps == 0)
    assert cost.cycles <= 90 + 9 * (padded(n_out) // 4) + 8 * zeros + 48 * where.size
    assert cost.stack_bytes <= 40


@many
@given(seeds, sizes, sizes, shifts)
def test_sparse_grad(seed: int, n_in: int, n_out: int, shift: int) -> None:
    rng = np.random.default_rng(seed)
    w, s = values(rng, (n_out, n_in)), values(rng, (n_out, n_in))
    grad = gradients(rng, n_out, n_in, 127 * 127 * 784)
    where, gaps = scored(rng, n_out, n_in)
    new = sat(s - round_shift(w * grad[:, :n_in].astype(np.int64), shift))
    cost, after = run(
        "m0k_sparse_grad",
        *(grad, pack_weights(w), pack_scores(s)[where], gaps, where.size, n_in, n_out, shift),
    )
    np.testing.assert_array_equal(after[2], pack_scores(new)[where])
    zeros = np.count_nonzero(gaps == 0)
    assert cost.cycles <= 240 + 10 * (padded(n_out) // 4) + 8 * zeros + 39 * where.size
    assert cost.stack_bytes <= 104
