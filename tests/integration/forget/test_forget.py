"""`etld forget`: a subject is gone from every table, and does not come back."""

from __future__ import annotations

import json
import os
import signal
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import event
from support.waiting import wait_until

pytestmark = pytest.mark.integration

USER, MAIL = 4711, "forget.me@example.com"
#: With the smallest and largest values of a group, without a count, and with a sum of what may be missing.
EXTREMES = {
    "event_types": ["purchase"],
    "group_by": {"country": "user_details.country"},
    "measures": {
        "least": {"min": "event_details.price"},
        "most": {"max": "event_details.price"},
        "ids": {"sum": "user_details.user_id"},
    },
    "bucket": "1 h",
}


@pytest.fixture(scope="module")
def etld(make_daemon: Callable[[], Daemon]) -> Iterator[EtldClient]:
    """One daemon for the tests of this file."""
    made = make_daemon()
    made.configure({"summaries.extremes": EXTREMES})
    with made.running():
        yield EtldClient(made)


def of(user: int, mail: str, kind: str = "purchase", **details: Any) -> dict[str, Any]:
    """An event of somebody."""
    who = {"user_id": user, "email": mail, "country": "DE" if user % 2 else None}
    return {"event_id": str(uuid.uuid4()), **event(kind, details), "user_details": who}


def mentions(etld: EtldClient, text: str) -> dict[str, int]:
    """Rows of every table that hold a text, as a search of a dump would find them."""
    tables = etld.sql("SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN ('public', 'etld')")
    found = {}
    for (table,) in tables:
        (count,) = etld.sql(
            f"SELECT count(*) FROM {table} t WHERE t::text LIKE %s OR t::text LIKE %s",
            f"%{text}%",
            f"%{text.encode().hex()}%",
        )[0]
        if count:
            found[table] = count
    return found


def agreed(etld: EtldClient) -> dict[str, Any]:
    """All accounts, once nothing is in flight; each summary equals its recompute."""

    def well() -> bool:
        told = etld.daemon.json("reconcile", check=False)
        return bool(told["ok"] and not told["in_flight"] and all(one["equal"] for one in told["summaries"]))

    try:
        wait_until(well, 60, "reconcile is content")
    except AssertionError:
        raise AssertionError(etld.daemon.cli("reconcile", check=False).stdout) from None
    found: dict[str, Any] = etld.daemon.json("reconcile")
    return found


def ended(etld: EtldClient, events: list[dict[str, Any]]) -> None:
    """Each is stored, or a letter that has come to its end."""
    ids = [one["event_id"] for one in events]

    def all_there() -> bool:
        settled = etld.sql(
            "SELECT count(*) FROM etld.dead_letter WHERE event_id = ANY(%s::uuid[]) AND state = 'parked'", ids
        )
        return etld.stored(*ids) + int(settled[0][0]) == len(ids)

    wait_until(all_there, 60, "each event has come to its end")


def test_nothing_of_a_subject_is_left(etld: EtldClient) -> None:
    """Stored, summed up, repaired, parked, on its way: all goes; others' events stay, and later ones are stored."""
    theirs = [of(USER * 10, "stays@example.com", price=5.5), of(471, "stays@example.com", price=3.5)]
    stored = [of(USER, MAIL, kind) for kind in ("purchase", "order", "delivery") for _ in range(20)]
    stored += [of(USER, MAIL, price=0.5), of(USER, MAIL, price=99.0)]
    repaired = [of(USER, MAIL, price=f" {n}.5 ") for n in range(10)]
    parked = [of(USER, MAIL, price=f"none {n} {MAIL}") for n in range(10)]
    misplaced = {**of(USER, MAIL), "user_details": f"{MAIL}", "user_id": USER}
    etld.send([*theirs, *stored, *repaired, *parked, misplaced])
    ended(etld, [*theirs, *stored, *repaired, *parked, misplaced])
    etld.daemon.cli("dlq", "discard", "--user", str(USER), "--text", "none 3", "--reason", "a test", "--yes")
    before = agreed(etld)
    assert mentions(etld, MAIL).keys() >= {"etld.dead_letter", "etld.dead_letter_attempt"}

    dry = etld.daemon.json("forget", f"user_id={USER}", "--dry-run")
    assert (dry["events"], dry["dead_letters"]) == (72, 21)
    assert agreed(etld)["table_rows"] == before["table_rows"]
    asked = etld.daemon.cli("forget", f"user_id={USER}", check=False)
    assert (asked.returncode, "--yes" in asked.stderr) == (2, True)

    in_flight = [of(USER, MAIL, price=n) for n in range(10)] + [of(USER, MAIL, price=f" {n}") for n in range(8)]
    etld.send(in_flight)
    done = etld.daemon.cli("forget", f"user_id={USER}", "--yes", "--json")
    (receipt,) = json.loads(done.stdout)["erasures"]
    assert (receipt["state"], receipt["fields"]) == ("done", ["user_details.user_id"])
    assert 72 + 10 <= receipt["events"] <= 72 + 18
    assert mentions(etld, MAIL) == {}
    assert etld.sql("SELECT chosen->>'user', done FROM etld.letter_job") == [("(forgotten)", 1)]
    asked_with = etld.sql("SELECT action, arguments FROM etld.audit ORDER BY id")
    assert asked_with == [
        ("dead-letters/discard", {"user": "(forgotten)", "text": "none 3", "reason": "a test"}),
        ("events/forget", {"fields": "user_id"}),
        ("events/forget", {"fields": "user_id"}),
    ]
    assert str(USER) not in json.dumps(receipt).replace(str(receipt["id"]), "")
    after = agreed(etld)
    assert sum(one["forgotten"] for one in after["partitions"]) == receipt["events"]
    assert after["table_rows"] == before["table_rows"] - 72
    assert etld.stored(*(one["event_id"] for one in theirs)) == 2

    later = of(USER, MAIL, price=7.0)
    broken = of(USER, MAIL, price=" 8.0 ")
    etld.send([later, broken])
    ended(etld, [later, broken])
    agreed(etld)


def test_many_subjects_and_two_at_once(etld: EtldClient) -> None:
    """A file of subjects while another command erases one of them: each is gone, and each command well."""
    people = [(n, f"many.{n}@example.com") for n in range(51, 54)]
    sent = [of(user, mail, price=n) for user, mail in people for n in range(7)]
    etld.send(sent)
    ended(etld, sent)
    file = etld.daemon.directory / "ids.csv"
    file.write_text("user_id,email\n" + "".join(f"{user},{mail}\n" for user, mail in people))
    with ThreadPoolExecutor(2) as threads:
        many = threads.submit(etld.daemon.json, "forget", "--file", str(file), "--yes")
        one = threads.submit(etld.daemon.json, "forget", "email=many.52@example.com", "--yes")
        receipts = [*many.result()["erasures"], *one.result()["erasures"]]
    assert sum(one["events"] for one in receipts) == len(sent)
    assert {one["state"] for one in receipts} == {"done"}
    for _, mail in people:
        assert mentions(etld, mail) == {}
    agreed(etld)


def test_without_the_key_nobody_goes_on(etld: EtldClient) -> None:
    """Who cannot tell whom to leave out says so, and stores nothing until it can."""
    key = etld.daemon.state_dir / "erasure.key"
    assert key.stat().st_mode & 0o777 == 0o600
    aside = key.rename(key.with_name("aside"))
    try:
        os.kill(etld.daemon.worker("processor-purchase-0")["pid"], signal.SIGKILL)
        late = of(60, "late@example.com")
        etld.send([late])
        said = "erasure.key is missing"
        wait_until(lambda: said in etld.daemon.cli("health", check=False).stdout, 30, "health says so")
        assert not etld.stored(late["event_id"])
        refused = etld.daemon.cli("forget", "user_id=60", "--yes", check=False)
        assert (refused.returncode, said in refused.stderr) == (1, True)
    finally:
        key.unlink(missing_ok=True)
        aside.rename(key)
    wait_until(lambda: etld.stored(late["event_id"]), 60, "it is stored")


def test_a_restored_backup_and_a_replay_do_not_bring_it_back(etld: EtldClient) -> None:
    """Neither what the backup holds, nor what came after it and is read again; what was sent afterwards is there."""
    user, mail, daemon = 815, "restored.me@example.com", etld.daemon
    sent = [of(user, mail, price=n) for n in range(20)] + [of(user, mail, "order") for _ in range(5)]
    sent += [of(user, mail, price=f" {n}.5 ") for n in range(5)] + [of(user, mail, price=f"none {n}") for n in range(5)]
    others = [of(816, "other@example.com", price=n) for n in range(5)]
    etld.send(sent + others)
    ended(etld, sent + others)
    agreed(etld)
    daemon.cli("database", "dump", "before.dump")
    again = [of(user, mail, price=n) for n in range(10)] + [of(user, mail, price=f"none {n}") for n in range(5)]
    after = [of(817, "after@example.com", price=1.0)]
    etld.send(again + after)
    ended(etld, again + after)
    (receipt,) = daemon.json("forget", f"email={mail}", f"user_details.user_id={user}", "--yes")["erasures"]
    assert (receipt["events"], receipt["dead_letters"]) == (20 + 5 + 5 + 10, 15)
    later = of(user, "later@example.com", price=2.0)
    etld.send([later])
    ended(etld, [later])

    daemon.stop()
    daemon.cli("database", "restore", "before.dump", "--force")
    daemon.start()
    there = [one["event_id"] for one in (*others, *after, later)]
    wait_until(lambda: etld.stored(*there) == len(there), 60, "what came after the dump is read again")
    agreed(etld)
    assert mentions(etld, mail) == {}
    state = "SELECT state FROM etld.erasure WHERE encode(subject, 'hex') = %s"
    assert etld.sql(state, receipt["subject"]) == [("done",)]

    # Everything once more, as from a position that went back.
    groups = "consumer_group IN ('etld-processor-purchase', 'etld-corrector')"
    ends = f"SELECT topic, partition, next_offset FROM etld.kafka_position WHERE {groups} ORDER BY 1, 2"
    before = etld.sql(ends)
    forgotten = daemon.json("reconcile", check=False)["partitions"]
    etld.sql(f"UPDATE etld.kafka_position SET next_offset = start_offset, owner_epoch = owner_epoch + 1 WHERE {groups}")
    for worker in ("processor-purchase-0", "corrector-0"):
        os.kill(daemon.worker(worker)["pid"], signal.SIGKILL)
    wait_until(lambda: etld.sql(ends) == before, 60, "all is read again")
    again_forgotten = daemon.json("reconcile", check=False)["partitions"]
    assert sum(one["forgotten"] for one in again_forgotten) > sum(one["forgotten"] for one in forgotten)
    assert mentions(etld, mail) == {}
    assert etld.stored(later["event_id"]) == 1
