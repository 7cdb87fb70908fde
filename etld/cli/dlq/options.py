"""The options that choose dead letters, and the service that the commands call."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from etld.deadletters.letter_filter import LetterFilter
    from etld.deadletters.service import DeadLetterService

STATES = ("new", "repaired", "resent", "resolved", "parked", "discarded")


def filters(function: Any) -> Any:
    """The options that choose letters."""
    for option in (
        click.option("--newer-than", metavar="AGE", help='Only letters that came within e.g. "1 h".'),
        click.option("--older-than", metavar="AGE", help='Only letters that came before e.g. "7 d".'),
        click.option("--until", metavar="TIME", help="Only letters that came before, e.g. 2026-01-31T12:00Z."),
        click.option("--since", metavar="TIME", help="Only letters that came then or later."),
        click.option("--user", metavar="USER_ID", help="Only letters of this user, where the event could be read."),
        click.option("--event-id", metavar="ID", help="Only letters of this event."),
        click.option("--text", metavar="TEXT", help="Only letters that hold this text."),
        click.option("--group", metavar="ID", help="Only letters of this group of `etld dlq stats --json`."),
        click.option("--error", metavar="REGEX", help="Only letters whose error or reason matches."),
        click.option("--stage", "stages", multiple=True, metavar="STAGE", help="Only this stage; may be repeated."),
        click.option("--type", "types", multiple=True, metavar="TYPE", help="Only this event type; may be repeated."),
        click.option(
            "--state", "states", multiple=True, type=click.Choice(STATES), help="Only this state; may be repeated."
        ),
    ):
        function = option(function)
    return function


def chosen(**options: Any) -> LetterFilter:
    """The filter that the options stand for; raises `UsageError`."""
    from etld.deadletters.letter_filter import letter_filter

    return letter_filter(**options)


@contextmanager
def open_service(
    config_path: Path | None, *, with_rules: bool = False, rules: Any = None, only: str | None = None
) -> Iterator[DeadLetterService]:
    """The service of a daemon's database; `with_rules`: with the configuration's, or `rules`, or the one named `only`.

    Raises `EtldError` when rules or database cannot be used.
    """
    from etld.cli.target import find
    from etld.deadletters.service import DeadLetterService, open_repairer

    target = find(config_path)
    repairer = open_repairer(target.config, target.addresses, rules, only) if with_rules else None
    with target.connect("dlq") as conn:
        yield DeadLetterService(conn, repairer)
