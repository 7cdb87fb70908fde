"""`etld completion`: what a shell reads to complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from etld.errors import EtldError


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion of etld for a shell.

    For now: `eval "$(etld completion bash)"`, or the same line in ~/.bashrc or ~/.zshrc. For fish:
    `etld completion fish > ~/.config/fish/completions/etld.fish`.
    """
    from etld.cli import cli

    found = get_completion_class(shell)
    if found is None:
        raise EtldError(f"click knows no completion for {shell}", code="ETLD-X002")
    click.echo(found(cli, {}, "etld", "_ETLD_COMPLETE").source())
