"""From a TOML file and the environment to a Config, or to all of its mistakes at once."""

from __future__ import annotations

import difflib
import os
import socket
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from etld.config import lines as where
from etld.config.checks import semantic_problems
from etld.config.model import Config
from etld.errors import ConfigError, EtldError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

CANDIDATES = (Path("config/etld.toml"), Path("/etc/etld/etld.toml"))
ENV_PREFIX = "ETLD_"
_RESERVED = frozenset({"ETLD_CONFIG"})
_EXPECTED = {
    "missing": "is missing",
    "int_type": "expected a whole number",
    "float_type": "expected a number",
    "string_type": "expected text in quotes",
    "bool_type": "expected true or false",
    "dict_type": "expected a table",
    "tuple_type": "expected a list",
    "model_type": "expected a table",
}


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
    raise ConfigError(
        [Problem("", 0, "no configuration: neither ./config/etld.toml nor /etc/etld/etld.toml is there; `etld config init` writes one")]
    )


def load(path: Path | None = None, env: Mapping[str, str] = os.environ) -> Config:
    """Read, check and resolve the configuration; raises ConfigError with every mistake."""
    source = locate(path, env)
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem("", 0, f"cannot be read: {error}")], str(source)) from error
    return parse(text, source, env)


def parse(text: str, source: Path, env: Mapping[str, str] = os.environ) -> Config:
    """`load` for text that is read already; `source` gives relative paths their meaning."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = getattr(error, "lineno", 0) or _line_of(str(error))
        raise ConfigError([Problem("", line, f"not TOML: {error}")], str(source)) from error
    index = where.index(text)
    problems = _apply_env(data, env)
    config: Config | None = None
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        problems += [_problem(item, data, index) for item in error.errors(include_url=False)]
    if config is not None:
        config = _resolve(config, source)
        problems += [
            Problem(_dotted(at), where.find(index, at), message) for at, message in semantic_problems(config)
        ]
    if problems or config is None:
        unique = {(p.path, p.message): p for p in problems}
        raise ConfigError(sorted(unique.values(), key=lambda p: (p.line, p.path)), str(source))
    return config


def _apply_env(data: dict[str, Any], env: Mapping[str, str]) -> list[Problem]:
    """Put ETLD_SECTION__KEY=value into the data; a value is TOML where it parses, else text."""
    problems = []
    for name, raw in sorted(env.items()):
        if not name.startswith(ENV_PREFIX) or name in _RESERVED:
            continue
        keys = name.removeprefix(ENV_PREFIX).lower().split("__")
        table: Any = data
        for key in keys[:-1]:
            table = table.setdefault(key, {}) if isinstance(table, dict) else None
        if keys[0] not in Config.model_fields or not isinstance(table, dict) or not all(keys):
            problems.append(Problem(name, 0, "this environment variable names no key of the configuration"))
            continue
        table[keys[-1]] = _env_value(raw)
    return problems


def _env_value(raw: str) -> Any:
    try:
        return tomllib.loads(f"v = {raw}")["v"]
    except tomllib.TOMLDecodeError:
        return raw


def _problem(error: Any, data: dict[str, Any], index: dict[where.Path, int]) -> Problem:
    # Pydantic names the branches of a union in the path; the file does not.
    path = tuple(piece for piece in error["loc"] if _in_file(piece))
    kind = error["type"]
    if kind == "extra_forbidden":
        return Problem(_dotted(path), where.find(index, path), _unknown(path))
    message = _EXPECTED.get(kind) or error["msg"].removeprefix("Value error, ")
    if kind != "missing" and not isinstance(error.get("input"), dict | BaseModel) and "got" not in message:
        message = f"{message}, got {error['input']!r}"
    return Problem(_dotted(path), where.find(index, path), message)


def _in_file(piece: str | int) -> bool:
    return not (isinstance(piece, str) and (piece in ("Measure", "[key]") or piece.startswith("literal[")))


def _unknown(path: where.Path) -> str:
    model: Any = Config
    for piece in path[:-1]:
        model = _child(model, piece)
    known = [field.alias or name for name, field in model.model_fields.items()] if model else []
    close = difflib.get_close_matches(str(path[-1]), known, n=1)
    return "unknown key" + (f"; did you mean {close[0]!r}?" if close else "")


def _child(model: Any, piece: str | int) -> Any:
    """The model below `model` on the way to a key, or None."""
    if model is None or isinstance(piece, int):
        return model
    for name, field in model.model_fields.items():
        if piece in (name, field.alias):
            return _model_in(field.annotation)
    return model


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        found = _model_in(part)
        if found is not None:
            return found
    return None


def _resolve(config: Config, source: Path) -> Config:
    root = source.parent.parent if source.parent.name == "config" else source.parent

    def absolute(path: Path | None) -> Path | None:
        return None if path is None else Path(os.path.normpath(root / path.expanduser()))

    types = {}
    for name, kind in config.event_types.items():
        given = kind.schema_ or Path(f"schemas/{name}.avsc")
        schema = absolute(given)
        if schema is not None and not schema.exists() and Path(given).exists():
            schema = Path(given).absolute()
        types[name] = kind.model_copy(update={"schema_": schema, "topic": kind.topic or f"event_{name}"})
    update = {
        "node_id": config.node_id or socket.gethostname(),
        "state_dir": absolute(config.state_dir),
        "event_types": types,
        "charts": config.charts.model_copy(update={"dir": absolute(config.charts.dir)}),
        "kafka": config.kafka.model_copy(
            update={
                key: absolute(getattr(config.kafka, key)) for key in ("sasl_password_file", "ssl_ca_file")
            }
        ),
        "postgres": config.postgres.model_copy(update={"password_file": absolute(config.postgres.password_file)}),
        "schema_registry": config.schema_registry.model_copy(
            update={"password_file": absolute(config.schema_registry.password_file)}
        ),
        "ingest": config.ingest.model_copy(update={"keys_file": absolute(config.ingest.keys_file)}),
    }
    resolved = config.model_copy(update=update)
    resolved._source = source
    return resolved


def refuse_unsafe(source: Path) -> None:
    """Refuse a configuration that anybody may write; raises EtldError."""
    mode = source.stat().st_mode
    if mode & 0o002:
        raise EtldError(f"{source} may be written by everybody: `chmod o-w {source}`")


def _dotted(path: where.Path) -> str:
    out = ""
    for piece in path:
        if isinstance(piece, int):
            out += f"[{piece}]"
        else:
            out += f".{piece}" if out else piece
    return out


def _line_of(message: str) -> int:
    _, _, tail = message.partition("(at line ")
    digits = tail.partition(",")[0]
    return int(digits) if digits.isdigit() else 0
