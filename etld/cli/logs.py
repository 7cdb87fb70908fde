"""`etld logs`."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from etld.control.client import state_dir
from etld.errors import EtldError
from etld.logs import escape, indented

_LEVELS = ("debug", "info", "warning", "error")
_KNOWN = ("ts", "level", "worker", "msg", "trace")
_BLOCK = 65536


@click.command()
@click.argument("worker", metavar="[WORKER]", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on as lines come.")
@click.option("-n", "--lines", type=click.IntRange(0), default=50, show_default=True, help="Lines to begin with.")
@click.option("--level", type=click.Choice(_LEVELS), default="debug", help="This level and what is worse.")
@click.option("--json", "as_json", is_flag=True, help="The lines as they are in the file.")
@click.pass_obj
def command(config_path: Path | None, worker: str | None, follow: bool, lines: int, level: str, as_json: bool) -> int:
    """Show the daemon's log: of every worker, or of a kind, a name, or a prefix of names."""
    path = state_dir(config_path) / "log" / "etld.log"
    if not path.exists():
        raise EtldError(f'there is no log {path}; with [log] target = "stderr" it goes where the daemon\'s stderr goes')

    def wanted(line: str) -> str | None:
        return _render(line, worker, _LEVELS.index(level), as_json)

    try:
        found = [shown for line in _last(path, lines, wanted) if (shown := wanted(line)) is not None]
        for shown in found[-lines:] if lines else []:
            click.echo(shown)
        if worker is not None and lines and not found and not follow:
            raise EtldError(f"{path} has no line of {worker!r} at this level; `etld status` names the workers")
        if follow:
            for line in _follow(path):
                if (shown := wanted(line)) is not None:
                    click.echo(shown)
                    sys.stdout.flush()
    except KeyboardInterrupt:
        pass
    return 0


def _render(line: str, worker: str | None, least: int, as_json: bool) -> str | None:
    try:
        record = json.loads(line)
        assert isinstance(record, dict)
    except (ValueError, AssertionError):
        # Not ours: the stacks of a worker that hung, or what a library wrote to stderr.
        return escape(line) if worker is None and line.strip() else None
    name = str(record.get("worker", ""))
    if worker is not None and name != worker and not name.startswith(f"{worker}-"):
        return None
    level = str(record.get("level", "info"))
    if level in _LEVELS and _LEVELS.index(level) < least:
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


def _last(path: Path, lines: int, wanted: Any) -> list[str]:
    """Enough of the file's end to hold that many wanted lines."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        length = _BLOCK
        while True:
            start = max(0, size - length)
            file.seek(start)
            rows = file.read(size - start).decode(errors="replace").splitlines()
            rows = rows if start == 0 else rows[1:]
            if start == 0 or sum(1 for row in rows if wanted(row) is not None) >= lines:
                return rows
            length *= 4


def _follow(path: Path) -> Iterator[str]:
    """New lines, also after the file was rotated away or cut."""
    file = path.open("rb")
    file.seek(0, os.SEEK_END)
    rest = b""
    while True:
        data = file.read(_BLOCK)
        if data:
            *rows, rest = (rest + data).split(b"\n")
            yield from (row.decode(errors="replace") for row in rows)
            continue
        time.sleep(0.2)
        try:
            now = path.stat()
        except FileNotFoundError:
            continue
        if now.st_ino != os.fstat(file.fileno()).st_ino or now.st_size < file.tell():
            file.close()
            file = path.open("rb")
