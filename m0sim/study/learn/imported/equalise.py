"""Channels of a layer on one scale, so that one exponent a layer serves them all.

A ReLU lets a positive factor through: what a channel's weights are multiplied by, the weights that read it are divided
by, and the network computes the same. Factors make the largest weight of a channel and the largest weight that reads it
equal (Nagel et al. 2019, arXiv 1906.04721, section 4.1).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from m0sim.study.learn.imported.float_network import FloatNetwork, Real
from m0sim.study.learn.networks import Depthwise, Network

_PASSES = 3
"""Over all pairs of layers: each changes what its neighbours see."""


def equalised(model: FloatNetwork) -> FloatNetwork:
    """The same network with factors moved between its layers; those around an addition keep theirs."""
    for _ in range(_PASSES):
        for index in _pairs(model.network):
            model = _scaled(model, index, _factors(model, index))
    return model


def _pairs(network: Network) -> Iterator[int]:
    """The layers that only the next one reads."""
    added = {stage.added for stage in network.stages}
    for stage in network.stages[:-1]:
        if stage.added is None and stage.index + 1 not in added:
            yield stage.index


def _readers(model: FloatNetwork, index: int) -> Real:
    """The weights of the next layer, [weights, channels]: those that read each channel of layer `index`."""
    weights, channels = model.weights[index + 1], model.network.stages[index].n_out
    if isinstance(model.network.stages[index + 1].layer, Depthwise):
        return weights.reshape(channels, -1).T
    return weights.reshape(-1, channels)  # the channel is the last axis of an image, flattened or not


def _factors(model: FloatNetwork, index: int) -> Real:
    own = np.abs(model.weights[index]).reshape(model.network.stages[index].n_out, -1).max(axis=1)
    read = np.abs(_readers(model, index)).max(axis=0)
    is_used = (own > 0) & (read > 0)
    found: Real = np.sqrt(np.divide(read, own, out=np.ones_like(own), where=is_used))
    return found


def _scaled(model: FloatNetwork, index: int, by: Real) -> FloatNetwork:
    """The outputs of a layer times `by` [channels], which the next layer takes back."""
    weights, biases, caps = list(model.weights), list(model.biases), list(model.caps)
    weights[index] = weights[index] * by.reshape(-1, *[1] * (weights[index].ndim - 1))
    biases[index] = biases[index] * by
    cap, after = caps[index], weights[index + 1]
    caps[index] = None if cap is None else cap * by
    if isinstance(model.network.stages[index + 1].layer, Depthwise):
        weights[index + 1] = after / by.reshape(-1, *[1] * (after.ndim - 1))
    else:
        weights[index + 1] = (after.reshape(-1, len(by)) / by).reshape(after.shape)
    return replace(model, weights=tuple(weights), biases=tuple(biases), caps=tuple(caps))
