"""Sessions without end: whatever breaks one, the next claims anew."""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING, Any

from etld.errors import EtldError
from etld.kafka.consumer import InstanceFenced
from etld.kafka.errors import KafkaProblem
from etld.postgres.errors import DatabaseError, classify
from etld.sinks.postgres.positions import Fenced
from etld.stream.link import Link, Options
from etld.stream.session import Session

if TYPE_CHECKING:
    from etld.stream.handler import Handler
    from etld.worker import Worker

log = logging.getLogger("etld.stream")

_FIRST_WAIT, _LONGEST_WAIT = 0.2, 5.0


def run(worker: Worker, handler: Handler[Any], options: Options) -> None:
    """Consume for `handler` until the worker stops.

    What Kafka or PostgreSQL do wrong is waited out; only a second daemon with the same node id, and a
    mistake in the code, end the worker.
    """
    link: Link | None = None
    wait = _FIRST_WAIT
    where = {"topic": ", ".join(handler.topics)}
    worker.comes_to_rest = True
    try:
        while not worker.stopping:
            name: str | None = None
            session: Session | None = None
            try:
                if link is None:
                    link = Link(worker, handler.group, options)
                session = Session(worker, handler, link)
                wait = _FIRST_WAIT
                session.run()
            except InstanceFenced as error:
                if session is not None and session.has_twin():
                    worker.fatal(str(error))
                # A member whose session ended while the broker was away is fenced by its own return.
                log.warning("Kafka: the group had gone on without this member; joining anew", extra=where)
            except Fenced as error:
                log.warning("fenced: %s; claiming anew", error, extra=where)
            except KafkaProblem as error:
                # What goes wrong with a claim in the midst of an assignment comes as the consumer's end.
                name = "postgres" if isinstance(error.__cause__, DatabaseError) else "kafka"
                log.warning("Kafka: %s; joining anew", error, extra=where)
                worker.fault(name, str(error))
            except DatabaseError as error:
                name = "postgres"
                text = " ".join(str(error).split())
                level = logging.WARNING if classify(error) == "retry" else logging.ERROR
                log.log(level, "PostgreSQL: %s; trying again", text, extra=where)
                worker.fault(name, f"PostgreSQL: {text}")
            except EtldError as error:
                name = "worker"
                log.error("%s; trying again", error, extra=where)
                worker.fault(name, str(error))
            if worker.stopping:
                break
            if link is not None:
                link.disconnect()
            pause = wait * random.uniform(0.7, 1.3)
            wait = min(wait * 2, _LONGEST_WAIT)
            worker.beat()
            worker.wait(pause)
            worker.beat()
            if name is not None:
                worker.fault(name, None)
    finally:
        handler.close()
        if link is not None:
            link.disconnect()
