"""Where the shapes of a panel are, and what stands beside them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from etld.console.chart_svg import HEIGHT, WIDTH, drawn
from etld.summaries.chart_model import Buckets, bars, lines

BEGIN = datetime(2026, 3, 1)  # noqa: DTZ001  # by the clock of the buckets


def at(hours: int) -> str:
    return (BEGIN + timedelta(hours=hours)).isoformat()


def test_a_line_with_a_gap_is_two_pieces() -> None:
    """Every value is a point with its time, the axis has round numbers, and all lies within the picture."""
    rows = [("a", at(0), 10.0), ("a", at(1), 37.0), ("a", at(4), 5.0)]
    (panel,) = drawn([lines("line", "T", rows, buckets=Buckets(3600))])
    (curve,) = panel.curves
    assert curve.path.count("M") == 2
    assert [dot.text for dot in curve.dots] == ["2026-03-01 00:00: 10", "2026-03-01 01:00: 37", "2026-03-01 04:00: 5"]
    assert [row.text for row in panel.rows] == ["0", "10", "20", "30", "40"]
    assert [column.text for column in panel.columns] == ["00:00", "01:00", "02:00", "03:00", "04:00"]
    assert all(0 <= dot.x <= WIDTH and 0 <= dot.y <= HEIGHT for dot in curve.dots)
    assert curve.dots[1].y < curve.dots[0].y < curve.dots[2].y


def test_a_long_line_keeps_its_sum() -> None:
    """Sums go together; what cannot be summed up is left out, and both are told."""
    rows = [("a", at(n), 2.0) for n in range(1000)]
    (summed,) = drawn([lines("line", "T", rows)])
    assert summed.note == "3 buckets a point"
    assert sum(float(dot.text.rpartition(" ")[2]) for dot in summed.curves[0].dots) == 2000
    (single,) = drawn([replace(lines("line", "T", rows), additive=False)])
    assert (single.note, single.curves[0].dots[0].text) == ("one bucket in 3", "2026-03-01 00:00: 2")


def test_bars_are_as_long_as_their_values() -> None:
    """The longest is the whole width; shares are told where they add up."""
    (panel,) = drawn([bars("bar", "T", [("x", 30.0), ("y", 10.0)])])
    assert [(one.label, one.length, one.value, one.share) for one in panel.bars] == [
        ("x", 100.0, "30", "75.0%"),
        ("y", 33.33, "10", "25.0%"),
    ]
    (below,) = drawn([bars("bar", "T", [("x", 30.0), ("y", -10.0)])])
    assert [one.share for one in below.bars] == ["", ""]


def test_nothing_and_one_value_are_drawn_too() -> None:
    """No division by what is not there."""
    assert drawn([bars("bar", "T", [])]) == []
    (one,) = drawn([lines("line", "T", [("a", at(0), 0.0)])])
    assert len(one.curves[0].dots) == 1
    assert one.rows[0].text == "0"


def test_one_name_has_one_colour() -> None:
    """In whichever order the panels of a chart have it."""
    first = bars("bar", "T", [("x", 1.0), ("y", 2.0)], by="name")
    second = lines("line", "T", [("x", at(0), 9.0), ("y", at(0), 1.0)], by="name")
    shown, over_time = drawn([first, second])
    assert {bar.label: bar.number for bar in shown.bars} == {curve.label: curve.number for curve in over_time.curves}
