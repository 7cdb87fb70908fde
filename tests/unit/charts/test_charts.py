"""What charts show, as plain data and as text."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from etld.charts import files, palette
from etld.charts.labels import clipped, percent, wrapped
from etld.charts.numbers import full, short, tick
from etld.summaries.chart_model import Chart, bars, lines, source


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "", "0"),
        (1234, "items", "1,234"),
        (99_999, "", "99,999"),
        (123_456, "", "123k"),
        (12_345.6, "USD", "$12.3k"),
        (1234.5, "USD", "$1,234.50"),
        (9_999.999, "USD", "$10.0k"),
        (1_999_500, "", "2.0M"),
        (-4_000_000, "USD", "-$4.0M"),
        (0.00012, "", "0.00012"),
        (19.99, "EUR", "€19.99"),
        (2.5, "", "2.5"),
        (1e18, "", "1.0e18"),
    ],
)
def test_value_labels(value: float, unit: str, text: str) -> None:
    """Short enough for a bar's end, exact where that is short."""
    assert short(value, unit) == text


def test_totals_and_ticks() -> None:
    """A total in full, a tick without zeros that say nothing."""
    assert full(43756.58, "USD") == "$43,756.58"
    assert full(1, "shipments") == "1 shipment"
    assert tick(6000, "USD") == "$6,000"
    assert tick(30000, "USD") == "$30k"


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


def test_a_name_has_one_colour_in_all_panels() -> None:
    """By the names alone; what is summed up is grey, and more names than colours begin again."""
    colours = palette.by_name(["b", "", "a", "b"])
    assert colours == {"": palette.OTHERS, "a": palette.SERIES[0], "b": palette.SERIES[1]}
    many = palette.by_name(f"c{i:03d}" for i in range(len(palette.SERIES) + 1))
    assert many["c000"] == many[f"c{len(palette.SERIES):03d}"]


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
