"""What a network may be: as much as the kernels' contracts, the planner and a training on a PC take."""

from __future__ import annotations

import re
from math import prod

from m0sim.study.learn.biases import INPUTS_MAX
from m0sim.study.learn.networks import (
    NETWORKS,
    Add,
    AveragePool,
    Conv,
    Dense,
    Depthwise,
    Layer,
    LayerError,
    Network,
    Pool,
    Stage,
    pads_of,
)

LAYERS_MAX = 64
SIDE_MAX = 65_535
"""Inputs and outputs of a layer, and each side of an image: kernels/dense.S, conv.S, loss.S."""
POSITIONS_MAX = (1 << 30) // 127**2
"""Positions of a convolution: so many products of the largest values stay below 2**30, which kernels/niti.S wants of a
gradient."""
VALUES_MAX = 1 << 20
"""Of an activation: four times the SRAM of the largest part."""
WEIGHTS_MAX = 1 << 24
"""As many bytes as the largest flash that an RP2040 addresses."""
MACS_MAX = 1 << 30
CLASSES_MAX = 256
"""Labels are bytes."""
AVERAGED_MAX = 4096
"""Values of an average: their sum times 2**16 / n fits 32 bits."""
POOLS = ((2, 2), (1, 2), (2, 1))
"""Windows of a maximum."""
STRIDE_MAX = 64
DEPTHWISE_MAX = 15
"""Each side of a depthwise kernel: kernels/depthwise.S."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")


def wrong_name(name: str) -> str:
    """What is wrong with a network's name, which becomes part of file names; empty if nothing is."""
    return "" if _NAME.fullmatch(name) else f"must be 1 to 64 letters, digits or . _ + -, not {name!r}"


def name_of(text: str) -> str:
    """A name that a network may have, made of a file's: no bundled network's."""
    plain = re.sub(r"[^A-Za-z0-9._+-]", "-", text).lstrip("._+-")[:56] or "model"
    return f"{plain}-own" if plain in NETWORKS else plain


def check(network: Network) -> None:
    """Raise ValueError, one line, for a network that cannot be: `LayerError` where that is due to one layer."""
    if wrong := wrong_name(network.name):
        raise ValueError(f"the name of a network {wrong}")
    if not 1 <= len(network.layers) <= LAYERS_MAX:
        raise ValueError(f"{network.name} has {len(network.layers)} layers: a network has 1 to {LAYERS_MAX}")
    if len(network.input_shape) != 3 or not all(1 <= side <= SIDE_MAX for side in network.input_shape):
        raise ValueError(f"{network.name}: its input must be [height, width, channels], each 1 to {SIDE_MAX:,}")
    if prod(network.input_shape) > VALUES_MAX:
        raise ValueError(f"{network.name}: its input has {prod(network.input_shape):,} values: at most {VALUES_MAX:,}")
    for index, layer in enumerate(network.layers):
        if wrong := _wrong_by_itself(layer):
            raise LayerError(network.name, index, wrong)
    places = [i for i, layer in enumerate(network.layers) if not isinstance(layer, Pool | AveragePool | Add)]
    for stage, index in zip(network.stages, places, strict=True):
        if wrong := _wrong_as_stage(stage):
            raise LayerError(network.name, index, wrong)
    if not 2 <= network.classes <= CLASSES_MAX:
        what = f"has {network.classes} outputs: the last layer has one for each class, 2 to {CLASSES_MAX}"
        raise LayerError(network.name, places[-1], what)
    if network.weights > WEIGHTS_MAX:
        raise ValueError(f"{network.name} has {network.weights:,} weights: at most {WEIGHTS_MAX:,}")
    if network.macs > MACS_MAX:
        raise ValueError(f"{network.name} takes {network.macs:,} multiply-accumulates an image: at most {MACS_MAX:,}")


def _wrong_by_itself(layer: Layer) -> str:
    match layer:
        case Conv(channels=n) | Dense(outputs=n) if not 1 <= n <= SIDE_MAX:
            return f"has {n} outputs: 1 to {SIDE_MAX:,}"
        case Conv() | Depthwise():
            return _wrong_convolution(layer)
        case Pool(window=window) if window not in POOLS:
            return f"is a maximum over {_sides(window)}: {', '.join(map(_sides, POOLS))} are there"
        case AveragePool(window=window) if window is not None and not (
            min(window) >= 1 and prod(window) <= AVERAGED_MAX
        ):
            return f"is an average over {_sides(window)}: 1 to {AVERAGED_MAX:,} values"
        case _:
            return ""


def _wrong_convolution(layer: Conv | Depthwise) -> str:
    pads, kernel = pads_of(layer), layer.kernel
    if not all(1 <= side <= SIDE_MAX for side in kernel):
        return f"has a kernel of {_sides(kernel)}: each side 1 to {SIDE_MAX:,}"
    if isinstance(layer, Depthwise) and max(kernel) > DEPTHWISE_MAX:
        return f"is depthwise with a kernel of {_sides(kernel)}: each side 1 to {DEPTHWISE_MAX}"
    if not 1 <= layer.stride <= STRIDE_MAX:
        return f"has a stride of {layer.stride}: 1 to {STRIDE_MAX}"
    if not all(0 <= pad < side for pad, side in zip(pads, kernel, strict=True)):
        return f"has a pad of {_sides(pads)}: 0 or more, and less than the kernel's {_sides(kernel)}"
    return ""


def _wrong_as_stage(stage: Stage) -> str:
    if stage.n_in > SIDE_MAX:
        return f"has {stage.n_in:,} inputs an output: at most {SIDE_MAX:,}"
    if stage.layer.bias and stage.n_in > INPUTS_MAX:
        return f"has biases and {stage.n_in:,} inputs an output: at most {INPUTS_MAX:,} with biases"
    if stage.positions > POSITIONS_MAX:
        return f"has {stage.positions:,} positions: at most {POSITIONS_MAX:,}"
    if prod(stage.raw_shape) > VALUES_MAX:
        return f"gives {prod(stage.raw_shape):,} values: at most {VALUES_MAX:,}"
    if isinstance(stage.pool, AveragePool) and stage.pool.window is None and stage.positions > AVERAGED_MAX:
        return f"is averaged over {stage.positions:,} positions: at most {AVERAGED_MAX:,}"
    return ""


def _sides(pair: tuple[int, int]) -> str:
    return f"{pair[0]} x {pair[1]}"
