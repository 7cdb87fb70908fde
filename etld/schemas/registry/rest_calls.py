"""Calls to a registry's REST API, and what its answers have to be."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from etld.schemas.registry.base import RegistryUnavailable
from etld.util.text import one_line, printable

if TYPE_CHECKING:
    from etld.schemas.registry.http_client import DeadlineConnection, HttpAnswer

T = TypeVar("T")

_NOT_FOUND = frozenset({40401, 40402, 40403})
#: Statuses that say something about what was asked; any other but 200 says that there is no answer.
_ABOUT_THE_QUESTION = frozenset({404, 409, 422})
_INT_MAX = 2**31 - 1
_SHOWN = 200
_NAMES = {str: "a text", int: "an integer", bool: "true or false", list: "a list", dict: "an object"}


@dataclass(frozen=True, slots=True)
class RestAnswer:
    """What a registry said with status 200, 404, 409 or 422; `registry` names it in errors.

    The methods raise `RegistryUnavailable` when it is not what is due.
    """

    registry: str
    status: int
    body: Any

    @property
    def message(self) -> str | None:
        """Its words for a person."""
        said = self.body.get("message") if isinstance(self.body, dict) else None
        return printable(said, _SHOWN) if isinstance(said, str) else None

    def whole(self, kind: type[T]) -> T:
        """All of a success, of that type."""
        if self.status != 200:
            raise _no_answer(self.registry, self.status, self.message)
        if type(self.body) is not kind:
            raise self.nonsense(f"{_named(self.body)} where {_NAMES[kind]} is due")
        return self.body

    def get(self, key: str, kind: type[T], default: T | None = None) -> T:
        """A value of a success, of that type."""
        whole = self.whole(dict)
        value = whole.get(key)
        if value is None and default is not None:
            return default
        if type(value) is not kind:
            raise self.nonsense(f"{_named(value)} where the {key!r} is due, which is {_NAMES[kind]}")
        return value

    def number(self, key: str) -> int:
        """A value that is an id or a version."""
        found = self.get(key, int)
        if not 0 <= found <= _INT_MAX:
            raise self.nonsense(f"the {key!r} is no 32 bit number")
        return found

    def references(self) -> list[dict[str, Any]]:
        """The other schemas that a schema refers to."""
        found = self.get("references", list, [])
        kinds = {"name": str, "subject": str, "version": int}
        if not all(isinstance(one, dict) and all(type(one.get(k)) is t for k, t in kinds.items()) for one in found):
            raise self.nonsense("references without name, subject or version")
        return found

    def nonsense(self, what: str) -> RegistryUnavailable:
        """The error to raise for an answer that is none of a registry's."""
        return _nonsense(self.registry, what)


class RestCalls:
    """The calls over one connection. `timeout` (seconds) bounds each as a whole, however slowly the answer comes."""

    def __init__(
        self, registry: str, base: str, connection: DeadlineConnection, headers: dict[str, str], timeout: float
    ) -> None:
        self._registry = registry
        self._base = base
        self._connection = connection
        self._headers = headers
        self._timeout = timeout

    def __call__(self, method: str, path: str, body: dict[str, Any] | None = None) -> RestAnswer:
        """The registry's answer; raises `RegistryUnavailable` when there is none, or it is none of a registry's."""
        payload = None if body is None else json.dumps(body)
        try:
            answer = self._connection.call(method, self._base + path, payload, self._headers, self._timeout)
        except (OSError, HTTPException, ValueError) as error:
            why = "no answer in time" if isinstance(error, TimeoutError) else one_line(error) or type(error).__name__
            raise RegistryUnavailable(f"{self._registry} does not answer: {printable(why, _SHOWN)}") from error
        return self._read(answer)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _read(self, answer: HttpAnswer) -> RestAnswer:
        status = answer.status
        if status in (401, 403):
            raise RegistryUnavailable(
                f"{self._registry} refuses us ({status}): check schema_registry.username and password_file",
                code="ETLD-R002",
            )
        if 300 <= status < 400:
            raise _nonsense(self._registry, f"it redirects to {_place(answer.location)} ({status}): is the URL right?")
        try:
            said = RestAnswer(self._registry, status, json.loads(answer.body))
        except (ValueError, RecursionError) as error:
            if status != 200 and status not in _ABOUT_THE_QUESTION:
                raise _no_answer(self._registry, status, None) from error
            deep = isinstance(error, RecursionError)
            what = "JSON that is nested too deeply" if deep else f"{_kind(answer)} where JSON is due"
            raise _nonsense(self._registry, f"{what} ({status}): is the URL right?") from error
        if status in _ABOUT_THE_QUESTION:
            code = said.body.get("error_code") if isinstance(said.body, dict) else None
            if type(code) is not int or (status == 404 and code not in _NOT_FOUND):
                raise _nonsense(self._registry, f"{status} without a registry's error code: is the URL right?")
        elif status != 200:
            raise _no_answer(self._registry, status, said.message)
        return said


def _no_answer(registry: str, status: int, message: str | None) -> RegistryUnavailable:
    return RegistryUnavailable(f"{registry} answers {status}: {message or 'nothing of use'}")


def _nonsense(registry: str, what: str) -> RegistryUnavailable:
    return RegistryUnavailable(f"{registry} does not answer as one: {what}")


def _kind(answer: HttpAnswer) -> str:
    kind = printable(answer.kind.partition(";")[0], 40)
    return kind if kind and "json" not in kind else ("nothing" if not answer.body else "broken JSON")


def _named(value: object) -> str:
    return "nothing" if value is None else _NAMES.get(type(value), "a number")


def _place(location: str) -> str:
    """The host of an address, which may hold a password."""
    try:
        host = urlsplit(location).hostname
    except ValueError:
        host = None
    return printable(host, _SHOWN) if host else "another path"
