"""What the daemon answers to `reload`, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etld.errors import ConfigError, EtldError, Problem

if TYPE_CHECKING:
    from etld.control.client import RequestRefused


def in_words(refused: RequestRefused) -> EtldError:
    """Why a reload was refused: a `ConfigError` with every mistake of the file, where that is the reason."""
    if refused.error.get("code") != "config":
        return refused
    return ConfigError([Problem.from_json(one) for one in refused.error["problems"]])


def text(reply: dict[str, Any]) -> str:
    """What was done, or would be."""
    if not (reply["changed"] or reply["plan"]):
        return "nothing has changed"
    lines = [f"{step['action']:8} {step['worker']}  ({', '.join(step['why'])})" for step in reply["plan"]]
    if not lines:
        lines = ["no worker is touched: " + ", ".join(reply["changed"])]
    return "\n".join([*lines, "" if not reply.get("dry_run") else "(dry run: nothing was done)"]).rstrip()
