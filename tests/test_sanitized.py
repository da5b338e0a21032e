"""The native core with the compiler's checks: no test of the accounting, and no random program, makes one report.

Undefined behaviour is checked by zig's own runtime, addresses by GCC's, which is loaded before Python.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Build, parts
from test_accounting_random import SHARDS

import m0sim
from m0sim.build_libraries import build as build_library
from m0sim.build_libraries import host
from m0sim.libraries import CORE

TESTS = Path(__file__).parent
REPORTS = {"undefined": "panic: ", "address": "ERROR: AddressSanitizer"}


def address_runtime() -> str:
    driver = shutil.which("gcc")
    if driver is None:
        pytest.skip("gcc, whose libasan is loaded, is not installed")
    found = subprocess.run([driver, "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    return found.stdout.strip()


class Checked:
    """A core with checks, and Python processes that use it."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        core = build_library(CORE, host(), folder / f"{kind}.so", sanitize=kind)
        root = str(Path(m0sim.__file__).parents[1])
        self._environment = {**os.environ, CORE.variable: str(core), "PYTHONPATH": f"{root}{os.pathsep}{TESTS}"}
        if kind == "address":
            self._environment |= {"LD_PRELOAD": address_runtime(), "ASAN_OPTIONS": "detect_leaks=0"}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *arguments]
        return subprocess.run(command, env=self._environment, cwd=TESTS.parent, capture_output=True, text=True)


@pytest.fixture(scope="module", params=["undefined", "address"])
def checked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checked:
    if host() != "linux-x86_64":
        pytest.skip("built with sanitizers on Linux x86-64 only")
    return Checked(request.param, tmp_path_factory.mktemp("sanitized"))


PROBE = """
import ctypes
import numpy as np
from m0sim import Machine
from m0sim.chip.native import layout, library
machine = Machine.from_raw(bytes.fromhex("00bf00bf00bf7047"), 0x20000000)
machine.call(0x20000000)
core, address = machine.counters.core, ctypes.c_void_p(machine.counters.tables.address)
"""
WRONG = {
    "undefined": """
at, is_code, stalls = np.zeros(1, np.uint32), np.ones(1, np.uint8), np.zeros(1, np.uint32)
core.waits.word_shift, core.waits.wait_states = 40, 1
library.CORE.m0_wait_stream(address, at.ctypes.data, is_code.ctypes.data, 1, stalls.ctypes.data)
""",
    "address": """
room = np.zeros(1, layout.EXECUTED)
library.CORE.m0_expand(address, room.ctypes.data)
""",
}


@pytest.mark.long
def test_what_is_wrong_is_reported(checked: Checked) -> None:
    """A shift by too many bits, and an array that is too small."""
    done = checked.run("-c", PROBE + WRONG[checked.kind])
    assert done.returncode != 0
    assert REPORTS[checked.kind] in done.stderr


@pytest.mark.long
@pytest.mark.parametrize("shard", parts(range(4), long=1))
def test_random_guests(checked: Checked, shard: int) -> None:
    """10,000 of them in all four, of which the long run has one."""
    done = checked.run(str(TESTS / "random_guests.py"), str(shard), "2500")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "returned" in done.stdout


@pytest.mark.long
@pytest.mark.parametrize("seed", parts(range(4), long=1))
def test_damaged_images(checked: Checked, build: Build, seed: int) -> None:
    """1,000 of them in all four, of which the long run has one."""
    originals = [build("statics_a.c", "shapes.cpp", "pools.S", flags=("-O1", "-g")), build("hard.S", flags=("-g",))]
    done = checked.run(str(TESTS / "mutated_calls.py"), "250", str(seed), *map(str, originals))
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) > 250


ACCOUNTING = "test_accounting_random.py::test_no_count_differs_from_the_reference"
SUITES = {
    "faults": ["test_faults.py", "test_port.py"],
    "core": ["test_native.py", "-k", "not epochs_that_come_again"],  # that one builds a core of its own
    "calls": ["test_call_tree.py"],
    "state": ["test_state.py", "test_cache_as_sram.py"],
    "timed": [
        f"test_timed.py::{name}"
        for name in ("test_guests", "test_code_that_is_changed_from_elsewhere", "test_tables_that_are_small")
    ],
    "sequences": ["test_sequences.py::test_sequences_of_calls_are_as_on_fresh_machines"],
    **{f"accounting {i}": [f"{ACCOUNTING}[{shard}]" for shard in range(i, SHARDS, 4)] for i in range(2)},
}


@pytest.mark.long
@pytest.mark.parametrize("suite", parts([*SUITES], long=len(SUITES) - 1))
def test_the_suites_pass(checked: Checked, suite: str) -> None:
    tests = [str(TESTS / word) if word.startswith("test_") else word for word in SUITES[suite]]
    done = checked.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no_deepbind", *tests)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert "[100%]" in done.stdout
