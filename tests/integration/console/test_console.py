"""The console of a real daemon: its pages, what is done from them, who may, and what a browser makes of it."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from etld.console.pages import PAGES
from etld.control.client import ControlConnection
from etld.util.ports import free_port
from support.browser import Browser
from support.chromium import SCREENSHOTS, WatchedPage, axe, chromium
from support.clients import post
from support.daemon import Daemon
from support.events import event
from support.waiting import wait_until
from support.webhook_receiver import receiving

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

PASSWORD = "correct horse"
SCRIPT = "<script>document.title='stolen'</script>"
DESCRIBED = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
#: Width and scheme; places of things depend on the one and colours on the other.
LOOKS = ((375, "light"), (1280, "light"), (1280, "dark"), (2560, "dark"))
EVERY_LOOK = tuple((width, scheme) for width in (375, 1280, 2560) for scheme in ("light", "dark"))
#: The width at which axe-core looks too.
THOROUGHLY = 1280


@pytest.fixture(scope="module")
def daemon(make_daemon: Callable[[], Daemon]) -> Iterator[Daemon]:
    made = make_daemon()
    made.configure({"console.enabled": True, "console.port": free_port()})
    with made.running():
        yield made


@pytest.fixture
def browser(daemon: Daemon) -> Browser:
    return Browser(f"http://127.0.0.1:{daemon.settings()['console']['port']}")


def audited(daemon: Daemon) -> list[tuple[Any, ...]]:
    with psycopg.connect(daemon.dsn) as conn:
        return conn.execute(
            "SELECT who, role, address, action, arguments, outcome FROM etld.audit ORDER BY id"
        ).fetchall()


def test_the_address_is_told(daemon: Daemon, browser: Browser) -> None:
    assert daemon.status()["addresses"]["console"] == browser.base
    assert daemon.cli("open", "--print").stdout.strip() == browser.base


def test_every_page_and_its_json(daemon: Daemon, browser: Browser) -> None:
    """With what flows now; what an event says of itself is text and nothing else."""
    good, broken = event(details={"item_name": SCRIPT}), event(details={"item_name": SCRIPT, "price": "a lot"})
    port = daemon.settings()["ingest"]["port"]
    answers = [post(port, "/track", json.dumps(one).encode()) for one in (good, broken)]
    assert [status for status, _ in answers] == [200, 202]
    wait_until(lambda: daemon.status()["totals"]["stored"] >= 1, 60.0, "the event is stored")
    for page in PAGES:
        if "{" in page.path:
            continue
        shown = browser.get(page.path)
        assert shown.status == 200, page.name
        assert SCRIPT not in shown.text
        assert browser.get(page.api_path).json, page.name
    life = browser.get(f"/events/{answers[0][1]['event_id']}")
    assert (life.status, SCRIPT in life.text, "&lt;script&gt;" in life.text) == (200, False, True)
    flow = wait_until(lambda: _stored(browser), 60.0, "the page shows the event")
    assert [stage["name"] for stage in flow["stages"]] == ["http", "kafka", "rows", "summaries", "letters"]
    assert flow["addresses"]["console"] == browser.base
    topics = browser.get("/api/v1/topics?topic=event_purchase").json["topics"]
    assert [topic["name"] for topic in topics] == ["event_purchase"]
    groups = {reader["group"]: reader["partitions"] for reader in topics[0]["readers"]}
    assert sum(row["stored"] for row in groups["etld-processor-purchase"]) >= 1
    assert browser.get("/api/v1/openapi.json").json["paths"].keys() >= {page.api_path for page in PAGES}


def _stored(browser: Browser) -> Any:
    flow = browser.get("/api/v1/flow").json
    return flow if flow["totals"]["stored"] >= 1 else None


def test_what_is_live_comes_by_itself(daemon: Daemon, browser: Browser) -> None:
    """A part of the page, when something has changed: a second browser sees what the first one does."""
    with _events(browser, "/live/workers") as lines:
        assert "running" in lines("processor-order-0")
        pause = browser.call("/api/v1/workers/pause", {"target": "processor-order-0"})
        assert (pause.status, pause.json["outcome"]) == (200, "done"), pause.text
        assert "paused" in lines('class="state paused"')
        assert browser.call("/api/v1/workers/resume", {"target": "processor-order-0"}).status == 200
    assert daemon.worker("processor-order-0")["state"] in ("running", "paused")


class _events:  # noqa: N801  # as a function
    """The server-sent events of a path; `lines(text)` reads on until one holds the text."""

    def __init__(self, browser: Browser, path: str) -> None:
        import http.client
        from urllib.parse import urlsplit

        where = urlsplit(browser.base)
        self._connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
        self._connection.request("GET", path)
        self._answer = self._connection.getresponse()

    def __enter__(self) -> Callable[[str], str]:
        return self._read

    def _read(self, text: str) -> str:
        seen = ""
        while text not in seen:
            line = self._answer.readline().decode()
            assert line, "the console ended it"
            seen += line
        return seen

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def test_what_is_done_is_audited(daemon: Daemon, browser: Browser) -> None:
    """A form, its answer on the next page, and its row; what fails has one too."""
    before = len(audited(daemon))
    token = browser.get("/workers").token
    form = {"token": token, "target": "corrector", "back": "/workers?kind=corrector"}
    sent = browser.post("/actions/workers/restart", form)
    assert (sent.status, sent.headers["location"]) == (303, "/workers?kind=corrector")
    shown = browser.get("/workers?kind=corrector")
    assert 'class="note good"' in shown.text, shown.text
    assert "processor-order-0" not in shown.text
    assert 'class="note good"' not in browser.get("/workers?kind=corrector").text
    failed = browser.call("/api/v1/topics/resume", {"topic": "event_order", "reason": "a test"})
    assert (failed.status, "not halted" in failed.json["message"]) == (409, True)
    assert browser.call("/api/v1/flow/compare", {}).json["outcome"] in ("done", "under way")
    wait_until(lambda: audited(daemon)[-1][-1] == "done", 60.0, "the comparison is done")
    assert browser.get("/api/v1/flow").json["verdict"]["ok"] is True
    rows = wait_until(lambda: _ended(audited(daemon)[before:]), 60.0, "the restart has its outcome")
    assert rows == [
        ("local", "admin", "127.0.0.1", "workers/restart", {"target": "corrector"}, "done"),
        ("local", "admin", "127.0.0.1", "topics/resume", {"topic": "event_order", "reason": "a test"}, rows[1][-1]),
        ("local", "admin", "127.0.0.1", "flow/compare", {}, "done"),
    ]
    assert rows[1][-1].startswith("failed: event_order is not halted")
    assert "workers/restart" in browser.get("/audit?action=workers/").text
    assert "topics/resume" not in browser.get("/audit?action=workers/").text
    assert browser.get("/audit.csv").text.startswith("id,at,node,who,")


def _ended(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]] | None:
    return None if any(row[-1] == "under way" for row in rows) else rows


def test_commands_are_audited_too(daemon: Daemon, browser: Browser) -> None:
    """With the user of the operating system, and what came of them; what stands in events stays out of it."""
    before = len(audited(daemon))
    daemon.cli("pause", "processor-order")
    daemon.cli("resume", "processor-order")
    daemon.cli("forget", "user_id=4711", "--dry-run")
    assert daemon.cli("forget", "user_id=4711", "--yes").stderr.count("etld.audit") == 0
    assert daemon.cli("dlq", "discard", "abcdef", "--reason", "a test", "--yes", check=False).returncode == 1
    rows = audited(daemon)[before:]
    assert {row[:3] for row in rows} == {(getpass.getuser(), "admin", "cli")}
    assert [row[3:] for row in rows] == [
        ("workers/pause", {"target": "processor-order"}, "done"),
        ("workers/resume", {"target": "processor-order"}, "done"),
        ("events/forget", {"fields": "user_id"}, "done"),
        (
            "dead-letters/discard",
            {"ids": "abcdef", "reason": "a test"},
            "failed: there is no dead letter abcdef",
        ),
    ]
    assert getpass.getuser() in browser.get("/audit?action=workers/pause").text


def test_commands_run_from_pages(daemon: Daemon, browser: Browser) -> None:
    """They do what they do at a terminal, for whom the page is; nothing given to them is taken for an option."""
    before = len(audited(daemon))
    done = browser.call("/api/v1/events/forget", {"field": "user_id", "value": "4712", "reason": "asked to"})
    assert done.status in (200, 202), done.text
    wait_until(lambda: _ended(audited(daemon)), 60.0, "the erasure is over")
    subject = {"field": "user_id", "value": "4712"}
    wait_until(lambda: "0 events and 0 dead" in browser.call("/api/v1/events/count", subject).text, 60.0, "it counts")
    sly = browser.call("/api/v1/topics/rewind", {"type": "--help", "since": "earliest", "reason": "a test"})
    assert sly.status in (202, 409), sly.text
    wait_until(lambda: _ended(audited(daemon)), 60.0, "the first is over")
    again = browser.call("/api/v1/topics/rewind", {"type": "order", "since": "earliest", "reason": "a test"})
    assert again.status in (200, 202), again.text
    rows = wait_until(lambda: _ended(audited(daemon)[before:]), 60.0, "all are over")
    assert [(row[0], *row[3:]) for row in rows] == [
        ("local", "events/forget", {"field": "user_id", "reason": "asked to"}, "done"),
        (
            "local",
            "topics/rewind",
            {"type": "--help", "since": "earliest", "reason": "a test"},
            "failed: there is no event type '--help'",
        ),
        ("local", "topics/rewind", {"type": "order", "since": "earliest", "reason": "a test"}, "done"),
    ]
    with psycopg.connect(daemon.dsn) as conn:
        assert conn.execute("SELECT requested_by FROM etld.erasure ORDER BY id DESC LIMIT 1").fetchone() == ("local",)


def test_events_flow_without_it(daemon: Daemon, browser: Browser) -> None:
    """Killed as the kernel would when memory is short; it comes back by itself."""
    before = daemon.status()["totals"]["stored"]
    with psycopg.connect(daemon.dsn) as conn:
        conn.execute(
            "INSERT INTO etld.audit (node, who, role, address, action, arguments, at)"
            " SELECT node, 'lost', role, address, action, arguments, now() - interval '1 hour' FROM etld.audit LIMIT 1"
        )
    os.kill(daemon.worker("console")["pid"], signal.SIGKILL)
    assert post(daemon.settings()["ingest"]["port"], "/track", json.dumps(event("order")).encode())[0] == 200
    wait_until(lambda: daemon.status()["state"] == "ready", 60.0, "the console is back")
    wait_until(lambda: _status(browser) == 200, 60.0, "the console answers")
    assert daemon.worker("console")["restarts"] >= 1
    wait_until(lambda: daemon.status()["totals"]["stored"] > before, 60.0, "the event is stored")
    ended = wait_until(lambda: _ended([row for row in audited(daemon) if row[0] == "lost"]), 60.0, "it has an end")
    assert ended[0][-1].startswith("failed: the console ended before this did")


def test_filters_are_values(daemon: Daemon, browser: Browser) -> None:
    """SQL and patterns in them find nothing and break nothing."""
    for text in ("' OR 1=1 --", "%", "\\", '"; DROP TABLE etld.audit; --', "\N{RIGHT-TO-LEFT OVERRIDE}x", SCRIPT):
        found = browser.ask("GET", f"/audit?who={_quoted(text)}", None, {})
        assert found.status == 200, text
        assert "Nothing matches" in found.text, text
        assert SCRIPT not in found.text
    assert audited(daemon)


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")


def test_in_a_browser(daemon: Daemon, browser: Browser) -> None:
    """No page is wider than the screen, complains, asks anybody else, or is against the rules of axe-core."""
    paths = [page.path for page in PAGES if "{" not in page.path]
    event_id = browser.get("/api/v1/events").json["rows"][0]["event_id"]
    letter = browser.get("/api/v1/dead-letters").json["letters"][0]["id"]
    paths += [f"/events/{event_id}", f"/dead-letters/{letter}", "/dead-letters?preview=discard", "/events?until=x"]
    wrong: list[str] = []
    with chromium() as program:
        for width, scheme in EVERY_LOOK if SCREENSHOTS else LOOKS:
            tab = WatchedPage(program, browser.base, width, scheme)
            for path in paths:
                tab.look(path, thoroughly=width == THOROUGHLY)
            tab.page.close()
            wrong += tab.wrong
        plain = WatchedPage(program, browser.base, java_script_enabled=False)
        for path in paths:
            plain.open(path)
        wrong += plain.wrong
    # What the last of the pages is answered with.
    assert [one for one in wrong if "status of 400" not in one] == []
    if axe() is None:
        pytest.skip("all but axe-core: npm cannot install it")


_NOTE_WHAT_IS_SAID = """
window.said = [];
new MutationObserver(() => said.push(connection.textContent)).observe(connection, {childList: true});
"""


def test_two_browsers(daemon: Daemon, browser: Browser) -> None:
    """What one does the other sees; a tab that nobody sees asks nothing; when the console is gone, a page says so."""
    with chromium() as program:
        one, other = (WatchedPage(program, browser.base) for _ in range(2))
        one.open("/workers?kind=processor")
        other.open("/workers?kind=processor")
        row = "tr:has(th:text-is('processor-order-0'))"
        began = time.monotonic()
        one.page.click(f"{row} button:text-is('Pause')")
        other.page.wait_for_selector(f"{row} .paused", timeout=60_000)
        print(f"seen by the other after {time.monotonic() - began:.1f} s")
        one.page.click(f"{row} button:text-is('Resume')")
        other.page.wait_for_selector(f"{row} .running", timeout=60_000)
        other.page.wait_for_selector(".log p", timeout=60_000)
        one.page.keyboard.press("g")
        one.page.keyboard.press("e")
        one.page.wait_for_url("**/events", timeout=60_000)
        made = post(daemon.settings()["ingest"]["port"], "/track", json.dumps(event("order")).encode())[1]
        one.page.wait_for_selector(f"a[href='/events/{made['event_id']}']", timeout=120_000)
        other.page.evaluate(_NOTE_WHAT_IS_SAID)  # the command may return when it is connected again
        daemon.cli("restart", "console")
        for said in ("No connection", "Connected again"):
            other.page.wait_for_function("(text) => said.some((one) => one.includes(text))", arg=said, timeout=60_000)
        assert one.page.title()  # which came back as well
        other.page.evaluate("Object.defineProperty(document, 'hidden', {value: true})")
        other.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        assert other.page.evaluate("source") is None


def _status(browser: Browser) -> int:
    """0 while it begins anew."""
    with contextlib.suppress(OSError):
        return browser.get("/").status
    return 0


def described(browser: Browser, *options: str) -> None:
    """Schemathesis finds no answer that /api/v1/openapi.json does not tell of."""
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        f"{browser.base}/api/v1/openapi.json",
        "--seed=8",
    ]
    command += [f"--checks={DESCRIBED}", "--phases=examples,coverage,fuzzing", *options]
    if browser.cookies:
        command += ["-H", "Cookie: " + "; ".join(f"{name}={value}" for name, value in browser.cookies.items())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout[-6000:]


def test_the_api_is_as_described(browser: Browser) -> None:
    """Whatever is asked of the pages."""
    described(browser, "--include-method=GET", "--max-examples=5")


def test_a_slow_database_is_told_and_harms_nobody(daemon: Daemon, browser: Browser) -> None:
    """A lock that does not end, and every connection taken: 503 with the reason in time; what needs neither goes on."""
    stored = daemon.status()["totals"]["stored"]
    with psycopg.connect(daemon.dsn) as conn, ThreadPoolExecutor(6) as threads:
        conn.execute("LOCK TABLE etld.audit")
        asked = [threads.submit(_timed, browser, "/api/v1/audit") for _ in range(6)]
        wait_until(lambda: 'etld_console_connections{worker="console"} 4.0' in _metrics(daemon), 30.0, "all are taken")
        assert browser.get("/api/v1/workers").status == 200
        assert post(daemon.settings()["ingest"]["port"], "/track", json.dumps(event("order")).encode())[0] == 200
        wait_until(lambda: daemon.status()["totals"]["stored"] > stored, 60.0, "the event is stored")
        answers = [one.result() for one in asked]
    assert {status for status, _, _ in answers} == {503}
    texts = [text for _, text, _ in answers]
    assert any("none of the 4 connections" in text for text in texts), texts
    assert any("statement timeout" in text for text in texts), texts
    assert max(seconds for _, _, seconds in answers) < 20.0
    assert browser.get("/audit").status == 200
    line = 'etld_console_requests_total{path="/api/v1/audit",status="503",worker="console"}'
    wait_until(lambda: line in _metrics(daemon), 30.0, "they are counted")


def _timed(browser: Browser, path: str) -> tuple[int, str, float]:
    began = time.monotonic()
    answer = browser.get(path)
    return answer.status, answer.text, time.monotonic() - began


def _metrics(daemon: Daemon) -> str:
    with ControlConnection(daemon.state_dir / "etld.sock", 10.0) as connection:
        return str(connection.ask("metrics")["text"])


def test_a_webhook_is_tried_from_its_page(daemon: Daemon, browser: Browser) -> None:
    """With a button; what it answers is the note on the page, and in the audit."""
    with receiving() as receiver:
        daemon.configure({"alerts": [{"name": "ops", "url": receiver.url}]})
        daemon.cli("reload")
        shown = browser.get("/alerts")
        assert f"127.0.0.1:{receiver.port}/***" in shown.text
        assert "/hook" not in shown.text
        form = {"token": shown.token, "webhook": "ops", "back": "/alerts"}
        assert browser.post("/actions/alerts/test", form).status == 303
        assert "ops has taken the test." in browser.get("/alerts").text
        assert len(receiver.told("test")) == 1
        receiver.status = 500
        failed = browser.call("/api/v1/alerts/test", {"webhook": "ops"})
        assert (failed.status, "answered 500: so it is" in failed.json["message"]) == (409, True)
        assert audited(daemon)[-1][3:5] == ("alerts/test", {"webhook": "ops"})
        daemon.configure({"alerts": []})
        daemon.cli("reload")
    assert browser.get("/api/v1/alerts").json == {"webhooks": []}


def test_viewers_see_and_nothing_more(daemon: Daemon, browser: Browser) -> None:
    """With users the console asks who comes; a viewer's form and call are refused, and both are on record."""
    file = daemon.directory / "config" / "users.toml"
    secret = daemon.directory / "password"
    secret.write_text(PASSWORD)
    for name, role in (("alice", "viewer"), ("bob", "operator")):
        daemon.cli("console", "user", "add", name, "--role", role, "--file", str(file), "--password-file", str(secret))
    assert PASSWORD not in file.read_text()
    assert daemon.cli("console", "user", "list", "--file", str(file)).stdout.split() == [
        "alice", "viewer", "bob", "operator",
    ]  # fmt: skip
    daemon.configure({"console.host": "0.0.0.0"})
    refused = daemon.cli("reload", check=False)
    assert refused.returncode != 0
    assert "console.users_file: is missing" in refused.stderr
    daemon.configure({"console.host": "127.0.0.1", "console.users_file": str(file)})
    daemon.cli("reload")
    wait_until(lambda: _status(browser) == 303, 60.0, "the console asks who comes")
    assert browser.log_in("alice", PASSWORD).status == 303
    shown = browser.get("/workers")
    assert (shown.status, "disabled" in shown.text) == (200, True)
    before = len(audited(daemon))
    browser.post("/actions/workers/restart", {"token": shown.token, "target": "ingest"})
    assert "Needs the role operator; yours is viewer." in browser.get("/workers").text
    assert browser.call("/api/v1/workers/pause", {"target": "ingest"}).status == 403
    told = browser.get("/api/v1/openapi.json").json["paths"]
    posts = {
        path: item["post"]
        for path, item in told.items()
        if "role viewer" not in item.get("post", {}).get("summary", "role viewer")
    }
    assert len(posts) > 25
    for path, post_ in posts.items():
        fields = post_["requestBody"]["content"]["application/json"]["schema"]["properties"]
        done = browser.call(path, {name: 1 if field["type"] == "integer" else "x" for name, field in fields.items()})
        assert (done.status, done.json["outcome"]) == (403, "refused"), path
    rows = audited(daemon)[before:]
    described(browser, "--include-method=POST", "--max-examples=3")
    assert {row[:3] for row in rows} == {("alice", "viewer", "127.0.0.1")}
    assert all(row[-1].startswith("refused: ") for row in rows)
    daemon.cli("console", "user", "remove", "alice", "--file", str(file))
    assert browser.get("/workers").status == 303
    other = Browser(browser.base)
    other.log_in("bob", PASSWORD)
    done = other.call("/api/v1/workers/restart", {"target": "corrector"})
    assert done.status in (200, 202), done.text
    assert json.dumps(audited(daemon)[-1][:2]) == '["bob", "operator"]'
