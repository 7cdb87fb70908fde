"""`etld reload`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from etld.cli.audited import AuditedCommand
from etld.cli.operation import operate, timeout_option
from etld.control import reload_replies as replies
from etld.control.client import RequestRefused


@click.command(cls=AuditedCommand, action="config/reload")
@click.option("--dry-run", is_flag=True, help="Only tell what would be done.")
@timeout_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def command(config_path: Path | None, dry_run: bool, timeout: float | None, as_json: bool) -> int:
    """Take the edited configuration. A file with a mistake changes nothing; all its mistakes are named.

    A reload that is under way is called off, and this one takes its place. Interrupting the command ends neither.
    """
    try:
        reply = operate(config_path, "reload", timeout=timeout, dry_run=dry_run)
    except RequestRefused as refused:
        if as_json:
            click.echo(json.dumps({"ok": False, "error": refused.error}))
            return 1
        raise replies.in_words(refused) from None
    click.echo(json.dumps(reply) if as_json else replies.text(reply))
    return 0


def reload(config_path: Path | None) -> str:
    """Have the daemon take the edited configuration; what it did. Raises `EtldError`, `ConfigError` for mistakes."""
    try:
        return replies.text(operate(config_path, "reload", timeout=None, dry_run=False))
    except RequestRefused as refused:
        raise replies.in_words(refused) from None
