"""What hurts a cluster: one function each; `load_all()` gives them in the order of the table."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from cluster import network
from faults.scenarios import Fault, Scenario, register_in

MODULES = ("hosts", "links", "brokers", "databases", "operation")
FAULTS: dict[str, Fault] = {}

_register = register_in(FAULTS)


def fault(name: str, about: str, **more: Any) -> Callable[[Scenario], Scenario]:
    """Register a scenario, which needs a network of its own."""
    return _register(name, about, **{"impossible": network.missing, **more})


def load_all() -> dict[str, Fault]:
    """Import every module of scenarios."""
    for module in MODULES:
        importlib.import_module(f"cluster.scenarios.{module}")
    return FAULTS
