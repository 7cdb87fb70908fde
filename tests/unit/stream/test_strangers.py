"""Daemons of another database in the consumer groups: who waits, and who gives up."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import pytest

from etld import config as configuration
from etld import stream
from etld.config import Config
from etld.kafka.memory import MemoryCluster
from etld.kafka.ports import Membership
from etld.kafka.static_id import daemon_of, static_id
from etld.sinks.base import SideConnection
from etld.sinks.memory import MemorySink, MemoryStore
from etld.stream import Batch, BatchHandler, BatchLimits, Timings, Work
from etld.stream.strangers import FirstClaim, StrangerInGroup, others
from etld.worker import Addresses
from etld.worker.testing import LocalWorker

OWN, LOWER, HIGHER = "55aa55aa55aa", "11aa11aa11aa", "99aa99aa99aa"
SHIPPED = Path(__file__).resolve().parents[3] / "config" / "etld.toml"
AGGREGATOR = "stage-etld-aggregator"


class Clock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


CLOCK = Clock()


@pytest.fixture
def config() -> Config:
    """With a prefix, and sessions of six seconds."""
    return configuration.load(SHIPPED, {"ETLD_KAFKA__PREFIX": "stage-"})


def join(cluster: MemoryCluster, daemon: str, group: str = AGGREGATOR) -> None:
    """A member of a daemon."""
    membership = Membership(group, static_id("node-1", "aggregator-0", 7, daemon), ["topic"])
    cluster.consumer(membership, lambda *_: {}, lambda _: None)


@pytest.mark.parametrize("node", ["one", "a.b-c_d", "x-0000abcd.1234"])
def test_a_static_id_names_its_daemon(node: str) -> None:
    made = static_id(node, "processor-order-0", 0xABC, OWN)
    assert daemon_of(made) == OWN
    assert re.fullmatch(r"[A-Za-z0-9._-]+", made)


@pytest.mark.parametrize("made", ["", "one-processor-order-0-00000abc", "somebody", f"one-00000abc.{OWN}-more"])
def test_ids_of_others_name_none(made: str) -> None:
    """Of an earlier version, of a foreign program: nothing is known of them."""
    assert daemon_of(made) is None


def test_only_others_of_our_own_groups_count(config: Config) -> None:
    """Not ourselves, not those behind another prefix, not those that name no daemon."""
    cluster = MemoryCluster()
    join(cluster, OWN)
    join(cluster, LOWER, "etld-aggregator")
    cluster.consumer(Membership(AGGREGATOR, "a-tool", ["topic"]), lambda *_: {}, lambda _: None)
    assert others(cluster.admin(), config, OWN) == {}
    join(cluster, HIGHER, "stage-etld-processor-order")
    assert [one.group for one in others(cluster.admin(), config, OWN).values()] == ["stage-etld-processor-order"]


def first_claim(cluster: MemoryCluster, config: Config, *known: str) -> FirstClaim:
    return FirstClaim(cluster.admin(), config, OWN, lambda: {OWN, *known}, CLOCK)


def refused(claim: FirstClaim) -> StrangerInGroup:
    with pytest.raises(StrangerInGroup) as caught:
        claim.check()
    return caught.value


def test_a_daemon_of_the_same_database_is_none(config: Config) -> None:
    cluster = MemoryCluster()
    join(cluster, HIGHER)
    first_claim(cluster, config, HIGHER).check()


def test_who_has_ended_is_waited_for(config: Config) -> None:
    """Kafka forgets it after the session timeout."""
    cluster = MemoryCluster()
    join(cluster, LOWER)
    claim = first_claim(cluster, config)
    error = refused(claim)
    assert not error.final
    assert str(error).startswith(f"waiting: consumer group {AGGREGATOR} has a member")
    CLOCK.now += 8
    assert not refused(claim).final
    cluster.group(AGGREGATOR).members.clear()
    claim.check()


@pytest.mark.parametrize(("other", "patience"), [(LOWER, 9), (HIGHER, 21)])
def test_of_two_at_once_the_larger_number_gives_up_first(config: Config, other: str, patience: int) -> None:
    """So that its members have gone before the other one's patience is over."""
    cluster = MemoryCluster()
    join(cluster, other)
    claim = first_claim(cluster, config)
    assert not refused(claim).final
    CLOCK.now += patience
    assert not refused(claim).final
    CLOCK.now += 0.1
    error = refused(claim)
    assert error.final
    assert "host memory" in str(error)
    assert "[kafka] prefix" in str(error)


def test_who_has_claimed_does_not_ask_again(config: Config) -> None:
    """A newcomer is the one that stops."""
    cluster = MemoryCluster()
    claim = first_claim(cluster, config)
    claim.check()
    join(cluster, LOWER)
    claim.check()


class Idle(BatchHandler[Work]):
    """Reads, and knows nobody."""

    group = "aggregator"
    topics = ("topic",)

    def prepare(self, batch: Batch) -> Work:
        return Work(batch)

    def daemon(self) -> str:
        return OWN

    def daemons(self, side: SideConnection) -> Collection[str]:
        return {OWN}


def test_the_loop_claims_nothing_beside_a_stranger() -> None:
    """It ends the worker, in words."""
    config = configuration.load(SHIPPED, {"ETLD_KAFKA__PREFIX": "stage-", "ETLD_KAFKA__SESSION_TIMEOUT": "1 s"})
    cluster, store = MemoryCluster(), MemoryStore()
    cluster.create("topic", 2)
    join(cluster, LOWER)
    addresses = Addresses(http="", kafka="", postgres="", schema_registry="embedded", control="")
    worker = LocalWorker(config, "aggregator", "aggregator-0", addresses)
    limits = BatchLimits(100, 1 << 20, 0.01)
    with pytest.raises(SystemExit):
        stream.run(worker, Idle(), limits, cluster, lambda _, who: MemorySink(store, who), Timings(session_retry=0.01))
    (told,) = [message["reason"] for message in worker.messages if message["type"] == "fatal"]
    assert told.startswith(f"consumer group {AGGREGATOR} has a member (node_id '', host memory)")
    assert not any(store.positions.values())
