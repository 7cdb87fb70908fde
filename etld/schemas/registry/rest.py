"""The registry behind Confluent's REST API (Confluent, Karapace, Apicurio's /apis/ccompat/v7).

https://docs.confluent.io/platform/current/schema-registry/develop/api.html
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from etld.errors import EtldError
from etld.schemas.registry import references
from etld.schemas.registry.base import Incompatible, RegistryUnavailable, UnknownSchema, Version

if TYPE_CHECKING:
    from pathlib import Path

    from etld.schemas.compatibility import Level

_MIME = "application/vnd.schemaregistry.v1+json"
_NOT_FOUND = frozenset({40401, 40402, 40403})
_MAX_ANSWER = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files: the CA that signed the registry's certificate (else those of the system), our certificate, its key."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Read now, so that rotated files count from the next call on. Raises `RegistryUnavailable`."""
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key, password=_no_password)
        except (OSError, ValueError) as error:
            # An SSLError does not tell which file it is about.
            files = ", ".join(str(path) for path in (self.ca, self.certificate, self.key) if path is not None)
            raise RegistryUnavailable(
                f"the certificates for the schema registry ({files}) are of no use: {error}"
            ) from error
        return context


def _no_password() -> str:
    raise ValueError("the private key has a password")


class RestRegistry:
    """A client of one registry; one connection a call, since calls are rare.

    `timeout` (seconds) bounds a whole call. `compatibility` is set for each subject that etld registers.
    """

    def __init__(
        self,
        url: str,
        *,
        username: str | None = None,
        password: str | None = None,
        timeout: float = 5.0,
        compatibility: Level = "BACKWARD",
        tls: Tls | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise EtldError(f"schema_registry.url: {url!r} is no http or https address")
        self._secure = parts.scheme == "https"
        self._host, self._port, self._base = parts.hostname, parts.port, parts.path.rstrip("/")
        self._place = f"{parts.scheme}://{parts.hostname}:{parts.port or (443 if self._secure else 80)}"
        self._timeout = timeout
        self._level = compatibility
        self._headers = {"Accept": _MIME, "Content-Type": _MIME}
        self._tls = tls or Tls()
        user = username or unquote(parts.username or "")
        if user:
            pair = f"{user}:{password or unquote(parts.password or '')}".encode()
            self._headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()

    def register(self, subject: str, schema: str) -> int:
        """See `Registry`."""
        known = self._lookup(subject, schema)
        if known is not None:
            return known
        reasons = self.check(subject, schema)
        if reasons:
            raise Incompatible(subject, reasons)
        self._call("PUT", f"/config/{_q(subject)}", {"compatibility": self._level})
        status, answer = self._exchange("POST", f"/subjects/{_q(subject)}/versions", {"schema": schema})
        if status in (409, 422):
            raise Incompatible(subject, [str(answer.get("message") or "refused without a reason")])
        return int(self._expect(status, answer, "id"))

    def by_id(self, schema_id: int) -> str:
        """See `Registry`."""
        if schema_id > 2**31 - 1:
            raise UnknownSchema(schema_id)
        status, answer = self._exchange("GET", f"/schemas/ids/{schema_id}")
        if status == 404:
            raise UnknownSchema(schema_id)
        if answer.get("schemaType", "AVRO") != "AVRO":
            raise UnknownSchema(schema_id)
        text = str(self._expect(status, answer, "schema"))
        try:
            return references.inlined(text, answer.get("references") or [], self._referred)
        except (KeyError, TypeError, ValueError) as error:
            raise RegistryUnavailable(
                f"the references of schema {schema_id} at {self._place} cannot be read: {error}"
            ) from error

    def latest(self, subject: str) -> Version | None:
        """See `Registry`."""
        return self._version(subject, "latest")

    def versions(self, subject: str) -> list[Version]:
        """See `Registry`."""
        status, answer = self._exchange("GET", f"/subjects/{_q(subject)}/versions")
        if status == 404:
            return []
        numbers = self._expect(status, answer, None)
        found = (self._version(subject, str(number)) for number in numbers)
        return [version for version in found if version is not None]

    def check(self, subject: str, schema: str) -> list[str]:
        """See `Registry`."""
        if self._level == "NONE" or self._lookup(subject, schema) is not None:
            return []
        path = f"/compatibility/subjects/{_q(subject)}/versions/latest?verbose=true"
        status, answer = self._exchange("POST", path, {"schema": schema})
        if status == 404:
            return []
        if status == 422:
            return [str(answer.get("message") or "the registry says that it is no valid schema")]
        if self._expect(status, answer, "is_compatible"):
            return []
        messages = answer.get("messages") or ["the registry says that it is incompatible with the latest version"]
        return [str(message) for message in messages]

    def _referred(self, subject: str, version: int) -> tuple[str, list[dict[str, Any]]]:
        status, answer = self._exchange("GET", f"/subjects/{_q(subject)}/versions/{version}")
        return str(self._expect(status, answer, "schema")), answer.get("references") or []

    def _lookup(self, subject: str, schema: str) -> int | None:
        """The id of `schema` when it is a version of `subject` already."""
        status, answer = self._exchange("POST", f"/subjects/{_q(subject)}", {"schema": schema})
        if status in {404, 422}:
            return None
        return int(self._expect(status, answer, "id"))

    def _version(self, subject: str, version: str) -> Version | None:
        status, answer = self._exchange("GET", f"/subjects/{_q(subject)}/versions/{version}")
        if status == 404:
            return None
        number = int(self._expect(status, answer, "version"))
        return Version(subject, number, int(answer["id"]), str(answer["schema"]))

    def _call(self, method: str, path: str, body: dict[str, Any]) -> Any:
        return self._expect(*self._exchange(method, path, body), None)

    def _expect(self, status: int, answer: Any, key: str | None) -> Any:
        if status == 200 and (key is None or (isinstance(answer, dict) and key in answer)):
            return answer if key is None else answer[key]
        if status in (401, 403):
            raise RegistryUnavailable(
                f"the schema registry at {self._place} refuses us ({status}): check schema_registry.username"
                " and password_file"
            )
        said = answer.get("message") if isinstance(answer, dict) else None
        raise RegistryUnavailable(f"the schema registry at {self._place} answers {status}: {said or 'nothing of use'}")

    def _exchange(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        deadline = time.monotonic() + self._timeout
        connection: http.client.HTTPConnection
        if self._secure:
            context = self._tls.context()
            connection = http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=context)
        else:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        try:
            payload = None if body is None else json.dumps(body)
            connection.request(method, self._base + path, payload, self._headers)
            response = connection.getresponse()
            raw = self._read(response, connection, deadline)
        except (OSError, http.client.HTTPException) as error:
            why = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
            raise RegistryUnavailable(f"the schema registry at {self._place} does not answer: {why}") from error
        finally:
            connection.close()
        return response.status, self._parse(response.status, raw)

    def _read(
        self, response: http.client.HTTPResponse, connection: http.client.HTTPConnection, deadline: float
    ) -> bytes:
        """The body, piece by piece: a server that drips one byte a second must not hold us for ever."""
        pieces: list[bytes] = []
        size = 0
        while piece := response.read1(65536):
            pieces.append(piece)
            size += len(piece)
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            if size > _MAX_ANSWER:
                raise http.client.HTTPException(f"an answer of more than {_MAX_ANSWER} bytes")
            if connection.sock is not None:
                connection.sock.settimeout(left)
        return b"".join(pieces)

    def _parse(self, status: int, raw: bytes) -> Any:
        """JSON; a 404 that is not the registry's own means that something else answers at this address."""
        try:
            answer = json.loads(raw)
        except ValueError:
            answer = None
        if status == 404:
            code = answer.get("error_code") if isinstance(answer, dict) else None
            if code not in _NOT_FOUND:
                raise RegistryUnavailable(
                    f"{self._place}{self._base} answers 404 where a schema registry answers: is the URL right?"
                )
        return answer if answer is not None else {}


def _q(subject: str) -> str:
    return quote(subject, safe="")
