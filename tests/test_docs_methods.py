"""docs/methods.md, followed in an empty folder; then the same files as an installed package, and what goes wrong."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import found_toolchain
from test_cli import ROOT, Run, run  # noqa: F401
from transcripts import blocks, commands, missing

from m0sim.errors import M0simError, UsageError
from m0sim.study.learn import methods
from m0sim.study.learn.experiment import study_file
from m0sim.study.learn.methods import plugins
from m0sim.study.whatif import grid, points

PAGE = (ROOT / "docs/methods.md").read_text(encoding="utf-8")
FILES = {
    name: contents
    for _, contents, before in blocks(PAGE)
    for name in re.findall(r"^`([\w.]+)`:\s*\Z", before, re.MULTILINE)
}
PROJECT = next(contents for kind, contents, _ in blocks(PAGE) if kind == "toml" and "[project]" in contents)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test as a process of its own: no file and no package was seen before it."""
    monkeypatch.setattr(methods, "_PLUGINS", {})
    plugins.installed_once.cache_clear()
    yield
    plugins.installed_once.cache_clear()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the page's files."""
    monkeypatch.chdir(tmp_path)
    for name, contents in FILES.items():
        Path(name).write_text(contents)
    return tmp_path


@pytest.mark.long
def test_the_page_is_followed(folder: Path, run: Run) -> None:  # noqa: F811
    found_toolchain("zig")
    followed = []
    for kind, contents, before in list(blocks(PAGE))[1:]:
        if kind == "python" and contents not in FILES.values():
            exec(contents, {})
        elif kind == "toml" and contents != PROJECT:
            Path("study.toml").write_text(contents)
            assert study_file.read(Path("study.toml")).entries[0].setting.options == {"margin": 1}
        for command, shown in commands(contents) if kind == "console" else ():
            done = run(*shlex.split(command)[1:])
            is_refused = "is refused" in before
            assert done.code == (2 if is_refused else 0), (command, done.err)
            assert missing(shown, (done.err if is_refused else done.out).splitlines()) is None
            followed.append(command.split()[1])
    assert followed == ["compare", "train", "train", "budget", "train", "study", "train"]
    trained = json.loads(Path("device/train.json").read_text())
    assert (trained["method"], len(trained["method_code"])) == ("sign-descent", 16)
    assert trained["accuracy"][-1] > trained["accuracy_before"]
    wide = json.loads(Path("wide/train.json").read_text())
    assert wide["options"] == {"margin": 2}
    journal = [json.loads(line)["task"] for line in Path("study/runs.jsonl").read_text().splitlines()]
    assert {task["method_code"] for task in journal} == {trained["method_code"]}


@pytest.mark.long
@pytest.mark.parametrize("network", ["tiny-cnn-8", "mlp"])
def test_fifty_steps_on_the_chip_are_the_golden_models(folder: Path, run: Run, network: str) -> None:  # noqa: F811
    found_toolchain("zig")
    arguments = ("compare", "--network", network, "--methods", "sign_descent.py", "--steps", "50", "--json")
    assert run(*arguments).code == 0


def install(folder: Path, name: str, points: str) -> None:
    """A distribution as an installer leaves it, of so many entry points."""
    about = folder / f"{name}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(points)


def points_of_the_page() -> str:
    group, lines = re.search(r'\[project.entry-points."(.*?)"\]\n(.*)', PROJECT, re.DOTALL).groups()  # type: ignore[union-attr]
    return f"[{group}]\n{lines.replace(chr(34), '')}"


def test_a_package_is_found_by_its_entry_point(
    folder: Path,
    run: Run,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found_toolchain("zig")
    install(folder, "sign-descent", points_of_the_page())
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "sign_descent", raising=False)
    assert methods.names()[-1] == "sign-descent"
    assert "sign_descent" not in sys.modules  # nobody has asked for it yet
    assert methods.available()[-1] == "sign-descent"
    done = run("compare", "--methods", "sign-descent", "--steps", "1", "--json")
    assert json.loads(done.out)["methods"][0]["method"] == "sign-descent"
    assert methods.specs() == ()  # other processes find it as this one did
    with pytest.raises(UsageError, match="its name 'sign-descent' is another method's"):
        methods.add("sign_descent.py")


def test_broken_packages_break_nothing_else(
    folder: Path,
    run: Run,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(folder, "gone", "[m0sim.methods]\ngone = no_such_module_of_m0sim:X\npriot = os:getcwd\nfunny = os:getcwd\n")
    install(folder, "twice", "[m0sim.methods]\nsame = os:getcwd\n")
    install(folder, "again", "[m0sim.methods]\nsame = os:getcwd\nother = sign_descent:SignDescent\n")
    monkeypatch.syspath_prepend(str(folder))
    assert methods.available() == tuple(name for name in methods.integer_names()) + (
        ("fp32",) if methods.get("fp32").is_available() else ()
    )
    left = methods.left_out()
    assert "gone 1.0: cannot be loaded as a method: ModuleNotFoundError" in left["gone"]
    assert "is no Method" in left["funny"]
    assert re.search("of (twice|again) 1.0 and (twice|again) 1.0", left["same"])
    assert "calls itself 'sign-descent'" in left["other"]
    assert left["priot of gone 1.0"] == "m0sim has a method of this name"
    done = run("budget", "--sram", "64K", "--methods", "gone", "--plan-only")
    assert (done.code, done.err.count("\n"), "gone 1.0" in done.err) == (2, 1, True)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("import numpy as np\n", "import numpy as np\n\n1 / 0\n", r"sign_descent.py:3: .* ZeroDivisionError"),
        ("import numpy as np\n", "import numpy as np\ndef\n", r"sign_descent.py:2: .* SyntaxError"),
        ('name = "sign-descent"', 'name = "priot"', "its name 'priot' is another method's"),
        ('name = "sign-descent"', 'name = "Sign Descent"', "its name must be small letters"),
        ('learns = "weights"', 'learns = "all"', "learns must be 'weights' or 'scores'"),
        ("    device = SignForm()\n", "", "abstract"),
        ("    def moved(", "    def move(", "abstract"),
        ('"margin": Option(0, 0, 6', '"margin": Option(7, 0, 6', "the default must be a whole number from 0 to 6"),
        ('"margin": Option(0, 0, 6', '"theta": Option(0, 0, 6', "has a name that m0sim uses"),
        ('"margin": Option(0, 0, 6', '"rate": Option(0, 0, 6', "has a name that m0sim uses"),
        ('("sign.S",)', '("sign.s",)', "sign.s"),
    ],
)
def test_a_file_that_is_no_method_is_one_line(folder: Path, old: str, new: str, said: str) -> None:
    text = FILES["sign_descent.py"]
    assert old in text
    Path("sign_descent.py").write_text(text.replace(old, new))
    with pytest.raises(UsageError, match=said) as error:
        methods.add("sign_descent.py:SignDescent")
    assert "\n" not in str(error.value)
    assert "sign_descent.py" in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("none.py", "none.py"),
        ("sign_descent.py:SignDecent", "did you mean 'SignDescent'"),
        ("sign_descent.py:SignForm", "is no Method"),
        ("sign_descent.py:np", "is no Method"),
    ],
)
def test_what_a_file_does_not_have(folder: Path, text: str, said: str) -> None:
    with pytest.raises(M0simError, match=said):
        methods.add(text)


def test_a_file_is_one_content(folder: Path) -> None:
    methods.add("sign_descent.py")
    known = methods.specs()
    methods.add_all(known)
    Path("sign.S").write_text(FILES["sign.S"] + "\n")
    with pytest.raises(UsageError, match="was changed"):
        methods.add("sign_descent.py")
    methods._PLUGINS.clear()
    with pytest.raises(UsageError, match="was changed"):
        methods.add_all(known)


IN_C = """
#include <stdint.h>

typedef struct {
    const void *from;
    const void *other;
    uint8_t *weights;
    uint32_t n_in, n_out, shift;
} block_t;

static void move(const block_t *b, uint32_t o, uint32_t i, int32_t g)
{
    uint8_t *w = b->weights + o / 4 * 4 * ((b->n_in + 3) & ~3u) + i / 4 * 16 + o % 4 * 4 + (i % 4 ^ 2);
    if (g >= 1 << b->shift && *w > 1)
        *w -= 1;
    else if (g <= -(1 << b->shift) && *w < 255)
        *w += 1;
}

void m0k_sign_dense(const block_t *b)
{
    for (uint32_t o = 0; o < b->n_out; o++)
        for (uint32_t i = 0; i < b->n_in; i++)
            move(b, o, i, ((const int8_t *)b->from)[o] * ((const int8_t *)b->other)[i]);
}

void m0k_sign_grad(const block_t *b)
{
    for (uint32_t o = 0; o < b->n_out && *(const uint32_t *)b->other; o++)
        for (uint32_t i = 0; i < b->n_in; i++)
            move(b, o, i, ((const int32_t *)b->from)[o * ((b->n_in + 3) & ~3u) + i]);
}
"""

MIXED = """
[network]
name = "mixed"
input = [8, 8, 1]
[[layer]]
conv = 6
bias = true
name = "a"
[[layer]]
depthwise = 3
bias = true
[[layer]]
add = "a"
[[layer]]
pool = 2
[[layer]]
dense = 10
bias = true
"""


def test_kernels_in_c_and_a_network_of_every_layer(folder: Path, run: Run) -> None:  # noqa: F811
    """A second transcription of the rule, on layers of odd sizes: `compare` holds both to the golden model."""
    found_toolchain("zig")
    Path("net.toml").write_text(MIXED)
    Path("sign.c").write_text(IN_C)
    in_c = FILES["sign_descent.py"].replace("sign.S", "sign.c").replace("sign-descent", "sign-in-c")
    Path("in_c.py").write_text(in_c.replace("stack_bytes=36", "stack_bytes=64"))
    arguments = ("--network", "net.toml", "--data", "digits", "--steps", "4", "--base", "in_c.py", "--json")
    done = run("compare", "--methods", "sign_descent.py,in_c.py", *arguments)
    assert done.code == 0, done.err
    assembly, c = json.loads(done.out)["methods"]
    assert assembly["method_code"] != c["method_code"]
    assert assembly["cycles"]["mean"] < c["cycles"]["mean"]


KERNEL_FAULTS = [
    (
        "movs r3, #1\n    lsls r3, r2\n    movs r2",
        "movs r3, #2\n    lsls r3, r2\n    movs r2",
        1,
        "not the golden model",
    ),
    (
        "    SAVE_ALL\n    BEGIN\n.Ldense:",
        "    sub sp, #384\n    add sp, #384\n    SAVE_ALL\n    BEGIN\n.Ldense:",
        1,
        "stack",
    ),
    ("FUNCTION m0k_sign_grad", "FUNCTION m0k_sign_gard", 2, "has no function m0k_sign_grad"),
    (
        "    END_FUNCTION m0k_sign_grad",
        "    END_FUNCTION m0k_sign_grad\n    FUNCTION m0k_pool\n    bx lr",
        2,
        "m0k_pool",
    ),
    ("    END_FUNCTION m0k_sign_grad", "    END_FUNCTION m0k_sign_grad\n    .data\nx: .word 1", 2, "variables"),
    ("    END_FUNCTION m0k_sign_grad", "    END_FUNCTION m0k_sign_grad\n    nonsense", 2, "build failed"),
]


@pytest.mark.parametrize(("old", "new", "code", "said"), KERNEL_FAULTS)
def test_a_kernel_that_is_wrong_is_found(
    folder: Path,
    run: Run,  # noqa: F811
    old: str,
    new: str,
    code: int,
    said: str,
) -> None:
    found_toolchain("zig")
    assert old in FILES["sign.S"]
    Path("sign.S").write_text(FILES["sign.S"].replace(old, new))
    done = run("compare", "--methods", "sign_descent.py", "--steps", "2")
    assert (done.code, said in done.err) == (code, True), done.err


SWEEP = "steps = 1\n[grid]\nnetwork = 'tiny-cnn-8'\nmethod = ['niti-static', './sign_descent.py:SignDescent']\n"


def test_a_sweep_names_a_file_from_its_own_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found_toolchain("zig")
    Path("sweep.toml").write_text(SWEEP)
    other = folder / "other"
    other.mkdir()
    monkeypatch.chdir(other)
    sweep = grid.load(folder / "sweep.toml")
    assert [point.values["method"] for point in sweep.points] == ["niti-static", "sign-descent"]
    (other / "sweep.toml").write_text(grid.copy_of(sweep, other))  # as it stands beside results
    assert grid.load(other / "sweep.toml").points == sweep.points
    niti, sign = (points.identity(point.values["method"]) for point in sweep.points)
    assert "sign-descent" not in niti
    assert f"sign-descent {methods.code_of('sign-descent')}" in sign


@pytest.mark.long
def test_workers_of_a_sweep_find_the_file(folder: Path, run: Run) -> None:  # noqa: F811
    found_toolchain("zig")
    Path("sweep.toml").write_text(SWEEP)
    done = run("sweep", "sweep.toml", "-o", "results", "--json")
    assert done.code == 0, done.err
    rows = [json.loads(line) for line in Path("results/points.jsonl").read_text().splitlines()]
    assert len(rows) == 2
    assert all("reason" not in row for row in rows), rows
