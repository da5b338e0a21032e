"""``m0sim pretrain``."""

from __future__ import annotations

from pathlib import Path

import click

from m0sim import files
from m0sim.cli import options, voice
from m0sim.cli.shared import Bar, emit, one_blas_thread
from m0sim.study.cli.shared import data, resuming
from m0sim.study.words import DataWords


@click.command
@click.option(
    "--network",
    default="tiny-cnn-8",
    help="A name (tiny-cnn, tiny-cnn-8, mlp, lenet, vgg11...) or FILE.toml.",
)
@data("digits", "digits (bundled), mnist, cifar10")
@click.option("--seed", type=int, default=0, help="Of initial weights and the order of images.")
@click.option("--note", default="", help="What a reader must know of the data; kept in the record.")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint beside FILE.")
@options.output("FILE", "The .npz to write.", default=Path("backbone.npz"))
@options.json_wanted
@voice.options
def pretrain(
    network: str, data: DataWords, seed: int, note: str, resume: bool, output: Path, json_wanted: bool
) -> None:
    """Train a backbone on upright images in NumPy, quantise it, calibrate its shifts, and write it as one .npz."""
    files.check_folder(output)  # better before than after the training
    one_blas_thread()
    from m0sim.study import runs
    from m0sim.study.learn import network_files, pretrain_checkpoint, sources
    from m0sim.study.learn.pretrain import Pretraining

    source, chosen = data.source(), network_files.find(network).network
    images = sources.load(source, chosen)
    training = Pretraining(chosen, images, seed, note)
    try:
        with Bar(0) as bar:
            backbone = runs.pretrain(training, output, bar.share, resume=resume)
    except KeyboardInterrupt:
        kept = pretrain_checkpoint.path_for(output)
        if kept is None or not kept.exists():
            raise
        click.echo(f"m0sim: interrupted; resume with: {resuming()}", err=True)
        raise click.exceptions.Exit(1) from None
    record = dict(backbone.record)
    emit({**record, "schema": 1, "file": str(output)}, json_wanted, None)
    if not json_wanted:
        accuracy = record["accuracy"]
        shares = ", ".join(f"{100 * value:.2f} % {name}" for name, value in accuracy.items())
        click.echo(f"{output}: {chosen.name} on {images.name}, upright test accuracy {shares}")
