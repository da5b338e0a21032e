"""What the report tells of PIO's state machines: figures that were worked out by hand, and sums."""

from __future__ import annotations

import json
from pathlib import Path

import firmware_images
import pytest
from test_cli import run_apart

from m0sim import Firmware
from m0sim.chip.run_cost import RunCost


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pio_report")
    return {name: firmware_images.build(name, folder) for name in ("pio", "pio_dma")}


@pytest.fixture(scope="module")
def echo(built: dict[str, Path]) -> RunCost:
    return Firmware.from_elf(built["pio_dma"]).run()


def test_a_machine_that_gives_back_what_it_takes(echo: RunCost) -> None:
    """OUT and IN of 500 words, each at a pulse of 50 cycles: the DMA brings and takes them. Then it waits for more."""
    (machine,) = echo.pio
    assert machine.name == "PIO1 SM2"
    assert (machine.written, machine.pulled, machine.pushed, machine.read) == (500, 500, 500, 500)
    assert (machine.executed, machine.delayed) == (1000, 0)
    assert machine.steps == -(-machine.enabled_cycles // 50)
    assert dict(machine.waited) == {"a word in TX": machine.steps - 1001, "the OSR to be filled": 1}
    assert machine.written_full == machine.pushed_full == machine.read_empty == 0
    assert {(moved.transfers, moved.read_bytes) for moved in echo.moved} == {(500, 2000)}


def test_steps_add_up(built: dict[str, Path]) -> None:
    done = Firmware.from_elf(built["pio"]).run(seconds=1)
    assert [machine.name for machine in done.pio] == ["PIO0 SM0", "PIO0 SM1", "PIO0 SM2", "PIO1 SM3"]
    for machine in done.pio:
        assert machine.steps == machine.executed + machine.delayed + sum(steps for _, steps in machine.waited)
        assert 0 < machine.steps <= machine.enabled_cycles <= done.cycles


def test_from_where_counting_began(built: dict[str, Path], echo: RunCost) -> None:
    (whole,) = echo.pio
    done = Firmware.from_elf(built["pio_dma"]).run(begin="IRQ11_Handler")
    (part,) = done.pio
    assert part.enabled_cycles == done.cycles
    assert (part.executed, part.written) == (0, 0)
    assert dict(part.waited) == {"a word in TX": part.steps}
    assert part.steps < whole.steps


def test_nothing_where_none_ran(tmp_path: Path) -> None:
    assert Firmware.from_elf(firmware_images.build("supervisor", tmp_path)).run().pio == ()


def test_text_json_and_page(built: dict[str, Path], tmp_path: Path, echo: RunCost) -> None:
    page = tmp_path / "page.html"
    done = run_apart("run", built["pio_dma"], "--html", page, "-o", tmp_path / "run.json")
    assert done.code == 0
    row = next(line for line in done.out.splitlines() if line.startswith("PIO1 SM2"))
    assert row.split()[-4:] == ["500"] * 4
    assert "a word in TX" in row
    (found,) = json.loads((tmp_path / "run.json").read_text())["pio"]
    assert found["waited"] == [{"name": name, "steps": steps} for name, steps in echo.pio[0].waited]
    assert found["steps"] == echo.pio[0].steps
    assert '<section id="pio">' in page.read_text()
