"""Whole firmware from reset: programs written for this, with their own start-up code, as `m0sim run` runs them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import firmware_images
import pytest
from profile_readers import Firefox, Pprof
from test_cli import Run, run  # noqa: F401

from m0sim import Firmware, UsageError
from m0sim.cli.run import _shown
from m0sim.image import load_raw
from m0sim.report import run_figures

Built = Callable[..., Path]
_ENTRY = 15  # cycles: Cortex-M0+ TRM (DDI 0484C), 3.6.1
_MISS = 60  # a word that the flash cache has not: docs/accuracy.md
_HZ = 125_000_000


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Builds each program once."""
    folder, made = tmp_path_factory.mktemp("run"), dict[str, Path]()

    def of(name: str, *, in_ram: bool = False) -> Path:
        if name not in made:
            made[name] = firmware_images.build(name, folder, in_ram=in_ram)
        return made[name]

    return of


def _command(*words: object, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "m0sim", "run", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)  # type: ignore[call-overload]


class TestPrograms:
    def test_an_image_in_sram_measures_itself(self, built: Built) -> None:
        """What it counts by SysTick is worked out by hand in its source: 302 cycles, and 2 between two reads."""
        done = Firmware.from_elf(built("ram_clock", in_ram=True)).run()
        assert (done.exit.reason, done.exit.code) == ("exit", 2 << 16 | 302)
        assert not done.exit.is_good
        assert done.clocks[0].hertz == 6.5e6  # ROSC: nobody changed it
        assert done.seconds == pytest.approx(done.cycles / 6.5e6)

    def test_echo(self, built: Built) -> None:
        text = "hello, World 123."
        done = Firmware.from_elf(built("echo")).run(stdin=text.encode(), seconds=1)
        assert done.output == "ready\n" + text.upper()
        assert done.exit.reason == "exit"
        assert done.exit.is_good
        (uart,) = done.handlers
        assert uart.name == "IRQ20_Handler (UART0_IRQ)"
        assert uart.number == 36
        assert not done.unmodelled
        assert not done.faults
        (energy,) = done.cost.warnings  # the clock after reset has no published current
        assert energy.startswith("energy is without 7.89 ms at 6.5 MHz")
        assert [round(clock.hertz) for clock in done.clocks] == [6_500_000, 12_000_000, _HZ]

    def test_alarms_come_to_the_microsecond(self, built: Built) -> None:
        done = Firmware.from_elf(built("alarms")).run(flash="ideal")
        assert done.output == "100 200 300 400\n250 500 750 1000\n"
        often, seldom = done.handlers
        assert (often.entries, seldom.entries) == (10, 4)
        assert often.latency is not None
        assert (often.latency.min, often.latency.max) == (_ENTRY, _ENTRY)
        # At 500 and 1,000 us both come: the second waits for the first.
        assert seldom.tail_chained == 2
        assert often.tail_chained == 0
        assert seldom.latency is not None
        assert seldom.latency.min == _ENTRY
        assert seldom.latency.held_by == "a handler of the same or a higher priority"
        longest = often.inclusive_cycles // often.entries
        assert seldom.latency.max <= _ENTRY + longest

    def test_a_cold_flash_cache_lets_the_first_entry_wait(self, built: Built) -> None:
        done = Firmware.from_elf(built("alarms")).run()
        latencies = [handler.latency for handler in done.handlers]
        assert [latency.min for latency in latencies if latency] == [_ENTRY, _ENTRY]
        assert max(latency.max for latency in latencies if latency) >= _ENTRY + _MISS  # its vector is in flash
        assert done.cost.flash is not None
        assert (done.cost.flash.cold_cycles or 0) > 0
        assert done.cost.stall_cycles == done.cost.instruction_table.stalls.sum()

    def test_the_stack_of_the_boot_rom_is_not_the_program_s(self, built: Built, tmp_path: Path) -> None:
        """Which begins below what the ROM used of its own, after a reset on the way too."""
        linked, top = ((0x20040000 + offset).to_bytes(4, "little") for offset in (0x2000, 0x1000))
        (tmp_path / "low.elf").write_bytes(built("echo").read_bytes().replace(linked, top))  # its first vector
        low = Firmware.from_elf(tmp_path / "low.elf").run(stdin=b"hello.", resets=[0.0005])
        (as_linked,) = Firmware.from_elf(built("echo")).run(stdin=b"hello.", resets=[0.0005]).stacks
        (stack,) = low.stacks
        assert (stack.top, stack.bytes) == (0x20041000, as_linked.bytes)

    def test_tasks_have_stacks_and_calls_of_their_own(self, built: Built) -> None:
        done = Firmware.from_elf(built("tasks")).run()
        assert done.output == "both worked\n"
        assert done.exit.is_good
        switch, tick = done.handlers
        assert (switch.name, tick.name) == ("PendSV_Handler (PendSV)", "SysTick_Handler (SysTick)")
        assert switch.entries == switch.tail_chained == tick.entries == 10
        main, first, second = done.stacks
        assert (main.name, first.name, second.name) == ("msp", "(reset)", "second_task")
        assert 32 <= first.bytes <= 64
        assert 32 <= second.bytes <= 64
        roots = {node.function for node in done.cost.call_tree if node.parent == 0}
        assert roots == {"bootrom_reset", "PendSV_Handler", "SysTick_Handler", "second_task"}
        callers = {(edge.caller, edge.callee) for edge in done.cost.edges}
        assert {("supervise", "work_on"), ("second_task", "work_on")} <= callers

    def test_half_asleep(self, built: Built) -> None:
        done = Firmware.from_elf(built("sleep")).run(flash="ideal")
        assert done.output == "slept\n"
        assert done.exit.is_good
        (tick,) = done.handlers
        assert tick.entries == 1000
        assert tick.latency is not None
        assert (tick.latency.min, tick.latency.max) == (_ENTRY, _ENTRY)
        # 1000 ticks of 125,000 cycles, of which 20,833 rounds of 3 cycles are work; the rest of a few cycles each.
        worked = 1000 * 20_833 * 3
        assert 1000 * 125_000 - worked - done.sleep_cycles == pytest.approx(0, abs=1000 * 80)
        assert 1.0 < done.seconds < 1.05

    def test_flash_is_erased_and_programmed(self, built: Built) -> None:
        done = Firmware.from_elf(built("flash")).run()
        assert done.output == f"{512 * 255} {sum(range(256)) + 256 * 255}\n"
        assert done.exit.is_good
        assert not done.faults
        # A sector takes 45 ms, a page 0.4 ms: W25Q16JV data sheet, 9.6, typical.
        assert 0.045 + 0.0004 < done.seconds - 0.008 < 0.048

    def test_floats_of_the_boot_rom(self, built: Built) -> None:
        done = Firmware.from_elf(built("floats")).run()
        numbers = [2 / 3, (2 / 3) ** 0.5, sum(1 / i for i in range(2, 10))]
        assert done.output == "".join(f"{number:.6f}\n" for number in numbers)
        assert any("boot ROM" in warning for warning in done.cost.warnings)

    def test_the_heap_over_time(self, built: Built) -> None:
        done = Firmware.from_elf(built("grows")).run()
        assert [size.bytes for size in done.heap] == [100, 128, 1100]
        cycles = [size.cycle for size in done.heap]
        assert cycles == sorted(cycles)
        assert done.cost.heap_bytes == 1100


class TestCounts:
    def test_every_cycle_has_its_place(self, built: Built) -> None:
        for name in ("alarms", "tasks"):
            done = Firmware.from_elf(built(name)).run()
            cost = done.cost
            assert cost.instruction_table.cycles.sum() + done.sleep_cycles + done.overhead_cycles == done.cycles
            root = cost.call_tree[0]
            assert (root.function, root.inclusive_cycles) == ("(chip)", done.cycles)
            assert sum(node.self_cycles for node in cost.call_tree) == done.cycles
            assert sum(handler.inclusive_cycles for handler in done.handlers) < done.cycles

    def test_two_runs_are_the_same(self, built: Built) -> None:
        firmware = Firmware.from_elf(built("tasks"))
        first, second = firmware.run(), firmware.run()
        assert first == second

    def test_slices_change_nothing(self, built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = Firmware.from_elf(built("alarms")).run()
        monkeypatch.setattr("m0sim.chip.engine.firmware_run._SLICE_CYCLES", 997)
        assert Firmware.from_elf(built("alarms")).run() == whole

    def test_time_ends_it_to_the_cycle(self, built: Built) -> None:
        firmware = Firmware.from_elf(built("sleep"))
        done = firmware.run(seconds=0.05)
        assert done.exit.reason == "time"
        assert done.exit.is_good
        assert 0.05 <= done.seconds < 0.05 + 20 / _HZ

    def test_a_part_of_a_run(self, built: Built) -> None:
        firmware = Firmware.from_elf(built("tasks"))
        whole, part = firmware.run(), firmware.run(begin="supervise")
        before = firmware.run(until="supervise")
        assert before.exit.reason == "until"
        assert before.exit.is_good
        assert part.cycles == whole.cycles - before.cycles
        assert "main" not in part.cost.functions or part.cost.functions["main"].self_cycles == 0
        assert part.cost.functions["work_on"].calls == whole.cost.functions["work_on"].calls
        executed = {a: n for a, n in part.cost.executed.items() if n}
        assert executed == {
            a: n - before.cost.executed.get(a, 0)
            for a, n in whole.cost.executed.items()
            if n != before.cost.executed.get(a)
        }
        one = firmware.run(begin="supervise", end="work_on")
        assert one.exit.reason == "until"
        assert one.cycles < 30 + 5 * _MISS

    def test_latencies_of_a_part_are_those_of_its_entries(self, built: Built) -> None:
        """The first entry waits for flash. What begins in its handler has none but the later ones."""
        firmware = Firmware.from_elf(built("tasks"))
        whole = {handler.number: handler for handler in firmware.run().handlers}
        part = {handler.number: handler for handler in firmware.run(begin="SysTick_Handler").handlers}
        first, later = whole[15].latency, part[15].latency
        assert first is not None
        assert later is not None
        assert part[15].entries == whole[15].entries - 1
        assert later.min <= later.mean <= later.max < first.max

    def test_times_are_as_sure_as_the_cycles(self, built: Built) -> None:
        """Where flash waits by a model, so does all that comes later."""
        for flash, certainty in (("cold", "estimate"), ("ideal", "exact")):
            done = Firmware.from_elf(built("echo")).run(stdin=b".", flash=flash)
            found = {figure.label: figure.certainty for figure in run_figures.figures(done)}
            assert {found[label] for label in ("cycles", "time", "asleep", "first output")} == {certainty}

    def test_output_ends_it(self, built: Built) -> None:
        done = Firmware.from_elf(built("alarms")).run(until_output="300 4", flash="ideal")
        assert done.exit.reason == "output"
        assert done.output == "100 200 300 4"


class TestCommand:
    def test_output_and_figures(self, built: Built, tmp_path: Path) -> None:
        page, profile, made = tmp_path / "run.html", tmp_path / "run.callgrind", tmp_path / "run.json"
        done = _command(built("tasks"), "--html", page, "--callgrind", profile, "-o", made)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("both worked\n")
        assert "PendSV_Handler (PendSV)" in done.stdout
        assert "ended by exit: _exit(0)" in done.stdout
        assert "second_task" in page.read_text()
        assert "events: Cycles" in profile.read_text()
        result = json.loads(made.read_text())
        assert {
            "cycles",
            "seconds",
            "exit",
            "output",
            "functions",
            "handlers",
            "sleep_cycles",
            "stack",
            "flash",
        } <= set(result)
        assert result["exit"]["reason"] == "exit"
        assert result["stack"]["msp"]["bytes"] > 0
        assert {"name", "number", "entries", "self_cycles", "inclusive_cycles", "latency"} <= set(result["handlers"][0])

    def test_profiles_by_stack_have_all_cycles(self, built: Built, tmp_path: Path) -> None:
        """Sleep and the ways into handlers, too: the roots are what nobody calls, below the chip."""
        files = {name: tmp_path / name for name in ("pprof", "firefox", "collapsed")}
        done = _command(built("tasks"), "--json", *[word for name in files for word in (f"--{name}", files[name])])
        assert done.returncode == 0, done.stderr
        found = Pprof(files["pprof"].read_bytes()).stacks()
        assert sum(found.values()) == json.loads(done.stdout)["cycles"]
        assert found == Firefox(files["firefox"].read_text()).stacks()
        rows = [line.rpartition(" ") for line in files["collapsed"].read_text().splitlines()]
        assert found == {tuple(stack.split(";")): int(cycles) for stack, _, cycles in rows}
        assert any(stack[1:2] == ("PendSV_Handler",) for stack in found)

    def test_json_alone_on_stdout(self, built: Built) -> None:
        done = _command(built("echo"), "--stdin", "-", "--json", input="a.")
        assert json.loads(done.stdout)["output"] == "ready\nA."
        assert done.stderr == "ready\nA."

    def test_exit_codes(self, built: Built, run: Run) -> None:  # noqa: F811
        assert run("run", built("ram_clock", in_ram=True)).code == 1
        assert run("run", built("sleep"), "--for", "5ms").code == 0
        assert run("run", built("sleep"), "--max-cycles", "100000").code == 1

    @pytest.mark.parametrize(
        ("words", "says"),
        [
            (["--until", "NMI_Handler"], "NMI_Handler was not reached"),
            (["--until", "NMI_Handler", "--for", "1ms"], "NMI_Handler was not reached"),
            (["--until-output", "nothing"], "'nothing' was not printed"),
            (["--until-output", "nothing", "--for", "1ms"], "'nothing' was not printed"),
            (["--from", "NMI_Handler"], "NMI_Handler was not reached: the figures are of all that ran"),
            (["--from", "main", "--to", "NMI_Handler"], "NMI_Handler was not reached"),
            (["--from", "_exit", "--to", "main"], "main was not reached"),
        ],
    )
    def test_what_never_came_is_told_and_no_success(self, built: Built, run: Run, words: list[str], says: str) -> None:  # noqa: F811
        done = run("run", built("tasks"), *words)
        assert done.code == 1
        assert f"warning: {says}" in done.out

    def test_what_came_is_not_told(self, built: Built, run: Run) -> None:  # noqa: F811
        for words in (["--until", "main", "--until-output", "nothing"], ["--from", "main", "--to", "supervise"]):
            done = run("run", built("tasks"), *words)
            assert (done.code, "was not" in done.out) == (0, False)

    def test_characters_come_in_bytes(self, capsys: pytest.CaptureFixture[str]) -> None:
        show = _shown(json_wanted=False)
        for source, data in (("UART0", b"\xc3"), ("UART1", b"x\xff"), ("UART0", b"\xa9")):
            show(source, data)
        assert capsys.readouterr().out == "x\ufffd\u00e9"

    def test_closed_streams(self, built: Built) -> None:
        for closed in ("1>&-", "2>&-"):
            words = [sys.executable, "-m", "m0sim", "run", built("tasks")]
            done = subprocess.run(
                ["sh", "-c", f'"$@" {closed}', "sh", *map(str, words)], capture_output=True, text=True, timeout=60
            )
            assert (done.returncode, done.stderr) == (0, "")

    def test_a_folder_is_no_file_to_write(self, built: Built, run: Run, tmp_path: Path) -> None:  # noqa: F811
        done = run("run", built("tasks"), "--vcd", tmp_path)
        assert (done.code, done.out) == (2, "")
        assert "is a directory" in done.err

    @pytest.mark.parametrize(
        ("words", "says"),
        [
            (["--for", "5"], "such as 50ms"),
            (["--for", "0s"], "more than 0"),
            (["--until", "superwise"], "did you mean"),
            (["--flash", "warm"], "cold"),
            (["--until", "stacks"], "is data"),
            (["--until-output", ""], "no characters"),
            (["--stdin-to", "USB"], "say what is sent there"),
            (["--stdin", os.devnull, "--stdin-to", "UART2"], "UART0, UART1, USB"),
            (["--flash", "idal"], "did you mean 'ideal'"),
            (["--clock", "64M"], "no such option"),
            (["--profile", "stm32g030"], "choose another --profile"),
        ],
    )
    def test_what_makes_no_sense(self, built: Built, run: Run, words: list[str], says: str) -> None:  # noqa: F811
        done = run("run", built("tasks"), *words)
        assert done.code == 2
        assert says in done.err
        assert done.err.count("\n") == 1

    def test_ctrl_c_gives_what_there_is(self, built: Built) -> None:
        command = [sys.executable, "-m", "m0sim", "run", str(built("forever")), "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
            assert running.stderr is not None
            assert running.stderr.readline() == "again\n"
            os.kill(running.pid, signal.SIGINT)
            out, _ = running.communicate(timeout=60)
        assert json.loads(out)["exit"]["reason"] == "interrupted"
        assert running.returncode == 1


class TestCareless:
    def test_nothing_to_begin_with(self) -> None:
        """A part that begins at its vectors, and one whose boot ROM looks for boot2 first."""
        with pytest.raises(UsageError, match=r"0x08000000 begin with 0x0+, 0x0+: no stack and reset"):
            Firmware(load_raw(bytes(64), 0x08000000), "stm32g030").run()
        done = Firmware(load_raw(bytes(64), 0x10000000)).run()
        assert (done.exit.reason, done.exit.is_good) == ("fault", False)
        assert "no boot2 in flash" in done.exit.detail

    def test_another_part(self, built: Built) -> None:
        with pytest.raises(UsageError, match="choose another --profile"):
            Firmware.from_elf(built("echo"), "samd21")

    def test_a_wait_for_what_is_not_modelled(self, built: Built) -> None:
        """It is named, with who waits for it."""
        done = Firmware.from_elf(built("stuck")).run(seconds=0.02)
        assert done.exit.reason == "time"
        assert "main" in done.exit.detail
        waited, started = done.unmodelled
        assert waited.register.startswith("IO_QSPI+0x030")
        assert waited.function == "main"
        assert waited.loads > 100
        assert started.stores == 1

    def test_a_fault_that_nobody_handles(self, built: Built) -> None:
        done = Firmware.from_elf(built("faulty")).run()
        assert done.exit.reason == "fault"
        assert not done.exit.is_good
        assert "load of 4 bytes at 0x30000000: nothing answers" in done.exit.detail
        assert "follow" in done.exit.detail
        assert "faulty.c" in done.exit.detail
        assert len(done.faults) == 1

    @pytest.mark.parametrize(
        ("code", "says"), [("ffde", r"UDF #255.* \(a compiler's trap"), ("b0fb", "fbb0"), ("00de", "UDF #0, .* at")]
    )
    def test_an_instruction_that_is_none_is_named(self, code: str, says: str) -> None:
        image = load_raw(bytes.fromhex("0020002009000008" + code + "f1f0"), 0x0800_0000)
        done = Firmware(image, "stm32g0").run()
        assert done.exit.reason == "fault"
        assert re.search(f"^lockup: {says}", done.exit.detail)

    def test_stores_to_flash_are_told(self, built: Built) -> None:
        done = Firmware.from_elf(built("flashy")).run()
        assert done.exit.is_good
        assert "3 stores went to flash or ROM, which dropped them" in done.cost.warnings
