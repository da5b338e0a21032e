"""Every kernel beside its C reference: on which operands, and in which order the table has them.

The calls, and what both must leave in memory: `kernel_case_*.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from kernel_case import Array, Case, mean
from kernel_case_between import (
    MAP,
    SIGNAL,
    add_case,
    first_values_case,
    loss_case,
    mean_case,
    packing_cases,
    pool_case,
    replay_case,
    requant_case,
    run_case,
    spread_case,
    unpool_case,
    window_case,
)
from kernel_case_conv import CONV, CONV_1, conv_back_case, conv_case, conv_grad_case, im2col_case, shown
from kernel_case_dense import NO_COLUMNS, dense_back_case, dense_case
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
from kernel_case_tintin import tintin_dense_case, tintin_grad_case, w16_cases
from kernel_case_weights import (
    Update,
    bias_update_case,
    choose_case,
    niti_dense_case,
    niti_grad_case,
    niti_measure_case,
    niti_rows_case,
)
from kernel_case_zo import zo_cases, zo_loss_case, zo_next_case
from kernel_operands import Layer, Recorded, busiest, kept, recorded, uniform
from kernel_pruned import Pruned


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
        im2col_case(),
    ]


def _recorded_conv(conv: tuple[int, ...], stage: int, what: str, step: Recorded) -> Case:
    layer = step.layers[stage]
    return conv_case(conv, what, layer.inputs, layer.masked, shift=layer.forward, relu=1)


def _mean_conv(conv: tuple[int, ...], stage: int, what: str, steps: Sequence[Recorded], limit: float) -> Case:
    found = [_recorded_conv(conv, stage, what, step) for step in steps]
    return mean(found[0].operands, found, limit)


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


def _other_forward(step: Recorded, steps: Sequence[Recorded]) -> list[Case]:
    acc = np.random.default_rng(5).integers(-(1 << 17), (1 << 17) + 1, 3136).astype(np.int32)
    gate = uniform(6, 3136, low=0) * (uniform(7, 3136) > 0)
    return [
        pool_case("uniform 0..127", uniform(8, 28, 28, 8, low=0)),
        pool_case("busiest step", step.layers[0].raw),
        mean(f"28x28x8, mean of {len(steps)} steps", (pool_case("", step.layers[0].raw) for step in steps)),
        requant_case("with ReLU", acc, 1, None),
        requant_case("gated, half of the gates zero", acc, 0, gate),
        loss_case("uniform logits", uniform(9, 10), 3, -6),
        _recorded_loss("busiest step", step),
        mean(f"10 classes, mean of {len(steps)} steps", (_recorded_loss("", step) for step in steps)),
    ]


def _pools() -> list[Case]:
    rng, half = np.random.default_rng(13), uniform(14, 32, 8)
    half *= rng.random(half.shape) < 0.5
    return [
        window_case(SIGNAL, "", uniform(8, 64, 8, low=0)),
        mean_case(MAP, uniform(8, 32, 16, low=0)),
        mean_case((28, 28, 8, 2, 2), uniform(8, 28, 28, 8, low=0)),
        unpool_case(SIGNAL, "", half, rng.integers(0, 2, half.shape).astype(np.uint8)),
        spread_case(MAP, uniform(12, 16)),
        spread_case((14, 14, 8, 3, 3), uniform(12, 4, 4, 8)),
    ]


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


def _recorded_loss(what: str, step: Recorded) -> Case:
    return loss_case(what, step.logits, step.label, step.logit_exponent)


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


SELECT_LIMIT = 360_000
"""Cycles that were asked for of update and selection together."""


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
        *w16_cases(dense),
    ]


def _zeroth_order() -> list[Case]:
    weights, steps = uniform(101, 64, 784), np.arange(-7, 8, dtype=np.int8)
    return [*zo_cases("of 8 edges one", weights, steps, 3), zo_next_case(), zo_loss_case("uniform", uniform(102, 10))]


def _pruning(step: Recorded) -> list[Case]:
    layer = step.layers[2]
    what = "top 98 %, busiest step"
    pruned = Pruned.top(layer.weights, layer.scores, layer.keep)
    return [*pruning_cases(pruned, what), *sparse_mask_cases(layer.weights, layer.scores, what)]


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


def _run() -> list[Case]:
    return [run_case("m0k_run"), run_case("m0k_step")]
