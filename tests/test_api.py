"""The study's Python calls: the same answers as the verbs, as tables, from plain arguments."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from m0sim import cli
from m0sim.errors import UsageError
from m0sim.study import budget, compare, load_data

ROOT = Path(__file__).parents[1]


Verb = Callable[..., dict[str, Any]]


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Verb:
    """The JSON object that a verb prints."""

    def printed(words: str, *more: object) -> dict[str, Any]:
        monkeypatch.setattr(sys, "argv", ["m0sim", *words.split(), *map(str, more), "--json"])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            cli.main()
        assert not caught.value.code
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return printed


def same(found: dict[str, Any]) -> dict[str, Any]:
    """As JSON has it: tuples are lists there."""
    passed: dict[str, Any] = json.loads(json.dumps(found))
    return passed


def modules(code: str) -> set[str]:
    """What a process has imported behind `code`."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_import_alone_is_cheap() -> None:
    bare = modules("import m0sim.errors")
    assert modules("import m0sim.study") - bare == {"m0sim.study"}
    networks = modules("from m0sim.study import Network, Conv, Dense")
    assert "m0sim.study.learn.networks" in networks
    assert not networks & {"numpy", "click", "matplotlib", "unicorn", "m0sim.study.api"}


def test_every_name_is_there() -> None:
    import m0sim.study

    assert set(m0sim.study.__all__) == set(m0sim.study._HOMES) <= set(dir(m0sim.study))
    for name in m0sim.study.__all__:
        assert getattr(m0sim.study, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nonesuch'"):
        m0sim.study.nonesuch  # noqa: B018


def test_compare_is_the_verb(verb: Verb) -> None:
    told: list[tuple[int, int, str]] = []
    result = compare(
        methods=["priot", "niti-static"], steps=1, form="small", task="noise:5", progress=lambda *now: told.append(now)
    )
    words = "compare --methods priot,niti-static --steps 1 --form small --task noise:5"
    assert same(result.to_dict()) == verb(words)
    assert told == [(1, 2, "priot"), (2, 2, "niti-static")]
    rows = result.table()
    assert [row["method"] for row in rows] == ["priot", "niti-static"]
    for row, method in zip(rows, result.methods, strict=True):
        assert (row["cycles_mean"], row["sram_total"]) == (method.cycles_mean, method.sram["total"])
        assert row["phases_prune"] == method.phases["prune"]
        assert row.keys() == rows[0].keys()
        assert not [value for value in row.values() if isinstance(value, list | dict | tuple)]


def test_budget_is_the_verb(verb: Verb) -> None:
    asked: dict[str, Any] = {"sram": "3K,64K", "methods": "priot-s,niti-static", "plan_only": True}
    result = budget("tiny-cnn-8", solve="fraction", clock=64_000_000, **asked)
    words = "budget --network tiny-cnn-8 --sram 3K,64K --methods priot-s,niti-static --solve --plan-only --clock 64M"
    assert same(result.to_dict()) == verb(words)
    rows = result.table()
    assert [(row["method"], row["room"]) for row in rows] == [
        ("priot-s", "3K"),
        ("niti-static", "3K"),
        ("priot-s", "64K"),
        ("niti-static", "64K"),
    ]
    assert [row["needed_bytes"] for row in rows] == [row.asked.planned.needed_bytes for row in result.rows]
    assert [row["fits"] for row in rows] == [False, False, True, True]
    solved = result.table("solution")
    assert [row["value"] for row in solved] == [
        None if row.solution is None else row.solution.configuration.fraction for row in result.rows
    ]
    assert len(result.table("best")) == 4
    with pytest.raises(UsageError, match="asked, best and solution"):
        result.table("worst")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="nothing was solved for"):
        budget("tiny-cnn-8", **asked).table("solution")


def test_a_budget_in_bytes_runs_its_steps() -> None:
    result = budget("tiny-cnn-8", sram=65_536, methods="niti-static", data=load_data("digits"))
    assert result.table()[0]["cycles"] == result.rows[0].asked.cycles
    assert result.data == "digits"


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: compare("tiny-cn-8"), "unknown network 'tiny-cn-8'.*did you mean"),
        (lambda: compare(methods=["priot", "niti"]), "unknown method 'niti'"),
        (lambda: compare(steps=0), "--steps must be from 1 to 100,000, not 0"),
        (lambda: compare(form="tiny"), "tiny"),
        (lambda: compare(task="turn:3"), "unknown task 'turn:3'"),
        (lambda: compare(data=load_data("digits", split="transfer=0.5")), "digits has fixed parts"),
        (lambda: load_data("x.npz", range="5:1"), "--range 5:1"),
        (lambda: budget(sram="16Q"), "--sram: '16Q' is no size"),
        (lambda: budget(sram="16K", solve="depth"), "--solve 'depth'"),
        (lambda: budget(sram="16K", profile="rp2044"), "rp2044"),
    ],
)
def test_errors_are_those_of_the_command_line(call: Any, line: str) -> None:
    with pytest.raises(UsageError, match=line) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_what_all_leaves_out_is_a_warning() -> None:
    with pytest.warns(UserWarning, match="fp32 is left out: it trains all layers or none"):
        result = budget("tiny-cnn-8", sram="64K", trained=1, plan_only=True)
    assert "fp32" not in {row["method"] for row in result.table()}
