"""The last layers learn as NITI has it, with a buffer of old images: after a step on a new one comes a step on an old.

Of the old images, which the backbone was trained on, the int8 activations in front of the lowest layer that learns are
kept, with the labels ("latent replay"). The host computes them before deployment; they never change. A replay is the
forward pass of the layers that learn, loss, backward pass and update, in the same call as the step that it follows.
Number k = 0, 1, ... takes the image that is at k modulo their number in a permutation of the seed's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np

from m0sim.study.learn import draws, latents
from m0sim.study.learn.arithmetic import Int8
from m0sim.study.learn.config import Config, cooled
from m0sim.study.learn.device_form import Builder, Words
from m0sim.study.learn.methods.base import Tuned
from m0sim.study.learn.methods.integer import StepTrace
from m0sim.study.learn.methods.niti_static import NitiForm, NitiStatic
from m0sim.study.learn.methods.options import SHARED, Option
from m0sim.study.learn.networks import Network
from m0sim.study.learn.state import Examples, Frozen, State
from m0sim.study.learn.step import Op, Phases, StepSettings, Tensor, apart

AGAIN = " (again)"
"""What the names of tensors end in that the second half of a step has for itself."""

_LABELS = "latent labels"


class ReplayForm(NitiForm):
    """Two halves in one list of operations: that of niti-static, and the layers that learn once more, on a record."""

    def operations(self, network: Network, settings: StepSettings) -> tuple[tuple[Op, ...], dict[str, Tensor]]:
        ops, tensors = super().operations(network, settings)
        if not (settings.replays and settings.config.option("replay")):
            return ops, tensors
        again = Builder(network, settings, self)
        self._recall(again)
        again.forward(settings.first)
        self.learn(again)
        others, more = apart(again.ops, again.tensors, AGAIN)
        return (*_going_on(ops, others), *others), tensors | more

    def _recall(self, b: Builder) -> None:
        """The next record into the activations that the layers that learn read, and its label."""
        count = b.settings.config.option("replay")
        place: Literal["sram", "flash"] = "sram" if b.settings.options.weights_place == "sram" else "flash"
        which = b.tensor("replayed", "scratch", 4, persistent=True)
        parts = [(f"latents{i}", b.activation(i)) for i in latents.kept(b.network, b.settings.first)]
        parts.append((_LABELS, b.label()))
        for name, out in parts:
            size = b.tensors[out.tensor].size
            records = b.tensor(name, "constants", count * size, place, persistent=True)
            words: Words = {"records": records, "out": out, "size": size, "count": count, "which": which}
            b.emit("forward", "m0k_replay", **words, next=int(name == _LABELS))

    def replay_every(self, config: Config) -> int:
        return int(config.option("every"))

    def others(self, network: Network, frozen: Frozen, state: State, config: Config) -> dict[str, bytes]:
        if frozen.latents is None:
            return {}
        found = {f"latents{i}": _records(array) for i, array in frozen.latents.activations.items()}
        found[_LABELS] = frozen.latents.labels.astype("<u4").tobytes()
        which = state.steps // config.option("every") % len(frozen.latents)
        return found | {"replayed": which.to_bytes(4, "little")}


def _records(array: Int8) -> bytes:
    """Activations [n, ...], each in whole words: behind it are zeros."""
    flat = array.reshape(len(array), -1)
    return np.pad(flat, ((0, 0), (0, -flat.shape[1] % 4))).tobytes()


def _going_on(ops: tuple[Op, ...], others: tuple[Op, ...]) -> tuple[Op, ...]:
    """The operations of a half that go on with `others` where it has no error."""
    return tuple(
        replace(op, words=tuple(Phases(others) if isinstance(word, Phases) else word for word in op.words))
        for op in ops
    )


class NitiReplay(NitiStatic):
    """W = sat(W - Psto(G, s)) of the last layers, for a new image and then for an old one."""

    name = "niti-replay"
    source = (
        "the abstract of Ravaglia et al. (arXiv 2110.10486): latent replay, here in int8, with NITI's public code, its "
        "scales and update shifts frozen by calibration"
    )
    is_reconstruction = True
    tuned = Tuned()
    options: ClassVar = {
        **NitiStatic.options,
        "trained": replace(SHARED["trained"], default=2, low=1),
        "replay": Option(64, 0, 4096, help="old images that are kept", is_tuned=False),
        "every": Option(1, 1, 1_000_000, help="an old image comes after so many steps", is_tuned=False),
    }

    device = ReplayForm()

    def old_images(self, options: Mapping[str, Any]) -> int:
        return int(options.get("replay", self.options["replay"].default))

    def unsupported(self, network: Network) -> str:
        return "it has nothing in front of its last layer" if len(network.stages) < 2 else ""

    def freeze(
        self, network: Network, weights: Sequence[Int8], config: Config, examples: Examples | None = None
    ) -> Frozen:
        """With the old images' activations, once the shifts are calibrated: before that there are no steps."""
        frozen, count = super().freeze(network, weights, config, examples), config.option("replay")
        if not count or not config.forward:
            return frozen
        if examples is None or len(examples.old_labels) < count:
            raise ValueError(f"{self.name} needs {count} images of the old task")
        order = draws.order(config.seed, draws.REPLAY, 0, count)
        old = examples.old_images[order], examples.old_labels[order]
        return replace(frozen, latents=latents.of(network, weights, config, frozen.first, *old))

    def step(
        self, network: Network, frozen: Frozen, state: State, image: Int8, label: int, config: Config
    ) -> StepTrace:
        trace = super().step(network, frozen, state, image, label, config)
        done, every = state.steps + 1, config.option("every")
        if frozen.latents is None or done % every:
            return trace
        which = (done // every - 1) % len(frozen.latents)
        now = cooled(config, state.steps)
        ahead = latents.forward(network, trace.state.factors, frozen.latents, which, now)
        again = self.learned_from(network, frozen, trace.state, ahead, int(frozen.latents.labels[which]), now)
        after = State(again.state.layers, done)
        return replace(trace, state=after, replayed=replace(again, state=after))


METHOD = NitiReplay()
