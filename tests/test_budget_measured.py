"""Plans against measurement: configurations chosen over the knobs, every byte that their steps touch looked at."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import test_device_learning as on_device
from conftest import parts, quick_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from m0sim.chip import device
from m0sim.errors import M0simError, UsageError
from m0sim.study.learn import datasets as data
from m0sim.study.learn import kernels, methods, networks
from m0sim.study.learn.config import DeviceOptions
from m0sim.study.whatif import measure, planned
from m0sim.study.whatif.configuration import Configuration, configure, wide_network
from m0sim.study.whatif.measure import StepBench
from m0sim.study.whatif.sizes import SramRoom

try:
    kernels.load()
except UsageError as missing:
    pytest.skip(str(missing), allow_module_level=True)

CHIP = device.load("rp2040")
STEPS = 12
"""Training images: ten steps are looked at."""


@st.composite
def configurations(draw: st.DrawFn) -> Configuration:
    """Any of a small network's: method, width, layers, fraction, mask, place of the weights, reuse."""
    method = draw(st.sampled_from(methods.integer_names()))
    return configure(
        "tiny-cnn-8",
        method,
        width=draw(st.sampled_from([0.25, 0.5, 1.0, 1.5]) | st.integers(8, 96).map(lambda n: n / 64)),
        trained=draw(st.integers(1, 4)),
        fraction=1 / draw(st.integers(1, 30)),
        mask=draw(st.sampled_from(methods.get(method).mask_forms or ("fused",))),
        weights=draw(st.sampled_from(["flash", "sram"])),
        reuse=draw(st.booleans()),
    )


@lru_cache(maxsize=1)
def bench() -> StepBench:
    return StepBench(CHIP, data.load("digits"), STEPS)


def assert_plan_is_kept(c: Configuration) -> None:
    """Nothing outside the plan is touched, and what of it is not is padding or depends on the images."""
    made = planned.plan(c)
    network = wide_network(c.network, c.width)
    start = bench().start(network)
    model = measure.model_of(c, start, 0)
    images, labels = start.training
    study = on_device.Study(network, methods.get(c.method), model.config, model.frozen, model.initial(), images, labels)
    program = measure.deployment_of(made, model, CHIP).program(model.initial())
    on_device.assert_plan_is_kept(study, program)
    cost = program.step(images[0], int(labels[0]), level="memory")
    assert cost.stack_bytes <= made.stack_bytes
    assert 0 <= made.needed_bytes - (program.plan.sram_bytes + made.stack_bytes) < 2 * 8


CHOSEN = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=2, **CHOSEN)
@given(configurations())
def test_plans_are_kept(configuration: Configuration) -> None:
    assert_plan_is_kept(configuration)


@pytest.mark.long
@pytest.mark.parametrize("examples", parts([20, 60], long=1))
def test_more_plans_are_kept(examples: int) -> None:
    @settings(max_examples=examples, **CHOSEN)
    @given(configurations())
    def every(configuration: Configuration) -> None:
        assert_plan_is_kept(configuration)

    every()


@pytest.mark.parametrize("method", quick_of(methods.integer_names(), [*on_device.QUICK, "priot-s", "zo-int8"]))
def test_figures_are_those_of_steps_on_the_machine(method: str) -> None:
    """Cycles equal those of a step at the default level, which is another accountant."""
    made = planned.plan(configure("tiny-cnn-8", method, trained=2))
    found = bench().measure(made)
    start = bench().start(wide_network("tiny-cnn-8", 1.0))
    model = measure.model_of(made.configuration, start, 0)
    program = measure.deployment_of(made, model, CHIP).program(model.initial())
    cycles = [program.step(image, int(y)).cycles for image, y in zip(*start.training, strict=True)]
    assert list(found.cycles) == cycles
    assert found.mean_cycles == round(sum(cycles) / len(cycles))
    assert found.stack_bytes <= made.stack_bytes
    assert 0.9 * made.plan.sram_bytes <= found.sram_touched <= made.plan.sram_bytes


def test_a_byte_outside_the_plan_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan that claims to need less than the step touches is not believed."""
    made = planned.plan(configure("tiny-cnn-8", "niti-static"))
    true_size = made.plan.sram_bytes
    monkeypatch.setattr(type(made.plan), "sram_bytes", property(lambda plan: true_size - 4))
    with pytest.raises(M0simError, match="4 bytes outside its plan"):
        measure.measure(made, CHIP, bench().start(networks.get("tiny-cnn-8")))


def test_less_stack_than_planned_is_an_error() -> None:
    made = replace(planned.plan(configure("tiny-cnn-8", "niti-static")), stack_bytes=100)
    with pytest.raises(M0simError, match="of stack, planned were 100"):
        measure.measure(made, CHIP, bench().start(networks.get("tiny-cnn-8")))


def test_banks_cost_next_to_nothing() -> None:
    """What an earlier tensor left in the padding of an error can decide whether four outputs are skipped together."""
    c = configure("tiny-cnn-8", "priot")
    split, whole = planned.plan(c, SramRoom("", (5000, 5000, 8000))), planned.plan(c)
    assert split.plan.sram_bytes > whole.plan.sram_bytes
    assert bench().measure(split).cycles == pytest.approx(bench().measure(whole).cycles, rel=0.005)


def test_networks_of_another_width_have_random_weights() -> None:
    narrow = bench().start(wide_network("tiny-cnn-8", 0.5))
    assert narrow.note == "random weights"
    assert [w.shape[0] for w in narrow.weights] == [4, 8, 16, 10]
    assert bench().start(networks.get("tiny-cnn-8")).note == ""


@pytest.mark.parametrize(
    "names", [("niti-dynamic", "priot-s"), pytest.param(methods.integer_names(), marks=pytest.mark.long)]
)
def test_plans_equal_those_that_compare_shows(names: tuple[str, ...]) -> None:
    """`m0sim compare` plans from the real shifts and gaps: the same SRAM, by kind."""
    from m0sim.study.learn import side_by_side as compare

    options = DeviceOptions()
    task = compare.task_of("tiny-cnn-8", data.load("digits"), CHIP, ",".join(names), steps=1, base="", options=options)
    for result in compare.compare(task).methods:
        assert planned.plan(configure("tiny-cnn-8", result.method)).needed_bytes == result.sram_planned["total"]


def test_the_same_twice() -> None:
    made = planned.plan(configure("tiny-cnn-8", "priot-s", width=0.75))
    one, two = (StepBench(CHIP, data.load("digits")).measure(made) for _ in range(2))
    assert json.dumps(one.cycles) == json.dumps(two.cycles)
    assert np.isclose(one.with_flash, two.with_flash, rtol=0)
