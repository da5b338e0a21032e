"""bias-last: its shifts, and that what it learns is a network with biases. Its steps are held by test_golden.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from m0sim.errors import UsageError
from m0sim.study.learn import biases, methods, network_files, networks, pretrain
from m0sim.study.learn.calibrate import Rules, calibrate
from m0sim.study.learn.config import Config, DeviceOptions
from m0sim.study.learn.experiment.setting import Setting
from m0sim.study.learn.experiment.training import Task, TrainingRun, same
from m0sim.study.learn.layers import channel_sums
from m0sim.study.learn.networks import Dense, Network
from m0sim.study.whatif import planned
from m0sim.study.whatif.configuration import configure

METHOD = methods.get("bias-last")
FEW = {"images": 24, "epochs": 1, "validation_images": 10, "test_images": 40}


@given(
    st.integers(-45, 45),
    st.integers(-24, 24),
    st.lists(st.lists(st.integers(-(2**22), 2**22), min_size=3, max_size=3), min_size=1, max_size=6),
    st.lists(st.integers(-biases.LARGEST, biases.LARGEST) | st.integers(-500, 500), min_size=3, max_size=3),
)
@example(-1, 3, [[5, -9, 40]], [0, 0, 1])
@example(7, -24, [[1, -1, 2**22]], [0, biases.LARGEST, -biases.LARGEST])
@example(-29, 0, [[1, -1, 2**22]], [1, 2, 3])
def test_learned_biases_are_exactly_constants(finer: int, r: int, sums: list[list[int]], given: list[int]) -> None:
    """Whatever the exponents: constants within the limit, of which the same first values follow."""
    config = Config((finer - 5, -7), (5, 5), bias_update=(0, r), biases=((), tuple(given)))
    found = biases.learnable(config, 1, 3)
    rule = biases.rule(config, 1)
    for total in sums:
        after = biases.moved(found, np.array(total, np.int32), rule)
        for b, s, moved in zip(found.tolist(), total, after.tolist(), strict=True):
            step, unit = s / 2**r, 2**rule.left
            is_clamped = abs(step) > rule.limit - unit or abs(b - step) > rule.limit - unit
            assert is_clamped or abs(moved - (b - step)) <= unit / 2
            assert abs(moved) <= rule.limit
        found = after
    stored = biases.constants(found, config, 1)
    assert all(abs(b) <= biases.LARGEST for b in stored)
    again = biases.static_first_values(replace(config, biases=((), stored)), 1)
    assert again.tolist() == found.tolist()


@pytest.mark.parametrize("mu", [-1, 1, 4])
def test_the_largest_sum_moves_an_output_by_two_to_mu(mu: int) -> None:
    """By the definition: at least half of 2^mu units of the layer's output, and less than all."""
    network = networks.get("tiny-cnn-8")
    rng = np.random.default_rng(2)
    weights = [np.clip(rng.normal(0, 40, s.weight_shape).round(), -127, 127).astype(np.int8) for s in network.stages]
    images = (rng.integers(0, 128, (20, *network.input_shape)) * (rng.random((20, *network.input_shape)) < 0.5)).astype(
        np.int8
    )
    labels = rng.integers(0, 10, 20)
    config = Config((-7, -7, -7, -9), mu=mu)
    config = calibrate(network, METHOD, weights, images, labels, config, rules=Rules(update_percentile=100))
    frozen = METHOD.freeze(network, weights, config)
    state = METHOD.initial_state(network, frozen, config, 0)
    traces = [METHOD.step(network, frozen, state, x, int(y), config) for x, y in zip(images, labels, strict=True)]
    for i, (r, p) in enumerate(zip(config.bias_update, config.forward, strict=True)):
        sums = [t.errors[i].reshape(-1, t.errors[i].shape[-1]).sum(axis=0, dtype=np.int64) for t in traces]
        assert 2.0 ** (mu - 1) <= np.abs(sums).max() / 2.0 ** (r + p) < 2.0**mu
    assert any(r < 0 for r in config.bias_update) == (mu > 0)
    slower = METHOD.slowed(config, 3)
    assert [b - a for a, b in zip(config.bias_update, slower.bias_update, strict=True)] == [3] * 4
    assert METHOD.slowed(config, -24).bias_update == tuple(max(r - 24, -24) for r in config.bias_update)


@pytest.mark.parametrize(("network", "trained"), [("tiny-cnn-8", 0), ("tiny-cnn-8", 2), ("tiny-cnn-8", 1)])
def test_what_was_learned_is_a_network_with_biases(network: str, trained: int, tmp_path: Path) -> None:
    """The chip's run is the golden model's; its learned.npz, read again, gives the same logits."""
    setting = Setting("bias-last", 0, {"trained": trained})
    on_chip, run = (TrainingRun(Task(network, "digits", setting, engine=e, **FEW)) for e in ("device", "golden"))  # type: ignore[arg-type]
    trained_on = run.train()
    assert same(on_chip.train().progress.arrays, trained_on.progress.arrays)
    learned = run.learned()
    assert learned is not None
    first = len(learned.weights) - trained if trained else 0
    assert [bool(b) for b in learned.config.biases] == [i >= first for i in range(4)]
    assert any(b for layer in learned.config.biases for b in layer)
    pretrain.save(learned, tmp_path / "learned.npz")
    again = network_files.find(tmp_path / "learned.npz").start
    assert again.sha256 == learned.sha256
    model, state = run.model, run._state
    wanted = METHOD.logits(model.network, model.frozen, state, run.test.images, model.config)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(again.logits(run.test.images), wanted)
    backbone = run.backbone.weights
    assert [a is not b and not np.array_equal(a, b) for a, b in zip(learned.weights, backbone, strict=True)] == [
        *(False, False, False, True)
    ]


def test_biases_that_are_there_go_on_learning() -> None:
    """What was learned is a backbone: a further run begins with its biases."""
    run = TrainingRun(Task("tiny-cnn-8", "digits", Setting("bias-last"), engine="golden", **FEW))  # type: ignore[arg-type]
    done, learned = run.train(), run.learned()
    assert learned is not None
    more = TrainingRun(Task(learned, "digits", Setting("bias-last"), engine="golden", **FEW))  # type: ignore[arg-type]
    begun = more.model.arrays(more.model.initial())
    shifts = [each.model.config.forward for each in (run, more)]  # type: ignore[attr-defined]
    kept = [i for i in range(4) if shifts[0][:i] == shifts[1][:i]]  # the others begin with them in another unit
    assert len(kept) >= 2
    for i in kept:
        np.testing.assert_array_equal(begun[f"biases{i}"], done.progress.arrays[f"biases{i}"])
    np.testing.assert_array_equal(begun["weights3"], done.progress.arrays["weights3"])


def test_only_the_last_layers_weights_are_in_sram() -> None:
    network = networks.get("tiny-cnn")
    whole = sum(stage.edges for stage in network.stages) + 2 * 64 + 8 * 3  # with padding
    for place, bytes_of_weights in (("flash", 12 * 64), ("sram", whole)):
        step = METHOD.outline(network, 4, None, DeviceOptions(weights_place=place))
        in_sram = [t for t in step.tensors.values() if t.place == "sram" and t.persistent]
        assert sum(t.size for t in in_sram if t.name.startswith("biases")) == 4 * 98
        assert sum(t.size for t in in_sram if t.name.startswith("weights")) == bytes_of_weights
        assert {op.kernel for op in step.ops if op.phase == "update"} == {"m0k_bias_update", "m0k_niti_dense"}


def test_a_layer_too_wide_for_biases_is_refused() -> None:
    wide = Network("wide", (1, 1, biases.INPUTS_MAX + 1), (Dense(2),))
    with pytest.raises(
        UsageError, match="bias-last does not train wide: layer 0 would get biases, and has more than 33,"
    ):
        METHOD.check(wide)
    METHOD.check(replace(wide, input_shape=(1, 1, biases.INPUTS_MAX)))


def test_sums_of_errors_are_exact() -> None:
    """The largest map: 2^16 positions of 127."""
    error = np.full((256, 256, 2), 127, np.int8)
    error[..., 1] = -127
    assert channel_sums(error).tolist() == [127 << 16, -(127 << 16)]


def test_a_budget_knows_where_frozen_weights_are() -> None:
    flash, sram = (planned.plan(configure("tiny-cnn", "bias-last", weights=place)) for place in ("flash", "sram"))
    assert (flash.configuration.weights, sram.configuration.weights) == ("flash", "sram")
    assert sram.needed_bytes - flash.needed_bytes > 51_000  # all of them but the last layer's
