"""The steps that read dates and numbers as people write them."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from etld.deadletters.rules import steps
from etld.schemas import shape, tree
from support.fake_catalog import PURCHASE, event

SHAPE = shape.of(tree.parse(PURCHASE))


def applied(step: dict[str, Any], to: dict[str, Any], *, known: bool = True) -> dict[str, Any]:
    changed = deepcopy(to)
    steps.parse(step).apply(changed, SHAPE if known else None)
    return changed


def detail(step: dict[str, Any], **details: Any) -> dict[str, Any]:
    result: dict[str, Any] = applied(step, event(**details))["event_details"]
    return result


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("31/12/2026", "2026-12-31T00:00:00"),
        (1798675200000, "2026-12-31T00:00:00+00:00"),
        ("1798675200000", "2026-12-31T00:00:00+00:00"),
        (1798675200000123, "2026-12-31T00:00:00.000123+00:00"),
        (1798675200, "2026-12-31T00:00:00+00:00"),
        (1798675200.5, "2026-12-31T00:00:00.500000+00:00"),
        ("2026-12-31T00:00:00Z", "2026-12-31T00:00:00Z"),
        (7, 7),
        (True, True),
        (float("inf"), float("inf")),
        (None, None),
    ],
)
def test_parse_date(value: Any, wanted: Any) -> None:
    """By formats and by the units of an epoch, which never mix; what fits none stays."""
    step = {"parse_date": {"field": "triggered_at", "formats": ["%d/%m/%Y", "epoch_s", "epoch_ms", "epoch_us"]}}
    assert applied(step, {**event(), "triggered_at": value})["triggered_at"] == wanted


def test_parse_date_in_a_zone() -> None:
    """`zone` is for dates that name none."""
    step = {"parse_date": {"field": "triggered_at", "formats": ["%d.%m.%Y"], "zone": "Europe/Berlin"}}
    got = applied(step, {**event(), "triggered_at": "31.12.2026"})
    assert got["triggered_at"] == "2026-12-31T00:00:00+01:00"


@pytest.mark.parametrize(
    ("text", "order", "wanted"),
    [
        ("31/12/2026", "day_first", "2026-12-31T00:00:00"),
        (" 1.2.2026 ", "day_first", "2026-02-01T00:00:00"),
        ("31-12-2026T14:05:30", "day_first", "2026-12-31T14:05:30"),
        ("31/12/2026, 14:05", "day_first", "2026-12-31T14:05:00"),
        ("31/12/2026 2:05:30.25 PM", "day_first", "2026-12-31T14:05:30.250000"),
        ("31/12/2026 12:00 a.m.", "day_first", "2026-12-31T00:00:00"),
        ("31/12/26 14:05 UTC", "day_first", "2026-12-31T14:05:00+00:00"),
        ("31/12/99", "day_first", "1999-12-31T00:00:00"),
        ("Thu, 31 Dec 2026 14:05:00 +0130", "day_first", "2026-12-31T14:05:00+01:30"),
        ("31 December 2026", "day_first", "2026-12-31T00:00:00"),
        ("Dec 31, 2026 14:05 -05:00", "month_first", "2026-12-31T14:05:00-05:00"),
        ("12/31/2026", "month_first", "2026-12-31T00:00:00"),
        ("2026/12/31 14:05", "year_first", "2026-12-31T14:05:00"),
        ("20261231", "year_first", "2026-12-31T00:00:00"),
        ("31/12/2026", "month_first", None),
        ("31/12/2026", "year_first", None),
        ("31/13/2026", "day_first", None),
        ("30/02/2026", "day_first", None),
        ("31/12/2026 25:00", "day_first", None),
        ("31/12/2026 13:00 pm", "day_first", None),
        ("31 Dezember 2026", "day_first", None),
        ("31 Mars 2026", "day_first", None),
        ("31/12/2026 and more", "day_first", None),
        ("\u0661/1/2026", "day_first", None),
    ],
)
def test_parse_date_by_the_order_of_its_parts(text: str, order: str, wanted: str | None) -> None:
    """Whatever stands between them; what is no date in that order stays."""
    step = {"parse_date": {"field": "triggered_at", "formats": [order]}}
    assert applied(step, {**event(), "triggered_at": text})["triggered_at"] == (wanted or text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("12,50", 12.5),
        (" 12,5 ", 12.5),
        ("+12,50", 12.5),
        ("-1.234,50", -1234.5),
        ("1 234 567,50", 1234567.5),
        ("1\u202f234,50", 1234.5),
        ("1'234.50", 1234.5),
        ("1,234,567", 1234567.0),
        ("1,234.50", 1234.5),
        ("€ 12,50", 12.5),
        ("12,50 EUR", 12.5),
        ("-$12.50", -12.5),
        ("$-12.50", -12.5),
        ("0,125", 0.125),
        ("1,2345", 1.2345),
        ("1,234", None),
        ("1.234", None),
        ("1.23,50", None),
        ("12,345,67", None),
        ("1,2,3", None),
        ("12,", None),
        (",5", None),
        ("--1,5", None),
        ("12,50 each", None),
        ("", None),
    ],
)
def test_parse_number(text: str, wanted: float | None) -> None:
    """Marks tell themselves apart, or nothing is done."""
    assert detail({"parse_number": "*"}, price=text)["price"] == (text if wanted is None else wanted)


def test_parse_number_is_told_the_mark_where_it_could_be_either() -> None:
    """And works only where the schema wants a number."""
    found = {
        mark: detail({"parse_number": {"field": "event_details.price", "decimal": mark}}, price="1,234")["price"]
        for mark in ",."
    }
    assert found == {",": 1.234, ".": 1234.0}
    assert detail({"parse_number": "*"}, item_id="1.000.007", item_name="12,50") == {
        **event()["event_details"],
        "item_id": 1000007,
        "item_name": "12,50",
    }
    assert detail({"parse_number": "*"}, item_id="7,5")["item_id"] == "7,5"
    assert applied({"parse_number": "*"}, event(price="12,50"), known=False) == event(price="12,50")
