"""An integer method on the simulated chip: its configuration and state as a step's settings and bytes."""

from __future__ import annotations

import numpy as np

from m0sim.chip.device import Device
from m0sim.image import Image
from m0sim.study.learn import layout
from m0sim.study.learn.arithmetic import Int32
from m0sim.study.learn.biases import static_first_values
from m0sim.study.learn.config import Config, DeviceOptions
from m0sim.study.learn.device_form import IntegerForm
from m0sim.study.learn.layers import LOSS_EXPONENT
from m0sim.study.learn.networks import Network, Stage
from m0sim.study.learn.plan import Plan, pack
from m0sim.study.learn.program import DeviceProgram
from m0sim.study.learn.state import Frozen, State
from m0sim.study.learn.step import ScoredGroup, StepSettings, build


def settings(
    network: Network, form: IntegerForm, config: Config, frozen: Frozen, options: DeviceOptions
) -> StepSettings:
    """What the step builder needs, from a method's configuration."""
    kept = [form.keeps(config, frozen.candidates(stage)) for stage in network.stages]
    return StepSettings(
        form,
        config,
        options,
        first=frozen.first,
        keep=tuple(k for k in kept if k is not None),
        scored=tuple(len(s) for s in frozen.scored),
        gap_bytes=tuple(len(frozen.gaps(stage)) for stage in network.stages) if frozen.scored else (),
        scored_groups=tuple(_scored_groups(frozen, stage) for stage in network.stages) if frozen.scored else (),
    )


def _scored_groups(frozen: Frozen, stage: Stage) -> tuple[ScoredGroup, ...]:
    storage, _ = layout.scored_storage(frozen.scored[stage.index], stage.n_out, stage.n_in)
    ends = np.concatenate([[0], np.flatnonzero(frozen.gaps(stage)) + 1])  # in the list of gaps, of each scored edge
    starts = np.arange(0, layout.array_bytes(stage.n_out, stage.n_in) + 1, 4 * layout.row_bytes(stage.n_in))
    first = np.searchsorted(storage, starts)
    before = np.concatenate([[-1], storage])[first]
    return tuple(
        ScoredGroup(int(ends[i]), int(i), int(end - i), int(start - 1 - last))
        for i, end, start, last in zip(first, first[1:], starts, before, strict=False)
    )


def plan(
    network: Network,
    form: IntegerForm,
    config: Config,
    frozen: Frozen,
    options: DeviceOptions,
    banks: tuple[int, ...] = (),
) -> Plan:
    """The memory plan of one training step; `banks` as `plan.pack` has them."""
    return pack(build(network, settings(network, form, config, frozen, options)), reuse=options.reuse, banks=banks)


def deploy(plan: Plan, config: Config, frozen: Frozen, state: State, kernels: Image, device: Device) -> DeviceProgram:
    """The plan in a machine, with the learned state in it and the first mask made by the device itself."""
    stack = plan.step.settings.form.stack_bytes(plan.step)
    found = contents(plan, config, frozen, state)
    program = DeviceProgram(plan, kernels, device, found, state.steps, stack_bytes=stack)
    program.run_phase("prune")
    return program


def contents(plan: Plan, config: Config, frozen: Frozen, state: State) -> dict[str, bytes]:
    """The initial bytes of the constant and learned tensors."""
    network, form = plan.step.network, _form(plan)
    found = {f"weights{i}": layout.pack_weights(w).tobytes() for i, w in enumerate(frozen.weights)}
    for i, weights in enumerate(frozen.weights):
        if f"columns{i}" in plan.placed:
            found[f"columns{i}"] = layout.pack_columns(weights).tobytes()
    found |= {f"bias{i}": b.astype("<i4").tobytes() for i, b in enumerate(_biases(form, config))}
    for stage in network.stages[frozen.first :]:
        found |= form.layer_contents(stage, state.layers[stage.index], frozen, config)
    found |= form.others(network, frozen, state, config)
    found["exponent0"] = _word(config.image_exponent)
    found["steps"] = _word(state.steps)
    found[f"error exponent{len(network.stages) - 1}"] = _word(LOSS_EXPONENT)
    if not form.dynamic:
        found[f"exponent{len(network.stages)}"] = _word(config.logit_exponent)
    return {name: data for name, data in found.items() if name in plan.placed}


def _biases(form: IntegerForm, config: Config) -> list[Int32]:
    """What the device is given of each layer's: with dynamic scales it aligns them itself."""
    if form.dynamic:
        return [np.array(b, np.int32) for b in config.biases]
    return [static_first_values(config, i) for i in range(len(config.biases))]


def _form(plan: Plan) -> IntegerForm:
    form = plan.step.settings.form
    assert isinstance(form, IntegerForm)
    return form


def _word(value: int) -> bytes:
    return value.to_bytes(4, "little", signed=True)
