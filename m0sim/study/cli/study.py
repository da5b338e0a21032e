"""``m0sim study``."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from m0sim import files
from m0sim.cli import options, voice
from m0sim.cli.shared import Bar, emit, one_blas_thread
from m0sim.errors import UsageError
from m0sim.study.cli.shared import needs


@click.command
@click.argument("study_file", metavar="STUDY.toml", type=options.PATH, help="Methods, angles, seeds: docs/study.md.")
@options.output("DIR", "Journal and results; finished runs there are kept.", required=True)
@options.data_dir
@click.option(
    "--engine", metavar="NAME", default="unicorn", help="Runs measured steps: unicorn or timed, same figures."
)
@click.option("--jobs", metavar="N", type=int, default=0, help="Processes; 0 for one a core.")
@options.json_wanted
@needs("matplotlib")
@voice.options
def study(study_file: Path, output: Path, data_dir: Path | None, engine: str, jobs: int, json_wanted: bool) -> None:
    """Tune every method on validation images, then train it with several seeds: the table and the curves."""
    one_blas_thread()
    from m0sim.chip.options import engine_of
    from m0sim.study.learn.experiment import study_file as reading
    from m0sim.study.learn.experiment import study_run
    from m0sim.study.report import study_data

    if jobs < 0:
        raise UsageError(f"--jobs must be 0 or more, not {jobs}")
    chosen_study = replace(reading.read(study_file, data_dir), chip_engine=engine_of(engine))
    files.make_folder(output)
    finished = study_run.FinishedRuns(output)
    try:
        with Bar(0) as bar:
            chosen = study_run.run(chosen_study, finished, jobs or os.cpu_count() or 1, bar.part)
    except KeyboardInterrupt:
        click.echo(f"m0sim: {len(finished.rows)} finished runs are in {output}; the same command goes on", err=True)
        raise
    result = study_data.result(chosen_study, chosen, finished.rows)
    _write(result, finished, output)
    if json_wanted:
        emit(result, True, None)
        return
    from m0sim.report import text
    from m0sim.study.report import study_text

    text.show(study_text.study(result))
    click.echo(f"\nwritten to {output}: study.json, study.md, study.html, the pictures as PNG and SVG, times.json")


def _write(result: dict[str, Any], finished: Any, output: Path) -> None:
    from m0sim.study.report import robustness_plots, study_data, study_front, study_html, study_plots

    emit(result, False, output / "study.json")
    emit(study_data.times(finished), False, output / "times.json")
    files.write(output / "study.md", study_data.markdown(result))
    files.write(output / "study.html", study_html.page(result))
    pictures = study_plots.files(result) | study_front.files(result) | robustness_plots.files(result)
    for name, content in pictures.items():
        files.write(output / name, content)
