"""Zeroth order in front: where it is niti-static, what it moves, what it keeps in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from m0sim.study.learn import datasets as data
from m0sim.study.learn import layout, methods, networks
from m0sim.study.learn.calibrate import calibrate
from m0sim.study.learn.methods import Config, State, StepTrace
from m0sim.study.learn.methods.zo_int8 import ExploredTrace
from m0sim.study.whatif import planned
from m0sim.study.whatif.configuration import configure

ZO = methods.get("zo-int8")
NETWORK = networks.get("tiny-cnn-8")


def start(seed: int = 0, **options: Any) -> tuple[Any, Config, State]:
    """Method, configuration and state of random weights on digits."""
    rng = np.random.default_rng(2)
    weights = [np.clip(rng.normal(0, 40, s.weight_shape), -127, 127).astype(np.int8) for s in NETWORK.stages]
    digits = data.load("digits")
    images, labels = data.network_input(digits.images[:20]), digits.labels[:20]
    config = ZO.configured(Config((-6, -6, -6, -9), seed=seed), options)
    config = calibrate(NETWORK, ZO, weights, images, labels, config)
    model = ZO.model(NETWORK, weights, config, (images, labels), seed)  # type: ignore[arg-type]
    return model, config, model.initial()


def traces(model: Any, config: Config, state: State, method: Any = ZO, count: int = 6) -> list[StepTrace]:
    digits, found = data.load("digits"), []
    for image, label in zip(data.network_input(digits.images[30 : 30 + count]), digits.labels[30:], strict=False):
        found.append(method.step(NETWORK, model.frozen, state, image, int(label), config))
        state = found[-1].state
    return found


@pytest.mark.parametrize("options", [{"back": 4}, {"back": 64}, {"trained": 1}, {"trained": 2, "back": 2}])
def test_without_layers_in_front_it_is_niti_static(options: dict[str, int]) -> None:
    model, config, state = start(**options)
    ours, theirs = (traces(model, config, state, method) for method in (ZO, methods.get("niti-static")))
    for one, other in zip(ours, theirs, strict=True):
        assert not isinstance(one, ExploredTrace)
        for a, b in zip(one.state.weights, other.state.weights, strict=True):
            np.testing.assert_array_equal(a, b)


def test_it_moves_to_where_the_loss_is_smaller() -> None:
    """By no more than the draw, towards the better of both sides, nothing where they are equal; seeds differ."""
    model, config, state = start(sparsity=1, front_shift=0)
    sides = set()
    for trace in traces(model, config, state, count=12):
        assert isinstance(trace, ExploredTrace)
        added, taken = trace.explored.losses
        sides.add(np.sign(added - taken))
        for i, (before, after) in enumerate(zip(state.weights, trace.explored.state.weights, strict=True)):
            step = after.astype(np.int16) - before
            assert np.abs(step).max() <= 2  # 2^mu
            assert step.any() == (added != taken and i < 3)
        state = trace.state
    assert sides == {-1, 1} or sides == {-1, 0, 1}
    other, its_config, its_state = start(seed=1, sparsity=1, front_shift=0)
    first, same = (traces(model, config, start(sparsity=1)[2], count=1)[0] for _ in range(2))
    second = traces(other, its_config, its_state, count=1)[0]
    assert isinstance(first, ExploredTrace)
    assert isinstance(same, ExploredTrace)
    assert isinstance(second, ExploredTrace)
    assert first.explored.key == same.explored.key != second.explored.key


def test_it_moves_less_with_every_halving() -> None:
    model, config, state = start(r=127, sparsity=0, front_shift=0)
    sizes = []
    for mu in (4, 2, 0, -2):
        trace = traces(model, replace(config, mu=mu), state, count=1)[0]
        moved = zip(state.weights, trace.state.weights, strict=True)
        sizes.append(sum(int(np.abs(b.astype(np.int16) - a).sum()) for a, b in list(moved)[:3]))
    assert sizes[0] > 2 * sizes[1] > 4 * sizes[2] > 8 * sizes[3] > 0


@pytest.mark.parametrize("network", ["tiny-cnn-8", "tiny-cnn", "mlp", "lenet"])
def test_no_copy_of_the_weights_is_kept(network: str) -> None:
    """Beyond niti-static's way back two passes need the rows of four outputs, a few words and the provider's stack."""
    ours, theirs = (planned.plan(configure(network, name)).needed_bytes for name in ("zo-int8", "niti-static"))
    rows = max(4 * layout.row_bytes(stage.n_in) for stage in networks.get(network).stages[:-1])
    assert ours <= theirs + rows + 100 < theirs + networks.get(network).weights
