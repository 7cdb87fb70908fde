"""Alerts: the webhooks that are told of what is wrong, what they were told, and a test."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from etld.alerts import saved
from etld.alerts.delivery import send_test
from etld.config.secrets import host_of
from etld.console.page import Field, Page, PageAction
from etld.console.render import texts
from etld.errors import EtldError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etld.config import Config
    from etld.config.sections.alerts import AlertSection
    from etld.console.access.users import User
    from etld.console.page import Values, View
    from etld.console.sources import Sources


def _data(sources: Sources, _view: View) -> dict[str, Any]:
    config = sources.config
    known = saved.read(config.alerts_path)
    return {"webhooks": [_webhook(config, alert, known.get(alert.name, {})) for alert in config.alerts]}


def _webhook(config: Config, alert: AlertSection, known: Mapping[str, Any]) -> dict[str, Any]:
    incidents = known.get("incidents", {}).values()
    delivered = known.get("delivered_at")
    return {
        "name": alert.name,
        "form": alert.form,
        "url": _shown_url(config, alert),
        "signed": alert.secret_file is not None,
        "faults": alert.faults,
        "parked": alert.parked,
        "lag_s": alert.lag,
        "delivered_at": None if delivered is None else datetime.fromtimestamp(delivered, UTC),
        "problem": known.get("problem"),
        "waiting": len(known.get("waiting", ())),
        "dropped": known.get("dropped", 0),
        "told": [
            {
                "name": one["name"],
                "workers": one["workers"],
                "text": one["text"],
                "since": datetime.fromtimestamp(one["since"], UTC),
            }
            for one in incidents
            if one["is_told"]
        ],
    }


def _shown_url(config: Config, alert: AlertSection) -> str:
    try:
        return host_of(config.secret_of(alert, "url"))
    except (EtldError, ValueError) as error:
        return str(error)


def _test(sources: Sources, values: Values, _user: User) -> str:
    asyncio.run(send_test(sources.config, values["webhook"]))
    return str(texts()["alerts"]["tested"].format(name=values["webhook"]))


PAGE = Page(
    name="alerts",
    path="/alerts",
    description="The webhooks that are told of what is wrong.",
    data=_data,
    actions=(
        PageAction(
            "test",
            "operator",
            "Send a test to a webhook.",
            _test,
            (Field("webhook", "Its name in the configuration.", required=True),),
        ),
    ),
    live=True,
    key="l",
)
