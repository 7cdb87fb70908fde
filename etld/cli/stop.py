"""`etld stop`."""

from __future__ import annotations

import time
from pathlib import Path

import click

from etld.control.client import Connection, socket_path
from etld.errors import EtldError


@click.command()
@click.option("--quick", is_flag=True, help="Do not wait for what is under way.")
@click.option("--timeout", type=float, default=120.0, show_default=True, help="Seconds to wait for the end.")
@click.pass_obj
def command(config_path: Path | None, quick: bool, timeout: float) -> int:
    """Stop the daemon; returns when every process is gone. Exit code 3 when it is not running."""
    path = socket_path(config_path)
    began = time.monotonic()
    with Connection(path) as connection:
        pid = connection.ask("stop", quick=quick)["pid"]
        if not connection.wait_end(timeout):
            raise EtldError(f"the daemon (pid {pid}) has not stopped within {timeout:.0f} s; it goes on stopping")
    while Path(f"/proc/{pid}").exists() and time.monotonic() < began + timeout:
        time.sleep(0.01)
    click.echo(f"stopped after {time.monotonic() - began:.1f} s")
    return 0
