"""Profiles of a run on both cores: what each format has of each core, against the report's totals."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import firmware_images
import pytest
from profile_readers import Firefox, Pprof, Stacks
from test_cli import Outcome, run_apart
from test_exports import parse

from m0sim import Firmware
from m0sim.chip.run_cost import RunCost
from m0sim.errors import UsageError
from m0sim.image import Image
from m0sim.report import callgrind, firefox_profiler, lcov, on_core, pprof, speedscope, stacks
from m0sim.report.on_core import OnCore

Ran = tuple[RunCost, Image, Path]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Core 1 of this one sleeps, has handlers, and shares functions with core 0."""
    elf = firmware_images.build("second_core", tmp_path_factory.mktemp("core_profiles"))
    firmware = Firmware.from_elf(elf)
    return firmware.run(), firmware.program, elf


@pytest.fixture(scope="module")
def both(ran: Ran) -> tuple[OnCore, ...]:
    return on_core.chosen(ran[0], "both")


def trees(core: OnCore, image: Image) -> Stacks:
    """Cycles by stack, from the text format, which has no names of cores where it is of one without."""
    lines = stacks.collapsed(core.cost, image).splitlines()
    return Counter({tuple(line.rpartition(" ")[0].split(";")): int(line.rpartition(" ")[2]) for line in lines})


def test_collapsed_begins_with_the_core(ran: Ran, both: tuple[OnCore, ...]) -> None:
    rows = [line.rpartition(" ") for line in stacks.collapsed_of(both, ran[1]).splitlines()]
    found: Counter[str] = Counter()
    for stack, _, cycles in rows:
        assert "(chip)" not in stack
        found[stack.partition(";")[0]] += int(cycles)
    assert found == {core.name: core.cost.cycles for core in both}
    assert {core.name for core in both} == {"core 0", "core 1"}


def test_speedscope_has_a_profile_for_each(ran: Ran, both: tuple[OnCore, ...]) -> None:
    found = json.loads(speedscope.profile_of(both, ran[1]))
    names = [frame["name"] for frame in found["shared"]["frames"]]
    assert len(names) == len(set(names))
    for core, profile in zip(both, found["profiles"], strict=True):
        assert core.name in profile["name"]
        of_stacks: Stacks = Counter()
        for stack, weight in zip(profile["samples"], profile["weights"], strict=True):
            of_stacks[tuple(names[place] for place in stack)] += weight
        assert of_stacks == trees(core, ran[1])
        assert sum(profile["weights"]) == profile["endValue"] == core.cost.cycles


def test_firefox_has_a_thread_for_each(ran: Ran, both: tuple[OnCore, ...]) -> None:
    found = Firefox(firefox_profiler.profile_of(both, ran[1]))
    for number, core in enumerate(both):
        assert core.name in found.threads[number]["name"]
        assert found.stacks(number) == trees(core, ran[1])
        assert found.threads[number]["samples"]["time"][-1] == pytest.approx(1000 * ran[0].seconds)


def test_pprof_labels_samples(ran: Ran, both: tuple[OnCore, ...]) -> None:
    found = Pprof(pprof.profile_of(both, ran[1]))
    for core in both:
        assert found.stacks(core.name) == trees(core, ran[1])
    assert sum(found.stacks().values()) == on_core.total_cycles(both) == 2 * ran[0].cycles


def test_callgrind_adds_both_up_below_a_root_for_each(ran: Ran, both: tuple[OnCore, ...]) -> None:
    text = callgrind.profile_of(both, ran[1])
    parsed = parse(text)
    assert sum(own["Cycles"] for own in parsed.own.values()) == on_core.total_cycles(both)
    assert int(parsed.header["summary"].split()[0]) == on_core.total_cycles(both)
    for core in both:
        below = sum(figures["Cycles"] for (caller, _), figures in parsed.calls.items() if caller == core.name)
        assert parsed.own[core.name]["Cycles"] + below == core.cost.cycles
    assert parsed.own["core 1"]["Cycles"] == ran[0].cores[1].overhead_cycles > 0  # it has handlers; core 0 has none
    alone = [parse(callgrind.profile_of((core,), ran[1])) for core in both]
    for name in parsed.own:
        assert parsed.own[name] == sum((each.own[name] for each in alone), Counter())
    for call in parsed.calls:
        assert parsed.calls[call] == sum((each.calls[call] for each in alone), Counter())


def test_callgrind_has_sleep_where_the_core_slept(ran: Ran) -> None:
    """Once, and not below a root beside: no inclusive figure is more than the total."""
    done, image, _ = ran
    for core in done.cores:
        parsed = parse(callgrind.profile(core.cost, image))
        assert sum(own["Cycles"] for own in parsed.own.values()) == core.cost.cycles
        table = core.cost.instruction_table
        outside = parsed.own[callgrind.OUTSIDE]["Cycles"]
        assert sum(own["Cycles"] for own in parsed.own.values()) - int(table.cycles.sum()) == (
            core.sleep_cycles + core.overhead_cycles
        )
        assert outside == core.overhead_cycles
        assert max(figures["Cycles"] for figures in parsed.calls.values()) <= core.cost.cycles


@pytest.mark.skipif(shutil.which("callgrind_annotate") is None, reason="apt install valgrind")
def test_callgrind_annotate_reads_both(ran: Ran, both: tuple[OnCore, ...], tmp_path: Path) -> None:
    path = tmp_path / "callgrind.out"
    path.write_text(callgrind.profile_of(both, ran[1]))
    command = ["callgrind_annotate", "--threshold=100", "--auto=no", "--show=Cycles", "--inclusive=yes", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert not done.stderr
    shown = {line.split(":")[-1].split(" [")[0]: line.split()[0] for line in done.stdout.splitlines() if "???:" in line}
    assert {shown["core 0"], shown["core 1"]} == {f"{ran[0].cycles:,}"}


def test_lcov_adds_counts_up(ran: Ran, both: tuple[OnCore, ...]) -> None:
    done, image, _ = ran
    together, alone = lcov.tracefile_of(both, image), [lcov.tracefile(core.cost, image) for core in both]

    def calls(text: str) -> Counter[str]:
        rows = [line.removeprefix("FNDA:").split(",") for line in text.splitlines() if line.startswith("FNDA:")]
        return Counter({name: int(times) for times, name in rows})

    assert calls(together) == sum(map(calls, alone), Counter())
    assert calls(together)["core1_main"] == calls(together)["main"] == 1

    def lines(text: str) -> dict[tuple[str, int], int]:
        found, file = {}, ""
        for row in text.splitlines():
            file = row[3:] if row.startswith("SF:") else file
            if row.startswith("DA:"):
                line, times = map(int, row[3:].split(","))
                found[file, line] = times
        return found

    by_line: Counter[tuple[str, int]] = Counter()
    executed = Counter(done.cores[0].cost.executed) + Counter(done.cores[1].cost.executed)
    for address, times in executed.items():
        place = image.source_line(address)
        if place is not None:
            by_line[place] = max(by_line[place], times)
    assert {place: times for place, times in lines(together).items() if times} == by_line


class TestOption:
    def test_words(self) -> None:
        with pytest.raises(UsageError, match="write 0, 1 or both"):
            on_core.check("2")

    def test_where_core_1_never_ran(self, ran: Ran) -> None:
        alone = RunCost(**{name: getattr(ran[0], name) for name in RunCost.__dataclass_fields__} | {"cores": ()})
        assert [core.name for core in on_core.chosen(alone, "both")] == [""]
        assert [core.name for core in on_core.chosen(alone, "0")] == [""]
        with pytest.raises(UsageError, match="core 1: it never ran"):
            on_core.chosen(alone, "1")

    def test_from_the_command_line(self, ran: Ran, tmp_path: Path) -> None:
        done: Outcome = run_apart("run", ran[2], "--core", "1", "--collapsed", tmp_path / "stacks.txt")
        assert done.code == 0, done.err
        expected = stacks.collapsed_of(on_core.chosen(ran[0], "1"), ran[1])
        assert (tmp_path / "stacks.txt").read_text() == expected
        assert all(line.startswith("core 1") for line in expected.splitlines())

    def test_without_a_file_it_says_what_it_is_for(self, ran: Ran) -> None:
        done = run_apart("run", ran[2], "--core", "1")
        assert done.code == 2
        assert "add --callgrind FILE" in done.err
