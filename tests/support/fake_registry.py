"""A small HTTP server that speaks the documented exchanges of Confluent's schema registry."""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from etld.schemas import compatibility


class FakeRegistry(ThreadingHTTPServer):
    """Keeps subjects in memory.

    `authorization`: the header it asks for; `delay`: seconds before each answer; `conflict`: answer 409 to every
    registration; `broken`: answer everything with this status.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.subjects: dict[str, list[tuple[int, str]]] = {}
        self.ids: list[str] = []
        #: What schemas refer to, by their text.
        self.references: dict[str, list[dict[str, Any]]] = {}
        self.level: dict[str, str] = {}
        self.authorization: str | None = None
        self.delay = 0.0
        self.asked = 0
        self.conflict = False
        #: Does it say why a schema is incompatible?
        self.names_reasons = True
        self.broken = 0
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def stop(self) -> None:
        """Close it."""
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: FakeRegistry
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_GET  # noqa: N815  # http.server's names

    def _serve(self) -> None:
        self.server.asked += 1
        time.sleep(self.server.delay)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        if self.server.broken:
            self._answer(self.server.broken, {"error_code": 50001, "message": "Error in the backend data store"})
            return
        if self.server.authorization and self.headers.get("Authorization") != self.server.authorization:
            self._answer(401, {"error_code": 401, "message": "Unauthorized"})
            return
        path = self.path.partition("?")[0]
        for method, pattern, action in _ROUTES:
            match = re.fullmatch(pattern, path)
            if match and method == self.command:
                self._answer(*action(self.server, body, *match.groups()))
                return
        self._answer(404, {"error_code": 404, "message": "HTTP 404 Not Found"})

    def _answer(self, status: int, answer: Any) -> None:
        raw = json.dumps(answer).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)
        except OSError:
            pass

    def log_message(self, *_: object) -> None:
        """Say nothing."""


Answer = tuple[int, Any]
_NO_SUBJECT = (404, {"error_code": 40401, "message": "Subject not found."})


def _by_id(server: FakeRegistry, _body: Any, number: str) -> Answer:
    if 0 < int(number) <= len(server.ids):
        schema = server.ids[int(number) - 1]
        return 200, {"schema": schema, **_referring(server, schema)}
    return 404, {"error_code": 40403, "message": "Schema not found"}


def guid_of(schema: str) -> uuid.UUID:
    """The GUID of a schema: as with Confluent, one for the same text."""
    return uuid.uuid5(uuid.NAMESPACE_OID, schema)


def _by_guid(server: FakeRegistry, _body: Any, guid: str) -> Answer:
    found = next((schema for schema in server.ids if str(guid_of(schema)) == guid), None)
    if found is None:
        return 404, {"error_code": 40403, "message": "Schema not found"}
    return 200, {"schema": found, "guid": guid, **_referring(server, found)}


def _versions(server: FakeRegistry, _body: Any, subject: str) -> Answer:
    found = server.subjects.get(subject)
    return (200, list(range(1, len(found) + 1))) if found else _NO_SUBJECT


def _version(server: FakeRegistry, _body: Any, subject: str, version: str) -> Answer:
    found = server.subjects.get(subject)
    if not found:
        return _NO_SUBJECT
    number = len(found) if version == "latest" else int(version)
    if not 0 < number <= len(found):
        return 404, {"error_code": 40402, "message": "Version not found."}
    schema_id, schema = found[number - 1]
    answer = {"subject": subject, "version": number, "id": schema_id, "schema": schema}
    return 200, {**answer, **_referring(server, schema)}


def _referring(server: FakeRegistry, schema: str) -> dict[str, Any]:
    found = server.references.get(schema)
    return {"references": found} if found else {}


def _lookup(server: FakeRegistry, body: Any, subject: str) -> Answer:
    found = server.subjects.get(subject)
    if not found:
        return _NO_SUBJECT
    for number, (schema_id, schema) in enumerate(found, 1):
        if compatibility.canonical(schema) == compatibility.canonical(body["schema"]):
            return 200, {"subject": subject, "version": number, "id": schema_id, "schema": schema}
    return 404, {"error_code": 40403, "message": "Schema not found"}


def _register(server: FakeRegistry, body: Any, subject: str) -> Answer:
    if "nonsense" in body["schema"]:
        return 422, {"error_code": 42201, "message": "Invalid schema"}
    if server.conflict or _reasons(server, subject, body["schema"]):
        return 409, {"error_code": 409, "message": "Schema being registered is incompatible with an earlier schema"}
    server.ids.append(body["schema"])
    server.subjects.setdefault(subject, []).append((len(server.ids), body["schema"]))
    return 200, {"id": len(server.ids)}


def _check(server: FakeRegistry, body: Any, subject: str) -> Answer:
    if "nonsense" in body["schema"]:
        return 422, {"error_code": 42201, "message": "Invalid schema"}
    if subject not in server.subjects:
        return _NO_SUBJECT
    reasons = _reasons(server, subject, body["schema"])
    return 200, {"is_compatible": not reasons, **({"messages": reasons} if server.names_reasons else {})}


def _reasons(server: FakeRegistry, subject: str, schema: str) -> list[str]:
    found = server.subjects.get(subject)
    level: Any = server.level.get(subject, "BACKWARD")
    return compatibility.reasons(schema, found[-1][1], level) if found else []


def _config(server: FakeRegistry, body: Any, subject: str) -> Answer:
    server.level[subject] = body["compatibility"]
    return 200, body


_S = r"/subjects/([^/]+)"
_ROUTES = [
    ("GET", r"/schemas/ids/(\d+)", _by_id),
    ("GET", r"/schemas/guids/([0-9a-f-]{36})", _by_guid),
    ("GET", _S + "/versions", _versions),
    ("GET", _S + r"/versions/(\w+)", _version),
    ("POST", _S, _lookup),
    ("POST", _S + "/versions", _register),
    ("POST", r"/compatibility" + _S + "/versions/latest", _check),
    ("PUT", r"/config/([^/]+)", _config),
]
