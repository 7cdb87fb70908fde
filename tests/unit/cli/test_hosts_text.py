"""All hosts as `etld status --cluster` shows them."""

from __future__ import annotations

from dataclasses import replace

from etld.cli.status_text import render_hosts
from etld.postgres.hosts import Host

_WELL = Host("cluster", "a", "a:/var", "1.0", "ready", ("processor",), 1.2, 12, 1234, [{"name": "p"}], (), ("charts",))


def test_a_line_for_each_host_and_what_is_wrong_below() -> None:
    """Nothing is shown of what is not known."""
    away = replace(_WELL, node="b", place="b:/var", state="away", seen_s=75.0, lag=None, leases=())
    ill = replace(_WELL, node="c", state="degraded", version="", workers=(), faults=("kafka: away",))
    head, a, b, c, _, *wrong = render_hosts([_WELL, away, ill], color=False).splitlines()
    assert head.split() == ["host", "state", "version", "workers", "partitions", "lag", "seen", "ago", "leases"]
    assert a.split() == ["a", "ready", "1.0", "1", "12", "1,234", "1s", "charts"]
    assert b.split()[:6] == ["b", "away", "1.0", "1", "12", "-"]
    assert c.split()[:4] == ["c", "degraded", "-", "-"]
    assert wrong == ["! c: kafka: away", "! b (b:/var) is silent"]


def test_when_all_is_well_there_are_only_lines() -> None:
    assert len(render_hosts([_WELL], color=False).splitlines()) == 2
