"""The stability exploration: its page is what its runs say, and its remedies do what their names say."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from m0sim.errors import UsageError
from m0sim.study.learn import calibrate, methods, networks
from m0sim.study.learn.experiment import images
from m0sim.study.learn.methods import Config, Method, StepTrace
from m0sim.study.learn.pretrain import bundled
from m0sim.study.learn.sources import DataSource
from m0sim.study.learn.transfer import rotation
from m0sim.study.stability import figures, page, remedies, runs

DOCS = Path(__file__).parents[1] / "docs"
NETWORK = networks.get("tiny-cnn-8")


LINES = (DOCS / "study" / figures.FILE).read_text().splitlines()
PAGE = (DOCS / "study" / page.FILE).read_text()
SECTION = (DOCS / "study" / "findings.md").read_text().partition("\n## Stability\n")[2].partition("\n## ")[0]


def first_column(text: str) -> set[str]:
    return {line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")}


class TestPage:
    def test_it_is_what_the_runs_make(self) -> None:
        assert page.page(figures.figures(LINES)) == PAGE

    def test_the_runs_are_in_order(self) -> None:
        assert figures.arranged(LINES) == LINES

    def test_cells_by_hand(self) -> None:
        """Mean and worst of epochs 6 to 10 of every run of plain PRIOT on seed 0 at 30 degrees."""
        row = next(line for line in PAGE.partition("## Sweep at 30")[2].splitlines() if line.startswith("| priot |"))
        lines = [json.loads(line) for line in LINES]
        plain = [r for r in lines if (r["remedy"], r.get("angle"), r.get("seed")) == ("priot", 30, 0)]
        assert len(plain) >= 5
        for found in plain:
            late = np.array(found["accuracy"])[5:] * 100
            assert f"| {late.mean():.1f} ({late.min():.1f}) |" in row

    def test_what_was_chosen_is_the_best_of_seed_0(self) -> None:
        data = figures.figures(LINES)
        for angle in (30, 45):
            for remedy in data.remedies(angle):
                shift, seeds = data.best(remedy, angle)
                assert all(np.mean(a) <= np.mean(seeds[0]) for a in data.swept(remedy, angle).values())
                assert data.swept(remedy, angle)[shift] == seeds[0]

    def test_the_study_repeats_its_table(self) -> None:
        assert figures.compact(figures.figures(LINES)) in SECTION

    def test_every_remedy_that_the_study_names_is_there(self) -> None:
        named = set(re.findall(r"`((?:priot|niti)[\w-]*(?:,\w+=\d+)*)`", SECTION))
        assert len(named) >= 5
        assert named <= first_column(figures.compact(figures.figures(LINES)))

    def test_the_costs_of_the_options_are_those_measured(self) -> None:
        section = (DOCS / "learning.md").read_text().partition("\n## Options that steady it\n")[2].partition("\n## ")[0]
        cycles = re.findall(r"\d,\d{3},\d{3}", section)
        assert len(cycles) >= 4
        assert set(cycles) <= set(re.findall(r"\d,\d{3},\d{3}", PAGE))


class TestFigures:
    def test_a_repeated_run_is_one_and_a_different_one_is_refused(self) -> None:
        assert figures.figures([*LINES, LINES[0]]) == figures.figures(LINES)
        other = json.loads(LINES[0])
        other["accuracy"][9] += 0.001
        with pytest.raises(UsageError, match="not reproduced"):
            figures.figures([*LINES, json.dumps(other)])

    def test_a_spec(self) -> None:
        spec = runs.read_spec("priot-frozen-mask,refresh=16:-2:45:1")
        assert (spec.shift, spec.angle, spec.seed, spec.options) == (-2, 45, 1, {"refresh": 16})
        assert spec.method.name == "priot-frozen-mask"

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("priot:-2:30", "must be METHOD"),
            ("priot:-2:30:x", "whole numbers"),
            ("priot,cool:-2:30:0", "must be METHOD"),
            ("priot-pstoo:-2:30:0", "did you mean 'priot-psto'"),
            ("priot,keep=1:-2:30:0", "the options are cool and refresh"),
        ],
    )
    def test_a_bad_spec_is_refused(self, text: str, said: str) -> None:
        with pytest.raises(UsageError, match=said):
            runs.read_spec(text)


def traces(method: Method, steps: int = 12, **options: Any) -> tuple[Config, list[StepTrace]]:
    """So many steps on rotated digits."""
    turned = images.part(DataSource("digits"), NETWORK, "transfer", rotation(30.0))
    part, backbone = turned.first(steps), bundled("tiny-cnn-8")
    start = replace(backbone.config, keep=0.9, theta=-41, **options)
    config = calibrate.calibrate(NETWORK, method, backbone.weights, part.images, part.labels, start)
    config = replace(config, update=tuple(max(shift - 4, 0) for shift in config.update))
    frozen = method.freeze(NETWORK, backbone.weights, config)
    state, found = method.initial_state(NETWORK, frozen, config, 0), []
    for image, label in zip(part.images, part.labels, strict=True):
        found.append(method.step(NETWORK, frozen, state, image, int(label), config))
        state = found[-1].state
    return config, found


class TestRemedies:
    def test_a_frozen_mask_stays_and_is_then_that_of_the_scores(self) -> None:
        _, found = traces(remedies.FrozenMask(), refresh=4)
        masks = [np.concatenate([layer.mask.ravel() for layer in t.state.layers]) for t in found]
        scores = [np.concatenate([a.ravel() for a in t.state.learned]) for t in found]
        changed = [bool((a != b).any()) for a, b in pairwise(masks)]
        assert [i + 2 for i, is_new in enumerate(changed) if is_new] == [4, 8, 12]  # the steps, counted from 1
        assert any((a != b).any() for a, b in pairwise(scores[3:7]))
        for layer in found[7].state.layers:
            assert layer.mask is not None
            assert layer.learned[layer.mask].min() >= layer.learned[~layer.mask].max()

    def test_hysteresis_step_by_step(self) -> None:
        config, found = traces(remedies.Hysteresis())
        between = 0
        for before, after in pairwise(found):
            for old, new in zip(before.state.layers, after.state.layers, strict=True):
                for kept, score, keeps in zip(old.mask.flat, new.learned.flat, new.mask.flat, strict=True):
                    assert keeps == (score >= config.theta - 8 if kept else score >= config.theta + 8)
                    between += keeps != (score >= config.theta)
        assert between  # somewhere it differs from one threshold

    def test_wide_scores_have_eight_bits_behind_the_point(self) -> None:
        wide, one = remedies.WideScores(), np.ones((1, 3), np.int32)
        before = np.array([[0, 127 * 256, -127 * 256]], np.int16)
        for shift, moved in [(8, 1), (9, 1), (10, 0), (6, 4), (0, 256)]:
            after = wide.moved(before, one.astype(np.int8), one, shift)
            assert after.tolist() == [[-moved, 127 * 256 - moved, -127 * 256]]

    def test_psto_moves_scores_otherwise_than_nearest(self) -> None:
        weights, gradient = np.ones((1, 4), np.int8), np.array([[0b0111, 0b0110, 0b1001, 0b0100]], np.int32)
        scores = np.zeros((1, 4), np.int8)
        # remainder high half against low half, by hand: up where it is more
        assert remedies.Psto().moved(scores, weights, gradient, 4).tolist() == [[0, 0, -1, -1]]
        assert methods.get("priot").moved(scores, weights, gradient, 4).tolist() == [[0, 0, -1, 0]]


class TestCommand:
    @staticmethod
    def done(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "m0sim.study.stability", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, cwd=cwd)

    def test_it_writes_the_page(self, tmp_path: Path) -> None:
        (tmp_path / figures.FILE).write_text("\n".join([*reversed(LINES), LINES[0]]))
        assert self.done("--folder", tmp_path, "table", cwd=tmp_path).returncode == 0
        assert (tmp_path / page.FILE).read_text() == PAGE
        assert (tmp_path / figures.FILE).read_text().splitlines() == LINES

    def test_away_from_a_checkout(self, tmp_path: Path) -> None:
        done = self.done("table", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("stability: docs/study/stability.jsonl: no such file: run this in a checkout")
        assert list(tmp_path.iterdir()) == []
