"""`etld generate`: sample events over HTTP, and the summary to expect of them."""

from __future__ import annotations

import json
import random
import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from etld.errors import EtldError, Unreachable, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from etld.config import Config
    from etld.schemas.catalog import EventType


@click.command("generate")
@click.option("--count", default=600, show_default=True, type=click.IntRange(1), help="Events in all, over all types.")
@click.option("--rate", default=0.0, type=click.FloatRange(0), help="Events a second; 0 is as fast as it goes.")
@click.option("--seed", type=int, help="The same seed makes the same events (with new ids).")
@click.option("--invalid", default=0, type=click.IntRange(0), help="How many of the events are broken on purpose.")
@click.option("--event-type", "only", multiple=True, help="Only this type; may be repeated.")
@click.option("--url", help="Where to send; else what the configuration says.")
@click.option("--key", envvar="ETLD_WRITE_KEY", help="A write key; or $ETLD_WRITE_KEY.")
@click.option("--connections", default=16, show_default=True, type=click.IntRange(1, 1000), help="At the same time.")
@click.option(
    "--patience", default=60.0, show_default=True, type=click.FloatRange(0), help="Seconds without an answer."
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.option("--summary-file", type=click.Path(path_type=Path, dir_okay=False), hidden=True)
@click.pass_obj
def command(config_path: Path | None, /, **options: Any) -> None:
    """Send sample events; each is sent again, with its event_id, until it is acknowledged.

    Prints what to expect of the valid ones in tables and charts. Broken ones are counted as dead_lettered:
    they are repaired and stored, or parked.
    """
    _generate(config_path, _Options(**options))


@dataclass(frozen=True, slots=True)
class _Options:
    """The command's options, as click names them."""

    count: int
    rate: float
    seed: int | None
    invalid: int
    only: tuple[str, ...]
    url: str | None
    key: str | None
    connections: int
    patience: float
    as_json: bool
    summary_file: Path | None


def _generate(config_path: Path | None, given: _Options) -> None:
    from etld.config import load
    from etld.ingest.certificate import client_context
    from etld.samples import sender
    from etld.samples.expected import Expected

    if given.invalid > given.count:
        raise UsageError(f"--invalid {given.invalid}: more than --count {given.count}")
    config = load(config_path)
    destination = sender.destination(given.url or _address(config, config_path), given.key, given.patience)
    if destination.url.scheme == "https":
        destination = replace(destination, tls=client_context(config.ingest.tls_cert_file, own=not given.url))
    expected = Expected()
    refusals: list[str] = []
    with _progress(given.count, given.as_json) as advance:

        def answered(event: dict[str, Any], status: int, answer: dict[str, Any]) -> None:
            expected.add(event, status, str(answer.get("status", "")))
            if status in (401, 403, 404, 405) or (status >= 400 and not given.invalid):
                refusals.append(f"HTTP {status}: {answer.get('detail', 'refused')}")
            advance()

        result = sender.SendResult(answered)
        events = _events(_kinds(config, given.only), given)
        _run(sender.send_all(events, destination, min(given.connections, given.count), given.rate, result))
    summary = expected.as_dict()
    if given.summary_file is not None:
        given.summary_file.write_text(json.dumps(summary))
    if given.as_json:
        click.echo(json.dumps(summary))
    else:
        _show(summary, result.retried)
    if refusals:
        raise EtldError(f"{len(refusals)} events were refused; the first answer was {refusals[0]}", code="ETLD-X006")


def _run(work: Any) -> None:
    import uvloop

    try:
        uvloop.run(work)
    except BaseExceptionGroup as group:
        first = group.exceptions[0]
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None


def _events(kinds: list[EventType], given: _Options) -> Iterator[dict[str, Any]]:
    from etld.samples import broken
    from etld.samples.events import make, plan

    source = random.Random(given.seed)  # noqa: S311  # samples
    now = datetime.now(UTC)
    turn = 0
    valid = {kind.name: _is_valid(kind) for kind in kinds}
    for kind, breaks in plan(kinds, given.count, given.invalid, source):
        event = make(kind, source, now)
        if breaks:
            broken.break_one(event, turn, valid[kind.name])
            turn += 1
        yield event


def _is_valid(kind: EventType) -> Callable[[dict[str, Any]], bool]:
    from etld.events.validate import Valid
    from etld.schemas.checks import validator

    validate = validator(kind).validate
    return lambda event: isinstance(validate(event), Valid)


def _kinds(config: Config, only: tuple[str, ...]) -> list[EventType]:
    from etld.schemas import catalog

    unknown = [name for name in only if name not in config.event_types]
    if unknown:
        raise UsageError(f"--event-type {unknown[0]}: expected one of {', '.join(config.event_types)}")
    kinds = [
        catalog.of_file(config, name)
        for name, settings in config.event_types.items()
        if ((name in only) if only else settings.accept)
    ]
    if not kinds:
        raise UsageError("no event type to make events of: none is configured that clients may send", code="ETLD-X011")
    return kinds


def _address(config: Config, config_path: Path | None) -> str:
    """Where ingest listens: what the daemon says, since a port of 0 is any port; else the configuration."""
    from etld.control.client import ask

    try:
        address = ask(config_path, "status")["addresses"]["http"]
        if address:
            return str(address)
    except (Unreachable, EtldError, KeyError, TypeError):
        pass
    return config.ingest.url()


@contextmanager
def _progress(count: int, as_json: bool) -> Iterator[Callable[[], None]]:
    if as_json or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("sending"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=count)
        yield lambda: progress.advance(task)


def _show(summary: dict[str, Any], retried: int) -> None:
    lines = [f"sent {summary['sent']} events" + (f", {retried} attempts repeated" if retried else "")]
    if summary["dead_lettered"]:
        lines.append(f"  kept for repair  {summary['dead_lettered']}")
    if summary["sampled"]:
        lines.append(f"  sampled out      {summary['sampled']}")
    if summary["refused"]:
        lines.append(f"  refused          {summary['refused']}")
    for title, part in (("by event type", "by_event_type"), ("by event name", "by_event_name")):
        lines.append(title)
        lines += [f"  {name:<22}{number:>8}" for name, number in summary[part].items()]
    purchase, order, delivery = summary["purchase"], summary["order"], summary["delivery"]
    if purchase["items"]:
        lines.append(f"purchases   {purchase['items']} items, revenue {purchase['revenue']:,.2f}")
    if order["orders"]:
        lines.append(
            f"orders      {order['orders']} orders, value {order['value']:,.2f}, average {order['average_value']:,.2f}"
        )
    if delivery["shipments"]:
        carriers = ", ".join(f"{name} {number}" for name, number in delivery["by_carrier"].items())
        lines.append(f"deliveries  {delivery['in_transit']} in transit, {delivery['delivered']} delivered ({carriers})")
    click.echo("\n".join(lines))
