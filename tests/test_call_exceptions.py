"""Calls whose code takes exceptions: SVC, and PendSV that is asked for in ICSR. Cycles are worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
from test_cli import Run, run
from test_firmware import Built, built

from m0sim import Fault, Machine
from m0sim.chip import device, timing

__all__ = ["built", "run"]

AROUND = timing.exception_timing(device.load("rp2040"))
SVC = AROUND.entry + 7 + AROUND.leaving  # the handler: LDR, LSLS, STR, BX
ASK = SVC + 1 + 2
FRAME = 32  # bytes: DDI 0419, B1.5.6


@pytest.fixture(scope="module")
def machine(built: Built) -> Machine:
    return Machine.from_elf(built("supervisor"))


def test_svc_runs_its_handler_and_comes_back(machine: Machine) -> None:
    for _ in range(2):
        cost = machine.call("ask", 21, engine="timed")
        assert (cost.result, cost.cycles, cost.instructions, cost.stack_bytes) == (43, ASK, 7, FRAME)
        own = {name: (found.calls, found.self_cycles) for name, found in cost.functions.items()}
        assert own == {"ask": (1, 3), "SVC_Handler": (1, 7)}
        (warning,) = cost.warnings
        assert warning.startswith(f"{AROUND.entry + AROUND.leaving} cycles are of entering")


@pytest.mark.parametrize("rounds", [1, 2, 100])
def test_many_of_them_below_other_calls(machine: Machine, rounds: int) -> None:
    cost = machine.call("ask_often", rounds, engine="timed")
    loop = 1 + 3 + ASK + 1 + 1 + 2
    assert cost.result == sum(2 * n + 1 for n in range(1, rounds + 1))
    assert cost.cycles == 4 + 2 + rounds * loop - 1 + 1 + (3 + 3)
    assert (cost.functions["ask"].calls, cost.functions["SVC_Handler"].calls) == (rounds, rounds)
    assert cost.stack_bytes == 12 + 4 + FRAME  # the frame is on a multiple of 8
    entry = cost.functions["ask_often"]
    assert entry.inclusive_cycles == cost.cycles - rounds * SVC  # a handler's time is its own


def test_pendsv_by_a_register_of_the_core(machine: Machine) -> None:
    assert machine.call("switch", engine="timed").result == 1
    assert machine.call("switch", engine="timed", keep=True).result == 2
    assert machine.call("switch", engine="timed").result == 1
    assert machine.call("switch", engine="timed", startup=True).functions["PendSV_Handler"].calls == 1


def test_calls_without_exceptions_are_what_they_were(machine: Machine, built: Built) -> None:
    """Before one with exceptions, after one, and after one that faulted in between."""
    fresh = Machine.from_elf(built("supervisor"))
    expected = fresh.call("number", engine="timed")
    machine.call("ask", 1, engine="timed")
    with pytest.raises(Fault):
        machine.call("ask_masked", engine="timed")
    for engine in ("timed", "unicorn"):
        assert machine.call("number", engine=engine) == expected  # type: ignore[arg-type]
    assert machine.call("ask", 4, engine="timed").result == 9
    assert machine.count("ask", 4, engine="timed") == ASK


@pytest.mark.parametrize("flash", ["cold", "warm"])
def test_flash_that_waits(machine: Machine, flash: Any) -> None:
    cost = machine.call("ask", 21, flash=flash)
    ideal = machine.call("ask", 21, engine="timed")
    assert cost.result == 43
    assert (cost.cycles > ideal.cycles) == (flash == "cold")
    assert machine.call("ask", 21, engine="timed", flash_report=True).cycles == ideal.cycles


def test_a_limit_and_stubs_hold_in_it(machine: Machine) -> None:
    with pytest.raises(Fault) as caught:
        machine.call("ask_often", 100, engine="timed", max_cycles=1000)
    assert caught.value.kind == "cycle-limit"
    cost = machine.call("ask_often", 2, engine="timed", stubs={"ask": [10, 20]})
    assert cost.result == 30


@pytest.mark.parametrize(
    ("function", "options", "told"),
    [
        ("ask", {}, "SVC #7, and Unicorn takes no exceptions: --engine timed does"),
        ("ask", {"engine": "timed", "level": "memory"}, "SVC #7, and at level memory there are no exceptions"),
        ("ask_masked", {"engine": "timed"}, "SVC where its handler has not enough priority"),
    ],
)
def test_where_none_is_taken(machine: Machine, function: str, options: dict[str, Any], told: str) -> None:
    with pytest.raises(Fault) as caught:
        machine.call(function, 1, **options)
    assert caught.value.kind == "supervisor-call"
    assert told in caught.value.reason
    assert caught.value.function == function


def test_the_command(run: Run, built: Built) -> None:
    image = str(built("supervisor"))
    done = run("call", "--engine", "timed", image, "ask", "21", "--json")
    assert (done.code, done.json["cycles"], done.json["result"]) == (0, ASK, 43)
    assert done.json["flash"]["bus_cycles"] == 0  # what fetching the vectors waited is the flash's, not a bus's
    assert "--engine timed" in run("call", image, "ask", "21").err
    assert "SVC_Handler" in run("annotate", "--engine", "timed", image, "ask", "21").out
