"""The study as plain calls: the verbs of the command line, their options as keywords, their results as data.

Names and defaults are the command line's (a - is a _), and so are the errors: `UsageError`, one line, which names an
option as it is typed there. What does not fit is refused before anything runs. Results are the data classes that
everything else works with, and have `table` (rows for a data frame) and `to_dict` (the verb's JSON object).

What is common to the calls:

* `network`: a name (tiny-cnn, tiny-cnn-8, mlp, lenet, vgg11, vgg11-quarter), the path of a .toml or a backbone .npz,
  a `Network`, or a `Backbone` as `pretrain` gives it.
* `data`: a name (digits, mnist, cifar10, random), the path of a file, or what `load_data` gives.
* `task`: what is to be learned: ``rotate:30``, ``noise:SIGMA``, ``contrast:FACTOR``, ``none``, or other data's path.
* `methods`: names or ``FILE.py:CLASS`` in a list, or one text with commas; ``all``: every one that can train the
  network here. What it leaves out is a warning that says why.
* `mask`, `scratch`, `form`, `weights`: memory for time, as docs/learning.md says. None: the default.
* `profile`, `clock`: the chip, by name or path, and its clock, such as ``64M`` or in Hz; None: the profile's.
* `progress`: called with what is done, what there is to do (0: not known), and a name of what is going on, maybe "".
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

from numpy.typing import ArrayLike

from m0sim import files
from m0sim.chip import device
from m0sim.errors import UsageError
from m0sim.study import in_memory, runs, tasks
from m0sim.study.answers import Budget, Comparison, Training
from m0sim.study.learn import network_files, side_by_side, sources
from m0sim.study.learn.network_files import Given
from m0sim.study.learn.networks import Network
from m0sim.study.learn.pretrain import Backbone, Pretraining
from m0sim.study.whatif import budget as budgets
from m0sim.study.words import DataWords, MemoryWords

Progress = Callable[[int, int, str], None]
Data = str | Path | DataWords
"""How a caller may name data."""

_Result = TypeVar("_Result")


def compare(
    network: Given | None = None,
    *,
    data: Data | None = None,
    task: str | None = None,
    methods: str | Iterable[str] = "all",
    steps: int = 5,
    base: str | None = None,
    width: float = 1.0,
    mask: str | None = None,
    scratch: str | None = None,
    form: str | None = None,
    weights: str | None = None,
    profile: str | Path = device.DEFAULT,
    clock: str | int | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Run `steps` training steps of every method on the chip: cycles, SRAM and flash side by side.

    `base` is the method that ratios refer to; `width` multiplies the network's channels. Without `data` the images are
    digits where the network takes them, and noise else: cycles hardly depend on them. Raises UsageError for what is
    unknown, out of range or does not go together.
    """
    said, memory = _data(data, task), MemoryWords(mask, scratch, form, weights)
    listed = _listed(methods)
    asked = tasks.comparison(network, said, listed, memory, _chip(profile, clock), width=width, steps=steps, base=base)
    for line in side_by_side.left_out(listed, asked.methods, asked.network):
        warnings.warn(line, stacklevel=2)
    total, told = steps * len(asked.methods), iter(range(1, 1 + steps * len(asked.methods)))
    tell = None if progress is None else lambda method, done, todo: progress(next(told), total, method)
    return _as(Comparison, side_by_side.compare(asked, tell))


def budget(
    network: Given = "tiny-cnn",
    *,
    sram: str | int,
    methods: str | Iterable[str] = "all",
    solve: str | None = None,
    fraction: float | None = None,
    trained: int | None = None,
    width: float = 1.0,
    batch: int = 1,
    reuse: bool = True,
    stack_reserve: str | int | None = None,
    mask: str | None = None,
    scratch: str | None = None,
    form: str | None = None,
    weights: str | None = None,
    profile: str | Path = device.DEFAULT,
    clock: str | int | None = None,
    data: Data | None = None,
    plan_only: bool = False,
    progress: Progress | None = None,
) -> Budget:
    """What can be trained in so much SRAM, what it costs, and the best that fits.

    `sram` is one or several budgets in bytes: ``"16K,64K"``, 16384, or banks, ``"256K+4K+4K"``. `solve` asks for the
    most of ``fraction`` (share of edges that priot-s scores), ``width`` or ``layers`` that fits. `trained`: only the
    last so many layers learn. `batch`: images whose gradients add up before an update. `stack_reserve`: bytes to set
    aside for the stack; None: what the kernels need. With `plan_only` nothing runs: there are no cycles. Raises
    UsageError for what is unknown, out of range or does not go together.
    """
    said, memory = _data(data), MemoryWords(mask, scratch, form, weights)
    listed = _listed(methods)
    knobs = {"width": width, "trained": trained, "fraction": fraction, "reuse": reuse, "batch": batch}
    reserve = None if stack_reserve is None else str(stack_reserve)
    asked = tasks.question(
        str(sram), network, listed, memory, _chip(profile, clock), knobs, solve=solve, stack_reserve=reserve
    )
    for line in tasks.left_out(listed, asked):
        warnings.warn(line, stacklevel=2)
    bench = None if plan_only else tasks.bench(asked, said)
    return _as(Budget, budgets.answer(asked, bench, _unnamed(progress)))


def train(
    network: Given | None = None,
    *,
    method: str | None = None,
    data: Data = "digits",
    task: str | None = None,
    rotate: float | None = None,
    images: int = 0,
    epochs: int = 10,
    seed: int = 0,
    shift: int | None = None,
    engine: str = "device",
    validation_images: int = 0,
    test_images: str | int = "all",
    backbone: str | Path | None = None,
    mask: str | None = None,
    scratch: str | None = None,
    form: str | None = None,
    weights: str | None = None,
    profile: str | Path = device.DEFAULT,
    resume: bool = False,
    output: str | Path | None = None,
    progress: Progress | None = None,
    **options: int | float | str | None,
) -> Training:
    """Let a backbone learn the task on the chip: accuracy, cycles and memory by epoch.

    Without a `method` it is the recipe that is recommended for the network. `network` must bring a backbone, or
    `backbone` names its file. `images`, `validation_images` and `test_images` are the first so many of their parts, 0
    or ``"all"`` all of them. `engine`: every step runs on the chip (``device``), or on the golden model (``golden``),
    whose bytes are the same and whose cycles are estimated from measured steps.
    `shift` divides the calibrated learning rate by 2**shift; it and the method's own `options` (``trained``, ``keep``,
    ``theta``, ``fraction``, ...) are the study's choice where they are None or not given.

    With `output`, a folder, there are train.json, state.npz, learned.npz and checkpoint.npz, which `resume` goes on
    from. Ctrl-C ends the step that runs, keeps all of that, and raises KeyboardInterrupt. Raises UsageError for what is
    unknown, out of range or does not go together.
    """
    folder = None if output is None else Path(output)
    asked = tasks.training(
        method,
        network,
        _data(data, task),
        MemoryWords(mask, scratch, form, weights),
        rotate=rotate,
        shift=shift,
        settings=options,
        engine=engine,
        test_images=str(test_images),
        backbone=None if backbone is None else Path(backbone),
        profile=profile,
        images=images,
        epochs=epochs,
        seed=seed,
        validation_images=validation_images,
    )
    found, learned = runs.train(asked, folder, _unnamed(progress), resume=resume)
    if not found.is_finished:
        where = "name a folder with output to be able to go on" if folder is None else "go on with resume=True"
        raise KeyboardInterrupt(f"{len(found.progress.epochs)} of {epochs} epochs are done: {where}")
    return _as(Training, found, learned=learned)


def pretrain(
    network: Given = "tiny-cnn-8",
    *,
    data: Data = "digits",
    seed: int = 0,
    note: str = "",
    resume: bool = False,
    output: str | Path | None = None,
    progress: Progress | None = None,
) -> Backbone:
    """Train a backbone on the backbone part of the data in NumPy, quantise it to int8 and calibrate its shifts.

    Its `record` says how it was made, what `note` says of the data, and its accuracy on test images that nothing has
    changed, in float32 and int8. `output` is the .npz file to write; beside it there is a checkpoint after every epoch
    until it is written, which `resume` goes on from. Start Python with OPENBLAS_NUM_THREADS=1: that is faster, and
    gives the bytes of ``m0sim pretrain``. Ctrl-C ends the step that runs, and raises KeyboardInterrupt. Raises
    UsageError for what is unknown or does not go together.
    """
    path = None if output is None else Path(output)
    files.check_folder(path)
    chosen = network_files.of(network).network
    training = Pretraining(chosen, sources.load(_data(data).source(), chosen), seed, note)
    return runs.pretrain(training, path, _unnamed(progress), resume=resume)


def load_network(network: Given) -> Network | Backbone:
    """A network by name or from a file: a `Backbone` where there is one, with its `network`; else a `Network`.

    Raises UsageError, one line, for one that does not exist, is damaged, or that nothing runs.
    """
    found = network_files.of(network)
    return found.network if found.backbone is None else found.backbone


def load_data(
    data: str | Path | None = None,
    *,
    images: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    split: str | ArrayLike | None = None,
    split_seed: int = 0,
    data_dir: str | Path | None = None,
    range: str | None = None,
    window: str | None = None,
    label: str = "",
) -> DataWords:
    """Data with what there is to say about them, for the other calls' `data`: docs/data.md.

    Either a name or file, or arrays: `images` uint8 or float [n, h, w, c], [n, h, w], or of signals [n, length,
    channels], and `labels` [n], whole numbers from 0 on or names. `split` are fractions, as ``transfer=0.2,
    validation=0.15,test=0.25``, or of arrays the part of each image [n]; `split_seed` decides which image is of which
    part. `range` (``LOW:HIGH``) says what becomes 0 and 255, `window` (``LENGTHxCHANNELS``) and `label` how a .csv is
    read; `data_dir` is the folder with the files of mnist or cifar10. Raises UsageError, one line, for what cannot be
    read or is none of this.
    """
    if (data is None) == (images is None) or (images is None) != (labels is None):
        raise UsageError("load_data takes a name or a file, or else images and labels")
    if images is not None and labels is not None:
        if isinstance(split, str | None):
            return in_memory.data(images, labels, None, split, split_seed, range)
        return in_memory.data(images, labels, split, None, split_seed, range)
    if not isinstance(split, str | None):
        raise UsageError("split is an array: that goes with arrays; of a file give fractions, or an array split in it")
    folder = None if data_dir is None else Path(data_dir)
    said = DataWords(str(data), folder, split, split_seed, range, window, label)
    sources.known(said.source())
    return said


def _data(data: Data | None, task: str | None = None) -> DataWords:
    said = data if isinstance(data, DataWords) else DataWords(None if data is None else str(data))
    return said if task is None else replace(said, task=task)


def _listed(methods: str | Iterable[str]) -> str:
    return methods if isinstance(methods, str) else ",".join(methods)


def _chip(profile: str | Path, clock: str | int | None) -> device.Device:
    chosen = device.load(profile)
    return chosen if clock is None else chosen.at_clock(device.clock(str(clock)))


def _unnamed(progress: Progress | None) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda done, todo: progress(done, todo, "")


def _as(kind: Callable[..., _Result], plain: Any, **more: Any) -> _Result:
    """The same data, of the class that has tables."""
    return kind(**{field.name: getattr(plain, field.name) for field in fields(plain)}, **more)
