"""What every section is made of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import CoreSchema, core_schema

from etld.config.units import format_duration, format_size, parse_duration, parse_size

_DURATION_SCHEMA = {"type": "string", "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*(ms|s|min|h|d)\s*$"}
_SIZE_SCHEMA = {
    "anyOf": [{"type": "string", "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*(B|[kKMG]i?B)\s*$"}, {"type": "integer"}]
}


class Section(BaseModel):
    """Frozen, strict, and unknown keys are mistakes."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        validate_default=True,
        model_title_generator=lambda model: model.__name__.removesuffix("Section"),
    )


class FileSchema(GenerateJsonSchema):
    """JSON Schema in the words of the file: tables are called as people know them."""

    def normalize_name(self, name: str) -> str:
        """A model's name under $defs."""
        return super().normalize_name(name).removesuffix("Section")


@dataclass(frozen=True)
class Matching:
    """Text that matches a pattern as a whole, with words for who wrote something else."""

    pattern: str
    expected: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(core), "pattern": f"^(?:{self.pattern})$"}

    def _check(self, value: str) -> str:
        if not re.fullmatch(self.pattern, value):
            raise ValueError(f"expected {self.expected}, got {value!r}")
        return value


def at_least(least: float, shown: str) -> AfterValidator:
    """A lower bound on seconds or bytes, named as the file would write it."""

    def check(value: float) -> float:
        if value < least:
            raise ValueError(f'expected at least "{shown}"')
        return value

    return AfterValidator(check)


def quantity(default: str, description: str) -> Any:
    """A size's or a duration's field, with its default as the file writes it."""
    return Field(default, description=description)


def _none_if_empty(value: object) -> object:
    return None if value == "" else value


#: Seconds; in the file "500 ms", "10 s", "5 min", "1 h", "7 d".
Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, when_used="json"),
    WithJsonSchema(_DURATION_SCHEMA),
]
#: Bytes; in the file "64 KiB", "1 MiB".
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    PlainSerializer(format_size, when_used="json"),
    WithJsonSchema(_SIZE_SCHEMA),
]
#: A duration that is not nothing.
PositiveDuration = Annotated[Duration, at_least(0.001, "1 ms")]
#: A directory or a file; a relative one is made absolute by load.
AnyPath = Annotated[Path, Field(strict=False)]
#: A file that may be left out, by "" too.
OptionalFile = Annotated[AnyPath | None, BeforeValidator(_none_if_empty)]
Port = Annotated[int, Field(ge=0, le=65535)]
Workers = Annotated[int, Field(ge=0, le=64)]
FunctionName = Annotated[str, Matching(r"([A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*)?", '"module:function"')]
Strings = Annotated[tuple[str, ...], Field(strict=False)]
