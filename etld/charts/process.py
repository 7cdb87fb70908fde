"""The drawing process, from its starter's side."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from etld.charts.files import TIMEOUT
from etld.errors import EtldError
from etld.util import interpreter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from etld.config.sections.summaries import ChartsSection
    from etld.summaries.chart_model import Chart


class CannotDraw(EtldError):
    """The charts could not be drawn or written."""

    code = "ETLD-M005"


class _Ended(CannotDraw):
    """The process that draws ended without an answer, or had to be ended."""


def draw(
    charts: Sequence[Chart],
    config: ChartsSection,
    cache: Path,
    *,
    started: Callable[[subprocess.Popen[str]], None] | None = None,
) -> list[str]:
    """Draw charts in a process of their own; the paths. `cache` keeps matplotlib's list of fonts.

    Where that process ends of it, each chart has one of its own: one that ends it too keeps no other from being drawn.
    `started` is given each process, so that another thread may end it. Raises `CannotDraw`.
    """
    stamp = datetime.now().astimezone()
    tell = started or (lambda _process: None)
    try:
        return _drawn(charts, config, cache, stamp, tell)
    except _Ended:
        if len(charts) == 1:
            raise
    wrong = []
    paths: list[str] = []
    for chart in charts:
        try:
            paths += _drawn([chart], config, cache, stamp, tell)
        except _Ended as error:
            wrong.append(f"chart {chart.name}: {error}")
    if wrong:
        raise CannotDraw(f"{'; '.join(wrong)} (the other {len(paths)} are drawn)")
    return paths


def _drawn(
    charts: Sequence[Chart],
    config: ChartsSection,
    cache: Path,
    now: datetime,
    started: Callable[[subprocess.Popen[str]], None],
) -> list[str]:
    order = {
        "directory": str(config.dir),
        "directory_mode": _mode(config.directory_mode),
        "file_mode": _mode(config.file_mode),
        "keep": config.keep,
        "dpi": config.dpi,
        "stamp": now.strftime("%Y%m%d_%H%M%S"),
        "drawn_at": now.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        "charts": [chart.as_dict() for chart in charts],
    }
    try:
        process = subprocess.Popen(
            interpreter.command("etld.charts", str(os.getpid())),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Not where it was asked for: matplotlib reads a file of settings in the working directory.
            cwd="/",
            env=interpreter.environment(MPLBACKEND="agg", MPLCONFIGDIR=str(cache)),
        )
    except OSError as error:
        raise CannotDraw(f"cannot start the process that draws: {error}") from error
    started(process)
    try:
        out, err = process.communicate(json.dumps(order), timeout=TIMEOUT)
    except subprocess.TimeoutExpired as error:
        process.kill()
        process.communicate()
        raise _Ended(f"drawing took longer than {TIMEOUT:.0f} s") from error
    try:
        answer = json.loads(out)
    except ValueError:
        last = err.strip().splitlines()[-1] if err.strip() else f"it ended with {process.returncode}"
        raise _Ended(f"the process that draws failed: {last}") from None
    if answer["error"]:
        raise CannotDraw(f"{answer['error']}. Free space there or make it writable; drawing is tried again.")
    return list(answer["paths"])


def _mode(text: str) -> int | None:
    return int(text, 8) if text else None
