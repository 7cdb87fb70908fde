"""Records that no etld made."""

from __future__ import annotations

import io
import json
import random
import time
import uuid
from collections import Counter, defaultdict
from typing import Any

import confluent_kafka
import fastavro

from faults.run import PROCESSORS, Run
from faults.scenarios import fault
from faults.system import System

TOPIC = "event_purchase"
_ID_END = 42  # header, length of the event_id, event_id


class Foreign:
    """A producer of another make that writes to the purchase topic."""

    def __init__(self, run: Run, known: dict[str, Any] | None = None) -> None:
        """`known`: the id and the schema to write with; else those that ingest has."""
        self._run = run
        if known is None:
            known = json.loads((run.system.daemon.state_dir / "schemas.json").read_text())["event_types"]["purchase"]
        self._header = b"\0" + int(known["id"]).to_bytes(4)
        self._schema = fastavro.parse_schema(known["schema"])
        self._producer = confluent_kafka.Producer(run.system.kafka_client(linger_ms=20))

    def value(self, **changes: Any) -> tuple[str, bytes]:
        """(event_id, Kafka value) of a good event but for `changes`, which name details by `event_details__x`."""
        event: dict[str, Any] = {
            "event_id": str(uuid.UUID(int=self._run.rng.getrandbits(128), version=4)),
            "event_name": "added_to_cart",
            "event_type": "purchase",
            "triggered_at": 1_760_000_000_000_000,
            "user_details": {"user_id": 1, "name": "A", "email": None, "country": "DE", "anonymous_id": None},
            "event_details": {"item_id": 5, "item_name": "thing", "price": 2.5},
        }
        for path, new in changes.items():
            *parents, last = path.split("__")
            table = event
            for parent in parents:
                table = table[parent]
            table[last] = new
        body = io.BytesIO()
        fastavro.schemaless_writer(body, self._schema, event)
        return event["event_id"], self._header + body.getvalue()

    def write(self, records: list[tuple[str, bytes]]) -> dict[int, int]:
        """Write (event_id, value) records that the ledger does not expect; partition to the offset behind them."""
        ends: dict[int, int] = {}

        def delivered(error: Any, message: Any) -> None:
            assert error is None, error
            ends[message.partition()] = max(ends.get(message.partition(), 0), message.offset() + 1)

        for event_id, value in records:
            self._producer.produce(TOPIC, value, event_id.encode(), on_delivery=delivered)
        assert self._producer.flush(30) == 0, "Kafka does not take the records"
        return ends

    def send(self, records: list[tuple[str, str, bytes | None]], partition: int | None = None) -> None:
        """Write (what it is, event_id, value) records, and note in the ledger where each one is."""
        failed: list[str] = []

        def noted(what: str, event_id: str) -> Any:
            def delivered(error: Any, message: Any) -> None:
                if error is not None:
                    failed.append(str(error))
                else:
                    where = (message.topic(), message.partition(), message.offset())
                    self._run.ledger.wrote(where, what, event_id)

            return delivered

        more = {} if partition is None else {"partition": partition}
        for what, event_id, value in records:
            self._producer.produce(TOPIC, value, event_id.encode(), on_delivery=noted(what, event_id), **more)
            self._producer.poll(0)
        assert self._producer.flush(30) == 0, "Kafka does not take the records"
        assert not failed, failed[0]


def poison(foreign: Foreign, kind: int) -> tuple[str, str, bytes | None]:  # noqa: PLR0911  # ten kinds
    """(what it is, event_id, value) of one poison record of ten kinds."""
    event_id, value = foreign.value()
    header = value[:5]
    match kind:
        case 0:
            return "cut short", event_id, value[:-4]
        case 1:
            return "trailing bytes", event_id, value + b"xx"
        case 2:
            return "unknown schema id", event_id, b"\0" + (999_999).to_bytes(4) + value[5:]
        case 3:
            return "tombstone", event_id, None
        case 4:
            return "plain JSON", event_id, json.dumps({"event_id": event_id}).encode()
        case 5:
            return "NUL in a text", *foreign.value(event_details__item_name="a\0b")
        case 6:
            return "lone surrogate", event_id, value.replace(b"thing", b"\xed\xa0\x80xy")
        case 7:
            return "NaN", *foreign.value(event_details__price=float("nan"))
        case 8:
            return "date out of range", *foreign.value(triggered_at=2**63 - 1)
        case _:
            return "absurd length", event_id, header + b"\xff" * 8 + b"\x7f" + value[6:]


@fault("poison", "1,000 good records with 40 poison ones of ten kinds among them, straight to Kafka")
def poison_records(run: Run) -> None:
    foreign = Foreign(run)
    records: list[tuple[str, str, bytes | None]] = [("good", *foreign.value()) for _ in range(1000)]
    records += [poison(foreign, number % 10) for number in range(40)]
    run.rng.shuffle(records)
    began = time.monotonic()
    foreign.send(records)
    places = {where: what for where, what in run.ledger.foreign.items() if what != "good"}
    goods = [where for where, what in run.ledger.foreign.items() if what == "good"]

    def letters() -> dict[tuple[str, int, int], tuple[str, str, str]]:
        rows = run.system.sql(
            'SELECT topic, partition, "offset", stage, error_class, error FROM etld.dead_letter'
            ' WHERE "offset" >= 0 AND topic = %s',
            (TOPIC,),
        )
        return {
            (t, p, o): (stage, kind, text) for t, p, o, stage, kind, text in rows if (t, p, o) in run.ledger.foreign
        }

    run.until(lambda: len(letters()) >= len(places), "40 dead letters", 60)
    run.recoveries.append(time.monotonic() - began)
    found = letters()
    run.fired += len(found)
    run.expect(found.keys() == places.keys(), "dead letters are not exactly the 40 poison records")
    reasons: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for where, (stage, kind, text) in found.items():
        reasons[places.get(where, "good")].add((stage, kind))
        run.expect(text.strip(), f"the dead letter of {where} has no message")
    run.expect(all(len(each) == 1 for each in reasons.values()), f"one kind has several reasons: {dict(reasons)}")
    distinct = {next(iter(each)) for each in reasons.values()}
    run.expect(len(distinct) >= 8, f"reasons do not tell the kinds apart: {sorted(distinct)}")
    rows = run.system.sql("SELECT kafka_partition, kafka_offset FROM processed_events WHERE event_type = 'purchase'")
    stored = Counter((TOPIC, part, off) for part, off in rows)
    run.expect(all(stored[where] == 1 for where in goods), "not every good neighbour has its row")


@fault("corrupt-avro", "records with random damage, straight to Kafka, under load")
def corrupt_avro(run: Run) -> None:
    foreign = Foreign(run)
    with run.load():
        before = run.system.sql('SELECT count(*) FROM etld.dead_letter WHERE "offset" IS NOT NULL')[0][0]
        for _ in range(10):
            foreign.send([("damaged", *_damaged(foreign, run.rng)) for _ in range(15)])
            run.flowing(60)
        began = time.monotonic()

        def dead() -> int:
            return int(
                run.system.sql('SELECT count(*) FROM etld.dead_letter WHERE "offset" IS NOT NULL')[0][0] - before
            )

        run.until(lambda: dead() > 75, "dead letters of damaged records")
        run.fired += dead()
        run.recovered(since=began)


def _cautious() -> System:
    return System({"breaker.retry_after": "0 s"})


@fault("mostly-dead", "6,000 records that are all dead: the breaker stops reading until it is told", make=_cautious)
def mostly_dead(run: Run) -> None:
    system, foreign = run.system, Foreign(run)

    def dead() -> int:
        rows = system.sql(
            "SELECT sum(dead)::bigint FROM etld.kafka_position WHERE consumer_group = 'etld-processor-purchase'"
        )
        return int(rows[0][0] or 0)

    def opened() -> bool:
        return any("breaker" in told for told in system.status().get("faults", []))

    with run.load(event_types=("order",), repairable=0, hopeless=0):
        foreign.send([poison(foreign, number % 10) for number in range(6000)])
        stood_at = 0
        for what in ("the breaker opens", "it opens again after a resume"):
            run.until(lambda seen=stood_at: dead() > seen and opened(), what)
            run.flowing(100, f"{PROCESSORS}order")  # the other types go on
            stood_at = dead()  # with the batch that was in hand
            run.flowing(200, f"{PROCESSORS}order")
            run.expect(dead() == stood_at < 6000, f"{dead()} of 6,000 records were dead-lettered, {stood_at} before")
            run.fired += 1
            system.daemon.cli("resume", "processor-purchase")
        # Somebody wants them all in the queue.
        system.daemon.configure({"breaker.ratio": 0.0})
        system.daemon.cli("reload")
        run.until(lambda: dead() == 6000, "all are dead letters")
        run.expect(not opened(), "the breaker is open and was turned off")


def _damaged(foreign: Foreign, rng: random.Random) -> tuple[str, bytes]:
    event_id, value = foreign.value()
    match rng.randrange(4):
        case 0:
            return event_id, value[: rng.randrange(len(value))]
        case 1:
            return event_id, value + rng.randbytes(rng.randrange(1, 40))
        case 2:
            return event_id, rng.randbytes(rng.randrange(60))
    # Behind the event_id: another id that happens to be valid would be another event.
    at = rng.randrange(_ID_END, len(value))
    return event_id, value[:at] + bytes([value[at] ^ 1 << rng.randrange(8)]) + value[at + 1 :]
