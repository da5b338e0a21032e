"""What every training method brings: its names and knobs, its step on the device, and a model that learns.

Whatever plans, deploys, measures or shows methods asks these two classes, and never by name. A new method is one class:
here a module with a line in the registry (`methods/__init__.py`), elsewhere a file or an entry point (docs/methods.md).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from m0sim.chip.device import Device
from m0sim.errors import UsageError
from m0sim.study.learn.arithmetic import Int8
from m0sim.study.learn.config import Config, DeviceOptions
from m0sim.study.learn.methods.options import CONFIG_FIELDS, SHARPNESS, Option
from m0sim.study.learn.networks import Network
from m0sim.study.learn.plan import Plan
from m0sim.study.learn.program import DeviceProgram
from m0sim.study.learn.state import Examples, Learned
from m0sim.study.learn.step import DeviceForm, Step

Arrays = dict[str, Learned]
"""Learned arrays by name, as state.npz has them."""


class Labelled(Protocol):
    """Images int8 [n, h, w, c] as a network reads them, and their labels [n]."""

    @property
    def images(self) -> Int8: ...
    @property
    def labels(self) -> NDArray[np.integer[Any]]: ...


@dataclass(frozen=True, slots=True)
class Tuned:
    """The study's choice for a method: the best mean of both angles' validation accuracy in docs/study.md."""

    shift: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    """By name."""


class Method(ABC):
    """One way to train. Methods hold no data: all is in the configuration, the frozen part and the state."""

    name: str
    learns: Literal["weights", "scores"]
    source: str
    """Where it is from."""
    is_reconstruction = False
    """Whether the source is an abstract only, so that its numbers are ours and never the paper's."""
    tuned = Tuned()
    options: ClassVar[Mapping[str, Option]] = {}
    """What a run may set besides the shift, by name: all that it uses, since others are refused."""
    requirement = ""
    """Why it may not be there, and what to install."""
    can_leave_layers = True
    """Whether only the last layers may learn, the others keeping the backbone's weights."""

    @property
    @abstractmethod
    def device(self) -> DeviceForm:
        """Its step on the device."""

    @property
    def has_fraction(self) -> bool:
        """Whether a share of the edges is scored, which `Config.fraction` says."""
        return "fraction" in self.options

    @property
    def default_trained(self) -> int:
        """How many of the last layers learn unless somebody says so; 0: all."""
        option = self.options.get("trained")
        return 0 if option is None else int(option.default)

    def configured(self, config: Config, options: Mapping[str, Any]) -> Config:
        """The configuration with these of its options; its own ones (`Config.option`) are all there then."""
        given = {name: value for name, value in options.items() if name in CONFIG_FIELDS}
        given.setdefault("trained", config.trained or self.default_trained)
        own = {name: options.get(name, option.default) for name, option in self.options.items()}
        own = {name: value for name, value in own.items() if name not in CONFIG_FIELDS and name != SHARPNESS}
        # The loss alone reads the absolute scale of the logits, and an update that knows it takes it back by its rate.
        sharpness = options.get(SHARPNESS, 0)
        scale = {"image_exponent": config.image_exponent + sharpness, "rate": config.rate + sharpness}
        return replace(config, **given, **scale, own=tuple(sorted(own.items())))

    def old_images(self, options: Mapping[str, Any]) -> int:
        """How many images of the old task, which the backbone was trained on, it wants (`Examples.old_images`)."""
        return 0

    @property
    def is_calibrated(self) -> bool:
        """Whether calibration images decide about it: static shifts, or edges chosen by them."""
        return True

    @property
    def mask_forms(self) -> tuple[str, ...]:
        """The forms in which it can keep its mask, the presumably fastest first; none where there is no mask."""
        return ()

    @property
    def freezes_weights(self) -> bool:
        """Whether some weights never change unless somebody says otherwise, so that they can lie in flash or SRAM."""
        return bool(self.mask_forms or self.default_trained)

    @property
    def scratch_forms(self) -> tuple[str, ...]:
        """The forms of scratch in which it can be deployed, the faster first; none where there is no choice."""
        return ()

    def is_available(self) -> bool:
        """Whether the device's code is there or can be made."""
        return True

    def unsupported(self, network: Network) -> str:
        """Why it cannot train the network; empty where it can."""
        return ""

    def check(self, network: Network) -> None:
        """Raise UsageError, one line, for a network that it cannot train."""
        if why := self.unsupported(network):
            raise UsageError(f"{self.name} does not train {network.name}: {why}; choose other methods")

    @property
    def note(self) -> str:
        """What a reader of its cycles must know, such as the compiler; empty for the bundled kernels."""
        return ""

    def words(self, options: dict[str, Any]) -> list[str]:
        """What people call the variant that `options` make of it; takes out of them what it says."""
        return []

    @abstractmethod
    def outline(self, network: Network, trained: int, fraction: float | None, options: DeviceOptions) -> Step:
        """A step from which sizes can be planned without calibration: all shifts are 0, the rest is as `Config` has it,
        and no size is too small.

        `trained` (1 to all) is how many of the last layers learn; `fraction` is None where nothing is scored by share.
        """

    @abstractmethod
    def calibrated(
        self, network: Network, weights: Sequence[Int8], config: Config, examples: Examples, seed: int
    ) -> Config:
        """The configuration with what the images decide, on a backbone of int8 weights in logical shape."""

    @abstractmethod
    def slowed(self, config: Config, shift: int) -> Config:
        """The configuration with a learning rate of 2**-shift of what it was."""

    @abstractmethod
    def model(self, network: Network, weights: Sequence[Int8], config: Config, examples: Examples, seed: int) -> Model:
        """The method on a backbone, by a calibrated configuration; `seed` decides about initial scores."""


class Model(ABC):
    """A method with its backbone, ready to learn: states are values, and a step makes the next one."""

    is_exact: ClassVar[bool] = True
    """Whether the device equals it byte for byte."""

    @abstractmethod
    def initial(self) -> Any:
        """The state before the first step."""

    @abstractmethod
    def step(self, state: Any, image: Int8, label: int) -> Any:
        """The state after one step on an image int8 [h, w, c]."""

    @abstractmethod
    def right(self, state: Any, part: Labelled) -> int:
        """How many of the images get their label."""

    @abstractmethod
    def untouched(self, part: Labelled) -> int:
        """The same of the backbone as it was deployed, before anything was pruned or learned."""

    @abstractmethod
    def arrays(self, state: Any) -> Arrays:
        """What it has learned, as state.npz holds it."""

    @abstractmethod
    def state_of(self, arrays: Mapping[str, Learned], steps: int) -> Any:
        """The state that `steps` steps made: exact where the cut was renewed in the last of them."""

    def deployable(self, state: Any, images: Int8) -> tuple[tuple[Int8, ...], Config] | None:
        """int8 weights, pruned ones 0, and the configuration with static shifts that the forward pass runs by alone.

        `images` int8 [n, h, w, c] calibrate the shifts where the method has none. None: it is no integer network.
        """
        return None

    def pruned(self, state: Any) -> tuple[int, ...]:
        """Edges of each layer that are pruned; nothing for a method that prunes none."""
        return ()

    @property
    def scored_edges(self) -> int | None:
        """How many edges have a score, where that is a share of them."""
        return None

    @abstractmethod
    def plan(self, options: DeviceOptions, banks: tuple[int, ...] = ()) -> Plan:
        """The memory plan of a step; `banks` as `plan.pack` has them."""

    @abstractmethod
    def program(self, plan: Plan, state: Any, device: Device) -> DeviceProgram:
        """The plan in a machine, with the state in it. Raises UsageError where the device does not hold it."""

    @abstractmethod
    def state_on(self, program: DeviceProgram) -> Any:
        """What the device has learned, as a state."""
