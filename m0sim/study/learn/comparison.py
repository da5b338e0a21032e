"""What a comparison of training methods found: plain data; `side_by_side` fills it, `m0sim.study.report` shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from m0sim.chip.energy import EnergyUse
from m0sim.study.learn import methods

PHASES = ("forward", "loss", "backward", "update", "prune")
"""The phases of a training step, in the order in which they run."""

KINDS = ("weights", "scores", "mask", "activations", "errors", "accumulators", "scratch", "stack")
"""The kinds of SRAM that every report shows, in its order; a result may have more (constants, packing)."""

RECONSTRUCTION = "our reconstruction"


@dataclass(frozen=True)
class MethodResult:
    """One method's training steps on the simulated chip."""

    method: str
    cycles_mean: float
    """Cycles a step with zero-wait-state memory, mean over the steps; `cycles_min` and `cycles_max` beside it."""
    cycles_min: int
    cycles_max: int
    phases: dict[str, float]
    """Mean cycles a step of each of `PHASES`; what they lack of `cycles_mean` is the dispatcher's."""
    sram: dict[str, int]
    """Bytes measured on the machine, by kind, and ``total``."""
    sram_planned: dict[str, int]
    """Bytes of the plan, computed without running: the keys of `sram`."""
    flash_bytes: int
    flash_estimate_cycles: float | None
    """Extra cycles a step that code and data in flash wait for, as the timed engine's model has them, its cache
    warm from the step before. None: the profile knows of no flash that waits at its clock."""
    flash_misses_words: float | None
    """Words a step that are read from flash for it: of 4 bytes behind a cache, else of what one read brings."""
    fits: bool
    """False: it ran in an enlarged copy of the profile."""
    seconds: float
    """Of `cycles_mean` at the profile's clock."""
    energy: EnergyUse | None
    """Of `cycles_mean`; None: the profile has no current with a source at its clock."""
    ratio: float
    """Cycles over the base method's, with zero-wait-state memory."""
    ratio_with_flash: float | None
    """The same ratio with `flash_estimate_cycles` added on both sides."""
    options: dict[str, str]
    """Such as the form of the mask and the place of the weights."""
    note: str
    """Such as the compiler and the library of fp32."""

    @property
    def is_reconstruction(self) -> bool:
        """Whether the method is known from an abstract only: its numbers are never the paper's."""
        return methods.is_reconstruction(self.method)

    @property
    def remark(self) -> str:
        """The note, with the words "our reconstruction" wherever they are due."""
        is_said = RECONSTRUCTION in self.note or not self.is_reconstruction
        return self.note if is_said else "; ".join(filter(None, (RECONSTRUCTION, self.note)))


@dataclass(frozen=True)
class Comparison:
    """All methods on the same network, images and chip."""

    network: str
    data: str
    profile: str
    clock_hz: int
    sram_bytes: int
    """SRAM of the device, as `flash_bytes` is its flash."""
    flash_bytes: int
    steps: int
    """Training steps of each method, one image each."""
    base: str
    """The method that the ratios refer to."""
    methods: tuple[MethodResult, ...]
    seed: int
    width: float = 1.0
    """Times the network's channels."""
    task: str = ""
    """What the device has to learn: ``rotate:30``, ``none``, ..."""
    split: Mapping[str, Any] | None = None
    """How a file of one's own was divided; `datasets.Dataset` says more."""
