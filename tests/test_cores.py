"""Both cores of an RP2040: who comes first, what each has of its own, how core 1 begins, and what is reported."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import Any

import firmware_images
import pytest
from conftest import quick_of
from firmware_runs import POISON, choices_of
from reference import two_cores
from reference.exception_programs import RAM, RAM_SIZE
from reference.slow_core import Region
from reference.two_cores import FLASH, STACKS, SignallingCore
from two_core_chip import TwoCoreChip

from m0sim import Firmware, UsageError
from m0sim.chip.engine.cores import Cores
from m0sim.chip.engine.processor import Processor
from m0sim.chip.native.layout import Stop
from m0sim.report import run_json

Built = Callable[[str], Path]
TORTURE, PINGPONG, OWN = "1600 whole 6\n", "0 2 10 2 4 0\n", "npdiDImMtgac\n"


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Builds each program once."""
    folder, made = tmp_path_factory.mktemp("cores"), dict[str, Path]()

    def of(name: str) -> Path:
        if name not in made:
            made[name] = firmware_images.build(name, folder)
        return made[name]

    return of


class TestWhoComesFirst:
    """Against two slow cores of tests/reference, which share no code with m0sim."""

    LIMIT = 12_000

    def slow(self, programs: two_cores.Programs) -> list[dict[str, Any]]:
        regions = [Region(FLASH, bytearray(programs.code), False), Region(RAM, bytearray(POISON * RAM_SIZE))]
        cores = [SignallingCore(regions, choices_of("rp2040"), "cortex-m0plus", 1) for _ in range(2)]
        for core, entry, table, stack in zip(cores, programs.entries, programs.tables, STACKS, strict=True):
            core.reset(stack, entry, table)
        two_cores.run(cores, self.LIMIT)
        assert not any(core.stopped for core in cores)
        return [
            {"r": core.r[:8], "pc": core.r[15], "now": core.now, "slept": core.slept, "ipsr": core.ipsr,
             "ram": bytes(regions[1].content), "runs": +core.executed}
            for core in cores
        ]  # fmt: skip

    def fast(self, programs: two_cores.Programs, quantum: int = 1, slices: int = 10_000) -> list[dict[str, Any]]:
        chip = TwoCoreChip(programs, quantum)
        while chip.cores.now < self.LIMIT:
            assert chip.cores.run(min(self.LIMIT, max(chip.first.now, 0) + slices)) is Stop.LIMIT
        return chip.seen()

    def check(self, seeds: range) -> None:
        for seed in seeds:
            programs = two_cores.programs(seed)
            assert self.fast(programs) == self.slow(programs), seed

    def test_every_instruction_comes_in_its_cycle(self) -> None:
        self.check(range(4))

    @pytest.mark.long
    def test_every_instruction_of_many_programs_does(self) -> None:
        self.check(range(1000, 1120))

    def test_where_a_run_is_looked_at_changes_nothing(self) -> None:
        programs = two_cores.programs(5)
        assert self.fast(programs, slices=37) == self.fast(programs)

    def claims(self, quantum: int) -> None:
        """Both want spinlock 0, so many NOPs behind their reset: who comes first gets it, core 0 in the same cycle."""
        for delays in ((0, 0), (3, 3), (1, 0), (0, 1), (5, 7), (9, 2)):
            code = b"".join(_CLAIM.replace(b"nops", b"\x00\xbf" * delay).ljust(64, b"\xff") for delay in delays)
            programs = two_cores.Programs(code, (FLASH, FLASH), (FLASH, FLASH + 64))
            got = [core["r"][0] for core in self.fast(programs, quantum)]
            assert got == ([1, 0] if delays[0] <= delays[1] else [0, 1]), (quantum, delays)

    @pytest.mark.parametrize("quantum", [1, 3, 64])
    def test_a_lock_that_both_want_in_the_same_cycle_is_core_0s(self, quantum: int) -> None:
        """RP2040 datasheet, 2.3.1.3."""
        self.claims(quantum)

    @pytest.mark.long
    def test_it_is_for_every_quantum(self) -> None:
        for quantum in range(1, 65):
            self.claims(quantum)


_CLAIM = bytes([0xD0, 0x21, 0x09, 0x06, 0xFF, 0x31, 0x01, 0x31]) + b"nops" + bytes([0x08, 0x68, 0xFE, 0xE7])
"""movs r1, #0xd0; lsls r1, #24; adds r1, #255; adds r1, #1; NOPs; ldr r0, [r1]; b ."""
QUICK = (1, 2, 5, 64)


class TestTorture:
    """Every quantum leads to another order, and all of them to the same end."""

    @pytest.mark.parametrize("quantum", QUICK)
    def test_locks_hold(self, built: Built, quantum: int) -> None:
        done = Firmware.from_elf(built("torture")).run(seconds=1, quantum=quantum)
        assert done.output == TORTURE
        assert done.exit.is_good

    @pytest.mark.parametrize("quantum", QUICK)
    def test_words_come_in_order(self, built: Built, quantum: int) -> None:
        assert Firmware.from_elf(built("pingpong")).run(seconds=1, quantum=quantum).output == PINGPONG

    @pytest.mark.long
    @pytest.mark.parametrize(("name", "text"), [("torture", TORTURE), ("pingpong", PINGPONG), ("second_core", OWN)])
    def test_for_every_quantum(self, built: Built, name: str, text: str) -> None:
        firmware = Firmware.from_elf(built(name))
        found = {quantum: firmware.run(seconds=1, quantum=quantum) for quantum in range(1, 65)}
        assert {quantum: done.output for quantum, done in found.items()} == dict.fromkeys(range(1, 65), text)
        assert len({done.cycles for done in found.values()}) > 8  # their orders are not the same

    @pytest.mark.parametrize("quantum", [1, 64, 500])
    def test_the_port_is_used_in_the_order_of_its_cycles(self, built: Built, quantum: int) -> None:
        done = Firmware.from_elf(built("pins_of_both")).run(quantum=quantum, pins=True)
        cycles = [change.cycle for change in done.pins]
        assert cycles == sorted(cycles)
        levels = [change.out >> 2 & 3 for change in done.pins if change.driven >> 2 & 3 == 3]
        moved = [before ^ after for before, after in pairwise(levels)]
        assert min(moved.count(1) + moved.count(3), moved.count(2) + moved.count(3)) >= 290
        turns = sum(before != after for before, after in pairwise(moved))
        assert turns > 100  # they did so at the same time

    def test_the_same_bytes_each_time(self, built: Built) -> None:
        texts = {
            json.dumps(run_json.run(Firmware.from_elf(built("torture")).run(seconds=1, quantum=quantum)))
            for quantum in (7, 7, 7)
        }
        assert len(texts) == 1

    def test_a_slice_that_ends_while_core_1_wakes(self, built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
        """Another thread asks for that, now and then: what core 1 did in the boot ROM is the same."""
        firmware, begin = Firmware.from_elf(built("torture")), Cores._reset_second
        expected = json.dumps(run_json.run(firmware.run(begin="main")))

        def begin_and_end_slice(self: Cores, rom: Any, at: int) -> Processor:
            second = begin(self, rom, at)
            self.end_slice()
            return second

        monkeypatch.setattr(Cores, "_reset_second", begin_and_end_slice)
        assert json.dumps(run_json.run(firmware.run(begin="main"))) == expected

    def test_after_the_reset_button(self, built: Built) -> None:
        """Pressed while both cores are at work, and again while core 1 is being launched."""
        done = Firmware.from_elf(built("torture")).run(seconds=1, resets=[0.0085, 0.0168])
        assert done.output == TORTURE
        assert len(done.resets) == 2

    @pytest.mark.parametrize("quantum", [0, -1, 1_000_001])
    def test_which_quanta_there_are(self, built: Built, quantum: int) -> None:
        with pytest.raises(UsageError, match="quantum must be 1 to 1,000,000 cycles"):
            Firmware.from_elf(built("torture")).run(quantum=quantum)


class TestCore1:
    @pytest.mark.parametrize("flash", ["cold", "ideal"])
    def test_what_it_has_of_its_own(self, built: Built, flash: str) -> None:
        done = Firmware.from_elf(built("second_core")).run(seconds=1, flash=flash)
        assert done.output == OWN
        assert not done.handlers  # all interrupts are core 1's
        _, second = done.cores
        assert [(h.exception, h.entries) for h in second.handlers] == [
            ("SysTick", 3), ("TIMER_IRQ_0", 1), ("IO_IRQ_BANK0", 2), ("SIO_IRQ_PROC1", 4),
        ]  # fmt: skip
        least = [h.latency.min for h in second.handlers if h.latency]
        assert least[0] == least[2] == least[3] == 15

    def test_it_is_reset_by_the_power_on_state_machine(self, built: Built) -> None:
        done = Firmware.from_elf(built("relaunch")).run(seconds=1)
        assert done.output == "answered works stands is reset 12\n"
        assert not done.unmodelled

    def test_it_is_reset_alone_by_its_aircr_and_by_the_watchdog(self, built: Built) -> None:
        done = Firmware.from_elf(built("second_resets")).run(seconds=1)
        assert done.output == "srncwtfpa\n"
        (reset,) = done.resets
        assert "AIRCR.SYSRESETREQ" in reset.reason
        assert reset.reason.endswith("on core 1")
        assert not done.unmodelled

    @pytest.mark.parametrize("quantum", [1, 64])
    def test_pio_is_its_own(self, built: Built, quantum: int) -> None:
        """Sixteen words, each inverted by PIO, each with an interrupt of core 1 and a pulse of two cycles."""
        done = Firmware.from_elf(built("second_pio")).run(seconds=1, quantum=quantum, pins=True)
        total = 0
        for i in range(16):
            total = total * 3 + (~(i * 0x01010101) & 0xFFFF_FFFF) & 0xFFFF_FFFF
        assert done.output == f"0 16 {total}\n"
        assert done.exit.is_good
        (handler,) = done.cores[1].handlers
        assert (handler.exception, handler.entries, bool(done.handlers)) == ("PIO0_IRQ_0", 16, False)
        levels = [(change.cycle, change.out >> 4 & 1) for change in done.pins if change.driven >> 4 & 1]
        edges = [now for before, now in pairwise(levels) if now[1] != before[1]]
        assert [fall[0] - rise[0] for rise, fall in zip(edges[::2], edges[1::2], strict=True)] == [2] * 16

    def test_a_fault_of_it_ends_the_run(self, built: Built) -> None:
        done = Firmware.from_elf(built("core1_faults")).run(seconds=1)
        assert done.exit.reason == "fault"
        assert "on core 1" in done.exit.detail
        assert "core1_main" in done.faults[0]

    def test_it_can_be_waited_for(self, built: Built) -> None:
        done = Firmware.from_elf(built("torture")).run(until="core1_main")
        assert done.exit.reason == "until"
        _, second = done.cores
        assert "core1_main" not in second.cost.functions or second.cost.functions["core1_main"].self_cycles == 0

    def test_it_is_launched_word_by_word(self, built: Built) -> None:
        """A wrong word makes it begin again: RP2040 datasheet, 2.8.2."""
        done = Firmware.from_elf(built("handshake")).run(seconds=1)
        assert done.output == "0 0 1 0 1 42\n"

    def test_code_that_the_other_core_changes(self, built: Built) -> None:
        assert Firmware.from_elf(built("rewrites_other")).run(seconds=1).output == "1 2 3 4\n"


class TestTheClockOnTheWall:
    """It ends slices, at any instruction, and changes nothing of what is counted."""

    def test_while_core_1_comes_to_its_launch(self, built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
        expected = Firmware.from_elf(built("relaunch")).run()
        run_alone = Cores._run_alone

        def cut(cores: Cores, second: Processor, until: int) -> None:
            second.end_slice()
            run_alone(cores, second, until)

        monkeypatch.setattr(Cores, "_run_alone", cut)
        assert Firmware.from_elf(built("relaunch")).run() == expected

    @pytest.mark.parametrize("quantum", quick_of([1, 64], [64]))
    @pytest.mark.parametrize("name", quick_of(["torture", "pingpong", "core1_faults"], ["torture", "core1_faults"]))
    def test_in_the_turn_of_a_core(
        self, built: Built, monkeypatch: pytest.MonkeyPatch, name: str, quantum: int
    ) -> None:
        """Slices of any length are the same, where a core may run ahead of the other, too."""
        expected = Firmware.from_elf(built(name)).run(seconds=0.02, quantum=quantum)
        with monkeypatch.context() as patched:
            patched.setattr("m0sim.chip.engine.firmware_run._SLICE_CYCLES", 1009)
            assert Firmware.from_elf(built(name)).run(seconds=0.02, quantum=quantum) == expected
        run, rng = Cores.run, random.Random(name)

        def cut(cores: Cores, limit: int, pause: int, limit_of_second: int) -> Stop:
            """The clock's thread may come at any time: as from here, for one slice in two."""
            if rng.random() < 0.5:
                pause = min(pause, cores.running.now + rng.randrange(1, 300))
                Thread(target=cores.end_slice).start()
            return run(cores, limit, pause, limit_of_second)

        monkeypatch.setattr(Cores, "run", cut)
        assert Firmware.from_elf(built(name)).run(seconds=0.02, quantum=quantum) == expected


@pytest.mark.parametrize("quantum", [1, 2, 64])
@pytest.mark.parametrize("cycles", [1, 7, 64])
def test_pauses_at_any_cycle_come_to_an_end(
    built: Built, monkeypatch: pytest.MonkeyPatch, quantum: int, cycles: int
) -> None:
    """Wherever the other core is then."""
    monkeypatch.setattr("m0sim.chip.engine.stack_marks._FIRST_CYCLES", cycles)
    monkeypatch.setattr("m0sim.chip.engine.firmware_run._LOOK_CYCLES", cycles)
    done = Firmware.from_elf(built("core1_faults")).run(seconds=0.1, quantum=quantum)
    assert (done.exit.reason, "on core 1" in done.exit.detail) == ("fault", True)


class TestReport:
    def test_every_cycle_of_each_has_its_place(self, built: Built) -> None:
        for name in ("torture", "second_core", "relaunch"):
            for begin in (None, "main", "_exit"):
                done = Firmware.from_elf(built(name)).run(begin=begin, end=None if begin != "_exit" else "_exit")
                assert [core.number for core in done.cores] == [0, 1]
                for core, over in zip(done.cores, done.load.cores, strict=True):
                    own = sum(f.self_cycles for f in core.cost.functions.values())
                    assert own + core.sleep_cycles + core.overhead_cycles == core.cost.cycles == done.cycles
                    assert (over.number, sum(over.busy)) == (core.number, core.cost.cycles - core.sleep_cycles)
                    assert sum(over.handlers) == sum(handler.inclusive_cycles for handler in core.handlers)
                    assert all(b >= h >= 0 for b, h in zip(over.busy, over.handlers, strict=True))

    def test_where_core_1_never_left_the_boot_rom(self, built: Built) -> None:
        done = Firmware.from_elf(built("echo")).run(stdin=b".")
        assert done.cores == ()
        assert "cores" not in run_json.run(done)
        other = Firmware.from_elf(built("echo")).run(stdin=b".", quantum=64)
        assert run_json.run(other) == run_json.run(done)

    def test_stack_and_functions_of_each(self, built: Built) -> None:
        done = Firmware.from_elf(built("torture")).run()
        first, second = done.cores
        assert (first.stacks, first.handlers) == (done.stacks, done.handlers)
        (stack,) = second.stacks
        symbol = Firmware.from_elf(built("torture")).image.find("stack")
        assert stack.top == symbol.address + symbol.size
        assert 8 <= stack.bytes < 100
        assert {"core1_main", "bootrom_wait_for_vector"} <= set(second.cost.functions)
        assert "main" not in second.cost.functions
        assert "core1_main" not in done.cost.functions
        assert any("both cores ran" in line for line in done.cost.warnings)

    def test_a_core_that_was_reset_has_the_stack_that_it_was_launched_with(self, built: Built) -> None:
        """Not that of the boot ROM, far above it, in which it waits in between."""
        (stack,) = Firmware.from_elf(built("relaunch")).run().cores[1].stacks
        symbol = Firmware.from_elf(built("relaunch")).image.find("stack")
        assert (stack.top, stack.bytes < 100) == (symbol.address + symbol.size, True)

    def test_text_json_and_page(self, built: Built, tmp_path: Path) -> None:
        words = ("run", built("second_core"), "--html", tmp_path / "page.html", "--callgrind", tmp_path / "c.out")
        done = _command(*words)
        assert done.returncode == 0
        assert "core 1    " in done.stdout
        assert "msp, core 1" in done.stdout
        assert "function, core 1" in done.stdout
        assert "IRQ16_Handler (SIO_IRQ_PROC1), core 1" in done.stdout
        assert "fn=(1) core 0" in (tmp_path / "c.out").read_text()
        page = (tmp_path / "page.html").read_text()
        assert "Functions on core 1" in page
        assert 'aria-label="Code of core1_main"' in page.partition("Code on core 1")[2]
        assert 'aria-label="Code of main"' in page.partition("Code on core 1")[0]
        assert ">core1_main</div>" in page.partition("Flame graph of core 1")[2].partition("</section>")[0]
        found = json.loads(_command("run", built("second_core"), "--json", "--quantum", "3").stdout)
        assert [core["core"] for core in found["cores"]] == [0, 1]
        assert found["cores"][0]["functions"] == [
            {key: f[key] for key in g} for f, g in zip(found["functions"], found["cores"][0]["functions"], strict=True)
        ]


def _command(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "m0sim", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)
