"""The speed that was asked of the kernels, against the C references compiled by the pinned ziglang."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import bench_kernels
import numpy as np
import pytest
from bench_kernels import OUTPUT, Row, least_ratio
from conftest import found_toolchain
from engines import default_engine
from kernel_cases import BOUNDS, Case, active_edges, cases
from kernel_operands import RECORDED, record

from m0sim import toolchain
from m0sim.image import Image

MNIST_DIR = os.environ.get("M0SIM_MNIST_DIR")
needs_mnist = pytest.mark.skipif(MNIST_DIR is None, reason="MNIST: name its folder in M0SIM_MNIST_DIR")
HEADER = Path(__file__).parents[1] / "kernels" / "m0k.h"
PHASES = {"m0k_forward", "m0k_loss_phase", "m0k_backward", "m0k_update", "m0k_prune"}
CASES = cases()


@pytest.fixture(scope="module")
def images() -> tuple[Image, dict[str, Image]]:
    found_toolchain("zig")
    return bench_kernels.kernels(), bench_kernels.compilations(["zig"], ["-O3"])


@pytest.fixture(params=CASES, ids=lambda case: f"{case.kernel}, {case.operands}")
def row(request: pytest.FixtureRequest, images: tuple[Image, dict[str, Image]]) -> Row:
    """A case, measured; both sides have given the same results."""
    return bench_kernels.compare(request.param, *images)


def test_kernels_reach_what_was_asked_for(row: Row) -> None:
    """At least 1.5 times as fast as compiled where it multiplies, never slower, and the absolute speeds."""
    ratio, least, each, limit = row.ratio, least_ratio(row.case), row.each(row.ours.cycles), row.case.limit
    assert ratio >= least, f"{ratio:.2f} times as fast as compiled, {least:.2f} were asked for"
    assert limit is None or each <= limit, f"{each:.2f} cycles per {row.case.unit}, {limit} were asked for"


def test_every_kernel_has_a_row() -> None:
    """All functions of m0k.h; the phases are m0k_run under other names."""
    declared = set(re.findall(r"^(?:void |const \w+ \*)(m0k_\w+)\(", HEADER.read_text(), re.MULTILINE))
    assert {case.kernel for case in CASES} == declared - PHASES == set(BOUNDS)


def score_case(operands: str) -> Case:
    (found,) = (case for case in CASES if case.kernel == "m0k_score_dense" and operands in case.operands)
    return found


def test_skipped_outputs_do_not_make_the_recorded_update_fast(images: tuple[Image, dict[str, Image]]) -> None:
    """Also 16 cycles for each edge whose output has an error; the step moves scores, and uniform operands most."""
    case = score_case("recorded")
    cycles = bench_kernels.measure(images[0], case.ours).cycles
    assert cycles <= 16 * active_edges(case) < 16 * case.count
    assert case.moved is not None
    assert case.moved * case.count > 0.1 * active_edges(case)
    assert (score_case("uniform").moved or 0) > 0.9


def test_the_recording_is_small() -> None:
    assert RECORDED.stat().st_size < 60_000


@needs_mnist
def test_the_recording_can_be_made_again() -> None:
    with np.load(RECORDED) as stored:
        kept = dict(stored)
    made = record(Path(str(MNIST_DIR)))
    assert made.keys() == kept.keys()
    for name, array in made.items():
        np.testing.assert_array_equal(array, kept[name], name)


@pytest.mark.long
def test_the_page_is_what_the_benchmark_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = OUTPUT.read_text(encoding="utf-8")
    for name in toolchain.NAMES:
        if (version := found_toolchain(name).version()) not in page:
            pytest.skip(f"docs/kernels.md was not made with {version}")
    monkeypatch.setattr("sys.argv", ["bench_kernels.py", "--output", str(tmp_path / "kernels.md")])
    bench_kernels.main()
    assert (tmp_path / "kernels.md").read_text(encoding="utf-8") == page


@pytest.mark.long
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kernel}, {case.operands}")
def test_rows_are_the_same_on_both_engines(case: Case, images: tuple[Image, dict[str, Image]]) -> None:
    """Every figure of the table, of the kernel and of what a compiler makes of its reference."""
    ours, (compiled,) = images[0], images[1].values()
    for image, side in ((ours, case.ours), (compiled, case.reference)):
        expected = bench_kernels.measure(image, side)
        with default_engine("timed"):
            found = bench_kernels.measure(image, side)
        np.testing.assert_array_equal(found.result, expected.result)
        assert replace(found, result=expected.result) == expected
