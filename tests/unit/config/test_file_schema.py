"""The JSON schema for editors: every key explained, every example right, the copy beside the files current."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from etld.config.file_schema import EXAMPLES, NAME, json_schema

CONFIG = Path(__file__).parents[3] / "config"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json_schema()


@pytest.fixture(scope="module")
def keys(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every key by table and name."""
    tables = {"etld": schema, **schema["$defs"]}
    return {f"{name}.{key}": found for name, table in tables.items() for key, found in table["properties"].items()}


def test_every_key_has_a_description_and_an_example(keys: dict[str, dict[str, Any]]) -> None:
    """A new key whose default shows nothing gets its example in etld/config/file_schema.py."""
    assert [name for name, found in keys.items() if not found.get("description")] == []
    assert [name for name, found in keys.items() if not found.get("examples") and "$ref" not in found] == []
    assert sorted(EXAMPLES.keys() - keys.keys()) == []


def test_every_example_and_default_is_one(schema: dict[str, Any], keys: dict[str, dict[str, Any]]) -> None:
    whole = {"$schema": schema["$schema"], "$defs": schema["$defs"]}
    wrong = {}
    for name, found in keys.items():
        check = jsonschema_rs.validator_for({**whole, **found})
        shown = [*found.get("examples", ()), *([found["default"]] if "default" in found else [])]
        if bad := [one for one in shown if not check.is_valid(one)]:
            wrong[name] = bad
    assert wrong == {}


@pytest.mark.parametrize("file", sorted(CONFIG.glob("*.toml")), ids=lambda path: path.name)
def test_editors_find_it_and_it_takes_the_shipped_files(schema: dict[str, Any], file: Path) -> None:
    assert file.read_text().startswith(f"#:schema ./{NAME}\n")
    assert [
        error.message for error in jsonschema_rs.validator_for(schema).iter_errors(tomllib.loads(file.read_text()))
    ] == []


@pytest.mark.parametrize(
    "text",
    ["prot = 1", '[ingest]\nport = "x"', '[storage]\nretention = "1 fortnight"', '[kafka]\nembedded_broker = "rabbit"'],
)
def test_it_refuses_mistakes(schema: dict[str, Any], text: str) -> None:
    whole = (CONFIG / "etld.toml").read_text()
    data = tomllib.loads(whole)
    for key, value in tomllib.loads(text).items():
        data[key] = {**data[key], **value} if isinstance(value, dict) else value
    assert not jsonschema_rs.validator_for(schema).is_valid(data)


def test_the_copy_is_current(schema: dict[str, Any]) -> None:
    current = json.loads((CONFIG / NAME).read_text())
    assert current == schema, f"run: etld config schema > config/{NAME}"
