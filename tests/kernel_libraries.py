"""The kernels beside inference libraries: figures of others, as measured once, and ours of now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from kernel_case_conv import CONV, CONV_1, shown
from kernel_measure import Row
from kernel_operands import NETWORK, Recorded

from m0sim.chip import device
from m0sim.study.learn import methods, networks
from m0sim.study.learn.config import DeviceOptions
from m0sim.study.learn.deployment import Deployment
from m0sim.study.learn.pretrain import bundled
from m0sim.study.learn.program import phase_cycles
from m0sim.study.learn.state import Examples

FORWARD = "niti-static"
"""The method whose forward pass is that of the network alone: no masks, static shifts."""

TEXT = """\
## Beside libraries

Cycles measured with m0sim (profile rp2040), of libraries at the commits named, compiled by GCC 12.2 at -O3, on shapes
of tiny-cnn: the layer from 784 to 64, the convolution 3x3 pad 1 from 8 to 16 channels at 14x14, the one from 1 to 8 at
28x28, the max-pool 2x2 behind it. They were measured once; no command of this repository runs the libraries again,
and later commits of them may be faster. The first row is of the kernels of now, from the rows above; the second is of
those that the libraries were measured beside.

| | dense, a MAC | conv 8 to 16, a MAC | conv 1 to 8, a MAC | pool, an output | tiny-cnn forward |
| --- | ---: | ---: | ---: | ---: | ---: |
| m0k, uniform operands | {dense} | {conv} | {first} ({mnist} MNIST) | {pools} | {forward} k |
| m0k at 640f1b5 | 3.18 | 3.50 | 7.75 (4.09 MNIST) | 13.6 to 19.8 | 773 k |
| CMSIS-NN 99f736a | 8.23 | 12.25 | | 278 | 5,874 k |
| NNoM 4d1d8fc | 6.73 | 14.80 | 58 | 193 | 7.4 M |
| TinyMaix 0532ece | 9.84 | 10.0 to 17.1 | 27 to 72 | | |
| TensorFlow Lite Micro, reference kernels | 12.10 | 29.83 | 121 | | |
| AIfES, Q7 | 13.1 | | | | |
| AIfES, F32 | 182 | | | | 82.0 M |

tiny-cnn forward: the mean over the {steps} steps, of the phase of {method}, which has no masks. Training a step of
tiny-cnn in F32 takes AIfES 344 M cycles and 917 KB; m0k at 640f1b5 in soft float 49.7 M.
"""


@dataclass(frozen=True)
class Ours:
    """Our figures for the table: cycles a unit, and of a whole forward pass."""

    dense: float
    conv: float
    first: float
    mnist: float
    pools: tuple[float, ...]
    forward: float
    steps: int


def of_rows(rows: Sequence[Row], forward: float, steps: int) -> Ours:
    """The rows that stand for each shape, and the cycles of the network's forward pass, a mean over `steps`."""
    found = {(row.case.kernel, row.case.operands): row.each(row.ours.cycles) for row in rows}
    uniform, first = "activations 0..127, uniform", shown(CONV_1)
    return Ours(
        found["m0k_dense_forward", f"784 to 64, {uniform}"],
        found["m0k_conv_forward", f"{shown(CONV)}, {uniform}"],
        found["m0k_conv_forward", f"{first}, {uniform}, ReLU"],
        found["m0k_conv_forward", f"{first}, MNIST, mean of {steps} steps"],
        tuple(each for (kernel, _), each in found.items() if kernel == "m0k_pool"),
        forward,
        steps,
    )


def forward_cycles(steps: Sequence[Recorded]) -> float:
    """Mean cycles of the forward phase on the steps' images, which also give the static shifts."""
    network, method, backbone = networks.get(NETWORK), methods.get(FORWARD), bundled(NETWORK)
    images = np.stack([step.layers[0].inputs for step in steps])
    labels = np.array([step.label for step in steps], np.uint8)
    start = Examples(images, labels)
    config = method.calibrated(network, backbone.weights, backbone.config, start, 0)
    model = method.model(network, backbone.weights, config, start, 0)
    program = Deployment.of(model, DeviceOptions(), device.load("rp2040")).program(model.initial())
    cycles = [phase_cycles(program.step(*each))["forward"] for each in zip(images, labels.tolist(), strict=True)]
    return float(np.mean(cycles))


def libraries(ours: Ours) -> str:
    """The table."""
    numbers = {name: f"{getattr(ours, name):.2f}" for name in ("dense", "conv", "first", "mnist")}
    pools = f"{min(ours.pools):.1f} to {max(ours.pools):.1f}"
    forward = f"{ours.forward / 1000:,.0f}"
    return TEXT.format(**numbers, pools=pools, forward=forward, steps=ours.steps, method=FORWARD)
