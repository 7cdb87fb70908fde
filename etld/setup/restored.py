"""After the restore of a backup: who was forgotten since it was made is taken out of it, before anything else happens.

All that is known of them is hashes. So the values that the tables hold are hashed, and those that fit are erased. How
far processors and aggregator were apart in the backup nobody can undo event by event: the summaries are filled anew.
"""

from __future__ import annotations

import logging
import math
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from etld.config.names import AGGREGATOR
from etld.deadletters import erasing, repository
from etld.deadletters.decode import decode
from etld.erasure import records, rows
from etld.erasure.arrival import Erasures
from etld.isolation.search import ERROR_CLASS
from etld.postgres import connections
from etld.postgres.access import session_access
from etld.schemas.registry import open_schemas
from etld.summaries import definition, tables
from etld.summaries.backfill import CountedStream

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from etld.postgres.connections import Connection
    from etld.schemas.registry import SchemaCache
    from etld.worker import Worker

log = logging.getLogger("etld.setup")
_AT_ONCE = 1000
_BEAT_EVERY = 1.0


def erase_again(worker: Worker, cluster_id: str) -> None:
    """Do it, if a backup was restored; raises psycopg errors and `EtldError`."""
    assert worker.addresses.postgres is not None
    address, way = session_access(worker.config, worker.addresses.postgres)
    limits = worker.config.postgres
    with connections.connect(
        address, **way, application_name=f"etld {worker.name}", connect_timeout=limits.connect_timeout
    ) as conn:
        if not records.restored(conn):
            return
        with ThreadPoolExecutor(1) as pool:
            work = pool.submit(_erase_again, conn, worker, cluster_id)
            while not work.done():
                worker.beat()
                wait([work], _BEAT_EVERY)
            work.result()


def _erase_again(conn: Connection, worker: Worker, cluster_id: str) -> None:
    config = worker.config
    found = records.restored(conn)
    erasures = Erasures(config.erasure_key_path)
    erasures.load(conn)
    until: dict[tuple[str, ...], datetime] = {}
    for _, fields, accepted_until in found:
        until[fields] = max(accepted_until, until.get(fields, accepted_until))
    events = sum(_erase_events(conn, erasures, fields, latest) for fields, latest in until.items())
    letters = _erase_letters(conn, erasures, open_schemas(config, worker.addresses, budget=math.inf))
    topics = {kind.topic: name for name, kind in config.event_types.items()}
    _fill_anew(conn, CountedStream(cluster_id, AGGREGATOR, topics), worker)
    records.finish_restored(conn, [number for number, *_ in found])
    log.info("erased again from a restored backup: %d events, %d dead letters", events, letters)


def _erase_events(conn: Connection, erasures: Erasures, fields: tuple[str, ...], latest: datetime) -> int:
    total = 0
    for values, until in erasures.matching(fields, rows.values_there(conn, fields, latest)).items():
        of = rows.condition(fields, [values], until)
        ids = [event_id for some in rows.find(conn, of) for event_id in some]
        for first in range(0, len(ids), _AT_ONCE):
            with conn.transaction(), conn.cursor() as cur:
                total += rows.take_out(cur, ids[first : first + _AT_ONCE], of)
    return total


def _erase_letters(conn: Connection, erasures: Erasures, schemas: SchemaCache) -> int:
    total = 0
    for page in erasing.pages(conn):
        with conn.transaction(), conn.cursor() as cur:
            known = records.forgotten_letters(cur, list(page))
            out = [
                one.id
                for one in repository.of_ids(cur, list(page))
                if one.id in known
                or (
                    one.error_class != ERROR_CLASS
                    and _is_forgotten(erasures, decode(one.value, schemas, one.schema_header).event, page[one.id])
                )
            ]
            total += erasing.erase(cur, out)
    for waiting in erasing.outbox_pages(conn):
        gone = [
            one.row_id
            for one in waiting
            if _is_forgotten(erasures, decode(one.value, schemas, one.schema_header).event, one.accepted)
        ]
        with conn.transaction(), conn.cursor() as cur:
            erasing.erase_outbox(cur, gone)
        total += len(gone)
    return total


def _is_forgotten(erasures: Erasures, event: Mapping[str, object] | None, accepted: datetime) -> bool:
    return event is not None and erasures.letter(event, round(accepted.timestamp() * 1000))


def _fill_anew(conn: Connection, stream: CountedStream, worker: Worker) -> None:
    """Those that the aggregator will not make anew by itself, because they are as the configuration says."""
    config = worker.config
    for summary in tables.ready(conn, definition.read(config.summaries, config.event_types)):
        tables.rebuild(conn, stream, summary)
