"""`etld dlq show ID`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from etld.cli.dlq.options import open_service
from etld.cli.dlq.output import plain, print_changes, readable
from etld.cli.layout import room, wrapped
from etld.errors import coded
from etld.util.text import thousands

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from etld.deadletters.reports import LetterReport

_BYTES = 1024


@click.command()
@click.argument("letter", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def command(path: Path | None, letter: str, as_json: bool) -> None:
    """Show one dead letter, its attempts, and what the rules would make of it.

    ID is the letter's id, the beginning of it, or an event_id.
    """
    from etld.deadletters.service import letter_names

    (name,) = letter_names((letter,))
    with open_service(path, with_rules=True) as service:
        report = service.show(name)
    if as_json:
        click.echo(json.dumps(report.as_json(), default=str))
        return
    _tell_origin(report)
    click.echo("\nevent")
    _tell_event(report)
    _tell_attempts(report)
    _tell_rules(report)
    click.echo("\nheaders")
    _tell_lines((f"{plain(name)}: {plain(held)}" for name, held in report.letter.headers.items()))
    click.echo("\nbytes")
    _dump(report.letter.value)


def _tell_event(report: LetterReport) -> None:
    if report.decoded.event is None:
        click.echo(wrapped("  ", plain(report.decoded.reason), 2))
        return
    most = room()
    event = json.dumps(report.decoded.event, indent=2, ensure_ascii=False, default=str)
    for line in readable(event).splitlines():
        inset = len(line) - len(line.lstrip()) + 2
        fits = most is None or len(line) + 2 <= most
        click.echo(f"  {line}" if fits else wrapped(" " * inset, line.lstrip(), inset + 4))


def _tell_origin(report: LetterReport) -> None:
    letter, row = report.letter, report.letter.listed
    origin = f"{row.topic}, partition {row.partition}, offset {row.offset}" if row.topic else "a request to ingest"
    lines = [
        ("dead letter", row.id),
        ("state", f"{row.state}{f': {row.reason}' if row.reason else ''}"),
        ("key", "none" if letter.key is None else letter.key.decode("utf-8", "backslashreplace")),
        ("event_id", row.event_id or "none; a repair takes the dead letter's id"),
        ("event type", row.event_type or "unknown"),
        ("came from", origin),
        ("came at", f"{row.created_at:%Y-%m-%d %H:%M:%S %Z}"),
        ("stage", row.stage),
        (
            "error",
            coded(
                f"{row.error_class}{f' (SQLSTATE {row.sqlstate})' if row.sqlstate else ''}: {row.error}", row.explain
            ),
        ),
    ]
    for name, text in lines:
        click.echo(wrapped(f"{name:<12}", plain(text)))


def _tell_attempts(report: LetterReport) -> None:
    click.echo("\nattempts")
    for one, changed in report.attempts:
        error = f": {plain(one.error)}" if one.error else ""
        told = f"{one.at:%Y-%m-%d %H:%M:%S}  {one.rule or 'no rule'}  {one.outcome}{error}"
        click.echo(wrapped(f"  {one.attempt}. ", told))
        print_changes(changed, "     ")
    if not report.attempts:
        click.echo("  none")


def _tell_rules(report: LetterReport) -> None:
    click.echo("\nrules that match")
    for rule in report.rules:
        click.echo(wrapped("  ", f"{rule.rule}: {plain(rule.result)}", 5))
        print_changes(rule.changes, "     ")
    if not report.rules:
        click.echo("  none")


def _tell_lines(lines: Iterable[str]) -> None:
    none = True
    for line in lines:
        none = False
        click.echo(wrapped("  ", line, 5))
    if none:
        click.echo("  none")


def _dump(value: bytes | None) -> None:
    if value is None:
        click.echo("  none (a tombstone)")
        return
    for start in range(0, min(len(value), _BYTES), 16):
        row = value[start : start + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        click.echo(f"  {start:06x}  {row.hex(' '):<47}  {text}")
    if len(value) > _BYTES:
        click.echo(f"  … {thousands(len(value) - _BYTES)} more bytes")
