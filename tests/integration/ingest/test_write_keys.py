"""Write keys: what each may send, how much of it, how one is rotated, and what is counted of it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from support.events import event
from support.ingest import Ingest, Start
from support.waiting import wait_until


def test_keys_their_types_and_rates(start: Start, tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    digest = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("one", "two", "old")}
    keys.write_text(
        f'[shop]\nsha256="{digest["one"]}"\nevent_types=["purchase"]\nrate=5\n'
        f'[app]\nsha256="{digest["two"]}"\n[gone]\nsha256="{digest["old"]}"\nexpires=2020-01-01\n'
    )
    ingest = start(keys_file=str(keys))
    status, headers, _ = ingest.request("POST", "/track", event())
    assert status == 401
    assert "www-authenticate" in headers
    assert ingest.post("/track", event(), X_Write_Key="wrong")[0] == 401
    assert ingest.post("/track", event(), X_Write_Key="old")[0] == 401
    assert ingest.post("/track", event(), Authorization="Basic b25lOg==")[0] == 200
    assert ingest.post("/track", event(), Authorization="Bearer two")[0] == 200
    assert ingest.post("/track", event("order"), X_Write_Key="one")[0] == 403
    answers = [ingest.request("POST", "/track", event(), {"X-Write-Key": "one"}) for _ in range(30)]
    assert {answer[0] for answer in answers} == {200, 429}
    assert all(int(headers["retry-after"]) >= 1 for status, headers, _ in answers if status == 429)
    assert ingest.request("GET", "/healthz")[0] == 200


def key_events(ingest: Ingest) -> dict[tuple[str, str], float]:
    """etld_key_events_total by key and result."""
    found = re.findall(
        r"^etld_key_events_total\{(.*)\} (\S+)$", ingest.request("GET", "/metrics")[2].decode(), re.MULTILINE
    )
    labels = [(dict(re.findall(r'(\w+)="([^"]*)"', text)), float(value)) for text, value in found]
    return {(has["key"], has["result"]): value for has, value in labels}


def test_metrics_tell_what_became_of_each_keys_events(start: Start, tmp_path: Path) -> None:
    """Two secrets are one key while it is rotated, with one name and one rate."""
    keys = tmp_path / "keys.toml"
    digest = [hashlib.sha256(name.encode()).hexdigest() for name in ("old", "new", "slow")]
    keys.write_text(
        f'[shop]\nsha256=["{digest[0]}", "{digest[1]}"]\nevent_types=["purchase"]\n'
        f'[slow]\nsha256="{digest[2]}"\nrate=0.001\n'
    )
    ingest = start(keys_file=str(keys))
    for name in ("old", "new"):
        assert ingest.post("/track", event(), X_Write_Key=name)[0] == 200
    assert ingest.post("/v1/batch", {"batch": [event(), event("order")]}, X_Write_Key="new")[0] == 207
    assert ingest.post("/track", event("order"), X_Write_Key="old")[0] == 403
    assert ingest.post("/track", b"{", X_Write_Key="old")[0] == 400
    assert ingest.request("GET", "/nothing")[0] == 404
    assert [ingest.post("/track", event(), X_Write_Key="slow")[0] for _ in range(2)] == [200, 429]
    ingest.worker.pause()
    wait_until(lambda: ingest.request("GET", "/readyz")[0] == 503)
    assert ingest.post("/track", event(), X_Write_Key="new")[0] == 503
    assert ingest.post("/v1/batch", {"batch": [event()] * 2}, X_Write_Key="new")[0] == 503
    assert key_events(ingest) == {
        ("shop", "accepted"): 3,
        ("shop", "rejected"): 3,
        ("shop", "unavailable"): 3,
        ("slow", "accepted"): 1,
        ("slow", "limited"): 1,
    }


def test_a_reload_takes_new_keys_and_keeps_the_old_ones_when_the_file_is_broken(start: Start, tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    keys.write_text(f'[a]\nsha256="{hashlib.sha256(b"one").hexdigest()}"\n')
    ingest = start(keys_file=str(keys))
    assert ingest.post("/track", event(), X_Write_Key="two")[0] == 401
    keys.write_text(keys.read_text() + f'[b]\nsha256="{hashlib.sha256(b"two").hexdigest()}"\n')
    ingest.worker.reload(ingest.config)
    wait_until(lambda: ingest.post("/track", event(), X_Write_Key="two")[0] == 200)
    assert ingest.post("/track", event(), X_Write_Key="one")[0] == 200
    keys.write_text("[a]\n")
    ingest.worker.reload(ingest.config)
    wait_until(lambda: "reload" in ingest.worker.metrics.faults)
    assert ingest.post("/track", event(), X_Write_Key="two")[0] == 200
