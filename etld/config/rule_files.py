"""Correction rules in files of their own: `corrector.rules_dir` holds one TOML file a rule."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from etld.config import key_path, lines, toml
from etld.errors import ConfigError, Problem

if TYPE_CHECKING:
    from etld.config.key_path import KeyPath

SUFFIX = ".toml"
_KEYS = frozenset({"name", "match", "steps", "hook"})
_EXPECTED = "expected name, match and steps (or a hook), or a table [[corrector.rules]]"


class RuleInFile(NamedTuple):
    """A rule as it stands in a file: `inside` leads to its table there, () where the file itself is the table."""

    path: Path
    table: dict[str, Any]
    inside: KeyPath
    key_lines: dict[KeyPath, int]

    def line(self, *below: str | int) -> int:
        """The line of a key of the rule, or of the nearest thing around it; 0 when nothing is known."""
        return lines.find(self.key_lines, (*self.inside, *below))

    def problem(self, below: KeyPath, message: str, code: str = "ETLD-C014") -> Problem:
        """A mistake at a key path below the rule."""
        at = key_path.join((*self.inside, *below))
        return Problem(at, self.line(*below), message, source=str(self.path), code=code)


def text_of(path: Path) -> str:
    """The text of a file of TOML; raises `ConfigError`."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise ConfigError([Problem("", line, "expected UTF-8", code="ETLD-C002")], str(path)) from error
    except OSError as error:
        raise ConfigError([Problem("", 0, f"cannot be read: {error.strerror}", code="ETLD-C002")], str(path)) from error


def tables_of(text: str, path: Path) -> dict[str, Any]:
    """TOML as data; raises `ConfigError` with the line of what is none."""
    try:
        return toml.loads(text)
    except toml.TomlMistake as error:
        raise ConfigError(
            [Problem("", error.line, f"not TOML: {error.message}", code="ETLD-C003")], str(path)
        ) from error


def rules_in(text: str, path: Path) -> list[RuleInFile]:
    """Every rule of a text: under [[corrector.rules]] or [[rules]], or the one whose keys stand at the top.

    Only their places are looked at, not their insides. Raises `ConfigError` when there is none.
    """
    data = tables_of(text, path)
    index = lines.index(text)
    nested = data.get("corrector")
    inside: KeyPath = ("rules",)
    rules = data.get("rules")
    if isinstance(nested, dict) and "rules" in nested:
        inside, rules = ("corrector", "rules"), nested["rules"]
    if rules is None and _KEYS & data.keys():
        return [RuleInFile(path, data, (), index)]
    if not isinstance(rules, list) or not rules or not all(isinstance(rule, dict) for rule in rules):
        raise ConfigError(
            [Problem("", lines.find(index, inside), f"has no rules: {_EXPECTED}", code="ETLD-C014")], str(path)
        )
    return [RuleInFile(path, rule, (*inside, number), index) for number, rule in enumerate(rules)]


def only_rule(text: str, path: Path) -> RuleInFile:
    """The rule of a text that holds one rule and nothing else; raises `ConfigError`."""
    found = rules_in(text, path)
    if len(found) > 1:
        second = found[1]
        message = f"holds {len(found)} rules: a file of corrector.rules_dir has one"
        raise ConfigError([Problem("", second.line(), message, code="ETLD-C014")], str(path))
    rule = found[0]
    data: Any = tables_of(text, path)
    for key in rule.inside:
        strange = [] if isinstance(key, int) else [one for one in data if one != key]
        if strange:
            message = "a file of corrector.rules_dir holds its rule and nothing else"
            raise ConfigError(
                [Problem(strange[0], lines.find(rule.key_lines, (strange[0],)), message, code="ETLD-C014")], str(path)
            )
        data = data[key]
    return rule


def of_directory(directory: Path) -> tuple[list[RuleInFile], list[Problem]]:
    """The rules of a directory's *.toml files, in the order of their names, and what is wrong with others.

    Raises `OSError` when it cannot be read. Files that begin with a dot are left out.
    """
    found: list[RuleInFile] = []
    problems: list[Problem] = []
    for path in sorted(directory.iterdir(), key=lambda one: one.name):
        if path.suffix != SUFFIX or path.name.startswith("."):
            continue
        try:
            found.append(only_rule(text_of(path), path))
        except ConfigError as error:
            if path.is_symlink() or path.exists():  # else it was removed in this moment
                problems += [one.read_from(error.source) for one in error.problems]
    return found, problems
