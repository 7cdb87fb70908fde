"""Realistic events of the sample domain, and plausible ones for any other Avro schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

from etld.events.ids import new_event_id

if TYPE_CHECKING:
    from etld.schemas.catalog import EventType
    from etld.schemas.tree import Type

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


def make(kind: EventType, random: Random, now: datetime) -> Event:
    """One valid event, at some time in the hours before `now`; everything but its id comes from `random`."""
    names = kind.event_names or ("something_happened",)
    weights = _WEIGHTS.get(kind.name, ())
    name = random.choices(names, weights if len(weights) == len(names) else None)[0]
    moment = now - random.random() * _SPREAD
    fields = {field.name: field.type for field in kind.schema.tree.fields}
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


def _names(of: Type) -> set[str]:
    return {field.name for field in of.fields}


def _user(of: Type, random: Random, now: datetime) -> Any:
    first, last = random.choice(_FIRST), random.choice(_LAST)
    user = {
        "user_id": random.randint(1, 5000),
        "name": f"{first} {last}",
        "email": f"{first}.{last}@example.com".lower().encode("ascii", "ignore").decode(),
        "country": random.choice(_COUNTRIES),
    }
    return user if _names(of) in (set(user), {*user, "anonymous_id"}) else value(of, random, now)


def _purchase(random: Random) -> Event:
    index = random.randrange(len(_ITEMS))
    item, price = _ITEMS[index]
    return {"item_id": 1000 + index, "item_name": item, "price": round(price * random.choice((1, 1, 1, 0.9, 0.8)), 2)}


def _order(random: Random) -> Event:
    return {"order_id": random.randint(10_000, 99_999), "order_value": round(random.lognormvariate(4.2, 0.7), 2)}


def _delivery(random: Random) -> Event:
    return {"tracking_id": f"TRK{random.randrange(10**9):09d}", "carrier": random.choice(_CARRIERS)}


_DETAILS: Mapping[str, Callable[[Random], Event]] = {"purchase": _purchase, "order": _order, "delivery": _delivery}


_SCALARS: Mapping[str, Callable[[Random], Any]] = {
    "boolean": lambda random: random.random() < 0.5,
    "int": lambda random: random.randint(1, 10_000),
    "long": lambda random: random.randint(1, 10_000),
    "float": lambda random: round(random.uniform(1, 500), 2),
    "double": lambda random: round(random.uniform(1, 500), 2),
    "null": lambda _random: None,
}


def _text(random: Random) -> str:
    return f"text {random.randint(1, 100)}"


def value(of: Type, random: Random, now: datetime) -> Any:
    """Some JSON value that fits a type."""
    if of.kind == "union":
        others = of.not_null
        if len(others) < len(of.branches) and (not others or random.random() < 0.2):
            return None
        return value(random.choice(others), random, now)
    if of.logical:
        return _logical(of, random, now)
    if of.items is not None:
        inner, count = of.items, random.randint(0, 3)
        if of.kind == "array":
            return [value(inner, random, now) for _ in range(count)]
        return {f"key{n}": value(inner, random, now) for n in range(count)}
    if of.kind == "record":
        return {field.name: value(field.type, random, now) for field in of.fields}
    if of.kind == "enum":
        return random.choice(of.symbols)
    return _SCALARS.get(of.kind, _text)(random)


def _logical(of: Type, random: Random, now: datetime) -> Any:
    moment = now - random.random() * _SPREAD
    match of.logical:
        case "timestamp-millis" | "timestamp-micros":
            return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case "local-timestamp-millis" | "local-timestamp-micros":
            return moment.replace(tzinfo=None).isoformat(timespec="milliseconds")
        case "date":
            return moment.date().isoformat()
        case "time-millis" | "time-micros":
            return moment.time().isoformat(timespec="milliseconds")
        case "uuid":
            return new_event_id()
    # A decimal of as few digits as its type may have before the point.
    whole = random.randint(1, 9) if of.precision > of.scale else 0
    return f"{whole}.{random.randrange(10**of.scale):0{of.scale}d}" if of.scale else str(whole)


def plan(kinds: Sequence[EventType], count: int, invalid: int, random: Random) -> list[tuple[EventType, bool]]:
    """`count` events spread evenly over the types; `invalid` of them, at random places, are to be broken."""
    broken = set(random.sample(range(count), min(invalid, count)))
    return [(kinds[index % len(kinds)], index in broken) for index in range(count)]
