"""What `m0sim compare` shows of given results: text, JSON, Markdown, plots, HTML."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from functools import cache
from html.parser import HTMLParser

import pytest
from rich.console import Console

from m0sim.chip.energy import EnergyUse
from m0sim.study.learn.comparison import KINDS, PHASES, RECONSTRUCTION, Comparison, MethodResult
from m0sim.study.report import compare_data, compare_html, compare_plots, compare_text, drawing

NAMES = ("niti-dynamic", "niti-static", "priot", "priot-threshold", "priot-s", "tin-tin", "fp32")
RECONSTRUCTIONS = {"priot", "priot-threshold", "priot-s", "tin-tin"}
PNG = b"\x89PNG\r\n\x1a\n"


def result(method: str, mean: float = 2_345_678.4, total: int = 70_000, **changes: object) -> MethodResult:
    """A method with phases and kinds in fixed proportions of its `mean` cycles and its `total` bytes of SRAM."""
    shares = dict(zip(PHASES, (0.38, 0.002, 0.2, 0.35, 0.068), strict=True))
    weights = (0.5, 0.2, 0.05, 0.1, 0.05, 0.06, 0.02, 0.02)
    sram = {kind: int(total * share) for kind, share in zip(KINDS, weights, strict=True)} | {"total": total}
    made = MethodResult(
        method=method,
        cycles_mean=mean,
        cycles_min=int(0.94 * mean),
        cycles_max=int(1.05 * mean),
        phases={phase: mean * share for phase, share in shares.items()},
        sram=sram,
        sram_planned={**sram, "stack": sram["stack"] + 16, "total": total + 16},
        flash_bytes=61_440,
        flash_estimate_cycles=0.21 * mean,
        flash_misses_words=0.0035 * mean,
        fits=True,
        seconds=mean / 125e6,
        energy=None,
        ratio=mean / 2_345_678.4,
        ratio_with_flash=1.04 * mean / 2_345_678.4,
        options={},
        note="",
    )
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def comparison(*methods: MethodResult, **changes: object) -> Comparison:
    made = Comparison(
        network="tiny-cnn",
        data="mnist",
        profile="rp2040",
        clock_hz=125_000_000,
        sram_bytes=270_336,
        flash_bytes=2_097_152,
        steps=20,
        base="niti-static",
        methods=methods or ALL,
        seed=0,
    )
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


ALL = (
    result("niti-dynamic", 2_801_234, 95_000),
    result("niti-static"),
    result("priot", 2_901_234, 130_000, options={"mask": "copy", "weights": "flash"}),
    result("priot-threshold", 2_601_234, 76_000, options={"mask": "fused", "weights": "flash"}),
    result("priot-s", 1_701_234, 41_000, options={"mask": "bits", "weights": "flash"}),
    result("tin-tin", 3_101_234, 150_000, energy=EnergyUse(0.00123, 0.0009, 0.0014, "a bench", "its limits")),
    result("fp32", 45_678_901, 412_000, fits=False, note="float in C: zig cc 0.17 -O3, compiler-rt soft-float"),
)


def shown(report: object, width: int) -> list[str]:
    text = io.StringIO()
    Console(file=text, width=width, color_system=None).print(report)
    return [line.rstrip() for line in text.getvalue().splitlines()]


class TestJson:
    def test_it_has_the_fixed_names_and_survives_json(self) -> None:
        got = json.loads(json.dumps(compare_data.to_json(comparison()), allow_nan=False))
        assert isinstance(got["schema"], int)
        assert {"network", "data", "profile", "steps", "base", "methods"} <= got.keys()
        assert [m["method"] for m in got["methods"]] == list(NAMES)
        for m in got["methods"]:
            assert set(m["cycles"]) == {"mean", "min", "max"}
            assert set(m["phases"]) == {"forward", "loss", "backward", "update", "prune"}
            assert set(m["sram"]) == {*KINDS, "total"} == set(m["sram_planned_by_kind"])
            assert isinstance(m["sram_planned"], int)
            assert isinstance(m["fits"], bool)
            assert {"flash_bytes", "flash_estimate_cycles", "flash_misses_words", "ratio"} <= m.keys()

    def test_it_repeats_the_results(self) -> None:
        got = compare_data.to_json(comparison())["methods"][1]
        assert got["cycles"] == {"mean": 2_345_678.4, "min": ALL[1].cycles_min, "max": ALL[1].cycles_max}
        assert got["sram"]["total"] == 70_000
        assert got["sram_planned"] == got["sram_planned_by_kind"]["total"] == 70_016
        assert {key: got[key] for key in got if key.startswith("energy")} == dict.fromkeys(
            ("energy_joules", "energy_joules_low", "energy_joules_high", "energy_source", "energy_bounds_source")
        )
        known = next(m for m in compare_data.to_json(comparison())["methods"] if m["method"] == "tin-tin")
        assert (known["energy_joules"], known["energy_joules_low"], known["energy_joules_high"]) == (
            0.00123,
            0.0009,
            0.0014,
        )
        assert (known["energy_source"], known["energy_bounds_source"]) == ("a bench", "its limits")

    def test_kinds_and_phases_that_a_method_lacks_are_zero_and_other_kinds_stay(self) -> None:
        bare = result(
            "niti-static", phases={"forward": 1.0}, sram={"total": 5, "constants": 5}, sram_planned={"total": 5}
        )
        got = compare_data.to_json(comparison(bare))["methods"][0]
        assert got["phases"]["prune"] == 0
        assert got["sram"]["scores"] == 0
        assert got["sram"]["constants"] == 5
        assert got["sram_planned_by_kind"]["constants"] == 0


@cache
def page() -> str:
    """Drawn once: a page takes a second."""
    return compare_html.page(comparison())


@cache
def pictures() -> dict[str, bytes]:
    return compare_plots.files(comparison())


class TestReconstruction:
    def test_every_form_says_it_of_the_methods_it_is_true_of(self) -> None:
        notes = dict(compare_data.notes(comparison()))
        assert {name for name, text in notes.items() if RECONSTRUCTION in text} == RECONSTRUCTIONS
        assert {m["method"] for m in compare_data.to_json(comparison())["methods"] if RECONSTRUCTION in m["note"]} == (
            RECONSTRUCTIONS
        )
        for text in (
            "\n".join(shown(compare_text.compare(comparison()), 200)),
            compare_data.markdown(comparison()),
            page(),
        ):
            assert text.count(RECONSTRUCTION) >= len(RECONSTRUCTIONS)

    def test_a_note_that_says_it_is_not_said_twice(self) -> None:
        noted = result("priot", note="our reconstruction of the abstract")
        assert noted.remark == "our reconstruction of the abstract"


class TestText:
    def test_one_row_a_method_with_its_figures(self) -> None:
        lines = shown(compare_text.compare(comparison()), 1000)
        first = next(line for line in lines if line.startswith("niti-static "))
        figures = ["2,345,678", "2,204,937", "2,462,962", "18.765", "unknown", "yes", "1.00", "891,358"]
        assert [f for f in figures if f in first.split()] == figures
        assert any(line.startswith("fp32") and " no " in line for line in lines)
        assert "1.23 mJ" in next(line for line in lines if line.startswith("tin-tin "))

    def test_planned_stands_below_measured(self) -> None:
        lines = shown(compare_text.compare(comparison()), 1000)
        at = next(i for i, line in enumerate(lines) if line.startswith("niti-static") and "68.36" in line)
        assert lines[at].split()[-1] == "60.00"
        assert lines[at + 1].split()[0] == "planned"
        assert lines[at + 1].split()[-1] == "68.38"

    def test_the_flash_estimate_is_called_one_and_has_both_ratios(self) -> None:
        lines = shown(compare_text.compare(comparison()), 1000)
        at = next(i for i, line in enumerate(lines) if line.startswith("estimate"))
        assert lines[at + 1].count("(est.)") == 3
        assert lines[at + 3].split()[1:] == ["2,345,678", "8,210", "492,592", "2,838,271", "1.00", "1.04"]

    def test_without_an_estimate_there_is_no_table_of_it(self) -> None:
        m = result("niti-static", flash_estimate_cycles=None, flash_misses_words=None, ratio_with_flash=None)
        text = "\n".join(shown(compare_text.compare(comparison(m)), 200))
        assert "estimate" not in text

    @pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
    def test_nothing_is_cut_on_any_terminal(self, width: int) -> None:
        lines = shown(compare_text.compare(comparison()), width)
        assert max(map(len, lines)) <= width
        wide = set(re.findall(r"[\d,.]+\d", "\n".join(shown(compare_text.compare(comparison()), 1000))))
        assert wide <= set(re.findall(r"[\d,.]+\d", "\n".join(lines)))
        assert "…" not in "\n".join(lines)

    def test_a_method_that_does_not_fit_says_where_it_ran(self) -> None:
        notes = dict(compare_data.notes(comparison()))
        assert "enlarged copy" in notes["fp32"]
        assert "compiler-rt" in notes["fp32"]
        assert "niti-static" not in notes


class TestMarkdown:
    def test_every_row_of_a_table_has_the_columns_of_its_heading(self) -> None:
        text = compare_data.markdown(comparison())
        tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
        assert len(tables) == 3
        for table in tables:
            assert len({line.count("|") for line in table}) == 1

    def test_marks_in_names_are_escaped(self) -> None:
        text = compare_data.markdown(comparison(result("niti-static", note="a|b <i>"), network="a*b*"))
        assert r"a\*b\*" in text
        assert r"a\|b \<i\>" in text

    def test_the_pictures_it_shows_are_among_the_files(self) -> None:
        shown_files = re.findall(r"!\[.*?\]\((.*?)\)", compare_data.markdown(comparison()))
        assert shown_files == ["cycles.png", "sram.png"]
        assert set(shown_files) <= pictures().keys()


class TestPlots:
    def test_files_are_pictures_and_the_same_each_time(self) -> None:
        files = pictures()
        assert set(files) == {"cycles.png", "cycles.svg", "sram.png", "sram.svg"}
        assert files == compare_plots.files(comparison())
        for name, content in files.items():
            if name.endswith("png"):
                assert content.startswith(PNG)
            else:
                assert ElementTree.fromstring(content).tag.endswith("svg")
                assert b"<dc:date>" not in content

    @pytest.mark.parametrize("draw", [compare_plots.cycles, compare_plots.sram])
    @pytest.mark.parametrize(
        "methods",
        [
            (result("niti-static", 1, 1),),
            (result("priot", 0, 0, phases={}, sram={"total": 0}),),
            (result("fp32", 3e11, 4_000_000_000),),
            tuple(result(f"m{i}", 10.0 ** (i + 1), 10 ** (i + 1)) for i in range(9)),
            (result("niti-static", sram={"total": 8, "packing": 4, "constants": 4}),),
        ],
    )
    def test_any_results_can_be_drawn(self, draw: object, methods: tuple[MethodResult, ...]) -> None:
        assert callable(draw)
        for width in (drawing.WIDE, drawing.NARROW):
            assert draw(comparison(*methods), "png", width).startswith(PNG)

    def test_colours_of_parts_differ(self) -> None:
        for colours in (drawing.PHASE_COLOURS, drawing.KIND_COLOURS):
            assert len(set(colours.values())) == len(colours)
        assert set(drawing.PHASE_COLOURS) == set(PHASES)
        assert set(drawing.KIND_COLOURS) == set(KINDS)


class _Page(HTMLParser):
    """Collects the ids, the references and the elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.references: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name in ("href", "src", "xlink:href"):
                self.references.append(value or "")


class TestHtml:
    def test_it_needs_nothing_from_elsewhere(self) -> None:
        text = page()
        parsed = _Page(text)
        assert "://" not in text
        assert "@import" not in text
        assert not {"script", "link", "img", "iframe"} & set(parsed.tags)
        assert all(reference.startswith("#") for reference in parsed.references)

    def test_references_inside_the_plots_reach_their_own_names(self) -> None:
        text = page()
        parsed = _Page(text)
        assert len(parsed.ids) == len(set(parsed.ids))
        assert {r[1:] for r in parsed.references} | set(re.findall(r"url\(#(.*?)\)", text)) <= set(parsed.ids)

    def test_it_has_every_figure_of_the_tables(self) -> None:
        text = page()
        for sheet in compare_data.sheets(comparison()):
            for row in sheet.rows:
                assert all(f">{cell.strip()}<" in text for cell in row)

    def test_names_are_escaped(self) -> None:
        text = compare_html.page(comparison(result("<b>x", note="<script>"), network="<i>"))
        assert "<b>x" not in text
        assert "<script>" not in text
        assert "<i>" not in text

    def test_it_is_the_same_each_time(self) -> None:
        assert compare_html.page(comparison()) == page()
