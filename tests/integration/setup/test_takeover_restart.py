"""A table without partitions is taken over by `etld restart` while clients send and workers of before write."""

from __future__ import annotations

from itertools import pairwise

import pytest

from support.clients import Clients
from support.daemon import Daemon
from support.etld_client import EtldClient
from support.waiting import wait_until

pytestmark = pytest.mark.integration

_BY_TYPE = "SELECT event_type, count(*) FROM processed_events GROUP BY 1"
# Processors may stand still for so long, in seconds, on a machine that does much else.
_STANDSTILL = 10


def test_a_restart_takes_the_table_over(make_daemon: object) -> None:
    made: Daemon = make_daemon()  # type: ignore[operator]
    made.configure({"storage.partition": "none"})
    with made.running():
        etld = EtldClient(made)
        assert etld.sql("SELECT relkind::text FROM pg_class WHERE relname = 'processed_events'") == [("r",)]
        with Clients(made.settings()["ingest"]["port"], 2) as clients:
            wait_until(lambda: etld.sql(_BY_TYPE) and etld.sql(_BY_TYPE)[0][1] > 100, 60, "rows come")
            made.configure({"storage.partition": "auto"})
            made.cli("restart")
            before = etld.sql(_BY_TYPE)[0][1]
            wait_until(lambda: etld.sql(_BY_TYPE)[0][1] > before, 60, "rows come again")
        assert (set(clients.statuses), clients.unanswered, clients.refused) == ({200}, [], 0)
        assert etld.sql("SELECT relkind::text FROM pg_class WHERE relname = 'processed_events'") == [("p",)]
        wait_until(
            lambda: etld.stored(*clients.accepted) == len(clients.accepted), 60, "all that was accepted is stored"
        )
        wait_until(lambda: made.cli("reconcile", check=False).returncode == 0, 60, "reconcile finds no difference")
        assert etld.sql("SELECT count(*) FROM etld.processed_events_before")[0][0] > 100
        assert etld.sql("SELECT count(*) FROM etld.dead_letter") == [(0,)]
        times = [row[0] for row in etld.sql("SELECT DISTINCT processed_at FROM processed_events ORDER BY 1")]
        longest = max((after - before).total_seconds() for before, after in pairwise(times))
        assert longest < _STANDSTILL
