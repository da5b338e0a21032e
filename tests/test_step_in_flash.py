"""What flash adds to a training step: the timed engine's warm figures, beside counts of memory that does not wait."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any
from unittest import mock

import numpy as np
import pytest

from m0sim.chip import device
from m0sim.chip.device import Device
from m0sim.chip.engine.flash_runs import FlashRuns
from m0sim.chip.options import Engine, FlashModel
from m0sim.errors import UsageError
from m0sim.study.learn import datasets, kernels, methods, networks
from m0sim.study.learn.config import DeviceOptions
from m0sim.study.learn.deployment import Deployment
from m0sim.study.learn.experiment import images
from m0sim.study.learn.experiment.setting import tuned
from m0sim.study.learn.experiment.training import Task, TrainingRun
from m0sim.study.learn.program import DeviceProgram, FlashOfStep, phase_cycles, zero_wait_cycles
from m0sim.study.learn.side_by_side import ComparisonTask, StartingPoint, compare, start_of
from m0sim.study.whatif import measure, planned
from m0sim.study.whatif.configuration import configure

try:
    kernels.load()
except UsageError as missing:
    pytest.skip(str(missing), allow_module_level=True)

PICO, CLKDIV_4 = device.load("rp2040"), device.load("rp2040-clkdiv4")
STEPS = 3


@lru_cache
def task(chip: Device, weights: str = "flash") -> ComparisonTask:
    options = DeviceOptions(weights_place=weights)
    digits = datasets.load("digits")
    return ComparisonTask(networks.get("tiny-cnn-8"), digits, chip, ("priot",), STEPS, options=options)


@lru_cache
def start() -> StartingPoint:
    return start_of(task(PICO))


def program(chip: Device = PICO, weights: str = "flash") -> DeviceProgram:
    method, backbone = methods.get("priot"), (networks.get("tiny-cnn-8"), start().weights)
    model = method.model(
        *backbone, method.calibrated(*backbone, start().config, start().calibration, 0), start().calibration, 0
    )
    return Deployment.of(model, task(chip, weights).options, chip).program(model.initial())


def steps_in_flash(made: DeviceProgram, level: str = "cycles") -> list:
    return [made.step_in_flash(image, int(label), level=level) for image, label in zip(*start().training, strict=True)]


@pytest.mark.parametrize("level", ["cycles", "memory"])
def test_it_learns_and_counts_as_a_step_without_flash(level: str) -> None:
    made, other = program(), program()
    found = steps_in_flash(made, level)
    costs = [other.step(image, int(label)) for image, label in zip(*start().training, strict=True)]
    assert [zero_wait_cycles(cost) for cost in found] == [cost.cycles for cost in costs]
    assert all(mine.cycles > theirs.cycles for mine, theirs in zip(found, costs, strict=True))
    assert [cost.stack_bytes for cost in found] == [cost.stack_bytes for cost in costs]
    for name in made.plan.placed:
        np.testing.assert_array_equal(made.read(name), other.read(name), err_msg=name)
    assert sum(phase_cycles(found[0]).values()) > sum(phase_cycles(costs[0]).values())


def test_it_is_what_a_call_with_a_warm_cache_adds() -> None:
    made, other = program(), program()
    (image, *_), (label, *_) = start().training
    mine = made.step_in_flash(image, int(label)).flash
    asked = other.machine.call("m0k_step", other._next(image, int(label)), keep=True, flash_report=True).flash
    assert mine is not None
    assert asked is not None
    assert asked.cold_cycles is not None
    assert (mine.cold, mine.warm) == (asked.cold, asked.warm)
    assert 0 < mine.warm_cycles < asked.cold_cycles
    assert mine.warm_cycles == 60 * (mine.warm.code_misses + mine.warm.data_misses)


def test_a_cache_kept_from_the_step_before_adds_nearly_the_same() -> None:
    """What is modelled: the same step before. In training another image was before, for which kernels chose other ways:
    not all of their code is in the cache."""
    made, kept = program(), program()

    def run_once(runs: FlashRuns, call: Any, engine: Engine, flash: FlashModel) -> Any:
        return runs._run(call, engine, flash)

    for number, cost in enumerate(steps_in_flash(made)):
        with mock.patch.object(FlashRuns, "counted", run_once):
            image, label = start().training[0][number], int(start().training[1][number])
            found = kept.step_in_flash(image, label)
        assert zero_wait_cycles(found) == zero_wait_cycles(cost)
        if number:  # before the first step the cache is empty
            assert abs(found.flash.warm_cycles - cost.flash.warm_cycles) < 0.04 * cost.cycles


def test_means_over_steps() -> None:
    first, second, _ = steps_in_flash(program())
    words = [cost.flash.warm.code_misses + cost.flash.warm.data_misses for cost in (first, second)]
    assert words[0] != words[1]
    assert FlashOfStep.of([first, second]) == FlashOfStep(60 * sum(words) / 2, sum(words) / 2)
    assert FlashOfStep.of([replace(first, flash=None)]) is None
    assert FlashOfStep.of([]) is None


def test_compare_and_budget_have_that_figure() -> None:
    (compared,) = compare(task(PICO)).methods
    found = FlashOfStep(compared.flash_estimate_cycles, compared.flash_misses_words)
    assert found == FlashOfStep.of(steps_in_flash(program()))
    assert compared.ratio_with_flash == 1.0
    asked = planned.plan(configure("tiny-cnn-8", "priot"))
    measured = measure.measure(asked, PICO, start())
    model = measure.model_of(asked.configuration, start(), 0)
    costs = steps_in_flash(measure.deployment_of(asked, model, PICO).program(model.initial()))
    found = FlashOfStep(measured.flash_estimate_cycles, measured.flash_misses_words)
    assert found == FlashOfStep.of(costs)
    assert measured.cycles == tuple(map(zero_wait_cycles, costs))


def test_train_has_that_figure_of_its_own_first_steps() -> None:
    asked = Task("tiny-cnn-8", "digits", tuned("priot", None, {}), images=20, epochs=1, test_images=None)
    run, apart = TrainingRun(asked), TrainingRun(asked)
    order = images.order(asked.seed, 0, 20)[:5]
    chip = apart.deployment.program(apart.model.initial())
    costs = [chip.step_in_flash(run.transfer.images[i], int(run.transfer.labels[i])) for i in order]
    assert run.flash_of_step() == FlashOfStep.of(costs)
    assert run.train().progress.cycles == apart.train().progress.cycles  # it was run apart
    ideal = replace(asked, profile=device.load("stm32g0"))
    assert TrainingRun(ideal).flash_of_step() is None


def test_weights_in_sram_do_not_wait_and_a_slower_flash_waits_longer() -> None:
    """What is left is code, which no longer fits the cache, and constants: parameter blocks, gaps, operation lists."""
    inside, outside = (steps_in_flash(program(PICO, place)) for place in ("sram", "flash"))
    data = [sum(cost.flash.warm.data_misses for cost in costs) for costs in (inside, outside)]
    assert data[0] < 0.75 * data[1]
    mean = FlashOfStep.of(outside)
    assert FlashOfStep.of(inside).misses_words < mean.misses_words
    assert FlashOfStep.of(steps_in_flash(program(CLKDIV_4))) == FlashOfStep(2 * mean.cycles, mean.misses_words)


def test_flash_with_wait_states_and_flash_that_is_not_known_to_wait() -> None:
    slow = device.load("stm32g0").at_clock(64_000_000)
    (compared,) = compare(task(slow)).methods
    assert compared.flash_estimate_cycles == 2 * compared.flash_misses_words > 0
    (compared,) = compare(task(slow.at_clock(16_000_000))).methods
    assert (compared.flash_estimate_cycles, compared.flash_misses_words, compared.ratio_with_flash) == (None,) * 3
