"""Rules from a TOML text of their own: to be tried, or to become a file of corrector.rules_dir."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etld.config import key_path, rule_files
from etld.config.mistakes import Mistake
from etld.config.validate import validate
from etld.deadletters.rules.engine import check
from etld.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from etld.config.rule_files import RuleInFile


def read(text: str, path: Path) -> list[dict[str, Any]]:
    """The rules under [[corrector.rules]] or [[rules]], or the one that the text is; `path` is the file's.

    Raises `ConfigError` with every mistake and its line.
    """
    found = rule_files.rules_in(text, path)
    _refuse_mistakes(found)
    return [one.table for one in found]


def read_one(text: str, path: Path) -> RuleInFile:
    """The rule of a text that may become a file of corrector.rules_dir; raises `ConfigError`."""
    rule = rule_files.only_rule(text, path)
    _refuse_mistakes([rule])
    return rule


def _refuse_mistakes(found: Sequence[RuleInFile]) -> None:
    tables = [one.table for one in found]
    checked = validate({"corrector": {"rules": tables}})
    mistakes = list(checked.mistakes)
    for at, message in check(tables):
        path = key_path.split(at)
        if not key_path.touches(path, checked.removed):
            mistakes.append(Mistake(path, message, code="ETLD-C014"))
    if mistakes:
        # ("corrector", "rules", number, …)
        raise ConfigError([found[int(one.path[2])].problem(one.path[3:], one.message, one.code) for one in mistakes])
