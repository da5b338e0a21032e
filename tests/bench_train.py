"""How fast training runs on the simulated chip, on either engine, beside the time that the chip itself would take.

    taskset -c 0 python tests/bench_train.py [--data-dir MNIST]

Every method trains tiny-cnn on images turned by 30 degrees (tiny-cnn-8 on the bundled digits without --data-dir), at
the settings that `m0sim train` has. The engines take turns, round by round, from the same state; figures are medians of
the rounds. Not a test: what is printed depends on the machine. The last two columns are what to look at: host time
over device time, and time on the timed engine over time on Unicorn.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import median

from m0sim.chip.options import ENGINES
from m0sim.study.learn import methods
from m0sim.study.learn.experiment.setting import tuned
from m0sim.study.learn.experiment.training import Task, TrainingRun

_WARM_UP = 16
"""Steps in which an engine translates the kernels."""


def main() -> None:
    """Print two lines a method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", default=list(methods.integer_names()))
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--steps", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print("method          engine    ms a step   device ms   million cycles/s   of device time   timed/unicorn")
    for name in options.methods:
        run = _training(name, options.data_dir, options.steps)
        measured = [_round(run) for _ in range(options.rounds)]
        seconds = {engine: median(times[engine] for times, _ in measured) for engine in ENGINES}
        (cycles,) = {cycles for _, cycles in measured}
        device_seconds = run.task.profile.seconds(cycles)
        for engine, taken in seconds.items():
            ms, rate = 1e3 / options.steps, cycles / taken / 1e6
            ratio = f"{taken / seconds['unicorn']:16.2f}" if engine == "timed" else ""
            figures = f"{ms * taken:11.2f}{ms * device_seconds:12.2f}{rate:19,.0f}{taken / device_seconds:17.3f}{ratio}"
            print(f"{name:16}{engine:8}{figures}", flush=True)


def _training(method: str, data_dir: Path | None, steps: int) -> TrainingRun:
    network, data = ("tiny-cnn", "mnist") if data_dir else ("tiny-cnn-8", "digits")
    setting = tuned(method, None, {})
    task = Task(network, data, setting, data_dir=data_dir, images=steps, validation_images=1, test_images=1)
    return TrainingRun(task)


def _round(run: TrainingRun) -> tuple[dict[str, float], int]:
    """Seconds of CPU by engine, and the cycles of the steps, which are the same on both."""
    seconds, counted = {}, set()
    samples = list(zip(run.transfer.images, run.transfer.labels.tolist(), strict=True))
    for engine in ENGINES:
        chip = run.deployment.program(run.model.initial())
        for image, label in samples[:_WARM_UP]:
            chip.count_step(image, label, engine)
        began = time.process_time()
        counted.add(sum(chip.count_step(image, label, engine) for image, label in samples))
        seconds[engine] = time.process_time() - began
    (cycles,) = counted
    return seconds, cycles


if __name__ == "__main__":
    main()
