"""The forward pass alone as a plan: kernel calls on tensors that have places, nothing that learns."""

from __future__ import annotations

from dataclasses import dataclass

from m0sim.study.learn import kernels, onchip
from m0sim.study.learn.config import DeviceOptions
from m0sim.study.learn.device_form import Builder
from m0sim.study.learn.methods.niti_static import NitiForm
from m0sim.study.learn.networks import Network
from m0sim.study.learn.plan import Plan
from m0sim.study.learn.pretrain import Backbone
from m0sim.study.learn.state import Frozen, Layer, State
from m0sim.study.learn.step import Op, StepSettings, Tensor


class InferenceForm(NitiForm):
    """Of a method's step only the forward pass."""

    def operations(self, network: Network, settings: StepSettings) -> tuple[tuple[Op, ...], dict[str, Tensor]]:
        builder = Builder(network, settings, self)
        builder.forward()
        return tuple(builder.ops), builder.tensors


@dataclass(frozen=True)
class Inference:
    """What a chip needs to run a network."""

    plan: Plan
    contents: dict[str, bytes]
    """Of the constant tensors, by name."""
    stack_bytes: int
    """Of the deepest kernel."""

    @property
    def image(self) -> str:
        """The tensor that is read."""
        return "image"

    @property
    def logits(self) -> str:
        """The tensor that is written."""
        return f"activation{len(self.plan.step.network.stages)}"


def plan(backbone: Backbone) -> Inference:
    """The forward pass of a backbone by its static shifts. Weights are in flash, and no layer learns."""
    network = backbone.network
    frozen = Frozen(backbone.weights, first=len(network.stages))
    found = onchip.plan(network, InferenceForm(), backbone.config, frozen, DeviceOptions())
    state = State(tuple(map(Layer, backbone.weights)))
    contents = onchip.contents(found, backbone.config, frozen, state)
    return Inference(found, contents, kernels.stack_bytes(found.step))
