"""From a TOML file and the environment to a Config, or to all of its mistakes at once."""

from __future__ import annotations

import copy
import os
from typing import TYPE_CHECKING, Any

from etld.config import environment, key_path, lines, rule_files, user_code
from etld.config.checks import check as own_check
from etld.config.checks import check_words
from etld.config.paths import resolve
from etld.config.places import Places, add_rules
from etld.config.validate import validate
from etld.errors import ConfigError, Problem
from etld.util import config_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from etld.config.key_path import KeyPath
    from etld.config.mistakes import Check, Mistake
    from etld.config.model import Config


def locate(path: Path | None, env: Mapping[str, str] = os.environ) -> Path:
    """The file to read: `path`, $ETLD_CONFIG, ./config/etld.toml, /etc/etld/etld.toml; raises ConfigError."""
    found = config_file.find(path, env)
    if found is None:
        raise ConfigError([Problem("", 0, f"{config_file.NOWHERE}; `etld config init` writes one", code="ETLD-C001")])
    if not found.is_file():
        raise ConfigError([Problem("", 0, "there is no such file", code="ETLD-C001")], str(found))
    return found.absolute()


def load(
    path: Path | None = None,
    env: Mapping[str, str] = os.environ,
    checks: Sequence[Check] = (),
    later: list[Problem] | None = None,
) -> Config:
    """Read, check and resolve the configuration; raises ConfigError with every mistake.

    `checks` look at what only a part above this one understands, such as the rules of the corrector.
    `later`, where it is given, gets the mistakes that are only credentials not there yet, and none of them raises.
    """
    source = locate(path, env)
    return parse(rule_files.text_of(source), source, env, checks, later)


def parse(
    text: str,
    source: Path,
    env: Mapping[str, str] = os.environ,
    checks: Sequence[Check] = (),
    later: list[Problem] | None = None,
) -> Config:
    """`load` for text that is read already; `source` gives relative paths their meaning."""
    data = rule_files.tables_of(text, source)
    written = copy.deepcopy(data)
    placed, problems = environment.apply(data, env)
    places = Places(source, lines.index(text), placed)
    files, wrong = add_rules(data, places)
    config, mistakes, removed = validate(data)
    mistakes += wrong
    if config is not None:
        config = resolve(config, source)
        user_code.look_in(config.python.path)
        for check in (own_check, *checks):
            mistakes += [one for one in check(config, data, removed) if not key_path.touches(one.path, removed)]
    problems += [places.problem(mistake, files) for mistake in mistakes] + files.problems
    problems += [Places(source, places.index, {}).problem(mistake) for mistake in _overridden(written, source, placed)]
    if later is not None:
        later += [one for one in problems if one.later]
        problems = [one for one in problems if not one.later]
    if problems or config is None:
        once = {(p.source, p.path, p.message): p for p in problems}
        raise ConfigError(sorted(once.values(), key=lambda p: (p.source, p.line, p.path)), str(source))
    for number, rule in enumerate(config.corrector.rules):
        in_file = files.of(("corrector", "rules", number))
        rule.stands(in_file.line() if in_file else places.line(("corrector", "rules", number)), in_file)
    return config


def _overridden(written: dict[str, Any], source: Path, placed: dict[KeyPath, str]) -> list[Mistake]:
    """What is wrong with values of the file that a variable stands in for: they hold again without it."""
    if not placed:
        return []
    config, mistakes, removed = validate(written)
    if config is not None:
        found = check_words(resolve(config, source))
        mistakes += [one for one in found if not key_path.touches(one.path, removed)]
    return [one for one in mistakes if any(one.path[: len(path)] == path for path in placed)]
