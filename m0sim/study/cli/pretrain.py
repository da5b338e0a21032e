"""``m0sim pretrain``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from m0sim import files
from m0sim.cli.shared import SETTINGS, Bar, DataDirectory, Json, app, emit, one_blas_thread


@app.command(context_settings=SETTINGS)
def pretrain(
    network: Annotated[str, typer.Option(help="The network to train.")] = "tiny-cnn-8",
    data_name: Annotated[str, typer.Option("--data", help="digits (bundled), mnist or cifar10.")] = "digits",
    data_dir: DataDirectory = None,
    seed: Annotated[int, typer.Option(help="Of initial weights and the order of images.")] = 0,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The .npz to write.")] = Path(
        "backbone.npz"
    ),
    json_wanted: Json = False,
) -> None:
    """Train a backbone on upright images in NumPy, quantise it, calibrate its shifts, and write it as one .npz."""
    files.check_folder(output)  # better before than after the training
    one_blas_thread()
    from m0sim.study.learn import datasets, networks
    from m0sim.study.learn import pretrain as training

    images = datasets.load(data_name, data_dir)
    with Bar(0) as bar:
        backbone = training.pretrain(networks.get(network), images, seed, bar.share)
    training.save(backbone, output)
    record = dict(backbone.record)
    emit({**record, "schema": 1, "file": str(output)}, json_wanted, None)
    if not json_wanted:
        accuracy = record["accuracy"]
        shares = ", ".join(f"{100 * value:.2f} % {name}" for name, value in accuracy.items())
        typer.echo(f"{output}: {network} on {data_name}, upright test accuracy {shares}")
