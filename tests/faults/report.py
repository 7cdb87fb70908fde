"""The table, and the file that programs read."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from faults.runner import Row

_HEAD = ("fault", "seed", "events", "acked", "unknown", "fired", "lost", "duplicated", "parked", "recovery s")
_WIDTH = 24


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
    times = sorted(row.recovery_s for row in ran if row.recovery_s is not None)
    slow = f"; recovery s: median {statistics.median(times):.2f}, max {times[-1]:.2f}" if times else ""
    bad = sum(not row.ok for row in ran)
    return (
        f"{len(ran)} faults, {sum(row.events for row in ran):,} events, {sum(row.lost for row in ran)} lost,"
        f" {sum(row.duplicated for row in ran)} duplicated, {bad} bad, {len(rows) - len(ran)} skipped{slow}"
    )


def write(path: Path, rows: Sequence[Row]) -> None:
    """Write the rows as JSON, all at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    new.write_text(json.dumps([row.as_json() for row in rows], indent=1) + "\n")
    new.rename(path)


def markdown(path: Path, about: Mapping[str, str]) -> str:
    """The last run as a table for people; `about` says what each fault is."""
    lines = [
        "| fault | what happens | events | fired | lost | duplicated | parked | recovery s |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in json.loads(path.read_text()):
        if row["skipped"]:
            lines.append(f"| `{row['fault']}` | skipped: {row['skipped']} | | | | | | |")
            continue
        numbers = [f"{row[name]:,}" for name in ("events", "fired", "lost", "duplicated", "parked")]
        recovery = "" if row["recovery_s"] is None else f"{row['recovery_s']:.1f}"
        cells = [f"`{row['fault']}`", about.get(row["fault"], ""), *numbers, recovery]
        lines.append(f"| {' | '.join(cells)} |" + ("" if row["ok"] else " **BAD**"))
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"{cells[0]:{_WIDTH}}" + "".join(f" {cell:>10}" for cell in cells[1:])
