"""The console over HTTP, where nothing behind it answers: who gets in, and what is said."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from etld.config import Config, parse
from etld.console import main
from etld.console.access import users
from etld.console.access.log_in_limit import TRIES
from etld.util.ports import free_port
from etld.worker import Addresses, SlotSpec, Worker
from support.browser import Browser
from support.daemon import ROOT
from support.waiting import wait_until

PASSWORD = "correct horse"


def _config(directory: Path, port: int, roles: dict[str, str]) -> Config:
    lines = [f"[console]\nport = {port}\n[event_types.order]\n"]
    if roles:
        file = directory / "users.toml"
        hashed = users.digest(PASSWORD)
        file.write_text("".join(f'[{name}]\nrole = "{role}"\nscrypt = "{hashed}"\n' for name, role in roles.items()))
        lines[0] = lines[0].replace("[event", f'users_file = "{file}"\nsession_idle = "5 min"\n[event')
    return parse("".join(lines), ROOT / "config" / "etld.toml", {})


@contextlib.contextmanager
def _running(directory: Path, roles: dict[str, str], port: int = 0) -> Iterator[tuple[Worker, str]]:
    """A console whose daemon and database are away."""
    config = _config(directory, port or free_port(), roles)
    away = f"postgresql://etld@127.0.0.1:{free_port()}/etld"
    where = Addresses("", "127.0.0.1:1", away, "embedded", str(directory / "none.sock"), console=config.console.url())
    worker = Worker(config, SlotSpec("console", "console", 0, None), where)
    thread = threading.Thread(target=main.run, args=(worker,), daemon=True)
    thread.start()
    try:
        yield worker, config.console.url()
    finally:
        worker.request_stop()
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Callable[..., Browser]]:
    """Starts a console for the roles of users; gives a browser."""
    with contextlib.ExitStack() as stack:

        def start(**roles: str) -> Browser:
            _, base = stack.enter_context(_running(tmp_path, roles))
            browser = Browser(base)
            wait_until(lambda: _answers(browser), 30.0, "the console answers")
            return browser

        yield start


def _answers(browser: Browser) -> bool:
    with contextlib.suppress(OSError):
        return browser.get("/assets/console.css").status == 200
    return False


def test_other_names_and_other_sites_are_refused(console: Callable[..., Browser]) -> None:
    """DNS rebinding, and forms of other sites; the answers allow nothing inline."""
    browser = console()
    for path in ("/", "/api/v1/flow", "/live/flow", "/audit.csv", "/nothing"):
        assert browser.get(path, Host="evil.example").status == 403, path
    shown = browser.get("/workers")
    assert browser.cookies
    kept = dict(browser.cookies)
    browser.get("/workers")
    assert browser.cookies == kept
    assert "<h1>Not done</h1>" in shown.text  # the daemon is away
    assert shown.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
    form = {"target": "ingest", "token": "x"}
    assert browser.post("/actions/workers/restart", form, Origin="http://evil.example").status == 403
    assert browser.post("/actions/workers/restart", form, Origin="null").status == 403
    assert "earlier session" in browser.post("/actions/workers/restart", form).text
    body = {"target": "ingest"}
    assert browser.call("/api/v1/workers/restart", body, Origin="http://evil.example").status == 403
    assert browser.call("/api/v1/workers/restart", body, Sec_Fetch_Site="cross-site").status == 403
    plain = browser.call("/api/v1/workers/restart", body, Content_Type="text/plain")
    assert (plain.status, plain.json["message"]) == (415, "Send application/json.")


def test_what_is_away_is_told(console: Callable[..., Browser]) -> None:
    """No page hangs, and nothing is done that cannot be noted in the audit."""
    browser = console()
    assert "not running" in browser.get("/api/v1/flow").json["message"]
    away = browser.get("/api/v1/audit")
    assert (away.status, "PostgreSQL does not answer" in away.json["message"]) == (503, True)
    done = browser.call("/api/v1/workers/restart", {"target": "ingest"})
    assert (done.status, done.json["outcome"]) == (409, "failed")
    assert "could not be noted in etld.audit" in done.json["message"]
    assert browser.get("/nothing").status == 404
    assert browser.get("/api/v1/nothing").json["code"] == 404
    assert browser.get("/assets/..%2fpage.py").status == 404
    assert browser.call("/api/v1/workers/scale", {"target": "ingest", "count": 65}).status == 400
    assert browser.call("/api/v1/workers/scale", ["x"]).status == 400
    assert browser.get("/audit?before=x").status == 400


def test_users_log_in(console: Callable[..., Browser]) -> None:
    """With an id that the browser did not have before; a viewer can do nothing; out is out."""
    browser = console(alice="viewer", bob="operator")
    sent = browser.get("/audit?who=a%20b")
    assert sent.status == 303
    assert parse_qs(urlsplit(sent.headers["location"]).query) == {"next": ["/audit?who=a%20b"]}
    assert browser.get("/api/v1/flow").status == 401
    assert browser.get("/live/flow").status == 401
    assert browser.call("/api/v1/workers/restart", {"target": "ingest"}).status == 401
    name = f"etld_session_{browser.base.rpartition(':')[2]}"
    browser.cookies = {name: "chosen-by-somebody-else"}
    entered = browser.log_in("alice", PASSWORD, "/audit?who=a%20b")
    assert (entered.status, entered.headers["location"]) == (303, "/audit?who=a%20b")
    flags = entered.headers["set-cookie"]
    assert all(flag in flags for flag in ("HttpOnly", "SameSite=Strict")), flags
    first = browser.cookies[name]
    assert first != "chosen-by-somebody-else"
    assert Browser(browser.base, {name: "chosen-by-somebody-else"}).get("/").status == 303
    shown = browser.get("/audit")
    assert (shown.status, "alice (viewer)" in shown.text) == (503, True)  # PostgreSQL is away
    browser.log_in("alice", PASSWORD)
    assert browser.cookies[name] != first
    assert Browser(browser.base, {name: first}).get("/").status == 303
    left = browser.post("/log-out", {"token": browser.get("/audit").token})
    assert left.status == 303
    assert browser.get("/").status == 303


def test_guesses_are_few(console: Callable[..., Browser]) -> None:
    """Neither the names nor more than a few passwords are found out."""
    browser = console(alice="viewer")
    told = [browser.log_in(name, "wrong password") for name in ("alice", "nobody")]
    assert [one.status for one in told] == [401, 401]
    assert told[0].text.replace("alice", "") == told[1].text.replace("nobody", "")
    last = [browser.log_in("alice", f"guess {n}").status for n in range(TRIES)]
    assert (last[0], last[-1]) == (401, 429)
    refused = browser.log_in("alice", PASSWORD)
    assert (refused.status, int(refused.headers["retry-after"]) > 0) == (429, True)


def test_nobody_is_sent_elsewhere_by_a_log_in(console: Callable[..., Browser]) -> None:
    browser = console(alice="viewer")
    assert browser.log_in("alice", PASSWORD, "https://evil.example/").headers["location"] == "/"


def test_a_port_in_use_is_a_fault(tmp_path: Path) -> None:
    """And no end of the worker; when it is free, the console is there."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with _running(tmp_path, {}, port) as (worker, base):
            fault = wait_until(lambda: worker.metrics.faults.get("console"), 30.0, "a fault")
            assert f"127.0.0.1:{port} is in use by another program" in fault
            other.close()
            wait_until(lambda: _answers(Browser(base)), 30.0, "the console answers")
            wait_until(lambda: not worker.metrics.faults, 30.0, "no fault is left")
