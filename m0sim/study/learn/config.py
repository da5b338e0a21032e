"""What a method is told before deployment, and how its learning rate falls.

Every layer has one type that says what is asked of it: here `Config` (what is computed) and `DeviceOptions` (how it is
deployed, which changes nothing of that). `step.StepSettings` adds what follows from them for one network, and is never
typed by a person. `experiment.setting.Setting` is what a person types for a training run, and makes a `Config` of it by
calibration; `whatif.configuration.Configuration` is a point of a budget or sweep, and makes `Config` and
`DeviceOptions`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

from m0sim.errors import UsageError
from m0sim.study.learn import draws
from m0sim.study.learn.arithmetic import STATIC_SHIFT_MAX
from m0sim.study.learn.networks import Network

COOLEST = 8
"""How often a learning rate is halved at most: then hardly anything moves any more."""


@dataclass(frozen=True)
class Config:
    """Everything a method is told before deployment. Tuples have one entry for each layer with weights."""

    weight_exponents: tuple[int, ...]
    """Real weight = w * 2**exponent."""
    forward: tuple[int, ...] = ()
    """Static shifts p of the accumulators, 0..24 (static methods)."""
    backward: tuple[int, ...] = ()
    """Static shifts q of the error through each layer (static methods); the first is not used."""
    update: tuple[int, ...] = ()
    """Static shifts of what a layer learns by: s of the gradient (niti-static), r of the score gradient (priot*)."""
    bias_update: tuple[int, ...] = ()
    """Shifts r of the sums of errors that biases learn by (bias-last), -24..24; a negative one is to the left."""
    image_exponent: int = -7
    """Real pixel = x * 2**exponent: 0..127 is 0..1."""
    biases: tuple[tuple[int, ...], ...] = ()
    """One for each output of a layer, nothing for a layer without; () where no layer has any. `biases` says more."""
    mu: int = 1
    """Log2 learning rate of NITI: the largest gradient of a layer moves its weight by about 2**mu."""
    keep: float = 0.98
    """Share of a layer's (scored) edges that top-k keeps: k = round(keep * edges), a half to the even number."""
    theta: int = -64
    """Score from which on the threshold keeps an edge, -127..127."""
    prune: Literal["top-k", "threshold"] = "top-k"
    """How priot-s prunes; priot and priot-threshold have theirs by name."""
    deviation: int = draws.DEVIATION
    """Standard deviation of the initial scores, 1..127."""
    fraction: float = 0.1
    """Share of the edges that priot-s scores."""
    selection: Literal["random", "largest", "sensitive"] = "random"
    """Which edges priot-s scores: one a block at random, the largest |W|, or those whose scores the calibration images
    would move most."""
    spread: Literal["even", "root"] = "even"
    """How priot-s shares its scored edges out: the same fraction of every layer, or by the square roots of the layers'
    numbers of edges, which gives small layers more."""
    seed: int = 0
    """Seed of priot-s's random choice of edges (the initial scores have their own, see `initial_state`)."""
    rate: int = 8
    """Learning rate of tin-tin: 2**-rate."""
    trained: int = 0
    """How many of the last layers learn, 0 for all; the others keep the backbone's weights, every edge of them."""
    cool: int = 0
    """The learning rate is halved every so many steps (see `cooled`); 0: never."""
    refresh: int = 1
    """The cut of top-k is renewed every so many steps; in between the scores that are above it may become more or
    less than k."""

    learning_rate: float = 0.01
    """Of fp32; the default is what its cycles are measured with where nothing is trained."""

    own: tuple[tuple[str, int | float | str], ...] = ()
    """Options that only one method has, by name: see `option`."""

    def option(self, name: str) -> Any:
        """The value of an option that a method has for itself. Raises ValueError for one that it does not declare."""
        for known, value in self.own:
            if known == name:
                return value
        raise ValueError(f"no option {name!r} of the method's own: it must be one of its options")

    @property
    def logit_exponent(self) -> int:
        """Exponent of the logits with static scales."""
        return self.image_exponent + sum(self.weight_exponents) + sum(self.forward)


@dataclass(frozen=True, slots=True)
class DeviceOptions:
    """How a method is deployed; none of it changes what is computed."""

    mask_form: str = "list"
    weights_place: str = "flash"
    reuse: bool = True
    scratch: str = "full"
    """``full``: kernels have the memory that makes them faster; ``least``: what they cannot do without."""


@lru_cache(maxsize=64)
def halved(config: Config, by: int) -> Config:
    """The configuration whose learning rate was halved so many times: update shifts grown by 1 for each of them.

    Static shifts stay within 0..24, those of biases within -24..24; mu of niti-dynamic falls and tin-tin's rate grows.
    """
    update, bias_update = (
        tuple(min(shift + by, STATIC_SHIFT_MAX) for shift in shifts) for shifts in (config.update, config.bias_update)
    )
    return replace(config, update=update, bias_update=bias_update, mu=config.mu - by, rate=config.rate + by)


def halvings(config: Config, steps: int) -> int:
    """How often the learning rate was halved after so many steps: once every `cool` of them, COOLEST times at most."""
    return min(steps // config.cool, COOLEST) if config.cool else 0


def cooled(config: Config, steps: int) -> Config:
    """The configuration after so many steps."""
    return halved(config, halvings(config, steps)) if config.cool else config


def first_trained(network: Network, trained: int) -> int:
    """Index of the lowest of the last `trained` layers, 0 if that is 0; UsageError if there are not so many."""
    count = len(network.stages)
    if not 0 <= trained <= count:
        raise UsageError(f"{network.name} has {count} layers that can learn: trained must be 0..{count}, not {trained}")
    return count - trained if trained else 0
