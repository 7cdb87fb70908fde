"""The table, and the file that programs read."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from faults.runner import Row

_HEAD = ("fault", "seed", "events", "acked", "unknown", "fired", "lost", "duplicated", "parked", "recovery s")
_WIDTH = 26
_COUNTS = {2: "two", 4: "four", 8: "eight"}
MARKDOWN_HEAD = (
    "| fault | what happens | events | fired | lost | duplicated | parked | recovery s |",
    "|---|---|---:|---:|---:|---:|---:|---:|",
)


def heading() -> str:
    """The first line of the table."""
    return _line(_HEAD) + "  result"


def line(row: Row) -> str:
    """One line of the table, and the problems below it."""
    if row.skipped:
        return f"{row.fault:{_WIDTH}} skipped: {row.skipped}"
    recovery = "-" if row.recovery_s is None else f"{row.recovery_s:.2f}"
    numbers = (row.events, row.acknowledged, row.unknown, row.fired, row.lost, row.duplicated, row.parked)
    shown = _line((row.fault, str(row.seed), *(f"{n:,}" for n in numbers), recovery))
    result = "ok" if row.ok else "BAD"
    notes = list(row.problems)
    if not row.fired:
        notes.append("the fault did not fire")
    if row.phantoms:
        notes.append(f"{row.phantoms} rows of events that nobody sent")
    return "\n".join([f"{shown}  {result}", *(f"    {note}" for note in notes)])


def total(rows: Sequence[Row]) -> str:
    """The last line of the table."""
    ran = [row for row in rows if not row.skipped]
    bad = sum(not row.ok for row in ran)
    return (
        f"{len(ran)} faults, {sum(row.events for row in ran):,} events, {sum(row.lost for row in ran)} lost,"
        f" {sum(row.duplicated for row in ran)} duplicated, {bad} bad, {len(rows) - len(ran)} skipped;"
        f" {recoveries(rows)}"
    )


def recoveries(rows: Sequence[Row]) -> str:
    """How long it took until work went on, over every blow of every fault."""
    times = sorted(seconds for row in rows for seconds in row.recoveries)
    if not times:
        return "no recovery"
    p50, p95 = (times[math.ceil(share * len(times)) - 1] for share in (0.5, 0.95))
    return f"{len(times)} recoveries: p50 {p50:.2f} s, p95 {p95:.2f} s, max {times[-1]:.2f} s"


def write(path: Path, rows: Sequence[Row], about: Mapping[str, str]) -> None:
    """Write the rows as JSON, and beside it as Markdown; each all at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for to, text in (
        (path, json.dumps([row.as_json() for row in rows], indent=1) + "\n"),
        (path.with_suffix(".md"), markdown(rows, about)),
    ):
        new = to.with_name(to.name + ".new")
        new.write_text(text)
        new.rename(to)


def markdown(rows: Sequence[Row], about: Mapping[str, str]) -> str:
    """The run as docs/faults.md shows one; `about` says what each fault is."""
    ran = [row for row in rows if not row.skipped]
    cores = len(os.sched_getaffinity(0))
    bad = sum(not row.ok for row in ran)
    result = f"{bad} BAD" if bad else "each stored or a dead letter"
    first = (
        f"<summary>One run on {_COUNTS.get(cores, cores)} cores (seed {rows[0].seed}): {len(ran)} faults,"
        f" {sum(row.events for row in ran):,} events, {sum(row.lost for row in ran)} lost,"
        f" {sum(row.duplicated for row in ran)} duplicated, {result}</summary>"
    )
    times = f"There were {recoveries(rows)}."
    return "\n".join(
        [
            "<details>",
            first,
            "",
            *MARKDOWN_HEAD,
            *(_markdown_line(row, about.get(row.fault, "")) for row in rows),
            "",
            f"`recovery s` is the longest time from a blow, or from the end of an outage, until work goes on. {times}",
            "",
            "</details>",
            "",
        ]
    )


def _markdown_line(row: Row, about: str) -> str:
    if row.skipped:
        return f"| `{row.fault}` | skipped: {row.skipped} | | | | | | |"
    numbers = [f"{n:,}" for n in (row.events, row.fired, row.lost, row.duplicated, row.parked)]
    recovery = "" if row.recovery_s is None else f"{row.recovery_s:.1f}"
    cells = [f"`{row.fault}`", about, *numbers, recovery]
    return f"| {' | '.join(cells)} |" + ("" if row.ok else " **BAD**")


def _line(cells: Sequence[str]) -> str:
    return f"{cells[0]:{_WIDTH}}" + "".join(f" {cell:>10}" for cell in cells[1:])
