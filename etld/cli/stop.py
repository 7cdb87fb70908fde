"""`etld stop`."""

from __future__ import annotations

import contextlib
import os
import select
import time
from pathlib import Path

import click

from etld.cli.audited import AuditedCommand
from etld.control.client import ControlConnection, socket_path
from etld.errors import EtldError


@click.command(cls=AuditedCommand, action="daemon/stop", ends_database=True)
@click.option("--quick", is_flag=True, help="Do not wait for what is under way.")
@click.option("--timeout", type=float, default=120.0, show_default=True, help="Seconds to wait for the end.")
@click.pass_obj
def command(config_path: Path | None, quick: bool, timeout: float) -> int:
    """Stop the daemon; returns when every process is gone. Exit code 3 when it is not running."""
    path = socket_path(config_path)
    began = time.monotonic()
    with ControlConnection(path) as connection:
        pid = connection.ask("stop", quick=quick)["pid"]
        end = _end_of(pid)
        if not connection.wait_end(timeout):
            raise EtldError(
                f"the daemon (pid {pid}) has not stopped within {timeout:.0f} s; it goes on stopping", code="ETLD-S009"
            )
    if end is not None:
        # Readable at the end, not only when somebody has reaped it.
        select.select([end], [], [], max(0.0, began + timeout - time.monotonic()))
        os.close(end)
    click.echo(f"stopped after {time.monotonic() - began:.1f} s")
    return 0


def _end_of(pid: int) -> int | None:
    with contextlib.suppress(ProcessLookupError):
        return os.pidfd_open(pid)
    return None
