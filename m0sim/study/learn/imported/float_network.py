"""A float network with biases, average pools, additions and capped ReLUs: what an import starts from.

It says the same as a trained model in another library, layer by layer as the study has them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from m0sim.errors import UsageError
from m0sim.study.learn.networks import AveragePool, Conv, Dense, Depthwise, Network, Pool, Stage, pads_of, with_biases

Real = NDArray[np.float64]

_EVALUATED = 250  # images at a time: bounds the memory of a forward pass


@dataclass(frozen=True)
class FloatNetwork:
    """A network with its weights: tuples have one entry for each layer with weights."""

    network: Network
    weights: tuple[Real, ...]
    """In logical shape, see `Stage.weight_shape`."""
    biases: tuple[Real, ...]
    """[n_out] each; zeros where there are none."""
    caps: tuple[float | Real | None, ...]
    """Where the ReLU behind a layer ends, one number or one a channel; None for nowhere, as of the last layer."""


@dataclass(frozen=True)
class Scaling:
    """What a model takes for a pixel: value = pixel / 255 * scale + offset, each [channels]."""

    scale: Real
    offset: Real

    def __call__(self, images: NDArray[np.uint8]) -> Real:
        """What the model is given for images uint8 [n, h, w, c]."""
        real: Real = images / np.float64(255) * self.scale + self.offset
        return real


def logits(network: FloatNetwork, images: Real) -> Real:
    """[n, classes] of what the model takes, [n, h, w, c]."""
    chunks = [images[at : at + _EVALUATED] for at in range(0, len(images), _EVALUATED)]
    return np.concatenate([list(forward(network, chunk))[-1] for chunk in chunks])


def forward(network: FloatNetwork, images: Real) -> Iterator[Real]:
    """What each layer gives for images [n, h, w, c]: behind its ReLU and pool, the logits last."""
    activations = [images]
    for stage in network.network.stages:
        i, inputs = stage.index, activations[-1]
        raw = _linear(stage, network.weights[i], inputs) + network.biases[i]
        if stage.added is not None:
            raw = raw + activations[stage.added]
        if not stage.last:
            raw = np.clip(raw, 0, network.caps[i])
        output = pooled(stage, raw)
        activations.append(output)
        yield output


def _linear(stage: Stage, weights: Real, inputs: Real) -> Real:
    layer = stage.layer
    if isinstance(layer, Dense):
        return inputs.reshape(len(inputs), -1) @ weights.T
    (above, left), (rows, columns) = pads_of(layer), stage.raw_shape[:2]
    padded = np.pad(inputs, ((0, 0), (above, above), (left, left), (0, 0)))
    sums = np.zeros((len(inputs), *stage.raw_shape))
    for y, x in np.ndindex(*layer.kernel):
        down, across = (slice(at, at + layer.stride * size, layer.stride) for at, size in ((y, rows), (x, columns)))
        met = padded[:, down, across][:, :rows, :columns]
        sums += met @ weights[:, y, x].T if isinstance(layer, Conv) else met * weights[:, y, x]
    return sums


def pooled(stage: Stage, raw: Real) -> Real:
    """What the stage's pool makes of an output [n, h, w, c]; without one, that output."""
    if stage.pool is None:
        return raw
    high, wide = stage.pool.window or stage.raw_shape[:2]
    rows, columns, channels = stage.out_shape
    inside = raw[:, : rows * high, : columns * wide].reshape(-1, rows, high, columns, wide, channels)
    found: Real = inside.max(axis=(2, 4)) if isinstance(stage.pool, Pool) else inside.mean(axis=(2, 4))
    return found


def on_device(network: FloatNetwork, scaling: Scaling) -> FloatNetwork:
    """The same network for the device's images, whose int8 x stands for x * 2**-7 and is a pixel halved.

    The scaling becomes part of the first layer. Raises UsageError where it has an offset and the layer pads: its zeros
    would have to be something else.
    """
    stage, weights = network.network.stages[0], network.weights[0]
    shape = network.network.input_shape
    by, along = (np.broadcast_to(values, shape) for values in (scaling.scale * (256 / 255), scaling.offset))
    if isinstance(stage.layer, Dense):
        weights, constant = weights * by.reshape(-1), weights @ along.reshape(-1)
    else:
        if np.any(along) and any(pads_of(stage.layer)):
            raise UsageError(
                f"{network.network.name}: its first convolution pads with zeros, so an input that begins at another "
                "value cannot become part of it: train on inputs from 0 on (--input-range 0:HIGH), or without padding"
            )
        taps = (slice(None), None, None) if isinstance(stage.layer, Depthwise) else (slice(None),)
        constant = weights * along[0, 0][taps]
        weights, constant = weights * by[0, 0][taps], constant.reshape(len(weights), -1).sum(axis=1)
    biases = (network.biases[0] + constant, *network.biases[1:])
    return with_flags(replace(network, weights=(weights, *network.weights[1:]), biases=biases))


def with_flags(network: FloatNetwork) -> FloatNetwork:
    """The same, its layers having biases where they are not all zero."""
    return replace(network, network=with_biases(network.network, [bool(np.any(b)) for b in network.biases]))


def describes(network: Network) -> str:
    """The layers in words, for reports: ``conv 8 3x3, max 2x2, dense 10``."""
    return ", ".join(map(words, network.layers))


def words(layer: object) -> str:
    """One layer in words."""
    match layer:
        case Conv(channels=channels, kernel=kernel):
            return f"conv {channels} {kernel[0]}x{kernel[1]}"
        case Depthwise(kernel=kernel):
            return f"depthwise {kernel[0]}x{kernel[1]}"
        case Pool(window=window):
            return f"max {window[0]}x{window[1]}"
        case AveragePool(window=None):
            return "average of all"
        case AveragePool(window=(high, wide)):
            return f"average {high}x{wide}"
        case Dense(outputs=outputs):
            return f"dense {outputs}"
        case _:
            return "add"
