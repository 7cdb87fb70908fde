"""The pages, in the order of the navigation: a new one is a file here, its template, and a line below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.console.pages import audit, config, event, events, flow, schemas, summaries, topics, workers

if TYPE_CHECKING:
    from etld.console.page import Page

PAGES: tuple[Page, ...] = (
    flow.PAGE,
    events.PAGE,
    event.PAGE,
    summaries.PAGE,
    topics.PAGE,
    workers.PAGE,
    schemas.PAGE,
    config.PAGE,
    audit.PAGE,
)
