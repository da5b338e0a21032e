"""The device program: every tensor of a training step on the chip equals the golden model's, and stays in its plan."""

from __future__ import annotations

import os
import re
import runpy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import quick_of
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from m0sim import Machine, image
from m0sim.chip import device
from m0sim.chip.cost import Cost
from m0sim.image import Image
from m0sim.study.learn import (
    blocks,
    calibrate,
    fit,
    layout,
    methods,
    network_toml,
    networks,
    onchip,
    plan,
    pools,
    scratch,
    step,
)
from m0sim.study.learn import datasets as data
from m0sim.study.learn import kernels as assembled
from m0sim.study.learn.config import DeviceOptions
from m0sim.study.learn.layers import LOSS_EXPONENT, patches, requantise
from m0sim.study.learn.methods import Config, Frozen, Method, State, StepTrace
from m0sim.study.learn.methods.niti_replay import AGAIN
from m0sim.study.learn.methods.options import CONFIG_FIELDS
from m0sim.study.learn.methods.zo_int8 import ExploredTrace
from m0sim.study.learn.networks import Add, AveragePool, Conv, Dense, Depthwise, Network, Pool, Stage
from m0sim.study.learn.program import DeviceProgram
from m0sim.study.learn.rotate import rotate
from m0sim.study.learn.state import Examples, Layer
from tests.reference import learning as scalar

KERNELS = Path(__file__).parents[1] / "kernels"
EXAMPLES = Path(__file__).parents[1] / "examples"
MNIST = os.environ.get("M0SIM_MNIST_DIR")
"""A folder with MNIST's files, if the long tests are to use them."""

WHOLE = device.load("rp2040")
DEVICE = replace(WHOLE, regions=tuple(replace(r, size=512 << 10) if r is WHOLE.flash else r for r in WHOLE.regions))
"""An RP2040 with 512 KB of flash, more than any network here takes: each operation that is looked at byte by byte has
maps of all memory made for it, and those of 2 MB took a third of its time."""
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "niti-static": ("niti-static", {}),
    "niti-partial": ("niti-partial", {"own": (("hi", 70), ("lo", 10))}),
    "niti-dynamic": ("niti-dynamic", {}),
    "priot": ("priot", {"keep": 0.96}),
    "priot-threshold": ("priot-threshold", {"theta": -60}),
    "priot-s random": ("priot-s", {"selection": "random", "keep": 0.96}),
    "priot-s largest": ("priot-s", {"selection": "largest"}),
    "priot-s threshold": ("priot-s", {"prune": "threshold", "theta": -30}),
    "priot-s sensitive": ("priot-s", {"selection": "sensitive", "spread": "root"}),
    "priot-s-head": ("priot-s-head", {"keep": 0.9}),
    "tin-tin": ("tin-tin", {}),
    "bias-last": ("bias-last", {}),
    "zo-int8": ("zo-int8", {"back": 1, "r": 20, "sparsity": 1, "front_shift": 0}),
    "zo-int8 two": ("zo-int8", {"back": 2, "r": 127, "sparsity": 0, "front_shift": 1}),
    "niti-replay": ("niti-replay", {"replay": 3}),
}
TRAINED = (
    *("niti-static", "niti-partial", "niti-dynamic", "priot", "priot-threshold", "priot-s random", "tin-tin"),
    *("bias-last", "zo-int8", "niti-replay", "priot-s-head"),
)
"""One variant a method, for networks of which only the last layers learn."""
QUICK = ("niti-dynamic", "priot", "tin-tin")
"""Weights by a measured scale, scores, and weights of 16 bits: what the quick run has where every variant, in every
form, is looked at on a network of odd sizes already, and the rest is in the long run."""

MOVED = {"priot": 0.3, "priot-threshold": 0.1, "priot-s": 0.5, "priot-s-head": 0.5}
"""Share of the scores that a step may move: much, so that every layer changes in nearly every step; but a threshold,
unlike top-k, lets a network die in which all scores fall."""
LONG_ONLY = ("priot-s largest", "priot-s threshold", "priot-s sensitive", "zo-int8 two")
"""Variants whose memory is looked at in the long tests only: they run the same kernels as "priot-s random"."""
LONG_VARIANTS = [name for name in VARIANTS if name != "priot-s threshold"]
FORMS = [
    (name, form) for name in VARIANTS for form in (step.MASK_FORMS if name.startswith("priot") else step.MASK_FORMS[:1])
]
ONE_FORM = [
    (name, form) for name, form in FORMS if name not in LONG_ONLY and (form == "fused" or not name.startswith("priot"))
]
"""One form for each method: of the masks the one that is fused into the kernels."""

_POOL = Pool()
ODD = Network("odd", (9, 7, 1), (Conv(3), _POOL, Conv(5, (3, 2), pad=1), Dense(7), Dense(6), Dense(3)))
"""No size is a multiple of 4: every tensor has padding."""
APART = Network("apart", (8, 8, 1), (Conv(8), Depthwise(), Conv(16, (1, 1), pad=0), Dense(10)))
ODD_APART = Network(
    "odd apart",
    ODD.input_shape,
    (
        *(Depthwise(pad=2), Conv(5), Depthwise((3, 2), stride=2, pad=(1, 2), bias=True), _POOL),
        *(Depthwise((1, 4), pad=(0, 2), bias=True), Dense(7), Dense(3)),
    ),
)
"""The lowest layer and others; behind the image, with pools and biases, with channels that are no multiple of 4."""
WIDE_APART = Network("wide apart", (5, 5, 1), (Conv(24, (1, 1), pad=0), Depthwise((5, 5), pad=2), Dense(10)))
"""Its gradient is larger than its maps."""


def str_of(value: object) -> str:
    """Of a network its name."""
    return value.name if isinstance(value, Network) else str(value)


SIGNALS = Network(
    "signals",
    (1, 48, 2),
    (
        Conv(8, (1, 7), pad=(0, 3)),
        Pool((1, 2)),
        Conv(12, (1, 5), stride=2, pad=(0, 2)),
        Pool((1, 2)),
        Depthwise((1, 3), pad=(0, 1)),
        Pool((1, 2)),
        Conv(8, (1, 3), pad=(0, 1)),
        AveragePool(),
        Dense(4),
    ),
)
"""Of one dimension, with maxima over two samples and a mean over all."""
MEANS = Network(
    "means",
    (11, 9, 1),
    (
        Conv(8, pad=(0, 1)),
        AveragePool((3, 2)),
        Conv(5, (1, 3), pad=(1, 0)),
        Pool((2, 1)),
        Conv(6, (3, 2)),
        AveragePool(),
        Dense(3),
    ),
)
"""Means over windows of six values and over a map of six, with and without whole words, and a maximum over two rows."""
POOLS = (SIGNALS, MEANS)
RESIDUAL = Network("residual", (8, 8, 1), (Conv(8), Conv(8), Conv(8), Add(0), Pool(), Dense(10)))
TANGLED = Network(
    "tangled",
    (9, 7, 3),
    (
        *(Conv(3), Add(-1), Conv(3, (1, 1), pad=0), Depthwise(), Add(1), Conv(3), Add(1), Conv(3, (1, 1), pad=0)),
        *(Add(4), Pool(), Conv(3, bias=True), Add(9), AveragePool((2, 1)), Dense(7), Dense(3)),
    ),
)
"""The image is added, one output twice, one to the layer that reads it, behind and in front of pools; no size is a
multiple of 4."""
FLAT = Network("flat", (5, 3, 1), (Conv(3), Conv(3), Add(0), Dense(3)))
"""A dense layer reads the sum, and padding behind it."""
ADDED = (RESIDUAL, TANGLED, FLAT)
NOISE = {network.name: network for network in (ODD, ODD_APART, WIDE_APART, *POOLS, *ADDED[1:])}
"""Networks that are trained on noise for want of images of their shape."""


@pytest.fixture(scope="session")
def kernels(build: Any) -> Image:
    """All kernels as one image."""
    return image.load_elf(build(*sorted(KERNELS.glob("*.S")), flags=()))


# What is trained on what


@lru_cache(maxsize=4)
def pictures(network: str) -> tuple[NDArray[np.int8], NDArray[np.uint8]]:
    """Images int8 [n, h, w, c], turned by 30 and 45 degrees, and labels: digits, MNIST, or noise with a background."""
    if network in ("tiny-cnn-8", APART.name, RESIDUAL.name):
        found = data.load("digits")
    elif network == "tiny-cnn" and MNIST:
        found = data.load("mnist", Path(MNIST))
    elif network == "vibration":
        made = runpy.run_path(str(EXAMPLES / "vibration.py"))
        signals, states = made["signals"](200, 128, 1, 0, made["MACHINES"][0])
        return data.network_input(signals[:, None]), states
    else:
        made = NOISE.get(network) or networks.get(network)
        rng, shape = np.random.default_rng(1), made.input_shape
        noise = rng.integers(0, 128, (200, *shape)) * (rng.random((200, *shape)) < 0.4)
        return noise.astype(np.int8), rng.integers(0, made.classes, 200).astype(np.uint8)
    turned = np.concatenate([rotate(found.images[:100], 30.0), rotate(found.images[100:200], 45.0)])
    return data.network_input(turned), found.labels[:200]


@dataclass(frozen=True)
class Study:
    """A method about to train a network with seeded weights and scores."""

    network: Network
    method: Method
    config: Config
    frozen: Frozen
    state: State
    images: NDArray[np.int8]
    labels: NDArray[np.uint8]

    def plan(self, **options: Any) -> plan.Plan:
        return onchip.plan(self.network, self.method.device, self.config, self.frozen, DeviceOptions(**options))

    def deploy(self, kernels: Image, **options: Any) -> DeviceProgram:
        return onchip.deploy(self.plan(**options), self.config, self.frozen, self.state, kernels, DEVICE)

    def samples(self, count: int) -> Iterator[tuple[NDArray[np.int8], int]]:
        return zip(self.images[:count], (int(y) for y in self.labels[:count]), strict=True)


LOGIT_EXPONENT = -5
"""Logits of up to 4: an untrained network is then wrong on nearly every image, and there is something to learn."""


BIASED = networks.with_biases(replace(ODD, name="odd"), (True, True, True, False, True))
"""Layers of both kinds that begin with biases, behind the image and behind scales that the device measures."""


def biases_of(network: Network, rng: np.random.Generator) -> tuple[tuple[int, ...], ...]:
    """Some of the size of the products, and one that is far larger than all of them."""
    drawn = (rng.integers(-20_000, 20_000, stage.n_out) for stage in network.stages)
    found = [b.tolist() if stage.layer.bias else [] for stage, b in zip(network.stages, drawn, strict=True)]
    if found[0]:
        found[0][0] = 2**29 - 1
    return tuple(map(tuple, found))


def study(network: Network, variant: str, seed: int = 0, trained: int = 0) -> Study:
    """Random weights, the shifts calibrated for them, and images in an order of their own."""
    name, changes = VARIANTS[variant]
    rng = np.random.default_rng(seed)
    weights = [np.clip(rng.normal(0, 40, s.weight_shape).round(), -127, 127).astype(np.int8) for s in network.stages]
    images, labels = pictures(network.name)
    order = rng.permutation(len(images))
    images, labels = images[order], labels[order]
    method, count = methods.get(name), len(network.stages)
    biases = biases_of(network, rng) if any(stage.layer.bias for stage in network.stages) else ()
    probe = Config(weight_exponents=(-6,) * count, biases=biases)
    probe = calibrate.calibrate(network, methods.get("niti-static"), weights, images[:20], labels[:20], probe)
    exponents = (-6,) * (count - 1) + (-6 + LOGIT_EXPONENT - probe.logit_exponent,)
    changes = {"keep": 0.9, "mu": 3, "fraction": 0.25} | changes  # keep 0.9: too many pruned edges for a list
    own = {name: changes.pop(name) for name in method.options if name in changes and name not in CONFIG_FIELDS}
    config = Config(exponents, seed=seed, trained=trained, biases=biases, **changes)
    config = method.configured(config, own)
    rules = calibrate.Rules(moved=MOVED.get(name, 0.0))
    config = calibrate.calibrate(network, method, weights, images[:20], labels[:20], config, seed, rules)
    frozen = method.freeze(network, weights, config, Examples(images[:20], labels[:20], images[10:20], labels[10:20]))
    state = method.initial_state(network, frozen, config, seed)
    return Study(network, method, config, frozen, state, images[20:], labels[20:])


# What every tensor must hold


OUTPUTS = {
    "m0k_conv_forward": (2, 16),
    "m0k_depthwise_forward": (11, 14),
    "m0k_dense_forward": (2, 10),
    "m0k_pool": (1, 2),
    "m0k_pool_window": (1, 2),
    "m0k_average": (1,),
    "m0k_unpool": (2,),
    "m0k_average_back": (1,),
    "m0k_requant": (1, 3),
    "m0k_first_values": (1,),
    "m0k_add": (2, 8),
    "m0k_loss": (2,),
    "m0k_dense_back": (2, 3),
    "m0k_conv_back": (4, 5),
    "m0k_conv_grad": (3,),
    "m0k_depthwise_back": (13, 14),
    "m0k_depthwise_grad": (10,),
    "m0k_w16_copy": (1,),
    "m0k_tintin_dense": (2,),
    "m0k_tintin_grad": (1,),
    "m0k_choose_channels": (1,),
    "m0k_bias_update": (1,),
    "m0k_gates_pack": (1,),
    "m0k_gates_unpack": (1,),
    "m0k_places_pack": (1,),
    "m0k_places_unpack": (1,),
    "m0k_niti_dense": (2,),
    "m0k_niti_grad": (1,),
    "m0k_niti_rows": (1,),
    "m0k_niti_measure": (),  # parts of a gradient one after the other: what follows from it is checked
    "m0k_score_dense": (3,),
    "m0k_score_grad": (2,),
    "m0k_sparse_dense": (3,),
    "m0k_sparse_grad": (2,),
    "m0k_select": (3,),
    "m0k_select_kept": (3,),
    "m0k_prune_list": (),  # test_kernels_list.py has these; what is made of them is checked
    "m0k_sparse_list": (),
    "m0k_correct_forward": (),
    "m0k_correct_back": (),
    "m0k_zo_next": (0, 1),
    "m0k_zo_loss": (4,),
    "m0k_zo_move": (6,),
    "m0k_mask_copy": (3,),
    "m0k_mask_pack": (2,),
    "m0k_sparse_copy": (5,),
    "m0k_replay": (1, 4),
}
"""The words of each kernel's block that point to results."""

SCRATCH = re.compile(r"(lanes|plane|histogram|bins|rows|errors|lists?|active|magnitudes|inputs|first)\d+")
"""Tensors of which the golden model knows nothing: kernels and mask forms use them as they like."""


def bytes_of(array: NDArray[Any]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def word(*values: int) -> NDArray[np.uint8]:
    return bytes_of(np.array(values, np.int32))


def lasting(s: Study, state: State) -> dict[str, NDArray[np.uint8]]:
    """The tensors that live across steps: weights, scores, masks and constants."""
    held = {"exponent0": word(s.config.image_exponent)}
    for i, biases in enumerate(s.config.biases):
        held[f"bias{i}"] = word(*biases) if s.method.dynamic else word(*first_values(s, i, s.config.forward))
    if not s.method.dynamic:
        held[f"exponent{len(s.network.stages)}"] = word(s.config.logit_exponent)
    if s.method.name == "zo-int8":
        held["steps"] = word(state.steps)
    if s.frozen.latents is not None:
        held["latent labels"] = word(*s.frozen.latents.labels.tolist())
        held["replayed"] = word(state.steps // s.config.option("every") % len(s.frozen.latents))
        held |= {f"latents{i}": whole_words(array) for i, array in s.frozen.latents.activations.items()}
    if s.method.name == "tin-tin" or (s.method.dynamic and any(stage.added for stage in s.network.stages)):
        held[f"error exponent{len(s.network.stages) - 1}"] = word(LOSS_EXPONENT)
    for i, layer in enumerate(state.layers):
        shape = s.network.stages[i].n_out, s.network.stages[i].n_in
        if i < s.frozen.first:
            held[f"weights{i}"] = layout.pack_weights(s.frozen.weights[i])
            continue
        if s.method.name == "tin-tin":
            held[f"weights{i}"] = bytes_of(layout.pack_wide(state.learned[i]))
            continue
        if s.method.name == "bias-last":
            held |= {f"weights{i}": layout.pack_weights(layer.weights), f"biases{i}": bytes_of(state.learned[i])}
            continue
        if s.method.learns == "weights" or layer.mask is None:  # the last layer of priot-s-head has no mask
            held[f"weights{i}"] = layout.pack_weights(state.learned[i])
            continue
        held[f"weights{i}"] = layout.pack_weights(s.frozen.weights[i])
        held[f"masked{i}"] = layout.pack_weights(layer.weights)
        assert layer.selection is not None
        held[f"selection{i}"] = word(*layer.selection)
        if s.frozen.scored:
            storage, order = layout.scored_storage(s.frozen.scored[i], *shape)
            held[f"gaps{i}"] = layout.pack_gaps(storage)
            held[f"scores{i}"] = (state.learned[i][order].astype(np.int16) + layout.OFFSET).astype(np.uint8)
        else:
            held[f"scores{i}"] = layout.pack_scores(state.learned[i])
            kept = np.zeros(layout.array_bytes(*shape), np.bool_)
            assert layer.mask is not None
            kept[layout.storage_index(*shape)] = layer.mask.reshape(-1)
            held[f"bits{i}"] = np.packbits(kept, bitorder="little")
    return held


def explored(s: Study, trace: ExploredTrace) -> dict[str, NDArray[np.uint8]]:
    """The tensors of the two passes that decide where the layers in front go, and what they decide by."""
    found = trace.explored
    held = {"key": bytes_of(np.array([found.key], np.uint32))}
    for look, loss, name in zip(found.looks, found.losses, ("W + z", "W - z"), strict=True):
        held[f"loss ({name})"] = word(loss)
        for stage in s.network.stages:
            i, shift = stage.index, look.shifts[stage.index]
            if stage.added is not None:
                held[f"branch{i} ({name})"] = bytes_of(requantise(look.accumulators[i], shift, relu=False))
            held[f"raw{i} ({name})"] = bytes_of(look.raw[i])
            held[f"activation{i + 1} ({name})"] = bytes_of(look.activations[i + 1])
    return held


def first_values(s: Study, i: int, shifts: Sequence[int]) -> list[int]:
    """Biases of a layer in the last place of its accumulators, by docs/arithmetic.md."""
    shift = sum(s.config.weight_exponents[:i]) + sum(shifts[:i])
    return [scalar.first_value(b, shift) for b in s.config.biases[i]]


def whole_words(array: NDArray[Any]) -> NDArray[np.uint8]:
    """The bytes of arrays [n, ...], each with zeros behind it up to a whole word."""
    flat = array.reshape(len(array), -1)
    return bytes_of(np.pad(flat, ((0, 0), (0, -flat.shape[1] % 4))))


def golden(s: Study, trace: StepTrace) -> dict[str, NDArray[np.uint8]]:
    """Every tensor as the operation that computes it in this step leaves it.

    Where an old image follows, what lives across steps is as the new one leaves it.
    """
    if trace.replayed is None:
        return of_half(s, trace, trace.state)
    weights, learned = trace.replayed.weights, trace.state.learned
    layers = [Layer(w, w if what.size else what) for w, what in zip(weights, learned, strict=True)]
    others = of_half(s, trace.replayed, trace.state)
    latents, which = s.frozen.latents, (trace.state.steps // s.config.option("every") - 1) % len(s.frozen.latents)
    for i, array in latents.activations.items():
        others[f"activation{i}" if i else "image"] = whole_words(array[which : which + 1])
    others["label"] = word(latents.labels[which])
    others = {name + AGAIN: content for name, content in others.items()}
    return others | of_half(s, trace, State(tuple(layers), trace.state.steps - 1))


def of_half(s: Study, trace: StepTrace, state: State) -> dict[str, NDArray[np.uint8]]:
    """Tensors of one image, and what lives across steps in the state behind it."""
    held, behind = lasting(s, state), s.frozen.first
    if isinstance(trace, ExploredTrace):
        held |= explored(s, trace)
        behind = max(behind, len(s.network.stages) - s.config.option("back"))
    for stage in s.network.stages:
        i = stage.index
        held[f"sums{i}"] = bytes_of(trace.accumulators[i])
        if stage.layer.bias:
            held[f"first{i}"] = word(*first_values(s, i, trace.shifts))
        if stage.added is not None:
            own = requantise(trace.accumulators[i][None], trace.shifts[i], relu=False)[0]
            held[f"branch{i}"] = bytes_of(own)
            exponents = (s.config.image_exponent, *trace.exponents)
            held[f"branch exponent{i}"] = word(exponents[i] + s.config.weight_exponents[i] + trace.shifts[i])
        held[f"raw{i}"] = bytes_of(trace.raw[i])
        held[f"activation{i + 1}"] = bytes_of(trace.activations[i])
        held[f"exponent{i + 1}"] = word(trace.exponents[i])
        if i < behind:
            continue
        held[f"error{i}"] = bytes_of(trace.errors[i])
        if i > s.frozen.first:
            held |= packed_gates(i, trace.activations[i - 1])
        if stage.pooled:
            held[f"argmax{i}"] = held[f"argmax{i} (unpacked)"] = bytes_of(trace.argmax[i])
            fours = held[f"argmax{i}"][: held[f"argmax{i}"].size // 4 * 4].reshape(-1, 4)
            held[f"places{i}"] = (fours << np.arange(0, 8, 2, dtype=np.uint8)).sum(axis=1, dtype=np.uint8)
        if stage.pool:
            held[f"raw error{i}"] = bytes_of(pools.backward(stage, trace.errors[i], trace.argmax[i]))
        held[f"learned error{i}"] = bytes_of(learned_error(s, trace, stage))
        if i > behind:
            held[f"error sums{i}"] = bytes_of(trace.error_accumulators[i - 1])
            held |= parts_of_error(s, trace, stage)
        if (whole := trace.gradients[i]) is not None:
            gradient = np.zeros((stage.n_out, layout.row_bytes(stage.n_in)), np.int32)
            gradient[:, : stage.n_in] = whole.whole().reshape(stage.n_out, -1)
            held[f"gradient{i}"] = bytes_of(gradient)
        held[f"error exponent{i}"] = word(trace.error_exponents[i])
        for phase in ("forward", "backward"):
            held[f"rounded{i} ({phase})"] = layout.pack_weights(trace.weights[i])
            held[f"masked{i} ({phase})"] = layout.pack_weights(trace.weights[i])
    return held


def learned_error(s: Study, trace: StepTrace, stage: Stage) -> NDArray[np.int8]:
    """What m0k_choose_channels leaves of an error: that behind a 2 x 2 maximum, else that in front of the pool."""
    error = trace.errors[stage.index]
    raw = pools.backward(stage, error, trace.argmax[stage.index])
    wrong = abs(int(trace.loss_error.min()))  # the label's alone is negative
    used = s.method.learned_error(stage, raw, wrong, s.config)
    return error * used.reshape(-1, stage.n_out).any(axis=0) if pools.is_listed(stage) else used


def packed_gates(i: int, inputs: NDArray[np.int8]) -> dict[str, NDArray[np.uint8]]:
    """What is left of the inputs of stage i where no gradient needs them; of bits the bytes without padding."""
    gate = (inputs.reshape(-1) > 0).astype(np.uint8)
    return {f"gate{i}": gate, f"gates{i}": np.packbits(gate[: gate.size // 8 * 8], bitorder="little")}


def parts_of_error(s: Study, trace: StepTrace, stage: Stage) -> dict[str, NDArray[np.uint8]]:
    """What comes to a stage's input through the stage, and with one addition of that input after the other."""
    i = stage.index
    sums = [other for other in reversed(s.network.stages) if other.added == i]
    acc, shift, gate = trace.error_accumulators[i - 1], trace.error_shifts[i - 1], trace.activations[i - 1]
    assert acc is not None
    assert shift is not None
    error = (requantise(acc[None], shift, relu=False)[0] * (gate > 0)).reshape(-1).tolist()
    fall = pools.exponent_fall(stage)
    exponent = trace.error_exponents[i] - fall + s.config.weight_exponents[i] + shift
    held = {}
    for count, other in enumerate(sums):
        held[f"error{i - 1} ({count} of {len(sums)} added)"] = bytes_of(np.array(error, np.int8))
        held[f"error exponent{i - 1} ({count} of {len(sums)} added)"] = word(exponent)
        raw = pools.backward(other, trace.errors[other.index], trace.argmax[other.index]).reshape(-1).tolist()
        theirs = trace.error_exponents[other.index] - pools.exponent_fall(other)
        error, exponent = scalar.add(error, exponent, raw, theirs)
        error = [e if g else 0 for e, g in zip(error, gate.reshape(-1).tolist(), strict=True)]
    assert error == trace.errors[i - 1].reshape(-1).tolist()
    assert exponent == trace.error_exponents[i - 1]
    return held


def results(op: step.Op) -> list[step.Ref]:
    """The tensors that an operation computes, or from where on."""
    words = [op.words[i] for i in OUTPUTS[op.kernel]]
    if op.kernel == "m0k_replay" and not op.words[5]:
        words.pop()  # another one counts
    if op.kernel in ("m0k_dense_back", "m0k_conv_back", "m0k_depthwise_back"):
        is_dynamic = op.words[blocks.blocks()[op.kernel].index("dynamic")]
        if is_dynamic:
            words.pop()  # the sums only, m0k_requant follows
        elif op.kernel == "m0k_dense_back":
            words.pop(0)  # sums of inputs whose gate is closed are left out
    return [w for w in words if isinstance(w, step.Ref)]


def some_outputs(op: step.Op, whole: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The rows of the gradient that the kernel was asked for."""
    fields = dict(zip(blocks.blocks()[op.kernel], op.words, strict=True))
    n_out, first, count = fields.get("n_out", fields["channels"]), fields["first_out"], fields["count_out"]
    assert isinstance(n_out, int)
    assert isinstance(first, int)
    assert isinstance(count, int)
    return whole.reshape(n_out, -1)[first : first + count].reshape(-1)


class Shadow:
    """What the memory of a program must hold, followed operation by operation."""

    def __init__(self, s: Study, program: DeviceProgram) -> None:
        self.study, self.program, self.plan = s, program, program.plan
        self.taken_over = {p.tensor.within for p in program.plan.placed.values()} if program.plan.reuse else set()
        kernels = [op.kernel for op in program.plan.step.ops]
        self.first_again = kernels.index("m0k_replay") if "m0k_replay" in kernels else len(kernels)
        self.held = self._planned(lasting(s, s.state))
        self.check(len(self.plan.step.ops) - 1, "the first mask")

    def _planned(self, held: dict[str, NDArray[np.uint8]]) -> dict[str, NDArray[np.uint8]]:
        return {name: content for name, content in held.items() if name in self.plan.placed}

    def begin(self, picture: NDArray[np.int8], label: int) -> None:
        """The host has written the image and the label; all else but what lasts is lost."""
        self.held = {name: c for name, c in self.held.items() if self.plan.placed[name].tensor.persistent}
        self.held |= {"image": bytes_of(picture), "label": word(label)}

    def after(self, index: int, held: dict[str, NDArray[np.uint8]]) -> None:
        op = self.plan.step.ops[index]
        same_half = [n for n in range(index + 1, len(self.plan.step.ops)) if self.is_again(n) == self.is_again(index)]
        others = [self.plan.step.ops[n] for n in same_half]
        later = [ref for other in others if other.kernel == op.kernel for ref in results(other)]
        for ref in results(op):
            if op.kernel == "m0k_choose_channels":  # perhaps in place
                self.held[ref.tensor] = held["learned error" + re.sub(r"\D", "", ref.tensor)]
                continue
            if op.kernel in ("m0k_conv_grad", "m0k_depthwise_grad"):
                self.held[ref.tensor] = some_outputs(op, held[ref.tensor])
                continue
            new = held[ref.tensor].copy()
            rest = min((r.offset for r in later if r.tensor == ref.tensor), default=new.size)
            new[rest:] = self.held.get(ref.tensor, new)[rest:]  # what the next operation has to do
            self.held[ref.tensor] = new

    def check(self, index: int, when: str) -> None:
        """Every tensor that is known and needed at operation `index` or later; every histogram that claims to be."""
        for name in self.plan.placed:
            if name.startswith("histogram") and (found := self.program.read(name).view("<u2"))[0]:
                scores = self.program.read(name.replace("histogram", "scores"))
                np.testing.assert_array_equal(found[1:], np.bincount(scores, minlength=256)[1:], f"{when}: {name}")
        for name, content in self.held.items():
            place = self.plan.placed[name]
            if not place.first <= index <= place.last or (index == place.last and name in self.taken_over):
                continue
            found = self.program.read(name)[: len(content)]
            if not np.array_equal(found, content):
                wrong = np.flatnonzero(found != content)
                first = int(wrong[0])
                pytest.fail(
                    f"{when}: {name}: {len(wrong)} of {len(content)} bytes differ, the first at {first}: "
                    f"{found[first]}, golden {content[first]}"
                )

    def is_again(self, index: int) -> bool:
        """Whether an operation is of the old image."""
        return index >= self.first_again

    def halves(self, trace: StepTrace) -> list[dict[str, NDArray[np.uint8]]]:
        """Every tensor as the operations of the new image, and those of the old one leave it."""
        held = golden(self.study, trace)
        return [held, held | lasting(self.study, trace.state)]

    def run_step(self, trace: StepTrace, picture: NDArray[np.int8], label: int) -> None:
        """One step operation by operation, with all tensors checked after each."""
        self.program.write("image", picture.tobytes())
        self.program.write("label", label.to_bytes(4, "little"))
        self.begin(picture, label)
        helds = self.halves(trace)
        for index in range(len(self.plan.step.ops)):
            self.program.run_op(index)
            self.after(index, helds[self.is_again(index)])
            op = self.plan.step.ops[index]
            self.check(index, f"operation {index}, {op.kernel} ({op.phase})")

    def run_call(self, trace: StepTrace, picture: NDArray[np.int8], label: int) -> Cost:
        """One step in one call, with all tensors checked that are still there: no way back where there is no error."""
        cost = self.program.step(picture, label)
        self.begin(picture, label)
        helds, traces = self.halves(trace), (trace, trace.replayed)
        for index, op in enumerate(self.plan.step.ops):
            half = traces[self.is_again(index)]
            is_back = op.phase in ("backward", "update") and op.kernel != "m0k_zo_move"
            if half is not None and (half.loss_error.any() or not is_back):
                self.after(index, helds[self.is_again(index)])
        self.check(len(self.plan.step.ops) - 1, "the whole step")
        return cost


def train(s: Study, shadows: list[tuple[Shadow, bool]], steps: int) -> int:
    """Run steps on all programs; returns in how many every layer changed. True: in one call."""
    state, changed = s.state, 0
    for picture, label in s.samples(steps):
        trace = s.method.step(s.network, s.frozen, state, picture, label, s.config)
        for shadow, one_call in shadows:
            (shadow.run_call if one_call else shadow.run_step)(trace, picture, label)
        pairs = zip(state.learned[s.frozen.first :], trace.state.learned[s.frozen.first :], strict=True)
        changed += all(not np.array_equal(a, b) for a, b in pairs)
        state = trace.state
    return changed


TENSORS = [
    *((ODD, *pair) for pair in FORMS if pair in ONE_FORM or pair[0] == "priot"),
    *(
        pytest.param(ODD, *pair, marks=pytest.mark.long)
        for pair in FORMS
        if pair not in ONE_FORM and pair[0] != "priot"
    ),
    *(
        pytest.param(network, *pair, marks=() if pair in ONE_FORM and pair[0] in QUICK else pytest.mark.long)
        for network in (networks.get("tiny-cnn-8"), ODD_APART)
        for pair in FORMS
    ),
]
"""The quick run has every method, and one in all its forms, on the network of odd sizes, where most goes wrong, and
some methods on the others."""


@pytest.mark.parametrize(("network", "variant", "form"), TENSORS, ids=str_of)
def test_every_tensor_after_every_operation(kernels: Image, network: Network, variant: str, form: str) -> None:
    s = study(network, variant)
    by_operation = Shadow(s, s.deploy(kernels, mask_form=form))
    known = set(golden(s, s.method.step(network, s.frozen, s.state, s.images[0], 0, s.config))) | {"image", "label"}
    assert {n for n in by_operation.plan.placed if n not in known and not SCRATCH.match(n)} == set()
    in_one_call = Shadow(s, s.deploy(kernels, mask_form=form, reuse=False, weights_place="sram"))
    assert train(s, [(by_operation, False), (in_one_call, True)], 3) >= (0 if network in (ODD, ODD_APART) else 2)


@pytest.mark.parametrize(
    ("network", "variant"),
    [pytest.param(network, v, marks=() if v in QUICK else pytest.mark.long) for network in POOLS for v in TRAINED],
    ids=str_of,
)
def test_every_tensor_of_a_network_with_other_pools(kernels: Image, network: Network, variant: str) -> None:
    s = study(network, variant, seed=3)
    by_operation, in_one_call = Shadow(s, s.deploy(kernels)), Shadow(s, s.deploy(kernels, reuse=False))
    known = set(golden(s, s.method.step(network, s.frozen, s.state, s.images[0], 0, s.config))) | {"image", "label"}
    assert {n for n in by_operation.plan.placed if n not in known and not SCRATCH.match(n)} == set()
    assert train(s, [(by_operation, False), (in_one_call, True)], 3) >= 1
    least = s.deploy(kernels, scratch="least")
    train(s, [(Shadow(s, least), True)], 3)
    assert_same_learned(s, least)


@pytest.mark.long
@pytest.mark.parametrize("variant", TRAINED)
@pytest.mark.parametrize("network", POOLS, ids=lambda n: n.name)
def test_fifty_steps_with_other_pools(kernels: Image, network: Network, variant: str) -> None:
    s = study(network, variant, seed=3)
    assert train(s, [(Shadow(s, s.deploy(kernels)), True)], 50) >= 3


ADDITIONS = [
    *(
        pytest.param(RESIDUAL, v, marks=() if v in QUICK else pytest.mark.long)
        for v in TRAINED
        if v != "priot-threshold"
    ),
    *((TANGLED, variant) for variant in ("niti-static", "tin-tin")),
    (FLAT, "niti-dynamic"),
    *(pytest.param(network, v, marks=pytest.mark.long) for network in (TANGLED, FLAT) for v in VARIANTS),
]


@pytest.mark.parametrize(("network", "variant"), ADDITIONS, ids=str_of)
def test_every_tensor_of_a_network_with_additions(kernels: Image, network: Network, variant: str) -> None:
    s = study(network, variant, seed=3)
    by_operation, in_one_call = Shadow(s, s.deploy(kernels)), Shadow(s, s.deploy(kernels, reuse=False))
    passed = [op.phase for op in by_operation.plan.step.ops if op.kernel == "m0k_add"].count("backward")
    assert passed >= 1 or variant.startswith(("zo-int8", "niti-replay"))  # of which the last layers have a way back
    known = set(golden(s, s.method.step(network, s.frozen, s.state, s.images[0], 0, s.config))) | {"image", "label"}
    assert {n for n in by_operation.plan.placed if n not in known and not SCRATCH.match(n)} == set()
    assert_no_overlap(by_operation.plan)
    changed = train(s, [(by_operation, False), (in_one_call, True)], 2)
    assert changed >= (0 if network == TANGLED and "threshold" in variant else 1)


@pytest.mark.parametrize("variant", ["niti-static", *(pytest.param(v, marks=pytest.mark.long) for v in TRAINED[1:])])
@pytest.mark.long
def test_operations_keep_to_their_tensors_with_additions(kernels: Image, variant: str) -> None:
    s = study(RESIDUAL, variant, seed=3)
    assert_plan_is_kept(s, s.deploy(kernels, mask_form="fused"))


@pytest.mark.long
@pytest.mark.parametrize(("variant", "form"), FORMS)
@pytest.mark.parametrize("network", ADDED, ids=str_of)
def test_every_form_with_additions(kernels: Image, network: Network, variant: str, form: str) -> None:
    s = study(network, variant, seed=3)
    for reuse in (True, False):
        made = s.deploy(kernels, scratch="least", mask_form=form, weights_place="sram", reuse=reuse)
        train(s, [(Shadow(s, made), not reuse)], 3)
        assert_same_learned(s, made)
        assert_no_overlap(made.plan)


@pytest.mark.long
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("network", ADDED, ids=str_of)
def test_fifty_steps_with_additions(kernels: Image, network: Network, variant: str) -> None:
    s = study(network, variant, seed=3)
    changed = train(s, [(Shadow(s, s.deploy(kernels)), True)], 50)
    assert changed >= (0 if "threshold" in variant else 3)


@pytest.mark.parametrize(
    ("variant", "trained"),
    [
        ("niti-static", 4),
        ("tin-tin", 5),
        *(pytest.param(v, n, marks=pytest.mark.long) for v in TRAINED for n in range(1, 8)),
    ],
)
def test_the_lowest_layer_that_learns_is_anywhere_between_additions(kernels: Image, variant: str, trained: int) -> None:
    """What no layer that learns gave gets no error, though it is added."""
    s = study(TANGLED, variant, trained=trained)
    train(s, [(Shadow(s, s.deploy(kernels)), False)], 2)


def test_a_step_without_an_error_ends_after_the_loss_with_additions(kernels: Image) -> None:
    for variant in ("niti-static", "tin-tin"):
        s = study(RESIDUAL, variant)
        *exponents, last = s.config.weight_exponents
        s = replace(s, config=replace(s.config, weight_exponents=(*exponents, last + 9)))
        shadow, state, pictures = Shadow(s, s.deploy(kernels)), s.state, iter(s.images)
        for kind in "LIL":
            trace, picture, label = next(found for p in pictures if (found := told(s, state, p, kind == "I")))
            ran = shadow.run_call(trace, picture, label).functions
            assert ("m0k_add" in ran, "m0k_update" in ran) == (True, kind == "L")
            state = trace.state


@pytest.mark.long
@pytest.mark.parametrize("variant", TRAINED)
def test_fifty_steps_on_vibration_signals(kernels: Image, variant: str) -> None:
    s = study(network_toml.read(EXAMPLES / "vibration.toml"), variant)
    assert train(s, [(Shadow(s, s.deploy(kernels)), True)], 50) >= 25


@pytest.mark.parametrize("trained", [pytest.param(1, marks=pytest.mark.long), 2, 3])
@pytest.mark.parametrize("variant", ["niti-dynamic", "tin-tin", pytest.param("priot", marks=pytest.mark.long)])
@pytest.mark.parametrize("network", POOLS, ids=lambda n: n.name)
def test_the_lowest_layer_that_learns_is_in_front_of_any_pool(
    kernels: Image, network: Network, variant: str, trained: int
) -> None:
    s = study(network, variant, trained=trained)
    assert train(s, [(Shadow(s, s.deploy(kernels)), False)], 2) >= 1


LEAST = [v if v in ("niti-dynamic", "priot", "bias-last") else pytest.param(v, marks=pytest.mark.long) for v in TRAINED]


@pytest.mark.parametrize("variant", LEAST)
@pytest.mark.parametrize("network", [networks.get("tiny-cnn-8"), ODD, WIDE_APART], ids=lambda n: n.name)
def test_every_tensor_with_the_least_scratch(kernels: Image, network: Network, variant: str) -> None:
    """Also where the shift of a convolution's gradient is found in a pass of its own."""
    s = study(network, variant)
    by_operation, in_one_call = (Shadow(s, s.deploy(kernels, scratch="least", reuse=reuse)) for reuse in (True, False))
    measured = [op for op in by_operation.plan.step.ops if op.kernel == "m0k_niti_measure"]
    assert bool(measured) == (variant == "niti-dynamic")
    assert train(s, [(by_operation, False), (in_one_call, True)], 3) >= (0 if network in (ODD, WIDE_APART) else 2)
    assert_same_learned(s, by_operation.program)
    cost = in_one_call.program.step(s.images[0], 0, level="memory")
    assert cost.findings == ()
    assert not touched_sram(in_one_call.program, cost.stack_bytes)[in_one_call.plan.sram_bytes :].any()


@pytest.mark.parametrize(("network", "width"), [("tiny-cnn", 1), ("lenet", 1), ("vgg11", 0.25), ("vgg11", 1)])
def test_a_gradient_is_kept_with_the_least_scratch_where_that_costs_nothing(
    network: str, width: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two passes wherever they may be, by force, need no byte less."""
    made = networks.wide(network, width)
    config = Config((-6,) * len(made.stages))
    settings = step.StepSettings(methods.get("niti-dynamic").device, config, DeviceOptions(scratch="least"))
    needed = plan.pack(step.build(made, settings)).sram_bytes
    monkeypatch.setattr("m0sim.study.learn.device_form.Builder._keeps_gradient", lambda *_: False)
    assert needed == plan.pack(step.build(made, settings)).sram_bytes


@pytest.mark.parametrize("variant", quick_of(TRAINED, (*QUICK, "bias-last")))
def test_every_tensor_of_a_network_with_biases(kernels: Image, variant: str) -> None:
    """As of the same network without them, and what is measured differs from it."""
    with_biases, without = study(BIASED, variant), study(ODD, variant)
    first = [s.method.step(s.network, s.frozen, s.state, s.images[0], 0, s.config) for s in (with_biases, without)]
    assert not np.array_equal(first[0].accumulators[0], first[1].accumulators[0])
    program = with_biases.deploy(kernels)
    train(with_biases, [(Shadow(with_biases, program), False)], 3)
    size = sum(p.tensor.size for p in program.plan.placed.values() if p.tensor.name.startswith("bias"))
    assert sum(map(len, with_biases.config.biases)) == 3 + 5 + 7 + 3
    assert size == 4 * (3 + 5 + 7 + 3 + (6 if variant == "bias-last" else 0))  # which has them everywhere


LAST = [
    *(
        pytest.param(networks.get("tiny-cnn-8"), v, 1, marks=() if v in (*QUICK, "bias-last") else pytest.mark.long)
        for v in TRAINED
    ),
    (APART, "tin-tin", 3),
    *(pytest.param(networks.get("tiny-cnn-8"), variant, 2, marks=pytest.mark.long) for variant in TRAINED),
    *(
        pytest.param(networks.get("tiny-cnn"), variant, n, marks=pytest.mark.long)
        for variant in TRAINED
        for n in (1, 2)
    ),
    *(pytest.param(APART, variant, n, marks=pytest.mark.long) for variant in TRAINED for n in (2, 3)),
]


@pytest.mark.parametrize(("network", "variant", "trained"), LAST, ids=str_of)
def test_every_tensor_where_only_the_last_layers_learn(
    kernels: Image, network: Network, variant: str, trained: int
) -> None:
    """In each mask form; what lies in SRAM is touched and used, what is frozen lies in flash."""
    s = study(network, variant, trained=trained)
    first, all_layers = 4 - trained, study(network, variant, trained=4)
    kinds = ("error", "argmax", "scores", "selection", "gaps", "masked", "bits")
    needless = {f"{kind}{i}" for kind in kinds for i in range(first)}
    for form in step.MASK_FORMS if variant.startswith("priot") else step.MASK_FORMS[:1]:
        by_operation = Shadow(s, s.deploy(kernels, mask_form=form))
        in_one_call = Shadow(s, s.deploy(kernels, mask_form=form, weights_place="sram"))
        assert train(s, [(by_operation, False), (in_one_call, True)], 3) >= 2
        assert_same_learned(s, by_operation.program)
        placed = by_operation.plan.placed
        assert all(placed[f"weights{i}"].tensor.place == "flash" for i in range(first))
        assert not needless & set(placed)
        assert by_operation.plan.sram_bytes < all_layers.plan(mask_form=form).sram_bytes
    assert_plan_is_kept(s, s.deploy(kernels, mask_form="fused"))


@pytest.mark.parametrize("variant", quick_of(TRAINED, (*QUICK, "zo-int8")))
def test_the_learning_rate_falls_and_the_cut_lasts(kernels: Image, variant: str) -> None:
    """Seven steps with shifts growing every second and cuts renewed every third; then on from there, deployed anew."""
    s = study(networks.get("tiny-cnn-8"), variant)
    s = replace(s, config=replace(s.config, cool=2, refresh=3))
    for form in step.MASK_FORMS if variant.startswith("priot") else step.MASK_FORMS[:1]:
        shadow = Shadow(s, s.deploy(kernels, mask_form=form))
        assert train(s, [(shadow, True)], 7) >= 2
    state = s.state
    for picture, label in s.samples(6):
        state = s.method.step(s.network, s.frozen, state, picture, label, s.config).state
    again = s.method.state_of(s.network, s.frozen, s.method.arrays(state), s.config, state.steps)
    late = replace(s, state=again, images=s.images[6:], labels=s.labels[6:])
    train(late, [(Shadow(late, late.deploy(kernels)), True)], 3)


RENEWED = [("priot", 2), ("priot-s random", 3)]
RENEWED += [pytest.param("priot", 3, marks=pytest.mark.long), pytest.param("priot-s random", 2, marks=pytest.mark.long)]


@pytest.mark.parametrize(
    ("variant", "refresh"),
    [
        *(
            pytest.param(v, 1, marks=() if v in (*QUICK, "zo-int8", "niti-replay") else pytest.mark.long)
            for v in VARIANTS
            if v not in LONG_ONLY
        ),
        *RENEWED,
    ],
)
def test_a_step_without_an_error_ends_after_the_loss(kernels: Image, variant: str, refresh: int) -> None:
    """Idle steps (I) among others, also where the cut is renewed for what earlier steps moved (2: I after L)."""
    s = study(networks.get("tiny-cnn-8"), variant)
    *exponents, last = s.config.weight_exponents  # a larger exponent of the logits: the network is surer of its answers
    s = replace(s, config=replace(s.config, weight_exponents=(*exponents, last + 9), cool=2, refresh=refresh))
    forms = step.MASK_FORMS if variant.startswith("priot") else step.MASK_FORMS[:1]
    shadows = [Shadow(s, s.deploy(kernels, mask_form=form)) for form in forms]
    shadows += [Shadow(s, s.deploy(kernels, reuse=False))]
    state, pictures = s.state, iter(s.images)
    learns = "m0k_niti_dense" if variant == "zo-int8" else "m0k_update"  # the layers in front have learned by then
    for done, kind in enumerate("LIILLILII"):
        trace, picture, label = next(found for p in pictures if (found := told(s, state, p, kind == "I")))
        for shadow in shadows:
            ran = shadow.run_call(trace, picture, label).functions.get(learns)
            has_error = kind == "L" or (trace.replayed is not None and trace.replayed.loss_error.any())
            assert (ran is not None) == has_error, f"step {done}"
        state = trace.state


def told(
    s: Study, state: State, picture: NDArray[np.int8], is_right: bool
) -> tuple[StepTrace, NDArray[np.int8], int] | None:
    """The step on a picture whose label is the network's own answer, or not; None if a right answer leaves errors."""
    label = int(s.method.predict(s.network, s.frozen, state, picture[None], s.config)[0])
    label = label if is_right else (label + 1) % s.network.classes
    trace = s.method.step(s.network, s.frozen, state, picture, label, s.config)
    return None if is_right and trace.loss_error.any() else (trace, picture, label)


def test_what_the_options_of_a_step_cost_in_flash(kernels: Image) -> None:
    """Lists and update blocks only, one for each four outputs of a convolution: tensors, and SRAM, stay the same."""
    s = study(networks.get("tiny-cnn-8"), "priot")
    plain = s.deploy(kernels)
    both = replace(s, config=replace(s.config, cool=100, refresh=8))
    changed = both.deploy(kernels)
    assert changed.plan.sram_bytes == plain.plan.sram_bytes
    assert 0 < changed.flash_bytes - plain.flash_bytes < 5120


@pytest.mark.parametrize("less", [0, 4])
def test_weights_by_inputs_are_left_out_where_flash_does_not_hold_them(kernels: Image, less: int) -> None:
    s = study(Network("odd", (9, 7, 1), (Conv(8), Dense(64), Dense(3))), "niti-static", trained=1)
    s = replace(s, images=s.images * (s.images % 4 == 0))  # few inputs of the dense layer
    made = s.plan()
    size = made.placed["columns1"].tensor.size
    assert size == made.most_flash_bytes - made.flash_bytes == layout.columns_bytes(64, 504)
    assert_no_overlap(made)
    whole = DEVICE.flash
    assert whole is not None
    flash = replace(whole, size=made.most_flash_bytes + fit.FLASH_FOR_CODE - less)
    regions = tuple(flash if region == whole else region for region in DEVICE.regions)
    program = onchip.deploy(made, s.config, s.frozen, s.state, kernels, replace(DEVICE, regions=regions))
    assert ("columns1" in program.plan.placed) == (not less)
    costs = [program.step(picture, label) for picture, label in s.samples(3)]
    assert_same_learned(s, program)
    assert any("m0k_dense_sixteen" in cost.functions for cost in costs) == (not less)


def assert_same_learned(s: Study, program: DeviceProgram) -> None:
    """The learned arrays read back are those of a golden run over the same three steps."""
    state = s.state
    for picture, label in s.samples(3):
        state = s.method.step(s.network, s.frozen, state, picture, label, s.config).state
    found, wanted = arrays_on(s, program), s.method.arrays(state)
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def arrays_on(s: Study, program: DeviceProgram) -> dict[str, NDArray[Any]]:
    """The learned arrays by name, from the device."""
    learned = [s.method.arrays_on(program.read, stage, s.frozen) for stage in s.network.stages[s.frozen.first :]]
    return {name: array for arrays in learned for name, array in arrays.items()}


@pytest.mark.long
@pytest.mark.parametrize("variant", LONG_VARIANTS)
@pytest.mark.parametrize("network", [networks.get("tiny-cnn-8"), networks.get("tiny-cnn"), APART], ids=lambda n: n.name)
def test_fifty_steps(kernels: Image, network: Network, variant: str) -> None:
    """Ten steps from each of five seeds, operation by operation and in one call; in 40 of the 50 all layers change."""
    forms = step.MASK_FORMS if variant.startswith("priot") else step.MASK_FORMS[:1]
    changed = 0
    for seed in range(5):
        s = study(network, variant, seed)
        form = forms[seed % len(forms)]
        shadows = [(Shadow(s, s.deploy(kernels, mask_form=form)), one_call) for one_call in (False, True)]
        changed += train(s, shadows, 10)
    print(f"{network.name} {variant}: all layers changed in {changed} of 50 steps")
    assert changed >= 40


# One call, and what the host does


class Log:
    """A machine that notes what the host asks of it."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self.calls = machine, []  # type: ignore[var-annotated]

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.machine, name)
        if name not in ("call", "read", "write", "alloc"):
            raise AssertionError(f"the host uses machine.{name}")

        def noted(*args: Any, **more: Any) -> Any:
            size = args[1] if name == "read" else len(args[1]) if name == "write" else 0
            self.calls.append((name, args[0], size))
            return found(*args, **more)

        return noted


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_step_is_one_call_and_the_host_writes_image_and_label_only(kernels: Image, variant: str) -> None:
    s = study(networks.get("tiny-cnn-8"), variant)
    program = s.deploy(kernels)
    log = Log(program.machine)
    program.machine = log  # type: ignore[assignment]
    picture, label = next(s.samples(1))
    program.step(picture, label)
    writes = [("write", program.address("image"), picture.size), ("write", program.address("label"), 4)]
    assert sorted(log.calls[:2]) == sorted(writes)
    assert log.calls[2:] == [("call", "m0k_step", 0)]
    arrays_on(s, program)
    assert {name for name, _, _ in log.calls[3:]} == {"read"}


# Memory: nothing outside the plan, nothing planned in vain


def data_dependent(s: Study, steps: int) -> dict[str, NDArray[np.bool_]]:
    """bool per byte of a tensor: whether these steps may leave it alone.

    Lists of errors and of inputs have room for one at every place. Of what else there is, only the weights of dense
    layers, and of convolutions that no error passes through, have such bytes: an input that is zero in every step, at
    every position, is skipped, with the weights that it would meet. Weights of 16 bits are read by whole words of four
    inputs. Weights of 8 bits that belong to no edge need not be read.
    """
    state = s.state
    by_input = [x for x in s.network.stages if not isinstance(x.layer, Depthwise)]
    skipping = [x for x in by_input if isinstance(x.layer, Dense) or x.index <= s.frozen.first]
    seen = {x.index: np.zeros(layout.row_bytes(x.n_in), np.bool_) for x in skipping}
    for picture, label in s.samples(steps):
        trace = s.method.step(s.network, s.frozen, state, picture, label, s.config)
        inputs = (picture, *trace.activations)
        for stage in skipping:
            seen[stage.index][: stage.n_in] |= columns(stage, inputs[stage.index]).any(axis=0)
            if trace.replayed is not None and stage.index >= s.frozen.first:
                at = f"activation{stage.index}{AGAIN}" if stage.index else f"image{AGAIN}"
                old = golden(s, trace)[at].view(np.int8)[: prod(stage.in_shape)].reshape(stage.in_shape)
                seen[stage.index][: stage.n_in] |= columns(stage, old).any(axis=0)
        state = trace.state
    wide = s.frozen.first if s.method.name == "tin-tin" else len(s.network.stages)  # from there on 16 bits a weight
    groups = {i: skipped_wide(used) if i >= wide else skipped_weights(used) for i, used in seen.items()}
    found = {f"weights{x.index}": np.tile(groups[x.index], layout.row_bytes(x.n_out) // 4) for x in skipping}
    for stage in s.network.stages[:wide]:
        is_padding = np.ones(layout.array_bytes(stage.n_out, stage.n_in), np.bool_)
        is_padding[layout.storage_index(stage.n_out, stage.n_in)] = False
        found[f"weights{stage.index}"] = found.get(f"weights{stage.index}", False) | is_padding
    convs = [x for x in s.network.stages[s.frozen.first :] if isinstance(x.layer, Conv)]
    found |= {f"lists{x.index}": np.ones(scratch.conv_grad(x), np.bool_) for x in convs}
    return found | {f"lists{x.index} (backward)": np.ones(scratch.conv_back(x), np.bool_) for x in convs}


def skipped_weights(used: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """bool per byte of the weights of four outputs: those of inputs that are not used (m0k.h has the order)."""
    words = ~used.reshape(-1, 1, 4)[:, :, [2, 3, 0, 1]]
    return np.broadcast_to(words, (len(words), 4, 4)).reshape(-1)


def skipped_wide(used: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The same for weights of 16 bits: those of words of four inputs none of which is used."""
    return np.repeat(~used.reshape(-1, 4).any(axis=1), 32)


def columns(stage: Stage, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
    """What meets a row of the stage's weights: [positions, n_in]."""
    if isinstance(stage.layer, Conv):
        return patches(stage.layer, inputs[None], stage.raw_shape)[0]
    return inputs.reshape(1, -1)


def touched_sram(program: DeviceProgram, stack_bytes: int) -> NDArray[np.bool_]:
    """bool per byte of all SRAM, from the plan's start on: whether the last call touched it; its stack left out."""
    banks = DEVICE.srams
    assert all(a.end == b.base for a, b in pairwise(banks))
    found = np.concatenate([program.machine.counters.touched(m.base, m.size) != 0 for m in banks])
    top = program.machine.space.stack_top - banks[0].base
    found[top - stack_bytes : top] = False
    return found


def touched_by_tensor(program: DeviceProgram, s: Study, steps: int) -> dict[str, NDArray[np.bool_]]:
    """bool per byte of every SRAM tensor: whether an operation that names it touched it; asserts that none does more.

    Also asserts that no operation goes deeper into the stack than its kernels' contracts say.
    """
    places = {name: p for name, p in program.plan.placed.items() if p.tensor.place == "sram"}
    used = {name: np.zeros(p.tensor.size, np.bool_) for name, p in places.items()}
    for picture, label in s.samples(steps):
        program.write("image", picture.tobytes())
        program.write("label", label.to_bytes(4, "little"))
        for index, op in enumerate(program.plan.step.ops):
            cost = program.run_op(index, level="memory")
            assert cost.stack_bytes <= stack_of(op), f"{op.kernel} takes more stack than documented"
            assert cost.findings == (), op.kernel
            found = touched_sram(program, cost.stack_bytes)
            own = [name for name in op.tensors() if name in places]
            for name in own:
                used[name] |= found[places[name].offset : places[name].end]
            for name in own:
                found[places[name].offset : places[name].end] = False
            outside = np.flatnonzero(found)
            assert not len(outside), f"{op.kernel} touches {len(outside)} bytes not its own, first {outside[0]:#x}"
    return used


def contents(s: Study) -> dict[str, int]:
    """Bytes of every tensor without the padding that rounds its size up to whole words."""
    trace = s.method.step(s.network, s.frozen, s.state, s.images[0], int(s.labels[0]), s.config)
    return {name: content.size for name, content in golden(s, trace).items()} | {"image": s.images[0].size}


def assert_plan_is_kept(s: Study, program: DeviceProgram) -> None:
    """Ten steps: nothing else is touched, and what of the plan is not is padding or known to depend on data."""
    sizes, may_idle = contents(s), data_dependent(s, 10)
    is_list = program.plan.step.settings.options.mask_form == "list"
    for tensor, used in touched_by_tensor(program, s, 10).items():
        name = tensor.removesuffix(AGAIN)
        if is_list and re.fullmatch(r"list\d+|rows\d+ .*", name):
            continue  # room for as many pruned edges as there may be, and for masked rows where there are more
        if re.fullmatch(r"(inputs\d+ \(prepared\)|errors\d+ \(list\)|lanes\d+)( \(W [+-] z\))?", name):
            continue  # a list, lanes or a patch: the chip chooses by the inputs and errors that there are
        if re.fullmatch(r"histogram\d+", name):
            continue  # the cut is looked for from the top: below it only those bins are touched whose scores moved
        idle = ~used
        idle[sizes.get(tensor, used.size) :] = False
        if name.startswith("latent"):  # a record a step, from the first on
            idle[10 * used.size // s.config.option("replay") :] = False
        if name in may_idle:
            idle &= ~may_idle[name]
        assert not idle.any(), f"{tensor}: {idle.sum()} of {used.size} bytes are not used"
    picture, label = next(s.samples(1))
    cost = program.step(picture, label, level="memory")
    assert cost.findings == ()
    assert not touched_sram(program, cost.stack_bytes)[program.plan.sram_bytes :].any()
    assert cost.stack_bytes <= assembled.stack_bytes(program.plan.step)


TOUCHED = [
    pytest.param(*pair, marks=() if pair in ONE_FORM and pair[0] in (*QUICK, "priot-s random") else pytest.mark.long)
    for pair in FORMS
    if pair[0] not in LONG_ONLY
]


@pytest.mark.parametrize(("variant", "form"), TOUCHED)
def test_operations_keep_to_their_tensors(kernels: Image, variant: str, form: str) -> None:
    s = study(networks.get("tiny-cnn-8") if form == "copy" else ODD, variant)
    assert_plan_is_kept(s, s.deploy(kernels, mask_form=form))


KEPT = [
    (ODD_APART, "tin-tin"),
    *(pytest.param(network, variant, marks=pytest.mark.long) for network in (APART, ODD_APART) for variant in TRAINED),
]


@pytest.mark.parametrize(("network", "variant"), KEPT, ids=str_of)
@pytest.mark.long
def test_operations_keep_to_their_tensors_of_depthwise_layers(kernels: Image, network: Network, variant: str) -> None:
    s = study(network, variant)
    assert_plan_is_kept(s, s.deploy(kernels, mask_form="fused"))


@pytest.mark.long
@pytest.mark.parametrize(("variant", "form"), FORMS)
def test_operations_keep_to_their_tensors_on_tiny_cnn(kernels: Image, variant: str, form: str) -> None:
    s = study(networks.get("tiny-cnn"), variant)
    assert_plan_is_kept(s, s.deploy(kernels, mask_form=form))


# The stack


@lru_cache(maxsize=1)
def documented_stack() -> dict[str, int]:
    """Bytes of stack by function, from the contracts in kernels/*.S; a function without a line has no entry.

    A contract says ``208 bytes``, for all functions of its file, or ``dense 40 bytes, sparse 104``, or ``40 bytes
    (m0k_dense), 104 (m0k_sparse)``; what else stands in parentheses is a remark.
    """
    found: dict[str, int] = {}
    for path in KERNELS.glob("*.S"):
        text = path.read_text()
        names = re.findall(r"(?<!_)\b(?:FUNCTION|WALKER)\s+(m0k_\w+)", text)
        header = text[: text.index("*/")].replace("*", " ")
        line = re.search(r"\bStack\b:?\s+(.*?)\.(?:\s|$)", header, re.DOTALL)
        if line is None:
            continue
        by_word = {word: name for name in names for word in (name, name.removeprefix("m0k_"))}
        tokens = re.findall(r"\(|\)|\w+", line[1])
        found |= _depths(tokens, by_word) or dict.fromkeys(names, next(int(t) for t in tokens if t.isdigit()))
    return found


def _depths(tokens: list[str], by_word: dict[str, str]) -> dict[str, int]:
    found: dict[str, int] = {}
    named: list[str] = []
    number, inside = 0, False
    for token in tokens:
        if token in "()":
            inside = token == "("
        elif token in by_word and inside:
            found[by_word[token]] = number
        elif token in by_word:
            named.append(by_word[token])
        elif token.isdigit() and not inside:
            number = int(token)
            found |= dict.fromkeys(named, number)
            named = []
    return found


def stack_of(op: step.Op) -> int:
    """Documented depth of one operation: dispatcher, phase, kernel, and a provider that it calls."""
    depths = documented_stack()
    providers = [w.symbol for w in op.words if isinstance(w, step.Code)]
    return depths["m0k_step"] + depths["m0k_run"] + depths[op.kernel] + sum(depths[name] for name in providers)


def test_the_planned_stack_is_what_the_contracts_say() -> None:
    depths = documented_stack()
    assert {name: depths.get(name) for name in assembled.STACK} == assembled.STACK
    assert set(OUTPUTS) <= set(assembled.STACK)
    for variant, form in FORMS:
        ops = study(ODD, variant).plan(mask_form=form).step
        assert assembled.stack_bytes(ops) == max(stack_of(op) for op in ops.ops)


def test_every_kernel_file_documents_its_stack() -> None:
    for path in KERNELS.glob("*.S"):
        header = path.read_text().split("*/")[0]
        assert re.search(r"\bStack\b:?\s+.*\d", header), path.name


# The plan


PLANNED = [(network, *pair) for network in ("tiny-cnn", "tiny-cnn-8", "mlp") for pair in FORMS]


def assert_no_overlap(made: plan.Plan) -> None:
    for place in ("sram", "flash"):
        placed = [p for p in made.placed.values() if p.tensor.place == place]
        for i, a in enumerate(placed):
            assert a.offset % 4 == 0
            for b in placed[:i]:
                together = a.first <= b.last and b.first <= a.last
                assert not together or a.end <= b.offset or b.end <= a.offset, (a, b)


@pytest.mark.parametrize(("network", "variant", "form"), PLANNED)
def test_plans_are_tight_and_run_nothing(
    network: str, variant: str, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("planning makes a machine")

    monkeypatch.setattr("m0sim.chip.machine.Machine.__init__", refuse)
    made = study_of_plan(network, variant).plan(mask_form=form)
    assert_no_overlap(made)
    assert made.lower_bound <= made.sram_bytes <= 1.02 * made.lower_bound
    assert sum(made.sram_by_kind().values()) == made.sram_bytes
    separate = study_of_plan(network, variant).plan(mask_form=form, reuse=False)
    assert_no_overlap(separate)
    assert separate.sram_bytes == sum(p.tensor.size for p in separate.placed.values() if p.tensor.place == "sram")


@lru_cache(maxsize=8)
def study_of_plan(network: str, variant: str) -> Study:
    return study(networks.get(network), variant)


@st.composite
def steps(draw: st.DrawFn, least: int = 1) -> step.Step:
    """At least so many operations on tensors of any sizes, each used by any of them."""
    count = draw(st.integers(least, 8))
    sizes = draw(st.lists(st.integers(1, 40), min_size=1, max_size=12))
    uses = [draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=3)) for _ in sizes]
    lasts = [draw(st.booleans()) for _ in sizes]
    tensors = {f"t{i}": step.Tensor(f"t{i}", "scratch", 4 * n, "sram", lasts[i]) for i, n in enumerate(sizes)}
    ops = tuple(
        step.Op("forward", "kernel", tuple(step.Ref(f"t{i}") for i, used in enumerate(uses) if at in used))
        for at in range(count)
    )
    return step.Step(
        networks.get("tiny-cnn-8"),
        step.StepSettings(methods.get("niti-static").device, Config(()), DeviceOptions()),
        ops,
        tensors,
    )


@given(steps(), st.booleans())
@settings(max_examples=200, deadline=None)
def test_tensors_that_live_together_do_not_overlap(made: step.Step, reuse: bool) -> None:
    packed = plan.pack(made, reuse=reuse)
    assert_no_overlap(packed)
    for name, p in packed.placed.items():
        assert all(p.first <= at <= p.last for at, op in enumerate(made.ops) if name in op.tensors())
    assert packed.lower_bound <= packed.sram_bytes <= sum(t.size for t in made.tensors.values())


@st.composite
def nested_steps(draw: st.DrawFn) -> step.Step:
    """The same with a chain of three tensors, each made within the one before it, which it outlives and fits into."""
    made = draw(steps(3))
    b, c, d = sorted(draw(st.sets(st.integers(0, len(made.ops) - 1), min_size=3, max_size=3)))
    a = draw(st.integers(0, b))
    spans = {"outer": (a, b), "middle": (b, c), "inner": (c, d)}
    words = [[name for name, span in spans.items() if at in span] for at in range(len(made.ops))]
    ops = [replace(op, words=op.words + tuple(map(step.Ref, more))) for op, more in zip(made.ops, words, strict=True)]
    outer = draw(st.integers(3, 30))
    middle = draw(st.integers(1, outer))
    chain = {
        "outer": step.Tensor("outer", "accumulators", 4 * outer),
        "middle": step.Tensor("middle", "activations", 4 * middle, within="outer"),
        "inner": step.Tensor("inner", "activations", 4 * draw(st.integers(1, middle)), within="middle"),
    }
    return replace(made, ops=tuple(ops), tensors=made.tensors | chain)


@given(nested_steps())
@settings(max_examples=200, deadline=None)
def test_a_tensor_within_another_has_its_first_bytes_or_none(made: step.Step) -> None:
    packed = plan.pack(made)
    assert_no_overlap(packed)
    for name in ("middle", "inner"):
        p = packed.placed[name]
        outer = packed.placed[p.tensor.within]
        first = made.lifetimes[name][0]
        is_apart = p.first == first
        assert is_apart or (p.offset, p.first) == (outer.offset, outer.last + 1)
    apart = {name: replace(tensor, within="") for name, tensor in made.tensors.items()}
    assert packed.sram_bytes <= plan.pack(replace(made, tensors=apart)).sram_bytes
    assert packed.lower_bound <= packed.sram_bytes


def test_a_chain_of_tensors_takes_the_bytes_of_its_first() -> None:
    """Four operations: 400 bytes of sums, requantised to 100, pooled to 24, read beside 300 bytes of others."""
    sizes = {"sums": 400, "raw": 100, "pooled": 24, "others": 376}
    tensors = {
        name: step.Tensor(name, "activations", size, within={"raw": "sums", "pooled": "raw"}.get(name, ""))
        for name, size in sizes.items()
    }
    used = (("sums",), ("sums", "raw"), ("raw", "pooled"), ("pooled", "others"))
    ops = tuple(step.Op("forward", "kernel", tuple(map(step.Ref, names))) for names in used)
    settings = step.StepSettings(methods.get("niti-static").device, Config(()), DeviceOptions())
    packed = plan.pack(step.Step(networks.get("tiny-cnn-8"), settings, ops, tensors))
    assert packed.sram_bytes == packed.lower_bound == 400
    assert {name: p.offset for name, p in packed.placed.items()} == {"sums": 0, "raw": 0, "pooled": 0, "others": 24}
    assert plan.pack(packed.step, reuse=False).sram_bytes == 900


def test_sram_of_the_methods_on_tiny_cnn() -> None:
    """The claims, weights frozen in flash: PRIOT-S needs least, and a fused threshold hardly more than plain NITI."""

    def sram(variant: str, form: str = "copy") -> int:
        made = study_of_plan("tiny-cnn", variant).plan(mask_form=form)
        return made.sram_bytes + assembled.stack_bytes(made.step)

    static, dynamic = sram("niti-static"), sram("niti-dynamic")
    for variant in ("priot-s random", "priot-s largest"):
        assert sram(variant, "fused") < static < dynamic
    assert abs(sram("priot-threshold", "fused") - static) <= 0.1 * static
    assert sram("priot-threshold", "fused") <= sram("priot", "fused") <= sram("priot", "bits") < sram("priot", "copy")
