"""config/etld.toml and the models say the same: every key, every default, and a comment for each."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from etld.config import Config, load
from etld.config.key_path import KeyPath
from etld.config.keys import known_at, options, type_at
from etld.config.sections.alerts import AlertSection
from etld.config.sections.base import Section
from etld.config.sections.events import EventTypeSection
from etld.config.sections.ingest import IngestSection
from etld.config.sections.operation import RuleSection
from etld.config.validate import validate

ROOT = Path(__file__).parents[3]
DEFAULT = ROOT / "config" / "etld.toml"
PRODUCTION = ROOT / "config" / "etld.production.toml"
#: Keys that one table of the file shows and the others leave out.
_COMMENTED = re.compile(r"^# (?=\[\[?[a-z_.]+\]\]?$|[a-z_]+ = )", re.MULTILINE)
#: Said by the table's own comment, or shown by an example below one that is explained.
_PLAIN = {"event_types", "name", "schema", "steps", "kind", "workers", "numbers"}


def everything() -> dict[str, Any]:
    """The file with what it only shows in comments (passwords' files, a rule) put in force."""
    return tomllib.loads(_COMMENTED.sub("", DEFAULT.read_text()))


def tables(data: Any, path: KeyPath = ()) -> list[tuple[KeyPath, dict[str, Any]]]:
    """Every table that a model describes, with its path."""
    found: list[tuple[KeyPath, dict[str, Any]]] = []
    if isinstance(data, dict):
        if known_at(path):
            found.append((path, data))
        for key, value in data.items():
            found += tables(value, (*path, key))
    elif isinstance(data, list):
        for number, value in enumerate(data):
            found += tables(value, (*path, number))
    return found


def models() -> dict[str, set[str]]:
    """Every model that the configuration is made of, and its keys in the file."""
    found: dict[str, set[str]] = {}
    waiting: list[type[Section]] = [Config]
    while waiting:
        model = waiting.pop()
        found[model.__name__] = {field.alias or name for name, field in model.model_fields.items()}
        for field in model.model_fields.values():
            for option in options(field.annotation):
                for part in (option, *getattr(option, "__args__", ())):
                    waiting += [
                        one
                        for one in options(part)
                        if isinstance(one, type) and issubclass(one, Section) and one.__name__ not in found
                    ]
    return found


def test_the_file_holds_exactly_the_keys_of_the_models() -> None:
    """Each at least once, and none that no model has."""
    shown: dict[str, set[str]] = defaultdict(set)
    for path, table in tables(everything()):
        (model,) = [one for one in options(type_at(path)) if isinstance(one, type) and issubclass(one, Section)]
        shown[model.__name__] |= set(table)
    # A measure is one of its four keys; the file's comment names them all.
    assert "{ sum|avg|min|max = field path }" in DEFAULT.read_text()
    shown["MeasureSection"] |= {"min", "max"}
    assert dict(shown) == models()


def test_what_is_in_comments_is_right_too() -> None:
    """Taking the comment signs off gives a file without a wrong type or an unknown key."""
    assert validate(everything()).mistakes == []


@pytest.mark.parametrize(
    "name", sorted(set(Config.model_fields) - {"node_id", "state_dir", "event_types", "summaries", "alerts"})
)
def test_the_defaults_are_equal(name: str) -> None:
    """What the file says in force is what a file without the key would get."""
    model = Config.model_fields[name].annotation
    assert model is not None
    said = tomllib.loads(DEFAULT.read_text())[name]
    said.pop("rules", None)  # the three rules are set by the file; without it there are none
    assert model.model_validate(said).model_dump() == model().model_dump()


def test_the_defaults_of_tables_with_free_names_are_equal() -> None:
    """Those of an event type, of the top level, and of the webhook in the comments."""
    data = tomllib.loads(DEFAULT.read_text())
    (webhook,) = everything()["alerts"]
    named = {"name": webhook["name"], "url": webhook["url"]}
    assert AlertSection.model_validate(webhook) == AlertSection.model_validate(named)
    said = {k: v for k, v in data["event_types"]["purchase"].items() if k not in ("schema", "event_names")}
    assert EventTypeSection.model_validate(said) == EventTypeSection.model_validate({})
    assert (data["node_id"], Path(data["state_dir"])) == (Config().node_id, Config().state_dir)


def test_every_key_has_a_comment() -> None:
    """A comment above it, or above the neighbours that it stands together with."""
    bare = []
    previous = ""
    for number, line in enumerate(DEFAULT.read_text().splitlines(), 1):
        key = re.match(r"(?:# )?([a-z_]+) = ", line)
        if key and key[1] not in _PLAIN and not previous.startswith("#") and not re.match(r"[a-z_]+ = ", previous):
            bare.append(f"{number}: {line}")
        previous = line
    assert bare == []


def test_segment_map_and_rules_have_their_own_tables() -> None:
    """The one default that is a table, and the rules that ship."""
    assert IngestSection().segment_map == tomllib.loads(DEFAULT.read_text())["ingest"]["segment_map"]
    assert [rule.name for rule in load(DEFAULT, {}).corrector.rules] == ["cast", "trim", "parse_date"]
    assert set(RuleSection.model_fields) == {"name", "match", "steps", "hook"}


def test_the_shipped_files_are_good(tmp_path: Path) -> None:
    """The default one as it is; the one for real servers but for the files of the server it is for."""
    assert load(DEFAULT, {}).source == DEFAULT
    text = PRODUCTION.read_text()
    for name in set(re.findall(r'"(/(?:etc|run)/[^"]+)"', text)):
        here = tmp_path / Path(name).name
        here.write_text("" if here.suffix == ".toml" else "x")
        text = text.replace(f'"{name}"', f'"{here}"')
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    path = tmp_path / "production.toml"
    path.write_text(text)
    config = load(path, {})
    assert config.kafka.security_protocol == "sasl_ssl"
    assert config.secret("postgres") == "x"
    assert "embedded" not in (config.kafka.bootstrap_servers, config.postgres.dsn, config.schema_registry.url)
    assert config.event_types["purchase"].workers > 1
    assert config.ingest.workers > 1
    assert config.ingest.keys_file is not None
