"""The references of ingest: a bare handler, and a bare loop of parse, encode, produce."""

from __future__ import annotations

import io
import json
import sys
import time
from pathlib import Path


def handler(port: int) -> None:
    """An aiohttp application on uvloop, with one handler that parses the JSON and answers."""
    import asyncio

    import orjson
    import uvloop
    from aiohttp import web

    async def track(request: web.Request) -> web.Response:
        event = orjson.loads(await request.read())
        return web.Response(
            body=orjson.dumps({"status": "success", "event_id": event["event_name"]}), content_type="application/json"
        )

    async def serve() -> None:
        app = web.Application()
        app.router.add_post("/track", track)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()

    uvloop.run(serve())


def loop(bootstrap: str, topic: str, file: Path, form: str) -> None:
    """Parse, the same Avro encoding, produce, without HTTP; prints events a second."""
    import fastavro
    import orjson

    from etld.kafka.errors import QueueFull
    from etld.kafka.producer import Producer

    bodies = json.loads(file.read_text())
    schema = fastavro.parse_schema(json.loads((Path(__file__).parents[2] / "schemas" / "purchase.avsc").read_text()))
    producer = Producer({"bootstrap.servers": bootstrap})
    head = b"\0\0\0\0\1"
    count = 0
    began = time.monotonic()
    for body in bodies:
        events = orjson.loads(body)["batch"] if form == "json" else [orjson.loads(line) for line in body.splitlines()]
        for number, event in enumerate(events):
            record = {"event_id": f"{count:032x}", **event, "triggered_at": 1_760_000_000_000_000 + number}
            out = io.BytesIO()
            fastavro.schemaless_writer(out, schema, record)
            while True:
                try:
                    producer.produce(topic, record["event_id"].encode(), head + out.getvalue())
                    break
                except QueueFull:
                    producer.poll(0.05)
            count += 1
        producer.poll(0)
    producer.flush(60)
    print(count / (time.monotonic() - began))


if __name__ == "__main__":
    if sys.argv[1] == "handler":
        handler(int(sys.argv[2]))
    else:
        loop(sys.argv[2], sys.argv[3], Path(sys.argv[4]), sys.argv[5])
