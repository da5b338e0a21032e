"""Damaged ELF files end in an image or in one UsageError, soon and within bounded memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import mutate_elf
import pytest
from conftest import Build

import m0sim

MUTANTS = 2_000
SOURCES = ("statics_a.c", "statics_b.c", "shapes.cpp", "pools.S", "lines.c")


@pytest.fixture(scope="module")
def originals(build: Build) -> list[Path]:
    """Both kinds of line tables, small enough that damage hits something; no float or division, no runtime."""
    return [build(*SOURCES, flags=("-O1", "-g", f"-gdwarf-{version}")) for version in (4, 5)]


def test_mutants_are_the_same_for_the_same_seed(originals: list[Path]) -> None:
    content = originals[0].read_bytes()
    once = list(mutate_elf.mutants(content, 50, 7))
    assert once == list(mutate_elf.mutants(content, 50, 7))
    assert sum(damaged != content for _, damaged in once) > 40


def test_damaged_files_end_in_an_image_or_a_usage_error(originals: list[Path]) -> None:
    """In a process whose address space is limited to 1 GiB, so that a runaway allocation fails here."""
    root = Path(m0sim.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, mutate_elf.__file__, str(MUTANTS), "1", *map(str, originals)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
        check=True,
        timeout=120,
    )
    result = json.loads(done.stdout)
    assert result["escaped"] == []
    assert sum(result["outcomes"].values()) == MUTANTS
    assert result["slowest"] < 2
    assert result["memory_bytes"] < 1 << 30
    kinds = {kind.split(":")[0] for kind in result["outcomes"]}
    assert kinds == {name for name, _ in mutate_elf.MUTATIONS}
    loaded = sum(n for kind, n in result["outcomes"].items() if kind.endswith("image"))
    assert MUTANTS // 5 < loaded < MUTANTS  # neither everything refused, nor everything let through
