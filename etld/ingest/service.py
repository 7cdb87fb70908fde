"""What an ingest process serves: its paths, its clock, what a reload replaces."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from etld.ingest import openapi, webhook
from etld.ingest.admission import Admission
from etld.ingest.endpoints import EventEndpoints
from etld.ingest.event_request import CALL_OF_PATH
from etld.ingest.http.answers import Answer, HttpRefusal, json_answer, problem
from etld.ingest.http.request import HttpRequest, Sender
from etld.ingest.http.router import Router, Routes
from etld.ingest.probes import Probes

if TYPE_CHECKING:
    from etld.config import Config
    from etld.ingest.http.connection import HttpConnection
    from etld.ingest.runtime import IngestRuntime
    from etld.schemas.catalog import Catalog

log = logging.getLogger("etld.ingest")

#: A refused request of another method, such as a browser's for /favicon.ico, is no rejected event.
_BRINGING_EVENTS = frozenset({"POST", "PUT", "PATCH"})
#: A mistake of ours: the client may try again, the log has the stack, the process lives on.
_FAILED = problem(503, "internal", "etld could not handle this request", retry_after=5)


class IngestService:
    """The `Application` of an ingest process."""

    def __init__(self, config: Config, catalog: Catalog, runtime: IngestRuntime) -> None:
        self._runtime = runtime
        self._probes = Probes(runtime, self.report)
        self.configure(config, catalog)

    def configure(self, config: Config, catalog: Catalog) -> None:
        """Take a configuration and its event types; raises `ConfigError` and leaves everything as it was."""
        admission = Admission(config)
        endpoints = EventEndpoints(config, catalog, admission, self._runtime)
        self._router = Router(self._routes(endpoints), self._options)
        self.admission = admission
        self._endpoints = endpoints
        self._config = config
        self._catalog = catalog
        self._description: Answer | None = None

    def _routes(self, endpoints: EventEndpoints) -> Routes:
        """Every path. What /openapi.json says of each stands in `openapi`."""
        segment: Routes = {}
        if endpoints.segment:
            batches = ("/v1/b", "/v1/import", "/beacon/v1/batch")
            segment = {
                "/v1/t": {"POST": endpoints.track},
                **{path: {"POST": endpoints.track} for path in CALL_OF_PATH},
                **{path: {"POST": endpoints.batch} for path in batches},
            }
        return {
            "/track": {"POST": endpoints.track},
            "/v1/track": {"POST": endpoints.track},
            "/v1/batch": {"POST": endpoints.batch},
            **segment,
            "/healthz": {"GET": self._probes.healthz},
            "/readyz": {"GET": self._probes.readyz},
            "/metrics": {"GET": self._metrics},
            "/openapi.json": {"GET": self._openapi},
        }

    # What the server asks

    def handle(self, connection: HttpConnection, request: HttpRequest) -> None:
        """Serve one complete request; every path ends in one answer."""
        try:
            self._runtime.counters.requests += 1
            if self.admission.cors:
                connection.extra_headers = self.admission.origin_headers(request)
            try:
                serve = self._router.find(request)
            except HttpRefusal as refused:
                connection.answer(self._charged(connection, request, refused).answer)
            else:
                serve(connection, request)
        except Exception:
            log.exception("a request to %s failed", request.path[:100])
            connection.answer(_FAILED)

    def extra_headers(self, request: HttpRequest) -> bytes:
        """The headers that let a browser's page read the answer to this request."""
        return self.admission.origin_headers(request)

    def admit(self, connection: HttpConnection, request: HttpRequest) -> Sender:
        """Judge a request whose body is still to come: is it for something that is here, may its sender send?"""
        try:
            self._router.find(request)
            # Only events need a body.
            known = request.method == "POST" and self._endpoints.admit(connection, request)
        except HttpRefusal as refused:
            self._runtime.counters.requests += 1
            judged = request.admitted is not None
            raise (refused if judged else self._charged(connection, request, refused)) from None
        except Exception:
            log.exception("a request to %s failed", request.path[:100])
            raise HttpRefusal(_FAILED) from None
        return Sender(self.admission.site(connection.peer, request), known)

    def _charged(self, connection: HttpConnection, request: HttpRequest, refused: HttpRefusal) -> HttpRefusal:
        """Nothing is served, but it was work: it costs as much as an event."""
        if not self.admission.unrestricted:
            try:
                self.admission.charge_address(connection.peer, request, self._runtime.status.now)
            except HttpRefusal as too_many:
                refused = too_many
        if request.method in _BRINGING_EVENTS:
            self._runtime.counters.refused(refused.answer.status, None)
        return refused

    def _options(self, connection: HttpConnection, request: HttpRequest, allow: bytes) -> None:
        """A browser's preflight, or the handshake of a web hook, to which a key may be needed."""
        admission, status = self.admission, self._runtime.status
        origin = webhook.origin_of(request)
        if origin is None or b"POST" not in allow:
            connection.answer(Answer(204, headers=allow + admission.preflight(request)))
            return
        try:
            admission.charge_address(connection.peer, request, status.now)
            key = admission.find_key(admission.key_of_head(request), status.wall)
        except HttpRefusal as refused:
            connection.answer(refused.answer)
        else:
            granted = webhook.permission(request, origin, admission.rate(key))
            connection.answer(Answer(200, headers=allow + granted))

    def _metrics(self, connection: HttpConnection, request: HttpRequest) -> None:
        status = self._runtime.status
        try:
            self.admission.admit_reader(connection.peer, request, status.now, status.wall)
        except HttpRefusal as refused:
            connection.answer(refused.answer)
        else:
            self._probes.metrics(connection, request)

    def _openapi(self, connection: HttpConnection, request: HttpRequest) -> None:
        """Made once for each configuration: it takes milliseconds."""
        if self._description is None:
            ingest = self._config.ingest
            document = openapi.document(
                self._catalog.types,
                self._router.paths,
                keys=ingest.keys_file is not None,
                segment_map=ingest.segment_map if ingest.segment else None,
            )
            self._description = json_answer(200, document)
        connection.answer(self._description)

    def report(self) -> None:
        """Hand the counts to the worker, say what is wrong with Kafka, and answer whom the supervisor keeps waiting."""
        self._probes.tick()
        worker, producers = self._runtime.worker, tuple(self._runtime.producers)
        self._runtime.counters.flush(worker)
        worker.fault("kafka", next((producer.away for producer in producers if producer.away), None))
        worker.gauge("queue_depth", sum(producer.waiting for producer in producers), queue="requests")
        worker.gauge("queue_depth", sum(producer.in_flight for producer in producers), queue="kafka")
