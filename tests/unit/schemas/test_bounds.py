"""What a schema may ask for: more than that is refused in words, quickly, and so is what would only look like less."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from etld.cli import cli
from etld.schemas.event_schema import EventSchema, problems
from etld.schemas.tree import SchemaError, read


def _schema(kind: Any, **field: Any) -> str:
    """An event with a field `x` of that type."""
    fields: list[dict[str, Any]] = [{"name": n, "type": "string"} for n in ("event_id", "event_name", "event_type")]
    fields += [
        {"name": "triggered_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "user_details", "type": {"type": "record", "name": "U", "fields": []}},
        {"name": "event_details", "type": _record("D", [{"name": "x", "type": kind, **field}])},
    ]
    return json.dumps({"type": "record", "name": "E", "fields": fields})


def _record(name: str, fields: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": fields}


def _nested(depth: int, inner: Any = "long") -> Any:
    for level in range(depth):
        inner = _record(f"R{level}", [{"name": "x", "type": inner}])
    return inner


def _doubling(levels: int) -> Any:
    """Few bytes, and 2^levels types."""
    kind: Any = "long"
    for level in range(levels):
        kind = _record(
            f"R{level}", [{"name": "a", "type": kind}, {"name": "b", "type": f"R{level - 1}" if level else "long"}]
        )
    return kind


def _deep_default(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


_DECIMAL = {"type": "bytes", "logicalType": "decimal"}
_LONGS = {"type": "array", "items": "long"}
_TOO_MUCH = [
    (_schema({**_DECIMAL, "precision": 5_000}), "event_details.x: 5,000 digits of a decimal; at most 1,000"),
    (_schema({**_DECIMAL, "precision": 10**8}), "100,000,000 digits of a decimal"),
    (_schema({"type": "fixed", "name": "F", "size": 10**9}), "1,000,000,000 bytes of a fixed; at most 65,536"),
    (_schema(_nested(70)), "types inside one another; at most 64"),
    (_schema(_doubling(20)), "fields, types, symbols and values of defaults; at most 10,000"),
    (_schema(_record("W", [{"name": f"f{i}", "type": ["null", "long"]} for i in range(4_000)])), "at most 10,000"),
    (_schema({"type": "enum", "name": "N", "symbols": [f"s{i}" for i in range(3_000)]}), "3,000 symbols of an enum"),
    (_schema([_record(f"B{i}", []) for i in range(70)]), "70 types in a union"),
    (_schema(_record("R", [{"name": "n" * 300, "type": "long"}])), "300 characters in a name"),
    (_schema("long", aliases=[f"a{i}" for i in range(100)]), "100 aliases of a field"),
    (_schema("string", default="x" * 20_000), "20,002 bytes of a default"),
    (_schema(_LONGS, default=_deep_default(900)), "65 types inside one another"),
    (_schema(_record("N", [{"name": f"n{i}", "type": "null"} for i in range(20)])), "20 fields of type null"),
    (_schema("long", doc="x" * (1 << 20)), "bytes of schema; at most 1,048,576"),
    (_schema("string", default="\0"), "is no string"),
    (_schema("double", default=float("nan")), "is no double"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), _TOO_MUCH, ids=[words for _, words in _TOO_MUCH])
def test_more_than_goes(text: str, words: str) -> None:
    """Of a schema file, and of another producer's schema, in a moment."""
    began = time.process_time()
    assert words in "; ".join(problems(text))
    with pytest.raises(SchemaError, match=words):
        EventSchema.read(text)
    assert time.process_time() - began < 4


@pytest.mark.parametrize(
    "text",
    [
        _schema({**_DECIMAL, "precision": 1_000, "scale": 1_000}),
        _schema(_nested(60)),
        _schema(_record("W", [{"name": f"f{i}", "type": ["null", "long"], "default": None} for i in range(2_000)])),
        _schema({"type": "enum", "name": "N", "symbols": [f"s{i}" for i in range(2_000)]}),
    ],
)
def test_as_much_as_goes(text: str) -> None:
    assert problems(text) == []


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"type": json.loads(_schema("long"))}),
        json.dumps([json.loads(_schema("long"))]),
        '{"type":' * 500 + '"long"' + "}" * 500,
        _schema({"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}}),
        _schema({**_DECIMAL, "precision": True}),
        json.dumps({"type": "record", "name": "E", "fields": [{"name": "x", "type": {"type": {}}}]}),
    ],
)
def test_odd_forms(text: str) -> None:
    """Read, or refused as a schema: nothing else comes out."""
    with suppress(SchemaError):
        EventSchema.read(text)


def test_many_reasons_are_cut() -> None:
    """Each dead letter of the schema carries them."""
    text = _schema(_record("W", [{"name": f"f{i}", "type": "bytes"} for i in range(3_000)]))
    with pytest.raises(SchemaError, match=r"f9: bytes .*; and 2,990 more") as told:
        EventSchema.parse(text)
    assert len(str(told.value)) < 2_000
    assert len(problems(text)) == 3_000


def test_a_named_type_counts_at_each_of_its_places() -> None:
    """As deep, and as heavy, as where it stands."""
    inner = _nested(40)
    outer = _record("O", [{"name": "a", "type": inner}, {"name": "b", "type": _nested_around("R39", 40)}])
    with pytest.raises(SchemaError, match="inside one another"):
        read(json.dumps(outer))


def _nested_around(name: str, depth: int) -> Any:
    kind: Any = name
    for level in range(depth):
        kind = _record(f"S{level}", [{"name": "x", "type": kind}])
    return kind


def test_config_check_says_it(tmp_path: Path) -> None:
    """Of a schema file, with the key that names it."""
    schema = tmp_path / "purchase.avsc"
    schema.write_text(_schema({**_DECIMAL, "precision": 5_000}))
    text = (Path(__file__).parents[3] / "config" / "etld.toml").read_text()
    config = tmp_path / "etld.toml"
    config.write_text(text.replace('"schemas/', f'"{Path(__file__).parents[3]}/schemas/').replace(
        f'"{Path(__file__).parents[3]}/schemas/purchase.avsc"', f'"{schema}"'
    ))  # fmt: skip
    run = CliRunner().invoke(cli, ["--config", str(config), "config", "check"])
    assert run.exit_code == 1
    assert "event_types.purchase.schema" in run.output
    assert "5,000 digits of a decimal; at most 1,000 are taken" in " ".join(run.output.split())
