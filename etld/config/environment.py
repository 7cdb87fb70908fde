"""ETLD_<SECTION>__<KEY>: any key from the environment."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any, get_origin

from etld.config.keys import known_at, options, type_at
from etld.errors import Problem
from etld.util.suggest import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etld.config.key_path import KeyPath

PREFIX = "ETLD_"
#: Variables of etld's that are no keys.
_OTHERS = frozenset({"ETLD_CONFIG", "ETLD_WRITE_KEY"})


def apply(data: dict[str, Any], env: Mapping[str, str]) -> tuple[dict[KeyPath, str], list[Problem]]:
    """Put the overrides into the data; gives key path to variable name, and the names that fit nothing.

    A number, a list or a table is written as in TOML; text goes as it is, a list of text also with commas.
    """
    placed: dict[KeyPath, str] = {}
    problems = []
    sections = known_at(())
    for name, raw in sorted(env.items()):
        if not name.startswith(PREFIX) or name in _OTHERS:
            continue
        path = tuple(name.removeprefix(PREFIX).lower().split("__"))
        if len(path) == 1 and path[0] not in sections:
            # Kubernetes sets ETLD_PORT and its like for a service called etld: only a near miss is a mistake.
            if (hint := _one_underscore(path[0])) is not None:
                problems.append(
                    Problem(
                        name, 0, f'this environment variable names no key; did you mean "{hint}"?', code="ETLD-C010"
                    )
                )
            continue
        if path[0] not in sections or not all(path):
            problems.append(
                Problem(
                    name, 0, f"this environment variable names no key{_similar(path[0], sections)}", code="ETLD-C010"
                )
            )
        elif not _put(data, path, _value(raw, type_at(path))):
            problems.append(
                Problem(name, 0, "this environment variable goes through a key that is no table", code="ETLD-C010")
            )
        else:
            placed[path] = name
    return placed, problems


def _put(data: dict[str, Any], path: tuple[str, ...], value: Any) -> bool:
    table: Any = data
    for key in path[:-1]:
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            return False
    table[path[-1]] = value
    return True


def _value(raw: str, annotation: Any) -> Any:
    kinds = [get_origin(option) or option for option in options(annotation)]
    literal = any(kind in (bool, int, float, dict, tuple) or hasattr(kind, "model_fields") for kind in kinds)
    if literal or (raw[:1] in ("'", '"') and raw[-1:] == raw[:1]):
        try:
            return tomllib.loads(f"v = {raw}")["v"]
        except tomllib.TOMLDecodeError:
            pass
    if tuple in kinds and not raw.lstrip().startswith("["):
        return [part.strip() for part in raw.split(",") if part.strip()]
    return raw


def _one_underscore(word: str) -> str | None:
    for section in known_at(()):
        if word.startswith(f"{section}_") and word.removeprefix(f"{section}_") in known_at((section,)):
            return f"{PREFIX}{section}__{word.removeprefix(f'{section}_')}".upper()
    return None


def _similar(section: str, sections: list[str]) -> str:
    close = nearest(section, sections)
    return f'; did you mean "{PREFIX}{close.upper()}__…"?' if close else ""
