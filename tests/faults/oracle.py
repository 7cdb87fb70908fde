"""The oracle: what the database says became of the events of a ledger."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg

from faults.ledger import Kind, Ledger, State

_SHOWN = 5
_EVER = datetime.min.replace(tzinfo=UTC)


@dataclass
class Verdict:
    """Counts over one ledger; `problems` are sentences, none when all is well."""

    acknowledged: int = 0
    stored: int = 0
    lost: int = 0
    duplicated: int = 0
    parked: int = 0
    phantoms: int = 0
    problems: list[str] = field(default_factory=list)


def judge(conn: psycopg.Connection[Any], ledger: Ledger, known: set[str], *, since: datetime = _EVER) -> Verdict:
    """Compare a ledger with the database, in quiescence. `known` are all ids ever sent to it, and repairs' ids.

    Of rows only those that were accepted `since` count: an id may come again after the window.
    """
    rows = conn.execute(
        "SELECT event_id::text, event_type, kafka_partition, kafka_offset FROM processed_events"
        " WHERE coalesce(accepted_at, processed_at) >= %s",
        (since,),
    ).fetchall()
    letters = conn.execute(
        'SELECT id::text, event_id::text, state, topic, partition, "offset", stage, error_class, reason'
        " FROM etld.dead_letter"
    ).fetchall()
    stored = Counter(row[0] for row in rows)
    places = Counter((f"event_{kind}", part, off) for _id, kind, part, off in rows)
    again = conn.execute(
        "SELECT d.event_id::text FROM etld.dead_letter d JOIN etld.dead_letter_attempt a ON a.dead_letter_id = d.id"
        " WHERE a.returned_as IS NOT NULL"
    ).fetchall()
    dead: dict[str, set[str]] = defaultdict(set)
    for _id, event_id, state, *_ in letters:
        if event_id is not None:
            dead[event_id].add(state)
    dead_places = Counter(
        (topic, part, off) for _id, _event, _state, topic, part, off, *_ in letters if off is not None
    )
    found = Verdict()
    acknowledged = ledger.ids(state=State.ACKNOWLEDGED)
    found.acknowledged = len(acknowledged)
    found.stored = sum(event_id in stored for event_id in ledger.entries)

    lost = {event_id for event_id in acknowledged if event_id not in stored and event_id not in dead}
    resolved_away = {e for e in acknowledged if e not in stored and e in dead and dead[e] <= {"resolved", "discarded"}}
    gone = {place for place in ledger.foreign if place not in places and place not in dead_places}
    # A record that carries an id that is stored already leaves no row of its own: it says so in the ledger.
    gone = {place for place in gone if ledger.foreign[place] != "duplicate"}
    found.lost = len(lost | resolved_away) + len(gone)
    _tell(found, lost | resolved_away, "acknowledged, but neither stored nor a dead letter")
    _tell(found, gone, "written to Kafka, but neither stored nor a dead letter")

    twice = {event_id for event_id, count in stored.items() if count > 1}
    places_twice = {place for place, count in places.items() if count > 1 and place[0] not in ledger.remade}
    letters_twice = {place for place, count in dead_places.items() if count > 1}
    both = {place for place in places.keys() & dead_places.keys() if place[0] not in ledger.remade}
    found.duplicated = len(twice) + len(places_twice) + len(letters_twice) + len(both)
    _tell(found, twice, "stored twice by event_id")
    _tell(found, places_twice, "stored twice by topic, partition and offset")
    _tell(found, letters_twice, "two dead letters for one record")
    _tell(found, both, "stored and a dead letter from the same record")

    refused = ledger.ids(state=State.REFUSED)
    phantoms = {e for e in stored if e not in known} | {e for e in refused if e in stored}
    found.phantoms = len(phantoms)
    _tell(found, phantoms, "stored, but never sent or refused")

    parked = {event_id for event_id in ledger.entries if event_id in dead and "parked" in dead[event_id]}
    parked_places = [place for place in ledger.foreign if place in dead_places]
    found.parked = len(parked) + len(parked_places)
    good, repairable = ledger.ids(kind=Kind.GOOD), ledger.ids(kind=Kind.REPAIRABLE)
    _tell(found, good & dead.keys(), "good, but a dead letter, be it stored later or not")
    _tell(found, repairable & parked, "repairable, but parked")
    _tell(found, repairable & {event_id for (event_id,) in again}, "repairable, but dead again after the repair")
    hopeless = ledger.ids(state=State.ACKNOWLEDGED, kind=Kind.HOPELESS)
    _tell(found, {e for e in hopeless if e not in parked}, "beyond repair and acknowledged, but not parked")
    _tell(found, {e for e in hopeless if e in stored}, "beyond repair, but stored")
    return found


def _tell(found: Verdict, which: Iterable[Any], what: str) -> None:
    listed = sorted(which, key=str)
    if listed:
        shown = ", ".join(str(one) for one in listed[:_SHOWN])
        found.problems.append(f"{len(listed)} {what}: {shown}{' ...' if len(listed) > _SHOWN else ''}")
