"""One model of dashboards: what a summary and an event type become, in words."""

from __future__ import annotations

import pytest

from support.bi_config import dashboards as made

MORE = """
[summaries.refunds_by_day]
event_types = ["purchase"]
group_by = { country = "user_details.country" }
measures = { refunds = "count", newest = { max = "triggered_at" }, largest_price = { max = "event_details.price" } }
bucket = "1 d"
timezone = "Europe/Berlin"

[event_types.refund_done]
schema = "schemas/purchase.avsc"
"""


def test_there_is_an_overview_and_one_for_each_summary() -> None:
    """With the numbers that the configuration names, and whether they can be trusted on each."""
    shown = {board.title: board for board in made().dashboards}
    assert list(shown) == ["Overview", "Purchases", "Orders", "Deliveries"]
    numbers = [chart.title for chart in shown["Overview"].charts if chart.kind == "number"]
    assert numbers == ["Events", "Revenue", "Orders placed", "In transit", "Dead letters"]
    for board in shown.values():
        assert [chart.key for chart in board.rows[-1]] == ["freshness", "verdict"]
        assert all(sum(chart.width for chart in row) == 12 for row in board.rows)
    revenue = next(chart for chart in shown["Purchases"].charts if chart.title == "Revenue")
    assert (revenue.unit, dict(revenue.where)) == ("USD", {"event_name": ("payment_successful",)})


def test_a_new_summary_and_a_new_event_type_are_there_without_a_word_more() -> None:
    """A number for each measure that is one, series by day of the place, a filter by group, a dataset with fields."""
    found = made(MORE)
    board = found.dashboards[-1]
    assert (board.title, board.last) == ("Refunds by day", 90 * 86_400)
    titles = [chart.title for chart in board.charts]
    assert titles[:2] == ["Refunds", "Largest price"]
    assert "Refunds over time" in titles
    assert [one.title for one in board.filters] == ["Country"]
    table = next(one for one in found.datasets if one.table == "summary_refunds_by_day")
    assert (table.time, "Europe/Berlin" in table.column("bucket_local").expression) == ("bucket_local", True)
    (events,) = (one for one in found.datasets if one.table == "event_refund_done")
    assert {"user_id", "price", "repaired"} <= {one.name for one in events.columns}


def test_nobody_reads_the_name_of_a_column() -> None:
    """Titles and labels are words, and each chart is of columns and metrics that its dataset has."""
    found = made(MORE)
    labels = [one.label for table in found.datasets for one in (*table.columns, *table.metrics)]
    labels += [chart.title for chart in found.charts] + [one.title for one in found.dashboards]
    assert [label for label in labels if "_" in label or label[:1].islower()] == []
    for chart in found.charts:
        named = [chart.dataset.column(one) for one in (*chart.by, *(column for column, _ in chart.where))]
        assert named or chart.dataset.metric(chart.metric)
    keys = [(chart.key, chart) for board in found.dashboards for chart in board.charts]
    assert len({key for key, _ in keys}) == len(found.charts)


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ('{ title = "A", value = "refund" }', "no measure 'refund'; known: refunds"),
        ('{ title = "A", value = "refunds", where = { town = "Rome" } }', "no group column 'town'; known: country"),
    ],
)
def test_a_number_of_what_is_not_there_is_told(numbers: str, told: str) -> None:
    """With its place in the file."""
    chart = f'\n[summaries.refunds_by_day.chart]\nname = "r"\ntitle = "R"\nnumbers = [{numbers}]\n'
    panel = 'panels = [{ kind = "line", value = "refunds" }]\n'
    with pytest.raises(Exception, match=told):
        made(MORE.replace("\n[event_types", f"{chart}{panel}\n[event_types"))
