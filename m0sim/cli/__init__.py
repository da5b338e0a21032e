"""The command line: one thin verb a module. Heavy modules are imported by the verb that needs them."""

from __future__ import annotations

import gc
import io
import os
import sys
import warnings
from typing import NoReturn, TextIO

import click

from m0sim import __version__
from m0sim.cli import completion
from m0sim.cli.verbs import Verbs
from m0sim.errors import M0simError, UsageError, did_you_mean

__all__ = ["app", "main"]


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(__version__, message="m0sim %(version)s", help="Print the version.")
@completion.install
@completion.show
def app() -> None:
    """Exact cycles, memory traffic, stack and energy of Cortex-M0+ code, from an emulated RP2040."""


def main() -> NoReturn:
    """Entry point of the console script: every error is one line; usage errors exit with 2, faults with 1."""
    warnings.showwarning = _show_warning
    gc.set_threshold(100_000)  # importing makes many objects and no garbage: collecting then doubles start-up time
    code = 0
    try:
        _open_closed_streams()
        if isinstance(sys.stdout, io.TextIOWrapper):  # symbols may have names that the terminal has no letters for
            sys.stdout.reconfigure(errors="backslashreplace")
        code = _run()
        sys.stdout.flush()
    except UsageError as error:
        _fail(str(error), 2)
    except M0simError as error:
        _fail(str(error), 1)
    except click.exceptions.NoArgsIsHelpError as error:  # no verb was typed: show which there are
        error.show()
        code = error.exit_code
    except click.NoSuchOption as error:
        name = error.option_name
        _fail(f"no such option: {name}{did_you_mean(name, error.possibilities or ())}", error.exit_code)
    except click.ClickException as error:
        _fail(error.format_message(), error.exit_code)
    except KeyboardInterrupt:
        _fail("interrupted", 1)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered goes nowhere
        if not isinstance(error, BrokenPipeError):  # that is a reader, such as head, that has seen enough
            _fail(error.strerror or str(error), 2)
    finally:
        gc.freeze()  # nor is there anything to collect at exit: a third of the run time of a small call
    sys.exit(code)


def _run() -> int:
    """Run the verb that was typed, or answer a shell. Not `app.main`, which ends the line of a Ctrl-C itself."""
    if completion.VARIABLE in os.environ:
        return completion.answer(app)
    try:
        with app.make_context("m0sim", sys.argv[1:]) as context:
            app.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    return 0


def _open_closed_streams() -> None:
    """Where a shell closed stdout or stderr (``>&-``) Python has None, which nothing can be written to."""
    if sys.stdout is None:
        sys.stdout = _nowhere()
    if sys.stderr is None:
        sys.stderr = _nowhere()


def _nowhere() -> TextIO:
    return os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    sys.stderr.write(f"m0sim: warning: {message}\n")


def _fail(message: str, code: int) -> NoReturn:
    one_line = " ".join(message.split())
    sys.stderr.write(f"m0sim: {one_line}\n")
    sys.exit(code)
