"""The pages, in the order of the navigation: a new one is a file here, its template, and a line below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.console.pages import audit, flow, topics, workers

if TYPE_CHECKING:
    from etld.console.page import Page

PAGES: tuple[Page, ...] = (
    flow.PAGE,
    topics.PAGE,
    workers.PAGE,
    audit.PAGE,
)
