"""The registry behind Confluent's REST API (Confluent, Karapace, Apicurio's /apis/ccompat/v7).

https://docs.confluent.io/platform/current/schema-registry/develop/api.html
"""

from __future__ import annotations

import base64
import ssl
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit
from uuid import UUID

from etld.errors import EtldError
from etld.schemas import compatibility
from etld.schemas.registry import parallel, references
from etld.schemas.registry.base import Incompatible, RegistryUnavailable, Version
from etld.schemas.registry.http_client import DeadlineConnection
from etld.schemas.registry.rest_calls import RestCalls
from etld.schemas.tree import SchemaError
from etld.util.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from etld.schemas.compatibility import Level
    from etld.schemas.reference import SchemaRef

_MIME = "application/vnd.schemaregistry.v1+json"
_INT_MAX = 2**31 - 1
_SHOWN = 300
_NO_REASON = "the registry says that it is incompatible with the latest version"
#: More versions of a subject are no registry's answer: each is a call.
_MOST_VERSIONS = 10_000


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
                f"the certificates for the schema registry ({files}) are of no use: {error}", code="ETLD-C012"
            ) from error
        return context


def _no_password() -> str:
    raise ValueError("the private key has a password")


class RestRegistry:
    """A client of one registry. `timeout` (seconds) bounds each call to it as a whole.

    `compatibility` is set for each subject that etld registers.
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
            raise EtldError("schema_registry.url is no http or https address", code="ETLD-C006")
        self._secure = parts.scheme == "https"
        self._host, self._base = parts.hostname, parts.path.rstrip("/")
        self._port = parts.port or (443 if self._secure else 80)
        host = f"[{self._host}]" if ":" in self._host else self._host
        self._name = f"the schema registry at {parts.scheme}://{host}:{self._port}{self._base}"
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
        with self._calls() as call:
            known = _id_of(call, subject, schema)
            if known is not None:
                return known
            reasons = self._reasons(call, subject, schema)
            if reasons:
                raise Incompatible(subject, reasons)
            call("PUT", f"/config/{_q(subject)}", {"compatibility": self._level}).whole(dict)
            said = call("POST", f"/subjects/{_q(subject)}/versions", {"schema": schema})
            if said.status in (409, 422):
                raise Incompatible(subject, [said.message or "refused without a reason"])
            return said.number("id")

    def look_up(
        self, ids: Collection[SchemaRef], until: float, tick: Callable[[], None]
    ) -> Iterator[tuple[SchemaRef, str | SchemaError | None]]:
        """See `Registry`."""
        possible = [one for one in ids if isinstance(one, UUID) or one <= _INT_MAX]
        yield from ((one, None) for one in set(ids).difference(possible))
        yield from parallel.answers(possible, self._asking, until, tick)

    def latest(self, subject: str) -> Version | None:
        """See `Registry`."""
        with self._calls() as call:
            return _version(call, subject, "latest")

    def versions(self, subject: str) -> list[Version]:
        """See `Registry`."""
        with self._calls() as call:
            said = call("GET", f"/subjects/{_q(subject)}/versions")
            if said.status == 404:
                return []
            numbers = said.whole(list)
            if len(numbers) > _MOST_VERSIONS or any(type(one) is not int for one in numbers):
                raise said.nonsense("a list where the numbers of versions are due")
            found = (_version(call, subject, str(number)) for number in numbers)
            return [version for version in found if version is not None]

    def check(self, subject: str, schema: str) -> list[str]:
        """See `Registry`."""
        with self._calls() as call:
            return self._reasons(call, subject, schema)

    def _reasons(self, call: RestCalls, subject: str, schema: str) -> list[str]:
        if self._level == "NONE" or _id_of(call, subject, schema) is not None:
            return []
        path = f"/compatibility/subjects/{_q(subject)}/versions/latest?verbose=true"
        said = call("POST", path, {"schema": schema})
        if said.status == 404:
            return []
        if said.status == 422:
            return [said.message or "the registry says that it is no valid schema"]
        if said.get("is_compatible", bool):
            return []
        messages = [printable(one, _SHOWN) for one in said.get("messages", list, []) if one]
        return messages or self._own_reasons(call, subject, schema) or [_NO_REASON]

    def _own_reasons(self, call: RestCalls, subject: str, schema: str) -> list[str]:
        """Of a registry that names none, as Apicurio's; [] where we see none either, as with references."""
        latest = _version(call, subject, "latest")
        if latest is None:
            return []
        found = compatibility.reasons(schema, latest.schema, self._level)
        return [] if any(one.startswith(compatibility.NO_SCHEMA) for one in found) else found

    @contextmanager
    def _calls(self) -> Iterator[RestCalls]:
        context = self._tls.context() if self._secure else None
        calls = RestCalls(
            self._name, self._base, DeadlineConnection(self._host, self._port, context), self._headers, self._timeout
        )
        try:
            yield calls
        finally:
            calls.close()

    @contextmanager
    def _asking(self) -> Iterator[Callable[[SchemaRef], str | SchemaError | None]]:
        with self._calls() as call:
            yield partial(_schema, call)


def _schema(call: RestCalls, schema_id: SchemaRef) -> str | SchemaError | None:
    """The schema with that id: None when there is none, the error when it is of no use to anybody."""
    said = call("GET", f"/schemas/{'guids' if isinstance(schema_id, UUID) else 'ids'}/{schema_id}")
    if said.status == 404:
        return None
    kind = said.get("schemaType", str, "AVRO")
    if kind != "AVRO":
        return SchemaError(f"it is of type {printable(kind, 40)}, not AVRO")
    text = said.get("schema", str)
    try:
        return references.inlined(text, said.references(), partial(_referred, call))
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        return SchemaError(f"its references cannot be read: {printable(error, _SHOWN)}")


def _referred(call: RestCalls, subject: str, version: int) -> tuple[str, list[dict[str, Any]]]:
    said = call("GET", f"/subjects/{_q(subject)}/versions/{version}")
    if said.status == 404:
        raise references.NoSuchReference(f"there is no version {version} of {subject}")
    return said.get("schema", str), said.references()


def _id_of(call: RestCalls, subject: str, schema: str) -> int | None:
    """The id of `schema` when it is a version of `subject` already."""
    said = call("POST", f"/subjects/{_q(subject)}", {"schema": schema})
    return None if said.status in (404, 422) else said.number("id")


def _version(call: RestCalls, subject: str, version: str) -> Version | None:
    said = call("GET", f"/subjects/{_q(subject)}/versions/{version}")
    if said.status == 404:
        return None
    return Version(subject, said.number("version"), said.number("id"), said.get("schema", str))


def _q(subject: str) -> str:
    return quote(subject, safe="")
