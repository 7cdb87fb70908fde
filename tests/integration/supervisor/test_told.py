"""What workers are told of a new configuration and of their number, and what becomes of one that refuses."""

from __future__ import annotations

import json

import pytest

from support.fake_workers import REFUSED
from support.fake_workers_daemon import FakeWorkersDaemon
from support.waiting import wait_until

pytestmark = pytest.mark.integration


def test_a_reload_that_a_worker_refuses_is_no_success(etld: FakeWorkersDaemon) -> None:
    """Its reason is the answer; the next one that it takes is well."""
    etld.start()
    text = etld.config.read_text()
    etld.config.write_text(f"{text}[breaker]\nwindow = {REFUSED}\n")
    done = etld.cli("reload")
    assert done.returncode == 1
    for name in ("good-0", "good-1"):
        assert f"{name} works on by the old configuration: no such window" in done.stderr
    etld.config.write_text(f"{text}[breaker]\nwindow = 80\n")
    assert etld.cli("reload").returncode == 0
    etld.config.write_text(f"{text}[breaker]\nwindow = {REFUSED}\n")
    refused = etld.cli("reload", "--json")
    assert refused.returncode == 1
    assert json.loads(refused.stdout)["error"]["code"] == "refused"


def test_workers_that_share_know_their_number(etld: FakeWorkersDaemon) -> None:
    """After scale and after a reload, those that stay as well as those that come."""

    def told() -> set[str]:
        return {etld.said(name)[-1].rpartition(" ")[0] for name in etld.pids() if name.startswith("corrector")}

    etld.start("support.fake_workers:SHARERS")
    assert told() == {"one of 1"}
    assert etld.cli("scale", "corrector", "3").returncode == 0
    assert [name for name in etld.pids() if name.startswith("corrector")] == [f"corrector-{n}" for n in range(3)]
    assert told() == {"one of 3"}
    assert etld.cli("restart", "corrector-0").returncode == 0
    wait_until(lambda: told() == {"one of 3"})
    etld.config.write_text(etld.config.read_text() + "[corrector]\nworkers = 2\n")
    assert etld.cli("reload").returncode == 0
    assert told() == {"one of 2"}
