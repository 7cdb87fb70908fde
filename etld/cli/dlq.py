"""`etld dlq`: list, show, stats, test, replay, discard. One file a command."""

from __future__ import annotations

import importlib

import click

#: Command to module and the line that `etld dlq --help` shows.
COMMANDS = {
    "list": ("etld.cli.dlq_list", "List dead letters, newest first."),
    "show": ("etld.cli.dlq_show", "Show one dead letter, its attempts, and what the rules would make of it."),
    "stats": ("etld.cli.dlq_stats", "Count dead letters by state, error, rule and day."),
    "test": ("etld.cli.dlq_test", "Try rules on dead letters; nothing is changed."),
    "replay": ("etld.cli.dlq_replay", "Take parked letters up again, or repair one by hand."),
    "discard": ("etld.cli.dlq_discard", "Give dead letters up for good."),
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_module, line) in COMMANDS.items()])


@click.group(cls=_Lazy)
def command() -> None:
    """Look at dead letters, repair, replay or discard them."""
