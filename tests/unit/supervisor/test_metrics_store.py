"""Numbers that outlive the workers that counted them."""

from __future__ import annotations

import json

from etld.supervisor.observe.metrics_store import MetricsStore
from etld.worker.metrics import TELLS, Metrics, key


def beat(store: MetricsStore, pid: int, metrics: Metrics, now: float) -> None:
    """As it comes over the channel."""
    store.beat(pid, json.loads(json.dumps(metrics.changes())), now)


def test_counters_go_on_after_a_restart() -> None:
    """The second process begins at zero; the sum does not."""
    store = MetricsStore()
    for pid, accepted in ((1, 5), (2, 3)):
        store.open(pid, "ingest-0", "ingest")
        metrics = Metrics()
        metrics.count(key("accepted", {}), accepted)
        metrics.observe(key("wait_seconds", {}), 0.02, 1)
        beat(store, pid, metrics, 1.0)
        if pid == 1:
            store.close(pid)
    assert store.totals()["accepted"] == 8
    ((_, (buckets, total)),) = store.histograms()
    assert (sum(buckets), round(total, 6)) == (2, 0.04)


def test_totals_come_from_the_kind_that_owns_them() -> None:
    """The aggregator reads the same topics; its numbers are not the table's."""
    store = MetricsStore()
    for pid, kind, values in (
        (1, "processor", {"stored": 4, "duplicate": 1, "dead": 2, "expired": 2, "forgotten": 1}),
        (2, "aggregator", {"stored": 4}),
        (3, "corrector", {"dead": 3, "repaired": 1, "parked": 1, "stored": 9}),
    ):
        store.open(pid, f"{kind}-0", kind)
        metrics = Metrics()
        metrics.total("t:0", values)
        beat(store, pid, metrics, 1.0)
        store.close(pid)
    assert store.totals() == {
        "accepted": 0,
        "rejected": 0,
        "stored": 4,
        "duplicate": 1,
        "dead": 3,
        "repaired": 1,
        "parked": 1,
    }


def test_the_rate_is_of_the_last_seconds() -> None:
    """100 a second, then nothing."""
    store = MetricsStore()
    store.open(1, "w", "w")
    metrics = Metrics()
    for second in range(20):
        if second < 10:
            metrics.add_events(100)
        beat(store, 1, metrics, float(second))
        account = store.account(1)
        assert account is not None
        if second == 9:
            assert account.rate(9.0) == 100.0
    assert account.rate(19.0) == 0.0


def test_faults_come_and_go_with_their_process() -> None:
    """A dead worker complains of nothing."""
    store, metrics = MetricsStore(), Metrics()
    store.open(1, "w", "w")
    metrics.fault("kafka", "away")
    beat(store, 1, metrics, 1.0)
    assert store.faults() == {"w": {"kafka": "away"}}
    metrics.fault("kafka", None)
    beat(store, 1, metrics, 2.0)
    assert store.faults() == {}
    metrics.fault("disk", "full")
    beat(store, 1, metrics, 3.0)
    store.close(1)
    assert store.faults() == {}


def test_saved_and_restored_it_says_the_same() -> None:
    """What a re-exec hands over."""
    store, metrics = MetricsStore(), Metrics()
    store.open(1, "old", "ingest")
    metrics.count(key("accepted", {"ack": "all"}), 2)
    metrics.observe(key("batch_records", {}), 30, 1)
    metrics.gauge(key("queue_depth", {}), 3)
    metrics.lag("t:0", 7)
    metrics.total("t:0", {"stored": 1})
    metrics.fault("disk", "full")
    beat(store, 1, metrics, 1.0)
    store.close(1)
    store.open(2, "new", "processor")
    beat(store, 2, metrics, 1.0)
    again = MetricsStore.restore(json.loads(json.dumps(store.save())), 2.0)
    for part in ("counters", "histograms", "gauges", "lags"):
        assert list(getattr(again, part)()) == list(getattr(store, part)()), part
    assert (again.totals(), again.faults()) == (store.totals(), store.faults())


def test_what_may_fall_in_the_table_never_falls_as_a_counter() -> None:
    """Parked letters that are replayed are parked no more; that they were is still true, also after a re-exec."""
    store, metrics = MetricsStore(), Metrics()
    store.open(1, "corrector-0", "corrector")
    seen = []
    for parked in (10, 15, 2, 4):
        metrics.total("dead_letters", {"dead": 20, "repaired": 0, "parked": parked})
        beat(store, 1, metrics, 1.0)
        seen.append({name: value for name, _, value in store.database_counters()}["parked"])
    assert seen == [0, 5, 5, 7]
    assert store.totals()["parked"] == 4
    again = MetricsStore.restore(json.loads(json.dumps(store.save())), 2.0)
    assert list(again.database_counters()) == list(store.database_counters())


def test_what_waited_is_remembered_until_another_reads_it() -> None:
    """By kind, since each kind reads a topic at its own pace; a new program remembers it too."""
    store = MetricsStore()
    store.open(1, "processor-x-0", "processor")
    store.open(2, "processor-x-1", "processor")
    store.open(3, "aggregator-0", "aggregator")
    store.beat(1, {"lags": {"t:0": 5, "t:1": 0}}, 1.0)
    store.close(1)
    store = MetricsStore.restore(store.save(), 1.0)
    store.beat(3, {"lags": {"t:0": 0}}, 1.0)
    assert list(store.waiting()) == [("processor", "t:0", 5)]
    store.beat(2, {"lags": {"t:0": 2}}, 2.0)
    assert list(store.waiting()) == [("processor", "t:0", 2)]
    store.beat(2, {"lags": {"t:0": 0}}, 3.0)
    assert list(store.waiting()) == []


def test_a_partition_that_was_handed_over_leaves_no_series() -> None:
    """Neither lag nor totals: the sum over two daemons counts it once."""
    daemons = MetricsStore(), MetricsStore()
    workers = Metrics(), Metrics()
    for pid, (store, metrics) in enumerate(zip(daemons, workers, strict=True), 1):
        store.open(pid, "processor-a-0", "processor")
        metrics.total(f"t:{pid}", {"stored": 10})
        metrics.lag(f"t:{pid}", 5)
        beat(store, pid, metrics, 1.0)
    workers[0].forget("t:1")
    workers[1].total("t:1", {"stored": 12})
    workers[1].lag("t:1", 3)
    for pid, (store, metrics) in enumerate(zip(daemons, workers, strict=True), 1):
        beat(store, pid, metrics, 2.0)
    assert [list(store.lags()) for store in daemons] == [[], [("processor-a-0", "t:1", 3), ("processor-a-0", "t:2", 5)]]
    told = [one for store in daemons for one in store.database_counters()]
    assert sorted(told) == [("stored", "t:1", 12), ("stored", "t:2", 10)]


def test_the_old_owner_speaks_last() -> None:
    """Within one daemon the new owner's numbers stay."""
    store, old, new = MetricsStore(), Metrics(), Metrics()
    for pid in (1, 2):
        store.open(pid, f"processor-a-{pid}", "processor")
    old.total("t:0", {"stored": 10})
    beat(store, 1, old, 1.0)
    new.total("t:0", {"stored": 12})
    beat(store, 2, new, 2.0)
    old.forget("t:0")
    beat(store, 1, old, 3.0)
    assert list(store.database_counters()) == [("stored", "t:0", 12)]


def test_totals_of_a_process_that_ended_stay_a_while() -> None:
    """Its successor tells them again; after a minute another daemon does."""
    store, metrics, other = MetricsStore(), Metrics(), Metrics()
    store.open(1, "processor-a-0", "processor")
    store.open(2, "ingest-0", "ingest")
    metrics.total("t:0", {"stored": 10})
    beat(store, 1, metrics, 1.0)
    store.close(1)
    beat(store, 2, other, 10.0)
    store = MetricsStore.restore(json.loads(json.dumps(store.save())), 11.0)
    beat(store, 2, other, 60.0)
    assert list(store.database_counters()) == [("stored", "t:0", 10)]
    beat(store, 2, other, 121.0)
    assert list(store.database_counters()) == []


def test_letters_are_told_by_one_of_all_correctors() -> None:
    """Each has the database's numbers in its status; Prometheus gets them once, without a jump at a change."""
    daemons = MetricsStore(), MetricsStore()
    workers = Metrics(), Metrics()
    for pid, store in enumerate(daemons, 1):
        store.open(pid, "corrector-0", "corrector")
    for dead, leader in ((5, 0), (8, 0), (9, 1), (13, 1)):
        for at, (store, metrics) in enumerate(zip(daemons, workers, strict=True)):
            metrics.total("dead_letters", {"dead": dead, TELLS: int(at == leader)})
            metrics.gauge(key("dead_letters", {"state": "new"}), dead if at == leader else None)
            beat(store, at + 1, metrics, float(dead))
            assert store.totals()["dead"] == dead
        assert [value for store in daemons for _, value in store.gauges()] == [dead]
    assert [list(store.database_counters()) for store in daemons] == [[("dead", "", 3)], [("dead", "", 4)]]
