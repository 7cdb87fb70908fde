"""What is where changes: workers, partitions, topics, daemons; and a directory that cannot be written."""

from __future__ import annotations

import time

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from faults.run import AGGREGATOR, Run
from faults.scenarios import fault
from faults.scenarios.records import TOPIC, Foreign
from faults.system import System
from support.daemon import Daemon


def _admin(run: Run) -> AdminClient:
    return AdminClient(run.system.kafka_client())


@fault("scale", "processors join and leave every 2 s")
def scale(run: Run) -> None:
    daemon = run.system.daemon
    with run.load():
        for turn in range(2 * run.options.kills):
            count = (3, 1)[turn % 2]
            daemon.cli("scale", "processor-purchase", str(count))
            run.until(lambda n=count: len(run.system.names("processor-purchase-")) == n, f"{count} processors")
            run.fired += 1
            run.hold(2.0)
        run.recovered("etld-processor-purchase")
        run.flowing(50)


@fault("charts-unwritable", "the directory of the charts cannot be written")
def charts_unwritable(run: Run) -> None:
    charts = run.system.daemon.directory / "event_summary_charts"
    kept = charts.with_name("charts.kept")
    run.until(lambda: run.system.said("Drew", since=0) or charts.is_dir(), "the charts' directory")

    def told() -> list[str]:
        return [one for one in run.system.status().get("faults", []) if one.startswith("aggregator-0: charts: ")]

    with run.load():
        charts.rename(kept)
        charts.write_text("in the way\n")
        run.until(told, "the aggregator says so")
        run.fired += 1
        run.flowing(200, AGGREGATOR)
        charts.unlink()
        kept.rename(charts)
        healed, mark = time.monotonic(), run.system.log_end()
        # Drawing keeps to its share of the time: the longer one took, the later comes the next.
        run.until(lambda: run.system.said("Drew", since=mark) and not told(), "charts are drawn again", 240)
        run.recoveries.append(time.monotonic() - healed)


@fault("more-partitions", "a topic gets more partitions under load")
def more_partitions(run: Run) -> None:
    foreign = Foreign(run)
    with run.load():
        admin = _admin(run)
        before = len(admin.list_topics(TOPIC, timeout=10).topics[TOPIC].partitions)
        for future in admin.create_partitions([NewPartitions(TOPIC, before + 2)]).values():
            future.result(30)
        began = time.monotonic()
        for part in (before, before + 1):
            foreign.send([("good", *foreign.value()) for _ in range(20)], partition=part)
        stored = "SELECT count(*) FROM processed_events WHERE event_type = 'purchase' AND kafka_partition >= %s"
        run.until(lambda: run.system.sql(stored, (before,))[0][0] >= 40, "rows from the new partitions", 90)
        run.recoveries.append(time.monotonic() - began)
        run.fired += 2


@fault("topic-recreated", "a topic is deleted and made anew: it stands still, and goes on when told", make=System)
def topic_recreated(run: Run) -> None:
    system, topic = run.system, "event_delivery"
    with run.load():
        run.flowing(200)
    _report, problems = system.quiesce()
    run.expect(not problems, f"not quiet before the fault: {problems}")
    rows = system.sql("SELECT count(*) FROM processed_events WHERE event_type = 'delivery'")[0][0]
    mark = system.log_end()
    admin = _admin(run)
    run.ledger.remade.add(topic)
    admin.delete_topics([topic])[topic].result(30)
    run.until(lambda: topic not in admin.list_topics(timeout=10).topics, "the topic is gone")
    admin.create_topics([NewTopic(topic, 3, 1)])[topic].result(30)
    run.until(lambda: system.said("was deleted and made anew (its id changed)", since=mark), "the alarm")
    run.until(lambda: system.status().get("state") == "degraded", "status is degraded")
    run.fired += 1
    with run.load(event_types=("purchase", "delivery")):
        run.until(lambda: run.ledger.acknowledged_since(0) > 300, "events into the new topic")
        now = system.sql("SELECT count(*) FROM processed_events WHERE event_type = 'delivery'")[0][0]
        run.expect(now == rows, "the processor read the new topic without being told to")
        report = system.reconcile()
        run.expect(report.get("exit_code") == 1, "reconcile finds nothing wrong while the topic stands still")
        began = time.monotonic()
        system.daemon.cli("resume", "processor", "--from", "low", topic)
        run.recovered("etld-processor-delivery", since=began)


@fault("retention-overrun", "Kafka deletes records before they were read: counted as lost, never skipped", make=System)
def retention_overrun(run: Run) -> None:
    system, daemon = run.system, run.system.daemon
    with run.load():
        run.flowing(100)
    _report, problems = system.quiesce()
    run.expect(not problems, f"not quiet before the fault: {problems}")
    foreign = Foreign(run)
    for who in ("processor-purchase", "aggregator"):
        daemon.cli("scale", who, "0")
    run.until(lambda: not system.names("aggregator") + system.names("processor-purchase"), "nobody reads the topic")
    ends = foreign.write([foreign.value() for _ in range(200)])
    admin = _admin(run)
    for future in admin.delete_records([TopicPartition(TOPIC, part, end) for part, end in ends.items()]).values():
        future.result(30)
    foreign.send([("good", *foreign.value()) for _ in range(100)])
    mark = system.log_end()
    for who in ("processor-purchase", "aggregator"):
        daemon.cli("scale", who, "1")
    run.until(lambda: system.said("retention deleted", since=mark, worker="processor-purchase-0"), "the alarm")
    run.until(lambda: system.said("retention deleted", since=mark, worker="aggregator-0"), "the aggregator's alarm")
    run.until(lambda: system.status().get("state") == "degraded", "status is degraded")
    run.fired += 1
    began = time.monotonic()
    daemon.cli("resume", "processor", "--from", "low", TOPIC)
    run.recovered("etld-processor-purchase", since=began)
    report, _problems = system.quiesce()
    lost = sum(one["lost"] for one in report["partitions"])
    run.expect(lost == 200, f"200 records were deleted, and reconcile counts {lost} as lost")


def _named() -> System:
    return System({"node_id": "twin"})


@fault("same-node-id", "a second daemon with the same node_id: it does not start, and says why", make=_named)
def same_node_id(run: Run) -> None:
    system = run.system
    before = {one["name"]: (one["pid"], one["restarts"]) for one in system.status()["workers"]}
    with run.load():
        other = Daemon(system.directory / "other")
        other.configure(
            {
                "node_id": "twin",
                **system.daemon.kafka_access(),
                "postgres.dsn": system.way_to_postgres(),
                "charts.dpi": 50,
            }
        )
        try:
            done = other.cli("start", check=False)
            run.expect(done.returncode != 0 and "node_id 'twin'" in done.stderr, "the newcomer is not refused by name")
            run.fired += 1
            run.flowing(100)
        finally:
            other.stop()
        after = {one["name"]: (one["pid"], one["restarts"]) for one in system.status()["workers"]}
        run.expect(after == before, "the daemon that was at work was disturbed")
        run.flowing(100)
