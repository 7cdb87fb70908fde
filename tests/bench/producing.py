"""What compression costs and saves: the producer of ingest, alone."""

from __future__ import annotations

import io
import json
import time
import uuid
from functools import partial

import fastavro

from bench.environment import SCHEMA, Environment, event
from bench.result import Result
from etld.kafka.admin import Admin
from etld.kafka.errors import QueueFull
from etld.kafka.producer import Producer

CODECS = ("none", "lz4", "zstd")
_KEPT = 30_000


def _values() -> list[tuple[bytes, bytes]]:
    schema = fastavro.parse_schema(json.loads(SCHEMA.read_text()))
    made = []
    for index in range(_KEPT):
        one = event(index)
        body = io.BytesIO()
        fastavro.schemaless_writer(body, schema, one)
        made.append((one["event_id"].encode(), b"\0\0\0\0\1" + body.getvalue()))
    return made


def _run(
    environment: Environment, codec: str, values: list[tuple[bytes, bytes]], count: int
) -> tuple[float, float, float]:
    """(events/s until all are acknowledged, CPU µs an event, bytes an event in Kafka's log)."""
    topic = f"producing-{uuid.uuid4().hex[:8]}"
    Admin({"bootstrap.servers": environment.bootstrap}).create_topic(topic, 3, 1, {})
    producer = Producer({"bootstrap.servers": environment.bootstrap, "compression.type": codec, "linger.ms": 1})
    producer.produce(topic, *values[0])
    producer.flush(30)
    began, cpu = time.monotonic(), time.process_time()
    for index in range(count):
        key, value = values[index % _KEPT]
        while True:
            try:
                producer.produce(topic, key, value)
                break
            except QueueFull:
                producer.poll(0.05)
        if index % 1000 == 0:
            producer.poll(0)
    producer.flush(60)
    seconds, used = time.monotonic() - began, time.process_time() - cpu
    size = sum(file.stat().st_size for file in environment.directory.glob(f"kafka/data/{topic}-*/*.log"))
    return count / seconds, used / count * 1e6, size / count


def producing(environment: Environment, name: str) -> Result:
    """One codec against none."""
    codec = name.rpartition("-")[2]
    count = 20_000 if environment.quick else 300_000
    values = _values()
    measure = partial(_run, environment, values=values, count=count)
    result = Result(name, "events/s", [], [], "no compression")
    costs, sizes = [], []
    for _ in range(environment.pairs):
        result.reference.append(measure("none")[0])
        rate, cpu, size = measure(codec)
        result.values.append(rate)
        costs.append(cpu)
        sizes.append(size)
    result.cpu_us = sorted(costs)[len(costs) // 2]
    result.extra["bytes_per_event_in_kafka"] = round(sorted(sizes)[len(sizes) // 2])
    return result


BENCHES = {f"producing-{codec}": producing for codec in CODECS}
