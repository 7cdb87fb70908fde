"""The steps that a rule can be made of. A new one is a file here and a line in `STEPS`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from etld.deadletters.rules.steps import base
from etld.deadletters.rules.steps.cast import Cast
from etld.deadletters.rules.steps.clamp import Clamp
from etld.deadletters.rules.steps.default import Default
from etld.deadletters.rules.steps.drop_field import DropField
from etld.deadletters.rules.steps.join import Join
from etld.deadletters.rules.steps.lower import Lower
from etld.deadletters.rules.steps.map_values import MapValues
from etld.deadletters.rules.steps.move import MoveField
from etld.deadletters.rules.steps.parse_date import ParseDate
from etld.deadletters.rules.steps.parse_number import ParseNumber
from etld.deadletters.rules.steps.regex_replace import RegexReplace
from etld.deadletters.rules.steps.rename import Rename
from etld.deadletters.rules.steps.set import Set
from etld.deadletters.rules.steps.split import Split
from etld.deadletters.rules.steps.trim import Trim
from etld.deadletters.rules.steps.unwrap import Unwrap
from etld.deadletters.rules.steps.upper import Upper

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

STEPS: Final[Mapping[str, type[base.CorrectionStep]]] = {
    "cast": Cast,
    "clamp": Clamp,
    "default": Default,
    "drop_field": DropField,
    "join": Join,
    "lower": Lower,
    "map_values": MapValues,
    "move": MoveField,
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


def parse(value: Any) -> base.CorrectionStep:
    """The step that a table of the TOML stands for, such as { cast = "*" }; raises `RuleError`."""
    if not isinstance(value, dict) or len(value) != 1:
        raise base.RuleError(f'expected one step such as {{ cast = "*" }}, got {base.show(value)}')
    ((name, options),) = value.items()
    if name not in STEPS:
        near = base.guess(name, STEPS) or f"; the steps are {', '.join(STEPS)}"
        raise base.RuleError(f"unknown step {name!r}{near}", name)
    try:
        return STEPS[name].parse(options)
    except base.RuleError as error:
        raise error.below(name) from None
