"""The sinks that the suite is run on: each says how it is opened, broken and looked into."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from etld.postgres.connections import Connection, TimedConnection, configure, conninfo
from etld.postgres.errors import OperationalError
from etld.postgres.migrate import migrate
from etld.sinks.base import Consumer, Sink
from etld.sinks.memory import MemorySink, MemoryStore
from etld.sinks.postgres.sink import PostgresSink


class SinkUnderTest(ABC):
    """One place where rows go, opened by several consumers."""

    #: An event that the sink refuses as data, by what is changed in a good one.
    refused: dict[str, Any]

    @abstractmethod
    def open(self, owner: str, group: str = "group") -> Sink:
        """A way of a consumer's own."""

    @abstractmethod
    def rows(self) -> set[str]:
        """The ids of the stored events."""

    @abstractmethod
    def lose_answer(self, *, happened: bool) -> None:
        """The next commit has no answer."""

    @abstractmethod
    def cut(self, *, away: bool) -> None:
        """Nothing reaches the sink, or everything does again."""


class InMemory(SinkUnderTest):
    """The sink in memory."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.refused = {"event_id": str(uuid.uuid4())}
        self.store.refused.add(self.refused["event_id"])

    def open(self, owner: str, group: str = "group") -> Sink:
        return MemorySink(self.store, Consumer("cluster", group, owner))

    def rows(self) -> set[str]:
        return set(self.store.rows)

    def lose_answer(self, *, happened: bool) -> None:
        self.store.lost_answers.append(happened)

    def cut(self, *, away: bool) -> None:
        self.store.away = "away" if away else None


class InPostgres(SinkUnderTest):
    """PostgreSQL, through connections that break by order."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        # No text of PostgreSQL holds U+0000.
        self.refused = {"event_name": "a\0b"}
        self._away = False
        self._lost: list[bool] = []
        self._conn = self._connect(False)
        migrate(self._conn)

    def open(self, owner: str, group: str = "group") -> Sink:
        return PostgresSink(self._connect, Consumer("cluster", group, owner))

    def rows(self) -> set[str]:
        return {row[0] for row in self._conn.execute("SELECT event_id::text FROM processed_events")}

    def lose_answer(self, *, happened: bool) -> None:
        self._lost.append(happened)

    def cut(self, *, away: bool) -> None:
        self._away = away

    def _connect(self, hurry: bool) -> Connection:
        if self._away:
            raise OperationalError("connection refused")
        under_test = self

        class Breaking(TimedConnection):
            @contextmanager
            def transaction(self, *args: Any, **options: Any) -> Iterator[Any]:
                # Savepoints of a merge are not commits.
                outermost = self.info.transaction_status == 0
                lost = under_test._lost.pop(0) if outermost and under_test._lost else None
                with super().transaction(*args, **options) as transaction:
                    yield transaction
                    if lost is False:
                        self.close()
                if lost is not None:
                    self.close()
                    raise OperationalError("server closed the connection unexpectedly")

        conn = Breaking.connect(conninfo(self._dsn, {"application_name": "etld test"}), autocommit=True)
        configure(conn, {"application_name": "etld test"})
        return conn


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.integration)])
def under_test(request: pytest.FixtureRequest) -> SinkUnderTest:
    """Each sink in its turn."""
    if request.param == "memory":
        return InMemory()
    return InPostgres(request.getfixturevalue("database"))
