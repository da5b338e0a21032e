"""How long a step of the golden model takes, and an image where accuracy is measured.

    OPENBLAS_NUM_THREADS=1 python tests/bench_golden.py vgg11-quarter cifar10 --data-dir DIR [--backbone FILE]

Images are turned by 30 degrees. A step is made several times from the same state on each of some images: the figure is
the mean over the images of the fastest time each, CPU time of one thread. Not a test: what is printed depends on the
machine. With PYTHONPATH=CHECKOUT it measures another version, for a ratio: let the two take turns.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean

from m0sim.study.learn import methods
from m0sim.study.learn.experiment.setting import Setting, tuned
from m0sim.study.learn.experiment.training import Task, TrainingRun

_STEPS = 8
"""Images that steps are timed on, and steps before them."""


def main() -> None:
    """Print one line a method, and one for NITI of the last layer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", nargs="?", default="tiny-cnn-8")
    parser.add_argument("data", nargs="?", default="digits")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--backbone", type=Path)
    parser.add_argument("--rounds", type=int, default=25)
    options = parser.parse_args()
    settings = [tuned(name, None, {}) for name in methods.integer_names()]
    settings.append(Setting("niti-static", 0, {"trained": 1}))
    print("method                                        ms a step   ms an image")
    for setting in settings:
        source = {"data_dir": options.data_dir, "backbone": options.backbone}
        task = Task(options.network, options.data, setting, **source, engine="golden")
        step, image = _milliseconds(TrainingRun(task), options.rounds)
        print(f"{setting.label:46}{step:9.2f}{image:14.3f}", flush=True)


def _milliseconds(run: TrainingRun, rounds: int) -> tuple[float, float]:
    state, samples = run.model.initial(), list(zip(run.transfer.images, run.transfer.labels.tolist(), strict=True))
    for image, label in samples[:_STEPS]:
        state = run.model.step(state, image, label)
    timed = samples[_STEPS : 2 * _STEPS]
    steps = [_fastest(lambda one=one: run.model.step(state, *one), rounds) for one in timed]
    part = run.transfer.first(128)
    return 1e3 * mean(steps), 1e3 * _fastest(lambda: run.model.right(state, part), 3) / len(part)


def _fastest(work: Callable[[], object], rounds: int) -> float:
    """Seconds."""
    times = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


if __name__ == "__main__":
    main()
