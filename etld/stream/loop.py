"""Sessions without end: whatever breaks one, the next claims anew."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

from etld.errors import EtldError
from etld.kafka.errors import InstanceFenced, KafkaProblem
from etld.postgres.node_lease import NodeIdTaken
from etld.sinks.base import Fenced, SinkError
from etld.stream import strangers
from etld.stream.resources import BatchLimits, Resources, Timings
from etld.stream.session import Session
from etld.stream.vetting import Vetting
from etld.util.backoff import Backoff

if TYPE_CHECKING:
    from etld.kafka.ports import ClusterPort
    from etld.sinks.registry import OpenSink
    from etld.stream.handler import BatchHandler
    from etld.worker import Worker

log = logging.getLogger("etld.stream")

_LONGEST_WAIT, _JOIN_EVERY = 5.0, 1.0


def run(
    worker: Worker,
    handler: BatchHandler[Any],
    limits: BatchLimits,
    cluster: ClusterPort | None = None,
    open_sink: OpenSink | None = None,
    timings: Timings | None = None,
) -> None:
    """Consume for `handler` until the worker stops; `cluster` and `open_sink` take the place of the configured ones.

    What Kafka or the sink do wrong is waited out; only a second daemon with the same node id, and a
    mistake in the code, end the worker.
    """
    resources: Resources | None = None
    timings = timings or Timings()
    backoff = Backoff(timings.session_retry, _LONGEST_WAIT)
    worker.comes_to_rest = True
    vetting = Vetting(worker, handler)
    try:
        while not worker.stopping:
            session: Session | None = None
            fault: str | None = None
            try:
                if resources is None:
                    resources = Resources(worker, handler, cluster, open_sink)
                session = Session(worker, handler, resources, vetting, limits, timings)
                backoff.reset()
                session.run()
            except InstanceFenced as error:
                if session is not None and session.has_twin():
                    worker.fatal(str(error), error.code)
                # A member whose session ended while the broker was away is fenced by its own return.
                _warn(handler, "Kafka: the group had gone on without this member; joining anew")
            except Fenced as error:
                _warn(handler, f"fenced: {error}; claiming anew")
            except EtldError as error:
                fault = _explain(worker, handler, resources, error)
            if worker.stopping:
                break
            if resources is not None:
                resources.sink.disconnect()
            # While strangers are waited for, each try joins the group.
            _pause(worker, max(backoff.next(), _JOIN_EVERY if fault == strangers.FAULT else 0.0), fault)
    finally:
        _say_good_bye(worker, handler, resources)
        handler.close()
        vetting.close()
        if resources is not None:
            resources.sink.disconnect()


def _say_good_bye(worker: Worker, handler: BatchHandler[Any], resources: Resources | None) -> None:
    # A sink that is away keeps no daemon from ending: then the others find out by its silence.
    if worker.leaves == "daemon" and resources is not None and resources.sink.problem is None:
        with contextlib.suppress(SinkError), resources.sink.beside() as side:
            handler.left(side)


def _pause(worker: Worker, seconds: float, fault: str | None) -> None:
    """Wait before the next try; then the fault of the last one is over until it comes again."""
    worker.beat()
    worker.wait(seconds)
    worker.beat()
    if fault is not None:
        worker.fault(fault, None)


def _explain(worker: Worker, handler: BatchHandler[Any], resources: Resources | None, error: EtldError) -> str:
    """Say what ended a session; the name of the fault that the worker has until the next one."""
    # What goes wrong with a claim in the midst of an assignment comes as the consumer's end.
    cause = error.__cause__
    if isinstance(error, NodeIdTaken):
        worker.fatal(str(error), error.code)
    if isinstance(cause, strangers.StrangerInGroup) and cause.final:
        worker.fatal(str(cause), cause.code, daemon=True)
    where = {"topic": ", ".join(handler.topics)}
    sink = resources.sink if resources is not None else None
    name, text = "worker", str(error)
    if isinstance(error, SinkError) and sink is not None:
        name, text = sink.name, f"{sink.title}: {error}"
        log.log(logging.WARNING if error.verdict == "retry" else logging.ERROR, "%s; trying again", text, extra=where)
    elif isinstance(cause, strangers.StrangerInGroup):
        name = strangers.FAULT
        log.warning("%s", error, extra=where)
    elif isinstance(error, KafkaProblem):
        name = sink.name if sink is not None and isinstance(cause, SinkError) else "kafka"
        log.warning("Kafka: %s; joining anew", error, extra=where)
    else:
        log.error("%s; trying again", error, extra=where)
    worker.fault(name, text)
    return name


def _warn(handler: BatchHandler[Any], text: str) -> None:
    log.warning("%s", text, extra={"topic": ", ".join(handler.topics)})
