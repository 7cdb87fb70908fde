"""Operations of the daemon that take a while: asked for, waited for, and left alone when the command is interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from etld.control.client import ask
from etld.errors import EtldError

#: Seconds that the daemon may need, beyond an operation's own time, to take back what that did.
_SPARE = 120.0

timeout_option = click.option(
    "--timeout", type=click.FloatRange(min=0), help="Seconds until it is called off; supervisor.operation_timeout else."
)


class Interrupted(EtldError):
    """Whoever waited does not any more."""

    code = "ETLD-S024"

    exit_code = 130


def operate(config_path: Path | None, verb: str, *, timeout: float | None, **arguments: object) -> dict[str, Any]:
    """Ask for an operation and wait for its end; raises what `ask` does, and `Interrupted`."""
    limits = {} if timeout is None else {"within": timeout}
    try:
        return ask(config_path, verb, timeout=None if timeout is None else timeout + _SPARE, **limits, **arguments)
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted; the {verb} goes on in the daemon: `etld status` tells how far it is, `etld cancel` ends it"
        ) from None
