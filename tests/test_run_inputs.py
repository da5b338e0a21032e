"""What the world does to firmware that runs: pins, voltages and the reset button; and resets that firmware asks for."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import firmware_images
import pytest

from m0sim import Firmware, UsageError, image
from m0sim.chip.inputs import AnalogInput, AnalogSource, PinInput, analog_inputs, pin_inputs

Built = Callable[[str], Path]
_MS = Fraction(1, 1000)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Builds each program once."""
    folder, made = tmp_path_factory.mktemp("run_inputs"), dict[str, Path]()

    def of(name: str) -> Path:
        if name not in made:
            made[name] = firmware_images.build(name, folder)
        return made[name]

    return of


class TestInputs:
    def test_volts_from_a_file(self, tmp_path: Path) -> None:
        file = tmp_path / "samples.csv"
        file.write_text("# a comment\n0, 0.5\n\n0.001,1.25  # later\n2e-3,3.3\n")
        assert analog_inputs(f"3=@{file}") == (
            AnalogInput(3, Fraction(1, 2)),
            AnalogInput(3, Fraction(5, 4), _MS),
            AnalogInput(3, Fraction(33, 10), 2 * _MS),
        )
        for wrong in ("1", "1;2", "a,b", ",", "1,1e", "0,1\n1,nan"):
            file.write_text(wrong)
            with pytest.raises(UsageError, match=r"samples\.csv:\d"):
                analog_inputs(f"3=@{file}")

    def test_volts_from_a_function(self, built: Built) -> None:
        """It is asked where a conversion begins."""
        asked = []

        def volts(seconds: Fraction) -> float:
            asked.append(seconds)
            return float(seconds) * 100

        done = Firmware.from_elf(built("inputs")).run(
            seconds=1,
            pins_driven=[PinInput(9, 1, 15 * _MS), PinInput(9, 0, 20 * _MS), PinInput(10, 1, 22 * _MS)],
            adc=[AnalogSource(0, volts)],
        )
        values = [int(line.split()[1]) for line in done.output.splitlines()]
        assert [float(at) for at in asked] == pytest.approx([0.015, 0.02], abs=1e-5)
        assert values == [int(float(at) * 100 * 4096 / 3.3 + 0.5) for at in asked]

    def test_pins_and_voltages_come_at_their_times(self, built: Built) -> None:
        """The timer counts from when the program let it go: intervals are what they were asked to be."""
        edges = ((15, 1), (16, 0), (19, 1))
        done = Firmware.from_elf(built("inputs")).run(
            seconds=1,
            pins_driven=[
                *(PinInput(9, level, at * _MS) for at, level in reversed(edges)),  # type: ignore[arg-type]
                PinInput(10, 1, 22 * _MS),
            ],
            adc=[AnalogInput(0, Fraction(33, 20)), AnalogInput(0, Fraction(33, 10), 18 * _MS)],
        )
        assert done.exit.reason == "exit"
        lines = [line.split() for line in done.output.splitlines()]
        assert [line[0][0] for line in lines] == ["+", "-", "+"]
        assert [int(line[1]) for line in lines] == [2048, 2048, 4095]
        times = [int(line[0][1:]) for line in lines]
        assert [times[1] - times[0], times[2] - times[1]] == pytest.approx([1000, 3000], abs=1)
        assert done.seconds == pytest.approx(0.022, abs=2e-5)  # it slept until then
        (handler,) = done.handlers
        assert handler.entries == 4

    def test_by_command(self, built: Built) -> None:
        command = "--pin 9=1@15ms,0@16ms --pin 10=1@18ms --adc 0=0.5 --for 1s --json"
        done = subprocess.run(
            [sys.executable, "-m", "m0sim", "run", str(built("inputs")), *command.split()],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        found = json.loads(done.stdout)
        assert found["exit"]["reason"] == "exit"
        assert [line.split()[1] for line in found["output"].splitlines()] == ["621", "621"]  # 0.5 / 3.3 * 4096 = 620.6

    @pytest.mark.parametrize(
        ("given", "says"),
        [
            ({"pins_driven": [PinInput(30, 1)]}, "there is no pin 30: pins are 0 to 29"),
            ({"adc": [AnalogInput(5, Fraction(1))]}, "there is no channel 5: the ADC has 0 to 4"),
            ({"adc": [AnalogInput(0, Fraction(34, 10))]}, "3.4 V at channel 0: the ADC takes 0 to 3.3 V"),
            ({"resets": [-1]}, "the time of an input is 0 or later"),
        ],
    )
    def test_what_cannot_be(self, built: Built, given: dict[str, list[object]], says: str) -> None:
        with pytest.raises(UsageError, match=says.replace(".", r"\.")):
            Firmware.from_elf(built("inputs")).run(seconds=1, **given)  # type: ignore[arg-type]

    def test_as_words(self) -> None:
        assert pin_inputs("9=0@10ms,1@10.5ms,z@2s") == (
            PinInput(9, 0, Fraction(1, 100)), PinInput(9, 1, Fraction(21, 2000)), PinInput(9, None, Fraction(2)),
        )  # fmt: skip
        assert pin_inputs("2=1") == (PinInput(2, 1),)
        assert analog_inputs("4=0.706,1.5V@1us") == (
            AnalogInput(4, Fraction(706, 1000)), AnalogInput(4, Fraction(3, 2), Fraction(1, 10**6)),
        )  # fmt: skip
        for bad in ("9", "9=", "x=1", "9=2", "-1=1", "9=1@", "9=1@5", "9=1,,0"):
            with pytest.raises(UsageError):
                pin_inputs(bad)
        for bad in ("0=", "0=x", "0=1/0", "0=nan"):
            with pytest.raises(UsageError):
                analog_inputs(bad)


class TestResets:
    def test_the_firmware_goes_on_after_each(self, built: Built) -> None:
        """The watchdog resets SIO and all blocks, the processor's own reset neither; SRAM and scratch keep all."""
        done = Firmware.from_elf(built("reboots")).run(seconds=1)
        boots = [[int(figure) for figure in line.split()] for line in done.output.splitlines()]
        assert [boot[0] for boot in boots] == [0, 1, 2, 3]
        assert [boot[1] for boot in boots] == [0, 1, 2, 2]  # REASON: none, TIMER, FORCE, and nothing new
        assert [boot[2] for boot in boots[1:]] == [100, 101, 102]
        assert [boot[3] for boot in boots] == [0, 0, 0, 1 << 25]
        assert (done.exit.reason, done.exit.code) == ("exit", 7)
        assert [reset.reason.split(",")[0] for reset in done.resets] == [
            "the watchdog's countdown ran out",
            "the program asked the watchdog for it",
            "the program asked for it (AIRCR.SYSRESETREQ)",
        ]
        times = [reset.seconds for reset in done.resets]
        assert times == sorted(times)
        assert done.resets[-1].cycle < done.cycles
        assert done.cost.functions["main"].calls == 4
        self_cycles = sum(function.self_cycles for function in done.cost.functions.values())
        assert self_cycles + done.sleep_cycles == done.cycles

    def test_the_countdown_is_as_long_as_it_says(self, built: Built) -> None:
        """It begins when the last of the characters is sent, and takes 500 us: the rest is some code."""
        first = Firmware.from_elf(built("reboots")).run(until_output="0")
        done = Firmware.from_elf(built("reboots")).run(seconds=1)
        sent = first.seconds + len(done.output.splitlines(keepends=True)[0]) * 10 / 115_200
        assert 500e-6 < done.resets[0].seconds - sent < 510e-6

    def test_pins_that_a_reset_lets_go_of(self, built: Built) -> None:
        """The UART's TX, pin 0: the watchdog lets go of it in that cycle, the processor's own reset does not."""
        done = Firmware.from_elf(built("reboots")).run(seconds=1, pins=True)
        changes = [(change.cycle, change.driven & 1) for change in done.pins]
        let_go = [cycle for (_, was), (cycle, is_driven) in pairwise(changes) if was and not is_driven]
        assert let_go == [reset.cycle for reset in done.resets[:2]]

    def test_again_and_again(self, built: Built) -> None:
        done = Firmware.from_elf(built("reset_forever")).run(seconds=60)
        assert done.exit.reason == "limit"
        assert "more than 100 times" in done.exit.detail
        assert "main" in done.exit.detail
        assert len(done.resets) == 101

    def test_the_button_while_clk_sys_is_made_of_the_crystal(self, built: Built) -> None:
        """All is reset, and clk_sys is never without a source meanwhile."""
        done = Firmware.from_elf(built("inputs")).run(seconds=0.05, resets=[20 * _MS])
        assert done.exit.reason == "time"
        assert next(clock.hertz for clock in done.clocks if clock.cycle >= done.resets[0].cycle) == 6.5e6

    def test_the_button(self, built: Built) -> None:
        """It clears the scratch registers: all boots are the first one, and the third comes to the countdown."""
        done = Firmware.from_elf(built("reboots")).run(until_output="\n1 1", resets=[3 * _MS, 6 * _MS])
        assert [reset.reason for reset in done.resets] == [
            *["the reset pin was low"] * 2,
            "the watchdog's countdown ran out",
        ]
        assert [reset.seconds for reset in done.resets[:2]] == pytest.approx([0.003, 0.006], abs=1e-6)
        assert done.exit.reason == "output"

    def test_usb_boot(self, built: Built) -> None:
        done = Firmware.from_elf(built("usb_boot")).run(seconds=1)
        assert (done.exit.reason, done.exit.code) == ("exit", 0)
        assert done.exit.detail == "reset to USB boot"

    def test_no_second_stage(self, built: Built, tmp_path: Path) -> None:
        """The checksum of boot2, in its last four bytes, is wrong."""
        elf = bytearray(built("usb_boot").read_bytes())
        (boot2,) = (s.data[:256] for s in image.load_elf(built("usb_boot")).segments if s.address == 0x1000_0000)
        elf[elf.index(boot2) + 255] ^= 1
        bad = tmp_path / "bad.elf"
        bad.write_bytes(elf)
        done = Firmware.from_elf(bad).run(seconds=1)
        assert done.exit.reason == "fault"
        assert done.exit.detail.startswith("no boot2 in flash")
        assert not done.faults
