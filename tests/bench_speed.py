"""How fast m0sim simulates: ``make bench``. Medians of one process, each accounting beside the others in every round.

Not a test: absolute figures depend on the machine and on what else runs there. The ratios are what to compare.
"""

from __future__ import annotations

import argparse
import ctypes
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from unicorn import UC_ARCH_ARM, UC_HOOK_BLOCK, UC_HOOK_CODE, UC_MODE_THUMB, UC_PROT_ALL, Uc
from unicorn.arm_const import UC_ARM_REG_LR, UC_ARM_REG_R0, UC_ARM_REG_SP, UC_CPU_ARM_CORTEX_M0
from unicorn.unicorn_py3.unicorn import uclib

from m0sim import Machine, toolchain
from m0sim.build_libraries import TARGETS, host
from m0sim.chip.engine.emulator import RETURN_ADDRESS

_ROOT = Path(__file__).resolve().parent.parent
_SOURCES = (_ROOT / "tests/firmware/bench.S", _ROOT / "examples/dot_fast.S")
_SECONDS = 0.25  # a round of one accounting


@dataclass(frozen=True)
class Program:
    """A function and the arguments that make it run long: `scale` is the one that sets how long."""

    label: str
    function: str
    arguments: Callable[[Machine, int], list[int]]
    unit: int
    """Instructions for each unit of scale, about."""


def _plain(machine: Machine, scale: int) -> list[int]:
    return [scale]


def _vectors(machine: Machine, scale: int) -> list[int]:
    a = machine.alloc(np.arange(20_000, dtype=np.int8))
    b = machine.alloc(np.arange(20_000, dtype=np.int8)[::-1].copy())
    return [a.address, b.address, 20_000, scale]


PROGRAMS = (
    Program("loop of 9 instructions", "loop_of_nine", _plain, 9),
    Program("a call every 3.5 instructions", "many_calls", _plain, 7),
    Program("kernel dot_s8_fast", "repeat_dot", _vectors, 6 * 20_000),
)


def _bare(machine: Machine) -> Uc:
    """A Unicorn over the machine's memory, without hooks."""
    uc = Uc(UC_ARCH_ARM, UC_MODE_THUMB)
    uc.ctl_set_cpu_model(UC_CPU_ARM_CORTEX_M0)
    for bank in machine.space.banks:
        uc.mem_map_ptr(bank.base, bank.size, UC_PROT_ALL, bank.data.ctypes.data)
    uc.mem_map(RETURN_ADDRESS, 4096)
    return uc


def _run_bare(machine: Machine, program: Program, uc: Uc) -> Callable[[int], None]:
    entry = machine.symbol(program.function).address
    arguments = program.arguments(machine, 0)

    def run(scale: int) -> None:
        for i, value in enumerate([*arguments[:-1], scale]):
            uc.reg_write(UC_ARM_REG_R0 + i, value)
        uc.reg_write(UC_ARM_REG_SP, machine.space.stack_top)
        uc.reg_write(UC_ARM_REG_LR, RETURN_ADDRESS | 1)
        uc.emu_start(entry | 1, RETURN_ADDRESS)

    return run


def _counting_hook() -> int:
    """Host address of the least that a native block hook can do."""
    source = "void count(void *uc, uint64_t address, uint32_t size, uint64_t *counter) { ++*counter; }"
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "count.so"
        target = ["-target", TARGETS[host()].zig]
        command = [sys.executable, "-m", "ziglang", "cc", *target, "-O2", "-shared", "-x", "c", "-", "-o", str(made)]
        subprocess.run(command, input=f"#include <stdint.h>\n{source}\n", text=True, check=True)
        return ctypes.cast(ctypes.CDLL(str(made)).count, ctypes.c_void_p).value or 0


def _run_counted(machine: Machine, program: Program) -> Callable[[int], None]:
    """The least that a native block hook can do: what m0sim's own is measured against."""
    uc = _bare(machine)
    handle, counter = ctypes.c_size_t(), np.zeros(1, np.int64)
    place = ctypes.cast(ctypes.byref(handle), uclib.uc_hook_add.argtypes[1])
    pointers = [ctypes.c_void_p(p) for p in (_counting_hook(), counter.ctypes.data)]
    error = uclib.uc_hook_add(uc._uch, place, UC_HOOK_BLOCK, *pointers, ctypes.c_uint64(1), ctypes.c_uint64(0))
    assert error == 0
    run = _run_bare(machine, program, uc)

    def run_and_check(scale: int) -> None:
        counter[0] = 0
        run(scale)
        assert counter[0] > 0

    return run_and_check


def _run_machine(machine: Machine, program: Program, **options: Any) -> Callable[[int], None]:
    arguments = program.arguments(machine, 0)

    def run(scale: int) -> None:
        machine.call(program.function, *arguments[:-1], scale, **options)

    return run


def _accountings(elf: Path, program: Program) -> dict[str, Callable[[int], None]]:
    def fresh() -> Machine:
        return Machine.from_elf(elf)

    def hooked(kind: int) -> Callable[[int], None]:
        machine = fresh()
        uc = _bare(machine)
        uc.hook_add(kind, lambda uc, address, size, data: None)
        return _run_bare(machine, program, uc)

    bare = fresh()
    return {
        "no hook": _run_bare(bare, program, _bare(bare)),
        "native hook, one counter": _run_counted(fresh(), program),
        "Unicorn, level cycles": _run_machine(fresh(), program, engine="unicorn"),
        "timed engine": _run_machine(fresh(), program, engine="timed"),
        "timed, flash cache": _run_machine(fresh(), program, flash="cold"),
        "timed, level memory": _run_machine(fresh(), program, engine="timed", level="memory"),
        "Python block hook": hooked(UC_HOOK_BLOCK),
        "Python instruction hook": hooked(UC_HOOK_CODE),
    }


def _instructions(elf: Path, program: Program, scale: int) -> int:
    machine = Machine.from_elf(elf)
    return machine.call(program.function, *program.arguments(machine, scale)).instructions


def _scale_for(run: Callable[[int], None], seconds: float) -> int:
    """A scale at which one run takes about `seconds`."""
    scale = 1
    run(1)
    while True:
        begin = time.perf_counter()
        run(scale)
        taken = time.perf_counter() - begin
        if taken > seconds / 8:
            return max(1, round(scale * seconds / taken))
        scale *= 4


def _measure(elf: Path, program: Program, rounds: int) -> dict[str, float]:
    """Median million instructions a second by accounting; the rounds go round all of them in turn."""
    runs = _accountings(elf, program)
    scales = {label: _scale_for(run, _SECONDS) for label, run in runs.items()}
    counts = {label: _instructions(elf, program, scale) for label, scale in scales.items()}
    rates: dict[str, list[float]] = {label: [] for label in runs}
    for _ in range(rounds):
        for label, run in runs.items():
            begin = time.perf_counter()
            run(scales[label])
            rates[label].append(counts[label] / (time.perf_counter() - begin) / 1e6)
    return {label: statistics.median(values) for label, values in rates.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    # The ceiling of any accounting with a native hook is "native hook, one counter".
    print(f"Python {platform.python_version()}, {platform.machine()}, medians of {rounds} rounds")
    with tempfile.TemporaryDirectory() as folder:
        script = _ROOT / "kernels/m0sim.ld"
        elf = toolchain.find().build(_SOURCES, Path(folder) / "bench.elf", linker_script=script)
        for program in PROGRAMS:
            rates = _measure(elf, program, rounds)
            print(f"\n{program.label}")
            for label, rate in rates.items():
                digits = 0 if rate >= 100 else 1
                print(f"  {label:26}{rate:10,.{digits}f} MIPS{rate / rates['no hook']:10.3f} of no hook")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
