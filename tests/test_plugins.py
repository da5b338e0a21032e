"""Exports and profiles of packages: those of docs/plugins.md, and broken ones. Methods: test_docs_methods.py."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from test_cli import Run, elf, modules_of, run
from test_docs_methods import install
from test_firmware import Built, built

from m0sim import Machine, UsageError
from m0sim.chip import device
from m0sim.report import profile_files

__all__ = ["built", "elf", "run"]

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/plugins.md").read_text()
PROJECT, PROFILE = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
CODE = PAGE.split("```python\n")[1].split("```")[0]
FRESH = ("my_m0sim", "broken_m0sim")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that packages are installed into."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    for name in FRESH:
        monkeypatch.delitem(sys.modules, name, raising=False)
    return folder


@pytest.fixture
def mine(site: Path) -> Path:
    """The package of the page, as an installer leaves it."""
    package = site / "my_m0sim"
    package.mkdir()
    (package / "__init__.py").write_text(CODE)
    (package / "myboard.toml").write_text(PROFILE)
    groups = re.findall(r'\[project.entry-points."(.*?)"\]\n(\w+) = "(.*?)"', PROJECT)
    install(site, "my-m0sim", "".join(f"[{group}]\n{name} = {value}\n" for group, name, value in groups))
    return site


def broken(site: Path, code: str, **groups: str) -> None:
    """A package whose module is `code`, with entry points by the last word of their group."""
    (site / "broken_m0sim.py").write_text(code)
    lines = [f"[m0sim.{group}]\n{line}\n" for group, line in groups.items()]
    install(site, "broken", "".join(lines))


def test_an_export(run: Run, elf: Path, mine: Path, tmp_path: Path) -> None:
    path = tmp_path / "top.csv"
    done = run("call", elf, "calls_tails", 5, "--export", f"top={path}")
    assert (done.code, done.err) == (0, "")
    head, *rows = path.read_text().splitlines()
    assert head == "function,cycles"
    cost = Machine.from_elf(elf).call("calls_tails", 5)
    assert rows == [f"{f.name},{f.self_cycles}" for f in cost.functions.values()]


def test_a_profile(run: Run, elf: Path, mine: Path, tmp_path: Path) -> None:
    found = run("call", elf, "leaf", 1, "--profile", "myboard", "--json").json
    assert (found["profile"], found["provenance"]["clock_hz"]) == ("myboard", 48_000_000)
    assert found["cycles"] == run("call", elf, "leaf", 1, "--json").json["cycles"]
    listed = [each["name"] for each in run("profiles", "--json").json["profiles"]]
    assert listed == [*device.names(), "myboard"]
    other = tmp_path / "other.toml"
    other.write_text('extends = "myboard"\nclock_hz = 12_000_000\nclock_source = "nobody"\n')
    assert device.load(other).clock_hz == 12_000_000
    assert device.load(other).regions == device.load("rp2040").regions


def test_the_list(run: Run, mine: Path) -> None:
    found = run("plugins", "--json").json["plugins"]
    assert [each for each in found if "my-m0sim" in each["packages"]] == [
        {"kind": "export", "name": "top", "packages": "my-m0sim 1.0"},
        {"kind": "profile", "name": "myboard", "packages": "my-m0sim 1.0"},
    ]
    assert "my_m0sim" not in sys.modules, "nobody has asked for it yet"
    assert re.search(r"^profile  myboard +my-m0sim 1\.0$", run("plugins").out, re.MULTILINE)


FAILURES = [
    ("import no_such_module\n", "it", "cannot be loaded: ModuleNotFoundError: No module named 'no_such_module'"),
    ("1 / 0\n", "it", "cannot be loaded: ZeroDivisionError: division by zero"),
    ("def (\n", "it", "cannot be loaded: SyntaxError: "),
    ("", "it", "cannot be loaded: AttributeError: "),
    ("it = 5\n", "it", "int"),
]


@pytest.mark.parametrize(("code", "name", "said"), FAILURES)
def test_a_broken_package_is_one_line_that_names_it(
    run: Run, elf: Path, site: Path, tmp_path: Path, code: str, name: str, said: str
) -> None:
    broken(site, code, exports=f"bad = broken_m0sim:{name}", profiles=f"bad = broken_m0sim:{name}")
    done = run("call", elf, "leaf", 1, "--export", f"bad={tmp_path / 'x'}")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith("m0sim: export 'bad' of broken 1.0: ")
    assert said in done.err
    assert not (tmp_path / "x").exists()
    sys.modules.pop("broken_m0sim", None)
    done = run("call", elf, "leaf", 1, "--profile", "bad")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith("m0sim: profile 'bad' of broken 1.0: ")
    assert said in done.err
    listed = run("profiles", "--json")
    assert [each["name"] for each in listed.json["profiles"]] == list(device.names()), "the others are there"
    assert "m0sim: left out: profile 'bad' of broken 1.0: " in listed.err


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def it(cost, image):\n    raise KeyError('x')\n", "export 'bad' of broken 1.0: failed: KeyError: 'x'"),
        ("def it(cost):\n    return ''\n", "export 'bad' of broken 1.0: failed: TypeError: "),
        ("def it(cost, image):\n    return 5\n", "export 'bad' of broken 1.0: gave int, and must give str or bytes"),
    ],
)
def test_an_export_that_fails_is_one_line(
    run: Run, elf: Path, site: Path, tmp_path: Path, code: str, said: str
) -> None:
    broken(site, code, exports="bad = broken_m0sim:it")
    done = run("call", elf, "leaf", 1, "--export", f"bad={tmp_path / 'x'}")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert said in done.err
    assert not (tmp_path / "x").exists()


def test_bytes_are_written_as_they_are(run: Run, elf: Path, site: Path, tmp_path: Path) -> None:
    broken(site, "def it(cost, image):\n    return b'\\r\\n\\xff'\n", exports="raw = broken_m0sim:it")
    assert run("call", elf, "leaf", 1, "--export", f"raw={tmp_path / 'x'}").code == 0
    assert (tmp_path / "x").read_bytes() == b"\r\n\xff"


def test_m0sims_own_names_stay_its_own(run: Run, elf: Path, site: Path, tmp_path: Path) -> None:
    broken(site, "1 / 0\n", exports="callgrind = broken_m0sim:it", profiles="rp2040 = broken_m0sim:it")
    assert device.load("rp2040").path.is_file()
    assert "rp2040" not in device.installed_names()
    done = run("call", elf, "leaf", 1, "--export", f"callgrind={tmp_path / 'x'}")
    assert done.err == "m0sim: --export callgrind: m0sim has it itself: --callgrind FILE\n"


def test_two_packages_with_one_name(site: Path) -> None:
    install(site, "one", "[m0sim.exports]\nsame = os:getcwd\n[m0sim.profiles]\nsame = os:curdir\n")
    install(site, "two", "[m0sim.exports]\nsame = os:getcwd\n[m0sim.profiles]\nsame = os:curdir\n")
    said = r"'same' of (one 1.0 and two 1.0|two 1.0 and one 1.0): remove one of these packages$"
    with pytest.raises(UsageError, match=f"^export {said}"):
        profile_files.export_of("same")
    with pytest.raises(UsageError, match=f"^profile {said}"):
        device.load("same")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("top", "m0sim: --export 'top': write NAME=FILE\n"),
        ("=x", "m0sim: --export '=x': write NAME=FILE\n"),
        ("to={}", "m0sim: no export 'to'; did you mean 'top'? (there are "),
        ("top=missing/x", "missing"),
    ],
)
def test_what_is_typed_wrong(run: Run, elf: Path, mine: Path, tmp_path: Path, text: str, said: str) -> None:
    done = run("call", elf, "leaf", 1, "--export", text.format(tmp_path / "x"))
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert said in done.err


def test_an_unknown_profile_names_installed_ones(mine: Path) -> None:
    with pytest.raises(UsageError, match=r"^no profile 'mybord'; did you mean 'myboard'\? \(there are .*, myboard; or"):
        device.load("mybord")


def test_entry_points_are_read_when_they_are_asked_for(elf: Path) -> None:
    """Each call would pay a fiftieth of a second for them."""
    for words in (("call", elf, "leaf", 1, "--json"), ("call", elf, "leaf", 1, "--profile", "rp2040"), ("--help",)):
        assert "importlib.metadata" not in modules_of(*words)


def test_a_run_is_exported(run: Run, mine: Path, built: Built, tmp_path: Path) -> None:
    words = ("run", built("tasks"), "--until-output", "both worked", "--for", "50ms")
    assert run(*words, "--export", f"top={tmp_path / 'top.csv'}").code == 0
    assert (tmp_path / "top.csv").read_text().startswith("function,cycles\n")
