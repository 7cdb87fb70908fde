"""CloudEvents over HTTP in their three modes, on a running worker."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from etld.events.ids import derived
from support.ingest import Ingest, Start, read

STRUCTURED = {"Content-Type": "application/cloudevents+json; charset=utf-8"}
BATCHED = {"Content-Type": "application/cloudevents-batch+json"}
DATA = {"order_id": 5, "order_value": 9.5}


@pytest.fixture
def shop(start: Start) -> Ingest:
    """A worker that knows one `type`."""
    return start(cloudevents='{"com.example.order.placed" = {event_type = "order", event_name = "order_placed"}}')


def cloud(**changes: Any) -> dict[str, Any]:
    made = {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": "/shop",
        "type": "com.example.order.placed",
        "time": "2026-01-02T03:04:05Z",
        "datacontenttype": "application/json",
        "traceparent": "00-1-2-01",
        "data": DATA,
        **changes,
    }
    return {name: value for name, value in made.items() if value is not None}


def keys(ingest: Ingest, kafka: str) -> list[str]:
    topic = json.loads(ingest.config.schemas_path.read_text())["event_types"]["order"]["topic"]
    return [record.key().decode() for record in read(kafka, topic)]


def post(ingest: Ingest, path: str, body: Any, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    status, _, answer = ingest.request("POST", path, body, headers)
    return status, json.loads(answer)


@pytest.mark.parametrize("path", ["/track", "/v1/track", "/v1/batch"])
def test_structured(shop: Ingest, kafka: str, path: str) -> None:
    sent = cloud()
    status, answer = post(shop, path, sent, STRUCTURED)
    assert (status, answer["event_id"]) == (200, sent["id"])
    assert keys(shop, kafka) == [sent["id"]]
    # Of id and source where the id is no UUID: the same ids of two sources are two events.
    for source in ("/a", "/b"):
        status, answer = post(shop, path, cloud(id="7", source=source), STRUCTURED)
        assert (status, answer["event_id"]) == (200, derived("ce-id", f"{source}\x1f7", 0))


def test_binary(shop: Ingest, kafka: str) -> None:
    own = str(uuid4())
    headers = {
        "Content-Type": "application/json",
        "ce-specversion": "1.0",
        "ce-id": own,
        "ce-source": "/caf%C3%A9",
        "ce-type": "order_placed",
        "ce-time": "2026-01-02T03:04:05Z",
    }
    assert post(shop, "/track", {"user_details": {"user_id": 7}, "event_details": DATA}, headers)[0] == 200
    assert keys(shop, kafka) == [own]
    assert post(shop, "/track", b"<a/>", {**headers, "Content-Type": "application/xml"})[0] == 415


def test_a_batch_has_a_result_for_each(shop: Ingest, kafka: str) -> None:
    packed = base64.b64encode(json.dumps(DATA).encode()).decode()
    good = [cloud(), cloud(data=None, data_base64=packed), cloud(time=None)]
    assert post(shop, "/v1/batch", good, BATCHED)[0] == 200
    assert sorted(keys(shop, kafka)) == sorted(one["id"] for one in good)
    status, answer = post(shop, "/v1/batch", [cloud(), cloud(source=None), cloud(data={"order_id": "x"}), 7], BATCHED)
    assert status == 207
    assert [item["code"] for item in answer["results"]] == [200, 400, 202, 400]
    assert post(shop, "/v1/batch", [], BATCHED)[0] == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"specversion": "0.3"},
        {"id": ""},
        {"id": None},
        {"source": None},
        {"type": 5},
        {"time": 7},
        {"data_base64": "e30="},
    ],
)
def test_what_breaks_the_specification_is_refused(shop: Ingest, changes: dict[str, Any]) -> None:
    status, answer = post(shop, "/track", cloud(**changes), STRUCTURED)
    assert (status, answer["code"]) == (400, "not_a_cloudevent")
    assert next(iter(changes)) in answer["message"] or "data" in answer["message"]


def test_a_web_hook_asks_first(start: Start, tmp_path: Path) -> None:
    """Where keys are configured, it is allowed to send only with one."""
    asked = {"WebHook-Request-Origin": "eventgrid.azure.net", "WebHook-Request-Rate": "100"}
    status, headers, _ = start().request("OPTIONS", "/track", None, asked)
    assert (status, headers["allow"]) == (200, "OPTIONS, POST")
    assert (headers["webhook-allowed-origin"], headers["webhook-allowed-rate"]) == ("eventgrid.azure.net", "*")
    file = tmp_path / "keys.toml"
    file.write_text(f'[hook]\nsha256="{hashlib.sha256(b"one").hexdigest()}"\nrate=1\n')
    shop = start(keys_file=str(file))
    assert shop.request("OPTIONS", "/track", None, asked)[0] == 401
    status, headers, _ = shop.request("OPTIONS", "/track", None, {**asked, "Authorization": "Bearer two"})
    assert status == 401
    assert "webhook-allowed-origin" not in headers
    status, headers, _ = shop.request("OPTIONS", "/track?access_token=one", None, asked)
    assert (status, headers["webhook-allowed-rate"]) == (200, "60")
    assert post(shop, "/track?access_token=one", cloud(type="order_placed"), STRUCTURED)[0] == 200
    for path, plain in (("/healthz", asked), ("/track", {"WebHook-Request-Origin": "http://x"}), ("/track", {})):
        status, headers, _ = shop.request("OPTIONS", path, None, plain)
        assert status == 204
        assert "webhook-allowed-origin" not in headers


def test_other_formats_and_shapes_are_refused(shop: Ingest) -> None:
    assert post(shop, "/track", b"<a/>", {"Content-Type": "application/cloudevents+xml"})[0] == 415
    assert post(shop, "/track", b"{", STRUCTURED)[0] == 400
    assert post(shop, "/track", {"batch": []}, BATCHED)[0] == 400
    status, answer = post(shop, "/track", cloud(type="com.example.unknown"), STRUCTURED)
    assert (status, answer["status"]) == (202, "dead_lettered")
