"""The columns of a table of the lake, and how they follow a schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table

from etld.schemas.event_schema import EventSchema
from etld.schemas.tree import Type
from etld.sinks.iceberg import layout
from etld.sinks.iceberg.layout import Layout
from etld.sinks.iceberg.table import LakeTable, columns_of
from support.source_checks import ROOT

PURCHASE = json.loads((ROOT / "schemas" / "purchase.avsc").read_text())
DECIMAL = {"type": "bytes", "logicalType": "decimal", "scale": 2}


def schema(*fields: dict[str, Any]) -> Type:
    """The schema of purchases with these fields in the details."""
    *others, details = PURCHASE["fields"]
    inner = {**details["type"], "fields": list(fields)}
    return EventSchema.parse(json.dumps({**PURCHASE, "fields": [*others, {**details, "type": inner}]})).tree


class Lake:
    """A table whose schema changes."""

    def __init__(self, folder: Path) -> None:
        self._properties = {"uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"file://{folder}/warehouse"}

    def follows(self, top: Type, partitioning: str = "day") -> Table:
        """The table after a worker with this schema has begun."""
        name = ("etld", "event_purchase")
        catalog = SqlCatalog("etld", **self._properties)
        try:
            made = LakeTable(lambda: catalog, name, Layout.of(top), layout.aliases_of(top), partitioning)
            return made.ensure()
        finally:
            catalog.close()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


def types(table: Table) -> dict[str, str]:
    """Each column's type."""
    return {field.name: str(field.field_type) for field in table.schema().fields}


def ids(table: Table) -> dict[str, int]:
    """Each column's field id."""
    return {field.name: field.field_id for field in table.schema().fields}


def test_a_table_has_the_columns_of_the_view(lake: Lake) -> None:
    """With where each event came from; typed, and commented by the schema."""
    every = [
        {"name": "item_id", "type": "long"},
        {"name": "price", "type": "double", "doc": "In US dollars."},
        {"name": "gift", "type": ["null", "boolean"], "default": None},
        {"name": "paid", "type": {**DECIMAL, "precision": 9}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "event_id", "type": "string"},
        {"name": "kafka_offset", "type": "int"},
    ]
    table = lake.follows(schema(*every))
    found = types(table)
    assert list(found.items())[:6] == [
        ("event_id", "uuid"),
        ("event_name", "string"),
        ("triggered_at", "timestamptz"),
        ("accepted_at", "timestamptz"),
        ("kafka_partition", "int"),
        ("kafka_offset", "long"),
    ]
    assert {name: found[name] for name in ("user_id", "item_id", "price", "gift", "paid", "day", "tags")} == {
        "user_id": "long",
        "item_id": "long",
        "price": "double",
        "gift": "boolean",
        "paid": "decimal(9, 2)",
        "day": "date",
        "tags": "string",
    }
    assert (found["event_details_event_id"], found["event_details_kafka_offset"]) == ("string", "long")
    assert table.schema().find_field("price").doc == "In US dollars. (event_details.price)"
    assert [str(one.transform) for one in table.spec().fields] == ["day"]


@pytest.mark.parametrize(("partitioning", "found"), [("hour", ["hour"]), ("month", ["month"]), ("none", [])])
def test_partitions_hold_what_is_configured(lake: Lake, partitioning: str, found: list[str]) -> None:
    assert [str(one.transform) for one in lake.follows(schema(), partitioning).spec().fields] == found


def test_a_field_that_is_added_comes_at_the_end_and_one_that_goes_stays(lake: Lake) -> None:
    first = lake.follows(schema({"name": "item_id", "type": "long"}))
    second = lake.follows(schema({"name": "price", "type": "double"}))
    assert list(types(second)) == [*types(first), "price"]


def test_a_field_that_is_renamed_keeps_its_column(lake: Lake) -> None:
    """By its field id, so that older files are read under the new name."""
    first = lake.follows(schema({"name": "price", "type": "double"}))
    second = lake.follows(schema({"name": "amount", "type": "double", "aliases": ["price"]}))
    assert "price" not in types(second)
    assert ids(second)["amount"] == ids(first)["price"]


def test_an_old_name_that_another_field_has_now_is_no_rename(lake: Lake) -> None:
    first = lake.follows(schema({"name": "price", "type": "double"}))
    both = ({"name": "amount", "type": "double", "aliases": ["price"]}, {"name": "price", "type": "double"})
    second = lake.follows(schema(*both))
    assert ids(second)["price"] == ids(first)["price"]
    assert "amount" in types(second)


def test_a_decimal_gets_more_digits_in_place(lake: Lake) -> None:
    first = lake.follows(schema({"name": "paid", "type": {**DECIMAL, "precision": 9}}))
    second = lake.follows(schema({"name": "paid", "type": {**DECIMAL, "precision": 12}}))
    assert types(second)["paid"] == "decimal(12, 2)"
    assert ids(second)["paid"] == ids(first)["paid"]


def test_a_field_of_another_type_gets_a_column_of_its_own(lake: Lake) -> None:
    """What was stored stays readable under another name."""
    first = lake.follows(schema({"name": "item_id", "type": "long"}))
    second = lake.follows(schema({"name": "item_id", "type": "string"}))
    assert (types(second)["item_id"], types(second)["item_id_old"]) == ("string", "long")
    assert ids(second)["item_id_old"] == ids(first)["item_id"]
    assert [one.type for one in columns_of(second) if one.field == "item_id"] == ["text"]


def test_names_that_differ_in_case_only_are_made_different(lake: Lake) -> None:
    """Trino and Spark tell no case."""
    found = types(lake.follows(schema({"name": "Price", "type": "double"}, {"name": "price", "type": "double"})))
    assert len({name.lower() for name in found}) == len(found)


def test_nothing_changes_twice(lake: Lake) -> None:
    """A second worker with the same schema finds nothing to do."""
    first = lake.follows(schema({"name": "item_id", "type": "long"}))
    assert lake.follows(schema({"name": "item_id", "type": "long"})).metadata_location == first.metadata_location
