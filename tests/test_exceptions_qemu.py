"""The order of events where interrupts nest, tail-chain and are masked: m0sim and the slow core against QEMU, and all
of them against what the manual says of programs written by hand.

All interrupts are raised by software: QEMU keeps no cycles. What is compared is every word that the handlers and the
code between them log: see reference/exception_programs.py.

QEMU's micro:bit is a Cortex-M0 with flash at 0. It executes one instruction at a time here (-singlestep), or else it
would take an interrupt that a store pends only at the end of the block that the store is in. Not compared:

* WFE, which is a NOP in QEMU, and SCR.SLEEPONEXIT, which it does not know;
* CONTROL.nPRIV, which its Cortex-M0 has not;
* the lowest byte of SHPR3, where QEMU has a priority of DebugMonitor, which ARMv6-M has not;
* lockup, where QEMU ends.
"""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from exception_scenarios import SCENARIOS, events
from firmware_runs import Log, log_in, processor, ram_of, run_processor, slow_core
from firmware_runs import logs as logs_of
from reference import exception_programs as programs
from reference.exception_programs import Image, generated, image

from m0sim.chip.native.layout import Stop

QEMU = "qemu-system-arm"
LIMIT = 400_000
"""Cycles of a program. None needs a tenth."""
OPTIONS = ("-M", "microbit", "-singlestep", "-display", "none", "-monitor", "none", "-serial", "none")
IMAGE = ("-device", "loader,file=image.bin,addr=0,force-raw=on", "-semihosting-config", "enable=on,target=native")


# ------------------------------------------------------------------------------------------------------ who runs them


def on_qemu(made: Image) -> list[Log]:
    """The logs of the image's programs, from one run."""
    if shutil.which(QEMU) is None:
        pytest.skip(f"{QEMU} is not installed")
    with TemporaryDirectory() as folder:
        Path(folder, "image.bin").write_bytes(made.code)
        ran = subprocess.run(
            [QEMU, *OPTIONS, *IMAGE], cwd=folder, capture_output=True, text=True, timeout=120, check=False
        )
        assert ran.returncode == 0, ran.stderr
        written = Path(folder, programs.FILE_NAME.rstrip(b"\0").decode()).read_bytes()
    return list(logs_of(written))


def on_m0sim(made: Image, entry: int) -> Log:
    """What a program logs on the same part."""
    ran, emulator = processor(made, entry, "nrf51")
    assert run_processor(ran, LIMIT) is Stop.BREAKPOINT
    return log_in(ram_of(emulator), ran.registers[1])


def on_the_slow_core(made: Image, entry: int) -> Log:
    core = slow_core(made, entry, "nrf51")
    core.run(LIMIT)
    assert core.stopped == "semihosting", core.stopped or "the program does not end"
    return log_in(bytes(core.regions[1].content), core.r[1])


RUNS = {"m0sim": on_m0sim, "slow core": on_the_slow_core}


# ------------------------------------------------------------------------------------------------------ by hand


@cache
def by_hand() -> tuple[Image, dict[str, Log]]:
    made = image([scenario.make for scenario in SCENARIOS.values()])
    return made, dict(zip(SCENARIOS, on_qemu(made), strict=True))


@pytest.mark.parametrize("name", SCENARIOS)
def test_programs_by_hand_do_on_qemu_what_the_manual_says(name: str) -> None:
    assert list(events(by_hand()[1][name])) == SCENARIOS[name].events


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("run", RUNS)
def test_programs_by_hand(run: str, name: str) -> None:
    made, logs = by_hand()
    assert RUNS[run](made, made.entries[list(SCENARIOS).index(name)]) == logs[name]


# ------------------------------------------------------------------------------------------------------ generated ones


def sources(seed: int, count: int) -> list[bytes]:
    rng = random.Random(seed)
    return [rng.randbytes(rng.choice((30, 80, 160, 320))) for _ in range(count)]


@cache
def batch(seed: int, count: int) -> tuple[Image, list[Log]]:
    made = image([generated(source) for source in sources(seed, count)])
    return made, on_qemu(made)


BATCHES = [
    (1, 12),
    *(pytest.param(seed, 100, marks=pytest.mark.long) for seed in range(2, 7)),
    *(pytest.param(seed, 100, marks=pytest.mark.exhaustive) for seed in range(7, 12)),
]


@pytest.mark.parametrize(("seed", "count"), BATCHES)
@pytest.mark.parametrize("run", RUNS)
def test_generated_programs(run: str, seed: int, count: int) -> None:
    made, logs = batch(seed, count)
    assert len(logs) == count
    for number, entry in enumerate(made.entries):
        assert RUNS[run](made, entry) == logs[number], f"program {number}"


def test_generated_programs_are_worth_it() -> None:
    """Of 12: exceptions of every kind, preempted handlers, both stacks, and frames that had to be aligned."""
    entered = [entry for log in batch(1, 12)[1] for entry in entries(log)]
    assert {number for number, *_ in entered} == set(programs.HANDLERS)
    assert {lr for _, lr, *_ in entered} == {0xFFFFFFF1, 0xFFFFFFF9, 0xFFFFFFFD}
    assert {xpsr >> 9 & 1 for *_, xpsr, _ in entered} == {0, 1}
    assert len(entered) > 100


def entries(log: Log) -> Iterator[tuple[int, int, int, int, int]]:
    """Number, EXC_RETURN, address of the frame, xPSR and return address of every exception."""
    for place, word in enumerate(log):
        if word >= 0xFFFFFFF0:
            lr, frame, xpsr, address, number = log[place : place + 5]
            yield number, lr, frame, xpsr, address
