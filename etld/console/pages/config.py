"""The configuration in force, what a reload of the file would do, and the reload."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from etld.config.effective import effective
from etld.console.page import Field, Page, PageAction
from etld.control import reload_replies
from etld.control.client import RequestRefused
from etld.errors import EtldError

if TYPE_CHECKING:
    from etld.console.page import Values, View
    from etld.console.sources import Sources

_SOURCES = ("file", "environment", "default")


def _data(sources: Sources, view: View) -> dict[str, Any]:
    config = sources.config
    found: list[dict[str, Any]] = []
    unreadable = None
    try:
        found = [asdict(one) for one in effective(config, os.environ)]
    except EtldError as error:
        unreadable = str(error)
    key, source = view.values.get("key", "").lower(), view.values.get("source", "")
    return {
        "file": str(config.source),
        "unreadable": unreadable,
        "sources": _SOURCES,
        "values": [one for one in found if key in one["key"].lower() and source in ("", one["source"])],
        "count": len(found),
        **sources.planned.get(config.source, sources.ask),
    }


def _reload(sources: Sources, _values: Values) -> str:
    try:
        return reload_replies.text(sources.ask("reload", timeout=None))
    except RequestRefused as refused:
        raise reload_replies.in_words(refused) from None
    finally:
        sources.planned.forget()


PAGE = Page(
    name="config",
    path="/config",
    description="Every value in force with its place, and what a reload of the file would do.",
    data=_data,
    fields=(
        Field("key", "Only keys with this in their name."),
        Field("source", "Only values from there: file, environment or default."),
    ),
    actions=(PageAction("reload", "admin", "Take the edited configuration, as etld reload.", _reload),),
    key="o",
)
