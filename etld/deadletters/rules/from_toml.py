"""Rules from a TOML text of their own, which are to be tried before they are in the configuration."""

from __future__ import annotations

from typing import Any

from etld.config import key_path, lines, toml
from etld.deadletters.rules.engine import check
from etld.errors import ConfigError, EtldError, Problem


def read(text: str, name: str) -> list[dict[str, Any]]:
    """The rules under [[corrector.rules]] or [[rules]]; `name` is the file's.

    Raises `ConfigError` with every mistake and its line, and `EtldError` where there are no rules.
    """
    try:
        data = toml.loads(text)
    except toml.TomlMistake as error:
        raise EtldError(f"{name} is not TOML: {error}") from None
    nested = data.get("corrector", {})
    prefix = "corrector.rules" if isinstance(nested, dict) and "rules" in nested else "rules"
    rules = nested["rules"] if prefix == "corrector.rules" else data.get("rules")
    if not isinstance(rules, list) or not rules or not all(isinstance(rule, dict) for rule in rules):
        raise EtldError(f"{name} has no rules: expected tables [[corrector.rules]]")
    index = lines.index(text)
    problems = [Problem(at, lines.find(index, key_path.split(at)), message) for at, message in check(rules, prefix)]
    if problems:
        raise ConfigError(problems, name)
    return rules
