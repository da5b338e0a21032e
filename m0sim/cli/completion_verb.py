"""``m0sim completion``."""

from __future__ import annotations

import click

from m0sim.cli.completion import script_of


@click.command
@click.argument("shell", metavar="SHELL", help="bash, zsh, fish or powershell.")
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what completes verbs and options in a shell.

    \b
      eval "$(m0sim completion bash)"         in ~/.bashrc; zsh the same in ~/.zshrc
      m0sim completion fish | source          in ~/.config/fish/config.fish
    `m0sim --install-completion` writes it where the shell looks for it.
    """
    click.echo(script_of(context.find_root().command, shell), nl=False)
