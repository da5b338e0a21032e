"""m0k_replay against what its contract says: bytes, counter, cycles and stack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from m0sim import Machine, image
from m0sim.image import Image
from m0sim.study.learn import blocks, kernels

KERNEL = Path(__file__).parents[1] / "kernels" / "replay.S"


@pytest.fixture(scope="module")
def code(build: Any) -> Image:
    return image.load_elf(build(KERNEL, flags=()))


@settings(max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.integers(1, 21), count=st.integers(1, 6), at=st.integers(0, 5), following=st.integers(0, 1))
def test_a_record_is_copied_and_the_counter_goes_round(
    code: Image, words: int, count: int, at: int, following: int
) -> None:
    which = at % count
    records = np.random.default_rng(words).integers(0, 256, (count, 4 * words)).astype(np.uint8)
    machine = Machine(code)
    given_records, counter = machine.alloc(records), machine.alloc(np.array([which], np.uint32))
    out = machine.alloc(np.full(4 * words + 4, 77, np.uint8))
    assert blocks.blocks()["m0k_replay"] == ("records", "out", "size", "count", "which", "next")
    block = machine.alloc(
        np.array([given_records.address, out.address, 4 * words, count, counter.address, following], np.uint32)
    )
    cost = machine.call("m0k_replay", block, result="void", level="memory")
    assert cost.findings == ()
    assert np.array_equal(out.read()[: 4 * words], records[which])
    assert (out.read()[4 * words :] == 77).all()
    assert np.array_equal(given_records.read(), records)
    now = (which + following) % count
    assert counter.read().tolist() == [now]
    assert cost.stack_bytes == kernels.STACK["m0k_replay"]
    assert cost.cycles == cycles(words)


def cycles(words: int) -> int:
    """The contract's."""
    whole, rest = divmod(words, 4)
    return 39 + 13 * whole + 7 * rest + 2 * (whole == 0 or rest == 0)
