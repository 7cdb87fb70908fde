"""Brokers die, take a right away, and get new certificates."""

from __future__ import annotations

import time

from cluster.scenarios import fault
from cluster.system import BROKERS
from cluster.watch import everywhere, system_of
from faults.ledger import State
from faults.run import Run

TOPIC = "event_purchase"


def _in_sync(run: Run) -> bool:
    brokers = system_of(run).secured
    return all(brokers.leader(TOPIC, part)[1] == BROKERS for part in range(3))


@fault("broker-dies", "one of three brokers goes dark: nothing is refused for long, and it comes back")
def broker_dies(run: Run) -> None:
    system = system_of(run)
    with run.load():
        for _ in range(max(1, run.options.kills // 2)):
            node, _copies = run.until(lambda: _led(run), "somebody leads")
            began = time.monotonic()
            system.secured.kill(node)
            run.until(lambda node=node: _led(run)[0] not in (node, -1), "another leads")
            run.fired += 1
            run.accepted_again(began)
            everywhere(run, began, timeout=30)
            system.secured.revive(node)
            run.until(lambda: _in_sync(run), "all copies are in sync again", 90)


def _led(run: Run) -> tuple[int, int]:
    return system_of(run).secured.leader(TOPIC, 0)


@fault("two-brokers-die", "two of three go dark: nothing can be acknowledged; they return, and all goes on")
def two_brokers_die(run: Run) -> None:
    system = system_of(run)
    with run.load():
        before = run.ledger.count(State.UNAVAILABLE) + run.ledger.unanswered()
        for node in (1, 2):
            system.secured.kill(node)
        run.hold(run.options.outage)
        refused = run.ledger.count(State.UNAVAILABLE) + run.ledger.unanswered() - before
        run.fired += bool(refused)
        for node in (1, 2):
            system.secured.revive(node)
        system.secured.start()
        healed = time.monotonic()
        run.accepted_again(healed)
        everywhere(run, healed)
        run.until(lambda: _in_sync(run), "all copies are in sync again", 90)


@fault("acl-withdrawn", "etld may neither read nor write a topic any more; then it may again")
def acl_withdrawn(run: Run) -> None:
    system = system_of(run)
    with run.load():
        run.flowing(100)
        system.secured.forbid(TOPIC)
        run.until(system.unready, "a host says that something is wrong", 60)
        run.hold(run.options.outage / 2)
        run.fired += 1
        system.secured.allow()
        healed = time.monotonic()
        everywhere(run, healed)
        run.until(lambda: not system.unready(), "all hosts are well again", 90)


@fault("certificates-renewed", "the brokers' certificates and their CA are replaced, one broker after the other")
def certificates_renewed(run: Run) -> None:
    system = system_of(run)
    brokers = system.secured
    with run.load():
        signer = brokers.new_authority(f"ca{time.time_ns()}")
        old = brokers.authority.read_bytes()
        # Both CAs are trusted while certificates of both are about.
        brokers.authority.write_bytes(old + signer.certificate.read_bytes())
        _reload_all(run)
        for one in brokers.secured:
            one.certify(brokers.certificate(one, signer))
            brokers.restart(one.node)
            began = time.monotonic()
            run.accepted_again(began)
            everywhere(run, began)
            run.until(lambda: _in_sync(run), "all copies are in sync again", 90)
            run.fired += 1
        brokers.authority.write_bytes(signer.certificate.read_bytes())
        _reload_all(run)
        everywhere(run, time.monotonic())


def _reload_all(run: Run) -> None:
    for host in system_of(run).members:
        host.daemon.cli("reload")
