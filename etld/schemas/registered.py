"""The file `schemas.json` of the state directory: the schema that each event type was registered with.

Ingest has no way to the registry, and the corrector need not wait for it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etld.errors import EtldError
from etld.util.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class RegisteredSchema:
    """The schema of an event type as the set-up step registered it; `text` is its JSON."""

    schema_id: int
    topic: str
    subject: str
    text: str


def read(path: Path) -> dict[str, RegisteredSchema] | None:
    """Registered schemas by event type, None where no such file is yet; raises `EtldError` for a broken one."""
    try:
        document = json.loads(path.read_text("utf-8"))
        return {
            name: RegisteredSchema(
                int(entry["id"]),
                str(entry.get("topic") or ""),
                str(entry.get("subject") or ""),
                json.dumps(entry["schema"]),
            )
            for name, entry in document["event_types"].items()
        }
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise EtldError(f"{path} cannot be read ({error}): run `etld restart setup`", code="ETLD-R006") from error


def write(path: Path, cluster_id: str, schemas: Mapping[str, RegisteredSchema], own_topics: Mapping[str, str]) -> None:
    """Replace the file in one step; `own_topics` are those that are not an event type's. Raises `EtldError`."""
    document = {
        "cluster_id": cluster_id,
        "event_types": {
            name: {"id": one.schema_id, "topic": one.topic, "subject": one.subject, "schema": json.loads(one.text)}
            for name, one in schemas.items()
        },
        **{name: {"topic": topic} for name, topic in own_topics.items()},
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(document, indent=2).encode())
    except OSError as error:
        raise EtldError(f"cannot write {path}: {error.strerror or error}", code="ETLD-R007") from error
