"""The whole of it: event types one after the other, each read into the shadow until that may replace.

The records are read by the loop of the workers, in this process and its main thread. Whoever is killed goes on with the
same command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etld import stream
from etld.errors import EtldError
from etld.kafka.admin import Admin
from etld.kafka.reader import offsets_at
from etld.rebuild import record
from etld.rebuild.handler import RebuildHandler
from etld.rebuild.record import RecordSource
from etld.rebuild.watch import Watch
from etld.worker import SlotSpec, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from etld.config import Config
    from etld.rebuild.record import Rebuild
    from etld.rebuild.session import RebuildSession
    from etld.worker import Addresses


class Rebuilder:
    """Works on what is on record; `tell` is told what happens."""

    def __init__(
        self,
        session: RebuildSession,
        config: Config,
        addresses: Addresses,
        kafka_settings: Mapping[str, Any],
        tell: Callable[[str], None],
    ) -> None:
        self._session = session
        self._config = config
        self._addresses = addresses
        self._kafka = kafka_settings
        self._tell = tell
        self._worker: Worker | None = None
        self._interrupted = False

    def interrupt(self) -> None:
        """Stop soon; safe in a signal handler."""
        self._interrupted = True
        if self._worker is not None:
            self._worker.request_stop()

    def run(self) -> None:
        """Until nothing is on record that is not done; raises `EtldError` and psycopg errors."""
        while True:
            there = [one for one in record.on_record(self._session.conn) if one.state != "kept"]
            if not there:
                return
            if there[0].state == "cancelled":
                record.give_up(self._session.conn)
                return
            self._rebuild(there[0])

    def _rebuild(self, one: Rebuild) -> None:
        name = one.event_type
        if name not in self._config.event_types:
            raise EtldError(f"there is no event type {name} any more: `etld rebuild --cancel`", code="ETLD-X002")
        source = self._source(one)
        if one.state == "waiting":
            record.begin(self._session.conn, self._config, name, one.since, source)
            one = next(row for row in record.on_record(self._session.conn) if row.event_type == name)
        self._tell(f"{name}: reading {source.topic} into etld.rebuild_event")
        limits = self._config.processor
        batches = stream.BatchLimits(limits.batch_max_records, limits.batch_max_bytes, limits.linger)
        over = False
        while not over:
            slot = SlotSpec(f"rebuild-{name}", "processor", event_type=name)
            worker = self._worker = Worker(self._config, slot, self._addresses)
            watch = Watch(self._session, self._config, worker, one, source, self._tell)
            watch.start()
            try:
                stream.run(worker, RebuildHandler(worker, one.cut), batches)
            finally:
                worker.request_stop()
                watch.join()
            over = watch.is_over
            if self._interrupted and not over:
                raise EtldError(
                    "interrupted: `etld rebuild` goes on from there, --cancel gives it up", code="ETLD-T005"
                )

    def _source(self, one: Rebuild) -> RecordSource:
        topic = self._config.event_types[one.event_type].topic
        admin = Admin(self._kafka)
        known = admin.topics([topic]).get(topic)
        if known is None:
            raise EtldError(f"Kafka has no topic {topic}", code="ETLD-K012")
        return RecordSource(admin.cluster_id(), topic, known.topic_id, offsets_at(self._kafka, topic, one.since))
