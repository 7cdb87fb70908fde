"""`etld alerts`."""

from __future__ import annotations

from pathlib import Path

import click

from etld.cli.audited import AuditedCommand


@click.group()
def command() -> None:
    """Try the webhooks of [[alerts]]."""


@command.command(cls=AuditedCommand, action="alerts/test")
@click.argument("name", required=False)
@click.pass_obj
def test(path: Path | None, name: str | None) -> None:
    """Send a test to the webhook NAME, or to all; says what is wrong with each that does not take it."""
    import asyncio

    from etld.alerts.delivery import send_test
    from etld.supervisor.config_checks import load

    for told in asyncio.run(send_test(load(path), name)):
        click.echo(f"{told} has taken the test")
