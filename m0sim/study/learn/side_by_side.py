"""Methods side by side: the same network, images and chip, every method's training step run on the machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from m0sim.chip.cost import Cost
from m0sim.chip.device import Device
from m0sim.errors import M0simError, UsageError, did_you_mean
from m0sim.study.learn import methods, network_files, networks, sources
from m0sim.study.learn.arithmetic import Int8
from m0sim.study.learn.comparison import RECONSTRUCTION, Comparison, MethodResult
from m0sim.study.learn.config import Config, DeviceOptions
from m0sim.study.learn.datasets import Dataset, network_input
from m0sim.study.learn.deployment import Deployment
from m0sim.study.learn.methods import Method, Model
from m0sim.study.learn.network_files import Given
from m0sim.study.learn.networks import Network
from m0sim.study.learn.plan import Plan
from m0sim.study.learn.pretrain import Backbone
from m0sim.study.learn.program import DeviceProgram, FlashOfStep, phase_cycles
from m0sim.study.learn.state import Examples, Samples
from m0sim.study.learn.step import PHASES
from m0sim.study.learn.transfer import Transfer

CALIBRATION_IMAGES = 32
MEASURED_STEPS = 5
_BIASES = (-(127**2), 127**2 + 1)
"""Range of random ones: at most what one input of the accumulator gives."""

Progress = Callable[[str, int, int], None]
"""Called with the method, the steps done and the steps to do."""


@dataclass(frozen=True)
class ComparisonTask:
    """What is compared."""

    network: Network
    data: Dataset
    device: Device
    methods: tuple[str, ...]
    steps: int = 5
    seed: int = 0
    transfer: Transfer | None = None
    """What the images are changed by: what the device has to learn. None: what `sources.default_transfer` says."""
    width: float = 1.0
    """What the channels of `network` were multiplied by; its name says it, too."""
    base: str = ""
    """The method that ratios refer to; by default `methods.BASE`, or the first where that is not compared."""
    options: DeviceOptions = field(default_factory=DeviceOptions)
    config: Config | None = None
    """StepSettings of the methods besides the calibrated shifts."""
    backbone: Backbone | None = None
    """What the network starts from; None: the bundled one, or random weights where there is none."""

    @property
    def to_learn(self) -> Transfer:
        """The transfer task."""
        return self.transfer or sources.default_transfer(self.data)


@dataclass(frozen=True, eq=False)
class StartingPoint:
    """What a method starts from: the backbone's weights, and images [n, h, w, c] with labels [n]."""

    weights: tuple[Int8, ...]
    config: Config
    calibration: Samples
    training: Samples
    old: Samples
    """Of what the backbone was trained on, as many as any method wants by default."""
    note: str

    def old_samples(self, count: int) -> Samples:
        """The first `count` of them. Raises ValueError where there are not so many."""
        if count > len(self.old.labels):
            raise ValueError(f"{count} of {len(self.old.labels)} images of the old task")
        return Samples(self.old.images[:count], self.old.labels[:count])

    def examples(self, method: Method) -> Examples:
        """What a method, with its default options, is told before deployment."""
        return Examples(*self.calibration, *self.old_samples(method.old_images({})))


def compare(task: ComparisonTask, progress: Progress | None = None) -> Comparison:
    """Run every method for `task.steps` steps. Raises UsageError where network and images do not fit together."""
    tell = progress or (lambda method, done, todo: None)
    base = task.base or (methods.BASE if methods.BASE in task.methods else task.methods[0])
    if base not in task.methods:
        raise UsageError(f"the base method {base!r} is not among those compared: {', '.join(task.methods)}")
    start = start_of(task)
    results = [_run(task, start, name, tell) for name in task.methods]
    reference = next(r for r in results if r.method == base)
    return Comparison(
        network=task.network.name.removesuffix(f"*{task.width:g}"),
        width=task.width,
        data=task.data.name,
        task=task.to_learn.title,
        split=task.data.split,
        profile=task.device.name,
        clock_hz=task.device.clock_hz,
        sram_bytes=task.device.sram_bytes,
        flash_bytes=task.device.flash_bytes,
        steps=task.steps,
        base=base,
        methods=tuple(_with_ratios(r, reference) for r in results),
        seed=task.seed,
    )


def _with_ratios(result: MethodResult, base: MethodResult) -> MethodResult:
    with_flash = None
    if result.flash_estimate_cycles is not None and base.flash_estimate_cycles is not None:
        total = base.cycles_mean + base.flash_estimate_cycles
        with_flash = (result.cycles_mean + result.flash_estimate_cycles) / total
    return replace(result, ratio=result.cycles_mean / base.cycles_mean, ratio_with_flash=with_flash)


def start_of(task: ComparisonTask) -> StartingPoint:
    """The backbone's weights (random ones where there is none) and changed images of the task's data.

    Raises UsageError where network and images do not fit together.
    """
    network = task.network
    task.data.check(network)
    backbone = network_files.bundled_for(network) if task.backbone is None else task.backbone
    if backbone is not None and backbone.network == network:  # of another width it is another network
        weights, config, note = backbone.weights, backbone.config, ""
    else:
        # Cycles depend little on the weights; without a backbone they are random, and the report says so.
        rng = np.random.default_rng(task.seed)
        weights = tuple(rng.integers(-127, 128, s.weight_shape).astype(np.int8) for s in network.stages)
        biases = tuple(tuple(rng.integers(*_BIASES, s.n_out).tolist()) if s.layer.bias else () for s in network.stages)
        config = Config(weight_exponents=(-10,) * len(weights), biases=biases if any(biases) else ())
        note = "random weights"
    count = task.steps
    return StartingPoint(
        weights,
        replace(task.config or config, weight_exponents=config.weight_exponents, biases=config.biases),
        _images(task, "validation", CALIBRATION_IMAGES),
        _images(task, "transfer", count),
        _old_images(task, max(method.old_images({}) for method in methods.loaded())),
        note,
    )


def _old_images(task: ComparisonTask, count: int) -> Samples:
    """The first images of the backbone part as they are, or where there are none of the validation part; repeated if
    there are too few."""
    part = "backbone" if len(task.data.parts.get("backbone", ())) else "validation"
    indices = np.resize(np.array(task.data.indices(part)), count)
    return Samples(network_input(task.data.images[indices]), task.data.labels[indices])


def _images(task: ComparisonTask, part: str, count: int) -> Samples:
    """The first images of a part of the data set, changed, as the network reads them; repeated if it has too few."""
    indices = np.resize(np.array(task.data.indices(part)), count)
    images = task.to_learn.applied(task.data.images[indices], indices)
    return Samples(network_input(images), task.data.labels[indices])


def _run(task: ComparisonTask, start: StartingPoint, name: str, tell: Progress) -> MethodResult:
    method = methods.get(name)
    backbone = (task.network, start.weights)
    config = method.configured(start.config, {})
    examples = start.examples(method)
    config = method.calibrated(*backbone, config, examples, task.seed)
    model = method.model(*backbone, config, examples, task.seed)
    deployment = Deployment.of(model, task.options, task.device)
    initial = model.initial()
    counted = deployment.program(initial)
    costs = _steps(counted, start, task.steps, lambda done: tell(name, done, task.steps))
    if model.is_exact:
        _check_learned(model, counted, start)
    flash = _measure_flash(deployment.program(initial), start)
    program = deployment.program(initial)
    result = _result(task, name, deployment, program, costs, _measure_memory(program, start), flash)
    notes = (start.note, RECONSTRUCTION if method.is_reconstruction else "", method.note)
    return replace(result, note="; ".join(filter(None, notes)))


def _steps(program: DeviceProgram, start: StartingPoint, steps: int, tell: Callable[[int], None]) -> list[Cost]:
    costs = []
    images, labels = start.training
    for i in range(steps):
        costs.append(program.step(images[i], int(labels[i])))
        tell(i + 1)
    return costs


def _check_learned(model: Model, program: DeviceProgram, start: StartingPoint) -> None:
    """Raise M0simError unless the device has learned from all images what the golden model learns, byte for byte."""
    state = model.initial()
    for image, label in zip(*start.training, strict=True):
        state = model.step(state, image, int(label))
    found = model.arrays(model.state_on(program))
    wrong = [name for name, array in model.arrays(state).items() if not np.array_equal(array, found[name])]
    if wrong:
        network = program.plan.step.network.name
        raise M0simError(f"{network}: the device's {', '.join(wrong)} are not the golden model's: a bug in a kernel")


def _measure_flash(program: DeviceProgram, start: StartingPoint) -> FlashOfStep | None:
    """What flash adds to a step: of the first steps, from the state and the images that the counted ones had."""
    if not program.machine.device.flash_waits:
        return None
    steps = list(zip(*start.training, strict=True))[:MEASURED_STEPS]
    return FlashOfStep.of([program.step_in_flash(image, int(label)) for image, label in steps])


def _measure_memory(program: DeviceProgram, start: StartingPoint) -> dict[str, int]:
    """Of every tensor the bytes from the first to the last that a step touches.

    Steps run operation by operation, since tensors that do not live together share their bytes.
    """
    images, labels = start.training
    touched: dict[str, NDArray[np.bool_]] = {}
    for k in range(min(len(images), MEASURED_STEPS)):
        program.write("image", images[k].tobytes())
        program.write("label", int(labels[k]).to_bytes(4, "little"))
        for i, op in enumerate(program.plan.step.ops):
            program.run_op(i, level="memory")
            for name in op.tensors():
                placed = program.plan.placed[name]
                if placed.tensor.place == "sram":
                    now = program.machine.counters.touched(program.address(name), placed.tensor.size) != 0
                    touched[name] = touched.get(name, False) | now
    return {name: _span(mask) for name, mask in touched.items()}


def _span(mask: NDArray[np.bool_]) -> int:
    """Bytes from the first to the last that is set."""
    where = np.flatnonzero(mask)
    return int(where[-1] - where[0] + 1) if len(where) else 0


def _result(
    task: ComparisonTask,
    name: str,
    deployment: Deployment,
    program: DeviceProgram,
    costs: Sequence[Cost],
    spans: dict[str, int],
    flash: FlashOfStep | None,
) -> MethodResult:
    cycles = [cost.cycles for cost in costs]
    phases = [phase_cycles(cost) for cost in costs]
    mean = float(np.mean(cycles))
    planned = program.plan.sram_by_kind()
    planned["scratch"] = planned.get("scratch", 0) + planned.pop("packing") + deployment.need.gap_bytes
    return MethodResult(
        method=name,
        cycles_mean=mean,
        cycles_min=min(cycles),
        cycles_max=max(cycles),
        phases={phase: float(np.mean([p[phase] for p in phases])) for phase in PHASES},
        sram=_with_total(_measured_by_kind(program.plan, spans), max(cost.stack_bytes for cost in costs)),
        sram_planned=_with_total(planned, deployment.need.stack_bytes),
        flash_bytes=program.flash_bytes,
        flash_estimate_cycles=None if flash is None else flash.cycles,
        flash_misses_words=None if flash is None else flash.misses_words,
        fits=deployment.is_fit,
        seconds=task.device.seconds(mean),
        energy=task.device.energy_use(mean),
        ratio=1.0,
        ratio_with_flash=None,
        options=_options(task, name, deployment),
        note="",
    )


def _options(task: ComparisonTask, name: str, deployment: Deployment) -> dict[str, str]:
    chosen: dict[str, str] = {}
    method = methods.get(name)
    if method.mask_forms:
        chosen["mask"] = task.options.mask_form
    if method.freezes_weights:
        chosen["weights"] = task.options.weights_place
    if method.scratch_forms:
        chosen["scratch"] = task.options.scratch
    if deployment.model.scored_edges is not None:
        chosen["scored edges"] = str(deployment.model.scored_edges)
    return chosen


def _measured_by_kind(plan: Plan, spans: dict[str, int]) -> dict[str, int]:
    """Measured bytes by kind, of the tensors that are live at the plan's peak."""
    sizes: dict[str, int] = {}
    for name, size in spans.items():
        placed = plan.placed[name]
        if placed.lives_with(plan.peak, plan.peak):
            sizes[placed.tensor.kind] = sizes.get(placed.tensor.kind, 0) + size
    return sizes


def _with_total(sizes: dict[str, int], stack: int) -> dict[str, int]:
    shown = {**sizes, "stack": stack}
    return {**shown, "total": sum(shown.values())}


def chosen_methods(text: str) -> tuple[str, ...]:
    """Method names from a comma-separated list of names and of files (``./mine.py:Mine``).

    ``all`` is every one of m0sim and of installed packages that can run here. Raises UsageError for an unknown one.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    names = methods.available() if text == "all" else tuple(map(methods.add, parts))
    known = methods.names()
    for name in names:
        if name not in known:
            raise UsageError(f"unknown method {name!r} (known: {', '.join(known)}, all){did_you_mean(name, known)}")
        methods.get(name)
    if not names:
        raise UsageError("no method to compare")
    return tuple(dict.fromkeys(names))


def for_network(text: str, names: Sequence[str], network: Network) -> tuple[str, ...]:
    """The methods that can train the network: ``all`` leaves out what cannot. UsageError for one that was named."""
    if text == "all":
        return tuple(name for name in names if not methods.get(name).unsupported(network))
    for name in names:
        methods.get(name).check(network)
    return tuple(names)


def left_out(text: str, chosen: Sequence[str], network: Network, why: str = "") -> list[str]:
    """Where `text` is ``all``, a line on each method that is not chosen; `why` is of those that can run."""
    if text != "all":
        return []
    others = [methods.get(name) for name in methods.available() if name not in chosen]
    missing = methods.left_out() | {m.name: m.unsupported(network) or why for m in others}
    return [f"{name} is left out: {reason}" for name, reason in missing.items()]


def task_of(
    network: Given,
    data: Dataset,
    device: Device,
    method_list: str,
    *,
    steps: int,
    base: str,
    options: DeviceOptions,
    width: float = 1.0,
    transfer: Transfer | None = None,
) -> ComparisonTask:
    """A task from what a person types. Raises UsageError for what is unknown or out of range."""
    if not 1 <= steps <= 100_000:
        raise UsageError(f"--steps must be from 1 to 100,000, not {steps}")
    found = network_files.of(network)
    wide = networks.wide(found.network, width)
    chosen: Iterable[str] = for_network(method_list, chosen_methods(method_list), wide)
    return ComparisonTask(
        *(wide, data, device, tuple(chosen), steps),
        transfer=transfer,
        width=width,
        base=methods.add(base),
        options=options,
        backbone=found.backbone,
    )
