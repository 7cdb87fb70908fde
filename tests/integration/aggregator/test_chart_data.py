"""What charts read from the tables: windows, lines with and without a group column, buckets without events."""

from __future__ import annotations

import datetime as dt
import uuid
from pathlib import Path

import pytest

from etld.postgres.connections import Connection
from etld.summaries.chart_data import read_charts
from etld.summaries.chart_model import Chart
from support.aggregator_harness import AggregatorHarness, config, purchase

pytestmark = pytest.mark.integration
TITLE = 'title = "Purchases"\n'
PANEL = '  { kind = "bar", title = "Items by event", by = "event_name", value = "events", unit = "items" },\n'
# Hours ago.
AGES = (50, 4, 1, 0)


def _charts(conn: Connection, directory: Path, panels: str, more: str = "") -> Chart:
    """The chart of purchases, one counted at each of the AGES."""
    changes = {"a": (PANEL, panels), "b": (TITLE, TITLE + more)}
    harness = AggregatorHarness(conn, directory, config(directory, **changes))
    harness.fill()
    now = dt.datetime.now(dt.UTC)
    events = [purchase(str(uuid.uuid4()), 2.0, now - dt.timedelta(hours=age)) for age in AGES]
    harness.count(harness.batch([harness.value(event) for event in events]))
    return read_charts(harness.side, harness.summaries, harness.config.summaries)[0]


@pytest.mark.parametrize("by", ["", 'by = "bucket_start", '])
def test_a_line_without_a_group_column(conn: Connection, tmp_path: Path, by: str) -> None:
    """Declared in either way; a count is zero where nothing was counted."""
    chart = _charts(conn, tmp_path, f'  {{ kind = "line", {by}value = "events" }},\n')
    (line,) = chart.panels[0].lines
    assert chart.panels[0].title == "events over time"
    assert sum(value or 0 for _, value in line.points) == len(AGES)
    assert [value for _, value in line.points] == [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0]


def test_a_mean_has_a_gap_and_its_lines_a_name(conn: Connection, tmp_path: Path) -> None:
    """Unless it is told to be zero."""
    panels = '  { kind = "line", by = "event_name", value = "average_price" },\n'
    chart = _charts(conn, tmp_path, panels + panels.replace(" },", ', empty = "zero" },'))
    for panel, empty in zip(chart.panels[:2], (None, 0.0), strict=True):
        (line,) = panel.lines
        assert line.name == "added_to_cart"
        assert [value for _, value in line.points] == [2.0, empty, empty, 2.0, empty, empty, 2.0, 2.0]


def test_a_window_shows_the_last_buckets_only(conn: Connection, tmp_path: Path) -> None:
    """In bars, lines and the source, and every hour of it is in the line."""
    chart = _charts(conn, tmp_path, '  { kind = "line", value = "events" },\n', 'last = "1 d"\n')
    line, bars = chart.panels
    assert (chart.window, bars.total) == ("in the last 1 d", 3 * 2.0)
    assert "3 events" in chart.source
    assert line.span is not None
    first, last = (dt.datetime.fromisoformat(at) for at in line.span)
    assert (last - first, last.minute, first.minute) == (dt.timedelta(hours=23), 0, 0)
    points = line.lines[0].points
    assert (points[0], points[-1][0]) == ((line.span[0], 0.0), line.span[1])


def test_an_empty_window_says_so(conn: Connection, tmp_path: Path) -> None:
    """Not that there were no events ever."""
    chart = _charts(conn, tmp_path, "", 'last = "1 h"\n')
    assert chart.panels[0].total == 2.0
    conn.execute("DELETE FROM etld.summary_purchase")
    harness = AggregatorHarness(conn, tmp_path, config(tmp_path, b=(TITLE, f'{TITLE}last = "1 h"\n')))
    (empty, *_) = read_charts(harness.side, harness.summaries, harness.config.summaries)
    assert "no events in the last 1 h" in empty.source
    assert all(panel.empty for panel in empty.panels)
