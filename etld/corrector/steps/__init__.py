"""The steps that a rule can be made of. A new one is a file here and a line in `STEPS`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from etld.corrector.steps import base
from etld.corrector.steps.cast import Cast
from etld.corrector.steps.clamp import Clamp
from etld.corrector.steps.default import Default
from etld.corrector.steps.drop_field import DropField
from etld.corrector.steps.join import Join
from etld.corrector.steps.lower import Lower
from etld.corrector.steps.map_values import MapValues
from etld.corrector.steps.move import Move
from etld.corrector.steps.parse_date import ParseDate
from etld.corrector.steps.parse_number import ParseNumber
from etld.corrector.steps.regex_replace import RegexReplace
from etld.corrector.steps.rename import Rename
from etld.corrector.steps.set import Set
from etld.corrector.steps.split import Split
from etld.corrector.steps.trim import Trim
from etld.corrector.steps.unwrap import Unwrap
from etld.corrector.steps.upper import Upper

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

STEPS: Final[Mapping[str, type[base.Step]]] = {
    "cast": Cast,
    "clamp": Clamp,
    "default": Default,
    "drop_field": DropField,
    "join": Join,
    "lower": Lower,
    "map_values": MapValues,
    "move": Move,
    "parse_date": ParseDate,
    "parse_number": ParseNumber,
    "regex_replace": RegexReplace,
    "rename": Rename,
    "set": Set,
    "split": Split,
    "trim": Trim,
    "unwrap": Unwrap,
    "upper": Upper,
}


def parse(value: Any) -> base.Step:
    """The step that a table of the TOML stands for, such as { cast = "*" }; raises `Mistake`."""
    if not isinstance(value, dict) or len(value) != 1:
        raise base.Mistake(f'expected one step such as {{ cast = "*" }}, got {base.show(value)}')
    ((name, options),) = value.items()
    if name not in STEPS:
        near = base.guess(name, STEPS) or f"; the steps are {', '.join(STEPS)}"
        raise base.Mistake(f"unknown step {name!r}{near}", name)
    try:
        return STEPS[name].parse(options)
    except base.Mistake as mistake:
        raise mistake.below(name) from None


def docs_line(name: str) -> str:
    """What a step does, in one line."""
    return (STEPS[name].__doc__ or "").strip().splitlines()[0]
