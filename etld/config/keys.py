"""What the models say about a key path: which keys there are, and of what type."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from etld.config.model import Config
from etld.util.suggest import did_you_mean

if TYPE_CHECKING:
    from etld.config.key_path import KeyPath


def type_at(path: KeyPath) -> Any:
    """The annotation of the value at a path; None when the models know no such path."""
    here: Any = Config
    for piece in path:
        here = _below(here, piece)
        if here is None:
            return None
    return here


def known_at(path: KeyPath) -> list[str]:
    """The keys that the table at a path may have; [] for a table of free names."""
    model = _model(type_at(path))
    return [] if model is None else [field.alias or name for name, field in model.model_fields.items()]


def unknown(path: KeyPath) -> str:
    """What to say about a key that is not known."""
    known = known_at(path[:-1])
    hint = did_you_mean(str(path[-1]), known)
    return f"unknown key{hint}" if hint else f"unknown key; known: {', '.join(sorted(known))}"


def options(annotation: Any) -> list[Any]:
    """The types of a union, each without its Annotated shell."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return options(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [found for part in get_args(annotation) for found in options(part)]
    return [annotation]


def _below(annotation: Any, piece: str | int) -> Any:
    for option in options(annotation):
        origin, args = get_origin(option), get_args(option)
        if origin is dict and isinstance(piece, str):
            return args[1]
        if origin is tuple and isinstance(piece, int):
            return args[0]
        if isinstance(option, type) and issubclass(option, BaseModel):
            for name, field in option.model_fields.items():
                if piece == (field.alias or name):
                    return field.annotation
    return None


def _model(annotation: Any) -> type[BaseModel] | None:
    for option in options(annotation):
        if isinstance(option, type) and issubclass(option, BaseModel):
            return option
    return None
