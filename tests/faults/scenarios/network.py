"""The network between etld and its servers, and a cluster whose leaders move."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request

from etld.supervisor.processes.spawn import resident
from faults import load
from faults.ledger import Kind, State
from faults.run import PROCESSORS, Run
from faults.scenarios import fault
from faults.scenarios.records import TOPIC
from faults.system import System


def _cluster() -> System:
    return System(brokers=3)


def _proxied() -> System:
    return System(brokers=1)


@fault("move-leaders", "three brokers: kill -9 the one that leads, start it again", make=_cluster)
def move_leaders(run: Run) -> None:
    brokers = run.system.brokers
    with run.load():
        for _ in range(max(1, run.options.kills // 2)):
            old, _in_sync = brokers.leader(TOPIC, 0)
            began = time.monotonic()
            brokers.kill(old)
            run.until(lambda old=old: brokers.leader(TOPIC, 0)[0] not in (-1, old), "another broker leads")
            run.fired += 1
            run.accepted_again(began)
            run.recovered(since=began)
            brokers.start()
            run.until(lambda: brokers.leader(TOPIC, 0)[1] == 3, "three copies are in sync", 90)
            run.flowing(50)


def _unavailable(run: Run) -> bool:
    """Is an event refused as one that may come again, and when?"""
    event = load.event(run.rng, "purchase", Kind.GOOD)
    url, body = f"{run.system.daemon.http}/track", json.dumps(event).encode()
    run.ledger.sending(event["event_id"], Kind.GOOD, "purchase")
    status = None
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, body, {"Content-Type": "application/json"}), timeout=20
        ) as answer:
            status = answer.status
            return False
    except urllib.error.HTTPError as refusal:
        status = refusal.code
        return status == 503 and int(refusal.headers["Retry-After"]) > 0
    except OSError:
        return False
    finally:
        run.ledger.answered(event["event_id"], status)


def _sit_out(run: Run) -> int:
    """While Kafka is away: 503 with Retry-After, and ingest does not grow; how many events were refused."""
    before = run.ledger.count(State.UNAVAILABLE) + run.ledger.unanswered()
    run.hold(run.options.outage / 2)
    size = resident(run.system.pid("ingest-0"))
    run.until(lambda: _unavailable(run), "a 503 with Retry-After", 30)
    run.hold(run.options.outage / 2)
    more = (resident(run.system.pid("ingest-0")) - size) >> 20
    run.expect(more < 64, f"ingest has grown by {more} MiB while Kafka was away")
    return run.ledger.count(State.UNAVAILABLE) + run.ledger.unanswered() - before


@fault("blackhole-kafka", "nothing comes through to Kafka or back, no connection ends", make=_proxied)
def blackhole_kafka(run: Run) -> None:
    (proxy,) = run.system.brokers.proxies
    with run.load():
        held = proxy.held
        proxy.blackhole = True
        refused = _sit_out(run)
        run.fired += proxy.held - held if refused else 0
        proxy.heal()
        healed = time.monotonic()
        run.accepted_again(healed)
        run.recovered(since=healed)


@fault(
    "broker-down", "kill -9 Kafka, away, started again: 503 with Retry-After, and ingest does not grow", make=_proxied
)
def broker_down(run: Run) -> None:
    system = run.system
    with run.load():
        ingest = system.pid("ingest-0")
        system.brokers.kill(1)
        run.fired += bool(_sit_out(run))
        system.brokers.start()
        healed = time.monotonic()
        run.accepted_again(healed)
        run.recovered(since=healed)
        run.expect(system.pid("ingest-0") == ingest, "ingest was replaced, and should have gone on by itself")


@fault(
    "bad-network",
    "200 ms each way to Kafka and PostgreSQL, 5 % of the pieces come late, now and then a reset",
    make=_proxied,
)
def bad_network(run: Run) -> None:
    ways = [run.system.proxy, *run.system.brokers.proxies]
    with run.load():
        for way in ways:
            way.rng.seed(run.rng.random())
            way.delay, way.loss = 0.2, 0.05
        late = [way.late for way in ways]
        until = time.monotonic() + run.options.outage
        resets = 0
        while time.monotonic() < until:
            run.hold(run.rng.uniform(2, 5))
            resets += run.rng.choice(ways).cut()
        run.flowing(50, PROCESSORS)
        each = [way.late - before for way, before in zip(ways, late, strict=True)]
        run.fired += resets + sum(each) if all(each) else 0
        for way in ways:
            way.heal()
        run.recovered()
