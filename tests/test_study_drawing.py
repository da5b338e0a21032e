"""How the study's plots are drawn: what dwarfs the others is cut off, names keep clear of each other, tips exact."""

from __future__ import annotations

import random
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text

from m0sim.study.report import bars, drawing, front_plot
from m0sim.study.report.bars import BarChart, MethodBar
from m0sim.study.report.front_plot import PlottedPoint

TITLE = "{http://www.w3.org/2000/svg}title"


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are drawn, instead of their bytes."""
    found: list[Figure] = []

    def keep(figure: Figure, kind: str) -> bytes:
        figure.draw_without_rendering()
        found.append(figure)
        return b""

    monkeypatch.setattr(bars, "to_bytes", keep)
    monkeypatch.setattr(front_plot, "to_bytes", keep)
    return found


class TestScale:
    def test_one_that_dwarfs_the_others_is_off_the_scale(self) -> None:
        assert drawing.scale_end([3, 1, 50, 2]) == 3
        assert drawing.scale_end([3, 1, 9, 2]) == 9
        assert drawing.scale_end([1, 100]) == 100
        assert drawing.scale_end([0, 0, 7]) == 7
        assert drawing.scale_end([0]) == 0

    @given(st.lists(st.integers(0, 10**9), min_size=1, max_size=12))
    def test_at_least_two_and_half_are_to_scale(self, sizes: list[int]) -> None:
        end = drawing.scale_end(sizes)
        inside = [size for size in sizes if size <= end]
        assert end in sizes
        assert len(inside) >= max(min(2, len(sizes)), len(sizes) / 2)
        assert all(size > 3 * end for size in sizes if size > end)


def bar(name: str, length: float) -> MethodBar:
    return MethodBar(
        name, {"a": 0.75 * length, "b": 0.25 * length}, f"{length:g}", {"a": f"{name} a", "b": f"{name} b"}
    )


def chart(*lengths: float, lines: tuple[tuple[float, str], ...] = ()) -> BarChart:
    shown = [bar(f"m{i}", length) for i, length in enumerate(lengths)]
    return BarChart("title", "remark", "unit", shown, {"a": drawing.BLUE, "b": drawing.RED}, lines)


class TestBars:
    @pytest.mark.parametrize("width", [drawing.WIDE, drawing.NARROW])
    def test_a_bar_off_the_scale_is_cut_and_says_so(self, drawn: list[Figure], width: float) -> None:
        bars.draw(chart(1, 2, 49.7), "svg", width)
        (axes,) = drawn[0].axes
        ends = [0.0] * 3
        for patch in axes.patches:
            row = round(patch.get_y() + patch.get_height() / 2)
            ends[row] = max(ends[row], patch.get_x() + patch.get_width())
        assert ends == pytest.approx([1, 2, 2.1])
        assert axes.get_xlim()[1] < 3
        assert "49.7 \N{RIGHTWARDS ARROW}" in [text.get_text() for text in axes.texts]
        assert "off the scale" in drawn[0].texts[1].get_text()

    def test_nothing_is_cut_where_all_can_be_read(self, drawn: list[Figure]) -> None:
        bars.draw(chart(1, 2, 5))
        assert "off the scale" not in drawn[0].texts[1].get_text()
        assert max(patch.get_x() + patch.get_width() for patch in drawn[0].axes[0].patches) == pytest.approx(5)

    @pytest.mark.parametrize("width", [drawing.WIDE, drawing.NARROW])
    def test_names_of_lines_do_not_collide(self, drawn: list[Figure], width: float) -> None:
        lines = tuple((float(at), f"{at} KiB") for at in (64, 65, 66, 68, 70, 1000))
        bars.draw(chart(60, 80, lines=lines), "svg", width)
        names = [text for text in drawn[0].axes[0].texts if text.get_text().endswith(" KiB")]
        assert len(names) == 5
        assert not overlaps(drawn[0], names)
        assert "beyond the scale: 1000 KiB" in drawn[0].texts[1].get_text()

    def test_tips_are_those_of_the_parts(self) -> None:
        root = ElementTree.fromstring(bars.draw(chart(1, 0, 3)))
        assert [title.text for title in root.iter(TITLE)] == ["m0 a", "m0 b", "m2 a", "m2 b"]


def overlaps(figure: Figure, texts: list[Any]) -> list[tuple[str, str]]:
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [(text.get_text(), Text.get_window_extent(text, renderer)) for text in texts]
    return [(a, b) for i, (a, one) in enumerate(boxes) for b, other in boxes[:i] if one.overlaps(other)]


def points(seed: int, count: int = 14, kinds: int = 12) -> list[PlottedPoint]:
    """A front of so many points that lie close together, and as many that it beats."""
    chosen = random.Random(seed)
    found = []
    for i in range(count):
        sram, cycles = int(8192 * 1.12**i), 1e6 * (1 - 0.02 * i) + chosen.randrange(9000)
        method = f"method-{i % kinds}"
        found.append(PlottedPoint(method, f"{i % 4 + 1}/4, {chosen.randrange(1, 99)} %", sram, cycles, 1))
        found.append(PlottedPoint(method, "beaten", 2 * sram, 1.5 * cycles, 1))
    return found


class TestFront:
    @pytest.mark.parametrize("width", [drawing.WIDE, drawing.NARROW])
    def test_names_do_not_collide_and_stay_inside(self, drawn: list[Figure], width: float) -> None:
        for seed in range(3):
            front_plot.draw(points(seed), "title", "svg", width)
        for figure in drawn:
            names = [text for text in figure.axes[0].texts if isinstance(text, Annotation)]
            assert len(names) == 14
            assert not overlaps(figure, names)
            renderer = FigureCanvasAgg(figure).get_renderer()
            for name in names:
                box, paper = Text.get_window_extent(name, renderer), figure.bbox
                assert paper.x0 <= box.x0
                assert box.x1 <= paper.x1

    def test_at_most_eight_methods_have_a_look(self) -> None:
        found = points(0)
        looks = front_plot.looks_of(found, front_plot.front(found))
        assert len(looks) == len(set(looks.values())) == drawing.MOST

    def test_those_of_the_front_are_named_first(self) -> None:
        beaten = [
            PlottedPoint(name, "", 9000 + i, 9e6, 1) for i, name in enumerate(("a", "b", "c", "d", "e", "f", "g"))
        ]
        best = [PlottedPoint(name, "", 5000 - i, 1e6 + i, 1) for i, name in enumerate(("x", "y"))]
        looks = front_plot.looks_of(beaten + best, front_plot.front(beaten + best))
        assert {"x", "y"} <= looks.keys()
        assert len(looks) == 8

    def test_what_dwarfs_the_others_is_at_the_edge_with_its_figure(self, drawn: list[Figure]) -> None:
        near = [PlottedPoint("niti-static", "4/4", 60_000 + i, 6e5 + 1000 * i, 4) for i in range(3)]
        front_plot.draw([*near, PlottedPoint("fp32", "4/4", 250_000, 32_703_736, 4)], "title")
        (axes,) = drawn[0].axes
        assert axes.get_ylim()[1] < 1
        assert "fp32: 32.7 million \N{UPWARDS ARROW}" in [text.get_text() for text in axes.texts]

    def test_the_order_of_the_points_changes_nothing(self) -> None:
        found = points(1)
        assert front_plot.draw(found, "title") == front_plot.draw(found[::-1], "title")

    @pytest.mark.parametrize("name", ["plain", 'a"b', "a'b", "a\"b'<&>\x1b$x$", "two  spaces"])
    def test_tips_say_any_name(self, name: str) -> None:
        root = ElementTree.fromstring(front_plot.draw([PlottedPoint(name, "1", 1024, 1e6, 1)], name))
        (tip,) = (title.text for title in root.iter(TITLE))
        assert tip == f"{name}, 1: 1.00 KiB (1,024 bytes), 1,000,000 cycles a step".replace("\x1b", "\\x1b")

    def test_tips_have_the_exact_figures(self) -> None:
        root = ElementTree.fromstring(front_plot.draw([PlottedPoint("priot", "4/4", 69_272, 848_659.0, 4)], "<$>"))
        tips = [title.text for title in root.iter(TITLE)]
        assert tips == ["priot, 4/4: 67.6 KiB (69,272 bytes), 848,659 cycles a step"]
