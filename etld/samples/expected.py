"""What tables and charts must show once everything that was acknowledged is stored."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

Event = dict[str, Any]


class Expected:
    """Adds up acknowledged events: the valid ones by content, the others by what was answered."""

    def __init__(self) -> None:
        self.sent = 0
        self.dead_lettered = 0
        self.sampled = 0
        self.refused = 0
        self._types: Counter[str] = Counter()
        self._names: Counter[str] = Counter()
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._sums: dict[str, Counter[str]] = defaultdict(Counter)
        self._carriers: Counter[str] = Counter()

    def add(self, event: Event, status: int, answered: str = "") -> None:
        """Count one answer: 200 stored (or left out, as `answered` may say), 202 kept for repair, else refused."""
        if status == 202:
            self.sent += 1
            self.dead_lettered += 1
            return
        if status != 200:
            self.refused += 1
            return
        self.sent += 1
        if answered == "sampled_out":
            self.sampled += 1
            return
        kind, name, details = event["event_type"], event["event_name"], event["event_details"]
        self._types[kind] += 1
        self._names[name] += 1
        self._counts[kind][name] += 1
        amount = details.get({"purchase": "price", "order": "order_value"}.get(kind, "")) if details else None
        if amount is not None:
            self._sums[kind][name] += round(amount * 100)
        if kind == "delivery":
            self._carriers[str(details["carrier"])] += 1

    def as_dict(self) -> dict[str, Any]:
        """The summary as `etld generate --json` prints it; money in dollars."""
        return {
            "sent": self.sent,
            "dead_lettered": self.dead_lettered,
            "sampled": self.sampled,
            "refused": self.refused,
            "by_event_type": dict(sorted(self._types.items())),
            "by_event_name": dict(sorted(self._names.items())),
            "purchase": self._money("purchase", "items", "revenue", "average_price"),
            "order": self._money("order", "orders", "value", "average_value"),
            "delivery": {
                "shipments": self._types["delivery"],
                "in_transit": self._counts["delivery"]["order_shipped"],
                "delivered": self._counts["delivery"]["order_delivered"],
                "by_carrier": dict(sorted(self._carriers.items())),
            },
        }

    def _money(self, kind: str, count: str, total: str, average: str) -> dict[str, Any]:
        def row(number: int, cents: int) -> dict[str, Any]:
            return {
                count: number,
                total: cents / 100,
                average: round(cents / 100 / number, 4) if number else None,
            }

        counts, sums = self._counts[kind], self._sums[kind]
        by_name = {name: row(counts[name], sums[name]) for name in sorted(counts)}
        return {**row(counts.total(), sums.total()), "by_event_name": by_name}
