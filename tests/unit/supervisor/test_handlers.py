"""The verbs of the control socket, as a table."""

from __future__ import annotations

from etld.cli import COMMANDS
from etld.supervisor.handlers import HANDLERS


def test_every_verb_says_what_it_does() -> None:
    for name, handler in HANDLERS.items():
        assert (handler.__doc__ or "").endswith("."), name


def test_every_verb_has_its_command() -> None:
    """Except metrics, which the port of HTTP shows."""
    assert set(HANDLERS) - set(COMMANDS) == {"metrics"}
