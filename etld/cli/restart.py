"""`etld restart`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from etld.cli.audited import AuditedCommand
from etld.cli.operation import operate
from etld.control.client import ask
from etld.errors import EtldError, Unreachable


@click.command(cls=AuditedCommand, action="workers/restart")
@click.argument("target", metavar="[WORKER]", required=False)
@click.option("--timeout", type=float, default=600.0, show_default=True, help="Seconds until it is called off.")
@click.pass_obj
def command(config_path: Path | None, target: str | None, timeout: float) -> int:
    """Replace workers one by one, the next when the last is ready: a kind, a name, or a prefix.

    Without WORKER: first the supervisor becomes the program that is installed now, keeping its
    sockets; then set-up runs again, then every worker but the embedded parts is replaced.
    """
    if target is not None:
        for name in operate(config_path, "restart", timeout=timeout, target=target)["restarted"]:
            click.echo(f"{name} was replaced")
        return 0
    began = time.monotonic()
    operate(config_path, "restart", timeout=timeout)
    reply = _wait(config_path, began + timeout)
    if error := _error(reply):
        raise EtldError(f"etld {reply['version']} runs, but not every worker was replaced: {error}", code="ETLD-S022")
    if reply["state"] != "ready":
        raise EtldError(
            "restarted, but degraded:\n" + "\n".join(f"  {fault}" for fault in reply["faults"]), code="ETLD-S008"
        )
    click.echo(f"restarted as etld {reply['version']} after {time.monotonic() - began:.1f} s")
    return 0


def _wait(config_path: Path | None, until: float) -> dict[str, Any]:
    """The status once the roll is over; the daemon may be out of reach while it changes its program."""
    quiet = 0
    while time.monotonic() < until:
        time.sleep(0.1)
        try:
            reply = ask(config_path, "status")
        except Unreachable:
            quiet = 0
            continue
        quiet = 0 if reply["operation"] else quiet + 1
        if quiet >= 2 and (reply["state"] == "ready" or _error(reply) or quiet > 30):
            return reply
    raise EtldError("the restart is not over yet; `etld status` tells", code="ETLD-S022")


def _error(reply: dict[str, Any]) -> str | None:
    last = reply.get("last_operation") or {}  # a daemon of an older version does not say
    error: str | None = last.get("error")
    return error
