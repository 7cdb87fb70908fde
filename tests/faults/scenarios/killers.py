"""Records, letters and schemas that end the process which works on them, while workers and children are killed too."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

from faults.ledger import Kind, State
from faults.load import event
from faults.run import Run
from faults.scenarios import fault
from faults.scenarios.records import TOPIC, Foreign
from faults.scenarios.registry import Registered
from support.killing_code import HOW, hook_module, transform_module
from support.processes import children

_KINDS = ("exit", "crash", "loop", "memory")
_EACH = 5
_UNKNOWN = 12_000
#: Beside the rate of the other faults. `--rate 1500` makes it the 2,000 events a second of a machine of its own.
_FASTER = 4 / 3
_CAUGHT_UP_WITHIN = 60.0
_RECORD, _LETTER = "record ", "letter "


class Deadly(Registered):
    """Its transform and the hook of its first rule end the process for items of certain names."""

    def __init__(self) -> None:
        rule = {"name": "deadly", "steps": [{"trim": "*"}, {"cast": "*"}], "hook": "deadly_hook:repair"}
        more = {"event_types.purchase.transform": "deadly_transform:purchase", "breaker.ratio": 0.0}
        super().__init__({**more, "supervisor.max_memory": "500 MiB"})
        self._rules = [rule]
        here = self.daemon.directory
        here.mkdir(parents=True, exist_ok=True)
        here.joinpath("deadly_transform.py").write_text(transform_module(_RECORD))
        here.joinpath("deadly_hook.py").write_text(hook_module(_LETTER))
        self.daemon.env["PYTHONPATH"] = os.pathsep.join(filter(None, (str(here), self.daemon.env.get("PYTHONPATH"))))

    def start(self) -> None:
        """With that rule, and one for dates: no other repairs what its hook does not come back from."""
        shipped = self.daemon.settings()["corrector"]["rules"]
        dates = [{**rule, "match": {"event_type": "delivery"}} for rule in shipped if rule["name"] == "parse_date"]
        self.daemon.configure({"corrector.rules": [*self._rules, *dates]})
        super().start()

    def searching(self) -> list[int]:
        """Processes that fork children which try, and those children."""
        owners = [one["pid"] for one in self.status().get("workers", []) if one["kind"] in _SEARCH and one["pid"]]
        servers = [pid for owner in owners for pid in children(owner)]
        return servers + [pid for server in servers for pid in children(server)]


_SEARCH = ("processor", "aggregator", "corrector")


@fault(
    "killer-records",
    "20 records and 20 letters that end processes, hostile schemas, 12,000 unknown ids, and kills",
    make=Deadly,
)
def killer_records(run: Run) -> None:
    system = run.system
    assert isinstance(system, Deadly)
    rate = run.options.rate * _FASTER
    with _watched(system) as states, run.load(rate=rate, batch=max(1, int(rate // 50))):
        foreign = Foreign(run)
        foreign.send([("unknown schema id", f"unknown {one}", _record(10**6 + one)) for one in range(_UNKNOWN)])
        foreign.send([("hostile schema", f"hostile {one}", _record(one)) for one in _hostile(system) for _ in range(5)])
        records, letters = _send_killers(run)
        killers = {event_id for event_id, _ in records + letters}
        _shoot(run, system)
        run.until(lambda: _letters(system, records + letters).keys() == killers, "killers park", 900)
    began = time.monotonic()
    run.until(lambda: _lags(system) == {0}, "nothing waits", 120)
    took = time.monotonic() - began
    run.recoveries.append(took)
    run.expect(took < _CAUGHT_UP_WITHIN, f"records wait {took:.0f} s after the last kill")
    under_way = "SELECT count(*) FROM etld.dead_letter WHERE state IN ('new', 'repaired', 'resent')"
    run.until(lambda: system.sql(under_way) == [(0,)], "no letter is under way", 300)
    found = _letters(system, records + letters)
    for event_id, name in records:
        stage, kind, error, _reason = found[event_id]
        as_told = (stage, kind) == ("TRANSFORM", "WORKER_KILLED") and HOW[name] in error
        run.expect(as_told, f"a record that ends a process by {name} is a letter of {stage} {kind}: {error}")
    for event_id, name in letters:
        reason = found[event_id][3]
        as_told = reason.startswith("WORKER_KILLED at CORRECTION") and HOW[name] in reason
        # What takes its time, and on a busy machine to come to its end too, is given up first.
        as_told |= name in ("loop", "memory") and "did not return within" in reason
        run.expect(as_told, f"a letter that ends a process by {name} is parked: {reason}")
    killed = system.sql(
        "SELECT count(DISTINCT event_id) FROM etld.dead_letter"
        " WHERE error_class = 'WORKER_KILLED' OR reason LIKE 'WORKER_KILLED%%'"
    )
    run.expect(killed[0][0] <= len(records + letters), f"{killed[0][0]} letters are said to end processes")
    run.expect("fatal" not in states, "a worker was given up")


@contextlib.contextmanager
def _watched(system: Deadly) -> Iterator[set[str]]:
    """States of workers, as they are seen meanwhile."""
    seen: set[str] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.2):
            seen.update(one["state"] for one in system.status().get("workers", []))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def _record(schema_id: int) -> bytes:
    return b"\0" + schema_id.to_bytes(4) + b"\2a" * 20


def _hostile(system: Deadly) -> list[int]:
    """Ids of schemas that ask for too much."""
    _id, text = system.registry.subjects[f"{TOPIC}-value"][-1]
    found = []
    for extra in (
        {"type": "bytes", "logicalType": "decimal", "precision": 5000, "scale": 2},
        {"type": "bytes", "logicalType": "decimal", "precision": 10**8, "scale": 2},
        {"type": "record", "name": "wide", "fields": [{"name": f"f{n}", "type": "int"} for n in range(20_000)]},
        _nested(150),
    ):
        schema = json.loads(text)
        schema["fields"].append({"name": "extra", "type": extra})
        system.registry.ids.append(json.dumps(schema))
        found.append(len(system.registry.ids))
    return found


def _nested(depth: int) -> Any:
    schema: Any = "int"
    for number in range(depth):
        schema = {"type": "record", "name": f"r{number}", "fields": [{"name": "inner", "type": schema}]}
    return schema


def _send_killers(run: Run) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """(event_id, how it ends a process) of the records and of the letters that do."""
    sent: dict[str, list[tuple[str, str]]] = {_RECORD: [], _LETTER: []}
    events = []
    for prefix, into in sent.items():
        for name in _KINDS * _EACH:
            one = event(run.rng, "purchase", Kind.REPAIRABLE if prefix == _LETTER else Kind.GOOD)
            one["event_details"]["item_name"] = prefix + name
            run.ledger.sending(one["event_id"], Kind.HOPELESS, "purchase")
            into.append((one["event_id"], name))
            events.append(one)
    run.rng.shuffle(events)
    body = json.dumps({"batch": events}).encode()
    run.until(lambda: _post(run, body, [one["event_id"] for one in events]), "killers are accepted", 60)
    return sent[_RECORD], sent[_LETTER]


def _post(run: Run, body: bytes, ids: list[str]) -> bool:
    """Send it, perhaps again; is each of them accepted?"""
    request = urllib.request.Request(f"{run.system.daemon.http}/v1/batch", body, {"Content-Type": "application/json"})
    codes: list[int | None]
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            codes = [one["code"] for one in json.load(answer)["results"]]
    except urllib.error.HTTPError as refused:
        codes = [refused.code] * len(ids)
    except OSError:
        codes = [None] * len(ids)
    states = [run.ledger.answered(*one) for one in zip(ids, codes, strict=True)]
    return set(states) == {State.ACKNOWLEDGED}


def _shoot(run: Run, system: Deadly) -> None:
    """Kill -9 workers and searching processes at random, for as long as random-kills does."""
    shot = {"worker": 0, "searching": 0}
    until = time.monotonic() + 60 * run.options.minutes
    while time.monotonic() < until:
        run.hold(run.rng.uniform(0.0, 0.5))
        roles = (*_SEARCH, "ingest")
        workers = [one["pid"] for one in system.status().get("workers", []) if one["kind"] in roles and one["pid"]]
        for kind, pids in (("searching", system.searching()), ("worker", workers if run.rng.random() < 0.15 else [])):
            if pids:
                with contextlib.suppress(ProcessLookupError):
                    run.send(run.rng.choice(pids), signal.SIGKILL)
                    shot[kind] += 1
    run.fired += sum(shot.values())
    run.expect(min(shot.values()) > 0, f"killed were {shot}")


def _letters(system: Deadly, of: list[tuple[str, str]]) -> dict[str, tuple[str, str, str, str]]:
    """Stage, class, error and reason of those that are parked."""
    rows = system.sql(
        "SELECT event_id::text, stage, error_class, error, reason FROM etld.dead_letter"
        " WHERE event_id = ANY(%s::uuid[]) AND state = 'parked'",
        ([event_id for event_id, _ in of],),
    )
    return {event_id: (stage, kind, error, reason or "") for event_id, stage, kind, error, reason in rows}


def _lags(system: Deadly) -> set[int | None]:
    return {one["lag"] for one in system.status().get("workers", []) if one["kind"] in _SEARCH}
