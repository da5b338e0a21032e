"""The forms of a check's result, each read back by what reads it, or checked against its own rules."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.cells import cell_len

from m0sim.check.bench import Place
from m0sim.check.figures import Figures, FunctionFigures, InstructionRow, RunFigures
from m0sim.check.formats import FORMATS, text
from m0sim.check.limits import Limits
from m0sim.check.measure import Failure, Measurement
from m0sim.check.result import Result
from m0sim.check.verdict import Verdict, judge
from m0sim.toml import Lines

NASTY = [
    "a|b",
    "<b>&amp;</b>",
    "`x` *y* _z_ [l](u)",
    'quo"te',
    "co:lon, comma%",
    "ü 漢 \U0001f600",
    "\x00\x1b[31m\ud800",
    "::x",
]


def figures(cycles: int, source: str = "a<b>|.c:1") -> Figures:
    rows = (InstructionRow(0, "46c0", source, 1, cycles),)
    return Figures("f", "rp2040", cycles, 1, 8, 64, 32, {"f<int>": FunctionFigures(cycles, rows, bytes=32)})


def result_of(names: list[str], *, strict: bool = False) -> Result:
    """One bench of every status for each name."""
    verdicts: list[Verdict] = []
    for name in names:
        fault = Failure("fault", "load of 1 byte at 0x1, where nothing is\n(a line more)", {"kind": "unmapped"})
        missed = Failure("expect", "returned 1, expected 2")
        verdicts += [
            judge(Measurement(f"{name} unchanged", figures(100), warnings=("beware",)), figures(100), Limits()),
            judge(Measurement(f"{name} improved", figures(90)), figures(100), Limits()),
            judge(Measurement(f"{name} regressed", figures(110)), figures(100), Limits.of(max_cycles=105)),
            judge(Measurement(f"{name} new", figures(100)), None, Limits(), strict=strict),
            judge(Measurement(f"{name} faulted", None, fault), figures(100), Limits()),
            judge(Measurement(f"{name} missed", figures(100), missed), figures(100), Limits()),
        ]
    path, lines = Path("m0sim.toml"), Lines("\n" * 9 + "[[bench]]\n" * len(verdicts))  # from line 10 on
    places = {v.name: Place(path, lines, ("bench", i), frozenset(), v.name) for i, v in enumerate(verdicts)}
    return Result(tuple(verdicts), ("a <note>",), path, places)


RESULT = result_of(NASTY)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_ends_its_last_line_and_is_deterministic(name: str) -> None:
    written = FORMATS[name](RESULT)
    assert written.endswith("\n")
    assert written == FORMATS[name](result_of(NASTY))
    FORMATS[name](Result(()))  # nothing at all


# text


def test_text() -> None:
    lines = FORMATS["text"](result_of(["x"])).splitlines()
    assert lines[0].split() == ["bench", "status", "cycles", "stack", "SRAM", "code"]
    assert [line.split()[:3] for line in lines[1:7]] == [
        ["x", "unchanged", "unchanged"],
        ["x", "improved", "improved"],
        ["x", "regressed", "regressed"],
        ["x", "new", "new"],
        ["x", "faulted", "failed"],
        ["x", "missed", "failed"],
    ]
    assert lines[2].split()[3:] == ["90|100", "(-10.0", "%)", "8", "64", "32"]
    assert lines[5].split()[3:] == ["-"] * 4
    assert lines[-1] == "1 unchanged, 1 improved, 1 regressed, 1 new, 2 failed"
    assert "  max_cycles 105: over by 5" in lines
    assert "  tolerance allows 100 cycles: over by 10" in lines
    assert "  expect: returned 1, expected 2" in lines
    assert "  warning: beware" in lines
    assert "note: a <note>" in lines


def test_styled_text_is_the_same_text() -> None:
    assert text.styled(RESULT).plain + "\n" == FORMATS["text"](RESULT)
    assert text.styled(RESULT).spans


def moved(name: str, old: list[InstructionRow], new: list[InstructionRow], function: str = "f") -> Verdict:
    """A bench of one function whose instructions changed."""
    before, after = (
        Figures(function, "rp2040", cycles, 1, 0, 0, 0, {function: FunctionFigures(cycles, tuple(rows))})
        for rows in (old, new)
        for cycles in [sum(row.cycles for row in rows)]
    )
    return judge(Measurement(name, after), before, Limits())


def code(*codes: str, executions: int = 1) -> list[InstructionRow]:
    """Instructions of one cycle each."""
    return [InstructionRow(2 * i, each, f"a.c:{i}", executions, executions) for i, each in enumerate(codes)]


LESS = moved("x", code("1840", "46c0", "3801"), code("1840", "3801"))


def test_a_long_listing_is_cut_by_instructions() -> None:
    """Every fourth instruction is gone: hunks of three with a separator between them."""
    same = [f"{0x1800 + i:04x}" for i in range(90)]
    old = [each for i, one in enumerate(same) for each in ([one, "46c0"] if i % 3 == 1 else [one])]
    lines = text.below_title(moved("x", code(*old), code(*same)))
    at = next(i for i, line in enumerate(lines) if line.split()[:2] == ["offset", "f,"])
    *listing, more = lines[at + 1 :]
    instructions = [line for line in listing if line.split() != ["...", "|", "..."]]
    assert len(instructions) == 40
    assert listing[-1] == instructions[-1]
    assert more == f"... {3 * 30 - 40} more instructions"


def test_the_same_instructions_are_shown_once() -> None:
    verdicts = [
        moved("one", code("1840", "46c0"), code("1840")),
        moved("two", code("1840", "46c0", executions=9), code("1840", executions=9)),
        moved("other", code("1840", "46c1"), code("1840")),
    ]
    shown = FORMATS["text"](Result(tuple(verdicts)))
    assert shown.count("executions  cycles") == 2 * 2
    assert "  f: the same instructions as in bench 'one'\n" in shown
    assert re.search(r"^  f +18 +9 +-9$", shown, re.MULTILINE)
    assert "the same" not in text.explain(verdicts[1])  # nobody can look it up elsewhere


def test_other_code_is_remarked() -> None:
    old = Figures("f", "rp2040", 100, 1, 0, 0, 0, {})
    new = Figures("g", "stm32f0", 100, 1, 0, 0, 0, {})
    shown = FORMATS["text"](Result((judge(Measurement("x", new), old, Limits()),)))
    assert "  the baseline is of the function f, this is g\n" in shown
    assert "  the baseline is of the profile rp2040, this is stm32f0\n" in shown


def test_names_do_not_talk_to_the_terminal() -> None:
    evil = "\x1b]0;x\x07\x1b[31m"
    failed = judge(Measurement(evil, None, Failure("fault", evil), (evil,)), None, Limits())
    code_of_evil = [InstructionRow(0, f"bl {evil}", evil, 1, 1)]
    verdicts = (failed, moved(evil, code_of_evil, code("46c0", "46c0"), function=evil))
    for shown in (FORMATS["text"](Result(verdicts, (evil,))), *map(text.explain, verdicts)):
        assert shown.replace("\n", "").isprintable()
        assert r"\x1b]0;x\x07" in shown


def test_columns_are_those_of_a_terminal() -> None:
    """The wide letters take two columns each, and an escape as many as it has letters."""
    lines = text.columns([("漢字", "1"), ("a", "22"), ("\x1b", "3")])
    assert lines == ["漢字   1", "a     22", r"\x1b   3"]
    assert len({cell_len(line) for line in lines}) == 1


def test_strict_says_what_is_missing() -> None:
    assert "it has no baseline" not in FORMATS["text"](RESULT)
    assert "  it has no baseline" in FORMATS["text"](result_of(["x"], strict=True)).splitlines()


# Markdown


def test_markdown_tables_keep_their_columns() -> None:
    written = FORMATS["markdown"](RESULT)
    rows = [line for line in written.split("\n") if line.startswith("|")]
    assert len(rows) == 2 + len(RESULT.verdicts)
    assert {row.count("|") for row in rows} == {7}
    names = [html.unescape(row.split("|")[1].strip()) for row in rows[2:]]
    assert names == ["".join(c if c.isprintable() else "\ufffd" for c in v.name) for v in RESULT.verdicts]
    for row in rows[2:]:
        assert not re.search(r"[<>`*_\[\]]", row.split("|")[1])
    assert "| **regressed** | 110 (was 100, +10.0 %) | 8 | 64 | 32 |" in written


def test_markdown_keeps_a_listing_together() -> None:
    """By another reader of Markdown: what is folded is one <pre>, and nothing of it is a list or a paragraph."""
    verdicts = (*RESULT.verdicts, LESS)
    written = FORMATS["markdown"](Result(verdicts, ("a note",)))
    tokens = MarkdownIt("commonmark").enable("table").parse(written)
    marker, *folded = [token.content for token in tokens if token.type == "html_block"]
    assert marker == "<!-- m0sim check diff -->\n"
    starts = [content for content in folded if content.startswith("<details>")]
    listings = [content for content in folded if content.startswith("<pre>")]
    expected = sum(1 for verdict in verdicts if text.below_title(verdict))
    assert [len(starts), len(listings), len(folded)] == [expected, expected, 3 * expected]
    assert all(content.rstrip().endswith("</pre>") for content in listings)
    assert re.search("^-    0002 ", listings[-1], re.MULTILINE)
    assert html.unescape(listings[-1].strip()[5:-6]) == "\n".join(text.below_title(LESS))
    others = {token.type for token in tokens} - {"html_block"}
    assert not {kind for kind in others if "list" in kind or "code" in kind}


@pytest.mark.parametrize("name", ["m0sim.toml", "a/b c.toml", "x--> <b>.toml", "ü\n.toml", "--!>"])
def test_the_mark_of_a_table_is_a_comment_of_one_line(name: str) -> None:
    """Whatever the manifest is called, it is a comment to its end, and another one for another manifest."""
    first, second, *_ = FORMATS["markdown"](Result((), manifest=Path(name))).split("\n")
    assert (first[:17], first[-4:], second) == ("<!-- m0sim check ", " -->", "")
    assert "--" not in first[4:-3]
    assert unquote(first[17:-4], "latin-1") == name


def test_markdown_folds_what_is_long() -> None:
    written = FORMATS["markdown"](result_of(["x"]))
    assert written.count("<details>") == written.count("</details>") == written.count("<pre>") == 5
    assert "f&lt;int&gt;" in written
    assert "f<int>" not in written
    assert "a &lt;note&gt;" in written


# Runs of whole firmware


def ran(name: str, latency: int, first_output: int | None = 40) -> Figures:
    """A run in which an exception of that name had this latency."""
    run = RunFigures("until", 30, first_output, 75, {name: latency}, {name: 2}, {"msp": 8, f"task {name}": 24})
    return replace(figures(100), function="(reset)", run=run)


RAN = {"awake": 70, "first_output": 40, "energy": 75, "stack.msp": 8}


@pytest.mark.parametrize("name", [*NASTY, "SysTick"])
def test_every_format_has_what_only_a_run_has(name: str) -> None:
    result = Result((judge(Measurement("r", ran(name, 16)), ran(name, 15), Limits()),))
    (found,) = json.loads(FORMATS["json"](result))["benches"]
    assert (found["status"], found["run"]["latencies"], found["before"]["run"]["latencies"]) == (
        *("regressed", {name: 16}, {name: 15}),
    )
    assert [limit for limit in found["limits"] if limit["exceeded"]] == [
        {"name": f"tolerance_latency.{name}", "limit": 15, "value": 16, "exceeded": True}
    ]
    entries = {entry["name"]: (entry["value"], entry["unit"]) for entry in json.loads(FORMATS["github"](result))}
    assert entries[f"r: latency.{name}"] == (16, "cycles")
    assert entries["r: energy"] == (75, "nJ")
    assert {key: entries[f"r: {key}"][0] for key in RAN} == RAN
    (case,) = ElementTree.fromstring(FORMATS["junit"](result).encode()).findall("*/testcase")
    properties = {p.get("name"): p.get("value") for p in case.iter("property")}
    assert {key: properties[key] for key in RAN} == {key: str(value) for key, value in RAN.items()}
    assert list(properties.values()).count("15") == 1  # baseline_latency
    for shown in (FORMATS[form](result) for form in ("text", "markdown", "annotations")):
        assert "over by 1" in shown
        assert shown.endswith("\n")


def test_a_run_is_shown_whole_when_it_is_new_and_by_its_changes_later() -> None:
    new = judge(Measurement("r", ran("SysTick", 16)), None, Limits())
    lines = {tuple(line.split()) for line in text.details(new)}
    assert lines >= {("latency.SysTick", "16", "cycles"), ("stack.msp", "8", "bytes"), ("energy", "75", "nJ")}
    moved = judge(Measurement("r", ran("SysTick", 14)), ran("SysTick", 16), Limits())
    assert [line.split() for line in text.details(moved)] == [
        ["figure", "old", "new", "change"],
        ["latency.SysTick", "16", "14", "-2", "cycles"],
    ]
    assert not text.details(judge(Measurement("r", ran("SysTick", 14)), ran("SysTick", 14), Limits()))


def test_what_is_gone_from_a_run_is_told() -> None:
    gone = judge(Measurement("r", ran("PendSV", 16, None)), ran("SysTick", 16), Limits())
    assert gone.status == "unchanged"
    told = {warning.split(" is gone")[0] for warning in gone.warnings}
    assert told == {"first_output", "latency.SysTick", "entries.SysTick", "stack.task SysTick"}


def test_a_run_that_ended_otherwise_is_told() -> None:
    old = ran("SysTick", 16)
    assert old.run is not None
    new = replace(old, run=replace(old.run, exit="time"))
    assert text.details(judge(Measurement("r", new), old, Limits())) == [
        "the run of the baseline ended by until, this one by time"
    ]


# JSON


def test_json() -> None:
    found = json.loads(FORMATS["json"](RESULT))
    assert type(found["schema"]) is int
    n = len(NASTY)
    assert found["summary"] == {"unchanged": n, "improved": n, "regressed": n, "new": n, "updated": 0, "failed": 2 * n}
    assert [b["name"] for b in found["benches"]] == [v.name for v in RESULT.verdicts]
    unchanged, improved, regressed, new, faulted, missed = found["benches"][:6]
    assert (unchanged["cycles"], unchanged["baseline"], unchanged["where"]) == (100, 100, None)
    assert (improved["before"]["stack_bytes"], new["before"], new["baseline"]) == (8, None, None)
    assert regressed["limits"] == [
        {"name": "max_cycles", "limit": 105, "value": 110, "exceeded": True},
        {"name": "tolerance_cycles", "limit": 100, "value": 110, "exceeded": True},
    ]
    assert (faulted["fault"], faulted["cycles"]) == ({"kind": "unmapped"}, None)
    assert (missed["failure"]["kind"], missed["cycles"], missed["fault"]) == ("expect", 100, None)
    assert found["notes"] == ["a <note>"]


# JUnit


@settings(deadline=None)
@given(st.lists(st.text(min_size=1, max_size=8), max_size=2))
def test_junit_is_xml_whatever_the_names(names: list[str]) -> None:
    result = result_of(names)
    suites = ElementTree.fromstring(FORMATS["junit"](result).encode("utf-8"))
    (suite,) = suites
    cases = suite.findall("testcase")
    assert [suite.get(key) for key in ("tests", "failures", "errors", "skipped")] == [
        *map(str, (6 * len(names), 2 * len(names), len(names), 0)),
    ]
    assert len(cases) == 6 * len(names)
    for case in cases:  # the order that the schema of Jenkins asks for
        assert [child.tag for child in case] in (["properties"], ["properties", "failure"], ["properties", "error"])
        assert case.get("name")
        assert case.get("classname")


def test_junit() -> None:
    cases = ElementTree.fromstring(FORMATS["junit"](result_of(["x"], strict=True)).encode()).findall("*/testcase")
    told = {case.get("name"): [(child.tag, child.get("message")) for child in case[1:]] for case in cases}
    assert told == {
        "x unchanged": [],
        "x improved": [],
        "x regressed": [("failure", "max_cycles 105: over by 5")],
        "x new": [("failure", "it has no baseline")],
        "x faulted": [("error", "fault: load of 1 byte at 0x1, where nothing is\n(a line more)")],
        "x missed": [("failure", "expect: returned 1, expected 2")],
    }
    properties = {p.get("name"): p.get("value") for p in cases[2].iter("property")}
    assert (properties["cycles"], properties["baseline_cycles"], properties["stack"]) == ("110", "100", "8")
    failure = cases[2].find("failure")
    assert failure is not None
    assert "f<int>" in (failure.text or "")


# github-action-benchmark


def test_github() -> None:
    found = json.loads(FORMATS["github"](result_of(["x"])))
    assert [entry for entry in found if entry["name"].startswith("x regressed")] == [
        {"name": f"x regressed: {name}", "unit": unit, "value": value, "extra": "f on rp2040"}
        for name, unit, value in (
            *(("cycles", "cycles", 110), ("stack", "bytes", 8)),
            *(("sram", "bytes", 64), ("code", "bytes", 32)),
        )
    ]
    assert len(found) == 4 * 5  # a fault has no figures
    assert len({entry["name"] for entry in found}) == len(found)


# Workflow commands


def test_annotations() -> None:
    lines = FORMATS["annotations"](RESULT).split("\n")[:-1]
    assert all(re.match(r"::(error|warning|notice) \S", line) for line in lines)
    found = [(line.split()[0][2:], *line.partition(" ")[2].split("::", 1)) for line in lines]
    errors = [(properties, message) for level, properties, message in found if level == "error"]
    bad = [(i, verdict) for i, verdict in enumerate(RESULT.verdicts) if verdict.status in ("regressed", "failed")]
    assert len(errors) == len(bad) == 3 * len(NASTY)
    for (properties, message), (i, verdict) in zip(errors, bad, strict=True):
        parts = dict(part.split("=", 1) for part in properties.split(","))
        assert (parts["file"], parts["line"]) == ("m0sim.toml", str(10 + i))
        assert unquote(parts["title"]) == verdict.name
        assert unquote(message).startswith(text.title(verdict))
    assert [level for level, *_ in found].count("warning") == len(NASTY)
    assert found[-1][0] == "notice"
