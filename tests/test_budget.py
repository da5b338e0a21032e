"""`m0sim budget`: plans, what fits, the best that does, and what is solved, against brute force."""

from __future__ import annotations

import json
import re
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from conftest import quick_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pace import slowdown

from m0sim import cli
from m0sim.chip import device
from m0sim.errors import UsageError
from m0sim.study.learn import datasets as data
from m0sim.study.learn import kernels, methods, networks
from m0sim.study.learn.step import MASK_FORMS, SCRATCH_FORMS
from m0sim.study.report import budget_data, budget_html, budget_plots, memory_plot
from m0sim.study.whatif import budget, planned, sizes, solve
from m0sim.study.whatif.configuration import Configuration, configure
from m0sim.study.whatif.measure import StepBench
from m0sim.study.whatif.sizes import SramRoom

try:
    kernels.load()
except UsageError as missing:
    pytest.skip(str(missing), allow_module_level=True)

CHIP = device.load("rp2040")
ROW_NAMES = {
    *("sram_bytes", "method", "fits", "needed_bytes", "spare_bytes", "limiting", "cycles", "cycles_source", "best"),
}
PRIOT = ("priot", "priot-threshold", "priot-s")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["m0sim", "budget", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def printed(monkeypatch, capsys, *arguments: str) -> dict:
    assert run(monkeypatch, "--json", *arguments) == 0
    return json.loads(capsys.readouterr().out)


def room(size: int) -> SramRoom:
    return SramRoom(str(size), (size,))


# The command line


def test_json_has_the_fixed_names(monkeypatch, capsys) -> None:
    asked = ("--sram", "4K,64K", "--network", "tiny-cnn-8", "--methods", "niti-static,priot")
    found = printed(monkeypatch, capsys, *asked, "--mask", "fused")
    assert [(row["sram_bytes"], row["method"]) for row in found["rows"]] == [
        (4096, "niti-static"),
        (4096, "priot"),
        (65536, "niti-static"),
        (65536, "priot"),
    ]
    for row in found["rows"]:
        assert row.keys() >= ROW_NAMES
        assert row["spare_bytes"] == row["sram_bytes"] - row["needed_bytes"]
        assert row["fits"] == (row["spare_bytes"] >= 0)
        assert set(row["limiting"]) == {"tensor", "phase"}
        assert row["cycles_source"] == "measured"
        assert min(row["cycles_of_steps"]) <= row["cycles"] <= max(row["cycles_of_steps"])
        assert row["best"]["fits"]
        assert "solution" not in row
    assert not found["rows"][0]["fits"]
    assert found["rows"][3]["best"]["weights"] == "sram"  # there is room, and flash costs


@pytest.mark.long
def test_plan_only_runs_nothing(monkeypatch, capsys) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("planning makes a machine")

    monkeypatch.setattr("m0sim.chip.machine.Machine.__init__", refuse)
    with shares_down_to_1_in(17):
        found = printed(monkeypatch, capsys, "--sram", "16K,264K", "--plan-only", "--solve", "--methods", "all")
    assert {row["cycles_source"] for row in found["rows"]} == {None}
    assert {row["cycles"] for row in found["rows"]} == {None}
    assert found["solution"]["knob"] == "fraction"
    assert found["solution"]["method"] == "priot-s"
    assert found["solution"]["fraction"] == found["solution"]["value"] == 1.0
    by_method = {row["method"]: row["solution"] for row in found["rows"][: len(found["rows"]) // 2]}
    assert by_method["priot"] is None
    assert by_method["priot-s"]["spare_bytes"] >= 0


@pytest.mark.parametrize("output", ["out", "out/b.json"])
@pytest.mark.long
def test_output_is_a_folder_or_the_json(monkeypatch, capsys, tmp_path: Path, output: str) -> None:
    (tmp_path / "out").mkdir()
    where = (
        "--plan-only",
        "--sram",
        "16K",
        "--network",
        "tiny-cnn-8",
        "--methods",
        "priot",
        "-o",
        str(tmp_path / output),
    )
    found = printed(monkeypatch, capsys, *where)
    written = tmp_path / ("out/budget.json" if output == "out" else output)
    assert json.loads(written.read_text()) == found


@pytest.mark.parametrize("value", ["fraction", "width", "layers"])
def test_the_value_of_solve_may_stand_anywhere(monkeypatch, capsys, value: str) -> None:
    basic = ("--sram", "8K", "--network", "tiny-cnn-8", "--methods", "priot,priot-s", "--plan-only")
    found = printed(monkeypatch, capsys, *basic, "--solve", value)
    assert found["solve"] == found["solution"]["knob"] == value
    if value == "fraction":
        assert printed(monkeypatch, capsys, *basic, "--solve") == found
        assert printed(monkeypatch, capsys, "--solve", *basic) == found


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--sram", "0"), "'0'"),
        (("--sram", "-5"), "'-5'"),
        (("--sram", "200"), "stack alone takes"),
        (("--sram", "lots"), "no size"),
        (("--sram", "nan"), "no size"),
        (("--sram", "1e5"), "no size"),
        (("--sram", "0.3"), "whole number"),
        (("--sram", "16K+"), "'16K+'"),
        (("--sram", "1_K"), "no size"),
        (("--sram", "1__0K"), "no size"),
        (("--sram", "0x4000b"), "a digit there"),
        (("--sram", "16\u212a"), "no size"),
        (("--sram", "16K", "--methods", ""), "no method to plan"),
        (("--sram", "16K", "--methods", "priot,,priot-s"), "name one method"),
        (("--sram", "16K", "-o", "no such folder/x.json"), "no such folder"),
        (("--sram", "16K", "--stack-reserve", "x"), "--stack-reserve: 'x' is no size"),
        (("--sram", ""), "name one budget"),
        (("--sram", "16K,,32K"), "name one budget"),
        (("--sram", "99999999M"), "4096M"),
        ((), "--sram"),
        (("--sram", "16K", "--methods", "priott"), "did you mean 'priot'"),
        (("--sram", "16K", "--network", "tiny"), "unknown network 'tiny'"),
        (("--sram", "16K", "--solve", "widht"), "did you mean 'width'"),
        *((("--sram", "16K", "--fraction", f), "from 0.000001 to 1") for f in ("0", "nan", "1e-30", "1e-320", "1.01")),
        (("--sram", "16K", "--mask", "bit"), "did you mean 'bits'"),
        (("--sram", "16K", "--weights", "rom"), "unknown place"),
        (("--sram", "16K", "--trained", "5"), "4 layers"),
        (("--sram", "16K", "--trained", "1", "--methods", "fp32"), "fp32"),
        (("--sram", "16K", "--width", "-1"), "width"),
        (("--sram", "16K", "--batch", "0"), "batch"),
        (("--sram", "16K", "--stack-reserve", "100"), "the kernels of niti-dynamic need "),
        (("--sram", "16K", "--data", "mnist"), "mnist"),
        (("--sram", "16K", "--data", "digits"), "28 x 28"),
        (("--sram", "16K", "--profile", "rp2400"), "did you mean 'rp2040'"),
    ],
)
def test_bad_usage_is_one_line(monkeypatch, capsys, arguments: tuple[str, ...], said: str) -> None:
    assert run(monkeypatch, *arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert said in shown.err


@pytest.mark.parametrize(
    ("text", "banks"),
    [
        ("16K", (16384,)),
        ("264k", (270336,)),
        ("64KiB", (65536,)),
        ("1M", (1 << 20,)),
        ("0x4000", (16384,)),
        ("1_000", (1000,)),
        ("1.5K", (1536,)),
        ("256K+4K+4K", (262144, 4096, 4096)),
    ],
)
def test_sizes(text: str, banks: tuple[int, ...]) -> None:
    assert sizes.rooms(text)[0].banks == banks


@pytest.mark.parametrize("size", [1, 1000, 1024, 1536, 16384, 264 * 1024, 1 << 20, 3 << 19, 1 << 32])
def test_a_shown_budget_is_that_budget(size: int) -> None:
    shown = sizes.kib(sizes.SramRoom("", (size, 4096)))
    assert [round(1024 * float(bank.replace(",", ""))) for bank in shown.split("+")] == [size, 4096]
    assert sizes.kib(sizes.rooms("256K+4K+4K")[0]) == "256+4+4"


def test_the_least_fraction_can_be_planned() -> None:
    assert planned.plan(configure("tiny-cnn-8", "priot-s", fraction=1e-6)).step.settings.scored == (1, 1, 1, 1)


@pytest.mark.parametrize(("more", "said"), [(("--trained", "2"), "trains all layers"), ((), "m0sim[toolchain]")])
def test_why_fp32_is_left_out(monkeypatch, capsys, more: tuple[str, ...], said: str) -> None:
    monkeypatch.setattr("m0sim.study.learn.float_step.is_available", lambda: bool(more))
    arguments = ("--sram", "16K", "--network", "tiny-cnn-8", "--plan-only", "--json", *more)
    assert run(monkeypatch, *arguments) == 0
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert said in shown
    assert ("toolchain" in shown) != ("layers" in shown)


def test_text_names_reconstructions_noise_and_what_a_batch_is(monkeypatch, capsys) -> None:
    asked = ("--sram", "64K", "--network", "tiny-cnn-8", "--methods", "priot", "--mask", "fused")
    assert run(monkeypatch, *asked, "--data", "random") == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "our reconstruction" in text
    assert "noise" in text
    assert run(monkeypatch, *asked, "--batch", "8") == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "planned only" in text


# Plans


def every(network: str, **more: float) -> list[Configuration]:
    """All methods, forms and numbers of trained layers of a network."""
    layers = len(networks.get(network).stages)
    found = []
    for method, trained in product(methods.integer_names(), range(1, layers + 1)):
        for mask, weights in product(methods.get(method).mask_forms or (MASK_FORMS[0],), ("flash", "sram")):
            found.append(configure(network, method, trained=trained, mask=mask, weights=weights, **more))
    return list(dict.fromkeys(found))


LARGE = ("vgg11", "vgg11-quarter")
"""Networks of many layers: all their configurations are planned in the long run, every 11th in the quick one."""


@pytest.mark.parametrize(
    ("network", "every_nth"),
    [
        *((network, 11 if network in LARGE else 1) for network in networks.NETWORKS),
        *(pytest.param(network, 1, marks=pytest.mark.long) for network in LARGE),
    ],
)
def test_plans_are_within_two_percent_of_the_bound(network: str, every_nth: int) -> None:
    for configuration in (*every(network)[::every_nth], configure(network, "fp32")):
        made = planned.plan(configuration)
        assert 1 <= made.ratio <= 1.02, configuration
        assert made.least.sram_bytes <= made.needed_bytes


def live_bytes(made: planned.Planned) -> int:
    """The most bytes that are live at one time, written down a second time: from first to last use, or for ever."""
    ops = made.step.ops
    most = 0
    for at in range(len(ops)):
        live = 0
        for tensor in made.step.tensors.values():
            users = [i for i, op in enumerate(ops) if tensor.name in op.tensors()]
            if tensor.within:  # until then its bytes are those of another
                users = [i for i in users if tensor.within not in ops[i].tensors()]
            first = 0 if tensor.name in ("image", "label") else min(users, default=len(ops))
            if tensor.place == "sram" and (tensor.persistent or first <= at <= max(users, default=0)):
                live += tensor.size
        most = max(most, live)
    return most


@pytest.mark.parametrize("configuration", every("tiny-cnn")[::7], ids=lambda c: f"{c.method} {c.trained} {c.mask}")
def test_the_bound_is_the_most_that_is_live(configuration: Configuration) -> None:
    made = planned.plan(configuration)
    assert made.plan.lower_bound == live_bytes(made) == made.least.plan_bytes


@pytest.mark.parametrize("width", quick_of([0.3, 0.55, 0.7], [0.55]))
@pytest.mark.parametrize("method", methods.integer_names())
def test_the_bound_of_padded_inputs_goes_by_their_use(method: str, width: float) -> None:
    """Inputs of dense layers that end in padding share bytes with nothing, but that is the plan's cost."""
    made = planned.plan(configure("tiny-cnn", method, width=width))
    stages = made.step.network.stages
    assert any(stage.n_in % 4 for stage in stages[-2:])
    assert made.plan.lower_bound == live_bytes(made) == made.least.plan_bytes
    assert made.plan.lower_bound <= made.plan.sram_bytes == sum(made.plan.sram_by_kind().values())


@pytest.mark.parametrize("method", methods.names())
def test_without_reuse_the_phase_is_that_of_the_first_use(method: str) -> None:
    made = planned.plan(configure("tiny-cnn", method, reuse=False))
    tensor, phase = made.limiting
    assert made.step.tensors[tensor].size == max(t.size for t in made.step.tensors.values() if t.place == "sram")
    assert phase == next(op.phase for op in made.step.ops if tensor in op.tensors())


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["tiny-cnn", "tiny-cnn-8", "mlp"]),
    st.sampled_from(methods.integer_names()),
    st.sampled_from(MASK_FORMS),
    st.integers(1, 128),
    st.integers(1, 40),
    st.integers(1, 2),
)
def test_plans_of_odd_widths_are_close_to_the_bound(network, method, mask, width, block, trained) -> None:
    """Not a promise, a guard: greedy packing misses the bound by a few per cent on some shapes.

    And dense inputs that end in padding, of 4 n + 1 to 3 values, keep their bytes for the whole step.
    """
    made = planned.plan(configure(network, method, mask=mask, width=width / 64, fraction=1 / block, trained=trained))
    is_padded = any(isinstance(s.layer, networks.Dense) and s.n_in % 4 for s in made.step.network.stages)
    assert made.ratio < (1.2 if is_padded else 1.1)


def test_a_plan_takes_less_than_five_milliseconds() -> None:
    grid = product(("niti-dynamic", "priot", "priot-s", "tin-tin"), range(1, 5), range(40, 104, 4))
    wanted = [configure("tiny-cnn", method, trained=k, width=w / 64) for method, k, w in grid]
    assert len(wanted) == len(set(wanted)) == 256
    planned._planned.cache_clear()
    planned._step.cache_clear()
    begin = time.process_time()
    needed = [planned.plan(c).needed_bytes for c in wanted]
    assert time.process_time() - begin < 256 * 5e-3 * slowdown()
    assert len(set(needed)) > 125


@pytest.mark.parametrize("method", methods.integer_names())
def test_without_reuse_every_tensor_has_bytes_of_its_own(method: str) -> None:
    made = planned.plan(configure("tiny-cnn-8", method, reuse=False))
    sram = [t.size for t in made.step.tensors.values() if t.place == "sram"]
    assert made.plan.sram_bytes == sum(sram)
    assert made.needed_bytes > planned.plan(configure("tiny-cnn-8", method)).needed_bytes


@pytest.mark.parametrize("method", methods.names())
def test_a_batch_costs_four_bytes_an_edge_that_learns(method: str) -> None:
    """Without reuse the difference is exact: sizes add up. Convolutions have int32 gradients with one image too, of all
    outputs where the largest of them decides, else of four."""
    one, many = (planned.plan(configure("tiny-cnn-8", method, reuse=False, batch=b)) for b in (1, 8))
    network = networks.get("tiny-cnn-8")
    if method == "priot-s":
        expected = 4 * sum(-(-stage.edges // 10) for stage in network.stages)
    elif method == "priot-s-head":
        expected = 4 * sum(-(-stage.edges // 10) for stage in network.stages[:-1]) + 4 * 10 * 32
    elif method == "fp32":
        expected = 4 * sum(s.n_out * -(-s.n_in // 4) * 4 for s in network.stages)
    elif method in ("niti-dynamic", "niti-replay"):
        expected = 4 * (32 * 64 + 10 * 32)  # the dense layers; of niti-replay no other learns
    elif method == "bias-last":
        expected = 4 * 10 * 32 + 4 * (8 + 16 + 32 + 10)  # the last layer, and a sum a bias
    elif method == "zo-int8":
        expected = 4 * 10 * 32  # the last layer
    else:
        expected = 4 * (32 * 64 + 10 * 32 + (8 - 4) * 12 + (16 - 4) * 72)  # and all but four outputs of the others
    assert many.plan.sram_bytes - one.plan.sram_bytes == expected


@pytest.mark.parametrize("method", methods.integer_names())
@pytest.mark.parametrize("banks", [(8192, 4096, 4096), (4096, 16384), (16384, 1024), (3000, 3000, 30000)])
def test_no_tensor_crosses_banks(method: str, banks: tuple[int, ...]) -> None:
    made = planned.plan(configure("tiny-cnn-8", method), SramRoom("", banks))
    walls = [sum(banks[: i + 1]) for i in range(len(banks))]
    for p in made.plan.placed.values():
        if p.tensor.place == "sram":
            assert not any(p.offset < wall < p.end for wall in walls)
            others = [q for q in made.plan.placed.values() if q.tensor.place == "sram" and q is not p]
            for q in others:
                assert not q.lives_with(p.first, p.last) or q.end <= p.offset or p.end <= q.offset
    assert made.plan.sram_bytes >= made.plan.lower_bound  # walls may by chance lead to a better plan than none


def test_the_stack_is_in_the_last_bank() -> None:
    small = configure("tiny-cnn-8", "priot-s", trained=1)
    stack = -(-planned.plan(small).stack_bytes // 8) * 8
    for last, fits in ((stack, True), (stack - 1, False)):
        banks = SramRoom("", (8192, last))
        assert planned.plan(small, banks).fits(banks, CHIP) == fits


def test_a_larger_stack_reserve_is_needed_bytes() -> None:
    c = configure("tiny-cnn-8", "priot")
    one = planned.plan(c)
    assert planned.plan(c, stack_reserve=1000).needed_bytes - one.needed_bytes == 1000 - -(-one.stack_bytes // 8) * 8


# Solving


SMALL = [configure("tiny-cnn-8", method) for method in methods.integer_names()]


@contextmanager
def shares_down_to_1_in(most: int) -> Iterator[pytest.MonkeyPatch]:
    """While this is active, fewer shares of scored edges are tried."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(solve, "BLOCKS", range(1, most + 1))
        yield patch


@pytest.fixture(params=[7, pytest.param(33, marks=pytest.mark.long)])
def small_grids(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fewer values, so that all of them can be planned: shares down to 1/7, widths up to 7/4; or 1/33, 33/16."""
    with shares_down_to_1_in(request.param) as patch:
        patch.setattr(solve, "WIDTH_STEP", 1 / 4 if request.param < 10 else 1 / 16)
        patch.setattr(solve, "WIDTH_MAX", request.param * solve.WIDTH_STEP)
        yield


@pytest.mark.usefixtures("small_grids")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(SMALL), st.sampled_from(solve.KNOBS), st.integers(225, 20_000))
def test_solutions_equal_brute_force(asked: Configuration, knob: solve.Knob, size: int) -> None:
    space = solve.Space(room(size), CHIP)
    values = [c for c in solve.choices(asked, knob) if planned.plan(c).needed_bytes <= size]
    found = solve.most(asked, knob, space)
    best = max((budget.knob_value(c, knob) for c in values), default=None)
    assert (None if found is None else budget.knob_value(found, knob)) == best
    if found is not None:
        assert space.fits(found)


@pytest.mark.parametrize("size", [3000, 5000])
@pytest.mark.parametrize("knob", solve.KNOBS)
@pytest.mark.parametrize("method", ["priot", "priot-s", "niti-static"])
@pytest.mark.usefixtures("small_grids")
def test_a_solution_is_searched_in_all_memory_forms(method: str, knob: solve.Knob, size: int) -> None:
    asked, space = configure("tiny-cnn-8", method), solve.Space(room(size), CHIP)
    forms = product(methods.get(method).mask_forms or (None,), SCRATCH_FORMS)
    most = [solve.most(replace(asked, mask=mask, scratch=scratch), knob, space) for mask, scratch in forms]
    best = max((budget.knob_value(c, knob) for c in most if c is not None), default=None)
    question = budget.Question("tiny-cnn-8", (method,), (room(size),), CHIP, solve=knob)
    found = budget.answer(question).rows[0].solution
    assert (None if found is None else budget.knob_value(found.configuration, knob)) == best


def test_forms_that_are_named_are_kept_while_solving() -> None:
    """All layers of tiny-cnn learn by PRIOT in 66 KB without scratch to spare."""

    def solved(**named: str) -> tuple[int, str | None, str | None]:
        question = budget.Question(
            "tiny-cnn", ("priot",), (room(66 * 1024),), CHIP, budget.Knobs(**named), solve="layers"
        )
        found = budget.answer(question).rows[0].solution
        assert found is not None
        return found.configuration.trained, found.configuration.mask, found.configuration.scratch

    assert solved() == (4, "list", "least")
    assert solved(mask="list", scratch="full")[0] < 4


def test_a_quarter_of_vgg11_learns_in_half_of_a_pico() -> None:
    """All nine layers of it, a tenth of the edges scored; what learns weights or all scores does not fit at all."""
    needed = {m: planned.plan(configure("vgg11", m, width=0.25)) for m in ("priot-s", "priot", "niti-static")}
    assert needed["priot-s"].needed_bytes <= 128 * 1024
    assert needed["priot-s"].fits(room(264 * 1024), CHIP)
    assert len(needed["priot-s"].step.network.stages) == 9
    for method in ("priot", "niti-static"):
        assert needed[method].step.network.weights > 264 * 1024


def test_what_there_is_to_solve_over() -> None:
    asked = configure("tiny-cnn-8", "priot-s")
    assert {round(1 / c.fraction) for c in solve.choices(asked, "fraction")} == set(range(1, 1025))
    assert sorted(c.width for c in solve.choices(asked, "width")) == [n / 64 for n in range(1, 1025)]
    assert sorted(c.trained for c in solve.choices(asked, "layers")) == [1, 2, 3, 4]
    assert solve.choices(configure("tiny-cnn-8", "priot"), "fraction") == []
    assert solve.choices(configure("tiny-cnn-8", "fp32"), "layers") == []


@pytest.mark.usefixtures("small_grids")
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(methods.integer_names()), st.integers(225, 16_000))
@pytest.mark.long
def test_the_best_equals_brute_force(method: str, size: int) -> None:
    space = solve.Space(room(size), CHIP)
    fractions = [1 / n for n in solve.BLOCKS] if methods.get(method).has_fraction else [0.1]
    masks = methods.get(method).mask_forms or ("fused",)
    everything = [
        configure("tiny-cnn-8", method, trained=k, mask=mask, weights=place, fraction=f, scratch=scratch)
        for k, mask, place, scratch in product((4, 3, 2, 1), masks, ("flash", "sram"), SCRATCH_FORMS)
        for f in fractions
    ]
    fitting = [c for c in everything if planned.plan(c).needed_bytes <= size]
    rank = max(((c.trained, c.fraction or 0) for c in fitting), default=None)
    expected = {c for c in fitting if (c.trained, c.fraction or 0) == rank}
    expected -= {replace(c, scratch="least") for c in expected if c.scratch == "full"}
    assert set(budget.best_fits(configure("tiny-cnn-8", method), budget.Knobs(), space)) == expected


@pytest.mark.parametrize(
    "knobs",
    [budget.Knobs(mask="copy"), budget.Knobs(weights="flash"), budget.Knobs(trained=2), budget.Knobs(fraction=0.2)],
)
def test_the_best_keeps_what_was_named(knobs: budget.Knobs) -> None:
    asked = budget._configuration(budget.Question("tiny-cnn-8", (), (), CHIP, knobs), "priot-s")
    found = budget.best_fits(asked, knobs, solve.Space(room(264 * 1024), CHIP))
    assert found
    for name in ("mask", "weights", "trained", "fraction"):
        if getattr(knobs, name) is not None:
            assert {getattr(c, name) for c in found} == {getattr(knobs, name)}


def test_of_equally_good_ones_the_fastest_is_best() -> None:
    bench = StepBench(CHIP, data.load("digits"), steps=1)

    def row(**knobs: str) -> budget.BudgetRow:
        question = budget.Question("tiny-cnn-8", ("priot",), (room(264 * 1024),), CHIP, budget.Knobs(**knobs))
        return budget.answer(question, bench).rows[0]

    costs = {}
    for mask, weights in product(MASK_FORMS, ("flash", "sram")):
        asked = row(mask=mask, weights=weights).asked.measured
        costs[mask, weights] = asked.mean_cycles + asked.flash_estimate_cycles
    best = row().best
    assert (best.configuration.mask, best.configuration.weights) == min(costs, key=costs.get)
    assert best.measured.mean_cycles + best.measured.flash_estimate_cycles == min(costs.values())


def test_large_networks_are_planned_only() -> None:
    knobs = budget.Knobs(trained=1, mask="fused", scratch="full")
    question = budget.Question("vgg11", ("priot",), (room(264 * 1024),), CHIP, knobs)
    assert budget.answer(question, bench=object()).data == ""  # type: ignore[arg-type]


# Reports


@pytest.fixture(scope="module")
def measured_budget() -> budget.Budget:
    rooms = sizes.rooms("2K,8K,64K")
    question = budget.Question("tiny-cnn-8", ("niti-static", "priot-s"), rooms, CHIP, solve="fraction")
    with shares_down_to_1_in(17):
        return budget.answer(question, StepBench(CHIP, data.load("digits"), steps=1))


@pytest.mark.long
def test_pictures_are_the_same_twice_and_well_formed(measured_budget: budget.Budget) -> None:
    assert budget_html.page(measured_budget) == budget_html.page(measured_budget)
    made = budget_plots.files(measured_budget)
    assert {name.rpartition(".")[0] for name in made} == {"sram", "front", "memory-niti-static", "memory-priot-s"}
    assert made == budget_plots.files(measured_budget)
    for name, content in made.items():
        if name.endswith("svg"):
            assert ElementTree.fromstring(content).tag.endswith("svg")
        else:
            assert content.startswith(b"\x89PNG")


def test_the_page_needs_nothing_from_elsewhere(measured_budget: budget.Budget) -> None:
    page = budget_html.page(measured_budget)
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert "<script" not in page
    assert page.count("<svg") == 8  # four pictures, wide and narrow
    assert "our reconstruction" in page


def test_the_tables_have_the_figures_of_the_json(measured_budget: budget.Budget) -> None:
    found = budget_data.to_json(measured_budget)["rows"]
    asked, best, _ = budget_data.sheets(measured_budget)
    for row, cells, chosen in zip(found, asked.rows, best.rows, strict=True):
        shown = dict(zip(asked.columns, cells, strict=True))
        assert (shown["method"], shown["fits"]) == (row["method"], "yes" if row["fits"] else "no")
        for name in ("needed", "spare"):
            assert shown[f"{name}, KiB"] == f"{row[f'{name}_bytes'] / 1024:,.2f}"
        assert shown["SRAM, KiB"] == f"{row['sram_bytes'] / 1024:g}"
        assert shown["cycles"] == f"{row['cycles']:,}"
        if row["best"]:
            there = dict(zip(best.columns, chosen, strict=True))
            assert there["needed, KiB"] == f"{row['best']['needed_bytes'] / 1024:,.2f}"


@pytest.mark.long
def test_the_page_has_every_cell_and_what_decided(measured_budget: budget.Budget) -> None:
    page = budget_html.page(measured_budget)
    for sheet in budget_data.sheets(measured_budget):
        assert all(f">{cell}<" in page for row in sheet.rows for cell in row)
    assert "<dt>budgets</dt><dd>2K, 8K, 64K</dd>" in page
    assert "<dt>network</dt><dd>tiny-cnn-8</dd>" in page


def test_without_figures_there_is_no_front(measured_budget: budget.Budget) -> None:
    with shares_down_to_1_in(17):
        planned_only = budget.answer(measured_budget.question)
    assert set(budget_plots.plots(planned_only)) == {"sram", "memory-niti-static", "memory-priot-s"}


def test_memory_is_drawn_where_it_is_planned(measured_budget: budget.Budget) -> None:
    """Every tensor is a rectangle of its bytes and operations, and no two of them overlap."""
    for row in measured_budget.rows:
        boxes = memory_plot.boxes(row.asked.planned.plan)
        area = sum(width * height for _, _, width, height in boxes)
        assert area <= len(row.asked.planned.step.ops) * row.asked.planned.plan.sram_bytes
        for i, (x, y, w, h) in enumerate(boxes):
            for u, v, s, t in boxes[:i]:
                assert x + w <= u or u + s <= x or y + h <= v or v + t <= y
