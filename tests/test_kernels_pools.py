"""Pools of any window, means, and their way back: every byte against NumPy, cycles and stack against the contracts."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Build, examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from m0sim import Buffer, Cost, Machine
from m0sim.image import Image, load_elf
from m0sim.study.learn.kernels import STACK

KERNELS = Path(__file__).parents[1] / "kernels"
SOURCES = [KERNELS / f"{name}.S" for name in ("pool_window", "average", "dense_back", "back_list")]
Array = NDArray[Any]

KINDS = st.sampled_from(["uniform", "extreme", "rare", "small", "zero"])
SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module", params=["zig", "gnu"])
def kernels(request: pytest.FixtureRequest, build: Build) -> Image:
    return loaded(build(*SOURCES, toolchain=request.param, linker_script=KERNELS / "m0sim.ld"))


@cache
def loaded(elf: Path) -> Image:
    return load_elf(elf)


@st.composite
def maps(draw: st.DrawFn) -> tuple[int, ...]:
    """height, width, channels, window_h, window_w: also a window of the whole map, and one that does not fit it."""
    height, width = draw(st.sampled_from([1, 1, 2, 3, 5, 8, 9])), draw(st.sampled_from([1, 2, 3, 7, 8, 9, 16]))
    channels = draw(st.sampled_from([1, 2, 3, 4, 5, 8, 12]))
    window = draw(
        st.sampled_from([(1, 1), (1, 2), (2, 1), (2, 2), (3, 3), (1, 3), (2, 5), (height, width), (1, width), (9, 1)])
    )
    return height, width, channels, *window


def filled(kind: str, seed: int, low: int, shape: tuple[int, ...]) -> Array:
    rng = np.random.default_rng(seed)
    if kind == "extreme":
        return rng.choice([low, 0, 127], shape)
    if kind == "small":
        return rng.integers(max(low, -2), 3, shape)
    return rng.integers(low, 128, shape) * (rng.random(shape) < {"uniform": 1, "rare": 0.1, "zero": 0}[kind])


def windows(a: Array, window_h: int, window_w: int) -> Array:
    """[rows, columns, channels, window_h * window_w]"""
    rows, columns = a.shape[0] // window_h, a.shape[1] // window_w
    found = np.zeros((rows, columns, a.shape[2], window_h * window_w), np.int64)
    for y, x in np.ndindex(rows, columns):
        part = a[y * window_h : (y + 1) * window_h, x * window_w : (x + 1) * window_w]
        found[y, x] = part.reshape(-1, a.shape[2]).T
    return found


def rounded(x: int, shift: int) -> int:
    size = (abs(x) + (1 << shift) // 2) >> shift
    return size if x >= 0 else -size


def nearest(dividend: int, divisor: int) -> int:
    return int(dividend / divisor + 0.5)


def whole(values: Array, fill: int = 0) -> NDArray[np.int8]:
    flat = values.reshape(-1).astype(np.int8)
    return np.concatenate([flat, np.full(-flat.size % 4, fill, np.int8)])


def call(kernels: Image, name: str, *words: Buffer | int, machine: Machine) -> Cost:
    numbers = [w.address if isinstance(w, Buffer) else w for w in words]
    block = machine.alloc(np.array(numbers, np.uint32))
    cost = machine.call(name, block, result="void", keep=True)
    assert not cost.warnings, cost.warnings
    assert cost.stack_bytes <= STACK[name]
    assert block.read().tolist() == numbers
    return cost


def counted(geometry: tuple[int, ...]) -> tuple[int, int, int]:
    height, width, channels, window_h, window_w = geometry
    return height // window_h, width // window_w, channels


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(geometry=maps(), kind=KINDS, seed=SEEDS, keeps=st.booleans())
def test_maxima(kernels: Image, geometry: tuple[int, ...], kind: str, seed: int, keeps: bool) -> None:
    (height, width, channels, *window), (rows, columns, _) = geometry, counted(geometry)
    a = filled(kind, seed, 0, (height, width, channels))
    values, n = windows(a, *window), window[0] * window[1]
    machine, size = Machine(kernels), rows * columns * channels
    inputs, out = machine.alloc(whole(a)), machine.alloc(np.full(max(size, 1), 77, np.int8))
    places = machine.alloc(np.full(max(size, 1), 77, np.uint8))
    cost = call(kernels, "m0k_pool_window", inputs, out, places if keeps else 0, *geometry, machine=machine)
    np.testing.assert_array_equal(out.read()[:size], values.max(-1, initial=0).reshape(-1))
    if keeps and size:
        np.testing.assert_array_equal(places.read(), values.argmax(-1).reshape(-1))
    np.testing.assert_array_equal(inputs.read(), whole(a))
    bound, exact = 110 + walked(geometry) + 13 * rows * columns, bool(size) and channels % 4 == 0
    bound += size * (25 + 11 * window[0] + 21 * n) // 4 if exact else size * (21 + 4 * window[0] + 11 * n)
    assert cost.cycles == bound if exact else cost.cycles <= bound
    call(kernels, "m0k_pool_window", inputs, inputs, 0, *geometry, machine=machine)
    np.testing.assert_array_equal(inputs.read()[:size], out.read()[:size])


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(geometry=maps(), kind=KINDS, seed=SEEDS)
def test_errors_back_to_maxima(kernels: Image, geometry: tuple[int, ...], kind: str, seed: int) -> None:
    (height, width, channels, window_h, window_w), (rows, columns, _) = geometry, counted(geometry)
    error = filled(kind, seed, -127, (rows, columns, channels))
    argmax = np.random.default_rng(seed).integers(0, window_h * window_w, error.shape)
    expected = np.zeros((height, width, channels), np.int64)
    for (y, x, c), e in np.ndenumerate(error):
        expected[y * window_h + argmax[y, x, c] // window_w, x * window_w + argmax[y, x, c] % window_w, c] = e
    machine = Machine(kernels)
    given_error, places = machine.alloc(whole(error, 5) if error.size else whole(np.zeros(1))), argmax.astype(np.uint8)
    out = machine.alloc(np.full(whole(expected).size, 55, np.int8))
    where = machine.alloc(places.reshape(-1) if places.size else np.zeros(1, np.uint8))
    cost = call(kernels, "m0k_unpool", given_error, where, out, *geometry, machine=machine)
    np.testing.assert_array_equal(out.read(), whole(expected))
    bound = 126 + 13 / 32 * expected.size + walked(geometry) + 14 * rows * columns + 10 * error.size
    bound += np.where(error != 0, 11 + 5 * (argmax // window_w), 0).sum()
    assert cost.cycles <= bound
    assert cost.cycles >= bound - 20 or not error.size


def walked(geometry: tuple[int, ...]) -> int:
    """Cycles of counting rows and columns, and of going from row to row."""
    rows, columns, _ = counted(geometry)
    return 5 * (rows + columns) + 13 * rows


def mean_cycles(geometry: tuple[int, ...]) -> int:
    (rows, columns, channels), (window_h, window_w) = counted(geometry), geometry[3:]
    n, cells = window_h * window_w, rows * columns
    if channels % 4 == 0 and n <= 512:
        return 86 + walked(geometry) + cells * (20 + channels // 4 * (56 + 6 * window_h + 11 * n))
    return 86 + walked(geometry) + cells * (16 + channels * (26 + 4 * window_h + 7 * n))


def spread_cycles(geometry: tuple[int, ...], error: Array) -> float:
    (rows, columns, channels), (window_h, window_w) = counted(geometry), geometry[3:]
    n = window_h * window_w
    cycles = 126 + 13 / 32 * geometry[0] * geometry[1] * channels + walked(geometry)
    if channels % 4 == 0:
        words, some = error.size // 4, np.count_nonzero(error.reshape(-1, 4).any(axis=1))
        each = (58 if n & (n - 1) else 22) + 4 * window_h + 6 * n
        return cycles + 14 * rows * columns + 16 * (words - some) + some * each
    some = np.count_nonzero(error)
    return cycles + 16 * rows * columns + 18 * (error.size - some) + some * (27 + 4 * window_h + 6 * n)


def check_mean(kernels: Image, geometry: tuple[int, ...], a: Array) -> None:
    window, n = geometry[3:], geometry[3] * geometry[4]
    factor = nearest(2**16, n)
    expected = np.array([min(rounded(int(s) * factor, 16), 127) for s in windows(a, *window).sum(-1).reshape(-1)])
    machine = Machine(kernels)
    inputs, out = machine.alloc(whole(a)), machine.alloc(np.full(max(expected.size, 1), 77, np.int8))
    cost = call(kernels, "m0k_average", inputs, out, *geometry, factor, machine=machine)
    np.testing.assert_array_equal(out.read()[: expected.size], expected)
    np.testing.assert_array_equal(inputs.read(), whole(a))
    if expected.size:
        assert 0 <= cost.cycles - mean_cycles(geometry) <= (8 if n > 512 else 0)
    call(kernels, "m0k_average", inputs, inputs, *geometry, factor, machine=machine)
    np.testing.assert_array_equal(inputs.read()[: expected.size], expected)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(geometry=maps(), kind=KINDS, seed=SEEDS)
def test_means(kernels: Image, geometry: tuple[int, ...], kind: str, seed: int) -> None:
    check_mean(kernels, geometry, filled(kind, seed, 0, geometry[:3]))


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("window", [(1, 512), (2, 256), (1, 513), (64, 64), (50, 60)], ids=str)
def test_means_of_the_largest_windows(kernels: Image, window: tuple[int, int], channels: int) -> None:
    """Sums at the limit of the lanes, and a factor so coarse that the product would leave a byte: (50, 60)."""
    geometry = *window, channels, *window
    check_mean(kernels, geometry, np.full((*window, channels), 127))
    check_mean(kernels, geometry, filled("uniform", 1, 0, (*window, channels)))


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(geometry=maps(), kind=KINDS, seed=SEEDS)
def test_errors_of_means(kernels: Image, geometry: tuple[int, ...], kind: str, seed: int) -> None:
    (height, width, channels, window_h, window_w), (rows, columns, _) = geometry, counted(geometry)
    n = window_h * window_w
    factor = nearest(2 ** (8 + n.bit_length() - 1), n)
    error = filled(kind, seed, -127, (rows, columns, channels))
    expected = np.zeros((height, width, channels), np.int64)
    for (y, x, c), e in np.ndenumerate(error):
        expected[y * window_h : (y + 1) * window_h, x * window_w : (x + 1) * window_w, c] = rounded(int(e) * factor, 8)
    machine = Machine(kernels)
    given_error = machine.alloc(whole(error, 5) if error.size else whole(np.zeros(1)))
    out = machine.alloc(np.full(whole(expected).size, 55, np.int8))
    cost = call(kernels, "m0k_average_back", given_error, out, *geometry, factor, machine=machine)
    np.testing.assert_array_equal(out.read(), whole(expected))
    assert cost.cycles <= spread_cycles(geometry, error)
    assert cost.cycles >= spread_cycles(geometry, error) - 20 or not error.size


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 7, 127, 128, 255, 256])
def test_every_error_of_a_mean(kernels: Image, n: int, channels: int) -> None:
    """All 255 errors, spread over windows of n."""
    errors = np.repeat(np.arange(-127, 128), channels)
    factor = nearest(2 ** (8 + n.bit_length() - 1), n)
    machine = Machine(kernels)
    out = machine.alloc(np.zeros(whole(np.zeros(255 * n * channels)).size, np.int8))
    call(
        kernels,
        "m0k_average_back",
        machine.alloc(whole(errors)),
        out,
        1,
        255 * n,
        channels,
        1,
        n,
        factor,
        machine=machine,
    )
    one = [rounded(e * factor, 8) for e in range(-127, 128)]
    np.testing.assert_array_equal(out.read()[: 255 * n * channels], np.repeat(one, n * channels))
