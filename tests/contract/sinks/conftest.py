"""The sinks that the suite is run on: each says how it is opened, broken and looked into."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog.sql import SqlCatalog

from etld.postgres.connections import Connection, TimedConnection, configure, conninfo
from etld.postgres.errors import OperationalError
from etld.postgres.migrate import migrate
from etld.schemas.event_schema import EventSchema
from etld.sinks.base import Consumer, Sink
from etld.sinks.iceberg.known_ids import TableIds
from etld.sinks.iceberg.layout import Layout
from etld.sinks.iceberg.sink import IcebergSink
from etld.sinks.iceberg.table import LakeTable
from etld.sinks.memory import MemorySink, MemoryStore
from etld.sinks.postgres.sink import PostgresSink
from support.source_checks import ROOT


class SinkUnderTest(ABC):
    """One place where rows go, opened by several consumers."""

    #: An event that the sink refuses as data, by what is changed in a good one; None: it takes all that is storable.
    refused: dict[str, Any] | None

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


class BreakingCatalog(SqlCatalog):
    """A catalog that is away, or whose answers are lost, by order."""

    def __init__(self, orders: InLake, **properties: str) -> None:
        super().__init__("etld", **properties)
        self._orders = orders

    def commit_table(self, table: Any, requirements: Any, updates: Any) -> Any:
        lost = self._orders.lost.pop(0) if self._orders.lost else None
        answer = None if lost is False else super().commit_table(table, requirements, updates)
        if lost is not None:
            raise ConnectionResetError("the catalog went away before its answer came")
        return answer


class InLake(SinkUnderTest):
    """Iceberg, with its catalog in SQLite and its files in a folder."""

    refused = None

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._away = False
        self.lost: list[bool] = []
        schema = EventSchema.parse((ROOT / "schemas/purchase.avsc").read_text()).tree
        self._table = LakeTable(self._catalog, ("etld", "event_purchase"), Layout.of(schema), {})

    def open(self, owner: str, group: str = "group") -> Sink:
        consumer = Consumer("cluster", group, owner)
        return IcebergSink(self._table.again(), consumer, lambda: TableIds(30 * 86_400, self._folder / "ids"))

    def rows(self) -> set[str]:
        found = self._table.load().scan(selected_fields=("event_id",)).to_arrow()["event_id"].to_pylist()
        assert len(found) == len(set(found))
        return {str(one) for one in found}

    def lose_answer(self, *, happened: bool) -> None:
        self.lost.append(happened)

    def cut(self, *, away: bool) -> None:
        self._away = away

    def _catalog(self) -> SqlCatalog:
        if self._away:
            raise ConnectionRefusedError("connection refused")
        return BreakingCatalog(
            self, uri=f"sqlite:///{self._folder}/catalog.db", warehouse=f"file://{self._folder}/warehouse"
        )


@pytest.fixture(params=["memory", "lake", pytest.param("postgres", marks=pytest.mark.integration)])
def under_test(request: pytest.FixtureRequest, tmp_path: Path) -> SinkUnderTest:
    """Each sink in its turn."""
    if request.param == "memory":
        return InMemory()
    if request.param == "lake":
        return InLake(tmp_path)
    return InPostgres(request.getfixturevalue("database"))
