"""A user's function from frame to frame, held to its contract."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import orjson
import polars as pl

from etld.config import user_code
from etld.errors import EtldError
from etld.serdes import json_text
from etld.serdes.columns import JSON_TEXT
from etld.util.text import shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DROP = "etld_drop"
_SHOWN = 60


class TransformBroken(EtldError):
    """The transform does not keep its contract; the worker stands still until it is mended."""

    code = "ETLD-W002"


class Transform:
    """`function(frame) -> frame`, row-wise and deterministic.

    The height, `row`, `event_id` and the types of the columns stay. A boolean column `etld_drop` filters rows out.
    """

    def __init__(self, name: str, function: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
        self._name = name
        self._function = function

    def __call__(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """(rows that stay, rows filtered out).

        What the function raises comes through; a broken contract is `TransformBroken`.
        """
        result = self._apply(frame)
        if DROP not in result.columns:
            return result, result.clear()
        drop = pl.col(DROP).fill_null(False)
        return result.filter(~drop).drop(DROP), result.filter(drop).drop(DROP)

    def _apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The function, which gets JSON text (of maps, of unions of several types) as strings."""
        kept = {name: dtype for name, dtype in frame.schema.items() if json_text.holds_json(dtype)}
        if kept:
            frame = frame.with_columns(pl.col(name).cast(json_text.with_text(dtype)) for name, dtype in kept.items())
        result = self._function(frame)
        self._check(frame, result)
        for name, dtype in kept.items():
            _check_json(name, dtype, frame[name], result[name])
        return result.with_columns(pl.col(name).cast(dtype) for name, dtype in kept.items()) if kept else result

    def _check(self, before: pl.DataFrame, after: object) -> None:
        if not isinstance(after, pl.DataFrame):
            raise TransformBroken(f"transform {self._name} gave {type(after).__name__}, expected a polars DataFrame")
        if after.height != before.height:
            raise TransformBroken(
                f"transform {self._name} made {after.height} rows of {before.height}: use the boolean column"
                f" {DROP!r} to leave rows out"
            )
        schema = after.schema
        for name, dtype in before.schema.items():
            if schema.get(name) != dtype:
                raise TransformBroken(f"transform {self._name} made column {name} {schema.get(name)}, expected {dtype}")
        extra = schema.keys() - before.schema.keys() - {DROP}
        if extra:
            raise TransformBroken(f"transform {self._name} added the columns {', '.join(sorted(extra))}")
        if DROP in schema and schema[DROP] != pl.Boolean:
            raise TransformBroken(f"transform {self._name} made {DROP} {schema[DROP]}, expected Boolean")
        for name in ("row", "event_id"):
            if not after[name].equals(before[name]):
                raise TransformBroken(f"transform {self._name} changed {name}")


def _check_json(name: str, dtype: pl.DataType, before: pl.Series, after: pl.Series) -> None:
    """Raise ValueError when a text that was changed is no JSON; PostgreSQL alone would refuse it, and a summary not."""
    for value in after.filter(after.ne_missing(before)):
        for path, text in _json_texts(name, dtype, value):
            try:
                orjson.loads(text)
            except orjson.JSONDecodeError as error:
                raise ValueError(f"{path}: expected JSON text, got {shortened(repr(text), _SHOWN)}: {error}") from None


def _json_texts(path: str, dtype: object, value: Any) -> Iterator[tuple[str, str]]:
    """The JSON texts of one value of a column, each with its path."""
    if value is None:
        return
    if isinstance(dtype, pl.Struct):
        for field in dtype.fields:
            yield from _json_texts(f"{path}.{field.name}", field.dtype, value[field.name])
    elif isinstance(dtype, pl.List):
        for number, item in enumerate(value):
            yield from _json_texts(f"{path}[{number}]", dtype.inner, item)
    elif dtype == JSON_TEXT:
        yield path, value


def load_transform(name: str) -> Transform | None:
    """The function that `module:function` names, or None for an empty name; raises `TransformBroken`."""
    if not name:
        return None
    module_name, _, attribute = name.partition(":")
    importlib.invalidate_caches()  # the process that this one was forked from may have looked before the file was there
    try:
        user_code.refuse_unsafe_module(module_name)
        function = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError, EtldError) as error:
        raise TransformBroken(f"transform {name} cannot be loaded: {error}") from error
    return Transform(name, function)
