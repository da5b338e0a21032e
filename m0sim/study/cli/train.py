"""``m0sim train``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from m0sim import files
from m0sim.cli import options, voice
from m0sim.cli.shared import Bar, emit, one_blas_thread
from m0sim.errors import UsageError
from m0sim.study.cli.shared import data, memory, needs, resuming
from m0sim.study.words import DataWords, MemoryWords

if TYPE_CHECKING:
    from m0sim.study.learn.experiment.training import Training
    from m0sim.study.learn.methods import Method
    from m0sim.study.learn.pretrain import Backbone


@click.command
@click.option(
    "--method", help="niti-static, priot, priot-s, ..., or FILE.py:CLASS (the recipe recommended for the network)."
)
@click.option("--network", help="tiny-cnn, tiny-cnn-8, FILE.toml with --backbone, or a backbone FILE.npz.")
@data("digits", "digits (bundled), mnist, cifar10", task=True)
@click.option("--rotate", type=float, metavar="DEGREES", help="The same as --task rotate:DEGREES.")
@click.option("--images", type=int, default=0, help="Training images; 0 for all of the transfer part.")
@click.option("--epochs", type=int, default=10, help="Times that they are seen.")
@click.option("--seed", type=int, default=0, help="Of scores, scored edges and the order of images.")
@click.option("--shift", type=int, metavar="N", help="Divide the calibrated learning rate by 2**N; default: tuned.")
@click.option("--trained", type=int, metavar="K", help="Only the last K layers learn; 0 for all.")
@click.option("--keep", type=float, help="Share of the scored edges that top-k keeps.")
@click.option("--theta", type=int, help="Score from which on the threshold keeps an edge.")
@click.option("--deviation", type=int, help="Standard deviation of the initial scores (32).")
@click.option("--prune", help="priot-s: top-k or threshold.")
@click.option("--fraction", type=float, help="priot-s: share of the edges that are scored.")
@click.option("--selection", help="priot-s: which edges are scored, random, largest or sensitive.")
@click.option("--spread", help="priot-s: how layers share them, even or root.")
@click.option("--sharpness", type=int, metavar="N", help="The loss sees the logits times 2**N; default 0.")
@click.option("--cool", type=int, metavar="N", help="Halve the learning rate every N steps; default: never.")
@click.option("--refresh", type=int, metavar="N", help="Renew the cut of top-k every N steps; default 1.")
@click.option("--option", "own", multiple=True, metavar="NAME=VALUE", help="Any option of the method, by its name.")
@click.option(
    "--engine",
    default="device",
    metavar="NAME",
    help="device, or unicorn (the same) or timed: every step runs on the chip; golden: same bytes, cycles estimated.",
)
@click.option("--validation-images", type=int, default=0, help="The first so many; 0 for all.")
@click.option("--test-images", default="all", help="all, first1024, or a number: the first so many.")
@click.option("--backbone", type=options.PATH, metavar="FILE", help="Of m0sim pretrain.")
@memory
@options.profile
@click.option("--resume", is_flag=True, help="Go on from the checkpoint in DIR.")
@options.json_wanted
@click.option("--html", "html_file", type=options.PATH, metavar="FILE", help="Write a report for a browser.")
@options.output("DIR", "Where results and checkpoint go.")
@needs("matplotlib")
@voice.options
def train(
    method: str | None,
    network: str | None,
    data: DataWords,
    rotate: float | None,
    images: int,
    epochs: int,
    seed: int,
    shift: int | None,
    engine: str,
    validation_images: int,
    test_images: str,
    backbone: Path | None,
    own: tuple[str, ...],
    memory: MemoryWords,
    profile: str,
    resume: bool,
    json_wanted: bool,
    html_file: Path | None,
    output: Path | None,
    **settings: Any,
) -> None:
    """Let a backbone learn rotated images on the chip: accuracy, cycles and memory by epoch."""
    one_blas_thread()
    from m0sim.study import runs, tasks
    from m0sim.study.learn import methods

    name, _ = tasks.method_of(method, network, data, backbone)
    given = {name: value for name, value in settings.items() if value is not None}
    given |= _own_options(own, methods.get(name), given)
    task = tasks.training(
        method,
        network,
        data,
        memory,
        rotate=rotate,
        shift=shift,
        settings=given,
        engine=engine,
        test_images=test_images,
        backbone=backbone,
        profile=profile,
        images=images,
        epochs=epochs,
        seed=seed,
        validation_images=validation_images,
    )
    files.check_folder(html_file)  # better refused before the work than after it
    with Bar(0) as bar:
        training, learned = runs.train(task, output, bar.share, resume=resume)
    if html_file is not None:
        from m0sim.study.report import train_html

        files.write(html_file, train_html.page(training))
    _show(training, learned, json_wanted, output)
    if not training.is_finished:
        raise click.exceptions.Exit(1)


def _own_options(typed: tuple[str, ...], method: Method, others: Mapping[str, Any]) -> dict[str, Any]:
    """Options from NAME=VALUE. What is none of the method's stays a text, and is refused with the others."""
    found: dict[str, Any] = {}
    for text in typed:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise UsageError(f"--option {text}: must be NAME=VALUE, such as --option cool=1000")
        if name in found or name in others:
            raise UsageError(f"--option {text}: {name} is given twice")
        found[name] = method.options[name].parse(value) if name in method.options else value
    return found


def _show(training: Training, learned: Backbone | None, json_wanted: bool, output: Path | None) -> None:
    from m0sim.report import text
    from m0sim.study.report import train_data, train_plots, train_text

    if output is not None:
        for name, content in train_plots.files(training).items():
            files.write(output / name, content)
    if json_wanted:
        emit(train_data.to_json(training), True, None)
    else:
        text.show(train_text.train(training))
    if not training.is_finished:
        where = "give -o DIR next time to be able to resume" if output is None else f"resume with: {resuming()}"
        click.echo(f"m0sim: interrupted; {where}", err=True)
    elif output is not None and not json_wanted and not voice.is_quiet():
        network = "" if learned is None else ", learned.npz"
        click.echo(f"\nwritten to {output}: train.json, state.npz{network}, curve.png, curve.svg, checkpoint.npz")
