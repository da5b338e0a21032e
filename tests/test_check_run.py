"""``m0sim check`` of whole firmware: ``[[bench]] run = true`` from end to end."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from test_cli import Outcome, Run, run
from test_firmware import Built, built

from m0sim import Firmware
from m0sim.chip.cost import CHIP

__all__ = ["built", "run"]

SLEEPY = """
[[bench]]
name = "tasks"
run = true
until_output = "both worked"
for = "50ms"
"""


@dataclass
class Project:
    """A folder with a manifest."""

    folder: Path
    built: Built

    def write(self, benches: str, program: str = "tasks", *, in_ram: bool = False) -> None:
        image = str(self.built(program, in_ram=in_ram))
        (self.folder / "m0sim.toml").write_text(f"image = {image!r}\n{benches}")

    @property
    def baseline(self) -> Path:
        return self.folder / "m0sim-baseline.json"

    def lower(self, path: str, by: int = 1) -> None:
        """Make one number of the baseline's bench smaller: then this run is worse by so much."""
        whole = json.loads(self.baseline.read_text())
        *way, last = path.split("/")
        inner = whole["benches"]["tasks"]
        inner.pop("stacks", None)  # they would not add up any more, which is refused
        for key in way:
            inner = inner[key]
        inner[last] -= by
        self.baseline.write_text(json.dumps(whole))


@pytest.fixture
def project(built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path, built)


def only(done: Outcome) -> dict[str, Any]:
    (found,) = done.json["benches"]
    return dict(found)


def exceeded(found: dict[str, Any]) -> list[str]:
    return [limit["name"] for limit in found["limits"] if limit["exceeded"]]


def test_the_figures_are_those_of_the_run(run: Run, project: Project, built: Built) -> None:
    project.write(SLEEPY)
    found = only(run("check", "--json"))
    done = Firmware.from_elf(built("tasks")).run(until_output="both worked")
    assert (found["status"], found["function"], found["flash"]) == ("new", "(reset)", "cold")
    assert (found["cycles"], found["instructions"]) == (done.cycles, done.cost.instructions)
    joules = done.cost.energy_joules
    assert joules is not None
    assert found["run"] == {
        "exit": "output",
        "sleep_cycles": done.sleep_cycles,
        "first_output_cycle": done.first_output_cycle,
        "energy_nanojoules": round(joules * 1e9),
        "latencies": {h.exception: h.latency.max for h in done.handlers if h.latency is not None},
        "entries": {"PendSV": 10, "SysTick": 10},
        "stacks": {stack.name: stack.bytes for stack in done.stacks},
    }
    assert set(found["run"]["latencies"]) == {"PendSV", "SysTick"}
    assert {"msp", "second_task"} < set(found["run"]["stacks"])
    assert found["stack_bytes"] == max(found["run"]["stacks"].values())


def test_from_new_to_red(run: Run, project: Project) -> None:
    project.write(SLEEPY)
    assert run("check", "--update").code == 0
    content = project.baseline.read_bytes()
    kept = json.loads(content)["benches"]["tasks"]
    assert kept["stacks"][0][:2] == [0, CHIP]
    assert {"SysTick_Handler", "second_task"} <= {name for _, name, _ in kept["stacks"]}
    assert sum(cycles for *_, cycles in kept["stacks"]) == kept["cycles"]
    done = run("check", "--update", "--jobs", "2")
    assert (done.code, project.baseline.read_bytes()) == (0, content)
    assert run("check", "--json").json["summary"]["unchanged"] == 1


@pytest.mark.parametrize(
    ("path", "limit", "tolerance"),
    [
        ("run/latencies/SysTick", "tolerance_latency.SysTick", ""),
        ("run/latencies/PendSV", "tolerance_latency.PendSV", ""),
        ("run/first_output_cycle", "tolerance_first_output", ""),
        ("run/stacks/msp", "tolerance_stack.msp", "tolerance = { stack = '0%' }"),
        ("run/stacks/second_task", "tolerance_stack.second_task", "tolerance = { stack = '0%' }"),
        ("run/entries/SysTick", "tolerance_entries.SysTick", "tolerance = { entries = '0%' }"),
        ("run/energy_nanojoules", "tolerance_energy", "tolerance = { energy = '0%' }"),
        ("cycles", "tolerance_cycles", "tolerance = { awake = '1%' }"),
    ],
)
def test_each_figure_is_held_against_the_baseline(
    run: Run, project: Project, path: str, limit: str, tolerance: str
) -> None:
    project.write(SLEEPY + tolerance)
    assert run("check", "--update").code == 0
    project.lower(path)
    done = run("check", "--json")
    assert (done.code, exceeded(only(done))) == (1, [limit])


def test_more_sleep_is_an_improvement_and_less_a_regression(run: Run, project: Project) -> None:
    """Over a fixed time the cycles stay the same."""
    project.write("[[bench]]\nname = 'tasks'\nrun = true\nfor = '40ms'\n", "sleep")
    assert run("check", "--update").code == 0
    slept = only(run("check", "--json"))["run"]["sleep_cycles"]
    assert slept > 0
    project.lower("run/sleep_cycles", 5)
    assert only(run("check", "--json"))["status"] == "improved"
    project.lower("run/sleep_cycles", -10)
    found = only(run("check", "--json"))
    assert (found["status"], exceeded(found)) == ("regressed", ["tolerance_awake"])


BUDGETS = [
    ("max_latency = 10", ["max_latency.PendSV", "max_latency.SysTick"]),
    ("max_latency = { SysTick = 10, PendSV = 10_000 }", ["max_latency.SysTick"]),
    ("max_stack = { msp = 0 }", ["max_stack.msp"]),
    ("max_stack = '1K'", []),
    ("max_first_output = 5", ["max_first_output"]),
    ("max_entries = { PendSV = 9, SysTick = 10 }", ["max_entries.PendSV"]),
    ("max_energy = '1nJ'", ["max_energy"]),
    ("max_awake = 1000", ["max_awake"]),
    ("max_cycles = 1000", ["max_cycles"]),
]


@pytest.mark.parametrize(("text", "names"), BUDGETS)
def test_budgets(run: Run, project: Project, text: str, names: list[str]) -> None:
    project.write(SLEEPY + text)
    done = run("check", "--json")
    assert (done.code, exceeded(only(done))) == (int(bool(names)), names)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("max_latency = { SysTik = 10 }", ["SysTik", "did you mean 'SysTick'", "PendSV, SysTick"]),
        ("max_stack = { idle = 10 }", ["no stack of 'idle'", "msp"]),
        ("max_entries = { TIMER_IRQ_0 = 0 }", ["TIMER_IRQ_0"]),
    ],
)
def test_a_budget_for_what_did_not_happen_fails(run: Run, project: Project, text: str, named: list[str]) -> None:
    project.write(SLEEPY + text)
    done = run("check", "--json")
    found = only(done)
    assert (done.code, found["status"], found["failure"]["kind"]) == (1, "failed", "refused")
    assert all(part in found["failure"]["text"] for part in named), found["failure"]["text"]
    assert run("check", "--update").code == 1
    assert not project.baseline.exists()


@pytest.mark.parametrize(
    ("program", "text", "told"),
    [
        ("tasks", "until_output = 'nobody worked'\nfor = '2ms'", "ended by time: 0.002 s"),
        ("tasks", "until = 'Default_Handler'\nfor = '2ms'", "before Default_Handler"),
        ("tasks", "until_output = 'nobody worked'", "ended by exit: _exit(0), before 'nobody worked'"),
        ("tasks", "expect = 1", "ended by exit: _exit(0), expected 1"),
        ("tasks", "from = 'NMI_Handler'", "NMI_Handler was not reached"),
        ("tasks", "from = 'NMI_Handler'\nfor = '2ms'", "NMI_Handler was not reached"),
        ("tasks", "stop_after = 1000", "ended by limit"),
        ("ram_clock", "", "ended by exit: _exit(131374), expected 0"),
    ],
)
def test_a_run_that_does_not_end_as_asked_fails(run: Run, project: Project, program: str, text: str, told: str) -> None:
    project.write(f"[[bench]]\nname = 'tasks'\nrun = true\n{text}\n", program, in_ram=program == "ram_clock")
    done = run("check", "--json")
    found = only(done)
    assert (done.code, found["status"], found["failure"]["kind"]) == (1, "failed", "exit")
    assert told in found["failure"]["text"]


@pytest.mark.parametrize(
    ("program", "text"),
    [
        ("ram_clock", "expect = 131374"),
        ("tasks", ""),
        ("tasks", "until = 'main'"),
        ("tasks", "for = '1ms'"),
        ("tasks", "from = 'main'\nto = 'supervise'"),
    ],
)
def test_good_ends(run: Run, project: Project, program: str, text: str) -> None:
    project.write(f"[[bench]]\nname = 'tasks'\nrun = true\n{text}\n", program, in_ram=program == "ram_clock")
    assert run("check").code == 0


def test_what_the_uart_receives(run: Run, project: Project) -> None:
    (project.folder / "in.txt").write_text("abc.")
    project.write("[[bench]]\nname='e'\nrun=true\nstdin='in.txt'\nuntil_output='ABC.'\nfor='1s'", "echo")
    assert run("check").code == 0
    (project.folder / "in.txt").write_text("abd.")
    assert "before 'ABC.'" in only(run("check", "--json"))["failure"]["text"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("until = 'mian'", "m0sim.toml:5: bench 'x': until: no symbol 'mian'"),
        ("from = 'mian'", "bench 'x': from: no symbol 'mian'"),
        ("to = 'mian'", "bench 'x': to: no symbol 'mian'"),
        ("stdin = 'none.txt'", "bench 'x': stdin: none.txt: no such file"),
        ("bootrom = 'none.bin'", "bench 'x': bootrom: none.bin: no such file"),
        ("engine = 'unicorn'", "bench 'x': engine: whole firmware runs on the timed engine"),
    ],
)
def test_what_is_wrong_is_told_before_anything_runs(run: Run, project: Project, text: str, named: str) -> None:
    project.write(f"[[bench]]\nname = 'x'\nrun = true\n{text}\n")
    done = run("check")
    assert (done.code, done.out) == (2, "")
    assert named in done.err


def test_unicorn_for_all_benches_is_refused(run: Run, project: Project) -> None:
    project.write(SLEEPY)
    done = run("check", "--engine", "unicorn")
    assert done.code == 2
    assert "timed engine" in done.err
    assert run("check", "--engine", "timed").code == 0


def test_calls_and_runs_side_by_side(run: Run, project: Project) -> None:
    """A call's entry is what it always was."""
    call = "[[bench]]\nname = 'call'\nfunction = 'work_on'\nargs = [1]\n"
    project.write(call)
    assert run("check", "--update").code == 0
    alone = json.loads(project.baseline.read_text())["benches"]["call"]
    project.write(call + SLEEPY)
    assert run("check", "--update").code == 0
    both = json.loads(project.baseline.read_text())["benches"]
    assert both["call"] == alone
    assert "run" not in alone
    assert "run" in both["tasks"]
