"""`etld dlq discard`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from etld.cli.dlq_common import bulk, chosen, filters, identified, names
from etld.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

_DISCARDABLE = ("parked", "new")


@click.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@filters
@click.option("--reason", required=True, help="Why; stands in the audit.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def command(path: Path | None, /, ids: tuple[str, ...], reason: str, yes: bool, as_json: bool, **options: Any) -> None:
    """Give letters up: parked ones by filter, or those with the IDs. `etld dlq replay ID` takes one up again."""
    from etld.cli.target import find
    from etld.deadletters import queries

    if not ids and not any(options.values()):
        raise UsageError("expected IDs or a filter, such as --state parked")
    wrong = [state for state in options["states"] if state not in _DISCARDABLE]
    if wrong:
        raise UsageError(f"a letter that is {wrong[0]} cannot be discarded; expected {', '.join(_DISCARDABLE)}")
    if not reason.strip():
        raise UsageError("--reason is empty")
    states = options.pop("states") or (_DISCARDABLE if ids else ("parked",))
    wanted, given = chosen(states, **options), names(ids)

    def change(cur: Any, of: Any, before: Any, limit: int) -> int:
        return queries.discard(cur, of, before, limit, reason)

    with find(path).connect("dlq") as conn:
        wanted = identified(conn, wanted, given, "discarded")
        sys.exit(bulk(conn, wanted, "discard", "discarded", change, yes=yes, as_json=as_json))
