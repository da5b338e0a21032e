"""A model in a file as a float network: what a graph's layers are, put in a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from m0sim.errors import UsageError
from m0sim.study.learn import network_limits
from m0sim.study.learn.imported import float_network, lowering, onnx_file
from m0sim.study.learn.imported.float_network import FloatNetwork, Real
from m0sim.study.learn.imported.values import Input, Linear, Pooled, Producer, Rectified, Sum
from m0sim.study.learn.layout import Index
from m0sim.study.learn.networks import Add, AveragePool, Dense, Layer, LayerError, Network, Pool, Shape, pads_of


@dataclass(frozen=True)
class Imported:
    """A model as it was read."""

    model: FloatNetwork
    order: Index
    """Which element of the file's input each element of an image [h, w, c] is."""
    nodes: tuple[str, ...]
    """The node of each layer with weights."""
    dropped: tuple[str, ...]
    """Operations behind the logits."""
    notes: tuple[str, ...]
    """What is not as the file has it, a line each."""
    provenance: dict[str, Any]
    """Name, SHA-256, opset and producer of the file."""


@dataclass(frozen=True)
class _Stage:
    """A layer with weights and what follows it."""

    linear: Linear
    added: Producer | None
    cap: float | None
    pool: Pool | AveragePool | None
    output: Producer


def read(path: Path, images: Sequence[Shape] = ()) -> Imported:
    """The float network of an ONNX file. `images` are the shapes [h, w, c] that the images for it can be taken for.

    Raises UsageError, one line that begins with the file's name, for what cannot be imported.
    """
    graph = onnx_file.read(path)
    try:
        return _imported(path, graph, images)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def _imported(path: Path, graph: onnx_file.Graph, images: Sequence[Shape]) -> Imported:
    lowered = lowering.lower(graph, images)
    logits = lowered.logits
    if not logits.is_plain or logits.shape[:-1] != (1,) * (len(logits.shape) - 1):
        raise UsageError("its output is no row of logits, one a class")
    stages = _row(logits.producer)
    layers = _layers(stages)
    name = network_limits.name_of(path.stem)
    try:
        network = Network(name, lowered.input.shape, layers)
        found = FloatNetwork(
            network,
            tuple(_weights(stage) for stage in stages),
            tuple(stage.linear.bias for stage in stages),
            tuple(stage.cap for stage in stages),
        )
        network_limits.check(network)
    except LayerError as error:
        raise UsageError(f"{_words(stages)[error.layer]}: {error.what}") from error
    except ValueError as error:
        raise UsageError(str(error)) from error
    assert [stage.weight_shape for stage in network.stages] == [weights.shape for weights in found.weights]
    assert lowered.input.order is not None
    ended = [*lowered.notes, *_notes(lowered.dropped)]
    provenance = {"file": path.name, "sha256": graph.sha256, "opset": graph.opset, "producer": graph.producer}
    nodes = tuple(stage.linear.words for stage in stages)
    model = float_network.with_flags(found)
    return Imported(model, lowered.input.order, nodes, tuple(lowered.dropped), tuple(ended), provenance)


def _notes(dropped: list[str]) -> list[str]:
    return [f"{', '.join(dict.fromkeys(dropped))} behind the logits: left out"] if dropped else []


def _row(producer: Producer) -> list[_Stage]:
    """The layers from the first to the one that gives the logits."""
    stages = [_last(producer)]
    while not isinstance(below := stages[0].linear.of, Input):
        stages.insert(0, _stage(below, stages[0].linear))
    return stages


def _last(producer: Producer) -> _Stage:
    match producer:
        case Linear():
            return _Stage(producer, None, None, None, producer)
        case Rectified(words=words):
            raise UsageError(
                f"{words}: the last layer has a ReLU behind it: leave it out, or put a dense layer behind it"
            )
        case Pooled(words=words):
            raise UsageError(f"{words}: a pool gives the output: put a dense layer (Gemm) behind it")
        case Sum(words=words):
            raise UsageError(f"{words}: an addition gives the output: put a dense layer (Gemm) behind it")
        case Input():
            raise UsageError("no layer has weights")


def _stage(output: Producer, reader: Linear) -> _Stage:
    """The stage whose output a layer reads."""
    pool, relu = (output.pool, output.of) if isinstance(output, Pooled) else (None, output)
    if not isinstance(relu, Rectified):
        raise UsageError(_no_relu(relu, output, reader))
    cap, inner = relu.cap, relu.of
    if isinstance(inner, Linear):
        return _Stage(inner, None, cap, pool, output)
    if not isinstance(inner, Sum):
        raise UsageError(f"{relu.words}: does not follow a layer with weights")
    linears = [side for side in (inner.first, inner.second) if isinstance(side, Linear)]
    if len(linears) != 1:
        what = (
            "two layers with weights, as a shortcut with a convolution of its own does"
            if linears
            else "no layer's output before its ReLU"
        )
        raise UsageError(
            f"{inner.words}: adds {what}: one side must be a convolution, the other what an earlier layer gave"
        )
    other = inner.second if linears[0] is inner.first else inner.first
    return _Stage(linears[0], other, cap, pool, output)


def _no_relu(found: Producer, output: Producer, reader: Linear) -> str:
    """What is wrong where a ReLU should be."""
    match found:
        case Pooled(words=words):
            return f"{words}: another pool follows it: only one may stand behind a layer with weights"
        case Input():
            return f"{getattr(output, 'words', 'a pool')}: a pool of the input: a layer with weights must come first"
        case _:
            name = found.words
            return f"{name}: no ReLU stands between it and {reader.words}; every layer but the last must have one"


def _layers(stages: list[_Stage]) -> tuple[Layer, ...]:
    """The study's layers; an addition names the layer that it adds."""
    gives: dict[int, int] = {}  # of what a stage gives, by id: its last layer
    layers: list[Layer] = []
    for stage in stages:
        first = stages[0].linear.of
        gives.setdefault(id(first), -1)
        layers.append(_last_dense(stage) if stage is stages[-1] else stage.linear.layer)
        if stage.added is not None:
            if id(stage.added) not in gives:
                raise UsageError(
                    f"{stage.linear.words}: what is added to it is not what an earlier layer gives, behind its pool"
                )
            layers.append(Add(gives[id(stage.added)]))
        if stage.pool is not None:
            layers.append(stage.pool)
        gives[id(stage.output)] = len(layers) - 1
    return tuple(layers)


def _words(stages: list[_Stage]) -> list[str]:
    """The node of each of the study's layers, as `_layers` has them."""
    words: list[str] = []
    for stage in stages:
        words.append(stage.linear.words)
        if stage.added is not None:
            words.append(f"the addition behind {stage.linear.words}")
        if isinstance(stage.output, Pooled):
            words.append(stage.output.words)
    return words


def _last_dense(stage: _Stage) -> Layer:
    """The last layer; a convolution over all of its map is a dense one."""
    layer = stage.linear.layer
    if isinstance(layer, Dense):
        return layer
    if stage.linear.shape[:2] != (1, 1) or any(pads_of(layer)) or len(stage.linear.weights.shape) != 4:
        raise UsageError(f"{stage.linear.words}: the last layer must be dense (Gemm)")
    return Dense(stage.linear.shape[-1])


def _weights(stage: _Stage) -> Real:
    weights = stage.linear.weights
    if stage.output is stage.linear and weights.ndim == 4:
        weights = weights.reshape(len(weights), -1)
    return np.ascontiguousarray(weights)
