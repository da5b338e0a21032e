"""What a run learns by: a method, how fast, and the method's own options; and the model that they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from m0sim.errors import UsageError
from m0sim.study.learn import methods, uses
from m0sim.study.learn.config import first_trained
from m0sim.study.learn.experiment.calibration import RIGHT, Calibration
from m0sim.study.learn.methods import Model
from m0sim.study.learn.methods.base import Tuned
from m0sim.study.learn.pretrain import Backbone
from m0sim.study.learn.state import Examples


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
    """Those of the method's that are not at their default."""

    def __post_init__(self) -> None:
        method = methods.get(self.method)
        if not -24 <= self.shift <= 24:
            raise UsageError(f"shift must be -24..24, not {self.shift}")
        uses.check_options(method, self.options)

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
    def old_images(self) -> int:
        """How many images of the old task the method wants."""
        return methods.get(self.method).old_images(self.options)

    @property
    def learns(self) -> str:
        """``weights`` or ``scores``."""
        return methods.get(self.method).learns


def tuned(method: str, shift: int | None, options: Mapping[str, Any], best: Tuned | None = None) -> Setting:
    """A setting with the study's choice for what is not given, but for what has no effect beside what is given.

    `best` is another choice than the method's own.
    """
    found = methods.get(method)
    best = best or found.tuned
    together = {**best.options, **options}
    chosen = {
        name: value
        for name, value in together.items()
        if name in options or found.options[name].applies(together, found.options)
    }
    return Setting(method, best.shift if shift is None else shift, chosen)


def model_of(
    setting: Setting, backbone: Backbone, examples: Examples, seed: int, calibration: Calibration = RIGHT
) -> Model:
    """The setting on a backbone, calibrated on the examples' images and then slowed by the shift.

    `seed` decides about initial scores and randomly scored edges; of a wrong `calibration` only the shifts that are off
    are added here, since the examples are the caller's.
    """
    network, base, method = backbone.network, backbone.config, methods.get(setting.method)
    first_trained(network, setting.options.get("trained", 0))
    config = method.configured(replace(base, seed=seed), setting.options)
    config = calibration.applied(method.calibrated(network, backbone.weights, config, examples, seed))
    return method.model(network, backbone.weights, method.slowed(config, setting.shift), examples, seed)
