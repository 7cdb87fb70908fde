"""What etld asks of a schema, and what `etld schemas check` says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from etld.cli.schemas import command
from etld.schemas.event_schema import EventSchema, problems
from etld.schemas.tree import SchemaError

_SCHEMAS = Path(__file__).parents[3] / "schemas"


def _with(kind: Any, **field: Any) -> str:
    schema = json.loads((_SCHEMAS / "purchase.avsc").read_text())
    schema["fields"][5]["type"]["fields"].append({"name": "x", "type": kind} | field)
    return json.dumps(schema)


@pytest.mark.parametrize("path", sorted(_SCHEMAS.glob("*.avsc")), ids=lambda path: path.stem)
def test_the_samples_are_good(path: Path) -> None:
    """And go the columnar way."""
    from etld.serdes.avro.columnar_plan import plan

    assert problems(path.read_text()) == []
    # A visitor's traits are a map, which goes the exact way.
    assert (plan(EventSchema.parse(path.read_text()).tree) is None) == (path.stem == "visitor")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not JSON"),
        ('"string"', "expected a record"),
        (_with("bytes"), "event_details.x: bytes cannot be written as JSON"),
        (_with({"type": "fixed", "name": "F", "size": 4}), "event_details.x: fixed cannot"),
        (_with(["null", {"type": "array", "items": "bytes"}]), "event_details.x[]: bytes cannot"),
        (_with({"type": "array", "items": "null"}), "event_details.x: an array of values without bytes"),
        (_with("strin"), "event_details.x: unknown type 'strin'"),
        (_with("long", default="a"), 'event_details.x: the default "a" is no long'),
        (_with(["string", "null"], default=None), "event_details.x: the default null is no string"),
        (_with({"type": "record", "name": "L", "fields": [{"name": "n", "type": ["null", "L"]}]}), "contains itself"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_the_place_and_the_reason(text: str, reason: str) -> None:
    """Named, so that it can be mended."""
    assert any(reason in problem for problem in problems(text)), problems(text)
    with pytest.raises(SchemaError):
        EventSchema.parse(text)


def test_the_fields_of_an_event() -> None:
    """Each that is missing, of another type, or out of order."""
    schema = json.loads((_SCHEMAS / "purchase.avsc").read_text())
    fields = schema["fields"]
    schema["fields"] = [fields[1], fields[0], *fields[2:]]
    assert "order" in problems(json.dumps(schema))[0]
    schema["fields"] = [*fields[:3], {"name": "triggered_at", "type": "long"}, fields[4]]
    found = problems(json.dumps(schema))
    assert "event_details: the field is missing" in found
    assert "triggered_at: must be a long with logicalType timestamp-micros" in found


def test_check_looks_at_files_offline(tmp_path: Path) -> None:
    """Exit 1 with file, field and reason; exit 0 for good ones."""
    bad = tmp_path / "bad.avsc"
    bad.write_text(_with("bytes"))
    good = _SCHEMAS / "order.avsc"
    run = CliRunner().invoke(command, ["check", "--offline", "--json", str(bad), str(good)], obj=None)
    answer = json.loads(run.stdout)
    assert run.exit_code == 1
    assert not answer["ok"]
    assert answer["files"][0]["file"] == str(bad)
    assert "event_details.x" in answer["files"][0]["problems"][0]
    assert answer["files"][1]["problems"] == []
    assert CliRunner().invoke(command, ["check", "--offline", str(good)], obj=None).exit_code == 0
    missing = CliRunner().invoke(command, ["check", "--offline", str(tmp_path / "no.avsc")], obj=None)
    assert missing.exit_code == 1
    assert "No such file" in missing.output
