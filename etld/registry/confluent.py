"""A registry behind the Confluent REST API: Confluent's, Karapace's, Apicurio's `/apis/ccompat/v7`.

https://docs.confluent.io/platform/current/schema-registry/develop/api.html
"""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from etld.registry.port import Incompatible, InvalidSchema, RegistryUnavailable, UnknownSchemaId, Version

_TYPE = "application/vnd.schemaregistry.v1+json"
_SUBJECT_NOT_FOUND, _VERSION_NOT_FOUND, _SCHEMA_NOT_FOUND = 40401, 40402, 40403
_INVALID_SCHEMA = 42201
_CONFLICT = 409


class _Answer(Exception):
    """An error that the registry answered with."""

    def __init__(self, status: int, code: int, message: str) -> None:
        self.status = status
        self.code = code
        super().__init__(message)


class ConfluentRegistry:
    """Speaks REST to `url`; `timeout` in seconds counts for each request."""

    def __init__(
        self, url: str, *, compatibility: str, timeout: float, username: str = "", password: str | None = None
    ) -> None:
        self._url = url.rstrip("/")
        self._mode = compatibility
        self._timeout = timeout
        self._headers = {"Accept": _TYPE, "Content-Type": _TYPE}
        if username:
            token = base64.b64encode(f"{username}:{password or ''}".encode()).decode()
            self._headers["Authorization"] = f"Basic {token}"

    def register(self, subject: str, schema: str) -> int:
        """See `Registry.register`; sets the subject's compatibility level first, where it differs."""
        if self.latest(subject) is not None:
            self._set_level(subject)
        try:
            answer = self._call("POST", f"/subjects/{_quote(subject)}/versions", {"schema": schema})
        except _Answer as error:
            if error.status == _CONFLICT:
                raise Incompatible(subject, self.check(subject, schema) or [str(error)]) from error
            if error.code == _INVALID_SCHEMA:
                raise InvalidSchema(f"the schema registry refuses the schema of {subject}: {error}") from error
            raise self._odd(error) from error
        return int(answer["id"])

    def by_id(self, schema_id: int) -> str:
        """See `Registry.by_id`."""
        try:
            return str(self._call("GET", f"/schemas/ids/{schema_id}")["schema"])
        except _Answer as error:
            if error.code == _SCHEMA_NOT_FOUND or error.status == 404:
                raise UnknownSchemaId(f"no schema has the id {schema_id}") from error
            raise self._odd(error) from error

    def latest(self, subject: str) -> Version | None:
        """See `Registry.latest`."""
        return self._version(subject, "latest")

    def versions(self, subject: str) -> list[Version]:
        """See `Registry.versions`."""
        try:
            numbers = self._call("GET", f"/subjects/{_quote(subject)}/versions")
        except _Answer as error:
            if error.code == _SUBJECT_NOT_FOUND or error.status == 404:
                return []
            raise self._odd(error) from error
        found = (self._version(subject, str(number)) for number in sorted(numbers))
        return [one for one in found if one is not None]

    def subjects(self) -> list[str]:
        """See `Registry.subjects`."""
        try:
            return sorted(self._call("GET", "/subjects"))
        except _Answer as error:
            raise self._odd(error) from error

    def check(self, subject: str, schema: str) -> list[str]:
        """See `Registry.check`."""
        path = f"/compatibility/subjects/{_quote(subject)}/versions/latest?verbose=true"
        try:
            answer = self._call("POST", path, {"schema": schema})
        except _Answer as error:
            if error.code in (_SUBJECT_NOT_FOUND, _VERSION_NOT_FOUND) or error.status == 404:
                return []
            if error.code == _INVALID_SCHEMA:
                raise InvalidSchema(f"the schema registry refuses the schema of {subject}: {error}") from error
            raise self._odd(error) from error
        if answer.get("is_compatible", False):
            return []
        return [str(m) for m in answer.get("messages", ())] or ["the registry calls it incompatible"]

    def _version(self, subject: str, which: str) -> Version | None:
        try:
            answer = self._call("GET", f"/subjects/{_quote(subject)}/versions/{which}")
        except _Answer as error:
            if error.code in (_SUBJECT_NOT_FOUND, _VERSION_NOT_FOUND) or error.status == 404:
                return None
            raise self._odd(error) from error
        return Version(subject, int(answer["version"]), int(answer["id"]), str(answer["schema"]))

    def _set_level(self, subject: str) -> None:
        try:
            level = self._call("GET", f"/config/{_quote(subject)}?defaultToGlobal=true")
            if level.get("compatibilityLevel") != self._mode:
                self._call("PUT", f"/config/{_quote(subject)}", {"compatibility": self._mode})
        except _Answer as error:
            raise self._odd(error) from error

    def _odd(self, error: _Answer) -> RegistryUnavailable:
        return RegistryUnavailable(f"the schema registry at {self._url} answers {error.status}: {error}")

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, self._headers, method=method)  # noqa: S310 - http(s) only, checked with the configuration
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as response:  # noqa: S310
                return json.load(response)
        except urllib.error.HTTPError as error:
            try:
                said = json.loads(error.read())
                code, message = int(said.get("error_code", 0)), str(said.get("message", ""))
            except (ValueError, AttributeError, OSError):
                code, message = 0, error.reason
            raise _Answer(error.code, code, message) from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise RegistryUnavailable(f"the schema registry at {self._url} does not answer: {reason}") from error


def _quote(subject: str) -> str:
    return urllib.parse.quote(subject, safe="")
