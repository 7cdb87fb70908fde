"""Schemas that refer to others in the registry, as one schema that stands by itself.

https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

#: (text, its references) of a version of a subject.
Fetch = Callable[[str, int], tuple[str, list[dict[str, Any]]]]

_MOST = 100
# Characters of all of them, and parts of the schema that is made of them: each may name the others often.
_MOST_TEXT, _MOST_PARTS = 1024 * 1024, 100_000


class TooManyReferences(ValueError):
    """References that never end."""


class NoSuchReference(ValueError):
    """To be raised by `Fetch`."""


def inlined(text: str, references: list[dict[str, Any]], fetch: Fetch) -> str:
    """The schema with each type that it refers to defined where it is first named.

    Raises ValueError for what is no JSON, `TooManyReferences`, what `fetch` raises, and LookupError, TypeError or
    RecursionError for what is no schema.
    """
    if not references:
        return text
    found: dict[str, Any] = {}
    _collect(references, fetch, found, set())
    return json.dumps(_Inliner(found).schema(json.loads(text), ""))


def _collect(references: list[dict[str, Any]], fetch: Fetch, found: dict[str, Any], seen: set[tuple[str, int]]) -> None:
    for one in references:
        where = (str(one["subject"]), int(one["version"]))
        if where in seen:
            continue
        seen.add(where)
        if len(seen) > _MOST:
            raise TooManyReferences(f"more than {_MOST} references")
        text, further = fetch(*where)
        if len(text) > _MOST_TEXT:
            raise TooManyReferences(f"more than {_MOST_TEXT} characters")
        definition = json.loads(text)
        found[str(one["name"])] = definition
        if isinstance(definition, dict) and isinstance(definition.get("name"), str):
            found[_full(definition["name"], definition.get("namespace", ""))] = definition
        _collect(further, fetch, found, seen)


class _Inliner:
    def __init__(self, found: dict[str, Any]) -> None:
        self._found = found
        self._defined: set[str] = set()
        self._parts = 0

    def schema(self, schema: Any, namespace: str) -> Any:
        """A schema with what it names; `namespace` is the one around it."""
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise TooManyReferences(f"more than {_MOST_PARTS} parts")
        if isinstance(schema, str):
            return self._named(schema, namespace)
        if isinstance(schema, list):
            return [self.schema(one, namespace) for one in schema]
        if not isinstance(schema, dict):
            return schema
        made = dict(schema)
        if isinstance(made.get("name"), str) and made.get("type") in ("record", "error", "enum", "fixed"):
            full = _full(made["name"], made.get("namespace", namespace))
            self._defined.add(full)
            namespace = full.rpartition(".")[0]
        if isinstance(made.get("fields"), list):
            made["fields"] = [
                {**one, "type": self.schema(one["type"], namespace)} if isinstance(one, dict) and "type" in one else one
                for one in made["fields"]
            ]
        for key in ("items", "values"):
            if key in made:
                made[key] = self.schema(made[key], namespace)
        if not isinstance(made.get("type"), str) or made["type"] in self._found:
            made["type"] = self.schema(made.get("type"), namespace)
        return made

    def _named(self, name: str, namespace: str) -> Any:
        full = next((one for one in (_full(name, namespace), name) if one in self._found), None)
        if full is None or full in self._defined:
            return full or name
        definition = self._found[full]
        if not isinstance(definition, dict) or "name" not in definition:
            return self.schema(definition, "")
        # By its full name, since around it may be another namespace than in its own text.
        own = _full(definition["name"], definition.get("namespace", ""))
        if own in self._defined:
            return own
        return self.schema({**definition, "name": own, "namespace": own.rpartition(".")[0]}, "")


def _full(name: str, namespace: Any) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"
