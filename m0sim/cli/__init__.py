"""The command line: one thin verb a module. Heavy modules are imported by the verb that needs them."""

from __future__ import annotations

import gc
import importlib
import io
import os
import re
import sys
import warnings
from typing import Annotated, Any

import typer

from m0sim.cli import annotate, call, check, listing, profiles
from m0sim.cli.shared import VALUE_LEFT_OUT, app, help_without_verb
from m0sim.errors import M0simError, UsageError

#: Base of every error that typer's parser raises (click's ClickException, which typer bundles but does not export).
_ParserError: Any = typer.BadParameter.__mro__[2]

_COMPLETES = "_M0SIM_COMPLETE"
"""Set by the completion scripts (``m0sim --show-completion``), which run m0sim to ask what may come next."""

_PARSER_INTERRUPTED = 130  # what typer makes of a KeyboardInterrupt

__all__ = [
    "annotate",
    "app",
    "call",
    "check",
    "listing",
    "main",
    "profiles",
]

#: Modules of the study that add their verbs when they are imported. Nothing else here knows the study.
STUDY_VERBS = tuple(
    f"m0sim.study.cli.{name}" for name in ("budget", "compare", "data", "pretrain", "study", "sweep", "train")
)
for _module in STUDY_VERBS:
    importlib.import_module(_module)


def _print_version(wanted: bool) -> None:
    if wanted:
        from m0sim import __version__

        typer.echo(f"m0sim {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    help_without_verb(context)


def main() -> None:
    """Entry point of the console script: every error is one line; usage errors exit with 2, faults with 1."""
    warnings.showwarning = _show_warning
    gc.set_threshold(100_000)  # importing makes many objects and no garbage: collecting then doubles start-up time
    code: Any = 0
    try:
        if isinstance(sys.stdout, io.TextIOWrapper):  # symbols may have names that the terminal has no letters for
            sys.stdout.reconfigure(errors="backslashreplace")
        if _COMPLETES in os.environ:
            os.environ.update({"COMP_WORDS": "", "COMP_CWORD": "0"} | dict(os.environ))  # typer takes both for granted
        code = app(_arguments(), prog_name="m0sim", standalone_mode=False)
        if code == _PARSER_INTERRUPTED:
            raise KeyboardInterrupt
        sys.stdout.flush()
    except UsageError as error:
        _fail(str(error), 2)
    except M0simError as error:
        _fail(str(error), 1)
    except _ParserError as error:
        _fail(error.format_message(), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        _fail("interrupted", 1)
    except SystemExit as end:  # the parser's answer to a shell's question, or to a closed pipe: head has seen enough
        code = end.code if _COMPLETES in os.environ else 0
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered goes nowhere
        if not isinstance(error, BrokenPipeError):  # that is a reader, such as head, that has seen enough
            _fail(error.strerror or str(error), 2)
    finally:
        gc.freeze()  # nor is there anything to collect at exit: a third of the run time of a small call
    sys.exit(code if isinstance(code, int) else 0)


def _arguments() -> list[str]:
    """What was typed, in a form that the parser takes.

    Negative octal numbers become decimal: it would find the option -o in -0o17. An option whose value may be left out
    gets its default: the parser knows no such options.
    """
    texts = [str(int(text, 0)) if re.fullmatch("-0[oO](_?[0-7])+", text) else text for text in sys.argv[1:]]
    following = [*texts[1:], "-"][: len(texts)]
    return [
        f"{text}={VALUE_LEFT_OUT[text]}" if text in VALUE_LEFT_OUT and after.startswith("-") else text
        for text, after in zip(texts, following, strict=True)
    ]


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    sys.stderr.write(f"m0sim: warning: {message}\n")


def _fail(message: str, code: int) -> None:
    one_line = " ".join(message.split())
    sys.stderr.write(f"m0sim: {one_line}\n")
    sys.exit(code)
