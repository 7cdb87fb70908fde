"""What the daemon's answers mean for a webhook."""

from __future__ import annotations

from typing import Any

from etld.alerts.conditions import DaemonState, conditions, unknown
from etld.config.sections.alerts import AlertSection


def worker(name: str, kind: str, state: str = "running", **more: Any) -> dict[str, Any]:
    return {"name": name, "kind": kind, "state": state, "lag": 0, "lag_s": 0.0, "last_error": None, **more}


def seen(*workers: dict[str, Any], parked: int = 0, faults: Any = (), **keys: Any) -> dict[str, Any]:
    """Workers and text by key; `keys` are those of the webhook."""
    alert = AlertSection.model_validate({**NAMED, **keys})
    return {
        key: (one.workers, one.text)
        for key, one in conditions(state(*workers, parked=parked, faults=faults), alert).items()
    }


def state(*workers: dict[str, Any], parked: int = 0, faults: Any = ()) -> DaemonState:
    totals = {"parked": parked}
    return DaemonState({"state": "degraded", "workers": workers, "totals": totals}, {"faults": dict(faults)})


LETTERS = 1001
NAMED = {"name": "ops", "url": "http://x"}
PROCESSORS = [worker(f"processor-order-{n}", "processor") for n in range(6)]


def test_a_fault_of_many_workers_is_one() -> None:
    faults = {one["name"]: {"kafka": f"no broker {n % 5}"} for n, one in enumerate(PROCESSORS)}
    found = seen(*PROCESSORS, faults={**faults, "supervisor": {"disk": "full"}})
    assert found.pop("fault:disk:supervisor") == (("supervisor",), "full")
    names = tuple(one["name"] for one in PROCESSORS)
    assert found == {"fault:kafka:processor": (names, "no broker 0; no broker 1; no broker 2; and 2 more")}
    assert seen(*PROCESSORS) == {}


def test_a_worker_that_is_down_is_a_fault() -> None:
    down = worker("corrector-0", "corrector", "fatal", last_error="no way on")
    assert seen(down) == {"fault:down:corrector": (("corrector-0",), "no way on")}


def test_its_own_failure_is_told_to_others_only() -> None:
    faults = {"alerts": {"webhook ops": "no answer", "webhook other": "no answer"}}
    assert list(seen(worker("alerts", "alerts"), faults=faults)) == ["fault:webhook other:alerts"]


def test_bounds_are_for_who_wants_them() -> None:
    late = worker("processor-order-0", "processor", lag=12000, lag_s=301.0)
    assert seen(late, parked=LETTERS) == {}
    above = AlertSection.model_validate({**NAMED, "parked": LETTERS - 1, "lag": "5 min"})
    assert [one.text for one in conditions(state(late, parked=LETTERS), above).values()] == [
        "1,001 dead letters are parked, more than 1,000",
        "5m01s behind, 12,000 events wait",
    ]
    at = AlertSection.model_validate({**NAMED, "parked": LETTERS, "lag": "301 s"})
    assert conditions(state(late, parked=LETTERS), at) == {}


def test_without_a_corrector_nobody_knows_what_is_parked() -> None:
    assert unknown(state(worker("corrector-0", "corrector"))) == frozenset()
    assert unknown(state(worker("corrector-0", "corrector", "backoff"))) == {"parked"}
