"""Ten kinds of broken events, each with the event that a repair has to make of it."""

from __future__ import annotations

import uuid
from copy import deepcopy
from typing import Any

from support.events import event

_SPACE = uuid.UUID("2c7d7f0e-3b9c-4b53-9a55-0d8d2f3f5a10")
WHEN = "2026-11-24T10:00:00Z"


def _purchase(number: int) -> dict[str, Any]:
    details = {"item_id": number, "item_name": f"lamp {number}", "price": number + 0.5}
    return event("purchase", details, triggered_at=WHEN, user_details={"user_id": number})


def _delivery(number: int) -> dict[str, Any]:
    details = {"tracking_id": f"T{number}", "carrier": "UPS"}
    return event("delivery", details, triggered_at=WHEN, user_details={"user_id": number})


def _comma(good: dict[str, Any]) -> dict[str, Any]:
    good["event_details"]["price"] = str(good["event_details"]["price"]).replace(".", ",")
    return good


def _user_text(good: dict[str, Any]) -> dict[str, Any]:
    good["user_details"]["user_id"] = str(good["user_details"]["user_id"])
    return good


def _spelling(good: dict[str, Any]) -> dict[str, Any]:
    good["event_details"]["itme_name"] = good["event_details"].pop("item_name")
    return good


def _carrier(good: dict[str, Any]) -> dict[str, Any]:
    del good["event_details"]["carrier"]
    return good


def _date(good: dict[str, Any]) -> dict[str, Any]:
    return {**good, "triggered_at": "31/12/2026"}


def _millis(good: dict[str, Any]) -> dict[str, Any]:
    return {**good, "triggered_at": 1798675200000}


def _capitals(good: dict[str, Any]) -> dict[str, Any]:
    return {**good, "event_type": good["event_type"].upper()}


def _nested(good: dict[str, Any]) -> dict[str, Any]:
    return {**good, "event_details": {"event_details": good["event_details"]}}


def _null(good: dict[str, Any]) -> dict[str, Any]:
    good["event_details"]["item_name"] = None
    return good


def _spaces(good: dict[str, Any]) -> dict[str, Any]:
    return {**good, "event_name": good["event_name"] + "  "}


# Name: (valid event, what breaks it, what of the valid event a repair cannot bring back).
KINDS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "comma": (_purchase, _comma, {}),
    "user_text": (_purchase, _user_text, {}),
    "spelling": (_purchase, _spelling, {}),
    "carrier": (_delivery, _carrier, {"event_details.carrier": "unknown"}),
    "date": (_purchase, _date, {"triggered_at": "2026-12-31T00:00:00Z"}),
    "millis": (_purchase, _millis, {"triggered_at": "2026-12-31T00:00:00Z"}),
    "capitals": (_purchase, _capitals, {}),
    "nested": (_purchase, _nested, {}),
    "null": (_purchase, _null, {"event_details.item_name": "unknown"}),
    "spaces": (_purchase, _spaces, {}),
}


def pairs(each: int, first: int = 1) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(broken, right) for `each` events of each kind from number `first` on, with ids that are always the same."""
    found = []
    for kind, (make, spoil, made_up) in KINDS.items():
        for number in range(first, first + each):
            right = {"event_id": str(uuid.uuid5(_SPACE, f"{kind} {number}")), **make(number)}
            broken = spoil(deepcopy(right))
            for path, value in made_up.items():
                *above, last = path.split(".")
                place = right
                for part in above:
                    place = place[part]
                place[last] = value
            found.append((broken, right))
    return found
