"""The schema registry is away while records of a new schema version arrive."""

from __future__ import annotations

import contextlib
import json
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

from faults.proxy import Proxy
from faults.run import PROCESSORS, Run
from faults.scenarios import fault
from faults.scenarios.records import TOPIC, Foreign
from faults.system import System
from support.fake_registry import FakeRegistry


class Registered(System):
    """Its registry speaks Confluent's REST API, and is reached through `way`."""

    def __init__(self, changes: dict[str, Any] | None = None) -> None:
        self.registry = FakeRegistry()
        self.way = Proxy(int(self.registry.server_address[1]))
        super().__init__({"schema_registry.url": f"http://127.0.0.1:{self.way.port}", **(changes or {})})

    def stop(self, keep_logs: Any = None) -> None:
        """And the registry."""
        self.way.heal()
        super().stop(keep_logs)
        self.way.close()
        self.registry.stop()

    def heal(self) -> None:
        """And the registry."""
        self.way.heal()
        self.registry.broken, self.registry.conflict = 0, False
        super().heal()

    def grow(self, field: str) -> dict[str, Any]:
        """The purchase's newest schema with one more detail, which has a default."""
        _id, text = self.registry.subjects[f"{TOPIC}-value"][-1]
        schema: dict[str, Any] = json.loads(text)
        details = next(one for one in schema["fields"] if one["name"] == "event_details")
        details["type"]["fields"].append({"name": field, "type": ["null", "string"], "default": None})
        return schema

    def publish(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Register it, past the proxy, as some other producer does; what a `Foreign` has to know."""
        url = f"{self.registry.url}/subjects/{TOPIC}-value/versions"
        body = json.dumps({"schema": json.dumps(schema)}).encode()
        with urllib.request.urlopen(urllib.request.Request(url, body), timeout=10) as answer:
            return {"id": json.load(answer)["id"], "schema": schema}


@contextlib.contextmanager
def _down(system: Registered) -> Iterator[None]:
    system.way.cut(refuse=True)
    yield
    system.way.heal()


@contextlib.contextmanager
def _hanging(system: Registered) -> Iterator[None]:
    system.way.blackhole = True
    yield
    system.way.heal()


@contextlib.contextmanager
def _broken(system: Registered) -> Iterator[None]:
    system.registry.broken = 500
    yield
    system.registry.broken = 0


@fault("registry-away", "the registry is down, hangs, answers 500 and 409, while new schemas come", make=Registered)
def registry_away(run: Run) -> None:
    system = run.system
    assert isinstance(system, Registered)
    stored = "SELECT count(*) FROM processed_events WHERE event_details ->> %s IS NOT NULL"
    with run.load():
        for name, trouble in (("down", _down), ("hangs", _hanging), ("broken", _broken)):
            foreign = Foreign(run, system.publish(system.grow(f"since_{name}")))
            with trouble(system):
                mark = system.log_end()
                records = [foreign.value(**{f"event_details__since_{name}": name}) for _ in range(30)]
                foreign.send([("good", *one) for one in records])
                run.until(
                    lambda mark=mark: system.said("schema registry", since=mark, worker="processor-purchase-0"),
                    f"a processor says that the registry is {name}",
                )
                run.flowing(60, f"{PROCESSORS}order")
                run.hold(run.options.outage / 6)
                run.expect(not system.sql(stored, (f"since_{name}",))[0][0], "rows without a schema")
                run.fired += 1
            began = time.monotonic()
            run.until(
                lambda name=name: system.sql(stored, (f"since_{name}",))[0][0] == 30, "rows of the new version", 90
            )
            run.recoveries.append(time.monotonic() - began)
        _conflict(run, system)
    letters = system.sql("SELECT count(*) FROM etld.dead_letter WHERE stage = 'VALUE_CONVERTER'")[0][0]
    run.expect(letters == 0, f"{letters} records were dead-lettered because the registry was away")


def _conflict(run: Run, system: Registered) -> None:
    """A schema of ours that the registry refuses: the reload says so, and the old one stays in force."""
    path = system.daemon.directory / "schemas" / "purchase.avsc"
    path.write_text(json.dumps(system.grow("since_conflict")))
    system.registry.conflict = True
    refused = system.daemon.cli("reload", check=False)
    run.fired += "incompatible" in refused.stderr
    run.expect(refused.returncode == 1, f"a schema that the registry refuses was taken: {refused.stdout}")
    run.flowing(60)
    system.registry.conflict = False
    system.daemon.cli("reload")
    run.recovered()
