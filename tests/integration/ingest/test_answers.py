"""Every status of the contract, from the outside."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from support.events import event
from support.ingest import Ingest, Start, read
from support.waiting import wait_until


def topic_of(ingest: Ingest, kind: str = "purchase") -> str:
    types = json.loads(ingest.config.schemas_path.read_text())["event_types"]
    return str(types[kind]["topic"])


def test_a_good_event_is_in_kafka_when_the_answer_says_so(ingest: Ingest, kafka: str) -> None:
    status, answer = ingest.post("/track", event("delivery", event_details={"tracking_id": 5, "carrier": "UPS"}))
    assert (status, answer["status"], answer["ack"]) == (200, "success", "all")
    assert UUID(answer["event_id"]).version == 7
    record = read(kafka, topic_of(ingest, "delivery"))[-1]
    assert record.key().decode() == answer["event_id"]
    assert record.value()[:5] == b"\0\0\0\0\3"


def test_an_invalid_event_becomes_a_dead_letter_with_its_own_bytes(ingest: Ingest, kafka: str) -> None:
    body = json.dumps(event(event_details={"item_id": 1, "item_name": "x", "price": "12,50"}), indent=1).encode()
    status, answer = ingest.post("/track", body)
    assert (status, answer["status"]) == (202, "dead_lettered")
    assert [(item["index"], item["path"]) for item in answer["errors"]] == [(0, "event_details.price")]
    record = read(kafka, ingest.letters)[-1]
    headers = dict(record.headers())
    assert record.value() == body
    assert headers["etld.event_id"].decode() == record.key().decode() == answer["event_id"]
    assert headers["__connect.errors.stage"] == b"VALIDATION"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "not_json"),
        (b"{", 400, "not_json"),
        (b"[]", 400, "not_an_object"),
        (b"7", 400, "not_an_object"),
        (b'{"a": NaN}', 400, "not_json"),
        (b'{"a": "\xff"}', 400, "not_json"),
        (b'{"a": 1, "a": 2}', 400, "not_json"),
        (b'{"a": {"b\\"": 1, "b\\"": 2}}', 400, "not_json"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, 400, "not_json"),
        (b"[" * 100_000, 413, "event_too_large"),
        (b'"' + b"x" * 70_000 + b'"', 413, "event_too_large"),
        (b" " * (1 << 20) + b" ", 413, "body_too_large"),
    ],
)
def test_what_is_no_event_is_refused(ingest: Ingest, body: bytes, status: int, code: str) -> None:
    got, headers, answer = ingest.request("POST", "/track", body)
    assert (got, json.loads(answer)["code"]) == (status, code)
    assert headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("change", [{"event_type": "nonsense"}, {"event_type": 5}, {"event_name": "a\0b"}, {"x": 1}])
def test_what_the_schema_refuses_is_kept(ingest: Ingest, change: dict[str, object]) -> None:
    assert ingest.post("/track", event(**change))[0] == 202


@pytest.mark.parametrize("path", ["/track", "/v1/track", "/v1/batch", "ndjson"])
@pytest.mark.parametrize("number", ["9223372036854775808", "-9223372036854775809", "123456789012345678901234567890"])
@pytest.mark.parametrize("field", ["item_id", "price"])
def test_integers_beyond_int64_are_a_violation(ingest: Ingest, kafka: str, path: str, number: str, field: str) -> None:
    """To the last digit, also for a double, and in the letter too."""
    details = {"item_id": 1, "item_name": "x", "price": 1, field: int(number)}
    body = json.dumps(event(event_details=details)).encode()
    headers = {}
    if path == "ndjson":
        path, headers = "/v1/batch", {"Content_Type": "application/x-ndjson"}
    elif path == "/v1/batch":
        body = b'{"batch": [' + body + b"]}"
    status, answer = ingest.post(path, body, **headers)
    errors = answer["errors"] if status == 202 else answer["results"][0]["errors"]
    assert [(error["path"], error["got"]) for error in errors] == [(f"event_details.{field}", number)]
    assert number.encode() in read(kafka, ingest.letters)[-1].value()


def test_large_floats_and_what_is_no_number(ingest: Ingest) -> None:
    for number, status in ((b"1e300", 200), (b"9223372036854775808.5", 200), (b"1e400", 400), (b"-1e400", 400)):
        body = json.dumps(event()).encode().replace(b'"price": 12.5', b'"price": ' + number)
        assert ingest.post("/track", body)[0] == status


def test_reject_keeps_nothing(start: Start) -> None:
    ingest = start(invalid="reject")
    status, answer = ingest.post("/track", event(event_type="parcel"))
    assert (status, answer["code"], answer["errors"][0]["path"]) == (422, "invalid_event", "event_type")


def test_a_segment_library_is_told_in_its_own_words(start: Start) -> None:
    kept = {f"ingest__segment_calls__{call}": "dead_letter" for call in ("identify", "screen")}
    ingest = start(invalid="reject", **kept)
    call = {
        "messageId": "m",
        "type": "track",
        "event": "order_placed",
        "userId": "7",
        "timestamp": "2026-01-31T12:00:00Z",
    }
    good = {"order_id": 1, "order_value": 20.0}
    details = {"event_details": {"item_id": 1}}
    for change, path, words in (
        ({"type": "identify", "event": None, "traits": {}}, "type", '"track"'),
        ({"type": "screen", "properties": good}, "type", '"track"'),
        ({"event": "order_plced", "properties": good}, "event", 'properties.event_type; did you mean "order_placed"?'),
        ({"properties": {**good, "currency": "EUR"}}, "properties.currency", "no field of this name"),
        ({"properties": {"order_id": "x", "order_value": 1}}, "properties.order_id", "an integer"),
        ({"properties": good, "userId": "ada"}, "userId", "an integer"),
        ({"properties": good, "timestamp": "now"}, "timestamp", "a time as RFC 3339"),
        ({"properties": good, "timestamp": None, "sentAt": "now"}, "sentAt", "a time as RFC 3339"),
        ({**details, "properties": good}, "event_details.item_id", "no field of this name"),
    ):
        status, answer = ingest.post("/v1/track", {**call, **change})
        errors = {item["path"]: item["expected"] for item in answer["errors"]}
        assert status == 422
        assert words in errors.get(path, ""), answer
        assert path in ("event_details.item_id", answer["errors"][0]["path"])
        assert answer["message"] == answer["detail"]
    assert ingest.post("/v1/track", {**call, "properties": good})[0] == 200


def test_methods_and_paths(ingest: Ingest) -> None:
    status, headers, _ = ingest.request("GET", "/track")
    assert (status, headers["allow"]) == (405, "OPTIONS, POST")
    status, headers, body = ingest.request("HEAD", "/healthz")
    assert (status, body) == (200, b"")
    assert int(headers["content-length"]) > 0
    status, headers, body = ingest.request("OPTIONS", "/v1/batch")
    assert (status, body, headers["allow"]) == (204, b"", "OPTIONS, POST")
    assert ingest.request("POST", "/nothing")[0] == 404
    assert ingest.request("POST", "/track?x=1", event())[0] == 200
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json"):
        assert ingest.request("GET", path)[0] == 200


def test_a_retry_has_the_same_id_in_every_way_to_say_so(ingest: Ingest, kafka: str) -> None:
    own = str(uuid4())
    segment = {"messageId": f"m-{own}", "type": "track", "event": "added_to_cart", "userId": "7"}
    segment |= {"timestamp": "2026-01-31T12:00:00Z", "properties": {"item_id": 1, "item_name": "x", "price": 1}}
    for path, body, headers in (
        ("/track", event(event_id=own.upper()), {}),
        ("/track", event(), {"Idempotency_Key": f"k-{own}"}),
        ("/v1/track", segment, {}),
        ("/track", event(event_type="parcel"), {"Idempotency_Key": f"k-{own}"}),
    ):
        first, second = (ingest.post(path, body, **headers) for _ in range(2))
        assert first == second
        assert first[0] in (200, 202)
    letters = [dict(item.headers())["etld.dead_letter_id"] for item in read(kafka, ingest.letters)[-2:]]
    assert letters[0] == letters[1]


def test_a_thousand_retries_are_a_thousand_equal_ids(ingest: Ingest) -> None:
    keys = [str(number) for number in range(1000)] * 2
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda key: ingest.post("/track", event(), Idempotency_Key=f"t-{key}"), keys))
    assert all(status == 200 for status, _ in answers)
    assert len({answer["event_id"] for _, answer in answers}) == 1000


def test_a_batch_of_good_events(ingest: Ingest) -> None:
    status, answer = ingest.post("/v1/batch", {"batch": [event(kind) for kind in ("purchase", "order", "delivery")]})
    assert (status, answer["accepted"], len(set(answer["event_ids"]))) == (200, 3, 3)
    assert ingest.post("/v1/batch", {"batch": []})[0] == 200


def test_a_batch_with_bad_events_answers_for_each(ingest: Ingest) -> None:
    lines = [json.dumps(event()), "{nonsense", json.dumps(event(event_type="parcel")), "", "5", '{"a":1,"a":2}']
    body = "\r\n".join(lines).encode()
    status, answer = ingest.post("/v1/batch", body, Content_Type="application/x-ndjson; charset=utf-8")
    assert status == 207
    assert [item["code"] for item in answer["results"]] == [200, 400, 202, 400, 400]
    assert [item["index"] for item in answer["results"]] == [0, 1, 2, 3, 4]
    assert answer["accepted"] == 2


def test_batches_have_limits(start: Start) -> None:
    ingest = start(max_batch="2", max_event="1 KiB")
    assert ingest.post("/v1/batch", {"batch": [event()] * 3})[1]["code"] == "batch_too_large"
    large = event(event_details={"item_id": 1, "item_name": "x" * 2000, "price": 1})
    status, answer = ingest.post("/v1/batch", {"batch": [event(), large]})
    assert (status, [item["code"] for item in answer["results"]]) == (207, [200, 413])
    assert ingest.post("/v1/batch", {"events": []})[1]["code"] == "not_a_batch"


def test_a_rate_is_of_the_address_that_the_proxy_names(start: Start) -> None:
    """Also when the proxy adds a line of its own to what the client made up."""
    ingest = start(rate_per_address="3", trusted_proxies='["127.0.0.1"]')
    body = json.dumps(event()).encode()
    statuses = []
    for number in range(40):
        head = b"X-Forwarded-For: 192.0.2.%d\r\nX-Forwarded-For: 203.0.113.5\r\n" % number
        request = b"POST /track HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s" % (head, len(body), body)
        statuses.append(int(ingest.raw(request)[9:12]))
    assert {200, 429} == set(statuses)
    assert ingest.post("/track", event(), X_Forwarded_For="203.0.113.6")[0] == 200


def test_what_brings_no_event_is_no_rejected_event(start: Start) -> None:
    ingest = start()
    for method, path in (("GET", "/favicon.ico"), ("HEAD", "/robots.txt"), ("GET", "/track"), ("DELETE", "/v1/batch")):
        assert ingest.request(method, path)[0] in (404, 405)
    assert ingest.post("/nothing", event())[0] == 404
    wait_until(lambda: ingest.worker.counter("http_requests") == 5, 10)
    assert ingest.worker.counter("rejected") == 1


@pytest.mark.parametrize("path", ["//v1/batch", "/v1/batch/"])
def test_a_slash_too_many_costs_no_event(ingest: Ingest, path: str) -> None:
    """A host that ends in a slash, or a path that does: in Segment's spelling, which is known below /v1/ alone."""
    call = {"type": "track", "event": "order_placed", "userId": "7", "timestamp": "2026-01-02T03:04:05Z"}
    call["properties"] = {"order_id": 1, "order_value": 5.0}  # type: ignore[assignment]
    raw = json.dumps({"batch": [call]}).encode()
    answer = ingest.raw(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (path.encode(), len(raw), raw))
    assert b" 200 OK" in answer, answer


def test_a_pause_is_a_503_with_the_id(start: Start) -> None:
    ingest = start()
    ingest.worker.pause()
    wait_until(lambda: ingest.request("GET", "/readyz")[0] == 503, 10)
    own = str(uuid4())
    status, headers, body = ingest.request("POST", "/track", event(event_id=own))
    assert (status, json.loads(body)["event_id"]) == (503, own)
    assert int(headers["retry-after"]) >= 1
    assert ingest.post("/v1/batch", {"batch": [event(event_id=own)]})[1]["event_ids"] == [own]
    ingest.worker.resume()
    wait_until(lambda: ingest.request("POST", "/track", event())[0] == 200, 10)


def test_the_client_may_choose_the_level_when_that_is_allowed(start: Start, ingest: Ingest) -> None:
    free = start(ack_per_request="true")
    for level in ("all", "leader", "enqueued"):
        for path, body in (("/track", event()), ("/v1/batch", {"batch": [event()] * 3})):
            status, answer = free.post(path, body, X_Etld_Ack=level)
            assert (status, answer.get("ack")) == (200, level), answer
    assert free.post("/track", event(), X_Etld_Ack="some")[0] == 400
    assert ingest.post("/track", event(), X_Etld_Ack="enqueued")[1]["ack"] == "all"


def test_browsers_of_allowed_origins(start: Start) -> None:
    ingest = start(cors_origins='["https://shop.example"]')
    ask = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    status, headers, _ = ingest.request("OPTIONS", "/track", None, ask)
    assert status == 204
    assert headers["access-control-allow-origin"] == "https://shop.example"
    assert "Idempotency-Key" in headers["access-control-allow-headers"]
    _, headers, _ = ingest.request("POST", "/track", event(), {"Origin": "https://shop.example"})
    assert headers["access-control-allow-origin"] == "https://shop.example"
    for bad in (b"{", b" " * (2 << 20)):
        status, headers, _ = ingest.request("POST", "/track", bad, {"Origin": "https://shop.example"})
        assert (status, headers["access-control-allow-origin"]) == (400 if bad == b"{" else 413, "https://shop.example")
    _, headers, _ = ingest.request("POST", "/track", b"{", {"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in headers


def test_the_letter_of_a_segment_call_keeps_all_of_it(start: Start, kafka: str) -> None:
    ingest = start(ingest__segment_calls__identify="dead_letter")
    traits = {"type": "identify", "userId": "7", "messageId": "m-7", "traits": {"plan": "pro"}, "context": {"ip": "1"}}
    anonymous = {"type": "track", "event": "added_to_cart", "anonymousId": "a-1", "properties": {"price": "x"}}
    for call in (traits, anonymous):
        body = json.dumps(call, indent=1).encode()
        assert ingest.post("/v1/track", body)[0] == 202
        assert dict(read(kafka, ingest.letters)[-1].headers())["etld.original"] == body
        assert ingest.post("/v1/batch", {"batch": [call]})[0] == 200
        letter = read(kafka, ingest.letters)[-1]
        assert json.loads(dict(letter.headers())["etld.original"]) == call
        assert "event_details" in json.loads(letter.value()) or call is traits


def test_clients_that_are_named_have_idempotency_keys_of_their_own(start: Start, tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    tables = (("a-old", 'client="a"'), ("a-new", 'client="a"'), ("b", 'client="b"'), ("c", ""), ("d", ""))
    keys.write_text(
        "".join(f'[{name}]\nsha256="{hashlib.sha256(name.encode()).hexdigest()}"\n{own}\n' for name, own in tables)
    )
    ingest = start(keys_file=str(keys))
    for sent in (event(), event(event_type="parcel")):
        ids = {
            name: ingest.post("/track", sent, X_Write_Key=name, Idempotency_Key="order-1")[1]["event_id"]
            for name, _ in tables
        }
        assert ids["a-old"] == ids["a-new"] != ids["b"]
        assert ids["c"] == ids["d"]
        assert len(set(ids.values())) == 3
