"""From options as a person gives them to what is to be done: shared by the verbs of the command line and the calls.

Names and defaults are the command line's, and so are the errors: UsageError, one line, for what is unknown, out of
range or does not go together.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from m0sim.chip import device
from m0sim.chip.device import Device
from m0sim.chip.options import ENGINES as CHIP_ENGINES
from m0sim.errors import UsageError, did_you_mean
from m0sim.study.learn import methods, network_files, side_by_side, transfer, uses
from m0sim.study.learn.experiment import recommended
from m0sim.study.learn.experiment.setting import tuned
from m0sim.study.learn.experiment.training import ENGINES, Task
from m0sim.study.learn.methods.base import Tuned
from m0sim.study.learn.network_files import Given
from m0sim.study.learn.side_by_side import ComparisonTask
from m0sim.study.learn.transfer import Transfer
from m0sim.study.whatif import sizes
from m0sim.study.whatif.budget import Knobs, Question, chosen_methods, trains_some
from m0sim.study.whatif.measure import StepBench, images_of
from m0sim.study.whatif.solve import knob
from m0sim.study.words import DataWords, MemoryWords


def comparison(
    network: Given | None,
    data: DataWords,
    listed: str,
    memory: MemoryWords,
    chip: Device,
    *,
    width: float,
    steps: int,
    base: str | None,
) -> ComparisonTask:
    """What ``m0sim compare`` compares."""
    chosen = network_files.of(network or ("tiny-cnn-8" if data.data_name is None else data.default_network))
    images = images_of(chosen.network, data.source())
    task = side_by_side.task_of(
        chosen,
        images,
        chip,
        listed,
        steps=steps,
        base=base or "",
        options=memory.options(),
        width=width,
        transfer=data.transfer(),
    )
    memory.check(task.methods)
    return task


def question(
    sram: str,
    network: Given,
    listed: str,
    memory: MemoryWords,
    chip: Device,
    knobs: Mapping[str, Any],
    *,
    solve: str | None,
    stack_reserve: str | None,
) -> Question:
    """What ``m0sim budget`` asks. `knobs` are fields of `Knobs`: width, trained, fraction, reuse and batch."""
    named = memory.resolved()
    fixed = Knobs(mask=named.mask, weights=named.weights, scratch=named.scratch, **knobs)
    found = network_files.of(network)
    chosen = chosen_methods(listed, fixed, found.network)
    uses.check_shares(chosen, fraction=fixed.fraction is not None, trained=bool(fixed.trained))
    memory.check(chosen, is_part=trains_some(fixed, found.network))
    return Question(
        found,
        chosen,
        sizes.rooms(sram),
        chip,
        fixed,
        sizes.size(stack_reserve, "--stack-reserve") if stack_reserve else 0,
        knob(solve) if solve else None,
    )


def left_out(listed: str, asked: Question) -> list[str]:
    """Where `listed` is ``all``, a line on each that is not planned."""
    why = "it trains all layers or none" if trains_some(asked.knobs, asked.found.network) else ""
    return side_by_side.left_out(listed, asked.methods, asked.found.network, why)


def bench(asked: Question, data: DataWords) -> StepBench:
    """What the steps of a budget run on."""
    found = asked.found
    return StepBench(asked.device, images_of(found.network, data.source()), backbone=found.backbone)


def method_of(
    method: str | None, network: Given | None, data: DataWords, backbone: Path | None = None
) -> tuple[str, Tuned]:
    """The name of the method, and what it does unless something is typed: without a name the network's recipe."""
    if method is not None:
        name = methods.add(method)
        return name, methods.get(name).tuned
    found = network_files.of(network or backbone or data.starting_network)
    return recommended.of(found.network.name)


def training(
    method: str | None,
    network: Given | None,
    data: DataWords,
    memory: MemoryWords,
    *,
    rotate: float | None,
    shift: int | None,
    settings: Mapping[str, Any],
    engine: str,
    test_images: str,
    profile: str | Path,
    backbone: Path | None = None,
    **numbers: Any,
) -> Task:
    """What ``m0sim train`` trains. `settings` are the method's options, None those that were not given; `numbers`
    fields of `Task` as they are: images, epochs, seed and validation_images."""
    name, best = method_of(method, network, data, backbone)
    given = {option: value for option, value in settings.items() if value is not None}
    setting = tuned(name, shift, given, best)
    memory.check((name,), is_part=bool(given.get("trained")))
    source = data.source()
    return Task(
        network=network or backbone or data.starting_network,
        data=source.name,
        setting=setting,
        data_dir=source.data_dir,
        data_options=source.options,
        transfer=_transfer(data, rotate),
        test_images=_test_images(test_images),
        **_engines(engine),
        profile=device.load(profile),
        options=memory.options(),
        backbone=backbone,
        **numbers,
    )


def _transfer(data: DataWords, rotate: float | None) -> Transfer:
    """The task: turned images unless something else was typed, and a file as it is."""
    if rotate is None:
        return data.transfer() or (transfer.NONE if data.source().is_file else transfer.rotation())
    if data.task is not None:
        raise UsageError(f"--rotate {rotate:g} is --task rotate:{rotate:g}: give one of --rotate and --task")
    return transfer.rotation(rotate)


def _engines(text: str) -> dict[str, Any]:
    """Fields of a task from what was typed: where the steps run, or also what executes them there."""
    if text in CHIP_ENGINES:
        return {"engine": "device", "chip_engine": text}
    if text in ENGINES:
        return {"engine": text}
    known = (*ENGINES, *CHIP_ENGINES)
    raise UsageError(f"unknown engine {text!r}: one of {', '.join(known)}{did_you_mean(text, known)}")


def _test_images(text: str) -> int:
    if text == "all":
        return 0
    digits = text.removeprefix("first")
    if not digits.isdecimal() or int(digits) < 1:
        raise UsageError(f"--test-images must be all, first1024 or a number from 1 on, not {text!r}")
    return int(digits)
