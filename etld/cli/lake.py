"""`etld lake`: what people do with the lake."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from etld.cli import asking
from etld.cli.audited import AuditedCommand
from etld.errors import EtldError, UsageError
from etld.util.suggest import did_you_mean
from etld.util.text import thousands

if TYPE_CHECKING:
    from pathlib import Path

    from etld.config import Config
    from etld.postgres.connections import Connection

_LOOK_EVERY, _TELL_EVERY = 0.5, 5.0
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


@click.group()
def command() -> None:
    """Fill the lake with what only PostgreSQL has."""


@command.command(cls=AuditedCommand, action="lake/backfill")
@click.argument("event_type", metavar="TYPE")
@click.option("--from", "begin", required=True, metavar="TIME|earliest", help="Such as 2026-07-01T12:00Z; else UTC.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def backfill(path: Path | None, event_type: str, *, begin: str, as_json: bool) -> None:
    """Copy rows of processed_events that were accepted from a time on and are not in the lake.

    The worker that looks after the table does it, and goes on when this command is ended. It may be done again: an
    event that the lake has is left out.
    """
    from etld.cli.moment import moment
    from etld.cli.target import find

    since = moment("--from", begin) or _EARLIEST
    target = find(path)
    _refuse(target.config, event_type)
    with target.connect("lake backfill") as conn:
        rows = _done(conn, event_type, since)
    if as_json:
        click.echo(json.dumps({"event_type": event_type, "rows": rows}))
    else:
        click.echo(f"{thousands(rows)} rows went into the lake")


def _refuse(config: Config, event_type: str) -> None:
    if event_type not in config.event_types:
        raise UsageError(
            f"no event type {event_type!r}{did_you_mean(event_type, config.event_types)}", code="ETLD-X002"
        )
    if not config.lake.enabled or not config.lake.workers:
        raise EtldError("the lake is off: write enabled = true below [lake], then `etld reload`", code="ETLD-L002")


def _done(conn: Connection, event_type: str, since: datetime) -> int:
    """Order it, and wait until it is done; how many rows went in."""
    from etld.postgres import statements

    sql = statements.load("etld.sinks.iceberg", "backfill")
    who = asking.console_user() or asking.system_user()
    conn.execute(sql.order, {"event_type": event_type, "accepted_from": since, "who": who})
    told: Any = None
    last = time.monotonic()
    while True:
        row = conn.execute(sql.state, {"event_type": event_type}).fetchone()
        assert row is not None
        rows, _, done_at, problem = row
        if done_at is not None:
            return int(rows)
        if problem != told and problem:
            click.echo(f"stands still: {problem}; trying again", err=True)
        elif time.monotonic() - last >= _TELL_EVERY:
            last = time.monotonic()
            click.echo(f"{thousands(rows)} rows so far", err=True)
        told = problem
        time.sleep(_LOOK_EVERY)
