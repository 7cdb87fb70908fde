"""A real Superset: what it shows is what PostgreSQL says, and a second import doubles nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from etld.bi import build, sql
from etld.bi.superset.client import Superset
from etld.bi.superset.names import BundleNames
from etld.config import load
from etld.util.ports import free_port
from support.chromium import chromium
from support.daemon import Daemon
from support.etld_client import EtldClient
from support.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(1_500)]

SHOTS = Path(__file__).resolve().parents[2] / "var" / "bi"


class Running:
    """A daemon with events, and the Superset beside it."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.client = EtldClient(daemon)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.password = daemon.state_dir / "superset" / "admin.pass"

    def up(self) -> float:
        """Bring it up, or to date; the seconds that it took."""
        began = time.monotonic()
        self.daemon.cli("bi", "up", "--port", str(self.port), timeout=900)
        return time.monotonic() - began

    def bring(self, *options: str, check: bool = True) -> Any:
        """`etld bi superset --url`."""
        named = ("--user", "admin", "--password-file", str(self.password))
        return self.daemon.cli("bi", "superset", "--url", self.url, *named, *options, check=check)

    def session(self) -> Superset:
        """A session of the administrator."""
        made = Superset(self.url)
        made.log_in("admin", self.password.read_text().strip())
        return made

    def listed(self, what: str) -> dict[str, int]:
        """The id of each chart, dashboard or dataset, by its uuid."""
        status, text = self.session()._ask("GET", f"/api/v1/{what}/?q=(page_size:100)")
        assert status == 200, text
        given = json.loads(text)
        assert given["count"] == len(given["result"])
        found = {}
        for one in given["result"]:
            _, told = self.session()._ask("GET", f"/api/v1/{what}/{one['id']}")
            found[json.loads(told)["result"]["uuid"]] = one["id"]
        return found


@pytest.fixture(scope="module")
def running(make_daemon: Callable[[], Daemon]) -> Iterator[Running]:
    """With 500 events, some of them broken."""
    daemon = make_daemon()
    with daemon.running():
        daemon.cli("generate", "--count", "500", "--invalid", "20")
        made = Running(daemon)
        lag = "SELECT count(*) FROM processed_events"
        wait_until(lambda: made.client.sql(lag)[0][0] >= 480, 60, "the events are stored")
        daemon.cli("reconcile", "--wait", "60", check=False)
        try:
            print(f"up after {made.up():.0f} s, again after {made.up():.0f} s")
            yield made
        finally:
            daemon.cli("bi", "down", check=False)


def test_a_second_import_doubles_nothing(running: Running) -> None:
    """The same charts, dashboards, datasets under the same ids; and without the database's password."""
    before = {what: running.listed(what) for what in ("dashboard", "dataset")}
    said = running.bring().stdout
    assert f"{running.url}/superset/dashboard/etld-overview/" in said
    assert {what: running.listed(what) for what in before} == before
    names = BundleNames("etld")
    made = build.dashboards(load(running.daemon.config_path))
    assert set(before["dashboard"]) == {names.uuid("dashboard", board.key) for board in made.dashboards}
    assert set(before["dataset"]) == {names.uuid("dataset", table.key) for table in made.datasets}


def _rows(found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """To be compared: times as milliseconds, numbers rounded."""

    def plain(value: Any) -> Any:
        if isinstance(value, datetime):
            value = value if value.tzinfo else value.replace(tzinfo=UTC)
            return round(value.timestamp() * 1000)
        if value is None or isinstance(value, str | bool):
            return value
        # Superset's times are milliseconds, with a fraction.
        return round(float(value), 4 if abs(value) < 1e11 else 0)

    return sorted((tuple(plain(value) for value in row) for row in found), key=str)


def test_every_chart_has_the_numbers_of_postgresql(running: Running) -> None:
    """Asked at Superset's own endpoint, as its pages do, in the time that the dashboard begins with."""
    charts = {chart.key: (chart, board.last) for board in made_of(running).dashboards for chart in board.charts}
    status, text = running.session()._ask("GET", "/api/v1/chart/?q=(page_size:100)")
    assert (status, json.loads(text)["count"]) == (200, len(charts))
    session, names, ids = running.session(), BundleNames("etld"), running.listed("chart")
    for key, (chart, last) in charts.items():
        status, text = session._ask("GET", f"/api/v1/chart/{ids[names.uuid('chart', key)]}/data/?force=true")
        assert status == 200, (key, text)
        (result,) = json.loads(text)["result"]
        now = datetime.now(UTC)
        span = sql.ToolSpan(*(f"'{at.isoformat()}'::timestamptz" for at in (now - timedelta(seconds=last), now)))
        truth = running.client.sql(sql.query(chart, span))
        if chart.kind == "number":
            assert _rows([(result["data"][0][chart.metric],)]) == _rows([truth[0][:1]]), key
        else:
            got = [tuple(row.values()) for row in result["data"]]
            assert _rows(got) == _rows(truth), key
            assert got, key


def made_of(running: Running) -> Any:
    """The dashboards of the daemon's configuration."""
    return build.dashboards(load(running.daemon.config_path))


def test_dashboards_are_whole_in_a_browser(running: Running) -> None:
    """The overview and one of a summary: charts without an error, numbers in words; pictures of them in var/bi."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        context = browser.new_context(bypass_csp=True, viewport={"width": 1440, "height": 2400})
        # It wants a picture from another host.
        own = (running.url, "data:", "blob:")
        context.route("**/*", lambda route: route.continue_() if route.request.url.startswith(own) else route.abort())
        page = context.new_page()
        page.set_default_timeout(90_000)
        page.goto(f"{running.url}/login/")
        page.locator("input[type=password]").fill(running.password.read_text().strip())
        page.locator("input:visible").first.fill("admin")
        page.keyboard.press("Enter")
        page.wait_for_url("**/welcome/**")
        for board in made_of(running).dashboards:
            if board.key not in ("overview", "purchase"):
                continue
            page.goto(f"{running.url}/superset/dashboard/etld-{board.key}/")
            count = len(list(board.charts))
            page.wait_for_function(
                f"document.querySelectorAll('.dashboard-component-chart-holder').length === {count}"
                " && !document.querySelector('.loading, [data-test=loading-indicator]')"
            )
            page.wait_for_timeout(3_000)  # charts grow into place
            page.screenshot(path=str(SHOTS / f"{board.key}.png"))
            text = page.inner_text("body")
            assert [chart.title for chart in board.charts if chart.title not in text] == []
            assert "Data error" not in text
            assert "Unexpected error" not in text
            assert "event_name" not in text.replace("event_name: expected", "")


def test_what_is_new_is_there_after_the_next_import(running: Running) -> None:
    """A changed summary has its measure, a new event type its dataset, a new summary its dashboard with numbers."""
    daemon = running.daemon
    schema = json.loads((daemon.directory / "schemas" / "purchase.avsc").read_text())
    (daemon.directory / "schemas" / "refund.avsc").write_text(json.dumps(schema))
    daemon.configure(
        {
            "event_types.refund": {"schema": "schemas/refund.avsc"},
            "summaries.refund": {
                "event_types": ["refund"],
                "group_by": {"country": "user_details.country"},
                "measures": {"refunds": "count", "amount": {"sum": "event_details.price"}},
                "bucket": "1 h",
            },
            "summaries.purchase.measures.largest_price": {"max": "event_details.price"},
        }
    )
    daemon.cli("reload")
    at = datetime.now(UTC).isoformat()
    running.client.track(
        {
            "event_type": "refund",
            "event_name": "refunded",
            "triggered_at": at,
            "user_details": {"user_id": 1, "country": "DE"},
            "event_details": {"item_id": 1, "item_name": "lamp", "price": 12.5},
        }
    )
    filled = "SELECT (SELECT count(*) FROM etld.summary_refund), (SELECT max(largest_price) FROM etld.summary_purchase)"
    wait_until(lambda: _filled(running, filled), 60, "the summaries are filled")
    running.bring()
    names, charts = BundleNames("etld"), running.listed("chart")
    assert names.uuid("dataset", "etld.event_refund") in running.listed("dataset")
    assert names.uuid("dashboard", "refund") in running.listed("dashboard")
    assert names.uuid("chart", "purchase/over_time/line/largest_price/event_name") in charts
    wanted = charts[names.uuid("chart", "refund/number/amount")]
    _, text = running.session()._ask("GET", f"/api/v1/chart/{wanted}/data/?force=true")
    assert json.loads(text)["result"][0]["data"][0]["amount_total"] == 12.5


def _filled(running: Running, query: str) -> bool:
    try:
        ((count, largest),) = running.client.sql(query)
    except Exception:
        return False
    return bool(count == 1 and largest)


def test_mistakes_are_told_in_a_line(running: Running, tmp_path: Path) -> None:
    """A wrong password, nobody there, something else there."""
    wrong = tmp_path / "wrong.pass"
    wrong.write_text("no\n")
    told = running.bring("--password-file", str(wrong), check=False)
    assert (told.returncode, "wrong name or password" in told.stderr) == (1, True)
    named = ("--user", "admin", "--password-file", str(wrong))
    for url, reason in ((f"http://127.0.0.1:{free_port()}", "cannot reach"), (running.daemon.http, "is no Superset")):
        told = running.daemon.cli("bi", "superset", "--url", url, *named, check=False)
        assert (told.returncode, reason in told.stderr, "Traceback" in told.stderr) == (1, True, False)
