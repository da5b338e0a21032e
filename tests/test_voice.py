"""``-q`` and ``-v``: what a verb says on stderr beside results and errors, and `m0sim completion`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from conftest import Build
from test_cli import VERBS, Run, elf, faulty, run

from m0sim.cli import shared

__all__ = ["elf", "faulty", "run"]

SILENT = {("completion",), ("data", "fetch"), ("export-model",), ("plugins",), ("schema",)}
"""These say nothing beside their results."""


def test_every_verb_that_works_or_notes_has_both() -> None:
    have = {words for words, verb in VERBS.items() if any({"-q", "-v"} & set(each.opts) for each in verb.params)}
    assert have | SILENT == set(VERBS)
    for words in have:
        taken = [option for each in VERBS[words].params for option in each.opts]
        assert len(taken) == len(set(taken)), words


@pytest.mark.parametrize("quiet", [("-q",), ("--quiet",)])
def test_quiet_leaves_results_and_errors(run: Run, elf: Path, faulty: Path, quiet: tuple[str, ...]) -> None:
    words = ("call", elf, "leaf", 1, "--fail-on", "outside")
    loud = run(*words)
    assert "note: " in loud.err
    hushed = run(*words, *quiet)
    assert (hushed.code, hushed.out, hushed.err) == (0, loud.out, "")
    failed = run("call", faulty, "outer", 1, *quiet)
    assert failed.code == 1
    assert failed.err == run("call", faulty, "outer", 1).err
    assert run("list", "nothing.elf", *quiet).err.startswith("m0sim: nothing.elf: ")


def test_arguments_that_nothing_checks_are_told(run: Run, build: Build) -> None:
    bare = build("memory.c", flags=("-O1", "-g0"))
    done = run("call", bare, "touch", 1)
    assert (done.code, done.err.count("no debug information (-g)")) == (0, 1)
    assert run("call", bare, "touch").err == ""
    assert run("call", build("memory.c"), "touch", 1).err == ""


@pytest.mark.parametrize(
    ("words", "option"),
    [(("call", "leaf", "1"), "--max-cycles"), (("run",), "--max-cycles"), (("run",), "--quantum")],
)
def test_a_number_that_is_none_is_told_with_its_option(
    run: Run, elf: Path, words: tuple[str, ...], option: str
) -> None:
    done = run(words[0], elf, *words[1:], option, "1M")
    assert (done.code, done.out, done.err) == (2, "", f"m0sim: {option}: '1M' is not an integer\n")


def test_verbose_says_what_is_read_what_runs_it_and_how_long(run: Run, elf: Path) -> None:
    words = ("call", elf, "leaf", 1, "--engine", "timed", "--clock", "64M")
    done = run(*words, "-v")
    assert done.out == run(*words).out
    profile, image, engine, ended = done.err.splitlines()
    assert profile.startswith("m0sim: profile rp2040: cortex-m0plus at 64 MHz, from ")
    assert image.startswith(f"m0sim: image {elf}: ")
    assert engine == "m0sim: leaf on engine timed, level cycles, flash ideal"
    assert ended.startswith("m0sim: call: ")
    assert ended.endswith(" s")
    assert run("call", elf, "leaf", 1, "--json", "-v").json["result"] == 2


def test_verbose_and_quiet_exclude_each_other(run: Run, elf: Path) -> None:
    for both in (("-q", "-v"), ("-v", "-q"), ("-qv",)):
        done = run("list", elf, *both)
        assert (done.code, done.out) == (2, "")
        assert done.err == "m0sim: --quiet and --verbose are opposites: leave one out\n"


def test_a_check_says_which_bench_runs_and_what_it_wrote(run: Run, elf: Path, tmp_path: Path) -> None:
    path = tmp_path / "m0sim.toml"
    path.write_text(f'image = "{elf}"\n[[bench]]\nname = "one"\nfunction = "leaf"\nargs = [1]\n')
    said = run("check", path, "--update", "-v").err
    assert f"m0sim: manifest {path}: 1 benches; baseline {tmp_path / 'm0sim-baseline.json'}\n" in said
    assert "m0sim: bench one, 1 of 1\n" in said
    assert "m0sim-baseline.json written" in said
    assert run("check", path, "--update", "-q").err == ""


def test_no_progress_is_shown_where_it_is_quiet(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert shared._is_shown()
    monkeypatch.setattr(shared.voice, "is_quiet", lambda: True)
    assert not shared._is_shown()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_completion_is_what_the_option_prints(run: Run, shell: str) -> None:
    done = run("completion", shell)
    assert (done.code, done.err) == (0, "")
    assert "_M0SIM_COMPLETE" in done.out
    assert done.out == run("--show-completion", shell).out
    assert run("completion", "tcsh").err.startswith("m0sim: no completion for the shell 'tcsh'")
