"""The kernels on operands at the ends: no zeros, all zeros, one that is not zero, every edge moved, ties everywhere.

A kernel that chooses by what its operands are must not lose much where it chooses wrong; `bench_against.py` compares.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from kernel_case import Array, Case
from kernel_case_between import (
    SIGNAL,
    add_case,
    first_values_case,
    pool_case,
    replay_case,
    requant_case,
    unpool_case,
    window_case,
)
from kernel_case_conv import CONV, CONV_1, conv_back_case, conv_case, conv_grad_case
from kernel_case_dense import dense_back_case, dense_case
from kernel_case_depthwise import depthwise_back_case, depthwise_case, depthwise_grad_case
from kernel_case_lists import correct_back_case, correct_forward_case, sparse_list_case
from kernel_case_masks import pruning_cases, sparse_mask_cases
from kernel_case_scores import (
    score_dense_case,
    score_grad_case,
    sparse_dense_case,
    sparse_grad_case,
    update_and_select_case,
)
from kernel_case_tintin import tintin_dense_case, tintin_grad_case
from kernel_case_weights import Update, bias_update_case, choose_case, niti_dense_case, niti_grad_case, niti_rows_case
from kernel_case_zo import zo_cases, zo_loss_case
from kernel_operands import uniform
from kernel_pruned import Pruned

NEVER, ALWAYS = 24, 8
"""Shifts of a score update: no product of three bytes rounds to 1, and every product of LARGE does."""


def extremes() -> list[Case]:
    """All rows; cycles are for a whole call."""
    found = [*_forward(), *_other_shapes(), *_other_forward(), *_backward(), *_updates()]
    found += [*_chosen(), *_gradients(), *_biases(), *_pruning(), *_zeroth_order()]
    return [replace(case, unit="call", count=1, limit=None, moved=None) for case in found]


def nonzero(seed: int, *shape: int, low: int = -127) -> Array:
    """int8, every value of low..127 but 0."""
    values = uniform(seed, *shape, low=low)
    return np.where(values == 0, 1, values).astype(np.int8)


def large(seed: int, *shape: int) -> Array:
    """int8 of 64..127 with random signs."""
    sign = np.where(uniform(seed, *shape) < 0, -1, 1)
    return (sign * uniform(seed + 1, *shape, low=64)).astype(np.int8)


def single(*shape: int) -> Array:
    """int8, all zero but one in the middle."""
    values = np.zeros(shape, np.int8)
    values.reshape(-1)[values.size // 2] = 100
    return values


def thinned(seed: int, share: float, *shape: int) -> Array:
    """int8 0..127, of which the given share is not zero."""
    chosen = np.random.default_rng(seed).random(shape) < share
    return np.where(chosen, nonzero(seed + 1, *shape, low=1), 0).astype(np.int8)


def errors(seed: int, *shape: int) -> Iterator[tuple[str, Array]]:
    yield "no zeros", nonzero(seed, *shape)
    yield "all zero", np.zeros(shape, np.int8)
    yield "one error", single(*shape)


def activations(seed: int, *shape: int) -> Iterator[tuple[str, Array, int]]:
    """What they are, the values, and whether they are signed."""
    yield "no zeros", nonzero(seed, *shape, low=1), 0
    yield "signed, no zeros", nonzero(seed, *shape), 1
    yield "all zero", np.zeros(shape, np.int8), 0
    yield "signed, all zero", np.zeros(shape, np.int8), 1
    yield "one not zero", single(*shape), 0
    for share in (0.1, 0.25, 0.5, 0.75, 0.9):
        yield f"{share:.0%} not zero", thinned(seed + 1, share, *shape), 0


def _forward() -> Iterator[Case]:
    for what, a, is_signed in activations(31, 784):
        yield dense_case(what, a, uniform(2, 64, 784), is_signed)
        if not is_signed:
            yield dense_case(f"{what}, columns", a, uniform(2, 64, 784), by_columns=True)
    for what, a, is_signed in activations(32, 64):
        yield dense_case(what, a, uniform(2, 10, 64), is_signed)
    for what, a, is_signed in activations(33, 14, 14, 8):
        yield conv_case(CONV, what, a, uniform(4, 16, 72), is_signed)
    for what, a, is_signed in activations(34, 28, 28, 1):
        yield conv_case(CONV_1, what, a, uniform(4, 8, 9), is_signed)


OTHERS = (
    (32, 32, 3, 16, 3, 3, 1, 1, 1),
    (8, 8, 16, 32, 3, 3, 1, 1, 1),
    (28, 28, 1, 6, 5, 5, 1, 0, 0),
    (15, 13, 5, 7, 3, 3, 2, 1, 1),
    (9, 9, 12, 8, 1, 1, 1, 0, 0),
)
"""Convolutions of other shapes: of colours, of many channels, of LeNet, with odd numbers, of a point."""


def _other_shapes() -> Iterator[Case]:
    for seed, conv in enumerate(OTHERS, 65):
        n_out, n_in = conv[3], conv[2] * conv[4] * conv[5]
        for what, a, is_signed in activations(seed, *conv[:3]):
            if "%" not in what or what.startswith("50"):
                yield conv_case(conv, what, a, uniform(seed, n_out, n_in), is_signed)
    for n_in, n_out in ((100, 30), (37, 7), (512, 40)):
        for what, a, is_signed in activations(70, n_in):
            if "%" not in what or what.startswith("50"):
                yield dense_case(what, whole_words(a), uniform(71, n_out, n_in), is_signed)


def whole_words(a: Array) -> Array:
    """Padded: the kernels read whole words."""
    return np.pad(a, (0, -a.size % 4))


def _other_forward() -> Iterator[Case]:
    shape = (28, 28, 8)
    steps = (np.arange(28)[:, None, None] + np.arange(28)[None, :, None]) * 2 + np.zeros(shape)
    yield pool_case("all zero: ties everywhere", np.zeros(shape, np.int8))
    yield pool_case("all 127: ties everywhere", np.full(shape, 127, np.int8))
    yield pool_case("no zeros", nonzero(35, *shape, low=1))
    yield pool_case("rising", steps.astype(np.int8))
    acc = np.random.default_rng(36).integers(-(1 << 17), (1 << 17) + 1, 3136).astype(np.int32)
    for relu in (0, 1):
        relued = " with ReLU" if relu else ""
        yield requant_case(f"all zero{relued}", np.zeros(3136, np.int32), relu, None)
        yield requant_case(f"bytes, no shift{relued}", nonzero(37, 3136).astype(np.int32), relu, None)
        yield requant_case(
            f"all of one size{relued}", np.where(acc < 0, -200_000, 200_000).astype(np.int32), relu, None
        )


def _backward() -> Iterator[Case]:
    gate, image, places = uniform(10, 784, low=0), uniform(3, 14, 14, 8, low=0), uniform(38, 7, 7, 16, low=0) % 4
    for what, e in errors(39, 64):
        yield dense_back_case(what, e, uniform(2, 64, 784), gate, 13)
    for what, e in errors(40, 10):
        yield dense_back_case(what, e, uniform(2, 10, 64), gate[:64].copy(), 13)
    for what, e in errors(41, 14, 14, 16):
        yield conv_back_case(f"{what}, no pool", e, None, uniform(4, 16, 72), image, 13)
        yield conv_grad_case(f"{what}, no pool", CONV, e, None, image)
    for what, e in errors(42, 7, 7, 16):
        yield conv_back_case(f"{what}, pooled", e, places.astype(np.uint8), uniform(4, 16, 72), image, 13)
        yield conv_grad_case(f"{what}, pooled", CONV, e, places.astype(np.uint8), image)
    first, picture = uniform(43, 14, 14, 8, low=0) % 4, uniform(44, 28, 28, 1, low=0)
    yield from _depthwise()
    yield from _windows_and_additions()
    for what, e in errors(45, 14, 14, 8):
        yield conv_grad_case(f"{what}, pooled", CONV_1, e, first.astype(np.uint8), picture)
    every = nonzero(45, 14, 14, 8)
    yield conv_grad_case("no zeros, pooled, image all zero", CONV_1, every, first.astype(np.uint8), 0 * picture)


def _depthwise() -> Iterator[Case]:
    shape, w = (14, 14, 16), uniform(87, 16, 9)
    for what, a, _ in activations(88, *shape):
        if "%" not in what:
            yield depthwise_case(what, a, w)
            yield depthwise_case(f"{what}, ReLU", a, w, relu=1)
    image, places = uniform(81, *shape, low=0), (uniform(86, 7, 7, 16, low=0) % 4).astype(np.uint8)
    for what, e in errors(89, *shape):
        yield depthwise_back_case(f"{what}, no pool", e, None, w, image)
        yield depthwise_grad_case(f"{what}, no pool", e, None, image)
    for what, e in errors(90, 7, 7, 16):
        yield depthwise_back_case(f"{what}, pooled", e, places, w, image)
        yield depthwise_grad_case(f"{what}, pooled", e, places, image)


def _windows_and_additions() -> Iterator[Case]:
    places = (uniform(91, 32, 8, low=0) % 2).astype(np.uint8)
    rising = np.repeat(np.arange(64, dtype=np.int8), 8).reshape(64, 8)
    for what, raw in (("rising", rising), ("falling", rising[::-1].copy()), ("all equal", 0 * rising)):
        yield window_case(SIGNAL, f", {what}", raw)
    for what, e in errors(92, 32, 8):
        yield unpool_case(SIGNAL, f", {what}", e, places)
    most, image = np.full(1568, 127, np.int8), uniform(94, 1568, low=0)
    for what, a, b in (
        ("every sum saturates", most, most),
        ("no sum saturates", 0 * most, uniform(95, 1568)),
        ("all zero", 0 * most, 0 * most),
    ):
        yield add_case(f"{what}, ReLU, one scale", 0, a, b)
        yield add_case(f"{what}, gated, shifted by 1", 1, a, b, image)
        yield add_case(f"{what}, gate closed", 1, a, b, 0 * image)


def _updates() -> Iterator[Case]:
    shape, a = (64, 784), nonzero(46, 784, low=1)
    rows = [(what, e, a, 14) for what, e in errors(47, 64)]
    rows.append(("inputs all zero", nonzero(47, 64), 0 * a, 14))
    rows.append(("every edge moved", large(48, 64), uniform(50, 784, low=64), ALWAYS))
    rows.append(("no edge moved", nonzero(47, 64), a, NEVER))
    for what, e, inputs, shift in rows:
        u = Update(what, e, inputs, large(51, *shape), uniform(52, *shape), shift)
        yield score_dense_case(u)
        yield update_and_select_case(u, round(0.98 * u.weights.size))
        yield sparse_dense_case(u)
        if shift == 14:
            yield niti_dense_case(u, is_dynamic=False)
            yield niti_dense_case(u, is_dynamic=True)
        yield tintin_dense_case(replace(u, shift=shift // 4))


def _chosen() -> Iterator[Case]:
    for shape in ((14, 14, 8), (7, 7, 6), (64,)):
        for what, e in errors(96, *shape):
            yield choose_case(what, e)
        yield choose_case("all equal", np.full(shape, 127, np.int8))


def _gradients() -> Iterator[Case]:
    shape, wide = (16, 72), np.random.default_rng(53)
    sign = np.where(uniform(54, *shape) < 0, -1, 1)
    gradients = {
        "all zero": (np.zeros(shape, np.int32), 14),
        "one not zero": (1000 * single(*shape).astype(np.int32), 14),
        "every edge moved": ((sign * wide.integers(1 << 15, 1 << 16, shape)).astype(np.int32), 14),
        "no edge moved": (wide.integers(-3, 4, shape).astype(np.int32), 14),
    }
    for what, (grad, shift) in gradients.items():
        weights, scores = large(55, *shape), uniform(56, *shape)
        yield score_grad_case(what, grad, weights, scores, shift)
        yield sparse_grad_case(what, grad, weights, scores, shift)
        yield niti_grad_case(what, grad, weights)
        yield niti_rows_case(what, grad, weights)
        yield tintin_grad_case(what, grad, weights)


def _biases() -> Iterator[Case]:
    for what, e in errors(65, 257, 16):
        yield bias_update_case(what, e)
    yield bias_update_case("one channel", nonzero(66, 40, 1))


def _zeroth_order() -> Iterator[Case]:
    every = np.full(1, 127, np.int8)
    for shape in ((64, 784), (8, 9), (5, 3), (1, 1)):
        weights = uniform(103, *shape)
        for what, steps, sparsity in (
            ("every edge", every, 0),
            ("every edge, no step", 0 * every, 0),
            ("of 1,024 edges one", np.arange(-127, 128, dtype=np.int8), 10),
        ):
            yield from zo_cases(what, weights, steps, sparsity)
    for what, logits, exponent in (
        ("all equal", np.full(10, 127, np.int8), -5),
        ("the largest exponent", uniform(104, 10), 7),
        ("the smallest exponent", uniform(104, 10), -15),
        ("alone", np.full(1, -127, np.int8), -5),
    ):
        yield zo_loss_case(what, logits, exponent)


def _pruning() -> Iterator[Case]:
    weights, shape = uniform(2, 64, 784), (64, 784)
    scores = {
        "uniform": uniform(57, *shape),
        "all the same: ties everywhere": np.full(shape, 5, np.int8),
        "two values": np.where(uniform(58, *shape) < 0, -127, 127).astype(np.int8),
    }
    for what, s in scores.items():
        for share in (0.5, 0.98, 1.0):
            yield from pruning_cases(Pruned.top(weights, s, round(share * s.size)), f"top {share:.0%}, scores {what}")
        yield from sparse_mask_cases(weights, s, f"top 98 %, scores {what}")
        yield sparse_list_case(s, f"top 98 %, scores {what}")
    few = nonzero(61, *shape) > -125
    for what, a, _ in activations(62, 784):
        yield correct_forward_case(f"1 % pruned, {what}", a, weights, few)
    for what, e in errors(63, 64):
        yield correct_back_case(f"1 % pruned, {what}", e, weights, few)
    yield correct_forward_case("none pruned", nonzero(62, 784), weights, np.ones(shape, bool))
    yield correct_forward_case("one edge in twenty pruned", nonzero(62, 784), weights, uniform(64, *shape) > -115)
    for shift in (30, 0, -10, -30):
        yield first_values_case(shift)
    for size in (4, 16, 36):
        yield replay_case(size)
