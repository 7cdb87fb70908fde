"""The pages, in the order of the navigation: a new one is a file here and a line below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.console.pages import (
    alerts,
    audit,
    config,
    dead_letters,
    event,
    events,
    flow,
    lake,
    letter,
    rule_words,
    rules,
    schemas,
    summaries,
    topics,
    workers,
)

if TYPE_CHECKING:
    from etld.console.page import Page

PAGES: tuple[Page, ...] = (
    flow.PAGE,
    events.PAGE,
    event.PAGE,
    summaries.PAGE,
    dead_letters.PAGE,
    letter.PAGE,
    rules.PAGE,
    rule_words.PAGE,
    topics.PAGE,
    workers.PAGE,
    schemas.PAGE,
    lake.PAGE,
    config.PAGE,
    alerts.PAGE,
    audit.PAGE,
)
