"""`etld open`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from etld.control.client import ask
from etld.errors import EtldError


@click.command()
@click.option("--print", "only_print", is_flag=True, help="Only say where it is.")
@click.pass_obj
def command(config_path: Path | None, only_print: bool) -> None:
    """Open the console in a browser; without a screen, say where it is."""
    address = ask(config_path, "status")["addresses"].get("console")
    if not address:
        raise EtldError("there is no console: set [console] enabled = true, then `etld reload`", code="ETLD-U012")
    click.echo(address)
    has_screen = sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    if has_screen and not only_print:
        import webbrowser

        webbrowser.open(address)
