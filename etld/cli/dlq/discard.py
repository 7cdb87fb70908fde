"""`etld dlq discard`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from etld.cli.audited import AuditedCommand
from etld.cli.dlq.options import chosen, filters, open_service
from etld.cli.dlq.output import bulk
from etld.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@click.command(cls=AuditedCommand, action="dead-letters/discard")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@filters
@click.option("--reason", required=True, help="Why; stands in the audit.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def command(path: Path | None, /, ids: tuple[str, ...], reason: str, yes: bool, as_json: bool, **options: Any) -> None:
    """Give letters up: parked ones by filter, or those with the IDs. `etld dlq replay ID` takes one up again."""
    from etld.deadletters.service import DISCARD, bulk_filter, letter_names

    if not ids and not any(options.values()):
        raise UsageError("expected IDs or a filter, such as --state parked")
    wanted = bulk_filter(DISCARD, chosen(**options), named=bool(ids))
    if not reason.strip():
        raise UsageError("--reason is empty")
    names = letter_names(ids)
    with open_service(path) as service:
        wanted = service.identified(wanted, names, DISCARD)
        sys.exit(bulk(service, DISCARD, wanted, reason, yes=yes, as_json=as_json))
