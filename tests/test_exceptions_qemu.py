"""The order of events where interrupts nest, tail-chain and are masked: the slow core against QEMU, and both against
what the manual says of programs written by hand.

All interrupts are raised by software: QEMU keeps no cycles. What is compared is every word that the handlers and the
code between them log: see reference/exception_programs.py.

QEMU's micro:bit is a Cortex-M0 with flash at 0. It executes one instruction at a time here (-singlestep), or else it
would take an interrupt that a store pends only at the end of the block that the store is in. Not compared:

* the address that an SVC which becomes a HardFault leaves in its frame (in QEMU that of the instruction behind it;
  DDI 0419 leaves it open): the handler goes on behind the SVC either way, and logs where that is;
* WFE, which is a NOP in QEMU, and SCR.SLEEPONEXIT, which it does not know;
* CONTROL.nPRIV, which its Cortex-M0 has not;
* lockup, where QEMU ends.
"""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from exception_scenarios import SCENARIOS, events
from reference import exception_programs as programs
from reference.exception_programs import Image, generated, image
from reference.slow_core import Core, Region

QEMU = "qemu-system-arm"
LIMIT = 400_000
"""Cycles of a program. None needs a tenth."""
OPTIONS = ("-M", "microbit", "-singlestep", "-display", "none", "-monitor", "none", "-serial", "none")
IMAGE = ("-device", "loader,file=image.bin,addr=0,force-raw=on", "-semihosting-config", "enable=on,target=native")

Log = tuple[int, ...]


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
    return list(_logs(written))


def _logs(written: bytes) -> Iterator[Log]:
    words = struct.unpack(f"<{len(written) // 4}I", written)
    while words:
        size = words[0] // 4 + 1
        yield words[1:size]
        words = words[size:]


def on_the_slow_core(made: Image) -> list[Log]:
    """The same; each program on a core of its own."""
    return [slow_log(made, entry) for entry in made.entries]


def slow_log(made: Image, entry: int) -> Log:
    ram = bytearray(programs.RAM_SIZE)
    core = Core([Region(0, bytearray(made.code), False), Region(programs.RAM, ram)])
    core.reset(programs.MAIN_STACK, entry)
    core.run(LIMIT)
    assert core.stopped == "semihosting", core.stopped or "the program does not end"
    _, address, size = struct.unpack_from("<3I", ram, core.r[1] - programs.RAM)
    (log,) = _logs(bytes(ram[address - programs.RAM :][:size]))
    return log


# ------------------------------------------------------------------------------------------------------ by hand


@cache
def by_hand() -> tuple[Image, dict[str, Log]]:
    made = image([scenario.make for scenario in SCENARIOS.values()])
    return made, dict(zip(SCENARIOS, on_qemu(made), strict=True))


@pytest.mark.parametrize("name", SCENARIOS)
def test_programs_by_hand_do_on_qemu_what_the_manual_says(name: str) -> None:
    assert list(events(by_hand()[1][name])) == SCENARIOS[name].events


@pytest.mark.parametrize("name", SCENARIOS)
def test_programs_by_hand_on_the_slow_core(name: str) -> None:
    made, logs = by_hand()
    assert slow_log(made, made.entries[list(SCENARIOS).index(name)]) == logs[name]


# ------------------------------------------------------------------------------------------------------ generated ones


def sources(seed: int, count: int) -> list[bytes]:
    rng = random.Random(seed)
    return [rng.randbytes(rng.choice((30, 80, 160, 320))) for _ in range(count)]


@cache
def batch(seed: int, count: int) -> tuple[Image, list[Log]]:
    made = image([generated(source) for source in sources(seed, count)])
    return made, on_qemu(made)


BATCHES = [(1, 20), *(pytest.param(seed, 100, marks=pytest.mark.long) for seed in range(2, 12))]


@pytest.mark.parametrize(("seed", "count"), BATCHES)
def test_generated_programs_on_the_slow_core(seed: int, count: int) -> None:
    made, logs = batch(seed, count)
    assert len(logs) == count
    for number, log in enumerate(on_the_slow_core(made)):
        assert log == logs[number], f"program {number}"


def test_generated_programs_are_worth_it() -> None:
    """Of 20: exceptions of every kind, preempted handlers, both stacks, and frames that had to be aligned."""
    entered = [entry for log in batch(1, 20)[1] for entry in entries(log)]
    assert {number for number, *_ in entered} == set(programs.HANDLERS)
    assert {lr for _, lr, *_ in entered} == {0xFFFFFFF1, 0xFFFFFFF9, 0xFFFFFFFD}
    assert {xpsr >> 9 & 1 for *_, xpsr, _ in entered} == {0, 1}
    assert len(entered) > 150


def entries(log: Log) -> Iterator[tuple[int, int, int, int, int]]:
    """Number, EXC_RETURN, address of the frame, xPSR and return address of every exception."""
    for place, word in enumerate(log):
        if word >= 0xFFFFFFF0:
            lr, frame, xpsr, address, number = log[place : place + 5]
            yield number, lr, frame, xpsr, address
