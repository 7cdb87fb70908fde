"""Every command that changes something is in the audit, and on a page of the console."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Iterator
from typing import Any

import click
import pytest

from etld.cli import COMMANDS
from etld.cli.audited import AuditedCommand
from etld.cli.lazy import LazyGroup
from etld.console.pages import PAGES

#: What they change is nowhere, or not the system's: see docs/console.md.
UNAUDITED = {
    "start",  # there is no database to note it in
    "status", "health", "logs", "trace", "reconcile", "psql", "open", "generate", "demo", "explain",
    "completion", "man", "bi superset", "bi grafana", "bi dbt", "bi down",
    "dlq list", "dlq show", "dlq stats", "dlq test", "dlq rules list", "dlq rules show", "dlq rules draft",
    "schemas list", "schemas check", "console user list", "console token list",
    "config check", "config show", "config init", "config schema",
    "database grants", "database dump", "database restore",
}  # fmt: skip
#: What a browser cannot do: see docs/console.md.
NOT_ON_A_PAGE = {"daemon/stop", "config/new-type", "config/reader"}


def _commands(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    if isinstance(group, LazyGroup):
        commands = {name: importlib.import_module(module).command for name, (module, _) in group._lazy.items()}
    else:
        commands = group.commands
    for name, command in commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def _every() -> dict[str, click.Command]:
    return dict(_commands(LazyGroup(name="etld", lazy=COMMANDS)))


def _actions(command: AuditedCommand) -> set[str]:
    """All that a command may be called in the audit."""
    if isinstance(command._action, str):
        return {command._action}
    switches: list[list[Any]] = [
        [None, True] for one in command.params if one.name in ("cancel", "partitions", "begin", "drop_replaced")
    ]
    names = [one.name for one in command.params if one.name in ("cancel", "partitions", "begin", "drop_replaced")]
    found = {command._action(dict(zip(names, values, strict=True))) for values in itertools.product(*switches)}
    return {one for one in found if one is not None}


def test_what_changes_something_is_audited() -> None:
    audited = {name for name, command in _every().items() if isinstance(command, AuditedCommand)}
    assert _every().keys() - audited == UNAUDITED


def test_what_is_audited_is_on_a_page() -> None:
    on_pages = {f"{page.name}/{action.name}" for page in PAGES for action in page.actions if action.changes}
    commands = set().union(*(_actions(one) for one in _every().values() if isinstance(one, AuditedCommand)))
    assert commands - on_pages == NOT_ON_A_PAGE
    assert len(commands) > 20


@pytest.mark.parametrize(
    ("command", "given", "kept"),
    [
        ("forget", {"conditions": ("user_id=7", "mail=a@b"), "yes": True}, {"fields": "user_id, mail"}),
        ("dlq replay", {"ids": ("abcd",), "sets": ("a.price=12",)}, {"ids": "abcd", "sets": "a.price"}),
        ("scale", {"target": "ingest", "count": 0, "timeout": 3.0}, {"target": "ingest", "count": "0"}),
        ("console user add", {"name": "a", "role": "viewer", "password_file": "x"}, {"name": "a", "role": "viewer"}),
    ],
)  # fmt: skip
def test_what_stands_in_the_audit(command: str, given: dict[str, Any], kept: dict[str, str]) -> None:
    """Nothing of what stands in events, and nothing secret."""
    from etld.cli.audited import _arguments

    found = _every()[command]
    assert isinstance(found, AuditedCommand)
    assert _arguments(found._told({**given, "as_json": False, "file": None})) == kept
