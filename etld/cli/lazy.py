"""Groups of commands whose modules are imported when they are needed."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from etld.util.suggest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    Entries = Mapping[str, tuple[str, str]]


class LazyGroup(click.Group):
    """`lazy`: by its name each command's module, which defines `command`, and the line that the group's help shows."""

    def __init__(self, *args: Any, lazy: Entries, **options: Any) -> None:
        super().__init__(*args, **options)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In their own order."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import it."""
        if cmd_name not in self._lazy:
            return None
        command: click.Command = importlib.import_module(self._lazy[cmd_name][0]).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the nearest of the names for one that is not known."""
        if args[0] not in self._lazy:
            ctx.fail(f"there is no command {args[0]!r}{did_you_mean(args[0], self._lazy)}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Its commands with their lines, without importing any, then its options."""
        found = [
            CompletionItem(name, help=line) for name, (_, line) in self._lazy.items() if name.startswith(incomplete)
        ]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_module, line) in self._lazy.items()])
