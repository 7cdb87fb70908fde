"""Grafana's dashboards: their form."""

from __future__ import annotations

import json
from typing import Any

from etld.bi import grafana
from support.bi_config import dashboards


def boards(project: str = "etld") -> dict[str, Any]:
    """As Grafana reads them."""
    return {name: json.loads(text) for name, text in grafana.files(dashboards(), project).items()}


def test_panels_fill_the_page_and_do_not_overlap() -> None:
    """In Grafana's 24 columns, each with an id of its own and a query of its data source."""
    for board in boards().values():
        taken = set()
        for panel in board["panels"]:
            at = panel["gridPos"]
            cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
            assert not cells & taken
            assert at["x"] + at["w"] <= 24
            taken |= cells
            assert panel["targets"][0]["datasource"]["uid"] == "${datasource}"
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_dashboards_keep_their_ids() -> None:
    """So that a second import takes the place of the first; those of another project are others, short enough."""
    first, second = boards(), boards("etld of the shop in the north of the country")
    assert list(first) == ["etld-overview.json", "etld-purchase.json", "etld-order.json", "etld-delivery.json"]
    assert [f"{board['uid']}.json" for board in first.values()] == list(first)
    uids = {board["uid"] for board in (*first.values(), *second.values())}
    assert len(uids) == 8
    assert max(map(len, uids)) <= 40


def test_money_is_shown_as_money() -> None:
    """And the change to the period before as a share, red where more is worse."""
    panels = {panel["title"]: panel for panel in boards()["etld-overview.json"]["panels"]}
    assert panels["Revenue"]["fieldConfig"]["defaults"]["unit"] == "currencyUSD"
    change = panels["Dead letters"]["fieldConfig"]["overrides"][0]["properties"]
    assert next(one["value"] for one in change if one["id"] == "unit") == "percentunit"
    steps = next(one["value"]["steps"] for one in change if one["id"] == "thresholds")
    assert [step["color"] for step in steps] == ["green", "red"]
