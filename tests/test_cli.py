"""The command line: what it prints and where, its exit codes, and that no input gets a traceback out of it."""

from __future__ import annotations

import gc
import json
import os
import re
import resource
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import mutate_elf
import numpy as np
import pytest
from conftest import FIRMWARE, Build, quick_of

from m0sim import cli, files
from m0sim.cli import shared, verbs
from m0sim.image import load_elf

ROOT = Path(cli.__file__).parents[2]
PROGRAM = [sys.executable, "-c", "from m0sim.cli import main; main()"]
CALL_KEYS = {
    *("schema", "cycles", "instructions", "result", "loads", "stores", "bytes_loaded", "bytes_stored"),
    *(
        "branches_taken",
        "branches_not_taken",
        "stack_bytes",
        "seconds",
        "energy_joules",
        "memory",
        "functions",
        "fault",
    ),
}


@dataclass
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        assert type(found["schema"]) is int
        return found


Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """`m0sim` in this process: fast."""
    return _runner(capsys, monkeypatch)


@pytest.fixture
def run_with_children(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """The same where it starts processes, which write to the system's stdout and stderr."""
    return _runner(capfd, monkeypatch)


def _runner(capture: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    def ran(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["m0sim", *map(str, arguments)])
        capture.readouterr()
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return Outcome(int(caught.value.code or 0), *capture.readouterr())

    return ran


def _verbs() -> dict[tuple[str, ...], click.Command]:
    """The words of every verb, and what runs it."""
    found: dict[tuple[str, ...], click.Command] = {}
    for name, verb in verbs.VERBS.items():
        command = verb.load()
        inner = command.commands if isinstance(command, click.Group) else {}
        found |= {(name, each): inner[each] for each in inner} or {(name,): command}
    return found


VERBS = _verbs()


@pytest.mark.parametrize("words", [(), ("data",)])
def test_no_verb_shows_which_there_are(run: Run, words: tuple[str, ...]) -> None:
    done = run(*words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"Usage: {' '.join(('m0sim', *words))} [OPTIONS] COMMAND")
    for verb in {each[: len(words) + 1] for each in VERBS if each[: len(words)] == words}:
        assert re.search(rf"^  {verb[-1]} +[A-Z].*\.$", done.err, re.MULTILINE), "each on a line of its own"


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("words", [(), ("data",), *VERBS], ids=" ".join)
def test_help(run: Run, words: tuple[str, ...], option: str) -> None:
    done = run(*words, option)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Usage: {' '.join(('m0sim', *words))} ")
    assert re.search(r"^  -h, --help +Show this message and exit\.$", done.out, re.MULTILINE)
    if words in VERBS:
        first = (VERBS[words].help or "").splitlines()[0]
        assert first in " ".join(done.out.split())


# What a verb does that was given nothing at all, in an empty folder.
ALONE = {
    ("call",): "Missing argument 'IMAGE'.",
    ("annotate",): "Missing argument 'IMAGE'.",
    ("init",): "Missing argument 'IMAGE'.",
    ("list",): "Missing argument 'IMAGE'.",
    ("check",): "m0sim.toml: no such file: `m0sim init app.elf` writes one (docs/check.md)",
    ("completion",): "Missing argument 'SHELL'.",
    ("diff",): "Missing argument 'OLD'.",
    ("export",): "name an image and a function, a manifest, or --read LOG",
    ("gdb",): "Missing argument 'IMAGE'.",
    ("run",): "Missing argument 'IMAGE'.",
    ("size",): "Missing argument 'IMAGE'.",
    ("history",): "Missing argument 'FILE'.",
    ("stack",): "Missing argument 'IMAGE'.",
    ("export-model",): "Missing argument 'MODEL'.",
    ("import",): "Missing argument 'MODEL'.",
    ("budget",): "Missing option '--sram'.",
    ("study",): "Missing argument 'STUDY.toml'.",
    ("sweep",): "Missing argument 'SWEEP.toml|DIR'.",
    ("data", "fetch"): "Missing argument 'NAME'.",
}
WORK = {("compare",), ("pretrain",), ("train",)}
"""These need no arguments, and work for seconds: their own tests run them."""


@pytest.mark.parametrize("words", sorted(VERBS.keys() - WORK), ids=" ".join)
def test_a_verb_alone(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*words)
    if words in ALONE:
        assert (done.code, done.out, done.err.upper()) == (2, "", f"m0sim: {ALONE[words]}\n".upper())
    else:
        assert (done.code, done.err) == (0, "")


# In each shell, `comp WORDS...` prints what may come in the place of the last word, an entry a line.
SHELLS = {
    "bash": """
        comp() {
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
            _m0sim_completion m0sim
            printf '%s\n' "${COMPREPLY[@]}"
        }
    """,
    "zsh": """
        _describe() { print -rl -- ${${(P)3}%%:*} }
        compadd() { print -rl -- ${(P)@[-1]} }
        comp() { words=("$@") CURRENT=$#; ${_comps[m0sim]} }
    """,
    "fish": """
        function comp; complete -C "$argv"; end
    """,
}
SHOWN = {
    "bash": 'eval "$(m0sim --show-completion)"',
    "zsh": 'autoload -U compinit && compinit -D; eval "$(m0sim --show-completion)"',
    "fish": "m0sim --show-completion | source",
}
INSTALLED = {
    "bash": "m0sim --install-completion >installed; source ~/.bashrc",
    "zsh": "m0sim --install-completion >installed; source ~/.zshrc",
    "fish": "m0sim --install-completion >installed",
}


@pytest.mark.parametrize("how", [SHOWN, INSTALLED], ids=["shown", "installed"])
@pytest.mark.parametrize("shell", SHELLS)
def test_completion_in_the_shell_itself(shell: str, how: dict[str, str], tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "m0sim"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(PROGRAM)} "$@"\n')
    program.chmod(0o755)
    asked = "comp m0sim ca; echo @; comp m0sim call some.elf f --ba; echo @; comp m0sim data f"
    environment = {name: text for name, text in os.environ.items() if name not in ("ZDOTDIR", "XDG_CONFIG_HOME")}
    environment |= {"PATH": f"{program.parent}:{os.environ['PATH']}", "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    script = "\n".join((how[shell], SHELLS[shell], asked))
    done = subprocess.run(
        [shell, "-c", script], capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=60
    )
    assert done.stderr == ""
    verbs, options, data = done.stdout.split("@\n")
    assert [line.split("\t")[0] for line in verbs.split("\n") if line.startswith("c")] == ["call"]
    assert re.search(r"^--base\b", options, re.MULTILINE)
    assert not re.search(r"^--before\b", options, re.MULTILINE)
    assert re.search(r"^fetch\b", data, re.MULTILINE)


@pytest.mark.parametrize(("shell", "start_up"), [("bash", ".bashrc"), ("zsh", ".zshrc"), ("fish", None)])
def test_completion_is_installed_once(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: str, start_up: str | None
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("ZDOTDIR", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    if start_up is not None:
        (tmp_path / start_up).write_bytes(b"export NAME=\xff  # no newline")
    for _ in range(2):
        done = run("--install-completion", shell)
        assert (done.code, done.err) == (0, "")
    written = Path(done.out.split(" is in ")[1].split(";")[0])
    assert written.read_text() == run("--show-completion", shell).out
    if start_up is not None:
        first, added = (tmp_path / start_up).read_bytes().splitlines()
        assert first == b"export NAME=\xff  # no newline"
        assert b".bash_completions" in added or b".zfunc" in added


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("--show-completion tcsh", "zsh"),
        ("--install-completion tcsh", "zsh"),
        ("--install-completion powershell", "--show-completion"),
    ],
)
def test_shells_without_completion(run: Run, line: str, named: str) -> None:
    done = run(*line.split())
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert named in done.err


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("bash_complete", 0),
        ("bash_source", 0),
        ("zsh_complete", 0),
        ("fish_complete", 0),
        *(("tcsh_complete", 1), ("bash", 1), ("bash_other", 1), ("complete_bash", 1), ("", 1)),
    ],
)
def test_completion_asked_in_any_way_is_no_traceback(
    run: Run, monkeypatch: pytest.MonkeyPatch, asked: str, code: int
) -> None:
    monkeypatch.setenv("_M0SIM_COMPLETE", asked)
    done = run()
    assert "Traceback" not in done.err
    assert done.code == code


def start(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    """`m0sim` in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen([*PROGRAM, *map(str, arguments)], text=True, env=environment, **options)


def run_apart(*arguments: object, **options: Any) -> Outcome:
    process = start(*arguments, **options)
    out, err = process.communicate(timeout=60)
    return Outcome(process.returncode, out or "", err or "")


@pytest.fixture(scope="module")
def elf(build: Build) -> Path:
    return build("calls.S", flags=("-g", f"-I{FIRMWARE}"))


@pytest.fixture(scope="module")
def faulty(build: Build) -> Path:
    return build("faults.S", flags=("-g", f"-I{FIRMWARE}"))


# ------------------------------------------------------------------------------------------------------ m0sim call


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pipe", "pipe: nobody wrote anything to it for 0.1 s: give a file, or a pipe that ends"),
        ("/dev/zero", "/dev/zero: longer than 67,108,864 bytes, which is all that is read of such a file"),
        (".", "cannot read it: Is a directory"),
        ("none", "cannot read it: No such file or directory"),
        ("bomb.npy", "bytes of data where shape"),
        ("objects.npy", "an array of Python objects"),
        ("text.npy", "not a NumPy array file that can be read"),
    ],
)
def test_a_file_that_is_no_argument_is_one_line(
    run: Run, elf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.setattr(files, "_WRITER_SECONDS", 0.1)
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    np.save("objects.npy", np.array([{}]), allow_pickle=True)
    np.save("bomb.npy", np.zeros(3, np.uint8))
    bomb = Path("bomb.npy").read_bytes().replace(b"(3,), }        ", b"(3000000000,), }")
    Path("bomb.npy").write_bytes(bomb)
    Path("text.npy").write_text("text")
    done = run("call", elf, "calls_tails", f"@{name}")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert said in done.err


def test_a_pipe_is_an_argument(elf: Path) -> None:
    """What the shell puts into a pipe, and what comes from stdin, until its end."""
    command = (
        f"{shlex.join(PROGRAM)} call {shlex.quote(str(elf))} calls_tails @<(sleep 0.2; printf abc) @/dev/stdin --json"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-c", command], input=b"some bytes", capture_output=True, env=environment, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_an_output_that_cannot_be_written_keeps_the_old_file(
    run: Run, elf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for name in ("out.bin", "out.npy"):
        path = tmp_path / name
        path.write_bytes(b"old")
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            done = run("call", elf, "calls_tails", f"out:16:{path}")
        assert (done.code, done.err) == (2, f"m0sim: {path}: cannot write: No space left on device\n")
        assert path.read_bytes() == b"old"
        assert run("call", elf, "calls_tails", f"out:16:{path}").code == 0
        assert len(np.load(path) if path.suffix == ".npy" else path.read_bytes()) == 16


def test_call_as_text(run: Run, elf: Path) -> None:
    done = run("call", elf, "calls_tails", 5)
    assert (done.code, done.err) == (0, "")
    rows = {words[0]: words[1:] for line in done.out.splitlines() if (words := line.split())}
    assert rows["result"][0] == "8"
    assert rows["cycles"][0] == "25"
    assert rows["time"][:2] == ["200", "ns"]  # 25 cycles of 125 MHz
    assert rows["calls_tails"] == ["1", "12", "48.0", "%", "25", "100.0", "%"]
    assert rows["leaf"] == ["2", "6", "24.0", "%", "6", "24.0", "%"]
    assert "\x1b" not in done.out


def test_another_clock(run: Run, elf: Path) -> None:
    found = run("call", elf, "calls_tails", 5, "--json", "--clock", "100MHz").json
    assert found["cycles"] == 25
    assert found["seconds"] == 25 / 100e6
    assert found["energy_joules"] == pytest.approx(25 / 100e6 * 0.0236 * 3.3)
    assert found["provenance"]["clock_hz"] == 100_000_000
    assert "(cortex-m0plus, 62.5 MHz)" in run("call", elf, "calls_tails", 5, "--clock", "62.5M").out
    assert "calls_tails" in run("annotate", elf, "calls_tails", 5, "--clock", "133M").out
    beyond = run("call", elf, "calls_tails", 5, "--clock", "151M", "--json").json
    for key in ("energy_joules", "energy_joules_low", "energy_joules_high", "energy_source", "energy_bounds_source"):
        assert beyond[key] is None


@pytest.mark.parametrize(
    ("clock", "says"), [("201M", "rp2040 runs at 1 Hz to 200 MHz"), ("fast", "not a clock: 'fast'")]
)
def test_a_clock_that_it_cannot_run_at(run: Run, elf: Path, clock: str, says: str) -> None:
    done = run("call", elf, "calls_tails", 5, "--clock", clock)
    assert (done.code, done.out) == (2, "")
    assert says in done.err


def test_call_as_json(run: Run, elf: Path) -> None:
    done = run("call", elf, "calls_tails", 5, "--json")
    found = done.json
    assert (done.code, done.err) == (0, "")
    assert set(found) >= CALL_KEYS
    assert (found["cycles"], found["result"], found["stack_bytes"], found["fault"]) == (25, 8, 4, None)
    assert found["seconds"] == 25 / 125e6
    low, typical, high = (found[key] for key in ("energy_joules_low", "energy_joules", "energy_joules_high"))
    assert typical == pytest.approx(25 / 125e6 * 0.0285 * 3.3)  # both cores busy: half way from 23.6 to 33.4 mA
    assert low < typical < high
    assert "FFT on both cores" in found["energy_source"]
    assert "interpolated between 100 and 150 MHz" in found["energy_source"]
    assert "figure 172, hot, 1.21 V" in found["energy_bounds_source"]
    assert found["provenance"]["clock_hz"] == 125_000_000
    assert {f["name"]: (f["calls"], f["self_cycles"], f["inclusive_cycles"]) for f in found["functions"]} == {
        "calls_tails": (1, 12, 25),
        "tail_b": (1, 3, 6),
        "tail_bx": (1, 4, 7),
        "leaf": (2, 6, 6),
    }


def test_a_fault_as_text(run: Run, faulty: Path) -> None:
    done = run("call", faulty, "outer", 1)
    assert (done.code, done.out) == (1, "")
    lines = done.err.splitlines()
    assert lines[0] == "fault: UDF #0, a permanently undefined instruction"
    assert "permanently_undefined+0x2" in lines[1]
    assert [line.split()[1].rstrip(",") for line in lines[2:4]] == ["permanently_undefined", "middle"]
    assert "6 instructions, 13 cycles" in lines[-1]
    assert len(lines) < 12


def test_a_fault_as_json(run: Run, faulty: Path) -> None:
    done = run("call", faulty, "outer", 1, "--json")
    found = done.json
    assert (done.code, done.err) == (1, "")
    assert set(found) >= CALL_KEYS
    assert found["cycles"] == 13
    assert (found["fault"]["kind"], found["fault"]["function"], found["fault"]["offset"]) == (
        *("undefined", "permanently_undefined"),
        2,
    )
    assert found["fault"]["call_stack"] == ["outer", "middle", "permanently_undefined"]
    assert found["fault"]["registers"]["r0"] == 1


def test_the_json_also_goes_to_a_file(run: Run, elf: Path, faulty: Path, tmp_path: Path) -> None:
    file = tmp_path / "cost.json"
    done = run("call", elf, "leaf", 1, "--json", "-o", file)
    assert json.loads(file.read_text()) == done.json
    assert "cycles" in run("call", elf, "leaf", 2, "-o", file).out
    assert json.loads(file.read_text())["result"] == 3
    assert run("call", faulty, "supervisor", "--output", file).code == 1
    assert json.loads(file.read_text())["fault"]["kind"] == "supervisor-call"


@pytest.mark.parametrize(
    "arguments",
    [
        ("call", "{elf}", "leaf", "-5", "--json"),
        ("call", "--json", "{elf}", "leaf", "-5"),
        ("call", "{elf}", "--json", "--profile", "rp2040", "leaf", "-5"),
        ("call", "{elf}", "leaf", "--profile=rp2040", "-5", "--json"),
        ("call", "-p", "rp2040", "{elf}", "leaf", "--level", "memory", "-0x5", "--json"),
        ("call", "{elf}", "leaf", "--json", "--", "-5"),
        ("call", "{elf}", "leaf", "-0o5", "--json"),
        ("call", "{elf}", "leaf", "0xFFFFFFFB", "--json"),
        ("call", "{elf}", "leaf", "4_294_967_291", "--json"),
    ],
)
def test_options_stand_anywhere_and_numbers_are_no_options(
    run: Run, elf: Path, arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*(elf if a == "{elf}" else a for a in arguments))
    assert (done.code, done.json["result"]) == (0, -4)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "result"),
    [
        ((), -2),
        (("--result", "s32"), -2),
        (("--result", "u32"), (1 << 32) - 2),
        (("--result=s64",), 0x7FFFFFFFE),
        (("--result", "void"), None),
        (("--result", "f32"), "nan"),
    ],
)
def test_results(run: Run, elf: Path, options: tuple[str, ...], result: object) -> None:
    assert run("call", elf, "leaf", -3, 7, "--json", *options).json["result"] == result


def test_files_and_outputs(run: Run, elf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.bin").write_bytes(bytes([7, 6, 5, 0]))
    np.save("in.npy", np.array([[1, 2], [3, 4]], np.uint8))
    for source, text in (("@in.bin", b"hgfa"), ("@in.npy", b"bcde")):
        done = run("call", elf, "translate", "out:4", source, 4, "--json")
        assert [bytes.fromhex(out["bytes"]) for out in done.json["outputs"]] == [text]
        assert run("call", elf, "translate", "out:0x4:out.bin", source, 4).code == 0
        assert Path("out.bin").read_bytes() == text
        assert run("call", elf, "translate", "out:4:out.npy", source, 4).code == 0
        assert np.load("out.npy").tobytes() == text
    assert text.hex(" ") in run("call", elf, "translate", "out:4", source, 4).out
    letters = run("call", elf, "leaf", "sym:letters", "--json", "--result=u32").json["result"]
    assert letters == load_elf(elf).find("letters").address + 1


def test_buffers_of_kilobytes(run: Run, elf: Path) -> None:
    assert run("call", elf, "leaf", "out:4K", "--json").json["memory"]["sram_arguments"] == 4096


def test_numbers_of_other_types(run: Run, build: Build) -> None:
    elf = build("aapcs.c", toolchain="zig")
    arguments = ("mixed", -1, "i64:-5", 2, "u64:0x200000000", 3, "--result", "s64", "--json")
    assert run("call", elf, *arguments).json["result"] == -1 - 50 + 200 + 1000 * (2 << 32) + 30000
    arguments = ("blend", "f32:1.5", 2, "f32:-1e-1", "f32:0", "f32:1", "f32:2", "--result=f32", "--json")
    assert run("call", elf, *arguments).json["result"] == 2.5


def test_before_stub_and_level(run: Run, elf: Path) -> None:
    done = run("call", elf, "bump", "--before", "bump", "--before=bump", "--json")
    assert (done.json["result"], done.json["cycles"]) == (106, 17)
    done = run("call", elf, "calls_slow", "--stub", "slow=-7", "--json", "--level=memory")
    assert (done.json["result"], done.json["cycles"], done.json["stubs"]) == (-7, 16, ["slow"])
    assert {t["name"] for t in done.json["traffic"]} == {"(stack)"}
    assert "slow" in run("call", elf, "calls_slow", "--stub", "slow=0x10").out


def test_raw_binary(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "code.bin"
    file.write_bytes(struct.pack("<2H", 0x3001, 0x4770))
    done = run("call", file, "0x08000000", 4, "--base", "0x8000000", "--profile", "stm32f0", "--json")
    assert (done.json["result"], done.json["cycles"], done.json["profile"]) == (5, 4, "stm32f0")


def test_a_profile_of_ones_own(run: Run, elf: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text((ROOT / "profiles" / "rp2040.toml").read_text().replace("125_000_000", "50_000_000"))
    assert run("call", elf, "leaf", "--profile", mine, "--json").json["seconds"] == 3 / 50e6
    mine.write_text(mine.read_text().replace("clock_hz", "clock_khz", 1))
    done = run("call", elf, "leaf", "--profile", mine)
    assert done.code == 2
    assert "clock_khz" in done.err


# -------------------------------------------------------------------------------------------------- the other verbs


def test_list(run: Run, elf: Path) -> None:
    done = run("list", elf, "--json")
    assert {f["name"]: f["size"] for f in done.json["functions"]}["leaf"] == 4
    assert {s["name"] for s in done.json["sections"]} >= {".text", ".data", ".bss", ".ramfunc"}
    rows = {words[0]: words[1:] for line in run("list", elf).out.splitlines() if (words := line.split())}
    assert rows["leaf"] == [f"{load_elf(elf).find('leaf').address:#010x}", "4"]


def test_profiles(run: Run) -> None:
    names = {path.stem for path in (ROOT / "profiles").glob("*.toml")}
    assert {p["name"] for p in run("profiles", "--json").json["profiles"]} == names
    assert {line.split()[0] for line in run("profiles").out.splitlines()[1:]} == names
    assert run("profiles", "stm32f0", "--json").json["core"] == "cortex-m0"
    assert "cortex-m0" in run("profiles", "stm32f0").out


def test_version_and_help(run: Run) -> None:
    assert re.fullmatch(r"m0sim \d+\.\d+\.\d+\n", run("--version").out)
    assert {"call", "list", "profiles"} <= set(run("--help").out.split())
    assert "i64:N" in run("call", "--help").out
    assert run("call", "-h").code == 0


# ------------------------------------------------------------------------------------------- the table of verbs


def test_the_table_has_the_names_of_the_verbs() -> None:
    for name, verb in verbs.VERBS.items():
        assert verb.load().name == name
        assert len(f"  {max(verbs.VERBS, key=len)}  {verb.help}") <= 80


def modules_of(*words: object, hidden: tuple[str, ...] = ()) -> set[str]:
    """What a process that runs m0sim has imported at its end; `hidden` ones cannot be imported."""
    code = f"""
import atexit, sys
sys.modules.update(dict.fromkeys({hidden!r}))
from m0sim.cli import main
atexit.register(lambda: print("@", *(name for name in sys.modules if name not in {hidden!r})))
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    return set(done.stdout.rpartition("@")[2].split())


PLACES = {verb.place.partition(":")[0] for verb in verbs.VERBS.values()}
STUDY_PACKAGES = ("matplotlib", "PIL", "dask", "distributed", "pyarrow")


def test_the_list_of_verbs_imports_none_of_them() -> None:
    loaded = modules_of("--help")
    assert not loaded & (PLACES | {"numpy", "unicorn", "rich", "jinja2", "difflib"})


def test_a_verb_imports_no_other(elf: Path) -> None:
    loaded = modules_of("call", elf, "leaf", "--json", hidden=STUDY_PACKAGES)
    assert loaded & PLACES == {"m0sim.cli.call"}
    assert not [name for name in loaded if name.startswith(("m0sim.study", "m0sim.check"))]
    assert not loaded & {"rich", "jinja2", "capstone", "difflib"}
    # nor what whole firmware and a debugger need: every part's peripherals were a quarter of the start
    assert not loaded & {"m0sim.chip.firmware", "m0sim.chip.devices.parts", "m0sim.chip.engine.held"}


@pytest.mark.parametrize(
    ("line", "package"),
    [
        ("budget --sram 16K", "matplotlib"),
        ("compare", "matplotlib"),
        ("study x.toml -o x", "matplotlib"),
        ("sweep x.toml", "matplotlib"),
        ("sweep x.toml", "distributed"),
        ("sweep x.toml", "pyarrow"),
        ("train --method priot", "matplotlib"),
    ],
)
def test_a_missing_extra_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch, line: str, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    verb = line.split()[0]
    said = f"m0sim: {verb} needs the study: pip install 'm0sim[study]'\n"
    assert run(*line.split()) == Outcome(2, "", said)
    assert run(verb, "--help").code == 0


# ------------------------------------------------------------------------------------------------------- bad usage


def bad_files(folder: Path, elf: Path) -> None:
    content = elf.read_bytes()
    (folder / "text.elf").write_text("no ELF")
    (folder / "empty.elf").touch()
    (folder / "short.elf").write_bytes(content[:60])
    (folder / "half.elf").write_bytes(content[: len(content) // 2])
    (folder / "x86.elf").write_bytes(content[:18] + b"\x3e\0" + content[20:])
    (folder / "wide.elf").write_bytes(content[:4] + b"\2" + content[5:])
    (folder / "words.npy").write_text("no array")
    (folder / "short.npy").write_bytes(b"\x93NUMPY\x01\x00")
    (folder / "profile.toml").write_text("name = ")
    np.save(folder / "objects.npy", np.array([{}, []], object), allow_pickle=True)
    header = "{'descr': '|u1', 'fortran_order': False, 'shape': (1099511627776,), }"
    (folder / "huge.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())


BAD = [
    ("call missing.elf leaf", "missing.elf"),
    ("call . leaf", "."),
    ("call text.elf leaf", "text.elf"),
    ("call empty.elf leaf", "empty.elf"),
    ("call short.elf leaf", "short.elf"),
    ("call half.elf leaf", "half.elf"),
    ("call x86.elf leaf", "x86.elf"),
    ("call wide.elf leaf", "wide.elf"),
    ("list missing.elf", "missing.elf"),
    ("list x86.elf", "x86.elf"),
    ("call ELF", "FUNCTION"),
    ("call", "IMAGE"),
    ("call ELF laef", "leaf"),
    ("call ELF letters", "letters"),
    ("call ELF 0x123", "0x123"),
    ("call ELF leaf five", "'five'"),
    ("call ELF leaf 1.5", "f32:1.5"),
    ("call ELF leaf 4294967296", "i64:4294967296"),
    ("call ELF leaf -2147483649", "-2147483649"),
    ("call ELF leaf i64:9223372036854775808", "i64:"),
    ("call ELF leaf u64:-1", "u64:-1"),
    ("call ELF leaf f32:x", "f32:x"),
    ("call ELF leaf i32:4", "i32"),
    ("call ELF leaf sym:lettres", "letters"),
    ("call ELF leaf @missing.bin", "missing.bin"),
    ("call ELF leaf @", "@"),
    ("call ELF leaf @.", "."),
    ("call ELF leaf @words.npy", "words.npy"),
    ("call ELF leaf @short.npy", "short.npy"),
    ("call ELF leaf @objects.npy", "objects.npy"),
    ("call ELF leaf @huge.npy", "huge.npy"),
    ("call ELF leaf out:", "out:"),
    ("call ELF leaf out:x", "out:x"),
    ("call ELF leaf out:-4", "out:-4"),
    ("call ELF leaf out:4:", "out:4:"),
    ("call ELF leaf out:300K", "out:300K"),
    ("call ELF leaf out:4:missing/file", "missing/file"),
    ("call ELF leaf --result s16", "s32, u32"),
    ("call ELF leaf --level full", "memory"),
    ("call ELF leaf --profile rp2350", "rp2040"),
    ("call ELF leaf --profile missing.toml", "missing.toml"),
    ("call ELF leaf --profile profile.toml", "profile.toml"),
    ("call ELF leaf --profile stm32f0", "stm32f0"),
    ("call ELF leaf --stub slow", "NAME=VALUE"),
    ("call ELF leaf --stub =1", "NAME=VALUE"),
    ("call ELF leaf --stub slow=", "''"),
    ("call ELF leaf --stub slwo=1", "slow"),
    ("call ELF leaf --before lief", "leaf"),
    ("call ELF leaf --max-cycles 0", "max_cycles"),
    ("call ELF leaf --max-cycles -3", "max_cycles"),
    ("call ELF leaf --max-cycles many", "many"),
    ("call ELF leaf -o missing/cost.json", "missing/cost.json"),
    ("call ELF leaf -o .", "."),
    ("call ELF leaf --jason", "--json"),
    ("call ELF leaf -z", "-z"),
    ("call ELF leaf -5o", "'-5o'"),
    ("call ELF leaf -5p --json", "'-5p'"),
    ("call -5.elf leaf", "-5.elf: no such file"),
    ("call ELF leaf --json=1", "--json"),
    ("call ELF leaf --profile", "--profile"),
    ("call ELF leaf --base 16K", "16K"),
    ("call ELF leaf --base 0x40000000", "is an ELF file"),
    ("list ELF leaf", "leaf"),
    ("list ELF --jsn", "--json"),
    ("profiles rp2041", "rp2040"),
    ("profiles --jsn", "--json"),
    ("cal ELF leaf", "cal"),
    ("--versoin", "--version"),
]


@pytest.mark.parametrize(("line", "named"), BAD)
def test_bad_usage_is_one_line(
    run: Run, elf: Path, line: str, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad_files(tmp_path, elf)
    monkeypatch.chdir(tmp_path)
    done = run(*(elf if word == "ELF" else word for word in line.split()))
    assert (done.code, done.err.count("\n")) == (2, 1), done.err
    assert done.err.startswith("m0sim: ")
    assert named in done.err


@pytest.mark.parametrize("seed", quick_of(range(4), [0]))
def test_damaged_images(run: Run, build: Build, tmp_path: Path, seed: int) -> None:
    """Each is refused, runs, or faults."""
    original = build("statics_a.c", "statics_b.c", "shapes.cpp", "pools.S", "lines.c").read_bytes()
    file = tmp_path / "mutant.elf"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    codes = set()
    for number, (_, content) in enumerate(mutate_elf.mutants(original, 50, 100 + seed)):
        file.write_bytes(content)
        options = ("--json",) if number % 2 else ("--level", "memory")
        done = run("call", file, "use_shapes", 3, "--max-cycles", 100_000, *options)
        assert done.code in (0, 1, 2), number
        assert done.code == 0 or done.err or done.json["fault"], number
        assert "Traceback" not in done.err
        codes.add(done.code)
    assert codes >= {0, 2}
    gc.collect()
    # The mark is the process's, which other tests share: what counts is how far these files moved it.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20  # KiB


# --------------------------------------------------------------------------------------------- as a real process


@pytest.mark.parametrize(
    ("name", "wants_json"), [pytest.param("spins", True, marks=pytest.mark.long), ("spins", False), ("idles", True)]
)
def test_interrupt(faulty: Path, name: str, wants_json: bool) -> None:
    began = time.perf_counter()
    assert run_apart("call", faulty, "fine").code == 0  # compiles what is not in the cache, and takes the time
    process = start("call", faulty, name, *["--json"] * wants_json)
    time.sleep(0.5 + 1.5 * (time.perf_counter() - began))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)  # how soon: test_faults.py, in processor time
    assert process.returncode == 1
    assert "Traceback" not in err
    if wants_json:
        found = Outcome(1, out, err).json
        assert found["fault"]["kind"] == "interrupted"
        assert found["cycles"] == found["functions"][0]["self_cycles"] > 1000
    else:
        assert out == ""
        assert err.startswith("fault: interrupted\n")
        assert "cycles" in err.splitlines()[-1]


def test_interrupt_before_the_run(run: Run, elf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("m0sim.image.load_file", interrupted)
    assert run("call", elf, "leaf") == Outcome(1, "", "m0sim: interrupted\n")


@pytest.mark.parametrize("arguments", [("list",), ("list", "--json"), ("profiles", "--help")])
def test_a_reader_that_stops_early(elf: Path, arguments: tuple[str, ...]) -> None:
    """As with ``| head -1``: the pipe is closed before anything is written."""
    read, write = os.pipe()
    os.close(read)
    verb, *options = arguments
    done = run_apart(verb, *([elf] if verb == "list" else []), *options, stdout=write)
    os.close(write)
    assert done.err == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_full_disk(elf: Path, options: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        done = run_apart("call", elf, "leaf", *options, stdout=full)
    assert done.err.count("\n") == 1
    assert done.err.startswith("m0sim: ")
    assert done.code == 2


@pytest.mark.parametrize(
    ("function", "environment"),
    [
        ("fine", {}),
        ("outer", {}),
        ("fine", {"PYTHONIOENCODING": "ascii"}),
        ("outer", {"TERM": "dumb"}),
        *(
            pytest.param(function, environment, marks=pytest.mark.long)
            for function in ("fine", "outer")
            for environment in ({"NO_COLOR": "1"}, {"PYTHONIOENCODING": "ascii"}, {"TERM": "dumb"})
        ),
    ],
)
def test_no_colours_where_no_terminal_is(faulty: Path, function: str, environment: dict[str, str]) -> None:
    done = run_apart("call", faulty, function, 1, env=environment)
    assert "\x1b" not in done.out + done.err
    assert done.code == (function == "outer")


@pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_on_a_terminal(elf: Path, environment: dict[str, str], coloured: bool) -> None:
    """NO_COLOR takes the colours away; bold and dim may stay (no-color.org)."""
    main, other = os.openpty()
    process = start("call", elf, "calls_slow", "--stub", "slow=1", stdout=other, env={"TERM": "xterm", **environment})
    process.communicate(timeout=60)
    os.close(other)
    text = os.read(main, 1 << 16).decode()
    os.close(main)
    assert "replaced by a return" in text
    assert bool(re.search(r"\x1b\[[0-9;]*3[0-7]m", text)) == coloured


@pytest.mark.parametrize(
    ("after", "on_terminal", "is_told"), [(0.0, True, True), (1000.0, True, False), (0.0, False, False)]
)
def test_progress_on_a_terminal(
    elf: Path, run: Run, monkeypatch: pytest.MonkeyPatch, after: float, on_terminal: bool, is_told: bool
) -> None:
    """Cycles so far, each over the last, and in the end an empty line; nothing too early, and nothing in a file."""
    monkeypatch.setattr("m0sim.chip.engine.unicorn_run._SLICE_SECONDS", 0.002)
    monkeypatch.setattr(shared.Progress, "_AFTER_SECONDS", after)
    main, other = os.openpty()
    with open(other, "w") as terminal:
        if on_terminal:
            monkeypatch.setattr(sys, "stderr", terminal)
        done = run("call", elf, "flash_loop", 3_000_000, "--json")
        print("end", file=terminal, flush=True)
        said = ""
        while "end" not in said:
            said += os.read(main, 1 << 16).decode()
    os.close(main)
    assert done.json["cycles"] == 9_000_001
    assert done.err == ""
    *lines, last = said.split("\r")[:-1]
    if not is_told:
        assert (lines, last) == ([], "end")
        return
    told = [re.fullmatch(r"([\d,]+) cycles, [\d.]+ s on the device \(Ctrl-C stops\) ", line) for line in lines[1:]]
    cycles = [int(each[1].replace(",", "")) for each in told if each is not None]
    assert len(cycles) == len(told) > 0
    assert cycles == sorted(set(cycles))
    assert 0 < cycles[0] < cycles[-1] + 1 <= 9_000_001
    assert last == "\x1b[Kend"


@pytest.mark.long
def test_progress_begins_after_a_second(elf: Path) -> None:
    main, other = os.openpty()
    started = time.monotonic()
    process = start("call", elf, "flash_loop", 0, "--max-cycles", 3_000_000_000, stderr=other)
    first = os.read(main, 1 << 16)
    waited = time.monotonic() - started
    process.kill()
    process.communicate()
    os.close(main)
    os.close(other)
    assert re.match(rb"\r[\d,]+ cycles, ", first)
    assert waited > 1.0


def test_names_that_ascii_does_not_have(elf: Path, tmp_path: Path) -> None:
    file = tmp_path / "größe.elf"
    file.write_bytes(elf.read_bytes().replace(b"\0leaf\0", b"\0l\xc3\xa9f\0"))
    done = run_apart("list", file, env={"PYTHONIOENCODING": "ascii"})
    assert (done.code, done.err) == (0, "")
    assert run_apart("list", tmp_path / "größer.elf", env={"PYTHONIOENCODING": "ascii"}).code == 2


def test_long_names_do_not_lose_their_figures(elf: Path, run: Run, build: Build, tmp_path: Path) -> None:
    name = "f" * 300
    source = tmp_path / "long.c"
    source.write_text(f"int {name}(int a) {{ return a; }}\n")
    done = run("call", build(source), name, 1)
    rows = [line.split()[1:3] for line in done.out.splitlines() if line.startswith(name + " ")]
    assert rows == [["on", "rp2040"], ["1", "2"]]  # the title, and one call of one BX LR
