"""A method of the golden model on the simulated chip: its configuration and state as a step's settings and bytes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m0sim.chip.device import Device
from m0sim.image import Image
from m0sim.study.learn import kernels as assembled
from m0sim.study.learn import layout, methods
from m0sim.study.learn.layers import LOSS_EXPONENT
from m0sim.study.learn.methods import Config, Frozen, State
from m0sim.study.learn.methods.base import Learned
from m0sim.study.learn.networks import Network
from m0sim.study.learn.plan import Plan, pack
from m0sim.study.learn.program import DeviceProgram
from m0sim.study.learn.step import Settings, build


@dataclass(frozen=True, slots=True)
class Options:
    """How a method is deployed; none of it changes what is computed."""

    mask_form: str = "copy"
    weights_place: str = "flash"
    reuse: bool = True


def settings(network: Network, method: str, config: Config, frozen: Frozen, options: Options) -> Settings:
    """What the step builder needs, from a method's configuration."""
    gaps = tuple(len(_gaps(network, frozen, i)) for i in range(len(frozen.scored)))
    return Settings(
        method=method,
        forward_shift=config.forward,
        error_shift=config.backward,
        update_shift=config.update,
        mu=config.mu,
        weight_exponents=config.weight_exponents,
        rate=config.rate,
        keep=_keep(network, method, config, frozen),
        theta=config.theta,
        first=frozen.first,
        cool=config.cool,
        refresh=config.refresh,
        scored=tuple(len(s) for s in frozen.scored),
        gap_bytes=gaps,
        mask_form=options.mask_form,
        weights_place=options.weights_place,
    )


def plan(network: Network, method: str, config: Config, frozen: Frozen, options: Options) -> Plan:
    """The memory plan of one training step."""
    return pack(build(network, settings(network, method, config, frozen, options)), reuse=options.reuse)


def deploy(plan: Plan, config: Config, frozen: Frozen, state: State, kernels: Image, device: Device) -> DeviceProgram:
    """The plan in a machine, with the learned state in it and the first mask made by the device itself."""
    stack = assembled.stack_bytes(plan.step)
    found = contents(plan, config, frozen, state)
    program = DeviceProgram(plan, kernels, device, found, state.steps, stack_bytes=stack)
    program.run_phase("prune")
    return program


def contents(plan: Plan, config: Config, frozen: Frozen, state: State) -> dict[str, bytes]:
    """The initial bytes of the constant and learned tensors."""
    network, chosen = plan.step.network, plan.step.settings
    learns_weights = not chosen.method.startswith("priot")
    found = {f"weights{i}": layout.pack_weights(w).tobytes() for i, w in enumerate(frozen.weights)}
    for stage in network.stages[frozen.first :]:
        i = stage.index
        if chosen.method == "tin-tin":
            found[f"weights{i}"] = layout.pack_wide(state.learned[i]).tobytes()
        elif learns_weights:
            found[f"weights{i}"] = layout.pack_weights(state.learned[i]).tobytes()
        if not learns_weights:
            found[f"scores{i}"] = _stored_scores(plan, frozen, state, i)
        if frozen.scored:
            found[f"gaps{i}"] = _gaps(network, frozen, i).tobytes()
        if not chosen.keep:
            found[f"selection{i}"] = np.array([config.theta + layout.OFFSET - 1, 0], "<u4").tobytes()
    found["exponent0"] = _word(config.image_exponent)
    found[f"error exponent{len(network.stages) - 1}"] = _word(LOSS_EXPONENT)
    if not methods.get(chosen.method).dynamic:
        found[f"exponent{len(network.stages)}"] = _word(config.logit_exponent)
    return {name: data for name, data in found.items() if name in plan.placed}


def learned(program: DeviceProgram, frozen: Frozen) -> tuple[Learned, ...]:
    """The learned arrays in logical order, as the golden model's state has them."""
    network, chosen = program.plan.step.network, program.plan.step.settings
    arrays: list[Learned] = [np.zeros(0, np.int8)] * frozen.first
    for stage in network.stages[frozen.first :]:
        values: Learned
        if chosen.method == "tin-tin":
            values = layout.unpack_wide(program.read(f"weights{stage.index}").view("<u2"), stage.weight_shape)
        elif chosen.method == "priot-s":
            stored = program.read(f"scores{stage.index}")[: len(frozen.scored[stage.index])]
            _, order = layout.scored_storage(frozen.scored[stage.index], stage.n_out, stage.n_in)
            values = np.empty(len(order), np.int8)
            values[order] = (stored.astype(np.int16) - layout.OFFSET).astype(np.int8)
        else:
            name = "scores" if chosen.method.startswith("priot") else "weights"
            values = layout.unpack(program.read(f"{name}{stage.index}"), stage.weight_shape)
        arrays.append(values)
    return tuple(arrays)


def _stored_scores(plan: Plan, frozen: Frozen, state: State, index: int) -> bytes:
    if not frozen.scored:
        return layout.pack_scores(state.learned[index]).tobytes()
    stage = plan.step.network.stages[index]
    _, order = layout.scored_storage(frozen.scored[index], stage.n_out, stage.n_in)
    biased: bytes = (state.learned[index][order].astype(np.int16) + layout.OFFSET).astype(np.uint8).tobytes()
    return biased


def _gaps(network: Network, frozen: Frozen, index: int) -> NDArray[np.uint8]:
    stage = network.stages[index]
    storage, _ = layout.scored_storage(frozen.scored[index], stage.n_out, stage.n_in)
    return layout.pack_gaps(storage)


def _keep(network: Network, method: str, config: Config, frozen: Frozen) -> tuple[int, ...]:
    if method == "priot" or (method == "priot-s" and config.prune == "top-k"):
        sizes = [len(s) for s in frozen.scored] or [stage.edges for stage in network.stages]
        return tuple(round(config.keep * size) for size in sizes)
    return ()


def _word(value: int) -> bytes:
    return value.to_bytes(4, "little", signed=True)
