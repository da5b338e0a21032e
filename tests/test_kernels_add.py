"""m0k_add against Python's integers, for every pair of values and shift, and what its contract promises.

Every array is between red zones: what is written elsewhere faults.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from conftest import LINKER_SCRIPT, Build, examples
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from m0sim import Machine
from m0sim.chip.cost import Cost
from m0sim.study.learn import blocks, kernels
from tests.reference import learning as scalar

SOURCE = Path(__file__).parents[1] / "kernels" / "add.S"
Array = npt.NDArray[Any]
VALUES = np.arange(-127, 128)


class Chip:
    """Runs the kernel on arrays with room for whole words; what is behind a tensor is 77."""

    def __init__(self, elf: Path) -> None:
        self.machine = Machine.from_elf(elf)

    def room(self, values: Array) -> Any:
        return self.machine.alloc(np.pad(values.astype(np.int8), (0, -len(values) % 4), constant_values=77))

    def add(
        self, a: Array, b: Array, difference: int, gate: Array | None = None, out: str = "", measured: str = ""
    ) -> tuple[Cost, Array]:
        """Its cost and what it writes, into a new array or one of its own; `measured` says where the exponent goes."""
        machine, n = self.machine, len(a)
        arrays = {"a": self.room(a), "b": self.room(b)}
        arrays["out"] = arrays[out] if out else self.room(np.full(n, 77))
        words: dict[str, int] = {name: array.address for name, array in arrays.items()} | {"n": n, "shift": difference}
        buffers = [buffer for name, buffer in arrays.items() if name != out]
        if gate is not None:
            buffers.append(self.room(gate))
            words["gate"] = buffers[-1].address
        held = {"exponent_a": difference - 14, "exponent_b": -9, "exponent": 99}  # and 5 by the field `shift`
        exponents = {name: machine.alloc(np.array([value], np.int32)) for name, value in held.items()}
        if measured:
            words |= {name: buffer.address for name, buffer in exponents.items()} | {"shift": 5}
            words["exponent"] = exponents[measured].address
        names = blocks.blocks()["m0k_add"]
        block = machine.alloc(np.array([words.get(name, 0) & 0xFFFFFFFF for name in names], np.uint32))
        try:
            cost = machine.call("m0k_add", block, result="void")
            assert cost.stack_bytes <= kernels.STACK["m0k_add"]
            written = arrays["out"].read()
            assert (written[n:] == 77).all()
            for name, values in (("a", a), ("b", b)):
                if name != out:
                    np.testing.assert_array_equal(arrays[name].read()[:n], values)
            exponent = exponents[measured].read()[0] if measured else 0
            assert exponent == (max(difference, 0) - 14 if measured else 0)
            assert measured == "exponent" or exponents["exponent"].read()[0] == 99
            return cost, written[:n]
        finally:
            for buffer in {id(x): x for x in (*buffers, *arrays.values(), *exponents.values(), block)}.values():
                buffer.free()


def expected(a: Array, b: Array, difference: int, gate: Array | None) -> list[int]:
    sums, _ = scalar.add(a.tolist(), difference, b.tolist(), 0)
    if gate is None:
        return [max(s, 0) for s in sums]
    return [s if g else 0 for s, g in zip(sums, gate.tolist(), strict=True)]


@pytest.fixture(scope="module", params=["zig", "gnu"])
def chip(request: pytest.FixtureRequest, build: Build) -> Chip:
    return Chip(build(SOURCE, toolchain=request.param, linker_script=LINKER_SCRIPT, flags=()))


@pytest.mark.parametrize("difference", [*range(-10, 11), -300, 300, -(2**20), 2**20])
def test_every_pair_of_values(chip: Chip, difference: int) -> None:
    """All 65,025 pairs, in an order in which they meet others in their words."""
    a, b = (axis.reshape(-1) for axis in np.meshgrid(VALUES, VALUES))
    order = np.random.default_rng(0).permutation(a.size)
    a, b = a[order], b[order]
    shifted = np.array([scalar.round_shift(v, min(abs(difference), 99)) for v in VALUES.tolist()])
    x, y = (shifted[a + 127] if difference < 0 else a), (shifted[b + 127] if difference > 0 else b)
    sums = np.clip(x + y, -127, 127)
    _, found = chip.add(a, b, difference, np.full(a.size, 1))
    np.testing.assert_array_equal(found, sums)
    _, found = chip.add(a, b, difference)
    np.testing.assert_array_equal(found, np.maximum(sums, 0))


@settings(max_examples=examples(80), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    n=st.integers(0, 23),
    difference=st.integers(-10, 10),
    gated=st.booleans(),
    out=st.sampled_from(["", "a", "b"]),
    measured=st.sampled_from(["", "exponent", "exponent_a", "exponent_b"]),
    zeros=st.sampled_from([0.0, 0.5, 0.9]),
    seed=st.integers(0, 2**32),
)
@example(n=1, difference=3, gated=True, out="b", measured="exponent_b", zeros=0.0, seed=0)
def test_any_size(
    chip: Chip, n: int, difference: int, gated: bool, out: str, measured: str, zeros: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    a, b, gate = (rng.integers(low, 128, n) * (rng.random(n) >= zeros) for low in (-127, -127, 0))
    cost, found = chip.add(a, b, difference, gate if gated else None, out, measured)
    assert found.tolist() == expected(a, b, difference, gate if gated else None)
    assert cost.cycles <= 140 + -(-n // 4) * ((47 if gated else 32) + 16 * bool(difference) + 13)


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("difference", [0, 3, -3])
@pytest.mark.parametrize(
    ("values", "word"),
    [((20, 9), (32, 47)), ((127, 100), (45, 60)), ((20, 0), (19, 25)), ((0, 0), (19, 16))],
    ids=["sums", "saturating", "one side", "zeros"],
)
def test_cycles_a_word_are_those_of_the_contract(
    chip: Chip, gated: bool, difference: int, values: tuple[int, int], word: tuple[int, int]
) -> None:
    """By what two sizes differ in; `values` are those of the side that stays and of the one that is shifted."""
    stays, shifts = values
    costs = []
    for n in (40, 80):
        a, b = np.full(n, stays), np.full(n, shifts << abs(difference) if shifts < 100 else 127)
        a, b = (b, a) if difference < 0 else (a, b)
        costs.append(chip.add(a, b, difference, np.full(n, 1) if gated else None)[0].cycles)
    shifting = 16 if difference and shifts else 0
    assert costs[1] - costs[0] == 10 * (word[gated] + shifting)
