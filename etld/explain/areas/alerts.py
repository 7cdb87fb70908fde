"""What may go wrong: alerts."""

from __future__ import annotations

from etld.explain.entry import Area, Entry

AREA = Area(
    "A",
    "Alerts",
    Entry(
        "ETLD-A001",
        "A webhook was not told",
        meaning=(
            "The address of an `[[alerts]]` cannot be reached, does not answer in time, or refuses the message. It is"
            " sent again later and later, and what is wrong meanwhile is folded into it."
        ),
        remedy=(
            "`etld alerts test NAME` tries it and shows the answer. Check the URL, the secret and a proxy in between."
        ),
        words={"fault": ("webhook",)},
    ),
    Entry(
        "ETLD-A002",
        "There is no such webhook",
        meaning="No table `[[alerts]]` has this name, or there is none at all.",
        remedy="Add one, or take a name from the configuration.",
    ),
    Entry(
        "ETLD-A003",
        "Many dead letters are parked",
        meaning="More letters than `parked` of the `[[alerts]]` wait for a person, because no rule repairs them.",
        remedy=(
            "`etld dlq stats` groups them. Write a rule and `etld dlq replay`, or `etld dlq discard` what nobody needs."
        ),
        words={"alert": ("parked",)},
    ),
    Entry(
        "ETLD-A004",
        "Events wait for long",
        meaning=(
            "A worker is further behind than `lag` of the `[[alerts]]` allows: more events come than it can take, or "
            "it stands still."
        ),
        remedy=(
            "`etld status` shows the rate. `etld scale processor N` up to the number of partitions; a worker that "
            "stands still has a fault in `etld health`."
        ),
        words={"alert": ("lag",)},
    ),
)
