"""The drawing process: every shape of data, and directories that cannot be written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from etld.charts.process import CannotDraw, draw
from etld.config.sections.summaries import ChartsSection
from etld.summaries.chart_model import Chart, Panel, bars, lines

pytestmark = pytest.mark.integration


def _chart(name: str, *panels: Panel) -> Chart:
    return Chart(name, "Orders", "etld.summary_order, no events so far", panels)


def _section(directory: Path) -> ChartsSection:
    return ChartsSection(dir=directory, keep=2, dpi=50)


SHAPES = [
    _chart("empty", bars("bar", "Nothing", []), bars("donut", "Nothing", []), lines("line", "Nothing", [])),
    _chart("one", bars("bar", "One", [("a", 1.0)]), bars("donut", "One", [("a", 1.0)])),
    _chart("zero", bars("bar", "Zero", [("a", 0.0)]), bars("donut", "Zero", [("a", 0.0)])),
    _chart("twelve", bars("bar", "Twelve", [(f"c{i}", 3.0**i) for i in range(12)], unit="USD")),
    _chart("many", bars("bar", "Many", [(f"c{i}", -1.0 * i) for i in range(40)], additive=False)),
    _chart("names", *(bars("bar", "$x_{1}$ " * 9, [("näme$^ \x01" * 30, 1e300), ("", 5e-324)]) for _ in range(5))),
    _chart(
        "ends",
        bars("bar", "Ends", [("a", 1.7e308), ("b", -1.7e308), ("c", 5e-324), ("d", float("inf"))]),
        bars("donut", "Ends", [("a", 1.7e308), ("b", float("inf"))]),
        lines("line", "Ends", [("", "2026-01-01T00:00:00", -1.7e308), ("", "2026-01-02T00:00:00", float("inf"))]),
    ),
    _chart(
        "line",
        lines("line", "Line", [(g, f"2026-01-{d:02d}T00:00:00", d * 1.5) for d in range(1, 29) for g in "abcdefgh"]),
    ),
    _chart("point", lines("line", "Point", [("", "2026-01-01T00:00:00", 0.0)], unit="USD")),
]


def test_every_shape_becomes_a_readable_file(tmp_path: Path) -> None:
    """A 16:9 picture, dated and as the latest, with its numbers inside."""
    paths = draw(SHAPES, _section(tmp_path / "charts"), tmp_path)
    assert len(paths) == len(SHAPES)
    for chart, path in zip(SHAPES, paths, strict=True):
        for one in (Path(path), tmp_path / "charts" / f"{chart.name}_latest.png"):
            with Image.open(one) as image:
                image.load()
                assert abs(image.width / image.height - 16 / 9) < 0.02


def test_a_directory_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    """Where and why, and that it is tried again."""
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotDraw, match=r"cannot write charts to .*file/charts: Not a directory"):
        draw(SHAPES[:1], _section(tmp_path / "file" / "charts"), tmp_path)


def test_a_killed_drawing_is_one_clear_line(tmp_path: Path) -> None:
    """The process that draws may be ended at any time."""

    def kill(process: subprocess.Popen[str]) -> None:
        process.kill()

    with pytest.raises(CannotDraw, match="the process that draws"):
        draw(SHAPES[:1], _section(tmp_path), tmp_path, started=kill)


def test_a_chart_that_ends_the_process_keeps_no_other_from_being_drawn(tmp_path: Path) -> None:
    """Each of the others is drawn by a process of its own."""
    begun: list[int] = []

    def kill(process: subprocess.Popen[str]) -> None:
        begun.append(process.pid)
        if len(begun) in (1, 3):  # all together, and the second alone
            process.kill()

    failed = r"chart one: the process that draws failed: .* \(the other 2 are drawn\)"
    with pytest.raises(CannotDraw, match=failed):
        draw(SHAPES[:3], _section(tmp_path), tmp_path, started=kill)
    assert {path.name for path in tmp_path.glob("*_latest.png")} == {"empty_latest.png", "zero_latest.png"}


def test_the_aggregator_itself_never_loads_matplotlib() -> None:
    """Its memory leaves with the process that draws."""
    code = "import sys, etld.aggregator.handler; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
