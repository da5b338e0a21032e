"""Backpropagation and SGD in float32, compiled from C with soft float: the step, its kernels, and both in a machine.

The same planner, dispatcher and phases as for the integer methods. Cycles depend on the compiler and its library, which
`arithmetic` names; the kernels are therefore compiled where they are used and never shipped.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import cache
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from m0sim import toolchain
from m0sim.chip.device import Device
from m0sim.errors import UsageError
from m0sim.image import Image, load_elf
from m0sim.study.learn import step
from m0sim.study.learn.config import Config, DeviceOptions
from m0sim.study.learn.fit import Need, chip_for
from m0sim.study.learn.networks import Add, AveragePool, Conv, Depthwise, Network, Pool, Stage, pads_of
from m0sim.study.learn.plan import Plan, pack
from m0sim.study.learn.program import DeviceProgram
from m0sim.study.learn.step import DeviceForm, Kind, Op, Phase, Ref, Step, StepSettings, Tensor, Word

STACK_BYTES = 320
"""Upper bound of what dispatcher, kernels and either library need at -O3; held by a test."""

_LIBRARIES = {"zig": "compiler-rt", "gnu": "libgcc"}
# There is no memset to call: GCC would make one of a loop that stores zeros.
_FLAGS = {"zig": ("-O3", "-g"), "gnu": ("-O3", "-g", "-fno-tree-loop-distribute-patterns")}

Float = NDArray[np.float32]


def arithmetic(toolchain_name: str) -> str:
    """Compiler and soft-float library: ``zig 0.17.0 / compiler-rt`` or ``gnu 12.2.1 / libgcc``."""
    return f"{toolchain.find(toolchain_name).version()} / {_LIBRARIES[toolchain_name]}"


def is_available(toolchain_name: str = "zig") -> bool:
    """Whether the compiler is installed."""
    return toolchain.is_installed(toolchain_name)


def build_kernels(toolchain_name: str, output: Path) -> Path:
    """Compile the kernels with the dispatcher into the ELF `output`; UsageError when the toolchain is missing."""
    kernels = _kernels_folder()
    sources = [*sorted((kernels / "fp32").glob("*.c")), kernels / "run.S"]
    chosen = toolchain.find(toolchain_name)
    script, flags = kernels / "m0sim.ld", _FLAGS[toolchain_name]
    return chosen.build(sources, output, flags=flags, linker_script=script, movable=True)


@cache
def load_kernels(toolchain_name: str) -> Image:
    """The compiled kernels, built once a process."""
    with tempfile.TemporaryDirectory(prefix="m0sim-") as folder:
        return load_elf(build_kernels(toolchain_name, Path(folder) / "fp32.elf"))


def _kernels_folder() -> Path:
    package = Path(__file__).resolve().parents[2]
    in_wheel = package / "kernels"
    return in_wheel if (in_wheel / "fp32").is_dir() else package.parent / "kernels"


def unsupported(network: Network) -> str:
    """What of a network there is no float code for; nothing where there is all of it."""
    lacking = {
        "biases": any(stage.layer.bias for stage in network.stages),
        "depthwise convolutions": any(isinstance(layer, Depthwise) for layer in network.layers),
        "average pools": any(isinstance(layer, AveragePool) for layer in network.layers),
        "pools but of 2 x 2": any(isinstance(layer, Pool) and layer != Pool() for layer in network.layers),
        "additions": any(isinstance(layer, Add) for layer in network.layers),
        "paddings that differ between rows and columns": any(
            isinstance(layer, Conv) and len(set(pads_of(layer))) > 1 for layer in network.layers
        ),
    }
    found = [what for what, is_there in lacking.items() if is_there]
    return f"its C code has no {' and no '.join(found)}" if found else ""


def build(network: Network, learning_rate: float) -> Step:
    """The step: forward, loss, then error and update layer by layer from the last to the first; no pruning."""
    if lacking := unsupported(network):
        raise ValueError(f"{network.name}: {lacking}")
    config = Config(weight_exponents=(), learning_rate=learning_rate)
    return step.build(network, StepSettings(FloatForm(), config, DeviceOptions(weights_place="sram")))


class FloatForm(DeviceForm):
    """The step in soft float; the learning rate is a constant in its parameter blocks."""

    def operations(self, network: Network, settings: StepSettings) -> tuple[tuple[Op, ...], dict[str, Tensor]]:
        builder = _Builder(settings.config.learning_rate)
        builder.forward(network)
        builder.loss(network.stages[-1])
        for stage in reversed(network.stages):
            builder.backward(stage, network)
            builder.update(stage)
        return tuple(builder.ops), builder.tensors

    def kernels(self) -> Image:
        return load_kernels("zig")

    def stack_bytes(self, step: Step) -> int:
        return STACK_BYTES

    def version(self) -> str:
        return arithmetic("zig")


class _Builder:
    def __init__(self, learning_rate: float) -> None:
        self.ops: list[Op] = []
        self.tensors: dict[str, Tensor] = {}
        self._rate = int(np.float32(learning_rate).view(np.uint32))

    def _emit(self, phase: Phase, kernel: str, *words: Word) -> None:
        self.ops.append(Op(phase, kernel, words))

    def _tensor(self, name: str, kind: Kind, size: int, *, persistent: bool = False) -> Ref:
        self.tensors[name] = Tensor(name, kind, (size + 3) // 4 * 4, persistent=persistent)
        return Ref(name)

    def _activation(self, index: int, shape: Sequence[int]) -> Ref:
        """What stage `index` reads, or the logits: `shape` is its shape."""
        return self._tensor(f"activation{index}", "activations", 4 * prod(shape))

    def _input(self, stage: Stage) -> Ref:
        return self._activation(stage.index, stage.in_shape)

    def _output(self, stage: Stage) -> Ref:
        return self._activation(stage.index + 1, stage.out_shape)

    def _error(self, stage: Stage) -> Ref:
        return self._tensor(f"error{stage.index}", "errors", 4 * prod(stage.out_shape))

    def _argmax(self, stage: Stage) -> Word:
        return self._tensor(f"argmax{stage.index}", "activations", prod(stage.out_shape)) if stage.pooled else 0

    def _weights(self, stage: Stage) -> Ref:
        return self._tensor(f"weights{stage.index}", "weights", 4 * stage.edges, persistent=True)

    def forward(self, network: Network) -> None:
        """The image as floats, then layer by layer to the logits."""
        pixels = prod(network.input_shape)
        image = self._tensor("image", "activations", pixels)
        self._emit("forward", "fp32_image", image, self._activation(0, network.input_shape), pixels)
        for stage in network.stages:
            if isinstance(stage.layer, Conv):
                self._conv_forward(stage)
            else:
                where = (self._input(stage), self._weights(stage), self._output(stage))
                self._emit("forward", "fp32_dense_forward", *where, stage.n_in, stage.n_out, int(not stage.last))

    def _conv_forward(self, stage: Stage) -> None:
        out = self._output(stage)
        if stage.pooled:
            out = self._tensor(f"raw{stage.index}", "activations", 4 * prod(stage.raw_shape))
        self._emit("forward", "fp32_conv_forward", self._input(stage), self._weights(stage), out, *_shape(stage), 1)
        if stage.pooled:
            self._emit("forward", "fp32_pool", out, self._output(stage), self._argmax(stage), *stage.raw_shape)

    def loss(self, last: Stage) -> None:
        """Logits and label to the error of the last stage."""
        label = self._tensor("label", "activations", 4)
        self._emit("loss", "fp32_loss", self._output(last), label, self._error(last), last.n_out)

    def backward(self, stage: Stage, network: Network) -> None:
        """The error of the stage below, gated by that stage's output; stage 0 needs none."""
        if stage.index == 0:
            return
        gate, out = self._input(stage), self._error(network.stages[stage.index - 1])
        error, weights = self._error(stage), self._weights(stage)
        if isinstance(stage.layer, Conv):
            words = (error, self._argmax(stage), weights, out, *_shape(stage), gate)
            self._emit("backward", "fp32_conv_back", *words)
        else:
            self._emit("backward", "fp32_dense_back", error, weights, out, stage.n_in, stage.n_out, gate)

    def update(self, stage: Stage) -> None:
        """Gradient and descent in one pass."""
        error, source, weights = self._error(stage), self._input(stage), self._weights(stage)
        if isinstance(stage.layer, Conv):
            words = (error, self._argmax(stage), source, weights, *_shape(stage), self._rate)
            self._emit("update", "fp32_conv_grad", *words)
        else:
            self._emit("update", "fp32_dense_update", error, source, weights, stage.n_in, stage.n_out, self._rate)


def _shape(stage: Stage) -> tuple[int, ...]:
    """fp32_shape_t: height, width, channels, n_out, kernel_h, kernel_w, stride, pad."""
    assert isinstance(stage.layer, Conv)
    return (*stage.in_shape, stage.n_out, *stage.layer.kernel, stage.layer.stride, pads_of(stage.layer)[0])


class FloatProgram(DeviceProgram):
    """The float32 step in a machine; runs as any other `DeviceProgram`."""

    def __init__(self, plan: Plan, device: Device, weights: Sequence[Float], toolchain_name: str) -> None:
        """On `device`, or on an enlarged copy of it when it does not hold the step. Weights: ``float32``, logical
        shape.
        """
        contents = {f"weights{i}": np.asarray(w, "<f4").tobytes() for i, w in enumerate(weights)}
        need = Need.of(plan, STACK_BYTES)
        code = load_kernels(toolchain_name)
        super().__init__(plan, code, chip_for(need, device), contents, stack_bytes=STACK_BYTES)
        self.fits = need.fits(device)
        """Whether it runs on the device as it is; if not, it runs on an enlarged copy."""
        self.arithmetic = arithmetic(toolchain_name)
        """Compiler and soft-float library that the cycles hold for."""

    def values(self, tensor: str) -> Float:
        """A tensor's contents as ``float32``, flat."""
        return self.read(tensor).view("<f4")

    def weights(self) -> tuple[Float, ...]:
        """The learned weights, ``float32``, in logical shape."""
        stages = self.plan.step.network.stages
        return tuple(self.values(f"weights{s.index}").reshape(s.weight_shape) for s in stages)


def deploy(
    network: Network, weights: Sequence[Float], device: Device, learning_rate: float, toolchain_name: str = "zig"
) -> FloatProgram:
    """Float32 training of `network` on `device`, or on an enlarged copy of it when SRAM or flash do not hold it.

    Raises UsageError when the toolchain is missing or the shapes of the weights (``float32``, logical) are not the
    network's.
    """
    shapes = [stage.weight_shape for stage in network.stages]
    if [w.shape for w in weights] != shapes:
        raise UsageError(f"{network.name} has weights of shape {shapes}, not {[w.shape for w in weights]}")
    return FloatProgram(pack(build(network, learning_rate)), device, weights, toolchain_name)
