"""A browser without scripts: follows links, fills in forms, keeps cookies."""

from __future__ import annotations

import http.cookiejar
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin


@dataclass
class Form:
    """A form of a page; `buttons` are the addresses that its buttons send it to."""

    action: str
    values: dict[str, str] = field(default_factory=dict)
    buttons: list[str] = field(default_factory=list)


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self.forms: list[Form] = []
        self.text = ""
        self._href: str | None = None
        self._area: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a":
            self._href = given.get("href", "")
            self.links.append((self._href, ""))
        elif tag == "form":
            self.forms.append(Form(given.get("action", "")))
        elif tag == "input" and self.forms and "name" in given:
            if given.get("type") != "checkbox" or "checked" in given:
                self.forms[-1].values[given["name"]] = given.get("value", "")
        elif tag == "textarea" and self.forms:
            self._area = given["name"]
            self.forms[-1].values[self._area] = ""
        elif tag == "button" and self.forms:
            self.forms[-1].buttons.append(given.get("formaction", self.forms[-1].action))

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._href = None
        elif tag == "textarea":
            self._area = None

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._href is not None:
            href, text = self.links[-1]
            self.links[-1] = (href, text + data)
        if self._area is not None:
            self.forms[-1].values[self._area] += data


@dataclass
class Seen:
    """A page as it was answered."""

    url: str
    status: int
    html: str
    text: str
    links: list[tuple[str, str]]
    forms: list[Form]

    def link(self, text: str) -> str:
        """Where the first link leads whose text has this in it."""
        return next(urljoin(self.url, href) for href, shown in self.links if text in shown)

    def form(self, button: str) -> Form:
        """The form that a button sends there."""
        return next(form for form in self.forms if button in form.buttons)


class PlainBrowser:
    """One user at `base`."""

    def __init__(self, base: str) -> None:
        self._base = base
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(jar)

    def get(self, path: str, values: dict[str, str] | None = None) -> Seen:
        """Open a page."""
        asked = f"{path}?{urlencode(values)}" if values else path
        return self._open(urllib.request.Request(urljoin(self._base, asked)))

    def send(self, form: Form, button: str, **changes: str) -> Seen:
        """Fill a form in and send it by one of its buttons; the page that follows."""
        assert button in form.buttons
        body = urlencode({**form.values, **changes}).encode()
        return self._open(urllib.request.Request(urljoin(self._base, button), body, {"Origin": self._base}))

    def _open(self, request: urllib.request.Request) -> Seen:
        try:
            with self._opener.open(request, timeout=60) as answer:
                status, html, url = answer.status, answer.read().decode(), answer.url
        except urllib.error.HTTPError as error:
            with error:
                status, html, url = error.code, error.read().decode(), error.url or ""
        parser = _Parser()
        parser.feed(html)
        return Seen(url, status, html, parser.text, parser.links, parser.forms)
