"""A new event type as a start: its schema, its table, and a summary with a chart."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

#: A type as a person writes it, and in Avro.
TYPES: dict[str, Any] = {
    "string": "string",
    "long": "long",
    "int": "int",
    "double": "double",
    "float": "float",
    "boolean": "boolean",
    "timestamp": {"type": "long", "logicalType": "timestamp-micros"},
    "date": {"type": "int", "logicalType": "date"},
}
_SUMMED = ("double", "float")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: What a summary's column may be called (see SummarySection), without those that every summary of ours has.
_COLUMN = re.compile(r"(?!(?:events|event_name|bucket_start)$)[a-z_][a-z0-9_]{0,40}")
_PANELS = 3
_EXAMPLE = "item:string?,amount:double?"
_USER = "user_id:long?,name:string?,email:string?,country:string?,anonymous_id:string?"


@dataclass(frozen=True, slots=True)
class StarterField:
    """A field of the event: its name, its type (a key of TYPES), and whether it may be missing."""

    name: str
    type: str
    optional: bool

    def as_avro(self) -> dict[str, Any]:
        """The field in a schema."""
        of = TYPES[self.type]
        return (
            {"name": self.name, "type": ["null", of], "default": None}
            if self.optional
            else {"name": self.name, "type": of}
        )


def parse_fields(text: str) -> list[StarterField]:
    """Fields as a person writes them, "order_id:long,amount:double?"; raises ValueError with the reason."""
    found: list[StarterField] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, colon, kind = (piece.strip() for piece in part.partition(":"))
        plain = kind.removesuffix("?")
        if not colon or not _NAME.fullmatch(name):
            raise ValueError(f"{part!r}: expected name:type, the name of letters, digits and _")
        if plain not in TYPES:
            raise ValueError(f"{part!r}: expected a type of {', '.join(TYPES)}, with ? behind it if it may be missing")
        if name in [one.name for one in found]:
            raise ValueError(f"{name!r} stands there twice")
        found.append(StarterField(name, plain, kind != plain))
    return found


def schema(name: str, fields: list[StarterField]) -> str:
    """The Avro schema of an event type; `user_id` of the fields is who did it, the others are its details."""
    details = [field for field in fields if field.name != "user_id"] or parse_fields(_EXAMPLE)
    given = {field.name: field for field in fields}
    user = [given.get(field.name, field) if field.name == "user_id" else field for field in parse_fields(_USER)]
    head = [
        {"name": "event_id", "type": "string", "doc": "UUID, canonical lower case; the key of the record."},
        {"name": "event_name", "type": "string", "doc": "What happened."},
        {"name": "event_type", "type": "string", "doc": f'Always "{name}".'},
        {"name": "triggered_at", "type": TYPES["timestamp"], "doc": "When it happened, UTC."},
    ]
    rows = [_line(field) for field in head]
    rows += [_record("user_details", "UserDetails", "Who did it.", user)]
    rows += [_record("event_details", "EventDetails", "What happened, in fields of its own.", details)]
    title = "".join(part.capitalize() for part in name.split("_"))
    begin = {"type": "record", "name": title, "namespace": f"etld.{name}", "doc": f"An event of the type {name}."}
    keys = "".join(f"  {json.dumps(key)}: {json.dumps(value)},\n" for key, value in begin.items())
    return f'{{\n{keys}  "fields": [\n' + ",\n".join(f"    {row}" for row in rows) + "\n  ]\n}\n"


def tables(name: str, fields: list[StarterField], schema_path: str) -> str:
    """The tables of the configuration: the event type, and a summary of it with a chart."""
    summed = [field.name for field in fields or parse_fields(_EXAMPLE) if field.type in _SUMMED]
    summed = [one for one in summed if _COLUMN.fullmatch(one)]
    measures = ['events = "count"', *(f'{one} = {{ sum = "event_details.{one}" }}' for one in summed)]
    titles = [("Events by name", "events"), *((f"{_words(one)} by name", one) for one in summed)]
    panels = "".join(
        f'  {{ kind = "bar", title = "{title}", by = "event_name", value = "{value}" }},\n'
        for title, value in titles[:_PANELS]
    )
    return f"""\
[event_types.{name}]
schema = "{schema_path}"
# Names that ingest accepts; [] means any.
event_names = []

[summaries.{name}]
event_types = ["{name}"]
group_by = {{ event_name = "event_name" }}
measures = {{ {", ".join(measures)} }}
bucket = "1 h"
[summaries.{name}.chart]
name = "{name}_summary"
title = "{_words(name)}"
panels = [
{panels}]
"""


def _words(name: str) -> str:
    return name.replace("_", " ").strip().capitalize()


def _line(field: dict[str, Any]) -> str:
    return json.dumps(field)


def _record(name: str, title: str, doc: str, fields: list[StarterField]) -> str:
    inner = ",\n".join(f"        {_line(field.as_avro())}" for field in fields)
    head = f'{{"name": "{name}", "doc": "{doc}", "type": {{\n      "type": "record", "name": "{title}", "fields": [\n'
    return f"{head}{inner}\n      ]\n    }}}}"
