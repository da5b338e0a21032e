"""``m0sim export-model``."""

from __future__ import annotations

from pathlib import Path

import click

from m0sim import files
from m0sim.cli import options
from m0sim.cli.shared import emit, one_blas_thread
from m0sim.errors import UsageError


@click.command("export-model")
@click.argument("model", metavar="MODEL", type=options.PATH, help="A backbone, or a folder of m0sim train.")
@options.output("DIR", "The folder to write.")
@options.json_wanted
def export_model(model: Path, output: Path | None, json_wanted: bool) -> None:
    """Write a network as a folder of C that compiles by itself, and as ONNX with int8 scales."""
    if output is None:
        raise UsageError("say where to with -o DIR")
    files.make_folder(output)
    one_blas_thread()
    from m0sim.study.learn import network_files
    from m0sim.study.learn.experiment.checkpoint import LEARNED
    from m0sim.study.learn.exported import c_source, inference, qdq

    backbone = network_files.find(model / LEARNED if model.is_dir() else model).start
    planned = inference.plan(backbone)
    graph = qdq.model(backbone).SerializeToString()
    found: dict[str, str | bytes] = {**c_source.files(backbone, planned), "model.onnx": graph}
    for name, content in found.items():
        files.write(output / name, content)
    network, plan = backbone.network, planned.plan
    record = {
        "schema": 1,
        "network": network.name,
        "folder": str(output),
        "files": sorted(found),
        "inputs": list(network.input_shape),
        "classes": network.classes,
        "logit_exponent": backbone.config.logit_exponent,
        "sram_bytes": plan.sram_bytes,
        "flash_bytes": plan.most_flash_bytes,
        "stack_bytes": planned.stack_bytes,
        "kernels": sorted({op.kernel for op in plan.step.ops}),
    }
    emit(record, json_wanted, None)
    if not json_wanted:
        sources = sum(name.endswith(".S") for name in found)
        click.echo(f"{output}: model.c, model.h, m0k.h, Makefile and {sources} kernels; model.onnx")
        click.echo(
            f"{network.name}: {plan.sram_bytes:,} bytes of SRAM, {plan.most_flash_bytes:,} bytes of constants, "
            f"{planned.stack_bytes} bytes of stack"
        )
