"""What a run prints and writes: the table, the times of recovery, the form that docs/faults.md shows."""

from __future__ import annotations

import json
from pathlib import Path

from faults import report
from faults.runner import Row
from faults.scenarios import load_all

SHOWN = Path(__file__).parents[2] / "docs" / "faults.md"
ABOUT = {one.name: one.about for one in load_all().values()}


def row(fault: str, **more: object) -> Row:
    """A row that is well but for `more`."""
    made = Row(fault, 51, events=1234, acknowledged=1230, fired=2)
    for name, value in more.items():
        setattr(made, name, value)
    return made


def test_the_total_tells_every_recovery() -> None:
    """p50, p95 and the longest, over all blows, not over the rows' longest."""
    rows = [row("scale", recoveries=[0.1] * 18), row("spin", recoveries=[2.0, 9.0]), row("poison", skipped="no room")]
    told = "2 faults, 2,468 events, 0 lost, 0 duplicated, 0 bad, 1 skipped"
    assert report.total(rows) == f"{told}; 20 recoveries: p50 0.10 s, p95 2.00 s, max 9.00 s"


def test_what_is_written_is_what_the_readme_shows(tmp_path: Path) -> None:
    """Line by line, but for the numbers; beside the JSON that programs read."""
    shown = SHOWN.read_text()
    shown = shown[shown.index("<details>\n<summary>One run") :]
    lines = shown[: shown.index("</details>\n") + 11].splitlines()
    faults = [line.split("`")[1] for line in lines if line.startswith("| `")]
    assert set(faults) <= ABOUT.keys()
    report.write(tmp_path / "latest.json", [row(name, recovery_s=0.5, recoveries=[0.5]) for name in faults], ABOUT)
    written = (tmp_path / "latest.md").read_text().splitlines()
    assert [_words(line) for line in written] == [_words(line) for line in lines]
    assert [one["fault"] for one in json.loads((tmp_path / "latest.json").read_text())] == faults


def _words(line: str) -> str:
    """A line without what is another in every run."""
    if line.startswith("| `"):
        return "|".join(line.split("|")[:3])
    return line.partition("(seed")[0].partition(" There were ")[0].partition("<summary>One run on")[0]


def test_a_bad_row_is_marked() -> None:
    """In the table for people too."""
    text = report.markdown([row("scale", lost=1), row("poison", skipped="no room")], ABOUT)
    assert "1 faults, 1,234 events, 1 lost, 0 duplicated, 1 BAD</summary>" in text
    assert "| 1,234 | 2 | 1 | 0 | 0 |  | **BAD**" in text
    assert "| `poison` | skipped: no room | | | | | | |" in text
