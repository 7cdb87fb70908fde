"""Rates are shared among the processes."""

from __future__ import annotations

from pathlib import Path

from etld.config import load
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
