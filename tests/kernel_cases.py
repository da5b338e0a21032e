"""Every kernel beside its C reference: the calls, on the same operands, and what both must leave in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np
from kernel_operands import Layer, Recorded, busiest, kept, recorded, uniform
from numpy.typing import NDArray

from m0sim.study.learn import blocks, layout, scratch
from m0sim.study.learn.arithmetic import bit_length, largest, sat
from m0sim.study.learn.methods.pruning import top_k
from m0sim.study.learn.networks import Conv, Dense, Depthwise, Network, Pool, Stage

Array = NDArray[Any]


@dataclass(frozen=True)
class At:
    """A place inside an array."""

    name: str
    offset: int


@dataclass(frozen=True)
class Code:
    """The address of a function."""

    name: str


@dataclass(frozen=True)
class Block:
    """A kernel's parameter block: its words by the names of kernels/m0k.h. A field that is not named is 0."""

    function: str
    words: dict[str, Any]


Word = "str | int | At | Code | Block | tuple[Word, ...]"
"""An array (its address), a number, or a block or a tuple of words in memory (its address)."""

View = Callable[[Array], Array]


@dataclass(frozen=True)
class Side:
    """One implementation: its calls, and which array has the result, seen in logical order."""

    arrays: dict[str, Array]
    calls: list[tuple[str, list[Any]]]
    """Functions with the words that are passed to them; cycles are summed over the calls."""
    result: str
    view: View = np.ravel


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    kernel: str
    operands: str
    unit: str
    count: int
    """Cycles are given for one of so many units."""
    ours: Side
    reference: Side
    is_multiplying: bool = False
    """It multiplies for every unit."""
    limit: float | None = None
    """Cycles a unit that were asked for."""
    bound: str = ""
    """What keeps it from the limit, where that is missed."""
    moved: float | None = None
    """Share of the edges whose value changed."""
    lanes: Mapping[str, Side] = field(default_factory=dict)
    """The kernel's own idea in C (kernels/ref/swar.c), where there is that: its forms by name."""
    more: tuple[Case, ...] = ()
    """The same on other operands: cycles are summed, and `count` is of all."""

    @property
    def runs(self) -> tuple[Case, ...]:
        return (self, *self.more)


BOUNDS = {
    "m0k_dense_forward": "splitting words into lanes and adding up: a MULS gives two products of the four in a word",
    "m0k_conv_forward": "one multiplication for two products as in m0k_dense_forward, on lanes split once a row",
    "m0k_depthwise_forward": "a load and a MULS a MAC; laying out each channel's map, rounding and storing",
    "m0k_depthwise_back": "load and store of each sum of an error's window; rounding every input",
    "m0k_depthwise_grad": "a load, a MULS and an addition a MAC; laying out each channel's map, looking for its errors",
    "m0k_im2col": "reading the block and finding the window at every call; bytes at borders",
    "m0k_pool": "comparing four lanes at a time without SIMD, for the maximum and for its place",
    "m0k_pool_window": "as m0k_pool, one place of the window at a time: a comparison of four lanes takes 16 cycles",
    "m0k_average": "splitting words into lanes: five instructions for four values beside the load",
    "m0k_unpool": "a byte, its test and counting for each error; nothing else is done for those that are zero",
    "m0k_average_back": "clearing the map, and a store for each four values of it",
    "m0k_requant": "two passes over the sums: one for the bit length, one to round, clamp and pack",
    "m0k_loss": "the division: eleven steps of shift and subtract for each class with a share",
    "m0k_dense_back": "splitting words into lanes; load and store of each accumulator whenever the lanes are full",
    "m0k_conv_back": "splitting the weights into lanes; listing the errors, rounding and gating their sums",
    "m0k_conv_grad": "splitting the inputs into lanes; listing the errors, and storing each output's sums",
    "m0k_choose_channels": "taking magnitudes and adding them up in lanes; a word's load and store for each position",
    "m0k_gates_pack": "a load and three instructions for four gates, as many to put eight into a byte",
    "m0k_gates_unpack": "a MULS and a mask for four gates, and their store",
    "m0k_places_pack": "two shifts and two ORs for four places, loads, and a byte store",
    "m0k_places_unpack": "as m0k_places_pack, the other way",
    "m0k_bias_update": "splitting words into lanes, eleven cycles for four errors; 26 for each bias and its step",
    "m0k_niti_dense": "the steps of psto rounding on two lanes, then clamping; zero errors and inputs are skipped",
    "m0k_niti_grad": "psto rounding of one 32-bit gradient at a time: no two fit a word",
    "m0k_niti_rows": "as m0k_niti_grad, and a call of it for each output",
    "m0k_niti_measure": "the magnitude of a gradient takes three instructions, and one more adds it to the others",
    "m0k_score_dense": "two MULS, extracting bytes, rounding, clamping and a byte store, one edge at a time; zero"
    " errors and inputs are skipped",
    "m0k_score_grad": "MULS, extracting bytes, rounding, clamping and a byte store, one edge at a time",
    "m0k_sparse_dense": "from gap to edge: a table's word, then scattered byte loads, for each scored edge",
    "m0k_sparse_grad": "from gap to edge: a table's word, then scattered loads, for each scored edge",
    "m0k_select": "load, add and store of a bin for each edge, five cycles, and extracting its byte, two",
    "m0k_select_kept": "as m0k_select; with a histogram that is current a load, subtraction and test for each bin",
    "m0k_prune_list": "sixteen scores at once are compared with the cut; a call and some 20 cycles for each near it",
    "m0k_sparse_list": "comparing one score at a time, and adding up the gaps of all",
    "m0k_correct_forward": "from gap to input: shifts, then scattered byte loads, for each pruned edge",
    "m0k_correct_back": "as m0k_correct_forward, and load and store of a scattered accumulator",
    "m0k_first_values": "rounding and a load and a store a bias",
    "m0k_add": "adding and saturating four bytes without SIMD: top bits apart from the others",
    "m0k_mask_copy": "comparing four lanes at a time without SIMD",
    "m0k_mask_pack": "comparing four lanes at a time without SIMD; a MULS gathers their bits",
    "m0k_rows_scores": "as m0k_mask_copy; looking for ties in each group",
    "m0k_rows_bits": "a table of sixteen masks: extracting four bits, loading the mask, selecting",
    "m0k_sparse_copy": "LDM and STM take 0.7 cycles an edge, comparing a scored edge about 16",
    "m0k_rows_sparse": "as m0k_sparse_copy",
    "m0k_tintin_dense": "psto rounding on two lanes and weights spread over two words; those near the ends one by one",
    "m0k_tintin_grad": "psto rounding of one 32-bit gradient at a time, and a weight of 16 bits",
    "m0k_w16_copy": "LDM and STM of two bytes and one an edge, and merging the upper bytes",
    "m0k_rows_w16": "as m0k_w16_copy",
    "m0k_replay": "LDM and STM of four words, and a branch back",
    "m0k_zo_next": "eleven instructions mix the bits of one number",
    "m0k_rows_zo": "eleven instructions mix the bits of a draw, and twenty find, change and clamp its byte",
    "m0k_zo_move": "as m0k_rows_zo",
    "m0k_zo_loss": "a MULS and shifts for each class",
    "m0k_run": "LDR, BLX and a branch back for each entry",
    "m0k_step": "LDR, BLX, a test for where to go on and a branch back for each entry",
}
"""What keeps each kernel from being faster; the table shows it beside where the cycles go."""

NOT_FASTER = {
    "m0k_loss": "divisions are most of it, and those of GCC's library are hand-written, too",
    "m0k_score_dense": "one edge at a time, 15 cycles and more without clamps: 1.5 would leave 3 for all else",
    "m0k_score_grad": "as m0k_score_dense",
    "m0k_sparse_dense": "one scattered edge at a time: nothing is shared between edges",
    "m0k_sparse_grad": "as m0k_sparse_dense",
    "m0k_tintin_dense": "asked for beside -O2; clang's -O3 is a fifth faster",
    "m0k_correct_forward": "its list is in the order of the edge array, in which an input takes more steps to find than"
    " in rows",
    "m0k_zo_loss": "starting, the logarithm and the return take a quarter of the cycles of ten classes",
    "m0k_first_values": "a loop of a load, a rounding and a store leaves nothing to be better at",
}
"""Why a kernel is not as much faster than the fastest C as was asked for, where it is not."""


def cases() -> list[Case]:
    """All rows, in the order of the table."""
    steps = recorded()
    step, active = busiest(steps), [step for step in steps if not step.is_idle]
    return [
        *_dense(step, steps),
        *_conv(step, steps),
        *_depthwise(),
        *_other_forward(step, steps),
        *_pools(),
        *_additions(),
        *_backward(step, active),
        *_updates(step, active),
        *_pruning(step),
        *_corrections(step, steps, active),
        *_tintin(step, active),
        replay_case(784),
        *_zeroth_order(),
        *_run(),
    ]


# ------------------------------------------------------------------------------------------------------------- helpers


def block(function: str, *first: Any, **more: Any) -> Block:
    """`first` are the first fields of the function's block in the order of m0k.h; `more` are others by name."""
    fields = blocks.blocks()[function]
    words = dict(zip(fields, first, strict=False)) | more
    assert len(words) == len(first) + len(more), f"{function}: a field given twice, or more than there are"
    assert words.keys() <= set(fields), f"{function} has no field {words.keys() - set(fields)}"
    return Block(function, words)


def one(function: str, *first: Any, **more: Any) -> list[tuple[str, list[Any]]]:
    """One call with one block."""
    return [(function, [block(function, *first, **more)])]


def forms(function: str, arrays: dict[str, Array], words: list[Any]) -> dict[str, Side]:
    """Of a function of kernels/ref/swar.c."""
    names = {"all words": function, "skipping zeros": f"{function}_skipping"}
    return {name: Side(arrays, [(each, words)], "out") for name, each in names.items()}


def mean(operands: str, found: Iterable[Case], limit: float | None = None) -> Case:
    """One row for all of them: cycles a unit are those of all together."""
    first, *others = found
    count = first.count + sum(case.count for case in others)
    return replace(first, operands=operands, count=count, limit=limit, moved=None, more=tuple(others))


def provided(
    function: str, *first: Any, scratch: str, row: int, groups: int, **more: Any
) -> list[tuple[str, list[Any]]]:
    """The calls of a provider, a group of `row` bytes each; here every group has a place of its own in `scratch`."""
    places = (At(scratch, g * row) for g in range(groups))
    return [
        (function, [block(function, *first, scratch=place, row_bytes=row, **more), g]) for g, place in enumerate(places)
    ]


def unpacked(*shape: int) -> View:
    return lambda packed: layout.unpack(packed, shape).ravel()


def grad_rows(n_out: int, n_in: int) -> View:
    """A gradient int32 [n_out][P] without its padding."""
    return lambda grad: grad.reshape(n_out, -1)[:, :n_in].ravel()


def packed_grad(grad: Array) -> Array:
    return np.pad(grad, ((0, 0), (0, -grad.shape[1] % 4))).astype(np.int32)


def zeros(count: int, dtype: type = np.int8) -> Array:
    return np.zeros(count, dtype)


# --------------------------------------------------------------------------------------------------------------- dense


NO_COLUMNS = "weights that the device changes have no columns: a byte is loaded for each input that is not zero"


def _dense(busy: Recorded, steps: Sequence[Recorded]) -> list[Case]:
    a, w = uniform(1, 784, low=0), uniform(2, 64, 784)
    number = f"784 to 64, mean of {len(steps)} steps"
    return [
        dense_case("activations 0..127, uniform", a, w, limit=3.0),
        dense_case("activations -127..127, uniform", uniform(1, 784), w, 1, limit=4.0),
        _recorded_dense("busiest step", busy),
        replace(mean(number, (_recorded_dense("", step) for step in steps), 1.2), bound=NO_COLUMNS),
        dense_case("activations 0..127, uniform, columns", a, w, by_columns=True),
        mean(f"{number}, columns", (_recorded_dense("", step, by_columns=True) for step in steps), 1.2),
    ]


def _recorded_dense(what: str, step: Recorded, by_columns: bool = False) -> Case:
    layer = step.layers[2]
    return dense_case(what, layer.inputs.ravel(), layer.masked, shift=layer.forward, relu=1, by_columns=by_columns)


def dense_case(
    what: str,
    a: Array,
    w: Array,
    is_signed: int = 0,
    *,
    shift: int = 12,
    relu: int = 0,
    by_columns: bool = False,
    limit: float | None = None,
) -> Case:
    """`a` int8 [n_in], `w` int8 [n_out, n_in]; `by_columns`: the kernel has the weights by inputs, too."""
    n_out, n_in = w.shape
    arrays, packed = {"in": a, "out": zeros(n_out)}, {"weights": layout.pack_weights(w)}
    words = ["in", "weights", "out", n_in, n_out, shift, relu]
    room = layout.dense_scratch_bytes(n_out, n_in)
    ours = packed | ({"scratch": zeros(room)} if room else {})
    ours |= {"columns": layout.pack_columns(w)} if by_columns else {}
    more = {name: name for name in ("scratch", "columns") if name in ours}
    return Case(
        "m0k_dense_forward",
        f"{n_in} to {n_out}, {what}",
        "MAC",
        n_in * n_out,
        Side(arrays | ours, one("m0k_dense_forward", *words, is_signed, **more), "out"),
        Side(arrays | {"weights": w}, [("ref_dense_forward", words)], "out"),
        is_multiplying=True,
        limit=limit,
        lanes=forms("ref_swar_dense_forward", arrays | packed, [*words, is_signed]),
    )


CONV = (14, 14, 8, 16, 3, 3, 1, 1, 1)
"""height, width, channels, n_out, kernel_h, kernel_w, stride, pad_h, pad_w: the second layer of tiny-cnn."""
CONV_MACS_INSIDE = (14 * 3 - 2) ** 2 * 8 * 16
"""Those of them that do not multiply a padding zero: a row of the window is outside at both ends of each direction."""
CONV_1 = (28, 28, 1, 8, 3, 3, 1, 1, 1)


MNIST_LIMIT = 120_000 / (28 * 28 * 8 * 9)
"""Cycles a MAC that were asked for as cycles of an image's first convolution."""


def _conv(busy: Recorded, steps: Sequence[Recorded]) -> list[Case]:
    w, w_1 = uniform(4, 16, 72), uniform(4, 8, 9)
    number = f"mean of {len(steps)} steps"
    return [
        conv_case(CONV, "activations 0..127, uniform", uniform(3, 14, 14, 8, low=0), w, limit=2.8),
        conv_case(CONV, "activations -127..127, uniform", uniform(3, 14, 14, 8), w, 1, limit=4.6),
        _recorded_conv(CONV, 1, "busiest step", busy),
        _mean_conv(CONV, 1, number, steps, 1.4),
        conv_case(CONV_1, "activations 0..127, uniform, ReLU", uniform(59, 28, 28, 1, low=0), w_1, relu=1, limit=4.9),
        _recorded_conv(CONV_1, 0, "MNIST, busiest step", busy),
        _mean_conv(CONV_1, 0, f"MNIST, {number}", steps, MNIST_LIMIT),
        _im2col_case(),
    ]


def _recorded_conv(conv: tuple[int, ...], stage: int, what: str, step: Recorded) -> Case:
    layer = step.layers[stage]
    return conv_case(conv, what, layer.inputs, layer.masked, shift=layer.forward, relu=1)


def _mean_conv(conv: tuple[int, ...], stage: int, what: str, steps: Sequence[Recorded], limit: float) -> Case:
    found = [_recorded_conv(conv, stage, what, step) for step in steps]
    return mean(found[0].operands, found, limit)


def conv_case(
    conv: tuple[int, ...],
    what: str,
    a: Array,
    w: Array,
    is_signed: int = 0,
    *,
    shift: int = 11,
    relu: int = 0,
    limit: float | None = None,
) -> Case:
    """`a` int8 HWC, `w` int8 [n_out, kernel_h * kernel_w * channels]."""
    n_out, stride, pads = conv[3], conv[6], conv[7:9]
    sides = zip(conv[:2], conv[4:6], pads, strict=True)
    size = n_out * prod((side + 2 * pad - kernel) // stride + 1 for side, kernel, pad in sides)
    scratch = zeros(layout.conv_scratch(conv[:3], n_out, conv[4:6], stride, pads, signed=bool(is_signed)))
    arrays, packed = (
        {"in": a, "out": zeros(size)},
        {"weights": layout.pack_weights(w), "patch": zeros(layout.row_bytes(w.shape[1]))},
    )
    lanes = ["shape", "in", "weights", "out", "patch", shift, relu, is_signed]
    return Case(
        "m0k_conv_forward",
        f"{shown(conv)}, {what}",
        "MAC",
        size * w.shape[1],
        Side(
            arrays | packed | {"scratch": scratch},
            one("m0k_conv_forward", "in", "weights", "out", "scratch", *conv, shift, relu, is_signed),
            "out",
        ),
        Side(
            arrays | {"shape": shape(conv), "weights": w},
            [("ref_conv_forward", ["shape", "in", "weights", "out", shift, relu])],
            "out",
        ),
        is_multiplying=True,
        limit=limit,
        lanes=forms("ref_swar_conv_forward", arrays | packed | {"shape": shape(conv)}, lanes),
    )


DEPTHWISE = (14, 14, 16, 16, 3, 3, 1, 1, 1)
"""A depthwise convolution as one with as many outputs as channels."""


def _depthwise() -> list[Case]:
    """Errors as behind a ReLU, half of them zero, and as behind a pool."""
    image, w = uniform(81, 14, 14, 16, low=0), uniform(82, 16, 9)
    halved = uniform(83, 14, 14, 16) * (uniform(84, 14, 14, 16) > 0)
    pooled, places = uniform(85, 7, 7, 16), (uniform(86, 7, 7, 16, low=0) % 4).astype(np.uint8)
    return [
        depthwise_case("activations 0..127, uniform, ReLU", image, w, relu=1),
        depthwise_back_case("half of them uniform, no pool", halved, None, w, image),
        depthwise_back_case("uniform, pooled", pooled, places, w, image),
        depthwise_grad_case("half of them uniform, no pool", halved, None, image),
        depthwise_grad_case("uniform, pooled", pooled, places, image),
    ]


def depthwise_case(what: str, a: Array, w: Array, *, relu: int = 0) -> Case:
    """`a` int8 [14, 14, 16], `w` int8 [16, 9]."""
    arrays, room = {"in": a, "out": zeros(a.size)}, zeros(scratch.depthwise_forward(_depthwise_stage(False)))
    fields = {**_depthwise_shape(), "shift": 9, "relu": relu}
    return Case(
        "m0k_depthwise_forward",
        f"{_depthwise_shown()}, {what}",
        "MAC",
        a.size * 9,
        Side(
            arrays | {"weights": layout.pack_weights(w), "scratch": room},
            _named("m0k_depthwise_forward", ("in", "weights", "out", "scratch"), fields),
            "out",
        ),
        Side(
            arrays | {"shape": shape(DEPTHWISE), "weights": w},
            [("ref_depthwise_forward", ["shape", "in", "weights", "out", 9, relu])],
            "out",
        ),
        is_multiplying=True,
    )


def depthwise_back_case(what: str, error: Array, argmax: Array | None, w: Array, gate: Array) -> Case:
    arrays = {"error": error, "out": zeros(gate.size), "gate": gate} | ({} if argmax is None else {"argmax": argmax})
    room, acc = zeros(scratch.depthwise_back(_depthwise_stage(argmax is not None))), zeros(gate.size, np.int32)
    place: str | int = 0 if argmax is None else "argmax"
    ours = {"weights": layout.pack_weights(w), "scratch": room}
    return Case(
        "m0k_depthwise_back",
        f"{_depthwise_shown()}, {what}, {np.count_nonzero(error):,} of {error.size:,} errors not zero",
        "MAC",
        max(1, int(np.count_nonzero(error))) * 9,
        Side(arrays | ours, _named("m0k_depthwise_back", (*arrays, *ours), {**_depthwise_shape(), "shift": 9}), "out"),
        Side(
            arrays | {"weights": w, "acc": acc, "shape": shape(DEPTHWISE)},
            [("ref_depthwise_back", ["shape", "error", place, "weights", "acc", "out", 9, "gate"])],
            "out",
        ),
        is_multiplying=True,
    )


def depthwise_grad_case(what: str, error: Array, argmax: Array | None, image: Array) -> Case:
    """Called for four channels after the other, as a step does."""
    arrays = {"error": error, "in": image} | ({} if argmax is None else {"argmax": argmax})
    place: str | int = 0 if argmax is None else "argmax"
    ours = arrays | {"grad": zeros(16 * 12, np.int32), "active": zeros(1, np.uint32)}
    ours |= {"scratch": zeros(scratch.depthwise_grad(_depthwise_stage(argmax is not None)))}
    groups = [
        call
        for first in range(0, 16, 4)
        for call in _named(
            "m0k_depthwise_grad",
            (*arrays, "active", "scratch"),
            {**_depthwise_shape(), "grad": At("grad", 48 * first), "first_out": first, "count_out": 4},
        )
    ]
    return Case(
        "m0k_depthwise_grad",
        f"{_depthwise_shown()}, {what}, {np.count_nonzero(error):,} of {error.size:,} errors not zero",
        "MAC",
        max(1, int(np.count_nonzero(error))) * 9,
        Side(ours, groups, "grad", grad_rows(16, 9)),
        Side(
            arrays | {"grad": zeros(16 * 9, np.int32), "shape": shape(DEPTHWISE)},
            [("ref_depthwise_grad", ["shape", "error", place, "in", "grad"])],
            "grad",
        ),
        is_multiplying=True,
    )


def _named(function: str, arrays: Sequence[str], fields: Mapping[str, Any]) -> list[tuple[str, list[Any]]]:
    """One call whose block has the address of each array in the field of its name."""
    return one(function, **{name: name for name in arrays}, **fields)


def _depthwise_shape() -> dict[str, int]:
    names = ("height", "width", "channels", "n_out", "kernel_h", "kernel_w", "stride", "pad_h", "pad_w")
    return {name: side for name, side in zip(names, DEPTHWISE, strict=True) if name != "n_out"}


def _depthwise_stage(pooled: bool) -> Stage:
    pool = (Pool(),) if pooled else ()
    return Network("one convolution", DEPTHWISE[:3], (Depthwise(), *pool, Dense(1))).stages[0]


def _depthwise_shown() -> str:
    return "3x3 pad 1, depthwise, 16 channels at 14x14"


def shape(conv: tuple[int, ...]) -> Array:
    return np.array(conv, np.int32)


def _im2col_case() -> Case:
    a, size = uniform(3, 14, 14, 8, low=0), 196 * 72
    places = [(72 * i, y, x) for i, (y, x) in enumerate(np.ndindex(14, 14))]
    channels = 14, 14, 8, 3, 3, 1, 1, 1
    return Case(
        "m0k_im2col",
        "3x3 pad 1, 8 channels at 14x14, all positions",
        "byte",
        size,
        Side(
            {"in": a, "patches": zeros(size)},
            [("m0k_im2col", [block("m0k_im2col", "in", At("patches", at), *channels, y, x)]) for at, y, x in places],
            "patches",
        ),
        Side(
            {"shape": shape(CONV), "in": a, "patches": zeros(size)},
            [("ref_im2col", ["shape", "in", At("patches", at), y, x]) for at, y, x in places],
            "patches",
        ),
    )


# ------------------------------------------------------------------------------------------------- pool, requant, loss


def _other_forward(step: Recorded, steps: Sequence[Recorded]) -> list[Case]:
    acc = np.random.default_rng(5).integers(-(1 << 17), (1 << 17) + 1, 3136).astype(np.int32)
    gate = uniform(6, 3136, low=0) * (uniform(7, 3136) > 0)
    return [
        pool_case("uniform 0..127", uniform(8, 28, 28, 8, low=0)),
        pool_case("busiest step", step.layers[0].raw),
        mean(f"28x28x8, mean of {len(steps)} steps", (pool_case("", step.layers[0].raw) for step in steps)),
        requant_case("with ReLU", acc, 1, None),
        requant_case("gated, half of the gates zero", acc, 0, gate),
        _loss_case("uniform logits", uniform(9, 10), 3, -6),
        _recorded_loss("busiest step", step),
        mean(f"10 classes, mean of {len(steps)} steps", (_recorded_loss("", step) for step in steps)),
    ]


def pool_case(what: str, raw: Array) -> Case:
    """`raw` int8 [28, 28, 8]."""
    size = 14 * 14 * 8

    def side(function: str, pack: bool) -> Side:
        words = ["in", At("both", 0), At("both", size), 28, 28, 8]
        calls = one(function, *words) if pack else [(function, words)]
        return Side({"in": raw, "both": zeros(2 * size)}, calls, "both")

    return Case(
        "m0k_pool",
        f"28x28x8, {what}",
        "output",
        size,
        side("m0k_pool", True),
        side("ref_pool", False),
    )


SIGNAL, MAP = (1, 64, 8, 1, 2), (1, 32, 16, 1, 32)
"""height, width, channels, window_h, window_w: of a pool of signals, and of a mean over all of a signal."""


def _pools() -> list[Case]:
    rng, half = np.random.default_rng(13), uniform(14, 32, 8)
    half *= rng.random(half.shape) < 0.5
    return [
        window_case(SIGNAL, "", uniform(8, 64, 8, low=0)),
        _mean_case(MAP, uniform(8, 32, 16, low=0)),
        _mean_case((28, 28, 8, 2, 2), uniform(8, 28, 28, 8, low=0)),
        unpool_case(SIGNAL, "", half, rng.integers(0, 2, half.shape).astype(np.uint8)),
        _spread_case(MAP, uniform(12, 16)),
        _spread_case((14, 14, 8, 3, 3), uniform(12, 4, 4, 8)),
    ]


def window_case(pool: tuple[int, ...], what: str, raw: Array) -> Case:
    size = _outputs(pool)
    ends = ["in", At("both", 0), At("both", size)]

    def side(calls: list[tuple[str, list[Any]]]) -> Side:
        return Side({"in": raw, "both": zeros(2 * size), "pool": shape(pool)}, calls, "both")

    ours = side(one("m0k_pool_window", *ends, *pool))
    return Case(
        "m0k_pool_window", _pooled(pool) + what, "output", size, ours, side([("ref_pool_window", ["pool", *ends])])
    )


def _mean_case(pool: tuple[int, ...], raw: Array) -> Case:
    arrays, factor = {"in": raw, "out": zeros(_outputs(pool))}, round(2**16 / prod(pool[3:]))
    return Case(
        "m0k_average",
        _pooled(pool),
        "value",
        raw.size,
        Side(arrays, one("m0k_average", "in", "out", *pool, factor), "out"),
        Side(arrays | {"pool": shape(pool)}, [("ref_average", ["pool", "in", "out", factor])], "out"),
    )


def unpool_case(pool: tuple[int, ...], what: str, error: Array, argmax: Array) -> Case:
    arrays = {"error": error, "argmax": argmax, "out": zeros(prod(pool[:3]))}
    ends = ["error", "argmax", "out"]
    return Case(
        "m0k_unpool",
        f"{_pooled(pool)}{what}, {np.count_nonzero(error):,} of {error.size:,} errors not zero",
        "error",
        error.size,
        Side(arrays, one("m0k_unpool", *ends, *pool), "out"),
        Side(arrays | {"pool": shape(pool)}, [("ref_unpool", ["pool", *ends])], "out"),
    )


def _spread_case(pool: tuple[int, ...], error: Array) -> Case:
    arrays, n = {"error": error, "out": zeros(prod(pool[:3]))}, prod(pool[3:])
    factor = round(2 ** (7 + n.bit_length()) / n)
    return Case(
        "m0k_average_back",
        _pooled(pool),
        "value",
        prod(pool[:3]),
        Side(arrays, one("m0k_average_back", "error", "out", *pool, factor), "out"),
        Side(arrays | {"pool": shape(pool)}, [("ref_average_back", ["pool", "error", "out", factor])], "out"),
    )


def _outputs(pool: tuple[int, ...]) -> int:
    height, width, channels, window_h, window_w = pool
    return (height // window_h) * (width // window_w) * channels


def _pooled(pool: tuple[int, ...]) -> str:
    return "{}x{}x{}, windows of {}x{}".format(*pool)


def requant_case(what: str, acc: Array, relu: int, gate: Array | None) -> Case:
    arrays = {"acc": acc, "out": zeros(acc.size)} | ({} if gate is None else {"gate": gate})
    gate_word: str | int = 0 if gate is None else "gate"
    return Case(
        "m0k_requant",
        f"3,136 sums, {what}",
        "element",
        acc.size,
        Side(arrays, one("m0k_requant", "acc", "out", acc.size, relu=relu, gate=gate_word), "out"),
        Side(arrays, [("ref_requant", ["acc", "out", acc.size, relu, gate_word])], "out"),
    )


def _additions() -> list[Case]:
    return [
        add_case("ReLU, one scale", 0, uniform(70, 1568), uniform(71, 1568, low=0)),
        add_case("ReLU, second side shifted by 2", 2, uniform(70, 1568), uniform(71, 1568, low=0)),
        add_case("gated, second side shifted by 2", 2, uniform(70, 1568), uniform(72, 1568), uniform(73, 1568, low=0)),
        add_case("gated, behind a pool, second side shifted by 2", 2, *_behind_a_pool()),
    ]


def _behind_a_pool() -> tuple[Array, Array, Array]:
    """Two errors and a gate: one in four of the second has one, and half of the gate is closed."""
    rng = np.random.default_rng(74)
    places = np.eye(4, dtype=np.int8)[rng.integers(0, 4, 1568 // 4)].ravel()
    return uniform(75, 1568), uniform(76, 1568) * places, uniform(77, 1568, low=0) * (rng.random(1568) < 0.5)


def add_case(what: str, difference: int, a: Array, b: Array, gate: Array | None = None) -> Case:
    arrays = {"a": a, "b": b, "out": zeros(a.size)} | ({} if gate is None else {"gate": gate})
    word: str | int = 0 if gate is None else "gate"
    return Case(
        "m0k_add",
        f"1,568 values, {what}",
        "value",
        a.size,
        Side(arrays, one("m0k_add", "a", "b", "out", a.size, difference, word), "out"),
        Side(arrays, [("ref_add", ["a", "b", "out", a.size, difference, word])], "out"),
    )


def _recorded_loss(what: str, step: Recorded) -> Case:
    return _loss_case(what, step.logits, step.label, step.logit_exponent)


def _loss_case(what: str, logits: Array, label: int, exponent: int) -> Case:
    number = np.array([label, exponent], np.int32)
    return Case(
        "m0k_loss",
        f"10 classes, {what}",
        "class",
        10,
        Side(
            {"logits": logits, "number": number, "error": zeros(10)},
            one("m0k_loss", "logits", At("number", 0), "error", 10, At("number", 4), 0),
            "error",
        ),
        Side(
            {"logits": logits, "error": zeros(10)},
            [("ref_loss", ["logits", label, "error", 10, exponent])],
            "error",
        ),
        is_multiplying=True,
    )


# ------------------------------------------------------------------------------------------------------------ backward


def _backward(busy: Recorded, steps: Sequence[Recorded]) -> list[Case]:
    gate = uniform(10, 784, low=0)
    square, image = uniform(11, 14, 14, 16), uniform(3, 14, 14, 8, low=0)
    number = f"mean of {len(steps)} steps with an error"
    return [
        dense_back_case("uniform", uniform(12, 64), uniform(2, 64, 784), gate, 13),
        _recorded_dense_back("busiest step", busy, 4.5),
        mean(f"784 to 64, {number}", (_recorded_dense_back("", step) for step in steps), 4.5),
        conv_back_case("uniform, no pool", square, None, uniform(4, 16, 72), image, 13),
        _recorded_conv_back("busiest step, pooled", busy),
        mean(f"{shown(CONV)}, {number}, pooled", (_recorded_conv_back("", step) for step in steps)),
        conv_grad_case("uniform, no pool", CONV, square, None, image),
        *_recorded_conv_grads(CONV, 1, busy, steps, number, 4.8),
        *_recorded_conv_grads(CONV_1, 0, busy, steps, number),
    ]


def _recorded_dense_back(what: str, step: Recorded, limit: float | None = None) -> Case:
    layer = step.layers[2]
    case = dense_back_case(what, layer.error, layer.masked, layer.inputs.ravel(), layer.backward)
    return replace(case, limit=limit)


def _recorded_conv_back(what: str, step: Recorded) -> Case:
    layer = step.layers[1]
    return conv_back_case(what, layer.error, layer.argmax, layer.masked, layer.inputs, layer.backward)


def _recorded_conv_grads(
    conv: tuple[int, ...],
    stage: int,
    busy: Recorded,
    steps: Sequence[Recorded],
    number: str,
    limit: float | None = None,
) -> list[Case]:
    """The busiest step, and all of them."""

    def case(what: str, step: Recorded) -> Case:
        layer = step.layers[stage]
        return conv_grad_case(what, conv, layer.error, layer.argmax, layer.inputs)

    return [
        replace(case("busiest step, pooled", busy), limit=limit),
        mean(f"{shown(conv)}, {number}, pooled", (case("", step) for step in steps), limit),
    ]


def dense_back_case(what: str, error: Array, weights: Array, gate: Array, shift: int) -> Case:
    n_out, n_in = weights.shape
    arrays = {"error": error, "acc": zeros(n_in, np.int32), "out": zeros(n_in), "gate": gate}
    active = int(np.count_nonzero(error))
    words = ("error", "weights", "acc", "out", n_in, n_out, shift, "gate")
    ours = {"weights": layout.pack_weights(weights), "scratch": zeros(layout.error_list_bytes(n_out, n_in))}
    return Case(
        "m0k_dense_back",
        f"{n_in} to {n_out}, {what}, {active} of {n_out} errors not zero",
        "MAC",
        max(1, active) * n_in,
        Side(arrays | ours, one("m0k_dense_back", *words, scratch="scratch"), "out"),
        Side(
            arrays | {"weights": weights},
            [("ref_dense_back", ["error", "weights", "acc", "out", n_in, n_out, shift, "gate"])],
            "out",
        ),
        is_multiplying=True,
    )


def stage_of(conv: tuple[int, ...], pooled: bool) -> Stage:
    """A convolution as a layer of a network."""
    pool = (Pool(),) if pooled else ()
    return Network("one convolution", conv[:3], (Conv(conv[3]), *pool, Dense(1))).stages[0]


def described(conv: tuple[int, ...], what: str, error: Array) -> str:
    active = np.count_nonzero(error)
    return f"{shown(conv)}, {what}, {active:,} of {error.size:,} errors not zero"


def shown(conv: tuple[int, ...]) -> str:
    height, width, channels, n_out, kernel_h, kernel_w, stride, pad, _ = conv
    by = "" if stride == 1 else f" stride {stride}"
    return f"{kernel_h}x{kernel_w} pad {pad}{by}, {channels} to {n_out} at {height}x{width}"


def conv_back_case(what: str, error: Array, argmax: Array | None, weights: Array, gate: Array, shift: int) -> Case:
    """`acc` is there even where the kernel, with scratch, does without it: older kernels want it."""
    size, active = gate.size, int(np.count_nonzero(error))
    arrays = {"error": error, "out": zeros(size), "gate": gate} | ({} if argmax is None else {"argmax": argmax})
    arrays |= {"acc": zeros(size, np.int32)}
    place: str | int = 0 if argmax is None else "argmax"
    room = scratch.conv_back(stage_of(CONV, argmax is not None))
    words = ("error", place, 0, "weights", "acc", "out", *CONV, shift, "gate")
    ours = arrays | {"weights": layout.pack_weights(weights)} | ({"room": zeros(room)} if room else {})
    return Case(
        "m0k_conv_back",
        described(CONV, what, error),
        "MAC",
        max(1, active) * 72,
        Side(ours, one("m0k_conv_back", *words, scratch="room" if room else 0), "out"),
        Side(
            arrays | {"weights": weights, "shape": shape(CONV)},
            [("ref_conv_back", ["shape", "error", place, "weights", "acc", "out", shift, "gate"])],
            "out",
        ),
        is_multiplying=True,
    )


def conv_grad_case(what: str, conv: tuple[int, ...], error: Array, argmax: Array | None, image: Array) -> Case:
    """Called for four outputs after the other, as a step does; `conv` has a multiple of four."""
    n_out, n_in = conv[3], 9 * conv[2]
    row = layout.row_bytes(n_in)
    arrays = {"error": error, "in": image} | ({} if argmax is None else {"argmax": argmax})
    place: str | int = 0 if argmax is None else "argmax"
    room, more = scratch.conv_grad(stage_of(conv, argmax is not None)), ("scratch", "active")
    ours = arrays | {"grad": zeros(n_out * row, np.int32), "scratch": zeros(room), "active": zeros(1, np.uint32)}
    groups = [
        ("m0k_conv_grad", [block("m0k_conv_grad", "error", place, "in", At("grad", 4 * row * o), *conv, o, 4, *more)])
        for o in range(0, n_out, 4)
    ]
    return Case(
        "m0k_conv_grad",
        described(conv, what, error),
        "MAC",
        max(1, int(np.count_nonzero(error))) * n_in,
        Side(ours, groups, "grad", grad_rows(n_out, n_in)),
        Side(
            arrays | {"grad": zeros(n_out * n_in, np.int32), "shape": shape(conv)},
            [("ref_conv_grad", ["shape", "error", place, "in", "grad"])],
            "grad",
        ),
        is_multiplying=True,
    )


# ------------------------------------------------------------------------------------------------------------- updates


@dataclass(frozen=True)
class Update:
    """Operands of a dense layer's update."""

    what: str
    error: Array
    inputs: Array
    weights: Array
    scores: Array
    shift: int

    @property
    def gradient(self) -> Array:
        return np.outer(self.error.astype(np.int32), self.inputs)


def _updates(busy: Recorded, steps: Sequence[Recorded]) -> list[Case]:
    conv, number = busy.layers[1], f"mean of {len(steps)} steps with an error"
    full = Update("uniform", uniform(12, 64), uniform(1, 784, low=0), uniform(2, 64, 784), uniform(13, 64, 784), 14)
    real, all_real = recorded_update("busiest step", busy), [recorded_update("", step) for step in steps]
    wide = np.random.default_rng(14).integers(-(1 << 16), (1 << 16) + 1, (16, 72)).astype(np.int32)
    sums = (("uniform", wide, uniform(4, 16, 72), uniform(15, 16, 72), 16),)
    sums += (("busiest step", conv_gradient(conv), conv.weights, conv.scores, conv.update),)
    return [
        choose_case("busiest step", conv.error),
        choose_case("uniform", uniform(60, 14, 14, 8)),
        choose_case("uniform, dense", uniform(61, 64)),
        *(niti_dense_case(u, is_dynamic) for u in (full, real) for is_dynamic in (False, True)),
        mean(f"784 to 64, {number}, static shift", (niti_dense_case(u, False) for u in all_real)),
        *(niti_grad_case(*s[:3]) for s in sums),
        *(niti_rows_case(*s[:3]) for s in sums),
        *(niti_measure_case(*s[:2]) for s in sums),
        score_dense_case(full, 21.0),
        score_dense_case(real, 16.0),
        mean(f"784 to 64, {number}", map(score_dense_case, all_real)),
        update_and_select_case(real, busy.layers[2].keep, SELECT_LIMIT / real.weights.size),
        *(score_grad_case(*s) for s in sums),
        *(sparse_dense_case(u) for u in (full, real)),
        mean(f"784 to 64, a tenth scored, {number}", map(sparse_dense_case, all_real)),
        *(sparse_grad_case(*s) for s in sums),
        *(bias_update_case(f"busiest step, {what}", busy.layers[i].error) for i, what in ((1, "pooled"), (2, "dense"))),
        bias_update_case("three channels, uniform", uniform(16, 7, 7, 3)),
        *packing_cases("busiest step", busy.layers[1].inputs, busy.layers[1].argmax),
    ]


def packing_cases(what: str, inputs: Array, argmax: Array) -> list[Case]:
    """Gates of `inputs` int8, places `argmax` uint8, there and back: sizes are multiples of 8."""
    gates, places = inputs.reshape(-1), argmax.reshape(-1)
    bits = np.packbits(gates > 0, bitorder="little")
    fours = (places.reshape(-1, 4) << np.arange(0, 8, 2, dtype=np.uint8)).sum(axis=1, dtype=np.uint8)

    def case(name: str, given: Array, size: int, unit: str) -> Case:
        n = max(given.size, size)
        arrays = {"in": given, "out": zeros(size, np.uint8)}
        ours, theirs = one(f"m0k_{name}", "in", "out", n), [(f"ref_{name}", ["in", "out", n])]
        return Case(
            f"m0k_{name}", f"{n:,} {unit}s, {what}", unit, n, Side(arrays, ours, "out"), Side(arrays, theirs, "out")
        )

    return [
        case("gates_pack", gates, bits.size, "gate"),
        case("gates_unpack", bits, gates.size, "gate"),
        case("places_pack", places, fours.size, "place"),
        case("places_unpack", fours, places.size, "place"),
    ]


def bias_update_case(what: str, error: Array) -> Case:
    """`error` int8 [..., channels]."""
    channels = error.shape[-1]
    positions = error.size // channels
    arrays = {"error": error.reshape(-1), "biases": np.arange(channels, dtype=np.int32)}
    words = ("error", "biases", positions, channels, 3, 5, (1 << 20) - 1)
    return Case(
        "m0k_bias_update",
        f"{positions} x {channels} errors, {what}",
        "error",
        error.size,
        Side(arrays, one("m0k_bias_update", *words), "biases"),
        Side(arrays, [("ref_bias_update", [*words])], "biases"),
    )


def recorded_update(what: str, step: Recorded) -> Update:
    layer = step.layers[2]
    return Update(what, layer.error, layer.inputs.ravel(), layer.weights, layer.scores, layer.update)


def conv_gradient(layer: Layer) -> Array:
    """int32 [n_out, n_in] of the recorded second convolution, by its definition."""
    wide, grad = np.pad(layer.inputs.astype(np.int32), ((1, 1), (1, 1), (0, 0))), np.zeros((16, 72), np.int32)
    for (y, x, o), e in np.ndenumerate(layer.error):
        top, left = 2 * y + layer.argmax[y, x, o] // 2, 2 * x + layer.argmax[y, x, o] % 2
        grad[o] += int(e) * wide[top : top + 3, left : left + 3].ravel()
    return grad


def choose_case(what: str, error: Array) -> Case:
    """`error` int8 [..., channels], of which half are chosen."""
    channels, loss = error.shape[-1], np.array([3, -100, 90], np.int8)
    arrays = {"error": error, "out": zeros(error.size), "sums": zeros(channels, np.uint32), "loss": loss}
    sizes = [error.size // channels, channels]
    return Case(
        "m0k_choose_channels",
        f"{sizes[0]} x {channels} errors, {what}, {np.count_nonzero(error):,} not zero",
        "error",
        error.size,
        Side(arrays, one("m0k_choose_channels", "error", "out", *sizes, "sums", "loss", (1,), 50, 50), "out"),
        Side(arrays, [("ref_choose_channels", ["error", "out", *sizes, "sums", "loss", 1, 50, 50])], "out"),
    )


def niti_shift(gradient: Array, mu: int = 1) -> int:
    return max(0, int(bit_length(np.array([largest(gradient)]))[0]) - mu)


def niti_dense_case(u: Update, is_dynamic: bool) -> Case:
    n_out, n_in = u.weights.shape
    shift, arrays = niti_shift(u.gradient), {"error": u.error, "in": u.inputs}
    calls: list[tuple[str, list[Any]]] = [("ref_niti_dense", ["error", "in", "weights", n_in, n_out, shift])]
    if is_dynamic:
        calls.insert(0, ("ref_niti_dense_shift", ["error", "in", n_in, n_out, 1]))
    used = 0xFFFFFFFF if is_dynamic else shift
    return Case(
        "m0k_niti_dense",
        f"{n_in} to {n_out}, {u.what}, {'dynamic' if is_dynamic else 'static'} shift",
        "edge",
        u.weights.size,
        Side(
            arrays | {"weights": layout.pack_weights(u.weights)},
            one("m0k_niti_dense", "error", "in", "weights", n_in, n_out, used, 1),
            "weights",
            unpacked(n_out, n_in),
        ),
        Side(arrays | {"weights": u.weights}, calls, "weights"),
        is_multiplying=True,
    )


def niti_grad_case(what: str, grad: Array, weights: Array) -> Case:
    n_out, n_in = weights.shape
    shift = niti_shift(grad)
    return Case(
        "m0k_niti_grad",
        f"16 x 72 gradients, {what}",
        "edge",
        grad.size,
        Side(
            {"grad": packed_grad(grad), "weights": layout.pack_weights(weights)},
            one("m0k_niti_grad", "grad", "weights", n_in, n_out, shift),
            "weights",
            unpacked(n_out, n_in),
        ),
        Side({"grad": grad, "weights": weights}, [("ref_niti_grad", ["grad", "weights", grad.size, shift])], "weights"),
    )


def niti_rows_case(what: str, grad: Array, weights: Array) -> Case:
    """The first four outputs, every second of them."""
    grad, weights = grad[:4], weights[:4]
    (n_out, n_in), shift = weights.shape, niti_shift(grad)
    sums = {"sums": np.array([1, 0, 1, 0], np.uint32)}
    return Case(
        "m0k_niti_rows",
        f"2 of 4 x 72 gradients, {what}",
        "edge",
        grad.size // 2,
        Side(
            {"grad": packed_grad(grad), "weights": layout.pack_weights(weights), **sums},
            one("m0k_niti_rows", "grad", "weights", n_in, n_out, shift, sums="sums"),
            "weights",
            unpacked(n_out, n_in),
        ),
        Side(
            {"grad": grad, "weights": weights, **sums},
            [("ref_niti_rows", ["grad", "weights", "sums", n_in, n_out, shift])],
            "weights",
        ),
    )


def niti_measure_case(what: str, grad: Array) -> Case:
    n_out, n_in = grad.shape
    words = zeros(1, np.uint32)
    return Case(
        "m0k_niti_measure",
        f"16 x 72 gradients, {what}",
        "edge",
        grad.size,
        Side(
            {"grad": packed_grad(grad), "magnitudes": words},
            one("m0k_niti_measure", "grad", n_in, n_out, "magnitudes", 1),
            "magnitudes",
        ),
        Side(
            {"grad": grad, "magnitudes": words},
            [("ref_niti_measure", ["grad", grad.size, "magnitudes", 1])],
            "magnitudes",
        ),
    )


def moved_share(scores: Array, weights: Array, gradient: Array, shift: int) -> float:
    """Share of the edges whose score changes."""
    product = weights.astype(np.int64) * gradient
    rounded = np.sign(product) * ((np.abs(product) + (1 << shift >> 1)) >> shift)
    return float(np.mean(sat(scores - rounded) != scores))


def score_dense_case(u: Update, limit: float | None = None) -> Case:
    n_out, n_in = u.weights.shape
    arrays = {"error": u.error, "in": u.inputs}
    packed = {"weights": layout.pack_weights(u.weights), "scores": layout.pack_scores(u.scores)}
    return Case(
        "m0k_score_dense",
        f"{n_in} to {n_out}, {u.what}",
        "edge",
        u.weights.size,
        Side(
            arrays | packed,
            one("m0k_score_dense", "error", "in", "weights", "scores", n_in, n_out, u.shift),
            "scores",
            unpacked(n_out, n_in),
        ),
        Side(
            arrays | {"weights": u.weights, "scores": u.scores},
            [("ref_score_dense", ["error", "in", "weights", "scores", n_in, n_out, u.shift])],
            "scores",
        ),
        is_multiplying=True,
        limit=limit,
        moved=moved_share(u.scores, u.weights, u.gradient, u.shift),
    )


SELECT_LIMIT = 360_000
"""Cycles that were asked for of update and selection together."""


def update_and_select_case(u: Update, keep: int, limit: float | None = None) -> Case:
    """A step's update with a histogram that is current, and the selection behind it; the reference counts."""
    (n_out, n_in), n = u.weights.shape, u.weights.size
    stored, weights = layout.pack_scores(u.scores), layout.pack_weights(u.weights)
    current = np.bincount(stored, minlength=256).astype(np.uint16)
    current[0] = 1
    selection, scores = At("both", 0), At("both", 8)
    arrays = {"error": u.error, "in": u.inputs}
    ours = arrays | {"weights": weights, "both": np.concatenate([zeros(8, np.uint8), stored])}
    update = block("m0k_score_dense", "error", "in", "weights", scores, n_in, n_out, u.shift, histogram="bins")
    theirs = arrays | {"weights": u.weights, "both": np.concatenate([zeros(8), u.scores.ravel()])}
    words = [scores, n, keep, selection, "bins"]

    def seen(both: Array) -> Array:
        return np.concatenate([both[:8].view(np.int32), unpacked(n_out, n_in)(both[8:])])

    def seen_of_reference(both: Array) -> Array:
        return np.concatenate([np.add(both[:8].view(np.int32), [layout.OFFSET, 0]), both[8:]])

    return Case(
        "m0k_score_dense",
        f"{n_in} to {n_out}, {u.what}, with m0k_select_kept",
        "edge",
        n,
        Side(
            ours | {"bins": np.concatenate([current, zeros(256, np.uint16)])},
            [("m0k_score_dense", [update]), *one("m0k_select_kept", *words)],
            "both",
            seen,
        ),
        Side(
            theirs | {"bins": zeros(256, np.uint32)},
            [
                ("ref_score_dense", ["error", "in", "weights", scores, n_in, n_out, u.shift]),
                ("ref_select", words),
            ],
            "both",
            seen_of_reference,
        ),
        limit=limit,
    )


def active_edges(case: Case) -> int:
    """Edges whose output has an error, of an update's case."""
    return int(np.count_nonzero(case.ours.arrays["error"])) * (case.count // case.ours.arrays["error"].size)


def score_grad_case(what: str, grad: Array, weights: Array, scores: Array, shift: int) -> Case:
    n_out, n_in = weights.shape
    packed = {"weights": layout.pack_weights(weights), "scores": layout.pack_scores(scores)}
    return Case(
        "m0k_score_grad",
        f"16 x 72 gradients, {what}",
        "edge",
        grad.size,
        Side(
            {"grad": packed_grad(grad)} | packed,
            one("m0k_score_grad", "grad", "weights", "scores", n_in, n_out, shift),
            "scores",
            unpacked(n_out, n_in),
        ),
        Side(
            {"grad": grad, "weights": weights, "scores": scores},
            [("ref_score_grad", ["grad", "weights", "scores", grad.size, shift])],
            "scores",
        ),
        is_multiplying=True,
        moved=moved_share(scores, weights, grad, shift),
    )


@dataclass(frozen=True)
class Scored:
    """A tenth of a layer's edges, as PRIOT-S scores them: lists for the kernel and for the reference."""

    arrays: dict[str, Array]
    reference: dict[str, Array]
    count: int
    order: Array
    """``scores[order]`` are in the kernel's order."""


def scored(scores: Array) -> Scored:
    n_out, n_in = scores.shape
    chosen = np.sort(np.random.default_rng(16).choice(scores.size, round(0.1 * scores.size), replace=False))
    storage, order = layout.scored_storage(chosen, n_out, n_in)
    few = scores.ravel()[chosen]
    stored = (few[order].astype(np.int16) + layout.OFFSET).astype(np.uint8)
    arrays = {"gaps": layout.pack_gaps(storage), "scores": stored}
    return Scored(arrays, {"gaps": layout.pack_gaps(chosen), "scores": few}, chosen.size, order)


def logical(order: Array) -> View:
    def view(stored: Array) -> Array:
        values = np.empty(order.size, np.int8)
        values[order] = (stored.astype(np.int16) - layout.OFFSET).astype(np.int8)
        return values

    return view


def sparse_dense_case(u: Update) -> Case:
    n_out, n_in = u.weights.shape
    few, arrays = scored(u.scores), {"error": u.error, "in": u.inputs}
    words = ("error", "in", "weights", "scores", "gaps", few.count, n_in)
    return Case(
        "m0k_sparse_dense",
        f"{n_in} to {n_out}, a tenth scored, {u.what}",
        "scored edge",
        few.count,
        Side(
            arrays | {"weights": layout.pack_weights(u.weights)} | few.arrays,
            one("m0k_sparse_dense", *words, n_out, u.shift),
            "scores",
            logical(few.order),
        ),
        Side(arrays | {"weights": u.weights} | few.reference, [("ref_sparse_dense", [*words, u.shift])], "scores"),
        is_multiplying=True,
    )


def sparse_grad_case(what: str, grad: Array, weights: Array, scores: Array, shift: int) -> Case:
    n_out, n_in = weights.shape
    few = scored(scores)
    words = ("grad", "weights", "scores", "gaps", few.count)
    return Case(
        "m0k_sparse_grad",
        f"16 x 72 gradients, a tenth scored, {what}",
        "scored edge",
        few.count,
        Side(
            {"grad": packed_grad(grad), "weights": layout.pack_weights(weights)} | few.arrays,
            one("m0k_sparse_grad", *words, n_in, n_out, shift),
            "scores",
            logical(few.order),
        ),
        Side({"grad": grad, "weights": weights} | few.reference, [("ref_sparse_grad", [*words, shift])], "scores"),
        is_multiplying=True,
    )


# ------------------------------------------------------------------------------------------------------------- Tin-Tin


def _tintin(busy: Recorded, steps: Sequence[Recorded]) -> list[Case]:
    conv, dense, number = busy.layers[1], busy.layers[2], f"mean of {len(steps)} steps with an error"
    full = Update("uniform", uniform(12, 64), uniform(1, 784, low=0), uniform(2, 64, 784), uniform(13, 64, 784), 3)
    grad = np.random.default_rng(14).integers(-(1 << 16), (1 << 16) + 1, (16, 72)).astype(np.int32)

    def case(what: str, step: Recorded) -> Case:
        return tintin_dense_case(replace(recorded_update(what, step), shift=3))

    return [
        tintin_dense_case(full),
        case("busiest step", busy),
        mean(f"784 to 64, {number}, shift 3", (case("", step) for step in steps)),
        tintin_grad_case("uniform", grad, uniform(4, 16, 72)),
        tintin_grad_case("busiest step", conv_gradient(conv), conv.weights),
        *_w16_cases(dense),
    ]


def widened(weights: Array) -> Array:
    """int16: weights with random fractions."""
    fraction = np.random.default_rng(17).integers(-127, 128, weights.shape)
    return np.clip(weights.astype(np.int32) * 256 + fraction, -127 * 256, 127 * 256).astype(np.int16)


def wide_view(*shape: int) -> View:
    return lambda packed: layout.unpack_wide(packed, shape).ravel()


def tintin_dense_case(u: Update) -> Case:
    n_out, n_in = u.weights.shape
    arrays, wide = {"error": u.error, "in": u.inputs, "exponents": zeros(2, np.int32)}, widened(u.weights)
    words = ("error", "in", "weights16", n_in, n_out, At("exponents", 0), At("exponents", 4), u.shift)
    return Case(
        "m0k_tintin_dense",
        f"{n_in} to {n_out}, {u.what}, shift {u.shift}",
        "edge",
        wide.size,
        Side(
            arrays | {"weights16": layout.pack_wide(wide)},
            one("m0k_tintin_dense", *words),
            "weights16",
            wide_view(n_out, n_in),
        ),
        Side(
            arrays | {"weights16": wide},
            [("ref_tintin_dense", ["error", "in", "weights16", n_in, n_out, u.shift])],
            "weights16",
        ),
        is_multiplying=True,
    )


def tintin_grad_case(what: str, grad: Array, weights: Array) -> Case:
    n_out, n_in = weights.shape
    wide, shift = widened(weights), 4
    words = ("grad", "weights16", n_in, n_out, At("exponents", 0), At("exponents", 4), shift)
    return Case(
        "m0k_tintin_grad",
        f"16 x 72 gradients, {what}, shift {shift}",
        "edge",
        grad.size,
        Side(
            {"grad": packed_grad(grad), "weights16": layout.pack_wide(wide), "exponents": zeros(2, np.int32)},
            one("m0k_tintin_grad", *words),
            "weights16",
            wide_view(n_out, n_in),
        ),
        Side(
            {"grad": grad, "weights16": wide},
            [("ref_tintin_grad", ["grad", "weights16", grad.size, shift])],
            "weights16",
        ),
    )


def _w16_cases(layer: Layer) -> list[Case]:
    wide, (n_out, n_in) = widened(layer.weights), layer.weights.shape
    n, row, view = wide.size, 4 * n_in, unpacked(n_out, n_in)
    ours = {"weights16": layout.pack_wide(wide), "out": zeros(n, np.uint8)}
    theirs = Side({"weights16": wide, "out": zeros(n)}, [("ref_w16_copy", ["weights16", "out", n])], "out")
    copy = one("m0k_w16_copy", "weights16", "out", n)
    rows = provided("m0k_rows_w16", "weights16", scratch="out", row=row, groups=n_out // 4)
    return [
        Case("m0k_w16_copy", "784 to 64", "edge", n, Side(ours, copy, "out", view), theirs),
        Case("m0k_rows_w16", "784 to 64, 16 groups", "edge", n, Side(ours, rows, "out", view), theirs),
    ]


# -------------------------------------------------------------------------------------------------------- zeroth order


def _zeroth_order() -> list[Case]:
    weights, steps = uniform(101, 64, 784), np.arange(-7, 8, dtype=np.int8)
    return [*zo_cases("of 8 edges one", weights, steps, 3), _zo_next_case(), zo_loss_case("uniform", uniform(102, 10))]


def zo_cases(what: str, weights: Array, steps: Array, sparsity: int) -> list[Case]:
    """The rows and the update of a layer, `steps` int8 being those of as many equally probable draws."""
    n_out, n_in = weights.shape
    n, groups, drawn = weights.size, -(-n_out // 4), ("key", 5, sparsity, len(steps))
    shared = {"key": np.array([123_456_789], np.uint32), "steps": steps, "losses": np.array([9, 8], np.int32)}
    packed, view = layout.pack_weights(weights), unpacked(n_out, n_in)
    where, words = {"weights": packed, "out": zeros(packed.size, np.uint8)}, ("weights", n_in, n_out, *drawn)
    row = packed.size // groups
    calls = [
        ("m0k_rows_zo", [block("m0k_rows_zo", n_in, n_out, *drawn, "weights", At("out", g * row), row, "steps"), g])
        for g in range(groups)
    ]
    reference = [("ref_zo_rows", ["weights", "out", *words[1:], "steps"])]
    losses = (At("losses", 0), At("losses", 4))
    move = one("m0k_zo_move", n_in, n_out, *drawn, "weights", *losses, "steps", "steps")
    name = f"{n_in} to {n_out}, {what}"
    return [
        Case(
            "m0k_rows_zo",
            f"{name}, {groups} groups",
            "edge",
            n,
            Side(shared | where, calls, "out", view),
            Side(shared | {"weights": weights, "out": zeros(n)}, reference, "out"),
        ),
        Case(
            "m0k_zo_move",
            name,
            "edge",
            n,
            Side(shared | {"weights": packed}, move, "weights", view),
            Side(
                shared | {"weights": weights},
                [("ref_zo_move", [*words, "losses", "steps", "steps"])],
                "weights",
            ),
        ),
    ]


def _zo_next_case() -> Case:
    arrays, words = {"steps": np.array([41], np.uint32), "key": zeros(1, np.uint32)}, ("steps", "key", 77)
    return Case(
        "m0k_zo_next",
        "a step",
        "call",
        1,
        Side(arrays, one("m0k_zo_next", *words), "key"),
        Side(arrays, [("ref_zo_next", [words])], "key"),
    )


def zo_loss_case(what: str, logits: Array, exponent: int = -5) -> Case:
    classes, number = len(logits), np.array([1, exponent], np.int32)
    arrays = {"logits": logits, "number": number, "loss": zeros(1, np.int32)}
    words = ("logits", At("number", 0), classes, At("number", 4), "loss")
    return Case(
        "m0k_zo_loss",
        f"{classes} classes, {what}",
        "class",
        classes,
        Side(arrays, one("m0k_zo_loss", *words), "loss"),
        Side(arrays, [("ref_zo_loss", ["logits", 1, "loss", classes, exponent])], "loss"),
        is_multiplying=True,
    )


# ------------------------------------------------------------------------------------------------------------- pruning


@dataclass(frozen=True)
class Pruned:
    """The dense layer with a selection. 784 and 64 leave no padding, so the reference can have the same order."""

    weights: Array
    scores: Array
    k: int
    selection: Array

    @classmethod
    def top(cls, weights: Array, scores: Array, keep: int) -> Pruned:
        """The top `keep` of `scores` int8 [64, 784]."""
        stored = layout.pack_scores(scores)
        return cls(layout.pack_weights(weights), stored, keep, np.array(top_k(unbiased(stored), keep), np.uint32))

    @property
    def signed(self) -> dict[str, Array]:
        """The same for the reference, whose values are int8."""
        cut = self.selection.astype(np.int32) - [layout.OFFSET, 0]
        values = {"weights": self.weights, "scores": self.scores}
        return {name: unbiased(v) for name, v in values.items()} | {"selection": cut.astype(np.int32)}

    @property
    def stored(self) -> dict[str, Array]:
        return {"weights": self.weights, "scores": self.scores, "selection": self.selection}


def unbiased(stored: Array) -> Array:
    return (stored.astype(np.int16) - layout.OFFSET).astype(np.int8)


def _pruning(step: Recorded) -> list[Case]:
    layer = step.layers[2]
    what = "top 98 %, busiest step"
    pruned = Pruned.top(layer.weights, layer.scores, layer.keep)
    return [*pruning_cases(pruned, what), *sparse_mask_cases(layer.weights, layer.scores, what)]


def pruning_cases(p: Pruned, what: str) -> list[Case]:
    """Selection, masks and list of a layer from 784 to 64."""
    masks = [_mask_copy_case(p, what), _mask_pack_case(p, what), *_rows_cases(p, what)]
    return [_select_case(p, what), *_kept_cases(p, what), *masks, _prune_list_case(p, what)]


def _select_case(p: Pruned, what: str) -> Case:
    n, scratch = p.scores.size, {"selection": zeros(2, np.int32), "bins": zeros(256, np.uint32)}
    words = ("scores", n, p.k, "selection", "bins")
    return Case(
        "m0k_select",
        f"784 to 64, {what}",
        "edge",
        n,
        Side({"scores": p.scores} | scratch, one("m0k_select", *words), "selection"),
        Side(
            {"scores": p.signed["scores"]} | scratch,
            [("ref_select", list(words))],
            "selection",
            lambda found: np.add(found, [layout.OFFSET, 0]),
        ),
    )


def _kept_cases(p: Pruned, what: str) -> list[Case]:
    """With a histogram that is not current, and with one that is; the reference always counts."""
    words = ("scores", p.scores.size, p.k, "selection", "bins")
    theirs = _select_case(p, what).reference
    current = np.bincount(p.scores, minlength=256).astype(np.uint16)
    current[0] = 1
    return [
        Case(
            "m0k_select_kept",
            f"784 to 64, {what}, {which}",
            "edge",
            p.scores.size,
            Side(
                {"scores": p.scores, "selection": zeros(2, np.int32), "bins": bins},
                one("m0k_select_kept", *words),
                "selection",
            ),
            theirs,
        )
        for which, bins in (("counted", np.zeros(256, np.uint16)), ("current: the C counts", current))
    ]


def _mask_copy_case(p: Pruned, what: str) -> Case:
    n = p.scores.size
    words = ("weights", "scores", "selection", "out", n)
    return Case(
        "m0k_mask_copy",
        f"784 to 64, {what}",
        "edge",
        n,
        Side(p.stored | {"out": zeros(n, np.uint8)}, one("m0k_mask_copy", *words), "out", unbiased),
        Side(p.signed | {"out": zeros(n)}, [("ref_mask_copy", list(words))], "out"),
    )


def _mask_pack_case(p: Pruned, what: str) -> Case:
    n = p.scores.size
    words = ("scores", "selection", "bits", n)
    return Case(
        "m0k_mask_pack",
        f"784 to 64, {what}",
        "edge",
        n,
        Side(p.stored | {"bits": zeros(n // 8, np.uint8)}, one("m0k_mask_pack", *words), "bits"),
        Side(p.signed | {"bits": zeros(n // 8, np.uint8)}, [("ref_mask_pack", list(words))], "bits"),
    )


def _rows_cases(p: Pruned, what: str) -> list[Case]:
    """Providers: a dense layer's masked weights group by group; the reference does the whole layer at once."""
    n, groups = p.scores.size, 16
    row = n // groups
    kept = unbiased(p.scores) > int(p.selection[0]) - layout.OFFSET
    equal = np.flatnonzero(p.scores == p.selection[0])[: int(p.selection[1])]
    kept[equal] = True
    bits = {"bits": np.packbits(kept, bitorder="little")}
    ours = p.stored | bits | {"out": zeros(n, np.uint8), "state": zeros(1, np.uint32)}
    theirs = p.signed | bits | {"out": zeros(n)}

    def case(kernel: str, head: tuple[str, ...], reference: list[Any], **more: str) -> Case:
        calls = provided(kernel, *head, scratch="out", row=row, groups=groups, **more)
        ref = [(f"ref_{'mask_bits' if kernel == 'm0k_rows_bits' else 'mask_copy'}", reference)]
        return Case(
            kernel,
            f"784 to 64, {what}, 16 groups",
            "edge",
            n,
            Side(ours, calls, "out", unbiased),
            Side(theirs, ref, "out"),
        )

    return [
        case(
            "m0k_rows_scores",
            ("weights", "scores", "selection"),
            ["weights", "scores", "selection", "out", n],
            state="state",
        ),
        case(
            "m0k_rows_bits",
            ("weights", "bits"),
            ["weights", "bits", "out", n],
        ),
    ]


def sparse_mask_cases(weights: Array, scores: Array, what: str) -> list[Case]:
    """Masks of a layer of which a tenth of the edges is scored, of which 98 % are kept."""
    n_out, n_in = scores.shape
    few, n, row = scored(scores), scores.size, 4 * n_in
    selection = top_k(unbiased(few.arrays["scores"]), round(0.98 * few.count))
    p = Pruned(layout.pack_weights(weights), few.arrays["scores"], 0, np.array(selection, np.uint32))
    gaps = {"gaps": few.arrays["gaps"]}
    ours = p.stored | gaps | {"out": zeros(n, np.uint8), "state": zeros(4, np.uint32)}
    words = ("weights", "scores", "selection", "gaps", few.count)
    theirs = Side(p.signed | gaps | {"out": zeros(n)}, [("ref_sparse_copy", [*words, "out", n])], "out")
    rows = provided("m0k_rows_sparse", *words, scratch="out", row=row, groups=n_out // 4, state="state")
    what = f"{n_in} to {n_out}, a tenth scored, {what}"
    return [
        Case(
            "m0k_sparse_copy",
            what,
            "edge",
            n,
            Side(ours, one("m0k_sparse_copy", *words, "out", n), "out", unbiased),
            theirs,
        ),
        Case("m0k_rows_sparse", f"{what}, 16 groups", "edge", n, Side(ours, rows, "out", unbiased), theirs),
    ]


# --------------------------------------------------------------------------------------------------------- corrections

FAR = 240
"""How far a 0 advances in a list of pruned edges."""


def listed(both: Array) -> Array:
    """The edges of a list that lies behind its two words of state; the state's first word where there is none."""
    if both[0]:
        return both[:1]
    steps = both[8:].astype(np.int64)
    return (np.cumsum(np.where(steps == 0, FAR, steps)) - 1)[steps != 0]


def pruned_list(edges: Array) -> Array:
    """Ascending indices as a list."""
    out: list[int] = []
    for gap in np.diff(edges, prepend=-1).tolist():
        far = max(0, -(-(gap - 255) // FAR))
        out += [0] * far + [gap - far * FAR]
    return np.array(out, np.uint8)


def _list_case(kernel: str, what: str, count: int, ours: Side, words: list[Any], reference: dict[str, Array]) -> Case:
    both = {"both": ours.arrays["both"]}
    theirs = Side(reference | both, [(kernel.replace("m0k_", "ref_"), words)], "both", listed)
    return Case(kernel, what, "edge", count, ours, theirs)


def _prune_list_case(p: Pruned, what: str) -> Case:
    n, capacity = p.scores.size, layout.pruned_list_bytes(p.scores.size - p.k, 64, 784)
    words = ["scores", "selection", At("both", 8), capacity, n, At("both", 0)]
    arrays = p.stored | {"both": zeros(8 + capacity, np.uint8)}
    ours = Side(arrays, one("m0k_prune_list", *words), "both", listed)
    return _list_case("m0k_prune_list", f"784 to 64, {what}", n, ours, words, p.signed)


def sparse_list_case(scores: Array, what: str) -> Case:
    """Of a layer of which a tenth of the edges is scored, of which 98 % are kept."""
    n_out, n_in = scores.shape
    few = scored(scores)
    keep = round(0.98 * few.count)
    selection = np.array(top_k(unbiased(few.arrays["scores"]), keep), np.uint32)
    p, capacity = (
        Pruned(scores, few.arrays["scores"], keep, selection),
        layout.pruned_list_bytes(few.count - keep, n_out, n_in),
    )
    gaps = {"gaps": few.arrays["gaps"]}
    words = ["scores", "selection", "gaps", few.count, At("both", 8), capacity, At("both", 0)]
    ours = Side(
        p.stored | gaps | {"both": zeros(8 + capacity, np.uint8)}, one("m0k_sparse_list", *words), "both", listed
    )
    what = f"{n_in} to {n_out}, a tenth scored, {what}"
    return replace(_list_case("m0k_sparse_list", what, few.count, ours, words, p.signed | gaps), unit="scored edge")


def correct_forward_case(what: str, a: Array, weights: Array, mask: Array) -> Case:
    """`mask` bool [n_out, n_in]: the edges that are kept."""
    n_out, n_in = weights.shape
    ours, theirs = _lists(mask)
    arrays = {"in": a, "out": zeros(n_out, np.int32)}
    words = ("in", "weights", "list", "state", 0, "out", n_in, n_out)
    return Case(
        "m0k_correct_forward",
        f"{n_in} to {n_out}, {what}",
        "pruned edge",
        max(1, int(np.count_nonzero(~mask))),
        Side(arrays | ours | {"weights": layout.pack_weights(weights)}, one("m0k_correct_forward", *words), "out"),
        Side(
            arrays | theirs | {"weights": weights},
            [("ref_correct_forward", ["in", "weights", "list", theirs["list"].size, 0, "out", n_in, n_out])],
            "out",
        ),
    )


def correct_back_case(what: str, error: Array, weights: Array, mask: Array) -> Case:
    n_out, n_in = weights.shape
    ours, theirs = _lists(mask)
    arrays = {"error": error, "acc": zeros(n_in, np.int32)}
    words = ("error", "weights", "list", "state", "acc", n_in, n_out)
    return Case(
        "m0k_correct_back",
        f"{n_in} to {n_out}, {what}",
        "pruned edge",
        max(1, int(np.count_nonzero(~mask))),
        Side(arrays | ours | {"weights": layout.pack_weights(weights)}, one("m0k_correct_back", *words), "acc"),
        Side(
            arrays | theirs | {"weights": weights},
            [("ref_correct_back", ["error", "weights", "list", theirs["list"].size, "acc", n_in])],
            "acc",
        ),
    )


def _lists(mask: Array) -> tuple[dict[str, Array], dict[str, Array]]:
    """The pruned edges as the kernel's list, in storage order, and as the reference's."""
    edges = np.flatnonzero(~mask)
    ours, theirs = pruned_list(np.sort(layout.storage_index(*mask.shape)[edges])), pruned_list(edges)
    return {"list": ours, "state": np.array([0, ours.size], np.uint32)}, {"list": theirs}


def _corrections(busy: Recorded, steps: Sequence[Recorded], active: Sequence[Recorded]) -> list[Case]:
    layer = busy.layers[2]

    def forward(what: str, step: Recorded) -> Case:
        of = step.layers[2]
        return correct_forward_case(what, of.inputs.ravel(), of.weights, kept(of.scores, of.keep))

    def back(what: str, step: Recorded) -> Case:
        of = step.layers[2]
        return correct_back_case(what, of.error, of.weights, kept(of.scores, of.keep))

    return [
        sparse_list_case(layer.scores, "top 98 %, busiest step"),
        forward("top 98 %, busiest step", busy),
        mean(f"784 to 64, top 98 %, mean of {len(steps)} steps", (forward("", step) for step in steps)),
        back("top 98 %, busiest step", busy),
        mean(f"784 to 64, top 98 %, mean of {len(active)} steps with an error", (back("", step) for step in active)),
        *(first_values_case(shift) for shift in (3, -3)),
    ]


def first_values_case(shift: int) -> Case:
    biases = np.random.default_rng(60).integers(-(1 << 20), 1 << 20, 64).astype(np.int32)
    arrays = {"biases": biases, "out": zeros(64, np.int32), "exponent": np.array([shift], np.int32)}
    return Case(
        "m0k_first_values",
        f"64 biases, shifted to the {'right' if shift > 0 else 'left'} by {abs(shift)}",
        "bias",
        64,
        Side(arrays, one("m0k_first_values", "biases", "out", 64, "exponent", 0), "out"),
        Side(arrays, [("ref_first_values", ["biases", "out", 64, shift, 0])], "out"),
    )


# ---------------------------------------------------------------------------------------------------------- dispatcher

ENTRIES = 16


def replay_case(size: int) -> Case:
    """Of 8 records the fourth."""
    arrays = {"records": np.arange(2 * size, dtype=np.uint32), "out": zeros(size), "which": np.array([3], np.uint32)}
    return Case(
        "m0k_replay",
        f"a record of {size} bytes",
        "word",
        size // 4,
        Side(arrays, one("m0k_replay", "records", "out", size, 8, "which", 1), "out"),
        Side(arrays, [("ref_replay", ["records", "out", size // 4, 8, "which", 1])], "out"),
    )


def _run() -> list[Case]:
    return [_run_case("m0k_run"), _run_case("m0k_step")]


def _run_case(kernel: str) -> Case:
    """A list of functions that do nothing (tests/firmware/nothing.S; they return their block, 0): only dispatching."""

    def side(function: str) -> Side:
        return Side({"none": zeros(4)}, [(function, [(*([Code("nothing"), 0] * ENTRIES), 0, 0)])], "none")

    note = "; the phase functions are the same code" if kernel == "m0k_run" else ""
    reference = kernel.replace("m0k", "ref")
    return Case(kernel, f"{ENTRIES} empty functions{note}", "entry", ENTRIES, side(kernel), side(reference))
