"""`etld status` for people."""

from __future__ import annotations

from etld.cli import status_text


def test_the_status_is_a_table() -> None:
    """Aligned, with what is wrong at the end."""
    worker = {
        "name": "ingest-0",
        "state": "backoff",
        "pid": None,
        "uptime_s": 0.0,
        "restarts": 3,
        "rate": 1234.5,
        "lag": None,
    }
    reply = {
        "version": "1",
        "state": "degraded",
        "pid": 7,
        "uptime_s": 90061,
        "operation": None,
        "workers": [worker, {**worker, "name": "x", "state": "running", "pid": 12, "uptime_s": 61, "lag": 1000}],
        "addresses": {"http": "http://h"},
        "totals": {"accepted": 1000},
        "faults": ["ingest-0 is backoff: port"],
    }
    assert status_text.render(reply, color=False).splitlines() == [
        "etld 1  degraded  pid 7  up 1d01h",
        "",
        "worker    state    pid  uptime  restarts   rate/s    lag",
        "ingest-0  backoff    -       -         3  1,234.5      -",
        "x         running   12   1m01s         3  1,234.5  1,000",
        "",
        "http  http://h",
        "",
        "accepted 1,000",
        "",
        "! ingest-0 is backoff: port",
    ]
    assert "\033[31mdegraded\033[0m" in status_text.render(reply, color=True)
