"""Realistic events of the sample domain, and plausible ones for any other Avro schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from etld.events.ids import new_event_id

_FIRST = ("Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Radia", "Ken", "Margaret", "Linus", "Zoë", "José")
_LAST = ("Lovelace", "Hopper", "Turing", "Dijkstra", "Liskov", "Knuth", "Perlman", "Thompson", "Hamilton", "Müller")
_COUNTRIES = ("US", "GB", "DE", "FR", "IN", "BR", "JP", "CA", "AU", "NL")
_ITEMS = (
    ("Mechanical keyboard", 129.90),
    ("Noise-cancelling headphones", 279.00),
    ("USB-C hub", 39.95),
    ("27-inch monitor", 349.00),
    ("Ergonomic mouse", 59.90),
    ("Laptop stand", 44.50),
    ("Webcam", 89.00),
    ("Desk lamp", 34.99),
    ("Notebook, A5", 12.50),
    ("Espresso cups, set of 2", 18.75),
)
_CARRIERS = ("DHL", "UPS", "FedEx", "USPS", "DPD")
_WEIGHTS = {"purchase": (50, 30, 20), "order": (50, 30, 20), "delivery": (60, 40)}
_SPREAD = timedelta(hours=6)

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """An event type to make events of: its name, event names and Avro schema."""

    name: str
    event_names: tuple[str, ...]
    avro: Mapping[str, Any]


def make(kind: Kind, random: Random, now: datetime) -> Event:
    """One valid event, at some time in the hours before `now`; everything but its id comes from `random`."""
    names = kind.event_names or ("something_happened",)
    weights = _WEIGHTS.get(kind.name, ())
    name = random.choices(names, weights if len(weights) == len(names) else None)[0]
    moment = now - random.random() * _SPREAD
    fields = {field["name"]: field["type"] for field in kind.avro["fields"]}
    details = _DETAILS.get(kind.name)
    event_details = details(random) if details else None
    if event_details is None or set(event_details) != _names(fields["event_details"]):
        event_details = value(fields["event_details"], random, now)
    return {
        "event_id": new_event_id(),
        "event_name": name,
        "event_type": kind.name,
        "triggered_at": moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "user_details": _user(fields["user_details"], random, now),
        "event_details": event_details,
    }


def _names(avro: Any) -> set[str]:
    return {field["name"] for field in avro.get("fields", ())} if isinstance(avro, dict) else set()


def _user(avro: Any, random: Random, now: datetime) -> Any:
    first, last = random.choice(_FIRST), random.choice(_LAST)
    user = {
        "user_id": random.randint(1, 5000),
        "name": f"{first} {last}",
        "email": f"{first}.{last}@example.com".lower().encode("ascii", "ignore").decode(),
        "country": random.choice(_COUNTRIES),
    }
    return user if _names(avro) == set(user) else value(avro, random, now)


def _purchase(random: Random) -> Event:
    index = random.randrange(len(_ITEMS))
    item, price = _ITEMS[index]
    return {"item_id": 1000 + index, "item_name": item, "price": round(price * random.choice((1, 1, 1, 0.9, 0.8)), 2)}


def _order(random: Random) -> Event:
    return {"order_id": random.randint(10_000, 99_999), "order_value": round(random.lognormvariate(4.2, 0.7), 2)}


def _delivery(random: Random) -> Event:
    return {"tracking_id": f"TRK{random.randrange(10**9):09d}", "carrier": random.choice(_CARRIERS)}


_DETAILS: Mapping[str, Callable[[Random], Event]] = {"purchase": _purchase, "order": _order, "delivery": _delivery}


def value(avro: Any, random: Random, now: datetime) -> Any:
    """Some JSON value that fits an Avro type."""
    if isinstance(avro, list):
        others = [branch for branch in avro if branch != "null"]
        if "null" in avro and (not others or random.random() < 0.2):
            return None
        return value(random.choice(others), random, now)
    if isinstance(avro, str):
        avro = {"type": avro}
    inner = avro["type"]
    if isinstance(inner, dict | list):
        return value(inner, random, now)
    logical = avro.get("logicalType", "")
    if logical:
        found = _logical(logical, avro, random, now)
        if found is not None:
            return found
    match inner:
        case "record":
            return {field["name"]: value(field["type"], random, now) for field in avro["fields"]}
        case "array":
            return [value(avro["items"], random, now) for _ in range(random.randint(0, 3))]
        case "map":
            return {f"key{n}": value(avro["values"], random, now) for n in range(random.randint(0, 3))}
        case "enum":
            return random.choice(avro["symbols"])
        case "boolean":
            return random.random() < 0.5
        case "int" | "long":
            return random.randint(1, 10_000)
        case "float" | "double":
            return round(random.uniform(1, 500), 2)
        case "null":
            return None
    return f"text {random.randint(1, 100)}"


def _logical(name: str, avro: Mapping[str, Any], random: Random, now: datetime) -> Any:
    moment = now - random.random() * _SPREAD
    if name.startswith("timestamp-"):
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if name.startswith("local-timestamp-"):
        return moment.replace(tzinfo=None).isoformat(timespec="milliseconds")
    if name == "date":
        return moment.date().isoformat()
    if name.startswith("time-"):
        return moment.time().isoformat(timespec="milliseconds")
    if name == "uuid":
        return new_event_id()
    if name == "decimal":
        scale = int(avro.get("scale", 0))
        return f"{random.randint(1, 9)}.{random.randrange(10**scale):0{scale}d}" if scale else str(random.randint(1, 9))
    return None


def plan(kinds: Sequence[Kind], count: int, invalid: int, random: Random) -> list[tuple[Kind, bool]]:
    """`count` events spread evenly over the types; `invalid` of them, at random places, are to be broken."""
    broken = set(random.sample(range(count), min(invalid, count)))
    return [(kinds[index % len(kinds)], index in broken) for index in range(count)]
