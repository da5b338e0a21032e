"""Networks as TOML that people write: text in, a `Network` out, and back.

[network]
name = "mine"
input = [28, 28, 1]          # height, width, channels; of signals [length, channels]

[[layer]]
conv = 8                     # channels; kernel = 3, stride = 1, pad = 1, bias = false unless given
kernel = [3, 5]              # of one number both sides, of signals the length
pad = "same"                 # or a number, or [rows, columns]; "same": (kernel - 1) / 2, of odd kernels

[[layer]]
pool = 2                     # maximum over 2 x 2; also [1, 2] and [2, 1]; of signals 2 samples

[[layer]]
depthwise = true             # each channel by itself; or its kernel: depthwise = 3
name = "features"

[[layer]]
conv = 8

[[layer]]
add = "features"             # what that layer gives, or "input", is added to the convolution's output

[[layer]]
average = "all"              # or a window as of pool

[[layer]]
dense = 10                   # outputs; the last layer's are the classes

A signal [length, channels] is an image [1, length, channels] inside: kernel k is (1, k), pad p (0, p), pool 2 (1, 2).
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from m0sim import toml
from m0sim.errors import did_you_mean
from m0sim.study.learn import network_limits
from m0sim.study.learn.network_limits import SIDE_MAX, STRIDE_MAX
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
    pads_of,
    with_biases,
)
from m0sim.toml import Table

Pair = tuple[int, int]

_SHAPED = ("kernel", "stride", "pad", "bias")
KEYS = {
    "conv": _SHAPED,
    "depthwise": _SHAPED,
    "pool": (),
    "average": (),
    "dense": ("bias",),
    "add": (),
}
"""What a layer may be, and the keys that each has besides `name`."""
_ALL = (*KEYS, *_SHAPED, "name")
_TOP = ("network", "layer")
_INPUT = "input"
_LABEL_MAX = 64


def read(path: Path) -> Network:
    """The network that a file describes. Raises UsageError, one line with file, line and what would be right."""
    return _network(toml.read(path, "the network", _TOP))


def parse(text: str, path: Path) -> Network:
    """The network that a text describes, which is in the file `path` as errors say. Raises as `read`."""
    return _network(toml.parse(path, text, _TOP))


def is_bundled(network: Network) -> bool:
    """Whether m0sim brings this network."""
    return NETWORKS.get(network.name) == network


def identity(network: Network) -> str:
    """What tells a network from every other one: the name of a bundled one, the text of one's own."""
    return network.name if is_bundled(network) else dumps(network)


def _network(top: Table) -> Network:
    head = top.table("network", ("name", "input"))
    if head is None:
        top.fail("network", "missing: a table [network] with name and input")
    name = head.text("name")
    if wrong := network_limits.wrong_name(name):
        head.fail("name", wrong)
    shape, is_signal = _input(head)
    tables = list(top.tables("layer", _ALL))
    if not tables:
        top.fail("layer", "missing: a table [[layer]] for each layer, the last one dense")
    reader = _Reader(is_signal)
    network = Network(name, shape, tuple(reader.layer(table) for table in tables))
    _check_sources(network, tables)
    try:
        network_limits.check(network)
    except LayerError as error:
        table = tables[error.layer]
        table.fail(_kind(table), reader.in_words(error.what))
    except ValueError as error:
        head.fail(_INPUT, str(error))
    if name in NETWORKS and not is_bundled(with_biases(network, [False] * len(network.stages))):
        head.fail("name", f"{name!r} is the name of a bundled network with other layers: choose another")
    return network


def _check_sources(network: Network, tables: list[Table]) -> None:
    """What is added must be what a layer gives to the next one: behind its own addition and its pool."""
    for table, layer in zip(tables, network.layers, strict=True):
        if isinstance(layer, Add) and layer.layer >= 0:
            behind = network.layers[layer.layer + 1]
            if isinstance(behind, Add | Pool | AveragePool) and behind is not layer:
                what = "addition" if isinstance(behind, Add) else "pool"
                table.fail("add", f"{table.raw['add']!r} is changed by the {what} behind it: name that one instead")


def _input(head: Table) -> tuple[tuple[int, ...], bool]:
    """Height, width and channels, and whether it is a signal."""
    found = head.array(_INPUT) if _INPUT in head.raw else head.fail(_INPUT, "missing")
    if len(found) not in (2, 3) or any(type(side) is not int or not 1 <= side <= SIDE_MAX for side in found):
        wanted = f"[height, width, channels], of signals [length, channels], each 1 to {SIDE_MAX:,}"
        head.fail(_INPUT, f"must be {wanted}, not {found!r}")
    return (tuple(found), False) if len(found) == 3 else ((1, *found), True)


def _kind(table: Table) -> str:
    """Which of `KEYS` a layer is by. Fails for none, for two, and for a key that is another one's."""
    kinds = [key for key in table.raw if key in KEYS]
    if len(kinds) != 1:
        has = f"it has {' and '.join(kinds)}" if kinds else "it has none"
        table.fail(kinds[1] if kinds else "", f"a layer has one of {', '.join(KEYS)}: {has}")
    for key in table.raw:
        if key not in (kinds[0], *KEYS[kinds[0]], "name"):
            table.fail(key, f"{kinds[0]} has no {key}")
    return kinds[0]


class _Reader:
    """The layers of one file, in their order."""

    def __init__(self, is_signal: bool) -> None:
        self._is_signal = is_signal
        self._named: dict[str, int] = {}
        self._count = 0

    def layer(self, table: Table) -> Layer:
        """The next one."""
        kind = _kind(table)
        made = self._layer(kind, table)
        if "name" in table.raw:
            name = table.text("name")
            if not name.isprintable() or not 1 <= len(name) <= _LABEL_MAX or name in (_INPUT, *self._named):
                table.fail("name", f"must be another one than {_INPUT!r} and those before, not {name!r}")
            self._named[name] = self._count
        self._count += 1
        return made

    def in_words(self, text: str) -> str:
        """What is wrong with a layer, layers by their names instead of their numbers."""
        names = {at: name for name, at in self._named.items()}
        return re.sub(r"layer (\d+)", lambda found: repr(names.get(int(found[1]), found[0])), text)

    def _layer(self, kind: str, table: Table) -> Layer:
        match kind:
            case "conv":
                kernel = self._pair(table, "kernel", (3, 3), 1)
                return Conv(table.integer(kind, 1, SIDE_MAX), kernel, *self._rest(table, kernel))
            case "depthwise":
                kernel = self._depthwise_kernel(table)
                return Depthwise(kernel, *self._rest(table, kernel))
            case "pool":
                window = self._pair(table, kind, (2, 2), 1)
                if window not in network_limits.POOLS:
                    wanted = "2" if self._is_signal else "2, [1, 2] or [2, 1]"
                    table.fail(kind, f"must be {wanted}, not {table.raw[kind]!r}")
                return Pool(window)
            case "average":
                return AveragePool(None if table.raw[kind] == "all" else self._pair(table, kind, (2, 2), 1))
            case "dense":
                return Dense(table.integer(kind, 1, SIDE_MAX), table.flag("bias", False))
            case _:
                return Add(self._target(table))

    def _target(self, table: Table) -> int:
        name = table.text("add")
        if name == _INPUT:
            return -1
        if name not in self._named:
            known = [_INPUT, *self._named]
            table.fail(
                "add", f"no layer before has the name {name!r} (known: {', '.join(known)}){did_you_mean(name, known)}"
            )
        return self._named[name]

    def _rest(self, table: Table, kernel: Pair) -> tuple[int, int | Pair, bool]:
        """Stride, pad and bias."""
        stride = table.integer("stride", 1, STRIDE_MAX, default=1)
        if table.raw.get("pad") != "same":
            pads = self._pair(table, "pad", (1, 1), 0)
        elif all(side % 2 for side in kernel):
            pads = (kernel[0] // 2, kernel[1] // 2)
        else:
            table.fail("pad", f"'same' is for odd kernels, not {kernel[0]} x {kernel[1]}: give rows and columns")
        return stride, pads[0] if pads[0] == pads[1] else pads, table.flag("bias", False)

    def _depthwise_kernel(self, table: Table) -> Pair:
        if table.raw["depthwise"] is True:
            return self._pair(table, "kernel", (3, 3), 1)
        if "kernel" in table.raw:
            table.fail("kernel", "is there twice: depthwise = true goes with it")
        return self._pair(table, "depthwise", (3, 3), 1)

    def _pair(self, table: Table, key: str, default: Pair, low: int) -> Pair:
        """A number for both sides or a pair (rows, columns); of signals a number, for the length."""
        value = table.raw.get(key, default[1] if self._is_signal else list(default))
        pair = value if isinstance(value, list) and not self._is_signal else [value, value]
        if len(pair) != 2 or any(type(side) is not int or not low <= side <= SIDE_MAX for side in pair):
            wanted = "an integer" if self._is_signal else "an integer or [rows, columns]"
            others = {"pad": ", or 'same'", "average": ", or 'all'", "depthwise": ", or true"}.get(key, "")
            table.fail(key, f"must be {wanted} from {low} to {SIDE_MAX:,}{others}, not {value!r}")
        return (low, pair[1]) if self._is_signal else (pair[0], pair[1])


def dumps(network: Network) -> str:
    """The text that `parse` makes the same network of. Raises UsageError, one line, for one that it would refuse."""
    is_signal = _is_signal(network)
    shape = network.input_shape[1:] if is_signal else network.input_shape
    lines = ["[network]", f"name = {_text(network.name)}", f"input = {list(shape)}"]
    targets = {layer.layer for layer in network.layers if isinstance(layer, Add)}
    for at, layer in enumerate(network.layers):
        lines += ["", "[[layer]]", *_lines(layer, is_signal)]
        if at in targets:
            lines.append(f"name = {_text(_label(at))}")
    text = "\n".join(lines) + "\n"
    parse(text, Path(network.name))
    return text


def _is_signal(network: Network) -> bool:
    """Whether it can be written as one on signals: images of one row, and nothing that reaches beyond it."""
    return network.input_shape[0] == 1 and all(map(_is_of_row, network.layers))


def _is_of_row(layer: Layer) -> bool:
    match layer:
        case Conv() | Depthwise():
            return layer.kernel[0] == 1 and pads_of(layer)[0] == 0
        case Pool(window=(rows, _)) | AveragePool(window=(rows, _)):
            return rows == 1
        case _:
            return True


def _lines(layer: Layer, is_signal: bool) -> list[str]:
    """The keys of a layer."""

    def pair(value: Pair) -> str:
        return str(value[1]) if is_signal or value[0] == value[1] else str(list(value))

    match layer:
        case Conv() | Depthwise():
            head = f"conv = {layer.channels}" if isinstance(layer, Conv) else "depthwise = true"
            shaped = [f"kernel = {pair(layer.kernel)}", f"stride = {layer.stride}", f"pad = {pair(pads_of(layer))}"]
            return [head, *shaped, *_bias(layer)]
        case Pool(window=window):
            return [f"pool = {pair(window)}"]
        case AveragePool(window=window):
            return ['average = "all"' if window is None else f"average = {pair(window)}"]
        case Dense(outputs=outputs):
            return [f"dense = {outputs}", *_bias(layer)]
        case Add(layer=at):
            return [f"add = {_text(_INPUT if at < 0 else _label(at))}"]


def _bias(layer: Conv | Depthwise | Dense) -> list[str]:
    return ["bias = true"] if layer.bias else []


def _label(at: int) -> str:
    return f"layer {at}"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
