"""One run of a remedy on the golden model, and what its steps cost on the device."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from m0sim.chip import device
from m0sim.errors import UsageError, did_you_mean
from m0sim.study.learn import kernels, networks, onchip
from m0sim.study.learn.arithmetic import STATIC_SHIFT_MAX
from m0sim.study.learn.calibrate import calibrate
from m0sim.study.learn.config import Config, DeviceOptions
from m0sim.study.learn.experiment import images
from m0sim.study.learn.experiment.images import ImagePart
from m0sim.study.learn.methods import IntegerMethod
from m0sim.study.learn.pretrain import bundled
from m0sim.study.learn.program import phase_cycles
from m0sim.study.learn.sources import DataSource
from m0sim.study.learn.transfer import rotation
from m0sim.study.stability.remedies import METHODS

NETWORK = "tiny-cnn"
OPTIONS: dict[str, Any] = {"keep": 0.9, "theta": -41}
"""Both keep about the same share of the edges."""
CALIBRATION = 64
VALIDATION = 1064
"""Calibrated on the first 64 validation images, judged on the 1,000 behind them."""
IMAGES = 1024
EPOCHS = 10
LATE = slice(5, 10)
"""The epochs that are reported: 6 to 10."""
STEPS = 128
"""So many steps, the first of the transfer part at 30 degrees, are measured on the device."""


@dataclass(frozen=True, slots=True)
class Spec:
    """METHOD[,OPTION=VALUE...]:SHIFT:ANGLE:SEED."""

    remedy: str
    """The method and its options."""
    shift: int
    """Added to every calibrated update shift, as --shift of m0sim train."""
    angle: int
    seed: int

    @property
    def method(self) -> IntegerMethod:
        return METHODS[self.remedy.split(",")[0]]

    @property
    def options(self) -> dict[str, Any]:
        pairs = (option.split("=") for option in self.remedy.split(",")[1:])
        return {name: int(value) for name, value in pairs}


def read_spec(text: str) -> Spec:
    """Raises UsageError for what is no spec."""
    try:
        remedy, shift, angle, seed = text.split(":")
        spec = Spec(remedy, int(shift), int(angle), int(seed))
        options = set(spec.options)
    except ValueError:
        raise UsageError(f"{text}: must be METHOD[,OPTION=VALUE...]:SHIFT:ANGLE:SEED, whole numbers") from None
    name = remedy.split(",")[0]
    if name not in METHODS:
        raise UsageError(f"unknown method {name!r} (known: {', '.join(METHODS)}){did_you_mean(name, METHODS)}")
    if not options <= {"cool", "refresh"}:
        raise UsageError(f"{text}: the options are cool and refresh")
    return spec


def _part(data_dir: Path, which: str, angle: float) -> ImagePart:
    """Turned images of MNIST."""
    return images.part(DataSource("mnist", data_dir), networks.get(NETWORK), which, rotation(float(angle)))


def configure(spec: Spec, data_dir: Path) -> Config:
    """Calibrated, then shifted."""
    backbone = bundled(NETWORK)
    seen = _part(data_dir, "validation", spec.angle).first(CALIBRATION)
    start = replace(backbone.config, **OPTIONS, **spec.options)
    config = calibrate(networks.get(NETWORK), spec.method, backbone.weights, seen.images, seen.labels, start, spec.seed)
    return replace(config, update=tuple(min(max(s + spec.shift, 0), STATIC_SHIFT_MAX) for s in config.update))


def run(spec: Spec, data_dir: Path) -> list[float]:
    """Accuracy on the validation images after every epoch."""
    network, method, config = networks.get(NETWORK), spec.method, configure(spec, data_dir)
    frozen = method.freeze(network, bundled(NETWORK).weights, config)
    state = method.initial_state(network, frozen, config, spec.seed)
    train = _part(data_dir, "transfer", spec.angle).first(IMAGES)
    judged = _part(data_dir, "validation", spec.angle).first(VALIDATION)
    accuracies = []
    for epoch in range(EPOCHS):
        for k in np.random.default_rng([spec.seed, epoch]).permutation(len(train)):
            state = method.step(network, frozen, state, train.images[k], int(train.labels[k]), config).state
        found = method.predict(network, frozen, state, judged.images[CALIBRATION:], config)
        accuracies.append(float((found == judged.labels[CALIBRATION:]).mean()))
    return accuracies


VARIANTS = (
    ("priot", -2, "list"),
    ("priot", -4, "list"),
    ("priot,cool=2048", -4, "list"),
    ("priot,refresh=16", -2, "list"),
    ("priot,refresh=1024", -2, "list"),
    ("priot,trained=1", -2, "list"),
    ("priot,trained=2", -2, "list"),
    ("priot-threshold", -2, "list"),
    ("priot-threshold,cool=2048", -4, "list"),
    ("priot", -2, "fused"),
    ("priot", -2, "copy"),
    ("priot,refresh=1024", -2, "copy"),
    ("niti-static", -3, "list"),
    ("niti-static,cool=2048", -3, "list"),
)
"""What is measured on the device: remedy, shift, form of the mask."""


def measure(remedy: str, shift: int, mask: str, data_dir: Path, steps: int = STEPS) -> dict[str, Any]:
    """Mean cycles a step, those of its selection and mask ("prune"), and bytes."""
    spec, network, chip = Spec(remedy, shift, 30, 0), networks.get(NETWORK), device.load("rp2040")
    method, config = spec.method, configure(spec, data_dir)
    frozen = method.freeze(network, bundled(NETWORK).weights, config)
    state = method.initial_state(network, frozen, config, spec.seed)
    plan = onchip.plan(network, method.device, config, frozen, DeviceOptions(mask_form=mask))
    program = onchip.deploy(plan, config, frozen, state, kernels.load(), chip)
    train = _part(data_dir, "transfer", spec.angle).first(steps)
    costs = [program.step(image, int(label)) for image, label in zip(train.images, train.labels, strict=True)]
    return {
        "remedy": remedy,
        "shift": shift,
        "mask": mask,
        "steps": steps,
        "cycles": round(fmean(cost.cycles for cost in costs)),
        "prune": round(fmean(phase_cycles(cost)["prune"] for cost in costs)),
        "sram": plan.sram_bytes + plan.step.settings.form.stack_bytes(plan.step),
        "flash": program.flash_bytes,
    }
