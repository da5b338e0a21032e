"""Gates and places in few bits, there and back: every byte against NumPy, exact cycles."""

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

from m0sim import Machine
from m0sim.image import Image, load_elf
from m0sim.study.learn.kernels import STACK

KERNELS = Path(__file__).parents[1] / "kernels"
SIZES = st.sampled_from([1, 2, 3, 4, 5, 7, 8, 9, 12, 16]) | st.integers(1, 90)
SEEDS = st.integers(0, 2**32 - 1)
many = settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module", params=["zig", "gnu"])
def kernels(request: pytest.FixtureRequest, build: Build) -> Image:
    return loaded(build(KERNELS / "gates.S", toolchain=request.param, linker_script=KERNELS / "m0sim.ld"))


@cache
def loaded(elf: Path) -> Image:
    return load_elf(elf)


def run(kernels: Image, name: str, given: NDArray[Any], room: int, n: int, in_place: bool = False) -> NDArray[np.uint8]:
    """What is in `room` bytes afterwards, 77 where nothing is written; asserts cycles and stack."""
    machine = Machine(kernels)
    source = machine.alloc(given.astype(np.uint8))
    out = source if in_place else machine.alloc(np.full(room, 77, np.uint8))
    cost = machine.call(name, machine.alloc(np.array([source.address, out.address, n], np.uint32)), result="void")
    words = -(-n // 4)
    cycles = {
        "m0k_gates_pack": 32 + 18 * (words // 2) + 7 * (words % 2) + 2 * (words == 1),
        "m0k_gates_unpack": 28 + 16 * (words // 2) + 5 * (words % 2) + 2 * (words == 1),
        "m0k_places_pack": 19 + 13 * words,
        "m0k_places_unpack": 19 + 13 * words,
    }
    assert cost.cycles == cycles[name]
    assert cost.stack_bytes == STACK[name]
    return out.read().view(np.uint8)


@many
@given(n=SIZES, seed=SEEDS, in_place=st.booleans())
def test_gates(kernels: Image, n: int, seed: int, in_place: bool) -> None:
    rng = np.random.default_rng(seed)
    size = -(-n // 4) * 4
    values = rng.choice([0, 0, 0, 1, 2, 63, 64, 126, 127], size)
    packed = run(kernels, "m0k_gates_pack", values, size, n, in_place)
    bits = np.packbits(values != 0, bitorder="little")
    np.testing.assert_array_equal(packed[: bits.size], bits)
    np.testing.assert_array_equal(packed[bits.size :], values[bits.size :] if in_place else 77)
    back = run(kernels, "m0k_gates_unpack", packed, size + 4, n)
    np.testing.assert_array_equal(back, [*(values != 0), 77, 77, 77, 77])


@many
@given(n=SIZES, seed=SEEDS, in_place=st.booleans())
def test_places(kernels: Image, n: int, seed: int, in_place: bool) -> None:
    """Whatever stands in the padding, the places in front of it are right."""
    rng = np.random.default_rng(seed)
    size = -(-n // 4) * 4
    values = rng.integers(0, 4, size)
    values[n:] = rng.integers(0, 256, size - n)
    packed = run(kernels, "m0k_places_pack", values, size, n, in_place)
    fours = ((values & 3).reshape(-1, 4) << np.arange(0, 8, 2)).sum(axis=1)
    np.testing.assert_array_equal(packed[: fours.size], fours)
    np.testing.assert_array_equal(packed[fours.size :], values[fours.size :] if in_place else 77)
    back = run(kernels, "m0k_places_unpack", packed, size + 4, n)
    np.testing.assert_array_equal(back, [*(values & 3), 77, 77, 77, 77])
