"""What may go wrong: summaries and charts."""

from __future__ import annotations

from etld.explain.entry import Area, Entry

AREA = Area(
    "M",
    "Summaries and charts",
    Entry(
        "ETLD-M001",
        "A summary cannot be made",
        meaning=(
            "`[summaries.<name>]` names a field, group, measure or event type that is not there, or one whose type "
            "cannot be summed up like this."
        ),
        remedy="Mend what the message names; `etld config check` lists every mistake with its line.",
    ),
    Entry(
        "ETLD-M002",
        "A summary is not filled yet",
        meaning=(
            "It was added or changed, and the aggregator is filling it from the table, or is behind or not running."
        ),
        remedy="Wait, and look at the aggregator in `etld status`. `etld summaries rebuild NAME` fills one anew.",
    ),
    Entry(
        "ETLD-M003",
        "Daemons of one database have different summaries",
        meaning=(
            "Another aggregator has changed the summaries' tables since this one started. To go on would count into "
            "the wrong columns, so nothing is counted."
        ),
        remedy=("Give all daemons the same `[summaries]`, then `etld reload` on each (or `etld restart aggregator`)."),
    ),
    Entry(
        "ETLD-M004",
        "A summary is not kept up to date",
        meaning=(
            "The table of a summary is in the way, was changed, or cannot be made, so nothing is counted into it;"
            " the text has the reason. The others go on, and this one is tried again."
        ),
        remedy="Mend what the text names, then `etld restart aggregator`.",
        words={"fault": ("summaries",)},
    ),
    Entry(
        "ETLD-M005",
        "Charts cannot be drawn",
        meaning=(
            "The directory of `charts.dir` is full or cannot be written, or the process that draws has ended. "
            "Summaries go on being counted."
        ),
        remedy="Make room or correct the rights; drawing is tried again.",
        words={"fault": ("charts",)},
    ),
    Entry(
        "ETLD-M006",
        "No summary has a chart",
        meaning=(
            "`etld charts` draws those summaries that have a table `[summaries.<name>.chart]`, and there is none."
        ),
        remedy="Add such a table; docs/summaries.md shows one.",
    ),
    Entry(
        "ETLD-M007",
        "A summary's table is not as the configuration says",
        meaning=(
            "The configuration was changed, and the aggregator has not made the table anew yet, or a table of this "
            "name belongs to somebody else."
        ),
        remedy="`etld reload`; if a foreign table is in the way, rename it or the summary.",
    ),
)
