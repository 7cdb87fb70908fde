"""A message, the two forms it is sent in, and its signature."""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from etld.errors import coded
from etld.explain import code_of
from etld.util.text import shortened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etld.alerts.incidents import News

SIGNATURE = "etld-signature"
_MARKS = {"begin": ":red_circle:", "end": ":large_green_circle:", "folded": ":white_circle:", "test": ":bell:"}
_WORDS = {"begin": "began", "end": "is over", "folded": "came and went", "test": "test"}
_LONGEST = 1500
_MOST_WORKERS = 5


@dataclass(frozen=True, slots=True)
class AlertMessage:
    """What is told. `key`: the same for the begin and the end of one thing; times as in RFC 3339.

    `folded`: how often the same thing came besides, without a message of its own; `dropped`: messages before this one
    that were never delivered.
    """

    what: str
    key: str
    node: str
    subject: str
    name: str
    text: str
    workers: tuple[str, ...] = ()
    since: str = ""
    at: str = field(default_factory=lambda: _moment(datetime.now(UTC).timestamp()))
    folded: int = 0
    dropped: int = 0
    #: The code of the catalogue, "" where there is none.
    explain: str = ""
    #: Stays the same when a message is sent again.
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @classmethod
    def restored(cls, saved: Mapping[str, Any]) -> AlertMessage:
        """From `asdict` and JSON."""
        return cls(**{**saved, "workers": tuple(saved["workers"])})

    @classmethod
    def of(cls, news: News, node: str) -> AlertMessage:
        """What became of an incident."""
        incident = news.incident
        code = code_of("fault" if incident.subject == "fault" else "alert", incident.name)
        about = (incident.subject, incident.name, shortened(incident.text, _LONGEST), incident.workers)
        return cls(news.what, news.key, node, *about, since=_moment(incident.since), folded=news.folded, explain=code)

    @classmethod
    def test(cls, node: str) -> AlertMessage:
        """What a person asked for, to see that it comes."""
        return cls("test", "test", node, "test", "test", "This is a test: nothing is wrong.")

    def body(self, form: Literal["json", "slack"]) -> bytes:
        """What is sent."""
        said = asdict(self) if form == "json" else {"text": self._slack()}
        return json.dumps(said, ensure_ascii=False).encode()

    def _slack(self) -> str:
        head = f"{_MARKS[self.what]} *etld {_plain(self.node)}*: {_plain(self.name)} {_WORDS[self.what]}"
        if self.workers:
            more = f" and {len(self.workers) - _MOST_WORKERS} more" if len(self.workers) > _MOST_WORKERS else ""
            head += f" ({_plain(', '.join(self.workers[:_MOST_WORKERS]))}{more})"
        lines = [head, _plain(coded(self.text, self.explain))]
        if self.what != "test":
            lines.append(f"since {self.since}")
        if self.folded:
            lines.append(f"folded: it came {self.folded} times more")
        if self.dropped:
            lines.append(f"{self.dropped} messages before this one were not delivered")
        return "\n".join(lines)


def signature(secret: str, body: bytes, at: int) -> str:
    """The value of the header: `t=SECONDS,v1=HEX`, HMAC-SHA256 over "SECONDS." and the body."""
    made = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256)
    return f"t={at},v1={made.hexdigest()}"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _plain(text: str) -> str:
    """Slack's own signs as text: https://docs.slack.dev/messaging/formatting-message-text#escaping."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
