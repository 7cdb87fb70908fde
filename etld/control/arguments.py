"""Reading a request's arguments; a wrong one is the caller's error."""

from __future__ import annotations

from typing import Any

from etld.control.verbs import VerbError


def text(request: dict[str, Any], name: str) -> str:
    """A text that is not empty."""
    value = request.get(name)
    if not isinstance(value, str) or not value:
        raise VerbError("bad_request", f"{name}: expected a text, got {value!r}")
    return value


def number(request: dict[str, Any], name: str, low: int, high: int) -> int:
    """A whole number between `low` and `high`."""
    value = request.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise VerbError("bad_request", f"{name}: expected a whole number from {low} to {high}, got {value!r}")
    return value


def flag(request: dict[str, Any], name: str) -> bool:
    """True or false; false when it is missing."""
    value = request.get(name, False)
    if not isinstance(value, bool):
        raise VerbError("bad_request", f"{name}: expected true or false, got {value!r}")
    return value


def seconds(request: dict[str, Any], name: str) -> float | None:
    """A time of at least 0; None when it is missing."""
    value = request.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not value >= 0:
        raise VerbError("bad_request", f"{name}: expected seconds, got {value!r}")
    return value
