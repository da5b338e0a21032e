"""A heap that grows behind the data: kept, kept clear of buffers and stack, and measured."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from conftest import FIRMWARE, Build

from m0sim import Machine

HEAP, CLAIMS = FIRMWARE / "heap.ld", FIRMWARE / "claims.ld"
NEWLIBS = {"nano": ("c_nano", "nosys", "c_nano"), "full": ("c", "nosys", "c")}
KINDS = ("bump", "claims", "bare", "nano", "full", "nano-claims", "full-claims", "nano-pool", "full-pool")

Make = Callable[[str], Machine]


@pytest.fixture
def make(build: Build) -> Make:
    """A machine with tests/firmware/heap.c and the allocator of that kind."""

    def made(kind: str) -> Machine:
        name, _, more = kind.partition("-")
        script = CLAIMS if "claims" in kind else HEAP
        if name in NEWLIBS:
            sources = ("heap.c", "pool.c") if more == "pool" else ("heap.c",)
            options = {"toolchain": "gnu", "libraries": NEWLIBS[name]}
        else:
            sources, options = ("heap.c", "bump_bare.c" if name == "bare" else "bump.c"), {}
        return Machine.from_elf(build(*sources, linker_script=script, flags=("-O1", "-g", "-fno-builtin"), **options))

    return made


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_allocated_before_is_there(make: Make, kind: str) -> None:
    machine = make(kind)
    assert machine.call("get", before=["init"]).result == 42
    machine.call("set", 7, keep=True)
    assert machine.call("get", keep=True).result == 7
    assert machine.call("get", before=["init"]).result == 42
    buffer = machine.alloc(np.ones(5000, np.uint8))
    assert machine.call("get", before=["init"]).result == 42
    assert np.all(buffer.read() == 1)


@pytest.mark.parametrize("kind", KINDS)
def test_buffers_are_clear_of_the_heap(make: Make, kind: str) -> None:
    machine = make(kind)
    small, large = machine.alloc(np.ones(200, np.uint8)), machine.alloc(np.full(60_000, 2, np.uint8))
    for _ in range(2):
        assert machine.call("sum", small, 200).result == 200
        assert machine.call("sum", large, 3000).result == 6000
    assert machine.call("sum", large, 3000, keep=True).result == 6000
    assert machine.call("grow", 40).result == 820
