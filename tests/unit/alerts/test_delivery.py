"""One message to a real HTTP server: what is sent, what counts as taken, and what is said of a failure."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etld.alerts.delivery import NotDelivered, Webhook, send_test
from etld.alerts.incidents import Incident, News
from etld.alerts.message import AlertMessage
from etld.config import Config
from etld.errors import EtldError, UsageError
from etld.util.ports import free_port
from support.certificates import make
from support.webhook_receiver import WebhookReceiver, receiving

SECRET = "not for every eye"


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with receiving() as made:
        yield made


def config(*alerts: dict[str, Any]) -> Config:
    return Config.model_validate({"node_id": "one", "alerts": [{"name": "ops", **alert} for alert in alerts]})


def deliver(alert: dict[str, Any], message: AlertMessage | None = None) -> None:
    made = config(alert)
    asyncio.run(Webhook(made, made.alerts[0]).deliver(message or AlertMessage.test("one")))


def refused(**alert: Any) -> str:
    with pytest.raises(NotDelivered) as caught:
        deliver(alert)
    return str(caught.value)


def test_the_signature_is_over_time_and_body(receiver: WebhookReceiver, tmp_path: Path) -> None:
    """As docs/operating.md tells receivers to check it; the secret and the URL come from files."""
    secret, url = tmp_path / "secret", tmp_path / "url"
    secret.write_text(f"{SECRET}\n")
    url.write_text(f"{receiver.url}\n")
    deliver({"url_file": str(url), "secret_file": str(secret)})
    (one,) = receiver.received
    at, given = (part.partition("=")[2] for part in one.headers["etld-signature"].split(","))
    made = hmac.new(SECRET.encode(), f"{at}.".encode() + one.body, hashlib.sha256).hexdigest()
    assert given == made
    assert (one.json["what"], one.json["node"], one.path) == ("test", "one", "/hook")
    deliver({"url": receiver.url})
    assert "etld-signature" not in receiver.received[1].headers


def test_slack_is_told_in_its_form(receiver: WebhookReceiver) -> None:
    """A text, in which nothing of a fault is taken for a link."""
    about = ("fault", "kafka", "cannot reach <!channel> & others", tuple(f"ingest-{n}" for n in range(7)))
    deliver({"url": receiver.url, "form": "slack"}, AlertMessage("begin", "k", "one", *about, "2026-01-31", folded=3))
    assert receiver.received[0].json == {
        "text": ":red_circle: *etld one*: kafka began (ingest-0, ingest-1, ingest-2, ingest-3, ingest-4 and 2 more)\n"
        "cannot reach &lt;!channel&gt; &amp; others\nsince 2026-01-31\nfolded: it came 3 times more"
    }


def test_a_password_in_the_url_is_sent_as_one_and_told_to_nobody(receiver: WebhookReceiver) -> None:
    url = receiver.url.replace("//", "//bob:s%40cret@")
    deliver({"url": url})
    assert receiver.received[0].headers["authorization"] == "Basic Ym9iOnNAY3JldA=="
    receiver.status = 500
    assert refused(url=url) == f"http://127.0.0.1:{receiver.port}/*** answered 500: so it is"
    away = f"http://bob:s%40cret@127.0.0.1:{free_port()}/services/T0/B0/token"
    told = refused(url=away)
    assert "Connect" in told
    assert not any(secret in told for secret in ("s%40cret", "s@cret", "bob", "token")), told


def test_redirections_are_not_followed(receiver: WebhookReceiver) -> None:
    """Nobody is told who was not named in the configuration."""
    with receiving() as other:
        receiver.status, receiver.location = 307, other.url
        assert refused(url=receiver.url).endswith("answered 307; redirections are not followed")
        assert other.received == []


def test_who_hangs_is_given_up(receiver: WebhookReceiver) -> None:
    receiver.status = 0
    made = config({"url": receiver.url})
    with pytest.raises(NotDelivered, match="did not answer within"):
        asyncio.run(Webhook(made, made.alerts[0], 0.2).deliver(AlertMessage.test("one")))


def test_a_proxy_of_the_environment_is_gone_through(receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless NO_PROXY names the host."""
    monkeypatch.setenv("http_proxy", receiver.url)
    deliver({"url": "http://hooks.example/in"})
    assert receiver.received[0].path == "http://hooks.example/in"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    deliver({"url": receiver.url})
    assert receiver.received[1].path == "/hook"


def test_a_certificate_has_to_be_known(tmp_path: Path) -> None:
    """To the system, or by ca_file."""
    pair = make(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pair.certificate, pair.key)
    with receiving(tls) as receiver:
        assert "its certificate is not trusted" in refused(url=receiver.url)
        assert receiver.received == []
        deliver({"url": receiver.url, "ca_file": str(pair.certificate)})
        assert len(receiver.received) == 1


def test_files_that_are_wrong_are_told(receiver: WebhookReceiver, tmp_path: Path) -> None:
    none, text = tmp_path / "none", tmp_path / "text"
    text.write_text("hooks.example/secret")
    assert refused(url_file=str(none)) == f"alerts[0].url_file: cannot read {none}: No such file or directory"
    assert refused(url_file=str(text)) == "alerts.url_file: expected an http or https URL"
    assert refused(url=receiver.url, ca_file=str(text)).startswith(f"{text} is of no use: ")
    assert receiver.received == []


def test_a_test_is_sent_to_one_or_to_all(receiver: WebhookReceiver) -> None:
    """Who does not take it is named, and the others get theirs."""
    away = f"http://127.0.0.1:{free_port()}/"
    made = config({"name": "dead", "url": away}, {"url": receiver.url}, {"name": "slack", "url": receiver.url})
    assert asyncio.run(send_test(made, "slack")) == ["slack"]
    with pytest.raises(EtldError, match="dead: cannot reach"):
        asyncio.run(send_test(made, None))
    assert len(receiver.received) == 3
    with pytest.raises(UsageError, match='did you mean "slack"'):
        asyncio.run(send_test(made, "slac"))
    with pytest.raises(UsageError, match="there are no"):
        asyncio.run(send_test(config(), None))


def test_a_message_has_the_code_of_what_it_tells_of(receiver: WebhookReceiver) -> None:
    """In JSON as a key of its own, in Slack's form behind the text."""
    fault = Incident("fault", "kafka", ("processor-order-0",), "no broker answers", present=True)
    message = AlertMessage.of(News("begin", "fault:kafka:processor", fault, 0), "one")
    deliver({"url": receiver.url}, message)
    deliver({"url": receiver.url, "form": "slack"}, message)
    assert (receiver.received[0].json["text"], receiver.received[0].json["explain"]) == (
        "no broker answers",
        "ETLD-K001",
    )
    assert "\nno broker answers (ETLD-K001)\n" in receiver.received[1].json["text"]
    parked = AlertMessage.of(News("begin", "parked", Incident("parked", "parked"), 0), "one")
    assert (parked.explain, AlertMessage.test("one").explain) == ("ETLD-A003", "")
