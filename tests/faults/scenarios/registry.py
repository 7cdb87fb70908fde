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
from faults.world import World
from support.fake_registry import FakeRegistry


class Registered(World):
    """Its registry speaks Confluent's REST API, and is reached through `way`."""

    def __init__(self) -> None:
        self.registry = FakeRegistry()
        self.way = Proxy(int(self.registry.server_address[1]))
        super().__init__({"schema_registry.url": f"http://127.0.0.1:{self.way.port}"})

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
def _down(world: Registered) -> Iterator[None]:
    world.way.cut(refuse=True)
    yield
    world.way.heal()


@contextlib.contextmanager
def _hanging(world: Registered) -> Iterator[None]:
    world.way.blackhole = True
    yield
    world.way.heal()


@contextlib.contextmanager
def _broken(world: Registered) -> Iterator[None]:
    world.registry.broken = 500
    yield
    world.registry.broken = 0


@fault("registry-away", "the registry is down, hangs, answers 500 and 409, while new schemas come", make=Registered)
def registry_away(run: Run) -> None:
    world = run.world
    assert isinstance(world, Registered)
    stored = "SELECT count(*) FROM processed_events WHERE event_details ->> %s IS NOT NULL"
    with run.load():
        for name, trouble in (("down", _down), ("hangs", _hanging), ("broken", _broken)):
            foreign = Foreign(run, world.publish(world.grow(f"since_{name}")))
            with trouble(world):
                mark = world.log_end()
                records = [foreign.value(**{f"event_details__since_{name}": name}) for _ in range(30)]
                foreign.send([("good", *one) for one in records])
                run.until(
                    lambda mark=mark: world.said("schema registry", since=mark, worker="processor-purchase-0"),
                    f"a processor says that the registry is {name}",
                )
                run.flowing(60, f"{PROCESSORS}order")
                run.hold(run.options.outage / 6)
                run.expect(not world.sql(stored, (f"since_{name}",))[0][0], "rows without a schema")
                run.fired += 1
            began = time.monotonic()
            run.until(
                lambda name=name: world.sql(stored, (f"since_{name}",))[0][0] == 30, "rows of the new version", 90
            )
            run.recoveries.append(time.monotonic() - began)
        _conflict(run, world)
    letters = world.sql("SELECT count(*) FROM etld.dead_letter WHERE stage = 'VALUE_CONVERTER'")[0][0]
    run.expect(letters == 0, f"{letters} records were dead-lettered because the registry was away")


def _conflict(run: Run, world: Registered) -> None:
    """A schema of ours that the registry refuses: the reload says so, and the old one stays in force."""
    path = world.daemon.directory / "schemas" / "purchase.avsc"
    path.write_text(json.dumps(world.grow("since_conflict")))
    world.registry.conflict = True
    refused = world.daemon.cli("reload", check=False)
    run.fired += "incompatible" in refused.stderr
    run.expect(refused.returncode == 1, f"a schema that the registry refuses was taken: {refused.stdout}")
    run.flowing(60)
    world.registry.conflict = False
    world.daemon.cli("reload")
    run.recovered()
