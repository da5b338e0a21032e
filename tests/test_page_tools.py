"""What a reader does with the report of a call: search, copy, read source beside instructions; and where it is from."""

from __future__ import annotations

import dataclasses
import html
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import FIRMWARE, Build
from test_cli import Run, run
from test_firmware import Built, built
from test_page import CONTRAST, browser

from m0sim import Cost, Machine
from m0sim.chip import device
from m0sim.chip.cost import CallNode
from m0sim.report.annotate import listing
from m0sim.report.annotate_data import FunctionListing, ListingRow, Source
from m0sim.report.disassembly import Instruction
from m0sim.report.inlined import SourceCosts
from m0sim.report.page import page
from m0sim.report.page_source import source_view
from m0sim.report.sources import Sources

__all__ = ["browser", "built", "run"]

COMMAND = "m0sim call 'an image.elf' work 7"


@pytest.fixture(scope="module")
def machine(build: Build) -> Machine:
    return Machine.from_elf(build("inlines.c", flags=("-O2", "-g")))


@pytest.fixture(scope="module")
def cost(machine: Machine) -> Cost:
    return machine.call("work", 7, level="memory")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, machine: Machine, cost: Cost) -> Path:
    made = tmp_path_factory.mktemp("page") / "report.html"
    made.write_text(page(cost, machine, command=COMMAND), encoding="utf-8")
    return made


@pytest.fixture
def tab(browser: Any, file: Path) -> Iterator[Any]:
    opened = browser.open(file)
    yield opened
    assert opened.problems == []


# ------------------------------------------------------------------------------------------------ source by line


def row(address: int, cycles: int, line: int | None, file: str = "/a.c") -> ListingRow:
    source = None if line is None else Source(file, line, f"line {line}")
    instruction = Instruction(address, 2, 0xBF00, is_data=False, text="nop")
    return ListingRow(instruction, 1 if cycles else 0, cycles, 0, None, source, is_fault=False)


def view_of(*rows: ListingRow, folder: Path) -> Any:
    function = FunctionListing("f", 0, 2, 1, 0, 0, rows, (), SourceCosts(0, 0, ()))
    return source_view(function, Sources(folder / "image.elf", [folder]))


def test_lines_by_hand(tmp_path: Path) -> None:
    """Cycles of a line add up wherever its instructions stand; a line that did not run has none; gaps of 5 are gaps."""
    text = tmp_path / "a.c"
    text.write_text("".join(f"\tline {number}\n" for number in range(1, 31)))
    name = str(text)
    rows = [row(0, 5, 10, name), row(2, 3, 12, name), row(4, 4, 10, name), row(6, 0, 17, name), row(8, 1, 23, name),
            row(10, 7, 2, "/b.c"), row(12, 9, None)]  # fmt: skip
    view = view_of(*rows, folder=tmp_path)
    first, second = view.files
    assert [(line.number, line.cycles, line.has_code, line.is_behind_gap) for line in first.lines] == [
        (10, 9, True, False),
        (11, 0, False, False),
        (12, 3, True, False),
        *((between, 0, False, False) for between in range(13, 17)),
        (17, 0, True, False),
        (23, 1, True, True),
    ]
    assert first.lines[1].text == "    line 11"
    assert first.place == name
    assert [(line.number, line.cycles, line.text) for line in second.lines] == [(2, 7, "line 2")]
    assert [view.key(each.source) for each in rows if each.source] == ["0:10", "0:12", "0:10", "0:17", "0:23", "1:2"]


def test_no_lines_no_source(tmp_path: Path) -> None:
    assert view_of(row(0, 5, None), folder=tmp_path).files == ()
    assert view_of(folder=tmp_path).files == ()


def test_lines_of_a_function_have_its_cycles(machine: Machine, cost: Cost) -> None:
    for function in listing(cost, machine.program, everything=True).functions:
        view = source_view(function, Sources(machine.program.path, [FIRMWARE]))
        without = sum(each.cycles for each in function.rows if each.source is None)
        assert sum(line.cycles for f in view.files for line in f.lines) + without == function.self_cycles
        keys = {f"{place}:{line.number}" for place, f in enumerate(view.files) for line in f.lines if line.has_code}
        assert keys == {view.key(each.source) for each in function.rows if each.source}


def test_source_text_that_cannot_be_read_leaves_numbers_and_cycles(tmp_path: Path) -> None:
    """And nothing of what is between the lines, which would say nothing."""
    rows = [dataclasses.replace(each, source=Source("/nowhere.c", number, None))
            for each, number in ((row(0, 5, 10), 10), (row(2, 3, 12), 12), (row(4, 1, 40), 40))]  # fmt: skip
    (found,) = view_of(*rows, folder=tmp_path).files
    assert [(line.number, line.text, line.cycles) for line in found.lines] == [(10, "", 5), (12, "", 3), (40, "", 1)]
    assert not any(line.is_behind_gap for line in found.lines)


def test_a_line_shows_its_instructions(tab: Any) -> None:
    """The number of a line brings them into view, by keyboard, too; the pointer on either shows the other."""
    place = "document.querySelector('.lines [data-at] button')"
    tab.run(f"{place}.focus()")
    tab.press("ArrowDown")
    tab.press("Enter")
    at = tab.run("document.activeElement.closest('tr').dataset.at")
    chosen = tab.run("[...document.querySelectorAll('.chosen')].map((each) => each.dataset.at)")
    assert len(chosen) > 1
    assert set(chosen) == {at}
    assert tab.run(f"[...document.querySelectorAll('details[open] [data-at=\"{at}\"]')].length") == len(chosen)
    assert tab.run("""(() => {
      const row = document.querySelector('.instructions .chosen').getBoundingClientRect();
      const box = document.querySelector('.instructions .chosen').closest('.tall').getBoundingClientRect();
      return row.top >= box.top && row.bottom <= box.bottom;
    })()""")
    same = "[...document.querySelectorAll('.same')].map((each) => each.dataset.at)"
    enter = "document.querySelector('.instructions [data-at]').dispatchEvent(new Event('{}'))"
    tab.run(enter.format("mouseenter"))
    assert len(set(tab.run(same))) == 1
    assert tab.run("document.querySelector('.lines .same')") is not None
    tab.run(enter.format("mouseleave"))
    assert tab.run(same) == []


def test_source_is_beside_on_wide_windows_and_above_on_narrow_ones(tab: Any) -> None:
    places = """[...document.querySelectorAll('.beside')[0].children]
      .map((each) => each.getBoundingClientRect()).map((box) => [box.left, box.top])"""
    (left, top), (other_left, other_top) = tab.run(places)
    assert other_left > left
    assert other_top == top
    tab.resize(400)
    (left, top), (other_left, other_top) = tab.run(places)
    assert other_left == left
    assert other_top > top


def test_a_page_without_lines_has_instructions_alone(browser: Any, build: Build, tmp_path: Path) -> None:
    bare = Machine.from_elf(build("inlines.c", flags=("-O2", "-g0")))
    (tmp_path / "bare.html").write_text(page(bare.call("work", 7), bare))
    tab = browser.open(tmp_path / "bare.html")
    assert tab.run("document.querySelectorAll('.lines').length") == 0
    assert tab.run("document.querySelectorAll('.instructions').length") > 0
    assert tab.problems == []


# ---------------------------------------------------------------------------------------------------------- search


def covered(tree: tuple[CallNode, ...], wanted: str) -> int:
    """Cycles under nodes with a name, each once."""
    inside = [False] * len(tree)
    total = 0
    for place, node in enumerate(tree):
        above = node.parent >= 0 and inside[node.parent]
        inside[place] = above or wanted in node.function
        total += node.inclusive_cycles * (inside[place] and not above)
    return total


def typed(tab: Any, field: str, text: str) -> None:
    tab.run(f"document.querySelector({json.dumps(field)}).focus()")
    tab.run("(() => { const i = document.activeElement; i.value = " + json.dumps(text) + ";"
            " i.dispatchEvent(new Event('input')); })()")  # fmt: skip


FLAME = "#flame .tools input"
SAID = "document.querySelector('{} [role=status]').textContent"


def test_search_in_the_flame_graph(tab: Any, cost: Cost) -> None:
    typed(tab, FLAME, "KEPT")
    share = 100 * covered(cost.call_tree, "kept") / cost.cycles
    found = tab.run("[...document.querySelectorAll('.flame > .found')].map((each) => each.textContent)")
    assert set(found) == {"kept"}
    said = tab.run(SAID.format("#flame .tools"))
    assert said == f"{len(found)} boxes, {share:.1f} % of the cycles"
    tab.press("Enter")
    assert tab.run("document.activeElement.textContent") == "kept"
    typed(tab, FLAME, "work")
    assert tab.run(SAID.format("#flame .tools")) == "1 box, 100.0 % of the cycles"
    typed(tab, FLAME, "e")  # of boxes in boxes the outer ones
    assert tab.run(SAID.format("#flame .tools")).endswith(" % of the cycles")
    assert float(tab.run(SAID.format("#flame .tools")).split()[2]) <= 100
    typed(tab, FLAME, "nowhere")
    assert tab.run(SAID.format("#flame .tools")) == "0 boxes, 0.0 % of the cycles"
    tab.press("Escape")
    assert tab.run(SAID.format("#flame .tools")) == ""
    assert tab.run("document.querySelectorAll('.flame > .found').length") == 0


def test_search_goes_on_when_zoomed(tab: Any, cost: Cost) -> None:
    tab.run("[...document.querySelectorAll('.flame > div')].find((box) => box.textContent === 'once').click()")
    typed(tab, FLAME, "layer")
    share = 100 * covered(cost.call_tree, "layer") / cost.cycles
    assert tab.run(SAID.format("#flame .tools")).endswith(f", {share:.1f} % of the cycles")


def test_search_in_the_code(tab: Any, machine: Machine, cost: Cost) -> None:
    typed(tab, "#code .search input", "muls")
    rows = [each for f in listing(cost, machine.program).functions for each in f.rows]
    found = tab.run("[...document.querySelectorAll('#code .found')].map((each) => each.textContent)")
    instructions = [text for text in found if re.match(r">?\s*0x", text)]
    assert len(instructions) == sum("muls" in each.instruction.text for each in rows) > 0
    assert tab.run(SAID.format("#code .search")) == f"{len(found)} found"
    by_function = "[...document.querySelectorAll('#code summary')].map((each) => Number(each.dataset.found ?? 0))"
    assert sum(tab.run(by_function)) == len(found)
    is_open = "[...document.querySelectorAll('#code details')].map((each) => each.open)"
    assert tab.run(is_open).count(True) == 1
    for number in (1, 2):
        tab.press("Enter")
        assert tab.run(SAID.format("#code .search")) == f"{number} of {len(found)}"
        assert tab.run("document.querySelectorAll('#code .current').length") == 1
        assert tab.run("document.querySelector('#code .current').checkVisibility()")
    for _ in found[2:]:
        tab.press("Enter")
    assert tab.run(is_open) == [bool(inside) or place == 0 for place, inside in enumerate(tab.run(by_function))]
    tab.press("Escape")
    assert tab.run("document.querySelectorAll('#code .found, #code .current, #code [data-found]').length") == 0


@pytest.mark.parametrize(("text", "place"), [("Layer", "STRONG"), ("sink ^= sink", "TR"), ("0x1000", "TR")])
def test_functions_source_and_addresses_are_found(tab: Any, text: str, place: str) -> None:
    typed(tab, "#code .search input", text)
    assert place in tab.run("[...document.querySelectorAll('#code .found')].map((each) => each.tagName)")


def test_only_functions_with_a_name(tab: Any) -> None:
    typed(tab, "#functions .filter input", "clamped")
    shown = "[...document.querySelectorAll('#functions tbody tr')].filter((row) => row.checkVisibility())"
    names = tab.run(f"{shown}.map((row) => row.cells[0].textContent)")
    assert names
    assert all("clamped" in name for name in names)
    total = tab.run("document.querySelectorAll('#functions tbody tr').length")
    assert tab.run(SAID.format("#functions")) == f"{len(names)} of {total} rows"
    assert tab.run("[...document.querySelectorAll('#calls tbody tr')].every((row) => !row.hidden)")


# ------------------------------------------------------------------------------------------------------------ copy

CLIPBOARD = """(() => {
  globalThis.taken = null;
  const writeText = async (text) => { globalThis.taken = text; };
  Object.defineProperty(navigator, 'clipboard', { value: { writeText }, configurable: true });
})()"""
NO_CLIPBOARD = """(() => {
  globalThis.taken = null;
  Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true });
  document.execCommand = () => { globalThis.taken = document.activeElement.value; return %s; };
})()"""


def copy(tab: Any, what: str) -> str:
    """What a click on the button named ``Copy WHAT`` put on the clipboard."""
    tab.run("globalThis.the = [...document.querySelectorAll('.copy')]"
            f".find((each) => each.textContent === {json.dumps(f'Copy {what}')})")  # fmt: skip
    tab.run("(async () => { the.focus(); the.click(); await new Promise((go) => setTimeout(go, 0)); })()")
    return str(tab.run("taken"))


def test_a_table_is_copied_for_a_spreadsheet(tab: Any, cost: Cost) -> None:
    tab.run(CLIPBOARD)
    head, *rows = [line.split("\t") for line in copy(tab, "Functions").splitlines()]
    assert head[:4] == ["function", "calls", "self cycles", "of all"]
    of = {cells[0]: cells for cells in rows}
    for name, function in cost.functions.items():
        assert of[name][1:3] == [str(function.calls), str(function.self_cycles)]
        assert of[name][-1] == f"0x{function.address:08x}"
    assert tab.run("the.textContent") == "Copied Functions"
    assert tab.run("document.activeElement === the")


def test_what_a_filter_hides_is_not_copied(tab: Any) -> None:
    tab.run(CLIPBOARD)
    typed(tab, "#functions .filter input", "layer")
    assert "\nwork\t" not in copy(tab, "Functions")
    assert "\nlayer\t" in tab.run("taken")


def test_a_listing_is_copied_in_columns(tab: Any, machine: Machine, cost: Cost) -> None:
    tab.run(CLIPBOARD)
    (function, *_) = listing(cost, machine.program).functions
    lines = copy(tab, f"Code of {function.name}").splitlines()
    at = {match[1]: line for line in lines if (match := re.search(r"(0x[0-9a-f]{8}) ", line))}
    for each in function.rows:
        line = at[f"0x{each.instruction.address:08x}"]
        assert each.instruction.text in line
        assert line.index("0x") == lines[0].index("address") - 3  # both end there
    assert any("sink ^= sink >> 3;" in line for line in lines)
    source = copy(tab, f"Source of {function.name}").splitlines()
    assert any(re.fullmatch(r" *32 +[\d,]+ +[\d.]+ % +sink \^= sink >> 3;", line) for line in source)


def test_the_command_is_copied(tab: Any) -> None:
    tab.run(CLIPBOARD)
    assert copy(tab, "the command") == COMMAND


def test_without_a_clipboard(tab: Any) -> None:
    """The older way is tried, and where that fails, too, the text is selected for Ctrl+C."""
    tab.run(NO_CLIPBOARD % "true")
    assert copy(tab, "Calls").startswith("caller\t")
    assert tab.run("the.textContent") == "Copied Calls"
    assert tab.run("document.activeElement === the")
    assert tab.run("document.querySelectorAll('textarea').length") == 0
    tab.run(NO_CLIPBOARD % "false")
    copy(tab, "Traffic")
    assert tab.run("the.textContent") == "Selected: press Ctrl+C Traffic"
    assert "bytes loaded" in tab.run("getSelection().toString()")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_contrast_of_what_is_marked(browser: Any, file: Path, dark: bool) -> None:
    tab = browser.open(file, dark=dark)
    for row in ("found", "current", "chosen", "same"):
        tab.run(
            f"document.querySelectorAll('#code tbody tr, .flame > div').forEach((each) => each.classList.add('{row}'))"
        )
        assert tab.run(CONTRAST)["bad"] == [], row


# -------------------------------------------------------------------------------------- memory, and where it is from


def test_a_part_of_memory_and_its_row(tab: Any) -> None:
    tab.run("[...document.querySelectorAll('.memory rect')].at(-1).dispatchEvent(new Event('mouseenter'))")
    assert tab.run("[...document.querySelectorAll('tr.same')].map((row) => row.cells[1].textContent)") == ["stack"]
    tab.run("[...document.querySelectorAll('.memory rect')].at(-1).dispatchEvent(new Event('mouseleave'))")
    assert tab.run("document.querySelectorAll('.same').length") == 0


def text_of(written: str, section: str) -> str:
    part = written[written.index(f'<section id="{section}">') :]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", part[: part.index("</section>")]))


def test_sizes_are_in_bytes_and_kib(file: Path, cost: Cost) -> None:
    assert "of 270,336 bytes (264 KiB)" in text_of(file.read_text(), "memory")
    assert f"{cost.stack_bytes} bytes below the initial SP" in text_of(file.read_text(), "stack")


def test_provenance(file: Path, machine: Machine, cost: Cost) -> None:
    of = cost.provenance
    assert of is not None
    found = text_of(file.read_text(), "provenance")
    for words in (
        "Command: m0sim call &#39;an image.elf&#39; work 7",
        f"SHA-256 {of.sha256}",
        "Call: work 7",
        f"level memory, ideal flash, at 125 MHz; by engine {of.engine} of m0sim {of.version}",
        "Boot ROM: m0sim",
        f"Profile: rp2040: {machine.device.description}",
        "clock: Raspberry Pi Pico SDK, hardware_clocks",
        "xip cache miss: fitted to counts that others published",
    ):
        assert words in found, words


def test_the_command_of_a_page_makes_the_same_page(run: Run, build: Build, tmp_path: Path) -> None:
    elf = build("inlines.c", flags=("-O2", "-g"))
    one, two = tmp_path / "one.html", tmp_path / "two.html"
    options = ("--level", "memory", "--before", "first(2)", "--before", "once(1)", "-p", "rp2040")
    assert run("call", elf, "work", "-7", *options, "--html", one, "--json", "-v").code == 0
    written = re.search(r'class="command">(.*)</code>', one.read_text())
    assert written is not None
    m0sim, *words = shlex.split(html.unescape(written[1]))
    given = ["--profile", "rp2040", "--before", "first(2)", "--before", "once(1)", "--level", "memory"]
    assert (m0sim, words) == ("m0sim", ["call", str(elf), "work", "-7", *given])
    assert run(*words, "--html", two).code == 0
    assert two.read_text() == one.read_text()


def test_the_command_of_a_run(run: Run, built: Built, tmp_path: Path) -> None:
    made = tmp_path / "run.html"
    image = built("tasks")
    done = run("run", image, "--until-output", "both worked", "--for", "50ms", "--html", made, "--json")
    assert done.code == 0
    found = text_of(made.read_text(), "provenance")
    assert f"Command: m0sim run {image} --for 50ms --until-output &#39;both worked&#39;" in found
    assert "Run: (reset)" in found


# ------------------------------------------------------------------------------------------------ sources of a profile


def test_a_profile_names_its_sources() -> None:
    told = {each.figures: each.source for each in device.load("rp2040").sources}
    assert told["clock"].startswith("Raspberry Pi Pico SDK, hardware_clocks")
    assert told["memory flash"].startswith("RP2040 datasheet, section 2.2")
    assert told["energy point"] == "RP2040 datasheet, figure 172, typical, 1.1 V"
    assert len(set(device.load("rp2040").sources)) == len(device.load("rp2040").sources)


def test_a_source_is_of_the_figures_that_hold(tmp_path: Path) -> None:
    """Who changes a figure of the profile that is extended has not its source."""
    base = {each.figures for each in device.load("rp2040").sources}

    def lost(text: str) -> set[str]:
        mine = tmp_path / "mine.toml"
        mine.write_text(f'extends = "rp2040"\n{text}')
        return base - {each.figures for each in device.load(mine).sources}

    assert lost("") == set()
    assert lost("clock_hz = 1_000_000\n") == {"clock"}
    assert lost('clock_hz = 1_000_000\nclock_source = "mine"\n') == set()
    assert lost('zero_wait = "never"\n') == {"zero wait"}
    assert lost("[xip_cache]\nmiss_clocks_per_word = 20\n") == {"xip cache", "xip cache miss"}
    assert lost('[xip_cache]\nclkdiv = 4\nsource = "mine"\n') == set()
