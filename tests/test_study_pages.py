"""The pages of the study: what they draw, and that every figure in their tables follows from the results."""

from __future__ import annotations

import json
import random
import re
import tomllib
from pathlib import Path
from typing import Any

import json_schemas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m0sim.study.learn.experiment import recommended
from m0sim.study.report import study_data, study_front, study_lines, study_plots, study_summary

DOCS = Path(__file__).parents[1] / "docs"
RESULTS = sorted((DOCS / "study").glob("*/study.json"))
"""Folders that `m0sim study -o` wrote."""
NAMES = [path.parent.name for path in RESULTS]

DIGITS: dict[str, Any] = json.loads((DOCS / "study" / "digits.json").read_text())


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=9))
def test_the_front_is_what_no_other_beats(points: list[tuple[int, int]]) -> None:
    def is_beaten(point: tuple[int, int]) -> bool:
        others = (other for other in points if other != point)
        return any(other[0] <= point[0] and other[1] >= point[1] for other in others)

    assert study_front.front(points) == sorted({point for point in points if not is_beaten(point)})


class TestPlots:
    @pytest.fixture
    def many(self) -> dict[str, Any]:
        """Eleven methods made of the small case's first."""
        first = [f for f in DIGITS["finals"] if f["label"] == DIGITS["finals"][0]["label"] and f["is_tuned"]]
        return {**DIGITS, "finals": [{**f, "label": f"method {n}"} for n in range(11) for f in first]}

    def test_the_first_eight_have_a_look_of_their_own(self, many: dict[str, Any]) -> None:
        shown = study_lines.shown(many)
        assert shown == [f"method {n}" for n in range(8)]
        assert len({study_lines.look(many, label) for label in shown}) == 8
        assert "the first 8 of 11 methods" in study_lines.left_out(many)
        assert study_lines.left_out(DIGITS) == ""

    def test_curves_leave_the_others_out(self, many: dict[str, Any]) -> None:
        files = study_plots.files(many)
        fewer = {**many, "finals": [f for f in many["finals"] if f["label"] in study_lines.shown(many)]}
        assert files.keys() == study_plots.files(fewer).keys()
        assert all(content.startswith((b"\x89PNG", b"<?xml")) for content in files.values())

    def test_the_front_is_drawn_alike_and_with_everything(self, many: dict[str, Any]) -> None:
        drawn = study_front.files(many)
        assert set(drawn) == {"front.png", "front.svg"}
        assert drawn == study_front.files(many)
        fewer = {**many, "finals": [f for f in many["finals"] if f["label"] in study_lines.shown(many)]}
        assert drawn != study_front.files(fewer)
        assert study_front.files({**many, "finals": []}) == {}

    def test_what_does_not_fit_or_has_no_energy(self, many: dict[str, Any]) -> None:
        bare = [{**f, "fits": False, "energy_joules": None} for f in many["finals"]]
        assert study_front.draw({**many, "finals": bare}).startswith(b"<?xml")
        assert study_summary.sheet({**many, "finals": bare}).rows[0][-1] == "unknown"


def test_sram_is_that_of_the_task_that_needs_most() -> None:
    label = DIGITS["finals"][0]["label"]
    last = max(i for i, f in enumerate(DIGITS["finals"]) if f["label"] == label and f["is_tuned"])
    finals = [{**f, "sram_bytes": 1 << 20, "fits": False} if i == last else f for i, f in enumerate(DIGITS["finals"])]
    assert study_summary.sheet(DIGITS).rows[0][-4] != "1024.0 (does not fit)"
    assert study_summary.sheet({**DIGITS, "finals": finals}).rows[0][-4] == "1024.0 (does not fit)"


def test_the_recommended_recipe_is_marked() -> None:
    method, tuned = recommended.RECIPES["tiny-cnn"]
    final = {"method": method, "options": dict(tuned.options)}
    assert study_front.is_recommended({"network": "tiny-cnn"}, final)
    assert not study_front.is_recommended({"network": "tiny-cnn"}, {**final, "options": {}})
    assert not study_front.is_recommended({"network": "another"}, final)


class TestCommitted:
    @pytest.mark.parametrize("path", RESULTS, ids=NAMES)
    def test_the_page_is_what_the_command_writes(self, path: Path) -> None:
        found = json.loads(path.read_text())
        json_schemas.require(found, "study")
        text = study_data.markdown(found)
        assert (path.parent / "study.md").read_text() == text
        for picture in re.findall(r"\]\((\S+\.png)\)", text):
            assert (path.parent / picture).read_bytes().startswith(b"\x89PNG")

    def test_ten_figures_at_random_come_out_again(self) -> None:
        """Drawn anew each time from the tables of study.md, computed from the accuracy of every seed."""
        cells = [cell for path in RESULTS for cell in summary_cells(path)]
        assert len(cells) > 100
        for path, label, column, text in random.sample(cells, 10):
            assert is_right(json.loads(path.read_text()), label, column, text), (path, label, column, text)


def summary_cells(path: Path) -> list[tuple[Path, str, str, str]]:
    """(file, method, column, text) of the tables of all tasks: of its own page, and of the section of docs/study.md."""
    found = json.loads(path.read_text())
    if not found["finals"]:
        return []
    made = f"-o docs/study/{path.parent.name}\n"
    sections = [part for part in (DOCS / "study.md").read_text().split("\n## ") if made in part]
    page = "\n".join([*sections, (path.parent / "study.md").read_text()])
    cells: list[tuple[Path, str, str, str]] = []
    columns: list[str] = []
    for line in page.splitlines():
        name, *values = [cell.strip() for cell in line.split("|")[1:-1]] or [""]
        if name == "method":  # of another table, unless it says what was regained
            columns = values if any("regained" in value for value in values) else []
        label = name.replace("\\", "").removeprefix("> ").removesuffix("*")
        if label in study_lines.tuned_labels(found):
            cells += [(path, label, column, value) for column, value in zip(columns, values, strict=bool(columns))]
    return cells


def watts() -> float:
    """At 125 MHz, between the profile's points at 100 and 150."""
    points = tomllib.loads((DOCS.parent / "profiles" / "rp2040.toml").read_text())["energy"]["point"]
    near = [p["current_amperes"] * p["voltage_volts"] for p in points if p["clock_hz"] in (100e6, 150e6)]
    assert len(near) == 2
    return float(sum(near) / 2)


def is_right(found: dict[str, Any], label: str, column: str, text: str) -> bool:
    """Whether each number of a cell is the one computed from the seeds, to half of its last digit."""
    numbers = [word.replace(",", "") for word in re.findall(r"[\d.,]*\d", text)]
    wanted = recomputed(found, label, column)
    halves = [0.5 * 10.0 ** -len(number.partition(".")[2]) for number in numbers]
    return len(numbers) == len(wanted) and all(
        abs(float(number) - value) <= half * (1 + 1e-6)
        for number, value, half in zip(numbers, wanted, halves, strict=True)
    )


def recomputed(found: dict[str, Any], label: str, column: str) -> list[float]:
    """The numbers of a cell from the accuracy of every seed and the cycles; shares no code with the report."""
    finals = [f for f in found["finals"] if f["label"] == label and f["is_tuned"]]
    cycles = sum(f["cycles_by_epoch"][-1] for f in finals) / len(finals)
    plain = {
        "SRAM, KiB": finals[0]["sram_bytes"] / 1024,
        "cycles a step": cycles / (found["epochs"] * found["images"]),
        "seconds": cycles / 125e6,
        "energy": cycles / 125e6 * watts(),
    }
    if column in plain:
        return [plain[column]]
    angle, _, kind = column.partition("\N{DEGREE SIGN}: ")
    final = next(f for f in finals if f["angle"] == float(angle))
    last = [100 * epochs[-1] for epochs in final["accuracy"]]
    mean = sum(last) / len(last)
    if kind == "right, %":
        return [mean, min(last)]
    if kind == "old, %":
        return [sum(100 * epochs[-1] for epochs in final["accuracy_old"]) / len(last)]
    reference = next(f for f in found["finals"] if f["angle"] == float(angle))
    before, old = 100 * reference["accuracy_before"], 100 * reference["accuracy_old_before"]
    return [100 * (mean - before) / (old - before)]
