"""The password of the embedded broker, seen from the daemon."""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from etld.embedded import choice
from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import purchase
from support.waiting import wait_until

pytestmark = pytest.mark.integration


#: What makes an older version of this one: it knows of no password.
OLDER = "import etld.supervisor.network.addresses as found\nfound.make_kafka_passfile = lambda config: None\n"


def taken(etld: EtldClient, event: dict[str, Any]) -> bool:
    """Is it acknowledged? Not so while the broker starts."""
    try:
        etld.track(event)
    except HTTPError as error:
        if error.code != HTTPStatus.SERVICE_UNAVAILABLE:
            raise
        return False
    return True


def stored(etld: EtldClient, sent: list[str]) -> None:
    """One more event, and all that were sent are rows."""
    event = purchase()
    wait_until(lambda: taken(etld, event), 60, "Kafka takes it")
    sent.append(event["event_id"])
    wait_until(lambda: etld.stored(*sent) == len(sent), 60, "all are stored")


def test_a_broker_without_one_is_taken_over(make_daemon: Callable[[], Daemon], kafka_cache: Path) -> None:
    """As an older version left it: it goes on until the next start, which asks for a password; nothing is lost."""
    if lacks := choice.missing(kafka_cache):
        pytest.skip(f"Apache Kafka needs {lacks}")
    daemon, sent = make_daemon(), list[str]()
    passfile, older = daemon.state_dir / "kafka.pass", daemon.directory / "sitecustomize.py"
    older.write_text(OLDER)
    daemon.env["PYTHONPATH"] = str(daemon.directory)
    with daemon.running():
        etld = EtldClient(daemon)
        older.unlink()
        for restarted in ((), ("embedded-kafka",), ("processor",)):
            stored(etld, sent)
            daemon.cli("restart", *restarted)
        assert "kafka_passfile" not in daemon.status()["addresses"]
        assert not passfile.exists()
        stored(etld, sent)
        daemon.stop()
        daemon.start()
        assert daemon.status()["addresses"]["kafka_passfile"] == str(passfile)
        assert passfile.stat().st_mode & 0o777 == 0o600
        assert str(passfile) in daemon.cli("status").stdout
        assert passfile.read_text().strip() not in json.dumps(daemon.status()) + daemon.cli("status").stdout
        stored(etld, sent)
        assert daemon.json("reconcile", "--wait", "20")["ok"]
