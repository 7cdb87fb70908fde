"""`etld scale`."""

from __future__ import annotations

from pathlib import Path

import click

from etld.cli.audited import AuditedCommand
from etld.cli.operation import operate, timeout_option


@click.command(cls=AuditedCommand, action="workers/scale")
@click.argument("target", metavar="KIND")
@click.argument("count", type=click.IntRange(0, 64))
@timeout_option
@click.pass_obj
def command(config_path: Path | None, target: str, count: int, timeout: float | None) -> int:
    """Change how many workers of KIND run (ingest, aggregator, corrector, processor, processor-TYPE).

    Holds until the daemon is stopped, or until the configuration's own number is changed and reloaded.
    """
    reply = operate(config_path, "scale", timeout=timeout, target=target, count=count)
    done = [f"started {name}" for name in reply["started"]] + [f"stopped {name}" for name in reply["stopped"]]
    click.echo("\n".join(done) or f"{target}: {count} already")
    return 0
