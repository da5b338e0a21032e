"""niti-replay: a replay is a step on an old image, in a fixed order, on the chip as in the golden model."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from test_device_learning import ODD, RESIDUAL, Study, study
from test_golden import replay_order

from m0sim.chip import device
from m0sim.errors import UsageError
from m0sim.study.learn import kernels, methods, networks, onchip, uses
from m0sim.study.learn.calibrate import calibrate
from m0sim.study.learn.config import Config, DeviceOptions
from m0sim.study.learn.experiment import training
from m0sim.study.learn.experiment.setting import Setting
from m0sim.study.learn.experiment.training import Task, TrainingRun
from m0sim.study.learn.methods import State
from m0sim.study.learn.networks import Dense, Network
from m0sim.study.learn.plan import lower_bound
from m0sim.study.learn.program import DeviceProgram
from m0sim.study.learn.state import NOTHING, Examples
from m0sim.study.whatif import results
from m0sim.study.whatif.configuration import configure
from m0sim.study.whatif.grid import Point

TINY = networks.get("tiny-cnn-8")
OLD = 5
"""Images that are kept."""


def replaying(network: Network = TINY, trained: int = 2, **changes: Any) -> Study:
    """About to train, with five old images; `changes` are options, and fields of `Config`."""
    s = study(network, "niti-static", trained=trained)
    method, images, labels = methods.get("niti-replay"), s.images, s.labels
    own = {"replay": OLD, **{name: changes.pop(name) for name in ("replay", "every") if name in changes}}
    config = method.configured(replace(s.config, **changes), own)
    old = images[-OLD:], labels[-OLD:]
    frozen = method.freeze(network, s.frozen.weights, config, Examples(images, labels, *old))
    return replace(s, method=method, config=config, frozen=frozen)


def deployed(s: Study, state: State | None = None, **options: Any) -> DeviceProgram:
    plan = s.plan(**options)
    chip = device.load("rp2040")
    return onchip.deploy(plan, s.config, s.frozen, state or s.state, kernels.load(), chip)


def on_chip(s: Study, program: DeviceProgram) -> tuple[NDArray[Any], ...]:
    """The learned arrays, empty ones of layers that do not learn."""
    stages = s.network.stages[s.frozen.first :]
    learned = [s.method.arrays_on(program.read, stage, s.frozen)[f"weights{stage.index}"] for stage in stages]
    return (*[NOTHING] * s.frozen.first, *learned)


def by_two_steps(s: Study, count: int) -> Iterator[State]:
    """The state after each of some steps, made of whole steps of niti-static on new and on old images."""
    plain, state = methods.get("niti-static"), s.state
    options = dict(s.config.own)
    order = replay_order(s.config.seed, options["replay"])
    for done, (picture, label) in enumerate(s.samples(count)):
        state = plain.step(s.network, s.frozen, state, picture, label, s.config).state
        if (done + 1) % options["every"] == 0:
            number = order[((done + 1) // options["every"] - 1) % options["replay"]]
            old = s.images[-OLD:][number], int(s.labels[-OLD:][number])
            state = plain.step(s.network, s.frozen, replace(state, steps=done), *old, s.config).state
        state = replace(state, steps=done + 1)
        yield state


def same(a: tuple[NDArray[Any], ...], b: tuple[NDArray[Any], ...]) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


CASES = [
    (TINY, 1, {}),
    (TINY, 2, {"every": 2, "cool": 3}),
    (TINY, 4, {"replay": 3}),
    (ODD, 3, {"every": 3}),
    (RESIDUAL, 2, {}),
]


@pytest.mark.parametrize(("network", "trained", "changes"), CASES)
def test_a_replay_is_a_step_on_an_old_image(network: Network, trained: int, changes: dict[str, Any]) -> None:
    """Golden model and chip, in more steps than there are old images; learned arrays and number of steps."""
    s = replaying(network, trained, **changes)
    state, programs = s.state, [deployed(s), deployed(s, weights_place="sram", scratch="least")]
    moved = 0
    for want, (picture, label) in zip(by_two_steps(s, 8), s.samples(8), strict=True):
        trace = s.method.step(s.network, s.frozen, state, picture, label, s.config)
        moved += trace.replayed is not None and trace.replayed.loss_error.any()
        state = trace.state
        assert same(state.learned, want.learned)
        assert state.steps == want.steps
        for program in programs:
            program.step(picture, label)
            assert same(on_chip(s, program), want.learned)
    assert moved >= 1


def test_a_chip_goes_on_from_any_step() -> None:
    """Which old image is next follows from the number of steps."""
    s = replaying(every=2)
    *_, middle, end = by_two_steps(s, 8)
    program = deployed(s, middle)
    picture, label = list(s.samples(8))[-1]
    program.step(picture, label)
    assert same(on_chip(s, program), end.learned)
    assert not same(middle.learned, end.learned)


def test_without_old_images_it_is_niti_static() -> None:
    s, plain = replaying(replay=0), study(TINY, "niti-static", trained=2)
    assert s.frozen.latents is None
    a, b = s.plan().step, plain.plan().step
    assert (a.ops, a.tensors) == (b.ops, b.tensors)
    picture, label = next(s.samples(1))
    after = (x.method.step(TINY, x.frozen, x.state, picture, label, x.config).state for x in (s, plain))
    assert same(*(state.learned for state in after))


@pytest.mark.parametrize("kinds", ["LL", "LI", "IL", "II"])
def test_either_half_may_have_no_error(kinds: str) -> None:
    """Idle (I): the network is so sure of the right answer that no error is left. The other half learns (L) still."""
    s = replaying()
    *exponents, last = s.config.weight_exponents  # surer of its answers
    s = replace(s, config=replace(s.config, weight_exponents=(*exponents, last + 9)))
    new = next(found for p in s.images if (found := shown(s, p, kinds[0] == "I")))
    old = next(found for p in s.images[30:] if (found := shown(s, p, kinds[1] == "I")))
    examples = Examples(s.images, s.labels, np.array([old[0]] * OLD), np.array([old[1]] * OLD))
    s = replace(s, frozen=s.method.freeze(TINY, s.frozen.weights, s.config, examples))
    trace = s.method.step(TINY, s.frozen, s.state, *new, s.config)
    assert trace.replayed is not None
    assert "".join("L" if half.loss_error.any() else "I" for half in (trace, trace.replayed)) == kinds
    program = deployed(s)
    for _ in range(2):
        cost = program.step(*new)
        assert cost.functions["m0k_replay"].calls == 2
        assert cost.functions["m0k_loss"].calls == 2
        updates = cost.functions.get("m0k_update")
        assert (0 if updates is None else updates.calls) == kinds.count("L")
        assert same(on_chip(s, program), trace.state.learned)
        trace = s.method.step(TINY, s.frozen, trace.state, *new, s.config)
        if kinds.count("L"):
            break  # of what it answers now nothing was asked
    assert np.array_equal(on_chip(s, program)[3], s.state.learned[3]) == (kinds == "II")


def shown(s: Study, picture: NDArray[np.int8], is_right: bool) -> tuple[NDArray[np.int8], int] | None:
    """A picture with the network's own answer, or another; None if that one leaves errors."""
    label = int(s.method.predict(TINY, s.frozen, s.state, picture[None], s.config)[0])
    label = label if is_right else (label + 1) % TINY.classes
    trace = methods.get("niti-static").step(TINY, s.frozen, s.state, picture, label, s.config)
    return None if is_right and trace.loss_error.any() else (picture, label)


@pytest.mark.parametrize("network", [*map(networks.get, ("tiny-cnn-8", "tiny-cnn", "mlp", "lenet")), ODD, RESIDUAL])
def test_a_replay_takes_no_memory_but_what_is_kept(network: Network) -> None:
    """In SRAM a counter, and what rounds it up to the stack's 8 bytes; nothing of one half lives through the other."""
    for trained in range(1, len(network.stages) + 1):
        plain, replay = (
            methods.get(name).outline(network, trained, None, DeviceOptions())
            for name in ("niti-static", "niti-replay")
        )
        assert lower_bound(replay) - lower_bound(plain) == 4


def test_what_cannot_be_is_one_line() -> None:
    with pytest.raises(UsageError, match="trained must be a whole number from 1 to 64, not 0"):
        Setting("niti-replay", 0, {"trained": 0})
    one = Network("one", (2, 2, 1), (Dense(3),))
    with pytest.raises(UsageError, match="niti-replay does not train one: it has nothing in front of its last layer"):
        methods.get("niti-replay").check(one)
    s = replaying()
    with pytest.raises(ValueError, match="niti-replay needs 5 images of the old task"):
        s.method.freeze(TINY, s.frozen.weights, s.config, Examples(s.images, s.labels))


def test_the_last_two_layers_learn_unless_somebody_says_otherwise() -> None:
    method = methods.get("niti-replay")
    weights = study(TINY, "niti-static").frozen.weights
    images, labels = np.zeros((8, 8, 8, 1), np.int8), np.zeros(8, np.int64)
    old = np.zeros((64, 8, 8, 1), np.int8), np.zeros(64, np.int64)
    for given, first in (({}, 2), ({"trained": 3}, 1)):
        config = calibrate(TINY, method, weights, images, labels, method.configured(Config((-7,) * 4), given))
        assert method.freeze(TINY, weights, config, Examples(images, labels, *old)).first == first


@pytest.mark.parametrize("engine", ["device", "golden"])
def test_a_run_goes_on_where_it_was_stopped(engine: str) -> None:
    """Stopped after any number of steps; five an epoch, two a replay, of three old images."""
    options = {"replay": 3, "every": 2}
    task = Task("tiny-cnn-8", "digits", Setting("niti-replay", 0, options), images=5, epochs=2, engine=engine)
    task = replace(task, validation_images=1, test_images=None, measured=0)
    whole = TrainingRun(replace(task, engine="golden")).train().progress
    for steps in (1, 5, 6):
        asked = itertools.count()
        stopped = TrainingRun(task).train(is_stopped=lambda asked=asked, steps=steps: next(asked) > steps)
        assert 0 < len(stopped.progress.epochs) * 5 + stopped.progress.position < 10
        assert training.same(TrainingRun(task, stopped.progress).train().progress.arrays, whole.arrays)


def test_frozen_weights_and_old_images_may_be_in_sram_unasked() -> None:
    uses.check_memory(("niti-replay",), weights="sram")
    with pytest.raises(UsageError, match="--weights is of no use to niti-static"):
        uses.check_memory(("niti-static",), weights="sram")


@pytest.mark.parametrize(("options", "is_known"), [({}, True), ({"trained": 2}, True), ({"replay": 9}, False)])
def test_a_sweep_knows_the_accuracy_of_its_own_setting_alone(
    options: dict[str, int], is_known: bool, tmp_path: Path
) -> None:
    """A sweep's points have the defaults: a run with other old images is none of them."""
    path = tmp_path / "train.json"
    path.write_text(json.dumps({"method": "niti-replay", "network": TINY.name, "options": options, "accuracy": [0.5]}))
    known = results.accuracies([path])
    for trained, found in ((0, is_known), (2, is_known), (3, False)):
        point = Point({}, configure(TINY.name, "niti-replay", trained=trained), device.load("rp2040"), 0, "")
        assert results.accuracy_of(point, known) == (0.5 if found else None)
