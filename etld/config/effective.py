"""The configuration in force for who may look at it: without secrets, and where each value comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etld.config import environment, key_path, lines, rule_files
from etld.config.secrets import hidden, host_of, is_secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from etld.config.key_path import KeyPath
    from etld.config.model import Config


@dataclass(frozen=True, slots=True)
class EffectiveValue:
    """A key, its value as JSON, and where that comes from: "file", with its line, "environment", or "default".

    `place` is `file:line`, or the name of the variable; "" for a default.
    """

    key: str
    value: Any
    source: str
    place: str = ""


def shown(config: Config) -> dict[str, Any]:
    """The whole configuration as JSON, without passwords and without what is not set."""
    data: dict[str, Any] = _plain(config.model_dump(mode="json", by_alias=True))
    for key in ("dsn", "direct_dsn", "migration_dsn"):
        data["postgres"][key] = hidden(data["postgres"][key])
    data["schema_registry"]["url"] = hidden(config.schema_registry.url)
    for shown_alert, alert in zip(data["alerts"], config.alerts, strict=True):
        shown_alert["url"] = host_of(alert.url) if alert.url else ""
    options = data["kafka"]["client"].items()
    data["kafka"]["client"] = {name: "***" if is_secret(name) else value for name, value in options}
    return data


def effective(config: Config, env: Mapping[str, str]) -> list[EffectiveValue]:
    """Every value of a configuration that was read from a file, with the place of its key there now.

    Raises `EtldError` when the file cannot be read any more.
    """
    source = config.source
    text = rule_files.text_of(source)
    variables, _ = environment.apply(rule_files.tables_of(text, source), env)
    index = lines.index(text)
    return [_placed(path, value, str(source), index, variables) for path, value in _leaves((), shown(config))]


def _placed(
    path: KeyPath, value: Any, file: str, index: Mapping[KeyPath, int], variables: Mapping[KeyPath, str]
) -> EffectiveValue:
    key = key_path.join(path)
    for at in (path[:n] for n in range(len(path), 0, -1)):
        if at in variables:
            return EffectiveValue(key, value, "environment", variables[at])
    if path in index:
        return EffectiveValue(key, value, "file", f"{file}:{index[path]}")
    return EffectiveValue(key, value, "default")


def _leaves(path: KeyPath, value: Any) -> Iterator[tuple[KeyPath, Any]]:
    """Every value that is no table; a list is one value."""
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _leaves((*path, name), item)
    else:
        yield path, value


def _plain(value: Any) -> Any:
    """Without nulls, which TOML does not have."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
