"""What `make docs` writes beside the pages in docs/: the reference of the command line, from its commands.

MkDocs calls `on_files` (mkdocs.yml, hooks). Everything else here is plain Python, which the tests call without MkDocs.
"""

from __future__ import annotations

import inspect
import json
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from m0sim.cli import app
from m0sim.cli.verbs import SECTIONS

ROOT = Path(__file__).parents[1]
SCHEMAS = {f"reference/schemas/{file.name}": file for file in sorted((ROOT / "m0sim/schemas").glob("*.json"))}
"""The files that outputs are held to, where the site has them."""
REPORTS = {
    "gallery/call.html": "m0sim call build/examples/dot.elf dot_s8 @examples/a.bin @examples/b.bin 1000",
    "gallery/cold.html": "m0sim call build/examples/dot.elf dot_s8 @examples/a.bin @examples/b.bin 1000 --flash cold",
    "gallery/fault.html": "m0sim call build/examples/dot.elf dot_s8 0 0 10",
    "gallery/check.html": "m0sim check examples/dot.toml",
    "gallery/train.html": "m0sim train --method priot --images 128 --epochs 5",
}
"""Reports that the gallery shows, by the command that makes them with `--html` (after `make kernels`)."""
STUDIES = {
    "gallery/compare.html": "m0sim compare --network tiny-cnn-8 --steps 3",
    "gallery/budget.html": "m0sim budget --sram 8K,16K --network tiny-cnn-8 --methods niti-static,priot,priot-s,fp32",
}
"""The same of verbs that write several files, by the command that makes them with `-o`."""
RESULT = ("gallery/study.html", ROOT / "docs/study/mnist/study.json")
"""The report of a study, from its committed result: its runs take too long for a build."""
GENERATED = {"reference/cli.md": "cli_page", "reference/schemas.md": "schemas_page"}
"""Pages that are in no folder, by the function that writes them."""


def on_files(files: Any, config: Any) -> Any:
    """Give MkDocs the pages that are generated."""
    from mkdocs.structure.files import File

    for path, function in GENERATED.items():
        files.append(File.generated(config, path, content=globals()[function]()))
    for path, schema in SCHEMAS.items():
        files.append(File.generated(config, path, content=schema.read_text(encoding="utf-8")))
    for path, command in (REPORTS | STUDIES).items():
        files.append(File.generated(config, path, content=report(path, command)))
    files.append(File.generated(config, RESULT[0], content=study_page(RESULT[1])))
    return files


def report(path: str, command: str) -> str:
    """The page of a command that writes one. A fault or a regression ends it with 1, and has a page as well."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / Path(path).name
        place = ["-o", folder] if path in STUDIES else ["--html", str(page)]
        words = [sys.executable, "-m", *shlex.split(command), *place]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
        if not page.exists():
            raise SystemExit(f"docs/site.py: {command}: {done.stderr.strip()}")
        return page.read_text(encoding="utf-8")


def study_page(result: Path) -> str:
    """The page that `m0sim study` writes beside its result."""
    from m0sim.study.report import study_html

    return study_html.page(json.loads(result.read_text(encoding="utf-8")))


def cli_page() -> str:
    """Every verb: its usage, what it does, arguments and options, as the installed m0sim has them."""
    top = click.Context(app, info_name="m0sim", **app.context_settings)
    parts = [
        "# The command line",
        "From the commands themselves; `m0sim VERB --help` prints the same in a terminal.",
        *_parameters(app, top),
    ]
    for title, verbs in SECTIONS.items():
        parts.append(f"## {title}")
        for name, verb in verbs.items():
            parts += _verb(verb.load(), click.Context(verb.load(), info_name=name, parent=top), level=3)
    return "\n\n".join(parts) + "\n"


def schemas_page() -> str:
    """A row for each schema, with what it says of itself."""
    rows = []
    for path, file in SCHEMAS.items():
        schema = json.loads(file.read_text(encoding="utf-8"))
        says = schema.get("description") or schema.get("title") or ""
        rows.append(f"| [{file.stem}]({path.removeprefix('reference/')}) | {_plain(says)} |")
    return "\n".join(
        [
            "# JSON Schemas\n",
            "What `--json` prints, and the files that m0sim reads and writes, as JSON Schemas; every installed m0sim",
            "has them in `m0sim/schemas`. In words: [JSON](../json.md).\n",
            "| schema | of |",
            "|---|---|",
            *rows,
            "",
        ]
    )


def _verb(command: click.Command, context: click.Context, level: int) -> Iterator[str]:
    """One verb, then those below it."""
    yield f"{'#' * level} {context.command_path}"
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"```text\n{context.command_path} {usage}\n```"
    yield from _paragraphs(inspect.cleandoc(command.help or ""))
    yield from _parameters(command, context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _verb(below, click.Context(below, info_name=name, parent=context), level + 1)


def _paragraphs(text: str) -> Iterator[str]:
    """Help as Markdown: click keeps the lines of a paragraph that begins with a backspace as they are."""
    for paragraph in re.split(r"\n\s*\n", text.partition("\f")[0]):
        if paragraph.startswith("\b"):
            yield f"```text\n{paragraph[1:].strip(chr(10))}\n```"
        else:
            yield _plain(paragraph)


def _parameters(command: click.Command, context: click.Context) -> Iterator[str]:
    records = [record for each in command.get_params(context) if (record := _record(each, context)) is not None]
    for title, is_option in (("argument", False), ("option", True)):
        rows = [row for option, row in records if option == is_option]
        if rows:
            yield "\n".join([f"| {title} | what it does |", "|---|---|", *rows])


def _record(parameter: click.Parameter, context: click.Context) -> tuple[bool, str] | None:
    """Whether it is an option, and its row; None for one that is hidden."""
    if isinstance(parameter, click.Option):
        shown = parameter.get_help_record(context)
        if shown is None:
            return None
        return True, _row(*shown)
    name = parameter.make_metavar(context)
    return False, _row(name, getattr(parameter, "help", None) or "")


def _row(name: str, text: str) -> str:
    code = name.replace("|", "\\|")
    return f"| `{code}` | {_plain(' '.join(text.split()))} |"


def _plain(text: str) -> str:
    """Text in which only backticks mean something to Markdown."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # one without a second
        parts = [text.replace("`", "&#96;")]
    escape = str.maketrans({each: f"&#{ord(each)};" for each in "&<>*_|[]\\"})
    return "`".join(part.replace("|", "\\|") if i % 2 else part.translate(escape) for i, part in enumerate(parts))
