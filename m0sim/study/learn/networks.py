"""Networks as plain data: layers with shapes, weight counts and multiply-accumulates (MACs).

Tensors are HWC: height, width, channels; a signal [length, channels] is an image of one row. A layer may have biases
(none of the networks here has). Every layer with weights but the last is followed by a ReLU; behind a convolution an
earlier output may be added before the ReLU, and a pool may follow it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

from m0sim.errors import UsageError, did_you_mean

Shape = tuple[int, ...]


class LayerError(ValueError):
    """A layer that cannot be where it is: its index in the network, and what is wrong with it."""

    def __init__(self, network: str, layer: int, what: str) -> None:
        super().__init__(f"{network}: layer {layer} {what}")
        self.layer, self.what = layer, what


@dataclass(frozen=True)
class Conv:
    """A convolution to `channels` channels; `pad` zeros on every side, or (above and below, left and right)."""

    channels: int
    kernel: tuple[int, int] = (3, 3)
    stride: int = 1
    pad: int | tuple[int, int] = 1
    bias: bool = False
    """Whether it has biases: constants, one an output, that `Config.biases` holds."""


@dataclass(frozen=True)
class Depthwise:
    """A convolution of each channel by itself: as many channels come out as go in. As `Conv` has the others."""

    kernel: tuple[int, int] = (3, 3)
    stride: int = 1
    pad: int | tuple[int, int] = 1
    bias: bool = False


@dataclass(frozen=True)
class Pool:
    """Maximum over windows (height, width) that lie side by side; an odd last row or column is dropped.

    (2, 2), or of signals (1, 2).
    """

    window: tuple[int, int] = (2, 2)


@dataclass(frozen=True)
class AveragePool:
    """Mean over windows (height, width) that lie side by side, what is left of the map being dropped; None: over all of
    the map."""

    window: tuple[int, int] | None = None


@dataclass(frozen=True)
class Add:
    """What layer `layer` of the network gives (an index; behind its pool, if it has one; -1 is the input) is added to
    the convolution's output in front of this, before the ReLU. Shapes are equal."""

    layer: int


@dataclass(frozen=True)
class Dense:
    """A matrix product to `outputs` values; its input is flattened in HWC order."""

    outputs: int
    bias: bool = False
    """As of a convolution."""


Layer = Conv | Depthwise | Pool | AveragePool | Add | Dense


@dataclass(frozen=True)
class Stage:
    """One layer with weights, together with the ReLU and the pool behind it: the unit that training works in."""

    index: int
    layer: Conv | Depthwise | Dense
    in_shape: Shape
    """(height, width, channels) of a convolution's input, (values,) of a dense layer's."""
    raw_shape: Shape
    """Shape of the layer's output before the pool."""
    out_shape: Shape
    """Shape of what the next stage reads: behind the pool, if there is one."""
    pool: Pool | AveragePool | None
    last: bool
    """The last stage gives the logits: it has no ReLU."""
    added: int | None = None
    """What is added before the ReLU: the activation that stage `added` reads, 0 being the input."""

    @property
    def pooled(self) -> bool:
        """Whether a maximum is taken behind it."""
        return isinstance(self.pool, Pool)

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
        """[c_out, kh, kw, c_in], [channels, kh, kw] of a depthwise one, or [n_out, n_in]."""
        if isinstance(self.layer, Conv):
            return (self.layer.channels, *self.layer.kernel, self.in_shape[2])
        if isinstance(self.layer, Depthwise):
            return (self.in_shape[2], *self.layer.kernel)
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
    layers: tuple[Layer, ...]

    def __hash__(self) -> int:
        return hash((self.name, self.input_shape))  # plans are kept by networks: their layers are only compared

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
    layers, shape, at = network.layers, network.input_shape, 0
    if not layers or not isinstance(layers[-1], Dense):
        raise LayerError(network.name, len(layers) - 1, "is the last one and must be dense")
    shapes, reads = {-1: shape}, {-1: 0}  # of every layer that something may be added from: what it gives, who reads it
    for index in range(len(layers)):
        layer, first = layers[at], at
        if not isinstance(layer, Conv | Depthwise | Dense):
            raise LayerError(network.name, at, f"must be a convolution or dense, not {_words(layer)}")
        if not isinstance(layer, Dense) and len(shape) != 3:
            raise LayerError(network.name, at, "is a convolution behind a dense layer")
        in_shape = (prod(shape),) if isinstance(layer, Dense) else shape
        raw_shape = (layer.outputs,) if isinstance(layer, Dense) else conv_shape(layer, in_shape)
        behind, at = _behind(layers, at, isinstance(layer, Dense))
        added, pool = behind
        if added is not None and shapes.get(added.layer) != raw_shape:
            raise LayerError(network.name, first, f"cannot be added to: {_mismatch(added, shapes, raw_shape)}")
        shape = pool_shape(raw_shape, pool) if pool else raw_shape
        if min(*raw_shape, *shape) < 1:
            raise LayerError(network.name, first, f"leaves nothing of the image: {_product(in_shape)} comes in")
        source = None if added is None else reads[added.layer]
        yield Stage(index, layer, in_shape, raw_shape, shape, pool, at == len(layers), source)
        if at == len(layers):
            return
        # A layer that another follows in the same stage gives nothing of its own.
        shapes[at - 1], reads[at - 1] = shape, index + 1


def _behind(
    layers: tuple[Layer, ...], at: int, is_dense: bool
) -> tuple[tuple[Add | None, Pool | AveragePool | None], int]:
    """What belongs to the layer with weights at `at`, and where the next one is."""
    added: Add | None = None
    pool: Pool | AveragePool | None = None
    at += 1
    if at < len(layers) and isinstance(found := layers[at], Add) and not is_dense:
        added, at = found, at + 1
    if at < len(layers) and isinstance(found := layers[at], Pool | AveragePool) and not is_dense:
        pool, at = found, at + 1
    return (added, pool), at


def _words(layer: Layer) -> str:
    match layer:
        case Add():
            return "an addition: it follows a convolution"
        case _:
            return "a pool: it follows a convolution, and no other pool"


def _mismatch(added: Add, shapes: dict[int, Shape], wanted: Shape) -> str:
    if added.layer not in shapes:
        return f"layer {added.layer} has no output of its own (those in front of it that have: {_listed(shapes)})"
    has, needs = map(_product, (shapes[added.layer], wanted))
    return f"layer {added.layer} gives {has}, needed is {needs}"


def _product(shape: Shape) -> str:
    return " x ".join(map(str, shape))


def _listed(shapes: dict[int, Shape]) -> str:
    return ", ".join("the input, -1" if at < 0 else str(at) for at in shapes)


def pads_of(layer: Conv | Depthwise) -> tuple[int, int]:
    """Zeros above and below, and left and right."""
    return layer.pad if isinstance(layer.pad, tuple) else (layer.pad, layer.pad)


def conv_shape(layer: Conv | Depthwise, in_shape: Shape) -> Shape:
    """Output shape of a convolution on an input (height, width, channels)."""
    sides = zip(in_shape, layer.kernel, pads_of(layer), strict=False)
    height, width = ((n + 2 * pad - k) // layer.stride + 1 for n, k, pad in sides)
    return (height, width, layer.channels if isinstance(layer, Conv) else in_shape[2])


def pool_shape(shape: Shape, pool: Pool | AveragePool = Pool()) -> Shape:
    """Output shape of a pool."""
    if pool.window is None:
        return (1, 1, shape[2])
    return (shape[0] // pool.window[0], shape[1] // pool.window[1], shape[2])


_POOL = Pool()


def _vgg11(divisor: int = 1) -> tuple[Layer, ...]:
    plan = (64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0)
    return (*(Conv(channels // divisor) if channels else _POOL for channels in plan), Dense(10))


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
        Network("vgg11-quarter", (32, 32, 3), _vgg11(divisor=4)),
    )
}


WIDTH_MAX = 16


def wide(network: str | Network, width: float) -> Network:
    """A network, by its name or itself, with `width` times its channels; UsageError for an unknown name or a width out
    of range."""
    if not 0 < width <= WIDTH_MAX:
        raise UsageError(f"a width of {width:g}: must be above 0 and at most {WIDTH_MAX}")
    return scaled(get(network) if isinstance(network, str) else network, width)


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
    layers = (
        replace(layer, bias=next(wanted)) if isinstance(layer, Conv | Depthwise | Dense) else layer
        for layer in network.layers
    )
    return replace(network, layers=tuple(layers))


def _widened(layer: Layer, width: float) -> Layer:
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
        raise UsageError(
            f"unknown network {name!r} (known: {known}, or FILE.toml, FILE.npz){did_you_mean(name, NETWORKS)}"
        )
    return NETWORKS[name]
