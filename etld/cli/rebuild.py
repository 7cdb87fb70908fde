"""`etld rebuild`: read records again into a shadow, which then replaces what it stands for."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

import click

from etld.cli.audited import AuditedCommand
from etld.errors import EtldError, UsageError
from etld.util.suggest import did_you_mean
from etld.util.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from etld.cli.target import Target
    from etld.postgres.connections import Connection

_CANCEL_WITHIN, _LOOK_EVERY = 60.0, 0.5


def _action(params: Mapping[str, Any]) -> str:
    if params["cancel"]:
        return "topics/cancel-rebuild"
    return "topics/drop-replaced" if params["drop_replaced"] and params["begin"] is None else "topics/rebuild"


@click.command(cls=AuditedCommand, action=_action)
@click.argument("event_types", nargs=-1, metavar="[TYPE]…")
@click.option("--from", "begin", metavar="TIME|earliest", help="Such as 2026-07-01T12:00Z; else it is UTC.")
@click.option("--cancel", is_flag=True, help="Give up what is under way; the table stays as it is.")
@click.option(
    "--drop-replaced", is_flag=True, help="Do not keep the rows that go; by itself: drop those that are kept."
)
@click.pass_obj
def command(
    path: Path | None, *, event_types: tuple[str, ...], begin: str | None, cancel: bool, drop_replaced: bool
) -> None:
    """Read again what Kafka holds of event types from a time on, all of them where none is named.

    It goes into a shadow, by the schemas and transforms of now, while the table is served and written on. When the
    shadow has come to where the processors are, it replaces what it stands for in one transaction: rows that are the
    same stay, others go or come. Rows accepted before that time stay as they are. Without --from a rebuild that was
    broken off goes on.
    """
    from etld.cli.moment import moment
    from etld.cli.target import find, unreachable
    from etld.postgres.errors import DatabaseError, OperationalError
    from etld.rebuild import record

    since = None if begin is None else moment("--from", begin)
    if cancel and (begin is not None or drop_replaced):
        raise UsageError("--cancel stands by itself")
    target = find(path)
    for name in event_types:
        if name not in target.config.event_types:
            raise UsageError(
                f"there is no event type {name!r}{did_you_mean(name, target.config.event_types)}", code="ETLD-X002"
            )
    try:
        with target.connect("rebuild") as conn:
            if cancel:
                _cancel(conn)
                return
            if begin is None and drop_replaced:
                dropped = record.drop_replaced(conn)
                click.echo(f"dropped what was replaced of {', '.join(dropped)}" if dropped else "nothing is kept")
                return
            if begin is not None:
                record.ask(conn, event_types or list(target.config.event_types), since, keep_replaced=not drop_replaced)
            elif all(one.state == "kept" for one in record.on_record(conn)):
                raise UsageError("no rebuild is under way: --from TIME|earliest begins one", code="ETLD-T010")
        _run(target)
    except OperationalError as error:
        raise unreachable(error) from error
    except DatabaseError as error:
        raise EtldError(f"PostgreSQL refuses the rebuild: {one_line(error)}", code="ETLD-T002") from error


def _run(target: Target) -> None:
    # Before Polars is imported: the cores are shared with the broker and the processors.
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    from etld.rebuild.run import Rebuilder
    from etld.rebuild.session import RebuildSession

    session = RebuildSession(target.config, target.addresses)
    try:
        rebuilder = Rebuilder(session, target.config, target.addresses, target.kafka_settings(), click.echo)
        signal.signal(signal.SIGINT, lambda *_: rebuilder.interrupt())
        signal.signal(signal.SIGTERM, lambda *_: rebuilder.interrupt())
        rebuilder.run()
    finally:
        session.close()


def _cancel(conn: Connection) -> None:
    from etld.rebuild import record

    under_way = [one.event_type for one in record.on_record(conn) if one.state != "kept"]
    if not under_way:
        raise UsageError("no rebuild is under way", code="ETLD-T010")
    record.cancel(conn)
    # Whoever is at work sees it, and lets go.
    deadline = time.monotonic() + _CANCEL_WITHIN
    while not record.lock(conn):
        if time.monotonic() >= deadline:
            raise EtldError(
                "the `etld rebuild` that is at work does not end: end it, then `etld rebuild --cancel`",
                code="ETLD-T006",
            )
        time.sleep(_LOOK_EVERY)
    record.give_up(conn)
    click.echo(f"cancelled the rebuild of {', '.join(under_way)}: the table is as it was")
