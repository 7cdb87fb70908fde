"""Buckets of whole days of a place, which have 23 to 25 hours where clocks are changed.

Which day of a place a time is of is told by PostgreSQL alone, in the recompute and for what the aggregator adds: two
lists of the world's clock changes would differ one day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.postgres.compose import SQL, Composable, Composed, Identifier, Literal
from etld.summaries.model import DAY

if TYPE_CHECKING:
    from etld.summaries.model import Summary


def bucket(summary: Summary, time: Composable) -> Composed:
    """The midnight of the place, as a timestamp without a zone, at which the bucket of a time begins."""
    # Counted from a Monday, as all buckets.
    return SQL("date_bin(make_interval(days => {}), ({}) AT TIME ZONE {}, timestamp '2001-01-01')").format(
        Literal(summary.bucket // DAY), time, Literal(summary.zone)
    )


def placed(summary: Summary, query: Composable) -> Composed:
    """A query of the summary whose bucket_start is such a midnight, with the instant in its place.

    That is the first of the day: the earlier one where midnight comes twice, and the end of a gap in which it would be.
    """
    others = [*summary.key[1:], *(name for name, _ in summary.kept)]
    return SQL(
        "SELECT CASE WHEN m.early AT TIME ZONE {zone} = b.bucket_start THEN m.early ELSE m.late END AS bucket_start"
        "{others} FROM ({query}) b, LATERAL (SELECT b.bucket_start AT TIME ZONE {zone} AS late,"
        " b.bucket_start AT TIME ZONE 'UTC' - (d.before AT TIME ZONE {zone} - d.before AT TIME ZONE 'UTC') AS early"
        " FROM (SELECT (b.bucket_start AT TIME ZONE {zone}) - interval '24 hours' AS before) d) m"
    ).format(
        zone=Literal(summary.zone),
        others=SQL("").join(SQL(", b.") + Identifier(name) for name in others),
        query=query,
    )


def local_start(summary: Summary) -> Composed:
    """The midnight of the place that a row's bucket_start is, also where clocks skip it."""
    return SQL("date_trunc('day', bucket_start AT TIME ZONE {})").format(Literal(summary.zone))
