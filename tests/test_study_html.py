"""The pages of the study's verbs: the figures on them are those of the JSON, and nothing in a name is markup."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache, partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from browser import Browser, find
from test_experiment import LEARNING, trained

from m0sim import __version__
from m0sim.cli import app
from m0sim.study.learn.experiment.training import RunProgress, Training
from m0sim.study.learn.network_files import Found
from m0sim.study.report import bars, drawing, pages, study_html, train_data, train_html
from m0sim.study.report.bars import BarChart, MethodBar

DIGITS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "docs" / "study" / "digits.json").read_text())
HOSTILE = '</title><script>alert("&\x1b[31m")</script>$\\frac$'

SHOWN = HOSTILE.replace("\x1b", "\\x1b")


class Page(HTMLParser):
    """Tables as rows of cells under their section's heading, the facts, tips, ids and whatever refers to something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.tables: dict[str, list[list[str]]] = {}
        self.tips: list[str] = []
        self.ids: list[str] = []
        self.references = re.findall(r"url\(#(.*?)\)", text)
        self.tags: set[str] = set()
        self.facts: dict[str, str] = {}
        self._open: list[str] = []
        self._said = self._heading = self._term = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._said = ""
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name in ("href", "src", "xlink:href"):
                assert value is not None
                assert value.startswith("#")
                self.references.append(value[1:])
        if tag == "table":
            self.tables[self._heading] = []
        elif tag == "tr":
            self.tables[self._heading].append([])

    def handle_data(self, data: str) -> None:
        self._said += data

    def handle_endtag(self, tag: str) -> None:
        match tag:
            case "h2":
                self._heading = self._said
            case "th" | "td":
                self.tables[self._heading][-1].append(self._said)
            case "title":
                self.tips.append(self._said)
            case "dt":
                self._term = self._said
            case "dd":
                self.facts[self._term] = self._said

    def row(self, heading: str, name: str) -> dict[str, str]:
        columns, *rows = self.tables[heading]
        (found,) = (row for row in rows if row[0] == name)
        return dict(zip(columns, found, strict=True))


def is_whole(page: Page) -> None:
    """One file: nothing from elsewhere, no script, and what it refers to is in it, once."""
    assert "://" not in page.text
    assert not page.tags & {"script", "link", "img", "iframe", "object"}
    assert len(page.ids) == len(set(page.ids))
    assert set(page.references) <= set(page.ids)


def test_names_of_plots_are_no_markup() -> None:
    chart = BarChart("t", "r", "u", [MethodBar("m", {"a": 1.0}, "1", {"a": "tip"})], {"a": drawing.BLUE})
    plots: dict[str, tuple[str, drawing.Plot]] = {
        HOSTILE: (HOSTILE, partial(bars.draw, chart)),
        "two": ("b", partial(bars.draw, chart)),
    }
    page = Page(pages.page(HOSTILE, [HOSTILE], pages.pictured(plots), [(HOSTILE, HOSTILE)], {HOSTILE: [HOSTILE, 1.5]}))
    is_whole(page)
    assert "\x1b" not in page.text
    assert page.facts[SHOWN] == f"{SHOWN}, 1.5"


@cache
def digits() -> Page:
    return Page(study_html.page(DIGITS))


def many(count: int) -> dict[str, Any]:
    """So many methods made of the first of the small study."""
    first = [f for f in DIGITS["finals"] if f["label"] == DIGITS["finals"][0]["label"] and f["is_tuned"]]
    finals = [{**f, "label": f"method {n}"} for n in range(count) for f in first]
    return {**DIGITS, "finals": finals, "gaps": []}


@cache
def single() -> Page:
    """One method, and names that somebody chose to do harm."""
    finals = [{**f, "label": HOSTILE} for f in many(1)["finals"]]
    tuning = [{**t, "label": HOSTILE} for t in DIGITS["tuning"]]
    named = {"network": HOSTILE, "note": HOSTILE, "finals": finals, "tuning": tuning}
    return Page(study_html.page({**many(1), **named}))


class TestStudy:
    def test_it_is_one_file(self) -> None:
        is_whole(digits())

    @pytest.mark.long
    def test_it_is_the_same_each_time(self) -> None:
        assert study_html.page(DIGITS) == digits().text

    def test_its_figures_are_those_of_the_json(self) -> None:
        """Computed from the accuracy of every seed."""
        for final in DIGITS["finals"]:
            name = final["label"] + "*" * final["is_reconstruction"] + ("" if final["is_tuned"] else ", untuned")
            row = digits().row(f"test accuracy: digits turned by {final['angle']:g} degrees", name)
            last = [100 * epochs[-1] for epochs in final["accuracy"]]
            assert row["last epoch, %"] == f"{sum(last) / len(last):.2f} ({min(last):.2f} to {max(last):.2f})"
            assert row["SRAM"].replace(",", "").split()[0] == str(final["sram_bytes"])
            assert row["shift"] == str(final["shift"])

    def test_the_mouse_finds_every_epoch_in_both_forms(self) -> None:
        for final in (f for f in DIGITS["finals"] if f["is_tuned"]):
            epochs = list(zip(*final["accuracy_validation"], strict=True))
            for number, values in enumerate(epochs, 1):
                said = [
                    t for t in digits().tips if f"{final['label']}" in t and f"epoch {number} of {len(epochs)}" in t
                ]
                mean = 100 * sum(values) / len(values)
                assert sum(f"validation {mean:.2f} % ({100 * min(values):.2f}" in t for t in said) >= 2

    def test_it_says_what_decided(self) -> None:
        said = single().facts
        assert (said["network"], said["data"], said["note"]) == (SHOWN, "digits", SHOWN)
        assert said["seeds"] == ", ".join(map(str, DIGITS["seeds"]))
        assert said["clock"] == "125 MHz"
        assert said["m0sim"] == __version__

    def test_one_method(self) -> None:
        is_whole(single())
        assert len(single().tables["all tasks side by side"]) == 2

    @pytest.mark.long
    def test_more_methods_than_are_drawn(self) -> None:
        page = Page(study_html.page(many(11)))
        is_whole(page)
        drawn = {m for tip in page.tips for m in re.findall(r"(method \d+)\S*, epoch", tip)}
        assert drawn == {f"method {n}" for n in range(8)}
        assert len(page.tables["all tasks side by side"]) == 12

    def test_names_are_no_markup(self) -> None:
        assert "\x1b" not in single().text
        assert any(tip.startswith(f"{SHOWN}, epoch 1 of") for tip in single().tips)

    def test_a_study_that_only_tunes(self) -> None:
        page = Page(study_html.page({**DIGITS, "finals": [], "gaps": [], "robustness": None}))
        is_whole(page)
        assert "svg" not in page.tags
        assert set(page.tables) == {f"tuning at {angle:g} degrees" for angle in DIGITS["angles"]}


_REACHED = """(() => {
  const tips = [...document.querySelectorAll(".%s .tip")];
  return tips.map((tip) => tip.querySelector("use") ?? tip.querySelector("path")).map((mark) => {
    scrollTo(0, mark.getBoundingClientRect().top + scrollY - 300);
    const box = mark.getBoundingClientRect();
    return Boolean(document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2)?.closest(".tip"));
  });
})()"""


@pytest.mark.long
@pytest.mark.skipif(find() is None, reason="needs Chromium")
def test_in_a_browser_the_mouse_reaches_every_tip(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(digits().text)
    with Browser() as browser:
        for width, form in ((1400, "wide"), (400, "narrow")):
            page = browser.open(file, width=width)
            assert page.run("document.documentElement.scrollWidth") == width, "only tables scroll to the side"
            reached = page.run(_REACHED % form)
            assert len(reached) > 20
            assert all(reached)
            assert page.problems == []


@cache
def finished() -> Training:
    return trained(LEARNING["priot"], engine="golden", measured=2)


class TestTrain:
    def test_its_figures_are_those_of_the_json(self) -> None:
        page, found = Page(train_html.page(finished())), train_data.to_json(finished())
        is_whole(page)
        columns, before, *rows = page.tables["accuracy by epoch"]
        assert before[columns.index("test")] == f"{100 * found['accuracy_before']:.2f} %"
        for number, row in enumerate(rows):
            cells = dict(zip(columns, row, strict=True))
            assert cells["validation"] == f"{100 * found['accuracy_validation'][number]:.2f} %"
            assert cells["cycles"].replace(",", "") == str(found["cycles_by_epoch"][number])
            if found["accuracy"][number] is not None:
                assert cells["test"] == f"{100 * found['accuracy'][number]:.2f} %"
            tip = f"epoch {number + 1}, {cells['cycles']} cycles: {cells['validation']}, "
            assert sum(t.startswith(tip) for t in page.tips) >= 2
        assert len(rows) == len(found["accuracy"])
        for name in ("network", "data", "seed", "shift", "method", "engine"):
            assert page.facts[name] == str(found[name])
        assert page.facts["m0sim"] == __version__
        assert "our reconstruction" in page.text

    def test_a_run_without_an_epoch_says_so(self) -> None:
        page = train_html.page(replace(finished(), progress=RunProgress(finished().progress.arrays)))
        assert "Stopped after 0 of" in page

    def test_names_are_no_markup(self) -> None:
        task = finished().task
        found = replace(task.found, network=replace(task.found.network, name=HOSTILE))
        assert isinstance(found, Found)
        named = replace(task)
        named.__dict__["found"] = found
        page = Page(train_html.page(replace(finished(), task=named)))
        is_whole(page)
        assert "\x1b" not in page.text

    def test_a_folder_that_is_not_there_is_said_before_the_work(self, tmp_path: Path) -> None:
        from click.testing import CliRunner

        from m0sim.errors import UsageError

        done = CliRunner().invoke(app, ["train", "--html", str(tmp_path / "none" / "page.html")])
        assert isinstance(done.exception, UsageError)
        assert "there is no folder" in str(done.exception)

    def test_the_command_writes_it(self, tmp_path: Path) -> None:
        from click.testing import CliRunner

        file = tmp_path / "page.html"
        words = ["train", "--method", "niti-static", "--engine", "golden", "--images", "8", "--epochs", "1"]
        done = CliRunner().invoke(app, [*words, "--test-images", "64", "--html", str(file), "--json"])
        found = json.loads(done.stdout)
        page = Page(file.read_text())
        assert page.tables["accuracy by epoch"][-1][1] == f"{100 * found['accuracy_validation'][0]:.2f} %"
