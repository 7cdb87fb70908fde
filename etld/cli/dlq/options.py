"""The options that choose dead letters, and the service that the commands call."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from etld.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from etld.deadletters.queries import LetterFilter
    from etld.deadletters.service import DeadLetterService

STATES = ("new", "repaired", "resent", "resolved", "parked", "discarded")


def filters(function: Any) -> Any:
    """The options that choose letters."""
    for option in (
        click.option("--newer-than", metavar="AGE", help='Only letters that came within e.g. "1 h".'),
        click.option("--older-than", metavar="AGE", help='Only letters that came before e.g. "7 d".'),
        click.option("--error", metavar="REGEX", help="Only letters whose error or reason matches."),
        click.option("--type", "types", multiple=True, metavar="TYPE", help="Only this event type; may be repeated."),
        click.option(
            "--state", "states", multiple=True, type=click.Choice(STATES), help="Only this state; may be repeated."
        ),
    ):
        function = option(function)
    return function


def chosen(
    states: tuple[str, ...] = (),
    types: tuple[str, ...] = (),
    error: str | None = None,
    older_than: str | None = None,
    newer_than: str | None = None,
) -> LetterFilter:
    """The filter that the options stand for; raises `UsageError`."""
    from etld.deadletters.queries import LetterFilter

    if error is not None:
        try:
            re.compile(error)
        except re.error as problem:
            raise UsageError(f"--error {error!r} is not a regular expression: {problem}") from None
    return LetterFilter(
        None,
        states or None,
        types or None,
        error,
        _age("--older-than", older_than),
        _age("--newer-than", newer_than),
    )


def _age(option: str, text: str | None) -> float | None:
    from etld.config.units import parse_duration

    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None


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
