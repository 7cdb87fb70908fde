"""`make scale`: how much more two and three hosts do than one, each with the same share of a core.

On few cores more hosts than cores only share them. So each host has a small quota of the processor, and brokers,
databases and the client have the rest: what a host more brings is then what it would bring as a machine more, for as
long as that rest is not used up. What brokers and databases took is told too: from it follows what is full first.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.client import drive, request
from cluster import network, share
from cluster.hosts import PORT, Host
from cluster.network import Place
from cluster.system import ClusterSystem
from faults.ledger import Kind
from faults.load import event
from faults.run import PROCESSORS
from support.waiting import wait_until

OUT = Path(__file__).resolve().parents[2] / "var" / "cluster" / "scale.json"
_PARTITIONS = 12
_BATCH = 500
_CONNECTIONS = 4
_TICK = os.sysconf("SC_CLK_TCK")
_ROLES = ("processor", "aggregator")


class Shared(ClusterSystem):
    """Every host has this share of a core; one event type, and no charts while it is measured."""

    def __init__(self, hosts: int, cores: float) -> None:
        quiet = {"charts.every_events": 10**9, "charts.idle": "1 h", "charts.every": "1 d"}
        super().__init__({"event_types.purchase.partitions": _PARTITIONS, **quiet}, hosts=hosts)
        self._cores = cores
        self._shares: list[share.Share] = []

    def add(self, *, clock: int | None = None) -> Host:
        """With its share."""
        host = super().add(clock=clock)
        self._shares.append(share.Share(host.place, self._cores))
        host.daemon.become = self._shares[-1].enter
        return host

    def stop(self, keep_logs: Path | None = None) -> None:
        """And the shares."""
        super().stop(keep_logs)
        for one in self._shares:
            one.remove()


def main() -> int:
    """Measure, print a table and write `var/cluster/scale.json`."""
    parser = argparse.ArgumentParser(prog="make scale", description=__doc__)
    parser.add_argument("--hosts", type=int, default=3, help="up to so many (3)")
    parser.add_argument("--cores", type=float, default=0.15, help="what each has of one core (0.15)")
    parser.add_argument("--events", type=int, default=60_000, help="for each host that works (60,000)")
    given = parser.parse_args()
    lacks = network.missing() or share.missing()
    if lacks:
        print(f"scale cannot be measured: {lacks}", file=sys.stderr)
        return 1
    system = Shared(given.hosts, given.cores)
    try:
        system.start()
        rows = list(_measured(system, given.events))
    finally:
        system.stop()
    OUT.parent.mkdir(parents=True, exist_ok=True)
    document = {"cores": os.cpu_count(), "cores_of_a_host": given.cores, "rows": rows}
    OUT.write_text(json.dumps(document, indent=1) + "\n")
    print(f"wrote {OUT}")
    return 0


def _measured(system: Shared, events: int) -> Iterator[dict[str, Any]]:
    first: dict[str, float] = {}
    for host in system.hosts[1:]:
        host.leave()
    for count in range(1, len(system.hosts) + 1):
        if count > 1:
            system.hosts[count - 1].start()
        system.members = system.hosts[:count]
        _spread(system)
        row: dict[str, Any] = {"hosts": count, "events": events * count}
        wal = _wal(system)
        for what, seconds, cpu in (_taken_in(system, events), _worked_off(system, events * count)):
            rate = row["events"] / seconds
            first.setdefault(what, rate)
            row[what] = {
                "events_a_second": round(rate),
                "linear": round(rate / (count * first[what]), 3),
                "cpu_us_an_event": {name: round(1e6 * spent / row["events"], 2) for name, spent in cpu.items()},
            }
        row["wal_bytes_an_event"] = round((_wal(system) - wal) / row["events"])
        print(json.dumps(row), flush=True)
        yield row


def _wal(system: Shared) -> int:
    """Bytes of write-ahead log so far: what the primary's disk and each standby get."""
    return int(system.databases.primary.ask("SELECT (pg_current_wal_lsn() - '0/0')::bigint")[0][0])


def _spread(system: Shared) -> None:
    """Wait until each host that works has its part of the partitions."""

    def shared_out() -> bool:
        rows = system.sql(
            "SELECT split_part(owner, '/', 1), count(*) FROM etld.kafka_position WHERE consumer_group = %s GROUP BY 1",
            (f"{PROCESSORS}purchase",),
        )
        fair = _PARTITIONS / len(system.members)
        return len(rows) == len(system.members) and all(abs(number - fair) < 1 for _host, number in rows)

    wait_until(shared_out, 120, "the partitions are shared out", interval=0.2)


def _taken_in(system: Shared, events: int) -> tuple[str, float, dict[str, float]]:
    """Events over HTTP, to each host as many at the same time; nothing is worked off meanwhile."""
    for host in system.members:
        for role in _ROLES:
            host.daemon.cli("pause", role)
    bodies = [list(_bodies(events)) for _ in system.members]
    fork = multiprocessing.get_context("fork")
    clients = [
        fork.Process(target=_send, args=(host.place.address, mine))
        for host, mine in zip(system.members, bodies, strict=True)
    ]
    before, began = _cpu(system), time.monotonic()
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    seconds = time.monotonic() - began
    assert all(client.exitcode == 0 for client in clients), "an event was not accepted"
    return "ingest", seconds, _since(system, before)


def _send(address: str, requests: list[bytes]) -> None:
    load = drive((address, PORT), iter(requests), _CONNECTIONS)
    sys.exit(bool(load.failures))


def _bodies(events: int) -> Iterator[bytes]:
    rng = random.Random()
    for _ in range(events // _BATCH):
        batch = [event(rng, "purchase", Kind.GOOD) for _ in range(_BATCH)]
        yield request("/v1/batch", json.dumps({"batch": batch}).encode())


def _worked_off(system: Shared, events: int) -> tuple[str, float, dict[str, float]]:
    """Rows and summaries of what waits in Kafka."""
    start = sum(system.positions().values())
    before, began = _cpu(system), time.monotonic()
    for host in system.members:
        for role in _ROLES:
            host.daemon.cli("resume", role)
    wanted = start + events * len(_ROLES)
    wait_until(lambda: sum(system.positions().values()) >= wanted, 600, "all is worked off", interval=0.1)
    return "processing", time.monotonic() - began, _since(system, before)


def _cpu(system: Shared) -> dict[str, float]:
    """Seconds of processor time so far."""
    return {
        "etld": sum(_seconds(host.place) for host in system.members),
        "kafka": sum(_seconds(one.place) for one in system.secured.secured),
        "postgresql": sum(_seconds(one.place) for one in system.databases.servers),
    }


def _since(system: Shared, before: dict[str, float]) -> dict[str, float]:
    return {name: spent - before[name] for name, spent in _cpu(system).items()}


def _seconds(place: Place) -> float:
    found = 0
    for pid in place.pids():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found += sum(map(int, fields[11:15]))
    return found / _TICK


if __name__ == "__main__":
    sys.exit(main())
