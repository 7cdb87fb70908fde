"""A writer of the lake that ends by SIGKILL at a step of its choice: before or after a file, or a commit."""

from __future__ import annotations

import os
import signal
import uuid
from pathlib import Path
from typing import Any

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io import OutputStream
from pyiceberg.io.pyarrow import PyArrowFile

from etld.sinks.iceberg.local_files import DurableFileIO
from support.lake import Feed, LocalLake

SPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
BATCH = 20


class Steps:
    """Counts what a process does to the lake, and ends it at one of them."""

    def __init__(self) -> None:
        self.done = 0
        self.last = 0

    def step(self) -> None:
        """One more."""
        self.done += 1
        if self.done == self.last:
            os.kill(os.getpid(), signal.SIGKILL)


STEPS = Steps()


class KillingFileIO(DurableFileIO):
    """Files, of which each beginning and each end is a step."""

    def new_output(self, location: str) -> PyArrowFile:
        plain = super().new_output(location)
        return _KillingFile(plain)


class _KillingFile(PyArrowFile):
    def __init__(self, plain: PyArrowFile) -> None:
        super().__init__(plain.location, plain._path, plain._filesystem)
        self._plain = plain

    def create(self, overwrite: bool = False) -> OutputStream:  # noqa: FBT002  # pyiceberg's signature
        STEPS.step()
        stream: Any = self._plain.create(overwrite)
        closes = stream.close

        class Stream:
            def __getattr__(self, name: str) -> Any:
                return getattr(stream, name)

            def __enter__(self) -> Any:
                return self

            def __exit__(self, *_: object) -> None:
                self.close()

            def close(self) -> None:
                was_open = not stream.closed
                closes()
                if was_open:
                    STEPS.step()

        return Stream()  # type: ignore[return-value]


class KillingCatalog(SqlCatalog):
    """A catalog whose commits are a step before, and one after they happened."""

    def commit_table(self, *arguments: Any) -> Any:
        STEPS.step()
        answer = super().commit_table(*arguments)
        STEPS.step()
        return answer


class KillingLake(LocalLake):
    """A table whose writer may end at any step."""

    def catalog(self) -> SqlCatalog:
        where = {"uri": f"sqlite:///{self.folder}/catalog.db", "warehouse": f"file://{self.folder}/warehouse"}
        return KillingCatalog("etld", **where, **{"py-io-impl": "support.killing_lake.KillingFileIO"})


def id_at(offset: int) -> str:
    """The id of the event at an offset; each tenth is the one before it, sent again."""
    return str(uuid.uuid5(SPACE, str(offset - 1 if offset % 10 == 9 else offset)))


def write(folder: str, until: int, last_step: int) -> None:
    """Claim, and write all events from the position on; ends at that step, if it gets so far."""
    STEPS.last = last_step
    feed = Feed(KillingLake(Path(folder)).sink(f"owner#{last_step}"))
    while feed.next < until:
        feed.write([id_at(offset) for offset in range(feed.next, min(feed.next + BATCH, until))])
