"""``m0sim budget``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from m0sim import files
from m0sim.cli.shared import SETTINGS, Bar, DataDirectory, Json, Profile, app, emit, make_folder, one_blas_thread


@app.command(context_settings=SETTINGS)
def budget(
    sram: Annotated[str, typer.Option(metavar="SIZES", help="Budgets such as 16K,64K, or banks: 256K+4K+4K.")],
    network: Annotated[str, typer.Option(help="tiny-cnn, tiny-cnn-8, mlp, lenet or vgg11.")] = "tiny-cnn",
    methods: Annotated[str, typer.Option(help="Methods, separated by commas, or all.")] = "all",
    solve: Annotated[
        str, typer.Option(metavar="[KNOB]", help="The most that fits: fraction (default), width or layers.")
    ] = "",
    fraction: Annotated[float | None, typer.Option(help="Share of the edges that priot-s scores (0.1).")] = None,
    mask: Annotated[str | None, typer.Option(help="How PRIOT keeps its mask: fused (default), bits, copy.")] = None,
    weights: Annotated[str | None, typer.Option(help="Where frozen weights are: flash (default) or sram.")] = None,
    trained: Annotated[int | None, typer.Option(metavar="K", help="Only the last K layers learn; 0 for all.")] = None,
    width: Annotated[float, typer.Option(help="Times the network's channels.")] = 1.0,
    batch: Annotated[int, typer.Option(help="Images whose gradients add up before an update; planned only.")] = 1,
    reuse: Annotated[bool, typer.Option("--reuse/--no-reuse", help="Let tensors share bytes over time.")] = True,
    stack_reserve: Annotated[
        str, typer.Option(metavar="SIZE", help="Stack to set aside; what the kernels need by default.")
    ] = "",
    profile: Profile = "rp2040",
    data_name: Annotated[
        str, typer.Option("--data", help="Images to measure on: digits, mnist, cifar10 or random.")
    ] = "",
    data_dir: DataDirectory = None,
    plan_only: Annotated[bool, typer.Option("--plan-only", help="Run nothing: no cycles, at once.")] = False,
    json_wanted: Json = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR|FILE.json", help="Write JSON, HTML and pictures, or the JSON."),
    ] = None,
) -> None:
    """What can be trained in so much SRAM, what it costs, and the best that fits."""
    one_blas_thread()
    from m0sim.chip import device
    from m0sim.study.learn import networks
    from m0sim.study.report import budget_data
    from m0sim.study.whatif import budget as asking
    from m0sim.study.whatif import sizes
    from m0sim.study.whatif.measure import Bench, images_of
    from m0sim.study.whatif.solve import knob

    knobs = asking.Knobs(width, trained, fraction, mask, weights, reuse, batch)
    question = asking.Question(
        network,
        asking.chosen_methods(methods, knobs, network),
        sizes.rooms(sram),
        device.load(profile),
        knobs,
        sizes.size(stack_reserve, "--stack-reserve") if stack_reserve else 0,
        knob(solve) if solve else None,
    )
    if output is not None and output.suffix != ".json":
        make_folder(output)
    else:
        files.check_folder(output)
    bench = None if plan_only else Bench(question.device, images_of(networks.get(network), data_name, data_dir))
    with Bar(0) as bar:
        result = asking.answer(question, bench, bar.share)
    if methods == "all" and "fp32" not in question.methods:
        some = asking.trains_some(knobs, network)
        why = "it trains all layers or none" if some else "compiling it needs m0sim[toolchain]"
        typer.echo(f"m0sim: fp32 is left out: {why}", err=True)
    if output is not None:
        _write(result, output)
    if json_wanted:
        emit(budget_data.to_json(result), True, None)
        return
    from m0sim.report import text
    from m0sim.study.report import budget_text

    text.show(budget_text.budget(result))


def _write(result: Any, output: Path) -> None:
    from m0sim.study.report import budget_data

    if output.suffix == ".json":
        emit(budget_data.to_json(result), False, output)
        return
    from m0sim.study.report import budget_html, budget_plots

    emit(budget_data.to_json(result), False, output / "budget.json")
    files.write(output / "budget.html", budget_html.page(result))
    for name, content in budget_plots.files(result).items():
        files.write(output / name, content)
    typer.echo(f"m0sim: written to {output}: budget.json, budget.html, and the pictures as PNG and SVG", err=True)
