"""Networks as plain data: layers with shapes, weight counts and multiply-accumulates (MACs).

Tensors are HWC: height, width, channels. A layer may have biases (none of the networks here has); every layer with
weights but the last is followed by a ReLU, and a convolution may be followed by a 2x2 max-pool of stride 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

from m0sim.errors import UsageError, did_you_mean

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Conv:
    """A convolution to `channels` channels; `pad` zeros on every side."""

    channels: int
    kernel: tuple[int, int] = (3, 3)
    stride: int = 1
    pad: int = 1
    bias: bool = False
    """Whether it has biases: constants, one an output, that `Config.biases` holds."""


@dataclass(frozen=True)
class Pool:
    """Maximum over 2x2 windows, stride 2; an odd last row or column is dropped."""


@dataclass(frozen=True)
class Dense:
    """A matrix product to `outputs` values; its input is flattened in HWC order."""

    outputs: int
    bias: bool = False
    """As of a convolution."""


@dataclass(frozen=True)
class Stage:
    """One layer with weights, together with the ReLU and the pool behind it: the unit that training works in."""

    index: int
    layer: Conv | Dense
    in_shape: Shape
    """(height, width, channels) of a convolution's input, (values,) of a dense layer's."""
    raw_shape: Shape
    """Shape of the layer's output before the pool."""
    out_shape: Shape
    """Shape of what the next stage reads: behind the pool, if there is one."""
    pooled: bool
    last: bool
    """The last stage gives the logits: it has no ReLU."""

    @property
    def n_out(self) -> int:
        """Rows of the weight matrix: output channels or values."""
        return self.raw_shape[-1]

    @property
    def n_in(self) -> int:
        """Columns of the weight matrix: kernel height * kernel width * input channels, or values."""
        return prod(self.weight_shape[1:])

    @property
    def weight_shape(self) -> Shape:
        """[c_out, kh, kw, c_in] or [n_out, n_in]."""
        if isinstance(self.layer, Conv):
            return (self.layer.channels, *self.layer.kernel, self.in_shape[2])
        return (self.layer.outputs, prod(self.in_shape))

    @property
    def positions(self) -> int:
        """How often a weight is used in one forward pass: output positions of a convolution, 1 for a dense layer."""
        return prod(self.raw_shape[:-1])

    @property
    def edges(self) -> int:
        """Number of weights."""
        return self.n_out * self.n_in

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one forward pass."""
        return self.edges * self.positions


@dataclass(frozen=True)
class Network:
    """A named stack of layers; `input_shape` is (height, width, channels)."""

    name: str
    input_shape: Shape
    layers: tuple[Conv | Pool | Dense, ...]

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """The layers with weights, in forward order, with all shapes worked out."""
        return tuple(_stages(self))

    @property
    def classes(self) -> int:
        """Number of logits."""
        return self.stages[-1].n_out

    @property
    def weights(self) -> int:
        """Number of weights."""
        return sum(stage.edges for stage in self.stages)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one forward pass of one image."""
        return sum(stage.macs for stage in self.stages)


def _stages(network: Network) -> Iterator[Stage]:
    """Walk the layers; ValueError for a stack that cannot be run."""
    layers, shape, index = network.layers, network.input_shape, 0
    if not layers or not isinstance(layers[-1], Dense):
        raise ValueError(f"{network.name}: the last layer must be dense")
    for at, layer in enumerate(layers):
        before = layers[at - 1] if at else None
        if isinstance(layer, Pool) and not isinstance(before, Conv):
            raise ValueError(f"{network.name}: layer {at} is a pool that does not follow a convolution")
        if isinstance(layer, Conv) and isinstance(before, Dense):
            raise ValueError(f"{network.name}: layer {at} is a convolution behind a dense layer")
    for at, layer in enumerate(layers):
        if isinstance(layer, Pool):
            continue
        pooled = at + 1 < len(layers) and isinstance(layers[at + 1], Pool)
        in_shape = shape if isinstance(layer, Conv) else (prod(shape),)
        raw_shape = conv_shape(layer, in_shape) if isinstance(layer, Conv) else (layer.outputs,)
        shape = pool_shape(raw_shape) if pooled else raw_shape
        if min(shape) < 1:
            raise ValueError(f"{network.name}: nothing is left of the image behind layer {at}")
        yield Stage(index, layer, in_shape, raw_shape, shape, pooled, last=at == len(layers) - 1)
        index += 1


def conv_shape(layer: Conv, in_shape: Shape) -> Shape:
    """Output shape of a convolution on an input (height, width, channels)."""
    height, width = ((n + 2 * layer.pad - k) // layer.stride + 1 for n, k in zip(in_shape, layer.kernel, strict=False))
    return (height, width, layer.channels)


def pool_shape(shape: Shape) -> Shape:
    """Output shape of the 2x2 pool."""
    return (shape[0] // 2, shape[1] // 2, shape[2])


_POOL = Pool()


def _vgg11() -> tuple[Conv | Pool | Dense, ...]:
    plan = (64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0)
    return (*(Conv(channels) if channels else _POOL for channels in plan), Dense(10))


NETWORKS: dict[str, Network] = {
    network.name: network
    for network in (
        Network("tiny-cnn", (28, 28, 1), (Conv(8), _POOL, Conv(16), _POOL, Dense(64), Dense(10))),
        Network("tiny-cnn-8", (8, 8, 1), (Conv(8), _POOL, Conv(16), _POOL, Dense(32), Dense(10))),
        Network("mlp", (28, 28, 1), (Dense(128), Dense(10))),
        # As in NITI's public code: 430,500 weights, 2,293,000 MACs.
        Network(
            "lenet",
            (28, 28, 1),
            (Conv(20, (5, 5), pad=0), _POOL, Conv(50, (5, 5), pad=0), _POOL, Dense(500), Dense(10)),
        ),
        Network("vgg11", (32, 32, 3), _vgg11()),
    )
}


WIDTH_MAX = 16


def wide(name: str, width: float) -> Network:
    """The network `name` with `width` times its channels; UsageError for an unknown name or a width out of range."""
    if not 0 < width <= WIDTH_MAX:
        raise UsageError(f"a width of {width:g}: must be above 0 and at most {WIDTH_MAX}")
    return scaled(get(name), width)


def scaled(network: Network, width: float) -> Network:
    """The network with `width` times the channels and values of every layer but the last, at least 1 of each.

    Halves round to the even number. Its name says so, such as ``tiny-cnn*0.5``; a width of 1 is the network itself.
    """
    if width == 1:
        return network
    hidden = (_widened(layer, width) for layer in network.layers[:-1])
    return Network(f"{network.name}*{width:g}", network.input_shape, (*hidden, network.layers[-1]))


def with_biases(network: Network, has_bias: Sequence[bool]) -> Network:
    """The network whose layers with weights have biases where `has_bias`, one entry for each of them, says so."""
    wanted = iter(has_bias)
    layers = (layer if isinstance(layer, Pool) else replace(layer, bias=next(wanted)) for layer in network.layers)
    return replace(network, layers=tuple(layers))


def _widened(layer: Conv | Pool | Dense, width: float) -> Conv | Pool | Dense:
    match layer:
        case Conv(channels=channels):
            return replace(layer, channels=max(1, round(width * channels)))
        case Dense(outputs=outputs):
            return replace(layer, outputs=max(1, round(width * outputs)))
        case _:
            return layer


def get(name: str) -> Network:
    """The network called `name`; UsageError if there is none."""
    if name not in NETWORKS:
        known = ", ".join(NETWORKS)
        raise UsageError(f"unknown network {name!r} (known: {known}){did_you_mean(name, NETWORKS)}")
    return NETWORKS[name]
