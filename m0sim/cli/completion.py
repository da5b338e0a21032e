"""Completion of verbs and options in the user's shell: click's own, and the two options that print and install it."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click

from m0sim import files
from m0sim.errors import UsageError

VARIABLE = "_M0SIM_COMPLETE"
"""Set by the scripts, which run m0sim to ask what may come next."""

DETECT = "the shell that runs m0sim"


def answer(app: click.Command) -> int:
    """Print what the script asked for; the exit code is 1 where that was nothing that click knows."""
    from click.shell_completion import shell_complete

    os.environ.update({"COMP_WORDS": "", "COMP_CWORD": "0"} | dict(os.environ))  # click takes both for granted
    return shell_complete(app, {}, "m0sim", VARIABLE, os.environ[VARIABLE])


def _show(context: click.Context, _: click.Parameter, shell: str | None) -> None:
    if shell is None or context.resilient_parsing:
        return
    click.echo(script_of(context.command, _detected() if shell == DETECT else shell), nl=False)
    context.exit()


def _install(context: click.Context, _: click.Parameter, shell: str | None) -> None:
    if shell is None or context.resilient_parsing:
        return
    shell = _detected() if shell == DETECT else shell
    try:
        path = _installed(script_of(context.command, shell), shell)
    except OSError as error:
        raise UsageError(f"{error.filename}: cannot write: {error.strerror}") from error
    click.echo(f"{shell} completion is in {path}; it begins with the next terminal")
    context.exit()


def script_of(app: click.Command, shell: str) -> str:
    """What completes in a shell, when it has read it. Raises `UsageError` for a shell that has none."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise UsageError(f"no completion for the shell {shell!r}: there are bash, zsh, fish and powershell")
    return found(app, {}, "m0sim", VARIABLE).source()


def _detected() -> str:
    import shellingham

    try:
        name: str = shellingham.detect_shell()[0]
    except (shellingham.ShellDetectionFailure, OSError):
        raise UsageError("cannot tell which shell this is: name it, such as --show-completion zsh") from None
    return {"pwsh": "powershell"}.get(name, name)


def _installed(script: str, shell: str) -> Path:
    """Write the script where the shell looks for it, and a line into its start-up file where it needs one."""
    home = Path.home()
    if shell == "fish":
        config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
        return _written(config / "fish" / "completions" / "m0sim.fish", script)
    if shell == "zsh":  # not found by compinit itself: click's script completes nothing the second time then
        path = _written(home / ".zfunc" / "_m0sim", script)
        begun = "(( $+functions[compdef] )) || { autoload -Uz compinit; compinit; }"
        _add_line(Path(os.environ.get("ZDOTDIR") or home) / ".zshrc", f"{begun}; source {shlex.quote(str(path))}")
        return path
    if shell == "bash":
        path = _written(home / ".bash_completions" / "m0sim.sh", script)
        _add_line(home / ".bashrc", f"source {shlex.quote(str(path))}")
        return path
    raise UsageError(f"{shell} completion is not installed for you: put what --show-completion prints in your profile")


def _written(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, script)
    return path


def _add_line(path: Path, line: str) -> None:
    text = path.read_text(errors="surrogateescape") if path.exists() else ""
    if line not in text.splitlines():
        with path.open("a") as file:
            file.write("\n" * (text[-1:] not in ("", "\n")) + line + "\n")


show = click.option(
    "--show-completion",
    metavar="[SHELL]",
    is_flag=False,
    flag_value=DETECT,
    is_eager=True,
    expose_value=False,
    callback=_show,
    help="Print the completion script of this shell, or of bash, zsh, fish or powershell.",
)
install = click.option(
    "--install-completion",
    metavar="[SHELL]",
    is_flag=False,
    flag_value=DETECT,
    is_eager=True,
    expose_value=False,
    callback=_install,
    help="Install completion for this shell, or for bash, zsh or fish.",
)
