"""The faults: one function each, registered by its decorator; `load_all()` gives them in the order of the table."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faults.run import Run
    from faults.system import System

MODULES = (
    "processes",
    "broker",
    "database",
    "pooler",
    "network",
    "records",
    "killers",
    "limits",
    "registry",
    "machine",
    "storage",
    "years",
    "topology",
    "forgetting",
    "lake",
    "chaos",
)


@dataclass(frozen=True)
class Fault:
    """A row of the table. `make` builds a system of its own; without it the shared one is used."""

    name: str
    about: str
    run: Callable[[Run], None]
    make: Callable[[], System] | None = None
    #: Why it cannot be done here, or "".
    impossible: Callable[[], str] = field(default=lambda: "")


FAULTS: dict[str, Fault] = {}


Scenario = Callable[["Run"], None]


def register_in(table: dict[str, Fault]) -> Callable[..., Callable[[Scenario], Scenario]]:
    """The decorator that puts a scenario into this table: name, what it is, and what else `Fault` has."""

    def fault(name: str, about: str, **more: Any) -> Callable[[Scenario], Scenario]:
        def register(function: Scenario) -> Scenario:
            table[name] = Fault(name, about, function, **more)
            return function

        return register

    return fault


fault = register_in(FAULTS)


def load_all() -> dict[str, Fault]:
    """Import every module of scenarios."""
    for module in MODULES:
        importlib.import_module(f"faults.scenarios.{module}")
    return FAULTS
