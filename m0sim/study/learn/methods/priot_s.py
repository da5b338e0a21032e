"""PRIOT-S, our reconstruction: only a fraction of the edges is scored and can be pruned; all others always stay.

Scores are one flat int8 array a layer, in ascending order of the scored edges' logical indices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import sqrt
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from m0sim.study.learn import draws, layout
from m0sim.study.learn.arithmetic import Int8
from m0sim.study.learn.config import Config
from m0sim.study.learn.device_form import Builder, Read, Words
from m0sim.study.learn.layout import OFFSET, Index, storage_index, storage_order
from m0sim.study.learn.methods import niti_dynamic
from m0sim.study.learn.methods.base import Tuned
from m0sim.study.learn.methods.integer import Context, IntegerMethod
from m0sim.study.learn.methods.options import SHARED, shared
from m0sim.study.learn.methods.priot import Priot, ScoreForm
from m0sim.study.learn.methods.pruning import kept_by
from m0sim.study.learn.networks import Dense, Network, Stage
from m0sim.study.learn.state import Examples, Frozen, Learned, Mask, Selection
from m0sim.study.learn.step import Ref, ScoredGroup


def random_edges(stage: Stage, fraction: float, seed: int) -> Index:
    """One edge of every block of round(1 / fraction) real edges that follow one another in storage order.

    The last block may be shorter; it has its edge as well. Logical indices, ascending.
    """
    order = storage_order(stage.n_out, stage.n_in)
    starts = np.arange(0, stage.edges, round(1 / fraction))
    sizes = np.diff(starts, append=stage.edges)
    return np.sort(order[starts + draws.choices(seed, stage.index, sizes)])


def largest_edges(stage: Stage, values: NDArray[np.integer[Any]], fraction: float) -> Index:
    """The round(fraction * edges), at least 1, edges of largest |value|, ties to the first in storage; ascending."""
    magnitude = np.abs(values.reshape(-1))
    ranked = np.lexsort((storage_index(stage.n_out, stage.n_in), -magnitude))
    return np.sort(ranked[: max(1, round(fraction * stage.edges))])


def sensitivity(
    network: Network, weights: Sequence[Int8], config: Config, examples: Examples
) -> tuple[NDArray[np.int64], ...]:
    """How much the examples would move the score of every edge: the sum of |w * G|, int64 in the weights' shapes.

    G is what the untouched backbone's gradient is with dynamic scales, so that images with large and with small errors
    count about alike. Zeros in layers that do not learn.
    """
    frozen = niti_dynamic.METHOD.freeze(network, weights, config)
    state = niti_dynamic.METHOD.initial_state(network, frozen, config, 0)
    sums = tuple(np.zeros(w.shape, np.int64) for w in weights)
    for image, label in zip(examples.images, examples.labels, strict=True):
        trace = niti_dynamic.METHOD.step(network, frozen, state, image, int(label), config)
        for total, backbone, gradient in zip(sums, weights, trace.gradients, strict=True):
            if gradient is not None:
                total += np.abs(backbone * gradient.whole().astype(np.int64))
    return sums


def shares(stages: Sequence[Stage], fraction: float, spread: str) -> list[float]:
    """Which share of each layer's edges is scored, so that it is `fraction` of all their edges (up to rounding).

    Spread ``even`` is the same share everywhere. ``root`` divides the number of scored edges by the square roots of the
    layers' edges; a layer that has not so many scores all it has, and the others share what it leaves.
    """
    if spread == "even":
        return [fraction] * len(stages)
    edges = [stage.edges for stage in stages]
    found, left = [1.0] * len(edges), fraction * sum(edges)
    smallest_first = sorted(range(len(edges)), key=lambda i: edges[i])  # those that may be due more than they have
    for place, i in enumerate(smallest_first):
        roots = sum(sqrt(edges[j]) for j in smallest_first[place:])
        found[i] = min(1.0, left / roots / sqrt(edges[i]))
        left -= found[i] * edges[i]
    return found


class SparseForm(ScoreForm):
    """Scores of some edges, by ascending place in the array of weights, and a list of the gaps between these places."""

    family = "sparse"
    dense_fields: ClassVar = {}
    mask_forms = tuple(form for form in ScoreForm.mask_forms if form != "bits")
    copy_kernel = "m0k_sparse_copy"
    list_kernel = "m0k_sparse_list"
    listed, listed_once, listed_unknown = 2, 4, 4
    provider = "m0k_rows_sparse"
    provider_state = 16

    def scores(self, b: Builder, stage: Stage) -> Ref:
        return b.tensor(f"scores{stage.index}", "scores", b.settings.scored[stage.index], persistent=True)

    def scored(self, b: Builder, stage: Stage) -> Words:
        return {"gaps": self._gaps(b, stage), "count": b.settings.scored[stage.index]}

    def _gaps(self, b: Builder, stage: Stage) -> Ref:
        size = b.settings.gap_bytes[stage.index]
        return b.tensor(f"gaps{stage.index}", "constants", size, "flash", persistent=True)

    def learned_fields(self, b: Builder, stage: Stage, first: int = 0) -> Words:
        """A convolution's by four outputs: the lists from where theirs begin."""
        fields = super().learned_fields(b, stage, first)
        if isinstance(stage.layer, Dense):
            return fields
        groups = b.settings.scored_groups
        at = groups[stage.index][first // 4] if groups else ScoredGroup()
        gaps = self._gaps(b, stage)
        lists: Words = {"scores": Ref(self.scores(b, stage).tensor, at.score), "gaps": Ref(gaps.tensor, at.gap)}
        return fields | lists | {"count": at.count, "passed": at.passed}

    def candidates(self, b: Builder, stage: Stage) -> int:
        return b.settings.scored[stage.index]

    def searched(self, b: Builder, stage: Stage) -> Words:
        return self.scored(b, stage)

    def counts(self, stage: Stage) -> bool:
        """A convolution has so few scores that counting them costs hardly more."""
        return isinstance(stage.layer, Dense)

    def score_bytes(self, b: Builder, stage: Stage) -> int:
        return b.settings.scored[stage.index]

    def keeps(self, config: Config, candidates: int) -> int | None:
        return super().keeps(config, candidates) if config.prune == "top-k" else None

    def contents(self, stage: Stage, learned: Learned, frozen: Frozen, config: Config) -> dict[str, bytes]:
        gaps = {f"gaps{stage.index}": frozen.gaps(stage).tobytes()}
        return super().contents(stage, learned, frozen, config) | gaps

    def stored(self, stage: Stage, learned: Learned, frozen: Frozen) -> bytes:
        _, order = layout.scored_storage(frozen.scored[stage.index], stage.n_out, stage.n_in)
        biased: bytes = (learned[order].astype(np.int16) + OFFSET).astype(np.uint8).tobytes()
        return biased

    def read(self, read: Read, stage: Stage, frozen: Frozen) -> Learned:
        scored = frozen.scored[stage.index]
        _, order = layout.scored_storage(scored, stage.n_out, stage.n_in)
        values = np.empty(len(scored), np.int8)
        values[order] = (read(f"scores{stage.index}")[: len(scored)].astype(np.int16) - OFFSET).astype(np.int8)
        return values


class PriotS(Priot):
    """S = sat(S - Round(W * G, r)) for the scored edges only."""

    name = "priot-s"
    tuned = Tuned(-4, {"selection": "sensitive", "spread": "root", "prune": "threshold", "theta": -32})
    options: ClassVar = {
        **IntegerMethod.options,
        **shared("fraction", "selection", "spread", "prune", "deviation"),
        **{name: replace(option, needs=("prune", "top-k")) for name, option in shared("keep", "refresh").items()},
        "theta": replace(SHARED["theta"], needs=("prune", "threshold")),
    }
    device = SparseForm()

    def words(self, options: dict[str, Any]) -> list[str]:
        found = [f"{100 * options.pop('fraction', Config.fraction):g} %", options.pop("selection", Config.selection)]
        found += ["root"] if options.pop("spread", Config.spread) == "root" else []
        found += ["threshold"] if options.pop("prune", Config.prune) == "threshold" else []
        return found

    def freeze(
        self, network: Network, weights: Sequence[Int8], config: Config, examples: Examples | None = None
    ) -> Frozen:
        if not 0 < config.fraction <= 1:
            raise ValueError(f"fraction is {config.fraction}, must be above 0 and at most 1")
        frozen = super().freeze(network, weights, config)
        values: Sequence[NDArray[np.integer[Any]]] = weights
        if config.selection == "sensitive":
            if examples is None or not len(examples.images):
                raise ValueError("selection sensitive needs the calibration images")
            values = sensitivity(network, weights, config, examples)
        scored = [np.zeros(0, np.int64)] * len(network.stages)
        stages = self.scored_stages(network.stages[frozen.first :])
        for stage, share in zip(stages, shares(stages, config.fraction, config.spread), strict=True):
            if config.selection == "random":
                scored[stage.index] = random_edges(stage, share, config.seed)
            else:
                scored[stage.index] = largest_edges(stage, values[stage.index], share)
        return replace(frozen, scored=tuple(scored))

    def scored_stages(self, stages: Sequence[Stage]) -> Sequence[Stage]:
        """Those of the layers that learn that have scores."""
        return stages

    def start(self, stage: Stage, frozen: Frozen, config: Config, seed: int) -> Learned:
        return draws.normal_scores(seed, stage.index, len(frozen.scored[stage.index]), config.deviation)

    def learn(self, context: Context, learned: Learned, frozen: Frozen, config: Config) -> tuple[Learned, int]:
        i, shift = context.stage.index, self.shift(context, config)
        if not len(context.gradient.rows):
            return learned, shift
        gradient = context.gradient.whole().reshape(-1)[frozen.scored[i]]
        new = self.moved(learned, frozen.scored_weights[i], gradient, shift)
        return (learned if np.array_equal(new, learned) else new), shift

    def mask(self, stage: Stage, scores: Int8, frozen: Frozen, selection: Selection) -> Mask:
        scored = frozen.scored[stage.index]
        mask = np.ones(stage.edges, np.bool_)
        mask[scored] = kept_by(selection, scores, storage_index(stage.n_out, stage.n_in)[scored])
        return mask.reshape(stage.weight_shape)


METHOD = PriotS()
