"""The curve of ``m0sim train``: accuracy against the seconds that the device spends."""

from __future__ import annotations

from functools import partial

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from m0sim.report.units import count
from m0sim.study.learn.experiment.training import Epoch, Training
from m0sim.study.report import drawing
from m0sim.study.report.drawing import BLUE, GREY, ORANGE, STYLE, WIDE, Plot, dot_tip, to_bytes, wrapped


def plots(training: Training) -> dict[str, tuple[str, Plot]]:
    """The plot by its name, ``curve``, with its title."""
    return {"curve": ("Accuracy by epoch", partial(curve, training))}


def files(training: Training) -> dict[str, bytes]:
    """File name to contents: curve.png and curve.svg."""
    return drawing.files(plots(training))


def curve(training: Training, kind: str = "svg", width: float = WIDE) -> bytes:
    """Validation and test accuracy after every epoch; against epochs where no cycles were counted."""
    epochs, chip = training.progress.epochs, training.task.profile
    has_time = any(e.cycles for e in epochs)
    x = [0.0, *(chip.seconds(e.cycles) for e in epochs)] if has_time else [float(n) for n in range(len(epochs) + 1)]
    validation = [training.before[0], *(e.right_validation for e in epochs)]
    judged = [(0, training.before[1]), *((n, e.right_test) for n, e in enumerate(epochs, 1))]
    test = [(x[n], 100 * right / training.test) for n, right in judged if right is not None]
    with style.context(["default", STYLE]):
        figure = Figure(figsize=(width, 4.2 if width >= WIDE else 3.4), layout="constrained")
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        axes.plot(*zip(*test, strict=True), color=BLUE, marker="o", markersize=3.5, label="test")
        shares = [100 * n / training.validation for n in validation]
        axes.plot(x, shares, color=ORANGE, marker="s", markersize=3, linewidth=1, label="validation")
        for number, right in enumerate(validation):
            _tip(axes, x[number], right, training.validation, f"{_when(number, epochs)}: {{}} validation images")
        for number, right in ((n, right) for n, right in judged if right is not None):
            _tip(axes, x[number], right, training.test, f"{_when(number, epochs)}: {{}} test images")
        axes.axhline(test[0][1], color=GREY, linestyle=":", linewidth=1, label="no transfer (test)")
        axes.set_xlabel(f"seconds on {chip.name} at {chip.clock_hz / 1e6:g} MHz" if has_time else "epoch")
        axes.set_ylabel("accuracy, %")
        task = training.task
        title = f"{task.setting.label}, {task.source.title} {task.transfer.words}"
        axes.set_title(wrapped(title, width - 0.6, 10), loc="left", fontsize=10)
        figure.legend(loc="outside lower left", ncols=3, frameon=False, fontsize=8)
        return to_bytes(figure, kind)


def _when(number: int, epochs: list[Epoch]) -> str:
    if number == 0:
        return "before"
    cycles = epochs[number - 1].cycles
    return f"epoch {number}, {count(cycles)} cycles" if cycles else f"epoch {number}"


def _tip(axes: Axes, x: float, right: int, images: int, words: str) -> None:
    share = 100 * right / images
    dot_tip(axes, x, share, words.format(f"{share:.2f} %, {count(right)} of {count(images)}"))
