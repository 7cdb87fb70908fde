"""Where a key of the configuration stands: in its file, in a variable, or in the file of a rule."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etld.config import key_path, lines, rule_files
from etld.config.mistakes import Mistake
from etld.config.paths import absolute
from etld.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etld.config.key_path import KeyPath
    from etld.config.rule_files import RuleInFile

_RULES = ("corrector", "rules")
_DIRECTORY = ("corrector", "rules_dir")


@dataclass(frozen=True, slots=True)
class RuleFiles:
    """The rules that came from files: from number `first` of corrector.rules on; and what is wrong with other files."""

    first: int = 0
    rules: list[RuleInFile] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def of(self, path: KeyPath) -> RuleInFile | None:
        """The file whose rule a key path of the whole configuration leads to, if it leads to one."""
        number = path[2] if path[:2] == _RULES and len(path) > len(_RULES) else None
        at = number - self.first if isinstance(number, int) else -1
        return self.rules[at] if 0 <= at < len(self.rules) else None


@dataclass(frozen=True, slots=True)
class Places:
    """The lines of the file's keys, and the variable that each key comes from that does not come from the file."""

    source: Path
    index: dict[KeyPath, int]
    placed: Mapping[KeyPath, str]

    def variable(self, path: KeyPath) -> str | None:
        """The variable that a key comes from; None when it comes from the file."""
        return next((self.placed[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.placed), None)

    def line(self, path: KeyPath) -> int:
        """The line of a key of the file; 0 when it does not come from there."""
        return 0 if self.variable(path) else lines.find(self.index, path)

    def told(self, path: KeyPath) -> str:
        """Where a key stands, in words."""
        line = self.line(path)
        return self.variable(path) or (f"{self.source}:{line}" if line else str(self.source))

    def problem(self, mistake: Mistake, files: RuleFiles | None = None) -> Problem:
        """A mistake, with the place where it is to be mended."""
        path, message, later, code = mistake
        in_file = files.of(path) if files else None
        if in_file is not None:
            return in_file.problem(path[3:], message, code)
        variable = self.variable(path)
        told = f"{message} (from {variable})" if variable else message
        return Problem(key_path.join(path), self.line(path), told, later=later, code=code)


def add_rules(data: dict[str, Any], places: Places) -> tuple[RuleFiles, list[Mistake]]:
    """Put the rules of the files in corrector.rules_dir after those of the data, and tell what is wrong there."""
    corrector = data.get("corrector")
    given = corrector.get("rules_dir") if isinstance(corrector, dict) else None
    own = corrector.get("rules", []) if isinstance(corrector, dict) else None
    if not isinstance(corrector, dict) or not isinstance(given, str) or not given or not isinstance(own, list):
        return RuleFiles(), []
    directory = absolute(Path(given), places.source)
    try:
        if not directory.is_dir():
            return RuleFiles(), [
                Mistake(
                    _DIRECTORY, f"there is no directory {directory}: make it, or leave the key out", code="ETLD-C008"
                )
            ]
        found, problems = rule_files.of_directory(directory)
    except OSError as error:
        return RuleFiles(), [Mistake(_DIRECTORY, f"cannot read {directory}: {error.strerror}", code="ETLD-C008")]
    files = RuleFiles(len(own), [], problems)
    taken = {rule.get("name"): places.told((*_RULES, n)) for n, rule in enumerate(own) if isinstance(rule, dict)}
    for one in found:
        name = one.table.get("name")
        if isinstance(name, str) and name in taken:
            problems.append(one.problem(("name",), f"two rules are called {name!r}: the other is in {taken[name]}"))
            continue
        taken[name] = str(one.path)
        files.rules.append(one)
    corrector["rules"] = [*own, *(one.table for one in files.rules)]
    return files, []
