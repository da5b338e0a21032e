"""``m0sim train``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from m0sim import files
from m0sim.cli.shared import SETTINGS, Bar, DataDirectory, Json, Profile, app, emit, make_folder, one_blas_thread
from m0sim.errors import UsageError

if TYPE_CHECKING:
    from m0sim.study.learn.experiment.training import Run, Task, Training

Folder = Annotated[Path | None, typer.Option("--output", "-o", metavar="DIR", help="Where results and checkpoint go.")]


@app.command(context_settings=SETTINGS)
def train(
    method: Annotated[str, typer.Option(help="niti-static, niti-dynamic, priot, priot-threshold, priot-s, ...")],
    network: Annotated[str, typer.Option(help="tiny-cnn, tiny-cnn-8, or one that --backbone has.")] = "",
    data_name: Annotated[str, typer.Option("--data", help="digits (bundled), mnist or cifar10.")] = "digits",
    data_dir: DataDirectory = None,
    rotate: Annotated[float, typer.Option(metavar="DEGREES", help="What is to be learned.")] = 30.0,
    images: Annotated[int, typer.Option(help="Training images; 0 for all of the transfer part.")] = 0,
    epochs: Annotated[int, typer.Option(help="Times that they are seen.")] = 10,
    seed: Annotated[int, typer.Option(help="Of scores, scored edges and the order of images.")] = 0,
    shift: Annotated[
        int | None, typer.Option(metavar="N", help="Divide the calibrated learning rate by 2**N; default: tuned.")
    ] = None,
    trained: Annotated[int | None, typer.Option(metavar="K", help="Only the last K layers learn; 0 for all.")] = None,
    keep: Annotated[float | None, typer.Option(help="Share of the scored edges that top-k keeps.")] = None,
    theta: Annotated[int | None, typer.Option(help="Score from which on the threshold keeps an edge.")] = None,
    deviation: Annotated[int | None, typer.Option(help="Standard deviation of the initial scores (32).")] = None,
    prune: Annotated[str | None, typer.Option(help="priot-s: top-k or threshold.")] = None,
    fraction: Annotated[float | None, typer.Option(help="priot-s: share of the edges that are scored.")] = None,
    selection: Annotated[
        str | None, typer.Option(help="priot-s: which edges are scored, random, largest or sensitive.")
    ] = None,
    spread: Annotated[str | None, typer.Option(help="priot-s: how layers share them, even or root.")] = None,
    sharpness: Annotated[
        int | None, typer.Option(metavar="N", help="The loss sees the logits times 2**N; default 0.")
    ] = None,
    cool: Annotated[
        int | None, typer.Option(metavar="N", help="Halve the learning rate every N steps; default: never.")
    ] = None,
    refresh: Annotated[
        int | None, typer.Option(metavar="N", help="Renew the cut of top-k every N steps; default 1.")
    ] = None,
    engine: Annotated[
        str, typer.Option(help="device: every step runs on the chip; golden: same bytes, cycles estimated.")
    ] = "device",
    validation_images: Annotated[int, typer.Option(help="The first so many; 0 for all.")] = 0,
    test_images: Annotated[str, typer.Option(help="all, first1024, or a number: the first so many.")] = "all",
    backbone: Annotated[Path | None, typer.Option(metavar="FILE", help="Of m0sim pretrain.")] = None,
    mask: Annotated[str, typer.Option(help="How PRIOT keeps its mask: fused, bits or copy.")] = "fused",
    weights: Annotated[str, typer.Option(help="Where frozen weights are: flash or sram.")] = "flash",
    profile: Profile = "rp2040",
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in DIR.")] = False,
    json_wanted: Json = False,
    output: Folder = None,
) -> None:
    """Let a backbone learn rotated images on the chip: accuracy, cycles and memory by epoch."""
    one_blas_thread()
    from m0sim.chip import device
    from m0sim.study.learn.experiment.setting import tuned
    from m0sim.study.learn.experiment.training import Run, Task
    from m0sim.study.learn.onchip import Options

    options = {
        "trained": trained,
        "keep": keep,
        "theta": theta,
        "deviation": deviation,
        "prune": prune,
        "fraction": fraction,
        "selection": selection,
        "spread": spread,
        "sharpness": sharpness,
        "cool": cool,
        "refresh": refresh,
    }
    given = {name: value for name, value in options.items() if value is not None}
    task = Task(
        network=network or {"digits": "tiny-cnn-8", "cifar10": "vgg11"}.get(data_name, "tiny-cnn"),
        data=data_name,
        setting=tuned(method, shift, given),
        data_dir=data_dir,
        angle=rotate,
        seed=seed,
        images=images,
        epochs=epochs,
        validation_images=validation_images,
        test_images=_test_images(test_images),
        engine=engine,
        backbone=backbone,
        profile=device.load(profile),
        options=Options(mask_form=mask, weights_place=weights),
    )
    if resume and output is None:
        raise UsageError("--resume needs the folder to resume from: -o DIR")
    if output is not None:
        make_folder(output)
    run = Run(task, _progress(task, output) if resume else None)
    training = _train(run, output)
    _show(training, json_wanted, output)
    if not training.is_finished:
        raise typer.Exit(1)


def _test_images(text: str) -> int:
    if text == "all":
        return 0
    digits = text.removeprefix("first")
    if not digits.isdecimal() or int(digits) < 1:
        raise UsageError(f"--test-images must be all, first1024 or a number from 1 on, not {text!r}")
    return int(digits)


def _progress(task: Task, output: Path | None) -> Any:
    from m0sim.study.learn.experiment import checkpoint, training

    assert output is not None
    return checkpoint.load(output, training.complete(task))


def _train(run: Run, output: Path | None) -> Training:
    from m0sim.study.learn.experiment import checkpoint
    from m0sim.study.learn.experiment.interrupt import noticing

    def keep(progress: Any) -> None:
        if output is not None:
            checkpoint.save(output, run.task, progress)

    with Bar(0) as bar, noticing() as stop:
        return run.train(bar.share, keep, stop)


def _show(training: Training, json_wanted: bool, output: Path | None) -> None:
    from m0sim.report import text
    from m0sim.study.report import train_data, train_text

    if output is not None:
        _write(training, output)
    if json_wanted:
        emit(train_data.to_json(training), True, None)
    else:
        text.show(train_text.train(training))
    if not training.is_finished:
        where = "give -o DIR next time to be able to resume" if output is None else f"resume with: {_resuming()}"
        typer.echo(f"m0sim: interrupted; {where}", err=True)
    elif output is not None and not json_wanted:
        typer.echo(f"\nwritten to {output}: train.json, state.npz, curve.png, curve.svg, checkpoint.npz")


def _resuming() -> str:
    words = [word for word in sys.argv[1:] if word != "--resume"]
    return shlex.join(["m0sim", *words, "--resume"])


def _write(training: Training, output: Path) -> None:
    from m0sim.study.learn.experiment import checkpoint
    from m0sim.study.report import train_data, train_plots

    checkpoint.save_state(output, training.progress.arrays)
    emit(train_data.to_json(training), False, output / "train.json")
    for name, content in train_plots.files(training).items():
        files.write(output / name, content)
