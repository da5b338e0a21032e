"""The kernels of depthwise convolutions against NumPy, for any shape and value, and what their contracts promise.

Every array is between red zones: what is written elsewhere faults.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from conftest import LINKER_SCRIPT, Build, examples
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from test_kernels_backward import PROVIDER, pack_weights, padded, round_shift, sat

from m0sim import Machine
from m0sim.chip.cost import Cost
from m0sim.study.learn import blocks, kernels

SOURCE = Path(__file__).parents[1] / "kernels" / "depthwise.S"
Array = npt.NDArray[Any]
many = settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
seeds = st.integers(0, 2**32)
SHIFTS = st.integers(0, 24)


@dataclass(frozen=True)
class Layer:
    height: int
    width: int
    channels: int
    kernel_h: int
    kernel_w: int
    stride: int
    pad_h: int
    pad_w: int

    @property
    def out_shape(self) -> tuple[int, int, int]:
        rows = (self.height + 2 * self.pad_h - self.kernel_h) // self.stride + 1
        return rows, (self.width + 2 * self.pad_w - self.kernel_w) // self.stride + 1, self.channels

    @property
    def in_shape(self) -> tuple[int, int, int]:
        return self.height, self.width, self.channels

    @property
    def n_in(self) -> int:
        return self.kernel_h * self.kernel_w

    @property
    def area(self) -> int:
        return (self.height + 2 * self.pad_h) * (self.width + 2 * self.pad_w)

    @property
    def fields(self) -> dict[str, int]:
        names = ("height", "width", "channels", "kernel_h", "kernel_w", "stride", "pad_h", "pad_w")
        return {name: getattr(self, name) for name in names}

    def windows(self, image: Array) -> Array:
        """int64 [out_h, out_w, channels, kernel_h, kernel_w]."""
        around = ((self.pad_h, self.pad_h), (self.pad_w, self.pad_w), (0, 0))
        views = np.lib.stride_tricks.sliding_window_view(
            np.pad(image.astype(np.int64), around), (self.kernel_h, self.kernel_w), (0, 1)
        )
        return views[:: self.stride, :: self.stride]


@st.composite
def layers(draw: Any) -> Layer:
    sides = st.sampled_from([(3, 3), (3, 3), (3, 3), (1, 1), (1, 3), (1, 5), (5, 3), (2, 2), (4, 7), (15, 15), (1, 15)])
    kernel_h, kernel_w = draw(sides)
    pad_h, pad_w = draw(st.integers(0, 4)), draw(st.integers(0, 4))
    height = draw(st.integers(max(1, kernel_h - 2 * pad_h), max(9, kernel_h)))
    width = draw(st.integers(max(1, kernel_w - 2 * pad_w), max(11, kernel_w)))
    return Layer(height, width, draw(st.integers(1, 9)), kernel_h, kernel_w, draw(st.integers(1, 3)), pad_h, pad_w)


POINT = Layer(1, 1, 1, 1, 1, 1, 0, 0)
ALL_PADDING = Layer(1, 1, 5, 3, 3, 1, 4, 4)


class Chip:
    """Runs a kernel on a block whose fields are given by name; those that are not are 0."""

    def __init__(self, elf: Path) -> None:
        self.machine = Machine.from_elf(elf)

    def run(self, name: str, fields: dict[str, Any]) -> tuple[Cost, dict[str, Array]]:
        """Its cost, and the arrays behind it; what is only read has not changed."""
        machine = self.machine
        buffers = {key: machine.alloc(value) for key, value in fields.items() if isinstance(value, np.ndarray)}
        names = blocks.blocks()[name]
        assert not set(fields) - set(names)
        words = [buffers[key].address if key in buffers else int(fields.get(key, 0)) for key in names]
        block = machine.alloc(np.array(words, np.uint32))
        try:
            cost = machine.call(name, block, result="void")
            assert cost.stack_bytes <= kernels.STACK[name] + (16 if fields.get("provider") else 0)
            after = {key: buffer.read() for key, buffer in buffers.items()}
            for key in {"in", "weights", "error", "argmax", "gate", "first"} & set(after):
                np.testing.assert_array_equal(after[key], fields[key])
            return cost, after
        finally:
            for buffer in (*buffers.values(), block):
                buffer.free()

    def weights(self, w: Array, *, provided: bool) -> dict[str, Any]:
        """The fields that say where weights [channels, n_in] are."""
        if not provided:
            return {"weights": pack_weights(w)}
        weights = self.machine.alloc(pack_weights(w))
        context = self.machine.alloc(np.array([weights.address, 4 * padded(w.shape[1]), 0], np.uint32))
        return {"provider": self.machine.symbol("provider").address | 1, "context": context.address}


@pytest.fixture(scope="module", params=["zig", "gnu"])
def chip(request: pytest.FixtureRequest, build: Build, tmp_path_factory: pytest.TempPathFactory) -> Chip:
    provider = tmp_path_factory.getbasetemp() / "depthwise_provider.S"
    provider.write_text(PROVIDER, encoding="utf-8")
    return Chip(build(SOURCE, provider, toolchain=request.param, linker_script=LINKER_SCRIPT, flags=()))


def values(rng: np.random.Generator, shape: tuple[int, ...], low: int = -127) -> Array:
    """int8 of one of several kinds: any, the ends alone, small, mostly zeros."""
    kind = rng.integers(4)
    if kind == 0:
        return rng.choice([low, 127], shape).astype(np.int8)
    found = rng.integers(max(low, -9), 10, shape) if kind == 1 else rng.integers(low, 128, shape)
    return (found * (rng.random(shape) < (0.2 if kind == 3 else 1))).astype(np.int8)


def room(size: int, dtype: Any) -> Array:
    """Bytes that are not zeros, as memory has them that was used before."""
    return np.full(size, 0x5A, np.uint8).repeat(np.dtype(dtype).itemsize).view(dtype)


@many
@example(0, POINT, 0, True, False, False, False)
@example(1, ALL_PADDING, 3, False, False, True, True)
@given(seeds, layers(), SHIFTS, st.booleans(), st.booleans(), st.booleans(), st.booleans())
def test_forward(
    chip: Chip, seed: int, layer: Layer, shift: int, relu: bool, sums: bool, first: bool, provided: bool
) -> None:
    rng = np.random.default_rng(seed)
    w = values(rng, (layer.channels, layer.n_in))
    image = values(rng, layer.in_shape, int(rng.choice([0, -127])))
    begin = rng.choice([-(2**29) + 1, 2**29 - 1, -5, 0, 77], layer.channels).astype(np.int32) if first else 0
    taps = layer.windows(image)
    acc = np.einsum("yxckl,ckl->yxc", taps, w.astype(np.int64).reshape(-1, *taps.shape[3:])) + begin
    fields: dict[str, Any] = {"in": image.reshape(-1), "shift": shift, "relu": int(relu), **layer.fields}
    fields |= {"first": begin, "scratch": room(forward_scratch(layer), np.uint8), **chip.weights(w, provided=provided)}
    size = acc.size
    fields |= {"out": room(size, np.int8)} | ({"acc_out": room(size, np.int32)} if sums else {})
    cost, after = chip.run("m0k_depthwise_forward", fields)
    out = np.clip(round_shift(acc, shift), 0 if relu else -127, 127)
    np.testing.assert_array_equal(after["out"], room(size, np.int8) if sums else out.reshape(-1))
    if sums:
        np.testing.assert_array_equal(after["acc_out"], acc.reshape(-1))
    assert cost.cycles <= forward_cycles(layer, provided) + (0 if relu or sums else 14 * size)


def forward_scratch(layer: Layer) -> int:
    """The bytes that the contract asks for."""
    return 4 * padded(layer.n_in) + padded(layer.area)


def unpacked(layer: Layer, provided: bool) -> int:
    """Cycles of the contract for the weights of all channels."""
    groups = -(-layer.channels // 4)
    return layer.channels * (30 + 25 * padded(layer.n_in) // 4) + groups * (45 if provided else 15)


def mapped(layer: Layer) -> int:
    """Cycles of the contract for one channel's map."""
    return 30 + layer.height * (14 + 7 * layer.width + 3 * (layer.width % 4))


def forward_cycles(layer: Layer, provided: bool) -> float:
    """The bound at the head of depthwise.S, of windows that are stored with ReLU."""
    rows, columns, channels = layer.out_shape
    is_nine = (layer.kernel_h, layer.kernel_w) == (3, 3)
    window = 69 if is_nine else 30 + 9 * layer.kernel_h + 6 * layer.n_in
    cycles = 260 + 4 * (rows + columns) + layer.area / 2 + unpacked(layer, provided)
    return cycles + channels * (70 + mapped(layer) + rows * (30 + columns * window))


@dataclass(frozen=True)
class Errors:
    """An error as the kernels take it, and the same at the layer's own output."""

    error: Array
    argmax: Array | None
    full: Array

    @property
    def fields(self) -> dict[str, Any]:
        places = {} if self.argmax is None else {"argmax": self.argmax.reshape(-1)}
        return {"error": self.error.reshape(-1), **places}


def errors(layer: Layer, rng: np.random.Generator, pooled: bool) -> Errors:
    rows, columns, channels = layer.out_shape
    if not pooled:
        error = values(rng, layer.out_shape)
        error[..., rng.random(channels) < 0.3] = 0
        return Errors(error, None, error.astype(np.int64))
    error = values(rng, (rows // 2, columns // 2, channels))
    error[..., rng.random(channels) < 0.3] = 0
    argmax = rng.integers(0, 4, error.shape).astype(np.uint8)
    full = np.zeros(layer.out_shape, np.int64)
    y, x, c = np.indices(error.shape)
    full[2 * y + argmax // 2, 2 * x + argmax % 2, c] = error
    return Errors(error, argmax, full)


@many
@example(0, POINT, 0, False, False, False, False)
@example(3, POINT, 0, True, False, False, False)
@example(1, ALL_PADDING, 3, True, True, False, True)
@given(seeds, layers(), SHIFTS, st.booleans(), st.booleans(), st.booleans(), st.booleans())
def test_back(
    chip: Chip, seed: int, layer: Layer, shift: int, pooled: bool, gated: bool, dynamic: bool, provided: bool
) -> None:
    rng = np.random.default_rng(seed)
    w, given_errors = values(rng, (layer.channels, layer.n_in)), errors(layer, rng, pooled)
    gate = values(rng, layer.in_shape, -127 if seed & 1 else 0)
    acc = spread(layer, w, given_errors.full)
    out = sat(round_shift(acc, shift))
    if gated:
        out[gate <= 0] = 0
    size = acc.size
    fields: dict[str, Any] = {**layer.fields, **given_errors.fields, "shift": shift, "dynamic": int(dynamic)}
    fields |= {"scratch": room(back_scratch(layer), np.uint8), **chip.weights(w, provided=provided)}
    fields |= {"out": room(size, np.int8), "acc": room(size, np.int32)} | ({"gate": gate.reshape(-1)} if gated else {})
    cost, after = chip.run("m0k_depthwise_back", fields)
    np.testing.assert_array_equal(after["acc"], acc.reshape(-1) if dynamic else room(size, np.int32))
    np.testing.assert_array_equal(after["out"], room(size, np.int8) if dynamic else out.reshape(-1))
    assert cost.cycles <= back_cycles(layer, given_errors, dynamic, provided)


def spread(layer: Layer, w: Array, full: Array) -> Array:
    """int64 [height, width, channels]: every error times every weight, added where the weight's input was."""
    wide = np.zeros((layer.height + 2 * layer.pad_h, layer.width + 2 * layer.pad_w, layer.channels), np.int64)
    kernel = w.astype(np.int64).reshape(layer.channels, layer.kernel_h, layer.kernel_w).transpose(1, 2, 0)
    for y, x in np.ndindex(full.shape[:2]):
        top, left = y * layer.stride, x * layer.stride
        wide[top : top + layer.kernel_h, left : left + layer.kernel_w] += full[y, x] * kernel
    return wide[layer.pad_h : layer.pad_h + layer.height, layer.pad_w : layer.pad_w + layer.width]


def back_scratch(layer: Layer) -> int:
    return 4 * padded(layer.n_in) + 4 * layer.area


def walked(layer: Layer, given_errors: Errors, zero: int, one: int) -> float:
    """Cycles of the contract for the errors of all channels."""
    error = given_errors.error
    one += 9 if given_errors.argmax is not None else 0
    return layer.channels * (40 + 24 * error.shape[0]) + zero * error.size + one * np.count_nonzero(error)


def back_cycles(layer: Layer, given_errors: Errors, dynamic: bool, provided: bool) -> float:
    """The bound at the head of depthwise.S."""
    rows, columns, channels = layer.out_shape
    row = 24 if layer.kernel_w == 3 else 13 + 8 * layer.kernel_w
    walk = walked(layer, given_errors, 9, 35 + row * layer.kernel_h)
    cycles = 260 + 4 * (rows + columns) + unpacked(layer, provided) + walk
    return cycles + channels * (80 + 2 * layer.area + layer.height * (14 + (8 if dynamic else 27) * layer.width))


@many
@example(0, POINT, False, 1)
@example(3, POINT, True, 1)
@example(1, ALL_PADDING, True, 2)
@given(seeds, layers(), st.booleans(), st.integers(1, 9))
def test_gradient(chip: Chip, seed: int, layer: Layer, pooled: bool, at_once: int) -> None:
    """All channels, `at_once` of them a call."""
    rng = np.random.default_rng(seed)
    given_errors, image = errors(layer, rng, pooled), values(rng, layer.in_shape, int(rng.choice([0, -127])))
    grad = np.zeros((layer.channels, padded(layer.n_in)), np.int64)
    found = np.einsum("yxc,yxckl->ckl", given_errors.full, layer.windows(image))
    grad[:, : layer.n_in] = found.reshape(layer.channels, -1)
    for first in range(0, layer.channels, at_once):
        count = min(at_once, layer.channels - first)
        fields: dict[str, Any] = {**layer.fields, **given_errors.fields, "in": image.reshape(-1)}
        fields |= {"first_out": first, "count_out": count, "active": room(1, np.uint32)}
        fields |= {"grad": room(count * grad.shape[1], np.int32), "scratch": room(padded(layer.area), np.uint8)}
        cost, after = chip.run("m0k_depthwise_grad", fields)
        np.testing.assert_array_equal(after["grad"], grad[first : first + count].reshape(-1))
        some = given_errors.error[..., first : first + count]
        assert after["active"].tolist() == [int(some.any())]
        assert cost.cycles <= grad_cycles(layer, given_errors, first, count)


def grad_cycles(layer: Layer, given_errors: Errors, first: int, count: int) -> float:
    """The bound at the head of depthwise.S."""
    rows, columns, _ = layer.out_shape
    some = given_errors.error[..., first : first + count]
    part = Errors(some, given_errors.argmax, given_errors.full)
    is_nine = (layer.kernel_h, layer.kernel_w) == (3, 3)
    one = 65 if is_nine else 40 + (13 + 8 * layer.kernel_w) * layer.kernel_h
    walk = walked(Layer(**(layer.fields | {"channels": count})), part, 13 if is_nine else 9, one)
    look = 8 * some.shape[0] * some.shape[1]
    cycles = 280 + 4 * (rows + columns) + layer.area / 2 + walk
    return cycles + count * (90 + look + 10 * layer.n_in + mapped(layer))
