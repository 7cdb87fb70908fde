"""Summaries as the config describes them."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from etld.schemas import tree
from etld.schemas.fields import Known, Unknown, lookup
from etld.summaries import definition
from etld.summaries.model import Summary, measures_to_add

SCHEMA = {
    "type": "record",
    "name": "Sale",
    "fields": [
        {"name": "event_id", "type": "string"},
        {"name": "event_name", "type": "string"},
        {"name": "event_type", "type": "string"},
        {"name": "triggered_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {
            "name": "user_details",
            "type": {"type": "record", "name": "U", "fields": [{"name": "user_id", "type": "long"}]},
        },
        {
            "name": "event_details",
            "type": {
                "type": "record",
                "name": "D",
                "fields": [
                    {"name": "price", "type": ["null", "double"], "default": None},
                    {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
                    {"name": "shop", "type": {"type": "enum", "name": "Shop", "symbols": ["a", "b"]}},
                    {"name": "again", "type": "Shop"},
                    {"name": "gift", "type": "boolean"},
                    {"name": "tags", "type": {"type": "array", "items": "string"}},
                    {
                        "name": "address",
                        "type": {"type": "record", "name": "A", "fields": [{"name": "zip", "type": "int"}]},
                    },
                ],
            },
        },
    ],
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("event_name", "text"),
        ("triggered_at", "timestamptz"),
        ("user_details.user_id", "bigint"),
        ("event_details.price", "double precision"),
        ("event_details.amount", "numeric"),
        ("event_details.shop", "text"),
        ("event_details.again", "text"),
        ("event_details.gift", "boolean"),
        ("event_details.address.zip", "integer"),
    ],
)
def test_a_field_has_the_type_of_its_schema(path: str, expected: str) -> None:
    """Unions with null, named types and nested records are looked through."""
    assert lookup(tree.parse(SCHEMA), path) == Known(expected)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("event_details.pric", "did you mean 'price'"),
        ("event_detail.price", "no field 'event_detail'"),
        ("event_details.tags", "is a array"),
        ("event_details.price.net", "has no fields"),
        ("event_id", "another in each event"),
        ("event_details", "no field"),
    ],
)
def test_a_path_to_nothing_says_why(path: str, says: str) -> None:
    """With the name that was meant, when one is near."""
    found = lookup(tree.parse(SCHEMA), path)
    assert isinstance(found, Unknown)
    assert says in found.reason


def _types(tmp_path: Path) -> dict[str, Any]:
    file = tmp_path / "sale.avsc"
    file.write_text(json.dumps(SCHEMA))
    return {"sale": SimpleNamespace(schema=file)}


def _summary(**changes: Any) -> Any:
    given = {
        "event_types": ("sale",),
        "filter": {},
        "group_by": {"event_name": "event_name"},
        "measures": {"events": "count", "revenue": {"sum": "event_details.price"}},
        "bucket": 3600.0,
        "timezone": "UTC",
        "chart": None,
    }
    return SimpleNamespace(**{**given, **changes})


def test_a_good_summary_is_read(tmp_path: Path) -> None:
    """With typed columns, an average as sum and count."""
    table = _summary(
        measures={"n": "count", "mean": {"avg": "event_details.price"}, "top": {"max": "event_details.price"}}
    )
    (made,) = definition.read({"sales": table}, _types(tmp_path))
    assert made.table == "summary_sales"
    assert made.kept == (
        ("n", "bigint"),
        ("mean_sum", "numeric"),
        ("mean_count", "bigint"),
        ("top", "double precision"),
    )


SYSTEM = ("tableoid", "xmin", "cmin", "xmax", "cmax", "ctid")


@pytest.mark.parametrize(
    ("changes", "path", "says"),
    [
        ({"measures": {"x": {"sum": "event_details.shop"}}}, "measures.x", "sum needs a number"),
        ({"measures": {"x": {"sum": "event_details.prize"}}}, "measures.x", "did you mean 'price'"),
        ({"measures": {"event_name": "count"}}, "measures.event_name", "already"),
        ({"measures": {"a": {"avg": "event_details.price"}, "a_sum": "count"}}, "measures.a_sum", "already"),
        ({"group_by": {"bucket_start": "event_name"}}, "group_by.bucket_start", "already"),
        *(({"group_by": {name: "event_name"}}, f"group_by.{name}", "PostgreSQL's own already") for name in SYSTEM),
        ({"measures": {"ctid": "count"}}, "measures.ctid", "PostgreSQL's own already"),
        ({"group_by": {"Shop Name": "event_details.shop"}}, "group_by.Shop Name", "a-z"),
        ({"group_by": {"p": "event_details.price"}}, "group_by.p", "group by text"),
        ({"bucket": 0.5}, "bucket", "whole seconds"),
        ({"timezone": "Europe/Berlinn"}, "timezone", "did you mean 'Europe/Berlin'?"),
        ({"timezone": "../../etc/passwd"}, "timezone", "no time zone"),
        ({"timezone": "Europe/Berlin"}, "timezone", "is for buckets of whole days, and bucket is 1 h"),
        ({"timezone": "Europe/Berlin", "bucket": 129_600.0}, "timezone", "whole days"),
        ({"filter": {"event_name": (1,)}}, "filter.event_name", "expected text"),
        ({"filter": {"event_details.address.zip": (2**31,)}}, "filter.event_details.address.zip", "expected integers"),
    ],
)
def test_a_bad_summary_is_named_by_its_key(tmp_path: Path, changes: dict[str, Any], path: str, says: str) -> None:
    """Every mistake has its dotted path."""
    found = definition.check({"sales": _summary(**changes)}, _types(tmp_path))
    assert any(".".join(map(str, p.path)) == f"summaries.sales.{path}" and says in p.message for p in found), found


def test_a_name_that_is_no_identifier_is_refused(tmp_path: Path) -> None:
    """It becomes a table."""
    (problem,) = definition.check({"My Sales": _summary()}, _types(tmp_path))
    assert "table's name" in problem.message


def test_a_table_with_the_same_columns_can_be_kept(tmp_path: Path) -> None:
    """Whatever else the summary is made from; more measures are more columns, other ones are another table."""

    def made(**changes: Any) -> Summary:
        return definition.read({"sales": _summary(**changes)}, _types(tmp_path))[0]

    first = made().definition()
    measures = {"events": "count", "revenue": {"sum": "event_details.price"}}
    assert measures_to_add(first, made()) == ()
    assert measures_to_add(first, made(bucket=60.0, filter={"event_name": ("sold",)})) == ()
    more = made(measures={"mean": {"avg": "event_details.price"}, **measures})
    assert [measure.name for measure in measures_to_add(first, more) or ()] == ["mean"]
    assert measures_to_add(more.definition(), made()) is None
    assert measures_to_add(first, made(measures={**measures, "revenue": {"max": "event_details.price"}})) is None
    assert measures_to_add(first, made(group_by={"shop": "event_details.shop"})) is None


def test_without_its_schema_no_summary_is_made(tmp_path: Path) -> None:
    """Rather than one that lacks columns."""
    with pytest.raises(definition.BadSummary, match="schema of sale cannot be read"):
        definition.read({"sales": _summary()}, {"sale": SimpleNamespace(schema=tmp_path / "none.avsc")})
