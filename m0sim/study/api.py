"""The study as plain calls: the verbs of the command line, their options as keywords, their results as data.

Names and defaults are the command line's (a - is a _), and so are the errors: `UsageError`, one line, which names an
option as it is typed there. What does not fit is refused before anything runs. Results are the data classes that
everything else works with, and have `table` (rows for a data frame) and `to_dict` (the verb's JSON object).

What is common to the calls:

* `network`: a name (tiny-cnn, tiny-cnn-8, mlp, lenet, vgg11).
* `data`: a name (digits, mnist, cifar10, random), the path of a file, or what `load_data` gives.
* `task`: what is to be learned: ``rotate:30``, ``noise:SIGMA``, ``contrast:FACTOR``, ``none``, or other data's path.
* `methods`: names in a list, or as one text with commas; ``all``: every one that can train the network here.
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

from m0sim.chip import device
from m0sim.study import tasks
from m0sim.study.answers import Budget, Comparison
from m0sim.study.learn import side_by_side
from m0sim.study.whatif import budget as budgets
from m0sim.study.words import DataWords, MemoryWords

Progress = Callable[[int, int, str], None]
Data = str | Path | DataWords
"""How a caller may name data."""

_Result = TypeVar("_Result")


def compare(
    network: str | None = None,
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
    digits where the network takes them, and noise else: cycles hardly depend on them. A method that ``all`` leaves out
    is a warning that says why. Raises UsageError for what is unknown, out of range or does not go together.
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
    network: str = "tiny-cnn",
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
    last so many layers learn. With `plan_only` nothing runs: there are no cycles, and it takes no time. A method that
    ``all`` leaves out is a warning that says why. Raises UsageError for what is unknown, out of range or does not go
    together.
    """
    said, memory = _data(data), MemoryWords(mask, scratch, form, weights)
    listed = _listed(methods)
    knobs = {"width": width, "trained": trained, "fraction": fraction, "reuse": reuse, "batch": batch}
    asked = tasks.question(
        str(sram),
        network,
        listed,
        memory,
        _chip(profile, clock),
        solve=solve,
        stack_reserve=None if stack_reserve is None else str(stack_reserve),
        **knobs,
    )
    for line in tasks.left_out(listed, asked):
        warnings.warn(line, stacklevel=2)
    bench = None if plan_only else tasks.bench(asked, said)
    tell = None if progress is None else lambda done, todo: progress(done, todo, "")
    return _as(Budget, budgets.answer(asked, bench, tell))


def load_data(
    data: str | Path,
    *,
    data_dir: str | Path | None = None,
    split: str | None = None,
    split_seed: int = 0,
    range: str | None = None,
    window: str | None = None,
    label: str = "",
) -> DataWords:
    """Data with what there is to say about them, for the other calls' `data`: docs/data.md.

    `data_dir` is the folder with the files of mnist or cifar10; `split` (``transfer=0.2,validation=0.15,test=0.25``)
    and `split_seed` divide a file of one's own, `range` (``LOW:HIGH``) says what becomes 0 and 255, `window`
    (``LENGTHxCHANNELS``) and `label` how a .csv is read. Raises UsageError, one line, for words that are none; the
    files are read when a network is known.
    """
    folder = None if data_dir is None else Path(data_dir)
    said = DataWords(str(data), folder, split, split_seed, range, window, label)
    said.source()  # what is wrong with the words is said here
    return said


def _data(data: Data | None, task: str | None = None) -> DataWords:
    said = data if isinstance(data, DataWords) else DataWords(None if data is None else str(data))
    return said if task is None else replace(said, task=task)


def _listed(methods: str | Iterable[str]) -> str:
    return methods if isinstance(methods, str) else ",".join(methods)


def _chip(profile: str | Path, clock: str | int | None) -> device.Device:
    chosen = device.load(profile)
    return chosen if clock is None else chosen.at_clock(device.clock(str(clock)))


def _as(kind: Callable[..., _Result], plain: Any) -> _Result:
    """The same data, of the class that has tables."""
    return kind(**{field.name: getattr(plain, field.name) for field in fields(plain)})
