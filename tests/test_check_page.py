"""The HTML of `m0sim check` and `diff`: what is in it, and, in a real browser, what it looks like and does."""

from __future__ import annotations

import hashlib
import html
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Build
from test_check_formats import NASTY, result_of
from test_cli import ROOT, Run, run
from test_page import CONTRAST, HOSTILE, Document, browser

from m0sim import __version__, toolchain
from m0sim.check import baseline, inputs, manifest
from m0sim.check import run as checks
from m0sim.check.figures import Figures, FunctionFigures, InstructionRow
from m0sim.check.formats import FORMATS, text
from m0sim.check.formats.page import page
from m0sim.check.limits import Limits
from m0sim.check.measure import Measurement, measure
from m0sim.check.result import Result, SourceFile
from m0sim.check.verdict import judge
from m0sim.names import printable
from m0sim.report.stack_nodes import StackNode

__all__ = ["browser", "run"]

BENCHES = """image = "app.elf"

[[bench]]
name = "same"
function = "same"
args = [7]

[[bench]]
name = "sum"
function = "sum_to"
args = [100]
max_cycles = 600
"""


def figures(cycles: dict[str, int], name: str = "f", more: int = 0) -> Figures:
    """One run of `name`, which calls each of `cycles`, and has 1 + `more` itself."""
    functions = {
        n: FunctionFigures(c, (InstructionRow(0, "46c0", f"{n}.c:1", 1, c),), bytes=c) for n, c in cycles.items()
    }
    own = FunctionFigures(1 + more, (InstructionRow(0, "4770", f"{name}.c:9", 1, 1 + more),), bytes=8)
    stacks = (StackNode(0, name, 1 + more), *(StackNode(1, n, c) for n, c in sorted(cycles.items())))
    total = 1 + more + sum(cycles.values())
    return Figures(name, "rp2040", total, 9, 8, 64, 32, {name: own, **functions}, stacks=stacks)


def compared(old: Figures, new: Figures, name: str = "x", **limits: Any) -> Result:
    return Result((judge(Measurement(name, new), old, Limits.of(**limits)),))


OLD = figures({"slow": 40, "quick": 40, "gone": 9, "same": 10})
NEW = figures({"slow": 70, "quick": 20, "new": 19, "same": 10})
MOVED = compared(OLD, NEW, max_cycles=125, tolerance="10%")


def hostile() -> Result:
    """Names that try something, wherever there are any."""
    results = [result_of(NASTY), *(result_of([name]) for name in HOSTILE)]
    verdicts = [verdict for result in results for verdict in result.verdicts]
    for i, name in enumerate(HOSTILE):
        old, new = (figures({name: 5 + cycles, f"{name}{i}": 7}, name) for cycles in (0, 9))
        new = replace(new, profile=name)
        verdicts.append(judge(Measurement(name + str(i), new, warnings=HOSTILE), old, Limits.of(max_cycles=1)))
    files = tuple(SourceFile(name, Path(name.replace("\x00", "")), name) for name in HOSTILE)
    return Result(tuple(verdicts), HOSTILE, Path(HOSTILE[2]), command=HOSTILE, files=files)


OWN = re.compile(r"; (?P<now>\d+) its own(, was (?P<was>\d+))?$")
"""The end of a box's title."""


def boxes(written: str, what: str) -> list[tuple[str, str]]:
    """Label and title of each box of the graphs that are as wide as that run, in their order."""
    graphs = re.findall(rf'<div class="by-{what}">(.*?)<div class="zoom">', written, re.DOTALL)
    found = [box for graph in graphs for box in re.findall(r'title="([^"]*)">([^<]*)</div>', graph)]
    return [(html.unescape(label), html.unescape(title)) for title, label in found]


def rows(written: str) -> list[list[str]]:
    """The cells of all tables, in their order."""
    without = re.sub(r"<style>.*?</style>|<script>.*?</script>", "", written, flags=re.DOTALL)
    found = re.findall(r"<tr[^>]*>(.*?)</tr>", without, re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in found]
    return [[html.unescape(re.sub("<[^>]*>", "", cell)).strip() for cell in row] for row in cells]


# -------------------------------------------------------------------------------------------------------- contents


def test_it_has_what_the_text_has() -> None:
    written = page(MOVED)
    table = rows(written)
    assert "0 unchanged, 0 improved, 1 regressed, 0 new" in written
    assert ["x", "regressed", "100", "120", "+20.0 %", "8", "64", "127 (was 107)", text_of_tightest()] in table
    assert [
        "cycles",
        "100",
        "120",
        "+20 (+20.0 %)",
        "max_cycles 125: 5 lefttolerance allows 110 cycles: over by 10",
    ] in (table)
    assert ["instructions", "9", "9", "", ""] in table
    assert table.count(["slow", "40", "70", "+30"]) == table.count(["quick", "40", "20", "-20"]) == 2  # cycles, bytes
    assert table.count(["gone", "9", "-", "removed"]) == table.count(["new", "-", "19", "new"]) == 2
    assert ["slow.c:1", "40", "70", "+30", "slow"] in table
    assert ["!", "0000", "mov r8, r8", "1", "40", "0000", "mov r8, r8", "1", "70", "slow.c:1"] in table
    assert "<li>tolerance allows 110 cycles: over by 10</li>" in written


def text_of_tightest() -> str:
    return "tolerance allows 110 cycles: over by 10"


def test_the_graph_says_all_in_words() -> None:
    """Colours are told by the labels as well; a box's title has its figures."""
    written = page(MOVED)
    assert boxes(written, "new") == [
        ("f +20.0 %", "f: 120 cycles, was 100 (+20.0 %); 1 its own, was 1"),
        ("slow +75.0 %", "slow: 70 cycles, was 40 (+75.0 %); 70 its own, was 40"),
        ("quick -50.0 %", "quick: 20 cycles, was 40 (-50.0 %); 20 its own, was 40"),
        ("same", "same: 10 cycles, was 10 (+0.0 %); 10 its own, was 10"),
        ("new new", "new: 19 cycles, new; 19 its own"),
    ]
    assert ("gone gone", "gone: gone, it was 9 cycles; 9 its own") in boxes(written, "old")
    assert [row for row in rows(written) if row[0].startswith("f > ")] == [
        ["f > slow", "40", "70", "+30", "40", "70"],
        ["f > quick", "40", "20", "-20", "40", "20"],
        ["f > new", "-", "19", "new", "-", "19"],
        ["f > gone", "9", "-", "removed", "9", "-"],
    ]
    own = {what: [OWN.search(title) for _, title in boxes(written, what)] for what in ("new", "old")}
    assert sum(int(found["now"]) for found in own["new"] if found) == NEW.cycles
    assert sum(int(found["was"] or found["now"]) for found in own["old"] if found) == OLD.cycles  # what is gone: "now"


def test_folded_stacks_have_both_runs() -> None:
    lines = FORMATS["folded"](MOVED).splitlines()
    assert lines == ["x;f 1 1", "x;f;gone 9 0", "x;f;quick 40 20", "x;f;same 10 10", "x;f;slow 40 70", "x;f;new 0 19"]
    assert FORMATS["folded"](compared(replace(OLD, stacks=()), NEW)) == "x 100 120\n"
    new = Result((judge(Measurement("a b", OLD), None, Limits()),))
    assert [line.split(" ")[-2] for line in FORMATS["folded"](new).splitlines()] == ["0"] * 5
    for result in (
        hostile(),
        result_of(NASTY),
    ):  # every line is a stack and two figures, which are those of the benches
        rows = [line.rsplit(" ", 2) for line in FORMATS["folded"](result).removesuffix("\n").split("\n")]
        found = [v for v in result.verdicts if v.figures is not None]
        assert sum(int(now) for *_, now in rows) == sum(v.figures.cycles for v in found if v.figures is not None)
        assert sum(int(was) for _, was, _ in rows) == sum(v.baseline.cycles for v in found if v.baseline is not None)


def test_bad_benches_come_first_and_those_that_moved_most() -> None:
    result = Result(
        tuple(
            judge(Measurement(name, figures({"g": new})), figures({"g": old}) if old else None, Limits())
            for name, old, new in (("same", 9, 9), ("faster", 9, 7), ("new", 0, 9), ("worst", 9, 99), ("bad", 9, 10))
        )
    )
    names = [row[0] for row in rows(page(result)) if len(row) == 9][1:]
    assert names == ["worst", "bad", "new", "faster", "same"]


def test_what_did_not_move_has_a_row_only() -> None:
    written = page(compared(OLD, OLD))
    assert 'class="bench"' not in written
    assert 'id="reading"' not in written
    assert page(MOVED).count('href="#reading"') == 1
    assert "flame" not in re.sub(r"<(style|script)>.*?</\1>", "", written, flags=re.DOTALL)


@pytest.mark.parametrize("which", ["old", "new"])
def test_without_stacks_it_says_what_to_do(which: str) -> None:
    old, new = (replace(OLD, stacks=()), NEW) if which == "old" else (OLD, replace(NEW, stacks=()))
    written = page(compared(old, new))
    assert boxes(written, "new") == []
    assert f"there is no flame graph: the {which} figures have no calling contexts" in written
    assert "m0sim check --update" in written


def test_an_estimate_is_told() -> None:
    old, new = (replace(each, stacks=each.stacks[:-1]) for each in (OLD, NEW))
    inlined = [(StackNode(1, "q (inlined, estimate)", cycles),) for cycles in (10, 70)]
    old, new = (replace(each, stacks=each.stacks + more) for each, more in zip((old, new), inlined, strict=True))
    written = page(compared(old, new))
    assert ["f > q (inlined, estimate)", "10", "70", "+60", "10", "70"] in rows(written)
    assert "Estimate: how cycles of inlined code divide" in written
    assert "Estimate: how" not in page(MOVED)


def test_the_same_instructions_are_shown_once() -> None:
    verdicts = [judge(Measurement(name, NEW), OLD, Limits()) for name in ("one", "two")]
    written = page(Result(tuple(verdicts)))
    assert written.count('class="listing code columns"') == 2
    assert 'slow: the same instructions as in bench <a href="#bench-1">one</a>' in written


def test_long_tables_are_cut_and_say_so() -> None:
    names = [f"f{i}" for i in range(130)]
    written = page(compared(figures({name: 10 + i for i, name in enumerate(names)}), figures(dict.fromkeys(names, 5))))
    assert "30 more functions." in written
    assert "30 more contexts." in written


def test_every_verdict_of_the_formats() -> None:
    """Their own test has runs, faults, strictness: here, that each reason and warning is on the page."""
    result = result_of(NASTY, strict=True)
    shown = html.unescape(page(result))
    for verdict in result.verdicts:
        assert all(reason in shown for reason in text.reasons(verdict))
        assert all(f"Warning: {warning}" in shown for warning in verdict.warnings)
        assert printable(text.label(verdict)) in shown
    assert "Note: a <note>" in shown


# -------------------------------------------------------------------------------------------------------- the file


def test_one_file_that_needs_nothing() -> None:
    written = page(MOVED)
    document = Document(written)
    assert not {"link", "img", "iframe", "object"} & {tag for tag, _ in document.tags}
    assert not any("src" in attrs or (attrs.get("href") or "#")[0] != "#" for _, attrs in document.tags)
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|import\(|://", written)
    assert len(document.ids()) == len(set(document.ids()))
    assert {(attrs["href"] or "")[1:] for _, attrs in document.tags if "href" in attrs} <= set(document.ids())


def test_it_is_the_same_each_time() -> None:
    assert page(MOVED) == page(compared(OLD, NEW, max_cycles=125, tolerance="10%")) == FORMATS["html"](MOVED)
    Document(page(Result(())))


def test_hostile_names_are_text() -> None:
    written = page(hostile())
    document = Document(written)
    written.encode("utf-8")  # no lone surrogates
    assert sum(tag == "script" for tag, _ in document.tags) == sum(tag == "style" for tag, _ in document.tags) == 1
    assert not any(name.startswith("on") for _, attrs in document.tags for name in attrs)
    assert "&lt;script&gt;alert(1)" in written
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", written)


# ------------------------------------------------------------------------------------------------ from end to end


@pytest.fixture
def project(build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a baseline of fast firmware, and the slow one."""
    for name, flags in (("fast", ()), ("slow", ("-DSLOW",))):
        shutil.copy(build("hot.S", flags=("-g", *flags)), tmp_path / f"{name}.elf")
    shutil.copy(tmp_path / "fast.elf", tmp_path / "app.elf")
    (tmp_path / "m0sim.toml").write_text(BENCHES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_check(run: Run, project: Path) -> None:
    assert run("check", "--update").code == 0
    shutil.copy("slow.elf", "app.elf")
    done = run("check", "--html", "a.html", "--only", "sum")
    assert (done.code, done.err) == (1, "")
    written = Path("a.html").read_text()
    old = baseline.read(Path("m0sim-baseline.json"))["sum"].cycles
    assert boxes(written, "new")[0][1].startswith(f"sum_to: {old + 100} cycles, was {old} (")
    assert ">m0sim check m0sim.toml --only sum</code>" in written
    image = checks.check(manifest.load(Path("m0sim.toml")), checks.Options()).files[1]
    assert (image.role, image.path) == ("image", Path("app.elf"))
    assert f"<strong>Image</strong>: <code>app.elf</code>, SHA-256 <code>{image.sha256}</code>" in written
    assert "<strong>Manifest</strong>: <code>m0sim.toml</code>" in written
    assert "<strong>Baseline</strong>: <code>m0sim-baseline.json</code>" in written
    assert f"<strong>m0sim</strong> {__version__}" in written
    assert run("check", "--write", "html=b.html", "--only", "sum", "--jobs", "2", "--no-build").code == 1
    assert Path("b.html").read_bytes() == Path("a.html").read_bytes()
    assert run("check", "--format", "html", "--only", "sum").out == written


EVERYTHING = """image = "app.elf"
symbols = "names.elf"
profile = "mine.toml"
bootrom = "rom.bin"

[[bench]]
name = "call"
function = "same"
args = ["@a.bin", ["@b.bin", 5, ["@c.bin"]], "out:4"]
before = ["init(@d.bin, 1)"]
stubs = { helper = [5, 1] }

[[bench]]
name = "run"
run = true
for = "1ms"
stdin = "f.txt"

[[bench]]
name = "again"
function = "same"
args = ["@b.bin", "sym:table"]
"""


def test_all_that_benches_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "m0sim.toml").write_text(EVERYTHING)
    names = ["mine.toml", "names.elf", "rom.bin", *(f"{letter}.bin" for letter in "abcd"), "f.txt"]
    for name in names:
        (tmp_path / name).write_text(name)
    found = inputs.of_benches(manifest.load(tmp_path / "m0sim.toml").benches)
    assert [(file.role, file.path, file.sha256) for file in found] == [
        ("input", tmp_path / name, hashlib.sha256(name.encode()).hexdigest()) for name in names
    ]
    listed = page(Result((), files=tuple(found)))
    assert "Files that benches read: 8" in listed
    assert all(file.sha256 in listed for file in found)


def test_against(run: Run, project: Path) -> None:
    done = run("check", "--against", "slow.elf", "--html", "a.html")
    assert done.code == 0
    written = Path("a.html").read_text()
    assert "<strong>Old image</strong>: <code>slow.elf</code>" in written
    assert "<strong>Baseline</strong>" not in written
    assert boxes(written, "old")


def test_diff(run: Run, project: Path) -> None:
    for name in ("fast", "slow"):
        shutil.copy(f"{name}.elf", "app.elf")
        assert run("check", "--update", "--baseline", f"{name}.json").code in (0, 1)
        run("call", f"{name}.elf", "sum_to", 100, "-o", f"{name}-call.json")
    assert run("diff", "fast.json", "slow.json", "--html", "a.html").code == 0
    written = Path("a.html").read_text()
    assert ">m0sim diff fast.json slow.json</code>" in written
    assert len(boxes(written, "new")) == 2
    assert run("diff", "fast-call.json", "slow-call.json", "--html", "a.html").code == 0
    assert "there is no flame graph: the old figures have no calling contexts" in Path("a.html").read_text()


def test_it_is_refused_before_the_work(run: Run, project: Path) -> None:
    done = run("check", "--html", "nowhere/a.html")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "there is no folder nowhere" in done.err


def test_the_example_of_the_gallery(run: Run, tmp_path: Path) -> None:
    """Its baseline is of what its first lines say."""
    elf = toolchain.find("zig").build(
        [ROOT / "examples/dot.c", ROOT / "examples/dot_fast.S"],
        tmp_path / "inlined.elf",
        flags=("-O2", "-g", "-Dnoinline=used"),
        linker_script=ROOT / "kernels/m0sim.ld",
    )
    benches = manifest.load(ROOT / "examples/dot.toml").benches
    (found,) = measure([replace(bench, image=elf) for bench in benches], ROOT / "examples")
    assert baseline.read(ROOT / "examples/dot-baseline.json") == {found.name: found.figures}


# ------------------------------------------------------------------------------------------------------ in a browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("check-pages")
    two = [judge(Measurement(name, NEW), OLD, Limits.of(max_cycles=110)) for name in ("one", "two")]
    many = (*result_of(["a"]).verdicts, *two, judge(Measurement("shrunk", OLD), NEW, Limits()))
    results = {"moved": MOVED, "many": Result(many, ("a note",)), "hostile": hostile()}
    for name, result in results.items():
        (folder / f"{name}.html").write_text(page(result), encoding="utf-8")
    return {name: folder / f"{name}.html" for name in results}


NAMES = ["moved", "many", "hostile"]
OPEN = "document.querySelectorAll('details').forEach((d) => (d.open = true))"
SHOWN = """[...document.querySelectorAll('.flame > div')].filter((box) => box.checkVisibility())
  .map((box) => [box.textContent, Math.round(parseFloat(box.style.width))])"""


@pytest.mark.parametrize("name", NAMES)
def test_it_opens_without_a_complaint(browser: Any, pages: dict[str, Path], name: str) -> None:
    tab = browser.open(pages[name])
    tab.run("globalThis.alert = () => { throw new Error('a name ran') }")
    tab.run("[...document.querySelectorAll('th button, .flame > div')].forEach((each) => each.click())")
    assert tab.problems == []
    assert tab.run("document.querySelectorAll('h1').length") == 1


@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("name", NAMES)
def test_nothing_scrolls_sideways(browser: Any, pages: dict[str, Path], name: str, width: int) -> None:
    tab = browser.open(pages[name], width=width)
    tab.run(OPEN)
    assert tab.run("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", NAMES)
def test_contrast(browser: Any, pages: dict[str, Path], name: str, dark: bool) -> None:
    tab = browser.open(pages[name], dark=dark)
    tab.run(OPEN)
    found = tab.run(CONTRAST)
    assert found["bad"] == []
    assert found["seen"] > 20


def test_boxes_as_wide_as_before_or_as_now(browser: Any, pages: dict[str, Path]) -> None:
    """Chosen by keyboard, and without the script."""
    now = [["f +20.0 %", 100], ["slow +75.0 %", 58], ["quick -50.0 %", 17], ["same", 8], ["new new", 16]]
    before = [["f +20.0 %", 100], ["slow +75.0 %", 40], ["quick -50.0 %", 40], ["same", 10], ["gone gone", 9]]
    for script in (True, False):
        tab = browser.open(pages["moved"], script=script)
        assert tab.run(SHOWN) == now
        tab.run("document.querySelector('.switch input').focus()")
        tab.press("ArrowRight")
        assert tab.run(SHOWN) == before
    tab.press("ArrowLeft")
    assert tab.run(SHOWN) == now


def test_each_graph_zooms_for_itself(browser: Any, pages: dict[str, Path]) -> None:
    tab = browser.open(pages["many"])
    graphs = tab.run("document.querySelectorAll('.by-new .flame').length")
    assert graphs == 3
    tab.run("""[...document.querySelectorAll('.by-new .flame')][1].querySelectorAll('div')[1].click()""")
    shown = """[...document.querySelectorAll('.by-new .flame')].map((graph) =>
      [...graph.children].filter((box) => !box.hidden).length)"""
    assert tab.run(shown) == [5, 2, 5]
    assert tab.run("[...document.querySelectorAll('.by-new .zoom button')].map((b) => b.checkVisibility())") == [
        False,
        True,
        False,
    ]
    assert tab.problems == []


def test_sorting(browser: Any, pages: dict[str, Path]) -> None:
    tab = browser.open(pages["many"])
    names = "[...document.querySelectorAll('#benches tbody th')].map((cell) => cell.textContent)"
    tab.run("document.querySelectorAll('#benches thead th button')[4].click()")
    assert tab.run(names)[:2] == ["one", "two"]  # +20 %
    tab.run("document.querySelectorAll('#benches thead th button')[4].click()")
    assert tab.run(names)[0] == "shrunk"
