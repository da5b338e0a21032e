"""Float32 training on the device (kernels/fp32, m0sim/study/learn/float_step.py) against NumPy float32.

The model adds in the kernels' order, so that the forward pass must be equal bit for bit: no gate and no maximum depends
on rounding. Behind the loss NumPy's exp differs in the last bits, and what follows is held to `TOLERANCE`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from conftest import found_toolchain
from numpy.typing import NDArray

from m0sim import Machine, toolchain
from m0sim.chip.device import load as load_device
from m0sim.errors import UsageError
from m0sim.study.learn import datasets as data
from m0sim.study.learn import float_step, networks
from m0sim.study.learn.float_step import FloatProgram
from m0sim.study.learn.networks import Conv, Dense, Network, Pool, Stage
from m0sim.study.learn.program import phase_cycles

Float = NDArray[np.float32]
Int8 = NDArray[np.int8]

TOLERANCE = 2e-6  # of a tensor's largest magnitude: some ten units in the last place
RATE = 0.05

SHAPES = {
    "no pool": Network("", (5, 4, 2), (Conv(3), Conv(5, (3, 2), pad=0), Dense(4))),
    "odd pools": Network("", (9, 7, 1), (Conv(2), Pool(), Conv(3), Pool(), Dense(3))),
    "stride": Network("", (8, 9, 3), (Conv(4, (3, 3), stride=2), Conv(1, (1, 1), pad=0), Pool(), Dense(5), Dense(2))),
    "large kernel": Network("", (6, 7, 1), (Conv(3, (5, 5), pad=0), Conv(2, (5, 5), pad=2), Dense(3))),
    "one pixel": Network("", (1, 1, 1), (Conv(1), Conv(2, (3, 3), stride=2), Dense(1), Dense(2))),
    "one weight": Network("", (1, 1, 1), (Dense(1),)),
}


# ----------------------------------------------------------------------------------------------------------- the model


class Model:
    """One step in float32, with all tensors by their names on the device."""

    def __init__(self, network: Network, weights: Sequence[Float], image: Int8, label: int) -> None:
        self.tensors: dict[str, Float] = {}
        self._argmax: dict[int, NDArray[np.int64]] = {}
        values = image.astype(np.float32) / np.float32(128)
        for stage in network.stages:
            self.tensors[f"activation{stage.index}"] = values = values.reshape(stage.in_shape)
            values = self._forward(stage, weights[stage.index], values)
        logits = values.astype(np.float64)
        softmax = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
        self.loss = float(-np.log(softmax[label]))
        error = (softmax - np.eye(network.classes)[label]).astype(np.float32)
        self.tensors[f"activation{len(network.stages)}"] = values
        for stage in reversed(network.stages):
            self.tensors[f"error{stage.index}"] = error
            error = self._through(stage, weights[stage.index], error)

    def _forward(self, stage: Stage, weights: Float, inputs: Float) -> Float:
        rows = patches(stage, inputs)
        out = np.zeros((len(rows), stage.n_out), np.float32)
        for i, column in enumerate(weights.reshape(stage.n_out, -1).T):
            out += rows[:, i, None] * column
        out = out.reshape(stage.raw_shape)
        out = out if stage.last else np.maximum(out, 0)
        if not stage.pooled:
            return out
        height, width, channels = stage.out_shape
        windows = out[: 2 * height, : 2 * width].reshape(height, 2, width, 2, channels).transpose(0, 2, 4, 1, 3)
        windows = windows.reshape(height, width, channels, 4)
        self._argmax[stage.index] = windows.argmax(axis=-1)
        return windows.max(axis=-1)

    def raw_error(self, stage: Stage, error: Float) -> Float:
        """The error before the pool, [*raw_shape]."""
        error = error.reshape(stage.out_shape)
        if not stage.pooled:
            return error
        raw = np.zeros(stage.raw_shape, np.float32)
        for y, x, c in np.ndindex(*stage.out_shape):
            i, j = divmod(int(self._argmax[stage.index][y, x, c]), 2)
            raw[2 * y + i, 2 * x + j, c] = error[y, x, c]
        return raw

    def _through(self, stage: Stage, weights: Float, error: Float) -> Float:
        below = self.tensors[f"activation{stage.index}"]
        raw = self.raw_error(stage, error)
        if not isinstance(stage.layer, Conv):
            out = (raw[:, None] * weights).sum(axis=0)
        else:
            (kh, kw), step, pad = stage.layer.kernel, stage.layer.stride, stage.layer.pad
            height, width, channels = stage.in_shape
            out = np.zeros((height + 2 * pad, width + 2 * pad, channels), np.float32)
            for y, x, o in np.ndindex(*stage.raw_shape):
                out[y * step : y * step + kh, x * step : x * step + kw] += raw[y, x, o] * weights[o]
            out = out[pad : pad + height, pad : pad + width]
        return np.where(below == 0, np.float32(0), out.reshape(below.shape))

    def updated(self, stage: Stage, weights: Float, rate: float) -> Float:
        """The stage's weights after the step."""
        raw = self.raw_error(stage, self.tensors[f"error{stage.index}"]).reshape(-1, stage.n_out)
        rows = patches(stage, self.tensors[f"activation{stage.index}"])
        return weights - np.float32(rate) * (raw.T @ rows).reshape(weights.shape)


def patches(stage: Stage, inputs: Float) -> Float:
    """im2col: [positions, n_in]."""
    if not isinstance(stage.layer, Conv):
        return inputs.reshape(1, -1)
    (kh, kw), step, pad = stage.layer.kernel, stage.layer.stride, stage.layer.pad
    padded = np.pad(inputs, ((pad, pad), (pad, pad), (0, 0)))
    places = product(range(stage.raw_shape[0]), range(stage.raw_shape[1]))
    return np.stack([padded[y * step : y * step + kh, x * step : x * step + kw].reshape(-1) for y, x in places])


def random_weights(network: Network, seed: int = 0) -> list[Float]:
    """He's initialisation."""
    rng = np.random.default_rng(seed)
    return [(rng.normal(size=s.weight_shape) * (2 / s.n_in) ** 0.5).astype(np.float32) for s in network.stages]


def assert_close(got: Float, expected: Float, scale: float | None = None) -> None:
    scale = float(np.abs(expected).max()) if scale is None else scale
    np.testing.assert_allclose(got, expected.reshape(got.shape), rtol=0, atol=TOLERANCE * scale + 1e-30)


def check_step(program: FloatProgram, image: Int8, label: int, rate: float) -> Model:
    """Train one step and compare: the tensors that are left behind it, and the weights."""
    before = program.weights()
    network = program.plan.step.network
    model = Model(network, before, image, label)
    cost = program.step(image, label)
    assert cost.stack_bytes <= float_step.STACK_BYTES
    for stage, old, new in zip(network.stages, before, program.weights(), strict=True):
        assert_close(new, model.updated(stage, old, rate))
    return model


def deploy(network: Network, weights: Sequence[Float], name: str = "zig", rate: float = RATE) -> FloatProgram:
    found_toolchain(name)
    return float_step.deploy(network, weights, load_device("rp2040"), rate, name)


# ------------------------------------------------------------------------------------------------------------ the tests


@pytest.mark.parametrize("name", toolchain.NAMES)
def test_steps_on_digits_equal_numpy(name: str) -> None:
    network, digits = networks.get("tiny-cnn-8"), data.load("digits")
    program = deploy(network, random_weights(network), name)
    for image, label in zip(data.network_input(digits.images[:6]), digits.labels[:6], strict=True):
        check_step(program, image, int(label), RATE)


@pytest.mark.parametrize("name", toolchain.NAMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_tensor_equals_numpy(shape: str, name: str) -> None:
    network = SHAPES[shape]
    check_operations(network, 3, name)


@pytest.mark.parametrize("seed", range(12))
def test_random_networks_equal_numpy(seed: int) -> None:
    check_operations(random_network(seed), seed, "zig")


def check_operations(network: Network, seed: int, name: str) -> None:
    """Run a step operation by operation; compare what each has written."""
    rng = np.random.default_rng(seed)
    image = (rng.integers(0, 128, network.input_shape) * rng.integers(0, 2, network.input_shape)).astype(np.int8)
    label = int(rng.integers(network.classes))
    program = deploy(network, random_weights(network, seed), name)
    model = Model(network, program.weights(), image, label)
    program.write("image", image.tobytes())
    program.write("label", label.to_bytes(4, "little"))
    compared = set()
    for i, op in enumerate(program.plan.step.ops):
        program.run_op(i)
        for tensor in op.tensors():
            if tensor not in model.tensors:
                continue
            compared.add(tensor)
            if tensor.startswith("activation"):
                np.testing.assert_array_equal(program.values(tensor), model.tensors[tensor].reshape(-1))
            else:
                assert_close(program.values(tensor), model.tensors[tensor], scale=1)
    assert compared == set(model.tensors)
    check_step(deploy(network, random_weights(network, seed), name), image, label, RATE)


def random_network(seed: int) -> Network:
    """One or two convolutions of any kernel, stride and padding, with or without pools, and one or two dense layers."""
    rng = np.random.default_rng(seed)
    while True:
        layers: list[Conv | Pool | Dense] = []
        for _ in range(rng.integers(1, 3)):
            kh, kw, stride, pad = (int(rng.integers(low, high)) for low, high in ((1, 5), (1, 5), (1, 3), (0, 3)))
            layers.append(Conv(int(rng.integers(1, 6)), (kh, kw), stride, pad))
            layers += [Pool()] * int(rng.integers(2))
        layers += [Dense(int(rng.integers(1, 9)))] * int(rng.integers(2))
        shape = tuple(int(n) for n in rng.integers(1, 11, 3) // (1, 1, 3) + (0, 0, 1))
        network = Network(f"random {seed}", shape, (*layers, Dense(int(rng.integers(2, 6)))))
        try:
            assert network.stages
        except ValueError:
            continue
        return network


def test_both_toolchains_give_the_same_bits() -> None:
    network = SHAPES["stride"]
    image = np.random.default_rng(0).integers(0, 128, network.input_shape).astype(np.int8)
    programs = [deploy(network, random_weights(network), name) for name in toolchain.NAMES]
    for program in programs:
        program.step(image, 1)
    for zig, gnu in zip(programs[0].weights(), programs[1].weights(), strict=True):
        np.testing.assert_array_equal(zig, gnu)


@pytest.mark.parametrize("name", toolchain.NAMES)
def test_loss_gradient_of_any_logits(name: str) -> None:
    found_toolchain(name)
    rng = np.random.default_rng(1)
    cases = [scale * rng.normal(size=n) for scale in (0, 1e-3, 1, 5, 30, 1000) for n in (1, 2, 10, 33)]
    cases += [np.array([0, -86.9, -87.1, -0.34657, -0.34658, -126.5]), np.array([-1e30, 1e30])]
    for case in cases:
        logits = case.astype(np.float32)
        wide = np.exp(logits.astype(np.float64) - float(logits.max()))
        expected = wide / wide.sum() - np.eye(len(logits))[-1]
        machine = Machine(float_step.load_kernels(name))
        buffers = [machine.alloc(a) for a in (logits, np.array([len(logits) - 1], np.uint32), np.zeros_like(logits))]
        block = machine.alloc(np.array([*(b.address for b in buffers), len(logits)], np.uint32))
        machine.call("fp32_loss", block)
        np.testing.assert_allclose(buffers[2].read(), expected, rtol=2e-6, atol=3e-7)


def test_pool_takes_the_first_maximum() -> None:
    found_toolchain("zig")
    windows = np.array(list(product((0.0, 1e-30, 3.0), repeat=4)), np.float32)  # all orders, with all ties
    height, width = 2 * 9, 2 * 3
    values = windows.reshape(9, 3, 3, 2, 2).transpose(0, 3, 1, 4, 2).copy()
    machine = Machine(float_step.load_kernels("zig"))
    buffers = [machine.alloc(a) for a in (values, np.zeros(81, np.float32), np.zeros(81, np.uint8))]
    machine.call("fp32_pool", machine.alloc(np.array([*(b.address for b in buffers), height, width, 3], np.uint32)))
    np.testing.assert_array_equal(buffers[1].read(), windows.max(axis=1))
    np.testing.assert_array_equal(buffers[2].read(), windows.argmax(axis=1))


def test_steps_reduce_the_loss() -> None:
    network, digits = networks.get("tiny-cnn-8"), data.load("digits")
    program = deploy(network, random_weights(network), rate=0.02)
    image, label = data.network_input(digits.images[:1])[0], int(digits.labels[0])
    losses = [check_step(program, image, label, 0.02).loss for _ in range(5)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize(("name", "library"), [("zig", "compiler-rt"), ("gnu", "libgcc")])
def test_compiler_and_library_are_named(name: str, library: str) -> None:
    found_toolchain(name)
    assert re.fullmatch(rf"{name} \d+\.\d+\.\d+ / {library}", float_step.arithmetic(name))


def test_phases_and_memory_are_reported_as_for_other_methods() -> None:
    network = networks.get("tiny-cnn")
    program = deploy(network, random_weights(network))
    assert program.fits
    cost = program.step(np.full(network.input_shape, 64, np.int8), 3)
    phases = phase_cycles(cost)
    assert phases.pop("prune") == 0
    assert min(phases.values()) > 0
    assert 0 <= cost.cycles - sum(phases.values()) < 200
    assert program.plan.sram_by_kind()["weights"] == 4 * network.weights
    assert program.plan.sram_bytes == program.plan.lower_bound


def test_what_does_not_fit_runs_on_an_enlarged_device_and_says_so() -> None:
    network = networks.get("mlp")
    program = deploy(network, random_weights(network))
    assert not program.fits
    check_step(program, np.random.default_rng(0).integers(0, 128, network.input_shape).astype(np.int8), 3, RATE)


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(UsageError, match="tiny-cnn has weights of shape"):
        float_step.deploy(networks.get("tiny-cnn"), [], load_device("rp2040"), RATE)
