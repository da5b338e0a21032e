"""One way to deploy a training method: the knobs that a budget or a sweep turns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from m0sim.errors import UsageError, did_you_mean
from m0sim.study.learn import methods, network_files, networks
from m0sim.study.learn.config import DeviceOptions
from m0sim.study.learn.network_files import Given
from m0sim.study.learn.networks import Network
from m0sim.study.learn.step import MASK_FORMS, SCRATCH_FORMS, WEIGHT_PLACES

DEFAULT_FRACTION = 0.1
FRACTION_MIN = 1e-6
"""One edge in a million; the largest bundled layer has fewer than ten million."""

DEFAULT_MASK = "list"
"""The fastest form that needs little more SRAM than ``fused``, which needs the least."""

BATCH_MAX = 1 << 16


@dataclass(frozen=True, slots=True)
class Configuration:
    """A method with its knobs. A knob that the method does not have is None; `configure` makes these."""

    network: Network
    """Before `width`."""
    method: str
    width: float = 1.0
    """Times the channels and values of every layer but the last; not 1: there is no backbone, weights are random."""
    trained: int = 0
    """How many of the last layers learn; `configure` makes all of them of 0, or the method's own number."""
    fraction: float | None = None
    """priot-s: share of the edges that have a score, one in each block of 1/fraction."""
    mask: str | None = None
    """One of the method's mask forms. Asked for another it is ``list``: priot-s keeps no bits, the scored edges are at
    hand."""
    weights: str | None = None
    """Where weights that never change are: flash or sram. None where all weights learn."""
    reuse: bool = True
    """Whether tensors that are not needed at the same time share bytes."""
    scratch: str | None = None
    """``full`` or ``least``: the memory that kernels are given. None where there is no choice."""
    batch: int = 1
    """Images a step. Kernels train on one; more is planned only, with int32 gradients that add up."""

    @property
    def options(self) -> DeviceOptions:
        """How the step is deployed."""
        return DeviceOptions(self.mask or DEFAULT_MASK, self.weights or "flash", self.reuse, self.scratch or "full")


def configure(
    network: Given,
    method: str,
    *,
    width: float = 1.0,
    trained: int = 0,
    fraction: float = DEFAULT_FRACTION,
    mask: str = DEFAULT_MASK,
    weights: str = "flash",
    reuse: bool = True,
    scratch: str = "full",
    batch: int = 1,
) -> Configuration:
    """The configuration with these knobs, those that the method does not have left out.

    Raises UsageError, one line, for an unknown name or a value out of range.
    """
    _known(method, methods.names(), "method")
    _known(mask, MASK_FORMS, "mask form")
    _known(weights, WEIGHT_PLACES, "place for weights")
    _known(scratch, SCRATCH_FORMS, "form of scratch")
    if not FRACTION_MIN <= fraction <= 1:
        raise UsageError(f"a fraction of {fraction:g}: the share of scored edges must be from {FRACTION_MIN:f} to 1")
    if not 1 <= batch <= BATCH_MAX:
        raise UsageError(f"a batch of {batch}: must be from 1 to {BATCH_MAX:,}")
    base = network_files.of(network).network
    wide = wide_network(base, width)
    layers = len(wide.stages)
    if not 0 <= trained <= layers:
        raise UsageError(f"{base.name} has {layers} layers that can learn: trained must be 0 (all) to {layers}")
    chosen = methods.get(method)
    chosen.check(wide)
    forms = chosen.mask_forms
    trained = trained or chosen.default_trained
    if trained not in (0, layers) and not chosen.can_leave_layers:
        raise UsageError(f"{method} trains all layers or none: leave out its method or the number of trained layers")
    has_frozen = chosen.freezes_weights or trained not in (0, layers)
    return Configuration(
        network=base,
        method=method,
        width=float(width),
        trained=trained or layers,
        fraction=1 / round(1 / fraction) if chosen.has_fraction else None,
        mask=(mask if mask in forms else DEFAULT_MASK) if forms else None,
        weights=weights if has_frozen else None,
        reuse=reuse,
        scratch=scratch if chosen.scratch_forms else None,
        batch=batch,
    )


def _known(name: str, known: tuple[str, ...], what: str) -> None:
    if name not in known:
        raise UsageError(f"unknown {what} {name!r} (known: {', '.join(known)}){did_you_mean(name, known)}")


@lru_cache(maxsize=4096)
def wide_network(network: str | Network, width: float) -> Network:
    """`networks.wide`, made once: budgets ask for the same ones again and again."""
    return networks.wide(network, width)


def layers_of(configuration: Configuration) -> int:
    """How many layers have weights."""
    return len(wide_network(configuration.network, configuration.width).stages)


def with_trained(configuration: Configuration, trained: int) -> Configuration:
    """The same with the last `trained` layers learning (1 to all)."""
    has_frozen = methods.get(configuration.method).freezes_weights or trained != layers_of(configuration)
    weights = (configuration.weights or "flash") if has_frozen else None
    return replace(configuration, trained=trained, weights=weights)
