"""The curve of ``m0sim train``: accuracy against the seconds that the device spends."""

from __future__ import annotations

from matplotlib import style
from matplotlib.figure import Figure

from m0sim.study.learn.experiment.training import Training
from m0sim.study.report.drawing import BLUE, GREY, ORANGE, STYLE, to_bytes


def files(training: Training) -> dict[str, bytes]:
    """File name to contents: curve.png and curve.svg."""
    return {f"curve.{kind}": curve(training, kind) for kind in ("png", "svg")}


def curve(training: Training, kind: str = "svg") -> bytes:
    """Validation and test accuracy after every epoch; against epochs where no cycles were counted."""
    epochs, chip = training.progress.epochs, training.task.profile
    has_time = any(e.cycles for e in epochs)
    x = [0.0, *(chip.seconds(e.cycles) for e in epochs)] if has_time else [float(n) for n in range(len(epochs) + 1)]
    validation = [training.before[0], *(e.right_validation for e in epochs)]
    judged = [(0, training.before[1]), *((n, e.right_test) for n, e in enumerate(epochs, 1))]
    test = [(x[n], 100 * right / training.test) for n, right in judged if right is not None]
    with style.context(["default", STYLE]):
        figure = Figure(figsize=(6.4, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        axes.plot(*zip(*test, strict=True), color=BLUE, marker="o", markersize=3.5, label="test")
        shares = [100 * n / training.validation for n in validation]
        axes.plot(x, shares, color=ORANGE, marker="s", markersize=3, linewidth=1, label="validation")
        axes.axhline(test[0][1], color=GREY, linestyle=":", linewidth=1, label="no transfer (test)")
        axes.set_xlabel(f"seconds on {chip.name} at {chip.clock_hz / 1e6:g} MHz" if has_time else "epoch")
        axes.set_ylabel("accuracy, %")
        task = training.task
        axes.set_title(f"{task.setting.label}, {task.source.title} {task.transfer.words}", loc="left", fontsize=10)
        axes.legend(frameon=False, fontsize=8)
        return to_bytes(figure, kind)
