"""Charts: every point where it belongs, every text nothing but text."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m0sim.names import printable
from m0sim.report.chart import Chart, Line, svg

NS = "{http://www.w3.org/2000/svg}"
NUMBERS = st.one_of(st.integers(0, 10**12), st.floats(0, 1e9, allow_subnormal=False))
POINTS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=6, unique_by=lambda point: point[0])


def drawn(chart: Chart) -> ElementTree.Element:
    return ElementTree.fromstring(svg(chart))


def dots(root: ElementTree.Element) -> list[tuple[float, float]]:
    return [(float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in root.iter(f"{NS}circle")]


@given(POINTS, st.booleans())
def test_dots_are_where_the_values_are(points: list[tuple[float, float]], from_zero: bool) -> None:
    """As straight-line arithmetic has it, to the tenth that is written; inside of the picture."""
    root = drawn(Chart("t", "n", "cycles", [Line("a", sorted(points))], from_zero=from_zero))
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    places = list(zip(sorted(points), dots(root), strict=True))
    assert all(0 <= x <= width and 0 <= y <= height for _, (x, y) in places)
    for ((_, y1), (px1, py1)), ((_, y2), (px2, py2)) in pairwise(places):
        assert px1 <= px2
        assert py1 >= py2 if y2 > y1 else py1 <= py2 if y2 < y1 else py1 == py2
    if len(places) > 2:
        (x1, _), (px1, _) = places[0]
        (x3, _), (px3, _) = places[-1]
        for (x2, _), (px2, _) in places[1:-1]:
            assert px2 == pytest.approx(px1 + (px3 - px1) * (x2 - x1) / (x3 - x1), abs=0.2)


def test_the_scale_is_told() -> None:
    """The labels of the vertical axis stand at their own heights, and begin at 0 where they are to."""
    root = drawn(Chart("t", "n", "cycles", [Line("a", [(0, 0), (1, 2500), (2, 5000)])]))
    marks = [text for text in root.iter(f"{NS}text") if text.attrib.get("text-anchor") == "end"]
    labels = [(float(mark.attrib["y"]) - 4, float((mark.text or "").replace(",", ""))) for mark in marks]
    assert labels[0][1] == 0
    heights = {value: y for y, value in labels}
    assert [y for _, y in dots(root)] == pytest.approx(
        [heights[0], (heights[2000] + heights[3000]) / 2, heights[5000]], abs=0.2
    )
    near = drawn(Chart("t", "n", "cycles", [Line("a", [(0, 990), (1, 1000)])], from_zero=False))
    assert "0" not in [t.text for t in near.iter(f"{NS}text") if t.attrib.get("text-anchor") == "end"]


@pytest.mark.parametrize(
    "name", ["</svg><script>alert(1)</script>", '"><b>', "a&b", "\x00\x1b[31m\ud800", "ü漢", "x" * 300]
)
def test_hostile_texts_are_text(name: str) -> None:
    line = Line(name, [(0, 1), (1, 2)])
    root = drawn(Chart(name, name, name, [line, Line("b", [(0, 1)], is_old=True)], [(0, name), (1, "z")]))
    assert {element.tag.removeprefix(NS) for element in root.iter()} == {
        "svg",
        "style",
        "path",
        "text",
        "circle",
        "title",
    }
    assert root.attrib["aria-label"].startswith(printable(name))
    assert sum(text.text == printable(name) for text in root.iter(f"{NS}text")) >= 3


def test_labels_do_not_collide() -> None:
    labels = [(float(i), f"{i:07x}") for i in range(200)]
    root = drawn(Chart("t", "run", "cycles", [Line("a", [(i, 5) for i, _ in labels])], labels))
    shown = [
        (float(t.attrib["x"]), t.text) for t in root.iter(f"{NS}text") if re.fullmatch("0[0-9a-f]{6}", t.text or "")
    ]
    assert shown[0][1] == "0000000"
    assert shown[-1][1] == f"{199:07x}"
    assert len(shown) > 3
    assert all(right - left > 40 for (left, _), (right, _) in pairwise(shown))


def test_a_gap_is_no_line() -> None:
    root = drawn(Chart("t", "run", "cycles", [Line("a", [(0, 1), (1, 1), (3, 1), (4, 1)], gaps=frozenset({2}))]))
    (path,) = [p.attrib["d"] for p in root.iter(f"{NS}path") if "line" in p.attrib["class"]]
    assert re.sub("[0-9. ]", "", path) == "MLML"
