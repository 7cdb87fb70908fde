"""Who asks for what a command does."""

from __future__ import annotations

import getpass
import os

import click

_KEY = "etld.asked_by"


def remember(ctx: click.Context, _option: click.Parameter, name: str | None) -> None:
    """Take for whom the console runs a command, from the option that says so."""
    ctx.meta[_KEY] = name


def console_user() -> str | None:
    """The user of the console who asked for this command; None at a terminal."""
    ctx = click.get_current_context(silent=True)
    name: str | None = None if ctx is None else ctx.meta.get(_KEY)
    return name


def system_user() -> str:
    """The user of the operating system; a number for one that has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
