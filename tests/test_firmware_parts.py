"""Bare-metal firmware of each part whose peripherals are modelled: it prints and gets three interrupts of a timer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from m0sim import Firmware, toolchain
from m0sim.chip import device
from m0sim.chip.devices.parts import KNOWN
from m0sim.errors import UsageError

_FOLDER = Path(__file__).parent / "firmware/parts"
_ENTRY = {"cortex-m0plus": 15, "cortex-m0": 16}  # cycles: DDI 0484C, 3.6.1, and DDI 0432C, 3.3.2


class Held(NamedTuple):
    """What one part's program does."""

    header: str
    hz: int
    """The clock that it sets."""
    handler: str
    """The interrupt's name."""
    cycles: int
    """With flash that lets nothing wait."""


PARTS = {
    "stm32g0": Held("stm32g0", 64_000_000, "TIM14", 253_464),
    "stm32g030": Held("stm32g0", 64_000_000, "TIM14", 253_464),
    "stm32f0": Held("stm32f0", 48_000_000, "TIM14", 191_549),
    "stm32f031": Held("stm32f0", 48_000_000, "TIM14", 191_549),
    "stm32l0": Held("stm32l0", 32_000_000, "TIM21", 126_908),
    "samd21": Held("samd21", 48_000_000, "TC3", 185_886),
    "cc2340": Held("cc2340", 48_000_000, "LGPT0", 169_161),
    "nrf51": Held("nrf51", 16_000_000, "TIMER0", 63_611),
    "mspm0g3507": Held("mspm0g3507", 80_000_000, "TIMG0", 289_452),
    "mspm0c1104": Held("mspm0c1104", 24_000_000, "TIMG14", 86_754),
    "py32f002b": Held("py32f002b", 24_000_000, "TIM14", 95_028),
}

Built = Callable[[str], Path]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Builds each part's program once."""
    folder, made = tmp_path_factory.mktemp("parts"), dict[str, Path]()

    def of(name: str) -> Path:
        if name not in made:
            made[name] = _build(name, folder)
        return made[name]

    return of


def _build(name: str, folder: Path) -> Path:
    part, elf, script = device.load(name), folder / f"{name}.elf", folder / f"{name}.ld"
    flash, sram = part.flash, part.srams[0]
    assert flash is not None
    sizes = f"FLASH_BASE = {flash.base};\nSRAM_BASE = {sram.base};\nSRAM_SIZE = {sram.size};\n"
    script.write_text(sizes + (_FOLDER / "part.ld").read_text())
    flags = ("-Os", "-g", f"-I{_FOLDER}", f'-DPART="{PARTS[name].header}.h"')
    toolchain.find("zig").build([_FOLDER / "start.S", _FOLDER / "three.c"], elf, flags=flags, linker_script=script)
    return elf


def test_every_part_that_run_knows_is_here() -> None:
    assert set(PARTS) == set(KNOWN) - {"rp2040"}


@pytest.mark.parametrize("name", PARTS)
def test_a_program(name: str, built: Built) -> None:
    held, part = PARTS[name], device.load(name)
    done = Firmware.from_elf(built(name), profile=name).run(seconds=1, flash="ideal")
    assert done.output == "ready\n123\npin\n"
    assert done.exit.reason == "exit"
    assert not done.faults
    assert not done.unmodelled
    assert round(done.clocks[-1].hertz) == held.hz
    (timer,) = done.handlers
    assert held.handler in timer.name
    assert timer.entries == 3
    assert timer.latency is not None
    assert (timer.latency.min, timer.latency.max) == (_ENTRY[part.core],) * 2
    assert done.cycles == held.cycles
    assert 0.003 < done.seconds < 0.006


@pytest.mark.parametrize(
    ("name", "before", "states"),
    [("stm32g0", 0, 2), ("stm32f0", 0, 1), ("stm32l0", 0, 1), ("mspm0g3507", 1, 2), ("samd21", 0, 1)],
)
def test_wait_states_are_those_that_firmware_sets(name: str, before: int, states: int, built: Built) -> None:
    """As many as `before` until firmware sets others; each word that is waited for takes as many cycles."""
    done = Firmware.from_elf(built(name), profile=name).run(seconds=1)
    flash = done.cost.flash
    assert flash is not None
    assert flash.waits is not None
    assert flash.waits.states == states
    assert not flash.waits.is_exact
    assert flash.cold is not None
    missed = flash.cold.code_misses + flash.cold.data_misses
    if before == 0:
        assert flash.cold.cycles == states * missed > 0
    else:
        assert before * missed < flash.cold.cycles < states * missed
    assert done.output == "ready\n123\npin\n"


def test_a_profile_of_a_board_has_the_peripherals_of_its_part(built: Built, tmp_path: Path) -> None:
    """The name is the board's: what it extends counts, or what `peripherals` says."""
    board = tmp_path / "board.toml"
    board.write_text('extends = "stm32g0"\nname = "our-board"\n')
    assert device.load(board).peripherals == "stm32g0"
    done = Firmware.from_elf(built("stm32g0"), profile=board).run(seconds=1, flash="ideal")
    assert done.cycles == PARTS["stm32g0"].cycles
    (tmp_path / "above.toml").write_text('extends = "board.toml"\n')
    assert device.load(tmp_path / "above.toml").peripherals == "stm32g0"
    board.write_text('extends = "m0plus-slowmul"\nperipherals = "stm32g0"\n')
    assert device.load(board).peripherals == "stm32g0"


def test_what_a_part_does_not_have_is_refused(built: Built) -> None:
    firmware = Firmware.from_elf(built("stm32g0"), profile="stm32g0")
    with pytest.raises(UsageError, match="pins over time"):
        firmware.run(pins=True)
    with pytest.raises(UsageError, match="does not know the peripherals of m0plus-slowmul"):
        Firmware.from_elf(built("nrf51"), profile="m0plus-slowmul").run(seconds=1)
