"""``m0sim sweep``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from m0sim.cli import options, voice
from m0sim.cli.shared import PointsBar, emit, one_blas_thread
from m0sim.errors import UsageError
from m0sim.study.cli.shared import needs


@click.command
@click.argument("target", metavar="SWEEP.toml|DIR", type=options.PATH, help="The grid: docs/sweep.md.")
@options.output("DIR", "Where the results are: results by default.")
@click.option("--scheduler", metavar="ADDRESS", help="Run on this Dask cluster, such as tcp://host:8786.")
@click.option("--jobs", "-j", type=int, default=0, help="Processes of this machine; one a core by default.")
@click.option("--engine", metavar="NAME", default="timed", help="timed: the only one that counts what a point needs.")
@click.option("--summary", is_flag=True, help="Run nothing: show the best of each budget and the front.")
@click.option("--retry", is_flag=True, help="Run the points again that failed.")
@options.json_wanted
@needs("matplotlib", "distributed", "pyarrow")
@voice.options
def sweep(
    target: Path,
    output: Path | None,
    scheduler: str | None,
    jobs: int,
    engine: str,
    summary: bool,
    retry: bool,
    json_wanted: bool,
) -> None:
    """Measure a grid of configurations on all cores, or on a cluster; a sweep that was stopped goes on."""
    one_blas_thread()
    from m0sim.chip.options import chosen_engine
    from m0sim.study.report import sweep_data
    from m0sim.study.whatif import grid, results
    from m0sim.study.whatif import sweep as sweeping

    chosen_engine(engine, "memory", "ideal")  # a step is held to its plan by the bytes that it touches
    if jobs < 0:
        raise UsageError(f"--jobs must be 1 or more, not {jobs}")
    if target.is_dir() and not summary:
        raise UsageError(f"{target}: is a folder of results: add --summary, or name the sweep's .toml to go on")
    folder = target if target.is_dir() else output or Path("results")
    path = target / sweeping.TOML_NAME if target.is_dir() else target
    if summary:
        outline = grid.outline(path)
        constraints, finished = outline.constraints, sweeping.Finished(tuple(results.read(folder)), outline.points)
    else:
        asked = grid.load(path)
        constraints = asked.constraints
        with PointsBar() as bar:
            finished = sweeping.run(asked, folder, scheduler=scheduler or "", jobs=jobs, retry=retry, progress=bar.show)
        _write(asked, finished, folder)
    if json_wanted:
        emit(sweep_data.to_json(constraints, finished), True, None)
        return
    from m0sim.report import text
    from m0sim.study.report import sweep_text

    text.show(sweep_text.summary(constraints, finished))


def _write(asked: Any, finished: Any, folder: Path) -> None:
    from m0sim import files
    from m0sim.study.report import sweep_html, sweep_plots

    files.write(folder / "sweep.html", sweep_html.page(asked, finished))
    drawn = sweep_plots.files(finished)
    for name, content in drawn.items():
        files.write(folder / name, content)
    for path in sweep_plots.left_over(folder, drawn):
        path.unlink(missing_ok=True)
    if finished.others:
        voice.note(f"the folder holds {finished.others} points of another sweep, which stay in points.jsonl")
    voice.note(f"written to {folder}: results.parquet, sweep.toml, sweep.html, and the front")
