"""``m0sim study``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from m0sim import files
from m0sim.cli.shared import SETTINGS, Bar, DataDirectory, Json, app, emit, make_folder, one_blas_thread
from m0sim.errors import UsageError


@app.command(context_settings=SETTINGS)
def study(
    study_file: Annotated[Path, typer.Argument(metavar="STUDY.toml", help="Methods, angles, seeds: docs/study.md.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Journal and results; finished runs there are kept.")
    ],
    data_dir: DataDirectory = None,
    jobs: Annotated[int, typer.Option(metavar="N", help="Processes; 0 for one a core.")] = 0,
    json_wanted: Json = False,
) -> None:
    """Tune every method on validation images, then train it with several seeds: the table and the curves."""
    one_blas_thread()
    from m0sim.study.learn.experiment import study_file as reading
    from m0sim.study.learn.experiment import study_run
    from m0sim.study.report import study_data

    if jobs < 0:
        raise UsageError(f"--jobs must be 0 or more, not {jobs}")
    chosen_study = reading.read(study_file, data_dir)
    make_folder(output)
    journal = study_run.Journal(output)
    try:
        with Bar(0) as bar:
            chosen = study_run.run(chosen_study, journal, jobs or os.cpu_count() or 1, bar.part)
    except KeyboardInterrupt:
        typer.echo(f"m0sim: {len(journal.rows)} finished runs are in {output}; the same command goes on", err=True)
        raise
    result = study_data.result(chosen_study, chosen, journal.rows)
    _write(result, journal, output)
    if json_wanted:
        emit(result, True, None)
        return
    from m0sim.report import text
    from m0sim.study.report import study_text

    text.show(study_text.study(result))
    typer.echo(f"\nwritten to {output}: study.json, study.md, the curves as PNG and SVG, times.json")


def _write(result: dict[str, Any], journal: Any, output: Path) -> None:
    from m0sim.study.report import study_data, study_plots

    emit(result, False, output / "study.json")
    emit(study_data.times(journal), False, output / "times.json")
    files.write(output / "study.md", study_data.markdown(result))
    for name, content in study_plots.files(result).items():
        files.write(output / name, content)
