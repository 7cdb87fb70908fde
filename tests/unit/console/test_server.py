"""The console over HTTP, where nothing behind it answers: who gets in, and what is said."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import tomli_w

from etld.config import Config, parse
from etld.console import main
from etld.console.access import tokens, users
from etld.console.access.log_in_limit import TRIES
from etld.console.access.tokens import BearerToken
from etld.errors import ConfigError
from etld.supervisor.config_checks import parse as load_checked
from etld.util.ports import free_port
from etld.worker import Addresses, SlotSpec, Worker
from etld.worker.metrics import key
from support.browser import Browser
from support.daemon import ROOT
from support.waiting import wait_until

PASSWORD = "correct horse"


def _config(directory: Path, port: int, roles: dict[str, str], more: str) -> Config:
    lines = [f'state_dir = "{directory}"\n[console]\nport = {port}\n{more}\n[event_types.order]\n']
    if roles:
        file = directory / "users.toml"
        hashed = users.digest(PASSWORD)
        file.write_text("".join(f'[{name}]\nrole = "{role}"\nscrypt = "{hashed}"\n' for name, role in roles.items()))
        lines[0] = lines[0].replace("[event", f'users_file = "{file}"\nsession_idle = "5 min"\n[event')
    return parse("".join(lines), ROOT / "config" / "etld.toml", {})


@contextlib.contextmanager
def _running(directory: Path, roles: dict[str, str], port: int = 0, more: str = "") -> Iterator[tuple[Worker, str]]:
    """A console whose daemon and database are away; `more` stands in its [console]."""
    config = _config(directory, port or free_port(), roles, more)
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
    """Starts a console for the roles of users, with `more` in its [console]; gives a browser."""
    with contextlib.ExitStack() as stack:

        def start(more: str = "", **roles: str) -> Browser:
            _, base = stack.enter_context(_running(tmp_path, roles, more=more))
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
    nothing = browser.get("/api/v1/nothing").json
    assert (nothing["code"], nothing["explain"]) == (404, "ETLD-U004")
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


def _tokens(file: Path, **tables: BearerToken) -> str:
    """Write the file; the line that has the console read it."""
    file.write_bytes(tomli_w.dumps({name: token.table() for name, token in tables.items()}).encode())
    return f'tokens_file = "{file}"'


def test_programs_come_with_a_token(console: Callable[..., Browser], tmp_path: Path) -> None:
    """To the API alone, in its role, from wherever; Origin does not matter, and one whose time is over is none."""
    seeing, acting, late = (tokens.new_token() for _ in range(3))
    file = tmp_path / "tokens.toml"
    known = {
        "reader": BearerToken("reader", "viewer", tokens.digest(seeing)),
        "deploy": BearerToken("deploy", "operator", tokens.digest(acting), datetime(2100, 1, 1, tzinfo=UTC)),
        "late": BearerToken("late", "admin", tokens.digest(late), datetime(2020, 1, 1, tzinfo=UTC)),
    }
    browser = console(_tokens(file, **known), alice="viewer")
    away = browser.get("/api/v1/flow", Authorization=f"Bearer {seeing}", Host="console.example")
    assert (away.status, "not running" in away.json["message"]) == (503, True)
    assert "set-cookie" not in away.headers
    body, foreign = {"webhook": "nobody"}, {"Origin": "http://elsewhere.example"}
    refused = browser.call("/api/v1/alerts/test", body, Authorization=f"Bearer {seeing}", **foreign)
    assert refused.status == 409  # PostgreSQL is away, so it cannot be noted that a viewer tried
    assert browser.call("/api/v1/alerts/test", body, Authorization=f"bearer {acting}", **foreign).status == 409
    wrong = browser.get("/api/v1/flow", Authorization=f"Bearer {late}")
    assert (wrong.status, "its time is over" in wrong.json["message"]) == (401, True)
    assert browser.get("/workers", Authorization=f"Bearer {acting}").status == 303
    assert browser.post("/actions/alerts/test", body, Authorization=f"Bearer {acting}").status == 401
    written = wait_until(lambda: tokens.last_uses(tmp_path / "console_tokens.json"), 30.0, "the uses are written")
    assert {known["reader"].sha256, known["deploy"].sha256} >= set(written) > set()
    assert not any(secret in file.read_text() for secret in (seeing, acting, late))
    del known["reader"]
    _tokens(file, **known)
    assert browser.get("/api/v1/flow", Authorization=f"Bearer {seeing}").status == 401


def test_guessing_at_tokens_is_slow(console: Callable[..., Browser], tmp_path: Path) -> None:
    """Who has a good one is not kept out by it, nor who logs in."""
    good = tokens.new_token()
    file = tmp_path / "tokens.toml"
    line = _tokens(file, one=BearerToken("one", "viewer", tokens.digest(good)))
    browser = console(line, alice="viewer")
    told = [browser.get("/api/v1/flow", Authorization=f"Bearer guess{n}") for n in range(TRIES + 1)]
    assert [one.status for one in told] == [401] * TRIES + [429]
    assert int(told[-1].headers["retry-after"]) > 0
    assert browser.get("/api/v1/flow", Authorization=f"Bearer {good}").status == 503
    assert browser.log_in("alice", PASSWORD).status == 303


NO_ROLE = " has no role here: [console.trusted_roles] gives one."
PROXY = """
trusted_user_header = "X-Remote-User"
trusted_proxies = ["{proxy}"]
trusted_roles = {{ alice = "admin", "*" = "viewer" }}
"""


def test_who_logged_in_at_a_proxy(console: Callable[..., Browser]) -> None:
    """The proxy's word is taken for each request; a form is this session's own, and no other site can send it."""
    browser = console(PROXY.format(proxy="127.0.0.0/8") + "[[alerts]]\nname = 'ops'\nurl = 'http://x/secret'\n")
    asked = browser.get("/audit")
    assert (asked.status, "come by way of the proxy" in asked.text) == (401, True)
    as_alice = {"X-Remote-User": "alice", "Host": "console.example"}
    shown = browser.get("/audit", **as_alice)
    assert (shown.status, "alice (admin)" in shown.text) == (503, True)  # PostgreSQL is away
    assert "/log-out" not in shown.text
    form = {"token": browser.get("/alerts", **as_alice).token, "webhook": "nobody", "back": "/alerts"}
    own = {**as_alice, "Origin": "https://console.example"}
    assert browser.post("/actions/alerts/test", form, **own).status == 303
    assert browser.post("/actions/alerts/test", form, **{**own, "Origin": "https://evil.example"}).status == 403
    assert (
        browser.post("/actions/alerts/test", form, Host="console.example", Origin="https://console.example").status
        == 401
    )
    assert browser.get("/audit", X_Remote_User="bob").text.count("bob (viewer)") == 1
    assert browser.get("/audit").status == 401
    assert browser.get("/audit", X_Remote_User="<script>").status == 403
    kept = dict(browser.cookies)
    assert Browser(browser.base, kept).get("/audit").status == 401


def test_a_strangers_header_is_ignored(console: Callable[..., Browser]) -> None:
    """Only the proxies' addresses count, and where users are there too, strangers log in as ever."""
    browser = console(PROXY.format(proxy="192.0.2.7"), carol="viewer")
    for name in ("alice", "carol", "local", ""):
        assert browser.get("/audit", X_Remote_User=name).status == 303
        assert browser.get("/api/v1/flow", X_Remote_User=name, X_Forwarded_For="192.0.2.7").status == 401
    browser.log_in("carol", PASSWORD)
    assert "carol (viewer)" in browser.get("/audit", X_Remote_User="alice").text


def test_names_without_a_role_are_refused(console: Callable[..., Browser]) -> None:
    lines = PROXY.format(proxy="127.0.0.1").replace(', "*" = "viewer"', "")
    browser = console(lines)
    refused = browser.get("/api/v1/flow", X_Remote_User="bob")
    assert (refused.status, refused.json["message"]) == (
        403,
        "bob has no role here: [console.trusted_roles] gives one.",
    )
    assert browser.get("/api/v1/flow", X_Remote_User="alice").status == 503


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ('host = "0.0.0.0"', "console.users_file: is missing"),
        ('trusted_user_header = "X"', "console.trusted_proxies: is missing"),
        ('trusted_user_header = "X"\ntrusted_proxies = ["::1"]', "console.trusted_roles: is missing"),
        ('trusted_proxies = ["0.0.0.0/0"]', "would have everybody believed"),
        ('trusted_proxies = ["proxy"]', "got 'proxy'"),
    ],
)
def test_what_would_let_everybody_in_is_a_mistake(tmp_path: Path, lines: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_checked(f"[console]\n{lines}\n[event_types.order]\n", ROOT / "config" / "etld.toml")
    assert told in str(caught.value)


def test_its_own_numbers(tmp_path: Path) -> None:
    """By page and status; what is refused is counted."""
    with _running(tmp_path, {"alice": "viewer"}) as (worker, base):
        browser = Browser(base)
        wait_until(lambda: _answers(browser), 30.0, "the console answers")
        browser.log_in("alice", "a wrong password")
        browser.log_in("alice", PASSWORD)
        assert browser.get("/events/one").status == 400
        assert browser.get("/nothing/at/all").status == 404
        counted = worker.metrics.counters
        assert counted[key("console_requests", {"path": "/log-in", "status": 401})] == 1
        assert counted[key("console_requests", {"path": "/log-in", "status": 303})] == 1
        assert counted[key("console_requests", {"path": "/events/{event_id}", "status": 400})] == 1
        assert counted[key("console_requests", {"path": "none", "status": 404})] == 1
        assert worker.metrics.histograms[key("console_request_seconds", {"path": "/log-in"})].total > 0
        failed = key("console_failed_log_ins", {})
        wait_until(lambda: worker.metrics.counters.get(failed) == 1, 30.0, "the failed log-in is counted")
        wait_until(lambda: worker.metrics.gauges.get(key("console_sessions", {})) == 1, 30.0, "a session is counted")
        assert worker.metrics.gauges[key("console_connections", {})] == 0
