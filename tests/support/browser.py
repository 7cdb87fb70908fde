"""A browser without a screen: cookies, forms, no redirections by itself."""

from __future__ import annotations

import http.client
import json
import re
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode, urlsplit

_TOKEN = re.compile(r'name="token" value="([^"]+)"')


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def token(self) -> str:
        """That of the first form."""
        found = _TOKEN.search(self.text)
        assert found is not None, self.text
        return found[1]


@dataclass
class Browser:
    """One cookie jar, for one console."""

    base: str
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, None, headers)

    def post(self, path: str, form: dict[str, str], **headers: str) -> Answer:
        sent = {"Content-Type": "application/x-www-form-urlencoded", "Origin": self.base}
        return self.ask("POST", path, urlencode(form), sent | headers)

    def call(self, path: str, body: Any, **headers: str) -> Answer:
        return self.ask("POST", path, json.dumps(body), {"Content-Type": "application/json"} | headers)

    def ask(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> Answer:
        """`headers` with _ for -, such as Content_Type."""
        where = urlsplit(self.base)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            for name, value in answer.getheaders():
                if name.lower() == "set-cookie":
                    self.cookies |= {key: one.value for key, one in SimpleCookie(value).items()}
            got = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, got, answer.read().decode())
        finally:
            connection.close()

    def log_in(self, name: str, password: str, following: str = "/") -> Answer:
        return self.post("/log-in", {"name": name, "password": password, "next": following})
