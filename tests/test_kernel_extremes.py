"""Kernels on operands at the ends give what the C references give; they are compared with those of another commit."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import bench_against
import kernel_measure
import pytest
from bench_against import Kernels
from conftest import found_toolchain
from kernel_case import Block, Side, block
from kernel_cases import cases
from kernel_extremes import extremes
from kernel_measure import Fields, Measured

from m0sim.errors import UsageError
from m0sim.image import Image
from m0sim.study.learn import blocks

ROOT = Path(__file__).parents[1]
EXTREMES = extremes()
NEW = ("in", "grad", "first_out", "count_out", "scratch")
OLD = {"f": ("in", "grad", "patch")}


@pytest.fixture(scope="module")
def kernels() -> Kernels:
    found_toolchain("zig")
    return Kernels(kernel_measure.kernels(), blocks.blocks())


def test_rows_have_names_of_their_own() -> None:
    names = [(case.kernel, case.operands) for case in (*cases(), *EXTREMES)]
    assert len(set(names)) == len(names)


def test_every_kernel_whose_cycles_depend_on_data_is_there() -> None:
    independent = {"m0k_average", "m0k_average_back"}
    independent |= {"m0k_zo_next", "m0k_gates_pack", "m0k_gates_unpack", "m0k_places_pack", "m0k_places_unpack"}
    independent |= {"m0k_im2col", "m0k_loss", "m0k_w16_copy", "m0k_rows_w16", "m0k_run", "m0k_step", "m0k_niti_measure"}
    assert {case.kernel for case in EXTREMES} == {case.kernel for case in cases()} - independent


@pytest.mark.long
def test_results_at_the_ends(kernels: Kernels) -> None:
    compiled = kernel_measure.compilations(["zig"], ["-O3"])
    for case in EXTREMES:
        kernel_measure.compare(case, kernels.image, compiled)


def grouped() -> Side:
    """Two calls, each for four of eight outputs, with a field that was called patch."""
    words = [{"in": 1, "grad": 2 + at, "first_out": at, "count_out": 4, "scratch": 9} for at in (0, 4)]
    return Side({}, [("f", [Block("f", w)]) for w in words], "")


def test_older_kernels_are_called_as_their_header_says(kernels: Kernels) -> None:
    (call,) = Kernels(kernels.image, OLD).side(grouped()).calls
    (taken,) = call[1]
    assert [taken.words[name] for name in OLD["f"]] == [1, 2, 9]
    assert len(Kernels(kernels.image, {"f": NEW}).side(grouped()).calls) == 2


def test_older_kernels_that_did_the_same_are_called(kernels: Kernels) -> None:
    side = Side({}, [("m0k_select_kept", [1])], "")
    assert Kernels(kernels.image, {"m0k_select": ("n",)}).side(side).calls == [("m0k_select", [1])]
    assert kernels.side(side).calls == side.calls


def test_blocks_are_filled_by_name() -> None:
    made = block("m0k_pool", "in", 1, width=3)
    assert made.words == {"in": "in", "out": 1, "width": 3}
    with pytest.raises(AssertionError, match="no field"):
        block("m0k_pool", "in", heigth=1)
    with pytest.raises(AssertionError, match="given twice"):
        block("m0k_pool", "in", 1, out=2)


@pytest.mark.parametrize(("cycles", "result", "ratio"), [(1, 0, 1.0), (2, 0, 2.0), (1, 1, float("inf"))])
def test_a_slower_row_and_a_wrong_one_are_told(
    kernels: Kernels, monkeypatch: pytest.MonkeyPatch, cycles: int, result: int, ratio: float
) -> None:
    """The new kernels' row is `cycles` times as slow, and its bytes are `result` more."""
    case, measure = next(case for case in EXTREMES if "rising" in case.operands), kernel_measure.measure
    after = Kernels(kernels.image, dict(kernels.fields))

    def changed(image: Image, side: Side, fields: Fields) -> Measured:
        found = measure(image, side, fields)
        if fields is not after.fields:
            return found
        return replace(found, cycles=found.cycles * cycles, result=found.result + result)

    monkeypatch.setattr(bench_against, "measure", changed)
    text, found = bench_against.line(case, kernels, after)
    assert found == ratio
    assert ("DIFFERENT" in text) == bool(result)


def test_a_commit_that_is_not_there_is_named() -> None:
    if subprocess.run(["git", "rev-parse"], cwd=ROOT, capture_output=True, check=False).returncode:
        pytest.skip("no repository")
    with pytest.raises(UsageError, match="no kernels of nowhere"):
        bench_against.at_commit("nowhere")
