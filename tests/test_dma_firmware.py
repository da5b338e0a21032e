"""Firmware that uses the DMA, from reset, as `m0sim run` runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import firmware_images
import pytest
from firmware_runner import of_code

from m0sim import Firmware
from m0sim.chip.engine.memories import Memories
from m0sim.chip.run_cost import RunCost
from m0sim.report.page import page

_WORDS = 10_000
_TEXT = "sent by the DMA, byte by byte, while the core waits\n"


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return firmware_images.build("dma", tmp_path_factory.mktemp("dma"))


@pytest.fixture(scope="module")
def done(elf: Path) -> RunCost:
    return Firmware.from_elf(elf).run(seconds=1)


def test_it_prints_what_it_should(done: RunCost) -> None:
    """10,000 words in as many cycles; code that the DMA wrote over is what runs then; and nothing is lost."""
    copied, replaced, flash, text = done.output.splitlines(keepends=True)
    cycles, wrong = map(int, copied.split())
    assert _WORDS <= cycles < _WORDS + 12 * 60  # words of code that the flash cache did not have
    assert wrong == 0
    assert (replaced, flash, text) == ("12\n", "65\n", _TEXT)
    assert done.exit.is_good
    assert not done.unmodelled


def test_who_moved_how_much(done: RunCost) -> None:
    copy, code, flash, text = done.moved
    assert [m.name for m in done.moved] == [f"DMA channel {i}" for i in range(4)]
    assert (copy.transfers, copy.read_bytes, copy.written_bytes) == (_WORDS, 4 * _WORDS, 4 * _WORDS)
    assert copy.last_cycle - copy.first_cycle == _WORDS
    assert not copy.waited
    assert code.transfers == 8
    assert (flash.transfers, flash.read_bytes) == (64, 256)
    assert flash.last_cycle - flash.first_cycle > 60 * 32  # as many words as the cache did not have
    assert (text.transfers, text.written_bytes) == (len(_TEXT), len(_TEXT))
    assert [name for name, _ in text.waited] == ["UART0_TX"]


def test_flash_that_the_dma_reads_is_none_of_the_cores_stalls(elf: Path, done: RunCost) -> None:
    ideal = Firmware.from_elf(elf).run(seconds=1, flash="ideal")
    assert ideal.output.split("\n", 1)[1] == done.output.split("\n", 1)[1]
    assert _WORDS + 2 + 15 <= int(ideal.output.split()[0]) < _WORDS + 80  # to the handler's first load
    assert ideal.moved[2].last_cycle - ideal.moved[2].first_cycle == 64


def test_reports_have_it(elf: Path, done: RunCost, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "m0sim", "run", str(elf)]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert shown.returncode == 0, shown.stderr
    (line,) = [line for line in shown.stdout.splitlines() if line.startswith("DMA channel 0")]
    assert line.split()[3:7] == ["1", "10,000", "40,000", "40,000"]
    found = json.loads(subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=60).stdout)
    assert [m["transfers"] for m in found["moved"]] == [m.transfers for m in done.moved]
    assert found["moved"][3]["waited"][0]["name"] == "UART0_TX"
    assert 'id="moved"' in page(done.cost, Firmware.from_elf(elf), run=done)


def test_the_same_on_every_run(elf: Path, done: RunCost) -> None:
    again = Firmware.from_elf(elf).run(seconds=1)
    assert (again.output, again.cycles, again.moved) == (done.output, done.cycles, done.moved)


def test_words_that_the_dma_has_from_flash_are_none_of_the_cores() -> None:
    """They come through the same cache: what is in it afterwards is for all, what was counted is not."""
    # movs r1, #1; lsls r1, #28; ldr r0, [r1, #64]; b .: a word of data behind a word of code in each line of 8 bytes
    code = bytes([0, 0, 4, 0x20, 9, 0, 0, 0x10, 1, 0x21, 9, 0x07, 8, 0x6C, 0xFE, 0xE7]).ljust(256, b"\xff")
    made = of_code(code, 0x1000_0000, flash="cold")
    memories = Memories(made.emulator, made.processor.interpreter, lambda: None)
    made.run(400)
    _, misses_of_code, misses_of_data = counted = made.processor.interpreter.cache_counts
    assert (misses_of_code, misses_of_data) == (2, 1)
    stalls = [memories.read_stall(0x1000_0000 + offset) for offset in (64, 68, 68, 128, 132, 0, 128)]
    assert stalls == [0, 60, 0, 60, 60, 60, 0]  # 64 is there by the core's load; of the vectors nobody read one here
    assert (memories.hits, memories.misses) == (3, 4)
    assert made.processor.interpreter.cache_counts == counted
    made.run(600)
    assert made.processor.interpreter.cache_counts[1:] == (2, 1)
