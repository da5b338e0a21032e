"""Firmware that uses PIO, from reset: what comes out of its pins, and its interrupts, to the cycle."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import firmware_images
import pytest
from test_pio_drivers import pulse

from m0sim import Firmware
from m0sim.chip.run_cost import PinChange, RunCost

LIGHTS, SERIAL, SQUARE, ANSWER = 2, 3, 4, 5
TEXT = b"PIO says hello"


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return firmware_images.build("pio", tmp_path_factory.mktemp("pio"))


@pytest.fixture(scope="module")
def done(elf: Path) -> RunCost:
    return Firmware.from_elf(elf).run(pins=True, seconds=1)


def edges(pins: Sequence[PinChange], pin: int) -> list[int]:
    """Cycles in which a pin changes while it is driven, its first level not counted."""
    found, level = [], None
    for change in pins:
        if change.driven >> pin & 1:
            now = change.out >> pin & 1
            if level is not None and now != level:
                found.append(change.cycle)
            level = now
    return found


def test_it_ends_well(done: RunCost) -> None:
    assert (done.exit.reason, done.exit.code) == ("exit", 0)
    assert done.unmodelled == ()


def test_the_serial_line(done: RunCost) -> None:
    """Bits of 8 pulses each. Between frames the machine may wait, for the lights."""
    found = edges(done.pins, SERIAL)
    divisor = Fraction(5 * 256 + 53, 256)
    for byte in TEXT:
        bits = [0, *(byte >> i & 1 for i in range(8)), 1]
        places = [i for i, bit in enumerate(bits) if bit != ([1, *bits])[i]]
        frame, found = found[: len(places)], found[len(places) :]
        for cycle, place in zip(frame, places, strict=True):
            assert abs(cycle - frame[0] - 8 * place * divisor) < 1
    assert not found


def test_the_lights(done: RunCost) -> None:
    found = edges(done.pins, LIGHTS)
    words = [byte * 0x01020400 & 0xFFFF_FFFF for byte in TEXT]
    bits = [word >> i & 1 for word in words for i in range(31, 7, -1)]
    assert len(found) == 2 * len(bits)
    divisor = Fraction(125, 8)
    for rise, fall, bit in zip(found[::2], found[1::2], bits, strict=True):
        assert abs(fall - rise - (7 if bit else 3) * divisor) < 1


def test_the_square_wave(done: RunCost) -> None:
    found = edges(done.pins, SQUARE)
    begin = found[0] - 1
    assert found == [begin + 1 + pulse(2 * i, Fraction(5, 2)) for i in range(len(found))]
    assert len(found) > 5_000


def test_interrupts_come_every_thousand_cycles(done: RunCost) -> None:
    """Asleep, the core answers each in the same number of cycles: pin 5 shows it."""
    answers = edges(done.pins, ANSWER)
    assert {later - answer for answer, later in pairwise(answers[60:])} == {1_000}
    (handler,) = done.handlers
    assert (handler.name, handler.entries) == ("IRQ7_Handler (PIO0_IRQ_0)", 100)
    assert handler.latency.min == 15


def test_looking_at_pins_changes_nothing(elf: Path, done: RunCost) -> None:
    """Without it PIO runs behind, and ahead only to find out when it interrupts."""
    unseen = Firmware.from_elf(elf).run(seconds=1)
    assert (unseen.cycles, unseen.handlers) == (done.cycles, done.handlers)


def test_dma_is_paced_by_the_machines_requests(tmp_path: Path) -> None:
    """500 words through a machine that takes 100 cycles for each; nothing is lost."""
    done = Firmware.from_elf(firmware_images.build("pio_dma", tmp_path)).run(seconds=1)
    assert (done.exit.reason, done.exit.code) == ("exit", 0)
    assert done.unmodelled == ()
    taken = done.moved[1]
    assert taken.first_cycle is not None
    assert taken.last_cycle is not None
    assert taken.last_cycle - taken.first_cycle == 499 * 100 + 1
    assert 49_000 < done.sleep_cycles < 50_000


def test_a_dump_shows_pins_and_state_machines(elf: Path, tmp_path: Path) -> None:
    """Read back: the square wave's pin and its machine's program counter go together."""
    file = tmp_path / "pio.vcd"
    command = [sys.executable, "-m", "m0sim", "run", str(elf), "--vcd", str(file), "--for", "8.2ms"]
    subprocess.run(command, check=True, capture_output=True)
    names, now, values = dict[str, str](), 0, dict[str, list[tuple[int, str]]]()
    for line in file.read_text().splitlines():
        words = line.split()
        if line.startswith("$var"):
            names[words[3]] = words[4]
        elif line.startswith("#"):
            now = int(line[1:])
        elif not line.startswith("$"):
            value, identifier = words if len(words) == 2 else (line[0], line[1:])
            values.setdefault(names[identifier], []).append((now, value))
    assert set(names.values()) == {
        *(f"gpio{pin}" for pin in (2, 3, 4, 5)), *(f"pio0_sm{i}_pc" for i in range(3)), "pio1_sm3_pc",
    }  # fmt: skip
    square, machine = values["gpio4"][2:], values["pio1_sm3_pc"]
    assert machine[0] == (0, "bx")
    assert len(square) > 300
    # set pins, 1 is at 0 and the pin high a cycle behind its pulse; pc leaves it when that instruction is done
    assert [value for _, value in machine[1:6]] == ["b0", "b1", "b0", "b1", "b0"]
    assert [at for at, _ in machine[2:302]] == [at for at, _ in square[:300]]
    assert {int(value[1:], 2) for _, value in values["pio0_sm2_pc"][1:]} == {8, 9, 10, 11}
