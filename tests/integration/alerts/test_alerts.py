"""Webhooks of a daemon: what they are told of, and what becomes of one that does not listen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.fake_workers_daemon import FakeWorkersDaemon, prepared
from support.waiting import wait_until
from support.webhook_receiver import WebhookReceiver, receiving

pytestmark = pytest.mark.integration

WEBHOOK = """
[[alerts]]
name = "ops"
url = "http://bob:pass-of-bob@127.0.0.1:{port}/hook"
after = "1 ms"
fold = "1 ms"

[[alerts]]
name = "stuck"
url = "http://127.0.0.1:{stuck}/hook"
after = "1 ms"
fold = "1 ms"
"""


@pytest.fixture(scope="module")
def receiver() -> Iterator[WebhookReceiver]:
    with receiving() as made:
        yield made


@pytest.fixture(scope="module")
def etld(tmp_path_factory: pytest.TempPathFactory, receiver: WebhookReceiver) -> Iterator[FakeWorkersDaemon]:
    """A daemon with two webhooks, which are told at once; the second one never answers."""
    with (
        receiving() as stuck,
        prepared(tmp_path_factory.mktemp("alerts"), WEBHOOK.format(port=receiver.port, stuck=stuck.port)) as daemon,
    ):
        stuck.status = 0
        daemon.start("support.fake_workers:ALERTS")
        yield daemon
        assert daemon.stop() == 0
        assert "pass-of-bob" not in daemon.stderr.read_text()


def fault(etld: FakeWorkersDaemon, name: str) -> None:
    (etld.state / "ingest.fault").write_text(name)


def told(receiver: WebhookReceiver, what: str, name: str, since: int = 0) -> dict[str, Any]:
    """The newest message of this kind among all requests from number `since` on."""

    def found() -> dict[str, Any] | None:
        sent = [one.json for one in receiver.received[since:]]
        same = [one for one in sent if (one["what"], one["name"]) == (what, name)]
        return same[-1] if same else None

    return wait_until(found, 30.0, f"the webhook is told: {name} {what}")


def test_a_fault_is_told_when_it_begins_and_when_it_ends(etld: FakeWorkersDaemon, receiver: WebhookReceiver) -> None:
    fault(etld, "kafka")
    began = told(receiver, "begin", "kafka")
    assert (began["node"], began["subject"], began["workers"]) == ("fake", "fault", ["ingest-0"])
    assert began["text"] == "so it is"
    fault(etld, "")
    ended = told(receiver, "end", "kafka")
    assert (ended["key"], ended["since"]) == (began["key"], began["since"])
    assert ended["id"] != began["id"]


def test_a_webhook_that_is_away_is_seen_and_told_later(etld: FakeWorkersDaemon, receiver: WebhookReceiver) -> None:
    """A fault of its own, counted; nobody waits for it, a restart forgets nothing, and what is over is one message."""
    receiver.status = 503
    fault(etld, "kafka")
    wrong = wait_until(lambda: _webhook_fault(etld), 30.0, "the failure is a fault")
    assert wrong.startswith(f"http://127.0.0.1:{receiver.port}/*** answered 503: so it is; messages that wait: ")
    assert etld.get().endswith(b"ok\n")
    assert 'etld_alert_failures_total{webhook="ops",worker="alerts"}' in etld.ask("metrics")["text"]
    etld.edit('after = "1 ms"', 'after = "2 ms"')
    assert etld.cli("reload").returncode == 0
    fault(etld, "")
    told(receiver, "end", "kafka", len(receiver.received))
    tried = len(receiver.received)
    receiver.status = 200
    last = told(receiver, "end", "kafka", tried)
    assert last["folded"] == 1  # its begin
    wait_until(lambda: _webhook_fault(etld) is None, 30.0, "all is well with this one")
    assert ("begin", "kafka") not in [(one.json["what"], one.json["name"]) for one in receiver.received[tried:]]
    assert last["dropped"] == 0


def test_one_that_hangs_holds_up_nobody(etld: FakeWorkersDaemon, receiver: WebhookReceiver) -> None:
    """The other webhook has been told of all the above meanwhile, and is told of this one."""
    assert "did not answer within 10 s" in told(receiver, "begin", "webhook stuck")["text"]


def _webhook_fault(etld: FakeWorkersDaemon) -> str | None:
    return etld.ask("health")["faults"].get("alerts", {}).get("webhook ops")


def test_bounds_of_letters_and_of_lag_come_with_a_reload(etld: FakeWorkersDaemon, receiver: WebhookReceiver) -> None:
    etld.edit('name = "ops"', 'name = "ops"\nparked = 10\nlag = "1 min"')
    assert etld.cli("reload").returncode == 0
    assert told(receiver, "begin", "lag")["text"] == "1m30s behind, 5 events wait"
    (etld.state / "parked").write_text("11")
    assert told(receiver, "begin", "parked")["text"] == "11 dead letters are parked, more than 10"
    (etld.state / "parked").write_text("10")
    told(receiver, "end", "parked")


def test_the_command_tries_it(etld: FakeWorkersDaemon, receiver: WebhookReceiver) -> None:
    done = etld.cli("alerts", "test", "ops")
    assert (done.returncode, done.stdout) == (0, "ops has taken the test\n")
    assert told(receiver, "test", "test")
    wrong = etld.cli("alerts", "test", "nobody")
    assert (wrong.returncode, "no [[alerts]] with the name 'nobody'" in wrong.stderr) == (2, True)
    shown = etld.cli("config", "show").stdout
    assert f'url = "http://127.0.0.1:{receiver.port}/***"' in shown
    assert "pass-of-bob" not in shown
