"""The status as text.

Without rich, whose import alone takes half of the 150 ms in which `etld status` has to answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from etld.errors import coded
from etld.logs import indented
from etld.util.text import span, thousands

if TYPE_CHECKING:
    from etld.postgres.hosts import Host

_COLORS = {
    "ready": "32",
    "running": "32",
    "done": "32",
    "starting": "33",
    "paused": "33",
    "stopping": "33",
    "degraded": "31",
    "backoff": "31",
    "fatal": "31",
    "away": "31",
}
_LEFT_COLUMNS = 2


def render(reply: Mapping[str, Any], *, color: bool) -> str:
    """Head line, workers, addresses, totals, and what is wrong."""
    state = paint(reply["state"], color)
    lines = [f"etld {reply['version']}  {state}  pid {reply['pid']}  up {span(reply['uptime_s'])}"]
    if reply.get("operation"):
        lines.append(f"under way: {reply['operation']}")
    rows = [
        (
            worker["name"],
            worker["state"],
            str(worker["pid"] or "-"),
            span(worker["uptime_s"]) if worker["pid"] else "-",
            str(worker["restarts"]),
            thousands(worker["rate"], 1),
            "-" if worker["lag"] is None else thousands(worker["lag"]),
        )
        for worker in reply["workers"]
    ]
    lines += ["", *table(("worker", "state", "pid", "uptime", "restarts", "rate/s", "lag"), rows, color=color)]
    width = max(len(name) for name in reply["addresses"])
    lines += ["", *(f"{name:{width}}  {value}" for name, value in reply["addresses"].items())]
    lines += ["", "  ".join(f"{name} {thousands(value)}" for name, value in reply["totals"].items())]
    if reply["faults"]:
        # A daemon of an earlier version tells no codes.
        told = zip_longest(reply["faults"], reply.get("explain", ()), fillvalue="")
        lines += ["", *(f"! {indented(coded(fault, code))}" for fault, code in told)]
    return "\n".join(lines)


def render_hosts(hosts: Sequence[Host], *, color: bool) -> str:
    """A line for each host, and what is wrong on it."""
    rows = [
        (
            host.node,
            host.state,
            host.version or "-",
            str(len(host.workers) or "-"),
            str(host.partitions),
            "-" if host.lag is None else thousands(host.lag),
            span(host.seen_s),
            ", ".join(host.leases) or "-",
        )
        for host in hosts
    ]
    head = ("host", "state", "version", "workers", "partitions", "lag", "seen ago", "leases")
    lines = table(head, rows, color=color)
    wrong = [f"! {host.node}: {indented(fault)}" for host in hosts for fault in host.faults]
    wrong += [f"! {host.node} ({host.place}) is silent" for host in hosts if host.state == "away"]
    return "\n".join([*lines, *(["", *wrong] if wrong else [])])


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, color: bool) -> list[str]:
    """Columns: the first two to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines = []
    for row in (head, *rows):
        cells = [
            f"{cell:<{width}}" if i < _LEFT_COLUMNS else f"{cell:>{width}}"
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        if row is not head:
            cells[1] = paint(row[1], color) + cells[1][len(row[1]) :]
        lines.append("  ".join(cells).rstrip())
    return lines


def paint(word: str, color: bool) -> str:
    """A state in its color."""
    return f"\033[{_COLORS[word]}m{word}\033[0m" if color and word in _COLORS else word
