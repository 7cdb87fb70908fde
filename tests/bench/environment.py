"""A real broker and a real database of the benchmark's own, and daemons on them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import tomllib
import uuid
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import psycopg

from etld.kafka.admin import Admin
from etld.kafka.producer import Producer
from etld.postgres.connections import connect
from etld.postgres.migrate import migrate
from etld.util.ports import free_port
from support.cluster import Cluster

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "schemas" / "purchase.avsc"
#: Of the optional fields of a wide schema: their types with a value each, and how many of them an event has.
KINDS = (("string", "brass and walnut"), ("long", 123_456), ("double", 12.5), ("boolean", True))
FILLED = 20
#: A record that comes again was sent so many records before.
AGO = 5001
TICK = os.sysconf("SC_CLK_TCK")


class Environment:
    """A broker and a database server; `daemon` starts an etld on them."""

    def __init__(self, cluster: Cluster, *, events: int, pairs: int, quick: bool) -> None:
        self.directory = cluster.directory
        self.events = events
        self.pairs = pairs
        self.quick = quick
        self.cores = len(os.sched_getaffinity(0))
        self.memory_gb = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9)
        self._cluster = cluster
        self.bootstrap = cluster.kafka

    def database(self) -> str:
        """The DSN of a new database."""
        return self._cluster.new_database()[1]

    def config(self, database: str, **changes: Any) -> Path:
        """A configuration on these servers where no worker runs, with `changes` by key path ("a.b")."""
        settings = tomllib.loads((ROOT / "config" / "etld.toml").read_text())
        home = self.directory / f"etld-{uuid.uuid4().hex[:8]}"
        home.mkdir()
        settings["state_dir"] = str(home / "var")
        settings["kafka"]["bootstrap_servers"] = self.bootstrap
        settings["postgres"]["dsn"] = database
        settings["ingest"] |= {"port": free_port(), "workers": 0}
        for role in ("aggregator", "corrector"):
            settings[role]["workers"] = 0
        for name, kind in settings["event_types"].items():
            kind |= {
                "workers": 0,
                "schema": str(ROOT / "schemas" / f"{name}.avsc"),
                "topic": f"event_{name}_{home.name}",
            }
        settings["charts"] |= {
            "every_events": 1_000_000_000,
            "idle": "1 h",
            "every": "1 d",
            "dir": str(home / "charts"),
        }
        for path, value in changes.items():
            table = settings
            *parents, last = path.split(".")
            for parent in parents:
                table = table.setdefault(parent, {})
            table[last] = value
        import tomli_w

        file = home / "etld.toml"
        file.write_text(tomli_w.dumps(settings))
        return file

    @contextlib.contextmanager
    def daemon(self, config: Path) -> Iterator[Daemon]:
        """A running daemon, stopped at the end."""
        daemon = Daemon(config)
        try:
            daemon.etld("start")
            yield daemon
        finally:
            daemon.etld("stop", check=False)


class Daemon:
    """One etld by its command line."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.settings = tomllib.loads(config.read_text())

    def etld(self, *args: str, check: bool = True) -> str:
        """Run `etld ARGS`; what it prints."""
        command = [str(Path(sys.executable).with_name("etld")), "--config", str(self.config), *args]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise RuntimeError(f"etld {args[0]}: {(done.stdout + done.stderr)[-600:]}")
        return done.stdout

    def begin(self, *args: str) -> subprocess.Popen[bytes]:
        """Run `etld ARGS` without waiting for its end."""
        command = [str(Path(sys.executable).with_name("etld")), "--config", str(self.config), *args]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def workers(self) -> dict[str, dict[str, Any]]:
        """Workers of `etld status`, by name."""
        return {w["name"]: w for w in json.loads(self.etld("status", "--json"))["workers"]}

    def pids(self) -> list[int]:
        """Process ids of all workers."""
        return [w["pid"] for w in self.workers().values() if w["pid"]]

    @property
    def http(self) -> tuple[str, int]:
        """Where ingest listens."""
        return "127.0.0.1", int(self.settings["ingest"]["port"])

    def topic(self, event_type: str) -> str:
        """The topic of an event type."""
        return str(self.settings["event_types"][event_type]["topic"])


def cpu_seconds(pids: list[int]) -> float:
    """User and system time of processes."""
    total = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / TICK
    return total


def peak_mb(pids: list[int]) -> float:
    """The largest resident size that any of the processes ever had."""
    peaks: list[float] = []
    for pid in pids:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        peaks += [int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")]
    return max(peaks, default=0.0)


def schema_of(fields: int = 0) -> str:
    """The schema of purchases, with so many optional fields more."""
    schema = json.loads(SCHEMA.read_text())
    schema["fields"][5]["type"]["fields"] += [
        {"name": f"f{i}", "type": ["null", KINDS[i % len(KINDS)][0]], "default": None} for i in range(fields)
    ]
    return json.dumps(schema)


def prepare(database: str, fields: int = 0) -> int:
    """Migrate a database and register the schema of purchases; its id."""
    from etld.schemas.registry.table import TableRegistry

    with connect(database, application_name="bench") as conn:
        migrate(conn)
    registry = TableRegistry(lambda: connect(database, application_name="bench"), "BACKWARD")
    return registry.register("bench-value", schema_of(fields))


def event(index: int, filler: int = 0, fields: int = 0) -> dict[str, Any]:
    """A purchase whose Avro record has about 200 bytes, plus `filler`, and FILLED of so many `fields` more."""
    more = {(index * 7 + i * fields // FILLED) % fields for i in range(FILLED if fields else 0)}
    return {
        "event_id": str(uuid.uuid4()),
        "event_name": ("added_to_cart", "checkout_initiated", "payment_successful")[index % 3],
        "event_type": "purchase",
        "triggered_at": 1_760_000_000_000_000 + index * 1000,
        "user_details": {
            "user_id": index % 100_000,
            "name": "Ada Lovelace",
            "email": f"ada.{index % 100_000}@example.org",
            "country": "GB",
        },
        "event_details": {
            "item_id": index % 5000,
            "item_name": f"Analytical Engine, model {index % 5000}, brass and walnut" + "x" * filler,
            "price": (index % 9000) / 100,
            **{f"f{at}": KINDS[at % len(KINDS)][1] for at in more},
        },
    }


def fill(  # noqa: PLR0913  # a keyword for each thing that a benchmark changes
    environment: Environment,
    topic: str,
    schema_id: int,
    count: int,
    *,
    partitions: int = 3,
    filler: int = 0,
    poison_every: int = 0,
    fields: int = 0,
    twice_every: int = 0,
) -> None:
    """Make a topic and write `count` records, every `poison_every`-th of them cut short.

    Of the optional `fields` each record has FILLED. Every `twice_every`-th record is one that was sent a while before.
    """
    admin = Admin({"bootstrap.servers": environment.bootstrap})
    admin.create_topic(topic, partitions, 1, {})
    schema = fastavro.parse_schema(json.loads(schema_of(fields)))
    producer = Producer({"bootstrap.servers": environment.bootstrap, "linger.ms": 50, "batch.size": 1_000_000})
    head = b"\0" + schema_id.to_bytes(4)
    failed: list[str] = []
    sent: deque[tuple[bytes, bytes]] = deque(maxlen=AGO)

    def delivered(error: Any, _message: Any) -> None:
        if error is not None:
            failed.append(str(error))

    for index in range(count):
        one = event(index, filler, fields)
        body = io.BytesIO()
        fastavro.schemaless_writer(body, schema, one)
        value = head + body.getvalue()
        if poison_every and index % poison_every == poison_every - 1:
            value = value[:-5]
        key = one["event_id"].encode()
        if twice_every and index % twice_every == twice_every - 1 and len(sent) == AGO:
            key, value = sent[0]
        sent.append((key, value))
        while True:
            try:
                producer.produce(topic, key, value, None, delivered)
                break
            except Exception:
                producer.poll(0.1)
        if index % 1000 == 0:
            producer.poll(0)
    producer.flush(60)
    if failed:
        raise RuntimeError(failed[0])


def open_database(database: str) -> psycopg.Connection[Any]:
    """A connection for the benchmark itself."""
    return connect(database, application_name="bench", statement_timeout=0)
