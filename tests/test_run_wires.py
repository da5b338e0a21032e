"""Wires between pins, and pins that a PWM slice drives, as the core, PIO and other slices see them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import firmware_images
import pytest
from conftest import quick_of
from test_devices_rp2040 import CLR, RESETS, Chip

from m0sim import Firmware, UsageError
from m0sim.chip.inputs import PinInput, PinWire, pin_wire

PWM, IO, PADS = 0x4005_0000, 0x4001_4000, 0x4001_C000
_PUE, _PDE, _IE = 1 << 3, 1 << 2, 1 << 6


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return firmware_images.build("wired", tmp_path_factory.mktemp("wired"))


class TestFirmware:
    @pytest.mark.parametrize("pins", quick_of([False, True], [False]))
    @pytest.mark.parametrize("wires", quick_of([(), (PinWire(5, 2),)], [()]))
    def test_what_it_sees(self, elf: Path, pins: bool, wires: tuple[PinWire, ...]) -> None:
        """The same whether or not somebody draws the pins, or a wire has to know their levels."""
        done = Firmware.from_elf(elf).run(seconds=1, wires=wires, pins=pins)
        assert (done.exit.reason, done.unmodelled) == ("exit", ())
        high, *counted, samples = ([int(word) for word in line.split()] for line in done.output.splitlines())
        assert high[0] == pytest.approx(300, abs=10)
        assert f"{samples[0]:032b}" in "1110000000" * 5
        (levels, of_levels), *edges = counted
        if not wires:
            assert [levels, *(found for found, _ in edges)] == [0, 0, 0]
            return
        assert levels == pytest.approx(of_levels * 21 / 70, abs=21)
        for found, cycles in edges:
            assert found in (cycles // 70, cycles // 70 + 1)

    @pytest.mark.long
    def test_by_command(self, elf: Path) -> None:
        command = [sys.executable, "-m", "m0sim", "run", str(elf), "--wire", "5=2", "--for", "1s", "-q"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[1].split()[0] != "0"


class TestLevels:
    def test_the_end_has_the_level_of_what_drives_it(self) -> None:
        chip = Chip()
        chip.store(RESETS + CLR, 1 << 5 | 1 << 8)
        chip.board.wire(5, 2)  # type: ignore[misc]
        pins = chip.host.pins
        for level in (1, 0, 1):
            chip.board.pins.drive(2, level)  # type: ignore[union-attr]
            assert [pins.level >> pin & 1 for pin in (2, 5)] == [level, level]
        chip.store(IO + 8 * 5 + 4, 5 | 2 << 12)  # pin 5: SIO, output forced low by OEOVER alone: still an input
        assert pins.level >> 5 & 1
        chip.store(IO + 8 * 5 + 4, 5 | 3 << 12)  # driven by the chip itself: low
        assert [pins.level >> pin & 1 for pin in (2, 5)] == [1, 0]

    @pytest.mark.parametrize("pulls", [(_PDE, _PUE), (_PUE, _PDE), (_PUE, _PUE), (_PDE, _PDE), (0, 0)])
    def test_a_pull_up_at_either_end_wins(self, pulls: tuple[int, int]) -> None:
        chip = Chip()
        chip.store(RESETS + CLR, 1 << 5 | 1 << 8)
        chip.board.wire(5, 2)  # type: ignore[misc]
        for pin, pull in zip((2, 5), pulls, strict=True):
            chip.store(PADS + 4 + 4 * pin, pull | _IE)
        assert [chip.host.pins.seen >> pin & 1 for pin in (2, 5)] == [int(_PUE in pulls)] * 2
        chip.board.pins.drive(2, 0)  # type: ignore[union-attr]
        assert [chip.host.pins.seen >> pin & 1 for pin in (2, 5)] == [0, 0]

    def test_what_does_not_come_to_a_wire_is_named(self) -> None:
        chip = Chip()
        chip.store(RESETS + CLR, 1 << 5 | 1 << 8)
        chip.board.wire(3, 4)  # type: ignore[misc]
        chip.store(IO + 8 * 5 + 4, 2)
        assert not chip.board.bus.notes
        chip.store(IO + 8 * 4 + 4, 2)
        assert [note.what for note in chip.board.bus.notes.values()] == [
            "UART at a wire: what it sends does not come to the wire"
        ]


class TestWords:
    def test_as_words(self) -> None:
        assert pin_wire("5=2") == PinWire(5, 2)
        for bad in ("5", "5=", "=2", "5=x", "-1=2", "5=2=3"):
            with pytest.raises(UsageError, match="PIN=DRIVER"):
                pin_wire(bad)

    @pytest.mark.parametrize(
        ("wires", "says"),
        [
            ([PinWire(30, 2)], "a wire: there is no pin 30: pins are 0 to 29"),
            ([PinWire(5, 2), PinWire(6, 5)], "pin 5 has a wire to another pin itself"),
            ([PinWire(5, 5)], "pin 5 has a wire to another pin itself"),
            ([PinWire(5, 2), PinWire(5, 3)], "pin 5 has two wires"),
            ([PinWire(5, 2), PinWire(9, 2)], "pin 9 is driven from outside and is the end of a wire"),
        ],
    )
    def test_what_cannot_be(self, elf: Path, wires: list[PinWire], says: str) -> None:
        with pytest.raises(UsageError, match=says):
            Firmware.from_elf(elf).run(seconds=1, wires=wires, pins_driven=[PinInput(9, 1)])
