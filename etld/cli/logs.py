"""`etld logs`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from etld.control import log_source
from etld.control.client import ask, state_dir
from etld.errors import EtldError, Unreachable
from etld.logs import escape, indented

_KNOWN = ("ts", "level", "worker", "msg", "trace")


@click.command()
@click.argument("worker", metavar="[WORKER]", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on as lines come.")
@click.option("-n", "--lines", type=click.IntRange(0), default=50, show_default=True, help="Lines to begin with.")
@click.option("--level", type=click.Choice(log_source.LEVELS), default="debug", help="This level and what is worse.")
@click.option("--json", "as_json", is_flag=True, help="The lines as they are in the file.")
@click.pass_obj
def command(config_path: Path | None, worker: str | None, follow: bool, lines: int, level: str, as_json: bool) -> int:
    """Show the daemon's log: of every worker, or of a kind, a name, or a prefix of names.

    From wherever the running daemon writes it, the journal too.
    """
    source = _source(config_path)

    def wanted(line: str) -> str | None:
        return _render(line, worker, log_source.LEVELS.index(level), as_json)

    try:
        found = [shown for line in source.last(lines, wanted) if (shown := wanted(line)) is not None]
        for shown in found[-lines:] if lines else []:
            click.echo(shown)
        if worker is not None and lines and not found and not follow:
            raise EtldError(
                f"{source.name} has no line of {worker!r} at this level; `etld status` names the workers",
                code="ETLD-S023",
            )
        if follow:
            for line in source.follow():
                if (shown := wanted(line)) is not None:
                    click.echo(shown)
                    sys.stdout.flush()
    except KeyboardInterrupt:
        pass
    return 0


def _source(config_path: Path | None) -> log_source.File | log_source.Journal:
    """The running daemon's log; without a daemon the file of the last one that wrote one."""
    try:
        where = ask(config_path, "logs", lines=0)
    except Unreachable as away:
        path = state_dir(config_path) / "log" / "etld.log"
        if not path.exists():
            raise EtldError(
                f"there is no log {path}, and the daemon does not say where it is: {away}", code="ETLD-S023"
            ) from None
        click.echo(f"etld: {away}; this is the log of an earlier run", err=True)
        return log_source.File(path)
    if where["target"] == "file":
        return log_source.File(Path(where["path"]))
    if where["target"] == "journal":
        return log_source.Journal(where["unit"])
    raise EtldError(
        "the daemon writes its log to the terminal or pipe that is its stderr: look there", code="ETLD-S023"
    )


def _render(line: str, worker: str | None, least: int, as_json: bool) -> str | None:
    try:
        record = json.loads(line)
        assert isinstance(record, dict)
    except (ValueError, AssertionError):
        # Not ours: what a library wrote to stderr, or the stacks of a supervisor that was aborted.
        return escape(line) if worker is None and line.strip() else None
    name = str(record.get("worker", ""))
    if worker is not None and name != worker and not name.startswith(f"{worker}-"):
        return None
    level = str(record.get("level", "info"))
    if level in log_source.LEVELS and log_source.LEVELS.index(level) < least:
        return None
    return line if as_json else _human(record, name, level)


def _human(record: dict[str, Any], name: str, level: str) -> str:
    extra = " ".join(f"{key}={value}" for key, value in record.items() if key not in _KNOWN)
    text = escape(
        f"{record.get('ts', '')} {level:7} {name}: {record.get('msg', '')}" + (f" ({extra})" if extra else "")
    )
    if record.get("trace"):
        text += f"\n    {indented(str(record['trace']))}"
    return text
