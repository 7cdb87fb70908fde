"""The role's entry point."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from etld import stream
from etld.corrector.event_id_move import EventIdMove
from etld.corrector.forgotten import ForgottenLetters
from etld.corrector.handler import CorrectorHandler
from etld.corrector.letter_trials import LetterTrials
from etld.corrector.repair_loop import RepairLoop
from etld.corrector.sender import LetterSender
from etld.corrector.topic_retention import TopicRetention
from etld.erasure.arrival import Erasures
from etld.kafka.settings import client_settings
from etld.postgres import connections
from etld.postgres.access import access, session_access
from etld.schemas.registry import open_schemas
from etld.worker.heap import limit_memory

if TYPE_CHECKING:
    from etld.worker import Worker

#: Records and bytes of a batch, and seconds that one is waited for.
_BATCH_RECORDS, _BATCH_BYTES, _BATCH_WAIT = 5000, 16 * 1024 * 1024, 0.02
# A statement that waits for a lock longer than this gives up, and is tried again.
_LOCK_TIMEOUT = 5.0
_STOP_WITHIN = 8.0


def run(worker: Worker) -> None:
    """Keep, repair, send back and park dead letters until the worker stops."""
    config = worker.config

    def connect(*, limited: bool = True) -> connections.Connection:
        assert worker.addresses.postgres is not None
        address, way = worker.addresses.postgres, access(worker.config)
        if not limited:
            address, way = session_access(worker.config, address)
        return connections.connect(
            address,
            **way,
            application_name=f"etld {worker.name} repairs",
            connect_timeout=worker.config.postgres.connect_timeout,
            statement_timeout=worker.config.postgres.statement_timeout if limited else 0,
            lock_timeout=_LOCK_TIMEOUT if limited else 0,
            queue=True,
        )

    kafka = client_settings(config, worker.addresses)
    sender = LetterSender(kafka, config.kafka.parked_topic)
    trials = LetterTrials(worker)
    move = EventIdMove(lambda: connect(limited=False))
    repairs = RepairLoop(config, connect, sender, partial(open_schemas, config, worker.addresses), move, trials)
    forgotten = ForgottenLetters(
        Erasures(config.erasure_key_path), partial(open_schemas, config, worker.addresses, worker.beat)
    )
    worker.on_reload = repairs.reload
    limit_memory(config.supervisor.max_memory)
    repairs.start()
    try:
        stream.run(
            worker,
            CorrectorHandler(worker, repairs, sender, forgotten, TopicRetention(kafka, config.kafka)),
            stream.BatchLimits(_BATCH_RECORDS, _BATCH_BYTES, _BATCH_WAIT),
        )
    finally:
        repairs.stop(_STOP_WITHIN)
