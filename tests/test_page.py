"""The HTML reports: what is in them, and, in a real browser, what they look like and do."""

from __future__ import annotations

import dataclasses
import html
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import FIRMWARE, Build
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from test_cli import Run, run  # noqa: F401
from test_compare_report import comparison

from m0sim import Fault, Machine
from m0sim.chip.cost import CallNode, Cost, FunctionCost
from m0sim.report import text
from m0sim.report.page import _bars, page
from m0sim.report.page_flame import FlameGraph, flame_graph
from m0sim.report.page_memory import FREE, MemoryMap, Part, memory_maps
from m0sim.study.report import compare_html

HOSTILE = (
    "<script>alert(1)</script>",
    "vector<int, true>::at(unsigned int) &amp; \"'><img src=x onerror=alert(2)>",
    "caf\udce9\x00\x1b[31m\nsecond\u202eline",
    "</style></title></script><h1>",
)
FLAGS = ("-g", f"-I{FIRMWARE}")


@pytest.fixture(scope="module")
def machine(build: Build) -> Machine:
    return Machine.from_elf(build("calls.S", "loops.S", flags=FLAGS))


@pytest.fixture(scope="module")
def good(machine: Machine) -> str:
    """The report of a call with three functions below it."""
    return page(machine.call("calls_tails", 5), machine)


@pytest.fixture(scope="module")
def faulted(build: Build) -> str:
    faulty = Machine.from_elf(build("faults.S", flags=FLAGS))
    with pytest.raises(Fault) as caught:
        faulty.call("outer", 1)
    return page(caught.value.cost, faulty, fault=caught.value)


def hostile_report(machine: Machine) -> str:
    """A report whose functions, sections, buffers, arguments and warnings all have names that try something."""
    image = machine.image
    functions = [s for s in image.symbols if s.kind == "function"]
    names = {s.name: HOSTILE[i % 4] + str(i) for i, s in enumerate(functions)}
    bad = dataclasses.replace(
        image,
        path=Path(HOSTILE[2]),
        symbols=tuple(dataclasses.replace(s, name=names.get(s.name, s.name)) for s in image.symbols),
        sections=tuple(dataclasses.replace(s, name=HOSTILE[0]) for s in image.sections),
    )
    chip = Machine(bad)
    buffer = chip.alloc(16, name=HOSTILE[1])
    cost = chip.call(names["calls_tails"], buffer, level="memory")
    assert cost.provenance is not None
    of = dataclasses.replace(cost.provenance, image=HOSTILE[0], arguments=HOSTILE, before=HOSTILE, stubs=HOSTILE)
    return page(dataclasses.replace(cost, warnings=HOSTILE, provenance=of), chip)


class Document(HTMLParser):
    """Elements, and whether they are closed in order."""

    VOID = ("meta", "input", "link", "br", "img")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len(dict(attrs)), f"an attribute twice: {tag} {attrs}"
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, self.getpos()

    def ids(self) -> list[str]:
        return [attrs["id"] or "" for _, attrs in self.tags if "id" in attrs]


# ------------------------------------------------------------------------------------------------------------ memory


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(1, 99)), max_size=30))
def test_bars_of_a_memory_never_lie_on_each_other(gaps_and_sizes: list[tuple[int, int]]) -> None:
    """Also where thin parts crowd at its end, as the stack and what was passed on it do."""
    parts, at = [], 0x2000_0000
    for gap, size in gaps_and_sizes:
        parts.append(Part("data", "a part", at + gap, size))
        at += gap + size
    bars = _bars(MemoryMap("SRAM", 0x2000_0000, max(at - 0x2000_0000, 1), tuple(parts)))
    assert len(bars) == len(parts)
    edges = [edge for bar in bars for edge in (bar.left, bar.left + bar.width)]
    assert all(a <= b + 0.011 for a, b in pairwise(edges))  # two roundings
    assert not edges or (edges[0] >= 0 and edges[-1] <= 1000.011)


# ----------------------------------------------------------------------------------------------------- flame graph


def node(function: str, parent: int, self_cycles: int, inclusive: int, at: int = 0, calls: int = 1) -> CallNode:
    return CallNode(function, parent, at, calls, self_cycles, inclusive)


def boxes(graph: FlameGraph) -> list[tuple[str, int, float, float, int]]:
    return [(f.name, f.depth, f.left, f.width, f.calls) for f in graph.frames]


def test_a_flame_graph_by_hand() -> None:
    """b is called from two places in a: one box. The widest stands on the left."""
    tree = (
        node("a", -1, 10, 100),
        node("b", 0, 10, 10, at=2),
        node("c", 0, 20, 50, at=4, calls=3),
        node("b", 0, 20, 30, at=6, calls=4),
        node("d", 2, 30, 30),
        node("d", 3, 10, 10),
    )
    assert boxes(flame_graph(tree)) == [
        ("a", 0, 0, 100, 1),
        ("c", 1, 0, 50, 3),
        ("b", 1, 50, 40, 5),
        ("d", 2, 0, 30, 1),
        ("d", 2, 50, 10, 1),
    ]
    assert [f.heat for f in flame_graph(tree).frames] == [2, 2, 3, 3, 2]
    assert flame_graph(tree).depth == 3


def test_boxes_that_nobody_could_see_are_counted() -> None:
    tree = (node("a", -1, 9_980, 10_000), node("b", 0, 9, 9), node("c", 0, 11, 11))
    graph = flame_graph(tree)
    assert [f.name for f in graph.frames] == ["a", "c"]
    assert graph.left_out == 1


def test_nothing_ran() -> None:
    assert flame_graph(()).frames == flame_graph((node("a", -1, 0, 0),)).frames == ()


@given(st.lists(st.tuples(st.integers(0, 1 << 30), st.sampled_from("abcd"), st.integers(0, 50)), max_size=30))
def test_boxes_lie_in_their_callers(more: list[tuple[int, str, int]]) -> None:
    names, parents, own = ["main"], [-1], [1]
    for parent, name, cycles in more:
        names.append(name)
        parents.append(parent % len(parents))
        own.append(cycles)
    inclusive = list(own)
    for i in range(len(names) - 1, 0, -1):
        inclusive[parents[i]] += inclusive[i]
    tree = [node(*row) for row in zip(names, parents, own, inclusive, strict=True)]
    graph = flame_graph(tree)
    assert graph.total == sum(own)
    for f in graph.frames[1:]:
        above = [g for g in graph.frames if g.depth == f.depth - 1 and g.left <= f.left + 1e-9]
        around = max(above, key=lambda g: g.left)
        assert f.left + f.width <= around.left + around.width + 1e-9
    if not graph.left_out:
        assert sum(f.self_cycles for f in graph.frames) == graph.total
    for depth in range(graph.depth):
        row = [f for f in graph.frames if f.depth == depth]
        assert all(f.left + f.width <= g.left + 1e-9 for f, g in pairwise(row))


# ------------------------------------------------------------------------------------------------------ memory map


@pytest.mark.parametrize("source", ["memory.c", "calls.S", "rewrites.S", "aapcs.c"])
def test_every_byte_is_in_the_map_once(build: Build, source: str) -> None:
    machine = Machine.from_elf(build(source, flags=FLAGS))
    machine.alloc(np.arange(5, dtype=np.int16), name="five")
    machine.alloc(3)
    function = machine.image.functions[0].name
    try:
        signature = machine.signature(function)
        cost = machine.call(function, *range(6 if signature is None else len(signature.parameters)))
    except Fault as fault:
        cost = fault.cost
    maps = memory_maps(cost, machine)
    for memory in maps:
        at = memory.base
        for part in memory.parts:
            assert part.address == at
            at = part.end
        assert at == memory.base + memory.size
        assert memory.used + sum(p.size for p in memory.parts if p.kind == FREE) == memory.size
    use = {name: sum(m.used for m in maps if m.name == name) for name in ("flash", "SRAM")}
    assert use["flash"] == cost.memory.flash_total
    assert use["SRAM"] == cost.memory.sram_total
    kinds = {kind: sum(p.size for m in maps if m.name == "SRAM" for p in m.parts if p.kind == kind) for kind in
             ("code", "data", "bss", "stack", "arguments")}  # fmt: skip
    assert kinds["stack"] == cost.memory.sram_stack
    assert kinds["arguments"] == cost.memory.sram_arguments
    assert kinds["bss"] == cost.memory.sram_bss


# -------------------------------------------------------------------------------------------------------- the file


@pytest.mark.parametrize("name", ["good", "faulted"])
def test_one_file_that_needs_nothing(request: pytest.FixtureRequest, name: str) -> None:
    text: str = request.getfixturevalue(name)
    document = Document(text)
    assert not {"link", "img", "iframe", "object"} & {tag for tag, _ in document.tags}
    assert not any("src" in attrs or (attrs.get("href") or "#")[0] != "#" for _, attrs in document.tags)
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|import\(|://", text)
    assert len(document.ids()) == len(set(document.ids()))
    links = {(attrs["href"] or "")[1:] for _, attrs in document.tags if "href" in attrs}
    assert links <= set(document.ids())


def test_it_is_the_same_each_time(machine: Machine, good: str) -> None:
    assert page(machine.call("calls_tails", 5), machine) == good


def test_hostile_names_are_text(machine: Machine) -> None:
    text = hostile_report(machine)
    document = Document(text)
    text.encode("utf-8")  # no lone surrogates
    assert sum(tag == "script" for tag, _ in document.tags) == sum(tag == "style" for tag, _ in document.tags) == 1
    assert not any(name.startswith("on") for _, attrs in document.tags for name in attrs)
    assert "&lt;script&gt;alert(1)" in text
    assert "\\udce9\\x00\\x1b[31m\\nsecond\\u202eline" in text
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)


FAULTY = [
    *("unaligned_load", "null_pointer", "permanently_undefined", "breakpoint", "sleeps", "arm_state", "add_sp"),
    *("call_null", "into_port", "tail_call", "tail_call_below", "tail_call_by_register"),
]


@pytest.fixture(scope="module")
def faulty(build: Build) -> Machine:
    return Machine.from_elf(build("faults.S", flags=FLAGS))


@pytest.mark.parametrize("name", FAULTY)
def test_every_fault_has_a_page(faulty: Machine, name: str) -> None:
    """Its open calls are those of the text, in the same words."""
    with pytest.raises(Fault) as caught:
        faulty.call(name)
    sites = re.findall(r"<li>in (.*)</li>", page(caught.value.cost, faulty, fault=caught.value))
    console = Console(width=1000, color_system=None)
    with console.capture() as captured:
        console.print(text.fault(caught.value))
    assert [html.unescape(site) for site in sites] == re.findall(r"^  in (.*?) *$", captured.get(), re.MULTILINE)
    if name.startswith("tail_call"):
        assert sites[0].startswith("call_null_at_once")


def test_what_a_fault_shows(faulted: str) -> None:
    assert "Fault: UDF #0, a permanently undefined instruction" in faulted
    assert "in middle, called before 0x" in faulted
    assert 'class="fault-row"' in faulted
    assert "<dt>result" not in faulted


def test_traffic(machine: Machine) -> None:
    text = page(machine.call("bump", level="memory"), machine)
    assert 'id="traffic"' in text
    assert "in_data" in text


def test_who_did_not_ask_what_the_flash_cache_adds_reads_where_it_is(machine: Machine) -> None:
    asked = page(machine.call("bump", flash="cold"), machine)
    not_asked = page(machine.call("bump"), machine)
    assert ("<code>--flash cold</code>" in asked, "<code>--flash cold</code>" in not_asked) == (False, True)


def test_a_call_that_costs_nothing(tmp_path: Path) -> None:
    raw = Machine.from_raw(b"\x00\xde" * 2, 0x10000000)
    with pytest.raises(Fault) as caught:
        raw.call(0x10000000)
    text = page(caught.value.cost, raw, fault=caught.value)
    assert 'id="flame"' not in text
    assert 'class="fault-row"' in text
    Document(text)


def test_the_option(run: Run, machine: Machine, build: Build, tmp_path: Path) -> None:  # noqa: F811
    elf, file = machine.image.path, tmp_path / "report.html"
    done = run("call", elf, "calls_tails", 5, "--html", file, "--json")
    assert (done.code, done.err, done.json["cycles"]) == (0, "", 25)
    again = f"m0sim call {elf} calls_tails 5"
    assert file.read_text() == page(machine.call("calls_tails", 5, flash_report=True), machine, command=again)
    assert run("call", build("faults.S", flags=FLAGS), "outer", 1, "--html", file).code == 1
    assert "Fault: UDF #0" in file.read_text()
    refused = run("call", elf, "calls_tails", 5, "--html", tmp_path)
    assert refused.code == 2
    assert len(refused.err.splitlines()) == 1


# ------------------------------------------------------------------------------------------------------ in a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    tool = pytest.importorskip("browser", reason="websockets is not installed")
    if tool.find() is None:
        pytest.skip(f"no Chromium on PATH: one of {', '.join(tool.NAMES)}")
    with tool.Browser() as running:
        yield running


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, machine: Machine, good: str, faulted: str) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    memory = page(machine.call("bump", level="memory"), machine)
    hot = page(machine.call("nested", 50), machine)
    texts = {"good": good, "faulted": faulted, "memory": memory, "hot": hot, "hostile": hostile_report(machine)}
    texts |= {"numbers": numbers(machine), "compare": compare_html.page(comparison())}
    for name, report in texts.items():
        (folder / f"{name}.html").write_text(report, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in texts}


def numbers(machine: Machine) -> str:
    """A report whose functions sort differently as numbers and as text."""
    cost: Cost = machine.call("calls_tails", 5)
    rows = {"b": (9, 700), "a": (1_000, 60), "f10": (10, 5), "f2": (2, 4)}
    functions = {name: FunctionCost(name, 16, calls, own, own, 1) for name, (calls, own) in rows.items()}
    table = dataclasses.replace(cost.instruction_table, function_names=("b",) * 1_000)
    return page(dataclasses.replace(cost, functions=functions, instruction_table=table), machine)


NAMES = ["good", "faulted", "memory", "hot", "hostile", "compare"]

# Every visible piece of text against what is behind it: WCAG 2's relative luminance. Meters have two backgrounds.
CONTRAST = """(() => {
  const numbers = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = (rgb) => rgb.slice(0, 3).map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ratio = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
  const isClear = (rgb) => rgb.length === 4 && rgb[3] === 0;
  const behind = (element) => {
    const found = [];
    for (let at = element; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      for (const colour of style.backgroundImage.match(/rgba?\\([^)]*\\)/g) || [])
        if (!isClear(numbers(colour))) found.push(numbers(colour));
      const plain = numbers(style.backgroundColor);
      if (!isClear(plain)) return [...found, plain];
    }
    return [...found, numbers(getComputedStyle(document.documentElement).backgroundColor)];
  };
  const bad = [];
  let seen = 0;
  for (const element of document.body.querySelectorAll("*")) {
    if (element.closest("script, svg") || !element.checkVisibility()) continue;
    if (![...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
    seen += 1;
    const ink = numbers(getComputedStyle(element).color);
    const worst = Math.min(...behind(element).map((paper) => ratio(ink, paper)));
    if (worst < 4.5) bad.push(`${element.outerHTML.slice(0, 80)}: ${worst}`);
  }
  return { bad, seen };
})()"""


@pytest.mark.parametrize("name", NAMES)
def test_it_opens_without_a_complaint(browser: Any, pages: dict[str, Path], name: str) -> None:
    tab = browser.open(pages[name])
    assert tab.problems == []
    assert tab.run("document.readyState") == "complete"
    assert tab.run("document.querySelectorAll('script').length") == (name != "compare")


@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("name", NAMES)
def test_nothing_scrolls_sideways(browser: Any, pages: dict[str, Path], name: str, width: int) -> None:
    tab = browser.open(pages[name], width=width)
    tab.run("document.querySelectorAll('details').forEach((d) => (d.open = true))")
    assert tab.run("innerWidth") == width
    assert tab.run("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", NAMES)
def test_contrast(browser: Any, pages: dict[str, Path], name: str, dark: bool) -> None:
    tab = browser.open(pages[name], dark=dark)
    tab.run("document.querySelectorAll('details').forEach((d) => (d.open = true))")
    found = tab.run(CONTRAST)
    assert found["bad"] == []
    assert found["seen"] > 20


def test_contrast_is_really_measured(browser: Any, pages: dict[str, Path]) -> None:
    tab = browser.open(pages["good"])
    tab.run("document.body.style.color = '#8a8a8a'")
    assert tab.run(CONTRAST)["bad"]


@pytest.mark.parametrize("name", ["good", "compare"])
def test_dark_mode(browser: Any, pages: dict[str, Path], name: str) -> None:
    tab = browser.open(pages[name])
    colour = "getComputedStyle(document.body).backgroundColor"
    light = tab.run(colour)
    tab.prefer("dark")
    assert (light, tab.run(colour)) == ("rgb(255, 255, 255)", "rgb(23, 25, 29)")


FIRST_COLUMN = "[...document.querySelectorAll('#functions tbody th')].map((cell) => cell.textContent)"
SORTED_BY = "[...document.querySelectorAll('#functions th[aria-sort]')].map((h) => [h.innerText, h.ariaSort])"


def test_sorting_by_click(browser: Any, pages: dict[str, Path]) -> None:
    tab = browser.open(pages["numbers"])
    click = "document.querySelectorAll('#functions thead th button')[{}].click()"
    assert tab.run(FIRST_COLUMN) == ["b", "a", "f10", "f2"]
    assert tab.run(SORTED_BY) == [["self cycles", "descending"]]
    tab.run(click.format(1))
    assert tab.run(FIRST_COLUMN) == ["a", "f10", "b", "f2"]  # 1,000 calls, 10, 9, 2: as numbers
    assert tab.run(SORTED_BY) == [["calls", "descending"]]
    tab.run(click.format(1))
    assert tab.run(FIRST_COLUMN) == ["f2", "b", "f10", "a"]
    assert tab.run(SORTED_BY) == [["calls", "ascending"]]
    tab.run(click.format(0))
    assert tab.run(FIRST_COLUMN) == ["a", "b", "f2", "f10"]
    assert tab.run(SORTED_BY) == [["function", "ascending"]]
    assert tab.problems == []


def test_sorting_by_keyboard(browser: Any, pages: dict[str, Path]) -> None:
    tab = browser.open(pages["numbers"])
    tab.run("document.querySelectorAll('#functions thead th button')[1].focus()")
    tab.press("Enter")
    assert tab.run(FIRST_COLUMN) == ["a", "f10", "b", "f2"]


FRAMES = """Object.fromEntries([...document.querySelectorAll('.flame > div')].filter((box) => !box.hidden)
  .map((box) => [`${box.dataset.depth} ${box.textContent}`, Math.round(parseFloat(box.style.width))]))"""


def test_zooming_into_the_flame_graph(browser: Any, pages: dict[str, Path]) -> None:
    tab = browser.open(pages["good"])
    whole = {"0 calls_tails": 100, "1 tail_bx": 28, "1 tail_b": 24, "2 leaf": 12}
    assert tab.run(FRAMES) == whole
    tab.run("[...document.querySelectorAll('.flame > div')].find((box) => box.textContent === 'tail_b').click()")
    assert tab.run(FRAMES) == {"0 calls_tails": 100, "1 tail_b": 100, "2 leaf": 50}
    assert tab.run("document.querySelector('.zoom span').textContent").startswith("tail_b: 6 cycles (24.0 %)")
    assert tab.run("document.querySelector('.zoom button').checkVisibility()")
    tab.run("document.querySelector('.zoom button').click()")
    assert tab.run(FRAMES) == whole
    assert not tab.run("document.querySelector('.zoom button').checkVisibility()")
    assert tab.problems == []


def test_the_flame_graph_by_keyboard(browser: Any, pages: dict[str, Path]) -> None:
    tab = browser.open(pages["good"])
    tab.run("document.querySelector('.flame > [tabindex=\"0\"]').focus()")
    for key, name in (("ArrowDown", "tail_bx"), ("ArrowRight", "tail_b"), ("ArrowDown", "leaf"), ("ArrowUp", "tail_b")):
        tab.press(key)
        assert tab.run("document.activeElement.textContent") == name
    tab.press("Enter")
    assert tab.run(FRAMES) == {"0 calls_tails": 100, "1 tail_b": 100, "2 leaf": 50}
    tab.press("Escape")
    assert len(tab.run(FRAMES)) == 4


def test_filtering_calls(browser: Any, pages: dict[str, Path]) -> None:
    tab = browser.open(pages["good"])
    rows = "[...document.querySelectorAll('#calls tbody tr')].filter((row) => row.checkVisibility()).length"
    before = tab.run(rows)
    tab.run("(() => { const i = document.querySelector('#calls .filter input'); i.focus(); i.value = 'TAIL_BX';"
            " i.dispatchEvent(new Event('input')); })()")  # fmt: skip
    assert (before, tab.run(rows)) == (4, 2)


@pytest.mark.parametrize("name", NAMES)
def test_headings_names_and_labels(browser: Any, pages: dict[str, Path], name: str) -> None:
    """No heading skips a level, every control has a name that it shows, and every id is there once."""
    tab = browser.open(pages[name])
    levels = tab.run("[...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map((each) => Number(each.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below <= above + 1 for above, below in pairwise(levels))
    assert tab.run("[...document.querySelectorAll('input')].filter((each) => !each.labels.length).length") == 0
    assert tab.run("[...document.querySelectorAll('button')].filter((each) => !each.textContent.trim()).length") == 0
    ids = tab.run("[...document.querySelectorAll('[id]')].map((each) => each.id)")
    assert len(ids) == len(set(ids))
    regions = tab.run("[...document.querySelectorAll('[role=region]')].map((each) => each.ariaLabel)")
    assert all(regions)
    assert len(regions) == len(set(regions))


def test_without_its_script_it_is_all_there(browser: Any, pages: dict[str, Path]) -> None:
    tab = browser.open(pages["good"], script=False)
    assert tab.run("document.querySelectorAll('th button').length") == 0
    assert tab.run(FRAMES) == {"0 calls_tails": 100, "1 tail_bx": 28, "1 tail_b": 24, "2 leaf": 12}
    boxes_ = tab.run("[...document.querySelectorAll('.flame > div')].map((box) => box.getBoundingClientRect().width)")
    assert min(boxes_) > 0
    assert not tab.run("[...document.querySelectorAll('.tools, .copy')].some((each) => each.checkVisibility())")


def test_on_paper(browser: Any, pages: dict[str, Path]) -> None:
    tab = browser.open(pages["good"])
    tab.run("dispatchEvent(new Event('beforeprint'))")
    tab.prefer("light", media="print")
    assert not tab.run("document.querySelector('nav').checkVisibility()")
    assert tab.run("[...document.querySelectorAll('details')].every((details) => details.open)")
    assert tab.run("getComputedStyle(document.querySelector('.tall')).maxHeight") == "none"


def test_hostile_names_run_nothing(browser: Any, pages: dict[str, Path]) -> None:
    tab = browser.open(pages["hostile"])
    tab.run("globalThis.alert = () => { throw new Error('a name ran') }")
    tab.run("[...document.querySelectorAll('th button, .flame > div')].forEach((each) => each.click())")
    assert tab.problems == []
    assert tab.run("document.querySelectorAll('h1').length") == 1
