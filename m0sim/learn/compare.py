"""Methods side by side: the same network, images and chip, every method's training step run on the machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from m0sim.cost import Cost
from m0sim.device import Device
from m0sim.errors import UsageError
from m0sim.learn import kernels, methods, networks, onchip
from m0sim.learn.arithmetic import Int8
from m0sim.learn.calibrate import calibrate
from m0sim.learn.comparison import Comparison, MethodResult
from m0sim.learn.data import SPLITS, Dataset, network_input
from m0sim.learn.methods import Config, Frozen
from m0sim.learn.networks import Network
from m0sim.learn.plan import Plan
from m0sim.learn.pretrain import BUNDLED, bundled
from m0sim.learn.program import DeviceProgram, enlarged, fits, phase_cycles
from m0sim.learn.rotate import rotate
from m0sim.learn.step import PHASES

CALIBRATION_IMAGES = 32
DEFAULT_ANGLE = 30.0
NOT_PUBLISHED = ("priot", "priot-threshold", "priot-s", "tin-tin")

Progress = Callable[[str, int, int], None]
"""Called with the method, the steps done and the steps to do."""


@dataclass(frozen=True)
class Task:
    """What is compared."""

    network: Network
    data: Dataset
    device: Device
    methods: tuple[str, ...]
    steps: int = 5
    seed: int = 0
    angle: float = DEFAULT_ANGLE
    """Degrees that the images are rotated by: what the device has to learn."""
    base: str = ""
    """The method that ratios refer to; by default the first."""
    options: onchip.Options = field(default_factory=onchip.Options)
    config: Config | None = None
    """Settings of the methods besides the calibrated shifts."""


@dataclass(frozen=True)
class _Setting:
    """The images, and the backbone's weights."""

    weights: tuple[Int8, ...]
    config: Config
    calibration: tuple[Int8, NDArray[np.uint8]]
    training: tuple[Int8, NDArray[np.uint8]]
    note: str


def compare(task: Task, progress: Progress | None = None) -> Comparison:
    """Run every method for `task.steps` steps. Raises UsageError where network and images do not fit together."""
    tell = progress or (lambda method, done, todo: None)
    base = task.base or task.methods[0]
    if base not in task.methods:
        raise UsageError(f"the base method {base!r} is not among those compared: {', '.join(task.methods)}")
    setting = _setting(task)
    results = [_run(task, setting, name, tell) for name in task.methods]
    reference = next(r for r in results if r.method == base)
    return Comparison(
        network=task.network.name,
        data=task.data.name,
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


def _setting(task: Task) -> _Setting:
    network, data = task.network, task.data
    if data.images.shape[1:] != network.input_shape:
        wanted, has = (" x ".join(map(str, shape)) for shape in (network.input_shape, data.images.shape[1:]))
        raise UsageError(f"{network.name} takes images of {wanted}, those of {data.name} are {has}; choose other --data")
    if network.name in BUNDLED:
        backbone = bundled(network.name)
        weights, config, note = backbone.weights, backbone.config, ""
    else:
        # Cycles depend little on the weights; without a backbone they are random, and the report says so.
        rng = np.random.default_rng(task.seed)
        weights = tuple(rng.integers(-127, 128, s.weight_shape).astype(np.int8) for s in network.stages)
        config, note = Config(weight_exponents=(-10,) * len(weights)), "random weights"
    count = task.steps
    return _Setting(
        weights,
        replace(task.config or config, weight_exponents=config.weight_exponents),
        _images(task, "validation", CALIBRATION_IMAGES),
        _images(task, "transfer", count),
        note,
    )


def _images(task: Task, part: str, count: int) -> tuple[Int8, NDArray[np.uint8]]:
    """The first images of a part of the data set, rotated, as the network reads them; repeated if it has too few."""
    indices = np.resize(np.array(SPLITS[task.data.name][part]), count)
    images = rotate(task.data.images[indices], task.angle)
    return network_input(images), task.data.labels[indices]


def _run(task: Task, setting: _Setting, name: str, tell: Progress) -> MethodResult:
    method = methods.get(name)
    frozen = method.freeze(task.network, setting.weights, setting.config)
    config = calibrate(task.network, method, setting.weights, *setting.calibration, setting.config, task.seed)
    state = method.initial_state(task.network, frozen, config, task.seed)
    plan = onchip.plan(task.network, name, config, frozen, task.options)
    image = kernels.load()
    stack = kernels.stack_bytes(plan.step)
    flash = _flash_needed(plan)
    is_fit = fits(plan, task.device, stack, flash)
    device = task.device if is_fit else enlarged(task.device, plan.sram_bytes + stack + 1024, flash)
    program = onchip.deploy(plan, config, frozen, state, image, device)
    costs = _steps(program, setting, task.steps, lambda done: tell(name, done, task.steps))
    measured, estimate = _measure_memory(onchip.deploy(plan, config, frozen, state, image, device), setting)
    return _result(task, name, plan, program, costs, measured, stack, estimate, is_fit, frozen, setting.note)


def _flash_needed(plan: Plan) -> int:
    """Flash of the constants, with room for code, blocks and lists: 64 KiB are more than those ever take."""
    return plan.flash_bytes + 64 * 1024


def _steps(program: DeviceProgram, setting: _Setting, steps: int, tell: Callable[[int], None]) -> list[Cost]:
    costs = []
    images, labels = setting.training
    for i in range(steps):
        costs.append(program.step(images[i], int(labels[i])))
        tell(i + 1)
    return costs


def _measure_memory(program: DeviceProgram, setting: _Setting) -> tuple[dict[str, int], float | None]:
    """Bytes touched of every tensor in one step, operation by operation, and the cycles that flash misses would add."""
    images, labels = setting.training
    estimate = program.step(images[0], int(labels[0]), level="memory").flash_misses
    program.write("image", images[0].tobytes())
    program.write("label", int(labels[0]).to_bytes(4, "little"))
    touched: dict[str, NDArray[np.bool_]] = {}
    for i, op in enumerate(program.plan.step.ops):
        program.run_op(i, level="memory")
        for name in op.tensors():
            placed = program.plan.placed[name]
            if placed.tensor.place == "sram":
                now = program.machine.counters.touched(program.address(name), placed.tensor.size) != 0
                touched[name] = touched.get(name, False) | now
    return {name: int(mask.sum()) for name, mask in touched.items()}, None if estimate is None else estimate.cycles


def _result(
    task: Task,
    name: str,
    plan: Plan,
    program: DeviceProgram,
    costs: Sequence[Cost],
    touched: dict[str, int],
    stack: int,
    estimate: float | None,
    is_fit: bool,
    frozen: Frozen,
    note: str,
) -> MethodResult:
    cycles = [cost.cycles for cost in costs]
    phases = [phase_cycles(cost) for cost in costs]
    mean = float(np.mean(cycles))
    planned = plan.sram_by_kind()
    planned["scratch"] = planned.get("scratch", 0) + planned.pop("packing")
    observed = max(cost.stack_bytes for cost in costs)
    notes = [note] if note else []
    if name in NOT_PUBLISHED:
        notes.append("our reconstruction")
    is_masked = bool(plan.step.settings.mask_form) and name.startswith("priot")
    return MethodResult(
        method=name,
        cycles_mean=mean,
        cycles_min=min(cycles),
        cycles_max=max(cycles),
        phases={phase: float(np.mean([p[phase] for p in phases])) for phase in PHASES},
        sram=_with_total(_measured_by_kind(plan, touched), observed),
        sram_planned=_with_total(planned, stack),
        flash_bytes=program.flash_bytes,
        flash_estimate_cycles=estimate,
        fits=is_fit,
        seconds=task.device.seconds(mean),
        energy_joules=task.device.energy_joules(mean),
        ratio=1.0,
        ratio_with_flash=None,
        options=_options(task, is_masked, frozen),
        note="; ".join(notes),
    )


def _options(task: Task, is_masked: bool, frozen: Frozen) -> dict[str, str]:
    chosen = {}
    if is_masked:
        chosen = {"mask": task.options.mask_form, "weights": task.options.weights_place}
    if frozen.scored:
        chosen["scored edges"] = str(sum(len(s) for s in frozen.scored))
    return chosen


def _measured_by_kind(plan: Plan, touched: dict[str, int]) -> dict[str, int]:
    """Touched bytes by kind, of the tensors that are live at the plan's peak."""
    sizes: dict[str, int] = {}
    for name, size in touched.items():
        placed = plan.placed[name]
        if placed.lives_with(plan.peak, plan.peak):
            sizes[placed.tensor.kind] = sizes.get(placed.tensor.kind, 0) + size
    return sizes


def _with_total(sizes: dict[str, int], stack: int) -> dict[str, int]:
    shown = {**sizes, "stack": stack}
    return {**shown, "total": sum(shown.values())}


def chosen_methods(text: str) -> tuple[str, ...]:
    """Method names from a comma-separated list; ``all`` is every one. Raises UsageError for an unknown one."""
    names = methods.names() if text == "all" else tuple(part.strip() for part in text.split(",") if part.strip())
    for name in names:
        methods.get(name)
    if not names:
        raise UsageError("no method to compare")
    return tuple(dict.fromkeys(names))


def task_of(
    network: str, data: Dataset, device: Device, method_list: str, *, steps: int, base: str, options: onchip.Options
) -> Task:
    """A task from what a person types. Raises UsageError for what is unknown or out of range."""
    if not 1 <= steps <= 100_000:
        raise UsageError(f"--steps must be from 1 to 100,000, not {steps}")
    chosen: Iterable[str] = chosen_methods(method_list)
    return Task(networks.get(network), data, device, tuple(chosen), steps=steps, base=base, options=options)
