"""From a TOML file and the environment to a Config, or to all of its mistakes at once."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etld.config import checks, dotted, env, lines, salvage
from etld.config.paths import resolve
from etld.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etld.config.model import Config

CANDIDATES = (Path("config/etld.toml"), Path("/etc/etld/etld.toml"))
_NOWHERE = (
    "no configuration: neither ./config/etld.toml nor /etc/etld/etld.toml is there; `etld config init` writes one"
)
_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


def locate(path: Path | None, env: Mapping[str, str] = os.environ) -> Path:
    """The file to read: `path`, $ETLD_CONFIG, ./config/etld.toml, /etc/etld/etld.toml; raises ConfigError."""
    if path is None and env.get("ETLD_CONFIG"):
        path = Path(env["ETLD_CONFIG"])
    if path is not None:
        if not path.is_file():
            raise ConfigError([Problem("", 0, "there is no such file")], str(path))
        return path.absolute()
    for candidate in CANDIDATES:
        if candidate.is_file():
            return candidate.absolute()
    raise ConfigError([Problem("", 0, _NOWHERE)])


def load(path: Path | None = None, env: Mapping[str, str] = os.environ) -> Config:
    """Read, check and resolve the configuration; raises ConfigError with every mistake."""
    source = locate(path, env)
    try:
        text = source.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = source.read_bytes()[: error.start].count(b"\n") + 1
        raise ConfigError([Problem("", line, "expected UTF-8")], str(source)) from error
    except OSError as error:
        raise ConfigError([Problem("", 0, f"cannot be read: {error.strerror}")], str(source)) from error
    return parse(text, source, env)


def parse(text: str, source: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """`load` for text that is read already; `source` gives relative paths their meaning."""
    data = _toml(text, source)
    index = lines.index(text)
    placed, problems = env.apply(data, environ)
    config, mistakes, removed = salvage.read(data)
    if config is not None:
        config = resolve(config, source)
        mistakes = [*mistakes, *checks.problems(config, data, removed)]
    problems += [_problem(path, message, index, placed) for path, message in mistakes]
    if problems or config is None:
        once = {(p.path, p.message): p for p in problems}
        raise ConfigError(sorted(once.values(), key=lambda p: (p.line, p.path)), str(source))
    return config


def _toml(text: str, source: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        place = _PLACE.search(message)
        line = int(place[1]) if place and place[1] else text.count("\n") + 1
        raise ConfigError([Problem("", line, f"not TOML: {_PLACE.sub('', message)}")], str(source)) from error
    except RecursionError as error:
        raise ConfigError([Problem("", 0, "nested too deeply")], str(source)) from error


def _problem(path: lines.Path, message: str, index: dict[lines.Path, int], placed: dict[lines.Path, str]) -> Problem:
    for count in range(len(path), 0, -1):
        if path[:count] in placed:
            return Problem(dotted.join(path), 0, f"{message} (from {placed[path[:count]]})")
    return Problem(dotted.join(path), lines.find(index, path), message)
