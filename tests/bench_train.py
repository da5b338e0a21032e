"""How fast training runs on the simulated chip, beside the time that the chip itself would take.

    taskset -c 0 python tests/bench_train.py [--data-dir MNIST]

Every method trains tiny-cnn on images turned by 30 degrees (tiny-cnn-8 on the bundled digits without --data-dir), at
the settings that `m0sim train` has. Not a test: what is printed depends on the machine. The last column is what to
look at: host time over device time.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from m0sim.study.learn import methods
from m0sim.study.learn.experiment.setting import tuned
from m0sim.study.learn.experiment.training import Task, TrainingRun

_WARM_UP = 16
"""Steps in which the emulator translates the kernels."""


def main() -> None:
    """Print a line a method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", default=list(methods.integer_names()))
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--steps", type=int, default=512)
    options = parser.parse_args()
    print("method             ms a step   device ms   million cycles/s   of device time")
    for name in options.methods:
        seconds, device_seconds, cycles = _measure(name, options.data_dir, options.steps)
        ms, rate = 1e3 / options.steps, cycles / seconds / 1e6
        figures = f"{ms * seconds:12.2f}{ms * device_seconds:12.2f}{rate:19,.0f}{seconds / device_seconds:17.3f}"
        print(f"{name:16}{figures}", flush=True)


def _measure(method: str, data_dir: Path | None, steps: int) -> tuple[float, float, int]:
    """Seconds of CPU, seconds of the device, and cycles, of so many steps."""
    network, data = ("tiny-cnn", "mnist") if data_dir else ("tiny-cnn-8", "digits")
    setting = tuned(method, None, {})
    run = TrainingRun(Task(network, data, setting, data_dir=data_dir, images=steps, validation_images=1, test_images=1))
    chip = run.deployment.program(run.model.initial())
    samples = list(zip(run.transfer.images, run.transfer.labels.tolist(), strict=True))
    for image, label in samples[:_WARM_UP]:
        chip.step(image, label)
    began = time.process_time()
    cycles = sum(chip.step(image, label) for image, label in samples)
    return time.process_time() - began, run.task.profile.seconds(cycles), cycles


if __name__ == "__main__":
    main()
