"""`etld dlq test`: rules on real letters, without changing any."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from etld.cli.dlq.options import chosen, filters, open_service
from etld.cli.dlq.output import plain, print_changes, print_table
from etld.deadletters.dry_run import DryRun
from etld.errors import UsageError
from etld.util.text import thousands

if TYPE_CHECKING:
    from pathlib import Path

    from etld.deadletters.reports import TrialReport

_UNASKED = 100
# Seconds from one word of how far it is to the next.
_TELL_EVERY = 0.25


@click.command()
@click.argument("rule", required=False)
@click.option(
    "--file",
    "file",
    type=click.Path(dir_okay=False, allow_dash=True),
    help="Rules from this TOML (- for stdin) instead of the configuration's.",
)
@click.option("--id", "ids", multiple=True, metavar="ID", help="Only this letter; may be repeated.")
@click.option("--all", "every", is_flag=True, help=f"Every letter that is new or parked, not the newest {_UNASKED}.")
@filters
@click.option("--summary", is_flag=True, help="Numbers, reasons and samples instead of each letter.")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line; with --summary, how far it is, last the result."
)
@click.pass_obj
def command(
    path: Path | None,
    /,
    *,
    rule: str | None,
    file: str | None,
    ids: tuple[str, ...],
    every: bool,
    summary: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Try RULE of the configuration, all its rules, or those of a file; nothing is changed.

    Shows what would become of each letter that is new or parked; a rule that is alone is tried on those that it is
    for. Exit code 1 when one stays broken.
    """
    from etld.deadletters.service import letter_names

    if rule and file:
        raise UsageError("expected a RULE or --file, not both")
    wanted = chosen(**{**options, "states": options["states"] or (() if ids else ("new", "parked"))})
    names = letter_names(ids)
    report = _Summary(as_json) if summary else _Report(as_json)
    given = _from_file(file) if file else None
    alone = given[0]["name"] if given is not None and len(given) == 1 else rule
    with open_service(path, with_rules=True, rules=given, only=rule) as service:
        wanted = service.identified(wanted, names)
        total = service.count(wanted)
        limit = None if every or ids else _UNASKED
        report.begin(total if limit is None else min(total, limit))
        for tried in service.test(wanted, limit, only_matching=alone is not None and not ids):
            report.add(tried)
    sys.exit(report.end(total, alone))


class _Report:
    """Says what becomes of each letter, and counts."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json

    def begin(self, total: int) -> None:
        """So many will be tried."""
        self._run = DryRun(total)

    def add(self, tried: TrialReport) -> None:
        self._run.add(tried)
        if tried.outcome == "unmatched":
            return
        if self._as_json:
            click.echo(json.dumps(tried.as_json()))
            return
        _tell(tried)

    def end(self, total: int, rule: str | None) -> int:
        repaired, broken, unmatched = self._run.counts.values()
        tested = repaired + broken
        code = 1 if broken or (total and not tested) else 0
        if self._as_json:
            return code
        if not total:
            click.echo("no dead letters to test")
            return 0
        if not tested:
            click.echo(f"rule {rule} matches none of {thousands(unmatched)} dead letters")
            return code
        rest = total - tested - unmatched
        click.echo(
            f"{thousands(repaired)} would be repaired, {thousands(broken)} would stay broken"
            + (f", {thousands(unmatched)} do not match" if unmatched else "")
            + (f", {thousands(rest)} not tested (--all)" if rest > 0 else "")
            + "; nothing was changed"
        )
        return code


class _Summary(_Report):
    """Says in numbers what becomes of all, and shows some."""

    def begin(self, total: int) -> None:
        super().begin(total)
        self._told = time.monotonic()

    def add(self, tried: TrialReport) -> None:
        self._run.add(tried)
        if self._as_json and time.monotonic() - self._told > _TELL_EVERY:
            self._told = time.monotonic()
            click.echo(json.dumps({**self._run.as_json(samples=False), "over": False}))

    def end(self, total: int, rule: str | None) -> int:
        if self._as_json:
            click.echo(json.dumps({**self._run.as_json(), "over": True}))
            return super().end(total, rule)
        for several in self._run.samples.values():
            _tell(several[0])
        if self._run.reasons:
            print_table(
                ("letters", "stay broken because"), [(row["letters"], row["reason"]) for row in self._reasons()]
            )
        return super().end(total, rule)

    def _reasons(self) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = self._run.as_json(samples=False)["reasons"]
        return told


def _tell(tried: TrialReport) -> None:
    said = f"repaired by {tried.rule}" if tried.outcome == "repaired" else f"still broken: {tried.problem}"
    click.echo(f"{tried.letter.id}  {tried.letter.event_type or '?'}  {plain(said)}")
    print_changes(tried.changes, "    ")


def _from_file(name: str) -> list[dict[str, Any]]:
    """The rules of a TOML file; raises `ConfigError`."""
    from pathlib import Path

    from etld.config.rule_files import text_of
    from etld.deadletters.rules import from_toml

    text = sys.stdin.read() if name == "-" else text_of(Path(name))
    return from_toml.read(text, Path(name))
