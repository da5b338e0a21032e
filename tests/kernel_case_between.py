"""Rows of what is done between the layers: pools, biases, requantising, additions, bits for gates; the loss; calls."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from kernel_case import Array, At, Case, Code, Side, one, shape, zeros


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


SIGNAL = (1, 64, 8, 1, 2)
"""height, width, channels, window_h, window_w: of a pool of signals,"""

MAP = (1, 32, 16, 1, 32)
"""and of a mean over all of a signal."""


def window_case(pool: tuple[int, ...], what: str, raw: Array) -> Case:
    size = _outputs(pool)
    ends = ["in", At("both", 0), At("both", size)]

    def side(calls: list[tuple[str, list[Any]]]) -> Side:
        return Side({"in": raw, "both": zeros(2 * size), "pool": shape(pool)}, calls, "both")

    ours = side(one("m0k_pool_window", *ends, *pool))
    return Case(
        "m0k_pool_window", _pooled(pool) + what, "output", size, ours, side([("ref_pool_window", ["pool", *ends])])
    )


def mean_case(pool: tuple[int, ...], raw: Array) -> Case:
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


def spread_case(pool: tuple[int, ...], error: Array) -> Case:
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


def loss_case(what: str, logits: Array, label: int, exponent: int) -> Case:
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


def run_case(kernel: str) -> Case:
    """A list of functions that do nothing (tests/firmware/nothing.S; they return their block, 0): only dispatching."""

    def side(function: str) -> Side:
        return Side({"none": zeros(4)}, [(function, [(*([Code("nothing"), 0] * ENTRIES), 0, 0)])], "none")

    note = "; the phase functions are the same code" if kernel == "m0k_run" else ""
    reference = kernel.replace("m0k", "ref")
    return Case(kernel, f"{ENTRIES} empty functions{note}", "entry", ENTRIES, side(kernel), side(reference))
