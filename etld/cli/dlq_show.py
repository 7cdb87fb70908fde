"""`etld dlq show ID`."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import click

from etld.cli.dlq_common import differences, names, plain, workbench
from etld.errors import EtldError

if TYPE_CHECKING:
    from pathlib import Path

    from etld.deadletters.queries import Whole

_BYTES = 1024


@click.command()
@click.argument("letter", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def command(path: Path | None, letter: str, as_json: bool) -> None:
    """Show one dead letter, its attempts, and what the rules would make of it.

    ID is the letter's id, the beginning of it, or an event_id.
    """
    from etld.cli.target import find
    from etld.deadletters import queries

    (name,) = names((letter,))
    target = find(path)
    with target.connect("dlq") as conn:
        found = queries.find(conn, name)
    if not found:
        raise EtldError(f"no dead letter has the id or event_id {letter}")
    if len(found) > 1 and found[0].row.id != name:
        raise EtldError(f"{letter} is more than one dead letter: {found[0].row.id}, {found[1].row.id} …")
    whole = found[0]
    bench = workbench(target)
    decoded = bench.decode(whole.value)
    types = bench.catalog.at(whole.asked_at)
    tried, event = _try(bench, types, whole, decoded)
    if as_json:
        click.echo(json.dumps(_as_json(whole, decoded, tried), default=str))
    else:
        _tell(whole, decoded, tried, event, () if event is None else types.problems(event))


def _try(bench: Any, types: Any, whole: Whole, decoded: Any) -> tuple[list[Any], Any]:
    from etld.deadletters.decision import work_on
    from etld.deadletters.rules.engine import try_matching

    event, failure = work_on(whole.waiting(), decoded, whole.history)
    if event is None:
        return [], None
    tried = [try_matching(rule, event, failure, types) for rule in bench.rules]
    return [one for one in tried if one is not None], event


def _as_json(whole: Whole, decoded: Any, tried: list[Any]) -> dict[str, Any]:
    value = whole.value or b""
    return {
        **whole.row.as_json(),
        "updated_at": whole.row.updated_at.isoformat(),
        "key": None if whole.key is None else whole.key.decode("utf-8", "backslashreplace"),
        "value_hex": None if whole.value is None else value.hex(),
        "value_text": None if whole.value is None else value.decode("utf-8", "backslashreplace"),
        "headers": dict(whole.headers),
        "event": decoded.event,
        "undecodable": decoded.reason,
        "history": [
            {
                "attempt": one.attempt,
                "rule": one.rule,
                "before": one.before,
                "after": one.after,
                "tried": one.tried,
                "error": one.error,
                "outcome": one.outcome,
                "returned_as": one.returned_as,
                "at": one.at,
            }
            for one in whole.history
        ],
        "rules": [{"rule": one.rule, "event": one.event, "problems": list(one.problems)} for one in tried],
    }


def _tell(whole: Whole, decoded: Any, tried: list[Any], event: Any, wrong: tuple[str, ...]) -> None:
    row = whole.row
    origin = f"{row.topic}, partition {row.part}, offset {row.off}" if row.topic else "a request to ingest"
    lines = [
        ("dead letter", row.id),
        ("state", f"{row.state}{f': {row.reason}' if row.reason else ''}"),
        ("key", "none" if whole.key is None else whole.key.decode("utf-8", "backslashreplace")),
        ("event_id", row.event_id or "none; a repair takes the dead letter's id"),
        ("event type", row.event_type or "unknown"),
        ("came from", origin),
        ("came at", f"{row.created_at:%Y-%m-%d %H:%M:%S %Z}"),
        ("stage", row.stage),
        ("error", f"{row.error_class}{f' (SQLSTATE {row.sqlstate})' if row.sqlstate else ''}: {row.error}"),
    ]
    for name, text in lines:
        click.echo(_wrapped(f"{name:<12}", plain(text)))
    click.echo("\nheaders")
    for header, held in whole.headers.items():
        click.echo(_wrapped("  ", f"{plain(header)}: {plain(held)}", 5))
    if not whole.headers:
        click.echo("  none")
    click.echo("\nbytes")
    _dump(whole.value)
    click.echo("\nevent")
    if decoded.event is None:
        click.echo(f"  {plain(decoded.reason)}")
    else:
        click.echo(_indented(json.dumps(decoded.event, indent=2, default=str)))
    click.echo("\nattempts")
    for one in whole.history:
        error = f": {plain(one.error)}" if one.error else ""
        told = f"{one.at:%Y-%m-%d %H:%M:%S}  {one.rule or 'no rule'}  {one.outcome}{error}"
        click.echo(_wrapped(f"  {one.attempt}. ", told))
        if one.before is not None and one.after is not None:
            _tell_changes(differences(one.before, one.after), "     ")
    if not whole.history:
        click.echo("  none")
    click.echo("\nrules that match")
    for one in tried:
        changes = [] if one.event is None else differences(event, one.event)
        if one.good:
            result = "valid" if changes else "changes nothing"
        else:
            result = "does not help" if one.problems == wrong else "; ".join(map(plain, one.problems))
        click.echo(_wrapped("  ", f"{one.rule}: {result}", 5))
        _tell_changes(changes, "     ")
    if not tried:
        click.echo("  none")


def _tell_changes(changes: list[tuple[str, str, str]], indent: str) -> None:
    for path, old, new in changes:
        click.echo(f"{indent}{plain(path)}: {old} -> {new}")


def _wrapped(head: str, text: str, indent: int | None = None) -> str:
    """On a terminal wrapped at its width, with the rest below the beginning; else one line."""
    if not sys.stdout.isatty():
        return head + text
    return textwrap.fill(
        text,
        max(40, shutil.get_terminal_size().columns),
        initial_indent=head,
        subsequent_indent=" " * (len(head) if indent is None else indent),
    )


def _dump(value: bytes | None) -> None:
    if value is None:
        click.echo("  none (a tombstone)")
        return
    for start in range(0, min(len(value), _BYTES), 16):
        row = value[start : start + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        click.echo(f"  {start:06x}  {row.hex(' '):<47}  {text}")
    if len(value) > _BYTES:
        click.echo(f"  … {len(value) - _BYTES:,} more bytes")


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
