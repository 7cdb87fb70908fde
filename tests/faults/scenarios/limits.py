"""A topic takes less than it did."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any

from faults.ledger import Kind
from faults.run import Run
from faults.scenarios import fault
from faults.scenarios.records import TOPIC
from support.events import purchase
from support.topic_limit import set_limit


def _post(run: Run, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    port = run.system.daemon.settings()["ingest"]["port"]
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/batch", json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@fault("topic-limit-lowered", "a topic's max.message.bytes is lowered under load, below some of what is sent")
def topic_limit_lowered(run: Run) -> None:
    def told() -> bool:
        return any("max.message.bytes" in text for text in run.system.status().get("faults", []))

    # Of every third character of the plane, so that compression does not make it fit.
    text = "".join(chr(0x4E00 + (number * number * 7919 + number * 31) % 20_000) for number in range(10_000))
    with run.load(batch=20):
        run.flowing(100)
        set_limit(run.system.kafka_client(), TOPIC, 4_000)
        try:
            run.until(told, "health names the topic", 30)
            run.fired += 1
            run.flowing(100)
            events = [purchase(), purchase(item_name=text), purchase()]
            for one in events:
                run.ledger.sending(one["event_id"], Kind.GOOD, "purchase")
            status, answer = _post(run, {"batch": events})
            codes = [item["code"] for item in answer.get("results", ())]
            for one, code in zip(events, codes, strict=False):
                run.ledger.answered(one["event_id"], code)
            run.expect((status, codes) == (207, [200, 413, 200]), f"{status} {codes} for one that is too large")
        finally:
            set_limit(run.system.kafka_client(), TOPIC, None)
        began = time.monotonic()
        run.until(lambda: not told(), "health has forgotten it", 30)
        run.recovered(since=began)
