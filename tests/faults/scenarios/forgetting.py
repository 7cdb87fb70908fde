"""An erasure that is broken off: the same command goes on, and nothing of the subject is left."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
import uuid
from pathlib import Path

from faults.run import Run
from faults.scenarios import fault

_EVENTS = 300
#: Who is killed; "" is the command itself, at these states of its erasure.
_VICTIMS = ("", "processor-purchase-0", "", "aggregator-0", "", "corrector-0")
_STATES = ("begun", "reading", "active")


@fault("kill-in-forget", "kill -9 `etld forget`, or a worker, in the midst of an erasure")
def kill_in_forget(run: Run) -> None:
    with run.load():
        for turn in range(max(len(_VICTIMS), run.options.kills)):
            victim, user = _VICTIMS[turn % len(_VICTIMS)], 4_000_000 + turn
            _send(run, user)
            command = _forget(run, user)
            if victim:
                pid = run.kill(victim)
                run.replaced(victim, pid)
            else:
                state = _STATES[turn // 2 % len(_STATES)]
                run.until(lambda s=state, c=command: _state(run) == s or c.poll() is not None, f"it is {state}")
                run.fired += command.poll() is None
                command.kill()
                command.wait()
            command.wait(120)
            if command.returncode != 0:
                again = _forget(run, user)
                _, said = again.communicate(timeout=120)
                run.expect(
                    again.returncode == 0, f"the erasure of {user} does not come to its end: {said.decode()[-300:]}"
                )
            left = run.system.sql(
                "SELECT (SELECT count(*) FROM processed_events WHERE user_details ->> 'user_id' = %s)"
                " + (SELECT count(*) FROM etld.dead_letter WHERE value LIKE %s)",
                (str(user), f"%{user}%".encode()),
            )
            run.expect(left == [(0,)], f"of {user} {left} are left")
            run.recovered()
    unfinished = run.system.sql("SELECT count(*) FROM etld.erasure WHERE state <> 'done'")
    run.expect(unfinished == [(0,)], f"{unfinished} erasures have come to no end")


def _send(run: Run, user: int) -> None:
    """Events of a subject, past the ledger: every tenth can be repaired, and as many cannot."""
    batch = []
    for number in range(_EVENTS):
        price = (f" {number}.5 ", "none")[number % 10] if number % 10 < 2 else number / 4
        batch.append(
            {
                "event_id": str(uuid.UUID(int=run.rng.getrandbits(128), version=4)),
                "event_name": "payment_successful",
                "event_type": "purchase",
                "triggered_at": "2026-01-02T03:04:05Z",
                "user_details": {"user_id": user, "country": "DE"},
                "event_details": {"item_id": number, "item_name": "thing", "price": price},
            }
        )
    body = json.dumps({"batch": batch}).encode()
    request = urllib.request.Request(f"{run.system.daemon.http}/v1/batch", body, {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=30).close()


def _forget(run: Run, user: int) -> subprocess.Popen[bytes]:
    daemon = run.system.daemon
    return subprocess.Popen(
        [str(Path(sys.executable).with_name("etld")), "forget", f"user_id={user}", "--yes"],
        env=daemon.env,
        cwd=daemon.directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def _state(run: Run) -> str | None:
    rows = run.system.sql("SELECT state FROM etld.erasure ORDER BY id DESC LIMIT 1")
    return str(rows[0][0]) if rows else None
