"""Who may send, and who may read."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from etld.config import load
from etld.ingest import keys
from etld.ingest.admission import Admission
from etld.ingest.http.answers import HttpRefusal
from etld.ingest.http.request import HttpRequest

ROOT = Path(__file__).resolve().parents[3]


def test_rates_are_shared_among_the_processes_there_are() -> None:
    config = load(ROOT / "config" / "etld.toml", {"ETLD_INGEST__RATE_PER_ADDRESS": "12", "ETLD_INGEST__WORKERS": "2"})
    admission = Admission(config)
    request = HttpRequest("POST", "/track", "1.1", {}, close=False)

    def passes(address: str) -> int:
        for count in range(100):
            try:
                admission.charge_address(address, request, 0.0)
            except HttpRefusal:
                return count
        return 100

    assert passes("192.0.2.1") == 6
    admission.set_processes(4)
    assert passes("192.0.2.1") == 3
    admission.set_processes(1)
    assert passes("192.0.2.1") == 6


def head(**headers: str) -> HttpRequest:
    """A request with these headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpRequest("POST", "/track", "1.1", named, close=False)


def test_an_ipv6_network_is_one_client() -> None:
    admission = Admission(load(ROOT / "config" / "etld.toml", {"ETLD_INGEST__RATE_PER_ADDRESS": "1"}))
    assert admission.charge_address("2001:db8::1", head(), 0.0) == "2001:db8::/64"
    with pytest.raises(HttpRefusal):
        admission.charge_address("2001:db8::2", head(), 0.0)
    assert admission.charge_address("2001:db8:0:1::1", head(), 0.0)


def may_read(metrics: str, peer: str, request: HttpRequest, keys_file: Path | None = None) -> int:
    """200, or the status of the refusal."""
    settings = {"ETLD_INGEST__METRICS": metrics, "ETLD_INGEST__KEYS_FILE": str(keys_file or "")}
    try:
        Admission(load(ROOT / "config" / "etld.toml", settings)).admit_reader(peer, request, 0.0, 0.0)
    except HttpRefusal as refused:
        return refused.answer.status
    return 200


def test_who_may_read_the_metrics(tmp_path: Path) -> None:
    assert may_read("open", "203.0.113.5", head()) == 200
    assert may_read("loopback", "127.0.0.1", head()) == 200
    assert may_read("loopback", "::1", head()) == 200
    assert may_read("loopback", "203.0.113.5", head()) == 403
    for name in ("x_forwarded_for", "forwarded", "via"):
        assert may_read("loopback", "127.0.0.1", head(**{name: "127.0.0.1"})) == 403
    file = tmp_path / "keys.toml"
    file.write_text(f'[a]\nsha256="{hashlib.sha256(b"one").hexdigest()}"\n')
    assert may_read("key", "127.0.0.1", head(), file) == 401
    assert may_read("key", "127.0.0.1", head(authorization="Bearer two"), file) == 401
    assert may_read("key", "203.0.113.5", head(authorization="Bearer one"), file) == 200


def test_a_header_for_keys_is_named_in_one_place() -> None:
    """Else a new one works for some clients and not for others: browsers ask for it first."""
    config = load(ROOT / "config" / "etld.toml", {"ETLD_INGEST__CORS_ORIGINS": '["*"]'})
    asked = head(origin="https://shop.example", access_control_request_method="POST")
    allowed = Admission(config).preflight(asked).decode().partition("Allow-Headers: ")[2].partition("\r\n")[0]
    assert set(keys.HEADERS) <= set(allowed.split(", "))
    for name in keys.KEY_HEADERS:
        assert keys.presented({name.lower(): " secret "}) == "secret"
        named = {path.name for path in (ROOT / "etld").rglob("*.py") if name.lower() in path.read_text().lower()}
        # The parser has common names for speed, and the generator is a client.
        assert named <= {"keys.py", "parser.py", "sender.py"}
