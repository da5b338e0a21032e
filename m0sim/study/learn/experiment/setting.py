"""What a run learns by: a method, how fast, and the method's own options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from m0sim.errors import UsageError, did_you_mean
from m0sim.study.learn import float_step, methods
from m0sim.study.learn.arithmetic import STATIC_SHIFT_MAX, Int8
from m0sim.study.learn.calibrate import calibrate
from m0sim.study.learn.methods import Config
from m0sim.study.learn.methods.base import first_trained
from m0sim.study.learn.networks import Network

FLOAT_RATE = 7
"""fp32 learns at the rate 2**-(FLOAT_RATE + shift)."""

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
        known = method_names()
        if self.method not in known:
            raise UsageError(
                f"unknown method {self.method!r} (known: {', '.join(known)}){did_you_mean(self.method, known)}"
            )
        if not -24 <= self.shift <= 24:
            raise UsageError(f"shift must be -24..24, not {self.shift}")
        for name, value in self.options.items():
            _check(name, value)
        if self.method == float_step.METHOD and self.options:
            raise UsageError(f"fp32 has no option {', '.join(self.options)}")

    @property
    def label(self) -> str:
        """The method and its options for people, without the shift: ``priot-s 5 % largest``."""
        rest = dict(self.options)
        words = [self.method]
        if self.method == "priot-s":
            words += [f"{100 * rest.pop('fraction', Config.fraction):g} %", rest.pop("selection", Config.selection)]
            words += ["root"] if rest.pop("spread", Config.spread) == "root" else []
            words += ["threshold"] if rest.pop("prune", Config.prune) == "threshold" else []
        trained = rest.pop("trained", 0)
        if trained:
            words.append("last layer" if trained == 1 else f"last {trained} layers")
        return " ".join([*words, *(f"{name} {value}" for name, value in sorted(rest.items()))])

    @property
    def learns(self) -> str:
        """``weights`` or ``scores``."""
        return "weights" if self.method == float_step.METHOD else methods.get(self.method).learns


_TUNED: Mapping[str, tuple[int, Mapping[str, Any]]] = {
    "niti-static": (0, {}),
    "niti-dynamic": (-1, {}),
    "priot": (-3, {"keep": 0.9}),
    "priot-threshold": (-4, {"theta": -32}),
    "priot-s": (-4, {"selection": "sensitive", "spread": "root", "prune": "threshold", "theta": -32}),
    "tin-tin": (0, {}),
    "fp32": (-2, {}),
}
"""Shift and options by method: the best mean of both angles' validation accuracy in docs/study.md, but for niti-static,
where one seed collapsed at the best and the next best was taken."""


def tuned(method: str, shift: int | None, options: Mapping[str, Any]) -> Setting:
    """A setting with the study's choice for what is not given."""
    best, chosen = _TUNED.get(method, (0, {}))
    return Setting(method, best if shift is None else shift, {**chosen, **options})


def method_names() -> tuple[str, ...]:
    """Every method, fp32 last."""
    return (*methods.names(), float_step.METHOD)


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


def configure(
    setting: Setting,
    network: Network,
    weights: Sequence[Int8],
    base: Config,
    images: Int8,
    labels: Any,
    seed: int,
) -> Config:
    """The method's configuration: calibrated on `images` int8 [n, h, w, c] and `labels` [n], then shifted.

    `base` gives the backbone's exponents; `seed` decides about initial scores and randomly scored edges.
    """
    options = dict(setting.options)
    sharpness = options.pop("sharpness", 0)
    first_trained(network, options.get("trained", 0))
    # The loss alone reads the absolute scale of the logits, and tin-tin's update, which takes it back by its rate.
    exponents = {"image_exponent": base.image_exponent + sharpness, "rate": base.rate + sharpness}
    config = replace(base, **options, **exponents, seed=seed)
    method = methods.get(setting.method)
    config = calibrate(network, method, weights, images, labels, config, seed)
    shift = setting.shift
    update = tuple(min(max(s + shift, 0), STATIC_SHIFT_MAX) for s in config.update)
    return replace(config, update=update, mu=config.mu - shift, rate=config.rate + shift)
