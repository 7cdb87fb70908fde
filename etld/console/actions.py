"""Doing what somebody asks for: who may, a row in etld.audit, and what came of it."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from etld.console import audit
from etld.console.render import texts
from etld.errors import EtldError
from etld.postgres.errors import DatabaseError
from etld.util.text import one_line

if TYPE_CHECKING:
    from etld.console.access.users import User
    from etld.console.audit import AskedAction
    from etld.console.page import PageAction
    from etld.console.sources import Sources

#: Seconds that somebody waits for the end of what was asked for; it goes on without them.
PATIENCE = 8.0
_AT_ONCE = 4

log = logging.getLogger("etld.console")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an action: "done", "under way", "refused" or "failed", and the words for it.

    `code`: of the catalogue, where it was not done.
    """

    state: str
    text: str
    code: str = ""

    @property
    def good(self) -> bool:
        """Is it done, or will be?"""
        return self.state in ("done", "under way")


class Actions:
    """All that are under way."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._threads = ThreadPoolExecutor(_AT_ONCE, "console-action")
        self._began = time.monotonic()
        self._tasks: set[asyncio.Task[Outcome]] = set()

    @property
    def under_way(self) -> int:
        """How many."""
        return len(self._tasks)

    def end_lost(self) -> None:
        """Give what a console before this one left open its end in etld.audit; raises psycopg errors."""
        with self._sources.connection() as conn:
            audit.end_lost(conn, self._sources.config.node_id, time.monotonic() - self._began)

    async def do(self, action: PageAction, user: User, attempt: AskedAction) -> Outcome:
        """Do it, if the user may and it can be noted; returns before its end when that takes long."""
        task = asyncio.get_running_loop().create_task(self._do(action, user, attempt))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        done, _ = await asyncio.wait({task}, timeout=PATIENCE)
        return task.result() if done else Outcome("under way", texts()["actions"]["under_way"])

    async def _do(self, action: PageAction, user: User, attempt: AskedAction) -> Outcome:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._in_thread, action, user, attempt)

    def _in_thread(self, action: PageAction, user: User, attempt: AskedAction) -> Outcome:
        if not action.changes:
            return self._outcome(action, user, attempt)
        try:
            with self._sources.connection() as conn:
                row = audit.begin(conn, self._sources.config.node_id, _without_secrets(action, attempt))
        except DatabaseError as error:
            told = texts()["actions"]["no_audit"].format(error=one_line(error))
            return Outcome("failed", told, "ETLD-P001")
        outcome = self._outcome(action, user, attempt)
        told = outcome.state if action.shows_secret and outcome.good else outcome.text
        log.info("%s (%s) at %s: %s: %s", attempt.who, attempt.role, attempt.address, attempt.action, told)
        try:
            with self._sources.connection() as conn:
                audit.end(conn, row, outcome.state if outcome.state == "done" else f"{outcome.state}: {outcome.text}")
        except DatabaseError as error:
            log.warning("what came of %s is not in etld.audit: %s", attempt.action, one_line(error))
        return outcome

    def _outcome(self, action: PageAction, user: User, attempt: AskedAction) -> Outcome:
        if not user.may(action.role):
            return Outcome("refused", texts()["actions"]["role"].format(role=action.role, own=user.role), "ETLD-U007")
        try:
            return Outcome("done", action.run(self._sources, attempt.arguments, user))
        except EtldError as error:
            return Outcome("failed", one_line(error), error.code)
        except DatabaseError as error:
            return Outcome("failed", one_line(error), "ETLD-P019")
        except Exception as error:
            log.exception("%s failed", attempt.action)
            return Outcome("failed", f"{type(error).__name__}: {one_line(error)}", "ETLD-S019")

    def close(self) -> None:
        """Wait for nothing: what the daemon was asked for goes on."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _without_secrets(action: PageAction, attempt: AskedAction) -> AskedAction:
    secrets = {field.name for field in action.fields if field.secret}
    return replace(attempt, arguments={name: text for name, text in attempt.arguments.items() if name not in secrets})
