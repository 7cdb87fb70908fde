"""Superset's REST interface, as far as importing takes it: one session with its cookies, a token, a bundle.

https://superset.apache.org/docs/api
"""

from __future__ import annotations

import http.client
import json
import re
import urllib.error
import urllib.request
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from etld.bi.superset.bundle import DATABASE_FILE
from etld.errors import EtldError, UsageError
from etld.util.text import printable

#: The first with all that etld's charts need.
OLDEST = (4, 1)
#: What turns on big numbers with the change to the period before.
FLAG = "CHART_PLUGINS_EXPERIMENTAL"
_SECONDS = 300.0
_SHOWN = 400


class SupersetProblem(EtldError):
    """Superset cannot be reached, or refuses."""

    code = "ETLD-B001"


class Superset:
    """One session of one user with the Superset at `url`."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        if urlsplit(self._url).scheme not in ("http", "https") or not urlsplit(self._url).hostname:
            raise UsageError(f"--url: expected an address such as http://127.0.0.1:8088, got {url!r}")
        # A cookie of the session goes with its token, and Superset compares the two.
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self._headers = {"Referer": f"{self._url}/", "Accept": "application/json"}

    def log_in(self, user: str, password: str, provider: str = "db") -> None:
        """Become somebody; raises `SupersetProblem`."""
        self._look()
        given = {"username": user, "password": password, "provider": provider, "refresh": False}
        status, text = self._ask("POST", "/api/v1/security/login", given)
        if status in (401, 403):
            raise SupersetProblem(
                f"{self._url} does not let {user} in: wrong name or password, or another --provider than {provider!r}",
                code="ETLD-B002",
            )
        token = _field(text, "access_token") if status == 200 else None
        if not isinstance(token, str):
            raise self._refused("log in", status, text)
        self._headers["Authorization"] = f"Bearer {token}"
        status, text = self._ask("GET", "/api/v1/security/csrf_token/")
        token = _field(text, "result") if status == 200 else None
        if not isinstance(token, str):
            raise self._refused("give a CSRF token", status, text)
        self._headers["X-CSRFToken"] = token
        self._look_for_driver()

    def take(self, bundle: bytes, password: str | None) -> None:
        """Import a bundle, with the password of its database; without one, that of an earlier import stays.

        Raises `SupersetProblem`.
        """
        fields = {"passwords": json.dumps({DATABASE_FILE: password})} if password is not None else {}
        status, text = self._send("/api/v1/assets/import/", fields, bundle)
        if status == 200:
            return
        if "Must provide a password" in text:
            raise SupersetProblem(
                "Superset has no password for this database yet: give it by --database-password-file FILE",
                code="ETLD-B002",
            )
        if status in (401, 403):
            raise SupersetProblem(
                f"this user may not import into {self._url}: it needs the role Admin", code="ETLD-B002"
            )
        raise self._refused("take the dashboards", status, text)

    def shows_change(self) -> bool:
        """Does it have big numbers with the change to the period before? Its pages say what is turned on."""
        status, text = self._ask("GET", "/login/")
        return status == 200 and re.search(rf'{FLAG}(?:"|&#34;|&quot;): true', text) is not None

    def dashboard(self, slug: str) -> str:
        """The address of a dashboard."""
        return f"{self._url}/superset/dashboard/{slug}/"

    def _look(self) -> None:
        """Is it a Superset, and young enough?"""
        status, text = self._ask("GET", "/health")
        if status != 200 or text.strip() != "OK":
            raise SupersetProblem(f"{self._url} is no Superset: it answers /health with {status} {_short(text)}")
        status, text = self._ask("GET", "/version")
        version = str(_field(text, "version_string") or "") if status == 200 else ""
        found = re.match(r"(\d+)\.(\d+)", version)
        # A build of one's own may have another name; what it lacks shows at the import.
        if found and (int(found[1]), int(found[2])) < OLDEST and int(found[1]) > 0:
            least = ".".join(map(str, OLDEST))
            raise SupersetProblem(
                f"{self._url} is Superset {version}, and the dashboards need {least} or newer", code="ETLD-B003"
            )

    def _look_for_driver(self) -> None:
        status, text = self._ask("GET", "/api/v1/database/available/")
        there = _field(text, "databases") if status == 200 else None
        if not isinstance(there, list):  # who may not ask may not import, which is told there
            return
        drivers = [one.get("available_drivers") for one in there if one.get("engine") == "postgresql"]
        if not any("psycopg2" in (given or ()) for given in drivers):
            raise SupersetProblem(
                f"{self._url} has no driver for PostgreSQL: install psycopg2-binary where Superset runs, and"
                " restart it",
                code="ETLD-B003",
            )

    def _send(self, path: str, fields: dict[str, str], bundle: bytes) -> tuple[int, str]:
        edge = uuid4().hex
        parts = [
            f'--{edge}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
            for name, value in fields.items()
        ]
        head = 'Content-Disposition: form-data; name="bundle"; filename="etld.zip"\r\nContent-Type: application/zip'
        parts += [f"--{edge}\r\n{head}\r\n\r\n".encode(), bundle, f"\r\n--{edge}--\r\n".encode()]
        return self._exchange("POST", path, b"".join(parts), f"multipart/form-data; boundary={edge}")

    def _ask(self, method: str, path: str, given: Any = None) -> tuple[int, str]:
        body = None if given is None else json.dumps(given).encode()
        return self._exchange(method, path, body, "application/json")

    def _exchange(self, method: str, path: str, body: bytes | None, kind: str) -> tuple[int, str]:
        headers = self._headers if body is None else {**self._headers, "Content-Type": kind}
        request = urllib.request.Request(f"{self._url}{path}", body, headers, method=method)  # noqa: S310  # checked above
        try:
            with self._opener.open(request, timeout=_SECONDS) as answer:
                return answer.status, answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise SupersetProblem(f"cannot reach {self._url}: {reason}") from error

    def _refused(self, what: str, status: int, text: str) -> SupersetProblem:
        return SupersetProblem(f"{self._url} does not {what}: it answers {status} {_short(text)}")


def _field(text: str, name: str) -> Any:
    try:
        given = json.loads(text)
    except ValueError:
        return None
    return given.get(name) if isinstance(given, dict) else None


def _short(text: str) -> str:
    """An answer for one line: of a page its title, of Superset's errors their messages."""
    errors = _field(text, "errors")
    if isinstance(errors, list):
        told = [
            f"{one.get('message', '')} {json.dumps(one.get('extra', {}))}" for one in errors if isinstance(one, dict)
        ]
        text = "; ".join(told)
    if title := re.search(r"<title[^>]*>(.*?)</title>", text, re.DOTALL | re.IGNORECASE):
        text = title[1]
    return printable(text, _SHOWN)
