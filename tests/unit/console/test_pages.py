"""What pages are made of: texts, templates, numbers, what is asked for, the document of the API."""

from __future__ import annotations

import gzip
import json
import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta, timezone
from importlib import resources
from pathlib import Path

import pytest

from etld.config import parse
from etld.console import csv_text, openapi, render, spark
from etld.console.asked import BadValue, own_path, values_of
from etld.console.assets import Assets
from etld.console.history import histogram, quantile
from etld.console.page import LONGEST, Field, Page
from etld.console.pages import PAGES, lake
from etld.console.pages.flow import worst

STATIC = resources.files("etld.console").joinpath("static")
TEMPLATES = resources.files("etld.console").joinpath("templates")
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def test_every_page_is_whole() -> None:
    """It has a title, words for its actions' roles, and a key of its own."""
    keys = [page.key for page in PAGES if page.key]
    assert len(set(keys)) == len(keys)
    for page in PAGES:
        assert page.name in render.texts()["pages"], page.name
        blocks = render.environment().get_template(render.page_template(page)).blocks
        assert page.live is ("live" in blocks), page.name
        named = set(re.findall(r"\{(\w+)\}", page.path))
        assert named <= {field.name for field in page.fields}, page.name


def test_a_page_needs_no_template() -> None:
    """Its data is shown as it is, escaped, with lists of rows as tables."""
    page = Page("my-page", "/my-page", "What it is for.", lambda sources, view: {}, key="x")
    data = {
        "a_number": 1234567,
        "none": None,
        "on": True,
        "hosts": [{"node_id": "<b>", "seen_at": NOON}],
        "no_rows": [],
    }
    around = {
        "pages": [page],
        "session": None,
        "assets": defaultdict(str),
        "notes": [],
        "here": "/my-page",
        "node": "n",
    }
    shown = render.render(
        render.page_template(page), page=page, data=data, back="", logged_in=False, is_open=True, **around
    )
    assert "<title>My page · n · etld</title>" in shown
    assert re.search(r"<dt>A number</dt><dd>1,234,567</dd>", shown)
    assert re.search(r"<th scope=\"col\">Node id</th><th scope=\"col\">Seen at</th>", shown)
    assert "<td>&lt;b&gt;</td><td>2026-07-01 12:00:00 UTC</td>" in shown


def test_texts_that_templates_name_are_there() -> None:
    texts = render.texts()
    for file in (*TEMPLATES.iterdir(), *TEMPLATES.joinpath("pages").iterdir()):
        if not file.name.endswith(".html"):
            continue
        for path in re.findall(r"\bt((?:\.\w+)+)", file.read_text("utf-8")):
            here = texts
            for step in path.split(".")[1:]:
                if not isinstance(here, dict) or step == "format":
                    break
                assert step in here, f"{file.name}: t{path}"
                assert not hasattr(dict, step), f"{file.name}: t{path} is a method of dict"
                here = here[step]


def test_nothing_is_inline_and_nothing_is_asked_of_others() -> None:
    """As the policy of the answers has it."""
    for file in (*TEMPLATES.iterdir(), *TEMPLATES.joinpath("pages").iterdir()):
        if file.name.endswith(".html"):
            text = file.read_text("utf-8")
            assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|<script(?! src=)|\| *safe", text), file.name
            assert not re.search(r"(src|href|action)=\"https?:", text), file.name
    for file in STATIC.iterdir():
        assert not re.search(r"@import|url\(|fetch\(\"http", file.read_text("utf-8")), file.name


def test_assets_are_small() -> None:
    sizes = {file.name: len(gzip.compress(file.read_bytes())) for file in STATIC.iterdir()}
    assert sum(sizes.values()) < 60_000, sizes
    assert Assets().versions.keys() == sizes.keys()


def test_values_are_escaped() -> None:
    text = "<script>alert('x')</script>\" onload=\"y"
    shown = render.render("error.html", **AROUND, code=400, text=text)
    assert "<script>alert" not in shown
    assert 'onload="y' not in shown


AROUND = {
    "pages": [],
    "session": None,
    "logged_in": False,
    "notes": [],
    "assets": Assets().versions,
    "here": "/",
    "back": "/",
    "node": "n",
}


def test_numbers_and_times_for_people() -> None:
    assert render.number(9_007_199_254_740_993) == "9,007,199,254,740,993"
    assert render.number(None) == "\N{EN DASH}"
    assert [render.rate(value) for value in (0.25, 99.94, 12345.6)] == ["0.2", "99.9", "12,346"]
    assert [render.seconds(value) for value in (0.0125, 3.44)] == ["12 ms", "3.4 s"]
    sizes = (None, 0, 999, 1000, 40_000_000, 123 << 30, 5000 << 40)
    assert [render.size(value) for value in sizes] == [
        "\N{EN DASH}", "0 B", "999 B", "1.0 KiB", "38.1 MiB", "123 GiB", "5000 TiB",
    ]  # fmt: skip
    at = datetime(2026, 7, 1, 2, 0, tzinfo=timezone(timedelta(hours=2)))
    assert render.moment(at) == "2026-07-01 00:00:00 UTC"
    assert datetime.fromisoformat(render.iso(at)) == at.astimezone(UTC)


def test_links_keep_filters() -> None:
    assert render.link("/audit", {"who": "a&b", "before": "7"}, before="") == "/audit?who=a%26b"
    assert render.link("/audit", {}) == "/audit"


def test_pages_have_addresses() -> None:
    page = Page("x", "/events/{event_id}", "", lambda _sources, _view: {})
    assert page.address({"event_id": "a/b", "who": "x&y", "empty": ""}) == "/events/a%2Fb?who=x%26y"


FIELDS = (Field("name", "A name."), Field("count", "How many.", required=True, integer=True, most=64))


def test_what_is_asked_for() -> None:
    assert values_of(FIELDS, {"count": 3, "name": "", "other": "x"}) == {"count": "3"}
    assert values_of(FIELDS, {"count": " 64 ", "name": " x "}) == {"count": "64", "name": "x"}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"count": "65"},
        {"count": -1},
        {"count": "1.5"},
        {"count": True},
        {"count": []},
        {"count": 1, "name": "x" * (LONGEST + 1)},
        {"count": 1, "name": "a\0b"},
        {"count": 1, "name": {"a": 1}},
        {"count": "9" * 5000},
    ],
)
def test_what_is_asked_wrongly(given: dict[str, object]) -> None:
    with pytest.raises(BadValue, match=r"^(count|name)\b"):
        values_of(FIELDS, given)


@pytest.mark.parametrize("path", ["//evil.example", "https://evil.example", "/\\evil.example", "x", "/a\r\nb", ""])
def test_nobody_is_sent_elsewhere(path: str) -> None:
    assert own_path(path) == "/"
    assert own_path("/audit?who=a") == "/audit?who=a"


def test_spreadsheets_run_nothing() -> None:
    assert csv_text.of([["a", 'b"c'], ["=1+1", -5], ["@x", "-y"]]) == 'a,"b""c"\r\n\'=1+1,-5\r\n\'@x,\'-y\r\n'


def test_small_lines() -> None:
    assert spark.points([1.0]) == ""
    points = [tuple(map(float, pair.split(","))) for pair in spark.points([0.0, 5.0, 10.0]).split()]
    assert points[-1] == (spark.WIDTH, 1.0)
    assert points[0][1] == spark.HEIGHT - 1


def test_latency_from_a_histogram() -> None:
    text = (
        '# HELP etld_end_to_end_seconds x\netld_end_to_end_seconds_bucket{worker="a",le="0.1"} 50.0\n'
        'etld_end_to_end_seconds_bucket{worker="a",le="1.0"} 100.0\n'
        'etld_end_to_end_seconds_bucket{worker="b",le="0.1"} 0.0\n'
        'etld_end_to_end_seconds_bucket{worker="b",le="1.0"} 0.0\n'
        'etld_end_to_end_seconds_bucket{le="+Inf"} 100.0\netld_other_bucket{le="1.0"} 7\n'
    )
    counts = histogram(text)
    assert counts == {0.1: 50.0, 1.0: 100.0, float("inf"): 100.0}
    assert quantile(counts, 0.5) == pytest.approx(0.1)
    assert quantile(counts, 0.75) == pytest.approx(0.55)
    assert quantile({}, 0.5) is None
    assert quantile({1.0: 0.0}, 0.5) is None


def test_a_stage_is_as_its_worst_worker() -> None:
    assert worst(["running", "fatal", "paused"]) == "fatal"
    assert worst(["running"]) == "running"
    assert worst([]) is None


def test_the_lake_shows_what_is_wrong() -> None:
    """Rows that somebody deleted, a partition that stands still, one of PostgreSQL that is held, a backfill."""
    table = {
        "name": "etld.event_order", "rows": 9, "expected": 10, "files": 2, "bytes": 2048, "snapshots": 3,
        "committed_at": NOON, "newest_at": None, "commit_s": 0.25, "upkeep_at": NOON, "upkeep_told": "2 files less",
    }  # fmt: skip
    part = {
        "topic": "event_order", "partition": 1, "next": 12, "stored": 10, "duplicate": 0, "filtered": 1, "dead": 1,
        "lost": 0, "halted": "OFFSET_LOST", "rows": 9, "expected": 10, "counted_at": NOON,
    }  # fmt: skip
    one = {
        "event_type": "order", "table": table, "workers": [{"name": "lake-order-0", "state": "running"}], "lag": 4,
        "partitions": [part], "halted": 1, "faults": ["lake-order-0: <away>"],
    }  # fmt: skip
    other = {**one, "event_type": "new", "table": None, "workers": [], "partitions": [], "faults": [], "halted": 0}
    filled = {
        "event_type": "order", "since": None, "accepted_from": NOON, "rows": 5, "told": "", "requested_by": "me",
        "done_at": None,
    }  # fmt: skip
    data = {
        "enabled": True, "kafka": None, "catalog": "embedded", "warehouse": "s3://b", "tables": [one, other],
        "held": [{"name": "processed_events_20260101", "held_since": NOON}], "backfills": [filled], "types": ["order"],
    }  # fmt: skip
    shown = render.live_block(lake.PAGE, data=data)
    for text in ("2.0 KiB", "250 ms", "&lt;away&gt;", "halted: OFFSET_LOST", "processed_events_20260101", "under way"):
        assert text in shown, text
    assert "account for 10 rows" in shown
    assert shown.count('class="wrong"') == 2
    shipped = Path(__file__).parents[3] / "config" / "etld.toml"
    off, on = (parse(shipped.read_text(), shipped, {"ETLD_LAKE__ENABLED": text}) for text in ("false", "true"))
    assert [page.name for page in PAGES if not page.is_listed(off)] == ["lake"]
    assert all(page.is_listed(on) for page in PAGES)


def test_the_document_of_the_api_names_everything() -> None:
    made = json.loads(json.dumps(openapi.document(PAGES)))
    assert made["paths"]["/api/v1/flow"]["get"]["operationId"] == "flow"
    for page in PAGES:
        assert page.api_path in made["paths"]
        for action in page.actions:
            post = made["paths"][f"/api/v1/{page.name}/{action.name}"]["post"]
            assert f"role {action.role}" in post["summary"]
