"""`etld start`."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from etld.errors import EtldError

if TYPE_CHECKING:
    from etld.config import Config


@click.command()
@click.option("--foreground", is_flag=True, help="Stay in this process and log to stderr (systemd, containers).")
@click.option("--json", "as_json", is_flag=True, help="Say the result as JSON.")
@click.pass_obj
def command(config_path: Path | None, foreground: bool, as_json: bool) -> int:
    """Start the daemon; returns when every worker is ready.

    Without --foreground a start that fails leaves nothing running, unless only single workers failed;
    with it the exit code is 78 for what another start would not mend.
    """
    from etld.config import locate, refuse_unsafe, refuse_unsafe_files, user_code
    from etld.postgres import dsn
    from etld.supervisor import daemonize, main
    from etld.supervisor.config_checks import load

    try:
        refuse_unsafe(locate(config_path))
        config = load(config_path)
        refuse_unsafe_files(config)
        user_code.refuse_unsafe_code(config)
    except EtldError as error:
        if foreground:
            error.exit_code = os.EX_CONFIG  # a service manager need not try that again
        raise
    if config.postgres.dsn == "embedded":
        dsn.forget_environment(os.environ)
    if foreground:
        return main.foreground(config)
    began = time.monotonic()
    pipe = daemonize.start(config)
    try:
        result = _wait(config, pipe, began + config.supervisor.start_timeout, quiet=as_json)
    except KeyboardInterrupt:
        _end(config)
        raise EtldError("interrupted; the daemon was stopped again", code="ETLD-S024") from None
    if as_json:
        click.echo(json.dumps(result))
    else:
        for name, address in result["addresses"].items():
            click.echo(f"{name:16} {address}")
        click.echo(
            f"etld is running after {time.monotonic() - began:.1f} s; `etld status` shows it, `etld stop` ends it"
        )
    if result["given_up"]:
        lines = "\n".join(f"  {line}" for line in result["given_up"])
        raise EtldError(f"the daemon runs, but degraded:\n{lines}", code="ETLD-S008")
    return 0


def _wait(config: Config, pipe: int, until: float, *, quiet: bool) -> dict[str, Any]:
    trouble: dict[str, str] = {}
    for message in _messages(pipe, until):
        if "started" in message:
            return message
        if "failed" in message:
            _gone(config)
            raise EtldError(
                f"not started: {message['failed']}\n(the log is {config.log_dir / 'etld.log'})",
                code=message.get("explain") or "ETLD-S006",
            )
        if message["trouble"]:
            trouble[message["worker"]] = message["progress"]
        else:
            trouble.pop(message["worker"], None)
        if not quiet and sys.stderr.isatty():
            click.echo(f"  {message['worker']}: {message['progress']}", err=True)
    if time.monotonic() < until:
        raise EtldError(f"not started: the daemon ended at once; see {config.log_dir / 'etld.log'}", code="ETLD-S006")
    _end(config)
    seconds = config.supervisor.start_timeout
    reason = "; ".join(f"{worker}: {text}" for worker, text in trouble.items()) or "some workers were not ready"
    raise EtldError(
        f"not started within {seconds:.0f} s (supervisor.start_timeout), and stopped again: {reason}", code="ETLD-S007"
    )


def _messages(pipe: int, until: float) -> Iterator[dict[str, Any]]:
    buffer = b""
    while (left := until - time.monotonic()) > 0:
        if not select.select([pipe], [], [], left)[0]:
            return
        data = os.read(pipe, 65536)
        if not data:
            return
        *lines, buffer = (buffer + data).split(b"\n")
        for line in lines:
            yield json.loads(line)


def _end(config: Config) -> None:
    """Stop what was started, and wait until it is gone."""
    try:
        os.kill(int(config.pid_path.read_text()), signal.SIGTERM)
    except (OSError, ValueError):
        return
    _gone(config)


def _gone(config: Config) -> None:
    until = time.monotonic() + config.supervisor.stop_timeout + 5
    while config.pid_path.exists() and time.monotonic() < until:
        time.sleep(0.05)
