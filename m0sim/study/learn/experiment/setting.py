"""What a run learns by: a method, how fast, and the method's own options; and the model that they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from m0sim.errors import UsageError, did_you_mean
from m0sim.study.learn import methods
from m0sim.study.learn.config import first_trained
from m0sim.study.learn.experiment.images import ImagePart
from m0sim.study.learn.methods import Model
from m0sim.study.learn.pretrain import Backbone
from m0sim.study.learn.state import Examples

CHOICES: Mapping[str, tuple[str, ...]] = {
    "prune": ("top-k", "threshold"),
    "selection": ("random", "largest", "sensitive"),
    "spread": ("even", "root"),
}
"""Options that are words."""

_RANGES: Mapping[str, tuple[float, float]] = {
    "trained": (0, 64),
    "keep": (0.0, 1.0),
    "theta": (-127, 127),
    "deviation": (1, 127),
    "fraction": (1e-6, 1.0),
    "sharpness": (-8, 8),
    "cool": (0, 1_000_000),
    "refresh": (1, 1_000_000),
}

OPTIONS = (*_RANGES, *CHOICES)
"""Names of the options besides the shift; what is not given has the default of `Config` (sharpness: 0)."""


@dataclass(frozen=True)
class Setting:
    """A method with its options. Raises UsageError for what is unknown or out of range."""

    method: str
    shift: int = 0
    """How many bits less than calibrated the learned values move: the learning rate is divided by 2**shift.

    Added to the update shift of static methods (then clamped to 0..24) and to tin-tin's rate, taken off mu of
    niti-dynamic; fp32 learns at 2**-(7 + shift).
    """
    options: Mapping[str, Any] = field(default_factory=dict)
    """Those of `OPTIONS` that are not at their default."""

    def __post_init__(self) -> None:
        method = methods.get(self.method)
        if not -24 <= self.shift <= 24:
            raise UsageError(f"shift must be -24..24, not {self.shift}")
        for name, value in self.options.items():
            _check(name, value)
        if self.options and not method.has_options:
            raise UsageError(f"{self.method} has no option {', '.join(self.options)}")

    @property
    def label(self) -> str:
        """The method and its options for people, without the shift: ``priot-s 5 % largest``."""
        rest = dict(self.options)
        words = [self.method, *methods.get(self.method).words(rest)]
        trained = rest.pop("trained", 0)
        if trained:
            words.append("last layer" if trained == 1 else f"last {trained} layers")
        return " ".join([*words, *(f"{name} {value}" for name, value in sorted(rest.items()))])

    @property
    def learns(self) -> str:
        """``weights`` or ``scores``."""
        return methods.get(self.method).learns


def tuned(method: str, shift: int | None, options: Mapping[str, Any]) -> Setting:
    """A setting with the study's choice for what is not given."""
    best = methods.get(method).tuned
    return Setting(method, best.shift if shift is None else shift, {**best.options, **options})


def _check(name: str, value: Any) -> None:
    if name in CHOICES:
        if value not in CHOICES[name]:
            *others, last = CHOICES[name]
            raise UsageError(f"{name} must be {', '.join(others)} or {last}, not {value!r}")
        return
    if name not in _RANGES:
        raise UsageError(f"unknown option {name!r} (known: {', '.join(OPTIONS)}){did_you_mean(name, OPTIONS)}")
    low, high = _RANGES[name]
    kinds = (int, float) if isinstance(low, float) or isinstance(high, float) else (int,)
    if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
        whole = "" if float in kinds else "a whole number "
        raise UsageError(f"{name} must be {whole}from {low:g} to {high:g}, not {value!r}")


def model_of(setting: Setting, backbone: Backbone, calibration: ImagePart, seed: int) -> Model:
    """The setting on a backbone, calibrated on some images and then slowed by the shift.

    `seed` decides about initial scores and randomly scored edges.
    """
    network, base, method = backbone.network, backbone.config, methods.get(setting.method)
    options = dict(setting.options)
    sharpness = options.pop("sharpness", 0)
    first_trained(network, options.get("trained", 0))
    # The loss alone reads the absolute scale of the logits, and tin-tin's update, which takes it back by its rate.
    exponents = {"image_exponent": base.image_exponent + sharpness, "rate": base.rate + sharpness}
    config = replace(base, **options, **exponents, seed=seed)
    examples = Examples(calibration.images, calibration.labels)
    config = method.calibrated(network, backbone.weights, config, examples, seed)
    return method.model(network, backbone.weights, method.slowed(config, setting.shift), examples, seed)
