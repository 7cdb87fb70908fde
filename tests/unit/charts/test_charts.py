"""What charts show, as plain data and as text."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from etld.charts import files, palette
from etld.charts.labels import clipped, distinct, percent, wrapped
from etld.charts.numbers import form_of
from etld.charts.panels.style import ChartStyle
from etld.summaries.chart_model import Buckets, Chart, bars, lines, source


@pytest.mark.parametrize(
    ("values", "unit", "texts"),
    [
        ([0.0], "", ["0"]),
        ([1234, 7], "items", ["1,234", "7"]),
        ([99_999, 123_456, 12], "", ["99,999", "123,456", "12"]),
        ([12_345.6, 950.5, 0.001], "USD", ["$12,345.60", "$950.50", "<$0.01"]),
        ([1_234_567.5, 99.5], "USD", ["$1,234,568", "$100"]),
        ([9_999_999.0, 1], "", ["10.0M", "<0.1M"]),
        ([-40_000_000, 1_234_567], "USD", ["-$40.0M", "$1.2M"]),
        ([999_960_000], "", ["1.0B"]),
        ([0.00012, 0.005], "", ["0.0001", "0.0050"]),
        ([19.99, 5], "EUR", ["€19.99", "€5.00"]),
        ([2.5, 3, -0.25], "", ["2.50", "3.00", "-0.25"]),
        ([1e18, 5], "", ["1.0e18", "5.0e00"]),
        ([1e300, 5e-324], "", ["1.0e300", "4.9e-324"]),
        ([float("inf"), 2.0], "", ["inf", "2"]),
    ],
)
def test_numbers_of_a_panel_have_one_form(values: list[float], unit: str, texts: list[str]) -> None:
    """The same scale and decimals for all: short enough for a bar's end, exact where that is short."""
    form = form_of(values, unit)
    assert [form.text(value) for value in values] == texts


def test_totals_and_ticks() -> None:
    """A total with its unit, a tick without zeros that say nothing; both in the form of the others."""
    assert form_of([43_756.58], "USD").total(43_756.58) == "$43,756.58"
    assert form_of([1], "shipments").total(1) == "1 shipment"
    assert form_of([6000.5], "USD").tick(6000) == "$6,000"
    form = form_of([30_000_000, 250_000])
    assert [form.tick(value) for value in (250_000, 10_000_000)] == ["0.25M", "10M"]


def test_bars_rank_and_sum_up_what_is_too_much() -> None:
    """Twelve at most; the rest is one bar, so that the total stays."""
    panel = bars("bar", "t", [(f"c{i}", float(i)) for i in range(20)])
    assert len(panel.items) == 12
    assert panel.items[0].name == "c19"
    assert panel.items[-1].label == "9 others"
    assert panel.total == sum(range(20))


def test_averages_are_not_summed_up() -> None:
    """What is left out is said."""
    panel = bars("bar", "t", [(f"c{i}", float(i)) for i in range(20)], additive=False)
    assert [item.value for item in panel.items] == [float(19 - i) for i in range(12)]
    assert panel.note == "the 12 largest of 20"


def test_labels_replace_names() -> None:
    """As the panel's `labels` say."""
    panel = bars("donut", "t", [("order_shipped", 2.0), ("none", 0.0)], labels={"order_shipped": "in transit"})
    assert [item.label for item in panel.items] == ["in transit"]


def test_lines_keep_time_order_and_the_chart_survives_json() -> None:
    """What goes to the drawing process comes out of it the same."""
    panel = lines("line", "t", [("a", "2026-01-01T00:00:00", 1.0), ("a", "2026-01-01T01:00:00", 2.0)])
    chart = Chart("n", "t", source(None, "summary_x"), (panel, bars("bar", "t", [("a", 1.0)])))
    assert Chart.from_dict(chart.as_dict()) == chart


def test_what_a_killed_drawing_left_goes(tmp_path: Path) -> None:
    """Of this chart, and only once no drawing can be at it any more; also what an earlier version left."""
    old = time.time() - 3 * files.TIMEOUT
    abandoned = [".sales_20260101_000000.png.k3x_9z", ".sales_latest.png.abcdefgh", ".sales.part"]
    others = [".other_latest.png.abcdefgh", ".sales_notes", ".sales_2026.png.abcdefgh"]
    for name in [*abandoned, *others]:
        (tmp_path / name).write_bytes(b"half")
        os.utime(tmp_path / name, (old, old))
    (tmp_path / ".sales_latest.png.underway").write_bytes(b"half")
    files.write(tmp_path, "sales", "20260101_000001", b"png", keep=2)
    hidden = sorted(p.name for p in tmp_path.iterdir() if p.name.startswith("."))
    assert hidden == sorted([*others, ".sales_latest.png.underway"])


def test_a_chart_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    """A web server of another user may show it, unless the daemon's umask says otherwise."""
    for umask, mode in ((0o022, 0o644), (0o027, 0o640)):
        former = os.umask(umask)
        try:
            path = files.write(tmp_path, "sales", "20260101_000001", b"png", keep=2)
        finally:
            os.umask(former)
        assert path.stat().st_mode & 0o777 == mode


def test_permissions_are_as_told(tmp_path: Path) -> None:
    """Of the directories that are made and of the files; else the directory is left as it is."""
    former = os.umask(0o077)
    try:
        files.make(tmp_path / "web" / "charts", 0o755)
        path = files.write(tmp_path / "web" / "charts", "sales", "20260101_000001", b"png", keep=2, mode=0o644)
        files.make(tmp_path / "own")
    finally:
        os.umask(former)
    modes = [one.stat().st_mode & 0o777 for one in (path, path.parent, path.parent.parent, tmp_path / "own")]
    assert modes == [0o644, 0o755, 0o755, 0o700]
    files.make(path.parent, 0o750)
    assert path.parent.stat().st_mode & 0o777 == 0o750


def test_a_name_has_one_colour_in_all_panels() -> None:
    """Of one group column; what is summed up is grey, and the names of three full panels are told apart."""
    colours = palette.by_name([("x", "b"), ("x", ""), ("x", "a"), ("y", "a"), ("x", "b")])
    assert colours == {("x", "a"): palette.SERIES[0], ("x", "b"): palette.SERIES[1], ("y", "a"): palette.SERIES[2]}
    panel = bars("bar", "t", [("a", 1.0)], by="x")
    style = ChartStyle(colours, 1)
    assert (style.colour(panel, "a"), style.colour(panel, "")) == (palette.SERIES[0], palette.OTHERS)
    assert style.colour(lines("line", "t", [("", "2026-01-01T00:00:00", 1.0)]), "") == palette.INK
    many = palette.by_name(("x", f"c{i:03d}") for i in range(33))
    assert len(set(many.values()) - {palette.INK, palette.OTHERS}) == 33


@pytest.mark.parametrize("most", [1, 2])
@pytest.mark.parametrize(
    "texts",
    [
        ["a_very_long_event_name_that_ends_in_one", "a_very_long_event_name_that_ends_in_two"],
        [f"https://shop.example.org/checkout/step-{i}/confirm-address-and-pay" for i in range(12)],
        ["x" * 200 + "a", "x" * 200 + "b", "x" * 200],
        ["short", "a" * 90 + "1" + "b" * 90, "a" * 90 + "2" + "b" * 90],
        ["one " * 20, "one " * 21, "one " * 22],
        ["same", "same"],
    ],
)
def test_names_that_are_cut_still_differ(texts: list[str], most: int) -> None:
    """However they are cut, in one line or in two."""
    for width in (10, 16, 40):
        shown = distinct(texts, lambda text, width=width: wrapped(text, width, most), width * most)
        assert len(set(shown)) == len(set(texts))
        assert all(len(line) <= width + 2 for text in shown for line in text.splitlines())


HOURS = [("a", "2026-01-01T01:00:00", 1.0), ("a", "2026-01-01T05:00:00", 2.0), ("b", "2026-01-01T02:00:00", 3.0)]


def test_an_empty_hour_is_a_gap_or_a_zero() -> None:
    """For every line as long as the longest; of many empty ones the first and the last."""
    zero = lines("line", "t", HOURS, buckets=Buckets(3600, 0.0))
    assert [[(at[11:13], value) for at, value in line.points] for line in zero.lines] == [
        [("01", 1.0), ("02", 0.0), ("04", 0.0), ("05", 2.0)],
        [("01", 0.0), ("02", 3.0), ("03", 0.0), ("05", 0.0)],
    ]
    gap = lines("line", "t", HOURS, buckets=Buckets(3600))
    assert [value for _, value in gap.lines[0].points] == [1.0, None, None, 2.0]
    shown = ("2026-01-01T00:00:00", "2026-01-01T08:00:00")
    window = lines("line", "t", HOURS, buckets=Buckets(3600, 0.0, shown))
    assert {(line.points[0][0], line.points[-1][0]) for line in window.lines} == {shown}
    chart = Chart("n", "t", "s", (gap, window), "in the last 8 h")
    assert Chart.from_dict(json.loads(json.dumps(chart.as_dict()))) == chart


def test_labels_fit_and_draw_no_mathematics() -> None:
    """Long names break at blanks and underscores; a dollar sign is one."""
    assert clipped("a" * 30, 10) == "aaaaaaaaa…"
    assert clipped("$5\x07", 10) == "\\$5 "
    assert wrapped("checkout_initiated_twice", 10, 2).count("\n") == 1
    assert (percent(1, 1000), percent(1, 3), percent(1, 0)) == ("<1 %", "33 %", "0 %")


def test_files_are_pruned_by_count_and_the_latest_stays(tmp_path: Path) -> None:
    """Only files of this chart are touched."""
    (tmp_path / "other_20260101_000000.png").write_bytes(b"x")
    for second in range(5):
        files.write(tmp_path, "sales", f"20260101_00000{second}", b"%d" % second, keep=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "other_20260101_000000.png",
        "sales_20260101_000003.png",
        "sales_20260101_000004.png",
        "sales_latest.png",
    ]
    assert (tmp_path / "sales_latest.png").read_bytes() == b"4"
