"""PRIOT, our reconstruction around its abstract: frozen weights, a score for every edge, top-k pruning per layer."""

from __future__ import annotations

from math import prod
from typing import ClassVar, Literal

import numpy as np

from m0sim.study.learn import draws, layout
from m0sim.study.learn.arithmetic import LIMIT, STATIC_SHIFT_MAX, Int8, Int32, round_shift, sat
from m0sim.study.learn.config import Config
from m0sim.study.learn.device_form import Builder, IntegerForm, Read, Words, edge_bytes, edges_from
from m0sim.study.learn.layout import storage_index
from m0sim.study.learn.methods.base import Tuned
from m0sim.study.learn.methods.integer import Context, IntegerMethod
from m0sim.study.learn.methods.options import shared
from m0sim.study.learn.methods.pruning import kept_by, threshold, top_k
from m0sim.study.learn.networks import Dense, Network, Stage
from m0sim.study.learn.state import Frozen, Layer, Learned, Mask, Selection
from m0sim.study.learn.step import MASK_FORMS, Phase, Ref, Word

_BINS = 256
_KEPT_MOST = (1 << 16) - 1
"""Scores in a layer whose histogram is kept from step to step, in counters of 16 bits; a larger one is counted anew."""


class ScoreForm(IntegerForm):
    """Weights that never change, with a score for each edge; the mask is kept in one of four forms.

    ``copy`` keeps the masked weights, ``bits`` a bit an edge for dense layers, ``fused`` nothing: the kernels compare.
    ``list`` keeps the pruned edges of dense layers: the passes multiply by all weights and take off what these add.
    Where more are pruned than the list has room for, the device does as with ``fused``.
    """

    family = "score"
    dense_fields: ClassVar = {"signed_in": 0}
    mask_forms: tuple[str, ...] = MASK_FORMS
    copy_kernel = "m0k_mask_copy"
    list_kernel = "m0k_prune_list"
    listed, listed_once, listed_unknown = 12, 24, 32
    """One of so many candidates is pruned at most where the pruned ones are listed: with more masks are the faster way.
    ``listed_once`` is for the lowest layer that learns, whose list only the forward pass uses. Where their number is
    not known the list has room for fewer, so that it costs no more SRAM than two kilobytes."""
    provider = "m0k_rows_scores"
    """What gives kernels their masked rows, with so many bytes of state."""
    provider_state = 4

    # -- tensors

    def weights(self, b: Builder, stage: Stage) -> Ref:
        return b.frozen_weights(stage)

    def scores(self, b: Builder, stage: Stage) -> Ref:
        """One byte an edge, as weights lie."""
        return b.tensor(f"scores{stage.index}", "scores", edge_bytes(stage), persistent=True)

    def scored(self, b: Builder, stage: Stage) -> Words:
        """Fields that say which edges have a score, where not all have one."""
        return {}

    def _selection(self, b: Builder, stage: Stage) -> Ref:
        name = f"selection{stage.index}"
        if b.settings.keep:
            return b.tensor(name, "mask", 8, persistent=True)
        return b.tensor(name, "constants", 8, "flash", persistent=True)

    def _bits(self, b: Builder, stage: Stage) -> Ref:
        return b.tensor(f"bits{stage.index}", "mask", edge_bytes(stage) // 8, persistent=True)

    def _list(self, b: Builder, stage: Stage) -> Words:
        """List and state of the pruned edges, empty where it is clear that they are too many, or are not listed."""
        capacity = self._capacity(b, stage)
        if not capacity:
            return {}
        pruned = b.tensor(f"list{stage.index}", "mask", capacity, persistent=True)
        return {"list": pruned, "state": b.tensor(f"list{stage.index} state", "mask", 8, persistent=True)}

    def _capacity(self, b: Builder, stage: Stage) -> int:
        """Bytes of the list: it holds all edges that top-k prunes, or as many as pay."""
        if b.settings.options.mask_form != "list" or not isinstance(stage.layer, Dense):
            return 0
        candidates = self.candidates(b, stage)
        most = candidates // (self.listed_once if stage.index == b.settings.first else self.listed)
        pruned = candidates // self.listed_unknown
        if b.settings.keep:
            pruned = candidates - b.settings.keep[stage.index]
        return layout.pruned_list_bytes(pruned, stage.n_out, stage.n_in) if pruned <= most else 0

    # -- operations

    def whole(self, b: Builder, stage: Stage, phase: Phase) -> Ref:
        if b.settings.options.mask_form == "copy":
            return self._copy(b, stage)
        out = b.tensor(f"masked{stage.index} ({phase})", "scratch", edge_bytes(stage))
        self._copy_masked(b, stage, phase, out)
        return out

    def _copy(self, b: Builder, stage: Stage) -> Ref:
        return b.tensor(f"masked{stage.index}", "mask", edge_bytes(stage), persistent=True)

    def _copy_masked(self, b: Builder, stage: Stage, phase: Phase, out: Ref) -> None:
        b.emit(phase, self.copy_kernel, **self._masked(b, stage), out=out, n=edge_bytes(stage))

    def _masked(self, b: Builder, stage: Stage) -> Words:
        """The weights and what says which of them stay: fields of every block that masks."""
        fields: Words = {"weights": self.weights(b, stage), "scores": self.scores(b, stage)}
        fields["selection"] = self._selection(b, stage)
        return fields | self.scored(b, stage)

    def copies(self, b: Builder) -> bool:
        return b.settings.options.mask_form != "copy"

    def rows(self, b: Builder, stage: Stage, phase: Phase) -> Words:
        if b.settings.options.mask_form == "copy":
            return b.plain_rows(self._copy(b, stage))
        rows = b.row_scratch(stage, phase)
        if self._has_bits(b, stage):
            return b.provider("m0k_rows_bits", weights=self.weights(b, stage), bits=self._bits(b, stage), **rows)
        rows["state"] = b.tensor(f"rows{stage.index} state ({phase})", "scratch", self.provider_state)
        masked = b.provider(self.provider, **self._masked(b, stage), **rows)
        return masked | ({"weights": self.weights(b, stage)} if self._list(b, stage) else {})

    def pick(self, b: Builder, stage: Stage) -> Word:
        return self._list(b, stage).get("state", 0)

    def first_sums(self, b: Builder, stage: Stage, first: Word) -> Word:
        pruned = self._list(b, stage)
        if not pruned:
            return first
        out = b.tensor(f"first{stage.index} (pruned)", "scratch", 4 * stage.n_out)
        sums: Words = {"in": b.activation(stage.index), "bias": first, "out": out}
        b.emit("forward", "m0k_correct_forward", **self._corrected(b, stage), **sums)
        return out

    def first_error_sums(self, b: Builder, stage: Stage, sums: Ref) -> Word:
        pruned = self._list(b, stage)
        if pruned:
            b.emit("backward", "m0k_correct_back", **self._corrected(b, stage), error=b.error(stage), acc=sums)
        return int(bool(pruned))

    def _corrected(self, b: Builder, stage: Stage) -> Words:
        """Fields of both corrections' blocks."""
        sizes: Words = {"n_in": stage.n_in, "n_out": stage.n_out}
        return {"weights": self.weights(b, stage), **self._list(b, stage), **sizes}

    def _has_bits(self, b: Builder, stage: Stage) -> bool:
        is_form = b.settings.options.mask_form == "bits" and "bits" in self.mask_forms
        return is_form and isinstance(stage.layer, Dense)

    def learned_fields(self, b: Builder, stage: Stage, first: int = 0) -> Words:
        weights, scores = edges_from(self.weights(b, stage), stage, first), self.scores(b, stage)
        fields: Words = {"weights": weights, "scores": edges_from(scores, stage, first), **self.scored(b, stage)}
        counted: Words = {"histogram": self._histogram(b, stage)} if self.counts(stage) else {}
        return fields | counted | {"shift": b.settings.config.update[stage.index]}

    def prune(self, b: Builder) -> None:
        for stage in b.trained:
            self.prune_layer(b, stage)

    def prune_layer(self, b: Builder, stage: Stage) -> None:
        """The same of one layer that learns."""
        if b.settings.keep:
            self._select(b, stage)
        if b.settings.options.mask_form == "copy":
            self._copy_masked(b, stage, "prune", self._copy(b, stage))
        elif self._has_bits(b, stage):
            inputs: Words = {"scores": self.scores(b, stage), "selection": self._selection(b, stage)}
            b.emit("prune", "m0k_mask_pack", **inputs, bits=self._bits(b, stage), n=edge_bytes(stage))
        elif pruned := self._list(b, stage):
            inputs = {"scores": self.scores(b, stage), "selection": self._selection(b, stage)}
            inputs |= self.searched(b, stage) | {"capacity": self._capacity(b, stage)}
            inputs["early"] = int(not b.settings.keep)
            b.emit("prune", self.list_kernel, **inputs, **pruned)

    def searched(self, b: Builder, stage: Stage) -> Words:
        """Where pruned edges are looked for: further fields of the block of `list_kernel`."""
        return {"n": edge_bytes(stage)}

    def _select(self, b: Builder, stage: Stage) -> None:
        fields: Words = {"scores": self.scores(b, stage), "n": self.score_bytes(b, stage)}
        fields |= {"k": b.settings.keep[stage.index], "selection": self._selection(b, stage)}
        if kept := self._histogram(b, stage):
            b.emit("prune", "m0k_select_kept", **fields, histogram=kept)
        else:
            b.emit("prune", "m0k_select", **fields, histogram=b.tensor(f"bins{stage.index}", "scratch", 4 * _BINS))

    def counts(self, stage: Stage) -> bool:
        """Whether the kernel of a layer's update can keep a histogram of the scores."""
        return True

    def _histogram(self, b: Builder, stage: Stage) -> Ref | Literal[0]:
        """How many scores have which value, kept current by the update; none where nothing selects or they are many."""
        is_kept = b.has_full_scratch and self.counts(stage) and self.score_bytes(b, stage) <= _KEPT_MOST
        if not b.settings.keep or not is_kept:
            return 0
        return b.tensor(f"histogram{stage.index}", "mask", 2 * _BINS, persistent=True)

    def candidates(self, b: Builder, stage: Stage) -> int:
        """Edges that have a score."""
        return stage.edges

    def score_bytes(self, b: Builder, stage: Stage) -> int:
        """What the cut is looked for in: padding has scores, too, which are below all others."""
        return edge_bytes(stage)

    # -- numbers and bytes

    def keeps(self, config: Config, candidates: int) -> int | None:
        return round(config.keep * candidates)

    def contents(self, stage: Stage, learned: Learned, frozen: Frozen, config: Config) -> dict[str, bytes]:
        found = {f"scores{stage.index}": self.stored(stage, learned, frozen)}
        if self.keeps(config, frozen.candidates(stage)) is None:
            cut, ties = threshold(config.theta)
            found[f"selection{stage.index}"] = cut.to_bytes(4, "little") + ties.to_bytes(4, "little")
        return found

    def stored(self, stage: Stage, learned: Learned, frozen: Frozen) -> bytes:
        """The scores of a layer as the device holds them."""
        return layout.pack_scores(learned).tobytes()

    def read(self, read: Read, stage: Stage, frozen: Frozen) -> Learned:
        return layout.unpack(read(f"scores{stage.index}"), stage.weight_shape)


POSITIONS_MAX = ((1 << 31) - (1 << STATIC_SHIFT_MAX - 1)) // LIMIT**3
"""Positions of an error whose products W * G, and half of the last place that rounding adds, an int32 holds."""


class Priot(IntegerMethod):
    """S = sat(S - Round(W * G, r)), straight through the mask: for pruned edges too."""

    name = "priot"
    learns = "scores"
    source = "the abstract of PRIOT (arXiv 2503.16860) and edge-popup (arXiv 1911.13299)"
    is_reconstruction = True
    tuned = Tuned(-3, {"keep": 0.9})
    options: ClassVar = {**IntegerMethod.options, **shared("keep", "refresh", "deviation")}
    device = ScoreForm()

    def unsupported(self, network: Network) -> str:
        for stage in network.stages:
            positions = prod(stage.out_shape[:-1]) if stage.pooled else stage.positions
            if positions > POSITIONS_MAX:
                words = f"layer {stage.index} has an error at {positions:,} positions"
                return f"{words}, and W * G of more than {POSITIONS_MAX:,} may leave 32 bits"
        return ""

    def start(self, stage: Stage, frozen: Frozen, config: Config, seed: int) -> Learned:
        return draws.normal_scores(seed, stage.index, stage.edges, config.deviation).reshape(stage.weight_shape)

    def layer(
        self, stage: Stage, learned: Learned, frozen: Frozen, config: Config, held: Selection | None = None
    ) -> Layer:
        selection = held or self.select(stage, learned, frozen, config)
        mask = self.mask(stage, learned, frozen, selection)
        return Layer(frozen.weights[stage.index] * mask.view(np.int8), learned, mask, selection)

    def shift(self, context: Context, config: Config) -> int:
        return config.update[context.stage.index]

    def moved(self, learned: Learned, weights: Int8, gradient: Int32, shift: int) -> Learned:
        delta = round_shift(weights.astype(np.int32) * gradient, shift)
        return sat(learned.astype(np.int32) - delta)

    def select(self, stage: Stage, scores: Int8, frozen: Frozen, config: Config) -> Selection:
        """What keeps the right edges of one layer: k of them, or those from the threshold on."""
        k = self.device.keeps(config, scores.size)
        return threshold(config.theta) if k is None else top_k(scores, k)

    def mask(self, stage: Stage, scores: Int8, frozen: Frozen, selection: Selection) -> Mask:
        """The mask of one layer, in the shape of its weights."""
        kept = kept_by(selection, scores.reshape(-1), storage_index(stage.n_out, stage.n_in))
        return kept.reshape(stage.weight_shape)


METHOD = Priot()
