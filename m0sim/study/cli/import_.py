"""``m0sim import``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from m0sim import files
from m0sim.cli import options, voice
from m0sim.cli.shared import emit, one_blas_thread
from m0sim.errors import UsageError
from m0sim.study.cli.shared import data
from m0sim.study.words import DataWords

if TYPE_CHECKING:
    from m0sim.study.learn.imported.importing import ImportedModel


@click.command("import")
@click.argument("model", metavar="MODEL", type=options.PATH, help="A float model as ONNX (.onnx).")
@data(None, "Images that calibrate and judge: digits, mnist, cifar10")
@click.option(
    "--calibrate", metavar="FILE", type=options.PATH, help="Instead of --data: a .npz with images; labels if there are."
)
@click.option("--input-range", metavar="LOW:HIGH", help="What the model takes for black and white: 0:1, or --range.")
@click.option("--mean", metavar="M[,M...]", help="What is subtracted from that, one number or one a channel.")
@click.option("--std", metavar="S[,S...]", help="What it is divided by then.")
@options.output("FILE", "The backbone to write, .npz.", default=Path("backbone.npz"))
@options.json_wanted
@voice.options
def import_(
    model: Path,
    data: DataWords,
    calibrate: Path | None,
    input_range: str | None,
    mean: str | None,
    std: str | None,
    output: Path,
    json_wanted: bool,
) -> None:
    """Make an int8 backbone of a float model: quantise its weights, calibrate its shifts, and say what that cost."""
    if (data.data_name is None) == (calibrate is None):
        raise UsageError("say which images choose the shifts: either --data NAME or FILE, or --calibrate FILE.npz")
    files.check_folder(output)
    one_blas_thread()
    from m0sim.study.learn import pretrain
    from m0sim.study.learn.imported import importing

    scaling = importing.scaling(input_range or data.range or "0:1", mean, std)
    result = importing.run(model, data.source(), calibrate, scaling, _command())
    pretrain.save(result.backbone, output)
    emit({**_json(result), "file": str(output)}, json_wanted, None)
    if not json_wanted:
        click.echo("\n".join([*_text(result), f"{output}: written"]))


def _command() -> str:
    """What was typed, for the record; files without their folders."""
    words: list[str] = []
    for name, value in click.get_current_context().params.items():
        if name == "model":
            words.insert(0, value.name)
        elif name not in ("output", "json_wanted") and value not in (None, "", 0):
            option = {"data_name": "data"}.get(name, name).replace("_", "-")
            words.append(f"--{option} {Path(value).name if isinstance(value, Path) or option == 'data' else value}")
    return " ".join(["m0sim import", *words])


def _json(result: ImportedModel) -> dict[str, Any]:
    layers = [
        {
            "node": layer.node,
            "layer": layer.layer,
            "weight_exponent": layer.exponent,
            "shift": layer.shift,
            "output_exponent": layer.output_exponent,
            "relative_error": layer.error,
            "sqnr_db": layer.decibels,
            "saturated": layer.saturated,
            "capped": layer.capped,
        }
        for layer in result.layers
    ]
    return {**result.backbone.record, "schema": 1, "layers": layers}


def _text(result: ImportedModel) -> list[str]:
    network = result.backbone.network
    record = result.backbone.record["imported"]
    lines = [
        f"{record['file']}: {result.words}",
        f"input {' x '.join(map(str, network.input_shape))}, {network.weights:,} weights, {network.macs:,} MACs",
        *(f"note: {note}" for note in result.notes),
        "",
        f"{'layer':28}{'weights':>9}{'shift':>7}{'output':>8}{'error':>9}{'SQNR':>9}{'at limit':>10}",
    ]
    for layer in result.layers:
        name = f"{layer.layer}  {layer.node}"
        name = name if len(name) <= 28 else f"{name[:26]}.."
        lines.append(
            f"{name:28}{f'2^{layer.exponent}':>9}{layer.shift:>7}{f'2^{layer.output_exponent}':>8}"
            f"{100 * layer.error:>7.2f} %{layer.decibels:>6.1f} dB{100 * layer.saturated:>8.2f} %"
        )
    lines += [
        "",
        f"shifts by {result.calibrated:,} images; channels {'equalised' if record['is_equalised'] else 'as they were'}",
    ]
    if accuracy := result.backbone.record["accuracy"]:
        before, after = accuracy["float32"], accuracy["quantised"]
        lines.append(
            f"accuracy on {result.judged:,} images: float {100 * before:.2f} %, int8 {100 * after:.2f} %, "
            f"difference {100 * (after - before):+.2f} points"
        )
    else:
        lines.append("no labels: no accuracy")
    return lines
