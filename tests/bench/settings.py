"""Which settings of PostgreSQL matter to what etld writes: each changed alone, from those of the embedded server."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.environment import Environment, open_database
from bench.flow import BATCH
from bench.result import Result
from etld.embedded.postgres import PostgresServer
from etld.postgres.migrate import migrate
from etld.util.ports import free_port

_CHANGES: dict[str, dict[str, str]] = {
    "shared_buffers=128MB": {"shared_buffers": "128MB"},
    "shared_buffers=2GB": {"shared_buffers": "2GB"},
    "max_wal_size=256MB": {"max_wal_size": "256MB"},
    "max_wal_size=16GB": {"max_wal_size": "16GB"},
    "checkpoint_timeout=30s": {"checkpoint_timeout": "30s"},
    "wal_compression=pglz": {"wal_compression": "pglz"},
    "wal_level=replica": {"wal_level": "replica"},
    "synchronous_commit=off": {"synchronous_commit": "off"},
    "as shipped": {
        "shared_buffers": "128MB",
        "max_wal_size": "1GB",
        "checkpoint_timeout": "5min",
        "wal_level": "replica",
    },
}
_COPY = (
    "COPY processed_events (event_id, event_name, event_type, user_details, event_details, triggered_at, accepted_at,"
    " kafka_partition, kafka_offset) FROM STDIN"
)
_REST = (
    "\tpayment_successful\tpurchase"
    '\t{"name": "Ada Lovelace", "email": "ada@example.org", "country": "GB", "user_id": 7}'
    '\t{"price": 12.5, "item_id": 7, "item_name": "Analytical Engine, model 7, brass and walnut"}\t'
)


def settings(environment: Environment, name: str) -> list[Result]:
    """COPY of rows with random ids, in batches as etld writes them, into a table that grows with each pair."""
    results = []
    for number, (what, changed) in enumerate(_CHANGES.items()):
        home = environment.directory / f"settings-{number}"
        home.mkdir()
        with _table(home / "changed", changed) as other, _table(home / "plain", {}) as plain:
            result = Result(f"{name} {what}", "rows/s", [], [], "the embedded server's")
            for _ in range(environment.pairs):
                result.reference.append(_rate(plain, environment.events))
                result.values.append(_rate(other, environment.events))
        results.append(result)
    return results


@contextmanager
def _table(home: Path, changed: Mapping[str, str]) -> Iterator[str]:
    """The DSN of a server with those settings, and etld's tables in it."""
    home.mkdir()

    class Server(PostgresServer):
        settings = {**PostgresServer.settings, **changed}  # noqa: RUF012  # as the base class has it

    server = Server(home / "data", free_port(), home / "log", home / "pass")
    server.start()
    try:
        server.wait_ready(60)
        server.ensure_database()
        with open_database(server.dsn) as conn:
            migrate(conn)
        yield server.dsn
    finally:
        server.stop()


def _rate(dsn: str, rows: int) -> float:
    """Rows a second."""
    batches = [_batch(BATCH) for _ in range(rows // BATCH)]
    with open_database(dsn) as conn:
        conn.execute("CHECKPOINT")
        began = time.monotonic()
        for batch in batches:
            with conn.transaction(), conn.cursor() as cur, cur.copy(_COPY) as out:
                out.write(batch)
        return rows / (time.monotonic() - began)


def _batch(rows: int) -> bytes:
    now = time.strftime("%F %TZ", time.gmtime())
    ids: Sequence[str] = sorted(str(uuid.uuid4()) for _ in range(rows))
    return "".join(f"{one}{_REST}{now}\t{now}\t0\t{at}\n" for at, one in enumerate(ids)).encode()


BENCHES = {"settings": settings}
